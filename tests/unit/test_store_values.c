/* store: what becomes of values on their way in. KV members and times, attribute rules of the
 * graph, fields of documents, vectors; repetitions in one call. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "core/slice.h"
#include "store/dispatch.h"
#include "store_support.h"

static rag_status put_one(rag_store *store, const char *name_space, const char *key,
                          const char *value, rag_error *err)
{
    const rag_kv_item item = { rag_text(key), rag_text(value), 0, 0 };
    return rag_kv_put_many(store, NULL, name_space, &item, 1, NULL, err);
}

/* ---- KV ------------------------------------------------------------------------------------------ */

static void values_come_back_as_given(void **state)
{
    (void)state;
    static const struct {
        const char *name_space, *in, *out;
    } cases[] = {
        { "x", "{}", "{}" },
        { "x", " { \"b\" : 1.50 ,\n\"a\":[1e400, -0, 12345678901234567890123] } ",
          " { \"b\" : 1.50 ,\n\"a\":[1e400, -0, 12345678901234567890123] } " },
        { "x", "{\"a\":1,\"a\":2}", "{\"a\":1,\"a\":2}" },
        { "x", "{\"a\":\"\\u0000\\/\"}", "{\"a\":\"\\u0000\\/\"}" },
        { "x", "{\"_id\":\"other\",\"a\" : \"\\u00e9\"}", "{\"a\" : \"\\u00e9\"}" },
        { "x", "{\"create_time\":1,\"update_time\":2,\"_id\":3}", "{}" },
        { "x", "{\"\\u005fid\":3,\"b\":{\"_id\":4}}", "{\"b\":{\"_id\":4}}" },
        { "text_chunks", "{}", "{\"llm_cache_list\":[]}" },
        { "text_chunks", "{\"a\":1}", "{\"a\":1,\"llm_cache_list\":[]}" },
        { "ws_text_chunks", "{\"a\":1,\"_id\":2} ", "{\"a\":1,\"llm_cache_list\":[]}" },
        { "text_chunks", "{\"llm_cache_list\":[\"x\"]}", "{\"llm_cache_list\":[\"x\"]}" },
        { "text_chunks2", "{\"a\":1}", "{\"a\":1}" },
    };
    rag_error err;
    rag_store *store = open_store("memory:");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rag_result *r = NULL;
        const rag_slice key = rag_text("k");
        OK(put_one(store, cases[i].name_space, "k", cases[i].in, &err));
        OK(rag_kv_get_many(store, NULL, cases[i].name_space, &key, 1, &r, &err));
        assert_string_equal(value_of(r, 0), cases[i].out);
        rag_result_free(r);
    }
    rag_store_close(store);
}

/* Times of the rows a..: created, updated. */
static void expect_times(rag_store *store, const char *key, int64_t created, int64_t updated)
{
    rag_error err;
    rag_result *r = NULL;
    const rag_slice k = rag_text(key);
    OK(rag_kv_get_many(store, NULL, "t", &k, 1, &r, &err));
    assert_true(rag_result_row(r, 0)->created_at == created);
    assert_true(rag_result_row(r, 0)->updated_at == updated);
    rag_result_free(r);
}

static void times_inside_values_are_the_rows(void **state)
{
    (void)state;
    rag_error err;
    rag_store *store = open_store("memory:");
    OK(put_one(store, "t", "a", "{\"create_time\":100,\"update_time\":200}", &err));
    expect_times(store, "a", 100, 200);
    OK(put_one(store, "t", "a", "{\"update_time\":300}", &err)); /* creation is kept */
    expect_times(store, "a", 100, 300);
    const rag_kv_item own = { rag_text("b"), rag_text("{\"create_time\":1,\"update_time\":2}"), 7,
                              8 };
    OK(rag_kv_put_many(store, NULL, "t", &own, 1, NULL, &err)); /* the item's own win */
    expect_times(store, "b", 7, 8);
    OK(put_one(store, "t", "c", "{\"create_time\":0,\"update_time\":5}", &err));
    expect_times(store, "c", 0, 5); /* LightRAG's "unknown" */
    OK(put_one(store, "t", "d", "{\"create_time\":1.5,\"update_time\":\"x\"}", &err));
    rag_result *r = NULL;
    const rag_slice d = rag_text("d");
    OK(rag_kv_get_many(store, NULL, "t", &d, 1, &r, &err));
    assert_true(llabs((long long)time(NULL) - rag_result_row(r, 0)->created_at) < 100);
    assert_string_equal(value_of(r, 0), "{}");
    rag_result_free(r);
    const rag_kv_item negative = { rag_text("e"), rag_text("{}"), -2, 0 };
    FAILS(RAG_E_INVALID, "'e'", rag_kv_put_many(store, NULL, "t", &negative, 1, NULL, &err));
    rag_store_close(store);
}

