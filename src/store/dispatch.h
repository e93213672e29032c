/* What the files of this folder share: the store, its mounts, and how a public call becomes the
 * call of a backend's slot. */
#ifndef STORE_DISPATCH_H
#define STORE_DISPATCH_H

#include <pthread.h>
#include <ragstore/backend.h>

#include "config/config.h"
#include "core/arena.h"
#include "core/error.h"
#include "core/limits.h"
#include "core/slice.h"

enum store_kind {
    STORE_KV = CONFIG_KV,
    STORE_VECTOR = CONFIG_VECTOR,
    STORE_GRAPH = CONFIG_GRAPH,
    STORE_DOC_STATUS = CONFIG_DOC_STATUS,
    STORE_KINDS = CONFIG_KINDS
};

/* A backend after registration: its tables copied, checked and completed, so that every slot of a
 * table that it has can be called. */
struct driver {
    rag_backend backend; /* its tables point to the four below, or are NULL */
    rag_kv_table kv;
    rag_vector_table vector;
    rag_graph_table graph;
    rag_docstatus_table docstatus;
    const char *origin; /* "built in" or "module" */
    struct driver *next;
};

/* One opened backend instance. */
struct store_mount {
    const struct driver *driver;
    void *self;
};

struct rag_txn {
    rag_store *store;
    const struct store_mount *mount;
    void *native;
    int broken; /* something in it was applied by halves: it can only be aborted */
    struct rag_txn *next, *previous;
};

/* Text that names a handle: process_identity(), a blank and a number. */
enum { SHARED_MEMBER_MAX = 160 };

struct rag_store {
    struct store_mount mounts[STORE_KINDS];
    size_t mount_count;
    const struct store_mount *by_kind[STORE_KINDS];
    unsigned flags;    /* RAG_OPEN_* */
    char **namespaces; /* the limit; NULL: none */
    size_t namespace_count;
    unsigned fork_generation;
    pthread_mutex_t txn_mutex; /* of all below; never held around a backend's slot */
    struct rag_txn *txns;
    struct shared_join *joins;      /* shared.c */
    char member[SHARED_MEMBER_MAX]; /* this handle in records of shared namespaces; "" until then */
};

/* A public call on its way. Every rag_call that a slot sees is the first member of one of these:
 * the generic fallbacks find the other slots through it. Stays where it was filled. */
struct store_call {
    rag_call call;
    rag_context ctx;
    rag_store *store;
    const struct store_mount *mount; /* NULL for calls on all kinds */
    const struct driver *driver;
};

enum store_access { STORE_READ, STORE_WRITE };

/* The checks that all calls share: handle, fork, context, transaction, cancel flag. */
rag_status store_enter(rag_store *store, const rag_context *ctx, enum store_access access,
                       struct store_call *c, rag_error *err);
/* The same for a call on one kind: the backend serves it, the handle is not limited to others. */
rag_status store_enter_kind(rag_store *store, const rag_context *ctx, enum store_kind kind,
                            const char *name_space, enum store_access access, struct store_call *c,
                            rag_error *err);
/* For calls on the store as a whole. `what`: "checking". */
rag_status store_refuse_txn(const struct store_call *c, const char *what, rag_error *err);
/* Aim `c` at another mount of the same store. */
void store_aim(struct store_call *c, const struct store_mount *mount);

/* 1 when the handle is not limited to other namespaces. */
int store_allows(const rag_store *store, enum store_kind kind, const char *name_space);

/* 1 when the backend has a table for this kind. */
int driver_serves(const struct driver *driver, enum store_kind kind);

/* `result` to *out, or freed when `status` is a failure; returns `status`. */
rag_status store_hand_over(rag_status status, rag_result *result, rag_result **out);
/* For a page of a scan: look at the caller's position and make the result that the slot fills. */
rag_status store_begin_page(rag_slice after, rag_result **out, rag_result **page, rag_error *err);
/* As store_hand_over(): a page without a next position is the last, and says so. */
rag_status store_hand_over_page(rag_status status, rag_result *page, rag_result **out);

static inline const struct store_call *store_call_of(const rag_call *call)
{
    return (const struct store_call *)(const void *)call;
}

extern const rag_host store_host;

/* shared.c. Leave every shared namespace that this handle has joined; in a child only forget. */
void shared_leave_all(rag_store *store, int in_child);

/* ---- arguments: arguments.c --------------------------------------------------------------------- */

rag_status check_count(const void *items, size_t n, const char *what, rag_error *err);
rag_status check_slice(rag_slice s, const char *what, rag_error *err);
/* Neither empty nor too long. `what`: "key", "vector id". */
rag_status check_key(rag_slice key, const char *what, rag_error *err);
/* A key that is valid UTF-8 as well. */
rag_status check_label(rag_slice label, const char *what, rag_error *err);
rag_status check_keys(const rag_slice *keys, size_t n, const char *what, rag_error *err);
rag_status check_labels(const rag_slice *labels, size_t n, const char *what, rag_error *err);
rag_status check_pairs(const rag_pair *pairs, size_t n, rag_error *err);
rag_status check_namespace(const char *name_space, rag_error *err);
/* Names that begin with a dot are the library's own. */
int is_reserved_namespace(const char *name);
rag_status check_out(const void *out, rag_error *err);
/* Only these bits. */
rag_status check_bits(unsigned bits, unsigned known, const char *what, rag_error *err);
rag_status check_after(rag_slice after, rag_error *err);
size_t clamp_scan(size_t limit);
/* Copy a caller's struct that starts with struct_size over *out, which holds the defaults. `least`:
 * the size of its first version. */
rag_status copy_options(const void *options, size_t least, void *out, size_t size, const char *what,
                        rag_error *err);

