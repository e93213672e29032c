/* Single rows of the graph: see graph_rows.h. A node is found in graph_node, an edge by one end and the
 * label of the other in graph_adjacent; values are apart, and are read only when they are wanted. */
#include "graph_rows.h"

#include "codec.h"
#include "core/error.h"
#include "core/slice.h"

static const char SQL_FIND_NODE[] = "SELECT id, degree FROM graph_node WHERE label = ?1";
static const char SQL_FIND_EDGE[] =
    "SELECT edge FROM graph_adjacent WHERE node = ?1 AND neighbour = ?2";
const char GRAPH_SQL_NODE_VALUE[] = "SELECT value FROM graph_node_value WHERE id = ?1";
const char GRAPH_SQL_EDGE_VALUE[] = "SELECT value FROM graph_edge WHERE id = ?1";

rag_status graph_find_node(struct db_conn *conn, rag_slice label, struct graph_node *out,
                           rag_error *err)
{
    sqlite3_stmt *stmt;
    int found;
    RAG_TRY(db_prepare(conn, SQL_FIND_NODE, &stmt, err));
    db_bind_slice(stmt, 1, label);
    RAG_TRY(db_step(conn, stmt, &found, err));
    *out = found
               ? (struct graph_node){ sqlite3_column_int64(stmt, 0), sqlite3_column_int64(stmt, 1) }
               : (struct graph_node){ 0, 0 };
    (void)sqlite3_reset(stmt);
    return RAG_OK;
}

rag_status graph_find_edge(struct db_conn *conn, sqlite3_int64 node, rag_slice neighbour,
                           sqlite3_int64 *edge, rag_error *err)
{
    sqlite3_stmt *stmt;
    int found;
    RAG_TRY(db_prepare(conn, SQL_FIND_EDGE, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, node);
    db_bind_slice(stmt, 2, neighbour);
    RAG_TRY(db_step(conn, stmt, &found, err));
    *edge = found ? sqlite3_column_int64(stmt, 0) : 0;
    (void)sqlite3_reset(stmt);
    return RAG_OK;
}

rag_status graph_fail_no_value(const char *what, rag_slice name, rag_error *err)
{
    return rag_fail(err, RAG_E_CORRUPT, "%s '%.*s' has no attributes row", what, RAG_SHOWN(name));
}

rag_status graph_read_value(struct db_conn *conn, const char *sql, sqlite3_int64 id,
                            const char *what, rag_slice name, rag_slice *out, size_t *stored_len,
                            rag_error *err)
{
    sqlite3_stmt *stmt;
    int found;
    RAG_TRY(db_prepare(conn, sql, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, id);
    RAG_TRY(db_step(conn, stmt, &found, err));
    if (!found)
        return graph_fail_no_value(what, name, err);
    const rag_slice stored = db_column_slice(stmt, 0);
    if (stored_len)
        *stored_len = stored.len;
    /* `out` may point into the row: it stays valid until the statement is used again. */
    return codec_decode(conn->codec, stored, what, name, out, err);
}
