/* store: backends in modules. The test modules are made by tests/modules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "store_support.h"

static rag_status open_url(const char *url, rag_store **s, rag_error *err)
{
    rag_open_options options = RAG_OPEN_OPTIONS_INIT;
    options.config_file = "";
    return rag_store_open(url, &options, NULL, s, err);
}

static void the_working_directory_is_not_searched(void **state)
{
    (void)state;
    rag_error err;
    rag_store *s = NULL;
    assert_int_equal(access(RAG_TEST_MODULES "/ragstore-sample.so", R_OK), 0);
    assert_int_equal(chdir(RAG_TEST_MODULES), 0);
    (void)setenv("RAGSTORE_MODULE_PATH", ".:./::" /* relative folders are passed over */, 1);
    FAILS(RAG_E_INVALID, "'sample'", open_url("sample:", &s, &err));
    (void)unsetenv("RAGSTORE_MODULE_PATH");
    FAILS(RAG_E_INVALID, "'sample'", open_url("sample:", &s, &err));
    assert_null(s);
}

static void a_module_is_found_and_used(void **state)
{
    (void)state;
    rag_error err;
    rag_store *s = NULL;
    rag_result *r = NULL;
    (void)setenv("RAGSTORE_MODULE_PATH", "/nonexistent:" RAG_TEST_MODULES, 1);
    OK(open_url("sample:", &s, &err));
    const rag_kv_item item = { rag_text("k"), rag_text("{\"a\":1}"), 0, 0 };
    const rag_slice key = rag_text("k"), missing = rag_text("m");
    const rag_edge edge = { rag_text("A"), rag_text("B"), rag_text("{\"w\":1}") };
    OK(rag_kv_put_many(s, NULL, "n", &item, 1, NULL, &err));
    OK(rag_kv_get_many(s, NULL, "n", &key, 1, &r, &err));
    assert_string_equal(value_of(r, 0), "{\"a\":1}");
    rag_result_free(r);
    OK(rag_kv_filter_missing(s, NULL, "n", &missing, 1, &r, &err));
    assert_int_equal(rag_result_count(r), 1);
    rag_result_free(r);
    OK(rag_graph_put_edges(s, NULL, &edge, 1, RAG_PUT_MERGE, NULL, &err));
    OK(rag_graph_put_edges(s, NULL, &edge, 1, RAG_PUT_MERGE, NULL, &err));
    OK(rag_graph_popular(s, NULL, 5, &r, &err));
    assert_int_equal(rag_result_count(r), 2);
    rag_result_free(r);
    OK(rag_store_describe(s, NULL, &r, &err));
    assert_string_equal(rag_result_row(r, 0)->key2.data, "sample");
    rag_result_free(r);
    rag_store_close(s);
    OK(open_url("sample:", &s, &err)); /* the second time it is there */
    rag_store_close(s);
}

static void bad_modules_are_named(void **state)
{
    (void)state;
    rag_error err;
    rag_store *s = NULL;
    (void)setenv("RAGSTORE_MODULE_PATH", RAG_TEST_MODULES, 1);
    FAILS(RAG_E_INVALID, "rag_backend_init_1", open_url("nosymbol:", &s, &err));
    FAILS(RAG_E_VERSION, "newer", open_url("toonew:", &s, &err));
    FAILS(RAG_E_INVALID, "'sample'", open_url("misnamed:", &s, &err));
    FAILS(RAG_E_UNSUPPORTED, "ragstore-garbage.so", open_url("garbage:", &s, &err));
    FAILS(RAG_E_UNSUPPORTED, "apt install libhiredis", open_url("redis:", &s, &err));
    FAILS(RAG_E_INVALID, "known", open_url("SAMPLE2:", &s, &err));
    assert_null(s);
}

static void a_module_of_ours_that_is_missing_is_explained(void **state)
{
    (void)state;
    static const char *const urls[] = { "postgres://h/d", "postgresql://h/d" };
    rag_error err;
    rag_store *s = NULL;
    (void)unsetenv("RAGSTORE_MODULE_PATH");
    for (size_t i = 0; i < 2; i++)
        FAILS(RAG_E_UNSUPPORTED, "libpq-dev", open_url(urls[i], &s, &err));
    assert_null(s);
}

static void modules_are_listed(void **state)
{
    (void)state;
    rag_error err;
    rag_result *r = NULL;
    int sample = 0, missing = 0;
    (void)setenv("RAGSTORE_MODULE_PATH", RAG_TEST_MODULES, 1);
    OK(rag_backends(&r, &err));
    for (size_t i = 0; i < rag_result_count(r); i++) {
        const char *where = rag_result_row(r, i)->key2.data;
        if (strcmp(key_of(r, i), "sample") == 0) {
            assert_string_equal(where, "module");
            sample++;
        } else if (strcmp(key_of(r, i), "redis") == 0) {
            assert_string_equal(where, "missing");
            assert_non_null(strstr(value_of(r, i), "apt install"));
            missing++;
        }
    }
    assert_int_equal(sample, 1);
    assert_int_equal(missing, 1);
    rag_result_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_working_directory_is_not_searched),
        cmocka_unit_test(a_module_is_found_and_used),
        cmocka_unit_test(bad_modules_are_named),
        cmocka_unit_test(a_module_of_ours_that_is_missing_is_explained),
        cmocka_unit_test(modules_are_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
