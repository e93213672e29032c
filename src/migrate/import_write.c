/* Batches into the store, one call of the public API for each: a batch is one transaction, and
 * everything that the API checks is checked. Nodes and edges are merged, because a GraphML file may
 * name one twice, or name an edge before the attributes of its ends.
 *
 * What the store refuses ends the import. When salvaging, the batch is tried again row by row, so that
 * a refused row is lost alone, with its reason. Runs on the writing thread of the import only. */
#include <ragstore/docstatus.h>
#include <ragstore/graph.h>
#include <ragstore/kv.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "import.h"

/* Room for `count` items of `size` bytes. */
static void *room(struct import_writer *w, size_t count, size_t size, rag_error *err)
{
    if (count * size > w->item_bytes) {
        void *more = rag_realloc(w->items, count * size);
        if (!more) {
            (void)rag_fail_memory(err);
            return NULL;
        }
        w->items = more;
        w->item_bytes = count * size;
    }
    return w->items;
}

static rag_status write_values(struct import_writer *w, const struct lightrag_batch *b,
                               rag_error *err)
{
    rag_kv_item *items = room(w, b->count, sizeof *items, err);
    if (!items)
        return RAG_E_NO_MEMORY;
    for (size_t i = 0; i < b->count; i++) {
        const struct lightrag_row *row = &b->rows[i];
        items[i] = (rag_kv_item){ lightrag_bytes(b, row->key), lightrag_bytes(b, row->value),
                                  row->created_at, row->updated_at };
    }
    return rag_kv_put_many(w->store, w->ctx, w->file->name_space, items, b->count, NULL, err);
}

static rag_status write_docs(struct import_writer *w, const struct lightrag_batch *b,
                             rag_error *err)
{
    rag_doc *docs = room(w, b->count, sizeof *docs, err);
    if (!docs)
        return RAG_E_NO_MEMORY;
    for (size_t i = 0; i < b->count; i++)
        docs[i] =
            (rag_doc){ lightrag_bytes(b, b->rows[i].key), lightrag_bytes(b, b->rows[i].value) };
    return rag_docstatus_put_many(w->store, w->ctx, docs, b->count, NULL, err);
}

static rag_status define(struct import_writer *w, uint32_t dimension, rag_error *err)
{
    rag_vector_space space = RAG_VECTOR_SPACE_INIT;
    if (w->dimension == dimension)
        return RAG_OK;
    space.dimension = dimension;
    space.element = w->element;
    (void)snprintf(space.model, sizeof space.model, "%s", w->model ? w->model : w->file_model);
    RAG_TRY(rag_vector_define(w->store, w->ctx, w->file->name_space, &space, err));
    w->dimension = dimension;
    return RAG_OK;
}

static rag_status write_vectors(struct import_writer *w, const struct lightrag_batch *b,
                                rag_error *err)
{
    RAG_TRY(define(w, b->dimension, err));
    rag_vector_item *items = room(w, b->count, sizeof *items, err);
    if (!items)
        return RAG_E_NO_MEMORY;
    for (size_t i = 0; i < b->count; i++) {
        const struct lightrag_row *row = &b->rows[i];
        items[i] =
            (rag_vector_item){ lightrag_bytes(b, row->key), b->vectors + i * b->dimension,
                               b->dimension, lightrag_bytes(b, row->value), row->created_at };
    }
    return rag_vector_put_many(w->store, w->ctx, w->file->name_space, items, b->count, NULL, err);
}

static rag_status write_nodes(struct import_writer *w, const struct lightrag_batch *b,
                              rag_error *err)
{
    rag_node *nodes = room(w, b->count, sizeof *nodes, err);
    if (!nodes)
        return RAG_E_NO_MEMORY;
    for (size_t i = 0; i < b->count; i++)
        nodes[i] =
            (rag_node){ lightrag_bytes(b, b->rows[i].key), lightrag_bytes(b, b->rows[i].value) };
    return rag_graph_put_nodes(w->store, w->ctx, nodes, b->count, RAG_PUT_MERGE, NULL, err);
}

