/* Vectors that are still to be embedded: vector_pending.c, for vector.c and embedded.c. */
#ifndef EMBEDDED_VECTOR_PENDING_H
#define EMBEDDED_VECTOR_PENDING_H

#include "vector_rows.h"

/* Forget what is pending of a row, or of a name, inside a write. Changes space->pending: whoever
 * calls them ends with space_save(). Free of cost when nothing is pending. */
rag_status vector_pending_discard(struct db_write *w, struct space *space, rag_slice id,
                                  rag_error *err);
rag_status vector_pending_discard_named(struct db_write *w, struct space *space, rag_slice name,
                                        rag_error *err);

/* Append what is pending of a row to an answer: *found 0 when nothing is. */
rag_status vector_pending_append(struct db_conn *conn, const struct space *space, rag_slice id,
                                 unsigned what, struct buffer *floats, rag_result *out, int *found,
                                 rag_error *err);

/* Before the handle is closed: what it left pending is everybody's from now on. */
void vector_pending_hand_over(struct db *db);

/* Slots. */
rag_status vector_pending_put(const rag_call *call, const char *name, const rag_pending_item *items,
                              size_t n, rag_token *token, rag_error *err);
rag_status vector_pending_delete(const rag_call *call, const char *name, const rag_slice *ids,
                                 size_t n, rag_token *token, rag_error *err);
rag_status vector_pending_scan(const rag_call *call, const char *name, rag_slice after,
                               size_t limit, rag_result *out, rag_error *err);
rag_status vector_pending_resolve(const rag_call *call, const char *name,
                                  const rag_pending_vector *vectors, size_t n, int keep,
                                  uint64_t *applied, rag_token *token, rag_error *err);
rag_status vector_pending_drop(const rag_call *call, const char *name, uint64_t *dropped,
                               rag_error *err);

#endif
