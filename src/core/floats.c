/* NaN and infinities are those whose exponent bits are all set. The first loop has no branch, so
 * that compilers vectorise it; only a vector that is refused anyway is walked twice. */
#include "floats.h"

#include <stdint.h>
#include <string.h>

static uint32_t bits_of(const float *v)
{
    uint32_t bits;
    memcpy(&bits, v, sizeof bits);
    return bits;
}

static int is_bad(uint32_t bits)
{
    return (bits & 0x7f800000u) == 0x7f800000u;
}

size_t floats_first_bad(const float *v, size_t n)
{
    int bad = 0;
    for (size_t i = 0; i < n; i++)
        bad |= is_bad(bits_of(v + i));
    if (!bad)
        return n;
    size_t first = 0;
    while (!is_bad(bits_of(v + first)))
        first++;
    return first;
}

int floats_all_zero(const float *v, size_t n)
{
    uint32_t any = 0;
    for (size_t i = 0; i < n; i++)
        any |= bits_of(v + i) & 0x7fffffffu; /* -0 is zero too */
    return !any;
}

/* The exponent is moved from a bias of 127 to 15. Below 2^-14 the result has no exponent, and the
 * mantissa with its hidden bit is shifted into place. Rounding may carry into the exponent, which is
 * what it should do. */
static uint32_t half_of(uint32_t bits)
{
    const uint32_t sign = bits >> 16 & 0x8000u, rest = bits & 0x7fffffffu;
    uint32_t mantissa, shift = 13;
    if (rest > 0x7f800000u)
        return sign | 0x7e00u;
    if (rest >= 0x47800000u) /* 65536 */
        return sign | 0x7c00u;
    if (rest >= 0x38800000u) { /* 2^-14 */
        mantissa = rest - 0x38000000u;
    } else {
        shift = 126 - (rest >> 23);
        if (shift > 24)
            return sign;
        mantissa = (rest & 0x7fffffu) | 0x800000u;
    }
    const uint32_t half = mantissa >> shift, lost = mantissa & ((1u << shift) - 1);
    const uint32_t middle = 1u << (shift - 1);
    return sign | (half + (lost > middle || (lost == middle && half & 1)));
}

void floats_to_half(const float *v, size_t n, unsigned char *out)
{
    for (size_t i = 0; i < n; i++) {
        const uint32_t half = half_of(bits_of(v + i));
        out[2 * i] = (unsigned char)half;
        out[2 * i + 1] = (unsigned char)(half >> 8);
    }
}
