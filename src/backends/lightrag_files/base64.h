/* Base64, the standard alphabet with padding, read strictly: no white space, no other characters, no
 * bits that would be thrown away (RFC 4648, 3.5). */
#ifndef LIGHTRAG_FILES_BASE64_H
#define LIGHTRAG_FILES_BASE64_H

#include <stddef.h>
#include <stdint.h>

/* For each place in a group of four, the bits of each character where they go. */
struct base64 {
    uint32_t bits[4][256];
};

void base64_init(struct base64 *b);

/* Decode `len` characters into `out` (3 bytes for every 4 characters). 1: done, *out_len bytes;
 * 0: character *bad is wrong (== len when the text ends inside a group). */
int base64_decode(const struct base64 *b, const char *text, size_t len, unsigned char *out,
                  size_t *out_len, size_t *bad);

/* Letters that `n` bytes become, with padding. */
#define BASE64_LETTERS(n) (((n) + 2) / 3 * 4)

/* Encode into `out`, which holds BASE64_LETTERS(len); how many they are. */
size_t base64_encode(const unsigned char *data, size_t len, char *out);

#endif
