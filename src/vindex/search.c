/* Searching: one bit, two bits, four bits, then exact scores, each only where it can matter.
 *
 * One pass reads the blocks in order. Each row gets an upper bound of its score from its one-bit
 * code; the rows whose bound reaches the floor get a better one from two bits, and those that still
 * reach it an estimate and a margin from all four bits. They are kept as candidates. The floor is the k-th largest lower bound seen so far, so it rises
 * quickly and what is looked at closely shrinks to a few rows in a thousand. Then the candidates are
 * fetched, best estimate first, until the bound of every one that is left is below the k-th exact
 * score. The k-th exact score is what decides, so the floor may be a guess: when it turns out to
 * have been higher than the k-th score (rows were dead, or refused), the pass is repeated with a
 * floor that is known to be right, and what was fetched before is not fetched again.
 *
 * Invariant at the end: every row that was not fetched had an upper bound below the k-th score, or
 * below min_score. With exact bounds that would be a proof; the margins are a number of standard
 * deviations, so it is one up to a small probability (docs/decisions/0010-vector-codes.md). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/error.h"
#include "format.h"

/* Margins in standard deviations. Smaller is faster and misses more; measured in decision 0010. */
#define COARSE_EPSILON 2.2f
#define MIDDLE_EPSILON 2.5f
#define FINE_EPSILON 2.7f
#define FLOOR_EPSILON 1.5f /* of the lower bounds that make the floor */

enum {
    FIRST_CANDIDATES = 1024,
    FETCH_BATCH = 32,      /* after the first batch */
    FETCH_BATCH_ALL = 512, /* when everything is fetched anyway */
    PREFETCH_AHEAD = 8,    /* fine codes on their way while one is looked at */
    GROUP = 32,            /* rows that are filtered before any of them is refined */
    WARM_UP_ROWS = 384     /* refined before the rest of the first block, to get a floor */
};

struct candidate {
    float score, upper; /* estimate, and estimate + margin */
    uint32_t row;
    uint64_t slot;
};

struct search {
    const vindex *index;
    const vindex_query *query;
    const vindex_search_options *options;
    const struct kernels *kernels;
    struct query_code code;
    float caution; /* the caller's factor on all margins */
    vindex_stats stats;

    /* hits: a heap with the worst on top */
    vindex_hit *hits;
    size_t hit_count;

    /* the floor_k largest lower bounds, smallest on top, and what follows from them */
    float *lowers;
    size_t lower_count, floor_k;
    float floor;

    struct candidate *candidates;
    size_t candidate_count, candidate_capacity;
    uint8_t *done; /* bit per row: fetched in an earlier pass; NULL in the first */

    /* one block */
    int32_t *sums;
    float *uppers;
    uint32_t *picked;
};

/* ---- hits ---------------------------------------------------------------------------------------- */

/* Is a worse than b: lower score, or the same and a larger slot. */
static int worse(vindex_hit a, vindex_hit b)
{
    return a.score < b.score || (a.score == b.score && a.slot > b.slot);
}

static void sift_hit(vindex_hit *heap, size_t n, size_t at)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= n)
            return;
        if (child + 1 < n && worse(heap[child + 1], heap[child]))
            child++;
        if (!worse(heap[child], heap[at]))
            return;
        const vindex_hit swap = heap[at];
        heap[at] = heap[child];
        heap[child] = swap;
        at = child;
    }
}

static void offer_hit(struct search *s, uint64_t slot, float score)
{
    const size_t k = s->options->k;
    const vindex_hit hit = { slot, score };
    if (score < s->options->min_score || k == 0)
        return;
    if (s->hit_count < k) {
        size_t at = s->hit_count++;
        s->hits[at] = hit;
        for (; at > 0 && worse(s->hits[at], s->hits[(at - 1) / 2]); at = (at - 1) / 2) {
            s->hits[at] = s->hits[(at - 1) / 2];
            s->hits[(at - 1) / 2] = hit;
        }
    } else if (worse(s->hits[0], hit)) {
        s->hits[0] = hit;
        sift_hit(s->hits, k, 0);
    }
}

