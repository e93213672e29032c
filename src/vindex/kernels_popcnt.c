/* The scan with the POPCNT instruction (every x86-64 since 2008); the rest is portable.
 *
 * sum over set bits of a four-bit query = popcount of the code against each bit plane, weighted
 * 1, 2, 4 and -8 (two's complement). */
#include "kernels.h"
#include "row_loops.h"

static void scan(const struct query_bits *q, const uint64_t *codes, size_t rows, int32_t *sums)
{
    const size_t words = q->words;
    const uint64_t *p0 = q->planes[0], *p1 = q->planes[1], *p2 = q->planes[2], *p3 = q->planes[3];
    for (size_t row = 0; row < rows; row++, codes += words) {
        int64_t n0 = 0, n1 = 0, n2 = 0, n3 = 0;
        for (size_t i = 0; i < words; i++) {
            n0 += __builtin_popcountll(codes[i] & p0[i]);
            n1 += __builtin_popcountll(codes[i] & p1[i]);
            n2 += __builtin_popcountll(codes[i] & p2[i]);
            n3 += __builtin_popcountll(codes[i] & p3[i]);
        }
        sums[row] = (int32_t)(n0 + 2 * n1 + 4 * n2 - 8 * n3);
    }
}

ROW_LOOPS

const struct kernels kernels_popcnt = {
    ROW_LOOPS_ENTRIES,
    .scan = scan,
    .fine = portable_fine,
    .dot_f32 = portable_dot_f32,
    .dot_f16 = portable_dot_f16,
    .l2sq_f32 = portable_l2sq_f32,
    .l2sq_f16 = portable_l2sq_f16,
    .dot_norm_f32 = portable_dot_norm_f32,
    .dot_norm_f16 = portable_dot_norm_f16,
    .f16_to_f32 = portable_f16_to_f32,
    .f16_from_f32 = portable_f16_from_f32,
    .needs_table = 0,
};
