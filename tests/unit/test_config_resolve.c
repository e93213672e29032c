/* config: who wins over whom, and rag_config_explain(). The environment of the process is changed:
 * each case starts with all variables of ours unset and without config.ini. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <ragstore/backend.h>

#include "config/config.h"
#include "config/keys.h"
#include "store/registry.h"
#include "store_support.h"

extern const rag_backend memory_backend;

/* A backend with options, one of them needed and one of them secret. */
static rag_backend optioned;
static const char *const option_names[] = { "page_size", "password", "host", NULL };
static const char *const needed[] = { "host", NULL };
static const char *const classes[] = { "OptionedKVStorage", "OptionedStorage", NULL };

/* And one without a graph. */
static rag_backend no_graph;

static int add_backends(void **state)
{
    (void)state;
    optioned = memory_backend;
    optioned.name = "optioned";
    optioned.class_names = classes;
    optioned.options = option_names;
    optioned.required = needed;
    no_graph = memory_backend;
    no_graph.name = "nograph";
    no_graph.class_names = NULL;
    no_graph.graph = NULL;
    return registry_add(&optioned, "module", NULL) || registry_add(&no_graph, "module", NULL);
}

static int clean(void **state)
{
    (void)state;
    for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
        if (CONFIG_KEYS[i].variable)
            (void)unsetenv(CONFIG_KEYS[i].variable);
        if (CONFIG_KEYS[i].alias)
            (void)unsetenv(CONFIG_KEYS[i].alias);
    }
    (void)unsetenv("RAGSTORE_OPTIONED_HOST");
    (void)unsetenv("RAGSTORE_OPTIONED_PASSWORD");
    (void)unsetenv("XDG_CONFIG_HOME");
    (void)setenv("HOME", "/nonexistent", 1);
    (void)unlink("config.ini");
    return 0;
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

static void expect(const char *url, const rag_open_options *options, const char *key,
                   const char *value, const char *source)
{
    rag_error err = RAG_ERROR_INIT;
    rag_result *rows = NULL;
    OK(rag_config_explain(url, options, &rows, &err));
    int found = 0;
    for (size_t i = 0; i < rag_result_count(rows); i++) {
        const rag_row *row = rag_result_row(rows, i);
        if (strcmp(row->key.data, key) != 0)
            continue;
        found++;
        assert_string_equal(row->value.data, value);
        assert_string_equal(row->key2.data, source);
    }
    rag_result_free(rows);
    if (found != (value != NULL))
        fail_msg("'%s' is there %d times", key, found);
}

static void the_stronger_place_wins(void **state)
{
    (void)state;
    rag_open_options options = RAG_OPEN_OPTIONS_INIT;
    expect("memory:", &options, "workspace", "\"\"", "default");
    expect("memory:", &options, "lock_timeout_ms", "\"30000\"", "default");
    write_file("config.ini", "[ragstore]\nworkspace = from_ini\nlock_timeout_ms = 4\n");
    expect("memory:", &options, "workspace", "\"from_ini\"", "config.ini [ragstore] workspace");
    options.config_file = "";
    expect("memory:", &options, "workspace", "\"\"", "default");
    options.config_file = NULL;
    (void)setenv("WORKSPACE", "lightrags", 1);
    expect("memory:", &options, "workspace", "\"lightrags\"", "environment WORKSPACE");
    (void)setenv("RAGSTORE_WORKSPACE", "ours", 1);
    (void)setenv("RAGSTORE_LOCK_TIMEOUT_MS", "3", 1);
    expect("memory:", &options, "workspace", "\"ours\"", "environment RAGSTORE_WORKSPACE");
    expect("memory:", &options, "lock_timeout_ms", "\"3\"", "environment RAGSTORE_LOCK_TIMEOUT_MS");
    options.workspace = "argued";
    options.lock_timeout_ms = 2;
    expect("memory:", &options, "workspace", "\"argued\"", "argument");
    expect("memory:", &options, "lock_timeout_ms", "\"2\"", "argument");
    expect("memory:?workspace=u&lock_timeout_ms=1", &options, "workspace", "\"u\"", "url");
    expect("memory:?workspace=u&lock_timeout_ms=1", &options, "lock_timeout_ms", "\"1\"", "url");
    (void)setenv("RAGSTORE_WORKSPACE", "", 1); /* empty is not set */
    options.workspace = NULL;
    expect("memory:", &options, "workspace", "\"lightrags\"", "environment WORKSPACE");
}

