/* Values that are read: JSON text as Python objects, made while the text is passed over, once.
 *
 * The library only stores valid JSON, so anything else is a corrupt store: all of RFC 8259 is checked
 * that is passed over, and so is UTF-8. Integers come back as int whatever their size, other numbers
 * as float, correctly rounded. Python's own exceptions (memory) are set where they happen; a fault
 * of the text is noted in `why`, and json_read() makes the exception of it.
 *
 * Most bytes are those of long texts. Such a text is passed over 16 bytes a step, and when nothing in
 * it is escaped the object is made straight from it. */
#include "native.h"

#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum {
    CACHED_NAME_BYTES = 40,   /* longer names of members are seldom the same again */
    SMALL_INTEGER_DIGITS = 18 /* fit 64 bits whatever they are */
};

struct source {
    reading *r;
    const unsigned char *at, *end;
    const char *why; /* what is wrong with the text; NULL: nothing so far */
};

static PyObject *fault(struct source *s, const char *why)
{
    s->why = why;
    return NULL;
}

/* ---- texts ------------------------------------------------------------------------------------------ */

PyObject *text_object(rag_slice text)
{
    return PyUnicode_DecodeUTF8(text.len ? text.data : "", (Py_ssize_t)text.len, "strict");
}

/* The next byte that does not stand for itself in a text: a quote, a backslash, a control character;
 * or the end. */
static const unsigned char *plain_end(const unsigned char *at, const unsigned char *end)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
    const __m128i last_control = _mm_set1_epi8(0x1f);
    for (; end - at >= 16; at += 16) {
        const __m128i x = _mm_loadu_si128((const __m128i *)(const void *)at);
        const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(x, last_control), x);
        const __m128i stop =
            _mm_or_si128(control, _mm_or_si128(_mm_cmpeq_epi8(x, quote), _mm_cmpeq_epi8(x, slash)));
        const int mask = _mm_movemask_epi8(stop);
        if (mask)
            return at + __builtin_ctz((unsigned)mask);
    }
#endif
    while (at < end && *at >= 0x20 && *at != '"' && *at != '\\')
        at++;
    return at;
}

/* The four digits of a \u escape at `at`; -1 when they are not. */
static int hex4(const unsigned char *at, const unsigned char *end)
{
    int value = 0;
    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        const int c = at[i], low = c | 0x20;
        if (c >= '0' && c <= '9')
            value = value * 16 + c - '0';
        else if (low >= 'a' && low <= 'f')
            value = value * 16 + low - 'a' + 10;
        else
            return -1;
    }
    return value;
}

static int append_utf8(json_text *out, unsigned c)
{
    char bytes[4];
    size_t len = 0;
    if (c < 0x80) {
        bytes[len++] = (char)c;
    } else if (c < 0x800) {
        bytes[len++] = (char)(0xc0 | c >> 6);
    } else if (c < 0x10000) {
        bytes[len++] = (char)(0xe0 | c >> 12);
        bytes[len++] = (char)(0x80 | (c >> 6 & 0x3f));
    } else {
        bytes[len++] = (char)(0xf0 | c >> 18);
        bytes[len++] = (char)(0x80 | (c >> 12 & 0x3f));
        bytes[len++] = (char)(0x80 | (c >> 6 & 0x3f));
    }
    if (c >= 0x80)
        bytes[len++] = (char)(0x80 | (c & 0x3f));
    return json_append(out, bytes, len);
}

/* Behind "\u": one character, of two escapes where it is beyond 16 bits. */
static int unicode_escape(struct source *s)
{
    const int first = hex4(s->at, s->end);
    unsigned c = (unsigned)first;
    if (first < 0)
        return fault(s, "\\u without four hexadecimal digits") != NULL;
    s->at += 4;
    if (c >= 0xd800 && c < 0xe000) {
        const int pair = c < 0xdc00 && s->end - s->at >= 6 && s->at[0] == '\\' && s->at[1] == 'u';
        const int second = pair ? hex4(s->at + 2, s->end) : -1;
        if (second < 0xdc00 || second >= 0xe000)
            return fault(s, "half a surrogate pair") != NULL;
        c = 0x10000 + ((c - 0xd800) << 10) + (unsigned)second - 0xdc00;
        s->at += 6;
    }
    return append_utf8(&s->r->scratch, c);
}

