/* Vector stores: spaces, rows, what is refused, deleting. Searching is in suite_vector_search.c. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "conformance.h"

#define NS "entities"

static rag_vector_space space_of(const struct env *e, const char *model, uint32_t dimension)
{
    rag_vector_space space = RAG_VECTOR_SPACE_INIT;
    space.element = element_for(e, space.element);
    space.dimension = dimension;
    (void)snprintf(space.model, sizeof space.model, "%s", model);
    return space;
}

static rag_result *get_one(struct env *e, rag_slice id, unsigned what)
{
    rag_result *rows = NULL;
    OK(rag_vector_get_many(e->store, NULL, NS, &id, 1, what, &rows, &e->err));
    count_is(rows, 1);
    return keep(e, rows);
}

/* Bit by bit: -0 is not 0 here. */
static int same_floats(const float *a, const float *b, size_t bytes)
{
    return same((rag_slice){ a, bytes }, (rag_slice){ b, bytes });
}

/* ---- spaces ----------------------------------------------------------------------------------------- */

static void vector_define_and_describe(struct env *e)
{
    rag_vector_space space = space_of(e, "model-\xe6\x9d\xb1", 5), found = RAG_VECTOR_SPACE_INIT;
    space.metric = RAG_METRIC_DOT;
    REFUSED(RAG_E_NOT_FOUND, rag_vector_describe(e->store, NULL, NS, &found, &e->err));
    expect_message(e, NS);
    OK(rag_vector_define(e->store, NULL, NS, &space, &e->err));
    OK(rag_vector_describe(e->store, NULL, NS, &found, &e->err));
    CHECK(found.dimension == 5 && found.metric == RAG_METRIC_DOT &&
              found.element == RAG_ELEMENT_FLOAT32 && strcmp(found.model, space.model) == 0,
          "described as dimension %u, metric %d, element %d, model '%s'", found.dimension,
          (int)found.metric, (int)found.element, found.model);
    CHECK(vector_count(e, NS) == 0, "a new space has rows");
    OK(rag_vector_define(e->store, NULL, NS, &space, &e->err)); /* the same again */
}

static void vector_the_record_is_kept(struct env *e)
{
    rag_vector_space space, found = RAG_VECTOR_SPACE_INIT;
    char model[RAG_MODEL_NAME_MAX];
    memset(model, 'm', sizeof model);
    model[sizeof model - 1] = 0;
    space = space_of(e, model, 1);
    OK(rag_vector_define(e->store, NULL, "long", &space, &e->err));
    OK(rag_vector_describe(e->store, NULL, "long", &found, &e->err));
    CHECK(strcmp(found.model, model) == 0, "a name of 255 bytes was cut");
}

static void vector_31_other_facts_are_a_mismatch(struct env *e)
{
    const rag_vector_space space = space_of(e, "model-one", 4);
    const float v[4] = { 1, 2, 3, 4 };
    OK(rag_vector_define(e->store, NULL, NS, &space, &e->err));
    vector_put(e, NS, T("a"), v, 4, "{}");
    rag_vector_space other = space_of(e, "model-two", 4);
    REFUSED(RAG_E_MISMATCH, rag_vector_define(e->store, NULL, NS, &other, &e->err));
    expect_message(e, "model-one");
    expect_message(e, "model-two");
    other = space_of(e, "model-one", 5);
    REFUSED(RAG_E_MISMATCH, rag_vector_define(e->store, NULL, NS, &other, &e->err));
    expect_message(e, "4");
    expect_message(e, "5");
    other = space_of(e, "model-one", 4);
    other.metric = RAG_METRIC_DOT;
    REFUSED(RAG_E_MISMATCH, rag_vector_define(e->store, NULL, NS, &other, &e->err));
    other = space_of(e, "model-one", 4);
    other.element =
        space.element == RAG_ELEMENT_FLOAT32 ? RAG_ELEMENT_FLOAT16 : RAG_ELEMENT_FLOAT32;
    REFUSED(RAG_E_MISMATCH, rag_vector_define(e->store, NULL, NS, &other, &e->err));
    OK(rag_vector_define(e->store, NULL, NS, &space, &e->err));
    CHECK(vector_count(e, NS) == 1, "the row is gone");
}

static void expect_offered(struct env *e, const rag_vector_space *space, unsigned need)
{
    const float v[4] = { 1, 2, 3, 4 };
    if (e->backend->quirks.offers & need) {
        OK(rag_vector_define(e->store, NULL, NS, space, &e->err));
        vector_put(e, NS, T("a"), v, 4, "{}");
        OK(rag_vector_drop(e->store, NULL, NS, &e->err));
        return;
    }
    rag_vector_space found = RAG_VECTOR_SPACE_INIT;
    REFUSED(RAG_E_UNSUPPORTED, rag_vector_define(e->store, NULL, NS, space, &e->err));
    expect_message(e, NS);
    REFUSED(RAG_E_NOT_FOUND, rag_vector_describe(e->store, NULL, NS, &found, &e->err));
}

static void vector_31_elements_and_metrics_that_are_not_offered(struct env *e)
{
    rag_vector_space space = space_of(e, "model-one", 4);
    space.element = RAG_ELEMENT_FLOAT16;
    expect_offered(e, &space, NEEDS_FLOAT16);
    space.element = RAG_ELEMENT_FLOAT32;
    expect_offered(e, &space, NEEDS_FLOAT32);
    space = space_of(e, "model-one", 4);
    space.metric = RAG_METRIC_DOT;
    expect_offered(e, &space, NEEDS_DOT);
}

