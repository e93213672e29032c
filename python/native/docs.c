/* Methods of docstatus.h.
 *
 * Rows are dicts, positions of sweeps and scans are bytes that mean something to the library only.
 * Enumerations of the header are texts here: the sorting of pages and what to find by; anything else
 * is a ValueError that names the choices. */
#include "native.h"

#include <string.h>

/* ---- rows by id ---------------------------------------------------------------------------------------- */

static PyObject *docs_put(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "docs", CALL_NAMES };
    store_object *self = (store_object *)object;
    call c = CALL_INIT;
    PyObject *docs, *answer = NULL;
    batch b = BATCH_INIT;
    rag_doc *rows = NULL;
    rag_token token = 0;
    if (!take_arguments(args, kwargs, "O|$" CALL_FORMAT ":docs_put", names, &docs,
                        CALL_ARGUMENTS(&c)) ||
        !batch_take(docs, "document", &b) || !(rows = docs_of(&b)) || !call_begin(&c, self))
        goto cleanup;
    CALL(&c, rag_docstatus_put_many(self->store, &c.ctx, rows, b.count, &token, &c.err));
    if (call_end(&c))
        answer = PyLong_FromUnsignedLongLong(token);
cleanup:
    PyMem_Free(rows);
    batch_drop(&b);
    return answer;
}

static PyObject *docs_update(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "changes", "missing_ok", CALL_NAMES };
    store_object *self = (store_object *)object;
    call c = CALL_INIT;
    PyObject *changes, *answer = NULL;
    int missing_ok = 0;
    batch b = BATCH_INIT;
    rag_doc *rows = NULL;
    rag_token token = 0;
    if (!take_arguments(args, kwargs, "O|$p" CALL_FORMAT ":docs_update", names, &changes,
                        &missing_ok, CALL_ARGUMENTS(&c)) ||
        !batch_take(changes, "document", &b) || !(rows = docs_of(&b)) || !call_begin(&c, self))
        goto cleanup;
    CALL(&c,
         rag_docstatus_update_many(self->store, &c.ctx, rows, b.count, missing_ok, &token, &c.err));
    if (call_end(&c))
        answer = PyLong_FromUnsignedLongLong(token);
cleanup:
    PyMem_Free(rows);
    batch_drop(&b);
    return answer;
}

static PyObject *docs_get(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "ids", CALL_NAMES };
    store_object *self = (store_object *)object;
    call c = CALL_INIT;
    PyObject *ids, *answer = NULL;
    text_list list = TEXT_LIST_INIT;
    rag_result *result = NULL;
    if (!take_arguments(args, kwargs, "O|$" CALL_FORMAT ":docs_get", names, &ids,
                        CALL_ARGUMENTS(&c)) ||
        !texts_take(ids, "ids", &list) || !call_begin(&c, self))
        goto cleanup;
    CALL(&c, rag_docstatus_get_many(self->store, &c.ctx, list.slices, list.count, &result, &c.err));
    if (call_end(&c))
        answer = answer_list(self->state, result, row_value);
cleanup:
    rag_result_free(result);
    texts_drop(&list);
    return answer;
}

static PyObject *docs_records(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "ids", "full", "strict", CALL_NAMES };
    store_object *self = (store_object *)object;
    call c = CALL_INIT;
    PyObject *ids, *answer = NULL;
    int full = 0, strict = 0;
    text_list list = TEXT_LIST_INIT;
    rag_result *result = NULL;
    if (!take_arguments(args, kwargs, "O|$pp" CALL_FORMAT ":docs_records", names, &ids, &full,
                        &strict, CALL_ARGUMENTS(&c)) ||
        !texts_take(ids, "ids", &list) || !call_begin(&c, self))
        goto cleanup;
    CALL(&c,
         rag_docstatus_read_many(self->store, &c.ctx, list.slices, list.count,
                                 full ? RAG_DOC_FULL : RAG_DOC_RECORD, strict, &result, &c.err));
    if (call_end(&c))
        answer = answer_list(self->state, result, row_value);
cleanup:
    rag_result_free(result);
    texts_drop(&list);
    return answer;
}

static PyObject *docs_delete(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "ids", CALL_NAMES };
    store_object *self = (store_object *)object;
    call c = CALL_INIT;
    PyObject *ids, *answer = NULL;
    text_list list = TEXT_LIST_INIT;
    uint64_t deleted = 0;
    if (!take_arguments(args, kwargs, "O|$" CALL_FORMAT ":docs_delete", names, &ids,
                        CALL_ARGUMENTS(&c)) ||
        !texts_take(ids, "ids", &list) || !call_begin(&c, self))
        goto cleanup;
    CALL(&c, rag_docstatus_delete_many(self->store, &c.ctx, list.slices, list.count, &deleted, NULL,
                                       &c.err));
    if (call_end(&c))
        answer = PyLong_FromUnsignedLongLong(deleted);
