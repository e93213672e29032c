/* ragstore bench: times of what a retrieval does, on a real store.
 *
 * The benches run inside one process and print what they measured; the harness in bench/ starts new
 * processes, drops caches, counts fsyncs and puts the peers beside. Everything random comes from
 * --seed, so that two runs ask the same questions. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "bench.h"

/* ---- chance ----------------------------------------------------------------------------------- */

uint64_t bench_random(bench *b) /* splitmix64 */
{
    b->random += 0x9e3779b97f4a7c15u;
    uint64_t z = b->random;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static double uniform(bench *b)
{
    return ((double)(bench_random(b) >> 11) + 0.5) / 9007199254740992.0;
}

double bench_gaussian(bench *b)
{
    double radius = sqrt(-2 * log(uniform(b)));
    return radius * cos(6.283185307179586 * uniform(b));
}

/* ---- figures ---------------------------------------------------------------------------------- */

void bench_report(bench *b, double value, const char *unit, const char *what, ...)
{
    char name[160];
    char figure[40];
    va_list list;
    va_start(list, what);
    vsnprintf(name, sizeof name, what, list);
    va_end(list);
    if (b->in->json) {
        json_writer w = { 0 };
        json_open(&w, NULL, '{', 0);
        json_text(&w, "what", rag_text(name));
        json_double(&w, "value", value);
        json_text(&w, "unit", rag_text(unit));
        json_close(&w, '}');
        json_end(&w);
        return;
    }
    int digits = value >= 1000 || value == floor(value) ? 0 : value >= 10 ? 1 : 4;
    snprintf(figure, sizeof figure, "%.*f", digits, value);
    table_cell(&b->figures, name);
    table_cell(&b->figures, figure);
    table_cell(&b->figures, unit);
}

void timings_add(timings *t, double seconds)
{
    if (t->count == t->size) {
        t->size = t->size ? 2 * t->size : 64;
        t->ms = cli_realloc(t->ms, t->size, sizeof *t->ms);
    }
    t->ms[t->count++] = seconds * 1000;
}

void timings_free(timings *t)
{
    free(t->ms);
    *t = (timings){ 0 };
}

static int compare_doubles(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

double timings_part(timings *t, double part)
{
    if (t->count == 0) {
        return 0;
    }
    qsort(t->ms, t->count, sizeof *t->ms, compare_doubles);
    size_t index = (size_t)(part * (double)t->count);
    return t->ms[index < t->count ? index : t->count - 1];
}

void timings_report(bench *b, timings *t, const char *what)
{
    bench_report(b, timings_part(t, 0.5), "ms", "%s.median", what);
    bench_report(b, timings_part(t, 0.95), "ms", "%s.p95", what);
    timings_free(t);
}

void id_list_free(id_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        text_free(&list->ids[i]);
    }
    free(list->ids);
    *list = (id_list){ 0 };
}

/* ---- samples ---------------------------------------------------------------------------------- */

rag_status bench_spaces(bench *b, const char *kind, id_list *out)
{
    rag_result *all = NULL;
    id_list list = { 0 };
    rag_status status = rag_store_namespaces(b->store, b->ctx, &all, &b->err);
    if (status != RAG_OK) {
        return status;
    }
    list.ids = cli_alloc(rag_result_count(all) + 1, sizeof *list.ids);
    for (size_t i = 0; i < rag_result_count(all); i++) {
        const rag_row *row = rag_result_row(all, i);
        if (row->number > 0 && slice_is(row->key, kind)) {
            text_add_bytes(&list.ids[list.count++], row->key2.data, row->key2.len);
        }
    }
    rag_result_free(all);
    *out = list;
    return RAG_OK;
}

/* Reservoir sampling: each row seen takes a place with the chance that it should have. */
void bench_draw(bench *b, id_list *list, size_t n, uint64_t seen, rag_slice id)
{
    uint64_t place = seen < n ? seen : bench_random(b) % (seen + 1);
    if (place < n) {
        text_clear(&list->ids[place]);
        text_add_bytes(&list->ids[place], id.data, id.len);
        list->count = place >= list->count ? (size_t)place + 1 : list->count;
    }
}

rag_status bench_sample(bench *b, const char *space, size_t n, id_list *out)
{
    enum { PAGE = 4000 };
    id_list list = { cli_alloc(n, sizeof(text)), 0 };
    text after = { 0 };
    uint64_t seen = 0;
    rag_status status = RAG_OK;
    for (int more = 1; more;) {
        rag_result *rows = NULL;
        status =
            rag_vector_scan(b->store, b->ctx, space, text_slice(&after), PAGE, 0, &rows, &b->err);
        if (status != RAG_OK) {
            break;
        }
        for (size_t i = 0; i < rag_result_count(rows); i++) {
            bench_draw(b, &list, n, seen++, rag_result_row(rows, i)->key);
        }
        more = next_page(&after, rows);
    }
    text_free(&after);
    if (status == RAG_OK) {
        *out = list;
    } else {
        id_list_free(&list);
    }
    return status;
}

rag_status bench_query(bench *b, const char *space, rag_slice id, float **vector, size_t *dimension)
{
    static const double noise = 0.48;
    rag_result *rows = NULL;
    rag_status status =
        rag_vector_get_many(b->store, b->ctx, space, &id, 1, RAG_VECTOR_VECTORS, &rows, &b->err);
    if (status != RAG_OK) {
        return status;
    }
    const rag_row *row = rag_result_row(rows, 0);
    size_t n = row && row->vector ? row->dimension : 0;
    float *query = cli_alloc(n ? n : 1, sizeof *query);
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)row->vector[i] * (double)row->vector[i];
    }
    double step = n ? noise * sqrt(sum / (double)n) : 0;
    for (size_t i = 0; i < n; i++) {
        query[i] = (float)((double)row->vector[i] + step * bench_gaussian(b));
    }
    rag_result_free(rows);
    *vector = query;
    *dimension = n;
    return RAG_OK;
}

