/* Values that are written: Python objects as JSON text, with nothing in between.
 *
 * Taken are dict with str keys, list, tuple, str, bool, int of any size, finite float in its shortest
 * form, None, and subclasses of these as what they are underneath (so a member of a str enumeration is
 * its text). Nothing here runs Python code, so an object cannot change while it is written. The way
 * back is in reading.c. */
#include "native.h"

#include <math.h>
#include <string.h>

enum {
    SHORT_TEXT = 4096, /* characters; longer texts are not kept as UTF-8 by their str */
    NUMBER_BYTES = 24
};

/* What a value is that is being written, for messages. */
struct writing {
    json_text *out;
    const char *what;
    rag_slice name;
};

static int refuse(const struct writing *w, const char *why, PyObject *object)
{
    PyObject *name = PyUnicode_DecodeUTF8(w->name.data, (Py_ssize_t)w->name.len, "replace");
    if (name && object)
        PyErr_Format(PyExc_ValueError, "value of %s '%.200U' %s %R", w->what, name, why,
                     (PyObject *)Py_TYPE(object));
    else if (name)
        PyErr_Format(PyExc_ValueError, "value of %s '%.200U' %s", w->what, name, why);
    Py_XDECREF(name);
    return 0;
}

static int more_room(json_text *out, size_t len)
{
    if (len > PY_SSIZE_T_MAX / 4 - out->len)
        return PyErr_NoMemory() != NULL;
    const size_t room = out->len + len + out->room / 2 + 256;
    char *data = PyMem_Realloc(out->data, room);
    if (!data)
        return PyErr_NoMemory() != NULL;
    out->data = data;
    out->room = room;
    return 1;
}

int json_append(json_text *out, const char *data, size_t len)
{
    if (!len) /* there may be no memory yet */
        return 1;
    if (out->room - out->len < len && !more_room(out, len))
        return 0;
    memcpy(out->data + out->len, data, len);
    out->len += len;
    return 1;
}

static int append_char(json_text *out, char c)
{
    return json_append(out, &c, 1);
}

/* Bytes that JSON wants escaped. */
static int is_special(unsigned char c)
{
    return c < 0x20 || c == '"' || c == '\\';
}

static int append_escape(json_text *out, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";
    static const char letters[] = "btn\0fr"; /* 8 .. 13 */
    if (c == '"' || c == '\\') {
        const char pair[2] = { '\\', (char)c };
        return json_append(out, pair, 2);
    }
    if (c >= 8 && c <= 13 && letters[c - 8]) {
        const char pair[2] = { '\\', letters[c - 8] };
        return json_append(out, pair, 2);
    }
    const char unit[6] = { '\\', 'u', '0', '0', digits[c >> 4], digits[c & 15] };
    return json_append(out, unit, 6);
}

static int append_quoted(json_text *out, const char *data, size_t len)
{
    size_t from = 0;
    if (!append_char(out, '"'))
        return 0;
    for (size_t i = 0; i < len; i++) {
        if (!is_special((unsigned char)data[i]))
            continue;
        if (!json_append(out, data + from, i - from) || !append_escape(out, (unsigned char)data[i]))
            return 0;
        from = i + 1;
    }
    return json_append(out, data + from, len - from) && append_char(out, '"');
}

/* A str keeps the UTF-8 text that is asked for this way: fine for short ones, and free for those that
 * are ASCII, but a large one would be twice in memory from then on. */
static int write_text(json_text *out, PyObject *text)
{
    if (PyUnicode_GetLength(text) <= SHORT_TEXT) {
        Py_ssize_t len;
        const char *data = PyUnicode_AsUTF8AndSize(text, &len);
        return data && append_quoted(out, data, (size_t)len);
    }
    PyObject *bytes = PyUnicode_AsUTF8String(text);
    const int done =
        bytes && append_quoted(out, PyBytes_AsString(bytes), (size_t)PyBytes_Size(bytes));
    Py_XDECREF(bytes);
    return done;
}

static int write_integer(json_text *out, PyObject *number)
{
    int overflow;
    const long long small = PyLong_AsLongLongAndOverflow(number, &overflow);
    if (!overflow) {
        char digits[NUMBER_BYTES];
        const int len = PyOS_snprintf(digits, sizeof digits, "%lld", small);
        return json_append(out, digits, (size_t)len);
    }
    PyObject *text = PyNumber_ToBase(number, 10);
    Py_ssize_t len;
    const char *data = text ? PyUnicode_AsUTF8AndSize(text, &len) : NULL;
    const int done = data && json_append(out, data, (size_t)len);
    Py_XDECREF(text);
    return done;
}

static int write_float(const struct writing *w, PyObject *number)
{
    const double value = PyFloat_AsDouble(number);
    if (!isfinite(value))
        return refuse(w,
                      isnan(value) ? "holds NaN, which JSON has not"
                                   : "holds an infinity, which JSON has not",
                      NULL);
    char *digits = PyOS_double_to_string(value, 'r', 0, Py_DTSF_ADD_DOT_0, NULL);
    const int done = digits && json_append(w->out, digits, strlen(digits));
    PyMem_Free(digits);
    return done;
}

static int write_value(const struct writing *w, PyObject *value, int depth);

static int write_dict(const struct writing *w, PyObject *dict, int depth)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;
    char open = '{';
    while (PyDict_Next(dict, &at, &key, &value)) {
        if (!PyUnicode_Check(key))
            return refuse(w, "has a member whose name is no str but", key);
        if (!append_char(w->out, open) || !write_text(w->out, key) || !append_char(w->out, ':') ||
            !write_value(w, value, depth + 1))
            return 0;
        open = ',';
    }
    return open == '{' ? json_append(w->out, "{}", 2) : append_char(w->out, '}');
}

static int write_list(const struct writing *w, PyObject *list, int is_tuple, int depth)
{
    const Py_ssize_t count = is_tuple ? PyTuple_Size(list) : PyList_Size(list);
    if (!append_char(w->out, '['))
        return 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *item = is_tuple ? PyTuple_GetItem(list, i) : PyList_GetItem(list, i);
        if (!item || (i && !append_char(w->out, ',')) || !write_value(w, item, depth + 1))
            return 0;
    }
    return append_char(w->out, ']');
}

static int write_value(const struct writing *w, PyObject *value, int depth)
{
    if (PyUnicode_Check(value))
        return write_text(w->out, value);
    if (value == Py_None)
        return json_append(w->out, "null", 4);
    if (value == Py_True)
        return json_append(w->out, "true", 4);
    if (value == Py_False)
        return json_append(w->out, "false", 5);
    if (PyLong_Check(value))
        return write_integer(w->out, value);
    if (PyFloat_Check(value))
        return write_float(w, value);
    const int is_list = PyList_Check(value) || PyTuple_Check(value);
    if (depth > JSON_DEPTH_MAX && (is_list || PyDict_Check(value)))
        return refuse(w, "is nested too deep", NULL);
    if (PyDict_Check(value))
        return write_dict(w, value, depth);
    if (is_list)
        return write_list(w, value, PyTuple_Check(value), depth);
    return refuse(w, "holds what JSON has not:", value);
}

int json_write(json_text *out, PyObject *value, const char *what, rag_slice name)
{
    const struct writing w = { out, what, name };
    return write_value(&w, value, 1);
}

void json_free(json_text *text)
{
    PyMem_Free(text->data);
    text->data = NULL;
}