/* Behind a backslash. */
static int escape(struct source *s)
{
    static const char names[] = "\"\\/bfnrt", stand_for[] = "\"\\/\b\f\n\r\t";
    const int c = s->at < s->end ? *s->at : 0;
    const char *known = c ? strchr(names, c) : NULL;
    if (c != 'u' && !known)
        return fault(s, "an unknown escape") != NULL;
    s->at++;
    return known ? json_append(&s->r->scratch, &stand_for[known - names], 1) : unicode_escape(s);
}

/* The text behind an opening quote, without escapes; it is in the source or in the scratch memory,
 * and is good until the next one. */
static int text_body(struct source *s, rag_slice *out)
{
    json_text *whole = &s->r->scratch;
    int escaped = 0;
    whole->len = 0;
    for (;;) {
        const unsigned char *from = s->at;
        const size_t len = (size_t)(plain_end(from, s->end) - from);
        s->at += len;
        if (s->at == s->end)
            return fault(s, "a text without an end") != NULL;
        const unsigned char stop = *s->at++;
        if (stop == '"' && !escaped) {
            *out = (rag_slice){ from, len };
            return 1;
        }
        if (!json_append(whole, (const char *)from, len))
            return 0;
        if (stop == '"') {
            *out = (rag_slice){ whole->data, whole->len };
            return 1;
        }
        if (stop != '\\')
            return fault(s, "a control character in a text") != NULL;
        escaped = 1;
        if (!escape(s))
            return 0;
    }
}

static PyObject *read_text(struct source *s)
{
    rag_slice text;
    s->at++;
    return text_body(s, &text) ? text_object(text) : NULL;
}

/* ---- numbers ------------------------------------------------------------------------------------------ */

static size_t digits_at(const unsigned char *at, const unsigned char *end)
{
    size_t n = 0;
    while (at + n < end && at[n] >= '0' && at[n] <= '9')
        n++;
    return n;
}

/* A number by Python's own means, from text that ends in NUL. */
static PyObject *number_of(struct source *s, const unsigned char *from, int is_integer)
{
    json_text *copy = &s->r->scratch;
    copy->len = 0;
    if (!json_append(copy, (const char *)from, (size_t)(s->at - from)) || !json_append(copy, "", 1))
        return NULL;
    if (is_integer)
        return PyLong_FromString(copy->data, NULL, 10);
    const double value = PyOS_string_to_double(copy->data, NULL, NULL);
    return value == -1.0 && PyErr_Occurred() ? NULL : PyFloat_FromDouble(value);
}

static PyObject *read_number(struct source *s)
{
    const unsigned char *from = s->at;
    s->at += *from == '-';
    const unsigned char *first = s->at;
    const size_t whole = digits_at(s->at, s->end);
    size_t part = 1, exponent = 1; /* digits of these, where they are */
    int is_integer = 1;
    s->at += whole;
    if (s->at < s->end && *s->at == '.') {
        part = digits_at(++s->at, s->end);
        s->at += part;
        is_integer = 0;
    }
    if (s->at < s->end && (*s->at | 0x20) == 'e') {
        s->at++;
        s->at += s->at < s->end && (*s->at == '+' || *s->at == '-');
        exponent = digits_at(s->at, s->end);
        s->at += exponent;
        is_integer = 0;
    }
    if (!whole || !part || !exponent || (whole > 1 && *first == '0'))
        return fault(s, "a number that is none");
    if (!is_integer || whole > SMALL_INTEGER_DIGITS)
        return number_of(s, from, is_integer);
    long long value = 0;
    for (size_t i = 0; i < whole; i++)
        value = value * 10 + (first[i] - '0');
    return PyLong_FromLongLong(*from == '-' ? -value : value);
}

/* ---- objects and arrays ------------------------------------------------------------------------------- */

static PyObject *read_value(struct source *s, int depth);

/* The next byte behind white space; 0 at the end, where no value can begin or end. */
static int next_byte(struct source *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\r' || *s->at == '\t'))
        s->at++;
    return s->at < s->end ? *s->at : 0;
}

