/* The status of documents: rows, counts, pages, scans. What the pipeline asks
 * beyond them is in suite_docstatus_pipeline.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance.h"

static rag_result *get_one(struct env *e, const char *id)
{
    const rag_slice asked = T(id);
    rag_result *rows = NULL;
    OK(rag_docstatus_get_many(e->store, NULL, &asked, 1, &rows, &e->err));
    count_is(rows, 1);
    return keep(e, rows);
}

static rag_result *page_of(struct env *e, const rag_doc_page *page)
{
    rag_result *rows = NULL;
    OK(rag_docstatus_page(e->store, NULL, page, &rows, &e->err));
    return keep(e, rows);
}

static uint64_t total_of(struct env *e)
{
    rag_result *rows = NULL;
    OK(rag_docstatus_counts(e->store, NULL, &rows, &e->err));
    return rag_result_total(keep(e, rows));
}

/* ---- rows ----------------------------------------------------------------------------------------------- */

static void docstatus_54_rows_keep_every_field(struct env *e)
{
    static const char *const rows[] = {
        "{\"status\":\"pending\",\"chunks_list\":[]}",
        "{\"content_summary\":\"A\",\"content_length\":7,\"status\":\"processed\","
        "\"created_at\":\"2024-01-02T03:04:05.678901+00:00\",\"updated_at\":\"x\","
        "\"file_path\":\"b.txt\",\"track_id\":\"insert_1\",\"chunks_count\":1,"
        "\"chunks_list\":[\"c-1\"],\"error_msg\":null,\"content_hash\":\"0f\","
        "\"metadata\":{\"is_duplicate\":true,\"kg_purge\":{\"phase\":[1,null,{}]}},"
        "\"something_new\":{\"kept\":[1.0,true]}}",
        "{\"status\":\"failed\",\"chunks_list\":null,\"created_at\":12,\"file_path\":null,"
        "\"metadata\":[]}",
        " { \"status\" : \"\\u0070ending\" , \"chunks_list\" : [ ] } ",
    };
    for (size_t i = 0; i < 4; i++)
        doc_put(e, format_text("doc-%zu", i), rows[i]);
    for (size_t i = 0; i < 4; i++)
        row_is(row_of(get_one(e, format_text("doc-%zu", i)), 0), rows[i]);
    const rag_row *row = row_of(get_one(e, "doc-0"), 0);
    CHECK(row->created_at == 0 && row->updated_at == 0, "a document row has no times of its own");
}

static void docstatus_put_replaces_and_adds_a_chunks_list(struct env *e)
{
    doc_put(e, "d", "{\"status\":\"pending\",\"track_id\":\"t\"}");
    row_is(row_of(get_one(e, "d"), 0),
           "{\"status\":\"pending\",\"track_id\":\"t\",\"chunks_list\":[]}");
    doc_put(e, "d", "{\"status\":\"failed\",\"_id\":\"d\",\"create_time\":1}");
    row_is(row_of(get_one(e, "d"), 0),
           "{\"status\":\"failed\",\"_id\":\"d\",\"create_time\":1,\"chunks_list\":[]}");
    CHECK(total_of(e) == 1, "replacing made another row");
}

static void docstatus_get_keeps_order_and_duplicates(struct env *e)
{
    doc_put(e, "a", "{\"status\":\"pending\",\"chunks_list\":[1]}");
    doc_put(e, "b", "{\"status\":\"pending\",\"chunks_list\":[2]}");
    const rag_slice ids[] = { T("b"), T("none"), T("a"), T("b") };
    rag_result *rows = NULL;
    OK(rag_docstatus_get_many(e->store, NULL, ids, 4, &rows, &e->err));
    keep(e, rows);
    count_is(rows, 4);
    row_is(row_of(rows, 0), "{\"status\":\"pending\",\"chunks_list\":[2]}");
    row_absent(row_of(rows, 1), T("none"));
    row_is(row_of(rows, 2), "{\"status\":\"pending\",\"chunks_list\":[1]}");
    row_is(row_of(rows, 3), "{\"status\":\"pending\",\"chunks_list\":[2]}");
    rows = NULL;
    OK(rag_docstatus_get_many(e->store, NULL, NULL, 0, &rows, &e->err));
    count_is(keep(e, rows), 0);
    OK(rag_docstatus_put_many(e->store, NULL, NULL, 0, NULL, &e->err));
}

