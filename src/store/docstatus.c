/* Document status: rag_docstatus_*.
 *
 * A row is parsed once on its way in; the members that backends keep apart (rag_doc_fields) are
 * copied from that one parse, so that no backend parses it again. Answers are completed here: the
 * seven statuses of LightRAG are always counted, pages have sane sizes, so that backends need not
 * know these rules. */
#include <stdlib.h>

#include "core/json_object.h"
#include "core/limits.h"
#include "core/result.h"
#include "core/slice_index.h"
#include "dispatch.h"

/* ---- writing -------------------------------------------------------------------------------------- */

/* The fields of one parsed row, out of that parse and into the arena. */
static rag_status keep_fields(const struct json_object *object, struct arena *arena,
                              rag_doc_fields *fields, rag_error *err)
{
    int has_chunks_list;
    docs_take_fields(object, fields, &has_chunks_list);
    if (!fields->status.len)
        return rag_fail(err, RAG_E_INVALID, "document '%.*s' has no \"status\" that is a text",
                        RAG_SHOWN(fields->id));
    char *memory = arena_alloc(arena, docs_fields_bytes(fields));
    if (!memory)
        return rag_fail_memory(err);
    docs_move_fields(fields, memory);
    if (has_chunks_list)
        return RAG_OK;
    return json_add_member(fields->value, "\"chunks_list\":[]", arena, &fields->value, err);
}

static rag_status prepare_doc(const rag_doc *doc, struct arena *arena, rag_doc_fields *fields,
                              rag_error *err)
{
    RAG_TRY(check_label(doc->id, "document id", err));
    RAG_TRY(check_slice(doc->value, "a document row", err));
    struct json_object object;
    RAG_TRY(json_object_parse(doc->value, "row of document", doc->id, &object, err));
    fields->id = doc->id;
    const rag_status status = keep_fields(&object, arena, fields, err);
    json_object_free(&object);
    return status;
}

rag_status docs_prepare(const rag_doc *docs, size_t n, struct prepared *out, rag_error *err)
{
    RAG_TRY(check_count(docs, n, "documents", err));
    rag_doc_fields *ready = arena_alloc(&out->arena, n * sizeof *ready);
    if (!ready)
        return rag_fail_memory(err);
    struct slice_index seen = SLICE_INDEX_INIT;
    rag_status status = RAG_OK;
    size_t count = 0;
    for (size_t i = 0; status == RAG_OK && i < n; i++) {
        rag_doc_fields fields;
        size_t at;
        status = prepare_doc(&docs[i], &out->arena, &fields, err);
        if (status == RAG_OK)
            status = slice_index_place(&seen, docs[i].id, &count, &at, err);
        if (status == RAG_OK)
            ready[at] = fields;
    }
    slice_index_free(&seen);
    out->items = ready;
    out->count = count;
    return status;
}

rag_status rag_docstatus_put_many(rag_store *store, const rag_context *ctx, const rag_doc *docs,
                                  size_t n, rag_token *token, rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter_kind(store, ctx, STORE_DOC_STATUS, NULL, STORE_WRITE, &c, err));
    struct prepared ready = { 0 };
    rag_token written = 0;
    rag_status status = docs_prepare(docs, n, &ready, err);
    if (status == RAG_OK && ready.count)
        status = c.driver->docstatus.put_many(&c.call, ready.items, ready.count, &written, err);
    if (status == RAG_OK && token)
        *token = written;
    arena_free(&ready.arena);
    return status;
}

rag_status rag_docstatus_delete_many(rag_store *store, const rag_context *ctx, const rag_slice *ids,
                                     size_t n, uint64_t *deleted, rag_token *token, rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter_kind(store, ctx, STORE_DOC_STATUS, NULL, STORE_WRITE, &c, err));
    RAG_TRY(check_labels(ids, n, "document id", err));
    uint64_t gone = 0;
    rag_token written = 0;
    if (n)
        RAG_TRY(c.driver->docstatus.delete_many(&c.call, ids, n, &gone, &written, err));
    if (deleted)
        *deleted = gone;
    if (token)
        *token = written;
    return RAG_OK;
}

rag_status rag_docstatus_drop(rag_store *store, const rag_context *ctx, rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter_kind(store, ctx, STORE_DOC_STATUS, NULL, STORE_WRITE, &c, err));
    return c.driver->docstatus.drop(&c.call, err);
}

/* ---- reading -------------------------------------------------------------------------------------- */

rag_status rag_docstatus_get_many(rag_store *store, const rag_context *ctx, const rag_slice *ids,
                                  size_t n, rag_result **out, rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter_kind(store, ctx, STORE_DOC_STATUS, NULL, STORE_READ, &c, err));
    RAG_TRY(check_out(out, err));
    RAG_TRY(check_labels(ids, n, "document id", err));
    rag_result *rows = rag_result_new(err);
    if (!rows)
        return RAG_E_NO_MEMORY;
    rag_status status = RAG_OK;
    if (n)
        status = c.driver->docstatus.get_many(&c.call, ids, n, rows, err);
    return store_hand_over(status, rows, out);
}

