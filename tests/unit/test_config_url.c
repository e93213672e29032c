/* config: store URLs, and the masking of what must not be shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "config/url.h"

/* "a=1 b=2" for the options found. */
static const char *options_of(const struct url *url, char *text, size_t size)
{
    size_t n = 0;
    text[0] = 0;
    for (size_t i = 0; i < url->option_count; i++) {
        const char *const parts[] = { i ? " " : "", url->options[i].name, "=",
                                      url->options[i].value };
        for (size_t p = 0; p < 4; p++) {
            const size_t len = strlen(parts[p]);
            assert_true(n + len < size);
            memcpy(text + n, parts[p], len + 1);
            n += len;
        }
    }
    return text;
}

static void urls_are_taken_apart(void **state)
{
    (void)state;
    static const struct {
        const char *text, *scheme, *location, *options;
    } cases[] = {
        { "./dir", "embedded", "./dir", "" },
        { "dir", "embedded", "dir", "" },
        { "/abs/a dir", "embedded", "/abs/a dir", "" },
        { "./100%41", "embedded", "./100%41", "" }, /* a path is taken as it is */
        { "./a:b", "embedded", "./a:b", "" },
        { "./dir?workspace=w%20x&page_size=8192", "embedded", "./dir",
          "workspace=w x page_size=8192" },
        { "embedded:./dir", "embedded", "./dir", "" },
        { "embedded:./a%3Fb%25", "embedded", "./a?b%", "" },
        { "embedded:///abs/dir", "embedded", "/abs/dir", "" },
        { "memory:", "memory", "", "" },
        { ":memory:", "memory", "", "" },
        { "memory:?workspace=", "memory", "", "workspace=" },
        { "config:./config.ini", "config", "./config.ini", "" },
        { "@name", "@", "name", "" },
        { "@name?workspace=w", "@", "name", "workspace=w" },
        { "postgres://me:p%40ss@host:5433/db?x=1", "postgres", "postgres://host:5433/db",
          "user=me password=p@ss host=host port=5433 database=db x=1" },
        { "redis://[::1]:6379", "redis", "redis://[::1]:6379", "host=::1 port=6379" },
        { "redis://[::1]", "redis", "redis://[::1]", "host=::1" },
        { "redis://[::1:6379", "redis", "redis://[::1:6379", "host=[::1:6379" },
        { "redis://:secret@h", "redis", "redis://h", "password=secret host=h" },
        { "postgres://a@b@host/", "postgres", "postgres://host/", "user=a@b host=host" },
        { "x:?&&a=1&", "x", "", "a=1" },
        { "x:?a=b=c", "x", "", "a=b=c" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena arena = { 0 };
        struct url url;
        char text[200];
        rag_error err = RAG_ERROR_INIT;
        if (url_parse(cases[i].text, &arena, &url, &err) != RAG_OK)
            fail_msg("%s: %s", cases[i].text, err.message);
        assert_string_equal(url.scheme, cases[i].scheme);
        assert_string_equal(url.location, cases[i].location);
        assert_string_equal(options_of(&url, text, sizeof text), cases[i].options);
        arena_free(&arena);
    }
}

static void mistakes_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *part;
    } cases[] = {
        { "embedded:a%4", "%" },     { "embedded:a%zz", "%" },      { "embedded:a%00", "00" },
        { "embedded:%ff", "UTF-8" }, { "./d?a", "no value" },       { "./d?=1", "no value" },
        { "./d?a=1&a=2", "twice" },  { "./d?%61=1&a=2", "twice" },  { "./\xff", "UTF-8" },
        { "./d?a=%F", "%" },         { "p://u:%zz@h", "password" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena arena = { 0 };
        struct url url;
        rag_error err = RAG_ERROR_INIT;
        assert_int_equal(url_parse(cases[i].text, &arena, &url, &err), RAG_E_INVALID);
        if (!strstr(err.message, cases[i].part))
            fail_msg("%s: '%s' lacks '%s'", cases[i].text, err.message, cases[i].part);
        arena_free(&arena);
    }
    char text[LIMIT_URL_BYTES + 2];
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = 0;
    struct arena arena = { 0 };
    struct url url;
    assert_int_equal(url_parse(text, &arena, &url, NULL), RAG_E_INVALID);
    text[sizeof text - 2] = 0;
    assert_int_equal(url_parse(text, &arena, &url, NULL), RAG_OK);
    size_t n = 2;
    memcpy(text, "x?", 2);
    for (size_t i = 0; i <= LIMIT_URL_OPTIONS; i++) {
        const char option[] = { 'o', (char)('a' + i / 26), (char)('a' + i % 26), '=', '1', '&' };
        memcpy(text + n, option, sizeof option);
        n += sizeof option;
    }
    text[n] = 0;
    rag_error err = RAG_ERROR_INIT;
    assert_int_equal(url_parse(text, &arena, &url, &err), RAG_E_INVALID);
    assert_non_null(strstr(err.message, "options"));
    arena_free(&arena);
}

static void secrets_are_not_shown(void **state)
{
    (void)state;
    static const struct {
        const char *text, *shown;
    } cases[] = {
        { "./dir?workspace=w", "./dir?workspace=w" },
        { "postgres://me:hunter2@host:1/db?sslmode=x", "postgres://me:***@host:1/db?sslmode=x" },
        { "redis://:hunter2@host", "redis://:***@host" },
        { "p://a:hunter2@hunter2@host", "p://a:***@host" },
        { "q:?api_key=hunter2&x=1", "q:?api_key=***&x=1" },
        { "q:?Password=hunter2", "q:?Password=***" },
        { "q:?p%61ssword=hunter2&b=1", "q:?p%61ssword=***&b=1" },
        { "q:?auth_token=hunter2", "q:?auth_token=***" },
        { "q:?%zz=hunter2", "q:?%zz=***" },
        { "", "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena arena = { 0 };
        const char *shown = url_masked(cases[i].text, &arena);
        assert_string_equal(shown, cases[i].shown);
        arena_free(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_are_taken_apart),
        cmocka_unit_test(mistakes_are_refused),
        cmocka_unit_test(secrets_are_not_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
