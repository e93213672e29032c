/* The index files that this handle has mapped, by uuid. Shared by all its threads. */
#ifndef EMBEDDED_VECTOR_CACHE_H
#define EMBEDDED_VECTOR_CACHE_H

#include "core/error.h"
#include "vindex/vindex.h"

struct vector_cache;
struct vector_cache_entry;

/* What the database says of an index file. */
struct vector_index_row {
    uint8_t uuid[VINDEX_UUID_SIZE];
    int64_t space, first_slot, last_slot, rows, token, length, checksum;
};

enum { VECTOR_INDEX_NAME_MAX = 64 };

/* "vectors-<uuid in hex>.idx": the name of the file beside the database. */
void vector_index_file_name(const uint8_t uuid[VINDEX_UUID_SIZE], char name[VECTOR_INDEX_NAME_MAX]);

struct vector_cache *vector_cache_new(void); /* NULL: out of memory */
void vector_cache_free(void *memory);        /* a vector_cache of which nothing is held */

/* The mapped file of `row`, as it is now, held until released. RAG_E_NOT_FOUND, RAG_E_CORRUPT,
 * RAG_E_VERSION: it cannot serve; the rows must be searched without it. */
rag_status vector_cache_acquire(struct vector_cache *cache, const char *directory,
                                const struct vector_index_row *row, struct vector_cache_entry **out,
                                rag_error *err);
const vindex *vector_cache_index(const struct vector_cache_entry *entry);
void vector_cache_release(struct vector_cache *cache, struct vector_cache_entry *entry);

/* A search found a damaged block: the file is not used again by this handle. */
void vector_cache_spoil(struct vector_cache *cache, struct vector_cache_entry *entry);

/* Unmap what belongs to `space`, is not held, and is not among the n rows or was changed since. */
void vector_cache_keep_only(struct vector_cache *cache, int64_t space,
                            const struct vector_index_row *rows, size_t n);

/* Keep `fd`, which carries a lock, until vector_cache_release_locks() or the end of the cache. 0 when
 * there is no room: the caller closes it. */
int vector_cache_keep_lock(struct vector_cache *cache, int fd);
void vector_cache_release_locks(struct vector_cache *cache);

#endif
