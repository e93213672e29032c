/* What was written to one file's namespace since the file was written last: names only, the rows are
 * in memory. When somebody else changes the file, these rows are put over what is then in it. */
#ifndef LIGHTRAG_FILES_LIVE_CHANGES_H
#define LIGHTRAG_FILES_LIVE_CHANGES_H

#include "core/arena.h"
#include "core/buffer.h"
#include "core/error.h"
#include "core/slice_index.h"

enum live_change {
    LIVE_ROW,  /* a value, a document, a vector or a node: put, or deleted when it is not there */
    LIVE_EDGE, /* the same of an edge */
    LIVE_CLEARED, /* a node that was deleted: with it all its edges, also those others have made */
    LIVE_NAMED    /* vectors with this name were deleted */
};

struct live_key {
    enum live_change what;
    rag_slice key, key2; /* key2: the target of an edge */
};

struct live_changes {
    int dirty;   /* there is something to write, if only that the namespace exists */
    int dropped; /* everything was deleted: what is in the file counts no more */
    struct arena arena;
    struct live_key *keys;
    size_t count, capacity;
    struct slice_index index; /* of their encoded form */
};

rag_status live_changes_add(struct live_changes *c, enum live_change what, rag_slice key,
                            rag_slice key2, rag_error *err);
void live_changes_drop(struct live_changes *c);
/* What `from` has, which came later. */
rag_status live_changes_merge(struct live_changes *c, const struct live_changes *from,
                              rag_error *err);
void live_changes_clear(struct live_changes *c);

#endif
