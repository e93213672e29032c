/* Mapped index files.
 *
 * A file is mapped once per handle and stays until the database names it no more. We never modify or
 * truncate one, only unlink it, so a mapping cannot fault for reasons of ours. Somebody else may
 * (cp over a store that is in use, truncate): reading past the new end would be SIGBUS, and blocks
 * that were found right before are not compared again. So before each use the file is looked at, and
 * one with another length or time of change than when it was mapped is opened anew, as if it had
 * never been seen. Searches that are in it at that moment cannot be helped. Why not read it into
 * memory, or copy blocks: each process would have its own copy of what all now share, and searching
 * is bound by memory already.
 *
 * One mutex, held around opening and mapping too: two threads that need the same file at the same
 * moment would otherwise both do it. It is never held around SQLite. */
#include "vector_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "core/alloc.h"
#include "core/os.h"

struct vector_cache_entry {
    struct vector_cache_entry *next;
    uint8_t uuid[VINDEX_UUID_SIZE];
    int64_t space;
    char *path;
    struct stat seen; /* when it was mapped */
    void *base;
    size_t length;
    vindex *index;
    unsigned holds;
    int spoiled; /* has a damaged block */
    int changed; /* by somebody; kept for those that hold it only */
};

enum { LOCKS_KEPT_MAX = 64 };

struct vector_cache {
    pthread_mutex_t mutex;
    struct vector_cache_entry *entries;
    int locks[LOCKS_KEPT_MAX];
    size_t lock_count;
};

void vector_index_file_name(const uint8_t uuid[VINDEX_UUID_SIZE], char name[VECTOR_INDEX_NAME_MAX])
{
    static const char DIGITS[] = "0123456789abcdef";
    char *p = name;
    memcpy(p, "vectors-", 8);
    p += 8;
    for (size_t i = 0; i < VINDEX_UUID_SIZE; i++) {
        *p++ = DIGITS[uuid[i] >> 4];
        *p++ = DIGITS[uuid[i] & 15];
    }
    memcpy(p, ".idx", 5);
}

struct vector_cache *vector_cache_new(void)
{
    struct vector_cache *cache = rag_alloc_zeroed(1, sizeof *cache);
    if (cache && pthread_mutex_init(&cache->mutex, NULL) != 0) {
        rag_free(cache);
        cache = NULL;
    }
    return cache;
}

static void entry_free(struct vector_cache_entry *entry)
{
    vindex_close(entry->index);
    if (entry->base)
        (void)munmap(entry->base, entry->length);
    rag_free(entry->path);
    rag_free(entry);
}

void vector_cache_free(void *memory)
{
    struct vector_cache *cache = memory;
    if (!cache)
        return;
    while (cache->entries) {
        struct vector_cache_entry *next = cache->entries->next;
        entry_free(cache->entries);
        cache->entries = next;
    }
    vector_cache_release_locks(cache);
    (void)pthread_mutex_destroy(&cache->mutex);
    rag_free(cache);
}

int vector_cache_keep_lock(struct vector_cache *cache, int fd)
{
    (void)pthread_mutex_lock(&cache->mutex);
    const int kept = cache->lock_count < LOCKS_KEPT_MAX;
    if (kept)
        cache->locks[cache->lock_count++] = fd;
    (void)pthread_mutex_unlock(&cache->mutex);
    return kept;
}

void vector_cache_release_locks(struct vector_cache *cache)
{
    (void)pthread_mutex_lock(&cache->mutex);
    while (cache->lock_count)
        os_close(cache->locks[--cache->lock_count]);
    (void)pthread_mutex_unlock(&cache->mutex);
}

static rag_status map_file(const struct vector_index_row *row, struct vector_cache_entry *entry,
                           rag_error *err)
{
    int fd;
    RAG_TRY(os_open(entry->path, O_RDONLY, &fd, err));
    rag_status status = RAG_OK;
    if (os_calls.fstat(fd, &entry->seen) != 0) {
        status = rag_fail_errno(err, errno, "look at %s", entry->path);
    } else if (entry->seen.st_size != row->length || row->length <= 0) {
        status = rag_fail(err, RAG_E_CORRUPT, "%s has %lld bytes, not %lld", entry->path,
                          (long long)entry->seen.st_size, (long long)row->length);
    } else {
        entry->length = (size_t)row->length;
        entry->base = os_calls.mmap(NULL, entry->length, PROT_READ, MAP_SHARED, fd, 0);
        if (entry->base == MAP_FAILED) {
            entry->base = NULL;
            status = rag_fail_errno(err, errno, "map %s", entry->path);
        }
    }
    os_close(fd);
    return status;
}

