/* Random rotation by sign flips and fast Hadamard transforms.
 *
 * What the codes need of it: that the error of a code points in a random direction, whatever the
 * data look like (a few large dimensions, correlated ones, mostly zeros). Three rounds of random
 * signs and a Hadamard transform do that in padded * log2(padded) additions. When the padded
 * dimension is no power of two, each round transforms the largest power of two from the front and
 * then from the back; the overlap mixes the two, and 384 dimensions stay 384 instead of 512. The
 * signs are part of the file format: they follow from the seed by splitmix64, bit by bit. */
#include "rotate.h"

#include <math.h>

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

void rotate_signs(uint64_t seed, size_t padded, float *signs)
{
    uint64_t state = seed, bits = 0;
    for (size_t i = 0; i < ROTATE_SIGNS(padded); i++) {
        if (i % 64 == 0)
            bits = splitmix64(&state);
        signs[i] = bits >> (i % 64) & 1 ? 1.0f : -1.0f;
    }
}

/* n is a power of two, at least 8. */
static void hadamard(float *values, size_t n)
{
    for (size_t i = 0; i < n; i += 4) { /* the two shortest strides at once */
        float *v = values + i;
        const float a = v[0] + v[1], b = v[0] - v[1], c = v[2] + v[3], d = v[2] - v[3];
        v[0] = a + c;
        v[1] = b + d;
        v[2] = a - c;
        v[3] = b - d;
    }
    for (size_t half = 4; half < n; half *= 2)
        for (size_t start = 0; start < n; start += 2 * half) {
            float *restrict low = values + start, *restrict high = low + half;
            for (size_t i = 0; i < half; i++) {
                const float a = low[i], b = high[i];
                low[i] = a + b;
                high[i] = a - b;
            }
        }
    const float scale = 1.0f / sqrtf((float)n);
    for (size_t i = 0; i < n; i++)
        values[i] *= scale;
}

void rotate_apply(const float *signs, size_t padded, float *values)
{
    size_t power = 64;
    while (power * 2 <= padded)
        power *= 2;
    for (size_t round = 0; round < ROTATE_ROUNDS; round++) {
        const float *sign = signs + round * padded;
        for (size_t i = 0; i < padded; i++)
            values[i] *= sign[i];
        hadamard(values, power);
        if (power != padded)
            hadamard(values + (padded - power), power);
    }
}
