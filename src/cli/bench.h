/* What the benches of `ragstore bench` share. */
#ifndef CLI_BENCH_H
#define CLI_BENCH_H

#include "command.h"
#include "progress.h"

typedef struct bench {
    const invocation *in;
    const rag_context *ctx;
    const char *url;
    rag_store *store; /* NULL for `open`, which opens by itself */
    size_t runs;
    uint64_t random; /* state of the generator */
    table figures;   /* for humans; JSON goes out line by line */
    rag_error err;
} bench;

/* Times of one thing, in milliseconds. */
typedef struct timings {
    double *ms;
    size_t count, size;
} timings;

/* Ids of a vector space or keys of a namespace, copied. */
typedef struct id_list {
    text *ids;
    size_t count;
} id_list;

uint64_t bench_random(bench *b);
double bench_gaussian(bench *b);

void bench_report(bench *b, double value, const char *unit, const char *what, ...)
    __attribute__((format(printf, 4, 5)));
void timings_add(timings *t, double seconds);
double timings_part(timings *t, double part);                /* 0.5: the median; sorts */
void timings_report(bench *b, timings *t, const char *what); /* median and p95; frees */
void timings_free(timings *t);
void id_list_free(id_list *list);

/* Keep `n` of all rows seen, each with the same chance: offer them one by one, `seen` from 0, to a
 * list with room for `n`. */
void bench_draw(bench *b, id_list *list, size_t n, uint64_t seen, rag_slice id);

/* `n` ids of a vector space, evenly at random. */
rag_status bench_sample(bench *b, const char *space, size_t n, id_list *out);

/* The vector of a row, with noise that leaves a cosine of about 0.9 to it. */
rag_status bench_query(bench *b, const char *space, rag_slice id, float **vector,
                       size_t *dimension);

/* The namespaces of a kind: names, copied. */
rag_status bench_spaces(bench *b, const char *kind, id_list *out);

rag_status bench_open(bench *b);
rag_status bench_search(bench *b);
rag_status bench_expansion(bench *b);
rag_status bench_reads(bench *b);
rag_status bench_view(bench *b);
rag_status bench_labels(bench *b);
rag_status bench_docs(bench *b);
rag_status bench_update(bench *b);
rag_status bench_bulk(bench *b);

#endif
