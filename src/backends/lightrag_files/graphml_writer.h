/* Writer of graph_*.graphml: begin, all nodes, all edges, end. */
#ifndef LIGHTRAG_FILES_GRAPHML_WRITER_H
#define LIGHTRAG_FILES_GRAPHML_WRITER_H

#include "output.h"

struct graphml_key {
    char *name;
    size_t name_len;
    int of_edge;
    const char *type; /* static text */
};

struct graphml_writer {
    const struct lightrag_output *out;
    uint64_t nodes, edges;
    struct graphml_key *keys; /* in order of first use, which is their number */
    size_t key_count;
    struct buffer text;
};

void graphml_begin(struct graphml_writer *w, const struct lightrag_output *out);
/* A node: key = label; an edge: key, key2 = its ends. RAG_E_INVALID: a label that XML cannot hold. */
rag_status graphml_node(struct graphml_writer *w, const rag_row *row, rag_error *err);
rag_status graphml_edge(struct graphml_writer *w, const rag_row *row, rag_error *err);
rag_status graphml_end(struct graphml_writer *w, rag_error *err);
/* Whether XML has all characters of a label, which is UTF-8. */
int graphml_holds(rag_slice bytes);
void graphml_free(struct graphml_writer *w);

#endif
