/* Open addressing with linear probing and backward-shift deletion; full at 3/4. The hash is seeded
 * once per process from the address space layout, so that keys chosen by others cannot pile up in
 * one place; it is never stored. */
#include "slice_index.h"

#include <stdint.h>

#include "alloc.h"

struct slice_index_cell {
    rag_slice key;
    uint64_t hash; /* 0: free */
    size_t value;
};

__extension__ typedef unsigned __int128 wide_product;

static uint64_t mix(uint64_t a, uint64_t b)
{
    const wide_product product = (wide_product)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t slice_hash(rag_slice s)
{
    static const char seed_place = 0;
    const uint64_t k0 = UINT64_C(0x9e3779b97f4a7c15), k1 = UINT64_C(0xd6e8feb86659fd93);
    uint64_t h = mix((uint64_t)(uintptr_t)&seed_place ^ k0, s.len ^ k1);
    const unsigned char *p = s.data;
    size_t left = s.len;
    for (; left >= 8; left -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        h = mix(h ^ word, k0);
    }
    uint64_t tail = 0;
    if (left)
        memcpy(&tail, p, left);
    h = mix(h ^ tail, k1);
    return h ? h : 1;
}

static size_t place_of(const struct slice_index *t, rag_slice key, uint64_t hash)
{
    size_t i = hash & (t->capacity - 1);
    while (t->cells[i].hash && (t->cells[i].hash != hash || !slice_equal(t->cells[i].key, key)))
        i = (i + 1) & (t->capacity - 1);
    return i;
}

rag_status slice_index_reserve(struct slice_index *t, size_t count, rag_error *err)
{
    size_t capacity = t->capacity ? t->capacity : 16;
    while (capacity - capacity / 4 < count) {
        if (capacity > SIZE_MAX / 2 / sizeof *t->cells)
            return rag_fail_memory(err);
        capacity *= 2;
    }
    if (capacity == t->capacity)
        return RAG_OK;
    struct slice_index bigger = { rag_alloc_zeroed(capacity, sizeof *t->cells), t->count,
                                  capacity };
    if (!bigger.cells)
        return rag_fail_memory(err);
    for (size_t i = 0; i < t->capacity; i++)
        if (t->cells[i].hash)
            bigger.cells[place_of(&bigger, t->cells[i].key, t->cells[i].hash)] = t->cells[i];
    rag_free(t->cells);
    *t = bigger;
    return RAG_OK;
}

size_t slice_index_find(const struct slice_index *t, rag_slice key)
{
    if (!t->count)
        return SLICE_INDEX_NONE;
    const size_t i = place_of(t, key, slice_hash(key));
    return t->cells[i].hash ? t->cells[i].value : SLICE_INDEX_NONE;
}

rag_status slice_index_put(struct slice_index *t, rag_slice key, size_t value, size_t *previous,
                           rag_error *err)
{
    RAG_TRY(slice_index_reserve(t, t->count + 1, err));
    const uint64_t hash = slice_hash(key);
    struct slice_index_cell *cell = &t->cells[place_of(t, key, hash)];
    if (previous)
        *previous = cell->hash ? cell->value : SLICE_INDEX_NONE;
    if (!cell->hash)
        t->count++;
    *cell = (struct slice_index_cell){ key, hash, value };
    return RAG_OK;
}

rag_status slice_index_place(struct slice_index *t, rag_slice key, size_t *count, size_t *at,
                             rag_error *err)
{
    size_t place = slice_index_find(t, key);
    if (place == SLICE_INDEX_NONE) {
        RAG_TRY(slice_index_put(t, key, *count, NULL, err));
        place = (*count)++;
    }
    *at = place;
    return RAG_OK;
}

void slice_index_remove(struct slice_index *t, rag_slice key)
{
    if (!t->count)
        return;
    const size_t mask = t->capacity - 1;
    size_t hole = place_of(t, key, slice_hash(key));
    if (!t->cells[hole].hash)
        return;
    for (size_t i = (hole + 1) & mask; t->cells[i].hash; i = (i + 1) & mask) {
        const size_t home = t->cells[i].hash & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) { /* may move back into the hole */
            t->cells[hole] = t->cells[i];
            hole = i;
        }
    }
    t->cells[hole].hash = 0;
    t->count--;
}

void slice_index_free(struct slice_index *t)
{
    rag_free(t->cells);
    *t = (struct slice_index)SLICE_INDEX_INIT;
}
