/* Vector stores: rows that wait for their vectors, and flushing them. The embedder of these cases
 * counts its calls and texts, and fails when it is told to; its vectors follow from the texts. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conformance.h"

#define NS "entities"

enum { DIM = 3 };

/* ---- an embedder ------------------------------------------------------------------------------------ */

struct embedder {
    pthread_mutex_t mutex; /* of all below */
    unsigned calls, texts, most_texts, running, most_running;
    unsigned fail_calls; /* the first so many calls fail */
    unsigned fail_after; /* this call and all behind it fail; 0: none */
    int retryable, leave_out, infinite;
    unsigned sleep_ms;
    unsigned company; /* the first call waits until so many run, ten seconds at most */
    rag_store *store; /* used while embedding; NULL: none */
};

#define EMBEDDER_INIT { .mutex = PTHREAD_MUTEX_INITIALIZER }

/* Not zero, and another one for another text. */
static void vector_of(rag_slice text, float out[DIM])
{
    const unsigned char *p = text.data;
    out[0] = 1;
    out[1] = (float)text.len;
    out[2] = 0;
    for (size_t i = 0; i < text.len; i++)
        out[2] = out[2] * 0.5f + (float)p[i];
}

static rag_status fail_embedding(const struct embedder *m, rag_error *err)
{
    err->status = RAG_E_CONNECTION;
    err->retryable = m->retryable;
    (void)snprintf(err->message, sizeof err->message, "the model is out of order");
    return RAG_E_CONNECTION;
}

static void wait_for_company(struct embedder *m)
{
    unsigned most = 0;
    for (int i = 0; i < 10000 && most < m->company; i++) {
        (void)pthread_mutex_lock(&m->mutex);
        most = m->most_running;
        (void)pthread_mutex_unlock(&m->mutex);
        (void)usleep(1000);
    }
}

static rag_status embed(void *user, const rag_slice *texts, size_t n, size_t dimension,
                        float *vectors, rag_error *err)
{
    struct embedder *m = user;
    (void)pthread_mutex_lock(&m->mutex);
    const unsigned call = ++m->calls;
    m->texts += (unsigned)n;
    m->most_texts = n > m->most_texts ? (unsigned)n : m->most_texts;
    m->running++;
    m->most_running = m->running > m->most_running ? m->running : m->most_running;
    (void)pthread_mutex_unlock(&m->mutex);
    if (m->sleep_ms)
        (void)usleep(m->sleep_ms * 1000);
    if (call == 1)
        wait_for_company(m);
    uint64_t count = 0;
    rag_status status = RAG_OK;
    if (m->store)
        status = rag_vector_count(m->store, NULL, NS, &count, err);
    if (call <= m->fail_calls || (m->fail_after && call >= m->fail_after))
        status = fail_embedding(m, err);
    const size_t given = m->leave_out && n ? n - 1 : n;
    for (size_t i = 0; status == RAG_OK && i < given && dimension == DIM; i++)
        vector_of(texts[i], vectors + i * dimension);
    if (m->infinite)
        vectors[0] = INFINITY;
    (void)pthread_mutex_lock(&m->mutex);
    m->running--;
    (void)pthread_mutex_unlock(&m->mutex);
    return status;
}

static rag_embedder how(struct embedder *m, size_t batch, unsigned concurrency)
{
    rag_embedder e = RAG_EMBEDDER_INIT;
    e.embed = embed;
    e.user = m;
    e.batch = batch;
    e.concurrency = concurrency;
    e.backoff_ms = 1;
    return e;
}

/* ---- short forms ------------------------------------------------------------------------------------ */

static void define(struct env *e)
{
    define_space(e, NS, DIM, RAG_METRIC_COSINE, RAG_ELEMENT_FLOAT32);
}

static void defer(struct env *e, rag_store *store, const char *id, const char *value)
{
    const rag_pending_item item = { T(id), T(value), { NULL, 0 }, 0 };
    OK(rag_vector_defer_many(store, NULL, NS, &item, 1, NULL, &e->err));
}

static void defer_text(struct env *e, const char *id, const char *text)
{
    const rag_pending_item item = {
        T(id), T(format_text("{\"content\":\"%s\"}", text)), { NULL, 0 }, 0
    };
    OK(rag_vector_defer_many(e->store, NULL, NS, &item, 1, NULL, &e->err));
}

