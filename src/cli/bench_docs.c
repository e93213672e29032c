/* The bench of document pages: what a list of documents and a scheduler ask for.
 *
 * The time of a page depends on how many documents there are, and few stores that one can try have
 * many. So documents as LightRAG writes them are made and put beside those of the store, with ids,
 * times, files and statuses spread by a multiplicative hash, and are deleted at the end: one in 20
 * pending, one in 50 failed. Asked are the first page in each order, with and without statuses, one
 * far behind, and a page of a sweep over two statuses. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>

enum { DOCUMENTS = 100000, BATCH = 2000, PAGE_ROWS = 50, FAR_PAGE = 1000, SWEEP_ROWS = 1000 };
enum { CHUNKS = 12 };

static const char *const some_statuses[] = { "pending", "failed" };
enum { SOME = sizeof some_statuses / sizeof some_statuses[0] };

/* ---- documents -------------------------------------------------------------------------------- */

/* Different for different numbers: the factor is odd. */
static uint32_t spread(size_t number)
{
    return (uint32_t)number * 2654435761u;
}

static void add_id(text *out, size_t number)
{
    text_printf(out, "doc-%032x", spread(number));
}

static void add_moment(text *out, const char *name, uint32_t x)
{
    text_printf(out, "\"%s\":\"2026-%02u-%02uT%02u:%02u:%02u+00:00\",", name, x % 12 + 1,
                x % 28 + 1, x % 24, x % 60, (x >> 8) % 60);
}

static void add_document(text *out, size_t number)
{
    uint32_t h = spread(number);
    const char *status = h % 20 == 0 ? "pending" : h % 50 == 1 ? "failed" : "processed";
    text_printf(out, "{\"status\":\"%s\",", status);
    add_moment(out, "created_at", h);
    add_moment(out, "updated_at", h >> 3);
    text_printf(out, "\"file_path\":\"file-%u.pdf\",\"content_summary\":\"", h);
    for (int i = 0; i < 6; i++) {
        text_add(out, "Lorem ipsum dolor ");
    }
    text_printf(out, "\",\"content_length\":%u,\"chunks_count\":%d,\"chunks_list\":[", h % 100000,
                CHUNKS);
    for (unsigned i = 0; i < CHUNKS; i++) {
        text_printf(out, "%s\"chunk-%032x\"", i ? "," : "", h + i);
    }
    text_printf(out, "],\"track_id\":\"track-%zu\",\"metadata\":{}}", number / PAGE_ROWS);
}

static rag_status put_batch(bench *b, size_t first, size_t count)
{
    text *texts = cli_alloc(2 * count, sizeof *texts);
    rag_doc *docs = cli_alloc(count, sizeof *docs);
    for (size_t i = 0; i < count; i++) {
        add_id(&texts[2 * i], first + i);
        add_document(&texts[2 * i + 1], first + i);
        docs[i] = (rag_doc){ text_slice(&texts[2 * i]), text_slice(&texts[2 * i + 1]) };
    }
    rag_status status = rag_docstatus_put_many(b->store, b->ctx, docs, count, NULL, &b->err);
    for (size_t i = 0; i < 2 * count; i++) {
        text_free(&texts[i]);
    }
    free(texts);
    free(docs);
    return status;
}

/* ^C does not stop this: the store is left as it was found. */
static rag_status delete_batch(bench *b, size_t first, size_t count, rag_error *err)
{
    const rag_context ctx = RAG_CONTEXT_INIT;
    text *texts = cli_alloc(count, sizeof *texts);
    rag_slice *ids = cli_alloc(count, sizeof *ids);
    for (size_t i = 0; i < count; i++) {
        add_id(&texts[i], first + i);
        ids[i] = text_slice(&texts[i]);
    }
    rag_status status = rag_docstatus_delete_many(b->store, &ctx, ids, count, NULL, NULL, err);
    for (size_t i = 0; i < count; i++) {
        text_free(&texts[i]);
    }
    free(texts);
    free(ids);
    return status;
}

/* ---- questions -------------------------------------------------------------------------------- */

static rag_status time_page(bench *b, const rag_doc_page *page, const char *name)
{
    timings t = { 0 };
    rag_status status = RAG_OK;
    for (size_t i = 0; i < b->runs && status == RAG_OK; i++) {
        rag_result *rows = NULL;
        double start = seconds_now();
        status = rag_docstatus_page(b->store, b->ctx, page, &rows, &b->err);
        timings_add(&t, seconds_now() - start);
        rag_result_free(rows);
    }
    if (status == RAG_OK) {
        timings_report(b, &t, name);
    }
    timings_free(&t);
    return status;
}

static rag_status time_first_pages(bench *b)
{
    static const char *const orders[] = { "updated", "created", "id", "file" };
    rag_status status = RAG_OK;
    for (size_t i = 0; i < 2 * sizeof orders / sizeof orders[0] && status == RAG_OK; i++) {
        rag_doc_page page = RAG_DOC_PAGE_INIT;
        text name = { 0 };
        page.page_size = PAGE_ROWS;
        page.sort = (rag_doc_sort)(i / 2); /* the names stand in the order of the enumeration */
        page.statuses = some_statuses;
        page.status_count = i % 2 ? SOME : 0;
        text_printf(&name, "docs.page.%s.%s", orders[i / 2], i % 2 ? "two_statuses" : "all");
        status = time_page(b, &page, name.data);
        text_free(&name);
    }
    return status;
}

static rag_status time_far_page(bench *b, size_t documents)
{
    rag_doc_page page = RAG_DOC_PAGE_INIT;
    size_t last = (documents + PAGE_ROWS - 1) / PAGE_ROWS;
    page.page_size = PAGE_ROWS;
    page.page = last < FAR_PAGE ? last : FAR_PAGE;
    return time_page(b, &page, "docs.page.far");
}

static rag_status time_sweep(bench *b)
{
    timings t = { 0 };
    rag_status status = RAG_OK;
    for (size_t i = 0; i < b->runs && status == RAG_OK; i++) {
        rag_doc_sweep sweep = RAG_DOC_SWEEP_INIT;
        rag_result *rows = NULL;
        sweep.statuses = some_statuses;
        sweep.status_count = SOME;
        sweep.limit = SWEEP_ROWS;
        double start = seconds_now();
        status = rag_docstatus_sweep(b->store, b->ctx, &sweep, &rows, &b->err);
        timings_add(&t, seconds_now() - start);
        rag_result_free(rows);
    }
    if (status == RAG_OK) {
        timings_report(b, &t, "docs.sweep");
    }
    timings_free(&t);
    return status;
}

rag_status bench_docs(bench *b)
{
    const size_t documents = (size_t)args_count(&b->in->args, "documents", DOCUMENTS);
    rag_error cleaning = RAG_ERROR_INIT;
    rag_status status = RAG_OK;
    size_t put = 0;
    while (put < documents && status == RAG_OK) {
        size_t count = documents - put < BATCH ? documents - put : BATCH;
        status = put_batch(b, put, count);
        put += status == RAG_OK ? count : 0;
    }
    if (status == RAG_OK) {
        bench_report(b, (double)documents, "rows", "docs.documents");
        status = time_first_pages(b);
    }
    if (status == RAG_OK) {
        status = time_far_page(b, documents);
    }
    if (status == RAG_OK) {
        status = time_sweep(b);
    }
    for (size_t first = 0; first < put; first += BATCH) {
        rag_status taken =
            delete_batch(b, first, put - first < BATCH ? put - first : BATCH, &cleaning);
        if (taken != RAG_OK && status == RAG_OK) {
            b->err = cleaning;
            status = taken;
        }
    }
    return status;
}
