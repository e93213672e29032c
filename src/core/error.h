/* Filling rag_error, and the two macros by which errors travel. */
#ifndef CORE_ERROR_H
#define CORE_ERROR_H

#include <ragstore/status.h>

/* Return at once when `call` fails; the error was filled by whoever failed. */
#define RAG_TRY(call)                   \
    do {                                \
        const rag_status try_ = (call); \
        if (try_ != RAG_OK)             \
            return try_;                \
    } while (0)

/* The same for functions that have something to free: sets `status` and goes to `cleanup`. */
#define RAG_TRY_CLEANUP(call) \
    do {                      \
        status = (call);      \
        if (status != RAG_OK) \
            goto cleanup;     \
    } while (0)

/* Fill *err (NULL is allowed) and return `status`. One line, naming the thing and the value, never
 * a secret; control characters in it are replaced. Outcome becomes "not applied", retryable 0. */
rag_status rag_fail(rag_error *err, rag_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* As rag_fail(), with errno `code` as vendor code and its text at the end; ENOSPC, EDQUOT, ENOENT,
 * EACCES, EPERM, EROFS, ENOMEM choose their own kinds, the rest is RAG_E_IO. */
rag_status rag_fail_errno(rag_error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

rag_status rag_fail_memory(rag_error *err);

/* Return `status`; when it is a failure, *err (NULL is allowed) becomes *why, which says of it what is
 * known. For whoever forgives some failures of a call: a success leaves the caller's error alone. */
rag_status rag_pass(rag_status status, const rag_error *why, rag_error *err);

#ifdef __clang_analyzer__ /* it sees one file at a time and cannot know that these are never RAG_OK */
#define rag_fail(...) ((void)rag_fail(__VA_ARGS__), RAG_E_INVALID)
#define rag_fail_errno(...) ((void)rag_fail_errno(__VA_ARGS__), RAG_E_IO)
#define rag_fail_memory(err) ((void)rag_fail_memory(err), RAG_E_NO_MEMORY)
#endif

/* Set what else is known; both allow NULL and return err->status, or `status` of a NULL err. */
void rag_error_outcome(rag_error *err, rag_outcome outcome);
void rag_error_retryable(rag_error *err, int retryable);

/* For printing ids and labels in messages: "%.*s" with RAG_SHOWN(slice) shows at most 120 bytes. */
#define RAG_SHOWN(slice) \
    (int)((slice).len < 120 ? (slice).len : 120), (const char *)((slice).len ? (slice).data : "")

#endif
