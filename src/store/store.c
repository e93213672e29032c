/* Opening, closing and everything about a store as a whole.
 *
 * A store is up to four mounts: one opened backend each, serving one or more of the four kinds. The
 * usual URL gives one mount for all four; a mix from a configuration file gives several, and two
 * kinds that name the same place share one.
 *
 * After fork() the child's copy of a handle is void: calls refuse it (enter.c), and closing it tells
 * the backends to abandon what they have, because files, locks and sockets belong to the parent. */
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/buffer.h"
#include "core/context.h"
#include "core/os.h"
#include "core/result.h"
#include "registry.h"

/* ---- open ------------------------------------------------------------------------------------------ */

static rag_status copy_namespaces(rag_store *store, const rag_open_options *options, rag_error *err)
{
    if (!options->namespace_count)
        return RAG_OK;
    RAG_TRY(check_count(options->namespaces, options->namespace_count, "namespaces", err));
    store->namespaces = rag_alloc_zeroed(options->namespace_count, sizeof *store->namespaces);
    if (!store->namespaces)
        return rag_fail_memory(err);
    store->namespace_count = options->namespace_count;
    for (size_t i = 0; i < options->namespace_count; i++) {
        RAG_TRY(check_namespace(options->namespaces[i], err));
        store->namespaces[i] = rag_strdup(options->namespaces[i]);
        if (!store->namespaces[i])
            return rag_fail_memory(err);
    }
    return RAG_OK;
}

static rag_status check_flags(unsigned flags, rag_error *err)
{
    RAG_TRY(check_bits(flags,
                       RAG_OPEN_READ_ONLY | RAG_OPEN_EXISTING | RAG_OPEN_BUILD | RAG_OPEN_REPLACE,
                       "the flags of rag_open_options", err));
    if (flags & RAG_OPEN_BUILD && flags & (RAG_OPEN_READ_ONLY | RAG_OPEN_EXISTING))
        return rag_fail(err, RAG_E_INVALID,
                        "RAG_OPEN_BUILD makes a new store: not read-only, not an existing one");
    if (flags & RAG_OPEN_REPLACE && !(flags & RAG_OPEN_BUILD))
        return rag_fail(err, RAG_E_INVALID, "RAG_OPEN_REPLACE goes with RAG_OPEN_BUILD only");
    return RAG_OK;
}

static rag_status open_mount(rag_store *store, const struct config *config, size_t i,
                             const rag_context *ctx, rag_error *err)
{
    const struct config_mount *from = &config->mounts[i];
    struct store_mount *mount = &store->mounts[i];
    mount->driver = registry_driver_of(from->backend);
    if (store->flags & RAG_OPEN_BUILD && !(from->backend->features & RAG_FEATURE_BUILD))
        return rag_fail(err, RAG_E_UNSUPPORTED, "backend '%s' cannot build a store aside",
                        from->backend->name);
    const rag_backend_config how = {
        .struct_size = sizeof how,
        .location = from->location,
        .workspace = from->workspace,
        .flags = store->flags,
        .lock_timeout_ms = from->lock_timeout_ms,
        .option = config_option,
        .options = from,
    };
    RAG_TRY(from->backend->open(&store_host, &how, ctx, &mount->self, err));
    store->mount_count++;
    return RAG_OK;
}

static void free_store(rag_store *store)
{
    for (size_t i = 0; store->namespaces && i < store->namespace_count; i++)
        rag_free(store->namespaces[i]);
    rag_free(store->namespaces);
    (void)pthread_mutex_destroy(&store->txn_mutex);
    rag_free(store);
}

static rag_status open_mounts(rag_store *store, const struct config *config, const rag_context *ctx,
                              rag_error *err)
{
    rag_status status = RAG_OK;
    for (size_t i = 0; status == RAG_OK && i < config->mount_count; i++)
        status = open_mount(store, config, i, ctx, err);
    if (status != RAG_OK) {
        while (store->mount_count) {
            const struct store_mount *mount = &store->mounts[--store->mount_count];
            mount->driver->backend.close(mount->self);
        }
        return status;
    }
    for (size_t kind = 0; kind < STORE_KINDS; kind++)
        store->by_kind[kind] = &store->mounts[config->mount_of[kind]];
    return RAG_OK;
}

