/* A store that is built aside (RAG_OPEN_BUILD) on a real server: one transaction, which others see when it is published
 * and of which nothing is left when it is not. */
#include "postgres_support.h"

#include <pthread.h>
#include <stdio.h>

static rag_store *build(const char *workspace, unsigned flags, rag_status expected, rag_error *err)
{
    char url[600];
    rag_store *store = NULL;
    rag_open_options options = RAG_OPEN_OPTIONS_INIT;
    options.flags = flags;
    (void)snprintf(url, sizeof url, "%s?workspace=%s", server_url(), workspace);
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
        cmocka_unit_test(a_build_appears_when_it_is_published),
        cmocka_unit_test(a_build_that_is_not_published_leaves_the_old),
        cmocka_unit_test(a_build_without_its_connection_is_nothing),
        cmocka_unit_test(threads_build_one_store),
    };
    return cmocka_run_group_tests(tests, use_new_database, NULL);
}
