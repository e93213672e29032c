/* The PostgreSQL backend when things go wrong, and what is promised of transactions over several stores: on a real
 * server, with a second session of libpq that does what others would. The database "faults" is made by the first case. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <libpq-fe.h>
#include <ragstore/ragstore.h>

#include "postgres_url.h"

static char server[400];

/* ---- helpers -------------------------------------------------------------------------------------- */

static rag_store *open_with(const char *options)
{
    char url[600];
    rag_store *store = NULL;
    rag_error err = RAG_ERROR_INIT;
    (void)snprintf(url, sizeof url, "%s?connection_retry_backoff=0.05%s", server, options);
    if (rag_store_open(url, NULL, NULL, &store, &err) != RAG_OK)
        fail_msg("%s", err.message);
    return store;
}

static void ok(rag_status status, const rag_error *err)
{
    if (status != RAG_OK)
        fail_msg("%s", err->message);
}

static rag_status put(rag_store *store, const rag_context *ctx, const char *key, rag_error *err)
{
    const rag_kv_item item = { .key = rag_text(key), .value = rag_text("{\"v\":1}") };
    return rag_kv_put_many(store, ctx, "n", &item, 1, NULL, err);
}

static int has(rag_store *store, const rag_context *ctx, const char *key)
{
    const rag_slice keys[] = { rag_text(key) };
    rag_result *rows = NULL;
    rag_error err = RAG_ERROR_INIT;
    ok(rag_kv_get_many(store, ctx, "n", keys, 1, &rows, &err), &err);
    const int found = rag_result_row(rows, 0)->found;
    rag_result_free(rows);
    return found;
}

/* The first field of the answer as a number; 0 without one. */
static long run_sql(PGconn *pg, const char *sql)
{
    PGresult *result = PQexec(pg, sql);
    const ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQresultErrorMessage(result));
    const long number = status == PGRES_TUPLES_OK && PQntuples(result)
                            ? strtol(PQgetvalue(result, 0, 0), NULL, 10)
                            : 0;
    PQclear(result);
    return number;
}

static PGconn *session_at(const char *url)
{
    PGconn *pg = PQconnectdb(url);
    if (PQstatus(pg) != CONNECTION_OK)
        fail_msg("%s", PQerrorMessage(pg));
    return pg;
}

/* The other side: a session of its own. What it waits for has an end: a case that failed may have
 * left a transaction open, whose locks last as long as this program. */
static PGconn *session(void)
{
    PGconn *pg = session_at(server);
    (void)run_sql(pg, "SET lock_timeout = '20s'");
    return pg;
}

/* A database of an earlier run would have its rows. */
static int drop_database(void **state)
{
    (void)state;
    char url[400];
    if (!postgres_url("postgres", url, sizeof url))
        return 1;
    PGconn *pg = session_at(url);
    (void)run_sql(pg, "DROP DATABASE IF EXISTS faults WITH (FORCE)");
    PQfinish(pg);
    return 0;
}

static void end_sessions(PGconn *pg)
{
    (void)run_sql(pg, "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity"
                      " WHERE application_name = 'ragstore'");
}

static const char RUNNING[] = "SELECT count(*) FROM pg_stat_activity"
                              " WHERE application_name = 'ragstore' AND state = 'active'";

/* ---- connections that are lost -------------------------------------------------------------------- */

static void a_lost_connection_is_replaced(void **state)
{
    (void)state;
    rag_error err = RAG_ERROR_INIT;
    rag_store *store = open_with("&workspace=lost");
    PGconn *other = session();
    ok(put(store, NULL, "before", &err), &err);
    end_sessions(other);
    assert_int_equal(has(store, NULL, "before"), 1);
    end_sessions(other);
    ok(put(store, NULL, "after", &err), &err);
    assert_int_equal(has(store, NULL, "after"), 1);
    PQfinish(other);
    rag_store_close(store);
}

static void a_transaction_does_not_outlive_its_connection(void **state)
{
    (void)state;
    rag_error err = RAG_ERROR_INIT;
    rag_txn *txn = NULL;
    rag_store *store = open_with("&workspace=txnlost");
    PGconn *other = session();
    rag_context ctx = RAG_CONTEXT_INIT;
    ok(rag_txn_begin(store, NULL, &txn, &err), &err);
    ctx.txn = txn;
    ok(put(store, &ctx, "a", &err), &err);
    end_sessions(other);
    assert_int_equal(put(store, &ctx, "b", &err), RAG_E_CONNECTION);
    assert_string_equal(err.native_state, "57P01");
    assert_int_equal(err.outcome, RAG_OUTCOME_NOT_APPLIED);
    assert_int_equal(err.retryable, 0); /* the step alone will not do */
    assert_int_equal(put(store, &ctx, "c", &err), RAG_E_TRANSACTION);
    assert_int_equal(rag_txn_commit(txn, NULL, NULL, &err), RAG_E_TRANSACTION);
    assert_int_equal(err.outcome, RAG_OUTCOME_NOT_APPLIED);
    assert_int_equal(has(store, NULL, "a"), 0);
    ok(rag_txn_begin(store, NULL, &txn, &err), &err);
    ctx.txn = txn;
    ok(put(store, &ctx, "d", &err), &err);
    end_sessions(other); /* found before the COMMIT is sent: nothing is in doubt */
    assert_int_equal(rag_txn_commit(txn, NULL, NULL, &err), RAG_E_CONNECTION);
    assert_string_equal(err.native_state, "57P01");
    assert_int_equal(err.outcome, RAG_OUTCOME_NOT_APPLIED);
    assert_int_equal(has(store, NULL, "d"), 0);
    PQfinish(other);
    rag_store_close(store);
}