/* A name of a member; rows of an answer share theirs. */
static PyObject *name_object(reading *r, rag_slice text)
{
    if (text.len == 0 || text.len > CACHED_NAME_BYTES)
        return text_object(text);
    const unsigned char *bytes = text.data;
    known_name *known =
        &r->names[(text.len * 31 + bytes[0] * 7u + bytes[text.len - 1]) % NAME_CACHE_SLOTS];
    if (known->object && known->text.len == text.len &&
        memcmp(known->text.data, bytes, text.len) == 0)
        return Py_NewRef(known->object);
    PyObject *name = text_object(text);
    Py_ssize_t len;
    const char *data = name ? PyUnicode_AsUTF8AndSize(name, &len) : NULL;
    if (!data) {
        Py_XDECREF(name);
        return NULL;
    }
    Py_XDECREF(known->object);
    *known = (known_name){ Py_NewRef(name), { data, (size_t)len } };
    return name;
}

static int read_member(struct source *s, PyObject *dict, int depth)
{
    rag_slice text;
    if (next_byte(s) != '"')
        return fault(s, "a member without a name") != NULL;
    s->at++;
    PyObject *name = text_body(s, &text) ? name_object(s->r, text) : NULL;
    PyObject *member = NULL;
    int done = 0;
    if (name && next_byte(s) == ':') {
        s->at++;
        member = read_value(s, depth + 1);
        done = member && PyDict_SetItem(dict, name, member) == 0;
    } else if (name) {
        s->why = "a name without a value";
    }
    Py_XDECREF(name);
    Py_XDECREF(member);
    return done;
}

static int read_item(struct source *s, PyObject *list, int depth)
{
    PyObject *item = read_value(s, depth + 1);
    const int done = item && PyList_Append(list, item) == 0;
    Py_XDECREF(item);
    return done;
}

/* What is between two brackets, as `container`, which it takes over. */
static PyObject *read_container(struct source *s, PyObject *container, char close,
                                int (*read_part)(struct source *s, PyObject *container, int depth),
                                int depth)
{
    if (depth > JSON_DEPTH_MAX)
        s->why = "nested too deep";
    int done = container && !s->why;
    s->at++;
    if (done && next_byte(s) == close) {
        s->at++;
        return container;
    }
    int after = ',';
    while (done && after == ',') {
        done = read_part(s, container, depth);
        after = done ? next_byte(s) : 0;
        s->at += after != 0;
    }
    if (done && after != close) {
        s->why = "an object or array without an end";
        done = 0;
    }
    return row_if(done, container);
}

static PyObject *read_word(struct source *s, const char *word, PyObject *object)
{
    const size_t len = strlen(word);
    if ((size_t)(s->end - s->at) < len || memcmp(s->at, word, len) != 0)
        return fault(s, "a word that JSON has not");
    s->at += len;
    return Py_NewRef(object);
}

static PyObject *read_value(struct source *s, int depth)
{
    const int c = next_byte(s);
    switch (c) {
    case '"': return read_text(s);
    case '{': return read_container(s, PyDict_New(), '}', read_member, depth);
    case '[': return read_container(s, PyList_New(0), ']', read_item, depth);
    case 't': return read_word(s, "true", Py_True);
    case 'f': return read_word(s, "false", Py_False);
    case 'n': return read_word(s, "null", Py_None);
    default: break;
    }
    if (c == '-' || (c >= '0' && c <= '9'))
        return read_number(s);
    return fault(s, c ? "a byte where a value should be" : "the text ends where a value should be");
}

PyObject *json_read(reading *r, rag_slice text, const char *what, rag_slice name)
{
    struct source s = { r, text.data, (const unsigned char *)text.data + text.len, NULL };
    PyObject *object = read_value(&s, 1);
    if (object && (next_byte(&s) || s.at < s.end))
        s.why = "something behind the value";
    if (PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
        PyErr_Clear();
        s.why = "a text that is not UTF-8";
    }
    if (!s.why)
        return object;
    Py_XDECREF(object);
    return raise_kind(r->state, RAG_E_CORRUPT, "value of %s '%.*s' is not JSON: %s", what,
                      name.len < 200 ? (int)name.len : 200, (const char *)name.data, s.why);
}

void reading_end(reading *r)
{
    for (size_t i = 0; i < NAME_CACHE_SLOTS; i++)
        Py_CLEAR(r->names[i].object);
    json_free(&r->scratch);
}

/* ---- rows of several members --------------------------------------------------------------------------- */

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
