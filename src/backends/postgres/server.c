/* What the slots of all four stores share: how their parameters begin, and what is counted and listed
 * of namespaces.
 *
 * The counters are in ragstore_namespace; writers append to ragstore_change, which is folded into it
 * now and then (transaction.c), so what is true is the sum of both. */
#include "server.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char SQL_ROWS[] = "SELECT coalesce(sum(rows), 0)::int8 FROM " PG_SQL_COUNTERS
                               " WHERE kind = $2::text AND name = $3::text";

void pg_params_begin(struct pg_params *params, const rag_call *call)
{
    const struct pg_server *s = call->self;
    memset(params, 0, sizeof *params);
    pg_add_text(params, s->workspace);
}

void pg_params_begin_named(struct pg_params *params, const rag_call *call, const char *name)
{
    pg_params_begin(params, call);
    pg_add_text(params, name);
}

uint64_t pg_affected(const PGresult *result)
{
    uint64_t count = 0;
    /* libpq forgot a const here */
    const char *text = result ? PQcmdTuples((PGresult *)(uintptr_t)result) : "";
    for (; *text >= '0' && *text <= '9'; text++)
        count = count * 10 + (uint64_t)(*text - '0');
    return count;
}

rag_status pg_count_rows(const rag_call *call, struct pg_conn *conn, const char *kind,
                         const char *name, uint64_t *count, rag_error *err)
{
    struct pg_params params;
    PGresult *result;
    pg_params_begin_named(&params, call, kind);
    pg_add_text(&params, name);
    PG_TRY(pg_run(conn, call->ctx, SQL_ROWS, &params, "counting rows", &result, err));
    *count = (uint64_t)pg_int(result, 0, 0);
    PQclear(result);
    return RAG_OK;
}

rag_status pg_append_namespace(const rag_call *call, rag_slice kind, rag_slice name,
                               const struct pg_counters *counters, rag_result *out, rag_error *err)
{
    char json[160];
    const int len =
        snprintf(json, sizeof json,
                 "{\"rows\":%" PRId64 ",\"bytes\":%" PRId64 ",\"generation\":%" PRId64 "}",
                 counters->rows, counters->bytes, counters->generation);
    const rag_row row = { .key = kind,
                          .key2 = name,
                          .value = { json, (size_t)len },
                          .found = 1,
                          .number = counters->rows };
    return call->host->row_append(out, &row, err);
}
