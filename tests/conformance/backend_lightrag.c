/* The files of LightRAG: a store is a working directory. Everything is in memory and reaches the files
 * when it is flushed, so another handle sees it only then (NEEDS_SHARING is more than that); what files
 * cannot say is in the table. */
#include <stdio.h>

#include "conformance.h"

static rag_status open_store(const struct place *place, const rag_open_options *options,
                             rag_store **out, rag_error *err)
{
    char url[sizeof place->path + 32];
    (void)snprintf(url, sizeof url, "lightrag:%s/files", place->path);
    return rag_store_open(url, options, NULL, out, err);
}

static const struct deviation deviations[] = {
    { "docstatus/a_kv_namespace_of_this_name_is_another_thing",
      "kv_store_doc_status.json is the file of the documents" },
    { NULL, NULL },
};

const struct conformance_backend conformance_lightrag = {
    .name = "lightrag",
    .open = open_store,
    .quirks = {
        .kinds = HAS_ALL,
        .offers = NEEDS_TRANSACTIONS | NEEDS_PERSISTENCE | NEEDS_FLOAT16 | NEEDS_ATOMIC,
        .name_bytes_max = 222, /* of a file, without what is before and behind it */
        .key_bytes_max = 65536,
        .score_tolerance = 1e-9,
        .recall = 1,
    },
    .deviations = deviations,
};
