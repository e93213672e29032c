/* A connection of libpq, never blocking.
 *
 * Everything is sent and received under the deadline and the cancel flag of the call. When one of
 * them ends a wait, the running statement is cancelled on the server through a second connection, and
 * what still comes back is read for a moment, so that the connection can be used again; if nothing
 * comes, the connection is given up. That second connection is an ordinary one that calls
 * pg_cancel_backend(): PQcancel() of libpq before 17 blocks for as long as the server or the network
 * pleases, and without TLS. Should it fail, the server notices that we hung up by itself
 * (client_connection_check_interval) and ends the statement.
 *
 * Outside of all limits is one thing: libpq resolves the name of the host with getaddrinfo(), which
 * blocks for as long as the resolver of the system does (docs/postgresql.md).
 *
 * Statements are prepared when they are first used on a connection and found again by the address of
 * their text. Parameters and results are binary: no value is ever part of the text of a statement.
 *
 * Several statements make one trip in libpq's pipeline mode, which the connection is in only while
 * such a trip lasts. Until then they are a list here, not in libpq's buffers: what is not to be sent
 * after all (its call has failed before) is dropped as if it had never been.
 * Used by one thread at a time. */
#include "connection.h"

#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/deadline.h"

enum { NAME_BYTES = 24, LARGE_BYTES = 16384, CANCEL_AGAIN_MS = 150 };

/* What every session is set to. synchronous_commit: a commit is visible and survives the death of
 * any process at once, and is durable at the next flush (transaction.c). ragstore.writer: the
 * triggers know by it that a row was written by us (schema.c). */
static const char SESSION[] =
    "SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET standard_conforming_strings = on;"
    " SET synchronous_commit = off; SET ragstore.writer = 'on';"
    /* when the network is gone in the middle of a transaction, the server must not keep its locks for
     * the two hours that are usual */
    " SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3;"
    /* a server on another system than Linux may not be able to */
    " DO $$ BEGIN SET client_connection_check_interval = '2s';"
    " EXCEPTION WHEN OTHERS THEN NULL; END $$; ";
#define INSERTED "SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::int8"
#define FLUSHED "SELECT (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::int8"
static const char *const COMMITS[] = {
    [PG_COMMIT] = "COMMIT; " INSERTED,
    [PG_COMMIT_DURABLY] = "COMMIT; " FLUSHED,
    /* a commit waits for the disk only when its transaction wrote something */
    [PG_COMMIT_MARK] = "BEGIN; SET LOCAL synchronous_commit = on;"
                       " SELECT pg_logical_emit_message(true, 'ragstore', 'flush');"
                       " COMMIT; " FLUSHED,
};
static const char SESSION_READ_ONLY[] = "SET default_transaction_read_only = on";

/* ---- parameters and results ----------------------------------------------------------------------- */

static void add(struct pg_params *p, const void *data, size_t len)
{
    p->too_large |= len > INT_MAX;
    p->values[p->count] = data;
    p->lengths[p->count++] = (int)(len & INT_MAX);
}

void pg_add_slice(struct pg_params *p, rag_slice value)
{
    add(p, value.data ? value.data : "", value.len);
}

void pg_add_text(struct pg_params *p, const char *value)
{
    add(p, value, strlen(value));
}

void pg_add_int(struct pg_params *p, int64_t value)
{
    pg_put_int64(p->numbers[p->count], value);
    add(p, p->numbers[p->count], sizeof p->numbers[0]);
}

void pg_add_null(struct pg_params *p)
{
    p->lengths[p->count] = 0;
    p->values[p->count++] = NULL;
}

void pg_add_array(struct pg_params *p, const struct pg_array *array)
{
    p->too_large |= array->bytes.failed;
    add(p, array->bytes.data, array->bytes.len);
}

int64_t pg_int(const PGresult *result, int row, int column)
{
    const unsigned char *bytes = (const unsigned char *)PQgetvalue(result, row, column);
    const int len = PQgetlength(result, row, column);
    if (PQgetisnull(result, row, column) || (len != 8 && len != 4))
        return 0;
    uint64_t value = len == 4 && bytes[0] & 0x80 ? UINT64_MAX : 0;
    for (int i = 0; i < len; i++)
        value = value << 8 | bytes[i];
    return (int64_t)value;
}

