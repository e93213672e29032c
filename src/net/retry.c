/* Retries.
 *
 * Two things must hold: another try can succeed (the table below), and it can do no harm. A read can
 * do none. A write can when the first one may have been applied, because somebody else may have
 * written in between: so its outcome must be "not applied". A step of a transaction is never tried
 * again alone, because the steps before it are gone with the transaction.
 *
 * Pauses double and have no randomness: writers of one store that were refused together are sorted
 * by the server's own locks, and a test can say what will happen. */
#include "retry.h"

#include "deadline.h"

/* Which kinds of failure pass. RAG_E_DATABASE does where the backend says so (`retryable`: it knows
 * the server's code, as "too many connections"); what is not here is never tried again: another try
 * would fail in the same way. */
static const struct {
    rag_status status;
    int must_be_marked;
} passing[] = {
    { RAG_E_CONNECTION, 0 },  /* refused, lost: the server restarts, or another one takes over */
    { RAG_E_TRANSACTION, 0 }, /* serialization failure, deadlock */
    { RAG_E_DATABASE, 1 },
    { RAG_E_IO, 1 },
};

int net_may_retry(enum net_call call, const rag_error *error)
{
    int passes = 0;
    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++)
        if (passing[i].status == error->status)
            passes = error->retryable || !passing[i].must_be_marked;
    switch (call) {
    case NET_READ: return passes;
    case NET_WRITE: return passes && error->outcome == RAG_OUTCOME_NOT_APPLIED;
    case NET_CONNECT: return passes && error->retryable; /* a wrong password stays wrong */
    case NET_INSIDE_TXN: break;
    }
    return 0;
}

int64_t net_backoff_ms(const struct net_retry *retry, unsigned attempt)
{
    int64_t pause = retry->backoff_ms;
    for (unsigned i = 2; i < attempt && pause < retry->backoff_max_ms; i++)
        pause *= 2;
    return pause < retry->backoff_max_ms ? pause : retry->backoff_max_ms;
}

rag_status net_retry(const rag_host *host, const rag_context *ctx, const struct net_retry *retry,
                     enum net_call call, rag_status (*attempt)(void *user, rag_error *err),
                     void *user, rag_error *err)
{
    rag_error last = RAG_ERROR_INIT;
    for (unsigned n = 1;; n++) {
        const rag_status status = attempt(user, &last);
        if (status == RAG_OK)
            return RAG_OK;
        int again = n < retry->attempts && net_may_retry(call, &last);
        if (again) {
            const int64_t until = net_now_ns() + net_backoff_ms(retry, n + 1) * 1000000;
            /* a pause that outlasts the deadline is not begun: what is known is said at once */
            again = (!ctx->deadline_ns || until < ctx->deadline_ns) &&
                    net_sleep_until(host, ctx, until, NULL) == RAG_OK;
        }
        if (!again) {
            if (err)
                *err = last;
            return status;
        }
    }
}
