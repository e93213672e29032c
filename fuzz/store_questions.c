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

struct asking {
    rag_store *store;
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

static rag_status ask_kv_scan(struct asking *a)
{
    return walk(a, page_kv);
}

static rag_status ask_cache_scan(struct asking *a)
{
    return walk(a, page_cache);
}

static rag_status ask_node_scan(struct asking *a)
{
    return walk(a, page_nodes);
}

static rag_status ask_edge_scan(struct asking *a)
{
    return walk(a, page_edges);
}

static rag_status ask_doc_scan(struct asking *a)
{
    return walk(a, page_docs);
}

static rag_status ask_sweep(struct asking *a)
{
    return walk(a, page_sweep);
}

static rag_status ask_conflicts(struct asking *a)
{
    return walk(a, page_conflicts);
}

static rag_status ask_vector_scan(struct asking *a)
{
    return walk(a, page_entities);
}

static rag_status ask_pending(struct asking *a)
{
    return walk(a, page_pending);
}

/* ---- rows by name ------------------------------------------------------------------------------------ */

/* In the made samples, in the imported ones, and nowhere. */
#define KEYS { rag_text("name-7"), rag_text("name-41"), rag_text("Alice"), rag_text("nowhere") }
enum { KEY_COUNT = 4 };

static rag_status ask_kv(struct asking *a)
{
    const rag_slice keys[] = KEYS;
    rag_result *r = NULL;
    const rag_status status =
        rag_kv_get_many(a->store, NULL, "text_chunks", keys, KEY_COUNT, &r, &a->err);
    return take(a, status, r);
}

static rag_status ask_kv_missing(struct asking *a)
{
    const rag_slice keys[] = KEYS;
    rag_result *r = NULL;
    const rag_status status =
        rag_kv_filter_missing(a->store, NULL, "text_chunks", keys, KEY_COUNT, &r, &a->err);
    return take(a, status, r);
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

static rag_status ask_nodes(struct asking *a)
{
    const rag_slice labels[] = KEYS;
    rag_result *r = NULL;
    const rag_status status =
        rag_graph_get_nodes(a->store, NULL, labels, KEY_COUNT, RAG_GRAPH_VALUES, &r, &a->err);
    return take(a, status, r);
}

static rag_status ask_edges(struct asking *a)
{
    const rag_pair pairs[] = { { rag_text("name-0"), rag_text("name-3") },
                               { rag_text("name-3"), rag_text("name-4") },
                               { rag_text("name-1"), rag_text("nowhere") } };
    rag_result *r = NULL;
    const rag_status status =
        rag_graph_get_edges(a->store, NULL, pairs, 3, RAG_GRAPH_VALUES, &r, &a->err);
    return take(a, status, r);
}

static rag_status ask_incident(struct asking *a)
{
    const rag_slice labels[] = KEYS;
    rag_result *r = NULL;
    const rag_status status =
        rag_graph_incident(a->store, NULL, labels, KEY_COUNT, RAG_GRAPH_VALUES, &r, &a->err);
    return take(a, status, r);
}

static rag_status ask_graph_count(struct asking *a)
{
    uint64_t nodes = 0, edges = 0;
    const rag_status status = rag_graph_count(a->store, NULL, &nodes, &edges, &a->err);
    add_number(a, (int64_t)nodes);
    add_number(a, (int64_t)edges);
    return status;
}

static rag_status ask_popular(struct asking *a)
{
    rag_result *r = NULL;
    const rag_status status = rag_graph_popular(a->store, NULL, 20, &r, &a->err);
    return take(a, status, r);
}

static rag_status ask_labels(struct asking *a)
{
    rag_result *r = NULL;
    rag_status status = rag_graph_search_labels(a->store, NULL, rag_text("NAME-1"), 0, &r, &a->err);
    status = take(a, status, r);
    r = NULL;
    if (status == RAG_OK)
        status = rag_graph_search_labels(a->store, NULL, rag_text("e"), 0, &r, &a->err);
    return take(a, status, r);
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

static rag_status ask_doc_counts(struct asking *a)
{
    rag_result *r = NULL;
    uint64_t n = 0;
    rag_status status = rag_docstatus_counts(a->store, NULL, &r, &a->err);
    status = take(a, status, r);
    if (status == RAG_OK)
        status = rag_docstatus_count(a->store, NULL, statuses, 3, &n, &a->err);
    add_number(a, (int64_t)n);
    return status;
}

static rag_status ask_docs(struct asking *a)
{
    const rag_slice ids[] = KEYS;
    rag_result *r = NULL;
    rag_status status = rag_docstatus_get_many(a->store, NULL, ids, KEY_COUNT, &r, &a->err);
    status = take(a, status, r);
    r = NULL;
    if (status == RAG_OK)
        status =
            rag_docstatus_read_many(a->store, NULL, ids, KEY_COUNT, RAG_DOC_RECORD, 0, &r, &a->err);
    return take(a, status, r);
}

static rag_status doc_page(struct asking *a, rag_doc_sort sort)
{
    rag_doc_page page = RAG_DOC_PAGE_INIT;
    page.sort = sort;
    rag_result *r = NULL;
    const rag_status status = rag_docstatus_page(a->store, NULL, &page, &r, &a->err);
    return take(a, status, r);
}

static rag_status ask_docs_newest(struct asking *a)
{
    return doc_page(a, RAG_DOC_SORT_UPDATED_AT);
}

static rag_status ask_docs_by_path(struct asking *a)
{
    return doc_page(a, RAG_DOC_SORT_FILE_PATH);
}

static rag_status ask_docs_found(struct asking *a)
{
    rag_doc_query query = RAG_DOC_QUERY_INIT;
    rag_status status = RAG_OK;
    for (int by = RAG_DOC_BY_TRACK_ID; by <= RAG_DOC_BY_CONTENT_HASH && status == RAG_OK; by++) {
        rag_result *r = NULL;
        query.by = (rag_doc_by)by;
        query.text = rag_text(by == RAG_DOC_BY_FILE_PATH ? "file-1.txt" : "track-1");
        status = rag_docstatus_find(a->store, NULL, &query, &r, &a->err);
        status = take(a, status, r);
    }
    return status;
}

static rag_status ask_resolve(struct asking *a)
{
    rag_result *r = NULL;
    const rag_status status =
        rag_docstatus_resolve(a->store, NULL, rag_text("file-1.txt"), &r, &a->err);
    return take(a, status, r);
}

/* ---- vectors --------------------------------------------------------------------------------------------- */

static rag_status ask_vectors(struct asking *a)
{
    const rag_slice ids[] = KEYS;
    rag_result *r = NULL;
    const rag_status status =
        rag_vector_get_many(a->store, NULL, "entities", ids, KEY_COUNT,
                            RAG_VECTOR_VALUES | RAG_VECTOR_VECTORS, &r, &a->err);
    return take(a, status, r);
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

static rag_status search(struct asking *a, const char *name, int exact)
{
    static float vector[DIMENSION_MOST];
    rag_vector_space space = RAG_VECTOR_SPACE_INIT;
    rag_status status = rag_vector_describe(a->store, NULL, name, &space, &a->err);
    if (status != RAG_OK)
        return status;
    for (size_t i = 0; i < DIMENSION_MOST; i++)
        vector[i] = (float)(i % 5) - 1.5F;
    rag_vector_query query = RAG_VECTOR_QUERY_INIT;
    query.vector = vector;
    query.dimension = space.dimension < DIMENSION_MOST ? space.dimension : DIMENSION_MOST;
    query.what = RAG_VECTOR_VALUES | RAG_VECTOR_VECTORS;
    query.exact = exact;
    rag_result *r = NULL;
    status = rag_vector_search(a->store, NULL, name, &query, &r, &a->err);
    return take(a, status, r);
}

static rag_status ask_search(struct asking *a)
{
    return search(a, "entities", 0);
}

static rag_status ask_search_exact(struct asking *a)
{
    return search(a, "entities", 1);
}

static rag_status ask_search_chunks(struct asking *a)
{
    return search(a, "chunks", 0);
}

/* ---- the whole --------------------------------------------------------------------------------------------- */

static rag_status ask_namespaces(struct asking *a)
{
    rag_result *r = NULL;
    const rag_status status = rag_store_namespaces(a->store, NULL, &r, &a->err);
    return take(a, status, r);
}

/* Sizes and versions are in it: only that it answers. */
static rag_status ask_describe(struct asking *a)
{
    rag_result *r = NULL;
    const rag_status status = rag_store_describe(a->store, NULL, &r, &a->err);
    rag_result_free(r);
    return status;
}

static rag_status ask_hash(struct asking *a)
{
    rag_result *r = NULL;
    const rag_status status = rag_store_content_hash(a->store, NULL, &r, &a->err);
    return take(a, status, r);
}

static const struct question {
    const char *name;
    rag_status (*ask)(struct asking *a);
    unsigned about;
    int is_stable;
} questions[QUESTIONS] = {
    { "kv scan", ask_kv_scan, ABOUT_REST, 1 },
    { "kv scan of a cache", ask_cache_scan, ABOUT_REST, 1 },
    { "kv get", ask_kv, ABOUT_REST, 1 },
    { "kv missing", ask_kv_missing, ABOUT_REST, 1 },
    { "kv count", ask_kv_count, ABOUT_REST, 1 },
    { "graph nodes", ask_node_scan, ABOUT_REST, 1 },
    { "graph edges", ask_edge_scan, ABOUT_REST, 1 },
    { "graph get nodes", ask_nodes, ABOUT_REST, 1 },
    { "graph get edges", ask_edges, ABOUT_REST, 1 },
    { "graph incident", ask_incident, ABOUT_REST, 1 },
    { "graph count", ask_graph_count, ABOUT_REST, 1 },
    { "graph popular", ask_popular, ABOUT_REST, 1 },
    { "graph labels", ask_labels, ABOUT_REST, 1 },
    { "graph view", ask_view, ABOUT_REST, 1 },
    { "graph view of all", ask_view_all, ABOUT_REST, 1 },
    { "docs scan", ask_doc_scan, ABOUT_REST, 1 },
    { "docs sweep", ask_sweep, ABOUT_REST, 1 },
    { "docs counts", ask_doc_counts, ABOUT_REST, 1 },
    { "docs get", ask_docs, ABOUT_REST, 1 },
    { "docs newest", ask_docs_newest, ABOUT_REST, 1 },
    { "docs by path", ask_docs_by_path, ABOUT_REST, 1 },
    { "docs find", ask_docs_found, ABOUT_REST, 1 },
    { "docs resolve", ask_resolve, ABOUT_REST, 1 },
    { "docs conflicts", ask_conflicts, ABOUT_REST, 1 },
    { "vector scan", ask_vector_scan, ABOUT_VECTORS, 1 },
    { "vector get", ask_vectors, ABOUT_VECTORS, 1 },
    { "vector space", ask_space, ABOUT_VECTORS, 1 },
    { "vector search", ask_search, ABOUT_VECTORS, 1 },
    { "vector search exact", ask_search_exact, ABOUT_VECTORS, 1 },
    { "vector search in chunks", ask_search_chunks, ABOUT_VECTORS, 1 },
    { "vector pending", ask_pending, ABOUT_VECTORS, 1 },
    { "namespaces", ask_namespaces, ABOUT_REST, 0 },
    { "describe", ask_describe, ABOUT_REST, 1 },
    { "content hash", ask_hash, ABOUT_ALL, 0 },
};

void questions_ask(rag_store *store, unsigned subjects, struct answers *out)
{
    for (size_t i = 0; i < QUESTIONS; i++) {
        out->is_asked[i] = (questions[i].about & subjects) != 0;
        if (!out->is_asked[i])
            continue;
        struct asking a = { .store = store, .err = RAG_ERROR_INIT };
        out->status[i] = questions[i].ask(&a);
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