static int by_key(const void *left, const void *right)
{
    return slice_compare(((const rag_row *)left)->key, ((const rag_row *)right)->key);
}

/* `found`: what the backend says. The seven first, then the others by name. */
static rag_status order_counts(rag_result *found, rag_result *out, rag_error *err)
{
    uint64_t total = 0;
    for (size_t i = 0; docs_statuses[i]; i++) {
        rag_row row = { .key = rag_text(docs_statuses[i]), .found = 1 };
        for (size_t j = 0; j < found->count; j++)
            if (slice_equal(found->rows[j].key, row.key))
                row.number += found->rows[j].number;
        RAG_TRY(rag_result_append(out, &row, err));
    }
    if (found->count)
        qsort(found->rows, found->count, sizeof *found->rows, by_key);
    for (size_t j = 0; j < found->count; j++) {
        const rag_row row = { .key = found->rows[j].key,
                              .number = found->rows[j].number,
                              .found = 1 };
        total += (uint64_t)row.number;
        if (row.number && !docs_known_status(row.key))
            RAG_TRY(rag_result_append(out, &row, err));
    }
    rag_result_set_total(out, total);
    return RAG_OK;
}

rag_status rag_docstatus_counts(rag_store *store, const rag_context *ctx, rag_result **out,
                                rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter_kind(store, ctx, STORE_DOC_STATUS, NULL, STORE_READ, &c, err));
    RAG_TRY(check_out(out, err));
    rag_result *found = rag_result_new(err), *rows = found ? rag_result_new(err) : NULL;
    rag_status status = RAG_E_NO_MEMORY;
    if (rows)
        status = c.driver->docstatus.counts(&c.call, found, err);
    if (status == RAG_OK)
        status = order_counts(found, rows, err);
    rag_result_free(found);
    return store_hand_over(status, rows, out);
}

static rag_status normalise_page(const rag_doc_page *page, rag_doc_page *full, rag_error *err)
{
    if (page)
        RAG_TRY(copy_options(page, sizeof *full, full, sizeof *full, "rag_doc_page", err));
    RAG_TRY(check_count(full->statuses, full->status_count, "statuses", err));
    for (size_t i = 0; i < full->status_count; i++)
        if (!full->statuses[i])
            return rag_fail(err, RAG_E_INVALID, "status %zu of the page is NULL", i);
    if (full->sort < RAG_DOC_SORT_UPDATED_AT || full->sort > RAG_DOC_SORT_FILE_PATH)
        return rag_fail(err, RAG_E_INVALID, "unknown order %d of documents", (int)full->sort);
    if (!full->page)
        full->page = 1;
    if (!full->page_size)
        full->page_size = LIMIT_PAGE_SIZE_DEFAULT;
    if (full->page_size < LIMIT_PAGE_SIZE_MIN)
        full->page_size = LIMIT_PAGE_SIZE_MIN;
    if (full->page_size > LIMIT_PAGE_SIZE_MAX)
        full->page_size = LIMIT_PAGE_SIZE_MAX;
    if (full->page > SIZE_MAX / 2 / LIMIT_PAGE_SIZE_MAX) /* backends multiply the two */
        full->page = SIZE_MAX / 2 / LIMIT_PAGE_SIZE_MAX;
    full->ascending = full->ascending != 0;
    return RAG_OK;
}

rag_status rag_docstatus_page(rag_store *store, const rag_context *ctx, const rag_doc_page *page,
                              rag_result **out, rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter_kind(store, ctx, STORE_DOC_STATUS, NULL, STORE_READ, &c, err));
    RAG_TRY(check_out(out, err));
    rag_doc_page full = RAG_DOC_PAGE_INIT;
    RAG_TRY(normalise_page(page, &full, err));
    rag_result *rows = rag_result_new(err);
    if (!rows)
        return RAG_E_NO_MEMORY;
    return store_hand_over(c.driver->docstatus.page(&c.call, &full, rows, err), rows, out);
}

rag_status rag_docstatus_scan(rag_store *store, const rag_context *ctx, rag_slice after,
                              size_t limit, rag_result **out, rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter_kind(store, ctx, STORE_DOC_STATUS, NULL, STORE_READ, &c, err));
    rag_result *rows;
    RAG_TRY(store_begin_page(after, out, &rows, err));
    const rag_status status =
        c.driver->docstatus.scan(&c.call, after, clamp_scan(limit), rows, err);
    return store_hand_over_page(status, rows, out);
}
