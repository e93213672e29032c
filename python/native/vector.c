/* Methods of vector.h, but for the pending rows (pending.c).
 *
 * Rows of answers are the payload with "id" and "created_at" added, and "distance" for hits, which is
 * LightRAG's name for the similarity; members of the payload that have these names give way. Vectors
 * of an answer are one Matrix beside the list of its rows, so that a page of them is one block of
 * memory and not a list of lists. */
#include "native.h"

#include <string.h>

/* ---- spaces --------------------------------------------------------------------------------------------- */

static const char *const metrics[] = { "cosine", "dot", NULL };
static const char *const elements[] = { "float32", "float16", NULL };

static PyObject *vector_define(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "name",    "dimension", "metric",
                                         "element", "model",     CALL_NAMES };
    native_state *state = ((store_object *)object)->state;
    call c = CALL_INIT;
    const char *metric = "cosine", *element = "float32", *model = "";
    Py_ssize_t dimension;
    rag_vector_space space = RAG_VECTOR_SPACE_INIT;
    if (!take_arguments(args, kwargs, "sn|$sss" CALL_FORMAT ":vector_define", names, &c.name,
                        &dimension, &metric, &element, &model, CALL_ARGUMENTS(&c)))
        return NULL;
    const int m = take_choice(metric, "metric", metrics);
    const int e = m < 0 ? -1 : take_choice(element, "element", elements);
    if (e < 0)
        return NULL;
    if (dimension <= 0 || dimension > RAG_DIMENSION_MAX)
        return raise_kind(state, RAG_E_INVALID, "dimension %zd is not in 1 .. %d", dimension,
                          RAG_DIMENSION_MAX);
    if (strlen(model) >= sizeof space.model)
        return raise_kind(state, RAG_E_INVALID, "the name of the model is longer than %d bytes",
                          RAG_MODEL_NAME_MAX - 1);
    space.dimension = (uint32_t)dimension;
    space.metric = (rag_metric)(m + 1);
    space.element = (rag_element)(e + 1);
    memcpy(space.model, model, strlen(model) + 1);
    if (call_begin(&c, object))
        CALL(&c, rag_vector_define(c.store, &c.ctx, c.name, &space, &c.err));
    return end_none(&c);
}

static PyObject *vector_describe(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "name", CALL_NAMES };
    call c = CALL_INIT;
    rag_vector_space space = RAG_VECTOR_SPACE_INIT;
    if (take_arguments(args, kwargs, "s|$" CALL_FORMAT ":vector_describe", names, &c.name,
                       CALL_ARGUMENTS(&c)) &&
        call_begin(&c, object))
        CALL(&c, rag_vector_describe(c.store, &c.ctx, c.name, &space, &c.err));
    if (!call_end(&c))
        return NULL;
    return Py_BuildValue("{s:I,s:s,s:s,s:s}", "dimension", (unsigned)space.dimension, "metric",
                         metrics[space.metric == RAG_METRIC_DOT], "element",
                         elements[space.element == RAG_ELEMENT_FLOAT16], "model", space.model);
}

/* ---- rows ----------------------------------------------------------------------------------------------- */

/* The payload with what the row says besides. */
static PyObject *payload(reading *r, const rag_row *row)
{
    PyObject *object = row->value.len ? row_json(r, row) : PyDict_New();
    return row_if(object && member_put(object, "id", text_object(row->key)) &&
                      member_put(object, "created_at", PyLong_FromLongLong(row->created_at)),
                  object);
}

static PyObject *row_payload(reading *r, const rag_row *row)
{
    return row->found ? payload(r, row) : Py_NewRef(Py_None);
}

static PyObject *row_hit(reading *r, const rag_row *row)
{
    PyObject *object = payload(r, row);
    return row_if(object && member_put(object, "distance", PyFloat_FromDouble(row->score)), object);
}

/* The same with the payload as it is, beside what the row says. */

