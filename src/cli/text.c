/* Growing text, and bytes made fit for a human's screen.
 *
 * Names and values in a store are anybody's bytes. What goes to a terminal must not be able to move
 * the cursor, set a title or turn the line around, so everything that is shown to a human comes
 * through text_add_shown(). It is done whether or not the output is a terminal: the output of a
 * command that is looked at later, with less or in a log, deserves the same, and one row stays one
 * line. Programs take --json, which is exact.
 *
 * An allocation that fails ends the program: there is nothing of ours to lose, the store is closed
 * by the kernel and holds what was acknowledged. */
#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { NAME_LIMIT = 40 }; /* longer names are not compared for slips */

void *cli_realloc(void *block, size_t count, size_t size)
{
    size_t bytes = 0;
    void *p = NULL;
    if (!__builtin_mul_overflow(count, size, &bytes)) {
        p = realloc(block, bytes ? bytes : 1);
    }
    if (!p) {
        fputs("ragstore: out of memory\n", stderr);
        exit(1);
    }
    return p;
}

void *cli_alloc(size_t count, size_t size)
{
    void *p = cli_realloc(NULL, count, size);
    memset(p, 0, count * size);
    return p;
}

char *cli_strdup(const char *s)
{
    size_t len = strlen(s) + 1;
    return memcpy(cli_alloc(len, 1), s, len);
}

void text_free(text *t)
{
    free(t->data);
    *t = (text){ 0 };
}

void text_clear(text *t)
{
    t->len = 0;
    if (t->data) {
        t->data[0] = '\0';
    }
}

void text_add_bytes(text *t, const void *data, size_t len)
{
    if (t->size - t->len < len + 1) {
        size_t size = t->size ? t->size : 64;
        while (size - t->len < len + 1) {
            size *= 2;
        }
        t->data = cli_realloc(t->data, size, 1);
        t->size = size;
    }
    if (len > 0) {
        memcpy(t->data + t->len, data, len);
    }
    t->len += len;
    t->data[t->len] = '\0';
}

void text_add(text *t, const char *s)
{
    text_add_bytes(t, s, strlen(s));
}

void text_add_char(text *t, char c)
{
    text_add_bytes(t, &c, 1);
}

void text_printf(text *t, const char *format, ...)
{
    char small[256];
    va_list list;
    va_start(list, format);
    int len = vsnprintf(small, sizeof small, format, list);
    va_end(list);
    if (len < (int)sizeof small) {
        text_add_bytes(t, small, len > 0 ? (size_t)len : 0);
        return;
    }
    char *large = cli_alloc((size_t)len + 1, 1);
    va_start(list, format);
    vsnprintf(large, (size_t)len + 1, format, list);
    va_end(list);
    text_add_bytes(t, large, (size_t)len);
    free(large);
}

rag_slice text_slice(const text *t)
{
    rag_slice s = { t->data ? t->data : "", t->len };
    return s;
}

/* ---- UTF-8 ------------------------------------------------------------------------------------ */

int slice_is(rag_slice slice, const char *s)
{
    return slice_equal(slice, rag_text(s));
}

int slice_ends(rag_slice slice, const char *end)
{
    size_t len = strlen(end);
    return slice.len >= len && memcmp((const char *)slice.data + slice.len - len, end, len) == 0;
}

int slice_equal(rag_slice a, rag_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

int32_t utf8_next(const unsigned char *s, size_t len, size_t *used)
{
    static const int32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    *used = 1;
    if (s[0] < 0x80) {
        return s[0];
    }
    size_t n = s[0] >= 0xf0 && s[0] < 0xf8 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc2 ? 2 : 0;
    if (n == 0 || n > len || s[0] >= 0xf8) {
        return -1;
    }
    int32_t point = s[0] & (0xff >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return -1;
        }
        point = (point << 6) | (s[i] & 0x3f);
    }
    if (point < least[n] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) {
        return -1;
    }
    *used = n;
    return point;
}

typedef struct range {
    int32_t first, last;
} range;

static int in_ranges(int32_t point, const range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (point >= ranges[i].first && point <= ranges[i].last) {
            return 1;
        }
    }
    return 0;
}

/* Code points that a terminal acts upon instead of showing them. */
static int is_hidden(int32_t point)
{
    static const range hidden[] = { { 0x00, 0x1f },     { 0x7f, 0x9f },     { 0x200e, 0x200f },
                                    { 0x2028, 0x202e }, { 0x2066, 0x2069 }, { 0xfeff, 0xfeff } };
    return in_ranges(point, hidden, sizeof hidden / sizeof hidden[0]);
}

static size_t point_width(int32_t point)
{
    static const range none[] = { { 0x300, 0x36f },
                                  { 0x200b, 0x200f },
                                  { 0x20d0, 0x20ff },
                                  { 0xfe00, 0xfe0f },
                                  { 0xfe20, 0xfe2f } };
    static const range two[] = { { 0x1100, 0x115f },   { 0x2e80, 0x303e },   { 0x3041, 0xa4cf },
                                 { 0xac00, 0xd7a3 },   { 0xf900, 0xfaff },   { 0xfe30, 0xfe6f },
                                 { 0xff00, 0xff60 },   { 0xffe0, 0xffe6 },   { 0x1f300, 0x1f64f },
                                 { 0x1f680, 0x1f6ff }, { 0x1f900, 0x1faff }, { 0x20000, 0x3fffd } };
    if (point < 0x300) {
        return 1;
    }
    if (in_ranges(point, none, sizeof none / sizeof none[0])) {
        return 0;
    }
    return in_ranges(point, two, sizeof two / sizeof two[0]) ? 2 : 1;
}

