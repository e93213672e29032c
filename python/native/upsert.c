/* The rows of batches as the library's arrays, and coordinated_upsert(), which takes all kinds.
 *
 * The arrays borrow from their batch: keys from the str objects that it holds, values from its text,
 * vectors from the buffer. So a batch and its vectors are dropped after the array, and the array after
 * the call. Everything of one coordinated upsert is in one structure that starts as zeros, so that
 * what was taken before a failure is let go of in one place. */
#include "native.h"

rag_node *nodes_of(const batch *b)
{
    rag_node *rows = array_new(b->count, sizeof *rows);
    for (size_t i = 0; rows && i < b->count; i++) {
        rows[i].label = b->keys[i];
        rows[i].value = b->values[i];
    }
    return rows;
}

rag_edge *edges_of(const batch *b)
{
    rag_edge *rows = array_new(b->count, sizeof *rows);
    for (size_t i = 0; rows && i < b->count; i++) {
        rows[i].source = b->keys[i];
        rows[i].target = b->keys2[i];
        rows[i].value = b->values[i];
    }
    return rows;
}

rag_doc *docs_of(const batch *b)
{
    rag_doc *rows = array_new(b->count, sizeof *rows);
    for (size_t i = 0; rows && i < b->count; i++) {
        rows[i].id = b->keys[i];
        rows[i].value = b->values[i];
    }
    return rows;
}

rag_kv_item *kv_items_of(const batch *b)
{
    rag_kv_item *rows = array_new(b->count, sizeof *rows);
    for (size_t i = 0; rows && i < b->count; i++) {
        rows[i].key = b->keys[i];
        rows[i].value = b->values[i];
    }
    return rows;
}

rag_vector_item *vector_items_of(const batch *b, PyObject *numbers, PyObject *created_at,
                                 vectors *v)
{
    int64_t *times = NULL;
    rag_vector_item *rows = NULL;
    if (!vectors_take(numbers, v) || !numbers_take(created_at, b->count, 0, "created_at", &times))
        return NULL;
    if (v->rows != b->count)
        PyErr_Format(PyExc_ValueError, "%zu rows and %zu vectors", b->count, v->rows);
    else
        rows = array_new(b->count, sizeof *rows);
    for (size_t i = 0; rows && i < b->count; i++) {
        rows[i].id = b->keys[i];
        rows[i].vector = v->data + i * v->dimension;
        rows[i].dimension = v->dimension;
        rows[i].value = b->values[i];
        rows[i].created_at = times[i];
    }
    PyMem_Free(times);
    return rows;
}

/* ---- coordinated upsert ------------------------------------------------------------------------------- */

/* The batches of one kind, by namespace. `rows` are arrays of rag_kv_item or rag_vector_item. */
struct spaces {
    name_list names;
    batch *batches;
    vectors *vectors;
    void **rows;
    size_t count; /* that were taken */
};

/* Everything of one call. */
struct everything {
    batch nodes, edges, docs;
    rag_node *node_rows;
    rag_edge *edge_rows;
    rag_doc *doc_rows;
    struct spaces kv, vector;
    rag_kv_batch *kv_batches;
    rag_vector_batch *vector_batches;
    rag_upsert upsert;
};

static int is_given(PyObject *argument)
{
    return argument && argument != Py_None;
}

static int take_graph(struct everything *all, PyObject *nodes, PyObject *edges, PyObject *docs)
{
    if (is_given(nodes) &&
        (!batch_take_rows(nodes, 1, &all->nodes) || !(all->node_rows = nodes_of(&all->nodes))))
        return 0;
    if (is_given(edges) &&
        (!batch_take_rows(edges, 2, &all->edges) || !(all->edge_rows = edges_of(&all->edges))))
        return 0;
    if (is_given(docs) &&
        (!batch_take(docs, "document", &all->docs) || !(all->doc_rows = docs_of(&all->docs))))
        return 0;
    all->upsert.nodes = all->node_rows;
    all->upsert.node_count = all->nodes.count;
    all->upsert.edges = all->edge_rows;
    all->upsert.edge_count = all->edges.count;
    all->upsert.docs = all->doc_rows;
    all->upsert.doc_count = all->docs.count;
    return 1;
}

/* One namespace: of KV {key: value}, of vectors (ids, vectors, values). */
static int take_kv_space(PyObject *content, batch *b, vectors *v, void **rows)
{
    (void)v;
    return batch_take(content, "key", b) && (*rows = kv_items_of(b)) != NULL;
}

