/* Layout of an index file and opening it in memory.
 *
 * Rows come in blocks of up to 4096, each with everything its rows need, so that the builder writes
 * front to back with one block in memory. Inside a block the one-bit codes and their factors are
 * arrays (they are read from end to end), the four-bit codes are records (they are read one here and
 * one there).
 *
 * Damage. The header with the mean and the table of block checksums are verified at open: a few
 * kilobytes. A block is verified at its first use, if the caller wants that: reading all of a large
 * index at open would cost more than the first search. Whether verified or not, nothing read from a
 * block is used as a length, a count or an offset, so a damaged block can spoil an answer but cannot
 * make the search leave its memory. */
#include "format.h"

#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "rotate.h"

static const uint8_t MAGIC[8] = { 'R', 'A', 'G', 'V', 'I', 'X', '\r', '\n' };

enum {
    AT_VERSION = 8,
    AT_HEADER_LEN = 12,
    AT_METRIC = 16,
    AT_DIM = 20,
    AT_WORDS = 24,
    AT_BLOCK_ROWS = 28,
    AT_SEED = 32,
    AT_COUNT = 40,
    AT_FIRST_SLOT = 48,
    AT_LAST_SLOT = 56,
    AT_COVERED = 64,
    AT_UUID = 72,
    AT_FILE_LEN = 88,
    AT_TABLE_OFFSET = 96,
    AT_TABLE_CHECKSUM = 104,
    AT_MEAN_CHECKSUM = 112,
    AT_CHECKSUM = 120
};

size_t format_align(size_t n)
{
    return (n + FORMAT_ALIGN - 1) & ~(size_t)(FORMAT_ALIGN - 1);
}

struct format_block format_block_layout(size_t words, size_t rows)
{
    struct format_block b;
    b.slots = 0;
    b.coarse = format_align(rows * sizeof(uint64_t));
    b.a = b.coarse + format_align(rows * words * sizeof(uint64_t));
    b.coarse_b = b.a + format_align(rows * sizeof(float));
    b.coarse_e = b.coarse_b + format_align(rows * sizeof(float));
    b.fine = b.coarse_e + format_align(rows * sizeof(float));
    b.fine_stride = FORMAT_RECORD_SIZE(words);
    b.size = b.fine + format_align(rows * b.fine_stride);
    return b;
}

uint32_t format_block_rows(size_t words)
{
    uint32_t rows = FORMAT_BLOCK_ROWS_MAX;
    while (rows > FORMAT_BLOCK_ROWS_MIN &&
           format_block_layout(words, rows).size > FORMAT_BLOCK_BYTES)
        rows /= 2;
    return rows;
}

void format_plan(struct format_header *h)
{
    const uint64_t count = h->info.count;
    h->words = (uint32_t)CODE_WORDS(h->info.dim);
    h->block_rows = format_block_rows(h->words);
    h->header_len =
        (uint32_t)(FORMAT_FIXED_HEADER + format_align((size_t)h->info.dim * sizeof(float)));
    const uint64_t whole = count / h->block_rows, rest = count % h->block_rows;
    h->table_offset = h->header_len + whole * format_block_layout(h->words, h->block_rows).size +
                      (rest ? format_block_layout(h->words, rest).size : 0);
    h->info.file_len = h->table_offset + (whole + (rest != 0)) * sizeof(uint64_t);
}

uint64_t vindex_file_size(uint32_t dim, uint64_t count)
{
    struct format_header h = { .info = { .dim = dim, .count = count } };
    format_plan(&h);
    return h.info.file_len;
}

static void put_u32(uint8_t *out, uint32_t value)
{
    memcpy(out, &value, sizeof value);
}

static void put_u64(uint8_t *out, uint64_t value)
{
    memcpy(out, &value, sizeof value);
}

static uint32_t get_u32(const uint8_t *in)
{
    uint32_t value;
    memcpy(&value, in, sizeof value);
    return value;
}

