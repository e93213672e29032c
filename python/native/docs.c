/* Methods of docstatus.h.
 *
 * Rows are dicts, positions of sweeps and scans are bytes that mean something to the library only.
 * Enumerations of the header are texts here: the sorting of pages and what to find by; anything else
 * is a ValueError that names the choices. */
#include "native.h"

/* ---- rows by id ---------------------------------------------------------------------------------------- */

static PyObject *docs_put(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "docs", CALL_NAMES };
    call c = CALL_INIT;
    PyObject *docs;
    if (take_arguments(args, kwargs, "O|$" CALL_FORMAT ":docs_put", names, &docs,
                       CALL_ARGUMENTS(&c)) &&
        batch_take(docs, "document", &c.batch) && (c.rows = docs_of(&c.batch)) &&
        call_begin(&c, object))
        CALL(&c, rag_docstatus_put_many(c.store, &c.ctx, c.rows, c.batch.count, &c.number, &c.err));
    return end_number(&c);
}

static PyObject *docs_update(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "changes", "missing_ok", CALL_NAMES };
    call c = CALL_INIT;
    PyObject *changes;
    int missing_ok = 0;
    if (take_arguments(args, kwargs, "O|$p" CALL_FORMAT ":docs_update", names, &changes,
                       &missing_ok, CALL_ARGUMENTS(&c)) &&
        batch_take(changes, "document", &c.batch) && (c.rows = docs_of(&c.batch)) &&
        call_begin(&c, object))
        CALL(&c, rag_docstatus_update_many(c.store, &c.ctx, c.rows, c.batch.count, missing_ok,
                                           &c.number, &c.err));
    return end_number(&c);
}

static PyObject *docs_get(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "ids", CALL_NAMES };
    call c = CALL_INIT;
    PyObject *ids;
    if (take_arguments(args, kwargs, "O|$" CALL_FORMAT ":docs_get", names, &ids,
                       CALL_ARGUMENTS(&c)) &&
        texts_take(ids, "ids", &c.texts) && call_begin(&c, object))
        CALL(&c, rag_docstatus_get_many(c.store, &c.ctx, c.texts.slices, c.texts.count, &c.result,
                                        &c.err));
    return end_list(&c, row_value);
}

static PyObject *docs_records(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "ids", "full", "strict", CALL_NAMES };
    call c = CALL_INIT;
    PyObject *ids;
    int full = 0, strict = 0;
    if (take_arguments(args, kwargs, "O|$pp" CALL_FORMAT ":docs_records", names, &ids, &full,
                       &strict, CALL_ARGUMENTS(&c)) &&
        texts_take(ids, "ids", &c.texts) && call_begin(&c, object))
        CALL(&c, rag_docstatus_read_many(c.store, &c.ctx, c.texts.slices, c.texts.count,
                                         full ? RAG_DOC_FULL : RAG_DOC_RECORD, strict, &c.result,
                                         &c.err));
    return end_list(&c, row_value);
}

static PyObject *docs_delete(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "ids", CALL_NAMES };
    return run_delete(object, args, kwargs, "O|$" CALL_FORMAT ":docs_delete", names,
                      rag_docstatus_delete_many);
}

/* ---- lists ---------------------------------------------------------------------------------------------- */

/* (what was made of the rows, total); takes it over, and NULL as a failure. */
static PyObject *with_total(PyObject *made, const rag_result *result)
{
    return made ? Py_BuildValue("(NK)", made, (unsigned long long)rag_result_total(result)) : NULL;
}

static PyObject *pairs_and_total(const call *c)
{
    return with_total(answer_list(c->state, c->result, row_pair), c->result);
}

static PyObject *counts_and_total(const call *c)
{
    PyObject *counts = PyDict_New();
    for (size_t i = 0; counts && i < rag_result_count(c->result); i++) {
        const rag_row *row = rag_result_row(c->result, i);
        PyObject *status = text_object(row->key);
        PyObject *number = PyLong_FromLongLong(row->number);
        if (!status || !number || PyDict_SetItem(counts, status, number) != 0)
            Py_CLEAR(counts);
        Py_XDECREF(status);
        Py_XDECREF(number);
    }
    return with_total(counts, c->result);
}

