/* All rows of a namespace into its file, whoever has them. */
#ifndef LIGHTRAG_FILES_FILE_WRITER_H
#define LIGHTRAG_FILES_FILE_WRITER_H

#include "files.h"
#include "output.h"

/* Where the rows come from. A page of them in the order of scans, as the scans of the public API
 * give it: *out belongs to the writer, rag_result_next() says where the next one begins. Of a graph
 * all pages of LIGHTRAG_NODES are asked for, then all of LIGHTRAG_EDGES. */
struct lightrag_rows {
    void *ctx;
    rag_status (*page)(void *ctx, enum lightrag_kind kind, rag_slice after, size_t limit,
                       rag_result **out, rag_error *err);
    /* After each page: how many rows were written. May be NULL; a failure ends the writing. */
    rag_status (*progress)(void *ctx, uint64_t rows, rag_error *err);
};

/* What became of the rows. */
struct lightrag_written {
    uint64_t rows;            /* in all */
    uint64_t nodes, edges;    /* of a graph */
    uint64_t zero_rows;       /* vectors of length zero */
    uint64_t dropped_members; /* of payloads, with names that are LightRAG's own */
};

/* Of LIGHTRAG_FILE_VECTOR: what is known of the space that the file has to say. */
struct lightrag_space {
    uint32_t dimension;
    const char *model; /* "": not to be said */
};

/* `space`: of LIGHTRAG_FILE_VECTOR, else NULL. */
rag_status lightrag_write_file(enum lightrag_file_kind kind, const struct lightrag_space *space,
                               const struct lightrag_rows *rows, const struct lightrag_output *out,
                               struct lightrag_written *written, rag_error *err);

#endif
