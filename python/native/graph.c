/* Methods of graph.h.
 *
 * Pairs come in as a flat list of slices, which is how an array of rag_pair lies in memory. Answers
 * keep the order and the orientation of the question, as the library does. What a node has for
 * neighbours is answered in two forms, because programs want labels and LightRAG wants pairs: made
 * from rows it costs the same, made from each other it would be a second pass in Python. */
#include "native.h"

/* ---- writing ------------------------------------------------------------------------------------------ */

static PyObject *graph_put_nodes(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "nodes", "replace", CALL_NAMES };
    call c = CALL_INIT;
    PyObject *nodes;
    int replace = 0;
    if (take_arguments(args, kwargs, "O|$p" CALL_FORMAT ":graph_put_nodes", names, &nodes, &replace,
                       CALL_ARGUMENTS(&c)) &&
        batch_take_rows(nodes, 1, &c.batch) && (c.rows = nodes_of(&c.batch)) &&
        call_begin(&c, object))
        CALL(&c, rag_graph_put_nodes(c.store, &c.ctx, c.rows, c.batch.count,
                                     replace ? RAG_PUT_REPLACE : RAG_PUT_MERGE, &c.number, &c.err));
    return end_number(&c);
}

static PyObject *graph_put_edges(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "edges", "replace", CALL_NAMES };
    call c = CALL_INIT;
    PyObject *edges;
    int replace = 0;
    if (take_arguments(args, kwargs, "O|$p" CALL_FORMAT ":graph_put_edges", names, &edges, &replace,
                       CALL_ARGUMENTS(&c)) &&
        batch_take_rows(edges, 2, &c.batch) && (c.rows = edges_of(&c.batch)) &&
        call_begin(&c, object))
        CALL(&c, rag_graph_put_edges(c.store, &c.ctx, c.rows, c.batch.count,
                                     replace ? RAG_PUT_REPLACE : RAG_PUT_MERGE, &c.number, &c.err));
    return end_number(&c);
}

static PyObject *graph_delete_nodes(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "labels", CALL_NAMES };
    return run_delete(object, args, kwargs, "O|$" CALL_FORMAT ":graph_delete_nodes", names,
                      rag_graph_delete_nodes);
}

/* ---- reading by label ---------------------------------------------------------------------------------- */

/* A question about labels, and how its rows are answered. */
static PyObject *read_nodes(PyObject *object, PyObject *args, PyObject *kwargs, const char *format,
                            unsigned what, row_object make)
{
    static const char *const names[] = { "labels", CALL_NAMES };
    call c = CALL_INIT;
    PyObject *labels;
    if (take_arguments(args, kwargs, format, names, &labels, CALL_ARGUMENTS(&c)) &&
        texts_take(labels, "labels", &c.texts) && call_begin(&c, object))
        CALL(&c, rag_graph_get_nodes(c.store, &c.ctx, c.texts.slices, c.texts.count, what,
                                     &c.result, &c.err));
    return end_list(&c, make);
}

static PyObject *row_degree(reading *r, const rag_row *row)
{
    (void)r;
    return row->found ? PyLong_FromLongLong(row->number) : Py_NewRef(Py_None);
}

static PyObject *graph_get_nodes(PyObject *object, PyObject *args, PyObject *kwargs)
{
    return read_nodes(object, args, kwargs, "O|$" CALL_FORMAT ":graph_get_nodes", RAG_GRAPH_VALUES,
                      row_value);
}

static PyObject *graph_degrees(PyObject *object, PyObject *args, PyObject *kwargs)
{
    return read_nodes(object, args, kwargs, "O|$" CALL_FORMAT ":graph_degrees", RAG_GRAPH_DEGREES,
                      row_degree);
}

/* ---- reading by pair ------------------------------------------------------------------------------------ */

static PyObject *row_edge_degree(reading *r, const rag_row *row)
{
    (void)r;
    return Py_BuildValue("(LO)", (long long)row->number, row->found ? Py_True : Py_False);
}

