/* Codes: what a row is reduced to, and how a query meets it.
 *
 * A rotated row r is kept as x, its nearest point on a grid: two points for the coarse code
 * (the signs), sixteen equally spaced ones for the fine code, whose top bit is the sign; the two top
 * bits of it make a middle code of four points. <r, q'> is
 * estimated by <x, q'> * |r|^2 / <x, r>, which is unbiased because the rotation is random: the part
 * of x that is not along r points anywhere. With w = cos(x, r), the error has the standard
 * deviation |r| * sqrt(1 - w^2) / w / sqrt(D - 1) * |q' without its part along r|; all of it but the
 * query's share is computed once per row and stored. The idea is published as RaBitQ; the choice of
 * grid, of the centring and of the margins is measured in docs/decisions/0010-vector-codes.md.
 *
 * The query is quantised too: to -7..7 for the coarse and middle codes (bit planes or a table), to -127..127
 * for the fine ones. Its known error is added to the variance. */
#include "code.h"

#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "rotate.h"

enum { CACHE_LINE = 64, LANES = 16 };

/* 1 - w^2 of a typical row, rounded down so that the query's own error is rather over-stated. */
#define COARSE_SPREAD 0.35f
#define MIDDLE_SPREAD 0.13f
#define FINE_SPREAD 0.0100f

/* The sign and the next bit make four points: +-(1 + weight) and +-(1 - weight) times a scale. For a
 * normal variable cut at 0 and at 4 * 0.335 deviations, the means of the four parts are +-0.577 and
 * +-1.804: weight 0.516. */
#define PLANE_WEIGHT 0.516f
#define GOOD_W2 0.9875f

/* ---- rows ---------------------------------------------------------------------------------------- */

/* 1 / step of a grid that lies close to r in direction. The components of a rotated row are near
 * normal, for which 0.335 standard deviations is best and gives w^2 = 0.9885; a row for which it does
 * not is tried with a finer and a coarser one. */
static float best_grid(const float *r, size_t n, float norm2, struct grid_fit *best)
{
    static const float steps[] = { 0.335f, 0.30f, 0.37f };
    const float deviation = sqrtf(norm2 / (float)n);
    float best_inverse = 0, best_w2 = -1;
    for (size_t i = 0; i < sizeof steps / sizeof *steps && best_w2 < GOOD_W2; i++) {
        const float inverse = 1.0f / (steps[i] * deviation);
        const struct grid_fit fit = kernels_get()->row_fit(r, n, inverse);
        const float w2 = fit.dot * fit.dot / (fit.norm2 * norm2);
        if (w2 > best_w2) {
            best_w2 = w2;
            best_inverse = inverse;
            *best = fit;
        }
    }
    return best_inverse;
}

/* The factors b and e of a code with the given x . r and |x|^2. */
static void factors_of(struct grid_fit fit, float norm2, float dims, float *b, float *e)
{
    *b = norm2 / fit.dot;
    const float w2 = fit.dot * fit.dot / (fit.norm2 * norm2);
    const float rest = w2 < 1.0f ? 1.0f - w2 : 0.0f;
    *e = sqrtf(norm2 * rest / (w2 * (dims - 1.0f)));
}

void code_row(const float *rotated, size_t words, uint64_t *sign, uint64_t *planes,
              struct row_factors *f)
{
    const size_t n = words * WORD_BITS;
    const struct kernels *k = kernels_get();
    const float norm2 = k->row_dot(rotated, rotated, n);
    memset(sign, 0, words * sizeof *sign);
    memset(planes, 0, FINE_PLANES * words * sizeof *planes);
    f->coarse_b = f->coarse_e = f->middle_b = f->middle_e = f->fine_b = f->fine_e = 0;
    if (!isfinite(norm2)) { /* for the builder to refuse */
        f->coarse_b = NAN;
        return;
    }
    if (!(norm2 > 1e-30f)) /* the row is the mean: every estimate is exact without a code */
        return;
    struct grid_fit fine = { 0, 0 };
    const float inverse = best_grid(rotated, n, norm2, &fine);
    const struct plane_sums sums = k->row_pack(rotated, words, inverse, sign, planes);
    const struct grid_fit coarse = { sums.sign, (float)n };
    const struct grid_fit middle = { sums.sign + PLANE_WEIGHT * sums.plane,
                                     (float)n * (1 + PLANE_WEIGHT * PLANE_WEIGHT) +
                                         2 * PLANE_WEIGHT * (float)sums.both };
    factors_of(coarse, norm2, (float)n, &f->coarse_b, &f->coarse_e);
    factors_of(middle, norm2, (float)n, &f->middle_b, &f->middle_e);
    factors_of(fine, norm2, (float)n, &f->fine_b, &f->fine_e);
}