rag_status rag_store_open(const char *url, const rag_open_options *options, const rag_context *ctx,
                          rag_store **out, rag_error *err)
{
    rag_context own;
    rag_open_options full;
    RAG_TRY(check_out(out, err));
    RAG_TRY(context_normalise(ctx, &own, err));
    RAG_TRY(config_open_options(options, &full, err));
    RAG_TRY(check_flags(full.flags, err));
    if (own.txn)
        return rag_fail(err, RAG_E_INVALID, "a store is not opened inside a transaction");
    RAG_TRY(context_check(&own, err));
    RAG_TRY(os_watch_forks(err));
    rag_store *store = rag_alloc_zeroed(1, sizeof *store);
    if (!store)
        return rag_fail_memory(err);
    (void)pthread_mutex_init(&store->txn_mutex, NULL);
    store->flags = full.flags;
    store->fork_generation = os_fork_generation();
    struct config config = { 0 };
    rag_status status = copy_namespaces(store, &full, err);
    if (status == RAG_OK)
        status = config_resolve(url, &full, registry_lookup, &config, err);
    if (status == RAG_OK) {
        status = open_mounts(store, &config, &own, err);
        config_free(&config);
    }
    if (status == RAG_OK)
        *out = store;
    else
        free_store(store);
    return status;
}

/* ---- close ----------------------------------------------------------------------------------------- */

static void end_transactions(rag_store *store, int in_child)
{
    while (store->txns) {
        struct rag_txn *txn = store->txns;
        if (in_child) { /* the other half of it is the parent's */
            store->txns = txn->next;
            rag_free(txn);
        } else {
            rag_txn_abort(txn); /* takes it off the list */
        }
    }
}

void rag_store_close(rag_store *store)
{
    if (!store)
        return;
    const int in_child = store->fork_generation != os_fork_generation();
    end_transactions(store, in_child);
    shared_leave_all(store, in_child);
    for (size_t i = store->mount_count; i-- > 0;) {
        const struct store_mount *mount = &store->mounts[i];
        if (in_child)
            mount->driver->backend.abandon(mount->self);
        else
            mount->driver->backend.close(mount->self);
    }
    free_store(store);
}

/* ---- the store as a whole ---------------------------------------------------------------------------- */

rag_status rag_store_publish(rag_store *store, const rag_context *ctx, rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter(store, ctx, STORE_WRITE, &c, err));
    RAG_TRY(store_refuse_txn(&c, "publishing", err));
    if (!(store->flags & RAG_OPEN_BUILD))
        return rag_fail(err, RAG_E_INVALID, "the store was not opened with RAG_OPEN_BUILD");
    for (size_t i = 0; i < store->mount_count; i++) {
        store_aim(&c, &store->mounts[i]);
        RAG_TRY(c.driver->backend.publish(&c.call, err));
    }
    store->flags &= ~(unsigned)(RAG_OPEN_BUILD | RAG_OPEN_REPLACE);
    return RAG_OK;
}

rag_status rag_flush(rag_store *store, const rag_context *ctx, rag_token upto, rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter(store, ctx, STORE_READ, &c, err));
    RAG_TRY(store_refuse_txn(&c, "flushing", err));
    if (store->flags & RAG_OPEN_READ_ONLY)
        return RAG_OK; /* this handle committed nothing */
    if (store->mount_count > 1)
        upto = 0; /* tokens of different backends do not compare */
    for (size_t i = 0; i < store->mount_count; i++) {
        store_aim(&c, &store->mounts[i]);
        RAG_TRY(c.driver->backend.flush(&c.call, upto, err));
    }
    return RAG_OK;
}

rag_status rag_store_optimize(rag_store *store, const rag_context *ctx, rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter(store, ctx, STORE_WRITE, &c, err));
    RAG_TRY(store_refuse_txn(&c, "optimizing", err));
    for (size_t i = 0; i < store->mount_count; i++) {
        store_aim(&c, &store->mounts[i]);
        RAG_TRY(c.driver->backend.optimize(&c.call, err));
    }
    return RAG_OK;
}

/* ---- namespaces and description ------------------------------------------------------------------------ */

