/* store: the generic popular and view, over a backend that has neither, against a plain reference
 * that follows the procedure in words (levels, degree then label, truncation). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "store/registry.h"
#include "store_support.h"

extern const rag_backend memory_backend;

enum { NODES_MAX = 60 };

static rag_backend plain;
static rag_graph_table plain_graph;

/* The memory backend without its optional slots. */
static int add_plain(void **state)
{
    (void)state;
    plain = memory_backend;
    plain.name = "plain";
    plain.class_names = NULL;
    plain_graph = *memory_backend.graph;
    plain_graph.struct_size = offsetof(rag_graph_table, popular);
    plain.graph = &plain_graph;
    return registry_add(&plain, "module", NULL) == RAG_OK ? 0 : -1;
}

/* A graph in plain arrays. */
struct reference {
    int n, joined[NODES_MAX][NODES_MAX];
};

static const char *name_of(int i)
{
    static char names[NODES_MAX][8];
    (void)snprintf(names[i], sizeof names[i], "%c%02d", 'A' + (i * 7) % 26, i);
    return names[i];
}

static int degree_of(const struct reference *g, int i)
{
    int degree = g->joined[i][i]; /* a loop counts 2 */
    for (int j = 0; j < g->n; j++)
        degree += g->joined[i][j];
    return degree;
}

static const struct reference *sorted_graph;

static int by_degree(const void *left, const void *right)
{
    const int a = *(const int *)left, b = *(const int *)right;
    const int difference = degree_of(sorted_graph, b) - degree_of(sorted_graph, a);
    return difference ? difference : strcmp(name_of(a), name_of(b));
}

/* kept[] in order; returns how many. */
static int reference_view(const struct reference *g, int start, unsigned max_depth, int max_nodes,
                          int *kept, int *truncated)
{
    int seen[NODES_MAX] = { 0 }, level[NODES_MAX], level_count = 1, count = 0, beyond = 0;
    int left_over = 0;
    level[0] = start;
    seen[start] = 1;
    sorted_graph = g;
    for (unsigned depth = 0; level_count && count < max_nodes; depth++) {
        int next[NODES_MAX], next_count = 0;
        qsort(level, (size_t)level_count, sizeof *level, by_degree);
        for (int i = 0; i < level_count; i++) {
            if (count == max_nodes) {
                left_over = 1;
                break;
            }
            kept[count++] = level[i];
            for (int j = 0; j < g->n; j++) {
                if (!g->joined[level[i]][j] || seen[j])
                    continue;
                if (depth < max_depth) {
                    seen[j] = 1;
                    next[next_count++] = j;
                } else {
                    beyond = 1;
                }
            }
        }
        memcpy(level, next, sizeof level);
        level_count = next_count;
    }
    *truncated = count == max_nodes && (left_over || level_count || beyond);
    return count;
}

static void fill(rag_store *store, struct reference *g, unsigned *random, int n, int edges)
{
    rag_error err;
    memset(g, 0, sizeof *g);
    g->n = n;
    for (int i = 0; i < n; i++) {
        char value[32];
        (void)snprintf(value, sizeof value, "{\"i\":%d}", i);
        const rag_node node = { rag_text(name_of(i)), rag_text(value) };
        OK(rag_graph_put_nodes(store, NULL, &node, 1, RAG_PUT_MERGE, NULL, &err));
    }
    for (int e = 0; e < edges; e++) {
        *random = *random * 1103515245u + 12345u;
        const int a = (int)((*random >> 8) % (unsigned)n);
        *random = *random * 1103515245u + 12345u;
        const int b = (*random >> 28) == 0 ? a : (int)((*random >> 8) % (unsigned)n);
        const rag_edge edge = { rag_text(name_of(a)), rag_text(name_of(b)),
                                rag_text("{\"w\":1.0}") };
        OK(rag_graph_put_edges(store, NULL, &edge, 1, RAG_PUT_MERGE, NULL, &err));
        g->joined[a][b] = g->joined[b][a] = 1;
    }
}