static void defer_numbered(struct env *e, unsigned count)
{
    rag_pending_item *items = calloc(count, sizeof *items);
    for (unsigned i = 0; i < count; i++) {
        items[i].id = T(format_text("id-%05u", i));
        items[i].value = T(format_text("{\"n\":%u}", i));
        items[i].content = T(format_text("text of number %u", i));
    }
    OK(rag_vector_defer_many(e->store, NULL, NS, items, count, NULL, &e->err));
    free(items);
}

static void defer_delete(struct env *e, const char *id)
{
    const rag_slice slice = T(id);
    OK(rag_vector_defer_delete(e->store, NULL, NS, &slice, 1, NULL, &e->err));
}

static const rag_row *get(struct env *e, rag_store *store, const char *id)
{
    rag_result *rows = NULL;
    const rag_slice slice = T(id);
    OK(rag_vector_get_many(store, NULL, NS, &slice, 1, 3, &rows, &e->err));
    return row_of(keep(e, rows), 0);
}

static rag_result *pending(struct env *e, rag_store *store)
{
    rag_result *rows = NULL;
    OK(rag_vector_pending(store, NULL, NS, T(""), 0, &rows, &e->err));
    return keep(e, rows);
}

/* What a search for everything finds. */
static size_t found_by_search(struct env *e)
{
    const float v[DIM] = { 1, 1, 1 };
    rag_vector_query query = RAG_VECTOR_QUERY_INIT;
    rag_result *rows = NULL;
    query.vector = v;
    query.dimension = DIM;
    query.top_k = 10000;
    query.exact = 1;
    OK(rag_vector_search(e->store, NULL, NS, &query, &rows, &e->err));
    return rag_result_count(keep(e, rows));
}

static rag_flush_figures flush_store(struct env *e, rag_store *store, struct embedder *m,
                                     size_t batch, unsigned concurrency)
{
    rag_flush_figures figures = { .struct_size = sizeof figures };
    const rag_embedder embedder = how(m, batch, concurrency);
    OK(rag_vector_flush(store, NULL, NS, &embedder, &figures, &e->err));
    return figures;
}

static void vector_is(const struct env *e, const rag_row *row, const char *text)
{
    float wanted[DIM];
    vector_of(T(text), wanted);
    for (size_t i = 0; i < DIM; i++)
        wanted[i] = kept_as(e, wanted[i]);
    CHECK(row->found && row->dimension == DIM && memcmp(row->vector, wanted, sizeof wanted) == 0,
          "'%.*s' has not the vector of '%s'", SHOW(row->key), text);
}

/* ---- 20: embedded once, in batches -------------------------------------------------------------------- */

static void vector_20_a_flush_embeds_in_batches(struct env *e)
{
    struct embedder m = EMBEDDER_INIT;
    define(e);
    defer_numbered(e, 25);
    CHECK(m.calls == 0 && vector_count(e, NS) == 0, "a defer did more than to wait");
    const rag_flush_figures f = flush_store(e, e->store, &m, 10, 1);
    CHECK(m.calls == 3 && m.texts == 25 && m.most_texts == 10, "%u calls for %u texts", m.calls,
          m.texts);
    CHECK(f.embedded == 25 && f.stored == 25 && f.deleted == 0 && f.batches == 3 && f.retries == 0,
          "figures: %llu embedded, %llu stored, %llu batches", (unsigned long long)f.embedded,
          (unsigned long long)f.stored, (unsigned long long)f.batches);
    CHECK(vector_count(e, NS) == 25 && found_by_search(e) == 25, "not all rows are stored");
    vector_is(e, get(e, e->store, "id-00024"), "text of number 24");
    row_is(get(e, e->store, "id-00007"), "{\"n\":7}");
    count_is(pending(e, e->store), 0);
}

/* More than a page of a flush: batches go over its end. */
static void vector_20_many_rows_take_no_more_calls_than_batches(struct env *e)
{
    struct embedder m = EMBEDDER_INIT;
    define(e);
    defer_numbered(e, 2345);
    (void)flush_store(e, e->store, &m, 32, 1);
    CHECK(m.calls == (2345 + 31) / 32, "%u calls", m.calls);
    CHECK(vector_count(e, NS) == 2345, "not all rows are stored");
}

