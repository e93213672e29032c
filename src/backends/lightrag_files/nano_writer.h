/* Writer of vdb_*.json: begin, a row at a time, end. */
#ifndef LIGHTRAG_FILES_NANO_WRITER_H
#define LIGHTRAG_FILES_NANO_WRITER_H

#include <zlib.h>

#include "output.h"

struct nano_writer {
    const struct lightrag_output *out;
    uint32_t dimension;
    uint64_t rows;
    uint64_t zero_rows;       /* vectors of length zero */
    uint64_t dropped_members; /* of payloads, with names that are LightRAG's own */
    struct buffer text;
    z_stream zlib;
    int opened;
    unsigned char *halves, *packed; /* room for one vector, and for it packed */
    float *scaled;
    char *letters;          /* room for the base64 of either */
    unsigned char carry[2]; /* of the matrix: bytes that wait for a third */
    size_t carried;
};

/* `model`: of a space that goes on living in the file, "" when it is not known. */
rag_status nano_begin(struct nano_writer *w, const struct lightrag_output *out, uint32_t dimension,
                      const char *model, rag_error *err);
/* Rows carry key, value, vector, created_at. RAG_E_INVALID: float16 cannot hold the vector. */
rag_status nano_row(struct nano_writer *w, const rag_row *row, rag_error *err);
rag_status nano_end(struct nano_writer *w, rag_error *err);
/* Whether a member of a payload has a name that is LightRAG's own. */
int nano_is_reserved(rag_slice name);
void nano_free(struct nano_writer *w); /* also of one whose beginning failed */

#endif
