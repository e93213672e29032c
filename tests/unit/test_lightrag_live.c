/* `lightrag:DIR` with two handles on one directory: what both changed comes out as it should for each kind
 * of store, what is particular to a file is kept or refused, and failing calls of the system leave the
 * old file and lose nothing. Processes and kill -9: tests/process/test_lightrag_files.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/os.h"
#include "store_support.h"

#define URL "lightrag:d"
#define T(text) rag_text(text)

static rag_store *a, *b; /* two handles, each with its own rows in memory */
static rag_error err;

static int set_up(void **state)
{
    (void)state;
    if (system("rm -rf d") != 0) /* in a folder of the test's own */
        return -1;
    a = open_store(URL);
    b = open_store(URL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rag_alloc_fail_at(0, 0);
    rag_store_close(a);
    rag_store_close(b);
    return 0;
}

static void flush(rag_store *store)
{
    OK(rag_flush(store, NULL, 0, &err));
}

static int file_is_there(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

static char *file_text(const char *path)
{
    static char text[1 << 16];
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    (void)fclose(f);
    return text;
}

/* ---- values ------------------------------------------------------------------------------------------ */

static void put(rag_store *store, const char *key, const char *value)
{
    const rag_kv_item item = { .key = T(key), .value = T(value) };
    OK(rag_kv_put_many(store, NULL, "n", &item, 1, NULL, &err));
}

/* NULL: absent. Lives until the next call. */
static const char *get(rag_store *store, const char *key)
{
    static rag_result *rows;
    const rag_slice slice_of_key = T(key);
    rag_result_free(rows);
    rows = NULL;
    if (!store)
        return NULL;
    OK(rag_kv_get_many(store, NULL, "n", &slice_of_key, 1, &rows, &err));
    return rag_result_row(rows, 0)->found ? value_of(rows, 0) : NULL;
}

static void delete_key(rag_store *store, const char *key)
{
    const rag_slice s = T(key);
    OK(rag_kv_delete_many(store, NULL, "n", &s, 1, NULL, NULL, &err));
}

static void values_that_both_changed(void **state)
{
    (void)state;
    put(a, "both", "{\"v\":0}");
    put(a, "ours", "{\"v\":0}");
    put(a, "deleted here", "{\"v\":0}");
    put(a, "deleted there", "{\"v\":0}");
    flush(a);
    assert_string_equal(get(b, "both"), "{\"v\":0}");
    put(b, "both", "{\"v\":2}");
    put(b, "theirs", "{\"v\":2}");
    put(b, "deleted here", "{\"v\":2}");
    delete_key(b, "deleted there");
    put(a, "both", "{\"v\":1}");
    put(a, "ours", "{\"v\":1}");
    delete_key(a, "deleted here");
    flush(b);
    assert_string_equal(get(a, "both"), "{\"v\":1}");
    assert_string_equal(get(a, "ours"), "{\"v\":1}");
    assert_string_equal(get(a, "theirs"), "{\"v\":2}");
    assert_null(get(a, "deleted here"));
    assert_null(get(a, "deleted there"));
    flush(a);
    assert_string_equal(get(b, "both"), "{\"v\":1}");
    assert_string_equal(get(b, "theirs"), "{\"v\":2}");
    assert_null(get(b, "deleted here"));
    (void)get(NULL, "");
}

static void times_outlast_a_file(void **state)
{
    (void)state;
    const rag_kv_item item = { T("k"), T("{}"), 1000, 2000 };
    const rag_kv_item unknown = { T("u"), T("{}"), RAG_TIME_UNKNOWN, RAG_TIME_UNKNOWN };
    const rag_slice keys[] = { T("k"), T("u") };
    rag_result *rows = NULL;
    OK(rag_kv_put_many(a, NULL, "n", &item, 1, NULL, &err));
    OK(rag_kv_put_many(a, NULL, "n", &unknown, 1, NULL, &err));
    flush(a);
    put(b, "other", "{}");
    flush(b);
    put(a, "third", "{}"); /* the file is read again, and the rows put back that were not written */
    OK(rag_kv_put_many(a, NULL, "n", &unknown, 1, NULL, &err));
    put(b, "fourth", "{}");
    flush(b);
    OK(rag_kv_get_many(a, NULL, "n", keys, 2, &rows, &err));
    assert_int_equal(rag_result_row(rows, 0)->created_at, 1000);
    assert_int_equal(rag_result_row(rows, 0)->updated_at, 2000);
    assert_int_equal(rag_result_row(rows, 1)->created_at, 0);
    assert_int_equal(rag_result_row(rows, 1)->updated_at, 0);
    rag_result_free(rows);
}

static void a_drop_takes_what_others_wrote(void **state)
{
    (void)state;
    put(a, "k", "{}");
    flush(a);
    OK(rag_kv_drop(a, NULL, "n", &err));
    put(a, "after", "{}");
    put(b, "theirs", "{}");
    flush(b);
    assert_null(get(a, "theirs"));
    flush(a);
    assert_null(get(b, "theirs"));
    assert_non_null(get(b, "after"));
    OK(rag_kv_drop(a, NULL, "n", &err));
    flush(a);
    assert_string_equal(file_text("d/kv_store_n.json"), "{}");
    (void)get(NULL, "");
}

/* ---- vectors ----------------------------------------------------------------------------------------- */

static void define(rag_store *store, uint32_t dimension, const char *model)
{
    rag_vector_space space = RAG_VECTOR_SPACE_INIT;
    space.dimension = dimension;
    space.element = RAG_ELEMENT_FLOAT16;
    (void)snprintf(space.model, sizeof space.model, "%s", model);
    OK(rag_vector_define(store, NULL, "v", &space, &err));
}

static void put_vector(rag_store *store, const char *id, float first, const char *name)
{
    const float v[2] = { first, 1 };
    char value[64];
    (void)snprintf(value, sizeof value, "{\"entity_name\":\"%s\"}", name);
    const rag_vector_item item = { T(id), v, 2, T(value), 77 };
    OK(rag_vector_put_many(store, NULL, "v", &item, 1, NULL, &err));
}

/* The first element, or -1: absent. */
static float first_of(rag_store *store, const char *id)
{
    const rag_slice s = T(id);
    rag_result *rows = NULL;
    OK(rag_vector_get_many(store, NULL, "v", &s, 1, RAG_VECTOR_VECTORS, &rows, &err));
    const rag_row *row = rag_result_row(rows, 0);
    const float first = row->found && row->vector ? row->vector[0] : -1;
    if (row->found && row->vector)
        assert_int_equal(row->created_at, 77);
    rag_result_free(rows);
    return first;
}

static void vectors_that_both_changed(void **state)
{
    (void)state;
    const rag_slice id = T("deleted here"), name = T("gone");
    define(a, 2, "model-one");
    put_vector(a, "both", 0, "x");
    put_vector(a, "deleted here", 0, "x");
    put_vector(a, "named", 0, "gone");
    flush(a);
    assert_true(first_of(b, "both") == 0);
    put_vector(b, "both", 2, "x");
    put_vector(b, "theirs", 2, "x");
    put_vector(b, "named there", 2, "gone");
    put_vector(a, "both", 1, "x");
    OK(rag_vector_delete_many(a, NULL, "v", &id, 1, NULL, NULL, &err));
    OK(rag_vector_delete_named(a, NULL, "v", &name, 1, NULL, NULL, &err));
    put_vector(a, "named again", 1, "gone");
    flush(b);
    flush(a);
    for (int i = 0; i < 2; i++) {
        rag_store *store = i ? b : a;
        assert_true(first_of(store, "both") == 1);
        assert_true(first_of(store, "theirs") == 2);
        assert_true(first_of(store, "deleted here") == -1);
        assert_true(first_of(store, "named") == -1);
        assert_true(first_of(store, "named there") == -1);
        assert_true(first_of(store, "named again") == 1);
    }
}

static void the_model_is_kept(void **state)
{
    (void)state;
    rag_vector_space found = RAG_VECTOR_SPACE_INIT;
    define(a, 2, "model \"one\" \xe6\x9d\xb1");
    put_vector(a, "k", 1, "x");
    flush(a);
    OK(rag_vector_describe(b, NULL, "v", &found, &err));
    assert_string_equal(found.model, "model \"one\" \xe6\x9d\xb1");
    assert_int_equal(found.element, RAG_ELEMENT_FLOAT16);
    put_vector(b, "more", 1, "x");
    flush(b);
    rag_store *third = open_store(URL);
    OK(rag_vector_describe(third, NULL, "v", &found, &err));
    assert_string_equal(found.model, "model \"one\" \xe6\x9d\xb1");
    rag_store_close(third);
    rag_store *imported = open_store("memory:");
    OK(rag_import_lightrag(imported, NULL, "d", NULL, NULL, &err));
    OK(rag_vector_describe(imported, NULL, "v", &found, &err));
    assert_string_equal(found.model, "model \"one\" \xe6\x9d\xb1");
    rag_store_close(imported);
    OK(rag_vector_drop(b, NULL, "v", &err));
    flush(b);
    assert_false(file_is_there("d/vdb_v.json"));
    FAILS(RAG_E_NOT_FOUND, "v", rag_vector_describe(a, NULL, "v", &found, &err));
}

static void what_waits_to_be_embedded_goes_on(void **state)
{
    (void)state;
    const rag_pending_item items[] = { { T("p"), T("{\"content\":\"text\"}"), T(""), 5 },
                                       { T("both"), T("{\"content\":\"b\"}"), T(""), 5 } };
    const rag_slice gone = T("gone");
    rag_result *rows = NULL;
    define(a, 2, "");
    put_vector(a, "both", 1, "x");
    put_vector(a, "gone", 1, "x");
    OK(rag_vector_defer_many(a, NULL, "v", items, 2, NULL, &err));
    OK(rag_vector_defer_delete(a, NULL, "v", &gone, 1, NULL, &err));
    flush(a);
    put_vector(b, "theirs", 2, "x");
    flush(b);
    assert_true(first_of(a, "theirs") == 2);
    OK(rag_vector_pending(a, NULL, "v", T(""), 10, &rows, &err));
    assert_int_equal(rag_result_count(rows), 3);
    assert_string_equal(key_of(rows, 0), "both");
    assert_string_equal(key_of(rows, 1), "gone");
    assert_false(rag_result_row(rows, 1)->found);
    assert_string_equal(value_of(rows, 2), "{\"content\":\"text\"}");
    rag_result_free(rows);
    flush(a);
    assert_true(first_of(b, "both") == 1); /* the row itself was saved, not what waits */
    assert_true(first_of(b, "gone") == 1);
}

static void another_dimension_is_a_conflict(void **state)
{
    (void)state;
    const float three[3] = { 1, 2, 3 };
    const rag_vector_item item = { T("t"), three, 3, T("{}"), 0 };
    uint64_t n = 0;
    define(a, 2, "");
    put_vector(a, "k", 1, "x");
    flush(a);
    OK(rag_vector_drop(b, NULL, "v", &err));
    define(b, 3, "");
    OK(rag_vector_put_many(b, NULL, "v", &item, 1, NULL, &err));
    put_vector(a, "not written", 1, "x");
    flush(b);
    FAILS(RAG_E_CONFLICT, "dimension 3", rag_vector_count(a, NULL, "v", &n, &err));
    FAILS(RAG_E_CONFLICT, "dimension 3", rag_flush(a, NULL, 0, &err));
    OK(rag_vector_count(b, NULL, "v", &n, &err));
    assert_int_equal(n, 1);
}

/* ---- the graph --------------------------------------------------------------------------------------- */

static void put_node(rag_store *store, const char *label, const char *value)
{
    const rag_node node = { T(label), T(value) };
    OK(rag_graph_put_nodes(store, NULL, &node, 1, RAG_PUT_MERGE, NULL, &err));
}

static void put_edge(rag_store *store, const char *from, const char *to, const char *value)
{
    const rag_edge edge = { T(from), T(to), T(value) };
    OK(rag_graph_put_edges(store, NULL, &edge, 1, RAG_PUT_MERGE, NULL, &err));
}

static int has_edge(rag_store *store, const char *from, const char *to, const char *value)
{
    const rag_pair pair = { T(from), T(to) };
    rag_result *rows = NULL;
    OK(rag_graph_get_edges(store, NULL, &pair, 1, RAG_GRAPH_VALUES, &rows, &err));
    const int found = rag_result_row(rows, 0)->found;
    if (found && value)
        assert_string_equal(value_of(rows, 0), value);
    rag_result_free(rows);
    return found;
}

static int has_node(rag_store *store, const char *label, const char *value)
{
    const rag_slice s = T(label);
    rag_result *rows = NULL;
    OK(rag_graph_get_nodes(store, NULL, &s, 1, RAG_GRAPH_VALUES, &rows, &err));
    const int found = rag_result_row(rows, 0)->found;
    if (found && value)
        assert_string_equal(value_of(rows, 0), value);
    rag_result_free(rows);
    return found;
}

static void graphs_that_both_changed(void **state)
{
    (void)state;
    const rag_slice gone = T("gone"), back = T("back");
    const rag_pair cut = { T("y"), T("x") };
    put_edge(a, "x", "y", "{\"w\":0}");
    put_edge(a, "x", "z", "{\"w\":0}");
    put_edge(a, "gone", "x", "{\"w\":0}");
    put_edge(a, "back", "x", "{\"w\":0}");
    put_node(a, "x", "{\"n\":0}");
    flush(a);
    assert_true(has_edge(b, "x", "y", "{\"w\":0}"));
    put_edge(b, "gone", "new there", "{\"w\":2}");
    put_edge(b, "back", "new there", "{\"w\":2}");
    put_edge(b, "x", "z", "{\"w\":2}");
    put_node(b, "x", "{\"n\":2}");
    put_node(b, "z", "{\"n\":2}");
    OK(rag_graph_delete_nodes(a, NULL, &gone, 1, NULL, NULL, &err));
    OK(rag_graph_delete_nodes(a, NULL, &back, 1, NULL, NULL, &err));
    put_edge(a, "back", "y", "{\"w\":1}");
    OK(rag_graph_delete_edges(a, NULL, &cut, 1, NULL, NULL, &err));
    put_node(a, "x", "{\"n\":1}");
    flush(b);
    flush(a);
    for (int i = 0; i < 2; i++) {
        rag_store *store = i ? b : a;
        assert_true(has_node(store, "x", "{\"n\":1}"));
        assert_true(has_node(store, "z", "{\"n\":2}"));
        assert_true(has_node(store, "new there", "{}"));
        assert_false(has_node(store, "gone", NULL));
        assert_false(has_edge(store, "gone", "new there", NULL));
        assert_false(has_edge(store, "gone", "x", NULL));
        assert_true(has_node(store, "back", "{}"));
        assert_true(has_edge(store, "y", "back", "{\"w\":1}"));
        assert_false(has_edge(store, "back", "x", NULL)); /* went with the node that was deleted */
        assert_false(has_edge(store, "back", "new there", NULL));
        assert_false(has_edge(store, "x", "y", NULL));
        assert_true(has_edge(store, "x", "z", "{\"w\":2}"));
    }
    OK(rag_graph_drop(a, NULL, &err));
    flush(a);
    assert_false(file_is_there("d/graph_chunk_entity_relation.graphml"));
    assert_false(has_node(b, "x", NULL));
}

static void a_graph_of_another_name(void **state)
{
    (void)state;
    put_node(a, "x", "{\"n\":1}");
    flush(a);
    OK(rename("d/graph_chunk_entity_relation.graphml", "d/graph_mine.graphml") ? RAG_E_IO : RAG_OK);
    rag_store *third = open_store(URL);
    assert_true(has_node(third, "x", "{\"n\":1}"));
    put_node(third, "y", "{}");
    rag_store_close(third);
    assert_true(file_is_there("d/graph_mine.graphml"));
    assert_false(file_is_there("d/graph_chunk_entity_relation.graphml"));
}

/* ---- document status --------------------------------------------------------------------------------- */

static void put_doc(rag_store *store, const char *id, const char *status)
{
    char value[64];
    (void)snprintf(value, sizeof value, "{\"status\":\"%s\"}", status);
    const rag_doc doc = { T(id), T(value) };
    OK(rag_docstatus_put_many(store, NULL, &doc, 1, NULL, &err));
}

static void documents_that_both_changed(void **state)
{
    (void)state;
    const rag_slice ids[] = { T("a"), T("b"), T("c") };
    rag_result *rows = NULL;
    put_doc(a, "a", "pending");
    put_doc(b, "b", "pending"); /* read again before it is written: both are there */
    put_doc(a, "c", "processed");
    OK(rag_docstatus_delete_many(b, NULL, ids, 1, NULL, NULL, &err));
    put_doc(a, "a", "failed");
    flush(b);
    OK(rag_docstatus_get_many(a, NULL, ids, 3, &rows, &err));
    assert_false(rag_result_row(rows, 0)->found); /* who saves last says what became of it */
    assert_true(rag_result_row(rows, 1)->found);
    assert_true(rag_result_row(rows, 2)->found);
    rag_result_free(rows);
}

/* ---- refused ------------------------------------------------------------------------------------------- */

static void what_files_cannot_hold_is_refused(void **state)
{
    (void)state;
    const float v[2] = { 1, 1 };
    const rag_kv_item not_text = { .key = T("\xff"), .value = T("{}") };
    const rag_vector_item own = { T("k"), v, 2, T("{\"vector\":\"x\"}"), 0 };
    const rag_node control = { T("a\x01"), T("{}") };
    const rag_doc doc = { T("\xff"), T("{\"status\":\"pending\"}") };
    char name[230];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    define(a, 2, "");
    FAILS(RAG_E_INVALID, "UTF-8", rag_kv_put_many(a, NULL, "n", &not_text, 1, NULL, &err));
    FAILS(RAG_E_INVALID, "vector", rag_vector_put_many(a, NULL, "v", &own, 1, NULL, &err));
    FAILS(RAG_E_INVALID, "XML",
          rag_graph_put_nodes(a, NULL, &control, 1, RAG_PUT_MERGE, NULL, &err));
    FAILS(RAG_E_INVALID, "UTF-8", rag_docstatus_put_many(a, NULL, &doc, 1, NULL, &err));
    uint64_t n = 0;
    FAILS(RAG_E_INVALID, "too long", rag_kv_count(a, NULL, name, &n, &err));
    FAILS(RAG_E_INVALID, "doc_status", rag_kv_count(a, NULL, "doc_status", &n, &err));
    rag_store *none = NULL;
    rag_open_options options = RAG_OPEN_OPTIONS_INIT;
    options.config_file = "";
    options.flags = RAG_OPEN_EXISTING;
    FAILS(RAG_E_NOT_FOUND, "nowhere",
          rag_store_open("lightrag:nowhere", &options, NULL, &none, &err));
    FAILS(RAG_E_NOT_FOUND, "no file of LightRAG",
          rag_store_open("lightrag:.", &options, NULL, &none, &err));
    FAILS(RAG_E_INVALID, "directory", rag_store_open("lightrag:", &options, NULL, &none, &err));
    options.flags = RAG_OPEN_BUILD;
    FAILS(RAG_E_UNSUPPORTED, "aside", rag_store_open("lightrag:x", &options, NULL, &none, &err));
}

static void values_as_deep_as_they_may_be(void **state)
{
    (void)state;
    char value[4096];
    size_t n = 0;
    for (int i = 0; i < 512; i++)
        n += (size_t)snprintf(value + n, sizeof value - n, i < 511 ? "{\"\":" : "{}");
    for (int i = 0; i < 511; i++)
        value[n++] = '}';
    value[n] = 0;
    put(a, "deep", value);
    flush(a);
    assert_string_equal(get(b, "deep"), value);
    (void)get(NULL, "");
}

/* ---- damage -------------------------------------------------------------------------------------------- */

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* What was not written yet waits until the file can be read again; other files do not. */
static void a_damaged_file_keeps_what_is_not_written(void **state)
{
    (void)state;
    const rag_kv_item elsewhere = { .key = T("k"), .value = T("{}") };
    const rag_slice key = T("k");
    rag_context ctx = RAG_CONTEXT_INIT;
    rag_result *rows = NULL;
    rag_txn *txn = NULL;
    put(a, "k", "{\"v\":0}");
    put(a, "l", "{\"v\":0}");
    flush(a);
    char *before = strdup(file_text("d/kv_store_n.json"));
    put(a, "mine", "{\"v\":1}");
    OK(rag_kv_put_many(a, NULL, "m", &elsewhere, 1, NULL, &err));
    write_text("d/kv_store_n.json", "{\"k\": {\"v\":5}, \"l\": {");
    FAILS(RAG_E_CORRUPT, "--salvage", rag_flush(a, NULL, 0, &err));
    assert_true(file_is_there("d/kv_store_m.json"));
    OK(rag_txn_begin(a, NULL, &txn, &err));
    ctx.txn = txn;
    OK(rag_kv_put_many(a, &ctx, "m", &elsewhere, 1, NULL, &err));
    FAILS(RAG_E_CORRUPT, "kv_store_n.json", rag_kv_get_many(a, &ctx, "n", &key, 1, &rows, &err));
    FAILS(RAG_E_TRANSACTION, "could not be read", rag_txn_commit(txn, NULL, NULL, &err));
    FAILS(RAG_E_CORRUPT, "kv_store_n.json", rag_kv_get_many(a, NULL, "n", &key, 1, &rows, &err));
    write_text("d/kv_store_n.json", before);
    assert_string_equal(get(a, "mine"), "{\"v\":1}");
    assert_string_equal(get(a, "k"), "{\"v\":0}");
    flush(a);
    assert_string_equal(get(b, "mine"), "{\"v\":1}");
    assert_string_equal(get(b, "l"), "{\"v\":0}");
    (void)get(NULL, "");
    free(before);
}

/* ---- failures ------------------------------------------------------------------------------------------ */

static int calls_left;

static int failing_fsync(int fd)
{
    if (--calls_left == 0) {
        errno = EIO;
        return -1;
    }
    return fsync(fd);
}

static int failing_rename(const char *from, const char *to)
{
    if (--calls_left == 0) {
        errno = ENOSPC;
        return -1;
    }
    return rename(from, to);
}

static ssize_t failing_write(int fd, const void *data, size_t len)
{
    if (--calls_left == 0) {
        errno = ENOSPC;
        return -1;
    }
    return write(fd, data, len);
}

static size_t temporary_files(void)
{
    size_t count = 0;
    DIR *folder = opendir("d");
    for (struct dirent *e = folder ? readdir(folder) : NULL; e; e = readdir(folder))
        count += strstr(e->d_name, ".tmp.") != NULL;
    if (folder)
        (void)closedir(folder);
    return count;
}

/* Whatever fails at whichever call: the flush says so, the next one writes everything. */
static void failing_calls_lose_nothing(void **state)
{
    (void)state;
    const struct os_calls whole = os_calls;
    for (int what = 0; what < 3; what++) {
        int failed = 1;
        for (int n = 1; failed; n++) {
            char key[32];
            (void)snprintf(key, sizeof key, "%d-%d", what, n);
            put(a, key, "{\"v\":1}");
            put_node(a, key, "{\"v\":1}");
            calls_left = n;
            if (what == 0)
                os_calls.fsync = failing_fsync;
            else if (what == 1)
                os_calls.rename = failing_rename;
            else
                os_calls.write = failing_write;
            failed = rag_flush(a, NULL, 0, &err) != RAG_OK;
            os_calls = whole;
            assert_true(n < 20);
            assert_int_equal(temporary_files(), 0);
            flush(a);
            assert_string_equal(get(b, key), "{\"v\":1}");
            assert_true(has_node(b, key, "{\"v\":1}"));
        }
    }
    (void)get(NULL, "");
}

/* The put of a document that cannot be made durable is not applied. */
static void a_document_that_cannot_be_saved(void **state)
{
    (void)state;
    const struct os_calls whole = os_calls;
    const rag_doc doc = { T("b"), T("{\"status\":\"pending\"}") };
    const rag_slice id = T("b");
    rag_result *rows = NULL;
    put_doc(a, "a", "pending");
    calls_left = 1;
    os_calls.rename = failing_rename;
    FAILS(RAG_E_NO_SPACE, "rename", rag_docstatus_put_many(a, NULL, &doc, 1, NULL, &err));
    os_calls = whole;
    assert_int_equal(err.outcome, RAG_OUTCOME_NOT_APPLIED);
    OK(rag_docstatus_get_many(a, NULL, &id, 1, &rows, &err));
    assert_false(rag_result_row(rows, 0)->found);
    rag_result_free(rows);
}

/* Every allocation of a put, a reading and a flush fails once; nothing is lost or left behind. */
static void failing_allocations_lose_nothing(void **state)
{
    (void)state;
    define(a, 2, "m");
    flush(a);
    int failed = 1;
    for (long n = 1; failed; n++) {
        const float v[2] = { 1, 1 };
        const rag_kv_item item = { .key = T("k"), .value = T("{\"v\":1}") };
        const rag_vector_item vector = { T("k"), v, 2, T("{}"), 0 };
        const rag_edge edge = { T("k"), T("l"), T("{\"v\":1}") };
        put(b, "theirs", n % 2 ? "{\"v\":1}" : "{\"v\":2}");
        flush(b);
        rag_alloc_fail_at(n, 0);
        failed = rag_kv_put_many(a, NULL, "n", &item, 1, NULL, &err) != RAG_OK ||
                 rag_vector_put_many(a, NULL, "v", &vector, 1, NULL, &err) != RAG_OK ||
                 rag_graph_put_edges(a, NULL, &edge, 1, RAG_PUT_MERGE, NULL, &err) != RAG_OK ||
                 rag_flush(a, NULL, 0, &err) != RAG_OK;
        const int all_made = rag_alloc_fail_left() > 0;
        rag_alloc_fail_at(0, 0);
        if (failed)
            assert_int_equal(err.status, RAG_E_NO_MEMORY);
        failed = !all_made;
        assert_int_equal(temporary_files(), 0);
        assert_true(n < 5000);
    }
    flush(a);
    assert_string_equal(get(b, "k"), "{\"v\":1}");
    assert_non_null(get(a, "theirs"));
    assert_true(has_edge(b, "l", "k", "{\"v\":1}"));
    (void)get(NULL, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(values_that_both_changed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(times_outlast_a_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_drop_takes_what_others_wrote, set_up, tear_down),
        cmocka_unit_test_setup_teardown(vectors_that_both_changed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_model_is_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_waits_to_be_embedded_goes_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_dimension_is_a_conflict, set_up, tear_down),
        cmocka_unit_test_setup_teardown(graphs_that_both_changed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_graph_of_another_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(documents_that_both_changed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_files_cannot_hold_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(values_as_deep_as_they_may_be, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_damaged_file_keeps_what_is_not_written, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(failing_calls_lose_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_document_that_cannot_be_saved, set_up, tear_down),
        cmocka_unit_test_setup_teardown(failing_allocations_lose_nothing, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
