/* What the files of this backend share: the opened backend, how a slot runs, and what several of them
 * ask. */
#ifndef POSTGRES_SERVER_H
#define POSTGRES_SERVER_H

#include <pthread.h>
#include <stdatomic.h>

#include "connection.h"
#include "durability.h"
#include "net/pool.h"
#include "net/retry.h"
#include "tables.h"

/* A text of the configuration. */
struct pg_kept {
    struct pg_kept *next;
    char text[];
};

/* The index that new tables with vectors get: LightRAG's settings. */
enum pg_index { PG_INDEX_HNSW, PG_INDEX_IVFFLAT, PG_INDEX_NONE };
struct pg_vector_options {
    enum pg_index index;
    int64_t hnsw_m, hnsw_ef, lists;
};

struct pg_server {
    const rag_host *host;
    struct pg_address address;
    struct net_pool *pool;
    struct net_retry retry;
    const char *workspace; /* never empty */
    int64_t lock_timeout_ms;
    struct pg_statements *statements; /* one for each of PG_TABLES */
    struct pg_text strings;           /* their text */
    struct pg_doc_statements *docs;   /* docstatus.c */
    struct pg_vector_options vector_options;
    struct pg_vector_statements *vectors; /* vector_statements.c */
    pthread_mutex_t making_vectors;       /* of that list */
    struct pg_known *known;               /* vector_space.c */
    pthread_mutex_t knowing;              /* of that list */
    struct pg_owner *owner;               /* vector_pending.c */
    struct pg_durability *durability;
    struct pg_build *build;       /* build.c; NULL: opened as usual */
    const char *graph_option;     /* `graph`; NULL: auto */
    struct pg_graph_place *graph; /* graph_choose.c */
    struct pg_kept *kept;         /* what address and workspace point to */
    atomic_int index_refused;     /* vector_index.c */
    atomic_uint writes;           /* counted to fold the counters now and then */
};

/* An explicit transaction. */
struct pg_txn {
    struct pg_conn *conn;
    int durable; /* its commit is a synchronous one */
};

/* What a slot does on a connection. It may be called again after a failure that passed: outputs are
 * touched last, when nothing can fail any more but for lack of memory. */
typedef rag_status (*pg_work)(const rag_call *call, struct pg_conn *conn, void *user,
                              rag_error *err);

/* Run `work` for reading: on the transaction of the call, or on a connection of the pool. */
rag_status pg_read(const rag_call *call, pg_work work, void *user, rag_error *err);

/* The same for writing, with the writer's turn, as one transaction; *token (may be NULL): its place in
 * the order of commits, 0 inside a transaction. `durable`: it is when this returns. */
rag_status pg_write(const rag_call *call, pg_work work, void *user, int durable, rag_token *token,
                    rag_error *err);

/* `work` on a connection that is inside a transaction: behind a savepoint. */
rag_status pg_run_inside(const rag_call *call, struct pg_conn *conn, pg_work work, void *user,
                         rag_error *err);
/* BEGIN and the turn, queued; *turn stays until they are sent. A caller with a deadline waits until
 * that, others for lock_timeout_ms. */
rag_status pg_begin_writing(const rag_call *call, struct pg_conn *conn, struct pg_params *turn,
                            rag_error *err);
/* The same at once. */
rag_status pg_take_turn(const rag_call *call, struct pg_conn *conn, rag_error *err);
/* The counters and COMMIT. */
rag_status pg_end_build(const rag_call *call, struct pg_conn *conn, rag_token *token,
                        rag_error *err);

/* build.c: the store is built aside. */
rag_status pg_build_begin(const rag_call *call, int replace, rag_error *err);
/* *done: `work` ran, inside the build; 0: nothing is being built. */
rag_status pg_build_run(const rag_call *call, pg_work work, void *user, int *done, rag_error *err);
int pg_build_is_on(const rag_call *call);
/* Before each batch of edges: now and then the planner is told how many there are. Nobody else does
 * in a transaction, and each edge's look for its ends would read all nodes. */
rag_status pg_build_count_edges(const rag_call *call, struct pg_conn *conn, rag_error *err);
rag_status pg_publish(const rag_call *call, rag_error *err); /* of rag_backend */
void pg_build_free(struct pg_server *s);

/* Slots of rag_backend. */
rag_status pg_begin(const rag_call *call, void **txn, rag_error *err);
rag_status pg_commit(const rag_call *call, rag_token *token, rag_error *err);
void pg_abort(const rag_call *call);
rag_status pg_flush(const rag_call *call, rag_token upto, rag_error *err);

/* server.c */
/* Empty parameters, then $1, the workspace; and $2, a name. They point to it. */
void pg_params_begin(struct pg_params *params, const rag_call *call);
void pg_params_begin_named(struct pg_params *params, const rag_call *call, const char *name);
/* The counters of the namespaces of workspace $1, as c(kind, name, rows, bytes, generation). */
#define PG_SQL_COUNTERS                                                       \
    "(SELECT kind, name, rows, bytes, generation FROM ragstore_namespace"     \
    " WHERE workspace = $1::text UNION ALL SELECT kind, name, rows, bytes, 1" \
    " FROM ragstore_change WHERE workspace = $1::text) c"
/* What a namespace has by them. */
struct pg_counters {
    int64_t rows, bytes, generation;
};
rag_status pg_count_rows(const rag_call *call, struct pg_conn *conn, const char *kind,
                         const char *name, uint64_t *count, rag_error *err);
/* A row of the answer of `namespaces`. */
rag_status pg_append_namespace(const rag_call *call, rag_slice kind, rag_slice name,
                               const struct pg_counters *counters, rag_result *out, rag_error *err);
/* Rows that a statement changed. */
uint64_t pg_affected(const PGresult *result);

rag_status pg_optimize(const rag_call *call, rag_error *err); /* of rag_backend; optimize.c */

/* The statements of document status; *out is freed with pg_doc_free_statements(). */
rag_status pg_doc_make_statements(const rag_host *host, struct pg_doc_statements **out,
                                  rag_error *err);
void pg_doc_free_statements(const rag_host *host, struct pg_doc_statements *statements);

extern const rag_kv_table pg_kv;
extern const rag_vector_table pg_vector;
extern const rag_graph_table pg_graph;
extern const rag_docstatus_table pg_docstatus;

#endif