static uint64_t get_u64(const uint8_t *in)
{
    uint64_t value;
    memcpy(&value, in, sizeof value);
    return value;
}

void format_encode(struct format_header *h, uint8_t *out)
{
    memcpy(out, MAGIC, sizeof MAGIC);
    put_u32(out + AT_VERSION, VINDEX_FORMAT_VERSION);
    put_u32(out + AT_HEADER_LEN, h->header_len);
    put_u32(out + AT_METRIC, (uint32_t)h->info.metric);
    put_u32(out + AT_DIM, h->info.dim);
    put_u32(out + AT_WORDS, h->words);
    put_u32(out + AT_BLOCK_ROWS, h->block_rows);
    put_u64(out + AT_SEED, h->seed);
    put_u64(out + AT_COUNT, h->info.count);
    put_u64(out + AT_FIRST_SLOT, h->info.first_slot);
    put_u64(out + AT_LAST_SLOT, h->info.last_slot);
    put_u64(out + AT_COVERED, h->info.covered);
    memcpy(out + AT_UUID, h->info.uuid, VINDEX_UUID_SIZE);
    put_u64(out + AT_FILE_LEN, h->info.file_len);
    put_u64(out + AT_TABLE_OFFSET, h->table_offset);
    put_u64(out + AT_TABLE_CHECKSUM, h->table_checksum);
    put_u64(out + AT_MEAN_CHECKSUM, h->mean_checksum);
    h->info.checksum = vindex_checksum(out, AT_CHECKSUM);
    put_u64(out + AT_CHECKSUM, h->info.checksum);
}

static void read_fields(const uint8_t *in, struct format_header *h)
{
    h->header_len = get_u32(in + AT_HEADER_LEN);
    h->info.metric = (vindex_metric)get_u32(in + AT_METRIC);
    h->info.dim = get_u32(in + AT_DIM);
    h->words = get_u32(in + AT_WORDS);
    h->block_rows = get_u32(in + AT_BLOCK_ROWS);
    h->seed = get_u64(in + AT_SEED);
    h->info.count = get_u64(in + AT_COUNT);
    h->info.first_slot = get_u64(in + AT_FIRST_SLOT);
    h->info.last_slot = get_u64(in + AT_LAST_SLOT);
    h->info.covered = get_u64(in + AT_COVERED);
    memcpy(h->info.uuid, in + AT_UUID, VINDEX_UUID_SIZE);
    h->info.file_len = get_u64(in + AT_FILE_LEN);
    h->table_offset = get_u64(in + AT_TABLE_OFFSET);
    h->table_checksum = get_u64(in + AT_TABLE_CHECKSUM);
    h->mean_checksum = get_u64(in + AT_MEAN_CHECKSUM);
    h->info.checksum = get_u64(in + AT_CHECKSUM);
}

/* What a right checksum does not prove: that the numbers agree with each other. */
static rag_status check_fields(const struct format_header *h, size_t len, rag_error *err)
{
    if (h->info.metric != VINDEX_COSINE && h->info.metric != VINDEX_DOT &&
        h->info.metric != VINDEX_L2)
        return rag_fail(err, RAG_E_CORRUPT, "vector index: metric %d", (int)h->info.metric);
    if (h->info.dim == 0 || h->info.dim > VINDEX_DIM_MAX || h->info.count > FORMAT_ROWS_MAX)
        return rag_fail(err, RAG_E_CORRUPT, "vector index: %llu rows of %u dimensions",
                        (unsigned long long)h->info.count, h->info.dim);
    struct format_header plan = *h;
    format_plan(&plan);
    if (plan.words != h->words || plan.block_rows != h->block_rows ||
        plan.header_len != h->header_len || plan.table_offset != h->table_offset ||
        plan.info.file_len != h->info.file_len)
        return rag_fail(err, RAG_E_CORRUPT, "vector index: lengths contradict %llu rows of %u",
                        (unsigned long long)h->info.count, h->info.dim);
    if (h->info.file_len != len)
        return rag_fail(err, RAG_E_CORRUPT, "vector index: %zu bytes, header says %llu", len,
                        (unsigned long long)h->info.file_len);
    return RAG_OK;
}

