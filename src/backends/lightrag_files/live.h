/* The files of a working directory as a store: what the files live_*.c share.
 *
 * All rows are in an instance of the memory backend, which is used through its public table only.
 * This part decides when a file is read into it and when it is written from it. */
#ifndef LIGHTRAG_FILES_LIVE_H
#define LIGHTRAG_FILES_LIVE_H

#include <pthread.h>
#include <ragstore/backend.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "core/gate.h"
#include "files.h"
#include "live_changes.h"

/* Which state of a file on disk was read or written. */
struct live_stamp {
    int exists; /* -1: it cannot be seen */
    dev_t device;
    ino_t inode;
    off_t bytes;
    struct timespec changed;
};

struct live_file {
    struct live_file *next;
    struct lightrag_file is;
    int in_memory_only; /* a namespace of the library's own: it has no file */
    int loaded;         /* guarded by live.mutex, as `stamp` */
    struct live_stamp stamp;
    struct live_changes changes; /* whoever has the memory backend's writer's turn */
};

struct live {
    const rag_host *host;
    void *memory; /* instance of the memory backend */
    char *directory;
    char *graph_name; /* what the graph's file is called after */
    unsigned flags;
    int64_t lock_timeout_ms;
    struct gate *gate; /* between those who save; attached to its file by the first of them */
    int gate_attached; /* whoever has the writer's turn */
    pthread_mutex_t mutex;
    struct live_file *files;          /* never shorter; guarded by the mutex */
    atomic_ullong committed, durable; /* tokens */
};

/* What a transaction has to do with one file. */
struct live_stage {
    struct live_stage *next;
    struct live_file *file;
    struct live_stamp stamp;
    int loaded;                  /* by this transaction */
    int saved;                   /* by this transaction */
    struct live_changes changes; /* of this transaction */
};

struct live_txn {
    void *inner; /* of the memory backend */
    int broken;  /* a file was read in part: there is no commit any more */
    struct live_stage *stages;
};

/* ---- live_state.c: files, transactions, what a slot begins and ends with ------------------------ */

struct live_stamp live_stamp_of(const struct stat *st);
struct live_stamp live_stamp_now(const struct live_file *file);
int live_stamp_same(const struct live_stamp *a, const struct live_stamp *b);

/* The file of a namespace; made known when it is not. */
rag_status live_file_find(struct live *l, enum lightrag_file_kind kind, const char *name_space,
                          struct live_file **out, rag_error *err);

rag_status live_txn_begin(const rag_call *call, struct live_txn *t, rag_error *err);
/* Ends the transaction in any case. */
rag_status live_txn_commit(const rag_call *call, struct live_txn *t, rag_token *token,
                           rag_error *err);
void live_txn_abort(const rag_call *call, struct live_txn *t);
/* `call` as the memory backend is to see it. */
rag_call live_inner_call(const rag_call *call, const struct live_txn *t);

/* The file as part of the transaction, read again when it has changed. */
rag_status live_stage(const rag_call *call, struct live_txn *t, struct live_file *file,
                      struct live_stage **out, rag_error *err);

/* See to it that a call outside of transactions sees what is in the file. */
rag_status live_refresh(const rag_call *call, struct live_file *file, rag_error *err);

enum live_access { LIVE_READ, LIVE_WRITE, LIVE_WRITE_DURABLE };

struct live_visit {
    const rag_call *outer;
    rag_call call; /* for the memory backend */
    enum live_access access;
    struct live_file *file;
    struct live_txn *txn, own; /* txn: own, or that of the call; NULL: a plain read */
    struct live_stage *stage;
};

/* A slot on one namespace begins. On success live_visit_end() ends it. */
rag_status live_visit_begin(const rag_call *call, enum lightrag_file_kind kind,
                            const char *name_space, enum live_access access, struct live_visit *v,
                            rag_error *err);
/* Commits (and saves) what a slot that is its own transaction has written, or forgets it. */
rag_status live_visit_end(struct live_visit *v, rag_status status, rag_token *token,
                          rag_error *err);

/* ---- live_load.c, live_save.c ------------------------------------------------------------------- */

/* Read the file into the transaction; what was written since it was written last comes over it. */
rag_status live_load(const rag_call *call, struct live_txn *t, struct live_stage *s,
                     rag_error *err);

/* Write the file, when there is something new for it: durable when it succeeds, as soon as the
 * transaction is committed. */
rag_status live_save(const rag_call *call, struct live_txn *t, struct live_stage *s,
                     rag_error *err);
/* All files that have something to be written. The first failure is answered, after the others were
 * written. Not inside a transaction. */
rag_status live_save_all(const rag_call *call, rag_error *err);

/* ---- live_slots.c -------------------------------------------------------------------------------- */

extern const rag_kv_table live_kv;
extern const rag_vector_table live_vector;
extern const rag_graph_table live_graph;
extern const rag_docstatus_table live_docstatus;

#endif
