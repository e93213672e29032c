/* Transactions over all four stores, and the coordinated upsert.
 *
 * A transaction is one of the backend's, so all four kinds must be on one backend instance; mixes
 * are refused. Open transactions hang in a list of their store, because closing the store aborts
 * them. In a child after fork() nothing of a transaction may be touched but its memory. */
#include "core/alloc.h"
#include "core/context.h"
#include "core/os.h"
#include "dispatch.h"

/* ---- begin and end ---------------------------------------------------------------------------------- */

static rag_status begin(struct store_call *c, struct rag_txn **out, rag_error *err)
{
    rag_store *store = c->store;
    if (store->mount_count != 1)
        return rag_fail(err, RAG_E_UNSUPPORTED,
                        "the four stores are on %zu databases: a transaction needs all of them on "
                        "one",
                        store->mount_count);
    if (c->ctx.txn)
        return rag_fail(err, RAG_E_INVALID, "transactions do not nest");
    struct rag_txn *txn = rag_alloc_zeroed(1, sizeof *txn);
    if (!txn)
        return rag_fail_memory(err);
    store_aim(c, &store->mounts[0]);
    const rag_status status = c->driver->backend.begin(&c->call, &txn->native, err);
    if (status != RAG_OK) {
        rag_free(txn);
        return status;
    }
    txn->store = store;
    txn->mount = c->mount;
    (void)pthread_mutex_lock(&store->txn_mutex);
    txn->next = store->txns;
    if (txn->next)
        txn->next->previous = txn;
    store->txns = txn;
    (void)pthread_mutex_unlock(&store->txn_mutex);
    *out = txn;
    return RAG_OK;
}

/* Take it off the list and free it. In a child nobody else runs, and the mutex may be locked by a
 * thread that did not come along. */
static void forget(struct rag_txn *txn, int in_child)
{
    rag_store *store = txn->store;
    if (!in_child)
        (void)pthread_mutex_lock(&store->txn_mutex);
    if (txn->previous)
        txn->previous->next = txn->next;
    else
        store->txns = txn->next;
    if (txn->next)
        txn->next->previous = txn->previous;
    if (!in_child)
        (void)pthread_mutex_unlock(&store->txn_mutex);
    rag_free(txn);
}

rag_status rag_txn_begin(rag_store *store, const rag_context *ctx, rag_txn **out, rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter(store, ctx, STORE_WRITE, &c, err));
    RAG_TRY(check_out(out, err));
    return begin(&c, out, err);
}

rag_status rag_txn_commit(rag_txn *txn, const rag_context *ctx, rag_token *token, rag_error *err)
{
    if (!txn)
        return rag_fail(err, RAG_E_INVALID, "the transaction is NULL");
    rag_store *store = txn->store;
    struct store_call c;
    rag_context own = RAG_CONTEXT_INIT;
    if (store->fork_generation != os_fork_generation()) {
        forget(txn, 1);
        return rag_fail(err, RAG_E_FORKED, "the transaction was begun before fork()");
    }
    const int broken = txn->broken;
    txn->broken = 0; /* for store_enter() */
    rag_status status = context_normalise(ctx, &own, err);
    own.txn = txn;
    if (status == RAG_OK)
        status = store_enter(store, &own, STORE_WRITE, &c, err);
    if (status == RAG_OK && broken)
        status = rag_fail(err, RAG_E_TRANSACTION,
                          "a write in this transaction failed half way: it was rolled back");
    if (status != RAG_OK) { /* gone either way */
        rag_txn_abort(txn);
        return status;
    }
    store_aim(&c, txn->mount);
    rag_token written = 0;
    status = c.driver->backend.commit(&c.call, &written, err);
    forget(txn, 0);
    if (status == RAG_OK && token)
        *token = written;
    return status;
}

void rag_txn_abort(rag_txn *txn)
{
    if (!txn)
        return;
    rag_store *store = txn->store;
    if (store->fork_generation != os_fork_generation()) {
        forget(txn, 1);
        return;
    }
    struct store_call c = { 0 };
    const rag_context none = RAG_CONTEXT_INIT; /* an abort has no deadline */
    c.ctx = none;
    c.ctx.txn = txn;
    c.store = store;
    c.call.ctx = &c.ctx;
    c.call.host = &store_host;
    store_aim(&c, txn->mount);
    c.driver->backend.abort(&c.call);
    forget(txn, 0);
}

/* ---- coordinated upsert -------------------------------------------------------------------------------- */

/* All parts, prepared before anything is written. */
struct upsert_parts {
    struct prepared nodes, edges, docs;
    struct prepared *kv, *vectors; /* one for each batch */
};

static void free_parts(struct upsert_parts *p, const rag_upsert *u)
{
    arena_free(&p->nodes.arena);
    arena_free(&p->edges.arena);
    arena_free(&p->docs.arena);
    for (size_t i = 0; p->kv && i < u->kv_count; i++)
        arena_free(&p->kv[i].arena);
    for (size_t i = 0; p->vectors && i < u->vector_count; i++)
        arena_free(&p->vectors[i].arena);
    rag_free(p->kv);
    rag_free(p->vectors);
}

/* The checks of the handle for one kind; the call itself is made later. */
static rag_status may_write(const struct store_call *c, enum store_kind kind,
                            const char *name_space, rag_error *err)
{
    struct store_call other;
    return store_enter_kind(c->store, &c->ctx, kind, name_space, STORE_WRITE, &other, err);
}

