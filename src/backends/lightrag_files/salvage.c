/* Finding one's way in a damaged file.
 *
 * Salvaging readers do not trust the order of things: they look for the marks that begin rows, and
 * parse each row for itself, so that damage in one cannot reach the next. A mark is a run of bytes
 * that cannot stand inside of a row in an undamaged file; which one, each format knows.
 *
 * Memory: one window for a scan, one for the tokenizer of the row. Nothing here grows with a file. */
#include "salvage.h"

#include <string.h>

#include "core/alloc.h"
#include "core/limits.h"

rag_status salvage_fill(void *ctx, void *data, size_t size, size_t *got, rag_error *err)
{
    struct salvage_region *r = ctx;
    const uint64_t left = r->end > r->offset ? r->end - r->offset : 0;
    size_t have = 0, n = 1;
    *got = 0;
    if (size > r->piece)
        size = r->piece;
    if (size > left)
        size = (size_t)left;
    r->piece *= r->piece < LIMIT_READ_WINDOW_BYTES ? 2 : 1;
    for (; have < size && n; have += n)
        RAG_TRY(r->input->read_at(r->input->ctx, r->offset + have, (char *)data + have, size - have,
                                  &n, err));
    r->offset += have;
    *got = have;
    return RAG_OK;
}

/* ---- scanning -------------------------------------------------------------------------------------- */

rag_status salvage_scan_open(struct salvage_scan *s, const struct lightrag_input *input,
                             rag_error *err)
{
    *s = (struct salvage_scan){ .input = input, .window = rag_alloc(LIMIT_READ_WINDOW_BYTES) };
    return s->window ? RAG_OK : rag_fail_memory(err);
}

void salvage_scan_close(struct salvage_scan *s)
{
    rag_free(s->window);
    s->window = NULL;
}

void salvage_scan_seek(struct salvage_scan *s, uint64_t offset)
{
    if (offset >= s->base && offset - s->base <= s->len) {
        s->pos = (size_t)(offset - s->base);
        return;
    }
    s->base = offset;
    s->pos = s->len = 0;
    s->at_end = 0;
}

rag_status salvage_scan_look(struct salvage_scan *s, size_t n, const unsigned char **data,
                             size_t *got, rag_error *err)
{
    if (s->len - s->pos < n && !s->at_end) {
        memmove(s->window, s->window + s->pos, s->len - s->pos);
        s->base += s->pos;
        s->len -= s->pos;
        s->pos = 0;
    }
    while (s->len - s->pos < n && !s->at_end) {
        size_t more = 0;
        RAG_TRY(s->input->read_at(s->input->ctx, s->base + s->len, s->window + s->len,
                                  LIMIT_READ_WINDOW_BYTES - s->len, &more, err));
        s->len += more;
        s->at_end = !more;
    }
    *data = s->window + s->pos;
    *got = s->len - s->pos;
    return RAG_OK;
}

static int is_mark(const struct salvage_marks *marks, const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < marks->count; i++)
        if (n >= marks->len[i] && memcmp(p, marks->text[i], marks->len[i]) == 0)
            return 1;
    return 0;
}

rag_status salvage_scan_find(struct salvage_scan *s, const struct salvage_marks *marks,
                             uint64_t *at, int *found, rag_error *err)
{
    size_t longest = 0;
    for (size_t i = 0; i < marks->count; i++)
        longest = marks->len[i] > longest ? marks->len[i] : longest;
    for (;;) {
        const unsigned char *p;
        size_t n;
        RAG_TRY(salvage_scan_look(s, longest, &p, &n, err));
        const unsigned char *first = n ? memchr(p, marks->text[0][0], n) : NULL;
        s->pos += first ? (size_t)(first - p) : n;
        if (!first && s->at_end) {
            *found = 0;
            *at = salvage_scan_offset(s);
            return RAG_OK;
        }
        if (!first)
            continue;
        RAG_TRY(salvage_scan_look(s, longest, &p, &n, err));
        if (is_mark(marks, p, n)) {
            *found = 1;
            *at = salvage_scan_offset(s);
            s->pos++;
            return RAG_OK;
        }
        s->pos++;
    }
}

/* ---- small looks ----------------------------------------------------------------------------------- */

rag_status salvage_is_gap(const struct lightrag_input *input, uint64_t from, uint64_t to,
                          char separator, int *gap, rag_error *err)
{
    int separators = 0;
    *gap = 0;
    while (from < to) {
        char bytes[256];
        size_t n = to - from < sizeof bytes ? (size_t)(to - from) : sizeof bytes;
        RAG_TRY(input->read_at(input->ctx, from, bytes, n, &n, err));
        if (!n)
            break;
        for (size_t i = 0; i < n; i++) {
            const char c = bytes[i];
            separators += separator && c == separator;
            if (c != ' ' && c != '\n' && c != '\r' && c != '\t' && (!separator || c != separator))
                return RAG_OK;
        }
        from += n;
    }
    *gap = separators == (separator != 0);
    return RAG_OK;
}

/* ---- failures -------------------------------------------------------------------------------------- */

int salvage_is_fault(rag_status status)
{
    return status == RAG_E_CORRUPT || status == RAG_E_INVALID || status == RAG_E_MISMATCH ||
           status == RAG_E_UNSUPPORTED;
}

const char *salvage_why(const rag_error *err)
{
    const char *byte = strstr(err->message, " byte ");
    const char *end = byte ? strstr(byte, ": ") : NULL;
    return end ? end + 2 : err->message;
}

const char *salvage_why_at(const rag_error *err)
{
    const char *byte = strstr(err->message, " byte ");
    return byte && strstr(byte, ": ") ? byte + 1 : err->message;
}
