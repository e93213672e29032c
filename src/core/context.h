/* What the library does with a rag_context. */
#ifndef CORE_CONTEXT_H
#define CORE_CONTEXT_H

#include <ragstore/types.h>

#include "error.h"

/* Check the caller's context and copy what it has into *out (defaults for what a caller of an
 * older version does not have). `ctx` may be NULL. */
rag_status context_normalise(const rag_context *ctx, rag_context *out, rag_error *err);

/* RAG_OK, RAG_E_TIMEOUT or RAG_E_CANCELLED. Costs a clock read when there is a deadline. */
rag_status context_check(const rag_context *ctx, rag_error *err);

int64_t context_now_ns(void);

void context_log(const rag_context *ctx, rag_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void context_progress(const rag_context *ctx, const char *stage, uint64_t items_done,
                      uint64_t items_total, uint64_t bytes_done, uint64_t bytes_total);

#endif
