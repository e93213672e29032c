/* An arena: blocks of doubling size up to 1 MiB in a list, the newest first. A request that does not
 * fit a block of its own size class gets a block to itself, put second so that the current block
 * is not wasted. */
#include "arena.h"

#include <stdint.h>
#include <string.h>

#include "alloc.h"

enum { FIRST_BLOCK = 1024, LARGEST_BLOCK = 1 << 20, ALIGNMENT = 8 };

struct arena_block {
    struct arena_block *next;
    size_t used, capacity;
    char data[];
};

static struct arena_block *new_block(size_t capacity)
{
    if (capacity > SIZE_MAX - sizeof(struct arena_block))
        return NULL;
    struct arena_block *b = rag_alloc(sizeof *b + capacity);
    if (b) {
        b->next = NULL;
        b->used = 0;
        b->capacity = capacity;
    }
    return b;
}

void *arena_alloc(struct arena *a, size_t size)
{
    if (size > SIZE_MAX - ALIGNMENT)
        return NULL;
    size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    struct arena_block *b = a->blocks;
    if (!b || size > b->capacity - b->used) {
        size_t next = b ? b->capacity * 2 : FIRST_BLOCK;
        if (next > LARGEST_BLOCK)
            next = LARGEST_BLOCK;
        b = new_block(size > next ? size : next);
        if (!b)
            return NULL;
        if (size > next && a->blocks) {
            b->next = a->blocks->next;
            a->blocks->next = b;
        } else {
            b->next = a->blocks;
            a->blocks = b;
        }
    }
    void *p = b->data + b->used;
    b->used += size;
    a->used_bytes += size;
    return p;
}

void *arena_copy(struct arena *a, const void *data, size_t len)
{
    if (len == SIZE_MAX)
        return NULL;
    char *p = arena_alloc(a, len + 1);
    if (!p)
        return NULL;
    if (len)
        memcpy(p, data, len);
    p[len] = 0;
    return p;
}

void arena_free(struct arena *a)
{
    while (a->blocks) {
        struct arena_block *next = a->blocks->next;
        rag_free(a->blocks);
        a->blocks = next;
    }
    a->used_bytes = 0;
}