static void docstatus_one_bad_row_refuses_the_batch(struct env *e)
{
    const rag_doc bad[] = {
        { T("x"), T("{}") },
        { T("x"), T("{\"status\":null}") },
        { T("x"), T("{\"status\":3}") },
        { T("x"), T("{\"status\":\"\"}") },
        { T("x"), T("[]") },
        { T("x"), T("") },
        { T("x"), T("{\"status\":\"pending\",\"a\":\"\\ud800\"}") },
        { T(""), T("{\"status\":\"pending\"}") },
        { T("\xff"), T("{\"status\":\"pending\"}") },
    };
    doc_put(e, "old", "{\"status\":\"pending\",\"chunks_list\":[1]}");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const rag_doc docs[] = { { T("new"), T("{\"status\":\"pending\"}") },
                                 { T("old"), T("{\"status\":\"failed\"}") },
                                 bad[i] };
        rag_token token = 5;
        REFUSED(RAG_E_INVALID, rag_docstatus_put_many(e->store, NULL, docs, 3, &token, &e->err));
        CHECK(token == 5 && total_of(e) == 1, "a part of the batch was applied");
    }
    row_is(row_of(get_one(e, "old"), 0), "{\"status\":\"pending\",\"chunks_list\":[1]}");
}

static void docstatus_last_of_equal_ids_wins(struct env *e)
{
    const rag_doc docs[] = { { T("d"), T("{\"status\":\"pending\",\"chunks_list\":[]}") },
                             { T("e"), T("{\"status\":\"pending\",\"chunks_list\":[]}") },
                             { T("d"), T("{\"status\":\"failed\",\"chunks_list\":[]}") } };
    OK(rag_docstatus_put_many(e->store, NULL, docs, 3, NULL, &e->err));
    row_is(row_of(get_one(e, "d"), 0), "{\"status\":\"failed\",\"chunks_list\":[]}");
    CHECK(total_of(e) == 2, "not 2 rows");
}

static void docstatus_delete_and_drop(struct env *e)
{
    uint64_t deleted = 9;
    const rag_slice ids[] = { T("a"), T("none"), T("a") };
    OK(rag_docstatus_drop(e->store, NULL, &e->err));
    doc_put(e, "a", "{\"status\":\"pending\"}");
    doc_put(e, "b", "{\"status\":\"failed\"}");
    OK(rag_docstatus_delete_many(e->store, NULL, ids, 3, &deleted, NULL, &e->err));
    CHECK(deleted == 1 && total_of(e) == 1, "%llu deleted", (unsigned long long)deleted);
    OK(rag_docstatus_delete_many(e->store, NULL, NULL, 0, &deleted, NULL, &e->err));
    CHECK(deleted == 0, "%llu deleted", (unsigned long long)deleted);
    OK(rag_docstatus_drop(e->store, NULL, &e->err));
    OK(rag_docstatus_drop(e->store, NULL, &e->err));
    CHECK(total_of(e) == 0, "the drop");
    row_absent(row_of(get_one(e, "b"), 0), T("b"));
    doc_put(e, "b", "{\"status\":\"pending\"}"); /* usable again */
    CHECK(total_of(e) == 1, "not 1 row");
}

static void docstatus_a_kv_namespace_of_this_name_is_another_thing(struct env *e)
{
    doc_put(e, "a", "{\"status\":\"pending\"}");
    kv_put(e, "doc_status", T("b"), "{}");
    CHECK(total_of(e) == 1 && kv_count(e, "doc_status") == 1, "one is in the other");
    OK(rag_docstatus_drop(e->store, NULL, &e->err));
    CHECK(total_of(e) == 0 && kv_count(e, "doc_status") == 1, "the drop");
}

static void docstatus_hostile_ids(struct env *e)
{
    static const char *const ids[] = { "doc-ce506ace22f28ac2bc4f933d4cf989fd",
                                       "'",
                                       "\"",
                                       "`$1`",
                                       "%",
                                       "_",
                                       "a/b",
                                       "\n",
                                       "\xf0\x9f\x98\x80",
                                       "a:b",
                                       "*",
                                       "'; DROP TABLE doc; --" };
    enum { N = sizeof ids / sizeof ids[0] };
    for (size_t i = 0; i < N; i++)
        doc_put(e, ids[i], format_text("{\"status\":\"s%zu\",\"chunks_list\":[]}", i));
    CHECK(total_of(e) == N, "ids were taken for each other");
    for (size_t i = 0; i < N; i++)
        row_is(row_of(get_one(e, ids[i]), 0),
               format_text("{\"status\":\"s%zu\",\"chunks_list\":[]}", i));
}

