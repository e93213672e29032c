/* Members of one parsed object, over yyjson.
 *
 * yyjson decodes strings and does not keep where a member stood in the text. For cutting, a small
 * scanner walks the text in step with the parsed members: the text has been validated, so the
 * scanner only tells strings from structure. Thus untouched members keep the spelling with which
 * they came. */
#include "json_object.h"

#include <string.h>

#include "alloc.h"
#include "json_parse.h"
#include "slice.h"

enum { NUMBER_TEXT_MAX = 512 };

rag_status json_object_parse(rag_slice value, const char *what, rag_slice name,
                             struct json_object *out, rag_error *err)
{
    yyjson_read_err why = { 0, NULL, 0 };
    yyjson_doc *doc = json_parse(value, &why);
    if (!doc)
        return json_fail(err, &why, value, what, name);
    out->doc = doc;
    out->text = value;
    out->count = yyjson_obj_size(yyjson_doc_get_root(doc));
    return RAG_OK;
}

void json_object_free(struct json_object *o)
{
    yyjson_doc_free(o->doc);
    o->doc = NULL;
}

struct json_cursor json_members(const struct json_object *o)
{
    yyjson_obj_iter iter = yyjson_obj_iter_with(yyjson_doc_get_root(o->doc));
    return (struct json_cursor){ iter.max, iter.cur };
}

static enum json_type type_of(yyjson_val *value)
{
    switch (yyjson_get_type(value)) {
    case YYJSON_TYPE_BOOL: return JSON_BOOL;
    case YYJSON_TYPE_RAW:
    case YYJSON_TYPE_NUM: return JSON_NUMBER;
    case YYJSON_TYPE_STR: return JSON_STRING;
    case YYJSON_TYPE_ARR: return JSON_ARRAY;
    case YYJSON_TYPE_OBJ: return JSON_OBJECT;
    default: return JSON_NULL;
    }
}

static void fill_member(yyjson_val *value, rag_slice name, struct json_member *m)
{
    m->name = name;
    m->type = type_of(value);
    m->text = slice_of("", 0);
    if (m->type == JSON_STRING)
        m->text = slice_of(yyjson_get_str(value), yyjson_get_len(value));
    else if (m->type == JSON_NUMBER)
        m->text = slice_of(yyjson_get_raw(value), yyjson_get_len(value));
    m->truth = yyjson_is_true(value);
    m->element = value;
}

int json_next(struct json_cursor *c, struct json_member *m)
{
    if (!c->left)
        return 0;
    yyjson_val *key = c->at, *value = key + 1;
    fill_member(value, slice_of(yyjson_get_str(key), yyjson_get_len(key)), m);
    c->left--;
    c->at = unsafe_yyjson_get_next(value);
    return 1;
}

int json_nested_truth(const struct json_member *m, const char *name)
{
    return m->type == JSON_OBJECT &&
           yyjson_is_true(yyjson_obj_get((yyjson_val *)(uintptr_t)m->element, name));
}

int json_nested(const struct json_member *m, const char *name, struct json_member *out)
{
    if (m->type != JSON_OBJECT)
        return 0;
    yyjson_val *value = yyjson_obj_get((yyjson_val *)(uintptr_t)m->element, name);
    if (!value)
        return 0;
    fill_member(value, rag_text(name), out);
    return 1;
}

struct json_cursor json_elements(const struct json_member *array)
{
    if (array->type != JSON_ARRAY)
        return (struct json_cursor){ 0, NULL };
    yyjson_val *value = (yyjson_val *)(uintptr_t)array->element;
    return (struct json_cursor){ yyjson_arr_size(value), yyjson_arr_get_first(value) };
}

int json_next_element(struct json_cursor *c, struct json_member *m)
{
    if (!c->left)
        return 0;
    yyjson_val *value = c->at;
    fill_member(value, slice_of("", 0), m);
    c->left--;
    c->at = unsafe_yyjson_get_next(value);
    return 1;
}

/* ---- text -------------------------------------------------------------------------------------- */

static int is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The quote that ends the string starting at `p`: the first one that is not escaped, behind an even
 * number of backslashes. `end` is that of the text, which is JSON, so there is one. */
static const char *string_end(const char *p, const char *end)
{
    for (;;) {
        const char *quote = memchr(p + 1, '"', (size_t)(end - p - 1));
        size_t backslashes = 0;
        while (quote[-1 - (ptrdiff_t)backslashes] == '\\')
            backslashes++;
        if (backslashes % 2 == 0)
            return quote;
        p = quote;
    }
}