static void the_last_of_equal_keys_wins(void **state)
{
    (void)state;
    rag_error err;
    struct prepared p = { 0 };
    const rag_kv_item items[] = {
        { rag_text("a"), rag_text("{\"n\":1}"), 11, 12 },
        { rag_text("b"), rag_text("{\"n\":2}"), 0, 0 },
        { rag_text("a"), rag_text("{\"n\":3}"), 0, 0 },
        { rag_text("b"), rag_text("{\"n\":4}"), 41, 42 },
    };
    OK(kv_prepare("x", items, 4, &p, &err));
    const rag_kv_item *ready = p.items;
    assert_int_equal(p.count, 2);
    assert_true(slice_is(ready[0].key, "a") && slice_is(ready[0].value, "{\"n\":3}"));
    assert_true(ready[0].created_at == 11 && ready[0].updated_at == 0);
    assert_true(slice_is(ready[1].key, "b") && slice_is(ready[1].value, "{\"n\":4}"));
    assert_true(ready[1].created_at == 41 && ready[1].updated_at == 42);
    arena_free(&p.arena);
}

static void a_bad_item_changes_nothing(void **state)
{
    (void)state;
    rag_error err;
    rag_store *store = open_store("memory:");
    const char *bad[] = { "", "[]", "{", "{\"a\":\"\\ud800\"}", "{\"a\":\"\xff\"}" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const rag_kv_item items[] = {
            { rag_text("good"), rag_text("{}"), 0, 0 },
            { rag_text("worse"), rag_text(bad[i]), 0, 0 },
        };
        FAILS(RAG_E_INVALID, "worse", rag_kv_put_many(store, NULL, "n", items, 2, NULL, &err));
    }
    uint64_t count = 9;
    OK(rag_kv_count(store, NULL, "n", &count, &err));
    assert_int_equal(count, 0);
    rag_store_close(store);
}