static void docstatus_55_a_put_is_there_after_opening_again(struct env *e)
{
    kv_put(e, "full_docs", T("d"), "{\"before\":1}");
    doc_put(e, "d", "{\"status\":\"pending\",\"chunks_list\":[]}");
    rag_store_close(e->store); /* without a flush */
    e->store = NULL;
    e->store = open_again(e, NULL);
    row_is(row_of(get_one(e, "d"), 0), "{\"status\":\"pending\",\"chunks_list\":[]}");
    row_is(row_of(kv_get(e, "full_docs", T("d")), 0), "{\"before\":1}");
}

/* ---- counts --------------------------------------------------------------------------------------------- */

static const char *const seven[] = { "pending",      "parsing",   "analyzing", "processing",
                                     "preprocessed", "processed", "failed" };

static void expect_counts(struct env *e, const char *const *names, const int64_t *numbers, size_t n)
{
    rag_result *rows = NULL;
    int64_t total = 0;
    OK(rag_docstatus_counts(e->store, NULL, &rows, &e->err));
    keep(e, rows);
    count_is(rows, n);
    for (size_t i = 0; i < n; i++) {
        const rag_row *row = row_of(rows, i);
        CHECK(same(row->key, T(names[i])) && row->number == numbers[i],
              "place %zu: '%.*s' %lld, not '%s' %lld", i, SHOW(row->key), (long long)row->number,
              names[i], (long long)numbers[i]);
        total += numbers[i];
    }
    CHECK(rag_result_total(rows) == (uint64_t)total, "the total is %llu, not %lld",
          (unsigned long long)rag_result_total(rows), (long long)total);
}

static void docstatus_46_counts_have_all_seven_statuses(struct env *e)
{
    static const int64_t none[7] = { 0 };
    expect_counts(e, seven, none, 7);
    doc_put(e, "a", "{\"status\":\"processed\"}");
    doc_put(e, "b", "{\"status\":\"processed\"}");
    doc_put(e, "c", "{\"status\":\"pending\"}");
    static const int64_t some[7] = { 1, 0, 0, 0, 0, 2, 0 };
    expect_counts(e, seven, some, 7);
    doc_put(e, "c", "{\"status\":\"failed\"}"); /* a row moves from one to the other */
    const rag_slice a = T("a");
    OK(rag_docstatus_delete_many(e->store, NULL, &a, 1, NULL, NULL, &e->err));
    static const int64_t later[7] = { 0, 0, 0, 0, 0, 1, 1 };
    expect_counts(e, seven, later, 7);
    OK(rag_docstatus_drop(e->store, NULL, &e->err));
    expect_counts(e, seven, none, 7);
}

static void docstatus_46_other_statuses_come_after_by_name(struct env *e)
{
    static const char *const names[] = { "pending",      "parsing",   "analyzing", "processing",
                                         "preprocessed", "processed", "failed",    "PENDING",
                                         "alpha",        "zeta" };
    static const int64_t numbers[] = { 1, 0, 0, 0, 0, 0, 0, 1, 1, 2 };
    doc_put(e, "1", "{\"status\":\"zeta\"}");
    doc_put(e, "2", "{\"status\":\"alpha\"}");
    doc_put(e, "3", "{\"status\":\"zeta\"}");
    doc_put(e, "4", "{\"status\":\"PENDING\"}");
    doc_put(e, "5", "{\"status\":\"pending\"}");
    expect_counts(e, names, numbers, 10);
}

/* ---- pages ---------------------------------------------------------------------------------------------- */

static void put_doc(struct env *e, const char *id, const char *status, const char *created,
                    const char *updated, const char *path)
{
    doc_put(e, id,
            format_text("{\"status\":\"%s\",\"created_at\":\"%s\",\"updated_at\":\"%s\","
                        "\"file_path\":\"%s\",\"chunks_list\":[]}",
                        status, created, updated, path));
}

