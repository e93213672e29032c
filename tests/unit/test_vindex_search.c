/* Searching an index: recall on every distribution and dimension, and the rules of the answer (dead
 * rows, k, ties, threshold, extra rows, filters, ends by the caller). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/alloc.h"
#include "unit/vindex_data.h"

enum { K = 60 };

static void set_query(struct fixture *f, const float *vector)
{
    rag_error err = RAG_ERROR_INIT;
    assert_int_equal(vindex_query_init(&f->query, f->metric, vector, f->dim, &err), RAG_OK);
}

static size_t search(struct fixture *f, const vindex_search_options *options, vindex_hit *hits,
                     vindex_stats *stats)
{
    rag_error err = RAG_ERROR_INIT;
    size_t count = 12345;
    const rag_status status =
        vindex_search(f->index, &f->query, options, hits, &count, stats, &err);
    if (status != RAG_OK)
        fail_msg("%s", err.message);
    return count;
}

static void same_hits(const vindex_hit *found, const vindex_hit *expected, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(found[i].slot, expected[i].slot);
        assert_true(found[i].score == expected[i].score);
    }
}

/* The answer must be exactly that of brute force. Wide margins: what is tested is the procedure, not
 * the chance of a miss, which the tests of recall measure. */
static void check_exact(struct fixture *f, const vindex_search_options *given)
{
    vindex_search_options cautious = *given, *options = &cautious;
    cautious.caution = 2;
    vindex_hit *found = malloc((options->k + 1) * sizeof *found);
    vindex_hit *expected = malloc((options->k + 1) * sizeof *expected);
    const size_t want = fixture_brute_force(f, options->k, options->min_score, expected);
    assert_int_equal(search(f, options, found, NULL), want);
    same_hits(found, expected, want);
    free(found);
    free(expected);
}

/* ---- recall -------------------------------------------------------------------------------------- */

static double recall_of(struct fixture *f, size_t k, vindex_stats *stats)
{
    vindex_hit *found = malloc(k * sizeof *found), *expected = malloc(k * sizeof *expected);
    const vindex_search_options options = fixture_options(f, k);
    const size_t want = fixture_brute_force(f, k, -INFINITY, expected);
    const size_t n = search(f, &options, found, stats);
    size_t right = 0;
    assert_int_equal(n, want);
    for (size_t i = 0; i < n; i++) {
        right += found[i].score >= expected[want - 1].score;
        assert_true(i == 0 || found[i].score <= found[i - 1].score);
    }
    free(found);
    free(expected);
    return (double)right / (double)want;
}

static void check_recall(enum data_set set, uint32_t dim, size_t rows, vindex_metric metric)
{
    enum { QUERIES = 12 };
    struct fixture f;
    float *data = data_make(set, rows + QUERIES, dim, 17 + set);
    float *queries = data + rows * dim; /* held out */
    uint64_t state = 99;
    double sum = 0;
    fixture_build(&f, data, rows, dim, metric);
    for (size_t i = 0; i < QUERIES; i++) {
        float *query = queries + i * dim;
        const float *near = data + data_random(&state) % rows * dim;
        for (uint32_t j = 0; i % 2 && j < dim; j++)
            query[j] = near[j] + 0.3f * query[j];
        set_query(&f, query);
        vindex_stats stats;
        sum += recall_of(&f, K, &stats);
        assert_int_equal(stats.scanned % rows, 0);
        assert_true(stats.fetched <= rows);
    }
    fixture_free(&f);
    if (sum / QUERIES < 0.99)
        fail_msg("recall %.4f of set %d, %u dimensions, metric %d", sum / QUERIES, (int)set, dim,
                 (int)metric);
}

static void recall_is_high_on_every_set_and_dimension(void **state)
{
    static const uint32_t dims[] = { 8, 100, 384, 768, 1024, 1536 };
    (void)state;
    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++)
        for (int set = 0; set < DATA_SETS; set++)
            check_recall((enum data_set)set, dims[i], 1500, VINDEX_COSINE);
}

static void recall_holds_for_the_other_metrics(void **state)
{
    (void)state;
    for (int set = 0; set < DATA_SETS; set++) {
        check_recall((enum data_set)set, 100, 2000, VINDEX_DOT);
        check_recall((enum data_set)set, 100, 2000, VINDEX_L2);
        check_recall((enum data_set)set, 384, 2000, VINDEX_DOT);
        check_recall((enum data_set)set, 384, 2000, VINDEX_L2);
    }
}

