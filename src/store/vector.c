/* Vectors: rag_vector_*.
 *
 * A slot relies on vectors having the dimension of their space, so a put and a search first ask the
 * backend for the facts of the space, in the same transaction when there is one. The record of a
 * space never changes; between the two calls somebody may drop the space and define another, which
 * is why backends also compare the length they are about to store. */
#include <math.h>
#include <string.h>

#include "core/floats.h"
#include "core/json.h"
#include "core/limits.h"
#include "core/result.h"
#include "core/slice_index.h"
#include "core/utf8.h"
#include "dispatch.h"

static const unsigned VECTOR_BITS = RAG_VECTOR_VALUES | RAG_VECTOR_VECTORS;

/* ---- spaces ------------------------------------------------------------------------------------- */

static const char *metric_name(rag_metric metric)
{
    return metric == RAG_METRIC_DOT ? "dot" : "cosine";
}

static const char *element_name(rag_element element)
{
    return element == RAG_ELEMENT_FLOAT16 ? "float16" : "float32";
}

static rag_status check_space(const char *name_space, const rag_vector_space *s, rag_error *err)
{
    if (s->dimension < 1 || s->dimension > RAG_DIMENSION_MAX)
        return rag_fail(err, RAG_E_INVALID, "vector space '%s': dimension %u is not in 1..%d",
                        name_space, s->dimension, RAG_DIMENSION_MAX);
    if (s->metric != RAG_METRIC_COSINE && s->metric != RAG_METRIC_DOT)
        return rag_fail(err, RAG_E_INVALID, "vector space '%s': unknown metric %d", name_space,
                        (int)s->metric);
    if (s->element != RAG_ELEMENT_FLOAT32 && s->element != RAG_ELEMENT_FLOAT16)
        return rag_fail(err, RAG_E_INVALID, "vector space '%s': unknown element type %d",
                        name_space, (int)s->element);
    const size_t len = strnlen(s->model, sizeof s->model);
    if (len == sizeof s->model || utf8_valid_prefix(s->model, len) != len)
        return rag_fail(err, RAG_E_INVALID,
                        "vector space '%s': the model's name is not UTF-8 of less than %d bytes",
                        name_space, RAG_MODEL_NAME_MAX);
    return RAG_OK;
}

static rag_status compare_spaces(const char *name_space, const rag_vector_space *have,
                                 const rag_vector_space *want, rag_error *err)
{
    const int same_model =
        !have->model[0] || !want->model[0] || strcmp(have->model, want->model) == 0;
    if (same_model && have->dimension == want->dimension && have->metric == want->metric &&
        have->element == want->element)
        return RAG_OK;
    return rag_fail(err, RAG_E_MISMATCH,
                    "vector space '%s' holds vectors of model '%s' (dimension %u, %s, %s), not of "
                    "'%s' (dimension %u, %s, %s): use another workspace, or drop the space and "
                    "embed its rows again",
                    name_space, have->model, have->dimension, metric_name(have->metric),
                    element_name(have->element), want->model, want->dimension,
                    metric_name(want->metric), element_name(want->element));
}

rag_status rag_vector_define(rag_store *store, const rag_context *ctx, const char *name_space,
                             const rag_vector_space *space, rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter_kind(store, ctx, STORE_VECTOR, name_space, STORE_READ, &c, err));
    rag_vector_space want = RAG_VECTOR_SPACE_INIT, have = RAG_VECTOR_SPACE_INIT;
    RAG_TRY(copy_options(space, sizeof want, &want, sizeof want, "rag_vector_space", err));
    RAG_TRY(check_space(name_space, &want, err));
    rag_error why = RAG_ERROR_INIT;
    rag_status status;
    if (store->flags & RAG_OPEN_READ_ONLY) { /* may check, may not create */
        status = c.driver->vector.describe(&c.call, name_space, &have, &why);
        if (status == RAG_E_NOT_FOUND)
            return rag_fail(err, RAG_E_DENIED,
                            "the store was opened read-only and has no vector space '%s'",
                            name_space);
        if (status == RAG_OK)
            return compare_spaces(name_space, &have, &want, err);
    } else {
        status = c.driver->vector.define(&c.call, name_space, &want, &have, &why);
        if (status == RAG_E_CONFLICT)
            return compare_spaces(name_space, &have, &want, err);
    }
    return rag_pass(status, &why, err);
}

rag_status rag_vector_describe(rag_store *store, const rag_context *ctx, const char *name_space,
                               rag_vector_space *out, rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter_kind(store, ctx, STORE_VECTOR, name_space, STORE_READ, &c, err));
    rag_vector_space callers = RAG_VECTOR_SPACE_INIT, found = RAG_VECTOR_SPACE_INIT;
    RAG_TRY(copy_options(out, sizeof callers, &callers, sizeof callers, "rag_vector_space", err));
    RAG_TRY(c.driver->vector.describe(&c.call, name_space, &found, err));
    found.struct_size = out->struct_size;
    memcpy(out, &found, sizeof found);
    return RAG_OK;
}

