/* Many edges by their ends: the slot. */
#ifndef EMBEDDED_GRAPH_EDGES_H
#define EMBEDDED_GRAPH_EDGES_H

#include <ragstore/backend.h>

rag_status graph_get_edges(const rag_call *call, const rag_pair *pairs, size_t n, unsigned what,
                           rag_result *out, rag_error *err);

#endif
