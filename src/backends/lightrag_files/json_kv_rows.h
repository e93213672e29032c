/* The rows of kv_store_*.json: shared by the reader and the salvage. */
#ifndef LIGHTRAG_FILES_JSON_KV_ROWS_H
#define LIGHTRAG_FILES_JSON_KV_ROWS_H

#include "batch.h"
#include "core/json_reader.h"

struct kv_reader {
    struct lightrag_job *job;
    enum lightrag_kind kind;
    struct json_reader json;
    struct buffer nested;             /* one '0' or '1' for each key of an old cache */
    struct buffer mode, hash, answer; /* the parts of a key that is made */
    uint64_t odd_times, other_ids, completed, flattened;
    uint64_t replaced; /* by readers that were closed */
};

/* The value of the key that was the last event. */
rag_status kv_read_row(struct kv_reader *k, rag_error *err);
/* The answers of one mode of an old cache; the last event was the mode. */
rag_status kv_read_mode(struct kv_reader *k, rag_error *err);

/* Whether a key shows that a cache has the layout of today. */
int kv_is_flat_key(rag_slice key);
/* Whether all members of the object whose beginning was the last event are objects with "return". */
rag_status kv_all_have_return(struct json_reader *r, int *all, rag_error *err);

/* json_kv_salvage.c: all rows that are whole, from a file that may be damaged. */
rag_status kv_salvage(struct kv_reader *k, rag_error *err);

#endif
