/* The status of documents: rows by id, and pages and counts over them.
 *
 * The members that pages ask for come from the library, taken out of the row, and are kept beside
 * it. A page looks at every row and sorts those that belong to it, where a backend on disk would use
 * an index; counting does the same by status. Missing members are empty and come first when
 * ascending. Called through memory_docstatus only. */
#include <stdlib.h>
#include <string.h>

#include "state.h"

enum { PART_VALUE = 0, PART_STATUS, PART_CREATED_AT, PART_UPDATED_AT, PART_FILE_PATH };

static rag_status put_docs(struct write *w, const rag_doc_fields *docs, size_t n, rag_error *err)
{
    struct space *space;
    MEMORY_TRY(memory_write_space(w, KIND_DOCS, DOCS_NAME, &space, err));
    for (size_t i = 0; i < n; i++) {
        const rag_doc_fields *doc = &docs[i];
        const rag_slice parts[ROW_PARTS] = {
            [PART_VALUE] = doc->value,           [PART_STATUS] = doc->status,
            [PART_CREATED_AT] = doc->created_at, [PART_UPDATED_AT] = doc->updated_at,
            [PART_FILE_PATH] = doc->file_path,
        };
        MEMORY_TRY(memory_check(w->call, i, err));
        struct row *row = memory_row_new(w->call->host, doc->id, parts, ROW_PARTS, 0);
        if (row)
            row->item.bytes = doc->id.len + doc->value.len;
        MEMORY_TRY(memory_rows_put(w, space, row, err));
    }
    return RAG_OK;
}

static rag_status docs_put_many(const rag_call *call, const rag_doc_fields *docs, size_t n,
                                rag_token *token, rag_error *err)
{
    struct write w;
    MEMORY_TRY(memory_write_begin(call, &w, err));
    return memory_write_end(&w, put_docs(&w, docs, n, err), token, err);
}

static rag_status docs_get_many(const rag_call *call, const rag_slice *ids, size_t n,
                                rag_result *out, rag_error *err)
{
    return memory_rows_get(call, KIND_DOCS, DOCS_NAME, ids, n, ROW_VALUE, out, err);
}

static rag_status docs_delete_many(const rag_call *call, const rag_slice *ids, size_t n,
                                   uint64_t *deleted, rag_token *token, rag_error *err)
{
    return memory_rows_delete(call, KIND_DOCS, DOCS_NAME, ids, n, deleted, token, err);
}

static rag_status docs_scan(const rag_call *call, rag_slice after, size_t limit, rag_result *out,
                            rag_error *err)
{
    return memory_rows_scan(call, KIND_DOCS, DOCS_NAME, after, limit, ROW_VALUE, out, err);
}

static rag_status docs_drop(const rag_call *call, rag_error *err)
{
    static const enum kind kinds[] = { KIND_DOCS };
    return memory_rows_drop(call, kinds, 1, DOCS_NAME, err);
}

/* ---- lists of rows in an order ------------------------------------------------------------------- */

struct entry {
    rag_slice sort; /* compared first; equal ones by id */
    int ignore_case;
    const struct row *row;
};

struct list {
    struct entry *entries;
    size_t count;
};

static unsigned char lower(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c - 'A' + 'a') : c;
}

static int compare_ignoring_case(rag_slice a, rag_slice b)
{
    const unsigned char *x = a.data, *y = b.data;
    for (size_t i = 0; i < a.len && i < b.len; i++)
        if (lower(x[i]) != lower(y[i]))
            return lower(x[i]) < lower(y[i]) ? -1 : 1;
    return (a.len > b.len) - (a.len < b.len);
}

static int compare_entries(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    const int order = x->ignore_case ? compare_ignoring_case(x->sort, y->sort)
                                     : memory_compare_keys(x->sort, y->sort);
    return order ? order : memory_compare_keys(x->row->item.key, y->row->item.key);
}

static int has_status(const rag_doc_page *page, const struct row *row)
{
    for (size_t i = 0; i < page->status_count; i++)
        if (memory_compare_keys(row->parts[PART_STATUS], rag_text(page->statuses[i])) == 0)
            return 1;
    return page->status_count == 0;
}

