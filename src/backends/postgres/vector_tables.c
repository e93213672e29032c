/* The tables that hold vectors: made when a space is defined, never before, so that a server without
 * pgvector serves everything else.
 *
 * LightRAG's three spaces are in its own tables, lightrag_vdb_entity_text_embedding_3_large_3072d for
 * a model of that name and dimension, if they compare by cosine: completed by ragstore_extra (row.c)
 * and ragstore_names (names of entities that no column holds). Other spaces, and the rows of these
 * with ids that LightRAG's column cannot have, are in tables of ours, one for each dimension, element
 * type and metric, shared by all spaces that have these: ragstore_vectors_1024_f16_cosine.
 *
 * A LightRAG table whose column cannot hold what the space promises (another dimension, halves for
 * float32) is left alone: the space is in our table then, and LightRAG does not see its rows. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "schema.h"
#include "vector.h"

static const char SQL_EXTENSION[] = "SELECT 1 FROM pg_extension WHERE extname = 'vector'";
static const char SQL_AVAILABLE[] = "SELECT 1 FROM pg_available_extensions WHERE name = 'vector'";
/* Is it there, the type of its vectors, their dimension, is it prepared, has it an index; the short
 * form of its name, and whether there is a type halfvec. */
static const char SQL_TABLE[] =
    "SELECT coalesce(c.oid, 0)::int8, coalesce((a.atttypid = to_regtype('halfvec'))::int, 0)::int8,"
    " coalesce(a.atttypmod, -1)::int8,"
    " (SELECT count(*) FROM pg_trigger t WHERE t.tgrelid = c.oid"
    " AND t.tgname = 'ragstore_count_0'),"
    " (SELECT count(*) FROM pg_index i WHERE i.indrelid = c.oid AND i.indisvalid"
    " AND a.attnum = ANY(i.indkey)),"
    " substr(md5($1::text), 1, 12), (to_regtype('halfvec') IS NOT NULL)::int::int8"
    " FROM (SELECT to_regclass($1::text)::oid AS oid) c LEFT JOIN pg_attribute a"
    " ON a.attrelid = c.oid AND a.attname = 'content_vector' AND NOT a.attisdropped";

static const struct pg_column entities[] = {
    { "entity_name", "entity_name", PG_TEXT, 512, "VARCHAR(512)" },
    { "content", "content", PG_TEXT, 0, "TEXT" },
    { "chunk_ids", "source_id", PG_LIST, 255, "VARCHAR(255)[]" },
    { "file_path", "file_path", PG_TEXT, 0, "TEXT" },
};

static const struct pg_column relationships[] = {
    { "source_id", "src_id", PG_TEXT, 512, "VARCHAR(512)" },
    { "target_id", "tgt_id", PG_TEXT, 512, "VARCHAR(512)" },
    { "chunk_ids", "source_id", PG_LIST, 255, "VARCHAR(255)[]" },
    { "content", "content", PG_TEXT, 0, "TEXT" },
    { "file_path", "file_path", PG_TEXT, 0, "TEXT" },
};

static const struct pg_column chunks[] = {
    { "tokens", "tokens", PG_INT, 0, "INTEGER" },
    { "content", "content", PG_TEXT, 0, "TEXT" },
    { "chunk_order_index", "chunk_order_index", PG_INT, 0, "INTEGER" },
    { "full_doc_id", "full_doc_id", PG_TEXT, 256, "VARCHAR(256)" },
    { "file_path", "file_path", PG_TEXT, 0, "TEXT" },
};

#define LAYOUT(name, space, columns)            \
    { name,                                     \
      "vdb",                                    \
      space,                                    \
      255,                                      \
      columns,                                  \
      sizeof(columns) / sizeof *(columns),      \
      "TIMESTAMP(0) DEFAULT CURRENT_TIMESTAMP", \
      NULL }

static const struct pg_table layouts[] = {
    LAYOUT("lightrag_vdb_entity", "entities", entities),
    LAYOUT("lightrag_vdb_relation", "relationships", relationships),
    LAYOUT("lightrag_vdb_chunks", "chunks", chunks),
};

const struct pg_table *pg_vector_layout(const char *name)
{
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++)
        if (strcmp(layouts[i].name_space, name) == 0)
            return &layouts[i];
    return NULL;
}

