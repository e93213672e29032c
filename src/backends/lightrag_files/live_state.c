/* Files, and how a slot meets them.
 *
 * Everything that changes rows happens in a transaction of the memory backend, also reading a file:
 * so nobody sees half of a file, an abort undoes a reading with the rest, and those who read meanwhile
 * go on with the version they have. The writer's turn of the memory backend is the one lock of this
 * part; what a transaction knows about files (its stages) becomes true for all at its commit.
 *
 * A read looks at the file's stamp first. When the file has changed it takes the turn to read it; when
 * somebody else has the turn, the rows that are there are the answer, and the next one looks again:
 * readers never wait, but for a file that was never read. */
#include <errno.h>
#include <string.h>

#include "backends/memory/memory.h"
#include "core/alloc.h"
#include "core/os.h"
#include "live.h"

/* ---- stamps ----------------------------------------------------------------------------------------- */

struct live_stamp live_stamp_of(const struct stat *st)
{
    return (struct live_stamp){ 1, st->st_dev, st->st_ino, st->st_size, st->st_mtim };
}

struct live_stamp live_stamp_now(const struct live_file *file)
{
    struct stat st;
    if (os_calls.stat(file->is.path, &st) == 0)
        return live_stamp_of(&st);
    return (struct live_stamp){ errno == ENOENT ? 0 : -1 };
}

