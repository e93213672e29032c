/* Methods of kv.h.
 *
 * A batch of values is written as JSON into one buffer before the call, an answer is parsed after it.
 * A stamped value gets "_id", "create_time" and "update_time" as members of the new dict, which spares
 * putting them into the text first (rag_kv_stamped()) and parsing it again. */
#include "native.h"

/* A value as LightRAG has it. */
static PyObject *stamp(PyObject *object, const rag_row *row)
{
    return row_if(object && member_put(object, "_id", text_object(row->key)) &&
                      member_put(object, "create_time", PyLong_FromLongLong(row->created_at)) &&
                      member_put(object, "update_time", PyLong_FromLongLong(row->updated_at)),
                  object);
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
    call c = CALL_INIT;
    PyObject *keys;
    int stamped = 0;
    if (take_arguments(args, kwargs, "sO|$p" CALL_FORMAT ":kv_get", names, &c.name, &keys, &stamped,
                       CALL_ARGUMENTS(&c)) &&
        texts_take(keys, "keys", &c.texts) && call_begin(&c, object))
        CALL(&c, rag_kv_get_many(c.store, &c.ctx, c.name, c.texts.slices, c.texts.count, &c.result,
                                 &c.err));
    return end_list(&c, stamped ? row_stamped : row_value);
}

static PyObject *kv_put(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "name", "items", CALL_NAMES };
    call c = CALL_INIT;
    PyObject *items;
    if (take_arguments(args, kwargs, "sO|$" CALL_FORMAT ":kv_put", names, &c.name, &items,
                       CALL_ARGUMENTS(&c)) &&
        batch_take(items, "key", &c.batch) && (c.rows = kv_items_of(&c.batch)) &&
        call_begin(&c, object))
        CALL(&c,
             rag_kv_put_many(c.store, &c.ctx, c.name, c.rows, c.batch.count, &c.number, &c.err));
    return end_number(&c);
}

static PyObject *kv_delete(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "name", "keys", CALL_NAMES };
    return run_delete_named(object, args, kwargs, "sO|$" CALL_FORMAT ":kv_delete", names,
                            rag_kv_delete_many);
}

static PyObject *kv_missing(PyObject *object, PyObject *args, PyObject *kwargs)
{
    return run_keys(object, args, kwargs, "sO|$" CALL_FORMAT ":kv_missing", rag_kv_filter_missing,
                    row_key);
}

static PyObject *kv_scan(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "name", "after", "limit", "stamped", CALL_NAMES };
    call c = CALL_INIT;
    int stamped = 0;
    if (take_arguments(args, kwargs, "s|" PAGE_FORMAT "$p" CALL_FORMAT ":kv_scan", names, &c.name,
                       PAGE_ARGUMENTS(&c.page), &stamped, CALL_ARGUMENTS(&c)) &&
        page_take(&c.page) && call_begin(&c, object))
        CALL(&c,
             rag_kv_scan(c.store, &c.ctx, c.name, c.page.after, c.page.limit, &c.result, &c.err));
    return end_page(&c, stamped ? row_stamped_pair : row_pair);
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
    call c = CALL_INIT;
    rag_kv_limits limits = RAG_KV_LIMITS_INIT;
    long long max_bytes, ttl;
    if (!take_arguments(args, kwargs, "sLL|$" CALL_FORMAT ":kv_set_limits", names, &c.name,
                        &max_bytes, &ttl, CALL_ARGUMENTS(&c)))
        return NULL;
    if (max_bytes < 0)
        return raise_kind(((store_object *)object)->state, RAG_E_INVALID,
                          "max_bytes must not be negative");
    limits.max_bytes = (uint64_t)max_bytes;
    limits.ttl_s = ttl;
    if (call_begin(&c, object))
        CALL(&c, rag_kv_set_limits(c.store, &c.ctx, c.name, &limits, &c.err));
    return end_none(&c);
}

static PyObject *kv_get_limits(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "name", CALL_NAMES };
    call c = CALL_INIT;
    rag_kv_limits limits = RAG_KV_LIMITS_INIT;
    if (take_arguments(args, kwargs, "s|$" CALL_FORMAT ":kv_get_limits", names, &c.name,
                       CALL_ARGUMENTS(&c)) &&
        call_begin(&c, object))
        CALL(&c, rag_kv_get_limits(c.store, &c.ctx, c.name, &limits, &c.err));
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