static PyObject *row_apart(reading *r, const rag_row *row)
{
    if (!row->found)
        return Py_NewRef(Py_None);
    PyObject *pair = row_pair(r, row);
    PyObject *answer = NULL;
    if (pair)
        answer = Py_BuildValue("(OOL)", PyTuple_GetItem(pair, 0), PyTuple_GetItem(pair, 1),
                               (long long)row->created_at);
    Py_XDECREF(pair);
    return answer;
}

static PyObject *row_hit_apart(reading *r, const rag_row *row)
{
    PyObject *pair = row_pair(r, row);
    PyObject *answer = NULL;
    if (pair)
        answer = Py_BuildValue("(OOLd)", PyTuple_GetItem(pair, 0), PyTuple_GetItem(pair, 1),
                               (long long)row->created_at, row->score);
    Py_XDECREF(pair);
    return answer;
}

static PyObject *row_found(reading *r, const rag_row *row)
{
    (void)r;
    return PyBool_FromLong(row->found && row->vector);
}

static PyObject *vector_put(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "name",   "ids",        "vectors",
                                         "values", "created_at", CALL_NAMES };
    call c = CALL_INIT;
    PyObject *ids, *numbers, *values, *created_at = NULL;
    if (take_arguments(args, kwargs, "sOOO|O$" CALL_FORMAT ":vector_put", names, &c.name, &ids,
                       &numbers, &values, &created_at, CALL_ARGUMENTS(&c)) &&
        batch_take_lists(ids, values, "vector", &c.batch) &&
        (c.rows = vector_items_of(&c.batch, numbers, created_at, &c.vectors)) &&
        call_begin(&c, object))
        CALL(&c, rag_vector_put_many(c.store, &c.ctx, c.name, c.rows, c.batch.count, &c.number,
                                     &c.err));
    return end_number(&c);
}

static PyObject *vector_get(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "name", "ids", "apart", CALL_NAMES };
    call c = CALL_INIT;
    PyObject *ids;
    int apart = 0;
    if (take_arguments(args, kwargs, "sO|$p" CALL_FORMAT ":vector_get", names, &c.name, &ids,
                       &apart, CALL_ARGUMENTS(&c)) &&
        texts_take(ids, "ids", &c.texts) && call_begin(&c, object))
        CALL(&c, rag_vector_get_many(c.store, &c.ctx, c.name, c.texts.slices, c.texts.count,
                                     RAG_VECTOR_VALUES, &c.result, &c.err));
    return end_list(&c, apart ? row_apart : row_payload);
}

static PyObject *known_and_matrix(const call *c)
{
    PyObject *known = answer_list(c->state, c->result, row_found);
    PyObject *matrix = known ? matrix_of(c->state, c->result) : NULL;
    PyObject *answer = matrix ? PyTuple_Pack(2, known, matrix) : NULL;
    Py_XDECREF(known);
    Py_XDECREF(matrix);
    return answer;
}

static PyObject *vector_get_vectors(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "name", "ids", CALL_NAMES };
    call c = CALL_INIT;
    PyObject *ids;
    if (take_arguments(args, kwargs, "sO|$" CALL_FORMAT ":vector_get_vectors", names, &c.name, &ids,
                       CALL_ARGUMENTS(&c)) &&
        texts_take(ids, "ids", &c.texts) && call_begin(&c, object))
        CALL(&c, rag_vector_get_many(c.store, &c.ctx, c.name, c.texts.slices, c.texts.count,
                                     RAG_VECTOR_VECTORS, &c.result, &c.err));
    return end_with(&c, known_and_matrix);
}

static PyObject *vector_delete(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "name", "ids", CALL_NAMES };
    return run_delete_named(object, args, kwargs, "sO|$" CALL_FORMAT ":vector_delete", names,
                            rag_vector_delete_many);
}

static PyObject *vector_delete_named(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "name", "names", CALL_NAMES };
    return run_delete_named(object, args, kwargs, "sO|$" CALL_FORMAT ":vector_delete_named", names,
                            rag_vector_delete_named);
}

/* ---- search and scan -------------------------------------------------------------------------------------- */

