/* Shared namespaces: who initialises, what the others see, versions, and how they end. Processes
 * that die are in tests/process/test_shared.py; here, members are handles. A thread never fails the
 * case itself: it leaves what it saw for the case. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "conformance.h"

#define NAME "pipeline_status"

static int join(struct env *e, rag_store *store)
{
    int initialise = -1;
    OK(rag_shared_join(store, NULL, NAME, &initialise, &e->err));
    return initialise;
}

static void join_and_be_ready(struct env *e)
{
    CHECK(join(e, e->store) == 1, "the first to join is not told to initialise");
    OK(rag_shared_ready(e->store, NULL, NAME, &e->err));
}

static rag_status change(rag_store *store, const char *key, const char *value, int merge,
                         int64_t expected, rag_error *err)
{
    const rag_shared_change one = { T(key), T(value), merge, expected };
    return rag_shared_update(store, NULL, NAME, &one, 1, err);
}

static const rag_row *get(struct env *e, rag_store *store, const char *key)
{
    const rag_slice keys[] = { T(key) };
    rag_result *rows = NULL;
    OK(rag_shared_get(store, NULL, NAME, keys, 1, &rows, &e->err));
    return row_of(keep(e, rows), 0);
}

static rag_result *all(struct env *e, rag_store *store)
{
    rag_result *rows = NULL;
    OK(rag_shared_all(store, NULL, NAME, &rows, &e->err));
    return keep(e, rows);
}

/* ---- joining ---------------------------------------------------------------------------------------- */

static void shared_the_first_initialises(struct env *e)
{
    CHECK(join(e, e->store) == 1, "the first to join is not told to initialise");
    OK(change(e->store, "busy", "{\"on\":false}", 0, 0, &e->err));
    OK(rag_shared_ready(e->store, NULL, NAME, &e->err));
    CHECK(join(e, e->store) == 0, "joining again initialises again");
    row_is(get(e, e->store, "busy"), "{\"on\":false}");
    OK(rag_shared_ready(e->store, NULL, NAME,
                        &e->err)); /* said twice: an answer may have been lost */
}

static void shared_joining_again_waits_until_ready(struct env *e)
{
    rag_context soon = RAG_CONTEXT_INIT;
    int initialise = -1;
    CHECK(join(e, e->store) == 1, "the first to join is not told to initialise");
    soon.deadline_ns = rag_deadline_in_ms(30);
    REFUSED(RAG_E_TIMEOUT, rag_shared_join(e->store, &soon, NAME, &initialise, &e->err));
    expect_message(e, NAME);
    CHECK(initialise == -1 && e->err.retryable, "initialise %d, retryable %d", initialise,
          e->err.retryable);
    int stop = 1;
    rag_context stopped = RAG_CONTEXT_INIT;
    stopped.cancel = &stop;
    REFUSED(RAG_E_CANCELLED, rag_shared_join(e->store, &stopped, NAME, &initialise, &e->err));
}

enum { JOINERS = 8 };

struct joiner {
    rag_store *store;
    pthread_t thread;
    pthread_barrier_t *start;
    int initialise, saw_value;
    char message[600];
};

/* Whoever is told waits a moment before it is ready; the others must find what it put. */
static void *join_at_once(void *argument)
{
    struct joiner *j = argument;
    rag_error err = RAG_ERROR_INIT;
    const rag_slice keys[] = { T("made") };
    rag_result *rows = NULL;
    (void)pthread_barrier_wait(j->start);
    rag_status status = rag_shared_join(j->store, NULL, NAME, &j->initialise, &err);
    if (status == RAG_OK && j->initialise) {
        status = change(j->store, "made", "{\"by\":1}", 0, 0, &err);
        if (status == RAG_OK)
            status = rag_shared_ready(j->store, NULL, NAME, &err);
    }
    if (status == RAG_OK)
        status = rag_shared_get(j->store, NULL, NAME, keys, 1, &rows, &err);
    if (status == RAG_OK)
        j->saw_value = rag_result_row(rows, 0)->found;
    else
        (void)snprintf(j->message, sizeof j->message, "%s", err.message);
    rag_result_free(rows);
    return NULL;
}

static void run_joiners(struct joiner *joiners)
{
    pthread_barrier_t start;
    CHECK(pthread_barrier_init(&start, NULL, JOINERS) == 0, "no barrier");
    for (int i = 0; i < JOINERS; i++) {
        joiners[i].start = &start;
        CHECK(pthread_create(&joiners[i].thread, NULL, join_at_once, &joiners[i]) == 0,
              "no thread");
    }
    int told = 0;
    for (int i = 0; i < JOINERS; i++)
        (void)pthread_join(joiners[i].thread, NULL);
    (void)pthread_barrier_destroy(&start);
    for (int i = 0; i < JOINERS; i++) {
        CHECK(!joiners[i].message[0], "thread %d: %s", i, joiners[i].message);
        CHECK(joiners[i].saw_value, "thread %d joined before it was initialised", i);
        told += joiners[i].initialise;
    }
    CHECK(told == 1, "%d were told to initialise", told);
}

