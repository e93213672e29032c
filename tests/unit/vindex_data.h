/* Vectors for the tests of src/vindex: five distributions out of a seed, and an index over them. */
#ifndef TESTS_VINDEX_DATA_H
#define TESTS_VINDEX_DATA_H

#include <stddef.h>
#include <stdint.h>

#include "vindex/vindex.h"

enum data_set { ISOTROPIC, CLUSTERED, ANISOTROPIC, CORRELATED, DUPLICATES, DATA_SETS };

uint64_t data_random(uint64_t *state);
float data_normal(uint64_t *state);

/* `count` rows of `dim` floats; the caller frees them. */
float *data_make(enum data_set set, size_t count, uint32_t dim, uint64_t seed);

struct fixture {
    float *rows;
    size_t count;
    uint32_t dim;
    vindex_metric metric;
    uint64_t slot_base, slot_step; /* slot of row i: slot_base + i * slot_step */
    uint8_t *bytes;
    uint64_t len;
    vindex *index;
    /* what fetch does */
    vindex_query query;
    const uint8_t *dead; /* one byte a row, or NULL */
    size_t fetch_calls;
};

/* Builds and opens an index over `rows`, which the fixture takes over. Fails the test on error. */
void fixture_build(struct fixture *f, float *rows, size_t count, uint32_t dim,
                   vindex_metric metric);
void fixture_free(struct fixture *f);

/* A vindex_fetch_fn over the rows of a fixture (its ctx). A slot that is not one of its rows, and
 * slots that do not ascend, fail the test. */
rag_status fixture_fetch(void *ctx, const uint64_t *slots, size_t n, float *scores, uint8_t *alive,
                         rag_error *err);

/* Options that search `f`: k, keep all, fixture_fetch. */
vindex_search_options fixture_options(struct fixture *f, size_t k);

/* Brute force over the alive rows with score >= min_score, best first, ties by slot; returns how
 * many. `out` has room for k. */
size_t fixture_brute_force(struct fixture *f, size_t k, float min_score, vindex_hit *out);

#endif
