/* The slots of the graph that read, over the statements of its layout.
 *
 * Both layouts (graph_tables.c, graph_age.c) take the same parameters and answer in the same columns,
 * so nothing here knows which one it is. A batch is one trip, of one statement or two; its answer has
 * the places of what was asked for, and rows are given in the order asked, with those that are absent.
 * A slot that is asked for no values has the server send none. Writing is in graph_write.c. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "graph_ask.h"
#include "row.h"

enum { WHAT = RAG_GRAPH_VALUES | RAG_GRAPH_DEGREES };

/* ---- reading --------------------------------------------------------------------------------------- */

static rag_status append_nodes(const rag_call *call, const struct pg_asked *q,
                               const PGresult *result, rag_error *err)
{
    struct pg_text value = { .host = call->host };
    int *where;
    PG_TRY(pg_places(call->host, result, q->n, &where, err));
    rag_status status = RAG_OK;
    for (size_t i = 0; i < q->n && status == RAG_OK; i++) {
        rag_row row = { .key = q->labels[i], .found = where[i] != 0 };
        if (row.found) {
            row.number = pg_int(result, where[i] - 1, PG_GRAPH_NUMBER);
            status = pg_with_value(call, PG_NODE, q->what, result, where[i] - 1, &value, &row, err);
        }
        if (status == RAG_OK)
            status = call->host->row_append(q->out, &row, err);
    }
    pg_text_free(&value);
    call->host->free(where);
    return status;
}

static rag_status get_nodes_work(const rag_call *call, struct pg_conn *conn, void *user,
                                 rag_error *err)
{
    const struct pg_asked *q = user;
    static const enum pg_graph_statement statements[] = {
        [0] = PG_HAS_NODES,
        [RAG_GRAPH_VALUES] = PG_GET_NODES,
        [RAG_GRAPH_DEGREES] = PG_NODE_DEGREES,
        [RAG_GRAPH_VALUES | RAG_GRAPH_DEGREES] = PG_NODE_DEGREES_VALUES,
    };
    struct pg_ends e;
    PGresult *result = NULL;
    pg_ends_of(q, call->host, &e);
    rag_status status =
        pg_ask(call, conn, q, &e, statements[q->what & WHAT], "reading nodes", &result, err);
    if (status == RAG_OK)
        status = append_nodes(call, q, result, err);
    PQclear(result);
    pg_ends_free(&e);
    return status;
}

static rag_status graph_get_nodes(const rag_call *call, const rag_slice *labels, size_t n,
                                  unsigned what, rag_result *out, rag_error *err)
{
    struct pg_asked q = { labels, NULL, n, what, out, 0 };
    return pg_read(call, get_nodes_work, &q, err);
}

/* What get_edges asks the server for, and its answers: one batch has hubs in many of its pairs. */
struct edges_asked {
    const struct pg_asked *q;
    struct pg_distinct pairs, ends; /* ends: when degrees are wanted */
    PGresult *edges, *degrees;
    int *where_edge, *where_end;
};

static int64_t degree_of(const struct edges_asked *a, size_t end)
{
    const int row = a->where_end[a->ends.which[end]];
    return row ? pg_int(a->degrees, row - 1, PG_GRAPH_NUMBER) : 0;
}

static rag_status append_edges(const rag_call *call, struct edges_asked *a, rag_error *err)
{
    const struct pg_asked *q = a->q;
    struct pg_text value = { .host = call->host };
    PG_TRY(pg_places(call->host, a->edges, a->pairs.count, &a->where_edge, err));
    if (a->degrees)
        PG_TRY(pg_places(call->host, a->degrees, a->ends.count, &a->where_end, err));
    rag_status status = RAG_OK;
    for (size_t i = 0; status == RAG_OK && i < q->n; i++) {
        const size_t pair = a->pairs.which[i];
        const int found = a->where_edge[pair];
        rag_row row = { .key = q->pairs[i].source,
                        .key2 = q->pairs[i].target,
                        .found = found != 0 };
        if (a->degrees)
            row.number = degree_of(a, 2 * pair) + degree_of(a, 2 * pair + 1);
        if (row.found)
            status = pg_with_value(call, PG_EDGE, q->what, a->edges, found - 1, &value, &row, err);
        if (status == RAG_OK)
            status = call->host->row_append(q->out, &row, err);
    }
    pg_text_free(&value);
    return status;
}

