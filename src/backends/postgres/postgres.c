/* The backend: options, opening, what it says about itself, and the table of everything it serves.
 *
 * A loadable module, ragstore-postgres.so: written against include/ragstore/backend.h, src/net and
 * libpq; of the library it has the host table and nothing else. Opening makes a pool, connects once
 * (creating the database when it is missing), and sees to the schema. Several handles, processes and
 * LightRAG itself may use one database at once. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "graph.h"
#include "net/deadline.h"
#include "schema.h"
#include "server.h"
#include "vector.h"

static const char DEFAULT_WORKSPACE[] = "default"; /* LightRAG's name for the unnamed one */

enum {
    TLS_MODES = NET_TLS_DISABLE | NET_TLS_ALLOW | NET_TLS_PREFER | NET_TLS_REQUIRE |
                NET_TLS_VERIFY_CA | NET_TLS_VERIFY_FULL
};

/* ---- options --------------------------------------------------------------------------------------- */

static const char *const option_names[] = {
    "host",
    "port",
    "user",
    "password",
    "database",
    "ssl_mode",
    "ssl_cert",
    "ssl_key",
    "ssl_root_cert",
    "ssl_crl",
    "server_options",
    "min_connections",
    "max_connections",
    "max_uses",
    "max_idle_time",
    "connect_timeout",
    "acquire_timeout",
    "command_timeout",
    "connection_retries",
    "connection_retry_backoff",
    "connection_retry_backoff_max",
    "vector_index_type",
    "hnsw_m",
    "hnsw_ef",
    "ivfflat_lists",
    "graph",
    NULL,
};

struct opening {
    const rag_host *host;
    const rag_backend_config *config;
    rag_error *err;
};

static const char *option(const struct opening *o, const char *name)
{
    return o->config->option(o->config->options, name);
}

/* A number, whole or with a fraction, times `unit`; *out is untouched when the option is not set. */
static rag_status number_option(const struct opening *o, const char *name, double most, double unit,
                                int64_t *out)
{
    const char *text = option(o, name);
    char *end;
    if (!text)
        return RAG_OK;
    errno = 0;
    const double value = strtod(text, &end);
    if (end == text || *end || errno || !(value >= 0 && value <= most))
        return o->host->fail(o->err, RAG_E_INVALID, "%s is '%.40s', not a number up to %.0f", name,
                             text, most);
    *out = (int64_t)(value * unit);
    return RAG_OK;
}

static rag_status pool_options(const struct opening *o, struct net_pool_options *pool)
{
    int64_t min = 1, max = 50, uses = 0;
    PG_TRY(number_option(o, "min_connections", 10000, 1, &min));
    PG_TRY(number_option(o, "max_connections", 10000, 1, &max));
    PG_TRY(number_option(o, "max_uses", 1e12, 1, &uses));
    PG_TRY(number_option(o, "max_idle_time", 1e7, 1000, &pool->max_idle_ms));
    PG_TRY(number_option(o, "connect_timeout", 1e6, 1000, &pool->connect_timeout_ms));
    PG_TRY(number_option(o, "acquire_timeout", 1e6, 1000, &pool->acquire_timeout_ms));
    if (max < 1)
        return o->host->fail(o->err, RAG_E_INVALID, "max_connections is 0");
    pool->min = (size_t)min;
    pool->max = (size_t)max;
    pool->max_uses = (uint64_t)uses;
    return RAG_OK;
}

static rag_status retry_options(const struct opening *o, struct net_retry *retry)
{
    int64_t attempts = 3;
    retry->backoff_ms = 1000;
    retry->backoff_max_ms = 30000;
    PG_TRY(number_option(o, "connection_retries", 100, 1, &attempts));
    PG_TRY(number_option(o, "connection_retry_backoff", 300, 1000, &retry->backoff_ms));
    PG_TRY(number_option(o, "connection_retry_backoff_max", 600, 1000, &retry->backoff_max_ms));
    if (retry->backoff_max_ms < retry->backoff_ms)
        retry->backoff_max_ms = retry->backoff_ms;
    retry->attempts = attempts ? (unsigned)attempts : 1;
    return RAG_OK;
}

/* A copy that lives as long as the server; NULL stays NULL. */
static rag_status keep(const struct opening *o, struct pg_server *s, const char *text,
                       const char **out)
{
    if (!text)
        return RAG_OK;
    const size_t size = strlen(text) + 1;
    struct pg_kept *kept = o->host->alloc(sizeof *kept + size);
    if (!kept)
        return pg_no_memory(o->host, o->err);
    kept->next = s->kept;
    s->kept = kept;
    memcpy(kept->text, text, size);
    *out = kept->text;
    return RAG_OK;
}

