/* The graph: nodes, edges, attributes, deleting, scans. Views and popular nodes are in
 * suite_graph_view.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance.h"

enum { EVERYTHING = RAG_GRAPH_VALUES | RAG_GRAPH_DEGREES };

static rag_result *get_nodes(struct env *e, const rag_slice *labels, size_t n, unsigned what)
{
    rag_result *rows = NULL;
    OK(rag_graph_get_nodes(e->store, NULL, labels, n, what, &rows, &e->err));
    count_is(rows, n);
    return keep(e, rows);
}

static void expect_node(struct env *e, const char *label, const char *value)
{
    const rag_slice asked = T(label);
    row_is(row_of(get_nodes(e, &asked, 1, EVERYTHING), 0), value);
}

static const rag_row *get_edge(struct env *e, const char *source, const char *target)
{
    const rag_pair pair = { T(source), T(target) };
    rag_result *rows = NULL;
    OK(rag_graph_get_edges(e->store, NULL, &pair, 1, EVERYTHING, &rows, &e->err));
    count_is(rows, 1);
    return row_of(keep(e, rows), 0);
}

static void expect_edge(struct env *e, const char *source, const char *target, const char *value)
{
    const rag_row *row = get_edge(e, source, target);
    row_is(row, value);
    CHECK(same(row->key, T(source)) && same(row->key2, T(target)), "not the orientation asked");
}

static rag_result *incident(struct env *e, const rag_slice *labels, size_t n, unsigned what)
{
    rag_result *rows = NULL;
    OK(rag_graph_incident(e->store, NULL, labels, n, what, &rows, &e->err));
    return keep(e, rows);
}

static void replace_edge(struct env *e, const char *source, const char *target, const char *value)
{
    const rag_edge edge = { T(source), T(target), T(value) };
    OK(rag_graph_put_edges(e->store, NULL, &edge, 1, RAG_PUT_REPLACE, NULL, &e->err));
}

static void replace_node(struct env *e, const char *label, const char *value)
{
    const rag_node node = { T(label), T(value) };
    OK(rag_graph_put_nodes(e->store, NULL, &node, 1, RAG_PUT_REPLACE, NULL, &e->err));
}

/* ---- undirected ---------------------------------------------------------------------------------------- */

static void graph_33_edges_have_no_direction(struct env *e)
{
    edge_put(e, "b", "a", "{\"weight\":1.0}");
    expect_edge(e, "b", "a", "{\"weight\":1.0}");
    expect_edge(e, "a", "b", "{\"weight\":1.0}");
    const rag_pair pairs[] = { { T("a"), T("b") },
                               { T("b"), T("a") },
                               { T("a"), T("a") },
                               { T("a"), T("b") },
                               { T("x"), T("b") } };
    rag_result *rows = NULL;
    OK(rag_graph_get_edges(e->store, NULL, pairs, 5, EVERYTHING, &rows, &e->err));
    keep(e, rows);
    count_is(rows, 5);
    static const int found[] = { 1, 1, 0, 1, 0 };
    for (size_t i = 0; i < 5; i++) {
        const rag_row *row = row_of(rows, i);
        CHECK(row->found == found[i], "pair %zu: found %d", i, row->found);
        CHECK(same(row->key, pairs[i].source) && same(row->key2, pairs[i].target),
              "pair %zu is not in the orientation asked", i);
    }
}

static void graph_34_a_repeated_edge_is_one_edge(struct env *e)
{
    edge_put(e, "a", "b", "{\"n\":1}");
    edge_put(e, "b", "a", "{\"n\":2}");
    edge_put(e, "a", "b", "{}");
    graph_counts(e, 2, 1);
    CHECK(degree_of(e, "a") == 1 && degree_of(e, "b") == 1, "a degree is not 1");
    expect_edge(e, "a", "b", "{\"n\":2}");
}

static void graph_34_the_first_order_of_ends_is_kept(struct env *e)
{
    edge_put(e, "z", "a", "{}");
    edge_put(e, "a", "z", "{\"n\":1}");
    replace_edge(e, "a", "z", "{\"n\":2}");
    const rag_row *rows[2];
    CHECK(scan_all(e, scan_edges, NULL, 10, rows, 2) == 1, "not 1 edge");
    CHECK(same(rows[0]->key, T("z")) && same(rows[0]->key2, T("a")), "the ends were turned");
    row_is(rows[0], "{\"n\":2}");
}

static void graph_34_merge_keeps_other_attributes(struct env *e)
{
    node_put(e, "n", "{\"old\":1,\"both\":\"x\",\"f\":1.50}");
    node_put(e, "n", "{\"both\":true,\"new\":2}");
    expect_node(e, "n", "{\"old\":1,\"both\":true,\"f\":1.50,\"new\":2}");
    node_put(e, "n", "{}");
    expect_node(e, "n", "{\"old\":1,\"both\":true,\"f\":1.50,\"new\":2}");
    edge_put(e, "n", "m", "{\"w\":1.0,\"k\":\"x\"}");
    edge_put(e, "m", "n", "{\"w\":2.0}");
    expect_edge(e, "n", "m", "{\"w\":2.0,\"k\":\"x\"}");
}

static void graph_34_replace_leaves_only_what_was_given(struct env *e)
{
    node_put(e, "n", "{\"old\":1,\"both\":1}");
    replace_node(e, "n", "{\"both\":2}");
    expect_node(e, "n", "{\"both\":2}");
    replace_node(e, "n", "{}");
    expect_node(e, "n", "{}");
    edge_put(e, "n", "m", "{\"old\":1}");
    replace_edge(e, "m", "n", "{\"new\":1}");
    expect_edge(e, "n", "m", "{\"new\":1}");
    graph_counts(e, 2, 1);
}

