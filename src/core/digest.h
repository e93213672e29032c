/* SHA-256, piece by piece. */
#ifndef CORE_DIGEST_H
#define CORE_DIGEST_H

#include <stddef.h>

#include "error.h"
#include "slice.h"

#define DIGEST_SHA256_BYTES 32
#define DIGEST_SHA256_HEX_BYTES 65 /* with the NUL */

struct digest {
    void *state; /* NULL: not begun */
};

#define DIGEST_INIT { NULL }

/* On success the caller ends with digest_end() or digest_free(); a failure needs neither. */
rag_status digest_begin(struct digest *d, rag_error *err);
rag_status digest_add(struct digest *d, const void *data, size_t len, rag_error *err);
/* The digest of all that was added; the state is free afterwards. */
rag_status digest_end(struct digest *d, unsigned char out[DIGEST_SHA256_BYTES], rag_error *err);
/* The same as lower-case hex with a NUL. */
rag_status digest_end_hex(struct digest *d, char out[DIGEST_SHA256_HEX_BYTES], rag_error *err);
void digest_free(struct digest *d); /* any number of times */

/* The digest of one run of bytes. */
rag_status digest_sha256(rag_slice data, unsigned char out[DIGEST_SHA256_BYTES], rag_error *err);
/* The same as lower-case hex with a NUL. */
rag_status digest_sha256_hex(rag_slice data, char out[DIGEST_SHA256_HEX_BYTES], rag_error *err);

#endif