static void shared_one_thread_initialises(struct env *e)
{
    struct joiner joiners[JOINERS] = { { 0 } };
    for (int i = 0; i < JOINERS; i++)
        joiners[i].store = e->store;
    run_joiners(joiners);
}

static void shared_one_handle_initialises(struct env *e)
{
    struct joiner joiners[JOINERS] = { { 0 } };
    for (int i = 0; i < JOINERS; i++)
        joiners[i].store = open_again(e, NULL);
    run_joiners(joiners);
    for (int i = 0; i < JOINERS; i++)
        rag_store_close(joiners[i].store);
    CHECK(join(e, e->store) == 1, "all have closed, and the next one does not begin anew");
    count_is(all(e, e->store), 0);
}

static void shared_ready_by_a_stranger(struct env *e)
{
    REFUSED(RAG_E_CONFLICT, rag_shared_ready(e->store, NULL, NAME, &e->err));
    expect_message(e, NAME);
}

static void shared_ready_by_another_handle(struct env *e)
{
    rag_store *other = open_again(e, NULL);
    join_and_be_ready(e);
    CHECK(join(e, other) == 0, "a second handle is told to initialise");
    REFUSED(RAG_E_CONFLICT, rag_shared_ready(other, NULL, NAME, &e->err));
    rag_store_close(other);
}

static void shared_an_initialiser_that_leaves_is_replaced(struct env *e)
{
    rag_store *other = open_again(e, NULL);
    CHECK(join(e, e->store) == 1, "the first to join is not told to initialise");
    OK(change(e->store, "half", "{}", 0, 0, &e->err));
    rag_store_close(e->store); /* before it was ready */
    e->store = other;
    CHECK(join(e, other) == 1, "nobody initialises");
    count_is(all(e, other), 0);
}

/* ---- leaving ----------------------------------------------------------------------------------------- */

static void shared_the_last_one_out_empties_it(struct env *e)
{
    join_and_be_ready(e);
    OK(change(e->store, "a", "{}", 0, -1, &e->err));
    OK(rag_shared_leave(e->store, NULL, NAME, &e->err));
    OK(rag_shared_leave(e->store, NULL, NAME, &e->err)); /* not joined: nothing to leave */
    CHECK(join(e, e->store) == 1, "an empty namespace is not initialised again");
    count_is(all(e, e->store), 0);
}

static void shared_it_lasts_while_one_is_there(struct env *e)
{
    rag_store *other = open_again(e, NULL);
    join_and_be_ready(e);
    OK(change(e->store, "a", "{\"n\":1}", 0, 0, &e->err));
    CHECK(join(e, other) == 0, "a second handle is told to initialise");
    OK(rag_shared_leave(e->store, NULL, NAME, &e->err));
    row_is(get(e, other, "a"), "{\"n\":1}");
    CHECK(join(e, e->store) == 0, "it began anew while one was there");
    rag_store_close(other);
    row_is(get(e, e->store, "a"), "{\"n\":1}");
}

static void shared_not_joined(struct env *e)
{
    const rag_slice keys[] = { T("a") };
    rag_result *rows = NULL;
    REFUSED(RAG_E_NOT_FOUND, rag_shared_get(e->store, NULL, NAME, keys, 1, &rows, &e->err));
    expect_message(e, NAME);
    REFUSED(RAG_E_NOT_FOUND, rag_shared_all(e->store, NULL, NAME, &rows, &e->err));
    REFUSED(RAG_E_NOT_FOUND, change(e->store, "a", "{}", 0, -1, &e->err));
    join_and_be_ready(e);
    OK(change(e->store, "a", "{}", 0, -1, &e->err));
    OK(rag_shared_leave(e->store, NULL, NAME, &e->err));
    REFUSED(RAG_E_NOT_FOUND, rag_shared_get(e->store, NULL, NAME, keys, 1, &rows, &e->err));
    OK(rag_shared_leave(e->store, NULL, NAME, &e->err));
}

static void shared_read_only_handles_do_not_join(struct env *e)
{
    rag_open_options options = RAG_OPEN_OPTIONS_INIT;
    options.flags = RAG_OPEN_READ_ONLY;
    rag_store *reader = open_again(e, &options);
    rag_result *rows = NULL;
    int initialise = -1;
    REFUSED(RAG_E_DENIED, rag_shared_join(reader, NULL, NAME, &initialise, &e->err));
    REFUSED(RAG_E_NOT_FOUND, rag_shared_all(reader, NULL, NAME, &rows, &e->err));
    rag_store_close(reader);
}