/* Which index a new table with vectors gets. HNSW_HALFVEC is HNSW over halves: which of both follows
 * from the element type of the space. */
static rag_status vector_options(const struct opening *o, const rag_context *ctx,
                                 struct pg_vector_options *out)
{
    const char *type = option(o, "vector_index_type");
    out->hnsw_m = 16;
    out->hnsw_ef = 64;
    out->lists = 100;
    PG_TRY(number_option(o, "hnsw_m", 100, 1, &out->hnsw_m));
    PG_TRY(number_option(o, "hnsw_ef", 1000, 1, &out->hnsw_ef));
    PG_TRY(number_option(o, "ivfflat_lists", 32768, 1, &out->lists));
    if (out->hnsw_m < 2 || out->hnsw_ef < 2 * out->hnsw_m || out->lists < 1)
        return o->host->fail(o->err, RAG_E_INVALID,
                             "hnsw_m is 2 or more, hnsw_ef twice that or more, ivfflat_lists 1 or "
                             "more");
    if (!type || strcasecmp(type, "HNSW") == 0 || strcasecmp(type, "HNSW_HALFVEC") == 0) {
        out->index = PG_INDEX_HNSW;
    } else if (strcasecmp(type, "IVFFLAT") == 0) {
        out->index = PG_INDEX_IVFFLAT;
    } else {
        out->index = PG_INDEX_NONE;
        if (*type)
            o->host->log(ctx, RAG_LOG_WARNING,
                         "vector_index_type is none of HNSW, HNSW_HALFVEC, IVFFLAT: new tables get "
                         "no index of their vectors");
    }
    return RAG_OK;
}

static rag_status read_address(const struct opening *o, struct pg_server *s)
{
    struct pg_address *a = &s->address;
    struct net_tls tls;
    int64_t command = 300000, connecting = 60000;
    PG_TRY(net_tls_read(o->host, o->config, TLS_MODES, "PostgreSQL", &tls, o->err));
    PG_TRY(number_option(o, "command_timeout", 1e6, 1000, &command));
    a->tls.mode = tls.mode;
    PG_TRY(number_option(o, "connect_timeout", 1e6, 1000, &connecting));
    a->command_timeout_ms = command;
    a->connect_timeout_ms = connecting;
    a->read_only = (o->config->flags & RAG_OPEN_READ_ONLY) != 0;
    PG_TRY(keep(o, s, tls.root_cert, &a->tls.root_cert));
    PG_TRY(keep(o, s, tls.cert, &a->tls.cert));
    PG_TRY(keep(o, s, tls.key, &a->tls.key));
    PG_TRY(keep(o, s, tls.crl, &a->tls.crl));
    PG_TRY(keep(o, s, option(o, "password"), &a->password));
    PG_TRY(keep(o, s, option(o, "server_options"), &a->settings));
    PG_TRY(keep(o, s, option(o, "graph"), &s->graph_option));
    const struct {
        const char *name, *fallback, **out;
    } texts[] = {
        { "host", "localhost", &a->host },
        { "port", "5432", &a->port },
        { "user", "postgres", &a->user },
        { "database", "postgres", &a->database },
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const char *text = option(o, texts[i].name);
        PG_TRY(keep(o, s, text ? text : texts[i].fallback, texts[i].out));
    }
    const char *workspace = o->config->workspace;
    return keep(o, s, *workspace ? workspace : DEFAULT_WORKSPACE, &s->workspace);
}

/* ---- the pool's driver ----------------------------------------------------------------------------- */

static rag_status driver_connect(void *user, const rag_context *ctx, void **connection,
                                 rag_error *err)
{
    const struct pg_server *s = user;
    struct pg_conn *conn;
    PG_TRY(pg_connect(s->host, &s->address, NULL, ctx, &conn, err));
    *connection = conn;
    return RAG_OK;
}

static int driver_alive(void *user, const rag_context *ctx, void *connection)
{
    (void)user;
    (void)ctx;
    return pg_is_alive(connection);
}

static void driver_close(void *user, void *connection)
{
    (void)user;
    pg_disconnect(connection);
}

static int driver_descriptor(void *user, void *connection)
{
    (void)user;
    return PQsocket(((const struct pg_conn *)connection)->pg);
}