static void recall_holds_over_several_blocks(void **state)
{
    (void)state;
    for (int set = 0; set < DATA_SETS; set++)
        check_recall((enum data_set)set, 96, 9000, VINDEX_COSINE);
}

/* The codes must spare most of the work, or a recall of one is no merit. */
static void few_rows_are_fetched(void **state)
{
    struct fixture f;
    float *data = data_make(CLUSTERED, 9001, 256, 5);
    vindex_stats stats;
    (void)state;
    fixture_build(&f, data, 9000, 256, VINDEX_COSINE);
    set_query(&f, data + (size_t)9000 * 256);
    assert_true(recall_of(&f, K, &stats) >= 0.99);
    assert_int_equal(stats.passes, 1);
    assert_int_equal(stats.scanned, 9000);
    assert_true(stats.refined < 4500);
    assert_true(stats.fetched < 450);
    assert_true(stats.batches < 15);
    fixture_free(&f);
}

static void levels_give_the_same_answer(void **state)
{
    struct fixture f;
    float *data = data_make(ISOTROPIC, 3001, 200, 8);
    vindex_hit first[K], other[K];
    vindex_stats first_stats, other_stats;
    (void)state;
    fixture_build(&f, data, 3000, 200, VINDEX_COSINE);
    set_query(&f, data + (size_t)3000 * 200);
    const vindex_search_options options = fixture_options(&f, K);
    (void)vindex_force_level(VINDEX_LEVEL_PORTABLE);
    assert_int_equal(search(&f, &options, first, &first_stats), K);
    for (int level = VINDEX_LEVEL_POPCNT; level <= VINDEX_LEVEL_AVX512; level++) {
        (void)vindex_force_level((vindex_level)level);
        assert_int_equal(search(&f, &options, other, &other_stats), K);
        assert_int_equal(other_stats.refined, first_stats.refined);
        for (size_t i = 0; i < K; i++)
            assert_int_equal(other[i].slot, first[i].slot);
    }
    fixture_free(&f);
}

/* ---- the answer ---------------------------------------------------------------------------------- */

/* 5000 isotropic rows of 64 dimensions and a query; small enough that every search is exact. */
static void standard(struct fixture *f)
{
    float *data = data_make(ISOTROPIC, 5001, 64, 21);
    fixture_build(f, data, 5000, 64, VINDEX_COSINE);
    set_query(f, data + (size_t)5000 * 64);
}

static void empty_index_and_no_index(void **state)
{
    struct fixture f;
    vindex_hit hits[3];
    size_t count = 9;
    rag_error err = RAG_ERROR_INIT;
    (void)state;
    fixture_build(&f, data_make(ISOTROPIC, 1, 16, 1), 0, 16, VINDEX_COSINE);
    set_query(&f, f.rows);
    const vindex_search_options options = fixture_options(&f, 3);
    assert_int_equal(search(&f, &options, hits, NULL), 0);
    assert_int_equal(vindex_verify(f.index, &err), RAG_OK);
    assert_false(vindex_has_slot(f.index, 0));
    assert_int_equal(vindex_search(NULL, &f.query, &options, hits, &count, NULL, &err), RAG_OK);
    assert_int_equal(count, 0);
    fixture_free(&f);
}

static void k_of_any_size(void **state)
{
    struct fixture f;
    (void)state;
    standard(&f);
    vindex_search_options options = fixture_options(&f, 0);
    vindex_hit none;
    assert_int_equal(search(&f, &options, &none, NULL), 0);
    static const size_t sizes[] = { 1, 2, 10, 500, 4999, 5000, 5001, 20000 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        options.k = sizes[i];
        check_exact(&f, &options);
    }
    fixture_free(&f);
}

static void one_row_and_short_blocks(void **state)
{
    (void)state;
    for (size_t rows = 1; rows < 20; rows++) {
        struct fixture f;
        float *data = data_make(ISOTROPIC, rows + 1, 100, rows);
        fixture_build(&f, data, rows, 100, VINDEX_COSINE);
        set_query(&f, data + rows * 100);
        const vindex_search_options options = fixture_options(&f, 5);
        check_exact(&f, &options);
        fixture_free(&f);
    }
}

