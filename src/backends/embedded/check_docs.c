/* Invariants of the documents: the columns that repeat members of the row, and the counts.
 *
 * A row is decoded and taken apart by the same function that did so when it was written; what its
 * columns should be is compared with what they are. Mending writes the columns, never the row. A row
 * that cannot be decoded is left to "value.readable". Called through the tables of check.h only. */
#include <stddef.h>

#include "check.h"
#include "codec.h"
#include "core/alloc.h"
#include "core/limits.h"
#include "core/slice.h"

static const char SQL_DOCS[] =
    "SELECT rowid, id, value, status, created_at, updated_at, file_path, file_path_order, track_id,"
    " content_hash, original_id, is_duplicate, has_journal FROM doc WHERE rowid > ?1 ORDER BY rowid";
static const char SQL_SET[] =
    "UPDATE doc SET status = ?2, created_at = ?3, updated_at = ?4, file_path = ?5,"
    " file_path_order = ?6, track_id = ?7, content_hash = ?8, original_id = ?9,"
    " is_duplicate = ?10, has_journal = ?11 WHERE rowid = ?1";

/* Text columns of SQL_DOCS from FIRST_TEXT on; parameters of SQL_SET from 2 on, in this order. */
static const struct text_column {
    const char *name;
    size_t offset; /* of its slice in rag_doc_fields */
    int lower;     /* ASCII letters in lower case */
} TEXTS[] = {
    { "status", offsetof(rag_doc_fields, status), 0 },
    { "created_at", offsetof(rag_doc_fields, created_at), 0 },
    { "updated_at", offsetof(rag_doc_fields, updated_at), 0 },
    { "file_path", offsetof(rag_doc_fields, file_path), 0 },
    { "file_path_order", offsetof(rag_doc_fields, file_path), 1 },
    { "track_id", offsetof(rag_doc_fields, track_id), 0 },
    { "content_hash", offsetof(rag_doc_fields, content_hash), 0 },
    { "original_id", offsetof(rag_doc_fields, original_id), 0 },
};

/* The numbers follow them. */
static const struct number_column {
    const char *name;
    size_t offset; /* of its int */
} NUMBERS[] = {
    { "is_duplicate", offsetof(rag_doc_fields, is_duplicate) },
    { "has_journal", offsetof(rag_doc_fields, has_journal) },
};

enum {
    FIRST_TEXT = 3,
    TEXT_COUNT = sizeof TEXTS / sizeof *TEXTS,
    NUMBER_COUNT = sizeof NUMBERS / sizeof *NUMBERS
};

static rag_slice text_of(const rag_doc_fields *fields, const struct text_column *column)
{
    return *(const rag_slice *)(const void *)((const char *)fields + column->offset);
}

static int number_of(const rag_doc_fields *fields, const struct number_column *column)
{
    return *(const int *)(const void *)((const char *)fields + column->offset);
}

static unsigned char lower(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c - 'A' + 'a') : c;
}

static int agrees(rag_slice stored, rag_slice text, int lowered)
{
    if (!lowered)
        return slice_equal(stored, text);
    if (stored.len != text.len)
        return 0;
    const unsigned char *a = stored.data, *b = text.data;
    for (size_t i = 0; i < text.len; i++)
        if (a[i] != lower(b[i]))
            return 0;
    return 1;
}

/* The name of the first column that does not agree; NULL when all do. */
static const char *wrong_column(sqlite3_stmt *stmt, const rag_doc_fields *fields)
{
    for (int i = 0; i < TEXT_COUNT; i++)
        if (!agrees(db_column_slice(stmt, FIRST_TEXT + i), text_of(fields, &TEXTS[i]),
                    TEXTS[i].lower))
            return TEXTS[i].name;
    for (int i = 0; i < NUMBER_COUNT; i++)
        if (sqlite3_column_int(stmt, FIRST_TEXT + TEXT_COUNT + i) != number_of(fields, &NUMBERS[i]))
            return NUMBERS[i].name;
    return NULL;
}

