/* Index files of any bytes. The first byte chooses what is tried.
 *
 * As they stand (bit 0 clear): almost everything ends at a checksum, so this is about opening.
 * Forged (bit 0 set): the bytes become the blocks of a file whose header, lengths and checksums are
 * made to fit, which is what a writer with a fault, or an attacker, would leave behind. Opening then
 * succeeds, whatever the blocks hold; verifying finds slots that do not ascend; searching must stay
 * within its memory and give what it promises about hits. With bit 1 a bit of the blocks is turned
 * over after that: every search that verifies must then refuse. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vindex/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FACTS = 8, DIM_MOST = 200, ROWS_MOST = 300, HITS = 10 };

static void require(int condition)
{
    if (!condition)
        abort();
}

/* Any score that depends on nothing but the slot; some rows are dead, some scores are no numbers. */
static rag_status fetch(void *ctx, const uint64_t *slots, size_t n, float *scores, uint8_t *alive,
                        rag_error *err)
{
    (void)ctx;
    (void)err;
    for (size_t i = 0; i < n; i++) {
        alive[i] = slots[i] % 7 != 0;
        scores[i] = slots[i] % 11 ? (float)(slots[i] % 1000) : NAN;
    }
    return RAG_OK;
}

static rag_status search(const vindex *index, int exact)
{
    static const uint64_t extra[] = { 1, 8, 1000, UINT64_MAX };
    static float vector[VINDEX_DIM_MAX];
    const vindex_search_options options = { .k = HITS,
                                            .min_score = -INFINITY,
                                            .fetch = fetch,
                                            .extra = extra,
                                            .extra_count = 4,
                                            .exact = exact };
    vindex_info info;
    vindex_query query;
    vindex_hit hits[HITS];
    size_t count = 0;
    vindex_get_info(index, &info);
    for (uint32_t i = 0; i < info.dim; i++)
        vector[i] = (float)(i % 5) - 2;
    vector[0] = 1;
    require(vindex_query_init(&query, info.metric, vector, info.dim, NULL) == RAG_OK);
    const rag_status status = vindex_search(index, &query, &options, hits, &count, NULL, NULL);
    require(status == RAG_OK || status == RAG_E_CORRUPT);
    if (status != RAG_OK)
        return status;
    require(count <= HITS);
    for (size_t i = 0; i < count; i++)
        require(hits[i].slot % 7 != 0 && hits[i].score == (float)(hits[i].slot % 1000) &&
                (i == 0 || hits[i].score <= hits[i - 1].score));
    return RAG_OK;
}

static void try_file(const uint8_t *file, size_t len, int forged)
{
    vindex *index = NULL;
    rag_error err = RAG_ERROR_INIT;
    for (int verify = 0; verify < 2; verify++) {
        const rag_status status = vindex_open_mem(file, len, verify, &index, &err);
        require(status == RAG_OK || status == RAG_E_CORRUPT || status == RAG_E_VERSION);
        require(!forged || status == RAG_OK);
        if (status != RAG_OK)
            return;
        const rag_status verified = vindex_verify(index, &err);
        require(verified == RAG_OK || verified == RAG_E_CORRUPT);
        (void)vindex_has_slot(index, 1000);
        require(search(index, 0) == RAG_OK || !forged);
        require(search(index, 1) == RAG_OK || !forged);
        vindex_close(index);
    }
}

/* A header for these rows, and every checksum. */
static void forge(uint8_t *file, struct format_header *h)
{
    const size_t blocks = (size_t)((h->info.file_len - h->table_offset) / sizeof(uint64_t));
    const size_t whole = format_block_layout(h->words, h->block_rows).size;
    for (size_t i = 0; i < blocks; i++) {
        const size_t start = h->header_len + i * whole;
        const size_t left = (size_t)h->table_offset - start;
        const uint64_t sum = vindex_checksum(file + start, left < whole ? left : whole);
        memcpy(file + h->table_offset + i * sizeof sum, &sum, sizeof sum);
    }
    h->table_checksum = vindex_checksum(file + h->table_offset, blocks * sizeof(uint64_t));
    h->mean_checksum =
        vindex_checksum(file + FORMAT_FIXED_HEADER, h->header_len - FORMAT_FIXED_HEADER);
    format_encode(h, file);
}

static void try_forged(const uint8_t *data, size_t size, unsigned flags)
{
    struct format_header h = { 0 };
    h.info.dim = 1u + data[0] % DIM_MOST;
    h.info.metric = (vindex_metric)(1 + data[1] % 3);
    h.info.count = (data[2] | (unsigned)data[3] << 8) % ROWS_MOST;
    h.seed = data[4];
    h.info.first_slot = data[5];
    h.info.last_slot = data[6];
    format_plan(&h);
    const size_t len = (size_t)h.info.file_len;
    uint8_t *file = calloc(1, format_align(len));
    require(file != NULL);
    const size_t room = (size_t)h.table_offset - h.header_len;
    size -= FACTS;
    for (size_t at = 0; size && at < room; at += size) /* a small input fills a large file too */
        memcpy(file + h.header_len + at, data + FACTS, size < room - at ? size : room - at);
    forge(file, &h);
    try_file(file, len, 1);
    if (flags & 2 && room) {
        vindex *index = NULL;
        file[h.header_len + data[7] * (room - 1) / 255] ^= 1;
        require(vindex_open_mem(file, len, 1, &index, NULL) == RAG_OK);
        require(vindex_verify(index, NULL) == RAG_E_CORRUPT);
        require(search(index, 1) == RAG_E_CORRUPT);
        vindex_close(index);
    }
    free(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 + FACTS)
        return 0;
    if (data[0] & 1) {
        try_forged(data + 1, size - 1, data[0]);
        return 0;
    }
    uint8_t *file = malloc(size - 1); /* aligned */
    require(file != NULL);
    memcpy(file, data + 1, size - 1);
    try_file(file, size - 1, 0);
    free(file);
    return 0;
}
