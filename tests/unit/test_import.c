/* rag_import_lightrag() into the memory backend and into an embedded store that is built: what a
 * real directory gives, errors of either thread, cancel, deadline, progress, lack of memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <ragstore/ragstore.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "store_support.h"

#define ALICE RAG_TEST_DATA "/alice"
#define V1234 "eJxjsGFwYHBicAEAA/YBAw=="

/* ---- directories ------------------------------------------------------------------------------------- */

static void write_bytes(const char *path, const void *data, size_t len)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

/* File `name` in the directory d, which is made when it is missing. */
static void put_file(const char *name, const char *text)
{
    char path[300];
    (void)mkdir("d", 0700);
    (void)snprintf(path, sizeof path, "d/%s", name);
    write_bytes(path, text, strlen(text));
}

static int empty_directory(void **state)
{
    (void)state;
    return system("rm -rf d s && mkdir d"); /* in a folder of the test's own */
}

/* ---- imports ------------------------------------------------------------------------------------------ */

static rag_status import_with(rag_store *store, const char *directory, unsigned threads,
                              rag_result **report, rag_error *err)
{
    rag_import_options options = RAG_IMPORT_OPTIONS_INIT;
    options.threads = threads;
    return rag_import_lightrag(store, NULL, directory, &options, report, err);
}

/* The directory d into a fresh memory store. */
static rag_store *imported(unsigned threads, rag_result **report)
{
    rag_error err = RAG_ERROR_INIT;
    rag_store *store = open_store("memory:");
    OK(import_with(store, "d", threads, report, &err));
    return store;
}

static void expect_refusal(rag_status status, const char *message)
{
    for (unsigned threads = 1; threads <= 2; threads++) {
        rag_error err = RAG_ERROR_INIT;
        rag_result *report = NULL;
        rag_store *store = open_store("memory:");
        FAILS(status, message, import_with(store, "d", threads, &report, &err));
        assert_null(report);
        rag_store_close(store);
    }
}

static uint64_t count_kv(rag_store *store, const char *name_space)
{
    uint64_t count = 999;
    rag_error err = RAG_ERROR_INIT;
    OK(rag_kv_count(store, NULL, name_space, &count, &err));
    return count;
}

static void check_value(rag_store *store, const char *name_space, const char *key,
                        const char *value, int64_t created_at)
{
    rag_error err = RAG_ERROR_INIT;
    rag_result *rows = NULL;
    const rag_slice wanted = rag_text(key);
    OK(rag_kv_get_many(store, NULL, name_space, &wanted, 1, &rows, &err));
    assert_true(rag_result_row(rows, 0)->found);
    assert_string_equal(value_of(rows, 0), value);
    assert_int_equal(rag_result_row(rows, 0)->created_at, created_at);
    rag_result_free(rows);
}

/* ---- the real directory -------------------------------------------------------------------------------- */

static void check_alice(rag_store *store)
{
    static const struct {
        const char *name;
        uint64_t count;
    } kv[] = {
        { "full_docs", 1 },       { "text_chunks", 135 },   { "llm_response_cache", 300 },
        { "full_entities", 1 },   { "full_relations", 1 },  { "entity_chunks", 291 },
        { "relation_chunks", 614 },
    },
      vectors[] = { { "chunks", 135 }, { "entities", 291 }, { "relationships", 614 } };
    rag_error err = RAG_ERROR_INIT;
    uint64_t count = 0, edges = 0;
    for (size_t i = 0; i < sizeof kv / sizeof kv[0]; i++)
        assert_int_equal(count_kv(store, kv[i].name), kv[i].count);
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        rag_vector_space space = RAG_VECTOR_SPACE_INIT;
        OK(rag_vector_count(store, NULL, vectors[i].name, &count, &err));
        assert_int_equal(count, vectors[i].count);
        OK(rag_vector_describe(store, NULL, vectors[i].name, &space, &err));
        assert_int_equal(space.dimension, 384);
        assert_int_equal(space.element, RAG_ELEMENT_FLOAT16);
        assert_string_equal(space.model, "all-MiniLM-L6-v2");
    }
    OK(rag_graph_count(store, NULL, &count, &edges, &err));
    assert_int_equal(count, 291);
    assert_int_equal(edges, 614);
    rag_result *rows = NULL;
    OK(rag_docstatus_counts(store, NULL, &rows, &err));
    assert_int_equal(rag_result_total(rows), 1);
    rag_result_free(rows);
}

