/* store: a handle, the registry and the list of transactions used from many threads at once. Run
 * under the thread sanitizer. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <ragstore/ragstore.h>

enum { THREADS = 6, ROUNDS = 40 };

static rag_store *shared;

/* No cmocka inside of threads: the first error is handed back. */
static void *work(void *user)
{
    rag_error *err = user;
    rag_store *own = NULL;
    rag_result *r = NULL;
    rag_open_options options = RAG_OPEN_OPTIONS_INIT;
    options.config_file = "";
    for (int i = 0; i < ROUNDS && err->status == RAG_OK; i++) {
        char text[40];
        (void)snprintf(text, sizeof text, "%p-%d", user, i);
        const rag_kv_item item = { rag_text(text), rag_text("{}"), 0, 0 };
        rag_txn *txn = NULL;
        rag_context ctx = RAG_CONTEXT_INIT;
        if (rag_txn_begin(shared, NULL, &txn, err) != RAG_OK)
            break;
        ctx.txn = txn;
        if (rag_kv_put_many(shared, &ctx, "n", &item, 1, NULL, err) != RAG_OK)
            break;
        if (i % 4 == 3)
            rag_txn_abort(txn);
        else if (rag_txn_commit(txn, NULL, NULL, err) != RAG_OK)
            break;
        if (rag_store_namespaces(shared, NULL, &r, err) != RAG_OK)
            break;
        rag_result_free(r);
        if (rag_store_open("memory:", &options, NULL, &own, err) != RAG_OK)
            break;
        if (rag_backends(&r, err) == RAG_OK)
            rag_result_free(r);
        rag_store_close(own);
    }
    return NULL;
}

static void handles_are_for_many_threads(void **state)
{
    (void)state;
    rag_error errors[THREADS] = { RAG_ERROR_INIT }, err = RAG_ERROR_INIT;
    pthread_t threads[THREADS];
    uint64_t count = 0;
    rag_open_options options = RAG_OPEN_OPTIONS_INIT;
    options.config_file = "";
    assert_int_equal(rag_store_open("memory:", &options, NULL, &shared, &err), RAG_OK);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, &errors[i]), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < THREADS; i++)
        assert_string_equal(errors[i].message, "");
    assert_int_equal(rag_kv_count(shared, NULL, "n", &count, &err), RAG_OK);
    assert_int_equal(count, THREADS * ROUNDS * 3 / 4);
    rag_store_close(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(handles_are_for_many_threads) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