static void dead_rows_do_not_count(void **state)
{
    struct fixture f;
    (void)state;
    standard(&f);
    uint8_t *dead = calloc(f.count, 1);
    vindex_hit best[400];
    f.dead = dead;
    vindex_search_options options = fixture_options(&f, 20);
    /* the very best ones, in growing numbers: worse than any random choice */
    for (size_t n = 1; n <= 400; n = n * 3 + 1) {
        memset(dead, 0, f.count);
        assert_int_equal(fixture_brute_force(&f, n, -INFINITY, best), n);
        for (size_t i = 0; i < n; i++)
            dead[(best[i].slot - f.slot_base) / f.slot_step] = 1;
        options.dead_hint = 0;
        check_exact(&f, &options);
        options.dead_hint = n;
        check_exact(&f, &options);
    }
    /* nearly all, and all */
    memset(dead, 1, f.count);
    dead[17] = dead[4999] = 0;
    options.dead_hint = f.count - 2;
    check_exact(&f, &options);
    options.dead_hint = 0;
    check_exact(&f, &options);
    dead[17] = dead[4999] = 1;
    check_exact(&f, &options);
    f.dead = NULL;
    free(dead);
    fixture_free(&f);
}

static void hints_beyond_the_truth_do_no_harm(void **state)
{
    struct fixture f;
    (void)state;
    standard(&f);
    vindex_search_options options = fixture_options(&f, 20);
    static const uint64_t hints[] = { 1, 100, 2500, 4999, 5000, 1u << 30, UINT64_MAX };
    for (size_t i = 0; i < sizeof hints / sizeof *hints; i++) {
        options.dead_hint = hints[i];
        check_exact(&f, &options);
    }
    fixture_free(&f);
}

static void equal_scores_come_by_slot(void **state)
{
    enum { ROWS = 600, DIM = 32 };
    struct fixture f;
    float *data = data_make(ISOTROPIC, ROWS, DIM, 4);
    (void)state;
    for (size_t i = 0; i < ROWS; i++) /* 100 different rows, each six times */
        if (i >= 100)
            memcpy(data + i * DIM, data + i % 100 * DIM, DIM * sizeof *data);
    fixture_build(&f, data, ROWS, DIM, VINDEX_COSINE);
    set_query(&f, data + (size_t)7 * DIM);
    for (size_t k = 1; k < 30; k++) { /* also cuts in the middle of a tie */
        const vindex_search_options options = fixture_options(&f, k);
        check_exact(&f, &options);
    }
    fixture_free(&f);
}

static void all_rows_equal(void **state)
{
    enum { ROWS = 4200, DIM = 20 };
    struct fixture f;
    float *data = malloc(sizeof *data * ROWS * DIM);
    (void)state;
    for (size_t i = 0; i < (size_t)ROWS * DIM; i++)
        data[i] = (float)(i % DIM) + 1;
    fixture_build(&f, data, ROWS, DIM, VINDEX_COSINE);
    set_query(&f, data);
    const vindex_search_options options = fixture_options(&f, 10);
    check_exact(&f, &options);
    fixture_free(&f);
}

static void threshold_is_inclusive(void **state)
{
    struct fixture f;
    vindex_hit expected[50];
    (void)state;
    standard(&f);
    assert_int_equal(fixture_brute_force(&f, 50, -INFINITY, expected), 50);
    vindex_search_options options = fixture_options(&f, 50);
    for (size_t i = 0; i < 50; i += 7) {
        options.min_score = expected[i].score;
        check_exact(&f, &options);
    }
    options.min_score = 1.5f;
    check_exact(&f, &options);
    options.k = 10000;
    options.min_score = 0.2f; /* a part of all rows */
    check_exact(&f, &options);
    options.min_score = NAN;
    rag_error err = RAG_ERROR_INIT;
    size_t count = 77;
    assert_int_equal(vindex_search(f.index, &f.query, &options, expected, &count, NULL, &err),
                     RAG_E_INVALID);
    assert_int_equal(count, 77);
    fixture_free(&f);
}

static void zero_rows_are_found_by_no_cosine_search(void **state)
{
    enum { ROWS = 300, DIM = 40 };
    struct fixture f;
    float *data = data_make(ISOTROPIC, ROWS + 1, DIM, 6);
    (void)state;
    for (size_t i = 0; i < ROWS; i += 3)
        memset(data + i * DIM, 0, DIM * sizeof *data);
    fixture_build(&f, data, ROWS, DIM, VINDEX_COSINE);
    set_query(&f, data + (size_t)ROWS * DIM);
    const vindex_search_options options = fixture_options(&f, ROWS);
    vindex_hit hits[ROWS];
    assert_int_equal(search(&f, &options, hits, NULL), 200);
    check_exact(&f, &options);
    fixture_free(&f);
}