static void options_of_backends_have_places(void **state)
{
    (void)state;
    rag_error err;
    rag_result *rows = NULL;
    FAILS(RAG_E_INVALID, "RAGSTORE_OPTIONED_HOST",
          rag_config_explain("optioned:", NULL, &rows, &err));
    write_file("config.ini", "[optioned]\nhost = ini\npage_size = 5\npassword = hunter2\n");
    expect("optioned:", NULL, "host", "\"ini\"", "config.ini [optioned] host");
    expect("optioned:", NULL, "page_size", "\"5\"", "config.ini [optioned] page_size");
    expect("optioned:", NULL, "password", "\"***\"", "config.ini [optioned] password");
    (void)setenv("RAGSTORE_OPTIONED_HOST", "env", 1);
    expect("optioned:", NULL, "host", "\"env\"", "environment RAGSTORE_OPTIONED_HOST");
    expect("optioned://url/", NULL, "host", "\"url\"", "url");
    expect("optioned://url/", NULL, "location", "\"optioned://url/\"", "url");
    expect("optioned:?password=hunter2", NULL, "url", "\"optioned:?password=***\"", "url");
    FAILS(RAG_E_INVALID, "'pagesize'",
          rag_config_explain("optioned:?pagesize=1", NULL, &rows, &err));
    assert_non_null(strstr(err.message, "page_size, password, host"));
    assert_non_null(strstr(err.message, "workspace"));
    FAILS(RAG_E_INVALID, "'page_size'",
          rag_config_explain("memory:?page_size=1", NULL, &rows, &err));
    assert_null(rows);
}

static void no_message_and_no_answer_has_a_secret(void **state)
{
    (void)state;
    static const char *const urls[] = {
        "optioned://u:hunter2@h/?bad=1",    "optioned://u:hunter2@h/db",
        "optioned:?password=hunter2",       "optioned:?password=hunter2&password=hunter2",
        "nothing://u:hunter2@h/",           "optioned://u:hunter2%zz@h/",
        "optioned://host?password=hunter2",
    };
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        rag_error err = RAG_ERROR_INIT;
        rag_result *rows = NULL;
        if (rag_config_explain(urls[i], NULL, &rows, &err) != RAG_OK)
            assert_null(strstr(err.message, "hunter2"));
        for (size_t r = 0; r < rag_result_count(rows); r++)
            assert_null(strstr(value_of(rows, r), "hunter2"));
        rag_result_free(rows);
    }
}

static void unknown_schemes_are_named(void **state)
{
    (void)state;
    rag_error err;
    rag_result *rows = NULL;
    FAILS(RAG_E_INVALID, "'mongo'", rag_config_explain("mongo://h", NULL, &rows, &err));
    assert_non_null(strstr(err.message, "memory"));
}

static void workspaces_stay_inside(void **state)
{
    (void)state;
    rag_error err;
    rag_result *rows = NULL;
    rag_open_options options = RAG_OPEN_OPTIONS_INIT;
    static const char *const bad[] = { "a/b", "a\\b", ".", "..", "\xff" };
    static const char *const good[] = { "", "a b", "...", "*?[", "\xe6\x9d\xb1", "-x" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        options.workspace = bad[i];
        FAILS(RAG_E_INVALID, "workspace", rag_config_explain("memory:", &options, &rows, &err));
    }
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        options.workspace = good[i];
        OK(rag_config_explain("memory:", &options, &rows, &err));
        rag_result_free(rows);
        rows = NULL;
    }
    char longest[300];
    memset(longest, 'w', sizeof longest);
    longest[256] = 0;
    options.workspace = longest;
    FAILS(RAG_E_INVALID, "255", rag_config_explain("memory:", &options, &rows, &err));
    FAILS(RAG_E_INVALID, "'/'", rag_config_explain("memory:?workspace=a%2Fb", NULL, &rows, &err));
    (void)setenv("WORKSPACE", "../up", 1);
    FAILS(RAG_E_INVALID, "../up", rag_config_explain("memory:", NULL, &rows, &err));
    options.workspace = "fine";
    options.lock_timeout_ms = -1;
    FAILS(RAG_E_INVALID, "negative", rag_config_explain("memory:", &options, &rows, &err));
    FAILS(RAG_E_INVALID, "'soon'",
          rag_config_explain("memory:?workspace=&lock_timeout_ms=soon", NULL, &rows, &err));
}