static void check_report(const rag_result *report)
{
    static const struct {
        const char *name, *kind;
        int64_t rows;
    } files[] = {
        { "kv_store_entity_chunks.json", "kv", 291 },
        { "kv_store_full_docs.json", "kv", 1 },
        { "kv_store_full_entities.json", "kv", 1 },
        { "kv_store_full_relations.json", "kv", 1 },
        { "kv_store_llm_response_cache.json", "kv", 300 },
        { "kv_store_relation_chunks.json", "kv", 614 },
        { "kv_store_text_chunks.json", "kv", 135 },
        { "vdb_chunks.json", "vector", 135 },
        { "vdb_entities.json", "vector", 291 },
        { "vdb_relationships.json", "vector", 614 },
        { "graph_chunk_entity_relation.graphml", "graph", 905 },
        { "kv_store_doc_status.json", "doc_status", 1 },
    };
    assert_int_equal(rag_result_count(report), 12);
    for (size_t i = 0; i < 12; i++) {
        const rag_row *row = rag_result_row(report, i);
        assert_string_equal(row->key.data, files[i].name);
        assert_string_equal(row->key2.data, files[i].kind);
        assert_int_equal(row->number, files[i].rows);
        assert_non_null(strstr(row->value.data, ",\"warnings\":[]}"));
    }
    assert_non_null(strstr(value_of(report, 10), "\"bytes\":590829"));
    assert_non_null(strstr(value_of(report, 10), "\"nodes\":291,\"edges\":614"));
    assert_non_null(strstr(value_of(report, 8), "\"dimension\":384"));
}

static void import_alice(rag_store *store, unsigned threads)
{
    rag_error err = RAG_ERROR_INIT;
    rag_result *report = NULL;
    rag_import_options options = RAG_IMPORT_OPTIONS_INIT;
    options.threads = threads;
    options.model = "all-MiniLM-L6-v2";
    OK(rag_import_lightrag(store, NULL, ALICE, &options, &report, &err));
    check_report(report);
    rag_result_free(report);
    check_alice(store);
}

static void test_alice_in_memory(void **state)
{
    (void)state;
    for (unsigned threads = 0; threads <= 2; threads++) {
        rag_store *store = open_store("memory:");
        import_alice(store, threads);
        rag_store_close(store);
    }
}

static void test_alice_embedded(void **state)
{
    (void)state;
    rag_error err = RAG_ERROR_INIT;
    rag_open_options options = RAG_OPEN_OPTIONS_INIT;
    rag_store *store = NULL;
    options.config_file = "";
    options.flags = RAG_OPEN_BUILD;
    OK(rag_store_open("./s", &options, NULL, &store, &err));
    import_alice(store, 2);
    OK(rag_store_publish(store, NULL, &err));
    rag_store_close(store);
    options.flags = RAG_OPEN_READ_ONLY | RAG_OPEN_EXISTING;
    OK(rag_store_open("./s", &options, NULL, &store, &err));
    check_alice(store);
    rag_store_close(store);
}

/* The same rows, byte by byte, whichever way. */
static void test_threads_do_the_same(void **state)
{
    (void)state;
    rag_error err = RAG_ERROR_INIT;
    rag_store *one = open_store("memory:"), *two = open_store("memory:");
    OK(import_with(one, ALICE, 1, NULL, &err));
    OK(import_with(two, ALICE, 2, NULL, &err));
    rag_result *a = NULL, *b = NULL;
    OK(rag_vector_scan(one, NULL, "entities", rag_text(""), 1000, 3, &a, &err));
    OK(rag_vector_scan(two, NULL, "entities", rag_text(""), 1000, 3, &b, &err));
    assert_int_equal(rag_result_count(a), 291);
    for (size_t i = 0; i < 291; i++) {
        assert_string_equal(key_of(a, i), key_of(b, i));
        assert_string_equal(value_of(a, i), value_of(b, i));
        assert_memory_equal(rag_result_row(a, i)->vector, rag_result_row(b, i)->vector, 4 * 384);
    }
    rag_result_free(a);
    rag_result_free(b);
    rag_store_close(one);
    rag_store_close(two);
}

/* ---- small directories --------------------------------------------------------------------------------- */

