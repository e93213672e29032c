/* Where a scan goes on, for tables in order of a row id. A position that is not one of ours is an
 * error of the caller, not the start. */
#include <limits.h>
#include <stdio.h>

#include "core/result.h"
#include "db.h"

rag_status db_set_next_number(rag_result *out, sqlite3_int64 number, rag_error *err)
{
    char text[24];
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
