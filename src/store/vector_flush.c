/* rag_vector_flush(): embed what is pending, and store it.
 *
 * Rows are read in pages, in order of their ids, and each id is looked at once: rows that are
 * deferred meanwhile behind the place reached wait for the next flush, so a flush always ends.
 * Deferred deletes and rows whose vectors are known are settled with the page. The others are handed
 * out in batches that go over the ends of pages, so that n texts take ceil(n / batch) calls.
 *
 * Every worker does the same: take a batch, embed it, store it. The first worker is the thread of
 * the caller, the others live as long as the call. One mutex covers everything but the embedding
 * and the waiting between two attempts: one thread at a time reads, stores and reports. It is
 * never held around the embedder, which may use the store.
 *
 * Rows are stored by their marks: of two flushes that embedded the same row the second finds it
 * settled, and a row that was deferred again stays pending. So a failure needs no undoing: the first
 * one stops the handing out; batches that were already embedded are still stored. */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "core/alloc.h"
#include "core/context.h"
#include "core/floats.h"
#include "core/limits.h"
#include "core/result.h"
#include "dispatch.h"

enum {
    BATCH_DEFAULT = 10,
    ATTEMPTS_DEFAULT = 3,
    BACKOFF_DEFAULT_MS = 1000,
    BACKOFF_LOOK_MS = 50 /* a worker that waits looks at the cancel flag this often */
};

struct flush {
    const struct store_call *c;
    const char *name_space;
    rag_embedder how;
    size_t dimension;
    pthread_mutex_t mutex; /* all below */
    rag_result *page;
    size_t next;       /* of the rows of the page */
    int last_page;     /* there is none behind it */
    rag_status status; /* of the first failure */
    rag_error why;
    rag_token token; /* the newest one of what was stored */
    rag_flush_figures figures;
};

/* Copies of the rows: the page may be gone while they are embedded. */
struct batch {
    struct arena arena;
    rag_pending_vector *rows;
    rag_slice *texts;
    float *vectors;
    size_t count;
};

struct worker {
    struct flush *f;
    struct batch batch;
    pthread_t thread;
};

/* ---- under the mutex ------------------------------------------------------------------------------ */

static void fail_flush(struct flush *f, rag_status status, const rag_error *why)
{
    if (f->status != RAG_OK)
        return;
    f->status = status;
    f->why = *why;
}

/* Store rows with their vectors, and carry out the deletes among them. */
static rag_status settle(struct flush *f, const rag_pending_vector *rows, size_t n,
                         uint64_t *applied, rag_error *err)
{
    rag_token token = 0;
    RAG_TRY(vector_resolve(f->c, f->name_space, rows, n, 0, applied, &token, err));
    if (token > f->token)
        f->token = token;
    const rag_flush_figures *done = &f->figures;
    context_progress(&f->c->ctx, "embedding", done->stored + done->deleted + *applied, 0, 0, 0);
    return RAG_OK;
}

/* Of the rows that need no embedding: one write for the deletes, one for the known vectors. */
static rag_status settle_known(struct flush *f, int deletes, uint64_t *applied, rag_error *err)
{
    const size_t n = f->page->count;
    rag_pending_vector *rows = rag_alloc_array(n, sizeof *rows);
    size_t count = 0;
    if (!rows)
        return rag_fail_memory(err);
    for (size_t i = 0; i < n; i++) {
        const rag_row *row = &f->page->rows[i];
        if (deletes ? !row->found : row->found && row->vector)
            rows[count++] =
                (rag_pending_vector){ row->key, row->number, row->vector, row->dimension };
    }
    const rag_status status = count ? settle(f, rows, count, applied, err) : RAG_OK;
    rag_free(rows);
    return status;
}

static rag_status load_page(struct flush *f, rag_error *err)
{
    rag_result *page = rag_result_new(err);
    if (!page)
        return RAG_E_NO_MEMORY;
    const rag_slice after = f->page ? f->page->next : slice_of("", 0);
    const rag_status status = f->c->driver->vector.pending_scan(&f->c->call, f->name_space, after,
                                                                LIMIT_FLUSH_PAGE_ROWS, page, err);
    rag_result_free(f->page);
    f->page = page;
    f->next = 0;
    f->last_page = status != RAG_OK || !page->next.len;
    RAG_TRY(status);
    uint64_t deleted = 0, stored = 0;
    RAG_TRY(settle_known(f, 1, &deleted, err));
    f->figures.deleted += deleted;
    RAG_TRY(settle_known(f, 0, &stored, err));
    f->figures.stored += stored;
    return RAG_OK;
}

