/* Moving the write-ahead log into the file.
 *
 * Only who has the writer's turn does it, so that no two processes wait for each other. SQLite
 * tells the length of the log at each commit; above WAL_CHECKPOINT_BYTES the log is copied without
 * waiting for anybody (PASSIVE). It starts anew only when no reader is in it; when it grew on, they
 * are waited for (RESTART), shortly at first and longer the further it grows. A reader of this
 * library is in the log for one slot only; with many that never pause on few cores the last of them
 * still needs a round of the scheduler. A failed checkpoint loses nothing: the log stays as it is. */
#include "db_internal.h"

enum { WAL_HEADER_BYTES = 32, WAL_FRAME_HEADER_BYTES = 24 };

static int on_commit(void *argument, sqlite3 *sqlite, const char *schema, int pages)
{
    struct db *db = argument;
    (void)sqlite, (void)schema;
    db->wal_bytes = WAL_HEADER_BYTES + (int64_t)pages * (db->page_size + WAL_FRAME_HEADER_BYTES);
    return SQLITE_OK;
}

void checkpoint_watch(struct connection *writer)
{
    (void)sqlite3_wal_hook(writer->base.sqlite, on_commit, writer->base.db);
}

/* Readers are waited for at most `wait_ns`, not counting the time that the copying takes. */
static rag_status checkpoint(struct db *db, int mode, int64_t wait_ns, rag_error *err)
{
    struct connection *c = db->writer;
    const rag_context *ctx = c->ctx;
    c->ctx = NULL; /* what was committed is not called back by a deadline */
    c->busy_limit_ns = wait_ns;
    int pages = 0, moved = 0;
    const int code = sqlite3_wal_checkpoint_v2(c->base.sqlite, "main", mode, &pages, &moved);
    rag_status status = RAG_OK;
    if (code != SQLITE_OK && (code & 0xff) != SQLITE_BUSY) {
        status = db_fail(&c->base, code, "checkpoint", err);
        if (code == SQLITE_IOERR_FSYNC)
            db_break(db, RAG_E_IO, "a sync failed during a checkpoint");
    }
    c->busy_limit_ns = 0;
    connection_serve(c, ctx);
    return status;
}

/* How long to wait for readers: the longer, the more the log has outgrown its size. */
static int64_t restart_wait(int64_t wal_bytes)
{
    if (wal_bytes < WAL_RESTART_BYTES)
        return 0;
    int64_t wait = WAL_RESTART_WAIT_NS;
    for (int64_t above = wal_bytes - WAL_RESTART_BYTES; above >= WAL_STEP_BYTES;
         above -= WAL_STEP_BYTES)
        if (wait < WAL_RESTART_WAIT_MAX_NS)
            wait *= 2;
    return wait;
}

void checkpoint_if_due(struct db *db, const rag_context *ctx)
{
    if (db->wal_bytes < WAL_CHECKPOINT_BYTES) {
        db->next_checkpoint_at = WAL_CHECKPOINT_BYTES;
        return;
    }
    if (db->wal_bytes < db->next_checkpoint_at)
        return;
    db->next_checkpoint_at = db->wal_bytes + WAL_STEP_BYTES;
    const int64_t wait = restart_wait(db->wal_bytes);
    rag_error err = RAG_ERROR_INIT;
    if (checkpoint(db, wait ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE, wait, &err) !=
        RAG_OK)
        context_log(ctx, RAG_LOG_WARNING, "%s", err.message);
}

rag_status db_checkpoint(const rag_call *call, rag_error *err)
{
    struct db *db = call->self;
    if (db->build)
        return RAG_OK;
    RAG_TRY(turn_take(db, call->ctx, err));
    const rag_status status = checkpoint(db, SQLITE_CHECKPOINT_TRUNCATE, WAL_TRUNCATE_WAIT_NS, err);
    turn_leave(db);
    return status;
}
