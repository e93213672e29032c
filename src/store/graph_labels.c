/* Search in labels: rag_graph_search_labels(), and the answer for backends without an index.
 *
 * The query is stripped and checked here; slots get it neither empty nor with blanks around it. The
 * fallback takes the labels that the backend offers, or walks over all nodes page by page, folds each
 * label and keeps the best: what is a match and what it is worth is decided in core/label_rank.c for
 * everybody. Pages are separate snapshots unless the caller has a transaction. */
#include "core/alloc.h"
#include "core/fold.h"
#include "core/label_rank.h"
#include "core/limits.h"
#include "core/result.h"
#include "core/utf8.h"
#include "dispatch.h"

enum { SCAN_BATCH = 8192 };

struct walk {
    const rag_call *call;
    struct label_best best;
    rag_slice query; /* folded */
    char *folded;    /* scratch */
    size_t capacity;
    struct arena position;
};

/* Room for the folded form of `len` bytes. */
static rag_status reserve(struct walk *w, size_t len, rag_error *err)
{
    const size_t wanted = fold_bound(len);
    if (wanted <= w->capacity)
        return RAG_OK;
    char *bigger = rag_realloc(w->folded, wanted * 2);
    if (!bigger)
        return rag_fail_memory(err);
    w->folded = bigger;
    w->capacity = wanted * 2;
    return RAG_OK;
}

static rag_status consider(struct walk *w, rag_slice label, rag_error *err)
{
    int same_widths;
    RAG_TRY(reserve(w, label.len, err));
    const size_t len = fold_text(label.data, label.len, w->folded, &same_widths);
    const char *hit = memmem(w->folded, len, w->query.data, w->query.len);
    if (!hit)
        return RAG_OK;
    const int64_t score = label_score(slice_of(w->folded, len), w->query, hit);
    return label_best_offer(&w->best, score, label, err);
}

static rag_status consider_rows(struct walk *w, const rag_result *rows, rag_error *err)
{
    rag_status status = RAG_OK;
    for (size_t i = 0; status == RAG_OK && i < rows->count; i++)
        status = consider(w, rows->rows[i].key, err);
    return status;
}

/* One page of nodes; *after is where the next one goes on (in w->position), empty at the end. */
static rag_status consider_page(struct walk *w, rag_slice *after, rag_error *err)
{
    const rag_call *call = w->call;
    rag_result *rows = rag_result_new(err);
    if (!rows)
        return RAG_E_NO_MEMORY;
    rag_status status = call->host->check(call->ctx, err);
    if (status == RAG_OK)
        status =
            store_call_of(call)->driver->graph.scan_nodes(call, *after, SCAN_BATCH, 0, rows, err);
    if (status == RAG_OK)
        status = consider_rows(w, rows, err);
    if (status == RAG_OK) {
        const rag_slice next = rag_result_next(rows);
        arena_free(&w->position);
        const char *copy = arena_copy(&w->position, next.data, next.len);
        *after = slice_of(copy, next.len);
        if (!copy)
            status = rag_fail_memory(err);
    }
    rag_result_free(rows);
    return status;
}

static rag_status consider_all(struct walk *w, rag_error *err)
{
    rag_slice after = slice_of("", 0);
    rag_status status;
    do
        status = consider_page(w, &after, err);
    while (status == RAG_OK && after.len);
    return status;
}

static rag_status consider_candidates(struct walk *w, rag_error *err)
{
    rag_label_query query = { .text = w->query };
    char *memory = NULL;
    rag_result *rows = rag_result_new(err);
    if (!rows)
        return RAG_E_NO_MEMORY;
    rag_status status = fold_variants(w->query, &query.from, &query.to, &memory, err);
    if (status == RAG_OK)
        status = store_call_of(w->call)->driver->graph.label_candidates(w->call, &query,
                                                                        w->best.limit, rows, err);
    if (status == RAG_OK)
        status = consider_rows(w, rows, err);
    rag_free(memory);
    rag_result_free(rows);
    return status;
}

rag_status fallback_graph_search_labels(const rag_call *call, rag_slice query, size_t limit,
                                        rag_result *out, rag_error *err)
{
    struct walk w = { .call = call, .best = { .limit = limit } };
    int same_widths;
    char *folded = rag_alloc(fold_bound(query.len));
    if (!folded)
        return rag_fail_memory(err);
    w.query = slice_of(folded, fold_text(query.data, query.len, folded, &same_widths));
    rag_status status = store_call_of(call)->driver->graph.label_candidates
                            ? consider_candidates(&w, err)
                            : consider_all(&w, err);
    if (status == RAG_OK)
        status = label_best_give(&w.best, out, err);
    label_best_free(&w.best);
    arena_free(&w.position);
    rag_free(w.folded);
    rag_free(folded);
    return status;
}

rag_status rag_graph_search_labels(rag_store *store, const rag_context *ctx, rag_slice query,
                                   size_t limit, rag_result **out, rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter_kind(store, ctx, STORE_GRAPH, NULL, STORE_READ, &c, err));
    RAG_TRY(check_out(out, err));
    RAG_TRY(check_slice(query, "query", err));
    if (utf8_valid_prefix(query.data, query.len) != query.len)
        return rag_fail(err, RAG_E_INVALID, "the query is not valid UTF-8: '%.*s'",
                        RAG_SHOWN(query));
    if (!limit)
        limit = LIMIT_LABELS_DEFAULT;
    if (limit > LIMIT_SCAN_MAX)
        limit = LIMIT_SCAN_MAX;
    rag_result *rows = rag_result_new(err);
    if (!rows)
        return RAG_E_NO_MEMORY;
    const rag_slice wanted = fold_strip(query);
    rag_status status = RAG_OK;
    if (wanted.len && wanted.len <= fold_bound(LIMIT_KEY_BYTES)) /* no label is that long */
        status = c.driver->graph.search_labels(&c.call, wanted, limit, rows, err);
    return store_hand_over(status, rows, out);
}
