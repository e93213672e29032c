/* core: json.c and json_object.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/alloc.h"
#include "core/buffer.h"
#include "core/json.h"
#include "core/json_object.h"
#include "core/limits.h"
#include "core/slice.h"

/* Depth 1 is the object itself. */
static char *nested(int depth)
{
    const size_t inner = (size_t)depth - 1;
    char *text = malloc(inner * 2 + 16);
    assert_non_null(text);
    memcpy(text, "{\"a\":", 5);
    memset(text + 5, '[', inner);
    memset(text + 5 + inner, ']', inner);
    memcpy(text + 5 + 2 * inner, "}", 2);
    return text;
}

static void objects_are_accepted_and_others_not(void **state)
{
    (void)state;
    static const char *const good[] = {
        "{}",
        " \t\n\r{ } ",
        "{\"a\":1e400}",
        "{\"a\":-0}",
        "{\"a\":123456789012345678901234567890}",
        "{\"a\":\"\\u0000\"}",
        "{\"a\":\"\\ud83d\\ude00\"}",
        "{\"a\":1,\"a\":2}",
        "{\"\":null,\"b\":[true,false,{}]}",
    };
    static const char *const bad[] = {
        "",
        " ",
        "[]",
        "1",
        "null",
        "\"x\"",
        "{",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{'a':1}",
        "{\"a\":01}",
        "{\"a\":+1}",
        "{\"a\":.5}",
        "{\"a\":1.}",
        "{\"a\":NaN}",
        "{} {}",
        "{}x",
        "{\"a\":\"\x01\"}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\\udc00\"}",
        "{\"a\":\"\\ud800\\ud800\"}",
        "{\"a\":\"\xff\"}",
        "{\"a\":\"\xed\xa0\x80\"}",
        "{\"a\":\"\\x41\"}",
        "{\"a\":Infinity}",
        "\xef\xbb\xbf{}",
        "{\"a\":1 /* c */}",
    };
    rag_error err;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (json_check_object(rag_text(good[i]), "value", rag_text("k"), &err) != RAG_OK)
            fail_msg("%s: %s", good[i], err.message);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (json_check_object(rag_text(bad[i]), "value of key", rag_text("k1"), &err) !=
            RAG_E_INVALID)
            fail_msg("'%s' is accepted", bad[i]);
        assert_non_null(strstr(err.message, "value of key 'k1' at byte "));
    }
}

static void depth_is_limited(void **state)
{
    (void)state;
    rag_error err;
    char *text = nested(LIMIT_JSON_DEPTH);
    assert_int_equal(json_check_object(rag_text(text), "v", rag_text("k"), &err), RAG_OK);
    free(text);
    text = nested(LIMIT_JSON_DEPTH + 1);
    assert_int_equal(json_check_object(rag_text(text), "v", rag_text("k"), &err), RAG_E_INVALID);
    assert_non_null(strstr(err.message, "deep"));
    free(text);
    text = nested(1000000); /* nothing recurses */
    assert_int_equal(json_check_object(rag_text(text), "v", rag_text("k"), &err), RAG_E_INVALID);
    free(text);
    /* brackets inside of strings do not count, and closing ones give room again */
    struct buffer wide = BUFFER_INIT(20000);
    assert_int_equal(buffer_append_text(&wide, "{\"a\":[", NULL), RAG_OK);
    for (int i = 0; i < 600; i++)
        assert_int_equal(buffer_append_text(&wide, "[\"[[{\\\"[\"],", NULL), RAG_OK);
    assert_int_equal(buffer_append_text(&wide, "[]]}", NULL), RAG_OK);
    assert_int_equal(json_check_object(buffer_slice(&wide), "v", rag_text("k"), &err), RAG_OK);
    buffer_free(&wide);
}

