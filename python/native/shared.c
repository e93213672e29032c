/* Methods of shared.h: small dictionaries that the processes of a store share. A value and its version
 * are one tuple, because a change usually names the version that it was made from. */
#include "native.h"

static PyObject *shared_join(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "name", CALL_NAMES };
    store_object *self = (store_object *)object;
    call c = CALL_INIT;
    const char *name;
    int initialise = 0;
    if (!take_arguments(args, kwargs, "s|$" CALL_FORMAT ":shared_join", names, &name,
                        CALL_ARGUMENTS(&c)) ||
        !call_begin(&c, self))
        return NULL;
    CALL(&c, rag_shared_join(self->store, &c.ctx, name, &initialise, &c.err));
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
    static const char *const names[] = { "name", "keys", CALL_NAMES };
    store_object *self = (store_object *)object;
    call c = CALL_INIT;
    const char *name;
    PyObject *keys, *answer = NULL;
    text_list list = TEXT_LIST_INIT;
    rag_result *result = NULL;
    if (!take_arguments(args, kwargs, "sO|$" CALL_FORMAT ":shared_get", names, &name, &keys,
                        CALL_ARGUMENTS(&c)) ||
        !texts_take(keys, "keys", &list) || !call_begin(&c, self))
        goto cleanup;
    CALL(&c, rag_shared_get(self->store, &c.ctx, name, list.slices, list.count, &result, &c.err));
    if (call_end(&c))
        answer = answer_list(self->state, result, row_version);
cleanup:
    rag_result_free(result);
    texts_drop(&list);
    return answer;
}

static PyObject *versions_object(native_state *state, const rag_result *result)
{
    PyObject *all = PyDict_New();
    reading r = { .state = state };
    for (size_t i = 0; all && i < rag_result_count(result); i++) {
        const rag_row *row = rag_result_row(result, i);
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
    store_object *self = (store_object *)object;
    call c = CALL_INIT;
    const char *name;
    rag_result *result = NULL;
    if (!take_arguments(args, kwargs, "s|$" CALL_FORMAT ":shared_all", names, &name,
                        CALL_ARGUMENTS(&c)) ||
        !call_begin(&c, self))
        return NULL;
    CALL(&c, rag_shared_all(self->store, &c.ctx, name, &result, &c.err));
    PyObject *answer = call_end(&c) ? versions_object(self->state, result) : NULL;
    rag_result_free(result);
    return answer;
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

static PyObject *shared_update(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "name", "changes", CALL_NAMES };
    store_object *self = (store_object *)object;
    call c = CALL_INIT;
    const char *name;
    PyObject *changes, *held = NULL, *answer = NULL;
    json_text text = { NULL, 0, 0 };
    rag_shared_change *rows = NULL;
    if (!take_arguments(args, kwargs, "sO|$" CALL_FORMAT ":shared_update", names, &name, &changes,
                        CALL_ARGUMENTS(&c)) ||
        !(held = PySequence_Tuple(changes)))
        goto cleanup;
    const size_t count = (size_t)PyTuple_Size(held);
    rows = array_new(count, sizeof *rows);
    if (!rows)
        goto cleanup;
    for (size_t i = 0; i < count; i++)
        if (!take_change(PyTuple_GetItem(held, (Py_ssize_t)i), &text, &rows[i]))
            goto cleanup;
    size_t at = 0;
    for (size_t i = 0; i < count; i++)
        if (rows[i].value.len) {
            rows[i].value.data = text.data + at;
            at += rows[i].value.len;
        }
    if (!call_begin(&c, self))
        goto cleanup;
    CALL(&c, rag_shared_update(self->store, &c.ctx, name, rows, count, &c.err));
    if (call_end(&c))
        answer = Py_NewRef(Py_None);
cleanup:
    PyMem_Free(rows);
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