/* The score that a row must reach to matter: known for certain. */
static float needed(const struct search *s)
{
    const float least = s->options->min_score;
    return s->hit_count < s->options->k ? least : fmaxf(least, s->hits[0].score);
}

static int by_rank(const void *a, const void *b)
{
    const vindex_hit x = *(const vindex_hit *)a, y = *(const vindex_hit *)b;
    return worse(x, y) ? 1 : worse(y, x) ? -1 : 0;
}

/* ---- floor --------------------------------------------------------------------------------------- */

static void sift_float(float *heap, size_t n, size_t at)
{
    const float value = heap[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= n)
            break;
        if (child + 1 < n && heap[child + 1] < heap[child])
            child++;
        if (!(heap[child] < value))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = value;
}

static void offer_lower(struct search *s, float lower)
{
    if (s->lower_count < s->floor_k) {
        size_t at = s->lower_count++;
        for (; at > 0 && lower < s->lowers[(at - 1) / 2]; at = (at - 1) / 2)
            s->lowers[at] = s->lowers[(at - 1) / 2];
        s->lowers[at] = lower;
        if (s->lower_count < s->floor_k)
            return;
    } else if (lower > s->lowers[0]) {
        s->lowers[0] = lower;
        sift_float(s->lowers, s->floor_k, 0);
    } else {
        return;
    }
    s->floor = fmaxf(s->floor, s->lowers[0]);
}

/* How many rows must seem better before one is dropped: k, and as many as may be dead among them. */
static size_t floor_rank(const struct search *s)
{
    const uint64_t count = s->index->header.info.count;
    const uint64_t dead = s->options->dead_hint < count ? s->options->dead_hint : count;
    const size_t k = s->options->k;
    if (dead == 0 || count == 0)
        return k;
    const double share = (double)dead / (double)count;
    if (share > 0.9)
        return (size_t)count;
    const double spare = ((double)k * share + 3 * sqrt((double)k * share) + 1) / (1 - share);
    return k + (size_t)spare;
}

/* ---- fetching ------------------------------------------------------------------------------------ */

static rag_status fetch(struct search *s, const uint64_t *slots, size_t n, rag_error *err)
{
    float scores[FETCH_BATCH_ALL];
    uint8_t alive[FETCH_BATCH_ALL];
    while (n > 0) {
        const size_t part = n < FETCH_BATCH_ALL ? n : FETCH_BATCH_ALL;
        if (s->options->check)
            RAG_TRY(s->options->check(s->options->check_ctx, err));
        RAG_TRY(s->options->fetch(s->options->fetch_ctx, slots, part, scores, alive, err));
        s->stats.batches++;
        s->stats.fetched += part;
        for (size_t i = 0; i < part; i++) {
            if (!alive[i] || isnan(scores[i]))
                s->stats.dead++;
            else
                offer_hit(s, slots[i], scores[i]);
        }
        slots += part;
        n -= part;
    }
    return RAG_OK;
}

static int in_extra(const struct search *s, uint64_t slot)
{
    size_t low = 0, high = s->options->extra_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (s->options->extra[middle] < slot)
            low = middle + 1;
        else
            high = middle;
    }
    return low < s->options->extra_count && s->options->extra[low] == slot;
}

static int accepted(const struct search *s, uint64_t slot)
{
    if (s->options->extra_count && in_extra(s, slot))
        return 0; /* fetched already */
    return !s->options->accept || s->options->accept(s->options->accept_ctx, slot);
}