rag_slice pg_slice(const PGresult *result, int row, int column)
{
    if (PQgetisnull(result, row, column))
        return (rag_slice){ NULL, 0 };
    return (rag_slice){ PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column) };
}

void pg_add_identifier(struct pg_text *t, const char *name)
{
    pg_text_add(t, "\"", 1);
    for (; *name; name++) {
        if (*name == '"')
            pg_text_add(t, "\"", 1);
        pg_text_add(t, name, 1);
    }
    pg_text_add(t, "\"", 1);
}

void pg_add_literal(struct pg_text *t, const char *text)
{
    pg_text_add(t, "'", 1);
    for (; *text; text++) {
        if (*text == '\'')
            pg_text_add(t, "'", 1);
        pg_text_add(t, text, 1);
    }
    pg_text_add(t, "'", 1);
}

/* ---- connecting ----------------------------------------------------------------------------------- */

/* Notices are not shown. What ends the session while nothing is asked comes as one, too. */
static void notice(void *user, const PGresult *result)
{
    struct pg_conn *c = user;
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *code = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *line = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (severity && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0)) {
        (void)snprintf(c->end_code, sizeof c->end_code, "%s", code ? code : "");
        (void)snprintf(c->end_line, sizeof c->end_line, "%.*s",
                       (int)strcspn(line ? line : "", "\n"), line ? line : "");
        c->lost = 1;
    }
}

static PGconn *begin_connecting(const struct pg_address *a, const char *database)
{
    const char *names[16], *values[16];
    int n = 0;
    const struct {
        const char *name, *value;
    } all[] = {
        { "host", a->host },
        { "port", a->port },
        { "user", a->user },
        { "password", a->password },
        { "dbname", database },
        { "application_name", "ragstore" },
        { "client_encoding", "UTF8" },
        { "sslmode", a->tls.mode == NET_TLS_UNSET ? NULL : net_tls_mode_name(a->tls.mode) },
        { "sslrootcert", a->tls.root_cert },
        { "sslcert", a->tls.cert },
        { "sslkey", a->tls.key },
        { "sslcrl", a->tls.crl },
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].value) {
            names[n] = all[i].name;
            values[n++] = all[i].value;
        }
    names[n] = values[n] = NULL;
    return PQconnectStartParams(names, values,
                                0); /* 0: "dbname" is a name, whatever it looks like */
}

static rag_status finish_connecting(struct pg_conn *c, const rag_context *ctx, rag_error *err)
{
    PostgresPollingStatusType wanted = PGRES_POLLING_WRITING;
    while (wanted != PGRES_POLLING_OK) {
        short ready;
        if (wanted == PGRES_POLLING_FAILED || PQstatus(c->pg) == CONNECTION_BAD)
            return pg_map_error(c->host, c->pg, NULL, PG_CONNECTING, "connecting", err);
        PG_TRY(net_wait_ready(c->host, ctx, PQsocket(c->pg),
                              wanted == PGRES_POLLING_READING ? POLLIN : POLLOUT, &ready, err));
        wanted = PQconnectPoll(c->pg);
    }
    return RAG_OK;
}

/* SET name = 'value' for each "name=value" between '&'. */
static rag_status set_own(struct pg_conn *c, const rag_context *ctx, const char *settings,
                          rag_error *err)
{
    struct pg_text sql = { .host = c->host };
    while (settings && *settings) {
        const size_t len = strcspn(settings, "&"), name = strcspn(settings, "=&");
        char part[256];
        if (name == 0 || name == len || len >= sizeof part) {
            pg_text_free(&sql);
            return c->host->fail(err, RAG_E_INVALID, "server_options: '%.*s' is not name=value",
                                 (int)(len < 60 ? len : 60), settings);
        }
        memcpy(part, settings, len);
        part[len] = part[name] = 0;
        pg_text_add_text(&sql, "SET ");
        pg_add_identifier(&sql, part);
        pg_text_add_text(&sql, " = ");
        pg_add_literal(&sql, part + name + 1);
        pg_text_add_text(&sql, ";");
        settings += len + (settings[len] == '&');
    }
    rag_status status = pg_text_check(&sql, err);
    if (status == RAG_OK && sql.len)
        status = pg_command(c, ctx, sql.data, PG_CONNECTING, "setting server_options", err);
    pg_text_free(&sql);
    return status;
}