static void extra_rows_are_merged_and_count_once(void **state)
{
    struct fixture f;
    uint64_t extra[200];
    (void)state;
    standard(&f);
    /* an index of the first 4000 rows beside the fixture's data; the rest, and a few of both */
    struct fixture part;
    float *copy = malloc(sizeof *copy * 4000 * 64);
    memcpy(copy, f.rows, sizeof *copy * 4000 * 64);
    fixture_build(&part, copy, 4000, 64, VINDEX_COSINE);
    uint64_t *rest = malloc(sizeof *rest * 1100);
    for (size_t i = 0; i < 1100; i++)
        rest[i] = f.slot_base + (3900 + i) * f.slot_step;
    vindex_search_options options = fixture_options(&f, 50);
    options.extra = rest;
    options.extra_count = 1100;
    options.caution = 2;
    vindex_hit found[50], expected[50];
    rag_error err = RAG_ERROR_INIT;
    size_t n = 0;
    assert_int_equal(fixture_brute_force(&f, 50, -INFINITY, expected), 50);
    assert_int_equal(vindex_search(part.index, &f.query, &options, found, &n, NULL, &err), RAG_OK);
    assert_int_equal(n, 50);
    same_hits(found, expected, n);

    /* only extra rows */
    for (size_t i = 0; i < 200; i++)
        extra[i] = f.slot_base + i * f.slot_step;
    f.count = 200;
    options.extra = extra;
    options.extra_count = 200;
    assert_int_equal(fixture_brute_force(&f, 50, -INFINITY, expected), 50);
    assert_int_equal(vindex_search(NULL, &f.query, &options, found, &n, NULL, &err), RAG_OK);
    assert_int_equal(n, 50);
    same_hits(found, expected, n);
    free(rest);
    fixture_free(&part);
    fixture_free(&f);
}

static int odd_slots_only(void *ctx, uint64_t slot)
{
    ++*(size_t *)ctx;
    return slot % 2 == 1;
}

static void accept_filters_before_fetching(void **state)
{
    struct fixture f;
    (void)state;
    standard(&f);
    uint8_t *dead = calloc(f.count, 1);
    size_t asked = 0;
    for (size_t i = 0; i < f.count; i++)
        dead[i] = (f.slot_base + i * f.slot_step) % 2 == 0;
    f.dead = dead; /* brute force then gives the expected answer */
    vindex_search_options options = fixture_options(&f, 30);
    options.accept = odd_slots_only;
    options.accept_ctx = &asked;
    vindex_stats stats;
    vindex_hit hits[30];
    assert_int_equal(search(&f, &options, hits, &stats), 30);
    assert_int_equal(stats.dead, 0); /* none was fetched in vain */
    assert_true(asked > 0 && asked < f.count);
    check_exact(&f, &options);
    options.exact = 1;
    check_exact(&f, &options);
    f.dead = NULL;
    free(dead);
    fixture_free(&f);
}

static void exact_search_fetches_every_row(void **state)
{
    struct fixture f;
    vindex_stats stats;
    vindex_hit hits[7];
    (void)state;
    standard(&f);
    vindex_search_options options = fixture_options(&f, 7);
    options.exact = 1;
    check_exact(&f, &options);
    assert_int_equal(search(&f, &options, hits, &stats), 7);
    assert_int_equal(stats.fetched, f.count);
    assert_int_equal(stats.scanned, 0);
    fixture_free(&f);
}

/* ---- ends ---------------------------------------------------------------------------------------- */

static rag_status end_after(void *ctx, rag_error *err)
{
    int *left = ctx;
    (void)err;
    return (*left)-- > 0 ? RAG_OK : RAG_E_TIMEOUT;
}