static void stamps_are_put_back(void **state)
{
    (void)state;
    char text[200];
    static const struct {
        const char *value, *key, *out;
    } cases[] = {
        { "{}", "k", "{\"_id\":\"k\",\"create_time\":1,\"update_time\":0}" },
        { "{\"a\":1} ", "q\"\n\x01\\",
          "{\"a\":1,\"_id\":\"q\\\"\\u000a\\u0001\\\\\",\"create_time\":1,"
          "\"update_time\":0}" },
        { "{ }", "\xff\xe6\x9d\xb1",
          "{\"_id\":\"\xef\xbf\xbd\xe6\x9d\xb1\",\"create_time\":1,"
          "\"update_time\":0}" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const rag_row row = { .key = rag_text(cases[i].key),
                              .value = rag_text(cases[i].value),
                              .created_at = 1 };
        const size_t len = strlen(cases[i].out);
        assert_int_equal(rag_kv_stamped(&row, text, sizeof text), len);
        assert_string_equal(text, cases[i].out);
        for (size_t size = 1; size <= len; size++) { /* cut as snprintf does */
            char *exact = malloc(size);
            assert_int_equal(rag_kv_stamped(&row, exact, size), len);
            assert_int_equal(strlen(exact), size - 1);
            assert_memory_equal(exact, cases[i].out, size - 1);
            free(exact);
        }
        assert_int_equal(rag_kv_stamped(&row, NULL, 0), len);
    }
    const rag_row negative = { .key = rag_text("k"),
                               .value = rag_text("{}"),
                               .created_at = INT64_MIN };
    (void)rag_kv_stamped(&negative, text, sizeof text);
    assert_non_null(strstr(text, ":-9223372036854775808,"));
    const rag_row absent = { .key = rag_text("k"), .value = slice("", 0) };
    assert_int_equal(rag_kv_stamped(&absent, text, sizeof text), 0);
    assert_string_equal(text, "");
}

/* ---- graph --------------------------------------------------------------------------------------- */

static void attributes_have_rules(void **state)
{
    (void)state;
    static const char *const good[] = {
        "{}",
        "{\"a\":\"\",\"b\":1,\"c\":-2.5e10,\"d\":true,\"e\":false}",
        "{\"a\":9223372036854775807,\"b\":-9223372036854775808}",
        "{\"a\":\"\\t\\n\\r \\ud83d\\ude00\\ufffd\\ue000\\ud7ff\"}",
        "{\"a$\":1,\"\\u6771\":2}",
        "{\"a\":1.7e308}",
    };
    static const struct {
        const char *value, *part;
    } bad[] = {
        { "{\"\":1}", "empty" },
        { "{\"$a\":1}", "'$'" },
        { "{\"a.b\":1}", "'.'" },
        { "{\"a\":null}", "null" },
        { "{\"a\":[]}", "array" },
        { "{\"a\":{}}", "object" },
        { "{\"a\":9223372036854775808}", "64 bits" },
        { "{\"a\":-9223372036854775809}", "64 bits" },
        { "{\"a\":1e400}", "finite" },
        { "{\"a\":\"\\u0000\"}", "XML" },
        { "{\"a\":\"\\u001f\"}", "XML" },
        { "{\"a\":\"\\ufffe\"}", "XML" },
        { "{\"a\":\"x\\uffff\"}", "XML" },
        { "{\"a\\u0001\":1}", "XML" },
        { "{\"a\":1,\"b\":2,\"a\":3}", "twice" },
        { "{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5,\"f\":6,\"g\":7,\"h\":8,\"i\":9,\"j\":1,"
          "\"k\":1,\"l\":1,\"m\":1,\"n\":1,\"o\":1,\"p\":1,\"q\":1,\"c\":2}",
          "'c' comes twice" },
        { "[]", "object" },
        { "", "empty" },
    };
    rag_error err;
    rag_store *store = open_store("memory:");
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        const rag_node node = { rag_text("n"), rag_text(good[i]) };
        OK(rag_graph_put_nodes(store, NULL, &node, 1, RAG_PUT_REPLACE, NULL, &err));
    }
    uint64_t nodes = 0, edges = 0;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const rag_node both[] = { { rag_text("fine"), rag_text("{}") },
                                  { rag_text("bad one"), rag_text(bad[i].value) } };
        const rag_edge edge = { rag_text("bad one"), rag_text("to"), rag_text(bad[i].value) };
        FAILS(RAG_E_INVALID, bad[i].part,
              rag_graph_put_nodes(store, NULL, both, 2, RAG_PUT_MERGE, NULL, &err));
        assert_non_null(strstr(err.message, "bad one"));
        FAILS(RAG_E_INVALID, bad[i].part,
              rag_graph_put_edges(store, NULL, &edge, 1, RAG_PUT_MERGE, NULL, &err));
    }
    OK(rag_graph_count(store, NULL, &nodes, &edges, &err));
    assert_int_equal(nodes, 1);
    assert_int_equal(edges, 0);
    OK(rag_graph_count(store, NULL, NULL, NULL, &err));
    rag_store_close(store);
}

static void repeated_nodes_and_edges_are_folded(void **state)
{
    (void)state;
    rag_error err;
    struct prepared p = { 0 };
    const rag_node nodes[] = {
        { rag_text("a"), rag_text("{\"x\":1,\"y\":1}") },
        { rag_text("b"), rag_text("{}") },
        { rag_text("a"), rag_text("{\"y\":2.0}") },
        { rag_text("a"), rag_text("{\"z\":3}") },
    };
    OK(nodes_prepare(nodes, 4, RAG_PUT_MERGE, &p, &err));
    assert_int_equal(p.count, 2);
    assert_true(slice_is(((rag_node *)p.items)[0].value, "{\"x\":1,\"y\":2.0,\"z\":3}"));
    arena_free(&p.arena);
    OK(nodes_prepare(nodes, 4, RAG_PUT_REPLACE, &p, &err));
    assert_int_equal(p.count, 2);
    assert_true(slice_is(((rag_node *)p.items)[0].value, "{\"z\":3}"));
    arena_free(&p.arena);

    const rag_edge edges[] = {
        { rag_text("B"), rag_text("A"), rag_text("{\"w\":1}") },
        { rag_text("A"), rag_text("A"), rag_text("{}") },
        { rag_text("A"), rag_text("B"), rag_text("{\"v\":2}") },
        { rag_text("AB"), rag_text("C"), rag_text("{}") },
        { rag_text("A"), rag_text("BC"), rag_text("{}") }, /* the same letters, another pair */
    };
    OK(edges_prepare(edges, 5, RAG_PUT_MERGE, &p, &err));
    const rag_edge *ready = p.items;
    assert_int_equal(p.count, 4);
    assert_true(slice_is(ready[0].source, "B") && slice_is(ready[0].target, "A"));
    assert_true(slice_is(ready[0].value, "{\"w\":1,\"v\":2}"));
    arena_free(&p.arena);
    FAILS(RAG_E_INVALID, "mode", edges_prepare(edges, 5, (rag_put_mode)7, &p, &err));
    arena_free(&p.arena);
}

