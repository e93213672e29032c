/* The record of a shared namespace: who has joined it, who initialises it, whether that is done.
 * For shared.c. */
#ifndef STORE_SHARED_RECORD_H
#define STORE_SHARED_RECORD_H

#include "core/buffer.h"
#include "dispatch.h"

/* A call on one shared namespace, inside a transaction of the backend or not. */
struct shared_call {
    struct store_call c;
    rag_slice name;
    char data[LIMIT_NAME_BYTES + 1]; /* the namespace with its keys */
    int own;                         /* c.call.txn was begun here */
};

struct shared_record {
    int64_t version;       /* the newest one given to a key */
    int ready;             /* initialised */
    struct buffer members; /* SHARED_MEMBER texts, each followed by ';' */
    char initialiser[SHARED_MEMBER_MAX];
};

#define SHARED_RECORD_INIT { 0, 0, BUFFER_INIT(LIMIT_SHARED_RECORD_BYTES), "" }

/* What is stored now; a namespace that nobody has joined has an empty record. Free it. */
rag_status shared_record_read(struct shared_call *s, struct shared_record *out, rag_error *err);
/* A record without members is removed. */
rag_status shared_record_write(struct shared_call *s, const struct shared_record *record,
                               rag_error *err);
void shared_record_free(struct shared_record *record);

int shared_record_has(const struct shared_record *record, const char *member);
rag_status shared_record_add(struct shared_record *record, const char *member, rag_error *err);
/* Take out `member` (NULL: nobody) and all whose process is gone. */
void shared_record_keep_alive(struct shared_record *record, const char *without);
/* Somebody is initialising, and may come to its end. */
int shared_record_is_begun(const struct shared_record *record);

/* Remove all keys of the namespace. */
rag_status shared_empty(struct shared_call *s, rag_error *err);

/* A transaction of the backend around what follows; inside one of the caller's nothing happens. */
rag_status shared_begin(struct shared_call *s, rag_error *err);
/* Commit, or with a failure roll back; returns `status` or the failure of the commit. */
rag_status shared_end(struct shared_call *s, rag_status status, rag_error *err);

#endif
