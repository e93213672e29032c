/* The pull tokenizer: events, captures, places in messages, limits; always with the input cut into
 * pieces of several sizes, because that is where a streaming reader goes wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/json.h"
#include "core/json_reader.h"

struct pieces {
    const char *data;
    size_t len, pos, size;
};

static rag_status fill(void *ctx, void *data, size_t size, size_t *got, rag_error *err)
{
    struct pieces *p = ctx;
    (void)err;
    size_t n = p->len - p->pos;
    n = n < p->size ? n : p->size;
    n = n < size ? n : size;
    memcpy(data, p->data + p->pos, n);
    p->pos += n;
    *got = n;
    return RAG_OK;
}

static const size_t piece_sizes[] = { 1, 2, 3, 7, 64, 100000 };
enum { SIZES = sizeof piece_sizes / sizeof piece_sizes[0] };

/* ---- events as text ------------------------------------------------------------------------------ */

static rag_status print_event(struct json_reader *r, enum json_event event, struct buffer *out,
                              rag_error *err)
{
    static const char *const names[] = { "{", "}", "[", "]", "k:", "s:", "n:", "T", "F", "N", "." };
    rag_slice text;
    RAG_TRY(buffer_append_text(out, names[event], err));
    if (event == JSON_EVENT_KEY || event == JSON_EVENT_NUMBER) {
        text = json_reader_text(r);
        RAG_TRY(buffer_append(out, text.data, text.len, err));
    } else if (event == JSON_EVENT_STRING) {
        RAG_TRY(json_reader_string(r, 1 << 20, &text, err));
        RAG_TRY(buffer_append(out, text.data, text.len, err));
    }
    return buffer_append_char(out, ' ', err);
}

static rag_status walk(const char *data, size_t len, size_t size, struct buffer *out,
                       rag_error *err)
{
    struct pieces p = { data, len, 0, size };
    struct json_reader r;
    enum json_event event = JSON_EVENT_NULL;
    rag_status status = json_reader_open(&r, "t.json", fill, &p, err);
    assert_int_equal(status, RAG_OK);
    while (status == RAG_OK && event != JSON_EVENT_END) {
        status = json_reader_next(&r, &event, err);
        if (status == RAG_OK)
            status = print_event(&r, event, out, err);
    }
    json_reader_close(&r);
    return status;
}

/* The first value captured, then the end. */
static rag_status capture(const char *data, size_t len, size_t size, struct buffer *out,
                          uint64_t *replaced, rag_error *err)
{
    struct pieces p = { data, len, 0, size };
    struct json_reader r;
    enum json_event event;
    rag_status status = json_reader_open(&r, "t.json", fill, &p, err);
    assert_int_equal(status, RAG_OK);
    status = json_reader_next(&r, &event, err);
    if (status == RAG_OK)
        status = json_reader_capture(&r, out, err);
    if (status == RAG_OK)
        status = json_reader_next(&r, &event, err);
    if (status == RAG_OK)
        assert_int_equal(event, JSON_EVENT_END);
    if (replaced)
        *replaced = json_reader_replaced(&r);
    json_reader_close(&r);
    return status;
}

static rag_status skip_all(const char *data, size_t len, size_t size, rag_error *err)
{
    return capture(data, len, size, NULL, NULL, err);
}

static void expect_events(const char *input, size_t len, const char *events)
{
    for (size_t i = 0; i < SIZES; i++) {
        struct buffer out = BUFFER_INIT(1 << 20);
        rag_error err = RAG_ERROR_INIT;
        if (walk(input, len, piece_sizes[i], &out, &err) != RAG_OK)
            fail_msg("%s (pieces of %zu): %s", input, piece_sizes[i], err.message);
        assert_string_equal(out.data, events);
        buffer_free(&out);
    }
}