/* ---- the command ------------------------------------------------------------------------------ */

typedef struct bench_entry {
    const char *name;
    rag_status (*run)(bench *b);
    size_t runs; /* unless --runs says otherwise */
    int writes;
} bench_entry;

static const bench_entry benches[] = {
    { "open", bench_open, 20, 0 },
    { "search", bench_search, 100, 0 },
    { "expansion", bench_expansion, 50, 0 },
    { "reads", bench_reads, 2000, 0 },
    { "view", bench_view, 20, 0 },
    { "labels", bench_labels, 100, 0 },
    { "docs", bench_docs, 200, 1 },
    { "update", bench_update, 20, 1 },
    { "bulk", bench_bulk, 1, 1 },
};

static const bench_entry *find_bench(const char *name)
{
    for (size_t i = 0; i < sizeof benches / sizeof benches[0]; i++) {
        if (strcmp(benches[i].name, name) == 0) {
            return &benches[i];
        }
    }
    return NULL;
}

static int run_entry(const bench_entry *entry, bench *b)
{
    unsigned flags = RAG_OPEN_EXISTING | (entry->writes ? 0u : (unsigned)RAG_OPEN_READ_ONLY);
    flags = entry->run == bench_bulk ? 0 : flags; /* makes its own */
    int status = open_store(b->in, b->url, flags, &b->store);
    if (status != STATUS_OK) {
        return status;
    }
    if (entry->run == bench_open) { /* opens by itself; it is only known now that it can */
        rag_store_close(b->store);
        b->store = NULL;
    }
    table_column(&b->figures, "what", COLUMN_LEFT);
    table_column(&b->figures, "value", COLUMN_RIGHT);
    table_column(&b->figures, "unit", COLUMN_LEFT);
    if (entry->run(b) != RAG_OK) {
        status = failed(&b->err);
    }
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        bench_report(b, (double)usage.ru_maxrss / 1000, "MB", "%s.peak_memory", entry->name);
    }
    if (!b->in->json) {
        table_print(&b->figures, 0);
    }
    rag_store_close(b->store);
    return status;
}

