/* The pull tokenizer: see json_reader.h for what it promises.
 *
 * A window of fixed size moves over the input; nothing else grows but the scratch buffer, which
 * holds one string at most. need() makes the next n bytes contiguous (the longest that is ever
 * asked for is a pair of surrogate escapes, or a number), so that no other function has to think
 * about where the window was cut: the events are the same whatever the pieces the source gives.
 *
 * The grammar is a state and a stack of bits (object or array), not recursion. step() reads one
 * token and stops in front of the body of a string; every way of reading on (text, pieces, capture,
 * skip) is a loop over step() and string_piece().
 *
 * Speed comes from plain_run(): 64 bytes a step as long as there is no quote, backslash, control
 * character or byte above 127; UTF-8 is then checked sequence by sequence. In captures the simple
 * escapes are part of a run, so that text with many line ends is still copied in long pieces. */
#include "json_reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "alloc.h"
#include "utf8.h"

enum { END_OF_INPUT = -1, ESCAPE_PAIR = 12 };

/* ---- messages ---------------------------------------------------------------------------------- */

__attribute__((format(printf, 5, 0))) static rag_status fail_at(const struct json_reader *r,
                                                                uint64_t where, rag_error *err,
                                                                rag_status status,
                                                                const char *format, va_list args)
{
    char what[RAG_ERROR_MESSAGE_MAX];
    (void)vsnprintf(what, sizeof what, format, args);
    return rag_fail(err, status, "%s line %llu byte %llu: %s", r->name, (unsigned long long)r->line,
                    (unsigned long long)where, what);
}

rag_status json_reader_fail(const struct json_reader *r, rag_error *err, rag_status status,
                            const char *format, ...)
{
    va_list args;
    va_start(args, format);
    status = fail_at(r, r->token, err, status, format, args);
    va_end(args);
    return status;
}

/* About the next byte. */
__attribute__((format(printf, 3, 4))) static rag_status fail_here(const struct json_reader *r,
                                                                  rag_error *err,
                                                                  const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const rag_status status = fail_at(r, json_reader_offset(r), err, RAG_E_CORRUPT, format, args);
    va_end(args);
    return status;
}

static rag_status fail_unexpected(const struct json_reader *r, int c, const char *wanted,
                                  rag_error *err)
{
    if (c == END_OF_INPUT)
        return fail_here(r, err, "the file ends where %s should be", wanted);
    if (c > 0x20 && c < 0x7f)
        return fail_here(r, err, "found '%c' where %s should be", c, wanted);
    return fail_here(r, err, "found byte 0x%02x where %s should be", (unsigned)c, wanted);
}

