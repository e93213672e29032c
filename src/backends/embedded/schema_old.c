/* Stores of version 1 read as they are.
 *
 * A store that is opened for reading only must not be changed, and may lie where it cannot be. So
 * the connection gets temporary views with the names of today's tables: SQLite looks names up among
 * temporary objects first, and every statement of the stores finds what it asks for. What version 1
 * did not have is empty (bounds of caches, pending vectors) or made of what it has: two columns of
 * documents out of their values, the blocks of labels out of the nodes. That is slower (a search in
 * labels sorts all nodes, documents are ordered without the index) and it is right: nothing is
 * copied, so each snapshot sees what is in the store at that moment, though another process writes.
 * Should one bring the store up to date meanwhile, the connection is thrown away at its next
 * transaction (db_read_begin()).
 *
 * Called when a reader is opened, by db_connection.c only. */
#include "schema_old.h"

#include "schema.h"
#include "stores.h"

static const char VIEWS[] =
    "CREATE TEMP VIEW doc AS SELECT rowid, id, status, ifnull(created_at, X'') AS created_at,"
    "  updated_at, file_path, file_path_order, track_id, content_hash, is_duplicate,"
    "  old_original_id(value) AS original_id, old_has_journal(value) AS has_journal, value"
    "  FROM main.doc;"
    "CREATE TEMP VIEW graph_label AS SELECT id / 64 AS block, old_label_block(id, label) AS labels"
    "  FROM main.graph_node GROUP BY id / 64;"
    "CREATE TEMP VIEW vector_space AS SELECT *, 0 AS pending FROM main.vector_space;"
    "CREATE TEMP VIEW kv_limit AS SELECT 0 AS namespace, 0 AS max_bytes, 0 AS ttl_s WHERE 0;"
    "CREATE TEMP VIEW kv_written AS SELECT 0 AS namespace, 0 AS updated_at, 0 AS row WHERE 0;"
    "CREATE TEMP VIEW vector_pending AS SELECT 0 AS mark, 0 AS space, X'' AS id, 0 AS owner,"
    "  0 AS created_at, NULL AS name, NULL AS name2, NULL AS content, NULL AS value,"
    "  NULL AS vector WHERE 0;"
    "CREATE TEMP VIEW pending_owner AS SELECT 0 AS id, '' AS process WHERE 0;";

rag_status schema_old_views(struct db_conn *conn, int version, rag_error *err)
{
    if (version >= SCHEMA_VERSION_UNCHECKED)
        return RAG_OK;
    RAG_TRY(docstatus_old_functions(conn, err));
    RAG_TRY(graph_old_functions(conn, err));
    const int code = sqlite3_exec(conn->sqlite, VIEWS, NULL, NULL, NULL);
    return code == SQLITE_OK ? RAG_OK : db_fail(conn, code, "look into the old tables of", err);
}