static void add_escaped(text *t, int32_t point)
{
    static const char letters[] = "abtnvfr"; /* 7 to 13 */
    if (point >= 7 && point <= 13) {
        text_printf(t, "\\%c", letters[point - 7]);
    } else {
        text_printf(t, point < 0x80 ? "\\x%02x" : "\\u%04x", (unsigned)point);
    }
}

void text_add_shown(text *t, rag_slice bytes)
{
    const unsigned char *s = bytes.data;
    for (size_t i = 0, used = 0; i < bytes.len; i += used) {
        int32_t point = utf8_next(s + i, bytes.len - i, &used);
        if (point < 0) {
            text_printf(t, "\\x%02x", s[i]);
        } else if (is_hidden(point)) {
            add_escaped(t, point);
        } else {
            text_add_bytes(t, s + i, used);
        }
    }
}

static int is_space(unsigned char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

void text_add_snippet(text *t, rag_slice bytes)
{
    const unsigned char *s = bytes.data;
    size_t i = 0;
    while (i < bytes.len && is_space(s[i])) {
        i++;
    }
    while (i < bytes.len) {
        size_t start = i;
        while (i < bytes.len && !is_space(s[i])) {
            i++;
        }
        rag_slice word = { s + start, i - start };
        text_add_shown(t, word);
        while (i < bytes.len && is_space(s[i])) {
            i++;
        }
        if (i < bytes.len) {
            text_add_char(t, ' ');
        }
    }
}

size_t text_width(const char *s, size_t len)
{
    size_t columns = 0;
    for (size_t i = 0, used = 0; i < len; i += used) {
        columns += point_width(utf8_next((const unsigned char *)s + i, len - i, &used));
    }
    return columns;
}

size_t text_fit(const char *s, size_t len, size_t columns)
{
    size_t taken = 0;
    size_t i = 0;
    for (size_t used = 0; i < len; i += used) {
        taken += point_width(utf8_next((const unsigned char *)s + i, len - i, &used));
        if (taken > columns) {
            break;
        }
    }
    return i;
}

/* ---- figures ---------------------------------------------------------------------------------- */

void text_add_size(text *t, uint64_t bytes)
{
    static const char *const units[] = { "B", "kB", "MB", "GB", "TB" };
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 999.5 && unit < sizeof units / sizeof units[0] - 1) {
        value /= 1000;
        unit++;
    }
    text_printf(t, unit == 0 || value >= 99.95 ? "%.0f %s" : "%.1f %s", value, units[unit]);
}

void text_add_count(text *t, uint64_t count)
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)count);
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) {
            text_add_char(t, ',');
        }
        text_add_char(t, digits[i]);
    }
}

void text_add_number_of(text *t, uint64_t count, const char *one, const char *many)
{
    text_add_count(t, count);
    text_add_char(t, ' ');
    text_add(t, count == 1 ? one : many);
}

void text_add_seconds(text *t, double seconds)
{
    if (seconds <= 0) {
        text_add(t, "0 ms");
    } else if (seconds < 0.9995) {
        text_printf(t, seconds < 0.001 ? "%.2f ms" : "%.0f ms", seconds * 1e3);
    } else if (seconds < 59.95) {
        text_printf(t, "%.1f s", seconds);
    } else {
        long whole = (long)(seconds + 0.5);
        text_printf(t, "%ld min %02ld s", whole / 60, whole % 60);
    }
}

void text_add_duration(text *t, uint64_t seconds)
{
    static const struct {
        uint64_t seconds;
        const char *name;
    } units[] = { { 86400, "day" }, { 3600, "hour" }, { 60, "minute" }, { 1, "second" } };
    size_t i = 0;
    while (seconds % units[i].seconds != 0) {
        i++;
    }
    uint64_t count = seconds / units[i].seconds;
    text_add_count(t, count);
    text_printf(t, " %s%s", units[i].name, count == 1 ? "" : "s");
}

void text_add_time(text *t, int64_t unix_seconds)
{
    time_t when = (time_t)unix_seconds;
    struct tm parts;
    char shown[48];
    if (unix_seconds <= 0 || !gmtime_r(&when, &parts) ||
        strftime(shown, sizeof shown, "%Y-%m-%d %H:%M:%S", &parts) == 0) {
        text_add(t, "-");
        return;
    }
    text_add(t, shown);
}

/* ---- slips of the finger ---------------------------------------------------------------------- */

/* Edit distance where swapping two neighbours counts one. */
static size_t distance_of(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t rows[3][NAME_LIMIT + 1];
    for (size_t j = 0; j <= b_len; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= a_len; i++) {
        size_t *now = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3];
        now[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);
            best = above[j] + 1 < best ? above[j] + 1 : best;
            best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                rows[(i + 1) % 3][j - 2] + 1 < best) {
                best = rows[(i + 1) % 3][j - 2] + 1;
            }
            now[j] = best;
        }
    }
    return rows[a_len % 3][b_len];
}

const char *nearest_name(const char *name, const char *const *names, size_t count)
{
    size_t len = strlen(name);
    if (len == 0 || len > NAME_LIMIT) {
        return NULL;
    }
    const char *best = NULL;
    size_t best_distance = len <= 3 ? 2 : len <= 6 ? 3 : 4; /* must be below */
    for (size_t i = 0; i < count; i++) {
        size_t other = strlen(names[i]);
        if (other > NAME_LIMIT) {
            continue;
        }
        size_t d = distance_of(name, len, names[i], other);
        if (d == 0) {
            continue;
        }
        int is_start = len >= 2 && other > len && memcmp(names[i], name, len) == 0;
        if (is_start) {
            d = 1;
        }
        if (d < best_distance) {
            best_distance = d;
            best = names[i];
        }
    }
    return best;
}
