/* Errors: see error.h for the rules. The message is made in the caller's rag_error; bytes that
 * would break the one-line rule (names come from users) become '?'. */
#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#undef rag_fail
#undef rag_fail_errno
#undef rag_fail_memory

static void one_line(char *message)
{
    for (unsigned char *p = (unsigned char *)message; *p; p++)
        if (*p < 0x20 || *p == 0x7f)
            *p = '?';
}

static void begin(rag_error *err, rag_status status, const char *format, va_list args)
{
    memset(err, 0, sizeof *err);
    err->status = status;
    err->outcome = RAG_OUTCOME_NOT_APPLIED;
    err->retryable = status == RAG_E_TIMEOUT || status == RAG_E_CANCELLED;
    (void)vsnprintf(err->message, sizeof err->message, format, args);
}

rag_status rag_fail(rag_error *err, rag_status status, const char *format, ...)
{
    if (!err)
        return status;
    va_list args;
    va_start(args, format);
    begin(err, status, format, args);
    va_end(args);
    one_line(err->message);
    return status;
}

static rag_status kind_of_errno(int code)
{
    switch (code) {
    case ENOENT: return RAG_E_NOT_FOUND;
    case EEXIST: return RAG_E_CONFLICT;
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return RAG_E_NO_SPACE;
    case EACCES:
    case EPERM:
    case EROFS: return RAG_E_DENIED;
    case ENOMEM: return RAG_E_NO_MEMORY;
    case EINVAL:
    case ENAMETOOLONG:
    case ENOTDIR: return RAG_E_INVALID;
    default: return RAG_E_IO;
    }
}

rag_status rag_fail_errno(rag_error *err, int code, const char *format, ...)
{
    const rag_status status = kind_of_errno(code);
    if (!err)
        return status;
    va_list args;
    va_start(args, format);
    begin(err, status, format, args);
    va_end(args);
    err->vendor_code = code;
    const size_t used = strlen(err->message);
    char text[128];
    /* glibc's strerror_r returns the text, which may be elsewhere than in the buffer. */
    (void)snprintf(err->message + used, sizeof err->message - used, ": %s",
                   strerror_r(code, text, sizeof text));
    one_line(err->message);
    return status;
}

rag_status rag_pass(rag_status status, const rag_error *why, rag_error *err)
{
    if (status != RAG_OK && err)
        *err = *why;
    return status;
}

rag_status rag_fail_memory(rag_error *err)
{
    return rag_fail(err, RAG_E_NO_MEMORY, "out of memory");
}

void rag_error_outcome(rag_error *err, rag_outcome outcome)
{
    if (err)
        err->outcome = outcome;
}

void rag_error_retryable(rag_error *err, int retryable)
{
    if (err)
        err->retryable = retryable;
}

const char *rag_status_text(rag_status status)
{
    switch (status) {
    case RAG_OK: return "ok";
    case RAG_E_INVALID: return "invalid";
    case RAG_E_NOT_FOUND: return "not found";
    case RAG_E_CONFLICT: return "conflict";
    case RAG_E_CORRUPT: return "corrupt";
    case RAG_E_UNSUPPORTED: return "unsupported";
    case RAG_E_TIMEOUT: return "timeout";
    case RAG_E_CANCELLED: return "cancelled";
    case RAG_E_CONNECTION: return "connection";
    case RAG_E_TRANSACTION: return "transaction";
    case RAG_E_DATABASE: return "database";
    case RAG_E_IO: return "input/output";
    case RAG_E_NO_SPACE: return "no space";
    case RAG_E_NO_MEMORY: return "out of memory";
    case RAG_E_DENIED: return "denied";
    case RAG_E_MISMATCH: return "mismatch";
    case RAG_E_VERSION: return "newer format";
    case RAG_E_FORKED: return "used after fork";
    }
    return "unknown status";
}