int live_stamp_same(const struct live_stamp *a, const struct live_stamp *b)
{
    if (a->exists < 0 || b->exists < 0)
        return 0;
    if (!a->exists || !b->exists)
        return a->exists == b->exists;
    return a->device == b->device && a->inode == b->inode && a->bytes == b->bytes &&
           a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

/* ---- files ------------------------------------------------------------------------------------------ */

static struct live_file *find_known(struct live *l, enum lightrag_file_kind kind, const char *name)
{
    struct live_file *f = l->files;
    while (f && (f->is.kind != kind || strcmp(f->is.name_space, name) != 0))
        f = f->next;
    return f;
}

static rag_status add_file(struct live *l, enum lightrag_file_kind kind, const char *name,
                           struct live_file **out, rag_error *err)
{
    struct live_file *f = rag_alloc_zeroed(1, sizeof *f);
    if (!f)
        return rag_fail_memory(err);
    const rag_status status = lightrag_file_of(l->directory, kind, rag_text(name), &f->is, err);
    if (status != RAG_OK) {
        lightrag_file_free(&f->is);
        rag_free(f);
        return status;
    }
    f->in_memory_only = *name == '.';
    f->next = l->files;
    l->files = f;
    *out = f;
    return RAG_OK;
}

rag_status live_file_find(struct live *l, enum lightrag_file_kind kind, const char *name_space,
                          struct live_file **out, rag_error *err)
{
    if (kind == LIGHTRAG_FILE_GRAPH)
        name_space = l->graph_name;
    else if (kind == LIGHTRAG_FILE_DOC_STATUS)
        name_space = LIGHTRAG_DOCS_NAME;
    (void)pthread_mutex_lock(&l->mutex);
    struct live_file *f = find_known(l, kind, name_space);
    const rag_status status = f ? RAG_OK : add_file(l, kind, name_space, &f, err);
    (void)pthread_mutex_unlock(&l->mutex);
    if (status == RAG_OK)
        *out = f;
    return status;
}

/* *loaded and *stamp: what is known of the file; the answer: whether that is what is on disk. */
static int is_current(struct live *l, const struct live_file *f, int *loaded,
                      struct live_stamp *stamp)
{
    (void)pthread_mutex_lock(&l->mutex);
    *loaded = f->loaded;
    *stamp = f->stamp;
    (void)pthread_mutex_unlock(&l->mutex);
    if (f->in_memory_only)
        return 1;
    const struct live_stamp now = live_stamp_now(f);
    return *loaded && live_stamp_same(stamp, &now);
}

/* ---- transactions ----------------------------------------------------------------------------------- */

rag_call live_inner_call(const rag_call *call, const struct live_txn *t)
{
    const struct live *l = call->self;
    return (rag_call){ l->memory, t ? t->inner : NULL, call->ctx, call->host };
}

rag_status live_txn_begin(const rag_call *call, struct live_txn *t, rag_error *err)
{
    const rag_call inner = live_inner_call(call, NULL);
    *t = (struct live_txn){ 0 };
    return memory_backend.begin(&inner, &t->inner, err);
}

static void free_stages(struct live_txn *t)
{
    while (t->stages) {
        struct live_stage *s = t->stages;
        t->stages = s->next;
        live_changes_clear(&s->changes);
        rag_free(s);
    }
}

void live_txn_abort(const rag_call *call, struct live_txn *t)
{
    const rag_call inner = live_inner_call(call, t);
    free_stages(t);
    memory_backend.abort(&inner);
}

/* Once the rows are there for all, so is what is known about their files. */
static void settle_stages(struct live *l, struct live_txn *t)
{
    (void)pthread_mutex_lock(&l->mutex);
    for (struct live_stage *s = t->stages; s; s = s->next) {
        if (s->loaded || s->saved) {
            s->file->loaded = 1;
            s->file->stamp = s->stamp;
        }
    }
    (void)pthread_mutex_unlock(&l->mutex);
}

/* A failure leaves some keys too many in the file's changes: the next to read the file puts over it a
 * row that is the same. */
static rag_status merge_changes(struct live_txn *t, rag_error *err)
{
    for (struct live_stage *s = t->stages; s; s = s->next)
        if (!s->saved)
            RAG_TRY(live_changes_merge(&s->file->changes, &s->changes, err));
    for (struct live_stage *s = t->stages; s; s = s->next)
        if (s->saved)
            live_changes_clear(&s->file->changes);
    return RAG_OK;
}

rag_status live_txn_commit(const rag_call *call, struct live_txn *t, rag_token *token,
                           rag_error *err)
{
    const rag_call inner = live_inner_call(call, t);
    rag_token own = 0;
    rag_status status = RAG_OK;
    if (t->broken)
        status =
            rag_fail(err, RAG_E_TRANSACTION,
                     "a file could not be read in this transaction: nothing of it was applied");
    if (status == RAG_OK)
        status = merge_changes(t, err);
    if (status != RAG_OK) {
        live_txn_abort(call, t);
        return status;
    }
    status = memory_backend.commit(&inner, &own, err);
    if (status == RAG_OK) {
        struct live *l = call->self;
        atomic_store(&l->committed, own);
        settle_stages(l, t); /* who comes between the two reads a file once more */
    }
    free_stages(t);
    if (status == RAG_OK && token)
        *token = own;
    return status;
}

rag_status live_stage(const rag_call *call, struct live_txn *t, struct live_file *file,
                      struct live_stage **out, rag_error *err)
{
    struct live_stage *s = t->stages;
    while (s && s->file != file)
        s = s->next;
    if (s) {
        *out = s;
        return RAG_OK;
    }
    s = rag_alloc_zeroed(1, sizeof *s);
    if (!s)
        return rag_fail_memory(err);
    s->file = file;
    int loaded;
    if (!is_current(call->self, file, &loaded, &s->stamp)) {
        const rag_status status = live_load(call, t, s, err);
        if (status != RAG_OK) {
            t->broken = 1;
            rag_free(s);
            return status;
        }
    }
    s->next = t->stages;
    t->stages = s;
    *out = s;
    return RAG_OK;
}

/* ---- reading ---------------------------------------------------------------------------------------- */

/* A file that is not there needs no reading. */
static int is_absent(struct live *l, struct live_file *f)
{
    const struct live_stamp now = live_stamp_now(f);
    if (now.exists)
        return 0;
    (void)pthread_mutex_lock(&l->mutex);
    if (!f->loaded) {
        f->loaded = 1;
        f->stamp = now;
    }
    (void)pthread_mutex_unlock(&l->mutex);
    return 1;
}

rag_status live_refresh(const rag_call *call, struct live_file *file, rag_error *err)
{
    struct live_txn t;
    struct live_stage *stage;
    struct live_stamp stamp;
    int loaded;
    if (is_current(call->self, file, &loaded, &stamp) || (!loaded && is_absent(call->self, file)))
        return RAG_OK;
    rag_context at_once = *call->ctx;
    rag_call quick = *call;
    if (loaded) {
        at_once.deadline_ns = 1; /* long past: the turn now, or not at all */
        quick.ctx = &at_once;
    }
    rag_error why = RAG_ERROR_INIT;
    rag_status status = live_txn_begin(&quick, &t, &why);
    if (status == RAG_E_TIMEOUT && loaded)
        return RAG_OK;
    if (status != RAG_OK)
        return rag_pass(status, &why, err);
    status = live_stage(call, &t, file, &stage, err);
    if (status == RAG_OK)
        return live_txn_commit(call, &t, NULL, err);
    live_txn_abort(call, &t);
    return status;
}

/* ---- a slot ----------------------------------------------------------------------------------------- */

rag_status live_visit_begin(const rag_call *call, enum lightrag_file_kind kind,
                            const char *name_space, enum live_access access, struct live_visit *v,
                            rag_error *err)
{
    *v = (struct live_visit){ .outer = call, .access = access, .txn = call->txn };
    RAG_TRY(live_file_find(call->self, kind, name_space, &v->file, err));
    if (!v->txn && access == LIVE_READ) {
        RAG_TRY(live_refresh(call, v->file, err));
        v->call = live_inner_call(call, NULL);
        return RAG_OK;
    }
    if (!v->txn) {
        RAG_TRY(live_txn_begin(call, &v->own, err));
        v->txn = &v->own;
    }
    const rag_status status = live_stage(call, v->txn, v->file, &v->stage, err);
    if (status != RAG_OK && v->txn == &v->own)
        live_txn_abort(call, &v->own);
    v->call = live_inner_call(call, v->txn);
    return status;
}

rag_status live_visit_end(struct live_visit *v, rag_status status, rag_token *token, rag_error *err)
{
    if (v->txn != &v->own)
        return status;
    if (status == RAG_OK && v->access == LIVE_WRITE_DURABLE)
        status = live_save(v->outer, v->txn, v->stage, err);
    if (status == RAG_OK)
        return live_txn_commit(v->outer, v->txn, token, err);
    live_txn_abort(v->outer, v->txn);
    return status;
}