static rag_status send_text(struct pg_conn *c, const rag_context *ctx, const char *sql,
                            enum pg_moment moment, const char *what, PGresult **out,
                            rag_error *err);

static rag_status set_up(struct pg_conn *c, const struct pg_address *a, const rag_context *ctx,
                         rag_error *err)
{
    PGresult *life;
    struct pg_text sql = { .host = c->host };
    pg_text_add_text(&sql, SESSION);
    pg_text_add_text(&sql, PG_SQL_LIFE);
    rag_status status = pg_text_check(&sql, err);
    if (status == RAG_OK)
        status = send_text(c, ctx, sql.data, PG_CONNECTING, "setting up the session", &life, err);
    pg_text_free(&sql);
    PG_TRY(status);
    c->life = strtoll(PQgetvalue(life, 0, 0), NULL, 10);
    PQclear(life);
    if (a->read_only)
        PG_TRY(pg_command(c, ctx, SESSION_READ_ONLY, PG_CONNECTING, "setting up the session", err));
    return set_own(c, ctx, a->settings, err);
}

/* Connected, and nothing said yet. */
static rag_status open_connection(struct pg_conn *c, const char *database, const rag_context *ctx,
                                  rag_error *err)
{
    c->born_ns = net_now_ns();
    c->pg = begin_connecting(c->address, database ? database : c->address->database);
    if (!c->pg)
        return pg_no_memory(c->host, err);
    (void)PQsetErrorVerbosity(c->pg, PQERRORS_VERBOSE); /* codes: error.c */
    (void)PQsetNoticeReceiver(c->pg, notice, c);
    PG_TRY(finish_connecting(c, ctx, err));
    if (PQsetnonblocking(c->pg, 1) != 0)
        return pg_map_error(c->host, c->pg, NULL, PG_CONNECTING, "connecting", err);
    return RAG_OK;
}

rag_status pg_connect(const rag_host *host, const struct pg_address *address, const char *database,
                      const rag_context *ctx, struct pg_conn **out, rag_error *err)
{
    const rag_context limited =
        net_context_until(ctx, net_deadline(ctx, address->connect_timeout_ms));
    struct pg_conn *c = host->alloc(sizeof *c);
    if (!c)
        return pg_no_memory(host, err);
    memset(c, 0, sizeof *c);
    c->host = host;
    c->address = address;
    rag_status status = open_connection(c, database, &limited, err);
    if (status == RAG_OK)
        status = set_up(c, address, &limited, err);
    if (status == RAG_OK) {
        *out = c;
        return RAG_OK;
    }
    pg_disconnect(c);
    return net_connect_result(host, ctx, address->connect_timeout_ms, "PostgreSQL", status, err);
}

void pg_disconnect(struct pg_conn *c)
{
    PQfinish(c->pg);
    c->host->free(c->prepared);
    c->host->free(c);
}

int pg_is_alive(const struct pg_conn *c)
{
    struct pollfd look = { .fd = PQsocket(c->pg), .events = POLLIN };
    /* an idle session has nothing to say: what can be read is its end */
    return !c->lost && PQstatus(c->pg) == CONNECTION_OK && poll(&look, 1, 0) == 0;
}

/* ---- waiting -------------------------------------------------------------------------------------- */

/* The session is over; the error says why as well as is known. */
static rag_status fail_lost(struct pg_conn *c, enum pg_moment moment, const char *what,
                            rag_error *err)
{
    c->lost = 1;
    return *c->end_code ? pg_map_end(c->host, c->end_code, c->end_line, moment, what, err)
                        : pg_map_error(c->host, c->pg, NULL, moment, what, err);
}

