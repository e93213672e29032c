/* Reading and writing slots, explicit transactions, and the commit.
 *
 * Every write has the writer's turn (gate.c) before it begins, and begins with BEGIN IMMEDIATE, so
 * it never fails half-way for want of a lock. A commit applies the counters of the namespaces it
 * changed and adds one to the generation of namespace 0, which is the commit token.
 *
 * Before a write and after its commit it is compared whether the write-ahead log and the file that
 * SQLite has open are still those at their paths. Somebody who removed or replaced them would
 * otherwise have us acknowledge commits into a file without a name. After such a finding, or when
 * a sync failed, the handle takes no further writes: what the disk holds is not known to it.
 *
 * Two kinds of commit: synchronous=NORMAL does not sync (the frames are ordered and checksummed, so
 * a power cut leaves a prefix of the commits); synchronous=FULL does, and is set around a durable
 * commit because it cannot be changed inside a transaction.
 *
 * While a store is built there is one connection and one long transaction without a journal: slots
 * only take the turn, which is then of this process alone, and an error after a change spoils the
 * build. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/os.h"
#include "db_internal.h"
#include "error.h"
#include "sqlite_os.h"

/* ---- the turn ------------------------------------------------------------------------------------ */

void db_break(struct db *db, rag_status status, const char *reason)
{
    (void)pthread_mutex_lock(&db->mutex);
    if (!db->broken) {
        (void)snprintf(db->broken_reason, sizeof db->broken_reason, "%s", reason);
        db->broken = status;
    }
    (void)pthread_mutex_unlock(&db->mutex);
}

static rag_status check_not_broken(struct db *db, rag_error *err)
{
    const int status = db->broken;
    if (status == RAG_OK)
        return RAG_OK;
    return rag_fail(err, (rag_status)status, "%s takes no writes until it is opened again: %s",
                    db->path, db->broken_reason);
}

rag_status db_check_build(struct db *db, rag_error *err)
{
    const struct build *build = db->build;
    if (build && (build->spoiled || !db->writer))
        return rag_fail(err, RAG_E_TRANSACTION,
                        "an earlier error spoiled the store that is built for %s: start again",
                        db->path);
    return RAG_OK;
}

/* SQLite says that the file has moved, also when it could not look. 1: so it is; 0: no; -1: it
 * cannot be told (errno). */
static int has_moved(const struct db *db)
{
    struct stat st;
    if (os_calls.stat(db->path, &st) != 0)
        return errno == ENOENT || errno == ENOTDIR ? 1 : -1;
    return st.st_dev != db->device || st.st_ino != db->inode;
}

