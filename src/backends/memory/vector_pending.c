/* Vectors that are still to be embedded: a map of rows beside the rows of each space.
 *
 * A store here belongs to one handle, so everything pending is its own, and goes with it. The mark of
 * a row comes from a counter of the store: the same id deferred again has a new one. Rows of a space
 * of type float16 keep a vector that is known before the flush as they will keep it later. */
#include <string.h>

#include "state.h"

/* The parts of a pending row. */
enum { PART_VALUE = 0, PART_TEXT = 1, PARTS = 2 };

/* ---- deferring ---------------------------------------------------------------------------------- */

static int64_t next_mark(const struct write *w)
{
    struct memory *m = w->call->self;
    return atomic_fetch_add_explicit(&m->last_mark, 1, memory_order_relaxed) + 1;
}

static rag_status put_item(struct write *w, struct space *space, const rag_pending_item *item,
                           int64_t now, rag_error *err)
{
    const rag_slice parts[PARTS] = { item->value, item->content };
    struct row *row = memory_row_new(w->call->host, item->id, parts, PARTS, 0);
    if (!row)
        return memory_no_memory(w->call->host, err);
    row->created_at = item->created_at ? item->created_at : now;
    if (item->created_at == RAG_TIME_UNKNOWN)
        row->created_at = 0;
    row->mark = next_mark(w);
    return memory_rows_put(w, space, row, err);
}

static rag_status put_items(struct write *w, const char *name_space, const rag_pending_item *items,
                            size_t n, rag_error *err)
{
    struct space *space;
    if (!memory_version_space(w->work, KIND_VECTOR, name_space))
        return w->call->host->fail(err, RAG_E_NOT_FOUND, "vector space '%s' is not defined",
                                   name_space);
    MEMORY_TRY(memory_write_space(w, KIND_PENDING, name_space, &space, err));
    const int64_t now = memory_now();
    for (size_t i = 0; i < n; i++) {
        MEMORY_TRY(memory_check(w->call, i, err));
        MEMORY_TRY(put_item(w, space, &items[i], now, err));
    }
    return RAG_OK;
}

rag_status memory_pending_put(const rag_call *call, const char *name_space,
                              const rag_pending_item *items, size_t n, rag_token *token,
                              rag_error *err)
{
    struct write w;
    MEMORY_TRY(memory_write_begin(call, &w, err));
    return memory_write_end(&w, put_items(&w, name_space, items, n, err), token, err);
}

static rag_status put_deletes(struct write *w, const char *name_space, const rag_slice *ids,
                              size_t n, rag_error *err)
{
    struct space *space;
    if (!memory_version_space(w->work, KIND_VECTOR, name_space))
        return RAG_OK;
    MEMORY_TRY(memory_write_space(w, KIND_PENDING, name_space, &space, err));
    for (size_t i = 0; i < n; i++) {
        MEMORY_TRY(memory_check(w->call, i, err));
        struct row *row = memory_row_new(w->call->host, ids[i], NULL, 0, 0);
        if (row) {
            row->is_deleted = 1;
            row->mark = next_mark(w);
        }
        MEMORY_TRY(memory_rows_put(w, space, row, err));
    }
    return RAG_OK;
}

rag_status memory_pending_delete(const rag_call *call, const char *name_space, const rag_slice *ids,
                                 size_t n, rag_token *token, rag_error *err)
{
    struct write w;
    MEMORY_TRY(memory_write_begin(call, &w, err));
    return memory_write_end(&w, put_deletes(&w, name_space, ids, n, err), token, err);
}

rag_status memory_pending_discard(struct write *w, const char *name_space, const rag_slice *ids,
                                  size_t stride, size_t n, rag_error *err)
{
    struct space *space;
    uint64_t removed = 0;
    if (!memory_map_count(memory_version_rows(w->work, KIND_PENDING, name_space)))
        return RAG_OK;
    MEMORY_TRY(memory_write_space(w, KIND_PENDING, name_space, &space, err));
    for (size_t i = 0; i < n; i++) {
        rag_slice id;
        memcpy(&id, (const char *)ids + i * stride, sizeof id);
        MEMORY_TRY(memory_rows_remove(w, space, id, &removed, err));
    }
    return RAG_OK;
}

/* ---- reading ------------------------------------------------------------------------------------- */

static rag_status get(const rag_call *call, const struct version *v, const char *name_space,
                      const rag_slice *ids, size_t n, unsigned what, rag_result *out,
                      rag_error *err)
{
    const struct map rows = memory_version_rows(v, KIND_VECTOR, name_space);
    const struct map pending = memory_version_rows(v, KIND_PENDING, name_space);
    for (size_t i = 0; i < n; i++) {
        MEMORY_TRY(memory_check(call, i, err));
        const struct row *row = (const struct row *)memory_map_find(pending, ids[i]);
        if (!row)
            row = (const struct row *)memory_map_find(rows, ids[i]);
        const rag_row absent = { .key = ids[i] };
        MEMORY_TRY(row && !row->is_deleted ? memory_row_append(call, row, what, out, err)
                                           : call->host->row_append(out, &absent, err));
    }
    return RAG_OK;
}

rag_status memory_pending_get(const rag_call *call, const char *name_space, const rag_slice *ids,
                              size_t n, unsigned what, rag_result *out, rag_error *err)
{
    struct version *v = memory_version_read(call);
    const rag_status status = get(call, v, name_space, ids, n, what, out, err);
    memory_version_release(call->host, v);
    return status;
}