/* ---- documents ----------------------------------------------------------------------------------- */

static void fields_of_documents_are_found(void **state)
{
    (void)state;
    rag_error err;
    struct prepared p = { 0 };
    const rag_doc docs[] = {
        { rag_text("d1"), rag_text("{\"status\":\"failed\"}") },
        { rag_text("d2"),
          rag_text(
              "{\"status\":\"p\\u0072ocessed\",\"created_at\":\"2024\",\"updated_at\":\"2025\","
              "\"file_path\":\"a \\\"b\\\"\",\"track_id\":\"t\",\"content_hash\":\"h\","
              "\"metadata\":{\"is_duplicate\":true},\"chunks_list\":[1]}") },
        { rag_text("d1"),
          rag_text("{\"status\":\"pending\",\"created_at\":5,\"metadata\":{\"is_duplicate\":1}}") },
    };
    OK(docs_prepare(docs, 3, &p, &err));
    const rag_doc_fields *ready = p.items;
    assert_int_equal(p.count, 2);
    assert_true(slice_is(ready[0].id, "d1") && slice_is(ready[0].status, "pending"));
    assert_true(ready[0].created_at.len == 0 && !ready[0].is_duplicate);
    assert_true(slice_is(ready[0].value, "{\"status\":\"pending\",\"created_at\":5,"
                                         "\"metadata\":{\"is_duplicate\":1},\"chunks_list\":[]}"));
    assert_true(slice_is(ready[1].status, "processed") && slice_is(ready[1].created_at, "2024"));
    assert_true(slice_is(ready[1].updated_at, "2025") && slice_is(ready[1].file_path, "a \"b\""));
    assert_true(slice_is(ready[1].track_id, "t") && slice_is(ready[1].content_hash, "h"));
    assert_true(ready[1].is_duplicate && slice_equal(ready[1].value, docs[1].value));
    arena_free(&p.arena);
    /* of a member that comes twice the last counts, as for Python */
    const rag_doc twice = { rag_text("d"), rag_text("{\"status\":\"a\",\"track_id\":\"t\","
                                                    "\"status\":\"b\",\"track_id\":5}") };
    OK(docs_prepare(&twice, 1, &p, &err));
    ready = p.items;
    assert_true(slice_is(ready[0].status, "b") && ready[0].track_id.len == 0);
    arena_free(&p.arena);
    static const char *const bad[] = { "{}", "{\"status\":1}", "{\"status\":\"\"}", "[]" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const rag_doc doc = { rag_text("the id"), rag_text(bad[i]) };
        FAILS(RAG_E_INVALID, "the id", docs_prepare(&doc, 1, &p, &err));
        arena_free(&p.arena);
    }
    const rag_doc not_utf8 = { rag_text("\xff"), rag_text("{\"status\":\"failed\"}") };
    FAILS(RAG_E_INVALID, "UTF-8", docs_prepare(&not_utf8, 1, &p, &err));
    arena_free(&p.arena);
}

static void the_seven_statuses_are_always_counted(void **state)
{
    (void)state;
    rag_error err;
    rag_store *store = open_store("memory:");
    static const char *const statuses[] = { "zeta", "failed", "failed", "pending", "alpha" };
    static const char *const order[] = { "pending",    "parsing",      "analyzing",
                                         "processing", "preprocessed", "processed",
                                         "failed",     "alpha",        "zeta" };
    static const int numbers[] = { 1, 0, 0, 0, 0, 0, 2, 1, 1 };
    for (size_t i = 0; i < 5; i++) {
        char id[8], value[64];
        (void)snprintf(id, sizeof id, "d%zu", i);
        (void)snprintf(value, sizeof value, "{\"status\":\"%s\"}", statuses[i]);
        const rag_doc doc = { rag_text(id), rag_text(value) };
        OK(rag_docstatus_put_many(store, NULL, &doc, 1, NULL, &err));
    }
    rag_result *r = NULL;
    OK(rag_docstatus_counts(store, NULL, &r, &err));
    assert_int_equal(rag_result_count(r), 9);
    assert_int_equal(rag_result_total(r), 5);
    for (size_t i = 0; i < 9; i++) {
        assert_string_equal(key_of(r, i), order[i]);
        assert_int_equal(rag_result_row(r, i)->number, numbers[i]);
    }
    rag_result_free(r);
    rag_store_close(store);
}

