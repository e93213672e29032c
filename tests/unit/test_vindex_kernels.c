/* float16, distances, code kernels and checksum: every SIMD level of this machine against the
 * portable one, and the portable one against slow definitions. Levels that the machine cannot run are
 * printed. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "unit/vindex_data.h"
#include "vindex/kernels.h"

/* Calls `check` at each level that can run here. */
static void at_every_level(void (*check)(vindex_level level))
{
    for (int level = VINDEX_LEVEL_PORTABLE; level <= VINDEX_LEVEL_AVX512; level++) {
        if (vindex_force_level((vindex_level)level) == (vindex_level)level)
            check((vindex_level)level);
        else
            print_message("level %s cannot run on this processor: not tested\n",
                          vindex_level_name((vindex_level)level));
    }
    (void)vindex_force_level((vindex_level)99); /* back to the best */
}

/* ---- float16 ------------------------------------------------------------------------------------- */

/* binary16 by its definition: sign * 2^(e - 15) * (1 + m / 1024), or sign * 2^-14 * m / 1024 */
static double slow_half(uint16_t half)
{
    const int exponent = half >> 10 & 0x1f, mantissa = half & 0x3ff;
    const double sign = half & 0x8000 ? -1.0 : 1.0;
    if (exponent == 31)
        return mantissa ? (double)NAN : sign * (double)INFINITY;
    if (exponent == 0)
        return sign * ldexp(mantissa, -24);
    return sign * ldexp(1024 + mantissa, exponent - 25);
}

static void check_all_halves(vindex_level level)
{
    enum { N = 65536 };
    uint16_t *halves = malloc(N * sizeof *halves);
    float *floats = malloc(N * sizeof *floats);
    (void)level;
    for (int i = 0; i < N; i++)
        halves[i] = (uint16_t)i;
    vindex_f16_to_f32(halves, N, floats);
    for (int i = 0; i < N; i++) {
        const double expected = slow_half((uint16_t)i);
        if (isnan(expected))
            assert_true(isnan(floats[i]));
        else
            assert_true((double)floats[i] == expected && !signbit(floats[i]) == !(i & 0x8000));
    }
    /* and back: finite halves are kept bit for bit, the first infinity is where it stops */
    memset(halves, 0xff, N * sizeof *halves);
    assert_int_equal(vindex_f16_from_f32(floats, N, halves), 0x7c00);
    for (int i = 0; i < 0x7c00; i++)
        assert_int_equal(halves[i], i);
    assert_int_equal(halves[0x7c00], 0xffff);
    assert_int_equal(vindex_f16_from_f32(floats + 0x8000, 0x7c00, halves), 0x7c00);
    for (int i = 0; i < 0x7c00; i++)
        assert_int_equal(halves[i], 0x8000 + i);
    free(halves);
    free(floats);
}

static void all_halves_convert_both_ways(void **state)
{
    (void)state;
    at_every_level(check_all_halves);
}

/* The nearest half of a finite double, ties to even, by search over all of them. */
static uint16_t slow_from(double value)
{
    int low = 0, high = 0x7bff; /* magnitudes ascend with their bits */
    const double magnitude = fabs(value);
    while (low < high) {
        const int middle = (low + high + 1) / 2;
        if (slow_half((uint16_t)middle) <= magnitude)
            low = middle;
        else
            high = middle - 1;
    }
    if (low < 0x7bff) {
        const double below = magnitude - slow_half((uint16_t)low);
        const double above = slow_half((uint16_t)(low + 1)) - magnitude;
        if (above < below || (above == below && (low & 1)))
            low++;
    }
    return (uint16_t)(low | (signbit(value) ? 0x8000 : 0));
}