static void vector_31_an_unknown_model_agrees_with_every_model(struct env *e)
{
    rag_vector_space known = space_of(e, "model-one", 4), unknown = space_of(e, "", 4);
    OK(rag_vector_define(e->store, NULL, NS, &known, &e->err));
    OK(rag_vector_define(e->store, NULL, NS, &unknown, &e->err));
    OK(rag_vector_define(e->store, NULL, "b", &unknown, &e->err));
    OK(rag_vector_define(e->store, NULL, "b", &known, &e->err));
    unknown = space_of(e, "", 3);
    REFUSED(RAG_E_MISMATCH, rag_vector_define(e->store, NULL, NS, &unknown, &e->err));
}

static void vector_31_spaces_of_other_models_live_side_by_side(struct env *e)
{
    const rag_vector_space one = space_of(e, "model-one", 2), two = space_of(e, "model-two", 3);
    const float v[3] = { 1, 2, 3 };
    OK(rag_vector_define(e->store, NULL, "a", &one, &e->err));
    OK(rag_vector_define(e->store, NULL, "a_2", &two, &e->err));
    vector_put(e, "a", T("x"), v, 2, "{\"n\":1}");
    vector_put(e, "a_2", T("x"), v, 3, "{\"n\":2}");
    kv_put(e, "a", T("x"), "{\"n\":3}"); /* a KV namespace of this name is another thing */
    OK(rag_vector_drop(e->store, NULL, "a", &e->err));
    CHECK(vector_count(e, "a_2") == 1 && kv_count(e, "a") == 1, "the drop took too much");
    CHECK(vector_count(e, "a") == 0, "the drop took nothing");
}

static void vector_bad_spaces_are_refused(struct env *e)
{
    rag_vector_space bad[] = { space_of(e, "m", 0), space_of(e, "m", RAG_DIMENSION_MAX + 1),
                               space_of(e, "m", 4), space_of(e, "m", 4),
                               space_of(e, "m", 4), space_of(e, "\xff", 4) };
    bad[2].metric = (rag_metric)9;
    bad[3].element = (rag_element)9;
    memset(bad[4].model, 'm', sizeof bad[4].model);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        REFUSED(RAG_E_INVALID, rag_vector_define(e->store, NULL, NS, &bad[i], &e->err));
    rag_vector_space found = RAG_VECTOR_SPACE_INIT;
    REFUSED(RAG_E_NOT_FOUND, rag_vector_describe(e->store, NULL, NS, &found, &e->err));
}

static void vector_a_space_that_is_not_defined(struct env *e)
{
    const float v[2] = { 1, 2 };
    const rag_vector_item item = { T("a"), v, 2, T("{}"), 0 };
    const rag_slice id = T("a");
    rag_vector_query query = RAG_VECTOR_QUERY_INIT;
    query.vector = v;
    query.dimension = 2;
    rag_result *rows = NULL;
    uint64_t deleted = 9;
    REFUSED(RAG_E_NOT_FOUND, rag_vector_put_many(e->store, NULL, NS, &item, 1, NULL, &e->err));
    REFUSED(RAG_E_NOT_FOUND, rag_vector_search(e->store, NULL, NS, &query, &rows, &e->err));
    CHECK(!rows, "the result was touched");
    row_absent(row_of(get_one(e, id, RAG_VECTOR_VALUES), 0), id);
    OK(rag_vector_delete_many(e->store, NULL, NS, &id, 1, &deleted, NULL, &e->err));
    CHECK(deleted == 0, "%llu deleted", (unsigned long long)deleted);
    OK(rag_vector_delete_named(e->store, NULL, NS, &id, 1, &deleted, NULL, &e->err));
    OK(rag_vector_drop(e->store, NULL, NS, &e->err));
    CHECK(vector_count(e, NS) == 0, "rows in nothing");
    const rag_row *scanned[1];
    CHECK(scan_all(e, scan_vectors, NS, 5, scanned, 1) == 0, "rows in nothing");
}

static void vector_drop_forgets_the_record_too(struct env *e)
{
    const float v[2] = { 1, 2 };
    rag_vector_space space = space_of(e, "model-one", 2), found = RAG_VECTOR_SPACE_INIT;
    OK(rag_vector_define(e->store, NULL, NS, &space, &e->err));
    vector_put(e, NS, T("a"), v, 2, "{}");
    OK(rag_vector_drop(e->store, NULL, NS, &e->err));
    OK(rag_vector_drop(e->store, NULL, NS, &e->err));
    REFUSED(RAG_E_NOT_FOUND, rag_vector_describe(e->store, NULL, NS, &found, &e->err));
    space = space_of(e, "model-two", 1);
    OK(rag_vector_define(e->store, NULL, NS, &space, &e->err));
    CHECK(vector_count(e, NS) == 0, "rows of before are there");
    row_absent(row_of(get_one(e, T("a"), 0), 0), T("a"));
}

/* ---- rows ------------------------------------------------------------------------------------------- */

