/* What the programs test_postgres_*.c share: a store on the server of the tests, short forms of calls, and a second
 * session that does what others would. Not for threads but the one of the case: they end the case. */
#ifndef SERVERS_POSTGRES_SUPPORT_H
#define SERVERS_POSTGRES_SUPPORT_H

/* what cmocka.h needs before it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <libpq-fe.h>
#include <ragstore/ragstore.h>

/* How many statements of ours the server is at. */
#define RUNNING                             \
    "SELECT count(*) FROM pg_stat_activity" \
    " WHERE application_name = 'ragstore' AND state = 'active'"

/* The setup of a group: the database of the tests does not exist any more, and is made anew by the backend. */
int use_new_database(void **state);

/* The URL of the server with that database, after use_new_database(). */
const char *server_url(void);

/* A store in that database; `options`: more of the URL, each with its '&' before it. To be closed by the caller. */
rag_store *open_with(const char *options);

/* The case fails with the message of `err` unless the status is RAG_OK. */
void ok(rag_status status, const rag_error *err);

/* A row of the namespace "n", and whether it is there. */
rag_status put(rag_store *store, const rag_context *ctx, const char *key, rag_error *err);
int has(rag_store *store, const rag_context *ctx, const char *key);

/* A session of libpq: the other side. What it waits for has an end, after 20 s: a case that failed may have left a
 * transaction open, whose locks last as long as the program. */
PGconn *session(void);

/* The first field of the answer as a number; 0 without one. */
long run_sql(PGconn *pg, const char *sql);

/* The server ends all sessions of ours, and they have ended. */
void end_sessions(PGconn *pg);

#endif
