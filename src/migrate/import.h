/* The parts of an import. */
#ifndef MIGRATE_IMPORT_H
#define MIGRATE_IMPORT_H

#include <pthread.h>
#include <ragstore/migrate.h>
#include <ragstore/store.h>
#include <stdatomic.h>

#include "backends/lightrag_files/batch.h"
#include "core/limits.h"

/* ---- import_files.c: which files there are ----------------------------------------------------- */

enum import_kind { IMPORT_KV, IMPORT_VECTOR, IMPORT_GRAPH, IMPORT_DOC_STATUS, IMPORT_SKIPPED };

struct import_file {
    char *name;        /* in the directory */
    char *path;        /* memory of its own */
    char *name_space;  /* memory of its own; "" of a graph */
    const char *stage; /* static text */
    const char *why;   /* IMPORT_SKIPPED: static text */
    enum import_kind kind;
    uint64_t bytes;
};

struct import_files {
    struct import_file *items;
    size_t count, capacity;
    uint64_t bytes; /* of all that are read */
};

/* What LightRAG's default storages wrote into `directory`, in the order in which it is read.
 * RAG_E_NOT_FOUND when there is nothing. */
rag_status import_files_find(const char *directory, struct import_files *out, rag_error *err);
void import_files_free(struct import_files *files);
const char *import_kind_text(enum import_kind kind); /* "kv", ... */
/* What progress is reported as: static text. */
const char *import_stage(enum import_kind kind, rag_slice name_space);

/* ---- import_source.c: a file as an input ------------------------------------------------------- */

struct import_source {
    const struct import_file *file;
    int fd;
    atomic_int *stop;     /* when set, reading ends with RAG_E_CANCELLED */
    atomic_ullong *place; /* how far the file was read */
};

rag_status import_source_open(struct import_source *s, const struct import_file *file,
                              atomic_int *stop, atomic_ullong *place, rag_error *err);
void import_source_close(struct import_source *s);
struct lightrag_input import_source_input(struct import_source *s);

/* ---- import_write.c: batches into the store ---------------------------------------------------- */

struct import_writer {
    rag_store *store;
    const rag_context *ctx;
    const struct import_file *file;
    const char *model;
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

rag_status import_report_file(rag_result *report, const struct import_file *file,
                              const struct lightrag_summary *summary, double seconds,
                              rag_error *err);
/* The same of a file that was imported by `writer`: with what it refused. */
rag_status import_report_written(rag_result *report, const struct import_file *file,
                                 const struct lightrag_summary *summary,
                                 const struct import_writer *writer, double seconds,
                                 rag_error *err);
/* A file that LightRAG always writes and that is not there. */
rag_status import_report_missing(rag_result *report, const struct import_files *files,
                                 rag_error *err);
/* Put "NAME: " in front of a message that does not name the file. */
void import_name_file(rag_error *err, const char *name);

#endif
