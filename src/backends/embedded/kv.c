/* Values by key on SQLite. The row has the encoded value and its times; the unique index kv_key
 * finds it and answers alone what only asks whether a key is there. Scans are key-set queries: each
 * call looks up where the last one ended and holds nothing in between; they end early when the
 * values they gather grow large. The counter of bytes is the length of keys and values as stored.
 * Called through embedded_kv only. */
#include <time.h>

#include "codec.h"
#include "core/slice.h"
#include "core/slice_index.h"
#include "db.h"
#include "dictionary.h"
#include "kv_limits.h"
#include "schema.h"
#include "stores.h"

static const char SQL_GET[] =
    "SELECT value, created_at, updated_at FROM kv WHERE namespace = ?1 AND key = ?2";
static const char SQL_FIND[] =
    "SELECT id, created_at, length(value), updated_at FROM kv WHERE namespace = ?1 AND key = ?2";
static const char SQL_HAS[] =
    "SELECT 1 FROM kv INDEXED BY kv_key WHERE namespace = ?1 AND key = ?2";
static const char SQL_HAS_SINCE[] =
    "SELECT 1 FROM kv WHERE namespace = ?1 AND key = ?2 AND updated_at > ?3";
static const char SQL_ADD[] =
    "INSERT INTO kv(namespace, key, created_at, updated_at, value) VALUES(?1, ?2, ?3, ?4, ?5)";
static const char SQL_SET[] =
    "UPDATE kv SET created_at = ?2, updated_at = ?3, value = ?4 WHERE id = ?1";
static const char SQL_DELETE[] = "DELETE FROM kv WHERE id = ?1";
static const char SQL_SCAN[] =
    "SELECT key, value, created_at, updated_at FROM kv WHERE namespace = ?1 AND key > ?2"
    " AND updated_at > ?4 ORDER BY key LIMIT ?3";
static const char SQL_CLEAR[] = "DELETE FROM kv WHERE namespace = ?1";

enum { CHECK_EVERY = 256 };                   /* items between looks at the deadline */
enum { SCAN_VALUE_BYTES = 64 * 1024 * 1024 }; /* a scan ends early above this */

static rag_status check_now_and_then(const rag_call *call, size_t i, rag_error *err)
{
    return i % CHECK_EVERY == 0 ? call->host->check(call->ctx, err) : RAG_OK;
}

/* A statement about one key. */
static rag_status prepare_for_key(struct db_conn *conn, const char *sql, sqlite3_int64 space,
                                  rag_slice key, sqlite3_stmt **stmt, rag_error *err)
{
    RAG_TRY(db_prepare(conn, sql, stmt, err));
    (void)sqlite3_bind_int64(*stmt, 1, space);
    db_bind_slice(*stmt, 2, key);
    return RAG_OK;
}

/* ---- reading ------------------------------------------------------------------------------------ */

static rag_status append_value(const rag_call *call, struct db_conn *conn, rag_slice key,
                               rag_slice stored, int64_t created_at, int64_t updated_at,
                               rag_result *out, rag_error *err)
{
    rag_row row = { .key = key, .found = 1, .created_at = created_at, .updated_at = updated_at };
    RAG_TRY(codec_decode(conn->codec, stored, "value of key", key, &row.value, err));
    return call->host->row_append(out, &row, err);
}

static rag_status append_absent(const rag_call *call, rag_slice key, rag_result *out,
                                rag_error *err)
{
    const rag_row row = { .key = key };
    return call->host->row_append(out, &row, err);
}

static rag_status get_one(const rag_call *call, struct db_conn *conn, sqlite3_int64 space,
                          int64_t oldest, rag_slice key, rag_result *out, rag_error *err)
{
    sqlite3_stmt *stmt;
    int found;
    RAG_TRY(prepare_for_key(conn, SQL_GET, space, key, &stmt, err));
    RAG_TRY(db_step(conn, stmt, &found, err));
    rag_status status;
    if (found && sqlite3_column_int64(stmt, 2) > oldest)
        status =
            append_value(call, conn, key, db_column_slice(stmt, 0), sqlite3_column_int64(stmt, 1),
                         sqlite3_column_int64(stmt, 2), out, err);
    else
        status = append_absent(call, key, out, err);
    (void)sqlite3_reset(stmt);
    return status;
}

