/* Building an index: rows come one by one, whole blocks go to the sink.
 *
 * Memory is one block and a few vectors. The block checksums are collected on the way (eight bytes
 * for 4096 rows). The header goes out last: whatever ends a build before that leaves a file whose
 * first bytes are not an index. */
#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "format.h"
#include "rotate.h"

enum { FIRST_TABLE = 64 };

/* ---- mean ---------------------------------------------------------------------------------------- */

struct vindex_mean {
    vindex_metric metric;
    uint32_t dim;
    uint64_t count;
    double sums[];
};

static rag_status check_shape(vindex_metric metric, uint32_t dim, rag_error *err)
{
    if (metric != VINDEX_COSINE && metric != VINDEX_DOT && metric != VINDEX_L2)
        return rag_fail(err, RAG_E_INVALID, "metric %d is not known", (int)metric);
    if (dim == 0 || dim > VINDEX_DIM_MAX)
        return rag_fail(err, RAG_E_INVALID, "dimension %u is not between 1 and %d", dim,
                        VINDEX_DIM_MAX);
    return RAG_OK;
}

rag_status vindex_mean_create(vindex_metric metric, uint32_t dim, vindex_mean **out, rag_error *err)
{
    RAG_TRY(check_shape(metric, dim, err));
    vindex_mean *mean = rag_alloc_zeroed(1, sizeof *mean + dim * sizeof(double));
    if (!mean)
        return rag_fail_memory(err);
    mean->metric = metric;
    mean->dim = dim;
    *out = mean;
    return RAG_OK;
}

void vindex_mean_add(vindex_mean *mean, const float *row)
{
    double scale = 1;
    if (mean->metric == VINDEX_COSINE) {
        const double norm = (double)vindex_norm_f32(row, mean->dim);
        scale = norm > 0 ? 1 / norm : 0;
    }
    for (size_t i = 0; i < mean->dim; i++)
        mean->sums[i] += scale * (double)row[i];
    mean->count++;
}

void vindex_mean_get(const vindex_mean *mean, float *out)
{
    const double scale = mean->count ? 1 / (double)mean->count : 0;
    for (size_t i = 0; i < mean->dim; i++) {
        const float value = (float)(mean->sums[i] * scale);
        out[i] = isfinite(value) ? value : 0; /* any centre is right, only more or less useful */
    }
}

void vindex_mean_free(vindex_mean *mean)
{
    rag_free(mean);
}

/* ---- builder ------------------------------------------------------------------------------------- */

struct vindex_builder {
    vindex_sink sink;
    struct format_header header;
    struct format_block full;
    uint8_t *block;      /* laid out as a full block */
    size_t rows;         /* in it */
    float *mean, *signs; /* of the rotation */
    float *rotated;
    uint64_t *table; /* checksums of the blocks written */
    size_t table_len, table_capacity;
    uint64_t offset; /* where the next block goes */
    int broken;      /* an earlier call failed */
};

rag_status vindex_builder_create(const vindex_build_options *options, const vindex_sink *sink,
                                 vindex_builder **out, rag_error *err)
{
    const uint32_t dim = options->dim;
    RAG_TRY(check_shape(options->metric, dim, err));
    if (options->mean && vindex_f32_finite(options->mean, dim) < dim)
        return rag_fail(err, RAG_E_INVALID, "the mean vector is not finite");
    vindex_builder *b = rag_alloc_zeroed(1, sizeof *b);
    if (!b)
        return rag_fail_memory(err);
    b->sink = *sink;
    b->header.info.metric = options->metric;
    b->header.info.dim = dim;
    b->header.info.covered = options->covered;
    memcpy(b->header.info.uuid, options->uuid, VINDEX_UUID_SIZE);
    b->header.seed = options->seed;
    format_plan(&b->header);
    b->offset = b->header.header_len;

    const size_t padded = (size_t)b->header.words * WORD_BITS;
    const size_t mean_len = (b->header.header_len - FORMAT_FIXED_HEADER) / sizeof(float);
    b->full = format_block_layout(b->header.words, b->header.block_rows);
    b->block = rag_alloc_zeroed(1, b->full.size);
    b->mean = rag_alloc_zeroed(mean_len, sizeof *b->mean);
    b->signs = rag_alloc_array(ROTATE_SIGNS(padded), sizeof *b->signs);
    b->rotated = rag_alloc_array(padded, sizeof *b->rotated);
    if (!b->block || !b->mean || !b->signs || !b->rotated) {
        vindex_builder_free(b);
        return rag_fail_memory(err);
    }
    if (options->mean)
        memcpy(b->mean, options->mean, dim * sizeof *b->mean);
    rotate_signs(b->header.seed, padded, b->signs);
    *out = b;
    return RAG_OK;
}