static void graph_34_equal_items_in_one_call(struct env *e)
{
    const rag_node nodes[] = { { T("a"), T("{\"x\":1,\"y\":1}") },
                               { T("b"), T("{}") },
                               { T("a"), T("{\"y\":2,\"z\":3}") } };
    OK(rag_graph_put_nodes(e->store, NULL, nodes, 3, RAG_PUT_MERGE, NULL, &e->err));
    expect_node(e, "a", "{\"x\":1,\"y\":2,\"z\":3}");
    OK(rag_graph_put_nodes(e->store, NULL, nodes, 3, RAG_PUT_REPLACE, NULL, &e->err));
    expect_node(e, "a", "{\"y\":2,\"z\":3}");
    const rag_edge edges[] = { { T("a"), T("b"), T("{\"x\":1,\"y\":1}") },
                               { T("b"), T("a"), T("{\"y\":2}") } };
    OK(rag_graph_put_edges(e->store, NULL, edges, 2, RAG_PUT_MERGE, NULL, &e->err));
    expect_edge(e, "a", "b", "{\"x\":1,\"y\":2}");
    OK(rag_graph_put_edges(e->store, NULL, edges, 2, RAG_PUT_REPLACE, NULL, &e->err));
    expect_edge(e, "a", "b", "{\"y\":2}");
    graph_counts(e, 2, 1);
}

static void graph_34_missing_ends_are_created(struct env *e)
{
    node_put(e, "a", "{\"n\":1}");
    edge_put(e, "a", "new", "{}");
    expect_node(e, "new", "{}");
    expect_node(e, "a", "{\"n\":1}");
    edge_put(e, "x", "y", "{}");
    graph_counts(e, 4, 2);
    node_put(e, "new", "{\"n\":2}");
    expect_node(e, "new", "{\"n\":2}");
    CHECK(degree_of(e, "new") == 1, "putting the node changed its degree");
    graph_counts(e, 4, 2);
}

/* ---- degrees and neighbours ------------------------------------------------------------------------------ */

static void graph_37_degrees(struct env *e)
{
    node_put(e, "alone", "{}");
    edge_put(e, "a", "b", "{}");
    edge_put(e, "c", "a", "{}");
    edge_put(e, "a", "a", "{\"loop\":true}");
    CHECK(degree_of(e, "a") == 4, "a self loop counts 2: degree %lld",
          (long long)degree_of(e, "a"));
    CHECK(degree_of(e, "b") == 1 && degree_of(e, "alone") == 0 && degree_of(e, "none") == 0,
          "other degrees");
    edge_put(e, "a", "a", "{\"loop\":false}");
    CHECK(degree_of(e, "a") == 4, "the loop counts again");
    graph_counts(e, 4, 3);
    expect_edge(e, "a", "a", "{\"loop\":false}");
    const rag_pair loop = { T("a"), T("a") };
    uint64_t deleted = 0;
    OK(rag_graph_delete_edges(e->store, NULL, &loop, 1, &deleted, NULL, &e->err));
    CHECK(deleted == 1 && degree_of(e, "a") == 2, "without its loop");
}

static void graph_38_edge_degrees(struct env *e)
{
    edge_put(e, "a", "b", "{}");
    edge_put(e, "a", "c", "{}");
    edge_put(e, "a", "a", "{}");
    node_put(e, "alone", "{}");
    CHECK(get_edge(e, "a", "b")->number == 5, "4 + 1");
    CHECK(get_edge(e, "b", "a")->number == 5, "1 + 4");
    CHECK(get_edge(e, "a", "a")->number == 8, "4 + 4");
    /* There need not be an edge, nor a node, for a sum of degrees. */
    const rag_row *row = get_edge(e, "b", "c");
    CHECK(!row->found && row->number == 2 && !row->value.len, "1 + 1 without an edge");
    CHECK(get_edge(e, "a", "none")->number == 4 && get_edge(e, "none", "alone")->number == 0,
          "missing nodes count 0");
}

static void graph_35_incident_edges(struct env *e)
{
    node_put(e, "alone", "{}");
    edge_put(e, "hub", "z", "{\"n\":1}");
    edge_put(e, "\xc3\xa9", "hub", "{\"n\":2}");
    edge_put(e, "hub", "B", "{\"n\":3}");
    edge_put(e, "hub", "hub", "{\"n\":4}");
    edge_put(e, "z", "B", "{\"n\":5}");
    const rag_slice labels[] = { T("alone"), T("hub"), T("none"), T("hub") };
    const rag_result *rows = incident(e, labels, 4, RAG_GRAPH_VALUES);
    count_is(rows, 4 + 8);
    const rag_row *row = row_of(rows, 0);
    CHECK(row->found && row->number == 0 && same(row->key, T("alone")), "[]: there, no edges");
    row = row_of(rows, 1);
    CHECK(row->found && row->number == 4 && same(row->key, T("hub")), "the header of hub");
    static const char *const order[] = { "B", "hub", "z", "\xc3\xa9" };
    static const char *const values[] = { "{\"n\":3}", "{\"n\":4}", "{\"n\":1}", "{\"n\":2}" };
    for (size_t i = 0; i < 4; i++) {
        row = row_of(rows, 2 + i);
        CHECK(same(row->key, T("hub")) && same(row->key2, T(order[i])), "edge %zu goes to '%.*s'",
              i, SHOW(row->key2));
        row_is(row, values[i]);
    }
    row = row_of(rows, 6);
    CHECK(!row->found && row->number == 0 && same(row->key, T("none")), "None: not there");
    CHECK(row_of(rows, 7)->number == 4, "asked twice, answered twice");
    rows = incident(e, labels + 1, 1, 0);
    count_is(rows, 5);
    CHECK(row_of(rows, 1)->value.len == 0, "a value that was not asked for");
}

