/* Memory. Thin wrappers over malloc that can be told to fail, so that every path that handles
 * "out of memory" can be walked by a test. The counter is process-wide and off by default: one
 * relaxed load per allocation is its whole cost. */
#include "alloc.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static atomic_long fail_countdown; /* 0: off */
static atomic_int fail_sticky;

static int must_fail(void)
{
    if (atomic_load_explicit(&fail_countdown, memory_order_relaxed) == 0)
        return 0;
    long left = atomic_fetch_sub(&fail_countdown, 1);
    if (left > 1)
        return 0;
    if (left == 1 && !atomic_load(&fail_sticky))
        return 1; /* the countdown is at 0 now: off */
    if (left == 1 || atomic_load(&fail_sticky)) {
        atomic_store(&fail_countdown, 1);
        return 1;
    }
    atomic_store(&fail_countdown, 0);
    return 0;
}

void rag_alloc_fail_at(long n, int sticky)
{
    atomic_store(&fail_sticky, sticky);
    atomic_store(&fail_countdown, n);
}

long rag_alloc_fail_left(void)
{
    return atomic_load(&fail_countdown);
}

void *rag_alloc(size_t size)
{
    if (must_fail())
        return NULL;
    return malloc(size ? size : 1);
}

void *rag_alloc_array(size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        return NULL;
    return rag_alloc(total);
}

void *rag_alloc_zeroed(size_t count, size_t size)
{
    size_t total;
    if (must_fail() || __builtin_mul_overflow(count, size, &total))
        return NULL;
    return calloc(total ? total : 1, 1);
}

void *rag_realloc(void *memory, size_t size)
{
    if (must_fail())
        return NULL;
    return realloc(memory, size ? size : 1);
}

void rag_free(void *memory)
{
    free(memory);
}

char *rag_memdup_text(const void *data, size_t len)
{
    if (len == SIZE_MAX)
        return NULL;
    char *copy = rag_alloc(len + 1);
    if (!copy)
        return NULL;
    if (len)
        memcpy(copy, data, len);
    copy[len] = 0;
    return copy;
}

int rag_make_room(void *array, size_t count, size_t *capacity, size_t size)
{
    enum { AT_FIRST = 64 };
    if (count < *capacity)
        return 1;
    const size_t wanted = *capacity ? *capacity * 2 : AT_FIRST;
    void *old, *bigger;
    memcpy(&old, array, sizeof old);
    if (wanted > SIZE_MAX / size || !(bigger = rag_realloc(old, wanted * size)))
        return 0;
    memcpy(array, &bigger, sizeof bigger);
    *capacity = wanted;
    return 1;
}

char *rag_strdup(const char *text)
{
    return rag_memdup_text(text, strlen(text));
}