static int by_slot(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* ---- one block ----------------------------------------------------------------------------------- */

static rag_status keep(struct search *s, struct candidate c, rag_error *err)
{
    if (s->candidate_count == s->candidate_capacity) {
        /* First drop those that the floor has passed meanwhile. */
        size_t kept = 0;
        for (size_t i = 0; i < s->candidate_count; i++)
            if (s->candidates[i].upper >= s->floor)
                s->candidates[kept++] = s->candidates[i];
        s->candidate_count = kept;
        if (kept > s->candidate_capacity / 2) {
            const size_t capacity = 2 * s->candidate_capacity;
            struct candidate *more = rag_realloc(s->candidates, capacity * sizeof *more);
            if (!more)
                return rag_fail_memory(err);
            s->candidates = more;
            s->candidate_capacity = capacity;
        }
    }
    s->candidates[s->candidate_count++] = c;
    return RAG_OK;
}

static inline void prefetch(const struct block_view *b, uint32_t row, size_t from, size_t to)
{
    const uint8_t *record = b->fine + row * b->fine_stride;
    for (size_t at = from; at < to; at += 64)
        __builtin_prefetch(record + at);
}

/* Can the row still reach the floor, by the two top bits of its fine code? */
static int middle_test(struct search *s, const struct block_view *b, uint32_t i, float margin)
{
    const uint8_t *record = b->fine + i * b->fine_stride;
    struct row_factors f = { .a = b->a[i] };
    memcpy(&f.middle_b, record, sizeof f.middle_b);
    memcpy(&f.middle_e, record + sizeof f.middle_b, sizeof f.middle_e);
    int32_t sum;
    const void *plane = record + FORMAT_RECORD_PLANES;
    s->kernels->scan(&s->code.bits, plane, 1, &sum);
    s->stats.filtered++;
    return code_estimate_middle(&s->code, &f, s->sums[i], sum) + margin * f.middle_e >= s->floor;
}

static rag_status refine_row(struct search *s, const struct block_view *b, uint32_t first_row,
                             uint32_t i, rag_error *err)
{
    const size_t words = s->code.bits.words;
    const uint8_t *record = b->fine + i * b->fine_stride;
    struct row_factors f = { .a = b->a[i], .coarse_b = b->coarse_b[i], .coarse_e = b->coarse_e[i] };
    memcpy(&f.fine_b, record + FORMAT_RECORD_FINE(words), sizeof f.fine_b);
    memcpy(&f.fine_e, record + FORMAT_RECORD_FINE(words) + sizeof f.fine_b, sizeof f.fine_e);
    const void *planes = record + FORMAT_RECORD_PLANES;
    const int32_t sum = s->kernels->fine(&s->code.bits, b->coarse + i * words, planes);
    const struct estimate e = code_estimate_fine(&s->code, &f, sum, s->caution * FINE_EPSILON);
    s->stats.refined++;
    const float upper = e.score + e.margin;
    if (!(upper >= s->floor) || !accepted(s, b->slots[i]))
        return RAG_OK;
    offer_lower(s, e.score - e.margin * (FLOOR_EPSILON / FINE_EPSILON));
    return keep(s, (struct candidate){ e.score, upper, first_row + i, b->slots[i] }, err);
}

static int is_done(const struct search *s, uint32_t row)
{
    return s->done && s->done[row / 8] >> (row % 8) & 1;
}

/* Look closer at the n picked rows, a group at a time: first the two top bits of all, then all four
 * of those that are left. What will be needed is on its way from memory while something else is
 * looked at. */
static rag_status refine(struct search *s, const struct block_view *b, uint32_t first_row, size_t n,
                         rag_error *err)
{
    const size_t front = FORMAT_RECORD_PLANES + s->code.bits.words * sizeof(uint64_t);
    const float margin = code_middle_margin(&s->code, s->caution * MIDDLE_EPSILON);
    for (size_t start = 0; start < n; start += GROUP) {
        const size_t end = n - start < GROUP ? n : start + GROUP;
        uint32_t left[GROUP];
        size_t left_count = 0;
        for (size_t i = start; i < end; i++) {
            if (i + PREFETCH_AHEAD < n)
                prefetch(b, s->picked[i + PREFETCH_AHEAD], 0, front);
            const uint32_t row = s->picked[i];
            /* the floor may have risen since it was picked */
            if (s->uppers[row] >= s->floor && !is_done(s, first_row + row) &&
                middle_test(s, b, row, margin)) {
                prefetch(b, row, front, b->fine_stride);
                left[left_count++] = row;
            }
        }
        for (size_t i = 0; i < left_count; i++)
            RAG_TRY(refine_row(s, b, first_row, left[i], err));
    }
    return RAG_OK;
}

static void bound_all(struct search *s, const struct block_view *b)
{
    const float *restrict a = b->a, *restrict cb = b->coarse_b, *restrict ce = b->coarse_e;
    const int32_t *restrict sums = s->sums;
    float *restrict uppers = s->uppers;
    const float constant = s->code.constant, factor = s->code.mean_factor;
    const float scale = 2 * s->code.coarse_scale, offset = s->code.coarse_sum / 2;
    const float margin = code_coarse_margin(&s->code, s->caution * COARSE_EPSILON);
    for (size_t i = 0; i < b->rows; i++)
        uppers[i] =
            constant + factor * a[i] + cb[i] * scale * ((float)sums[i] - offset) + margin * ce[i];
}

static size_t pick(struct search *s, size_t rows, float floor)
{
    size_t n = 0;
    for (size_t i = 0; i < rows; i++) {
        s->picked[n] = (uint32_t)i;
        n += s->uppers[i] >= floor;
    }
    return n;
}

/* A value that about `wanted` of the n uppers reach: from a sample, for the first block only. */
static float upper_quantile(const struct search *s, size_t n, size_t wanted)
{
    enum { SAMPLE = 128 };
    float best[SAMPLE];
    size_t count = 0;
    const size_t step = n / SAMPLE + 1;
    for (size_t i = 0; i < n; i += step) {
        size_t at = count++;
        for (; at > 0 && s->uppers[i] > best[at - 1]; at--)
            best[at] = best[at - 1];
        best[at] = s->uppers[i];
    }
    const size_t rank = wanted * count / n;
    return best[rank < count ? rank : count - 1];
}

static rag_status scan_block(struct search *s, size_t block, rag_error *err)
{
    struct block_view b;
    RAG_TRY(vindex_block(s->index, block, &b, err));
    const uint32_t first_row = (uint32_t)block * s->index->header.block_rows;
    s->kernels->scan(&s->code.bits, b.coarse, b.rows, s->sums);
    s->stats.scanned += b.rows;
    bound_all(s, &b);
    if (s->lower_count < s->floor_k && b.rows > 4 * WARM_UP_ROWS) {
        /* No floor yet: the most promising rows first, so that most of the rest is spared. */
        const float split = upper_quantile(s, b.rows, WARM_UP_ROWS + 2 * s->floor_k);
        size_t n = pick(s, b.rows, fmaxf(split, s->floor));
        RAG_TRY(refine(s, &b, first_row, n, err));
        for (size_t i = 0; i < n; i++)
            s->uppers[s->picked[i]] = NAN; /* not to be picked again, whatever the floor */
    }
    return refine(s, &b, first_row, pick(s, b.rows, s->floor), err);
}

static rag_status scan_all(struct search *s, rag_error *err)
{
    s->stats.passes++;
    s->candidate_count = 0;
    for (size_t block = 0; block < s->index->block_count; block++) {
        if (s->options->check)
            RAG_TRY(s->options->check(s->options->check_ctx, err));
        RAG_TRY(scan_block(s, block, err));
    }
    return RAG_OK;
}

/* ---- exact scores of the candidates -------------------------------------------------------------- */

static int by_score(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->slot < y->slot ? -1 : x->slot > y->slot;
}

static int by_upper(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->upper != y->upper)
        return x->upper > y->upper ? -1 : 1;
    return x->slot < y->slot ? -1 : x->slot > y->slot;
}