/* Everything sent, and nothing left that would block: RAG_OK when the next result is there. */
static rag_status wait_for_result(struct pg_conn *c, const rag_context *ctx, enum pg_moment moment,
                                  const char *what, rag_error *err)
{
    for (;;) {
        const int unsent = PQflush(c->pg);
        if (unsent < 0)
            break;
        if (!unsent && !PQisBusy(c->pg))
            return RAG_OK;
        short ready;
        const short events = (short)(POLLIN | (unsent ? POLLOUT : 0));
        PG_TRY(net_wait_ready(c->host, ctx, PQsocket(c->pg), events, &ready, err));
        if (ready & (POLLIN | POLLHUP | POLLERR) && !PQconsumeInput(c->pg))
            break;
    }
    return fail_lost(c, moment, what, err);
}

/* Ask the server, on a connection of its own, to end what this session runs: 1 when it was asked. */
static int ask_to_cancel(const struct pg_conn *c, const rag_context *ctx)
{
    char sql[60];
    struct pg_conn second = { .host = c->host, .address = c->address };
    (void)snprintf(sql, sizeof sql, "SELECT pg_cancel_backend(%d)", PQbackendPID(c->pg));
    const int asked = open_connection(&second, PQdb(c->pg), ctx, NULL) == RAG_OK &&
                      PQsendQuery(second.pg, sql) &&
                      wait_for_result(&second, ctx, PG_RUNNING, "", NULL) == RAG_OK;
    PQfinish(second.pg);
    return asked;
}

/* What is left of a trip, as far as it comes in time: 1 when that was all. */
static int drain(struct pg_conn *c, int64_t deadline_ns)
{
    const int pipeline = PQpipelineStatus(c->pg) != PQ_PIPELINE_OFF;
    rag_context ctx = RAG_CONTEXT_INIT;
    int drained = 0;
    ctx.deadline_ns = deadline_ns;
    while (!drained && wait_for_result(c, &ctx, PG_RUNNING, "", NULL) == RAG_OK) {
        PGresult *rest = PQgetResult(c->pg);
        drained = pipeline ? PQresultStatus(rest) == PGRES_PIPELINE_SYNC : !rest;
        PQclear(rest);
    }
    return drained;
}

/* The call ended before its statement: end that, too. Of a pipeline, those behind it do not run. The
 * server forgets a request that comes before it has begun with the statement: it is asked again. */
static void cancel_and_drain(struct pg_conn *c)
{
    rag_context soon = RAG_CONTEXT_INIT;
    int drained = 0;
    soon.deadline_ns = net_now_ns() + (int64_t)PG_CANCEL_MS * 1000000;
    while (!drained && !c->lost && ask_to_cancel(c, &soon)) {
        const int64_t again = net_now_ns() + (int64_t)CANCEL_AGAIN_MS * 1000000;
        drained = drain(c, again < soon.deadline_ns ? again : soon.deadline_ns);
    }
    if (!drained)
        c->lost = 1;
}

/* What came back of one text. */
struct answer {
    PGresult *result; /* the last one, or the first failure */
    int failed;       /* it is a failure */
    int committed;    /* a COMMIT was among them, and was done */
};

static void take_result(struct answer *a, PGresult *next)
{
    const ExecStatusType kind = PQresultStatus(next);
    if (a->failed) {
        PQclear(next);
        return;
    }
    PQclear(a->result);
    a->result = next;
    a->failed = kind != PGRES_COMMAND_OK && kind != PGRES_TUPLES_OK;
    a->committed |= kind == PGRES_COMMAND_OK && strcmp(PQcmdStatus(next), "COMMIT") == 0;
}

/* The time limit of the call, or else that of statements, has passed. */
static rag_status fail_ended(struct pg_conn *c, const rag_context *ctx, rag_status status,
                             enum pg_moment moment, const char *what, rag_error *err)
{
    if (status == RAG_E_TIMEOUT && c->host->check(ctx, NULL) == RAG_OK)
        status = c->host->fail(err, RAG_E_TIMEOUT,
                               "PostgreSQL, %s: no answer in %lld ms (command_timeout)", what,
                               (long long)c->address->command_timeout_ms);
    if (moment == PG_COMMITTING) {
        c->lost = 1; /* a commit is not cancelled: it may be done already */
        if (err) {
            err->outcome = RAG_OUTCOME_UNKNOWN;
            err->retryable = 0;
        }
    } else {
        cancel_and_drain(c);
    }
    return status;
}

