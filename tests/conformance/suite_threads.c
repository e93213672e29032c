/* Many threads on one store: no torn batches, no lost updates, readers that see whole states. Run
 * under the thread sanitizer too. A thread never fails the case itself (the checks jump); it leaves
 * a message, and the case fails with the first of them. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance.h"

enum { THREADS = 8, PAIR = 16 };

struct worker {
    struct env *e;
    rag_store *store;
    unsigned number;
    char message[1200];
    pthread_t thread;
    pthread_barrier_t *start; /* all go at once: short work would be over before the next begins */
    void *(*work)(void *worker);
};

static void *begin_together(void *worker)
{
    const struct worker *w = worker;
    (void)pthread_barrier_wait(w->start);
    return w->work(worker);
}

#define SAY(w, ...)                                                        \
    do {                                                                   \
        if (!(w)->message[0])                                              \
            (void)snprintf((w)->message, sizeof(w)->message, __VA_ARGS__); \
    } while (0)

/* 1 when the call succeeded. */
static int went_well(struct worker *w, rag_status status, const rag_error *err, const char *what)
{
    if (status != RAG_OK)
        SAY(w, "%s: %s: %s", what, rag_status_text(status), err->message);
    return status == RAG_OK;
}
#define WELL(w, call) went_well(w, call, &err, #call)

static void run_workers(struct env *e, struct worker *workers, size_t n,
                        void *(*work)(void *worker))
{
    pthread_barrier_t start;
    CHECK(pthread_barrier_init(&start, NULL, (unsigned)n) == 0, "no barrier");
    for (size_t i = 0; i < n; i++) {
        workers[i].e = e;
        workers[i].number = (unsigned)i;
        if (!workers[i].store)
            workers[i].store = e->store;
        workers[i].start = &start;
        workers[i].work = work;
        CHECK(pthread_create(&workers[i].thread, NULL, begin_together, &workers[i]) == 0,
              "no thread");
    }
    for (size_t i = 0; i < n; i++)
        (void)pthread_join(workers[i].thread, NULL);
    (void)pthread_barrier_destroy(&start);
    for (size_t i = 0; i < n; i++)
        CHECK(!workers[i].message[0], "thread %zu: %s", i, workers[i].message);
}

/* ---- batches ----------------------------------------------------------------------------------------------- */

/* Writers put the same number into 16 keys in one call; readers must find one number in all. */
static void write_batch(struct worker *w, int round)
{
    rag_error err = RAG_ERROR_INIT;
    rag_kv_item items[PAIR];
    char keys[PAIR][8], value[40];
    (void)snprintf(value, sizeof value, "{\"n\":\"%u-%d\"}", w->number, round);
    for (size_t i = 0; i < PAIR; i++) {
        (void)snprintf(keys[i], sizeof keys[i], "k%02zu", i);
        items[i] = (rag_kv_item){ .key = T(keys[i]), .value = T(value) };
    }
    (void)WELL(w, rag_kv_put_many(w->store, NULL, "n", items, PAIR, NULL, &err));
}

static void check_batch(struct worker *w, const rag_result *rows)
{
    if (rag_result_count(rows) != PAIR)
        SAY(w, "%zu rows, not %d", rag_result_count(rows), PAIR);
    for (size_t i = 1; i < rag_result_count(rows); i++)
        if (!same(rag_result_row(rows, i)->value, rag_result_row(rows, 0)->value))
            SAY(w, "half a batch: '%.*s' and '%.*s'", SHOW(rag_result_row(rows, i)->value),
                SHOW(rag_result_row(rows, 0)->value));
}

static void read_batch(struct worker *w, int round)
{
    rag_error err = RAG_ERROR_INIT;
    rag_slice keys[PAIR];
    char names[PAIR][8];
    rag_result *rows = NULL;
    for (size_t i = 0; i < PAIR; i++) {
        (void)snprintf(names[i], sizeof names[i], "k%02zu", i);
        keys[i] = T(names[i]);
    }
    const rag_status status = round % 2
                                  ? rag_kv_get_many(w->store, NULL, "n", keys, PAIR, &rows, &err)
                                  : rag_kv_scan(w->store, NULL, "n", T(""), 100, &rows, &err);
    if (went_well(w, status, &err, "reading"))
        check_batch(w, rows);
    rag_result_free(rows);
}

