/* Random rotation by sign flips and fast Hadamard transforms.
 *
 * What the codes need of it: that the error of a code points in a random direction, whatever the
 * data look like (a few large dimensions, correlated ones, mostly zeros). Three rounds of random
 * signs and a Hadamard transform do that in padded * log2(padded) additions. When the padded
 * dimension is no power of two, each round transforms the largest power of two from the front and
 * then from the back; the overlap mixes the two, and 384 dimensions stay 384 instead of 512. The
 * signs are part of the file format: they follow from the seed by splitmix64, bit by bit. */
#include "rotate.h"

#include "kernels.h"

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

void rotate_apply(const float *signs, size_t padded, float *values)
{
    const struct kernels *k = kernels_get();
    size_t power = 64;
    while (power * 2 <= padded)
        power *= 2;
    for (size_t round = 0; round < ROTATE_ROUNDS; round++) {
        const float *sign = signs + round * padded;
        for (size_t i = 0; i < padded; i++)
            values[i] *= sign[i];
        k->row_hadamard(values, power);
        if (power != padded)
            k->row_hadamard(values + (padded - power), power);
    }
}