rag_status format_decode(const uint8_t *base, size_t len, struct format_header *out, rag_error *err)
{
    if (len < FORMAT_FIXED_HEADER || memcmp(base, MAGIC, sizeof MAGIC) != 0)
        return rag_fail(err, RAG_E_CORRUPT, "not a vector index (%zu bytes)", len);
    const uint32_t version = get_u32(base + AT_VERSION);
    if (version > VINDEX_FORMAT_VERSION)
        return rag_fail(err, RAG_E_VERSION, "vector index of format %u, this library knows %d",
                        version, VINDEX_FORMAT_VERSION);
    if (vindex_checksum(base, AT_CHECKSUM) != get_u64(base + AT_CHECKSUM) || version == 0)
        return rag_fail(err, RAG_E_CORRUPT, "vector index: header checksum is wrong");
    struct format_header h = { 0 };
    read_fields(base, &h);
    RAG_TRY(check_fields(&h, len, err));
    const uint8_t *mean = base + FORMAT_FIXED_HEADER;
    if (vindex_checksum(mean, h.header_len - FORMAT_FIXED_HEADER) != h.mean_checksum)
        return rag_fail(err, RAG_E_CORRUPT, "vector index: checksum of the mean is wrong");
    if (vindex_checksum(base + h.table_offset, len - h.table_offset) != h.table_checksum)
        return rag_fail(err, RAG_E_CORRUPT, "vector index: checksum of the block table is wrong");
    if (vindex_f32_finite((const float *)(const void *)mean, h.info.dim) < h.info.dim)
        return rag_fail(err, RAG_E_CORRUPT, "vector index: the mean is not finite");
    *out = h;
    return RAG_OK;
}

/* ---- an open index ------------------------------------------------------------------------------- */

rag_status vindex_open_mem(const void *base, size_t len, int verify_blocks, vindex **out,
                           rag_error *err)
{
    if (!base || (uintptr_t)base % sizeof(uint64_t) != 0)
        return rag_fail(err, RAG_E_INVALID, "memory of a vector index must be 8-byte aligned");
    struct format_header header;
    RAG_TRY(format_decode(base, len, &header, err));
    const size_t padded = (size_t)header.words * WORD_BITS;
    const size_t blocks = (size_t)((header.info.file_len - header.table_offset) / sizeof(uint64_t));
    vindex *index = rag_alloc_zeroed(1, sizeof *index);
    float *signs = rag_alloc_array(ROTATE_SIGNS(padded), sizeof *signs);
    uint8_t *verified = verify_blocks ? rag_alloc_zeroed(blocks + 1, 1) : NULL;
    if (!index || !signs || (verify_blocks && !verified)) {
        rag_free(index);
        rag_free(signs);
        rag_free(verified);
        return rag_fail_memory(err);
    }
    rotate_signs(header.seed, padded, signs);
    index->base = base;
    index->header = header;
    index->mean = (const float *)(const void *)(index->base + FORMAT_FIXED_HEADER);
    index->signs = signs;
    index->block_count = blocks;
    index->full = format_block_layout(header.words, header.block_rows);
    index->verified = verified;
    *out = index;
    return RAG_OK;
}

void vindex_close(vindex *index)
{
    if (!index)
        return;
    rag_free(index->signs);
    rag_free(index->verified);
    rag_free(index);
}

void vindex_get_info(const vindex *index, vindex_info *out)
{
    *out = index->header.info;
}

