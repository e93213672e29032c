/* Document rows of version 1: the columns original_id and has_journal, out of the rows.
 *
 * Values may be compressed, so SQL alone cannot fill them. The upgrade goes over one row after the
 * other in order of row id, inside its transaction; a store that is only read gets them as functions.
 * A row that cannot be read stays as it is: a damaged value must not keep the store from being opened,
 * and a check finds it. */
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

/* What version 1 did not keep in columns. */
struct extra {
    struct json_object object; /* holds what the others point to */
    rag_slice original_id;
    int has_journal;
};

/* RAG_E_CORRUPT, RAG_E_INVALID: the row cannot be read. Ends with extra_free(), also then. */
static rag_status read_extra(struct db_conn *conn, rag_slice id, rag_slice stored,
                             struct extra *out, rag_error *err)
{
    struct json_member metadata, inner;
    rag_slice value;
    *out = (struct extra){ 0 };
    RAG_TRY(codec_decode(conn->codec, stored, "document", id, &value, err));
    RAG_TRY(json_object_parse(value, "row of document", id, &out->object, err));
    if (!find_metadata(&out->object, &metadata))
        return RAG_OK;
    if (json_nested(&metadata, "original_doc_id", &inner) && inner.type == JSON_STRING)
        out->original_id = inner.text;
    out->has_journal =
        json_nested(&metadata, "custom_chunk_patch", &inner) && inner.type == JSON_OBJECT;
    return RAG_OK;
}

static void extra_free(struct extra *e)
{
    json_object_free(&e->object);
}

static int is_damage(rag_status status)
{
    return status == RAG_E_CORRUPT || status == RAG_E_INVALID;
}

/* ---- bringing a store up ------------------------------------------------------------------------- */

static rag_status fill_row(struct db_conn *conn, sqlite3_int64 rowid, const struct extra *extra,
                           uint64_t *rows, rag_error *err)
{
    sqlite3_stmt *stmt;
    if (!extra->original_id.len && !extra->has_journal)
        return RAG_OK;
    RAG_TRY(db_prepare(conn, SQL_FILL, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, rowid);
    db_bind_slice_or_null(stmt, 2, extra->original_id);
    (void)sqlite3_bind_int(stmt, 3, extra->has_journal);
    ++*rows;
    return db_run(conn, stmt, err);
}

/* `stmt` stands on the row. */
static rag_status upgrade_row(struct db_conn *conn, sqlite3_stmt *stmt, sqlite3_int64 rowid,
                              uint64_t *rows, rag_error *err)
{
    struct extra extra;
    rag_error why = RAG_ERROR_INIT;
    rag_status status =
        read_extra(conn, db_column_slice(stmt, 1), db_column_slice(stmt, 2), &extra, &why);
    if (status == RAG_OK)
        status = fill_row(conn, rowid, &extra, rows, err);
    else if (is_damage(status))
        status = RAG_OK;
    else if (err)
        *err = why;
    extra_free(&extra);
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
        if (sqlite3_column_int64(stmt, 0) <= rowid)
            return rag_fail(err, RAG_E_CORRUPT, "document %lld comes behind document %lld",
                            (long long)sqlite3_column_int64(stmt, 0), (long long)rowid);
        rowid = sqlite3_column_int64(stmt, 0);
        RAG_TRY(upgrade_row(conn, stmt, rowid, rows, err));
        (void)sqlite3_reset(stmt);
    }
}

/* ---- reading a store as it is --------------------------------------------------------------------- */

/* The extra columns as functions of the value, for the views over version 1. What cannot be read is
 * as if it said nothing: whoever asks for the row itself is told. */
static void answer(sqlite3_context *context, sqlite3_value **arguments, int journal)
{
    struct db_conn *conn = sqlite3_user_data(context);
    const rag_slice stored =
        slice_of(sqlite3_value_blob(arguments[0]), (size_t)sqlite3_value_bytes(arguments[0]));
    struct extra extra;
    const rag_status status = read_extra(conn, rag_text(""), stored, &extra, NULL);
    if (status == RAG_E_NO_MEMORY)
        sqlite3_result_error_nomem(context);
    else if (status != RAG_OK && !is_damage(status))
        sqlite3_result_error_code(context, SQLITE_ERROR);
    else if (journal)
        sqlite3_result_int(context, extra.has_journal);
    else if (extra.original_id.len)
        sqlite3_result_blob64(context, extra.original_id.data, extra.original_id.len,
                              SQLITE_TRANSIENT);
    extra_free(&extra);
}

static void original_id(sqlite3_context *context, int count, sqlite3_value **arguments)
{
    (void)count;
    answer(context, arguments, 0);
}

static void has_journal(sqlite3_context *context, int count, sqlite3_value **arguments)
{
    (void)count;
    answer(context, arguments, 1);
}

rag_status docstatus_old_functions(struct db_conn *conn, rag_error *err)
{
    const int how = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
    int code = sqlite3_create_function_v2(conn->sqlite, "old_original_id", 1, how, conn,
                                          original_id, NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_create_function_v2(conn->sqlite, "old_has_journal", 1, how, conn,
                                          has_journal, NULL, NULL, NULL);
    return code == SQLITE_OK ? RAG_OK : db_fail(conn, code, "prepare", err);
}