void pg_vector_name(const struct pg_table *layout, const rag_vector_space *space,
                    char out[PG_NAME_MAX + 1])
{
    char model[RAG_MODEL_NAME_MAX];
    size_t n = 0;
    int blank = 1;
    /* a character outside ASCII becomes one _, whatever its bytes */
    for (const char *p = space->model; *p; p++) {
        const unsigned char c = (unsigned char)*p;
        blank = blank && isspace(c);
        if ((c & 0xC0) == 0x80)
            continue;
        model[n++] = (char)(c < 0x80 && isalnum(c) ? tolower(c) : '_');
    }
    model[n] = 0;
    const int len =
        blank ? snprintf(out, PG_NAME_MAX + 1, "%s", layout->name)
              : snprintf(out, PG_NAME_MAX + 1, "%s_%s_%ud", layout->name, model, space->dimension);
    if (len > PG_NAME_MAX)
        out[0] = 0;
}

/* ---- what is there --------------------------------------------------------------------------------- */

rag_status pg_vector_look(const struct pg_making *m, const char *table, struct pg_vector_state *out)
{
    struct pg_params params = { 0 };
    PGresult *r;
    pg_add_text(&params, table);
    PG_TRY(pg_run(m->conn, m->ctx, SQL_TABLE, &params, "looking at a table", &r, m->err));
    *out = (struct pg_vector_state){ .there = pg_int(r, 0, 0) != 0,
                                     .half = pg_int(r, 0, 1) != 0,
                                     .dimension = pg_int(r, 0, 2),
                                     .prepared = pg_int(r, 0, 3) != 0,
                                     .indexed = pg_int(r, 0, 4) != 0,
                                     .has_halfvec = pg_int(r, 0, 6) != 0 };
    (void)snprintf(out->md5, sizeof out->md5, "%s", PQgetvalue(r, 0, 5));
    PQclear(r);
    return RAG_OK;
}

static rag_status has_rows(const struct pg_making *m, const char *sql, int *out)
{
    const struct pg_params none = { 0 };
    PGresult *r;
    PG_TRY(pg_run(m->conn, m->ctx, sql, &none, "looking for pgvector", &r, m->err));
    *out = PQntuples(r) > 0;
    PQclear(r);
    return RAG_OK;
}

static rag_status ensure_extension(const struct pg_making *m, const char *name)
{
    int there;
    PG_TRY(has_rows(m, SQL_EXTENSION, &there));
    if (there)
        return RAG_OK;
    PG_TRY(has_rows(m, SQL_AVAILABLE, &there));
    if (!there)
        return m->host->fail(m->err, RAG_E_UNSUPPORTED,
                             "vector space '%s': this PostgreSQL server has no pgvector (extension "
                             "\"vector\"): install its package there, such as "
                             "postgresql-%d-pgvector; values, graph and documents work without",
                             name, PQserverVersion(m->conn->pg) / 10000);
    rag_error local = RAG_ERROR_INIT;
    const rag_status status = pg_command(m->conn, m->ctx, "CREATE EXTENSION IF NOT EXISTS vector",
                                         PG_RUNNING, "making the extension", &local);
    if (status == RAG_E_DENIED)
        return m->host->fail(m->err, RAG_E_DENIED,
                             "vector space '%s': the role may not make the extension pgvector: a "
                             "superuser has to run, once in this database: CREATE EXTENSION vector",
                             name);
    return pg_pass(status, &local, m->err);
}

/* ---- indexes --------------------------------------------------------------------------------------- */

/* LightRAG's rule for names of indexes. */
static void name_index(const char *table, const char *md5, const char *suffix,
                       char out[PG_NAME_MAX + 1])
{
    if (snprintf(out, PG_NAME_MAX + 1, "idx_%s_%s", table, suffix) > PG_NAME_MAX)
        (void)snprintf(out, PG_NAME_MAX + 1, "idx_%s_%s", md5, suffix);
}

rag_status pg_vector_make_index(const struct pg_making *m, const char *table, const char *md5,
                                const char *suffix, const char *on)
{
    char name[PG_NAME_MAX + 1];
    struct pg_text sql = { .host = m->host };
    name_index(table, md5, suffix, name);
    pg_text_printf(&sql, "CREATE INDEX IF NOT EXISTS %s ON %s ", name, table);
    pg_text_add_text(&sql, on);
    const rag_status status = pg_schema_run_text(m, &sql);
    pg_text_free(&sql);
    return status;
}

/* Rows that pgvector cannot compare, and our order. */
static rag_status make_own_indexes(const struct pg_making *m, const char *table, const char *md5,
                                   int half, const char *columns, const char *order)
{
    struct pg_text on = { .host = m->host };
    PG_TRY(pg_vector_make_index(m, table, md5, "ragstore_order", order));
    pg_text_printf(&on, "(%s) WHERE ", columns);
    pg_vector_add_odd(&on, half, "");
    rag_status status = pg_text_check(&on, m->err);
    if (status == RAG_OK)
        status = pg_vector_make_index(m, table, md5, "ragstore_odd", on.data);
    pg_text_free(&on);
    return status;
}

/* ---- tables ---------------------------------------------------------------------------------------- */