static PyObject *read_edges(PyObject *object, PyObject *args, PyObject *kwargs, const char *format,
                            unsigned what, row_object make)
{
    static const char *const names[] = { "pairs", CALL_NAMES };
    call c = CALL_INIT;
    PyObject *pairs;
    if (take_arguments(args, kwargs, format, names, &pairs, CALL_ARGUMENTS(&c)) &&
        texts_take_pairs(pairs, &c.texts) && call_begin(&c, object))
        CALL(&c, rag_graph_get_edges(c.store, &c.ctx, (const rag_pair *)c.texts.slices,
                                     c.texts.count, what, &c.result, &c.err));
    return end_list(&c, make);
}

static PyObject *graph_get_edges(PyObject *object, PyObject *args, PyObject *kwargs)
{
    return read_edges(object, args, kwargs, "O|$" CALL_FORMAT ":graph_get_edges", RAG_GRAPH_VALUES,
                      row_value);
}

static PyObject *graph_edge_degrees(PyObject *object, PyObject *args, PyObject *kwargs)
{
    return read_edges(object, args, kwargs, "O|$" CALL_FORMAT ":graph_edge_degrees",
                      RAG_GRAPH_DEGREES, row_edge_degree);
}

static PyObject *graph_delete_edges(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "pairs", CALL_NAMES };
    call c = CALL_INIT;
    PyObject *pairs;
    if (take_arguments(args, kwargs, "O|$" CALL_FORMAT ":graph_delete_edges", names, &pairs,
                       CALL_ARGUMENTS(&c)) &&
        texts_take_pairs(pairs, &c.texts) && call_begin(&c, object))
        CALL(&c, rag_graph_delete_edges(c.store, &c.ctx, (const rag_pair *)c.texts.slices,
                                        c.texts.count, &c.number, NULL, &c.err));
    return end_number(&c);
}

/* ---- neighbours ------------------------------------------------------------------------------------------ */

/* (label, neighbour), with the label object of the question */
static PyObject *pair_of(PyObject *label, const rag_row *row)
{
    PyObject *neighbour = text_object(row->key2);
    PyObject *pair = neighbour ? PyTuple_Pack(2, label, neighbour) : NULL;
    Py_XDECREF(neighbour);
    return pair;
}

/* The edge rows behind the header row at *at, as a list; *at goes behind them. */
static PyObject *edges_at(const rag_result *result, size_t *at, PyObject *label, int as_pairs)
{
    const rag_row *header = rag_result_row(result, *at);
    const size_t count = (size_t)header->number;
    const size_t first = *at + 1;
    *at = first + count;
    if (!header->found)
        return Py_NewRef(Py_None);
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; list && i < count; i++) {
        const rag_row *row = rag_result_row(result, first + i);
        PyObject *edge = as_pairs ? pair_of(label, row) : text_object(row->key2);
        if (!edge || PyList_SetItem(list, (Py_ssize_t)i, edge) != 0)
            Py_CLEAR(list);
    }
    return list;
}

/* A list for each of the labels. */
static PyObject *edges_answer(const call *c, int as_pairs)
{
    PyObject *answer = PyList_New((Py_ssize_t)c->texts.count);
    size_t at = 0;
    for (size_t i = 0; answer && i < c->texts.count; i++) {
        PyObject *label = PyTuple_GetItem(c->texts.held, (Py_ssize_t)i);
        PyObject *edges = edges_at(c->result, &at, label, as_pairs);
        if (!edges || PyList_SetItem(answer, (Py_ssize_t)i, edges) != 0)
            Py_CLEAR(answer);
    }
    return answer;
}

static PyObject *neighbours(const call *c)
{
    return edges_answer(c, 0);
}

static PyObject *node_edges(const call *c)
{
    return edges_answer(c, 1);
}