static int take_vector_space(PyObject *content, batch *b, vectors *v, void **rows)
{
    PyObject *parts = PySequence_Tuple(content);
    int done = 0;
    if (parts && PyTuple_Size(parts) != 3)
        PyErr_SetString(PyExc_ValueError, "want (ids, vectors, values) for each vector space");
    else if (parts &&
             batch_take_lists(PyTuple_GetItem(parts, 0), PyTuple_GetItem(parts, 2), "vector", b))
        done = (*rows = vector_items_of(b, PyTuple_GetItem(parts, 1), NULL, v)) != NULL;
    Py_XDECREF(parts);
    return done;
}

typedef int (*take_space)(PyObject *content, batch *b, vectors *v, void **rows);

static int take_spaces(struct spaces *s, PyObject *mapping, take_space take)
{
    if (!is_given(mapping))
        return 1;
    PyObject *keys = PyMapping_Keys(mapping);
    PyObject *contents = keys ? PyMapping_Values(mapping) : NULL;
    int done = 0;
    if (!contents || !names_take(keys, "namespaces", &s->names))
        goto cleanup;
    const size_t count = s->names.count;
    s->batches = array_new(count, sizeof *s->batches);
    s->vectors = array_new(count, sizeof *s->vectors);
    s->rows = array_new(count, sizeof *s->rows);
    if (!s->batches || !s->vectors || !s->rows)
        goto cleanup;
    for (; s->count < count; s->count++) {
        PyObject *content = PyList_GetItem(contents, (Py_ssize_t)s->count);
        const size_t i = s->count;
        if (!content || !take(content, &s->batches[i], &s->vectors[i], &s->rows[i])) {
            s->count++; /* half taken: is dropped as well */
            goto cleanup;
        }
    }
    done = 1;
cleanup:
    Py_XDECREF(keys);
    Py_XDECREF(contents);
    return done;
}

static int take_namespaces(struct everything *all, PyObject *kv, PyObject *vector)
{
    if (!take_spaces(&all->kv, kv, take_kv_space) ||
        !take_spaces(&all->vector, vector, take_vector_space))
        return 0;
    all->kv_batches = array_new(all->kv.count, sizeof *all->kv_batches);
    all->vector_batches = array_new(all->vector.count, sizeof *all->vector_batches);
    if (!all->kv_batches || !all->vector_batches)
        return 0;
    for (size_t i = 0; i < all->kv.count; i++) {
        all->kv_batches[i].name_space = all->kv.names.names[i];
        all->kv_batches[i].items = all->kv.rows[i];
        all->kv_batches[i].count = all->kv.batches[i].count;
    }
    for (size_t i = 0; i < all->vector.count; i++) {
        all->vector_batches[i].name_space = all->vector.names.names[i];
        all->vector_batches[i].items = all->vector.rows[i];
        all->vector_batches[i].count = all->vector.batches[i].count;
    }
    all->upsert.kv = all->kv_batches;
    all->upsert.kv_count = all->kv.count;
    all->upsert.vectors = all->vector_batches;
    all->upsert.vector_count = all->vector.count;
    return 1;
}

static void drop_spaces(struct spaces *s)
{
    for (size_t i = 0; i < s->count; i++) {
        PyMem_Free(s->rows[i]);
        vectors_drop(&s->vectors[i]);
        batch_drop(&s->batches[i]);
    }
    PyMem_Free(s->rows);
    PyMem_Free(s->vectors);
    PyMem_Free(s->batches);
    names_drop(&s->names);
}

static void drop_everything(struct everything *all)
{
    PyMem_Free(all->node_rows);
    PyMem_Free(all->edge_rows);
    PyMem_Free(all->doc_rows);
    PyMem_Free(all->kv_batches);
    PyMem_Free(all->vector_batches);
    batch_drop(&all->nodes);
    batch_drop(&all->edges);
    batch_drop(&all->docs);
    drop_spaces(&all->kv);
    drop_spaces(&all->vector);
}

static PyObject *coordinated_upsert(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "nodes", "edges", "kv", "vectors", "docs", CALL_NAMES };
    call c = CALL_INIT;
    PyObject *nodes = NULL, *edges = NULL, *kv = NULL, *vector = NULL, *docs = NULL;
    struct everything all = { .upsert = RAG_UPSERT_INIT };
    if (take_arguments(args, kwargs, "|$OOOOO" CALL_FORMAT ":coordinated_upsert", names, &nodes,
                       &edges, &kv, &vector, &docs, CALL_ARGUMENTS(&c)) &&
        take_graph(&all, nodes, edges, docs) && take_namespaces(&all, kv, vector) &&
        call_begin(&c, object))
        CALL(&c, rag_coordinated_upsert(c.store, &c.ctx, &all.upsert, &c.number, &c.err));
    PyObject *answer = end_number(&c);
    drop_everything(&all);
    return answer;
}

PyMethodDef upsert_methods[] = {
    METHOD("coordinated_upsert", coordinated_upsert, "Write all kinds of rows, all or none."),
    { NULL, NULL, 0, NULL },
};
