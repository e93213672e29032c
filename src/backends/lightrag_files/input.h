/* A file as the readers see it: bytes at a place. Readers do no I/O of their own, so that tests give
 * them memory in pieces of any size, and so that a second pass needs no second name. */
#ifndef LIGHTRAG_FILES_INPUT_H
#define LIGHTRAG_FILES_INPUT_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

struct lightrag_input {
    const char *name; /* for messages */
    void *ctx;
    /* Up to `size` bytes from `offset`; *got is 0 at the end of the file only. */
    rag_status (*read_at)(void *ctx, uint64_t offset, void *data, size_t size, size_t *got,
                          rag_error *err);
};

/* A place in an input that moves on as it is read. */
struct lightrag_stream {
    const struct lightrag_input *input;
    uint64_t offset;
};

/* A json_fill_fn; ctx is a struct lightrag_stream. */
rag_status lightrag_fill(void *ctx, void *data, size_t size, size_t *got, rag_error *err);

#endif
