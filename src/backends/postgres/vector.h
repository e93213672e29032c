/* Vectors on pgvector: what the files of this table share. */
#ifndef POSTGRES_VECTOR_H
#define POSTGRES_VECTOR_H

#include "row.h"
#include "server.h"

enum { PG_NAME_MAX = 63, PG_VECTOR_DIMENSION_MAX = 16000 }; /* of the server; of pgvector */

/* Where the rows of a space are. */
struct pg_vector_place {
    char lightrag[PG_NAME_MAX + 1], own[PG_NAME_MAX + 1]; /* tables; the first may be "" */
    int lightrag_half, own_half; /* the column is a halfvec, not a vector */
    rag_metric metric;
};

/* Statements over one place, each in one of `texts`. $1 is the workspace, $2 the name of the space. Of
 * pairs, the first is without payloads. Answers have the columns PG_AT_*, those of LightRAG's table,
 * then PG_VECTOR_*. */
enum { PG_VECTOR_STATEMENTS = 15 };
struct pg_vector_statements {
    struct pg_vector_statements *next;
    struct pg_vector_place place;
    struct pg_text texts[PG_VECTOR_STATEMENTS];
    const char *get[2];  /* $3 text[], $4 bytea[]: an id is in one of them; $5 int8: vectors, too */
    const char *scan[2]; /* as of pg_statements; $6 int8: vectors, too */
    const char *put_lightrag, *put_own; /* vector.c has the parameters */
    const char *erase;                  /* $3, $4 as in get, $5 bytea[]: all ids */
    const char *erase_named;            /* $3 text[], $4 bytea[]: names */
    const char *clear;
    const char *exact[2]; /* $3 vector, $4 int8 limit, $5 int8: vectors, too */
    const char *near[2];  /* the same, $4 of the index, $6 int8: the best of these */
    const char *odd[2];   /* rows that pgvector cannot compare, with their vectors */
};

/* Behind the columns of the table. */
enum { PG_VECTOR_BYTES, PG_VECTOR_DISTANCE, PG_VECTOR_GIVEN /* `near`: by the index */ };

/* A space as it is in this moment. */
struct pg_space {
    rag_vector_space facts;
    struct pg_vector_place place;
    const struct pg_table *table; /* the columns of its LightRAG table; without one: no column */
    uint32_t vector_type, halfvec_type; /* OIDs */
    int waiting;                        /* rows are pending */
    int iterates;                       /* pgvector 0.8 or newer */
    uint64_t table_rows;                /* about so many, of all workspaces; 0: not known */
    int indexed;                        /* its vectors are */
    const struct pg_vector_statements *sql;
};

/* *found = 0: the space is not defined. */
rag_status pg_space_find(const rag_call *call, struct pg_conn *conn, const char *name,
                         struct pg_space *out, int *found, rag_error *err);

/* A space while a slot uses it. What was last seen of its record is believed, and the question for it is
 * queued, so that it goes with the slot's own first statements; pg_use_end() looks at the answer
 * before outputs are touched. When the space is another one by now, or something failed that may be
 * because of that, the slot fails and is run once more, with the record asked for first. */
struct pg_use {
    const char *name;
    struct pg_space space; /* behind pg_use_end(): as it is */
    int found;
    int counted;   /* `rows` is known, */
    uint64_t rows; /* of the last search */
    int believed;
    PGresult *record;
    struct pg_params params;
};
rag_status pg_use_begin(const rag_call *call, struct pg_conn *conn, const char *name,
                        struct pg_use *use, rag_error *err);
/* `status`: of what was done between. Sends what is still queued. */
rag_status pg_use_end(const rag_call *call, struct pg_conn *conn, struct pg_use *use,
                      rag_status status, rag_error *err);
/* The slot cannot go on with what it believed. */
rag_status pg_use_doubt(const rag_call *call, struct pg_conn *conn, const struct pg_use *use,
                        rag_error *err);
void pg_spaces_free(struct pg_server *s);

rag_status pg_space_record(const rag_call *call, struct pg_conn *conn, const char *name,
                           const rag_vector_space *space, const struct pg_vector_place *place,
                           rag_error *err);
