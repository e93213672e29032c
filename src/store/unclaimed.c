/* What the slots of features do when a backend does not claim them, so that nobody tests for NULL.
 *
 * One function for each slot: registration puts them where a backend has none (registry.c). All say
 * RAG_E_UNSUPPORTED with the backend's name, but for what is rightly nothing to do. */
#include "dispatch.h"

static const char *name_of(const rag_call *call)
{
    return store_call_of(call)->driver->backend.name;
}

rag_status unclaimed_begin(const rag_call *call, void **txn, rag_error *err)
{
    (void)txn;
    return rag_fail(err, RAG_E_UNSUPPORTED, "backend '%s' has no transactions", name_of(call));
}

rag_status unclaimed_commit(const rag_call *call, rag_token *token, rag_error *err)
{
    (void)token;
    return rag_fail(err, RAG_E_UNSUPPORTED, "backend '%s' has no transactions", name_of(call));
}

void unclaimed_abort(const rag_call *call)
{
    (void)call;
}

rag_status unclaimed_publish(const rag_call *call, rag_error *err)
{
    return rag_fail(err, RAG_E_UNSUPPORTED, "backend '%s' cannot build a store aside",
                    name_of(call));
}

/* Nothing derived, nothing to bring up to date. */
rag_status unclaimed_optimize(const rag_call *call, rag_error *err)
{
    (void)call;
    (void)err;
    return RAG_OK;
}

/* Nothing is kept twice, nothing can disagree. */
rag_status unclaimed_check(const rag_call *call, const rag_check_options *options, rag_result *out,
                           rag_error *err)
{
    (void)call;
    (void)options;
    (void)out;
    (void)err;
    return RAG_OK;
}

rag_status unclaimed_compact(const rag_call *call, uint64_t *freed_bytes, rag_error *err)
{
    (void)freed_bytes;
    return rag_fail(err, RAG_E_UNSUPPORTED, "backend '%s' has nothing to compact", name_of(call));
}

rag_status unclaimed_backup(const rag_call *call, const char *target, rag_error *err)
{
    (void)target;
    return rag_fail(err, RAG_E_UNSUPPORTED, "backend '%s' cannot copy itself; export it instead",
                    name_of(call));
}

static rag_status no_limits(const rag_call *call, rag_error *err)
{
    return rag_fail(err, RAG_E_UNSUPPORTED, "backend '%s' has no limits of caches", name_of(call));
}

rag_status unclaimed_set_limits(const rag_call *call, const char *name_space,
                                const rag_kv_limits *limits, rag_error *err)
{
    (void)name_space;
    (void)limits;
    return no_limits(call, err);
}

rag_status unclaimed_get_limits(const rag_call *call, const char *name_space, rag_kv_limits *out,
                                rag_error *err)
{
    (void)name_space;
    (void)out;
    return no_limits(call, err);
}

static rag_status no_pending(const rag_call *call, rag_error *err)
{
    return rag_fail(err, RAG_E_UNSUPPORTED, "backend '%s' keeps no pending vectors", name_of(call));
}

rag_status unclaimed_pending_put(const rag_call *call, const char *name_space,
                                 const rag_pending_item *items, size_t n, rag_token *token,
                                 rag_error *err)
{
    (void)name_space;
    (void)items;
    (void)n;
    (void)token;
    return no_pending(call, err);
}

rag_status unclaimed_pending_delete(const rag_call *call, const char *name_space,
                                    const rag_slice *ids, size_t n, rag_token *token,
                                    rag_error *err)
{
    (void)name_space;
    (void)ids;
    (void)n;
    (void)token;
    return no_pending(call, err);
}

rag_status unclaimed_pending_scan(const rag_call *call, const char *name_space, rag_slice after,
                                  size_t limit, rag_result *out, rag_error *err)
{
    (void)name_space;
    (void)after;
    (void)limit;
    (void)out;
    return no_pending(call, err);
}

rag_status unclaimed_pending_resolve(const rag_call *call, const char *name_space,
                                     const rag_pending_vector *vectors, size_t n, int keep,
                                     uint64_t *applied, rag_token *token, rag_error *err)
{
    (void)name_space;
    (void)vectors;
    (void)n;
    (void)keep;
    (void)applied;
    (void)token;
    return no_pending(call, err);
}

rag_status unclaimed_pending_drop(const rag_call *call, const char *name_space, uint64_t *dropped,
                                  rag_error *err)
{
    (void)name_space;
    (void)dropped;
    return no_pending(call, err);
}
