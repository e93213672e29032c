/* Deadlines, cancelling, progress and log of a call. Deadlines are absolute on CLOCK_MONOTONIC, so
 * that a call made of many steps needs no arithmetic and the wall clock may jump. */
#include "context.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { LOG_LINE_BYTES = 1024 };

int64_t context_now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t rag_deadline_in_ms(int64_t milliseconds)
{
    int64_t ns, when;
    if (__builtin_mul_overflow(milliseconds, (int64_t)1000000, &ns) ||
        __builtin_add_overflow(context_now_ns(), ns, &when))
        return milliseconds < 0 ? 1 : INT64_MAX;
    return when > 0 ? when : 1; /* 0 would mean "none" */
}

void rag_cancel(int *flag)
{
    __atomic_store_n(flag, 1, __ATOMIC_RELAXED);
}

rag_status context_normalise(const rag_context *ctx, rag_context *out, rag_error *err)
{
    const rag_context none = RAG_CONTEXT_INIT;
    *out = none;
    if (!ctx)
        return RAG_OK;
    if (ctx->struct_size < offsetof(rag_context, deadline_ns) || ctx->struct_size > 4096)
        return rag_fail(err, RAG_E_INVALID, "rag_context is not initialised (RAG_CONTEXT_INIT)");
    memcpy(out, ctx, ctx->struct_size < sizeof *out ? ctx->struct_size : sizeof *out);
    out->struct_size = sizeof *out;
    return RAG_OK;
}

rag_status context_check(const rag_context *ctx, rag_error *err)
{
    if (ctx->cancel && __atomic_load_n(ctx->cancel, __ATOMIC_RELAXED))
        return rag_fail(err, RAG_E_CANCELLED, "cancelled");
    if (ctx->deadline_ns && context_now_ns() >= ctx->deadline_ns)
        return rag_fail(err, RAG_E_TIMEOUT, "the deadline of the call passed");
    return RAG_OK;
}

void context_log(const rag_context *ctx, rag_log_level level, const char *format, ...)
{
    if (!ctx->log)
        return;
    char line[LOG_LINE_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    ctx->log(ctx->user, level, line);
}

void context_progress(const rag_context *ctx, const char *stage, uint64_t items_done,
                      uint64_t items_total, uint64_t bytes_done, uint64_t bytes_total)
{
    if (!ctx->progress)
        return;
    const rag_progress p = { sizeof p, stage, items_done, items_total, bytes_done, bytes_total };
    ctx->progress(ctx->user, &p);
}
