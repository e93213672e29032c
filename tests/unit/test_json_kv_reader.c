/* kv_store_*.json: stamps, old caches, document status, bad input, the real files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backends/lightrag_files/json_kv_reader.h"
#include "reading.h"

#define KV(name_space, text, lines, warnings) \
    expect_rows(lightrag_read_kv, name_space, text, strlen(text), lines, warnings)
#define BAD(text, status, message) \
    expect_failure(lightrag_read_kv, "x_cache", text, strlen(text), status, message)

static void test_values_and_stamps(void **state)
{
    (void)state;
    KV("x", "{}", "", "");
    KV("x", "{\"a\": {}}", "kv a {} -1 -1\n", "");
    KV("x",
       "{\n  \"a\": {\n    \"n\": 1.50,\n    \"create_time\": 5,\n    \"l\": [ 1, {} ],\n"
       "    \"update_time\": 6,\n    \"_id\": \"a\"\n  },\n"
       "  \"b\": {\"_id\": \"b\", \"update_time\": 7, \"x\": \"\\u00e9\\n\"}\n}\n",
       "kv a {\"n\":1.50,\"l\":[1,{}]} 5 6\nkv b {\"x\":\"\\u00e9\\n\"} -1 7\n", "");
    KV("x", "{\"a\": {\"m\": {\"create_time\": 1, \"_id\": 2}}}",
       "kv a {\"m\":{\"create_time\":1,\"_id\":2}} -1 -1\n", "");
    KV("x", "{\"a\": {\"create_time\": 1700000000.75, \"update_time\": null}}",
       "kv a {} 1700000000 -1\n", "");
    KV("x", "{\"a\": {\"create_time\": 0, \"update_time\": -3}}", "kv a {} -1 -1\n", "");
    KV("x", "{\"a\": {\"create_time\": \"x\", \"update_time\": 1e3, \"_id\": \"b\"}}",
       "kv a {} -1 -1\n",
       "\"2 times were not numbers of seconds: not known\","
       "\"1 value had another _id than its key: the key is kept\"");
    KV("x", "{\"k\\\"\xc3\xa9\\n\": {\"q\\\"\": 1}}", "kv k\"\xc3\xa9\n {\"q\\\"\":1} -1 -1\n", "");
    KV("x", "{\"a\": {\"s\": \"\\ud800x\"}}", "kv a {\"s\":\"\xef\xbf\xbdx\"} -1 -1\n",
       "\"1 lone surrogate became U+FFFD\"");
    KV("x", "{\"\": {}}", "kv  {} -1 -1\n", ""); /* the store has the last word on keys */
}

static void test_document_status_is_kept_whole(void **state)
{
    (void)state;
    static const char text[] =
        "\xef\xbb\xbf{\"doc-1\": {\"status\": \"processed\", \"create_time\": 1, "
        "\"metadata\": {\"a\": [null, true]}}}";
    expect_rows(lightrag_read_docs, "doc_status", text, sizeof text - 1,
                "doc doc-1 {\"status\":\"processed\",\"create_time\":1,"
                "\"metadata\":{\"a\":[null,true]}} -1 -1\n",
                "");
}

static void test_empty_files(void **state)
{
    (void)state;
    static const char *const empty[] = { "", " \r\n\t", "\xef\xbb\xbf", "\xef\xbb\xbf\n" };
    for (size_t i = 0; i < 4; i++)
        KV("x", empty[i], "", "\"the file is empty: taken as no rows, as LightRAG does\"");
}

#define FLAT "\"the cache had the nested layout of old versions and was made flat\""

static void test_old_caches(void **state)
{
    (void)state;
    static const char nested[] =
        "{\"default\": {\"h1\": {\"return\": \"x\", \"cache_type\": \"summary\", "
        "\"create_time\": 9}, \"h2\": {\"cache_type\": null, \"return\": 1}, \"h3\": "
        "{\"return\": 2, \"_id\": \"any\"}}, \"mix\": {\"h4\": {\"return\": 3, \"cache_type\": \"a\\u0062\"}}}";
    static const char flat[] =
        "kv default:summary:h1 {\"return\":\"x\",\"cache_type\":\"summary\"} 9 -1\n"
        "kv default:None:h2 {\"cache_type\":null,\"return\":1} -1 -1\n"
        "kv default:extract:h3 {\"return\":2} -1 -1\n"
        "kv mix:ab:h4 {\"return\":3,\"cache_type\":\"ab\"} -1 -1\n";
    KV("llm_response_cache", nested, flat, FLAT);
    /* only in namespaces of caches */
    KV("x", "{\"default\": {\"h\": {\"return\": 1}}}", "kv default {\"h\":{\"return\":1}} -1 -1\n",
       "");
    /* not when the first key is flat, whatever follows */
    KV("llm_response_cache", "{\"a:b:c\": {\"return\": 1}, \"default\": {\"h\": {\"return\": 1}}}",
       "kv a:b:c {\"return\":1} -1 -1\nkv default {\"h\":{\"return\":1}} -1 -1\n", "");
    /* one member that is no answer keeps the whole value together, even the last of them */
    KV("llm_response_cache",
       "{\"default\": {\"h\": {\"return\": 1}, \"i\": {}}, \"mix\": {\"j\": {\"return\": 2}}, "
       "\"a:b:c\": {\"return\": 3}, \"none\": {}, \"n\": {\"h\": 1}}",
       "kv default {\"h\":{\"return\":1},\"i\":{}} -1 -1\nkv mix:extract:j {\"return\":2} -1 -1\n"
       "kv a:b:c {\"return\":3} -1 -1\nkv n {\"h\":1} -1 -1\n",
       FLAT);
    /* a key of four parts is not a flat one */
    KV("x_cache", "{\"a:b:c:d\": {\"h\": {\"return\": 1}}}",
       "kv a:b:c:d:extract:h {\"return\":1} -1 -1\n", FLAT);
}

