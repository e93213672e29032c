/* The embedded backend: a store is a directory, found again by its path, shared by processes. */
#include <stdio.h>

#include "conformance.h"

static rag_status open_store(const struct place *place, const rag_open_options *options,
                             rag_store **out, rag_error *err)
{
    char url[sizeof place->path + 32];
    (void)snprintf(url, sizeof url, "embedded:%s/store", place->path);
    return rag_store_open(url, options, NULL, out, err);
}

const struct conformance_backend conformance_embedded = {
    .name = "embedded",
    .open = open_store,
    .quirks = {
        .kinds = HAS_ALL,
        .offers = NEEDS_TRANSACTIONS | NEEDS_PERSISTENCE | NEEDS_SHARING | NEEDS_FLOAT16 |
                  NEEDS_NUL | NEEDS_ATOMIC | NEEDS_COMPACT | NEEDS_BACKUP | NEEDS_FLOAT32 |
                  NEEDS_DOT | NEEDS_EXTRAS | NEEDS_CONTROL | NEEDS_LIMITS,
        .name_bytes_max = 255,
        .key_bytes_max = 65536,
        .score_tolerance = 1e-5, /* sums run in float */
        .recall = 0.99,
    },
};