static rag_status prepare_batches(const struct store_call *c, const rag_upsert *u,
                                  struct upsert_parts *p, rag_error *err)
{
    RAG_TRY(check_count(u->kv, u->kv_count, "KV batches", err));
    RAG_TRY(check_count(u->vectors, u->vector_count, "vector batches", err));
    p->kv = rag_alloc_zeroed(u->kv_count, sizeof *p->kv);
    p->vectors = rag_alloc_zeroed(u->vector_count, sizeof *p->vectors);
    if (!p->kv || !p->vectors)
        return rag_fail_memory(err);
    for (size_t i = 0; i < u->kv_count; i++) {
        const rag_kv_batch *b = &u->kv[i];
        RAG_TRY(may_write(c, STORE_KV, b->name_space, err));
        RAG_TRY(kv_prepare(b->name_space, b->items, b->count, &p->kv[i], err));
    }
    for (size_t i = 0; i < u->vector_count; i++) {
        const rag_vector_batch *b = &u->vectors[i];
        RAG_TRY(may_write(c, STORE_VECTOR, b->name_space, err));
        RAG_TRY(vector_prepare(c, b->name_space, b->items, b->count, &p->vectors[i], err));
    }
    return RAG_OK;
}

static rag_status prepare_parts(const struct store_call *c, const rag_upsert *u,
                                struct upsert_parts *p, rag_error *err)
{
    if (u->node_count || u->edge_count)
        RAG_TRY(may_write(c, STORE_GRAPH, NULL, err));
    if (u->doc_count)
        RAG_TRY(may_write(c, STORE_DOC_STATUS, NULL, err));
    RAG_TRY(nodes_prepare(u->nodes, u->node_count, RAG_PUT_MERGE, &p->nodes, err));
    RAG_TRY(edges_prepare(u->edges, u->edge_count, RAG_PUT_MERGE, &p->edges, err));
    RAG_TRY(docs_prepare(u->docs, u->doc_count, &p->docs, err));
    return prepare_batches(c, u, p, err);
}

/* Graph, KV, vectors, document status: the order in which a mix will have to write them. */
static rag_status write_parts(const struct store_call *c, const rag_upsert *u,
                              const struct upsert_parts *p, rag_error *err)
{
    const struct driver *d = c->driver;
    rag_token ignored = 0; /* the commit has the token */
    if (p->nodes.count)
        RAG_TRY(d->graph.put_nodes(&c->call, p->nodes.items, p->nodes.count, RAG_PUT_MERGE,
                                   &ignored, err));
    if (p->edges.count)
        RAG_TRY(d->graph.put_edges(&c->call, p->edges.items, p->edges.count, RAG_PUT_MERGE,
                                   &ignored, err));
    for (size_t i = 0; i < u->kv_count; i++)
        if (p->kv[i].count)
            RAG_TRY(d->kv.put_many(&c->call, u->kv[i].name_space, p->kv[i].items, p->kv[i].count,
                                   &ignored, err));
    for (size_t i = 0; i < u->vector_count; i++)
        if (p->vectors[i].count)
            RAG_TRY(d->vector.put_many(&c->call, u->vectors[i].name_space, p->vectors[i].items,
                                       p->vectors[i].count, &ignored, err));
    if (p->docs.count)
        RAG_TRY(d->docstatus.put_many(&c->call, p->docs.items, p->docs.count, &ignored, err));
    return RAG_OK;
}

/* As a transaction of its own. */
static rag_status write_alone(struct store_call *c, const rag_upsert *u,
                              const struct upsert_parts *p, rag_token *token, rag_error *err)
{
    struct rag_txn *txn;
    RAG_TRY(begin(c, &txn, err));
    rag_context inside = c->ctx;
    inside.txn = txn;
    struct store_call in;
    rag_status status = store_enter(c->store, &inside, STORE_WRITE, &in, err);
    if (status == RAG_OK) {
        store_aim(&in, txn->mount);
        status = write_parts(&in, u, p, err);
    }
    if (status == RAG_OK)
        return rag_txn_commit(txn, &c->ctx, token, err);
    rag_txn_abort(txn);
    return status;
}

rag_status rag_coordinated_upsert(rag_store *store, const rag_context *ctx,
                                  const rag_upsert *upsert, rag_token *token, rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter(store, ctx, STORE_WRITE, &c, err));
    rag_upsert u = RAG_UPSERT_INIT;
    RAG_TRY(copy_options(upsert, sizeof u, &u, sizeof u, "rag_upsert", err));
    if (store->mount_count != 1)
        return rag_fail(err, RAG_E_UNSUPPORTED,
                        "the four stores are on %zu databases: a coordinated upsert needs all of "
                        "them on one",
                        store->mount_count);
    store_aim(&c, &store->mounts[0]);
    struct upsert_parts parts = { 0 };
    rag_status status = prepare_parts(&c, &u, &parts, err);
    rag_token written = 0;
    if (status == RAG_OK && c.ctx.txn) {
        status = write_parts(&c, &u, &parts, err);
        if (status != RAG_OK) /* an earlier part may have been written already */
            c.ctx.txn->broken = 1;
    } else if (status == RAG_OK) {
        status = write_alone(&c, &u, &parts, &written, err);
    }
    if (status == RAG_OK && token)
        *token = written;
    free_parts(&parts, &u);
    return status;
}
