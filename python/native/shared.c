/* Methods of shared.h: small dictionaries that the processes of a store share. A value and its version
 * are one tuple, because a change usually names the version that it was made from. */
#include "native.h"

static PyObject *shared_join(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "name", CALL_NAMES };
    call c = CALL_INIT;
    int initialise = 0;
    if (take_arguments(args, kwargs, "s|$" CALL_FORMAT ":shared_join", names, &c.name,
                       CALL_ARGUMENTS(&c)) &&
        call_begin(&c, object))
        CALL(&c, rag_shared_join(c.store, &c.ctx, c.name, &initialise, &c.err));
    return call_end(&c) ? PyBool_FromLong(initialise) : NULL;
}

static PyObject *shared_ready(PyObject *object, PyObject *args, PyObject *kwargs)
{
    return run_named(object, args, kwargs, "s|$" CALL_FORMAT ":shared_ready", rag_shared_ready);
}

static PyObject *shared_leave(PyObject *object, PyObject *args, PyObject *kwargs)
{
    return run_named(object, args, kwargs, "s|$" CALL_FORMAT ":shared_leave", rag_shared_leave);
}

/* (value, version) */
static PyObject *row_version(reading *r, const rag_row *row)
{
    if (!row->found)
        return Py_NewRef(Py_None);
    PyObject *value = row_json(r, row);
    PyObject *answer = value ? Py_BuildValue("(OL)", value, (long long)row->number) : NULL;
    Py_XDECREF(value);
    return answer;
}

static PyObject *shared_get(PyObject *object, PyObject *args, PyObject *kwargs)
{
    return run_keys(object, args, kwargs, "sO|$" CALL_FORMAT ":shared_get", rag_shared_get,
                    row_version);
}

static PyObject *versions_object(const call *c)
{
    PyObject *all = PyDict_New();
    reading r = { .state = c->state };
    for (size_t i = 0; all && i < rag_result_count(c->result); i++) {
        const rag_row *row = rag_result_row(c->result, i);
        PyObject *key = text_object(row->key);
        PyObject *value = key ? row_version(&r, row) : NULL;
        if (!value || PyDict_SetItem(all, key, value) != 0)
            Py_CLEAR(all);
        Py_XDECREF(key);
        Py_XDECREF(value);
    }
    reading_end(&r);
    return all;
}

static PyObject *shared_all(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "name", CALL_NAMES };
    call c = CALL_INIT;
    if (take_arguments(args, kwargs, "s|$" CALL_FORMAT ":shared_all", names, &c.name,
                       CALL_ARGUMENTS(&c)) &&
        call_begin(&c, object))
        CALL(&c, rag_shared_all(c.store, &c.ctx, c.name, &c.result, &c.err));
    return end_with(&c, versions_object);
}

/* (key, value or None, merge, expected) into row i; the value's place in the text comes later. */
static int take_change(PyObject *change, json_text *text, rag_shared_change *row)
{
    PyObject *key, *value;
    int merge;
    long long expected;
    if (!PyTuple_Check(change)) {
        PyErr_SetString(PyExc_TypeError, "a change is a tuple (key, value, merge, expected)");
        return 0;
    }
    if (!PyArg_ParseTuple(change, "OOpL:change", &key, &value, &merge, &expected) ||
        !text_slice(key, "key", &row->key))
        return 0;
    row->merge = merge;
    row->expected = expected;
    if (value == Py_None)
        return 1;
    const size_t before = text->len;
    if (!PyDict_Check(value)) {
        PyErr_SetString(PyExc_ValueError, "a shared value must be a dict or None");
        return 0;
    }
    if (!json_write(text, value, "key", row->key))
        return 0;
    row->value.len = text->len - before;
    return 1;
}

/* The changes of a tuple, whose values are written to `text`. */
static rag_shared_change *changes_of(PyObject *held, json_text *text)
{
    const size_t count = (size_t)PyTuple_Size(held);
    rag_shared_change *rows = array_new(count, sizeof *rows);
    for (size_t i = 0; rows && i < count; i++)
        if (!take_change(PyTuple_GetItem(held, (Py_ssize_t)i), text, &rows[i])) {
            PyMem_Free(rows);
            return NULL;
        }
    size_t at = 0;
    for (size_t i = 0; rows && i < count; i++)
        if (rows[i].value.len) {
            rows[i].value.data = text->data + at;
            at += rows[i].value.len;
        }
    return rows;
}

static PyObject *shared_update(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "name", "changes", CALL_NAMES };
    call c = CALL_INIT;
    PyObject *changes, *held = NULL;
    json_text text = { NULL, 0, 0 };
    if (take_arguments(args, kwargs, "sO|$" CALL_FORMAT ":shared_update", names, &c.name, &changes,
                       CALL_ARGUMENTS(&c)) &&
        (held = PySequence_Tuple(changes)) && (c.rows = changes_of(held, &text)) &&
        call_begin(&c, object))
        CALL(&c, rag_shared_update(c.store, &c.ctx, c.name, c.rows, (size_t)PyTuple_Size(held),
                                   &c.err));
    PyObject *answer = end_none(&c);
    json_free(&text);
    Py_XDECREF(held);
    return answer;
}

PyMethodDef shared_methods[] = {
    METHOD("shared_join", shared_join, "Join; True: fill it and call shared_ready()."),
    METHOD("shared_ready", shared_ready, "Say that it is initialised."),
    METHOD("shared_leave", shared_leave, "Leave."),
    METHOD("shared_get", shared_get, "(value, version) by key; None where there is none."),
    METHOD("shared_all", shared_all, "{key: (value, version)}"),
    METHOD("shared_update", shared_update, "Apply changes, all or none."),
    { NULL, NULL, 0, NULL },
};
