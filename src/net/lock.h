/* A lock that may be held while a server works, so for as long as that takes: who waits for it does so
 * until the deadline or the cancel flag of his call. Not recursive; who comes next is not said. */
#ifndef NET_LOCK_H
#define NET_LOCK_H

#include <pthread.h>
#include <ragstore/backend.h>

struct net_lock {
    pthread_mutex_t mutex; /* held for moments */
    pthread_cond_t freed;
    int held;
};

/* RAG_E_NO_MEMORY. Only one that was made is to be destroyed, by nobody's holding it. */
rag_status net_lock_init(const rag_host *host, struct net_lock *lock, rag_error *err);
void net_lock_destroy(struct net_lock *lock);

/* RAG_OK, or RAG_E_TIMEOUT, RAG_E_CANCELLED of the context. */
rag_status net_lock_take(const rag_host *host, const rag_context *ctx, struct net_lock *lock,
                         rag_error *err);
void net_lock_give(struct net_lock *lock);

#endif