void vindex_builder_free(vindex_builder *b)
{
    if (!b)
        return;
    rag_free(b->block);
    rag_free(b->mean);
    rag_free(b->signs);
    rag_free(b->rotated);
    rag_free(b->table);
    rag_free(b);
}

/* Write to the sink and move on. */
static rag_status append(vindex_builder *b, const void *data, size_t len, rag_error *err)
{
    RAG_TRY(b->sink.write_at(b->sink.ctx, b->offset, data, len, err));
    b->offset += len;
    return RAG_OK;
}

/* A block that is not full has its arrays moved together, front to back, and its gaps zeroed. */
static void compact_block(vindex_builder *b, const struct format_block *to)
{
    const struct format_block *from = &b->full;
    const size_t n = b->rows, code = b->header.words * sizeof(uint64_t);
    const size_t starts[][3] = { { from->slots, to->slots, n * sizeof(uint64_t) },
                                 { from->coarse, to->coarse, n * code },
                                 { from->a, to->a, n * sizeof(float) },
                                 { from->coarse_b, to->coarse_b, n * sizeof(float) },
                                 { from->coarse_e, to->coarse_e, n * sizeof(float) },
                                 { from->fine, to->fine, n * from->fine_stride } };
    const size_t parts = sizeof starts / sizeof *starts;
    for (size_t i = 0; i < parts; i++) {
        const size_t end = starts[i][1] + starts[i][2];
        const size_t next = i + 1 < parts ? starts[i + 1][1] : to->size;
        memmove(b->block + starts[i][1], b->block + starts[i][0], starts[i][2]);
        memset(b->block + end, 0, next - end);
    }
}

static rag_status remember_checksum(vindex_builder *b, uint64_t checksum, rag_error *err)
{
    if (b->table_len == b->table_capacity) {
        const size_t capacity = b->table_capacity ? 2 * b->table_capacity : FIRST_TABLE;
        uint64_t *table = rag_realloc(b->table, capacity * sizeof *table);
        if (!table)
            return rag_fail_memory(err);
        b->table = table;
        b->table_capacity = capacity;
    }
    b->table[b->table_len++] = checksum;
    return RAG_OK;
}

static rag_status flush_block(vindex_builder *b, rag_error *err)
{
    if (b->rows == 0)
        return RAG_OK;
    struct format_block layout = b->full;
    if (b->rows < b->header.block_rows) {
        layout = format_block_layout(b->header.words, b->rows);
        compact_block(b, &layout);
    }
    RAG_TRY(remember_checksum(b, vindex_checksum(b->block, layout.size), err));
    RAG_TRY(append(b, b->block, layout.size, err));
    memset(b->block, 0, b->full.size);
    b->rows = 0;
    return RAG_OK;
}

static void place_row(vindex_builder *b, uint64_t slot, const struct row_factors *f)
{
    const struct format_block *l = &b->full;
    const size_t i = b->rows, fine = FORMAT_RECORD_FINE(b->header.words);
    memcpy(b->block + l->slots + i * sizeof slot, &slot, sizeof slot);
    memcpy(b->block + l->a + i * sizeof(float), &f->a, sizeof(float));
    memcpy(b->block + l->coarse_b + i * sizeof(float), &f->coarse_b, sizeof(float));
    memcpy(b->block + l->coarse_e + i * sizeof(float), &f->coarse_e, sizeof(float));
    uint8_t *record = b->block + l->fine + i * l->fine_stride;
    memcpy(record, &f->middle_b, sizeof(float));
    memcpy(record + sizeof(float), &f->middle_e, sizeof(float));
    memcpy(record + fine, &f->fine_b, sizeof(float));
    memcpy(record + fine + sizeof(float), &f->fine_e, sizeof(float));
}