static void test_values_and_times(void **state)
{
    (void)state;
    put_file("kv_store_a.json", "{\"k\": {\"x\": 1.0, \"create_time\": 7, \"_id\": \"k\"},"
                                " \"l\": {\"update_time\": 8}, \"k\": {\"x\": 2}}");
    put_file("kv_store_my_text_chunks.json", "{\"c\": {\"content\": \"t\"}}");
    put_file("kv_store_blank.json", " \n");
    put_file("kv_store_none.json", "{}");
    put_file("kv_store_old_cache.json", "{\"mix\": {\"h\": {\"return\": \"r\"}}}");
    rag_result *report = NULL;
    rag_store *store = imported(2, &report);
    check_value(store, "a", "k", "{\"x\":2}", 0); /* the last of equal keys */
    check_value(store, "a", "l", "{}", 0);
    check_value(store, "my_text_chunks", "c", "{\"content\":\"t\",\"llm_cache_list\":[]}", 0);
    check_value(store, "old_cache", "mix:extract:h", "{\"return\":\"r\"}", 0);
    assert_int_equal(count_kv(store, "blank"), 0);
    assert_int_equal(rag_result_count(report), 5);
    assert_non_null(strstr(value_of(report, 1), "\"warnings\":[\"the file is empty"));
    assert_non_null(strstr(value_of(report, 4), "made flat"));
    rag_result_free(report);
    rag_store_close(store);
}

static void test_vectors(void **state)
{
    (void)state;
    put_file("vdb_x.json",
             "{\"embedding_dim\": 4, \"data\": [{\"__id__\": \"a\", "
             "\"__created_at__\": 9, \"entity_name\": \"A\", \"vector\": \"" V1234 "\"}]}");
    put_file("vdb_none.json", "{\"embedding_dim\": 7, \"data\": [], \"matrix\": \"\"}");
    rag_error err = RAG_ERROR_INIT;
    rag_store *store = imported(2, NULL);
    const rag_slice id = rag_text("a");
    rag_result *rows = NULL;
    OK(rag_vector_get_many(store, NULL, "x", &id, 1, 3, &rows, &err));
    const rag_row *row = rag_result_row(rows, 0);
    assert_true(row->found);
    assert_int_equal(row->created_at, 9);
    assert_string_equal(row->value.data, "{\"entity_name\":\"A\"}");
    assert_int_equal(row->dimension, 4);
    for (int i = 0; i < 4; i++)
        assert_true(row->vector[i] == (float)(i + 1));
    rag_result_free(rows);
    rag_vector_space space = RAG_VECTOR_SPACE_INIT;
    OK(rag_vector_describe(store, NULL, "none", &space, &err));
    assert_int_equal(space.dimension, 7);
    rag_store_close(store);
}

static void test_graph_is_merged(void **state)
{
    (void)state;
    put_file("graph_chunk_entity_relation.graphml",
             "<graphml><key id='a' attr.name='p'/><key id='b' attr.name='w' attr.type='double'/>"
             "<graph><edge source='x' target='y'><data key='a'>1</data></edge>"
             "<node id='x'><data key='a'>n</data></node><node id='x'><data key='b'>2</data></node>"
             "<edge source='y' target='x'><data key='b'>0.5</data></edge></graph></graphml>");
    rag_error err = RAG_ERROR_INIT;
    uint64_t nodes = 0, edges = 0;
    rag_store *store = imported(2, NULL);
    OK(rag_graph_count(store, NULL, &nodes, &edges, &err));
    assert_int_equal(nodes, 2);
    assert_int_equal(edges, 1);
    const rag_slice label = rag_text("x");
    const rag_pair pair = { rag_text("x"), rag_text("y") };
    rag_result *rows = NULL;
    OK(rag_graph_get_nodes(store, NULL, &label, 1, RAG_GRAPH_VALUES, &rows, &err));
    assert_string_equal(value_of(rows, 0), "{\"p\":\"n\",\"w\":2.0}");
    rag_result_free(rows);
    OK(rag_graph_get_edges(store, NULL, &pair, 1, RAG_GRAPH_VALUES, &rows, &err));
    assert_string_equal(value_of(rows, 0), "{\"p\":\"1\",\"w\":0.5}");
    rag_result_free(rows);
    rag_store_close(store);
}

