/* Where a scan goes on: a key, or a row id as decimal text. A position that is not one of ours is an
 * error of the caller, not the start. One that is not behind the position of the page before would
 * have whoever scans go in circles for ever: rows are out of order only in a damaged table. */
#include <limits.h>
#include <stdio.h>

#include "core/result.h"
#include "db.h"

rag_status db_set_next(rag_result *out, rag_slice after, rag_slice next, rag_error *err)
{
    if (slice_compare(next, after) <= 0)
        return rag_fail(err, RAG_E_CORRUPT, "rows are out of order: '%.*s' comes behind '%.*s'",
                        RAG_SHOWN(next), RAG_SHOWN(after));
    return rag_result_set_next(out, next, err);
}

rag_status db_set_next_number(rag_result *out, sqlite3_int64 after, sqlite3_int64 number,
                              rag_error *err)
{
    char text[24];
    if (number <= after)
        return rag_fail(err, RAG_E_CORRUPT, "rows are out of order: %lld comes behind %lld",
                        (long long)number, (long long)after);
    const int len = snprintf(text, sizeof text, "%lld", (long long)number);
    return rag_result_set_next(out, slice_of(text, (size_t)len), err);
}

rag_status db_parse_number(rag_slice position, sqlite3_int64 *number, rag_error *err)
{
    const char *p = position.data;
    sqlite3_int64 n = 0;
    for (size_t i = 0; i < position.len; i++) {
        if (p[i] < '0' || p[i] > '9' || n > (LLONG_MAX - 9) / 10)
            return rag_fail(err, RAG_E_INVALID, "'%.*s' is no position of this scan",
                            RAG_SHOWN(position));
        n = n * 10 + (p[i] - '0');
    }
    *number = n;
    return RAG_OK;
}