cleanup:
    texts_drop(&list);
    return answer;
}

/* ---- lists ---------------------------------------------------------------------------------------------- */

/* (list, total) */
static PyObject *answer_total(native_state *state, const rag_result *result, row_object make)
{
    PyObject *list = answer_list(state, result, make);
    PyObject *answer =
        list ? Py_BuildValue("(OK)", list, (unsigned long long)rag_result_total(result)) : NULL;
    Py_XDECREF(list);
    return answer;
}

static PyObject *counts_answer(const rag_result *result)
{
    PyObject *counts = PyDict_New();
    for (size_t i = 0; counts && i < rag_result_count(result); i++) {
        const rag_row *row = rag_result_row(result, i);
        PyObject *status = text_object(row->key);
        PyObject *number = PyLong_FromLongLong(row->number);
        if (!status || !number || PyDict_SetItem(counts, status, number) != 0)
            Py_CLEAR(counts);
        Py_XDECREF(status);
        Py_XDECREF(number);
    }
    PyObject *answer =
        counts ? Py_BuildValue("(OK)", counts, (unsigned long long)rag_result_total(result)) : NULL;
    Py_XDECREF(counts);
    return answer;
}

static PyObject *docs_counts(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { CALL_NAMES };
    store_object *self = (store_object *)object;
    call c = CALL_INIT;
    rag_result *result = NULL;
    if (!take_arguments(args, kwargs, "|$" CALL_FORMAT ":docs_counts", names, CALL_ARGUMENTS(&c)) ||
        !call_begin(&c, self))
        return NULL;
    CALL(&c, rag_docstatus_counts(self->store, &c.ctx, &result, &c.err));
    PyObject *answer = call_end(&c) ? counts_answer(result) : NULL;
    rag_result_free(result);
    return answer;
}

static PyObject *docs_count(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "statuses", CALL_NAMES };
    store_object *self = (store_object *)object;
    call c = CALL_INIT;
    PyObject *statuses, *answer = NULL;
    name_list list = NAME_LIST_INIT;
    uint64_t count = 0;
    if (!take_arguments(args, kwargs, "O|$" CALL_FORMAT ":docs_count", names, &statuses,
                        CALL_ARGUMENTS(&c)) ||
        !names_take(statuses, "statuses", &list) || !call_begin(&c, self))
        goto cleanup;
    CALL(&c, rag_docstatus_count(self->store, &c.ctx, list.names, list.count, &count, &c.err));
    if (call_end(&c))
        answer = PyLong_FromUnsignedLongLong(count);
cleanup:
    names_drop(&list);
    return answer;
}

static int take_sort(const char *text, rag_doc_sort *out)
{
    static const char *const names[] = { "updated_at", "created_at", "id", "file_path" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(text, names[i]) == 0) {
            *out = (rag_doc_sort)i;
            return 1;
        }
    PyErr_Format(PyExc_ValueError, "sort is '%.100s': want updated_at, created_at, id or file_path",
                 text);
    return 0;
}

static PyObject *docs_page(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "statuses", "page",      "page_size",
                                         "sort",     "ascending", CALL_NAMES };
    store_object *self = (store_object *)object;
    call c = CALL_INIT;
    PyObject *statuses = NULL, *answer = NULL;
    Py_ssize_t number = 1, size = 50;
    const char *sort = "updated_at";
    name_list list = NAME_LIST_INIT;
    rag_doc_page page = RAG_DOC_PAGE_INIT;
    rag_result *result = NULL;
    if (!take_arguments(args, kwargs, "|Onnsp$" CALL_FORMAT ":docs_page", names, &statuses, &number,
                        &size, &sort, &page.ascending, CALL_ARGUMENTS(&c)) ||
        !take_sort(sort, &page.sort) || (statuses && !names_take(statuses, "statuses", &list)) ||
        !call_begin(&c, self))
        goto cleanup;
    page.statuses = list.names;
    page.status_count = list.count;
    page.page = number > 0 ? (size_t)number : 1;
    page.page_size = size > 0 ? (size_t)size : 1; /* the library brings it to its least */
    CALL(&c, rag_docstatus_page(self->store, &c.ctx, &page, &result, &c.err));
    if (call_end(&c))
        answer = answer_total(self->state, result, row_pair);