static void graph_38_batches_equal_singles(struct env *e)
{
    static const char *const names[] = { "a", "b", "c", "d", "none" };
    edge_put(e, "a", "b", "{\"n\":1}");
    edge_put(e, "c", "b", "{\"n\":2}");
    node_put(e, "d", "{\"n\":3}");
    rag_slice labels[10];
    rag_pair pairs[25];
    for (size_t i = 0; i < 10; i++)
        labels[i] = T(names[i % 5]);
    for (size_t i = 0; i < 25; i++)
        pairs[i] = (rag_pair){ T(names[i / 5]), T(names[i % 5]) };
    const rag_result *nodes = get_nodes(e, labels, 10, EVERYTHING);
    for (size_t i = 0; i < 10; i++) {
        const rag_row *row = row_of(nodes, i);
        const rag_row *one = row_of(get_nodes(e, &labels[i], 1, EVERYTHING), 0);
        CHECK(row->found == one->found && row->number == one->number &&
                  same(row->value, one->value) && same(row->key, labels[i]),
              "node %zu", i);
    }
    rag_result *edges = NULL;
    OK(rag_graph_get_edges(e->store, NULL, pairs, 25, EVERYTHING, &edges, &e->err));
    keep(e, edges);
    count_is(edges, 25);
    for (size_t i = 0; i < 25; i++) {
        const rag_row *row = row_of(edges, i), *one = get_edge(e, names[i / 5], names[i % 5]);
        CHECK(row->found == one->found && row->number == one->number &&
                  same(row->value, one->value),
              "edge %s-%s", names[i / 5], names[i % 5]);
    }
}

/* Edges at one node, asked for in an order that a backend may take for a scan of its neighbours: with
 * others in between that are not there, either end first, twice, and backwards. */
static void graph_38_runs_of_edges_equal_singles(struct env *e)
{
    enum { N = 60 };
    static char names[N][8];
    rag_pair pairs[4 * N];
    size_t n = 0;
    for (size_t i = 0; i < N; i++)
        (void)snprintf(names[i], sizeof names[i], "n%02zu", i);
    for (size_t i = 0; i < N; i += 3) {
        edge_put(e, "n30", names[i], format_text("{\"n\":%zu}", i));
        edge_put(e, names[i], names[(i + 5) % N], "{}");
    }
    for (size_t i = 0; i < N; i++) /* the smaller label first, as LightRAG asks */
        pairs[n++] =
            i < 30 ? (rag_pair){ T(names[i]), T("n30") } : (rag_pair){ T("n30"), T(names[i]) };
    for (size_t i = 0; i < N; i += 2)
        pairs[n++] = (rag_pair){ T("n30"), T(names[i]) };
    for (size_t i = N; i-- > 0;)
        pairs[n++] = (rag_pair){ T("n30"), T(names[i]) };
    for (size_t i = 0; i < N; i++)
        pairs[n++] = (rag_pair){ T("absent"), T(names[i]) };
    pairs[n++] = pairs[0];
    pairs[n] = pairs[n - 1];
    n++;
    for (unsigned what = 0; what <= EVERYTHING; what++) {
        rag_result *all = NULL;
        OK(rag_graph_get_edges(e->store, NULL, pairs, n, what, &all, &e->err));
        count_is(keep(e, all), n);
        for (size_t i = 0; i < n; i++) {
            rag_result *one = NULL;
            OK(rag_graph_get_edges(e->store, NULL, &pairs[i], 1, what, &one, &e->err));
            const rag_row *a = row_of(all, i), *b = row_of(keep(e, one), 0);
            CHECK(a->found == b->found && a->number == b->number && same(a->value, b->value) &&
                      same(a->key, pairs[i].source) && same(a->key2, pairs[i].target),
                  "what %u: pair %zu", what, i);
        }
    }
    CHECK(get_edge(e, "n30", "n33")->found && !get_edge(e, "n30", "n31")->found, "the cases");
}

/* Labels of all kinds in turn: a backend may keep long or odd ones in another way than the rest. */
static void graph_38_batches_of_all_kinds_of_labels(struct env *e)
{
    enum { N = 7, LONG = 1500 };
    static char letters[LONG];
    memset(letters, 'm', sizeof letters);
    const size_t size = e->backend->quirks.key_bytes_max < LONG ? 100 : LONG;
    const rag_slice labels[N] = { T("z"),          { letters, size },     T("ragstore:y"), T("a"),
                                  T("\xc3\xa9\n"), { letters, size - 1 }, T("none") };
    rag_edge edges[N * N];
    rag_pair pairs[N * N];
    rag_result *rows = NULL;
    size_t n = 0;
    for (size_t i = 0; i + 1 < N; i++)
        for (size_t j = 0; j < i; j++)
            edges[n++] = (rag_edge){ labels[i % 2 ? i : j], labels[i % 2 ? j : i],
                                     T(format_text("{\"n\":%zu}", i * N + j)) };
    OK(rag_graph_put_edges(e->store, NULL, edges, n, RAG_PUT_MERGE, NULL, &e->err));
    graph_counts(e, N - 1, n);
    for (size_t i = 0; i < N * N; i++)
        pairs[i] = (rag_pair){ labels[i / N], labels[i % N] };
    OK(rag_graph_get_edges(e->store, NULL, pairs, N * N, EVERYTHING, &rows, &e->err));
    count_is(keep(e, rows), N * N);
    for (size_t i = 0; i < N * N; i++) {
        const size_t a = i / N, b = i % N, high = a > b ? a : b, low = a > b ? b : a;
        const rag_row *row = row_of(rows, i);
        if (high == low || high == N - 1)
            CHECK(!row->found, "edge %zu-%zu", a, b);
        else
            row_is(row, format_text("{\"n\":%zu}", high * N + low));
        CHECK(row->number == (a != N - 1) * (N - 2) + (b != N - 1) * (N - 2),
              "%zu-%zu: degree %lld", a, b, (long long)row->number);
        CHECK(same(row->key, labels[a]) && same(row->key2, labels[b]), "edge %zu-%zu", a, b);
    }
    const rag_result *nodes = get_nodes(e, labels, N, RAG_GRAPH_DEGREES);
    for (size_t i = 0; i < N; i++)
        CHECK(row_of(nodes, i)->number == (i != N - 1) * (N - 2), "degree of node %zu", i);
    uint64_t deleted = 0;
    OK(rag_graph_delete_edges(e->store, NULL, pairs, N, &deleted, NULL, &e->err));
    CHECK(deleted == N - 2, "%llu edges deleted", (unsigned long long)deleted);
    OK(rag_graph_delete_nodes(e->store, NULL, labels, N, &deleted, NULL, &e->err));
    CHECK(deleted == N - 1, "%llu nodes deleted", (unsigned long long)deleted);
    graph_counts(e, 0, 0);
}

