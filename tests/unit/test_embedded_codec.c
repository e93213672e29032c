/* How values are stored: what is compressed, what comes back, and what damage is noticed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zstd.h>

#include "backends/embedded/codec.h"
#include "core/alloc.h"
#include "core/limits.h"

static struct codec *codec;

static int make_codec(void **state)
{
    (void)state;
    codec = codec_new();
    return codec ? 0 : -1;
}

static int free_codec(void **state)
{
    (void)state;
    codec_free(codec);
    return 0;
}

/* Encode, copy, decode and compare; the length as stored. */
static size_t round_trip(rag_slice text)
{
    rag_error err = RAG_ERROR_INIT;
    rag_slice stored, back;
    if (codec_encode(codec, text, &stored, &err) != RAG_OK)
        fail_msg("%s", err.message);
    const size_t len = stored.len;
    char *copy = rag_memdup_text(stored.data, len);
    assert_non_null(copy);
    if (codec_decode(codec, slice_of(copy, len), "value", rag_text("k"), &back, &err) != RAG_OK)
        fail_msg("%s", err.message);
    assert_true(slice_equal(text, back));
    rag_free(copy);
    return len;
}

static char *random_bytes(size_t len)
{
    char *bytes = rag_alloc(len);
    assert_non_null(bytes);
    unsigned long long state = 7;
    for (size_t i = 0; i < len; i++) {
        state = state * 6364136223846793005ULL + 1442695040888963407ULL;
        bytes[i] = (char)(state >> 56);
    }
    return bytes;
}

static void every_length_comes_back(void **state)
{
    (void)state;
    char text[3000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)("the quick brown fox "[i % 20]);
    for (size_t len = 0; len < sizeof text; len += len < 300 ? 1 : 37)
        (void)round_trip(slice_of(text, len));
    assert_int_equal(round_trip(slice_of(text, 199)), 200); /* one byte more, as it is */
    assert_true(round_trip(slice_of(text, 2000)) < 200);
}

static void what_does_not_shrink_stays(void **state)
{
    (void)state;
    char *bytes = random_bytes(1000000);
    assert_int_equal(round_trip(slice_of(bytes, 1000)), 1001);
    assert_int_equal(round_trip(slice_of(bytes, 1000000)), 1000001);
    rag_free(bytes);
}

static void large_values_come_back(void **state)
{
    (void)state;
    const size_t len = (size_t)100 * 1000 * 1000;
    char *text = rag_alloc(len);
    assert_non_null(text);
    for (size_t i = 0; i < len; i++)
        text[i] = (char)('a' + (i * i / 977) % 26);
    assert_true(round_trip(slice_of(text, len)) < len / 2);
    codec_trim(codec);
    (void)round_trip(slice_of(text, 5000));
    rag_free(text);
}

static void too_large_is_refused(void **state)
{
    (void)state;
    rag_error err = RAG_ERROR_INIT;
    rag_slice out = { "untouched", 9 };
    assert_int_equal(codec_encode(codec, slice_of("x", LIMIT_VALUE_BYTES + 1), &out, &err),
                     RAG_E_INVALID);
    assert_int_equal(out.len, 9);
}

static rag_status decode(const void *data, size_t len)
{
    rag_error err = RAG_ERROR_INIT;
    rag_slice out;
    const rag_status status =
        codec_decode(codec, slice_of(data, len), "value of key", rag_text("the-key"), &out, &err);
    if (status != RAG_OK) {
        assert_non_null(strstr(err.message, "value of key"));
        assert_non_null(strstr(err.message, "the-key"));
    }
    return status;
}

/* Each byte of a stored value changed in turn: an error or, never, another text. */
static void damage_is_noticed(void **state)
{
    (void)state;
    char text[2000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + i * i % 23);
    rag_slice stored;
    assert_int_equal(codec_encode(codec, slice_of(text, sizeof text), &stored, NULL), RAG_OK);
    const size_t len = stored.len;
    unsigned char *copy = (unsigned char *)rag_memdup_text(stored.data, len);
    assert_int_equal(copy[0], 1);
    for (size_t i = 1; i < len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            copy[i] ^= (unsigned char)(1 << bit);
            rag_slice back;
            rag_error err = RAG_ERROR_INIT;
            const rag_status status =
                codec_decode(codec, slice_of(copy, len), "v", rag_text("k"), &back, &err);
            if (status == RAG_OK)
                assert_true(slice_equal(back, slice_of(text, sizeof text)));
            else
                assert_int_equal(status, RAG_E_CORRUPT);
            copy[i] ^= (unsigned char)(1 << bit);
        }
    }
    for (size_t cut = 0; cut < len; cut++)
        assert_int_equal(decode(copy, cut), RAG_E_CORRUPT);
    rag_free(copy);
}

static void lies_are_noticed(void **state)
{
    (void)state;
    assert_int_equal(decode("", 0), RAG_E_CORRUPT);
    assert_int_equal(decode("\2abc", 4), RAG_E_CORRUPT);
    assert_int_equal(decode("\1abc", 4), RAG_E_CORRUPT);
    /* A frame header that claims 2^40 bytes: refused before memory is asked for. */
    const unsigned char bomb[] = {
        1, 0x28, 0xB5, 0x2F, 0xFD, 0xE0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0
    };
    rag_alloc_fail_at(1, 1);
    const rag_status status = decode(bomb, sizeof bomb);
    rag_alloc_fail_at(0, 0);
    assert_int_equal(status, RAG_E_CORRUPT);
    /* Two frames after each other are not one value. */
    char two[200], half[100];
    memset(half, 'x', sizeof half);
    two[0] = 1;
    size_t n = ZSTD_compress(two + 1, 99, half, sizeof half, 1);
    n += ZSTD_compress(two + 1 + n, 99, half, sizeof half, 1);
    assert_int_equal(decode(two, n + 1), RAG_E_CORRUPT);
}

static void lack_of_memory_is_an_error(void **state)
{
    (void)state;
    char text[600000];
    memset(text, 'y', sizeof text);
    rag_slice out;
    rag_alloc_fail_at(1, 1);
    const rag_status status = codec_encode(codec, slice_of(text, sizeof text), &out, NULL);
    rag_alloc_fail_at(0, 0);
    assert_int_equal(status, RAG_E_NO_MEMORY);
    (void)round_trip(slice_of(text, sizeof text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_length_comes_back, make_codec, free_codec),
        cmocka_unit_test_setup_teardown(what_does_not_shrink_stays, make_codec, free_codec),
        cmocka_unit_test_setup_teardown(large_values_come_back, make_codec, free_codec),
        cmocka_unit_test_setup_teardown(too_large_is_refused, make_codec, free_codec),
        cmocka_unit_test_setup_teardown(damage_is_noticed, make_codec, free_codec),
        cmocka_unit_test_setup_teardown(lies_are_noticed, make_codec, free_codec),
        cmocka_unit_test_setup_teardown(lack_of_memory_is_an_error, make_codec, free_codec),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
