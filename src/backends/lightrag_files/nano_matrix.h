/* The "matrix" of vdb_*.json, read row by row for rows that have no "vector" of their own. */
#ifndef LIGHTRAG_FILES_NANO_MATRIX_H
#define LIGHTRAG_FILES_NANO_MATRIX_H

#include "base64.h"
#include "core/json_reader.h"
#include "input.h"

/* Go to the member `name` of the object that is the whole file; *event is that of its value.
 * RAG_E_NOT_FOUND when there is none. For a reader that has given no event yet. */
rag_status nano_find_member(struct json_reader *r, const char *name, enum json_event *event,
                            rag_error *err);

struct nano_matrix {
    struct lightrag_stream stream;
    struct json_reader json;
    const struct base64 *alphabet;
    int opened, ended;
    char carry[4]; /* characters of a group that the piece did not end */
    size_t carried;
    struct buffer bytes; /* decoded */
    size_t used;         /* of them, already given out */
    uint64_t next_row;
};

/* Find the matrix in the file. RAG_E_NOT_FOUND when there is none. */
rag_status nano_matrix_open(struct nano_matrix *m, const struct lightrag_input *input,
                            const struct base64 *alphabet, rag_error *err);
void nano_matrix_close(struct nano_matrix *m); /* a zeroed one is allowed */

/* Row `row`, of `dimension` floats; rows are asked for in ascending order. RAG_E_CORRUPT when the
 * matrix ends before it. */
rag_status nano_matrix_row(struct nano_matrix *m, uint64_t row, uint32_t dimension, float *out,
                           rag_error *err);

#endif
