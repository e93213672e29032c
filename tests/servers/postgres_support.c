/* See postgres_support.h. The programs use one database by one name, each after the other (RUN_SERIAL), and make it anew
 * before their first case: rows of an earlier run would change what they count. */
#include "postgres_support.h"

#include <stdio.h>
#include <stdlib.h>

#include "postgres_url.h"

static const char DATABASE[] = "cases";
static char server[400];

rag_store *open_with(const char *options)
{
    char url[600];
    rag_store *store = NULL;
    rag_error err = RAG_ERROR_INIT;
    (void)snprintf(url, sizeof url, "%s?connection_retry_backoff=0.05%s", server, options);
    if (rag_store_open(url, NULL, NULL, &store, &err) != RAG_OK)
        fail_msg("%s", err.message);
    return store;
}

void ok(rag_status status, const rag_error *err)
{
    if (status != RAG_OK)
        fail_msg("%s", err->message);
}

rag_status put(rag_store *store, const rag_context *ctx, const char *key, rag_error *err)
{
    const rag_kv_item item = { .key = rag_text(key), .value = rag_text("{\"v\":1}") };
    return rag_kv_put_many(store, ctx, "n", &item, 1, NULL, err);
}

int has(rag_store *store, const rag_context *ctx, const char *key)
{
    const rag_slice keys[] = { rag_text(key) };
    rag_result *rows = NULL;
    rag_error err = RAG_ERROR_INIT;
    ok(rag_kv_get_many(store, ctx, "n", keys, 1, &rows, &err), &err);
    const int found = rag_result_row(rows, 0)->found;
    rag_result_free(rows);
    return found;
}

long run_sql(PGconn *pg, const char *sql)
{
    PGresult *result = PQexec(pg, sql);
    const ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQresultErrorMessage(result));
    const long number = status == PGRES_TUPLES_OK && PQntuples(result)
                            ? strtol(PQgetvalue(result, 0, 0), NULL, 10)
                            : 0;
    PQclear(result);
    return number;
}

static PGconn *session_at(const char *url)
{
    PGconn *pg = PQconnectdb(url);
    if (PQstatus(pg) != CONNECTION_OK)
        fail_msg("%s", PQerrorMessage(pg));
    return pg;
}

PGconn *session(void)
{
    PGconn *pg = session_at(server);
    (void)run_sql(pg, "SET lock_timeout = '20s'");
    return pg;
}

void end_sessions(PGconn *pg)
{
    (void)run_sql(pg, "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity"
                      " WHERE application_name = 'ragstore'");
}

int use_new_database(void **state)
{
    (void)state;
    char url[400];
    if (!postgres_url("postgres", url, sizeof url) ||
        !postgres_url(DATABASE, server, sizeof server))
        return 1;
    PGconn *pg = session_at(url);
    (void)run_sql(pg, "DROP DATABASE IF EXISTS cases WITH (FORCE)");
    PQfinish(pg);
    rag_store_close(open_with(""));
    return 0;
}

const char *server_url(void)
{
    return server;
}
