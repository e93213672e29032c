/* Bringing a store of an older format up to the present one, when it is opened for writing.
 *
 * All of it is one transaction under the writer's turn that ends with the new user_version and one
 * sync: whoever is killed in the middle leaves the store as it was, and of several processes that
 * open it at once the first one does it while the others wait for the turn and then find it done.
 * First the statements of schema_upgrade.c run (new tables, columns, indexes), then the functions
 * of the stores, which complete rows in ways that SQL cannot.
 *
 * The version in the header of the file may be older than that in the write-ahead log, so it is
 * always asked through SQLite. */
#include <stdio.h>

#include "db_internal.h"
#include "schema_upgrade.h"
#include "stores.h"

/* Completes what its store had in version 1; adds the rows that it changed to *rows. */
typedef rag_status (*upgrade_step)(struct db_conn *conn, uint64_t *rows, rag_error *err);

static const upgrade_step steps_1_to_2[] = {
    docstatus_upgrade,
    graph_upgrade,
    NULL,
};

static rag_status read_version(struct connection *c, int *version, rag_error *err)
{
    sqlite3_int64 found = 0;
    RAG_TRY(connection_int(c, "PRAGMA user_version", &found, err));
    *version = (int)found;
    return RAG_OK;
}

static rag_status from_1_to_2(struct connection *c, uint64_t *rows, rag_error *err)
{
    for (const char *const *sql = schema_upgrade_1_to_2; *sql; sql++)
        RAG_TRY(connection_exec(c, *sql, err));
    for (const upgrade_step *step = steps_1_to_2; *step; step++)
        RAG_TRY((*step)(&c->base, rows, err));
    return RAG_OK;
}

static rag_status change_all(struct connection *c, int version, uint64_t *rows, rag_error *err)
{
    char sql[64];
    if (version < 2)
        RAG_TRY(from_1_to_2(c, rows, err));
    statements_reset(c->base.statements);
    (void)snprintf(sql, sizeof sql, "PRAGMA user_version=%d", SCHEMA_VERSION_UNCHECKED);
    RAG_TRY(connection_exec(c, sql, err));
    return connection_exec(/* the commit syncs */
                           c,
                           "UPDATE durable SET token = (SELECT generation FROM namespace WHERE id = 0)",
                           err);
}

static rag_status upgrade_under_turn(struct db *db, const rag_context *ctx, rag_error *err)
{
    struct connection *c = db->writer;
    int version = 0;
    uint64_t rows = 0;
    RAG_TRY(writer_begin(db, 1, err));
    rag_status status = read_version(c, &version, err);
    const int needed = status == RAG_OK && version < SCHEMA_VERSION_UNCHECKED;
    if (needed)
        status = change_all(c, version, &rows, err);
    if (needed && status == RAG_OK)
        status = writer_commit(db, 1, err);
    else
        writer_rollback(c);
    (void)sqlite3_exec(c->base.sqlite, "PRAGMA synchronous=NORMAL", NULL, NULL, NULL);
    if (needed && status == RAG_OK)
        context_log(ctx, RAG_LOG_INFO, "%s upgraded from format %d to %d, %llu rows completed",
                    db->path, version, SCHEMA_VERSION_UNCHECKED, (unsigned long long)rows);
    return status;
}

rag_status db_upgrade(struct db *db, const rag_context *ctx, rag_error *err)
{
    int version = 0;
    connection_serve(db->writer, ctx);
    const rag_status status = read_version(db->writer, &version, err);
    connection_serve(db->writer, NULL);
    if (status != RAG_OK || version >= SCHEMA_VERSION_UNCHECKED)
        return status;
    RAG_TRY(turn_take(db, ctx, err));
    const rag_status done = upgrade_under_turn(db, ctx, err);
    if (done == RAG_OK)
        checkpoint_if_due(db, ctx);
    turn_leave(db);
    return done;
}
