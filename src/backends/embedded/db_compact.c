/* Giving the space of deleted rows back to the file system.
 *
 * A store of today keeps track of its pages (auto_vacuum=INCREMENTAL): the last pages move to free
 * places and the file is cut. That goes in steps of STEP_PAGES, each a commit of its own, with the
 * turn given back in between, so writers get in and a step that was made stays made. The log is
 * moved into the file as it fills, and emptied at the end, which is when the file shrinks.
 * A store that was upgraded from version 1 has no such account of its pages and is written anew
 * once (VACUUM), under the turn: that takes the store's size twice, in the log and in SQLite's
 * temporary file, and either happens whole or not at all. Steps suffice from then on.
 *
 * Where deleted rows are to be unreadable (secure_delete), dictionaries go first; and when it was
 * switched on in a store that had lived without, that is written anew once as well: rows deleted
 * before stand in unused parts of pages that are not free.
 *
 * When it is cancelled the log is emptied as well, within a short time: what was done is given back. */
#include <stdio.h>
#include <sys/stat.h>

#include "core/alloc.h"
#include "core/os.h"
#include "db_internal.h"
#include "dictionary.h"
#include "stores.h"

enum { STEP_PAGES = 256 };
enum { LAST_CHECKPOINT_MS = 2000 };
enum { AUTO_VACUUM_INCREMENTAL = 2 };

