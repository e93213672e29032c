/* The private SQLite takes its memory through core/alloc.c. */
#ifndef EMBEDDED_SQLITE_MEMORY_H
#define EMBEDDED_SQLITE_MEMORY_H

/* Before sqlite3_initialize(); later it changes nothing. */
void sqlite_memory_install(void);

#endif
