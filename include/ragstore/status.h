/* Results and errors.
 *
 * Every function that can fail returns a rag_status and takes a rag_error as its last parameter.
 * The error lives in the caller's frame, holds no pointers and may be NULL. There is no "last
 * error" kept anywhere else. On failure output parameters are untouched. */
#ifndef RAGSTORE_STATUS_H
#define RAGSTORE_STATUS_H

#include <stdint.h>

#include "version.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Kinds of failure. Append-only: numbers are never reused. */
typedef enum rag_status {
    RAG_OK = 0,
    RAG_E_INVALID = -1,     /* wrong argument or value, refused before anything was changed */
    RAG_E_NOT_FOUND = -2,   /* the thing named does not exist (reads of keys never say this: they
                               answer with rows whose `found` is 0) */
    RAG_E_CONFLICT = -3,    /* it exists already, or somebody else changed it meanwhile */
    RAG_E_CORRUPT = -4,     /* what is stored or was read contradicts its own format */
    RAG_E_UNSUPPORTED = -5, /* this backend or this version cannot do it */
    RAG_E_TIMEOUT = -6,     /* the deadline of the context passed */
    RAG_E_CANCELLED = -7,   /* the cancel flag of the context was set */
    RAG_E_CONNECTION = -8,  /* a server could not be reached, or the connection was lost */
    RAG_E_TRANSACTION = -9, /* serialisation failure, deadlock, or a transaction that has ended */
    RAG_E_DATABASE = -10,   /* the database refused for a reason of its own: see vendor_code */
    RAG_E_IO = -11,         /* the operating system failed a read, a write or a sync */
    RAG_E_NO_SPACE = -12,   /* disk or quota is full */
    RAG_E_NO_MEMORY = -13,  /* an allocation failed or a stated limit of memory was reached */
    RAG_E_DENIED = -14,     /* permission, read-only handle, or a namespace outside the handle */
    RAG_E_MISMATCH = -15,   /* another embedding model, dimension, metric or element type */
    RAG_E_VERSION = -16,    /* a store, file or module of a newer format */
    RAG_E_FORKED = -17      /* the handle was opened before fork() and is used in the child */
} rag_status;

/* What is known of a write that failed. */
typedef enum rag_outcome {
    RAG_OUTCOME_NOT_APPLIED = 0, /* nothing of it will be seen, now or later */
    RAG_OUTCOME_APPLIED = 1,     /* applied and visible, but not known to be durable */
    RAG_OUTCOME_DURABLE = 2,     /* applied and durable; what failed came after */
    RAG_OUTCOME_UNKNOWN = 3      /* it may or may not have happened: read to find out */
} rag_outcome;

enum { RAG_ERROR_MESSAGE_MAX = 480 };

typedef struct rag_error {
    rag_status status;    /* of the call that failed; a success leaves all of this alone */
    rag_outcome outcome;  /* of the write, for functions that write */
    int retryable;        /* 1: the same call may succeed later, and is safe */
    int32_t vendor_code;  /* errno, SQLite's extended code, ...; 0 none */
    char native_state[8]; /* SQLSTATE and the like, "" none */
    char message[RAG_ERROR_MESSAGE_MAX]; /* one line, names the thing and the value, no secrets */
} rag_error;

/* Zero-initialises a rag_error: rag_error err = RAG_ERROR_INIT; */
#define RAG_ERROR_INIT { RAG_OK, RAG_OUTCOME_NOT_APPLIED, 0, 0, { 0 }, { 0 } }

/* "not found", "timeout": the kind as a short English phrase. Static; never NULL. */
RAG_EXPORT const char *rag_status_text(rag_status status);

#ifdef __cplusplus
}
#endif
#endif