static void expect_capture(const char *input, size_t len, const char *text, uint64_t lone)
{
    for (size_t i = 0; i < SIZES; i++) {
        struct buffer out = BUFFER_INIT(1 << 20);
        rag_error err = RAG_ERROR_INIT;
        uint64_t replaced = 0;
        if (capture(input, len, piece_sizes[i], &out, &replaced, &err) != RAG_OK)
            fail_msg("%s (pieces of %zu): %s", input, piece_sizes[i], err.message);
        assert_string_equal(out.data, text);
        assert_int_equal(replaced, lone);
        assert_int_equal(skip_all(input, len, piece_sizes[i], &err), RAG_OK);
        buffer_free(&out);
    }
}

/* Refused by all three ways of reading, with the same message whatever the pieces. */
static void expect_fault(const char *input, size_t len, const char *message)
{
    for (size_t i = 0; i < SIZES; i++) {
        struct buffer out = BUFFER_INIT(1 << 20);
        rag_error err = RAG_ERROR_INIT;
        assert_int_equal(walk(input, len, piece_sizes[i], &out, &err), RAG_E_CORRUPT);
        assert_string_equal(err.message, message);
        buffer_clear(&out);
        assert_int_equal(capture(input, len, piece_sizes[i], &out, NULL, &err), RAG_E_CORRUPT);
        assert_string_equal(err.message, message);
        assert_int_equal(skip_all(input, len, piece_sizes[i], &err), RAG_E_CORRUPT);
        buffer_free(&out);
    }
}

/* ---- tests --------------------------------------------------------------------------------------- */