static void mark_done(struct search *s, const struct candidate *c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        s->done[c[i].row / 8] |= (uint8_t)(1u << (c[i].row % 8));
}

static rag_status fetch_candidates(struct search *s, const struct candidate *c, size_t n,
                                   rag_error *err)
{
    uint64_t slots[FETCH_BATCH_ALL];
    while (n > 0) {
        const size_t part = n < FETCH_BATCH_ALL ? n : FETCH_BATCH_ALL;
        for (size_t i = 0; i < part; i++)
            slots[i] = c[i].slot;
        qsort(slots, part, sizeof *slots, by_slot);
        RAG_TRY(fetch(s, slots, part, err));
        if (s->done)
            mark_done(s, c, part);
        c += part;
        n -= part;
    }
    return RAG_OK;
}

/* Best estimates first, as many as are wanted: that gives a k-th score which is nearly right. Then
 * in order of bound until it falls below. Returns in *fetched how many of the candidates, which are
 * left in the order in which they were fetched. */
static rag_status rerank(struct search *s, size_t *fetched, rag_error *err)
{
    size_t n = 0;
    for (size_t i = 0; i < s->candidate_count; i++)
        if (s->candidates[i].upper >= s->floor)
            s->candidates[n++] = s->candidates[i];
    s->candidate_count = n;
    struct candidate *c = s->candidates;
    qsort(c, n, sizeof *c, by_score);
    size_t at = s->floor_k < n ? s->floor_k : n;
    RAG_TRY(fetch_candidates(s, c, at, err));
    qsort(c + at, n - at, sizeof *c, by_upper);
    while (at < n) {
        size_t end = at;
        const float least = needed(s);
        while (end < n && end - at < FETCH_BATCH && c[end].upper >= least)
            end++;
        if (end == at)
            break;
        RAG_TRY(fetch_candidates(s, c + at, end - at, err));
        at = end;
    }
    *fetched = at;
    return RAG_OK;
}

