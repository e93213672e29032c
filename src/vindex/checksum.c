/* XXH64, written from the public description of the algorithm (seed 0).
 *
 * Chosen because it runs near memory speed in plain C, 64 bits leave no room for chance, and other
 * tools can compute it. It guards against damage, not against an adversary. */
#include <string.h>

#include "vindex.h"

static const uint64_t PRIME_1 = 0x9E3779B185EBCA87u, PRIME_2 = 0xC2B2AE3D27D4EB4Fu,
                      PRIME_3 = 0x165667B19E3779F9u, PRIME_4 = 0x85EBCA77C2B2AE63u,
                      PRIME_5 = 0x27D4EB2F165667C5u;

static uint64_t rotate_left(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

static uint64_t read_u64(const uint8_t *p)
{
    uint64_t value;
    memcpy(&value, p, sizeof value);
    return value;
}

static uint64_t mix_round(uint64_t lane, uint64_t input)
{
    return rotate_left(lane + input * PRIME_2, 31) * PRIME_1;
}

static uint64_t merge(uint64_t hash, uint64_t lane)
{
    return (hash ^ mix_round(0, lane)) * PRIME_1 + PRIME_4;
}

static uint64_t long_part(const uint8_t **data, const uint8_t *end)
{
    uint64_t a = PRIME_1 + PRIME_2, b = PRIME_2, c = 0, d = 0 - PRIME_1;
    const uint8_t *p = *data;
    for (; end - p >= 32; p += 32) {
        a = mix_round(a, read_u64(p));
        b = mix_round(b, read_u64(p + 8));
        c = mix_round(c, read_u64(p + 16));
        d = mix_round(d, read_u64(p + 24));
    }
    *data = p;
    uint64_t hash = rotate_left(a, 1) + rotate_left(b, 7) + rotate_left(c, 12) + rotate_left(d, 18);
    hash = merge(hash, a);
    hash = merge(hash, b);
    hash = merge(hash, c);
    return merge(hash, d);
}

uint64_t vindex_checksum(const void *data, size_t len)
{
    const uint8_t *p = len ? data : (const uint8_t *)"", *const end = p + len;
    uint64_t hash = len >= 32 ? long_part(&p, end) : PRIME_5;
    hash += len;
    for (; end - p >= 8; p += 8)
        hash = rotate_left(hash ^ mix_round(0, read_u64(p)), 27) * PRIME_1 + PRIME_4;
    if (end - p >= 4) {
        uint32_t word;
        memcpy(&word, p, sizeof word);
        hash = rotate_left(hash ^ word * PRIME_1, 23) * PRIME_2 + PRIME_3;
        p += 4;
    }
    for (; p < end; p++)
        hash = rotate_left(hash ^ *p * PRIME_5, 11) * PRIME_1;
    hash = (hash ^ hash >> 33) * PRIME_2;
    hash = (hash ^ hash >> 29) * PRIME_3;
    return hash ^ hash >> 32;
}
