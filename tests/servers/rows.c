/* A program for the tests of server backends: writes and prints rows of a store.
 *
 *     rows URL put NAMESPACE KEY VALUE [KEY VALUE ...]     one batch
 *     rows URL get NAMESPACE KEY...                        one line each, "absent" for what is not there
 *     rows URL find vector:SPACE KEY                       the keys that a search for KEY's vector finds
 *
 * vector:SPACE is a vector space of model "test-model", dimension 4, made by a put; the vector of a row follows from its
 * key: vector_of(), as in lightrag_rows.py. The namespace doc_status is the status of documents; graph_nodes and
 * graph_edges are the graph, where the key of an edge is its two ends with a '|' between. Puts into the graph merge.
 * Status 1 and the message when a call fails. */
#include <stdio.h>
#include <string.h>

#include <ragstore/ragstore.h>

enum { ROWS_MAX = 64 };

enum { DIMENSION = 4 };

static const char SPACES[] = "vector:";

static int is_space(const char *name)
{
    return strncmp(name, SPACES, sizeof SPACES - 1) == 0;
}

static void vector_of(const char *key, float out[DIMENSION])
{
    const size_t len = strlen(key);
    out[0] = 1;
    out[1] = (float)len;
    out[2] = (float)(unsigned char)key[0];
    out[3] = (float)(unsigned char)key[len - 1];
}

static rag_status put_vectors(rag_store *store, const char *space, char **words, size_t n,
                              rag_error *err)
{
    static float vectors[ROWS_MAX][DIMENSION];
    rag_vector_item items[ROWS_MAX] = { 0 };
    rag_vector_space facts = RAG_VECTOR_SPACE_INIT;
    facts.dimension = DIMENSION;
    (void)snprintf(facts.model, sizeof facts.model, "test-model");
    const rag_status status = rag_vector_define(store, NULL, space, &facts, err);
    if (status != RAG_OK)
        return status;
    for (size_t i = 0; i < n; i++) {
        vector_of(words[2 * i], vectors[i]);
        items[i] = (rag_vector_item){ rag_text(words[2 * i]), vectors[i], DIMENSION,
                                      rag_text(words[2 * i + 1]), 0 };
    }
    return rag_vector_put_many(store, NULL, space, items, n, NULL, err);
}

static rag_status find_vectors(rag_store *store, const char *space, const char *key, rag_error *err)
{
    float vector[DIMENSION];
    rag_result *rows = NULL;
    rag_vector_query query = RAG_VECTOR_QUERY_INIT;
    vector_of(key, vector);
    query.vector = vector;
    query.dimension = DIMENSION;
    const rag_status status = rag_vector_search(store, NULL, space, &query, &rows, err);
    for (size_t i = 0; status == RAG_OK && i < rag_result_count(rows); i++) {
        const rag_slice found = rag_result_row(rows, i)->key;
        (void)printf("\"%.*s\"\n", (int)found.len, (const char *)found.data);
    }
    rag_result_free(rows);
    return status;
}

/* "a|b", cut in place. */
static rag_pair pair_of(char *key)
{
    char *cut = strchr(key, '|');
    if (cut)
        *cut = 0;
    return (rag_pair){ rag_text(key), rag_text(cut ? cut + 1 : "") };
}

static rag_status put_graph(rag_store *store, int edges, char **words, size_t n, rag_error *err)
{
    rag_node nodes[ROWS_MAX] = { 0 };
    rag_edge lines[ROWS_MAX] = { 0 };
    for (size_t i = 0; i < n; i++) {
        nodes[i] = (rag_node){ rag_text(words[2 * i]), rag_text(words[2 * i + 1]) };
        if (edges) {
            const rag_pair pair = pair_of(words[2 * i]);
            lines[i] = (rag_edge){ pair.source, pair.target, nodes[i].value };
        }
    }
    return edges ? rag_graph_put_edges(store, NULL, lines, n, RAG_PUT_MERGE, NULL, err)
                 : rag_graph_put_nodes(store, NULL, nodes, n, RAG_PUT_MERGE, NULL, err);
}

