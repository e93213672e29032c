/* The rows of vdb_*.json: shared by the reader and the salvage. */
#ifndef LIGHTRAG_FILES_NANO_ROWS_H
#define LIGHTRAG_FILES_NANO_ROWS_H

#include "batch.h"
#include "core/json_reader.h"
#include "nano_matrix.h"
#include "nano_vector.h"

struct nano_reader {
    struct lightrag_job *job;
    struct json_reader json;
    struct nano_vector vector;
    struct nano_matrix matrix;
    uint32_t dimension;      /* 0: not known yet */
    uint64_t index;          /* of the row being read */
    struct buffer id;        /* of the row being read */
    int has_id, has_vector;  /* of the row being read */
    int has_matrix;          /* it was passed over */
    uint64_t matrix_letters; /* of its text */
    uint64_t odd_times, from_matrix, nan_rows;
    uint64_t replaced; /* by readers that were closed */
    int index_unknown; /* rows may be missing before this one */
};

/* The object whose beginning was the last event. */
rag_status nano_read_row(struct nano_reader *n, rag_error *err);
/* The value of "embedding_dim", which was the last event. */
rag_status nano_read_dimension(const struct json_reader *r, enum json_event event,
                               uint32_t *dimension, rag_error *err);

/* nano_salvage.c: all rows that are whole, from a file that may be damaged. */
rag_status nano_salvage(struct nano_reader *n, rag_error *err);

#endif