/* ---- writing ------------------------------------------------------------------------------------ */

rag_status vector_check(const char *name_space, const rag_vector_space *space, const float *vector,
                        size_t dimension, rag_slice id, rag_error *err)
{
    /* the vector of a query has no id */
    const char *open = id.len ? "vector '" : "the query vector", *close = id.len ? "'" : "";
    if (dimension != space->dimension)
        return rag_fail(err, RAG_E_MISMATCH,
                        "vector space '%s' has dimension %u (model '%s'); %s%.*s%s has %zu",
                        name_space, space->dimension, space->model, open, RAG_SHOWN(id), close,
                        dimension);
    if (!vector)
        return rag_fail(err, RAG_E_INVALID, "%s%.*s%s is NULL", open, RAG_SHOWN(id), close);
    const size_t bad = floats_first_bad(vector, dimension);
    if (bad != dimension)
        return rag_fail(err, RAG_E_INVALID, "%s%.*s%s: element %zu is %s", open, RAG_SHOWN(id),
                        close, bad, isnan(vector[bad]) ? "not a number" : "infinite");
    return RAG_OK;
}

static rag_status check_item(const char *name_space, const rag_vector_space *space,
                             const rag_vector_item *item, rag_error *err)
{
    RAG_TRY(check_key(item->id, "vector id", err));
    RAG_TRY(vector_check(name_space, space, item->vector, item->dimension, item->id, err));
    RAG_TRY(check_slice(item->value, "a payload", err));
    if (item->created_at < RAG_TIME_UNKNOWN)
        return rag_fail(err, RAG_E_INVALID, "vector '%.*s' has a negative time",
                        RAG_SHOWN(item->id));
    return json_check_object(item->value, "payload of vector", item->id, err);
}

/* What refused a dimension may have been the space of a while ago (recall): 1 when it is another one. */
static int has_changed(const struct store_call *c, const char *name_space, rag_vector_space *space)
{
    const uint32_t before = space->dimension;
    return c->driver->vector.describe(&c->call, name_space, space, NULL) == RAG_OK &&
           space->dimension != before;
}

static rag_status prepare_for(const char *name_space, const rag_vector_space *space,
                              const rag_vector_item *items, size_t n, struct prepared *out,
                              rag_error *err)
{
    rag_vector_item *ready = arena_alloc(&out->arena, n * sizeof *ready);
    if (!ready)
        return rag_fail_memory(err);
    struct slice_index seen = SLICE_INDEX_INIT;
    rag_status status = RAG_OK;
    size_t count = 0;
    for (size_t i = 0; status == RAG_OK && i < n; i++) {
        size_t at;
        status = check_item(name_space, space, &items[i], err);
        if (status == RAG_OK)
            status = slice_index_place(&seen, items[i].id, &count, &at, err);
        if (status == RAG_OK)
            ready[at] = items[i];
    }
    slice_index_free(&seen);
    out->items = ready;
    out->count = count;
    return status;
}

rag_status vector_prepare(const struct store_call *c, const char *name_space,
                          const rag_vector_item *items, size_t n, struct prepared *out,
                          rag_error *err)
{
    rag_vector_space space = RAG_VECTOR_SPACE_INIT;
    RAG_TRY(check_count(items, n, "vectors", err));
    RAG_TRY(c->driver->vector.recall(&c->call, name_space, &space, err));
    rag_status status = prepare_for(name_space, &space, items, n, out, err);
    if (status == RAG_E_MISMATCH && has_changed(c, name_space, &space))
        status = prepare_for(name_space, &space, items, n, out, err);
    return status;
}

rag_status rag_vector_put_many(rag_store *store, const rag_context *ctx, const char *name_space,
                               const rag_vector_item *items, size_t n, rag_token *token,
                               rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter_kind(store, ctx, STORE_VECTOR, name_space, STORE_WRITE, &c, err));
    struct prepared ready = { 0 };
    rag_token written = 0;
    rag_status status = vector_prepare(&c, name_space, items, n, &ready, err);
    if (status == RAG_OK && ready.count)
        status =
            c.driver->vector.put_many(&c.call, name_space, ready.items, ready.count, &written, err);
    if (status == RAG_OK && token)
        *token = written;
    arena_free(&ready.arena);
    return status;
}

rag_status rag_vector_delete_many(rag_store *store, const rag_context *ctx, const char *name_space,
                                  const rag_slice *ids, size_t n, uint64_t *deleted,
                                  rag_token *token, rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter_kind(store, ctx, STORE_VECTOR, name_space, STORE_WRITE, &c, err));
    RAG_TRY(check_keys(ids, n, "vector id", err));
    uint64_t gone = 0;
    rag_token written = 0;
    if (n)
        RAG_TRY(c.driver->vector.delete_many(&c.call, name_space, ids, n, &gone, &written, err));
    if (deleted)
        *deleted = gone;
    if (token)
        *token = written;
    return RAG_OK;
}

