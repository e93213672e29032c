/* Opening, closing, flushing and describing a store. */
#ifndef RAGSTORE_STORE_H
#define RAGSTORE_STORE_H

#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    RAG_OPEN_READ_ONLY = 1, /* never writes; every write answers RAG_E_DENIED */
    RAG_OPEN_EXISTING = 2,  /* do not create: RAG_E_NOT_FOUND when there is no store */
    RAG_OPEN_BUILD = 4,     /* build a new store aside; it appears, whole and durable, at
                               rag_store_publish(), and not at all without it. RAG_E_CONFLICT
                               when a store is there already, unless RAG_OPEN_REPLACE */
    RAG_OPEN_REPLACE = 8    /* with RAG_OPEN_BUILD: the published store takes the place of an
                               existing one, which must not be open anywhere */
};

/* Initialise with RAG_OPEN_OPTIONS_INIT. Everything is borrowed for the call. */
typedef struct rag_open_options {
    size_t struct_size;
    unsigned flags;                /* RAG_OPEN_* */
    const char *workspace;         /* NULL: what URL, environment or config.ini say */
    const char *const *namespaces; /* limit the handle to these KV and vector namespaces and */
    size_t namespace_count;        /* "graph", "doc_status"; 0: no limit */
    const char *config_file;       /* NULL: ./config.ini when it exists; "": none */
    int64_t lock_timeout_ms;       /* how long a writer waits for its turn when the context
                                       carries no deadline; 0: 30 s */
} rag_open_options;

#define RAG_OPEN_OPTIONS_INIT { sizeof(rag_open_options), 0, NULL, NULL, 0, NULL, 0 }

/* Open the store that `url` names: `./dir` or `embedded:./dir`, `memory:`, `lightrag:./rag_storage`
 * (the files of a LightRAG), `config:./config.ini`, `@name` for an entry of the registry of named
 * stores; NULL or "" takes everything from the environment (docs/configuration.md). The handle may
 * be used from any thread. It is void in a child after fork(): calls answer RAG_E_FORKED there, and
 * closing it there is harmless.
 * Expected: RAG_E_NOT_FOUND, RAG_E_VERSION (a newer format), RAG_E_INVALID (the URL).
 * The caller owns *out and closes it with rag_store_close(). */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_store_open(const char *url,
                                                     const rag_open_options *options,
                                                     const rag_context *ctx, rag_store **out,
                                                     rag_error *err);

/* Close the handle; no other thread may be inside a call on it. Committed writes stay; a
 * transaction that is still open is aborted and its rag_txn is void. NULL is allowed. Does not
 * flush: call rag_flush() first when durability against a power cut matters, and on `lightrag:`, whose
 * files are written by a flush (or here, where nobody can be told that it failed). */
RAG_EXPORT void rag_store_close(rag_store *store);

/* Make a store that was opened with RAG_OPEN_BUILD appear under its name, durable. After success
 * the handle is an ordinary read-write handle on it. Expected: RAG_E_CONFLICT when somebody
 * created a store there meanwhile. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_store_publish(rag_store *store, const rag_context *ctx,
                                                        rag_error *err);

/* Make every commit up to `upto` durable; 0 means everything committed so far. Costs one fsync,
 * or none when it is covered already. Expected: RAG_E_IO; after that the store takes no further
 * writes until it is opened again, because what the disk holds is not known. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_flush(rag_store *store, const rag_context *ctx,
                                                rag_token upto, rag_error *err);

/* One row per namespace that holds anything (a vector space without rows holds its record), ordered
 * by kind and name: key = kind ("kv", "vector", "graph_nodes", "graph_edges", "doc_status"), key2 =
 * name, number = rows, value = JSON {"rows","bytes","generation",...}. Rows and bytes are kept, not counted: this is cheap. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_store_namespaces(rag_store *store, const rag_context *ctx,
                                                           rag_result **out, rag_error *err);

/* One row per store kind ("kv", "vector", "graph", "doc_status") in key, backend name in key2, and
 * in value a JSON object about it: location, format version, library versions, committed and
 * durable token, sizes, debt (what compacting or indexing would do). Never a secret. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_store_describe(rag_store *store, const rag_context *ctx,
                                                         rag_result **out, rag_error *err);

/* Bring derived data up to date now (vector indexes; statistics). Searches are right without it,
 * only slower. Writers of large amounts call it when they are done; `ragstore import` does. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_store_optimize(rag_store *store, const rag_context *ctx,
                                                         rag_error *err);

/* ---- care --------------------------------------------------------------------------------------- */

enum {
    RAG_CHECK_REPAIR = 1, /* mend what is derived from other data */
    RAG_CHECK_QUICK = 2   /* leave out what reads every value */
};

typedef struct rag_check_options {
    size_t struct_size;
    unsigned flags;      /* RAG_CHECK_* */
    size_t max_examples; /* of one invariant; 0: 10 */
} rag_check_options;

#define RAG_CHECK_OPTIONS_INIT { sizeof(rag_check_options), 0, 10 }

/* Does the store agree with itself? *report: one row per invariant, also those that hold: key = its
 * name ("graph.degree", "chunks.without_vector"), number = violations found, found = 1 when none is
 * left, value = JSON {"what", "checked", "violations", "repaired", "derived", "examples":[text,
 * ...]}: `derived` true says that RAG_CHECK_REPAIR can mend it; "note" true, where it is, that what is
 * found is worth knowing and no fault (found is 1 then). Invariants are those inside each backend and
 * those between the four stores; a handle that is limited to namespaces asks only these about each
 * other. Takes little memory, whatever the size of the store. Other processes may read and write
 * meanwhile; repairs take the writer's turn. The call succeeds when the check could be made, whatever
 * it found. Not inside a transaction (RAG_E_INVALID). */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_store_check(rag_store *store, const rag_context *ctx,
                                                      const rag_check_options *options,
                                                      rag_result **report, rag_error *err);

/* Give the space of deleted rows back to the file system, drop what is expired, and pack derived
 * indexes. Works in small steps: others go on, it may be cancelled at any time and keeps what it has
 * done. *freed_bytes may be NULL. Not inside a transaction (RAG_E_INVALID). Expected:
 * RAG_E_UNSUPPORTED (no backend of the store has anything to give back). */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_store_compact(rag_store *store, const rag_context *ctx,
                                                        uint64_t *freed_bytes, rag_error *err);

/* Copy the store as it is at one moment to the new directory `target`, while others read and write.
 * The copy appears whole and durable, or not at all. Not inside a transaction (RAG_E_INVALID), and
 * not by a handle that is limited to namespaces (RAG_E_DENIED): it copies everything. Expected:
 * RAG_E_CONFLICT (there is a store), RAG_E_UNSUPPORTED (a backend that cannot, or several of them). */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_store_backup(rag_store *store, const rag_context *ctx,
                                                       const char *target, rag_error *err);

/* A fingerprint of what the store holds: the same for the same rows, whatever backend keeps them, in
 * whatever order they were written. One row per namespace as in rag_store_namespaces() (key = kind,
 * key2 = name, number = rows, value = JSON string of 64 hex digits), and a last one with key = "all".
 * It covers keys, values (as JSON: spaces between tokens and the spelling of escapes do not count),
 * times of KV and vector rows, vectors as float16 with their dimension; not who the model was. Inside
 * a transaction it sees what that wrote. Reads everything. docs/content-hash.md has the definition. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_store_content_hash(rag_store *store,
                                                             const rag_context *ctx,
                                                             rag_result **out, rag_error *err);

#ifdef __cplusplus
}
#endif
#endif
