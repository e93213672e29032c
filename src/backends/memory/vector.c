/* Vectors with a payload. A search compares the query with every row: this is the answer that other
 * backends' indexes are measured against.
 *
 * Elements are floats here whatever the space says; in a float16 space they are rounded as float16
 * would round them (to nearest, ties to even), and what float16 cannot hold is refused. Scores are
 * computed in double. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"

/* ---- spaces -------------------------------------------------------------------------------------- */

static rag_status vector_define(const rag_call *call, const char *name_space,
                                const rag_vector_space *space, rag_vector_space *existing,
                                rag_error *err)
{
    struct write w;
    struct space *made;
    MEMORY_TRY(memory_write_begin(call, &w, err));
    const struct space *old = memory_version_space(w.work, KIND_VECTOR, name_space);
    rag_status status;
    if (old) {
        *existing = old->facts;
        status = call->host->fail(err, RAG_E_CONFLICT, "vector space '%s' exists", name_space);
    } else {
        status = memory_write_space(&w, KIND_VECTOR, name_space, &made, err);
        if (status == RAG_OK)
            made->facts = *space;
    }
    return memory_write_end(&w, status, NULL, err);
}

static rag_status no_space(const rag_call *call, const char *name_space, rag_error *err)
{
    return call->host->fail(err, RAG_E_NOT_FOUND, "vector space '%s' is not defined", name_space);
}

static rag_status vector_describe(const rag_call *call, const char *name_space,
                                  rag_vector_space *out, rag_error *err)
{
    struct version *v = memory_version_read(call);
    const struct space *space = memory_version_space(v, KIND_VECTOR, name_space);
    rag_status status = RAG_OK;
    if (space)
        *out = space->facts;
    else
        status = no_space(call, name_space, err);
    memory_version_release(call->host, v);
    return status;
}

/* ---- writing ------------------------------------------------------------------------------------- */

/* The nearest number that float16 has, for |x| < 65520; larger ones it cannot hold. */
static float round_to_half(float x)
{
    int exponent;
    (void)frexpf(x, &exponent); /* |x| is below 2^exponent */
    if (exponent < -13)
        exponent = -13;             /* from here down the steps stay the same */
    const int step = exponent - 11; /* 11 bits of mantissa, the first one implicit */
    return ldexpf(rintf(ldexpf(x, -step)), step);
}

static rag_status copy_elements(const rag_call *call, const char *name_space,
                                const rag_vector_item *item, rag_element element, float *to,
                                rag_error *err)
{
    if (element != RAG_ELEMENT_FLOAT16) {
        memcpy(to, item->vector, item->dimension * sizeof *to);
        return RAG_OK;
    }
    for (size_t i = 0; i < item->dimension; i++) {
        if (!(fabsf(item->vector[i]) < 65520.0f)) {
            const int shown = item->id.len < 120 ? (int)item->id.len : 120;
            return call->host->fail(err, RAG_E_INVALID,
                                    "element %zu of vector '%.*s' is %g, too large for the "
                                    "float16 of space '%s'",
                                    i, shown, (const char *)item->id.data, (double)item->vector[i],
                                    name_space);
        }
        to[i] = round_to_half(item->vector[i]);
    }
    return RAG_OK;
}

/* The library has compared the dimensions; meanwhile somebody may have dropped the space and defined
 * another one. */
static rag_status check_dimension(const rag_call *call, const struct space *space, size_t given,
                                  rag_error *err)
{
    if (given == space->facts.dimension)
        return RAG_OK;
    return call->host->fail(err, RAG_E_MISMATCH, "vector space '%s' has dimension %u, not %zu",
                            space->name, space->facts.dimension, given);
}

rag_status memory_vector_copy(const rag_call *call, const struct space *space,
                              const rag_vector_item *item, float *to, rag_error *err)
{
    MEMORY_TRY(check_dimension(call, space, item->dimension, err));
    return copy_elements(call, space->name, item, space->facts.element, to, err);
}