static rag_slice sort_key(const struct row *row, rag_doc_sort sort)
{
    switch (sort) {
    case RAG_DOC_SORT_CREATED_AT: return row->parts[PART_CREATED_AT];
    case RAG_DOC_SORT_ID: return row->item.key;
    case RAG_DOC_SORT_FILE_PATH: return row->parts[PART_FILE_PATH];
    case RAG_DOC_SORT_UPDATED_AT: break;
    }
    return row->parts[PART_UPDATED_AT];
}

/* The rows that belong to the pages, ascending. Room for all rows is there. */
static rag_status list_rows(const rag_call *call, struct map rows, const rag_doc_page *page,
                            struct list *list, rag_error *err)
{
    const rag_slice from_start = { NULL, 0 };
    size_t step = 0;
    for (const struct item *item = memory_map_above(rows, from_start); item;
         item = memory_map_above(rows, item->key)) {
        const struct row *row = (const struct row *)item;
        MEMORY_TRY(memory_check(call, step++, err));
        if (has_status(page, row))
            list->entries[list->count++] =
                (struct entry){ sort_key(row, page->sort), page->sort == RAG_DOC_SORT_FILE_PATH,
                                row };
    }
    qsort(list->entries, list->count, sizeof *list->entries, compare_entries);
    return RAG_OK;
}

static rag_status append_page(const rag_call *call, const struct list *list,
                              const rag_doc_page *page, rag_result *out, rag_error *err)
{
    call->host->result_total(out, list->count);
    /* Beyond the last page there is nothing; the division keeps a huge number from wrapping. */
    if (page->page - 1 > list->count / page->page_size)
        return RAG_OK;
    const size_t first = (page->page - 1) * page->page_size;
    for (size_t i = first; i < list->count && i - first < page->page_size; i++) {
        const size_t place = page->ascending ? i : list->count - 1 - i;
        MEMORY_TRY(memory_row_append(call, list->entries[place].row, ROW_VALUE, out, err));
    }
    return RAG_OK;
}

static rag_status docs_page(const rag_call *call, const rag_doc_page *page, rag_result *out,
                            rag_error *err)
{
    struct version *v = memory_version_read(call);
    const struct map rows = memory_version_rows(v, KIND_DOCS, DOCS_NAME);
    struct list list = { call->host->alloc(memory_map_count(rows) * sizeof *list.entries), 0 };
    rag_status status =
        list.entries ? list_rows(call, rows, page, &list, err) : memory_no_memory(call->host, err);
    if (status == RAG_OK)
        status = append_page(call, &list, page, out, err);
    call->host->free(list.entries);
    memory_version_release(call->host, v);
    return status;
}

/* ---- counts --------------------------------------------------------------------------------------- */

/* Equal statuses stand side by side in a list sorted by status. */
static rag_status append_counts(const rag_call *call, const struct list *list, rag_result *out,
                                rag_error *err)
{
    for (size_t i = 0; i < list->count;) {
        rag_row answer = { .key = list->entries[i].sort, .found = 1 };
        for (; i < list->count && memory_compare_keys(list->entries[i].sort, answer.key) == 0; i++)
            answer.number++;
        MEMORY_TRY(call->host->row_append(out, &answer, err));
    }
    return RAG_OK;
}

static rag_status docs_counts(const rag_call *call, rag_result *out, rag_error *err)
{
    const rag_doc_page everything = RAG_DOC_PAGE_INIT;
    struct version *v = memory_version_read(call);
    const struct map rows = memory_version_rows(v, KIND_DOCS, DOCS_NAME);
    struct list list = { call->host->alloc(memory_map_count(rows) * sizeof *list.entries), 0 };
    rag_status status = list.entries ? list_rows(call, rows, &everything, &list, err)
                                     : memory_no_memory(call->host, err);
    if (status == RAG_OK) {
        for (size_t i = 0; i < list.count; i++)
            list.entries[i].sort = list.entries[i].row->parts[PART_STATUS];
        qsort(list.entries, list.count, sizeof *list.entries, compare_entries);
        status = append_counts(call, &list, out, err);
    }
    call->host->free(list.entries);
    memory_version_release(call->host, v);
    return status;
}

const rag_docstatus_table memory_docstatus = {
    .struct_size = sizeof memory_docstatus,
    .put_many = docs_put_many,
    .get_many = docs_get_many,
    .delete_many = docs_delete_many,
    .counts = docs_counts,
    .page = docs_page,
    .scan = docs_scan,
    .drop = docs_drop,
};
