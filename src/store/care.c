/* Compacting and copying a store: calls on all mounts.
 *
 * A mix of backends is compacted where that means something, and refused when it means nothing to
 * any of them. It is not copied as a whole: there is no moment that several backends share. */
#include "dispatch.h"

static int can_compact(const struct store_mount *mount)
{
    return (mount->driver->backend.features & RAG_FEATURE_COMPACT) != 0;
}

rag_status rag_store_compact(rag_store *store, const rag_context *ctx, uint64_t *freed_bytes,
                             rag_error *err)
{
    struct store_call c;
    uint64_t sum = 0;
    size_t compacted = 0;
    RAG_TRY(store_enter(store, ctx, STORE_WRITE, &c, err));
    RAG_TRY(store_refuse_txn(&c, "compacting", err));
    for (size_t i = 0; i < store->mount_count; i++) {
        const int is_last_chance = i + 1 == store->mount_count && !compacted;
        uint64_t freed = 0;
        if (!can_compact(&store->mounts[i]) && !is_last_chance)
            continue;
        store_aim(&c, &store->mounts[i]);
        RAG_TRY(c.driver->backend.compact(&c.call, &freed, err));
        sum += freed;
        compacted++;
    }
    if (freed_bytes)
        *freed_bytes = sum;
    return RAG_OK;
}

rag_status rag_store_backup(rag_store *store, const rag_context *ctx, const char *target,
                            rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter(store, ctx, STORE_READ, &c, err));
    RAG_TRY(store_refuse_txn(&c, "a backup", err));
    if (!target || !*target)
        return rag_fail(err, RAG_E_INVALID, "a backup needs the name of a new directory");
    if (store->namespaces)
        return rag_fail(err, RAG_E_DENIED,
                        "the handle is limited to some namespaces, and a backup copies all");
    if (store->mount_count > 1)
        return rag_fail(err, RAG_E_UNSUPPORTED,
                        "a store of several backends has no one moment: back each of them up");
    store_aim(&c, &store->mounts[0]);
    return c.driver->backend.backup(&c.call, target, err);
}
