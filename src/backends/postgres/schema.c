/* The schema: LightRAG's tables, and ours beside them.
 *
 *   ragstore_meta        one row: the version of what follows
 *   ragstore_rows        rows that no table of LightRAG's can have: other namespaces, other ids
 *   ragstore_namespace   counters of each namespace,
 *   ragstore_change      and what was added to them since they were last folded
 *   ragstore_space       the record of each vector space, and in which tables it is
 *   ragstore_graph       in which layout the graph of each workspace is
 *   ragstore_pending     rows that wait for their vectors (vector_pending.c)
 *   <table>.ragstore_extra   what the columns of a row do not hold (row.c)
 *
 * Tables with vectors are made when a space is defined (vector_tables.c): only then pgvector is asked for.
 *
 * Counters are kept by triggers, so they are right whoever writes: each statement appends what it
 * changed as a row of ragstore_change. Appending takes no lock that anybody else waits for, which an
 * update of one row of counters would; writers of ours and LightRAG's cannot block each other there.
 * The generation of a namespace is the number of changes it ever had.
 *
 * All of it is made in one transaction under an advisory lock. Whatever is there already stays:
 * tables are completed with the columns they lack. An error names the statement that the server
 * refused, so that somebody with more rights can run it. */
#include "schema.h"

#include <stdio.h>
#include <string.h>

#include "net/deadline.h"
#include "tables.h"

static const char SQL_VERSION_TABLE[] = "SELECT to_regclass('ragstore_meta') IS NOT NULL AND true";
static const char SQL_VERSION[] = "SELECT version FROM ragstore_meta";
const char PG_SQL_SCHEMA_LOCK[] =
    "SELECT pg_advisory_xact_lock(hashtextextended('ragstore schema', 0))";
static const char SQL_DATABASE[] = "SELECT 1 FROM pg_database WHERE datname = $1::text";
static const char SQL_DATABASE_LOCK[] =
    "SELECT pg_advisory_lock(hashtextextended('ragstore database', 0))";

const char PG_SQL_FOLD[] =
    "WITH gone AS (DELETE FROM ragstore_change WHERE workspace = $1::text"
    " RETURNING kind, name, rows, bytes)"
    " INSERT INTO ragstore_namespace AS n (workspace, kind, name, rows, bytes, generation)"
    " SELECT $1::text, kind, name, sum(rows), sum(bytes), count(*) FROM gone"
    " GROUP BY kind, name ORDER BY kind, name"
    " ON CONFLICT (workspace, kind, name) DO UPDATE SET rows = n.rows + EXCLUDED.rows,"
    " bytes = n.bytes + EXCLUDED.bytes, generation = n.generation + EXCLUDED.generation";