static void check_ends_the_search(void **state)
{
    struct fixture f;
    vindex_hit hits[5] = { { 1, 2 } };
    rag_error err = RAG_ERROR_INIT;
    size_t count = 55;
    (void)state;
    standard(&f);
    vindex_search_options options = fixture_options(&f, 5);
    options.check = end_after;
    for (int turns = 0; turns < 3; turns++) {
        int left = turns;
        options.check_ctx = &left;
        assert_int_equal(vindex_search(f.index, &f.query, &options, hits, &count, NULL, &err),
                         RAG_E_TIMEOUT);
        assert_int_equal(count, 55);
        assert_int_equal(hits[0].slot, 1);
    }
    int plenty = 1000;
    options.check_ctx = &plenty;
    assert_int_equal(vindex_search(f.index, &f.query, &options, hits, &count, NULL, &err), RAG_OK);
    assert_true(plenty < 997); /* asked more than once */
    fixture_free(&f);
}

static rag_status broken_fetch(void *ctx, const uint64_t *slots, size_t n, float *scores,
                               uint8_t *alive, rag_error *err)
{
    (void)ctx, (void)slots, (void)n, (void)scores, (void)alive, (void)err;
    return RAG_E_IO;
}

static void errors_of_fetch_are_passed_up(void **state)
{
    struct fixture f;
    vindex_hit hits[5];
    rag_error err = RAG_ERROR_INIT;
    size_t count = 55;
    (void)state;
    standard(&f);
    vindex_search_options options = fixture_options(&f, 5);
    options.fetch = broken_fetch;
    assert_int_equal(vindex_search(f.index, &f.query, &options, hits, &count, NULL, &err),
                     RAG_E_IO);
    options.fetch = NULL;
    assert_int_equal(vindex_search(f.index, &f.query, &options, hits, &count, NULL, &err),
                     RAG_E_INVALID);
    options.fetch = fixture_fetch;
    f.query.dim = 63;
    assert_int_equal(vindex_search(f.index, &f.query, &options, hits, &count, NULL, &err),
                     RAG_E_INVALID);
    f.query.dim = 64;
    f.query.metric = VINDEX_DOT;
    assert_int_equal(vindex_search(f.index, &f.query, &options, hits, &count, NULL, &err),
                     RAG_E_INVALID);
    assert_int_equal(count, 55);
    fixture_free(&f);
}

static void failing_allocations_end_the_search(void **state)
{
    struct fixture f;
    vindex_hit hits[20];
    rag_error err = RAG_ERROR_INIT;
    size_t count = 55;
    (void)state;
    standard(&f);
    uint8_t *dead = calloc(f.count, 1);
    assert_int_equal(fixture_brute_force(&f, 20, -INFINITY, hits), 20);
    for (size_t i = 0; i < 20; i++) /* makes a second pass, which allocates too */
        dead[(hits[i].slot - f.slot_base) / f.slot_step] = 1;
    f.dead = dead;
    const vindex_search_options options = fixture_options(&f, 20);
    rag_status status = RAG_E_NO_MEMORY;
    int failures = 0;
    for (long n = 1; status != RAG_OK; n++) {
        rag_alloc_fail_at(n, 0);
        status = vindex_search(f.index, &f.query, &options, hits, &count, NULL, &err);
        rag_alloc_fail_at(0, 0);
        assert_true(status == RAG_OK || (status == RAG_E_NO_MEMORY && count == 55));
        failures += status != RAG_OK;
    }
    assert_true(failures >= 8);
    assert_int_equal(count, 20);
    f.dead = NULL;
    free(dead);
    fixture_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recall_is_high_on_every_set_and_dimension),
        cmocka_unit_test(recall_holds_for_the_other_metrics),
        cmocka_unit_test(recall_holds_over_several_blocks),
        cmocka_unit_test(few_rows_are_fetched),
        cmocka_unit_test(levels_give_the_same_answer),
        cmocka_unit_test(empty_index_and_no_index),
        cmocka_unit_test(k_of_any_size),
        cmocka_unit_test(one_row_and_short_blocks),
        cmocka_unit_test(dead_rows_do_not_count),
        cmocka_unit_test(hints_beyond_the_truth_do_no_harm),
        cmocka_unit_test(equal_scores_come_by_slot),
        cmocka_unit_test(all_rows_equal),
        cmocka_unit_test(threshold_is_inclusive),
        cmocka_unit_test(zero_rows_are_found_by_no_cosine_search),
        cmocka_unit_test(extra_rows_are_merged_and_count_once),
        cmocka_unit_test(accept_filters_before_fetching),
        cmocka_unit_test(exact_search_fetches_every_row),
        cmocka_unit_test(check_ends_the_search),
        cmocka_unit_test(errors_of_fetch_are_passed_up),
        cmocka_unit_test(failing_allocations_end_the_search),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
