/* config: ini files, as Python's configparser reads them. */
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

#include "config/ini.h"
#include "core/alloc.h"
#include "core/limits.h"

static void parse(const char *text, struct ini *ini)
{
    rag_error err = RAG_ERROR_INIT;
    if (ini_parse(text, strlen(text), "test.ini", 0, ini, &err) != RAG_OK)
        fail_msg("%s", err.message);
}

static void expect(const struct ini *ini, const char *section, const char *key, const char *value)
{
    const char *got = ini_get(ini, section, key);
    if (!got || !value) {
        if (got != value)
            fail_msg("[%s] %s is '%s'", section, key, got ? got : "absent");
        return;
    }
    assert_string_equal(got, value);
}

static void files_of_lightrag_are_read(void **state)
{
    (void)state;
    struct ini ini = { 0 };
    parse("\xef\xbb\xbf# comment\n; another\n\n"
          "[DEFAULT]\nfallback = 1\nhost = default\n"
          "[postgres]\r\n"
          "host = localhost\r\n"
          "Port: 5432\n"
          "password = a=b:c # ; kept\n"
          "empty =\n"
          "  url   =   x y  \n"
          "[neo4j]\n"
          "uri = neo4j+s://xxx:7687\n"
          "list = one\n"
          "   two\n"
          "# between\n"
          "\tthree\n"
          "last = \xe6\x9d\xb1",
          &ini);
    expect(&ini, "postgres", "host", "localhost");
    expect(&ini, "postgres", "port", "5432");
    expect(&ini, "postgres", "PORT", "5432");
    expect(&ini, "postgres", "password", "a=b:c # ; kept");
    /* a deeper indented line goes on with the value before it, as in configparser */
    expect(&ini, "postgres", "empty", "\nurl   =   x y");
    expect(&ini, "postgres", "fallback", "1");
    expect(&ini, "neo4j", "host", "default");
    expect(&ini, "neo4j", "uri", "neo4j+s://xxx:7687");
    expect(&ini, "neo4j", "list", "one\ntwo\nthree");
    expect(&ini, "neo4j", "last", "\xe6\x9d\xb1");
    expect(&ini, "neo4j", "absent", NULL);
    expect(&ini, "Postgres", "port", NULL); /* sections keep their case */
    ini_free(&ini);
    ini_free(&ini);
}

static void mistakes_are_named_with_their_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *part;
    } cases[] = {
        { "key = 1\n", "line 1: a key before" },
        { "[a]\nnonsense\n", "line 2: neither" },
        { "[a]\n\n= 1\n", "line 3: a value without" },
        { "[a\n", "line 1: a section" },
        { "[]\n", "line 1: a section" },
        { "[a]\nx=1\nX=2\n", "line 3: the key is there twice" },
        { "[a]\nx=1\n[b]\ny=1\n[a]\nz=1\n", "line 5: the section is there twice" },
        { "[a]\nx=\xff\n", "not UTF-8 at byte 6" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ini ini = { 0 };
        rag_error err = RAG_ERROR_INIT;
        const size_t len = strlen(cases[i].text);
        char *exact = malloc(len);
        memcpy(exact, cases[i].text, len);
        assert_int_equal(ini_parse(exact, len, "the.ini", 0, &ini, &err), RAG_E_INVALID);
        if (!strstr(err.message, cases[i].part) || !strstr(err.message, "the.ini"))
            fail_msg("'%s' lacks '%s'", err.message, cases[i].part);
        free(exact);
        ini_free(&ini);
    }
    struct ini ini = { 0 };
    rag_error err = RAG_ERROR_INIT;
    assert_int_equal(ini_parse("[a]\0x=1", 8, "the.ini", 0, &ini, &err), RAG_E_INVALID);
    assert_non_null(strstr(err.message, "NUL"));
    ini_free(&ini);
}

static void files_have_limits(void **state)
{
    (void)state;
    struct ini ini = { 0 };
    rag_error err = RAG_ERROR_INIT;
    assert_int_equal(ini_read("none.ini", 0, &ini, &err), RAG_E_NOT_FOUND);
    assert_non_null(strstr(err.message, "none.ini"));
    assert_int_equal(ini_read("none.ini", INI_OPTIONAL, &ini, &err), RAG_OK);
    expect(&ini, "a", "b", NULL);
    ini_free(&ini);
    FILE *f = fopen("large.ini", "w");
    assert_non_null(f);
    for (size_t i = 0; i <= LIMIT_INI_BYTES; i += 2)
        (void)fputs("#\n", f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(ini_read("large.ini", 0, &ini, &err), RAG_E_INVALID);
    assert_non_null(strstr(err.message, "larger"));
    ini_free(&ini);
    assert_int_equal(ini_read("/dev/zero", 0, &ini, &err), RAG_E_INVALID); /* ends as well */
    ini_free(&ini);
    assert_int_equal(mkdir("dir.ini", 0700), 0);
    assert_int_not_equal(ini_read("dir.ini", INI_OPTIONAL, &ini, &err), RAG_OK);
    ini_free(&ini);
    f = fopen("good.ini", "w");
    assert_non_null(f);
    (void)fputs("name = ./x\n[stores]\nother = ./y\n", f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(ini_read("good.ini", INI_SECTIONLESS, &ini, &err), RAG_OK);
    expect(&ini, "", "name", "./x");
    expect(&ini, "stores", "other", "./y");
    ini_free(&ini);
}

static void lost_allocations_do_no_harm(void **state)
{
    (void)state;
    const char *text = "[a]\nx = 1\n y\nz = 2\n[b]\nw = 3\n";
    int failures = 0;
    for (long n = 1;; n++) {
        struct ini ini = { 0 };
        rag_error err = RAG_ERROR_INIT;
        rag_alloc_fail_at(n, 0);
        const rag_status status = ini_parse(text, strlen(text), "t", 0, &ini, &err);
        rag_alloc_fail_at(0, 0);
        ini_free(&ini);
        if (status == RAG_OK)
            break;
        assert_int_equal(status, RAG_E_NO_MEMORY);
        failures++;
    }
    assert_true(failures >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_of_lightrag_are_read),
        cmocka_unit_test(mistakes_are_named_with_their_line),
        cmocka_unit_test(files_have_limits),
        cmocka_unit_test(lost_allocations_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