rag_status memory_vector_put(struct write *w, struct space *space, const rag_vector_item *item,
                             int64_t now, rag_error *err)
{
    const rag_host *host = w->call->host;
    MEMORY_TRY(check_dimension(w->call, space, item->dimension, err));
    struct row *row = memory_row_new(host, item->id, &item->value, 1, item->dimension);
    if (!row)
        return memory_no_memory(host, err);
    const rag_status status =
        copy_elements(w->call, space->name, item, space->facts.element, row->vector, err);
    if (status != RAG_OK) {
        memory_item_release(host, &row->item);
        return status;
    }
    row->created_at = item->created_at ? item->created_at : now;
    if (item->created_at == RAG_TIME_UNKNOWN)
        row->created_at = 0;
    return memory_rows_put(w, space, row, err);
}

static rag_status put_items(struct write *w, const char *name_space, const rag_vector_item *items,
                            size_t n, rag_error *err)
{
    if (!memory_version_space(w->work, KIND_VECTOR, name_space))
        return no_space(w->call, name_space, err);
    struct space *space;
    MEMORY_TRY(memory_write_space(w, KIND_VECTOR, name_space, &space, err));
    const int64_t now = memory_now();
    for (size_t i = 0; i < n; i++) {
        MEMORY_TRY(memory_check(w->call, i, err));
        MEMORY_TRY(memory_vector_put(w, space, &items[i], now, err));
    }
    return memory_pending_discard(w, name_space, &items->id, sizeof *items, n, err);
}

static rag_status vector_put_many(const rag_call *call, const char *name_space,
                                  const rag_vector_item *items, size_t n, rag_token *token,
                                  rag_error *err)
{
    struct write w;
    MEMORY_TRY(memory_write_begin(call, &w, err));
    return memory_write_end(&w, put_items(&w, name_space, items, n, err), token, err);
}

static rag_status delete_ids(struct write *w, const char *name_space, const rag_slice *ids,
                             size_t n, uint64_t *removed, rag_error *err)
{
    MEMORY_TRY(memory_rows_remove_all(w, KIND_VECTOR, name_space, ids, n, removed, err));
    return memory_pending_discard(w, name_space, ids, sizeof *ids, n, err);
}

static rag_status vector_delete_many(const rag_call *call, const char *name_space,
                                     const rag_slice *ids, size_t n, uint64_t *deleted,
                                     rag_token *token, rag_error *err)
{
    struct write w;
    uint64_t removed = 0;
    MEMORY_TRY(memory_write_begin(call, &w, err));
    const rag_status status = delete_ids(&w, name_space, ids, n, &removed, err);
    MEMORY_TRY(memory_write_end(&w, status, token, err));
    *deleted = removed;
    return RAG_OK;
}

/* *is_named: a member of the payload has one of the names. */
static rag_status look_at_names(const rag_call *call, const struct row *row, const rag_slice *names,
                                size_t n, int *is_named, rag_error *err)
{
    static const char *const members[] = { "entity_name", "src_id", "tgt_id" };
    *is_named = 0;
    for (size_t m = 0; m < 3 && !*is_named; m++) {
        rag_slice own = { NULL, 0 };
        char *text = NULL;
        MEMORY_TRY(call->host->json_string(row->parts[0], members[m], &text, &own.len, err));
        if (!text)
            continue;
        own.data = text;
        for (size_t i = 0; i < n && !*is_named; i++)
            *is_named = memory_compare_keys(own, names[i]) == 0;
        call->host->free(text);
    }
    return RAG_OK;
}