/* The time of the call, or that of a statement that begins now. */
static rag_context limit(const struct pg_conn *c, const rag_context *ctx)
{
    return net_context_until(ctx,
                             net_deadline(ctx, c->patient ? 0 : c->address->command_timeout_ms));
}

/* All results of what was sent. */
static rag_status collect(struct pg_conn *c, const rag_context *ctx, enum pg_moment moment,
                          const char *what, struct answer *answer, rag_error *err)
{
    const rag_context limited = limit(c, ctx);
    rag_error why = RAG_ERROR_INIT;
    rag_status status;
    for (;;) {
        status = wait_for_result(c, &limited, moment, what, &why);
        PGresult *next = status == RAG_OK ? PQgetResult(c->pg) : NULL;
        if (!next)
            break;
        take_result(answer, next);
    }
    if (status == RAG_E_TIMEOUT || status == RAG_E_CANCELLED)
        status = fail_ended(c, ctx, status, moment, what, &why);
    else if (answer->failed) /* says more than the loss that may have followed */
        status = pg_map_error(c->host, c->pg, answer->result, moment, what, &why);
    c->lost |= PQstatus(c->pg) == CONNECTION_BAD;
    return pg_pass(status, &why, err);
}

static rag_status send_text(struct pg_conn *c, const rag_context *ctx, const char *sql,
                            enum pg_moment moment, const char *what, PGresult **out, rag_error *err)
{
    struct answer answer = { 0 };
    PG_TRY(pg_send_queue(c, ctx, err));
    PG_TRY(c->host->check(ctx, err));
    c->trips++;
    if (!PQsendQuery(c->pg, sql))
        return fail_lost(c, PG_RUNNING, what, err);
    const rag_status status = collect(c, ctx, moment, what, &answer, err);
    if (status == RAG_OK && out)
        *out = answer.result;
    else
        PQclear(answer.result);
    return status;
}

rag_status pg_command(struct pg_conn *c, const rag_context *ctx, const char *sql,
                      enum pg_moment moment, const char *what, rag_error *err)
{
    return send_text(c, ctx, sql, moment, what, NULL, err);
}

/* What the server has said unasked is read: a session that is over is found so before anything is
 * sent to it. */
static int has_ended(struct pg_conn *c)
{
    struct pollfd look = { .fd = PQsocket(c->pg), .events = POLLIN };
    if (!c->lost && poll(&look, 1, 0) > 0) {
        c->lost |= !PQconsumeInput(c->pg);
        (void)PQisBusy(c->pg); /* looks into what was read: notice() */
    }
    return c->lost;
}

rag_status pg_commit_work(struct pg_conn *c, const rag_context *ctx, enum pg_commit how,
                          int64_t *position, rag_error *err)
{
    static const char WHAT[] = "committing";
    struct answer answer = { 0 };
    PG_TRY(c->host->check(ctx, err));
    c->trips++;
    if (has_ended(c) || !PQsendQuery(c->pg, COMMITS[how]))
        return fail_lost(c, PG_RUNNING, WHAT, err);
    rag_status status = collect(c, ctx, PG_COMMITTING, WHAT, &answer, err);
    if (answer.committed) { /* whatever came after it */
        const int said = status == RAG_OK && PQntuples(answer.result) == 1;
        *position = said ? strtoll(PQgetvalue(answer.result, 0, 0), NULL, 10) : INT64_MAX;
        status = RAG_OK;
    } else if (status == RAG_OK) { /* the tag is ROLLBACK: a statement had failed */
        status = c->host->fail(err, RAG_E_TRANSACTION,
                               "PostgreSQL, committing: the transaction had failed before, and was "
                               "rolled back");
    }
    PQclear(answer.result);
    return status;
}

rag_status pg_ask_once(struct pg_conn *c, const rag_context *ctx, const char *sql, const char *what,
                       PGresult **out, rag_error *err)
{
    return send_text(c, ctx, sql, PG_RUNNING, what, out, err);
}

/* ---- prepared statements -------------------------------------------------------------------------- */

static const struct pg_prepared *find_prepared(const struct pg_conn *c, const char *sql)
{
    for (size_t i = 0; i < c->prepared_count; i++)
        if (c->prepared[i].sql == sql)
            return &c->prepared[i];
    return NULL;
}

