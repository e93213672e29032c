/* Attributes of nodes and edges, and the JSONB column that LightRAG keeps them in. */
#ifndef POSTGRES_GRAPH_VALUE_H
#define POSTGRES_GRAPH_VALUE_H

#include "text.h"

enum pg_graph_kind { PG_NODE, PG_EDGE };

/* Into *extra what ragstore_extra has to say of `value`, empty for NULL; `label` of a node that is
 * LightRAG's id, too, else empty. */
rag_status pg_attributes_extra(const rag_host *host, enum pg_graph_kind kind, rag_slice label,
                               rag_slice value, struct pg_text *extra, rag_error *err);

/* The attributes of a row from both of its columns, into *out, which is cleared. `extra` without data:
 * NULL. */
rag_status pg_attributes_value(const rag_host *host, enum pg_graph_kind kind, rag_slice extra,
                               rag_slice properties, struct pg_text *out, rag_error *err);

#endif
