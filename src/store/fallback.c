/* Generic answers for optional slots that a backend does not have, in terms of those it must have.
 * What belongs to one store kind and is longer has a file of its own: graph_view.c,
 * graph_labels.c, docstatus_range.c. */
#include "core/result.h"
#include "dispatch.h"

rag_status fallback_kv_filter_missing(const rag_call *call, const char *name_space,
                                      const rag_slice *keys, size_t n, rag_result *out,
                                      rag_error *err)
{
    const struct driver *driver = store_call_of(call)->driver;
    rag_result *rows = rag_result_new(err);
    if (!rows)
        return RAG_E_NO_MEMORY;
    rag_status status = driver->kv.get_many(call, name_space, keys, n, rows, err);
    for (size_t i = 0; status == RAG_OK && i < rows->count; i++)
        if (!rows->rows[i].found)
            status = rag_result_append_absent(out, rows->rows[i].key, (rag_slice){ "", 0 }, err);
    rag_result_free(rows);
    return status;
}
