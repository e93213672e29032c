/* SQLite's result codes as ours: the table. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "backends/embedded/error.h"

struct row {
    int code, system_errno;
    rag_status status;
    int retryable;
};

static const struct row rows[] = {
    { SQLITE_OK, 0, RAG_OK, 0 },
    { SQLITE_ROW, 0, RAG_OK, 0 },
    { SQLITE_DONE, 0, RAG_OK, 0 },
    { SQLITE_BUSY, 0, RAG_E_TIMEOUT, 1 },
    { SQLITE_BUSY_RECOVERY, 0, RAG_E_TIMEOUT, 1 },
    { SQLITE_BUSY_SNAPSHOT, 0, RAG_E_TRANSACTION, 1 },
    { SQLITE_PROTOCOL, 0, RAG_E_TIMEOUT, 1 },
    { SQLITE_LOCKED, 0, RAG_E_TRANSACTION, 1 },
    { SQLITE_SCHEMA, 0, RAG_E_TRANSACTION, 1 },
    { SQLITE_ABORT_ROLLBACK, 0, RAG_E_TRANSACTION, 0 },
    { SQLITE_INTERRUPT, 0, RAG_E_CANCELLED, 1 },
    { SQLITE_FULL, ENOSPC, RAG_E_NO_SPACE, 0 },
    { SQLITE_CORRUPT, 0, RAG_E_CORRUPT, 0 },
    { SQLITE_CORRUPT_INDEX, 0, RAG_E_CORRUPT, 0 },
    { SQLITE_NOTADB, 0, RAG_E_CORRUPT, 0 },
    { SQLITE_READONLY, 0, RAG_E_DENIED, 0 },
    { SQLITE_READONLY_DIRECTORY, 0, RAG_E_DENIED, 0 },
    { SQLITE_READONLY_DBMOVED, 0, RAG_E_CORRUPT, 0 },
    { SQLITE_PERM, 0, RAG_E_DENIED, 0 },
    { SQLITE_CANTOPEN, EACCES, RAG_E_DENIED, 0 },
    { SQLITE_CANTOPEN, ENOENT, RAG_E_NOT_FOUND, 0 },
    { SQLITE_CANTOPEN, EMFILE, RAG_E_IO, 1 },
    { SQLITE_CANTOPEN, ENOSPC, RAG_E_NO_SPACE, 0 },
    { SQLITE_IOERR, EIO, RAG_E_IO, 0 },
    { SQLITE_IOERR_READ, EIO, RAG_E_IO, 0 },
    { SQLITE_IOERR_WRITE, EDQUOT, RAG_E_NO_SPACE, 0 },
    { SQLITE_IOERR_WRITE, EFBIG, RAG_E_NO_SPACE, 0 },
    { SQLITE_IOERR_SHMSIZE, ENOSPC, RAG_E_NO_SPACE, 0 },
    { SQLITE_IOERR_FSYNC, EIO, RAG_E_IO, 0 },
    { SQLITE_IOERR_FSYNC, ENOSPC, RAG_E_IO, 0 },
    { SQLITE_IOERR_NOMEM, 0, RAG_E_NO_MEMORY, 1 },
    { SQLITE_NOMEM, 0, RAG_E_NO_MEMORY, 1 },
    { SQLITE_TOOBIG, 0, RAG_E_INVALID, 0 },
    { SQLITE_ERROR, 0, RAG_E_DATABASE, 0 },
    { SQLITE_CONSTRAINT_UNIQUE, 0, RAG_E_DATABASE, 0 },
    { SQLITE_MISUSE, 0, RAG_E_DATABASE, 0 },
    { 12345678, 0, RAG_E_DATABASE, 0 },
};

static void codes_have_their_kinds(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct error_kind kind = map_error(rows[i].code, rows[i].system_errno);
        if (kind.status != rows[i].status || kind.retryable != rows[i].retryable)
            fail_msg("code %d, errno %d: status %d, retryable %d", rows[i].code,
                     rows[i].system_errno, (int)kind.status, kind.retryable);
    }
}

static void only_failed_io_leaves_a_commit_in_doubt(void **state)
{
    (void)state;
    assert_true(error_commit_is_unknown(SQLITE_IOERR_FSYNC, EIO));
    assert_true(error_commit_is_unknown(SQLITE_IOERR_FSYNC, ENOSPC));
    assert_true(error_commit_is_unknown(SQLITE_IOERR_WRITE, EIO));
    assert_false(error_commit_is_unknown(SQLITE_IOERR_WRITE, EFBIG));
    assert_false(error_commit_is_unknown(SQLITE_FULL, ENOSPC));
    assert_false(error_commit_is_unknown(SQLITE_BUSY, 0));
    assert_false(error_commit_is_unknown(SQLITE_IOERR_NOMEM, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_have_their_kinds),
        cmocka_unit_test(only_failed_io_leaves_a_commit_in_doubt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
