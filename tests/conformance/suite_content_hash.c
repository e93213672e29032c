/* The content hash: one fingerprint for the same rows on every backend, whatever way led to them.
 *
 * The expected values were worked out from docs/content-hash.md by another program. */
#include <string.h>
#include <time.h>

#include "conformance.h"

enum { AT = 1700000000 };

static const float V[2] = { 1, 0.5f };

/* ---- the rows ------------------------------------------------------------------------------------------ */

static void put_value(struct env *e, const char *name_space, const char *key, const char *value,
                      int64_t created_at, int64_t updated_at)
{
    const rag_kv_item item = { T(key), T(value), created_at, updated_at };
    OK(rag_kv_put_many(e->store, NULL, name_space, &item, 1, NULL, &e->err));
}

static void put_vector(struct env *e, const char *id, const float *vector, const char *value,
                       int64_t created_at)
{
    const rag_vector_item item = { T(id), vector, 2, T(value), created_at };
    OK(rag_vector_put_many(e->store, NULL, "chunks", &item, 1, NULL, &e->err));
}

static void put_node(struct env *e, const char *label, const char *value)
{
    const rag_node node = { T(label), T(value) };
    OK(rag_graph_put_nodes(e->store, NULL, &node, 1, RAG_PUT_REPLACE, NULL, &e->err));
}

static void put_edge(struct env *e, const char *source, const char *target, const char *value)
{
    const rag_edge edge = { T(source), T(target), T(value) };
    OK(rag_graph_put_edges(e->store, NULL, &edge, 1, RAG_PUT_REPLACE, NULL, &e->err));
}

static void define_chunks(struct env *e)
{
    define_space(e, "chunks", 2, RAG_METRIC_COSINE, RAG_ELEMENT_FLOAT32);
}

enum { ROWS = 9 };

static void put_row(struct env *e, int number)
{
    switch (number) {
    case 0:
        put_value(e, "full_docs", "doc-1", "{\"content\":\"one\",\"n\":1.0}", AT + 1, AT + 2);
        break;
    case 1:
        put_value(e, "full_docs", "doc-2", "{\"content\":\"zwei \xc3\xa4\\n\"}", AT + 3, AT + 4);
        break;
    case 2:
        put_value(e, "text_chunks", "chunk-1", "{\"content\":\"one\",\"full_doc_id\":\"doc-1\"}",
                  AT + 5, AT + 5);
        break;
    case 3: put_vector(e, "chunk-1", V, "{\"content\":\"one\"}", AT + 6); break;
    case 4: put_node(e, "A", "{\"entity_id\":\"A\"}"); break;
    case 5: put_node(e, "B", "{\"entity_id\":\"B\"}"); break;
    case 6: put_edge(e, "B", "A", "{\"weight\":2.0}"); break;
    case 7: doc_put(e, "doc-1", "{\"status\":\"processed\",\"chunks_list\":[\"chunk-1\"]}"); break;
    default: doc_put(e, "doc-2", "{\"status\":\"pending\",\"chunks_list\":[]}"); break;
    }
}

static void put_rows(struct env *e)
{
    define_chunks(e);
    for (int i = 0; i < ROWS; i++)
        put_row(e, i);
}

/* ---- the hash ------------------------------------------------------------------------------------------ */

static const struct {
    const char *kind, *name;
    int64_t rows;
    const char *digits;
} EXPECTED[] = {
    { "kv", "full_docs", 2, "c15b4ce36f0bbb269f16b100a2b40cf9feff9afb2b3783899c3eb7c107503a8c" },
    { "kv", "text_chunks", 1, "bbe45283c36762a922e2fe9271fb58b4dee98e3496b6c217d812ec68926847bc" },
    { "vector", "chunks", 1, "a846bcc040159f1c79b66a4b0a68a0708e3c94db1ac06603ae3eeec8e895bd9d" },
    { "graph_nodes", "graph", 2,
      "0eb112c007ec0eac5065502443a274d62b5a0580017df96b1777941f4a3b0541" },
    { "graph_edges", "graph", 1,
      "33c450cf5f11cb3758daa38adc1e740add43f1e0a7589dc1254df157776d9382" },
    { "doc_status", "doc_status", 2,
      "680b3f47fb6234244a85e73bab789945f3365c6b55273248263f220b1a346197" },
    { "all", "", 9, "3655142109e863ffc31dfb67e0a5513b9f52e99783c645b8452788fbf3032f3b" },
};
enum { EXPECTED_ROWS = sizeof EXPECTED / sizeof EXPECTED[0] };

