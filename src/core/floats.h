/* Checks of float vectors that do not need the vector kernels. */
#ifndef CORE_FLOATS_H
#define CORE_FLOATS_H

#include <stddef.h>

/* Index of the first NaN or infinity, or n. */
size_t floats_first_bad(const float *v, size_t n);
int floats_all_zero(const float *v, size_t n);

/* Round to float16, little-endian: to the nearest, ties to even; what is too large becomes infinite. A
 * plain loop: vindex has the fast one. */
void floats_to_half(const float *v, size_t n, unsigned char *out);

#endif
