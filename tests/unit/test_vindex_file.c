/* Building, opening and damaging index files: what is written can be read, and what was changed
 * behind our back is refused and never read out of bounds (run under the sanitizers). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/alloc.h"
#include "unit/vindex_data.h"

enum { DIM = 24, ROWS = 5000 /* two blocks */ };

static void standard(struct fixture *f)
{
    float *data = data_make(CLUSTERED, ROWS + 1, DIM, 9);
    rag_error err = RAG_ERROR_INIT;
    fixture_build(f, data, ROWS, DIM, VINDEX_COSINE);
    assert_int_equal(
        vindex_query_init(&f->query, VINDEX_COSINE, data + (size_t)ROWS * DIM, DIM, &err), RAG_OK);
}

static rag_status search_in(struct fixture *f, const vindex *index)
{
    const vindex_search_options options = fixture_options(f, 30);
    vindex_hit hits[30];
    size_t count;
    rag_error err = RAG_ERROR_INIT;
    return vindex_search(index, &f->query, &options, hits, &count, NULL, &err);
}

/* ---- what is written ----------------------------------------------------------------------------- */

static void info_and_slots_are_kept(void **state)
{
    struct fixture f;
    vindex_info info;
    rag_error err = RAG_ERROR_INIT;
    (void)state;
    standard(&f);
    vindex_get_info(f.index, &info);
    assert_int_equal(info.metric, VINDEX_COSINE);
    assert_int_equal(info.dim, DIM);
    assert_int_equal(info.count, ROWS);
    assert_int_equal(info.first_slot, 1000);
    assert_int_equal(info.last_slot, 1000 + (ROWS - 1) * 3);
    assert_int_equal(info.covered, 7);
    assert_int_equal(info.file_len, f.len);
    assert_int_equal(vindex_verify(f.index, &err), RAG_OK);
    for (uint64_t slot = 990; slot < 1000 + ROWS * 3 + 10; slot++) {
        const int there = slot >= 1000 && slot <= info.last_slot && (slot - 1000) % 3 == 0;
        assert_int_equal(vindex_has_slot(f.index, slot), there);
    }
    fixture_free(&f);
}

/* The same rows give the same bytes at every SIMD level. */
static void files_do_not_depend_on_the_level(void **state)
{
    struct fixture f, other;
    (void)state;
    standard(&f);
    for (int level = VINDEX_LEVEL_PORTABLE; level <= VINDEX_LEVEL_AVX512; level++) {
        float *copy = malloc(sizeof *copy * ROWS * DIM);
        memcpy(copy, f.rows, sizeof *copy * ROWS * DIM);
        /* the mean is the caller's: it is allowed to differ in the last bit, so give the same */
        (void)vindex_force_level(VINDEX_LEVEL_PORTABLE);
        vindex_mean *mean = NULL;
        rag_error err = RAG_ERROR_INIT;
        float centre[DIM];
        assert_int_equal(vindex_mean_create(VINDEX_COSINE, DIM, &mean, &err), RAG_OK);
        for (size_t i = 0; i < ROWS; i++)
            vindex_mean_add(mean, copy + i * DIM);
        vindex_mean_get(mean, centre);
        vindex_mean_free(mean);
        (void)vindex_force_level((vindex_level)level);
        vindex_memory_sink memory = { NULL, (size_t)vindex_file_size(DIM, ROWS) };
        memory.base = malloc(memory.cap);
        const vindex_sink sink = vindex_sink_to_memory(&memory);
        const vindex_build_options options = { .metric = VINDEX_COSINE,
                                               .dim = DIM,
                                               .mean = centre };
        vindex_builder *builder = NULL;
        uint64_t len = 0;
        static uint64_t first_checksum, checksum;
        assert_int_equal(vindex_builder_create(&options, &sink, &builder, &err), RAG_OK);
        for (size_t i = 0; i < ROWS; i++)
            assert_int_equal(vindex_builder_add(builder, i, copy + i * DIM, &err), RAG_OK);
        assert_int_equal(vindex_builder_finish(builder, &len, &checksum, &err), RAG_OK);
        if (level == VINDEX_LEVEL_PORTABLE)
            first_checksum = vindex_checksum(memory.base, (size_t)len);
        assert_true(vindex_checksum(memory.base, (size_t)len) == first_checksum);
        assert_int_equal(vindex_open_mem(memory.base, (size_t)len, 0, &other.index, &err), RAG_OK);
        vindex_info info;
        vindex_get_info(other.index, &info);
        assert_true(info.checksum == checksum);
        vindex_close(other.index);
        vindex_builder_free(builder);
        free(memory.base);
        free(copy);
    }
    (void)vindex_force_level((vindex_level)99);
    fixture_free(&f);
}