static void vector_26_rows_carry_what_was_asked_for(struct env *e)
{
    const float v[3] = { 1.5f, -2.25f, kept_as(e, 1e-30f) };
    define_space(e, NS, 3, RAG_METRIC_COSINE, RAG_ELEMENT_FLOAT32);
    const rag_vector_item item = { T("a"), v, 3, T("{\"entity_name\":\"A\"}"), 1234 };
    OK(rag_vector_put_many(e->store, NULL, NS, &item, 1, NULL, &e->err));
    const rag_row *row = row_of(get_one(e, T("a"), 0), 0);
    CHECK(row->found && same(row->key, T("a")) && row->created_at == 1234, "key or time is wrong");
    CHECK(!row->value.len && !row->vector && !row->dimension, "more than was asked for");
    row = row_of(get_one(e, T("a"), RAG_VECTOR_VALUES), 0);
    row_is(row, "{\"entity_name\":\"A\"}");
    CHECK(!row->vector, "a vector that was not asked for");
    row = row_of(get_one(e, T("a"), RAG_VECTOR_VECTORS), 0);
    CHECK(row->dimension == 3 && same_floats(row->vector, v, sizeof v), "not the vector put");
    CHECK(!row->value.len, "a payload that was not asked for");
    rag_result *rows = NULL;
    const rag_slice id = T("a");
    REFUSED(RAG_E_INVALID, rag_vector_get_many(e->store, NULL, NS, &id, 1, 64, &rows, &e->err));
}

static void vector_26_times_of_rows(struct env *e)
{
    const float v[1] = { 1 };
    define_space(e, NS, 1, RAG_METRIC_COSINE, RAG_ELEMENT_FLOAT32);
    const rag_vector_item items[] = { { T("given"), v, 1, T("{}"), 5 },
                                      { T("unknown"), v, 1, T("{}"), RAG_TIME_UNKNOWN },
                                      { T("now"), v, 1, T("{}"), 0 } };
    OK(rag_vector_put_many(e->store, NULL, NS, items, 3, NULL, &e->err));
    CHECK(row_of(get_one(e, T("given"), 0), 0)->created_at == 5, "not the time given");
    CHECK(row_of(get_one(e, T("unknown"), 0), 0)->created_at == 0, "a time that nobody knows");
    CHECK(row_of(get_one(e, T("now"), 0), 0)->created_at > (int64_t)time(NULL) - 86400, "not now");
}

static void vector_32_get_keeps_order_and_duplicates(struct env *e)
{
    const float v[2] = { 1, 2 };
    define_space(e, NS, 2, RAG_METRIC_COSINE, RAG_ELEMENT_FLOAT32);
    vector_put(e, NS, T("a"), v, 2, "{\"n\":1}");
    vector_put(e, NS, T("b"), v, 2, "{\"n\":2}");
    const rag_slice ids[] = { T("b"), T("none"), T("a"), T("b") };
    rag_result *rows = NULL;
    OK(rag_vector_get_many(e->store, NULL, NS, ids, 4, RAG_VECTOR_VALUES, &rows, &e->err));
    keep(e, rows);
    count_is(rows, 4);
    row_is(row_of(rows, 0), "{\"n\":2}");
    row_absent(row_of(rows, 1), T("none"));
    row_is(row_of(rows, 2), "{\"n\":1}");
    row_is(row_of(rows, 3), "{\"n\":2}");
    rows = NULL;
    OK(rag_vector_get_many(e->store, NULL, NS, NULL, 0, 0, &rows, &e->err));
    count_is(keep(e, rows), 0);
}

static void vector_put_replaces_and_the_last_of_equal_ids_wins(struct env *e)
{
    const float v[3][2] = { { 1, 0 }, { 0, 1 }, { 3, 4 } };
    define_space(e, NS, 2, RAG_METRIC_COSINE, RAG_ELEMENT_FLOAT32);
    const rag_vector_item items[] = { { T("a"), v[0], 2, T("{\"n\":1}"), 1 },
                                      { T("b"), v[1], 2, T("{\"n\":2}"), 2 },
                                      { T("a"), v[1], 2, T("{\"n\":3}"), 3 } };
    OK(rag_vector_put_many(e->store, NULL, NS, items, 3, NULL, &e->err));
    CHECK(vector_count(e, NS) == 2, "not 2 rows");
    const rag_row *row = row_of(get_one(e, T("a"), 3), 0);
    row_is(row, "{\"n\":3}");
    CHECK(row->created_at == 3 && row->vector[1] == 1, "not the last one");
    vector_put(e, NS, T("a"), v[2], 2, "{}");
    row = row_of(get_one(e, T("a"), 3), 0);
    row_is(row, "{}");
    CHECK(row->vector[0] == 3 && row->vector[1] == 4, "not the new vector");
    CHECK(vector_count(e, NS) == 2, "replacing made another row");
    OK(rag_vector_put_many(e->store, NULL, NS, NULL, 0, NULL, &e->err));
}

/* Values that show if elements are cut, swapped or changed. */
static float element_of(size_t row, size_t i)
{
    return (float)sin((double)(row * 131 + i * 7 + 1)) * (i % 5 ? 1.0f : 1e-3f);
}

