/* Vectors with a payload, in named spaces.
 *
 * A space has an immutable record of where its vectors come from: model, dimension, metric and
 * element type. It is written when the space is defined; defining it again with other facts is
 * refused with both in the message. Vectors are stored as given (not normalised). Elements that the
 * element type cannot hold, NaN and infinities are refused; float16 rounds to nearest, ties to even,
 * and holds what is below 65520. A vector of length zero is kept, and is found by no search. A space
 * that was not defined reads, counts, deletes and drops like an empty one; putting into it and
 * searching it are errors. */
#ifndef RAGSTORE_VECTOR_H
#define RAGSTORE_VECTOR_H

#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum rag_metric { RAG_METRIC_COSINE = 1, RAG_METRIC_DOT = 2 } rag_metric;
typedef enum rag_element { RAG_ELEMENT_FLOAT32 = 1, RAG_ELEMENT_FLOAT16 = 2 } rag_element;

enum { RAG_MODEL_NAME_MAX = 256, RAG_DIMENSION_MAX = 65536 };

typedef struct rag_vector_space {
    size_t struct_size;
    uint32_t dimension;
    rag_metric metric;
    rag_element element;
    char model[RAG_MODEL_NAME_MAX]; /* as configured, NUL-terminated; "" when unknown */
} rag_vector_space;

#define RAG_VECTOR_SPACE_INIT \
    { sizeof(rag_vector_space), 0, RAG_METRIC_COSINE, RAG_ELEMENT_FLOAT32, { 0 } }

typedef struct rag_vector_item {
    rag_slice id;
    const float *vector;
    size_t dimension;   /* must be that of the space */
    rag_slice value;    /* payload: a JSON object */
    int64_t created_at; /* Unix seconds; 0: now; RAG_TIME_UNKNOWN: not known */
} rag_vector_item;

/* Create a space, or check that the one of this name has these facts. An unknown model ("") agrees
 * with every model. Expected: RAG_E_MISMATCH, naming both. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_vector_define(rag_store *store, const rag_context *ctx,
                                                        const char *name_space,
                                                        const rag_vector_space *space,
                                                        rag_error *err);

/* The facts of a space. Expected: RAG_E_NOT_FOUND. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_vector_describe(rag_store *store, const rag_context *ctx,
                                                          const char *name_space,
                                                          rag_vector_space *out, rag_error *err);

/* Put n vectors, all or none; an existing id is replaced, the last of equal ids wins.
 * Expected: RAG_E_NOT_FOUND (the space was not defined), RAG_E_MISMATCH (dimension), RAG_E_INVALID
 * (NaN, infinity, out of range for the element type, payload not a JSON object). */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_vector_put_many(rag_store *store, const rag_context *ctx,
                                                          const char *name_space,
                                                          const rag_vector_item *items, size_t n,
                                                          rag_token *token, rag_error *err);

enum { RAG_VECTOR_VALUES = 1, RAG_VECTOR_VECTORS = 2 };

/* Fetch n rows by id, in the order asked, absent ones with found = 0. `what` says what rows carry
 * beside key and created_at: RAG_VECTOR_VALUES the payload, RAG_VECTOR_VECTORS the vector. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_vector_get_many(rag_store *store, const rag_context *ctx,
                                                          const char *name_space,
                                                          const rag_slice *ids, size_t n,
                                                          unsigned what, rag_result **out,
                                                          rag_error *err);

RAG_EXPORT RAG_WARN_UNUSED rag_status rag_vector_delete_many(
    rag_store *store, const rag_context *ctx, const char *name_space, const rag_slice *ids,
    size_t n, uint64_t *deleted, rag_token *token, rag_error *err);

/* Delete every row whose payload has one of the n names as "entity_name", "src_id" or "tgt_id". */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_vector_delete_named(
    rag_store *store, const rag_context *ctx, const char *name_space, const rag_slice *names,
    size_t n, uint64_t *deleted, rag_token *token, rag_error *err);