static void check_rounding(vindex_level level)
{
    static const float edges[] = { 0.0f,        -0.0f,      1.0f,        65504.0f,  65519.996f,
                                   -65519.996f, 5.9604e-8f, 2.9802e-8f,  2.981e-8f, 2.97e-8f,
                                   1e-30f,      1e-45f,     6.10352e-5f, 6.1e-5f,   2049.0f,
                                   2051.0f,     0.1f,       -0.33333f };
    uint64_t state = 5;
    float values[64];
    uint16_t halves[64];
    (void)level;
    for (int turn = 0; turn < 3000; turn++) {
        for (size_t i = 0; i < 64; i++) {
            if (turn == 0 && i < sizeof edges / sizeof *edges) {
                values[i] = edges[i];
            } else if (turn % 2) { /* exactly between two halves */
                const uint16_t half = (uint16_t)(data_random(&state) % 0x7bff);
                const double sum = slow_half(half) + slow_half((uint16_t)(half + 1));
                values[i] = (float)(sum / 2);
            } else {
                values[i] =
                    data_normal(&state) * powf(2.0f, (float)(data_random(&state) % 36) - 22);
            }
            if (fabsf(values[i]) >= 65520.0f)
                values[i] = 1.0f;
        }
        assert_int_equal(vindex_f16_fits(values, 64), 64);
        assert_int_equal(vindex_f16_from_f32(values, 64, halves), 64);
        for (size_t i = 0; i < 64; i++)
            assert_int_equal(halves[i], slow_from((double)values[i]));
    }
}

static void rounding_is_to_nearest_even(void **state)
{
    (void)state;
    at_every_level(check_rounding);
}

static void check_refused(vindex_level level)
{
    static const float bad[] = { NAN, -NAN, INFINITY, -INFINITY, 65520.0f, -65520.0f, 1e30f };
    float values[700];
    uint8_t out[1401];
    (void)level;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        for (size_t at = 0; at < 700; at += 23) {
            for (size_t j = 0; j < 700; j++)
                values[j] = (float)j;
            values[at] = bad[i];
            memset(out, 0xee, sizeof out);
            assert_int_equal(vindex_f16_fits(values, 700), at);
            assert_int_equal(vindex_f16_from_f32(values, 700, out + 1), at);
            assert_int_equal(out[1 + 2 * at], 0xee);
            assert_int_equal(out[2 + 2 * at], 0xee);
            const size_t finite = isfinite(bad[i]) ? 700 : at;
            assert_int_equal(vindex_f32_finite(values, 700), finite);
        }
}

static void values_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    at_every_level(check_refused);
}

/* ---- distances ----------------------------------------------------------------------------------- */

struct expected {
    double dot, l2sq, norm, scale; /* scale: what rounding errors are relative to */
};

static struct expected slow_distances(const float *q, const float *r, size_t n)
{
    struct expected e = { 0, 0, 0, 1e-30 };
    for (size_t i = 0; i < n; i++) {
        e.dot += (double)q[i] * (double)r[i];
        e.l2sq += ((double)q[i] - (double)r[i]) * ((double)q[i] - (double)r[i]);
        e.norm += (double)r[i] * (double)r[i];
        e.scale += fabs((double)q[i] * (double)r[i]);
    }
    e.norm = sqrt(e.norm);
    return e;
}

static void near(double found, double expected, double scale)
{
    if (!(fabs(found - expected) <= 2e-6 * scale))
        fail_msg("found %.9g, expected %.9g within 2e-6 * %.3g", found, expected, scale);
}

static void check_one_length(size_t n, uint64_t *state)
{
    float *q = malloc((n + 1) * sizeof *q), *r = malloc((n + 1) * sizeof *r);
    /* exact sizes and odd addresses, so that the sanitizers see every read too far */
    uint8_t *row32 = malloc(n * 4 + 1), *row16 = malloc(n * 2 + 1);
    for (size_t i = 0; i < n; i++) {
        q[i] = data_normal(state);
        r[i] = data_normal(state);
    }
    assert_int_equal(vindex_f16_from_f32(r, n, row16 + 1), n);
    vindex_f16_to_f32(row16 + 1, n, r); /* values that both types hold */
    memcpy(row32 + 1, r, n * 4);
    const struct expected e = slow_distances(q, r, n);
    near((double)vindex_dot_f32(q, row32 + 1, n), e.dot, e.scale);
    near((double)vindex_dot_f16(q, row16 + 1, n), e.dot, e.scale);
    near((double)vindex_l2sq_f32(q, row32 + 1, n), e.l2sq, e.l2sq);
    near((double)vindex_l2sq_f16(q, row16 + 1, n), e.l2sq, e.l2sq);
    near((double)vindex_norm_f32(row32 + 1, n), e.norm, e.norm);
    near((double)vindex_norm_f16(row16 + 1, n), e.norm, e.norm);

    vindex_query query;
    rag_error err = RAG_ERROR_INIT;
    assert_int_equal(vindex_query_init(&query, VINDEX_COSINE, q, (uint32_t)n, &err), RAG_OK);
    const double q_norm = slow_distances(q, q, n).norm;
    near((double)vindex_score_f32(&query, row32 + 1), e.dot / (q_norm * e.norm), 1);
    near((double)vindex_score_f16(&query, row16 + 1), e.dot / (q_norm * e.norm), 1);
    assert_int_equal(vindex_query_init(&query, VINDEX_DOT, q, (uint32_t)n, &err), RAG_OK);
    near((double)vindex_score_f16(&query, row16 + 1), e.dot, e.scale);
    assert_int_equal(vindex_query_init(&query, VINDEX_L2, q, (uint32_t)n, &err), RAG_OK);
    near((double)vindex_score_f32(&query, row32 + 1), -e.l2sq, e.l2sq);
    near((double)vindex_score_f16(&query, row16 + 1), -e.l2sq, e.l2sq);
    free(q);
    free(r);
    free(row32);
    free(row16);
}

