/* Reading JSON text in place, and writing JSON strings.
 *
 * The command uses the public headers only, and the library hands out JSON as text that it has
 * checked. What is needed on top is small: walk over members, take one field, show a string, indent.
 * So there is no tree; a walk is two pointers. Text from outside (--vector FILE) comes this way too,
 * so nothing here trusts its input: a walk over something that is not JSON ends with -1, and nesting
 * is counted, not recursed into. */
#include "json_text.h"

#include <stdio.h>
#include <stdlib.h>

static const char *skip_space(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')) {
        at++;
    }
    return at;
}

/* Past the string that begins at `at`, NULL when it does not end. */
static const char *skip_string(const char *at, const char *end)
{
    for (at++; at < end; at++) {
        if (*at == '\\') {
            at++;
        } else if (*at == '"') {
            return at + 1;
        }
    }
    return NULL;
}

/* Past one value of any kind, NULL when it does not end. */
static const char *skip_value(const char *at, const char *end)
{
    size_t depth = 0;
    if (at < end && *at == '"') {
        return skip_string(at, end);
    }
    if (at >= end || (*at != '{' && *at != '[')) {
        const char *start = at;
        while (at < end && !strchr(",]} \t\n\r", *at)) {
            at++;
        }
        return at > start ? at : NULL;
    }
    while (at < end) {
        if (*at == '"') {
            at = skip_string(at, end);
            if (!at) {
                return NULL;
            }
            continue;
        }
        if (*at == '{' || *at == '[') {
            depth++;
        } else if ((*at == '}' || *at == ']') && --depth == 0) {
            return at + 1;
        }
        at++;
    }
    return NULL;
}

int json_walk_start(json_walk *w, rag_slice json)
{
    const char *start = json.data;
    const char *end = start + json.len;
    const char *at = skip_space(start, end);
    if (at >= end || (*at != '{' && *at != '[')) {
        return 0;
    }
    w->is_object = *at == '{';
    w->at = at;
    w->end = end;
    return 1;
}

/* The name of a member and its colon. 0 when they are not there. */
static int walk_name(json_walk *w, json_member *m)
{
    const char *start = w->at;
    const char *after = start < w->end && *start == '"' ? skip_string(start, w->end) : NULL;
    if (!after) {
        return 0;
    }
    m->name = (rag_slice){ start + 1, (size_t)(after - start) - 2 };
    w->at = skip_space(after, w->end);
    if (w->at >= w->end || *w->at != ':') {
        return 0;
    }
    w->at = skip_space(w->at + 1, w->end);
    return 1;
}

int json_walk_next(json_walk *w, json_member *m)
{
    char close = w->is_object ? '}' : ']';
    w->at = skip_space(w->at, w->end);
    if (w->at >= w->end || !(*w->at == ',' || *w->at == '{' || *w->at == '[' || *w->at == close)) {
        return -1;
    }
    if (*w->at == close) {
        return 0;
    }
    int is_first = *w->at != ',';
    w->at = skip_space(w->at + 1, w->end);
    if (is_first && w->at < w->end && *w->at == close) {
        return 0;
    }
    m->name = rag_text("");
    if (w->is_object && !walk_name(w, m)) {
        return -1;
    }
    const char *after = skip_value(w->at, w->end);
    if (!after) {
        return -1;
    }
    m->value = (rag_slice){ w->at, (size_t)(after - w->at) };
    w->at = skip_space(after, w->end);
    return w->at < w->end && (*w->at == ',' || *w->at == close) ? 1 : -1;
}

int json_field(rag_slice object, const char *name, rag_slice *value)
{
    json_walk w;
    json_member m;
    size_t len = strlen(name);
    if (!json_walk_start(&w, object) || !w.is_object) {
        return 0;
    }
    while (json_walk_next(&w, &m) == 1) {
        if (m.name.len == len && memcmp(m.name.data, name, len) == 0) {
            *value = m.value;
            return 1;
        }
    }
    return 0;
}

int json_is_string(rag_slice value)
{
    return value.len >= 2 && ((const char *)value.data)[0] == '"';
}

static unsigned hex4(const char *s)
{
    char digits[5] = { s[0], s[1], s[2], s[3], '\0' };
    return (unsigned)strtoul(digits, NULL, 16);
}

static void add_point(text *out, unsigned point)
{
    char bytes[4];
    size_t n = 0;
    if (point < 0x80) {
        bytes[n++] = (char)point;
    } else if (point < 0x800) {
        bytes[n++] = (char)(0xc0 | (point >> 6));
    } else if (point < 0x10000) {
        bytes[n++] = (char)(0xe0 | (point >> 12));
        bytes[n++] = (char)(0x80 | ((point >> 6) & 0x3f));
    } else {
        bytes[n++] = (char)(0xf0 | (point >> 18));
        bytes[n++] = (char)(0x80 | ((point >> 12) & 0x3f));
        bytes[n++] = (char)(0x80 | ((point >> 6) & 0x3f));
    }
    if (point >= 0x80) {
        bytes[n++] = (char)(0x80 | (point & 0x3f));
    }
    text_add_bytes(out, bytes, n);
}

