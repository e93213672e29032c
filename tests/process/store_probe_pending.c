/* Commands of store_probe about pending vectors. The space is "v", of dimension 2; the embedder gives
 * every text the vector (1, its length). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store_probe.h"

#define SPACE "v"

enum { PENDING_MAX = 10000 };

static rag_status define(struct handle *h, rag_error *err)
{
    rag_vector_space space = RAG_VECTOR_SPACE_INIT;
    space.dimension = 2;
    return rag_vector_define(h->store, NULL, SPACE, &space, err);
}

void do_defer(struct handle *h, const char *prefix, int count)
{
    static char ids[PENDING_MAX][48];
    static rag_pending_item items[PENDING_MAX];
    rag_error err = RAG_ERROR_INIT;
    rag_token token = 0;
    for (int i = 0; i < count && i < PENDING_MAX; i++) {
        (void)snprintf(ids[i], sizeof ids[i], "%.30s%05d", prefix, i);
        items[i] = (rag_pending_item){
            rag_text(ids[i]), rag_text("{\"content\":\"text\"}"), { NULL, 0 }, 0
        };
    }
    rag_status status = define(h, &err);
    if (status == RAG_OK)
        status = rag_vector_defer_many(h->store, NULL, SPACE, items, (size_t)count, &token, &err);
    say_outcome(status, token, &err);
}

static rag_status embed(void *user, const rag_slice *texts, size_t n, size_t dimension,
                        float *vectors, rag_error *err)
{
    (void)err;
    say("embedding %zu", n);
    (void)usleep(*(const unsigned *)user * 1000);
    for (size_t i = 0; i < n; i++) {
        vectors[i * dimension] = 1;
        vectors[i * dimension + 1] = (float)texts[i].len;
    }
    return RAG_OK;
}

/* A line "embedding N" for each batch of 5, then "embedded N stored N". */
void do_embed(struct handle *h, unsigned sleep_ms, unsigned concurrency)
{
    rag_error err = RAG_ERROR_INIT;
    rag_embedder how = RAG_EMBEDDER_INIT;
    rag_flush_figures figures = { .struct_size = sizeof figures };
    how.embed = embed;
    how.user = &sleep_ms;
    how.batch = 5;
    how.concurrency = concurrency;
    const rag_status status = rag_vector_flush(h->store, NULL, SPACE, &how, &figures, &err);
    if (status == RAG_OK)
        say("embedded %llu stored %llu", (unsigned long long)figures.embedded,
            (unsigned long long)figures.stored);
    else
        say_outcome(status, 0, &err);
}

/* "pending N stored N": those that this handle's flush would take, and the rows of the space. */
void do_pending(struct handle *h)
{
    rag_error err = RAG_ERROR_INIT;
    rag_result *rows = NULL;
    uint64_t stored = 0;
    rag_status status =
        rag_vector_pending(h->store, NULL, SPACE, rag_text(""), PENDING_MAX, &rows, &err);
    if (status == RAG_OK)
        status = rag_vector_count(h->store, NULL, SPACE, &stored, &err);
    if (status == RAG_OK)
        say("pending %zu stored %llu", rag_result_count(rows), (unsigned long long)stored);
    else
        say_outcome(status, 0, &err);
    rag_result_free(rows);
}

void do_drop_pending(struct handle *h)
{
    rag_error err = RAG_ERROR_INIT;
    uint64_t dropped = 0;
    const rag_status status = rag_vector_drop_pending(h->store, NULL, SPACE, &dropped, &err);
    if (status == RAG_OK)
        say("dropped %llu", (unsigned long long)dropped);
    else
        say_outcome(status, 0, &err);
}
