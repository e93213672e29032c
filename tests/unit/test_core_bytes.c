/* core: buffer, utf8, arena, slice_index, floats. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/alloc.h"
#include "core/arena.h"
#include "core/buffer.h"
#include "core/floats.h"
#include "core/slice_index.h"
#include "core/utf8.h"

/* ---- buffer -------------------------------------------------------------------------------------- */

static void buffer_keeps_its_limit(void **state)
{
    (void)state;
    rag_error err = RAG_ERROR_INIT;
    struct buffer b = BUFFER_INIT(10);
    assert_int_equal(buffer_append(&b, "0123456789", 10, &err), RAG_OK);
    assert_int_equal(buffer_append_char(&b, 'x', &err), RAG_E_NO_MEMORY);
    assert_non_null(strstr(err.message, "10"));
    assert_int_equal(b.len, 10);
    assert_string_equal(b.data, "0123456789");
    assert_int_equal(buffer_append(&b, "x", SIZE_MAX, &err), RAG_E_NO_MEMORY);
    buffer_clear(&b);
    assert_int_equal(buffer_printf(&b, &err, "%s", "eleven bytes"), RAG_E_NO_MEMORY);
    assert_int_equal(b.len, 0);
    buffer_free(&b);
    buffer_free(&b);
}

static void buffer_survives_failed_growth(void **state)
{
    (void)state;
    rag_error err = RAG_ERROR_INIT;
    struct buffer b = BUFFER_INIT(1000);
    assert_int_equal(buffer_append_text(&b, "abc", &err), RAG_OK);
    char more[200];
    memset(more, 'm', sizeof more);
    rag_alloc_fail_at(1, 0);
    assert_int_equal(buffer_append(&b, more, sizeof more, &err), RAG_E_NO_MEMORY);
    rag_alloc_fail_at(0, 0);
    assert_string_equal(b.data, "abc");
    assert_int_equal(buffer_append(&b, more, sizeof more, &err), RAG_OK);
    assert_int_equal(b.len, 203);
    buffer_free(&b);
}

static void json_strings_are_escaped(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        size_t len;
        const char *out;
    } cases[] = {
        { "", 0, "\"\"" },
        { "plain", 5, "\"plain\"" },
        { "a\"b\\c\n\r\t\b\f", 10, "\"a\\\"b\\\\c\\n\\r\\t\\b\\f\"" },
        { "\x01\x00\x1f", 3, "\"\\u0001\\u0000\\u001f\"" },
        { "\xe6\x9d\xb1\xf0\x9f\x98\x80", 7, "\"\xe6\x9d\xb1\xf0\x9f\x98\x80\"" },
        { "a\xff\xed\xa0\x80", 5, "\"a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
        { "\x7f", 1, "\"\x7f\"" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer b = BUFFER_INIT(100);
        assert_int_equal(buffer_append_json_string(&b, slice_of(cases[i].in, cases[i].len), NULL),
                         RAG_OK);
        assert_string_equal(b.data, cases[i].out);
        buffer_free(&b);
    }
    struct buffer tight = BUFFER_INIT(6);
    assert_int_equal(buffer_append_text(&tight, "x", NULL), RAG_OK);
    assert_int_equal(buffer_append_json_string(&tight, rag_text("12345"), NULL), RAG_E_NO_MEMORY);
    assert_int_equal(tight.len, 1); /* as before */
    buffer_free(&tight);
}

/* ---- utf8 ---------------------------------------------------------------------------------------- */

static void every_code_point_goes_round(void **state)
{
    (void)state;
    for (unsigned c = 0; c <= 0x10ffff; c++) {
        char text[4];
        const size_t len = c >= 0xd800 && c < 0xe000 ? 3 : utf8_encode(c, text);
        if (c >= 0xd800 && c < 0xe000) { /* surrogates, as an encoder without care writes them */
            text[0] = (char)(0xe0 | (c >> 12));
            text[1] = (char)(0x80 | ((c >> 6) & 0x3f));
            text[2] = (char)(0x80 | (c & 0x3f));
            assert_int_equal(utf8_sequence((unsigned char *)text, 3), 0);
            continue;
        }
        if (utf8_sequence((unsigned char *)text, len) != len)
            fail_msg("U+%04X is not accepted", c);
        for (size_t cut = 1; cut < len; cut++)
            if (utf8_sequence((unsigned char *)text, cut))
                fail_msg("U+%04X cut after %zu bytes is accepted", c, cut);
    }
}

static void bad_sequences_are_found(void **state)
{
    (void)state;
    static const char *const bad[] = { "\x80",
                                       "\xc0\x80",
                                       "\xc1\xbf",
                                       "\xe0\x9f\xbf",
                                       "\xf0\x8f\xbf\xbf",
                                       "\xf4\x90\x80\x80",
                                       "\xf5\x80\x80\x80",
                                       "\xff",
                                       "\xc3(",
                                       "\xe2\x82(" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[64];
        for (size_t before = 0; before < 20; before++) { /* across the steps of eight bytes */
            memset(text, 'a', before);
            memcpy(text + before, bad[i], strlen(bad[i]));
            const size_t len = before + strlen(bad[i]);
            assert_int_equal(utf8_valid_prefix(text, len), before);
        }
    }
    assert_int_equal(utf8_valid_prefix("", 0), 0);
    assert_int_equal(utf8_valid_prefix("12345678\xc3\xa9", 10), 10);
}

/* ---- arena --------------------------------------------------------------------------------------- */

static void arena_gives_aligned_memory_of_its_own(void **state)
{
    (void)state;
    struct arena a = { 0 };
    char *pieces[500];
    for (size_t i = 0; i < 500; i++) {
        pieces[i] = arena_alloc(&a, i * 7);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % 8, 0);
        memset(pieces[i], (int)(i & 0xff), i * 7);
    }
    char *large = arena_alloc(&a, 3 << 20); /* larger than any block */
    assert_non_null(large);
    memset(large, 1, 3 << 20);
    for (size_t i = 0; i < 500; i++)
        for (size_t j = 0; j < i * 7; j++)
            assert_int_equal((unsigned char)pieces[i][j], i & 0xff);
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_null(arena_copy(&a, "x", SIZE_MAX));
    assert_string_equal(arena_copy(&a, "text", 4), "text");
    arena_free(&a);
    arena_free(&a);
}