static void what_cannot_be_reached_is_said(void **state)
{
    (void)state;
    rag_store *store = NULL;
    rag_error err = RAG_ERROR_INIT;
    assert_int_equal(rag_store_open("postgres://me:hush@127.0.0.1:1/db?connection_retries=1", NULL,
                                    NULL, &store, &err),
                     RAG_E_CONNECTION);
    assert_int_equal(err.retryable, 1);
    assert_null(strstr(err.message, "hush"));
    char url[500];
    const char *at = strchr(server, '@');
    (void)snprintf(url, sizeof url, "postgres://postgres:hush%s", at);
    assert_int_equal(rag_store_open(url, NULL, NULL, &store, &err), RAG_E_DENIED);
    assert_string_equal(err.native_state, "28P01");
    assert_int_equal(err.retryable, 0);
    assert_null(strstr(err.message, "hush"));
}

/* ---- time ----------------------------------------------------------------------------------------- */

static void a_deadline_cancels_the_statement(void **state)
{
    (void)state;
    rag_error err = RAG_ERROR_INIT;
    rag_store *store = open_with("&workspace=deadline&max_connections=1");
    PGconn *other = session();
    const rag_slice keys[] = { rag_text("k") };
    rag_result *rows = NULL;
    rag_context ctx = RAG_CONTEXT_INIT;
    ok(put(store, NULL, "k", &err), &err);
    (void)run_sql(other, "BEGIN; LOCK TABLE ragstore_rows IN ACCESS EXCLUSIVE MODE");
    ctx.deadline_ns = rag_deadline_in_ms(100);
    assert_int_equal(rag_kv_get_many(store, &ctx, "n", keys, 1, &rows, &err), RAG_E_TIMEOUT);
    ctx.deadline_ns = rag_deadline_in_ms(100);
    assert_int_equal(put(store, &ctx, "other", &err), RAG_E_TIMEOUT);
    assert_int_equal(err.outcome, RAG_OUTCOME_NOT_APPLIED);
    assert_int_equal(run_sql(other, RUNNING), 0); /* nothing goes on without us */
    (void)run_sql(other, "COMMIT");
    assert_int_equal(has(store, NULL, "k"), 1); /* on the same connection: there is one */
    assert_int_equal(has(store, NULL, "other"), 0);
    PQfinish(other);
    rag_store_close(store);
}

struct cancelling {
    PGconn *watch;
    int *flag;
};

/* Waits until the statement runs. */
static void *cancel_when_running(void *argument)
{
    struct cancelling *c = argument;
    for (;;) {
        PGresult *result = PQexec(c->watch, RUNNING);
        const int running = PQntuples(result) && *PQgetvalue(result, 0, 0) != '0';
        PQclear(result);
        if (running)
            break;
        (void)usleep(2000);
    }
    rag_cancel(c->flag);
    return NULL;
}

static void a_cancel_flag_ends_a_statement(void **state)
{
    (void)state;
    rag_error err = RAG_ERROR_INIT;
    rag_store *store = open_with("&workspace=cancel");
    PGconn *other = session(), *watch = session();
    const rag_slice keys[] = { rag_text("k") };
    rag_result *rows = NULL;
    int flag = 0;
    rag_context ctx = RAG_CONTEXT_INIT;
    ctx.cancel = &flag;
    pthread_t thread;
    struct cancelling c = { watch, &flag };
    (void)run_sql(other, "BEGIN; LOCK TABLE ragstore_rows IN ACCESS EXCLUSIVE MODE");
    assert_int_equal(pthread_create(&thread, NULL, cancel_when_running, &c), 0);
    assert_int_equal(rag_kv_get_many(store, &ctx, "n", keys, 1, &rows, &err), RAG_E_CANCELLED);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(run_sql(other, RUNNING), 0);
    PQfinish(other);
    PQfinish(watch);
    rag_store_close(store);
}

static void the_turn_and_the_pool_have_their_limits(void **state)
{
    (void)state;
    rag_error err = RAG_ERROR_INIT;
    rag_txn *txn = NULL;
    rag_store *one = open_with("&workspace=turn&max_connections=1&acquire_timeout=0.1");
    rag_store *two = open_with("&workspace=turn&lock_timeout_ms=100&connection_retries=1");
    const rag_slice keys[] = { rag_text("k") };
    rag_result *rows = NULL;
    ok(rag_txn_begin(one, NULL, &txn, &err), &err);
    assert_int_equal(put(two, NULL, "k", &err), RAG_E_TIMEOUT); /* the turn */
    assert_string_equal(err.native_state, "55P03");
    assert_int_equal(rag_kv_get_many(one, NULL, "n", keys, 1, &rows, &err), RAG_E_TIMEOUT);
    assert_non_null(strstr(err.message, "all 1 are in use")); /* the transaction has the only one */
    rag_context ctx = RAG_CONTEXT_INIT;
    ctx.deadline_ns = rag_deadline_in_ms(20);
    assert_int_equal(rag_kv_get_many(one, &ctx, "n", keys, 1, &rows, &err), RAG_E_TIMEOUT);
    assert_null(strstr(err.message, "in use")); /* the caller's own */
    rag_txn_abort(txn);
    ok(put(two, NULL, "k", &err), &err);
    assert_int_equal(has(one, NULL, "k"), 1);
    rag_store_close(one);
    rag_store_close(two);
}