static rag_status get_in(const rag_call *call, struct db_conn *conn, const char *name,
                         const rag_slice *keys, size_t n, rag_result *out, rag_error *err)
{
    sqlite3_int64 space;
    struct kv_bounds bounds;
    RAG_TRY(db_namespace_find(conn, NAMESPACE_KV, name, &space, err));
    RAG_TRY(kv_bounds_read(conn, name, space, &bounds, err));
    for (size_t i = 0; i < n; i++) {
        RAG_TRY(check_now_and_then(call, i, err));
        RAG_TRY(get_one(call, conn, space, bounds.oldest, keys[i], out, err));
    }
    return RAG_OK;
}

static rag_status kv_get_many(const rag_call *call, const char *name_space, const rag_slice *keys,
                              size_t n, rag_result *out, rag_error *err)
{
    struct db_conn *conn;
    RAG_TRY(db_read_begin(call, &conn, err));
    const rag_status status = get_in(call, conn, name_space, keys, n, out, err);
    db_read_end(call, conn);
    return status;
}

static rag_status missing_one(const rag_call *call, struct db_conn *conn, sqlite3_int64 space,
                              const struct kv_bounds *bounds, rag_slice key, rag_result *out,
                              rag_error *err)
{
    sqlite3_stmt *stmt;
    int found;
    RAG_TRY(prepare_for_key(conn, bounds->ttl_s ? SQL_HAS_SINCE : SQL_HAS, space, key, &stmt, err));
    if (bounds->ttl_s)
        (void)sqlite3_bind_int64(stmt, 3, bounds->oldest);
    RAG_TRY(db_step(conn, stmt, &found, err));
    (void)sqlite3_reset(stmt);
    return found ? RAG_OK : append_absent(call, key, out, err);
}

static rag_status missing_in(const rag_call *call, struct db_conn *conn, const char *name,
                             const rag_slice *keys, size_t n, rag_result *out, rag_error *err)
{
    struct slice_index asked = SLICE_INDEX_INIT;
    struct kv_bounds bounds;
    sqlite3_int64 space;
    rag_status status = db_namespace_find(conn, NAMESPACE_KV, name, &space, err);
    if (status == RAG_OK)
        status = kv_bounds_read(conn, name, space, &bounds, err);
    for (size_t i = 0; i < n && status == RAG_OK; i++) {
        size_t before;
        status = check_now_and_then(call, i, err);
        if (status == RAG_OK)
            status = slice_index_put(&asked, keys[i], i, &before, err);
        if (status == RAG_OK && before == SLICE_INDEX_NONE)
            status = missing_one(call, conn, space, &bounds, keys[i], out, err);
    }
    slice_index_free(&asked);
    return status;
}

static rag_status kv_filter_missing(const rag_call *call, const char *name_space,
                                    const rag_slice *keys, size_t n, rag_result *out,
                                    rag_error *err)
{
    struct db_conn *conn;
    RAG_TRY(db_read_begin(call, &conn, err));
    const rag_status status = missing_in(call, conn, name_space, keys, n, out, err);
    db_read_end(call, conn);
    return status;
}

