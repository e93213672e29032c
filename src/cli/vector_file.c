/* A query vector from a file.
 *
 * JSON because every embedding service answers with it; raw float32 because that is what a program
 * has in memory. Mistakes are found here and named with their place, so that a file that is not what
 * it should be never looks like a search without hits. */
#include "vector_file.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "json_text.h"

enum { FILE_BYTES_MAX = 8 << 20, DIMENSION_MAX = 65536, NUMBER_MAX = 64 };

static int read_all(FILE *f, text *bytes)
{
    char block[65536];
    size_t n;
    while ((n = fread(block, 1, sizeof block, f)) > 0) {
        text_add_bytes(bytes, block, n);
        if (bytes->len > FILE_BYTES_MAX) {
            errno = EFBIG;
            return 0;
        }
    }
    return !ferror(f);
}

static int parse_number(rag_slice value, float *out)
{
    char digits[NUMBER_MAX];
    char *end = NULL;
    if (value.len == 0 || value.len >= sizeof digits) {
        return 0;
    }
    memcpy(digits, value.data, value.len);
    digits[value.len] = '\0';
    *out = strtof(digits, &end);
    return *end == '\0';
}

static int parse_json(const text *bytes, float *vector, size_t *dimension, text *complaint)
{
    json_walk w;
    json_member m;
    size_t n = 0;
    int more = 0;
    if (bytes->len == 0) {
        text_add(complaint, "it is empty");
        return 0;
    }
    if (!json_walk_start(&w, text_slice(bytes)) || w.is_object) {
        text_add(complaint, "not a JSON array of numbers (for plain float32: --raw)");
        return 0;
    }
    while ((more = json_walk_next(&w, &m)) == 1) {
        if (n == DIMENSION_MAX) {
            text_printf(complaint, "more than %d numbers", DIMENSION_MAX);
            return 0;
        }
        if (!parse_number(m.value, &vector[n])) {
            text_printf(complaint, "element %zu is not a number: '%.*s'", n,
                        (int)(m.value.len > 40 ? 40 : m.value.len), (const char *)m.value.data);
            return 0;
        }
        n++;
    }
    if (more < 0) {
        text_printf(complaint, "not valid JSON near byte %zu", (size_t)(w.at - bytes->data));
        return 0;
    }
    *dimension = n;
    return 1;
}

static int parse_raw(const text *bytes, float *vector, size_t *dimension, text *complaint)
{
    if (bytes->len % 4 != 0 || bytes->len / 4 > DIMENSION_MAX) {
        text_printf(complaint, "%zu bytes are not a row of float32", bytes->len);
        return 0;
    }
    for (size_t i = 0; i < bytes->len / 4; i++) {
        const unsigned char *b = (const unsigned char *)bytes->data + 4 * i;
        uint32_t bits = b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
        memcpy(&vector[i], &bits, sizeof bits);
    }
    *dimension = bytes->len / 4;
    return 1;
}

static int check_values(const float *vector, size_t n, text *complaint)
{
    if (n == 0) {
        text_add(complaint, "no numbers in it");
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(vector[i])) {
            text_printf(complaint, "element %zu is %s", i,
                        isnan(vector[i]) ? "not a number (NaN)" : "infinite");
            return 0;
        }
    }
    return 1;
}

int vector_file_read(const char *path, int raw, float **vector, size_t *dimension, text *complaint)
{
    int is_stdin = strcmp(path, "-") == 0;
    errno = 0;
    FILE *f = is_stdin ? stdin : fopen(path, "rb");
    text bytes = { 0 };
    text what = { 0 };
    float *numbers = NULL;
    size_t n = 0;
    int ok = f && read_all(f, &bytes);
    if (!ok) {
        text_add(&what, strerror(errno ? errno : EIO));
    } else {
        text_add(&bytes, "");
        numbers = cli_alloc(DIMENSION_MAX, sizeof *numbers);
        ok = raw ? parse_raw(&bytes, numbers, &n, &what) : parse_json(&bytes, numbers, &n, &what);
        ok = ok && check_values(numbers, n, &what);
    }
    if (f && !is_stdin) {
        fclose(f);
    }
    if (ok) {
        *vector = numbers;
        *dimension = n;
    } else {
        text_printf(complaint, "%s: %s", is_stdin ? "standard input" : path, what.data);
        free(numbers);
    }
    text_free(&bytes);
    text_free(&what);
    return ok;
}