static void without_a_url_the_other_places_say(void **state)
{
    (void)state;
    rag_error err;
    rag_result *rows = NULL;
    rag_store *store = NULL;
    FAILS(RAG_E_INVALID, "RAGSTORE_URL", rag_store_open(NULL, NULL, NULL, &store, &err));
    assert_non_null(strstr(err.message, "LIGHTRAG_KV_STORAGE"));
    FAILS(RAG_E_INVALID, "RAGSTORE_URL", rag_store_open("", NULL, NULL, &store, &err));
    expect(NULL, NULL, "url", "\"\"", "not set");
    expect("", NULL, "lock_timeout_ms", "\"30000\"", "default");
    expect(NULL, NULL, "working_dir", "\"./rag_storage\"", "default");
    rag_open_options options = RAG_OPEN_OPTIONS_INIT;
    options.workspace = "asked";
    expect(NULL, &options, "workspace", "\"asked\"", "argument");
    write_file("config.ini", "[ragstore]\nurl = memory:?workspace=ini\n");
    expect(NULL, NULL, "workspace", "\"ini\"", "url");
    expect(NULL, NULL, "backend", "\"memory\"", "config.ini [ragstore] url");
    (void)setenv("LIGHTRAG_KV_STORAGE", "MemoryKVStorage", 1);
    expect(NULL, NULL, "vector.backend", "\"lightrag\"", "default"); /* NanoVectorDBStorage */
    expect(NULL, NULL, "graph.backend", "\"lightrag\"", "default");
    expect(NULL, NULL, "doc_status.backend", "\"lightrag\"", "default");
    (void)setenv("LIGHTRAG_KV_STORAGE", "JsonKVStorage", 1);
    expect(NULL, NULL, "kv.backend", "\"lightrag\"", "environment LIGHTRAG_KV_STORAGE");
    (void)setenv("LIGHTRAG_KV_STORAGE", "MemoryKVStorage", 1);
    (void)setenv("LIGHTRAG_VECTOR_STORAGE", "MemoryVectorStorage", 1);
    (void)setenv("LIGHTRAG_GRAPH_STORAGE", "MemoryGraphStorage", 1);
    (void)setenv("LIGHTRAG_DOC_STATUS_STORAGE", "MemoryDocStatusStorage", 1);
    expect(NULL, NULL, "kv.backend", "\"memory\"", "environment LIGHTRAG_KV_STORAGE");
    expect(NULL, NULL, "graph.location", "\"./rag_storage\"", "environment LIGHTRAG_GRAPH_STORAGE");
    (void)setenv("WORKING_DIR", "/data/rag", 1);
    expect(NULL, NULL, "doc_status.location", "\"/data/rag\"",
           "environment LIGHTRAG_DOC_STATUS_STORAGE");
    (void)setenv("LIGHTRAG_GRAPH_STORAGE", "nograph", 1);
    FAILS(RAG_E_UNSUPPORTED, "no graph store", rag_config_explain(NULL, NULL, &rows, &err));
    (void)setenv("RAGSTORE_URL", "memory:?workspace=env", 1);
    expect(NULL, NULL, "workspace", "\"env\"", "url");
    expect(NULL, NULL, "url", "\"memory:?workspace=env\"", "environment RAGSTORE_URL");
    expect("memory:?workspace=given", NULL, "workspace", "\"given\"", "url");
}