/* One trip: degrees are of nodes, whether the edge is there or not. */
static rag_status ask_for_edges(const rag_call *call, struct pg_conn *conn, struct edges_asked *a,
                                rag_error *err)
{
    const struct pg_server *s = call->self;
    const struct pg_asked once = { .pairs = a->pairs.pairs, .n = a->pairs.count };
    struct pg_labels ends;
    struct pg_ends pairs;
    struct pg_params params;
    rag_status status = RAG_OK;
    pg_labels_begin(&ends, call->host);
    pg_ends_of(&once, call->host, &pairs);
    for (size_t i = 0; i < a->ends.count; i++)
        pg_labels_add(&ends, a->ends.pairs[i].source);
    pg_params_begin(&params, call);
    pg_add_labels(&params, &ends);
    if (a->q->what & RAG_GRAPH_DEGREES)
        status = pg_queue(conn, s->graph->sql[PG_NODE_DEGREES], &params, "counting edges",
                          &a->degrees, err);
    if (status == RAG_OK)
        status = pg_ask(call, conn, &once, &pairs,
                        a->q->what & RAG_GRAPH_VALUES ? PG_GET_EDGES : PG_HAS_EDGES,
                        "reading edges", &a->edges, err);
    pg_labels_free(&ends);
    pg_ends_free(&pairs);
    return status;
}

static rag_status get_edges_work(const rag_call *call, struct pg_conn *conn, void *user,
                                 rag_error *err)
{
    struct edges_asked a = { .q = user };
    rag_status status = pg_distinct_pairs(call->host, a.q->pairs, a.q->n, &a.pairs, err);
    if (status == RAG_OK && a.q->what & RAG_GRAPH_DEGREES)
        status = pg_distinct_ends(call->host, a.pairs.pairs, a.pairs.count, &a.ends, err);
    if (status == RAG_OK)
        status = ask_for_edges(call, conn, &a, err);
    if (status == RAG_OK)
        status = append_edges(call, &a, err);
    PQclear(a.edges);
    PQclear(a.degrees);
    call->host->free(a.where_edge);
    call->host->free(a.where_end);
    pg_distinct_free(call->host, &a.pairs);
    pg_distinct_free(call->host, &a.ends);
    return status;
}

static rag_status graph_get_edges(const rag_call *call, const rag_pair *pairs, size_t n,
                                  unsigned what, rag_result *out, rag_error *err)
{
    struct pg_asked q = { NULL, pairs, n, what, out, 0 };
    return pg_read(call, get_edges_work, &q, err);
}

/* The edges at one label: the rows from `row` on that have its place; returns the first behind. */
static rag_status append_incident(const rag_call *call, const struct pg_asked *q, size_t i,
                                  int found, const PGresult *result, int *row,
                                  struct pg_text *value, rag_error *err)
{
    int end = *row;
    while (end < PQntuples(result) && pg_int(result, end, PG_GRAPH_KEY) == (int64_t)i + 1)
        end++;
    const rag_row header = { .key = q->labels[i], .found = found, .number = end - *row };
    rag_status status = call->host->row_append(q->out, &header, err);
    for (; *row < end && status == RAG_OK; ++*row) {
        rag_row edge = { .key = q->labels[i],
                         .key2 = pg_slice(result, *row, PG_GRAPH_KEY2),
                         .found = 1 };
        status = pg_with_value(call, PG_EDGE, q->what, result, *row, value, &edge, err);
        if (status == RAG_OK)
            status = call->host->row_append(q->out, &edge, err);
    }
    return status;
}

static rag_status incident_work(const rag_call *call, struct pg_conn *conn, void *user,
                                rag_error *err)
{
    const struct pg_asked *q = user;
    const struct pg_server *s = call->self;
    struct pg_text value = { .host = call->host };
    PGresult *nodes = NULL, *edges = NULL;
    struct pg_params params;
    struct pg_ends e;
    int *where = NULL, row = 0;
    pg_ends_of(q, call->host, &e);
    pg_params_begin(&params, call);
    pg_add_labels(&params, &e.sources);
    rag_status status =
        pg_queue(conn, s->graph->sql[PG_HAS_NODES], &params, "reading nodes", &nodes, err);
    if (status == RAG_OK)
        status =
            pg_ask(call, conn, q, &e, q->what & RAG_GRAPH_VALUES ? PG_INCIDENT_VALUES : PG_INCIDENT,
                   "reading edges", &edges, err);
    if (status == RAG_OK)
        status = pg_places(call->host, nodes, q->n, &where, err);
    for (size_t i = 0; i < q->n && status == RAG_OK; i++)
        status = append_incident(call, q, i, where[i] != 0, edges, &row, &value, err);
    pg_text_free(&value);
    call->host->free(where);
    PQclear(nodes);
    PQclear(edges);
    pg_ends_free(&e);
    return status;
}

