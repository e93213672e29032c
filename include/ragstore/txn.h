/* Transactions over all four stores.
 *
 * A call runs in a transaction when its context names it. A transaction belongs to one thread at a
 * time, sees its own writes, and is seen by others at its commit, all at once. While it is open it
 * holds the writer's turn of the store: keep it short, and never wait for anybody inside it. A call
 * that fails inside it changes nothing and leaves it usable, but for a coordinated upsert that fails
 * half way: after that it can only be aborted. */
#ifndef RAGSTORE_TXN_H
#define RAGSTORE_TXN_H

#include "docstatus.h"
#include "graph.h"
#include "kv.h"
#include "types.h"
#include "vector.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Begin, waiting for the writer's turn until the deadline. The caller ends it with exactly one of
 * commit and abort. Expected: RAG_E_TIMEOUT; RAG_E_UNSUPPORTED when the four stores are not on one
 * database. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_txn_begin(rag_store *store, const rag_context *ctx,
                                                    rag_txn **out, rag_error *err);

/* Commit and free. *token may be NULL. On failure nothing was applied unless err->outcome says
 * otherwise; the transaction is gone either way. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_txn_commit(rag_txn *txn, const rag_context *ctx,
                                                     rag_token *token, rag_error *err);

/* Roll back and free. NULL is allowed. */
RAG_EXPORT void rag_txn_abort(rag_txn *txn);

/* Everything that one step of a pipeline writes. Each part may be empty. Borrowed for the call. */
typedef struct rag_kv_batch {
    const char *name_space;
    const rag_kv_item *items;
    size_t count;
} rag_kv_batch;

typedef struct rag_vector_batch {
    const char *name_space;
    const rag_vector_item *items;
    size_t count;
} rag_vector_batch;

typedef struct rag_upsert {
    size_t struct_size;
    const rag_node *nodes;
    size_t node_count;
    const rag_edge *edges;
    size_t edge_count;
    const rag_kv_batch *kv;
    size_t kv_count;
    const rag_vector_batch *vectors;
    size_t vector_count;
    const rag_doc *docs;
    size_t doc_count;
} rag_upsert;

#define RAG_UPSERT_INIT { sizeof(rag_upsert), NULL, 0, NULL, 0, NULL, 0, NULL, 0, NULL, 0 }

/* Write graph, KV, vectors and document status together: all or none, seen at once. Merges
 * attributes of nodes and edges. Runs inside ctx->txn when there is one. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_coordinated_upsert(rag_store *store,
                                                             const rag_context *ctx,
                                                             const rag_upsert *upsert,
                                                             rag_token *token, rag_error *err);

#ifdef __cplusplus
}
#endif
#endif
