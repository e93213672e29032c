/* Laying out JSON text again, token by token and without a tree.
 *
 * What comes in was validated when it was stored, so this is a copy that knows strings, structure and
 * the rest apart. It is no validator: it notices what would lead it astray (brackets that do not
 * match in number, an escape that is none, text that ends in a string) and trusts everything else.
 * Long runs of plain characters, which is what values consist of, are copied as runs. */
#include "json_format.h"

#include <string.h>

#include "limits.h"
#include "utf8.h"

struct formatter {
    struct buffer *out;
    const char *p, *end;
    enum json_style style;
    unsigned depth, base;
};

static rag_status fail(rag_error *err, const char *what)
{
    return rag_fail(err, RAG_E_CORRUPT, "JSON text %s", what);
}

/* ---- strings --------------------------------------------------------------------------------------- */

static rag_status put_code(struct buffer *out, unsigned c, rag_error *err)
{
    static const char letters[] = "btn?fr";
    char bytes[8];
    if (c == '"' || c == '\\')
        return buffer_printf(out, err, "\\%c", (int)c);
    if (c >= 8 && c <= 13 && c != 11)
        return buffer_printf(out, err, "\\%c", letters[c - 8]);
    if (c < 0x20)
        return buffer_printf(out, err, "\\u%04x", c);
    return buffer_append(out, bytes, utf8_encode(c, bytes), err);
}

static int is_plain(unsigned char c)
{
    return c >= 0x20 && c != '"' && c != '\\';
}

rag_status json_format_string(struct buffer *out, rag_slice text, rag_error *err)
{
    const unsigned char *p = text.data, *end = p + text.len;
    RAG_TRY(buffer_append_char(out, '"', err));
    while (p < end) {
        const unsigned char *run = p;
        while (p < end && is_plain(*p))
            p++;
        RAG_TRY(buffer_append(out, run, (size_t)(p - run), err));
        if (p < end)
            RAG_TRY(put_code(out, *p++, err));
    }
    return buffer_append_char(out, '"', err);
}

/* Four hex digits behind "\u"; 0x110000 when they are none. */
static unsigned four_digits(const char *p, const char *end)
{
    unsigned value = 0;
    if (end - p < 4)
        return 0x110000;
    for (int i = 0; i < 4; i++) {
        const char c = p[i], low = (char)(c | 0x20);
        if (c >= '0' && c <= '9')
            value = value << 4 | (unsigned)(c - '0');
        else if (low >= 'a' && low <= 'f')
            value = value << 4 | (unsigned)(low - 'a' + 10);
        else
            return 0x110000;
    }
    return value;
}

/* The character of the escape whose letter is at f->p, which moves behind it. */
static unsigned unescape(struct formatter *f)
{
    static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    const char letter = f->p < f->end ? *f->p++ : 0;
    const char *known = letter ? strchr(letters, letter) : NULL;
    if (known)
        return (unsigned char)meant[known - letters];
    if (letter != 'u')
        return 0x110000;
    unsigned code = four_digits(f->p, f->end);
    f->p += code < 0x110000 ? 4 : 0;
    if (code < 0xd800 || code > 0xdfff)
        return code;
    if (code > 0xdbff || f->end - f->p < 6 || f->p[0] != '\\' || f->p[1] != 'u')
        return 0x110000;
    const unsigned low = four_digits(f->p + 2, f->end);
    if (low < 0xdc00 || low > 0xdfff)
        return 0x110000;
    f->p += 6;
    return 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
}

/* The string whose opening quote was just passed. */
static rag_status put_string(struct formatter *f, rag_error *err)
{
    RAG_TRY(buffer_append_char(f->out, '"', err));
    for (;;) {
        const char *run = f->p;
        while (f->p < f->end && *f->p != '"' && *f->p != '\\')
            f->p++;
        RAG_TRY(buffer_append(f->out, run, (size_t)(f->p - run), err));
        if (f->p == f->end)
            return fail(err, "ends in a string");
        if (*f->p++ == '"')
            return buffer_append_char(f->out, '"', err);
        const unsigned code = unescape(f);
        if (code >= 0x110000)
            return fail(err, "has a wrong escape");
        RAG_TRY(put_code(f->out, code, err));
    }
}

/* ---- layout ---------------------------------------------------------------------------------------- */

static int is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_space(struct formatter *f)
{
    while (f->p < f->end && is_space(*f->p))
        f->p++;
}

static rag_status new_line(struct formatter *f, rag_error *err)
{
    if (f->style != JSON_INDENT)
        return RAG_OK;
    RAG_TRY(buffer_append_char(f->out, '\n', err));
    for (unsigned i = 0; i < f->base + f->depth; i++)
        RAG_TRY(buffer_append(f->out, "  ", 2, err));
    return RAG_OK;
}

static rag_status open_bracket(struct formatter *f, char bracket, rag_error *err)
{
    const char closing = bracket == '{' ? '}' : ']';
    RAG_TRY(buffer_append_char(f->out, bracket, err));
    skip_space(f);
    if (f->p < f->end && *f->p == closing) {
        f->p++;
        return buffer_append_char(f->out, closing, err);
    }
    if (++f->depth > LIMIT_JSON_DEPTH)
        return fail(err, "is nested too deep");
    return new_line(f, err);
}

static rag_status close_bracket(struct formatter *f, char bracket, rag_error *err)
{
    if (!f->depth)
        return fail(err, "has a bracket too many");
    f->depth--;
    RAG_TRY(new_line(f, err));
    return buffer_append_char(f->out, bracket, err);
}

static int is_word(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-' ||
           c == '+' || c == '.';
}

/* A number, or true, false, null. */
static rag_status put_word(struct formatter *f, rag_error *err)
{
    const char *word = f->p;
    while (f->p < f->end && is_word(*f->p))
        f->p++;
    size_t len = (size_t)(f->p - word);
    if (!len)
        return fail(err, "has a character that belongs to nothing");
    if (f->style == JSON_CANONICAL && len == 2 && memcmp(word, "-0", 2) == 0)
        return buffer_append_char(f->out, '0', err);
    const size_t at = f->out->len;
    RAG_TRY(buffer_append(f->out, word, len, err));
    char *exponent = f->style == JSON_CANONICAL ? memchr(f->out->data + at, 'E', len) : NULL;
    if (exponent)
        *exponent = 'e';
    return RAG_OK;
}

static rag_status put_token(struct formatter *f, rag_error *err)
{
    const char c = *f->p;
    switch (c) {
    case '"': f->p++; return put_string(f, err);
    case '{':
    case '[': f->p++; return open_bracket(f, c, err);
    case '}':
    case ']': f->p++; return close_bracket(f, c, err);
    case ',':
        f->p++;
        RAG_TRY(buffer_append_text(f->out, f->style == JSON_LINE ? ", " : ",", err));
        return new_line(f, err);
    case ':':
        f->p++;
        return buffer_append_text(f->out, f->style == JSON_CANONICAL ? ":" : ": ", err);
    default: return put_word(f, err);
    }
}

rag_status json_format(struct buffer *out, rag_slice json, enum json_style style, unsigned depth,
                       rag_error *err)
{
    struct formatter f = { out, json.data, (const char *)json.data + json.len, style, 0, depth };
    const size_t before = out->len;
    rag_status status = RAG_OK;
    for (skip_space(&f); status == RAG_OK && f.p < f.end; skip_space(&f))
        status = put_token(&f, err);
    if (status == RAG_OK && (f.depth || out->len == before))
        status = fail(err, "ends too early");
    if (status != RAG_OK)
        out->len = before;
    return status;
}