static const char OF_NOTHING[] =
    "\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"";

static const rag_result *hash_rows(struct env *e, rag_store *store, const rag_context *ctx)
{
    rag_result *rows = NULL;
    OK(rag_store_content_hash(store, ctx, &rows, &e->err));
    return keep(e, rows);
}

static void is_expected(const rag_result *rows)
{
    count_is(rows, EXPECTED_ROWS);
    for (size_t i = 0; i < EXPECTED_ROWS; i++) {
        const rag_row *row = row_of(rows, i);
        CHECK(same(row->key, T(EXPECTED[i].kind)) && same(row->key2, T(EXPECTED[i].name)) &&
                  row->number == EXPECTED[i].rows,
              "place %zu: %.*s '%.*s' of %lld rows", i, SHOW(row->key), SHOW(row->key2),
              (long long)row->number);
        row_is(row, format_text("\"%s\"", EXPECTED[i].digits));
    }
}

static void expect_hash(struct env *e, rag_slice wanted, const char *what)
{
    const rag_slice found = content_hash(e, e->store);
    CHECK(same(found, wanted), "%s: %.*s, not %.*s", what, SHOW(found), SHOW(wanted));
}

/* ---- cases ---------------------------------------------------------------------------------------------- */

static void care_hash_is_the_same_on_every_backend(struct env *e)
{
    put_rows(e);
    is_expected(hash_rows(e, e->store, NULL));
}

static void care_hash_of_nothing(struct env *e)
{
    count_is(hash_rows(e, e->store, NULL), 1);
    row_is(row_of(hash_rows(e, e->store, NULL), 0), OF_NOTHING);
    put_rows(e);
    const rag_slice nodes[] = { T("A"), T("B") };
    OK(rag_kv_drop(e->store, NULL, "full_docs", &e->err));
    OK(rag_kv_drop(e->store, NULL, "text_chunks", &e->err));
    OK(rag_vector_drop(e->store, NULL, "chunks", &e->err));
    OK(rag_graph_delete_nodes(e->store, NULL, nodes, 2, NULL, NULL, &e->err));
    OK(rag_docstatus_drop(e->store, NULL, &e->err));
    define_chunks(e); /* a space without rows */
    count_is(hash_rows(e, e->store, NULL), 1);
    row_is(row_of(hash_rows(e, e->store, NULL), 0), OF_NOTHING);
}

static void care_hash_does_not_depend_on_the_way(struct env *e)
{
    static const int order[ROWS] = { 8, 6, 3, 1, 7, 5, 2, 0, 4 };
    const rag_slice key = T("doc-1");
    const rag_pair ends = { T("A"), T("B") };
    define_chunks(e);
    for (int i = 0; i < ROWS; i++)
        put_row(e, order[i]);
    is_expected(hash_rows(e, e->store, NULL));
    put_value(e, "full_docs", "doc-1", "{\"another\":1}", 5, 6);
    put_edge(e, "A", "B", "{\"weight\":7}");
    put_row(e, 0);
    OK(rag_kv_delete_many(e->store, NULL, "full_docs", &key, 1, NULL, NULL, &e->err));
    OK(rag_graph_delete_edges(e->store, NULL, &ends, 1, NULL, NULL, &e->err));
    put_row(e, 0);
    put_row(e, 6);
    is_expected(hash_rows(e, e->store, NULL));
    OK(rag_flush(e->store, NULL, 0, &e->err));
    OK(rag_store_optimize(e->store, NULL, &e->err));
    is_expected(hash_rows(e, e->store, NULL));
}