static rag_status add_row(vindex_builder *b, uint64_t slot, const float *row, rag_error *err)
{
    vindex_info *info = &b->header.info;
    if (info->count > 0 && slot <= info->last_slot)
        return rag_fail(err, RAG_E_INVALID, "slot %llu after slot %llu", (unsigned long long)slot,
                        (unsigned long long)info->last_slot);
    if (info->count >= FORMAT_ROWS_MAX)
        return rag_fail(err, RAG_E_INVALID, "more than %llu rows in a vector index",
                        (unsigned long long)FORMAT_ROWS_MAX);
    const size_t bad = vindex_f32_finite(row, info->dim);
    if (bad < info->dim)
        return rag_fail(err, RAG_E_INVALID, "element %zu of the vector in slot %llu is %g", bad,
                        (unsigned long long)slot, (double)row[bad]);

    const size_t words = b->header.words;
    struct row_factors f = { 0 };
    f.a = code_centre(info->metric, row, b->mean, info->dim, words, b->rotated);
    rotate_apply(b->signs, words * WORD_BITS, b->rotated);
    uint8_t *coarse = b->block + b->full.coarse + b->rows * words * sizeof(uint64_t);
    uint8_t *fine = b->block + b->full.fine + b->rows * b->full.fine_stride + FORMAT_RECORD_PLANES;
    code_row(b->rotated, words, (uint64_t *)(void *)coarse, (uint64_t *)(void *)fine, &f);
    /* x * 0 is 0 for every finite x and NaN for the rest */
    if (!isfinite(f.a * 0 + f.coarse_b * 0 + f.coarse_e * 0 + f.middle_b * 0 + f.middle_e * 0 +
                  f.fine_b * 0 + f.fine_e * 0))
        return rag_fail(err, RAG_E_INVALID, "the vector in slot %llu is too long for float32",
                        (unsigned long long)slot);
    place_row(b, slot, &f);
    if (info->count == 0)
        info->first_slot = slot;
    info->last_slot = slot;
    info->count++;
    if (++b->rows == b->header.block_rows)
        RAG_TRY(flush_block(b, err));
    return RAG_OK;
}

rag_status vindex_builder_add(vindex_builder *b, uint64_t slot, const float *row, rag_error *err)
{
    if (b->broken)
        return rag_fail(err, RAG_E_INVALID, "this index builder has failed before");
    const rag_status status = add_row(b, slot, row, err);
    b->broken = status != RAG_OK;
    return status;
}

static rag_status write_end(vindex_builder *b, rag_error *err)
{
    struct format_header *h = &b->header;
    RAG_TRY(flush_block(b, err));
    const size_t table_size = b->table_len * sizeof *b->table;
    format_plan(h);
    h->table_checksum = vindex_checksum(b->table, table_size);
    if (table_size)
        RAG_TRY(append(b, b->table, table_size, err));

    const size_t mean_size = h->header_len - FORMAT_FIXED_HEADER;
    uint8_t *header = rag_alloc_zeroed(1, h->header_len);
    if (!header)
        return rag_fail_memory(err);
    memcpy(header + FORMAT_FIXED_HEADER, b->mean, mean_size);
    h->mean_checksum = vindex_checksum(header + FORMAT_FIXED_HEADER, mean_size);
    format_encode(h, header);
    const rag_status status = b->sink.write_at(b->sink.ctx, 0, header, h->header_len, err);
    rag_free(header);
    return status;
}

rag_status vindex_builder_finish(vindex_builder *b, uint64_t *file_len, uint64_t *checksum,
                                 rag_error *err)
{
    if (b->broken)
        return rag_fail(err, RAG_E_INVALID, "this index builder has failed before");
    b->broken = 1; /* nothing may follow */
    RAG_TRY(write_end(b, err));
    *file_len = b->header.info.file_len;
    if (checksum)
        *checksum = b->header.info.checksum;
    return RAG_OK;
}

/* ---- sink into memory ---------------------------------------------------------------------------- */

static rag_status write_memory(void *ctx, uint64_t offset, const void *data, size_t len,
                               rag_error *err)
{
    const vindex_memory_sink *memory = ctx;
    if (offset > memory->cap || len > memory->cap - offset)
        return rag_fail(err, RAG_E_NO_SPACE, "vector index: %zu bytes at %llu of a buffer of %zu",
                        len, (unsigned long long)offset, memory->cap);
    memcpy(memory->base + offset, data, len);
    return RAG_OK;
}

vindex_sink vindex_sink_to_memory(vindex_memory_sink *memory)
{
    return (vindex_sink){ memory, write_memory };
}
