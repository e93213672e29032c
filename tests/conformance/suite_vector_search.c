/* Searching: scores, order, limits, and that what is found is what comparing with every row finds.
 *
 * The reference is computed here, in double, over the vectors as the store keeps them. Scores may
 * differ from it by quirks.score_tolerance, and rows that are nearer to each other than that may
 * come in either order. With `exact` everything else must be equal; without, a backend may miss
 * as many rows as quirks.recall says, and what it does give must be right. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance.h"

#define NS "chunks"

static rag_result *search(struct env *e, const float *vector, size_t dimension, size_t top_k,
                          double min_score)
{
    rag_vector_query query = RAG_VECTOR_QUERY_INIT;
    rag_result *rows = NULL;
    query.vector = vector;
    query.dimension = dimension;
    query.top_k = top_k;
    query.min_score = min_score;
    OK(rag_vector_search(e->store, NULL, NS, &query, &rows, &e->err));
    return keep(e, rows);
}

static void expect_score(const struct env *e, const rag_result *rows, size_t i, double score)
{
    const double got = row_of(rows, i)->score;
    CHECK(fabs(got - score) <= e->backend->quirks.score_tolerance * fmax(1, fabs(score)),
          "the score of hit %zu is %.9g, not %.9g", i, got, score);
}

/* ---- small pictures ---------------------------------------------------------------------------------- */

static void put_compass(struct env *e, rag_metric metric)
{
    static const float v[][2] = { { 1, 0 }, { 0, 2 }, { -3, 0 }, { 0, -4 }, { 5, 5 } };
    static const char *const ids[] = { "east", "north", "west", "south", "far-northeast" };
    define_space(e, NS, 2, metric, RAG_ELEMENT_FLOAT32);
    for (size_t i = 0; i < 5; i++)
        vector_put(e, NS, T(ids[i]), v[i], 2, format_text("{\"content\":\"%s\"}", ids[i]));
}

static void vector_25_cosine_orders_by_angle(struct env *e)
{
    static const char *const wanted[] = { "east", "far-northeast", "north", "south", "west" };
    const float east[2] = { 10, 0 };
    put_compass(e, RAG_METRIC_COSINE);
    const rag_result *rows = search(e, east, 2, 10, -2);
    keys_are(rows, wanted, 5);
    expect_score(e, rows, 0, 1);
    expect_score(e, rows, 1, sqrt(0.5));
    expect_score(e, rows, 2, 0);
    expect_score(e, rows, 3, 0);
    expect_score(e, rows, 4, -1);
    row_is(row_of(rows, 0), "{\"content\":\"east\"}");
    CHECK(row_of(rows, 0)->created_at > 0, "a hit has no time");
}

static void vector_25_dot_orders_by_inner_product(struct env *e)
{
    static const char *const wanted[] = { "far-northeast", "north", "east", "west", "south" };
    const float q[2] = { 1, 2 };
    put_compass(e, RAG_METRIC_DOT);
    const rag_result *rows = search(e, q, 2, 10, -1000);
    keys_are(rows, wanted, 5);
    static const double scores[] = { 15, 4, 1, -3, -8 };
    for (size_t i = 0; i < 5; i++)
        expect_score(e, rows, i, scores[i]);
}

static void vector_25_top_k_and_exhausted(struct env *e)
{
    const float east[2] = { 1, 0 };
    put_compass(e, RAG_METRIC_COSINE);
    for (size_t k = 1; k <= 7; k++) {
        const rag_result *rows = search(e, east, 2, k, -2);
        count_is(rows, k < 5 ? k : 5);
        if (k < 5)
            CHECK(!(rag_result_flags(rows) & RAG_RESULT_EXHAUSTED), "exhausted at %zu of 5", k);
        if (k > 5)
            CHECK(rag_result_flags(rows) & RAG_RESULT_EXHAUSTED, "not exhausted at %zu of 5", k);
    }
    count_is(search(e, east, 2, 0, -2), 0);
    count_is(search(e, east, 2, 1000000, -2), 5);
    count_is(search(e, east, 2, (size_t)-1, -2), 5);
}

