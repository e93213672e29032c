/* Versions and the writer's turn.
 *
 * Why versions: readers then never wait, a batch is seen whole or not at all, a transaction is
 * isolated and its abort costs nothing, and none of that needs a lock while a slot works. What it
 * costs is a few hundred bytes per row changed.
 *
 * Invariants: a version that is `current` never changes. The maps of a version that is not yet
 * current are changed by the one thread that has the turn. The mutex is held to take or replace the
 * pointer and to take or give the turn, never while anything else happens. */
#include "state.h"

#include <errno.h>
#include <string.h>
#include <time.h>

/* A waiting writer looks at its cancel flag this often. */
#define TURN_LOOK_NS INT64_C(20000000)

int64_t memory_now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec;
}

static int64_t monotonic_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

rag_status memory_check(const rag_call *call, size_t i, rag_error *err)
{
    return i % 64 == 0 ? call->host->check(call->ctx, err) : RAG_OK;
}

/* ---- namespaces --------------------------------------------------------------------------------- */

static void space_dispose(const rag_host *host, struct item *item)
{
    struct space *s = (struct space *)item;
    memory_map_release(host, s->rows);
    host->free(s);
}

static struct space *space_new(const rag_host *host, enum kind kind, const char *name)
{
    const size_t len = strlen(name);
    struct space *s = host->alloc(sizeof *s + len + 1);
    if (!s)
        return NULL;
    memset(s, 0, sizeof *s);
    atomic_init(&s->item.references, 1);
    memcpy(s->name, name, len + 1);
    s->item.key = rag_text(s->name);
    s->item.dispose = space_dispose;
    s->kind = kind;
    return s;
}

struct space *memory_version_space(const struct version *version, enum kind kind, const char *name)
{
    return (struct space *)memory_map_find(version->spaces[kind], rag_text(name));
}

struct map memory_version_rows(const struct version *version, enum kind kind, const char *name)
{
    const struct space *s = memory_version_space(version, kind, name);
    return s ? s->rows : (struct map){ NULL };
}

/* ---- versions ----------------------------------------------------------------------------------- */

static struct version *version_copy(const rag_host *host, const struct version *from)
{
    struct version *v = host->alloc(sizeof *v);
    if (!v)
        return NULL;
    atomic_init(&v->references, 1);
    v->token = from->token;
    for (int kind = 0; kind < KIND_COUNT; kind++)
        v->spaces[kind] = memory_map_retain(from->spaces[kind]);
    return v;
}

void memory_version_release(const rag_host *host, struct version *v)
{
    if (!v || atomic_fetch_sub_explicit(&v->references, 1, memory_order_acq_rel) != 1)
        return;
    for (int kind = 0; kind < KIND_COUNT; kind++)
        memory_map_release(host, v->spaces[kind]);
    host->free(v);
}

static struct version *retain_current(struct memory *m)
{
    (void)pthread_mutex_lock(&m->mutex);
    struct version *v = m->current;
    atomic_fetch_add_explicit(&v->references, 1, memory_order_relaxed);
    (void)pthread_mutex_unlock(&m->mutex);
    return v;
}

struct version *memory_version_read(const rag_call *call)
{
    if (!call->txn)
        return retain_current(call->self);
    struct version *v = call->txn;
    atomic_fetch_add_explicit(&v->references, 1, memory_order_relaxed);
    return v;
}