static PyObject *incident(PyObject *object, PyObject *args, PyObject *kwargs, const char *format,
                          answer_maker make)
{
    static const char *const names[] = { "labels", CALL_NAMES };
    call c = CALL_INIT;
    PyObject *labels;
    if (take_arguments(args, kwargs, format, names, &labels, CALL_ARGUMENTS(&c)) &&
        texts_take(labels, "labels", &c.texts) && call_begin(&c, object))
        CALL(&c, rag_graph_incident(c.store, &c.ctx, c.texts.slices, c.texts.count, 0, &c.result,
                                    &c.err));
    return end_with(&c, make);
}

static PyObject *graph_neighbours(PyObject *object, PyObject *args, PyObject *kwargs)
{
    return incident(object, args, kwargs, "O|$" CALL_FORMAT ":graph_neighbours", neighbours);
}

static PyObject *graph_node_edges(PyObject *object, PyObject *args, PyObject *kwargs)
{
    return incident(object, args, kwargs, "O|$" CALL_FORMAT ":graph_node_edges", node_edges);
}

/* ---- scans, ranks, views --------------------------------------------------------------------------------- */

typedef rag_status (*scan_call)(rag_store *store, const rag_context *ctx, rag_slice after,
                                size_t limit, unsigned what, rag_result **out, rag_error *err);

/* `what` beside the values, which the caller may leave out. */
static PyObject *scan(PyObject *object, PyObject *args, PyObject *kwargs, const char *format,
                      scan_call function, unsigned what, row_object make)
{
    static const char *const names[] = { "after", "limit", "values", CALL_NAMES };
    call c = CALL_INIT;
    int values = 1;
    if (take_arguments(args, kwargs, format, names, PAGE_ARGUMENTS(&c.page), &values,
                       CALL_ARGUMENTS(&c)) &&
        page_take(&c.page) && call_begin(&c, object)) {
        what |= values ? RAG_GRAPH_VALUES : 0;
        CALL(&c, function(c.store, &c.ctx, c.page.after, c.page.limit, what, &c.result, &c.err));
    }
    return end_page(&c, make);
}

static PyObject *graph_scan_nodes(PyObject *object, PyObject *args, PyObject *kwargs)
{
    return scan(object, args, kwargs, "|" PAGE_FORMAT "$p" CALL_FORMAT ":graph_scan_nodes",
                rag_graph_scan_nodes, RAG_GRAPH_DEGREES, row_ranked_value);
}

static PyObject *graph_scan_edges(PyObject *object, PyObject *args, PyObject *kwargs)
{
    return scan(object, args, kwargs, "|" PAGE_FORMAT "$p" CALL_FORMAT ":graph_scan_edges",
                rag_graph_scan_edges, 0, row_edge);
}

static PyObject *graph_count(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { CALL_NAMES };
    call c = CALL_INIT;
    uint64_t nodes = 0, edges = 0;
    if (take_arguments(args, kwargs, "|$" CALL_FORMAT ":graph_count", names, CALL_ARGUMENTS(&c)) &&
        call_begin(&c, object))
        CALL(&c, rag_graph_count(c.store, &c.ctx, &nodes, &edges, &c.err));
    if (!call_end(&c))
        return NULL;
    return Py_BuildValue("(KK)", (unsigned long long)nodes, (unsigned long long)edges);
}

static PyObject *graph_popular(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "limit", CALL_NAMES };
    call c = CALL_INIT;
    Py_ssize_t limit;
    if (take_arguments(args, kwargs, "n|$" CALL_FORMAT ":graph_popular", names, &limit,
                       CALL_ARGUMENTS(&c)) &&
        take_size(limit, "limit") && call_begin(&c, object))
        CALL(&c, rag_graph_popular(c.store, &c.ctx, (size_t)limit, &c.result, &c.err));
    return end_list(&c, row_ranked);
}

static PyObject *graph_search_labels(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "query", "limit", CALL_NAMES };
    call c = CALL_INIT;
    PyObject *text;
    Py_ssize_t limit = 50;
    rag_slice query;
    if (take_arguments(args, kwargs, "O|n$" CALL_FORMAT ":graph_search_labels", names, &text,
                       &limit, CALL_ARGUMENTS(&c)) &&
        text_slice(text, "query", &query) && take_size(limit, "limit") && call_begin(&c, object))
        CALL(&c, rag_graph_search_labels(c.store, &c.ctx, query, (size_t)limit, &c.result, &c.err));
    return end_list(&c, row_ranked);
}

