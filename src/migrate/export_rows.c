/* The rows of one namespace into the writer of its file, page by page through the public scans. A page
 * holds a few megabytes at most (or one row), whatever the size of values, and nothing is held open
 * between pages. */
#include <ragstore/docstatus.h>
#include <ragstore/graph.h>
#include <ragstore/kv.h>

#include "backends/lightrag_files/graphml_writer.h"
#include "backends/lightrag_files/json_kv_writer.h"
#include "backends/lightrag_files/nano_writer.h"
#include "core/page_rows.h"
#include "export.h"

/* One scan, and where its rows go. */
struct walk {
    rag_status (*page)(const struct export_rows *e, rag_slice after, size_t rows, rag_result **out,
                       rag_error *err);
    rag_status (*row)(void *writer, const rag_row *row, rag_error *err);
    void *writer;
};

/* ---- scans ------------------------------------------------------------------------------------------ */

static rag_status kv_page(const struct export_rows *e, rag_slice after, size_t rows,
                          rag_result **out, rag_error *err)
{
    return rag_kv_scan(e->store, e->ctx, e->target->file.name_space, after, rows, out, err);
}

static rag_status vector_page(const struct export_rows *e, rag_slice after, size_t rows,
                              rag_result **out, rag_error *err)
{
    return rag_vector_scan(e->store, e->ctx, e->target->file.name_space, after, rows,
                           RAG_VECTOR_VALUES | RAG_VECTOR_VECTORS, out, err);
}

static rag_status node_page(const struct export_rows *e, rag_slice after, size_t rows,
                            rag_result **out, rag_error *err)
{
    return rag_graph_scan_nodes(e->store, e->ctx, after, rows, RAG_GRAPH_VALUES, out, err);
}

static rag_status edge_page(const struct export_rows *e, rag_slice after, size_t rows,
                            rag_result **out, rag_error *err)
{
    return rag_graph_scan_edges(e->store, e->ctx, after, rows, RAG_GRAPH_VALUES, out, err);
}

static rag_status doc_page(const struct export_rows *e, rag_slice after, size_t rows,
                           rag_result **out, rag_error *err)
{
    return rag_docstatus_scan(e->store, e->ctx, after, rows, out, err);
}

/* ---- writers ---------------------------------------------------------------------------------------- */

static rag_status kv_row(void *writer, const rag_row *row, rag_error *err)
{
    return json_kv_row(writer, row, err);
}

static rag_status vector_row(void *writer, const rag_row *row, rag_error *err)
{
    return nano_row(writer, row, err);
}

static rag_status node_row(void *writer, const rag_row *row, rag_error *err)
{
    return graphml_node(writer, row, err);
}

static rag_status edge_row(void *writer, const rag_row *row, rag_error *err)
{
    return graphml_edge(writer, row, err);
}

static rag_status write_page(struct export_rows *e, const struct walk *walk, const rag_result *page,
                             rag_error *err)
{
    const size_t count = rag_result_count(page);
    for (size_t i = 0; i < count; i++)
        RAG_TRY(walk->row(walk->writer, rag_result_row(page, i), err));
    e->done += count;
    return e->progress(e->user, e->done, err);
}

static rag_status go_through(struct export_rows *e, const struct walk *walk, rag_error *err)
{
    rag_result *page = NULL;
    size_t rows = PAGE_ROWS_FIRST;
    rag_status status = RAG_OK;
    do {
        rag_result *next = NULL;
        const rag_slice after = page ? rag_result_next(page) : slice_of(NULL, 0);
        status = walk->page(e, after, rows, &next, err);
        rag_result_free(page);
        page = next;
        if (status == RAG_OK)
            status = write_page(e, walk, page, err);
        if (status == RAG_OK)
            rows = page_rows_next(page, rows);
    } while (status == RAG_OK && rag_result_next(page).len);
    rag_result_free(page);
    return status;
}

/* ---- kinds ------------------------------------------------------------------------------------------ */

static rag_status write_values(struct export_rows *e, rag_error *err)
{
    const int docs = e->target->file.kind == IMPORT_DOC_STATUS;
    struct json_kv_writer writer;
    const struct walk walk = { docs ? doc_page : kv_page, kv_row, &writer };
    json_kv_begin(&writer, e->out, !docs);
    rag_status status = go_through(e, &walk, err);
    if (status == RAG_OK)
        status = json_kv_end(&writer, err);
    json_kv_free(&writer);
    return status;
}

static void warn_of_vectors(struct export_rows *e, const struct nano_writer *w)
{
    const rag_vector_space *space = &e->target->space;
    if (space->metric != RAG_METRIC_COSINE)
        lightrag_warn(e->summary, "the space compares by dot product, LightRAG by cosine");
    if (space->element != RAG_ELEMENT_FLOAT16)
        lightrag_warn(e->summary, "its float32 elements were rounded to float16");
    lightrag_warn_count(e->summary, w->zero_rows,
                        "vector has length zero: LightRAG takes it for NaN, and finds it in every "
                        "search",
                        "vectors have length zero: LightRAG takes them for NaN, and finds them in "
                        "every search");
    lightrag_warn_count(e->summary, w->dropped_members,
                        "member of a payload was left out: its name is LightRAG's own "
                        "(\"vector\", \"__id__\", ...)",
                        "members of payloads were left out: their names are LightRAG's own "
                        "(\"vector\", \"__id__\", ...)");
}

static rag_status write_vectors(struct export_rows *e, rag_error *err)
{
    struct nano_writer writer;
    const struct walk walk = { vector_page, vector_row, &writer };
    rag_status status = nano_begin(&writer, e->out, e->target->space.dimension, err);
    if (status == RAG_OK)
        status = go_through(e, &walk, err);
    if (status == RAG_OK)
        status = nano_end(&writer, err);
    e->summary->dimension = e->target->space.dimension;
    warn_of_vectors(e, &writer);
    nano_free(&writer);
    return status;
}

static rag_status write_graph(struct export_rows *e, rag_error *err)
{
    struct graphml_writer writer;
    const struct walk nodes = { node_page, node_row, &writer },
                      edges = { edge_page, edge_row, &writer };
    graphml_begin(&writer, e->out);
    rag_status status = go_through(e, &nodes, err);
    if (status == RAG_OK)
        status = go_through(e, &edges, err);
    if (status == RAG_OK)
        status = graphml_end(&writer, err);
    e->summary->nodes = writer.nodes;
    e->summary->edges = writer.edges;
    graphml_free(&writer);
    return status;
}

rag_status export_rows_write(struct export_rows *e, rag_error *err)
{
    rag_status status = RAG_OK;
    switch (e->target->file.kind) {
    case IMPORT_KV:
    case IMPORT_DOC_STATUS: status = write_values(e, err); break;
    case IMPORT_VECTOR: status = write_vectors(e, err); break;
    case IMPORT_GRAPH: status = write_graph(e, err); break;
    case IMPORT_SKIPPED: break;
    }
    e->summary->rows = e->done;
    lightrag_warn_count(e->summary, e->target->pending,
                        "row waits to be embedded and is not in the file: flush it first",
                        "rows wait to be embedded and are not in the file: flush them first");
    return status;
}
