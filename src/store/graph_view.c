/* Popular nodes and bounded views of the graph, in terms of batch reads: what a backend without
 * slots of its own gets. The order and the rule of truncation are LightRAG's (get_knowledge_graph).
 *
 * A view from a node goes out level by level. Per level there are two batch reads: the degrees of
 * the candidates, which decide who is kept, and the neighbours of those kept, which are the
 * candidates of the next level and at the same time the edges between kept nodes. Attributes are
 * read at the end, for what is kept only: a hub may have thousands of edges that are not.
 * Labels are numbered by a hash table as they are seen; edges are pairs of numbers.
 *
 * The reads are separate snapshots unless the caller has a transaction: a node or an edge that goes
 * away meanwhile is left out. */
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/limits.h"
#include "core/result.h"
#include "core/slice_index.h"
#include "dispatch.h"

enum { READ_BATCH = 4096, SCAN_BATCH = 8192 };

struct view_node {
    rag_slice label;
    int64_t degree;
    int kept;
};

struct view_edge {
    size_t source, target; /* numbers of nodes */
};

struct view {
    const rag_call *call;
    const rag_graph_table *graph;
    struct arena labels;
    struct slice_index numbers; /* label -> number */
    struct view_node *nodes;    /* everything seen */
    size_t node_count, node_capacity;
    struct view_edge *edges;
    size_t edge_count, edge_capacity;
    size_t *kept; /* numbers, in order */
    size_t kept_count, max_nodes;
    int cut_off; /* a neighbour beyond the depth was seen */
};

/* The number of `label`; a new one when it was not seen before (*is_new). */
static rag_status number_of(struct view *v, rag_slice label, size_t *number, int *is_new,
                            rag_error *err)
{
    *number = slice_index_find(&v->numbers, label);
    *is_new = *number == SLICE_INDEX_NONE;
    if (!*is_new)
        return RAG_OK;
    if (!rag_make_room(&v->nodes, v->node_count, &v->node_capacity, sizeof *v->nodes))
        return rag_fail_memory(err);
    const char *copy = arena_copy(&v->labels, label.data, label.len);
    if (!copy)
        return rag_fail_memory(err);
    const rag_slice own = slice_of(copy, label.len);
    RAG_TRY(slice_index_put(&v->numbers, own, v->node_count, NULL, err));
    *number = v->node_count++;
    v->nodes[*number] = (struct view_node){ own, 0, 0 };
    return RAG_OK;
}

static int by_degree(const void *left, const void *right)
{
    const struct view_node *a = left, *b = right;
    if (a->degree != b->degree)
        return a->degree > b->degree ? -1 : 1;
    return slice_compare(a->label, b->label);
}

/* ---- popular ------------------------------------------------------------------------------------- */

/* The best `limit` nodes so far: a heap with the worst of them on top. */
struct best {
    struct view_node *heap;
    size_t count, capacity, limit;
    struct arena labels;
};

static void sift_down(struct best *b, size_t i)
{
    for (;;) {
        size_t worst = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < b->count; child++)
            if (by_degree(&b->heap[child], &b->heap[worst]) > 0)
                worst = child;
        if (worst == i)
            return;
        const struct view_node swap = b->heap[i];
        b->heap[i] = b->heap[worst];
        b->heap[worst] = swap;
        i = worst;
    }
}

static void sift_up(struct best *b, size_t i)
{
    while (i && by_degree(&b->heap[i], &b->heap[(i - 1) / 2]) > 0) {
        const struct view_node swap = b->heap[i];
        b->heap[i] = b->heap[(i - 1) / 2];
        b->heap[(i - 1) / 2] = swap;
        i = (i - 1) / 2;
    }
}

static rag_status consider(struct best *b, const rag_row *row, rag_error *err)
{
    struct view_node node = { row->key, row->number, 0 };
    const int full = b->heap && b->count == b->limit;
    if (full && by_degree(&node, &b->heap[0]) >= 0)
        return RAG_OK;
    const char *copy = arena_copy(&b->labels, row->key.data, row->key.len);
    if (!copy)
        return rag_fail_memory(err);
    node.label.data = copy;
    if (full) {
        b->heap[0] = node;
        sift_down(b, 0);
        return RAG_OK;
    }
    if (!rag_make_room(&b->heap, b->count, &b->capacity, sizeof *b->heap))
        return rag_fail_memory(err);
    b->heap[b->count] = node;
    sift_up(b, b->count++);
    return RAG_OK;
}