rag_status memory_state_init(struct memory *m, rag_error *err)
{
    pthread_condattr_t attributes;
    int code = pthread_condattr_init(&attributes);
    if (code)
        return memory_map_error(m->host, code, "preparing the writer's turn", err);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    code = pthread_cond_init(&m->turn_free, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    if (code)
        return memory_map_error(m->host, code, "preparing the writer's turn", err);
    (void)pthread_mutex_init(&m->mutex, NULL); /* cannot fail on Linux */
    const struct version empty = { .token = 0 };
    m->current = version_copy(m->host, &empty);
    if (!m->current) {
        (void)pthread_mutex_destroy(&m->mutex);
        (void)pthread_cond_destroy(&m->turn_free);
        return memory_no_memory(m->host, err);
    }
    return RAG_OK;
}

void memory_state_destroy(struct memory *m)
{
    memory_version_release(m->host, m->current);
    (void)pthread_mutex_destroy(&m->mutex);
    (void)pthread_cond_destroy(&m->turn_free);
}

/* ---- the writer's turn ---------------------------------------------------------------------------- */

/* One step of waiting: until `until`, the next look at the cancel flag, or the turn is free. The
 * mutex is held. */
static void wait_step(struct memory *m, int64_t until)
{
    const int64_t look = monotonic_ns() + TURN_LOOK_NS;
    const int64_t ns = look < until ? look : until;
    const struct timespec t = { (time_t)(ns / 1000000000), (long)(ns % 1000000000) };
    (void)pthread_cond_timedwait(&m->turn_free, &m->mutex, &t);
}

static rag_status take_turn(const rag_call *call, rag_error *err)
{
    struct memory *m = call->self;
    const int64_t give_up = call->ctx->deadline_ns ? INT64_MAX /* host->check() sees to it */
                                                   : monotonic_ns() + m->lock_timeout_ms * 1000000;
    rag_status status = RAG_OK;
    (void)pthread_mutex_lock(&m->mutex);
    while (m->writing && status == RAG_OK) {
        wait_step(m, call->ctx->deadline_ns ? call->ctx->deadline_ns : give_up);
        if (!m->writing)
            break;
        (void)pthread_mutex_unlock(&m->mutex);
        status = call->host->check(call->ctx, err);
        if (status == RAG_OK && monotonic_ns() >= give_up)
            status = call->host->fail(err, RAG_E_TIMEOUT,
                                      "the writer's turn did not come within %lld ms",
                                      (long long)m->lock_timeout_ms);
        (void)pthread_mutex_lock(&m->mutex);
    }
    if (status == RAG_OK)
        m->writing = 1;
    (void)pthread_mutex_unlock(&m->mutex);
    if (status == RAG_E_TIMEOUT && err)
        err->retryable = 1;
    return status;
}

/* Give the turn back; `next` (may be NULL) becomes the current version and is taken over. */
static void give_turn(struct memory *m, struct version *next)
{
    struct version *old = NULL;
    (void)pthread_mutex_lock(&m->mutex);
    if (next) {
        old = m->current;
        m->current = next;
    }
    m->writing = 0;
    (void)pthread_cond_signal(&m->turn_free);
    (void)pthread_mutex_unlock(&m->mutex);
    memory_version_release(m->host, old);
}

rag_status memory_begin(const rag_call *call, void **txn, rag_error *err)
{
    struct memory *m = call->self;
    MEMORY_TRY(take_turn(call, err));
    /* Nobody else replaces `current` while we have the turn. */
    struct version *work = version_copy(m->host, m->current);
    if (!work) {
        give_turn(m, NULL);
        return memory_no_memory(m->host, err);
    }
    work->token++;
    *txn = work;
    return RAG_OK;
}

rag_status memory_commit(const rag_call *call, rag_token *token, rag_error *err)
{
    (void)err;
    struct version *work = call->txn;
    *token = work->token;
    give_turn(call->self, work);
    return RAG_OK;
}

void memory_abort(const rag_call *call)
{
    struct memory *m = call->self;
    give_turn(m, NULL);
    memory_version_release(m->host, call->txn);
}

/* ---- writing ------------------------------------------------------------------------------------- */

rag_status memory_write_begin(const rag_call *call, struct write *w, rag_error *err)
{
    void *work = call->txn;
    if (!work)
        MEMORY_TRY(memory_begin(call, &work, err));
    *w = (struct write){ .call = call, .work = work };
    return RAG_OK;
}

rag_status memory_write_space(struct write *w, enum kind kind, const char *name, struct space **out,
                              rag_error *err)
{
    const rag_host *host = w->call->host;
    struct space *copy = space_new(host, kind, name);
    if (!copy)
        return memory_no_memory(host, err);
    const struct space *old = memory_version_space(w->work, kind, name);
    if (old) {
        copy->rows = memory_map_retain(old->rows);
        copy->facts = old->facts;
        copy->limits = old->limits;
    }
    copy->generation = w->work->token;
    w->changed[w->changed_count++] = copy;
    *out = copy;
    return RAG_OK;
}

/* The changed namespaces into the version, all or none. */
static rag_status apply(struct write *w, rag_error *err)
{
    const rag_host *host = w->call->host;
    struct map next[KIND_COUNT];
    for (int kind = 0; kind < KIND_COUNT; kind++)
        next[kind] = memory_map_retain(w->work->spaces[kind]);
    int complete = 1;
    for (size_t i = 0; i < w->changed_count && complete; i++)
        complete = memory_map_put(host, &next[w->changed[i]->kind], &w->changed[i]->item);
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        const struct map unused = complete ? w->work->spaces[kind] : next[kind];
        if (complete)
            w->work->spaces[kind] = next[kind];
        memory_map_release(host, unused);
    }
    return complete ? RAG_OK : memory_no_memory(host, err);
}

rag_status memory_write_end(struct write *w, rag_status status, rag_token *token, rag_error *err)
{
    if (status == RAG_OK)
        status = apply(w, err);
    for (size_t i = 0; i < w->changed_count; i++)
        memory_item_release(w->call->host, &w->changed[i]->item);
    if (w->call->txn) {
        if (status == RAG_OK && token)
            *token = 0;
        return status;
    }
    const rag_token own = w->work->token;
    if (status == RAG_OK) {
        give_turn(w->call->self, w->work);
        if (token)
            *token = own;
    } else {
        give_turn(w->call->self, NULL);
        memory_version_release(w->call->host, w->work);
    }
    return status;
}