cleanup:
    rag_result_free(result);
    names_drop(&list);
    return answer;
}

static PyObject *docs_scan(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "after", "limit", CALL_NAMES };
    store_object *self = (store_object *)object;
    call c = CALL_INIT;
    page_position page = PAGE_POSITION_INIT;
    rag_result *result = NULL;
    if (!take_arguments(args, kwargs, "|" PAGE_FORMAT "$" CALL_FORMAT ":docs_scan", names,
                        PAGE_ARGUMENTS(&page), CALL_ARGUMENTS(&c)) ||
        !page_take(&page) || !call_begin(&c, self))
        return NULL;
    CALL(&c, rag_docstatus_scan(self->store, &c.ctx, page.after, page.limit, &result, &c.err));
    PyObject *answer = call_end(&c) ? answer_page(self->state, result, row_pair) : NULL;
    rag_result_free(result);
    return answer;
}

static PyObject *docs_sweep(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {
        "statuses", "after", "limit", "full", "strict", CALL_NAMES
    };
    store_object *self = (store_object *)object;
    call c = CALL_INIT;
    PyObject *statuses, *answer = NULL;
    page_position page = PAGE_POSITION_INIT;
    int full = 0, strict = 0;
    name_list list = NAME_LIST_INIT;
    rag_doc_sweep sweep = RAG_DOC_SWEEP_INIT;
    rag_result *result = NULL;
    page.rows = 1000;
    if (!take_arguments(args, kwargs, "O|" PAGE_FORMAT "$pp" CALL_FORMAT ":docs_sweep", names,
                        &statuses, PAGE_ARGUMENTS(&page), &full, &strict, CALL_ARGUMENTS(&c)) ||
        !page_take(&page) || !names_take(statuses, "statuses", &list) || !call_begin(&c, self))
        goto cleanup;
    sweep.statuses = list.names;
    sweep.status_count = list.count;
    sweep.after = page.after;
    sweep.limit = page.limit;
    sweep.what = full ? RAG_DOC_FULL : RAG_DOC_RECORD;
    sweep.strict = strict;
    CALL(&c, rag_docstatus_sweep(self->store, &c.ctx, &sweep, &result, &c.err));
    if (call_end(&c))
        answer = answer_page(self->state, result, row_pair);
cleanup:
    rag_result_free(result);
    names_drop(&list);
    return answer;
}

/* ---- finding ---------------------------------------------------------------------------------------------- */

static int take_by(const char *text, rag_doc_by *out)
{
    static const char *const names[] = { "track_id", "file_path", "content_hash" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(text, names[i]) == 0) {
            *out = (rag_doc_by)(i + 1);
            return 1;
        }
    PyErr_Format(PyExc_ValueError, "by is '%.100s': want track_id, file_path or content_hash",
                 text);
    return 0;
}

static PyObject *docs_find(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "by",    "text",  "primaries_only", "exclude",
                                         "after", "limit", CALL_NAMES };
    store_object *self = (store_object *)object;
    call c = CALL_INIT;
    const char *by;
    PyObject *text, *exclude = NULL;
    page_position page = PAGE_POSITION_INIT;
    rag_doc_query query = RAG_DOC_QUERY_INIT;
    rag_result *result = NULL;
    if (!take_arguments(args, kwargs, "sO|$pO" PAGE_FORMAT CALL_FORMAT ":docs_find", names, &by,
                        &text, &query.primaries_only, &exclude, PAGE_ARGUMENTS(&page),
                        CALL_ARGUMENTS(&c)) ||
        !take_by(by, &query.by) || !text_slice(text, "text", &query.text) ||
        (exclude && !text_slice(exclude, "exclude", &query.exclude_id)) || !page_take(&page) ||
        !call_begin(&c, self))
        return NULL;
    query.after = page.after;
    query.limit = page.limit;
    CALL(&c, rag_docstatus_find(self->store, &c.ctx, &query, &result, &c.err));
    PyObject *answer = call_end(&c) ? answer_page(self->state, result, row_pair) : NULL;
    rag_result_free(result);
    return answer;
}

static PyObject *docs_resolve(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "source", CALL_NAMES };
    store_object *self = (store_object *)object;
    call c = CALL_INIT;
    PyObject *text;
    rag_slice source;
    rag_result *result = NULL;
    if (!take_arguments(args, kwargs, "O|$" CALL_FORMAT ":docs_resolve", names, &text,
                        CALL_ARGUMENTS(&c)) ||
        !text_slice(text, "source", &source) || !call_begin(&c, self))
        return NULL;
    CALL(&c, rag_docstatus_resolve(self->store, &c.ctx, source, &result, &c.err));
    PyObject *answer = call_end(&c) ? answer_total(self->state, result, row_pair) : NULL;
    rag_result_free(result);
    return answer;
}