rag_status pg_space_missing(const rag_call *call, const char *name, rag_error *err);

/* Slots of the table (vector_space.c). */
rag_status pg_vector_define(const rag_call *call, const char *name_space,
                            const rag_vector_space *space, rag_vector_space *existing,
                            rag_error *err);
rag_status pg_vector_describe(const rag_call *call, const char *name_space, rag_vector_space *out,
                              rag_error *err);
rag_status pg_vector_recall(const rag_call *call, const char *name_space, rag_vector_space *out,
                            rag_error *err);
rag_status pg_vector_drop(const rag_call *call, const char *name_space, rag_error *err);
rag_status pg_vector_count(const rag_call *call, const char *name_space, uint64_t *count,
                           rag_error *err);
rag_status pg_space_rows(const rag_call *call, struct pg_conn *conn, const char *name,
                         uint64_t *rows, rag_error *err);
/* The same, queued: $1 and $2 as always, the answer a single number. */
extern const char pg_sql_space_rows[];

/* vector_tables.c: the tables of a space are there and prepared, *place names them. It comes zeroed,
 * or with the table of LightRAG's that is to be used. */
rag_status pg_vector_tables(const rag_call *call, struct pg_conn *conn, const char *name,
                            const rag_vector_space *space, struct pg_vector_place *place,
                            rag_error *err);
const struct pg_table *pg_vector_layout(const char *name);
/* LightRAG's rule: the base, or with the model and the dimension behind it. "": too long a name. */
void pg_vector_name(const struct pg_table *layout, const rag_vector_space *space,
                    char out[PG_NAME_MAX + 1]);

/* The same in a transaction of its own: for a space that is defined while the store is being built. */
rag_status pg_vector_tables_apart(const rag_call *call, const char *name,
                                  const rag_vector_space *space, struct pg_vector_place *place,
                                  rag_error *err);
/* What is known of a table with vectors. */
struct pg_making;
struct pg_vector_state {
    int there, half, prepared, indexed, has_halfvec;
    int64_t dimension; /* -1: not limited, or no such column */
    char md5[13];      /* the beginning of the hash of its name */
};
rag_status pg_vector_look(const struct pg_making *m, const char *table,
                          struct pg_vector_state *out);
/* Named by LightRAG's rule. */
rag_status pg_vector_make_index(const struct pg_making *m, const char *table, const char *md5,
                                const char *suffix, const char *on);

/* vector_index.c: indexes of vectors that are missing, for tables with rows; of all spaces, */
rag_status pg_vector_index_all(const rag_call *call, rag_error *err);
/* or of one whose table has grown without: after a write of it, or when it is defined. */
void pg_vector_index_grown(const rag_call *call, const char *name, const struct pg_space *space);
void pg_vector_index_defined(const rag_call *call, const char *name, const struct pg_space *space);

/* vector_adopt.c: spaces that LightRAG filled get their record, for callers that write. */
rag_status pg_vector_adopt(const rag_call *call, rag_error *err);
/* For callers that read: a warning for each of the three that has none yet. */
void pg_vector_mention(const rag_call *call);
/* The model of a space of that kind, which becomes known when it is defined; or, when it is another
 * one, what is known of it, in *facts. */
rag_status pg_vector_settle_model(const rag_call *call, const char *name, const char *table,
                                  const rag_vector_space *wanted, rag_vector_space *facts,
                                  rag_error *err);

/* Rows of this workspace in LightRAG's table without a model: they would be a space again. */
rag_status pg_vector_clear_old(const rag_call *call, struct pg_conn *conn, const char *name,
                               rag_error *err);
/* current_setting('ragstore.workspace') until the transaction ends, for statements made on the spot. */
rag_status pg_vector_name_workspace(const rag_call *call, struct pg_conn *conn, rag_error *err);

/* vector_statements.c: made once for each place. */
rag_status pg_vector_statements_of(struct pg_server *s, const struct pg_vector_place *place,
                                   const struct pg_table *table,
                                   const struct pg_vector_statements **out, rag_error *err);
void pg_vector_statements_free(struct pg_server *s);
/* A condition: rows that pgvector cannot compare, which a partial index keeps. `alias` with its dot, or
 * "". */
