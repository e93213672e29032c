/* The loops that coding a row spends its time in. Private; included by the kernel files only, which
 * compile them with their own flags: plain C that the compiler vectorises. Sums run over LOOP_LANES
 * partial sums in a fixed order and nothing is contracted to fused operations (-ffp-contract=off), so
 * every level makes the same codes, bit for bit. Lengths are multiples of LOOP_LANES. */
#ifndef VINDEX_ROW_LOOPS_H
#define VINDEX_ROW_LOOPS_H

#include <math.h>
#include <string.h>

#include "kernels.h"

enum { LOOP_LANES = 16 };

static inline float loop_total(const float *lanes)
{
    float sum[4] = { 0, 0, 0, 0 };
    for (size_t i = 0; i < LOOP_LANES; i++)
        sum[i % 4] += lanes[i];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

typedef float loop_quad __attribute__((vector_size(16)));

/* Strides 1 and 2, inside four values. */
static inline loop_quad loop_inside(loop_quad v)
{
    static const loop_quad one = { 1, -1, 1, -1 }, two = { 1, 1, -1, -1 };
    v = __builtin_shufflevector(v, v, 1, 0, 3, 2) + v * one;
    return __builtin_shufflevector(v, v, 2, 3, 0, 1) + v * two;
}

/* Strides 1, 2, 4 and 8 of 16 values. */
static inline void loop_hadamard_16(float *values)
{
    loop_quad v[4];
    memcpy(v, values, sizeof v);
    for (size_t i = 0; i < 4; i++)
        v[i] = loop_inside(v[i]);
    const loop_quad a = v[0] + v[1], b = v[0] - v[1], c = v[2] + v[3], d = v[2] - v[3];
    v[0] = a + c;
    v[1] = b + d;
    v[2] = a - c;
    v[3] = b - d;
    memcpy(values, v, sizeof v);
}

/* Strides `stride` and 2 * `stride` of 4 * stride values. */
static inline void loop_hadamard_two(float *values, size_t stride)
{
    float *restrict v0 = values, *restrict v1 = values + stride, *restrict v2 = v1 + stride,
                    *restrict v3 = v2 + stride;
    for (size_t i = 0; i < stride; i++) {
        const float a = v0[i] + v1[i], b = v0[i] - v1[i], c = v2[i] + v3[i], d = v2[i] - v3[i];
        v0[i] = a + c;
        v1[i] = b + d;
        v2[i] = a - c;
        v3[i] = b - d;
    }
}

static inline void loop_hadamard_one(float *values, size_t stride)
{
    float *restrict low = values, *restrict high = values + stride;
    for (size_t i = 0; i < stride; i++) {
        const float a = low[i], b = high[i];
        low[i] = a + b;
        high[i] = a - b;
    }
}

/* n is a power of two, at least 64. Lengths are kept. Two strides at a time: half the traffic. */
static inline void loop_hadamard(float *values, size_t n)
{
    for (size_t i = 0; i < n; i += 16)
        loop_hadamard_16(values + i);
    size_t stride = 16;
    for (; stride * 4 <= n; stride *= 4)
        for (size_t start = 0; start < n; start += 4 * stride)
            loop_hadamard_two(values + start, stride);
    if (stride < n)
        loop_hadamard_one(values, stride);
    const float scale = 1.0f / sqrtf((float)n);
    for (size_t i = 0; i < n; i++)
        values[i] *= scale;
}

/* 0 <= cell < 16 of value / step on the grid of sixteen points */
static inline float loop_cell(float value, float inverse)
{
    float cell = value * inverse + 8.0f;
    cell = cell < 0.0f ? 0.0f : cell;
    return cell > 15.0f ? 15.0f : cell;
}

static inline struct grid_fit loop_fit(const float *r, size_t n, float inverse)
{
    float dot[LOOP_LANES] = { 0 }, norm2[LOOP_LANES] = { 0 };
    for (size_t i = 0; i < n; i += LOOP_LANES)
        for (size_t j = 0; j < LOOP_LANES; j++) {
            const float x = (float)(int32_t)loop_cell(r[i + j], inverse) - 7.5f;
            dot[j] += x * r[i + j];
            norm2[j] += x * x;
        }
    return (struct grid_fit){ loop_total(dot), loop_total(norm2) };
}

/* Bit i of the answer is bit `bit` of the i-th byte of `bytes`. */
static inline uint64_t loop_gather(uint64_t bytes, unsigned bit)
{
    return (bytes >> bit & 0x0101010101010101u) * 0x0102040810204080u >> 56;
}

static inline struct plane_sums loop_pack(const float *r, size_t words, float inverse,
                                          uint64_t *sign, uint64_t *planes)
{
    float sign_sum[LOOP_LANES] = { 0 }, plane_sum[LOOP_LANES] = { 0 };
    int32_t both = 0;
    for (size_t word = 0; word < words; word++, r += WORD_BITS) {
        uint8_t cells[WORD_BITS];
        for (size_t i = 0; i < WORD_BITS; i += LOOP_LANES)
            for (size_t j = 0; j < LOOP_LANES; j++) {
                const int32_t cell = (int32_t)loop_cell(r[i + j], inverse);
                cells[i + j] = (uint8_t)cell;
                sign_sum[j] += r[i + j] * (float)((cell >> 3) * 2 - 1);
                plane_sum[j] += r[i + j] * (float)((cell >> 2 & 1) * 2 - 1);
            }
        uint64_t bits[FINE_BITS] = { 0 };
        for (size_t i = 0; i < WORD_BITS; i += 8) {
            uint64_t bytes;
            memcpy(&bytes, cells + i, sizeof bytes);
            for (unsigned b = 0; b < FINE_BITS; b++)
                bits[b] |= loop_gather(bytes, b) << i;
        }
        sign[word] = bits[3];
        planes[word] = bits[2];
        planes[words + word] = bits[1];
        planes[2 * words + word] = bits[0];
        both += WORD_BITS - 2 * __builtin_popcountll(bits[3] ^ bits[2]);
    }
    return (struct plane_sums){ loop_total(sign_sum), loop_total(plane_sum), both };
}

/* a . b for any n, in float */
static inline float loop_dot(const float *a, const float *b, size_t n)
{
    float lanes[LOOP_LANES] = { 0 };
    size_t i = 0;
    for (; i + LOOP_LANES <= n; i += LOOP_LANES)
        for (size_t j = 0; j < LOOP_LANES; j++)
            lanes[j] += a[i + j] * b[i + j];
    for (size_t j = 0; i + j < n; j++)
        lanes[j] += a[i + j] * b[i + j];
    return loop_total(lanes);
}

/* The four entries of the table of a level. */
#define ROW_LOOPS                                                                                  \
    static void row_hadamard(float *values, size_t n)                                              \
    {                                                                                              \
        loop_hadamard(values, n);                                                                  \
    }                                                                                              \
    static struct grid_fit row_fit(const float *r, size_t n, float inverse)                        \
    {                                                                                              \
        return loop_fit(r, n, inverse);                                                            \
    }                                                                                              \
    static struct plane_sums row_pack(const float *r, size_t words, float inverse, uint64_t *sign, \
                                      uint64_t *planes)                                            \
    {                                                                                              \
        return loop_pack(r, words, inverse, sign, planes);                                         \
    }                                                                                              \
    static float row_dot(const float *a, const float *b, size_t n)                                 \
    {                                                                                              \
        return loop_dot(a, b, n);                                                                  \
    }

#define ROW_LOOPS_ENTRIES \
    .row_hadamard = row_hadamard, .row_fit = row_fit, .row_pack = row_pack, .row_dot = row_dot

#endif
