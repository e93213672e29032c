/* Connections that are lost or refused, deadlines, cancelling, and the limits of the pool: on a real server, with a second
 * session of libpq that ends sessions and holds locks. */
#include "postgres_support.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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
    const char *at = strchr(server_url(), '@');
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
    };
    return cmocka_run_group_tests(tests, use_new_database, NULL);
}