static rag_status add_row(struct batch *b, const rag_row *row, size_t dimension, rag_error *err)
{
    const char *id = arena_copy(&b->arena, row->key.data, row->key.len);
    const char *text = arena_copy(&b->arena, row->key2.data, row->key2.len);
    if (!id || !text)
        return rag_fail_memory(err);
    b->rows[b->count] = (rag_pending_vector){ slice_of(id, row->key.len), row->number,
                                              b->vectors + b->count * dimension, dimension };
    b->texts[b->count] = slice_of(text, row->key2.len);
    b->count++;
    return RAG_OK;
}

static rag_status fill_batch(struct flush *f, struct batch *b, rag_error *err)
{
    while (b->count < f->how.batch) {
        if (f->page && f->next < f->page->count) {
            const rag_row *row = &f->page->rows[f->next++];
            if (row->found && !row->vector)
                RAG_TRY(add_row(b, row, f->dimension, err));
        } else if (f->last_page) {
            break;
        } else {
            RAG_TRY(context_check(&f->c->ctx, err));
            RAG_TRY(load_page(f, err));
        }
    }
    return RAG_OK;
}

/* ---- one batch ------------------------------------------------------------------------------------ */

static void take_batch(struct flush *f, struct batch *b)
{
    arena_free(&b->arena);
    b->arena = (struct arena){ 0 };
    b->count = 0;
    (void)pthread_mutex_lock(&f->mutex);
    if (f->status == RAG_OK) {
        rag_error why = RAG_ERROR_INIT;
        const rag_status status = fill_batch(f, b, &why);
        if (status != RAG_OK) {
            fail_flush(f, status, &why);
            b->count = 0;
        }
    }
    (void)pthread_mutex_unlock(&f->mutex);
}

static void store_batch(struct flush *f, const struct batch *b)
{
    rag_error why = RAG_ERROR_INIT;
    uint64_t applied = 0;
    (void)pthread_mutex_lock(&f->mutex);
    f->figures.embedded += b->count;
    f->figures.batches++;
    const rag_status status = settle(f, b->rows, b->count, &applied, &why);
    f->figures.stored += applied;
    if (status != RAG_OK)
        fail_flush(f, status, &why);
    (void)pthread_mutex_unlock(&f->mutex);
}

static rag_status check_vectors(const struct batch *b, size_t dimension, rag_error *err)
{
    for (size_t i = 0; i < b->count; i++) {
        const float *v = b->rows[i].vector;
        const size_t bad = floats_first_bad(v, dimension);
        if (bad != dimension)
            return rag_fail(
                err, RAG_E_INVALID, "the embedder gave vector '%.*s' an element %zu that is %s",
                RAG_SHOWN(b->rows[i].id), bad, isnan(v[bad]) ? "not a number" : "infinite");
    }
    return RAG_OK;
}

/* One call of the embedder. What it leaves out stays NaN, and is found. */
static rag_status embed_once(const struct flush *f, struct batch *b, rag_error *err)
{
    const size_t floats = b->count * f->dimension;
    for (size_t i = 0; i < floats; i++)
        b->vectors[i] = NAN;
    *err = (rag_error)RAG_ERROR_INIT;
    const rag_status status =
        f->how.embed(f->how.user, b->texts, b->count, f->dimension, b->vectors, err);
    if (status != RAG_OK && err->status != status) {
        const int retryable = err->retryable;
        (void)rag_fail(err, status, "the embedder failed without saying why");
        err->retryable = retryable;
    }
    return status == RAG_OK ? check_vectors(b, f->dimension, err) : status;
}

