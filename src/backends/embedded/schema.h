/* The tables of a store, and their version. docs/file-format.md describes them for readers. */
#ifndef EMBEDDED_SCHEMA_H
#define EMBEDDED_SCHEMA_H

/* "RAGs" in PRAGMA application_id; in the file from its first commit. */
#define SCHEMA_APPLICATION_ID 0x52414773
/* PRAGMA user_version. New stores have the first, and newer ones are refused. The second has the
 * same tables, but its pages have no checksums: older stores are brought up to it when they are
 * opened for writing. */
#define SCHEMA_VERSION 3
#define SCHEMA_VERSION_UNCHECKED 2

/* Kinds of a row in `namespace`. Stored: never renumbered. */
enum {
    NAMESPACE_STORE = 0, /* the store itself: row 0; its generation is the commit token */
    NAMESPACE_KV = 1,
    NAMESPACE_VECTOR = 2,
    NAMESPACE_NODES = 3,
    NAMESPACE_EDGES = 4,
    NAMESPACE_DOCS = 5
};

/* The row ids of the namespaces that always exist. */
enum {
    NAMESPACE_ID_STORE = 0,
    NAMESPACE_ID_NODES = 1,
    NAMESPACE_ID_EDGES = 2,
    NAMESPACE_ID_DOCS = 3
};

/* Nodes of at least this degree are in the index of popular nodes (and in its WHERE clause). */
#define SCHEMA_POPULAR_DEGREE 8

/* A vector slot is (space id << SLOT_BITS) | n: the rows of a space are contiguous and in the order
 * of their slots, and n is never used twice. The elements of a row are cut into `parts` pieces, row
 * id slot * SLOT_PARTS_MAX + part, so that pages are filled whatever the dimension. */
#define SCHEMA_SLOT_BITS 40
#define SCHEMA_PARTS_MAX 64
#define SCHEMA_SLOTS_MAX ((sqlite3_int64)1 << SCHEMA_SLOT_BITS)
/* (id + 1) << SLOT_BITS, times PARTS_MAX, has to stay a row id. */
#define SCHEMA_SPACE_ID_MAX 131070

/* Bounds of caches; kv_written has a row for each row of a namespace with bounds. */
#define SCHEMA_KV_LIMITS                                           \
    "CREATE TABLE kv_limit("                                       \
    "  namespace INTEGER PRIMARY KEY, max_bytes INTEGER NOT NULL," \
    "  ttl_s INTEGER NOT NULL);"                                   \
    "CREATE TABLE kv_written("                                     \
    "  namespace INTEGER NOT NULL, updated_at INTEGER NOT NULL,"   \
    "  row INTEGER NOT NULL, PRIMARY KEY(namespace, updated_at, row)) WITHOUT ROWID;"

/* Everything that a new store needs: strings of statements, NULL-ended. */
extern const char *const schema_create[];

#endif
