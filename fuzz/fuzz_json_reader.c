/* The tokenizer over any bytes. The first byte chooses into which pieces the rest is cut. Reading
 * event by event, capturing and skipping must agree on what is valid; what is captured must be
 * itself when captured again, and, when it is an object, be taken by the reader of values. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "core/json_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct pieces {
    const uint8_t *data;
    size_t len, pos, size;
};

static rag_status fill(void *ctx, void *data, size_t size, size_t *got, rag_error *err)
{
    struct pieces *p = ctx;
    (void)err;
    size_t n = p->len - p->pos;
    n = n < p->size ? n : p->size;
    n = n < size ? n : size;
    memcpy(data, p->data + p->pos, n);
    p->pos += n;
    *got = n;
    return RAG_OK;
}

static void require(int condition)
{
    if (!condition)
        abort();
}

/* `mode` 0: events, with the bodies of strings; 1: events without them; 2: capture; 3: skip. */
static rag_status read_all(struct pieces p, int mode, struct buffer *out, rag_error *err)
{
    struct json_reader r;
    enum json_event event = JSON_EVENT_NULL;
    rag_slice piece;
    rag_status status = json_reader_open(&r, "fuzz", fill, &p, err);
    require(status == RAG_OK);
    while (status == RAG_OK && event != JSON_EVENT_END) {
        status = json_reader_next(&r, &event, err);
        if (status == RAG_OK && event == JSON_EVENT_STRING && mode == 0)
            do
                status = json_reader_chunk(&r, &piece, err);
            while (status == RAG_OK && piece.len);
        if (status == RAG_OK && event != JSON_EVENT_END && mode >= 2)
            status = json_reader_capture(&r, mode == 2 ? out : NULL, err);
    }
    json_reader_close(&r);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    const struct pieces p = { data + 1, size - 1, 0, data[0] ? data[0] : 4096 };
    struct buffer text = BUFFER_INIT(1 << 26), again = BUFFER_INIT(1 << 26);
    rag_error err = RAG_ERROR_INIT;
    const rag_status status = read_all(p, 0, NULL, &err);
    require(status == RAG_OK || status == RAG_E_CORRUPT || status == RAG_E_INVALID);
    require(read_all(p, 1, NULL, NULL) == status);
    require(read_all(p, 2, &text, NULL) == status);
    require(read_all(p, 3, NULL, NULL) == status);
    if (status == RAG_OK) {
        const struct pieces q = { (const uint8_t *)text.data, text.len, 0, 4096 };
        require(read_all(q, 2, &again, NULL) == RAG_OK);
        require(slice_equal(buffer_slice(&text), buffer_slice(&again)));
        if (text.data[0] == '{')
            require(json_check_object(buffer_slice(&text), "fuzz", rag_text("x"), &err) == RAG_OK);
    } else if (p.len &&
               json_check_object(slice_of(p.data, p.len), "fuzz", rag_text("x"), NULL) == RAG_OK) {
        require(status == RAG_E_INVALID || strstr(err.message, "digits"));
    }
    buffer_free(&text);
    buffer_free(&again);
    return 0;
}