static void test_hostile_names(void **state)
{
    (void)state;
    enum { LONG = 65536 };
    static const char *const keys[] = { "'; DROP TABLE kv; --", "$x",      "`",     "a\\b",
                                        "\xf0\x9f\x98\x80",     "../../x", "%00%s", " " };
    char *long_key = malloc(LONG + 1), *text = malloc(LONG + 100);
    assert_true(long_key && text);
    memset(long_key, 'k', LONG);
    long_key[LONG] = 0;
    (void)snprintf(text, LONG + 100, "{\"%s\": {\"n\": 1}}", long_key);
    put_file("kv_store_long.json", text);
    put_file("kv_store_a b'\"$`;.json",
             "{\"'; DROP TABLE kv; --\": {}, \"$x\": {}, \"`\": {}, \"a\\\\b\": {}, "
             "\"\xf0\x9f\x98\x80\": {}, \"../../x\": {}, \"%00%s\": {}, \" \": {}, "
             "\"a\\u0000b\": {}}");
    rag_error err = RAG_ERROR_INIT;
    rag_result *rows = NULL;
    rag_store *store = imported(2, NULL);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        check_value(store, "a b'\"$`;", keys[i], "{}", 0);
    const rag_slice with_nul = slice("a\0b", 3);
    OK(rag_kv_get_many(store, NULL, "a b'\"$`;", &with_nul, 1, &rows, &err));
    assert_true(rag_result_row(rows, 0)->found);
    rag_result_free(rows);
    check_value(store, "long", long_key, "{\"n\":1}", 0);
    rag_store_close(store);
    free(long_key);
    free(text);
}

/* ---- which files ---------------------------------------------------------------------------------------- */

static void test_what_is_not_there(void **state)
{
    (void)state;
    rag_error err = RAG_ERROR_INIT;
    rag_store *store = open_store("memory:");
    FAILS(RAG_E_NOT_FOUND, "d/absent", import_with(store, "d/absent", 0, NULL, &err));
    FAILS(RAG_E_NOT_FOUND, "d holds no file of LightRAG", import_with(store, "d", 0, NULL, &err));
    put_file("kv_store_.json", "x"); /* no namespace */
    put_file("kv_store_a.json.tmp.1.2.3", "x");
    put_file("vdb_a.json.bak", "x");
    put_file("faiss_index_a.index", "x");
    FAILS(RAG_E_NOT_FOUND, "d holds no file of LightRAG", import_with(store, "d", 0, NULL, &err));
    FAILS(RAG_E_INVALID, "kv_store_.json", import_with(store, "d/kv_store_.json", 0, NULL, &err));
    rag_store_close(store);
}

static void test_skipped_files(void **state)
{
    (void)state;
    static const char graph[] = "<graphml><graph><node id='a'/></graph></graphml>";
    put_file("graph_other.graphml", graph);
    put_file("faiss_index_a.index", "x");
    rag_result *report = NULL;
    rag_store *store = imported(1, &report);
    assert_int_equal(rag_result_count(report), 2);
    assert_string_equal(key_of(report, 0), "graph_other.graphml");
    assert_int_equal(rag_result_row(report, 0)->number, 1);
    assert_string_equal(rag_result_row(report, 1)->key2.data, "skipped");
    assert_non_null(strstr(value_of(report, 1), "Faiss"));
    rag_result_free(report);
    rag_store_close(store);

    put_file("graph_third.graphml", graph);
    expect_refusal(RAG_E_INVALID, "d holds 2 graphs and none is graph_chunk_entity_relation");
    put_file("graph_chunk_entity_relation.graphml", "<graphml><graph/></graphml>");
    store = imported(1, &report);
    assert_int_equal(rag_result_count(report), 4);
    assert_string_equal(key_of(report, 0), "graph_chunk_entity_relation.graphml");
    assert_string_equal(rag_result_row(report, 3)->key2.data, "skipped");
    rag_result_free(report);
    rag_store_close(store);
}

static void test_not_a_file(void **state)
{
    (void)state;
    assert_int_equal(mkfifo("d/kv_store_pipe.json", 0600), 0);
    expect_refusal(RAG_E_INVALID, "d/kv_store_pipe.json is not a file");
    assert_int_equal(unlink("d/kv_store_pipe.json"), 0);
    assert_int_equal(mkdir("d/vdb_x.json", 0700), 0);
    expect_refusal(RAG_E_INVALID, "d/vdb_x.json is not a file");
    assert_int_equal(rmdir("d/vdb_x.json"), 0);
    assert_int_equal(symlink("nowhere", "d/kv_store_link.json"), 0);
    expect_refusal(RAG_E_NOT_FOUND, "d/kv_store_link.json");
}

