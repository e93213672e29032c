/* From GraphML's texts to JSON, as Python's int(), float() and NetworkX's table of booleans would
 * read them, but without going through binary: what is already a number of JSON keeps its digits.
 * Python's repr() of a float always is one (1.0, 1e-05), so the common path copies. Spellings that
 * only Python takes are brought into JSON's form: white space, a plus sign, "1." and ".5", leading
 * zeros. NaN and infinities have no place in a graph here, underscores between digits are refused.
 */
#include "graphml_value.h"

#include <string.h>
#include <strings.h>

#include "core/json_object.h"
#include "core/slice.h"

enum { NUMBER_MAX = 400 };

int graphml_type_from_name(const char *name, enum graphml_type *type)
{
    static const struct {
        const char *name;
        enum graphml_type type;
    } types[] = {
        { "string", GRAPHML_STRING },   { "int", GRAPHML_INTEGER },  { "long", GRAPHML_INTEGER },
        { "integer", GRAPHML_INTEGER }, { "float", GRAPHML_DOUBLE }, { "double", GRAPHML_DOUBLE },
        { "boolean", GRAPHML_BOOLEAN },
    };
    *type = GRAPHML_STRING;
    if (!name)
        return 1;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(name, types[i].name) == 0) {
            *type = types[i].type;
            return 1;
        }
    }
    return 0;
}

static int is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static rag_slice trim(rag_slice s)
{
    const char *p = s.data;
    while (s.len && is_space(p[s.len - 1]))
        s.len--;
    while (s.len && is_space(*p)) {
        p++;
        s.len--;
    }
    return slice_of(p, s.len);
}

static size_t count_digits(const char *p, const char *end)
{
    const char *q = p;
    while (q < end && *q >= '0' && *q <= '9')
        q++;
    return (size_t)(q - p);
}

/* The parts of a number as Python reads it. */
struct number {
    int negative;
    const char *whole, *fraction, *exponent; /* digits; the exponent with its sign */
    size_t whole_len, fraction_len, exponent_len;
    int has_point, has_exponent;
};

/* 1 when the text is exactly one number. */
static int split(rag_slice text, struct number *n)
{
    const char *p = text.data, *end = p + text.len;
    *n = (struct number){ 0 };
    if (p < end && (*p == '+' || *p == '-'))
        n->negative = *p++ == '-';
    n->whole = p;
    n->whole_len = count_digits(p, end);
    p += n->whole_len;
    if (p < end && *p == '.') {
        n->has_point = 1;
        n->fraction = ++p;
        n->fraction_len = count_digits(p, end);
        p += n->fraction_len;
    }
    if (!n->whole_len && !n->fraction_len)
        return 0;
    while (n->whole_len > 1 && *n->whole == '0') {
        n->whole++;
        n->whole_len--;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        n->has_exponent = 1;
        n->exponent = ++p;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        const size_t digits = count_digits(p, end);
        p += digits;
        n->exponent_len = (size_t)(p - n->exponent);
        if (!digits)
            return 0;
    }
    return p == end;
}

static rag_status append_integer(struct buffer *out, rag_slice text, const char **why,
                                 rag_error *err)
{
    struct number n;
    char digits[24];
    size_t len = 0;
    int64_t value;
    *why = "is not a whole number";
    if (!split(text, &n) || n.has_point || n.has_exponent)
        return RAG_E_CORRUPT;
    *why = "does not fit 64 bits";
    if (n.whole_len > 20)
        return RAG_E_CORRUPT;
    if (n.negative && !(n.whole_len == 1 && *n.whole == '0'))
        digits[len++] = '-';
    memcpy(digits + len, n.whole, n.whole_len);
    len += n.whole_len;
    if (!json_integer(slice_of(digits, len), &value))
        return RAG_E_CORRUPT;
    return buffer_append(out, digits, len, err);
}

static rag_status append_double(struct buffer *out, rag_slice text, const char **why,
                                rag_error *err)
{
    struct number n;
    *why = "is not a finite number";
    if (text.len > NUMBER_MAX || !split(text, &n))
        return RAG_E_CORRUPT;
    const size_t start = out->len;
    if (n.negative)
        RAG_TRY(buffer_append_char(out, '-', err));
    if (n.whole_len)
        RAG_TRY(buffer_append(out, n.whole, n.whole_len, err));
    else
        RAG_TRY(buffer_append_char(out, '0', err));
    if (n.fraction_len) {
        RAG_TRY(buffer_append_char(out, '.', err));
        RAG_TRY(buffer_append(out, n.fraction, n.fraction_len, err));
    } else if (!n.has_exponent) {
        RAG_TRY(buffer_append_text(out, ".0", err)); /* it stays a double */
    }
    if (n.has_exponent) {
        RAG_TRY(buffer_append_char(out, 'e', err));
        RAG_TRY(buffer_append(out, n.exponent, n.exponent_len, err));
    }
    if (json_finite(slice_of(out->data + start, out->len - start)))
        return RAG_OK;
    out->len = start;
    return RAG_E_CORRUPT;
}

static rag_status append_boolean(struct buffer *out, rag_slice text, const char **why,
                                 rag_error *err)
{
    const char *p = text.data;
    *why = "is neither true nor false";
    if ((text.len == 4 && strncasecmp(p, "true", 4) == 0) || slice_is(text, "1"))
        return buffer_append_text(out, "true", err);
    if ((text.len == 5 && strncasecmp(p, "false", 5) == 0) || slice_is(text, "0"))
        return buffer_append_text(out, "false", err);
    return RAG_E_CORRUPT;
}

rag_status graphml_append_value(struct buffer *out, enum graphml_type type, rag_slice text,
                                const char **why, rag_error *err)
{
    *why = NULL;
    if (!text.len)
        return buffer_append_text(out, "\"\"", err);
    switch (type) {
    case GRAPHML_STRING: break;
    case GRAPHML_INTEGER: return append_integer(out, trim(text), why, err);
    case GRAPHML_DOUBLE: return append_double(out, trim(text), why, err);
    case GRAPHML_BOOLEAN: return append_boolean(out, trim(text), why, err);
    }
    return buffer_append_json_string(out, text, err);
}
