/* Folding of case by Unicode's simple lower case mapping, from utf8proc's tables.
 *
 * Why lower case and not case folding proper: LightRAG compares str.lower() of both sides, and what
 * is found here has to be what it finds. Why by code point: the mapping then keeps the number of
 * characters, on which scores depend, and needs no context; str.lower() differs only in U+0130 (two
 * characters there) and in the sigma at the end of a word, which is therefore folded to the usual
 * one on both sides. fold_text() works on whole blocks of labels at a time: eight bytes a step where
 * they are ASCII, and by a small table for alphabets of two bytes. Letters are lowered where they
 * stand; the few whose lower case is longer or shorter make it begin again, slowly. Lead bytes 0xe3
 * to 0xe9 and 0xeb to 0xed stand for U+3000 to U+9FFF and U+B000 to U+DFFF: kana, Han and Hangul,
 * where nothing has case. */
#include "fold.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <utf8proc.h>

#include "alloc.h"
#include "slice.h"
#include "utf8.h"

/* 1 for a byte that begins a character which may have another lower case. */
static inline int is_cased_lead(unsigned char c)
{
    return c >= 0xc3 && c <= 0xf4 && !(c >= 0xe3 && c <= 0xed && c != 0xea);
}

enum { WORD = sizeof(uint64_t) };

/* Write eight bytes with ASCII letters lowered; the top bits of those that begin other characters,
 * which are 0xc0 to 0xf7. */
static inline uint64_t lower_word(const unsigned char *from, char *to)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones * 0x80;
    uint64_t word;
    memcpy(&word, from, WORD);
    const uint64_t low = word & ~tops;
    const uint64_t from_a = low + ones * (0x80 - 'A'), behind_z = low + ones * (0x7f - 'Z');
    const uint64_t lowered = word | (~word & (from_a ^ behind_z) & tops) >> 2;
    memcpy(to, &lowered, WORD);
    const uint64_t two = word & word << 1;
    return two & ~(two << 2 & word << 4) & tops;
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

/* 0: its lower case does not have two bytes. */
static void fill_lower_short(void)
{
    for (unsigned c = 0x80; c < SHORT_CODES; c++)
        lower_short[c] =
            (unsigned short)(lower(c) >= 0x80 && lower(c) < SHORT_CODES ? lower(c) : 0);
}

/* Fold the character at from[*i], which is not ASCII, and step over it (over one byte of what is no
 * letter); 0 when its lower case has another length. */
static inline int fold_one(const unsigned char *from, size_t len, size_t *i, char *to)
{
    const unsigned char *p = from + *i;
    to += *i;
    if (p[0] >= 0xc3 && p[0] <= 0xdf && len - *i > 1 && (p[1] & 0xc0) == 0x80) {
        const unsigned small = lower_short[decode(p, 2)];
        to[0] = (char)(0xc0 | (small >> 6));
        to[1] = (char)(0x80 | (small & 0x3f));
        *i += 2;
        return small != 0;
    }
    const size_t n = is_cased_lead(p[0]) ? utf8_sequence(p, len - *i) : 1;
    *to = (char)p[0];
    *i += n > 1 ? n : 1;
    return n < 2 || utf8_encode(lower(decode(p, n)), to) == n;
}

/* Fold every character where it stands; 0 when one of them does not fit there. */
static int fold_in_place(const unsigned char *from, size_t len, char *to)
{
    size_t i = 0;
    while (len - i >= WORD) {
        uint64_t leads = lower_word(from + i, to + i);
        size_t next = i + WORD;
        for (; leads; leads &= leads - 1) {
            size_t at = i + (size_t)__builtin_ctzll(leads) / 8;
            if (!fold_one(from, len, &at, to))
                return 0;
            next = at > next ? at : next; /* a character may reach into the next word */
        }
        i = next;
    }
    while (i < len) {
        if (from[i] >= 0x80) {
            if (!fold_one(from, len, &i, to))
                return 0;
        } else {
            to[i] = (char)(from[i] + (from[i] >= 'A' && from[i] <= 'Z' ? 32 : 0));
            i++;
        }
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
    (void)pthread_once(&lower_short_once, fill_lower_short);
    if (fold_in_place(data, len, out))
        return len;
    *same_widths = 0;
    return fold_slowly(data, len, out);
}

/* ---- what folds to what ---------------------------------------------------------------------------- */

enum { CODES = 0x110000, SURROGATES = 0xd800, BEHIND_SURROGATES = 0xe000, WIDEST = 4 };

static void mark_characters(rag_slice text, unsigned char *set)
{
    const unsigned char *p = text.data;
    for (size_t i = 0; i < text.len;) {
        const size_t n = utf8_sequence(p + i, text.len - i), step = n ? n : 1;
        const unsigned c = decode(p + i, n);
        set[c / 8] |= (unsigned char)(1u << c % 8);
        i += step;
    }
}

/* The next character behind `c` that folds to another one, which is in `set`; 0: there is none. */
static unsigned next_variant(unsigned c, const unsigned char *set)
{
    while (++c < CODES) {
        if (c == SURROGATES)
            c = BEHIND_SURROGATES;
        const unsigned small = lower(c);
        if (small != c && set[small / 8] >> small % 8 & 1)
            return c;
    }
    return 0;
}

rag_status fold_variants(rag_slice folded, rag_slice *from, rag_slice *to, char **memory,
                         rag_error *err)
{
    size_t count = 0, lengths[2] = { 0, 0 };
    unsigned char *set = rag_alloc(CODES / 8);
    if (!set)
        return rag_fail_memory(err);
    memset(set, 0, CODES / 8);
    mark_characters(folded, set);
    for (unsigned c = next_variant(0, set); c; c = next_variant(c, set))
        count++;
    char *both = rag_alloc(2 * WIDEST * count + 1);
    for (unsigned c = next_variant(0, set); both && c; c = next_variant(c, set)) {
        lengths[0] += utf8_encode(c, both + lengths[0]);
        lengths[1] += utf8_encode(lower(c), both + WIDEST * count + lengths[1]);
    }
    rag_free(set);
    if (!both)
        return rag_fail_memory(err);
    *memory = both;
    *from = slice_of(both, lengths[0]);
    *to = slice_of(both + WIDEST * count, lengths[1]);
    return RAG_OK;
}

/* ---- blanks ---------------------------------------------------------------------------------------- */

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
