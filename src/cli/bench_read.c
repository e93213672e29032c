/* The benches that only read: open, search, expansion, reads, view.
 *
 * Each asks what a query of LightRAG asks: 60 nearest rows with payload, 40 nodes with their edges
 * and degrees, values by key. Recall is measured against the exact search of the same store; a hit
 * counts when the exact answer has it, or when its score equals that of the last exact hit. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

enum { TOP_K = 60, POPULAR = 40, KV_BATCH = 100, VIEW_NODES = 1000, KEYS_MAX = 10000 };

/* ---- open ------------------------------------------------------------------------------------- */

/* The first vector space and a query for it; the store is closed again. */
static rag_status prepare_open(bench *b, text *space, float **vector, size_t *dimension)
{
    rag_open_options options = RAG_OPEN_OPTIONS_INIT;
    id_list spaces = { 0 };
    id_list ids = { 0 };
    options.flags = RAG_OPEN_READ_ONLY | RAG_OPEN_EXISTING;
    rag_status status = rag_store_open(b->url, &options, b->ctx, &b->store, &b->err);
    if (status != RAG_OK) {
        return status;
    }
    status = bench_spaces(b, "vector", &spaces);
    if (status == RAG_OK && spaces.count > 0) {
        text_add_bytes(space, spaces.ids[0].data, spaces.ids[0].len);
        status = bench_sample(b, space->data, 1, &ids);
    }
    if (status == RAG_OK && ids.count > 0) {
        status = bench_query(b, space->data, text_slice(&ids.ids[0]), vector, dimension);
    }
    id_list_free(&spaces);
    id_list_free(&ids);
    rag_store_close(b->store);
    b->store = NULL;
    return status;
}

static rag_status open_once(bench *b, const char *space, const rag_vector_query *query,
                            timings *opened, timings *answered)
{
    rag_open_options options = RAG_OPEN_OPTIONS_INIT;
    rag_store *store = NULL;
    rag_result *hits = NULL;
    double start = seconds_now();
    options.flags = RAG_OPEN_READ_ONLY | RAG_OPEN_EXISTING;
    rag_status status = rag_store_open(b->url, &options, b->ctx, &store, &b->err);
    if (status != RAG_OK) {
        return status;
    }
    timings_add(opened, seconds_now() - start);
    if (query->dimension > 0) {
        status = rag_vector_search(store, b->ctx, space, query, &hits, &b->err);
    }
    rag_result_free(hits);
    rag_store_close(store);
    timings_add(answered, seconds_now() - start);
    return status;
}

rag_status bench_open(bench *b)
{
    text space = { 0 };
    float *vector = NULL;
    timings opened = { 0 };
    timings answered = { 0 };
    rag_vector_query query = RAG_VECTOR_QUERY_INIT;
    rag_status status = prepare_open(b, &space, &vector, &query.dimension);
    query.vector = vector;
    query.top_k = TOP_K;
    for (size_t i = 0; i < b->runs && status == RAG_OK; i++) {
        status = open_once(b, space.data, &query, &opened, &answered);
    }
    if (status == RAG_OK) {
        timings_report(b, &opened, "open.open");
        timings_report(b, &answered, "open.open_search_close");
    }
    timings_free(&opened);
    timings_free(&answered);
    text_free(&space);
    free(vector);
    return status;
}

/* ---- search ----------------------------------------------------------------------------------- */

typedef struct search_times {
    timings ids, payload, exact;
    double recall_sum, recall_least;
    double first_ms;
    size_t asked;
} search_times;

static int is_in(const rag_result *hits, rag_slice id)
{
    for (size_t i = 0; i < rag_result_count(hits); i++) {
        if (slice_equal(rag_result_row(hits, i)->key, id)) {
            return 1;
        }
    }
    return 0;
}

