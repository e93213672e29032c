/* Whether and when a failed call is made again. */
#ifndef NET_RETRY_H
#define NET_RETRY_H

#include <ragstore/backend.h>

/* What kind of call it was. */
enum net_call {
    NET_READ,       /* changes nothing */
    NET_WRITE,      /* a transaction of its own */
    NET_INSIDE_TXN, /* a step of an explicit transaction: the transaction is what would be retried */
    NET_CONNECT     /* making a connection */
};

struct net_retry {
    unsigned attempts; /* in all, the first included */
    int64_t backoff_ms, backoff_max_ms;
};

/* 1 when making the call again can mend the failure and can do no harm. */
int net_may_retry(enum net_call call, const rag_error *error);

/* The pause before attempt `attempt` (the second is 2): doubled each time up to the maximum. */
int64_t net_backoff_ms(const struct net_retry *retry, unsigned attempt);

/* Call `attempt` until it succeeds, fails in a way that is final, or the attempts or the context end.
 * The error is that of the last attempt. */
rag_status net_retry(const rag_host *host, const rag_context *ctx, const struct net_retry *retry,
                     enum net_call call, rag_status (*attempt)(void *user, rag_error *err),
                     void *user, rag_error *err);

#endif
