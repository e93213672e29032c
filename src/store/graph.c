/* The graph: rag_graph_*.
 *
 * Slots never see a node or an unordered pair twice in one call. Repetitions are folded here so that
 * the outcome is that of putting them one after another: with RAG_PUT_MERGE the attributes are
 * merged in order, with RAG_PUT_REPLACE the last wins; an edge keeps the order of its ends in which
 * it came first. */
#include <string.h>

#include "attributes.h"
#include "core/alloc.h"
#include "core/json.h"
#include "core/limits.h"
#include "core/result.h"
#include "core/slice_index.h"
#include "dispatch.h"

enum { POPULAR_DEFAULT = 300 };

/* ---- what is written ----------------------------------------------------------------------------- */

/* `value` is put after *have. */
static rag_status fold(rag_slice *have, rag_slice value, rag_put_mode mode, struct arena *arena,
                       rag_error *err)
{
    if (mode == RAG_PUT_REPLACE) {
        *have = value;
        return RAG_OK;
    }
    char *text = NULL;
    size_t len = 0;
    RAG_TRY(json_merge(*have, value, &text, &len, err));
    const char *copy = arena_copy(arena, text, len);
    rag_free(text);
    if (!copy)
        return rag_fail_memory(err);
    *have = slice_of(copy, len);
    return RAG_OK;
}

static rag_status check_mode(rag_put_mode mode, rag_error *err)
{
    if (mode != RAG_PUT_MERGE && mode != RAG_PUT_REPLACE)
        return rag_fail(err, RAG_E_INVALID, "unknown put mode %d", (int)mode);
    return RAG_OK;
}

static rag_status check_node(const rag_node *node, rag_error *err)
{
    RAG_TRY(check_label(node->label, "label of a node", err));
    RAG_TRY(check_slice(node->value, "attributes", err));
    return attributes_check(node->value, "node", node->label, err);
}

rag_status nodes_prepare(const rag_node *nodes, size_t n, rag_put_mode mode, struct prepared *out,
                         rag_error *err)
{
    RAG_TRY(check_mode(mode, err));
    RAG_TRY(check_count(nodes, n, "nodes", err));
    rag_node *ready = arena_alloc(&out->arena, n * sizeof *ready);
    if (!ready)
        return rag_fail_memory(err);
    struct slice_index seen = SLICE_INDEX_INIT;
    rag_status status = RAG_OK;
    size_t count = 0;
    for (size_t i = 0; status == RAG_OK && i < n; i++) {
        RAG_TRY_CLEANUP(check_node(&nodes[i], err));
        const size_t before = count;
        size_t at;
        RAG_TRY_CLEANUP(slice_index_place(&seen, nodes[i].label, &count, &at, err));
        if (at < before)
            status = fold(&ready[at].value, nodes[i].value, mode, &out->arena, err);
        else
            ready[at] = nodes[i];
    }
    out->items = ready;
    out->count = count;
cleanup:
    slice_index_free(&seen);
    return status;
}

/* One text for both orders of two labels: the length of the smaller, then both. */
static rag_status pair_key(rag_slice a, rag_slice b, struct arena *arena, rag_slice *key,
                           rag_error *err)
{
    if (slice_compare(a, b) > 0) {
        const rag_slice swap = a;
        a = b;
        b = swap;
    }
    const uint32_t first = (uint32_t)a.len;
    char *text = arena_alloc(arena, sizeof first + a.len + b.len);
    if (!text)
        return rag_fail_memory(err);
    memcpy(text, &first, sizeof first);
    memcpy(text + sizeof first, a.data, a.len);
    memcpy(text + sizeof first + a.len, b.data, b.len);
    *key = slice_of(text, sizeof first + a.len + b.len);
    return RAG_OK;
}

static rag_status check_edge(const rag_edge *edge, rag_error *err)
{
    RAG_TRY(check_label(edge->source, "source of an edge", err));
    RAG_TRY(check_label(edge->target, "target of an edge", err));
    RAG_TRY(check_slice(edge->value, "attributes", err));
    return attributes_check(edge->value, "edge from", edge->source, err);
}

rag_status edges_prepare(const rag_edge *edges, size_t n, rag_put_mode mode, struct prepared *out,
                         rag_error *err)
{
    RAG_TRY(check_mode(mode, err));
    RAG_TRY(check_count(edges, n, "edges", err));
    rag_edge *ready = arena_alloc(&out->arena, n * sizeof *ready);
    if (!ready)
        return rag_fail_memory(err);
    struct slice_index seen = SLICE_INDEX_INIT;
    struct arena keys = { 0 };
    rag_status status = RAG_OK;
    size_t count = 0;
    for (size_t i = 0; status == RAG_OK && i < n; i++) {
        RAG_TRY_CLEANUP(check_edge(&edges[i], err));
        const size_t before = count;
        size_t at;
        rag_slice key;
        RAG_TRY_CLEANUP(pair_key(edges[i].source, edges[i].target, &keys, &key, err));
        RAG_TRY_CLEANUP(slice_index_place(&seen, key, &count, &at, err));
        if (at < before)
            status = fold(&ready[at].value, edges[i].value, mode, &out->arena, err);
        else
            ready[at] = edges[i];
    }
    out->items = ready;
    out->count = count;
cleanup:
    arena_free(&keys);
    slice_index_free(&seen);
    return status;
}