rag_status rag_vector_delete_named(rag_store *store, const rag_context *ctx, const char *name_space,
                                   const rag_slice *names, size_t n, uint64_t *deleted,
                                   rag_token *token, rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter_kind(store, ctx, STORE_VECTOR, name_space, STORE_WRITE, &c, err));
    RAG_TRY(check_keys(names, n, "name", err));
    uint64_t gone = 0;
    rag_token written = 0;
    if (n)
        RAG_TRY(c.driver->vector.delete_named(&c.call, name_space, names, n, &gone, &written, err));
    if (deleted)
        *deleted = gone;
    if (token)
        *token = written;
    return RAG_OK;
}

rag_status rag_vector_drop(rag_store *store, const rag_context *ctx, const char *name_space,
                           rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter_kind(store, ctx, STORE_VECTOR, name_space, STORE_WRITE, &c, err));
    return c.driver->vector.drop(&c.call, name_space, err);
}

/* ---- reading ------------------------------------------------------------------------------------ */

rag_status rag_vector_get_many(rag_store *store, const rag_context *ctx, const char *name_space,
                               const rag_slice *ids, size_t n, unsigned what, rag_result **out,
                               rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter_kind(store, ctx, STORE_VECTOR, name_space, STORE_READ, &c, err));
    RAG_TRY(check_out(out, err));
    RAG_TRY(check_bits(what, VECTOR_BITS, "what", err));
    RAG_TRY(check_keys(ids, n, "vector id", err));
    rag_result *rows = rag_result_new(err);
    if (!rows)
        return RAG_E_NO_MEMORY;
    rag_status status = RAG_OK;
    if (n)
        status = c.driver->vector.get_many(&c.call, name_space, ids, n, what, rows, err);
    return store_hand_over(status, rows, out);
}

static rag_status check_query(const struct store_call *c, const char *name_space,
                              const rag_vector_query *query, rag_error *err)
{
    rag_vector_space space = RAG_VECTOR_SPACE_INIT;
    RAG_TRY(check_bits(query->what, VECTOR_BITS, "what", err));
    if (isnan(query->min_score))
        return rag_fail(err, RAG_E_INVALID, "min_score is not a number");
    RAG_TRY(c->driver->vector.recall(&c->call, name_space, &space, err));
    if (query->dimension != space.dimension)
        (void)has_changed(c, name_space, &space);
    RAG_TRY(vector_check(name_space, &space, query->vector, query->dimension, rag_text(""), err));
    if (floats_all_zero(query->vector, query->dimension))
        return rag_fail(err, RAG_E_INVALID, "the query vector has length zero");
    return RAG_OK;
}

rag_status rag_vector_search(rag_store *store, const rag_context *ctx, const char *name_space,
                             const rag_vector_query *query, rag_result **out, rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter_kind(store, ctx, STORE_VECTOR, name_space, STORE_READ, &c, err));
    RAG_TRY(check_out(out, err));
    rag_vector_query full = RAG_VECTOR_QUERY_INIT;
    RAG_TRY(copy_options(query, sizeof full, &full, sizeof full, "rag_vector_query", err));
    RAG_TRY(check_query(&c, name_space, &full, err));
    if (full.top_k > LIMIT_TOP_K_MAX)
        full.top_k = LIMIT_TOP_K_MAX;
    rag_result *rows = rag_result_new(err);
    if (!rows)
        return RAG_E_NO_MEMORY;
    rag_status status = RAG_OK;
    if (full.top_k)
        status = c.driver->vector.search(&c.call, name_space, &full, rows, err);
    return store_hand_over(status, rows, out);
}

rag_status rag_vector_scan(rag_store *store, const rag_context *ctx, const char *name_space,
                           rag_slice after, size_t limit, unsigned what, rag_result **out,
                           rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter_kind(store, ctx, STORE_VECTOR, name_space, STORE_READ, &c, err));
    RAG_TRY(check_bits(what, VECTOR_BITS, "what", err));
    rag_result *rows;
    RAG_TRY(store_begin_page(after, out, &rows, err));
    const rag_status status =
        c.driver->vector.scan(&c.call, name_space, after, clamp_scan(limit), what, rows, err);
    return store_hand_over_page(status, rows, out);
}

rag_status rag_vector_count(rag_store *store, const rag_context *ctx, const char *name_space,
                            uint64_t *count, rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter_kind(store, ctx, STORE_VECTOR, name_space, STORE_READ, &c, err));
    RAG_TRY(check_out(count, err));
    return c.driver->vector.count(&c.call, name_space, count, err);
}