static void vector_20_the_same_id_is_embedded_once(struct env *e)
{
    struct embedder m = EMBEDDER_INIT;
    define(e);
    defer_text(e, "a", "first");
    const rag_pending_item items[] = { { T("a"), T("{\"n\":2}"), T("second"), 0 },
                                       { T("b"), T("{\"n\":3}"), T("other"), 0 },
                                       { T("a"), T("{\"n\":4}"), T("last"), 0 } };
    OK(rag_vector_defer_many(e->store, NULL, NS, items, 3, NULL, &e->err));
    count_is(pending(e, e->store), 2);
    (void)flush_store(e, e->store, &m, 10, 1);
    CHECK(m.texts == 2, "%u texts", m.texts);
    row_is(get(e, e->store, "a"), "{\"n\":4}");
    vector_is(e, get(e, e->store, "a"), "last");
}

static void vector_20_nothing_pending_calls_nobody(struct env *e)
{
    struct embedder m = EMBEDDER_INIT;
    rag_flush_figures f = flush_store(e, e->store, &m, 10, 4); /* not even a space */
    CHECK(f.stored == 0 && f.batches == 0, "%u batches without a space", (unsigned)f.batches);
    define(e);
    f = flush_store(e, e->store, &m, 10, 4);
    CHECK(m.calls == 0 && f.stored == 0 && f.batches == 0, "%u calls", m.calls);
}

static void vector_20_bad_rows_are_refused(struct env *e)
{
    const rag_pending_item bad[] = { { T("a"), T("{}"), { NULL, 0 }, 0 },
                                     { T("a"), T("{\"content\":7}"), { NULL, 0 }, 0 },
                                     { T("a"), T("[]"), T("text"), 0 },
                                     { T(""), T("{}"), T("text"), 0 },
                                     { T("a"), T("{}"), T("\xff"), 0 } };
    const rag_pending_item good = { T("good"), T("{}"), T("text"), 0 };
    REFUSED(RAG_E_NOT_FOUND, rag_vector_defer_many(e->store, NULL, NS, &good, 1, NULL, &e->err));
    define(e);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const rag_pending_item both[] = { good, bad[i] };
        REFUSED(RAG_E_INVALID, rag_vector_defer_many(e->store, NULL, NS, both, 2, NULL, &e->err));
    }
    count_is(pending(e, e->store), 0);
    const rag_embedder none = RAG_EMBEDDER_INIT;
    REFUSED(RAG_E_INVALID, rag_vector_flush(e->store, NULL, NS, &none, NULL, &e->err));
}

/* ---- 21, 23: what reads and searches see ---------------------------------------------------------------- */

static void vector_21_pending_rows_are_read_but_not_found(struct env *e)
{
    struct embedder m = EMBEDDER_INIT;
    define(e);
    defer_text(e, "a", "one");
    (void)flush_store(e, e->store, &m, 10, 1);
    defer_text(e, "a", "two");
    defer_text(e, "b", "new");
    row_is(get(e, e->store, "a"), "{\"content\":\"two\"}");
    CHECK(!get(e, e->store, "a")->vector, "a vector that nobody knows");
    row_is(get(e, e->store, "b"), "{\"content\":\"new\"}");
    CHECK(vector_count(e, NS) == 1 && found_by_search(e) == 1, "a pending row is found");
    const rag_row *rows[2];
    CHECK(scan_all(e, scan_vectors, NS, 5, rows, 2) == 1, "a pending row is scanned");
    row_is(rows[0], "{\"content\":\"one\"}");
}

static void vector_21_deferred_deletes_are_gone_for_reads_only(struct env *e)
{
    struct embedder m = EMBEDDER_INIT;
    define(e);
    defer_text(e, "a", "one");
    (void)flush_store(e, e->store, &m, 10, 1);
    defer_delete(e, "a");
    defer_delete(e, "never there");
    row_absent(get(e, e->store, "a"), T("a"));
    CHECK(vector_count(e, NS) == 1 && found_by_search(e) == 1, "deleted at once");
    const rag_flush_figures f = flush_store(e, e->store, &m, 10, 1);
    CHECK(f.deleted == 2 && f.stored == 0 && m.calls == 1, "%llu deleted",
          (unsigned long long)f.deleted);
    row_absent(get(e, e->store, "a"), T("a"));
    CHECK(vector_count(e, NS) == 0 && found_by_search(e) == 0, "not deleted");
}