/* ---- passes -------------------------------------------------------------------------------------- */

/* Before another pass: remember what was fetched, and lower the floor. */
static rag_status prepare_again(struct search *s, size_t fetched, rag_error *err)
{
    const size_t count = (size_t)s->index->header.info.count;
    if (!s->done) {
        s->done = rag_alloc_zeroed(count / 8 + 1, 1);
        if (!s->done)
            return rag_fail_memory(err);
        mark_done(s, s->candidates, fetched);
    }
    if (s->hit_count < s->options->k || !fetched) {
        /* Still too few, or (margins below zero, in a damaged block) a floor that nothing reaches:
         * look four times as deep, at last at everything. */
        const size_t deeper = s->floor_k < count / 4 ? 4 * s->floor_k + 64 : count + 1;
        float *lowers = rag_realloc(s->lowers, deeper * sizeof *lowers);
        if (!lowers)
            return rag_fail_memory(err);
        s->lowers = lowers;
        s->floor_k = deeper;
    }
    s->lower_count = 0;
    s->floor = needed(s);
    return RAG_OK;
}

static rag_status search_index(struct search *s, rag_error *err)
{
    s->floor = needed(s);
    for (;;) {
        size_t fetched = 0;
        RAG_TRY(scan_all(s, err));
        RAG_TRY(rerank(s, &fetched, err));
        /* Rows below the floor were dropped: right if the k-th score is not below it. */
        if (s->floor <= needed(s))
            return RAG_OK;
        RAG_TRY(prepare_again(s, fetched, err));
    }
}

static rag_status fetch_everything(struct search *s, rag_error *err)
{
    for (size_t block = 0; block < s->index->block_count; block++) {
        struct block_view b;
        uint64_t slots[FETCH_BATCH_ALL];
        size_t n = 0;
        RAG_TRY(vindex_block(s->index, block, &b, err));
        for (size_t i = 0; i < b.rows; i++) {
            if (accepted(s, b.slots[i]))
                slots[n++] = b.slots[i];
            if (n == FETCH_BATCH_ALL || i + 1 == b.rows) {
                RAG_TRY(fetch(s, slots, n, err));
                n = 0;
            }
        }
    }
    return RAG_OK;
}

