/* Methods of vector.h about rows that wait for their vectors, and the embedder in Python.
 *
 * The library calls the embedder from the thread of the call and from threads of its own; each call
 * takes the interpreter's lock for as long as it lasts. What the function raises ends the flush, and
 * is raised by it as it was; with the built-in ConnectionError or TimeoutError, or an attribute
 * `retryable` that is true, the library tries again first. */
#include "native.h"

#include <string.h>

/* ---- putting and deleting later ------------------------------------------------------------------------ */

static rag_pending_item *deferred_rows(const batch *b, PyObject *contents, PyObject *created_at,
                                       text_list *texts)
{
    int64_t *times = NULL;
    rag_pending_item *rows = NULL;
    if (!numbers_take(created_at, b->count, 0, "created_at", &times))
        return NULL;
    if (contents && contents != Py_None && !texts_take(contents, "contents", texts))
        goto cleanup;
    if (texts->slices && texts->count != b->count) {
        PyErr_Format(PyExc_ValueError, "contents: %zu for %zu rows", texts->count, b->count);
        goto cleanup;
    }
    rows = array_new(b->count, sizeof *rows);
    for (size_t i = 0; rows && i < b->count; i++) {
        rows[i].id = b->keys[i];
        rows[i].value = b->values[i];
        rows[i].created_at = times[i];
        if (texts->slices)
            rows[i].content = texts->slices[i];
    }
cleanup:
    PyMem_Free(times);
    return rows;
}

static PyObject *vector_defer(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "name",     "ids",        "values",
                                         "contents", "created_at", CALL_NAMES };
    call c = CALL_INIT;
    PyObject *ids, *values, *contents = NULL, *created_at = NULL;
    if (take_arguments(args, kwargs, "sOO|OO$" CALL_FORMAT ":vector_defer", names, &c.name, &ids,
                       &values, &contents, &created_at, CALL_ARGUMENTS(&c)) &&
        batch_take_lists(ids, values, "vector", &c.batch) &&
        (c.rows = deferred_rows(&c.batch, contents, created_at, &c.texts)) &&
        call_begin(&c, object))
        CALL(&c, rag_vector_defer_many(c.store, &c.ctx, c.name, c.rows, c.batch.count, &c.number,
                                       &c.err));
    return end_number(&c);
}

static PyObject *vector_defer_delete(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "name", "ids", CALL_NAMES };
    call c = CALL_INIT;
    PyObject *ids;
    if (take_arguments(args, kwargs, "sO|$" CALL_FORMAT ":vector_defer_delete", names, &c.name,
                       &ids, CALL_ARGUMENTS(&c)) &&
        texts_take(ids, "ids", &c.texts) && call_begin(&c, object))
        CALL(&c, rag_vector_defer_delete(c.store, &c.ctx, c.name, c.texts.slices, c.texts.count,
                                         &c.number, &c.err));
    return end_number(&c);
}

/* ---- the embedder ---------------------------------------------------------------------------------------- */

struct embedder {
    const store_object *store;
    PyObject *function;
    PyObject *raised[3]; /* by the newest call that failed; under the interpreter's lock */
};

/* The store whose embedder runs in this thread: close() there would wait for the call that it is in. */
static _Thread_local const store_object *embedding_for;

int is_embedding_for(const store_object *store)
{
    return embedding_for == store;
}

static PyObject *texts_object(const rag_slice *texts, size_t n)
{
    PyObject *list = PyList_New((Py_ssize_t)n);
    for (size_t i = 0; list && i < n; i++) {
        PyObject *text = text_object(texts[i]);
        if (!text || PyList_SetItem(list, (Py_ssize_t)i, text) != 0)
            Py_CLEAR(list);
    }
    return list;
}

/* Is it safe and sensible to try again? Leaves the exception set. */
static int may_retry(PyObject *type, PyObject *value)
{
    if (PyErr_GivenExceptionMatches(type, PyExc_ConnectionError) ||
        PyErr_GivenExceptionMatches(type, PyExc_TimeoutError))
        return 1;
    /* interned: the interpreter keeps each new string that it looked up in a type */
    PyObject *name = PyUnicode_InternFromString("retryable");
    PyObject *retryable = name && value ? PyObject_GetAttr(value, name) : NULL;
    const int may = retryable && PyObject_IsTrue(retryable) == 1;
    Py_XDECREF(retryable);
    Py_XDECREF(name);
    PyErr_Clear();
    return may;
}