static void *batches(void *worker)
{
    struct worker *w = worker;
    for (int round = 0; round < 60 && !w->message[0]; round++) {
        if (w->number % 2)
            read_batch(w, round);
        else
            write_batch(w, round);
    }
    return NULL;
}

static void threads_19_batches_are_never_seen_by_halves(struct env *e)
{
    struct worker workers[THREADS] = { 0 }, first = { .store = e->store };
    write_batch(&first, 0);
    CHECK(!first.message[0], "%s", first.message);
    run_workers(e, workers, THREADS, batches);
    CHECK(kv_count(e, "n") == PAIR, "not %d rows", PAIR);
}

/* ---- counting ------------------------------------------------------------------------------------------------ */

enum { ADDITIONS = 40 };

static int add_one(struct worker *w)
{
    rag_error err = RAG_ERROR_INIT;
    rag_context ctx = RAG_CONTEXT_INIT;
    rag_result *rows = NULL;
    const rag_slice key = T("counter");
    char value[40];
    if (!WELL(w, rag_txn_begin(w->store, NULL, &ctx.txn, &err)))
        return 0;
    int good = WELL(w, rag_kv_get_many(w->store, &ctx, "n", &key, 1, &rows, &err));
    if (good) {
        const char *text = rag_result_row(rows, 0)->value.data;
        const long before = strtol(text + strlen("{\"n\":"), NULL, 10);
        (void)snprintf(value, sizeof value, "{\"n\":%ld}", before + 1);
        const rag_kv_item item = { .key = key, .value = T(value) };
        (void)sched_yield(); /* let another one in between, if it can get in */
        good = WELL(w, rag_kv_put_many(w->store, &ctx, "n", &item, 1, NULL, &err));
    }
    rag_result_free(rows);
    if (!good) {
        rag_txn_abort(ctx.txn);
        return 0;
    }
    return WELL(w, rag_txn_commit(ctx.txn, NULL, NULL, &err));
}

static void *count_up(void *worker)
{
    struct worker *w = worker;
    for (int i = 0; i < ADDITIONS && !w->message[0]; i++)
        (void)add_one(w);
    return NULL;
}

static void threads_transactions_lose_no_update(struct env *e)
{
    struct worker workers[5] = { 0 };
    kv_put(e, "n", T("counter"), "{\"n\":0}");
    run_workers(e, workers, 5, count_up);
    row_is(row_of(kv_get(e, "n", T("counter")), 0), format_text("{\"n\":%d}", 5 * ADDITIONS));
}

static void threads_handles_lose_no_update(struct env *e)
{
    struct worker workers[5] = { 0 };
    kv_put(e, "n", T("counter"), "{\"n\":0}");
    for (size_t i = 0; i < 5; i++)
        workers[i].store = open_again(e, NULL);
    run_workers(e, workers, 5, count_up);
    for (size_t i = 0; i < 5; i++)
        rag_store_close(workers[i].store);
    row_is(row_of(kv_get(e, "n", T("counter")), 0), format_text("{\"n\":%d}", 5 * ADDITIONS));
}

/* ---- merging edges: the same edge from all threads --------------------------------------------------------- */

static void *merge_edges(void *worker)
{
    struct worker *w = worker;
    rag_error err = RAG_ERROR_INIT;
    for (int i = 0; i < 25 && !w->message[0]; i++) {
        char name[64], mine[32];
        (void)snprintf(name, sizeof name, "{\"a%u_%d\":%d}", w->number, i, i);
        (void)snprintf(mine, sizeof mine, "n%u-%d", w->number, i);
        const rag_edge edges[] = { { T("a"), T("b"), T(name) }, { T("a"), T(mine), T("{}") } };
        (void)WELL(w, rag_graph_put_edges(w->store, NULL, edges, 2, RAG_PUT_MERGE, NULL, &err));
    }
    return NULL;
}

static void threads_merges_keep_every_attribute(struct env *e)
{
    struct worker workers[4] = { 0 };
    const rag_pair pair = { T("b"), T("a") };
    rag_result *rows = NULL;
    run_workers(e, workers, 4, merge_edges);
    OK(rag_graph_get_edges(e->store, NULL, &pair, 1, 1, &rows, &e->err));
    const rag_row *row = row_of(keep(e, rows), 0);
    for (unsigned t = 0; t < 4; t++)
        for (int i = 0; i < 25; i++)
            CHECK(contains(row->value, format_text("\"a%u_%d\":%d", t, i, i)), "lost: a%u_%d", t,
                  i);
    graph_counts(e, 102, 101);
    CHECK(degree_of(e, "a") == 101, "degree %lld", (long long)degree_of(e, "a"));
}

