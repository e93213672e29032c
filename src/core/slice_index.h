/* A hash table from byte strings to indexes. Borrows the bytes. For "the last of equal keys wins",
 * for answers in the order asked, and wherever else keys are matched in memory. */
#ifndef CORE_SLICE_INDEX_H
#define CORE_SLICE_INDEX_H

#include "error.h"
#include "slice.h"

struct slice_index {
    struct slice_index_cell *cells;
    size_t count, capacity; /* capacity is a power of two */
};

#define SLICE_INDEX_INIT { NULL, 0, 0 }
#define SLICE_INDEX_NONE ((size_t)-1)

/* Room for `count` keys; optional. */
rag_status slice_index_reserve(struct slice_index *t, size_t count, rag_error *err);
/* The index stored for `key`, or SLICE_INDEX_NONE. */
size_t slice_index_find(const struct slice_index *t, rag_slice key);
/* Store `value` for `key`; *previous (may be NULL) is what was there, or SLICE_INDEX_NONE. */
rag_status slice_index_put(struct slice_index *t, rag_slice key, size_t value, size_t *previous,
                           rag_error *err);
/* For lists in which equal keys share one place: *at is the place of an equal key before, or *count,
 * which grows by one then. */
rag_status slice_index_place(struct slice_index *t, rag_slice key, size_t *count, size_t *at,
                             rag_error *err);
void slice_index_remove(struct slice_index *t, rag_slice key);
void slice_index_free(struct slice_index *t);

/* The hash behind it, for whoever needs one: fast, not for adversaries on disk formats. */
uint64_t slice_hash(rag_slice s);

#endif
