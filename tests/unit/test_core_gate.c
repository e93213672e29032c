/* The writer's turn: exclusion and order in a process, exclusion between gates on one file, ends by
 * deadline and cancel flag. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/gate.h"

static const rag_context none = RAG_CONTEXT_INIT;

static struct gate *new_gate(const char *path)
{
    rag_error err = RAG_ERROR_INIT;
    struct gate *gate = gate_new();
    assert_non_null(gate);
    if (path && gate_attach(gate, path, &err) != RAG_OK)
        fail_msg("%s", err.message);
    return gate;
}

static void acquire(struct gate *gate)
{
    rag_error err = RAG_ERROR_INIT;
    if (gate_acquire(gate, &none, rag_deadline_in_ms(20000), &err) != RAG_OK)
        fail_msg("%s", err.message);
}

/* ---- exclusion ---------------------------------------------------------------------------------- */

struct counting {
    struct gate *gate;
    long *shared; /* without protection of its own: the gate is what protects it */
    atomic_int *inside;
    int most;
};

static void *count_in_turn(void *argument)
{
    struct counting *c = argument;
    for (int i = 0; i < 500; i++) {
        acquire(c->gate);
        const int inside = atomic_fetch_add(c->inside, 1) + 1;
        c->most = inside > c->most ? inside : c->most;
        (*c->shared)++;
        (void)atomic_fetch_sub(c->inside, 1);
        gate_release(c->gate);
    }
    return NULL;
}

static void count_with(struct gate **gates, size_t gate_count)
{
    enum { THREADS = 6 };
    pthread_t threads[THREADS];
    struct counting c[THREADS];
    long shared = 0;
    atomic_int inside = 0;
    for (size_t i = 0; i < THREADS; i++) {
        c[i] = (struct counting){ gates[i % gate_count], &shared, &inside, 0 };
        assert_int_equal(pthread_create(&threads[i], NULL, count_in_turn, &c[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(c[i].most, 1);
    }
    assert_int_equal(shared, THREADS * 500);
}

static void threads_exclude_each_other(void **state)
{
    (void)state;
    struct gate *local = new_gate(NULL), *shared = new_gate("one.lock");
    count_with(&local, 1);
    count_with(&shared, 1);
    gate_free(local);
    gate_free(shared);
}

static void gates_on_one_file_exclude_each_other(void **state)
{
    (void)state;
    struct gate *gates[3];
    for (int i = 0; i < 3; i++)
        gates[i] = new_gate("three.lock");
    count_with(gates, 3);
    for (int i = 0; i < 3; i++)
        gate_free(gates[i]);
}

/* ---- order ---------------------------------------------------------------------------------------- */

struct arrival {
    struct gate *gate;
    int number;
    int *order, *next;
};

static void *note_order(void *argument)
{
    struct arrival *a = argument;
    acquire(a->gate);
    a->order[(*a->next)++] = a->number;
    gate_release(a->gate);
    return NULL;
}

static void sleep_ms(long ms)
{
    const struct timespec t = { .tv_nsec = ms * 1000000 };
    (void)nanosleep(&t, NULL);
}

/* Each arrives when the one before it stands in the queue, so their order is known. */
static void first_come_first_served(void **state)
{
    (void)state;
    enum { WAITERS = 5 };
    struct gate *gate = new_gate("order.lock");
    int order[WAITERS], next = 0;
    struct arrival a[WAITERS];
    pthread_t threads[WAITERS];
    acquire(gate);
    for (int i = 0; i < WAITERS; i++) {
        a[i] = (struct arrival){ gate, i, order, &next };
        assert_int_equal(pthread_create(&threads[i], NULL, note_order, &a[i]), 0);
        while (gate_waiting(gate) != (size_t)i + 1)
            sleep_ms(1);
    }
    gate_release(gate);
    for (int i = 0; i < WAITERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < WAITERS; i++)
        assert_int_equal(order[i], i);
    gate_free(gate);
}

/* ---- ends ------------------------------------------------------------------------------------------- */

static void waits_end_with_the_deadline(void **state)
{
    (void)state;
    struct gate *holder = new_gate("late.lock"), *other = new_gate("late.lock");
    acquire(holder);
    rag_error err = RAG_ERROR_INIT;
    assert_int_equal(gate_acquire(holder, &none, rag_deadline_in_ms(20), &err), RAG_E_TIMEOUT);
    assert_non_null(strstr(err.message, "late.lock"));
    assert_non_null(strstr(err.message, "another writer of this process"));
    assert_int_equal(gate_acquire(other, &none, rag_deadline_in_ms(20), &err), RAG_E_TIMEOUT);
    assert_int_equal(err.retryable, 1);
    gate_release(holder);
    acquire(other); /* the waits that ended hold nothing */
    gate_release(other);
    acquire(holder);
    gate_release(holder);
    gate_free(other);
    gate_free(holder);
}

static void *cancel_soon(void *argument)
{
    sleep_ms(20);
    rag_cancel(argument);
    return NULL;
}

static void waits_end_with_the_cancel_flag(void **state)
{
    (void)state;
    struct gate *gate = new_gate("cancel.lock");
    acquire(gate);
    int cancel = 0;
    rag_context ctx = RAG_CONTEXT_INIT;
    ctx.cancel = &cancel;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &cancel), 0);
    rag_error err = RAG_ERROR_INIT;
    assert_int_equal(gate_acquire(gate, &ctx, rag_deadline_in_ms(20000), &err), RAG_E_CANCELLED);
    assert_int_equal(pthread_join(thread, NULL), 0);
    gate_release(gate);
    acquire(gate);
    gate_release(gate);
    gate_free(gate);
}

static void names_the_process_that_holds_it(void **state)
{
    (void)state;
    struct gate *gate = new_gate("who.lock");
    acquire(gate);
    char text[32] = { 0 };
    FILE *f = fopen("who.lock", "r");
    assert_non_null(f);
    assert_true(fread(text, 1, sizeof text - 1, f) > 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(strtol(text, NULL, 10), getpid());
    gate_release(gate);
    gate_free(gate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_exclude_each_other),
        cmocka_unit_test(gates_on_one_file_exclude_each_other),
        cmocka_unit_test(first_come_first_served),
        cmocka_unit_test(waits_end_with_the_deadline),
        cmocka_unit_test(waits_end_with_the_cancel_flag),
        cmocka_unit_test(names_the_process_that_holds_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