static void vectors_of_dimension(struct env *e, uint32_t dimension)
{
    enum { ROWS = 9 };
    const char *name = format_text("d%u", dimension);
    float *v = malloc(dimension * sizeof *v);
    define_space(e, name, dimension, RAG_METRIC_COSINE, RAG_ELEMENT_FLOAT32);
    for (size_t r = 0; r < ROWS; r++) {
        for (size_t i = 0; i < dimension; i++)
            v[i] = element_of(r, i);
        vector_put(e, name, T(format_text("%zu", r)), v, dimension, "{}");
    }
    const rag_row *rows[ROWS];
    CHECK(scan_all(e, scan_vectors, name, 4, rows, ROWS) == ROWS, "not %d rows", ROWS);
    for (size_t r = 0; r < ROWS; r++) {
        const size_t row = strtoul(rows[r]->key.data, NULL, 10);
        CHECK(rows[r]->dimension == dimension, "dimension %zu", rows[r]->dimension);
        for (size_t i = 0; i < dimension; i++)
            CHECK(rows[r]->vector[i] == kept_as(e, element_of(row, i)),
                  "element %zu of %u is %g, not %g", i, dimension, (double)rows[r]->vector[i],
                  (double)kept_as(e, element_of(row, i)));
    }
    free(v);
}

static void dimension_is_refused(struct env *e, uint32_t dimension)
{
    rag_vector_space space = space_of(e, "model-one", dimension), found = RAG_VECTOR_SPACE_INIT;
    REFUSED(RAG_E_UNSUPPORTED, rag_vector_define(e->store, NULL, NS, &space, &e->err));
    expect_message(e, NS);
    REFUSED(RAG_E_NOT_FOUND, rag_vector_describe(e->store, NULL, NS, &found, &e->err));
}

static void vector_dimensions_from_1_to_many(struct env *e)
{
    static const uint32_t dimensions[] = { 1, 2, 3, 7, 384, 1023, 1024, 1537, 4096, 16000, 65536 };
    const uint32_t most = e->backend->quirks.dimension_max;
    for (size_t i = 0; i < sizeof dimensions / sizeof dimensions[0]; i++)
        if (!most || dimensions[i] <= most)
            vectors_of_dimension(e, dimensions[i]);
    if (most)
        dimension_is_refused(e, most + 1);
}

static void vector_float32_is_kept_exactly(struct env *e)
{
    const float v[] = { 0.0f, -0.0f,   FLT_MIN, -FLT_MIN, FLT_MAX,     -FLT_MAX, 1e-45f,
                        0.1f, 65519.f, 65520.f, 1e30f,    16777217.0f, 3.5f,     -7e-41f };
    enum { N = sizeof v / sizeof v[0] };
    define_space(e, NS, N, RAG_METRIC_DOT, RAG_ELEMENT_FLOAT32);
    vector_put(e, NS, T("a"), v, N, "{}");
    const rag_row *row = row_of(get_one(e, T("a"), RAG_VECTOR_VECTORS), 0);
    CHECK(same_floats(row->vector, v, sizeof v), "the bits changed");
}

static void vector_float16_is_rounded_to_nearest_even(struct env *e)
{
    enum { N = 4096 };
    static float v[N];
    struct random r = random_of(e);
    for (size_t i = 0; i < N; i++) {
        const double unit = random_unit(&r) * 2 - 1;
        v[i] = (float)ldexp(unit, (int)random_below(&r, 42) - 26); /* from below the denormals up */
    }
    const float special[] = { 0.0f,          -0.0f,        1.0f,          65504.0f,
                              65519.996f,    -65519.0f,    2049.0f,       2051.0f,
                              1.00048828f,   1.00146484f,  5.9604645e-8f, 2.9802322e-8f,
                              2.9802326e-8f, 8.940697e-8f, 6.1035156e-5f, 6.1005353e-5f,
                              6.0975552e-5f, 0.1f,         1e-45f,        -3e-8f };
    memcpy(v, special, sizeof special);
    define_space(e, NS, N, RAG_METRIC_COSINE, RAG_ELEMENT_FLOAT16);
    vector_put(e, NS, T("a"), v, N, "{}");
    const rag_row *row = row_of(get_one(e, T("a"), RAG_VECTOR_VECTORS), 0);
    CHECK(row->dimension == N, "dimension %zu", row->dimension);
    for (size_t i = 0; i < N; i++) {
        const float wanted = (float)(half)v[i];
        CHECK(row->vector[i] == wanted, "%.9g became %.9g, not %.9g", (double)v[i],
              (double)row->vector[i], (double)wanted);
    }
}

/* ---- what is refused -------------------------------------------------------------------------------- */

static void expect_put_refused(struct env *e, const rag_vector_item *bad, rag_status status)
{
    const float good[3] = { 9, 9, 9 };
    const rag_vector_item items[] = { { T("new"), good, 3, T("{}"), 0 },
                                      { T("old"), good, 3, T("{\"n\":2}"), 0 },
                                      *bad,
                                      { T("newer"), good, 3, T("{}"), 0 } };
    rag_token token = 777;
    REFUSED(status, rag_vector_put_many(e->store, NULL, NS, items, 4, &token, &e->err));
    CHECK(token == 777, "the token was touched");
    CHECK(vector_count(e, NS) == 1, "a part of the batch was applied");
    const rag_row *row = row_of(get_one(e, T("old"), 3), 0);
    row_is(row, "{\"n\":1}");
    CHECK(row->vector[0] == 1, "the old vector changed");
}

