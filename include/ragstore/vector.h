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
