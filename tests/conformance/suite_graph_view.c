/* Popular nodes and bounded views of the graph.
 *
 * The views are compared with a second implementation written here from the rule (levels, each
 * ordered by degree and label; edges between kept nodes; what "truncated" means), on pictures drawn
 * by hand and on random graphs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance.h"

struct view {
    rag_result *nodes, *edges;
};

static struct view view_of(struct env *e, const char *label, unsigned max_depth, size_t max_nodes)
{
    rag_graph_view_options options = RAG_GRAPH_VIEW_OPTIONS_INIT;
    struct view v = { NULL, NULL };
    options.max_depth = max_depth;
    options.max_nodes = max_nodes;
    OK(rag_graph_view(e->store, NULL, T(label), &options, &v.nodes, &v.edges, &e->err));
    keep(e, v.nodes);
    keep(e, v.edges);
    return v;
}

static int is_truncated(const struct view *v)
{
    return (rag_result_flags(v->nodes) & RAG_RESULT_TRUNCATED) != 0;
}

static int has_node(const struct view *v, rag_slice label)
{
    for (size_t i = 0; i < rag_result_count(v->nodes); i++)
        if (same(row_of(v->nodes, i)->key, label))
            return 1;
    return 0;
}

/* Exactly these nodes, in any order, each once, and exactly so many edges. */
static void expect_view(const struct view *v, const char *const *labels, size_t n, size_t edges,
                        int truncated)
{
    count_is(v->nodes, n);
    for (size_t i = 0; i < n; i++)
        CHECK(has_node(v, T(labels[i])), "'%s' is not in the view", labels[i]);
    CHECK(rag_result_count(v->edges) == edges, "%zu edges, not %zu", rag_result_count(v->edges),
          edges);
    for (size_t i = 0; i < edges; i++) {
        const rag_row *row = row_of(v->edges, i);
        CHECK(compare(row->key, row->key2) <= 0, "the smaller label is not first");
        CHECK(has_node(v, row->key) && has_node(v, row->key2),
              "an edge to a node that is not there");
    }
    CHECK(is_truncated(v) == truncated, "truncated: %d, not %d", is_truncated(v), truncated);
}
#define VIEW(v, edges, truncated, ...)                   \
    expect_view(v, (const char *const[]){ __VA_ARGS__ }, \
                sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *), edges, truncated)

/* ---- popular ------------------------------------------------------------------------------------------- */

static void expect_popular(struct env *e, size_t limit, const char *const *labels,
                           const int64_t *degrees, size_t n)
{
    rag_result *rows = NULL;
    OK(rag_graph_popular(e->store, NULL, limit, &rows, &e->err));
    keep(e, rows);
    count_is(rows, n);
    for (size_t i = 0; i < n; i++) {
        const rag_row *row = row_of(rows, i);
        CHECK(same(row->key, T(labels[i])) && row->number == degrees[i],
              "place %zu: '%.*s' with %lld, not '%s' with %lld", i, SHOW(row->key),
              (long long)row->number, labels[i], (long long)degrees[i]);
    }
}

static void graph_40_popular_by_degree_then_label(struct env *e)
{
    edge_put(e, "hub", "b", "{}");
    edge_put(e, "hub", "\xc3\xa9", "{}");
    edge_put(e, "hub", "Z", "{}");
    edge_put(e, "hub", "a", "{}");
    edge_put(e, "b", "c", "{}");
    edge_put(e, "loop", "loop", "{}");
    edge_put(e, "\xc3\xa9", "x", "{}");
    const rag_slice gone = T("x");
    node_put(e, "only", "{}");
    node_put(e, "alone", "{}");
    edge_put(e, "\xc3\xa9", "alone", "{}");
    const rag_pair pair = { T("alone"), T("\xc3\xa9") };
    OK(rag_graph_delete_edges(e->store, NULL, &pair, 1, NULL, NULL, &e->err));
    OK(rag_graph_delete_nodes(e->store, NULL, &gone, 1, NULL, NULL, &e->err));
    /* é lost its edge to x: degree 1, behind Z, a and c by code point. */
    static const char *const labels[] = { "hub", "b",        "loop",  "Z",   "a",
                                          "c",   "\xc3\xa9", "alone", "only" };
    static const int64_t degrees[] = { 4, 2, 2, 1, 1, 1, 1, 0, 0 };
    for (size_t limit = 1; limit <= 9; limit++)
        expect_popular(e, limit, labels, degrees, limit);
    expect_popular(e, 1000, labels, degrees, 9);
}

static void graph_40_popular_of_nothing(struct env *e)
{
    expect_popular(e, 10, NULL, NULL, 0);
}

