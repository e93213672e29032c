/* ragstore docs: the documents and how far each has come.
 *
 * A page is one call to the library, which sorts and filters; this file shows it, with the counts of
 * all statuses above it. The documents of a track or of a file are all shown, however many they are:
 * they are read in parts and JSON goes out part by part. Files that several documents claim are in
 * docs_conflicts.c. */
#include "docs_conflicts.h"

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

static void json_documents(json_writer *w, const rag_result *docs)
{
    static const char *const except[] = { "id", NULL };
    for (size_t i = 0; i < rag_result_count(docs); i++) {
        const rag_row *row = rag_result_row(docs, i);
        json_open(w, NULL, '{', 0);
        json_text(w, "id", row->key);
        json_splice(w, row->value, except);
        json_close(w, '}');
    }
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
    json_documents(&w, docs);
    json_close(&w, ']');
    json_close(&w, '}');
    json_end(&w);
}

static void print_counts(const rag_result *counts)
{
    text line = { 0 };
    text_add_number_of(&line, rag_result_total(counts), "document: ", "documents: ");
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

/* "2026-11-21T08:12:17.549977+00:00" -> "2026-11-21 08:12:17"; anything else as it stands. */
static void cell_time(table *t, rag_slice value, const char *name)
{
    enum { TO_SECONDS = 19 };
    text plain = { 0 };
    json_plain_field(&plain, value, name);
    if (plain.len > TO_SECONDS && plain.data[10] == 'T' &&
        (slice_ends(text_slice(&plain), "+00:00") || slice_ends(text_slice(&plain), "Z"))) {
        plain.data[10] = ' ';
        plain.len = TO_SECONDS;
    }
    table_cell_slice(t, text_slice(&plain));
    text_free(&plain);
}

/* Documents for reading: a table, and below it why some of them failed, which is what one looks
 * for. */
typedef struct doc_list {
    table table;
    text reasons;
    size_t count;
} doc_list;

static void list_start(doc_list *list)
{
    table_column(&list->table, "id", COLUMN_LEFT);
    table_column(&list->table, "status", COLUMN_LEFT);
    table_column(&list->table, "chunks", COLUMN_RIGHT);
    table_column(&list->table, "updated", COLUMN_LEFT);
    table_column(&list->table, "file", COLUMN_READING);
}

static void add_reason(text *reasons, const rag_row *row)
{
    text reason = { 0 };
    json_plain_field(&reason, row->value, "error_msg");
    if (reason.len > 0 && strcmp(reason.data, "null") != 0) {
        text_add_char(reasons, '\n');
        text_add_shown(reasons, row->key);
        text_add(reasons, ": ");
        text_add_shown(reasons, text_slice(&reason));
        text_add_char(reasons, '\n');
    }
    text_free(&reason);
}

static void list_add(doc_list *list, const rag_result *docs)
{
    table *t = &list->table;
    for (size_t i = 0; i < rag_result_count(docs); i++) {
        const rag_row *row = rag_result_row(docs, i);
        rag_slice chunks;
        int has_list = json_field(row->value, "chunks_list", &chunks);
        table_cell_slice(t, row->key);
        cell_field(t, row->value, "status");
        table_cell_count(t,
                         (uint64_t)json_number_field(row->value, "chunks_count",
                                                     has_list ? (double)json_length(chunks) : 0));
        cell_time(t, row->value, "updated_at");
        cell_field(t, row->value, "file_path");
        add_reason(&list->reasons, row);
        list->count++;
    }
}

static void list_free(doc_list *list)
{
    table_free(&list->table);
    text_free(&list->reasons);
}

/* Prints and frees. */
static void list_print(doc_list *list)
{
    if (list->count > 0) {
        putchar('\n');
        table_print(&list->table, 0);
        fputs(list->reasons.data ? list->reasons.data : "", stdout);
    }
    list_free(list);
}

static void print_page(const rag_result *docs, const rag_doc_page *page)
{
    doc_list list = { 0 };
    size_t count = rag_result_count(docs);
    uint64_t total = rag_result_total(docs);
    list_start(&list);
    list_add(&list, docs);
    list_print(&list);
    if (total > count) {
        uint64_t pages = (total + page->page_size - 1) / page->page_size;
        if (page->page > pages) {
            printf("there is no page %zu; the last: --page %llu\n", page->page,
                   (unsigned long long)pages);
            return;
        }
        printf("\npage %zu of %llu", page->page, (unsigned long long)pages);
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
        if (slice_is(row->key, wanted)) {
            text_free(&known);
            return;
        }
        text_add(&known, i ? ", " : "the statuses are: ");
        text_add_shown(&known, row->key);
    }
    complain(STATUS_OK, known.data, "warning: there is no status '%s'", wanted);
    text_free(&known);
}

static int show_page(invocation *in, rag_store *store)
{
    rag_error err = RAG_ERROR_INIT;
    rag_result *counts = NULL;
    rag_result *docs = NULL;
    rag_doc_page page = RAG_DOC_PAGE_INIT;
    int status = STATUS_OK;
    const char *wanted = args_text(&in->args, "status", NULL);
    page.statuses = &wanted;
    page.status_count = wanted ? 1 : 0;
    page.page = (size_t)args_count(&in->args, "page", 1);
    page.page_size = (size_t)args_count(&in->args, "page-size", 50);
    page.sort = sort_of(args_text(&in->args, "sort", sorts[0]));
    page.ascending = args_given(&in->args, "ascending");

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
    return status;
}

/* ---- of a track, of a file -------------------------------------------------------------------- */

/* "3 documents of track 'insert_1'", "no document of file 'a.pdf'" */
static void print_found(const rag_doc_query *query, size_t count)
{
    text line = { 0 };
    if (count == 0) {
        text_add(&line, "no document");
    } else {
        text_add_count(&line, count);
        text_add(&line, count == 1 ? " document" : " documents");
    }
    text_add(&line, query->by == RAG_DOC_BY_TRACK_ID ? " of track '" : " of file '");
    text_add_shown(&line, query->text);
    text_add_char(&line, '\'');
    puts(line.data);
    text_free(&line);
}

/* LightRAG keeps the name of a file without the directories before it. */
static void hint_for_directories(const char *path, size_t count)
{
    const char *slash = strrchr(path, '/');
    if (count == 0 && slash && slash[1]) {
        text hint = { 0 };
        text_printf(&hint,
                    "files are known by what LightRAG keeps, most often the bare name: "
                    "--file '%s'",
                    slash + 1);
        complain(STATUS_OK, hint.data, "warning: no document has the file '%s'", path);
        text_free(&hint);
    }
}

static int show_found(invocation *in, rag_store *store, rag_doc_by by, const char *name)
{
    rag_error err = RAG_ERROR_INIT;
    rag_doc_query query = RAG_DOC_QUERY_INIT;
    rag_result *docs;
    json_writer w = { 0 };
    doc_list list = { 0 };
    text after = { 0 };
    size_t count = 0;
    rag_status status;
    query.by = by;
    query.text = rag_text(name);
    list_start(&list);
    json_open(&w, NULL, '{', 1);
    json_open(&w, "documents", '[', 1);
    do {
        docs = NULL;
        query.after = text_slice(&after);
        status = rag_docstatus_find(store, &in->ctx, &query, &docs, &err);
        if (in->json) {
            json_documents(&w, docs);
        } else {
            list_add(&list, docs);
        }
        count += rag_result_count(docs);
    } while (next_page(&after, docs));
    text_free(&after);
    if (status == RAG_OK && in->json) {
        json_end_of_list(&w, count);
    } else if (status == RAG_OK) {
        print_found(&query, count);
        list_print(&list);
    }
    text_free(&w.line);
    list_free(&list);
    if (status == RAG_OK && by == RAG_DOC_BY_FILE_PATH) {
        hint_for_directories(name, count);
    }
    return status == RAG_OK ? STATUS_OK : failed(&err);
}

/* ---- the command ------------------------------------------------------------------------------ */

/* The questions that the command answers beside a page; at most one at a time. */
static const char *const questions[] = { "track", "file", "conflicts", "resolve-conflict" };
enum { QUESTIONS = sizeof questions / sizeof questions[0] };

/* Options that belong to another question than the one that is asked are mistakes. */
static int check_together(const invocation *in, const char *question)
{
    static const char *const paging[] = { "status", "page", "page-size", "sort", "ascending" };
    static const char *const settling[] = { "primary", "fingerprint", "yes" };
    for (size_t i = 0; question && i < sizeof paging / sizeof paging[0]; i++) {
        if (args_given(&in->args, paging[i])) {
            return misused(in, "--%s does not go with --%s", paging[i], question);
        }
    }
    int settles = question && strcmp(question, "resolve-conflict") == 0;
    for (size_t i = 0; !settles && i < sizeof settling / sizeof settling[0]; i++) {
        if (args_given(&in->args, settling[i])) {
            return misused(in, "--%s goes with --resolve-conflict only", settling[i]);
        }
    }
    if (settles && args_text(&in->args, "primary", "")[0] == '\0') {
        return misused(in, "--resolve-conflict wants --primary ID, the document that stays");
    }
    if (args_given(&in->args, "fingerprint") && !args_given(&in->args, "yes")) {
        return misused(in, "--fingerprint goes with --yes only");
    }
    return STATUS_OK;
}

static int check_question(const invocation *in, const char **question)
{
    *question = NULL;
    for (size_t i = 0; i < QUESTIONS; i++) {
        if (!args_given(&in->args, questions[i])) {
            continue;
        }
        if (*question) {
            return misused(in, "--%s and --%s exclude each other", *question, questions[i]);
        }
        *question = questions[i];
        const char *value = args_text(&in->args, questions[i], "");
        if (value[0] == '\0' && strcmp(questions[i], "conflicts") != 0) {
            return misused(in, "--%s is empty", questions[i]);
        }
    }
    return check_together(in, *question);
}

static int answer(invocation *in, rag_store *store, const char *question)
{
    const char *value = question ? args_text(&in->args, question, "") : "";
    if (!question) {
        return show_page(in, store);
    }
    if (strcmp(question, "conflicts") == 0) {
        return show_conflicts(in, store);
    }
    if (strcmp(question, "resolve-conflict") == 0) {
        return resolve_conflict(in, store, value);
    }
    return show_found(in, store,
                      strcmp(question, "track") == 0 ? RAG_DOC_BY_TRACK_ID : RAG_DOC_BY_FILE_PATH,
                      value);
}

static int run_docs(invocation *in)
{
    rag_store *store = NULL;
    const char *question;
    int status = check_question(in, &question);
    if (status != STATUS_OK) {
        return status;
    }
    unsigned flags = RAG_OPEN_EXISTING;
    flags |= args_given(&in->args, "yes") ? 0u : (unsigned)RAG_OPEN_READ_ONLY;
    status = open_store(in, word(in, 0), flags, &store);
    if (status == STATUS_OK) {
        status = answer(in, store, question);
        rag_store_close(store);
    }
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
    { .name = "track",
      .kind = OPTION_TEXT,
      .value = "ID",
      .help = "all documents of this track, which is what one call of insert began; the oldest "
              "first" },
    { .name = "file",
      .kind = OPTION_TEXT,
      .value = "PATH",
      .help = "all documents of this file, duplicates included; the oldest first" },
    { .name = "conflicts",
      .kind = OPTION_FLAG,
      .help = "the files that two or more documents claim, none of them marked as a duplicate" },
    { .name = "resolve-conflict",
      .kind = OPTION_TEXT,
      .value = "PATH",
      .help = "say what settling the conflict of this file would do: one document stays, the "
              "others are marked as its duplicates; no text of them is deleted" },
    { .name = "primary",
      .kind = OPTION_TEXT,
      .value = "ID",
      .help = "the document that stays, with --resolve-conflict" },
    { .name = "yes",
      .kind = OPTION_FLAG,
      .help = "do it, with --resolve-conflict; without it nothing is changed" },
    { .name = "fingerprint",
      .kind = OPTION_TEXT,
      .value = "HEX",
      .help = "with --yes: do it only when the documents in conflict are still those that were "
              "shown with this fingerprint" },
    { .name = NULL }
};

const command docs_command = {
    .name = "docs",
    .summary = "the documents and how far each has come",
    .usage = "  ragstore docs STORE [--status STATUS] [--sort BY] [--ascending]\n"
             "                [--page N] [--page-size N]\n"
             "  ragstore docs STORE --track ID\n"
             "  ragstore docs STORE --file PATH\n"
             "  ragstore docs STORE --conflicts\n"
             "  ragstore docs STORE --resolve-conflict PATH --primary ID\n"
             "                [--yes [--fingerprint HEX]]\n",
    .about = "Newest first. With --json: \"total\", \"counts\" by status, and \"documents\"; of a\n"
             "track or a file \"documents\" and \"total\".\n"
             "\n"
             "A file should have one document that is not marked as a duplicate. Where it has\n"
             "several, --conflicts lists them with a fingerprint of their ids, and\n"
             "--resolve-conflict settles it. That happens whole or not at all, and not when\n"
             "the documents of the file have become others meanwhile.\n",
    .options = options,
    .words_least = 1,
    .words_most = 1,
    .examples = "  ragstore docs ./my.store --status failed\n"
                "  ragstore docs ./my.store --sort file --ascending --page 2\n"
                "  ragstore docs ./my.store --file report.pdf --json\n"
                "  ragstore docs ./my.store --conflicts\n"
                "  ragstore docs ./my.store --resolve-conflict report.pdf --primary doc-1 --yes\n",
    .opens_store = 1,
    .run = run_docs,
};