typedef struct rag_vector_query {
    size_t struct_size;
    const float *vector;
    size_t dimension;
    size_t top_k;
    double min_score; /* hits with a smaller score are dropped; -2 keeps all under cosine */
    unsigned what;    /* RAG_VECTOR_VALUES, RAG_VECTOR_VECTORS */
    int exact;        /* 1: compare with every row, without the codes */
} rag_vector_query;

#define RAG_VECTOR_QUERY_INIT { sizeof(rag_vector_query), NULL, 0, 10, -2.0, 1 /* VALUES */, 0 }

/* The top_k nearest rows, best first, equal scores by id (bytes). Rows carry key, score, created_at
 * and what was asked. Fewer than top_k come only when there are no more (RAG_RESULT_EXHAUSTED).
 * Without `exact` a backend may use an index that misses a row now and then: at least 0.99 of the
 * best rows are found, and scores are those of the stored rows in any case.
 * Expected: RAG_E_NOT_FOUND (the space was not defined), RAG_E_MISMATCH (dimension), RAG_E_INVALID
 * (NaN, infinity, length zero). */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_vector_search(rag_store *store, const rag_context *ctx,
                                                        const char *name_space,
                                                        const rag_vector_query *query,
                                                        rag_result **out, rag_error *err);

/* ---- pending rows: text that is to be embedded ------------------------------------------------ */

/* A pipeline writes rows whose vectors it does not have yet, many times for the same id, and wants
 * each embedded once, later. Such rows wait in the store, not in the process: they survive a kill and
 * cost no memory. Until they are embedded
 *  - rag_vector_get_many() answers with them (their vector is NULL until it is known),
 *  - searches, scans and counts do not see them: they go on with what was there before,
 *  - a deferred delete is the reverse: gone for rag_vector_get_many(), still there for searches.
 * Of one id there is at most one pending row; the last call wins. rag_vector_put_many(),
 * rag_vector_delete_many() and rag_vector_delete_named() work at once and discard what is pending of
 * the rows they touch; what was only pending is not counted in *deleted.
 *
 * Pending rows belong to the handle that wrote them: its flush embeds them, its drop discards them.
 * Those of a process that is gone belong to everybody's next flush. */
typedef struct rag_pending_item {
    rag_slice id;
    rag_slice value;    /* payload: a JSON object */
    rag_slice content;  /* the text to embed; empty: the member "content" of the payload */
    int64_t created_at; /* as in rag_vector_item */
} rag_pending_item;

/* Leave n rows to be embedded by a flush, all or none. The space must be defined. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_vector_defer_many(rag_store *store,
                                                            const rag_context *ctx,
                                                            const char *name_space,
                                                            const rag_pending_item *items, size_t n,
                                                            rag_token *token, rag_error *err);

/* Leave n deletes to the flush, all or none; ids that are not there are harmless. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_vector_defer_delete(rag_store *store,
                                                              const rag_context *ctx,
                                                              const char *name_space,
                                                              const rag_slice *ids, size_t n,
                                                              rag_token *token, rag_error *err);

/* Turns n texts into n vectors of `dimension` floats, in order, one after the other in `vectors`.
 * Runs without any lock of the store held and may use the store. RAG_OK, or what the flush then
 * answers with, with *err filled. */
typedef rag_status (*rag_embed)(void *user, const rag_slice *texts, size_t n, size_t dimension,
                                float *vectors, rag_error *err);

typedef struct rag_embedder {
    size_t struct_size;
    rag_embed embed;
    void *user;
    size_t batch; /* texts in one call, at most; 0: 10 */
    unsigned
        concurrency;     /* calls at the same time, from as many threads; 0: 1. Threads live as long
                             as the flush */
    unsigned attempts;   /* calls for one batch while the error says that a retry is safe; 0: 3 */
    unsigned backoff_ms; /* before the second one, doubled for each further; 0: 1000 */
} rag_embedder;

