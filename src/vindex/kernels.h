/* The inner loops, one table per SIMD level. Private to src/vindex. */
#ifndef VINDEX_KERNELS_H
#define VINDEX_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "vindex.h"

enum {
    COARSE_PLANES = 4, /* bit planes of the query for the one-bit codes: -7..7, two's complement */
    COARSE_MAX = 7,
    FINE_BITS = 4,   /* bits of the fine code: the sign (= the one-bit code) and three more */
    FINE_PLANES = 3, /* ... which are kept apart from the sign */
    FINE_MAX = 127,  /* the query for the fine codes: -127..127 */
    TABLE_ENTRIES = 256,
    WORD_BITS = 64
};

/* A query as the code kernels want it. `words` is the length of a one-bit code in 64-bit words. */
struct query_bits {
    size_t words;
    const uint64_t *planes[COARSE_PLANES]; /* `words` each, readable up to a multiple of 8 */
    const int8_t
        *table;         /* [words * 8][TABLE_ENTRIES]: sum of the coarse query over a byte's bits */
    const int8_t *fine; /* words * WORD_BITS */
};

/* x . r and |x|^2 of a row r on the sixteen-point grid. */
struct grid_fit {
    float dot, norm2;
};

/* Sums over a row of r times +1 or -1 by its sign bit, and by the first plane's bit; and of the
 * product of the two. */
struct plane_sums {
    float sign, plane;
    int32_t both;
};

struct kernels {
    /* sums[i] = sum of the coarse query over the set bits of code i */
    void (*scan)(const struct query_bits *q, const uint64_t *codes, size_t rows, int32_t *sums);
    /* sum of fine query times the four-bit code: 8 * sign + 4 * plane 0 + 2 * plane 1 + plane 2 */
    int32_t (*fine)(const struct query_bits *q, const uint64_t *sign, const uint64_t *planes);
    float (*dot_f32)(const float *query, const void *row, size_t n);
    float (*dot_f16)(const float *query, const void *row, size_t n);
    float (*l2sq_f32)(const float *query, const void *row, size_t n);
    float (*l2sq_f16)(const float *query, const void *row, size_t n);
    /* dot product and, in *norm2, the squared length of the row */
    float (*dot_norm_f32)(const float *query, const void *row, size_t n, float *norm2);
    float (*dot_norm_f16)(const float *query, const void *row, size_t n, float *norm2);
    void (*f16_to_f32)(const void *src, size_t n, float *dst);
    void (*f16_from_f32)(const float *src, size_t n, void *dst); /* all are known to fit */
    /* Coding of rows; the same bits at every level. See row_loops.h. */
    void (*row_hadamard)(float *values, size_t n);
    struct grid_fit (*row_fit)(const float *r, size_t n, float inverse);
    struct plane_sums (*row_pack)(const float *r, size_t words, float inverse, uint64_t *sign,
                                  uint64_t *planes);
    float (*row_dot)(const float *a, const float *b, size_t n);
    int needs_table; /* 1: scan uses `table`, 0: `planes` */
};

extern const struct kernels kernels_portable, kernels_popcnt, kernels_avx2, kernels_avx512;

const struct kernels *kernels_get(void);

/* Parts of the portable table that other levels take over. */
int32_t portable_fine(const struct query_bits *q, const uint64_t *sign, const uint64_t *planes);
float portable_dot_f32(const float *query, const void *row, size_t n);
float portable_dot_f16(const float *query, const void *row, size_t n);
float portable_l2sq_f32(const float *query, const void *row, size_t n);
float portable_l2sq_f16(const float *query, const void *row, size_t n);
float portable_dot_norm_f32(const float *query, const void *row, size_t n, float *norm2);
float portable_dot_norm_f16(const float *query, const void *row, size_t n, float *norm2);
void portable_f16_to_f32(const void *src, size_t n, float *dst);
void portable_f16_from_f32(const float *src, size_t n, void *dst);

/* One binary16 each way, by bit arithmetic; what the portable kernels and the tails use. */
float half_to_float(uint16_t half);
uint16_t half_from_float(float value);

#endif