/* In the order given, and turned round for the other direction. */
static void expect_sorted(struct env *e, rag_doc_sort sort, const char *const *ascending, size_t n)
{
    const char *descending[32];
    rag_doc_page page = RAG_DOC_PAGE_INIT;
    for (size_t i = 0; i < n; i++)
        descending[i] = ascending[n - 1 - i];
    page.sort = sort;
    page.ascending = 1;
    keys_are(page_of(e, &page), ascending, n);
    page.ascending = 0;
    keys_are(page_of(e, &page), descending, n);
}

static void docstatus_47_pages_are_sorted(struct env *e)
{
    put_doc(e, "d3", "pending", "2024-01-01T00:00:00+00:00", "2024-03-01", "b.txt");
    put_doc(e, "d1", "failed", "2024-01-02T00:00:00+00:00", "2024-02-01", "B.TXT");
    put_doc(e, "d4", "pending", "2024-01-02T00:00:00+00:00", "2024-01-01", "a_2.txt");
    put_doc(e, "d2", "pending", "2023-12-31T23:59:59+00:00", "2024-02-01", "A.txt");
    put_doc(e, "D0", "pending", "2024-01-03T00:00:00+00:00", "2024-04-01", "\xc3\x84.txt");
    static const char *const by_id[] = { "D0", "d1", "d2", "d3", "d4" };
    static const char *const by_created[] = { "d2", "d3", "d1", "d4", "D0" };
    static const char *const by_updated[] = { "d4", "d1", "d2", "d3", "D0" };
    static const char *const by_path[] = { "d2", "d4", "d1", "d3", "D0" };
    expect_sorted(e, RAG_DOC_SORT_ID, by_id, 5);
    expect_sorted(e, RAG_DOC_SORT_CREATED_AT, by_created, 5);
    expect_sorted(e, RAG_DOC_SORT_UPDATED_AT, by_updated, 5);
    expect_sorted(e, RAG_DOC_SORT_FILE_PATH, by_path, 5);
    rag_result *usual = NULL; /* NULL: the defaults, newest update first */
    OK(rag_docstatus_page(e->store, NULL, NULL, &usual, &e->err));
    CHECK(same(row_of(keep(e, usual), 0)->key, T("D0")), "not the newest first");
    put_doc(e, "d4", "pending", "2024-01-02T00:00:00+00:00", "2024-05-01", "a_2.txt");
    static const char *const moved[] = { "d1", "d2", "d3", "D0", "d4" };
    expect_sorted(e, RAG_DOC_SORT_UPDATED_AT, moved, 5);
}

static void docstatus_47_missing_members_come_first(struct env *e)
{
    doc_put(e, "none", "{\"status\":\"pending\"}");
    doc_put(e, "null", "{\"status\":\"pending\",\"created_at\":null,\"file_path\":null}");
    doc_put(e, "number", "{\"status\":\"pending\",\"created_at\":17,\"updated_at\":{}}");
    doc_put(e, "empty", "{\"status\":\"pending\",\"created_at\":\"\",\"updated_at\":\"\"}");
    put_doc(e, "full", "pending", "2024-01-01", "2024-01-01", "x");
    static const char *const ascending[] = { "empty", "none", "null", "number", "full" };
    expect_sorted(e, RAG_DOC_SORT_CREATED_AT, ascending, 5);
    expect_sorted(e, RAG_DOC_SORT_UPDATED_AT, ascending, 5);
    expect_sorted(e, RAG_DOC_SORT_FILE_PATH, ascending, 5);
}

static void docstatus_47_pages_are_clamped(struct env *e)
{
    enum { N = 230 };
    rag_doc docs[N];
    for (size_t i = 0; i < N; i++)
        docs[i] = (rag_doc){ T(format_text("d%03zu", i)), T("{\"status\":\"pending\"}") };
    OK(rag_docstatus_put_many(e->store, NULL, docs, N, NULL, &e->err));
    static const struct {
        size_t page, size, rows, first;
    } steps[] = {
        { 1, 0, 50, 0 },
        { 0, 20, 20, 0 },
        { 1, 1, 10, 0 },
        { 2, 1, 10, 10 },
        { 1, 9999, 200, 0 },
        { 2, 9999, 30, 200 },
        { 3, 9999, 0, 0 },
        { 23, 10, 10, 220 },
        { 24, 10, 0, 0 },
        { 5, 50, 30, 200 },
        { (size_t)-1, 200, 0, 0 },
        { 1, (size_t)-1, 200, 0 },
        { (size_t)-1, (size_t)-1, 0, 0 },
    };
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        rag_doc_page page = RAG_DOC_PAGE_INIT;
        page.page = steps[i].page;
        page.page_size = steps[i].size;
        page.sort = RAG_DOC_SORT_ID;
        page.ascending = 1;
        const rag_result *rows = page_of(e, &page);
        count_is(rows, steps[i].rows);
        CHECK(rag_result_total(rows) == N, "the total is %llu",
              (unsigned long long)rag_result_total(rows));
        if (steps[i].rows)
            CHECK(same(row_of(rows, 0)->key, T(format_text("d%03zu", steps[i].first))),
                  "step %zu begins with '%.*s'", i, SHOW(row_of(rows, 0)->key));
    }
}

