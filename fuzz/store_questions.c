/* The questions that fuzz_store asks: all of the four stores by every way that leads to the rows.
 *
 * What an answer says is taken as one number, which is compared with the one that the healthy store
 * gave. Rows in full, page by page where the call has pages. A walk has an end even when damage
 * makes it go in circles: PAGES_MAX is far beyond what a healthy store of this size needs, and
 * running into it is a finding. */
#include <string.h>

#include "store_samples.h"
#include "vindex/vindex.h"

enum { PAGE_ROWS = 100, PAGES_MAX = 2000, DIMENSION_MOST = 64 };

enum { KEYS = 4 };

struct asking {
    rag_store *store;
    rag_slice keys[KEYS]; /* in the made samples, in the imported ones, and nowhere */
    uint64_t digest;
    rag_error err;
};

static void add(struct asking *a, const void *bytes, size_t len)
{
    static const char nothing[1] = "";
    const uint64_t sums[] = { a->digest, vindex_checksum(bytes ? bytes : nothing, len), len };
    a->digest = vindex_checksum(sums, sizeof sums);
}

static void add_slice(struct asking *a, rag_slice slice)
{
    add(a, slice.data, slice.len);
}

static void add_number(struct asking *a, int64_t number)
{
    add(a, &number, sizeof number);
}

static void add_row(struct asking *a, const rag_row *row)
{
    add_slice(a, row->key);
    add_slice(a, row->key2);
    add_slice(a, row->value);
    add_number(a, row->found);
    add(a, &row->score, sizeof row->score);
    add_number(a, row->number);
    add_number(a, row->created_at);
    add_number(a, row->updated_at);
    add(a, row->vector, row->vector ? row->dimension * sizeof(float) : 0);
}

static rag_status take(struct asking *a, rag_status status, rag_result *result)
{
    if (status != RAG_OK)
        return status;
    add_number(a, (int64_t)rag_result_total(result));
    add_number(a, rag_result_flags(result));
    for (size_t i = 0; i < rag_result_count(result); i++)
        add_row(a, rag_result_row(result, i));
    rag_result_free(result);
    return RAG_OK;
}

/* ---- pages ------------------------------------------------------------------------------------------- */

typedef rag_status (*page_call)(struct asking *a, rag_slice after, rag_result **out);

static rag_status walk(struct asking *a, page_call page)
{
    static char after[4096]; /* keys of the samples are short; a damaged one may be cut */
    size_t len = 0;
    for (int i = 0; i < PAGES_MAX; i++) {
        rag_result *result = NULL;
        const rag_status status = page(a, (rag_slice){ after, len }, &result);
        if (status != RAG_OK)
            return status;
        const rag_slice next = rag_result_next(result);
        len = next.len < sizeof after ? next.len : sizeof after;
        if (len)
            memcpy(after, next.data, len);
        (void)take(a, RAG_OK, result);
        if (!len)
            return RAG_OK;
    }
    require(!"a walk ends");
    return RAG_OK;
}

static rag_status page_kv(struct asking *a, rag_slice after, rag_result **out)
{
    return rag_kv_scan(a->store, NULL, "text_chunks", after, PAGE_ROWS, out, &a->err);
}

static rag_status page_cache(struct asking *a, rag_slice after, rag_result **out)
{
    return rag_kv_scan(a->store, NULL, "llm_response_cache", after, PAGE_ROWS, out, &a->err);
}

static rag_status page_nodes(struct asking *a, rag_slice after, rag_result **out)
{
    return rag_graph_scan_nodes(a->store, NULL, after, PAGE_ROWS, RAG_GRAPH_VALUES, out, &a->err);
}

static rag_status page_edges(struct asking *a, rag_slice after, rag_result **out)
{
    return rag_graph_scan_edges(a->store, NULL, after, PAGE_ROWS, RAG_GRAPH_VALUES, out, &a->err);
}

static rag_status page_docs(struct asking *a, rag_slice after, rag_result **out)
{
    return rag_docstatus_scan(a->store, NULL, after, PAGE_ROWS, out, &a->err);
}

static const char *const statuses[] = { "pending", "processed", "failed" };

static rag_status page_sweep(struct asking *a, rag_slice after, rag_result **out)
{
    rag_doc_sweep sweep = RAG_DOC_SWEEP_INIT;
    sweep.statuses = statuses;
    sweep.status_count = 3;
    sweep.after = after;
    sweep.what = RAG_DOC_FULL;
    return rag_docstatus_sweep(a->store, NULL, &sweep, out, &a->err);
}

