/* A set of keys in the order in which they came. A key that is there already is not added again, so
 * the set is no larger than what was touched, however often. */
#include "live_changes.h"

#include <string.h>

#include "core/alloc.h"

/* What, the length of the key, the key, the other key: in memory of the arena. */
static char *encode(struct arena *arena, enum live_change what, rag_slice key, rag_slice key2,
                    size_t *len)
{
    const size_t head = 1 + sizeof key.len;
    char *text = arena_alloc(arena, head + key.len + key2.len);
    if (!text)
        return NULL;
    text[0] = (char)what;
    memcpy(text + 1, &key.len, sizeof key.len);
    if (key.len)
        memcpy(text + head, key.data, key.len);
    if (key2.len)
        memcpy(text + head + key.len, key2.data, key2.len);
    *len = head + key.len + key2.len;
    return text;
}

static rag_status grow(struct live_changes *c, rag_error *err)
{
    if (c->count < c->capacity)
        return RAG_OK;
    const size_t capacity = c->capacity ? c->capacity * 2 : 16;
    struct live_key *more = rag_realloc(c->keys, capacity * sizeof *more);
    if (!more)
        return rag_fail_memory(err);
    c->keys = more;
    c->capacity = capacity;
    return RAG_OK;
}

static rag_status add_new(struct live_changes *c, enum live_change what, rag_slice key,
                          rag_slice key2, rag_error *err)
{
    size_t len = 0;
    RAG_TRY(grow(c, err));
    const char *text = encode(&c->arena, what, key, key2, &len);
    if (!text)
        return rag_fail_memory(err);
    RAG_TRY(slice_index_put(&c->index, slice_of(text, len), c->count, NULL, err));
    const char *at = text + 1 + sizeof key.len;
    c->keys[c->count++] =
        (struct live_key){ what, slice_of(at, key.len), slice_of(at + key.len, key2.len) };
    return RAG_OK;
}

rag_status live_changes_add(struct live_changes *c, enum live_change what, rag_slice key,
                            rag_slice key2, rag_error *err)
{
    struct arena scratch = { 0 };
    size_t len = 0;
    c->dirty = 1;
    if (c->dropped)
        return RAG_OK;
    const char *text = encode(&scratch, what, key, key2, &len);
    if (!text)
        return rag_fail_memory(err);
    rag_status status = RAG_OK;
    if (slice_index_find(&c->index, slice_of(text, len)) == SLICE_INDEX_NONE)
        status = add_new(c, what, key, key2, err);
    arena_free(&scratch);
    return status;
}

void live_changes_clear(struct live_changes *c)
{
    arena_free(&c->arena);
    rag_free(c->keys);
    slice_index_free(&c->index);
    *c = (struct live_changes){ 0 };
}

void live_changes_drop(struct live_changes *c)
{
    live_changes_clear(c);
    c->dirty = c->dropped = 1;
}

rag_status live_changes_merge(struct live_changes *c, const struct live_changes *from,
                              rag_error *err)
{
    if (from->dropped)
        live_changes_drop(c);
    for (size_t i = 0; i < from->count; i++)
        RAG_TRY(
            live_changes_add(c, from->keys[i].what, from->keys[i].key, from->keys[i].key2, err));
    c->dirty |= from->dirty;
    return RAG_OK;
}