/* The three parts of a view. */
static PyObject *view_answer(native_state *state, const rag_result *nodes, const rag_result *edges)
{
    PyObject *node_list = answer_list(state, nodes, row_ranked_value);
    PyObject *edge_list = node_list ? answer_list(state, edges, row_edge) : NULL;
    PyObject *answer = NULL;
    if (edge_list)
        answer = PyTuple_Pack(3, node_list, edge_list,
                              rag_result_flags(nodes) & RAG_RESULT_TRUNCATED ? Py_True : Py_False);
    Py_XDECREF(node_list);
    Py_XDECREF(edge_list);
    return answer;
}

static PyObject *graph_view(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "label", "max_depth", "max_nodes", CALL_NAMES };
    call c = CALL_INIT;
    PyObject *text;
    Py_ssize_t depth = 3, most = 1000;
    rag_slice label;
    rag_graph_view_options options = RAG_GRAPH_VIEW_OPTIONS_INIT;
    rag_result *edges = NULL;
    if (take_arguments(args, kwargs, "O|nn$" CALL_FORMAT ":graph_view", names, &text, &depth, &most,
                       CALL_ARGUMENTS(&c)) &&
        text_slice(text, "label", &label) && take_size(depth, "max_depth") &&
        take_size(most, "max_nodes") && call_begin(&c, object)) {
        options.max_depth = depth < UINT32_MAX ? (unsigned)depth : UINT32_MAX;
        options.max_nodes = (size_t)most;
        CALL(&c, rag_graph_view(c.store, &c.ctx, label, &options, &c.result, &edges, &c.err));
    }
    PyObject *answer = call_end(&c) ? view_answer(c.state, c.result, edges) : NULL;
    rag_result_free(edges);
    call_drop(&c);
    return answer;
}

static PyObject *graph_drop(PyObject *object, PyObject *args, PyObject *kwargs)
{
    return run_plain(object, args, kwargs, "|$" CALL_FORMAT ":graph_drop", rag_graph_drop);
}

PyMethodDef graph_methods[] = {
    METHOD("graph_put_nodes", graph_put_nodes, "Create or change nodes, all or none."),
    METHOD("graph_put_edges", graph_put_edges, "Create or change edges, all or none."),
    METHOD("graph_get_nodes", graph_get_nodes, "Attributes of nodes; None where there is none."),
    METHOD("graph_degrees", graph_degrees, "Degrees of nodes; None where there is none."),
    METHOD("graph_get_edges", graph_get_edges, "Attributes of edges; None where there is none."),
    METHOD("graph_edge_degrees", graph_edge_degrees,
           "(sum of the degrees of both ends, is there such an edge) of each pair."),
    METHOD("graph_neighbours", graph_neighbours, "Neighbours of each; None: no such node."),
    METHOD("graph_node_edges", graph_node_edges, "The same as pairs (label, neighbour)."),
    METHOD("graph_delete_nodes", graph_delete_nodes, "Delete nodes with their edges."),
    METHOD("graph_delete_edges", graph_delete_edges, "Delete edges; either order names one."),
    METHOD("graph_scan_nodes", graph_scan_nodes, "A page of (label, degree, attributes)."),
    METHOD("graph_scan_edges", graph_scan_edges, "A page of (source, target, attributes)."),
    METHOD("graph_count", graph_count, "(nodes, edges)"),
    METHOD("graph_popular", graph_popular, "(label, degree) of the nodes of highest degree."),
    METHOD("graph_search_labels", graph_search_labels, "(label, score) of labels that match."),
    METHOD("graph_view", graph_view, "A bounded part of the graph: (nodes, edges, truncated)."),
    METHOD("graph_drop", graph_drop, "Delete the whole graph, durably."),
    { NULL, NULL, 0, NULL },
};
