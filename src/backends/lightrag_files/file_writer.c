/* The rows of one namespace into the writer of its file, page by page. A page holds a few megabytes
 * at most (or one row), whatever the size of values, and nothing is held open between pages. Used by
 * the export, whose rows come through the public API, and by the live backend. */
#include "file_writer.h"

#include "core/page_rows.h"
#include "graphml_writer.h"
#include "json_kv_writer.h"
#include "nano_writer.h"

/* One scan, and where its rows go. */
struct walk {
    const struct lightrag_rows *rows;
    struct lightrag_written *written;
    enum lightrag_kind kind;
    rag_status (*row)(void *writer, const rag_row *row, rag_error *err);
    void *writer;
};

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

static rag_status write_page(const struct walk *walk, const rag_result *page, rag_error *err)
{
    const size_t count = rag_result_count(page);
    for (size_t i = 0; i < count; i++)
        RAG_TRY(walk->row(walk->writer, rag_result_row(page, i), err));
    walk->written->rows += count;
    if (!walk->rows->progress)
        return RAG_OK;
    return walk->rows->progress(walk->rows->ctx, walk->written->rows, err);
}

static rag_status go_through(const struct walk *walk, rag_error *err)
{
    rag_result *page = NULL;
    size_t rows = PAGE_ROWS_FIRST;
    rag_status status = RAG_OK;
    do {
        rag_result *next = NULL;
        const rag_slice after = page ? rag_result_next(page) : slice_of(NULL, 0);
        status = walk->rows->page(walk->rows->ctx, walk->kind, after, rows, &next, err);
        rag_result_free(page);
        page = next;
        if (status == RAG_OK)
            status = write_page(walk, page, err);
        if (status == RAG_OK)
            rows = page_rows_next(page, rows);
    } while (status == RAG_OK && rag_result_next(page).len);
    rag_result_free(page);
    return status;
}

/* ---- kinds ------------------------------------------------------------------------------------------ */

static rag_status write_values(struct walk walk, const struct lightrag_output *out, rag_error *err)
{
    struct json_kv_writer writer;
    walk.row = kv_row;
    walk.writer = &writer;
    json_kv_begin(&writer, out, walk.kind == LIGHTRAG_KV);
    rag_status status = go_through(&walk, err);
    if (status == RAG_OK)
        status = json_kv_end(&writer, err);
    json_kv_free(&writer);
    return status;
}

static rag_status write_vectors(struct walk walk, const struct lightrag_space *space,
                                const struct lightrag_output *out, rag_error *err)
{
    struct nano_writer writer;
    walk.row = vector_row;
    walk.writer = &writer;
    rag_status status = nano_begin(&writer, out, space->dimension, space->model, err);
    if (status == RAG_OK)
        status = go_through(&walk, err);
    if (status == RAG_OK)
        status = nano_end(&writer, err);
    walk.written->zero_rows = writer.zero_rows;
    walk.written->dropped_members = writer.dropped_members;
    nano_free(&writer);
    return status;
}

static rag_status write_graph(struct walk walk, const struct lightrag_output *out, rag_error *err)
{
    struct graphml_writer writer;
    walk.row = node_row;
    walk.writer = &writer;
    graphml_begin(&writer, out);
    rag_status status = go_through(&walk, err);
    walk.kind = LIGHTRAG_EDGES;
    walk.row = edge_row;
    if (status == RAG_OK)
        status = go_through(&walk, err);
    if (status == RAG_OK)
        status = graphml_end(&writer, err);
    walk.written->nodes = writer.nodes;
    walk.written->edges = writer.edges;
    graphml_free(&writer);
    return status;
}

rag_status lightrag_write_file(enum lightrag_file_kind kind, const struct lightrag_space *space,
                               const struct lightrag_rows *rows, const struct lightrag_output *out,
                               struct lightrag_written *written, rag_error *err)
{
    struct walk walk = { .rows = rows, .written = written };
    *written = (struct lightrag_written){ 0 };
    switch (kind) {
    case LIGHTRAG_FILE_KV: walk.kind = LIGHTRAG_KV; return write_values(walk, out, err);
    case LIGHTRAG_FILE_DOC_STATUS: walk.kind = LIGHTRAG_DOCS; return write_values(walk, out, err);
    case LIGHTRAG_FILE_VECTOR:
        walk.kind = LIGHTRAG_VECTORS;
        return write_vectors(walk, space, out, err);
    case LIGHTRAG_FILE_GRAPH: walk.kind = LIGHTRAG_NODES; return write_graph(walk, out, err);
    case LIGHTRAG_FILE_SKIPPED: break;
    }
    return RAG_OK;
}
