/* Moving the write-ahead log into the file.
 *
 * Only who has the writer's turn does it, so that no two processes wait for each other. SQLite
 * tells the length of the log at each commit; above WAL_CHECKPOINT_BYTES the log is copied without
 * waiting for anybody (PASSIVE). When readers have kept it from starting anew and it grew on, they
 * are waited for a moment (RESTART). Readers of this library never hold a snapshot between calls,
 * so the second is for foreign ones. A failed checkpoint loses nothing: the log stays as it is. */
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

static rag_status checkpoint(struct db *db, int mode, int64_t wait_until_ns, rag_error *err)
{
    struct connection *c = db->writer;
    const rag_context *ctx = c->ctx;
    c->ctx = NULL; /* what was committed is not called back by a deadline */
    c->busy_until_ns = wait_until_ns;
    int pages = 0, moved = 0;
    const int code = sqlite3_wal_checkpoint_v2(c->base.sqlite, "main", mode, &pages, &moved);
    rag_status status = RAG_OK;
    if (code != SQLITE_OK && (code & 0xff) != SQLITE_BUSY) {
        status = db_fail(&c->base, code, "checkpoint", err);
        if (code == SQLITE_IOERR_FSYNC)
            db_break(db, RAG_E_IO, "a sync failed during a checkpoint");
    }
    connection_serve(c, ctx);
    return status;
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
    const int wait = db->wal_bytes >= WAL_RESTART_BYTES;
    rag_error err = RAG_ERROR_INIT;
    if (checkpoint(db, wait ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE,
                   wait ? rag_deadline_in_ms(WAL_RESTART_WAIT_MS) : 0, &err) != RAG_OK)
        context_log(ctx, RAG_LOG_WARNING, "%s", err.message);
}

rag_status checkpoint_now(struct db *db, const rag_context *ctx, rag_error *err)
{
    const int64_t latest = rag_deadline_in_ms(WAL_TRUNCATE_WAIT_MS);
    const int64_t deadline = db_deadline(db, ctx);
    return checkpoint(db, SQLITE_CHECKPOINT_TRUNCATE, deadline < latest ? deadline : latest, err);
}

rag_status db_checkpoint(const rag_call *call, rag_error *err)
{
    struct db *db = call->self;
    if (db->build)
        return RAG_OK;
    RAG_TRY(turn_take(db, call->ctx, err));
    const rag_status status = checkpoint_now(db, call->ctx, err);
    turn_leave(db);
    return status;
}
