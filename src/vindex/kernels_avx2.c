/* Inner loops with AVX2, FMA, F16C and POPCNT.
 *
 * Scan: popcount of 32 bytes by two look-ups of nibbles (vpshufb), per query plane; the words that
 * do not fill 32 bytes use the scalar instruction. Fine: 32 bits of each plane are spread to 32
 * bytes, put together to a four-bit value and multiplied with the query by vpmaddubsw (unsigned
 * times signed bytes; two products of at most 15 * 127 fit 16 bits). Exact: eight lanes times two
 * accumulators; float16 goes through vcvtph2ps. The last elements are copied to a zeroed block, so
 * nothing is read beyond a row. */
#include <immintrin.h>
#include <string.h>

#include "kernels.h"
#include "row_loops.h"

enum { STEP = 16 }; /* elements per turn of the exact kernels */

static inline __m256i popcount_bytes(__m256i v)
{
    const __m256i table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1,
                                           2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i low = _mm256_set1_epi8(0x0f);
    const __m256i lows = _mm256_shuffle_epi8(table, _mm256_and_si256(v, low));
    const __m256i highs =
        _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(v, 4), low));
    return _mm256_add_epi8(lows, highs);
}

static inline int64_t sum_epi64(__m256i v)
{
    const __m128i pair = _mm_add_epi64(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    return _mm_cvtsi128_si64(pair) + _mm_extract_epi64(pair, 1);
}

/* Four words of code against the four planes, added to 64-bit lanes: n0 + 2 n1 + 4 n2 - 8 n3. The
 * first three weighted counts of a byte are at most 8 + 16 + 32 = 56 and fit it. */
static inline __m256i scan_step(const struct query_bits *q, const uint64_t *code, size_t i)
{
    const __m256i zero = _mm256_setzero_si256();
    const __m256i bits = _mm256_loadu_si256((const __m256i *)(const void *)(code + i));
    __m256i count[COARSE_PLANES];
    for (int j = 0; j < COARSE_PLANES; j++) {
        const __m256i plane = _mm256_loadu_si256((const __m256i *)(const void *)(q->planes[j] + i));
        count[j] = popcount_bytes(_mm256_and_si256(bits, plane));
    }
    const __m256i twice = _mm256_add_epi8(count[2], count[2]);
    __m256i plus = _mm256_add_epi8(count[1], twice); /* n1 + 2 n2 */
    plus = _mm256_add_epi8(count[0], _mm256_add_epi8(plus, plus));
    const __m256i minus = _mm256_slli_epi64(_mm256_sad_epu8(count[3], zero), 3);
    return _mm256_sub_epi64(_mm256_sad_epu8(plus, zero), minus);
}

static void scan(const struct query_bits *q, const uint64_t *codes, size_t rows, int32_t *sums)
{
    static const int weight[COARSE_PLANES] = { 1, 2, 4, -8 };
    const size_t words = q->words, whole = words & ~(size_t)3;
    for (size_t row = 0; row < rows; row++, codes += words) {
        __m256i sum = _mm256_setzero_si256();
        for (size_t i = 0; i < whole; i += 4)
            sum = _mm256_add_epi64(sum, scan_step(q, codes, i));
        int64_t total = sum_epi64(sum);
        for (size_t i = whole; i < words; i++)
            for (int j = 0; j < COARSE_PLANES; j++)
                total += weight[j] * __builtin_popcountll(codes[i] & q->planes[j][i]);
        sums[row] = (int32_t)total;
    }
}

/* Byte i of the answer is `value` when bit i is set. */
static inline __m256i spread(uint32_t bits, char value)
{
    const __m256i which = _mm256_setr_epi64x(0x0000000000000000, 0x0101010101010101,
                                             0x0202020202020202, 0x0303030303030303);
    const __m256i mask = _mm256_set1_epi64x((long long)0x8040201008040201u);
    __m256i v = _mm256_shuffle_epi8(_mm256_set1_epi32((int)bits), which);
    v = _mm256_cmpeq_epi8(_mm256_and_si256(v, mask), mask);
    return _mm256_and_si256(v, _mm256_set1_epi8(value));
}

static inline uint32_t half_word(const uint64_t *words, size_t i)
{
    uint32_t bits;
    memcpy(&bits, (const char *)words + i * sizeof bits, sizeof bits);
    return bits;
}

static int32_t fine(const struct query_bits *q, const uint64_t *sign, const uint64_t *planes)
{
    const size_t words = q->words;
    const uint64_t *b2 = planes, *b1 = planes + words, *b0 = planes + 2 * words;
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i sum = _mm256_setzero_si256();
    for (size_t i = 0; i < words * 2; i++) {
        const __m256i high =
            _mm256_or_si256(spread(half_word(sign, i), 8), spread(half_word(b2, i), 4));
        const __m256i low =
            _mm256_or_si256(spread(half_word(b1, i), 2), spread(half_word(b0, i), 1));
        const __m256i query = _mm256_loadu_si256((const __m256i *)(const void *)(q->fine + i * 32));
        const __m256i pairs = _mm256_maddubs_epi16(_mm256_or_si256(high, low), query);
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, ones));
    }
    __m128i quad = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    quad = _mm_add_epi32(quad, _mm_shuffle_epi32(quad, 0x4e));
    quad = _mm_add_epi32(quad, _mm_shuffle_epi32(quad, 0xb1));
    return _mm_cvtsi128_si32(quad);
}