static double recall_of(const rag_result *hits, const rag_result *exact)
{
    size_t wanted = rag_result_count(exact);
    size_t got = 0;
    if (wanted == 0) {
        return 1;
    }
    double last = rag_result_row(exact, wanted - 1)->score;
    for (size_t i = 0; i < rag_result_count(hits) && i < wanted; i++) {
        const rag_row *row = rag_result_row(hits, i);
        got += is_in(exact, row->key) || fabs(row->score - last) <= 1e-7;
    }
    return (double)got / (double)wanted;
}

static rag_status timed_search(bench *b, const char *space, const rag_vector_query *query,
                               timings *t, rag_result **hits)
{
    double start = seconds_now();
    rag_status status = rag_vector_search(b->store, b->ctx, space, query, hits, &b->err);
    timings_add(t, seconds_now() - start);
    return status;
}

/* One question, asked in three ways. */
static rag_status ask(bench *b, const char *space, rag_slice id, search_times *t)
{
    rag_vector_query query = RAG_VECTOR_QUERY_INIT;
    rag_result *ids = NULL;
    rag_result *payload = NULL;
    rag_result *exact = NULL;
    float *vector = NULL;
    rag_status status = bench_query(b, space, id, &vector, &query.dimension);
    query.vector = vector;
    query.top_k = TOP_K;
    query.what = 0;
    if (status == RAG_OK && query.dimension > 0) {
        status = timed_search(b, space, &query, &t->ids, &ids);
    }
    if (status == RAG_OK && ids) {
        query.what = RAG_VECTOR_VALUES;
        status = timed_search(b, space, &query, &t->payload, &payload);
    }
    if (status == RAG_OK && payload) {
        query.what = 0;
        query.exact = 1;
        status = timed_search(b, space, &query, &t->exact, &exact);
    }
    if (status == RAG_OK && exact) {
        double recall = recall_of(ids, exact);
        t->recall_sum += recall;
        t->recall_least = t->asked == 0 || recall < t->recall_least ? recall : t->recall_least;
        t->first_ms = t->asked == 0 ? t->ids.ms[0] : t->first_ms;
        t->asked++;
    }
    rag_result_free(ids);
    rag_result_free(payload);
    rag_result_free(exact);
    free(vector);
    return status;
}

static void report_search(bench *b, const char *space, search_times *t)
{
    uint64_t rows = 0;
    char name[120];
    if (rag_vector_count(b->store, b->ctx, space, &rows, NULL) == RAG_OK) {
        bench_report(b, (double)rows, "rows", "search.%s.rows", space);
    }
    bench_report(b, t->first_ms, "ms", "search.%s.first", space);
    snprintf(name, sizeof name, "search.%s", space);
    timings_report(b, &t->ids, name);
    snprintf(name, sizeof name, "search.%s.with_payload", space);
    timings_report(b, &t->payload, name);
    snprintf(name, sizeof name, "search.%s.exact", space);
    timings_report(b, &t->exact, name);
    bench_report(b, t->asked ? t->recall_sum / (double)t->asked : 0, "of 1",
                 "search.%s.recall_at_60", space);
    bench_report(b, t->recall_least, "of 1", "search.%s.recall_at_60_least", space);
}

static rag_status search_space(bench *b, const char *space)
{
    id_list ids = { 0 };
    search_times t = { 0 };
    rag_status status = bench_sample(b, space, b->runs, &ids);
    for (size_t i = 0; i < ids.count && status == RAG_OK; i++) {
        status = ask(b, space, text_slice(&ids.ids[i]), &t);
    }
    if (status == RAG_OK) {
        report_search(b, space, &t);
    }
    timings_free(&t.ids);
    timings_free(&t.payload);
    timings_free(&t.exact);
    id_list_free(&ids);
    return status;
}

rag_status bench_search(bench *b)
{
    id_list spaces = { 0 };
    rag_status status = bench_spaces(b, "vector", &spaces);
    for (size_t i = 0; i < spaces.count && status == RAG_OK; i++) {
        status = search_space(b, spaces.ids[i].data);
    }
    id_list_free(&spaces);
    return status;
}

