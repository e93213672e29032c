/* JSON in memory, by yyjson. Numbers are kept as the text that came in: a value must leave the
 * store with the digits with which it entered.
 *
 * Every text is parsed as one object, with the limits of the project, by json_parse(); merging works
 * on a copy of the parsed document, so that the order of the old members stays and new ones follow.
 * Whoever calls owns what is handed out, in memory of rag_alloc(). */
#include "json.h"

#include "alloc.h"
#include "json_parse.h"
#include "limits.h"
#include "slice.h"

static void *json_malloc(void *ctx, size_t size)
{
    (void)ctx;
    return rag_alloc(size);
}

static void *json_realloc(void *ctx, void *memory, size_t old_size, size_t size)
{
    (void)ctx;
    (void)old_size;
    return rag_realloc(memory, size);
}

static void json_free(void *ctx, void *memory)
{
    (void)ctx;
    rag_free(memory);
}

const yyjson_alc json_allocator = { json_malloc, json_realloc, json_free, NULL };

/* yyjson itself does not recurse; whoever reads our output may. */
static int too_deep(rag_slice text)
{
    const char *p = text.data, *end = p + text.len;
    int depth = 0;
    for (; p < end; p++) {
        if (*p == '"') {
            for (p++; p < end && *p != '"'; p++)
                if (*p == '\\')
                    p++;
        } else if (*p == '{' || *p == '[') {
            if (++depth > LIMIT_JSON_DEPTH)
                return 1;
        } else if (*p == '}' || *p == ']') {
            depth--;
        }
    }
    return 0;
}

yyjson_doc *json_parse(rag_slice text, yyjson_read_err *why)
{
    if (text.len > LIMIT_VALUE_BYTES || !text.len) {
        *why = (yyjson_read_err){ YYJSON_READ_ERROR_INVALID_PARAMETER,
                                  text.len ? "too large" : "empty", 0 };
        return NULL;
    }
    /* yyjson does not write to its input without YYJSON_READ_INSITU. */
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)text.data, text.len,
                                       YYJSON_READ_NUMBER_AS_RAW, &json_allocator, why);
    if (!doc)
        return NULL;
    const char *refused = NULL;
    if (!yyjson_is_obj(yyjson_doc_get_root(doc)))
        refused = "not a JSON object";
    else if (yyjson_doc_get_val_count(doc) > LIMIT_JSON_DEPTH && too_deep(text))
        refused = "nested too deeply";
    if (refused) {
        yyjson_doc_free(doc);
        doc = NULL;
        *why = (yyjson_read_err){ YYJSON_READ_ERROR_UNEXPECTED_CONTENT, refused, 0 };
    }
    return doc;
}