rag_status rag_graph_put_nodes(rag_store *store, const rag_context *ctx, const rag_node *nodes,
                               size_t n, rag_put_mode mode, rag_token *token, rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter_kind(store, ctx, STORE_GRAPH, NULL, STORE_WRITE, &c, err));
    struct prepared ready = { 0 };
    rag_token written = 0;
    rag_status status = nodes_prepare(nodes, n, mode, &ready, err);
    if (status == RAG_OK && ready.count)
        status = c.driver->graph.put_nodes(&c.call, ready.items, ready.count, mode, &written, err);
    if (status == RAG_OK && token)
        *token = written;
    arena_free(&ready.arena);
    return status;
}

rag_status rag_graph_put_edges(rag_store *store, const rag_context *ctx, const rag_edge *edges,
                               size_t n, rag_put_mode mode, rag_token *token, rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter_kind(store, ctx, STORE_GRAPH, NULL, STORE_WRITE, &c, err));
    struct prepared ready = { 0 };
    rag_token written = 0;
    rag_status status = edges_prepare(edges, n, mode, &ready, err);
    if (status == RAG_OK && ready.count)
        status = c.driver->graph.put_edges(&c.call, ready.items, ready.count, mode, &written, err);
    if (status == RAG_OK && token)
        *token = written;
    arena_free(&ready.arena);
    return status;
}

rag_status rag_graph_delete_nodes(rag_store *store, const rag_context *ctx, const rag_slice *labels,
                                  size_t n, uint64_t *deleted, rag_token *token, rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter_kind(store, ctx, STORE_GRAPH, NULL, STORE_WRITE, &c, err));
    RAG_TRY(check_labels(labels, n, "label of a node", err));
    uint64_t gone = 0;
    rag_token written = 0;
    if (n)
        RAG_TRY(c.driver->graph.delete_nodes(&c.call, labels, n, &gone, &written, err));
    if (deleted)
        *deleted = gone;
    if (token)
        *token = written;
    return RAG_OK;
}

rag_status rag_graph_delete_edges(rag_store *store, const rag_context *ctx, const rag_pair *pairs,
                                  size_t n, uint64_t *deleted, rag_token *token, rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter_kind(store, ctx, STORE_GRAPH, NULL, STORE_WRITE, &c, err));
    RAG_TRY(check_pairs(pairs, n, err));
    uint64_t gone = 0;
    rag_token written = 0;
    if (n)
        RAG_TRY(c.driver->graph.delete_edges(&c.call, pairs, n, &gone, &written, err));
    if (deleted)
        *deleted = gone;
    if (token)
        *token = written;
    return RAG_OK;
}

rag_status rag_graph_drop(rag_store *store, const rag_context *ctx, rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter_kind(store, ctx, STORE_GRAPH, NULL, STORE_WRITE, &c, err));
    return c.driver->graph.drop(&c.call, err);
}

/* ---- reading ------------------------------------------------------------------------------------- */

enum { NODE_BITS = RAG_GRAPH_VALUES | RAG_GRAPH_DEGREES };

/* The shared beginning of reads that answer with rows; of `what` the bits of `known` are allowed. */
static rag_status begin_read(rag_store *store, const rag_context *ctx, unsigned what,
                             unsigned known, const void *out, struct store_call *c, rag_error *err)
{
    RAG_TRY(store_enter_kind(store, ctx, STORE_GRAPH, NULL, STORE_READ, c, err));
    RAG_TRY(check_out(out, err));
    return check_bits(what, known, "what", err);
}

rag_status rag_graph_get_nodes(rag_store *store, const rag_context *ctx, const rag_slice *labels,
                               size_t n, unsigned what, rag_result **out, rag_error *err)
{
    struct store_call c;
    RAG_TRY(begin_read(store, ctx, what, NODE_BITS, out, &c, err));
    RAG_TRY(check_labels(labels, n, "label of a node", err));
    rag_result *rows = rag_result_new(err);
    if (!rows)
        return RAG_E_NO_MEMORY;
    rag_status status = RAG_OK;
    if (n)
        status = c.driver->graph.get_nodes(&c.call, labels, n, what, rows, err);
    return store_hand_over(status, rows, out);
}