/* ---- everything at once --------------------------------------------------------------------------------------- */

enum { DIM = 8 };

static void mixed_write(struct worker *w, struct random *r)
{
    rag_error err = RAG_ERROR_INIT;
    char id[24], other[24];
    float v[DIM];
    (void)snprintf(id, sizeof id, "%llu", (unsigned long long)random_below(r, 40));
    (void)snprintf(other, sizeof other, "%llu", (unsigned long long)random_below(r, 40));
    for (size_t i = 0; i < DIM; i++)
        v[i] = (float)random_unit(r) - 0.5f;
    const rag_slice key = T(id);
    const rag_kv_item item = { .key = key, .value = T("{\"v\":[1,2,3]}") };
    const rag_vector_item vector = { key, v, DIM, T("{\"entity_name\":\"x\"}"), 0 };
    const rag_edge edge = { key, T(other), T("{\"w\":1.0}") };
    const rag_doc doc = { key, T("{\"status\":\"pending\"}") };
    switch (random_below(r, 8)) {
    case 0: (void)WELL(w, rag_kv_put_many(w->store, NULL, "n", &item, 1, NULL, &err)); break;
    case 1: (void)WELL(w, rag_vector_put_many(w->store, NULL, "v", &vector, 1, NULL, &err)); break;
    case 2:
        (void)WELL(w, rag_graph_put_edges(w->store, NULL, &edge, 1, RAG_PUT_MERGE, NULL, &err));
        break;
    case 3: (void)WELL(w, rag_docstatus_put_many(w->store, NULL, &doc, 1, NULL, &err)); break;
    case 4:
        (void)WELL(w, rag_kv_delete_many(w->store, NULL, "n", &key, 1, NULL, NULL, &err));
        break;
    case 5:
        (void)WELL(w, rag_vector_delete_many(w->store, NULL, "v", &key, 1, NULL, NULL, &err));
        break;
    case 6: (void)WELL(w, rag_graph_delete_nodes(w->store, NULL, &key, 1, NULL, NULL, &err)); break;
    default:
        (void)WELL(w, rag_docstatus_delete_many(w->store, NULL, &key, 1, NULL, NULL, &err));
        break;
    }
}

static void check_hits(struct worker *w, const rag_result *rows)
{
    for (size_t i = 1; i < rag_result_count(rows); i++)
        if (rag_result_row(rows, i - 1)->score < rag_result_row(rows, i)->score)
            SAY(w, "hits are not best first");
}

/* The edge rows of a node follow its header in the number that it says: one state, not two. */
static void check_incident(struct worker *w, const rag_result *rows)
{
    size_t at = 0;
    while (at < rag_result_count(rows)) {
        const rag_row *header = rag_result_row(rows, at);
        at += 1 + (size_t)header->number;
        if (header->key2.len)
            SAY(w, "an edge row where a header should be");
    }
    if (at != rag_result_count(rows))
        SAY(w, "headers count %zu rows, there are %zu", at, rag_result_count(rows));
}

static void mixed_read(struct worker *w, struct random *r)
{
    rag_error err = RAG_ERROR_INIT;
    rag_result *rows = NULL, *more = NULL;
    float v[DIM];
    rag_vector_query query = RAG_VECTOR_QUERY_INIT;
    const rag_slice labels[] = { T("1"), T("2"), T("3") };
    for (size_t i = 0; i < DIM; i++)
        v[i] = (float)random_unit(r) - 0.4999f;
    query.vector = v;
    query.dimension = DIM;
    switch (random_below(r, 6)) {
    case 0: (void)WELL(w, rag_kv_scan(w->store, NULL, "n", T(""), 20, &rows, &err)); break;
    case 1:
        if (WELL(w, rag_vector_search(w->store, NULL, "v", &query, &rows, &err)))
            check_hits(w, rows);
        break;
    case 2:
        if (WELL(w, rag_graph_incident(w->store, NULL, labels, 3, 1, &rows, &err)))
            check_incident(w, rows);
        break;
    case 3: (void)WELL(w, rag_graph_view(w->store, NULL, T("*"), NULL, &rows, &more, &err)); break;
    case 4: (void)WELL(w, rag_docstatus_page(w->store, NULL, NULL, &rows, &err)); break;
    default: (void)WELL(w, rag_store_namespaces(w->store, NULL, &rows, &err)); break;
    }
    rag_result_free(rows);
    rag_result_free(more);
}

