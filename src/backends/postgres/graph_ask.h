/* Asking about nodes by their labels and about edges by their ends. */
#ifndef POSTGRES_GRAPH_ASK_H
#define POSTGRES_GRAPH_ASK_H

#include "graph.h"

/* What several slots ask about: nodes by label, or pairs of them. */
struct pg_asked {
    const rag_slice *labels;
    const rag_pair *pairs;
    size_t n;
    unsigned what;
    rag_result *out;
    uint64_t deleted;
};

/* Labels as parameters. */
struct pg_labels {
    struct pg_array texts, bytes;
};

struct pg_ends {
    struct pg_labels sources, targets; /* of nodes: sources alone */
};

/* 1 when a label is its own id. */
int pg_is_id(rag_slice label);

void pg_labels_begin(struct pg_labels *l, const rag_host *host);
void pg_labels_add(struct pg_labels *l, rag_slice label);
void pg_labels_free(struct pg_labels *l);

/* The ends of what is asked about; freed in any case. */
void pg_ends_of(const struct pg_asked *q, const rag_host *host, struct pg_ends *e);
void pg_ends_free(struct pg_ends *e);

/* Of n pairs each once, whichever way round it is given; the i-th given is pairs[which[i]]. */
struct pg_distinct {
    rag_pair *pairs;
    size_t *which, count;
};

rag_status pg_distinct_pairs(const rag_host *host, const rag_pair *pairs, size_t n,
                             struct pg_distinct *out, rag_error *err);
/* Of the ends of n pairs, each as a pair of itself; those of the i-th are which[2 * i] and the next. */
rag_status pg_distinct_ends(const rag_host *host, const rag_pair *pairs, size_t n,
                            struct pg_distinct *out, rag_error *err);
void pg_distinct_free(const rag_host *host, struct pg_distinct *d);

/* $2 and $3, or $4 and $5. */
void pg_add_labels(struct pg_params *params, const struct pg_labels *l);

rag_status pg_graph_run(const rag_call *call, struct pg_conn *conn, enum pg_graph_statement which,
                        const struct pg_params *params, const char *what, PGresult **out,
                        rag_error *err);

/* A statement over the ends of what is asked about. */
rag_status pg_ask(const rag_call *call, struct pg_conn *conn, const struct pg_asked *q,
                  const struct pg_ends *e, enum pg_graph_statement which, const char *what,
                  PGresult **out, rag_error *err);

/* where[i]: the row of the answer for the i-th of n, plus 1; freed by the caller. */
rag_status pg_places(const rag_host *host, const PGresult *result, size_t n, int **where,
                     rag_error *err);

/* Add the value of a row of an answer to *row, when it is asked for. */
rag_status pg_with_value(const rag_call *call, enum pg_graph_kind kind, unsigned what,
                         const PGresult *result, int at, struct pg_text *value, rag_row *row,
                         rag_error *err);

#endif