static uint64_t size_of(const char *path)
{
    struct stat st;
    return os_calls.stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* Of the database and its log. */
static rag_status measure(const struct db *db, uint64_t *bytes, rag_error *err)
{
    char *log = os_join(db->directory, DB_FILE "-wal");
    if (!log)
        return rag_fail_memory(err);
    *bytes = size_of(db->path) + size_of(log);
    rag_free(log);
    return RAG_OK;
}

static rag_status free_pages(struct db *db, sqlite3_int64 *pages, rag_error *err)
{
    return connection_int(db->writer, "PRAGMA freelist_count", pages, err);
}

/* One commit of at most STEP_PAGES; *left: the free pages that remain. The turn is held. */
static rag_status step_under_turn(struct db *db, sqlite3_int64 *left, rag_error *err)
{
    char sql[64];
    RAG_TRY(free_pages(db, left, err));
    if (!*left)
        return RAG_OK;
    RAG_TRY(writer_begin(db, 0, err));
    (void)snprintf(sql, sizeof sql, "PRAGMA incremental_vacuum(%d)", STEP_PAGES);
    const rag_status status = connection_exec(db->writer, sql, err);
    if (status != RAG_OK) {
        writer_rollback(db->writer);
        return status;
    }
    RAG_TRY(writer_commit(db, 0, err));
    return free_pages(db, left, err);
}

static rag_status step(const rag_call *call, sqlite3_int64 *left, rag_error *err)
{
    struct db *db = call->self;
    RAG_TRY(turn_take(db, call->ctx, err));
    const rag_status status = step_under_turn(db, left, err);
    if (status == RAG_OK)
        checkpoint_if_due(db, call->ctx);
    turn_leave(db);
    return status;
}

/* As many pages as were free at the beginning: others may go on deleting for ever. */
static rag_status compact_in_steps(const rag_call *call, sqlite3_int64 free_at_begin,
                                   rag_error *err)
{
    const struct db *db = call->self;
    const uint64_t page = (uint64_t)db->page_size, total = (uint64_t)free_at_begin;
    sqlite3_int64 left = free_at_begin;
    uint64_t done = 0;
    context_progress(call->ctx, "compact", 0, 0, 0, total * page);
    while (left > 0 && done < total) {
        RAG_TRY(context_check(call->ctx, err));
        RAG_TRY(step(call, &left, err));
        done = left && done + STEP_PAGES < total ? done + STEP_PAGES : total;
        context_progress(call->ctx, "compact", 0, 0, done * page, total * page);
    }
    return RAG_OK;
}

static rag_status rewrite_under_turn(struct connection *c, rag_error *err)
{
    /* not in memory: it is as large as the store */
    RAG_TRY(connection_exec(c, "PRAGMA temp_store=FILE; PRAGMA auto_vacuum=INCREMENTAL", err));
    statements_reset(c->base.statements);
    const rag_status status = connection_exec(c, "VACUUM", err);
    (void)sqlite3_exec(c->base.sqlite, "PRAGMA temp_store=MEMORY", NULL, NULL, NULL);
    return status;
}

static rag_status rewrite(const rag_call *call, rag_error *err)
{
    struct db *db = call->self;
    const uint64_t bytes = size_of(db->path);
    context_progress(call->ctx, "rewrite", 0, 0, 0, bytes);
    RAG_TRY(turn_take(db, call->ctx, err));
    const rag_status status = rewrite_under_turn(db->writer, err);
    if (status == RAG_OK)
        checkpoint_if_due(db, call->ctx);
    turn_leave(db);
    if (status == RAG_OK)
        context_progress(call->ctx, "rewrite", 0, 0, bytes, bytes);
    return status;
}

struct state {
    sqlite3_int64 mode, pages; /* of auto_vacuum; free pages */
    enum secure_delete secure_delete;
};

static rag_status read_state(const rag_call *call, struct state *out, rag_error *err)
{
    struct db_conn *conn = NULL;
    RAG_TRY(db_read_begin(call, &conn, err));
    rag_status status = connection_int(connection_of(conn), "PRAGMA auto_vacuum", &out->mode, err);
    if (status == RAG_OK)
        status = connection_int(connection_of(conn), "PRAGMA freelist_count", &out->pages, err);
    if (status == RAG_OK)
        status = secure_delete_read(conn, &out->secure_delete, err);
    db_read_end(call, conn);
    return status;
}

/* The file gets shorter only here. Nobody's cancelling any more, but not for long either. */
static rag_status empty_log(const rag_call *call, rag_error *err)
{
    rag_context ctx = *call->ctx;
    rag_call own = *call;
    ctx.cancel = NULL;
    ctx.deadline_ns = rag_deadline_in_ms(LAST_CHECKPOINT_MS);
    own.ctx = &ctx;
    return db_checkpoint(&own, err);
}

/* Nothing of before is left. */
static rag_status mark_clean(const rag_call *call, rag_error *err)
{
    static const char SQL_CLEAN[] =
        "UPDATE meta SET value = 2 WHERE key = 'secure_delete' AND value = 1";
    struct db_write w;
    sqlite3_stmt *stmt;
    RAG_TRY(db_write_begin(call, &w, err));
    rag_status status = db_prepare(w.conn, SQL_CLEAN, &stmt, err);
    if (status == RAG_OK)
        status = db_run(w.conn, stmt, err);
    return db_write_end(&w, status, NULL, err);
}

/* A reader that would not end keeps the log, and with it pages as they were. */
static void warn_of_log(const rag_call *call)
{
    const struct db *db = call->self;
    char *log = os_join(db->directory, DB_FILE "-wal");
    if (log && size_of(log))
        context_log(call->ctx, RAG_LOG_WARNING,
                    "%s could not be emptied while it is read: deleted rows may still be in it",
                    log);
    rag_free(log);
}

static rag_status give_back(const rag_call *call, rag_error *err)
{
    struct state state = { 0 };
    RAG_TRY(read_state(call, &state, err));
    const int anew =
        state.mode != AUTO_VACUUM_INCREMENTAL || state.secure_delete == SECURE_DELETE_ON;
    rag_status status = anew ? rewrite(call, err) : compact_in_steps(call, state.pages, err);
    if (status == RAG_OK && state.secure_delete == SECURE_DELETE_ON)
        status = mark_clean(call, err);
    if (status != RAG_OK) {
        (void)empty_log(call, NULL);
        return status;
    }
    RAG_TRY(db_checkpoint(call, err));
    if (state.secure_delete != SECURE_DELETE_OFF)
        warn_of_log(call);
    return RAG_OK;
}

/* Whatever of deleted rows lives on in dictionaries. */
static rag_status remove_dictionaries(const rag_call *call, rag_error *err)
{
    struct state state = { 0 };
    RAG_TRY(read_state(call, &state, err));
    return state.secure_delete == SECURE_DELETE_OFF ? RAG_OK : dictionary_remove_all(call, err);
}

/* Rows past their time in caches, which are absent for everybody already: step by step, each a
 * commit, so that the log stays within its bounds and others get in. */
static rag_status remove_expired(const rag_call *call, rag_error *err)
{
    uint64_t removed = 0;
    for (int more = 1; more;) {
        struct db_write w;
        RAG_TRY(context_check(call->ctx, err));
        RAG_TRY(db_write_begin(call, &w, err));
        RAG_TRY(db_write_end(&w, kv_remove_expired(&w, &removed, &more, err), NULL, err));
        if (removed)
            context_progress(call->ctx, "expired rows", removed, 0, 0, 0);
    }
    return RAG_OK;
}

rag_status db_compact(const rag_call *call, uint64_t *freed_bytes, rag_error *err)
{
    struct db *db = call->self;
    uint64_t before = 0, after = 0;
    if (db->build)
        return rag_fail(err, RAG_E_INVALID, "the store that is built for %s is compact already",
                        db->path);
    RAG_TRY(measure(db, &before, err));
    RAG_TRY(remove_expired(call, err));
    RAG_TRY(remove_dictionaries(call, err));
    RAG_TRY(give_back(call, err));
    RAG_TRY(measure(db, &after, err));
    if (freed_bytes)
        *freed_bytes = before > after ? before - after : 0;
    return RAG_OK;
}
