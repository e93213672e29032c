/* What values and keys may be: JSON kept as it came, all of Unicode, sizes, hostile keys. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance.h"

#define NS "values"

static void expect_refused(struct env *e, rag_slice value)
{
    const rag_kv_item item = { .key = T("bad"), .value = value };
    const rag_status status = rag_kv_put_many(e->store, NULL, NS, &item, 1, NULL, &e->err);
    CHECK(status == RAG_E_INVALID, "accepted as a value: '%.*s' (%s)", SHOW(value),
          rag_status_text(status));
    CHECK(kv_count(e, NS) == 0, "a refused value was stored");
}

static void kv_15_values_come_back_as_they_were_given(struct env *e)
{
    static const char *const values[] = {
        "{}",
        " { \"a\" : [ 1 , 2 ] ,\n\t\"b\" : { } } ",
        "{\"a\":[[],{},[{\"b\":null}],true,false,null,\"\",0]}",
        "{\"1.0\":1.0,\"1e5\":1e5,\"E\":1E+05,\"big\":9007199254740993,\"-0\":-0.0,\"z\":-0}",
        "{\"i\":9223372036854775807,\"j\":-9223372036854775808,\"u\":18446744073709551615}",
        "{\"huge\":123456789012345678901234567890.12345678901234567890e-300}",
        "{\"f\":0.1,\"g\":0.10,\"h\":2.2250738585072014e-308,\"i\":1.7976931348623157e308}",
        "{\"\":1,\" \":2,\"a.b\":3,\"$x\":4,\"__proto__\":5}",
        "{\"e\":\"\\u0000\\u0001\\u001f\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\"}",
        "{\"raw\":\"\xc3\xa9\xe6\x9d\xb1\xf0\x9f\x98\x80\x7f\xef\xbf\xbf\"}",
        "{\"sql\":\"'; DROP TABLE kv; --\",\"q\":\"`$AGE$1$$ %s {} <SEP>\"}",
        "{\"return\":\"x\",\"cache_type\":\"extract\",\"chunk_id\":null,\"queryparam\":{\"m\":[]}}",
    };
    enum { N = sizeof values / sizeof values[0] };
    for (size_t i = 0; i < N; i++)
        kv_put(e, NS, T(format_text("%zu", i)), values[i]);
    for (size_t i = 0; i < N; i++)
        row_is(row_of(kv_get(e, NS, T(format_text("%zu", i))), 0), values[i]);
}

/* All scalar values above the controls but quote and backslash, 4.4 MB of UTF-8. */
static char *all_of_unicode(void)
{
    char *text = malloc(4600000), *to = text;
    memcpy(to, "{\"all\":\"", 8);
    to += 8;
    for (unsigned c = 0x20; c <= 0x10ffff; c++) {
        if (c == '"' || c == '\\' || (c >= 0xd800 && c <= 0xdfff))
            continue;
        if (c < 0x80) {
            *to++ = (char)c;
        } else if (c < 0x800) {
            *to++ = (char)(0xc0 | c >> 6);
            *to++ = (char)(0x80 | (c & 0x3f));
        } else if (c < 0x10000) {
            *to++ = (char)(0xe0 | c >> 12);
            *to++ = (char)(0x80 | (c >> 6 & 0x3f));
            *to++ = (char)(0x80 | (c & 0x3f));
        } else {
            *to++ = (char)(0xf0 | c >> 18);
            *to++ = (char)(0x80 | (c >> 12 & 0x3f));
            *to++ = (char)(0x80 | (c >> 6 & 0x3f));
            *to++ = (char)(0x80 | (c & 0x3f));
        }
    }
    memcpy(to, "\"}", 3);
    return text;
}

static void kv_15_all_of_unicode_is_kept(struct env *e)
{
    char *text = all_of_unicode();
    kv_put(e, NS, T("all"), text);
    const rag_row *row = row_of(kv_get(e, NS, T("all")), 0);
    const int equal = same(row->value, T(text));
    free(text);
    CHECK(equal, "4.4 MB of all characters came back otherwise");
}

