/* Time limits and waiting.
 *
 * A cancel flag is memory that any thread or signal handler may set; nothing wakes a poll() for it.
 * So a wait under a context that has one is cut into slices, short enough that a person does not
 * notice and long enough to cost nothing. Without a flag the wait is one call. */
#include "deadline.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>

enum { CANCEL_SLICE_MS = 25, NS_PER_MS = 1000000 };

int64_t net_now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t net_deadline(const rag_context *ctx, int64_t timeout_ms)
{
    if (timeout_ms <= 0)
        return ctx->deadline_ns;
    const int64_t now = net_now_ns();
    const int64_t most = (INT64_MAX - now) / NS_PER_MS;
    const int64_t end = now + (timeout_ms < most ? timeout_ms : most) * NS_PER_MS;
    return ctx->deadline_ns && ctx->deadline_ns < end ? ctx->deadline_ns : end;
}

rag_context net_context_until(const rag_context *ctx, int64_t deadline_ns)
{
    rag_context limited = *ctx;
    limited.deadline_ns = deadline_ns;
    return limited;
}

/* Milliseconds for poll() until `end_ns` (0: no end), rounded up: a wait never ends too early and
 * spins. */
static int slice_until(const rag_context *ctx, int64_t end_ns)
{
    int64_t ms = -1;
    if (end_ns) {
        const int64_t left = end_ns - net_now_ns();
        ms = left > 0 ? (left + NS_PER_MS - 1) / NS_PER_MS : 0;
        if (ms > 3600000)
            ms = 3600000;
    }
    if (ctx->cancel && (ms < 0 || ms > CANCEL_SLICE_MS))
        ms = CANCEL_SLICE_MS;
    return (int)ms;
}

rag_status net_wait_ready(const rag_host *host, const rag_context *ctx, int fd, short events,
                          short *ready, rag_error *err)
{
    for (;;) {
        const rag_status status = host->check(ctx, err);
        if (status != RAG_OK)
            return status;
        struct pollfd wait = { .fd = fd, .events = events };
        const int n = poll(&wait, 1, slice_until(ctx, ctx->deadline_ns));
        if (n > 0) {
            *ready = wait.revents;
            return RAG_OK;
        }
        if (n < 0 && errno != EINTR)
            return host->fail(err, RAG_E_IO, "waiting for a socket: %s", strerror(errno));
    }
}

int net_condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t clock;
    if (pthread_condattr_init(&clock) != 0)
        return 0;
    const int ok = pthread_condattr_setclock(&clock, CLOCK_MONOTONIC) == 0 &&
                   pthread_cond_init(condition, &clock) == 0;
    (void)pthread_condattr_destroy(&clock);
    return ok;
}

void net_condition_wait(const rag_context *ctx, pthread_cond_t *condition, pthread_mutex_t *mutex,
                        int64_t deadline_ns)
{
    const int64_t slice = net_now_ns() + (int64_t)CANCEL_SLICE_MS * NS_PER_MS;
    int64_t until = deadline_ns;
    if (ctx->cancel && (!until || until > slice))
        until = slice;
    const struct timespec end = { until / 1000000000, until % 1000000000 };
    if (until)
        (void)pthread_cond_timedwait(condition, mutex, &end);
    else
        (void)pthread_cond_wait(condition, mutex);
}

rag_status net_connect_result(const rag_host *host, const rag_context *ctx, int64_t timeout_ms,
                              const char *name, rag_status status, rag_error *err)
{
    if (status != RAG_E_TIMEOUT || host->check(ctx, NULL) != RAG_OK)
        return status;
    status = host->fail(err, RAG_E_CONNECTION, "%s, connecting: no answer in %lld ms", name,
                        (long long)timeout_ms);
    if (err)
        err->retryable = 1;
    return status;
}

rag_status net_sleep_until(const rag_host *host, const rag_context *ctx, int64_t until_ns,
                           rag_error *err)
{
    for (;;) {
        const rag_status status = host->check(ctx, err);
        if (status != RAG_OK)
            return status;
        if (net_now_ns() >= until_ns)
            return RAG_OK;
        const int64_t end =
            ctx->deadline_ns && ctx->deadline_ns < until_ns ? ctx->deadline_ns : until_ns;
        (void)poll(NULL, 0, slice_until(ctx, end));
    }
}
