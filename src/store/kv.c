/* Values by key: rag_kv_*.
 *
 * A value is parsed once, on its way in: to check it, to take out the members that are not part of
 * it (kv.h) and to see whether a text chunk has its "llm_cache_list". A value that needs no change
 * goes through byte by byte; one that does is cut and joined as text, so that the rest of it keeps
 * its spelling. */
#include <string.h>

#include "core/buffer.h"
#include "core/json_object.h"
#include "core/result.h"
#include "core/slice_index.h"
#include "dispatch.h"

enum { SMALL_OBJECT = 64 };

/* What is looked for in one value. */
struct kv_members {
    unsigned char *drop; /* one for each member */
    int any_dropped;
    int has_cache_list;
    int64_t created_at, updated_at; /* 0: not there */
};

static void look_at_members(const struct json_object *object, struct kv_members *found)
{
    struct json_cursor cursor = json_members(object);
    struct json_member m;
    for (size_t i = 0; json_next(&cursor, &m); i++) {
        const int created = slice_is(m.name, "create_time");
        const int updated = !created && slice_is(m.name, "update_time");
        int64_t seconds;
        found->drop[i] = created || updated || slice_is(m.name, "_id");
        found->any_dropped |= found->drop[i];
        if (slice_is(m.name, "llm_cache_list"))
            found->has_cache_list = 1;
        if ((created || updated) && m.type == JSON_NUMBER && json_integer(m.text, &seconds) &&
            seconds >= 0) {
            /* LightRAG's "create_time": 0 says that nobody knows */
            if (created)
                found->created_at = seconds ? seconds : RAG_TIME_UNKNOWN;
            else
                found->updated_at = seconds;
        }
    }
}

static rag_status change_value(const struct json_object *object, struct kv_members *found,
                               int text_chunks, struct arena *arena, rag_kv_item *item,
                               rag_error *err)
{
    look_at_members(object, found);
    if (found->any_dropped)
        RAG_TRY(json_object_without(object, found->drop, arena, &item->value, err));
    if (text_chunks && !found->has_cache_list)
        RAG_TRY(json_add_member(item->value, "\"llm_cache_list\":[]", arena, &item->value, err));
    if (!item->created_at)
        item->created_at = found->created_at;
    if (!item->updated_at)
        item->updated_at = found->updated_at;
    return RAG_OK;
}

static rag_status prepare_item(rag_kv_item *item, int text_chunks, struct arena *arena,
                               rag_error *err)
{
    RAG_TRY(check_key(item->key, "key", err));
    RAG_TRY(check_slice(item->value, "a value", err));
    if (item->created_at < RAG_TIME_UNKNOWN || item->updated_at < RAG_TIME_UNKNOWN)
        return rag_fail(err, RAG_E_INVALID, "key '%.*s' has a negative time", RAG_SHOWN(item->key));
    struct json_object object;
    RAG_TRY(json_object_parse(item->value, "value of key", item->key, &object, err));
    unsigned char few[SMALL_OBJECT];
    struct kv_members found = { .drop = few };
    rag_status status = RAG_OK;
    if (object.count > SMALL_OBJECT)
        found.drop = arena_alloc(arena, object.count);
    if (found.drop)
        status = change_value(&object, &found, text_chunks, arena, item, err);
    else
        status = rag_fail_memory(err);
    json_object_free(&object);
    return status;
}

/* The later of two items of one key, as if they had been put one after the other: a time of
 * creation that the later leaves open is the earlier's. */
static void replace_item(rag_kv_item *earlier, const rag_kv_item *later)
{
    const int64_t created_at = later->created_at ? later->created_at : earlier->created_at;
    *earlier = *later;
    earlier->created_at = created_at;
}

rag_status kv_prepare(const char *name_space, const rag_kv_item *items, size_t n,
                      struct prepared *out, rag_error *err)
{
    RAG_TRY(check_count(items, n, "items", err));
    const int text_chunks = slice_ends_with(rag_text(name_space), "text_chunks");
    rag_kv_item *ready = arena_alloc(&out->arena, n * sizeof *ready);
    if (!ready)
        return rag_fail_memory(err);
    struct slice_index seen = SLICE_INDEX_INIT;
    rag_status status = RAG_OK;
    size_t count = 0;
    for (size_t i = 0; status == RAG_OK && i < n; i++) {
        rag_kv_item item = items[i];
        const size_t before = count;
        size_t at;
        status = prepare_item(&item, text_chunks, &out->arena, err);
        if (status == RAG_OK)
            status = slice_index_place(&seen, item.key, &count, &at, err);
        if (status == RAG_OK && at < before)
            replace_item(&ready[at], &item);
        else if (status == RAG_OK)
            ready[at] = item;
    }
    slice_index_free(&seen);
    out->items = ready;
    out->count = count;
    return status;
}

rag_status rag_kv_put_many(rag_store *store, const rag_context *ctx, const char *name_space,
                           const rag_kv_item *items, size_t n, rag_token *token, rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter_kind(store, ctx, STORE_KV, name_space, STORE_WRITE, &c, err));
    struct prepared ready = { 0 };
    rag_token written = 0;
    rag_status status = kv_prepare(name_space, items, n, &ready, err);
    if (status == RAG_OK && ready.count)
        status =
            c.driver->kv.put_many(&c.call, name_space, ready.items, ready.count, &written, err);
    if (status == RAG_OK && token)
        *token = written;
    arena_free(&ready.arena);
    return status;
}

