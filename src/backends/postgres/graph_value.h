/* Attributes of nodes and edges, and the column that LightRAG keeps them in: JSONB, or agtype in AGE. */
#ifndef POSTGRES_GRAPH_VALUE_H
#define POSTGRES_GRAPH_VALUE_H

#include "text.h"

enum pg_graph_kind { PG_NODE, PG_EDGE };
enum pg_graph_column { PG_COLUMN_JSONB, PG_COLUMN_AGTYPE };

/* What is written of a row. */
struct pg_attributes {
    enum pg_graph_kind kind;
    enum pg_graph_column column;
    struct pg_text extra; /* what ragstore_extra has to say of the value, empty for NULL */
    struct pg_text taken; /* the value as the column takes it, empty: as it is */
};

/* `label` of a node that is LightRAG's id, too, else empty. */
rag_status pg_attributes_write(struct pg_attributes *a, rag_slice label, rag_slice value,
                               rag_error *err);

/* The attributes of a row from both of its columns, into *out, which is cleared. `extra` without data:
 * NULL. */
rag_status pg_attributes_value(const rag_host *host, enum pg_graph_kind kind, rag_slice extra,
                               rag_slice properties, struct pg_text *out, rag_error *err);

#endif
