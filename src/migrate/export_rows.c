/* The rows of one namespace for the writer of its file, page by page through the public scans, and
 * what is to be said about them. */
#include <ragstore/docstatus.h>
#include <ragstore/graph.h>
#include <ragstore/kv.h>

#include "backends/lightrag_files/file_writer.h"
#include "export.h"

static rag_status page(void *ctx, enum lightrag_kind kind, rag_slice after, size_t rows,
                       rag_result **out, rag_error *err)
{
    const struct export_rows *e = ctx;
    const char *name_space = e->target->file.name_space;
    switch (kind) {
    case LIGHTRAG_KV: return rag_kv_scan(e->store, e->ctx, name_space, after, rows, out, err);
    case LIGHTRAG_DOCS: return rag_docstatus_scan(e->store, e->ctx, after, rows, out, err);
    case LIGHTRAG_NODES:
        return rag_graph_scan_nodes(e->store, e->ctx, after, rows, RAG_GRAPH_VALUES, out, err);
    case LIGHTRAG_EDGES:
        return rag_graph_scan_edges(e->store, e->ctx, after, rows, RAG_GRAPH_VALUES, out, err);
    case LIGHTRAG_VECTORS: break;
    }
    return rag_vector_scan(e->store, e->ctx, name_space, after, rows,
                           RAG_VECTOR_VALUES | RAG_VECTOR_VECTORS, out, err);
}

static rag_status progress(void *ctx, uint64_t rows, rag_error *err)
{
    const struct export_rows *e = ctx;
    return e->progress(e->user, rows, err);
}

static void warn_of_vectors(const struct export_rows *e, const struct lightrag_written *w)
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

rag_status export_rows_write(struct export_rows *e, rag_error *err)
{
    const struct lightrag_rows rows = { e, page, progress };
    const struct lightrag_space space = { e->target->space.dimension, "" };
    struct lightrag_written written;
    const rag_status status =
        lightrag_write_file(e->target->file.kind, &space, &rows, e->out, &written, err);
    e->summary->rows = written.rows;
    e->summary->nodes = written.nodes;
    e->summary->edges = written.edges;
    if (e->target->file.kind == LIGHTRAG_FILE_VECTOR) {
        e->summary->dimension = e->target->space.dimension;
        warn_of_vectors(e, &written);
    }
    lightrag_warn_count(e->summary, e->target->pending,
                        "row waits to be embedded and is not in the file: flush it first",
                        "rows wait to be embedded and are not in the file: flush them first");
    return status;
}