static void graph_empty_batches_do_nothing(struct env *e)
{
    rag_result *rows = NULL;
    uint64_t deleted = 9;
    count_is(get_nodes(e, NULL, 0, 0), 0);
    count_is(incident(e, NULL, 0, 0), 0);
    OK(rag_graph_get_edges(e->store, NULL, NULL, 0, 0, &rows, &e->err));
    count_is(keep(e, rows), 0);
    OK(rag_graph_put_nodes(e->store, NULL, NULL, 0, RAG_PUT_MERGE, NULL, &e->err));
    OK(rag_graph_put_edges(e->store, NULL, NULL, 0, RAG_PUT_REPLACE, NULL, &e->err));
    OK(rag_graph_delete_nodes(e->store, NULL, NULL, 0, &deleted, NULL, &e->err));
    CHECK(deleted == 0, "%llu deleted", (unsigned long long)deleted);
    graph_counts(e, 0, 0);
}

static void graph_rows_carry_what_was_asked_for(struct env *e)
{
    const rag_slice a = T("a");
    const rag_pair pair = { T("a"), T("b") };
    edge_put(e, "a", "b", "{\"n\":1}");
    node_put(e, "a", "{\"n\":2}");
    rag_result *rows = NULL;
    for (unsigned what = 0; what <= EVERYTHING; what++) {
        const int64_t degree = what & RAG_GRAPH_DEGREES ? 1 : 0;
        const char *node = what & RAG_GRAPH_VALUES ? "{\"n\":2}" : "";
        const char *edge = what & RAG_GRAPH_VALUES ? "{\"n\":1}" : "";
        const rag_row *row = row_of(get_nodes(e, &a, 1, what), 0);
        CHECK(row->found && row->number == degree, "a node with what = %u", what);
        CHECK(same(row->value, T(node)), "the value of a node with what = %u", what);
        rows = NULL;
        OK(rag_graph_get_edges(e->store, NULL, &pair, 1, what, &rows, &e->err));
        row = row_of(keep(e, rows), 0);
        CHECK(row->found && row->number == 2 * degree, "an edge with what = %u", what);
        CHECK(same(row->value, T(edge)), "the value of an edge with what = %u", what);
        rows = NULL;
        OK(rag_graph_scan_nodes(e->store, NULL, T(""), 1, what, &rows, &e->err));
        row = row_of(keep(e, rows), 0);
        CHECK(row->number == degree && same(row->value, T(node)), "a scan with what = %u", what);
    }
    rows = NULL;
    REFUSED(RAG_E_INVALID, rag_graph_get_nodes(e->store, NULL, &a, 1, 128, &rows, &e->err));
    REFUSED(RAG_E_INVALID,
            rag_graph_incident(e->store, NULL, &a, 1, RAG_GRAPH_DEGREES, &rows, &e->err));
}

/* ---- deleting ------------------------------------------------------------------------------------------------ */

static void graph_36_deleting_a_node_takes_its_edges(struct env *e)
{
    edge_put(e, "hub", "a", "{}");
    edge_put(e, "b", "hub", "{}");
    edge_put(e, "hub", "hub", "{}");
    edge_put(e, "a", "b", "{\"n\":1}");
    const rag_slice labels[] = { T("hub"), T("none"), T("hub") };
    uint64_t deleted = 0;
    OK(rag_graph_delete_nodes(e->store, NULL, labels, 3, &deleted, NULL, &e->err));
    CHECK(deleted == 1, "%llu deleted, not 1", (unsigned long long)deleted);
    graph_counts(e, 2, 1);
    CHECK(degree_of(e, "a") == 1 && degree_of(e, "b") == 1, "a degree kept the deleted edge");
    CHECK(!get_edge(e, "hub", "a")->found && !get_edge(e, "hub", "hub")->found, "an edge is left");
    expect_edge(e, "b", "a", "{\"n\":1}");
    edge_put(e, "hub", "a", "{}"); /* nothing of before comes back */
    CHECK(degree_of(e, "hub") == 1 && degree_of(e, "a") == 2, "degrees of the new hub");
    const rag_slice all[] = { T("a"), T("hub"), T("b") };
    OK(rag_graph_delete_nodes(e->store, NULL, all, 3, &deleted, NULL, &e->err));
    CHECK(deleted == 3, "%llu deleted, not 3", (unsigned long long)deleted);
    graph_counts(e, 0, 0);
}

static void graph_36_deleting_edges_in_either_order(struct env *e)
{
    edge_put(e, "a", "b", "{}");
    edge_put(e, "c", "b", "{}");
    const rag_pair pairs[] = {
        { T("b"), T("a") }, { T("a"), T("b") }, { T("a"), T("c") }, { T("none"), T("b") }
    };
    uint64_t deleted = 0;
    OK(rag_graph_delete_edges(e->store, NULL, pairs, 4, &deleted, NULL, &e->err));
    CHECK(deleted == 1, "%llu deleted, not 1", (unsigned long long)deleted);
    graph_counts(e, 3, 1);
    CHECK(degree_of(e, "a") == 0 && degree_of(e, "b") == 1, "degrees");
    expect_node(e, "a", "{}");
    OK(rag_graph_delete_edges(e->store, NULL, pairs, 4, &deleted, NULL, &e->err));
    CHECK(deleted == 0, "%llu deleted, not 0", (unsigned long long)deleted);
}

static void graph_drop_is_immediate_and_idempotent(struct env *e)
{
    OK(rag_graph_drop(e->store, NULL, &e->err));
    edge_put(e, "a", "b", "{}");
    kv_put(e, "graph", T("a"), "{}"); /* a namespace of this name is another thing */
    OK(rag_graph_drop(e->store, NULL, &e->err));
    OK(rag_graph_drop(e->store, NULL, &e->err));
    graph_counts(e, 0, 0);
    const rag_slice a = T("a");
    const rag_row *row = row_of(incident(e, &a, 1, 0), 0);
    CHECK(!row->found && row->number == 0, "something is left");
    edge_put(e, "a", "b", "{}");
    graph_counts(e, 2, 1);
    CHECK(degree_of(e, "a") == 1 && kv_count(e, "graph") == 1, "the new graph");
}