static const char *const own_tables[] = {
    "CREATE TABLE IF NOT EXISTS ragstore_meta (version int8 NOT NULL)",
    "CREATE TABLE IF NOT EXISTS ragstore_rows (workspace text NOT NULL, kind text NOT NULL,"
    " name text NOT NULL, key bytea NOT NULL, value json NOT NULL, created int8 NOT NULL,"
    " updated int8 NOT NULL, status bytea, created_at bytea, updated_at bytea, file_path bytea,"
    " file_path_order bytea, track_id bytea, content_hash bytea, is_duplicate bool,"
    " original_id bytea)",
    /* keys may be longer than an entry of an index */
    "CREATE UNIQUE INDEX IF NOT EXISTS ragstore_rows_key ON ragstore_rows"
    " (workspace, kind, name, sha256(key))",
    "CREATE INDEX IF NOT EXISTS ragstore_rows_order ON ragstore_rows"
    " (workspace, kind, name, substr(key, 1, 512))",
    "CREATE TABLE IF NOT EXISTS ragstore_namespace (workspace text NOT NULL, kind text NOT NULL,"
    " name text NOT NULL, rows int8 NOT NULL, bytes int8 NOT NULL, generation int8 NOT NULL,"
    " PRIMARY KEY (workspace, kind, name))",
    "CREATE TABLE IF NOT EXISTS ragstore_change (workspace text NOT NULL, kind text NOT NULL,"
    " name text NOT NULL, rows int8 NOT NULL, bytes int8 NOT NULL)",
    "CREATE INDEX IF NOT EXISTS ragstore_change_of ON ragstore_change (workspace, kind, name)",
    "CREATE OR REPLACE FUNCTION ragstore_forget_extra() RETURNS trigger LANGUAGE plpgsql AS"
    " 'BEGIN IF current_setting(''ragstore.writer'', true) IS DISTINCT FROM ''on'' THEN"
    " NEW.ragstore_extra := NULL; END IF; RETURN NEW; END'",
    "CREATE TABLE IF NOT EXISTS ragstore_space (workspace text NOT NULL, name text NOT NULL,"
    " model text NOT NULL, dimension int8 NOT NULL, metric int8 NOT NULL, element int8 NOT NULL,"
    " lightrag text NOT NULL, own text NOT NULL, PRIMARY KEY (workspace, name))",
    "CREATE TABLE IF NOT EXISTS ragstore_pending (workspace text NOT NULL, name text NOT NULL,"
    " key bytea NOT NULL, owner int8 NOT NULL, mark int8 NOT NULL, value json, content bytea,"
    " created int8 NOT NULL, names bytea[] NOT NULL, vector bytea)",
    "CREATE UNIQUE INDEX IF NOT EXISTS ragstore_pending_key ON ragstore_pending"
    " (workspace, name, sha256(key))",
    "CREATE INDEX IF NOT EXISTS ragstore_pending_order ON ragstore_pending"
    " (workspace, name, substr(key, 1, 512))",
    "CREATE TABLE IF NOT EXISTS ragstore_graph (workspace text PRIMARY KEY, layout text NOT NULL,"
    " graph text UNIQUE)",
    "CREATE SEQUENCE IF NOT EXISTS ragstore_mark",
    "CREATE SEQUENCE IF NOT EXISTS ragstore_owner",
    /* the same for tables with vectors, which have names beside */
    "CREATE OR REPLACE FUNCTION ragstore_forget_vector() RETURNS trigger LANGUAGE plpgsql AS"
    " 'BEGIN IF current_setting(''ragstore.writer'', true) IS DISTINCT FROM ''on'' THEN"
    " NEW.ragstore_extra := NULL; NEW.ragstore_names := NULL; END IF; RETURN NEW; END'",
    /* a document whose odd row is in ragstore_rows, written by LightRAG: its row is the truth */
    "CREATE OR REPLACE FUNCTION ragstore_forget_odd() RETURNS trigger LANGUAGE plpgsql"
    " SET search_path FROM CURRENT AS"
    " 'BEGIN IF current_setting(''ragstore.writer'', true) IS DISTINCT FROM ''on'' THEN"
    " DELETE FROM ragstore_rows WHERE workspace = NEW.workspace AND kind = ''doc_status''"
    " AND name = ''doc_status'' AND sha256(key) = sha256(convert_to(NEW.id, ''UTF8'')); END IF;"
    " RETURN NULL; END'",
};

static const char *const doc_status_indexes[] = {
    "CREATE INDEX IF NOT EXISTS idx_lightrag_doc_status_workspace_status_updated_at ON"
    " lightrag_doc_status (workspace, status, updated_at DESC)",
    "CREATE INDEX IF NOT EXISTS idx_lightrag_doc_status_workspace_status_created_at ON"
    " lightrag_doc_status (workspace, status, created_at DESC)",
    "CREATE INDEX IF NOT EXISTS idx_lightrag_doc_status_workspace_updated_at ON"
    " lightrag_doc_status (workspace, updated_at DESC)",
    "CREATE INDEX IF NOT EXISTS idx_lightrag_doc_status_workspace_created_at ON"
    " lightrag_doc_status (workspace, created_at DESC)",
    "CREATE INDEX IF NOT EXISTS idx_lightrag_doc_status_workspace_file_path ON"
    " lightrag_doc_status (workspace, file_path)",
    "CREATE INDEX IF NOT EXISTS idx_lightrag_doc_status_track_id ON lightrag_doc_status (track_id)",
    "CREATE INDEX IF NOT EXISTS idx_lightrag_doc_status_workspace_content_hash ON"
    " lightrag_doc_status (workspace, content_hash)"
    " WHERE content_hash IS NOT NULL AND content_hash <> ''",
    "CREATE INDEX IF NOT EXISTS idx_lightrag_doc_status_ws_status_created_nf_id ON"
    " lightrag_doc_status (workspace, status, created_at NULLS FIRST, id)",
};

