/* A store that is built aside: RAG_OPEN_BUILD, which is how an import opens it.
 *
 * On a server "aside" is one transaction over all four stores. Everything that the handle does from
 * opening to publishing runs on one connection inside it, so others see the workspace as it was
 * before, also one that is being replaced, until publishing commits: whole, or not at all. Whatever
 * ends the process or the connection before that leaves nothing to clean up; the server undoes it.
 *
 * The transaction holds the writer's turn of the workspace: other writers of ours wait for it, readers
 * do not. Tables of vector spaces are made by a transaction of their own before their first row
 * (vector_space.c), because making them takes locks that others would wait for until the end; their
 * indexes are made when the store is optimized (vector_index.c). Slots run one at a time, each behind a
 * savepoint as in any transaction. Nothing is tried again: what a lost connection took with it is
 * everything. After publishing the handle is an ordinary one. */
#include <string.h>

#include "graph.h"
#include "net/lock.h"
#include "server.h"

struct pg_build {
    struct net_lock lock;
    struct pg_conn *conn; /* NULL: published */
    atomic_int on;        /* the same, for who need not wait for a slot that runs */
    unsigned edge_batches;
};

enum { NAME_BYTES = 1024 };

/* It may take hours and may have to wait for its reader: no limit of the server's ends it. */
static const char SQL_PATIENT[] =
    "SELECT set_config(name, '0', true) FROM pg_settings WHERE name IN ('statement_timeout',"
    " 'idle_in_transaction_session_timeout', 'transaction_timeout', 'lock_timeout')";
/* Rows of anything, or a vector space: the library's own namespaces (".name") are no data. */
static const char SQL_HOLDS[] =
    "SELECT 1 FROM (SELECT kind, name, rows FROM ragstore_namespace WHERE workspace = $1::text"
    " UNION ALL SELECT kind, name, rows FROM ragstore_change WHERE workspace = $1::text"
    " UNION ALL SELECT 'vector', name, 1 FROM ragstore_space WHERE workspace = $1::text) c"
    " WHERE kind <> 'foreign' AND name NOT LIKE '.%' GROUP BY kind, name HAVING sum(rows) > 0"
    " LIMIT 1";
static const char SQL_NAMES[] =
    "SELECT kind, name FROM (SELECT kind, name FROM ragstore_namespace WHERE workspace = $1::text"
    " AND kind = 'kv' UNION SELECT kind, name FROM ragstore_change WHERE workspace = $1::text"
    " AND kind = 'kv' UNION SELECT 'vector', name FROM ragstore_space WHERE workspace = $1::text) c"
    " WHERE name NOT LIKE '.%' ORDER BY kind, name";

static rag_status about_workspace(const rag_call *call, struct pg_conn *conn, const char *sql,
                                  PGresult **out, rag_error *err)
{
    struct pg_params params;
    pg_params_begin(&params, call);
    return pg_run(conn, call->ctx, sql, &params, "looking at the workspace", out, err);
}

/* ---- one at a time ------------------------------------------------------------------------------------ */

rag_status pg_build_run(const rag_call *call, pg_work work, void *user, int *done, rag_error *err)
{
    struct pg_build *b = ((struct pg_server *)call->self)->build;
    *done = 0;
    if (!b)
        return RAG_OK;
    PG_TRY(net_lock_take(call->host, call->ctx, &b->lock, err));
    rag_status status = RAG_OK;
    if (b->conn) {
        *done = 1;
        status = pg_run_inside(call, b->conn, work, user, err);
    }
    net_lock_give(&b->lock);
    return status;
}

rag_status pg_build_count_edges(const rag_call *call, struct pg_conn *conn, rag_error *err)
{
    const struct pg_server *s = call->self;
    struct pg_build *b = s->build;
    if (!b || b->conn != conn || s->graph->layout != &pg_graph_tables)
        return RAG_OK;
    const unsigned n = ++b->edge_batches;
    return n & (n - 1) ? RAG_OK
                       : pg_command(conn, call->ctx,
                                    "ANALYZE lightrag_graph_nodes; ANALYZE lightrag_graph_edges",
                                    PG_RUNNING, "counting the graph", err);
}

int pg_build_is_on(const rag_call *call)
{
    const struct pg_build *b = ((const struct pg_server *)call->self)->build;
    return b && b->on;
}

/* ---- beginning ---------------------------------------------------------------------------------------- */

static rag_status drop_namespace(const rag_call *call, rag_slice kind, rag_slice name,
                                 rag_error *err)
{
    char text[NAME_BYTES];
    if (name.len >= sizeof text)
        return call->host->fail(err, RAG_E_CORRUPT, "a namespace has a name of %zu bytes",
                                name.len);
    memcpy(text, name.data, name.len);
    text[name.len] = 0;
    return kind.len == 2 ? pg_kv.drop(call, text, err) : pg_vector.drop(call, text, err);
}