/* ---- attributes ------------------------------------------------------------------------------------------------- */

/* As nodes n0, n1, ... and as their edges to "other". */
static void put_and_expect(struct env *e, const char *const *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        node_put(e, format_text("n%zu", i), values[i]);
        edge_put(e, format_text("n%zu", i), "other", values[i]);
    }
    for (size_t i = 0; i < n; i++) {
        expect_node(e, format_text("n%zu", i), values[i]);
        expect_edge(e, "other", format_text("n%zu", i), values[i]);
    }
}

static void graph_41_types_of_attributes_survive(struct env *e)
{
    static const char *const values[] = {
        "{}",
        "{\"i\":1,\"f\":1.0,\"t\":true,\"n\":false,\"e\":\"\",\"s\":\"1\"}",
        "{\"max\":9223372036854775807,\"min\":-9223372036854775808,\"z\":0,\"nz\":-0.0}",
        "{\"a\":1e5,\"b\":1E-05,\"c\":0.10,\"d\":1.7976931348623157e308}",
        "{\"description\":\"one<SEP>two\",\"source_id\":\"chunk-1<SEP>chunk-2\"}",
        "{\"tab\":\"a\\tb\\nc\\rd\",\"q\":\"\\\"<&>'\",\"u\":\"\\u00e9\xc3\xa9\xf0\x9f\x98\x80\"}",
        "{\" \":1,\"a b\":2,\"\xe5\x90\x8d\":3,\"a$\":4,\"_id\":5,\"id\":6}",
        "{\"entity_id\":\"x\",\"created_at\":1718000000,\"truncate\":\"\",\"weight\":10.0}",
    };
    enum { N = sizeof values / sizeof values[0] };
    put_and_expect(e, values, N);
    for (size_t i = 0; i < N; i++) { /* merging nothing changes no spelling */
        node_put(e, format_text("n%zu", i), "{}");
        const rag_slice label = T(format_text("n%zu", i));
        const rag_row *row = row_of(get_nodes(e, &label, 1, EVERYTHING), 0);
        if (i != 5) /* escapes may be spelled otherwise after a merge, numbers may not */
            row_is(row, values[i]);
    }
}

/* Where a quote, a comma or a brace is text and where it is structure. */
static void graph_41_attributes_of_all_shapes_survive(struct env *e)
{
    static const char *const values[] = {
        "{\"a\":\"\\\\\",\"b\":\"\\\\\\\"\",\"c\":\"\\\"\"}",
        "{\"a\":\"}\",\"b\":\"{\\\"b\\\":1,\",\"c\":\",\\\"c\\\":[\"}",
        "{\"description\":\"ends in \\\\\",\"keywords\":\"\\\\\\\\\",\"truncate\":\": \\\", \"}",
        "{\"weight\":-0.5,\"a\":0,\"b\":-7,\"c\":0.25,\"d\":true}",
        "{\"q\\\"x\":1,\"b\\\\\":2}",
        "{\"a01\":\"1\",\"a02\":\"2\",\"a03\":\"3\",\"a04\":\"4\",\"a05\":\"5\",\"a06\":\"6\",\"a07\":\"7\","
        "\"a08\":\"8\",\"a09\":\"9\",\"a10\":\"0\",\"a11\":\"1\",\"a12\":\"2\",\"a13\":\"3\",\"a14\":\"4\","
        "\"a15\":\"5\",\"a16\":\"6\",\"a17\":\"7\",\"weight\":1.0}",
        "{\"weight\":1.0,\"description\":\"d\",\"keywords\":\"k\",\"source_id\":\"s\",\"file_path\":\"f\","
        "\"created_at\":1,\"truncate\":\"\",\"z\":\"\",\"aa\":2}",
    };
    put_and_expect(e, values, sizeof values / sizeof values[0]);
}

static void expect_attributes_refused(struct env *e, rag_slice value)
{
    const rag_node nodes[] = { { T("new"), T("{}") },
                               { T("old"), T("{\"n\":2}") },
                               { T("bad"), value },
                               { T("newer"), T("{}") } };
    const rag_edge edges[] = { { T("old"), T("new"), T("{}") },
                               { T("old"), T("bad"), value },
                               { T("p"), T("q"), T("{}") } };
    rag_token token = 31;
    for (int mode = RAG_PUT_MERGE; mode <= RAG_PUT_REPLACE; mode++) {
        const rag_status a =
            rag_graph_put_nodes(e->store, NULL, nodes, 4, (rag_put_mode)mode, &token, &e->err);
        const rag_status b =
            rag_graph_put_edges(e->store, NULL, edges, 3, (rag_put_mode)mode, &token, &e->err);
        CHECK(a == RAG_E_INVALID && b == RAG_E_INVALID, "accepted as attributes: '%.*s'",
              SHOW(value));
    }
    CHECK(token == 31, "the token was touched");
    graph_counts(e, 1, 0);
    expect_node(e, "old", "{\"n\":1}");
}

static void graph_42_what_cannot_be_stored_changes_nothing(struct env *e)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{",
        "{\"a\":null}",
        "{\"a\":[]}",
        "{\"a\":{}}",
        "{\"a\":[1]}",
        "{\"a.b\":1}",
        "{\".\":1}",
        "{\"$a\":1}",
        "{\"$\":1}",
        "{\"\":1}",
        "{\"a\":9223372036854775808}",
        "{\"a\":-9223372036854775809}",
        "{\"a\":123456789012345678901}",
        "{\"a\":1e999}",
        "{\"a\":-1.5e400}",
        "{\"a\":NaN}",
        "{\"a\":Infinity}",
        "{\"a\":\"\\u0000\"}",
        "{\"a\":\"\\u0001\"}",
        "{\"a\":\"\\u001f\"}",
        "{\"a\":\"\\b\"}",
        "{\"a\":\"\\ufffe\"}",
        "{\"a\":\"\\uffff\"}",
        "{\"a\":\"\xef\xbf\xbf\"}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\xff\"}",
        "{\"a\\u0001\":1}",
        "{\"a\":1,\"a\":2}",
    };
    node_put(e, "old", "{\"n\":1}");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect_attributes_refused(e, T(bad[i]));
}

