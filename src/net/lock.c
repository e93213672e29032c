/* A mutex that is held for moments over a flag that is held for long.
 *
 * Waiting for a mutex with a limit would do (pthread_mutex_clocklock), were it not for cancel flags,
 * which nothing wakes anybody for, and for tools that do not know that function and then see no lock. */
#include "lock.h"

#include "deadline.h"

rag_status net_lock_init(const rag_host *host, struct net_lock *lock, rag_error *err)
{
    if (pthread_mutex_init(&lock->mutex, NULL) != 0)
        return host->fail(err, RAG_E_NO_MEMORY, "out of memory");
    if (!net_condition_init(&lock->freed)) {
        (void)pthread_mutex_destroy(&lock->mutex);
        return host->fail(err, RAG_E_NO_MEMORY, "out of memory");
    }
    lock->held = 0;
    return RAG_OK;
}

void net_lock_destroy(struct net_lock *lock)
{
    (void)pthread_cond_destroy(&lock->freed);
    (void)pthread_mutex_destroy(&lock->mutex);
}

rag_status net_lock_take(const rag_host *host, const rag_context *ctx, struct net_lock *lock,
                         rag_error *err)
{
    rag_status status = RAG_OK;
    (void)pthread_mutex_lock(&lock->mutex);
    while (lock->held && status == RAG_OK) {
        net_condition_wait(ctx, &lock->freed, &lock->mutex, ctx->deadline_ns);
        if (lock->held)
            status = host->check(ctx, err);
    }
    if (status == RAG_OK)
        lock->held = 1;
    (void)pthread_mutex_unlock(&lock->mutex);
    return status;
}

void net_lock_give(struct net_lock *lock)
{
    (void)pthread_mutex_lock(&lock->mutex);
    lock->held = 0;
    (void)pthread_cond_signal(&lock->freed);
    (void)pthread_mutex_unlock(&lock->mutex);
}
