/* How a slot runs: transactions, the writer's turn, tokens, flushes, retries.
 *
 * Every writing transaction first takes the writer's turn of its workspace, an advisory lock that ends
 * with the transaction. So a transaction that reads and then writes loses no update, commits of a
 * workspace have one order, and there are no deadlocks among our own writers. LightRAG's own classes
 * do not take it; against them the locks of rows hold, and what they cause is retried.
 *
 * Inside an explicit transaction each slot runs behind a savepoint: a slot that fails undoes itself
 * and the transaction goes on.
 *
 * What begins a transaction or a step makes no trip to the server by itself: it is queued (connection.h)
 * and goes with the first statement of the work, and the release of a savepoint with the next step's.
 * COMMIT is sent when all before it was answered, and alone: a connection that is lost before that
 * has done nothing, for certain, and the call may be tried again.
 *
 * A token is a position in the server's write-ahead log. Commits are asynchronous (synchronous_commit
 * is off): they are visible at once and lost only when the server loses its memory within moments: its
 * machine dies, or one of its processes is killed. Always a prefix of the order survives. A flush
 * compares positions and, where the log is not on disk yet, makes one synchronous commit, which brings
 * everything before it along; after such a loss it says so (durability.c).
 *
 * What a failed call has done: nothing, as long as its COMMIT was not sent. Once that is sent the call
 * waits for the answer beyond its own deadline, and without one the outcome is unknown. */
#include <string.h>

#include "net/deadline.h"
#include "schema.h"
#include "server.h"

static const char SQL_BEGIN[] = "BEGIN ISOLATION LEVEL READ COMMITTED";
static const char SQL_DURABLE[] = "SET LOCAL synchronous_commit = on";
/* Steps of a transaction, in turn: should the release of the one before not be done, no other step
 * can be taken for it. */
static const struct {
    const char *begin, *release, *undo;
} steps[] = {
    { "SAVEPOINT odd", "RELEASE SAVEPOINT odd",
      "ROLLBACK TO SAVEPOINT odd; RELEASE SAVEPOINT odd" },
    { "SAVEPOINT even", "RELEASE SAVEPOINT even",
      "ROLLBACK TO SAVEPOINT even; RELEASE SAVEPOINT even" },
};
static const char SQL_TURN[] =
    "SELECT set_config('lock_timeout', $1::int8::text || 'ms', true),"
    " pg_advisory_xact_lock(hashtextextended('ragstore turn ' || $2::text, 0))";
/* How far the log is on disk; and whether this is a standby, whose own log that is not. */
static const char SQL_FLUSHED[] =
    "SELECT (CASE WHEN pg_is_in_recovery() THEN coalesce(pg_last_wal_replay_lsn(), '0/0')"
    " ELSE pg_current_wal_flush_lsn() END - '0/0'::pg_lsn)::int8, pg_is_in_recovery()::int::int8";

enum { CLEAN_UP_MS = 2000, COMMIT_LEAST_MS = 5000, COMMIT_MS = 300000, FOLD_EVERY = 256 };

static struct pg_server *server_of(const rag_call *call)
{
    return call->self;
}

/* For what has to be done when the call's own time is over. */
static rag_context clean_up_context(void)
{
    rag_context ctx = RAG_CONTEXT_INIT;
    ctx.deadline_ns = net_now_ns() + (int64_t)CLEAN_UP_MS * 1000000;
    return ctx;
}

static rag_status acquire(const rag_call *call, struct pg_conn **conn, rag_error *err)
{
    void *connection;
    PG_TRY(net_pool_acquire(server_of(call)->pool, call->ctx, &connection, err));
    *conn = connection;
    (*conn)->doubtful = 0;
    return RAG_OK;
}

static void release(const rag_call *call, struct pg_conn *conn)
{
    struct net_pool *pool = server_of(call)->pool;
    pg_forget_queue(conn);
    /* nobody may get one in the middle of a transaction, however its last user ended */
    const int lost = conn->lost || PQtransactionStatus(conn->pg) != PQTRANS_IDLE;
    net_pool_release(pool, conn, !lost);
    if (lost) /* the others were probably lost with it */
        net_pool_clear(pool);
}