static rag_status page_conflicts(struct asking *a, rag_slice after, rag_result **out)
{
    return rag_docstatus_conflicts(a->store, NULL, after, PAGE_ROWS, out, &a->err);
}

static rag_status page_entities(struct asking *a, rag_slice after, rag_result **out)
{
    return rag_vector_scan(a->store, NULL, "entities", after, PAGE_ROWS,
                           RAG_VECTOR_VALUES | RAG_VECTOR_VECTORS, out, &a->err);
}

static rag_status page_pending(struct asking *a, rag_slice after, rag_result **out)
{
    return rag_vector_pending(a->store, NULL, "entities", after, PAGE_ROWS, out, &a->err);
}

/* ---- rows by name ------------------------------------------------------------------------------------ */

static rag_status kv_rows(struct asking *a, rag_result **out)
{
    return rag_kv_get_many(a->store, NULL, "text_chunks", a->keys, KEYS, out, &a->err);
}

static rag_status missing_rows(struct asking *a, rag_result **out)
{
    return rag_kv_filter_missing(a->store, NULL, "text_chunks", a->keys, KEYS, out, &a->err);
}

static rag_status ask_kv_count(struct asking *a)
{
    uint64_t n = 0;
    rag_kv_limits limits = { .struct_size = sizeof limits };
    const rag_status status = rag_kv_count(a->store, NULL, "text_chunks", &n, &a->err);
    if (status != RAG_OK)
        return status;
    add_number(a, (int64_t)n);
    return rag_kv_get_limits(a->store, NULL, "llm_response_cache", &limits, &a->err);
}

static rag_status node_rows(struct asking *a, rag_result **out)
{
    return rag_graph_get_nodes(a->store, NULL, a->keys, KEYS, RAG_GRAPH_VALUES, out, &a->err);
}

static rag_status edge_rows(struct asking *a, rag_result **out)
{
    const rag_pair pairs[] = { { rag_text("name-0"), rag_text("name-3") },
                               { rag_text("name-3"), rag_text("name-4") },
                               { rag_text("name-1"), rag_text("nowhere") } };
    return rag_graph_get_edges(a->store, NULL, pairs, 3, RAG_GRAPH_VALUES, out, &a->err);
}

static rag_status incident_rows(struct asking *a, rag_result **out)
{
    return rag_graph_incident(a->store, NULL, a->keys, KEYS, RAG_GRAPH_VALUES, out, &a->err);
}

static rag_status ask_graph_count(struct asking *a)
{
    uint64_t nodes = 0, edges = 0;
    const rag_status status = rag_graph_count(a->store, NULL, &nodes, &edges, &a->err);
    add_number(a, (int64_t)nodes);
    add_number(a, (int64_t)edges);
    return status;
}

static rag_status popular_rows(struct asking *a, rag_result **out)
{
    return rag_graph_popular(a->store, NULL, 20, out, &a->err);
}

static rag_status label_rows(struct asking *a, rag_result **out)
{
    return rag_graph_search_labels(a->store, NULL, rag_text("NAME-1"), 0, out, &a->err);
}

static rag_status letter_rows(struct asking *a, rag_result **out)
{
    return rag_graph_search_labels(a->store, NULL, rag_text("e"), 0, out, &a->err);
}

static rag_status view(struct asking *a, const char *label)
{
    rag_graph_view_options options = RAG_GRAPH_VIEW_OPTIONS_INIT;
    options.max_nodes = 40;
    rag_result *nodes = NULL, *edges = NULL;
    const rag_status status =
        rag_graph_view(a->store, NULL, rag_text(label), &options, &nodes, &edges, &a->err);
    if (status != RAG_OK)
        return status;
    (void)take(a, status, nodes);
    return take(a, status, edges);
}

static rag_status ask_view(struct asking *a)
{
    return view(a, "name-3");
}

static rag_status ask_view_all(struct asking *a)
{
    return view(a, "*");
}

/* ---- documents ----------------------------------------------------------------------------------------- */

static rag_status count_rows(struct asking *a, rag_result **out)
{
    return rag_docstatus_counts(a->store, NULL, out, &a->err);
}

static rag_status ask_doc_count(struct asking *a)
{
    uint64_t n = 0;
    const rag_status status = rag_docstatus_count(a->store, NULL, statuses, 3, &n, &a->err);
    add_number(a, (int64_t)n);
    return status;
}

static rag_status doc_rows(struct asking *a, rag_result **out)
{
    return rag_docstatus_get_many(a->store, NULL, a->keys, KEYS, out, &a->err);
}

