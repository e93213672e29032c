/* Parsing of store URLs.
 *
 * One pass over NUL-terminated text; everything decoded goes into an arena. The parser is stricter
 * than RFC 3986 asks: what looks like a mistake (a bad escape, an option twice, an option without a
 * value) is refused, because a wrong guess would open a wrong store. Messages name the part that is
 * wrong and never its value: it may be a password. */
#include "url.h"

#include <string.h>
#include <strings.h>

#include "core/buffer.h"
#include "core/utf8.h"

static int is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Length of the scheme, or 0 when there is none. */
static size_t scheme_length(const char *text)
{
    size_t n = 0;
    if (!is_letter(text[0]))
        return 0;
    while (is_letter(text[n]) || (text[n] >= '0' && text[n] <= '9') || text[n] == '+' ||
           text[n] == '-' || text[n] == '_')
        n++;
    return text[n] == ':' ? n : 0;
}

/* `len` bytes without their escapes. `what` names them in messages. */
static rag_status decode(const char *from, size_t len, struct arena *arena, const char *what,
                         const char **out, rag_error *err)
{
    char *copy = arena_alloc(arena, len + 1);
    if (!copy)
        return rag_fail_memory(err);
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (from[i] != '%') {
            copy[n++] = from[i];
            continue;
        }
        const int a = i + 1 < len ? hex_value(from[i + 1]) : -1;
        const int b = i + 2 < len ? hex_value(from[i + 2]) : -1;
        if (a < 0 || b < 0 || (!a && !b))
            return rag_fail(err, RAG_E_INVALID,
                            "%s of the URL: '%%' is followed by two hexadecimal digits, not 00",
                            what);
        copy[n++] = (char)(a * 16 + b);
        i += 2;
    }
    copy[n] = 0;
    if (utf8_valid_prefix(copy, n) != n)
        return rag_fail(err, RAG_E_INVALID, "%s of the URL is not UTF-8", what);
    *out = copy;
    return RAG_OK;
}

static rag_status add_option(struct url *url, const char *name, const char *value, rag_error *err)
{
    if (url_option(url, name))
        return rag_fail(err, RAG_E_INVALID, "option '%.80s' is in the URL twice", name);
    if (url->option_count == LIMIT_URL_OPTIONS)
        return rag_fail(err, RAG_E_INVALID, "more than %d options in the URL", LIMIT_URL_OPTIONS);
    url->options[url->option_count++] = (struct url_option){ name, value };
    return RAG_OK;
}

static rag_status add_decoded(struct url *url, const char *name, const char *from, size_t len,
                              struct arena *arena, rag_error *err)
{
    const char *value;
    RAG_TRY(decode(from, len, arena, name, &value, err));
    return add_option(url, name, value, err);
}

static rag_status parse_query(const char *at, struct arena *arena, struct url *url, rag_error *err)
{
    while (*at) {
        const size_t len = strcspn(at, "&"), name_len = strcspn(at, "=&");
        if (len) {
            const char *name;
            RAG_TRY(decode(at, name_len, arena, "an option", &name, err));
            if (name_len == len || !name_len)
                return rag_fail(err, RAG_E_INVALID, "option '%.80s' of the URL has no value", name);
            RAG_TRY(add_decoded(url, name, at + name_len + 1, len - name_len - 1, arena, err));
        }
        at += len + (at[len] == '&');
    }
    return RAG_OK;
}

/* host:port. The brackets that URLs have around an IPv6 address are no part of it. */
static rag_status parse_host(const char *at, const char *end, struct arena *arena, struct url *url,
                             rag_error *err)
{
    const int has_bracket = at < end && *at == '[';
    const char *closing = has_bracket ? memchr(at, ']', (size_t)(end - at)) : NULL;
    const char *rest = has_bracket ? closing : at;
    const char *port = rest ? memchr(rest, ':', (size_t)(end - rest)) : NULL;
    size_t len = (size_t)((port ? port : end) - at);
    if (closing && closing + 1 == at + len) {
        at++;
        len -= 2;
    }
    if (len)
        RAG_TRY(add_decoded(url, "host", at, len, arena, err));
    if (port)
        RAG_TRY(add_decoded(url, "port", port + 1, (size_t)(end - port) - 1, arena, err));
    return RAG_OK;
}

/* user:password@host:port, of `len` bytes. *host: where the part without secrets begins. */
static rag_status parse_authority(const char *at, size_t len, struct arena *arena, struct url *url,
                                  const char **host, rag_error *err)
{
    const char *end = at + len;
    const char *user_end = memrchr(at, '@', len);
    if (user_end) {
        const char *colon = memchr(at, ':', (size_t)(user_end - at));
        const char *name_end = colon ? colon : user_end;
        if (name_end > at)
            RAG_TRY(add_decoded(url, "user", at, (size_t)(name_end - at), arena, err));
        if (colon)
            RAG_TRY(add_decoded(url, "password", colon + 1, (size_t)(user_end - colon) - 1, arena,
                                err));
        at = user_end + 1;
    }
    *host = at;
    return parse_host(at, end, arena, url, err);
}

