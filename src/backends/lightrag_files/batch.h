/* What readers produce: batches of rows of bounded size, handed to a sink.
 *
 * The bytes of a batch lie in one buffer and rows name them by place, because the buffer moves when
 * it grows. A batch belongs to one thread at a time: the sink takes the full one and gives an empty
 * one in its place, which may be the same. */
#ifndef LIGHTRAG_FILES_BATCH_H
#define LIGHTRAG_FILES_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include <ragstore/vector.h>

#include "core/buffer.h"
#include "core/error.h"
#include "core/slice.h"
#include "input.h"

enum lightrag_kind { LIGHTRAG_KV, LIGHTRAG_DOCS, LIGHTRAG_VECTORS, LIGHTRAG_NODES, LIGHTRAG_EDGES };

struct lightrag_span {
    size_t at, len;
};

struct lightrag_row {
    struct lightrag_span key, key2, value; /* key2: the target of an edge */
    int64_t created_at, updated_at;        /* as in rag_kv_item */
    uint64_t at, length;                   /* its place in the file; known when salvaging */
};

struct lightrag_batch {
    enum lightrag_kind kind;
    uint32_t dimension; /* of LIGHTRAG_VECTORS */
    struct buffer bytes;
    struct lightrag_row *rows;
    size_t count, row_capacity;
    size_t row_start;  /* end of the bytes of whole rows */
    size_t last_start; /* the same without the last row */
    float *vectors;    /* row i: from i * dimension */
    size_t vector_capacity;
};

void lightrag_batch_init(struct lightrag_batch *b);
void lightrag_batch_clear(struct lightrag_batch *b); /* keeps memory of ordinary size */
void lightrag_batch_free(struct lightrag_batch *b);

static inline rag_slice lightrag_bytes(const struct lightrag_batch *b, struct lightrag_span span)
{
    return slice_of(b->bytes.data ? b->bytes.data + span.at : "", span.len);
}

struct lightrag_sink {
    void *ctx;
    rag_status (*deliver)(void *ctx, struct lightrag_batch **batch, rag_error *err);
};

/* Salvage: what is wrong with a file, and where. */
struct lightrag_fault {
    uint64_t at, length;      /* bytes of the file that no row was saved from */
    struct lightrag_span why; /* in `text` */
};

struct lightrag_damage {
    uint64_t lost;   /* rows that are known to be lost */
    uint64_t places; /* faults; the first LIMIT_SALVAGE_FAULTS of them are kept */
    int at_least;    /* more may be lost than is known */
    struct lightrag_fault *faults;
    size_t count, capacity;
    struct buffer text;
};

#define LIGHTRAG_DAMAGE_INIT { .text = BUFFER_INIT((size_t)1 << 20) }

/* Memory for a fault that is missing loses its place, not its count. */
void lightrag_damage_add(struct lightrag_damage *d, uint64_t at, uint64_t length, uint64_t lost,
                         const char *format, ...) __attribute__((format(printf, 5, 6)));
void lightrag_damage_free(struct lightrag_damage *d);

/* What is known of a file when it was read. Zero-initialise with LIGHTRAG_SUMMARY_INIT. */
struct lightrag_summary {
    uint64_t rows;                  /* in all */
    uint64_t nodes, edges;          /* of a graph */
    uint32_t dimension;             /* of a vector file; 0: it does not say */
    char model[RAG_MODEL_NAME_MAX]; /* of a vector file that names it before its rows, else "" */
    size_t warning_count;
    struct buffer warnings; /* JSON strings, with commas between them */
    uint64_t completed;     /* rows of old versions that were brought to the form of today */
    struct lightrag_damage damage;
};

#define LIGHTRAG_SUMMARY_INIT \
    { .warnings = BUFFER_INIT((size_t)1 << 20), .damage = LIGHTRAG_DAMAGE_INIT }
void lightrag_summary_free(struct lightrag_summary *s);

/* Memory for a warning that is missing loses the warning, not the import. */
void lightrag_warn(struct lightrag_summary *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A warning about `count` things, nothing when there is none: "1 <one>" or "<count> <many>". */
void lightrag_warn_count(struct lightrag_summary *s, uint64_t count, const char *one,
                         const char *many);

/* One file to be read. `batch` is changed by the sink. */
struct lightrag_job {
    const struct lightrag_input *input;
    const char *name_space;
    const struct lightrag_sink *sink;
    struct lightrag_batch *batch;
    struct lightrag_summary *summary;
    int salvage;  /* what is wrong with the file is put down in the summary, and reading goes on */
    int as_it_is; /* rows are not given what today's rows have and they lack, but for what the store
                     gives to every row */
};

/* Begin a row: *row is a zeroed one at the end of the batch, which was delivered before when it was
 * full or of another kind. The limit of job->batch->bytes is that of this row from here on. */
rag_status lightrag_row_begin(struct lightrag_job *job, enum lightrag_kind kind,
                              struct lightrag_row **row, rag_error *err);
/* Where the vector of the row begun last goes: `dimension` floats. */
rag_status lightrag_row_vector(struct lightrag_job *job, uint32_t dimension, float **vector,
                               rag_error *err);
/* Count the row begun last in. */
void lightrag_row_end(struct lightrag_job *job);
/* Take out the row begun last, which may have been counted in. Not after another was begun. */
void lightrag_row_abandon(struct lightrag_job *job);
void lightrag_row_take_back(struct lightrag_job *job);
/* Deliver what is left. */
rag_status lightrag_flush(struct lightrag_job *job, rag_error *err);

#endif
