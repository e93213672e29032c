/* Keys, names and batches: arguments turned into what the library takes.
 *
 * Strings are not copied: a str keeps its UTF-8 text as long as it lives, cannot change, and is held
 * here until the call is over. Values are written out as JSON at once, into one buffer for the whole
 * batch, so what other threads do to them during the call does not matter. */
#include "native.h"

#include <limits.h>
#include <string.h>

void *array_new(size_t n, size_t size)
{
    const size_t bytes = n ? n * size : 1;
    void *memory = n > PY_SSIZE_T_MAX / size ? NULL : PyMem_Malloc(bytes);
    if (!memory)
        (void)PyErr_NoMemory();
    else
        memset(memory, 0, bytes);
    return memory;
}

int text_slice(PyObject *text, const char *what, rag_slice *out)
{
    if (!PyUnicode_Check(text)) {
        PyErr_Format(PyExc_TypeError, "%s must be a str, not %R", what, (PyObject *)Py_TYPE(text));
        return 0;
    }
    Py_ssize_t len;
    const char *data = PyUnicode_AsUTF8AndSize(text, &len);
    if (!data)
        return 0;
    out->data = data;
    out->len = (size_t)len;
    return 1;
}

/* A tuple that holds what an iterable gives. One str is not a list of its characters. */
static PyObject *hold(PyObject *iterable, const char *what)
{
    if (!PyUnicode_Check(iterable) && !PyBytes_Check(iterable))
        return PySequence_Tuple(iterable);
    PyErr_Format(PyExc_TypeError, "want several of %s, not one str or bytes", what);
    return NULL;
}

/* ---- lists of texts ------------------------------------------------------------------------------- */

int texts_take(PyObject *strings, const char *what, text_list *out)
{
    out->held = hold(strings, what);
    if (!out->held)
        return 0;
    out->count = (size_t)PyTuple_Size(out->held);
    out->slices = array_new(out->count, sizeof *out->slices);
    if (!out->slices)
        return 0;
    for (size_t i = 0; i < out->count; i++)
        if (!text_slice(PyTuple_GetItem(out->held, (Py_ssize_t)i), what, &out->slices[i]))
            return 0;
    return 1;
}

/* The parts of one row, which must be a tuple or list of `width`; a new reference. */
static PyObject *parts_of(PyObject *row, Py_ssize_t width)
{
    PyObject *parts = PyTuple_Check(row) || PyList_Check(row) ? PySequence_Tuple(row) : NULL;
    if (parts && PyTuple_Size(parts) == width)
        return parts;
    if (!PyErr_Occurred())
        PyErr_Format(PyExc_TypeError, "want a tuple of %zd, not %R", width, row);
    Py_XDECREF(parts);
    return NULL;
}

int texts_take_pairs(PyObject *pairs, text_list *out)
{
    PyObject *rows = hold(pairs, "pairs");
    if (!rows)
        return 0;
    const Py_ssize_t count = PyTuple_Size(rows);
    int done = 0;
    PyObject *parts = NULL;
    out->held = PyList_New(0);
    out->slices = array_new((size_t)count, 2 * sizeof *out->slices);
    if (!out->held || !out->slices)
        goto cleanup;
    for (Py_ssize_t i = 0; i < count; i++) {
        Py_XDECREF(parts);
        parts = parts_of(PyTuple_GetItem(rows, i), 2);
        if (!parts || PyList_Append(out->held, parts) != 0 ||
            !text_slice(PyTuple_GetItem(parts, 0), "the end of an edge", &out->slices[2 * i]) ||
            !text_slice(PyTuple_GetItem(parts, 1), "the end of an edge", &out->slices[2 * i + 1]))
            goto cleanup;
    }
    out->count = (size_t)count;
    done = 1;
cleanup:
    Py_XDECREF(parts);
    Py_DECREF(rows);
    return done;
}

void texts_drop(text_list *list)
{
    PyMem_Free(list->slices);
    Py_CLEAR(list->held);
    list->slices = NULL;
}

int names_take(PyObject *strings, const char *what, name_list *out)
{
    out->held = hold(strings, what);
    if (!out->held)
        return 0;
    out->count = (size_t)PyTuple_Size(out->held);
    out->names = array_new(out->count, sizeof *out->names);
    if (!out->names)
        return 0;
    for (size_t i = 0; i < out->count; i++) {
        rag_slice name;
        if (!text_slice(PyTuple_GetItem(out->held, (Py_ssize_t)i), what, &name))
            return 0;
        if (memchr(name.data, '\0', name.len)) {
            PyErr_Format(PyExc_ValueError, "%s contains a zero character", what);
            return 0;
        }
        out->names[i] = name.data;
    }
    return 1;
}

void names_drop(name_list *list)
{
    PyMem_Free(list->names);
    Py_CLEAR(list->held);
    list->names = NULL;
}

int numbers_take(PyObject *numbers, size_t count, int64_t absent, const char *what, int64_t **out)
{
    int64_t *list = array_new(count, sizeof *list);
    if (!list)
        return 0;
    PyObject *held = NULL;
    int done = 1;
    if (numbers && numbers != Py_None) {
        held = hold(numbers, what);
        done = held != NULL;
        if (done && (size_t)PyTuple_Size(held) != count) {
            PyErr_Format(PyExc_ValueError, "%s: %zd for %zu rows", what, PyTuple_Size(held), count);
            done = 0;
        }
    }
    for (size_t i = 0; done && i < count; i++) {
        list[i] = held ? PyLong_AsLongLong(PyTuple_GetItem(held, (Py_ssize_t)i)) : absent;
        done = list[i] != -1 || !PyErr_Occurred();
    }
    Py_XDECREF(held);
    if (done)
        *out = list;
    else
        PyMem_Free(list);
    return done;
}

