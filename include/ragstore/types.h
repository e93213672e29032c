/* Types that all stores share: slices of bytes, the context of a call, rows and results. */
#ifndef RAGSTORE_TYPES_H
#define RAGSTORE_TYPES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A borrowed range of bytes; need not end in NUL and may contain NUL. As an input it is borrowed
 * for the duration of the call. Ids, keys and labels are UTF-8 by convention and are compared as
 * bytes, which is the order of code points. */
typedef struct rag_slice {
    const void *data;
    size_t len;
} rag_slice;

/* A slice over a NUL-terminated string. */
static inline rag_slice rag_text(const char *text)
{
    rag_slice s;
    s.data = text;
    s.len = text ? strlen(text) : 0;
    return s;
}

typedef struct rag_store rag_store; /* four stores behind one handle: store.h */
typedef struct rag_txn rag_txn;     /* a transaction over all four: txn.h */

/* ---- context of a call --------------------------------------------------------------------- */

typedef enum rag_log_level {
    RAG_LOG_ERROR = 0,
    RAG_LOG_WARNING = 1,
    RAG_LOG_INFO = 2,
    RAG_LOG_DEBUG = 3
} rag_log_level;

/* How far a long call has come. `stage` is static text such as "relationships". Items are rows, and 0
 * where it is not rows that the call works on, such as pages: bytes say how far it is then. Totals
 * are 0 when they are not known. */
typedef struct rag_progress {
    size_t struct_size;
    const char *stage;
    uint64_t items_done, items_total;
    uint64_t bytes_done, bytes_total;
} rag_progress;

/* Under which limits and on whose behalf a call runs. Every call takes one; NULL means no
 * transaction, no deadline and no callbacks. The library never keeps it after the call. The
 * callbacks run on the calling thread, or on a thread that the call itself started, one at a time;
 * they must not call into the same store. */
typedef struct rag_context {
    size_t struct_size;
    rag_txn *txn;        /* run inside this transaction; NULL: the call is its own transaction */
    int64_t deadline_ns; /* on CLOCK_MONOTONIC, see rag_deadline_in_ms(); 0: none */
    const int *cancel;   /* when non-NULL and non-zero the call ends with RAG_E_CANCELLED; set it
                             from any thread or signal handler with rag_cancel() */
    void (*progress)(void *user, const rag_progress *progress);
    void (*log)(void *user, rag_log_level level, const char *message);
    void *user; /* handed to the callbacks */
} rag_context;

#define RAG_CONTEXT_INIT { sizeof(rag_context), NULL, 0, NULL, NULL, NULL, NULL }

/* The deadline that lies `milliseconds` from now. */
RAG_EXPORT int64_t rag_deadline_in_ms(int64_t milliseconds);

/* Set a cancel flag. Async-signal-safe. */
RAG_EXPORT void rag_cancel(int *flag);

/* ---- rows and results ------------------------------------------------------------------------ */

/* One answer. Which members carry meaning is said at each call; the others are zero. All pointers
 * belong to the result and live until rag_result_free(). */
typedef struct rag_row {
    rag_slice key;       /* key, vector id, node label, edge source, document id */
    rag_slice key2;      /* edge target, neighbour */
    rag_slice value;     /* JSON text, followed by a NUL that is not counted */
    int found;           /* 1: it exists; 0: it is confirmed absent (a place-holder, in place) */
    double score;        /* similarity of a search hit: larger is nearer */
    int64_t number;      /* degree, count: as stated */
    int64_t created_at;  /* Unix seconds, 0: unknown */
    int64_t updated_at;  /* Unix seconds, 0: unknown */
    const float *vector; /* `dimension` floats, or NULL */
    size_t dimension;
} rag_row;

/* A list of rows, owned by the caller. Reading one from several threads at once is safe. */
typedef struct rag_result rag_result;

enum {
    RAG_RESULT_TRUNCATED = 1, /* a limit cut the answer; what it means is said at the call */
    RAG_RESULT_EXHAUSTED = 2  /* a search or scan has nothing further to give */
};

RAG_EXPORT size_t rag_result_count(const rag_result *result);

/* Row `index`, or NULL beyond the end. */
RAG_EXPORT const rag_row *rag_result_row(const rag_result *result, size_t index);

/* RAG_RESULT_* bits. */
RAG_EXPORT unsigned rag_result_flags(const rag_result *result);

/* For scans: pass it as `after` to go on; empty when the scan is at its end. */
RAG_EXPORT rag_slice rag_result_next(const rag_result *result);

/* Total number of rows that the question has, where a call says so; else the count. */
RAG_EXPORT uint64_t rag_result_total(const rag_result *result);

/* NULL is allowed. */
RAG_EXPORT void rag_result_free(rag_result *result);

/* As the time of a row that is written: "not known". (0 means now; rows answer 0 for not known.) */
#define RAG_TIME_UNKNOWN (-1)

/* ---- durability ------------------------------------------------------------------------------ */

/* A place in the commit order of a store: grows with every commit of any process. A write that
 * returned is visible to everybody and survives the death of the process. It survives a power cut
 * when rag_flush() of its token, or of a later one, has returned. 0 means "nothing". */
typedef uint64_t rag_token;

#ifdef __cplusplus
}
#endif
#endif
