/* The bench that writes: what merging one document into a large store costs.
 *
 * Each run puts 100 new nodes, 100 edges from them to nodes that were there, a vector for each of
 * both and 20 values into one rag_coordinated_upsert(), and flushes: what LightRAG does at the end of
 * a document. Wall time, CPU time and bytes are of that alone. All rows have ids of their own, and
 * are deleted at the end, so that a second run finds the store as the first did. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "bench.h"

enum { NODES = 100, VALUES = 20, EXISTING = 100000, LABEL_SIZE = 64 };

static const char cache_space[] = "llm_response_cache";
static const char *const vector_spaces[2] = { "entities", "relationships" };

/* What one run writes. Slices point into the texts. */
typedef struct batch {
    char labels[NODES][LABEL_SIZE];
    char edge_ids[NODES][LABEL_SIZE];
    char keys[VALUES][LABEL_SIZE];
    text node_values[NODES], edge_values[NODES], kv_values[VALUES];
    rag_node nodes[NODES];
    rag_edge edges[NODES];
    rag_vector_item vectors[2][NODES];
    rag_kv_item kv[VALUES];
    float *floats[2];
} batch;

/* What the store has already: ends for the edges, and the dimension of each space (0: no space). */
typedef struct surroundings {
    rag_result *nodes;
    size_t dimensions[2];
} surroundings;

/* Prose of a length as extraction writes it; words by chance, so that it does not compress away. */
static void add_prose(bench *b, text *out, size_t words)
{
    for (size_t i = 0; i < words; i++) {
        uint64_t r = bench_random(b);
        size_t letters = 2 + r % 8;
        for (size_t k = 0; k < letters; k++) {
            text_add_char(out, (char)('a' + (r >> (8 + 5 * k)) % 26));
        }
        text_add_char(out, ' ');
    }
}

static void fill_vectors(bench *b, batch *w, const surroundings *s, size_t kind)
{
    size_t n = s->dimensions[kind];
    w->floats[kind] = cli_alloc(NODES * (n ? n : 1), sizeof(float));
    for (size_t i = 0; i < NODES; i++) {
        float *v = w->floats[kind] + i * n;
        for (size_t d = 0; d < n; d++) {
            v[d] = (float)(bench_gaussian(b) / 16);
        }
        w->vectors[kind][i] = (rag_vector_item){
            .id = rag_text(kind == 0 ? w->labels[i] : w->edge_ids[i]),
            .vector = v,
            .dimension = n,
            .value = text_slice(kind == 0 ? &w->node_values[i] : &w->edge_values[i]),
        };
    }
}

/* Ids begin with digits that look random, as the ids of LightRAG do: neighbours in an index are not
 * neighbours in time, which is what an update costs. */
static void set_id(char id[LABEL_SIZE], const char *kind, size_t run, size_t i)
{
    uint64_t x = (run * 1000 + i + 1) * UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    snprintf(id, LABEL_SIZE, "%016llx %s %zu %zu", (unsigned long long)(x ^ (x >> 31)), kind, run,
             i);
}

static void fill_graph(bench *b, batch *w, const surroundings *s, size_t run)
{
    size_t existing = rag_result_count(s->nodes);
    for (size_t i = 0; i < NODES; i++) {
        set_id(w->labels[i], "bench entity", run, i);
        set_id(w->edge_ids[i], "bench relation", run, i);
        text_printf(
            &w->node_values[i],
            "{\"entity_id\":\"%s\",\"entity_name\":\"%s\",\"entity_type\":\"bench\",\"content\":\"",
            w->labels[i], w->labels[i]);
        add_prose(b, &w->node_values[i], 40);
        text_add(&w->node_values[i], "\"}");
        text_add(&w->edge_values[i], "{\"weight\":1.0,\"keywords\":\"bench\",\"content\":\"");
        add_prose(b, &w->edge_values[i], 40);
        text_add(&w->edge_values[i], "\"}");
        w->nodes[i] = (rag_node){ rag_text(w->labels[i]), text_slice(&w->node_values[i]) };
        w->edges[i].source = rag_text(w->labels[i]);
        w->edges[i].target = existing ? rag_result_row(s->nodes, bench_random(b) % existing)->key
                                      : rag_text(w->labels[(i + 1) % NODES]);
        w->edges[i].value = text_slice(&w->edge_values[i]);
    }
}

static void fill_values(bench *b, batch *w, size_t run)
{
    for (size_t i = 0; i < VALUES; i++) {
        set_id(w->keys[i], "bench:extract:", run, i);
        text_add(&w->kv_values[i], "{\"return\":\"");
        add_prose(b, &w->kv_values[i], 600);
        text_add(&w->kv_values[i], "\",\"cache_type\":\"extract\"}");
        w->kv[i] =
            (rag_kv_item){ .key = rag_text(w->keys[i]), .value = text_slice(&w->kv_values[i]) };
    }
}

static void free_batch(batch *w)
{
    for (size_t i = 0; i < NODES; i++) {
        text_free(&w->node_values[i]);
        text_free(&w->edge_values[i]);
    }
    for (size_t i = 0; i < VALUES; i++) {
        text_free(&w->kv_values[i]);
    }
    free(w->floats[0]);
    free(w->floats[1]);
    free(w);
}

/* ---- figures of the kernel -------------------------------------------------------------------- */

typedef struct usage {
    double wall, cpu;
    double written, handed; /* bytes: to the device, to the kernel */
} usage;

static double io_figure(const char *lines, const char *name)
{
    const char *at = strstr(lines, name);
    return at ? (double)strtoull(at + strlen(name), NULL, 10) : 0;
}

