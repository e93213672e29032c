/* For authors of backends. A second tier: stable within a minor version only.
 *
 * A backend is one `rag_backend`: how to open it, and a table of function pointers for each store
 * kind that it serves (NULL for the others). Tables start with `struct_size` and only ever grow at
 * their end. Registration checks them once: version, unique name, required slots, and that every
 * feature bit has its slot. Missing optional slots are replaced by a generic fallback, so nobody
 * tests for NULL.
 *
 * What every slot can rely on, because the library has seen to it:
 *  - arguments are valid: slices point somewhere, n > 0, values are JSON objects, vectors are
 *    finite, labels and keys are not empty and not too long; in put slots no key comes twice; limits,
 *    pages and depths are resolved (never 0 for "default") and clamped;
 *  - vectors had the dimension of their space when the call came in. Between that look and the slot
 *    somebody may have dropped the space and defined another: compare once more;
 *  - the handle allows it (workspace, namespaces, read-only), it is not a child after fork;
 *  - no lock of the library is held: a slot may block until the deadline, and only until then;
 *  - slots of one backend are called from many threads at once, those of one transaction from one.
 *
 * What every slot must do: all n items or none; look at the deadline and the cancel flag
 * (host->check) around anything that can take long; leave outputs alone on failure; translate the
 * system's errors in one function of its own (map_error). Rows are handed over with
 * host->row_append, which copies them: a backend never hands out its own memory. */
#ifndef RAGSTORE_BACKEND_H
#define RAGSTORE_BACKEND_H

#include "docstatus.h"
#include "graph.h"
#include "kv.h"
#include "store.h"
#include "txn.h"
#include "vector.h"