static void vector_23_the_last_of_put_and_delete_wins(struct env *e)
{
    struct embedder m = EMBEDDER_INIT;
    define(e);
    defer_text(e, "a", "one");
    defer_text(e, "b", "one");
    (void)flush_store(e, e->store, &m, 10, 1);
    defer_delete(e, "a");
    defer_text(e, "a", "two");
    defer_text(e, "b", "two");
    defer_delete(e, "b");
    row_is(get(e, e->store, "a"), "{\"content\":\"two\"}");
    row_absent(get(e, e->store, "b"), T("b"));
    const rag_flush_figures f = flush_store(e, e->store, &m, 10, 1);
    CHECK(f.stored == 1 && f.deleted == 1 && m.texts == 3, "%u texts", m.texts);
    CHECK(vector_count(e, NS) == 1, "not one row");
    vector_is(e, get(e, e->store, "a"), "two");
}

static void vector_23_puts_and_deletes_at_once_discard_what_is_pending(struct env *e)
{
    struct embedder m = EMBEDDER_INIT;
    const float v[DIM] = { 7, 8, 9 };
    const rag_slice b = T("b");
    define(e);
    defer_text(e, "a", "one");
    defer_text(e, "b", "one");
    defer_delete(e, "c");
    vector_put(e, NS, T("a"), v, DIM, "{\"n\":1}");
    OK(rag_vector_delete_many(e->store, NULL, NS, &b, 1, NULL, NULL, &e->err));
    vector_put(e, NS, T("c"), v, DIM, "{\"n\":2}");
    count_is(pending(e, e->store), 0);
    row_is(get(e, e->store, "a"), "{\"n\":1}");
    row_absent(get(e, e->store, "b"), b);
    row_is(get(e, e->store, "c"), "{\"n\":2}");
    (void)flush_store(e, e->store, &m, 10, 1);
    CHECK(m.calls == 0, "discarded rows are embedded");
}

/* ---- 22: vectors that are known before ------------------------------------------------------------------- */

static rag_pending_vector with_vector(const rag_row *row, float v[DIM])
{
    vector_of(row->key2, v);
    return (rag_pending_vector){ row->key, row->number, v, DIM };
}

static void vector_22_remembered_vectors_are_not_embedded_again(struct env *e)
{
    struct embedder m = EMBEDDER_INIT;
    float v[DIM];
    uint64_t applied = 9;
    define(e);
    defer_text(e, "a", "one");
    defer_text(e, "b", "two");
    const rag_row *a = row_of(pending(e, e->store), 0);
    row_is(a, "{\"content\":\"one\"}");
    CHECK(same(a->key, T("a")) && same(a->key2, T("one")) && a->number, "not the row deferred");
    const rag_pending_vector one = with_vector(a, v);
    OK(rag_vector_resolve(e->store, NULL, NS, &one, 1, 1, &applied, NULL, &e->err));
    CHECK(applied == 1, "%llu applied", (unsigned long long)applied);
    vector_is(e, get(e, e->store, "a"), "one");
    CHECK(vector_count(e, NS) == 0, "it is stored already");
    CHECK(row_of(pending(e, e->store), 0)->vector, "the vector is not with the pending row");
    const rag_flush_figures f = flush_store(e, e->store, &m, 10, 1);
    CHECK(m.texts == 1 && f.embedded == 1 && f.stored == 2, "%u texts", m.texts);
    vector_is(e, get(e, e->store, "a"), "one");
    vector_is(e, get(e, e->store, "b"), "two");
}

static void vector_22_vectors_of_an_older_text_are_ignored(struct env *e)
{
    float v[DIM];
    uint64_t applied = 9;
    define(e);
    defer_text(e, "a", "one");
    const rag_pending_vector old = with_vector(row_of(pending(e, e->store), 0), v);
    defer_text(e, "a", "two");
    for (int keep_it = 0; keep_it < 2; keep_it++) {
        OK(rag_vector_resolve(e->store, NULL, NS, &old, 1, keep_it, &applied, NULL, &e->err));
        CHECK(applied == 0, "an older vector was taken");
    }
    row_is(get(e, e->store, "a"), "{\"content\":\"two\"}");
    CHECK(!get(e, e->store, "a")->vector && vector_count(e, NS) == 0, "an older vector is there");
    rag_pending_vector bad = with_vector(row_of(pending(e, e->store), 0), v);
    bad.dimension = 2;
    REFUSED(RAG_E_MISMATCH,
            rag_vector_resolve(e->store, NULL, NS, &bad, 1, 0, NULL, NULL, &e->err));
    bad = with_vector(row_of(pending(e, e->store), 0), v);
    v[1] = NAN;
    REFUSED(RAG_E_INVALID, rag_vector_resolve(e->store, NULL, NS, &bad, 1, 0, NULL, NULL, &e->err));
    bad.vector = NULL; /* not a deferred delete */
    REFUSED(RAG_E_INVALID, rag_vector_resolve(e->store, NULL, NS, &bad, 1, 0, NULL, NULL, &e->err));
    count_is(pending(e, e->store), 1);
}