rag_status json_fail(rag_error *err, const yyjson_read_err *why, rag_slice text, const char *what,
                     rag_slice name)
{
    if (why->code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
        return rag_fail_memory(err);
    if (text.len > LIMIT_VALUE_BYTES)
        return rag_fail(err, RAG_E_INVALID, "%s '%.*s' has %zu bytes, more than %zu", what,
                        RAG_SHOWN(name), text.len, LIMIT_VALUE_BYTES);
    return rag_fail(err, RAG_E_INVALID, "%s '%.*s' at byte %zu: %s", what, RAG_SHOWN(name),
                    why->pos, why->msg);
}

rag_status json_check_object(rag_slice value, const char *what, rag_slice name, rag_error *err)
{
    yyjson_read_err why = { 0, NULL, 0 };
    yyjson_doc *doc = json_parse(value, &why);
    if (!doc)
        return json_fail(err, &why, value, what, name);
    yyjson_doc_free(doc);
    return RAG_OK;
}

/* Members of `news` over those of `target`: put replaces in place, so that the old order stays. */
static int put_members(yyjson_mut_doc *doc, yyjson_mut_val *target, yyjson_val *news)
{
    yyjson_obj_iter iter = yyjson_obj_iter_with(news);
    yyjson_val *name;
    while ((name = yyjson_obj_iter_next(&iter))) {
        yyjson_mut_val *key = yyjson_val_mut_copy(doc, name);
        yyjson_mut_val *value = yyjson_val_mut_copy(doc, yyjson_obj_iter_get_val(name));
        if (!key || !value)
            return 0;
        if (!yyjson_mut_obj_replace(target, key, value) && !yyjson_mut_obj_add(target, key, value))
            return 0;
    }
    return 1;
}

/* The member `name` of `root` as an object; made one when it is none. NULL: out of memory. */
static yyjson_mut_val *nested_object(yyjson_mut_doc *doc, yyjson_mut_val *root, const char *name)
{
    yyjson_mut_val *found = yyjson_mut_obj_get(root, name);
    if (yyjson_mut_is_obj(found))
        return found;
    yyjson_mut_val *key = yyjson_mut_strcpy(doc, name), *made = yyjson_mut_obj(doc);
    if (!key || !made)
        return NULL;
    if (!yyjson_mut_obj_replace(root, key, made) && !yyjson_mut_obj_add(root, key, made))
        return NULL;
    return made;
}

static rag_status merge_docs(yyjson_doc *old, const char *name, yyjson_doc *news, char **out,
                             size_t *out_len)
{
    yyjson_mut_doc *merged = yyjson_doc_mut_copy(old, &json_allocator);
    if (!merged)
        return RAG_E_NO_MEMORY;
    yyjson_mut_val *target = yyjson_mut_doc_get_root(merged);
    if (name)
        target = nested_object(merged, target, name);
    char *text = NULL;
    yyjson_write_err why;
    if (target && put_members(merged, target, yyjson_doc_get_root(news)))
        text = yyjson_mut_write_opts(merged, 0, &json_allocator, out_len, &why);
    yyjson_mut_doc_free(merged);
    if (!text)
        return RAG_E_NO_MEMORY;
    *out = text;
    return RAG_OK;
}

/* `name` is NULL for members of `old` itself. */
static rag_status merge(rag_slice old, const char *name, rag_slice news, char **out,
                        size_t *out_len, rag_error *err)
{
    yyjson_read_err why = { 0, NULL, 0 };
    yyjson_doc *a = json_parse(old, &why);
    yyjson_doc *b = a ? json_parse(news, &why) : NULL;
    rag_status status;
    if (a && b)
        status = merge_docs(a, name, b, out, out_len);
    else if (why.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
        status = RAG_E_NO_MEMORY;
    else
        status = a ? RAG_E_INVALID : RAG_E_CORRUPT;
    yyjson_doc_free(a);
    yyjson_doc_free(b);
    if (status == RAG_E_NO_MEMORY)
        return rag_fail_memory(err);
    if (status != RAG_OK)
        return rag_fail(err, status, "%s attributes are not a JSON object: %s at byte %zu",
                        status == RAG_E_CORRUPT ? "stored" : "new", why.msg, why.pos);
    return RAG_OK;
}

rag_status json_merge(rag_slice old, rag_slice news, char **out, size_t *out_len, rag_error *err)
{
    return merge(old, NULL, news, out, out_len, err);
}

rag_status json_merge_member(rag_slice object, const char *name, rag_slice news, char **out,
                             size_t *out_len, rag_error *err)
{
    return merge(object, name, news, out, out_len, err);
}

rag_status json_string(rag_slice json, const char *name, char **out, size_t *out_len,
                       rag_error *err)
{
    yyjson_read_err why = { 0, NULL, 0 };
    yyjson_doc *doc = json_parse(json, &why);
    if (!doc && why.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
        return rag_fail_memory(err);
    if (!doc)
        return rag_fail(err, RAG_E_CORRUPT, "not a JSON object: %s at byte %zu", why.msg, why.pos);
    yyjson_val *value = yyjson_obj_get(yyjson_doc_get_root(doc), name);
    char *copy = NULL;
    size_t len = 0;
    if (yyjson_is_str(value)) {
        len = yyjson_get_len(value);
        copy = rag_memdup_text(yyjson_get_str(value), len);
    }
    const int failed = yyjson_is_str(value) && !copy;
    yyjson_doc_free(doc);
    if (failed)
        return rag_fail_memory(err);
    *out = copy;
    *out_len = len;
    return RAG_OK;
}
