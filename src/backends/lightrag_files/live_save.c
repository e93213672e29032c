/* From the memory backend into files.
 *
 * Who saves has the writer's turn of his instance and then the lock of the directory, so two of our
 * processes never write at once: the second finds the file changed, reads it, puts its own rows over it
 * and writes both. LightRAG does not know the lock. A file that it replaces while ours is being written
 * beside it is noticed just before the rename, and everything begins again; only between that look and
 * the rename something can be lost, and that is a few microseconds.
 *
 * A file is written whole under another name, synced and renamed, then the directory is synced: under
 * its name there is the old file or the new one at any moment. */
#include <string.h>

#include "backends/memory/memory.h"
#include "core/alloc.h"
#include "core/limits.h"
#include "core/os.h"
#include "core/result.h"
#include "file_writer.h"
#include "live.h"
#include "whole_file.h"

#define LOCK_NAME ".ragstore.lock"

enum { TRIES = 100 };

/* ---- the rows of a file ------------------------------------------------------------------------------ */

struct pages {
    rag_call call; /* for the memory backend */
    const char *name_space;
};

static rag_status scan(const struct pages *p, enum lightrag_kind kind, rag_slice after,
                       size_t limit, rag_result *out, rag_error *err)
{
    switch (kind) {
    case LIGHTRAG_KV:
        return memory_backend.kv->scan(&p->call, p->name_space, after, limit, out, err);
    case LIGHTRAG_DOCS: return memory_backend.docstatus->scan(&p->call, after, limit, out, err);
    case LIGHTRAG_NODES:
        return memory_backend.graph->scan_nodes(&p->call, after, limit, RAG_GRAPH_VALUES, out, err);
    case LIGHTRAG_EDGES:
        return memory_backend.graph->scan_edges(&p->call, after, limit, RAG_GRAPH_VALUES, out, err);
    case LIGHTRAG_VECTORS: break;
    }
    return memory_backend.vector->scan(&p->call, p->name_space, after, limit,
                                       RAG_VECTOR_VALUES | RAG_VECTOR_VECTORS, out, err);
}

static rag_status page(void *ctx, enum lightrag_kind kind, rag_slice after, size_t limit,
                       rag_result **out, rag_error *err)
{
    rag_result *rows = rag_result_new(err);
    if (!rows)
        return RAG_E_NO_MEMORY;
    const rag_status status = scan(ctx, kind, after, limit, rows, err);
    if (status == RAG_OK)
        *out = rows;
    else
        rag_result_free(rows);
    return status;
}

static rag_status look_around(void *ctx, uint64_t rows, rag_error *err)
{
    const struct pages *p = ctx;
    (void)rows;
    return p->call.host->check(p->call.ctx, err);
}

/* ---- what is to become of a file ---------------------------------------------------------------------- */

enum fate { FATE_NONE, FATE_WRITE, FATE_REMOVE };

/* As LightRAG leaves a namespace without rows: {} of values and documents; nothing of a vector space
 * or a graph that was dropped. A file that never was is not made for nothing. */
static rag_status choose_fate(const rag_call *inner, const struct live_stage *s, enum fate *fate,
                              struct lightrag_space *space, rag_vector_space *facts, rag_error *err)
{
    const char *name = s->file->is.name_space;
    const int dropped = s->changes.dropped || s->file->changes.dropped;
    uint64_t rows = 0, edges = 0;
    rag_result *docs;
    *fate = FATE_WRITE;
    switch (s->file->is.kind) {
    case LIGHTRAG_FILE_KV: RAG_TRY(memory_backend.kv->count(inner, name, &rows, err)); break;
    case LIGHTRAG_FILE_VECTOR:
        rows = memory_backend.vector->describe(inner, name, facts, NULL) == RAG_OK;
        *space = (struct lightrag_space){ facts->dimension, facts->model };
        if (!rows)
            *fate = FATE_REMOVE;
        break;
    case LIGHTRAG_FILE_GRAPH:
        RAG_TRY(memory_backend.graph->count(inner, &rows, &edges, err));
        if (!rows && dropped)
            *fate = FATE_REMOVE;
        break;
    case LIGHTRAG_FILE_DOC_STATUS:
    case LIGHTRAG_FILE_SKIPPED:
        docs = rag_result_new(err);
        if (!docs)
            return RAG_E_NO_MEMORY;
        const rag_status status =
            memory_backend.docstatus->scan(inner, slice_of(NULL, 0), 1, docs, err);
        rows = rag_result_count(docs);
        rag_result_free(docs);
        RAG_TRY(status);
        break;
    }
    if (!rows && !s->stamp.exists)
        *fate = FATE_NONE;
    return RAG_OK;
}

/* Just before the name changes hands: is it still the file that was read? */
static int is_unchanged(const struct live_stage *s)
{
    const struct live_stamp now = live_stamp_now(s->file);
    return live_stamp_same(&now, &s->stamp);
}