/* ---- expansion -------------------------------------------------------------------------------- */

static int compare_labels(const void *a, const void *b)
{
    const rag_slice *x = a, *y = b;
    const size_t least = x->len < y->len ? x->len : y->len;
    const int order = least ? memcmp(x->data, y->data, least) : 0;
    return order ? order : (x->len > y->len) - (x->len < y->len);
}

static int compare_pairs(const void *a, const void *b)
{
    const rag_pair *x = a, *y = b;
    const int order = compare_labels(&x->source, &y->source);
    return order ? order : compare_labels(&x->target, &y->target);
}

/* The edges of the header-and-rows answer of rag_graph_incident(), as pairs, each once. */
static size_t take_pairs(const rag_result *incident, rag_pair *pairs)
{
    size_t count = 0;
    size_t kept = 0;
    for (size_t i = 0; i < rag_result_count(incident); i++) {
        const rag_row *row = rag_result_row(incident, i);
        if (row->key2.len > 0) {
            const int swap = compare_labels(&row->key, &row->key2) > 0;
            pairs[count++] =
                swap ? (rag_pair){ row->key2, row->key } : (rag_pair){ row->key, row->key2 };
        }
    }
    qsort(pairs, count, sizeof *pairs, compare_pairs);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || compare_pairs(&pairs[kept - 1], &pairs[i]) != 0) {
            pairs[kept++] = pairs[i];
        }
    }
    return kept;
}

typedef struct expansion_times {
    timings nodes, incident, edges, all;
    size_t edge_count;
} expansion_times;

/* What a query reads of these nodes and of the edges at them: `what` of each. */
static rag_status expand_once(bench *b, const rag_slice *labels, size_t n, unsigned what,
                              expansion_times *t)
{
    rag_result *nodes = NULL;
    rag_result *incident = NULL;
    rag_result *edges = NULL;
    rag_pair *pairs = NULL;
    double start = seconds_now();
    double middle = 0;
    rag_status status = rag_graph_get_nodes(b->store, b->ctx, labels, n, what, &nodes, &b->err);
    timings_add(&t->nodes, seconds_now() - start);
    if (status == RAG_OK) {
        middle = seconds_now();
        status = rag_graph_incident(b->store, b->ctx, labels, n, 0, &incident, &b->err);
        timings_add(&t->incident, seconds_now() - middle);
    }
    if (status == RAG_OK) {
        pairs = cli_alloc(rag_result_count(incident) + 1, sizeof *pairs);
        t->edge_count = take_pairs(incident, pairs);
        middle = seconds_now();
        status = rag_graph_get_edges(b->store, b->ctx, pairs, t->edge_count, what, &edges, &b->err);
        timings_add(&t->edges, seconds_now() - middle);
        timings_add(&t->all, seconds_now() - start);
    }
    rag_result_free(nodes);
    rag_result_free(incident);
    rag_result_free(edges);
    free(pairs);
    return status;
}

/* Distinct neighbours of an answer of rag_graph_incident(), in labels[]. */
static size_t take_neighbours(const rag_result *incident, rag_slice *labels)
{
    size_t count = 0;
    size_t kept = 0;
    for (size_t i = 0; i < rag_result_count(incident); i++) {
        const rag_row *row = rag_result_row(incident, i);
        if (row->key2.len > 0) {
            labels[count++] = row->key2;
        }
    }
    qsort(labels, count, sizeof *labels, compare_labels);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || compare_labels(&labels[kept - 1], &labels[i]) != 0) {
            labels[kept++] = labels[i];
        }
    }
    return kept;
}

/* The same knowledge in fewer questions: edges come with their attributes where they are at a node, which
 * also says how many the node has; then the degrees of the other ends. */
