/* Ranges of document rows for backends without indexes for them. */
#include "dispatch.h"

rag_status fallback_docstatus_range(const rag_call *call, const rag_doc_range *range,
                                    rag_result *out, rag_error *err)
{
    (void)call;
    (void)range;
    (void)out;
    return rag_fail(err, RAG_E_UNSUPPORTED, "not yet");
}

rag_status fallback_docstatus_range_records(const rag_call *call, const rag_doc_range *range,
                                            rag_result *out, rag_error *err)
{
    return fallback_docstatus_range(call, range, out, err);
}

rag_status fallback_docstatus_conflicts(const rag_call *call, rag_slice after, size_t limit,
                                        rag_result *out, rag_error *err)
{
    (void)call;
    (void)after;
    (void)limit;
    (void)out;
    return rag_fail(err, RAG_E_UNSUPPORTED, "not yet");
}
