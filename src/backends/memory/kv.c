/* Values by key. The library has checked the values, given them their members and removed equal
 * keys; what is left is to keep them, and the time of creation of a row that is replaced.
 *
 * A cache may have bounds. They are kept when something is put: rows past their time go, then the
 * oldest until the rest fits. Between two puts a row may pass its time, so reads look at it too. */
#include <stdlib.h>
#include <string.h>

#include "state.h"

/* Rows written at this time or before are gone; INT64_MIN when none are. */
static int64_t oldest_of(const struct space *space)
{
    return space && space->limits.ttl_s ? memory_now() - space->limits.ttl_s : INT64_MIN;
}

static const struct row *find_row(const struct space *space, int64_t oldest, rag_slice key)
{
    const struct row *row = space ? (const struct row *)memory_map_find(space->rows, key) : NULL;
    return row && row->updated_at > oldest ? row : NULL;
}

/* The first row above `after` that is not past its time. */
static const struct row *next_row(const struct space *space, int64_t oldest, rag_slice after)
{
    const struct row *row = space ? (const struct row *)memory_map_above(space->rows, after) : NULL;
    while (row && row->updated_at <= oldest)
        row = (const struct row *)memory_map_above(space->rows, row->item.key);
    return row;
}

/* ---- reading ------------------------------------------------------------------------------------- */

static rag_status get(const rag_call *call, const struct space *space, const rag_slice *keys,
                      size_t n, rag_result *out, rag_error *err)
{
    const int64_t oldest = oldest_of(space);
    for (size_t i = 0; i < n; i++) {
        MEMORY_TRY(memory_check(call, i, err));
        const struct row *row = find_row(space, oldest, keys[i]);
        const rag_row absent = { .key = keys[i] };
        MEMORY_TRY(row ? memory_row_append(call, row, ROW_VALUE, out, err)
                       : call->host->row_append(out, &absent, err));
    }
    return RAG_OK;
}

static rag_status kv_get_many(const rag_call *call, const char *name_space, const rag_slice *keys,
                              size_t n, rag_result *out, rag_error *err)
{
    struct version *v = memory_version_read(call);
    const rag_status status =
        get(call, memory_version_space(v, KIND_KV, name_space), keys, n, out, err);
    memory_version_release(call->host, v);
    return status;
}

static rag_status scan(const rag_call *call, const struct space *space, rag_slice after,
                       size_t limit, rag_result *out, rag_error *err)
{
    const int64_t oldest = oldest_of(space);
    const struct row *row = next_row(space, oldest, after);
    rag_slice last = after;
    for (size_t i = 0; row && i < limit; i++) {
        MEMORY_TRY(memory_check(call, i, err));
        MEMORY_TRY(memory_row_append(call, row, ROW_VALUE, out, err));
        last = row->item.key;
        row = next_row(space, oldest, last);
    }
    return row ? call->host->result_next(out, last, err) : RAG_OK;
}

static rag_status kv_scan(const rag_call *call, const char *name_space, rag_slice after,
                          size_t limit, rag_result *out, rag_error *err)
{
    struct version *v = memory_version_read(call);
    const rag_status status =
        scan(call, memory_version_space(v, KIND_KV, name_space), after, limit, out, err);
    memory_version_release(call->host, v);
    return status;
}

static rag_status kv_count(const rag_call *call, const char *name_space, uint64_t *count,
                           rag_error *err)
{
    (void)err;
    struct version *v = memory_version_read(call);
    const struct space *space = memory_version_space(v, KIND_KV, name_space);
    const int64_t oldest = oldest_of(space);
    uint64_t rows = 0;
    if (oldest == INT64_MIN)
        rows = memory_map_count(memory_version_rows(v, KIND_KV, name_space));
    else
        for (const struct row *row = next_row(space, oldest, rag_text("")); row;
             row = next_row(space, oldest, row->item.key))
            rows++;
    memory_version_release(call->host, v);
    *count = rows;
    return RAG_OK;
}

/* ---- bounds -------------------------------------------------------------------------------------- */

static int by_age(const void *left, const void *right)
{
    const struct row *a = *(const struct row *const *)left, *b = *(const struct row *const *)right;
    if (a->updated_at != b->updated_at)
        return a->updated_at < b->updated_at ? -1 : 1;
    return memory_compare_keys(a->item.key, b->item.key);
}

/* Remove the rows from the oldest on, while they are past their time or the rest is too large.
 * `rows` was taken from `held`, which keeps them. */
static rag_status remove_oldest(struct write *w, struct space *space, const struct row **rows,
                                size_t n, rag_error *err)
{
    const int64_t oldest = oldest_of(space);
    const uint64_t most = space->limits.max_bytes ? space->limits.max_bytes : UINT64_MAX;
    uint64_t removed = 0;
    qsort(rows, n, sizeof *rows, by_age);
    for (size_t i = 0; i < n; i++) {
        if (rows[i]->updated_at > oldest && memory_map_bytes(space->rows) <= most)
            break;
        MEMORY_TRY(memory_check(w->call, i, err));
        MEMORY_TRY(memory_rows_remove(w, space, rows[i]->item.key, &removed, err));
    }
    return RAG_OK;
}

