/* The four tables of the embedded backend, each from the file of its name. */
#ifndef EMBEDDED_STORES_H
#define EMBEDDED_STORES_H

#include <ragstore/backend.h>

struct db_conn;

extern const rag_kv_table embedded_kv;
extern const rag_vector_table embedded_vector;
extern const rag_graph_table embedded_graph;
extern const rag_docstatus_table embedded_docstatus;

/* docstatus_upgrade.c. Fill the columns of document rows that version 1 did not have; for
 * db_upgrade.c. */
struct db_conn;
rag_status docstatus_upgrade(struct db_conn *conn, uint64_t *rows, rag_error *err);
/* docstatus_upgrade.c, graph_labels.c. The SQL functions of schema_old.c. */
rag_status docstatus_old_functions(struct db_conn *conn, rag_error *err);
rag_status graph_old_functions(struct db_conn *conn, rag_error *err);

/* A space of fewer rows has no index: a walk over them is as fast. */
#define VECTOR_INDEX_MIN_ROWS 1024

/* vector_index.c. Bring the index files up to date: rag_store_optimize(). */
rag_status vector_index_optimize(const rag_call *call, rag_error *err);
/* The same; where deleted rows must be unreadable, files that have some are made anew. */
rag_status vector_index_compact(const rag_call *call, rag_error *err);
/* The same in passing, after a flush, when so many rows are covered by no index that searches
 * suffer: the cost is that of the rows written since. */
rag_status vector_index_after_flush(const rag_call *call, rag_error *err);

/* kv_limits.c. Delete what is past its time in caches with a time to live, as much as one commit
 * should hold; adds to *removed. *more: there may be further rows. */
struct db_write;
rag_status kv_remove_expired(struct db_write *w, uint64_t *removed, int *more, rag_error *err);

/* Remove index files that the database does not name and nobody is making. */
void vector_index_remove_garbage(const rag_call *call);

/* graph_labels.c. Make the index of labels of a store of format 1; adds its nodes to *rows. */
rag_status graph_upgrade(struct db_conn *conn, uint64_t *rows, rag_error *err);

#endif