static void a_server_that_only_reads_denies(void **state)
{
    (void)state;
    rag_error err = RAG_ERROR_INIT;
    rag_store *store = open_with("&workspace=ro&server_options=default_transaction_read_only%3Don");
    assert_int_equal(put(store, NULL, "k", &err), RAG_E_DENIED);
    assert_string_equal(err.native_state, "25006");
    rag_store_close(store);
}

/* ---- transactions --------------------------------------------------------------------------------- */

static void put_all(rag_store *store, const rag_context *ctx, const char *id)
{
    rag_error err = RAG_ERROR_INIT;
    const rag_node node = { rag_text(id), rag_text("{}") };
    const rag_doc doc = { rag_text(id), rag_text("{\"status\":\"pending\"}") };
    ok(put(store, ctx, id, &err), &err);
    ok(rag_graph_put_nodes(store, ctx, &node, 1, RAG_PUT_MERGE, NULL, &err), &err);
    ok(rag_docstatus_put_many(store, ctx, &doc, 1, NULL, &err), &err);
}

/* In how many of the three stores it is. */
static int places_of(rag_store *store, const rag_context *ctx, const char *id)
{
    const rag_slice keys[] = { rag_text(id) };
    rag_error err = RAG_ERROR_INIT;
    rag_result *nodes = NULL, *docs = NULL;
    ok(rag_graph_get_nodes(store, ctx, keys, 1, 0, &nodes, &err), &err);
    ok(rag_docstatus_get_many(store, ctx, keys, 1, &docs, &err), &err);
    const int found =
        has(store, ctx, id) + rag_result_row(nodes, 0)->found + rag_result_row(docs, 0)->found;
    rag_result_free(nodes);
    rag_result_free(docs);
    return found;
}

static int is_on_disk(PGconn *pg, rag_token token)
{
    char sql[160];
    (void)snprintf(sql, sizeof sql,
                   "SELECT (pg_current_wal_flush_lsn() - '0/0'::pg_lsn >= %llu)::int",
                   (unsigned long long)token);
    return run_sql(pg, sql) == 1;
}

static void a_transaction_is_one_over_all_stores(void **state)
{
    (void)state;
    rag_error err = RAG_ERROR_INIT;
    rag_txn *txn = NULL;
    rag_token token = 0;
    rag_store *store = open_with("&workspace=txn"), *other = open_with("&workspace=txn");
    rag_context ctx = RAG_CONTEXT_INIT;
    ok(rag_txn_begin(store, NULL, &txn, &err), &err);
    ctx.txn = txn;
    put_all(store, &ctx, "gone");
    assert_int_equal(places_of(store, &ctx, "gone"), 3);
    rag_txn_abort(txn);
    assert_int_equal(places_of(store, NULL, "gone"), 0);
    ok(rag_txn_begin(store, NULL, &txn, &err), &err);
    ctx.txn = txn;
    put_all(store, &ctx, "kept");
    rag_context late = ctx;
    late.deadline_ns = 1;
    assert_int_equal(put(store, &late, "late", &err), RAG_E_TIMEOUT);
    assert_int_equal(places_of(other, NULL, "kept"), 0);
    ok(rag_txn_commit(txn, NULL, &token, &err), &err);
    assert_true(token > 0);
    assert_int_equal(places_of(other, NULL, "kept"), 3);
    assert_int_equal(has(other, NULL, "late"), 0);
    ok(rag_flush(store, NULL, token, &err), &err);
    PGconn *pg = session();
    assert_true(is_on_disk(pg, token));
    PQfinish(pg);
    rag_store_close(store);
    rag_store_close(other);
}

/* Lengthens the log all the time, without waiting for the disk. */
static void *write_log(void *argument)
{
    atomic_int *stop = argument;
    PGconn *pg = session();
    (void)run_sql(pg, "SET synchronous_commit = off");
    while (!atomic_load(stop))
        (void)run_sql(pg, "SELECT pg_logical_emit_message(false, 'noise', 'x')");
    PQfinish(pg);
    return NULL;
}

/* Between a durable commit and the question where the log is now others write: what they wrote, perhaps
 * through the same handle, is not on disk for that. */
static void a_durable_write_vouches_for_no_later_one(void **state)
{
    (void)state;
    enum { WRITES = 200 };
    rag_error err = RAG_ERROR_INIT;
    atomic_int stop = 0;
    pthread_t noise;
    rag_store *store = open_with("&workspace=vouch");
    PGconn *pg = session();
    assert_int_equal(pthread_create(&noise, NULL, write_log, &stop), 0);
    int wrong = 0;
    for (int i = 0; i < WRITES; i++) {
        const rag_doc doc = { rag_text("d"), rag_text("{\"status\":\"pending\"}") };
        rag_token token = 0;
        ok(rag_docstatus_put_many(store, NULL, &doc, 1, &token, &err), &err);
        ok(rag_flush(store, NULL, token, &err), &err);
        wrong += !is_on_disk(pg, token);
    }
    atomic_store(&stop, 1);
    assert_int_equal(pthread_join(noise, NULL), 0);
    assert_int_equal(wrong, 0);
    PQfinish(pg);
    rag_store_close(store);
}

