/* Commands of store_probe over all kinds of store at once, in the namespaces that LightRAG has:
 *
 *   all H KEY    put a value, a vector, a node with an edge to "hub", a document, each called KEY
 *   seen H KEY   what is there of it, as one JSON object; null for what is not
 */
#include "store_probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static rag_status put_vector(struct handle *h, const char *key, const char *value, rag_error *err)
{
    rag_vector_space space = RAG_VECTOR_SPACE_INIT;
    const rag_status status = rag_vector_describe(h->store, NULL, "entities", &space, err);
    if (status != RAG_OK)
        return status;
    float *v = calloc(space.dimension, sizeof *v);
    if (!v)
        return RAG_E_NO_MEMORY;
    for (size_t i = 0; i < space.dimension; i++)
        v[i] = (float)((i + strlen(key)) % 7) - 2.5f;
    const rag_vector_item item = { rag_text(key), v, space.dimension, rag_text(value), 1234 };
    const rag_status put = rag_vector_put_many(h->store, NULL, "entities", &item, 1, NULL, err);
    free(v);
    return put;
}

void do_all(struct handle *h, const char *key)
{
    rag_error err = RAG_ERROR_INIT;
    char value[512], row[512], doc_row[512];
    (void)snprintf(value, sizeof value, "{\"content\":\"%s\",\"entity_name\":\"%s\"}", key, key);
    (void)snprintf(row, sizeof row, "{\"entity_id\":\"%s\",\"weight\":1.5,\"created_at\":7}", key);
    (void)snprintf(
        doc_row, sizeof doc_row,
        "{\"status\":\"processed\",\"content_summary\":\"%s\",\"content_length\":1,"
        "\"file_path\":\"f\",\"created_at\":\"2026-01-01\",\"updated_at\":\"2026-01-01\"}",
        key);
    const rag_kv_item item = { .key = rag_text(key), .value = rag_text(value) };
    const rag_node node = { rag_text(key), rag_text(row) };
    const rag_edge edge = { rag_text(key), rag_text("hub"), rag_text("{\"weight\":2.0}") };
    const rag_doc doc = { rag_text(key), rag_text(doc_row) };
    rag_status status = rag_kv_put_many(h->store, NULL, "full_docs", &item, 1, NULL, &err);
    if (status == RAG_OK)
        status = put_vector(h, key, value, &err);
    if (status == RAG_OK)
        status = rag_graph_put_nodes(h->store, NULL, &node, 1, RAG_PUT_MERGE, NULL, &err);
    if (status == RAG_OK)
        status = rag_graph_put_edges(h->store, NULL, &edge, 1, RAG_PUT_MERGE, NULL, &err);
    if (status == RAG_OK)
        status = rag_docstatus_put_many(h->store, NULL, &doc, 1, NULL, &err);
    say_outcome(status, 0, &err);
}

/* One member of the answer: the value of the row, or null. */
static void add(char *text, size_t size, const char *name, rag_status status, rag_result *rows)
{
    const rag_row *row = status == RAG_OK ? rag_result_row(rows, 0) : NULL;
    const size_t len = strlen(text);
    const int found = row && row->found;
    (void)snprintf(text + len, size - len, "%s\"%s\":%.*s", len > 1 ? "," : "", name,
                   found ? (int)row->value.len : 4, found ? (const char *)row->value.data : "null");
    if (found && row->vector) {
        const size_t end = strlen(text);
        (void)snprintf(text + end, size - end, ",\"first\":%.17g", (double)row->vector[0]);
    }
    rag_result_free(rows);
}

void do_seen(struct handle *h, const char *key)
{
    static char text[1 << 16];
    rag_error err = RAG_ERROR_INIT;
    const rag_slice slice = rag_text(key);
    const rag_pair pair = { slice, rag_text("hub") };
    rag_result *rows = NULL;
    text[0] = '{';
    text[1] = 0;
    rag_status status = rag_kv_get_many(h->store, NULL, "full_docs", &slice, 1, &rows, &err);
    add(text, sizeof text, "kv", status, rows);
    rows = NULL;
    if (status == RAG_OK)
        status = rag_vector_get_many(h->store, NULL, "entities", &slice, 1,
                                     RAG_VECTOR_VALUES | RAG_VECTOR_VECTORS, &rows, &err);
    add(text, sizeof text, "vector", status, rows);
    rows = NULL;
    if (status == RAG_OK)
        status = rag_graph_get_nodes(h->store, NULL, &slice, 1, RAG_GRAPH_VALUES, &rows, &err);
    add(text, sizeof text, "node", status, rows);
    rows = NULL;
    if (status == RAG_OK)
        status = rag_graph_get_edges(h->store, NULL, &pair, 1, RAG_GRAPH_VALUES, &rows, &err);
    add(text, sizeof text, "edge", status, rows);
    rows = NULL;
    if (status == RAG_OK)
        status = rag_docstatus_get_many(h->store, NULL, &slice, 1, &rows, &err);
    add(text, sizeof text, "doc", status, rows);
    if (status == RAG_OK)
        say("%s}", text);
    else
        say_outcome(status, 0, &err);
}
