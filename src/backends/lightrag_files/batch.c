/* Batches: rows are collected until a batch is full by rows or by bytes, and then delivered.
 *
 * A row that is begun lies behind the last one and is not part of the batch before
 * lightrag_row_end(); a reader that fails in the middle of a row leaves a batch of whole rows. A
 * batch that had to grow for one enormous row gives that memory back when it is cleared: the import
 * would otherwise keep it once for every batch in the queue. */
#include "batch.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/limits.h"

enum { FIRST_ROWS = 64 };

rag_status lightrag_fill(void *ctx, void *data, size_t size, size_t *got, rag_error *err)
{
    struct lightrag_stream *s = ctx;
    size_t n = 0;
    RAG_TRY(s->input->read_at(s->input->ctx, s->offset, data, size, &n, err));
    s->offset += n;
    *got = n;
    return RAG_OK;
}

void lightrag_batch_init(struct lightrag_batch *b)
{
    *b = (struct lightrag_batch){ .bytes = BUFFER_INIT(LIMIT_IMPORT_BATCH_BYTES) };
}

void lightrag_batch_clear(struct lightrag_batch *b)
{
    b->count = b->row_start = b->last_start = 0;
    if (b->bytes.capacity > 2 * LIMIT_IMPORT_BATCH_BYTES)
        buffer_free(&b->bytes);
    buffer_clear(&b->bytes);
}

void lightrag_batch_free(struct lightrag_batch *b)
{
    buffer_free(&b->bytes);
    rag_free(b->rows);
    rag_free(b->vectors);
    lightrag_batch_init(b);
}

void lightrag_warn(struct lightrag_summary *s, const char *format, ...)
{
    if (s->warning_count++ >= LIMIT_IMPORT_WARNINGS)
        return;
    char text[RAG_ERROR_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const size_t before = s->warnings.len;
    rag_status status = RAG_OK;
    if (before)
        status = buffer_append_char(&s->warnings, ',', NULL);
    if (status == RAG_OK)
        status = buffer_append_json_string(&s->warnings, rag_text(text), NULL);
    if (status != RAG_OK)
        s->warnings.len = before;
}

void lightrag_warn_count(struct lightrag_summary *s, uint64_t count, const char *one,
                         const char *many)
{
    if (count)
        lightrag_warn(s, "%llu %s", (unsigned long long)count, count == 1 ? one : many);
}

void lightrag_summary_free(struct lightrag_summary *s)
{
    buffer_free(&s->warnings);
    lightrag_damage_free(&s->damage);
}

/* ---- damage ---------------------------------------------------------------------------------------- */

static int room_for_fault(struct lightrag_damage *d)
{
    if (d->count < d->capacity)
        return 1;
    if (d->count == LIMIT_SALVAGE_FAULTS)
        return 0;
    const size_t capacity = d->capacity ? d->capacity * 2 : 8;
    struct lightrag_fault *more = rag_realloc(d->faults, capacity * sizeof *more);
    if (!more)
        return 0;
    d->faults = more;
    d->capacity = capacity;
    return 1;
}

void lightrag_damage_add(struct lightrag_damage *d, uint64_t at, uint64_t length, uint64_t lost,
                         const char *format, ...)
{
    char text[RAG_ERROR_MESSAGE_MAX];
    va_list args;
    d->places++;
    d->lost += lost;
    if (!room_for_fault(d))
        return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const size_t before = d->text.len;
    if (buffer_append_text(&d->text, text, NULL) == RAG_OK)
        d->faults[d->count++] =
            (struct lightrag_fault){ at, length, { before, d->text.len - before } };
}

void lightrag_damage_free(struct lightrag_damage *d)
{
    rag_free(d->faults);
    d->faults = NULL;
    d->count = d->capacity = 0;
    buffer_free(&d->text);
}

/* ---- rows ------------------------------------------------------------------------------------------ */

static int is_full(const struct lightrag_batch *b)
{
    const size_t vectors =
        b->kind == LIGHTRAG_VECTORS ? b->count * b->dimension * sizeof(float) : 0;
    return b->count >= LIMIT_IMPORT_BATCH_ROWS ||
           b->bytes.len + vectors >= LIMIT_IMPORT_BATCH_BYTES;
}

rag_status lightrag_flush(struct lightrag_job *job, rag_error *err)
{
    if (!job->batch->count)
        return RAG_OK;
    return job->sink->deliver(job->sink->ctx, &job->batch, err);
}

static rag_status more_rows(struct lightrag_batch *b, rag_error *err)
{
    const size_t capacity = b->row_capacity ? b->row_capacity * 2 : FIRST_ROWS;
    struct lightrag_row *rows = rag_realloc(b->rows, capacity * sizeof *rows);
    if (!rows)
        return rag_fail_memory(err);
    b->rows = rows;
    b->row_capacity = capacity;
    return RAG_OK;
}

rag_status lightrag_row_begin(struct lightrag_job *job, enum lightrag_kind kind,
                              struct lightrag_row **row, rag_error *err)
{
    if (job->batch->count && (job->batch->kind != kind || is_full(job->batch)))
        RAG_TRY(lightrag_flush(job, err));
    struct lightrag_batch *b = job->batch;
    b->kind = kind;
    if (b->count == b->row_capacity)
        RAG_TRY(more_rows(b, err));
    b->bytes.limit = b->bytes.len + LIMIT_VALUE_BYTES + 2 * LIMIT_KEY_BYTES;
    *row = &b->rows[b->count];
    b->row_start = b->bytes.len;
    **row = (struct lightrag_row){ .created_at = RAG_TIME_UNKNOWN, .updated_at = RAG_TIME_UNKNOWN };
    return RAG_OK;
}

rag_status lightrag_row_vector(struct lightrag_job *job, uint32_t dimension, float **vector,
                               rag_error *err)
{
    struct lightrag_batch *b = job->batch;
    const size_t need = (b->count + 1) * dimension;
    if (need > b->vector_capacity) {
        const size_t capacity = need + need / 2;
        float *vectors = rag_realloc(b->vectors, capacity * sizeof *vectors);
        if (!vectors)
            return rag_fail_memory(err);
        b->vectors = vectors;
        b->vector_capacity = capacity;
    }
    b->dimension = dimension;
    *vector = b->vectors + b->count * dimension;
    return RAG_OK;
}

void lightrag_row_end(struct lightrag_job *job)
{
    struct lightrag_batch *b = job->batch;
    b->count++;
    b->last_start = b->row_start;
    b->row_start = b->bytes.len;
    job->summary->rows++;
}

void lightrag_row_abandon(struct lightrag_job *job)
{
    struct lightrag_batch *b = job->batch;
    if (b->bytes.len > b->row_start)
        b->bytes.len = b->row_start;
}

void lightrag_row_take_back(struct lightrag_job *job)
{
    job->batch->count--;
    job->batch->row_start = job->batch->last_start;
    job->summary->rows--;
    lightrag_row_abandon(job);
}