static void pages_are_clamped(void **state)
{
    (void)state;
    rag_error err;
    rag_store *store = open_store("memory:");
    for (int i = 0; i < 25; i++) {
        char id[8];
        (void)snprintf(id, sizeof id, "d%02d", i);
        const rag_doc doc = { rag_text(id), rag_text("{\"status\":\"failed\"}") };
        OK(rag_docstatus_put_many(store, NULL, &doc, 1, NULL, &err));
    }
    static const struct {
        size_t page, page_size, rows;
    } cases[] = { { 0, 0, 25 },      { 1, 1, 10 },        { 3, 10, 5 },
                  { 1, 100000, 25 }, { SIZE_MAX, 10, 0 }, { 4, 10, 0 } };
    rag_result *r = NULL;
    rag_doc_page page = RAG_DOC_PAGE_INIT;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        page.page = cases[i].page;
        page.page_size = cases[i].page_size;
        OK(rag_docstatus_page(store, NULL, &page, &r, &err));
        assert_int_equal(rag_result_count(r), cases[i].rows);
        assert_int_equal(rag_result_total(r), 25);
        rag_result_free(r);
    }
    OK(rag_docstatus_page(store, NULL, NULL, &r, &err));
    assert_int_equal(rag_result_count(r), 25);
    rag_result_free(r);
    page.sort = (rag_doc_sort)9;
    FAILS(RAG_E_INVALID, "order", rag_docstatus_page(store, NULL, &page, &r, &err));
    page = (rag_doc_page)RAG_DOC_PAGE_INIT;
    const char *const statuses[] = { "failed", NULL };
    page.statuses = statuses;
    page.status_count = 2;
    FAILS(RAG_E_INVALID, "NULL", rag_docstatus_page(store, NULL, &page, &r, &err));
    page.struct_size = 3;
    FAILS(RAG_E_INVALID, "struct_size", rag_docstatus_page(store, NULL, &page, &r, &err));
    rag_store_close(store);
}

/* ---- vectors ------------------------------------------------------------------------------------- */

static rag_status define(rag_store *store, uint32_t dimension, const char *model, rag_error *err)
{
    rag_vector_space space = RAG_VECTOR_SPACE_INIT;
    space.dimension = dimension;
    (void)snprintf(space.model, sizeof space.model, "%s", model);
    return rag_vector_define(store, NULL, "v", &space, err);
}

static void spaces_are_compared(void **state)
{
    (void)state;
    rag_error err;
    rag_store *store = open_store("memory:");
    rag_vector_space space = RAG_VECTOR_SPACE_INIT;
    FAILS(RAG_E_INVALID, "dimension 0", define(store, 0, "m", &err));
    FAILS(RAG_E_INVALID, "65537", define(store, 65537, "m", &err));
    FAILS(RAG_E_NOT_FOUND, "v", rag_vector_describe(store, NULL, "v", &space, &err));
    OK(define(store, 3, "bge-m3", &err));
    OK(define(store, 3, "bge-m3", &err));
    OK(define(store, 3, "", &err)); /* unknown agrees with all */
    FAILS(RAG_E_MISMATCH, "'bge-m3' (dimension 3", define(store, 4, "bge-m3", &err));
    assert_non_null(strstr(err.message, "'bge-m3' (dimension 4"));
    FAILS(RAG_E_MISMATCH, "'ada'", define(store, 3, "ada", &err));
    assert_non_null(strstr(err.message, "another workspace"));
    OK(rag_vector_describe(store, NULL, "v", &space, &err));
    assert_int_equal(space.dimension, 3);
    assert_string_equal(space.model, "bge-m3");
    OK(rag_vector_drop(store, NULL, "v", &err));
    OK(define(store, 3, "", &err)); /* not known when it was defined */
    OK(define(store, 3, "bge-m3", &err));
    FAILS(RAG_E_MISMATCH, "dimension 3", define(store, 2, "bge-m3", &err));
    space.metric = (rag_metric)5;
    FAILS(RAG_E_INVALID, "metric", rag_vector_define(store, NULL, "w", &space, &err));
    space.metric = RAG_METRIC_DOT;
    space.element = (rag_element)0;
    FAILS(RAG_E_INVALID, "element", rag_vector_define(store, NULL, "w", &space, &err));
    space.element = RAG_ELEMENT_FLOAT32;
    memset(space.model, 'm', sizeof space.model);
    FAILS(RAG_E_INVALID, "model", rag_vector_define(store, NULL, "w", &space, &err));
    FAILS(RAG_E_INVALID, "NULL", rag_vector_define(store, NULL, "w", NULL, &err));
    rag_store_close(store);
}

