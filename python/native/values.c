/* Values: Python objects to JSON text, and JSON text to Python objects, with nothing in between.
 *
 * Written: dict with str keys, list, tuple, str, bool, int of any size, finite float in its shortest
 * form, None, and subclasses of these as what they are underneath (so a member of a str enumeration is
 * its text). Nothing here runs Python code, so an object cannot change while it is written. Read: the
 * library only stores valid JSON, so anything else is a corrupt store. Integers come back as int
 * whatever their size, other numbers as float. */
#include "native.h"

#include <math.h>
#include <string.h>

#include <yyjson.h>

enum {
    DEPTH_MAX = 512,        /* as the library has it: keeps the C stack bounded */
    CACHED_NAME_BYTES = 40, /* longer names of members are seldom the same again */
    SHORT_TEXT = 4096,      /* characters; longer texts are not kept as UTF-8 by their str */
    NUMBER_BYTES = 24
};

/* ---- writing ---------------------------------------------------------------------------------------- */

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

static int append(json_text *out, const char *data, size_t len)
{
    if (out->room - out->len < len && !more_room(out, len))
        return 0;
    memcpy(out->data + out->len, data, len);
    out->len += len;
    return 1;
}

static int append_char(json_text *out, char c)
{
    return append(out, &c, 1);
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
        return append(out, pair, 2);
    }
    if (c >= 8 && c <= 13 && letters[c - 8]) {
        const char pair[2] = { '\\', letters[c - 8] };
        return append(out, pair, 2);
    }
    const char unit[6] = { '\\', 'u', '0', '0', digits[c >> 4], digits[c & 15] };
    return append(out, unit, 6);
}

static int append_quoted(json_text *out, const char *data, size_t len)
{
    size_t from = 0;
    if (!append_char(out, '"'))
        return 0;
    for (size_t i = 0; i < len; i++) {
        if (!is_special((unsigned char)data[i]))
            continue;
        if (!append(out, data + from, i - from) || !append_escape(out, (unsigned char)data[i]))
            return 0;
        from = i + 1;
    }
    return append(out, data + from, len - from) && append_char(out, '"');
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
        return append(out, digits, (size_t)len);
    }
    PyObject *text = PyNumber_ToBase(number, 10);
    Py_ssize_t len;
    const char *data = text ? PyUnicode_AsUTF8AndSize(text, &len) : NULL;
    const int done = data && append(out, data, (size_t)len);
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
    const int done = digits && append(w->out, digits, strlen(digits));
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
    return open == '{' ? append(w->out, "{}", 2) : append_char(w->out, '}');
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
        return append(w->out, "null", 4);
    if (value == Py_True)
        return append(w->out, "true", 4);
    if (value == Py_False)
        return append(w->out, "false", 5);
    if (PyLong_Check(value))
        return write_integer(w->out, value);
    if (PyFloat_Check(value))
        return write_float(w, value);
    const int is_list = PyList_Check(value) || PyTuple_Check(value);
    if (depth > DEPTH_MAX && (is_list || PyDict_Check(value)))
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

/* ---- reading ---------------------------------------------------------------------------------------- */

PyObject *text_object(rag_slice text)
{
    return PyUnicode_DecodeUTF8(text.len ? text.data : "", (Py_ssize_t)text.len, "strict");
}

int member_put(PyObject *row, const char *name, PyObject *value)
{
    const int done = value && PyDict_SetItemString(row, name, value) == 0;
    Py_XDECREF(value);
    return done;
}

PyObject *row_if(int done, PyObject *row)
{
    if (done)
        return row;
    Py_XDECREF(row);
    return NULL;
}

/* A name of a member; rows of an answer share theirs. */
static PyObject *name_object(reading *r, const char *data, size_t len)
{
    const rag_slice text = { data, len };
    if (len == 0 || len > CACHED_NAME_BYTES)
        return text_object(text);
    const size_t slot =
        (len * 31 + (unsigned char)data[0] * 7u + (unsigned char)data[len - 1]) % NAME_CACHE_SLOTS;
    PyObject *known = r->names[slot];
    Py_ssize_t known_len;
    const char *known_data = known ? PyUnicode_AsUTF8AndSize(known, &known_len) : NULL;
    if (known_data && (size_t)known_len == len && memcmp(known_data, data, len) == 0)
        return Py_NewRef(known);
    PyObject *name = text_object(text);
    if (name) {
        Py_XDECREF(known);
        r->names[slot] = Py_NewRef(name);
    }
    return name;
}