static PyObject *vector_search(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "name",  "vector", "top_k", "min_score",
                                         "exact", "values", "apart", CALL_NAMES };
    call c = CALL_INIT;
    PyObject *vector;
    Py_ssize_t top_k = 10;
    int values = 1, apart = 0;
    rag_vector_query query = RAG_VECTOR_QUERY_INIT;
    if (take_arguments(args, kwargs, "sO|n$dppp" CALL_FORMAT ":vector_search", names, &c.name,
                       &vector, &top_k, &query.min_score, &query.exact, &values, &apart,
                       CALL_ARGUMENTS(&c)) &&
        take_size(top_k, "top_k") && vectors_take_one(vector, &c.vectors) &&
        call_begin(&c, object)) {
        query.vector = c.vectors.data;
        query.dimension = c.vectors.dimension;
        query.top_k = (size_t)top_k;
        query.what = values ? RAG_VECTOR_VALUES : 0;
        CALL(&c, rag_vector_search(c.store, &c.ctx, c.name, &query, &c.result, &c.err));
    }
    return end_list(&c, apart ? row_hit_apart : row_hit);
}

static PyObject *scan_answer(native_state *state, const rag_result *result, int with_vectors,
                             row_object make)
{
    PyObject *rows = answer_list(state, result, make);
    PyObject *matrix = !rows ? NULL : with_vectors ? matrix_of(state, result) : Py_NewRef(Py_None);
    PyObject *next = matrix ? answer_next(result) : NULL;
    PyObject *answer = next ? PyTuple_Pack(3, rows, matrix, next) : NULL;
    Py_XDECREF(rows);
    Py_XDECREF(matrix);
    Py_XDECREF(next);
    return answer;
}

static PyObject *vector_scan(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "name", "after", "limit", "vectors", "apart", CALL_NAMES };
    call c = CALL_INIT;
    int with_vectors = 0, apart = 0;
    if (take_arguments(args, kwargs, "s|" PAGE_FORMAT "$pp" CALL_FORMAT ":vector_scan", names,
                       &c.name, PAGE_ARGUMENTS(&c.page), &with_vectors, &apart,
                       CALL_ARGUMENTS(&c)) &&
        page_take(&c.page) && call_begin(&c, object)) {
        const unsigned what = RAG_VECTOR_VALUES | (with_vectors ? RAG_VECTOR_VECTORS : 0u);
        CALL(&c, rag_vector_scan(c.store, &c.ctx, c.name, c.page.after, c.page.limit, what,
                                 &c.result, &c.err));
    }
    PyObject *answer = NULL;
    if (call_end(&c))
        answer = scan_answer(c.state, c.result, with_vectors, apart ? row_apart : row_payload);
    call_drop(&c);
    return answer;
}

static PyObject *vector_count(PyObject *object, PyObject *args, PyObject *kwargs)
{
    return run_count(object, args, kwargs, "s|$" CALL_FORMAT ":vector_count", rag_vector_count);
}

static PyObject *vector_drop(PyObject *object, PyObject *args, PyObject *kwargs)
{
    return run_named(object, args, kwargs, "s|$" CALL_FORMAT ":vector_drop", rag_vector_drop);
}

PyMethodDef vector_methods[] = {
    METHOD("vector_define", vector_define, "Create a space, or check that it has these facts."),
    METHOD("vector_describe", vector_describe, "The facts of a space."),
    METHOD("vector_put", vector_put, "Put vectors with their payloads, all or none."),
    METHOD("vector_get", vector_get, "Payloads by id; None where there is none."),
    METHOD("vector_get_vectors", vector_get_vectors, "(which are known, a Matrix)"),
    METHOD("vector_delete", vector_delete, "Delete rows; answers how many there were."),
    METHOD("vector_delete_named", vector_delete_named, "Delete the rows that belong to names."),
    METHOD("vector_search", vector_search, "The nearest rows, best first."),
    METHOD("vector_scan", vector_scan, "A page of payloads, vectors, and where to go on."),
    METHOD("vector_count", vector_count, "Number of rows."),
    METHOD("vector_drop", vector_drop, "Delete the space, durably."),
    { NULL, NULL, 0, NULL },
};
