/* Single rows of the graph, found by their names: what writing and reading both begin with. */
#ifndef EMBEDDED_GRAPH_ROWS_H
#define EMBEDDED_GRAPH_ROWS_H

#include "db.h"

struct graph_node {
    sqlite3_int64 id; /* 0: there is none */
    sqlite3_int64 degree;
};

rag_status graph_find_node(struct db_conn *conn, rag_slice label, struct graph_node *out,
                           rag_error *err);
/* *edge is 0 when there is none. */
rag_status graph_find_edge(struct db_conn *conn, sqlite3_int64 node, rag_slice neighbour,
                           sqlite3_int64 *edge, rag_error *err);

extern const char GRAPH_SQL_NODE_VALUE[], GRAPH_SQL_EDGE_VALUE[];

/* Read the value with row id `id` by one of these; *out lives until the next decode on this connection.
 * *stored_len (may be NULL) is the length that it has in the file. `what` and `name` are for the error
 * when there is none (RAG_E_CORRUPT). */
rag_status graph_read_value(struct db_conn *conn, const char *sql, sqlite3_int64 id,
                            const char *what, rag_slice name, rag_slice *out, size_t *stored_len,
                            rag_error *err);
/* What there is to say of such an error. */
rag_status graph_fail_no_value(const char *what, rag_slice name, rag_error *err);

#endif