static rag_status scan(const rag_call *call, struct map rows, rag_slice after, size_t limit,
                       rag_result *out, rag_error *err)
{
    const struct item *item = memory_map_above(rows, after);
    rag_slice last = after;
    for (size_t i = 0; item && i < limit; i++) {
        const struct row *row = (const struct row *)item;
        const rag_row answer = { .key = item->key,
                                 .key2 = row->parts[PART_TEXT],
                                 .value = row->parts[PART_VALUE],
                                 .found = !row->is_deleted,
                                 .created_at = row->created_at,
                                 .number = row->mark,
                                 .vector = row->vector,
                                 .dimension = row->dimension };
        MEMORY_TRY(memory_check(call, i, err));
        MEMORY_TRY(call->host->row_append(out, &answer, err));
        last = item->key;
        item = memory_map_above(rows, last);
    }
    return item ? call->host->result_next(out, last, err) : RAG_OK;
}

rag_status memory_pending_scan(const rag_call *call, const char *name_space, rag_slice after,
                               size_t limit, rag_result *out, rag_error *err)
{
    struct version *v = memory_version_read(call);
    const rag_status status =
        scan(call, memory_version_rows(v, KIND_PENDING, name_space), after, limit, out, err);
    memory_version_release(call->host, v);
    return status;
}

/* ---- settling ------------------------------------------------------------------------------------- */

/* The row with its vector in place of the row without. */
static rag_status remember(struct write *w, struct space *pending, const struct space *space,
                           const struct row *old, const rag_vector_item *item, rag_error *err)
{
    struct row *row =
        memory_row_new(w->call->host, old->item.key, old->parts, PARTS, item->dimension);
    if (!row)
        return memory_no_memory(w->call->host, err);
    row->created_at = old->created_at;
    row->mark = old->mark;
    const rag_status status = memory_vector_copy(w->call, space, item, row->vector, err);
    if (status != RAG_OK) {
        memory_item_release(w->call->host, &row->item);
        return status;
    }
    return memory_rows_put(w, pending, row, err);
}

static rag_status wrong_use(const rag_call *call, rag_slice id, int is_deleted, rag_error *err)
{
    const int shown = id.len < 120 ? (int)id.len : 120;
    return call->host->fail(err, RAG_E_INVALID,
                            is_deleted ? "'%.*s' is a deferred delete and takes no vector"
                                       : "'%.*s' waits for a vector and is no deferred delete",
                            shown, (const char *)id.data);
}

static rag_status settle(struct write *w, struct space *pending, struct space *space,
                         const rag_pending_vector *v, int keep, uint64_t *applied, rag_error *err)
{
    const struct row *old = (const struct row *)memory_map_find(pending->rows, v->id);
    uint64_t removed = 0;
    if (!old || old->mark != v->mark)
        return RAG_OK;
    if (old->is_deleted == !!v->vector)
        return wrong_use(w->call, v->id, old->is_deleted, err);
    const rag_vector_item item = { v->id, v->vector, v->dimension, old->parts[PART_VALUE],
                                   old->created_at ? old->created_at : RAG_TIME_UNKNOWN };
    ++*applied;
    if (keep)
        return remember(w, pending, space, old, &item, err);
    MEMORY_TRY(old->is_deleted ? memory_rows_remove(w, space, v->id, &removed, err)
                               : memory_vector_put(w, space, &item, 0, err));
    return memory_rows_remove(w, pending, v->id, &removed, err);
}

static rag_status settle_all(struct write *w, const char *name_space,
                             const rag_pending_vector *vectors, size_t n, int keep,
                             uint64_t *applied, rag_error *err)
{
    struct space *pending, *space;
    if (!memory_version_space(w->work, KIND_VECTOR, name_space))
        return RAG_OK;
    MEMORY_TRY(memory_write_space(w, KIND_VECTOR, name_space, &space, err));
    MEMORY_TRY(memory_write_space(w, KIND_PENDING, name_space, &pending, err));
    for (size_t i = 0; i < n; i++) {
        MEMORY_TRY(memory_check(w->call, i, err));
        MEMORY_TRY(settle(w, pending, space, &vectors[i], keep, applied, err));
    }
    return RAG_OK;
}

rag_status memory_pending_resolve(const rag_call *call, const char *name_space,
                                  const rag_pending_vector *vectors, size_t n, int keep,
                                  uint64_t *applied, rag_token *token, rag_error *err)
{
    struct write w;
    uint64_t done = 0;
    MEMORY_TRY(memory_write_begin(call, &w, err));
    const rag_status status = settle_all(&w, name_space, vectors, n, keep, &done, err);
    MEMORY_TRY(memory_write_end(&w, status, token, err));
    *applied = done;
    return RAG_OK;
}

rag_status memory_pending_drop(const rag_call *call, const char *name_space, uint64_t *dropped,
                               rag_error *err)
{
    struct write w;
    struct space *space;
    MEMORY_TRY(memory_write_begin(call, &w, err));
    const uint64_t rows = memory_map_count(memory_version_rows(w.work, KIND_PENDING, name_space));
    rag_status status = RAG_OK;
    if (rows) {
        status = memory_write_space(&w, KIND_PENDING, name_space, &space, err);
        if (status == RAG_OK) {
            memory_map_release(call->host, space->rows);
            space->rows = (struct map){ NULL };
        }
    }
    MEMORY_TRY(memory_write_end(&w, status, NULL, err));
    *dropped = rows;
    return RAG_OK;
}
