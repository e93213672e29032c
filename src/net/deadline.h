/* Time limits of what talks to a server; waiting for a socket and for other threads within them. */
#ifndef NET_DEADLINE_H
#define NET_DEADLINE_H

#include <pthread.h>
#include <ragstore/backend.h>

int64_t net_now_ns(void); /* CLOCK_MONOTONIC */

/* The earlier of the context's deadline and `timeout_ms` from now; 0 when there is neither (a
 * timeout of 0 or less is none). */
int64_t net_deadline(const rag_context *ctx, int64_t timeout_ms);

/* *ctx with this deadline in place of its own. */
rag_context net_context_until(const rag_context *ctx, int64_t deadline_ns);

/* Wait until `fd` is ready for `events` (of poll()), which go into *ready, or until the deadline of
 * the context or its cancel flag: RAG_E_TIMEOUT, RAG_E_CANCELLED. */
rag_status net_wait_ready(const rag_host *host, const rag_context *ctx, int fd, short events,
                          short *ready, rag_error *err);

/* A condition whose waits end by the clock of deadlines; 0: no memory. */
int net_condition_init(pthread_cond_t *condition);
/* Wait once, with its mutex held: until it is signalled, at most until the deadline (0: none), and
 * only a moment where *ctx has a cancel flag. What woke the caller he has to look for. */
void net_condition_wait(const rag_context *ctx, pthread_cond_t *condition, pthread_mutex_t *mutex,
                        int64_t deadline_ns);

/* What making a connection ended with, when it was given `timeout_ms` within *ctx: where that limit
 * passed, not the caller's own, RAG_E_TIMEOUT becomes RAG_E_CONNECTION (retryable). */
rag_status net_connect_result(const rag_host *host, const rag_context *ctx, int64_t timeout_ms,
                              const char *name, rag_status status, rag_error *err);

/* Sleep until `until_ns`: RAG_OK, or the context's end came first. */
rag_status net_sleep_until(const rag_host *host, const rag_context *ctx, int64_t until_ns,
                           rag_error *err);

#endif
