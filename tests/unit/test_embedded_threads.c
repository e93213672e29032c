/* One handle (and two) under many threads: writers, readers, flushers and transactions at once. Run
 * under the thread sanitizer too. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/result.h"
#include "unit/embedded_fixture.h"

enum { EACH = 60 };

struct worker {
    void *self;
    int number;
    int failures;
    rag_error first;
};

static void note(struct worker *w, rag_status status, const rag_error *err)
{
    if (status != RAG_OK && w->failures++ == 0)
        w->first = *err;
}

static void *write_values(void *argument)
{
    struct worker *w = argument;
    rag_call call = embedded_call(w->self, NULL);
    for (int i = 0; i < EACH; i++) {
        char key[32];
        rag_error err = RAG_ERROR_INIT;
        (void)snprintf(key, sizeof key, "w%d-%d", w->number, i);
        note(w, embedded_put(&call, key, "x", NULL, &err), &err);
        if (i % 16 == 0)
            note(w, embedded_backend.flush(&call, 0, &err), &err);
    }
    return NULL;
}

/* Two keys in one transaction: nobody may see one without the other. */
static void *write_pairs(void *argument)
{
    struct worker *w = argument;
    rag_call outside = embedded_call(w->self, NULL);
    for (int i = 0; i < EACH; i++) {
        rag_error err = RAG_ERROR_INIT;
        rag_token token;
        void *txn = NULL;
        char text[32];
        (void)snprintf(text, sizeof text, "%d-%d", w->number, i);
        note(w, embedded_backend.begin(&outside, &txn, &err), &err);
        if (!txn)
            continue;
        rag_call inside = embedded_call(w->self, txn);
        note(w, embedded_put(&inside, "left", text, NULL, &err), &err);
        note(w, embedded_put(&inside, "right", text, NULL, &err), &err);
        if (i % 3 == 2)
            embedded_backend.abort(&inside);
        else
            note(w, embedded_backend.commit(&inside, &token, &err), &err);
    }
    return NULL;
}

static void *read_pairs(void *argument)
{
    struct worker *w = argument;
    rag_call call = embedded_call(w->self, NULL);
    const rag_slice keys[] = { rag_text("left"), rag_text("right") };
    for (int i = 0; i < EACH * 3; i++) {
        rag_error err = RAG_ERROR_INIT;
        rag_result *result = rag_result_new(&err);
        note(w, embedded_backend.kv->get_many(&call, "n", keys, 2, result, &err), &err);
        const rag_row *left = rag_result_row(result, 0), *right = rag_result_row(result, 1);
        if (left && right &&
            (left->found != right->found || left->value.len != right->value.len ||
             (left->found && memcmp(left->value.data, right->value.data, left->value.len) != 0))) {
            (void)snprintf(err.message, sizeof err.message, "half of a transaction was seen");
            note(w, RAG_E_CORRUPT, &err);
        }
        rag_result_free(result);
    }
    return NULL;
}

static void run_on(void **handles, int handle_count)
{
    enum { THREADS = 9 };
    static void *(*const work[])(void *) = { write_values, write_pairs, read_pairs };
    pthread_t threads[THREADS];
    struct worker workers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){ .self = handles[i % handle_count], .number = i };
        assert_int_equal(pthread_create(&threads[i], NULL, work[i % 3], &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        if (workers[i].failures)
            fail_msg("thread %d: %d failures, first: %s", i, workers[i].failures,
                     workers[i].first.message);
    }
    rag_call call = embedded_call(handles[0], NULL);
    assert_int_equal(embedded_count(&call), 3 * EACH + 2);
}

static void threads_of_one_handle(void **state)
{
    (void)state;
    void *self = embedded_must_open("threads", 0);
    run_on(&self, 1);
    embedded_shut(self);
}

static void threads_of_two_handles(void **state)
{
    (void)state;
    void *handles[] = { embedded_must_open("handles", 0), embedded_must_open("handles", 0) };
    run_on(handles, 2);
    embedded_shut(handles[0]);
    embedded_shut(handles[1]);
}

/* More readers at once than the pool keeps or allows: all get their turn. */
static void *hold_and_read(void *argument)
{
    struct worker *w = argument;
    rag_call call = embedded_call(w->self, NULL);
    for (int i = 0; i < 5; i++)
        if (embedded_has(&call, "a", "1") != 1)
            w->failures++;
    return NULL;
}

static void more_readers_than_connections(void **state)
{
    (void)state;
    enum { THREADS = 100 };
    static pthread_t threads[THREADS];
    static struct worker workers[THREADS];
    void *self = embedded_must_open("crowd", 0);
    rag_call call = embedded_call(self, NULL);
    embedded_must_put(&call, "a", "1");
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){ .self = self, .number = i };
        assert_int_equal(pthread_create(&threads[i], NULL, hold_and_read, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(workers[i].failures, 0);
    }
    embedded_shut(self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_of_one_handle),
        cmocka_unit_test(threads_of_two_handles),
        cmocka_unit_test(more_readers_than_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
