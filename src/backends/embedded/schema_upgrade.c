/* What brings a store of an older format up to the present one. Statements of one step run in order,
 * in one transaction, when the store is opened for writing; then the functions of the stores that
 * db_upgrade.c lists, in the same transaction. */
#include "schema_upgrade.h"

#include <stddef.h>

#include "schema.h"
#include "schema_doc.h"
#include "schema_pending.h"

/* From version 1 to 2. Each group ends with a line of its own; NULL ends the list. */
const char *const schema_upgrade_1_to_2[] = {
    /* Documents: new columns before the value, which docstatus_upgrade() fills from it. */
    "ALTER TABLE doc RENAME TO doc_1;",
    SCHEMA_DOC_TABLE,
    "INSERT INTO doc(rowid, id, status, created_at, updated_at, file_path, file_path_order,"
    " track_id, content_hash, is_duplicate, has_journal, value)"
    " SELECT rowid, id, status, ifnull(created_at, X''), updated_at, file_path, file_path_order,"
    " track_id, content_hash, is_duplicate, 0, value FROM doc_1 ORDER BY rowid;",
    "DROP TABLE doc_1;",
    SCHEMA_DOC_INDEXES,

    /* labels packed for searching: graph_upgrade() fills it */
    "CREATE TABLE graph_label(block INTEGER PRIMARY KEY, labels BLOB NOT NULL);",

    /* bounds of caches */
    SCHEMA_KV_LIMITS,

    /* pending vectors */
    "ALTER TABLE vector_space ADD COLUMN pending INTEGER NOT NULL DEFAULT 0;",
    SCHEMA_PENDING,
    NULL,
};
