/* Test data for src/vindex: see vindex_data.h. The sets are small models of what breaks quantisers:
 * no structure at all, tight clusters, a common direction with a steep spectrum, few effective
 * dimensions with outliers, and rows that have near copies. */
#include "vindex_data.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

uint64_t data_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

float data_normal(uint64_t *state)
{
    const float u = ((float)(data_random(state) >> 40) + 0.5f) * (1.0f / 16777216.0f);
    const float v = (float)(data_random(state) >> 40) * (1.0f / 16777216.0f);
    return sqrtf(-2.0f * logf(u)) * cosf(6.2831853f * v);
}

/* Deviation of dimension i. */
static float spread(enum data_set set, uint32_t i)
{
    switch (set) {
    case ANISOTROPIC: return powf((float)(i + 1), -0.5f);
    case CORRELATED: return powf((float)(i + 1), -1.2f);
    case CLUSTERED: return 0.7f;
    case DUPLICATES: return 0.02f;
    case ISOTROPIC:
    case DATA_SETS:
    default: return 1.0f;
    }
}

float *data_make(enum data_set set, size_t count, uint32_t dim, uint64_t seed)
{
    uint64_t state = seed;
    const size_t centre_count = set == CLUSTERED    ? count / 60 + 1
                                : set == DUPLICATES ? count / 12 + 1
                                                    : 0;
    float *rows = malloc((count * dim + 1) * sizeof *rows);
    float *centres = malloc((centre_count * dim + 1) * sizeof *centres);
    float *shift = calloc(dim, sizeof *shift);
    assert_true(rows && centres && shift);
    for (size_t i = 0; i < centre_count * dim; i++)
        centres[i] = data_normal(&state);
    for (uint32_t i = 0; i < dim; i++)
        shift[i] = set == ANISOTROPIC                 ? 0.25f * data_normal(&state)
                   : set == CORRELATED && i % 97 == 0 ? 0.5f
                                                      : 0.0f;
    for (size_t row = 0; row < count; row++) {
        const size_t centre = centre_count ? data_random(&state) % centre_count : 0;
        for (uint32_t i = 0; i < dim; i++)
            rows[row * dim + i] = data_normal(&state) * spread(set, i) + shift[i] +
                                  (centre_count ? centres[centre * dim + i] : 0.0f);
    }
    free(centres);
    free(shift);
    return rows;
}

void fixture_build(struct fixture *f, float *rows, size_t count, uint32_t dim, vindex_metric metric)
{
    rag_error err = RAG_ERROR_INIT;
    vindex_mean *mean = NULL;
    vindex_builder *builder = NULL;
    float *centre = malloc(dim * sizeof *centre);
    *f = (struct fixture){ .rows = rows,
                           .count = count,
                           .dim = dim,
                           .metric = metric,
                           .slot_base = 1000,
                           .slot_step = 3 };
    assert_int_equal(vindex_mean_create(metric, dim, &mean, &err), RAG_OK);
    for (size_t i = 0; i < count; i++)
        vindex_mean_add(mean, rows + i * dim);
    vindex_mean_get(mean, centre);
    vindex_mean_free(mean);

    vindex_memory_sink memory = { NULL, (size_t)vindex_file_size(dim, count) };
    memory.base = malloc(memory.cap);
    assert_non_null(memory.base);
    const vindex_sink sink = vindex_sink_to_memory(&memory);
    const vindex_build_options options = {
        .metric = metric, .dim = dim, .mean = centre, .seed = 42, .covered = 7
    };
    assert_int_equal(vindex_builder_create(&options, &sink, &builder, &err), RAG_OK);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(
            vindex_builder_add(builder, f->slot_base + i * f->slot_step, rows + i * dim, &err),
            RAG_OK);
    assert_int_equal(vindex_builder_finish(builder, &f->len, NULL, &err), RAG_OK);
    vindex_builder_free(builder);
    free(centre);
    assert_int_equal(f->len, memory.cap);
    f->bytes = memory.base;
    assert_int_equal(vindex_open_mem(f->bytes, (size_t)f->len, 1, &f->index, &err), RAG_OK);
}

void fixture_free(struct fixture *f)
{
    vindex_close(f->index);
    free(f->bytes);
    free(f->rows);
}

rag_status fixture_fetch(void *ctx, const uint64_t *slots, size_t n, float *scores, uint8_t *alive,
                         rag_error *err)
{
    struct fixture *f = ctx;
    (void)err;
    f->fetch_calls++;
    for (size_t i = 0; i < n; i++) {
        assert_true(i == 0 || slots[i] > slots[i - 1]);
        assert_true(slots[i] >= f->slot_base && (slots[i] - f->slot_base) % f->slot_step == 0);
        const size_t row = (size_t)((slots[i] - f->slot_base) / f->slot_step);
        assert_true(row < f->count);
        alive[i] = !f->dead || !f->dead[row];
        scores[i] = vindex_score_f32(&f->query, f->rows + row * f->dim);
    }
    return RAG_OK;
}

vindex_search_options fixture_options(struct fixture *f, size_t k)
{
    return (vindex_search_options){
        .k = k, .min_score = -INFINITY, .fetch = fixture_fetch, .fetch_ctx = f
    };
}

static int by_rank(const void *a, const void *b)
{
    const vindex_hit *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->slot < y->slot ? -1 : x->slot > y->slot;
}

size_t fixture_brute_force(struct fixture *f, size_t k, float min_score, vindex_hit *out)
{
    vindex_hit *all = malloc((f->count + 1) * sizeof *all);
    size_t n = 0;
    assert_non_null(all);
    for (size_t i = 0; i < f->count; i++) {
        if (f->dead && f->dead[i])
            continue;
        const float score = vindex_score_f32(&f->query, f->rows + i * f->dim);
        if (!isnan(score) && score >= min_score)
            all[n++] = (vindex_hit){ f->slot_base + i * f->slot_step, score };
    }
    qsort(all, n, sizeof *all, by_rank);
    n = n < k ? n : k;
    memcpy(out, all, n * sizeof *all);
    free(all);
    return n;
}
