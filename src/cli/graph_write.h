/* A view of the graph in the forms that other programs read. Standard output. */
#ifndef CLI_GRAPH_WRITE_H
#define CLI_GRAPH_WRITE_H

#include "output.h"

/* What rag_graph_view() answered. */
typedef struct graph_view {
    const rag_result *nodes, *edges;
    int truncated;
} graph_view;

void graph_write_json(const graph_view *view); /* LightRAG's shape: nodes, edges, is_truncated */
void graph_write_graphml(const graph_view *view);
void graph_write_dot(const graph_view *view);

#endif
