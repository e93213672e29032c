/* Bounds of namespaces that are caches, for kv.c. */
#ifndef EMBEDDED_KV_LIMITS_H
#define EMBEDDED_KV_LIMITS_H

#include "db.h"

struct kv_bounds {
    int limited;       /* kv_written has its rows */
    int64_t max_bytes; /* 0: none */
    int64_t ttl_s;     /* 0: none */
    int64_t oldest;    /* rows written before this or at it are gone; INT64_MIN: none are */
};

/* Those of a namespace; free of cost when its name says that it is no cache. */
rag_status kv_bounds_read(struct db_conn *conn, const char *name, sqlite3_int64 space,
                          struct kv_bounds *out, rag_error *err);

/* Keep kv_written in step with a row of a limited namespace. */
rag_status kv_written_add(struct db_conn *conn, sqlite3_int64 space, int64_t updated_at,
                          sqlite3_int64 row, rag_error *err);
rag_status kv_written_remove(struct db_conn *conn, sqlite3_int64 space, int64_t updated_at,
                             sqlite3_int64 row, rag_error *err);
rag_status kv_written_clear(struct db_conn *conn, sqlite3_int64 space, rag_error *err);
/* Rows that are past their time and still stored. */
rag_status kv_written_expired(struct db_conn *conn, sqlite3_int64 space,
                              const struct kv_bounds *bounds, uint64_t *rows, rag_error *err);

/* After a put: some rows that are past their time go, and as many of the oldest as the size asks. */
rag_status kv_keep_bounds(struct db_write *w, sqlite3_int64 space, const struct kv_bounds *bounds,
                          rag_error *err);

rag_status kv_set_limits(const rag_call *call, const char *name_space, const rag_kv_limits *limits,
                         rag_error *err);
rag_status kv_get_limits(const rag_call *call, const char *name_space, rag_kv_limits *out,
                         rag_error *err);

#endif