/* The graph as LightRAG's PGTableGraphStorage has it, completed. */
static const char *const graph_tables[] = {
    "CREATE TABLE IF NOT EXISTS lightrag_graph_nodes (workspace TEXT NOT NULL,"
    " namespace TEXT NOT NULL DEFAULT 'chunk_entity_relation', id TEXT NOT NULL,"
    " properties JSONB NOT NULL DEFAULT '{}', updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),"
    " PRIMARY KEY (workspace, namespace, id))",
    "CREATE TABLE IF NOT EXISTS lightrag_graph_edges (workspace TEXT NOT NULL,"
    " namespace TEXT NOT NULL DEFAULT 'chunk_entity_relation', src_id TEXT NOT NULL,"
    " tgt_id TEXT NOT NULL, properties JSONB NOT NULL DEFAULT '{}',"
    " updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),"
    " PRIMARY KEY (workspace, namespace, src_id, tgt_id),"
    " FOREIGN KEY (workspace, namespace, src_id) REFERENCES lightrag_graph_nodes"
    " (workspace, namespace, id) ON DELETE CASCADE,"
    " FOREIGN KEY (workspace, namespace, tgt_id) REFERENCES lightrag_graph_nodes"
    " (workspace, namespace, id) ON DELETE CASCADE)",
    "CREATE INDEX IF NOT EXISTS idx_lightrag_graph_edges_namespace_tgt ON lightrag_graph_edges"
    " (workspace, namespace, tgt_id)",
    "CREATE INDEX IF NOT EXISTS idx_lightrag_graph_edges_noncanonical ON lightrag_graph_edges"
    " (workspace, namespace) WHERE src_id COLLATE \"C\" > tgt_id COLLATE \"C\"",
    "ALTER TABLE lightrag_graph_nodes ADD COLUMN IF NOT EXISTS ragstore_extra json,"
    " ADD COLUMN IF NOT EXISTS ragstore_label bytea",
    "ALTER TABLE lightrag_graph_edges ADD COLUMN IF NOT EXISTS ragstore_extra json,"
    " ADD COLUMN IF NOT EXISTS ragstore_src bytea, ADD COLUMN IF NOT EXISTS ragstore_tgt bytea,"
    " ADD COLUMN IF NOT EXISTS ragstore_flipped bool NOT NULL DEFAULT false",
    "CREATE INDEX IF NOT EXISTS ragstore_lightrag_graph_nodes_order ON lightrag_graph_nodes"
    " (workspace, namespace, id COLLATE \"C\")",
    "CREATE INDEX IF NOT EXISTS ragstore_lightrag_graph_nodes_odd ON lightrag_graph_nodes"
    " (workspace, namespace) WHERE ragstore_label IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS ragstore_lightrag_graph_edges_order ON lightrag_graph_edges"
    " (workspace, namespace, src_id COLLATE \"C\", tgt_id COLLATE \"C\")",
};

rag_status pg_schema_run(const struct pg_making *m, const char *sql)
{
    char what[400];
    (void)snprintf(what, sizeof what, "making the schema with \"%.300s\"", sql);
    return pg_command(m->conn, m->ctx, sql, PG_RUNNING, what, m->err);
}

rag_status pg_schema_run_text(const struct pg_making *m, struct pg_text *sql)
{
    rag_status status = pg_text_check(sql, m->err);
    if (status == RAG_OK)
        status = pg_schema_run(m, sql->data);
    pg_text_clear(sql);
    return status;
}

/* ---- counters -------------------------------------------------------------------------------------- */

static void add_change(struct pg_text *sql, const struct pg_counted *c, const char *sign,
                       const char *from)
{
    pg_text_printf(sql,
                   "INSERT INTO ragstore_change (workspace, kind, name, rows, bytes)"
                   " SELECT n.workspace, %s, %s, %scount(*), %scoalesce(sum(",
                   c->kind, c->name, sign, sign);
    pg_text_add_text(sql, c->bytes);
    pg_text_printf(sql, "), 0) FROM %s n GROUP BY 1, 2, 3", from);
}