rag_status memory_vector_remove_named(struct write *w, enum kind kind, const char *name_space,
                                      const rag_slice *names, size_t n, uint64_t *removed,
                                      rag_error *err)
{
    const struct space *old = memory_version_space(w->work, kind, name_space);
    if (!old)
        return RAG_OK;
    struct space *space;
    MEMORY_TRY(memory_write_space(w, kind, name_space, &space, err));
    size_t step = 0;
    const rag_slice from_start = { NULL, 0 };
    for (const struct item *item = memory_map_above(old->rows, from_start); item;
         item = memory_map_above(old->rows, item->key)) {
        const struct row *row = (const struct row *)item;
        int is_named = 0;
        MEMORY_TRY(memory_check(w->call, step++, err));
        if (!row->is_deleted)
            MEMORY_TRY(look_at_names(w->call, row, names, n, &is_named, err));
        if (is_named)
            MEMORY_TRY(memory_rows_remove(w, space, item->key, removed, err));
    }
    return RAG_OK;
}

/* What is pending of a row that goes, goes with it, whatever its payload says. */
static rag_status discard_of_removed(struct write *w, const char *name_space, rag_error *err)
{
    const struct map before = memory_version_rows(w->work, KIND_VECTOR, name_space);
    const struct map pending = memory_version_rows(w->work, KIND_PENDING, name_space);
    const struct space *changed = w->changed_count ? w->changed[0] : NULL;
    struct space *space = NULL;
    uint64_t removed = 0;
    const rag_slice from_start = { NULL, 0 };
    for (size_t i = 1; i < w->changed_count; i++)
        space = w->changed[i]->kind == KIND_PENDING ? w->changed[i] : space;
    if (!changed || !space)
        return RAG_OK;
    for (const struct item *item = memory_map_above(pending, from_start); item;
         item = memory_map_above(pending, item->key))
        if (memory_map_find(before, item->key) && !memory_map_find(changed->rows, item->key))
            MEMORY_TRY(memory_rows_remove(w, space, item->key, &removed, err));
    return RAG_OK;
}

static rag_status delete_named(struct write *w, const char *name_space, const rag_slice *names,
                               size_t n, uint64_t *removed, rag_error *err)
{
    uint64_t waiting = 0;
    MEMORY_TRY(memory_vector_remove_named(w, KIND_VECTOR, name_space, names, n, removed, err));
    MEMORY_TRY(memory_vector_remove_named(w, KIND_PENDING, name_space, names, n, &waiting, err));
    return discard_of_removed(w, name_space, err);
}

static rag_status vector_delete_named(const rag_call *call, const char *name_space,
                                      const rag_slice *names, size_t n, uint64_t *deleted,
                                      rag_token *token, rag_error *err)
{
    struct write w;
    uint64_t removed = 0;
    MEMORY_TRY(memory_write_begin(call, &w, err));
    const rag_status status = delete_named(&w, name_space, names, n, &removed, err);
    MEMORY_TRY(memory_write_end(&w, status, token, err));
    *deleted = removed;
    return RAG_OK;
}

/* ---- reading ------------------------------------------------------------------------------------- */

static rag_status vector_get_many(const rag_call *call, const char *name_space,
                                  const rag_slice *ids, size_t n, unsigned what, rag_result *out,
                                  rag_error *err)
{
    return memory_pending_get(call, name_space, ids, n, what, out, err);
}

static rag_status vector_scan(const rag_call *call, const char *name_space, rag_slice after,
                              size_t limit, unsigned what, rag_result *out, rag_error *err)
{
    return memory_rows_scan(call, KIND_VECTOR, name_space, after, limit, what, out, err);
}

static rag_status vector_count(const rag_call *call, const char *name_space, uint64_t *count,
                               rag_error *err)
{
    (void)err;
    struct version *v = memory_version_read(call);
    *count = memory_map_count(memory_version_rows(v, KIND_VECTOR, name_space));
    memory_version_release(call->host, v);
    return RAG_OK;
}

static rag_status vector_drop(const rag_call *call, const char *name_space, rag_error *err)
{
    static const enum kind kinds[] = { KIND_VECTOR, KIND_PENDING };
    return memory_rows_drop(call, kinds, 2, name_space, err);
}

/* ---- search -------------------------------------------------------------------------------------- */

struct hit {
    const struct row *row;
    double score;
};