float code_centre(vindex_metric metric, const float *row, const float *mean, uint32_t dim,
                  size_t words, float *out)
{
    const struct kernels *k = kernels_get();
    float scale = 1;
    if (metric == VINDEX_COSINE) {
        const float norm = sqrtf(k->row_dot(row, row, dim));
        scale = norm > 0 && isfinite(norm) ? 1.0f / norm : 0.0f; /* scored by nobody either */
    }
    for (size_t i = 0; i < dim; i++)
        out[i] = row[i] * scale - mean[i];
    memset(out + dim, 0, (words * WORD_BITS - dim) * sizeof *out);
    return metric == VINDEX_L2 ? -k->row_dot(out, out, dim) : k->row_dot(out, mean, dim);
}

/* ---- queries ------------------------------------------------------------------------------------- */

/* q' into `out`, the constants into *code. */
static void centre_query(const vindex_query *query, const float *mean, struct query_code *code,
                         float *out)
{
    const size_t dim = query->dim;
    const double scale = query->metric == VINDEX_COSINE ? 1.0 / (double)query->norm : 1.0;
    double along = 0, mean2 = 0;
    for (size_t i = 0; i < dim; i++) {
        along += scale * (double)query->vector[i] * mean[i];
        mean2 += (double)mean[i] * mean[i];
    }
    const double factor = query->metric == VINDEX_L2 ? 1.0 : mean2 > 0 ? along / mean2 : 0.0;
    double norm2 = 0;
    for (size_t i = 0; i < dim; i++) {
        const double value = scale * (double)query->vector[i] - factor * (double)mean[i];
        out[i] = (float)value;
        norm2 += value * value;
    }
    memset(out + dim, 0, (code->bits.words * WORD_BITS - dim) * sizeof *out);
    code->mean_factor = (float)factor;
    code->constant = (float)(query->metric == VINDEX_L2 ? -norm2 : along);
    code->gain = query->metric == VINDEX_L2 ? 2.0f : 1.0f;
    code->norm2 = (float)norm2;
}

/* Round values / step to -limit..limit; returns the squared error. Adding and taking away 1.5 * 2^23
 * rounds to the nearest integer in a way that compilers vectorise. n is a multiple of LANES. */
static float round_all(const float *values, size_t n, float step, float limit, int8_t *out)
{
    const float inverse = 1.0f / step, rounder = 12582912.0f;
    float errors[LANES] = { 0 }, error = 0;
    for (size_t i = 0; i < n; i += LANES)
        for (size_t j = 0; j < LANES; j++) {
            float cell = (values[i + j] * inverse + rounder) - rounder;
            cell = cell < -limit ? -limit : cell;
            cell = cell > limit ? limit : cell;
            const float miss = values[i + j] - cell * step;
            errors[j] += miss * miss;
            out[i + j] = (int8_t)cell;
        }
    for (size_t j = 0; j < LANES; j++)
        error += errors[j];
    return error;
}

/* Quantise with the step of least error. On a coarse grid, clipping a few large values makes the
 * rest finer; on a fine one it never pays. */
static float quantise(const float *values, size_t n, int limit, int8_t *out, float *error)
{
    static const float clips[] = { 1.0f, 0.85f, 0.7f };
    const size_t tries = limit < FINE_MAX ? sizeof clips / sizeof *clips : 1;
    float largest = 0;
    for (size_t i = 0; i < n; i++) {
        const float size = fabsf(values[i]);
        largest = size > largest ? size : largest;
    }
    *error = 0;
    memset(out, 0, n);
    if (!(largest > 1e-18f))
        return 0;
    float best_step = 0, best_error = INFINITY;
    for (size_t i = 0; i < tries; i++) {
        const float step = largest * clips[i] / (float)limit;
        const float e = round_all(values, n, step, (float)limit, out);
        if (e < best_error) {
            best_error = e;
            best_step = step;
        }
    }
    *error = round_all(values, n, best_step, (float)limit, out);
    return best_step;
}

static int32_t sum_of(const int8_t *values, size_t n)
{
    int32_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += values[i];
    return sum;
}

/* The coarse query as bit planes, two's complement of COARSE_PLANES bits. */
static void make_planes(const int8_t *coarse, size_t n, uint64_t *planes, size_t stride)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < COARSE_PLANES; j++)
            planes[j * stride + i / WORD_BITS] |= (uint64_t)((uint8_t)coarse[i] >> j & 1)
                                                  << (i % WORD_BITS);
}

/* Per byte of code: the sum over the bits of each of its values; at most 8 * 7 either way. */
static void make_table(const int8_t *coarse, size_t n, int8_t *table)
{
    for (size_t i = 0; i < n; i += 8, table += TABLE_ENTRIES) {
        table[0] = 0;
        for (size_t bit = 0; bit < 8; bit++)
            for (size_t low = 0; low < (size_t)1 << bit; low++)
                table[((size_t)1 << bit) + low] = (int8_t)(table[low] + coarse[i + bit]);
    }
}