static void check_edges(const struct reference *g, const int *kept, int count,
                        const rag_result *edges, int values)
{
    size_t wanted = 0;
    for (int i = 0; i < count; i++)
        for (int j = i; j < count; j++)
            wanted += g->joined[kept[i]][kept[j]] != 0;
    assert_int_equal(rag_result_count(edges), wanted);
    for (size_t e = 0; e < wanted; e++) {
        const rag_row *row = rag_result_row(edges, e);
        int a = -1, b = -1;
        for (int i = 0; i < count; i++) {
            if (strcmp(name_of(kept[i]), row->key.data) == 0)
                a = kept[i];
            if (strcmp(name_of(kept[i]), row->key2.data) == 0)
                b = kept[i];
        }
        assert_true(a >= 0 && b >= 0 && g->joined[a][b]);
        assert_true(strcmp(row->key.data, row->key2.data) <= 0);
        assert_int_equal(row->number, degree_of(g, a) + degree_of(g, b));
        assert_string_equal(row->value.data, values ? "{\"w\":1.0}" : "");
        for (size_t other = 0; other < e; other++) { /* each once */
            const rag_row *o = rag_result_row(edges, other);
            assert_false(!strcmp(o->key.data, row->key.data) &&
                         !strcmp(o->key2.data, row->key2.data));
        }
    }
}

static void check_view(rag_store *store, const struct reference *g, int start, unsigned depth,
                       int max_nodes, int values)
{
    rag_error err;
    rag_result *nodes = NULL, *edges = NULL;
    int kept[NODES_MAX], truncated = 0, count;
    rag_graph_view_options options = RAG_GRAPH_VIEW_OPTIONS_INIT;
    options.max_depth = depth;
    options.max_nodes = (size_t)max_nodes;
    options.what = values ? RAG_GRAPH_VALUES : 0;
    if (start >= 0) {
        count = reference_view(g, start, depth, max_nodes, kept, &truncated);
    } else {
        sorted_graph = g;
        for (int i = 0; i < g->n; i++)
            kept[i] = i;
        qsort(kept, (size_t)g->n, sizeof *kept, by_degree);
        count = g->n < max_nodes ? g->n : max_nodes;
        truncated = g->n > max_nodes;
    }
    OK(rag_graph_view(store, NULL, rag_text(start < 0 ? "*" : name_of(start)), &options, &nodes,
                      &edges, &err));
    assert_int_equal(rag_result_count(nodes), count);
    for (int i = 0; i < count; i++) {
        char value[32] = "";
        if (values)
            (void)snprintf(value, sizeof value, "{\"i\":%d}", kept[i]);
        assert_string_equal(key_of(nodes, (size_t)i), name_of(kept[i]));
        assert_string_equal(value_of(nodes, (size_t)i), value);
        assert_int_equal(rag_result_row(nodes, (size_t)i)->number, degree_of(g, kept[i]));
    }
    assert_int_equal(rag_result_flags(nodes) & RAG_RESULT_TRUNCATED, truncated);
    check_edges(g, kept, count, edges, values);
    rag_result_free(nodes);
    rag_result_free(edges);
}

static void views_agree_with_the_reference(void **state)
{
    (void)state;
    unsigned random = 7;
    for (int round = 0; round < 12; round++) {
        static struct reference g;
        rag_store *store = open_store("plain:");
        const int n = 1 + (round * 5) % NODES_MAX;
        fill(store, &g, &random, n, n * (round % 4));
        for (int start = -1; start < n; start += 7)
            for (unsigned depth = 0; depth < 5; depth++)
                for (int max_nodes = 1; max_nodes <= n + 1; max_nodes += 3)
                    check_view(store, &g, start, depth, max_nodes, max_nodes % 2);
        rag_store_close(store);
    }
}

