/* The index of a search in labels: table graph_label. */
#ifndef EMBEDDED_GRAPH_LABELS_H
#define EMBEDDED_GRAPH_LABELS_H

#include "core/arena.h"
#include "db.h"

/* Nodes that a slot has created and that are not in the index yet. Zero-initialise. */
struct new_labels {
    struct new_label {
        sqlite3_int64 node;
        rag_slice label; /* the caller's */
    } *items;
    size_t count, capacity;
};

rag_status new_labels_add(struct new_labels *n, sqlite3_int64 node, rag_slice label,
                          rag_error *err);
/* Write them to the index, block by block. */
rag_status new_labels_write(struct new_labels *n, struct db_conn *conn, rag_error *err);
void new_labels_free(struct new_labels *n);

/* Take a node that goes away out of the index. */
rag_status labels_remove(struct db_conn *conn, sqlite3_int64 node, rag_slice label, rag_error *err);

/* The slot. */
rag_status graph_search_labels(const rag_call *call, rag_slice query, size_t limit, rag_result *out,
                               rag_error *err);

#endif
