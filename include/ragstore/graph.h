/* The knowledge graph: undirected, one per workspace, at most one edge between two nodes.
 *
 * A node is named by its label, which is UTF-8. Attributes of nodes and edges are a flat JSON object
 * whose members are strings, numbers or booleans; names are not empty, do not start with '$' and
 * contain no '.'.
 * Integers fit 64 bits, other numbers are finite, strings hold only characters that XML 1.0 has, and
 * no name comes twice.
 * What breaks these rules is refused before anything is changed, because some backends and
 * LightRAG's own files could not hold it. */
#ifndef RAGSTORE_GRAPH_H
#define RAGSTORE_GRAPH_H

#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rag_node {
    rag_slice label;
    rag_slice value; /* JSON object of attributes */
} rag_node;

typedef struct rag_edge {
    rag_slice source, target; /* either order names the same edge */
    rag_slice value;
} rag_edge;

typedef struct rag_pair {
    rag_slice source, target;
} rag_pair;

typedef enum rag_put_mode {
    RAG_PUT_MERGE = 0,  /* new attributes win, others of the row stay */
    RAG_PUT_REPLACE = 1 /* the attributes are exactly those given */
} rag_put_mode;

/* Create or change n nodes, all or none; equal ones in one call as if put one after the other. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_graph_put_nodes(rag_store *store, const rag_context *ctx,
                                                          const rag_node *nodes, size_t n,
                                                          rag_put_mode mode, rag_token *token,
                                                          rag_error *err);

/* Create or change n edges, all or none; equal ones in one call as if put one after the other. A
 * missing end is created without attributes. The order of ends given first is kept and returned by
 * scans. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_graph_put_edges(rag_store *store, const rag_context *ctx,
                                                          const rag_edge *edges, size_t n,
                                                          rag_put_mode mode, rag_token *token,
                                                          rag_error *err);

/* What rows of nodes and edges carry beside their names. */
enum {
    RAG_GRAPH_VALUES = 1, /* value: the attributes */
    RAG_GRAPH_DEGREES = 2 /* number: the degree, which some backends have to count */
};

/* n nodes in the order asked, absent ones with found = 0: key = label; number = degree (a self loop
 * counts 2; 0 when absent) and value when `what` asks for them. With what = 0 this answers "does it
 * exist". */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_graph_get_nodes(rag_store *store, const rag_context *ctx,
                                                          const rag_slice *labels, size_t n,
                                                          unsigned what, rag_result **out,
                                                          rag_error *err);

/* n edges in the order and orientation asked: key = source, key2 = target; when asked for, value, and
 * number = degree of source + degree of target (also where there is no such edge; a missing node has
 * degree 0). */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_graph_get_edges(rag_store *store, const rag_context *ctx,
                                                          const rag_pair *pairs, size_t n,
                                                          unsigned what, rag_result **out,
                                                          rag_error *err);

/* The edges at n nodes; `what` is 0 or RAG_GRAPH_VALUES. For each label in the order asked one header
 * row (key = label, found, number = how many edge rows follow), then a row per edge: key = label,
 * key2 = neighbour, ordered by neighbour, and the value when asked for. A self loop is one row. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_graph_incident(rag_store *store, const rag_context *ctx,
                                                         const rag_slice *labels, size_t n,
                                                         unsigned what, rag_result **out,
                                                         rag_error *err);

/* Delete n nodes with all their edges; absent ones are ignored. *deleted (may be NULL): nodes. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_graph_delete_nodes(rag_store *store,
                                                             const rag_context *ctx,
                                                             const rag_slice *labels, size_t n,
                                                             uint64_t *deleted, rag_token *token,
                                                             rag_error *err);

RAG_EXPORT RAG_WARN_UNUSED rag_status rag_graph_delete_edges(rag_store *store,
                                                             const rag_context *ctx,
                                                             const rag_pair *pairs, size_t n,
                                                             uint64_t *deleted, rag_token *token,
                                                             rag_error *err);

/* Nodes in order of label, as rag_kv_scan(): key; number = degree and value when asked for. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_graph_scan_nodes(rag_store *store, const rag_context *ctx,
                                                           rag_slice after, size_t limit,
                                                           unsigned what, rag_result **out,
                                                           rag_error *err);

/* Edges, each once, in the store's own order: key = source, key2 = target as first put; value when
 * `what` is RAG_GRAPH_VALUES. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_graph_scan_edges(rag_store *store, const rag_context *ctx,
                                                           rag_slice after, size_t limit,
                                                           unsigned what, rag_result **out,
                                                           rag_error *err);

RAG_EXPORT RAG_WARN_UNUSED rag_status rag_graph_count(rag_store *store, const rag_context *ctx,
                                                      uint64_t *nodes, uint64_t *edges,
                                                      rag_error *err);

/* The `limit` nodes of highest degree (equal degrees by label): key, number = degree. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_graph_popular(rag_store *store, const rag_context *ctx,
                                                        size_t limit, rag_result **out,
                                                        rag_error *err);

/* Up to `limit` labels (0: 50) that contain `query`, the best first: key = label, number = score.
 * Letters are compared without case (by code point, Unicode's simple lower case); every other
 * character stands for itself, also '%', '_' and '*'. Blanks around the query are dropped; a blank
 * query finds nothing. Score: 1000 for the whole label, 500 when it begins with the query, else 100
 * less the characters of the label, and 50 more where the query follows a blank or '_' in it. Equal
 * scores by label. Follows LightRAG's search_labels. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_graph_search_labels(rag_store *store,
                                                              const rag_context *ctx,
                                                              rag_slice query, size_t limit,
                                                              rag_result **out, rag_error *err);

typedef struct rag_graph_view_options {
    size_t struct_size;
    unsigned max_depth; /* how many edges from the start; ignored for the whole graph */
    size_t max_nodes;   /* 0: 1000 */
    unsigned what;      /* RAG_GRAPH_VALUES; degrees come in any case, as of get_nodes, get_edges */
} rag_graph_view_options;

#define RAG_GRAPH_VIEW_OPTIONS_INIT { sizeof(rag_graph_view_options), 3, 1000, 1 /* VALUES */ }

/* A bounded part of the graph. Label "*" takes the nodes of highest degree (equal ones by label);
 * another label goes out from it level by level, each level ordered by degree, then label, until
 * max_nodes are kept; an absent label gives an empty view. Edges are all those between two kept
 * nodes, each once with the smaller label as key. RAG_RESULT_TRUNCATED on *nodes says that
 * max_nodes cut something off (a cut by depth alone does not set it). Both results are the
 * caller's. Follows LightRAG's get_knowledge_graph. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_graph_view(rag_store *store, const rag_context *ctx,
                                                     rag_slice label,
                                                     const rag_graph_view_options *options,
                                                     rag_result **nodes, rag_result **edges,
                                                     rag_error *err);

/* Delete the whole graph, durably. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_graph_drop(rag_store *store, const rag_context *ctx,
                                                     rag_error *err);

#ifdef __cplusplus
}
#endif
#endif
