/* Making commits durable.
 *
 * A flush is a small commit with synchronous=FULL that writes the token it covers. Nothing less
 * makes SQLite sync: not an empty transaction, not an UPDATE to the same value, not a pragma. With
 * FULL the sync comes before the commit is seen, so whoever reads `durable` reads the truth, and a
 * flush that is covered already costs a read. Flushes queue at the gate; the first one through
 * covers all that had been committed when the others came, and they find that out when it is their
 * turn: twelve at once cost one sync. */
#include "db_internal.h"

static rag_status read_tokens(struct db_conn *conn, rag_token *durable, rag_token *committed,
                              rag_error *err)
{
    sqlite3_stmt *stmt;
    int has_row;
    RAG_TRY(db_prepare(conn,
                       "SELECT d.token, n.generation FROM durable d, namespace n"
                       " WHERE d.id = 0 AND n.id = 0",
                       &stmt, err));
    RAG_TRY(db_step(conn, stmt, &has_row, err));
    if (!has_row)
        return rag_fail(err, RAG_E_CORRUPT, "%s has no row for the store itself", conn->db->path);
    *durable = (rag_token)sqlite3_column_int64(stmt, 0);
    *committed = (rag_token)sqlite3_column_int64(stmt, 1);
    (void)sqlite3_reset(stmt);
    return RAG_OK;
}

rag_status flush_under_turn(struct db *db, rag_error *err)
{
    RAG_TRY(writer_begin(db, 1, err));
    struct db_conn *conn = &db->writer->base;
    sqlite3_stmt *stmt;
    rag_status status = db_prepare(conn,
                                   "UPDATE durable SET token ="
                                   " (SELECT generation FROM namespace WHERE id = 0) WHERE id = 0",
                                   &stmt, err);
    if (status == RAG_OK)
        status = db_run(conn, stmt, err);
    if (status == RAG_OK)
        return writer_commit(db, 1, err);
    writer_rollback(db->writer);
    (void)sqlite3_exec(conn->sqlite, "PRAGMA synchronous=NORMAL", NULL, NULL, NULL);
    return status;
}

/* The smallest durable token that satisfies the caller. */
static rag_status find_target(const rag_call *call, rag_token upto, rag_token *target, int *covered,
                              rag_error *err)
{
    struct db_conn *conn = NULL;
    rag_token durable = 0, committed = 0;
    RAG_TRY(db_read_begin(call, &conn, err));
    const rag_status status = read_tokens(conn, &durable, &committed, err);
    db_read_end(call, conn);
    if (status != RAG_OK)
        return status;
    *target = upto && upto < committed ? upto : committed;
    *covered = durable >= *target;
    return RAG_OK;
}

static rag_status flush_to(struct db *db, rag_token target, rag_error *err)
{
    rag_token durable = 0, committed = 0;
    RAG_TRY(read_tokens(&db->writer->base, &durable, &committed, err));
    if (durable >= target)
        return RAG_OK; /* whoever had the turn before covered us */
    const rag_status status = flush_under_turn(db, err);
    if (status != RAG_OK)
        rag_error_outcome(err, db->broken ? RAG_OUTCOME_UNKNOWN : RAG_OUTCOME_APPLIED);
    return status;
}

rag_status db_flush(const rag_call *call, rag_token upto, rag_error *err)
{
    struct db *db = call->self;
    rag_token target = 0;
    int covered = 0;
    if (call->txn)
        return rag_fail(err, RAG_E_INVALID, "flush of %s inside a transaction", db->path);
    if (db->build)
        return rag_fail(err, RAG_E_UNSUPPORTED,
                        "the store that is built for %s becomes durable when it is published",
                        db->path);
    RAG_TRY(find_target(call, upto, &target, &covered, err));
    if (covered)
        return RAG_OK;
    RAG_TRY(turn_take(db, call->ctx, err));
    const rag_status status = flush_to(db, target, err);
    if (status == RAG_OK)
        checkpoint_if_due(db, call->ctx);
    turn_leave(db);
    return status;
}