static rag_status take_memory(struct search *s, rag_error *err)
{
    const size_t rows = s->index->header.block_rows;
    s->floor_k = floor_rank(s);
    s->candidate_capacity = FIRST_CANDIDATES;
    const size_t lowers =
        s->floor_k < s->index->header.info.count ? s->floor_k : (size_t)s->index->header.info.count;
    s->lowers = rag_alloc_array(lowers + 1, sizeof *s->lowers);
    s->candidates = rag_alloc_array(s->candidate_capacity, sizeof *s->candidates);
    s->sums = rag_alloc_array(rows, sizeof *s->sums);
    s->uppers = rag_alloc_array(rows, sizeof *s->uppers);
    s->picked = rag_alloc_array(rows + 1, sizeof *s->picked);
    if (!s->lowers || !s->candidates || !s->sums || !s->uppers || !s->picked)
        return rag_fail_memory(err);
    return RAG_OK;
}

static void free_search(struct search *s)
{
    code_query_free(&s->code);
    rag_free(s->hits);
    rag_free(s->lowers);
    rag_free(s->candidates);
    rag_free(s->done);
    rag_free(s->sums);
    rag_free(s->uppers);
    rag_free(s->picked);
}

static rag_status check_call(const vindex *index, const vindex_query *query,
                             const vindex_search_options *options, rag_error *err)
{
    if (!options->fetch)
        return rag_fail(err, RAG_E_INVALID, "a vector search needs a fetch function");
    if (isnan(options->min_score))
        return rag_fail(err, RAG_E_INVALID, "the least score of a vector search is NaN");
    if (!index)
        return RAG_OK;
    const vindex_info *info = &index->header.info;
    if (info->dim != query->dim || info->metric != query->metric)
        return rag_fail(err, RAG_E_INVALID,
                        "query of dimension %u and metric %d, index of dimension %u and metric %d",
                        query->dim, (int)query->metric, info->dim, (int)info->metric);
    return RAG_OK;
}

static rag_status run(struct search *s, rag_error *err)
{
    const vindex_search_options *options = s->options;
    RAG_TRY(fetch(s, options->extra, options->extra_count, err));
    if (!s->index || s->index->header.info.count == 0)
        return RAG_OK;
    if (options->exact)
        return fetch_everything(s, err);
    RAG_TRY(code_query(s->query, s->index->mean, s->index->signs, &s->code, err));
    RAG_TRY(take_memory(s, err));
    return search_index(s, err);
}

rag_status vindex_search(const vindex *index, const vindex_query *query,
                         const vindex_search_options *options, vindex_hit *hits, size_t *count,
                         vindex_stats *stats, rag_error *err)
{
    struct search s = {
        .index = index, .query = query, .options = options, .kernels = kernels_get()
    };
    rag_status status = RAG_OK;
    s.caution = options->caution > 0 ? options->caution : 1.0f;
    RAG_TRY(check_call(index, query, options, err));
    if (options->k > 0) {
        const uint64_t rows = options->extra_count + (index ? index->header.info.count : 0);
        s.hits = rag_alloc_array(options->k < rows ? options->k : (size_t)rows, sizeof *s.hits);
        if (!s.hits)
            return rag_fail_memory(err);
        RAG_TRY_CLEANUP(run(&s, err));
        qsort(s.hits, s.hit_count, sizeof *s.hits, by_rank);
        if (s.hit_count)
            memcpy(hits, s.hits, s.hit_count * sizeof *hits);
    }
    *count = s.hit_count;
    if (stats)
        *stats = s.stats;

cleanup:
    free_search(&s);
    return status;
}
