/* ragstore docs: the documents and how far each has come.
 *
 * A page is one call to the library, which sorts and filters; this file shows it, with the counts of
 * all statuses above it. */
#include "command.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const sorts[] = { "updated", "created", "id", "file", NULL };

static rag_doc_sort sort_of(const char *name)
{
    size_t i = 0;
    while (sorts[i] && strcmp(sorts[i], name) != 0) {
        i++;
    }
    return (rag_doc_sort)i; /* the names stand in the order of the enumeration */
}

static void print_json(const rag_result *counts, const rag_result *docs, const rag_doc_page *page)
{
    json_writer w = { 0 };
    json_open(&w, NULL, '{', 1);
    json_count(&w, "total", rag_result_total(docs));
    json_count(&w, "page", page->page);
    json_count(&w, "page_size", page->page_size);
    json_open(&w, "counts", '{', 0);
    for (size_t i = 0; i < rag_result_count(counts); i++) {
        const rag_row *row = rag_result_row(counts, i);
        text name = { 0 };
        text_add_bytes(&name, row->key.data, row->key.len);
        json_count(&w, name.data, (uint64_t)row->number);
        text_free(&name);
    }
    json_close(&w, '}');
    json_open(&w, "documents", '[', 1);
    for (size_t i = 0; i < rag_result_count(docs); i++) {
        static const char *const except[] = { "id", NULL };
        const rag_row *row = rag_result_row(docs, i);
        json_open(&w, NULL, '{', 0);
        json_text(&w, "id", row->key);
        json_splice(&w, row->value, except);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_close(&w, '}');
    json_end(&w);
}

static void print_counts(const rag_result *counts)
{
    text line = { 0 };
    text_add_count(&line, rag_result_total(counts));
    text_add(&line, rag_result_total(counts) == 1 ? " document: " : " documents: ");
    const char *comma = "";
    for (size_t i = 0; i < rag_result_count(counts); i++) {
        const rag_row *row = rag_result_row(counts, i);
        if (row->number > 0) {
            text_add(&line, comma);
            text_add_count(&line, (uint64_t)row->number);
            text_add_char(&line, ' ');
            text_add_shown(&line, row->key);
            comma = ", ";
        }
    }
    if (rag_result_total(counts) == 0) {
        text_clear(&line);
        text_add(&line, "no documents");
    }
    puts(line.data);
    text_free(&line);
}

static void cell_field(table *t, rag_slice value, const char *name)
{
    text plain = { 0 };
    json_plain_field(&plain, value, name);
    if (strcmp(plain.data, "null") == 0) {
        text_clear(&plain);
    }
    table_cell_slice(t, text_slice(&plain));
    text_free(&plain);
}

static int ends_in(const text *t, const char *end)
{
    size_t len = strlen(end);
    return t->len >= len && strcmp(t->data + t->len - len, end) == 0;
}

/* "2026-11-21T08:12:17.549977+00:00" -> "2026-11-21 08:12:17"; anything else as it stands. */
static void cell_time(table *t, rag_slice value, const char *name)
{
    enum { TO_SECONDS = 19 };
    text plain = { 0 };
    json_plain_field(&plain, value, name);
    if (plain.len > TO_SECONDS && plain.data[10] == 'T' &&
        (ends_in(&plain, "+00:00") || ends_in(&plain, "Z"))) {
        plain.data[10] = ' ';
        plain.len = TO_SECONDS;
    }
    table_cell_slice(t, text_slice(&plain));
    text_free(&plain);
}

static void print_page(const rag_result *docs, const rag_doc_page *page)
{
    table t = { 0 };
    size_t count = rag_result_count(docs);
    uint64_t total = rag_result_total(docs);
    table_column(&t, "id", COLUMN_LEFT);
    table_column(&t, "status", COLUMN_LEFT);
    table_column(&t, "chunks", COLUMN_RIGHT);
    table_column(&t, "updated", COLUMN_LEFT);
    table_column(&t, "file", COLUMN_READING);
    for (size_t i = 0; i < count; i++) {
        const rag_row *row = rag_result_row(docs, i);
        rag_slice chunks;
        int has_list = json_field(row->value, "chunks_list", &chunks);
        table_cell_slice(&t, row->key);
        cell_field(&t, row->value, "status");
        table_cell_count(&t,
                         (uint64_t)json_number_field(row->value, "chunks_count",
                                                     has_list ? (double)json_length(chunks) : 0));
        cell_time(&t, row->value, "updated_at");
        cell_field(&t, row->value, "file_path");
    }
    if (count > 0) {
        putchar('\n');
        table_print(&t, 0);
    }
    for (size_t i = 0; i < count; i++) { /* the reason of a failure is what one looks for */
        const rag_row *row = rag_result_row(docs, i);
        text reason = { 0 };
        json_plain_field(&reason, row->value, "error_msg");
        if (reason.len > 0 && strcmp(reason.data, "null") != 0) {
            text line = { 0 };
            text_add_shown(&line, row->key);
            text_add(&line, ": ");
            text_add_shown(&line, text_slice(&reason));
            printf("\n%s\n", line.data);
            text_free(&line);
        }
        text_free(&reason);
    }
    if (total > count) {
        uint64_t pages = (total + page->page_size - 1) / page->page_size;
        printf("%spage %zu of %llu", count > 0 ? "\n" : "", page->page, (unsigned long long)pages);
        if (page->page < pages) {
            printf("; the next: --page %zu", page->page + 1);
        }
        putchar('\n');
    }
}

/* A status that no document has and that is none of LightRAG's is a slip of the pen more often than
 * a question: say which there are. */
static void warn_unknown_status(const char *wanted, const rag_result *counts)
{
    text known = { 0 };
    for (size_t i = 0; i < rag_result_count(counts); i++) {
        const rag_row *row = rag_result_row(counts, i);
        if (row->key.len == strlen(wanted) && memcmp(row->key.data, wanted, row->key.len) == 0) {
            text_free(&known);
            return;
        }
        text_add(&known, i ? ", " : "the statuses are: ");
        text_add_shown(&known, row->key);
    }
    complain(STATUS_OK, known.data, "warning: there is no status '%s'", wanted);
    text_free(&known);
}

static int run_docs(invocation *in)
{
    rag_error err = RAG_ERROR_INIT;
    rag_store *store = NULL;
    rag_result *counts = NULL;
    rag_result *docs = NULL;
    rag_doc_page page = RAG_DOC_PAGE_INIT;
    const char *wanted = args_text(&in->args, "status", NULL);
    page.statuses = &wanted;
    page.status_count = wanted ? 1 : 0;
    page.page = (size_t)args_count(&in->args, "page", 1);
    page.page_size = (size_t)args_count(&in->args, "page-size", 50);
    page.sort = sort_of(args_text(&in->args, "sort", sorts[0]));
    page.ascending = args_given(&in->args, "ascending");

    int status = open_store(in, word(in, 0), RAG_OPEN_READ_ONLY | RAG_OPEN_EXISTING, &store);
    if (status != STATUS_OK) {
        return status;
    }
    if (rag_docstatus_counts(store, &in->ctx, &counts, &err) != RAG_OK ||
        rag_docstatus_page(store, &in->ctx, &page, &docs, &err) != RAG_OK) {
        status = failed(&err);
    } else if (in->json) {
        print_json(counts, docs, &page);
    } else {
        print_counts(counts);
        print_page(docs, &page);
    }
    if (status == STATUS_OK && wanted) {
        warn_unknown_status(wanted, counts);
    }
    rag_result_free(counts);
    rag_result_free(docs);
    rag_store_close(store);
    return status;
}

static const option options[] = {
    { .name = "status",
      .kind = OPTION_TEXT,
      .value = "STATUS",
      .help = "only documents in this status: pending, processing, processed, failed, ..." },
    { .name = "page",
      .kind = OPTION_COUNT,
      .value = "N",
      .help = "which page, from 1",
      .least = 1,
      .most = 1000000000 },
    { .name = "page-size",
      .kind = OPTION_COUNT,
      .value = "N",
      .help = "documents to a page, 10 to 200; default 50",
      .least = 10,
      .most = 200 },
    { .name = "sort",
      .kind = OPTION_CHOICE,
      .value = "BY",
      .help = "updated (the default), created, id or file",
      .choices = sorts },
    { .name = "ascending", .kind = OPTION_FLAG, .help = "oldest or smallest first" },
    { .name = "workspace",
      .kind = OPTION_TEXT,
      .value = "NAME",
      .help = "the workspace of the store, where it has several" },
    { .name = NULL }
};

const command docs_command = {
    .name = "docs",
    .summary = "the documents and how far each has come",
    .usage = "  ragstore docs STORE [--status STATUS] [--sort BY] [--ascending]\n"
             "                [--page N] [--page-size N]\n",
    .about = "Newest first. With --json: \"total\", \"counts\" by status, and \"documents\".\n",
    .options = options,
    .words_least = 1,
    .words_most = 1,
    .examples = "  ragstore docs ./my.store --status failed\n"
                "  ragstore docs ./my.store --sort file --ascending --page 2\n",
    .run = run_docs,
};