static rag_status write_edges(struct import_writer *w, const struct lightrag_batch *b,
                              rag_error *err)
{
    rag_edge *edges = room(w, b->count, sizeof *edges, err);
    if (!edges)
        return RAG_E_NO_MEMORY;
    for (size_t i = 0; i < b->count; i++) {
        const struct lightrag_row *row = &b->rows[i];
        edges[i] = (rag_edge){ lightrag_bytes(b, row->key), lightrag_bytes(b, row->key2),
                               lightrag_bytes(b, row->value) };
    }
    return rag_graph_put_edges(w->store, w->ctx, edges, b->count, RAG_PUT_MERGE, NULL, err);
}

/* How many ends of the edges are not there yet. Before the edges are written. */
static rag_status count_missing_ends(struct import_writer *w, const struct lightrag_batch *b,
                                     rag_error *err)
{
    rag_slice *ends = room(w, 2 * b->count, sizeof *ends, err);
    rag_result *found = NULL;
    if (!ends)
        return RAG_E_NO_MEMORY;
    for (size_t i = 0; i < b->count; i++) {
        ends[2 * i] = lightrag_bytes(b, b->rows[i].key);
        ends[2 * i + 1] = lightrag_bytes(b, b->rows[i].key2);
    }
    RAG_TRY(rag_graph_get_nodes(w->store, w->ctx, ends, 2 * b->count, 0, &found, err));
    for (size_t i = 0; i < rag_result_count(found); i++) {
        if (rag_result_row(found, i)->found)
            continue;
        /* one label is one node, however many edges of the batch name it */
        size_t same = 0;
        while (same < i &&
               (rag_result_row(found, same)->found || !slice_equal(ends[same], ends[i])))
            same++;
        w->ends_without_node += same == i;
    }
    rag_result_free(found);
    return RAG_OK;
}

static rag_status write_batch(struct import_writer *w, const struct lightrag_batch *batch,
                              rag_error *err)
{
    rag_status status = RAG_OK;
    switch (batch->kind) {
    case LIGHTRAG_KV: status = write_values(w, batch, err); break;
    case LIGHTRAG_DOCS: status = write_docs(w, batch, err); break;
    case LIGHTRAG_VECTORS: status = write_vectors(w, batch, err); break;
    case LIGHTRAG_NODES: status = write_nodes(w, batch, err); break;
    case LIGHTRAG_EDGES: status = write_edges(w, batch, err); break;
    }
    return status;
}

/* The store refuses a batch because of some of its rows. */
static int is_refusal(rag_status status)
{
    return status == RAG_E_INVALID || status == RAG_E_CORRUPT || status == RAG_E_MISMATCH ||
           status == RAG_E_UNSUPPORTED;
}

/* Row by row: what the store refuses is lost with its reason, all else is written. */
static rag_status write_what_can_be(struct import_writer *w, const struct lightrag_batch *b,
                                    rag_error *err)
{
    for (size_t i = 0; i < b->count; i++) {
        rag_error why = RAG_ERROR_INIT;
        struct lightrag_batch one = *b;
        one.rows = b->rows + i;
        one.count = 1;
        if (b->kind == LIGHTRAG_VECTORS)
            one.vectors = b->vectors + i * b->dimension;
        const rag_status status = write_batch(w, &one, &why);
        if (is_refusal(status)) {
            w->refused++;
            lightrag_damage_add(w->damage, one.rows->at, one.rows->length, 1, "row '%.*s': %s",
                                RAG_SHOWN(lightrag_bytes(b, one.rows->key)), why.message);
        } else if (status != RAG_OK) {
            return rag_pass(status, &why, err);
        }
    }
    return RAG_OK;
}

rag_status import_write_batch(struct import_writer *w, const struct lightrag_batch *batch,
                              rag_error *err)
{
    rag_status status = RAG_OK;
    if (w->damage && batch->kind == LIGHTRAG_EDGES)
        status = count_missing_ends(w, batch, err);
    if (status == RAG_OK)
        status = write_batch(w, batch, err);
    if (w->damage && is_refusal(status))
        status = write_what_can_be(w, batch, err);
    if (status != RAG_OK)
        import_name_file(err, w->file->name);
    return status;
}

rag_status import_write_end(struct import_writer *w, const struct lightrag_summary *summary,
                            rag_error *err)
{
    rag_status status = RAG_OK;
    if (w->file->kind == LIGHTRAG_FILE_VECTOR && summary->dimension)
        status = define(w, summary->dimension, err);
    if (status != RAG_OK)
        import_name_file(err, w->file->name);
    return status;
}

void import_writer_free(struct import_writer *w)
{
    rag_free(w->items);
    w->items = NULL;
}