/* One row more than asked for is looked at, to know whether the scan is at its end. */
static rag_status scan_in(const rag_call *call, struct db_conn *conn, const char *name,
                          rag_slice after, size_t limit, rag_result *out, rag_error *err)
{
    sqlite3_int64 space;
    sqlite3_stmt *stmt;
    struct kv_bounds bounds;
    RAG_TRY(db_namespace_find(conn, NAMESPACE_KV, name, &space, err));
    RAG_TRY(kv_bounds_read(conn, name, space, &bounds, err));
    RAG_TRY(prepare_for_key(conn, SQL_SCAN, space, after, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 3, (sqlite3_int64)limit + 1);
    (void)sqlite3_bind_int64(stmt, 4, bounds.oldest);
    size_t bytes = 0;
    for (size_t i = 0;; i++) {
        int has_row;
        RAG_TRY(check_now_and_then(call, i, err));
        RAG_TRY(db_step(conn, stmt, &has_row, err));
        if (!has_row)
            return RAG_OK;
        if (i == limit || bytes > SCAN_VALUE_BYTES)
            return db_set_next(out, after, rag_result_row(out, rag_result_count(out) - 1)->key,
                               err);
        RAG_TRY(append_value(call, conn, db_column_slice(stmt, 0), db_column_slice(stmt, 1),
                             sqlite3_column_int64(stmt, 2), sqlite3_column_int64(stmt, 3), out,
                             err));
        bytes += rag_result_row(out, rag_result_count(out) - 1)->value.len;
    }
}

static rag_status kv_scan(const rag_call *call, const char *name_space, rag_slice after,
                          size_t limit, rag_result *out, rag_error *err)
{
    struct db_conn *conn;
    RAG_TRY(db_read_begin(call, &conn, err));
    const rag_status status = scan_in(call, conn, name_space, after, limit, out, err);
    db_read_end(call, conn);
    return status;
}

static rag_status kv_count(const rag_call *call, const char *name_space, uint64_t *count,
                           rag_error *err)
{
    struct db_conn *conn;
    sqlite3_int64 space;
    struct kv_bounds bounds;
    uint64_t rows = 0, expired = 0;
    RAG_TRY(db_read_begin(call, &conn, err));
    rag_status status = db_namespace_find(conn, NAMESPACE_KV, name_space, &space, err);
    if (status == RAG_OK)
        status = db_namespace_rows(conn, space, &rows, err);
    if (status == RAG_OK)
        status = kv_bounds_read(conn, name_space, space, &bounds, err);
    if (status == RAG_OK)
        status = kv_written_expired(conn, space, &bounds, &expired, err);
    db_read_end(call, conn);
    if (status == RAG_OK)
        *count = space && rows > expired ? rows - expired : 0;
    return status;
}

/* ---- writing -------------------------------------------------------------------------------------- */

struct existing {
    sqlite3_int64 id; /* 0: none */
    int64_t created_at, updated_at;
    sqlite3_int64 value_bytes;
};

static rag_status find(struct db_conn *conn, sqlite3_int64 space, rag_slice key,
                       struct existing *out, rag_error *err)
{
    sqlite3_stmt *stmt;
    int found;
    *out = (struct existing){ 0 };
    RAG_TRY(prepare_for_key(conn, SQL_FIND, space, key, &stmt, err));
    RAG_TRY(db_step(conn, stmt, &found, err));
    if (found)
        *out = (struct existing){ .id = sqlite3_column_int64(stmt, 0),
                                  .created_at = sqlite3_column_int64(stmt, 1),
                                  .updated_at = sqlite3_column_int64(stmt, 3),
                                  .value_bytes = sqlite3_column_int64(stmt, 2) };
    (void)sqlite3_reset(stmt);
    return RAG_OK;
}

static int64_t stored_time(int64_t given, int64_t when_zero)
{
    if (given == RAG_TIME_UNKNOWN)
        return 0;
    return given ? given : when_zero;
}

static rag_status add(struct db_write *w, sqlite3_int64 space, const rag_kv_item *item, int64_t now,
                      rag_slice stored, rag_error *err)
{
    sqlite3_stmt *stmt;
    RAG_TRY(prepare_for_key(w->conn, SQL_ADD, space, item->key, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 3, stored_time(item->created_at, now));
    (void)sqlite3_bind_int64(stmt, 4, stored_time(item->updated_at, now));
    db_bind_slice(stmt, 5, stored);
    RAG_TRY(db_run(w->conn, stmt, err));
    return db_write_count(w, space, 1, (sqlite3_int64)(item->key.len + stored.len), err);
}

static rag_status set(struct db_write *w, sqlite3_int64 space, const struct existing *old,
                      const rag_kv_item *item, int64_t now, rag_slice stored, rag_error *err)
{
    sqlite3_stmt *stmt;
    RAG_TRY(db_prepare(w->conn, SQL_SET, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, old->id);
    (void)sqlite3_bind_int64(stmt, 2, stored_time(item->created_at, old->created_at));
    (void)sqlite3_bind_int64(stmt, 3, stored_time(item->updated_at, now));
    db_bind_slice(stmt, 4, stored);
    RAG_TRY(db_run(w->conn, stmt, err));
    return db_write_count(w, space, 0, (sqlite3_int64)stored.len - old->value_bytes, err);
}

static rag_status put_one(struct db_write *w, sqlite3_int64 space, const struct kv_bounds *bounds,
                          const rag_kv_item *item, int64_t now, rag_error *err)
{
    struct existing old;
    rag_slice stored;
    RAG_TRY(find(w->conn, space, item->key, &old, err));
    if (old.id && old.updated_at <= bounds->oldest)
        old.created_at = now; /* it was gone for everybody */
    RAG_TRY(codec_encode(w->conn->codec, item->value, &stored, err));
    RAG_TRY(old.id ? set(w, space, &old, item, now, stored, err)
                   : add(w, space, item, now, stored, err));
    if (!bounds->limited)
        return RAG_OK;
    const sqlite3_int64 row = old.id ? old.id : sqlite3_last_insert_rowid(w->conn->sqlite);
    if (old.id)
        RAG_TRY(kv_written_remove(w->conn, space, old.updated_at, row, err));
    return kv_written_add(w->conn, space, stored_time(item->updated_at, now), row, err);
}

static rag_status put_items(const rag_call *call, struct db_write *w, const char *name,
                            const rag_kv_item *items, size_t n, rag_error *err)
{
    const int64_t now = (int64_t)time(NULL);
    sqlite3_int64 space;
    struct kv_bounds bounds;
    RAG_TRY(db_namespace_make(w, NAMESPACE_KV, name, &space, err));
    RAG_TRY(kv_bounds_read(w->conn, name, space, &bounds, err));
    RAG_TRY(dictionary_prepare(w, space, &items->value, sizeof *items, n, err));
    for (size_t i = 0; i < n; i++) {
        RAG_TRY(check_now_and_then(call, i, err));
        RAG_TRY(put_one(w, space, &bounds, &items[i], now, err));
    }
    return kv_keep_bounds(w, space, &bounds, err);
}

static rag_status kv_put_many(const rag_call *call, const char *name_space,
                              const rag_kv_item *items, size_t n, rag_token *token, rag_error *err)
{
    struct db_write w;
    RAG_TRY(db_write_begin(call, &w, err));
    const rag_status status = put_items(call, &w, name_space, items, n, err);
    return db_write_end(&w, status, token, err);
}

static rag_status delete_one(struct db_write *w, sqlite3_int64 space,
                             const struct kv_bounds *bounds, rag_slice key, uint64_t *deleted,
                             rag_error *err)
{
    struct existing old;
    RAG_TRY(find(w->conn, space, key, &old, err));
    if (!old.id)
        return RAG_OK;
    RAG_TRY(db_run_for(w->conn, SQL_DELETE, old.id, err));
    if (bounds->limited)
        RAG_TRY(kv_written_remove(w->conn, space, old.updated_at, old.id, err));
    *deleted += old.updated_at > bounds->oldest;
    return db_write_count(w, space, -1, -((sqlite3_int64)key.len + old.value_bytes), err);
}

static rag_status delete_in(const rag_call *call, struct db_write *w, const char *name,
                            const rag_slice *keys, size_t n, uint64_t *deleted, rag_error *err)
{
    sqlite3_int64 space;
    struct kv_bounds bounds;
    RAG_TRY(db_namespace_find(w->conn, NAMESPACE_KV, name, &space, err));
    RAG_TRY(kv_bounds_read(w->conn, name, space, &bounds, err));
    for (size_t i = 0; i < n && space; i++) {
        RAG_TRY(check_now_and_then(call, i, err));
        RAG_TRY(delete_one(w, space, &bounds, keys[i], deleted, err));
    }
    return RAG_OK;
}

static rag_status kv_delete_many(const rag_call *call, const char *name_space,
                                 const rag_slice *keys, size_t n, uint64_t *deleted,
                                 rag_token *token, rag_error *err)
{
    struct db_write w;
    uint64_t gone = 0;
    RAG_TRY(db_write_begin(call, &w, err));
    const rag_status status = delete_in(call, &w, name_space, keys, n, &gone, err);
    RAG_TRY(db_write_end(&w, status, token, err));
    *deleted = gone;
    return RAG_OK;
}

static rag_status drop_in(struct db_write *w, const char *name, rag_error *err)
{
    sqlite3_int64 space;
    RAG_TRY(db_namespace_find(w->conn, NAMESPACE_KV, name, &space, err));
    if (!space)
        return RAG_OK;
    RAG_TRY(kv_written_clear(w->conn, space, err));
    RAG_TRY(db_run_for(w->conn, SQL_CLEAR, space, err));
    return db_namespace_clear(w, space, err);
}

static rag_status kv_drop(const rag_call *call, const char *name_space, rag_error *err)
{
    struct db_write w;
    RAG_TRY(db_write_begin_durable(call, &w, err));
    return db_write_end(&w, drop_in(&w, name_space, err), NULL, err);
}

const rag_kv_table embedded_kv = {
    .struct_size = sizeof embedded_kv,
    .get_many = kv_get_many,
    .put_many = kv_put_many,
    .delete_many = kv_delete_many,
    .scan = kv_scan,
    .count = kv_count,
    .drop = kv_drop,
    .filter_missing = kv_filter_missing,
    .set_limits = kv_set_limits,
    .get_limits = kv_get_limits,
};
