/* Document status on SQLite. The row is kept as its JSON text; what questions are asked by stands
 * in columns with an index for each question (schema.c). Numbers by status are kept in doc_count.
 * A page over several statuses merges one index range per status, so that its cost does not depend
 * on how many documents there are in others.
 *
 * Invariants, which a check can recompute: the columns agree with the value; doc_count has one row
 * for each status that occurs, with its number. Every write here is durable when it returns: the
 * pipeline decides by these rows what to do again. Called through embedded_docstatus only. */
#include "codec.h"
#include "core/alloc.h"
#include "core/buffer.h"
#include "core/limits.h"
#include "core/result.h"
#include "core/slice.h"
#include "db.h"
#include "dictionary.h"
#include "docstatus_range.h"
#include "schema.h"
#include "stores.h"

enum { SQL_BYTES_MAX = 16384 };

static const char SQL_FIND[] = "SELECT rowid, status, length(value) FROM doc WHERE id = ?1";
static const char SQL_GET[] = "SELECT value FROM doc WHERE id = ?1";
static const char SQL_ADD[] =
    "INSERT INTO doc(id, status, created_at, updated_at, file_path, file_path_order, track_id,"
    " content_hash, is_duplicate, original_id, has_journal, value)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
static const char SQL_SET[] =
    "UPDATE doc SET status = ?2, created_at = ?3, updated_at = ?4, file_path = ?5,"
    " file_path_order = ?6, track_id = ?7, content_hash = ?8, is_duplicate = ?9,"
    " original_id = ?10, has_journal = ?11, value = ?12 WHERE id = ?1";
static const char SQL_DELETE[] = "DELETE FROM doc WHERE rowid = ?1";
static const char SQL_COUNT_ADD[] = "INSERT INTO doc_count(status, n) VALUES (?1, ?2)"
                                    " ON CONFLICT(status) DO UPDATE SET n = n + ?2";
static const char SQL_COUNT_DROP[] = "DELETE FROM doc_count WHERE status = ?1 AND n = 0";
static const char SQL_COUNTS[] = "SELECT status, n FROM doc_count ORDER BY status";
static const char SQL_SCAN[] = "SELECT id, value FROM doc WHERE id > ?1 ORDER BY id LIMIT ?2";

/* ---- writing ----------------------------------------------------------------------------------- */

struct existing {
    sqlite3_int64 rowid; /* 0: none */
    sqlite3_int64 value_bytes;
    char *status; /* copy; rag_free() */
    size_t status_len;
};

static rag_status find_doc(struct db_conn *conn, rag_slice id, struct existing *out, rag_error *err)
{
    sqlite3_stmt *stmt;
    int found;
    *out = (struct existing){ 0 };
    RAG_TRY(db_prepare(conn, SQL_FIND, &stmt, err));
    db_bind_slice(stmt, 1, id);
    RAG_TRY(db_step(conn, stmt, &found, err));
    if (found) {
        const rag_slice status = db_column_slice(stmt, 1);
        out->rowid = sqlite3_column_int64(stmt, 0);
        out->value_bytes = sqlite3_column_int64(stmt, 2);
        out->status = rag_memdup_text(status.data, status.len);
        out->status_len = status.len;
    }
    (void)sqlite3_reset(stmt);
    return found && !out->status ? rag_fail_memory(err) : RAG_OK;
}

static rag_status count_status(struct db_conn *conn, rag_slice name, int by, rag_error *err)
{
    sqlite3_stmt *stmt;
    RAG_TRY(db_prepare(conn, SQL_COUNT_ADD, &stmt, err));
    db_bind_slice(stmt, 1, name);
    (void)sqlite3_bind_int(stmt, 2, by);
    RAG_TRY(db_run(conn, stmt, err));
    if (by > 0)
        return RAG_OK;
    RAG_TRY(db_prepare(conn, SQL_COUNT_DROP, &stmt, err));
    db_bind_slice(stmt, 1, name);
    return db_run(conn, stmt, err);
}

/* Paths sort without regard to the case of ASCII letters. */
static rag_status lower_case(rag_slice text, struct buffer *out, rag_error *err)
{
    buffer_clear(out);
    RAG_TRY(buffer_append(out, text.data, text.len, err));
    for (size_t i = 0; i < out->len; i++)
        if (out->data[i] >= 'A' && out->data[i] <= 'Z')
            out->data[i] = (char)(out->data[i] - 'A' + 'a');
    return RAG_OK;
}

