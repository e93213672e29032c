/* The inside of rag_result: rows in an array, their bytes in an arena. Backends fill it through
 * the host table, never directly. */
#ifndef CORE_RESULT_H
#define CORE_RESULT_H

#include <ragstore/types.h>

#include "arena.h"
#include "error.h"

struct rag_result {
    rag_row *rows;
    size_t count, capacity;
    struct arena arena;
    unsigned flags;
    rag_slice next;
    uint64_t total;
    int has_total;
};

rag_result *rag_result_new(rag_error *err); /* NULL: out of memory, *err filled */
rag_status rag_result_append(rag_result *r, const rag_row *row, rag_error *err);
/* The same with the key of the row before it, which is not copied once more; that of `row` is not
 * looked at. */
rag_status rag_result_append_same_key(rag_result *r, const rag_row *row, rag_error *err);
/* The same for an absent key. */
rag_status rag_result_append_absent(rag_result *r, rag_slice key, rag_slice key2, rag_error *err);
rag_status rag_result_set_next(rag_result *r, rag_slice position, rag_error *err);
void rag_result_add_flags(rag_result *r, unsigned flags);
void rag_result_set_total(rag_result *r, uint64_t total);
/* What is known when the rows behind it are there. */
void rag_result_set_number(rag_result *r, size_t row, int64_t number);
/* Keep the first `count` rows. */
void rag_result_truncate(rag_result *r, size_t count);

#endif
