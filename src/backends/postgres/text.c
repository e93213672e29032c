/* Bytes that are built up: statements, arrays of parameters, JSON of rows.
 *
 * A module cannot use the library's own buffers, so these are small and over the host's memory. An
 * allocation that failed is remembered and looked at once, where the bytes are used: building code
 * stays free of checks. Arrays are in PostgreSQL's binary format, so nothing is ever quoted into the
 * text of a statement. */
#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_CAPACITY = 256, PRINTF_MAX = 2000, ARRAY_HEADER = 20, COUNT_AT = 12 };

int pg_compare(rag_slice a, rag_slice b)
{
    const size_t shorter = a.len < b.len ? a.len : b.len;
    const int order = shorter ? memcmp(a.data, b.data, shorter) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

int pg_is_text(rag_slice s, const char *text)
{
    return pg_compare(s, rag_text(text)) == 0;
}

void pg_text_free(struct pg_text *t)
{
    if (t->host)
        t->host->free(t->data);
    t->data = NULL;
    t->len = t->capacity = 0;
}

void pg_text_clear(struct pg_text *t)
{
    t->len = 0;
}

static int reserve(struct pg_text *t, size_t more)
{
    if (t->failed || more > SIZE_MAX / 4 - t->len)
        t->failed = 1;
    if (t->failed)
        return 0;
    if (t->len + more <= t->capacity)
        return 1;
    size_t capacity = t->capacity ? t->capacity : FIRST_CAPACITY;
    while (capacity < t->len + more)
        capacity *= 2;
    char *data = t->host->realloc(t->data, capacity);
    if (!data) {
        t->failed = 1;
        return 0;
    }
    t->data = data;
    t->capacity = capacity;
    return 1;
}

void pg_text_add(struct pg_text *t, const void *data, size_t len)
{
    if (!reserve(t, len + 1))
        return;
    if (len)
        memcpy(t->data + t->len, data, len);
    t->len += len;
    t->data[t->len] = 0;
}

void pg_text_add_text(struct pg_text *t, const char *text)
{
    pg_text_add(t, text, strlen(text));
}

void pg_text_printf(struct pg_text *t, const char *format, ...)
{
    char text[PRINTF_MAX];
    va_list arguments;
    va_start(arguments, format);
    const int len = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (len < 0 || (size_t)len >= sizeof text)
        t->failed = 1;
    else
        pg_text_add(t, text, (size_t)len);
}

void pg_text_fill(struct pg_text *t, const char *pattern, const char *name)
{
    for (;;) {
        const size_t plain = strcspn(pattern, "@");
        pg_text_add(t, pattern, plain);
        pattern += plain;
        if (!*pattern++)
            return;
        pg_text_add_text(t, name);
    }
}

void pg_text_add_json_string(struct pg_text *t, rag_slice s)
{
    static const char letters[] = "btn\vfr"; /* for 8 to 13; 11 has none */
    const char *p = s.data, *end = p + s.len;
    pg_text_add(t, "\"", 1);
    while (p < end) {
        const char *plain = p;
        while (p < end && (unsigned char)*p >= 0x20 && *p != '"' && *p != '\\')
            p++;
        pg_text_add(t, plain, (size_t)(p - plain));
        if (p == end)
            break;
        const unsigned char c = (unsigned char)*p++;
        char pair[2] = { '\\', (char)c };
        if (c >= 8 && c <= 13 && c != 11)
            pair[1] = letters[c - 8];
        if (c >= 0x20 || pair[1] != (char)c)
            pg_text_add(t, pair, sizeof pair);
        else
            pg_text_printf(t, "\\u%04x", c);
    }
    pg_text_add(t, "\"", 1);
}

rag_status pg_text_check(const struct pg_text *t, rag_error *err)
{
    return t->failed ? pg_no_memory(t->host, err) : RAG_OK;
}

/* ---- arrays --------------------------------------------------------------------------------------- */

static void add_uint32(struct pg_text *t, uint32_t value)
{
    const unsigned char bytes[4] = { (unsigned char)(value >> 24), (unsigned char)(value >> 16),
                                     (unsigned char)(value >> 8), (unsigned char)value };
    pg_text_add(t, bytes, sizeof bytes);
}

void pg_put_int64(char out[8], int64_t value)
{
    for (int i = 0; i < 8; i++)
        out[i] = (char)((uint64_t)value >> (56 - 8 * i));
}

void pg_array_clear(struct pg_array *a)
{
    pg_text_clear(&a->bytes);
    a->count = 0;
    add_uint32(&a->bytes, 1); /* dimensions */
    add_uint32(&a->bytes, 1); /* there may be NULLs */
    add_uint32(&a->bytes, a->type);
    add_uint32(&a->bytes, 0); /* elements: COUNT_AT */
    add_uint32(&a->bytes, 1); /* the first index */
}

void pg_array_begin(struct pg_array *a, const rag_host *host, uint32_t type)
{
    memset(a, 0, sizeof *a);
    a->bytes.host = host;
    a->type = type;
    pg_array_clear(a);
}

static void count_element(struct pg_array *a)
{
    a->count++;
    if (a->bytes.failed)
        return;
    for (int i = 0; i < 4; i++)
        a->bytes.data[COUNT_AT + i] = (char)(a->count >> (24 - 8 * i));
}

void pg_array_add(struct pg_array *a, rag_slice element)
{
    add_uint32(&a->bytes, element.data ? (uint32_t)element.len : UINT32_MAX);
    if (element.data)
        pg_text_add(&a->bytes, element.data, element.len);
    count_element(a);
}

void pg_array_add_int(struct pg_array *a, int64_t element)
{
    char bytes[8];
    pg_put_int64(bytes, element);
    pg_array_add(a, (rag_slice){ bytes, sizeof bytes });
}

void pg_array_free(struct pg_array *a)
{
    pg_text_free(&a->bytes);
}
