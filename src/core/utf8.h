/* UTF-8, as Unicode 15 defines it: no surrogates, no overlong forms, nothing above U+10FFFF. */
#ifndef CORE_UTF8_H
#define CORE_UTF8_H

#include <stddef.h>

/* Length 1..4 of the valid sequence at the start of `p`, 0 when there is none. left > 0. */
size_t utf8_sequence(const unsigned char *p, size_t left);

/* Number of leading bytes that are valid UTF-8 (== len when all are). */
size_t utf8_valid_prefix(const void *data, size_t len);

/* Write code point `c` (a valid scalar value) to `out` of 4 bytes; returns the length. */
size_t utf8_encode(unsigned c, char *out);

#endif