static void merging_keeps_order_and_spelling(void **state)
{
    (void)state;
    static const struct {
        const char *old, *news, *out;
    } cases[] = {
        { "{}", "{}", "{}" },
        { "{\"a\":1,\"b\":2}", "{}", "{\"a\":1,\"b\":2}" },
        { "{\"a\":1,\"b\":2}", "{\"b\":3.10,\"c\":\"x\"}", "{\"a\":1,\"b\":3.10,\"c\":\"x\"}" },
        { "{\"a\":1.50}", "{\"z\":1e2}", "{\"a\":1.50,\"z\":1e2}" },
        { "{\"a\":\"\\u0041\"}", "{\"a\":true}", "{\"a\":true}" },
        { "{}", "{\"a\":1,\"a\":2}", "{\"a\":2}" },
        { "{\"n\":123456789012345678901234567890}", "{\"m\":-0}",
          "{\"n\":123456789012345678901234567890,\"m\":-0}" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *out = NULL;
        size_t len = 0;
        rag_error err;
        assert_int_equal(
            json_merge(rag_text(cases[i].old), rag_text(cases[i].news), &out, &len, &err), RAG_OK);
        assert_string_equal(out, cases[i].out);
        assert_int_equal(len, strlen(out));
        rag_free(out);
    }
    char *untouched = NULL;
    size_t len = 0;
    rag_error err;
    assert_int_equal(json_merge(rag_text("[]"), rag_text("{}"), &untouched, &len, &err),
                     RAG_E_CORRUPT);
    assert_int_equal(json_merge(rag_text("{}"), rag_text("1"), &untouched, &len, &err),
                     RAG_E_INVALID);
    assert_null(untouched);
}

static void merging_survives_every_failed_allocation(void **state)
{
    (void)state;
    int failures = 0;
    for (long n = 1;; n++) {
        char *out = NULL;
        size_t len = 0;
        rag_error err = RAG_ERROR_INIT;
        rag_alloc_fail_at(n, 0);
        const rag_status status = json_merge(rag_text("{\"a\":1,\"b\":[1,2]}"),
                                             rag_text("{\"b\":\"x\",\"c\":{}}"), &out, &len, &err);
        rag_alloc_fail_at(0, 0);
        if (status == RAG_OK) {
            assert_string_equal(out, "{\"a\":1,\"b\":\"x\",\"c\":{}}");
            rag_free(out);
            break;
        }
        assert_int_equal(status, RAG_E_NO_MEMORY);
        assert_null(out);
        failures++;
    }
    assert_true(failures > 3);
}

static void strings_are_found_and_decoded(void **state)
{
    (void)state;
    const rag_slice json = rag_text("{\"a\":1,\"t\":\"x\\u0000\\n\\u00e9\",\"e\":\"\"}");
    char *out = NULL;
    size_t len = 0;
    assert_int_equal(json_string(json, "t", &out, &len, NULL), RAG_OK);
    assert_int_equal(len, 5);
    assert_memory_equal(out, "x\0\n\xc3\xa9", 6);
    rag_free(out);
    assert_int_equal(json_string(json, "e", &out, &len, NULL), RAG_OK);
    assert_non_null(out);
    assert_int_equal(len, 0);
    rag_free(out);
    assert_int_equal(json_string(json, "a", &out, &len, NULL), RAG_OK);
    assert_null(out);
    assert_int_equal(json_string(json, "none", &out, &len, NULL), RAG_OK);
    assert_null(out);
    assert_int_equal(json_string(rag_text("[1]"), "a", &out, &len, NULL), RAG_E_CORRUPT);
}

static void members_are_walked(void **state)
{
    (void)state;
    struct json_object o;
    struct json_member m;
    const char *text = "{\"s\":\"\\u00e9\",\"n\":-1.50e3,\"t\":true,\"f\":false,\"z\":null,"
                       "\"l\":[{\"x\":[1]},2],\"o\":{\"yes\":true,\"no\":1},\"s\":\"again\"}";
    static const enum json_type types[] = { JSON_STRING, JSON_NUMBER, JSON_BOOL,   JSON_BOOL,
                                            JSON_NULL,   JSON_ARRAY,  JSON_OBJECT, JSON_STRING };
    assert_int_equal(json_object_parse(rag_text(text), "v", rag_text("k"), &o, NULL), RAG_OK);
    assert_int_equal(o.count, 8);
    struct json_cursor cursor = json_members(&o);
    for (size_t i = 0; i < 8; i++) {
        assert_true(json_next(&cursor, &m));
        assert_int_equal(m.type, types[i]);
        if (i == 0)
            assert_true(slice_is(m.name, "s") && slice_is(m.text, "\xc3\xa9"));
        if (i == 1)
            assert_true(slice_is(m.text, "-1.50e3"));
        if (i == 2 || i == 3)
            assert_int_equal(m.truth, i == 2);
        assert_int_equal(json_nested_truth(&m, "yes"), i == 6);
        assert_false(json_nested_truth(&m, "no"));
    }
    assert_false(json_next(&cursor, &m));
    json_object_free(&o);
}

static void check_cut(const char *text, const unsigned char *drop, const char *wanted)
{
    struct json_object o;
    struct arena a = { 0 };
    rag_slice out = { NULL, 0 };
    /* exactly sized, so that the address sanitizer sees a step too far */
    const size_t len = strlen(text);
    char *exact = malloc(len);
    memcpy(exact, text, len);
    assert_int_equal(json_object_parse(slice_of(exact, len), "v", rag_text("k"), &o, NULL), RAG_OK);
    assert_int_equal(json_object_without(&o, drop, &a, &out, NULL), RAG_OK);
    assert_string_equal(out.data, wanted);
    assert_int_equal(out.len, strlen(wanted));
    json_object_free(&o);
    arena_free(&a);
    free(exact);
}

static void members_are_cut_out_of_the_text(void **state)
{
    (void)state;
    const char *text = " { \"a\" : [1, {\"b\":\"},]\\\"\"}] , \"b\":2.50,\"\\u0063\":\"x,y\" } ";
    check_cut(text, (const unsigned char *)"\0\0\0",
              "{\"a\" : [1, {\"b\":\"},]\\\"\"}],\"b\":2.50,\"\\u0063\":\"x,y\"}");
    check_cut(text, (const unsigned char *)"\1\0\0", "{\"b\":2.50,\"\\u0063\":\"x,y\"}");
    check_cut(text, (const unsigned char *)"\0\1\0",
              "{\"a\" : [1, {\"b\":\"},]\\\"\"}],\"\\u0063\":\"x,y\"}");
    check_cut(text, (const unsigned char *)"\0\1\1", "{\"a\" : [1, {\"b\":\"},]\\\"\"}]}");
    check_cut(text, (const unsigned char *)"\1\1\1", "{}");
    check_cut("{}", (const unsigned char *)"", "{}");
    check_cut("{\"a\":\"\\\\\"}", (const unsigned char *)"\0", "{\"a\":\"\\\\\"}");
    const char *escapes =
        "{\"\\\"k\":\"\\\\\\\"\",\"b\":\"\\\"\\\"\"}"; /* {"\"k":"\\\"","b":"\"\""} */
    check_cut(escapes, (const unsigned char *)"\0\1", "{\"\\\"k\":\"\\\\\\\"\"}");
    check_cut(escapes, (const unsigned char *)"\1\0", "{\"b\":\"\\\"\\\"\"}");
}

static void check_added(const char *text, const char *wanted)
{
    struct arena a = { 0 };
    rag_slice out;
    assert_int_equal(json_add_member(rag_text(text), "\"m\":[]", &a, &out, NULL), RAG_OK);
    assert_string_equal(out.data, wanted);
    arena_free(&a);
}

static void members_are_added(void **state)
{
    (void)state;
    check_added("{}", "{\"m\":[]}");
    check_added(" { } ", " {\"m\":[]}");
    check_added("{\"a\":1}", "{\"a\":1,\"m\":[]}");
    check_added("{\"a\":1 \n} \n", "{\"a\":1,\"m\":[]}");
    check_added("{\"a\":{}}", "{\"a\":{},\"m\":[]}");
    check_added("{\"a\":\"{\"}", "{\"a\":\"{\",\"m\":[]}");
}

static void numbers_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int ok;
        int64_t value;
    } integers[] = {
        { "0", 1, 0 },
        { "-0", 1, 0 },
        { "9223372036854775807", 1, INT64_MAX },
        { "-9223372036854775808", 1, INT64_MIN },
        { "9223372036854775808", 0, 0 },
        { "-9223372036854775809", 0, 0 },
        { "18446744073709551616", 0, 0 },
        { "99999999999999999999999999", 0, 0 },
        { "1.0", 0, 0 },
        { "1e3", 0, 0 },
        { "", 0, 0 },
        { "-", 0, 0 },
    };
    for (size_t i = 0; i < sizeof integers / sizeof *integers; i++) {
        int64_t value = 0;
        assert_int_equal(json_integer(rag_text(integers[i].text), &value), integers[i].ok);
        assert_true(value == integers[i].value);
    }
    assert_true(json_finite(rag_text("1.7976931348623157e308")));
    assert_true(json_finite(rag_text("1.5")));
    assert_true(json_finite(rag_text("1e-400")));
    assert_false(json_finite(rag_text("1e309")));
    assert_false(json_finite(rag_text("-1.0E400")));
    char digits[420];
    memset(digits, '9', sizeof digits);
    assert_true(json_finite(slice_of(digits, 299)));
    assert_false(json_finite(slice_of(digits, 400)));
}

