/* The one place where SQLSTATE becomes a rag_status.
 *
 * Looked up by the whole code first, then by its class (the first two letters). While connecting,
 * libpq gives no result and so no code; but told to be verbose it writes the code into its message,
 * where it is found whatever the language of the server. A code that is not in the table is
 * RAG_E_DATABASE with the code in native_state.
 *
 * What is known of a write: a statement that failed, or whose connection was lost, has not been
 * committed, so nothing of it was applied. Only a COMMIT whose answer did not come is unknown.
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
    { "25006", RAG_E_DENIED, 0 },      /* read_only_sql_transaction: a standby */
    { "40003", RAG_E_CONNECTION, 0 },  /* statement_completion_unknown */
    { "40", RAG_E_TRANSACTION, 1 },    /* serialization_failure, deadlock_detected */
    { "25", RAG_E_TRANSACTION, 0 },
    { "57P03", RAG_E_CONNECTION, 1 }, /* cannot_connect_now: starting up */
    { "57P01", RAG_E_CONNECTION, 1 }, /* admin_shutdown */
    { "57P02", RAG_E_CONNECTION, 1 }, /* crash_shutdown */
    { "57P04", RAG_E_NOT_FOUND, 0 },  /* database_dropped */
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

rag_status pg_map_error(const rag_host *host, const PGconn *connection, const PGresult *result,
                        enum pg_moment moment, const char *what, rag_error *err)
{
    char line[LINE_MAX_BYTES], code[CODE_LENGTH + 1];
    int retryable;
    const char *text = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    const char *whole = result ? PQresultErrorMessage(result) : PQerrorMessage(connection);
    first_line(text ? text : whole, line, sizeof line);
    find_code(result, whole, code);
    rag_status status =
        status_of(code, !result || PQstatus(connection) == CONNECTION_BAD, &retryable);
    const int unknown = moment == PG_COMMITTING && status == RAG_E_CONNECTION;
    status = host->fail(err, status, "PostgreSQL, %s: %s", what, *line ? line : "connection lost");
    if (err) {
        err->outcome = unknown ? RAG_OUTCOME_UNKNOWN : RAG_OUTCOME_NOT_APPLIED;
        err->retryable = retryable && !unknown;
        memcpy(err->native_state, code, sizeof code);
    }
    return status;
}