static const struct {
    const char *name;
    enum store_kind kind;
} NAMESPACE_KINDS[] = {
    { "kv", STORE_KV },
    { "vector", STORE_VECTOR },
    { "graph_nodes", STORE_GRAPH },
    { "graph_edges", STORE_GRAPH },
    { "doc_status", STORE_DOC_STATUS },
};

enum { NAMESPACE_KIND_COUNT = sizeof NAMESPACE_KINDS / sizeof *NAMESPACE_KINDS };

static size_t kind_rank(rag_slice kind)
{
    size_t rank = 0;
    while (rank < NAMESPACE_KIND_COUNT && !slice_is(kind, NAMESPACE_KINDS[rank].name))
        rank++;
    return rank;
}

static int by_kind_and_name(const void *left, const void *right)
{
    const rag_row *a = left, *b = right;
    const size_t rank_a = kind_rank(a->key), rank_b = kind_rank(b->key);
    if (rank_a != rank_b)
        return rank_a < rank_b ? -1 : 1;
    return slice_compare(a->key2, b->key2);
}

/* Only what this mount serves in this store, and what the handle is limited to. (A backend may
 * hold data of a kind for which the store uses another.) */
static int row_belongs(const rag_store *store, const struct store_mount *mount, const rag_row *row)
{
    const size_t rank = kind_rank(row->key);
    if (rank == NAMESPACE_KIND_COUNT)
        return 0;
    const enum store_kind kind = NAMESPACE_KINDS[rank].kind;
    /* names come from the backend: they end in NUL inside a result */
    return store->by_kind[kind] == mount && !is_reserved_namespace(row->key2.data) &&
           store_allows(store, kind, row->key2.data);
}

rag_status rag_store_namespaces(rag_store *store, const rag_context *ctx, rag_result **out,
                                rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter(store, ctx, STORE_READ, &c, err));
    RAG_TRY(check_out(out, err));
    rag_result *rows = rag_result_new(err);
    if (!rows)
        return RAG_E_NO_MEMORY;
    rag_status status = RAG_OK;
    for (size_t i = 0; status == RAG_OK && i < store->mount_count; i++) {
        const size_t before = rows->count;
        size_t kept = before;
        store_aim(&c, &store->mounts[i]);
        status = c.driver->backend.namespaces(&c.call, rows, err);
        for (size_t j = before; j < rows->count; j++)
            if (row_belongs(store, c.mount, &rows->rows[j]))
                rows->rows[kept++] = rows->rows[j];
        rag_result_truncate(rows, kept);
    }
    if (rows->count)
        qsort(rows->rows, rows->count, sizeof *rows->rows, by_kind_and_name);
    return store_hand_over(status, rows, out);
}

/* The row of one kind: what its backend says of itself. */
static rag_status describe_kind(const rag_store *store, struct store_call *c, enum store_kind kind,
                                rag_result *out, rag_error *err)
{
    rag_result *said = rag_result_new(err);
    if (!said)
        return RAG_E_NO_MEMORY;
    store_aim(c, store->by_kind[kind]);
    rag_status status = c->driver->backend.describe(&c->call, said, err);
    const rag_row row = { .key = rag_text(config_kind_name((enum config_kind)kind)),
                          .key2 = rag_text(c->driver->backend.name),
                          .value = said->count ? said->rows[0].value : rag_text("{}"),
                          .found = 1 };
    if (status == RAG_OK)
        status = rag_result_append(out, &row, err);
    rag_result_free(said);
    return status;
}

rag_status rag_store_describe(rag_store *store, const rag_context *ctx, rag_result **out,
                              rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter(store, ctx, STORE_READ, &c, err));
    RAG_TRY(check_out(out, err));
    rag_result *rows = rag_result_new(err);
    if (!rows)
        return RAG_E_NO_MEMORY;
    rag_status status = RAG_OK;
    for (size_t kind = 0; status == RAG_OK && kind < STORE_KINDS; kind++)
        if (driver_serves(store->by_kind[kind]->driver, (enum store_kind)kind))
            status = describe_kind(store, &c, (enum store_kind)kind, rows, err);
    return store_hand_over(status, rows, out);
}