rag_status pg_schema_count(const struct pg_making *m, const struct pg_counted *c)
{
    static const struct {
        const char *event, *tables;
    } triggers[] = {
        { "INSERT", "NEW TABLE AS added" },
        { "UPDATE", "OLD TABLE AS removed NEW TABLE AS added" },
        { "DELETE", "OLD TABLE AS removed" },
    };
    struct pg_text sql = { .host = m->host };
    const char *function = c->function ? c->function : c->table;
    pg_text_printf(&sql,
                   "CREATE OR REPLACE FUNCTION ragstore_count_%s() RETURNS trigger LANGUAGE plpgsql"
                   " SET search_path FROM CURRENT AS $ragstore$ BEGIN IF TG_OP <> 'DELETE' THEN ",
                   function);
    add_change(&sql, c, "", "added");
    pg_text_add_text(&sql, "; END IF; IF TG_OP <> 'INSERT' THEN ");
    add_change(&sql, c, "-", "removed");
    pg_text_add_text(&sql, "; END IF; RETURN NULL; END $ragstore$");
    rag_status status = pg_schema_run_text(m, &sql);
    for (size_t i = 0; i < 3 && status == RAG_OK; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "ragstore_count_%zu", i);
        pg_text_printf(&sql, "DROP TRIGGER IF EXISTS %s ON %s; CREATE TRIGGER %s", name, c->table,
                       name);
        pg_text_printf(&sql, " AFTER %s ON %s REFERENCING %s", triggers[i].event, c->table,
                       triggers[i].tables);
        pg_text_fill(&sql, " FOR EACH STATEMENT EXECUTE FUNCTION ragstore_count_@()", function);
        status = pg_schema_run_text(m, &sql);
    }
    if (status ==
        RAG_OK) { /* what is there already; the triggers hold off other writers until we commit */
        add_change(&sql, c, "", c->table);
        status = pg_schema_run_text(m, &sql);
    }
    pg_text_free(&sql);
    return status;
}

/* ---- LightRAG's tables ----------------------------------------------------------------------------- */

static void add_table(struct pg_text *sql, const struct pg_table *t)
{
    pg_text_printf(sql, "CREATE TABLE IF NOT EXISTS %s (id VARCHAR(%zu), workspace VARCHAR(255)",
                   t->name, t->id_width);
    for (size_t i = 0; i < t->column_count; i++)
        pg_text_printf(sql, ", %s %s", t->columns[i].name, t->columns[i].sql);
    if (t->other_columns)
        pg_text_printf(sql, ", %s", t->other_columns);
    if (t->time_type)
        pg_text_fill(sql, ", create_time @, update_time @", t->time_type);
    pg_text_printf(sql, ", CONSTRAINT %s_pk PRIMARY KEY (workspace, id))", t->name);
}

/* Columns that an older LightRAG did not make, and ours. */
static void add_columns(struct pg_text *sql, const struct pg_table *t)
{
    pg_text_printf(sql, "ALTER TABLE %s ADD COLUMN IF NOT EXISTS ragstore_extra json", t->name);
    for (size_t i = 0; i < t->column_count; i++)
        pg_text_printf(sql, ", ADD COLUMN IF NOT EXISTS %s %s", t->columns[i].name,
                       t->columns[i].sql);
    if (t->time_type)
        pg_text_fill(sql,
                     ", ADD COLUMN IF NOT EXISTS create_time @,"
                     " ADD COLUMN IF NOT EXISTS update_time @",
                     t->time_type);
}

static rag_status count_lightrag_table(const struct pg_making *m, const struct pg_table *t)
{
    struct pg_text bytes = { .host = m->host };
    char kind[32], name[64];
    (void)snprintf(kind, sizeof kind, "'%s'::text", t->kind);
    (void)snprintf(name, sizeof name, "'%s'::text", t->name_space);
    pg_text_add_text(&bytes,
                     "octet_length(n.id) + coalesce(octet_length(n.ragstore_extra::text), 0)");
    for (size_t i = 0; i < t->column_count; i++)
        switch (t->columns[i].type) {
        case PG_TEXT:
        case PG_LIST:
            pg_text_printf(&bytes, " + coalesce(octet_length(n.%s), 0)", t->columns[i].name);
            break;
        case PG_JSONB:
            pg_text_printf(&bytes, " + coalesce(octet_length(n.%s::text), 0)", t->columns[i].name);
            break;
        case PG_INT:
        case PG_TIME: pg_text_add_text(&bytes, " + 8"); break;
        }
    rag_status status = pg_text_check(&bytes, m->err);
    const struct pg_counted counted = { t->name, kind, name, bytes.data };
    if (status == RAG_OK)
        status = pg_schema_count(m, &counted);
    pg_text_free(&bytes);
    return status;
}

/* Somebody else's update empties ragstore_extra. */
static rag_status watch_extra(const struct pg_making *m, const char *table)
{
    struct pg_text sql = { .host = m->host };
    pg_text_fill(&sql,
                 "DROP TRIGGER IF EXISTS ragstore_extra ON @;"
                 " CREATE TRIGGER ragstore_extra BEFORE UPDATE ON @ FOR EACH ROW"
                 " WHEN (OLD.ragstore_extra IS NOT NULL)"
                 " EXECUTE FUNCTION ragstore_forget_extra()",
                 table);
    const rag_status status = pg_schema_run_text(m, &sql);
    pg_text_free(&sql);
    return status;
}