static rag_status count(const struct pg_making *m, const char *table, const char *md5,
                        const char *kind, const char *name, const char *bytes)
{
    /* names of functions end at 63 bytes */
    const struct pg_counted counted = { table, kind, name, bytes,
                                        strlen(table) > PG_NAME_MAX - 15 ? md5 : NULL };
    return pg_schema_count(m, &counted);
}

static rag_status prepare_lightrag(const struct pg_making *m, const char *table, const char *md5,
                                   const struct pg_table *layout, int half)
{
    char name[PG_NAME_MAX + 16];
    struct pg_text sql = { .host = m->host };
    pg_text_printf(&sql,
                   "ALTER TABLE %s ADD COLUMN IF NOT EXISTS ragstore_extra json,"
                   " ADD COLUMN IF NOT EXISTS ragstore_names bytea[]",
                   table);
    for (size_t i = 0; i < layout->column_count; i++)
        pg_text_printf(&sql, ", ADD COLUMN IF NOT EXISTS %s %s", layout->columns[i].name,
                       layout->columns[i].sql);
    pg_text_fill(&sql,
                 "; DROP TRIGGER IF EXISTS ragstore_extra ON @;"
                 " CREATE TRIGGER ragstore_extra BEFORE UPDATE ON @ FOR EACH ROW"
                 " WHEN (OLD.ragstore_extra IS NOT NULL OR OLD.ragstore_names IS NOT NULL)"
                 " EXECUTE FUNCTION ragstore_forget_vector()",
                 table);
    rag_status status = pg_schema_run_text(m, &sql);
    pg_text_free(&sql);
    if (status == RAG_OK)
        status = pg_vector_make_index(m, table, md5, "id", "(id)");
    if (status == RAG_OK)
        status = pg_vector_make_index(m, table, md5, "workspace_id", "(workspace, id)");
    for (size_t i = 0; i < layout->column_count && status == RAG_OK; i++) {
        char suffix[48], on[64];
        if (layout->columns[i].width != 512)
            continue;
        (void)snprintf(suffix, sizeof suffix, "ragstore_%s", layout->columns[i].name);
        (void)snprintf(on, sizeof on, "(workspace, %s)", layout->columns[i].name);
        status = pg_vector_make_index(m, table, md5, suffix, on);
    }
    if (status == RAG_OK)
        status =
            make_own_indexes(m, table, md5, half, "workspace", "(workspace, id COLLATE \"C\")");
    (void)snprintf(name, sizeof name, "'%s'::text", table);
    if (status == RAG_OK)
        status = count(m, table, md5, "'vdb'::text", name,
                       "octet_length(n.id) + coalesce(octet_length(n.content), 0)"
                       " + coalesce(octet_length(n.ragstore_extra::text), 0)"
                       " + coalesce(pg_column_size(n.content_vector), 0)");
    return status;
}

static rag_status make_lightrag(const struct pg_making *m, const char *table, const char *md5,
                                const struct pg_table *layout, const rag_vector_space *space,
                                int half)
{
    char key[PG_NAME_MAX + 1];
    struct pg_text sql = { .host = m->host };
    if (snprintf(key, sizeof key, "%s_pk", table) > PG_NAME_MAX)
        (void)snprintf(key, sizeof key, "idx_%s_pk", md5);
    pg_text_printf(&sql, "CREATE TABLE %s (id VARCHAR(255), workspace VARCHAR(255)", table);
    for (size_t i = 0; i < layout->column_count; i++)
        pg_text_printf(&sql, ", %s %s", layout->columns[i].name, layout->columns[i].sql);
    pg_text_printf(&sql, ", content_vector %s(%u)", half ? "halfvec" : "vector", space->dimension);
    pg_text_fill(&sql, ", create_time @, update_time @", layout->time_type);
    pg_text_printf(&sql, ", CONSTRAINT %s PRIMARY KEY (workspace, id))", key);
    const rag_status status = pg_schema_run_text(m, &sql);
    pg_text_free(&sql);
    return status;
}