static void test_events(void **state)
{
    (void)state;
    static const struct {
        const char *input, *events;
    } cases[] = {
        { "{}", "{ } . " },
        { " [ ] \r\n\t", "[ ] . " },
        { "\"a\"", "s:a . " },
        { "-0.5e+3", "n:-0.5e+3 . " },
        { "0", "n:0 . " },
        { "[true,false,null]", "[ T F N ] . " },
        { "{\"a\":{\"b\":[1,2.50,{}]},\"c\":\"d\"}",
          "{ k:a { k:b [ n:1 n:2.50 { } ] } k:c s:d } . " },
        { "{ \"a\" : [ ] , \"\" : \"\" }", "{ k:a [ ] k: s: } . " },
        { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u4e2d\"",
          "s:\"\\/\b\f\n\r\tA\xc3\xa9\xe4\xb8\xad . " },
        { "\"\\ud83d\\ude00 \xf0\x9f\x98\x80\"", "s:\xf0\x9f\x98\x80 \xf0\x9f\x98\x80 . " },
        { "\"\xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80x\"",
          "s:\xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80x . " },
        { "\xef\xbb\xbf{\"k\":1}", "{ k:k n:1 } . " },
        { "[123456789012345678901234567890, 1E400]",
          "[ n:123456789012345678901234567890 n:1E400 ] . " },
        { "\"\\ud800\"", "s:\xef\xbf\xbd . " },
        { "\"\\udc00\\ud800x\\ud800\\ud83d\\ude00\"",
          "s:\xef\xbf\xbd\xef\xbf\xbdx\xef\xbf\xbd\xf0\x9f\x98\x80 . " },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_events(cases[i].input, strlen(cases[i].input), cases[i].events);
    expect_events("\"a\\u0000b\"", 10, "s:a"); /* assert_string_equal stops at the NUL */
}

static void test_captures_keep_the_spelling(void **state)
{
    (void)state;
    static const struct {
        const char *input, *text;
        uint64_t lone;
    } cases[] = {
        { "{\n  \"a\": 1.50,\n  \"b\" : [ 1E5 , -0 ],\n  \"c\": { }\n}",
          "{\"a\":1.50,\"b\":[1E5,-0],\"c\":{}}", 0 },
        { "[ \"a b\\n\\u00e9\\/\" , true , false , null ]",
          "[\"a b\\n\\u00e9\\/\",true,false,null]", 0 },
        { "{\"\\u0061\\\"\":\" x \"}", "{\"\\u0061\\\"\":\" x \"}", 0 },
        { "[\"\\ud83d\\ude00\", \"\\ud83d\", \"\\ude00\\ud83d\"]",
          "[\"\\ud83d\\ude00\",\"\xef\xbf\xbd\",\"\xef\xbf\xbd\xef\xbf\xbd\"]", 3 },
        { "{\"\\udfff\":0}", "{\"\xef\xbf\xbd\":0}", 1 },
        { "12", "12", 0 },
        { "\"x\"", "\"x\"", 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_capture(cases[i].input, strlen(cases[i].input), cases[i].text, cases[i].lone);
}

static void test_faults(void **state)
{
    (void)state;
    static const struct {
        const char *input, *message;
    } cases[] = {
        { "", "t.json line 1 byte 0: the file ends where a value should be" },
        { " \n ", "t.json line 2 byte 3: the file ends where a value should be" },
        { "{\"a\":1,}", "t.json line 1 byte 7: found '}' where the name of a member should be" },
        { "[1,]", "t.json line 1 byte 3: found ']' where a value should be" },
        { "[1 2]", "t.json line 1 byte 3: found '2' where ',' or ']' should be" },
        { "{\"a\" 1}", "t.json line 1 byte 5: found '1' where ':' should be" },
        { "{\"a\":1\n,\n 'b':2}",
          "t.json line 3 byte 10: found ''' where the name of a member should be" },
        { "{\"a\":1]", "t.json line 1 byte 6: found ']' where ',' or '}' should be" },
        { "[1}", "t.json line 1 byte 2: found '}' where ',' or ']' should be" },
        { "{} x", "t.json line 1 byte 3: found 'x' where the end of the file should be" },
        { "truth", "t.json line 1 byte 0: found 't' where a value should be" },
        { "true1", "t.json line 1 byte 4: found '1' where the end of the file should be" },
        { "[NaN]", "t.json line 1 byte 1: NaN and Infinity are not numbers of JSON" },
        { "[-Infinity]", "t.json line 1 byte 1: '-' is not a number of JSON" },
        { "01", "t.json line 1 byte 0: '01' is not a number of JSON" },
        { "1.", "t.json line 1 byte 0: '1.' is not a number of JSON" },
        { "[+1]", "t.json line 1 byte 1: found '+' where a value should be" },
        { "[1e]", "t.json line 1 byte 1: '1e' is not a number of JSON" },
        { "[1-2]", "t.json line 1 byte 1: '1-2' is not a number of JSON" },
        { "\"a\nb\"", "t.json line 1 byte 2: byte 0x0a inside a string must be escaped" },
        { "\"a\\x\"", "t.json line 1 byte 2: a backslash is followed by byte 0x78" },
        { "\"a\\u12g4\"", "t.json line 1 byte 2: \\u needs four hexadecimal digits" },
        { "\"a\xff\"", "t.json line 1 byte 2: byte 0xff is not UTF-8" },
        { "\"\xed\xa0\x80\"", "t.json line 1 byte 1: byte 0xed is not UTF-8" },
        { "\"\xc0\x80\"", "t.json line 1 byte 1: byte 0xc0 is not UTF-8" },
        { "\"\xe4\xb8\"", "t.json line 1 byte 1: byte 0xe4 is not UTF-8" },
        { "{\"a\xfe\":1}", "t.json line 1 byte 3: byte 0xfe is not UTF-8" },
        { "/* */ 1", "t.json line 1 byte 0: found '/' where a value should be" },
        { "\xef\xbb\xbf\xef\xbb\xbf{}",
          "t.json line 1 byte 3: found byte 0xef where a value should be" },
        { "\"abc", "t.json line 1 byte 4: the file ends inside a string" },
        { "\"abc\\", "t.json line 1 byte 4: the file ends inside a string" },
        { "\"abc\\u12", "t.json line 1 byte 4: the file ends inside a string" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_fault(cases[i].input, strlen(cases[i].input), cases[i].message);
    expect_fault("[1,\0 2]", 7, "t.json line 1 byte 3: found byte 0x00 where a value should be");
}

/* Whatever byte a file is cut behind, it is said that the file ends, and where. */
static void test_cut_everywhere(void **state)
{
    (void)state;
    static const char whole[] = "{\"k\\u00e9\xc3\xa9\": [true, -1.5e3, \"v\\n\\ud83d\\ude00\"], "
                                "\"m\": {\"n\": null, \"o\": false}, \"p\": \"\xe4\xb8\xad\"}";
    const size_t len = sizeof whole - 1;
    struct buffer out = BUFFER_INIT(1 << 20);
    rag_error err = RAG_ERROR_INIT;
    assert_int_equal(walk(whole, len, 1, &out, &err), RAG_OK);
    for (size_t cut = 0; cut < len; cut++) {
        for (size_t i = 0; i < SIZES; i++) {
            buffer_clear(&out);
            memset(&err, 0, sizeof err);
            assert_int_equal(walk(whole, cut, piece_sizes[i], &out, &err), RAG_E_CORRUPT);
            assert_non_null(strstr(err.message, "t.json line 1 byte "));
            assert_int_equal(skip_all(whole, cut, piece_sizes[i], &err), RAG_E_CORRUPT);
        }
    }
    buffer_free(&out);
}

static char *nested(size_t depth, size_t *len)
{
    char *text = malloc(2 * depth + 1);
    assert_non_null(text);
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    *len = 2 * depth;
    return text;
}

static void test_depth(void **state)
{
    (void)state;
    size_t len;
    char *text = nested(LIMIT_JSON_FILE_DEPTH, &len);
    rag_error err = RAG_ERROR_INIT;
    assert_int_equal(skip_all(text, len, 100000, &err), RAG_OK);
    free(text);
    text = nested(LIMIT_JSON_FILE_DEPTH + 1, &len);
    assert_int_equal(skip_all(text, len, 100000, &err), RAG_E_CORRUPT);
    assert_string_equal(err.message, "t.json line 1 byte 514: nested deeper than 514");
    free(text);
    text = malloc(5000000);
    assert_non_null(text);
    memset(text, '[', 5000000);
    assert_int_equal(skip_all(text, 5000000, 100000, &err), RAG_E_CORRUPT);
    free(text);
}

/* Objects and arrays mixed: the stack of bits must not mix them up. */
static void test_mixed_nesting(void **state)
{
    (void)state;
    struct buffer in = BUFFER_INIT(1 << 20), out = BUFFER_INIT(1 << 20);
    rag_error err = RAG_ERROR_INIT;
    for (unsigned i = 0; i < 300; i++)
        assert_int_equal(buffer_append_text(&in, i % 3 ? "{\"a\":" : "[", &err), RAG_OK);
    assert_int_equal(buffer_append_text(&in, "1", &err), RAG_OK);
    for (unsigned i = 300; i-- > 0;)
        assert_int_equal(buffer_append_text(&in, i % 3 ? "}" : "]", &err), RAG_OK);
    assert_int_equal(capture(in.data, in.len, 7, &out, NULL, &err), RAG_OK);
    assert_string_equal(out.data, in.data);
    in.data[in.len - 9] = in.data[in.len - 9] == ']' ? '}' : ']';
    assert_int_equal(skip_all(in.data, in.len, 7, &err), RAG_E_CORRUPT);
    buffer_free(&in);
    buffer_free(&out);
}

static void test_limits(void **state)
{
    (void)state;
    struct buffer in = BUFFER_INIT(1 << 24);
    struct buffer out = BUFFER_INIT(100);
    rag_error err = RAG_ERROR_INIT;
    assert_int_equal(buffer_append_text(&in, "[\"", &err), RAG_OK);
    for (unsigned i = 0; i < 300; i++)
        assert_int_equal(buffer_append_text(&in, "abcdefghij", &err), RAG_OK);
    assert_int_equal(buffer_append_text(&in, "\"]", &err), RAG_OK);
    assert_int_equal(capture(in.data, in.len, 100000, &out, NULL, &err), RAG_E_INVALID);
    assert_int_equal(out.len, 0);

    struct pieces p = { in.data, in.len, 0, 50 };
    struct json_reader r;
    enum json_event event;
    rag_slice text;
    assert_int_equal(json_reader_open(&r, "t.json", fill, &p, &err), RAG_OK);
    assert_int_equal(json_reader_next(&r, &event, &err), RAG_OK);
    assert_int_equal(json_reader_next(&r, &event, &err), RAG_OK);
    assert_int_equal(event, JSON_EVENT_STRING);
    assert_int_equal(json_reader_string(&r, 2999, &text, &err), RAG_E_INVALID);
    assert_string_equal(err.message, "t.json line 1 byte 1: a string of more than 2999 bytes");
    json_reader_close(&r);
    p.pos = 0;
    assert_int_equal(json_reader_open(&r, "t.json", fill, &p, &err), RAG_OK);
    assert_int_equal(json_reader_next(&r, &event, &err), RAG_OK);
    assert_int_equal(json_reader_next(&r, &event, &err), RAG_OK);
    assert_int_equal(json_reader_string(&r, 3000, &text, &err), RAG_OK);
    assert_int_equal(text.len, 3000);
    json_reader_close(&r);

    buffer_clear(&in);
    for (unsigned i = 0; i <= LIMIT_JSON_NUMBER_BYTES; i++)
        assert_int_equal(buffer_append_char(&in, '1', &err), RAG_OK);
    assert_int_equal(skip_all(in.data, in.len, 1000, &err), RAG_E_CORRUPT);
    assert_int_equal(skip_all(in.data, in.len - 1, 1000, &err), RAG_OK);
    buffer_free(&in);
    buffer_free(&out);
}

/* A string many windows long: in pieces, skipped and whole, with something behind it. */
static void test_large_string(void **state)
{
    (void)state;
    enum { PARTS = 200000 };
    struct buffer in = BUFFER_INIT(1 << 24);
    rag_error err = RAG_ERROR_INIT;
    assert_int_equal(buffer_append_text(&in, "{\"matrix\": \"", &err), RAG_OK);
    for (unsigned i = 0; i < PARTS; i++)
        assert_int_equal(buffer_printf(&in, &err, "%06x\\n\xc3\xa9", i), RAG_OK);
    assert_int_equal(buffer_append_text(&in, "\", \"x\": 1}", &err), RAG_OK);

    struct pieces p = { in.data, in.len, 0, 4099 };
    struct json_reader r;
    enum json_event event;
    rag_slice piece;
    size_t total = 0;
    assert_int_equal(json_reader_open(&r, "t.json", fill, &p, &err), RAG_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(json_reader_next(&r, &event, &err), RAG_OK);
    assert_int_equal(event, JSON_EVENT_STRING);
    assert_int_equal(json_reader_token(&r), 11);
    do {
        assert_int_equal(json_reader_chunk(&r, &piece, &err), RAG_OK);
        total += piece.len;
    } while (piece.len);
    assert_int_equal(total, PARTS * 9);
    assert_int_equal(json_reader_chunk(&r, &piece, &err), RAG_OK);
    assert_int_equal(piece.len, 0);
    assert_int_equal(json_reader_next(&r, &event, &err), RAG_OK);
    assert_int_equal(event, JSON_EVENT_KEY);
    json_reader_close(&r);

    p.pos = 0;
    assert_int_equal(json_reader_open(&r, "t.json", fill, &p, &err), RAG_OK);
    for (int i = 0; i < 4; i++) /* the string is passed over */
        assert_int_equal(json_reader_next(&r, &event, &err), RAG_OK);
    assert_int_equal(event, JSON_EVENT_KEY);
    assert_true(slice_is(json_reader_text(&r), "x"));
    json_reader_close(&r);

    struct buffer out = BUFFER_INIT(1 << 24);
    assert_int_equal(walk(in.data, in.len, 4099, &out, &err), RAG_E_INVALID); /* over 1 MB */
    buffer_free(&out);
    buffer_free(&in);
}

static void test_blank(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int blank;
    } cases[] = {
        { "", 1 }, { " \n\t\r ", 1 }, { "\xef\xbb\xbf \n", 1 }, { " {}", 0 }, { "x", 0 }
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pieces p = { cases[i].text, strlen(cases[i].text), 0, 1 };
        struct json_reader r;
        rag_error err = RAG_ERROR_INIT;
        int blank = -1;
        assert_int_equal(json_reader_open(&r, "t.json", fill, &p, &err), RAG_OK);
        assert_int_equal(json_reader_is_blank(&r, &blank, &err), RAG_OK);
        assert_int_equal(blank, cases[i].blank);
        json_reader_close(&r);
    }
}

static rag_status failing_fill(void *ctx, void *data, size_t size, size_t *got, rag_error *err)
{
    (void)data;
    (void)size;
    (void)got;
    (void)ctx;
    return rag_fail(err, RAG_E_CANCELLED, "cancelled");
}

static void test_error_of_the_source(void **state)
{
    (void)state;
    struct json_reader r;
    enum json_event event;
    rag_error err = RAG_ERROR_INIT;
    assert_int_equal(json_reader_open(&r, "t.json", failing_fill, NULL, &err), RAG_OK);
    assert_int_equal(json_reader_next(&r, &event, &err), RAG_E_CANCELLED);
    assert_string_equal(err.message, "cancelled");
    json_reader_close(&r);
}

/* A real file: what is captured is what yyjson takes, whatever the pieces. */
static void test_real_file(void **state)
{
    (void)state;
    struct buffer in = BUFFER_INIT(1 << 24), out = BUFFER_INIT(1 << 24),
                  again = BUFFER_INIT(1 << 24);
    rag_error err = RAG_ERROR_INIT;
    FILE *file = fopen(RAG_TEST_DATA "/alice/kv_store_llm_response_cache.json", "rb");
    assert_non_null(file);
    char block[65536];
    size_t n;
    while ((n = fread(block, 1, sizeof block, file)) > 0)
        assert_int_equal(buffer_append(&in, block, n, &err), RAG_OK);
    fclose(file);
    assert_int_equal(in.len, 3994892);
    assert_int_equal(capture(in.data, in.len, 100000, &out, NULL, &err), RAG_OK);
    assert_int_equal(json_check_object(buffer_slice(&out), "file", rag_text("cache"), &err),
                     RAG_OK);
    assert_true(out.len < in.len);
    assert_int_equal(capture(in.data, in.len, 7, &again, NULL, &err), RAG_OK);
    assert_true(slice_equal(buffer_slice(&out), buffer_slice(&again)));
    buffer_free(&in);
    buffer_free(&out);
    buffer_free(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events),    cmocka_unit_test(test_captures_keep_the_spelling),
        cmocka_unit_test(test_faults),    cmocka_unit_test(test_cut_everywhere),
        cmocka_unit_test(test_depth),     cmocka_unit_test(test_mixed_nesting),
        cmocka_unit_test(test_limits),    cmocka_unit_test(test_large_string),
        cmocka_unit_test(test_blank),     cmocka_unit_test(test_error_of_the_source),
        cmocka_unit_test(test_real_file),
    };
    return cmocka_run_group_tests_name("json_reader", tests, NULL, NULL);
}