/* ---- bad input ------------------------------------------------------------------------------------------ */

static void test_errors_name_the_file(void **state)
{
    (void)state;
    put_file("kv_store_a.json", "{\"k\": {}}");
    put_file("kv_store_b.json", "{\"k\": {},\n \"l\": [}");
    expect_refusal(RAG_E_CORRUPT,
                   "kv_store_b.json line 2 byte 16: the value of 'l' is not an object");
    put_file("kv_store_b.json", "{\"\": {}}");
    expect_refusal(RAG_E_INVALID, "kv_store_b.json: ");
    put_file("kv_store_b.json", "");
    put_file("kv_store_doc_status.json", "{\"d\": {\"no\": 1}}");
    expect_refusal(RAG_E_INVALID, "kv_store_doc_status.json: document 'd' has no \"status\"");
    put_file("kv_store_doc_status.json", "");
    put_file("graph_chunk_entity_relation.graphml",
             "<graphml><key id='a' attr.name='x.y'/><graph><node id='n'><data key='a'>1</data>"
             "</node></graph></graphml>");
    expect_refusal(RAG_E_INVALID, "graph_chunk_entity_relation.graphml: node 'n': attribute name "
                                  "'x.y' contains a '.'");
    put_file("graph_chunk_entity_relation.graphml", "<graphml><graph><node id='n'/></graphml>");
    expect_refusal(RAG_E_CORRUPT, "graph_chunk_entity_relation.graphml line 1 byte ");
    put_file("graph_chunk_entity_relation.graphml", "<graphml><graph/></graphml>");
    put_file("vdb_x.json", "{\"embedding_dim\": 5, \"data\": [{\"__id__\": \"a\", \"vector\": "
                           "\"" V1234 "\"}]}");
    expect_refusal(RAG_E_MISMATCH, "vdb_x.json line 1 byte 56: row 'a': \"vector\" has 8 bytes");
    put_file("vdb_x.json", "{\"embedding_dim\": 4, \"data\": [{\"__id__\": \"a\"");
    expect_refusal(RAG_E_CORRUPT, "vdb_x.json line 1 byte 44: the file ends");
}

/* A store that has the space already, with other facts. */
static void test_another_dimension_in_the_store(void **state)
{
    (void)state;
    put_file("vdb_x.json", "{\"embedding_dim\": 4, \"data\": []}");
    rag_error err = RAG_ERROR_INIT;
    rag_vector_space space = RAG_VECTOR_SPACE_INIT;
    rag_store *store = open_store("memory:");
    space.dimension = 8;
    space.element = RAG_ELEMENT_FLOAT16;
    OK(rag_vector_define(store, NULL, "x", &space, &err));
    FAILS(RAG_E_MISMATCH, "vdb_x.json: vector space 'x'", import_with(store, "d", 2, NULL, &err));
    rag_store_close(store);
}

/* Many batches of good rows and then a bad one; and a store that refuses the first batch while the
 * reader has hundreds to come: neither side may hang. */
static void test_a_side_that_ends_early(void **state)
{
    (void)state;
    enum { ROWS = 200000 };
    FILE *file = fopen("d/kv_store_a.json", "wb");
    assert_non_null(file);
    (void)fputs("{", file);
    for (int i = 0; i < ROWS; i++)
        (void)fprintf(file, "\"k%d\": {\"n\": %d},", i, i);
    (void)fputs("\"x\": 1}", file);
    assert_int_equal(fclose(file), 0);
    expect_refusal(RAG_E_CORRUPT, "the value of 'x' is not an object");

    file = fopen("d/kv_store_a.json", "wb");
    assert_non_null(file);
    (void)fputs("{\"\": {}", file);
    for (int i = 0; i < ROWS; i++)
        (void)fprintf(file, ",\"k%d\": {\"n\": %d}", i, i);
    (void)fputs("}", file);
    assert_int_equal(fclose(file), 0);
    expect_refusal(RAG_E_INVALID, "kv_store_a.json: ");
}

