/* Tables, triggers and their version. */
#ifndef POSTGRES_SCHEMA_H
#define POSTGRES_SCHEMA_H

#include "connection.h"

enum { PG_SCHEMA_VERSION = 1 };

/* See that the schema is there and of our version; make or complete it when `create`. */
rag_status pg_schema_ensure(const rag_host *host, struct pg_conn *conn, const rag_context *ctx,
                            int create, rag_error *err);

/* Make the database when the server has none of this name, on a connection to another one. */
rag_status pg_database_ensure(const rag_host *host, const struct pg_address *address,
                              const rag_context *ctx, rag_error *err);

/* Add the changes of a workspace to its counters ($1: the workspace). */
extern const char PG_SQL_FOLD[];

#endif