static void name_of(unsigned number, char out[NAME_BYTES])
{
    (void)snprintf(out, NAME_BYTES, "ragstore_%u", number);
}

/* Room for as many more prepared statements, so that none is lost that the server has. */
static rag_status reserve_prepared(struct pg_conn *c, size_t more, rag_error *err)
{
    if (c->prepared_count + more <= c->prepared_capacity)
        return RAG_OK;
    const size_t capacity = c->prepared_capacity * 2 + 2 * (size_t)PG_QUEUE_MAX;
    struct pg_prepared *room = c->host->realloc(c->prepared, capacity * sizeof *room);
    if (!room)
        return pg_no_memory(c->host, err);
    c->prepared = room;
    c->prepared_capacity = capacity;
    return RAG_OK;
}

/* A prepared statement is planned once, for arrays of ten elements: thousands of them are worth a plan
 * of their own. */
static int is_large(const struct pg_params *params)
{
    size_t bytes = 0;
    for (int i = 0; i < params->count; i++)
        bytes += (size_t)params->lengths[i];
    return bytes > LARGE_BYTES;
}

/* ---- the queue ------------------------------------------------------------------------------------ */

rag_status pg_queue(struct pg_conn *c, const char *sql, const struct pg_params *params,
                    const char *what, PGresult **out, rag_error *err)
{
    static const struct pg_params none = { 0 };
    if (params && params->too_large)
        return c->host->fail(err, RAG_E_NO_MEMORY,
                             "PostgreSQL, %s: a batch of more than 1 GB, or out of memory", what);
    if (c->queued == PG_QUEUE_MAX)
        return c->host->fail(err, RAG_E_INVALID, "PostgreSQL, %s: %d statements wait already", what,
                             (int)PG_QUEUE_MAX);
    c->queue[c->queued++] = (struct pg_queued){ sql, params ? params : &none, what, out, 0 };
    return RAG_OK;
}

void pg_queue_waits(struct pg_conn *c)
{
    c->queue[c->queued - 1].answered = 1;
}

void pg_forget_queue(struct pg_conn *c)
{
    c->queued = 0;
}

/* A command of a trip: a statement, or its preparing. */
struct step {
    const struct pg_queued *of;
    unsigned prepares; /* the number of what is prepared; 0: the statement itself */
};

struct trip {
    struct step steps[2 * PG_QUEUE_MAX];
    size_t count;
    PGresult *results[PG_QUEUE_MAX];
};

/* `number` 0: not prepared. */
static int send_statement(struct pg_conn *c, const struct pg_queued *q, unsigned number)
{
    static const int binary[PG_PARAMS_MAX] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                               1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
    const struct pg_params *p = q->params;
    char name[NAME_BYTES];
    name_of(number, name);
    return number
               ? PQsendQueryPrepared(c->pg, name, p->count, p->values, p->lengths, binary, 1)
               : PQsendQueryParams(c->pg, q->sql, p->count, NULL, p->values, p->lengths, binary, 1);
}

/* 1 when all of it is in libpq's hands. */
static int send_step(struct pg_conn *c, struct trip *t, const struct pg_queued *q)
{
    const struct pg_prepared *known = find_prepared(c, q->sql);
    unsigned number = known ? known->number : 0;
    if (is_large(q->params)) {
        number = 0;
    } else if (!known) {
        char name[NAME_BYTES];
        number = ++c->prepared_names;
        name_of(number, name);
        if (!PQsendPrepare(c->pg, name, q->sql, 0, NULL))
            return 0;
        t->steps[t->count++] = (struct step){ q, number };
    }
    t->steps[t->count++] = (struct step){ q, 0 };
    return send_statement(c, q, number) && (!q->answered || PQsendFlushRequest(c->pg));
}

/* The answers to all steps, in their order, and the end of the pipeline. `why`, `what`: of the first
 * failure, whose result stays in *failure. */
