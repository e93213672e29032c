/* Checksums of the pages of a database. page_checksum.c says how. */
#ifndef EMBEDDED_PAGE_CHECKSUM_H
#define EMBEDDED_PAGE_CHECKSUM_H

#include <sqlite3.h>
#include <stdint.h>

#include "core/error.h"

/* Reserved at the end of each page of a database that has them. */
enum { PAGE_CHECKSUM_BYTES = 8 };

/* Names of the VFS for sqlite3_open_v2(); the second takes no locks (media that nobody writes). They
 * are there after sqlite_os_install(), which calls page_checksum_install(). */
#define PAGE_CHECKSUM_VFS "ragstore"
#define PAGE_CHECKSUM_VFS_NO_LOCKS "ragstore-none"

rag_status page_checksum_install(rag_error *err);

/* For a database without pages: the ones to come have checksums or not. One with pages says it in
 * its header. */
void page_checksum_choose(sqlite3 *sqlite, int wanted);
int page_checksum_is_on(sqlite3 *sqlite);
/* Pages with wrong ones are read as they are. */
void page_checksum_ignore(sqlite3 *sqlite);
/* Number of the page whose checksum was wrong last, since it was asked; 0: none. */
uint32_t page_checksum_failed(sqlite3 *sqlite);

#endif