static rag_status graph_incident(const rag_call *call, const rag_slice *labels, size_t n,
                                 unsigned what, rag_result *out, rag_error *err)
{
    struct pg_asked q = { labels, NULL, n, what, out, 0 };
    return pg_read(call, incident_work, &q, err);
}

/* ---- scans ----------------------------------------------------------------------------------------- */

struct scanning {
    rag_slice after;
    size_t limit;
    unsigned what;
    rag_result *out;
};

static rag_status append_node_page(const rag_call *call, const struct scanning *s,
                                   const PGresult *result, rag_error *err)
{
    struct pg_text value = { .host = call->host };
    const int rows = PQntuples(result);
    rag_status status = RAG_OK;
    for (int row = 0; row < rows && status == RAG_OK; row++) {
        rag_row node = { .key = pg_slice(result, row, PG_GRAPH_KEY),
                         .found = 1,
                         .number = pg_int(result, row, PG_GRAPH_NUMBER) };
        status = pg_with_value(call, PG_NODE, s->what, result, row, &value, &node, err);
        if (status == RAG_OK)
            status = call->host->row_append(s->out, &node, err);
    }
    pg_text_free(&value);
    if (status == RAG_OK && (size_t)rows == s->limit)
        status = call->host->result_next(s->out, pg_slice(result, rows - 1, PG_GRAPH_KEY), err);
    return status;
}

static rag_status scan_nodes_work(const rag_call *call, struct pg_conn *conn, void *user,
                                  rag_error *err)
{
    const struct scanning *s = user;
    struct pg_params params;
    PGresult *result;
    const rag_slice text = pg_text_part(s->after);
    pg_params_begin(&params, call);
    pg_add_slice(&params, s->after);
    pg_add_slice(&params, text);
    pg_add_int(&params, (int64_t)s->limit);
    static const enum pg_graph_statement statements[] = {
        [0] = PG_SCAN_NODES,
        [RAG_GRAPH_VALUES] = PG_SCAN_NODES_VALUES,
        [RAG_GRAPH_DEGREES] = PG_SCAN_DEGREES,
        [RAG_GRAPH_VALUES | RAG_GRAPH_DEGREES] = PG_SCAN_DEGREES_VALUES,
    };
    PG_TRY(pg_graph_run(call, conn, statements[s->what & WHAT], &params, "reading nodes", &result,
                        err));
    const rag_status status = append_node_page(call, s, result, err);
    PQclear(result);
    return status;
}

static rag_status graph_scan_nodes(const rag_call *call, rag_slice after, size_t limit,
                                   unsigned what, rag_result *out, rag_error *err)
{
    struct scanning s = { after, limit, what, out };
    return pg_read(call, scan_nodes_work, &s, err);
}

/* The position of an edge: its two ids with a NUL between, which no id has. */
static rag_status set_edge_position(const rag_call *call, const struct scanning *s,
                                    const PGresult *result, int row, rag_error *err)
{
    struct pg_text position = { .host = call->host };
    const rag_slice a = pg_slice(result, row, PG_GRAPH_ID), b = pg_slice(result, row, PG_GRAPH_ID2);
    pg_text_add(&position, a.data, a.len);
    pg_text_add(&position, "", 1);
    pg_text_add(&position, b.data, b.len);
    rag_status status = pg_text_check(&position, err);
    if (status == RAG_OK)
        status = call->host->result_next(s->out, (rag_slice){ position.data, position.len }, err);
    pg_text_free(&position);
    return status;
}

static rag_status append_edge_page(const rag_call *call, const struct scanning *s,
                                   const PGresult *result, rag_error *err)
{
    struct pg_text value = { .host = call->host };
    const int rows = PQntuples(result);
    rag_status status = RAG_OK;
    for (int row = 0; row < rows && status == RAG_OK; row++) {
        rag_row edge = { .key = pg_slice(result, row, PG_GRAPH_KEY),
                         .key2 = pg_slice(result, row, PG_GRAPH_KEY2),
                         .found = 1 };
        if (!edge.key.data || !edge.key2.data)
            continue; /* AGE does not see to it that ends exist */
        status = pg_with_value(call, PG_EDGE, s->what, result, row, &value, &edge, err);
        if (status == RAG_OK)
            status = call->host->row_append(s->out, &edge, err);
    }
    pg_text_free(&value);
    if (status == RAG_OK && (size_t)rows == s->limit)
        status = set_edge_position(call, s, result, rows - 1, err);
    return status;
}

