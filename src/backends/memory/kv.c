/* Values by key. The library has checked the values, given them their members and removed equal
 * keys; what is left is to keep them, and the time of creation of a row that is replaced. */
#include "state.h"

static rag_status kv_get_many(const rag_call *call, const char *name_space, const rag_slice *keys,
                              size_t n, rag_result *out, rag_error *err)
{
    return memory_rows_get(call, KIND_KV, name_space, keys, n, ROW_VALUE, out, err);
}

static int64_t stored_time(int64_t given, int64_t when_zero)
{
    if (given == RAG_TIME_UNKNOWN)
        return 0;
    return given ? given : when_zero;
}

static rag_status put_item(struct write *w, struct space *space, const rag_kv_item *item,
                           int64_t now, rag_error *err)
{
    const struct row *old = (const struct row *)memory_map_find(space->rows, item->key);
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
    const int64_t now = memory_now();
    for (size_t i = 0; i < n; i++) {
        MEMORY_TRY(memory_check(w->call, i, err));
        MEMORY_TRY(put_item(w, space, &items[i], now, err));
    }
    return RAG_OK;
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

static rag_status kv_scan(const rag_call *call, const char *name_space, rag_slice after,
                          size_t limit, rag_result *out, rag_error *err)
{
    return memory_rows_scan(call, KIND_KV, name_space, after, limit, ROW_VALUE, out, err);
}

static rag_status kv_count(const rag_call *call, const char *name_space, uint64_t *count,
                           rag_error *err)
{
    (void)err;
    struct version *v = memory_version_read(call);
    *count = memory_map_count(memory_version_rows(v, KIND_KV, name_space));
    memory_version_release(call->host, v);
    return RAG_OK;
}

static rag_status kv_drop(const rag_call *call, const char *name_space, rag_error *err)
{
    static const enum kind kinds[] = { KIND_KV };
    return memory_rows_drop(call, kinds, 1, name_space, err);
}

const rag_kv_table memory_kv = {
    .struct_size = sizeof memory_kv,
    .get_many = kv_get_many,
    .put_many = kv_put_many,
    .delete_many = kv_delete_many,
    .scan = kv_scan,
    .count = kv_count,
    .drop = kv_drop,
};