static rag_status make_graph(const struct pg_making *m)
{
#define GRAPH_KIND(kind) \
    "CASE n.namespace WHEN 'chunk_entity_relation' THEN '" kind "' ELSE 'foreign' END"
    static const struct pg_counted nodes = {
        "lightrag_graph_nodes", GRAPH_KIND("graph_nodes"), "'graph'::text",
        "octet_length(coalesce(n.ragstore_label, convert_to(n.id, 'UTF8')))"
        " + octet_length(n.properties::text) + coalesce(octet_length(n.ragstore_extra::text), 0)"
    };
    static const struct pg_counted edges = {
        "lightrag_graph_edges", GRAPH_KIND("graph_edges"), "'graph'::text",
        "octet_length(n.src_id) + octet_length(n.tgt_id) + octet_length(n.properties::text)"
        " + coalesce(octet_length(n.ragstore_extra::text), 0)"
    };
#undef GRAPH_KIND
    for (size_t i = 0; i < sizeof graph_tables / sizeof *graph_tables; i++)
        PG_TRY(pg_schema_run(m, graph_tables[i]));
    PG_TRY(watch_extra(m, nodes.table));
    PG_TRY(watch_extra(m, edges.table));
    PG_TRY(pg_schema_count(m, &nodes));
    return pg_schema_count(m, &edges);
}

static rag_status make_table(const struct pg_making *m, const struct pg_table *t)
{
    struct pg_text sql = { .host = m->host };
    add_table(&sql, t);
    rag_status status = pg_schema_run_text(m, &sql);
    if (status == RAG_OK) {
        add_columns(&sql, t);
        status = pg_schema_run_text(m, &sql);
    }
    if (status == RAG_OK) {
        /* the last one is ours: scans are in the order of bytes, whatever the database's own is */
        pg_text_fill(&sql,
                     "CREATE INDEX IF NOT EXISTS idx_@_id ON @ (id);"
                     " CREATE INDEX IF NOT EXISTS idx_@_workspace_id ON @ (workspace, id);"
                     " CREATE INDEX IF NOT EXISTS ragstore_@_order ON @"
                     " (workspace, id COLLATE \"C\")",
                     t->name);
        status = pg_schema_run_text(m, &sql);
    }
    if (status == RAG_OK)
        status = watch_extra(m, t->name);
    pg_text_free(&sql);
    return status == RAG_OK ? count_lightrag_table(m, t) : status;
}

static rag_status make_all(const struct pg_making *m)
{
    static const struct pg_counted rows = { "ragstore_rows", "n.kind", "n.name",
                                            "octet_length(n.key) + octet_length(n.value::text)" };
    for (size_t i = 0; i < sizeof own_tables / sizeof *own_tables; i++)
        PG_TRY(pg_schema_run(m, own_tables[i]));
    PG_TRY(pg_schema_run(m, "DELETE FROM ragstore_namespace; DELETE FROM ragstore_change"));
    PG_TRY(pg_schema_count(m, &rows));
    for (size_t i = 0; i < PG_TABLES; i++)
        PG_TRY(make_table(m, &pg_tables[i]));
    PG_TRY(make_graph(m));
    for (size_t i = 0; i < sizeof doc_status_indexes / sizeof *doc_status_indexes; i++)
        PG_TRY(pg_schema_run(m, doc_status_indexes[i]));
    PG_TRY(pg_schema_run(
        m, "DROP TRIGGER IF EXISTS ragstore_odd ON lightrag_doc_status;"
           " CREATE TRIGGER ragstore_odd AFTER INSERT ON lightrag_doc_status FOR EACH ROW"
           " EXECUTE FUNCTION ragstore_forget_odd()"));
    struct pg_text sql = { .host = m->host };
    pg_text_printf(&sql, "DELETE FROM ragstore_meta; INSERT INTO ragstore_meta VALUES (%d)",
                   PG_SCHEMA_VERSION);
    const rag_status status = pg_schema_run_text(m, &sql);
    pg_text_free(&sql);
    return status;
}

/* ---- version --------------------------------------------------------------------------------------- */

static rag_status one_number(struct pg_conn *conn, const rag_context *ctx, const char *sql,
                             const struct pg_params *params, int64_t *out, rag_error *err)
{
    PGresult *result;
    PG_TRY(pg_run(conn, ctx, sql, params, "looking at the schema", &result, err));
    *out = -1;
    if (PQntuples(result) > 0)
        *out = PQgetlength(result, 0, 0) == 1 ? *PQgetvalue(result, 0, 0) : pg_int(result, 0, 0);
    PQclear(result);
    return RAG_OK;
}