static void graph_40_popular_around_a_degree_of_8(struct env *e)
{
    /* Hubs of 6 to 10 edges: stores keep an index of popular nodes above some degree. */
    for (size_t hub = 6; hub <= 10; hub++)
        for (size_t i = 0; i < hub; i++)
            edge_put(e, format_text("hub%02zu", hub), format_text("leaf%zu-%zu", hub, i), "{}");
    static const char *const labels[] = { "hub10", "hub09", "hub08", "hub07", "hub06", "leaf10-0" };
    static const int64_t degrees[] = { 10, 9, 8, 7, 6, 1 };
    for (size_t limit = 1; limit <= 6; limit++)
        expect_popular(e, limit, labels, degrees, limit);
    const rag_pair pair = { T("hub08"), T("leaf8-3") };
    OK(rag_graph_delete_edges(e->store, NULL, &pair, 1, NULL, NULL, &e->err));
    static const char *const fewer[] = { "hub10", "hub09", "hub07", "hub08" };
    static const int64_t fewer_degrees[] = { 10, 9, 7, 7 };
    expect_popular(e, 4, fewer, fewer_degrees, 4);
}

/* ---- views by hand ------------------------------------------------------------------------------------- */

static void put_star(struct env *e)
{
    edge_put(e, "R", "Z", "{\"n\":1}");
    edge_put(e, "A", "R", "{\"n\":2}");
    edge_put(e, "R", "H", "{\"n\":3}");
    edge_put(e, "H", "X", "{\"n\":4}");
}

static void graph_39_a_star(struct env *e)
{
    put_star(e);
    struct view v = view_of(e, "R", 1, 10); /* a cut by depth alone is no truncation */
    VIEW(&v, 3, 0, "R", "A", "H", "Z");
    v = view_of(e, "R", 1, 3); /* H has the higher degree, A the smaller label */
    VIEW(&v, 2, 1, "R", "H", "A");
    v = view_of(e, "R", 0, 10);
    VIEW(&v, 0, 0, "R");
    v = view_of(e, "R", 1, 1);
    VIEW(&v, 0, 1, "R");
    v = view_of(e, "R", 2, 10);
    VIEW(&v, 4, 0, "R", "A", "H", "Z", "X");
    v = view_of(e, "R", 2, 5);
    VIEW(&v, 4, 0, "R", "A", "H", "Z", "X");
    v = view_of(e, "R", 2, 4);
    VIEW(&v, 3, 1, "R", "A", "H", "Z");
    v = view_of(e, "X", 1, 10);
    VIEW(&v, 1, 0, "X", "H");
}

static void graph_39_rows_of_a_view(struct env *e)
{
    put_star(e);
    node_put(e, "R", "{\"name\":\"r\"}");
    const struct view v = view_of(e, "Z", 1, 10);
    VIEW(&v, 1, 0, "R", "Z");
    for (size_t i = 0; i < 2; i++) {
        const rag_row *row = row_of(v.nodes, i);
        row_is(row, same(row->key, T("R")) ? "{\"name\":\"r\"}" : "{}");
    }
    row_is(row_of(v.edges, 0), "{\"n\":1}");
    rag_graph_view_options options = RAG_GRAPH_VIEW_OPTIONS_INIT;
    struct view bare = { NULL, NULL };
    options.what = 0;
    OK(rag_graph_view(e->store, NULL, T("R"), &options, &bare.nodes, &bare.edges, &e->err));
    keep(e, bare.nodes);
    keep(e, bare.edges);
    VIEW(&bare, 4, 0, "R", "A", "H", "Z", "X");
    CHECK(!row_of(bare.nodes, 0)->value.len && !row_of(bare.edges, 0)->value.len,
          "values that were not asked for");
    struct view usual = { NULL, NULL };
    OK(rag_graph_view(e->store, NULL, T("R"), NULL, &usual.nodes, &usual.edges, &e->err));
    count_is(keep(e, usual.nodes), 5);
    count_is(keep(e, usual.edges), 4);
}

static void graph_39_an_absent_label_gives_an_empty_view(struct env *e)
{
    struct view v = view_of(e, "nobody", 3, 10);
    expect_view(&v, NULL, 0, 0, 0);
    put_star(e);
    v = view_of(e, "nobody", 3, 10);
    expect_view(&v, NULL, 0, 0, 0);
    v = view_of(e, "r", 3, 10); /* letters of other case are other letters */
    expect_view(&v, NULL, 0, 0, 0);
}

static void graph_39_edges_between_nodes_of_one_level(struct env *e)
{
    put_star(e);
    edge_put(e, "Z", "A", "{}");
    struct view v = view_of(e, "R", 1, 10); /* not the tree of the walk: all edges between them */
    VIEW(&v, 4, 0, "R", "A", "H", "Z");
    edge_put(e, "A", "A", "{}");
    v = view_of(e, "R", 1, 10);
    VIEW(&v, 5, 0, "R", "A", "H", "Z");
}

