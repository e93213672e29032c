/* What is promised of transactions over several stores, of durable writes and of many writers at once: on a real server,
 * with others that hold locks, lengthen the log, and do not take turns. */
#include "postgres_support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

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

struct noise {
    PGconn *pg;
    atomic_int stop;
    int failed;
};

/* Lengthens the log all the time, without waiting for the disk. */
static void *write_log(void *argument)
{
    struct noise *n = argument;
    while (!atomic_load(&n->stop) && !n->failed) {
        PGresult *result = PQexec(n->pg, "SELECT pg_logical_emit_message(false, 'noise', 'x')");
        n->failed = PQresultStatus(result) != PGRES_TUPLES_OK;
        PQclear(result);
    }
    return NULL;
}

/* Between a durable commit and the question where the log is now others write: what they wrote, perhaps
 * through the same handle, is not on disk for that. */
static void a_durable_write_vouches_for_no_later_one(void **state)
{
    (void)state;
    enum { WRITES = 200 };
    rag_error err = RAG_ERROR_INIT;
    struct noise noise = { .pg = session() };
    pthread_t thread;
    rag_store *store = open_with("&workspace=vouch");
    PGconn *pg = session();
    (void)run_sql(noise.pg, "SET synchronous_commit = off");
    assert_int_equal(pthread_create(&thread, NULL, write_log, &noise), 0);
    int wrong = 0;
    for (int i = 0; i < WRITES; i++) {
        const rag_doc doc = { rag_text("d"), rag_text("{\"status\":\"pending\"}") };
        rag_token token = 0;
        ok(rag_docstatus_put_many(store, NULL, &doc, 1, &token, &err), &err);
        ok(rag_flush(store, NULL, token, &err), &err);
        wrong += !is_on_disk(pg, token);
    }
    atomic_store(&noise.stop, 1);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(noise.failed, 0);
    assert_int_equal(wrong, 0);
    PQfinish(noise.pg);
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

/* A thread that writes until a call fails. */
struct worker {
    rag_store *store;
    int number;
    rag_status status;
    rag_error err;
};

static rag_status merge_node(struct worker *w, const rag_node *node)
{
    return rag_graph_put_nodes(w->store, NULL, node, 1, RAG_PUT_MERGE, NULL, &w->err);
}

/* How many members the node has that all workers merge into. */
static size_t members_of_hub(rag_store *store)
{
    const rag_slice hub[] = { rag_text("hub") };
    rag_error err = RAG_ERROR_INIT;
    rag_result *rows = NULL;
    ok(rag_graph_get_nodes(store, NULL, hub, 1, RAG_GRAPH_VALUES, &rows, &err), &err);
    size_t members = 0;
    for (const char *p = rag_result_row(rows, 0)->value.data; *p; p++)
        members += *p == ':';
    rag_result_free(rows);
    return members;
}

static void *upsert(void *argument)
{
    struct worker *w = argument;
    for (int i = 0; i < UPSERTS && w->status == RAG_OK; i++) {
        char key[40], value[60];
        (void)snprintf(key, sizeof key, "%d-%d", w->number, i);
        (void)snprintf(value, sizeof value, "{\"w%d_%d\":%d}", w->number, i, i);
        const rag_node node = { rag_text("hub"), rag_text(value) };
        w->status = put(w->store, NULL, key, &w->err);
        if (w->status == RAG_OK && i % 10 == 0) /* merges into one row: none is lost */
            w->status = merge_node(w, &node);
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
        workers[i] = (struct worker){ .store = stores[i % 2], .number = i };
        assert_int_equal(pthread_create(&threads[i], NULL, upsert, &workers[i]), 0);
    }
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < WORKERS; i++)
        ok(workers[i].status, &workers[i].err);
    uint64_t count = 0;
    ok(rag_kv_count(stores[0], NULL, "n", &count, &err), &err);
    assert_int_equal(count, WORKERS * UPSERTS);
    assert_int_equal(members_of_hub(stores[1]), WORKERS * UPSERTS / 10);
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
    struct worker *w = argument;
    for (int i = 0; i < UPSERTS / 2 && w->status == RAG_OK; i++) {
        char value[60];
        (void)snprintf(value, sizeof value, "{\"w%d_%d\":%d}", w->number, i, i);
        const rag_node node = { rag_text("hub"), rag_text(value) };
        w->status = merge_node(w, &node);
    }
    return NULL;
}

/* A snapshot from before the turn came would see too little: the level is ours, not the server's. */
static void the_level_of_isolation_is_ours(void **state)
{
    (void)state;
    rag_store *store =
        open_with("&workspace=level&connection_retries=1&graph=tables"
                  "&server_options=default_transaction_isolation%3Drepeatable%20read");
    struct worker workers[2] = { { .store = store, .number = 0 }, { .store = store, .number = 1 } };
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, merge, &workers[0]), 0);
    (void)merge(&workers[1]);
    assert_int_equal(pthread_join(thread, NULL), 0);
    for (int i = 0; i < 2; i++)
        ok(workers[i].status, &workers[i].err);
    assert_int_equal(members_of_hub(store), UPSERTS);
    rag_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_transaction_is_one_over_all_stores),
        cmocka_unit_test(a_durable_write_vouches_for_no_later_one),
        cmocka_unit_test(a_slot_that_is_cancelled_undoes_itself_alone),
        cmocka_unit_test(five_workers_of_two_handles_lose_nothing),
        cmocka_unit_test(a_deadlock_is_tried_again_or_said),
        cmocka_unit_test(a_serialization_failure_is_tried_again_or_said),
        cmocka_unit_test(the_level_of_isolation_is_ours),
    };
    return cmocka_run_group_tests(tests, use_new_database, NULL);
}