/* What is there goes, for us alone until we publish. */
static rag_status clear(const rag_call *call, struct pg_conn *conn, rag_error *err)
{
    PGresult *names;
    PG_TRY(about_workspace(call, conn, SQL_NAMES, &names, err));
    rag_status status = RAG_OK;
    for (int row = 0; row < PQntuples(names) && status == RAG_OK; row++)
        status = drop_namespace(call, pg_slice(names, row, 0), pg_slice(names, row, 1), err);
    PQclear(names);
    if (status == RAG_OK)
        status = pg_graph.drop(call, err);
    if (status == RAG_OK)
        status = pg_docstatus.drop(call, err);
    return status;
}

static rag_status look(const rag_call *call, struct pg_conn *conn, int replace, int *holds,
                       rag_error *err)
{
    const struct pg_server *s = call->self;
    PGresult *result;
    PG_TRY(pg_command(conn, call->ctx, "SET LOCAL synchronous_commit = on", PG_RUNNING,
                      "beginning a transaction", err));
    PG_TRY(about_workspace(call, conn, SQL_HOLDS, &result, err));
    *holds = PQntuples(result) > 0;
    PQclear(result);
    if (!*holds)
        PG_TRY(pg_graph_holds(call, conn, holds, err));
    if (*holds && !replace)
        return call->host->fail(err, RAG_E_CONFLICT,
                                "workspace '%s' of the database holds a store already",
                                s->workspace);
    const struct pg_params none = { 0 };
    return pg_run(conn, call->ctx, SQL_PATIENT, &none, "beginning a transaction", NULL, err);
}

static rag_status take_turn(const rag_call *call, struct pg_conn *conn, rag_error *err)
{
    const struct pg_server *s = call->self;
    rag_error local = RAG_ERROR_INIT;
    const rag_status status = pg_take_turn(call, conn, &local);
    if (status == RAG_E_TIMEOUT && strcmp(local.native_state, "55P03") == 0)
        return call->host->fail(err, RAG_E_TIMEOUT,
                                "somebody else is writing into workspace '%s' of the database, "
                                "another import perhaps",
                                s->workspace);
    return pg_pass(status, &local, err);
}

rag_status pg_build_begin(const rag_call *call, int replace, rag_error *err)
{
    struct pg_server *s = call->self;
    void *connection;
    int holds;
    struct pg_build *b = call->host->alloc(sizeof *b);
    if (!b)
        return pg_no_memory(call->host, err);
    memset(b, 0, sizeof *b);
    rag_status status = net_lock_init(call->host, &b->lock, err);
    if (status != RAG_OK) {
        call->host->free(b);
        return status;
    }
    status = net_pool_acquire(s->pool, call->ctx, &connection, err);
    if (status == RAG_OK) {
        b->conn = connection;
        b->conn->patient = 1;
        b->on = 1;
        status = take_turn(call, b->conn, err);
    }
    if (status == RAG_OK)
        status = look(call, b->conn, replace, &holds, err);
    s->build = b; /* from here on slots run inside; freed with the server */
    return status == RAG_OK && holds ? clear(call, b->conn, err) : status;
}

/* ---- the end ------------------------------------------------------------------------------------------ */

/* Locked. */
static void give_back(const rag_call *call, struct pg_build *b)
{
    struct pg_server *s = call->self;
    b->conn->patient = 0;
    net_pool_release(s->pool, b->conn, !b->conn->lost);
    b->conn = NULL;
    b->on = 0;
}

/* Degrees are counted in indexes alone once the server knows that all see these rows. Autovacuum finds
 * it out in a minute; the store is published whether this is done or not. */
static void vacuum(const rag_call *call, struct pg_conn *conn)
{
    static const char *const texts[] = { "VACUUM (SKIP_LOCKED) lightrag_graph_nodes",
                                         "VACUUM (SKIP_LOCKED) lightrag_graph_edges" };
    const struct pg_server *s = call->self;
    for (size_t i = 0; i < 2 && s->graph->layout == &pg_graph_tables && !conn->lost; i++)
        (void)pg_command(conn, call->ctx, texts[i], PG_RUNNING, "vacuuming the graph", NULL);
}

rag_status pg_publish(const rag_call *call, rag_error *err)
{
    struct pg_build *b = ((struct pg_server *)call->self)->build;
    rag_token token;
    PG_TRY(net_lock_take(call->host, call->ctx, &b->lock, err));
    rag_status status = RAG_OK;
    if (b->conn) {
        status = b->conn->lost ? call->host->fail(err, RAG_E_CONNECTION,
                                                  "the connection was lost, and all that was "
                                                  "written with it")
                               : pg_end_build(call, b->conn, &token, err);
        if (status == RAG_OK) {
            vacuum(call, b->conn);
            give_back(call, b);
        } else {
            b->conn->lost = 1; /* its transaction has ended */
        }
    }
    net_lock_give(&b->lock);
    return status;
}

void pg_build_free(struct pg_server *s)
{
    struct pg_build *b = s->build;
    if (!b)
        return;
    if (b->conn) /* closing it undoes everything */
        net_pool_release(s->pool, b->conn, 0);
    net_lock_destroy(&b->lock);
    s->host->free(b);
    s->build = NULL;
}