/* ---- opening and closing --------------------------------------------------------------------------- */

static void server_free(struct pg_server *s)
{
    const rag_host *host = s->host;
    pg_owner_free(s);
    pg_build_free(s);
    net_pool_free(s->pool);
    pg_vector_statements_free(s);
    pg_durability_free(host, s->durability);
    pg_text_free(&s->strings);
    pg_graph_place_free(host, s->graph);
    pg_spaces_free(s);
    (void)pthread_mutex_destroy(&s->making_vectors);
    (void)pthread_mutex_destroy(&s->knowing);
    host->free(s->statements);
    pg_doc_free_statements(host, s->docs);
    while (s->kept) {
        struct pg_kept *next = s->kept->next;
        explicit_bzero(s->kept->text, strlen(s->kept->text)); /* one of them is a password */
        host->free(s->kept);
        s->kept = next;
    }
    host->free(s);
}

struct first {
    struct pg_server *server;
    const rag_context *ctx;
    int create;
};

/* Connect, create the database when it is missing, see to the schema and to where the graph is. */
static rag_status first_connection(void *user, rag_error *err)
{
    const struct first *f = user;
    struct pg_server *s = f->server;
    rag_error local = RAG_ERROR_INIT;
    void *connection;
    rag_status status = net_pool_acquire(s->pool, f->ctx, &connection, &local);
    if (status == RAG_E_NOT_FOUND && f->create) {
        PG_TRY(pg_database_ensure(s->host, &s->address, f->ctx, err));
        status = net_pool_acquire(s->pool, f->ctx, &connection, &local);
    }
    if (status != RAG_OK)
        return pg_pass(status, &local, err);
    struct pg_conn *conn = connection;
    status = pg_schema_ensure(s->host, conn, f->ctx, f->create, err);
    if (status == RAG_OK)
        status = pg_graph_choose(s, conn, f->ctx, f->create, err);
    net_pool_release(s->pool, conn, status == RAG_OK);
    return status;
}

static rag_status server_start(const struct opening *o, const rag_context *ctx, struct pg_server *s)
{
    const struct net_driver driver = {
        driver_connect, driver_alive, driver_close, driver_descriptor, s, "PostgreSQL"
    };
    struct net_pool_options pool = { 0 };
    PG_TRY(pool_options(o, &pool));
    PG_TRY(retry_options(o, &s->retry));
    PG_TRY(vector_options(o, ctx, &s->vector_options));
    PG_TRY(read_address(o, s));
    PG_TRY(pg_owner_new(s, o->err));
    PG_TRY(pg_durability_new(o->host, &s->durability, o->err));
    s->statements = o->host->alloc(PG_TABLES * sizeof *s->statements);
    if (!s->statements)
        return pg_no_memory(o->host, o->err);
    PG_TRY(pg_make_statements(o->host, s->statements, &s->strings, o->err));
    PG_TRY(pg_doc_make_statements(o->host, &s->docs, o->err));
    PG_TRY(net_pool_new(o->host, &driver, &pool, &s->pool, o->err));
    const int writes = !(o->config->flags & (RAG_OPEN_READ_ONLY | RAG_OPEN_EXISTING));
    struct first first = { s, ctx, writes };
    PG_TRY(net_retry(o->host, ctx, &s->retry, NET_CONNECT, first_connection, &first, o->err));
    const rag_call call = { .self = s, .ctx = ctx, .host = o->host };
    if (writes)
        PG_TRY(pg_vector_adopt(&call, o->err));
    else
        pg_vector_mention(&call);
    if (o->config->flags & RAG_OPEN_BUILD)
        return pg_build_begin(&call, (o->config->flags & RAG_OPEN_REPLACE) != 0, o->err);
    return RAG_OK;
}

static rag_status pg_open(const rag_host *host, const rag_backend_config *config,
                          const rag_context *ctx, void **self, rag_error *err)
{
    const struct opening opening = { host, config, err };
    struct pg_server *s = host->alloc(sizeof *s);
    if (!s)
        return pg_no_memory(host, err);
    memset(s, 0, sizeof *s);
    s->host = host;
    (void)pthread_mutex_init(&s->making_vectors, NULL);
    (void)pthread_mutex_init(&s->knowing, NULL);
    s->lock_timeout_ms = config->lock_timeout_ms;
    const rag_status status = server_start(&opening, ctx, s);
    if (status != RAG_OK) {
        server_free(s);
        return status;
    }
    *self = s;
    return RAG_OK;
}