/* Value of a hexadecimal digit; -1 when it is none. */
static int hex_digit(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* ---- the window -------------------------------------------------------------------------------- */

rag_status json_reader_restart(struct json_reader *r, const char *name, json_fill_fn fill,
                               void *ctx, uint64_t offset, const char *inside, rag_error *err)
{
    unsigned char *window = r->window ? r->window : rag_alloc(LIMIT_READ_WINDOW_BYTES);
    const struct buffer fresh = BUFFER_INIT(LIMIT_VALUE_BYTES);
    const struct buffer scratch = r->window ? r->scratch : fresh;
    if (!window)
        return rag_fail_memory(err);
    *r = (struct json_reader){ .name = name,
                               .fill = fill,
                               .ctx = ctx,
                               .window = window,
                               .base = offset,
                               .started = offset != 0,
                               .line = 1,
                               .state = JSON_STATE_VALUE,
                               .scratch = scratch };
    for (const char *c = inside; *c && *c != ','; c++) {
        const unsigned char bit = (unsigned char)(1u << (++r->depth % 8));
        const int object = *c == '{';
        if (object)
            r->is_object[r->depth / 8] |= bit;
        r->state = object ? JSON_STATE_FIRST_NAME : JSON_STATE_FIRST_VALUE;
        r->last = object ? JSON_EVENT_OBJECT : JSON_EVENT_ARRAY;
    }
    if (strchr(inside, ','))
        r->state = JSON_STATE_AFTER_VALUE;
    return RAG_OK;
}

rag_status json_reader_open(struct json_reader *r, const char *name, json_fill_fn fill, void *ctx,
                            rag_error *err)
{
    return json_reader_open_inside(r, name, fill, ctx, 0, "", err);
}

rag_status json_reader_open_inside(struct json_reader *r, const char *name, json_fill_fn fill,
                                   void *ctx, uint64_t offset, const char *inside, rag_error *err)
{
    struct json_reader opened = { 0 };
    RAG_TRY(json_reader_restart(&opened, name, fill, ctx, offset, inside, err));
    *r = opened;
    return RAG_OK;
}

/* Whether the input ends inside of an escape or of a sequence of UTF-8. */
static int is_cut_inside(const unsigned char *p, size_t n)
{
    size_t i = 1;
    if (p[0] == '\\') { /* of surrogates there may be two */
        while (i < n && (strchr("u\\", p[i]) || hex_digit(p[i]) >= 0))
            i++;
        return i == n && n < ESCAPE_PAIR && (n == 1 || p[1] == 'u');
    }
    while (i < n && (p[i] & 0xc0) == 0x80)
        i++;
    return i == n && n < (p[0] >= 0xf0 ? 4u : p[0] >= 0xe0 ? 3u : p[0] >= 0xc2 ? 2u : 1u);
}

int json_reader_ran_out(const struct json_reader *r, int *between)
{
    size_t i = r->pos; /* a number or a word that was cut has not been passed over */
    while (i < r->end && (strchr("+-.", r->window[i]) || ((r->window[i] | 0x20u) - 'a') < 26u ||
                          (r->window[i] - (unsigned)'0') < 10u))
        i++;
    int ended = r->at_end && i == r->end;
    if (r->in_string)
        ended =
            r->at_end && (r->pos == r->end || is_cut_inside(r->window + r->pos, r->end - r->pos));
    const int first = r->state == JSON_STATE_FIRST_NAME || r->state == JSON_STATE_FIRST_VALUE;
    /* behind a comma the state is that of the name or, already, of what follows the value */
    *between = ended && !r->in_string && r->pos == r->end &&
               (first || (r->comma && r->state != JSON_STATE_COLON));
    return ended;
}

unsigned json_reader_depth(const struct json_reader *r)
{
    return r->depth;
}

void json_reader_close(struct json_reader *r)
{
    rag_free(r->window);
    r->window = NULL;
    buffer_free(&r->scratch);
}

/* Make the next `n` bytes contiguous, or all that are left. */
static rag_status need(struct json_reader *r, size_t n, rag_error *err)
{
    if (r->end - r->pos >= n || r->at_end)
        return RAG_OK;
    if (r->pos) {
        memmove(r->window, r->window + r->pos, r->end - r->pos);
        r->base += r->pos;
        r->end -= r->pos;
        r->pos = 0;
    }
    while (r->end < n) {
        size_t got = 0;
        RAG_TRY(r->fill(r->ctx, r->window + r->end, LIMIT_READ_WINDOW_BYTES - r->end, &got, err));
        if (!got) {
            r->at_end = 1;
            break;
        }
        r->end += got;
    }
    return RAG_OK;
}

/* Pass over white space; *c is the byte after it (still there), or END_OF_INPUT. */
static rag_status next_token(struct json_reader *r, int *c, rag_error *err)
{
    for (;;) {
        while (r->pos < r->end) {
            const unsigned char byte = r->window[r->pos];
            if (byte == '\n')
                r->line++;
            else if (byte != ' ' && byte != '\r' && byte != '\t') {
                *c = byte;
                return RAG_OK;
            }
            r->pos++;
        }
        RAG_TRY(need(r, 1, err));
        if (r->pos == r->end) {
            *c = END_OF_INPUT;
            return RAG_OK;
        }
    }
}

static rag_status start(struct json_reader *r, rag_error *err)
{
    if (r->started)
        return RAG_OK;
    RAG_TRY(need(r, 3, err));
    if (r->end - r->pos >= 3 && memcmp(r->window + r->pos, "\xef\xbb\xbf", 3) == 0)
        r->pos += 3;
    r->started = 1;
    return RAG_OK;
}

rag_status json_reader_is_blank(struct json_reader *r, int *blank, rag_error *err)
{
    int c;
    RAG_TRY(start(r, err));
    RAG_TRY(next_token(r, &c, err));
    *blank = c == END_OF_INPUT;
    return RAG_OK;
}

/* ---- bodies of strings --------------------------------------------------------------------------- */

/* Number of leading bytes that are neither quote, backslash, control character nor above 127. */
static size_t ascii_run(const unsigned char *p, size_t n)
{
    size_t i = 0;
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
    const __m128i space = _mm_set1_epi8(0x20);
    for (; n - i >= 16; i += 16) {
        const __m128i x = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        /* as signed bytes those above 127 are below the space too */
        const __m128i stop =
            _mm_or_si128(_mm_cmplt_epi8(x, space),
                         _mm_or_si128(_mm_cmpeq_epi8(x, quote), _mm_cmpeq_epi8(x, slash)));
        const int mask = _mm_movemask_epi8(stop);
        if (mask)
            return i + (size_t)__builtin_ctz((unsigned)mask);
    }
#endif
    while (i < n && p[i] >= 0x20 && p[i] < 0x80 && p[i] != '"' && p[i] != '\\')
        i++;
    return i;
}

static int is_simple_escape(unsigned char c)
{
    switch (c) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't': return 1;
    default: return 0;
    }
}