static void test_bad_input(void **state)
{
    (void)state;
    BAD("[]", RAG_E_CORRUPT, "f line 1 byte 0: the file is not an object");
    BAD("{\"a:b:c\":\n 1}", RAG_E_CORRUPT,
        "f line 2 byte 11: the value of 'a:b:c' is not an object");
    BAD("{\"a:b:c\": {}} x", RAG_E_CORRUPT,
        "f line 1 byte 14: found 'x' where the end of the file should be");
    BAD("{\"m\": {\"h\": {\"return\": 1, \"cache_type\": []}}}", RAG_E_CORRUPT,
        "f line 1 byte 40: cache_type is not a text");
    BAD("{\"m\": {\"h\": {\"return\": 1, }}}", RAG_E_CORRUPT,
        "f line 1 byte 26: found '}' where the name of a member should be");
    BAD("{\"a:b:c\": {\"t\": \"\xff\"}}", RAG_E_CORRUPT,
        "f line 1 byte 17: byte 0xff is not UTF-8");
    BAD("{\"a:b:c\": {\"t\": NaN}}", RAG_E_CORRUPT,
        "f line 1 byte 16: NaN and Infinity are not numbers of JSON");
}

static void test_cut_everywhere(void **state)
{
    (void)state;
    static const char text[] = "{\"default\": {\"h\": {\"return\": \"\\ud83d\\ude00\xc3\xa9\", "
                               "\"cache_type\": \"x\", \"create_time\": 12}}}";
    static const char flat[] = "{\"a:b:c\": {\"return\": [1, {\"b\": null}], \"_id\": \"a:b:c\"}}";
    struct reading r;
    for (size_t cut = 1; cut < sizeof text - 1; cut++) {
        for (size_t i = 0; i < READING_PIECES; i++) {
            assert_int_equal(
                reading_run(&r, lightrag_read_kv, "x_cache", text, cut, reading_pieces[i], 0),
                RAG_E_CORRUPT);
            assert_memory_equal(r.err.message, "f line 1 byte ", 14);
            reading_free(&r);
        }
    }
    for (size_t cut = 1; cut < sizeof flat - 1; cut++) {
        assert_int_equal(reading_run(&r, lightrag_read_kv, "x_cache", flat, cut, 7, 0),
                         RAG_E_CORRUPT);
        reading_free(&r);
    }
}

/* 100 MB in one value, and 64 kB in a key: whole, and batches of ordinary size behind them. */
static void test_large_values(void **state)
{
    (void)state;
    enum { LARGE = 100 * 1000 * 1000, KEY = 65536 };
    struct buffer in = BUFFER_INIT((size_t)1 << 28);
    assert_int_equal(buffer_append_text(&in, "{\"a\": {\"t\": \"", NULL), RAG_OK);
    assert_int_equal(buffer_reserve(&in, LARGE, NULL), RAG_OK);
    memset(in.data + in.len, 'x', LARGE);
    in.len += LARGE;
    assert_int_equal(buffer_append_text(&in, "\"}, \"", NULL), RAG_OK);
    assert_int_equal(buffer_reserve(&in, KEY, NULL), RAG_OK);
    memset(in.data + in.len, 'k', KEY);
    in.len += KEY;
    assert_int_equal(buffer_append_text(&in, "\": {}}", NULL), RAG_OK);
    struct reading r;
    assert_int_equal(reading_run(&r, lightrag_read_kv, "x", in.data, in.len, in.len, 1), RAG_OK);
    assert_int_equal(r.rows, 2);
    assert_int_equal(r.deliveries, 2);
    assert_int_equal(r.most_bytes, 1 + LARGE + 8);
    assert_true(r.batch.bytes.capacity <= 2 * LIMIT_IMPORT_BATCH_BYTES);
    reading_free(&r);
    buffer_free(&in);
}