static rag_status verify_block(const vindex *index, size_t block, const uint8_t *at, size_t size,
                               rag_error *err)
{
    const uint64_t stored =
        get_u64(index->base + index->header.table_offset + block * sizeof(uint64_t));
    if (vindex_checksum(at, size) != stored)
        return rag_fail(err, RAG_E_CORRUPT, "vector index: checksum of block %zu of %zu is wrong",
                        block, index->block_count);
    return RAG_OK;
}

static const uint8_t *find_block(const vindex *index, size_t block, struct format_block *layout,
                                 size_t *rows)
{
    const struct format_header *h = &index->header;
    const uint64_t first = (uint64_t)block * h->block_rows;
    const uint64_t left = h->info.count - first;
    *rows = left < h->block_rows ? (size_t)left : h->block_rows;
    *layout = *rows == h->block_rows ? index->full : format_block_layout(h->words, *rows);
    return index->base + h->header_len + block * index->full.size;
}

rag_status vindex_block(const vindex *index, size_t block, struct block_view *out, rag_error *err)
{
    struct format_block b;
    size_t rows;
    const uint8_t *at = find_block(index, block, &b, &rows);
    if (index->verified && !__atomic_load_n(&index->verified[block], __ATOMIC_RELAXED)) {
        RAG_TRY(verify_block(index, block, at, b.size, err));
        __atomic_store_n(&index->verified[block], 1, __ATOMIC_RELAXED);
    }
    out->rows = rows;
    out->slots = (const uint64_t *)(const void *)(at + b.slots);
    out->coarse = (const uint64_t *)(const void *)(at + b.coarse);
    out->a = (const float *)(const void *)(at + b.a);
    out->coarse_b = (const float *)(const void *)(at + b.coarse_b);
    out->coarse_e = (const float *)(const void *)(at + b.coarse_e);
    out->fine = at + b.fine;
    out->fine_stride = b.fine_stride;
    return RAG_OK;
}

/* Slots must ascend over the whole file, and the header must name the first and the last. */
static rag_status verify_slots(const vindex *index, rag_error *err)
{
    const vindex_info *info = &index->header.info;
    uint64_t previous = 0, seen = 0;
    for (size_t block = 0; block < index->block_count; block++) {
        struct block_view view;
        RAG_TRY(vindex_block(index, block, &view, err));
        for (size_t i = 0; i < view.rows; i++, seen++) {
            if (seen == 0 ? view.slots[i] != info->first_slot : view.slots[i] <= previous)
                return rag_fail(err, RAG_E_CORRUPT, "vector index: row %llu has slot %llu",
                                (unsigned long long)seen, (unsigned long long)view.slots[i]);
            previous = view.slots[i];
        }
    }
    if (previous != info->last_slot)
        return rag_fail(err, RAG_E_CORRUPT, "vector index: last slot is %llu, header says %llu",
                        (unsigned long long)previous, (unsigned long long)info->last_slot);
    return RAG_OK;
}

rag_status vindex_verify(const vindex *index, rag_error *err)
{
    for (size_t block = 0; block < index->block_count; block++) {
        struct format_block b;
        size_t rows;
        const uint8_t *at = find_block(index, block, &b, &rows);
        RAG_TRY(verify_block(index, block, at, b.size, err));
    }
    return verify_slots(index, err);
}

/* Slot of row `row`; the caller has checked that there is such a row. */
static uint64_t slot_at(const vindex *index, uint64_t row)
{
    struct format_block b;
    size_t rows;
    const uint8_t *at = find_block(index, (size_t)(row / index->header.block_rows), &b, &rows);
    return get_u64(at + b.slots + row % index->header.block_rows * sizeof(uint64_t));
}

int vindex_has_slot(const vindex *index, uint64_t slot)
{
    uint64_t low = 0, high = index->header.info.count;
    while (low < high) {
        const uint64_t middle = low + (high - low) / 2;
        const uint64_t found = slot_at(index, middle);
        if (found == slot)
            return 1;
        if (found < slot)
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}