/* ---- 24: embedders that fail ------------------------------------------------------------------------------ */

static void flush_fails(struct env *e, struct embedder *m, size_t batch, unsigned concurrency,
                        rag_status wanted, rag_flush_figures *figures)
{
    const rag_embedder embedder = how(m, batch, concurrency);
    *figures = (rag_flush_figures){ .struct_size = sizeof *figures };
    REFUSED(wanted, rag_vector_flush(e->store, NULL, NS, &embedder, figures, &e->err));
}

static void vector_24_a_failure_keeps_the_rows(struct env *e)
{
    struct embedder m = EMBEDDER_INIT;
    rag_flush_figures f;
    define(e);
    defer_numbered(e, 25);
    m.fail_after = 2;
    flush_fails(e, &m, 10, 1, RAG_E_CONNECTION, &f);
    expect_message(e, "out of order");
    CHECK(m.calls == 2 && f.stored == 10 && f.retries == 0, "%u calls, %llu stored", m.calls,
          (unsigned long long)f.stored);
    CHECK(vector_count(e, NS) == 10, "not the first batch");
    count_is(pending(e, e->store), 15);
    row_is(get(e, e->store, "id-00024"), "{\"n\":24}");
    m.fail_after = 0;
    (void)flush_store(e, e->store, &m, 10, 1);
    CHECK(vector_count(e, NS) == 25 && m.texts == 35, "%u texts", m.texts);
}

static void vector_24_failures_that_may_pass_are_tried_again(struct env *e)
{
    struct embedder m = EMBEDDER_INIT;
    rag_flush_figures f;
    define(e);
    defer_numbered(e, 5);
    m.retryable = 1;
    m.fail_calls = 2;
    f = flush_store(e, e->store, &m, 10, 1);
    CHECK(m.calls == 3 && f.retries == 2 && f.batches == 1 && f.stored == 5, "%u calls", m.calls);
    defer_numbered(e, 5);
    m.calls = 0;
    m.fail_calls = 3; /* one more than is tried */
    flush_fails(e, &m, 10, 1, RAG_E_CONNECTION, &f);
    CHECK(m.calls == 3 && f.retries == 2 && f.stored == 0, "%u calls", m.calls);
    count_is(pending(e, e->store), 5);
}

static void vector_24_bad_vectors_name_their_row(struct env *e)
{
    struct embedder m = EMBEDDER_INIT;
    rag_flush_figures f;
    define(e);
    defer_numbered(e, 3);
    m.leave_out = 1; /* a vector less than texts */
    flush_fails(e, &m, 10, 1, RAG_E_INVALID, &f);
    expect_message(e, "the embedder gave vector 'id-00002'");
    m.leave_out = 0;
    m.infinite = 1;
    flush_fails(e, &m, 10, 1, RAG_E_INVALID, &f);
    expect_message(e, "id-00000");
    CHECK(vector_count(e, NS) == 0, "bad vectors are stored");
    count_is(pending(e, e->store), 3);
}

static void vector_24_batches_are_embedded_at_the_same_time(struct env *e)
{
    struct embedder m = EMBEDDER_INIT;
    rag_flush_figures f;
    define(e);
    defer_numbered(e, 80);
    m.sleep_ms = 20;
    m.company = 2;
    m.store = e->store;
    f = flush_store(e, e->store, &m, 5, 4);
    CHECK(m.calls == 16 && f.stored == 80 && f.batches == 16, "%u calls", m.calls);
    CHECK(m.most_running > 1 && m.most_running <= 4, "%u at once", m.most_running);
    defer_numbered(e, 80);
    m.calls = 0;
    m.fail_after = 6; /* the others end, their batches are stored */
    flush_fails(e, &m, 5, 4, RAG_E_CONNECTION, &f);
    CHECK(f.stored == 25 && m.calls < 16, "%llu stored in %u calls", (unsigned long long)f.stored,
          m.calls);
    count_is(pending(e, e->store), 55);
}

