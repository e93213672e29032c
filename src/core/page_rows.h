/* How many rows the next page of a scan should ask for, so that going through a store takes bounded
 * memory whether its values have a hundred bytes or a hundred megabytes. */
#ifndef CORE_PAGE_ROWS_H
#define CORE_PAGE_ROWS_H

#include <ragstore/types.h>

#include "limits.h"

#define PAGE_ROWS_FIRST ((size_t)1)

/* `page`: the one that a request for `rows` gave. */
static inline size_t page_rows_next(const rag_result *page, size_t rows)
{
    size_t bytes = 0;
    for (size_t i = 0; i < rag_result_count(page); i++) {
        const rag_row *row = rag_result_row(page, i);
        bytes += row->key.len + row->key2.len + row->value.len + row->dimension * sizeof(float);
    }
    if (bytes > LIMIT_PAGE_BYTES)
        return rows > 1 ? rows / 2 : 1;
    return bytes < LIMIT_PAGE_BYTES / 4 && rows < LIMIT_SCAN_DEFAULT ? rows * 2 : rows;
}

#endif