static void vector_25_an_empty_space_has_no_hits(struct env *e)
{
    const float east[2] = { 1, 0 };
    define_space(e, NS, 2, RAG_METRIC_COSINE, RAG_ELEMENT_FLOAT32);
    const rag_result *rows = search(e, east, 2, 10, -2);
    count_is(rows, 0);
    CHECK(rag_result_flags(rows) & RAG_RESULT_EXHAUSTED, "not exhausted");
}

static void vector_25_min_score_is_inclusive(struct env *e)
{
    /* Scores that are exact in any precision: 1, 1/2, 0, -1/2. */
    static const float v[][4] = {
        { 2, 0, 0, 0 }, { 1, 1, 1, 1 }, { 0, 3, 0, 0 }, { -1, 1, -1, 1 }
    };
    const float q[4] = { 1, 0, 0, 0 };
    define_space(e, NS, 4, RAG_METRIC_COSINE, RAG_ELEMENT_FLOAT32);
    for (size_t i = 0; i < 4; i++)
        vector_put(e, NS, T(format_text("%zu", i)), v[i], 4, "{}");
    static const struct {
        double min;
        size_t hits;
    } steps[] = {
        { 1, 1 },    { 0.5, 2 },   { 0.51, 1 }, { 0, 3 },    { 0.01, 2 },
        { -0.5, 4 }, { -0.49, 3 }, { -2, 4 },   { 1.01, 0 }, { -HUGE_VAL, 4 },
    };
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        count_is(search(e, q, 4, 10, steps[i].min), steps[i].hits);
    const rag_result *rows = search(e, q, 4, 2, 0.9); /* the limit is not what cut this */
    count_is(rows, 1);
    CHECK(rag_result_flags(rows) & RAG_RESULT_EXHAUSTED, "not exhausted");
}

static void vector_25_equal_scores_come_by_id(struct env *e)
{
    static const char *const ids[] = { "d", "b", "a\xc3\xa9", "c", "a", "B", "aa" };
    static const char *const wanted[] = { "B", "a", "aa", "a\xc3\xa9", "b", "c", "d" };
    const float v[3] = { 1, 2, 2 }, q[3] = { 2, 2, 1 };
    define_space(e, NS, 3, RAG_METRIC_COSINE, RAG_ELEMENT_FLOAT32);
    for (size_t i = 0; i < 7; i++)
        vector_put(e, NS, T(ids[i]), v, 3, "{}");
    keys_are(search(e, q, 3, 10, -2), wanted, 7);
    keys_are(search(e, q, 3, 3, -2), wanted, 3); /* also where the limit cuts */
}

static void vector_27_zero_vectors_are_never_found(struct env *e)
{
    const float zero[3] = { 0, 0, 0 }, minus_zero[3] = { -0.0f, 0, -0.0f }, one[3] = { 1, 0, 0 };
    const float q[3] = { -1, 0.5f, 0 };
    const rag_metric metrics[] = { RAG_METRIC_COSINE, RAG_METRIC_DOT };
    const size_t offered = e->backend->quirks.offers & NEEDS_DOT ? 2 : 1;
    for (size_t m = 0; m < offered; m++) {
        define_space(e, NS, 3, metrics[m], RAG_ELEMENT_FLOAT32);
        vector_put(e, NS, T("zero"), zero, 3, "{\"n\":0}");
        vector_put(e, NS, T("minus"), minus_zero, 3, "{}");
        vector_put(e, NS, T("one"), one, 3, "{}");
        static const char *const wanted[] = { "one" };
        keys_are(search(e, q, 3, 10, -1000), wanted, 1);
        CHECK(vector_count(e, NS) == 3, "a vector of length zero is not kept");
        const rag_slice id = T("zero");
        rag_result *rows = NULL;
        OK(rag_vector_get_many(e->store, NULL, NS, &id, 1, 3, &rows, &e->err));
        row_is(row_of(keep(e, rows), 0), "{\"n\":0}");
        vector_put(e, NS, T("zero"), one, 3, "{}");
        count_is(search(e, q, 3, 10, -1000), 2);
        OK(rag_vector_drop(e->store, NULL, NS, &e->err));
    }
}

