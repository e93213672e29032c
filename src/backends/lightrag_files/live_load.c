/* From a file into the memory backend.
 *
 * The rows of the namespace are dropped and read anew; both is seen by others at the commit only. Rows
 * that were written here since the file was written last are set aside before, and put over what is in
 * the file now: for the keys that were written here, this process wins. What waits to be embedded is
 * set aside too, because it is in memory only.
 *
 * A file that changes while it is read is read again. One that cannot be read is RAG_E_CORRUPT, the
 * rows stay as they were, and nothing writes over it: every save reads first. */
#include <stdio.h>
#include <string.h>

#include "backends/memory/memory.h"
#include "core/alloc.h"
#include "core/limits.h"
#include "core/os.h"
#include "core/result.h"
#include "live.h"
#include "source.h"

enum { TRIES = 10 };

/* ---- rows of a file --------------------------------------------------------------------------------- */

struct loading {
    rag_call call; /* for the memory backend */
    const struct live_file *file;
    const char *model; /* of the summary that is being filled */
    uint32_t dimension;
};

/* One row for each call: a file may name one twice, which slots need not expect. */
static rag_status put_value(const rag_call *call, const char *name, const rag_kv_item *item,
                            rag_error *err)
{
    rag_token token;
    return memory_backend.kv->put_many(call, name, item, 1, &token, err);
}

static rag_status put_doc(const rag_call *call, rag_slice id, rag_slice value, rag_error *err)
{
    rag_doc_fields fields;
    void *memory = NULL;
    rag_token token;
    RAG_TRY(call->host->doc_fields(id, value, &fields, &memory, err));
    const rag_status status = memory_backend.docstatus->put_many(call, &fields, 1, &token, err);
    call->host->free(memory);
    return status;
}

static rag_status put_vector(const rag_call *call, const char *name, const rag_vector_item *item,
                             rag_error *err)
{
    rag_token token;
    return memory_backend.vector->put_many(call, name, item, 1, &token, err);
}

static rag_status put_node(const rag_call *call, rag_slice label, rag_slice value,
                           rag_put_mode mode, rag_error *err)
{
    const rag_node node = { label, value };
    rag_token token;
    return memory_backend.graph->put_nodes(call, &node, 1, mode, &token, err);
}

static rag_status put_edge(const rag_call *call, const rag_edge *edge, rag_put_mode mode,
                           rag_error *err)
{
    rag_token token;
    return memory_backend.graph->put_edges(call, edge, 1, mode, &token, err);
}

static rag_status define(const rag_call *call, const char *name, uint32_t dimension,
                         const char *model, rag_error *err)
{
    rag_vector_space space = RAG_VECTOR_SPACE_INIT, existing;
    space.dimension = dimension;
    space.element = RAG_ELEMENT_FLOAT16;
    (void)snprintf(space.model, sizeof space.model, "%s", model);
    return memory_backend.vector->define(call, name, &space, &existing, err);
}

static rag_status load_vector(struct loading *l, const struct lightrag_batch *b, size_t i,
                              rag_error *err)
{
    const struct lightrag_row *row = &b->rows[i];
    if (!l->dimension) {
        RAG_TRY(define(&l->call, l->file->is.name_space, b->dimension, l->model, err));
        l->dimension = b->dimension;
    }
    const rag_vector_item item = { lightrag_bytes(b, row->key), b->vectors + i * b->dimension,
                                   b->dimension, lightrag_bytes(b, row->value), row->created_at };
    return put_vector(&l->call, l->file->is.name_space, &item, err);
}