struct members {
    const char *const *wanted; /* name, text, string or NULL; three for each */
    size_t count;
};

static rag_status see_member(void *user, rag_slice name, rag_slice text, rag_slice string,
                             rag_error *err)
{
    struct members *m = user;
    const char *const *wanted = m->wanted + 3 * m->count++;
    (void)err;
    if (!wanted[0])
        return RAG_E_CONFLICT; /* ends the walk */
    assert_true(slice_equal(name, rag_text(wanted[0])));
    assert_true(slice_equal(text, rag_text(wanted[1])));
    assert_int_equal(string.data != NULL, wanted[2] != NULL);
    if (wanted[2])
        assert_true(slice_equal(string, rag_text(wanted[2])));
    return RAG_OK;
}

static void members_are_visited_as_they_are_spelled(void **state)
{
    (void)state;
    static const char *const wanted[] = {
        "a", "1.50", NULL, "b\"", "\"x\\u0041:}\"", "xA:}", "c", "{ \"d\" : [1 , 2] }", NULL,
        "",  "\"\"", "",   "a",   "null",           NULL,   NULL
    };
    rag_error err = RAG_ERROR_INIT;
    struct members m = { wanted, 0 };
    const rag_slice object = rag_text(
        " {\"a\" :1.50 , \"b\\\"\":\"x\\u0041:}\",\n\"c\": { \"d\" : [1 , 2] } ,\"\":\"\",\"a\":null }");
    assert_int_equal(json_visit_members(object, see_member, &m, &err), RAG_OK);
    assert_int_equal(m.count, 5);
    m.count = 0;
    assert_int_equal(json_visit_members(rag_text("{ }"), see_member, &m, &err), RAG_OK);
    assert_int_equal(m.count, 0);
    m.count = 5;
    assert_int_equal(json_visit_members(object, see_member, &m, &err), RAG_E_CONFLICT);
    assert_int_equal(m.count, 6);
    assert_int_equal(json_visit_members(rag_text("{"), see_member, &m, &err), RAG_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_are_accepted_and_others_not),
        cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(merging_keeps_order_and_spelling),
        cmocka_unit_test(merging_survives_every_failed_allocation),
        cmocka_unit_test(strings_are_found_and_decoded),
        cmocka_unit_test(members_are_walked),
        cmocka_unit_test(members_are_cut_out_of_the_text),
        cmocka_unit_test(members_are_added),
        cmocka_unit_test(numbers_are_told_apart),
        cmocka_unit_test(members_are_visited_as_they_are_spelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
