/* Ranges of document rows in order of (created_at, id), by index.
 *
 * Every value of a range (a status, a path, ...) is one range of an index that ends in that order;
 * SQLite merges the ranges and reads no more rows than asked for. The position is compared as a row
 * value, which makes it the beginning of each of those ranges. Records come from the columns before
 * `value`: the row itself is not read. A test looks at the plans. */
#include "docstatus_range.h"

#include "codec.h"
#include "core/result.h"
#include "core/slice.h"
#include "db.h"

enum { SQL_BYTES_MAX = 32768, FIRST_VALUE = 5 };

const char docstatus_conflicts_sql[] =
    "SELECT file_path, count(*) FROM doc"
    " WHERE file_path IS NOT NULL AND file_path > ?1 AND is_duplicate = 0"
    " GROUP BY file_path HAVING count(*) > 1 ORDER BY file_path LIMIT ?2";

/* ?1 limit, ?2 and ?3 position, ?4 excluded id, ?5 and on: the values. */
static rag_status arm_sql(const rag_doc_range *range, size_t i, struct buffer *sql, rag_error *err)
{
    static const char *const columns[] = { [0] = "status",
                                           [RAG_DOC_BY_TRACK_ID] = "track_id",
                                           [RAG_DOC_BY_FILE_PATH] = "file_path",
                                           [RAG_DOC_BY_CONTENT_HASH] = "content_hash" };
    RAG_TRY(buffer_printf(sql, err,
                          "%sSELECT rowid AS r, created_at AS k, id FROM doc WHERE %s = ?%zu",
                          i ? " UNION ALL " : "", columns[range->by], i + FIRST_VALUE));
    if (!range->from_start)
        RAG_TRY(buffer_append_text(sql, " AND (created_at, id) > (?2, ?3)", err));
    if (range->primaries_only)
        RAG_TRY(buffer_append_text(sql, " AND is_duplicate = 0", err));
    if (range->exclude_id.len)
        RAG_TRY(buffer_append_text(
            sql, " AND id <> ?4 AND NOT (is_duplicate = 1 AND original_id IS ?4)", err));
    return RAG_OK;
}

rag_status docstatus_range_sql(const rag_doc_range *range, int records, struct buffer *sql,
                               rag_error *err)
{
    RAG_TRY(buffer_printf(sql, err, "SELECT d.id, d.created_at, %s FROM (",
                          records ? "d.status, d.updated_at, d.file_path, d.track_id, d.has_journal"
                                  : "d.value"));
    for (size_t i = 0; i < range->value_count; i++)
        RAG_TRY(arm_sql(range, i, sql, err));
    return buffer_append_text(sql,
                              " ORDER BY k, id LIMIT ?1) p JOIN doc d ON d.rowid = p.r"
                              " ORDER BY p.k, p.id",
                              err);
}

static void bind_range(sqlite3_stmt *stmt, const rag_doc_range *range)
{
    (void)sqlite3_bind_int64(stmt, 1, (sqlite3_int64)range->limit);
    if (!range->from_start) {
        db_bind_slice(stmt, 2, range->after_created_at);
        db_bind_slice(stmt, 3, range->after_id);
    }
    if (range->exclude_id.len)
        db_bind_slice(stmt, 4, range->exclude_id);
    for (size_t i = 0; i < range->value_count; i++)
        db_bind_slice(stmt, (int)i + FIRST_VALUE, range->values[i]);
}

static rag_status append_value(struct db_conn *conn, sqlite3_stmt *stmt, rag_row *row,
                               rag_result *out, rag_error *err)
{
    RAG_TRY(codec_decode(conn->codec, db_column_slice(stmt, 2), "document", row->key, &row->value,
                         err));
    return rag_result_append(out, row, err);
}

static rag_status append_record(const rag_call *call, sqlite3_stmt *stmt, rag_row *row,
                                rag_result *out, rag_error *err)
{
    const rag_doc_fields fields = { .id = row->key,
                                    .created_at = row->key2,
                                    .status = db_column_slice(stmt, 2),
                                    .updated_at = db_column_slice(stmt, 3),
                                    .file_path = db_column_slice(stmt, 4),
                                    .track_id = db_column_slice(stmt, 5),
                                    .has_journal = sqlite3_column_int(stmt, 6) };
    char *record;
    size_t len;
    RAG_TRY(call->host->doc_record(&fields, &record, &len, err));
    row->value = slice_of(record ? record : "", len);
    const rag_status status = rag_result_append(out, row, err);
    call->host->free(record);
    return status;
}

