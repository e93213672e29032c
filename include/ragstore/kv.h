/* Values by key, in named namespaces.
 *
 * A value is a JSON object as UTF-8 text. It is stored and returned as it was given, but for these:
 * a lone surrogate escape is refused; and the members `_id`, `create_time` and `update_time`, which
 * LightRAG keeps inside its values, are not part of a value here: they are the key and the times of
 * the row (put them there when you have them; rag_kv_stamped() puts them back). Where an item leaves
 * a time 0, the one inside its value is taken; a "create_time" of 0 there means "not known". In
 * namespaces whose name ends in "text_chunks" a value without "llm_cache_list" gets an empty one.
 * A put replaces the whole value and keeps the time of creation. */
#ifndef RAGSTORE_KV_H
#define RAGSTORE_KV_H

#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rag_kv_item {
    rag_slice key;
    rag_slice value;    /* a JSON object */
    int64_t created_at; /* Unix seconds; 0: kept from the row replaced, else now */
    int64_t updated_at; /* 0: now */
} rag_kv_item;

/* Fetch n values. The result has n rows in the order asked, absent keys as rows with found = 0,
 * keys asked twice twice. Rows carry key, value, created_at, updated_at. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_kv_get_many(rag_store *store, const rag_context *ctx,
                                                      const char *name_space, const rag_slice *keys,
                                                      size_t n, rag_result **out, rag_error *err);

/* Put n values, all or none; of equal keys the last wins, as if they had been put one after the
 * other. *token may be NULL.
 * Expected: RAG_E_INVALID (not a JSON object, an empty or too long key), nothing changed. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_kv_put_many(rag_store *store, const rag_context *ctx,
                                                      const char *name_space,
                                                      const rag_kv_item *items, size_t n,
                                                      rag_token *token, rag_error *err);

/* Delete n keys, all or none; absent ones are ignored. *deleted may be NULL. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_kv_delete_many(rag_store *store, const rag_context *ctx,
                                                         const char *name_space,
                                                         const rag_slice *keys, size_t n,
                                                         uint64_t *deleted, rag_token *token,
                                                         rag_error *err);

/* Those of n keys that are not in the store, each once, in the order asked. Rows carry key. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_kv_filter_missing(rag_store *store,
                                                            const rag_context *ctx,
                                                            const char *name_space,
                                                            const rag_slice *keys, size_t n,
                                                            rag_result **out, rag_error *err);

/* Up to `limit` rows with keys above `after` (empty: from the start) in byte order; go on with
 * rag_result_next(). Holds nothing open between calls: a row that is there throughout is seen
 * exactly once. limit 0 takes a sensible default. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_kv_scan(rag_store *store, const rag_context *ctx,
                                                  const char *name_space, rag_slice after,
                                                  size_t limit, rag_result **out, rag_error *err);

/* Number of rows. Kept, not counted. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_kv_count(rag_store *store, const rag_context *ctx,
                                                   const char *name_space, uint64_t *count,
                                                   rag_error *err);

/* Delete everything in the namespace, durably. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_kv_drop(rag_store *store, const rag_context *ctx,
                                                  const char *name_space, rag_error *err);

/* Bounds of a namespace that is a cache: its name ends in "_cache". 0 stands for "no bound". Kept in
 * the store, so they hold for every process. */
typedef struct rag_kv_limits {
    size_t struct_size;
    uint64_t
        max_bytes; /* of keys and values as stored; beyond it the rows written longest ago go */
    int64_t ttl_s; /* a row is gone that many seconds after it was last written */
} rag_kv_limits;

#define RAG_KV_LIMITS_INIT { sizeof(rag_kv_limits), 0, 0 }

/* Set the bounds of a cache; what exceeds them is gone when it returns. A row past its time is
 * absent for every read, whenever its space is given back. Expected: RAG_E_INVALID (not a cache),
 * RAG_E_UNSUPPORTED (the store has no place for bounds: nothing goes). */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_kv_set_limits(rag_store *store, const rag_context *ctx,
                                                        const char *name_space,
                                                        const rag_kv_limits *limits,
                                                        rag_error *err);

/* The bounds of a cache, into *out. Expected: as above. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_kv_get_limits(rag_store *store, const rag_context *ctx,
                                                        const char *name_space, rag_kv_limits *out,
                                                        rag_error *err);

/* The value of a row as LightRAG has it: with "_id", "create_time" and "update_time" (0 when
 * unknown) as its last members. Writes at most `size` bytes including the final NUL to `buffer`
 * and returns the length that the whole text has without it, as snprintf does. */
RAG_EXPORT size_t rag_kv_stamped(const rag_row *row, char *buffer, size_t size);

#ifdef __cplusplus
}
#endif
#endif