/* Another's lock in the middle of a slot: it is undone alone, by its savepoint. */
static void a_slot_that_is_cancelled_undoes_itself_alone(void **state)
{
    (void)state;
    rag_error err = RAG_ERROR_INIT;
    rag_txn *txn = NULL;
    rag_store *store = open_with("&workspace=savepoint&graph=tables");
    PGconn *other = session();
    rag_context ctx = RAG_CONTEXT_INIT;
    ok(rag_txn_begin(store, NULL, &txn, &err), &err);
    ctx.txn = txn;
    ok(put(store, &ctx, "first", &err), &err);
    (void)run_sql(other, "BEGIN; LOCK TABLE lightrag_graph_nodes IN ACCESS EXCLUSIVE MODE");
    const rag_node node = { rag_text("a"), rag_text("{}") };
    rag_context limited = ctx;
    limited.deadline_ns = rag_deadline_in_ms(100);
    assert_int_equal(rag_graph_put_nodes(store, &limited, &node, 1, RAG_PUT_MERGE, NULL, &err),
                     RAG_E_TIMEOUT);
    (void)run_sql(other, "COMMIT");
    ok(put(store, &ctx, "second", &err), &err);
    ok(rag_txn_commit(txn, NULL, NULL, &err), &err);
    assert_int_equal(has(store, NULL, "first") + has(store, NULL, "second"), 2);
    PQfinish(other);
    rag_store_close(store);
}

/* ---- many writers --------------------------------------------------------------------------------- */

enum { WORKERS = 5, UPSERTS = 100 };

struct worker {
    rag_store *store;
    int number;
};

static void *upsert(void *argument)
{
    struct worker *w = argument;
    rag_error err = RAG_ERROR_INIT;
    for (int i = 0; i < UPSERTS; i++) {
        char key[40], value[60];
        (void)snprintf(key, sizeof key, "%d-%d", w->number, i);
        (void)snprintf(value, sizeof value, "{\"w%d_%d\":%d}", w->number, i, i);
        const rag_node node = { rag_text("hub"), rag_text(value) };
        ok(put(w->store, NULL, key, &err), &err);
        if (i % 10 == 0) /* merges into one row: none is lost */
            ok(rag_graph_put_nodes(w->store, NULL, &node, 1, RAG_PUT_MERGE, NULL, &err), &err);
    }
    return NULL;
}

static void five_workers_of_two_handles_lose_nothing(void **state)
{
    (void)state;
    rag_error err = RAG_ERROR_INIT;
    rag_store *stores[2] = { open_with("&workspace=five&max_connections=2"),
                             open_with("&workspace=five") };
    struct worker workers[WORKERS];
    pthread_t threads[WORKERS];
    for (int i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){ stores[i % 2], i };
        assert_int_equal(pthread_create(&threads[i], NULL, upsert, &workers[i]), 0);
    }
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    uint64_t count = 0;
    ok(rag_kv_count(stores[0], NULL, "n", &count, &err), &err);
    assert_int_equal(count, WORKERS * UPSERTS);
    const rag_slice hub[] = { rag_text("hub") };
    rag_result *rows = NULL;
    ok(rag_graph_get_nodes(stores[1], NULL, hub, 1, RAG_GRAPH_VALUES, &rows, &err), &err);
    size_t members = 0;
    for (const char *p = rag_result_row(rows, 0)->value.data; *p; p++)
        members += *p == ':';
    assert_int_equal(members, WORKERS * UPSERTS / 10);
    rag_result_free(rows);
    rag_store_close(stores[0]);
    rag_store_close(stores[1]);
}

/* ---- others that do not take turns ------------------------------------------------------------------ */

/* Two rows in one call, on a thread of its own. */
struct putting {
    rag_store *store;
    const rag_context *ctx;
    const char *keys[2];
    rag_status status;
    rag_error err;
};

static void *put_two(void *argument)
{
    struct putting *p = argument;
    const size_t n = p->keys[1] ? 2 : 1;
    rag_kv_item items[2] = { { .key = rag_text(p->keys[0]), .value = rag_text("{\"v\":2}") } };
    if (n == 2)
        items[1] = (rag_kv_item){ .key = rag_text(p->keys[1]), .value = rag_text("{\"v\":2}") };
    p->status = rag_kv_put_many(p->store, p->ctx, "n", items, n, NULL, &p->err);
    return NULL;
}

static void send_update(PGconn *pg, const char *key)
{
    char sql[200];
    (void)snprintf(sql, sizeof sql,
                   "UPDATE ragstore_rows SET updated = updated WHERE workspace = 'deadlock'"
                   " AND key = '%s'",
                   key);
    assert_int_equal(PQsendQuery(pg, sql), 1);
}

static void finish_update(PGconn *pg)
{
    for (PGresult *result; (result = PQgetResult(pg)); PQclear(result))
        assert_int_equal(PQresultStatus(result), PGRES_COMMAND_OK);
}

/* Another session has y and comes for x; the thread has x and comes for y. Ours is the one that the
 * server gives up: it looks for deadlocks, the other one does not. */
static void deadlock(PGconn *other, struct putting *p, pthread_t *thread)
{
    (void)run_sql(other, "SET deadlock_timeout = '1h'; BEGIN");
    send_update(other, "y");
    finish_update(other);
    PGconn *watch = session();
    assert_int_equal(pthread_create(thread, NULL, put_two, p), 0);
    while (!run_sql(watch, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                           " AND application_name = 'ragstore'"))
        (void)usleep(2000);
    PQfinish(watch);
    send_update(other, "x");
}