static rag_status set_columns(struct db_conn *conn, sqlite3_int64 rowid,
                              const rag_doc_fields *fields, rag_error *err)
{
    struct buffer path = BUFFER_INIT(LIMIT_VALUE_BYTES);
    sqlite3_stmt *stmt;
    rag_status status;
    RAG_TRY_CLEANUP(buffer_append(&path, fields->file_path.data, fields->file_path.len, err));
    for (size_t i = 0; i < path.len; i++)
        path.data[i] = (char)lower((unsigned char)path.data[i]);
    RAG_TRY_CLEANUP(db_prepare(conn, SQL_SET, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, rowid);
    db_bind_slice(stmt, 2, fields->status); /* never NULL, these two */
    db_bind_slice(stmt, 3, fields->created_at);
    for (int i = 2; i < TEXT_COUNT; i++)
        db_bind_slice_or_null(stmt, 2 + i,
                              TEXTS[i].lower ? buffer_slice(&path) : text_of(fields, &TEXTS[i]));
    for (int i = 0; i < NUMBER_COUNT; i++)
        (void)sqlite3_bind_int(stmt, 2 + TEXT_COUNT + i, number_of(fields, &NUMBERS[i]));
    status = db_run(conn, stmt, err);
cleanup:
    buffer_free(&path);
    return status;
}

/* Write the columns of the row that `stmt` stands on. The statement is reset first: writing to the
 * table would move the bytes that it shows. */
static rag_status mend_doc(struct check_run *run, sqlite3_stmt *stmt, rag_slice id, rag_slice value,
                           rag_error *err)
{
    const rag_host *host = run->call->host;
    const sqlite3_int64 rowid = sqlite3_column_int64(stmt, 0);
    const size_t id_len = id.len, value_len = value.len;
    char *own_id = rag_memdup_text(id.data, id.len);
    char *own_value = rag_memdup_text(value.data, value.len);
    void *memory = NULL;
    rag_doc_fields fields;
    (void)sqlite3_reset(stmt);
    rag_status status = own_id && own_value ? RAG_OK : rag_fail_memory(err);
    if (status == RAG_OK)
        status = host->doc_fields(slice_of(own_id, id_len), slice_of(own_value, value_len), &fields,
                                  &memory, err);
    if (status == RAG_OK)
        status = set_columns(run->conn, rowid, &fields, err);
    host->free(memory);
    rag_free(own_value);
    rag_free(own_id);
    return status;
}

/* One row. *mended: its columns were written, the statement was reset. */
static rag_status check_doc(struct check_run *run, sqlite3_stmt *stmt, int *mended, rag_error *err)
{
    const rag_slice id = db_column_slice(stmt, 1);
    rag_doc_fields fields;
    void *memory = NULL;
    rag_slice value;
    rag_error why = RAG_ERROR_INIT;
    rag_status status =
        codec_decode(run->conn->codec, db_column_slice(stmt, 2), "document", id, &value, &why);
    if (status == RAG_OK)
        status = run->call->host->doc_fields(id, value, &fields, &memory, &why);
    if (status == RAG_E_CORRUPT || status == RAG_E_INVALID)
        return RAG_OK; /* "value.readable" tells */
    if (status != RAG_OK)
        return rag_pass(status, &why, err);
    const char *wrong = wrong_column(stmt, &fields);
    run->call->host->free(memory);
    if (!wrong)
        return RAG_OK;
    RAG_TRY(check_violation(run, err, "document '%.*s': column %s", RAG_SHOWN(id), wrong));
    *mended = run->mend != NULL;
    return run->mend ? mend_doc(run, stmt, id, value, err) : RAG_OK;
}

static rag_status check_columns(struct check_run *run, rag_error *err)
{
    return check_each_row(run, SQL_DOCS, check_doc, err);
}

static const char *const SET_COUNTS[] = {
    "DELETE FROM doc_count",
    "INSERT INTO doc_count(status, n) SELECT status, count(*) FROM doc GROUP BY status", NULL
};

const struct check_invariant check_doc_invariants[] = {
    { .name = "doc.columns",
      .what = "the columns of a document repeat what its row says",
      .find = check_columns,
      .find_mends = 1,
      .slow = 1 },
    { .name = "doc.count",
      .what = "documents are counted by status",
      .sql = "SELECT CAST(status AS TEXT) || ': ' || n || ' instead of ' ||"
             " (SELECT count(*) FROM doc d WHERE d.status = c.status) FROM doc_count c"
             " WHERE n <> (SELECT count(*) FROM doc d WHERE d.status = c.status) UNION ALL "
             "SELECT DISTINCT CAST(status AS TEXT) || ' is not counted' FROM doc"
             " WHERE status NOT IN (SELECT status FROM doc_count)",
      .checked = "SELECT count(*) FROM doc",
      .repair = SET_COUNTS },
    { .name = NULL }
};