static void kv_15_what_is_not_unicode_is_refused(struct env *e)
{
    expect_refused(e, T("{\"a\":\"\\ud800\"}")); /* lone surrogates */
    expect_refused(e, T("{\"a\":\"\\udc00\"}"));
    expect_refused(e, T("{\"a\":\"\\ud800\\u0041\"}"));
    expect_refused(e, T("{\"a\":\"\\udc00\\ud800\"}"));
    expect_refused(e, T("{\"\\ud800\":1}"));
    expect_refused(e, T("{\"a\":\"\xed\xa0\x80\"}"));     /* a surrogate in UTF-8 */
    expect_refused(e, T("{\"a\":\"\xc0\x80\"}"));         /* overlong */
    expect_refused(e, T("{\"a\":\"\xf4\x90\x80\x80\"}")); /* above U+10FFFF */
    expect_refused(e, T("{\"a\":\"\xff\"}"));
    expect_refused(e, T("{\"a\":\"\xc3\"}"));
    expect_refused(e, T("{\"a\":\"\n\"}")); /* a control character that is not escaped */
    expect_refused(e, B("{\"a\":\"\0\"}"));
}

static void kv_15_what_is_not_an_object_is_refused(struct env *e)
{
    static const char *const bad[] = {
        "",
        " ",
        "[]",
        "[{}]",
        "1",
        "\"x\"",
        "null",
        "true",
        "{",
        "}",
        "{}{}",
        "{}x",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{'a':1}",
        "{\"a\":01}",
        "{\"a\":1.}",
        "{\"a\":.5}",
        "{\"a\":+1}",
        "{\"a\":NaN}",
        "{\"a\":Infinity}",
        "{\"a\":0x10}",
        "{\"a\":tru}",
        "{\"a\":1}/**/",
        "{\"a\":\"\\x41\"}",
        "{\"a\":\"\\u12\"}",
        "\xef\xbb\xbf[]",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect_refused(e, T(bad[i]));
    expect_refused(e, B("{}\0"));
}

/* An object that holds arrays, `depth` containers deep in all. */
static char *nested(size_t depth)
{
    char *text = malloc(2 * depth + 16), *to = text;
    memcpy(to, "{\"a\":", 5);
    to += 5;
    memset(to, '[', depth - 1);
    memset(to + depth - 1, ']', depth - 1);
    memcpy(to + 2 * (depth - 1), "}", 2);
    return text;
}

static void kv_15_nesting_has_a_limit_of_512(struct env *e)
{
    char *text = nested(513);
    expect_refused(e, T(text));
    free(text);
    text = nested(200000);
    expect_refused(e, T(text));
    free(text);
    text = nested(512);
    kv_put(e, NS, T("deep"), text);
    row_is(row_of(kv_get(e, NS, T("deep")), 0), text);
    free(text);
}

static void kv_15_values_of_all_sizes_are_kept(struct env *e)
{
    static const size_t sizes[] = { 1,     100,   1000,  3900,  4000,  4096,   8000,    8192,
                                    16300, 16384, 32768, 65535, 65536, 100000, 1000000, 10000000 };
    enum { N = sizeof sizes / sizeof sizes[0] };
    struct random r = random_of(e);
    char *texts[N];
    for (size_t i = 0; i < N; i++) {
        texts[i] = malloc(sizes[i] + 10);
        memcpy(texts[i], "{\"v\":\"", 6);
        for (size_t j = 0; j < sizes[i]; j++) /* hard to compress */
            texts[i][6 + j] = (char)('#' + random_below(&r, 57));
        memcpy(texts[i] + 6 + sizes[i], "\"}", 3);
        kv_put(e, NS, T(format_text("%zu", sizes[i])), texts[i]);
    }
    for (size_t i = 0; i < N; i++) {
        const rag_row *row = row_of(kv_get(e, NS, T(format_text("%zu", sizes[i]))), 0);
        const int equal = same(row->value, T(texts[i]));
        free(texts[i]);
        CHECK(equal, "a value of %zu bytes came back otherwise", sizes[i]);
    }
}

static void kv_15_sizes_may_change_at_every_put(struct env *e)
{
    struct random r = random_of(e);
    for (int i = 0; i < 60; i++) {
        const size_t len = 1 + random_below(&r, i % 3 ? 300 : 40000);
        char *text = malloc(len + 10);
        memcpy(text, "{\"v\":\"", 6);
        memset(text + 6, 'a' + i % 26, len);
        memcpy(text + 6 + len, "\"}", 3);
        kv_put(e, NS, T("k"), text);
        const int equal = same(row_of(kv_get(e, NS, T("k")), 0)->value, T(text));
        free(text);
        CHECK(equal, "the value of %zu bytes came back otherwise", len);
    }
    CHECK(kv_count(e, NS) == 1, "not 1 row");
}

/* ---- keys -------------------------------------------------------------------------------------------- */

static void put_all_then_get_all(struct env *e, const rag_slice *keys, size_t n)
{
    for (size_t i = 0; i < n; i++)
        kv_put(e, NS, keys[i], format_text("{\"n\":%zu}", i));
    CHECK(kv_count(e, NS) == n, "%llu rows, not %zu: keys were taken for each other",
          (unsigned long long)kv_count(e, NS), n);
    rag_result *rows = NULL;
    OK(rag_kv_get_many(e->store, NULL, NS, keys, n, &rows, &e->err));
    keep(e, rows);
    for (size_t i = 0; i < n; i++) {
        row_is(row_of(rows, i), format_text("{\"n\":%zu}", i));
        CHECK(same(row_of(rows, i)->key, keys[i]), "key %zu came back otherwise", i);
    }
    const rag_row *scanned[64];
    CHECK(scan_all(e, scan_kv, NS, 3, scanned, 64) == n, "a scan does not see %zu rows", n);
    for (size_t i = 1; i < n; i++)
        CHECK(compare(scanned[i - 1]->key, scanned[i]->key) < 0, "row %zu is out of order", i);
    for (size_t i = 0; i < n; i += 2)
        OK(rag_kv_delete_many(e->store, NULL, NS, &keys[i], 1, NULL, NULL, &e->err));
    CHECK(kv_count(e, NS) == n / 2, "a delete took more or less than its key");
}

static void kv_17_hostile_keys(struct env *e)
{
    const rag_slice keys[] = {
        T("a"),
        T("A"),
        T("a "),
        T(" a"),
        T("a:b"),
        T("a<SEP>b"),
        T("a/b"),
        T("../a"),
        T("a\\b"),
        T("'"),
        T("''"),
        T("\""),
        T("`"),
        T("$"),
        T("$1"),
        T("$$"),
        T("%"),
        T("_"),
        T("a%"),
        T("*"),
        T("a*"),
        T("?"),
        T("[a]"),
        T("{a}"),
        T("\n"),
        T("a\r\nb"),
        T("\t"),
        T("\x01"),
        T("'; DROP TABLE kv; --"),
        T("default:extract:0123"),
        T("null"),
        T("0"),
        T("00"),
        T("\xc3\xa9"),
        T("e\xcc\x81"),
        T("\xe6\x9d\xb1\xe4\xba\xac"),
        T("\xf0\x9f\x98\x80"),
        T("\xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9"),
        T("\xe2\x80\xae"),
        T("\xef\xbb\xbf"),
    };
    put_all_then_get_all(e, keys, sizeof keys / sizeof keys[0]);
}

static void kv_17_keys_that_are_not_text(struct env *e)
{
    const rag_slice keys[] = {
        B("\0"),   B("\0\0"),  B("a"),        B("a\0"),  B("a\0b"),
        B("a\0c"), B("a\xff"), B("\xff\xfe"), B("\x80"), B("\0a"),
    };
    put_all_then_get_all(e, keys, sizeof keys / sizeof keys[0]);
}

static void kv_17_long_keys(struct env *e)
{
    static const size_t lengths[] = { 255, 256, 500, 1000, 2700, 8191, 65536 };
    enum { N = sizeof lengths / sizeof lengths[0] };
    const size_t longest = e->backend->quirks.key_bytes_max;
    rag_slice keys[2 * N];
    size_t n = 0;
    for (size_t i = 0; i < N && lengths[i] <= longest; i++)
        for (int last = 'x'; last <= 'y'; last++) { /* two that differ in the last byte */
            char *key = malloc(lengths[i]);
            memset(key, 'k', lengths[i]);
            key[lengths[i] - 1] = (char)last;
            keys[n++] = (rag_slice){ key, lengths[i] };
        }
    put_all_then_get_all(e, keys, n);
    for (size_t i = 0; i < n; i++)
        free((void *)(uintptr_t)keys[i].data);
}

const struct conformance_case kv_value_cases[] = {
    CASE(kv, 15_values_come_back_as_they_were_given),
    CASE(kv, 15_all_of_unicode_is_kept),
    CASE(kv, 15_what_is_not_unicode_is_refused),
    CASE(kv, 15_what_is_not_an_object_is_refused),
    CASE(kv, 15_nesting_has_a_limit_of_512),
    CASE(kv, 15_values_of_all_sizes_are_kept),
    CASE(kv, 15_sizes_may_change_at_every_put),
    CASE(kv, 17_hostile_keys),
    CASE_NEEDS(kv, 17_keys_that_are_not_text, NEEDS_NUL),
    CASE(kv, 17_long_keys),
    CASES_END,
};