static void graph_39_the_cap_where_depth_ends_too(struct env *e)
{
    put_star(e);
    /* Exactly full at depth 1, and X lies beyond: full and something unexplored. */
    struct view v = view_of(e, "R", 1, 4);
    VIEW(&v, 3, 1, "R", "A", "H", "Z");
    v = view_of(e, "Z", 1, 2);
    VIEW(&v, 1, 1, "Z", "R");
    edge_put(e, "p", "q", "{}");
    v = view_of(e, "p", 1, 2); /* exactly full, and nothing else */
    VIEW(&v, 1, 0, "p", "q");
    v = view_of(e, "p", 5, 2);
    VIEW(&v, 1, 0, "p", "q");
}

static void graph_39_the_whole_graph(struct env *e)
{
    struct view v = view_of(e, "*", 0, 10);
    expect_view(&v, NULL, 0, 0, 0);
    put_star(e);
    node_put(e, "alone", "{}");
    v = view_of(e, "*", 0, 10); /* the depth does not count */
    VIEW(&v, 4, 0, "R", "H", "A", "X", "Z", "alone");
    v = view_of(e, "*", 3, 6);
    VIEW(&v, 4, 0, "R", "H", "A", "X", "Z", "alone");
    v = view_of(e, "*", 3, 5);
    VIEW(&v, 4, 1, "R", "H", "A", "X", "Z");
    v = view_of(e, "*", 3, 3);
    VIEW(&v, 2, 1, "R", "H", "A");
    v = view_of(e, "*", 3, 2);
    VIEW(&v, 1, 1, "R", "H");
    v = view_of(e, "*", 3, 0); /* 0: 1000 */
    VIEW(&v, 4, 0, "R", "H", "A", "X", "Z", "alone");
}

static void graph_39_ties_are_by_code_point(struct env *e)
{
    edge_put(e, "m", "b", "{}");
    edge_put(e, "m", "B", "{}");
    edge_put(e, "m", "\xc3\xa9", "{}");
    edge_put(e, "m", "_", "{}");
    struct view v = view_of(e, "m", 1, 3);
    VIEW(&v, 2, 1, "m", "B", "_");
    v = view_of(e, "*", 1, 4);
    VIEW(&v, 3, 1, "m", "B", "_", "b");
}

/* ---- views of random graphs ---------------------------------------------------------------------------- */

enum { NODES = 60 };

struct picture {
    unsigned char linked[NODES][NODES];
    int degree[NODES];
};

static int ranks_before(const struct picture *p, size_t a, size_t b)
{
    return p->degree[a] != p->degree[b] ? p->degree[a] > p->degree[b] : a < b;
}

static void sort_by_rank(const struct picture *p, size_t *nodes, size_t n)
{
    for (size_t i = 1; i < n; i++)
        for (size_t j = i; j > 0 && ranks_before(p, nodes[j], nodes[j - 1]); j--) {
            const size_t swap = nodes[j];
            nodes[j] = nodes[j - 1];
            nodes[j - 1] = swap;
        }
}

/* Labels sort as the numbers do. */
static const char *label_of(size_t i)
{
    return format_text("n%02zu", i);
}

/* The rule in words: level by level; sorted by rank; taken until the cap; neighbours of taken nodes
 * form the next level while the depth allows; truncated when the cap was reached and something
 * unseen was left in this level, in the next, or beyond the depth. */
static int walk(const struct picture *p, size_t start, unsigned max_depth, size_t cap, int *kept)
{
    size_t level[NODES] = { start }, count = 1, taken = 0;
    int seen[NODES] = { 0 }, unexplored = 0;
    seen[start] = 1;
    for (unsigned depth = 0; count; depth++) {
        size_t next[NODES], next_count = 0;
        sort_by_rank(p, level, count);
        for (size_t i = 0; i < count; i++) {
            if (taken == cap)
                return 1;
            kept[level[i]] = 1;
            taken++;
            for (size_t j = 0; j < NODES; j++) {
                if (!p->linked[level[i]][j] || seen[j])
                    continue;
                if (depth < max_depth) {
                    seen[j] = 1;
                    next[next_count++] = j;
                } else {
                    unexplored = 1;
                }
            }
        }
        memcpy(level, next, next_count * sizeof *next);
        count = next_count;
    }
    return taken == cap && unexplored;
}

