/* PostgreSQL's failures as ours. */
#ifndef POSTGRES_ERROR_H
#define POSTGRES_ERROR_H

#include <libpq-fe.h>

#include <ragstore/backend.h>

/* Where a failure happened: that decides what is known of a write. */
enum pg_moment {
    PG_CONNECTING,
    PG_RUNNING, /* a statement: its transaction is not committed */
    PG_COMMITTING
};

/* Return `status`; when it is a failure, *err (NULL is allowed) becomes *why. For whoever forgives some
 * failures of a call: a success leaves the caller's error alone. */
rag_status pg_pass(rag_status status, const rag_error *why, rag_error *err);

/* Fill *err from `result`, or from the connection when it is NULL, and return the status. `what`
 * says what was being done ("writing values"). */
rag_status pg_map_error(const rag_host *host, const PGconn *connection, const PGresult *result,
                        enum pg_moment moment, const char *what, rag_error *err);

/* The same for what the server said when it ended the session: its code and line. */
rag_status pg_map_end(const rag_host *host, const char *code, const char *line,
                      enum pg_moment moment, const char *what, rag_error *err);

#endif
