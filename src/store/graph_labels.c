/* Search in labels: rag_graph_search_labels(), and the answer for backends without an index. */
#include "dispatch.h"

rag_status fallback_graph_search_labels(const rag_call *call, rag_slice query, size_t limit,
                                        rag_result *out, rag_error *err)
{
    (void)call;
    (void)query;
    (void)limit;
    (void)out;
    return rag_fail(err, RAG_E_UNSUPPORTED, "not yet");
}