static void docstatus_47_pages_of_some_statuses(struct env *e)
{
    put_doc(e, "a", "pending", "1", "1", "x");
    put_doc(e, "b", "failed", "2", "2", "x");
    put_doc(e, "c", "processed", "3", "3", "x");
    put_doc(e, "d", "pending", "4", "4", "x");
    static const char *const wanted[] = { "failed", "pending", "nothing", "pending" };
    static const char *const ids[] = { "d", "b", "a" }, *const pending[] = { "d", "a" };
    rag_doc_page page = RAG_DOC_PAGE_INIT;
    page.statuses = wanted;
    page.status_count = 4; /* one status twice: its rows once */
    const rag_result *rows = page_of(e, &page);
    keys_are(rows, ids, 3);
    CHECK(rag_result_total(rows) == 3, "the total is of the pages, not of the store");
    page.statuses = wanted + 1;
    page.status_count = 1;
    keys_are(page_of(e, &page), pending, 2);
    page.statuses = wanted + 2;
    rows = page_of(e, &page);
    count_is(rows, 0);
    CHECK(rag_result_total(rows) == 0, "a total of nothing");
    row_is(row_of(get_one(e, "a"), 0),
           "{\"status\":\"pending\",\"created_at\":\"1\",\"updated_at\":\"1\","
           "\"file_path\":\"x\",\"chunks_list\":[]}");
}

static void docstatus_47_bad_pages_are_refused(struct env *e)
{
    rag_doc_page page = RAG_DOC_PAGE_INIT;
    rag_result *rows = NULL;
    page.sort = (rag_doc_sort)9;
    REFUSED(RAG_E_INVALID, rag_docstatus_page(e->store, NULL, &page, &rows, &e->err));
    page.sort = RAG_DOC_SORT_ID;
    page.status_count = 2;
    REFUSED(RAG_E_INVALID, rag_docstatus_page(e->store, NULL, &page, &rows, &e->err));
    page.status_count = 0;
    page.struct_size = 3;
    REFUSED(RAG_E_INVALID, rag_docstatus_page(e->store, NULL, &page, &rows, &e->err));
    CHECK(!rows, "the result was touched");
}

static void docstatus_47_pages_by_random_documents(struct env *e)
{
    enum { N = 150 };
    struct random r = random_of(e);
    const char *status_of[N];
    int moment[N];
    for (size_t i = 0; i < N; i++) {
        status_of[i] = seven[random_below(&r, 3)];
        moment[i] = (int)random_below(&r, 20); /* many equal ones */
        put_doc(e, format_text("d%03zu", i), status_of[i], format_text("t%02d", moment[i]), "u",
                "p");
    }
    const char *const both[] = { seven[0], seven[2] };
    rag_doc_page page = RAG_DOC_PAGE_INIT;
    page.statuses = both;
    page.status_count = 2;
    page.page_size = 17;
    page.sort = RAG_DOC_SORT_CREATED_AT;
    size_t wanted = 0, got = 0, before = N;
    for (size_t i = 0; i < N; i++)
        wanted += status_of[i] != seven[1];
    for (page.page = 1;; page.page++) {
        const rag_result *rows = page_of(e, &page);
        CHECK(rag_result_total(rows) == wanted, "the total is not %zu", wanted);
        for (size_t i = 0; i < rag_result_count(rows); i++, got++) {
            const size_t d = strtoul((const char *)row_of(rows, i)->key.data + 1, NULL, 10);
            CHECK(d < N && status_of[d] != seven[1], "document %zu is of another status", d);
            CHECK(before == N || moment[d] < moment[before] ||
                      (moment[d] == moment[before] && d < before),
                  "document %zu after %zu", d, before);
            before = d;
        }
        if (rag_result_count(rows) < page.page_size)
            break;
    }
    CHECK(got == wanted, "%zu documents over all pages, not %zu", got, wanted);
}

