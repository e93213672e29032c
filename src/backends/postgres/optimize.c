/* Optimizing: indexes that are missing are made, and the planner is told how many rows there are.
 *
 * It takes the right index when it knows that. Autovacuum tells it a minute after the rows were
 * written; this tells it at once. */
#include "graph.h"
#include "schema.h"
#include "vector.h"

/* All tables whose rows are counted, but of those with vectors only the ones of this workspace. */
static const char SQL_TABLES[] =
    "SELECT DISTINCT t FROM (SELECT lightrag AS t FROM ragstore_space WHERE workspace = $1::text"
    " UNION ALL SELECT own FROM ragstore_space WHERE workspace = $1::text"
    " UNION ALL SELECT c.relname FROM pg_class c JOIN pg_trigger g ON g.tgrelid = c.oid"
    " WHERE g.tgname = 'ragstore_count_0' AND pg_table_is_visible(c.oid)"
    " AND NOT EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid"
    " AND a.attname = 'content_vector')) x"
    " WHERE to_regclass(nullif(t, '')) IS NOT NULL ORDER BY t";

static rag_status analyze_table(const rag_call *call, struct pg_conn *conn, const char *table,
                                rag_error *err)
{
    struct pg_text sql = { .host = call->host };
    pg_text_add_text(&sql, "ANALYZE ");
    pg_add_identifier(&sql, table);
    rag_status status = pg_text_check(&sql, err);
    if (status == RAG_OK)
        status = pg_command(conn, call->ctx, sql.data, PG_RUNNING, "counting a table", err);
    pg_text_free(&sql);
    return status;
}

static rag_status analyze_work(const rag_call *call, struct pg_conn *conn, void *user,
                               rag_error *err)
{
    struct pg_params params;
    PGresult *result;
    rag_status status = RAG_OK;
    (void)user;
    pg_params_begin(&params, call);
    PG_TRY(pg_run(conn, call->ctx, SQL_TABLES, &params, "looking for tables", &result, err));
    for (int row = 0; row < PQntuples(result) && status == RAG_OK; row++)
        status = analyze_table(call, conn, PQgetvalue(result, row, 0), err);
    PQclear(result);
    return status;
}

rag_status pg_optimize(const rag_call *call, rag_error *err)
{
    PG_TRY(pg_graph_optimize(call, err));
    PG_TRY(pg_vector_index_all(call, err));
    return pg_read(call, analyze_work, NULL, err);
}