/* ---- values and versions ------------------------------------------------------------------------------ */

static void shared_changes_merge_replace_and_delete(struct env *e)
{
    join_and_be_ready(e);
    OK(change(e->store, "a", "{\"x\":1,\"y\":[1.50]}", 1, -1, &e->err)); /* merging into nothing */
    OK(change(e->store, "a", "{\"x\":2,\"z\":\"中\"}", 1, -1, &e->err));
    row_is(get(e, e->store, "a"), "{\"x\":2,\"y\":[1.50],\"z\":\"中\"}");
    OK(change(e->store, "a", "{\"_id\":1}", 0, -1, &e->err)); /* unlike in the KV store, it stays */
    row_is(get(e, e->store, "a"), "{\"_id\":1}");
    OK(change(e->store, "a", "", 0, -1, &e->err));
    row_absent(get(e, e->store, "a"), T("a"));
    OK(change(e->store, "a", "", 0, 0, &e->err)); /* absent, as expected */
    count_is(all(e, e->store), 0);
}

static void shared_versions_grow(struct env *e)
{
    join_and_be_ready(e);
    CHECK(get(e, e->store, "a")->number == 0, "an absent key has a version");
    OK(change(e->store, "a", "{\"n\":1}", 0, 0, &e->err));
    const int64_t first = get(e, e->store, "a")->number;
    CHECK(first > 0, "version %lld", (long long)first);
    REFUSED(RAG_E_CONFLICT, change(e->store, "a", "{\"n\":2}", 0, 0, &e->err));
    REFUSED(RAG_E_CONFLICT, change(e->store, "a", "", 0, first + 1, &e->err));
    expect_message(e, "'a'");
    OK(change(e->store, "a", "{\"n\":2}", 1, first, &e->err));
    const int64_t second = get(e, e->store, "a")->number;
    CHECK(second > first, "%lld after %lld", (long long)second, (long long)first);
    OK(change(e->store, "a", "", 0, second, &e->err));
    OK(change(e->store, "a", "{}", 0, 0, &e->err));
    CHECK(get(e, e->store, "a")->number > second, "a version came twice");
}

static void shared_changes_are_all_or_none(struct env *e)
{
    join_and_be_ready(e);
    const rag_shared_change both[] = { { T("a"), T("{\"n\":1}"), 0, 0 },
                                       { T("b"), T("{\"n\":1}"), 0, 7 } };
    REFUSED(RAG_E_CONFLICT, rag_shared_update(e->store, NULL, NAME, both, 2, &e->err));
    count_is(all(e, e->store), 0);
    const rag_shared_change twice[] = { { T("a"), T("{\"n\":1}"), 0, 0 },
                                        { T("b"), T("{}"), 0, -1 },
                                        { T("a"), T("{\"m\":2}"), 1, -1 },
                                        { T("b"), T(""), 0, -1 } };
    OK(rag_shared_update(e->store, NULL, NAME, twice, 4, &e->err));
    const rag_result *rows = all(e, e->store);
    count_is(rows, 1); /* one after the other, as they stand there */
    row_is(row_of(rows, 0), "{\"n\":1,\"m\":2}");
    CHECK(same(row_of(rows, 0)->key, T("a")), "the row of another key");
}

static void shared_all_is_in_order_of_keys(struct env *e)
{
    static const char *const keys[] = { "a", "b", "c" };
    join_and_be_ready(e);
    OK(change(e->store, "b", "{\"n\":1}", 0, -1, &e->err));
    OK(change(e->store, "c", "{\"n\":2}", 0, -1, &e->err));
    OK(change(e->store, "a", "{\"n\":3}", 0, -1, &e->err));
    const rag_result *rows = all(e, e->store);
    count_is(rows, 3);
    for (size_t i = 0; i < 3; i++)
        CHECK(same(row_of(rows, i)->key, T(keys[i])) && row_of(rows, i)->number > 0,
              "row %zu is '%.*s', version %lld", i, SHOW(row_of(rows, i)->key),
              (long long)row_of(rows, i)->number);
}

static void shared_what_is_wrong_is_refused(struct env *e)
{
    int initialise;
    join_and_be_ready(e);
    REFUSED(RAG_E_INVALID, change(e->store, "a", "[1]", 0, -1, &e->err));
    REFUSED(RAG_E_INVALID, change(e->store, "", "{}", 0, -1, &e->err));
    REFUSED(RAG_E_INVALID, change(e->store, "a", "{}", 2, -1, &e->err));
    REFUSED(RAG_E_INVALID, change(e->store, "a", "{}", 0, -2, &e->err));
    REFUSED(RAG_E_INVALID, rag_shared_join(e->store, NULL, "", &initialise, &e->err));
    REFUSED(RAG_E_INVALID, rag_shared_join(e->store, NULL, ".a", &initialise, &e->err));
    REFUSED(RAG_E_INVALID, rag_shared_join(e->store, NULL, NAME, NULL, &e->err));
    count_is(all(e, e->store), 0);
}

