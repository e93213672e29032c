/* The memory backend: a store belongs to its handle and goes with it. */
#include "conformance.h"

static rag_status open_store(const struct place *place, const rag_open_options *options,
                             rag_store **out, rag_error *err)
{
    (void)place;
    return rag_store_open("memory:", options, NULL, out, err);
}

const struct conformance_backend conformance_memory = {
    .name = "memory",
    .open = open_store,
    .quirks = {
        .kinds = HAS_ALL,
        .offers = NEEDS_TRANSACTIONS | NEEDS_FLOAT16 | NEEDS_NUL | NEEDS_ATOMIC |
                  NEEDS_FLOAT32 | NEEDS_DOT | NEEDS_CONTROL | NEEDS_LIMITS,
        .name_bytes_max = 255,
        .key_bytes_max = 65536,
        .score_tolerance = 1e-9,
        .recall = 1,
    },
};
