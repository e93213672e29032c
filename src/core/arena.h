/* Memory that is freed all at once. Pointers stay valid until arena_free(). Zero-initialise. */
#ifndef CORE_ARENA_H
#define CORE_ARENA_H

#include <stddef.h>

struct arena_block;
struct arena {
    struct arena_block *blocks;
    size_t used_bytes; /* handed out in all */
};

void *arena_alloc(struct arena *a, size_t size);                 /* aligned to 8; NULL on failure */
void *arena_copy(struct arena *a, const void *data, size_t len); /* and a NUL behind it */
void arena_free(struct arena *a);

#endif