/* What stands behind a backslash at `at`; answers the first character behind it. */
static const char *add_escape(text *out, const char *at, const char *end)
{
    static const char letters[] = "bfnrt";
    static const char meanings[] = "\b\f\n\r\t";
    const char *found = strchr(letters, *at);
    if (*at != 'u' || end - at < 5) {
        text_add_char(out, found && *at ? meanings[found - letters] : *at);
        return at + 1;
    }
    unsigned point = hex4(at + 1);
    at += 5;
    if (point >= 0xd800 && point <= 0xdbff && end - at >= 6 && at[0] == '\\' && at[1] == 'u') {
        unsigned low = hex4(at + 2);
        if (low >= 0xdc00 && low <= 0xdfff) {
            point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
            at += 6;
        }
    }
    add_point(out, point);
    return at;
}

void json_add_plain(text *out, rag_slice value)
{
    const char *at = value.data;
    const char *end = at + value.len;
    if (!json_is_string(value)) {
        text_add_bytes(out, value.data, value.len);
        return;
    }
    end--;
    for (at++; at < end;) {
        size_t run = 0;
        while (at + run < end && at[run] != '\\') {
            run++;
        }
        text_add_bytes(out, at, run);
        at += run;
        if (at + 1 < end) {
            at = add_escape(out, at + 1, end);
        } else {
            break;
        }
    }
}

void json_plain_field(text *out, rag_slice object, const char *name)
{
    rag_slice value;
    text_add(out, "");
    if (json_field(object, name, &value)) {
        json_add_plain(out, value);
    }
}

double json_number_field(rag_slice object, const char *name, double otherwise)
{
    rag_slice value;
    char digits[40];
    if (!json_field(object, name, &value) || value.len == 0 || value.len >= sizeof digits) {
        return otherwise;
    }
    memcpy(digits, value.data, value.len);
    digits[value.len] = '\0';
    char *end = NULL;
    double number = strtod(digits, &end);
    return *end == '\0' ? number : otherwise;
}

int json_is_true(rag_slice object, const char *name)
{
    rag_slice value;
    return json_field(object, name, &value) && slice_is(value, "true");
}

size_t json_length(rag_slice value)
{
    json_walk w;
    json_member m;
    size_t count = 0;
    if (!json_walk_start(&w, value)) {
        return 0;
    }
    while (json_walk_next(&w, &m) == 1) {
        count++;
    }
    return count;
}

void json_add_string(text *out, rag_slice bytes)
{
    const unsigned char *s = bytes.data;
    text_add_char(out, '"');
    for (size_t i = 0, used = 0; i < bytes.len; i += used) {
        int32_t point = utf8_next(s + i, bytes.len - i, &used);
        if (point < 0) {
            text_add(out, "\xef\xbf\xbd");
        } else if (point == '"' || point == '\\') {
            text_add_char(out, '\\');
            text_add_char(out, (char)point);
        } else if (point == '\n') {
            text_add(out, "\\n");
        } else if (point == '\t') {
            text_add(out, "\\t");
        } else if (point < 0x20 || (point >= 0x7f && point < 0xa0)) {
            text_printf(out, "\\u%04x", (unsigned)point);
        } else {
            text_add_bytes(out, s + i, used);
        }
    }
    text_add_char(out, '"');
}

void json_add_float(text *out, float value)
{
    char digits[32];
    for (int precision = 6; precision <= 9; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, (double)value);
        if (strtof(digits, NULL) == value) {
            break;
        }
    }
    text_add(out, digits);
}

static void add_line(text *out, unsigned indent, size_t depth)
{
    text_printf(out, "\n%*s", (int)(indent + 2 * depth), "");
}

/* A string as it stands, but for characters that a terminal would act upon. */
static void add_string_shown(text *out, const char *at, const char *after)
{
    rag_slice inside = { at, (size_t)(after - at) };
    text_add_shown(out, inside);
}

void json_add_pretty(text *out, rag_slice json, unsigned indent)
{
    const char *at = json.data;
    const char *end = at + json.len;
    size_t depth = 0;
    while (at < end) {
        char c = *at;
        if (c == '"') {
            const char *after = skip_string(at, end);
            after = after ? after : end;
            add_string_shown(out, at, after);
            at = after;
            continue;
        }
        at++;
        if (c == '{' || c == '[') {
            text_add_char(out, c);
            const char *next = skip_space(at, end);
            if (next < end && (*next == '}' || *next == ']')) {
                text_add_char(out, *next);
                at = next + 1;
            } else {
                add_line(out, indent, ++depth);
            }
        } else if (c == '}' || c == ']') {
            add_line(out, indent, depth > 0 ? --depth : 0);
            text_add_char(out, c);
        } else if (c == ',') {
            text_add_char(out, c);
            add_line(out, indent, depth);
        } else if (c == ':') {
            text_add(out, ": ");
        } else if (c != ' ' && c != '\n' && c != '\t' && c != '\r') {
            text_add_char(out, c);
        }
    }
}