/* RAG_OK when the time is over; not when the flush has failed elsewhere meanwhile. */
static rag_status wait_ms(struct flush *f, int64_t ms, rag_error *err)
{
    const int64_t end = context_now_ns() + ms * 1000000;
    for (;;) {
        (void)pthread_mutex_lock(&f->mutex);
        const rag_status others = f->status;
        (void)pthread_mutex_unlock(&f->mutex);
        if (others != RAG_OK)
            return rag_fail(err, others, "given up after a failure in another batch");
        RAG_TRY(context_check(&f->c->ctx, err));
        const int64_t left = end - context_now_ns();
        if (left <= 0)
            return RAG_OK;
        const int64_t step = left < BACKOFF_LOOK_MS * 1000000 ? left : BACKOFF_LOOK_MS * 1000000;
        const struct timespec t = { 0, (long)step };
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
    }
}

static void note_retry(struct flush *f, unsigned attempt, const rag_error *why)
{
    (void)pthread_mutex_lock(&f->mutex);
    context_log(&f->c->ctx, RAG_LOG_WARNING, "embedding of '%s': attempt %u failed: %s",
                f->name_space, attempt, why->message);
    (void)pthread_mutex_unlock(&f->mutex);
}

static rag_status embed_batch(struct flush *f, struct batch *b, rag_error *err)
{
    int64_t wait = f->how.backoff_ms;
    for (unsigned attempt = 1;; attempt++) {
        RAG_TRY(context_check(&f->c->ctx, err));
        const rag_status status = embed_once(f, b, err);
        if (status == RAG_OK || attempt >= f->how.attempts || !err->retryable)
            return status;
        note_retry(f, attempt, err);
        rag_error stopped = RAG_ERROR_INIT;
        if (wait_ms(f, wait, &stopped) != RAG_OK) {
            *err = stopped;
            return stopped.status;
        }
        wait = wait < LIMIT_FLUSH_BACKOFF_MS / 2 ? wait * 2 : LIMIT_FLUSH_BACKOFF_MS;
        (void)pthread_mutex_lock(&f->mutex);
        f->figures.retries++;
        (void)pthread_mutex_unlock(&f->mutex);
    }
}

/* ---- the workers ---------------------------------------------------------------------------------- */

static rag_status prepare_batch(const struct flush *f, struct batch *b, rag_error *err)
{
    b->rows = rag_alloc_array(f->how.batch, sizeof *b->rows);
    b->texts = rag_alloc_array(f->how.batch, sizeof *b->texts);
    b->vectors = rag_alloc_array(f->how.batch * f->dimension, sizeof *b->vectors);
    return b->rows && b->texts && b->vectors ? RAG_OK : rag_fail_memory(err);
}

static void free_batch(struct batch *b)
{
    arena_free(&b->arena);
    rag_free(b->rows);
    rag_free(b->texts);
    rag_free(b->vectors);
}

static void work(struct flush *f, struct batch *b)
{
    for (take_batch(f, b); b->count; take_batch(f, b)) {
        rag_error why = RAG_ERROR_INIT;
        const rag_status status = embed_batch(f, b, &why);
        if (status == RAG_OK) {
            store_batch(f, b);
            continue;
        }
        (void)pthread_mutex_lock(&f->mutex);
        fail_flush(f, status, &why);
        (void)pthread_mutex_unlock(&f->mutex);
    }
}

static void *run_worker(void *memory)
{
    struct worker *w = memory;
    rag_error why = RAG_ERROR_INIT;
    /* Short of memory: the others do the work. */
    if (prepare_batch(w->f, &w->batch, &why) == RAG_OK)
        work(w->f, &w->batch);
    free_batch(&w->batch);
    return NULL;
}

static rag_status run(struct flush *f, rag_error *err)
{
    struct batch own = { 0 };
    const size_t others = f->how.concurrency - 1;
    size_t started = 0;
    struct worker *workers = rag_alloc_zeroed(others, sizeof *workers);
    rag_status status = workers ? prepare_batch(f, &own, err) : rag_fail_memory(err);
    if (status == RAG_OK) {
        for (; started < others; started++) {
            workers[started].f = f;
            if (pthread_create(&workers[started].thread, NULL, run_worker, &workers[started]) != 0)
                break; /* as many as there can be */
        }
        work(f, &own);
    }
    for (size_t i = 0; i < started; i++)
        (void)pthread_join(workers[i].thread, NULL);
    rag_free(workers);
    free_batch(&own);
    return status;
}

