/* Inner loops with AVX-512 (F, BW, DQ, VL, VNNI, VPOPCNTDQ).
 *
 * Scan: eight words of code at a time against the four query planes with VPOPCNTQ; eight rows share
 * one transposing reduction. The lengths of the usual dimensions have loops of their own, so the
 * planes stay in registers. Fine: 64 bits of each plane are the masks that put a four-bit value
 * together in 64 bytes, and VPDPBUSD multiplies it with the query. Exact: sixteen lanes, masked
 * loads at the end of a row, so nothing is read beyond it. */
#include <immintrin.h>
#include <string.h>

#include "kernels.h"
#include "row_loops.h"

enum {
    ROWS = 8, /* rows of a scan that are reduced together */
    /* The scan waits for memory more than it computes, and the processor's own prefetching stops at
     * every page: half a page ahead saves 15 to 25 % of it. */
    PREFETCH_BYTES = 2048
};

/* Weighted popcounts of one row, in 64-bit lanes: n0 + 2 n1 + 4 n2 - 8 n3. */
static inline __attribute__((always_inline)) __m512i scan_row(const struct query_bits *q,
                                                              const uint64_t *code, size_t words)
{
    __m512i n[COARSE_PLANES];
    for (int j = 0; j < COARSE_PLANES; j++)
        n[j] = _mm512_setzero_si512();
    for (size_t i = 0; i < words; i += 8) {
        const size_t left = words - i;
        const __mmask8 mask = (__mmask8)(left >= 8 ? 0xffu : (1u << left) - 1);
        const __m512i bits = _mm512_maskz_loadu_epi64(mask, code + i);
        for (int j = 0; j < COARSE_PLANES; j++) {
            const __m512i plane = _mm512_loadu_si512(q->planes[j] + i);
            n[j] = _mm512_add_epi64(n[j], _mm512_popcnt_epi64(_mm512_and_si512(bits, plane)));
        }
    }
    const __m512i high = _mm512_sub_epi64(n[2], _mm512_slli_epi64(n[3], 1));
    const __m512i middle = _mm512_add_epi64(n[1], _mm512_slli_epi64(high, 1));
    return _mm512_add_epi64(n[0], _mm512_slli_epi64(middle, 1));
}

/* Lane i of the answer is the sum of the lanes of v[i]. */
static inline __m256i sum_rows(const __m512i v[ROWS])
{
    __m512i pairs[4], quads[2];
    for (int i = 0; i < 4; i++) /* lanes: even row, odd row, four times */
        pairs[i] = _mm512_add_epi64(_mm512_unpacklo_epi64(v[2 * i], v[2 * i + 1]),
                                    _mm512_unpackhi_epi64(v[2 * i], v[2 * i + 1]));
    for (int i = 0; i < 2; i++)
        quads[i] = _mm512_add_epi64(_mm512_shuffle_i64x2(pairs[2 * i], pairs[2 * i + 1], 0x88),
                                    _mm512_shuffle_i64x2(pairs[2 * i], pairs[2 * i + 1], 0xdd));
    const __m512i all = _mm512_add_epi64(_mm512_shuffle_i64x2(quads[0], quads[1], 0x88),
                                         _mm512_shuffle_i64x2(quads[0], quads[1], 0xdd));
    return _mm512_cvtepi64_epi32(all);
}

static inline __attribute__((always_inline)) void scan_words(const struct query_bits *q,
                                                             const uint64_t *codes, size_t rows,
                                                             int32_t *sums, size_t words)
{
    size_t row = 0;
    for (; row + ROWS <= rows; row += ROWS, codes += ROWS * words) {
        __m512i v[ROWS];
        for (size_t i = 0; i < words; i++) /* ROWS rows, in lines */
            _mm_prefetch((const char *)codes + PREFETCH_BYTES + i * 64, _MM_HINT_T0);
        for (size_t i = 0; i < ROWS; i++)
            v[i] = scan_row(q, codes + i * words, words);
        _mm256_storeu_si256((__m256i *)(void *)(sums + row), sum_rows(v));
    }
    for (; row < rows; row++, codes += words)
        sums[row] = (int32_t)_mm512_reduce_add_epi64(scan_row(q, codes, words));
}

static void scan(const struct query_bits *q, const uint64_t *codes, size_t rows, int32_t *sums)
{
    switch (q->words) {
    case 6: scan_words(q, codes, rows, sums, 6); return;   /* 384 dimensions */
    case 12: scan_words(q, codes, rows, sums, 12); return; /* 768 */
    case 16: scan_words(q, codes, rows, sums, 16); return; /* 1024 */
    case 24: scan_words(q, codes, rows, sums, 24); return; /* 1536 */
    default: scan_words(q, codes, rows, sums, q->words); return;
    }
}

