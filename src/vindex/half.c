/* float16 (IEEE binary16), one value at a time and the public checks.
 *
 * Stored vectors of LightRAG's files are float16, little-endian. A value that float16 cannot hold is
 * refused, never clipped: 65520 is the first float that rounds to infinity. The bit arithmetic here
 * is the reference; the SIMD levels use F16C, which rounds the same way (to nearest, ties to even). */
#include <string.h>

#include "kernels.h"

#define FIRST_TOO_LARGE 65520.0f

float half_to_float(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    uint32_t exponent = (half >> 10) & 0x1fu;
    uint32_t mantissa = half & 0x3ffu;
    uint32_t bits;
    if (exponent == 0x1f) {
        bits = sign | 0x7f800000u | mantissa << 13;
    } else if (exponent != 0) {
        bits = sign | (exponent + 112) << 23 | mantissa << 13;
    } else if (mantissa == 0) {
        bits = sign;
    } else { /* denormal: shift up to an implicit one */
        exponent = 113;
        while (!(mantissa & 0x400u)) {
            mantissa <<= 1;
            exponent--;
        }
        bits = sign | exponent << 23 | (mantissa & 0x3ffu) << 13;
    }
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* value >> shift, rounded to nearest, ties to even; 1 <= shift <= 31 */
static uint32_t shift_rounded(uint32_t value, uint32_t shift)
{
    const uint32_t half_bit = 1u << (shift - 1);
    const uint32_t rest = value & ((half_bit << 1) - 1);
    uint32_t result = value >> shift;
    if (rest > half_bit || (rest == half_bit && (result & 1)))
        result++;
    return result;
}

uint16_t half_from_float(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    const uint32_t sign = (bits >> 16) & 0x8000u;
    const uint32_t magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u)
        return (uint16_t)(sign | 0x7e00u);
    if (magnitude >= 0x477ff000u) /* 65520 and more, infinity */
        return (uint16_t)(sign | 0x7c00u);
    if (magnitude >= 0x38800000u) /* normal: a carry out of the mantissa raises the exponent */
        return (uint16_t)(sign | (shift_rounded(magnitude, 13) - (112u << 10)));
    const uint32_t exponent = magnitude >> 23;
    if (exponent < 102) /* below half of the smallest denormal */
        return (uint16_t)sign;
    const uint32_t mantissa = (magnitude & 0x7fffffu) | 0x800000u;
    return (uint16_t)(sign | shift_rounded(mantissa, 126 - exponent));
}

size_t vindex_f16_fits(const float *src, size_t n)
{
    /* Whole blocks without a branch, then the exact place; NaN fails every comparison. */
    for (size_t start = 0; start < n; start += 256) {
        const size_t end = n - start < 256 ? n : start + 256;
        int bad = 0;
        for (size_t i = start; i < end; i++)
            bad |= !(src[i] < FIRST_TOO_LARGE && src[i] > -FIRST_TOO_LARGE);
        for (size_t i = start; bad && i < end; i++)
            if (!(src[i] < FIRST_TOO_LARGE && src[i] > -FIRST_TOO_LARGE))
                return i;
    }
    return n;
}

size_t vindex_f16_from_f32(const float *src, size_t n, void *dst)
{
    const size_t fits = vindex_f16_fits(src, n);
    kernels_get()->f16_from_f32(src, fits, dst);
    return fits;
}

void vindex_f16_to_f32(const void *src, size_t n, float *dst)
{
    kernels_get()->f16_to_f32(src, n, dst);
}

size_t vindex_f32_finite(const float *src, size_t n)
{
    for (size_t start = 0; start < n; start += 256) {
        const size_t end = n - start < 256 ? n : start + 256;
        float probe = 0; /* 0 * x is 0 for every finite x and NaN for the rest */
        for (size_t i = start; i < end; i++)
            probe += 0.0f * src[i];
        for (size_t i = start; probe != 0.0f && i < end; i++)
            if (0.0f * src[i] != 0.0f)
                return i;
    }
    return n;
}
