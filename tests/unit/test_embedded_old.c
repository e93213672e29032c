/* A store of format 1 that is opened for reading only answers every question as it does once it was
 * brought up to date, and nothing about its file changes. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <ragstore/ragstore.h>
#include <sqlite3.h>

#include "core/slice.h"

#define MUST(call_)                                    \
    do {                                               \
        rag_error must_ = RAG_ERROR_INIT;              \
        rag_error *const err = &must_;                 \
        if ((call_) != RAG_OK)                         \
            fail_msg("%s: %s", #call_, must_.message); \
    } while (0)

static char directory[64];

/* Rows that the imported ones do not have: no created_at, duplicates, journals, damage. */
static void add_documents(const char *file)
{
    static const struct {
        const char *id, *created_at, *file_path, *track_id, *hash, *json;
        int is_duplicate;
    } docs[] = {
        { "doc-a", NULL, "a.txt", "track", "hash", "{\"status\":\"pending\"}", 0 },
        { "doc-b", "2026-01-01", "a.txt", "track", "hash",
          "{\"status\":\"pending\",\"created_at\":\"2026-01-01\",\"metadata\":{\"is_duplicate\":true,"
          "\"original_doc_id\":\"doc-a\"}}",
          1 },
        { "doc-c", "2026-01-02", "a.txt", "track", "hash",
          "{\"status\":\"failed\",\"created_at\":\"2026-01-02\",\"metadata\":{\"custom_chunk_patch\":"
          "{\"x\":1}}}",
          0 },
        { "doc-d", "2026-01-02", "d.txt", NULL, NULL, "{\"status\":\"pending\"}", 0 },
    };
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(
                         db,
                         "INSERT INTO doc(id, status, created_at, file_path, file_path_order,"
                         " track_id, content_hash, is_duplicate, value) SELECT"
                         " CAST(?1 AS BLOB), CAST(json_extract(?6, '$.status') AS BLOB),"
                         " CAST(?2 AS BLOB), CAST(?3 AS BLOB), CAST(?3 AS BLOB), CAST(?4 AS BLOB),"
                         " CAST(?5 AS BLOB), ?7, CAST(X'00' || ?6 AS BLOB)",
                         -1, &stmt, NULL),
                     SQLITE_OK);
    for (size_t i = 0; i < sizeof docs / sizeof *docs; i++) {
        const char *texts[] = { docs[i].id,       docs[i].created_at, docs[i].file_path,
                                docs[i].track_id, docs[i].hash,       docs[i].json };
        for (int t = 0; t < 6; t++)
            (void)sqlite3_bind_text(stmt, t + 1, texts[t], -1, SQLITE_STATIC);
        (void)sqlite3_bind_int(stmt, 7, docs[i].is_duplicate);
        assert_int_equal(sqlite3_step(stmt), SQLITE_DONE);
        (void)sqlite3_reset(stmt);
    }
    (void)sqlite3_finalize(stmt);
    assert_int_equal(
        sqlite3_exec(db,
                     "DELETE FROM doc_count; INSERT INTO doc_count SELECT status, count(*) FROM"
                     " doc GROUP BY 1; UPDATE namespace SET rows = (SELECT count(*) FROM doc),"
                     " bytes = (SELECT sum(length(id) + length(value)) FROM doc) WHERE kind = 5",
                     NULL, NULL, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* With the directory as $D. */
static void run(const char *script)
{
    assert_int_equal(setenv("D", directory, 1), 0); /* NOLINT(concurrency-mt-unsafe) */
    assert_int_equal(system(script), 0); /* NOLINT(cert-env33-c,concurrency-mt-unsafe): our own */
}

static int set_up(void **state)
{
    char file[128];
    (void)state;
    (void)snprintf(directory, sizeof directory, "/tmp/ragstore-old-XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    run("mkdir $D/old && cp " RAG_TEST_DATA "/store-v1/ragstore.db $D/old");
    (void)snprintf(file, sizeof file, "%s/old/ragstore.db", directory);
    add_documents(file);
    run("cp $D/old/ragstore.db $D/before && cp -r $D/old $D/new");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    run("rm -rf $D");
    return 0;
}

static rag_store *open_store(const char *name, unsigned flags)
{
    rag_store *store = NULL;
    rag_open_options options = RAG_OPEN_OPTIONS_INIT;
    char path[128];
    options.flags = flags;
    options.config_file = "";
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    MUST(rag_store_open(path, &options, NULL, &store, err));
    return store;
}

/* ---- comparing ----------------------------------------------------------------------------------- */

static void assert_slices(rag_slice a, rag_slice b)
{
    assert_int_equal(a.len, b.len);
    if (a.len)
        assert_memory_equal(a.data, b.data, a.len);
}

static size_t compare(rag_result *old, rag_result *new)
{
    const size_t n = rag_result_count(new);
    assert_int_equal(rag_result_count(old), n);
    assert_int_equal(rag_result_total(old), rag_result_total(new));
    assert_slices(rag_result_next(old), rag_result_next(new));
    for (size_t i = 0; i < n; i++) {
        const rag_row *a = rag_result_row(old, i), *b = rag_result_row(new, i);
        assert_slices(a->key, b->key);
        assert_slices(a->key2, b->key2);
        assert_slices(a->value, b->value);
        assert_int_equal(a->found, b->found);
        assert_int_equal(a->number, b->number);
        assert_int_equal(a->created_at, b->created_at);
        assert_int_equal(a->updated_at, b->updated_at);
        assert_true(a->score == b->score);
        assert_int_equal(a->dimension, b->dimension);
        if (a->dimension)
            assert_memory_equal(a->vector, b->vector, a->dimension * sizeof(float));
    }
    rag_result_free(old);
    rag_result_free(new);
    return n;
}

static struct {
    rag_store *old, *new;
} both;

/* One question to both stores; the number of rows of the answer. */
#define SAME(call_)                                                \
    (__extension__({                                               \
        rag_result *answers_[2] = { NULL, NULL };                  \
        for (int which_ = 0; which_ < 2; which_++) {               \
            rag_store *const store = which_ ? both.new : both.old; \
            rag_result **const out = &answers_[which_];            \
            MUST(call_);                                           \
        }                                                          \
        compare(answers_[0], answers_[1]);                         \
    }))

static void documents(void)
{
    static const char *const statuses[] = { "pending", "failed", "processed" };
    assert_true(SAME(rag_docstatus_counts(store, NULL, out, err)) >= 3);
    assert_int_equal(SAME(rag_docstatus_scan(store, NULL, rag_text(""), 100, out, err)), 6);
    for (int sort = 0; sort <= RAG_DOC_SORT_FILE_PATH; sort++)
        for (int how = 0; how < 4; how++) {
            rag_doc_page page = RAG_DOC_PAGE_INIT;
            page.sort = (rag_doc_sort)sort;
            page.ascending = how & 1;
            page.statuses = statuses;
            page.status_count = how & 2 ? 2 : 0;
            assert_int_equal(SAME(rag_docstatus_page(store, NULL, &page, out, err)),
                             how & 2 ? 4 : 6);
        }
    for (unsigned what = RAG_DOC_RECORD; what <= RAG_DOC_FULL; what++) {
        rag_doc_sweep sweep = RAG_DOC_SWEEP_INIT;
        sweep.statuses = statuses;
        sweep.status_count = 3;
        sweep.what = what;
        (void)SAME(rag_docstatus_sweep(store, NULL, &sweep, out, err));
    }
    for (int by = RAG_DOC_BY_TRACK_ID; by <= RAG_DOC_BY_CONTENT_HASH; by++)
        for (int how = 0; how < 4; how++) {
            static const char *const texts[] = { "", "track", "a.txt", "hash" };
            rag_doc_query query = RAG_DOC_QUERY_INIT;
            query.by = (rag_doc_by)by;
            query.text = rag_text(texts[by]);
            query.primaries_only = how & 1;
            query.exclude_id = rag_text(how & 2 ? "doc-a" : "");
            const size_t n = SAME(rag_docstatus_find(store, NULL, &query, out, err));
            assert_int_equal(n, how & 2 ? 1 : how & 1 ? 2 : 3);
        }
    assert_int_equal(SAME(rag_docstatus_conflicts(store, NULL, rag_text(""), 10, out, err)), 1);
}

static void graph(void)
{
    static const char *const queries[] = { "a", "r", "gr", "\xc3\xb6", "naflast", "FLOUND", "zzz" };
    size_t found = 0;
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++)
        found += SAME(rag_graph_search_labels(store, NULL, rag_text(queries[i]), 50, out, err));
    assert_true(found > 16);
    assert_int_equal(SAME(rag_graph_scan_nodes(store, NULL, rag_text(""), 99, 3, out, err)), 16);
    assert_int_equal(SAME(rag_graph_scan_edges(store, NULL, rag_text(""), 99, 1, out, err)), 29);
    assert_int_equal(SAME(rag_graph_popular(store, NULL, 99, out, err)), 16);
}

static void values_and_vectors(void)
{
    static const char *const spaces[] = { "chunks", "entities", "relationships" };
    float vector[32] = { 1, 0.5F, -0.25F };
    assert_int_equal(
        SAME(rag_kv_scan(store, NULL, "llm_response_cache", rag_text(""), 99, out, err)), 30);
    for (size_t i = 0; i < 3; i++) {
        rag_vector_query query = RAG_VECTOR_QUERY_INIT;
        query.vector = vector;
        query.dimension = 32;
        query.what = RAG_VECTOR_VALUES | RAG_VECTOR_VECTORS;
        assert_true(SAME(rag_vector_search(store, NULL, spaces[i], &query, out, err)) > 5);
        assert_true(SAME(rag_vector_scan(store, NULL, spaces[i], rag_text(""), 99, 3, out, err)) >
                    5);
        assert_int_equal(
            SAME(rag_vector_pending(store, NULL, spaces[i], rag_text(""), 9, out, err)), 0);
        const rag_slice ids[] = { rag_text("nobody") };
        assert_int_equal(SAME(rag_vector_get_many(store, NULL, spaces[i], ids, 1, 3, out, err)), 1);
    }
    for (int i = 0; i < 2; i++) {
        rag_kv_limits limits = { .struct_size = sizeof limits, .max_bytes = 7, .ttl_s = 7 };
        uint64_t count = 0;
        rag_store *store = i ? both.new : both.old;
        MUST(rag_kv_count(store, NULL, "llm_response_cache", &count, err));
        assert_int_equal(count, 30);
        MUST(rag_kv_get_limits(store, NULL, "llm_response_cache", &limits, err));
        assert_true(limits.max_bytes == 0 && limits.ttl_s == 0);
    }
    (void)SAME(rag_store_namespaces(store, NULL, out, err));
    (void)SAME(rag_store_content_hash(store, NULL, out, err));
    rag_check_options options = RAG_CHECK_OPTIONS_INIT;
    assert_true(SAME(rag_store_check(store, NULL, &options, out, err)) > 30);
}

static void answers_are_those_of_the_upgraded_store(void **state)
{
    (void)state;
    both.old = open_store("old", RAG_OPEN_READ_ONLY);
    both.new = open_store("new", RAG_OPEN_EXISTING);
    documents();
    graph();
    values_and_vectors();
    rag_error err = RAG_ERROR_INIT;
    rag_token token = 0;
    const rag_kv_item item = { .key = rag_text("k"), .value = rag_text("{}") };
    assert_int_equal(rag_kv_put_many(both.old, NULL, "n", &item, 1, &token, &err), RAG_E_DENIED);
    rag_store_close(both.old);
    rag_store_close(both.new);
    run("cmp $D/before $D/old/ragstore.db");
}

/* A copy of it is again a store of format 1. */
static void a_copy_is_a_copy(void **state)
{
    (void)state;
    char target[128];
    both.old = open_store("old", RAG_OPEN_READ_ONLY);
    (void)snprintf(target, sizeof target, "%s/copy", directory);
    MUST(rag_store_backup(both.old, NULL, target, err));
    both.new = open_store("copy", RAG_OPEN_READ_ONLY);
    (void)SAME(rag_store_content_hash(store, NULL, out, err));
    documents();
    rag_store_close(both.old);
    rag_store_close(both.new);
}

/* Readers that saw the old tables see the new ones once somebody has made them. */
static void upgraded_while_it_is_read(void **state)
{
    (void)state;
    both.old = open_store("old", RAG_OPEN_READ_ONLY);
    both.new = open_store("new", RAG_OPEN_READ_ONLY);
    graph();
    documents();
    rag_store *writer = open_store("old", RAG_OPEN_EXISTING);
    graph();
    documents();
    const rag_kv_limits limits = { .struct_size = sizeof limits, .max_bytes = 1000000, .ttl_s = 0 };
    rag_kv_limits seen = { .struct_size = sizeof seen };
    MUST(rag_kv_set_limits(writer, NULL, "llm_response_cache", &limits, err));
    MUST(rag_kv_get_limits(both.old, NULL, "llm_response_cache", &seen, err));
    assert_int_equal(seen.max_bytes, 1000000);
    rag_store_close(writer);
    rag_store_close(both.old);
    rag_store_close(both.new);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers_are_those_of_the_upgraded_store, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_copy_is_a_copy, set_up, tear_down),
        cmocka_unit_test_setup_teardown(upgraded_while_it_is_read, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