static void roll_back(struct pg_conn *conn)
{
    const rag_context ctx = clean_up_context();
    pg_forget_queue(conn);
    if (!conn->lost && PQtransactionStatus(conn->pg) != PQTRANS_IDLE &&
        pg_command(conn, &ctx, "ROLLBACK", PG_RUNNING, "rolling back", NULL) != RAG_OK)
        conn->lost = 1;
}

/* Work that failed because it believed what was not so any more is done once more, and asks. */
static int is_doubtful(struct pg_conn *conn)
{
    const int again = conn->doubtful && !conn->lost && !conn->certain;
    conn->doubtful = 0;
    return again;
}

/* ---- inside an explicit transaction --------------------------------------------------------------- */

static rag_status run_step(const rag_call *call, struct pg_conn *conn, pg_work work, void *user,
                           rag_error *err)
{
    static const char WHAT[] = "a savepoint";
    const size_t queued = conn->queued;
    const unsigned trips = conn->trips, step = conn->steps % 2;
    rag_status status = pg_queue(conn, steps[step].begin, NULL, WHAT, NULL, err);
    if (status == RAG_OK)
        status = work(call, conn, user, err);
    const rag_context ctx = clean_up_context();
    if (conn->trips == trips) { /* nothing was sent: there was no step */
        conn->queued = queued;
    } else if (status == RAG_OK) {
        conn->steps++;
        status = pg_queue(conn, steps[step].release, NULL, WHAT, NULL, err);
    } else if (!conn->lost) {
        pg_forget_queue(conn);
        conn->lost = pg_command(conn, &ctx, steps[step].undo, PG_RUNNING, WHAT, NULL) != RAG_OK;
    }
    return status;
}

rag_status pg_run_inside(const rag_call *call, struct pg_conn *conn, pg_work work, void *user,
                         rag_error *err)
{
    if (conn->lost)
        return call->host->fail(err, RAG_E_TRANSACTION,
                                "the connection of this transaction was lost: it was rolled back");
    rag_error why = RAG_ERROR_INIT;
    rag_status status = run_step(call, conn, work, user, &why);
    if (status != RAG_OK && is_doubtful(conn)) {
        conn->certain = 1;
        status = run_step(call, conn, work, user, &why);
        conn->certain = 0;
    }
    (void)pg_pass(status, &why, err);
    /* the transaction is gone: only as a whole it can be tried again */
    if (status != RAG_OK && conn->lost && err)
        err->retryable = 0;
    return status;
}

static rag_status run_in_txn(const rag_call *call, pg_work work, void *user, rag_error *err)
{
    return pg_run_inside(call, ((struct pg_txn *)call->txn)->conn, work, user, err);
}

/* ---- one slot as its own transaction -------------------------------------------------------------- */

struct attempt {
    const rag_call *call;
    pg_work work;
    void *user;
    int durable;
    rag_token token;
};

static rag_status read_once(void *user, rag_error *err)
{
    struct attempt *a = user;
    struct pg_conn *conn;
    PG_TRY(acquire(a->call, &conn, err));
    rag_status status = a->work(a->call, conn, a->user, err);
    if (status != RAG_OK && is_doubtful(conn)) {
        pg_forget_queue(conn);
        conn->certain = 1;
        status = a->work(a->call, conn, a->user, err);
        conn->certain = 0;
    }
    release(a->call, conn);
    return status;
}

rag_status pg_read(const rag_call *call, pg_work work, void *user, rag_error *err)
{
    int done;
    if (call->txn)
        return run_in_txn(call, work, user, err);
    PG_TRY(pg_build_run(call, work, user, &done, err));
    if (done)
        return RAG_OK;
    struct attempt a = { call, work, user, 0, 0 };
    return net_retry(call->host, call->ctx, &server_of(call)->retry, NET_READ, read_once, &a, err);
}

/* Read committed, whatever the server's default is: each statement sees what was committed before it,
 * so also what was while this one waited for its turn. */
rag_status pg_begin_writing(const rag_call *call, struct pg_conn *conn, struct pg_params *turn,
                            rag_error *err)
{
    const struct pg_server *s = server_of(call);
    memset(turn, 0, sizeof *turn);
    pg_add_int(turn, call->ctx->deadline_ns ? 0 : s->lock_timeout_ms);
    pg_add_text(turn, s->workspace);
    PG_TRY(pg_queue(conn, SQL_BEGIN, NULL, "beginning a transaction", NULL, err));
    PG_TRY(pg_queue(conn, SQL_TURN, turn, "waiting for the writer's turn", NULL, err));
    pg_queue_waits(conn);
    return RAG_OK;
}

