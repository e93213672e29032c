/* rag_kv_stamped(): a value with the members that LightRAG keeps inside it. Writes into the caller's
 * memory only, and counts what did not fit, so that it can neither fail nor allocate. */
#include <string.h>

#include "core/utf8.h"
#include "dispatch.h"

struct writer {
    char *buffer;
    size_t size, len; /* len: of the whole text */
};

static void put(struct writer *w, const void *data, size_t len)
{
    if (w->len < w->size) {
        const size_t room = w->size - w->len;
        memcpy(w->buffer + w->len, data, len < room ? len : room);
    }
    w->len += len;
}

static void put_text(struct writer *w, const char *text)
{
    put(w, text, strlen(text));
}

static void put_number(struct writer *w, int64_t number)
{
    char digits[24];
    size_t at = sizeof digits;
    uint64_t left = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do
        digits[--at] = (char)('0' + left % 10);
    while (left /= 10);
    if (number < 0)
        digits[--at] = '-';
    put(w, digits + at, sizeof digits - at);
}

static void put_string(struct writer *w, rag_slice text)
{
    static const char hex[] = "0123456789abcdef";
    const unsigned char *p = text.data;
    put_text(w, "\"");
    for (size_t i = 0; i < text.len;) {
        const size_t len = utf8_sequence(p + i, text.len - i);
        if (!len) {
            put_text(w, "\xef\xbf\xbd");
        } else if (p[i] == '"' || p[i] == '\\') {
            put_text(w, "\\");
            put(w, p + i, 1);
        } else if (p[i] < 0x20) {
            const char escape[] = { '\\', 'u', '0', '0', hex[p[i] >> 4], hex[p[i] & 15] };
            put(w, escape, sizeof escape);
        } else {
            put(w, p + i, len);
        }
        i += len ? len : 1;
    }
    put_text(w, "\"");
}

static int is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

size_t rag_kv_stamped(const rag_row *row, char *buffer, size_t size)
{
    struct writer w = { buffer, buffer ? size : 0, 0 };
    const char *value = row ? row->value.data : NULL;
    size_t end = value ? row->value.len : 0;
    while (end && value[end - 1] != '}')
        end--;
    end -= end != 0; /* before the '}' */
    while (end && is_space(value[end - 1]))
        end--;
    if (end) {
        put(&w, value, end);
        if (value[end - 1] != '{')
            put_text(&w, ",");
        put_text(&w, "\"_id\":");
        put_string(&w, row->key);
        put_text(&w, ",\"create_time\":");
        put_number(&w, row->created_at);
        put_text(&w, ",\"update_time\":");
        put_number(&w, row->updated_at);
        put_text(&w, "}");
    }
    if (w.size)
        w.buffer[w.len < w.size ? w.len : w.size - 1] = 0;
    return w.len;
}
