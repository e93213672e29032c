/* Reader of graph_*.graphml. */
#ifndef LIGHTRAG_FILES_GRAPHML_READER_H
#define LIGHTRAG_FILES_GRAPHML_READER_H

#include "batch.h"

/* Rows of kinds LIGHTRAG_NODES and LIGHTRAG_EDGES; job->summary has their numbers. A node or an
 * edge that comes twice gives two rows, to be merged in order. Directed graphs and hyperedges are
 * RAG_E_UNSUPPORTED; what is no GraphML, or declares entities, is RAG_E_CORRUPT with file, line and
 * byte. */
rag_status lightrag_read_graph(struct lightrag_job *job, rag_error *err);

#endif
