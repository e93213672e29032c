/* Results of the library as lists of Python objects. The result may go as soon as it is read: nothing
 * of it is kept. Text of rows (keys, values) is UTF-8 by the library's rules; where a key is not, the
 * row cannot be named in Python and the answer is the decoder's UnicodeDecodeError. */
#include "native.h"

PyObject *row_json(reading *r, const rag_row *row)
{
    return row->value.len ? json_read(r, row->value, "row", row->key) : Py_NewRef(Py_None);
}

PyObject *row_value(reading *r, const rag_row *row)
{
    return row->found ? row_json(r, row) : Py_NewRef(Py_None);
}

PyObject *row_key(reading *r, const rag_row *row)
{
    (void)r;
    return text_object(row->key);
}

/* A tuple of n new references, which it takes over; NULL when one of them is NULL. */
static PyObject *tuple_of(PyObject **parts, Py_ssize_t n)
{
    PyObject *tuple = PyTuple_New(n);
    for (Py_ssize_t i = 0; i < n; i++) {
        if (!parts[i])
            Py_CLEAR(tuple);
        if (!tuple)
            Py_XDECREF(parts[i]);
        else if (PyTuple_SetItem(tuple, i, parts[i]) != 0)
            Py_CLEAR(tuple);
    }
    return tuple;
}

PyObject *row_pair(reading *r, const rag_row *row)
{
    PyObject *key = text_object(row->key);
    PyObject *parts[2] = { key, key ? row_json(r, row) : NULL };
    return tuple_of(parts, 2);
}

PyObject *row_ranked(reading *r, const rag_row *row)
{
    (void)r;
    PyObject *parts[2] = { text_object(row->key), PyLong_FromLongLong(row->number) };
    return tuple_of(parts, 2);
}

PyObject *row_ranked_value(reading *r, const rag_row *row)
{
    PyObject *key = text_object(row->key);
    PyObject *parts[3] = { key, PyLong_FromLongLong(row->number), key ? row_json(r, row) : NULL };
    return tuple_of(parts, 3);
}

PyObject *row_edge(reading *r, const rag_row *row)
{
    PyObject *source = text_object(row->key);
    PyObject *target = source ? text_object(row->key2) : NULL;
    PyObject *parts[3] = { source, target, target ? row_json(r, row) : NULL };
    return tuple_of(parts, 3);
}

PyObject *answer_list(native_state *state, const rag_result *result, row_object make)
{
    const size_t count = rag_result_count(result);
    PyObject *list = PyList_New((Py_ssize_t)count);
    reading r = { .state = state };
    for (size_t i = 0; list && i < count; i++) {
        PyObject *object = make(&r, rag_result_row(result, i));
        if (!object || PyList_SetItem(list, (Py_ssize_t)i, object) != 0)
            Py_CLEAR(list);
    }
    reading_end(&r);
    return list;
}

PyObject *answer_next(const rag_result *result)
{
    const rag_slice next = rag_result_next(result);
    return PyBytes_FromStringAndSize(next.len ? next.data : "", (Py_ssize_t)next.len);
}

PyObject *answer_page(native_state *state, const rag_result *result, row_object make)
{
    PyObject *list = answer_list(state, result, make);
    PyObject *parts[2] = { list, list ? answer_next(result) : NULL };
    return tuple_of(parts, 2);
}