static rag_status record_rows(struct asking *a, rag_result **out)
{
    return rag_docstatus_read_many(a->store, NULL, a->keys, KEYS, RAG_DOC_RECORD, 0, out, &a->err);
}

static rag_status newest_rows(struct asking *a, rag_result **out)
{
    const rag_doc_page page = RAG_DOC_PAGE_INIT; /* by updated_at */
    return rag_docstatus_page(a->store, NULL, &page, out, &a->err);
}

static rag_status path_rows(struct asking *a, rag_result **out)
{
    rag_doc_page page = RAG_DOC_PAGE_INIT;
    page.sort = RAG_DOC_SORT_FILE_PATH;
    return rag_docstatus_page(a->store, NULL, &page, out, &a->err);
}

static rag_status find(struct asking *a, rag_doc_by by, const char *text, rag_result **out)
{
    rag_doc_query query = RAG_DOC_QUERY_INIT;
    query.by = by;
    query.text = rag_text(text);
    return rag_docstatus_find(a->store, NULL, &query, out, &a->err);
}

static rag_status rows_of_track(struct asking *a, rag_result **out)
{
    return find(a, RAG_DOC_BY_TRACK_ID, "track-1", out);
}

static rag_status rows_of_path(struct asking *a, rag_result **out)
{
    return find(a, RAG_DOC_BY_FILE_PATH, "file-1.txt", out);
}

static rag_status rows_of_hash(struct asking *a, rag_result **out)
{
    return find(a, RAG_DOC_BY_CONTENT_HASH, "track-1", out);
}

static rag_status resolve_rows(struct asking *a, rag_result **out)
{
    return rag_docstatus_resolve(a->store, NULL, rag_text("file-1.txt"), out, &a->err);
}

/* ---- vectors --------------------------------------------------------------------------------------------- */

static rag_status vector_rows(struct asking *a, rag_result **out)
{
    return rag_vector_get_many(a->store, NULL, "entities", a->keys, KEYS,
                               RAG_VECTOR_VALUES | RAG_VECTOR_VECTORS, out, &a->err);
}

static rag_status ask_space(struct asking *a)
{
    rag_vector_space space = RAG_VECTOR_SPACE_INIT;
    uint64_t n = 0;
    rag_status status = rag_vector_describe(a->store, NULL, "entities", &space, &a->err);
    if (status == RAG_OK)
        status = rag_vector_count(a->store, NULL, "entities", &n, &a->err);
    if (status != RAG_OK)
        return status;
    add_number(a, space.dimension);
    add_number(a, (int64_t)space.metric * 10 + space.element);
    add_slice(a, rag_text(space.model));
    add_number(a, (int64_t)n);
    return RAG_OK;
}

static rag_status search(struct asking *a, const char *name, int exact, rag_result **out)
{
    static float vector[DIMENSION_MOST];
    rag_vector_space space = RAG_VECTOR_SPACE_INIT;
    const rag_status status = rag_vector_describe(a->store, NULL, name, &space, &a->err);
    if (status != RAG_OK)
        return status;
    for (size_t i = 0; i < DIMENSION_MOST; i++)
        vector[i] = (float)(i % 5) - 1.5F;
    rag_vector_query query = RAG_VECTOR_QUERY_INIT;
    query.vector = vector;
    query.dimension = space.dimension < DIMENSION_MOST ? space.dimension : DIMENSION_MOST;
    query.what = RAG_VECTOR_VALUES | RAG_VECTOR_VECTORS;
    query.exact = exact;
    return rag_vector_search(a->store, NULL, name, &query, out, &a->err);
}

static rag_status hits(struct asking *a, rag_result **out)
{
    return search(a, "entities", 0, out);
}

static rag_status exact_hits(struct asking *a, rag_result **out)
{
    return search(a, "entities", 1, out);
}

static rag_status chunk_hits(struct asking *a, rag_result **out)
{
    return search(a, "chunks", 0, out);
}

/* ---- the whole --------------------------------------------------------------------------------------------- */

static rag_status namespace_rows(struct asking *a, rag_result **out)
{
    return rag_store_namespaces(a->store, NULL, out, &a->err);
}

/* Sizes and versions are in it: only that it answers. */
static rag_status ask_describe(struct asking *a)
{
    rag_result *r = NULL;
    const rag_status status = rag_store_describe(a->store, NULL, &r, &a->err);
    rag_result_free(r);
    return status;
}

static rag_status hash_rows(struct asking *a, rag_result **out)
{
    return rag_store_content_hash(a->store, NULL, out, &a->err);
}