static void *mixed(void *worker)
{
    struct worker *w = worker;
    struct random r = { w->e->seed * 31u + w->number };
    for (int i = 0; i < 120 && !w->message[0]; i++) {
        if (w->number % 2)
            mixed_read(w, &r);
        else
            mixed_write(w, &r);
    }
    return NULL;
}

static void check_counters(struct env *e)
{
    const rag_row *rows[2000];
    const uint64_t nodes = scan_all(e, scan_nodes, NULL, 100, rows, 2000);
    const uint64_t edges = scan_all(e, scan_edges, NULL, 100, rows, 2000);
    graph_counts(e, nodes, edges);
    CHECK(kv_count(e, "n") == scan_all(e, scan_kv, "n", 100, rows, 2000), "KV rows");
    CHECK(vector_count(e, "v") == scan_all(e, scan_vectors, "v", 100, rows, 2000), "vector rows");
}

static void threads_19_reads_and_writes_of_all_kinds(struct env *e)
{
    struct worker workers[THREADS] = { 0 };
    define_space(e, "v", DIM, RAG_METRIC_COSINE, RAG_ELEMENT_FLOAT32);
    run_workers(e, workers, THREADS, mixed);
    check_counters(e);
}

static void *committer(void *worker)
{
    struct worker *w = worker;
    rag_error err = RAG_ERROR_INIT;
    for (int i = 0; i < 40 && !w->message[0]; i++) {
        rag_context ctx = RAG_CONTEXT_INIT;
        char id[24];
        (void)snprintf(id, sizeof id, "%u-%d", w->number, i);
        const rag_kv_item item = { .key = T(id), .value = T("{}") };
        const rag_doc doc = { T(id), T("{\"status\":\"pending\"}") };
        if (!WELL(w, rag_txn_begin(w->store, NULL, &ctx.txn, &err)))
            break;
        (void)WELL(w, rag_kv_put_many(w->store, &ctx, "n", &item, 1, NULL, &err));
        (void)WELL(w, rag_docstatus_put_many(w->store, &ctx, &doc, 1, NULL, &err));
        if (i % 4 == 3)
            rag_txn_abort(ctx.txn);
        else
            (void)WELL(w, rag_txn_commit(ctx.txn, NULL, NULL, &err));
    }
    return NULL;
}

/* Looks at both stores from inside a transaction: it must find the same ids in both. */
static void *auditor(void *worker)
{
    struct worker *w = worker;
    rag_error err = RAG_ERROR_INIT;
    for (int i = 0; i < 20 && !w->message[0]; i++) {
        rag_context ctx = RAG_CONTEXT_INIT;
        rag_result *docs = NULL;
        uint64_t rows = 0;
        if (!WELL(w, rag_txn_begin(w->store, NULL, &ctx.txn, &err)))
            break;
        if (WELL(w, rag_kv_count(w->store, &ctx, "n", &rows, &err)) &&
            WELL(w, rag_docstatus_counts(w->store, &ctx, &docs, &err)) &&
            rag_result_total(docs) != rows)
            SAY(w, "%llu rows and %llu documents", (unsigned long long)rows,
                (unsigned long long)rag_result_total(docs));
        rag_result_free(docs);
        rag_txn_abort(ctx.txn);
    }
    return NULL;
}

static void *commit_or_audit(void *worker)
{
    const struct worker *w = worker;
    return w->number < 3 ? committer(worker) : auditor(worker);
}

static void threads_commits_are_seen_whole(struct env *e)
{
    struct worker workers[5] = { 0 };
    run_workers(e, workers, 5, commit_or_audit);
    CHECK(kv_count(e, "n") == 3 * 30, "%llu rows, not 90", (unsigned long long)kv_count(e, "n"));
}

const struct conformance_case thread_cases[] = {
    CASE_NEEDS(threads, 19_batches_are_never_seen_by_halves, NEEDS_ATOMIC),
    CASE(threads, 19_reads_and_writes_of_all_kinds),
    CASE(threads, merges_keep_every_attribute),
    CASE_NEEDS(threads, transactions_lose_no_update, NEEDS_TRANSACTIONS),
    CASE_NEEDS(threads, handles_lose_no_update, NEEDS_TRANSACTIONS | NEEDS_SHARING),
    CASE_NEEDS(threads, commits_are_seen_whole, NEEDS_TRANSACTIONS),
    CASES_END,
};