static usage usage_now(void)
{
    usage u = { 0 };
    struct rusage r;
    char lines[1024];
    FILE *f = fopen("/proc/self/io", "r");
    if (f) {
        size_t n = fread(lines, 1, sizeof lines - 1, f);
        lines[n] = '\0';
        fclose(f);
        u.handed = io_figure(lines, "wchar: ");
        u.written = io_figure(lines, "\nwrite_bytes: ");
    }
    if (getrusage(RUSAGE_SELF, &r) == 0) {
        u.cpu = (double)r.ru_utime.tv_sec + (double)r.ru_stime.tv_sec +
                (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
    }
    u.wall = seconds_now();
    return u;
}

typedef struct update_times {
    timings wall, cpu, written, handed;
} update_times;

/* ---- the runs --------------------------------------------------------------------------------- */

static rag_status put(bench *b, const batch *w, const surroundings *s)
{
    rag_kv_batch kv = { cache_space, w->kv, VALUES };
    rag_vector_batch vectors[2];
    rag_upsert u = RAG_UPSERT_INIT;
    rag_token token = 0;
    for (size_t kind = 0; kind < 2; kind++) {
        if (s->dimensions[kind] > 0) {
            vectors[u.vector_count++] =
                (rag_vector_batch){ vector_spaces[kind], w->vectors[kind], NODES };
        }
    }
    u.nodes = w->nodes;
    u.node_count = NODES;
    u.edges = w->edges;
    u.edge_count = NODES;
    u.kv = &kv;
    u.kv_count = 1;
    u.vectors = vectors;
    rag_status status = rag_coordinated_upsert(b->store, b->ctx, &u, &token, &b->err);
    return status == RAG_OK ? rag_flush(b->store, b->ctx, token, &b->err) : status;
}

static rag_status run_once(bench *b, const surroundings *s, size_t run, update_times *t)
{
    batch *w = cli_alloc(1, sizeof *w);
    fill_graph(b, w, s, run);
    fill_vectors(b, w, s, 0);
    fill_vectors(b, w, s, 1);
    fill_values(b, w, run);
    usage before = usage_now();
    rag_status status = put(b, w, s);
    usage after = usage_now();
    timings_add(&t->wall, after.wall - before.wall);
    timings_add(&t->cpu, after.cpu - before.cpu);
    timings_add(&t->written, (after.written - before.written) / 1000); /* comes out in bytes */
    timings_add(&t->handed, (after.handed - before.handed) / 1000);
    free_batch(w);
    return status;
}

static rag_status take_away(bench *b, const surroundings *s, size_t run)
{
    batch *w = cli_alloc(1, sizeof *w);
    rag_slice ids[NODES];
    fill_graph(b, w, s, run);
    fill_values(b, w, run);
    for (size_t i = 0; i < NODES; i++) {
        ids[i] = w->nodes[i].label;
    }
    rag_status status = rag_graph_delete_nodes(b->store, b->ctx, ids, NODES, NULL, NULL, &b->err);
    if (status == RAG_OK && s->dimensions[0] > 0) {
        status = rag_vector_delete_many(b->store, b->ctx, vector_spaces[0], ids, NODES, NULL, NULL,
                                        &b->err);
    }
    for (size_t i = 0; i < NODES; i++) {
        ids[i] = rag_text(w->edge_ids[i]);
    }
    if (status == RAG_OK && s->dimensions[1] > 0) {
        status = rag_vector_delete_many(b->store, b->ctx, vector_spaces[1], ids, NODES, NULL, NULL,
                                        &b->err);
    }
    for (size_t i = 0; i < VALUES; i++) {
        ids[i] = w->kv[i].key;
    }
    if (status == RAG_OK) {
        status =
            rag_kv_delete_many(b->store, b->ctx, cache_space, ids, VALUES, NULL, NULL, &b->err);
    }
    free_batch(w);
    return status;
}

static rag_status look_around(bench *b, surroundings *s)
{
    for (size_t kind = 0; kind < 2; kind++) {
        rag_vector_space space = RAG_VECTOR_SPACE_INIT;
        rag_status status =
            rag_vector_describe(b->store, b->ctx, vector_spaces[kind], &space, &b->err);
        if (status != RAG_OK && status != RAG_E_NOT_FOUND) {
            return status;
        }
        s->dimensions[kind] = status == RAG_OK ? space.dimension : 0;
    }
    return rag_graph_scan_nodes(b->store, b->ctx, rag_text(""), EXISTING, 0, &s->nodes, &b->err);
}

static void report(bench *b, update_times *t)
{
    bench_report(b, timings_part(&t->wall, 0.5), "ms", "update.wall.median");
    bench_report(b, timings_part(&t->wall, 0.95), "ms", "update.wall.p95");
    bench_report(b, timings_part(&t->cpu, 0.5), "ms", "update.cpu.median");
    bench_report(b, timings_part(&t->written, 0.5), "bytes", "update.write_bytes.median");
    bench_report(b, timings_part(&t->handed, 0.5), "bytes", "update.wchar.median");
}

rag_status bench_update(bench *b)
{
    surroundings s = { 0 };
    update_times t = { 0 };
    size_t done = 0;
    rag_status status = look_around(b, &s);
    while (done < b->runs && status == RAG_OK) {
        status = run_once(b, &s, done, &t);
        done++;
    }
    if (status == RAG_OK) {
        report(b, &t);
    }
    for (size_t run = 0; run < done && status == RAG_OK; run++) {
        status = take_away(b, &s, run);
    }
    timings_free(&t.wall);
    timings_free(&t.cpu);
    timings_free(&t.written);
    timings_free(&t.handed);
    rag_result_free(s.nodes);
    return status;
}
