/* The indexes of vectors, and when they are made.
 *
 * A table gets its index when there are rows in it, not when it is made: to put rows into an HNSW
 * index one by one takes several times as long as to make the index over all of them at once, and
 * the lists of an IVFFlat index over an empty table are poor. Searches without are right and compare
 * every row. So an index is made
 *   - when the store is optimized, which `ragstore import` does;
 *   - when a space is defined that has rows already, as LightRAG does at its start;
 *   - when a write finds that the table has grown without one: then it pays for all before it.
 * Who makes it holds the writer's turn; readers go on, writers of the table wait. */
#include <stdio.h>
#include <string.h>

#include "schema.h"
#include "vector.h"

enum {
    HNSW_VECTOR_MAX = 2000,
    HNSW_HALF_MAX = 4000,
    DEFINED_ROWS = 1000, /* an index gains nothing below (vector_search.c) */
    GROWN_ROWS = 20000,  /* comparing so many takes some hundredths of a second */
};

static const char SQL_SPACES[] =
    "SELECT lightrag, own, dimension, metric, element FROM ragstore_space"
    " WHERE workspace = $1::text AND ($2::text = '' OR name = $2::text) ORDER BY name";
static const char SQL_SIZE[] = "SELECT pg_relation_size(to_regclass($1::text)),"
                               " pg_table_size(to_regclass($1::text))";
/* An index that does not fit into this memory is made many times slower, and one worker is enough only
 * by the size of the rows, whose vectors are elsewhere. $1: bytes of the table */
static const char SQL_ROOM[] =
    "SELECT set_config('maintenance_work_mem', greatest(pg_size_bytes(current_setting("
    "'maintenance_work_mem')), least($1::int8 / 2 * 3, 1073741824)) / 1024 || 'kB', true),"
    " set_config('min_parallel_table_scan_size', '0', true)";

static int can_have(const struct pg_vector_options *o, const rag_vector_space *space, int half)
{
    if (o->index == PG_INDEX_NONE || space->dimension > (half ? HNSW_HALF_MAX : HNSW_VECTOR_MAX))
        return 0;
    return o->index == PG_INDEX_HNSW || space->dimension > 1; /* IVFFlat refuses one */
}

static rag_status make(const struct pg_making *m, const struct pg_vector_options *o,
                       const char *table, const char *md5, const rag_vector_space *space, int half)
{
    const char *type = half ? "halfvec" : "vector";
    const char *metric = space->metric == RAG_METRIC_DOT ? "ip" : "cosine";
    char suffix[32], on[160];
    if (o->index == PG_INDEX_IVFFLAT) {
        (void)snprintf(suffix, sizeof suffix, "ivfflat_%s", metric);
        (void)snprintf(on, sizeof on,
                       "USING ivfflat (content_vector %s_%s_ops) WITH (lists = %lld)", type, metric,
                       (long long)o->lists);
    } else {
        (void)snprintf(suffix, sizeof suffix, "%s_%s", half ? "hnsw_halfvec" : "hnsw", metric);
        (void)snprintf(
            on, sizeof on,
            "USING hnsw (content_vector %s_%s_ops) WITH (m = %lld, ef_construction = %lld)", type,
            metric, (long long)o->hnsw_m, (long long)o->hnsw_ef);
    }
    return pg_vector_make_index(m, table, md5, suffix, on);
}

/* Workers share memory that a server in a container may not have: then without them. */
static rag_status make_anyhow(const struct pg_making *m, const struct pg_vector_options *o,
                              const char *table, const char *md5, const rag_vector_space *space,
                              int half)
{
    rag_error why = RAG_ERROR_INIT;
    const struct pg_making first = { m->host, m->conn, m->ctx, &why };
    PG_TRY(pg_schema_run(m, "SAVEPOINT indexing"));
    rag_status status = make(&first, o, table, md5, space, half);
    if (status != RAG_E_NO_SPACE && status != RAG_E_NO_MEMORY) {
        return pg_pass(status, &why, m->err);
    }
    PG_TRY(pg_schema_run(m, "ROLLBACK TO SAVEPOINT indexing;"
                            " SET LOCAL max_parallel_maintenance_workers = 0"));
    return make(m, o, table, md5, space, half);
}