static void test_arguments(void **state)
{
    (void)state;
    put_file("kv_store_a.json", "{}");
    rag_error err = RAG_ERROR_INIT;
    rag_store *store = open_store("memory:");
    rag_import_options options = RAG_IMPORT_OPTIONS_INIT;
    char long_name[300];
    FAILS(RAG_E_INVALID, "store", rag_import_lightrag(NULL, NULL, "d", NULL, NULL, &err));
    FAILS(RAG_E_INVALID, "directory", rag_import_lightrag(store, NULL, NULL, NULL, NULL, &err));
    FAILS(RAG_E_INVALID, "directory", rag_import_lightrag(store, NULL, "", NULL, NULL, &err));
    options.threads = 3;
    FAILS(RAG_E_INVALID, "not 3", rag_import_lightrag(store, NULL, "d", &options, NULL, &err));
    options.threads = 1;
    options.element = (rag_element)7;
    FAILS(RAG_E_INVALID, "7", rag_import_lightrag(store, NULL, "d", &options, NULL, &err));
    options.element = RAG_ELEMENT_FLOAT32;
    memset(long_name, 'm', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = 0;
    options.model = long_name;
    FAILS(RAG_E_INVALID, "299 bytes", rag_import_lightrag(store, NULL, "d", &options, NULL, &err));
    options.model = NULL;
    options.struct_size = 0;
    FAILS(RAG_E_INVALID, "initialised",
          rag_import_lightrag(store, NULL, "d", &options, NULL, &err));
    options.struct_size = sizeof options;
    OK(rag_import_lightrag(store, NULL, "d", &options, NULL, &err));
    rag_store_close(store);
}

/* ---- cancel, deadline, progress ---------------------------------------------------------------------------- */

struct watcher {
    pthread_t thread;
    uint64_t calls, last_bytes, last_rows, total;
    int *cancel;
};

static void on_progress(void *user, const rag_progress *p)
{
    struct watcher *w = user;
    assert_true(pthread_equal(pthread_self(), w->thread));
    assert_non_null(p->stage);
    assert_true(p->bytes_done >= w->last_bytes && p->bytes_done <= p->bytes_total);
    assert_true(p->items_done >= w->last_rows);
    w->last_bytes = p->bytes_done;
    w->last_rows = p->items_done;
    w->total = p->bytes_total;
    w->calls++;
    if (w->cancel)
        rag_cancel(w->cancel);
}

static void test_progress(void **state)
{
    (void)state;
    for (unsigned threads = 1; threads <= 2; threads++) {
        struct watcher w = { .thread = pthread_self() };
        rag_error err = RAG_ERROR_INIT;
        rag_context ctx = RAG_CONTEXT_INIT;
        rag_import_options options = RAG_IMPORT_OPTIONS_INIT;
        rag_store *store = open_store("memory:");
        options.threads = threads;
        ctx.progress = on_progress;
        ctx.user = &w;
        OK(rag_import_lightrag(store, &ctx, ALICE, &options, NULL, &err));
        assert_true(w.calls >= 2);
        assert_int_equal(w.last_bytes, 9215828);
        assert_int_equal(w.total, 9215828);
        assert_int_equal(w.last_rows, 3289);
        rag_store_close(store);
    }
}

static void test_cancel_and_deadline(void **state)
{
    (void)state;
    for (unsigned threads = 1; threads <= 2; threads++) {
        int cancel = 0;
        struct watcher w = { .thread = pthread_self(), .cancel = &cancel };
        rag_error err = RAG_ERROR_INIT;
        rag_context ctx = RAG_CONTEXT_INIT;
        rag_import_options options = RAG_IMPORT_OPTIONS_INIT;
        rag_store *store = open_store("memory:");
        options.threads = threads;
        ctx.progress = on_progress;
        ctx.user = &w;
        ctx.cancel = &cancel;
        FAILS(RAG_E_CANCELLED, "cancelled",
              rag_import_lightrag(store, &ctx, ALICE, &options, NULL, &err));
        assert_int_equal(w.calls, 1);
        cancel = 0;
        w.cancel = NULL;
        ctx.deadline_ns = 1;
        FAILS(RAG_E_TIMEOUT, "deadline",
              rag_import_lightrag(store, &ctx, ALICE, &options, NULL, &err));
        rag_store_close(store);
    }
}

/* Sleeps long enough for the reader to fill the queue and wait in it, and then cancels. */
static void cancel_late(void *user, const rag_progress *p)
{
    struct watcher *w = user;
    (void)p;
    if (++w->calls == 2) {
        (void)usleep(300000);
        rag_cancel(w->cancel);
    }
}

static void test_cancel_while_the_reader_waits(void **state)
{
    (void)state;
    enum { ROWS = 600000 };
    int cancel = 0;
    struct watcher w = { .cancel = &cancel };
    rag_error err = RAG_ERROR_INIT;
    rag_context ctx = RAG_CONTEXT_INIT;
    rag_import_options options = RAG_IMPORT_OPTIONS_INIT;
    FILE *file = fopen("d/kv_store_a.json", "wb");
    assert_non_null(file);
    (void)fputs("{", file);
    for (int i = 0; i < ROWS; i++)
        (void)fprintf(file, "%s\"k%d\": {\"n\": %d}", i ? "," : "", i, i);
    (void)fputs("}", file);
    assert_int_equal(fclose(file), 0);
    rag_store *store = open_store("memory:");
    options.threads = 2;
    ctx.progress = cancel_late;
    ctx.user = &w;
    ctx.cancel = &cancel;
    const rag_status status = rag_import_lightrag(store, &ctx, "d", &options, NULL, &err);
    /* done before its second report, on a fast machine; but it must end */
    assert_true(status == RAG_E_CANCELLED || (status == RAG_OK && w.calls <= 2));
    rag_store_close(store);
}

/* ---- lack of memory ------------------------------------------------------------------------------------------ */

/* Every allocation of an import fails once: it says so, and nothing is lost or used after free (the
 * sanitizers look at that). */
static void test_out_of_memory(void **state)
{
    (void)state;
    put_file("kv_store_old_cache.json",
             "{\"mix\": {\"h\": {\"return\": \"r\", \"cache_type\": \"x\"}}}");
    put_file("kv_store_doc_status.json",
             "{\"d\": {\"status\": \"processed\", \"chunks_list\": []}}");
    put_file("vdb_x.json", "{\"data\": [{\"__id__\": \"a\", \"x\": 1, \"vector\": \"" V1234
                           "\"}, {\"__id__\": \"b\"}], \"embedding_dim\": 4, \"matrix\": "
                           "\"uvQ6Prr0uj6LNww/uvQ6P7r0Oj669Lo+izcMP7r0Oj8=\"}");
    put_file("graph_chunk_entity_relation.graphml",
             "<graphml><key id='a' attr.name='p'/><graph><node id='x'><data key='a'>1</data></node>"
             "<edge source='x' target='y'/></graph></graphml>");
    int untouched = 0, failed = 0; /* a few in a row: the fault came too late for all of them */
    for (long n = 1; untouched < 20; n++) {
        rag_error err = RAG_ERROR_INIT;
        rag_result *report = NULL;
        rag_store *store = open_store("memory:");
        rag_alloc_fail_at(n, 0);
        const rag_status status = import_with(store, "d", 1 + (unsigned)(n % 2), &report, &err);
        rag_alloc_fail_at(0, 0);
        untouched = status == RAG_OK ? untouched + 1 : 0;
        failed += status != RAG_OK;
        if (status != RAG_OK) {
            if (status != RAG_E_NO_MEMORY)
                fail_msg("allocation %ld: %s", n, err.message);
            assert_null(report);
        }
        rag_result_free(report);
        rag_store_close(store);
    }
    assert_true(failed > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alice_in_memory),
        cmocka_unit_test_setup(test_alice_embedded, empty_directory),
        cmocka_unit_test(test_threads_do_the_same),
        cmocka_unit_test_setup(test_values_and_times, empty_directory),
        cmocka_unit_test_setup(test_vectors, empty_directory),
        cmocka_unit_test_setup(test_graph_is_merged, empty_directory),
        cmocka_unit_test_setup(test_hostile_names, empty_directory),
        cmocka_unit_test_setup(test_what_is_not_there, empty_directory),
        cmocka_unit_test_setup(test_skipped_files, empty_directory),
        cmocka_unit_test_setup(test_not_a_file, empty_directory),
        cmocka_unit_test_setup(test_errors_name_the_file, empty_directory),
        cmocka_unit_test_setup(test_another_dimension_in_the_store, empty_directory),
        cmocka_unit_test_setup(test_a_side_that_ends_early, empty_directory),
        cmocka_unit_test_setup(test_arguments, empty_directory),
        cmocka_unit_test(test_progress),
        cmocka_unit_test(test_cancel_and_deadline),
        cmocka_unit_test_setup(test_cancel_while_the_reader_waits, empty_directory),
        cmocka_unit_test_setup(test_out_of_memory, empty_directory),
    };
    return cmocka_run_group_tests_name("import", tests, NULL, NULL);
}
