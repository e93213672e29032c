/* Generic answers for optional slots that a backend does not have, in terms of those it must have,
 * and stubs for features that it does not claim. */
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

static const char *name_of(const rag_call *call)
{
    return store_call_of(call)->driver->backend.name;
}

rag_status stub_begin(const rag_call *call, void **txn, rag_error *err)
{
    (void)txn;
    return rag_fail(err, RAG_E_UNSUPPORTED, "backend '%s' has no transactions", name_of(call));
}

rag_status stub_commit(const rag_call *call, rag_token *token, rag_error *err)
{
    (void)token;
    return rag_fail(err, RAG_E_UNSUPPORTED, "backend '%s' has no transactions", name_of(call));
}

void stub_abort(const rag_call *call)
{
    (void)call;
}

rag_status stub_publish(const rag_call *call, rag_error *err)
{
    return rag_fail(err, RAG_E_UNSUPPORTED, "backend '%s' cannot build a store aside",
                    name_of(call));
}

/* Nothing derived, nothing to bring up to date. */
rag_status stub_optimize(const rag_call *call, rag_error *err)
{
    (void)call;
    (void)err;
    return RAG_OK;
}