/* One page of nodes; *after is where the next one goes on (in `position`), empty at the end. */
static rag_status consider_page(const rag_call *call, struct best *b, struct arena *position,
                                rag_slice *after, rag_error *err)
{
    rag_result *rows = rag_result_new(err);
    if (!rows)
        return RAG_E_NO_MEMORY;
    const rag_graph_table *graph = &store_call_of(call)->driver->graph;
    rag_status status = call->host->check(call->ctx, err);
    if (status == RAG_OK)
        status = graph->scan_nodes(call, *after, SCAN_BATCH, RAG_GRAPH_DEGREES, rows, err);
    for (size_t i = 0; status == RAG_OK && i < rows->count; i++)
        status = consider(b, &rows->rows[i], err);
    if (status == RAG_OK) {
        const rag_slice next = rag_result_next(rows);
        arena_free(position);
        const char *copy = arena_copy(position, next.data, next.len);
        *after = slice_of(copy, next.len);
        if (!copy)
            status = rag_fail_memory(err);
    }
    rag_result_free(rows);
    return status;
}

rag_status fallback_graph_popular(const rag_call *call, size_t limit, rag_result *out,
                                  rag_error *err)
{
    struct best b = { .limit = limit };
    struct arena position = { 0 };
    rag_slice after = slice_of("", 0);
    rag_status status;
    do
        status = consider_page(call, &b, &position, &after, err);
    while (status == RAG_OK && after.len);
    if (status == RAG_OK && b.count)
        qsort(b.heap, b.count, sizeof *b.heap, by_degree);
    for (size_t i = 0; status == RAG_OK && i < b.count; i++) {
        const rag_row row = { .key = b.heap[i].label, .number = b.heap[i].degree, .found = 1 };
        status = rag_result_append(out, &row, err);
    }
    arena_free(&position);
    arena_free(&b.labels);
    rag_free(b.heap);
    return status;
}

/* ---- views --------------------------------------------------------------------------------------- */

/* Remember an edge row of a kept node; a neighbour not seen before joins the next level, which is
 * the tail of v->nodes, unless `deeper` is 0. */
static rag_status note_edge(struct view *v, size_t source, rag_slice neighbour, int deeper,
                            rag_error *err)
{
    size_t target;
    int is_new = 0;
    if (deeper) {
        RAG_TRY(number_of(v, neighbour, &target, &is_new, err));
    } else {
        /* nothing to learn from it: the edge, if it counts, is seen from its smaller end */
        if (v->cut_off && slice_compare(v->nodes[source].label, neighbour) > 0)
            return RAG_OK;
        target = slice_index_find(&v->numbers, neighbour);
        if (target == SLICE_INDEX_NONE) {
            v->cut_off = 1;
            return RAG_OK;
        }
    }
    /* it will be seen from its other end as well: kept once, with the smaller label first */
    if (slice_compare(v->nodes[source].label, v->nodes[target].label) > 0)
        return RAG_OK;
    if (!rag_make_room(&v->edges, v->edge_count, &v->edge_capacity, sizeof *v->edges))
        return rag_fail_memory(err);
    v->edges[v->edge_count++] = (struct view_edge){ source, target };
    return RAG_OK;
}

/* The edges at kept nodes first .. v->kept_count. */
static rag_status read_neighbours(struct view *v, size_t first, int deeper, rag_error *err)
{
    rag_slice labels[READ_BATCH / 16];
    const size_t batch = sizeof labels / sizeof *labels;
    while (first < v->kept_count) {
        size_t n = 0;
        while (n < batch && first + n < v->kept_count) {
            labels[n] = v->nodes[v->kept[first + n]].label;
            n++;
        }
        rag_result *rows = rag_result_new(err);
        if (!rows)
            return RAG_E_NO_MEMORY;
        rag_status status = v->call->host->check(v->call->ctx, err);
        if (status == RAG_OK)
            status = v->graph->incident(v->call, labels, n, 0, rows, err);
        size_t row = 0;
        for (size_t i = 0; status == RAG_OK && i < n && row < rows->count; i++) {
            int64_t left = rows->rows[row++].number; /* the header */
            for (; status == RAG_OK && left > 0 && row < rows->count; left--, row++)
                status = note_edge(v, v->kept[first + i], rows->rows[row].key2, deeper, err);
        }
        rag_result_free(rows);
        RAG_TRY(status);
        first += n;
    }
    return RAG_OK;
}

