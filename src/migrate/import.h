/* The parts of an import. */
#ifndef MIGRATE_IMPORT_H
#define MIGRATE_IMPORT_H

#include <pthread.h>
#include <ragstore/migrate.h>
#include <ragstore/store.h>
#include <stdatomic.h>

#include "backends/lightrag_files/batch.h"
#include "backends/lightrag_files/files.h"
#include "core/limits.h"

/* ---- import_write.c: batches into the store ---------------------------------------------------- */

struct import_writer {
    rag_store *store;
    const rag_context *ctx;
    const struct lightrag_file *file;
    const char *model;      /* NULL: what the file says */
    const char *file_model; /* "": it does not say */
    rag_element element;
    uint32_t dimension;             /* of the space that was defined for this file; 0: none */
    struct lightrag_damage *damage; /* of a salvage: what the store refuses; NULL: it is an error */
    uint64_t refused;               /* rows, of this file */
    uint64_t ends_without_node;     /* nodes that only edges name; counted when salvaging */
    void *items;                    /* room for the items of a call */
    size_t item_bytes;
};

rag_status import_write_batch(struct import_writer *w, const struct lightrag_batch *batch,
                              rag_error *err);
/* After the last batch: a vector file without rows still defines its space. */
rag_status import_write_end(struct import_writer *w, const struct lightrag_summary *summary,
                            rag_error *err);
void import_writer_free(struct import_writer *w);

/* ---- import_queue.c: two threads --------------------------------------------------------------- */

struct import_queue {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct lightrag_batch batches[LIMIT_IMPORT_QUEUE + 2];
    struct lightrag_batch *full[LIMIT_IMPORT_QUEUE + 2], *empty[LIMIT_IMPORT_QUEUE + 2];
    size_t full_count, empty_count;
    int done, stopped;
};

rag_status import_queue_init(struct import_queue *q, rag_error *err);
void import_queue_free(struct import_queue *q);
/* Begin anew: all batches are empty. */
void import_queue_reset(struct import_queue *q);

/* The reading side. import_queue_deliver() is a lightrag_sink's `deliver`. */
struct lightrag_batch *import_queue_first(struct import_queue *q);
rag_status import_queue_deliver(void *queue, struct lightrag_batch **batch, rag_error *err);
void import_queue_done(struct import_queue *q);

/* The writing side. Waits `milliseconds` at most: 1 with a batch, 0 when there is none yet, -1 when
 * there is none any more. */
int import_queue_take(struct import_queue *q, int milliseconds, struct lightrag_batch **batch);
void import_queue_give_back(struct import_queue *q, struct lightrag_batch *batch);
void import_queue_stop(struct import_queue *q); /* the reading side ends at its next delivery */

/* ---- import_report.c --------------------------------------------------------------------------- */

rag_status import_report_file(rag_result *report, const struct lightrag_file *file,
                              const struct lightrag_summary *summary, double seconds,
                              rag_error *err);
/* The same of a file that was imported by `writer`: with what it refused. */
rag_status import_report_written(rag_result *report, const struct lightrag_file *file,
                                 const struct lightrag_summary *summary,
                                 const struct import_writer *writer, double seconds,
                                 rag_error *err);
/* A file that LightRAG always writes and that is not there. */
rag_status import_report_missing(rag_result *report, const struct lightrag_files *files,
                                 rag_error *err);
/* Put "NAME: " in front of a message that does not name the file. */
void import_name_file(rag_error *err, const char *name);

#endif