rag_status pg_take_turn(const rag_call *call, struct pg_conn *conn, rag_error *err)
{
    struct pg_params turn;
    rag_status status = pg_begin_writing(call, conn, &turn, err);
    if (status == RAG_OK)
        status = pg_send_queue(conn, call->ctx, err);
    if (status != RAG_OK)
        roll_back(conn);
    return status;
}

static rag_status end_writing(const rag_call *call, struct pg_conn *conn, int durable,
                              rag_token *token, rag_error *err)
{
    int64_t position;
    rag_status status = call->host->check(call->ctx, err);
    if (status != RAG_OK) {
        roll_back(conn);
        return status;
    }
    /* from here on the call waits for its answer: half way through a commit nobody knows its end */
    rag_context ctx = RAG_CONTEXT_INIT;
    const int64_t least = call->ctx->deadline_ns ? COMMIT_LEAST_MS : COMMIT_MS;
    ctx.deadline_ns = net_now_ns() + least * 1000000;
    if (call->ctx->deadline_ns > ctx.deadline_ns)
        ctx.deadline_ns = call->ctx->deadline_ns;
    PG_TRY(pg_commit_work(conn, &ctx, durable ? PG_COMMIT_DURABLY : PG_COMMIT, &position, err));
    *token = pg_durability_commit(server_of(call)->durability, conn, position, durable);
    return RAG_OK;
}

/* What is durable brings along all that was committed before it: which must be there still. */
static rag_status begin_durable(const rag_call *call, struct pg_conn *conn, rag_error *err)
{
    int covered;
    const rag_status status =
        pg_durability_check(server_of(call)->durability, conn, 0, 0, &covered, err);
    if (status != RAG_OK) {
        if (err)
            err->outcome = RAG_OUTCOME_NOT_APPLIED;
        return status;
    }
    return pg_queue(conn, SQL_DURABLE, NULL, "beginning a transaction", NULL, err);
}

static rag_status fold(const rag_call *call, struct pg_conn *conn, rag_error *err)
{
    struct pg_params params;
    pg_params_begin(&params, call);
    return pg_run(conn, call->ctx, PG_SQL_FOLD, &params, "folding counters", NULL, err);
}

static rag_status write_on(struct attempt *a, struct pg_conn *conn, rag_error *err)
{
    struct pg_server *s = server_of(a->call);
    struct pg_params turn;
    rag_status status = pg_begin_writing(a->call, conn, &turn, err);
    if (status == RAG_OK && a->durable)
        status = begin_durable(a->call, conn, err);
    if (status == RAG_OK)
        status = a->work(a->call, conn, a->user, err);
    if (status == RAG_OK && atomic_fetch_add(&s->writes, 1) % FOLD_EVERY == FOLD_EVERY - 1)
        status = fold(a->call, conn, err);
    if (status == RAG_OK) /* the work may have had nothing to say */
        status = pg_send_queue(conn, a->call->ctx, err);
    if (status == RAG_OK)
        status = end_writing(a->call, conn, a->durable, &a->token, err);
    else
        roll_back(conn);
    return status;
}

static rag_status write_once(void *user, rag_error *err)
{
    struct attempt *a = user;
    struct pg_conn *conn;
    PG_TRY(acquire(a->call, &conn, err));
    rag_status status = write_on(a, conn, err);
    if (status != RAG_OK && is_doubtful(conn)) {
        conn->certain = 1;
        status = write_on(a, conn, err);
        conn->certain = 0;
    }
    release(a->call, conn);
    return status;
}

/* Inside a transaction it is durable with the commit. */
static rag_status durable_inside(const rag_call *call, struct pg_conn *conn, void *user,
                                 rag_error *err)
{
    const struct attempt *a = user;
    PG_TRY(begin_durable(call, conn, err));
    PG_TRY(a->work(call, conn, a->user, err));
    ((struct pg_txn *)call->txn)->durable = 1;
    return RAG_OK;
}

