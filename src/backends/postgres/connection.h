/* One connection: connecting, prepared statements, running them within a deadline. */
#ifndef POSTGRES_CONNECTION_H
#define POSTGRES_CONNECTION_H

#include <libpq-fe.h>

#include "error.h"
#include "net/tls.h"
#include "text.h"

/* How to reach the server; strings belong to whoever made it. */
struct pg_address {
    const char *host, *port, *user, *password, *database;
    const char *settings; /* "k=v&k=v", set in every session; NULL: none */
    struct net_tls tls;
    int64_t command_timeout_ms; /* of each statement; 0: none */
    int64_t connect_timeout_ms; /* 0: none */
    int read_only;
};

struct pg_prepared {
    const char *sql; /* by address: statements live as long as the backend */
    unsigned number;
};

enum { PG_END_CODE_BYTES = 6, PG_END_LINE_BYTES = 200 };

struct pg_conn {
    const rag_host *host;
    PGconn *pg;
    const struct pg_address *address; /* for the connection that cancels; outlives this one */
    struct pg_prepared *prepared;
    size_t prepared_count, prepared_capacity;
    unsigned prepared_names; /* names that were ever sent: none is used twice */
    int64_t born_ns;
    int64_t life;      /* which life of the server this session is of (durability.c) */
    int vector_effort; /* of searches by index (vector_search.c); 0: not set */
    int patient;       /* command_timeout does not hold: what runs may take hours */
    int lost;          /* in an unknown state: not to be used again */
    /* what the server said when it ended the session while nothing was asked; "" */
    char end_code[PG_END_CODE_BYTES], end_line[PG_END_LINE_BYTES];
};

enum { PG_PARAMS_MAX = 20 };

/* Parameters of a statement, all in the binary format. */
struct pg_params {
    int count;
    const char *values[PG_PARAMS_MAX];
    int lengths[PG_PARAMS_MAX];
    char numbers[PG_PARAMS_MAX][8];
    int too_large;
};

void pg_add_slice(struct pg_params *p, rag_slice value); /* text, bytea, json */
void pg_add_text(struct pg_params *p, const char *value);
void pg_add_int(struct pg_params *p, int64_t value); /* int8 */
void pg_add_null(struct pg_params *p);
void pg_add_array(struct pg_params *p, const struct pg_array *array);

/* `database`: in place of the address's own; NULL: that one. At most connect_timeout_ms. */
rag_status pg_connect(const rag_host *host, const struct pg_address *address, const char *database,
                      const rag_context *ctx, struct pg_conn **out, rag_error *err);
void pg_disconnect(struct pg_conn *c);

/* Which life of the server a session is of: durability.c */
#define PG_SQL_LIFE                                                               \
    "SELECT coalesce((extract(epoch FROM pg_stat_get_bgwriter_stat_reset_time())" \
    " * 1000000)::int8, 1)"

/* 1 when the server has not hung up. */
int pg_is_alive(const struct pg_conn *c);

/* Run one statement (prepared when it is new here, unless its parameters are large) and wait for its result, in the binary
 * format: *out (may be NULL) is freed with PQclear(). `sql` lives as long as the connection. At the
 * deadline of the context, or when it is cancelled, the statement is cancelled on the server, which
 * takes up to PG_CANCEL_MS more; after that the connection is given up. `what` is for messages. */
enum { PG_CANCEL_MS = 1000 };
rag_status pg_run(struct pg_conn *c, const rag_context *ctx, const char *sql,
                  const struct pg_params *params, const char *what, PGresult **out, rag_error *err);

/* Statements without parameters and without answer, several in one text. */
rag_status pg_command(struct pg_conn *c, const rag_context *ctx, const char *sql,
                      enum pg_moment moment, const char *what, rag_error *err);

/* COMMIT. RAG_OK: it is committed, and *position is a place in the log behind it: where the log ended
 * right after that, or, `durable` (it was a synchronous one), how far it was on disk then. INT64_MAX
 * when the connection ended before that was said. */
rag_status pg_commit_work(struct pg_conn *c, const rag_context *ctx, int durable, int64_t *position,
                          rag_error *err);

/* One statement without parameters and with an answer as text, which is not kept prepared. */
rag_status pg_ask_once(struct pg_conn *c, const rag_context *ctx, const char *sql, const char *what,
                       PGresult **out, rag_error *err);

/* Fields of a result. NULL: 0, and a slice without data. */
int64_t pg_int(const PGresult *result, int row, int column);
rag_slice pg_slice(const PGresult *result, int row, int column);

/* A text as an identifier between double quotes, or as a literal, added to a statement. */
void pg_add_identifier(struct pg_text *t, const char *name);
void pg_add_literal(struct pg_text *t, const char *text);

#endif