static void size_is_known_before(void **state)
{
    static const uint64_t counts[] = { 0, 1, 2, 63, 64, 65, 4095, 4096, 4097, 8192, 10000 };
    (void)state;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct fixture f; /* fixture_build() compares the length with vindex_file_size() */
        fixture_build(&f, data_make(ISOTROPIC, (size_t)counts[i], 5, 1), (size_t)counts[i], 5,
                      VINDEX_L2);
        fixture_free(&f);
    }
    /* what a row of 1024 dimensions costs: a promise of the documentation */
    const double per_row = (double)vindex_file_size(1024, 145000) / 145000;
    assert_true(per_row > 548 && per_row < 549);
}

/* ---- building ------------------------------------------------------------------------------------ */

static void builder_refuses_wrong_rows(void **state)
{
    float row[3] = { 1, 2, 3 };
    uint8_t buffer[4096];
    vindex_memory_sink memory = { buffer, sizeof buffer };
    const vindex_sink sink = vindex_sink_to_memory(&memory);
    vindex_build_options options = { .metric = VINDEX_COSINE, .dim = 3 };
    rag_error err = RAG_ERROR_INIT;
    uint64_t len = 5;
    (void)state;
    static const float bad[] = { NAN, INFINITY, -INFINITY, 3e38f };
    for (size_t i = 0; i < 6; i++) {
        vindex_builder *b = NULL;
        assert_int_equal(vindex_builder_create(&options, &sink, &b, &err), RAG_OK);
        assert_int_equal(vindex_builder_add(b, 10, row, &err), RAG_OK);
        if (i < 4) {
            float broken[3] = { 1, 2, bad[i] };
            const rag_status status = vindex_builder_add(b, 11, broken, &err);
            /* a length that overflows makes a useless code, not an error, as long as it is finite */
            assert_true(status == RAG_E_INVALID || (i == 3 && status == RAG_OK));
            if (status == RAG_OK) {
                vindex_builder_free(b);
                continue;
            }
        } else {
            assert_int_equal(vindex_builder_add(b, i == 4 ? 10 : 9, row, &err), RAG_E_INVALID);
        }
        assert_int_equal(vindex_builder_add(b, 12, row, &err), RAG_E_INVALID);
        assert_int_equal(vindex_builder_finish(b, &len, NULL, &err), RAG_E_INVALID);
        assert_int_equal(len, 5);
        vindex_builder_free(b);
    }
    vindex_builder *b = NULL;
    options.metric = (vindex_metric)0;
    assert_int_equal(vindex_builder_create(&options, &sink, &b, &err), RAG_E_INVALID);
    options = (vindex_build_options){ .metric = VINDEX_DOT, .dim = 0 };
    assert_int_equal(vindex_builder_create(&options, &sink, &b, &err), RAG_E_INVALID);
    options.dim = VINDEX_DIM_MAX + 1;
    assert_int_equal(vindex_builder_create(&options, &sink, &b, &err), RAG_E_INVALID);
    row[1] = NAN;
    options = (vindex_build_options){ .metric = VINDEX_DOT, .dim = 3, .mean = row };
    assert_int_equal(vindex_builder_create(&options, &sink, &b, &err), RAG_E_INVALID);
    assert_null(b);
}

static void full_sink_ends_the_build(void **state)
{
    const float row[3] = { 1, 2, 3 };
    const size_t whole = (size_t)vindex_file_size(3, 100);
    uint8_t *buffer = malloc(whole);
    (void)state;
    for (size_t cap = 0; cap < whole; cap += 97) {
        vindex_memory_sink memory = { buffer, cap };
        const vindex_sink sink = vindex_sink_to_memory(&memory);
        const vindex_build_options options = { .metric = VINDEX_COSINE, .dim = 3 };
        vindex_builder *b = NULL;
        rag_error err = RAG_ERROR_INIT;
        uint64_t len;
        assert_int_equal(vindex_builder_create(&options, &sink, &b, &err), RAG_OK);
        for (uint64_t slot = 0; slot < 100; slot++)
            assert_int_equal(vindex_builder_add(b, slot, row, &err), RAG_OK);
        assert_int_equal(vindex_builder_finish(b, &len, NULL, &err), RAG_E_NO_SPACE);
        vindex_builder_free(b);
    }
    free(buffer);
}