static rag_status make_when_filled(const rag_call *call, const struct pg_making *m,
                                   const char *table, const rag_vector_space *space)
{
    const struct pg_server *s = call->self;
    struct pg_vector_state t;
    struct pg_params params = { 0 };
    PGresult *size;
    if (!*table)
        return RAG_OK;
    PG_TRY(pg_vector_look(m, table, &t));
    if (!t.there || t.indexed || !can_have(&s->vector_options, space, t.half))
        return RAG_OK;
    pg_add_text(&params, table);
    PG_TRY(pg_run(m->conn, m->ctx, SQL_SIZE, &params, "measuring a table", &size, m->err));
    const int64_t filled = pg_int(size, 0, 0), bytes = pg_int(size, 0, 1);
    PQclear(size);
    if (!filled)
        return RAG_OK;
    memset(&params, 0, sizeof params);
    pg_add_int(&params, bytes);
    PG_TRY(pg_run(m->conn, m->ctx, SQL_ROOM, &params, "making an index", NULL, m->err));
    return make_anyhow(m, &s->vector_options, table, t.md5, space, t.half);
}

static rag_status index_spaces(const rag_call *call, struct pg_conn *conn, const char *name,
                               rag_error *err)
{
    const struct pg_making m = { call->host, conn, call->ctx, err };
    const struct pg_params none = { 0 };
    struct pg_params params;
    PGresult *spaces;
    pg_params_begin_named(&params, call, name);
    PG_TRY(pg_run(conn, call->ctx, SQL_SPACES, &params, "looking for tables", &spaces, err));
    rag_status status = RAG_OK;
    if (PQntuples(spaces))
        status = pg_run(conn, call->ctx, PG_SQL_SCHEMA_LOCK, &none, "making an index", NULL, err);
    for (int row = 0; row < PQntuples(spaces) && status == RAG_OK; row++) {
        rag_vector_space space = RAG_VECTOR_SPACE_INIT;
        space.dimension = (uint32_t)pg_int(spaces, row, 2);
        space.metric = (rag_metric)pg_int(spaces, row, 3);
        space.element = (rag_element)pg_int(spaces, row, 4);
        for (int column = 0; column < 2 && status == RAG_OK; column++)
            status = make_when_filled(call, &m, PQgetvalue(spaces, row, column), &space);
    }
    PQclear(spaces);
    return status;
}

struct indexing {
    const char *name; /* of the space; "": all */
};

static rag_status index_work(const rag_call *call, struct pg_conn *conn, void *user, rag_error *err)
{
    const struct indexing *i = user;
    const int before = conn->patient;
    conn->patient = 1; /* the caller's deadline holds */
    const rag_status status = index_spaces(call, conn, i->name, err);
    conn->patient = before;
    return status;
}

rag_status pg_vector_index_all(const rag_call *call, rag_error *err)
{
    struct indexing all = { "" };
    return pg_write(call, index_work, &all, 0, NULL, err);
}

static void make_by_the_way(const rag_call *call, const char *name, const struct pg_space *space,
                            uint64_t least)
{
    struct pg_server *s = call->self;
    const int half = space->table ? space->place.lightrag_half : space->place.own_half;
    struct indexing one = { name };
    if (space->indexed || space->table_rows < least || call->txn || call->ctx->deadline_ns ||
        pg_build_is_on(call) || !can_have(&s->vector_options, &space->facts, half))
        return;
    if (atomic_load(&s->index_refused) || pg_write(call, index_work, &one, 0, NULL, NULL) == RAG_OK)
        return;
    atomic_store(&s->index_refused, 1);
    call->host->log(call->ctx, RAG_LOG_WARNING,
                    "the index of the vectors could not be made: searches compare every row");
}

void pg_vector_index_defined(const rag_call *call, const char *name, const struct pg_space *space)
{
    make_by_the_way(call, name, space, DEFINED_ROWS);
}

void pg_vector_index_grown(const rag_call *call, const char *name, const struct pg_space *space)
{
    make_by_the_way(call, name, space, GROWN_ROWS);
}