static void a_deadlock_is_tried_again_or_said(void **state)
{
    (void)state;
    rag_store *store = open_with("&workspace=deadlock&server_options=deadlock_timeout%3D1000");
    PGconn *other = session();
    rag_error err = RAG_ERROR_INIT;
    pthread_t thread;
    ok(put(store, NULL, "x", &err), &err);
    ok(put(store, NULL, "y", &err), &err);
    struct putting batch = { .store = store, .keys = { "x", "y" } };
    deadlock(other, &batch, &thread);
    finish_update(other); /* ours was given up */
    (void)run_sql(other, "COMMIT");
    assert_int_equal(pthread_join(thread, NULL), 0);
    ok(batch.status, &batch.err); /* and made again */

    rag_txn *txn = NULL;
    rag_context ctx = RAG_CONTEXT_INIT;
    ok(rag_txn_begin(store, NULL, &txn, &err), &err);
    ctx.txn = txn;
    ok(put(store, &ctx, "x", &err), &err);
    struct putting step = { .store = store, .ctx = &ctx, .keys = { "y" } };
    deadlock(other, &step, &thread);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(step.status, RAG_E_TRANSACTION);
    assert_string_equal(step.err.native_state, "40P01");
    assert_int_equal(step.err.retryable, 1);
    assert_int_equal(step.err.outcome, RAG_OUTCOME_NOT_APPLIED);
    rag_txn_abort(txn);
    finish_update(other);
    (void)run_sql(other, "COMMIT");
    PQfinish(other);
    rag_store_close(store);
}

/* A statement that the server refuses once: a write of its own is made again, a step of a transaction
 * says that it can be. */
static void a_serialization_failure_is_tried_again_or_said(void **state)
{
    (void)state;
    rag_error err = RAG_ERROR_INIT;
    rag_txn *txn = NULL;
    rag_context ctx = RAG_CONTEXT_INIT;
    rag_store *store = open_with("&workspace=serial");
    PGconn *other = session();
    (void)run_sql(other,
                  "CREATE SEQUENCE refused; CREATE FUNCTION refuse() RETURNS trigger LANGUAGE"
                  " plpgsql AS 'BEGIN IF nextval(''refused'') % 2 = 1 THEN RAISE EXCEPTION"
                  " ''not now'' USING ERRCODE = ''40001''; END IF; RETURN NEW; END';"
                  " CREATE TRIGGER refuse BEFORE INSERT ON ragstore_rows FOR EACH ROW"
                  " WHEN (NEW.workspace = 'serial') EXECUTE FUNCTION refuse()");
    ok(put(store, NULL, "a", &err), &err);
    assert_int_equal(run_sql(other, "SELECT last_value FROM refused"), 2);
    ok(rag_txn_begin(store, NULL, &txn, &err), &err);
    ctx.txn = txn;
    assert_int_equal(put(store, &ctx, "b", &err), RAG_E_TRANSACTION);
    assert_string_equal(err.native_state, "40001");
    assert_int_equal(err.retryable, 1);
    ok(put(store, &ctx, "b", &err), &err); /* the slot undid itself alone */
    ok(rag_txn_commit(txn, NULL, NULL, &err), &err);
    assert_int_equal(has(store, NULL, "a") + has(store, NULL, "b"), 2);
    (void)run_sql(other, "DROP FUNCTION refuse CASCADE");
    PQfinish(other);
    rag_store_close(store);
}

static void *merge(void *argument)
{
    const struct worker *w = argument;
    rag_error err = RAG_ERROR_INIT;
    for (int i = 0; i < UPSERTS / 2; i++) {
        char value[60];
        (void)snprintf(value, sizeof value, "{\"w%d_%d\":%d}", w->number, i, i);
        const rag_node node = { rag_text("hub"), rag_text(value) };
        ok(rag_graph_put_nodes(w->store, NULL, &node, 1, RAG_PUT_MERGE, NULL, &err), &err);
    }
    return NULL;
}

/* A snapshot from before the turn came would see too little: the level is ours, not the server's. */
static void the_level_of_isolation_is_ours(void **state)
{
    (void)state;
    rag_error err = RAG_ERROR_INIT;
    rag_store *store =
        open_with("&workspace=level&connection_retries=1&graph=tables"
                  "&server_options=default_transaction_isolation%3Drepeatable%20read");
    struct worker workers[2] = { { store, 0 }, { store, 1 } };
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, merge, &workers[0]), 0);
    (void)merge(&workers[1]);
    assert_int_equal(pthread_join(thread, NULL), 0);
    const rag_slice hub[] = { rag_text("hub") };
    rag_result *rows = NULL;
    ok(rag_graph_get_nodes(store, NULL, hub, 1, RAG_GRAPH_VALUES, &rows, &err), &err);
    size_t members = 0;
    for (const char *p = rag_result_row(rows, 0)->value.data; *p; p++)
        members += *p == ':';
    assert_int_equal(members, UPSERTS);
    rag_result_free(rows);
    rag_store_close(store);
}

/* ---- vectors ---------------------------------------------------------------------------------------- */

enum { DIMENSION = 32, ROWS = 3000, TOP = 20 };

