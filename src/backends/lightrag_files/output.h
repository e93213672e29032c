/* A file as the writers see it: bytes at its end, and bytes set aside for later. Some parts of
 * LightRAG's files stand in front of what they are made from, or are made row by row beside other
 * rows; they are set aside and taken back when their place has come, so memory does not hold them.
 * Writers do no I/O of their own. */
#ifndef LIGHTRAG_FILES_OUTPUT_H
#define LIGHTRAG_FILES_OUTPUT_H

#include <stddef.h>

#include "core/buffer.h"
#include "core/error.h"

struct lightrag_output {
    void *ctx;
    rag_status (*write)(void *ctx, const void *data, size_t len, rag_error *err);
    rag_status (*set_aside)(void *ctx, const void *data, size_t len, rag_error *err);
    /* All that was set aside, in order, to the end of the file. At most once. */
    rag_status (*take_back)(void *ctx, rag_error *err);
};

static inline rag_status output_text(const struct lightrag_output *out, const char *text,
                                     rag_error *err)
{
    return out->write(out->ctx, text, strlen(text), err);
}

/* Append a key as a JSON string; one that is not UTF-8 has no place in such a file. */
rag_status lightrag_append_key(struct buffer *text, rag_slice key, rag_error *err);

/* Empty `text` for the next row; what one enormous row made it grow to is given back. */
void lightrag_next_row(struct buffer *text);

#endif