/* ---- batches ---------------------------------------------------------------------------------------- */

static int batch_room(batch *b, size_t count)
{
    b->keys = array_new(count, sizeof *b->keys);
    b->keys2 = array_new(count, sizeof *b->keys2);
    b->values = array_new(count, sizeof *b->values);
    return b->keys && b->keys2 && b->values;
}

/* The next value. Its place in the text follows from the lengths: the text may still move. */
static int batch_add(batch *b, PyObject *value, const char *what)
{
    const size_t before = b->text.len;
    if (!PyDict_Check(value)) {
        PyErr_Format(PyExc_ValueError, "value of %s '%.200s' must be a dict, not %R", what,
                     (const char *)b->keys[b->count].data, (PyObject *)Py_TYPE(value));
        return 0;
    }
    if (!json_write(&b->text, value, what, b->keys[b->count]))
        return 0;
    b->values[b->count].len = b->text.len - before;
    b->count++;
    return 1;
}

static void batch_seal(batch *b)
{
    size_t at = 0;
    for (size_t i = 0; i < b->count; i++) {
        b->values[i].data = b->text.data + at;
        at += b->values[i].len;
    }
}

int batch_take_lists(PyObject *keys, PyObject *values, const char *what, batch *out)
{
    PyObject *rows = hold(values, "values");
    int done = 0;
    if (!rows)
        return 0;
    const Py_ssize_t count = PyTuple_Size(rows);
    out->held = hold(keys, what);
    if (!out->held)
        goto cleanup;
    if (PyTuple_Size(out->held) != count) {
        PyErr_Format(PyExc_ValueError, "%zd of %s and %zd values", PyTuple_Size(out->held), what,
                     count);
        goto cleanup;
    }
    if (!batch_room(out, (size_t)count))
        goto cleanup;
    for (Py_ssize_t i = 0; i < count; i++)
        if (!text_slice(PyTuple_GetItem(out->held, i), what, &out->keys[i]) ||
            !batch_add(out, PyTuple_GetItem(rows, i), what))
            goto cleanup;
    batch_seal(out);
    done = 1;
cleanup:
    Py_DECREF(rows);
    return done;
}

int batch_take(PyObject *mapping, const char *what, batch *out)
{
    PyObject *keys = PyMapping_Keys(mapping);
    PyObject *values = keys ? PyMapping_Values(mapping) : NULL;
    const int done = values && batch_take_lists(keys, values, what, out);
    Py_XDECREF(keys);
    Py_XDECREF(values);
    return done;
}

int batch_take_rows(PyObject *rows, int names, batch *out)
{
    const char *what = names == 1 ? "node" : "edge";
    PyObject *held = hold(rows, what);
    if (!held)
        return 0;
    const Py_ssize_t count = PyTuple_Size(held);
    PyObject *parts = NULL;
    int done = 0;
    out->held = PyList_New(0);
    if (!out->held || !batch_room(out, (size_t)count))
        goto cleanup;
    for (Py_ssize_t i = 0; i < count; i++) {
        Py_XDECREF(parts);
        parts = parts_of(PyTuple_GetItem(held, i), names + 1);
        if (!parts || PyList_Append(out->held, parts) != 0 ||
            !text_slice(PyTuple_GetItem(parts, 0), what, &out->keys[i]) ||
            (names == 2 && !text_slice(PyTuple_GetItem(parts, 1), what, &out->keys2[i])) ||
            !batch_add(out, PyTuple_GetItem(parts, names), what))
            goto cleanup;
    }
    batch_seal(out);
    done = 1;
cleanup:
    Py_XDECREF(parts);
    Py_DECREF(held);
    return done;
}

void batch_drop(batch *b)
{
    PyMem_Free(b->keys);
    PyMem_Free(b->keys2);
    PyMem_Free(b->values);
    json_free(&b->text);
    Py_CLEAR(b->held);
}

/* ---- choices, sizes and positions --------------------------------------------------------------------- */

int take_choice(const char *text, const char *what, const char *const *names)
{
    char wanted[128] = "";
    for (int i = 0; names[i]; i++) {
        if (strcmp(text, names[i]) == 0)
            return i;
        const size_t len = strlen(wanted);
        const char *between = i == 0 ? "" : names[i + 1] ? ", " : " or ";
        (void)PyOS_snprintf(wanted + len, sizeof wanted - len, "%s%s", between, names[i]);
    }
    PyErr_Format(PyExc_ValueError, "%s is '%.100s': want %s", what, text, wanted);
    return -1;
}

int take_size(Py_ssize_t number, const char *what)
{
    if (number < 0)
        PyErr_Format(PyExc_ValueError, "%s must not be negative", what);
    return number >= 0;
}

int page_take(page_position *page)
{
    if (!take_size(page->rows, "limit"))
        return 0;
    page->after.data = page->data;
    page->after.len = (size_t)page->len;
    page->limit = (size_t)page->rows;
    return 1;
}