static rag_status lightrag_table(const rag_call *call, const struct pg_making *m, const char *name,
                                 const rag_vector_space *space, struct pg_vector_place *place)
{
    const struct pg_table *layout = pg_vector_layout(name);
    struct pg_vector_state t;
    if (!layout || space->metric != RAG_METRIC_COSINE)
        return RAG_OK;
    if (!place->lightrag[0])
        pg_vector_name(layout, space, place->lightrag);
    if (!place->lightrag[0]) {
        call->host->log(call->ctx, RAG_LOG_WARNING,
                        "the name of the model is too long for a table of LightRAG's: the vectors "
                        "are in a table that LightRAG does not see");
        return RAG_OK;
    }
    PG_TRY(pg_vector_look(m, place->lightrag, &t));
    place->lightrag_half =
        t.there ? t.half : space->element == RAG_ELEMENT_FLOAT16 && t.has_halfvec;
    if (t.there && (t.dimension != (int64_t)space->dimension ||
                    (t.half && space->element == RAG_ELEMENT_FLOAT32))) {
        struct pg_text text = { .host = call->host };
        pg_text_printf(&text,
                       "LightRAG's table '%s' has vectors of another dimension or type: those of "
                       "%s are in a table that LightRAG does not see",
                       place->lightrag, name);
        if (!text.failed)
            call->host->log(call->ctx, RAG_LOG_WARNING, text.data);
        pg_text_free(&text);
        place->lightrag[0] = 0;
        return RAG_OK;
    }
    if (!t.there)
        PG_TRY(make_lightrag(m, place->lightrag, t.md5, layout, space, place->lightrag_half));
    return t.prepared ? RAG_OK
                      : prepare_lightrag(m, place->lightrag, t.md5, layout, place->lightrag_half);
}

static rag_status own_table(const struct pg_making *m, const rag_vector_space *space,
                            struct pg_vector_place *place)
{
    struct pg_vector_state t;
    struct pg_text sql = { .host = m->host };
    PG_TRY(pg_vector_look(m, "ragstore_space", &t)); /* for has_halfvec */
    place->own_half = space->element == RAG_ELEMENT_FLOAT16 && t.has_halfvec;
    (void)snprintf(place->own, sizeof place->own, "ragstore_vectors_%u_%s_%s", space->dimension,
                   place->own_half ? "f16" : "f32",
                   space->metric == RAG_METRIC_DOT ? "dot" : "cosine");
    PG_TRY(pg_vector_look(m, place->own, &t));
    if (t.there)
        return RAG_OK;
    pg_text_printf(&sql,
                   "CREATE TABLE %s (workspace text NOT NULL, name text NOT NULL,"
                   " key bytea NOT NULL, value json NOT NULL, created int8 NOT NULL,"
                   " names bytea[] NOT NULL, content_vector %s(%u) NOT NULL)",
                   place->own, place->own_half ? "halfvec" : "vector", space->dimension);
    pg_text_fill(&sql,
                 "; CREATE UNIQUE INDEX ON @ (workspace, name, sha256(key));"
                 " CREATE INDEX ON @ USING gin (names)",
                 place->own);
    const rag_status status = pg_schema_run_text(m, &sql);
    pg_text_free(&sql);
    PG_TRY(status);
    PG_TRY(make_own_indexes(m, place->own, t.md5, place->own_half, "workspace, name",
                            "(workspace, name, substr(key, 1, 512))"));
    return count(m, place->own, t.md5, "'vector'::text", "n.name",
                 "octet_length(n.key) + octet_length(n.value::text)"
                 " + pg_column_size(n.content_vector)");
}

rag_status pg_vector_tables(const rag_call *call, struct pg_conn *conn, const char *name,
                            const rag_vector_space *space, struct pg_vector_place *place,
                            rag_error *err)
{
    const struct pg_making m = { call->host, conn, call->ctx, err };
    const struct pg_params none = { 0 };
    if (space->dimension > PG_VECTOR_DIMENSION_MAX)
        return call->host->fail(err, RAG_E_UNSUPPORTED,
                                "vector space '%s': pgvector has up to %d dimensions, not %u", name,
                                PG_VECTOR_DIMENSION_MAX, space->dimension);
    PG_TRY(pg_run(conn, call->ctx, PG_SQL_SCHEMA_LOCK, &none, "making tables", NULL, err));
    PG_TRY(ensure_extension(&m, name));
    place->metric = space->metric;
    PG_TRY(own_table(&m, space, place));
    return lightrag_table(call, &m, name, space, place);
}

rag_status pg_vector_tables_apart(const rag_call *call, const char *name,
                                  const rag_vector_space *space, struct pg_vector_place *place,
                                  rag_error *err)
{
    struct pg_server *s = call->self;
    struct pg_conn *conn;
    void *connection;
    PG_TRY(net_pool_acquire(s->pool, call->ctx, &connection, err));
    conn = connection;
    /* what is being built may hold a table, and would be waited for without end */
    rag_status status = pg_command(conn, call->ctx, "BEGIN; SET LOCAL lock_timeout = '30s'",
                                   PG_RUNNING, "making tables", err);
    if (status == RAG_OK)
        status = pg_vector_tables(call, conn, name, space, place, err);
    if (status == RAG_OK)
        status = pg_command(conn, call->ctx, "COMMIT", PG_COMMITTING, "making tables", err);
    net_pool_release(s->pool, conn, status == RAG_OK && !conn->lost);
    return status;
}
