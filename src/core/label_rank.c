/* The rule of a search in labels and a heap for its answer.
 *
 * The rule is LightRAG's (search_labels of its default graph store): 1000 for the whole label, 500
 * for its beginning, otherwise 100 less the number of characters of the label, and 50 more when the
 * query follows a space or '_' in it. Labels and query come folded: folding keeps the number of
 * characters, so lengths may be counted in either form. Hits are ordered by score, then by the bytes
 * of the label as it is, which is the order of its code points. */
#include "label_rank.h"

#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "fold.h"
#include "result.h"
#include "slice.h"

enum { SCORE_WHOLE = 1000, SCORE_BEGINS = 500, SCORE_INSIDE = 100, SCORE_WORD = 50 };

/* 1 when the query follows a space or '_' somewhere at or behind `hit`. */
static int begins_word(rag_slice label, rag_slice query, const char *hit)
{
    const char *start = label.data, *end = start + label.len;
    while (hit) {
        if (hit > start && (hit[-1] == ' ' || hit[-1] == '_'))
            return 1;
        hit++;
        hit = memmem(hit, (size_t)(end - hit), query.data, query.len);
    }
    return 0;
}

int64_t label_score(rag_slice label, rag_slice query, const char *hit)
{
    if (hit == label.data)
        return label.len == query.len ? SCORE_WHOLE : SCORE_BEGINS;
    return SCORE_INSIDE - (int64_t)fold_length(label) +
           (begins_word(label, query, hit) ? SCORE_WORD : 0);
}

int64_t label_score_inside_most(size_t query_len)
{
    return SCORE_INSIDE + SCORE_WORD - (int64_t)query_len - 1;
}

static int by_rank(const void *left, const void *right)
{
    const struct label_hit *a = left, *b = right;
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return slice_compare(a->label, b->label);
}

static void swap_hits(struct label_hit *a, struct label_hit *b)
{
    const struct label_hit swap = *a;
    *a = *b;
    *b = swap;
}

static void sift_down(struct label_best *b)
{
    for (size_t i = 0;;) {
        size_t worst = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < b->count; child++)
            if (by_rank(&b->hits[child], &b->hits[worst]) > 0)
                worst = child;
        if (worst == i)
            return;
        swap_hits(&b->hits[i], &b->hits[worst]);
        i = worst;
    }
}

static void sift_up(struct label_best *b, size_t i)
{
    for (; i && by_rank(&b->hits[i], &b->hits[(i - 1) / 2]) > 0; i = (i - 1) / 2)
        swap_hits(&b->hits[i], &b->hits[(i - 1) / 2]);
}

static rag_status grow(struct label_best *b, rag_error *err)
{
    if (b->count < b->capacity)
        return RAG_OK;
    const size_t wanted = b->capacity ? b->capacity * 2 : 64;
    struct label_hit *bigger = rag_realloc(b->hits, wanted * sizeof *bigger);
    if (!bigger)
        return rag_fail_memory(err);
    b->hits = bigger;
    b->capacity = wanted;
    return RAG_OK;
}

rag_status label_best_offer(struct label_best *b, int64_t score, rag_slice label, rag_error *err)
{
    struct label_hit hit = { score, label };
    const int full = b->count == b->limit;
    if (full && by_rank(&hit, &b->hits[0]) >= 0)
        return RAG_OK;
    hit.label.data = arena_copy(&b->labels, label.data, label.len);
    if (!hit.label.data)
        return rag_fail_memory(err);
    if (full) {
        b->hits[0] = hit;
        sift_down(b);
        return RAG_OK;
    }
    RAG_TRY(grow(b, err));
    b->hits[b->count] = hit;
    sift_up(b, b->count++);
    return RAG_OK;
}

rag_status label_best_give(struct label_best *b, rag_result *out, rag_error *err)
{
    if (b->count)
        qsort(b->hits, b->count, sizeof *b->hits, by_rank);
    for (size_t i = 0; i < b->count; i++) {
        const rag_row row = { .key = b->hits[i].label, .number = b->hits[i].score, .found = 1 };
        RAG_TRY(rag_result_append(out, &row, err));
    }
    return RAG_OK;
}

void label_best_free(struct label_best *b)
{
    rag_free(b->hits);
    arena_free(&b->labels);
    *b = (struct label_best){ .limit = b->limit };
}
