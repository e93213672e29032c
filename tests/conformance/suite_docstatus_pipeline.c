/* What LightRAG's pipeline asks of the status of documents: what is to be done (sweeps), records that
 * can be used, updates of single members, whose content and source is there already, conflicts.
 * Fingerprints were computed by another program. */
#include <stdio.h>
#include <string.h>

#include "conformance.h"

static void put(struct env *e, const char *id, const char *status, const char *created,
                const char *path, const char *more)
{
    doc_put(e, id,
            format_text("{\"status\":\"%s\",\"created_at\":\"%s\",\"updated_at\":\"u\","
                        "\"file_path\":\"%s\",\"content_summary\":\"s\",\"content_length\":1%s}",
                        status, created, path, more));
}

static rag_result *sweep_page(struct env *e, const rag_doc_sweep *sweep)
{
    rag_result *rows = NULL;
    OK(rag_docstatus_sweep(e->store, NULL, sweep, &rows, &e->err));
    return keep(e, rows);
}

static const char *const two[] = { "pending", "failed", "pending" };

/* ---- 48: sweeps ------------------------------------------------------------------------------------- */

static void docstatus_48_sweeps_merge_statuses_in_order(struct env *e)
{
    static const char *const ordered[] = { "n1", "n2", "c", "a", "b", "d", "\xc3\xa9" };
    put(e, "d", "pending", "2024-03", "p", "");
    put(e, "a", "failed", "2024-02", "p", "");
    put(e, "b", "pending", "2024-02", "p", "");
    put(e, "c", "failed", "2024-01", "p", "");
    put(e, "\xc3\xa9", "failed", "2024-03", "p", "");
    put(e, "x", "processed", "2024-02", "p", "");
    doc_put(e, "n2", "{\"status\":\"pending\"}"); /* not usable, but consumed */
    doc_put(e, "n1", "{\"status\":\"failed\",\"created_at\":7}");
    for (size_t limit = 1; limit < 10; limit++) {
        rag_doc_sweep sweep = RAG_DOC_SWEEP_INIT;
        size_t seen = 2, pages = 0; /* the two are left out */
        sweep.statuses = two;
        sweep.status_count = 3;
        sweep.limit = limit;
        do {
            const rag_result *rows = sweep_page(e, &sweep);
            CHECK(rag_result_count(rows) <= limit && ++pages < 10, "the sweep does not end");
            for (size_t i = 0; i < rag_result_count(rows); i++, seen++)
                CHECK(seen < 7 && same(row_of(rows, i)->key, T(ordered[seen])),
                      "limit %zu, place %zu: '%.*s'", limit, seen, SHOW(row_of(rows, i)->key));
            CHECK(!rag_result_next(rows).len || !same(rag_result_next(rows), sweep.after),
                  "the position does not advance");
            sweep.after = rag_result_next(rows);
        } while (sweep.after.len);
        CHECK(seen == 7, "limit %zu: %zu documents", limit, seen);
    }
}

static void docstatus_48_what_is_put_behind_is_not_seen_again(struct env *e)
{
    rag_doc_sweep sweep = RAG_DOC_SWEEP_INIT;
    sweep.statuses = two;
    sweep.status_count = 2;
    sweep.limit = 2;
    put(e, "a", "pending", "2", "p", "");
    put(e, "b", "pending", "3", "p", "");
    put(e, "c", "pending", "4", "p", "");
    const rag_result *rows = sweep_page(e, &sweep);
    static const char *const first[] = { "a", "b" }, *const rest[] = { "c", "d" };
    keys_are(rows, first, 2);
    CHECK(same(row_of(rows, 0)->key2, T("2")), "key2 is not created_at");
    put(e, "0", "pending", "1", "p", "");
    put(e, "a", "failed", "2", "p", "");
    put(e, "d", "failed", "4", "p", "");
    sweep.after = rag_result_next(rows);
    rows = sweep_page(e, &sweep);
    keys_are(rows, rest, 2);
    sweep.after = rag_result_next(rows);
    if (sweep.after.len) {
        rows = sweep_page(e, &sweep);
        count_is(rows, 0);
    }
    CHECK(!rag_result_next(rows).len, "not at the end");
}

static void docstatus_48_bad_sweeps_are_refused(struct env *e)
{
    static const char *const positions[] = {
        "x", "[]", "[\"a\"]", "[1,\"a\"]", "{}", "[\"a\",\"b\",\"c\"]", "[\"a\",\"b\"] x"
    };
    rag_doc_sweep sweep = RAG_DOC_SWEEP_INIT;
    rag_result *rows = NULL;
    count_is(sweep_page(e, &sweep), 0); /* no status: at its end */
    sweep.statuses = two;
    sweep.status_count = 2;
    for (size_t i = 0; i < sizeof positions / sizeof *positions; i++) {
        sweep.after = T(positions[i]);
        REFUSED(RAG_E_INVALID, rag_docstatus_sweep(e->store, NULL, &sweep, &rows, &e->err));
    }
    sweep.after = T("");
    sweep.limit = 0;
    REFUSED(RAG_E_INVALID, rag_docstatus_sweep(e->store, NULL, &sweep, &rows, &e->err));
    sweep.limit = 1;
    sweep.what = 2;
    REFUSED(RAG_E_INVALID, rag_docstatus_sweep(e->store, NULL, &sweep, &rows, &e->err));
    CHECK(!rows, "the result was touched");
}

