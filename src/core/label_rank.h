/* How well a label answers a search in labels, and the best answers so far. One place for the rule,
 * so that an index and a walk over all labels cannot disagree. */
#ifndef CORE_LABEL_RANK_H
#define CORE_LABEL_RANK_H

#include <ragstore/types.h>

#include "arena.h"
#include "error.h"

/* The score of a folded label that contains the folded query at `hit` (its first occurrence), both
 * by the rule of rag_graph_search_labels(). */
int64_t label_score(rag_slice label, rag_slice query, const char *hit);

/* No label that merely contains a query of `query_len` code points scores more. */
int64_t label_score_inside_most(size_t query_len);

struct label_hit {
    int64_t score;
    rag_slice label;
};

/* The best `limit` hits: a heap with the worst on top. Zero-initialise but for the limit (> 0). */
struct label_best {
    struct label_hit *hits;
    size_t count, capacity, limit;
    struct arena labels;
};

/* A score below this cannot enter. */
static inline int64_t label_best_floor(const struct label_best *b)
{
    return b->count < b->limit ? INT64_MIN : b->hits[0].score;
}

/* The label is copied when it enters. */
rag_status label_best_offer(struct label_best *b, int64_t score, rag_slice label, rag_error *err);
/* Append the hits to `out` as rows, best first; nothing can be offered afterwards. */
rag_status label_best_give(struct label_best *b, rag_result *out, rag_error *err);
void label_best_free(struct label_best *b);

#endif
