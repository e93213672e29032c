/* The rules of graph.h for attributes of nodes and edges, checked before anything is changed: what
 * passes here can be kept by every backend and by LightRAG's own files (GraphML: XML 1.0 has no
 * control characters; MongoDB: names without '.' and leading '$'). A name that comes twice is
 * refused too, because no backend could keep both. */
#include "attributes.h"

#include <string.h>

#include "core/json_object.h"
#include "core/slice_index.h"

enum { FEW_MEMBERS = 16 };

/* Offset of the first character that XML 1.0 does not have, or the length. `text` is UTF-8. */
static size_t first_not_xml(rag_slice text)
{
    const unsigned char *p = text.data;
    for (size_t i = 0; i < text.len; i++) {
        if (p[i] < 0x20 && p[i] != '\t' && p[i] != '\n' && p[i] != '\r')
            return i;
        /* U+FFFE and U+FFFF are EF BF BE and EF BF BF; surrogates are no UTF-8 */
        if (p[i] == 0xef && text.len - i >= 3 && p[i + 1] == 0xbf && p[i + 2] >= 0xbe)
            return i;
    }
    return text.len;
}

static rag_status check_name(rag_slice name, const char *what, rag_slice owner, rag_error *err)
{
    const char *refused = NULL;
    if (!name.len)
        refused = "is empty";
    else if (*(const char *)name.data == '$')
        refused = "starts with '$'";
    else if (memchr(name.data, '.', name.len))
        refused = "contains a '.'";
    else if (first_not_xml(name) != name.len)
        refused = "has a character that XML 1.0 does not have";
    if (refused)
        return rag_fail(err, RAG_E_INVALID, "%s '%.*s': attribute name '%.*s' %s", what,
                        RAG_SHOWN(owner), RAG_SHOWN(name), refused);
    return RAG_OK;
}

/* NULL when it is fine, else what is wrong with it. */
static const char *check_number(rag_slice number)
{
    int64_t integer;
    for (size_t i = 0; i < number.len; i++) {
        const char c = ((const char *)number.data)[i];
        if (c == '.' || c == 'e' || c == 'E')
            return json_finite(number) ? NULL : "is not finite as a double";
    }
    return json_integer(number, &integer) ? NULL : "does not fit 64 bits";
}

static rag_status check_value(const struct json_member *m, const char *what, rag_slice owner,
                              rag_error *err)
{
    const char *refused = NULL;
    switch (m->type) {
    case JSON_BOOL: break;
    case JSON_NUMBER: refused = check_number(m->text); break;
    case JSON_STRING:
        if (first_not_xml(m->text) != m->text.len)
            refused = "has a character that XML 1.0 does not have";
        break;
    case JSON_NULL: refused = "is null"; break;
    case JSON_ARRAY: refused = "is an array"; break;
    case JSON_OBJECT: refused = "is an object"; break;
    }
    if (refused)
        return rag_fail(err, RAG_E_INVALID, "%s '%.*s': attribute '%.*s' %s", what,
                        RAG_SHOWN(owner), RAG_SHOWN(m->name), refused);
    return RAG_OK;
}

/* *twice: the name that comes twice, or empty. */
static rag_status find_repeated(const struct json_object *object, rag_slice *twice, rag_error *err)
{
    struct json_cursor cursor = json_members(object);
    struct json_member m;
    rag_slice few[FEW_MEMBERS];
    struct slice_index seen = SLICE_INDEX_INIT;
    rag_status status = RAG_OK;
    *twice = slice_of("", 0);
    for (size_t i = 0; status == RAG_OK && !twice->len && json_next(&cursor, &m); i++) {
        if (object->count <= FEW_MEMBERS) {
            for (size_t j = 0; j < i; j++)
                if (slice_equal(few[j], m.name))
                    *twice = m.name;
            few[i] = m.name;
            continue;
        }
        size_t previous = SLICE_INDEX_NONE;
        status = slice_index_put(&seen, m.name, i, &previous, err);
        if (status == RAG_OK && previous != SLICE_INDEX_NONE)
            *twice = m.name;
    }
    slice_index_free(&seen);
    return status;
}

static rag_status check_members(const struct json_object *object, const char *what, rag_slice owner,
                                rag_error *err)
{
    struct json_cursor cursor = json_members(object);
    struct json_member m;
    while (json_next(&cursor, &m)) {
        RAG_TRY(check_name(m.name, what, owner, err));
        RAG_TRY(check_value(&m, what, owner, err));
    }
    rag_slice twice;
    RAG_TRY(find_repeated(object, &twice, err));
    if (twice.len)
        return rag_fail(err, RAG_E_INVALID, "%s '%.*s': attribute '%.*s' comes twice", what,
                        RAG_SHOWN(owner), RAG_SHOWN(twice));
    return RAG_OK;
}

rag_status attributes_check(rag_slice value, const char *what, rag_slice owner, rag_error *err)
{
    struct json_object object;
    RAG_TRY(json_object_parse(value, what, owner, &object, err));
    const rag_status status = check_members(&object, what, owner, err);
    json_object_free(&object);
    return status;
}