static void graph_bad_labels_are_refused(struct env *e)
{
    static char long_label[1024 * 1024 + 1];
    memset(long_label, 'l', sizeof long_label);
    const rag_slice bad[] = { T(""),       T("\xff"),
                              T("a\xc3"),  T("\xed\xa0\x80"),
                              { NULL, 2 }, { long_label, sizeof long_label } };
    rag_result *rows = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const rag_node nodes[] = { { T("a"), T("{}") }, { bad[i], T("{}") } };
        const rag_edge edges[] = { { T("a"), T("b"), T("{}") }, { bad[i], T("c"), T("{}") } };
        const rag_edge turned = { T("c"), bad[i], T("{}") };
        REFUSED(RAG_E_INVALID,
                rag_graph_put_nodes(e->store, NULL, nodes, 2, RAG_PUT_MERGE, NULL, &e->err));
        REFUSED(RAG_E_INVALID,
                rag_graph_put_edges(e->store, NULL, edges, 2, RAG_PUT_MERGE, NULL, &e->err));
        REFUSED(RAG_E_INVALID,
                rag_graph_put_edges(e->store, NULL, &turned, 1, RAG_PUT_MERGE, NULL, &e->err));
        REFUSED(RAG_E_INVALID, rag_graph_get_nodes(e->store, NULL, &bad[i], 1, 0, &rows, &e->err));
    }
    const rag_node node = { T("a"), T("{}") };
    REFUSED(RAG_E_INVALID,
            rag_graph_put_nodes(e->store, NULL, &node, 1, (rag_put_mode)7, NULL, &e->err));
    CHECK(!rows, "the result was touched");
    graph_counts(e, 0, 0);
}

static void link_all(struct env *e, const rag_slice *labels, size_t n)
{
    for (size_t i = 0; i < n; i++) { /* a ring */
        const rag_edge edge = { labels[i], labels[(i + 1) % n], T(format_text("{\"n\":%zu}", i)) };
        OK(rag_graph_put_edges(e->store, NULL, &edge, 1, RAG_PUT_MERGE, NULL, &e->err));
    }
    graph_counts(e, n, n);
    for (size_t i = 0; i < n; i++) {
        const rag_result *rows = incident(e, &labels[i], 1, RAG_GRAPH_VALUES);
        count_is(rows, 3);
        CHECK(row_of(rows, 0)->number == 2, "node %zu has another degree", i);
        const rag_slice before = labels[(i + n - 1) % n], after = labels[(i + 1) % n];
        const int swapped = compare(before, after) > 0;
        CHECK(same(row_of(rows, 1)->key2, swapped ? after : before) &&
                  same(row_of(rows, 2)->key2, swapped ? before : after),
              "node %zu has other neighbours", i);
        row_is(row_of(rows, swapped ? 1 : 2), format_text("{\"n\":%zu}", i));
    }
}

static void graph_hostile_labels(struct env *e)
{
    const rag_slice labels[] = {
        T("a"),
        T("A"),
        T("a "),
        T("'"),
        T("\""),
        T("`"),
        T("$"),
        T("$AGE$"),
        T("\\"),
        T("%"),
        T("_"),
        T("a:b"),
        T("a/b"),
        T("a<SEP>b"),
        T("-"),
        T("a-b"),
        T("*"),
        T("\n"),
        T("'; DROP TABLE kv; --"),
        T("<a>&amp;</a>"),
        T("\xc3\xa9"),
        T("e\xcc\x81"),
        T("\xe6\x9d\xb1\xe4\xba\xac"),
        T("\xf0\x9f\x98\x80"),
        T("\x7f"),
    };
    link_all(e, labels, sizeof labels / sizeof labels[0]);
}

static void graph_labels_that_xml_does_not_have(struct env *e)
{
    const rag_slice labels[] = { T("\x01"), T("a\x1f"), T("\xef\xbf\xbf") };
    if (e->backend->quirks.offers & NEEDS_CONTROL) {
        link_all(e, labels, 3);
        return;
    }
    for (size_t i = 0; i < 3; i++) {
        const rag_node node = { labels[i], T("{}") };
        const rag_edge edge = { T("a"), labels[i], T("{}") };
        REFUSED(RAG_E_INVALID,
                rag_graph_put_nodes(e->store, NULL, &node, 1, RAG_PUT_MERGE, NULL, &e->err));
        REFUSED(RAG_E_INVALID,
                rag_graph_put_edges(e->store, NULL, &edge, 1, RAG_PUT_MERGE, NULL, &e->err));
    }
    graph_counts(e, 0, 0);
}

static void graph_labels_with_nul_are_told_apart(struct env *e)
{
    const rag_slice labels[] = { B("a"),    B("a\0"), B("a\0\0"),   B("\0"),  B("\0a"),
                                 B("a\0b"), B("b"),   B("a\0\x01"), B("\x01") };
    link_all(e, labels, sizeof labels / sizeof labels[0]);
}

static void graph_long_labels(struct env *e)
{
    static const size_t lengths[] = { 255, 256, 1000, 8191, 65536 };
    const size_t longest = e->backend->quirks.key_bytes_max;
    rag_slice labels[5];
    size_t n = 0;
    for (size_t i = 0; i < 5 && lengths[i] <= longest; i++) {
        char *label = malloc(lengths[i]);
        memset(label, 'l', lengths[i]);
        labels[n++] = (rag_slice){ label, lengths[i] };
    }
    link_all(e, labels, n);
    for (size_t i = 0; i < n; i++)
        free((void *)(uintptr_t)labels[i].data);
}

static void graph_large_attributes(struct env *e)
{
    const size_t sizes[] = { 1, 4000, 9000, 70000, 1000000 };
    for (size_t i = 0; i < 5; i++) {
        char *value = malloc(sizes[i] + 10);
        memcpy(value, "{\"d\":\"", 6);
        memset(value + 6, 'a' + (int)i, sizes[i]);
        memcpy(value + 6 + sizes[i], "\"}", 3);
        node_put(e, "n", value);
        edge_put(e, "n", "m", value);
        expect_node(e, "n", value);
        expect_edge(e, "m", "n", value);
        free(value);
    }
    graph_counts(e, 2, 1);
}