static rag_status expand_directly(bench *b, const rag_slice *labels, size_t n, timings *all)
{
    rag_result *nodes = NULL;
    rag_result *incident = NULL;
    rag_result *degrees = NULL;
    rag_slice *neighbours = NULL;
    double start = seconds_now();
    rag_status status =
        rag_graph_get_nodes(b->store, b->ctx, labels, n, RAG_GRAPH_VALUES, &nodes, &b->err);
    if (status == RAG_OK) {
        status =
            rag_graph_incident(b->store, b->ctx, labels, n, RAG_GRAPH_VALUES, &incident, &b->err);
    }
    if (status == RAG_OK) {
        neighbours = cli_alloc(rag_result_count(incident) + 1, sizeof *neighbours);
        const size_t count = take_neighbours(incident, neighbours);
        status = rag_graph_get_nodes(b->store, b->ctx, neighbours, count, RAG_GRAPH_DEGREES,
                                     &degrees, &b->err);
        timings_add(all, seconds_now() - start);
    }
    rag_result_free(nodes);
    rag_result_free(incident);
    rag_result_free(degrees);
    free(neighbours);
    return status;
}

static void free_times(expansion_times *t)
{
    timings_free(&t->nodes);
    timings_free(&t->incident);
    timings_free(&t->edges);
    timings_free(&t->all);
}

rag_status bench_expansion(bench *b)
{
    rag_slice labels[POPULAR];
    rag_result *popular = NULL;
    expansion_times plain = { 0 };
    expansion_times degrees = { 0 };
    timings direct = { 0 };
    rag_status status = rag_graph_popular(b->store, b->ctx, POPULAR, &popular, &b->err);
    if (status != RAG_OK) {
        return status;
    }
    size_t n = rag_result_count(popular);
    for (size_t i = 0; i < n && i < POPULAR; i++) {
        labels[i] = rag_result_row(popular, i)->key;
    }
    for (size_t i = 0; i < b->runs && status == RAG_OK; i++) {
        status = expand_once(b, labels, n, RAG_GRAPH_VALUES, &plain);
        if (status == RAG_OK) {
            status = expand_once(b, labels, n, RAG_GRAPH_VALUES | RAG_GRAPH_DEGREES, &degrees);
        }
        if (status == RAG_OK) {
            status = expand_directly(b, labels, n, &direct);
        }
    }
    if (status == RAG_OK) {
        bench_report(b, (double)n, "nodes", "expansion.nodes");
        bench_report(b, (double)plain.edge_count, "edges", "expansion.edges");
        timings_report(b, &plain.nodes, "expansion.get_nodes");
        timings_report(b, &plain.incident, "expansion.incident");
        timings_report(b, &plain.edges, "expansion.get_edges");
        timings_report(b, &plain.all, "expansion.all");
        timings_report(b, &degrees.nodes, "expansion.get_nodes_degrees");
        timings_report(b, &degrees.edges, "expansion.get_edges_degrees");
        timings_report(b, &degrees.all, "expansion.with_degrees");
        timings_report(b, &direct, "expansion.direct");
    }
    free_times(&plain);
    free_times(&degrees);
    timings_free(&direct);
    rag_result_free(popular);
    return status;
}

/* ---- reads ------------------------------------------------------------------------------------ */

/* Up to KEYS_MAX keys from the start of a namespace. */
static rag_status first_keys(bench *b, const char *space, id_list *out)
{
    id_list list = { cli_alloc(KEYS_MAX, sizeof(text)), 0 };
    text after = { 0 };
    rag_status status = RAG_OK;
    for (int more = 1; more && list.count < KEYS_MAX;) {
        rag_result *rows = NULL;
        status = rag_kv_scan(b->store, b->ctx, space, text_slice(&after), 500, &rows, &b->err);
        if (status != RAG_OK) {
            break;
        }
        for (size_t i = 0; i < rag_result_count(rows) && list.count < KEYS_MAX; i++) {
            rag_slice key = rag_result_row(rows, i)->key;
            text_add_bytes(&list.ids[list.count++], key.data, key.len);
        }
        more = next_page(&after, rows);
    }
    text_free(&after);
    *out = list;
    return status;
}

