/* Versions of the whole store, the writer's turn, and what the four kinds of store share.
 *
 * A slot that reads takes the current version and looks at it without any lock; a slot that writes
 * waits for its turn, makes maps that differ, and puts them into the next version with its commit.
 * A transaction is a version that nobody else sees yet. */
#ifndef MEMORY_STATE_H
#define MEMORY_STATE_H

#include <pthread.h>

#include "map.h"

#define MEMORY_TRY(call)                \
    do {                                \
        const rag_status try_ = (call); \
        if (try_ != RAG_OK)             \
            return try_;                \
    } while (0)

/* ---- rows: what the map of a namespace holds --------------------------------------------------- */

enum { ROW_PARTS = 5 };
enum { ROW_VALUE = 1, ROW_VECTOR = 2 }; /* as RAG_VECTOR_VALUES, RAG_VECTOR_VECTORS */

struct row {
    struct item item;
    rag_slice parts[ROW_PARTS]; /* parts[0]: the value; the others are for each kind to say */
    int64_t created_at, updated_at;
    float *vector; /* `dimension` elements that the caller of memory_row_new() fills, or NULL */
    size_t dimension;
    int64_t mark;   /* of a pending row: its version */
    int is_deleted; /* of a pending row: a deferred delete */
};

/* Copies everything given into one block with one reference. NULL: no memory. */
struct row *memory_row_new(const rag_host *host, rag_slice key, const rag_slice *parts,
                           size_t part_count, size_t dimension);
/* Append the row as found, with key and times, and value and vector as `what` says. */
rag_status memory_row_append(const rag_call *call, const struct row *row, unsigned what,
                             rag_result *out, rag_error *err);

/* ---- namespaces and versions -------------------------------------------------------------------- */

enum kind {
    KIND_KV,
    KIND_VECTOR,
    KIND_NODES,
    KIND_EDGES,
    KIND_ADJACENT,
    KIND_DOCS,
    KIND_PENDING,
    KIND_COUNT
};

/* The one name of the kinds that have one namespace each. */
#define GRAPH_NAME "graph"
#define DOCS_NAME "doc_status"

struct space {
    struct item item; /* key: the name */
    enum kind kind;
    struct map rows;
    uint64_t generation;    /* token of the commit that changed it last */
    rag_vector_space facts; /* of KIND_VECTOR */
    rag_kv_limits limits;   /* of KIND_KV */
    char name[];
};

struct version {
    atomic_size_t references;
    rag_token token;
    struct map spaces[KIND_COUNT];
};

struct memory {
    const rag_host *host;
    int64_t lock_timeout_ms;
    pthread_mutex_t
        mutex;   /* guards the two members below; innermost, held for a few instructions */
    int writing; /* somebody has the writer's turn */
    struct version *current;
    pthread_cond_t turn_free;
    atomic_int_least64_t last_mark; /* of pending rows; never given twice */
};

rag_status memory_state_init(struct memory *m, rag_error *err);
void memory_state_destroy(struct memory *m);

/* The version that the call sees: its transaction's, or the current one. Release it. */
struct version *memory_version_read(const rag_call *call);
void memory_version_release(const rag_host *host, struct version *version);
/* NULL when there is no such namespace. Borrowed from the version. */
struct space *memory_version_space(const struct version *version, enum kind kind, const char *name);
/* Its rows; an empty map when there is none. Borrowed. */
struct map memory_version_rows(const struct version *version, enum kind kind, const char *name);

/* ---- writing ------------------------------------------------------------------------------------- */

struct write {
    const rag_call *call;
    struct version *work;     /* the transaction's, or a version of this write alone */
    struct space *changed[3]; /* private copies, put into `work` by memory_write_end() */
    size_t changed_count;
};

/* Take the writer's turn, or go on in call->txn. Always ended with memory_write_end(). */
rag_status memory_write_begin(const rag_call *call, struct write *w, rag_error *err);
/* A copy of the namespace (new when there is none) whose rows may be replaced. */
rag_status memory_write_space(struct write *w, enum kind kind, const char *name, struct space **out,
                              rag_error *err);
/* With RAG_OK: commit, or leave it to the transaction. Otherwise forget everything since
 * memory_write_begin() and return `status`. */