static rag_status collect_trip(struct pg_conn *c, const rag_context *ctx, struct trip *t,
                               PGresult **failure, const char **what, rag_error *why)
{
    size_t at = 0;
    rag_context limited = limit(c, ctx);
    for (;;) {
        const struct step *step = at < t->count ? &t->steps[at] : NULL;
        if (!*failure && step)
            *what = step->of->what;
        PG_TRY(wait_for_result(c, &limited, PG_RUNNING, *what, why));
        PGresult *next = PQgetResult(c->pg);
        const ExecStatusType kind = PQresultStatus(next);
        if (next && kind == PGRES_PIPELINE_SYNC) {
            PQclear(next);
            return RAG_OK;
        }
        if (!next && !step)
            return fail_lost(c, PG_RUNNING, *what, why);
        if (!next) { /* the step is over */
            at++;
            if (step->of->answered && !step->prepares)
                limited = limit(c, ctx);
        } else if (kind != PGRES_COMMAND_OK && kind != PGRES_TUPLES_OK && !*failure) {
            *failure = next;
        } else if (*failure || !step) { /* did not run */
            PQclear(next);
        } else if (step->prepares) {
            c->prepared[c->prepared_count++] =
                (struct pg_prepared){ step->of->sql, step->prepares };
            PQclear(next);
        } else {
            PQclear(t->results[step->of - c->queue]);
            t->results[step->of - c->queue] = next;
        }
    }
}

/* A trip in pipeline mode. */
static rag_status travel(struct pg_conn *c, const rag_context *ctx, size_t n, struct trip *t,
                         rag_error *err)
{
    PGresult *failure = NULL;
    const char *what = c->queue[0].what;
    rag_error why = RAG_ERROR_INIT;
    int sent = PQenterPipelineMode(c->pg);
    for (size_t i = 0; i < n && sent; i++)
        sent = send_step(c, t, &c->queue[i]);
    if (!sent || !PQpipelineSync(c->pg))
        return fail_lost(c, PG_RUNNING, what, err);
    rag_status status = collect_trip(c, ctx, t, &failure, &what, &why);
    if (status == RAG_E_TIMEOUT || status == RAG_E_CANCELLED)
        status = fail_ended(c, ctx, status, PG_RUNNING, what, &why);
    else if (failure) /* says more than the loss that may have followed */
        status = pg_map_error(c->host, c->pg, failure, PG_RUNNING, what, &why);
    PQclear(failure);
    c->lost |= PQstatus(c->pg) == CONNECTION_BAD || !PQexitPipelineMode(c->pg);
    return pg_pass(status, &why, err);
}

/* The usual case, one statement that is prepared already, or never is. */
static rag_status send_alone(struct pg_conn *c, const rag_context *ctx, struct trip *t,
                             rag_error *err)
{
    const struct pg_queued *q = &c->queue[0];
    const unsigned number = is_large(q->params) ? 0 : find_prepared(c, q->sql)->number;
    struct answer answer = { 0 };
    if (!send_statement(c, q, number))
        return fail_lost(c, PG_RUNNING, q->what, err);
    const rag_status status = collect(c, ctx, PG_RUNNING, q->what, &answer, err);
    t->results[0] = answer.result;
    return status;
}

rag_status pg_send_queue(struct pg_conn *c, const rag_context *ctx, rag_error *err)
{
    const size_t n = c->queued;
    struct trip t = { .count = 0 };
    if (!n)
        return RAG_OK;
    PG_TRY(c->host->check(ctx, err));
    PG_TRY(reserve_prepared(c, n, err));
    const int alone = n == 1 && (is_large(c->queue[0].params) || find_prepared(c, c->queue[0].sql));
    c->queued = 0;
    c->trips++;
    const rag_status status = alone ? send_alone(c, ctx, &t, err) : travel(c, ctx, n, &t, err);
    for (size_t i = 0; i < n; i++)
        if (status == RAG_OK && c->queue[i].out)
            *c->queue[i].out = t.results[i];
        else
            PQclear(t.results[i]);
    return status;
}

rag_status pg_run(struct pg_conn *c, const rag_context *ctx, const char *sql,
                  const struct pg_params *params, const char *what, PGresult **out, rag_error *err)
{
    PG_TRY(c->host->check(ctx, err));
    const size_t before = c->queued;
    PG_TRY(pg_queue(c, sql, params, what, out, err));
    const rag_status status = pg_send_queue(c, ctx, err);
    if (c->queued > before) /* not sent: nobody else has its parameters */
        c->queued = before;
    return status;
}