static void compare_view(struct env *e, const struct picture *p, size_t start, unsigned depth,
                         size_t cap)
{
    int kept[NODES] = { 0 };
    const int truncated = walk(p, start, depth, cap, kept);
    const struct view v = view_of(e, label_of(start), depth, cap);
    const char *labels[NODES];
    size_t n = 0, edges = 0;
    for (size_t i = 0; i < NODES; i++) {
        if (kept[i])
            labels[n++] = label_of(i);
        for (size_t j = 0; j <= i; j++)
            edges += kept[i] && kept[j] && p->linked[i][j];
    }
    print_message("view of %s, depth %u, at most %zu nodes\n", label_of(start), depth, cap);
    expect_view(&v, labels, n, edges, truncated);
    for (size_t i = 0; i < edges; i++)
        for (size_t j = 0; j < i; j++)
            CHECK(!same(row_of(v.edges, i)->key, row_of(v.edges, j)->key) ||
                      !same(row_of(v.edges, i)->key2, row_of(v.edges, j)->key2),
                  "an edge twice");
}

static void compare_whole_view(struct env *e, const struct picture *p, size_t cap)
{
    size_t order[NODES], edges = 0;
    const char *labels[NODES];
    for (size_t i = 0; i < NODES; i++)
        order[i] = i;
    sort_by_rank(p, order, NODES);
    const size_t n = cap < NODES ? cap : NODES;
    for (size_t i = 0; i < n; i++) {
        labels[i] = label_of(order[i]);
        for (size_t j = 0; j <= i; j++)
            edges += p->linked[order[i]][order[j]];
    }
    const struct view v = view_of(e, "*", 1, cap);
    expect_view(&v, labels, n, edges, cap < NODES);
}

static void graph_39_views_of_random_graphs(struct env *e)
{
    struct random r = random_of(e);
    static struct picture p;
    memset(&p, 0, sizeof p);
    for (size_t i = 0; i < NODES; i++)
        node_put(e, label_of(i), "{}");
    for (size_t k = 0; k < 90; k++) {
        const size_t i = random_below(&r, NODES), j = random_below(&r, 1 + random_below(&r, NODES));
        edge_put(e, label_of(i), label_of(j), "{}");
        p.linked[i][j] = p.linked[j][i] = 1;
    }
    for (size_t i = 0; i < NODES; i++)
        for (size_t j = 0; j < NODES; j++)
            p.degree[i] += p.linked[i][j] ? 1 + (i == j) : 0;
    for (size_t k = 0; k < 60; k++)
        compare_view(e, &p, random_below(&r, NODES), (unsigned)random_below(&r, 5),
                     1 + random_below(&r, NODES));
    for (size_t cap = 1; cap <= NODES + 5; cap += 8)
        compare_whole_view(e, &p, cap);
}

static void graph_39_a_hub_of_thousands(struct env *e)
{
    enum { LEAVES = 3000 };
    rag_edge *edges = calloc(LEAVES, sizeof *edges);
    for (size_t i = 0; i < LEAVES; i++)
        edges[i] = (rag_edge){ T("hub"), T(format_text("leaf%04zu", i)), T("{}") };
    OK(rag_graph_put_edges(e->store, NULL, edges, LEAVES, RAG_PUT_MERGE, NULL, &e->err));
    free(edges);
    graph_counts(e, LEAVES + 1, LEAVES);
    CHECK(degree_of(e, "hub") == LEAVES, "the hub has degree %lld", (long long)degree_of(e, "hub"));
    struct view v = view_of(e, "hub", 1, 1000);
    count_is(v.nodes, 1000);
    count_is(v.edges, 999);
    CHECK(is_truncated(&v) && has_node(&v, T("leaf0998")) && !has_node(&v, T("leaf0999")),
          "not the first 999 leaves");
    v = view_of(e, "leaf2999", 2, 5000);
    count_is(v.nodes, LEAVES + 1);
    CHECK(!is_truncated(&v), "nothing was cut off");
    const rag_slice hub = T("hub");
    OK(rag_graph_delete_nodes(e->store, NULL, &hub, 1, NULL, NULL, &e->err));
    graph_counts(e, LEAVES, 0);
}

const struct conformance_case graph_view_cases[] = {
    CASE(graph, 40_popular_by_degree_then_label),
    CASE(graph, 40_popular_of_nothing),
    CASE(graph, 40_popular_around_a_degree_of_8),
    CASE(graph, 39_a_star),
    CASE(graph, 39_rows_of_a_view),
    CASE(graph, 39_an_absent_label_gives_an_empty_view),
    CASE(graph, 39_edges_between_nodes_of_one_level),
    CASE(graph, 39_the_cap_where_depth_ends_too),
    CASE(graph, 39_the_whole_graph),
    CASE(graph, 39_ties_are_by_code_point),
    CASE(graph, 39_views_of_random_graphs),
    CASE(graph, 39_a_hub_of_thousands),
    CASES_END,
};
