/* Validation of UTF-8 by the table of well-formed sequences (Unicode 15.0, table 3-7): after the
 * lead byte only the second byte has a range of its own. Runs of ASCII go eight bytes a step. */
#include "utf8.h"

#include <stdint.h>
#include <string.h>

static int is_tail(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

/* The three-byte and four-byte forms: the range of the second byte depends on the first. */
static int long_sequence(const unsigned char *p, size_t left, size_t len)
{
    unsigned char low = 0x80, high = 0xbf;
    switch (p[0]) {
    case 0xe0: low = 0xa0; break;  /* no overlong forms */
    case 0xed: high = 0x9f; break; /* no surrogates */
    case 0xf0: low = 0x90; break;
    case 0xf4: high = 0x8f; break; /* nothing above U+10FFFF */
    default: break;
    }
    return left >= len && p[1] >= low && p[1] <= high && is_tail(p[2]) &&
           (len == 3 || is_tail(p[3]));
}

size_t utf8_sequence(const unsigned char *p, size_t left)
{
    const unsigned char c = p[0];
    if (c < 0x80)
        return 1;
    if (c < 0xc2)
        return 0;
    if (c < 0xe0)
        return left >= 2 && is_tail(p[1]) ? 2 : 0;
    if (c < 0xf0)
        return long_sequence(p, left, 3) ? 3 : 0;
    if (c < 0xf5)
        return long_sequence(p, left, 4) ? 4 : 0;
    return 0;
}

size_t utf8_valid_prefix(const void *data, size_t len)
{
    const unsigned char *p = data;
    size_t i = 0;
    while (i < len) {
        uint64_t word;
        if (len - i >= sizeof word) {
            memcpy(&word, p + i, sizeof word);
            if (!(word & UINT64_C(0x8080808080808080))) {
                i += sizeof word;
                continue;
            }
        }
        const size_t n = utf8_sequence(p + i, len - i);
        if (!n)
            return i;
        i += n;
    }
    return i;
}

size_t utf8_encode(unsigned c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | (c >> 6));
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | (c >> 12));
        out[1] = (char)(0x80 | ((c >> 6) & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | (c >> 18));
    out[1] = (char)(0x80 | ((c >> 12) & 0x3f));
    out[2] = (char)(0x80 | ((c >> 6) & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}