/* *version: -1 when there is no schema of ours */
static rag_status read_version(struct pg_conn *conn, const rag_context *ctx, int64_t *version,
                               rag_error *err)
{
    const struct pg_params none = { 0 };
    int64_t there;
    *version = -1;
    PG_TRY(one_number(conn, ctx, SQL_VERSION_TABLE, &none, &there, err));
    return there == 1 ? one_number(conn, ctx, SQL_VERSION, &none, version, err) : RAG_OK;
}

static rag_status check_version(const rag_host *host, int64_t version, rag_error *err)
{
    if (version > PG_SCHEMA_VERSION)
        return host->fail(err, RAG_E_VERSION,
                          "the schema in the database has version %lld, this program knows %d",
                          (long long)version, PG_SCHEMA_VERSION);
    return RAG_OK;
}

rag_status pg_schema_ensure(const rag_host *host, struct pg_conn *conn, const rag_context *ctx,
                            int create, rag_error *err)
{
    const struct pg_params none = { 0 };
    const struct pg_making making = { host, conn, ctx, err };
    int64_t version;
    PG_TRY(read_version(conn, ctx, &version, err));
    PG_TRY(check_version(host, version, err));
    if (version == PG_SCHEMA_VERSION)
        return RAG_OK;
    if (!create && version >= 0)
        return host->fail(
            err, RAG_E_VERSION,
            "the schema in the database has version %lld, which lacks what version %d "
            "has; opening it once for writing adds it",
            (long long)version, PG_SCHEMA_VERSION);
    if (!create)
        return host->fail(
            err, RAG_E_NOT_FOUND,
            "the database has no ragstore schema; opening it once for writing makes it");
    /* on disk when it is done: what is written later is worth nothing without it */
    PG_TRY(pg_command(conn, ctx, "BEGIN; SET LOCAL synchronous_commit = on", PG_RUNNING,
                      "making the schema", err));
    rag_status status =
        pg_run(conn, ctx, PG_SQL_SCHEMA_LOCK, &none, "making the schema", NULL, err);
    if (status == RAG_OK) /* somebody else may have made it meanwhile */
        status = read_version(conn, ctx, &version, err);
    if (status == RAG_OK)
        status = check_version(host, version, err);
    if (status == RAG_OK && version != PG_SCHEMA_VERSION)
        status = make_all(&making);
    if (status == RAG_OK)
        status = pg_command(conn, ctx, "COMMIT", PG_COMMITTING, "making the schema", err);
    else if (!conn->lost)
        (void)pg_command(conn, ctx, "ROLLBACK", PG_RUNNING, "making the schema", NULL);
    return status;
}

/* ---- the database ---------------------------------------------------------------------------------- */

static rag_status create_database(const rag_host *host, struct pg_conn *conn, const char *name,
                                  const rag_context *ctx, rag_error *err)
{
    const struct pg_params none = { 0 };
    struct pg_params params = { 0 };
    int64_t there;
    /* held until the session ends */
    PG_TRY(pg_run(conn, ctx, SQL_DATABASE_LOCK, &none, "creating the database", NULL, err));
    pg_add_text(&params, name);
    PG_TRY(one_number(conn, ctx, SQL_DATABASE, &params, &there, err));
    if (there >= 0)
        return RAG_OK;
    struct pg_text sql = { .host = host };
    pg_text_add_text(&sql, "CREATE DATABASE ");
    pg_add_identifier(&sql, name);
    pg_text_add_text(&sql, " ENCODING 'UTF8' TEMPLATE template0");
    const struct pg_making making = { host, conn, ctx, err };
    const rag_status status = pg_schema_run_text(&making, &sql);
    pg_text_free(&sql);
    return status;
}

rag_status pg_database_ensure(const rag_host *host, const struct pg_address *address,
                              const rag_context *ctx, rag_error *err)
{
    struct pg_conn *conn;
    rag_error why = RAG_ERROR_INIT;
    rag_status status = pg_connect(host, address, "postgres", ctx, &conn, &why);
    if (status == RAG_E_NOT_FOUND)
        status = pg_connect(host, address, "template1", ctx, &conn, &why);
    if (status != RAG_OK)

        return pg_pass(status, &why, err);
    status = create_database(host, conn, address->database, ctx, err);
    pg_disconnect(conn);
    return status;
}