static void change(struct env *e, int number)
{
    static const float other[2] = { 1, 0.25f };
    const rag_slice chunk = T("chunk-1"), doc = T("doc-2"), node = T("B");
    const rag_pair ends = { T("A"), T("B") };
    switch (number) {
    case 0:
        put_value(e, "full_docs", "doc-1", "{\"content\":\"One\",\"n\":1.0}", AT + 1, AT + 2);
        break;
    case 1:
        put_value(e, "full_docs", "doc-1", "{\"content\":\"one\",\"n\":1}", AT + 1, AT + 2);
        break;
    case 2:
        put_value(e, "full_docs", "doc-1", "{\"n\":1.0,\"content\":\"one\"}", AT + 1, AT + 2);
        break;
    case 3:
        put_value(e, "full_docs", "doc-1", "{\"content\":\"one\",\"n\":1.0}", AT, AT + 2);
        break;
    case 4:
        put_value(e, "full_docs", "doc-1", "{\"content\":\"one\",\"n\":1.0}", AT + 1, AT);
        break;
    case 5:
        put_value(e, "full_docs", "doc-3", "{\"content\":\"one\",\"n\":1.0}", AT + 1, AT + 2);
        break;
    case 6:
        put_value(e, "full_entities", "doc-1", "{\"content\":\"one\",\"n\":1.0}", AT + 1, AT + 2);
        break;
    case 7: put_vector(e, "chunk-1", other, "{\"content\":\"one\"}", AT + 6); break;
    case 8: put_vector(e, "chunk-1", V, "{\"content\":\"two\"}", AT + 6); break;
    case 9: put_vector(e, "chunk-1", V, "{\"content\":\"one\"}", AT); break;
    case 10: put_vector(e, "chunk-2", V, "{\"content\":\"one\"}", AT + 6); break;
    case 11:
        OK(rag_vector_delete_many(e->store, NULL, "chunks", &chunk, 1, NULL, NULL, &e->err));
        break;
    case 12: put_node(e, "B", "{\"entity_id\":\"b\"}"); break;
    case 13: put_node(e, "C", "{\"entity_id\":\"C\"}"); break;
    case 14: put_edge(e, "A", "B", "{\"weight\":2.5}"); break;
    case 15: put_edge(e, "A", "A", "{\"weight\":2.0}"); break;
    case 16: OK(rag_graph_delete_edges(e->store, NULL, &ends, 1, NULL, NULL, &e->err)); break;
    case 17: OK(rag_graph_delete_nodes(e->store, NULL, &node, 1, NULL, NULL, &e->err)); break;
    case 18: doc_put(e, "doc-2", "{\"status\":\"failed\",\"chunks_list\":[]}"); break;
    default: OK(rag_docstatus_delete_many(e->store, NULL, &doc, 1, NULL, NULL, &e->err)); break;
    }
}

/* Everything that a change may have left. */
static void undo(struct env *e)
{
    const rag_slice values[] = { T("doc-3") }, vectors[] = { T("chunk-2") }, nodes[] = { T("C") };
    const rag_pair ends = { T("A"), T("A") };
    OK(rag_kv_delete_many(e->store, NULL, "full_docs", values, 1, NULL, NULL, &e->err));
    OK(rag_kv_drop(e->store, NULL, "full_entities", &e->err));
    OK(rag_vector_delete_many(e->store, NULL, "chunks", vectors, 1, NULL, NULL, &e->err));
    OK(rag_graph_delete_nodes(e->store, NULL, nodes, 1, NULL, NULL, &e->err));
    OK(rag_graph_delete_edges(e->store, NULL, &ends, 1, NULL, NULL, &e->err));
    put_rows(e);
}

static void care_hash_changes_with_every_change(struct env *e)
{
    enum { CHANGES = 20 };
    rag_slice seen[CHANGES];
    put_rows(e);
    const rag_slice first = content_hash(e, e->store);
    for (int i = 0; i < CHANGES; i++) {
        change(e, i);
        seen[i] = content_hash(e, e->store);
        CHECK(!same(seen[i], first), "change %d is not seen", i);
        for (int j = 0; j < i; j++)
            CHECK(!same(seen[i], seen[j]), "changes %d and %d look the same", j, i);
        undo(e);
        expect_hash(e, first, format_text("change %d undone", i));
    }
}

