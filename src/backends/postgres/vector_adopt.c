/* Tables with vectors that LightRAG filled before: they become spaces of ours.
 *
 * When a workspace is opened for writing, each of LightRAG's three spaces that has no record yet is
 * looked for: one table with a model in its name and rows of this workspace, or, when there is none,
 * the table without. If several models have rows nobody can say which one is meant: then the space is
 * found when it is defined, by the model's name. Dimension and element type are those of the column.
 * The model's name cannot be had back from the table's, in which every odd character is '_'; it stays
 * unknown until somebody defines the space with a model that gives the table this name. Who opens for
 * reading is told, once, that there are such tables: what LightRAG filled after the workspace became
 * a store. */
#include <stdio.h>
#include <string.h>

#include "schema.h"
#include "vector.h"

/* Tables of a base name that have a row of this workspace, those with a model first. query_to_xml()
 * runs the statement for each table inside this one. $1: workspace, $2: base, $3: name of the space */
static const char SQL_CANDIDATES[] =
    "SELECT c.relname::text, a.atttypmod::int8, (a.atttypid = to_regtype('halfvec'))::int::int8"
    " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'content_vector'"
    " WHERE c.relkind = 'r' AND pg_table_is_visible(c.oid) AND a.atttypmod > 0"
    " AND a.atttypid IN (to_regtype('vector'), to_regtype('halfvec'))"
    " AND c.relname ~ ('^' || $2::text || '(_[a-z0-9_]+d)?$')"
    " AND NOT EXISTS (SELECT 1 FROM ragstore_space s WHERE s.workspace = $1::text"
    " AND s.name = $3::text)"
    " AND query_to_xml(format('SELECT 1 FROM %I WHERE workspace = %L LIMIT 1', c.relname,"
    " $1::text), false, true, '')::text <> ''"
    " ORDER BY c.relname = $2::text, c.relname";
static const char SQL_MODEL[] = "UPDATE ragstore_space SET model = $3::text,"
                                " lightrag = coalesce(nullif($4::text, ''), lightrag)"
                                " WHERE workspace = $1::text AND name = $2::text AND model = ''";

static rag_status candidates(const rag_call *call, struct pg_conn *conn,
                             const struct pg_table *layout, PGresult **out, rag_error *err)
{
    struct pg_params params;
    pg_params_begin_named(&params, call, layout->name);
    pg_add_text(&params, layout->name_space);
    return pg_run(conn, call->ctx, SQL_CANDIDATES, &params, "looking for tables of LightRAG's", out,
                  err);
}

/* The row of the table that is meant, or -1. */
static int choose(const PGresult *result, const char *base)
{
    const int rows = PQntuples(result);
    int with_model = 0;
    for (int row = 0; row < rows; row++)
        with_model += strcmp(PQgetvalue(result, row, 0), base) != 0;
    if (with_model > 1)
        return -1;
    return rows ? 0 : -1;
}

struct adopting {
    const struct pg_table *layout;
};

static rag_status adopt_work(const rag_call *call, struct pg_conn *conn, void *user, rag_error *err)
{
    const struct pg_table *layout = ((const struct adopting *)user)->layout;
    rag_vector_space space = RAG_VECTOR_SPACE_INIT;
    struct pg_vector_place place;
    PGresult *result;
    PG_TRY(candidates(call, conn, layout, &result, err)); /* again: now it is our turn */
    const int row = choose(result, layout->name);
    rag_status status = RAG_OK;
    memset(&place, 0, sizeof place);
    if (row >= 0) {
        space.dimension = (uint32_t)pg_int(result, row, 1);
        space.element = pg_int(result, row, 2) ? RAG_ELEMENT_FLOAT16 : RAG_ELEMENT_FLOAT32;
        (void)snprintf(place.lightrag, sizeof place.lightrag, "%s", PQgetvalue(result, row, 0));
        status = pg_vector_tables(call, conn, layout->name_space, &space, &place, err);
    }
    PQclear(result);
    if (status == RAG_OK && row >= 0)
        status = pg_space_record(call, conn, layout->name_space, &space, &place, err);
    return status;
}

static rag_status find_work(const rag_call *call, struct pg_conn *conn, void *user, rag_error *err)
{
    struct adopting *a = user;
    PGresult *result;
    PG_TRY(candidates(call, conn, a->layout, &result, err));
    if (choose(result, a->layout->name) < 0)
        a->layout = NULL;
    PQclear(result);
    return RAG_OK;
}

static const char *const names[] = { "entities", "relationships", "chunks" };
enum { NAMES = sizeof names / sizeof *names };

void pg_vector_mention(const rag_call *call)
{
    for (size_t i = 0; i < NAMES; i++) {
        struct adopting a = { pg_vector_layout(names[i]) };
        struct pg_text text = { .host = call->host };
        /* what this role cannot look into it is not told of */
        if (pg_read(call, find_work, &a, NULL) != RAG_OK || !a.layout)
            continue;
        pg_text_printf(&text,
                       "the vectors '%s' that LightRAG wrote are not seen: opening the workspace "
                       "once for writing takes them over",
                       names[i]);
        if (!text.failed)
            call->host->log(call->ctx, RAG_LOG_WARNING, text.data);
        pg_text_free(&text);
    }
}