static void mixes_come_from_a_file(void **state)
{
    (void)state;
    rag_error err;
    rag_result *rows = NULL;
    struct config c;
    write_file("mix.ini", "[ragstore]\nkv = memory:?workspace=a\nvector = memory:?workspace=b\n"
                          "graph = memory:?workspace=a\ndoc_status = memory:?workspace=a\n");
    OK(config_resolve("config:mix.ini", NULL, registry_lookup, &c, &err));
    assert_int_equal(c.mount_count, 2);
    assert_int_equal(c.mount_of[CONFIG_KV], 0);
    assert_int_equal(c.mount_of[CONFIG_VECTOR], 1);
    assert_int_equal(c.mount_of[CONFIG_GRAPH], 0);
    assert_string_equal(c.mounts[1].workspace, "b");
    config_free(&c);
    expect("config:mix.ini", NULL, "vector.workspace", "\"b\"", "url");
    write_file("three.ini", "[ragstore]\nkv = memory:\nvector = memory:\ngraph = memory:\n");
    FAILS(RAG_E_INVALID, "doc_status", rag_config_explain("config:three.ini", NULL, &rows, &err));
    write_file("kinds.ini", "[ragstore]\nkv = memory:\nvector = memory:\ngraph = nograph:\n"
                            "doc_status = memory:\n");
    FAILS(RAG_E_UNSUPPORTED, "nograph", rag_config_explain("config:kinds.ini", NULL, &rows, &err));
    write_file("again.ini", "[ragstore]\nurl = config:again.ini\n");
    FAILS(RAG_E_INVALID, "another 'config:'",
          rag_config_explain("config:again.ini", NULL, &rows, &err));
    write_file("empty.ini", "# nothing\n");
    FAILS(RAG_E_INVALID, "empty.ini names no store",
          rag_config_explain("config:empty.ini", NULL, &rows, &err));
    write_file("wrong.ini", "[ragstore]\nurl memory\n");
    FAILS(RAG_E_INVALID, "wrong.ini line 2",
          rag_config_explain("config:wrong.ini", NULL, &rows, &err));
    FAILS(RAG_E_NOT_FOUND, "none.ini", rag_config_explain("config:none.ini", NULL, &rows, &err));
    FAILS(RAG_E_INVALID, "file", rag_config_explain("config:", NULL, &rows, &err));
}

static void stores_have_names(void **state)
{
    (void)state;
    rag_error err;
    rag_result *rows = NULL;
    FAILS(RAG_E_NOT_FOUND, "'mine'", rag_config_explain("@mine", NULL, &rows, &err));
    write_file("stores.ini", "mine = memory:?workspace=one\n[stores]\nyours = memory:\n"
                             "loop = @loop\n");
    (void)setenv("RAGSTORE_STORES", "stores.ini", 1);
    expect("@mine", NULL, "workspace", "\"one\"", "url");
    expect("@yours", NULL, "backend", "\"memory\"", "url");
    expect("@mine?workspace=two", NULL, "workspace", "\"two\"", "url");
    FAILS(RAG_E_INVALID, "another name", rag_config_explain("@loop", NULL, &rows, &err));
    FAILS(RAG_E_NOT_FOUND, "'theirs' in stores.ini",
          rag_config_explain("@theirs", NULL, &rows, &err));
    (void)unsetenv("RAGSTORE_STORES");
    char here[4000];
    assert_non_null(getcwd(here, sizeof here));
    assert_true(mkdir("conf", 0700) == 0 || access("conf", X_OK) == 0);
    assert_true(mkdir("conf/ragstore", 0700) == 0 || access("conf/ragstore", X_OK) == 0);
    write_file("conf/ragstore/stores.ini", "mine = memory:?workspace=xdg\n");
    char conf[4100];
    (void)snprintf(conf, sizeof conf, "%s/conf", here);
    (void)setenv("XDG_CONFIG_HOME", conf, 1);
    expect("@mine", NULL, "workspace", "\"xdg\"", "url");
}

static void options_are_checked(void **state)
{
    (void)state;
    rag_error err;
    rag_result *rows = NULL;
    rag_open_options zero;
    memset(&zero, 0, sizeof zero);
    FAILS(RAG_E_INVALID, "rag_open_options", rag_config_explain("memory:", &zero, &rows, &err));
    FAILS(RAG_E_INVALID, "NULL", rag_config_explain("memory:", NULL, NULL, &err));
    rag_open_options options = RAG_OPEN_OPTIONS_INIT;
    options.config_file = "none.ini"; /* named, so it must be there */
    FAILS(RAG_E_NOT_FOUND, "none.ini", rag_config_explain("memory:", &options, &rows, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_stronger_place_wins, clean),
        cmocka_unit_test_setup(options_of_backends_have_places, clean),
        cmocka_unit_test_setup(no_message_and_no_answer_has_a_secret, clean),
        cmocka_unit_test_setup(unknown_schemes_are_named, clean),
        cmocka_unit_test_setup(workspaces_stay_inside, clean),
        cmocka_unit_test_setup(without_a_url_the_other_places_say, clean),
        cmocka_unit_test_setup(mixes_come_from_a_file, clean),
        cmocka_unit_test_setup(stores_have_names, clean),
        cmocka_unit_test_setup(options_are_checked, clean),
    };
    return cmocka_run_group_tests(tests, add_backends, NULL);
}