/* Keep what was raised, and tell the library. */
static rag_status fail_embedding(struct embedder *e, rag_error *err)
{
    for (int i = 0; i < 3; i++)
        Py_CLEAR(e->raised[i]);
    PyErr_Fetch(&e->raised[0], &e->raised[1], &e->raised[2]);
    PyErr_NormalizeException(&e->raised[0], &e->raised[1], &e->raised[2]);
    const rag_error failed = RAG_ERROR_INIT;
    *err = failed;
    err->status = RAG_E_CONNECTION;
    err->retryable = may_retry(e->raised[0], e->raised[1]);
    (void)PyOS_snprintf(err->message, sizeof err->message, "the embedder failed");
    return RAG_E_CONNECTION;
}

static int take_vectors(PyObject *answer, size_t n, size_t dimension, float *out)
{
    vectors v = VECTORS_INIT;
    int done = vectors_take(answer, &v);
    if (done && (v.rows != n || (n && v.dimension != dimension))) {
        PyErr_Format(PyExc_ValueError,
                     "the embedder answered %zu vectors of %zu numbers for %zu texts; want %zu "
                     "numbers each",
                     v.rows, v.dimension, n, dimension);
        done = 0;
    }
    if (done)
        memcpy(out, v.data, n * dimension * sizeof *out);
    vectors_drop(&v);
    return done;
}

static rag_status embed(void *user, const rag_slice *texts, size_t n, size_t dimension, float *out,
                        rag_error *err)
{
    struct embedder *e = user;
    const PyGILState_STATE state = PyGILState_Ensure();
    const store_object *const before = embedding_for;
    embedding_for = e->store;
    PyObject *list = texts_object(texts, n);
    PyObject *answer = list ? PyObject_CallFunctionObjArgs(e->function, list, NULL) : NULL;
    rag_status status = RAG_OK;
    if (!answer || !take_vectors(answer, n, dimension, out))
        status = fail_embedding(e, err);
    Py_XDECREF(list);
    Py_XDECREF(answer);
    embedding_for = before;
    PyGILState_Release(state);
    return status;
}

/* ---- flushing -------------------------------------------------------------------------------------------- */

static PyObject *figures_object(const rag_flush_figures *f)
{
    return Py_BuildValue("{s:K,s:K,s:K,s:K,s:K}", "embedded", (unsigned long long)f->embedded,
                         "stored", (unsigned long long)f->stored, "deleted",
                         (unsigned long long)f->deleted, "batches", (unsigned long long)f->batches,
                         "retries", (unsigned long long)f->retries);
}

/* Let go of what an embedder raised, or raise it instead of the library's word for it. */
static int end_flush(call *c, struct embedder *e)
{
    const int is_ours = c->status == RAG_E_CONNECTION && e->raised[0] && !c->raised[0];
    if (!is_ours) {
        for (int i = 0; i < 3; i++)
            Py_CLEAR(e->raised[i]);
        return call_end(c);
    }
    memcpy(c->raised, e->raised, sizeof c->raised);
    return call_end(c);
}

static int take_embedder(struct embedder *e, rag_embedder *how, Py_ssize_t counts[3],
                         double backoff)
{
    if (!PyCallable_Check(e->function)) {
        PyErr_SetString(PyExc_TypeError, "embed must be callable");
        return 0;
    }
    if (!take_size(counts[0], "batch") || !take_size(counts[1], "concurrency") ||
        !take_size(counts[2], "attempts"))
        return 0;
    if (!(backoff >= 0 && backoff < 1e6)) {
        PyErr_SetString(PyExc_ValueError, "backoff must be a number of seconds, not negative");
        return 0;
    }
    how->embed = embed;
    how->user = e;
    how->batch = (size_t)counts[0];
    how->concurrency = counts[1] < 1000 ? (unsigned)counts[1] : 1000;
    how->attempts = counts[2] < 1000000 ? (unsigned)counts[2] : 1000000;
    how->backoff_ms = backoff > 0 && backoff < 0.001 ? 1 : (unsigned)(backoff * 1000);
    return 1;
}

static PyObject *vector_flush(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "name",     "embed",   "batch",   "concurrency",
                                         "attempts", "backoff", CALL_NAMES };
    call c = CALL_INIT;
    Py_ssize_t counts[3] = { 10, 1, 3 };
    double backoff = 1.0;
    struct embedder e = { (store_object *)object, NULL, { NULL, NULL, NULL } };
    rag_embedder how = RAG_EMBEDDER_INIT;
    rag_flush_figures figures = { .struct_size = sizeof figures };
    call_watch_signals(&c);
    if (take_arguments(args, kwargs, "sO|$nnnd" CALL_FORMAT ":vector_flush", names, &c.name,
                       &e.function, &counts[0], &counts[1], &counts[2], &backoff,
                       CALL_ARGUMENTS(&c)) &&
        take_embedder(&e, &how, counts, backoff) && call_begin(&c, object))
        CALL(&c, rag_vector_flush(c.store, &c.ctx, c.name, &how, &figures, &c.err));
    return end_flush(&c, &e) ? figures_object(&figures) : NULL;
}

