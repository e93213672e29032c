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
    store_object *self = (store_object *)object;
    call c = CALL_INIT;
    PyObject *nodes, *answer = NULL;
    int replace = 0;
    batch b = BATCH_INIT;
    rag_node *rows = NULL;
    rag_token token = 0;
    if (!take_arguments(args, kwargs, "O|$p" CALL_FORMAT ":graph_put_nodes", names, &nodes,
                        &replace, CALL_ARGUMENTS(&c)) ||
        !batch_take_rows(nodes, 1, &b) || !(rows = nodes_of(&b)) || !call_begin(&c, self))
        goto cleanup;
    CALL(&c, rag_graph_put_nodes(self->store, &c.ctx, rows, b.count,
                                 replace ? RAG_PUT_REPLACE : RAG_PUT_MERGE, &token, &c.err));
    if (call_end(&c))
        answer = PyLong_FromUnsignedLongLong(token);
cleanup:
    PyMem_Free(rows);
    batch_drop(&b);
    return answer;
}

static PyObject *graph_put_edges(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "edges", "replace", CALL_NAMES };
    store_object *self = (store_object *)object;
    call c = CALL_INIT;
    PyObject *edges, *answer = NULL;
    int replace = 0;
    batch b = BATCH_INIT;
    rag_edge *rows = NULL;
    rag_token token = 0;
    if (!take_arguments(args, kwargs, "O|$p" CALL_FORMAT ":graph_put_edges", names, &edges,
                        &replace, CALL_ARGUMENTS(&c)) ||
        !batch_take_rows(edges, 2, &b) || !(rows = edges_of(&b)) || !call_begin(&c, self))
        goto cleanup;
    CALL(&c, rag_graph_put_edges(self->store, &c.ctx, rows, b.count,
                                 replace ? RAG_PUT_REPLACE : RAG_PUT_MERGE, &token, &c.err));
    if (call_end(&c))
        answer = PyLong_FromUnsignedLongLong(token);
cleanup:
    PyMem_Free(rows);
    batch_drop(&b);
    return answer;
}

static PyObject *graph_delete_nodes(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "labels", CALL_NAMES };
    store_object *self = (store_object *)object;
    call c = CALL_INIT;
    PyObject *labels, *answer = NULL;
    text_list list = TEXT_LIST_INIT;
    uint64_t deleted = 0;
    if (!take_arguments(args, kwargs, "O|$" CALL_FORMAT ":graph_delete_nodes", names, &labels,
                        CALL_ARGUMENTS(&c)) ||
        !texts_take(labels, "labels", &list) || !call_begin(&c, self))
        goto cleanup;
    CALL(&c, rag_graph_delete_nodes(self->store, &c.ctx, list.slices, list.count, &deleted, NULL,
                                    &c.err));
    if (call_end(&c))
        answer = PyLong_FromUnsignedLongLong(deleted);
cleanup:
    texts_drop(&list);
    return answer;
}

/* ---- reading by label ---------------------------------------------------------------------------------- */

