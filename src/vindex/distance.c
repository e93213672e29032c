/* Exact distances, in the units of a search: larger is nearer.
 *
 * A query is checked and measured once; a row is scored in one pass over its bytes, which under
 * cosine also gives the length of the row, so rows are stored as they came and never normalised. */
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "kernels.h"

float vindex_dot_f32(const float *query, const void *row, size_t n)
{
    return kernels_get()->dot_f32(query, row, n);
}

float vindex_dot_f16(const float *query, const void *row, size_t n)
{
    return kernels_get()->dot_f16(query, row, n);
}

float vindex_l2sq_f32(const float *query, const void *row, size_t n)
{
    return kernels_get()->l2sq_f32(query, row, n);
}

float vindex_l2sq_f16(const float *query, const void *row, size_t n)
{
    return kernels_get()->l2sq_f16(query, row, n);
}

/* The norm is the root of the dot_norm kernels' second answer; any readable query will do, and the
 * row itself is one only when it is float32 and aligned. */
static double norm2_of(const void *row, size_t n, int is_half)
{
    static const float zeros[256];
    const struct kernels *k = kernels_get();
    const size_t width = is_half ? 2 : 4;
    double sum = 0;
    for (size_t i = 0; i < n; i += 256) {
        const size_t part = n - i < 256 ? n - i : 256;
        const char *at = (const char *)row + i * width;
        float norm2 = 0;
        (void)(is_half ? k->dot_norm_f16 : k->dot_norm_f32)(zeros, at, part, &norm2);
        sum += norm2;
    }
    return sum;
}

float vindex_norm_f32(const void *row, size_t n)
{
    return (float)sqrt(norm2_of(row, n, 0));
}

float vindex_norm_f16(const void *row, size_t n)
{
    return (float)sqrt(norm2_of(row, n, 1));
}

rag_status vindex_query_init(vindex_query *query, vindex_metric metric, const float *vector,
                             uint32_t dim, rag_error *err)
{
    if (metric != VINDEX_COSINE && metric != VINDEX_DOT && metric != VINDEX_L2)
        return rag_fail(err, RAG_E_INVALID, "metric %d is not known", (int)metric);
    if (dim == 0 || dim > VINDEX_DIM_MAX)
        return rag_fail(err, RAG_E_INVALID, "dimension %u is not between 1 and %d", dim,
                        VINDEX_DIM_MAX);
    const size_t bad = vindex_f32_finite(vector, dim);
    if (bad < dim)
        return rag_fail(err, RAG_E_INVALID, "element %zu of the query vector is %g", bad,
                        (double)vector[bad]);
    const float norm = vindex_norm_f32(vector, dim);
    if (!isfinite(norm))
        return rag_fail(err, RAG_E_INVALID, "the query vector is too long for float32");
    if (metric == VINDEX_COSINE && !(norm > 0))
        return rag_fail(err, RAG_E_INVALID, "the query vector has length zero");
    *query = (vindex_query){ vector, dim, metric, norm };
    return RAG_OK;
}

static float clip(double score)
{
    return score > 1 ? 1.0f : score < -1 ? -1.0f : (float)score;
}

/* For rows whose squares leave the range of float: in double, which holds them. Rare, so slow. */
static float cosine_of_extreme(const vindex_query *q, const void *row)
{
    double dot = 0, norm2 = 0;
    for (uint32_t i = 0; i < q->dim; i++) {
        float x;
        memcpy(&x, (const char *)row + i * sizeof x, sizeof x);
        dot += (double)x * q->vector[i];
        norm2 += (double)x * x;
    }
    return norm2 > 0 ? clip(dot / ((double)q->norm * sqrt(norm2))) : NAN;
}

static float cosine(float dot, float query_norm, float norm2)
{
    return norm2 > 0 ? clip((double)dot / ((double)query_norm * sqrt((double)norm2))) : NAN;
}

float vindex_score_f32(const vindex_query *q, const void *row)
{
    const struct kernels *k = kernels_get();
    if (q->metric == VINDEX_DOT)
        return k->dot_f32(q->vector, row, q->dim);
    if (q->metric == VINDEX_L2)
        return -k->l2sq_f32(q->vector, row, q->dim);
    float norm2 = 0;
    const float dot = k->dot_norm_f32(q->vector, row, q->dim, &norm2);
    if (!(norm2 > 1e-30f && norm2 < 1e36f && fabsf(dot) < 1e36f))
        return cosine_of_extreme(q, row);
    return cosine(dot, q->norm, norm2);
}

float vindex_score_f16(const vindex_query *q, const void *row)
{
    const struct kernels *k = kernels_get();
    if (q->metric == VINDEX_DOT)
        return k->dot_f16(q->vector, row, q->dim);
    if (q->metric == VINDEX_L2)
        return -k->l2sq_f16(q->vector, row, q->dim);
    float norm2 = 0;
    const float dot = k->dot_norm_f16(q->vector, row, q->dim, &norm2);
    return cosine(dot, q->norm, norm2);
}