static rag_status check_identity(const struct vector_index_row *row,
                                 const struct vector_cache_entry *entry, rag_error *err)
{
    vindex_info info;
    vindex_get_info(entry->index, &info);
    if (memcmp(info.uuid, row->uuid, sizeof info.uuid) != 0 ||
        info.checksum != (uint64_t)row->checksum || info.covered != (uint64_t)row->token)
        return rag_fail(err, RAG_E_CORRUPT, "%s is not the index that the store names",
                        entry->path);
    return RAG_OK;
}

static rag_status load(const char *directory, const struct vector_index_row *row,
                       struct vector_cache_entry *entry, rag_error *err)
{
    char name[VECTOR_INDEX_NAME_MAX];
    memcpy(entry->uuid, row->uuid, sizeof entry->uuid);
    entry->space = row->space;
    vector_index_file_name(row->uuid, name);
    entry->path = os_join(directory, name);
    if (!entry->path)
        return rag_fail_memory(err);
    RAG_TRY(map_file(row, entry, err));
    RAG_TRY(vindex_open_mem(entry->base, entry->length, 1, &entry->index, err));
    return check_identity(row, entry, err);
}

/* One that is gone, or has another file in its place, is as it was: nobody reaches it any more. */
static int is_changed(const struct vector_cache_entry *entry)
{
    const struct stat *was = &entry->seen;
    struct stat now;
    if (os_calls.stat(entry->path, &now) != 0 || now.st_dev != was->st_dev ||
        now.st_ino != was->st_ino)
        return 0;
    return now.st_size != was->st_size || now.st_mtim.tv_sec != was->st_mtim.tv_sec ||
           now.st_mtim.tv_nsec != was->st_mtim.tv_nsec;
}

/* The entry of `uuid` that can be used; NULL when there is none. */
static struct vector_cache_entry *find(const struct vector_cache *cache,
                                       const uint8_t uuid[VINDEX_UUID_SIZE])
{
    struct vector_cache_entry *entry = cache->entries;
    while (entry && (entry->changed || memcmp(entry->uuid, uuid, VINDEX_UUID_SIZE) != 0))
        entry = entry->next;
    if (entry && is_changed(entry)) {
        entry->changed = 1;
        entry = NULL;
    }
    return entry;
}

static rag_status find_or_load(struct vector_cache *cache, const char *directory,
                               const struct vector_index_row *row, struct vector_cache_entry **out,
                               rag_error *err)
{
    struct vector_cache_entry *entry = find(cache, row->uuid);
    if (entry && entry->spoiled)
        return rag_fail(err, RAG_E_CORRUPT, "an index file was found damaged before");
    if (!entry) {
        entry = rag_alloc_zeroed(1, sizeof *entry);
        if (!entry)
            return rag_fail_memory(err);
        const rag_status status = load(directory, row, entry, err);
        if (status != RAG_OK) {
            entry_free(entry);
            return status;
        }
        entry->next = cache->entries;
        cache->entries = entry;
    }
    entry->holds++;
    *out = entry;
    return RAG_OK;
}

rag_status vector_cache_acquire(struct vector_cache *cache, const char *directory,
                                const struct vector_index_row *row, struct vector_cache_entry **out,
                                rag_error *err)
{
    (void)pthread_mutex_lock(&cache->mutex);
    const rag_status status = find_or_load(cache, directory, row, out, err);
    (void)pthread_mutex_unlock(&cache->mutex);
    return status;
}

const vindex *vector_cache_index(const struct vector_cache_entry *entry)
{
    return entry->index;
}

void vector_cache_release(struct vector_cache *cache, struct vector_cache_entry *entry)
{
    (void)pthread_mutex_lock(&cache->mutex);
    entry->holds--;
    (void)pthread_mutex_unlock(&cache->mutex);
}

void vector_cache_spoil(struct vector_cache *cache, struct vector_cache_entry *entry)
{
    (void)pthread_mutex_lock(&cache->mutex);
    entry->spoiled = 1;
    (void)pthread_mutex_unlock(&cache->mutex);
}

static int is_among(const uint8_t *uuid, const struct vector_index_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(uuid, rows[i].uuid, VINDEX_UUID_SIZE) == 0)
            return 1;
    return 0;
}

void vector_cache_keep_only(struct vector_cache *cache, int64_t space,
                            const struct vector_index_row *rows, size_t n)
{
    (void)pthread_mutex_lock(&cache->mutex);
    struct vector_cache_entry **link = &cache->entries;
    while (*link) {
        struct vector_cache_entry *entry = *link;
        if (entry->space == space && !entry->holds &&
            (entry->changed || !is_among(entry->uuid, rows, n))) {
            *link = entry->next;
            entry_free(entry);
        } else {
            link = &entry->next;
        }
    }
    (void)pthread_mutex_unlock(&cache->mutex);
}
