/* Bounded views of the graph in one snapshot: the same answer as src/store/graph_view.c gives for any
 * backend, made of fewer and cheaper reads.
 *
 * A view goes out level by level. Every kept node's row of neighbours is read once, in
 * graph_adjacent; it gives the candidates of the next level and, with the number of each edge, the
 * edges between kept nodes, so that neither ends nor pairs are looked up again. An edge is noted
 * at its smaller end. Once nobody can be kept any more and it is known that something was left out,
 * only the neighbours behind a node's own label are read: half of them. Attributes are read at the
 * end, for what is kept. Called through embedded_graph by src/store only. */
#include <stdlib.h>
#include <string.h>

#include "codec.h"
#include "core/alloc.h"
#include "core/arena.h"
#include "core/context.h"
#include "core/result.h"
#include "core/slice.h"
#include "core/slice_index.h"
#include "db.h"
#include "graph_view.h"
#include "schema.h"

enum { CHECK_EVERY = 256 };

static const char SQL_FIND[] = "SELECT id, degree FROM graph_node WHERE label = ?1";
static const char SQL_NEIGHBOURS[] =
    "SELECT neighbour, edge FROM graph_adjacent WHERE node = ?1 ORDER BY neighbour";
static const char SQL_NEIGHBOURS_BEHIND[] =
    "SELECT neighbour, edge FROM graph_adjacent WHERE node = ?1 AND neighbour >= ?2 "
    "ORDER BY neighbour";
static const char SQL_POPULAR[] = "SELECT label, degree, id FROM graph_node WHERE degree >= 8 "
                                  "ORDER BY degree DESC, label LIMIT ?1";
static const char SQL_UNPOPULAR[] = "SELECT label, degree, id FROM graph_node WHERE degree < 8 "
                                    "ORDER BY degree DESC, label LIMIT ?1";
static const char SQL_NODE_VALUE[] = "SELECT value FROM graph_node_value WHERE id = ?1";
static const char SQL_EDGE_VALUE[] = "SELECT value FROM graph_edge WHERE id = ?1";

_Static_assert(SCHEMA_POPULAR_DEGREE == 8, "the bound stands in SQL_POPULAR and in the schema");

struct seen_node {
    rag_slice label;
    sqlite3_int64 id, degree;
    int kept;
};

struct seen_edge {
    size_t source, target; /* numbers of nodes; the smaller label first */
    sqlite3_int64 id;
};

struct view {
    struct db_conn *conn;
    const rag_context *ctx;
    struct arena labels;
    struct slice_index numbers; /* label -> number */
    struct seen_node *nodes;    /* everything seen */
    size_t node_count, node_capacity;
    struct seen_edge *edges;
    size_t edge_count, edge_capacity;
    size_t *kept; /* numbers, in order */
    size_t kept_count, kept_capacity, max_nodes;
    int cut_off; /* somebody was seen who will not be kept */
};

static rag_status add_node(struct view *v, rag_slice label, size_t *number, rag_error *err)
{
    if (!rag_make_room(&v->nodes, v->node_count, &v->node_capacity, sizeof *v->nodes))
        return rag_fail_memory(err);
    const char *copy = arena_copy(&v->labels, label.data, label.len);
    if (!copy)
        return rag_fail_memory(err);
    const rag_slice own = slice_of(copy, label.len);
    RAG_TRY(slice_index_put(&v->numbers, own, v->node_count, NULL, err));
    *number = v->node_count++;
    v->nodes[*number] = (struct seen_node){ .label = own };
    return RAG_OK;
}

static rag_status keep(struct view *v, size_t number, rag_error *err)
{
    if (!rag_make_room(&v->kept, v->kept_count, &v->kept_capacity, sizeof *v->kept))
        return rag_fail_memory(err);
    v->kept[v->kept_count++] = number;
    v->nodes[number].kept = 1;
    return RAG_OK;
}

/* ---- neighbours ---------------------------------------------------------------------------------- */

/* An edge at kept node `source`. A neighbour not seen before joins the next level, which is the tail
 * of v->nodes, unless `deeper` is 0. */
static rag_status note_edge(struct view *v, size_t source, rag_slice neighbour, sqlite3_int64 edge,
                            int deeper, rag_error *err)
{
    size_t target = slice_index_find(&v->numbers, neighbour);
    if (target == SLICE_INDEX_NONE) {
        if (!deeper) {
            v->cut_off = 1;
            return RAG_OK;
        }
        RAG_TRY(add_node(v, neighbour, &target, err));
    }
    /* it is seen from its other end as well, if that is kept */
    if (slice_compare(v->nodes[source].label, v->nodes[target].label) > 0)
        return RAG_OK;
    if (!rag_make_room(&v->edges, v->edge_count, &v->edge_capacity, sizeof *v->edges))
        return rag_fail_memory(err);
    v->edges[v->edge_count++] = (struct seen_edge){ source, target, edge };
    return RAG_OK;
}