static rag_status write_doc(struct db_conn *conn, const rag_doc_fields *doc, const char *sql,
                            struct buffer *path_order, size_t *stored_len, rag_error *err)
{
    sqlite3_stmt *stmt;
    rag_slice stored;
    RAG_TRY(lower_case(doc->file_path, path_order, err));
    RAG_TRY(codec_encode(conn->codec, doc->value, &stored, err));
    RAG_TRY(db_prepare(conn, sql, &stmt, err));
    db_bind_slice(stmt, 1, doc->id);
    db_bind_slice(stmt, 2, doc->status);
    db_bind_slice(stmt, 3, doc->created_at); /* never NULL: schema_doc.h */
    db_bind_slice_or_null(stmt, 4, doc->updated_at);
    db_bind_slice_or_null(stmt, 5, doc->file_path);
    db_bind_slice_or_null(stmt, 6, buffer_slice(path_order));
    db_bind_slice_or_null(stmt, 7, doc->track_id);
    db_bind_slice_or_null(stmt, 8, doc->content_hash);
    (void)sqlite3_bind_int(stmt, 9, doc->is_duplicate);
    db_bind_slice_or_null(stmt, 10, doc->original_id);
    (void)sqlite3_bind_int(stmt, 11, doc->has_journal);
    db_bind_slice(stmt, 12, stored);
    *stored_len = stored.len;
    return db_run(conn, stmt, err);
}

static rag_status put_doc(struct db_write *w, const rag_doc_fields *doc, struct buffer *path_order,
                          rag_error *err)
{
    struct existing old;
    size_t stored_len = 0;
    rag_status status;
    RAG_TRY(find_doc(w->conn, doc->id, &old, err));
    RAG_TRY_CLEANUP(
        write_doc(w->conn, doc, old.rowid ? SQL_SET : SQL_ADD, path_order, &stored_len, err));
    const rag_slice old_status = slice_of(old.status, old.status_len);
    if (!old.rowid || !slice_equal(old_status, doc->status)) {
        RAG_TRY_CLEANUP(count_status(w->conn, doc->status, 1, err));
        if (old.rowid)
            RAG_TRY_CLEANUP(count_status(w->conn, old_status, -1, err));
    }
    const sqlite3_int64 bytes = (sqlite3_int64)stored_len;
    status = old.rowid
                 ? db_write_count(w, NAMESPACE_ID_DOCS, 0, bytes - old.value_bytes, err)
                 : db_write_count(w, NAMESPACE_ID_DOCS, 1, bytes + (sqlite3_int64)doc->id.len, err);
cleanup:
    rag_free(old.status);
    return status;
}

static rag_status docstatus_put_many(const rag_call *call, const rag_doc_fields *docs, size_t n,
                                     rag_token *token, rag_error *err)
{
    struct buffer path_order = BUFFER_INIT(LIMIT_VALUE_BYTES);
    struct db_write w;
    RAG_TRY(db_write_begin_durable(call, &w, err));
    rag_status status =
        dictionary_prepare(&w, NAMESPACE_ID_DOCS, &docs->value, sizeof *docs, n, err);
    for (size_t i = 0; i < n && status == RAG_OK; i++)
        status = put_doc(&w, &docs[i], &path_order, err);
    buffer_free(&path_order);
    return db_write_end(&w, status, token, err);
}

static rag_status delete_doc(struct db_write *w, rag_slice id, uint64_t *deleted, rag_error *err)
{
    struct existing old;
    RAG_TRY(find_doc(w->conn, id, &old, err));
    if (!old.rowid)
        return RAG_OK;
    rag_status status;
    RAG_TRY_CLEANUP(db_run_for(w->conn, SQL_DELETE, old.rowid, err));
    RAG_TRY_CLEANUP(count_status(w->conn, slice_of(old.status, old.status_len), -1, err));
    RAG_TRY_CLEANUP(
        db_write_count(w, NAMESPACE_ID_DOCS, -1, -(old.value_bytes + (sqlite3_int64)id.len), err));
    ++*deleted;
cleanup:
    rag_free(old.status);
    return status;
}

static rag_status docstatus_delete_many(const rag_call *call, const rag_slice *ids, size_t n,
                                        uint64_t *deleted, rag_token *token, rag_error *err)
{
    struct db_write w;
    uint64_t gone = 0;
    RAG_TRY(db_write_begin_durable(call, &w, err));
    rag_status status = RAG_OK;
    for (size_t i = 0; i < n && status == RAG_OK; i++)
        status = delete_doc(&w, ids[i], &gone, err);
    RAG_TRY(db_write_end(&w, status, token, err));
    *deleted = gone;
    return RAG_OK;
}