static void vector_24_a_cancelled_flush_keeps_the_rows(struct env *e)
{
    struct embedder m = EMBEDDER_INIT;
    int cancel = 0;
    rag_context ctx = RAG_CONTEXT_INIT;
    rag_embedder embedder = how(&m, 10, 2);
    define(e);
    defer_numbered(e, 5);
    m.retryable = 1;
    m.fail_calls = 100;
    embedder.backoff_ms = 60000;
    ctx.cancel = &cancel;
    ctx.deadline_ns = rag_deadline_in_ms(100); /* passes while it waits for the second attempt */
    REFUSED(RAG_E_TIMEOUT, rag_vector_flush(e->store, &ctx, NS, &embedder, NULL, &e->err));
    CHECK(m.calls <= 1, "%u calls", m.calls); /* 0: on a slow machine it passes before the first */
    rag_cancel(&cancel);
    REFUSED(RAG_E_CANCELLED, rag_vector_flush(e->store, &ctx, NS, &embedder, NULL, &e->err));
    count_is(pending(e, e->store), 5);
}

/* ---- 28, 29, 30 --------------------------------------------------------------------------------------------- */

static void vector_28_pending_rows_can_be_dropped(struct env *e)
{
    struct embedder m = EMBEDDER_INIT;
    uint64_t dropped = 9;
    define(e);
    OK(rag_vector_drop_pending(e->store, NULL, NS, &dropped, &e->err));
    CHECK(dropped == 0, "something was dropped");
    defer_text(e, "a", "one");
    (void)flush_store(e, e->store, &m, 10, 1);
    defer_text(e, "a", "two");
    defer_text(e, "b", "two");
    defer_delete(e, "c");
    OK(rag_vector_drop_pending(e->store, NULL, NS, &dropped, &e->err));
    CHECK(dropped == 3, "%llu dropped", (unsigned long long)dropped);
    vector_is(e, get(e, e->store, "a"), "one");
    row_absent(get(e, e->store, "b"), T("b"));
    count_is(pending(e, e->store), 0);
    defer_text(e, "a", "three");
    OK(rag_vector_drop(e->store, NULL, NS, &e->err));
    define(e);
    count_is(pending(e, e->store), 0);
    row_absent(get(e, e->store, "a"), T("a"));
}

static void vector_29_deleting_by_name_takes_pending_rows(struct env *e)
{
    struct embedder m = EMBEDDER_INIT;
    const rag_slice name = T("Ada");
    uint64_t deleted = 9;
    define(e);
    defer(e, e->store, "stored", "{\"entity_name\":\"Ada\",\"content\":\"x\"}");
    (void)flush_store(e, e->store, &m, 10, 1);
    defer(e, e->store, "stored", "{\"entity_name\":\"Bob\",\"content\":\"renamed\"}");
    defer(e, e->store, "entity", "{\"entity_name\":\"Ada\",\"content\":\"x\"}");
    defer(e, e->store, "source", "{\"src_id\":\"Ada\",\"tgt_id\":\"Bob\",\"content\":\"x\"}");
    defer(e, e->store, "target", "{\"src_id\":\"Bob\",\"tgt_id\":\"Ada\",\"content\":\"x\"}");
    defer(e, e->store, "other", "{\"src_id\":\"Bob\",\"tgt_id\":\"Eve\",\"content\":\"x\"}");
    OK(rag_vector_delete_named(e->store, NULL, NS, &name, 1, &deleted, NULL, &e->err));
    CHECK(deleted == 1, "%llu deleted", (unsigned long long)deleted);
    const rag_result *left = pending(e, e->store);
    count_is(left, 1);
    CHECK(same(row_of(left, 0)->key, T("other")), "not the row of another name is left");
    row_absent(get(e, e->store, "entity"), T("entity"));
    row_absent(get(e, e->store, "stored"), T("stored"));
    CHECK(vector_count(e, NS) == 0, "the stored row is there");
}