static rag_status load_row(struct loading *l, const struct lightrag_batch *b, size_t i,
                           rag_error *err)
{
    const struct lightrag_row *row = &b->rows[i];
    const rag_slice key = lightrag_bytes(b, row->key), key2 = lightrag_bytes(b, row->key2),
                    value = lightrag_bytes(b, row->value);
    if (!key.len || key.len > LIMIT_KEY_BYTES || key2.len > LIMIT_KEY_BYTES ||
        (b->kind == LIGHTRAG_EDGES && !key2.len))
        return rag_fail(err, RAG_E_CORRUPT, "%s: a key has %zu bytes", l->file->is.path,
                        key.len && b->kind == LIGHTRAG_EDGES ? key2.len : key.len);
    switch (b->kind) {
    case LIGHTRAG_KV: {
        const rag_kv_item item = { key, value, row->created_at, row->updated_at };
        return put_value(&l->call, l->file->is.name_space, &item, err);
    }
    case LIGHTRAG_DOCS: return put_doc(&l->call, key, value, err);
    case LIGHTRAG_VECTORS: return load_vector(l, b, i, err);
    case LIGHTRAG_NODES: return put_node(&l->call, key, value, RAG_PUT_MERGE, err);
    case LIGHTRAG_EDGES: break;
    }
    const rag_edge edge = { key, key2, value };
    return put_edge(&l->call, &edge, RAG_PUT_MERGE, err);
}

static rag_status take_batch(void *ctx, struct lightrag_batch **batch, rag_error *err)
{
    struct loading *l = ctx;
    RAG_TRY(l->call.host->check(l->call.ctx, err));
    for (size_t i = 0; i < (*batch)->count; i++)
        RAG_TRY(load_row(l, *batch, i, err));
    lightrag_batch_clear(*batch);
    return RAG_OK;
}

/* ---- a file ----------------------------------------------------------------------------------------- */

static rag_status read_rows(struct loading *l, struct lightrag_source *source, rag_error *err)
{
    struct lightrag_batch batch;
    struct lightrag_summary summary = LIGHTRAG_SUMMARY_INIT;
    const struct lightrag_sink sink = { l, take_batch };
    const struct lightrag_input input = lightrag_source_input(source);
    const struct live_file *f = l->file;
    lightrag_batch_init(&batch);
    struct lightrag_job job = { &input, f->is.name_space, &sink, &batch, &summary, 0, 1 };
    l->model = summary.model;
    rag_status status = lightrag_read_file(f->is.kind, &job, err);
    if (status == RAG_OK && summary.dimension && !l->dimension)
        status = define(&l->call, f->is.name_space, summary.dimension, summary.model, err);
    lightrag_batch_free(&batch);
    lightrag_summary_free(&summary);
    return status;
}

/* What the reader says, with the directory and the way out. */
static rag_status with_advice(const struct live_file *f, rag_status status, rag_error *err)
{
    if (status != RAG_E_CORRUPT && status != RAG_E_MISMATCH && status != RAG_E_UNSUPPORTED)
        return status;
    if (!err)
        return status;
    const rag_error why = *err;
    const int named = strstr(why.message, f->is.name) != NULL;
    return rag_fail(err, status,
                    "%s%s%s; the file was left as it is: 'ragstore import --salvage' saves every "
                    "row that is whole",
                    named ? "" : f->is.path, named ? "" : ": ", why.message);
}

/* 0 in *same: the file was changed meanwhile. */
static rag_status read_file(const rag_call *inner, struct live_stage *s, int *same, rag_error *err)
{
    struct loading l = { .call = *inner, .file = s->file };
    struct lightrag_source source;
    struct stat before, after;
    atomic_int stop = 0;
    atomic_ullong place = 0;
    *same = 1;
    s->stamp = live_stamp_now(s->file);
    if (!s->stamp.exists)
        return RAG_OK;
    RAG_TRY(lightrag_source_open(&source, &s->file->is, &stop, &place, err));
    rag_status status = RAG_OK;
    if (os_calls.fstat(source.fd, &before) != 0)
        status = rag_fail(err, RAG_E_IO, "look at %s", s->file->is.path);
    if (status == RAG_OK)
        status = read_rows(&l, &source, err);
    if (os_calls.fstat(source.fd, &after) == 0 && (status == RAG_OK || status == RAG_E_CORRUPT)) {
        const struct live_stamp then = live_stamp_of(&after);
        s->stamp = live_stamp_of(&before);
        *same = live_stamp_same(&s->stamp, &then);
    }
    lightrag_source_close(&source);
    return with_advice(s->file, status, err);
}