static rag_status docstatus_drop(const rag_call *call, rag_error *err)
{
    static const char *const DELETE_ALL[] = { "DELETE FROM doc", "DELETE FROM doc_count" };
    struct db_write w;
    sqlite3_stmt *stmt;
    RAG_TRY(db_write_begin_durable(call, &w, err));
    rag_status status = RAG_OK;
    for (size_t i = 0; i < sizeof DELETE_ALL / sizeof *DELETE_ALL && status == RAG_OK; i++) {
        status = db_prepare(w.conn, DELETE_ALL[i], &stmt, err);
        if (status == RAG_OK)
            status = db_run(w.conn, stmt, err);
    }
    if (status == RAG_OK)
        status = db_namespace_clear(&w, NAMESPACE_ID_DOCS, err);
    return db_write_end(&w, status, NULL, err);
}

/* ---- reading ----------------------------------------------------------------------------------- */

static rag_status append_doc(struct db_conn *conn, rag_slice id, rag_result *out, rag_error *err)
{
    sqlite3_stmt *stmt;
    rag_row row = { .key = id };
    RAG_TRY(db_prepare(conn, SQL_GET, &stmt, err));
    db_bind_slice(stmt, 1, id);
    RAG_TRY(db_step(conn, stmt, &row.found, err));
    if (row.found)
        RAG_TRY(
            codec_decode(conn->codec, db_column_slice(stmt, 0), "document", id, &row.value, err));
    return rag_result_append(out, &row, err);
}

static rag_status docstatus_get_many(const rag_call *call, const rag_slice *ids, size_t n,
                                     rag_result *out, rag_error *err)
{
    struct db_conn *conn;
    RAG_TRY(db_read_begin(call, &conn, err));
    rag_status status = RAG_OK;
    for (size_t i = 0; i < n && status == RAG_OK; i++)
        status = append_doc(conn, ids[i], out, err);
    db_read_end(call, conn);
    return status;
}

static rag_status append_counts(struct db_conn *conn, rag_result *out, rag_error *err)
{
    sqlite3_stmt *stmt;
    int more;
    RAG_TRY(db_prepare(conn, SQL_COUNTS, &stmt, err));
    for (;;) {
        RAG_TRY(db_step(conn, stmt, &more, err));
        if (!more)
            break;
        const rag_row row = { .key = db_column_slice(stmt, 0),
                              .found = 1,
                              .number = sqlite3_column_int64(stmt, 1) };
        RAG_TRY(rag_result_append(out, &row, err));
    }
    (void)sqlite3_reset(stmt);
    return RAG_OK;
}

static rag_status docstatus_counts(const rag_call *call, rag_result *out, rag_error *err)
{
    struct db_conn *conn;
    RAG_TRY(db_read_begin(call, &conn, err));
    const rag_status status = append_counts(conn, out, err);
    db_read_end(call, conn);
    return status;
}

/* Rows (id, value) of a statement into `out`; sets the position when there may be more. */
static rag_status append_rows(struct db_conn *conn, sqlite3_stmt *stmt, rag_slice after,
                              size_t limit, rag_result *out, rag_error *err)
{
    size_t count = 0;
    int more;
    for (;;) {
        RAG_TRY(db_step(conn, stmt, &more, err));
        if (!more)
            return RAG_OK;
        rag_row row = { .key = db_column_slice(stmt, 0), .found = 1 };
        RAG_TRY(codec_decode(conn->codec, db_column_slice(stmt, 1), "document", row.key, &row.value,
                             err));
        RAG_TRY(rag_result_append(out, &row, err));
        if (++count == limit)
            RAG_TRY(db_set_next(out, after, row.key, err));
    }
}

static rag_status docstatus_scan(const rag_call *call, rag_slice after, size_t limit,
                                 rag_result *out, rag_error *err)
{
    struct db_conn *conn;
    sqlite3_stmt *stmt;
    RAG_TRY(db_read_begin(call, &conn, err));
    rag_status status = db_prepare(conn, SQL_SCAN, &stmt, err);
    if (status == RAG_OK) {
        db_bind_slice(stmt, 1, after);
        (void)sqlite3_bind_int64(stmt, 2, (sqlite3_int64)limit);
        status = append_rows(conn, stmt, after, limit, out, err);
    }
    db_read_end(call, conn);
    return status;
}

/* ---- pages ------------------------------------------------------------------------------------- */

static const char *const SORT_COLUMNS[] = {
    [RAG_DOC_SORT_UPDATED_AT] = "updated_at",
    [RAG_DOC_SORT_CREATED_AT] = "created_at",
    [RAG_DOC_SORT_ID] = "id",
    [RAG_DOC_SORT_FILE_PATH] = "file_path_order",
};