static void shared_the_records_are_not_met(struct env *e)
{
    rag_result *rows = NULL;
    uint64_t count = 0;
    join_and_be_ready(e);
    OK(change(e->store, "a", "{}", 0, -1, &e->err));
    OK(rag_store_namespaces(e->store, NULL, &rows, &e->err));
    count_is(keep(e, rows), 0);
    REFUSED(RAG_E_INVALID, rag_kv_count(e->store, NULL, ".shared", &count, &e->err));
    REFUSED(RAG_E_INVALID, rag_kv_drop(e->store, NULL, ".shared." NAME, &e->err));
    expect_message(e, "'.'");
}

static void shared_reads_and_changes_in_a_transaction(struct env *e)
{
    const rag_shared_change one = { T("a"), T("{\"n\":1}"), 0, 0 };
    rag_context ctx = RAG_CONTEXT_INIT;
    rag_result *rows = NULL;
    int initialise;
    join_and_be_ready(e);
    OK(rag_txn_begin(e->store, NULL, &ctx.txn, &e->err));
    OK(rag_shared_update(e->store, &ctx, NAME, &one, 1, &e->err));
    OK(rag_shared_all(e->store, &ctx, NAME, &rows, &e->err));
    count_is(keep(e, rows), 1);
    REFUSED(RAG_E_CONFLICT, rag_shared_update(e->store, &ctx, NAME, &one, 1, &e->err));
    REFUSED(RAG_E_INVALID, rag_shared_join(e->store, &ctx, NAME, &initialise, &e->err));
    REFUSED(RAG_E_INVALID, rag_shared_ready(e->store, &ctx, NAME, &e->err));
    REFUSED(RAG_E_INVALID, rag_shared_leave(e->store, &ctx, NAME, &e->err));
    rag_txn_abort(ctx.txn);
    count_is(all(e, e->store), 0);
    OK(rag_txn_begin(e->store, NULL, &ctx.txn, &e->err));
    OK(rag_shared_update(e->store, &ctx, NAME, &one, 1, &e->err));
    OK(rag_txn_commit(ctx.txn, NULL, NULL, &e->err));
    row_is(get(e, e->store, "a"), "{\"n\":1}");
}

const struct conformance_case shared_cases[] = {
    CASE_NEEDS(shared, the_first_initialises, NEEDS_TRANSACTIONS),
    CASE_NEEDS(shared, joining_again_waits_until_ready, NEEDS_TRANSACTIONS),
    CASE_NEEDS(shared, one_thread_initialises, NEEDS_TRANSACTIONS),
    CASE_NEEDS(shared, one_handle_initialises, NEEDS_TRANSACTIONS | NEEDS_SHARING),
    CASE_NEEDS(shared, ready_by_a_stranger, NEEDS_TRANSACTIONS),
    CASE_NEEDS(shared, ready_by_another_handle, NEEDS_TRANSACTIONS | NEEDS_SHARING),
    CASE_NEEDS(shared, an_initialiser_that_leaves_is_replaced, NEEDS_TRANSACTIONS | NEEDS_SHARING),
    CASE_NEEDS(shared, the_last_one_out_empties_it, NEEDS_TRANSACTIONS),
    CASE_NEEDS(shared, it_lasts_while_one_is_there, NEEDS_TRANSACTIONS | NEEDS_SHARING),
    CASE_NEEDS(shared, not_joined, NEEDS_TRANSACTIONS),
    CASE_NEEDS(shared, read_only_handles_do_not_join, NEEDS_TRANSACTIONS | NEEDS_SHARING),
    CASE_NEEDS(shared, changes_merge_replace_and_delete, NEEDS_TRANSACTIONS),
    CASE_NEEDS(shared, versions_grow, NEEDS_TRANSACTIONS),
    CASE_NEEDS(shared, changes_are_all_or_none, NEEDS_TRANSACTIONS),
    CASE_NEEDS(shared, all_is_in_order_of_keys, NEEDS_TRANSACTIONS),
    CASE_NEEDS(shared, what_is_wrong_is_refused, NEEDS_TRANSACTIONS),
    CASE_NEEDS(shared, the_records_are_not_met, NEEDS_TRANSACTIONS),
    CASE_NEEDS(shared, reads_and_changes_in_a_transaction, NEEDS_TRANSACTIONS),
    CASES_END,
};
