/* Codes of rows and of queries, and the estimates and bounds that follow from the two. Private.
 *
 * Notation: c the mean of the space; r = row - c (under cosine the row is first brought to length
 * one); q' = the query less its part along c (under L2: less c); D the padded dimension. All scores
 * have the form
 *     score = constant + mean_factor * a + gain * <r, q'>
 * where `a` is kept per row: <r, c> for cosine and dot, -|r|^2 for L2. */
#ifndef VINDEX_CODE_H
#define VINDEX_CODE_H

#include "kernels.h"

#define CODE_WORDS(dim) (((size_t)(dim) + WORD_BITS - 1) / WORD_BITS)

/* Factors of one row. <r, q'> is estimated by b * sum(code * q'); the error of that estimate is
 * about normal with the standard deviation e * |q'|. */
struct row_factors {
    float a;
    float coarse_b, coarse_e;
    float middle_b, middle_e; /* of the sign and the first plane alone */
    float fine_b, fine_e;
};

/* Code `rotated` (words * 64 floats: r after rotation). `sign` gets `words` words, `planes`
 * FINE_PLANES * words. Sets all of *f but `a`. */
void code_row(const float *rotated, size_t words, uint64_t *sign, uint64_t *planes,
              struct row_factors *f);

/* r and `a` of a row; `out` has words * 64 floats (the rest is zeroed). Returns `a`. */
float code_centre(vindex_metric metric, const float *row, const float *mean, uint32_t dim,
                  size_t words, float *out);

struct query_code {
    struct query_bits bits;
    float constant, mean_factor, gain;
    float coarse_scale, coarse_sum; /* gain * <r, q'> ~ b * coarse_scale * (2 * sum - coarse_sum) */
    float fine_scale, fine_offset;  /* gain * <r, q'> ~ b * fine_scale * (sum - fine_offset) */
    float norm2;                    /* |q'|^2 */
    float coarse_error, middle_error, fine_error; /* squared errors of the quantised query, per unit
                                                     of the rows' own squared errors */
    void *memory;
};

rag_status code_query(const vindex_query *query, const float *mean, const float *signs,
                      struct query_code *out, rag_error *err);
void code_query_free(struct query_code *code);

/* The estimate from a four-bit sum, and its margin at `epsilon` standard deviations. */
struct estimate {
    float score, margin;
};
struct estimate code_estimate_fine(const struct query_code *q, const struct row_factors *f,
                                   int32_t sum, float epsilon);

/* Margins per unit of coarse_e and middle_e at `epsilon` standard deviations. */
float code_coarse_margin(const struct query_code *q, float epsilon);
float code_middle_margin(const struct query_code *q, float epsilon);

/* The estimate from the coarse sums of the sign and of the first plane. */
float code_estimate_middle(const struct query_code *q, const struct row_factors *f,
                           int32_t sign_sum, int32_t plane_sum);

#endif
