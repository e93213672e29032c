/* Several members in one parse. The values are looked for as text first: most payloads have none of
 * the names, or one, and then parsing a long text for nothing is what would cost. */
#include "json_members.h"

#include <string.h>
#include <yyjson.h>

#include "alloc.h"
#include "slice.h"

static int mentions(rag_slice json, const char *name)
{
    return memmem(json.data, json.len, name, strlen(name)) != NULL;
}

/* A name may be spelled with escapes, as in "entity\u005fname": then text does not tell. */
static int has_escapes(rag_slice json)
{
    return memmem(json.data, json.len, "\\u", 2) != NULL;
}

static rag_status copy_members(yyjson_val *object, const char *const *names, size_t n,
                               rag_slice *out, char **memory, rag_error *err)
{
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++) {
        yyjson_val *value = yyjson_obj_get(object, names[i]);
        out[i] = yyjson_is_str(value) ? slice_of(yyjson_get_str(value), yyjson_get_len(value))
                                      : slice_of("", 0);
        bytes += out[i].len;
    }
    if (!bytes)
        return RAG_OK;
    char *copy = rag_alloc(bytes);
    if (!copy)
        return rag_fail_memory(err);
    *memory = copy;
    for (size_t i = 0; i < n; i++) {
        memcpy(copy, out[i].data, out[i].len);
        out[i].data = copy;
        copy += out[i].len;
    }
    return RAG_OK;
}

rag_status json_string_members(rag_slice json, const char *const *names, size_t n, rag_slice *out,
                               char **memory, rag_error *err)
{
    int any = has_escapes(json);
    *memory = NULL;
    for (size_t i = 0; i < n; i++) {
        out[i] = slice_of("", 0);
        any |= mentions(json, names[i]);
    }
    if (!any)
        return RAG_OK;
    yyjson_read_err why;
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)json.data, json.len,
                                       YYJSON_READ_NUMBER_AS_RAW, NULL, &why);
    if (!doc && why.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
        return rag_fail_memory(err);
    if (!doc)
        return rag_fail(err, RAG_E_CORRUPT, "not JSON at byte %zu: %s", why.pos, why.msg);
    const rag_status status = copy_members(yyjson_doc_get_root(doc), names, n, out, memory, err);
    yyjson_doc_free(doc);
    if (status != RAG_OK)
        for (size_t i = 0; i < n; i++)
            out[i] = slice_of("", 0);
    return status;
}

rag_status json_string_array(rag_slice json, size_t n, rag_slice *out, char **memory,
                             rag_error *err)
{
    yyjson_read_err why = { 0, "not that many strings", 0 };
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)json.data, json.len,
                                       YYJSON_READ_NUMBER_AS_RAW, NULL, &why);
    if (!doc && why.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
        return rag_fail_memory(err);
    yyjson_val *root = yyjson_doc_get_root(doc);
    int good = yyjson_is_arr(root) && yyjson_arr_size(root) == n;
    size_t bytes = 0;
    for (size_t i = 0; good && i < n; i++) {
        yyjson_val *element = yyjson_arr_get(root, i);
        good = yyjson_is_str(element);
        bytes += yyjson_get_len(element);
    }
    char *copy = good ? rag_alloc(bytes) : NULL;
    if (copy) {
        *memory = copy;
        for (size_t i = 0; i < n; i++) {
            yyjson_val *element = yyjson_arr_get(root, i);
            const size_t len = yyjson_get_len(element);
            memcpy(copy, yyjson_get_str(element), len);
            out[i] = slice_of(copy, len);
            copy += len;
        }
    }
    yyjson_doc_free(doc);
    if (good)
        return copy ? RAG_OK : rag_fail_memory(err);
    return rag_fail(err, RAG_E_INVALID, "not a JSON array of %zu texts", n);
}