static void refuse_bad_rows(struct env *e, rag_element element)
{
    static const float old[3] = { 1, 2, 3 }, good[4] = { 1, 1, 1, 1 };
    static const float nan_[3] = { 1, NAN, 1 }, inf[3] = { 1, 1, INFINITY };
    static const float minus_inf[3] = { -INFINITY, 1, 1 };
    define_space(e, NS, 3, RAG_METRIC_COSINE, element);
    vector_put(e, NS, T("old"), old, 3, "{\"n\":1}");
    const struct {
        rag_vector_item item;
        rag_status status;
    } bad[] = {
        { { T("x"), good, 4, T("{}"), 0 }, RAG_E_MISMATCH },
        { { T("x"), good, 2, T("{}"), 0 }, RAG_E_MISMATCH },
        { { T("x"), nan_, 3, T("{}"), 0 }, RAG_E_INVALID },
        { { T("x"), inf, 3, T("{}"), 0 }, RAG_E_INVALID },
        { { T("x"), minus_inf, 3, T("{}"), 0 }, RAG_E_INVALID },
        { { T("x"), NULL, 3, T("{}"), 0 }, RAG_E_INVALID },
        { { T("x"), good, 3, T("[]"), 0 }, RAG_E_INVALID },
        { { T("x"), good, 3, T(""), 0 }, RAG_E_INVALID },
        { { T("x"), good, 3, T("{\"a\":\"\\ud800\"}"), 0 }, RAG_E_INVALID },
        { { T(""), good, 3, T("{}"), 0 }, RAG_E_INVALID },
        { { T("x"), good, 3, T("{}"), -5 }, RAG_E_INVALID },
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect_put_refused(e, &bad[i].item, bad[i].status);
}

static void vector_31_one_bad_row_refuses_the_batch(struct env *e)
{
    refuse_bad_rows(e, RAG_ELEMENT_FLOAT32);
    const float four[4] = { 1, 1, 1, 1 };
    const rag_vector_item item = { T("x"), four, 4, T("{}"), 0 };
    REFUSED(RAG_E_MISMATCH, rag_vector_put_many(e->store, NULL, NS, &item, 1, NULL, &e->err));
    expect_message(e, "test-model");
    expect_message(e, "3");
    expect_message(e, "4");
}

static void vector_float16_refuses_what_it_cannot_hold(struct env *e)
{
    refuse_bad_rows(e, RAG_ELEMENT_FLOAT16);
    static const float too_large[][3] = {
        { 1, 1, 65520.0f }, { -65520.0f, 1, 1 }, { 1, 1e6f, 1 }, { FLT_MAX, 1, 1 }
    };
    for (size_t i = 0; i < sizeof too_large / sizeof too_large[0]; i++) {
        const rag_vector_item item = { T("x"), too_large[i], 3, T("{}"), 0 };
        expect_put_refused(e, &item, RAG_E_INVALID);
    }
}

static void vector_hostile_ids_and_payloads(struct env *e)
{
    static const char *const ids[] = { "ent-64489c85dc2fe0787b85cd87214b3810",
                                       "'",
                                       "\"",
                                       "`$1`",
                                       "%",
                                       "_",
                                       "a/b",
                                       "\n",
                                       "\xf0\x9f\x98\x80",
                                       "a:b",
                                       "*" };
    enum { N = sizeof ids / sizeof ids[0] };
    const float v[2] = { 1, 2 };
    define_space(e, NS, 2, RAG_METRIC_COSINE, RAG_ELEMENT_FLOAT32);
    for (size_t i = 0; i < N; i++)
        vector_put(e, NS, T(ids[i]), v, 2, format_text("{\"n\": %zu, \"s\":\"\\u0000\"}", i));
    for (size_t i = 0; i < N; i++)
        row_is(row_of(get_one(e, T(ids[i]), RAG_VECTOR_VALUES), 0),
               format_text("{\"n\": %zu, \"s\":\"\\u0000\"}", i));
    char *large = malloc(300010);
    memcpy(large, "{\"v\":\"", 6);
    memset(large + 6, 'x', 300000);
    memcpy(large + 300006, "\"}", 3);
    vector_put(e, NS, T("large"), v, 2, large);
    const int equal = same(row_of(get_one(e, T("large"), 1), 0)->value, T(large));
    free(large);
    CHECK(equal, "a payload of 300 kB came back otherwise");
}

/* ---- deleting --------------------------------------------------------------------------------------- */

static void vector_23_delete_then_put_is_one_new_row(struct env *e)
{
    const float v[2][2] = { { 1, 0 }, { 0, 1 } };
    const rag_slice ids[] = { T("a"), T("none"), T("a") };
    uint64_t deleted = 0;
    define_space(e, NS, 2, RAG_METRIC_COSINE, RAG_ELEMENT_FLOAT32);
    vector_put(e, NS, T("a"), v[0], 2, "{\"n\":1}");
    OK(rag_vector_delete_many(e->store, NULL, NS, ids, 3, &deleted, NULL, &e->err));
    CHECK(deleted == 1, "%llu deleted, not 1", (unsigned long long)deleted);
    row_absent(row_of(get_one(e, T("a"), 3), 0), T("a"));
    vector_put(e, NS, T("a"), v[1], 2, "{\"n\":2}");
    CHECK(vector_count(e, NS) == 1, "not 1 row");
    row_is(row_of(get_one(e, T("a"), 1), 0), "{\"n\":2}");
    OK(rag_vector_delete_many(e->store, NULL, NS, ids, 1, NULL, NULL, &e->err));
    CHECK(vector_count(e, NS) == 0, "not 0 rows");
}

static void vector_29_delete_named(struct env *e)
{
    static const char *const rows[][2] = {
        { "e1", "{\"entity_name\":\"Alice\"}" },
        { "e2", "{\"entity_name\":\"Alice \"}" },
        { "e3", "{\"entity_name\":\"alice\"}" },
        { "r1", "{\"src_id\":\"Alice\",\"tgt_id\":\"Bob\"}" },
        { "r2", "{\"src_id\":\"Bob\",\"tgt_id\":\"Alice\"}" },
        { "r3", "{\"src_id\":\"Bob\",\"tgt_id\":\"Carol\"}" },
        { "r4", "{\"src_id\":\"\\u0041lice\",\"tgt_id\":\"\"}" }, /* Alice, spelled otherwise */
        { "n1", "{\"meta\":{\"entity_name\":\"Alice\"}}" },       /* not a member of the payload */
        { "n2", "{\"content\":\"Alice\",\"entity_name\":7}" },
        { "u1", "{\"entity_name\":\"\xe6\x9d\xb1\xe4\xba\xac\"}" },
        { "p1", "{\"entity_name\":\"%\"}" },
        { "s1", "{\"entity\\u005fname\":\"Alice\"}" }, /* entity_name, spelled otherwise */
    };
    enum { N = sizeof rows / sizeof rows[0] };
    const float v[2] = { 1, 2 };
    define_space(e, NS, 2, RAG_METRIC_COSINE, RAG_ELEMENT_FLOAT32);
    for (size_t i = 0; i < N; i++)
        vector_put(e, NS, T(rows[i][0]), v, 2, rows[i][1]);
    const rag_slice names[] = { T("Alice"), T("Nobody") };
    uint64_t deleted = 0;
    OK(rag_vector_delete_named(e->store, NULL, NS, names, 2, &deleted, NULL, &e->err));
    CHECK(deleted == 5, "%llu deleted, not 5", (unsigned long long)deleted);
    const rag_slice percent = T("%"), tokyo = T("\xe6\x9d\xb1\xe4\xba\xac");
    OK(rag_vector_delete_named(e->store, NULL, NS, &percent, 1, &deleted, NULL, &e->err));
    CHECK(deleted == 1, "'%%' took %llu rows", (unsigned long long)deleted);
    OK(rag_vector_delete_named(e->store, NULL, NS, &tokyo, 1, &deleted, NULL, &e->err));
    CHECK(deleted == 1, "a name in UTF-8 took %llu rows", (unsigned long long)deleted);
    CHECK(vector_count(e, NS) == 5, "not 5 rows");
    OK(rag_vector_delete_named(e->store, NULL, NS, NULL, 0, &deleted, NULL, &e->err));
    CHECK(deleted == 0, "no name took %llu rows", (unsigned long long)deleted);
}

static void vector_29_names_follow_a_replaced_payload(struct env *e)
{
    const float v[2] = { 1, 2 };
    const rag_slice old = T("Old"), new = T("New");
    uint64_t deleted = 9;
    define_space(e, NS, 2, RAG_METRIC_COSINE, RAG_ELEMENT_FLOAT32);
    vector_put(e, NS, T("a"), v, 2, "{\"entity_name\":\"Old\"}");
    vector_put(e, NS, T("a"), v, 2, "{\"entity_name\":\"New\"}");
    OK(rag_vector_delete_named(e->store, NULL, NS, &old, 1, &deleted, NULL, &e->err));
    CHECK(deleted == 0, "the old name took the row");
    OK(rag_vector_delete_named(e->store, NULL, NS, &new, 1, &deleted, NULL, &e->err));
    CHECK(deleted == 1 && vector_count(e, NS) == 0, "the new name did not take the row");
}

/* ---- scans ------------------------------------------------------------------------------------------ */

static void vector_scan_gives_every_row_once(struct env *e)
{
    enum { N = 25 };
    static const size_t limits[] = { 1, 2, 7, N, 1000 };
    const float v[3] = { 1, 2, 3 };
    define_space(e, NS, 3, RAG_METRIC_COSINE, RAG_ELEMENT_FLOAT32);
    define_space(e, NS "_2", 3, RAG_METRIC_COSINE, RAG_ELEMENT_FLOAT32);
    vector_put(e, NS "_2", T("other"), v, 3, "{}");
    for (size_t i = 0; i < N; i++)
        vector_put(e, NS, T(format_text("id%zu", i * 7 % N)), v, 3, "{}");
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        const rag_row *rows[N];
        int seen[N] = { 0 };
        CHECK(scan_all(e, scan_vectors, NS, limits[i], rows, N) == N, "not %d rows", N);
        for (size_t j = 0; j < N; j++) {
            const size_t id = strtoul((const char *)rows[j]->key.data + 2, NULL, 10);
            CHECK(id < N && !seen[id]++, "'%.*s' twice", SHOW(rows[j]->key));
        }
    }
}

