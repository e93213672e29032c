/* The tables of pending vectors, for new stores and for those that are brought up to date.
 * Rows to be embedded; without content: to be deleted. Whose they are: pending_owner. */
#ifndef EMBEDDED_SCHEMA_PENDING_H
#define EMBEDDED_SCHEMA_PENDING_H

#define SCHEMA_PENDING                                                                           \
    "CREATE TABLE vector_pending("                                                               \
    "  mark INTEGER PRIMARY KEY AUTOINCREMENT, space INTEGER NOT NULL, id BLOB NOT NULL,"        \
    "  owner INTEGER NOT NULL, created_at INTEGER NOT NULL, name BLOB, name2 BLOB,"              \
    "  content BLOB, value BLOB, vector BLOB);"                                                  \
    "CREATE UNIQUE INDEX vector_pending_id ON vector_pending(space, id);"                        \
    "CREATE INDEX vector_pending_name ON vector_pending(space, name) WHERE name IS NOT NULL;"    \
    "CREATE INDEX vector_pending_name2 ON vector_pending(space, name2) WHERE name2 IS NOT NULL;" \
    "CREATE TABLE pending_owner(id INTEGER PRIMARY KEY, process TEXT NOT NULL);"

#endif