/* ---- scans ----------------------------------------------------------------------------------------------------- */

static void graph_43_scans_of_nodes(struct env *e)
{
    static const char *const ordered[] = { "!",  "A", "B",        "a",
                                           "aa", "b", "\xc3\xa9", "\xf0\x9f\x98\x80" };
    static const size_t limits[] = { 1, 2, 7, 8, 100 };
    const rag_row *rows[8];
    for (size_t i = 0; i < 8; i++)
        node_put(e, ordered[i * 3 % 8], format_text("{\"n\":%zu}", i * 3 % 8));
    edge_put(e, "A", "B", "{}");
    edge_put(e, "A", "A", "{}");
    for (size_t l = 0; l < 5; l++) {
        CHECK(scan_all(e, scan_nodes, NULL, limits[l], rows, 8) == 8, "not 8 nodes");
        for (size_t i = 0; i < 8; i++) {
            CHECK(same(rows[i]->key, T(ordered[i])), "row %zu is '%.*s'", i, SHOW(rows[i]->key));
            row_is(rows[i], format_text("{\"n\":%zu}", i));
            const int64_t degree = i == 1 ? 3 : i == 2;
            CHECK(rows[i]->number == degree, "row %zu has degree %lld", i,
                  (long long)rows[i]->number);
        }
    }
    rag_result *page = NULL;
    OK(rag_graph_scan_nodes(e->store, NULL, T("a"), 1, 0, &page, &e->err));
    const rag_row *row = row_of(keep(e, page), 0);
    CHECK(same(row->key, T("aa")) && !row->value.len, "not the node after 'a', or with a value");
}

static void graph_43_scans_of_edges(struct env *e)
{
    enum { N = 9 };
    static const size_t limits[] = { 1, 2, 7, N, 100 };
    for (size_t i = 0; i < N; i++) /* 0-0, 1-8, 2-7, ... both orders, one loop */
        edge_put(e, format_text("n%zu", i), format_text("n%zu", i * 8 % N),
                 format_text("{\"n\":%zu}", i));
    for (size_t l = 0; l < 5; l++) {
        const rag_row *rows[N];
        int seen[N] = { 0 };
        const size_t n = scan_all(e, scan_edges, NULL, limits[l], rows, N);
        CHECK(n == 5, "%zu edges, not 5", n); /* each once */
        for (size_t i = 0; i < n; i++) {
            const size_t from = strtoul((const char *)rows[i]->key.data + 1, NULL, 10);
            const size_t to = strtoul((const char *)rows[i]->key2.data + 1, NULL, 10);
            CHECK(from < N && to == from * 8 % N && from <= to && !seen[from]++,
                  "edge '%.*s' - '%.*s'", SHOW(rows[i]->key), SHOW(rows[i]->key2));
            row_is(rows[i], format_text("{\"n\":%zu}", to));
        }
    }
}

static void graph_scan_of_edges_sees_what_stays(struct env *e)
{
    enum { N = 12 };
    int seen[N] = { 0 };
    rag_slice after = T("");
    for (size_t i = 0; i < N; i++)
        edge_put(e, format_text("%zu", i), "hub", "{}");
    for (int step = 0; step == 0 || after.len; step++) {
        rag_result *page = NULL;
        OK(rag_graph_scan_edges(e->store, NULL, after, 2, 0, &page, &e->err));
        keep(e, page);
        CHECK(step < 100, "the scan does not end");
        for (size_t i = 0; i < rag_result_count(page); i++)
            seen[strtoul(row_of(page, i)->key.data, NULL, 10) % N]++;
        after = rag_result_next(page);
        if (step == 1) {
            const rag_pair gone[] = { { T("3"), T("hub") },
                                      { T("8"), T("hub") },
                                      { T("1"), T("hub") } };
            OK(rag_graph_delete_edges(e->store, NULL, gone, 3, NULL, NULL, &e->err));
            edge_put(e, "5", "hub", "{\"changed\":true}");
        }
    }
    for (size_t i = 0; i < N; i++)
        CHECK(i == 1 || i == 3 || i == 8 || seen[i] == 1, "edge %zu was seen %d times", i, seen[i]);
}

/* ---- a model -------------------------------------------------------------------------------------------------- */

enum { MODEL_NODES = 14 };

struct graph_model {
    int node[MODEL_NODES];              /* 0: absent, else its value + 1 */
    int edge[MODEL_NODES][MODEL_NODES]; /* symmetric; 0: absent, else its value + 1 */
};

static rag_slice model_label(size_t i)
{
    static char labels[MODEL_NODES][8];
    (void)snprintf(labels[i], sizeof labels[i], "n%zu", i);
    return T(labels[i]);
}

static int64_t model_degree(const struct graph_model *m, size_t i)
{
    int64_t degree = 0;
    for (size_t j = 0; j < MODEL_NODES; j++)
        degree += m->edge[i][j] ? 1 + (i == j) : 0;
    return degree;
}

static void compare_node(const struct graph_model *m, const rag_row *row, size_t i)
{
    CHECK(row->found == (m->node[i] != 0), "node %zu: found %d", i, row->found);
    CHECK(row->number == model_degree(m, i), "node %zu has degree %lld, not %lld", i,
          (long long)row->number, (long long)model_degree(m, i));
    if (m->node[i] == 1)
        row_is(row, "{}");
    else if (m->node[i])
        row_is(row, format_text("{\"v\":%d}", m->node[i] - 1));
}