static PyObject *docs_counts(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { CALL_NAMES };
    call c = CALL_INIT;
    if (take_arguments(args, kwargs, "|$" CALL_FORMAT ":docs_counts", names, CALL_ARGUMENTS(&c)) &&
        call_begin(&c, object))
        CALL(&c, rag_docstatus_counts(c.store, &c.ctx, &c.result, &c.err));
    return end_with(&c, counts_and_total);
}

static PyObject *docs_count(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "statuses", CALL_NAMES };
    call c = CALL_INIT;
    PyObject *statuses;
    if (take_arguments(args, kwargs, "O|$" CALL_FORMAT ":docs_count", names, &statuses,
                       CALL_ARGUMENTS(&c)) &&
        names_take(statuses, "statuses", &c.names) && call_begin(&c, object))
        CALL(&c,
             rag_docstatus_count(c.store, &c.ctx, c.names.names, c.names.count, &c.number, &c.err));
    return end_number(&c);
}

static int take_sort(const char *text, rag_doc_sort *out)
{
    static const char *const names[] = { "updated_at", "created_at", "id", "file_path", NULL };
    const int sort = take_choice(text, "sort", names);
    *out = (rag_doc_sort)(sort < 0 ? 0 : sort);
    return sort >= 0;
}

static PyObject *docs_page(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "statuses", "page",      "page_size",
                                         "sort",     "ascending", CALL_NAMES };
    call c = CALL_INIT;
    PyObject *statuses = NULL;
    Py_ssize_t number = 1, size = 50;
    const char *sort = "updated_at";
    rag_doc_page page = RAG_DOC_PAGE_INIT;
    if (take_arguments(args, kwargs, "|Onnsp$" CALL_FORMAT ":docs_page", names, &statuses, &number,
                       &size, &sort, &page.ascending, CALL_ARGUMENTS(&c)) &&
        take_sort(sort, &page.sort) && (!statuses || names_take(statuses, "statuses", &c.names)) &&
        call_begin(&c, object)) {
        page.statuses = c.names.names;
        page.status_count = c.names.count;
        page.page = number > 0 ? (size_t)number : 1;
        page.page_size = size > 0 ? (size_t)size : 1; /* the library brings it to its least */
        CALL(&c, rag_docstatus_page(c.store, &c.ctx, &page, &c.result, &c.err));
    }
    return end_with(&c, pairs_and_total);
}

typedef rag_status (*scan_call)(rag_store *store, const rag_context *ctx, rag_slice after,
                                size_t limit, rag_result **out, rag_error *err);

static PyObject *scan(PyObject *object, PyObject *args, PyObject *kwargs, const char *format,
                      scan_call function, row_object make)
{
    static const char *const names[] = { "after", "limit", CALL_NAMES };
    call c = CALL_INIT;
    if (take_arguments(args, kwargs, format, names, PAGE_ARGUMENTS(&c.page), CALL_ARGUMENTS(&c)) &&
        page_take(&c.page) && call_begin(&c, object))
        CALL(&c, function(c.store, &c.ctx, c.page.after, c.page.limit, &c.result, &c.err));
    return end_page(&c, make);
}

static PyObject *docs_scan(PyObject *object, PyObject *args, PyObject *kwargs)
{
    return scan(object, args, kwargs, "|" PAGE_FORMAT "$" CALL_FORMAT ":docs_scan",
                rag_docstatus_scan, row_pair);
}

static PyObject *docs_sweep(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {
        "statuses", "after", "limit", "full", "strict", CALL_NAMES
    };
    call c = CALL_INIT;
    PyObject *statuses;
    int full = 0;
    rag_doc_sweep sweep = RAG_DOC_SWEEP_INIT;
    c.page.rows = 1000;
    if (take_arguments(args, kwargs, "O|" PAGE_FORMAT "$pp" CALL_FORMAT ":docs_sweep", names,
                       &statuses, PAGE_ARGUMENTS(&c.page), &full, &sweep.strict,
                       CALL_ARGUMENTS(&c)) &&
        page_take(&c.page) && names_take(statuses, "statuses", &c.names) &&
        call_begin(&c, object)) {
        sweep.statuses = c.names.names;
        sweep.status_count = c.names.count;
        sweep.after = c.page.after;
        sweep.limit = c.page.limit;
        sweep.what = full ? RAG_DOC_FULL : RAG_DOC_RECORD;
        CALL(&c, rag_docstatus_sweep(c.store, &c.ctx, &sweep, &c.result, &c.err));
    }
    return end_page(&c, row_pair);
}

