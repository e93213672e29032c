/* The tables of format version 2.
 *
 * Why they look like this:
 *  - Keys and labels are BLOBs: bytes in, bytes out, and memcmp order is the order of code points.
 *  - Values live in row-id tables, appended densely; what has to be found by key is a small index or
 *    a WITHOUT ROWID table beside it. An update then dirties one page of the small tree and one of
 *    the large, and large values never bloat the trees that are searched.
 *  - `namespace` has one row for each namespace and one for the store: the counters of a commit and
 *    its token dirty one page together. Ids are never reused (AUTOINCREMENT): slots contain them.
 *  - `dictionary` holds what zstd learnt of the values of a namespace; frames name it by its id.
 *  - graph_adjacent carries the neighbour's label, so that the edges at a node are one range scan
 *    without a look-up per edge; it also finds the edge of a pair, so edges need no index of their
 *    own. A self loop has one row there and counts 2 in the degree.
 *  - The degree lives in graph_node, a compact tree by label. Popular nodes are found through a
 *    partial index that only nodes of some degree enter: most updates do not touch it.
 *  - graph_label has all labels once more, packed, to be searched from end to end: graph_labels.c.
 *  - Vectors: vector_key finds the slot of an id, vector_row has the payload, vector_data the
 *    elements, packed; a search reads only vector_data until it knows its hits.
 *  - A document row keeps what questions are asked by in columns; the row itself is `value`. */
#include "schema.h"

#include <stddef.h>

#include "schema_doc.h"
#include "schema_pending.h"

const char *const schema_create[] = {
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"

    "CREATE TABLE namespace("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL, name TEXT NOT NULL,"
    "  rows INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,"
    "  generation INTEGER NOT NULL DEFAULT 0, UNIQUE(kind, name));"
    "INSERT INTO namespace(id, kind, name) VALUES"
    "  (0, 0, ''), (1, 3, 'graph'), (2, 4, 'graph'), (3, 5, 'doc_status');"

    /* The newest token known to be durable; only flushes write it. */
    "CREATE TABLE durable(id INTEGER PRIMARY KEY CHECK (id = 0), token INTEGER NOT NULL);"
    "INSERT INTO durable VALUES (0, 0);"

    "CREATE TABLE dictionary("
    "  id INTEGER PRIMARY KEY, namespace INTEGER NOT NULL, bytes BLOB NOT NULL);"
    "CREATE INDEX dictionary_namespace ON dictionary(namespace);"

    "CREATE TABLE kv("
    "  id INTEGER PRIMARY KEY, namespace INTEGER NOT NULL, key BLOB NOT NULL,"
    "  created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, value BLOB NOT NULL);"
    "CREATE UNIQUE INDEX kv_key ON kv(namespace, key);" SCHEMA_KV_LIMITS

    "CREATE TABLE graph_node("
    "  label BLOB PRIMARY KEY, id INTEGER NOT NULL, degree INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX graph_node_popular ON graph_node(degree DESC, label) WHERE degree >= 8;"
    "CREATE TABLE graph_node_value(id INTEGER PRIMARY KEY, value BLOB NOT NULL);"
    "CREATE TABLE graph_edge("
    "  id INTEGER PRIMARY KEY, source BLOB NOT NULL, target BLOB NOT NULL, value BLOB NOT NULL);"
    "CREATE TABLE graph_adjacent("
    "  node INTEGER NOT NULL, neighbour BLOB NOT NULL, edge INTEGER NOT NULL,"
    "  PRIMARY KEY(node, neighbour)) WITHOUT ROWID;"
    "CREATE TABLE graph_label(block INTEGER PRIMARY KEY, labels BLOB NOT NULL);",

    SCHEMA_DOC_TABLE, /* the upgrade makes them too */
    SCHEMA_DOC_INDEXES,
    "CREATE TABLE doc_count(status BLOB PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;",

    "CREATE TABLE vector_space("
    "  id INTEGER PRIMARY KEY, model TEXT NOT NULL, dimension INTEGER NOT NULL,"
    "  metric INTEGER NOT NULL, element INTEGER NOT NULL, parts INTEGER NOT NULL,"
    "  next_slot INTEGER NOT NULL,"
    "  pending INTEGER NOT NULL DEFAULT 0);", /* id: that of its row in namespace */
    SCHEMA_PENDING,
    "CREATE TABLE vector_key("
    "  space INTEGER NOT NULL, id BLOB NOT NULL, slot INTEGER NOT NULL,"
    "  PRIMARY KEY(space, id)) WITHOUT ROWID;"
    "CREATE TABLE vector_row("
    "  slot INTEGER PRIMARY KEY, id BLOB NOT NULL, created_at INTEGER NOT NULL,"
    "  name BLOB, name2 BLOB, value BLOB NOT NULL);"
    "CREATE TABLE vector_data(part INTEGER PRIMARY KEY, elements BLOB NOT NULL);"
    "CREATE TABLE vector_name("
    "  space INTEGER NOT NULL, name BLOB NOT NULL, slot INTEGER NOT NULL,"
    "  PRIMARY KEY(space, name, slot)) WITHOUT ROWID;"
    /* The valid index files, and only they: file name, slots covered, length and checksum. */
    "CREATE TABLE vector_index("
    "  uuid BLOB PRIMARY KEY, space INTEGER NOT NULL, first_slot INTEGER NOT NULL,"
    "  last_slot INTEGER NOT NULL, rows INTEGER NOT NULL, token INTEGER NOT NULL,"
    "  length INTEGER NOT NULL, checksum INTEGER NOT NULL) WITHOUT ROWID;",
    NULL,
};
