/* The first sixty lines with ragstore: what one passage taught, written together, then found again.
 *
 * Usage: quickstart [STORE]     (default: ./quickstart.store; "memory:" leaves nothing behind) */
#include <ragstore/ragstore.h>
#include <stdio.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char space[] = "entities";
/* An embedding model makes these; here they are made by hand, so that the example needs none. */
static const float alice[4] = { 0.9f, 0.3f, 0.1f, 0.0f };
static const float rabbit[4] = { 0.8f, 0.5f, 0.0f, 0.1f };

/* Two entities with their vectors, the relation between them, the text: all of it or nothing. */
static rag_status teach(rag_store *store, rag_error *err)
{
    rag_node nodes[] = { { rag_text("Alice"), rag_text("{\"entity_type\":\"person\"}") },
                         { rag_text("White Rabbit"), rag_text("{\"entity_type\":\"animal\"}") } };
    rag_edge edges[] = { { rag_text("Alice"), rag_text("White Rabbit"),
                           rag_text("{\"keywords\":\"follows\",\"weight\":1.0}") } };
    rag_vector_item vectors[] = {
        { rag_text("ent-1"), alice, 4, rag_text("{\"entity_name\":\"Alice\"}"), 0 },
        { rag_text("ent-2"), rabbit, 4, rag_text("{\"entity_name\":\"White Rabbit\"}"), 0 },
    };
    rag_kv_item chunk = { rag_text("chunk-1"),
                          rag_text("{\"content\":\"Alice ran after the White Rabbit.\"}"), 0, 0 };
    rag_vector_batch vector_batch = { space, vectors, COUNT(vectors) };
    rag_kv_batch kv_batch = { "text_chunks", &chunk, 1 };
    rag_upsert upsert = RAG_UPSERT_INIT;
    upsert.nodes = nodes, upsert.node_count = COUNT(nodes);
    upsert.edges = edges, upsert.edge_count = COUNT(edges);
    upsert.vectors = &vector_batch, upsert.vector_count = 1;
    upsert.kv = &kv_batch, upsert.kv_count = 1;
    return rag_coordinated_upsert(store, NULL, &upsert, NULL, err);
}

int main(int argc, char **argv)
{
    rag_error err = RAG_ERROR_INIT;
    rag_store *store = NULL;
    rag_result *hits = NULL, *nodes = NULL, *edges = NULL;
    rag_vector_space facts = RAG_VECTOR_SPACE_INIT;
    rag_vector_query query = RAG_VECTOR_QUERY_INIT;
    rag_graph_view_options view = RAG_GRAPH_VIEW_OPTIONS_INIT;
    facts.dimension = 4, query.dimension = 4, query.vector = alice, query.top_k = 2;

    int failed =
        rag_store_open(argc > 1 ? argv[1] : "./quickstart.store", NULL, NULL, &store, &err) ||
        rag_vector_define(store, NULL, space, &facts, &err) || teach(store, &err) ||
        rag_flush(store, NULL, 0, &err) || /* from here on a power cut takes none of it */
        rag_vector_search(store, NULL, space, &query, &hits, &err) ||
        rag_graph_view(store, NULL, rag_text("Alice"), &view, &nodes, &edges, &err);
    for (size_t i = 0; !failed && i < rag_result_count(hits); i++) {
        const rag_row *hit = rag_result_row(hits, i);
        printf("%.4f  %s\n", hit->score, (const char *)hit->value.data);
    }
    for (size_t i = 0; !failed && i < rag_result_count(edges); i++) {
        const rag_row *e = rag_result_row(edges, i);
        printf("%.*s -- %.*s  %s\n", (int)e->key.len, (const char *)e->key.data, (int)e->key2.len,
               (const char *)e->key2.data, (const char *)e->value.data);
    }
    if (failed)
        fprintf(stderr, "quickstart: %s\n", err.message);
    rag_result_free(hits), rag_result_free(nodes), rag_result_free(edges);
    rag_store_close(store);
    return failed ? 1 : 0;
}