static void vector_scan_sees_what_stays_whatever_else_changes(struct env *e)
{
    enum { N = 12 };
    const float v[1] = { 1 };
    int seen[N] = { 0 };
    rag_slice after = T("");
    define_space(e, NS, 1, RAG_METRIC_COSINE, RAG_ELEMENT_FLOAT32);
    for (size_t i = 0; i < N; i++)
        vector_put(e, NS, T(format_text("%zu", i)), v, 1, "{}");
    for (int step = 0; step == 0 || after.len; step++) {
        rag_result *page = NULL;
        OK(rag_vector_scan(e->store, NULL, NS, after, 2, 0, &page, &e->err));
        keep(e, page);
        CHECK(step < 100, "the scan does not end");
        for (size_t i = 0; i < rag_result_count(page); i++)
            seen[strtoul(row_of(page, i)->key.data, NULL, 10) % N]++;
        after = rag_result_next(page);
        if (step == 1) { /* of the rows that are not looked at below: delete, replace, add */
            const rag_slice gone[] = { T("3"), T("8") };
            OK(rag_vector_delete_many(e->store, NULL, NS, gone, 2, NULL, NULL, &e->err));
            vector_put(e, NS, T("11"), v, 1, "{\"n\":1}");
        }
    }
    for (size_t i = 0; i < N; i++)
        CHECK(i == 3 || i == 8 || i == 11 || seen[i] == 1, "row %zu was seen %d times", i, seen[i]);
}