static rag_status drop_rows(const rag_call *inner, const struct live_file *f, rag_error *err)
{
    switch (f->is.kind) {
    case LIGHTRAG_FILE_KV: return memory_backend.kv->drop(inner, f->is.name_space, err);
    case LIGHTRAG_FILE_VECTOR: return memory_backend.vector->drop(inner, f->is.name_space, err);
    case LIGHTRAG_FILE_GRAPH: return memory_backend.graph->drop(inner, err);
    case LIGHTRAG_FILE_DOC_STATUS: return memory_backend.docstatus->drop(inner, err);
    case LIGHTRAG_FILE_SKIPPED: break;
    }
    return RAG_OK;
}

/* ---- what was written here -------------------------------------------------------------------------- */

/* Rows that go over those of the file, and the rows that wait to be embedded. */
struct kept {
    const struct live_changes *changes[2]; /* those of the file, then those of the transaction */
    rag_result *rows;                      /* one for each LIVE_ROW and LIVE_EDGE, in order */
    rag_result *pending;
    rag_vector_space space;
    int has_space;
};

static rag_status keep_row(const rag_call *inner, const struct live_file *f,
                           const struct live_key *key, rag_result *out, rag_error *err)
{
    const rag_pair pair = { key->key, key->key2 };
    if (key->what == LIVE_EDGE)
        return memory_backend.graph->get_edges(inner, &pair, 1, RAG_GRAPH_VALUES, out, err);
    switch (f->is.kind) {
    case LIGHTRAG_FILE_KV:
        return memory_backend.kv->get_many(inner, f->is.name_space, &key->key, 1, out, err);
    case LIGHTRAG_FILE_VECTOR:
        return memory_backend.vector->get_many(inner, f->is.name_space, &key->key, 1,
                                               RAG_VECTOR_VALUES | RAG_VECTOR_VECTORS, out, err);
    case LIGHTRAG_FILE_GRAPH:
        return memory_backend.graph->get_nodes(inner, &key->key, 1, RAG_GRAPH_VALUES, out, err);
    case LIGHTRAG_FILE_DOC_STATUS:
    case LIGHTRAG_FILE_SKIPPED: break;
    }
    return memory_backend.docstatus->get_many(inner, &key->key, 1, out, err);
}

static int has_row(const struct live_key *key)
{
    return key->what == LIVE_ROW || key->what == LIVE_EDGE;
}

/* All pages of what is pending, which is then dropped: get_many() would answer with it. */
static rag_status keep_pending(const rag_call *inner, const char *name, rag_result *out,
                               rag_error *err)
{
    uint64_t dropped = 0;
    RAG_TRY(
        memory_backend.vector->pending_scan(inner, name, slice_of(NULL, 0), SIZE_MAX, out, err));
    return memory_backend.vector->pending_drop(inner, name, &dropped, err);
}

static rag_status keep(const rag_call *inner, const struct live_file *f, struct kept *k,
                       rag_error *err)
{
    k->rows = rag_result_new(err);
    k->pending = k->rows ? rag_result_new(err) : NULL;
    if (!k->pending)
        return RAG_E_NO_MEMORY;
    if (f->is.kind == LIGHTRAG_FILE_VECTOR) {
        k->has_space =
            memory_backend.vector->describe(inner, f->is.name_space, &k->space, NULL) == RAG_OK;
        RAG_TRY(keep_pending(inner, f->is.name_space, k->pending, err));
    }
    for (size_t set = 0; set < 2; set++)
        for (size_t i = 0; i < k->changes[set]->count; i++)
            if (has_row(&k->changes[set]->keys[i]))
                RAG_TRY(keep_row(inner, f, &k->changes[set]->keys[i], k->rows, err));
    return RAG_OK;
}