/* ---- scans and a model ----------------------------------------------------------------------------------- */

static void docstatus_scan_gives_every_row_once_in_order_of_id(struct env *e)
{
    static const char *const ordered[] = { "!",  "A", "a",        "a\x01",
                                           "aa", "b", "\xc3\xa9", "\xf0\x9f\x98\x80" };
    static const size_t limits[] = { 1, 2, 7, 8, 100 };
    const rag_row *rows[8];
    for (size_t i = 0; i < 8; i++)
        doc_put(e, ordered[i * 5 % 8], "{\"status\":\"pending\",\"chunks_list\":[]}");
    for (size_t l = 0; l < 5; l++) {
        CHECK(scan_all(e, scan_docs, NULL, limits[l], rows, 8) == 8, "not 8 rows");
        for (size_t i = 0; i < 8; i++) {
            CHECK(same(rows[i]->key, T(ordered[i])), "row %zu is '%.*s'", i, SHOW(rows[i]->key));
            row_is(rows[i], "{\"status\":\"pending\",\"chunks_list\":[]}");
        }
    }
}

static void docstatus_random_operations_agree_with_a_model(struct env *e)
{
    enum { N = 20 };
    struct random r = random_of(e);
    int state[N] = { 0 }; /* 0: absent, else status + 1 */
    for (int step = 0; step < 400; step++) {
        const size_t d = random_below(&r, N), other = random_below(&r, N);
        const rag_slice ids[] = { T(format_text("d%zu", d)), T(format_text("d%zu", other)) };
        if (random_below(&r, 3)) {
            const size_t s = random_below(&r, 7);
            const char *row = format_text("{\"status\":\"%s\"}", seven[s]);
            const rag_doc docs[] = { { ids[0], T(row) }, { ids[1], T(row) } };
            OK(rag_docstatus_put_many(e->store, NULL, docs, 2, NULL, &e->err));
            state[d] = state[other] = (int)s + 1;
        } else {
            const uint64_t wanted = (uint64_t)(state[d] != 0) + (d != other && state[other]);
            uint64_t deleted = 0;
            OK(rag_docstatus_delete_many(e->store, NULL, ids, 2, &deleted, NULL, &e->err));
            CHECK(deleted == wanted, "%llu deleted, not %llu", (unsigned long long)deleted,
                  (unsigned long long)wanted);
            state[d] = state[other] = 0;
        }
        int64_t numbers[7] = { 0 };
        for (size_t i = 0; i < N; i++)
            if (state[i])
                numbers[state[i] - 1]++;
        expect_counts(e, seven, numbers, 7);
    }
    for (size_t i = 0; i < N; i++) {
        const rag_row *row = row_of(get_one(e, format_text("d%zu", i)), 0);
        CHECK(row->found == (state[i] != 0), "document %zu", i);
        if (row->found)
            CHECK(contains(row->value, format_text("\"%s\"", seven[state[i] - 1])), "its status");
    }
}

const struct conformance_case docstatus_cases[] = {
    CASE(docstatus, 54_rows_keep_every_field),
    CASE(docstatus, put_replaces_and_adds_a_chunks_list),
    CASE(docstatus, get_keeps_order_and_duplicates),
    CASE(docstatus, one_bad_row_refuses_the_batch),
    CASE(docstatus, last_of_equal_ids_wins),
    CASE(docstatus, delete_and_drop),
    CASE(docstatus, a_kv_namespace_of_this_name_is_another_thing),
    CASE(docstatus, hostile_ids),
    CASE_NEEDS(docstatus, 55_a_put_is_there_after_opening_again, NEEDS_PERSISTENCE),
    CASE(docstatus, 46_counts_have_all_seven_statuses),
    CASE(docstatus, 46_other_statuses_come_after_by_name),
    CASE(docstatus, 47_pages_are_sorted),
    CASE(docstatus, 47_missing_members_come_first),
    CASE(docstatus, 47_pages_are_clamped),
    CASE(docstatus, 47_pages_of_some_statuses),
    CASE(docstatus, 47_bad_pages_are_refused),
    CASE(docstatus, 47_pages_by_random_documents),
    CASE(docstatus, scan_gives_every_row_once_in_order_of_id),
    CASE(docstatus, random_operations_agree_with_a_model),
    CASES_END,
};