/* ---- 49: what cannot be used ------------------------------------------------------------------------- */

static void docstatus_49_strict_and_relaxed_reads(struct env *e)
{
    rag_doc_sweep sweep = RAG_DOC_SWEEP_INIT;
    rag_result *rows = NULL;
    uint64_t count = 0;
    doc_put(e, "bad", "{\"status\":\"pending\"}");
    doc_put(e, "half",
            "{\"status\":\"pending\",\"created_at\":\"1\",\"track_id\":\"t\","
            "\"metadata\":{\"custom_chunk_patch\":{}}}");
    put(e, "whole", "pending", "2", "p", "");
    static const char *const records[] = { "half", "whole" }, *const full[] = { "whole" };
    sweep.statuses = two;
    sweep.status_count = 1;
    const rag_result *found = sweep_page(e, &sweep);
    keys_are(found, records, 2);
    row_is(row_of(found, 0), "{\"status\":\"pending\",\"created_at\":\"1\",\"updated_at\":\"1\","
                             "\"file_path\":\"no-file-path\",\"track_id\":\"t\","
                             "\"has_custom_chunk_journal\":true}");
    row_is(row_of(found, 1), "{\"status\":\"pending\",\"created_at\":\"2\",\"updated_at\":\"u\","
                             "\"file_path\":\"p\",\"track_id\":null,"
                             "\"has_custom_chunk_journal\":false}");
    sweep.what = RAG_DOC_FULL;
    keys_are(sweep_page(e, &sweep), full, 1);
    sweep.strict = 1;
    REFUSED(RAG_E_CORRUPT, rag_docstatus_sweep(e->store, NULL, &sweep, &rows, &e->err));
    expect_message(e, "bad");
    const rag_slice ids[] = { T("whole"), T("none"), T("half"), T("bad") };
    OK(rag_docstatus_read_many(e->store, NULL, ids, 4, RAG_DOC_RECORD, 0, &rows, &e->err));
    keep(e, rows);
    count_is(rows, 4);
    CHECK(row_of(rows, 0)->found && row_of(rows, 2)->found, "records");
    row_absent(row_of(rows, 1), T("none"));
    CHECK(!row_of(rows, 3)->found && row_of(rows, 3)->number == 1, "an unusable row");
    rows = NULL;
    REFUSED(RAG_E_CORRUPT,
            rag_docstatus_read_many(e->store, NULL, ids, 3, RAG_DOC_FULL, 1, &rows, &e->err));
    expect_message(e, "half");
    OK(rag_docstatus_count(e->store, NULL, two, 3, &count, &e->err));
    CHECK(count == 3, "%llu are counted", (unsigned long long)count);
    OK(rag_docstatus_count(e->store, NULL, NULL, 0, &count, &e->err));
    CHECK(count == 0, "%llu in no status", (unsigned long long)count);
}

/* ---- 50: updates --------------------------------------------------------------------------------------- */

static void docstatus_50_updates_of_single_members(struct env *e)
{
    const rag_slice a = T("a");
    rag_result *rows = NULL;
    doc_put(e, "a", "{\"status\":\"pending\",\"created_at\":\"1\",\"n\":1.50,\"chunks_list\":[]}");
    const rag_doc changes[] = { { a, T("{\"status\":\"failed\",\"m\":1}") },
                                { a, T("{\"m\":2,\"track_id\":\"t\"}") } };
    OK(rag_docstatus_update_many(e->store, NULL, changes, 2, 0, NULL, &e->err));
    OK(rag_docstatus_get_many(e->store, NULL, &a, 1, &rows, &e->err));
    row_is(row_of(keep(e, rows), 0), "{\"status\":\"failed\",\"created_at\":\"1\",\"n\":1.50,"
                                     "\"chunks_list\":[],\"m\":2,\"track_id\":\"t\"}");
    rag_doc_sweep sweep = RAG_DOC_SWEEP_INIT;
    sweep.statuses = two;
    sweep.status_count = 1;
    count_is(sweep_page(e, &sweep), 0); /* it moved */
    sweep.statuses = two + 1;
    count_is(sweep_page(e, &sweep), 1);
    rag_doc bad[] = { { a, T("{\"m\":3}") }, { T("none"), T("{\"m\":3}") } };
    REFUSED(RAG_E_NOT_FOUND, rag_docstatus_update_many(e->store, NULL, bad, 2, 0, NULL, &e->err));
    expect_message(e, "none");
    static const char *const refused[] = { "{\"created_at\":\"1\"}", "{\"status\":null}",
                                           "{\"status\":\"\"}", "[]", "" };
    for (size_t i = 0; i < 5; i++) {
        bad[1] = (rag_doc){ a, T(refused[i]) };
        REFUSED(RAG_E_INVALID, rag_docstatus_update_many(e->store, NULL, bad, 2, 1, NULL, &e->err));
    }
    rows = NULL;
    OK(rag_docstatus_get_many(e->store, NULL, &a, 1, &rows, &e->err));
    CHECK(contains(row_of(keep(e, rows), 0)->value, "\"m\":2"), "a part of it was applied");
    bad[1] = (rag_doc){ T("none"), T("{\"m\":3}") };
    OK(rag_docstatus_update_many(e->store, NULL, bad, 2, 1, NULL, &e->err));
}