static void check_distances(vindex_level level)
{
    uint64_t state = 11;
    (void)level;
    for (size_t n = 1; n < 140; n++)
        check_one_length(n, &state);
    static const size_t lengths[] = { 255, 256, 257, 384, 768, 1000, 1024, 1536, 3072 };
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        check_one_length(lengths[i], &state);
}

static void distances_agree_with_their_definitions(void **state)
{
    (void)state;
    at_every_level(check_distances);
}

static void odd_queries_and_rows_are_defined(void **state)
{
    const float zero[3] = { 0, 0, 0 }, bad[3] = { 1, NAN, 2 }, endless[3] = { 1, 2, INFINITY },
                good[3] = { 1, 2, 3 }, huge[3] = { 3e38f, 3e38f, 0 };
    vindex_query q;
    rag_error err = RAG_ERROR_INIT;
    (void)state;
    assert_int_equal(vindex_query_init(&q, VINDEX_COSINE, zero, 3, &err), RAG_E_INVALID);
    assert_int_equal(vindex_query_init(&q, VINDEX_DOT, bad, 3, &err), RAG_E_INVALID);
    assert_non_null(strstr(err.message, "element 1 "));
    assert_int_equal(vindex_query_init(&q, VINDEX_L2, endless, 3, &err), RAG_E_INVALID);
    assert_int_equal(vindex_query_init(&q, VINDEX_COSINE, huge, 3, &err), RAG_E_INVALID);
    assert_int_equal(vindex_query_init(&q, (vindex_metric)9, good, 3, &err), RAG_E_INVALID);
    assert_int_equal(vindex_query_init(&q, VINDEX_COSINE, good, 0, &err), RAG_E_INVALID);
    assert_int_equal(vindex_query_init(&q, VINDEX_DOT, zero, 3, &err), RAG_OK);
    assert_int_equal(vindex_query_init(&q, VINDEX_COSINE, good, 3, &err), RAG_OK);
    assert_true(isnan(vindex_score_f32(&q, zero)));
    assert_true(isnan(vindex_score_f16(&q, "\0\0\0\0\0")));
    assert_true(vindex_score_f32(&q, good) <= 1.0f && vindex_score_f32(&q, good) > 0.999999f);
}

/* ---- codes --------------------------------------------------------------------------------------- */

enum { CODE_WORDS_MAX = 70, CODE_ROWS = 37 };

struct code_case {
    size_t words;
    int8_t coarse[CODE_WORDS_MAX * 64], fine[CODE_WORDS_MAX * 64];
    uint64_t planes[COARSE_PLANES][CODE_WORDS_MAX + 8];
    int8_t table[CODE_WORDS_MAX * 8 * TABLE_ENTRIES];
    uint64_t codes[CODE_ROWS * CODE_WORDS_MAX], fine_planes[FINE_PLANES * CODE_WORDS_MAX];
};