static void the_star_is_cut_as_stated(void **state)
{
    (void)state;
    rag_error err;
    rag_result *nodes = NULL, *edges = NULL;
    rag_store *store = open_store("plain:");
    const rag_edge star[] = { { rag_text("R"), rag_text("Z"), rag_text("{}") },
                              { rag_text("R"), rag_text("A"), rag_text("{}") },
                              { rag_text("R"), rag_text("H"), rag_text("{}") },
                              { rag_text("H"), rag_text("far"), rag_text("{}") } };
    OK(rag_graph_put_edges(store, NULL, star, 4, RAG_PUT_MERGE, NULL, &err));
    rag_graph_view_options options = RAG_GRAPH_VIEW_OPTIONS_INIT;
    options.max_depth = 1;
    options.max_nodes = 10;
    OK(rag_graph_view(store, NULL, rag_text("R"), &options, &nodes, &edges, &err));
    assert_int_equal(rag_result_count(nodes), 4);
    assert_int_equal(rag_result_flags(nodes), 0); /* a cut by depth alone */
    rag_result_free(nodes);
    rag_result_free(edges);
    options.max_nodes = 3;
    OK(rag_graph_view(store, NULL, rag_text("R"), &options, &nodes, &edges, &err));
    assert_int_equal(rag_result_count(nodes), 3);
    assert_string_equal(key_of(nodes, 0), "R");
    assert_string_equal(key_of(nodes, 1), "H"); /* degree 2 */
    assert_string_equal(key_of(nodes, 2), "A"); /* before Z */
    assert_int_equal(rag_result_flags(nodes), RAG_RESULT_TRUNCATED);
    assert_int_equal(rag_result_count(edges), 2);
    rag_result_free(nodes);
    rag_result_free(edges);
    OK(rag_graph_view(store, NULL, rag_text("absent"), NULL, &nodes, &edges, &err));
    assert_int_equal(rag_result_count(nodes), 0);
    assert_int_equal(rag_result_count(edges), 0);
    rag_result_free(nodes);
    rag_result_free(edges);
    rag_store_close(store);
}

/* More nodes than one page of a scan, and than one batch of reads. */
static void popular_looks_at_every_page(void **state)
{
    (void)state;
    enum { MANY = 9000 };
    rag_error err;
    rag_store *store = open_store("plain:");
    static char labels[MANY][12];
    static rag_edge edges[MANY];
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(labels[i], sizeof labels[i], "n%05d", (i * 7919) % MANY);
        edges[i] = (rag_edge){ rag_text(labels[i]), rag_text(i % 3 ? "zz hub" : "zy hub"),
                               rag_text("{}") };
    }
    OK(rag_graph_put_edges(store, NULL, edges, MANY, RAG_PUT_MERGE, NULL, &err));
    rag_result *r = NULL, *nodes = NULL, *between = NULL;
    OK(rag_graph_popular(store, NULL, 4, &r, &err));
    assert_int_equal(rag_result_count(r), 4);
    assert_string_equal(key_of(r, 0), "zz hub");
    assert_int_equal(rag_result_row(r, 0)->number, MANY - (MANY + 2) / 3);
    assert_string_equal(key_of(r, 1), "zy hub");
    assert_string_equal(key_of(r, 2), "n00000");
    assert_string_equal(key_of(r, 3), "n00001");
    rag_result_free(r);
    OK(rag_graph_popular(store, NULL, 0, &r, &err));
    assert_int_equal(rag_result_count(r), 300);
    rag_result_free(r);
    rag_graph_view_options options = RAG_GRAPH_VIEW_OPTIONS_INIT;
    options.max_nodes = 300; /* more than one batch of labels */
    OK(rag_graph_view(store, NULL, rag_text("zz hub"), &options, &nodes, &between, &err));
    assert_int_equal(rag_result_count(nodes), 300);
    assert_int_equal(rag_result_count(between), 299);
    assert_int_equal(rag_result_flags(nodes), RAG_RESULT_TRUNCATED);
    rag_result_free(nodes);
    rag_result_free(between);
    int cancel = 1;
    rag_context ctx = RAG_CONTEXT_INIT;
    ctx.cancel = &cancel;
    FAILS(RAG_E_CANCELLED, "", rag_graph_popular(store, &ctx, 4, &r, &err));
    rag_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_agree_with_the_reference),
        cmocka_unit_test(the_star_is_cut_as_stated),
        cmocka_unit_test(popular_looks_at_every_page),
    };
    return cmocka_run_group_tests(tests, add_plain, NULL);
}
