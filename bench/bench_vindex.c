/* Micro bench of the vector index: recall and cost of a search beside exact brute force.
 *
 *   bench_vindex [--rows N] [--dim D] [--queries Q] [--k K] [--level L] [--set NAME] [--seed S]
 *                [--f32 FILE --dim D] [--per-query]
 *
 * Five generated sets, chosen because each breaks another simplification: `isotropic` (nothing is
 * near anything: the hardest to bound), `clustered`, `anisotropic` (a common direction and a steep
 * spectrum, as many embedding models have), `correlated` (few effective dimensions, outliers),
 * `duplicates` (every row has near copies). --f32 reads raw little-endian float32 rows instead, of
 * which every (rows / queries)-th is held out and becomes a query. For the generated sets half of the
 * queries are new draws, half are rows with noise.
 *
 * The exact score of a row is computed from memory and its time is taken out of `ms` and `cpu`: what
 * a store pays for a row is its own affair; `fetched` says how many it pays for. Both are the least
 * of three turns: wall clock, and processor time, which a busy machine disturbs less. Recall counts a hit when its
 * exact score reaches that of the k-th row of brute force, so ties do not matter. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vindex/rotate.h"
#include "vindex/vindex.h"

struct options {
    size_t rows, queries, k;
    uint32_t dim;
    uint64_t seed;
    int level, per_query;
    const char *set, *file;
};

struct data {
    float *rows, *queries;
    size_t count, query_count;
    uint32_t dim;
};

static double read_clock(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static double now_ms(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

static double cpu_ms(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

static void *must_alloc(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    if (!memory) {
        fprintf(stderr, "bench_vindex: no memory for %zu x %zu bytes\n", count, size);
        exit(1);
    }
    return memory;
}

/* ---- random numbers ------------------------------------------------------------------------------ */

struct random {
    uint64_t state;
    int have;
    float spare;
};