rag_status pg_vector_adopt(const rag_call *call, rag_error *err)
{
    for (size_t i = 0; i < NAMES; i++) {
        struct adopting a = { pg_vector_layout(names[i]) };
        PG_TRY(pg_read(call, find_work, &a, err));
        rag_error why = RAG_ERROR_INIT;
        const rag_status status = a.layout ? pg_write(call, adopt_work, &a, 0, NULL, &why) : RAG_OK;
        if (status == RAG_E_DENIED) { /* the other stores can do without */
            call->host->log(call->ctx, RAG_LOG_WARNING,
                            "vectors that LightRAG wrote are not to be seen: its tables belong to "
                            "another role");
        } else if (status != RAG_OK) {
            return pg_pass(status, &why, err);
        }
    }
    return RAG_OK;
}

/* ---- the model of an adopted space ----------------------------------------------------------------- */

struct naming {
    const char *name;
    const rag_vector_space *wanted;
};

static rag_status set_model(const rag_call *call, struct pg_conn *conn, const struct naming *n,
                            const char *table, rag_error *err)
{
    struct pg_params params;
    pg_params_begin_named(&params, call, n->name);
    pg_add_text(&params, n->wanted->model);
    pg_add_text(&params, table);
    return pg_run(conn, call->ctx, SQL_MODEL, &params, "naming the model of a space", NULL, err);
}

static rag_status name_work(const rag_call *call, struct pg_conn *conn, void *user, rag_error *err)
{
    return set_model(call, conn, user, "", err);
}

/* All columns of a table of LightRAG's, as ours have them. */
static void add_columns(struct pg_text *sql, const struct pg_table *layout)
{
    pg_text_add_text(sql, "workspace, id, content_vector, create_time, update_time,"
                          " ragstore_extra, ragstore_names");
    for (size_t i = 0; i < layout->column_count; i++)
        pg_text_printf(sql, ", %s", layout->columns[i].name);
}

/* The rows of this workspace from the table without a model into that of the model, as LightRAG does
 * when it is started with one; the old ones stay. */
static rag_status move_work(const rag_call *call, struct pg_conn *conn, void *user, rag_error *err)
{
    const struct naming *n = user;
    const struct pg_table *layout = pg_vector_layout(n->name);
    const struct pg_making m = { call->host, conn, call->ctx, err };
    struct pg_vector_place place;
    struct pg_text sql = { .host = call->host };
    memset(&place, 0, sizeof place);
    PG_TRY(pg_vector_tables(call, conn, n->name, n->wanted, &place, err));
    if (!place.lightrag[0])
        return RAG_OK; /* it stays where it is */
    PG_TRY(pg_vector_name_workspace(call, conn, err));
    pg_text_printf(&sql, "INSERT INTO %s (", place.lightrag);
    add_columns(&sql, layout);
    pg_text_add_text(&sql, ") SELECT ");
    add_columns(&sql, layout);
    pg_text_printf(&sql,
                   " FROM %s WHERE workspace = current_setting('ragstore.workspace')"
                   " ON CONFLICT (workspace, id) DO NOTHING",
                   layout->name);
    const rag_status status = pg_schema_run_text(&m, &sql);
    pg_text_free(&sql);
    return status == RAG_OK ? set_model(call, conn, n, place.lightrag, err) : status;
}

rag_status pg_vector_settle_model(const rag_call *call, const char *name, const char *table,
                                  const rag_vector_space *wanted, rag_vector_space *facts,
                                  rag_error *err)
{
    const struct pg_table *layout = pg_vector_layout(name);
    struct naming n = { name, wanted };
    char expected[PG_NAME_MAX + 1];
    if (facts->model[0] || !wanted->model[0] || !layout || !table[0])
        return RAG_OK;
    pg_vector_name(layout, wanted, expected);
    const int same_facts = facts->dimension == wanted->dimension &&
                           facts->metric == wanted->metric && facts->element == wanted->element;
    if (strcmp(table, layout->name) == 0) {
        if (same_facts && expected[0])
            PG_TRY(pg_write(call, move_work, &n, 0, NULL, err));
    } else if (strcmp(expected, table) == 0) {
        PG_TRY(pg_write(call, name_work, &n, 0, NULL, err));
    } else { /* another one: what its name became in the table's says which */
        (void)snprintf(facts->model, sizeof facts->model, "%s", table + strlen(layout->name) + 1);
    }
    return RAG_OK;
}

/* ---- dropping -------------------------------------------------------------------------------------- */

static const char SQL_WORKSPACE[] = "SELECT set_config('ragstore.workspace', $1::text, true)";
static const char SQL_THERE[] = "SELECT 1 WHERE to_regclass($1::text) IS NOT NULL";

rag_status pg_vector_name_workspace(const rag_call *call, struct pg_conn *conn, rag_error *err)
{
    struct pg_params params;
    pg_params_begin(&params, call);
    return pg_run(conn, call->ctx, SQL_WORKSPACE, &params, "naming the workspace", NULL, err);
}

rag_status pg_vector_clear_old(const rag_call *call, struct pg_conn *conn, const char *name,
                               rag_error *err)
{
    const struct pg_table *layout = pg_vector_layout(name);
    struct pg_params params = { 0 };
    PGresult *result;
    if (!layout)
        return RAG_OK;
    pg_add_text(&params, layout->name);
    PG_TRY(pg_run(conn, call->ctx, SQL_THERE, &params, "looking for a table", &result, err));
    const int there = PQntuples(result) > 0;
    PQclear(result);
    if (!there)
        return RAG_OK;
    PG_TRY(pg_vector_name_workspace(call, conn, err));
    const struct pg_making m = { call->host, conn, call->ctx, err };
    struct pg_text sql = { .host = call->host };
    pg_text_printf(&sql, "DELETE FROM %s WHERE workspace = current_setting('ragstore.workspace')",
                   layout->name);
    const rag_status status = pg_schema_run_text(&m, &sql);
    pg_text_free(&sql);
    return status;
}
