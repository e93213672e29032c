/* Commands of store_probe about searches by index files.
 *
 *   vectors H SPACE FROM N   rows FROM, FROM + 1, ... (ids "id-FROM", ...), the same for the same number
 *   erasev H SPACE FROM N    delete them
 *   search H SPACE N         N searches for the ten nearest, each by the codes and by comparing all rows:
 *                            "agree HITS of HITS digest D", D being of all ids and scores of the latter
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store_probe.h"

enum { TOP = 10 };

/* Points on a spiral, moved a little: neighbours in number are neighbours in angle. */
void make_vector(long i, float out[VECTOR_DIMENSION])
{
    for (int d = 0; d < VECTOR_DIMENSION; d++)
        out[d] = cosf((float)i * 0.002F * (float)(d + 1)) + 0.01F * (float)((i * 7 + d) % 13);
}

rag_status put_vectors(rag_store *store, const char *space_name, long from, long n, rag_error *err)
{
    rag_vector_space space = RAG_VECTOR_SPACE_INIT;
    space.dimension = VECTOR_DIMENSION;
    float(*vectors)[VECTOR_DIMENSION] = calloc((size_t)n, sizeof *vectors);
    rag_vector_item *items = calloc((size_t)n, sizeof *items);
    char(*ids)[24] = calloc((size_t)n, sizeof *ids);
    if (!vectors || !items || !ids)
        abort();
    for (long i = 0; i < n; i++) {
        make_vector(from + i, vectors[i]);
        (void)snprintf(ids[i], sizeof ids[i], "id-%ld", from + i);
        items[i] = (rag_vector_item){ rag_text(ids[i]), vectors[i], VECTOR_DIMENSION,
                                      rag_text("{}"), RAG_TIME_UNKNOWN };
    }
    rag_status status = rag_vector_define(store, NULL, space_name, &space, err);
    if (status == RAG_OK)
        status = rag_vector_put_many(store, NULL, space_name, items, (size_t)n, NULL, err);
    free(ids);
    free(items);
    free(vectors);
    return status;
}

void do_vectors(struct handle *h, const char *space, long from, long n)
{
    rag_error err = RAG_ERROR_INIT;
    const rag_status status = put_vectors(h->store, space, from, n, &err);
    say_outcome(status, 0, &err);
}

void do_erase_vectors(struct handle *h, const char *space, long from, long n)
{
    rag_error err = RAG_ERROR_INIT;
    rag_status status = RAG_OK;
    for (long i = from; i < from + n && status == RAG_OK; i++) {
        char id[24];
        (void)snprintf(id, sizeof id, "id-%ld", i);
        const rag_slice key = rag_text(id);
        status = rag_vector_delete_many(h->store, NULL, space, &key, 1, NULL, NULL, &err);
    }
    say_outcome(status, 0, &err);
}

static rag_status search_once(rag_store *store, const char *space, const float *wanted, int exact,
                              rag_result **out, rag_error *err)
{
    rag_vector_query query = RAG_VECTOR_QUERY_INIT;
    query.vector = wanted;
    query.dimension = VECTOR_DIMENSION;
    query.top_k = TOP;
    query.exact = exact;
    return rag_vector_search(store, NULL, space, &query, out, err);
}

/* FNV-1a over ids and scores. */
static unsigned long long mix(unsigned long long digest, const void *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        digest = (digest ^ ((const unsigned char *)data)[i]) * 0x100000001b3ULL;
    return digest;
}

static int same_row(const rag_row *a, const rag_row *b)
{
    return a && b && a->key.len == b->key.len &&
           memcmp(a->key.data, b->key.data, a->key.len) == 0 && fabs(a->score - b->score) < 1e-9;
}

void do_search(struct handle *h, const char *space, long searches)
{
    size_t agree = 0, all = 0;
    unsigned long long digest = 0xcbf29ce484222325ULL;
    for (long n = 0; n < searches; n++) {
        float wanted[VECTOR_DIMENSION];
        rag_error err = RAG_ERROR_INIT;
        rag_result *by_codes = NULL, *exact = NULL;
        make_vector(n * 71 + 5, wanted);
        rag_status status = search_once(h->store, space, wanted, 0, &by_codes, &err);
        if (status == RAG_OK)
            status = search_once(h->store, space, wanted, 1, &exact, &err);
        for (size_t i = 0; status == RAG_OK && i < rag_result_count(exact); i++) {
            const rag_row *row = rag_result_row(exact, i);
            agree += (size_t)same_row(rag_result_row(by_codes, i), row);
            all++;
            digest = mix(digest, row->key.data, row->key.len);
            digest = mix(digest, &row->score, sizeof row->score);
        }
        rag_result_free(by_codes);
        rag_result_free(exact);
        if (status != RAG_OK) {
            say_outcome(status, 0, &err);
            return;
        }
    }
    say("agree %zu of %zu digest %016llx", agree, all, digest);
}