/* scheme://authority/path */
static rag_status parse_server(const char *at, size_t len, struct arena *arena, struct url *url,
                               rag_error *err)
{
    const size_t authority = strcspn(at, "/?") < len ? strcspn(at, "/?") : len;
    if (!authority) /* scheme:///path is a path */
        return decode(at, len, arena, "the path", &url->location, err);
    const char *host = at;
    RAG_TRY(parse_authority(at, authority, arena, url, &host, err));
    const char *path = at + authority;
    size_t path_len = len - authority;
    struct buffer shown = BUFFER_INIT(LIMIT_URL_BYTES);
    rag_status status =
        buffer_printf(&shown, err, "%s://%.*s", url->scheme, (int)(at + len - host), host);
    if (status == RAG_OK) {
        url->location = arena_copy(arena, shown.data, shown.len);
        if (!url->location)
            status = rag_fail_memory(err);
    }
    buffer_free(&shown);
    RAG_TRY(status);
    if (path_len > 1)
        RAG_TRY(add_decoded(url, "database", path + 1, path_len - 1, arena, err));
    return RAG_OK;
}

rag_status url_parse(const char *text, struct arena *arena, struct url *out, rag_error *err)
{
    memset(out, 0, sizeof *out);
    const size_t total = strnlen(text, LIMIT_URL_BYTES + 1);
    if (total > LIMIT_URL_BYTES)
        return rag_fail(err, RAG_E_INVALID, "the URL is longer than %zu bytes", LIMIT_URL_BYTES);
    if (strcmp(text, ":memory:") == 0) /* as SQLite spells it */
        text = "memory:";
    const size_t scheme = scheme_length(text);
    const char *at = scheme ? text + scheme + 1 : text;
    const size_t len = strcspn(at, "?");
    if (*text == '@') {
        out->scheme = "@";
        out->location = arena_copy(arena, text + 1, strcspn(text + 1, "?"));
    } else if (!scheme) {
        out->scheme = "embedded";
        out->location = arena_copy(arena, at, len);
    } else {
        out->scheme = arena_copy(arena, text, scheme);
        if (out->scheme && strncmp(at, "//", 2) == 0)
            RAG_TRY(parse_server(at + 2, len - 2, arena, out, err));
        else if (out->scheme)
            RAG_TRY(decode(at, len, arena, "the path", &out->location, err));
    }
    if (!out->scheme || !out->location)
        return rag_fail_memory(err);
    if (utf8_valid_prefix(out->location, strlen(out->location)) != strlen(out->location))
        return rag_fail(err, RAG_E_INVALID, "the path of the URL is not UTF-8");
    return at[len] ? parse_query(at + len + 1, arena, out, err) : RAG_OK;
}

const char *url_option(const struct url *url, const char *name)
{
    for (size_t i = 0; i < url->option_count; i++)
        if (strcmp(url->options[i].name, name) == 0)
            return url->options[i].value;
    return NULL;
}

int url_is_secret(const char *name)
{
    static const char *const secret[] = { "password", "passwd", "secret",     "token",
                                          "api_key",  "apikey", "credential", "private_key" };
    for (size_t i = 0; i < sizeof secret / sizeof *secret; i++)
        if (strcasestr(name, secret[i]))
            return 1;
    return 0;
}

/* ---- masking --------------------------------------------------------------------------------------- */

static rag_status mask_authority(struct buffer *b, const char *at, size_t len)
{
    const char *user_end = memrchr(at, '@', len);
    const char *colon = user_end ? memchr(at, ':', (size_t)(user_end - at)) : NULL;
    if (!colon)
        return buffer_append(b, at, len, NULL);
    RAG_TRY(buffer_append(b, at, (size_t)(colon - at) + 1, NULL));
    RAG_TRY(buffer_append_text(b, "***", NULL));
    return buffer_append(b, user_end, len - (size_t)(user_end - at), NULL);
}

static rag_status mask_query(struct buffer *b, const char *at)
{
    while (*at) {
        const size_t len = strcspn(at, "&"), name_len = strcspn(at, "=&");
        struct arena scratch = { 0 };
        const char *name = NULL;
        /* a name may be written with escapes; one that cannot be decoded is not shown either */
        const int hide =
            decode(at, name_len, &scratch, "", &name, NULL) != RAG_OK || url_is_secret(name);
        arena_free(&scratch);
        if (hide && name_len < len) {
            RAG_TRY(buffer_append(b, at, name_len + 1, NULL));
            RAG_TRY(buffer_append_text(b, "***", NULL));
        } else {
            RAG_TRY(buffer_append(b, at, len, NULL));
        }
        if (at[len] == '&')
            RAG_TRY(buffer_append_char(b, '&', NULL));
        at += len + (at[len] == '&');
    }
    return RAG_OK;
}

static rag_status mask(struct buffer *b, const char *text)
{
    const size_t scheme = scheme_length(text);
    const char *at = text + (scheme ? scheme + 1 : 0);
    RAG_TRY(buffer_append(b, text, (size_t)(at - text), NULL));
    size_t len = strcspn(at, "?");
    if (scheme && strncmp(at, "//", 2) == 0) {
        const size_t authority = strcspn(at + 2, "/?");
        RAG_TRY(buffer_append(b, at, 2, NULL));
        RAG_TRY(mask_authority(b, at + 2, authority));
        at += 2 + authority;
        len -= 2 + authority;
    }
    RAG_TRY(buffer_append(b, at, len, NULL));
    if (!at[len])
        return RAG_OK;
    RAG_TRY(buffer_append_char(b, '?', NULL));
    return mask_query(b, at + len + 1);
}

const char *url_masked(const char *text, struct arena *arena)
{
    struct buffer b = BUFFER_INIT(LIMIT_URL_BYTES * 2);
    const char *masked = NULL;
    if (mask(&b, text) == RAG_OK)
        masked = arena_copy(arena, b.data, b.len);
    buffer_free(&b);
    return masked ? masked : "***";
}
