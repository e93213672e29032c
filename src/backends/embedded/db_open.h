/* Opening and closing a store, and what embedded.c's other slots do. */
#ifndef EMBEDDED_DB_OPEN_H
#define EMBEDDED_DB_OPEN_H

#include <ragstore/backend.h>

struct db;

struct db_options {
    const char *directory; /* of the workspace */
    unsigned flags;        /* RAG_OPEN_* */
    int64_t lock_timeout_ms;
    int page_size;             /* 0: the default; only for a store that is created */
    const char *secure_delete; /* "on", "off": from now on, for every process; NULL: as it is */
    int ignore_checksums;      /* read damaged pages as they are */
};

rag_status db_open(const struct db_options *options, const rag_context *ctx, struct db **out,
                   rag_error *err);
void db_close(struct db *db); /* does not flush */

rag_status db_begin(const rag_call *call, void **txn, rag_error *err);
rag_status db_commit(const rag_call *call, rag_token *token, rag_error *err);
void db_abort(const rag_call *call);

/* Make a store that was built aside appear; see RAG_OPEN_BUILD. */
rag_status db_publish(const rag_call *call, rag_error *err);
/* Empty the write-ahead log into the file, as far as readers allow. */
rag_status db_checkpoint(const rag_call *call, rag_error *err);

/* Give the space of free pages back; not the vector indexes. */
rag_status db_compact(const rag_call *call, uint64_t *freed_bytes, rag_error *err);
/* Copy the store as it is at one moment to the new directory `target`. */
rag_status db_backup(const rag_call *call, const char *target, rag_error *err);

rag_status db_namespaces(const rag_call *call, rag_result *out, rag_error *err);
rag_status db_describe(const rag_call *call, rag_result *out, rag_error *err);

#endif