static rag_status scan_edges_work(const rag_call *call, struct pg_conn *conn, void *user,
                                  rag_error *err)
{
    const struct scanning *s = user;
    struct pg_params params;
    PGresult *result;
    const char *start = s->after.data ? s->after.data : "";
    const char *cut = s->after.len ? memchr(start, 0, s->after.len) : NULL;
    const size_t first = cut ? (size_t)(cut - start) : s->after.len;
    const rag_slice a = { start, first };
    const rag_slice b = { cut ? cut + 1 : "", cut ? s->after.len - first - 1 : 0 };
    if (!pg_text_fits(a, 0) || !pg_text_fits(b, 0))
        return call->host->fail(err, RAG_E_INVALID, "the position of the scan is none of edges");
    pg_params_begin(&params, call);
    pg_add_slice(&params, a);
    pg_add_slice(&params, b);
    pg_add_int(&params, (int64_t)s->limit);
    PG_TRY(pg_graph_run(call, conn,
                        s->what & RAG_GRAPH_VALUES ? PG_SCAN_EDGES_VALUES : PG_SCAN_EDGES, &params,
                        "reading edges", &result, err));
    const rag_status status = append_edge_page(call, s, result, err);
    PQclear(result);
    return status;
}

static rag_status graph_scan_edges(const rag_call *call, rag_slice after, size_t limit,
                                   unsigned what, rag_result *out, rag_error *err)
{
    struct scanning s = { after, limit, what, out };
    return pg_read(call, scan_edges_work, &s, err);
}

/* Of the graph as a whole. */
struct counting {
    struct pg_counters of[2]; /* nodes and edges */
};

static rag_status count_work(const rag_call *call, struct pg_conn *conn, void *user, rag_error *err)
{
    struct counting *c = user;
    struct pg_params params;
    PGresult *result;
    pg_params_begin(&params, call);
    PG_TRY(pg_graph_run(call, conn, PG_COUNT_GRAPH, &params, "counting nodes and edges", &result,
                        err));
    for (int i = 0; i < 2; i++) {
        c->of[i].rows = pg_int(result, 0, i);
        c->of[i].bytes = pg_int(result, 0, 2 + i);
        c->of[i].generation = pg_int(result, 0, 4 + i);
    }
    PQclear(result);
    return RAG_OK;
}

rag_status pg_graph_holds(const rag_call *call, struct pg_conn *conn, int *holds, rag_error *err)
{
    struct counting c;
    PG_TRY(count_work(call, conn, &c, err));
    *holds = c.of[0].rows > 0;
    return RAG_OK;
}

rag_status pg_graph_namespaces(const rag_call *call, struct pg_conn *conn, rag_result *out,
                               rag_error *err)
{
    static const char *const kinds[] = { "graph_nodes", "graph_edges" };
    struct counting c;
    rag_status status = count_work(call, conn, &c, err);
    for (int i = 0; i < 2 && status == RAG_OK; i++) {
        if (c.of[i].rows)
            status = pg_append_namespace(call, rag_text(kinds[i]), rag_text("graph"), &c.of[i], out,
                                         err);
    }
    return status;
}

static rag_status graph_count(const rag_call *call, uint64_t *nodes, uint64_t *edges,
                              rag_error *err)
{
    struct counting c;
    PG_TRY(pg_read(call, count_work, &c, err));
    *nodes = (uint64_t)c.of[0].rows;
    *edges = (uint64_t)c.of[1].rows;
    return RAG_OK;
}

const rag_graph_table pg_graph = {
    .struct_size = sizeof pg_graph,
    .put_nodes = pg_graph_put_nodes,
    .put_edges = pg_graph_put_edges,
    .get_nodes = graph_get_nodes,
    .get_edges = graph_get_edges,
    .incident = graph_incident,
    .delete_nodes = pg_graph_delete_nodes,
    .delete_edges = pg_graph_delete_edges,
    .scan_nodes = graph_scan_nodes,
    .scan_edges = graph_scan_edges,
    .count = graph_count,
    .drop = pg_graph_drop,
    .popular = pg_graph_popular,
    .view = pg_graph_view,
    .label_candidates = pg_graph_label_candidates,
};