/* A number that yyjson left as text: too large for 64 bits or for a double. */
static PyObject *raw_number(const char *data, size_t len)
{
    PyObject *text = PyUnicode_FromStringAndSize(data, (Py_ssize_t)len);
    const char *digits = text ? PyUnicode_AsUTF8AndSize(text, NULL) : NULL; /* ends in NUL */
    PyObject *number = NULL;
    if (digits)
        number =
            strpbrk(digits, ".eE") ? PyFloat_FromString(text) : PyLong_FromString(digits, NULL, 10);
    Py_XDECREF(text);
    return number;
}

static PyObject *read_value(reading *r, yyjson_val *value, int depth);

static PyObject *read_object(reading *r, yyjson_val *object, int depth)
{
    PyObject *dict = PyDict_New();
    yyjson_obj_iter iterator = yyjson_obj_iter_with(object);
    yyjson_val *key;
    while (dict && (key = yyjson_obj_iter_next(&iterator))) {
        PyObject *name = name_object(r, yyjson_get_str(key), yyjson_get_len(key));
        PyObject *member = name ? read_value(r, yyjson_obj_iter_get_val(key), depth + 1) : NULL;
        if (!member || PyDict_SetItem(dict, name, member) != 0)
            Py_CLEAR(dict);
        Py_XDECREF(name);
        Py_XDECREF(member);
    }
    return dict;
}

static PyObject *read_array(reading *r, yyjson_val *array, int depth)
{
    PyObject *list = PyList_New((Py_ssize_t)yyjson_arr_size(array));
    yyjson_arr_iter iterator = yyjson_arr_iter_with(array);
    yyjson_val *item;
    for (Py_ssize_t i = 0; list && (item = yyjson_arr_iter_next(&iterator)); i++) {
        PyObject *object = read_value(r, item, depth + 1);
        if (!object || PyList_SetItem(list, i, object) != 0)
            Py_CLEAR(list);
    }
    return list;
}

static PyObject *read_value(reading *r, yyjson_val *value, int depth)
{
    if (depth > DEPTH_MAX && yyjson_is_ctn(value))
        return raise_kind(r->state, RAG_E_CORRUPT, "a stored value is nested too deep");
    switch (yyjson_get_tag(value)) {
    case YYJSON_TYPE_NULL | YYJSON_SUBTYPE_NONE: return Py_NewRef(Py_None);
    case YYJSON_TYPE_BOOL | YYJSON_SUBTYPE_TRUE: return Py_NewRef(Py_True);
    case YYJSON_TYPE_BOOL | YYJSON_SUBTYPE_FALSE: return Py_NewRef(Py_False);
    case YYJSON_TYPE_NUM | YYJSON_SUBTYPE_UINT:
        return PyLong_FromUnsignedLongLong(yyjson_get_uint(value));
    case YYJSON_TYPE_NUM | YYJSON_SUBTYPE_SINT: return PyLong_FromLongLong(yyjson_get_sint(value));
    case YYJSON_TYPE_NUM | YYJSON_SUBTYPE_REAL: return PyFloat_FromDouble(yyjson_get_real(value));
    case YYJSON_TYPE_RAW | YYJSON_SUBTYPE_NONE:
        return raw_number(yyjson_get_raw(value), yyjson_get_len(value));
    case YYJSON_TYPE_OBJ | YYJSON_SUBTYPE_NONE: return read_object(r, value, depth);
    case YYJSON_TYPE_ARR | YYJSON_SUBTYPE_NONE: return read_array(r, value, depth);
    default: break; /* a text, with or without escapes */
    }
    const rag_slice text = { yyjson_get_str(value), yyjson_get_len(value) };
    return text_object(text);
}

PyObject *json_read(reading *r, rag_slice text, const char *what, rag_slice name)
{
    yyjson_read_err why;
    /* yyjson does not write to the text without its in-situ flag */
    yyjson_doc *doc =
        yyjson_read_opts((char *)text.data, text.len, YYJSON_READ_BIGNUM_AS_RAW, NULL, &why);
    if (!doc && why.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
        return PyErr_NoMemory();
    if (!doc)
        return raise_kind(r->state, RAG_E_CORRUPT, "value of %s '%.*s' is not JSON: %s", what,
                          name.len < 200 ? (int)name.len : 200, (const char *)name.data, why.msg);
    PyObject *object = read_value(r, yyjson_doc_get_root(doc), 1);
    yyjson_doc_free(doc);
    return object;
}

void reading_end(reading *r)
{
    for (size_t i = 0; i < NAME_CACHE_SLOTS; i++)
        Py_CLEAR(r->names[i]);
}
