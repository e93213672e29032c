/* SQLite's result codes as ours. */
#ifndef EMBEDDED_ERROR_H
#define EMBEDDED_ERROR_H

#include <ragstore/status.h>

struct error_kind {
    rag_status status;
    int retryable;
};

/* What an extended result code means; `system_errno` is sqlite3_system_errno(), 0 unknown. An
 * interrupt answers RAG_E_CANCELLED: the caller asks the context which it was. */
struct error_kind map_error(int code, int system_errno);

/* Whether a failed COMMIT with this code may nevertheless have happened: a sync or a write that
 * failed with EIO leaves unknown bytes behind, a full disk does not. */
int error_commit_is_unknown(int code, int system_errno);

#endif