/* Best first, equal scores by id. */
static int compare_hits(const void *a, const void *b)
{
    const struct hit *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return memory_compare_keys(x->row->item.key, y->row->item.key);
}

static double dot(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

/* 0: a row of length zero, which no search finds. */
static int score_row(const struct row *row, const rag_vector_query *query, rag_metric metric,
                     double query_length, double *score)
{
    const double length = sqrt(dot(row->vector, row->vector, row->dimension));
    if (length == 0)
        return 0;
    *score = dot(row->vector, query->vector, row->dimension);
    if (metric == RAG_METRIC_COSINE)
        *score /= length * query_length;
    return 1;
}

static rag_status collect_hits(const rag_call *call, const struct space *space,
                               const rag_vector_query *query, struct hit *hits, size_t *count,
                               rag_error *err)
{
    const double query_length = sqrt(dot(query->vector, query->vector, query->dimension));
    const rag_slice from_start = { NULL, 0 };
    size_t step = 0;
    for (const struct item *item = memory_map_above(space->rows, from_start); item;
         item = memory_map_above(space->rows, item->key)) {
        MEMORY_TRY(memory_check(call, step++, err));
        struct hit hit = { (const struct row *)item, 0 };
        if (score_row(hit.row, query, space->facts.metric, query_length, &hit.score) &&
            hit.score >= query->min_score)
            hits[(*count)++] = hit;
    }
    return RAG_OK;
}

static rag_status append_hits(const rag_call *call, const struct hit *hits, size_t count,
                              const rag_vector_query *query, rag_result *out, rag_error *err)
{
    for (size_t i = 0; i < count && i < query->top_k; i++) {
        const struct row *row = hits[i].row;
        rag_row answer = { .key = row->item.key, .found = 1 };
        answer.score = hits[i].score;
        answer.created_at = row->created_at;
        if (query->what & RAG_VECTOR_VALUES)
            answer.value = row->parts[0];
        if (query->what & RAG_VECTOR_VECTORS) {
            answer.vector = row->vector;
            answer.dimension = row->dimension;
        }
        MEMORY_TRY(call->host->row_append(out, &answer, err));
    }
    if (count <= query->top_k)
        call->host->result_flags(out, RAG_RESULT_EXHAUSTED);
    return RAG_OK;
}

static rag_status search_space(const rag_call *call, const struct space *space,
                               const rag_vector_query *query, rag_result *out, rag_error *err)
{
    MEMORY_TRY(check_dimension(call, space, query->dimension, err));
    size_t count = 0;
    struct hit *hits = call->host->alloc(memory_map_count(space->rows) * sizeof *hits);
    if (!hits)
        return memory_no_memory(call->host, err);
    rag_status status = collect_hits(call, space, query, hits, &count, err);
    if (status == RAG_OK) {
        qsort(hits, count, sizeof *hits, compare_hits);
        status = append_hits(call, hits, count, query, out, err);
    }
    call->host->free(hits);
    return status;
}

static rag_status vector_search(const rag_call *call, const char *name_space,
                                const rag_vector_query *query, rag_result *out, rag_error *err)
{
    struct version *v = memory_version_read(call);
    const struct space *space = memory_version_space(v, KIND_VECTOR, name_space);
    const rag_status status =
        space ? search_space(call, space, query, out, err) : no_space(call, name_space, err);
    memory_version_release(call->host, v);
    return status;
}

const rag_vector_table memory_vector = {
    .struct_size = sizeof memory_vector,
    .define = vector_define,
    .describe = vector_describe,
    .put_many = vector_put_many,
    .get_many = vector_get_many,
    .delete_many = vector_delete_many,
    .search = vector_search,
    .scan = vector_scan,
    .count = vector_count,
    .drop = vector_drop,
    .delete_named = vector_delete_named,
    .pending_put = memory_pending_put,
    .pending_delete = memory_pending_delete,
    .pending_scan = memory_pending_scan,
    .pending_resolve = memory_pending_resolve,
    .pending_drop = memory_pending_drop,
};
