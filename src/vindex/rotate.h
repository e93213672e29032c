/* Random rotation of a vector, the same for the same seed on every machine. Private. */
#ifndef VINDEX_ROTATE_H
#define VINDEX_ROTATE_H

#include <stddef.h>
#include <stdint.h>

enum { ROTATE_ROUNDS = 3 };

/* Numbers of floats that hold the signs of a rotation of `padded` dimensions. */
#define ROTATE_SIGNS(padded) ((size_t)ROTATE_ROUNDS * (padded))

/* Fill ROTATE_SIGNS(padded) floats with +1 and -1 out of the seed. */
void rotate_signs(uint64_t seed, size_t padded, float *signs);

/* Rotate `padded` floats in place; padded is a multiple of 64. Lengths are kept. */
void rotate_apply(const float *signs, size_t padded, float *values);

#endif