/* The place of the ',' or '}' that ends the member starting at `p`. */
static const char *member_end(const char *p, const char *end)
{
    for (int depth = 0;; p++) {
        if (*p == '"') {
            p = string_end(p, end);
        } else if (*p == '{' || *p == '[') {
            depth++;
        } else if (depth && (*p == '}' || *p == ']')) {
            depth--;
        } else if (!depth && (*p == ',' || *p == '}')) {
            return p;
        }
    }
}

rag_status json_object_without(const struct json_object *o, const unsigned char *drop,
                               struct arena *a, rag_slice *out, rag_error *err)
{
    char *copy = arena_alloc(a, o->text.len + 1);
    if (!copy)
        return rag_fail_memory(err);
    const char *p = o->text.data, *text_end = p + o->text.len;
    while (*p != '{')
        p++;
    size_t len = 0;
    copy[len++] = '{';
    for (size_t i = 0; i < o->count; i++) {
        p++; /* '{' or ',' */
        const char *end = member_end(p, text_end);
        if (!drop[i]) {
            const char *last = end;
            while (is_space(*p))
                p++;
            while (is_space(last[-1]))
                last--;
            if (len > 1)
                copy[len++] = ',';
            memcpy(copy + len, p, (size_t)(last - p));
            len += (size_t)(last - p);
        }
        p = end;
    }
    copy[len++] = '}';
    copy[len] = 0;
    *out = slice_of(copy, len);
    return RAG_OK;
}

/* The text of a value in "name": value, without the blanks around it. */
static rag_slice value_text(const char *member, const char *end)
{
    const char *p = member;
    while (*p != '"')
        p++;
    p = string_end(p, end);
    while (*p != ':')
        p++;
    for (p++; is_space(*p);)
        p++;
    while (is_space(end[-1]))
        end--;
    return slice_of(p, (size_t)(end - p));
}

rag_status json_visit_members(rag_slice object, rag_json_visit visit, void *user, rag_error *err)
{
    struct json_object o;
    RAG_TRY(json_object_parse(object, "an object", slice_of("", 0), &o, err));
    struct json_cursor cursor = json_members(&o);
    struct json_member m;
    const char *p = o.text.data, *text_end = p + o.text.len;
    rag_status status = RAG_OK;
    while (*p != '{')
        p++;
    while (status == RAG_OK && json_next(&cursor, &m)) {
        p++; /* '{' or ',' */
        const char *end = member_end(p, text_end);
        const rag_slice none = { NULL, 0 };
        status =
            visit(user, m.name, value_text(p, end), m.type == JSON_STRING ? m.text : none, err);
        p = end;
    }
    json_object_free(&o);
    return status;
}

rag_status json_add_member(rag_slice object, const char *member, struct arena *a, rag_slice *out,
                           rag_error *err)
{
    const char *text = object.data;
    size_t end = object.len - 1;
    while (text[end] != '}')
        end--;
    size_t before = end; /* the last byte of content, or the '{' */
    while (is_space(text[before - 1]))
        before--;
    const int empty = text[before - 1] == '{';
    const size_t added = strlen(member);
    char *copy = arena_alloc(a, before + added + 3);
    if (!copy)
        return rag_fail_memory(err);
    memcpy(copy, text, before);
    size_t len = before;
    if (!empty)
        copy[len++] = ',';
    memcpy(copy + len, member, added);
    len += added;
    copy[len++] = '}';
    copy[len] = 0;
    *out = slice_of(copy, len);
    return RAG_OK;
}

/* ---- numbers ------------------------------------------------------------------------------------ */

int json_integer(rag_slice number, int64_t *out)
{
    const char *p = number.data, *end = p + number.len;
    const int negative = p < end && *p == '-';
    if (negative)
        p++;
    if (p == end)
        return 0;
    int64_t value = 0; /* built downwards, because the least integer has no positive twin */
    for (; p < end; p++) {
        if (*p < '0' || *p > '9' || __builtin_mul_overflow(value, (int64_t)10, &value) ||
            __builtin_sub_overflow(value, (int64_t)(*p - '0'), &value))
            return 0;
    }
    if (!negative && value == INT64_MIN)
        return 0;
    *out = negative ? value : -value;
    return 1;
}

int json_finite(rag_slice number)
{
    /* A number of up to 300 characters without an exponent is below 1e300. */
    if (number.len < 300 && !memchr(number.data, 'e', number.len) &&
        !memchr(number.data, 'E', number.len))
        return 1;
    char text[NUMBER_TEXT_MAX];
    if (number.len >= sizeof text)
        return 0;
    memcpy(text, number.data, number.len);
    text[number.len] = 0;
    /* not strtod(): that one depends on the locale */
    yyjson_val value;
    return yyjson_read_number(text, &value, 0, &json_allocator, NULL) != NULL;
}