static int unknown_bench(const invocation *in)
{
    text names = { 0 };
    for (size_t i = 0; i < sizeof benches / sizeof benches[0]; i++) {
        text_printf(&names, "%s%s", i ? ", " : "", benches[i].name);
    }
    int status = misused(in, "'%s' is not one of %s", word(in, 0), names.data);
    text_free(&names);
    return status;
}

static int run_bench(invocation *in)
{
    const bench_entry *entry = find_bench(word(in, 0));
    if (!entry) {
        return unknown_bench(in);
    }
    if (entry->writes && !args_given(&in->args, "write")) {
        return complain(STATUS_USAGE, "run it on a copy of the store, with --write",
                        "%s writes to the store", entry->name);
    }
    bench b = { .in = in, .ctx = &in->ctx, .url = word(in, 1), .err = RAG_ERROR_INIT };
    b.runs = (size_t)args_count(&in->args, "runs", entry->runs);
    b.random = args_count(&in->args, "seed", 1);
    return run_entry(entry, &b);
}

static const option options[] = {
    { .name = "runs",
      .kind = OPTION_COUNT,
      .value = "N",
      .help = "how often; default: 20 to 2000, as it suits the bench",
      .least = 1,
      .most = 1000000 },
    { .name = "seed",
      .kind = OPTION_COUNT,
      .value = "N",
      .help = "which questions are asked; default 1",
      .least = 0,
      .most = UINT64_MAX },
    { .name = "write",
      .kind = OPTION_FLAG,
      .help = "allow `docs`, `update` and `bulk` to write to this store" },
    { .name = "documents",
      .kind = OPTION_COUNT,
      .value = "N",
      .help = "how many documents `docs` makes; default 100000",
      .least = 1,
      .most = 100000000 },
    { .name = "rows",
      .kind = OPTION_COUNT,
      .value = "N",
      .help = "how many vectors `bulk` writes; default 20000",
      .least = 1,
      .most = 100000000 },
    { .name = "dimension",
      .kind = OPTION_COUNT,
      .value = "N",
      .help = "of the vectors of `bulk`; default 1024",
      .least = 1,
      .most = 16000 },
    { .name = NULL }
};

const command bench_command = {
    .name = "bench",
    .summary = "measure what a retrieval does, on this store",
    .usage = "  ragstore bench NAME STORE [--runs N] [--seed N] [--write]\n",
    .about = "NAME is one of:\n"
             "  open       open, search once, close\n"
             "  search     the nearest 60 in each vector space, and the recall of that\n"
             "  expansion  the 40 best-known nodes with attributes, degrees and edges\n"
             "  reads      values by key, one at a time and by the hundred\n"
             "  view       parts of the graph of up to 1,000 nodes\n"
             "  labels     search in labels by names and parts of names, and the 300\n"
             "             best-known nodes\n"
             "  docs       pages of documents, and of a sweep over two statuses, among\n"
             "             100,000 that are made for it; writes, takes its rows away again\n"
             "             at the end, and wants --write\n"
             "  update     100 nodes, 100 edges, their vectors and 20 values made durable;\n"
             "             writes, takes its rows away again at the end, and wants --write\n"
             "  bulk       20,000 vectors with text, 200 at a time, and their index; in a new\n"
             "             store or one without chunks, drops them at the end, wants --write\n"
             "\n"
             "With --json: a line {\"what\", \"value\", \"unit\"} for each figure.\n",
    .options = options,
    .words_least = 2,
    .words_most = 2,
    .examples = "  ragstore bench search ./my.store\n"
                "  ragstore bench update ./copy.of.my.store --write --json\n",
    .opens_store = 1,
    .run = run_bench,
};
