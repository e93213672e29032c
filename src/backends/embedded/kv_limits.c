/* Bounds of caches: a size, and a time to live.
 *
 * A namespace with bounds has a row in kv_limit, and kv_written has one for each of its rows, in the
 * order in which they were written (by updated_at, then by row id): the oldest are found there, and
 * the number of those past their time is a range of it. It is filled when bounds are set first and
 * emptied when they are taken away, so other namespaces pay nothing; only names that end in "_cache"
 * are looked up at all.
 *
 * A row past its time is absent for every read at once. Its space is given back by later puts, a few
 * rows each, and by compact in steps of bounded size (kv_remove_expired()). The size is kept by each put: rows go from the oldest on
 * until the counter of bytes fits, the row just put last (it goes when it alone is too large). */
#include "kv_limits.h"

#include <limits.h>
#include <string.h>
#include <time.h>

#include "core/slice.h"
#include "schema.h"
#include "stores.h"

enum { EXPIRED_PER_PUT = 64, EXPIRED_PER_STEP = 1024, CHECK_EVERY = 256 };
enum { EXPIRED_STEP_BYTES = 8 * 1024 * 1024 }; /* secure_delete writes as much into the log */

static const char SQL_LIMIT[] = "SELECT max_bytes, ttl_s FROM kv_limit WHERE namespace = ?1";
static const char SQL_SET_LIMIT[] =
    "INSERT OR REPLACE INTO kv_limit(namespace, max_bytes, ttl_s) VALUES(?1, ?2, ?3)";
static const char SQL_FORGET_LIMIT[] = "DELETE FROM kv_limit WHERE namespace = ?1";
static const char SQL_LIMITED[] = "SELECT namespace, ttl_s FROM kv_limit WHERE ttl_s > 0";
static const char SQL_FILL[] = "INSERT INTO kv_written(namespace, updated_at, row)"
                               " SELECT namespace, updated_at, id FROM kv WHERE namespace = ?1";
static const char SQL_ADD[] =
    "INSERT INTO kv_written(namespace, updated_at, row) VALUES(?1, ?2, ?3)";
static const char SQL_REMOVE[] =
    "DELETE FROM kv_written WHERE namespace = ?1 AND updated_at = ?2 AND row = ?3";
static const char SQL_CLEAR[] = "DELETE FROM kv_written WHERE namespace = ?1";
static const char SQL_EXPIRED[] =
    "SELECT count(*) FROM kv_written WHERE namespace = ?1 AND updated_at <= ?2";
static const char SQL_OLDEST[] = "SELECT w.updated_at, w.row, length(k.key) + length(k.value)"
                                 " FROM kv_written w LEFT JOIN kv k ON k.id = w.row"
                                 " WHERE w.namespace = ?1 ORDER BY w.updated_at, w.row LIMIT 1";
static const char SQL_DELETE_ROW[] = "DELETE FROM kv WHERE id = ?1";
static const char SQL_BYTES[] = "SELECT bytes FROM namespace WHERE id = ?1";

/* ---- reading ---------------------------------------------------------------------------------------- */

static void set_oldest(struct kv_bounds *b)
{
    b->oldest = b->ttl_s ? (int64_t)time(NULL) - b->ttl_s : INT64_MIN;
}

