/* What brings a store of an older format up to the present one. Statements of one step run in order,
 * in one transaction, when the store is opened for writing; then the functions of the stores that
 * db_upgrade.c lists, in the same transaction. */
#include "schema_upgrade.h"

#include <stddef.h>

/* From version 1 to 2. Each group ends with a line of its own; NULL ends the list. */
const char *const schema_upgrade_1_to_2[] = {
    /* labels packed for searching: graph_upgrade() fills it */
    "CREATE TABLE graph_label(block INTEGER PRIMARY KEY, labels BLOB NOT NULL);",

    NULL,
};
