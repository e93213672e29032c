/* Growing bytes in memory of the host, JSON strings, arrays as the protocol has them, and comparing. */
#ifndef POSTGRES_TEXT_H
#define POSTGRES_TEXT_H

#include <ragstore/backend.h>

/* Return at once when `call` fails. */
#define PG_TRY(call)                    \
    do {                                \
        const rag_status try_ = (call); \
        if (try_ != RAG_OK)             \
            return try_;                \
    } while (0)

/* RAG_E_NO_MEMORY, with its message. */
static inline rag_status pg_no_memory(const rag_host *host, rag_error *err)
{
    (void)host->fail(err, RAG_E_NO_MEMORY, "out of memory");
    return RAG_E_NO_MEMORY;
}

/* In the order of bytes: less than 0, 0, more than 0; a prefix is less. */
int pg_compare(rag_slice a, rag_slice b);
int pg_is_text(rag_slice s, const char *text);

enum { PG_OID_BYTEA = 17, PG_OID_INT8 = 20, PG_OID_TEXT = 25 };

/* Once memory ran out it stays empty and `failed`: looked at once, when it is used. */
struct pg_text {
    const rag_host *host;
    char *data;
    size_t len, capacity;
    int failed;
};

void pg_text_free(struct pg_text *t);
void pg_text_clear(struct pg_text *t);
void pg_text_add(struct pg_text *t, const void *data, size_t len);
void pg_text_add_text(struct pg_text *t, const char *text);
/* Short ones only: up to 2,000 bytes; for statements. */
void pg_text_printf(struct pg_text *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* `pattern` with each '@' replaced by `name`. */
void pg_text_fill(struct pg_text *t, const char *pattern, const char *name);
void pg_text_add_json_string(struct pg_text *t, rag_slice s);
rag_status pg_text_check(const struct pg_text *t, rag_error *err);

/* A one-dimensional array in the binary format, as a parameter of a statement. */
struct pg_array {
    struct pg_text bytes;
    uint32_t count;
    uint32_t type; /* PG_OID_* */
};

void pg_array_begin(struct pg_array *a, const rag_host *host, uint32_t type);
void pg_array_add(struct pg_array *a, rag_slice element); /* data NULL: SQL's NULL */
void pg_array_add_int(struct pg_array *a, int64_t element);
void pg_array_clear(struct pg_array *a);
void pg_array_free(struct pg_array *a);

void pg_put_int64(char out[8], int64_t value); /* big-endian */

#endif