static void test_too_long_a_key(void **state)
{
    (void)state;
    struct buffer in = BUFFER_INIT((size_t)1 << 24);
    assert_int_equal(buffer_append_text(&in, "{\"", NULL), RAG_OK);
    for (size_t i = 0; i <= LIMIT_KEY_BYTES; i++)
        assert_int_equal(buffer_append_char(&in, 'k', NULL), RAG_OK);
    assert_int_equal(buffer_append_text(&in, "\": {}}", NULL), RAG_OK);
    struct reading r;
    assert_int_equal(reading_run(&r, lightrag_read_kv, "x", in.data, in.len, 99999, 1),
                     RAG_E_INVALID);
    assert_string_equal(r.err.message, "f line 1 byte 1: a string of more than 1048576 bytes");
    reading_free(&r);
    buffer_free(&in);
}

static void test_batches_are_bounded(void **state)
{
    (void)state;
    struct buffer in = BUFFER_INIT((size_t)1 << 26);
    assert_int_equal(buffer_append_text(&in, "{", NULL), RAG_OK);
    for (unsigned i = 0; i < 10000; i++)
        assert_int_equal(buffer_printf(&in, NULL, "%s\"k%u\": {\"i\": %u}", i ? "," : "", i, i),
                         RAG_OK);
    for (unsigned i = 0; i < 3000; i++)
        assert_int_equal(buffer_printf(&in, NULL, ",\"l%u\": {\"t\": \"%05000u\"}", i, i), RAG_OK);
    assert_int_equal(buffer_append_text(&in, "}", NULL), RAG_OK);
    struct reading r;
    assert_int_equal(reading_run(&r, lightrag_read_kv, "x", in.data, in.len, in.len, 1), RAG_OK);
    assert_int_equal(r.rows, 13000);
    assert_int_equal(r.summary.rows, 13000);
    assert_int_equal(r.most_rows, LIMIT_IMPORT_BATCH_ROWS);
    assert_true(r.most_bytes >= LIMIT_IMPORT_BATCH_BYTES);
    assert_true(r.most_bytes < LIMIT_IMPORT_BATCH_BYTES + 6000);
    reading_free(&r);
    buffer_free(&in);
}

static void test_real_files(void **state)
{
    (void)state;
    static const struct {
        const char *file, *name_space;
        size_t rows;
    } files[] = {
        { "alice/kv_store_full_docs.json", "full_docs", 1 },
        { "alice/kv_store_text_chunks.json", "text_chunks", 135 },
        { "alice/kv_store_llm_response_cache.json", "llm_response_cache", 300 },
        { "alice/kv_store_full_entities.json", "full_entities", 1 },
        { "alice/kv_store_full_relations.json", "full_relations", 1 },
        { "alice/kv_store_entity_chunks.json", "entity_chunks", 291 },
        { "alice/kv_store_relation_chunks.json", "relation_chunks", 614 },
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        size_t len;
        struct reading r, again;
        char *data = read_test_file(files[i].file, &len);
        assert_int_equal(reading_run(&r, lightrag_read_kv, files[i].name_space, data, len, len, 0),
                         RAG_OK);
        assert_int_equal(r.rows, files[i].rows);
        assert_string_equal(r.summary.warnings.data, "");
        assert_null(strstr(r.lines.data, "\"update_time\""));
        assert_int_equal(
            reading_run(&again, lightrag_read_kv, files[i].name_space, data, len, 13, 0), RAG_OK);
        assert_string_equal(r.lines.data, again.lines.data);
        reading_free(&r);
        reading_free(&again);
        free(data);
    }
    size_t len;
    struct reading r;
    char *data = read_test_file("alice/kv_store_doc_status.json", &len);
    assert_int_equal(reading_run(&r, lightrag_read_docs, "doc_status", data, len, len, 0), RAG_OK);
    assert_int_equal(r.rows, 1);
    assert_memory_equal(r.lines.data,
                        "doc doc-ea6dfbf2c7168a2ba09376ff958d954f {\"status\":\"processed\",", 63);
    reading_free(&r);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_and_stamps),
        cmocka_unit_test(test_document_status_is_kept_whole),
        cmocka_unit_test(test_empty_files),
        cmocka_unit_test(test_old_caches),
        cmocka_unit_test(test_bad_input),
        cmocka_unit_test(test_cut_everywhere),
        cmocka_unit_test(test_large_values),
        cmocka_unit_test(test_too_long_a_key),
        cmocka_unit_test(test_batches_are_bounded),
        cmocka_unit_test(test_real_files),
    };
    return cmocka_run_group_tests_name("json_kv_reader", tests, NULL, NULL);
}
