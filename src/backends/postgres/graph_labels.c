/* Search in labels: the server finds the best ones, the library ranks them once more.
 *
 * Labels that are no ids (graph_ask.c) are answered always, whatever is looked for: they are few, and
 * SQL has no way with those that have a NUL. */
#include "graph_ask.h"
#include "row.h"

struct searching {
    const rag_label_query *query;
    size_t limit;
    rag_result *out;
};

static rag_status labels_work(const rag_call *call, struct pg_conn *conn, void *user,
                              rag_error *err)
{
    const struct searching *s = user;
    struct pg_params params;
    PGresult *result;
    pg_params_begin(&params, call);
    if (pg_text_fits(s->query->text, 0))
        pg_add_slice(&params, s->query->text);
    else
        pg_add_null(&params); /* contained in no text of the server's */
    pg_add_slice(&params, s->query->from);
    pg_add_slice(&params, s->query->to);
    pg_add_int(&params, (int64_t)s->limit);
    PG_TRY(pg_graph_run(call, conn, PG_LABELS, &params, "searching in labels", &result, err));
    rag_status status = RAG_OK;
    for (int row = 0; row < PQntuples(result) && status == RAG_OK; row++) {
        const rag_row label = { .key = pg_slice(result, row, PG_GRAPH_KEY), .found = 1 };
        status = call->host->row_append(s->out, &label, err);
    }
    PQclear(result);
    return status;
}

rag_status pg_graph_label_candidates(const rag_call *call, const rag_label_query *query,
                                     size_t limit, rag_result *out, rag_error *err)
{
    struct searching s = { query, limit, out };
    return pg_read(call, labels_work, &s, err);
}