/* Degrees of nodes first .. v->node_count; those that are not there (any more) get -1. */
static rag_status read_degrees(struct view *v, size_t first, rag_error *err)
{
    rag_slice labels[READ_BATCH / 16];
    const size_t batch = sizeof labels / sizeof *labels;
    while (first < v->node_count) {
        size_t n = 0;
        while (n < batch && first + n < v->node_count) {
            labels[n] = v->nodes[first + n].label;
            n++;
        }
        rag_result *rows = rag_result_new(err);
        if (!rows)
            return RAG_E_NO_MEMORY;
        rag_status status = v->call->host->check(v->call->ctx, err);
        if (status == RAG_OK)
            status = v->graph->get_nodes(v->call, labels, n, RAG_GRAPH_DEGREES, rows, err);
        for (size_t i = 0; status == RAG_OK && i < n && i < rows->count; i++)
            v->nodes[first + i].degree = rows->rows[i].found ? rows->rows[i].number : -1;
        rag_result_free(rows);
        RAG_TRY(status);
        first += n;
    }
    return RAG_OK;
}

/* Keep the best of the level first .. last while there is room. */
static rag_status keep_level(struct view *v, size_t first, size_t last, rag_error *err)
{
    struct ranked {
        struct view_node node;
        size_t number;
    } *order = rag_alloc_array(last - first, sizeof *order);
    if (!order)
        return rag_fail_memory(err);
    size_t count = 0;
    for (size_t i = first; i < last; i++)
        if (v->nodes[i].degree >= 0)
            order[count++] = (struct ranked){ v->nodes[i], i };
    if (count)
        qsort(order, count, sizeof *order, by_degree); /* the node comes first in it */
    for (size_t i = 0; i < count && v->kept_count < v->max_nodes; i++) {
        v->nodes[order[i].number].kept = 1;
        v->kept[v->kept_count++] = order[i].number;
    }
    rag_free(order);
    return RAG_OK;
}

static rag_status walk(struct view *v, rag_slice start, unsigned max_depth, rag_error *err)
{
    size_t number, first = 0;
    int is_new;
    RAG_TRY(number_of(v, start, &number, &is_new, err));
    for (unsigned depth = 0; first < v->node_count && v->kept_count < v->max_nodes; depth++) {
        const size_t last = v->node_count, kept = v->kept_count;
        RAG_TRY(read_degrees(v, first, err));
        RAG_TRY(keep_level(v, first, last, err));
        RAG_TRY(read_neighbours(v, kept, depth < max_depth, err));
        first = last;
    }
    return RAG_OK;
}

/* The whole graph: its most popular nodes. */
static rag_status take_popular(struct view *v, rag_result *nodes, rag_error *err)
{
    rag_result *rows = rag_result_new(err);
    if (!rows)
        return RAG_E_NO_MEMORY;
    uint64_t node_count = 0, edge_count = 0;
    rag_status status = v->graph->count(v->call, &node_count, &edge_count, err);
    if (status == RAG_OK)
        status = v->graph->popular(v->call, v->max_nodes, rows, err);
    for (size_t i = 0; status == RAG_OK && i < rows->count; i++) {
        size_t number;
        int is_new;
        status = number_of(v, rows->rows[i].key, &number, &is_new, err);
        if (status == RAG_OK && is_new) {
            v->nodes[number].kept = 1;
            v->nodes[number].degree = rows->rows[i].number;
            v->kept[v->kept_count++] = number;
        }
    }
    rag_result_free(rows);
    if (status == RAG_OK && node_count > v->max_nodes)
        rag_result_add_flags(nodes, RAG_RESULT_TRUNCATED);
    v->cut_off = 1; /* does not matter here */
    return status == RAG_OK ? read_neighbours(v, 0, 0, err) : status;
}

/* Leave out the rows from `first` on that turned out to be absent. */
static void drop_absent(rag_result *r, size_t first)
{
    size_t count = first;
    for (size_t i = first; i < r->count; i++)
        if (r->rows[i].found)
            r->rows[count++] = r->rows[i];
    rag_result_truncate(r, count);
}