static void vectors_are_checked(void **state)
{
    (void)state;
    rag_error err;
    rag_store *store = open_store("memory:");
    const float good[] = { 1, 2, 3 }, zero[] = { 0, -0.0f, 0 };
    const float nan_[] = { 1, NAN, 3 }, inf[] = { 1, 2, -INFINITY };
    rag_vector_item item = { rag_text("id1"), good, 3, rag_text("{}"), 0 };
    FAILS(RAG_E_NOT_FOUND, "v", rag_vector_put_many(store, NULL, "v", &item, 1, NULL, &err));
    OK(define(store, 3, "m", &err));
    OK(rag_vector_put_many(store, NULL, "v", &item, 1, NULL, &err));
    item.dimension = 2;
    FAILS(RAG_E_MISMATCH, "id1", rag_vector_put_many(store, NULL, "v", &item, 1, NULL, &err));
    item.dimension = 3;
    item.vector = nan_;
    FAILS(RAG_E_INVALID, "element 1 is not a number",
          rag_vector_put_many(store, NULL, "v", &item, 1, NULL, &err));
    item.vector = inf;
    FAILS(RAG_E_INVALID, "element 2 is infinite",
          rag_vector_put_many(store, NULL, "v", &item, 1, NULL, &err));
    item.vector = NULL;
    FAILS(RAG_E_INVALID, "NULL", rag_vector_put_many(store, NULL, "v", &item, 1, NULL, &err));
    item.vector = good;
    item.value = rag_text("7");
    FAILS(RAG_E_INVALID, "payload of vector 'id1'",
          rag_vector_put_many(store, NULL, "v", &item, 1, NULL, &err));
    item.value = rag_text("{}");
    item.vector = zero; /* kept, and found by no search */
    item.id = rag_text("zero");
    OK(rag_vector_put_many(store, NULL, "v", &item, 1, NULL, &err));

    rag_vector_query query = RAG_VECTOR_QUERY_INIT;
    rag_result *r = NULL;
    query.vector = zero;
    query.dimension = 3;
    FAILS(RAG_E_INVALID, "length zero", rag_vector_search(store, NULL, "v", &query, &r, &err));
    query.vector = nan_;
    FAILS(RAG_E_INVALID, "not a number", rag_vector_search(store, NULL, "v", &query, &r, &err));
    query.vector = good;
    query.dimension = 4;
    FAILS(RAG_E_MISMATCH, "dimension 3", rag_vector_search(store, NULL, "v", &query, &r, &err));
    query.dimension = 3;
    query.what = 8;
    FAILS(RAG_E_INVALID, "0x8", rag_vector_search(store, NULL, "v", &query, &r, &err));
    query.what = RAG_VECTOR_VALUES;
    query.min_score = NAN;
    FAILS(RAG_E_INVALID, "min_score", rag_vector_search(store, NULL, "v", &query, &r, &err));
    query.min_score = -2;
    query.top_k = SIZE_MAX;
    OK(rag_vector_search(store, NULL, "v", &query, &r, &err));
    assert_int_equal(rag_result_count(r), 1);
    assert_string_equal(key_of(r, 0), "id1");
    rag_result_free(r);
    query.top_k = 0;
    OK(rag_vector_search(store, NULL, "v", &query, &r, &err));
    assert_int_equal(rag_result_count(r), 0);
    rag_result_free(r);
    rag_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_back_as_given),
        cmocka_unit_test(times_inside_values_are_the_rows),
        cmocka_unit_test(the_last_of_equal_keys_wins),
        cmocka_unit_test(a_bad_item_changes_nothing),
        cmocka_unit_test(stamps_are_put_back),
        cmocka_unit_test(attributes_have_rules),
        cmocka_unit_test(repeated_nodes_and_edges_are_folded),
        cmocka_unit_test(fields_of_documents_are_found),
        cmocka_unit_test(the_seven_statuses_are_always_counted),
        cmocka_unit_test(pages_are_clamped),
        cmocka_unit_test(spaces_are_compared),
        cmocka_unit_test(vectors_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
