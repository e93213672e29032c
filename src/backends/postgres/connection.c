/* A connection of libpq, never blocking.
 *
 * Everything is sent and received under the deadline and the cancel flag of the call. When one of
 * them ends a wait, the running statement is cancelled on the server through a second connection, and
 * what still comes back is read for a moment, so that the connection can be used again; if nothing
 * comes, the connection is given up.
 *
 * Statements are prepared when they are first used on a connection and found again by the address of
 * their text. Parameters and results are binary: no value is ever part of the text of a statement.
 * Used by one thread at a time. */
#include "connection.h"

#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "net/deadline.h"

enum { DRAIN_MS = 5000, CANCEL_ERROR_BYTES = 256, NAME_BYTES = 24 };

/* What every session is set to. synchronous_commit: a commit is visible and survives the death of
 * any process at once, and is durable at the next flush (transaction.c). ragstore.writer: the
 * triggers know by it that a row was written by us (schema.c). */
static const char SESSION[] =
    "SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET standard_conforming_strings = on;"
    " SET synchronous_commit = off; SET ragstore.writer = 'on'";
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

static void be_silent(void *user, const PGresult *notice)
{
    (void)user;
    (void)notice;
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

static rag_status set_up(struct pg_conn *c, const struct pg_address *a, const rag_context *ctx,
                         rag_error *err)
{
    if (PQsetnonblocking(c->pg, 1) != 0)
        return pg_map_error(c->host, c->pg, NULL, PG_CONNECTING, "connecting", err);
    PG_TRY(pg_command(c, ctx, SESSION, PG_CONNECTING, "setting up the session", err));
    if (a->read_only)
        PG_TRY(pg_command(c, ctx, SESSION_READ_ONLY, PG_CONNECTING, "setting up the session", err));
    return set_own(c, ctx, a->settings, err);
}

rag_status pg_connect(const rag_host *host, const struct pg_address *address, const char *database,
                      const rag_context *ctx, struct pg_conn **out, rag_error *err)
{
    struct pg_conn *c = host->alloc(sizeof *c);
    if (!c)
        return pg_no_memory(host, err);
    memset(c, 0, sizeof *c);
    c->host = host;
    c->command_timeout_ms = address->command_timeout_ms;
    c->pg = begin_connecting(address, database ? database : address->database);
    rag_status status;
    if (!c->pg) {
        status = pg_no_memory(host, err);
    } else {
        (void)PQsetErrorVerbosity(c->pg, PQERRORS_VERBOSE); /* codes: error.c */
        (void)PQsetNoticeReceiver(c->pg, be_silent, NULL);
        status = finish_connecting(c, ctx, err);
    }
    if (status == RAG_OK)
        status = set_up(c, address, ctx, err);
    if (status == RAG_OK)
        *out = c;
    else
        pg_disconnect(c);
    return status;
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

/* Everything sent, and nothing left that would block: RAG_OK when the next result is there. */
static rag_status wait_for_result(struct pg_conn *c, const rag_context *ctx, const char *what,
                                  rag_error *err)
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
    c->lost = 1;
    return pg_map_error(c->host, c->pg, NULL, PG_RUNNING, what, err);
}

/* The call ended before its statement: end that, too. */
static void cancel_and_drain(struct pg_conn *c)
{
    char ignored[CANCEL_ERROR_BYTES];
    PGcancel *cancel = PQgetCancel(c->pg);
    const int sent = cancel && PQcancel(cancel, ignored, sizeof ignored);
    PQfreeCancel(cancel);
    rag_context soon = RAG_CONTEXT_INIT;
    soon.deadline_ns = net_now_ns() + (int64_t)DRAIN_MS * 1000000;
    int drained = 0;
    while (sent && !c->lost && !drained && wait_for_result(c, &soon, "", NULL) == RAG_OK) {
        PGresult *rest = PQgetResult(c->pg);
        drained = !rest;
        PQclear(rest);
    }
    if (!drained)
        c->lost = 1;
}

/* The results of what was sent: the last one into *out, the first failure as an error. */
static rag_status collect(struct pg_conn *c, const rag_context *ctx, enum pg_moment moment,
                          const char *what, PGresult **out, rag_error *err)
{
    const rag_context limited = net_context_until(ctx, net_deadline(ctx, c->command_timeout_ms));
    PGresult *last = NULL;
    rag_status status;
    int failed = 0;
    for (;;) {
        status = wait_for_result(c, &limited, what, err);
        if (status != RAG_OK)
            break;
        PGresult *next = PQgetResult(c->pg);
        if (!next)
            break;
        if (!failed) {
            PQclear(last);
            last = next;
            const ExecStatusType kind = PQresultStatus(next);
            failed = kind != PGRES_COMMAND_OK && kind != PGRES_TUPLES_OK;
        } else {
            PQclear(next);
        }
    }
    if (status == RAG_E_TIMEOUT || status == RAG_E_CANCELLED) {
        cancel_and_drain(c);
    } else if (status == RAG_OK && failed) {
        status = pg_map_error(c->host, c->pg, last, moment, what, err);
        c->lost |= PQstatus(c->pg) == CONNECTION_BAD;
    }
    if (moment == PG_COMMITTING && status != RAG_OK && !failed && err)
        err->outcome = RAG_OUTCOME_UNKNOWN; /* the answer did not come */
    if (status == RAG_OK && out)
        *out = last;
    else
        PQclear(last);
    return status;
}

static rag_status fail_sending(struct pg_conn *c, const char *what, rag_error *err)
{
    c->lost = 1;
    return pg_map_error(c->host, c->pg, NULL, PG_RUNNING, what, err);
}

rag_status pg_command(struct pg_conn *c, const rag_context *ctx, const char *sql,
                      enum pg_moment moment, const char *what, rag_error *err)
{
    PG_TRY(c->host->check(ctx, err));
    if (!PQsendQuery(c->pg, sql))
        return fail_sending(c, what, err);
    return collect(c, ctx, moment, what, NULL, err);
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

static rag_status prepare(struct pg_conn *c, const rag_context *ctx, const char *sql,
                          const char *what, rag_error *err)
{
    if (c->prepared_count == c->prepared_capacity) {
        const size_t capacity = c->prepared_capacity ? c->prepared_capacity * 2 : 16;
        struct pg_prepared *more = c->host->realloc(c->prepared, capacity * sizeof *more);
        if (!more)
            return pg_no_memory(c->host, err);
        c->prepared = more;
        c->prepared_capacity = capacity;
    }
    const unsigned number = (unsigned)c->prepared_count + 1;
    char name[NAME_BYTES];
    name_of(number, name);
    if (!PQsendPrepare(c->pg, name, sql, 0, NULL))
        return fail_sending(c, what, err);
    PG_TRY(collect(c, ctx, PG_RUNNING, what, NULL, err));
    c->prepared[c->prepared_count++] = (struct pg_prepared){ sql, number };
    return RAG_OK;
}

rag_status pg_run(struct pg_conn *c, const rag_context *ctx, const char *sql,
                  const struct pg_params *params, const char *what, PGresult **out, rag_error *err)
{
    static const int binary[PG_PARAMS_MAX] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                               1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
    PG_TRY(c->host->check(ctx, err));
    if (params->too_large)
        return c->host->fail(err, RAG_E_NO_MEMORY,
                             "PostgreSQL, %s: a batch of more than 1 GB, or out of memory", what);
    if (!find_prepared(c, sql))
        PG_TRY(prepare(c, ctx, sql, what, err));
    char name[NAME_BYTES];
    name_of(find_prepared(c, sql)->number, name);
    if (!PQsendQueryPrepared(c->pg, name, params->count, params->values, params->lengths, binary,
                             1))
        return fail_sending(c, what, err);
    return collect(c, ctx, PG_RUNNING, what, out, err);
}