/* ---- what is written, checked and in the form that slots rely on --------------------------------- */

/* Everything lives in the arena or in the caller's input. Zero-initialise; free the arena. */
struct prepared {
    struct arena arena;
    void *items; /* of the type the slot takes */
    size_t count;
};

rag_status kv_prepare(const char *name_space, const rag_kv_item *items, size_t n,
                      struct prepared *out, rag_error *err);
/* Asks the backend of `c` for the space. */
rag_status vector_prepare(const struct store_call *c, const char *name_space,
                          const rag_vector_item *items, size_t n, struct prepared *out,
                          rag_error *err);
/* The vector has the dimension of its space, and only finite elements. */
rag_status vector_check(const char *name_space, const rag_vector_space *space, const float *vector,
                        size_t dimension, rag_slice id, rag_error *err);
/* rag_vector_resolve() behind its entrance. `applied` and `token` may be NULL. */
rag_status vector_resolve(const struct store_call *c, const char *name_space,
                          const rag_pending_vector *vectors, size_t n, int keep, uint64_t *applied,
                          rag_token *token, rag_error *err);
rag_status nodes_prepare(const rag_node *nodes, size_t n, rag_put_mode mode, struct prepared *out,
                         rag_error *err);
rag_status edges_prepare(const rag_edge *edges, size_t n, rag_put_mode mode, struct prepared *out,
                         rag_error *err);
/* Slices without repetition, in the order in which they first came. */
rag_status unique_keys(const rag_slice *keys, size_t n, struct prepared *out, rag_error *err);
rag_status docs_prepare(const rag_doc *docs, size_t n, struct prepared *out, rag_error *err);

/* ---- document rows taken apart: docstatus_fields.c ------------------------------------------------ */

struct json_object;

extern const char *const docs_statuses[]; /* the seven of LightRAG; NULL-ended */
int docs_known_status(rag_slice name);
/* Everything but `id`, which stays; slices point into *object. */
void docs_take_fields(const struct json_object *object, rag_doc_fields *fields,
                      int *has_chunks_list);
/* Bytes that the texts of `fields` need, and moving them there (but for id and value). */
size_t docs_fields_bytes(const rag_doc_fields *fields);
void docs_move_fields(rag_doc_fields *fields, char *memory);
/* Usable as a record: docstatus.h. */
int docs_usable(const rag_doc_fields *fields);
/* RAG_E_CORRUPT about a row that is not usable; `as`: "in full". */
rag_status docs_refuse_unusable(rag_slice id, const char *as, rag_error *err);
/* The slots of the host table. */
rag_status docs_fields(rag_slice id, rag_slice row, rag_doc_fields *out, void **memory,
                       rag_error *err);
rag_status docs_record(const rag_doc_fields *fields, char **out, size_t *out_len, rag_error *err);

/* ---- fallbacks for optional slots: fallback.c, graph_view.c -------------------------------------- */

rag_status fallback_kv_filter_missing(const rag_call *call, const char *name_space,
                                      const rag_slice *keys, size_t n, rag_result *out,
                                      rag_error *err);
rag_status fallback_graph_popular(const rag_call *call, size_t limit, rag_result *out,
                                  rag_error *err);
rag_status fallback_graph_view(const rag_call *call, rag_slice label,
                               const rag_graph_view_options *options, rag_result *nodes,
                               rag_result *edges, rag_error *err);

rag_status fallback_graph_search_labels(const rag_call *call, rag_slice query, size_t limit,
                                        rag_result *out, rag_error *err);
rag_status fallback_docstatus_range(const rag_call *call, const rag_doc_range *range,
                                    rag_result *out, rag_error *err);
rag_status fallback_docstatus_range_records(const rag_call *call, const rag_doc_range *range,
                                            rag_result *out, rag_error *err);
rag_status fallback_docstatus_conflicts(const rag_call *call, rag_slice after, size_t limit,
                                        rag_result *out, rag_error *err);

/* For features that a backend does not claim. */
rag_status unclaimed_begin(const rag_call *call, void **txn, rag_error *err);
rag_status unclaimed_commit(const rag_call *call, rag_token *token, rag_error *err);
void unclaimed_abort(const rag_call *call);
rag_status unclaimed_publish(const rag_call *call, rag_error *err);
rag_status unclaimed_optimize(const rag_call *call, rag_error *err);
rag_status unclaimed_check(const rag_call *call, const rag_check_options *options, rag_result *out,
                           rag_error *err);
rag_status unclaimed_compact(const rag_call *call, uint64_t *freed_bytes, rag_error *err);
rag_status unclaimed_backup(const rag_call *call, const char *target, rag_error *err);
rag_status unclaimed_set_limits(const rag_call *call, const char *name_space,
                                const rag_kv_limits *limits, rag_error *err);
rag_status unclaimed_get_limits(const rag_call *call, const char *name_space, rag_kv_limits *out,
                                rag_error *err);
rag_status unclaimed_pending_put(const rag_call *call, const char *name_space,
                                 const rag_pending_item *items, size_t n, rag_token *token,
                                 rag_error *err);
rag_status unclaimed_pending_delete(const rag_call *call, const char *name_space,
                                    const rag_slice *ids, size_t n, rag_token *token,
                                    rag_error *err);
rag_status unclaimed_pending_scan(const rag_call *call, const char *name_space, rag_slice after,
                                  size_t limit, rag_result *out, rag_error *err);
rag_status unclaimed_pending_resolve(const rag_call *call, const char *name_space,
                                     const rag_pending_vector *vectors, size_t n, int keep,
                                     uint64_t *applied, rag_token *token, rag_error *err);
rag_status unclaimed_pending_drop(const rag_call *call, const char *name_space, uint64_t *dropped,
                                  rag_error *err);

#endif