static rag_status build_once(uint8_t *buffer, size_t cap)
{
    const float row[3] = { 1, 2, 3 };
    vindex_memory_sink memory = { buffer, cap };
    const vindex_sink sink = vindex_sink_to_memory(&memory);
    const vindex_build_options options = { .metric = VINDEX_COSINE, .dim = 3 };
    vindex_builder *b = NULL;
    vindex *index = NULL;
    uint64_t len;
    rag_status status = vindex_builder_create(&options, &sink, &b, NULL);
    if (status == RAG_OK)
        status = vindex_builder_add(b, 1, row, NULL);
    if (status == RAG_OK)
        status = vindex_builder_finish(b, &len, NULL, NULL);
    vindex_builder_free(b);
    if (status == RAG_OK)
        status = vindex_open_mem(buffer, (size_t)len, 1, &index, NULL);
    vindex_close(index);
    return status;
}

static void failing_allocations_end_the_build(void **state)
{
    static _Alignas(64) uint8_t buffer[4096];
    int failures = 0;
    rag_status status = RAG_E_NO_MEMORY;
    (void)state;
    for (long n = 1; status != RAG_OK; n++) {
        rag_alloc_fail_at(n, 0);
        status = build_once(buffer, sizeof buffer);
        rag_alloc_fail_at(0, 0);
        assert_true(status == RAG_OK || status == RAG_E_NO_MEMORY);
        failures += status != RAG_OK;
    }
    assert_true(failures >= 8);
}

/* ---- damage -------------------------------------------------------------------------------------- */

static rag_status open_copy(const uint8_t *bytes, size_t len)
{
    /* exactly as long as it is said to be, so that reading on is seen by the sanitizer */
    uint8_t *copy = malloc(len ? len : 1);
    vindex *index = NULL;
    rag_error err = RAG_ERROR_INIT;
    if (len)
        memcpy(copy, bytes, len);
    const rag_status status = vindex_open_mem(copy, len, 1, &index, &err);
    assert_true((status == RAG_OK) == (index != NULL));
    assert_true(status == RAG_OK || err.message[0]);
    vindex_close(index);
    free(copy);
    return status;
}

static void every_changed_header_byte_is_refused(void **state)
{
    struct fixture f;
    (void)state;
    fixture_build(&f, data_make(ISOTROPIC, 3, DIM, 2), 3, DIM, VINDEX_COSINE);
    const size_t header = 128 + 128; /* fixed part, and 24 floats of mean with their padding */
    for (size_t i = 0; i < header; i++)
        for (int bit = 0; bit < 8; bit++) {
            f.bytes[i] ^= (uint8_t)(1 << bit);
            const rag_status status = open_copy(f.bytes, (size_t)f.len);
            assert_true(status == RAG_E_CORRUPT || (status == RAG_E_VERSION && i >= 8 && i < 12));
            f.bytes[i] ^= (uint8_t)(1 << bit);
        }
    assert_int_equal(open_copy(f.bytes, (size_t)f.len), RAG_OK);
    fixture_free(&f);
}

/* A right checksum over wrong numbers: the writer was broken, or somebody wants us to be. */
static void lying_headers_are_refused(void **state)
{
    struct fixture f;
    uint64_t random = 77;
    (void)state;
    fixture_build(&f, data_make(ISOTROPIC, 100, DIM, 2), 100, DIM, VINDEX_COSINE);
    uint8_t original[128];
    memcpy(original, f.bytes, sizeof original);
    for (size_t at = 8; at < 120; at += 4)
        for (int turn = 0; turn < 40; turn++) {
            static const uint32_t values[] = { 0, 1, 2, 3, 64, 4096, 0x7fffffff, 0xffffffff };
            const uint32_t value =
                turn < 8 ? values[turn] : (uint32_t)(data_random(&random) >> (turn % 32));
            memcpy(f.bytes + at, &value, sizeof value);
            const uint64_t checksum = vindex_checksum(f.bytes, 120);
            memcpy(f.bytes + 120, &checksum, sizeof checksum);
            const rag_status status = open_copy(f.bytes, (size_t)f.len);
            /* metric, seed, slots, covered and uuid may be anything that is allowed */
            const int free_field = at == 16 || (at >= 32 && at < 40) || (at >= 48 && at < 88);
            if (!free_field && memcmp(f.bytes, original, 120) != 0)
                assert_true(status == RAG_E_CORRUPT || status == RAG_E_VERSION);
            memcpy(f.bytes, original, sizeof original);
        }
    fixture_free(&f);
}

static void every_length_but_the_right_one_is_refused(void **state)
{
    struct fixture f;
    (void)state;
    fixture_build(&f, data_make(ISOTROPIC, 40, DIM, 2), 40, DIM, VINDEX_COSINE);
    uint8_t *longer = calloc(1, (size_t)f.len + 200);
    memcpy(longer, f.bytes, (size_t)f.len);
    for (size_t len = 0; len < f.len + 200; len++)
        if (len != f.len)
            assert_int_equal(open_copy(longer, len), RAG_E_CORRUPT);
    free(longer);
    fixture_free(&f);
}