rag_status rag_graph_get_edges(rag_store *store, const rag_context *ctx, const rag_pair *pairs,
                               size_t n, unsigned what, rag_result **out, rag_error *err)
{
    struct store_call c;
    RAG_TRY(begin_read(store, ctx, what, NODE_BITS, out, &c, err));
    RAG_TRY(check_pairs(pairs, n, err));
    rag_result *rows = rag_result_new(err);
    if (!rows)
        return RAG_E_NO_MEMORY;
    rag_status status = RAG_OK;
    if (n)
        status = c.driver->graph.get_edges(&c.call, pairs, n, what, rows, err);
    return store_hand_over(status, rows, out);
}

rag_status rag_graph_incident(rag_store *store, const rag_context *ctx, const rag_slice *labels,
                              size_t n, unsigned what, rag_result **out, rag_error *err)
{
    struct store_call c;
    RAG_TRY(begin_read(store, ctx, what, RAG_GRAPH_VALUES, out, &c, err));
    RAG_TRY(check_labels(labels, n, "label of a node", err));
    rag_result *rows = rag_result_new(err);
    if (!rows)
        return RAG_E_NO_MEMORY;
    rag_status status = RAG_OK;
    if (n)
        status = c.driver->graph.incident(&c.call, labels, n, what, rows, err);
    return store_hand_over(status, rows, out);
}

rag_status rag_graph_scan_nodes(rag_store *store, const rag_context *ctx, rag_slice after,
                                size_t limit, unsigned what, rag_result **out, rag_error *err)
{
    struct store_call c;
    RAG_TRY(begin_read(store, ctx, what, NODE_BITS, out, &c, err));
    rag_result *rows;
    RAG_TRY(store_begin_page(after, out, &rows, err));
    const rag_status status =
        c.driver->graph.scan_nodes(&c.call, after, clamp_scan(limit), what, rows, err);
    return store_hand_over_page(status, rows, out);
}

rag_status rag_graph_scan_edges(rag_store *store, const rag_context *ctx, rag_slice after,
                                size_t limit, unsigned what, rag_result **out, rag_error *err)
{
    struct store_call c;
    RAG_TRY(begin_read(store, ctx, what, RAG_GRAPH_VALUES, out, &c, err));
    rag_result *rows;
    RAG_TRY(store_begin_page(after, out, &rows, err));
    const rag_status status =
        c.driver->graph.scan_edges(&c.call, after, clamp_scan(limit), what, rows, err);
    return store_hand_over_page(status, rows, out);
}

rag_status rag_graph_count(rag_store *store, const rag_context *ctx, uint64_t *nodes,
                           uint64_t *edges, rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter_kind(store, ctx, STORE_GRAPH, NULL, STORE_READ, &c, err));
    uint64_t node_count = 0, edge_count = 0;
    RAG_TRY(c.driver->graph.count(&c.call, &node_count, &edge_count, err));
    if (nodes)
        *nodes = node_count;
    if (edges)
        *edges = edge_count;
    return RAG_OK;
}

rag_status rag_graph_popular(rag_store *store, const rag_context *ctx, size_t limit,
                             rag_result **out, rag_error *err)
{
    struct store_call c;
    RAG_TRY(begin_read(store, ctx, 0, 0, out, &c, err));
    if (!limit)
        limit = POPULAR_DEFAULT;
    if (limit > LIMIT_VIEW_NODES_MAX)
        limit = LIMIT_VIEW_NODES_MAX;
    rag_result *rows = rag_result_new(err);
    if (!rows)
        return RAG_E_NO_MEMORY;
    return store_hand_over(c.driver->graph.popular(&c.call, limit, rows, err), rows, out);
}

rag_status rag_graph_view(rag_store *store, const rag_context *ctx, rag_slice label,
                          const rag_graph_view_options *options, rag_result **nodes,
                          rag_result **edges, rag_error *err)
{
    struct store_call c;
    RAG_TRY(begin_read(store, ctx, 0, 0, nodes, &c, err));
    RAG_TRY(check_out(edges, err));
    RAG_TRY(check_label(label, "label of a node", err));
    rag_graph_view_options full = RAG_GRAPH_VIEW_OPTIONS_INIT;
    if (options)
        RAG_TRY(
            copy_options(options, sizeof full, &full, sizeof full, "rag_graph_view_options", err));
    RAG_TRY(check_bits(full.what, RAG_GRAPH_VALUES, "what", err));
    if (!full.max_nodes)
        full.max_nodes = LIMIT_VIEW_NODES_DEFAULT;
    if (full.max_nodes > LIMIT_VIEW_NODES_MAX)
        full.max_nodes = LIMIT_VIEW_NODES_MAX;
    if (full.max_depth > LIMIT_VIEW_DEPTH_MAX)
        full.max_depth = LIMIT_VIEW_DEPTH_MAX;
    rag_result *kept = rag_result_new(err), *between = kept ? rag_result_new(err) : NULL;
    rag_status status = RAG_E_NO_MEMORY;
    if (between)
        status = c.driver->graph.view(&c.call, label, &full, kept, between, err);
    (void)store_hand_over(status, kept, nodes);
    return store_hand_over(status, between, edges);
}
