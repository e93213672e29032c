/* Folding of case by Unicode's simple lower case mapping, from utf8proc's tables.
 *
 * Why lower case and not case folding proper: LightRAG compares str.lower() of both sides, and what
 * is found here has to be what it finds. Why by code point: the mapping then keeps the number of
 * characters, on which scores depend, and needs no context; str.lower() differs only in U+0130 (two
 * characters there) and in the sigma at the end of a word, which is therefore folded to the usual
 * one on both sides. fold_text() works on whole blocks of labels at a time. Nearly all text is ASCII
 * or of a script without case, so it first writes the block with ASCII letters lowered, many bytes a
 * step, and notes whether anything needs the tables. Then other letters are lowered where they
 * stand; the few whose lower case is longer or shorter make it begin again, slowly. Lead bytes 0xe3 to 0xe9 and 0xeb to 0xed stand for U+3000 to U+9FFF
 * and U+B000 to U+DFFF: kana, Han and Hangul, where nothing has case. */
#include "fold.h"

#include <pthread.h>
#include <string.h>
#include <utf8proc.h>

#include "slice.h"
#include "utf8.h"

/* 1 for a byte that begins a character which may have another lower case. */
static inline unsigned is_cased_lead(unsigned char c)
{
    const unsigned caseless = (c >= 0xe3) & (c <= 0xed) & (c != 0xea);
    return (c >= 0xc3) & (c <= 0xf4) & !caseless;
}

/* ASCII letters lowered; 1 when the tables may have something to say. */
static unsigned fold_ascii(const unsigned char *from, size_t len, unsigned char *to)
{
    unsigned char cased = 0;
    for (size_t i = 0; i < len; i++) {
        const unsigned char c = from[i];
        to[i] = (unsigned char)(c + ((unsigned char)(c - 'A') < 26 ? 32 : 0));
        cased = (unsigned char)(cased | is_cased_lead(c));
    }
    return cased;
}

static unsigned decode(const unsigned char *p, size_t n)
{
    switch (n) {
    case 2: return (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu);
    case 3: return (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
    case 4:
        return (p[0] & 0x07u) << 18 | (p[1] & 0x3fu) << 12 | (p[2] & 0x3fu) << 6 | (p[3] & 0x3fu);
    default: return p[0];
    }
}

static unsigned lower(unsigned c)
{
    enum { FINAL_SIGMA = 0x3c2, SIGMA = 0x3c3 };
    return c == FINAL_SIGMA ? SIGMA : (unsigned)utf8proc_tolower((utf8proc_int32_t)c);
}

/* Lower case of U+0080 to U+07FF, the letters of most alphabets: one look instead of three. */
enum { SHORT_CODES = 0x800 };
static unsigned short lower_short[SHORT_CODES];
static pthread_once_t lower_short_once = PTHREAD_ONCE_INIT;

static void fill_lower_short(void)
{
    for (unsigned c = 0; c < SHORT_CODES; c++)
        lower_short[c] = (unsigned short)(lower(c) < SHORT_CODES ? lower(c) : 0);
}

/* Lower the other letters where they stand; 0 when one of them has no room. */
static int fold_in_place(const unsigned char *from, size_t len, char *to)
{
    for (size_t i = 0; i < len;) {
        if (!is_cased_lead(from[i])) {
            i++;
            continue;
        }
        const size_t n = utf8_sequence(from + i, len - i);
        const unsigned c = decode(from + i, n);
        const unsigned small = n < 2 ? c : n == 2 ? lower_short[c] : lower(c);
        char bytes[4];
        if (small != c) {
            if (!small || utf8_encode(small, bytes) != n)
                return 0;
            memcpy(to + i, bytes, n);
        }
        i += n ? n : 1;
    }
    return 1;
}

static size_t fold_slowly(const unsigned char *p, size_t len, char *out)
{
    size_t at = 0;
    for (size_t i = 0; i < len;) {
        const size_t n = utf8_sequence(p + i, len - i);
        if (n) {
            at += utf8_encode(lower(decode(p + i, n)), out + at);
            i += n;
        } else {
            out[at++] = (char)p[i++];
        }
    }
    return at;
}

size_t fold_text(const void *data, size_t len, char *out, int *same_widths)
{
    *same_widths = 1;
    if (!fold_ascii(data, len, (unsigned char *)out))
        return len;
    (void)pthread_once(&lower_short_once, fill_lower_short);
    if (fold_in_place(data, len, out))
        return len;
    *same_widths = 0;
    return fold_slowly(data, len, out);
}

/* str.isspace() of Python. */
static int is_blank(unsigned c)
{
    return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 ||
           c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
           c == 0x202f || c == 0x205f || c == 0x3000;
}

rag_slice fold_strip(rag_slice text)
{
    const unsigned char *p = text.data;
    size_t first = text.len, last = 0;
    for (size_t i = 0; i < text.len;) {
        const size_t n = utf8_sequence(p + i, text.len - i), step = n ? n : 1;
        if (!is_blank(decode(p + i, n))) {
            first = first < i ? first : i;
            last = i + step;
        }
        i += step;
    }
    return first < last ? slice_of(p + first, last - first) : slice_of(text.data, 0);
}

size_t fold_length(rag_slice text)
{
    const unsigned char *p = text.data;
    size_t tails = 0;
    for (size_t i = 0; i < text.len; i++)
        tails += (p[i] & 0xc0) == 0x80;
    return text.len - tails;
}