#define RAG_EMBEDDER_INIT { sizeof(rag_embedder), NULL, NULL, 10, 1, 3, 1000 }

typedef struct rag_flush_figures {
    size_t struct_size;
    uint64_t embedded, stored, deleted; /* texts embedded now; rows stored (with vectors from before
                                           as well); deferred deletes carried out */
    uint64_t batches, retries;
} rag_flush_figures;

/* Embed what is pending in this handle's name, and of processes that are gone, and store it; carry
 * out deferred deletes. Rows are stored batch by batch: when it fails, what was stored stays stored,
 * everything else stays pending and the next flush goes on. A row that is deferred again meanwhile
 * stays pending with its new text. Nothing pending: the embedder is not called, nothing is written.
 * What it stored is durable when it returns; on failure the outcome says RAG_OUTCOME_UNKNOWN when a
 * part was stored, RAG_OUTCOME_APPLIED when all of it was and the sync failed: rag_flush() then.
 * *figures may be NULL, and is filled on failure as well. Refused inside a transaction, which would be held while texts are embedded. Flushes of one space from several
 * threads share the work. A space that is not defined has nothing pending.
 * Expected: what the embedder fails with; RAG_E_MISMATCH, RAG_E_INVALID (its vectors). */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_vector_flush(rag_store *store, const rag_context *ctx,
                                                       const char *name_space,
                                                       const rag_embedder *embedder,
                                                       rag_flush_figures *figures, rag_error *err);

/* The same in steps, for callers that embed in their own way: which rows wait, and their vectors.
 * rag_vector_pending(): up to `limit` rows of those that a flush would take, by id: key, value =
 * payload, key2 = the text, number = a mark of this version of the row, found = 0 for a deferred
 * delete, vector when it is known. Goes on after `after` (empty: from the start) as rag_kv_scan()
 * does. A space that is not defined has none. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_vector_pending(rag_store *store, const rag_context *ctx,
                                                         const char *name_space, rag_slice after,
                                                         size_t limit, rag_result **out,
                                                         rag_error *err);

typedef struct rag_pending_vector {
    rag_slice id;
    int64_t mark;        /* of rag_vector_pending(): an older one is ignored */
    const float *vector; /* NULL: carry out the deferred delete */
    size_t dimension;
} rag_pending_vector;

/* keep = 0: store the rows with these vectors, and they are no longer pending. keep = 1: only
 * remember the vectors with the pending rows, so that the flush need not embed them again; answers
 * of rag_vector_get_many() carry them from then on. All n or none; ids and vectors are borrowed for
 * the call. *applied (may be NULL): rows not ignored. Expected: RAG_E_MISMATCH (a dimension). */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_vector_resolve(rag_store *store, const rag_context *ctx,
                                                         const char *name_space,
                                                         const rag_pending_vector *vectors,
                                                         size_t n, int keep, uint64_t *applied,
                                                         rag_token *token, rag_error *err);

/* Discard this handle's pending rows and deferred deletes. *dropped may be NULL. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_vector_drop_pending(rag_store *store,
                                                              const rag_context *ctx,
                                                              const char *name_space,
                                                              uint64_t *dropped, rag_error *err);

/* As rag_kv_scan(), rows as in rag_vector_get_many(). The order is the store's own. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_vector_scan(rag_store *store, const rag_context *ctx,
                                                      const char *name_space, rag_slice after,
                                                      size_t limit, unsigned what, rag_result **out,
                                                      rag_error *err);

RAG_EXPORT RAG_WARN_UNUSED rag_status rag_vector_count(rag_store *store, const rag_context *ctx,
                                                       const char *name_space, uint64_t *count,
                                                       rag_error *err);

/* Delete the space with all its rows and its record, durably. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_vector_drop(rag_store *store, const rag_context *ctx,
                                                      const char *name_space, rag_error *err);

#ifdef __cplusplus
}
#endif
#endif