rag_status memory_write_end(struct write *w, rag_status status, rag_token *token, rag_error *err);

/* Slots of rag_backend. */
rag_status memory_begin(const rag_call *call, void **txn, rag_error *err);
rag_status memory_commit(const rag_call *call, rag_token *token, rag_error *err);
void memory_abort(const rag_call *call);

/* ---- what several kinds of store do alike --------------------------------------------------------- */

rag_status memory_rows_get(const rag_call *call, enum kind kind, const char *name,
                           const rag_slice *keys, size_t n, unsigned what, rag_result *out,
                           rag_error *err);
rag_status memory_rows_scan(const rag_call *call, enum kind kind, const char *name, rag_slice after,
                            size_t limit, unsigned what, rag_result *out, rag_error *err);
rag_status memory_rows_delete(const rag_call *call, enum kind kind, const char *name,
                              const rag_slice *keys, size_t n, uint64_t *deleted, rag_token *token,
                              rag_error *err);
/* Forget the namespaces of these kinds. */
rag_status memory_rows_drop(const rag_call *call, const enum kind *kinds, size_t kind_count,
                            const char *name, rag_error *err);
rag_status memory_rows_put(struct write *w, struct space *space, struct row *row, rag_error *err);
rag_status memory_rows_remove(struct write *w, struct space *space, rag_slice key,
                              uint64_t *removed, rag_error *err);
/* The same for n keys; no such namespace: nothing. */
rag_status memory_rows_remove_all(struct write *w, enum kind kind, const char *name,
                                  const rag_slice *keys, size_t n, uint64_t *removed,
                                  rag_error *err);

/* ---- vectors: vector.c and vector_pending.c ----------------------------------------------------------- */

/* Put a row, all checks included. `now`: of memory_now(). */
rag_status memory_vector_put(struct write *w, struct space *space, const rag_vector_item *item,
                             int64_t now, rag_error *err);
/* The elements as the space keeps them, into *to. */
rag_status memory_vector_copy(const rag_call *call, const struct space *space,
                              const rag_vector_item *item, float *to, rag_error *err);
/* Delete the rows whose payload has one of the names, of a vector space or of what is pending. */
rag_status memory_vector_remove_named(struct write *w, enum kind kind, const char *name_space,
                                      const rag_slice *names, size_t n, uint64_t *removed,
                                      rag_error *err);
/* Forget what is pending of these ids. */
rag_status memory_pending_discard(struct write *w, const char *name_space, const rag_slice *ids,
                                  size_t stride, size_t n, rag_error *err);
/* As memory_rows_get(), what is pending over what is there. */
rag_status memory_pending_get(const rag_call *call, const char *name_space, const rag_slice *ids,
                              size_t n, unsigned what, rag_result *out, rag_error *err);

rag_status memory_pending_put(const rag_call *call, const char *name_space,
                              const rag_pending_item *items, size_t n, rag_token *token,
                              rag_error *err);
rag_status memory_pending_delete(const rag_call *call, const char *name_space, const rag_slice *ids,
                                 size_t n, rag_token *token, rag_error *err);
rag_status memory_pending_scan(const rag_call *call, const char *name_space, rag_slice after,
                               size_t limit, rag_result *out, rag_error *err);
rag_status memory_pending_resolve(const rag_call *call, const char *name_space,
                                  const rag_pending_vector *vectors, size_t n, int keep,
                                  uint64_t *applied, rag_token *token, rag_error *err);
rag_status memory_pending_drop(const rag_call *call, const char *name_space, uint64_t *dropped,
                               rag_error *err);

/* A look at deadline and cancel flag for the i-th step of a loop; cheap. */
rag_status memory_check(const rag_call *call, size_t i, rag_error *err);
int64_t memory_now(void);

/* error.c: the one place where failures of the system become ours. */
rag_status memory_map_error(const rag_host *host, int code, const char *doing, rag_error *err);
rag_status memory_no_memory(const rag_host *host, rag_error *err);

extern const rag_kv_table memory_kv;
extern const rag_vector_table memory_vector;
extern const rag_graph_table memory_graph;
extern const rag_docstatus_table memory_docstatus;

#endif
