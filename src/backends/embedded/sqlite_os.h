/* The system calls of the private SQLite: locks that belong to an open file, and descriptors that
 * do not survive a fork. sqlite_os.c says why. */
#ifndef EMBEDDED_SQLITE_OS_H
#define EMBEDDED_SQLITE_OS_H

#include <errno.h>

#include "core/error.h"

/* Put our system calls under SQLite; every open of a database calls it first. Any thread. */
rag_status sqlite_os_install(rag_error *err);

/* Whether the file that SQLite opened under `path` is still the one at that path. `path` is found
 * by its address: sqlite3_filename_wal() of a connection gives the one of its write-ahead log.
 * 1 yes, 0 replaced, gone or not open, -1 the path cannot be looked at (errno). */
int sqlite_os_is_in_place(const char *path);

/* As sqlite3_system_errno() of a read: EIO under another number, for a reason said in sqlite_os.c. */
enum { SQLITE_OS_READ_EIO = EREMOTEIO };

#endif