rag_status rag_kv_get_many(rag_store *store, const rag_context *ctx, const char *name_space,
                           const rag_slice *keys, size_t n, rag_result **out, rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter_kind(store, ctx, STORE_KV, name_space, STORE_READ, &c, err));
    RAG_TRY(check_out(out, err));
    RAG_TRY(check_keys(keys, n, "key", err));
    rag_result *rows = rag_result_new(err);
    if (!rows)
        return RAG_E_NO_MEMORY;
    rag_status status = RAG_OK;
    if (n)
        status = c.driver->kv.get_many(&c.call, name_space, keys, n, rows, err);
    return store_hand_over(status, rows, out);
}

rag_status rag_kv_delete_many(rag_store *store, const rag_context *ctx, const char *name_space,
                              const rag_slice *keys, size_t n, uint64_t *deleted, rag_token *token,
                              rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter_kind(store, ctx, STORE_KV, name_space, STORE_WRITE, &c, err));
    RAG_TRY(check_keys(keys, n, "key", err));
    uint64_t gone = 0;
    rag_token written = 0;
    if (n)
        RAG_TRY(c.driver->kv.delete_many(&c.call, name_space, keys, n, &gone, &written, err));
    if (deleted)
        *deleted = gone;
    if (token)
        *token = written;
    return RAG_OK;
}

rag_status unique_keys(const rag_slice *keys, size_t n, struct prepared *out, rag_error *err)
{
    rag_slice *unique = arena_alloc(&out->arena, n * sizeof *unique);
    if (!unique)
        return rag_fail_memory(err);
    struct slice_index seen = SLICE_INDEX_INIT;
    rag_status status = slice_index_reserve(&seen, n, err);
    size_t count = 0;
    for (size_t i = 0; status == RAG_OK && i < n; i++) {
        size_t at;
        status = slice_index_place(&seen, keys[i], &count, &at, err);
        if (status == RAG_OK)
            unique[at] = keys[i];
    }
    slice_index_free(&seen);
    out->items = unique;
    out->count = count;
    return status;
}

rag_status rag_kv_filter_missing(rag_store *store, const rag_context *ctx, const char *name_space,
                                 const rag_slice *keys, size_t n, rag_result **out, rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter_kind(store, ctx, STORE_KV, name_space, STORE_READ, &c, err));
    RAG_TRY(check_out(out, err));
    RAG_TRY(check_keys(keys, n, "key", err));
    rag_result *rows = rag_result_new(err);
    if (!rows)
        return RAG_E_NO_MEMORY;
    struct prepared unique = { 0 };
    rag_status status = unique_keys(keys, n, &unique, err);
    if (status == RAG_OK && unique.count)
        status =
            c.driver->kv.filter_missing(&c.call, name_space, unique.items, unique.count, rows, err);
    arena_free(&unique.arena);
    return store_hand_over(status, rows, out);
}

rag_status rag_kv_scan(rag_store *store, const rag_context *ctx, const char *name_space,
                       rag_slice after, size_t limit, rag_result **out, rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter_kind(store, ctx, STORE_KV, name_space, STORE_READ, &c, err));
    rag_result *rows;
    RAG_TRY(store_begin_page(after, out, &rows, err));
    const rag_status status =
        c.driver->kv.scan(&c.call, name_space, after, clamp_scan(limit), rows, err);
    return store_hand_over_page(status, rows, out);
}

rag_status rag_kv_count(rag_store *store, const rag_context *ctx, const char *name_space,
                        uint64_t *count, rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter_kind(store, ctx, STORE_KV, name_space, STORE_READ, &c, err));
    RAG_TRY(check_out(count, err));
    return c.driver->kv.count(&c.call, name_space, count, err);
}

/* A cache by its name, as LightRAG names them. */
static rag_status check_cache(const char *name_space, rag_error *err)
{
    if (!slice_ends_with(rag_text(name_space), "_cache"))
        return rag_fail(err, RAG_E_INVALID,
                        "namespace '%s' is no cache: bounds are for names that end in '_cache'",
                        name_space);
    return RAG_OK;
}

rag_status rag_kv_set_limits(rag_store *store, const rag_context *ctx, const char *name_space,
                             const rag_kv_limits *limits, rag_error *err)
{
    struct store_call c;
    rag_kv_limits full = RAG_KV_LIMITS_INIT;
    RAG_TRY(store_enter_kind(store, ctx, STORE_KV, name_space, STORE_WRITE, &c, err));
    RAG_TRY(check_cache(name_space, err));
    RAG_TRY(copy_options(limits, sizeof full, &full, sizeof full, "rag_kv_limits", err));
    if (full.ttl_s < 0)
        return rag_fail(err, RAG_E_INVALID, "a time to live of %lld seconds",
                        (long long)full.ttl_s);
    return c.driver->kv.set_limits(&c.call, name_space, &full, err);
}

rag_status rag_kv_get_limits(rag_store *store, const rag_context *ctx, const char *name_space,
                             rag_kv_limits *out, rag_error *err)
{
    struct store_call c;
    rag_kv_limits found = RAG_KV_LIMITS_INIT;
    RAG_TRY(store_enter_kind(store, ctx, STORE_KV, name_space, STORE_READ, &c, err));
    RAG_TRY(check_out(out, err));
    RAG_TRY(check_cache(name_space, err));
    RAG_TRY(copy_options(out, sizeof found, &found, sizeof found, "rag_kv_limits", err));
    found.max_bytes = 0;
    found.ttl_s = 0;
    RAG_TRY(c.driver->kv.get_limits(&c.call, name_space, &found, err));
    out->max_bytes = found.max_bytes;
    out->ttl_s = found.ttl_s;
    return RAG_OK;
}

rag_status rag_kv_drop(rag_store *store, const rag_context *ctx, const char *name_space,
                       rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter_kind(store, ctx, STORE_KV, name_space, STORE_WRITE, &c, err));
    return c.driver->kv.drop(&c.call, name_space, err);
}