static uint64_t random_u64(struct random *r)
{
    uint64_t z = (r->state += 0x9E3779B97F4A7C15u);
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static float random_unit(struct random *r)
{
    return ((float)(random_u64(r) >> 40) + 0.5f) * (1.0f / 16777216.0f);
}

static float random_normal(struct random *r)
{
    if (r->have) {
        r->have = 0;
        return r->spare;
    }
    const float radius = sqrtf(-2.0f * logf(random_unit(r)));
    const float angle = 6.2831853f * random_unit(r);
    r->spare = radius * sinf(angle);
    r->have = 1;
    return radius * cosf(angle);
}

/* ---- the sets ------------------------------------------------------------------------------------ */

struct model {
    uint32_t dim;
    size_t padded;
    float *signs;   /* mixes the axes of the spectrum */
    float *centres; /* clusters, bases of duplicates */
    size_t centre_count;
    float *scale; /* deviation per axis before mixing */
    float *shift; /* common direction */
    float noise;
};

static void draw(const struct model *m, struct random *r, float *out)
{
    float row[65536];
    const float *centre =
        m->centre_count ? m->centres + random_u64(r) % m->centre_count * m->dim : NULL;
    for (size_t i = 0; i < m->padded; i++)
        row[i] = i < m->dim ? random_normal(r) * (m->scale ? m->scale[i] : m->noise) : 0;
    if (m->scale)
        rotate_apply(m->signs, m->padded, row);
    for (size_t i = 0; i < m->dim; i++)
        out[i] = row[i] + (centre ? centre[i] : 0) + (m->shift ? m->shift[i] : 0);
}

static float *normals(struct random *r, size_t n)
{
    float *out = must_alloc(n, sizeof *out);
    for (size_t i = 0; i < n; i++)
        out[i] = random_normal(r);
    return out;
}

static int make_model(const char *set, const struct options *o, struct random *r, struct model *m)
{
    *m = (struct model){ .dim = o->dim, .padded = (o->dim + 63) / 64 * 64, .noise = 1 };
    m->signs = must_alloc(ROTATE_SIGNS(m->padded), sizeof *m->signs);
    rotate_signs(o->seed + 77, m->padded, m->signs);
    if (strcmp(set, "clustered") == 0) {
        m->centre_count = o->rows / 150 + 1;
        m->noise = 0.7f;
    } else if (strcmp(set, "duplicates") == 0) {
        m->centre_count = o->rows / 12 + 1;
        m->noise = 0.02f;
    } else if (strcmp(set, "anisotropic") == 0 || strcmp(set, "correlated") == 0) {
        const int steep = strcmp(set, "correlated") == 0;
        m->scale = must_alloc(o->dim, sizeof *m->scale);
        for (size_t i = 0; i < o->dim; i++)
            m->scale[i] = powf((float)(i + 1), steep ? -1.2f : -0.5f);
        m->shift = normals(r, o->dim);
        for (size_t i = 0; i < o->dim; i++)
            m->shift[i] *= steep ? (i % 97 == 0 ? 0.5f : 0.02f) : 0.25f;
    } else if (strcmp(set, "isotropic") != 0) {
        return 0;
    }
    if (m->centre_count)
        m->centres = normals(r, m->centre_count * o->dim);
    return 1;
}

static int generate(const char *set, const struct options *o, struct data *d)
{
    struct random r = { .state = o->seed };
    struct model m;
    if (!make_model(set, o, &r, &m))
        return 0;
    *d = (struct data){ .count = o->rows, .query_count = o->queries, .dim = o->dim };
    d->rows = must_alloc(d->count * d->dim, sizeof(float));
    d->queries = must_alloc(d->query_count * d->dim, sizeof(float));
    for (size_t i = 0; i < d->count; i++)
        draw(&m, &r, d->rows + i * d->dim);
    for (size_t i = 0; i < d->query_count; i++) {
        float *query = d->queries + i * d->dim;
        draw(&m, &r, query);
        if (i % 2) { /* a row with a third of another draw */
            const float *row = d->rows + random_u64(&r) % d->count * d->dim;
            for (size_t j = 0; j < d->dim; j++)
                query[j] = row[j] + 0.33f * query[j];
        }
    }
    free(m.signs);
    free(m.centres);
    free(m.scale);
    free(m.shift);
    return 1;
}

static void read_file(const struct options *o, struct data *d)
{
    FILE *f = fopen(o->file, "rb");
    if (!f || fseek(f, 0, SEEK_END) != 0) {
        perror(o->file);
        exit(1);
    }
    const size_t total = (size_t)ftell(f) / sizeof(float) / o->dim;
    rewind(f);
    if (total < 2 * o->queries) {
        fprintf(stderr, "bench_vindex: %s has %zu rows of %u\n", o->file, total, o->dim);
        exit(1);
    }
    const size_t stride = total / o->queries;
    *d = (struct data){ .dim = o->dim };
    d->rows = must_alloc(total * o->dim, sizeof(float));
    d->queries = must_alloc((o->queries + 1) * o->dim, sizeof(float));
    for (size_t i = 0; i < total; i++) {
        const int held_out = i % stride == stride / 2 && d->query_count < o->queries;
        float *to =
            held_out ? d->queries + d->query_count++ * o->dim : d->rows + d->count++ * o->dim;
        if (fread(to, sizeof(float), o->dim, f) != o->dim) {
            perror(o->file);
            exit(1);
        }
    }
    fclose(f);
}

/* ---- measuring ----------------------------------------------------------------------------------- */

static void must(rag_status status, const rag_error *err)
{
    if (status != RAG_OK) {
        fprintf(stderr, "bench_vindex: %s\n", err->message);
        exit(1);
    }
}

struct fetching {
    const struct data *data;
    const vindex_query *query;
    double ms, cpu;
};

static rag_status fetch(void *ctx, const uint64_t *slots, size_t n, float *scores, uint8_t *alive,
                        rag_error *err)
{
    struct fetching *f = ctx;
    const double start = now_ms(), cpu_start = cpu_ms();
    (void)err;
    for (size_t i = 0; i < n; i++) {
        scores[i] = vindex_score_f32(f->query, f->data->rows + slots[i] * f->data->dim);
        alive[i] = 1;
    }
    f->ms += now_ms() - start;
    f->cpu += cpu_ms() - cpu_start;
    return RAG_OK;
}

static uint8_t *build(const struct data *d, uint64_t *len, double *ms)
{
    rag_error err = RAG_ERROR_INIT;
    vindex_mean *mean = NULL;
    vindex_builder *builder = NULL;
    float *centre = must_alloc(d->dim, sizeof *centre);
    const double start = cpu_ms();
    must(vindex_mean_create(VINDEX_COSINE, d->dim, &mean, &err), &err);
    for (size_t i = 0; i < d->count; i += d->count / 4096 + 1)
        vindex_mean_add(mean, d->rows + i * d->dim);
    vindex_mean_get(mean, centre);
    vindex_mean_free(mean);

    vindex_memory_sink memory = { NULL, (size_t)vindex_file_size(d->dim, d->count) };
    memory.base = aligned_alloc(4096, (memory.cap + 4095) / 4096 * 4096);
    const vindex_sink sink = vindex_sink_to_memory(&memory);
    const vindex_build_options options = {
        .metric = VINDEX_COSINE, .dim = d->dim, .mean = centre, .seed = 1
    };
    must(vindex_builder_create(&options, &sink, &builder, &err), &err);
    for (size_t i = 0; i < d->count; i++)
        must(vindex_builder_add(builder, i, d->rows + i * d->dim, &err), &err);
    must(vindex_builder_finish(builder, len, NULL, &err), &err);
    vindex_builder_free(builder);
    *ms = cpu_ms() - start;
    free(centre);
    return memory.base;
}

static int by_double(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double quantile(double *values, size_t n, double q)
{
    qsort(values, n, sizeof *values, by_double);
    return values[(size_t)(q * (double)(n - 1) + 0.5)];
}

static int descending(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return x > y ? -1 : x < y;
}

/* The k-th best score by brute force; the time is that of scoring alone. */
static float brute_force(const struct data *d, const vindex_query *q, size_t k, float *scores,
                         double *ms)
{
    const double start = now_ms();
    for (size_t i = 0; i < d->count; i++)
        scores[i] = vindex_score_f32(q, d->rows + i * d->dim);
    *ms = now_ms() - start;
    qsort(scores, d->count, sizeof *scores, descending);
    return scores[k - 1];
}

struct figures {
    double *ms, *cpu, *brute_ms, *fetched, *filtered, *refined, *batches;
    double recall, worst_recall;
    size_t passes;
};

static void one_query(const struct options *o, const struct data *d, const vindex *index, size_t i,
                      float *scores, struct figures *f)
{
    rag_error err = RAG_ERROR_INIT;
    vindex_query q;
    must(vindex_query_init(&q, VINDEX_COSINE, d->queries + i * d->dim, d->dim, &err), &err);
    const float kth = brute_force(d, &q, o->k, scores, &f->brute_ms[i]);

    vindex_hit *hits = must_alloc(o->k, sizeof *hits);
    size_t found = 0;
    vindex_stats stats;
    struct fetching fetching = { .data = d, .query = &q };
    const vindex_search_options options = {
        .k = o->k, .min_score = -INFINITY, .fetch = fetch, .fetch_ctx = &fetching
    };
    f->ms[i] = f->cpu[i] = INFINITY;
    for (int turn = 0; turn < 3; turn++) { /* the least of three: the machine is shared */
        fetching.ms = fetching.cpu = 0;
        const double start = now_ms(), cpu_start = cpu_ms();
        must(vindex_search(index, &q, &options, hits, &found, &stats, &err), &err);
        f->ms[i] = fmin(f->ms[i], now_ms() - start - fetching.ms);
        f->cpu[i] = fmin(f->cpu[i], cpu_ms() - cpu_start - fetching.cpu);
    }
    size_t right = 0;
    for (size_t j = 0; j < found; j++)
        right += hits[j].score >= kth;
    const double recall = (double)right / (double)o->k;
    f->recall += recall;
    f->worst_recall = fmin(f->worst_recall, recall);
    f->fetched[i] = (double)stats.fetched;
    f->filtered[i] = (double)stats.filtered;
    f->refined[i] = (double)stats.refined;
    f->batches[i] = (double)stats.batches;
    f->passes += stats.passes;
    if (o->per_query)
        printf("  query %zu: recall %.4f  ms %.3f  refined %.0f  fetched %.0f\n", i, recall,
               f->ms[i], f->refined[i], f->fetched[i]);
    free(hits);
}

static void measure(const struct options *o, const char *name, const struct data *d)
{
    rag_error err = RAG_ERROR_INIT;
    uint64_t len = 0;
    double build_ms = 0;
    uint8_t *memory = build(d, &len, &build_ms);
    vindex *index = NULL;
    must(vindex_open_mem(memory, (size_t)len, 0, &index, &err), &err);
    const double verify_start = now_ms();
    must(vindex_verify(index, &err), &err);
    const double verify_ms = now_ms() - verify_start;

    const size_t n = d->query_count;
    struct figures f = { .worst_recall = 1 };
    double **lists[] = {
        &f.ms, &f.cpu, &f.brute_ms, &f.fetched, &f.filtered, &f.refined, &f.batches
    };
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        *lists[i] = must_alloc(n, sizeof(double));
    float *scores = must_alloc(d->count, sizeof *scores);
    for (size_t i = 0; i < n; i++)
        one_query(o, d, index, i, scores, &f);
    const double ms = quantile(f.ms, n, 0.5), fetched = quantile(f.fetched, n, 0.5);
    printf(
        "%-12s %7zu x %4u | recall %.4f worst %.3f | ms %6.3f p95 %6.3f cpu %6.3f | filtered %6.0f "
        "refined %6.0f p95 %6.0f | fetched %5.0f p95 %5.0f in %2.0f | passes %.2f | brute %6.2f ms | "
        "build %5.1f us | %5.1f B/row | verify %.1f ms\n",
        name, d->count, d->dim, f.recall / (double)n, f.worst_recall, ms, quantile(f.ms, n, 0.95),
        quantile(f.cpu, n, 0.5), quantile(f.filtered, n, 0.5), quantile(f.refined, n, 0.5),
        quantile(f.refined, n, 0.95), fetched, quantile(f.fetched, n, 0.95),
        quantile(f.batches, n, 0.5), (double)f.passes / (double)n, quantile(f.brute_ms, n, 0.5),
        build_ms * 1e3 / (double)d->count, (double)len / (double)d->count, verify_ms);
    fflush(stdout);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        free(*lists[i]);
    free(scores);
    vindex_close(index);
    free(memory);
}

static int parse(int argc, char **argv, struct options *o)
{
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        if (strcmp(name, "--per-query") == 0) {
            o->per_query = 1;
            continue;
        }
        if (i + 1 == argc)
            return 0;
        const char *value = argv[++i];
        const unsigned long long number = strtoull(value, NULL, 10);
        if (strcmp(name, "--rows") == 0)
            o->rows = number;
        else if (strcmp(name, "--dim") == 0)
            o->dim = (uint32_t)number;
        else if (strcmp(name, "--queries") == 0)
            o->queries = number;
        else if (strcmp(name, "--k") == 0)
            o->k = number;
        else if (strcmp(name, "--seed") == 0)
            o->seed = number;
        else if (strcmp(name, "--level") == 0)
            o->level = (int)number;
        else if (strcmp(name, "--set") == 0)
            o->set = value;
        else if (strcmp(name, "--f32") == 0)
            o->file = value;
        else
            return 0;
    }
    return o->dim > 0 && o->dim <= VINDEX_DIM_MAX && o->queries > 0 && o->k > 0 && o->rows >= o->k;
}

int main(int argc, char **argv)
{
    static const char *const sets[] = { "isotropic", "clustered", "anisotropic", "correlated",
                                        "duplicates" };
    struct options o = {
        .rows = 145000, .queries = 60, .k = 60, .dim = 1024, .seed = 1, .level = -1
    };
    if (!parse(argc, argv, &o)) {
        fprintf(stderr, "usage: bench_vindex [--rows N] [--dim D] [--queries Q] [--k K] [--seed S] "
                        "[--level 0..3] [--set NAME] [--f32 FILE] [--per-query]\n");
        return 2;
    }
    if (o.level >= 0)
        vindex_force_level((vindex_level)o.level);
    printf("level %s, top %zu, %zu queries, seed %llu; ms is without the exact scores, fetched "
           "counts them\n",
           vindex_level_name(vindex_cpu_level()), o.k, o.queries, (unsigned long long)o.seed);
    struct data d;
    if (o.file) {
        read_file(&o, &d);
        measure(&o, "file", &d);
        free(d.rows);
        free(d.queries);
        return 0;
    }
    int known = 0;
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        if (o.set && strcmp(o.set, sets[i]) != 0)
            continue;
        known = generate(sets[i], &o, &d);
        measure(&o, sets[i], &d);
        free(d.rows);
        free(d.queries);
    }
    return known ? 0 : 2;
}