/* ---- slice_index ---------------------------------------------------------------------------------- */

enum { KEYS = 3000 };

/* Against a plain array, with many removals. */
static void index_agrees_with_a_plain_array(void **state)
{
    (void)state;
    static char names[KEYS][16];
    static size_t wanted[KEYS];
    struct slice_index t = SLICE_INDEX_INIT;
    unsigned random = 1;
    size_t count = 0;
    for (size_t i = 0; i < KEYS; i++) {
        (void)snprintf(names[i], sizeof names[i], "key-%zu", i * i);
        wanted[i] = SLICE_INDEX_NONE;
    }
    for (int step = 0; step < 60000; step++) {
        random = random * 1103515245u + 12345u;
        const size_t i = (random >> 8) % KEYS;
        const rag_slice key = rag_text(names[i]);
        if (random >> 30 == 0) {
            slice_index_remove(&t, key);
            count -= wanted[i] != SLICE_INDEX_NONE;
            wanted[i] = SLICE_INDEX_NONE;
        } else {
            size_t previous = 0;
            assert_int_equal(slice_index_put(&t, key, (size_t)step, &previous, NULL), RAG_OK);
            assert_int_equal(previous, wanted[i]);
            count += wanted[i] == SLICE_INDEX_NONE;
            wanted[i] = (size_t)step;
        }
        assert_int_equal(t.count, count);
    }
    for (size_t i = 0; i < KEYS; i++)
        assert_int_equal(slice_index_find(&t, rag_text(names[i])), wanted[i]);
    slice_index_free(&t);
    assert_int_equal(slice_index_find(&t, rag_text("x")), SLICE_INDEX_NONE);
}

static void index_takes_empty_and_binary_keys(void **state)
{
    (void)state;
    struct slice_index t = SLICE_INDEX_INIT;
    assert_int_equal(slice_index_put(&t, slice_of("", 0), 1, NULL, NULL), RAG_OK);
    assert_int_equal(slice_index_put(&t, slice_of("\0", 1), 2, NULL, NULL), RAG_OK);
    assert_int_equal(slice_index_put(&t, slice_of("\0\0", 2), 3, NULL, NULL), RAG_OK);
    assert_int_equal(slice_index_find(&t, slice_of(NULL, 0)), 1);
    assert_int_equal(slice_index_find(&t, slice_of("\0", 1)), 2);
    assert_int_equal(slice_index_find(&t, slice_of("\0\0", 2)), 3);
    rag_alloc_fail_at(1, 0);
    assert_int_equal(slice_index_reserve(&t, 1000, NULL), RAG_E_NO_MEMORY);
    rag_alloc_fail_at(0, 0);
    assert_int_equal(slice_index_find(&t, slice_of("\0", 1)), 2);
    assert_int_equal(slice_index_reserve(&t, SIZE_MAX / 2, NULL), RAG_E_NO_MEMORY);
    slice_index_free(&t);
}

/* ---- floats --------------------------------------------------------------------------------------- */

static void bad_floats_are_found(void **state)
{
    (void)state;
    float v[37];
    for (size_t n = 0; n <= 37; n++) {
        for (size_t i = 0; i < 37; i++)
            v[i] = i % 2 ? -3.4e38f : 1e-45f;
        assert_int_equal(floats_first_bad(v, n), n);
        for (size_t i = 0; i < n; i++) {
            const float bad[] = { NAN, INFINITY, -INFINITY };
            const float kept = v[i];
            v[i] = bad[i % 3];
            assert_int_equal(floats_first_bad(v, n), i);
            v[i] = kept;
        }
    }
    memset(v, 0, sizeof v);
    v[5] = -0.0f;
    assert_true(floats_all_zero(v, 37));
    v[36] = 1e-45f;
    assert_false(floats_all_zero(v, 37));
    assert_true(floats_all_zero(v, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffer_keeps_its_limit),
        cmocka_unit_test(buffer_survives_failed_growth),
        cmocka_unit_test(json_strings_are_escaped),
        cmocka_unit_test(every_code_point_goes_round),
        cmocka_unit_test(bad_sequences_are_found),
        cmocka_unit_test(arena_gives_aligned_memory_of_its_own),
        cmocka_unit_test(index_agrees_with_a_plain_array),
        cmocka_unit_test(index_takes_empty_and_binary_keys),
        cmocka_unit_test(bad_floats_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
