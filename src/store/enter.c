/* How a public call begins: handle, fork, context, transaction, limits of the handle.
 *
 * No lock is taken here or held afterwards. All that is read of the store does not change after it
 * was opened (but for the flags, which rag_store_publish() changes while nobody else may write). */
#include <string.h>

#include "core/context.h"
#include "core/os.h"
#include "core/result.h"
#include "dispatch.h"

rag_status store_enter(rag_store *store, const rag_context *ctx, enum store_access access,
                       struct store_call *c, rag_error *err)
{
    if (!store)
        return rag_fail(err, RAG_E_INVALID, "the store is NULL");
    if (store->fork_generation != os_fork_generation())
        return rag_fail(err, RAG_E_FORKED,
                        "the store was opened before fork(): open it again in the child");
    memset(c, 0, sizeof *c);
    RAG_TRY(context_normalise(ctx, &c->ctx, err));
    const struct rag_txn *txn = c->ctx.txn;
    if (txn && txn->store != store)
        return rag_fail(err, RAG_E_INVALID, "the transaction belongs to another store");
    if (txn && txn->broken)
        return rag_fail(err, RAG_E_TRANSACTION,
                        "a write in this transaction failed half way: abort it");
    if (access == STORE_WRITE && store->flags & RAG_OPEN_READ_ONLY)
        return rag_fail(err, RAG_E_DENIED, "the store was opened read-only");
    RAG_TRY(context_check(&c->ctx, err));
    c->store = store;
    c->call.ctx = &c->ctx;
    c->call.host = &store_host;
    return RAG_OK;
}

rag_status store_refuse_txn(const struct store_call *c, const char *what, rag_error *err)
{
    if (c->ctx.txn)
        return rag_fail(err, RAG_E_INVALID, "%s does not run inside a transaction", what);
    return RAG_OK;
}

void store_aim(struct store_call *c, const struct store_mount *mount)
{
    const struct rag_txn *txn = c->ctx.txn;
    c->mount = mount;
    c->driver = mount->driver;
    c->call.self = mount->self;
    c->call.txn = txn && txn->mount == mount ? txn->native : NULL;
}

int store_allows(const rag_store *store, enum store_kind kind, const char *name_space)
{
    if (!store->namespaces)
        return 1;
    const char *name = name_space;
    if (kind == STORE_GRAPH)
        name = "graph";
    else if (kind == STORE_DOC_STATUS)
        name = "doc_status";
    for (size_t i = 0; i < store->namespace_count; i++)
        if (strcmp(store->namespaces[i], name) == 0)
            return 1;
    return 0;
}

int driver_serves(const struct driver *driver, enum store_kind kind)
{
    switch (kind) {
    case STORE_KV: return driver->backend.kv != NULL;
    case STORE_VECTOR: return driver->backend.vector != NULL;
    case STORE_GRAPH: return driver->backend.graph != NULL;
    case STORE_DOC_STATUS: return driver->backend.docstatus != NULL;
    case STORE_KINDS: break;
    }
    return 0;
}

rag_status store_enter_kind(rag_store *store, const rag_context *ctx, enum store_kind kind,
                            const char *name_space, enum store_access access, struct store_call *c,
                            rag_error *err)
{
    RAG_TRY(store_enter(store, ctx, access, c, err));
    const int named = kind == STORE_KV || kind == STORE_VECTOR;
    if (named)
        RAG_TRY(check_namespace(name_space, err));
    if (!store_allows(store, kind, name_space))
        return rag_fail(err, RAG_E_DENIED, "the handle is limited to other namespaces than '%s'",
                        named ? name_space : config_kind_name((enum config_kind)kind));
    const struct store_mount *mount = store->by_kind[kind];
    if (!mount || !driver_serves(mount->driver, kind))
        return rag_fail(err, RAG_E_UNSUPPORTED, "backend '%s' has no %s store",
                        mount ? mount->driver->backend.name : "none",
                        config_kind_name((enum config_kind)kind));
    store_aim(c, mount);
    return RAG_OK;
}

rag_status store_hand_over(rag_status status, rag_result *result, rag_result **out)
{
    if (status == RAG_OK)
        *out = result;
    else
        rag_result_free(result);
    return status;
}

rag_status store_begin_page(rag_slice after, rag_result **out, rag_result **page, rag_error *err)
{
    RAG_TRY(check_out(out, err));
    RAG_TRY(check_after(after, err));
    *page = rag_result_new(err);
    return *page ? RAG_OK : RAG_E_NO_MEMORY;
}

rag_status store_hand_over_page(rag_status status, rag_result *page, rag_result **out)
{
    if (!rag_result_next(page).len)
        rag_result_add_flags(page, RAG_RESULT_EXHAUSTED);
    return store_hand_over(status, page, out);
}
