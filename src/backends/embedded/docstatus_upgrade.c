/* Document rows of version 1: the columns original_id and has_journal, out of the rows.
 *
 * Values may be compressed, so SQL alone cannot fill them. One row after the other in order of row
 * id, inside the transaction of the upgrade. A row that cannot be read stays as it is: a damaged
 * value must not keep the store from being opened, and a check finds it. */
#include "codec.h"
#include "core/json_object.h"
#include "core/slice.h"
#include "db.h"
#include "stores.h"

static const char SQL_NEXT[] =
    "SELECT rowid, id, value FROM doc WHERE rowid > ?1 ORDER BY rowid LIMIT 1";
static const char SQL_FILL[] = "UPDATE doc SET original_id = ?2, has_journal = ?3 WHERE rowid = ?1";

/* The last member of the name counts; the rules are those of the row's way in. */
static int find_metadata(const struct json_object *object, struct json_member *out)
{
    struct json_cursor cursor = json_members(object);
    struct json_member m;
    int found = 0;
    while (json_next(&cursor, &m))
        if (slice_is(m.name, "metadata")) {
            *out = m;
            found = 1;
        }
    return found;
}

static rag_status fill_row(struct db_conn *conn, sqlite3_int64 rowid,
                           const struct json_member *metadata, uint64_t *rows, rag_error *err)
{
    sqlite3_stmt *stmt;
    struct json_member inner;
    rag_slice original = slice_of("", 0);
    if (json_nested(metadata, "original_doc_id", &inner) && inner.type == JSON_STRING)
        original = inner.text;
    const int has_journal =
        json_nested(metadata, "custom_chunk_patch", &inner) && inner.type == JSON_OBJECT;
    if (!original.len && !has_journal)
        return RAG_OK;
    RAG_TRY(db_prepare(conn, SQL_FILL, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, rowid);
    db_bind_slice_or_null(stmt, 2, original);
    (void)sqlite3_bind_int(stmt, 3, has_journal);
    ++*rows;
    return db_run(conn, stmt, err);
}

/* `stmt` stands on the row. */
static rag_status upgrade_row(struct db_conn *conn, sqlite3_stmt *stmt, sqlite3_int64 rowid,
                              uint64_t *rows, rag_error *err)
{
    struct json_object object;
    struct json_member metadata;
    rag_error why = RAG_ERROR_INIT;
    rag_slice value;
    const rag_slice id = db_column_slice(stmt, 1);
    rag_status status =
        codec_decode(conn->codec, db_column_slice(stmt, 2), "document", id, &value, &why);
    if (status == RAG_OK)
        status = json_object_parse(value, "row of document", id, &object, &why);
    if (status == RAG_E_CORRUPT || status == RAG_E_INVALID)
        return RAG_OK;
    if (status != RAG_OK) {
        if (err)
            *err = why;
        return status;
    }
    if (find_metadata(&object, &metadata))
        status = fill_row(conn, rowid, &metadata, rows, err);
    json_object_free(&object);
    return status;
}

rag_status docstatus_upgrade(struct db_conn *conn, uint64_t *rows, rag_error *err)
{
    sqlite3_int64 rowid = 0;
    sqlite3_stmt *stmt;
    int found;
    for (;;) {
        RAG_TRY(db_prepare(conn, SQL_NEXT, &stmt, err));
        (void)sqlite3_bind_int64(stmt, 1, rowid);
        RAG_TRY(db_step(conn, stmt, &found, err));
        if (!found)
            return RAG_OK;
        rowid = sqlite3_column_int64(stmt, 0);
        RAG_TRY(upgrade_row(conn, stmt, rowid, rows, err));
        (void)sqlite3_reset(stmt);
    }
}