static PyObject *docs_conflicts(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "after", "limit", CALL_NAMES };
    store_object *self = (store_object *)object;
    call c = CALL_INIT;
    page_position page = PAGE_POSITION_INIT;
    rag_result *result = NULL;
    if (!take_arguments(args, kwargs, "|" PAGE_FORMAT "$" CALL_FORMAT ":docs_conflicts", names,
                        PAGE_ARGUMENTS(&page), CALL_ARGUMENTS(&c)) ||
        !page_take(&page) || !call_begin(&c, self))
        return NULL;
    CALL(&c, rag_docstatus_conflicts(self->store, &c.ctx, page.after, page.limit, &result, &c.err));
    PyObject *answer = call_end(&c) ? answer_page(self->state, result, row_ranked_value) : NULL;
    rag_result_free(result);
    return answer;
}

/* The one row of a repair as a dict. */
static PyObject *repair_answer(native_state *state, const rag_result *result)
{
    const rag_row *row = rag_result_row(result, 0);
    reading r = { .state = state };
    PyObject *object = row ? row_json(&r, row) : PyDict_New();
    reading_end(&r);
    if (object && row &&
        !(member_put(object, "source", text_object(row->key)) &&
          member_put(object, "primary", text_object(row->key2)) &&
          member_put(object, "count", PyLong_FromLongLong(row->number)) &&
          member_put(object, "done", PyBool_FromLong(row->found))))
        Py_CLEAR(object);
    return object;
}

static PyObject *docs_repair(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "source",         "primary",
                                         "expected_count", "expected_fingerprint",
                                         "dry_run",        CALL_NAMES };
    store_object *self = (store_object *)object;
    call c = CALL_INIT;
    PyObject *source, *primary;
    Py_ssize_t expected;
    rag_doc_repair repair = RAG_DOC_REPAIR_INIT;
    rag_result *result = NULL;
    if (!take_arguments(args, kwargs, "OOnz|$p" CALL_FORMAT ":docs_repair", names, &source,
                        &primary, &expected, &repair.expected_fingerprint, &repair.dry_run,
                        CALL_ARGUMENTS(&c)) ||
        !text_slice(source, "source", &repair.source) ||
        !text_slice(primary, "primary", &repair.primary_id) ||
        !take_size(expected, "expected_count") || !call_begin(&c, self))
        return NULL;
    repair.expected_count = (uint64_t)expected;
    CALL(&c, rag_docstatus_repair(self->store, &c.ctx, &repair, &result, &c.err));
    PyObject *answer = call_end(&c) ? repair_answer(self->state, result) : NULL;
    rag_result_free(result);
    return answer;
}

static PyObject *docs_drop(PyObject *object, PyObject *args, PyObject *kwargs)
{
    return run_plain(object, args, kwargs, "|$" CALL_FORMAT ":docs_drop", rag_docstatus_drop);
}

PyMethodDef docs_methods[] = {
    METHOD("docs_put", docs_put, "Put rows, all or none, durably."),
    METHOD("docs_get", docs_get, "Rows by id; None where there is none."),
    METHOD("docs_delete", docs_delete, "Delete rows; answers how many there were."),
    METHOD("docs_counts", docs_counts, "({status: documents}, documents)"),
    METHOD("docs_page", docs_page, "A page of (id, row), and how many there are in all."),
    METHOD("docs_scan", docs_scan, "A page of (id, row) in order of id, and where to go on."),
    METHOD("docs_sweep", docs_sweep, "A page of documents in these statuses, the oldest first."),
    METHOD("docs_records", docs_records, "Rows as a scheduler needs them; None where unusable."),
    METHOD("docs_count", docs_count, "How many documents are in one of these statuses."),
    METHOD("docs_find", docs_find, "A page of the rows that have this track id, path or hash."),
    METHOD("docs_update", docs_update, "Change members of rows, all or none."),
    METHOD("docs_resolve", docs_resolve, "The primary documents of a file, and how many."),
    METHOD("docs_conflicts", docs_conflicts, "A page of files with several primary documents."),
    METHOD("docs_repair", docs_repair, "Make all primaries of a file but one its duplicates."),
    METHOD("docs_drop", docs_drop, "Delete all rows, durably."),
    { NULL, NULL, 0, NULL },
};