void pg_vector_add_odd(struct pg_text *t, int half, const char *alias);

/* vector_bytes.c: vectors as pgvector sends them. A space of type float16 rounds, and refuses what
 * it cannot hold, naming `id`. */
rag_status pg_vector_encode(const rag_host *host, const rag_vector_space *space, int half,
                            rag_slice id, const float *v, size_t n, struct pg_text *out,
                            rag_error *err);
/* Into *buffer, which is cleared, as floats. */
rag_status pg_vector_decode(const rag_host *host, rag_slice bytes, struct pg_text *buffer,
                            const float **v, size_t *n, rag_error *err);

/* The texts of a payload that name entities: "entity_name", "src_id", "tgt_id". Those that columns
 * of `table` hold (NULL: none does) are left out. */
enum { PG_NAMES = 3 };
struct pg_names {
    struct pg_text text[PG_NAMES];
    int there[PG_NAMES];
};
rag_status pg_names_of(const rag_host *host, const struct pg_table *table, rag_slice payload,
                       struct pg_names *out, rag_error *err);
void pg_names_add(const struct pg_names *names, struct pg_array columns[PG_NAMES]);
void pg_names_free(struct pg_names *names);

/* vector.c */
rag_status pg_vector_write(const rag_call *call, struct pg_conn *conn, const struct pg_space *space,
                           const char *name, const rag_vector_item *items, size_t n,
                           rag_error *err);
rag_status pg_vector_erase(const rag_call *call, struct pg_conn *conn, const struct pg_space *space,
                           const char *name, const rag_slice *ids, size_t n, uint64_t *erased,
                           rag_error *err);
/* A row of an answer, appended: what was asked for of it. */
rag_status pg_vector_append(const rag_call *call, const struct pg_space *space,
                            const PGresult *result, int row, rag_slice key, double score,
                            unsigned what, rag_result *out, rag_error *err);

/* vector_search.c */
rag_status pg_vector_search(const rag_call *call, const char *name_space,
                            const rag_vector_query *query, rag_result *out, rag_error *err);

/* vector_pending.c. The owner of pending rows is the opened backend, alive as long as a session of
 * its own holds an advisory lock. */
struct pg_owner;
rag_status pg_owner_new(struct pg_server *s, rag_error *err);
void pg_owner_free(struct pg_server *s);
rag_status pg_pending_put(const rag_call *call, const char *name_space,
                          const rag_pending_item *items, size_t n, rag_token *token,
                          rag_error *err);
rag_status pg_pending_delete(const rag_call *call, const char *name_space, const rag_slice *ids,
                             size_t n, rag_token *token, rag_error *err);
rag_status pg_pending_scan(const rag_call *call, const char *name_space, rag_slice after,
                           size_t limit, rag_result *out, rag_error *err);
rag_status pg_pending_resolve(const rag_call *call, const char *name_space,
                              const rag_pending_vector *vectors, size_t n, int keep,
                              uint64_t *applied, rag_token *token, rag_error *err);
rag_status pg_pending_drop(const rag_call *call, const char *name_space, uint64_t *dropped,
                           rag_error *err);
/* Queued: of these ids (bytea[]) those that wait, rows of *out with PG_PENDING_*. */
enum {
    PG_PENDING_PLACE,
    PG_PENDING_CREATED,
    PG_PENDING_VALUE,
    PG_PENDING_DELETE,
    PG_PENDING_VECTOR
};
rag_status pg_pending_queue(const rag_call *call, struct pg_conn *conn, const char *name,
                            const struct pg_array *ids, struct pg_params *params, PGresult **out,
                            rag_error *err);
/* Queued: what waits of n ids `stride` bytes apart is thrown away. The caller frees *d, with
 * pg_discard_free(), when it was sent or will not be. */
struct pg_discard {
    struct pg_params params;
    struct pg_array keys;
};
rag_status pg_pending_discard(const rag_call *call, struct pg_conn *conn, const char *name,
                              const rag_slice *ids, size_t stride, size_t n, struct pg_discard *d,
                              rag_error *err);
void pg_discard_free(struct pg_discard *d);

#endif