/* A time of a row as a put wants it. */
static int64_t known_time(int64_t time)
{
    return time ? time : RAG_TIME_UNKNOWN;
}

static rag_status put_back(const rag_call *inner, const struct live_file *f, const rag_row *row,
                           rag_error *err)
{
    const char *name = f->is.name_space;
    const rag_kv_item item = { row->key, row->value, known_time(row->created_at),
                               known_time(row->updated_at) };
    const rag_vector_item vector = { row->key, row->vector, row->dimension, row->value,
                                     known_time(row->created_at) };
    switch (f->is.kind) {
    case LIGHTRAG_FILE_KV: return put_value(inner, name, &item, err);
    case LIGHTRAG_FILE_VECTOR: return put_vector(inner, name, &vector, err);
    case LIGHTRAG_FILE_GRAPH: return put_node(inner, row->key, row->value, RAG_PUT_REPLACE, err);
    case LIGHTRAG_FILE_DOC_STATUS: return put_doc(inner, row->key, row->value, err);
    case LIGHTRAG_FILE_SKIPPED: break;
    }
    return RAG_OK;
}

static rag_status take_away(const rag_call *inner, const struct live_file *f, const rag_slice *key,
                            rag_error *err)
{
    const char *name = f->is.name_space;
    uint64_t deleted;
    rag_token token;
    switch (f->is.kind) {
    case LIGHTRAG_FILE_KV:
        return memory_backend.kv->delete_many(inner, name, key, 1, &deleted, &token, err);
    case LIGHTRAG_FILE_VECTOR:
        return memory_backend.vector->delete_many(inner, name, key, 1, &deleted, &token, err);
    case LIGHTRAG_FILE_GRAPH:
        return memory_backend.graph->delete_nodes(inner, key, 1, &deleted, &token, err);
    case LIGHTRAG_FILE_DOC_STATUS:
    case LIGHTRAG_FILE_SKIPPED: break;
    }
    return memory_backend.docstatus->delete_many(inner, key, 1, &deleted, &token, err);
}

static rag_status bring_edge(const rag_call *inner, const struct live_key *key, const rag_row *row,
                             rag_error *err)
{
    const rag_edge edge = { row->key, row->key2, row->value };
    const rag_pair pair = { key->key, key->key2 };
    uint64_t deleted;
    rag_token token;
    if (row->found)
        return put_edge(inner, &edge, RAG_PUT_REPLACE, err);
    return memory_backend.graph->delete_edges(inner, &pair, 1, &deleted, &token, err);
}

/* Deletes of more than one row, which come first: what was put after them is in rows of its own. */
static rag_status bring_deletes(const rag_call *inner, const struct live_file *f,
                                const struct live_changes *c, rag_error *err)
{
    uint64_t deleted;
    rag_token token;
    for (size_t i = 0; i < c->count; i++) {
        if (c->keys[i].what == LIVE_CLEARED)
            RAG_TRY(take_away(inner, f, &c->keys[i].key, err));
        if (c->keys[i].what == LIVE_NAMED)
            RAG_TRY(memory_backend.vector->delete_named(inner, f->is.name_space, &c->keys[i].key, 1,
                                                        &deleted, &token, err));
    }
    return RAG_OK;
}

/* Rows, then edges: an edge makes ends that are missing, a node that is deleted takes its edges. */
static rag_status bring_rows(const rag_call *inner, const struct live_file *f, const struct kept *k,
                             enum live_change what, rag_error *err)
{
    size_t place = 0;
    for (size_t set = 0; set < 2; set++) {
        for (size_t i = 0; i < k->changes[set]->count; i++) {
            const struct live_key *key = &k->changes[set]->keys[i];
            if (!has_row(key))
                continue;
            const rag_row *row = rag_result_row(k->rows, place++);
            if (key->what != what)
                continue;
            if (what == LIVE_EDGE)
                RAG_TRY(bring_edge(inner, key, row, err));
            else
                RAG_TRY(row->found ? put_back(inner, f, row, err)
                                   : take_away(inner, f, &key->key, err));
        }
    }
    return RAG_OK;
}