static void vector_30_what_a_closed_handle_left_is_flushed_by_the_next(struct env *e)
{
    struct embedder m = EMBEDDER_INIT;
    define(e);
    rag_store *other = open_again(e, NULL);
    defer(e, other, "a", "{\"content\":\"one\"}");
    row_is(get(e, e->store, "a"), "{\"content\":\"one\"}");
    count_is(pending(e, e->store), 0);
    (void)flush_store(e, e->store, &m, 10, 1);
    CHECK(m.calls == 0, "rows of an open handle were taken");
    uint64_t dropped = 9;
    OK(rag_vector_drop_pending(e->store, NULL, NS, &dropped, &e->err));
    CHECK(dropped == 0, "rows of an open handle were dropped");
    rag_store_close(other);
    count_is(pending(e, e->store), 1);
    (void)flush_store(e, e->store, &m, 10, 1);
    CHECK(m.calls == 1 && vector_count(e, NS) == 1, "%u calls", m.calls);
    vector_is(e, get(e, e->store, "a"), "one");
    defer_text(e, "b", "left to the next"); /* and the reopening after the case */
    expect_same_after_reopening(e);
    count_is(pending(e, e->store), 1);
    (void)flush_store(e, e->store, &m, 10, 1);
    vector_is(e, get(e, e->store, "b"), "left to the next");
}

static void vector_32_pending_rows_keep_the_order_asked(struct env *e)
{
    const float v[DIM] = { 1, 2, 3 };
    const rag_slice ids[] = { T("p"), T("none"), T("s"), T("gone"), T("p") };
    rag_result *rows = NULL;
    define(e);
    vector_put(e, NS, T("s"), v, DIM, "{\"n\":1}");
    vector_put(e, NS, T("gone"), v, DIM, "{\"n\":2}");
    defer(e, e->store, "p", "{\"content\":\"x\"}");
    defer_delete(e, "gone");
    OK(rag_vector_get_many(e->store, NULL, NS, ids, 5, 3, &rows, &e->err));
    keep(e, rows);
    count_is(rows, 5);
    row_is(row_of(rows, 0), "{\"content\":\"x\"}");
    row_absent(row_of(rows, 1), ids[1]);
    row_is(row_of(rows, 2), "{\"n\":1}");
    row_absent(row_of(rows, 3), ids[3]);
    row_is(row_of(rows, 4), "{\"content\":\"x\"}");
}

/* ---- beyond the list ------------------------------------------------------------------------------------------ */

static void vector_pending_pages_go_by_id(struct env *e)
{
    rag_slice after = T("");
    size_t seen = 0;
    int at_end = 0;
    define(e);
    defer_numbered(e, 23);
    while (!at_end && seen <= 23) {
        rag_result *rows = NULL;
        OK(rag_vector_pending(e->store, NULL, NS, after, 5, &rows, &e->err));
        keep(e, rows);
        for (size_t i = 0; i < rag_result_count(rows); i++, seen++)
            CHECK(same(row_of(rows, i)->key, T(format_text("id-%05zu", seen))), "row %zu is '%.*s'",
                  seen, SHOW(row_of(rows, i)->key));
        after = rag_result_next(rows);
        at_end = !after.len;
    }
    CHECK(seen == 23, "%zu rows", seen);
}

static void vector_pending_rows_go_with_their_transaction(struct env *e)
{
    struct embedder m = EMBEDDER_INIT;
    const rag_embedder embedder = how(&m, 10, 1);
    const rag_pending_item item = { T("a"), T("{}"), T("x"), 5 };
    rag_txn *txn = NULL;
    rag_context ctx = RAG_CONTEXT_INIT;
    define(e);
    OK(rag_txn_begin(e->store, NULL, &txn, &e->err));
    ctx.txn = txn;
    OK(rag_vector_defer_many(e->store, &ctx, NS, &item, 1, NULL, &e->err));
    REFUSED(RAG_E_INVALID, rag_vector_flush(e->store, &ctx, NS, &embedder, NULL, &e->err));
    rag_txn_abort(txn);
    count_is(pending(e, e->store), 0);
    OK(rag_vector_defer_many(e->store, NULL, NS, &item, 1, NULL, &e->err));
    CHECK(get(e, e->store, "a")->created_at == 5, "not the time given");
    (void)flush_store(e, e->store, &m, 10, 1);
    CHECK(get(e, e->store, "a")->created_at == 5, "not the time given");
}

/* ---- threads ---------------------------------------------------------------------------------------------------- */

enum { ROUNDS = 40, IDS = 30 };

struct side {
    rag_store *store;
    struct embedder *m;
    unsigned number;
    char message[600];
};