static int has_extensions(void)
{
    PGconn *pg = session();
    const long count =
        run_sql(pg, "SELECT count(*) FROM pg_available_extensions WHERE name IN ('vector', 'age')");
    PQfinish(pg);
    return count == 2;
}

static void define(rag_store *store, unsigned dimension)
{
    rag_error err = RAG_ERROR_INIT;
    rag_vector_space space = RAG_VECTOR_SPACE_INIT;
    space.dimension = dimension;
    ok(rag_vector_define(store, NULL, "entities", &space, &err), &err);
}

static void defer(rag_store *store, const char *id)
{
    rag_error err = RAG_ERROR_INIT;
    const rag_pending_item item = { rag_text(id), rag_text("{}"), rag_text("text"), 0 };
    ok(rag_vector_defer_many(store, NULL, "entities", &item, 1, NULL, &err), &err);
}

static size_t waiting(rag_store *store)
{
    rag_error err = RAG_ERROR_INIT;
    rag_result *rows = NULL;
    ok(rag_vector_pending(store, NULL, "entities", rag_text(""), 0, &rows, &err), &err);
    const size_t count = rag_result_count(rows);
    rag_result_free(rows);
    return count;
}

static void pending_rows_follow_the_session_of_their_owner(void **state)
{
    (void)state;
    PGconn *other = session();
    rag_store *stores[2] = { open_with("&workspace=pending"), open_with("&workspace=pending") };
    define(stores[0], DIMENSION);
    defer(stores[0], "a");
    assert_int_equal(waiting(stores[0]), 1);
    assert_int_equal(waiting(stores[1]), 0);
    end_sessions(other); /* as when the process dies */
    assert_int_equal(waiting(stores[1]), 1);
    assert_int_equal(waiting(stores[0]), 1);
    defer(stores[0], "b"); /* alive after all */
    assert_int_equal(waiting(stores[1]), 0);
    assert_int_equal(waiting(stores[0]), 2);
    rag_store_close(stores[0]);
    assert_int_equal(waiting(stores[1]), 2);
    PQfinish(other);
    rag_store_close(stores[1]);
}

/* Rows around a direction: the first element of each is `side`. */
static void fill(rag_store *store, unsigned dimension, size_t count, float side, unsigned seed)
{
    static float vectors[ROWS][DIMENSION];
    static char ids[ROWS][24];
    static rag_vector_item items[ROWS];
    rag_error err = RAG_ERROR_INIT;
    define(store, dimension);
    for (size_t i = 0; i < count; i++) {
        const size_t at = i % ROWS;
        (void)snprintf(ids[at], sizeof ids[at], "%zu", i);
        for (size_t j = 0; j < dimension; j++)
            vectors[at][j] = (float)(rand_r(&seed) % 1000) / 1000.0f - 0.5f;
        vectors[at][0] = side;
        items[at] =
            (rag_vector_item){ rag_text(ids[at]), vectors[at], dimension, rag_text("{}"), 0 };
        if (at == ROWS - 1 || i == count - 1)
            ok(rag_vector_put_many(store, NULL, "entities", items, at + 1, NULL, &err), &err);
    }
}

static const char IVFFLAT_USED[] =
    "SELECT sum(s.idx_scan) FROM pg_stat_user_indexes s JOIN pg_class c ON c.oid = s.indexrelid"
    " JOIN pg_am a ON a.oid = c.relam WHERE a.amname = 'ivfflat'";

static size_t in_common(const rag_result *a, const rag_result *b)
{
    size_t count = 0;
    for (size_t i = 0; i < rag_result_count(a); i++)
        for (size_t j = 0; j < rag_result_count(b); j++) {
            const rag_slice x = rag_result_row(a, i)->key, y = rag_result_row(b, j)->key;
            count += x.len == y.len && memcmp(x.data, y.data, x.len) == 0;
        }
    return count;
}

/* Searches by index find what comparing with all rows finds. Both workspaces are in one table and one
 * index; the rows of `near` are nearer to the query. */
static void search_beside(rag_store *near, rag_store *far, unsigned dimension)
{
    static const float query[DIMENSION] = { 1 };
    rag_error err = RAG_ERROR_INIT;
    rag_result *found = NULL, *best = NULL;
    rag_vector_query q = RAG_VECTOR_QUERY_INIT;
    ok(rag_store_optimize(far, NULL, &err), &err);
    q.vector = query;
    q.dimension = dimension;
    q.top_k = TOP;
    ok(rag_vector_search(far, NULL, "entities", &q, &found, &err), &err);
    q.exact = 1;
    ok(rag_vector_search(far, NULL, "entities", &q, &best, &err), &err);
    assert_int_equal(rag_result_count(found), TOP);
    assert_int_equal(rag_result_flags(found) & RAG_RESULT_EXHAUSTED, 0);
    assert_in_range(in_common(found, best), TOP - 1, TOP);
    rag_result_free(found);
    rag_result_free(best);
    rag_store_close(near);
    rag_store_close(far);
}

static void an_index_gives_the_rows_of_the_workspace(void **state)
{
    (void)state;
    rag_store *near = open_with("&workspace=near"), *far = open_with("&workspace=far");
    fill(near, DIMENSION, ROWS, 5.0f, 1);
    fill(far, DIMENSION, ROWS, -5.0f, 2);
    search_beside(near, far, DIMENSION);
}