/* ---- 51: by content hash and other members --------------------------------------------------------------- */

static void docstatus_51_the_earliest_with_both_exclusions(struct env *e)
{
    static const char *const all[] = { "b", "c", "a", "d" }, *const left[] = { "c", "d" };
    static const char *const primaries[] = { "b", "a", "d" };
    put(e, "a", "pending", "2", "p",
        ",\"content_hash\":\"h\",\"metadata\":{\"original_doc_id\":\"b\"}");
    put(e, "b", "pending", "1", "p", ",\"content_hash\":\"h\"");
    put(e, "c", "pending", "1", "p",
        ",\"content_hash\":\"h\",\"metadata\":{\"is_duplicate\":true,\"original_doc_id\":\"a\"}");
    put(e, "d", "pending", "3", "p", ",\"content_hash\":\"h\",\"track_id\":\"t\"");
    put(e, "e", "pending", "0", "q", ",\"content_hash\":\"H\"");
    rag_doc_query query = RAG_DOC_QUERY_INIT;
    rag_result *rows = NULL;
    query.by = RAG_DOC_BY_CONTENT_HASH;
    query.text = T("h");
    OK(rag_docstatus_find(e->store, NULL, &query, &rows, &e->err));
    keys_are(keep(e, rows), all, 4);
    query.exclude_id = T("b"); /* "a" names it, but is not a duplicate */
    OK(rag_docstatus_find(e->store, NULL, &query, &rows, &e->err));
    keys_are(keep(e, rows), all + 1, 3);
    query.exclude_id = T("a"); /* and so its duplicate "c" */
    query.limit = 1;
    OK(rag_docstatus_find(e->store, NULL, &query, &rows, &e->err));
    keys_are(keep(e, rows), all, 1);
    query.after = rag_result_next(rows);
    OK(rag_docstatus_find(e->store, NULL, &query, &rows, &e->err));
    keys_are(keep(e, rows), left + 1, 1);
    query = (rag_doc_query)RAG_DOC_QUERY_INIT;
    query.by = RAG_DOC_BY_FILE_PATH;
    query.text = T("p");
    query.primaries_only = 1;
    OK(rag_docstatus_find(e->store, NULL, &query, &rows, &e->err));
    keys_are(keep(e, rows), primaries, 3);
    query.by = RAG_DOC_BY_TRACK_ID;
    query.text = T("t");
    OK(rag_docstatus_find(e->store, NULL, &query, &rows, &e->err));
    keys_are(keep(e, rows), left + 1, 1);
    query.text = T("");
    OK(rag_docstatus_find(e->store, NULL, &query, &rows, &e->err));
    count_is(keep(e, rows), 0);
}

/* ---- 52, 53: sources --------------------------------------------------------------------------------------- */

static uint64_t primaries_of(struct env *e, const char *source)
{
    rag_result *rows = NULL;
    OK(rag_docstatus_resolve(e->store, NULL, T(source), &rows, &e->err));
    return rag_result_total(keep(e, rows));
}

static void docstatus_52_sources_are_resolved(struct env *e)
{
    rag_result *rows = NULL;
    put(e, "1", "pending", "1", "one.txt", "");
    put(e, "2", "pending", "1", "one.txt", ",\"metadata\":{\"is_duplicate\":true}");
    put(e, "3", "pending", "1", "unknown_source", "");
    for (size_t i = 0; i < 40; i++)
        put(e, format_text("m%02zu", 39 - i), "failed", format_text("%zu", i), "many.txt", "");
    CHECK(primaries_of(e, "one.txt") == 1 && primaries_of(e, "none.txt") == 0, "one and none");
    CHECK(primaries_of(e, "") == 0 && primaries_of(e, "unknown_source") == 0, "no source");
    OK(rag_docstatus_resolve(e->store, NULL, T("many.txt"), &rows, &e->err));
    keep(e, rows);
    CHECK(rag_result_total(rows) == 40, "%llu", (unsigned long long)rag_result_total(rows));
    count_is(rows, RAG_DOC_SAMPLE_MAX);
    CHECK(same(row_of(rows, 0)->key, T("m00")) && same(row_of(rows, 31)->key, T("m31")),
          "not the first by id");
    doc_put(e, "bad", "{\"status\":\"pending\",\"file_path\":\"one.txt\"}");
    REFUSED(RAG_E_CORRUPT, rag_docstatus_resolve(e->store, NULL, T("one.txt"), &rows, &e->err));
}