/* ---- finding ---------------------------------------------------------------------------------------------- */

static int take_by(const char *text, rag_doc_by *out)
{
    static const char *const names[] = { "track_id", "file_path", "content_hash", NULL };
    const int by = take_choice(text, "by", names);
    *out = (rag_doc_by)(by + 1);
    return by >= 0;
}

static PyObject *docs_find(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "by",    "text",  "primaries_only", "exclude",
                                         "after", "limit", CALL_NAMES };
    call c = CALL_INIT;
    const char *by;
    PyObject *text, *exclude = NULL;
    rag_doc_query query = RAG_DOC_QUERY_INIT;
    if (take_arguments(args, kwargs, "sO|$pO" PAGE_FORMAT CALL_FORMAT ":docs_find", names, &by,
                       &text, &query.primaries_only, &exclude, PAGE_ARGUMENTS(&c.page),
                       CALL_ARGUMENTS(&c)) &&
        take_by(by, &query.by) && text_slice(text, "text", &query.text) &&
        (!exclude || text_slice(exclude, "exclude", &query.exclude_id)) && page_take(&c.page) &&
        call_begin(&c, object)) {
        query.after = c.page.after;
        query.limit = c.page.limit;
        CALL(&c, rag_docstatus_find(c.store, &c.ctx, &query, &c.result, &c.err));
    }
    return end_page(&c, row_pair);
}

static PyObject *docs_resolve(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "source", CALL_NAMES };
    call c = CALL_INIT;
    PyObject *text;
    rag_slice source;
    if (take_arguments(args, kwargs, "O|$" CALL_FORMAT ":docs_resolve", names, &text,
                       CALL_ARGUMENTS(&c)) &&
        text_slice(text, "source", &source) && call_begin(&c, object))
        CALL(&c, rag_docstatus_resolve(c.store, &c.ctx, source, &c.result, &c.err));
    return end_with(&c, pairs_and_total);
}

static PyObject *docs_conflicts(PyObject *object, PyObject *args, PyObject *kwargs)
{
    return scan(object, args, kwargs, "|" PAGE_FORMAT "$" CALL_FORMAT ":docs_conflicts",
                rag_docstatus_conflicts, row_ranked_value);
}

/* The one row of a repair as a dict. */
static PyObject *repair_answer(const call *c)
{
    const rag_row *row = rag_result_row(c->result, 0);
    reading r = { .state = c->state };
    PyObject *object = row ? row_json(&r, row) : PyDict_New();
    reading_end(&r);
    return row_if(object &&
                      (!row || (member_put(object, "source", text_object(row->key)) &&
                                member_put(object, "primary", text_object(row->key2)) &&
                                member_put(object, "count", PyLong_FromLongLong(row->number)) &&
                                member_put(object, "done", PyBool_FromLong(row->found)))),
                  object);
}

static PyObject *docs_repair(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = { "source",         "primary",
                                         "expected_count", "expected_fingerprint",
                                         "dry_run",        CALL_NAMES };
    call c = CALL_INIT;
    PyObject *source, *primary;
    Py_ssize_t expected;
    rag_doc_repair repair = RAG_DOC_REPAIR_INIT;
    if (take_arguments(args, kwargs, "OOnz|$p" CALL_FORMAT ":docs_repair", names, &source, &primary,
                       &expected, &repair.expected_fingerprint, &repair.dry_run,
                       CALL_ARGUMENTS(&c)) &&
        text_slice(source, "source", &repair.source) &&
        text_slice(primary, "primary", &repair.primary_id) &&
        take_size(expected, "expected_count") && call_begin(&c, object)) {
        repair.expected_count = (uint64_t)expected;
        CALL(&c, rag_docstatus_repair(c.store, &c.ctx, &repair, &c.result, &c.err));
    }
    return end_with(&c, repair_answer);
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