/* A workspace that is too large to be compared row by row, and not most of its table: the index is
 * asked for more rows than are wanted. Here it is IVFFLAT; that it was used is what the server says. */
static void a_large_part_of_a_table_is_searched_by_index(void **state)
{
    (void)state;
    enum { SMALL = 8, LARGE_PART = 20500, OTHER_PART = 3500 };
    static const char OPTIONS[] = "&vector_index_type=IVFFLAT&workspace=";
    char options[80];
    (void)snprintf(options, sizeof options, "%sother", OPTIONS);
    rag_store *near = open_with(options);
    (void)snprintf(options, sizeof options, "%slarge", OPTIONS);
    rag_store *far = open_with(options);
    fill(near, SMALL, OTHER_PART, 5.0f, 3);
    fill(far, SMALL, LARGE_PART, -5.0f, 4);
    search_beside(near, far, SMALL);
    PGconn *pg = session();
    /* sessions say what they used when they end */
    for (int i = 0; i < 500 && !run_sql(pg, IVFFLAT_USED); i++)
        (void)usleep(20000);
    assert_true(run_sql(pg, IVFFLAT_USED) > 0);
    PQfinish(pg);
}

/* ---- the graph in AGE ------------------------------------------------------------------------------- */

#define GRAPH(workspace) workspace "_chunk_entity_relation"

static rag_status put_node(rag_store *store, const char *label, const char *value, rag_error *err)
{
    const rag_node node = { rag_text(label), rag_text(value) };
    return rag_graph_put_nodes(store, NULL, &node, 1, RAG_PUT_MERGE, NULL, err);
}

/* What LightRAG's writers hold: its advisory lock of the graph, or a row of the table. */
static void writers_of_lightrag_are_waited_for(void **state)
{
    (void)state;
    static const char *const held[] = {
        "BEGIN; SELECT pg_advisory_xact_lock_shared(hashtextextended('" GRAPH("locks") "', 0))",
        "BEGIN; UPDATE " GRAPH("locks") ".base SET properties = properties",
    };
    static const char *const news[] = { "b", "c" }; /* which no row of theirs is */
    rag_error err = RAG_ERROR_INIT;
    rag_store *store =
        open_with("&workspace=locks&graph=age&lock_timeout_ms=100&connection_retries=1");
    PGconn *other = session();
    const rag_slice keys[] = { rag_text("a") };
    ok(put_node(store, "a", "{}", &err), &err);
    for (size_t i = 0; i < sizeof held / sizeof *held; i++) {
        rag_result *rows = NULL;
        (void)run_sql(other, held[i]);
        assert_int_equal(put_node(store, news[i], "{}", &err), RAG_E_TIMEOUT);
        ok(rag_graph_get_nodes(store, NULL, keys, 1, 0, &rows, &err), &err); /* readers go on */
        assert_int_equal(rag_result_row(rows, 0)->found, 1);
        rag_result_free(rows);
        (void)run_sql(other, "COMMIT");
        ok(put_node(store, news[i], "{}", &err), &err);
    }
    PQfinish(other);
    rag_store_close(store);
}

static void layouts_of_what_others_deleted_go(void **state)
{
    (void)state;
    static const char count[] = "SELECT count(*) FROM " GRAPH("tidy") ".ragstore_extra";
    rag_error err = RAG_ERROR_INIT;
    rag_store *store = open_with("&workspace=tidy&graph=age");
    PGconn *other = session();
    ok(put_node(store, "stays", "{\"n\": 1.50}", &err), &err);
    ok(put_node(store, "goes", "{\"n\": 1.50}", &err), &err);
    (void)run_sql(
        other, "DELETE FROM " GRAPH(
                   "tidy") ".base WHERE "
                           "ag_catalog.agtype_object_field_text(properties, 'entity_id') = 'goes'");
    assert_int_equal(run_sql(other, count), 2);
    ok(rag_store_optimize(store, NULL, &err), &err);
    assert_int_equal(run_sql(other, count), 1);
    PQfinish(other);
    rag_store_close(store);
}

/* ---- a store that is built aside ------------------------------------------------------------------- */

static rag_store *build(const char *workspace, unsigned flags, rag_status expected, rag_error *err)
{
    char url[600];
    rag_store *store = NULL;
    rag_open_options options = RAG_OPEN_OPTIONS_INIT;
    options.flags = flags;
    (void)snprintf(url, sizeof url, "%s?workspace=%s", server, workspace);
    assert_int_equal(rag_store_open(url, &options, NULL, &store, err), expected);
    return store;
}

static void a_build_appears_when_it_is_published(void **state)
{
    (void)state;
    rag_error err = RAG_ERROR_INIT;
    rag_txn *txn = NULL;
    rag_store *reader = open_with("&workspace=built");
    rag_store *store = build("built", RAG_OPEN_BUILD, RAG_OK, &err);
    ok(put(store, NULL, "a", &err), &err);
    ok(rag_flush(store, NULL, 0, &err), &err);
    assert_int_equal(has(store, NULL, "a"), 1);
    assert_int_equal(has(reader, NULL, "a"), 0);
    assert_int_equal(rag_txn_begin(store, NULL, &txn, &err), RAG_E_UNSUPPORTED);
    ok(rag_store_publish(store, NULL, &err), &err);
    assert_int_equal(has(reader, NULL, "a"), 1);
    ok(put(reader, NULL, "b", &err), &err);           /* the turn is free again, */
    ok(rag_txn_begin(store, NULL, &txn, &err), &err); /* and the handle is like any other */
    rag_txn_abort(txn);
    assert_int_equal(rag_store_publish(store, NULL, &err), RAG_E_INVALID);
    assert_null(build("built", RAG_OPEN_BUILD, RAG_E_CONFLICT, &err));
    rag_store_close(store);
    rag_store_close(reader);
}