static void model_compare(struct env *e, const struct graph_model *m)
{
    rag_slice labels[MODEL_NODES];
    uint64_t nodes = 0, edges = 0;
    rag_result *got = NULL, *around = NULL;
    for (size_t i = 0; i < MODEL_NODES; i++)
        labels[i] = model_label(i);
    OK(rag_graph_get_nodes(e->store, NULL, labels, MODEL_NODES, EVERYTHING, &got, &e->err));
    OK(rag_graph_incident(e->store, NULL, labels, MODEL_NODES, 1, &around, &e->err));
    size_t at = 0;
    for (size_t i = 0; i < MODEL_NODES; i++) {
        compare_node(m, row_of(got, i), i);
        nodes += m->node[i] != 0;
        int64_t left = row_of(around, at++)->number;
        for (size_t j = 0; j < MODEL_NODES; j++)
            edges += j <= i && m->edge[i][j];
        for (; left > 0; left--, at++) {
            const rag_row *row = row_of(around, at);
            const size_t j = strtoul((const char *)row->key2.data + 1, NULL, 10);
            CHECK(j < MODEL_NODES && m->edge[i][j], "an edge %zu-%zu that is not there", i, j);
            row_is(row, format_text("{\"w\":%d}", m->edge[i][j] - 1));
        }
        size_t wanted = 0;
        for (size_t j = 0; j < MODEL_NODES; j++)
            wanted += m->edge[i][j] != 0;
        const size_t first = at - wanted - 1;
        CHECK(at > wanted && row_of(around, first)->number == (int64_t)wanted, "edges at %zu", i);
    }
    count_is(around, at);
    rag_result_free(got);
    rag_result_free(around);
    graph_counts(e, nodes, edges);
}

static void model_put_node(struct env *e, struct graph_model *m, struct random *r)
{
    const size_t i = random_below(r, MODEL_NODES);
    const int value = 1 + (int)random_below(r, 50);
    node_put(e, format_text("n%zu", i), format_text("{\"v\":%d}", value));
    m->node[i] = value + 1;
}

static void model_put_edges(struct env *e, struct graph_model *m, struct random *r)
{
    rag_edge edges[4];
    const size_t n = 1 + random_below(r, 4);
    for (size_t k = 0; k < n; k++) {
        const size_t i = random_below(r, MODEL_NODES), j = random_below(r, MODEL_NODES);
        const int value = (int)random_below(r, 50);
        edges[k] =
            (rag_edge){ model_label(i), model_label(j), T(format_text("{\"w\":%d}", value)) };
        m->edge[i][j] = m->edge[j][i] = value + 1;
        if (!m->node[i])
            m->node[i] = 1;
        if (!m->node[j])
            m->node[j] = 1;
    }
    OK(rag_graph_put_edges(e->store, NULL, edges, n, RAG_PUT_MERGE, NULL, &e->err));
}

static void model_delete_node(struct env *e, struct graph_model *m, struct random *r)
{
    const size_t i = random_below(r, MODEL_NODES);
    const rag_slice label = model_label(i);
    uint64_t deleted = 9;
    OK(rag_graph_delete_nodes(e->store, NULL, &label, 1, &deleted, NULL, &e->err));
    CHECK(deleted == (m->node[i] != 0), "%llu deleted", (unsigned long long)deleted);
    m->node[i] = 0;
    for (size_t j = 0; j < MODEL_NODES; j++)
        m->edge[i][j] = m->edge[j][i] = 0;
}

static void model_delete_edge(struct env *e, struct graph_model *m, struct random *r)
{
    const size_t i = random_below(r, MODEL_NODES), j = random_below(r, MODEL_NODES);
    const rag_pair pair = { model_label(i), model_label(j) };
    uint64_t deleted = 9;
    OK(rag_graph_delete_edges(e->store, NULL, &pair, 1, &deleted, NULL, &e->err));
    CHECK(deleted == (m->edge[i][j] != 0), "%llu deleted", (unsigned long long)deleted);
    m->edge[i][j] = m->edge[j][i] = 0;
}

static void graph_random_operations_agree_with_a_model(struct env *e)
{
    struct random r = random_of(e);
    struct graph_model m = { 0 };
    for (int step = 0; step < 1000; step++) {
        const uint64_t what = random_below(&r, 100);
        if (what < 20)
            model_put_node(e, &m, &r);
        else if (what < 65)
            model_put_edges(e, &m, &r);
        else if (what < 80)
            model_delete_node(e, &m, &r);
        else
            model_delete_edge(e, &m, &r);
        if (step % 5 == 0)
            model_compare(e, &m);
    }
    model_compare(e, &m);
}

const struct conformance_case graph_cases[] = {
    CASE(graph, 33_edges_have_no_direction),
    CASE(graph, 34_a_repeated_edge_is_one_edge),
    CASE(graph, 34_the_first_order_of_ends_is_kept),
    CASE(graph, 34_merge_keeps_other_attributes),
    CASE(graph, 34_replace_leaves_only_what_was_given),
    CASE(graph, 34_equal_items_in_one_call),
    CASE(graph, 34_missing_ends_are_created),
    CASE(graph, 35_incident_edges),
    CASE(graph, 36_deleting_a_node_takes_its_edges),
    CASE(graph, 36_deleting_edges_in_either_order),
    CASE(graph, 37_degrees),
    CASE(graph, 38_edge_degrees),
    CASE(graph, 38_batches_equal_singles),
    CASE(graph, 38_runs_of_edges_equal_singles),
    CASE(graph, 38_batches_of_all_kinds_of_labels),
    CASE(graph, empty_batches_do_nothing),
    CASE(graph, rows_carry_what_was_asked_for),
    CASE(graph, drop_is_immediate_and_idempotent),
    CASE(graph, 41_types_of_attributes_survive),
    CASE(graph, 41_attributes_of_all_shapes_survive),
    CASE(graph, 42_what_cannot_be_stored_changes_nothing),
    CASE(graph, bad_labels_are_refused),
    CASE(graph, hostile_labels),
    CASE(graph, labels_that_xml_does_not_have),
    CASE_NEEDS(graph, labels_with_nul_are_told_apart, NEEDS_NUL),
    CASE(graph, long_labels),
    CASE(graph, large_attributes),
    CASE(graph, 43_scans_of_nodes),
    CASE(graph, 43_scans_of_edges),
    CASE(graph, scan_of_edges_sees_what_stays),
    CASE(graph, random_operations_agree_with_a_model),
    CASES_END,
};