static rag_status read_neighbours_of(struct view *v, size_t source, int deeper, rag_error *err)
{
    sqlite3_stmt *stmt;
    int more;
    const int behind = !deeper && v->cut_off;
    RAG_TRY(db_prepare(v->conn, behind ? SQL_NEIGHBOURS_BEHIND : SQL_NEIGHBOURS, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, v->nodes[source].id);
    if (behind)
        db_bind_slice(stmt, 2, v->nodes[source].label);
    for (;;) {
        RAG_TRY(db_step(v->conn, stmt, &more, err));
        if (!more)
            break;
        RAG_TRY(note_edge(v, source, db_column_slice(stmt, 0), sqlite3_column_int64(stmt, 1),
                          deeper, err));
    }
    (void)sqlite3_reset(stmt);
    return RAG_OK;
}

/* The edges at kept nodes first .. v->kept_count. */
static rag_status read_neighbours(struct view *v, size_t first, int deeper, rag_error *err)
{
    for (size_t i = first; i < v->kept_count; i++) {
        if (i % CHECK_EVERY == 0)
            RAG_TRY(context_check(v->ctx, err));
        RAG_TRY(read_neighbours_of(v, v->kept[i], deeper, err));
    }
    return RAG_OK;
}

/* ---- who is kept ------------------------------------------------------------------------------------ */

/* Numbers and degrees of nodes first .. v->node_count; id 0 where there is none. */
static rag_status find_nodes(struct view *v, size_t first, rag_error *err)
{
    sqlite3_stmt *stmt;
    int found;
    for (size_t i = first; i < v->node_count; i++) {
        if (i % CHECK_EVERY == 0)
            RAG_TRY(context_check(v->ctx, err));
        RAG_TRY(db_prepare(v->conn, SQL_FIND, &stmt, err));
        db_bind_slice(stmt, 1, v->nodes[i].label);
        RAG_TRY(db_step(v->conn, stmt, &found, err));
        if (found) {
            v->nodes[i].id = sqlite3_column_int64(stmt, 0);
            v->nodes[i].degree = sqlite3_column_int64(stmt, 1);
        } else if (i > 0) { /* 0 is where the caller wants to start */
            return rag_fail(err, RAG_E_CORRUPT, "an edge to node '%.*s', which is not there",
                            RAG_SHOWN(v->nodes[i].label));
        }
        (void)sqlite3_reset(stmt);
    }
    return RAG_OK;
}

struct ranked {
    rag_slice label;
    sqlite3_int64 degree;
    size_t number;
};

static int by_rank(const void *left, const void *right)
{
    const struct ranked *a = left, *b = right;
    if (a->degree != b->degree)
        return a->degree > b->degree ? -1 : 1;
    return slice_compare(a->label, b->label);
}

/* Keep the best of the level first .. v->node_count while there is room. */
static rag_status keep_level(struct view *v, size_t first, rag_error *err)
{
    const size_t n = v->node_count - first;
    struct ranked *order = rag_alloc_array(n, sizeof *order);
    if (!order)
        return rag_fail_memory(err);
    for (size_t i = 0; i < n; i++) {
        const struct seen_node *node = &v->nodes[first + i];
        order[i] = (struct ranked){ node->label, node->degree, first + i };
    }
    qsort(order, n, sizeof *order, by_rank);
    rag_status status = RAG_OK;
    size_t i = 0;
    for (; i < n && v->kept_count < v->max_nodes && status == RAG_OK; i++)
        status = keep(v, order[i].number, err);
    v->cut_off |= i < n;
    rag_free(order);
    return status;
}

static rag_status walk(struct view *v, rag_slice start, unsigned max_depth, rag_error *err)
{
    size_t first = 0, number;
    RAG_TRY(add_node(v, start, &number, err));
    for (unsigned depth = 0; first < v->node_count && v->kept_count < v->max_nodes; depth++) {
        const size_t last = v->node_count, kept = v->kept_count;
        RAG_TRY(find_nodes(v, first, err));
        if (!v->nodes[0].id)
            return RAG_OK;
        RAG_TRY(keep_level(v, first, err));
        const int deeper = depth < max_depth && v->kept_count < v->max_nodes;
        RAG_TRY(read_neighbours(v, kept, deeper, err));
        first = last;
    }
    return RAG_OK;
}

static rag_status take_ranked(struct view *v, const char *sql, rag_error *err)
{
    sqlite3_stmt *stmt;
    int more;
    RAG_TRY(db_prepare(v->conn, sql, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, (sqlite3_int64)(v->max_nodes - v->kept_count));
    for (;;) {
        size_t number;
        RAG_TRY(db_step(v->conn, stmt, &more, err));
        if (!more)
            break;
        RAG_TRY(add_node(v, db_column_slice(stmt, 0), &number, err));
        v->nodes[number].degree = sqlite3_column_int64(stmt, 1);
        v->nodes[number].id = sqlite3_column_int64(stmt, 2);
        RAG_TRY(keep(v, number, err));
    }
    (void)sqlite3_reset(stmt);
    return RAG_OK;
}

/* The whole graph: its most popular nodes. */
static rag_status take_popular(struct view *v, int *truncated, rag_error *err)
{
    uint64_t nodes = 0;
    RAG_TRY(db_namespace_rows(v->conn, NAMESPACE_ID_NODES, &nodes, err));
    *truncated = nodes > v->max_nodes;
    RAG_TRY(take_ranked(v, SQL_POPULAR, err));
    if (v->kept_count < v->max_nodes)
        RAG_TRY(take_ranked(v, SQL_UNPOPULAR, err));
    v->cut_off = 1; /* so that edges are read at their smaller ends only */
    return read_neighbours(v, 0, 0, err);
}

/* ---- the answer ------------------------------------------------------------------------------------ */

/* Append `row` with the value that row `id` has; the label is for messages. */
static rag_status append_with_value(struct view *v, const char *sql, sqlite3_int64 id,
                                    const char *what, rag_row *row, rag_result *out, rag_error *err)
{
    sqlite3_stmt *stmt;
    int found;
    RAG_TRY(db_prepare(v->conn, sql, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, id);
    RAG_TRY(db_step(v->conn, stmt, &found, err));
    if (!found)
        return rag_fail(err, RAG_E_CORRUPT, "%s '%.*s' has no attributes row", what,
                        RAG_SHOWN(row->key));
    RAG_TRY(
        codec_decode(v->conn->codec, db_column_slice(stmt, 0), what, row->key, &row->value, err));
    RAG_TRY(rag_result_append(out, row, err));
    (void)sqlite3_reset(stmt);
    return RAG_OK;
}

static rag_status give_nodes(struct view *v, unsigned what, rag_result *out, rag_error *err)
{
    for (size_t i = 0; i < v->kept_count; i++) {
        const struct seen_node *node = &v->nodes[v->kept[i]];
        rag_row row = { .key = node->label, .number = node->degree, .found = 1 };
        if (i % CHECK_EVERY == 0)
            RAG_TRY(context_check(v->ctx, err));
        if (what & RAG_GRAPH_VALUES)
            RAG_TRY(append_with_value(v, SQL_NODE_VALUE, node->id, "node", &row, out, err));
        else
            RAG_TRY(rag_result_append(out, &row, err));
    }
    return RAG_OK;
}

static rag_status give_edges(struct view *v, unsigned what, rag_result *out, rag_error *err)
{
    for (size_t i = 0; i < v->edge_count; i++) {
        const struct seen_node *a = &v->nodes[v->edges[i].source];
        const struct seen_node *b = &v->nodes[v->edges[i].target];
        rag_row row = {
            .key = a->label, .key2 = b->label, .number = a->degree + b->degree, .found = 1
        };
        if (i % CHECK_EVERY == 0)
            RAG_TRY(context_check(v->ctx, err));
        if (!a->kept || !b->kept)
            continue;
        if (what & RAG_GRAPH_VALUES)
            RAG_TRY(
                append_with_value(v, SQL_EDGE_VALUE, v->edges[i].id, "edge from", &row, out, err));
        else
            RAG_TRY(rag_result_append(out, &row, err));
    }
    return RAG_OK;
}

static rag_status view(struct view *v, rag_slice label, const rag_graph_view_options *options,
                       rag_result *nodes, rag_result *edges, rag_error *err)
{
    int truncated = 0;
    if (slice_is(label, "*")) {
        RAG_TRY(take_popular(v, &truncated, err));
    } else {
        RAG_TRY(walk(v, label, options->max_depth, err));
        truncated = v->kept_count == v->max_nodes && v->cut_off;
    }
    RAG_TRY(give_nodes(v, options->what, nodes, err));
    RAG_TRY(give_edges(v, options->what, edges, err));
    if (truncated)
        rag_result_add_flags(nodes, RAG_RESULT_TRUNCATED);
    return RAG_OK;
}

rag_status graph_view(const rag_call *call, rag_slice label, const rag_graph_view_options *options,
                      rag_result *nodes, rag_result *edges, rag_error *err)
{
    struct view v = { .ctx = call->ctx, .max_nodes = options->max_nodes };
    RAG_TRY(db_read_begin(call, &v.conn, err));
    const rag_status status = view(&v, label, options, nodes, edges, err);
    db_read_end(call, v.conn);
    rag_free(v.kept);
    rag_free(v.edges);
    rag_free(v.nodes);
    slice_index_free(&v.numbers);
    arena_free(&v.labels);
    return status;
}