/* The next page begins behind the last row: it must be behind where this one began. */
static rag_status check_order(const rag_doc_range *range, const rag_result *out, rag_error *err)
{
    if (range->from_start || !rag_result_count(out))
        return RAG_OK;
    const rag_row *last = rag_result_row(out, rag_result_count(out) - 1);
    const int by_time = slice_compare(last->key2, range->after_created_at);
    if (by_time < 0 || (by_time == 0 && slice_compare(last->key, range->after_id) <= 0))
        return rag_fail(err, RAG_E_CORRUPT,
                        "documents are out of order: '%.*s' comes behind '%.*s'",
                        RAG_SHOWN(last->key), RAG_SHOWN(range->after_id));
    return RAG_OK;
}

static rag_status append_range(const rag_call *call, struct db_conn *conn, sqlite3_stmt *stmt,
                               const rag_doc_range *range, int records, rag_result *out,
                               rag_error *err)
{
    int more;
    for (size_t count = 0;; count++) {
        RAG_TRY(db_step(conn, stmt, &more, err));
        if (!more && count < range->limit)
            rag_result_add_flags(out, RAG_RESULT_EXHAUSTED);
        if (!more)
            return check_order(range, out, err);
        rag_row row = { .key = db_column_slice(stmt, 0),
                        .key2 = db_column_slice(stmt, 1),
                        .found = 1 };
        RAG_TRY(records ? append_record(call, stmt, &row, out, err)
                        : append_value(conn, stmt, &row, out, err));
    }
}

static rag_status run_range(const rag_call *call, const rag_doc_range *range, int records,
                            rag_result *out, rag_error *err)
{
    struct buffer sql = BUFFER_INIT(SQL_BYTES_MAX);
    struct db_conn *conn;
    sqlite3_stmt *stmt = NULL;
    if (range->value_count > DOCSTATUS_MERGED_MAX)
        return rag_fail(err, RAG_E_INVALID, "a sweep over %zu statuses, more than %d",
                        range->value_count, DOCSTATUS_MERGED_MAX);
    RAG_TRY(db_read_begin(call, &conn, err));
    rag_status status = docstatus_range_sql(range, records, &sql, err);
    if (status == RAG_OK) {
        const int code = sqlite3_prepare_v2(conn->sqlite, sql.data, (int)sql.len, &stmt, NULL);
        if (code != SQLITE_OK)
            status = db_fail(conn, code, "prepare a range of documents", err);
    }
    if (status == RAG_OK) {
        bind_range(stmt, range);
        status = append_range(call, conn, stmt, range, records, out, err);
    }
    (void)sqlite3_finalize(stmt);
    buffer_free(&sql);
    db_read_end(call, conn);
    return status;
}

rag_status docstatus_range(const rag_call *call, const rag_doc_range *range, rag_result *out,
                           rag_error *err)
{
    return run_range(call, range, 0, out, err);
}

rag_status docstatus_range_records(const rag_call *call, const rag_doc_range *range,
                                   rag_result *out, rag_error *err)
{
    return run_range(call, range, 1, out, err);
}

static rag_status append_conflicts(struct db_conn *conn, rag_slice after, size_t limit,
                                   rag_result *out, rag_error *err)
{
    sqlite3_stmt *stmt;
    int more;
    RAG_TRY(db_prepare(conn, docstatus_conflicts_sql, &stmt, err));
    db_bind_slice(stmt, 1, after);
    (void)sqlite3_bind_int64(stmt, 2, (sqlite3_int64)limit);
    for (;;) {
        RAG_TRY(db_step(conn, stmt, &more, err));
        if (!more)
            return RAG_OK;
        const rag_row row = { .key = db_column_slice(stmt, 0),
                              .number = sqlite3_column_int64(stmt, 1),
                              .found = 1 };
        if (slice_compare(row.key, after) <= 0)
            return rag_fail(err, RAG_E_CORRUPT, "files are out of order: '%.*s'",
                            RAG_SHOWN(row.key));
        RAG_TRY(rag_result_append(out, &row, err));
    }
}

rag_status docstatus_conflicts(const rag_call *call, rag_slice after, size_t limit, rag_result *out,
                               rag_error *err)
{
    struct db_conn *conn;
    RAG_TRY(db_read_begin(call, &conn, err));
    const rag_status status = append_conflicts(conn, after, limit, out, err);
    db_read_end(call, conn);
    return status;
}