static int32_t fine(const struct query_bits *q, const uint64_t *sign, const uint64_t *planes)
{
    const size_t words = q->words;
    const uint64_t *b2 = planes, *b1 = planes + words, *b0 = planes + 2 * words;
    const __m512i one = _mm512_set1_epi8(1), two = _mm512_set1_epi8(2), four = _mm512_set1_epi8(4),
                  eight = _mm512_set1_epi8(8);
    __m512i sum = _mm512_setzero_si512();
    for (size_t i = 0; i < words; i++) {
        const __m512i sign_bits = _mm512_maskz_mov_epi8(sign[i], eight);
        const __m512i high = _mm512_mask_add_epi8(sign_bits, b2[i], sign_bits, four);
        const __m512i low_bits = _mm512_maskz_mov_epi8(b1[i], two);
        const __m512i low = _mm512_mask_add_epi8(low_bits, b0[i], low_bits, one);
        const __m512i query = _mm512_loadu_si512(q->fine + i * WORD_BITS);
        sum = _mm512_dpbusd_epi32(sum, _mm512_or_si512(high, low), query);
    }
    return _mm512_reduce_add_epi32(sum);
}

enum shape { DOT, DOT_NORM, L2SQ };
enum { STEP = 16, SUMS = 4 };

static inline __mmask16 first_lanes(size_t n)
{
    return (__mmask16)(n >= STEP ? 0xffffu : (1u << n) - 1);
}

static inline __attribute__((always_inline)) __m512 load_row(const char *row, __mmask16 mask,
                                                             int is_half)
{
    if (is_half)
        return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, row));
    return _mm512_maskz_loadu_ps(mask, row);
}

struct sums {
    __m512 main[SUMS], norm2[SUMS];
};

static inline __attribute__((always_inline)) void turn(struct sums *s, int lane, __m512 q, __m512 r,
                                                       enum shape shape)
{
    if (shape == L2SQ) {
        q = _mm512_sub_ps(q, r);
        r = q;
    }
    s->main[lane] = _mm512_fmadd_ps(q, r, s->main[lane]);
    if (shape == DOT_NORM)
        s->norm2[lane] = _mm512_fmadd_ps(r, r, s->norm2[lane]);
}

static inline float total(const __m512 lanes[SUMS])
{
    return _mm512_reduce_add_ps(
        _mm512_add_ps(_mm512_add_ps(lanes[0], lanes[1]), _mm512_add_ps(lanes[2], lanes[3])));
}

static inline __attribute__((always_inline)) float exact(const float *query, const void *row,
                                                         size_t n, float *norm2, int is_half,
                                                         enum shape shape)
{
    const size_t width = is_half ? 2 : 4;
    struct sums s;
    for (int lane = 0; lane < SUMS; lane++)
        s.main[lane] = s.norm2[lane] = _mm512_setzero_ps();
    const char *r = row;
    size_t i = 0;
    for (; i + STEP * SUMS <= n; i += STEP * SUMS)
        for (int lane = 0; lane < SUMS; lane++) {
            const size_t at = i + (size_t)lane * STEP;
            turn(&s, lane, _mm512_loadu_ps(query + at), load_row(r + at * width, 0xffff, is_half),
                 shape);
        }
    for (; i < n; i += STEP) {
        const __mmask16 mask = first_lanes(n - i);
        turn(&s, 0, _mm512_maskz_loadu_ps(mask, query + i), load_row(r + i * width, mask, is_half),
             shape);
    }
    if (shape == DOT_NORM)
        *norm2 = total(s.norm2);
    return total(s.main);
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
    for (size_t i = 0; i < n; i += STEP) {
        const __mmask16 mask = first_lanes(n - i);
        const __m256i halves = _mm256_maskz_loadu_epi16(mask, (const char *)src + i * 2);
        _mm512_mask_storeu_ps(dst + i, mask, _mm512_cvtph_ps(halves));
    }
}

static void f16_from_f32(const float *src, size_t n, void *dst)
{
    for (size_t i = 0; i < n; i += STEP) {
        const __mmask16 mask = first_lanes(n - i);
        const __m512 values = _mm512_maskz_loadu_ps(mask, src + i);
        const __m256i halves = _mm512_cvtps_ph(values, _MM_FROUND_TO_NEAREST_INT);
        _mm256_mask_storeu_epi16((char *)dst + i * 2, mask, halves);
    }
}

ROW_LOOPS

const struct kernels kernels_avx512 = {
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
