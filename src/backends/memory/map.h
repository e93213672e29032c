/* An ordered map from bytes to items that never changes: putting and removing make another map,
 * which shares most of its nodes with the old one. Old maps stay whole for whoever still reads
 * them, an unfinished change is undone by forgetting it, and no reader ever waits. */
#ifndef MEMORY_MAP_H
#define MEMORY_MAP_H

#include <ragstore/backend.h>
#include <stdatomic.h>

/* What a map holds: the first member of a larger struct. Counted references, any thread. */
struct item {
    atomic_size_t references;
    rag_slice key;
    uint64_t bytes; /* what it adds to the size of its map */
    void (*dispose)(const rag_host *host, struct item *item);
};

void memory_item_retain(struct item *item);
void memory_item_release(const rag_host *host, struct item *item); /* NULL is allowed */

struct map {
    struct map_node *root; /* NULL: empty */
};

/* Another hold on the same map; each one is released once. */
struct map memory_map_retain(struct map map);
void memory_map_release(const rag_host *host, struct map map);

uint64_t memory_map_count(struct map map);
uint64_t memory_map_bytes(struct map map);

/* Borrowed: lives as long as the map is held. NULL when there is none. */
struct item *memory_map_find(struct map map, rag_slice key);
/* The item with the smallest key above `key`; an empty key gives the first one. */
struct item *memory_map_above(struct map map, rag_slice key);

/* Replace *map by one with the item (which is retained) or without the key. 0: no memory, and *map
 * is what it was. Removing an absent key changes nothing. */
int memory_map_put(const rag_host *host, struct map *map, struct item *item);
int memory_map_remove(const rag_host *host, struct map *map, rag_slice key);

/* Byte order, a prefix before what continues it. */
int memory_compare_keys(rag_slice a, rag_slice b);

#endif
