/* Popular nodes, and bounded views of the graph: a statement for each level.
 *
 * The rule is the library's (rag_graph_view): a view from a node takes level after level, each ordered
 * by degree, then label, until max_nodes are kept. All of a level is kept unless the room ends, so the
 * server needs the labels of the last level and of everything kept, and gives the best of the next
 * one. The edges are those among what is kept, by the places of their ends. A view is cut off when
 * there is no more room and somebody kept has a neighbour that is not: whether by the room or by the
 * depth makes no difference then.
 *
 * Statements see separate snapshots unless the call is in a transaction; a node or an edge that goes
 * away meanwhile is left out. Outputs are filled at the end: a lost connection may have it all run
 * again. */
#include <string.h>

#include "graph_ask.h"

/* ---- what is kept ----------------------------------------------------------------------------------- */

struct kept_node {
    size_t at, len; /* of the label in `names` */
    int64_t degree;
};

struct view {
    rag_slice start;
    const rag_graph_view_options *options;
    rag_result *nodes, *edges;
    struct pg_text names, kept; /* `kept` holds struct kept_node */
    size_t count;
    int truncated;
};

static const struct kept_node *node_of(const struct view *v, size_t i)
{
    return (const struct kept_node *)(const void *)v->kept.data + i;
}

static rag_slice label_of(const struct view *v, size_t i)
{
    const struct kept_node *node = node_of(v, i);
    return (rag_slice){ v->names.data + node->at, node->len };
}

static void keep_label(struct view *v, rag_slice label, int64_t degree)
{
    const struct kept_node node = { v->names.len, label.len, degree };
    pg_text_add(&v->names, label.data, label.len);
    pg_text_add(&v->kept, &node, sizeof node);
    v->count++;
}

/* Rows of PG_POPULAR and PG_NEXT_LEVEL, as far as there is room. */
static rag_status keep_rows(struct view *v, const PGresult *rows, rag_error *err)
{
    for (int row = 0; row < PQntuples(rows) && v->count < v->options->max_nodes; row++)
        keep_label(v, pg_slice(rows, row, PG_GRAPH_KEY), pg_int(rows, row, PG_GRAPH_NUMBER));
    PG_TRY(pg_text_check(&v->names, err));
    return pg_text_check(&v->kept, err);
}

static void add_kept(struct pg_labels *labels, const rag_host *host, const struct view *v,
                     size_t first)
{
    pg_labels_begin(labels, host);
    for (size_t i = first; i < v->count; i++)
        pg_labels_add(labels, label_of(v, i));
}

/* A statement over the labels from the `first` kept on, `second` of them all, and a limit when it is
 * not 0. */
static rag_status ask_about_kept(const rag_call *call, struct pg_conn *conn, const struct view *v,
                                 enum pg_graph_statement which, size_t first, size_t limit,
                                 PGresult **out, rag_error *err)
{
    struct pg_labels last, all;
    struct pg_params params;
    pg_params_begin(&params, call);
    add_kept(&last, call->host, v, first);
    add_kept(&all, call->host, v, limit ? 0 : v->count);
    pg_add_labels(&params, &last);
    if (limit) {
        pg_add_labels(&params, &all);
        pg_add_int(&params, (int64_t)limit);
    }
    const rag_status status =
        pg_graph_run(call, conn, which, &params, "viewing the graph", out, err);
    pg_labels_free(&last);
    pg_labels_free(&all);
    return status;
}

static rag_status run_popular(const rag_call *call, struct pg_conn *conn, size_t limit,
                              PGresult **out, rag_error *err)
{
    struct pg_params params;
    pg_params_begin(&params, call);
    pg_add_int(&params, (int64_t)limit);
    return pg_graph_run(call, conn, PG_POPULAR, &params, "ranking nodes", out, err);
}

/* ---- walking ---------------------------------------------------------------------------------------- */

static rag_status take_popular(const rag_call *call, struct pg_conn *conn, struct view *v,
                               rag_error *err)
{
    PGresult *rows;
    PG_TRY(run_popular(call, conn, v->options->max_nodes + 1, &rows, err));
    v->truncated = (size_t)PQntuples(rows) > v->options->max_nodes;
    const rag_status status = keep_rows(v, rows, err);
    PQclear(rows);
    return status;
}

static rag_status take_start(const rag_call *call, struct pg_conn *conn, struct view *v,
                             rag_error *err)
{
    const struct pg_asked q = { .labels = &v->start, .n = 1 };
    struct pg_ends ends;
    PGresult *rows = NULL;
    pg_ends_of(&q, call->host, &ends);
    rag_status status = pg_ask(call, conn, &q, &ends, PG_NODE_DEGREES, "reading nodes", &rows, err);
    pg_ends_free(&ends);
    if (status == RAG_OK && PQntuples(rows) > 0) {
        keep_label(v, v->start, pg_int(rows, 0, PG_GRAPH_NUMBER));
        status = pg_text_check(&v->names, err);
    }
    if (status == RAG_OK)
        status = pg_text_check(&v->kept, err);
    PQclear(rows);
    return status;
}