/* A question about labels, and how its rows are answered. */
static PyObject *read_nodes(PyObject *object, PyObject *args, PyObject *kwargs, const char *format,
                            unsigned what, row_object make)
{
    static const char *const names[] = { "labels", CALL_NAMES };
    store_object *self = (store_object *)object;
    call c = CALL_INIT;
    PyObject *labels, *answer = NULL;
    text_list list = TEXT_LIST_INIT;
    rag_result *result = NULL;
    if (!take_arguments(args, kwargs, format, names, &labels, CALL_ARGUMENTS(&c)) ||
        !texts_take(labels, "labels", &list) || !call_begin(&c, self))
        goto cleanup;
    CALL(&c,
         rag_graph_get_nodes(self->store, &c.ctx, list.slices, list.count, what, &result, &c.err));
    if (call_end(&c))
        answer = answer_list(self->state, result, make);
cleanup:
    rag_result_free(result);
    texts_drop(&list);
    return answer;
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
    store_object *self = (store_object *)object;
    call c = CALL_INIT;
    PyObject *pairs, *answer = NULL;
    text_list list = TEXT_LIST_INIT;
    rag_result *result = NULL;
    if (!take_arguments(args, kwargs, format, names, &pairs, CALL_ARGUMENTS(&c)) ||
        !texts_take_pairs(pairs, &list) || !call_begin(&c, self))
        goto cleanup;
    CALL(&c, rag_graph_get_edges(self->store, &c.ctx, (const rag_pair *)list.slices, list.count,
                                 what, &result, &c.err));
    if (call_end(&c))
        answer = answer_list(self->state, result, make);
cleanup:
    rag_result_free(result);
    texts_drop(&list);
    return answer;
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
    store_object *self = (store_object *)object;
    call c = CALL_INIT;
    PyObject *pairs, *answer = NULL;
    text_list list = TEXT_LIST_INIT;
    uint64_t deleted = 0;
    if (!take_arguments(args, kwargs, "O|$" CALL_FORMAT ":graph_delete_edges", names, &pairs,
                        CALL_ARGUMENTS(&c)) ||
        !texts_take_pairs(pairs, &list) || !call_begin(&c, self))
        goto cleanup;
    CALL(&c, rag_graph_delete_edges(self->store, &c.ctx, (const rag_pair *)list.slices, list.count,
                                    &deleted, NULL, &c.err));
    if (call_end(&c))
        answer = PyLong_FromUnsignedLongLong(deleted);
cleanup:
    texts_drop(&list);
    return answer;
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

static PyObject *incident(PyObject *object, PyObject *args, PyObject *kwargs, const char *format,
                          int as_pairs)
{
    static const char *const names[] = { "labels", CALL_NAMES };
    store_object *self = (store_object *)object;
    call c = CALL_INIT;
    PyObject *labels, *answer = NULL;
    text_list list = TEXT_LIST_INIT;
    rag_result *result = NULL;
    if (!take_arguments(args, kwargs, format, names, &labels, CALL_ARGUMENTS(&c)) ||
        !texts_take(labels, "labels", &list) || !call_begin(&c, self))
        goto cleanup;
    CALL(&c, rag_graph_incident(self->store, &c.ctx, list.slices, list.count, 0, &result, &c.err));
    if (!call_end(&c))
        goto cleanup;
    answer = PyList_New((Py_ssize_t)list.count);
    size_t at = 0;
    for (size_t i = 0; answer && i < list.count; i++) {
        PyObject *label = PyTuple_GetItem(list.held, (Py_ssize_t)i);
        PyObject *edges = edges_at(result, &at, label, as_pairs);
        if (!edges || PyList_SetItem(answer, (Py_ssize_t)i, edges) != 0)
            Py_CLEAR(answer);
    }
cleanup:
    rag_result_free(result);
    texts_drop(&list);
    return answer;
}

static PyObject *graph_neighbours(PyObject *object, PyObject *args, PyObject *kwargs)
{
    return incident(object, args, kwargs, "O|$" CALL_FORMAT ":graph_neighbours", 0);
}

static PyObject *graph_node_edges(PyObject *object, PyObject *args, PyObject *kwargs)
{
    return incident(object, args, kwargs, "O|$" CALL_FORMAT ":graph_node_edges", 1);
}

/* ---- scans, ranks, views --------------------------------------------------------------------------------- */

typedef rag_status (*scan_call)(rag_store *store, const rag_context *ctx, rag_slice after,
                                size_t limit, unsigned what, rag_result **out, rag_error *err);

/* `what` beside the values, which the caller may leave out. */
static PyObject *scan(PyObject *object, PyObject *args, PyObject *kwargs, const char *format,
                      scan_call function, unsigned what, row_object make)
{
    static const char *const names[] = { "after", "limit", "values", CALL_NAMES };
    store_object *self = (store_object *)object;
    call c = CALL_INIT;
    page_position page = PAGE_POSITION_INIT;
    int values = 1;
    rag_result *result = NULL;
    if (!take_arguments(args, kwargs, format, names, PAGE_ARGUMENTS(&page), &values,
                        CALL_ARGUMENTS(&c)) ||
        !page_take(&page) || !call_begin(&c, self))
        return NULL;
    what |= values ? RAG_GRAPH_VALUES : 0;
    CALL(&c, function(self->store, &c.ctx, page.after, page.limit, what, &result, &c.err));
    PyObject *answer = call_end(&c) ? answer_page(self->state, result, make) : NULL;
    rag_result_free(result);
    return answer;
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
    store_object *self = (store_object *)object;
    call c = CALL_INIT;
    uint64_t nodes = 0, edges = 0;
    if (!take_arguments(args, kwargs, "|$" CALL_FORMAT ":graph_count", names, CALL_ARGUMENTS(&c)) ||
        !call_begin(&c, self))
        return NULL;
    CALL(&c, rag_graph_count(self->store, &c.ctx, &nodes, &edges, &c.err));
    if (!call_end(&c))
        return NULL;
    return Py_BuildValue("(KK)", (unsigned long long)nodes, (unsigned long long)edges);
}

static PyObject *graph_popular(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "limit", CALL_NAMES };
    store_object *self = (store_object *)object;
    call c = CALL_INIT;
    Py_ssize_t limit;
    rag_result *result = NULL;
    if (!take_arguments(args, kwargs, "n|$" CALL_FORMAT ":graph_popular", names, &limit,
                        CALL_ARGUMENTS(&c)) ||
        !take_size(limit, "limit") || !call_begin(&c, self))
        return NULL;
    CALL(&c, rag_graph_popular(self->store, &c.ctx, (size_t)limit, &result, &c.err));
    PyObject *answer = call_end(&c) ? answer_list(self->state, result, row_ranked) : NULL;
    rag_result_free(result);
    return answer;
}

