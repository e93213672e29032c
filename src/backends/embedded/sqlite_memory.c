/* Memory of the private SQLite: through core/alloc.c, where a test makes the n-th allocation fail.
 *
 * SQLite asks how large a block is. That is kept in front of the block, as SQLite's own allocator
 * does it, and not asked of malloc_usable_size(): the sizes that SQLite sees are then the same on
 * every system. Blocks are aligned to 8 bytes at least, which is all that SQLite wants. */
#include "sqlite_memory.h"

#include <sqlite3.h>
#include <stdint.h>

#include "core/alloc.h"

enum { HEAD_BYTES = 8 };

static int round_up(int size)
{
    return (size + 7) & ~7;
}

static void *with_size(int64_t *block, int size)
{
    if (!block)
        return NULL;
    *block = size;
    return block + 1;
}

static int64_t *block_of(void *memory)
{
    return (int64_t *)memory - 1;
}

static void *allocate(int size)
{
    const int whole = round_up(size);
    return with_size(rag_alloc((size_t)whole + HEAD_BYTES), whole);
}

static void give_back(void *memory)
{
    if (memory)
        rag_free(block_of(memory));
}

static void *resize(void *memory, int size)
{
    const int whole = round_up(size);
    return with_size(rag_realloc(block_of(memory), (size_t)whole + HEAD_BYTES), whole);
}

static int size_of(void *memory)
{
    return memory ? (int)*block_of(memory) : 0;
}

static int start(void *data)
{
    (void)data;
    return SQLITE_OK;
}

static void stop(void *data)
{
    (void)data;
}

void sqlite_memory_install(void)
{
    static const sqlite3_mem_methods methods = { allocate, give_back, resize, size_of,
                                                 round_up, start,     stop,   NULL };
    (void)sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
}
