/* The one place where SQLSTATE becomes a rag_status.
 *
 * Looked up by the whole code first, then by its class (the first two letters). While connecting,
 * libpq gives no result and so no code; but told to be verbose it writes the code into its message,
 * where it is found whatever the language of the server. A code that is not in the table is
 * RAG_E_DATABASE with the code in native_state.
 *
 * What is known of a write: a statement that failed, or whose connection was lost, has not been
 * committed, so nothing of it was applied. A COMMIT that the server refused (severity ERROR, or the
 * end of the transaction as its reason) was not applied either; without its answer, or with an answer
 * that ends the session for another reason, it is unknown.
 *
 * Messages have the server's first line. The server may quote values of the row in its DETAIL, never
 * in that line; libpq does not put passwords into messages. */
#include "error.h"

#include <string.h>

enum { CODE_LENGTH = 5, LINE_MAX_BYTES = 300 };

static const struct {
    const char *code; /* SQLSTATE, or its first two letters */
    rag_status status;
    int retryable;
} codes[] = {
    { "57014", RAG_E_TIMEOUT, 0 },     /* query_canceled: by our deadline, or statement_timeout */
    { "55P03", RAG_E_TIMEOUT, 1 },     /* lock_not_available: the turn did not come */
    { "25P03", RAG_E_TRANSACTION, 1 }, /* idle_in_transaction_session_timeout */
    { "25P04", RAG_E_TRANSACTION, 1 }, /* transaction_timeout */
    { "25006", RAG_E_DENIED, 0 },      /* read_only_sql_transaction: a standby */
    { "40003", RAG_E_CONNECTION, 0 },  /* statement_completion_unknown */
    { "40", RAG_E_TRANSACTION, 1 },    /* serialization_failure, deadlock_detected */
    { "25", RAG_E_TRANSACTION, 0 },
    { "57P03", RAG_E_CONNECTION, 1 }, /* cannot_connect_now: starting up */
    { "57P01", RAG_E_CONNECTION, 1 }, /* admin_shutdown */
    { "57P02", RAG_E_CONNECTION, 1 }, /* crash_shutdown */
    { "57P04", RAG_E_NOT_FOUND, 0 },  /* database_dropped */
    { "57P05", RAG_E_CONNECTION, 1 }, /* idle_session_timeout */
    { "53300", RAG_E_CONNECTION, 1 }, /* too_many_connections */
    { "53100", RAG_E_NO_SPACE, 0 },   /* disk_full */
    { "53200", RAG_E_NO_MEMORY, 0 },  /* out_of_memory, of the server */
    { "54000", RAG_E_INVALID, 0 },    /* program_limit_exceeded */
    { "08", RAG_E_CONNECTION, 1 },
    { "28", RAG_E_DENIED, 0 },       /* wrong password, no such user */
    { "42501", RAG_E_DENIED, 0 },    /* insufficient_privilege */
    { "3D000", RAG_E_NOT_FOUND, 0 }, /* no such database */
    { "0A000", RAG_E_UNSUPPORTED, 0 },
    { "58", RAG_E_IO, 0 },
    { "XX001", RAG_E_CORRUPT, 0 },
    { "XX002", RAG_E_CORRUPT, 0 },
};

static int code_index(const char *code)
{
    const int count = (int)(sizeof codes / sizeof *codes);
    for (int i = 0; i < count; i++)
        if (strcmp(codes[i].code, code) == 0)
            return i;
    for (int i = 0; i < count; i++)
        if (strlen(codes[i].code) == 2 && strncmp(codes[i].code, code, 2) == 0)
            return i;
    return -1;
}

/* "FATAL:  28P01: password ..." -> "28P01"; 0: there is none. */
static int code_in_message(const char *message, char out[CODE_LENGTH + 1])
{
    for (const char *p = strstr(message, ":  "); p; p = strstr(p + 1, ":  ")) {
        const char *code = p + 3;
        if (strspn(code, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == CODE_LENGTH &&
            code[CODE_LENGTH] == ':') {
            memcpy(out, code, CODE_LENGTH);
            out[CODE_LENGTH] = 0;
            return 1;
        }
    }
    return 0;
}

static void first_line(const char *message, char *out, size_t size)
{
    size_t len = strcspn(message, "\n");
    len = len < size - 1 ? len : size - 1;
    memcpy(out, message, len);
    out[len] = 0;
}

/* The code of a failure, "" when there is none. */
static void find_code(const PGresult *result, const char *message, char out[CODE_LENGTH + 1])
{
    const char *given = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    out[0] = 0;
    if (given && strlen(given) == CODE_LENGTH)
        memcpy(out, given, CODE_LENGTH + 1);
    else
        (void)code_in_message(message, out);
}

static rag_status status_of(const char *code, int lost, int *retryable)
{
    const int at = *code ? code_index(code) : -1;
    if (at >= 0) {
        *retryable = codes[at].retryable;
        return codes[at].status;
    }
    *retryable = lost; /* the network, not the server */
    return lost ? RAG_E_CONNECTION : RAG_E_DATABASE;
}

struct failure {
    const char *code, *line; /* "" when there is none */
    int lost;                /* the session is over */
    int refused;             /* an ERROR of the server: the session goes on */
};

static rag_status report(const rag_host *host, const struct failure *f, enum pg_moment moment,
                         const char *what, rag_error *err)
{
    int retryable;
    rag_status status = status_of(f->code, f->lost, &retryable);
    const int unknown = moment == PG_COMMITTING && !f->refused && status != RAG_E_TRANSACTION;
    status =
        host->fail(err, status, "PostgreSQL, %s: %s", what, *f->line ? f->line : "connection lost");
    if (err) {
        err->outcome = unknown ? RAG_OUTCOME_UNKNOWN : RAG_OUTCOME_NOT_APPLIED;
        err->retryable = retryable && !unknown;
        memcpy(err->native_state, f->code, strlen(f->code) + 1);
    }
    return status;
}

rag_status pg_pass(rag_status status, const rag_error *why, rag_error *err)
{
    if (status != RAG_OK && err)
        *err = *why;
    return status;
}

rag_status pg_map_error(const rag_host *host, const PGconn *connection, const PGresult *result,
                        enum pg_moment moment, const char *what, rag_error *err)
{
    char line[LINE_MAX_BYTES], code[CODE_LENGTH + 1];
    const char *text = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    const char *whole = result ? PQresultErrorMessage(result) : PQerrorMessage(connection);
    const char *severity = result ? PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED) : "";
    first_line(text ? text : whole, line, sizeof line);
    find_code(result, whole, code);
    const struct failure failure = {
        .code = code,
        .line = line,
        .lost = !result || PQstatus(connection) == CONNECTION_BAD,
        .refused = severity && strcmp(severity, "ERROR") == 0,
    };
    return report(host, &failure, moment, what, err);
}

rag_status pg_map_end(const rag_host *host, const char *code, const char *line,
                      enum pg_moment moment, const char *what, rag_error *err)
{
    const struct failure failure = { .code = code, .line = line, .lost = 1 };
    return report(host, &failure, moment, what, err);
}
