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

struct pg_params;

struct pg_prepared {
    const char *sql; /* by address: statements live as long as the backend */
    unsigned number;
};

/* A statement that waits to be sent with those behind it. */
struct pg_queued {
    const char *sql;
    const struct pg_params *params;
    const char *what;
    PGresult **out;
    int answered; /* at once, not with those behind it */
};

enum { PG_END_CODE_BYTES = 6, PG_END_LINE_BYTES = 200, PG_QUEUE_MAX = 12 };

struct pg_conn {
    const rag_host *host;
    PGconn *pg;
    const struct pg_address *address; /* for the connection that cancels; outlives this one */
    struct pg_prepared *prepared;
    size_t prepared_count, prepared_capacity;
    unsigned prepared_names; /* names that were ever sent: none is used twice */
    struct pg_queued queue[PG_QUEUE_MAX];
    size_t queued;
    unsigned trips; /* to the server and back: whether a queue was sent is seen by it */
    unsigned steps; /* of transactions (transaction.c) */
    int64_t born_ns;
    int64_t life; /* which life of the server this session is of (durability.c) */
    int doubtful; /* the work that failed had believed what may be over (vector_space.c) */
    int certain;  /* so it is to believe nothing this time */
    int patient;  /* command_timeout does not hold: what runs may take hours */
    int lost;     /* in an unknown state: not to be used again */
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

/* Statements go out together, as one pipeline: pg_queue() keeps one back, and the next statement of
 * any kind on this connection, or pg_send_queue(), takes all that were kept along in one trip. They
 * run one after the other. The first that fails is what that call reports, with that statement's
 * `what`; those behind it did not run, and no *out is set then. What must not be sent any more is
 * forgotten by pg_forget_queue(): the server has not seen it.
 *
 * Results are in the binary format and freed with PQclear(); `out` may be NULL. `params` (NULL: none),
 * what it points to, and *out have to stay until the statements are sent; `sql` and `what` live as
 * long as the connection. A statement is prepared, in the same trip, when it is new here, unless its
 * parameters are large. */
rag_status pg_queue(struct pg_conn *c, const char *sql, const struct pg_params *params,
                    const char *what, PGresult **out, rag_error *err);
/* The last one queued may wait for others for long: it is answered by itself, and command_timeout
 * begins anew for those behind it. (Otherwise it is for the trip.) */
void pg_queue_waits(struct pg_conn *c);
rag_status pg_send_queue(struct pg_conn *c, const rag_context *ctx, rag_error *err);
void pg_forget_queue(struct pg_conn *c);

/* Run one statement, behind those that are queued, and wait for its result. At the deadline of the
 * context, or when it is cancelled, the statement is cancelled on the server, which takes up to
 * PG_CANCEL_MS more; after that the connection is given up. `what` is for messages. */
enum { PG_CANCEL_MS = 1000 };
rag_status pg_run(struct pg_conn *c, const rag_context *ctx, const char *sql,
                  const struct pg_params *params, const char *what, PGresult **out, rag_error *err);

/* Statements without parameters and without answer, several in one text: a trip of their own. */
rag_status pg_command(struct pg_conn *c, const rag_context *ctx, const char *sql,
                      enum pg_moment moment, const char *what, rag_error *err);

/* COMMIT, a trip of its own: nothing may be queued. RAG_OK: it is committed, and *position is a place
 * in the log behind it: where the log ended right after that, or, when it was a synchronous one, how far it
 * was on disk then. INT64_MAX when the connection ended before that was said. */
enum pg_commit {
    PG_COMMIT,
    PG_COMMIT_DURABLY, /* the transaction is a synchronous one */
    PG_COMMIT_MARK     /* such a transaction as a whole, which writes a mark into the log */
};
rag_status pg_commit_work(struct pg_conn *c, const rag_context *ctx, enum pg_commit how,
                          int64_t *position, rag_error *err);

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