/* `runs` reads of `n` keys each, drawn at random. */
static rag_status read_keys(bench *b, const char *space, const id_list *keys, size_t n, size_t runs,
                            timings *t)
{
    rag_slice wanted[KV_BATCH];
    rag_status status = RAG_OK;
    for (size_t i = 0; i < runs && status == RAG_OK; i++) {
        rag_result *rows = NULL;
        for (size_t k = 0; k < n; k++) {
            wanted[k] = text_slice(&keys->ids[bench_random(b) % keys->count]);
        }
        double start = seconds_now();
        status = rag_kv_get_many(b->store, b->ctx, space, wanted, n, &rows, &b->err);
        timings_add(t, seconds_now() - start);
        rag_result_free(rows);
    }
    return status;
}

static rag_status read_space(bench *b, const char *space)
{
    id_list keys = { 0 };
    timings single = { 0 };
    timings batch = { 0 };
    char name[160];
    rag_status status = first_keys(b, space, &keys);
    if (status == RAG_OK && keys.count > 0) {
        status = read_keys(b, space, &keys, 1, b->runs, &single);
    }
    if (status == RAG_OK && keys.count > 0) {
        status = read_keys(b, space, &keys, KV_BATCH, b->runs / KV_BATCH + 1, &batch);
    }
    if (status == RAG_OK && keys.count > 0) {
        snprintf(name, sizeof name, "reads.%s.one", space);
        timings_report(b, &single, name);
        snprintf(name, sizeof name, "reads.%s.hundred", space);
        timings_report(b, &batch, name);
    }
    timings_free(&single);
    timings_free(&batch);
    id_list_free(&keys);
    return status;
}

rag_status bench_reads(bench *b)
{
    id_list spaces = { 0 };
    rag_status status = bench_spaces(b, "kv", &spaces);
    for (size_t i = 0; i < spaces.count && status == RAG_OK; i++) {
        status = read_space(b, spaces.ids[i].data);
    }
    id_list_free(&spaces);
    return status;
}

/* ---- view ------------------------------------------------------------------------------------- */

static rag_status view_from(bench *b, rag_slice label, unsigned depth, const char *what)
{
    rag_graph_view_options options = RAG_GRAPH_VIEW_OPTIONS_INIT;
    timings t = { 0 };
    size_t nodes_seen = 0;
    size_t edges_seen = 0;
    rag_status status = RAG_OK;
    options.max_depth = depth;
    options.max_nodes = VIEW_NODES;
    for (size_t i = 0; i < b->runs && status == RAG_OK; i++) {
        rag_result *nodes = NULL;
        rag_result *edges = NULL;
        double start = seconds_now();
        status = rag_graph_view(b->store, b->ctx, label, &options, &nodes, &edges, &b->err);
        timings_add(&t, seconds_now() - start);
        nodes_seen = rag_result_count(nodes);
        edges_seen = rag_result_count(edges);
        rag_result_free(nodes);
        rag_result_free(edges);
    }
    if (status == RAG_OK) {
        bench_report(b, (double)nodes_seen, "nodes", "%s.nodes", what);
        bench_report(b, (double)edges_seen, "edges", "%s.edges", what);
        timings_report(b, &t, what);
    }
    timings_free(&t);
    return status;
}

rag_status bench_view(bench *b)
{
    rag_result *popular = NULL;
    rag_status status = rag_graph_popular(b->store, b->ctx, 1, &popular, &b->err);
    if (status != RAG_OK) {
        return status;
    }
    status = view_from(b, rag_text("*"), 0, "view.whole");
    if (status == RAG_OK && rag_result_count(popular) > 0) {
        status = view_from(b, rag_result_row(popular, 0)->key, 3, "view.from_node");
    }
    rag_result_free(popular);
    return status;
}