static PyObject *graph_search_labels(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "query", "limit", CALL_NAMES };
    store_object *self = (store_object *)object;
    call c = CALL_INIT;
    PyObject *text;
    Py_ssize_t limit = 50;
    rag_slice query;
    rag_result *result = NULL;
    if (!take_arguments(args, kwargs, "O|n$" CALL_FORMAT ":graph_search_labels", names, &text,
                        &limit, CALL_ARGUMENTS(&c)) ||
        !text_slice(text, "query", &query) || !take_size(limit, "limit") || !call_begin(&c, self))
        return NULL;
    CALL(&c, rag_graph_search_labels(self->store, &c.ctx, query, (size_t)limit, &result, &c.err));
    PyObject *answer = call_end(&c) ? answer_list(self->state, result, row_ranked) : NULL;
    rag_result_free(result);
    return answer;
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
    store_object *self = (store_object *)object;
    call c = CALL_INIT;
    PyObject *text;
    Py_ssize_t depth = 3, most = 1000;
    rag_slice label;
    rag_graph_view_options options = RAG_GRAPH_VIEW_OPTIONS_INIT;
    rag_result *nodes = NULL, *edges = NULL;
    if (!take_arguments(args, kwargs, "O|nn$" CALL_FORMAT ":graph_view", names, &text, &depth,
                        &most, CALL_ARGUMENTS(&c)) ||
        !text_slice(text, "label", &label) || !take_size(depth, "max_depth") ||
        !take_size(most, "max_nodes") || !call_begin(&c, self))
        return NULL;
    options.max_depth = depth < UINT32_MAX ? (unsigned)depth : UINT32_MAX;
    options.max_nodes = (size_t)most;
    CALL(&c, rag_graph_view(self->store, &c.ctx, label, &options, &nodes, &edges, &c.err));
    PyObject *answer = call_end(&c) ? view_answer(self->state, nodes, edges) : NULL;
    rag_result_free(nodes);
    rag_result_free(edges);
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