static void care_hash_ignores_how_json_is_written(struct env *e)
{
    put_rows(e);
    const rag_slice first = content_hash(e, e->store);
    put_value(e, "full_docs", "doc-2", " { \"content\" : \"\\u007awei \\u00E4\\u000a\" } ", AT + 3,
              AT + 4);
    put_edge(e, "A", "B", "{ \"\\u0077eight\":\t2.0 }");
    doc_put(e, "doc-2", "{\"status\": \"pending\", \"chunks_list\": [ ]}");
    expect_hash(e, first, "other spaces and escapes");
}

/* ---- what is left out ------------------------------------------------------------------------------------- */

static void care_hash_leaves_out_pending_vectors(struct env *e)
{
    const rag_pending_item item = { T("chunk-9"), T("{\"content\":\"text\"}"), T(""), 0 };
    const rag_slice id = T("chunk-1");
    put_rows(e);
    OK(rag_vector_defer_many(e->store, NULL, "chunks", &item, 1, NULL, &e->err));
    OK(rag_vector_defer_delete(e->store, NULL, "chunks", &id, 1, NULL, &e->err));
    is_expected(hash_rows(e, e->store, NULL));
}

static void care_hash_leaves_out_what_is_expired(struct env *e)
{
    const int64_t now = (int64_t)time(NULL);
    rag_kv_limits limits = RAG_KV_LIMITS_INIT;
    rag_kv_item rows[100];
    put_rows(e);
    put_value(e, "a_cache", "young", "{}", now, now);
    const rag_slice with_cache = content_hash(e, e->store);
    limits.ttl_s = 1000000;
    OK(rag_kv_set_limits(e->store, NULL, "a_cache", &limits, &e->err));
    expect_hash(e, with_cache, "a time to live");
    for (size_t i = 0; i < 100; i++)
        rows[i] = (rag_kv_item){ T(format_text("old-%03zu", i)), T("{}"), 1, 1 };
    OK(rag_kv_put_many(e->store, NULL, "a_cache", rows, 100, NULL, &e->err));
    expect_hash(e, with_cache, "rows past their time");
}

static void care_hash_leaves_out_who_the_model_was(struct env *e)
{
    rag_vector_space space = RAG_VECTOR_SPACE_INIT;
    space.dimension = 2;
    space.metric = RAG_METRIC_DOT;
    memcpy(space.model, "another", 8);
    OK(rag_vector_define(e->store, NULL, "chunks", &space, &e->err));
    for (int i = 0; i < ROWS; i++)
        put_row(e, i);
    is_expected(hash_rows(e, e->store, NULL));
}

static void care_hash_is_of_float16(struct env *e)
{
    static const float nearly[2] = { 1, 0.5001f }; /* the same as V in float16 */
    define_space(e, "chunks", 2, RAG_METRIC_COSINE, RAG_ELEMENT_FLOAT16);
    for (int i = 0; i < ROWS; i++)
        put_row(e, i);
    is_expected(hash_rows(e, e->store, NULL));
    OK(rag_vector_drop(e->store, NULL, "chunks", &e->err));
    define_chunks(e);
    put_vector(e, "chunk-1", nearly, "{\"content\":\"one\"}", AT + 6);
    is_expected(hash_rows(e, e->store, NULL));
}

static void care_hash_leaves_out_what_is_the_librarys(struct env *e)
{
    const rag_shared_change one = { T("busy"), T("{}"), 0, 0 };
    int initialise = 0;
    put_rows(e);
    OK(rag_shared_join(e->store, NULL, "pipeline_status", &initialise, &e->err));
    OK(rag_shared_update(e->store, NULL, "pipeline_status", &one, 1, &e->err));
    is_expected(hash_rows(e, e->store, NULL));
    OK(rag_shared_leave(e->store, NULL, "pipeline_status", &e->err));
}

