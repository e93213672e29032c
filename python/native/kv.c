/* Methods of kv.h.
 *
 * A batch of values is written as JSON into one buffer before the call, an answer is parsed after it.
 * A stamped value gets "_id", "create_time" and "update_time" as members of the new dict, which spares
 * putting them into the text first (rag_kv_stamped()) and parsing it again. */
#include "native.h"

/* A value as LightRAG has it. */
static PyObject *stamp(PyObject *object, const rag_row *row)
{
    if (object && member_put(object, "_id", text_object(row->key)) &&
        member_put(object, "create_time", PyLong_FromLongLong(row->created_at)) &&
        member_put(object, "update_time", PyLong_FromLongLong(row->updated_at)))
        return object;
    Py_XDECREF(object);
    return NULL;
}

static PyObject *row_stamped(reading *r, const rag_row *row)
{
    return row->found ? stamp(row_json(r, row), row) : Py_NewRef(Py_None);
}

static PyObject *row_stamped_pair(reading *r, const rag_row *row)
{
    PyObject *pair = row_pair(r, row);
    PyObject *value = pair ? PyTuple_GetItem(pair, 1) : NULL; /* borrowed */
    if (!value)
        return NULL;
    PyObject *stamped = stamp(Py_NewRef(value), row);
    if (!stamped) {
        Py_DECREF(pair);
        return NULL;
    }
    Py_DECREF(stamped); /* the pair holds it */
    return pair;
}

static PyObject *kv_get(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "name", "keys", "stamped", CALL_NAMES };
    store_object *self = (store_object *)object;
    call c = CALL_INIT;
    const char *name;
    PyObject *keys, *answer = NULL;
    int stamped = 0;
    text_list list = TEXT_LIST_INIT;
    rag_result *result = NULL;
    if (!take_arguments(args, kwargs, "sO|$p" CALL_FORMAT ":kv_get", names, &name, &keys, &stamped,
                        CALL_ARGUMENTS(&c)) ||
        !texts_take(keys, "keys", &list) || !call_begin(&c, self))
        goto cleanup;
    CALL(&c, rag_kv_get_many(self->store, &c.ctx, name, list.slices, list.count, &result, &c.err));
    if (call_end(&c))
        answer = answer_list(self->state, result, stamped ? row_stamped : row_value);
cleanup:
    rag_result_free(result);
    texts_drop(&list);
    return answer;
}

static PyObject *kv_put(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "name", "items", CALL_NAMES };
    store_object *self = (store_object *)object;
    call c = CALL_INIT;
    const char *name;
    PyObject *items, *answer = NULL;
    batch b = BATCH_INIT;
    rag_kv_item *rows = NULL;
    rag_token token = 0;
    if (!take_arguments(args, kwargs, "sO|$" CALL_FORMAT ":kv_put", names, &name, &items,
                        CALL_ARGUMENTS(&c)) ||
        !batch_take(items, "key", &b) || !(rows = kv_items_of(&b)) || !call_begin(&c, self))
        goto cleanup;
    CALL(&c, rag_kv_put_many(self->store, &c.ctx, name, rows, b.count, &token, &c.err));
    if (call_end(&c))
        answer = PyLong_FromUnsignedLongLong(token);
cleanup:
    PyMem_Free(rows);
    batch_drop(&b);
    return answer;
}

static PyObject *kv_delete(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "name", "keys", CALL_NAMES };
    store_object *self = (store_object *)object;
    call c = CALL_INIT;
    const char *name;
    PyObject *keys, *answer = NULL;
    text_list list = TEXT_LIST_INIT;
    uint64_t deleted = 0;
    if (!take_arguments(args, kwargs, "sO|$" CALL_FORMAT ":kv_delete", names, &name, &keys,
                        CALL_ARGUMENTS(&c)) ||
        !texts_take(keys, "keys", &list) || !call_begin(&c, self))
        goto cleanup;
    CALL(&c, rag_kv_delete_many(self->store, &c.ctx, name, list.slices, list.count, &deleted, NULL,
                                &c.err));
    if (call_end(&c))
        answer = PyLong_FromUnsignedLongLong(deleted);
cleanup:
    texts_drop(&list);
    return answer;
}

