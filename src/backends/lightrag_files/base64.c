/* Base64 by four tables of 256 words: one load and one "or" for each character, one test for each
 * group of four. A character outside of the alphabet sets a bit above the 24 that count; "or" keeps
 * it, so whole groups are tested at once and the culprit is looked for only afterwards. */
#include "base64.h"

#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#define BAD ((uint32_t)1 << 31)

void base64_init(struct base64 *b)
{
    for (unsigned place = 0; place < 4; place++) {
        for (unsigned c = 0; c < 256; c++)
            b->bits[place][c] = BAD;
        for (uint32_t i = 0; i < 64; i++)
            b->bits[place][(unsigned char)alphabet[i]] = i << (18 - 6 * place);
    }
}

static uint32_t group(const struct base64 *b, const unsigned char *p)
{
    return b->bits[0][p[0]] | b->bits[1][p[1]] | b->bits[2][p[2]] | b->bits[3][p[3]];
}

static void store(unsigned char *out, uint32_t bits)
{
    out[0] = (unsigned char)(bits >> 16);
    out[1] = (unsigned char)(bits >> 8);
    out[2] = (unsigned char)bits;
}

static size_t first_bad(const struct base64 *b, const unsigned char *p, size_t n)
{
    size_t i = 0;
    while (i < n && b->bits[0][p[i]] != BAD)
        i++;
    return i;
}

/* The last group, with its padding. Number of bytes, or 0 and *bad. */
static size_t last_group(const struct base64 *b, const unsigned char *p, unsigned char *out,
                         size_t *bad)
{
    const size_t letters = p[3] != '=' ? 4 : p[2] != '=' ? 3 : 2;
    unsigned char whole[4] = { 'A', 'A', 'A', 'A' };
    memcpy(whole, p, letters);
    const uint32_t bits = group(b, whole);
    const uint32_t lost = letters == 4 ? 0 : letters == 3 ? 0xff : 0xffff;
    if (bits & BAD || bits & lost) {
        *bad = bits & BAD ? first_bad(b, p, letters) : letters - 1;
        return 0;
    }
    store(out, bits);
    return letters - 1;
}

int base64_decode(const struct base64 *b, const char *text, size_t len, unsigned char *out,
                  size_t *out_len, size_t *bad)
{
    const unsigned char *p = (const unsigned char *)text;
    const size_t groups = len / 4, plain = len && len % 4 == 0 ? groups - 1 : groups;
    for (size_t i = 0; i < plain; i++) {
        const uint32_t bits = group(b, p + 4 * i);
        if (bits & BAD) {
            *bad = 4 * i + first_bad(b, p + 4 * i, 4);
            return 0;
        }
        store(out + 3 * i, bits);
    }
    size_t got = 3 * plain;
    if (len % 4) {
        *bad = 4 * groups + first_bad(b, p + 4 * groups, len % 4);
        return 0;
    }
    if (len) {
        unsigned char last[3];
        size_t place = 0;
        const size_t n = last_group(b, p + 4 * plain, last, &place);
        if (!n) {
            *bad = 4 * plain + place;
            return 0;
        }
        memcpy(out + got, last, n);
        got += n;
    }
    *out_len = got;
    return 1;
}

size_t base64_encode(const unsigned char *data, size_t len, char *out)
{
    char *p = out;
    for (size_t i = 0; i < len; i += 3, p += 4) {
        const size_t left = len - i;
        uint32_t bits = (uint32_t)data[i] << 16;
        bits |= left > 1 ? (uint32_t)data[i + 1] << 8 : 0;
        bits |= left > 2 ? data[i + 2] : 0;
        p[0] = alphabet[bits >> 18];
        p[1] = alphabet[bits >> 12 & 63];
        p[2] = left > 1 ? alphabet[bits >> 6 & 63] : '=';
        p[3] = left > 2 ? alphabet[bits & 63] : '=';
    }
    return (size_t)(p - out);
}