static rag_status give_nodes(struct view *v, unsigned what, rag_result *nodes, rag_error *err)
{
    rag_slice *labels = rag_alloc_array(v->kept_count, sizeof *labels);
    if (!labels)
        return rag_fail_memory(err);
    rag_status status = RAG_OK;
    for (size_t i = 0; status == RAG_OK && i < v->kept_count; i++) {
        const struct view_node *node = &v->nodes[v->kept[i]];
        const rag_row row = { .key = node->label, .number = node->degree, .found = 1 };
        labels[i] = node->label;
        if (!(what & RAG_GRAPH_VALUES))
            status = rag_result_append(nodes, &row, err);
    }
    for (size_t i = 0; status == RAG_OK && what & RAG_GRAPH_VALUES && i < v->kept_count;) {
        const size_t left = v->kept_count - i, n = left < READ_BATCH ? left : READ_BATCH;
        const size_t before = nodes->count;
        status = v->graph->get_nodes(v->call, labels + i, n, what, nodes, err);
        for (size_t j = 0; status == RAG_OK && j < n; j++)
            nodes->rows[before + j].number = v->nodes[v->kept[i + j]].degree;
        drop_absent(nodes, before);
        i += n;
    }
    rag_free(labels);
    return status;
}

/* The edges between kept nodes to the front of v->edges. */
static void keep_edges(struct view *v)
{
    size_t count = 0;
    for (size_t i = 0; i < v->edge_count; i++)
        if (v->nodes[v->edges[i].source].kept && v->nodes[v->edges[i].target].kept)
            v->edges[count++] = v->edges[i];
    v->edge_count = count;
}

/* Of both ends of an edge together. */
static int64_t degrees(const struct view *v, size_t edge)
{
    return v->nodes[v->edges[edge].source].degree + v->nodes[v->edges[edge].target].degree;
}

static rag_status give_edges(struct view *v, unsigned what, rag_result *edges, rag_error *err)
{
    keep_edges(v);
    rag_pair *pairs = rag_alloc_array(v->edge_count, sizeof *pairs);
    if (!pairs)
        return rag_fail_memory(err);
    rag_status status = RAG_OK;
    for (size_t i = 0; status == RAG_OK && i < v->edge_count; i++) {
        pairs[i] =
            (rag_pair){ v->nodes[v->edges[i].source].label, v->nodes[v->edges[i].target].label };
        const rag_row row = {
            .key = pairs[i].source, .key2 = pairs[i].target, .found = 1, .number = degrees(v, i)
        };
        if (!(what & RAG_GRAPH_VALUES))
            status = rag_result_append(edges, &row, err);
    }
    for (size_t i = 0; status == RAG_OK && what & RAG_GRAPH_VALUES && i < v->edge_count;) {
        const size_t left = v->edge_count - i, n = left < READ_BATCH ? left : READ_BATCH;
        const size_t before = edges->count;
        status = v->graph->get_edges(v->call, pairs + i, n, what, edges, err);
        for (size_t j = 0; status == RAG_OK && j < n; j++)
            edges->rows[before + j].number = degrees(v, i + j);
        drop_absent(edges, before);
        i += n;
    }
    rag_free(pairs);
    return status;
}

/* 1 when the limit of nodes left out somebody who was seen, or who is beyond the depth. */
static int truncated(const struct view *v)
{
    if (v->kept_count < v->max_nodes)
        return 0;
    if (v->cut_off)
        return 1;
    for (size_t i = 0; i < v->node_count; i++)
        if (!v->nodes[i].kept && v->nodes[i].degree >= 0)
            return 1;
    return 0;
}

rag_status fallback_graph_view(const rag_call *call, rag_slice label,
                               const rag_graph_view_options *options, rag_result *nodes,
                               rag_result *edges, rag_error *err)
{
    struct view v = { .call = call,
                      .graph = &store_call_of(call)->driver->graph,
                      .max_nodes = options->max_nodes };
    rag_status status;
    v.kept = rag_alloc_array(v.max_nodes, sizeof *v.kept);
    if (!v.kept)
        return rag_fail_memory(err);
    if (slice_is(label, "*")) {
        RAG_TRY_CLEANUP(take_popular(&v, nodes, err));
    } else {
        RAG_TRY_CLEANUP(walk(&v, label, options->max_depth, err));
        if (truncated(&v))
            rag_result_add_flags(nodes, RAG_RESULT_TRUNCATED);
    }
    RAG_TRY_CLEANUP(give_nodes(&v, options->what, nodes, err));
    status = give_edges(&v, options->what, edges, err);
cleanup:
    rag_free(v.kept);
    rag_free(v.edges);
    rag_free(v.nodes);
    slice_index_free(&v.numbers);
    arena_free(&v.labels);
    return status;
}
