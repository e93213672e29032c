/* Bounded views of the graph: the slot. */
#ifndef EMBEDDED_GRAPH_VIEW_H
#define EMBEDDED_GRAPH_VIEW_H

#include <ragstore/backend.h>

rag_status graph_view(const rag_call *call, rag_slice label, const rag_graph_view_options *options,
                      rag_result *nodes, rag_result *edges, rag_error *err);

#endif