static void docstatus_53_conflicts_are_settled(struct env *e)
{
    static const char print[] = "884869a76bb61fe5b93b404823c521f760f3163e0389f19720b6d361b9311080";
    rag_result *rows = NULL;
    put(e, "d2", "pending", "1", "f", ",\"metadata\":{\"kept\":1.0}");
    put(e, "d1", "pending", "2", "f", "");
    put(e, "x1", "pending", "1", "no-file-path", "");
    put(e, "x2", "pending", "1", "no-file-path", "");
    put(e, "y1", "pending", "1", "g", "");
    put(e, "y2", "pending", "1", "g", "");
    OK(rag_docstatus_conflicts(e->store, NULL, T(""), 1, &rows, &e->err));
    keep(e, rows);
    count_is(rows, 1);
    CHECK(same(row_of(rows, 0)->key, T("f")) && row_of(rows, 0)->number == 2, "the first conflict");
    row_is(row_of(rows, 0),
           format_text("{\"fingerprint\":\"%s\",\"sample\":[\"d1\",\"d2\"]}", print));
    OK(rag_docstatus_conflicts(e->store, NULL, rag_result_next(rows), 9, &rows, &e->err));
    count_is(keep(e, rows), 1);
    CHECK(same(row_of(rows, 0)->key, T("g")) && !rag_result_next(rows).len, "the second and last");
    rag_doc_repair repair = RAG_DOC_REPAIR_INIT;
    repair.source = T("f");
    repair.primary_id = T("d3");
    REFUSED(RAG_E_INVALID, rag_docstatus_repair(e->store, NULL, &repair, NULL, &e->err));
    repair.primary_id = T("d1");
    OK(rag_docstatus_repair(e->store, NULL, &repair, &rows, &e->err));
    CHECK(!row_of(keep(e, rows), 0)->found && primaries_of(e, "f") == 2,
          "a dry run changes nothing");
    repair.dry_run = 0;
    repair.expected_count = 2;
    repair.expected_fingerprint =
        "13e228567e8249fce53337f25d7970de3bd68ab2653424c7b8f9fd05e33caedf"; /* of a, b, c */
    REFUSED(RAG_E_CONFLICT, rag_docstatus_repair(e->store, NULL, &repair, NULL, &e->err));
    repair.expected_fingerprint = print;
    repair.expected_count = 3;
    REFUSED(RAG_E_CONFLICT, rag_docstatus_repair(e->store, NULL, &repair, NULL, &e->err));
    CHECK(primaries_of(e, "f") == 2, "a stale repair was applied");
    repair.expected_count = 2;
    OK(rag_docstatus_repair(e->store, NULL, &repair, &rows, &e->err));
    CHECK(row_of(keep(e, rows), 0)->found && row_of(rows, 0)->number == 2, "done");
    row_is(row_of(rows, 0), format_text("{\"fingerprint\":\"%s\",\"demoted\":[\"d2\"]}", print));
    CHECK(primaries_of(e, "f") == 1, "still in conflict");
    const rag_slice d2 = T("d2");
    OK(rag_docstatus_get_many(e->store, NULL, &d2, 1, &rows, &e->err));
    CHECK(contains(row_of(keep(e, rows), 0)->value,
                   "\"metadata\":{\"kept\":1.0,\"is_duplicate\":true,\"original_doc_id\":\"d1\"}"),
          "%.*s", SHOW(row_of(rows, 0)->value));
}

const struct conformance_case docstatus_pipeline_cases[] = {
    CASE(docstatus, 48_sweeps_merge_statuses_in_order),
    CASE(docstatus, 48_what_is_put_behind_is_not_seen_again),
    CASE(docstatus, 48_bad_sweeps_are_refused),
    CASE(docstatus, 49_strict_and_relaxed_reads),
    CASE_NEEDS(docstatus, 50_updates_of_single_members, NEEDS_TRANSACTIONS),
    CASE(docstatus, 51_the_earliest_with_both_exclusions),
    CASE(docstatus, 52_sources_are_resolved),
    CASE_NEEDS(docstatus, 53_conflicts_are_settled, NEEDS_TRANSACTIONS),
    CASES_END,
};
