/* The one place where SQLite's result codes become ours. Codes are extended ones: kind in the low
 * byte, detail above. A failure of the operating system is judged by errno first, because SQLite
 * reports a quota or a file size limit as a failed write. */
#include "error.h"

#include <errno.h>
#include <sqlite3.h>

static struct error_kind kind(rag_status status, int retryable)
{
    return (struct error_kind){ .status = status, .retryable = retryable };
}

static int is_sync(int code)
{
    return code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC;
}

static struct error_kind of_io(int code, int system_errno)
{
    if (code == SQLITE_IOERR_DATA) /* page_checksum.c */
        return kind(RAG_E_CORRUPT, 0);
    if (code == SQLITE_IOERR_NOMEM)
        return kind(RAG_E_NO_MEMORY, 1);
    if (is_sync(code))
        return kind(RAG_E_IO, 0);
    switch (system_errno) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return kind(RAG_E_NO_SPACE, 0);
    case ENOMEM: return kind(RAG_E_NO_MEMORY, 1);
    default: return kind(RAG_E_IO, 0);
    }
}

static struct error_kind of_open(int system_errno)
{
    switch (system_errno) {
    case ENOENT: return kind(RAG_E_NOT_FOUND, 0);
    case ENOSPC:
    case EDQUOT: return kind(RAG_E_NO_SPACE, 0);
    case EMFILE:
    case ENFILE: return kind(RAG_E_IO, 1);
    case EIO: return kind(RAG_E_IO, 0);
    case ENOMEM: return kind(RAG_E_NO_MEMORY, 1);
    default: return kind(RAG_E_DENIED, 0);
    }
}

struct error_kind map_error(int code, int system_errno)
{
    switch (code) {
    case SQLITE_BUSY_SNAPSHOT: return kind(RAG_E_TRANSACTION, 1);
    case SQLITE_READONLY_DBMOVED: return kind(RAG_E_CORRUPT, 0);
    default: break;
    }
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE: return kind(RAG_OK, 0);
    case SQLITE_BUSY: return kind(RAG_E_TIMEOUT, 1);
    case SQLITE_PROTOCOL: return kind(RAG_E_TIMEOUT, 1);
    case SQLITE_LOCKED:
    case SQLITE_SCHEMA: return kind(RAG_E_TRANSACTION, 1);
    case SQLITE_ABORT: return kind(RAG_E_TRANSACTION, 0);
    case SQLITE_INTERRUPT: return kind(RAG_E_CANCELLED, 1);
    case SQLITE_FULL: return kind(RAG_E_NO_SPACE, 0);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT: return kind(RAG_E_CORRUPT, 0);
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH: return kind(RAG_E_DENIED, 0);
    case SQLITE_CANTOPEN: return of_open(system_errno);
    case SQLITE_IOERR: return of_io(code, system_errno);
    case SQLITE_NOMEM: return kind(RAG_E_NO_MEMORY, 1);
    case SQLITE_TOOBIG: return kind(RAG_E_INVALID, 0);
    default: return kind(RAG_E_DATABASE, 0);
    }
}

int error_commit_is_unknown(int code, int system_errno)
{
    return (code & 0xff) == SQLITE_IOERR && map_error(code, system_errno).status == RAG_E_IO;
}