#ifdef __cplusplus
extern "C" {
#endif

#define RAG_BACKEND_ABI 1

typedef struct rag_doc_fields rag_doc_fields; /* below */

/* A member of an object: `text` is its value as it is spelled, `string` the value decoded when it is
 * a string (NULL data otherwise). All of it lives as long as the visit. */
typedef rag_status (*rag_json_visit)(void *user, rag_slice name, rag_slice text, rag_slice string,
                                     rag_error *err);

/* What the library offers to a backend. A module uses nothing else of it. */
typedef struct rag_host {
    size_t struct_size;
    uint32_t abi;
    /* Fill *err (may be NULL) and return `status`. The message has no newline and no secret. */
    rag_status (*fail)(rag_error *err, rag_status status, const char *format, ...)
#if defined(__GNUC__) || defined(__clang__)
        __attribute__((format(printf, 3, 4)))
#endif
        ;
    /* RAG_OK, RAG_E_TIMEOUT or RAG_E_CANCELLED. */
    rag_status (*check)(const rag_context *ctx, rag_error *err);
    void (*log)(const rag_context *ctx, rag_log_level level, const char *message);
    /* Append a copy of *row. Fails for lack of memory only. */
    rag_status (*row_append)(rag_result *result, const rag_row *row, rag_error *err);
    /* For scans: where the next one goes on (copied). Without it the scan is at its end. */
    rag_status (*result_next)(rag_result *result, rag_slice position, rag_error *err);
    void (*result_flags)(rag_result *result, unsigned flags); /* adds RAG_RESULT_* bits */
    void (*result_total)(rag_result *result, uint64_t total);
    void *(*alloc)(size_t size); /* NULL on failure; size 0 gives a pointer to nothing */
    void *(*realloc)(void *memory, size_t size);
    void (*free)(void *memory);
    /* Members of the JSON object `news` over those of `old`: into *out (host memory, the caller
     * frees it with host->free), keeping the order of `old` and the spelling of numbers. */
    rag_status (*json_merge)(rag_slice old, rag_slice news, char **out, size_t *out_len,
                             rag_error *err);
    /* The member `name` of the object `json` when it is a string, decoded, in host memory; *out is
     * NULL when it is absent or not a string. */
    rag_status (*json_string)(rag_slice json, const char *name, char **out, size_t *out_len,
                              rag_error *err);
    /* A document row taken apart: the slices of *out point into `row` and into *memory, which the
     * caller frees with host->free. */
    rag_status (*doc_fields)(rag_slice id, rag_slice row, rag_doc_fields *out, void **memory,
                             rag_error *err);
    /* Its record (RAG_DOC_RECORD), in host memory; empty for a row that is not usable as one. Looks
     * at neither `id` nor `value`. */
    rag_status (*doc_record)(const rag_doc_fields *fields, char **out, size_t *out_len,
                             rag_error *err);
    /* A socket or file that must not survive a fork(): from now on it is closed in every child right
     * after it. Untrack before closing it. */
    rag_status (*track_descriptor)(int fd, rag_error *err);
    void (*untrack_descriptor)(int fd);
    /* Every member of the JSON object `json`, in the order of the text; ends with the first visit
     * that fails. */
    rag_status (*json_members)(rag_slice json, rag_json_visit visit, void *user, rag_error *err);
} rag_host;

/* On what a slot works. */
typedef struct rag_call {
    void *self;             /* what open() returned */
    void *txn;              /* of begin(), or NULL: the slot is its own transaction */
    const rag_context *ctx; /* never NULL; ctx->txn is of no use to a backend */
    const rag_host *host;
} rag_call;

/* How to open a backend: the parts of its URL and its configuration, all resolved. */
typedef struct rag_backend_config {
    size_t struct_size;
    const char *location;  /* directory, or URL without secrets (for messages) */
    const char *workspace; /* validated; "" is the unnamed one */
    unsigned flags;        /* RAG_OPEN_* */
    int64_t lock_timeout_ms;
    /* The value of an option of this backend ("page_size", "password"), or NULL. */
    const char *(*option)(const void *options, const char *name);
    const void *options;
} rag_backend_config;

/* ---- one table per store kind ---------------------------------------------------------------- */

/* *token: 0 from a slot inside a transaction. All pointers are non-NULL unless said otherwise. */

typedef struct rag_kv_table {
    size_t struct_size;
    /* Required. */
    rag_status (*get_many)(const rag_call *call, const char *name_space, const rag_slice *keys,
                           size_t n, rag_result *out, rag_error *err);
    rag_status (*put_many)(const rag_call *call, const char *name_space, const rag_kv_item *items,
                           size_t n, rag_token *token, rag_error *err);
    rag_status (*delete_many)(const rag_call *call, const char *name_space, const rag_slice *keys,
                              size_t n, uint64_t *deleted, rag_token *token, rag_error *err);
    rag_status (*scan)(const rag_call *call, const char *name_space, rag_slice after, size_t limit,
                       rag_result *out, rag_error *err);
    rag_status (*count)(const rag_call *call, const char *name_space, uint64_t *count,
                        rag_error *err);
    rag_status (*drop)(const rag_call *call, const char *name_space, rag_error *err);
    /* Optional: without it, get_many. Rows for the keys that are absent. */
    rag_status (*filter_missing)(const rag_call *call, const char *name_space,
                                 const rag_slice *keys, size_t n, rag_result *out, rag_error *err);
    /* RAG_FEATURE_CACHE_LIMITS: both. The name ends in "_cache". */
    rag_status (*set_limits)(const rag_call *call, const char *name_space,
                             const rag_kv_limits *limits, rag_error *err);
    rag_status (*get_limits)(const rag_call *call, const char *name_space, rag_kv_limits *out,
                             rag_error *err);
} rag_kv_table;

typedef struct rag_vector_table {
    size_t struct_size;
    /* Required. define() of an existing space answers RAG_E_CONFLICT and fills *existing: the
     * library compares. describe() answers RAG_E_NOT_FOUND. */
    rag_status (*define)(const rag_call *call, const char *name_space,
                         const rag_vector_space *space, rag_vector_space *existing, rag_error *err);
    rag_status (*describe)(const rag_call *call, const char *name_space, rag_vector_space *out,
                           rag_error *err);
    rag_status (*put_many)(const rag_call *call, const char *name_space,
                           const rag_vector_item *items, size_t n, rag_token *token,
                           rag_error *err);
    rag_status (*get_many)(const rag_call *call, const char *name_space, const rag_slice *ids,
                           size_t n, unsigned what, rag_result *out, rag_error *err);
    rag_status (*delete_many)(const rag_call *call, const char *name_space, const rag_slice *ids,
                              size_t n, uint64_t *deleted, rag_token *token, rag_error *err);
    rag_status (*search)(const rag_call *call, const char *name_space,
                         const rag_vector_query *query, rag_result *out, rag_error *err);
    rag_status (*scan)(const rag_call *call, const char *name_space, rag_slice after, size_t limit,
                       unsigned what, rag_result *out, rag_error *err);
    rag_status (*count)(const rag_call *call, const char *name_space, uint64_t *count,
                        rag_error *err);
    rag_status (*drop)(const rag_call *call, const char *name_space, rag_error *err);
    rag_status (*delete_named)(const rag_call *call, const char *name_space, const rag_slice *names,
                               size_t n, uint64_t *deleted, rag_token *token, rag_error *err);
    /* RAG_FEATURE_PENDING: all five. What is pending belongs to the opened instance (call->self);
     * rows of instances whose process is gone are answered by pending_scan as well. get_many answers
     * with pending rows; put_many, delete_many, delete_named and drop discard those they touch.
     * `content` is never empty. pending_resolve takes vectors of the space's dimension. */
    rag_status (*pending_put)(const rag_call *call, const char *name_space,
                              const rag_pending_item *items, size_t n, rag_token *token,
                              rag_error *err);
    rag_status (*pending_delete)(const rag_call *call, const char *name_space, const rag_slice *ids,
                                 size_t n, rag_token *token, rag_error *err);
    rag_status (*pending_scan)(const rag_call *call, const char *name_space, rag_slice after,
                               size_t limit, rag_result *out, rag_error *err);
    rag_status (*pending_resolve)(const rag_call *call, const char *name_space,
                                  const rag_pending_vector *vectors, size_t n, int keep,
                                  uint64_t *applied, rag_token *token, rag_error *err);
    rag_status (*pending_drop)(const rag_call *call, const char *name_space, uint64_t *dropped,
                               rag_error *err);
    /* Optional: describe() before put_many and search, which look at the dimension themselves. The
     * answer may be what it was a while ago, where asking costs a trip to a server. */
    rag_status (*recall)(const rag_call *call, const char *name_space, rag_vector_space *out,
                         rag_error *err);
} rag_vector_table;

/* What a search in labels looks for: a label that contains `text` once every character of `from` in it
 * has become the one at the same place of `to` (as SQL's translate() does it). UTF-8, the caller's, as
 * long as the call. */
typedef struct rag_label_query {
    rag_slice text; /* without case; not empty */
    rag_slice from, to;
} rag_label_query;

typedef struct rag_graph_table {
    size_t struct_size;
    /* Required. In put_edges no unordered pair comes twice. */
    rag_status (*put_nodes)(const rag_call *call, const rag_node *nodes, size_t n,
                            rag_put_mode mode, rag_token *token, rag_error *err);
    rag_status (*put_edges)(const rag_call *call, const rag_edge *edges, size_t n,
                            rag_put_mode mode, rag_token *token, rag_error *err);
    rag_status (*get_nodes)(const rag_call *call, const rag_slice *labels, size_t n, unsigned what,
                            rag_result *out, rag_error *err);
    rag_status (*get_edges)(const rag_call *call, const rag_pair *pairs, size_t n, unsigned what,
                            rag_result *out, rag_error *err);
    rag_status (*incident)(const rag_call *call, const rag_slice *labels, size_t n, unsigned what,
                           rag_result *out, rag_error *err);
    rag_status (*delete_nodes)(const rag_call *call, const rag_slice *labels, size_t n,
                               uint64_t *deleted, rag_token *token, rag_error *err);
    rag_status (*delete_edges)(const rag_call *call, const rag_pair *pairs, size_t n,
                               uint64_t *deleted, rag_token *token, rag_error *err);
    rag_status (*scan_nodes)(const rag_call *call, rag_slice after, size_t limit, unsigned what,
                             rag_result *out, rag_error *err);
    rag_status (*scan_edges)(const rag_call *call, rag_slice after, size_t limit, unsigned what,
                             rag_result *out, rag_error *err);
    rag_status (*count)(const rag_call *call, uint64_t *nodes, uint64_t *edges, rag_error *err);
    rag_status (*drop)(const rag_call *call, rag_error *err);
    /* Optional: without it, a scan of all nodes. */
    rag_status (*popular)(const rag_call *call, size_t limit, rag_result *out, rag_error *err);
    /* Optional: without it, breadth-first steps over incident and get_nodes. */
    rag_status (*view)(const rag_call *call, rag_slice label, const rag_graph_view_options *options,
                       rag_result *nodes, rag_result *edges, rag_error *err);
    /* Optional: without it, a scan of all nodes. `query` is as the caller gave it, without blanks
     * around it and not empty. */
    rag_status (*search_labels)(const rag_call *call, rag_slice query, size_t limit,
                                rag_result *out, rag_error *err);
    /* Optional, for backends that search but do not fold: in place of search_labels and of that scan.
     * Labels (key), in any order, among which are the `limit` best; the caller ranks them. */
    rag_status (*label_candidates)(const rag_call *call, const rag_label_query *query, size_t limit,
                                   rag_result *out, rag_error *err);
} rag_graph_table;

/* The members of a document row that backends keep apart to answer questions by index. Empty
 * slices where the row has none. */
struct rag_doc_fields {
    rag_slice id, value;
    rag_slice status, created_at, updated_at, file_path, track_id, content_hash;
    int is_duplicate;      /* metadata.is_duplicate is true */
    rag_slice original_id; /* metadata.original_doc_id, when it is a text */
    int has_journal;       /* metadata.custom_chunk_patch is an object */
    int is_whole;          /* usable in full: docstatus.h */
};

/* Which rows, in order of (created_at, id), rows without created_at first. */
typedef struct rag_doc_range {
    size_t struct_size;
    rag_doc_by by;           /* 0: by status */
    const rag_slice *values; /* statuses, none twice; otherwise one value */
    size_t value_count;
    int primaries_only;
    rag_slice exclude_id; /* and its duplicates; empty: none */
    int from_start;       /* 1: `after_*` are not looked at */
    rag_slice after_created_at, after_id;
    size_t limit;
} rag_doc_range;

typedef struct rag_docstatus_table {
    size_t struct_size;
    /* Required. put_many outside a transaction is durable when it returns. */
    rag_status (*put_many)(const rag_call *call, const rag_doc_fields *docs, size_t n,
                           rag_token *token, rag_error *err);
    rag_status (*get_many)(const rag_call *call, const rag_slice *ids, size_t n, rag_result *out,
                           rag_error *err);
    rag_status (*delete_many)(const rag_call *call, const rag_slice *ids, size_t n,
                              uint64_t *deleted, rag_token *token, rag_error *err);
    /* Rows for the statuses that occur, in any order: key, number. */
    rag_status (*counts)(const rag_call *call, rag_result *out, rag_error *err);
    rag_status (*page)(const rag_call *call, const rag_doc_page *page, rag_result *out,
                       rag_error *err);
    rag_status (*scan)(const rag_call *call, rag_slice after, size_t limit, rag_result *out,
                       rag_error *err);
    rag_status (*drop)(const rag_call *call, rag_error *err);
    /* Optional: without it, scans. key = id, key2 = created_at ("" when there is none), value = the
     * row. RAG_RESULT_EXHAUSTED when there are no more than these. */
    rag_status (*range)(const rag_call *call, const rag_doc_range *range, rag_result *out,
                        rag_error *err);
    /* The same, but value = the record as host->doc_record() writes it. */
    rag_status (*range_records)(const rag_call *call, const rag_doc_range *range, rag_result *out,
                                rag_error *err);
    /* Optional: without it, scans. File paths above `after` with two or more primaries, in order:
     * key, number = how many. */
    rag_status (*conflicts)(const rag_call *call, rag_slice after, size_t limit, rag_result *out,
                            rag_error *err);
} rag_docstatus_table;

/* ---- the backend ------------------------------------------------------------------------------ */

/* Features: each has its slot. */
enum {
    RAG_FEATURE_TRANSACTIONS = 1, /* begin, commit, abort */
    RAG_FEATURE_BUILD = 2,        /* publish, and RAG_OPEN_BUILD */
    RAG_FEATURE_OPTIMIZE = 4,     /* optimize */
    RAG_FEATURE_CACHE_LIMITS = 8, /* kv: set_limits, get_limits */
    RAG_FEATURE_PENDING = 16,     /* vector: pending_* */
    RAG_FEATURE_CHECK = 32,       /* check */
    RAG_FEATURE_COMPACT = 64,     /* compact */
    RAG_FEATURE_BACKUP = 128      /* backup */
};

/* Guarantees: the conformance suite proves them. */
enum {
    RAG_GUARANTEE_ATOMIC_BATCH = 1, /* a *_many call is applied whole or not at all */
    RAG_GUARANTEE_READ_YOUR_WRITES = 2,
    RAG_GUARANTEE_SHARED = 4, /* several processes may use it at once */
    RAG_GUARANTEE_DURABLE = 8 /* rag_flush() survives a power cut */
};

typedef struct rag_backend {
    size_t struct_size;
    uint32_t abi;                   /* RAG_BACKEND_ABI */
    const char *name;               /* also the scheme of its URLs */
    const char *const *class_names; /* LightRAG's names accepted in configuration; NULL-ended */
    const char *const *options;     /* option names it understands; NULL-ended */
    const char *const *required;    /* options it cannot do without; NULL-ended */
    unsigned features, guarantees;
    /* Required. Opens everything it needs; nothing happens before. */
    rag_status (*open)(const rag_host *host, const rag_backend_config *config,
                       const rag_context *ctx, void **self, rag_error *err);
    void (*close)(void *self);
    /* Called instead of close() in a child after fork(): must not touch files, locks or sockets
     * that the parent still uses, and may leak. */
    void (*abandon)(void *self);
    /* Never inside a transaction; nor are publish, optimize, check, compact and backup. */
    rag_status (*flush)(const rag_call *call, rag_token upto, rag_error *err);
    /* Rows for rag_store_namespaces(), any order. */
    rag_status (*namespaces)(const rag_call *call, rag_result *out, rag_error *err);
    /* One row: value = a JSON object for rag_store_describe(). */
    rag_status (*describe)(const rag_call *call, rag_result *out, rag_error *err);
    /* RAG_FEATURE_TRANSACTIONS. call->txn of commit and abort is what begin() gave; it is gone
     * afterwards. */
    rag_status (*begin)(const rag_call *call, void **txn, rag_error *err);
    rag_status (*commit)(const rag_call *call, rag_token *token, rag_error *err);
    void (*abort)(const rag_call *call);
    rag_status (*publish)(const rag_call *call, rag_error *err);  /* RAG_FEATURE_BUILD */
    rag_status (*optimize)(const rag_call *call, rag_error *err); /* RAG_FEATURE_OPTIMIZE */
    const rag_kv_table *kv;
    const rag_vector_table *vector;
    const rag_graph_table *graph;
    const rag_docstatus_table *docstatus;
    /* RAG_FEATURE_CHECK: rows as rag_store_check() has them, for what this backend keeps twice.
     * Options are complete. */
    rag_status (*check)(const rag_call *call, const rag_check_options *options, rag_result *out,
                        rag_error *err);
    rag_status (*compact)(const rag_call *call, uint64_t *freed_bytes,
                          rag_error *err); /* RAG_FEATURE_COMPACT */
    rag_status (*backup)(const rag_call *call, const char *target,
                         rag_error *err); /* RAG_FEATURE_BACKUP */
} rag_backend;

/* The one exported symbol of a module: returns its backend for a host of this ABI, or NULL when it
 * needs a newer one. Called once; the backend is static. Module file: ragstore-NAME.so. */
typedef const rag_backend *(*rag_backend_init)(const rag_host *host, uint32_t abi);
#define RAG_BACKEND_INIT_SYMBOL "rag_backend_init_1"

#ifdef __cplusplus
}
#endif
#endif
