/* Tables, triggers and their version. */
#ifndef POSTGRES_SCHEMA_H
#define POSTGRES_SCHEMA_H

#include "connection.h"

enum { PG_SCHEMA_VERSION = 3 };

/* See that the schema is there and of our version; make or complete it when `create`. */
rag_status pg_schema_ensure(const rag_host *host, struct pg_conn *conn, const rag_context *ctx,
                            int create, rag_error *err);

/* Make the database when the server has none of this name, on a connection to another one. */
rag_status pg_database_ensure(const rag_host *host, const struct pg_address *address,
                              const rag_context *ctx, rag_error *err);

/* Making a part of the schema: everything goes to one connection, inside one transaction. An error
 * names the statement that was refused. */
struct pg_making {
    const rag_host *host;
    struct pg_conn *conn;
    const rag_context *ctx;
    rag_error *err;
};

rag_status pg_schema_run(const struct pg_making *m, const char *sql);
rag_status pg_schema_run_text(const struct pg_making *m, struct pg_text *sql); /* clears it */

/* Count the rows of a table by triggers, and those that are there now. */
struct pg_counted {
    const char *table, *kind, *name, *bytes; /* expressions over the row "n" */
    const char *function; /* end of the name of the trigger's function; NULL: the table's name */
};
rag_status pg_schema_count(const struct pg_making *m, const struct pg_counted *c);

/* The lock under which everything of the schema is made; it ends with the transaction. */
extern const char PG_SQL_SCHEMA_LOCK[];

/* Add the changes of a workspace to its counters ($1: the workspace). */
extern const char PG_SQL_FOLD[];

#endif
