/* Vectors that are still to be embedded: the table vector_pending.
 *
 * A row-id table, as texts and payloads are large; its row id is the mark of the row and never comes
 * again (AUTOINCREMENT), so that a mark names one version of one row. A row without content is a
 * deferred delete. vector_space.pending counts the rows of a space: whoever finds 0 there looks no
 * further, which keeps puts, deletes and reads at their price while nothing is pending.
 *
 * Whose a row is: `owner` is the number of a handle, and pending_owner says to which process it
 * belongs. A row whose owner is not listed, or is of a process that is not known to be alive, is
 * everybody's: a close takes the handle's entry away, a kill leaves one of a process that is gone.
 * A process in another pid namespace cannot be seen and counts as gone: its rows are then embedded
 * twice at worst, while waiting for it could mean waiting for ever. Writing to rows of others is
 * harmless by their marks. Locks: none of its own. */
#include "vector_pending.h"

#include "codec.h"
#include "core/context.h"
#include "core/limits.h"
#include "core/process.h"
#include "core/result.h"
#include "core/slice.h"
#include "dictionary.h"

#include <time.h>

enum { CHECK_EVERY = 256, OWNERS_BYTES_MAX = 1024 * 1024 };

/* A handle that closes waits this long for its turn to say so. */
enum { CLOSE_WAIT_MS = 2000 };

static const char SQL_ADD[] =
    "INSERT INTO vector_pending(space, id, owner, created_at, name, name2, content, value)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
static const char SQL_DISCARD[] = "DELETE FROM vector_pending WHERE space = ?1 AND id = ?2";
static const char SQL_DISCARD_NAME[] = "DELETE FROM vector_pending WHERE space = ?1 AND name = ?2";
static const char SQL_DISCARD_NAME2[] =
    "DELETE FROM vector_pending WHERE space = ?1 AND name2 = ?2";
static const char SQL_DROP[] = "DELETE FROM vector_pending WHERE space = ?1 AND owner = ?2";
static const char SQL_GET[] = "SELECT mark, created_at, content IS NULL, value, vector"
                              " FROM vector_pending WHERE space = ?1 AND id = ?2";
static const char SQL_REMEMBER[] = "UPDATE vector_pending SET vector = ?2 WHERE mark = ?1";
static const char SQL_SCAN[] = "SELECT id, mark, owner, created_at, content, value, vector"
                               " FROM vector_pending WHERE space = ?1 AND id > ?2 ORDER BY id";
static const char SQL_OWNERS[] = "SELECT id, process FROM pending_owner WHERE id <> ?1";
static const char SQL_OWNER[] = "SELECT 1 FROM pending_owner WHERE id = ?1";
static const char SQL_ADD_OWNER[] = "INSERT INTO pending_owner(id, process) VALUES (?1, ?2)";
static const char SQL_DELETE_OWNER[] = "DELETE FROM pending_owner WHERE id = ?1";

enum { GET_MARK, GET_CREATED, GET_IS_DELETED, GET_VALUE, GET_VECTOR };
enum { SCAN_ID, SCAN_MARK, SCAN_OWNER, SCAN_CREATED, SCAN_CONTENT, SCAN_VALUE, SCAN_VECTOR };

/* ---- owners -------------------------------------------------------------------------------------- */

/* The other handles of this store, as numbers one behind the other. */
struct owners {
    struct buffer living, gone;
};

#define OWNERS_INIT { BUFFER_INIT(OWNERS_BYTES_MAX), BUFFER_INIT(OWNERS_BYTES_MAX) }

static void owners_free(struct owners *o)
{
    buffer_free(&o->living);
    buffer_free(&o->gone);
}

