/* The "vector" field of a row of vdb_*.json: base64 of zlib of float16, little-endian. */
#ifndef LIGHTRAG_FILES_NANO_VECTOR_H
#define LIGHTRAG_FILES_NANO_VECTOR_H

#include <ragstore/vector.h>
#include <zlib.h>

#include "base64.h"
#include "core/error.h"
#include "core/slice.h"

/* Longest text of such a field: more than zlib and base64 make of the largest vector. */
#define NANO_FIELD_BYTES ((size_t)256 * 1024)

/* Decodes one field after the other with the same memory. */
struct nano_vector {
    struct base64 alphabet;
    z_stream zlib;
    int opened;
    unsigned char *packed; /* of NANO_FIELD_BYTES */
    unsigned char *halves; /* of 2 * RAG_DIMENSION_MAX + 1 */
    size_t len;            /* bytes in `halves` */
};

rag_status nano_vector_open(struct nano_vector *v, rag_error *err);
void nano_vector_close(struct nano_vector *v); /* a zeroed one is allowed */

/* Unpack the field into v->halves. What is wrong goes into `why` ("base64 at character 7"), which
 * holds NANO_WHY_BYTES; 1 when all is well. */
enum { NANO_WHY_BYTES = 120 };
int nano_vector_unpack(struct nano_vector *v, rag_slice field, char *why);

/* v->halves as floats: v->len / 2 of them. *bad: the index of the first NaN or infinity, or v->len
 * / 2. */
void nano_vector_floats(const struct nano_vector *v, float *out, size_t *bad);

#endif