/* Number of leading bytes that stand for themselves: whole, valid sequences of UTF-8 and, when
 * `raw`, whole simple escapes. */
static size_t plain_run(const unsigned char *p, size_t n, int raw)
{
    size_t i = 0;
    for (;;) {
        i += ascii_run(p + i, n - i);
        if (i == n)
            return i;
        if (raw && p[i] == '\\' && n - i >= 2 && is_simple_escape(p[i + 1])) {
            i += 2;
            continue;
        }
        if (p[i] < 0x80)
            return i;
        do {
            const size_t len = utf8_sequence(p + i, n - i);
            if (!len)
                return i;
            i += len;
        } while (i < n && p[i] >= 0x80);
    }
}

/* The four digits of a \u escape; -1 when they are not. */
static int hex4(const unsigned char *p)
{
    int value = 0;
    for (int i = 0; i < 4; i++) {
        const int digit = hex_digit(p[i]);
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* A \u escape, or two that make one character. */
static rag_status unicode_escape(struct json_reader *r, int raw, rag_slice *piece, rag_error *err)
{
    const unsigned char *p = r->window + r->pos;
    const size_t left = r->end - r->pos;
    const int first = left >= 6 ? hex4(p + 2) : -1;
    if (first < 0)
        return left >= 6 ? fail_here(r, err, "\\u needs four hexadecimal digits")
                         : fail_here(r, err, "the file ends inside a string");
    unsigned c = (unsigned)first;
    size_t used = 6;
    if (c >= 0xd800 && c < 0xdc00 && left >= ESCAPE_PAIR && p[6] == '\\' && p[7] == 'u') {
        const int second = hex4(p + 8);
        if (second >= 0xdc00 && second < 0xe000) {
            c = 0x10000 + ((c - 0xd800) << 10) + ((unsigned)second - 0xdc00);
            used = ESCAPE_PAIR;
        }
    }
    const int lone = c >= 0xd800 && c < 0xe000;
    r->replaced += (uint64_t)lone;
    if (raw && !lone)
        *piece = slice_of(p, used);
    else
        *piece = slice_of(r->piece, utf8_encode(lone ? 0xfffd : c, r->piece));
    r->pos += used;
    return RAG_OK;
}

static rag_status escape(struct json_reader *r, int raw, rag_slice *piece, rag_error *err)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    RAG_TRY(need(r, ESCAPE_PAIR, err));
    if (r->end - r->pos < 2)
        return fail_here(r, err, "the file ends inside a string");
    const unsigned char c = r->window[r->pos + 1];
    if (c == 'u')
        return unicode_escape(r, raw, piece, err);
    if (!is_simple_escape(c))
        return fail_here(r, err, "a backslash is followed by byte 0x%02x", c);
    if (raw) {
        *piece = slice_of(r->window + r->pos, 2);
    } else {
        r->piece[0] = to[strchr(from, c) - from];
        *piece = slice_of(r->piece, 1);
    }
    r->pos += 2;
    return RAG_OK;
}

/* The next piece of the string that the reader stands in; empty when its closing quote was read. */
static rag_status string_piece(struct json_reader *r, int raw, rag_slice *piece, rag_error *err)
{
    for (;;) {
        const unsigned char *p = r->window + r->pos;
        const size_t run = plain_run(p, r->end - r->pos, raw);
        if (run) {
            r->pos += run;
            *piece = slice_of(p, run);
            return RAG_OK;
        }
        if (r->pos == r->end) {
            RAG_TRY(need(r, 1, err));
            if (r->pos == r->end)
                return fail_here(r, err, "the file ends inside a string");
            continue;
        }
        if (*p == '"') {
            r->pos++;
            r->in_string = 0;
            *piece = slice_of(p, 0);
            return RAG_OK;
        }
        if (*p == '\\')
            return escape(r, raw, piece, err);
        if (*p < 0x20)
            return fail_here(r, err, "byte 0x%02x inside a string must be escaped", *p);
        RAG_TRY(need(r, 4, err));
        if (!utf8_sequence(r->window + r->pos, r->end - r->pos))
            return fail_here(r, err, "byte 0x%02x is not UTF-8", r->window[r->pos]);
    }
}

rag_status json_reader_chunk(struct json_reader *r, rag_slice *chunk, rag_error *err)
{
    if (!r->in_string) {
        *chunk = slice_of("", 0);
        return RAG_OK;
    }
    return string_piece(r, 0, chunk, err);
}

rag_status json_reader_string(struct json_reader *r, size_t limit, rag_slice *text, rag_error *err)
{
    rag_slice piece;
    RAG_TRY(string_piece(r, 0, &piece, err));
    if (piece.len <= limit && r->in_string && r->pos < r->end && r->window[r->pos] == '"') {
        r->pos++; /* all of it was in the window */
        r->in_string = 0;
        *text = piece;
        return RAG_OK;
    }
    buffer_clear(&r->scratch);
    while (piece.len) {
        if (piece.len > limit - r->scratch.len)
            return json_reader_fail(r, err, RAG_E_INVALID, "a string of more than %zu bytes",
                                    limit);
        RAG_TRY(buffer_append(&r->scratch, piece.data, piece.len, err));
        if (!r->in_string)
            break;
        RAG_TRY(string_piece(r, 0, &piece, err));
    }
    *text = slice_of(r->scratch.data ? r->scratch.data : "", r->scratch.len);
    return RAG_OK;
}

/* ---- numbers and words --------------------------------------------------------------------------- */

static size_t digits(const unsigned char *p, size_t n)
{
    size_t i = 0;
    while (i < n && p[i] >= '0' && p[i] <= '9')
        i++;
    return i;
}

/* Length of the longest number of RFC 8259 at the start of p; 0: none. */
static size_t number_length(const unsigned char *p, size_t n)
{
    size_t i = n && p[0] == '-';
    const size_t whole = digits(p + i, n - i);
    if (!whole || (whole > 1 && p[i] == '0'))
        return 0;
    i += whole;
    if (i < n && p[i] == '.') {
        const size_t fraction = digits(p + i + 1, n - i - 1);
        if (!fraction)
            return 0;
        i += 1 + fraction;
    }
    if (i < n && (p[i] == 'e' || p[i] == 'E')) {
        size_t sign = i + 1;
        if (sign < n && (p[sign] == '+' || p[sign] == '-'))
            sign++;
        const size_t exponent = digits(p + sign, n - sign);
        if (!exponent)
            return 0;
        i = sign + exponent;
    }
    return i;
}

static int is_number_byte(unsigned char c)
{
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

static rag_status number(struct json_reader *r, rag_error *err)
{
    size_t len = 0;
    for (;;) {
        while (r->pos + len < r->end && is_number_byte(r->window[r->pos + len]))
            len++;
        if (len > LIMIT_JSON_NUMBER_BYTES)
            return fail_here(r, err, "a number of more than %d digits", LIMIT_JSON_NUMBER_BYTES);
        if (r->pos + len < r->end || r->at_end)
            break;
        RAG_TRY(need(r, len + 1, err));
    }
    if (number_length(r->window + r->pos, len) != len)
        return fail_here(r, err, "'%.*s' is not a number of JSON", (int)(len < 40 ? len : 40),
                         (const char *)r->window + r->pos);
    r->text = slice_of(r->window + r->pos, len);
    r->pos += len;
    return RAG_OK;
}

static rag_status word(struct json_reader *r, const char *text, rag_error *err)
{
    const size_t len = strlen(text);
    RAG_TRY(need(r, len, err));
    if (r->end - r->pos < len || memcmp(r->window + r->pos, text, len) != 0)
        return fail_unexpected(r, r->window[r->pos], "a value", err);
    r->text = slice_of(r->window + r->pos, len);
    r->pos += len;
    return RAG_OK;
}

/* ---- the grammar --------------------------------------------------------------------------------- */

static int in_object(const struct json_reader *r)
{
    return r->is_object[r->depth / 8] >> (r->depth % 8) & 1;
}

static rag_status open_container(struct json_reader *r, int object, rag_error *err)
{
    if (r->depth == LIMIT_JSON_FILE_DEPTH)
        return fail_here(r, err, "nested deeper than %d", LIMIT_JSON_FILE_DEPTH);
    r->depth++;
    const unsigned char bit = (unsigned char)(1u << (r->depth % 8));
    if (object)
        r->is_object[r->depth / 8] |= bit;
    else
        r->is_object[r->depth / 8] &= (unsigned char)~bit;
    r->state = object ? JSON_STATE_FIRST_NAME : JSON_STATE_FIRST_VALUE;
    r->last = object ? JSON_EVENT_OBJECT : JSON_EVENT_ARRAY;
    r->pos++;
    return RAG_OK;
}

static void close_container(struct json_reader *r)
{
    r->last = in_object(r) ? JSON_EVENT_OBJECT_END : JSON_EVENT_ARRAY_END;
    r->depth--;
    r->state = JSON_STATE_AFTER_VALUE;
    r->pos++;
}

static rag_status value(struct json_reader *r, int c, rag_error *err)
{
    if (c == '{' || c == '[')
        return open_container(r, c == '{', err);
    r->state = JSON_STATE_AFTER_VALUE;
    switch (c) {
    case '"':
        r->pos++;
        r->in_string = 1;
        r->last = JSON_EVENT_STRING;
        return RAG_OK;
    case 't': r->last = JSON_EVENT_TRUE; return word(r, "true", err);
    case 'f': r->last = JSON_EVENT_FALSE; return word(r, "false", err);
    case 'n': r->last = JSON_EVENT_NULL; return word(r, "null", err);
    case 'N':
    case 'I': return fail_here(r, err, "NaN and Infinity are not numbers of JSON");
    default: break;
    }
    if (c != '-' && (c < '0' || c > '9'))
        return fail_unexpected(r, c, "a value", err);
    r->last = JSON_EVENT_NUMBER;
    return number(r, err);
}

/* Read `want` (a colon or a comma) and go on to the token behind it. */
static rag_status pass(struct json_reader *r, enum json_state next, int *c, rag_error *err)
{
    r->pos++;
    r->state = next;
    return next_token(r, c, err);
}

/* What may stand between two values: nothing, a comma, a colon. */
static rag_status separator(struct json_reader *r, int *c, rag_error *err)
{
    r->comma = 0;
    if (r->state == JSON_STATE_COLON) {
        if (*c != ':')
            return fail_unexpected(r, *c, "':'", err);
        return pass(r, JSON_STATE_VALUE, c, err);
    }
    if (r->state != JSON_STATE_AFTER_VALUE || !r->depth || *c != ',')
        return RAG_OK;
    r->comma = 1;
    return pass(r, in_object(r) ? JSON_STATE_NAME : JSON_STATE_VALUE, c, err);
}

static rag_status after_value(struct json_reader *r, int c, rag_error *err)
{
    if (!r->depth) {
        r->last = JSON_EVENT_END;
        return c == END_OF_INPUT ? RAG_OK : fail_unexpected(r, c, "the end of the file", err);
    }
    if (c != (in_object(r) ? '}' : ']'))
        return fail_unexpected(r, c, in_object(r) ? "',' or '}'" : "',' or ']'", err);
    close_container(r);
    return RAG_OK;
}

static rag_status member_name(struct json_reader *r, int c, rag_error *err)
{
    if (c == '}' && r->state == JSON_STATE_FIRST_NAME) {
        close_container(r);
        return RAG_OK;
    }
    if (c != '"')
        return fail_unexpected(r, c, "the name of a member", err);
    r->pos++;
    r->in_string = 1;
    r->state = JSON_STATE_COLON;
    r->last = JSON_EVENT_KEY;
    return RAG_OK;
}

/* One token; of strings and names only the opening quote. */
static rag_status step(struct json_reader *r, rag_error *err)
{
    rag_slice rest = slice_of("", 0);
    while (r->in_string)
        RAG_TRY(string_piece(r, 1, &rest, err));
    int c;
    RAG_TRY(start(r, err));
    RAG_TRY(next_token(r, &c, err));
    RAG_TRY(separator(r, &c, err));
    r->token = json_reader_offset(r);
    switch (r->state) {
    case JSON_STATE_NAME:
    case JSON_STATE_FIRST_NAME: return member_name(r, c, err);
    case JSON_STATE_FIRST_VALUE:
        if (c == ']') {
            close_container(r);
            return RAG_OK;
        }
        return value(r, c, err);
    case JSON_STATE_VALUE: return value(r, c, err);
    case JSON_STATE_COLON:
    case JSON_STATE_AFTER_VALUE: break;
    }
    return after_value(r, c, err);
}

rag_status json_reader_next(struct json_reader *r, enum json_event *event, rag_error *err)
{
    RAG_TRY(step(r, err));
    if (r->last == JSON_EVENT_KEY)
        RAG_TRY(json_reader_string(r, LIMIT_JSON_NAME_BYTES, &r->text, err));
    *event = r->last;
    return RAG_OK;
}

rag_slice json_reader_text(const struct json_reader *r)
{
    return r->text;
}

/* ---- whole values -------------------------------------------------------------------------------- */

static rag_status keep(struct json_reader *r, struct buffer *out, rag_slice text, rag_error *err)
{
    if (!out)
        return RAG_OK;
    if (text.len > out->limit - out->len)
        return json_reader_fail(r, err, RAG_E_INVALID, "a value larger than %zu bytes", out->limit);
    return buffer_append(out, text.data, text.len, err);
}

static rag_status keep_string(struct json_reader *r, struct buffer *out, rag_error *err)
{
    rag_slice piece;
    RAG_TRY(keep(r, out, slice_of("\"", 1), err));
    while (r->in_string) {
        RAG_TRY(string_piece(r, 1, &piece, err));
        RAG_TRY(keep(r, out, piece, err));
    }
    return keep(r, out, slice_of("\"", 1), err);
}

/* The token that step() has read. */
static rag_status keep_token(struct json_reader *r, struct buffer *out, rag_error *err)
{
    switch (r->last) {
    case JSON_EVENT_OBJECT: return keep(r, out, slice_of("{", 1), err);
    case JSON_EVENT_OBJECT_END: return keep(r, out, slice_of("}", 1), err);
    case JSON_EVENT_ARRAY: return keep(r, out, slice_of("[", 1), err);
    case JSON_EVENT_ARRAY_END: return keep(r, out, slice_of("]", 1), err);
    case JSON_EVENT_STRING: return keep_string(r, out, err);
    case JSON_EVENT_KEY:
        RAG_TRY(keep_string(r, out, err));
        return keep(r, out, slice_of(":", 1), err);
    case JSON_EVENT_NUMBER:
    case JSON_EVENT_TRUE:
    case JSON_EVENT_FALSE:
    case JSON_EVENT_NULL: return keep(r, out, r->text, err);
    case JSON_EVENT_END: break;
    }
    return RAG_OK;
}

rag_status json_reader_capture(struct json_reader *r, struct buffer *out, rag_error *err)
{
    const int container = r->last == JSON_EVENT_OBJECT || r->last == JSON_EVENT_ARRAY;
    const unsigned outer = r->depth - (unsigned)container;
    const size_t before = out ? out->len : 0;
    rag_status status = keep_token(r, out, err);
    while (status == RAG_OK && r->depth > outer) {
        status = step(r, err);
        if (status == RAG_OK && r->comma)
            status = keep(r, out, slice_of(",", 1), err);
        if (status == RAG_OK)
            status = keep_token(r, out, err);
    }
    if (status != RAG_OK && out)
        out->len = before;
    return status;
}

rag_status json_reader_skip(struct json_reader *r, rag_error *err)
{
    return json_reader_capture(r, NULL, err);
}

/* ---- places -------------------------------------------------------------------------------------- */

uint64_t json_reader_offset(const struct json_reader *r)
{
    return r->base + r->pos;
}

uint64_t json_reader_token(const struct json_reader *r)
{
    return r->token;
}

uint64_t json_reader_replaced(const struct json_reader *r)
{
    return r->replaced;
}