static rag_status bring_pending(const rag_call *inner, const char *name, const rag_result *pending,
                                rag_error *err)
{
    rag_vector_space there;
    rag_token token;
    if (memory_backend.vector->describe(inner, name, &there, NULL) != RAG_OK)
        return RAG_OK; /* somebody dropped the space, and with it what waited */
    for (size_t i = 0; i < rag_result_count(pending); i++) {
        const rag_row *row = rag_result_row(pending, i);
        const rag_pending_item item = { row->key, row->value, row->key2,
                                        known_time(row->created_at) };
        RAG_TRY(row->found ? memory_backend.vector->pending_put(inner, name, &item, 1, &token, err)
                           : memory_backend.vector->pending_delete(inner, name, &row->key, 1,
                                                                   &token, err));
    }
    return RAG_OK;
}

/* The space as it was here, when rows of it are to come back. */
static rag_status bring_space(const rag_call *inner, const char *name, const struct kept *k,
                              rag_error *err)
{
    rag_vector_space there;
    if (!k->has_space || (!k->changes[0]->dirty && !k->changes[1]->dirty))
        return RAG_OK;
    if (memory_backend.vector->describe(inner, name, &there, NULL) != RAG_OK)
        return memory_backend.vector->define(inner, name, &k->space, &there, err);
    if (there.dimension == k->space.dimension)
        return RAG_OK;
    return rag_fail(err, RAG_E_CONFLICT,
                    "vector space '%s' has dimension %u in its file now, and rows of dimension %u "
                    "that were not written yet: open the store again to go on without them",
                    name, there.dimension, k->space.dimension);
}

static rag_status bring(const rag_call *inner, const struct live_file *f, const struct kept *k,
                        rag_error *err)
{
    if (f->is.kind == LIGHTRAG_FILE_VECTOR)
        RAG_TRY(bring_space(inner, f->is.name_space, k, err));
    for (size_t set = 0; set < 2; set++)
        RAG_TRY(bring_deletes(inner, f, k->changes[set], err));
    RAG_TRY(bring_rows(inner, f, k, LIVE_ROW, err));
    RAG_TRY(bring_rows(inner, f, k, LIVE_EDGE, err));
    return f->is.kind == LIGHTRAG_FILE_VECTOR
               ? bring_pending(inner, f->is.name_space, k->pending, err)
               : RAG_OK;
}

/* ---- both -------------------------------------------------------------------------------------------- */

static rag_status read_until_whole(const rag_call *inner, struct live_stage *s, rag_error *err)
{
    for (int i = 0; i < TRIES; i++) {
        int same = 0;
        RAG_TRY(drop_rows(inner, s->file, err));
        const rag_status status = read_file(inner, s, &same, err);
        if (same)
            return status;
    }
    const rag_status status =
        rag_fail(err, RAG_E_IO, "%s changed %d times while it was read", s->file->is.path, TRIES);
    rag_error_retryable(err, 1);
    return status;
}

rag_status live_load(const rag_call *call, struct live_txn *t, struct live_stage *s, rag_error *err)
{
    const rag_call inner = live_inner_call(call, t);
    struct kept k = { .changes = { &s->file->changes, &s->changes } };
    if (s->changes.dropped || s->file->changes.dropped) {
        s->stamp = live_stamp_now(s->file); /* nothing of it is wanted */
        s->loaded = 1;
        return RAG_OK;
    }
    rag_status status = keep(&inner, s->file, &k, err);
    if (status == RAG_OK)
        status = read_until_whole(&inner, s, err);
    if (status == RAG_OK)
        status = bring(&inner, s->file, &k, err);
    rag_result_free(k.rows);
    rag_result_free(k.pending);
    s->loaded = status == RAG_OK;
    return status;
}