static void damaged_blocks_are_found(void **state)
{
    struct fixture f;
    rag_error err = RAG_ERROR_INIT;
    uint64_t random = 5;
    (void)state;
    standard(&f);
    for (int turn = 0; turn < 300; turn++) {
        const size_t at = 256 + data_random(&random) % (f.len - 256 - 16); /* the blocks */
        const uint8_t change = (uint8_t)(1 + data_random(&random) % 255);
        vindex *index = NULL;
        f.bytes[at] ^= change;
        /* checked at first use, by every search; also after a search of the good part failed */
        assert_int_equal(vindex_open_mem(f.bytes, (size_t)f.len, 1, &index, &err), RAG_OK);
        assert_int_equal(search_in(&f, index), RAG_E_CORRUPT);
        assert_int_equal(search_in(&f, index), RAG_E_CORRUPT);
        assert_int_equal(vindex_verify(index, &err), RAG_E_CORRUPT);
        vindex_close(index);
        f.bytes[at] ^= change;
    }
    fixture_free(&f);
}

/* Without the check the answer may be wrong, but nothing outside is read: rows are found by number,
 * so fetch is told slots that do not exist. It answers "gone". */
static rag_status lenient_fetch(void *ctx, const uint64_t *slots, size_t n, float *scores,
                                uint8_t *alive, rag_error *err)
{
    uint64_t *random = ctx;
    (void)slots, (void)err;
    for (size_t i = 0; i < n; i++) {
        scores[i] = (float)(data_random(random) % 1000) * 1e-3f;
        alive[i] = data_random(random) % 2;
    }
    return RAG_OK;
}

static void damaged_blocks_that_are_trusted_do_no_harm(void **state)
{
    struct fixture f;
    uint64_t random = 15;
    (void)state;
    standard(&f);
    uint8_t *bytes = malloc((size_t)f.len);
    for (int turn = 0; turn < 60; turn++) {
        vindex *index = NULL;
        rag_error err = RAG_ERROR_INIT;
        vindex_hit hits[30];
        size_t count;
        memcpy(bytes, f.bytes, (size_t)f.len);
        for (int i = 0; i < 1 << turn % 12; i++) /* up to thousands of bytes; also all bits set */
            bytes[256 + data_random(&random) % (f.len - 256 - 16)] =
                turn % 2 ? 0xff : (uint8_t)data_random(&random);
        assert_int_equal(vindex_open_mem(bytes, (size_t)f.len, 0, &index, &err), RAG_OK);
        vindex_search_options options = {
            .k = 30, .min_score = -INFINITY, .fetch = lenient_fetch, .fetch_ctx = &random
        };
        assert_int_equal(vindex_search(index, &f.query, &options, hits, &count, NULL, &err),
                         RAG_OK);
        assert_true(count <= 30);
        for (uint64_t slot = 0; slot < 3000; slot += 7)
            (void)vindex_has_slot(index, slot);
        assert_int_equal(vindex_verify(index, &err), RAG_E_CORRUPT);
        vindex_close(index);
    }
    free(bytes);
    fixture_free(&f);
}

static void other_files_are_refused(void **state)
{
    static const _Alignas(8) uint8_t zeros[4096], text[] = "SQLite format 3";
    static _Alignas(8) uint8_t shifted[4096];
    vindex *index = NULL;
    rag_error err = RAG_ERROR_INIT;
    (void)state;
    assert_int_equal(vindex_open_mem(zeros, sizeof zeros, 0, &index, &err), RAG_E_CORRUPT);
    assert_int_equal(vindex_open_mem(text, sizeof text, 0, &index, &err), RAG_E_CORRUPT);
    assert_int_equal(vindex_open_mem(NULL, 0, 0, &index, &err), RAG_E_INVALID);
    assert_int_equal(vindex_open_mem(shifted + 1, 1000, 0, &index, &err), RAG_E_INVALID);
    vindex_close(NULL);
    vindex_builder_free(NULL);
    vindex_mean_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(info_and_slots_are_kept),
        cmocka_unit_test(files_do_not_depend_on_the_level),
        cmocka_unit_test(size_is_known_before),
        cmocka_unit_test(builder_refuses_wrong_rows),
        cmocka_unit_test(full_sink_ends_the_build),
        cmocka_unit_test(failing_allocations_end_the_build),
        cmocka_unit_test(every_changed_header_byte_is_refused),
        cmocka_unit_test(lying_headers_are_refused),
        cmocka_unit_test(every_length_but_the_right_one_is_refused),
        cmocka_unit_test(damaged_blocks_are_found),
        cmocka_unit_test(damaged_blocks_that_are_trusted_do_no_harm),
        cmocka_unit_test(other_files_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