static void pg_close(void *self)
{
    server_free(self);
}

/* In a child: the sockets are closed already, and a word to the server would be the parent's. */
static void pg_abandon(void *self)
{
    (void)self;
}

/* ---- what it says about itself --------------------------------------------------------------------- */

static const char SQL_NAMESPACES[] =
    "SELECT c.kind, c.name, sum(c.rows)::int8, sum(c.bytes)::int8, sum(c.generation)::int8 FROM"
    /* rows of a table of LightRAG's are those of the space that is in it */
    " (SELECT CASE c.kind WHEN 'vdb' THEN 'vector' ELSE c.kind END AS kind,"
    " CASE c.kind WHEN 'vdb' THEN s.name ELSE c.name END AS name, c.rows, c.bytes, c.generation,"
    " 0 AS spaces FROM " PG_SQL_COUNTERS " LEFT JOIN ragstore_space s ON c.kind = 'vdb'"
    " AND s.workspace = $1::text AND s.lightrag = c.name"
    /* a space is one, also without rows */
    " UNION ALL SELECT 'vector', name, 0, 0, 0, 1 FROM ragstore_space"
    " WHERE workspace = $1::text) c WHERE c.kind <> 'foreign' AND c.name IS NOT NULL"
    " GROUP BY c.kind, c.name HAVING sum(c.rows) > 0 OR sum(c.spaces) > 0"
    " ORDER BY c.kind, c.name";
static const char SQL_DESCRIBE[] =
    "SELECT current_setting('server_version'), pg_database_size(current_database()),"
    " (CASE WHEN pg_is_in_recovery() THEN coalesce(pg_last_wal_replay_lsn(), '0/0')"
    " ELSE pg_current_wal_insert_lsn() END - '0/0'::pg_lsn)::int8,"
    " (CASE WHEN pg_is_in_recovery() THEN coalesce(pg_last_wal_replay_lsn(), '0/0')"
    " ELSE pg_current_wal_flush_lsn() END - '0/0'::pg_lsn)::int8,"
    " (SELECT version FROM ragstore_meta),"
    " (SELECT count(*) FROM ragstore_change WHERE workspace = $1::text)";

static int is_of_graph(rag_slice kind)
{
    static const char graph[] = "graph_";
    return kind.len > sizeof graph - 1 && memcmp(kind.data, graph, sizeof graph - 1) == 0;
}

static rag_status namespaces_work(const rag_call *call, struct pg_conn *conn, void *user,
                                  rag_error *err)
{
    const struct pg_server *s = call->self;
    const int counted = s->graph->layout != &pg_graph_age; /* by triggers */
    struct pg_params params;
    PGresult *result;
    pg_params_begin(&params, call);
    PG_TRY(pg_run(conn, call->ctx, SQL_NAMESPACES, &params, "listing namespaces", &result, err));
    rag_status status = RAG_OK;
    for (int row = 0; row < PQntuples(result) && status == RAG_OK; row++) {
        const struct pg_counters counters = { pg_int(result, row, 2), pg_int(result, row, 3),
                                              pg_int(result, row, 4) };
        if (counted || !is_of_graph(pg_slice(result, row, 0)))
            status = pg_append_namespace(call, pg_slice(result, row, 0), pg_slice(result, row, 1),
                                         &counters, user, err);
    }
    PQclear(result);
    return status == RAG_OK && !counted ? pg_graph_namespaces(call, conn, user, err) : status;
}

static rag_status pg_namespaces(const rag_call *call, rag_result *out, rag_error *err)
{
    return pg_read(call, namespaces_work, out, err);
}

static void add_pool_figures(struct pg_text *json, struct net_pool *pool)
{
    struct net_pool_figures f;
    net_pool_figures(pool, &f);
    pg_text_printf(
        json,
        ",\"pool\":{\"open\":%zu,\"idle\":%zu,\"leased\":%zu,\"waiting\":%zu,"
        "\"acquired\":%" PRIu64 ",\"connected\":%" PRIu64 ",\"closed\":%" PRIu64
        ",\"connect_failures\":%" PRIu64 ",\"acquire_timeouts\":%" PRIu64 ",\"found_dead\":%" PRIu64
        ",\"waits\":%" PRIu64 ",\"longest_wait_us\":%" PRId64 "}",
        f.open, f.idle, f.leased, f.waiting, f.acquired, f.connected, f.closed, f.connect_failures,
        f.acquire_timeouts, f.found_dead, f.waits, f.longest_wait_ns / 1000);
}

