/* Small dictionaries that the processes of one store share while they run: the state of a pipeline,
 * flags, counters.
 *
 * A shared namespace lives as long as one of the processes that joined it: when the last one has
 * left or died, the next to join begins with an empty one. Exactly one of those that join is told to
 * initialise it, and the others wait until it has; when it dies before it has, the next one is told.
 * Processes are those of one machine; what is shared is what the backend shares: a store on disk with
 * every process that has it open, one in memory with the threads of its one handle. Values are JSON
 * objects.
 *
 * Any thread may call these; joining is of the handle, not of the thread. Joining, ready and leaving
 * answer RAG_E_INVALID inside a transaction; reading and changing may be part of one. On a read-only
 * handle joining answers RAG_E_DENIED. */
#ifndef RAGSTORE_SHARED_H
#define RAGSTORE_SHARED_H

#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Join `name`, in the name of this handle. *initialise is 1 for exactly one of those that join: it
 * fills the namespace and calls rag_shared_ready(); for the others this call waits until then, and
 * *initialise is 0. Joining again is harmless. Expected: RAG_E_TIMEOUT. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_shared_join(rag_store *store, const rag_context *ctx,
                                                      const char *name, int *initialise,
                                                      rag_error *err);

/* Say that it is initialised. Expected: RAG_E_CONFLICT (this handle was not told to). */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_shared_ready(rag_store *store, const rag_context *ctx,
                                                       const char *name, rag_error *err);

/* Leave; harmless when not joined. Closing the store leaves everything. The last to leave empties it;
 * an initialiser that leaves before it is ready is replaced by the next that waits or joins. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_shared_leave(rag_store *store, const rag_context *ctx,
                                                       const char *name, rag_error *err);

/* The value of n keys, as rag_kv_get_many(); number = a version that grows with each change of the
 * key, 0 when absent. Expected for this and what follows: RAG_E_NOT_FOUND (not joined). */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_shared_get(rag_store *store, const rag_context *ctx,
                                                     const char *name, const rag_slice *keys,
                                                     size_t n, rag_result **out, rag_error *err);

/* All of it, by key: rows as above. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_shared_all(rag_store *store, const rag_context *ctx,
                                                     const char *name, rag_result **out,
                                                     rag_error *err);

typedef struct rag_shared_change {
    rag_slice key;
    rag_slice value;  /* a JSON object; empty: delete the key */
    int merge;        /* 1: its members over those that are there; 0: in place of them */
    int64_t expected; /* the version it must have: 0 absent, -1 any */
} rag_shared_change;

/* Apply n changes, all or none, seen at once. Expected: RAG_E_CONFLICT (a version is not the one
 * expected; read again). */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_shared_update(rag_store *store, const rag_context *ctx,
                                                        const char *name,
                                                        const rag_shared_change *changes, size_t n,
                                                        rag_error *err);

#ifdef __cplusplus
}
#endif
#endif
