/* The graph: one set of slots over statements, and the two layouts that have them: LightRAG's plain
 * tables and LightRAG's graph in Apache AGE. */
#ifndef POSTGRES_GRAPH_H
#define POSTGRES_GRAPH_H

#include "graph_value.h"
#include "schema.h"
#include "server.h"

/* Parameters: $1 the workspace; $2, $3 labels: those that are ids as text[], the others as bytea[],
 * which ends behind the last of them; of pairs $4, $5 the other ends. Answers: PG_GRAPH_* below. */
enum pg_graph_statement {
    PG_HAS_NODES, /* place */
    PG_GET_NODES,
    PG_NODE_DEGREES,
    PG_NODE_DEGREES_VALUES,
    PG_HAS_EDGES, /* of pairs of which no two have the same ends */
    PG_GET_EDGES,
    PG_INCIDENT, /* by place and neighbour (KEY2) */
    PG_INCIDENT_VALUES,
    PG_OLD_NODES, /* what is merged with: GET, and nobody else may change it */
    PG_OLD_EDGES,
    PG_PUT_NODES, /* $4, $5: values and layouts as text[] */
    PG_PUT_ENDS,  /* the ends of pairs that are not there */
    PG_PUT_EDGES, /* $6, $7: values and layouts */
    PG_DELETE_EDGES_OF,
    PG_DELETE_NODES,
    PG_DELETE_EDGES,
    PG_CLEAR_GRAPH,
    PG_SCAN_NODES, /* $2: the last label, $3: as far as it is a text, $4: limit; KEY: label */
    PG_SCAN_NODES_VALUES,
    PG_SCAN_DEGREES,
    PG_SCAN_DEGREES_VALUES,
    PG_SCAN_EDGES, /* $2, $3: position, $4: limit; KEY, KEY2: ends; ID, ID2: position */
    PG_SCAN_EDGES_VALUES,
    PG_POPULAR,    /* $2: limit; label, degree */
    PG_LABELS,     /* $2: folded query, $3, $4: what folds to what, $5: limit; label */
    PG_NEXT_LEVEL, /* of $2, $3: neighbours but for $4, $5, $6: limit; as PG_POPULAR */
    PG_BEYOND,     /* of $2, $3: a row when they have a neighbour that is none of them */
    PG_BETWEEN,    /* edges among $2, $3: the places of both ends */
    PG_BETWEEN_VALUES,
    PG_COUNT_GRAPH, /* nodes, edges, their bytes, their generations */
    PG_GRAPH_STATEMENTS
};

/* Columns of answers. */
enum {
    PG_GRAPH_KEY,
    PG_GRAPH_NUMBER,
    PG_GRAPH_EXTRA,
    PG_GRAPH_PROPERTIES,
    PG_GRAPH_KEY2,
    PG_GRAPH_ID,
    PG_GRAPH_ID2
};

enum { PG_GRAPH_LOCKS = 2 };

/* An abbreviation in a pattern of a statement: {name} or {name a b}; in `text` @1 and @2 are a and b. */
struct pg_graph_word {
    const char *name, *text;
};

struct pg_graph_layout {
    const char *name; /* as in the option `graph` */
    enum pg_graph_column column;
    const struct pg_graph_word *words; /* up to one without a name */
    const char *patterns[PG_GRAPH_STATEMENTS];
    const char *locks[PG_GRAPH_LOCKS]; /* run at the beginning of every write; NULL: none */
    const char *tidy;                  /* run when the store is optimized; NULL: none */
};
extern const struct pg_graph_layout pg_graph_tables, pg_graph_age;

/* The statements of an opened store. */
struct pg_graph_place {
    const struct pg_graph_layout *layout;
    const char *graph; /* of AGE: its name there */
    const char *sql[PG_GRAPH_STATEMENTS];
    const char *locks[PG_GRAPH_LOCKS], *tidy;
    struct pg_text strings;
};

rag_status pg_graph_place_new(const rag_host *host, const struct pg_graph_layout *layout,
                              const char *graph, struct pg_graph_place **out, rag_error *err);
/* One pattern written out, behind what is in `out`. */
void pg_graph_write_pattern(const struct pg_graph_layout *layout, const char *graph,
                            const char *pattern, struct pg_text *out);
void pg_graph_place_free(const rag_host *host, struct pg_graph_place *place);

/* Which layout the graph of the workspace has, decided at the first opening for writing (`create`):
 * s->graph (graph_choose.c). */
rag_status pg_graph_choose(struct pg_server *s, struct pg_conn *conn, const rag_context *ctx,
                           int create, rag_error *err);

/* LightRAG's name of the graph of a workspace in AGE. */
enum { PG_GRAPH_NAME_MAX = 63 };
void pg_age_graph_name(const char *workspace, char out[PG_GRAPH_NAME_MAX + 1]);

/* The graph of this name is in AGE, with everything that we need of it. */
rag_status pg_age_graph_there(const struct pg_making *m, const char *graph, int *there,
                              int *complete);
/* It has vertices. */
rag_status pg_age_has_rows(const struct pg_making *m, const char *graph, int *rows);
/* The extension can be used, or made. */
rag_status pg_age_offered(const struct pg_making *m, int *offered);
/* Make the extension, the graph, its labels and indexes, as far as they are missing; in a transaction. */
rag_status pg_age_make(const struct pg_making *m, const char *graph);

/* Rows of rag_store_namespaces() for a graph that no counters are kept of. */
rag_status pg_graph_namespaces(const rag_call *call, struct pg_conn *conn, rag_result *out,
                               rag_error *err);

/* For the planner, and against what others left behind. */
rag_status pg_graph_optimize(const rag_call *call, rag_error *err);

/* The graph has nodes. */
rag_status pg_graph_holds(const rag_call *call, struct pg_conn *conn, int *holds, rag_error *err);

/* Slots that are not in graph.c. */
rag_status pg_graph_put_nodes(const rag_call *call, const rag_node *nodes, size_t n,
                              rag_put_mode mode, rag_token *token, rag_error *err);
rag_status pg_graph_put_edges(const rag_call *call, const rag_edge *edges, size_t n,
                              rag_put_mode mode, rag_token *token, rag_error *err);
rag_status pg_graph_delete_nodes(const rag_call *call, const rag_slice *labels, size_t n,
                                 uint64_t *deleted, rag_token *token, rag_error *err);
rag_status pg_graph_delete_edges(const rag_call *call, const rag_pair *pairs, size_t n,
                                 uint64_t *deleted, rag_token *token, rag_error *err);
rag_status pg_graph_drop(const rag_call *call, rag_error *err);
rag_status pg_graph_popular(const rag_call *call, size_t limit, rag_result *out, rag_error *err);
rag_status pg_graph_label_candidates(const rag_call *call, const rag_label_query *query,
                                     size_t limit, rag_result *out, rag_error *err);
rag_status pg_graph_view(const rag_call *call, rag_slice label,
                         const rag_graph_view_options *options, rag_result *nodes,
                         rag_result *edges, rag_error *err);

#endif
