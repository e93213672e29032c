/* Growing bytes. Doubles its capacity and never passes its limit, so that no input can make it eat
 * the machine. */
#include "buffer.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include "alloc.h"
#include "utf8.h"

enum { FIRST_CAPACITY = 64 };

rag_status buffer_reserve(struct buffer *b, size_t more, rag_error *err)
{
    if (more > b->limit || b->len > b->limit - more)
        return rag_fail(err, RAG_E_NO_MEMORY, "more than the limit of %zu bytes", b->limit);
    const size_t need = b->len + more + 1;
    if (need <= b->capacity)
        return RAG_OK;
    size_t capacity = b->capacity ? b->capacity : FIRST_CAPACITY;
    while (capacity < need)
        capacity = capacity > SIZE_MAX / 2 ? need : capacity * 2;
    char *data = rag_realloc(b->data, capacity);
    if (!data)
        return rag_fail_memory(err);
    b->data = data;
    b->capacity = capacity;
    return RAG_OK;
}

rag_status buffer_append(struct buffer *b, const void *data, size_t len, rag_error *err)
{
    RAG_TRY(buffer_reserve(b, len, err));
    if (len)
        memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = 0;
    return RAG_OK;
}

rag_status buffer_append_text(struct buffer *b, const char *text, rag_error *err)
{
    return buffer_append(b, text, strlen(text), err);
}

rag_status buffer_append_char(struct buffer *b, char c, rag_error *err)
{
    return buffer_append(b, &c, 1, err);
}

rag_status buffer_printf(struct buffer *b, rag_error *err, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    const int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    rag_status status = RAG_OK;
    if (len < 0)
        status = rag_fail(err, RAG_E_INVALID, "text could not be formatted");
    else
        status = buffer_reserve(b, (size_t)len, err);
    if (status == RAG_OK) {
        (void)vsnprintf(b->data + b->len, (size_t)len + 1, format, again);
        b->len += (size_t)len;
    }
    va_end(again);
    return status;
}

static rag_status append_escaped(struct buffer *b, unsigned char c, rag_error *err)
{
    switch (c) {
    case '"': return buffer_append(b, "\\\"", 2, err);
    case '\\': return buffer_append(b, "\\\\", 2, err);
    case '\n': return buffer_append(b, "\\n", 2, err);
    case '\r': return buffer_append(b, "\\r", 2, err);
    case '\t': return buffer_append(b, "\\t", 2, err);
    case '\b': return buffer_append(b, "\\b", 2, err);
    case '\f': return buffer_append(b, "\\f", 2, err);
    default: return buffer_printf(b, err, "\\u%04x", c);
    }
}

rag_status buffer_append_json_string(struct buffer *b, rag_slice text, rag_error *err)
{
    const size_t start = b->len;
    const unsigned char *p = text.data;
    size_t left = text.len;
    rag_status status = buffer_append_char(b, '"', err);
    while (status == RAG_OK && left) {
        size_t plain = 0; /* a run that needs no escape */
        while (plain < left && p[plain] >= 0x20 && p[plain] < 0x80 && p[plain] != '"' &&
               p[plain] != '\\')
            plain++;
        if (plain) {
            status = buffer_append(b, p, plain, err);
        } else if (p[0] < 0x80) {
            status = append_escaped(b, p[0], err);
            plain = 1;
        } else {
            const size_t len = utf8_sequence(p, left);
            status = len ? buffer_append(b, p, len, err) : buffer_append(b, "\xef\xbf\xbd", 3, err);
            plain = len ? len : 1;
        }
        p += plain;
        left -= plain;
    }
    if (status == RAG_OK)
        status = buffer_append_char(b, '"', err);
    if (status != RAG_OK)
        b->len = start;
    return status;
}

void buffer_clear(struct buffer *b)
{
    b->len = 0;
    if (b->data)
        b->data[0] = 0;
}

void buffer_free(struct buffer *b)
{
    rag_free(b->data);
    b->data = NULL;
    b->len = b->capacity = 0;
}