static rag_status write_file(const rag_call *inner, struct live_stage *s,
                             const struct lightrag_space *space, int *done, rag_error *err)
{
    struct pages pages = { *inner, s->file->is.name_space };
    const struct lightrag_rows rows = { &pages, page, look_around };
    struct lightrag_written written;
    struct whole_file f;
    struct stat st;
    RAG_TRY(whole_file_open(&f, s->file->is.path, err));
    const struct lightrag_output out = whole_file_output(&f);
    rag_status status = lightrag_write_file(s->file->is.kind, space, &rows, &out, &written, err);
    if (status == RAG_OK)
        status = whole_file_sync(&f, &st, err);
    *done = status == RAG_OK && is_unchanged(s);
    if (!*done) {
        whole_file_abort(&f);
        return status;
    }
    RAG_TRY(whole_file_commit(&f, err));
    s->stamp = live_stamp_of(&st);
    return RAG_OK;
}

static rag_status remove_file(struct live_stage *s, int *done, rag_error *err)
{
    *done = is_unchanged(s);
    if (!*done)
        return RAG_OK;
    RAG_TRY(os_unlink(s->file->is.path, err));
    s->stamp = (struct live_stamp){ 0 };
    return RAG_OK;
}

static rag_status try_to_save(const rag_call *inner, struct live_stage *s, int *done,
                              rag_error *err)
{
    struct lightrag_space space = { 0, "" };
    rag_vector_space facts = RAG_VECTOR_SPACE_INIT;
    enum fate fate;
    RAG_TRY(choose_fate(inner, s, &fate, &space, &facts, err));
    if (fate == FATE_WRITE)
        return write_file(inner, s, &space, done, err);
    if (fate == FATE_REMOVE)
        return remove_file(s, done, err);
    *done = is_unchanged(s);
    return RAG_OK;
}

static rag_status save_file(const rag_call *call, struct live_txn *t, struct live_stage *s,
                            rag_error *err)
{
    const rag_call inner = live_inner_call(call, t);
    for (int i = 0; i < TRIES; i++) {
        int done = 0;
        RAG_TRY(call->host->check(call->ctx, err));
        if (!is_unchanged(s))
            RAG_TRY(live_load(call, t, s, err));
        RAG_TRY(try_to_save(&inner, s, &done, err));
        if (done) {
            s->saved = 1;
            return RAG_OK;
        }
    }
    const rag_status status = rag_fail(err, RAG_E_CONFLICT,
                                       "%s changed %d times while it was to be replaced: nothing "
                                       "was written",
                                       s->file->is.path, TRIES);
    rag_error_retryable(err, 1);
    return status;
}

/* ---- the directory ------------------------------------------------------------------------------------ */

static rag_status take_lock(const rag_call *call, rag_error *err)
{
    struct live *l = call->self;
    if (!l->gate_attached) {
        char *path = os_join(l->directory, LOCK_NAME);
        if (!path)
            return rag_fail_memory(err);
        const rag_status status = gate_attach(l->gate, path, err);
        rag_free(path);
        RAG_TRY(status);
        l->gate_attached = 1;
    }
    const int64_t deadline = call->ctx->deadline_ns
                                 ? call->ctx->deadline_ns
                                 : context_now_ns() + l->lock_timeout_ms * 1000000;
    const rag_status status = gate_acquire(l->gate, call->ctx, deadline, err);
    if (status == RAG_E_TIMEOUT)
        rag_error_retryable(err, 1);
    return status;
}

static int has_work(const struct live_stage *s)
{
    return !s->file->in_memory_only && (s->changes.dirty || s->file->changes.dirty);
}

rag_status live_save(const rag_call *call, struct live_txn *t, struct live_stage *s, rag_error *err)
{
    struct live *l = call->self;
    if (!has_work(s))
        return RAG_OK;
    RAG_TRY(take_lock(call, err));
    rag_status status = save_file(call, t, s, err);
    gate_release(l->gate);
    RAG_TRY(status);
    status = os_sync_directory(l->directory, err);
    if (status != RAG_OK)
        rag_error_outcome(err, RAG_OUTCOME_UNKNOWN);
    return status;
}

/* A transaction for each file: one that cannot be read or written is as it was, and holds up no other.
 * What was renamed counts as written even when the directory could not be synced. */
static rag_status save_one(const rag_call *call, struct live_file *f, rag_error *err)
{
    struct live_txn t;
    struct live_stage *stage = NULL;
    RAG_TRY(live_txn_begin(call, &t, err));
    rag_status status = RAG_OK;
    if (f->changes.dirty)
        status = live_stage(call, &t, f, &stage, err);
    if (status == RAG_OK && stage)
        status = live_save(call, &t, stage, err);
    if (!stage || !stage->saved) {
        live_txn_abort(call, &t);
        return status;
    }
    const rag_status committed = live_txn_commit(call, &t, NULL, status == RAG_OK ? err : NULL);
    return status == RAG_OK ? committed : status;
}

rag_status live_save_all(const rag_call *call, rag_error *err)
{
    struct live *l = call->self;
    const rag_token covered = atomic_load(&l->committed);
    rag_status first = RAG_OK;
    (void)pthread_mutex_lock(&l->mutex);
    struct live_file *f = l->files; /* files are only ever added, at the front */
    (void)pthread_mutex_unlock(&l->mutex);
    for (; f; f = f->next) {
        if (f->in_memory_only)
            continue;
        const rag_status status = save_one(call, f, first == RAG_OK ? err : NULL);
        first = first == RAG_OK ? status : first;
    }
    if (first == RAG_OK)
        atomic_store(&l->durable, covered);
    return first;
}