static void a_build_that_is_not_published_leaves_the_old(void **state)
{
    (void)state;
    rag_error err = RAG_ERROR_INIT;
    rag_store *reader = open_with("&workspace=replaced");
    ok(put(reader, NULL, "old", &err), &err);
    rag_store *store = build("replaced", RAG_OPEN_BUILD | RAG_OPEN_REPLACE, RAG_OK, &err);
    assert_int_equal(has(store, NULL, "old"), 0);
    assert_int_equal(has(reader, NULL, "old"), 1);
    ok(put(store, NULL, "new", &err), &err);
    rag_store_close(store);
    assert_int_equal(has(reader, NULL, "old"), 1);
    assert_int_equal(has(reader, NULL, "new"), 0);
    rag_store_close(reader);
}

static void a_build_without_its_connection_is_nothing(void **state)
{
    (void)state;
    rag_error err = RAG_ERROR_INIT;
    rag_store *store = build("cut", RAG_OPEN_BUILD, RAG_OK, &err);
    PGconn *other = session();
    ok(put(store, NULL, "a", &err), &err);
    end_sessions(other);
    assert_int_not_equal(put(store, NULL, "b", &err), RAG_OK);
    assert_int_not_equal(put(store, NULL, "c", &err), RAG_OK); /* never outside of it */
    assert_int_not_equal(rag_store_publish(store, NULL, &err), RAG_OK);
    rag_store_close(store);
    store = build("cut", RAG_OPEN_BUILD, RAG_OK, &err);
    assert_int_equal(has(store, NULL, "a"), 0);
    rag_store_close(store);
    PQfinish(other);
}

struct builder {
    rag_store *store;
    int number;
    rag_status status;
};

static void *put_many(void *user)
{
    struct builder *b = user;
    for (int i = 0; i < 50 && b->status == RAG_OK; i++) {
        char key[24];
        (void)snprintf(key, sizeof key, "%d-%d", b->number, i);
        b->status = put(b->store, NULL, key, NULL);
    }
    return NULL;
}

static void threads_build_one_store(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    struct builder builders[THREADS];
    rag_error err = RAG_ERROR_INIT;
    uint64_t count = 0;
    rag_store *store = build("threads", RAG_OPEN_BUILD, RAG_OK, &err);
    for (int i = 0; i < THREADS; i++) {
        builders[i] = (struct builder){ store, i, RAG_OK };
        assert_int_equal(pthread_create(&threads[i], NULL, put_many, &builders[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        (void)pthread_join(threads[i], NULL);
        assert_int_equal(builders[i].status, RAG_OK);
    }
    ok(rag_store_publish(store, NULL, &err), &err);
    ok(rag_kv_count(store, NULL, "n", &count, &err), &err);
    assert_int_equal(count, THREADS * 50);
    rag_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_connection_is_replaced),
        cmocka_unit_test(a_transaction_does_not_outlive_its_connection),
        cmocka_unit_test(what_cannot_be_reached_is_said),
        cmocka_unit_test(a_deadline_cancels_the_statement),
        cmocka_unit_test(a_cancel_flag_ends_a_statement),
        cmocka_unit_test(the_turn_and_the_pool_have_their_limits),
        cmocka_unit_test(a_server_that_only_reads_denies),
        cmocka_unit_test(a_transaction_is_one_over_all_stores),
        cmocka_unit_test(a_durable_write_vouches_for_no_later_one),
        cmocka_unit_test(a_slot_that_is_cancelled_undoes_itself_alone),
        cmocka_unit_test(five_workers_of_two_handles_lose_nothing),
        cmocka_unit_test(a_build_appears_when_it_is_published),
        cmocka_unit_test(a_build_that_is_not_published_leaves_the_old),
        cmocka_unit_test(a_build_without_its_connection_is_nothing),
        cmocka_unit_test(threads_build_one_store),
        cmocka_unit_test(a_deadlock_is_tried_again_or_said),
        cmocka_unit_test(a_serialization_failure_is_tried_again_or_said),
        cmocka_unit_test(the_level_of_isolation_is_ours),
    };
    const struct CMUnitTest of_vectors[] = {
        cmocka_unit_test(pending_rows_follow_the_session_of_their_owner),
        cmocka_unit_test(an_index_gives_the_rows_of_the_workspace),
        cmocka_unit_test(a_large_part_of_a_table_is_searched_by_index),
    };
    const struct CMUnitTest of_age[] = {
        cmocka_unit_test(writers_of_lightrag_are_waited_for),
        cmocka_unit_test(layouts_of_what_others_deleted_go),
    };
    if (!postgres_url("faults", server, sizeof server))
        return 1;
    const int failed = cmocka_run_group_tests(tests, drop_database, NULL);
    if (has_extensions())
        return failed + cmocka_run_group_tests(of_vectors, NULL, NULL) +
               cmocka_run_group_tests(of_age, NULL, NULL);
    print_message("not run: the cases of vectors and AGE; this server has no extensions\n");
    return failed;
}