static rag_status append_description(const rag_call *call, const PGresult *result, rag_result *out,
                                     rag_error *err)
{
    const struct pg_server *s = call->self;
    struct pg_text json = { .host = call->host }, location = { .host = call->host };
    pg_text_printf(&location, "postgres://%.200s:%.20s/", s->address.host, s->address.port);
    pg_text_add_text(&location, s->address.database);
    pg_text_add_text(&json, "{\"location\":");
    if (location.data)
        pg_text_add_json_string(&json, (rag_slice){ location.data, location.len });
    pg_text_add_text(&json, ",\"workspace\":");
    pg_text_add_json_string(&json, rag_text(s->workspace));
    pg_text_add_text(&json, ",\"server\":");
    pg_text_add_json_string(&json, pg_slice(result, 0, 0));
    pg_text_printf(&json, ",\"graph\":\"%s\"", s->graph->layout->name);
    if (s->graph->layout == &pg_graph_age)
        pg_text_printf(&json, ",\"graph_name\":\"%s\"", s->graph->graph);
    pg_text_printf(&json,
                   ",\"libpq\":%d,\"format\":%" PRId64 ",\"database_bytes\":%" PRId64
                   ",\"committed_token\":%" PRId64 ",\"durable_token\":%" PRId64
                   ",\"debt\":{\"unfolded_changes\":%" PRId64 "}",
                   PQlibVersion(), pg_int(result, 0, 4), pg_int(result, 0, 1), pg_int(result, 0, 2),
                   pg_int(result, 0, 3), pg_int(result, 0, 5));
    add_pool_figures(&json, s->pool);
    pg_text_add_text(&json, "}");
    rag_status status = pg_text_check(&json, err);
    if (status == RAG_OK)
        status = pg_text_check(&location, err);
    const rag_row answer = { .value = { json.data, json.len }, .found = 1 };
    if (status == RAG_OK)
        status = call->host->row_append(out, &answer, err);
    pg_text_free(&json);
    pg_text_free(&location);
    return status;
}

static rag_status describe_work(const rag_call *call, struct pg_conn *conn, void *user,
                                rag_error *err)
{
    struct pg_params params;
    PGresult *result;
    pg_params_begin(&params, call);
    PG_TRY(pg_run(conn, call->ctx, SQL_DESCRIBE, &params, "describing", &result, err));
    const rag_status status = append_description(call, result, user, err);
    PQclear(result);
    return status;
}

static rag_status pg_describe(const rag_call *call, rag_result *out, rag_error *err)
{
    return pg_read(call, describe_work, out, err);
}

/* ---- the table ------------------------------------------------------------------------------------- */

static const char *const class_names[] = {
    "postgresql",         "PGKVStorage", "PGVectorStorage", "PGGraphStorage", "PGTableGraphStorage",
    "PGDocStatusStorage", NULL,
};
static const char *const required[] = { NULL };

static const rag_backend postgres_backend = {
    .struct_size = sizeof postgres_backend,
    .abi = RAG_BACKEND_ABI,
    .name = "postgres",
    .class_names = class_names,
    .options = option_names,
    .required = required,
    .features =
        RAG_FEATURE_TRANSACTIONS | RAG_FEATURE_BUILD | RAG_FEATURE_OPTIMIZE | RAG_FEATURE_PENDING,
    .guarantees = RAG_GUARANTEE_ATOMIC_BATCH | RAG_GUARANTEE_READ_YOUR_WRITES |
                  RAG_GUARANTEE_SHARED | RAG_GUARANTEE_DURABLE,
    .open = pg_open,
    .close = pg_close,
    .abandon = pg_abandon,
    .flush = pg_flush,
    .namespaces = pg_namespaces,
    .describe = pg_describe,
    .begin = pg_begin,
    .commit = pg_commit,
    .abort = pg_abort,
    .publish = pg_publish,
    .optimize = pg_optimize,
    .kv = &pg_kv,
    .vector = &pg_vector,
    .graph = &pg_graph,
    .docstatus = &pg_docstatus,
};

extern RAG_EXPORT const rag_backend *rag_backend_init_1(const rag_host *host, uint32_t abi);

const rag_backend *rag_backend_init_1(const rag_host *host, uint32_t abi)
{
    return host && abi >= RAG_BACKEND_ABI && host->struct_size >= sizeof *host ? &postgres_backend
                                                                               : NULL;
}