rag_status kv_bounds_read(struct db_conn *conn, const char *name, sqlite3_int64 space,
                          struct kv_bounds *out, rag_error *err)
{
    sqlite3_stmt *stmt;
    int found;
    *out = (struct kv_bounds){ .oldest = INT64_MIN };
    if (!space || !slice_ends_with(rag_text(name), "_cache"))
        return RAG_OK;
    RAG_TRY(db_prepare(conn, SQL_LIMIT, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, space);
    RAG_TRY(db_step(conn, stmt, &found, err));
    if (found)
        *out = (struct kv_bounds){ .limited = 1,
                                   .max_bytes = sqlite3_column_int64(stmt, 0),
                                   .ttl_s = sqlite3_column_int64(stmt, 1) };
    (void)sqlite3_reset(stmt);
    set_oldest(out);
    return RAG_OK;
}

rag_status kv_written_expired(struct db_conn *conn, sqlite3_int64 space,
                              const struct kv_bounds *bounds, uint64_t *rows, rag_error *err)
{
    sqlite3_stmt *stmt;
    int found;
    *rows = 0;
    if (!bounds->ttl_s)
        return RAG_OK;
    RAG_TRY(db_prepare(conn, SQL_EXPIRED, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, space);
    (void)sqlite3_bind_int64(stmt, 2, bounds->oldest);
    RAG_TRY(db_step(conn, stmt, &found, err));
    if (found)
        *rows = (uint64_t)sqlite3_column_int64(stmt, 0);
    (void)sqlite3_reset(stmt);
    return RAG_OK;
}

/* ---- kv_written ------------------------------------------------------------------------------------- */

static rag_status run_for_row(struct db_conn *conn, const char *sql, sqlite3_int64 space,
                              int64_t updated_at, sqlite3_int64 row, rag_error *err)
{
    sqlite3_stmt *stmt;
    RAG_TRY(db_prepare(conn, sql, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, space);
    (void)sqlite3_bind_int64(stmt, 2, updated_at);
    (void)sqlite3_bind_int64(stmt, 3, row);
    return db_run(conn, stmt, err);
}

rag_status kv_written_add(struct db_conn *conn, sqlite3_int64 space, int64_t updated_at,
                          sqlite3_int64 row, rag_error *err)
{
    return run_for_row(conn, SQL_ADD, space, updated_at, row, err);
}

rag_status kv_written_remove(struct db_conn *conn, sqlite3_int64 space, int64_t updated_at,
                             sqlite3_int64 row, rag_error *err)
{
    return run_for_row(conn, SQL_REMOVE, space, updated_at, row, err);
}

rag_status kv_written_clear(struct db_conn *conn, sqlite3_int64 space, rag_error *err)
{
    return db_run_for(conn, SQL_CLEAR, space, err);
}

/* ---- removing --------------------------------------------------------------------------------------- */

struct oldest_row {
    int found;
    int64_t updated_at;
    sqlite3_int64 id, bytes;
};

static rag_status find_oldest(struct db_conn *conn, sqlite3_int64 space, struct oldest_row *out,
                              rag_error *err)
{
    sqlite3_stmt *stmt;
    RAG_TRY(db_prepare(conn, SQL_OLDEST, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, space);
    RAG_TRY(db_step(conn, stmt, &out->found, err));
    if (out->found) {
        if (sqlite3_column_type(stmt, 2) == SQLITE_NULL)
            return rag_fail(err, RAG_E_CORRUPT, "kv_written names row %lld, which is not in kv",
                            (long long)sqlite3_column_int64(stmt, 1));
        out->updated_at = sqlite3_column_int64(stmt, 0);
        out->id = sqlite3_column_int64(stmt, 1);
        out->bytes = sqlite3_column_int64(stmt, 2);
    }
    (void)sqlite3_reset(stmt);
    return RAG_OK;
}

static rag_status remove_row(struct db_write *w, sqlite3_int64 space, const struct oldest_row *row,
                             rag_error *err)
{
    RAG_TRY(db_run_for(w->conn, SQL_DELETE_ROW, row->id, err));
    RAG_TRY(kv_written_remove(w->conn, space, row->updated_at, row->id, err));
    return db_write_count(w, space, -1, -row->bytes, err);
}

/* The counter, with what this write has not applied yet. */
static rag_status read_bytes(struct db_write *w, sqlite3_int64 space, int64_t *bytes,
                             rag_error *err)
{
    sqlite3_stmt *stmt;
    int found;
    RAG_TRY(db_prepare(w->conn, SQL_BYTES, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, space);
    RAG_TRY(db_step(w->conn, stmt, &found, err));
    *bytes = found ? sqlite3_column_int64(stmt, 0) : 0;
    (void)sqlite3_reset(stmt);
    for (size_t i = 0; i < w->change_count; i++)
        if (w->changes[i].id == space)
            *bytes += w->changes[i].bytes;
    return RAG_OK;
}

static rag_status keep_size(struct db_write *w, sqlite3_int64 space, int64_t max_bytes,
                            rag_error *err)
{
    int64_t bytes;
    RAG_TRY(read_bytes(w, space, &bytes, err));
    for (size_t i = 0; bytes > max_bytes; i++) {
        struct oldest_row row;
        if (i % CHECK_EVERY == 0)
            RAG_TRY(w->call->host->check(w->call->ctx, err));
        RAG_TRY(find_oldest(w->conn, space, &row, err));
        if (!row.found)
            return RAG_OK;
        RAG_TRY(remove_row(w, space, &row, err));
        bytes -= row.bytes;
    }
    return RAG_OK;
}

/* How much may still be removed in this transaction. */
struct allowance {
    size_t rows;
    int64_t bytes;
};

static int is_used_up(const struct allowance *left)
{
    return !left->rows || left->bytes <= 0;
}

static rag_status remove_expired(struct db_write *w, sqlite3_int64 space,
                                 const struct kv_bounds *bounds, struct allowance *left,
                                 rag_error *err)
{
    if (!bounds->ttl_s)
        return RAG_OK;
    for (size_t i = 0; !is_used_up(left); i++) {
        struct oldest_row row;
        if (i % CHECK_EVERY == 0)
            RAG_TRY(w->call->host->check(w->call->ctx, err));
        RAG_TRY(find_oldest(w->conn, space, &row, err));
        if (!row.found || row.updated_at > bounds->oldest)
            return RAG_OK;
        RAG_TRY(remove_row(w, space, &row, err));
        left->rows--;
        left->bytes -= row.bytes;
    }
    return RAG_OK;
}

rag_status kv_keep_bounds(struct db_write *w, sqlite3_int64 space, const struct kv_bounds *bounds,
                          rag_error *err)
{
    struct allowance left = { EXPIRED_PER_PUT, EXPIRED_STEP_BYTES };
    if (!bounds->limited)
        return RAG_OK;
    RAG_TRY(remove_expired(w, space, bounds, &left, err));
    return bounds->max_bytes ? keep_size(w, space, bounds->max_bytes, err) : RAG_OK;
}

rag_status kv_remove_expired(struct db_write *w, uint64_t *removed, int *more, rag_error *err)
{
    struct allowance left = { EXPIRED_PER_STEP, EXPIRED_STEP_BYTES };
    sqlite3_stmt *stmt;
    int found = 1;
    RAG_TRY(db_prepare(w->conn, SQL_LIMITED, &stmt, err));
    while (found && !is_used_up(&left)) {
        RAG_TRY(db_step(w->conn, stmt, &found, err));
        if (!found)
            break;
        struct kv_bounds bounds = { .limited = 1, .ttl_s = sqlite3_column_int64(stmt, 1) };
        set_oldest(&bounds);
        RAG_TRY(remove_expired(w, sqlite3_column_int64(stmt, 0), &bounds, &left, err));
    }
    *removed += EXPIRED_PER_STEP - left.rows;
    *more = is_used_up(&left);
    return RAG_OK;
}

/* ---- the slots ---------------------------------------------------------------------------------------- */

static rag_status set_limit_row(struct db_write *w, sqlite3_int64 space, const struct kv_bounds *b,
                                rag_error *err)
{
    sqlite3_stmt *stmt;
    RAG_TRY(db_prepare(w->conn, SQL_SET_LIMIT, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, space);
    (void)sqlite3_bind_int64(stmt, 2, b->max_bytes);
    (void)sqlite3_bind_int64(stmt, 3, b->ttl_s);
    return db_run(w->conn, stmt, err);
}

static rag_status set_limits_in(struct db_write *w, const char *name, const rag_kv_limits *limits,
                                rag_error *err)
{
    sqlite3_int64 space;
    struct kv_bounds old;
    struct kv_bounds b = { .limited = limits->max_bytes || limits->ttl_s,
                           .max_bytes = limits->max_bytes < INT64_MAX ? (int64_t)limits->max_bytes
                                                                      : INT64_MAX,
                           .ttl_s = limits->ttl_s };
    struct allowance left = { EXPIRED_PER_STEP, EXPIRED_STEP_BYTES };
    set_oldest(&b);
    RAG_TRY(db_namespace_make(w, NAMESPACE_KV, name, &space, err));
    RAG_TRY(kv_bounds_read(w->conn, name, space, &old, err));
    if (!b.limited) {
        RAG_TRY(kv_written_clear(w->conn, space, err));
        return db_run_for(w->conn, SQL_FORGET_LIMIT, space, err);
    }
    if (!old.limited)
        RAG_TRY(db_run_for(w->conn, SQL_FILL, space, err));
    RAG_TRY(set_limit_row(w, space, &b, err));
    RAG_TRY(remove_expired(w, space, &b, &left, err)); /* the rest goes with puts and compact */
    return b.max_bytes ? keep_size(w, space, b.max_bytes, err) : RAG_OK;
}

rag_status kv_set_limits(const rag_call *call, const char *name_space, const rag_kv_limits *limits,
                         rag_error *err)
{
    struct db_write w;
    RAG_TRY(db_write_begin(call, &w, err));
    return db_write_end(&w, set_limits_in(&w, name_space, limits, err), NULL, err);
}

rag_status kv_get_limits(const rag_call *call, const char *name_space, rag_kv_limits *out,
                         rag_error *err)
{
    struct db_conn *conn;
    struct kv_bounds bounds = { 0 };
    sqlite3_int64 space;
    RAG_TRY(db_read_begin(call, &conn, err));
    rag_status status = db_namespace_find(conn, NAMESPACE_KV, name_space, &space, err);
    if (status == RAG_OK)
        status = kv_bounds_read(conn, name_space, space, &bounds, err);
    db_read_end(call, conn);
    if (status == RAG_OK) {
        out->max_bytes = (uint64_t)bounds.max_bytes;
        out->ttl_s = bounds.ttl_s;
    }
    return status;
}
