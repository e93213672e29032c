/* The matrix as a stream. It is one string of gigabytes; a tokenizer of its own runs over the file
 * up to it, then over its pieces, so that it may stand before or behind the rows, and memory stays
 * at one window. Only directories of old versions, and files that others wrote, need it. */
#include "nano_matrix.h"

#include <string.h>

enum { BYTES_MAX = 4 * 1024 * 1024 };

rag_status nano_find_member(struct json_reader *r, const char *name, enum json_event *event,
                            rag_error *err)
{
    RAG_TRY(json_reader_next(r, event, err));
    if (*event != JSON_EVENT_OBJECT)
        return json_reader_fail(r, err, RAG_E_CORRUPT, "the file is not an object");
    for (;;) {
        RAG_TRY(json_reader_next(r, event, err));
        if (*event == JSON_EVENT_OBJECT_END)
            return json_reader_fail(r, err, RAG_E_NOT_FOUND, "there is no \"%s\"", name);
        const int here = slice_is(json_reader_text(r), name);
        RAG_TRY(json_reader_next(r, event, err));
        if (here)
            return RAG_OK;
        RAG_TRY(json_reader_skip(r, err));
    }
}

rag_status nano_matrix_open(struct nano_matrix *m, const struct lightrag_input *input,
                            const struct base64 *alphabet, rag_error *err)
{
    *m = (struct nano_matrix){ .stream = { input, 0 },
                               .alphabet = alphabet,
                               .bytes = BUFFER_INIT(BYTES_MAX) };
    RAG_TRY(json_reader_open(&m->json, input->name, lightrag_fill, &m->stream, err));
    m->opened = 1;
    enum json_event event;
    rag_status status = nano_find_member(&m->json, "matrix", &event, err);
    if (status == RAG_OK && event != JSON_EVENT_STRING)
        status = json_reader_fail(&m->json, err, RAG_E_CORRUPT, "\"matrix\" is not a text");
    if (status != RAG_OK)
        nano_matrix_close(m);
    return status;
}

void nano_matrix_close(struct nano_matrix *m)
{
    if (m->opened)
        json_reader_close(&m->json);
    m->opened = 0;
    buffer_free(&m->bytes);
}

/* Decode whole groups at the end of m->bytes. */
static rag_status decode(struct nano_matrix *m, const char *text, size_t len, rag_error *err)
{
    size_t got = 0, bad = 0;
    if (!len)
        return RAG_OK;
    if (m->ended)
        return json_reader_fail(&m->json, err, RAG_E_CORRUPT, "the matrix goes on behind its end");
    RAG_TRY(buffer_reserve(&m->bytes, len / 4 * 3, err));
    if (!base64_decode(m->alphabet, text, len, (unsigned char *)m->bytes.data + m->bytes.len, &got,
                       &bad))
        return json_reader_fail(&m->json, err, RAG_E_CORRUPT, "the base64 of the matrix is wrong");
    m->bytes.len += got;
    m->ended = text[len - 1] == '=';
    return RAG_OK;
}

/* Decode the next piece. *end: there is none. */
static rag_status next_piece(struct nano_matrix *m, int *end, rag_error *err)
{
    rag_slice piece;
    if (m->used) {
        memmove(m->bytes.data, m->bytes.data + m->used, m->bytes.len - m->used);
        m->bytes.len -= m->used;
        m->used = 0;
    }
    RAG_TRY(json_reader_chunk(&m->json, &piece, err));
    *end = !piece.len;
    const char *p = piece.data;
    size_t left = piece.len;
    if (m->carried || left < 4) {
        while (m->carried < 4 && left) {
            m->carry[m->carried++] = *p++;
            left--;
        }
        if (m->carried == 4) {
            RAG_TRY(decode(m, m->carry, 4, err));
            m->carried = 0;
        }
    }
    if (*end && m->carried)
        return json_reader_fail(&m->json, err, RAG_E_CORRUPT,
                                "the base64 of the matrix ends inside a group");
    if (m->carried) /* the piece was used up */
        return RAG_OK;
    RAG_TRY(decode(m, p, left / 4 * 4, err));
    m->carried = left % 4;
    memcpy(m->carry, p + (left - m->carried), m->carried);
    return RAG_OK;
}

rag_status nano_matrix_row(struct nano_matrix *m, uint64_t row, uint32_t dimension, float *out,
                           rag_error *err)
{
    const size_t size = (size_t)dimension * sizeof(float);
    for (;;) {
        while (m->bytes.len - m->used >= size) {
            const char *at = m->bytes.data + m->used;
            m->used += size;
            if (m->next_row++ == row) {
                memcpy(out, at, size); /* little-endian, as this machine is */
                return RAG_OK;
            }
        }
        int end = 0;
        RAG_TRY(next_piece(m, &end, err));
        if (end)
            return json_reader_fail(
                &m->json, err, RAG_E_CORRUPT, "the matrix has only %llu %s of %u elements",
                (unsigned long long)m->next_row, m->next_row == 1 ? "row" : "rows", dimension);
    }
}