static void *defer_and_flush(void *memory)
{
    struct side *s = memory;
    const rag_embedder embedder = how(s->m, 4, 2);
    for (unsigned round = 0; round < ROUNDS && !s->message[0]; round++) {
        char ids[IDS][16], texts[IDS][32];
        rag_pending_item items[IDS];
        rag_error err = RAG_ERROR_INIT;
        for (unsigned i = 0; i < IDS; i++) {
            (void)snprintf(ids[i], sizeof ids[i], "id%u", (i * 7 + round + s->number) % (IDS * 2));
            (void)snprintf(texts[i], sizeof texts[i], "text %u of %u", round, s->number);
            items[i] = (rag_pending_item){ T(ids[i]), T("{}"), T(texts[i]), 1 };
        }
        rag_status status = rag_vector_defer_many(s->store, NULL, NS, items, IDS, NULL, &err);
        if (status == RAG_OK)
            status = rag_vector_flush(s->store, NULL, NS, &embedder, NULL, &err);
        if (status != RAG_OK)
            (void)snprintf(s->message, sizeof s->message, "%s", err.message);
    }
    return NULL;
}

static void two_sides(struct env *e, rag_store *other)
{
    struct embedder m = EMBEDDER_INIT;
    struct side sides[2] = { { .store = e->store, .m = &m },
                             { .store = other, .m = &m, .number = 1 } };
    pthread_t threads[2];
    define(e);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, defer_and_flush, &sides[i]) == 0, "no thread");
    for (int i = 0; i < 2; i++)
        (void)pthread_join(threads[i], NULL);
    for (int i = 0; i < 2; i++)
        CHECK(!sides[i].message[0], "%s", sides[i].message);
    (void)flush_store(e, e->store, &m, 10, 1); /* replaced while the other flushed */
    (void)flush_store(e, other, &m, 10, 1);
    count_is(pending(e, e->store), 0);
    CHECK(vector_count(e, NS) == IDS * 2, "%llu rows", (unsigned long long)vector_count(e, NS));
    for (unsigned i = 0; i < IDS * 2; i++)
        CHECK(get(e, e->store, format_text("id%u", i))->vector, "id%u has no vector", i);
}

static void threads_pending_vectors_of_one_handle(struct env *e)
{
    two_sides(e, e->store);
}

static void threads_pending_vectors_of_two_handles(struct env *e)
{
    rag_store *other = open_again(e, NULL);
    two_sides(e, other);
    rag_store_close(other);
}

const struct conformance_case vector_pending_cases[] = {
    CASE(vector, 20_a_flush_embeds_in_batches),
    CASE(vector, 20_many_rows_take_no_more_calls_than_batches),
    CASE(vector, 20_the_same_id_is_embedded_once),
    CASE(vector, 20_nothing_pending_calls_nobody),
    CASE(vector, 20_bad_rows_are_refused),
    CASE(vector, 21_pending_rows_are_read_but_not_found),
    CASE(vector, 21_deferred_deletes_are_gone_for_reads_only),
    CASE(vector, 22_remembered_vectors_are_not_embedded_again),
    CASE(vector, 22_vectors_of_an_older_text_are_ignored),
    CASE(vector, 23_the_last_of_put_and_delete_wins),
    CASE(vector, 23_puts_and_deletes_at_once_discard_what_is_pending),
    CASE(vector, 24_a_failure_keeps_the_rows),
    CASE(vector, 24_failures_that_may_pass_are_tried_again),
    CASE(vector, 24_bad_vectors_name_their_row),
    CASE(vector, 24_batches_are_embedded_at_the_same_time),
    CASE(vector, 24_a_cancelled_flush_keeps_the_rows),
    CASE(vector, 28_pending_rows_can_be_dropped),
    CASE(vector, 29_deleting_by_name_takes_pending_rows),
    CASE_NEEDS(vector, 30_what_a_closed_handle_left_is_flushed_by_the_next,
               NEEDS_PERSISTENCE | NEEDS_SHARING),
    CASE(vector, 32_pending_rows_keep_the_order_asked),
    CASE(vector, pending_pages_go_by_id),
    CASE_NEEDS(vector, pending_rows_go_with_their_transaction, NEEDS_TRANSACTIONS),
    CASES_END,
};

const struct conformance_case thread_pending_cases[] = {
    CASE(threads, pending_vectors_of_one_handle),
    CASE_NEEDS(threads, pending_vectors_of_two_handles, NEEDS_SHARING),
    CASES_END,
};
