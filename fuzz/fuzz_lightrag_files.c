/* The readers of LightRAG's files over any bytes. The first byte chooses the reader and whether it
 * salvages (bit 2), and the second
 * into which pieces the file is cut. Two runs, one in these pieces and one whole, must end with the
 * same status and, when that is success, have given the same rows. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backends/lightrag_files/graphml_reader.h"
#include "backends/lightrag_files/json_kv_reader.h"
#include "backends/lightrag_files/nano_reader.h"
#include "core/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct file {
    const uint8_t *data;
    size_t len, piece;
};

static void require(int condition)
{
    if (!condition)
        abort();
}

static rag_status read_at(void *ctx, uint64_t offset, void *data, size_t size, size_t *got,
                          rag_error *err)
{
    const struct file *f = ctx;
    (void)err;
    size_t n = offset < f->len ? f->len - (size_t)offset : 0;
    n = n < f->piece ? n : f->piece;
    n = n < size ? n : size;
    if (n)
        memcpy(data, f->data + offset, n);
    *got = n;
    return RAG_OK;
}

/* What a run has given, as one number. */
struct sum {
    uint64_t rows, hash;
};

static void add(struct sum *sum, const void *data, size_t len)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < len; i++)
        sum->hash = (sum->hash ^ p[i]) * UINT64_C(0x100000001b3);
    sum->hash = (sum->hash ^ len) * UINT64_C(0x100000001b3);
}

static rag_status take(void *ctx, struct lightrag_batch **batch, rag_error *err)
{
    struct sum *sum = ctx;
    const struct lightrag_batch *b = *batch;
    (void)err;
    for (size_t i = 0; i < b->count; i++) {
        const rag_slice key = lightrag_bytes(b, b->rows[i].key);
        const rag_slice key2 = lightrag_bytes(b, b->rows[i].key2);
        const rag_slice value = lightrag_bytes(b, b->rows[i].value);
        require(json_check_object(value, "value of", key, NULL) == RAG_OK);
        add(sum, key.data, key.len);
        add(sum, key2.data, key2.len);
        add(sum, value.data, value.len);
        add(sum, &b->rows[i].created_at, sizeof b->rows[i].created_at);
        if (b->kind == LIGHTRAG_VECTORS)
            add(sum, b->vectors + i * b->dimension, b->dimension * sizeof(float));
        sum->rows++;
    }
    lightrag_batch_clear(*batch);
    return RAG_OK;
}

static rag_status run(unsigned which, struct file file, struct sum *sum)
{
    const struct lightrag_input input = { "fuzz", &file, read_at };
    const struct lightrag_sink sink = { sum, take };
    struct lightrag_summary summary = LIGHTRAG_SUMMARY_INIT;
    struct lightrag_batch batch;
    struct lightrag_job job = { &input, "x_cache", &sink, &batch, &summary, which >> 2 & 1 };
    rag_error err = RAG_ERROR_INIT;
    rag_status status;
    lightrag_batch_init(&batch);
    switch (which % 4) {
    case 0: status = lightrag_read_kv(&job, &err); break;
    case 1: status = lightrag_read_docs(&job, &err); break;
    case 2: status = lightrag_read_vectors(&job, &err); break;
    default: status = lightrag_read_graph(&job, &err); break;
    }
    require(status == RAG_OK || (err.status == status && strncmp(err.message, "fuzz", 4) == 0));
    require(status != RAG_OK || sum->rows == summary.rows);
    lightrag_batch_free(&batch);
    lightrag_summary_free(&summary);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const struct file pieces = { data + 2, size - 2, data[1] ? data[1] : 1 };
    const struct file whole = { data + 2, size - 2, size };
    struct sum a = { 0, 0 }, b = { 0, 0 };
    const rag_status first = run(data[0], pieces, &a), second = run(data[0], whole, &b);
    require((first == RAG_OK) == (second == RAG_OK));
    require(first != RAG_OK || (a.rows == b.rows && a.hash == b.hash));
    return 0;
}