/* One of `page`, `rows` and `ask`: rows page by page, rows at once, and what is neither. */
static const struct question {
    const char *name;
    unsigned about;
    int is_stable;
    page_call page;
    rag_status (*rows)(struct asking *a, rag_result **out);
    rag_status (*ask)(struct asking *a);
} questions[QUESTIONS] = {
    { "kv scan", ABOUT_REST, 1, .page = page_kv },
    { "kv scan of a cache", ABOUT_REST, 1, .page = page_cache },
    { "kv get", ABOUT_REST, 1, .rows = kv_rows },
    { "kv missing", ABOUT_REST, 1, .rows = missing_rows },
    { "kv count", ABOUT_REST, 1, .ask = ask_kv_count },
    { "graph nodes", ABOUT_REST, 1, .page = page_nodes },
    { "graph edges", ABOUT_REST, 1, .page = page_edges },
    { "graph get nodes", ABOUT_REST, 1, .rows = node_rows },
    { "graph get edges", ABOUT_REST, 1, .rows = edge_rows },
    { "graph incident", ABOUT_REST, 1, .rows = incident_rows },
    { "graph count", ABOUT_REST, 1, .ask = ask_graph_count },
    { "graph popular", ABOUT_REST, 1, .rows = popular_rows },
    { "graph labels", ABOUT_REST, 1, .rows = label_rows },
    { "graph labels by a letter", ABOUT_REST, 1, .rows = letter_rows },
    { "graph view", ABOUT_REST, 1, .ask = ask_view },
    { "graph view of all", ABOUT_REST, 1, .ask = ask_view_all },
    { "docs scan", ABOUT_REST, 1, .page = page_docs },
    { "docs sweep", ABOUT_REST, 1, .page = page_sweep },
    { "docs counts", ABOUT_REST, 1, .rows = count_rows },
    { "docs count", ABOUT_REST, 1, .ask = ask_doc_count },
    { "docs get", ABOUT_REST, 1, .rows = doc_rows },
    { "docs records", ABOUT_REST, 1, .rows = record_rows },
    { "docs newest", ABOUT_REST, 1, .rows = newest_rows },
    { "docs by path", ABOUT_REST, 1, .rows = path_rows },
    { "docs of a track", ABOUT_REST, 1, .rows = rows_of_track },
    { "docs of a path", ABOUT_REST, 1, .rows = rows_of_path },
    { "docs of a hash", ABOUT_REST, 1, .rows = rows_of_hash },
    { "docs resolve", ABOUT_REST, 1, .rows = resolve_rows },
    { "docs conflicts", ABOUT_REST, 1, .page = page_conflicts },
    { "vector scan", ABOUT_VECTORS, 1, .page = page_entities },
    { "vector get", ABOUT_VECTORS, 1, .rows = vector_rows },
    { "vector space", ABOUT_VECTORS, 1, .ask = ask_space },
    { "vector search", ABOUT_VECTORS, 1, .rows = hits },
    { "vector search exact", ABOUT_VECTORS, 1, .rows = exact_hits },
    { "vector search in chunks", ABOUT_VECTORS, 1, .rows = chunk_hits },
    { "vector pending", ABOUT_VECTORS, 1, .page = page_pending },
    { "namespaces", ABOUT_REST, 0, .rows = namespace_rows },
    { "describe", ABOUT_REST, 1, .ask = ask_describe },
    { "content hash", ABOUT_ALL, 0, .rows = hash_rows },
};

static rag_status ask(struct asking *a, const struct question *q)
{
    if (q->page)
        return walk(a, q->page);
    if (q->ask)
        return q->ask(a);
    rag_result *result = NULL;
    const rag_status status = q->rows(a, &result);
    return take(a, status, result);
}

void questions_ask(rag_store *store, unsigned subjects, struct answers *out)
{
    for (size_t i = 0; i < QUESTIONS; i++) {
        out->is_asked[i] = (questions[i].about & subjects) != 0;
        if (!out->is_asked[i])
            continue;
        struct asking a = { .store = store,
                            .keys = { rag_text("name-7"), rag_text("name-41"), rag_text("Alice"),
                                      rag_text("nowhere") },
                            .err = RAG_ERROR_INIT };
        out->status[i] = ask(&a, &questions[i]);
        out->digest[i] = a.digest;
        require(out->status[i] == RAG_OK || a.err.message[0] != 0);
    }
}

int question_is_stable(size_t question)
{
    return questions[question].is_stable;
}

const char *question_name(size_t question)
{
    return questions[question].name;
}