static PyObject *kv_missing(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "name", "keys", CALL_NAMES };
    store_object *self = (store_object *)object;
    call c = CALL_INIT;
    const char *name;
    PyObject *keys, *answer = NULL;
    text_list list = TEXT_LIST_INIT;
    rag_result *result = NULL;
    if (!take_arguments(args, kwargs, "sO|$" CALL_FORMAT ":kv_missing", names, &name, &keys,
                        CALL_ARGUMENTS(&c)) ||
        !texts_take(keys, "keys", &list) || !call_begin(&c, self))
        goto cleanup;
    CALL(&c, rag_kv_filter_missing(self->store, &c.ctx, name, list.slices, list.count, &result,
                                   &c.err));
    if (call_end(&c))
        answer = answer_list(self->state, result, row_key);
cleanup:
    rag_result_free(result);
    texts_drop(&list);
    return answer;
}

static PyObject *kv_scan(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "name", "after", "limit", "stamped", CALL_NAMES };
    store_object *self = (store_object *)object;
    call c = CALL_INIT;
    const char *name;
    page_position page = PAGE_POSITION_INIT;
    int stamped = 0;
    rag_result *result = NULL;
    if (!take_arguments(args, kwargs, "s|" PAGE_FORMAT "$p" CALL_FORMAT ":kv_scan", names, &name,
                        PAGE_ARGUMENTS(&page), &stamped, CALL_ARGUMENTS(&c)) ||
        !page_take(&page) || !call_begin(&c, self))
        return NULL;
    CALL(&c, rag_kv_scan(self->store, &c.ctx, name, page.after, page.limit, &result, &c.err));
    PyObject *answer = NULL;
    if (call_end(&c))
        answer = answer_page(self->state, result, stamped ? row_stamped_pair : row_pair);
    rag_result_free(result);
    return answer;
}

static PyObject *kv_count(PyObject *object, PyObject *args, PyObject *kwargs)
{
    return run_count(object, args, kwargs, "s|$" CALL_FORMAT ":kv_count", rag_kv_count);
}

static PyObject *kv_drop(PyObject *object, PyObject *args, PyObject *kwargs)
{
    return run_named(object, args, kwargs, "s|$" CALL_FORMAT ":kv_drop", rag_kv_drop);
}

static PyObject *kv_set_limits(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "name", "max_bytes", "ttl", CALL_NAMES };
    store_object *self = (store_object *)object;
    call c = CALL_INIT;
    rag_kv_limits limits = RAG_KV_LIMITS_INIT;
    const char *name;
    long long max_bytes, ttl;
    if (!take_arguments(args, kwargs, "sLL|$" CALL_FORMAT ":kv_set_limits", names, &name,
                        &max_bytes, &ttl, CALL_ARGUMENTS(&c)))
        return NULL;
    if (max_bytes < 0)
        return raise_kind(self->state, RAG_E_INVALID, "max_bytes must not be negative");
    limits.max_bytes = (uint64_t)max_bytes;
    limits.ttl_s = ttl;
    if (!call_begin(&c, self))
        return NULL;
    CALL(&c, rag_kv_set_limits(self->store, &c.ctx, name, &limits, &c.err));
    return call_end(&c) ? Py_NewRef(Py_None) : NULL;
}

static PyObject *kv_get_limits(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "name", CALL_NAMES };
    store_object *self = (store_object *)object;
    call c = CALL_INIT;
    rag_kv_limits limits = RAG_KV_LIMITS_INIT;
    const char *name;
    if (!take_arguments(args, kwargs, "s|$" CALL_FORMAT ":kv_get_limits", names, &name,
                        CALL_ARGUMENTS(&c)) ||
        !call_begin(&c, self))
        return NULL;
    CALL(&c, rag_kv_get_limits(self->store, &c.ctx, name, &limits, &c.err));
    if (!call_end(&c))
        return NULL;
    return Py_BuildValue("(KL)", (unsigned long long)limits.max_bytes, (long long)limits.ttl_s);
}

PyMethodDef kv_methods[] = {
    METHOD("kv_get", kv_get, "Values by key, in the order asked; None where there is none."),
    METHOD("kv_put", kv_put, "Put values, all or none; answers the token."),
    METHOD("kv_delete", kv_delete, "Delete keys; answers how many there were."),
    METHOD("kv_missing", kv_missing, "Those of the keys that are not there."),
    METHOD("kv_scan", kv_scan, "A page of (key, value), and where to go on (b\"\": the end)."),
    METHOD("kv_count", kv_count, "Number of rows."),
    METHOD("kv_drop", kv_drop, "Delete everything in the namespace, durably."),
    METHOD("kv_set_limits", kv_set_limits, "Bounds of a cache: bytes and seconds; 0: none."),
    METHOD("kv_get_limits", kv_get_limits, "The bounds of a cache."),
    { NULL, NULL, 0, NULL },
};