static void vector_27_tiny_vectors_of_float16_are_zero(struct env *e)
{
    const float tiny[2] = { 1e-9f, -1e-9f }, one[2] = { 1, 1 };
    static const char *const wanted[] = { "one" };
    define_space(e, NS, 2, RAG_METRIC_COSINE, RAG_ELEMENT_FLOAT16);
    vector_put(e, NS, T("tiny"), tiny, 2, "{}");
    vector_put(e, NS, T("one"), one, 2, "{}");
    keys_are(search(e, one, 2, 10, -2), wanted, 1);
}

static void vector_extreme_lengths_are_compared(struct env *e)
{
    const float huge[2] = { FLT_MAX, FLT_MAX }, tiny[2] = { 1e-30f, 0 }, q[2] = { 1, 0 };
    static const char *const wanted[] = { "tiny", "huge" };
    define_space(e, NS, 2, RAG_METRIC_COSINE, RAG_ELEMENT_FLOAT32);
    vector_put(e, NS, T("huge"), huge, 2, "{}");
    vector_put(e, NS, T("tiny"), tiny, 2, "{}");
    const rag_result *rows = search(e, q, 2, 10, -2);
    keys_are(rows, wanted, 2);
    expect_score(e, rows, 0, 1);
    expect_score(e, rows, 1, sqrt(0.5));
}

static void vector_bad_queries_are_refused(struct env *e)
{
    static const float nan_[2] = { NAN, 1 }, inf[2] = { 1, INFINITY }, zero[2] = { 0, -0.0f };
    static const float good[3] = { 1, 0, 0 };
    const struct {
        const float *vector;
        size_t dimension;
        double min_score;
        rag_status status;
    } bad[] = {
        { good, 3, -2, RAG_E_MISMATCH }, { good, 1, -2, RAG_E_MISMATCH },
        { nan_, 2, -2, RAG_E_INVALID },  { inf, 2, -2, RAG_E_INVALID },
        { zero, 2, -2, RAG_E_INVALID },  { NULL, 2, -2, RAG_E_INVALID },
        { good, 2, NAN, RAG_E_INVALID },
    };
    rag_result *rows = NULL;
    put_compass(e, RAG_METRIC_COSINE);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        rag_vector_query query = RAG_VECTOR_QUERY_INIT;
        query.vector = bad[i].vector;
        query.dimension = bad[i].dimension;
        query.min_score = bad[i].min_score;
        REFUSED(bad[i].status, rag_vector_search(e->store, NULL, NS, &query, &rows, &e->err));
    }
    REFUSED(RAG_E_INVALID, rag_vector_search(e->store, NULL, NS, NULL, &rows, &e->err));
    CHECK(!rows, "the result was touched");
}

static void vector_hits_carry_what_was_asked_for(struct env *e)
{
    const float east[2] = { 1, 0 };
    rag_vector_query query = RAG_VECTOR_QUERY_INIT;
    rag_result *rows = NULL;
    put_compass(e, RAG_METRIC_COSINE);
    query.vector = east;
    query.dimension = 2;
    query.what = 0;
    OK(rag_vector_search(e->store, NULL, NS, &query, &rows, &e->err));
    const rag_row *row = row_of(keep(e, rows), 0);
    CHECK(!row->value.len && !row->vector && row->found, "more or less than was asked for");
    query.what = RAG_VECTOR_VECTORS;
    rows = NULL;
    OK(rag_vector_search(e->store, NULL, NS, &query, &rows, &e->err));
    row = row_of(keep(e, rows), 0);
    CHECK(!row->value.len && row->dimension == 2 && row->vector[0] == 1, "not the vector");
}