/* ---- who may ask ------------------------------------------------------------------------------------------- */

static void care_hash_inside_a_transaction(struct env *e)
{
    rag_context ctx = RAG_CONTEXT_INIT;
    const rag_kv_item item = { T("doc-1"), T("{\"content\":\"one\",\"n\":1.0}"), AT + 1, AT + 2 };
    const rag_slice key = T("doc-1");
    put_rows(e);
    OK(rag_kv_delete_many(e->store, NULL, "full_docs", &key, 1, NULL, NULL, &e->err));
    const rag_slice before = content_hash(e, e->store);
    OK(rag_txn_begin(e->store, NULL, &ctx.txn, &e->err));
    OK(rag_kv_put_many(e->store, &ctx, "full_docs", &item, 1, NULL, &e->err));
    is_expected(hash_rows(e, e->store, &ctx)); /* with what it wrote */
    rag_txn_abort(ctx.txn);
    expect_hash(e, before, "a transaction that was given up");
}

static void care_hash_of_a_limited_handle(struct env *e)
{
    static const char *const names[] = { "full_docs", "doc_status" };
    rag_open_options options = RAG_OPEN_OPTIONS_INIT;
    options.namespaces = names;
    options.namespace_count = 2;
    put_rows(e);
    rag_store *limited = open_again(e, &options);
    const rag_result *rows = hash_rows(e, limited, NULL);
    count_is(rows, 3);
    row_is(row_of(rows, 0), format_text("\"%s\"", EXPECTED[0].digits));
    row_is(row_of(rows, 1), format_text("\"%s\"", EXPECTED[5].digits));
    CHECK(row_of(rows, 2)->number == 4, "%lld rows", (long long)row_of(rows, 2)->number);
    rag_store_close(limited);
}

static void care_hash_of_a_read_only_handle(struct env *e)
{
    rag_open_options options = RAG_OPEN_OPTIONS_INIT;
    options.flags = RAG_OPEN_READ_ONLY;
    put_rows(e);
    rag_store *reader = open_again(e, &options);
    is_expected(hash_rows(e, reader, NULL));
    rag_store_close(reader);
}

static void care_hash_is_refused(struct env *e)
{
    rag_context ctx = RAG_CONTEXT_INIT;
    rag_result *rows = NULL;
    int flag = 0;
    put_rows(e);
    REFUSED(RAG_E_INVALID, rag_store_content_hash(NULL, NULL, &rows, &e->err));
    REFUSED(RAG_E_INVALID, rag_store_content_hash(e->store, NULL, NULL, &e->err));
    ctx.cancel = &flag;
    rag_cancel(&flag);
    REFUSED(RAG_E_CANCELLED, rag_store_content_hash(e->store, &ctx, &rows, &e->err));
    CHECK(!rows, "the result was touched");
}

const struct conformance_case content_hash_cases[] = {
    CASE(care, hash_is_the_same_on_every_backend),
    CASE(care, hash_of_nothing),
    CASE(care, hash_does_not_depend_on_the_way),
    CASE(care, hash_changes_with_every_change),
    CASE(care, hash_ignores_how_json_is_written),
    CASE(care, hash_leaves_out_pending_vectors),
    CASE_NEEDS(care, hash_leaves_out_what_is_expired, NEEDS_LIMITS),
    CASE_NEEDS(care, hash_leaves_out_who_the_model_was, NEEDS_DOT | NEEDS_FLOAT32),
    CASE_NEEDS(care, hash_is_of_float16, NEEDS_FLOAT16),
    CASE(care, hash_leaves_out_what_is_the_librarys),
    CASE_NEEDS(care, hash_inside_a_transaction, NEEDS_TRANSACTIONS),
    CASE_NEEDS(care, hash_of_a_limited_handle, NEEDS_SHARING),
    CASE_NEEDS(care, hash_of_a_read_only_handle, NEEDS_SHARING),
    CASE(care, hash_is_refused),
    CASES_END,
};