/* ---- a model ---------------------------------------------------------------------------------------- */

enum { MODEL_IDS = 30, MODEL_DIM = 5 };

struct vector_model {
    int present[MODEL_IDS];
    float vectors[MODEL_IDS][MODEL_DIM];
    unsigned value[MODEL_IDS];
};

static void model_compare(struct env *e, const struct vector_model *m)
{
    rag_slice ids[MODEL_IDS];
    uint64_t count = 0;
    rag_result *rows = NULL;
    for (size_t i = 0; i < MODEL_IDS; i++)
        ids[i] = T(format_text("id%zu", i));
    OK(rag_vector_get_many(e->store, NULL, NS, ids, MODEL_IDS, 3, &rows, &e->err));
    for (size_t i = 0; i < MODEL_IDS; i++) {
        const rag_row *row = row_of(rows, i);
        CHECK(row->found == m->present[i], "row %zu is %s", i, row->found ? "there" : "absent");
        count += (uint64_t)m->present[i];
        if (!row->found)
            continue;
        row_is(row, format_text("{\"entity_name\":\"n%u\"}", m->value[i]));
        CHECK(same_floats(row->vector, m->vectors[i], sizeof m->vectors[i]), "vector %zu", i);
    }
    rag_result_free(rows);
    CHECK(vector_count(e, NS) == count, "the counter is wrong");
}

static void model_put(struct env *e, struct vector_model *m, struct random *r)
{
    rag_vector_item items[5];
    float vectors[5][MODEL_DIM];
    const size_t n = 1 + random_below(r, 5);
    for (size_t i = 0; i < n; i++) {
        const size_t id = random_below(r, MODEL_IDS);
        m->present[id] = 1;
        m->value[id] = (unsigned)random_below(r, 8);
        for (size_t j = 0; j < MODEL_DIM; j++)
            vectors[i][j] = kept_as(e, (float)random_unit(r) - 0.5f);
        memcpy(m->vectors[id], vectors[i], sizeof vectors[i]);
        items[i] =
            (rag_vector_item){ T(format_text("id%zu", id)), vectors[i], MODEL_DIM,
                               T(format_text("{\"entity_name\":\"n%u\"}", m->value[id])), 0 };
    }
    OK(rag_vector_put_many(e->store, NULL, NS, items, n, NULL, &e->err));
}

static void model_delete(struct env *e, struct vector_model *m, struct random *r, int by_name)
{
    const size_t which = random_below(r, by_name ? 8 : MODEL_IDS);
    uint64_t wanted = 0, deleted = 0;
    const rag_slice key = T(format_text(by_name ? "n%zu" : "id%zu", which));
    for (size_t i = 0; i < MODEL_IDS; i++)
        if (m->present[i] && (by_name ? m->value[i] == which : i == which)) {
            m->present[i] = 0;
            wanted++;
        }
    if (by_name)
        OK(rag_vector_delete_named(e->store, NULL, NS, &key, 1, &deleted, NULL, &e->err));
    else
        OK(rag_vector_delete_many(e->store, NULL, NS, &key, 1, &deleted, NULL, &e->err));
    CHECK(deleted == wanted, "%llu deleted, not %llu", (unsigned long long)deleted,
          (unsigned long long)wanted);
}

static void vector_random_operations_agree_with_a_model(struct env *e)
{
    struct random r = random_of(e);
    struct vector_model m = { 0 };
    define_space(e, NS, MODEL_DIM, RAG_METRIC_COSINE, RAG_ELEMENT_FLOAT32);
    for (int step = 0; step < 600; step++) {
        const uint64_t what = random_below(&r, 10);
        if (what < 6)
            model_put(e, &m, &r);
        else
            model_delete(e, &m, &r, what == 9);
        if (step % 7 == 0)
            model_compare(e, &m);
    }
    model_compare(e, &m);
}

/* ---- another handle ---------------------------------------------------------------------------------- */

static rag_status put_through(struct env *e, const rag_context *ctx, const char *id,
                              const float *vector, size_t dimension)
{
    const rag_vector_item item = { T(id), vector, dimension, T("{}"), 0 };
    return rag_vector_put_many(e->store, ctx, NS, &item, 1, NULL, &e->err);
}

static rag_status search_through(struct env *e, const rag_context *ctx, const float *vector,
                                 size_t dimension, const rag_result **out)
{
    rag_vector_query query = RAG_VECTOR_QUERY_INIT;
    rag_result *rows = NULL;
    query.vector = vector;
    query.dimension = dimension;
    query.top_k = 5;
    const rag_status status = rag_vector_search(e->store, ctx, NS, &query, &rows, &e->err);
    if (status == RAG_OK)
        *out = keep(e, rows);
    return status;
}

