/* The bench of writing many vectors: chunks with their text, as an ingestion or a migration writes them.
 *
 * Batches of a fixed size go into the space `chunks`, which must not be there yet, and which is
 * dropped at the end. Making the vectors and payloads is not in the time; flushing at the end is, and
 * so is bringing the index up to date, as a figure of its own: how much of the work is in which of
 * both is different from backend to backend. */
#include "bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 20000, BATCH = 200, DIMENSION = 1024, CONTENT_WORDS = 180 };

static const char space_name[] = "chunks";

typedef struct rows {
    size_t dimension;
    float *vectors;
    text ids[BATCH], payloads[BATCH];
    rag_vector_item items[BATCH];
} rows;

static void fill_row(bench *b, rows *r, size_t i, size_t number)
{
    float *v = r->vectors + i * r->dimension;
    for (size_t k = 0; k < r->dimension; k++) {
        v[k] = (float)(bench_gaussian(b) / sqrt((double)r->dimension));
    }
    text_clear(&r->ids[i]);
    text_clear(&r->payloads[i]);
    text_printf(&r->ids[i], "chunk-%08zx", number);
    text_add(&r->payloads[i], "{\"content\":\"");
    for (size_t k = 0; k < CONTENT_WORDS; k++) {
        text_printf(&r->payloads[i], "%s%04x", k ? " " : "", (unsigned)(bench_random(b) & 0xFFFF));
    }
    text_printf(&r->payloads[i],
                "\",\"full_doc_id\":\"doc-%zu\",\"file_path\":\"file-%zu.txt\",\"tokens\":300,"
                "\"chunk_order_index\":%zu}",
                number / 20, number / 20, number % 20);
    r->items[i] = (rag_vector_item){ text_slice(&r->ids[i]), v, r->dimension,
                                     text_slice(&r->payloads[i]), 0 };
}

static void free_rows(rows *r)
{
    for (size_t i = 0; i < BATCH; i++) {
        text_free(&r->ids[i]);
        text_free(&r->payloads[i]);
    }
    free(r->vectors);
    free(r);
}

/* Seconds of writing alone, added to *spent. */
static rag_status put_batch(bench *b, rows *r, size_t from, size_t count, double *spent)
{
    for (size_t i = 0; i < count; i++) {
        fill_row(b, r, i, from + i);
    }
    const double began = seconds_now();
    rag_status status =
        rag_vector_put_many(b->store, b->ctx, space_name, r->items, count, NULL, &b->err);
    *spent += seconds_now() - began;
    return status;
}

static rag_status write_all(bench *b, rows *r, size_t count)
{
    double spent = 0;
    rag_status status = RAG_OK;
    for (size_t done = 0; done < count && status == RAG_OK; done += BATCH) {
        status = put_batch(b, r, done, count - done < BATCH ? count - done : BATCH, &spent);
    }
    double began = seconds_now();
    if (status == RAG_OK) {
        status = rag_flush(b->store, b->ctx, 0, &b->err);
    }
    spent += seconds_now() - began;
    began = seconds_now();
    if (status == RAG_OK) {
        status = rag_store_optimize(b->store, b->ctx, &b->err);
    }
    if (status == RAG_OK) {
        const double indexed = seconds_now() - began;
        bench_report(b, (double)count, "rows", "bulk.rows");
        bench_report(b, spent, "s", "bulk.put");
        bench_report(b, indexed, "s", "bulk.index");
        bench_report(b, spent + indexed, "s", "bulk.all");
        bench_report(b, (double)count / spent, "rows/s", "bulk.put_rate");
    }
    return status;
}

rag_status bench_bulk(bench *b)
{
    rag_vector_space space = RAG_VECTOR_SPACE_INIT;
    rag_status status = rag_vector_describe(b->store, b->ctx, space_name, &space, &b->err);
    if (status != RAG_E_NOT_FOUND) {
        if (status == RAG_OK) {
            b->err = (rag_error)RAG_ERROR_INIT;
            b->err.status = status = RAG_E_CONFLICT;
            snprintf(b->err.message, sizeof b->err.message,
                     "there are chunks in this store already: bulk wants a new one");
        }
        return status;
    }
    space = (rag_vector_space)RAG_VECTOR_SPACE_INIT;
    space.dimension = (uint32_t)args_count(&b->in->args, "dimension", DIMENSION);
    space.element = RAG_ELEMENT_FLOAT32;
    snprintf(space.model, sizeof space.model, "bulk");
    status = rag_vector_define(b->store, b->ctx, space_name, &space, &b->err);
    rows *r = cli_alloc(1, sizeof *r);
    r->dimension = space.dimension;
    r->vectors = cli_alloc(BATCH * r->dimension, sizeof *r->vectors);
    if (status == RAG_OK) {
        status = write_all(b, r, (size_t)args_count(&b->in->args, "rows", ROWS));
        rag_status dropped =
            rag_vector_drop(b->store, b->ctx, space_name, status == RAG_OK ? &b->err : NULL);
        status = status == RAG_OK ? dropped : status;
    }
    free_rows(r);
    return status;
}
