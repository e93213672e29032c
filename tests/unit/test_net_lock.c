/* The lock that is held while a server works: one holder, deadlines, cancel flags. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "net/deadline.h"
#include "net/lock.h"
#include "store/dispatch.h"

enum { THREADS = 4, TURNS = 2000, NS_PER_MS = 1000000 };

static const rag_context none = RAG_CONTEXT_INIT;

struct shared {
    struct net_lock lock;
    int count; /* under the lock, and nothing else */
    int cancel;
    atomic_int failures;
};

static void *count_up(void *user)
{
    struct shared *s = user;
    for (int i = 0; i < TURNS; i++) {
        if (net_lock_take(&store_host, &none, &s->lock, NULL) != RAG_OK) {
            s->failures++;
            break;
        }
        s->count++;
        net_lock_give(&s->lock);
    }
    return NULL;
}

static void test_one_at_a_time(void **state)
{
    struct shared s = { .count = 0 };
    pthread_t threads[THREADS];
    (void)state;
    assert_int_equal(net_lock_init(&store_host, &s.lock, NULL), RAG_OK);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, &s), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(s.failures, 0);
    assert_int_equal(s.count, THREADS * TURNS);
    net_lock_destroy(&s.lock);
}

static void test_waiting_ends_with_the_call(void **state)
{
    struct shared s = { .count = 0 };
    rag_error err = RAG_ERROR_INIT;
    rag_context ctx = RAG_CONTEXT_INIT;
    (void)state;
    assert_int_equal(net_lock_init(&store_host, &s.lock, NULL), RAG_OK);
    assert_int_equal(net_lock_take(&store_host, &none, &s.lock, NULL), RAG_OK);
    ctx.deadline_ns = net_now_ns() + 30 * NS_PER_MS;
    assert_int_equal(net_lock_take(&store_host, &ctx, &s.lock, &err), RAG_E_TIMEOUT);
    assert_true(net_now_ns() >= ctx.deadline_ns);
    assert_int_equal(err.status, RAG_E_TIMEOUT);
    net_lock_give(&s.lock); /* it is free, whoever gave up */
    assert_int_equal(net_lock_take(&store_host, &none, &s.lock, NULL), RAG_OK);
    net_lock_give(&s.lock);
    net_lock_destroy(&s.lock);
}

static void *cancel_soon(void *user)
{
    struct shared *s = user;
    const struct timespec soon = { 0, 20 * NS_PER_MS };
    (void)nanosleep(&soon, NULL);
    rag_cancel(&s->cancel);
    return NULL;
}

static void test_waiting_ends_with_the_cancel_flag(void **state)
{
    struct shared s = { .count = 0 };
    rag_context ctx = RAG_CONTEXT_INIT;
    pthread_t thread;
    (void)state;
    ctx.cancel = &s.cancel;
    assert_int_equal(net_lock_init(&store_host, &s.lock, NULL), RAG_OK);
    assert_int_equal(net_lock_take(&store_host, &none, &s.lock, NULL), RAG_OK);
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &s), 0);
    assert_int_equal(net_lock_take(&store_host, &ctx, &s.lock, NULL), RAG_E_CANCELLED);
    assert_int_equal(pthread_join(thread, NULL), 0);
    net_lock_give(&s.lock);
    net_lock_destroy(&s.lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_at_a_time),
        cmocka_unit_test(test_waiting_ends_with_the_call),
        cmocka_unit_test(test_waiting_ends_with_the_cancel_flag),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