/* ---- against comparing with every row ------------------------------------------------------------------ */

struct world {
    struct env *e;
    size_t rows, dimension;
    rag_metric metric;
    rag_element element;
    float *vectors;       /* as given; NaN in the first element: the row is not there */
    size_t wanted, found; /* over all searches */
};

struct score {
    double value;
    size_t row;
};

static int by_score(const void *a, const void *b)
{
    const struct score *x = a, *y = b;
    if (x->value != y->value)
        return x->value > y->value ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

static double slack_of(const struct world *w, double score)
{
    return w->e->backend->quirks.score_tolerance * fmax(1, fabs(score)) * 4;
}

static void check_recall(const struct world *w)
{
    const double recall = (double)w->found / (double)w->wanted;
    print_message("recall %.4f of %zu hits\n", recall, w->wanted);
    CHECK(recall >= w->e->backend->quirks.recall, "the recall is %.4f", recall);
}

static double kept(const struct world *w, float x)
{
    return w->element == RAG_ELEMENT_FLOAT16 ? (double)(float)(half)x : (double)x;
}

static double reference(const struct world *w, const float *v, const float *q)
{
    double sum = 0, a = 0, b = 0;
    for (size_t i = 0; i < w->dimension; i++) {
        const double x = kept(w, v[i]);
        sum += x * (double)q[i];
        a += x * x;
        b += (double)q[i] * (double)q[i];
    }
    return w->metric == RAG_METRIC_DOT ? sum : sum / sqrt(a * b);
}

static size_t rank_all(const struct world *w, const float *q, double min_score,
                       struct score *scores)
{
    size_t n = 0;
    for (size_t r = 0; r < w->rows; r++) {
        const float *v = w->vectors + r * w->dimension;
        if (isnan(v[0]))
            continue;
        const double value = reference(w, v, q);
        if (value >= min_score)
            scores[n++] = (struct score){ value, r };
    }
    qsort(scores, n, sizeof *scores, by_score);
    return n;
}

/* Random around a few centres, as embeddings are. */
static void draw(const struct world *w, struct random *r, float *v)
{
    const uint64_t centre = random_below(r, 6);
    for (size_t i = 0; i < w->dimension; i++) {
        const double c = sin((double)(centre * 97 + i * 13 + 1));
        v[i] = (float)(c + (random_unit(r) - 0.5) * 1.5);
    }
}

/* Is it a row that is there, with its own score, and not one of the hits before? */
static double check_hit(const struct world *w, const rag_result *rows, size_t i, const float *q)
{
    const rag_row *hit = row_of(rows, i);
    const size_t row = strtoul((const char *)hit->key.data + 1, NULL, 10);
    CHECK(row < w->rows && !isnan(w->vectors[row * w->dimension]), "a hit that is not there: %zu",
          row);
    const double own = reference(w, w->vectors + row * w->dimension, q);
    CHECK(fabs(hit->score - own) <= slack_of(w, own), "hit %zu: the score says %.9g, it is %.9g", i,
          hit->score, own);
    CHECK(i == 0 || row_of(rows, i - 1)->score >= hit->score, "hit %zu: not best first", i);
    for (size_t j = 0; j < i; j++)
        CHECK(!same(hit->key, row_of(rows, j)->key), "row %zu is found twice", row);
    return own;
}

/* How many of the hits belong there. With `exact`, or from a backend that misses nothing, each has
 * the score that the reference has at its place. */
static void check_hits(struct world *w, const rag_result *rows, const struct score *best, size_t n,
                       const float *q, int strict)
{
    for (size_t i = 0; i < rag_result_count(rows); i++) {
        const double own = check_hit(w, rows, i, q);
        CHECK(!strict || fabs(own - best[i].value) <= slack_of(w, own),
              "hit %zu has %.9g, the best there has %.9g", i, own, best[i].value);
        w->found += own >= best[n - 1].value - slack_of(w, own);
    }
    w->wanted += n;
}

static void check_search(struct world *w, const float *q, size_t top_k, double min_score, int exact)
{
    struct env *e = w->e;
    struct score *scores = calloc(w->rows, sizeof *scores);
    const size_t n = rank_all(w, q, min_score, scores);
    rag_vector_query query = RAG_VECTOR_QUERY_INIT;
    rag_result *rows = NULL;
    query.vector = q;
    query.dimension = w->dimension;
    query.top_k = top_k;
    query.min_score = min_score;
    query.exact = exact;
    OK(rag_vector_search(e->store, NULL, NS, &query, &rows, &e->err));
    const int strict = exact || e->backend->quirks.recall >= 1;
    const size_t wanted = n < top_k ? n : top_k, count = rag_result_count(rows);
    /* With a threshold there is nothing to put in the place of a row that was missed. */
    CHECK(count == wanted || (!strict && n < top_k && count < wanted), "%zu rows, not %zu", count,
          wanted);
    check_hits(w, rows, scores, wanted, q, strict);
    free(scores);
    rag_result_free(rows);
}

static void check_searches(struct world *w, struct random *r)
{
    float *q = malloc(w->dimension * sizeof *q);
    static const size_t tops[] = { 1, 10, 60 };
    for (size_t i = 0; i < 6; i++) {
        draw(w, r, q);
        check_search(w, q, tops[i % 3], -1e30, (int)(i % 2));
    }
    /* A threshold halfway between two neighbours in the ranking, which no rounding moves. */
    struct score *scores = calloc(w->rows, sizeof *scores);
    draw(w, r, q);
    if (rank_all(w, q, -1e30, scores) > 20) {
        const double between = (scores[10].value + scores[11].value) / 2;
        const double gap = scores[10].value - scores[11].value;
        if (gap > 1e-4 * fmax(1, fabs(between)))
            check_search(w, q, 60, between, 0);
    }
    free(scores);
    free(q);
}

static void put_row(struct world *w, struct random *r, size_t row)
{
    float *v = w->vectors + row * w->dimension;
    draw(w, r, v);
    vector_put(w->e, NS, T(format_text("r%zu", row)), v, w->dimension, "{}");
}

static void search_agrees(struct env *e, uint32_t dimension, size_t rows, rag_metric metric,
                          rag_element element)
{
    struct random r = random_of(e);
    struct world w = {
        .e = e,
        .rows = rows,
        .dimension = dimension,
        .metric = metric,
        .element = element_for(e, element),
    };
    w.vectors = malloc(rows * dimension * sizeof *w.vectors);
    define_space(e, NS, dimension, metric, element);
    for (size_t i = 0; i < rows; i++)
        put_row(&w, &r, i);
    check_searches(&w, &r);
    OK(rag_store_optimize(e->store, NULL, &e->err));
    check_searches(&w, &r);
    for (size_t i = 0; i < rows / 4; i++) { /* after the index was built: replaced and deleted */
        const size_t row = random_below(&r, rows);
        const rag_slice id = T(format_text("r%zu", row));
        if (i % 2) {
            put_row(&w, &r, row);
        } else {
            OK(rag_vector_delete_many(e->store, NULL, NS, &id, 1, NULL, NULL, &e->err));
            w.vectors[row * dimension] = NAN;
        }
    }
    check_searches(&w, &r);
    OK(rag_store_optimize(e->store, NULL, &e->err));
    check_searches(&w, &r);
    check_recall(&w);
    free(w.vectors);
}

static void vector_25_search_finds_what_comparing_all_finds(struct env *e)
{
    search_agrees(e, 384, 400, RAG_METRIC_COSINE, RAG_ELEMENT_FLOAT32);
}

static void vector_25_search_agrees_for_dot(struct env *e)
{
    search_agrees(e, 100, 400, RAG_METRIC_DOT, RAG_ELEMENT_FLOAT32);
}

static void vector_25_search_agrees_for_float16(struct env *e)
{
    search_agrees(e, 129, 400, RAG_METRIC_COSINE, RAG_ELEMENT_FLOAT16);
}

static void vector_25_search_agrees_for_dot_of_float16(struct env *e)
{
    search_agrees(e, 65, 300, RAG_METRIC_DOT, RAG_ELEMENT_FLOAT16);
}

static void vector_25_search_agrees_for_one_dimension(struct env *e)
{
    search_agrees(e, 1, 40, RAG_METRIC_DOT, RAG_ELEMENT_FLOAT32);
}

static void vector_25_search_agrees_for_three_dimensions(struct env *e)
{
    search_agrees(e, 3, 300, RAG_METRIC_COSINE, RAG_ELEMENT_FLOAT32);
}

static void vector_25_search_agrees_for_1537_dimensions(struct env *e)
{
    search_agrees(e, 1537, 80, RAG_METRIC_COSINE, RAG_ELEMENT_FLOAT16);
}

static void search_thousands(struct env *e, rag_metric metric, rag_element element,
                             uint32_t dimension)
{
    struct random r = random_of(e);
    enum { ROWS = 6000, BATCH = 500 };
    struct world w = { .e = e,
                       .rows = ROWS,
                       .dimension = dimension,
                       .metric = metric,
                       .element = element_for(e, element) };
    w.vectors = malloc(sizeof *w.vectors * ROWS * dimension);
    rag_vector_item *items = calloc(BATCH, sizeof *items);
    define_space(e, NS, dimension, metric, element);
    for (size_t i = 0; i < ROWS; i += BATCH) {
        for (size_t j = 0; j < BATCH; j++) {
            float *v = w.vectors + (i + j) * dimension;
            draw(&w, &r, v);
            items[j] = (rag_vector_item){ T(format_text("r%zu", i + j)), v, dimension, T("{}"), 0 };
        }
        OK(rag_vector_put_many(e->store, NULL, NS, items, BATCH, NULL, &e->err));
    }
    free(items);
    check_searches(&w, &r);
    OK(rag_store_optimize(e->store, NULL, &e->err));
    check_searches(&w, &r);
    for (size_t i = 0; i < 300; i++)
        put_row(&w, &r, random_below(&r, ROWS));
    check_searches(&w, &r);
    check_recall(&w);
    free(w.vectors);
}

static void vector_25_search_agrees_for_thousands_of_rows(struct env *e)
{
    search_thousands(e, RAG_METRIC_COSINE, RAG_ELEMENT_FLOAT32, 64);
}

static void vector_25_search_agrees_for_thousands_of_float16(struct env *e)
{
    search_thousands(e, RAG_METRIC_COSINE, RAG_ELEMENT_FLOAT16, 80);
}

static void vector_25_search_agrees_for_thousands_by_dot(struct env *e)
{
    search_thousands(e, RAG_METRIC_DOT, RAG_ELEMENT_FLOAT32, 64);
}

/* ---- after changes --------------------------------------------------------------------------------------- */

static void vector_25_deleted_rows_are_not_found(struct env *e)
{
    static const char *const wanted[] = { "far-northeast", "north", "south", "west" };
    const float east[2] = { 1, 0 };
    const rag_slice id = T("east");
    put_compass(e, RAG_METRIC_COSINE);
    OK(rag_store_optimize(e->store, NULL, &e->err));
    OK(rag_vector_delete_many(e->store, NULL, NS, &id, 1, NULL, NULL, &e->err));
    keys_are(search(e, east, 2, 10, -2), wanted, 4);
    OK(rag_vector_drop(e->store, NULL, NS, &e->err));
    define_space(e, NS, 2, RAG_METRIC_COSINE, RAG_ELEMENT_FLOAT32);
    count_is(search(e, east, 2, 10, -2), 0);
}

static void vector_25_replaced_rows_are_found_in_their_new_place_only(struct env *e)
{
    static const char *const wanted[] = { "west", "far-northeast", "north", "south", "east" };
    const float east[2] = { 1, 0 }, west[2] = { -1, 0 };
    put_compass(e, RAG_METRIC_COSINE);
    OK(rag_store_optimize(e->store, NULL, &e->err));
    vector_put(e, NS, T("east"), west, 2, "{\"content\":\"moved\"}");
    vector_put(e, NS, T("west"), east, 2, "{}");
    const rag_result *rows = search(e, east, 2, 10, -2);
    keys_are(rows, wanted, 5);
    row_is(row_of(rows, 4), "{\"content\":\"moved\"}");
}

static void vector_25_rows_are_found_at_once(struct env *e)
{
    const float q[2] = { 1, 0.25f };
    define_space(e, NS, 2, RAG_METRIC_COSINE, RAG_ELEMENT_FLOAT32);
    for (size_t i = 0; i < 30; i++) { /* each one nearer than all before */
        const float v[2] = { 1, 0.25f + 1.0f / (float)(i + 1) };
        vector_put(e, NS, T(format_text("%zu", i)), v, 2, "{}");
        if (i % 10 == 5)
            OK(rag_store_optimize(e->store, NULL, &e->err));
        const rag_result *rows = search(e, q, 2, 1, -2);
        CHECK(same(row_of(rows, 0)->key, T(format_text("%zu", i))), "row %zu is not found", i);
    }
}

const struct conformance_case vector_search_cases[] = {
    CASE(vector, 25_cosine_orders_by_angle),
    CASE_NEEDS(vector, 25_dot_orders_by_inner_product, NEEDS_DOT),
    CASE(vector, 25_top_k_and_exhausted),
    CASE(vector, 25_an_empty_space_has_no_hits),
    CASE(vector, 25_min_score_is_inclusive),
    CASE(vector, 25_equal_scores_come_by_id),
    CASE(vector, 27_zero_vectors_are_never_found),
    CASE_NEEDS(vector, 27_tiny_vectors_of_float16_are_zero, NEEDS_FLOAT16),
    CASE_NEEDS(vector, extreme_lengths_are_compared, NEEDS_FLOAT32),
    CASE(vector, bad_queries_are_refused),
    CASE(vector, hits_carry_what_was_asked_for),
    CASE(vector, 25_search_finds_what_comparing_all_finds),
    CASE_NEEDS(vector, 25_search_agrees_for_dot, NEEDS_DOT),
    CASE_NEEDS(vector, 25_search_agrees_for_float16, NEEDS_FLOAT16),
    CASE_NEEDS(vector, 25_search_agrees_for_dot_of_float16, NEEDS_FLOAT16 | NEEDS_DOT),
    CASE_NEEDS(vector, 25_search_agrees_for_one_dimension, NEEDS_DOT),
    CASE(vector, 25_search_agrees_for_three_dimensions),
    CASE_NEEDS(vector, 25_search_agrees_for_1537_dimensions, NEEDS_FLOAT16),
    CASE(vector, 25_search_agrees_for_thousands_of_rows),
    CASE_NEEDS(vector, 25_search_agrees_for_thousands_of_float16, NEEDS_FLOAT16),
    CASE_NEEDS(vector, 25_search_agrees_for_thousands_by_dot, NEEDS_DOT),
    CASE(vector, 25_deleted_rows_are_not_found),
    CASE(vector, 25_replaced_rows_are_found_in_their_new_place_only),
    CASE(vector, 25_rows_are_found_at_once),
    CASES_END,
};