static void make_case(struct code_case *c, size_t words, int extreme, uint64_t *state)
{
    memset(c, 0, sizeof *c);
    c->words = words;
    for (size_t i = 0; i < words * 64; i++) {
        c->coarse[i] = (int8_t)(extreme ? (extreme > 0 ? 7 : -7)
                                        : (int)(data_random(state) % 15) - COARSE_MAX);
        c->fine[i] = (int8_t)(extreme ? (extreme > 0 ? 127 : -127)
                                      : (int)(data_random(state) % 255) - FINE_MAX);
        for (int j = 0; j < COARSE_PLANES; j++)
            c->planes[j][i / 64] |= (uint64_t)((uint8_t)c->coarse[i] >> j & 1) << (i % 64);
    }
    for (size_t i = 0; i < words * 8; i++)
        for (int value = 0; value < TABLE_ENTRIES; value++)
            for (size_t bit = 0; bit < 8; bit++)
                if (value >> bit & 1)
                    c->table[i * TABLE_ENTRIES + (size_t)value] += c->coarse[i * 8 + bit];
    for (size_t i = 0; i < CODE_ROWS * words; i++)
        c->codes[i] = extreme ? ~(uint64_t)0 : data_random(state);
    for (size_t i = 0; i < FINE_PLANES * words; i++)
        c->fine_planes[i] = extreme ? ~(uint64_t)0 : data_random(state);
}

static int bit_of(const uint64_t *words, size_t i)
{
    return words[i / 64] >> (i % 64) & 1;
}

static void check_case(const struct code_case *c)
{
    const size_t words = c->words;
    struct query_bits q = { .words = words, .table = c->table, .fine = c->fine };
    for (int j = 0; j < COARSE_PLANES; j++)
        q.planes[j] = c->planes[j];
    int32_t sums[CODE_ROWS];
    for (size_t rows = 1; rows <= CODE_ROWS; rows += 4) {
        memset(sums, 0x55, sizeof sums);
        /* memory of the exact size, for the sanitizers */
        uint64_t *codes = malloc(rows * words * 8);
        memcpy(codes, c->codes, rows * words * 8);
        kernels_get()->scan(&q, codes, rows, sums);
        for (size_t row = 0; row < rows; row++) {
            int32_t expected = 0;
            for (size_t i = 0; i < words * 64; i++)
                expected += bit_of(codes + row * words, i) * c->coarse[i];
            assert_int_equal(sums[row], expected);
        }
        if (rows < CODE_ROWS)
            assert_int_equal(sums[rows], 0x55555555);
        free(codes);
    }
    uint64_t *planes = malloc(FINE_PLANES * words * 8);
    memcpy(planes, c->fine_planes, FINE_PLANES * words * 8);
    int32_t expected = 0;
    for (size_t i = 0; i < words * 64; i++)
        expected += c->fine[i] * (8 * bit_of(c->codes, i) + 4 * bit_of(planes, i) +
                                  2 * bit_of(planes + words, i) + bit_of(planes + 2 * words, i));
    assert_int_equal(kernels_get()->fine(&q, c->codes, planes), expected);
    free(planes);
}

static void check_codes(vindex_level level)
{
    static const size_t words[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 15, 16, 17, 24, 48, 70 };
    struct code_case *c = malloc(sizeof *c);
    uint64_t state = 3;
    (void)level;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        for (int extreme = -1; extreme <= 1; extreme++) {
            make_case(c, words[i], extreme, &state);
            check_case(c);
        }
    free(c);
}

static void code_sums_are_the_same_integers(void **state)
{
    (void)state;
    at_every_level(check_codes);
}

/* ---- checksum ------------------------------------------------------------------------------------ */

static void checksum_has_the_published_values(void **state)
{
    uint8_t bytes[101];
    (void)state;
    assert_true(vindex_checksum("", 0) == 0xef46db3751d8e999u);
    assert_true(vindex_checksum(NULL, 0) == 0xef46db3751d8e999u);
    assert_true(vindex_checksum("a", 1) == 0xd24ec4f1a98c6e5bu);
    assert_true(vindex_checksum("abc", 3) == 0x44bc2cf5ad770999u);
    assert_true(vindex_checksum("Nobody inspects the spammish repetition", 39) ==
                0xfbcea83c8a378bf1u);
    /* every byte counts, at every length and address */
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7);
    for (size_t len = 1; len <= 100; len++) {
        const uint64_t before = vindex_checksum(bytes + 1, len);
        for (size_t i = 1; i <= len; i++) {
            bytes[i] ^= 0x40;
            assert_true(vindex_checksum(bytes + 1, len) != before);
            bytes[i] ^= 0x40;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_halves_convert_both_ways),
        cmocka_unit_test(rounding_is_to_nearest_even),
        cmocka_unit_test(values_that_do_not_fit_are_refused),
        cmocka_unit_test(distances_agree_with_their_definitions),
        cmocka_unit_test(odd_queries_and_rows_are_defined),
        cmocka_unit_test(code_sums_are_the_same_integers),
        cmocka_unit_test(checksum_has_the_published_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