rag_status pg_write(const rag_call *call, pg_work work, void *user, int durable, rag_token *token,
                    rag_error *err)
{
    struct attempt a = { call, work, user, durable, 0 };
    int done = 1;
    if (call->txn && durable)
        PG_TRY(run_in_txn(call, durable_inside, &a, err));
    else if (call->txn)
        PG_TRY(run_in_txn(call, work, user, err));
    else
        PG_TRY(pg_build_run(call, work, user, &done, err));
    if (!done)
        PG_TRY(net_retry(call->host, call->ctx, &server_of(call)->retry, NET_WRITE, write_once, &a,
                         err));
    if (token)
        *token = a.token;
    return RAG_OK;
}

/* ---- explicit transactions ------------------------------------------------------------------------ */

static rag_status begin_once(void *user, rag_error *err)
{
    struct attempt *a = user;
    struct pg_conn *conn;
    PG_TRY(acquire(a->call, &conn, err));
    const rag_status status = pg_take_turn(a->call, conn, err);
    if (status == RAG_OK)
        ((struct pg_txn *)a->user)->conn = conn;
    else
        release(a->call, conn);
    return status;
}

rag_status pg_end_build(const rag_call *call, struct pg_conn *conn, rag_token *token,
                        rag_error *err)
{
    PG_TRY(fold(call, conn, err));
    return end_writing(call, conn, 1, token, err);
}

rag_status pg_begin(const rag_call *call, void **txn, rag_error *err)
{
    if (pg_build_is_on(call))
        return call->host->fail(err, RAG_E_UNSUPPORTED,
                                "PostgreSQL: a store that is being built is one transaction and "
                                "has none inside");
    struct pg_txn *t = call->host->alloc(sizeof *t);
    if (!t)
        return pg_no_memory(call->host, err);
    memset(t, 0, sizeof *t);
    struct attempt a = { call, NULL, t, 0, 0 };
    const rag_status status =
        net_retry(call->host, call->ctx, &server_of(call)->retry, NET_WRITE, begin_once, &a, err);
    if (status == RAG_OK)
        *txn = t;
    else
        call->host->free(t);
    return status;
}

static void forget(const rag_call *call)
{
    struct pg_txn *t = call->txn;
    release(call, t->conn);
    call->host->free(t);
}

rag_status pg_commit(const rag_call *call, rag_token *token, rag_error *err)
{
    const struct pg_txn *t = call->txn;
    rag_status status;
    pg_forget_queue(t->conn); /* the release of a savepoint: committing ends it, too */
    if (t->conn->lost)
        status =
            call->host->fail(err, RAG_E_TRANSACTION,
                             "the connection of this transaction was lost: it was rolled back");
    else
        status = end_writing(call, t->conn, t->durable, token, err);
    if (status != RAG_OK && err)
        err->retryable = 0; /* only as a whole */
    forget(call);
    return status;
}

void pg_abort(const rag_call *call)
{
    roll_back(((struct pg_txn *)call->txn)->conn);
    forget(call);
}

/* ---- flush ---------------------------------------------------------------------------------------- */

static rag_status flush_work(const rag_call *call, struct pg_conn *conn, void *user, rag_error *err)
{
    const rag_token upto = *(const rag_token *)user;
    struct pg_durability *durability = server_of(call)->durability;
    const struct pg_params none = { 0 };
    const rag_token given = pg_durability_given(durability);
    PGresult *result;
    int64_t position;
    int covered;
    PG_TRY(pg_run(conn, call->ctx, SQL_FLUSHED, &none, "flushing", &result, err));
    const int64_t flushed = pg_int(result, 0, 0);
    const int nothing_here = pg_int(result, 0, 1) && !given; /* a standby: nobody writes */
    PQclear(result);
    PG_TRY(pg_durability_check(durability, conn, upto, flushed, &covered, err));
    if (covered || nothing_here)
        return RAG_OK;
    const rag_status status = pg_commit_work(conn, call->ctx, PG_COMMIT_MARK, &position, err);
    if (status != RAG_OK) {
        roll_back(conn);
        return status;
    }
    pg_durability_synced(durability, conn, given);
    return RAG_OK;
}

rag_status pg_flush(const rag_call *call, rag_token upto, rag_error *err)
{
    PG_TRY(call->host->check(call->ctx, err));
    if (pg_build_is_on(call))
        return RAG_OK; /* publishing makes it durable */
    return pg_read(call, flush_work, &upto, err);
}
