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