/* What is true of the new space, seen by the handle that knew the old one. */
static void expect_new_space(struct env *e, const rag_context *ctx)
{
    static const float two[2] = { 1, 0 }, three[3] = { 0, 0, 1 };
    static const char *const wanted[] = { "new" };
    const rag_slice ids[] = { T("old"), T("new") };
    const rag_result *found = NULL;
    rag_result *rows = NULL;
    OK(rag_vector_get_many(e->store, ctx, NS, ids, 2, RAG_VECTOR_VECTORS, &rows, &e->err));
    keep(e, rows);
    CHECK(!row_of(rows, 0)->found, "a row of the space before is there");
    CHECK(row_of(rows, 1)->found && row_of(rows, 1)->dimension == 3, "the new row is not there");
    REFUSED(RAG_E_MISMATCH, search_through(e, ctx, two, 2, &found));
    OK(search_through(e, ctx, three, 3, &found));
    keys_are(found, wanted, 1);
    REFUSED(RAG_E_MISMATCH, put_through(e, ctx, "more", two, 2));
    OK(put_through(e, ctx, "more", three, 3));
}

/* A handle that has used the space; then another one drops it and defines it with 3 dimensions. */
static rag_store *define_anew(struct env *e)
{
    static const float two[2] = { 1, 0 }, three[3] = { 0, 0, 1 };
    const rag_result *found;
    define_space(e, NS, 2, RAG_METRIC_COSINE, RAG_ELEMENT_FLOAT32);
    for (int i = 0; i < 2; i++) { /* the second time from memory, where a backend has one */
        OK(put_through(e, NULL, "old", two, 2));
        (void)get_one(e, T("old"), RAG_VECTOR_VECTORS);
        OK(search_through(e, NULL, two, 2, &found));
    }
    rag_store *other = open_again(e, NULL);
    rag_vector_space space = space_of(e, "model-two", 3);
    const rag_vector_item item = { T("new"), three, 3, T("{}"), 0 };
    OK(rag_vector_drop(other, NULL, NS, &e->err));
    OK(rag_vector_define(other, NULL, NS, &space, &e->err));
    OK(rag_vector_put_many(other, NULL, NS, &item, 1, NULL, &e->err));
    return other;
}

static void vector_31_another_handle_defines_the_space_anew(struct env *e)
{
    static const float three[3] = { 0, 0, 1 };
    const rag_result *found;
    rag_store *other = define_anew(e);
    expect_new_space(e, NULL);
    CHECK(vector_count(e, NS) == 2, "not the rows of the new space");
    OK(rag_vector_drop(other, NULL, NS, &e->err));
    CHECK(!row_of(get_one(e, T("new"), 0), 0)->found, "a row of a dropped space is there");
    REFUSED(RAG_E_NOT_FOUND, search_through(e, NULL, three, 3, &found));
    REFUSED(RAG_E_NOT_FOUND, put_through(e, NULL, "more", three, 3));
    rag_store_close(other);
}

static void vector_31_a_space_defined_anew_inside_a_transaction(struct env *e)
{
    rag_txn *txn = NULL;
    rag_context ctx = RAG_CONTEXT_INIT;
    rag_store_close(define_anew(e));
    OK(rag_txn_begin(e->store, NULL, &txn, &e->err));
    ctx.txn = txn;
    expect_new_space(e, &ctx);
    OK(rag_txn_commit(txn, NULL, NULL, &e->err));
    CHECK(vector_count(e, NS) == 2, "not the rows of the new space");
}

const struct conformance_case vector_cases[] = {
    CASE_NEEDS(vector, define_and_describe, NEEDS_FLOAT32 | NEEDS_DOT),
    CASE(vector, the_record_is_kept),
    CASE(vector, 31_other_facts_are_a_mismatch),
    CASE(vector, 31_elements_and_metrics_that_are_not_offered),
    CASE(vector, 31_an_unknown_model_agrees_with_every_model),
    CASE(vector, 31_spaces_of_other_models_live_side_by_side),
    CASE_NEEDS(vector, 31_another_handle_defines_the_space_anew, NEEDS_SHARING),
    CASE_NEEDS(vector, 31_a_space_defined_anew_inside_a_transaction,
               NEEDS_SHARING | NEEDS_TRANSACTIONS),
    CASE(vector, bad_spaces_are_refused),
    CASE(vector, a_space_that_is_not_defined),
    CASE(vector, drop_forgets_the_record_too),
    CASE(vector, 26_rows_carry_what_was_asked_for),
    CASE(vector, 26_times_of_rows),
    CASE(vector, 32_get_keeps_order_and_duplicates),
    CASE(vector, put_replaces_and_the_last_of_equal_ids_wins),
    CASE(vector, dimensions_from_1_to_many),
    CASE_NEEDS(vector, float32_is_kept_exactly, NEEDS_FLOAT32 | NEEDS_DOT),
    CASE_NEEDS(vector, float16_is_rounded_to_nearest_even, NEEDS_FLOAT16),
    CASE(vector, 31_one_bad_row_refuses_the_batch),
    CASE_NEEDS(vector, float16_refuses_what_it_cannot_hold, NEEDS_FLOAT16),
    CASE(vector, hostile_ids_and_payloads),
    CASE(vector, 23_delete_then_put_is_one_new_row),
    CASE(vector, 29_delete_named),
    CASE(vector, 29_names_follow_a_replaced_payload),
    CASE(vector, scan_gives_every_row_once),
    CASE(vector, scan_sees_what_stays_whatever_else_changes),
    CASE(vector, random_operations_agree_with_a_model),
    CASES_END,
};
