/* Vectors that are still to be embedded: rag_vector_defer_many() and the steps of a flush.
 *
 * A row that is deferred gets its text here: given, or the member "content" of its payload, so that
 * backends need not look into payloads. Of equal ids in one call only the last reaches a backend.
 * What is pending, and whose, is the backend's: these functions check and hand over. A space that is
 * not defined has nothing pending, and deleting in it does nothing. */
#include "core/alloc.h"
#include "core/json.h"
#include "core/json_members.h"
#include "core/result.h"
#include "core/slice_index.h"
#include "core/utf8.h"
#include "dispatch.h"

/* ---- deferring ---------------------------------------------------------------------------------- */

/* The member "content" of the payload, copied into the arena. */
static rag_status content_of(struct arena *arena, rag_pending_item *item, rag_error *err)
{
    static const char *const MEMBERS[] = { "content" };
    char *memory = NULL;
    RAG_TRY(json_string_members(item->value, MEMBERS, 1, &item->content, &memory, err));
    const size_t len = item->content.len;
    char *copy = arena_copy(arena, item->content.data, len);
    rag_free(memory);
    if (!copy)
        return rag_fail_memory(err);
    item->content = slice_of(copy, len);
    if (!len)
        return rag_fail(
            err, RAG_E_INVALID,
            "vector '%.*s' has no text to embed: none was given, and its payload has no "
            "member \"content\"",
            RAG_SHOWN(item->id));
    return RAG_OK;
}

static rag_status check_item(struct arena *arena, rag_pending_item *item, rag_error *err)
{
    RAG_TRY(check_key(item->id, "vector id", err));
    RAG_TRY(check_slice(item->value, "a payload", err));
    RAG_TRY(check_slice(item->content, "a text", err));
    if (item->created_at < RAG_TIME_UNKNOWN)
        return rag_fail(err, RAG_E_INVALID, "vector '%.*s' has a negative time",
                        RAG_SHOWN(item->id));
    RAG_TRY(json_check_object(item->value, "payload of vector", item->id, err));
    if (!item->content.len)
        return content_of(arena, item, err);
    if (utf8_valid_prefix(item->content.data, item->content.len) != item->content.len)
        return rag_fail(err, RAG_E_INVALID, "the text of vector '%.*s' is not UTF-8",
                        RAG_SHOWN(item->id));
    return RAG_OK;
}

static rag_status prepare(const rag_pending_item *items, size_t n, struct prepared *out,
                          rag_error *err)
{
    RAG_TRY(check_count(items, n, "pending vectors", err));
    rag_pending_item *ready = arena_alloc(&out->arena, n * sizeof *ready);
    if (!ready)
        return rag_fail_memory(err);
    struct slice_index seen = SLICE_INDEX_INIT;
    rag_status status = RAG_OK;
    size_t count = 0;
    for (size_t i = 0; i < n && status == RAG_OK; i++) {
        rag_pending_item item = items[i];
        size_t at;
        status = check_item(&out->arena, &item, err);
        if (status == RAG_OK)
            status = slice_index_place(&seen, item.id, &count, &at, err);
        if (status == RAG_OK)
            ready[at] = item;
    }
    slice_index_free(&seen);
    out->items = ready;
    out->count = count;
    return status;
}

rag_status rag_vector_defer_many(rag_store *store, const rag_context *ctx, const char *name_space,
                                 const rag_pending_item *items, size_t n, rag_token *token,
                                 rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter_kind(store, ctx, STORE_VECTOR, name_space, STORE_WRITE, &c, err));
    struct prepared ready = { 0 };
    rag_token written = 0;
    rag_status status = prepare(items, n, &ready, err);
    if (status == RAG_OK && ready.count)
        status = c.driver->vector.pending_put(&c.call, name_space, ready.items, ready.count,
                                              &written, err);
    if (status == RAG_OK && token)
        *token = written;
    arena_free(&ready.arena);
    return status;
}

rag_status rag_vector_defer_delete(rag_store *store, const rag_context *ctx, const char *name_space,
                                   const rag_slice *ids, size_t n, rag_token *token, rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter_kind(store, ctx, STORE_VECTOR, name_space, STORE_WRITE, &c, err));
    RAG_TRY(check_keys(ids, n, "vector id", err));
    struct prepared unique = { 0 };
    rag_token written = 0;
    rag_status status = unique_keys(ids, n, &unique, err);
    if (status == RAG_OK && unique.count)
        status = c.driver->vector.pending_delete(&c.call, name_space, unique.items, unique.count,
                                                 &written, err);
    if (status == RAG_OK && token)
        *token = written;
    arena_free(&unique.arena);
    return status;
}

/* ---- the steps of a flush ------------------------------------------------------------------------- */

rag_status rag_vector_pending(rag_store *store, const rag_context *ctx, const char *name_space,
                              rag_slice after, size_t limit, rag_result **out, rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter_kind(store, ctx, STORE_VECTOR, name_space, STORE_READ, &c, err));
    rag_result *rows;
    RAG_TRY(store_begin_page(after, out, &rows, err));
    const rag_status status =
        c.driver->vector.pending_scan(&c.call, name_space, after, clamp_scan(limit), rows, err);
    return store_hand_over_page(status, rows, out);
}

static rag_status check_resolved(const char *name_space, const rag_vector_space *space,
                                 const rag_pending_vector *v, int keep, rag_error *err)
{
    RAG_TRY(check_key(v->id, "vector id", err));
    if (v->vector)
        return vector_check(name_space, space, v->vector, v->dimension, v->id, err);
    if (keep)
        return rag_fail(err, RAG_E_INVALID, "vector '%.*s' is NULL: there is nothing to remember",
                        RAG_SHOWN(v->id));
    return RAG_OK;
}

rag_status vector_resolve(const struct store_call *c, const char *name_space,
                          const rag_pending_vector *vectors, size_t n, int keep, uint64_t *applied,
                          rag_token *token, rag_error *err)
{
    RAG_TRY(check_count(vectors, n, "pending vectors", err));
    rag_vector_space space = RAG_VECTOR_SPACE_INIT;
    uint64_t done = 0;
    rag_token written = 0;
    if (n) {
        RAG_TRY(c->driver->vector.describe(&c->call, name_space, &space, err));
        for (size_t i = 0; i < n; i++)
            RAG_TRY(check_resolved(name_space, &space, &vectors[i], keep, err));
        RAG_TRY(c->driver->vector.pending_resolve(&c->call, name_space, vectors, n, keep, &done,
                                                  &written, err));
    }
    if (applied)
        *applied = done;
    if (token)
        *token = written;
    return RAG_OK;
}

rag_status rag_vector_resolve(rag_store *store, const rag_context *ctx, const char *name_space,
                              const rag_pending_vector *vectors, size_t n, int keep,
                              uint64_t *applied, rag_token *token, rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter_kind(store, ctx, STORE_VECTOR, name_space, STORE_WRITE, &c, err));
    return vector_resolve(&c, name_space, vectors, n, keep != 0, applied, token, err);
}

rag_status rag_vector_drop_pending(rag_store *store, const rag_context *ctx, const char *name_space,
                                   uint64_t *dropped, rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter_kind(store, ctx, STORE_VECTOR, name_space, STORE_WRITE, &c, err));
    uint64_t gone = 0;
    RAG_TRY(c.driver->vector.pending_drop(&c.call, name_space, &gone, err));
    if (dropped)
        *dropped = gone;
    return RAG_OK;
}