struct query_memory {
    float *rotated;
    int8_t *coarse, *fine, *table;
    uint64_t *planes;
    size_t stride;
};

/* One allocation, cut up: all parts zeroed and on cache lines. */
static rag_status take_memory(size_t words, int table, void **memory, struct query_memory *parts,
                              rag_error *err)
{
    const size_t n = words * WORD_BITS;
    const size_t stride = (words + 7) & ~(size_t)7;
    const size_t floats = n * sizeof(float), planes = COARSE_PLANES * stride * sizeof(uint64_t);
    const size_t table_size = table ? words * 8 * TABLE_ENTRIES : 0;
    char *base = rag_alloc_zeroed(1, floats + planes + 2 * n + table_size + CACHE_LINE);
    if (!base)
        return rag_fail_memory(err);
    *memory = base;
    char *at = base + (CACHE_LINE - (uintptr_t)base % CACHE_LINE);
    parts->rotated = (float *)(void *)at;
    parts->planes = (uint64_t *)(void *)(at + floats);
    parts->coarse = (int8_t *)(at + floats + planes);
    parts->fine = parts->coarse + n;
    parts->table = table ? parts->fine + n : NULL;
    parts->stride = stride;
    return RAG_OK;
}

rag_status code_query(const vindex_query *query, const float *mean, const float *signs,
                      struct query_code *out, rag_error *err)
{
    const size_t words = CODE_WORDS(query->dim), n = words * WORD_BITS;
    const int table = kernels_get()->needs_table;
    struct query_code code = { .bits.words = words };
    struct query_memory parts = { 0 };
    RAG_TRY(take_memory(words, table, &code.memory, &parts, err));
    centre_query(query, mean, &code, parts.rotated);
    rotate_apply(signs, n, parts.rotated);

    float error = 0;
    const float coarse_step = quantise(parts.rotated, n, COARSE_MAX, parts.coarse, &error);
    code.coarse_error = error / COARSE_SPREAD;
    code.middle_error = error / MIDDLE_SPREAD;
    code.coarse_scale = code.gain * coarse_step;
    code.coarse_sum = (float)sum_of(parts.coarse, n);
    const float fine_step = quantise(parts.rotated, n, FINE_MAX, parts.fine, &error);
    code.fine_error = error / FINE_SPREAD;
    code.fine_scale = code.gain * fine_step;
    code.fine_offset = 7.5f * (float)sum_of(parts.fine, n);

    if (table)
        make_table(parts.coarse, n, parts.table);
    else
        make_planes(parts.coarse, n, parts.planes, parts.stride);
    for (size_t j = 0; j < COARSE_PLANES; j++)
        code.bits.planes[j] = parts.planes + j * parts.stride;
    code.bits.table = parts.table;
    code.bits.fine = parts.fine;
    *out = code;
    return RAG_OK;
}

void code_query_free(struct query_code *code)
{
    rag_free(code->memory);
    code->memory = NULL;
}

/* ---- estimates ----------------------------------------------------------------------------------- */

float code_coarse_margin(const struct query_code *q, float epsilon)
{
    return epsilon * q->gain * sqrtf(q->norm2 + q->coarse_error);
}

float code_middle_margin(const struct query_code *q, float epsilon)
{
    return epsilon * q->gain * sqrtf(q->norm2 + q->middle_error);
}

float code_estimate_middle(const struct query_code *q, const struct row_factors *f,
                           int32_t sign_sum, int32_t plane_sum)
{
    const float sign = 2 * (float)sign_sum - q->coarse_sum;
    const float plane = 2 * (float)plane_sum - q->coarse_sum;
    return q->constant + q->mean_factor * f->a +
           f->middle_b * q->coarse_scale * (sign + PLANE_WEIGHT * plane);
}

struct estimate code_estimate_fine(const struct query_code *q, const struct row_factors *f,
                                   int32_t sum, float epsilon)
{
    const float product = f->fine_b * q->fine_scale * ((float)sum - q->fine_offset);
    const float score = q->constant + q->mean_factor * f->a + product;
    /* |r|^2 follows from the coarse factors. What the query has along r makes no error. */
    const float dims = (float)(q->bits.words * WORD_BITS);
    const float norm2 =
        fmaxf(dims * f->coarse_b * f->coarse_b - (dims - 1.0f) * f->coarse_e * f->coarse_e, 1e-30f);
    const float along = product / q->gain;
    const float across = fmaxf(q->norm2 - along * along / norm2, 5e-4f * q->norm2);
    /* Float rounding of the terms, here and in the caller's exact score. */
    const float slack = 4e-6f * (fabsf(q->constant) + fabsf(q->mean_factor * f->a) +
                                 q->gain * sqrtf(q->norm2 * norm2));
    return (struct estimate){ score, epsilon * q->gain * f->fine_e * sqrtf(across + q->fine_error) +
                                         slack };
}