/* ---- the same in steps ------------------------------------------------------------------------------------ */

static PyObject *row_pending(reading *r, const rag_row *row)
{
    PyObject *id = text_object(row->key);
    PyObject *value = !id ? NULL : row->found ? row_json(r, row) : Py_NewRef(Py_None);
    PyObject *text = value ? text_object(row->key2) : NULL;
    PyObject *answer = NULL;
    if (text)
        answer = Py_BuildValue("(OOOLO)", id, value, text, (long long)row->number,
                               row->vector ? Py_True : Py_False);
    Py_XDECREF(id);
    Py_XDECREF(value);
    Py_XDECREF(text);
    return answer;
}

static PyObject *vector_pending(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "name", "after", "limit", CALL_NAMES };
    call c = CALL_INIT;
    if (take_arguments(args, kwargs, "s|" PAGE_FORMAT "$" CALL_FORMAT ":vector_pending", names,
                       &c.name, PAGE_ARGUMENTS(&c.page), CALL_ARGUMENTS(&c)) &&
        page_take(&c.page) && call_begin(&c, object))
        CALL(&c, rag_vector_pending(c.store, &c.ctx, c.name, c.page.after, c.page.limit, &c.result,
                                    &c.err));
    return end_page(&c, row_pending);
}

/* `vectors` None: each row is a deferred delete that is carried out. */
static rag_pending_vector *resolved_rows(const text_list *ids, PyObject *marks, PyObject *numbers,
                                         vectors *v)
{
    int64_t *list = NULL;
    rag_pending_vector *rows = NULL;
    if (!numbers_take(marks, ids->count, 0, "marks", &list))
        return NULL;
    if (numbers != Py_None && !vectors_take(numbers, v))
        goto cleanup;
    if (numbers != Py_None && v->rows != ids->count) {
        PyErr_Format(PyExc_ValueError, "%zu ids and %zu vectors", ids->count, v->rows);
        goto cleanup;
    }
    rows = array_new(ids->count, sizeof *rows);
    for (size_t i = 0; rows && i < ids->count; i++) {
        rows[i].id = ids->slices[i];
        rows[i].mark = list[i];
        rows[i].vector = v->data ? v->data + i * v->dimension : NULL;
        rows[i].dimension = v->dimension;
    }
cleanup:
    PyMem_Free(list);
    return rows;
}

static PyObject *vector_resolve(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "name", "ids", "marks", "vectors", "keep", CALL_NAMES };
    call c = CALL_INIT;
    PyObject *ids, *marks, *numbers;
    int keep = 0;
    if (take_arguments(args, kwargs, "sOOO|$p" CALL_FORMAT ":vector_resolve", names, &c.name, &ids,
                       &marks, &numbers, &keep, CALL_ARGUMENTS(&c)) &&
        texts_take(ids, "ids", &c.texts) &&
        (c.rows = resolved_rows(&c.texts, marks, numbers, &c.vectors)) && call_begin(&c, object))
        CALL(&c, rag_vector_resolve(c.store, &c.ctx, c.name, c.rows, c.texts.count, keep, &c.number,
                                    NULL, &c.err));
    return end_number(&c);
}

static PyObject *vector_drop_pending(PyObject *object, PyObject *args, PyObject *kwargs)
{
    return run_count(object, args, kwargs, "s|$" CALL_FORMAT ":vector_drop_pending",
                     rag_vector_drop_pending);
}

PyMethodDef pending_methods[] = {
    METHOD("vector_defer", vector_defer, "Leave rows to be embedded by a flush."),
    METHOD("vector_defer_delete", vector_defer_delete, "Leave deletes to the flush."),
    METHOD("vector_flush", vector_flush, "Embed what is pending and store it; answers figures."),
    METHOD("vector_pending", vector_pending, "A page of what waits, and where to go on."),
    METHOD("vector_resolve", vector_resolve, "Store or remember vectors of pending rows."),
    METHOD("vector_drop_pending", vector_drop_pending, "Discard this handle's pending rows."),
    { NULL, NULL, 0, NULL },
};
