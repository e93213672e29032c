/* A growing run of bytes with a stated maximum. Zero-initialise with the limit:
 *     struct buffer b = BUFFER_INIT(LIMIT_VALUE_BYTES);
 * After a failed append the buffer is as before; buffer_free() always works. Content is followed by
 * a NUL that is not counted. */
#ifndef CORE_BUFFER_H
#define CORE_BUFFER_H

#include <stddef.h>

#include "error.h"
#include "slice.h"

struct buffer {
    char *data;
    size_t len, capacity, limit;
};

#define BUFFER_INIT(limit_bytes) { NULL, 0, 0, (limit_bytes) }

rag_status buffer_reserve(struct buffer *b, size_t more, rag_error *err);
rag_status buffer_append(struct buffer *b, const void *data, size_t len, rag_error *err);
rag_status buffer_append_text(struct buffer *b, const char *text, rag_error *err);
rag_status buffer_append_char(struct buffer *b, char c, rag_error *err);
rag_status buffer_printf(struct buffer *b, rag_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* As a JSON string with quotes; bytes that are not UTF-8 become U+FFFD. */
rag_status buffer_append_json_string(struct buffer *b, rag_slice text, rag_error *err);
void buffer_clear(struct buffer *b); /* keeps the memory */
void buffer_free(struct buffer *b);

static inline rag_slice buffer_slice(const struct buffer *b)
{
    return slice_of(b->data, b->len);
}

#endif