static inline float sum_ps(__m256 v)
{
    __m128 quad = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    quad = _mm_add_ps(quad, _mm_movehl_ps(quad, quad));
    return _mm_cvtss_f32(_mm_add_ss(quad, _mm_movehdup_ps(quad)));
}

struct pair {
    __m256 low, high;
};

static inline struct pair load_query(const float *query)
{
    return (struct pair){ _mm256_loadu_ps(query), _mm256_loadu_ps(query + 8) };
}

static inline __attribute__((always_inline)) struct pair load_row(const char *row, int is_half)
{
    if (!is_half)
        return load_query((const float *)(const void *)row);
    const __m128i *halves = (const __m128i *)(const void *)row;
    return (struct pair){ _mm256_cvtph_ps(_mm_loadu_si128(halves)),
                          _mm256_cvtph_ps(_mm_loadu_si128(halves + 1)) };
}

enum shape { DOT, DOT_NORM, L2SQ };

struct sums {
    struct pair main, norm2;
};

static inline __attribute__((always_inline)) void turn(struct sums *s, struct pair q, struct pair r,
                                                       enum shape shape)
{
    if (shape == L2SQ) {
        q.low = _mm256_sub_ps(q.low, r.low);
        q.high = _mm256_sub_ps(q.high, r.high);
        r = q;
    }
    s->main.low = _mm256_fmadd_ps(q.low, r.low, s->main.low);
    s->main.high = _mm256_fmadd_ps(q.high, r.high, s->main.high);
    if (shape == DOT_NORM) {
        s->norm2.low = _mm256_fmadd_ps(r.low, r.low, s->norm2.low);
        s->norm2.high = _mm256_fmadd_ps(r.high, r.high, s->norm2.high);
    }
}

static inline __attribute__((always_inline)) float exact(const float *query, const void *row,
                                                         size_t n, float *norm2, int is_half,
                                                         enum shape shape)
{
    const size_t width = is_half ? 2 : 4, whole = n & ~(size_t)(STEP - 1);
    const __m256 zero = _mm256_setzero_ps();
    struct sums s = { { zero, zero }, { zero, zero } };
    const char *r = row;
    for (size_t i = 0; i < whole; i += STEP)
        turn(&s, load_query(query + i), load_row(r + i * width, is_half), shape);
    if (whole < n) {
        float q_tail[STEP] = { 0 };
        char r_tail[STEP * 4] = { 0 };
        memcpy(q_tail, query + whole, (n - whole) * sizeof(float));
        memcpy(r_tail, r + whole * width, (n - whole) * width);
        turn(&s, load_query(q_tail), load_row(r_tail, is_half), shape);
    }
    if (shape == DOT_NORM)
        *norm2 = sum_ps(_mm256_add_ps(s.norm2.low, s.norm2.high));
    return sum_ps(_mm256_add_ps(s.main.low, s.main.high));
}

static float dot_f32(const float *query, const void *row, size_t n)
{
    return exact(query, row, n, NULL, 0, DOT);
}

static float dot_f16(const float *query, const void *row, size_t n)
{
    return exact(query, row, n, NULL, 1, DOT);
}

static float l2sq_f32(const float *query, const void *row, size_t n)
{
    return exact(query, row, n, NULL, 0, L2SQ);
}

static float l2sq_f16(const float *query, const void *row, size_t n)
{
    return exact(query, row, n, NULL, 1, L2SQ);
}

static float dot_norm_f32(const float *query, const void *row, size_t n, float *norm2)
{
    return exact(query, row, n, norm2, 0, DOT_NORM);
}

static float dot_norm_f16(const float *query, const void *row, size_t n, float *norm2)
{
    return exact(query, row, n, norm2, 1, DOT_NORM);
}

static void f16_to_f32(const void *src, size_t n, float *dst)
{
    const size_t whole = n & ~(size_t)7;
    const char *from = src;
    for (size_t i = 0; i < whole; i += 8) {
        const __m128i halves = _mm_loadu_si128((const __m128i *)(const void *)(from + i * 2));
        _mm256_storeu_ps(dst + i, _mm256_cvtph_ps(halves));
    }
    portable_f16_to_f32(from + whole * 2, n - whole, dst + whole);
}

static void f16_from_f32(const float *src, size_t n, void *dst)
{
    const size_t whole = n & ~(size_t)7;
    char *to = dst;
    for (size_t i = 0; i < whole; i += 8) {
        const __m128i halves = _mm256_cvtps_ph(_mm256_loadu_ps(src + i), _MM_FROUND_TO_NEAREST_INT);
        _mm_storeu_si128((__m128i *)(void *)(to + i * 2), halves);
    }
    portable_f16_from_f32(src + whole, n - whole, to + whole * 2);
}

ROW_LOOPS

const struct kernels kernels_avx2 = {
    ROW_LOOPS_ENTRIES,
    .scan = scan,
    .fine = fine,
    .dot_f32 = dot_f32,
    .dot_f16 = dot_f16,
    .l2sq_f32 = l2sq_f32,
    .l2sq_f16 = l2sq_f16,
    .dot_norm_f32 = dot_norm_f32,
    .dot_norm_f16 = dot_norm_f16,
    .f16_to_f32 = f16_to_f32,
    .f16_from_f32 = f16_from_f32,
    .needs_table = 0,
};