static rag_status walk(const rag_call *call, struct pg_conn *conn, struct view *v, rag_error *err)
{
    const size_t most = v->options->max_nodes;
    PGresult *rows;
    size_t first = 0;
    PG_TRY(take_start(call, conn, v, err));
    for (unsigned depth = 0; depth < v->options->max_depth && first < v->count && v->count < most;
         depth++) {
        const size_t next = v->count;
        PG_TRY(ask_about_kept(call, conn, v, PG_NEXT_LEVEL, first, most - v->count, &rows, err));
        const rag_status status = keep_rows(v, rows, err);
        PQclear(rows);
        PG_TRY(status);
        first = next;
    }
    if (v->count < most)
        return RAG_OK;
    PG_TRY(ask_about_kept(call, conn, v, PG_BEYOND, 0, 0, &rows, err));
    v->truncated = PQntuples(rows) > 0;
    PQclear(rows);
    return RAG_OK;
}

/* ---- giving ----------------------------------------------------------------------------------------- */

static rag_status give_nodes(const rag_call *call, const struct view *v, const PGresult *values,
                             rag_error *err)
{
    struct pg_text value = { .host = call->host };
    int *where = NULL;
    rag_status status = RAG_OK;
    if (values)
        PG_TRY(pg_places(call->host, values, v->count, &where, err));
    for (size_t i = 0; i < v->count && status == RAG_OK; i++) {
        rag_row row = { .key = label_of(v, i), .number = node_of(v, i)->degree, .found = 1 };
        if (where && !where[i])
            continue;
        if (where)
            status = pg_with_value(call, PG_NODE, RAG_GRAPH_VALUES, values, where[i] - 1, &value,
                                   &row, err);
        if (status == RAG_OK)
            status = call->host->row_append(v->nodes, &row, err);
    }
    if (v->truncated)
        call->host->result_flags(v->nodes, RAG_RESULT_TRUNCATED);
    pg_text_free(&value);
    call->host->free(where);
    return status;
}

static rag_status give_edges(const rag_call *call, const struct view *v, const PGresult *rows,
                             rag_error *err)
{
    struct pg_text value = { .host = call->host };
    rag_status status = RAG_OK;
    for (int row = 0; row < PQntuples(rows) && status == RAG_OK; row++) {
        size_t a = (size_t)pg_int(rows, row, PG_GRAPH_KEY) - 1;
        size_t b = (size_t)pg_int(rows, row, PG_GRAPH_NUMBER) - 1;
        if (pg_compare(label_of(v, a), label_of(v, b)) > 0) {
            const size_t swap = a;
            a = b;
            b = swap;
        }
        rag_row edge = { .key = label_of(v, a),
                         .key2 = label_of(v, b),
                         .found = 1,
                         .number = node_of(v, a)->degree + node_of(v, b)->degree };
        status = pg_with_value(call, PG_EDGE, v->options->what, rows, row, &value, &edge, err);
        if (status == RAG_OK)
            status = call->host->row_append(v->edges, &edge, err);
    }
    pg_text_free(&value);
    return status;
}

static rag_status give(const rag_call *call, struct pg_conn *conn, const struct view *v,
                       rag_error *err)
{
    const int values = (v->options->what & RAG_GRAPH_VALUES) != 0;
    PGresult *nodes = NULL, *edges = NULL;
    rag_status status = RAG_OK;
    if (values)
        status = ask_about_kept(call, conn, v, PG_GET_NODES, 0, 0, &nodes, err);
    if (status == RAG_OK)
        status = ask_about_kept(call, conn, v, values ? PG_BETWEEN_VALUES : PG_BETWEEN, 0, 0,
                                &edges, err);
    if (status == RAG_OK)
        status = give_nodes(call, v, nodes, err);
    if (status == RAG_OK)
        status = give_edges(call, v, edges, err);
    PQclear(nodes);
    PQclear(edges);
    return status;
}

static rag_status view_work(const rag_call *call, struct pg_conn *conn, void *user, rag_error *err)
{
    struct view *v = user;
    const int whole = v->start.len == 1 && *(const char *)v->start.data == '*';
    v->count = 0;
    v->truncated = 0;
    pg_text_clear(&v->names);
    pg_text_clear(&v->kept);
    if (whole)
        PG_TRY(take_popular(call, conn, v, err));
    else
        PG_TRY(walk(call, conn, v, err));
    return v->count ? give(call, conn, v, err) : RAG_OK;
}

rag_status pg_graph_view(const rag_call *call, rag_slice label,
                         const rag_graph_view_options *options, rag_result *nodes,
                         rag_result *edges, rag_error *err)
{
    struct view v = { .start = label, .options = options, .nodes = nodes, .edges = edges };
    v.names.host = v.kept.host = call->host;
    const rag_status status = pg_read(call, view_work, &v, err);
    pg_text_free(&v.names);
    pg_text_free(&v.kept);
    return status;
}

/* ---- popular ---------------------------------------------------------------------------------------- */

struct ranking {
    size_t limit;
    rag_result *out;
};

static rag_status popular_work(const rag_call *call, struct pg_conn *conn, void *user,
                               rag_error *err)
{
    const struct ranking *r = user;
    PGresult *rows;
    PG_TRY(run_popular(call, conn, r->limit, &rows, err));
    rag_status status = RAG_OK;
    for (int row = 0; row < PQntuples(rows) && status == RAG_OK; row++) {
        const rag_row node = { .key = pg_slice(rows, row, PG_GRAPH_KEY),
                               .number = pg_int(rows, row, PG_GRAPH_NUMBER),
                               .found = 1 };
        status = call->host->row_append(r->out, &node, err);
    }
    PQclear(rows);
    return status;
}

rag_status pg_graph_popular(const rag_call *call, size_t limit, rag_result *out, rag_error *err)
{
    struct ranking r = { limit, out };
    return pg_read(call, popular_work, &r, err);
}