static rag_status get_rows(rag_store *store, const char *space, char **words, const rag_slice *keys,
                           size_t n, rag_result **rows, rag_error *err)
{
    rag_pair pairs[ROWS_MAX];
    if (is_space(space))
        return rag_vector_get_many(store, NULL, space + sizeof SPACES - 1, keys, n,
                                   RAG_VECTOR_VALUES, rows, err);
    if (strcmp(space, "doc_status") == 0)
        return rag_docstatus_get_many(store, NULL, keys, n, rows, err);
    if (strcmp(space, "graph_nodes") == 0)
        return rag_graph_get_nodes(store, NULL, keys, n, RAG_GRAPH_VALUES, rows, err);
    if (strcmp(space, "graph_edges") != 0)
        return rag_kv_get_many(store, NULL, space, keys, n, rows, err);
    for (size_t i = 0; i < n; i++)
        pairs[i] = pair_of(words[i]);
    return rag_graph_get_edges(store, NULL, pairs, n, RAG_GRAPH_VALUES, rows, err);
}

static rag_status put(rag_store *store, const char *space, char **words, size_t n, rag_error *err)
{
    rag_kv_item items[ROWS_MAX] = { 0 };
    rag_doc docs[ROWS_MAX] = { 0 };
    if (is_space(space))
        return put_vectors(store, space + sizeof SPACES - 1, words, n, err);
    if (strncmp(space, "graph_", 6) == 0)
        return put_graph(store, strcmp(space, "graph_edges") == 0, words, n, err);
    for (size_t i = 0; i < n; i++) {
        items[i].key = docs[i].id = rag_text(words[2 * i]);
        items[i].value = docs[i].value = rag_text(words[2 * i + 1]);
    }
    return strcmp(space, "doc_status") == 0
               ? rag_docstatus_put_many(store, NULL, docs, n, NULL, err)
               : rag_kv_put_many(store, NULL, space, items, n, NULL, err);
}

static rag_status get(rag_store *store, const char *space, char **words, size_t n, rag_error *err)
{
    rag_slice keys[ROWS_MAX];
    rag_result *rows = NULL;
    for (size_t i = 0; i < n; i++)
        keys[i] = rag_text(words[i]);
    const rag_status status = get_rows(store, space, words, keys, n, &rows, err);
    for (size_t i = 0; status == RAG_OK && i < n; i++) {
        const rag_row *row = rag_result_row(rows, i);
        (void)printf("%s\n", row->found ? (const char *)row->value.data : "absent");
    }
    rag_result_free(rows);
    return status;
}

int main(int count, char **words)
{
    rag_error err = RAG_ERROR_INIT;
    rag_store *store = NULL;
    if (count < 5 || count > 4 + ROWS_MAX) {
        (void)fprintf(stderr, "usage: rows URL put NAMESPACE KEY VALUE ... | rows URL get NAMESPACE"
                              " KEY ... | rows URL find vector:SPACE KEY\n");
        return 2;
    }
    const int writes = strcmp(words[2], "put") == 0;
    rag_status status = rag_store_open(words[1], NULL, NULL, &store, &err);
    if (status == RAG_OK && strcmp(words[2], "find") == 0 && is_space(words[3]))
        status = find_vectors(store, words[3] + sizeof SPACES - 1, words[4], &err);
    else if (status == RAG_OK)
        status = writes ? put(store, words[3], words + 4, (size_t)(count - 4) / 2, &err)
                        : get(store, words[3], words + 4, (size_t)(count - 4), &err);
    rag_store_close(store);
    if (status == RAG_OK)
        return 0;
    (void)fprintf(stderr, "%s: %s\n", rag_status_text(status), err.message);
    return 1;
}