static rag_status owners_load(struct db_conn *conn, struct owners *o, rag_error *err)
{
    sqlite3_stmt *stmt;
    RAG_TRY(db_prepare(conn, SQL_OWNERS, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, db_owner(conn->db));
    for (;;) {
        int has_row;
        RAG_TRY(db_step(conn, stmt, &has_row, err));
        if (!has_row)
            return RAG_OK;
        const sqlite3_int64 id = sqlite3_column_int64(stmt, 0);
        const enum process_state state = process_state_of(db_column_slice(stmt, 1));
        if (state == PROCESS_ALIVE)
            RAG_TRY(buffer_append(&o->living, &id, sizeof id, err));
        else if (state == PROCESS_GONE)
            RAG_TRY(buffer_append(&o->gone, &id, sizeof id, err));
    }
}

static int is_listed(const struct buffer *ids, sqlite3_int64 id)
{
    for (size_t at = 0; at < ids->len; at += sizeof id)
        if (memcmp(ids->data + at, &id, sizeof id) == 0)
            return 1;
    return 0;
}

static rag_status add_owner(struct db_conn *conn, rag_error *err)
{
    char identity[PROCESS_IDENTITY_MAX];
    sqlite3_stmt *stmt;
    RAG_TRY(process_identity(identity, err));
    RAG_TRY(db_prepare(conn, SQL_ADD_OWNER, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, db_owner(conn->db));
    (void)sqlite3_bind_text(stmt, 2, identity, -1, SQLITE_STATIC);
    RAG_TRY(db_run(conn, stmt, err));
    db_owner_used(conn->db);
    return RAG_OK;
}

/* Before a handle leaves its first row. The lists do not grow: entries of ended processes go. */
static rag_status owner_make(struct db_conn *conn, rag_error *err)
{
    struct owners o = OWNERS_INIT;
    sqlite3_stmt *stmt;
    int found;
    RAG_TRY(db_prepare(conn, SQL_OWNER, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, db_owner(conn->db));
    RAG_TRY(db_step(conn, stmt, &found, err));
    (void)sqlite3_reset(stmt);
    if (found)
        return RAG_OK;
    rag_status status = owners_load(conn, &o, err);
    for (size_t at = 0; status == RAG_OK && at < o.gone.len; at += sizeof(sqlite3_int64)) {
        sqlite3_int64 id;
        memcpy(&id, o.gone.data + at, sizeof id);
        status = db_run_for(conn, SQL_DELETE_OWNER, id, err);
    }
    owners_free(&o);
    return status == RAG_OK ? add_owner(conn, err) : status;
}

void vector_pending_hand_over(struct db *db)
{
    rag_context ctx = RAG_CONTEXT_INIT;
    const rag_call call = { .self = db, .ctx = &ctx };
    struct db_write w;
    if (!db_owner_is_used(db) || db_is_bulk(db))
        return;
    ctx.deadline_ns = rag_deadline_in_ms(CLOSE_WAIT_MS);
    /* When it fails, the rows wait for the end of this process. */
    if (db_write_begin(&call, &w, NULL) != RAG_OK)
        return;
    (void)db_write_end(&w, db_run_for(w.conn, SQL_DELETE_OWNER, db_owner(db), NULL), NULL, NULL);
}

/* ---- discarding ----------------------------------------------------------------------------------- */

static rag_status discard_by(struct db_conn *conn, struct space *space, const char *sql,
                             rag_slice what, rag_error *err)
{
    sqlite3_stmt *stmt;
    if (!space->pending)
        return RAG_OK;
    RAG_TRY(db_prepare(conn, sql, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, space->id);
    db_bind_slice(stmt, 2, what);
    RAG_TRY(db_run(conn, stmt, err));
    space->pending -= sqlite3_changes(conn->sqlite);
    return RAG_OK;
}

rag_status vector_pending_discard(struct db_write *w, struct space *space, rag_slice id,
                                  rag_error *err)
{
    return discard_by(w->conn, space, SQL_DISCARD, id, err);
}

rag_status vector_pending_discard_named(struct db_write *w, struct space *space, rag_slice name,
                                        rag_error *err)
{
    RAG_TRY(discard_by(w->conn, space, SQL_DISCARD_NAME, name, err));
    return discard_by(w->conn, space, SQL_DISCARD_NAME2, name, err);
}

/* ---- deferring ------------------------------------------------------------------------------------ */

/* `item` without a content: a deferred delete. */
static rag_status add_row(struct db_write *w, struct space *space, const rag_pending_item *item,
                          int64_t now, struct buffer *scratch, rag_error *err)
{
    struct db_conn *conn = w->conn;
    struct vector_names names = { 0 };
    const int64_t created = item->created_at ? item->created_at : now;
    rag_slice content = item->content;
    sqlite3_stmt *stmt;
    rag_status status;
    RAG_TRY_CLEANUP(vector_pending_discard(w, space, item->id, err));
    buffer_clear(scratch);
    if (content.len) {
        RAG_TRY_CLEANUP(vector_names_of(item->value, &names, err));
        RAG_TRY_CLEANUP(codec_encode(conn->codec, item->value, &content, err));
        RAG_TRY_CLEANUP(buffer_append(scratch, content.data, content.len, err));
        RAG_TRY_CLEANUP(codec_encode(conn->codec, item->content, &content, err));
    }
    RAG_TRY_CLEANUP(db_prepare(conn, SQL_ADD, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, space->id);
    db_bind_slice(stmt, 2, item->id);
    (void)sqlite3_bind_int64(stmt, 3, db_owner(conn->db));
    (void)sqlite3_bind_int64(stmt, 4, created == RAG_TIME_UNKNOWN ? 0 : created);
    db_bind_slice_or_null(stmt, 5, names.first);
    db_bind_slice_or_null(stmt, 6, names.second);
    db_bind_slice_or_null(stmt, 7, content);
    db_bind_slice_or_null(stmt, 8, buffer_slice(scratch));
    RAG_TRY_CLEANUP(db_run(conn, stmt, err));
    space->pending++;
    status = RAG_OK;
cleanup:
    vector_names_free(&names);
    return status;
}

static rag_status put_rows(struct db_write *w, struct space *space, const rag_pending_item *items,
                           size_t n, rag_error *err)
{
    struct buffer scratch = BUFFER_INIT(LIMIT_VALUE_BYTES);
    const int64_t now = (int64_t)time(NULL);
    rag_status status;
    RAG_TRY_CLEANUP(owner_make(w->conn, err));
    RAG_TRY_CLEANUP(dictionary_prepare(w, space->id, &items->value, sizeof *items, n, err));
    for (size_t i = 0; i < n; i++) {
        if (i % CHECK_EVERY == 0)
            RAG_TRY_CLEANUP(context_check(w->call->ctx, err));
        RAG_TRY_CLEANUP(add_row(w, space, &items[i], now, &scratch, err));
    }
    status = space_save(w, space, err);
cleanup:
    buffer_free(&scratch);
    return status;
}

rag_status vector_pending_put(const rag_call *call, const char *name, const rag_pending_item *items,
                              size_t n, rag_token *token, rag_error *err)
{
    struct db_write w;
    struct space space;
    RAG_TRY(db_write_begin(call, &w, err));
    rag_status status = space_load(w.conn, name, &space, err);
    if (status == RAG_OK)
        status = put_rows(&w, &space, items, n, err);
    return db_write_end(&w, status, token, err);
}

static rag_status put_deletes(struct db_write *w, struct space *space, const rag_slice *ids,
                              size_t n, rag_error *err)
{
    struct buffer scratch = BUFFER_INIT(LIMIT_VALUE_BYTES);
    RAG_TRY(owner_make(w->conn, err));
    for (size_t i = 0; i < n; i++) {
        const rag_pending_item item = { .id = ids[i], .created_at = RAG_TIME_UNKNOWN };
        if (i % CHECK_EVERY == 0)
            RAG_TRY(context_check(w->call->ctx, err));
        RAG_TRY(add_row(w, space, &item, 0, &scratch, err));
    }
    return space_save(w, space, err);
}

rag_status vector_pending_delete(const rag_call *call, const char *name, const rag_slice *ids,
                                 size_t n, rag_token *token, rag_error *err)
{
    struct db_write w;
    struct space space;
    RAG_TRY(db_write_begin(call, &w, err));
    rag_status status = space_find(w.conn, name, &space, err);
    if (status == RAG_OK && space.id)
        status = put_deletes(&w, &space, ids, n, err);
    return db_write_end(&w, status, token, err);
}

rag_status vector_pending_drop(const rag_call *call, const char *name, uint64_t *dropped,
                               rag_error *err)
{
    struct db_write w;
    struct space space;
    sqlite3_stmt *stmt;
    sqlite3_int64 before = 0;
    RAG_TRY(db_write_begin(call, &w, err));
    rag_status status = space_find(w.conn, name, &space, err);
    if (status == RAG_OK && space.pending) {
        before = space.pending;
        status = db_prepare(w.conn, SQL_DROP, &stmt, err);
        if (status == RAG_OK) {
            (void)sqlite3_bind_int64(stmt, 1, space.id);
            (void)sqlite3_bind_int64(stmt, 2, db_owner(w.conn->db));
            status = db_run(w.conn, stmt, err);
        }
        if (status == RAG_OK) {
            space.pending -= sqlite3_changes(w.conn->sqlite);
            status = before != space.pending ? space_save(&w, &space, err) : RAG_OK;
        }
    }
    RAG_TRY(db_write_end(&w, status, NULL, err));
    *dropped = before ? (uint64_t)(before - space.pending) : 0;
    return RAG_OK;
}

/* ---- reading -------------------------------------------------------------------------------------- */

static rag_status get_row(struct db_conn *conn, const struct space *space, rag_slice id,
                          sqlite3_stmt **stmt, int *found, rag_error *err)
{
    RAG_TRY(db_prepare(conn, SQL_GET, stmt, err));
    (void)sqlite3_bind_int64(*stmt, 1, space->id);
    db_bind_slice(*stmt, 2, id);
    return db_step(conn, *stmt, found, err);
}

/* The vector in a column, when there is one. */
static rag_status read_vector(const struct space *space, sqlite3_stmt *stmt, int column,
                              struct buffer *floats, rag_row *row, rag_error *err)
{
    const rag_slice elements = db_column_slice(stmt, column);
    if (!elements.len)
        return RAG_OK;
    if (elements.len != space_row_bytes(space))
        return rag_fail(err, RAG_E_CORRUPT, "the pending vector of '%.*s' has %zu bytes, not %zu",
                        RAG_SHOWN(row->key), elements.len, space_row_bytes(space));
    return vector_set_floats(space, elements.data, floats, row, err);
}

rag_status vector_pending_append(struct db_conn *conn, const struct space *space, rag_slice id,
                                 unsigned what, struct buffer *floats, rag_result *out, int *found,
                                 rag_error *err)
{
    sqlite3_stmt *stmt;
    rag_row row = { .key = id, .found = 1 };
    RAG_TRY(get_row(conn, space, id, &stmt, found, err));
    if (!*found)
        return RAG_OK;
    rag_status status = RAG_OK;
    if (sqlite3_column_int(stmt, GET_IS_DELETED)) {
        status = rag_result_append_absent(out, id, slice_of("", 0), err);
    } else {
        row.created_at = sqlite3_column_int64(stmt, GET_CREATED);
        if (what & RAG_VECTOR_VALUES)
            status = codec_decode(conn->codec, db_column_slice(stmt, GET_VALUE),
                                  "pending payload of vector", id, &row.value, err);
        if (status == RAG_OK && (what & RAG_VECTOR_VECTORS))
            status = read_vector(space, stmt, GET_VECTOR, floats, &row, err);
        if (status == RAG_OK)
            status = rag_result_append(out, &row, err);
    }
    (void)sqlite3_reset(stmt);
    return status;
}

struct scan {
    struct db_conn *conn;
    struct space space;
    struct owners owners;
    struct buffer content, floats;
};

static rag_status append_scanned(struct scan *s, sqlite3_stmt *stmt, rag_result *out,
                                 rag_error *err)
{
    rag_row row = { .key = db_column_slice(stmt, SCAN_ID),
                    .number = sqlite3_column_int64(stmt, SCAN_MARK),
                    .created_at = sqlite3_column_int64(stmt, SCAN_CREATED) };
    const rag_slice content = db_column_slice(stmt, SCAN_CONTENT);
    struct codec *codec = s->conn->codec;
    if (content.len) {
        rag_slice text;
        row.found = 1;
        RAG_TRY(codec_decode(codec, content, "pending text of vector", row.key, &text, err));
        buffer_clear(&s->content); /* decoding again takes the place of the first text */
        RAG_TRY(buffer_append(&s->content, text.data, text.len, err));
        row.key2 = buffer_slice(&s->content);
        RAG_TRY(codec_decode(codec, db_column_slice(stmt, SCAN_VALUE), "pending payload of vector",
                             row.key, &row.value, err));
        RAG_TRY(read_vector(&s->space, stmt, SCAN_VECTOR, &s->floats, &row, err));
    }
    return rag_result_append(out, &row, err);
}

static rag_status scan_rows(struct scan *s, const rag_call *call, rag_slice after, size_t limit,
                            rag_result *out, rag_error *err)
{
    sqlite3_stmt *stmt;
    RAG_TRY(owners_load(s->conn, &s->owners, err));
    RAG_TRY(db_prepare(s->conn, SQL_SCAN, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, s->space.id);
    db_bind_slice(stmt, 2, after);
    for (size_t count = 0, step = 0; count < limit; step++) {
        int has_row;
        if (step % CHECK_EVERY == 0)
            RAG_TRY(context_check(call->ctx, err));
        RAG_TRY(db_step(s->conn, stmt, &has_row, err));
        if (!has_row)
            return RAG_OK;
        if (is_listed(&s->owners.living, sqlite3_column_int64(stmt, SCAN_OWNER)))
            continue;
        RAG_TRY(append_scanned(s, stmt, out, err));
        if (++count == limit)
            RAG_TRY(db_set_next(out, after, db_column_slice(stmt, SCAN_ID), err));
    }
    return RAG_OK;
}

rag_status vector_pending_scan(const rag_call *call, const char *name, rag_slice after,
                               size_t limit, rag_result *out, rag_error *err)
{
    struct scan s = { .owners = OWNERS_INIT,
                      .content = BUFFER_INIT(LIMIT_VALUE_BYTES),
                      .floats = BUFFER_INIT(LIMIT_VALUE_BYTES) };
    RAG_TRY(db_read_begin(call, &s.conn, err));
    rag_status status = space_find(s.conn, name, &s.space, err);
    if (status == RAG_OK && s.space.id && s.space.pending)
        status = scan_rows(&s, call, after, limit, out, err);
    db_read_end(call, s.conn);
    owners_free(&s.owners);
    buffer_free(&s.content);
    buffer_free(&s.floats);
    return status;
}

/* ---- settling ------------------------------------------------------------------------------------- */

struct settling {
    struct db_write *w;
    struct space *space;
    struct buffer scratch;
    int keep;
};

static rag_status remember(struct settling *s, const rag_vector_item *item, sqlite3_int64 mark,
                           rag_error *err)
{
    const void *elements = NULL;
    sqlite3_stmt *stmt;
    RAG_TRY(vector_encode(s->space, item, &s->scratch, &elements, err));
    RAG_TRY(db_prepare(s->w->conn, SQL_REMEMBER, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, mark);
    db_bind_slice(stmt, 2, slice_of(elements, space_row_bytes(s->space)));
    return db_run(s->w->conn, stmt, err);
}

/* With the pending row in `stmt`, which is of the right mark. */
static rag_status settle_row(struct settling *s, const rag_pending_vector *v, sqlite3_stmt *stmt,
                             rag_error *err)
{
    const int64_t created = sqlite3_column_int64(stmt, GET_CREATED);
    rag_vector_item item = {
        v->id, v->vector, v->dimension, { NULL, 0 }, created ? created : RAG_TIME_UNKNOWN
    };
    const int is_deleted = sqlite3_column_int(stmt, GET_IS_DELETED);
    uint64_t deleted = 0;
    if (is_deleted == !!v->vector)
        return rag_fail(err, RAG_E_INVALID,
                        is_deleted ? "'%.*s' is a deferred delete and takes no vector"
                                   : "'%.*s' waits for a vector and is no deferred delete",
                        RAG_SHOWN(v->id));
    if (s->keep)
        return remember(s, &item, v->mark, err);
    if (is_deleted)
        return vector_delete_id(s->w, s->space, v->id, &deleted, err);
    RAG_TRY(codec_decode(s->w->conn->codec, db_column_slice(stmt, GET_VALUE),
                         "pending payload of vector", v->id, &item.value, err));
    return vector_put_item(s->w, s->space, &item, &s->scratch, 0, err);
}

static rag_status settle(struct settling *s, const rag_pending_vector *v, uint64_t *applied,
                         rag_error *err)
{
    sqlite3_stmt *stmt;
    int found;
    RAG_TRY(get_row(s->w->conn, s->space, v->id, &stmt, &found, err));
    if (!found)
        return RAG_OK;
    const int is_this = sqlite3_column_int64(stmt, GET_MARK) == v->mark;
    const rag_status status = is_this ? settle_row(s, v, stmt, err) : RAG_OK;
    (void)sqlite3_reset(stmt);
    RAG_TRY(status);
    if (!is_this)
        return RAG_OK;
    ++*applied;
    return s->keep ? RAG_OK : vector_pending_discard(s->w, s->space, v->id, err);
}

static rag_status settle_all(struct settling *s, const rag_pending_vector *vectors, size_t n,
                             uint64_t *applied, rag_error *err)
{
    RAG_TRY(dictionary_prepare(s->w, s->space->id, NULL, 0, 0, err));
    for (size_t i = 0; i < n; i++) {
        if (i % CHECK_EVERY == 0)
            RAG_TRY(context_check(s->w->call->ctx, err));
        RAG_TRY(settle(s, &vectors[i], applied, err));
    }
    return *applied && !s->keep ? space_save(s->w, s->space, err) : RAG_OK;
}

rag_status vector_pending_resolve(const rag_call *call, const char *name,
                                  const rag_pending_vector *vectors, size_t n, int keep,
                                  uint64_t *applied, rag_token *token, rag_error *err)
{
    struct db_write w;
    struct space space;
    struct settling s = { &w, &space, BUFFER_INIT(LIMIT_VALUE_BYTES), keep };
    uint64_t done = 0;
    RAG_TRY(db_write_begin(call, &w, err));
    rag_status status = space_find(w.conn, name, &space, err);
    if (status == RAG_OK && space.id && space.pending)
        status = settle_all(&s, vectors, n, &done, err);
    buffer_free(&s.scratch);
    RAG_TRY(db_write_end(&w, status, token, err));
    *applied = done;
    return RAG_OK;
}