/* ---- the call --------------------------------------------------------------------------------------- */

static rag_status check_embedder(const rag_embedder *embedder, rag_embedder *out, rag_error *err)
{
    const rag_embedder defaults = RAG_EMBEDDER_INIT;
    *out = defaults;
    RAG_TRY(copy_options(embedder, sizeof *out, out, sizeof *out, "rag_embedder", err));
    if (!out->embed)
        return rag_fail(err, RAG_E_INVALID, "rag_embedder has no function");
    out->batch = out->batch ? out->batch : BATCH_DEFAULT;
    out->concurrency = out->concurrency ? out->concurrency : 1;
    out->attempts = out->attempts ? out->attempts : ATTEMPTS_DEFAULT;
    out->backoff_ms = out->backoff_ms ? out->backoff_ms : BACKOFF_DEFAULT_MS;
    if (out->batch > LIMIT_FLUSH_BATCH)
        out->batch = LIMIT_FLUSH_BATCH;
    if (out->concurrency > LIMIT_FLUSH_THREADS)
        out->concurrency = LIMIT_FLUSH_THREADS;
    if (out->backoff_ms > LIMIT_FLUSH_BACKOFF_MS)
        out->backoff_ms = LIMIT_FLUSH_BACKOFF_MS;
    return RAG_OK;
}

static rag_status run_flush(struct flush *f, rag_error *err)
{
    rag_error why = RAG_ERROR_INIT;
    (void)pthread_mutex_init(&f->mutex, NULL); /* cannot fail on Linux */
    /* The first page is read before anything is prepared: most often nothing is pending. */
    rag_status status = load_page(f, &why);
    const int is_idle = status == RAG_OK && !f->page->count && f->last_page;
    if (status == RAG_OK && !is_idle)
        status = run(f, &why);
    if (status == RAG_OK && f->status != RAG_OK) {
        status = f->status;
        why = f->why;
    }
    const int wrote = f->figures.stored + f->figures.deleted != 0;
    rag_outcome outcome = RAG_OUTCOME_UNKNOWN; /* some of it, if anything was written */
    if (status == RAG_OK && wrote) {
        status = f->c->driver->backend.flush(&f->c->call, f->token, &why);
        outcome = RAG_OUTCOME_APPLIED;
    }
    if (status != RAG_OK && wrote && why.outcome == RAG_OUTCOME_NOT_APPLIED)
        why.outcome = outcome;
    status = rag_pass(status, &why, err);
    rag_result_free(f->page);
    (void)pthread_mutex_destroy(&f->mutex);
    return status;
}

rag_status rag_vector_flush(rag_store *store, const rag_context *ctx, const char *name_space,
                            const rag_embedder *embedder, rag_flush_figures *figures,
                            rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter_kind(store, ctx, STORE_VECTOR, name_space, STORE_WRITE, &c, err));
    struct flush f = { .c = &c, .name_space = name_space };
    rag_flush_figures callers = { .struct_size = sizeof callers };
    rag_vector_space space = RAG_VECTOR_SPACE_INIT;
    rag_error why = RAG_ERROR_INIT;
    RAG_TRY(check_embedder(embedder, &f.how, err));
    if (figures)
        RAG_TRY(copy_options(figures, sizeof callers, &callers, sizeof callers, "rag_flush_figures",
                             err));
    if (c.call.txn)
        return rag_fail(err, RAG_E_INVALID,
                        "a flush runs in no transaction: it would hold the store while it embeds");
    rag_status status = c.driver->vector.describe(&c.call, name_space, &space, &why);
    f.dimension = space.dimension;
    if (status == RAG_OK)
        status = run_flush(&f, &why);
    else if (status == RAG_E_NOT_FOUND)
        status = RAG_OK; /* not defined: nothing is pending */
    status = rag_pass(status, &why, err);
    if (figures) {
        f.figures.struct_size = figures->struct_size;
        memcpy(figures, &f.figures, sizeof f.figures);
    }
    return status;
}