static rag_status keep_bounds(struct write *w, struct space *space, rag_error *err)
{
    const rag_host *host = w->call->host;
    const size_t count = (size_t)memory_map_count(space->rows);
    if ((!space->limits.max_bytes && !space->limits.ttl_s) || !count)
        return RAG_OK;
    const struct row **rows = host->alloc(count * sizeof *rows);
    if (!rows)
        return memory_no_memory(host, err);
    const struct map held = memory_map_retain(space->rows);
    size_t n = 0;
    for (const struct item *item = memory_map_above(held, rag_text("")); item && n < count;
         item = memory_map_above(held, item->key))
        rows[n++] = (const struct row *)item;
    const rag_status status = remove_oldest(w, space, rows, n, err);
    memory_map_release(host, held);
    host->free(rows);
    return status;
}

static rag_status set_limits(struct write *w, const char *name_space, const rag_kv_limits *limits,
                             rag_error *err)
{
    struct space *space;
    MEMORY_TRY(memory_write_space(w, KIND_KV, name_space, &space, err));
    space->limits = *limits;
    return keep_bounds(w, space, err);
}

static rag_status kv_set_limits(const rag_call *call, const char *name_space,
                                const rag_kv_limits *limits, rag_error *err)
{
    struct write w;
    MEMORY_TRY(memory_write_begin(call, &w, err));
    return memory_write_end(&w, set_limits(&w, name_space, limits, err), NULL, err);
}

static rag_status kv_get_limits(const rag_call *call, const char *name_space, rag_kv_limits *out,
                                rag_error *err)
{
    (void)err;
    struct version *v = memory_version_read(call);
    const struct space *space = memory_version_space(v, KIND_KV, name_space);
    out->max_bytes = space ? space->limits.max_bytes : 0;
    out->ttl_s = space ? space->limits.ttl_s : 0;
    memory_version_release(call->host, v);
    return RAG_OK;
}

/* ---- writing ------------------------------------------------------------------------------------- */

static int64_t stored_time(int64_t given, int64_t when_zero)
{
    if (given == RAG_TIME_UNKNOWN)
        return 0;
    return given ? given : when_zero;
}

static rag_status put_item(struct write *w, struct space *space, int64_t oldest,
                           const rag_kv_item *item, int64_t now, rag_error *err)
{
    const struct row *old = find_row(space, oldest, item->key);
    struct row *row = memory_row_new(w->call->host, item->key, &item->value, 1, 0);
    if (row) {
        row->created_at = stored_time(item->created_at, old ? old->created_at : now);
        row->updated_at = stored_time(item->updated_at, now);
    }
    return memory_rows_put(w, space, row, err);
}

static rag_status put_items(struct write *w, const char *name_space, const rag_kv_item *items,
                            size_t n, rag_error *err)
{
    struct space *space;
    MEMORY_TRY(memory_write_space(w, KIND_KV, name_space, &space, err));
    const int64_t now = memory_now(), oldest = oldest_of(space);
    for (size_t i = 0; i < n; i++) {
        MEMORY_TRY(memory_check(w->call, i, err));
        MEMORY_TRY(put_item(w, space, oldest, &items[i], now, err));
    }
    return keep_bounds(w, space, err);
}

static rag_status kv_put_many(const rag_call *call, const char *name_space,
                              const rag_kv_item *items, size_t n, rag_token *token, rag_error *err)
{
    struct write w;
    MEMORY_TRY(memory_write_begin(call, &w, err));
    return memory_write_end(&w, put_items(&w, name_space, items, n, err), token, err);
}

static rag_status kv_delete_many(const rag_call *call, const char *name_space,
                                 const rag_slice *keys, size_t n, uint64_t *deleted,
                                 rag_token *token, rag_error *err)
{
    return memory_rows_delete(call, KIND_KV, name_space, keys, n, deleted, token, err);
}

/* The bounds of a cache stay. */
static rag_status empty(struct write *w, const char *name_space, rag_error *err)
{
    struct space *space;
    MEMORY_TRY(memory_write_space(w, KIND_KV, name_space, &space, err));
    const struct map rows = space->rows;
    space->rows = (struct map){ NULL };
    memory_map_release(w->call->host, rows);
    return RAG_OK;
}

static rag_status kv_drop(const rag_call *call, const char *name_space, rag_error *err)
{
    struct write w;
    MEMORY_TRY(memory_write_begin(call, &w, err));
    rag_status status = RAG_OK;
    if (memory_version_space(w.work, KIND_KV, name_space))
        status = empty(&w, name_space, err);
    return memory_write_end(&w, status, NULL, err);
}

const rag_kv_table memory_kv = {
    .struct_size = sizeof memory_kv,
    .get_many = kv_get_many,
    .put_many = kv_put_many,
    .delete_many = kv_delete_many,
    .scan = kv_scan,
    .count = kv_count,
    .drop = kv_drop,
    .set_limits = kv_set_limits,
    .get_limits = kv_get_limits,
};