/* Break the handle when the files it has open are no longer those at their paths. */
static rag_status check_in_place(struct db *db, rag_error *err)
{
    const struct connection *c = db->writer;
    int moved = 0;
    (void)sqlite3_file_control(c->base.sqlite, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
    if (moved)
        moved = has_moved(db);
    if (moved < 0)
        return rag_fail_errno(err, errno, "look at %s", db->path);
    if (moved)
        db_break(db, RAG_E_CORRUPT, "its file was removed or replaced while it was open");
#ifdef EMBEDDED_PRIVATE_SQLITE
    const int in_place = sqlite_os_is_in_place(c->wal_path);
    if (in_place < 0)
        return rag_fail_errno(err, errno, "look at %s", c->wal_path);
    if (!in_place)
        db_break(db, RAG_E_CORRUPT,
                 "its write-ahead log was removed or replaced while it was open");
#endif
    return check_not_broken(db, err);
}

static rag_status check_writable(struct db *db, rag_error *err)
{
    if (db->build)
        return db_check_build(db, err);
    if (!db->writer)
        return rag_fail(err, RAG_E_IO, "%s takes no writes until it is opened again", db->path);
    RAG_TRY(check_not_broken(db, err));
    return check_in_place(db, err);
}

rag_status turn_take(struct db *db, const rag_context *ctx, rag_error *err)
{
    if (db->read_only)
        return rag_fail(err, RAG_E_DENIED, "%s is open for reading only", db->path);
    for (;;) {
        struct gate *gate = db->gate;
        RAG_TRY(gate_acquire(gate, ctx, db_deadline(db, ctx), err));
        if (gate == db->gate)
            break;
        gate_release(gate); /* published meanwhile: the turn is another one now */
    }
    const rag_status status = check_writable(db, err);
    if (status != RAG_OK) {
        gate_release(db->gate);
        return status;
    }
    connection_serve(db->writer, ctx);
    return RAG_OK;
}

void turn_leave(struct db *db)
{
    if (db->writer) {
        /* A statement left in the middle would keep a snapshot, and the next BEGIN fail on it. */
        statements_reset(db->writer->base.statements);
        connection_serve(db->writer, NULL);
    }
    gate_release(db->gate);
}

/* ---- begin, commit, roll back ----------------------------------------------------------------------- */

static rag_status run(struct connection *c, const char *sql, rag_error *err)
{
    sqlite3_stmt *stmt;
    RAG_TRY(db_prepare(&c->base, sql, &stmt, err));
    return db_run(&c->base, stmt, err);
}

/* What undoes must not need memory first: these are prepared when the connection is opened. */
static const char SQL_COMMIT[] = "COMMIT";
static const char SQL_ROLLBACK[] = "ROLLBACK";

rag_status transaction_prepare(struct connection *c, rag_error *err)
{
    sqlite3_stmt *stmt;
    RAG_TRY(db_prepare(&c->base, SQL_COMMIT, &stmt, err));
    return db_prepare(&c->base, SQL_ROLLBACK, &stmt, err);
}

static void set_normal(struct connection *c)
{
    (void)sqlite3_exec(c->base.sqlite, "PRAGMA synchronous=NORMAL", NULL, NULL, NULL);
}

void writer_rollback(struct connection *c)
{
    c->base.in_write = 0;
    statements_reset(c->base.statements);
    if (!sqlite3_get_autocommit(c->base.sqlite))
        (void)run(c, SQL_ROLLBACK, NULL);
}

rag_status secure_delete_read(struct db_conn *conn, enum secure_delete *out, rag_error *err)
{
    sqlite3_stmt *stmt;
    int found;
    RAG_TRY(db_prepare(conn, "SELECT value FROM meta WHERE key = 'secure_delete'", &stmt, err));
    RAG_TRY(db_step(conn, stmt, &found, err));
    const int value = found ? sqlite3_column_int(stmt, 0) : SECURE_DELETE_OFF;
    (void)sqlite3_reset(stmt);
    *out = found && value != SECURE_DELETE_CLEAN ? SECURE_DELETE_ON : (enum secure_delete)value;
    return RAG_OK;
}

rag_status db_secure_delete(struct db_conn *conn, int *on, rag_error *err)
{
    enum secure_delete how;
    RAG_TRY(secure_delete_read(conn, &how, err));
    *on = how != SECURE_DELETE_OFF;
    return RAG_OK;
}

/* Deleted rows are overwritten when the store says so, whoever said it to the store and when. */
static rag_status honour_secure_delete(struct connection *c, rag_error *err)
{
    int on;
    RAG_TRY(db_secure_delete(&c->base, &on, err));
    if (on == c->secure_delete)
        return RAG_OK;
    RAG_TRY(connection_exec(c, on ? "PRAGMA secure_delete=ON" : "PRAGMA secure_delete=OFF", err));
    c->secure_delete = on;
    return RAG_OK;
}

int db_is_secure_delete(const struct db_conn *conn)
{
    return ((const struct connection *)conn)->secure_delete;
}

rag_status writer_begin(struct db *db, int full, rag_error *err)
{
    struct connection *c = db->writer;
    if (full)
        RAG_TRY(connection_exec(c, "PRAGMA synchronous=FULL", err));
    c->base.in_write = 0;
    rag_status status = run(c, "BEGIN IMMEDIATE", err);
    if (status == RAG_OK) {
        c->base.in_write = 1;
        status = honour_secure_delete(c, err);
        if (status != RAG_OK)
            writer_rollback(c);
    }
    if (status != RAG_OK && full)
        set_normal(c);
    return status;
}

/* The error of a COMMIT that failed, with what is known of its outcome. */
static rag_status commit_failed(struct db *db, int code, rag_error *err)
{
    struct connection *c = db->writer;
    const int unknown = error_commit_is_unknown(code, sqlite3_system_errno(c->base.sqlite));
    rag_error own = RAG_ERROR_INIT;
    const rag_status status = db_fail(&c->base, code, "commit to", &own);
    if (unknown) {
        db_break(db, RAG_E_IO, own.message);
        rag_error_outcome(&own, RAG_OUTCOME_UNKNOWN);
        rag_error_retryable(&own, 0);
    }
    return rag_pass(status, &own, err);
}

rag_status writer_commit(struct db *db, int full, rag_error *err)
{
    struct connection *c = db->writer;
    rag_status status = RAG_OK;
    sqlite3_stmt *stmt;
    int code = SQLITE_NOMEM;
    if (db_prepare(&c->base, SQL_COMMIT, &stmt, NULL) == RAG_OK)
        code = sqlite3_step(stmt);
    if (code != SQLITE_DONE) {
        status = commit_failed(db, code, err);
        writer_rollback(c);
    } else {
        c->base.in_write = 0;
        (void)sqlite3_reset(stmt);
        status = check_in_place(db, err);
        if (status != RAG_OK)
            rag_error_outcome(err, RAG_OUTCOME_UNKNOWN);
    }
    if (full)
        set_normal(c);
    return status;
}

/* Take the next token, in the open transaction. */
static rag_status next_token(struct db_conn *conn, rag_token *token, rag_error *err)
{
    sqlite3_stmt *stmt;
    int has_row;
    RAG_TRY(db_prepare(conn, "SELECT generation FROM namespace WHERE id = 0", &stmt, err));
    RAG_TRY(db_step(conn, stmt, &has_row, err));
    if (!has_row)
        return rag_fail(err, RAG_E_CORRUPT, "%s has no row for the store itself", conn->db->path);
    const sqlite3_int64 next = sqlite3_column_int64(stmt, 0) + 1;
    (void)sqlite3_reset(stmt); /* a statement still open would keep checkpoints away */
    RAG_TRY(db_prepare(conn, "UPDATE namespace SET generation = ?1 WHERE id = 0", &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, next);
    RAG_TRY(db_run(conn, stmt, err));
    *token = (rag_token)next;
    return RAG_OK;
}

static rag_status mark_durable(struct db_conn *conn, rag_token token, rag_error *err)
{
    sqlite3_stmt *stmt;
    RAG_TRY(db_prepare(conn, "UPDATE durable SET token = ?1 WHERE id = 0", &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, (sqlite3_int64)token);
    return db_run(conn, stmt, err);
}

/* Commit what the writer has open: counters are applied already. The turn stays. */
static rag_status commit_changes(struct db *db, int full, int durable, rag_token *token,
                                 rag_error *err)
{
    struct connection *c = db->writer;
    rag_token next = 0;
    rag_status status = next_token(&c->base, &next, err);
    if (status == RAG_OK && full)
        status = mark_durable(&c->base, next, err);
    if (status == RAG_OK && !db->build)
        status = writer_commit(db, full, err);
    else if (status != RAG_OK && !db->build)
        writer_rollback(c);
    if (status != RAG_OK)
        return status;
    if (durable && !full && !db->build) {
        status = flush_under_turn(db, err);
        if (status != RAG_OK) {
            rag_error_outcome(err, RAG_OUTCOME_APPLIED);
            rag_error_retryable(err, 0);
            return status;
        }
    }
    if (token)
        *token = next;
    return RAG_OK;
}

static rag_status current_token(struct db_conn *conn, rag_token *token, rag_error *err)
{
    sqlite3_stmt *stmt;
    int has_row;
    RAG_TRY(db_prepare(conn, "SELECT generation FROM namespace WHERE id = 0", &stmt, err));
    RAG_TRY(db_step(conn, stmt, &has_row, err));
    *token = has_row ? (rag_token)sqlite3_column_int64(stmt, 0) : 0;
    (void)sqlite3_reset(stmt);
    return RAG_OK;
}

static sqlite3_int64 changes_of(const struct connection *c)
{
    return sqlite3_total_changes64(c->base.sqlite);
}

/* ---- reading slots --------------------------------------------------------------------------------------- */

/* The connection of the explicit transaction of a call. SQLite itself rolls back the whole
 * transaction on some errors (disk full, interrupt); what follows must not run outside of it. */
static rag_status transaction_connection(const rag_call *call, struct connection **out,
                                         rag_error *err)
{
    struct connection *c = ((struct transaction *)call->txn)->conn;
    RAG_TRY(db_check_build(c->base.db, err));
    if (sqlite3_get_autocommit(c->base.sqlite))
        return rag_fail(err, RAG_E_TRANSACTION,
                        "the transaction on %s was rolled back by an earlier error in it",
                        c->base.db->path);
    connection_serve(c, call->ctx);
    *out = c;
    return RAG_OK;
}

/* A reader that sees an old format through views is no good any more once somebody has brought the
 * store up to date. */
static rag_status check_format(struct connection *c, int *outdated, rag_error *err)
{
    sqlite3_int64 version = c->version;
    if (c->version < SCHEMA_VERSION_UNCHECKED)
        RAG_TRY(connection_int(c, "PRAGMA user_version", &version, err));
    *outdated = version != c->version;
    return RAG_OK;
}

/* A reader with its snapshot. */
static rag_status begin_reading(const rag_call *call, struct connection **out, rag_error *err)
{
    struct db *db = call->self;
    for (int outdated = 1; outdated;) {
        struct connection *c = NULL;
        RAG_TRY(pool_take(db, call->ctx, &c, err));
        rag_status status = run(c, "BEGIN", err);
        if (status == RAG_OK)
            status = check_format(c, &outdated, err);
        if (status != RAG_OK || outdated)
            pool_discard(db, c);
        RAG_TRY(status);
        *out = c;
    }
    (*out)->in_read = 1;
    return RAG_OK;
}

rag_status db_read_begin(const rag_call *call, struct db_conn **conn, rag_error *err)
{
    struct db *db = call->self;
    struct connection *c = NULL;
    if (call->txn) {
        RAG_TRY(transaction_connection(call, &c, err));
    } else if (db->build) {
        RAG_TRY(turn_take(db, call->ctx, err));
        c = db->writer;
    } else {
        RAG_TRY(begin_reading(call, &c, err));
    }
    *conn = &c->base;
    return RAG_OK;
}

void db_read_end(const rag_call *call, struct db_conn *conn)
{
    if (!conn)
        return;
    struct db *db = call->self;
    struct connection *c = connection_of(conn);
    statements_reset(conn->statements);
    codec_trim(conn->codec);
    if (call->txn) {
        connection_serve(c, NULL);
        return;
    }
    if (!c->in_read) { /* a build: published meanwhile or not, the turn was taken on its gate */
        turn_leave(db);
        return;
    }
    c->in_read = 0;
    c->ctx = NULL; /* a passed deadline must not keep the snapshot open */
    if (run(c, SQL_COMMIT, NULL) != RAG_OK)
        writer_rollback(c);
    pool_give_back(db, c);
}

/* ---- writing slots ------------------------------------------------------------------------------------------ */

static rag_status begin_in_transaction(const rag_call *call, struct db_write *w, rag_error *err)
{
    struct connection *c = NULL;
    RAG_TRY(transaction_connection(call, &c, err));
    if (!c->base.db->build) {
        const rag_status status = run(c, "SAVEPOINT slot", err);
        if (status != RAG_OK) {
            connection_serve(c, NULL);
            return status;
        }
    }
    w->conn = &c->base;
    return RAG_OK;
}

static rag_status begin_own(const rag_call *call, struct db_write *w, rag_error *err)
{
    struct db *db = call->self;
    RAG_TRY(turn_take(db, call->ctx, err));
    const rag_status status = db->build ? RAG_OK : writer_begin(db, w->full, err);
    if (status != RAG_OK) {
        turn_leave(db);
        return status;
    }
    w->conn = &db->writer->base;
    return RAG_OK;
}

static rag_status begin_write(const rag_call *call, struct db_write *w, int full, rag_error *err)
{
    struct db_write fresh = { .call = call,
                              .own = !call->txn,
                              .durable = full,
                              .full = full && !call->txn && !((struct db *)call->self)->build };
    RAG_TRY(call->txn ? begin_in_transaction(call, &fresh, err) : begin_own(call, &fresh, err));
    fresh.changes_before = changes_of(connection_of(fresh.conn));
    *w = fresh;
    return RAG_OK;
}

rag_status db_write_begin(const rag_call *call, struct db_write *w, rag_error *err)
{
    return begin_write(call, w, 0, err);
}

rag_status db_write_begin_durable(const rag_call *call, struct db_write *w, rag_error *err)
{
    return begin_write(call, w, 1, err);
}

/* The generation of a changed namespace is the token that this commit will get. */
static rag_status apply_change(struct db_conn *conn, sqlite3_int64 id, sqlite3_int64 rows,
                               sqlite3_int64 bytes, rag_error *err)
{
    sqlite3_stmt *stmt;
    RAG_TRY(db_prepare(conn,
                       "UPDATE namespace SET rows = rows + ?2, bytes = bytes + ?3, generation ="
                       " 1 + (SELECT generation FROM namespace WHERE id = 0) WHERE id = ?1",
                       &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, id);
    (void)sqlite3_bind_int64(stmt, 2, rows);
    (void)sqlite3_bind_int64(stmt, 3, bytes);
    return db_run(conn, stmt, err);
}

rag_status db_write_count(struct db_write *w, sqlite3_int64 namespace_id, sqlite3_int64 rows,
                          sqlite3_int64 bytes, rag_error *err)
{
    const size_t room = sizeof w->changes / sizeof *w->changes;
    size_t i = 0;
    while (i < w->change_count && w->changes[i].id != namespace_id)
        i++;
    if (i == room)
        return apply_change(w->conn, namespace_id, rows, bytes, err);
    if (i == w->change_count) {
        w->changes[i].id = namespace_id;
        w->changes[i].rows = w->changes[i].bytes = 0;
        w->change_count++;
    }
    w->changes[i].rows += rows;
    w->changes[i].bytes += bytes;
    return RAG_OK;
}

static rag_status apply_changes(struct db_write *w, rag_error *err)
{
    for (size_t i = 0; i < w->change_count; i++)
        RAG_TRY(
            apply_change(w->conn, w->changes[i].id, w->changes[i].rows, w->changes[i].bytes, err));
    return RAG_OK;
}

static void undo(struct db_write *w)
{
    struct connection *c = connection_of(w->conn);
    struct build *build = c->base.db->build;
    c->ctx = NULL; /* a passed deadline must not stop the undoing */
    if (build) {
        if (changes_of(c) != w->changes_before)
            build->spoiled = 1;
    } else if (w->own) {
        writer_rollback(c);
    } else if (!sqlite3_get_autocommit(c->base.sqlite)) {
        statements_reset(c->base.statements);
        if (run(c, "ROLLBACK TO slot", NULL) != RAG_OK || run(c, "RELEASE slot", NULL) != RAG_OK)
            writer_rollback(c); /* the whole transaction is gone then, and says so */
    }
}

static rag_status end_in_transaction(struct db_write *w, rag_token *token, rag_error *err)
{
    struct connection *c = connection_of(w->conn);
    rag_status status = apply_changes(w, err);
    if (status == RAG_OK && !c->base.db->build)
        status = run(c, "RELEASE slot", err);
    if (status != RAG_OK) {
        undo(w);
        return status;
    }
    if (w->durable)
        ((struct transaction *)w->call->txn)->durable = 1;
    if (token)
        *token = 0;
    return RAG_OK;
}

static rag_status end_own(struct db_write *w, rag_token *token, rag_error *err)
{
    struct connection *c = connection_of(w->conn);
    struct db *db = c->base.db;
    rag_status status;
    if (!w->change_count && changes_of(c) == w->changes_before) {
        rag_token now = 0;
        status = current_token(&c->base, &now, err);
        undo(w); /* nothing was done: no commit, no bytes */
        if (status == RAG_OK && token)
            *token = now;
        return status;
    }
    status = apply_changes(w, err);
    if (status != RAG_OK) {
        undo(w);
        return status;
    }
    status = commit_changes(db, w->full, w->durable, token, err);
    if (status == RAG_OK && !db->build)
        checkpoint_if_due(db, w->call->ctx);
    return status;
}

rag_status db_write_end(struct db_write *w, rag_status status, rag_token *token, rag_error *err)
{
    if (!w->conn)
        return status;
    struct connection *c = connection_of(w->conn);
    struct db *db = c->base.db;
    statements_reset(c->base.statements);
    if (status != RAG_OK)
        undo(w);
    else if (w->own)
        status = end_own(w, token, err);
    else
        status = end_in_transaction(w, token, err);
    codec_trim(c->base.codec);
    if (w->own) {
        if (w->full)
            set_normal(c); /* also after paths that never came to the commit */
        turn_leave(db);
    } else {
        connection_serve(c, NULL);
    }
    w->conn = NULL;
    return status;
}

/* ---- explicit transactions ------------------------------------------------------------------------------------ */

rag_status db_begin(const rag_call *call, void **txn, rag_error *err)
{
    struct db *db = call->self;
    struct transaction *t = rag_alloc_zeroed(1, sizeof *t);
    if (!t)
        return rag_fail_memory(err);
    rag_status status = turn_take(db, call->ctx, err);
    if (status == RAG_OK) {
        if (!db->build)
            status = writer_begin(db, 0, err);
        if (status != RAG_OK)
            turn_leave(db);
    }
    if (status != RAG_OK) {
        rag_free(t);
        return status;
    }
    t->conn = db->writer;
    t->changes_at_begin = changes_of(t->conn);
    connection_serve(t->conn, NULL);
    *txn = t;
    return RAG_OK;
}

static rag_status commit_transaction(const rag_call *call, struct transaction *t, rag_token *token,
                                     rag_error *err)
{
    struct connection *c = NULL;
    struct db *db = call->self;
    RAG_TRY(transaction_connection(call, &c, err));
    statements_reset(c->base.statements);
    if (changes_of(c) == t->changes_at_begin) {
        rag_token now = 0;
        const rag_status status = current_token(&c->base, &now, err);
        if (!db->build)
            writer_rollback(c);
        if (status == RAG_OK && token)
            *token = now;
        return status;
    }
    RAG_TRY(commit_changes(db, 0, t->durable, token, err));
    if (!db->build)
        checkpoint_if_due(db, call->ctx);
    return RAG_OK;
}

rag_status db_commit(const rag_call *call, rag_token *token, rag_error *err)
{
    struct transaction *t = call->txn;
    struct db *db = call->self;
    const rag_status status = commit_transaction(call, t, token, err);
    if (status != RAG_OK && !db->build && db->writer)
        writer_rollback(t->conn);
    turn_leave(db);
    rag_free(t);
    return status;
}

void db_abort(const rag_call *call)
{
    struct transaction *t = call->txn;
    struct db *db = call->self;
    struct build *build = db->build;
    connection_serve(t->conn, NULL);
    if (!build)
        writer_rollback(t->conn);
    else if (changes_of(t->conn) != t->changes_at_begin)
        build->spoiled = 1;
    turn_leave(db);
    rag_free(t);
}

/* ---- namespaces ---------------------------------------------------------------------------------------------------- */

rag_status db_namespace_find(struct db_conn *conn, int kind, const char *name, sqlite3_int64 *id,
                             rag_error *err)
{
    sqlite3_stmt *stmt;
    int has_row;
    RAG_TRY(db_prepare(conn, "SELECT id FROM namespace WHERE kind = ?1 AND name = ?2", &stmt, err));
    (void)sqlite3_bind_int(stmt, 1, kind);
    (void)sqlite3_bind_text(stmt, 2, name, -1, SQLITE_STATIC);
    RAG_TRY(db_step(conn, stmt, &has_row, err));
    *id = has_row ? sqlite3_column_int64(stmt, 0) : 0;
    (void)sqlite3_reset(stmt);
    return RAG_OK;
}

rag_status db_namespace_make(struct db_write *w, int kind, const char *name, sqlite3_int64 *id,
                             rag_error *err)
{
    sqlite3_int64 found;
    RAG_TRY(db_namespace_find(w->conn, kind, name, &found, err));
    if (!found) {
        sqlite3_stmt *stmt;
        RAG_TRY(
            db_prepare(w->conn, "INSERT INTO namespace(kind, name) VALUES(?1, ?2)", &stmt, err));
        (void)sqlite3_bind_int(stmt, 1, kind);
        (void)sqlite3_bind_text(stmt, 2, name, -1, SQLITE_STATIC);
        RAG_TRY(db_run(w->conn, stmt, err));
        found = sqlite3_last_insert_rowid(w->conn->sqlite);
    }
    *id = found;
    return RAG_OK;
}

rag_status db_namespace_rows(struct db_conn *conn, sqlite3_int64 id, uint64_t *rows, rag_error *err)
{
    sqlite3_stmt *stmt;
    int has_row;
    RAG_TRY(db_prepare(conn, "SELECT rows FROM namespace WHERE id = ?1", &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, id);
    RAG_TRY(db_step(conn, stmt, &has_row, err));
    *rows = has_row ? (uint64_t)sqlite3_column_int64(stmt, 0) : 0;
    (void)sqlite3_reset(stmt);
    return RAG_OK;
}