/* A status given twice is one. */
static int named_before(const rag_doc_page *page, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (strcmp(page->statuses[j], page->statuses[i]) == 0)
            return 1;
    return 0;
}

/* "SELECT rowid, <column> AS k, id FROM doc [WHERE status = ?]" for each status, merged in order:
 * every member is a range of an index, and only as many rows are read as the page asks for. */
static rag_status page_sql(const rag_doc_page *page, struct buffer *sql, rag_error *err)
{
    const char *column = SORT_COLUMNS[page->sort], *direction = page->ascending ? "ASC" : "DESC";
    RAG_TRY(buffer_append_text(sql, "SELECT d.id, d.value FROM (", err));
    const size_t members = page->status_count ? page->status_count : 1;
    for (size_t i = 0; i < members; i++) {
        if (page->status_count && named_before(page, i))
            continue;
        RAG_TRY(buffer_printf(sql, err, "%sSELECT rowid AS r, %s AS k, id FROM doc",
                              i ? " UNION ALL " : "", column));
        if (page->status_count)
            RAG_TRY(buffer_printf(sql, err, " WHERE status = ?%zu", i + 3));
    }
    return buffer_printf(sql, err,
                         " ORDER BY k %s, id %s LIMIT ?1 OFFSET ?2) p JOIN doc d ON d.rowid = p.r"
                         " ORDER BY p.k %s, p.id %s",
                         direction, direction, direction, direction);
}

static rag_status page_total(struct db_conn *conn, const rag_doc_page *page, uint64_t *total,
                             rag_error *err)
{
    sqlite3_stmt *stmt;
    int more;
    uint64_t sum = 0;
    RAG_TRY(db_prepare(conn, SQL_COUNTS, &stmt, err));
    for (;;) {
        RAG_TRY(db_step(conn, stmt, &more, err));
        if (!more)
            break;
        const rag_slice name = db_column_slice(stmt, 0);
        int wanted = page->status_count == 0;
        for (size_t i = 0; i < page->status_count && !wanted; i++)
            wanted = slice_is(name, page->statuses[i]);
        if (wanted)
            sum += (uint64_t)sqlite3_column_int64(stmt, 1);
    }
    (void)sqlite3_reset(stmt);
    *total = sum;
    return RAG_OK;
}

static rag_status run_page(struct db_conn *conn, const rag_doc_page *page, rag_result *out,
                           rag_error *err)
{
    struct buffer sql = BUFFER_INIT(SQL_BYTES_MAX);
    sqlite3_stmt *stmt = NULL;
    uint64_t total;
    rag_status status;
    RAG_TRY_CLEANUP(page_sql(page, &sql, err));
    const int code = sqlite3_prepare_v2(conn->sqlite, sql.data, (int)sql.len, &stmt, NULL);
    if (code != SQLITE_OK) {
        status = db_fail(conn, code, "prepare a page of documents", err);
        goto cleanup;
    }
    (void)sqlite3_bind_int64(stmt, 1, (sqlite3_int64)page->page_size);
    (void)sqlite3_bind_int64(stmt, 2, (sqlite3_int64)((page->page - 1) * page->page_size));
    for (size_t i = 0; i < page->status_count; i++)
        db_bind_slice(stmt, (int)i + 3, rag_text(page->statuses[i]));
    RAG_TRY_CLEANUP(append_rows(conn, stmt, rag_text(""), SIZE_MAX, out, err));
    RAG_TRY_CLEANUP(page_total(conn, page, &total, err));
    rag_result_set_total(out, total);
cleanup:
    (void)sqlite3_finalize(stmt);
    buffer_free(&sql);
    return status;
}

static rag_status docstatus_page(const rag_call *call, const rag_doc_page *page, rag_result *out,
                                 rag_error *err)
{
    struct db_conn *conn;
    if (page->status_count > DOCSTATUS_MERGED_MAX)
        return rag_fail(err, RAG_E_INVALID, "a page over %zu statuses, more than %d",
                        page->status_count, DOCSTATUS_MERGED_MAX);
    RAG_TRY(db_read_begin(call, &conn, err));
    const rag_status status = run_page(conn, page, out, err);
    db_read_end(call, conn);
    return status;
}

const rag_docstatus_table embedded_docstatus = {
    .struct_size = sizeof(rag_docstatus_table),
    .put_many = docstatus_put_many,
    .get_many = docstatus_get_many,
    .delete_many = docstatus_delete_many,
    .counts = docstatus_counts,
    .page = docstatus_page,
    .scan = docstatus_scan,
    .drop = docstatus_drop,
    .range = docstatus_range,
    .range_records = docstatus_range_records,
    .conflicts = docstatus_conflicts,
};
