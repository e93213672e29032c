/* The store as a whole: what namespaces it lists and counts, what it says of itself, handles that
 * are limited, contexts, flushing, tokens, several handles. Transactions are in suite_txn.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance.h"

static const float V[2] = { 1, 2 };

/* Something of every kind. */
static void put_everything(struct env *e)
{
    kv_put(e, "text_chunks", T("c"), "{\"n\":1}");
    kv_put(e, "full_docs", T("d"), "{\"n\":2}");
    define_space(e, "chunks", 2, RAG_METRIC_COSINE, RAG_ELEMENT_FLOAT32);
    vector_put(e, "chunks", T("c"), V, 2, "{\"n\":3}");
    edge_put(e, "a", "b", "{\"n\":4}");
    doc_put(e, "d", "{\"status\":\"pending\"}");
}

/* ---- what is there ------------------------------------------------------------------------------------ */

static void store_namespaces_are_listed_in_order(struct env *e)
{
    static const char *const wanted[][2] = { { "kv", "full_docs" },   { "kv", "text_chunks" },
                                             { "vector", "chunks" },  { "graph_nodes", NULL },
                                             { "graph_edges", NULL }, { "doc_status", NULL } };
    count_is(namespaces(e), 0);
    put_everything(e);
    const rag_result *rows = namespaces(e);
    count_is(rows, 6);
    for (size_t i = 0; i < 6; i++) {
        const rag_row *row = row_of(rows, i);
        CHECK(same(row->key, T(wanted[i][0])), "place %zu: '%.*s'", i, SHOW(row->key));
        if (wanted[i][1])
            CHECK(same(row->key2, T(wanted[i][1])), "place %zu: '%.*s'", i, SHOW(row->key2));
        CHECK(row->number == (i == 3 ? 2 : 1) && number_in(row, "rows") == row->number,
              "%lld rows in %s", (long long)row->number, wanted[i][0]);
        CHECK(number_in(row, "bytes") > 0 && number_in(row, "generation") > 0, "%.*s",
              SHOW(row->value));
    }
}

static void store_what_is_empty_is_not_listed(struct env *e)
{
    put_everything(e);
    const rag_slice d = T("d"), nodes[] = { T("a"), T("b") };
    OK(rag_kv_delete_many(e->store, NULL, "full_docs", &d, 1, NULL, NULL, &e->err));
    OK(rag_kv_drop(e->store, NULL, "text_chunks", &e->err));
    OK(rag_vector_drop(e->store, NULL, "chunks", &e->err));
    OK(rag_graph_delete_nodes(e->store, NULL, nodes, 2, NULL, NULL, &e->err));
    OK(rag_docstatus_drop(e->store, NULL, &e->err));
    count_is(namespaces(e), 0);
    define_space(e, "empty", 2, RAG_METRIC_COSINE, RAG_ELEMENT_FLOAT32);
    const rag_row *row = namespace_row(e, "vector", "empty"); /* it holds the record of the space */
    CHECK(row && row->number == 0, "a space without rows is not listed");
}

static void store_counters_follow_every_change(struct env *e)
{
    kv_put(e, "n", T("k"), "{\"v\":\"x\"}");
    const rag_row *before = namespace_row(e, "kv", "n");
    char large[3000];
    memcpy(large, "{\"v\":\"", 6);
    for (size_t i = 6; i < 2900; i++)
        large[i] = (char)('0' + (i * i * 7 + i / 13) % 64);
    for (size_t i = 6; i < 2900; i++)
        if (large[i] == '"' || large[i] == '\\')
            large[i] = 'x';
    memcpy(large + 2900, "\"}", 3);
    kv_put(e, "n", T("k"), large);
    const rag_row *after = namespace_row(e, "kv", "n");
    CHECK(number_in(after, "rows") == 1, "%lld rows", number_in(after, "rows"));
    CHECK(number_in(after, "bytes") > number_in(before, "bytes"),
          "bytes do not grow with the value");
    CHECK(number_in(after, "generation") > number_in(before, "generation"),
          "the generation stands still");
    kv_put(e, "n", T("k"), "{\"v\":\"x\"}");
    const rag_row *again = namespace_row(e, "kv", "n");
    CHECK(number_in(again, "bytes") == number_in(before, "bytes"), "%lld bytes, not %lld as before",
          number_in(again, "bytes"), number_in(before, "bytes"));
    kv_put(e, "other", T("k"), "{}");
    CHECK(number_in(namespace_row(e, "kv", "n"), "generation") == number_in(again, "generation"),
          "a change elsewhere moved the generation");
}

static void store_generations_never_return(struct env *e)
{
    long long last = 0;
    for (int i = 0; i < 5; i++) {
        kv_put(e, "n", T("k"), "{}");
        const long long now = number_in(namespace_row(e, "kv", "n"), "generation");
        CHECK(now > last, "generation %lld after %lld", now, last);
        last = now;
        if (i % 2)
            OK(rag_kv_drop(e->store, NULL, "n", &e->err));
    }
}

static uint64_t scanned(struct env *e, scan_call scan, const char *name)
{
    const rag_row *rows[512];
    return scan_all(e, scan, name, 100, rows, 512);
}

static void expect_counter(struct env *e, const char *kind, const char *name, uint64_t wanted)
{
    const rag_row *row = namespace_row(e, kind, name);
    const uint64_t counter = row ? (uint64_t)row->number : 0;
    CHECK(counter == wanted, "%s '%s': the counter says %llu, a scan sees %llu", kind,
          name ? name : "", (unsigned long long)counter, (unsigned long long)wanted);
}

static void random_step(struct env *e, struct random *r)
{
    const char *id = format_text("%llu", (unsigned long long)random_below(r, 30));
    const rag_slice key = T(id);
    switch (random_below(r, 9)) {
    case 0: kv_put(e, "n", key, format_text("{\"a\":%s}", id)); break;
    case 1: OK(rag_kv_delete_many(e->store, NULL, "n", &key, 1, NULL, NULL, &e->err)); break;
    case 2: vector_put(e, "v", key, V, 2, format_text("{\"entity_name\":\"%s\"}", id)); break;
    case 3: OK(rag_vector_delete_many(e->store, NULL, "v", &key, 1, NULL, NULL, &e->err)); break;
    case 4:
        edge_put(e, id, format_text("%llu", (unsigned long long)random_below(r, 30)), "{\"w\":1}");
        break;
    case 5: OK(rag_graph_delete_nodes(e->store, NULL, &key, 1, NULL, NULL, &e->err)); break;
    case 6: doc_put(e, id, "{\"status\":\"pending\"}"); break;
    case 7: OK(rag_docstatus_delete_many(e->store, NULL, &key, 1, NULL, NULL, &e->err)); break;
    default: OK(rag_vector_delete_named(e->store, NULL, "v", &key, 1, NULL, NULL, &e->err)); break;
    }
}

static void store_counters_equal_counting(struct env *e)
{
    struct random r = random_of(e);
    define_space(e, "v", 2, RAG_METRIC_COSINE, RAG_ELEMENT_FLOAT32);
    for (int step = 0; step < 600; step++) {
        random_step(e, &r);
        if (step % 40 != 0)
            continue;
        expect_counter(e, "kv", "n", scanned(e, scan_kv, "n"));
        expect_counter(e, "vector", "v", scanned(e, scan_vectors, "v"));
        expect_counter(e, "graph_nodes", NULL, scanned(e, scan_nodes, NULL));
        expect_counter(e, "graph_edges", NULL, scanned(e, scan_edges, NULL));
        expect_counter(e, "doc_status", NULL, scanned(e, scan_docs, NULL));
        graph_counts(e, scanned(e, scan_nodes, NULL), scanned(e, scan_edges, NULL));
        CHECK(kv_count(e, "n") == scanned(e, scan_kv, "n"), "rag_kv_count()");
        CHECK(vector_count(e, "v") == scanned(e, scan_vectors, "v"), "rag_vector_count()");
    }
}

static void store_describe_has_a_row_per_kind(struct env *e)
{
    static const char *const kinds[] = { "kv", "vector", "graph", "doc_status" };
    rag_result *rows = NULL;
    put_everything(e);
    OK(rag_store_describe(e->store, NULL, &rows, &e->err));
    keep(e, rows);
    count_is(rows, 4);
    for (size_t i = 0; i < 4; i++) {
        const rag_row *row = row_of(rows, i);
        CHECK(same(row->key, T(kinds[i])), "place %zu: '%.*s'", i, SHOW(row->key));
        CHECK(same(row->key2, T(driver_name(e))), "the backend is '%.*s'", SHOW(row->key2));
        CHECK(contains(row->value, "{") && contains(row->value, "\"location\""), "'%.*s'",
              SHOW(row->value));
    }
}

/* ---- tokens and flushing --------------------------------------------------------------------------------- */

static void store_tokens_grow_with_every_commit(struct env *e)
{
    rag_token last = 0, token = 0;
    const rag_kv_item item = { .key = T("k"), .value = T("{}") };
    const rag_node node = { T("a"), T("{}") };
    const rag_edge edge = { T("a"), T("b"), T("{}") };
    const rag_doc doc = { T("d"), T("{\"status\":\"pending\"}") };
    const rag_vector_item vector = { T("v"), V, 2, T("{}"), 0 };
    const rag_slice key = T("k");
    define_space(e, "v", 2, RAG_METRIC_COSINE, RAG_ELEMENT_FLOAT32);
    for (int i = 0; i < 14; i++) {
        switch (i % 7) {
        case 0: OK(rag_kv_put_many(e->store, NULL, "n", &item, 1, &token, &e->err)); break;
        case 1:
            OK(rag_graph_put_nodes(e->store, NULL, &node, 1, RAG_PUT_MERGE, &token, &e->err));
            break;
        case 2:
            OK(rag_graph_put_edges(e->store, NULL, &edge, 1, RAG_PUT_MERGE, &token, &e->err));
            break;
        case 3: OK(rag_docstatus_put_many(e->store, NULL, &doc, 1, &token, &e->err)); break;
        case 4: OK(rag_vector_put_many(e->store, NULL, "v", &vector, 1, &token, &e->err)); break;
        case 5: OK(rag_kv_delete_many(e->store, NULL, "n", &key, 1, NULL, &token, &e->err)); break;
        default:
            OK(rag_graph_delete_nodes(e->store, NULL, &node.label, 1, NULL, &token, &e->err));
            break;
        }
        CHECK(token > last, "step %d: token %llu after %llu", i, (unsigned long long)token,
              (unsigned long long)last);
        last = token;
    }
}

static void store_flush(struct env *e)
{
    rag_token token = 0;
    const rag_kv_item item = { .key = T("k"), .value = T("{}") };
    OK(rag_flush(e->store, NULL, 0, &e->err)); /* of nothing */
    OK(rag_kv_put_many(e->store, NULL, "n", &item, 1, &token, &e->err));
    OK(rag_flush(e->store, NULL, token, &e->err));
    OK(rag_flush(e->store, NULL, token, &e->err));
    OK(rag_flush(e->store, NULL, 0, &e->err));
    CHECK(kv_count(e, "n") == 1, "the row is gone");
    OK(rag_store_optimize(e->store, NULL, &e->err));
    CHECK(kv_count(e, "n") == 1, "the row is gone");
}

/* ---- contexts --------------------------------------------------------------------------------------------- */

static void every_call_answers(struct env *e, const rag_context *ctx, rag_status status)
{
    const rag_kv_item item = { .key = T("new"), .value = T("{}") };
    const rag_node node = { T("new"), T("{}") };
    const rag_doc doc = { T("new"), T("{\"status\":\"pending\"}") };
    const rag_vector_item vector = { T("new"), V, 2, T("{}"), 0 };
    const rag_slice key = T("c");
    rag_vector_query query = RAG_VECTOR_QUERY_INIT;
    rag_result *rows = NULL, *more = NULL;
    uint64_t n = 0;
    query.vector = V;
    query.dimension = 2;
    REFUSED(status, rag_kv_put_many(e->store, ctx, "text_chunks", &item, 1, NULL, &e->err));
    REFUSED(status, rag_kv_get_many(e->store, ctx, "text_chunks", &key, 1, &rows, &e->err));
    REFUSED(status, rag_kv_scan(e->store, ctx, "text_chunks", T(""), 1, &rows, &e->err));
    REFUSED(status, rag_kv_count(e->store, ctx, "text_chunks", &n, &e->err));
    REFUSED(status, rag_kv_drop(e->store, ctx, "text_chunks", &e->err));
    REFUSED(status, rag_vector_put_many(e->store, ctx, "chunks", &vector, 1, NULL, &e->err));
    REFUSED(status, rag_vector_search(e->store, ctx, "chunks", &query, &rows, &e->err));
    REFUSED(status, rag_graph_put_nodes(e->store, ctx, &node, 1, RAG_PUT_MERGE, NULL, &e->err));
    REFUSED(status, rag_graph_get_nodes(e->store, ctx, &key, 1, 0, &rows, &e->err));
    REFUSED(status, rag_graph_view(e->store, ctx, T("a"), NULL, &rows, &more, &e->err));
    REFUSED(status, rag_graph_popular(e->store, ctx, 5, &rows, &e->err));
    REFUSED(status, rag_graph_drop(e->store, ctx, &e->err));
    REFUSED(status, rag_docstatus_put_many(e->store, ctx, &doc, 1, NULL, &e->err));
    REFUSED(status, rag_docstatus_page(e->store, ctx, NULL, &rows, &e->err));
    REFUSED(status, rag_store_namespaces(e->store, ctx, &rows, &e->err));
    CHECK(!rows && !more && !n, "an output was touched");
}

static void store_a_deadline_that_passed(struct env *e)
{
    rag_context ctx = RAG_CONTEXT_INIT;
    size_t len;
    put_everything(e);
    char *before = dump_store(e, e->store, &len);
    ctx.deadline_ns = rag_deadline_in_ms(-10);
    every_call_answers(e, &ctx, RAG_E_TIMEOUT);
    expect_dump(e, before, len, "calls whose deadline had passed");
    free(before);
    ctx.deadline_ns = rag_deadline_in_ms(3600000);
    uint64_t n = 0;
    OK(rag_kv_count(e->store, &ctx, "text_chunks", &n, &e->err));
}

static void store_a_cancel_flag_that_is_set(struct env *e)
{
    rag_context ctx = RAG_CONTEXT_INIT;
    int flag = 0;
    size_t len;
    uint64_t n = 0;
    put_everything(e);
    char *before = dump_store(e, e->store, &len);
    ctx.cancel = &flag;
    OK(rag_kv_count(e->store, &ctx, "text_chunks", &n, &e->err));
    rag_cancel(&flag);
    every_call_answers(e, &ctx, RAG_E_CANCELLED);
    expect_dump(e, before, len, "calls that were cancelled");
    free(before);
}

static void store_contexts_are_checked(struct env *e)
{
    rag_context ctx = RAG_CONTEXT_INIT;
    uint64_t n = 0;
    ctx.struct_size = 0;
    REFUSED(RAG_E_INVALID, rag_kv_count(e->store, &ctx, "n", &n, &e->err));
    REFUSED(RAG_E_INVALID, rag_kv_count(NULL, NULL, "n", &n, &e->err));
}

/* ---- handles that may do less ------------------------------------------------------------------------------ */

static void every_write_is_denied(struct env *e, rag_store *store)
{
    const rag_kv_item item = { .key = T("new"), .value = T("{}") };
    const rag_node node = { T("new"), T("{}") };
    const rag_edge edge = { T("new"), T("a"), T("{}") };
    const rag_pair pair = { T("a"), T("b") };
    const rag_doc doc = { T("new"), T("{\"status\":\"pending\"}") };
    const rag_vector_item vector = { T("new"), V, 2, T("{}"), 0 };
    const rag_slice key = T("c");
    rag_upsert upsert = RAG_UPSERT_INIT;
    rag_txn *txn = NULL;
    upsert.docs = &doc;
    upsert.doc_count = 1;
    REFUSED(RAG_E_DENIED, rag_kv_put_many(store, NULL, "text_chunks", &item, 1, NULL, &e->err));
    REFUSED(RAG_E_DENIED,
            rag_kv_delete_many(store, NULL, "text_chunks", &key, 1, NULL, NULL, &e->err));
    REFUSED(RAG_E_DENIED, rag_kv_drop(store, NULL, "text_chunks", &e->err));
    REFUSED(RAG_E_DENIED, rag_vector_put_many(store, NULL, "chunks", &vector, 1, NULL, &e->err));
    REFUSED(RAG_E_DENIED,
            rag_vector_delete_many(store, NULL, "chunks", &key, 1, NULL, NULL, &e->err));
    REFUSED(RAG_E_DENIED,
            rag_vector_delete_named(store, NULL, "chunks", &key, 1, NULL, NULL, &e->err));
    REFUSED(RAG_E_DENIED, rag_vector_drop(store, NULL, "chunks", &e->err));
    REFUSED(RAG_E_DENIED, rag_graph_put_nodes(store, NULL, &node, 1, RAG_PUT_MERGE, NULL, &e->err));
    REFUSED(RAG_E_DENIED, rag_graph_put_edges(store, NULL, &edge, 1, RAG_PUT_MERGE, NULL, &e->err));
    REFUSED(RAG_E_DENIED, rag_graph_delete_nodes(store, NULL, &key, 1, NULL, NULL, &e->err));
    REFUSED(RAG_E_DENIED, rag_graph_delete_edges(store, NULL, &pair, 1, NULL, NULL, &e->err));
    REFUSED(RAG_E_DENIED, rag_graph_drop(store, NULL, &e->err));
    REFUSED(RAG_E_DENIED, rag_docstatus_put_many(store, NULL, &doc, 1, NULL, &e->err));
    REFUSED(RAG_E_DENIED, rag_docstatus_delete_many(store, NULL, &key, 1, NULL, NULL, &e->err));
    REFUSED(RAG_E_DENIED, rag_docstatus_drop(store, NULL, &e->err));
    REFUSED(RAG_E_DENIED, rag_coordinated_upsert(store, NULL, &upsert, NULL, &e->err));
    REFUSED(RAG_E_DENIED, rag_txn_begin(store, NULL, &txn, &e->err));
    CHECK(!txn, "the transaction was touched");
}

static void store_a_read_only_handle_never_writes(struct env *e)
{
    rag_open_options options = RAG_OPEN_OPTIONS_INIT;
    options.flags = RAG_OPEN_READ_ONLY;
    put_everything(e);
    const int shares = (e->backend->quirks.offers & NEEDS_SHARING) != 0;
    if (!shares) { /* one handle at a time: of an empty store, if it does not persist */
        rag_store_close(e->store);
        e->store = NULL;
    }
    rag_store *reader = open_again(e, &options);
    every_write_is_denied(e, reader);
    uint64_t n = 0;
    OK(rag_kv_count(reader, NULL, "text_chunks", &n, &e->err));
    CHECK(n == (e->backend->quirks.offers & NEEDS_PERSISTENCE ? 1 : 0), "%llu rows",
          (unsigned long long)n);
    OK(rag_flush(reader, NULL, 0, &e->err));
    rag_vector_space space = RAG_VECTOR_SPACE_INIT;
    space.dimension = 2;
    REFUSED(RAG_E_DENIED, rag_vector_define(reader, NULL, "another", &space, &e->err));
    rag_store_close(reader);
    if (!shares)
        e->store = open_again(e, NULL);
}

static void store_a_limited_handle_stays_in_its_namespaces(struct env *e)
{
    static const char *const names[] = { "full_docs", "graph" };
    rag_open_options options = RAG_OPEN_OPTIONS_INIT;
    rag_result *rows = NULL;
    uint64_t n = 0;
    const rag_slice key = T("c");
    options.namespaces = names;
    options.namespace_count = 2;
    rag_store_close(e->store);
    e->store = NULL;
    e->store = open_again(e, &options);
    kv_put(e, "full_docs", T("d"), "{}");
    edge_put(e, "a", "b", "{}");
    REFUSED(RAG_E_DENIED, rag_kv_get_many(e->store, NULL, "full", &key, 1, &rows, &e->err));
    REFUSED(RAG_E_DENIED, rag_kv_drop(e->store, NULL, "full_docs_2", &e->err));
    expect_message(e, "full_docs_2");
    REFUSED(RAG_E_DENIED, rag_kv_count(e->store, NULL, "FULL_DOCS", &n, &e->err));
    REFUSED(RAG_E_DENIED, rag_vector_count(e->store, NULL, "chunks", &n, &e->err));
    REFUSED(RAG_E_DENIED, rag_docstatus_counts(e->store, NULL, &rows, &e->err));
    REFUSED(RAG_E_DENIED, rag_docstatus_drop(e->store, NULL, &e->err));
    const rag_doc doc = { T("d"), T("{\"status\":\"pending\"}") };
    const rag_node node = { T("new"), T("{}") };
    rag_upsert upsert = RAG_UPSERT_INIT;
    upsert.nodes = &node;
    upsert.node_count = 1;
    upsert.docs = &doc;
    upsert.doc_count = 1;
    REFUSED(RAG_E_DENIED, rag_coordinated_upsert(e->store, NULL, &upsert, NULL, &e->err));
    graph_counts(e, 2, 1);
    const rag_result *listed = namespaces(e);
    count_is(listed, 3);
    CHECK(!rows && !n, "an output was touched");
}

/* ---- several handles ----------------------------------------------------------------------------------------- */

static void store_another_handle_sees_commits_at_once(struct env *e)
{
    rag_store *other = open_again(e, NULL);
    rag_token first = 0, second = 0;
    uint64_t n = 0;
    const rag_kv_item item = { .key = T("k"), .value = T("{}") };
    OK(rag_kv_count(other, NULL, "n", &n, &e->err));
    CHECK(n == 0, "not empty");
    OK(rag_kv_put_many(e->store, NULL, "n", &item, 1, &first, &e->err));
    OK(rag_kv_count(other, NULL, "n", &n, &e->err));
    CHECK(n == 1, "the other handle does not see the row");
    OK(rag_kv_put_many(other, NULL, "m", &item, 1, &second, &e->err));
    CHECK(kv_count(e, "m") == 1, "the first handle does not see the row");
    CHECK(second > first, "tokens of two handles are not in one order");
    define_space(e, "v", 2, RAG_METRIC_COSINE, RAG_ELEMENT_FLOAT32);
    vector_put(e, "v", T("v"), V, 2, "{}");
    rag_vector_query query = RAG_VECTOR_QUERY_INIT;
    rag_result *rows = NULL;
    query.vector = V;
    query.dimension = 2;
    OK(rag_vector_search(other, NULL, "v", &query, &rows, &e->err));
    count_is(rows, 1);
    rag_result_free(rows);
    rows = NULL;
    OK(rag_vector_drop(e->store, NULL, "v", &e->err));
    REFUSED(RAG_E_NOT_FOUND, rag_vector_search(other, NULL, "v", &query, &rows, &e->err));
    rag_store_close(other);
    CHECK(kv_count(e, "n") == 1, "closing the other handle hurt this one");
}

static void store_what_was_put_is_there_after_opening_again(struct env *e)
{
    rag_open_options options = RAG_OPEN_OPTIONS_INIT;
    put_everything(e);
    for (int i = 0; i < 3; i++)
        expect_same_after_reopening(e);
    rag_store_close(e->store);
    e->store = NULL;
    options.flags = RAG_OPEN_EXISTING;
    e->store = open_again(e, &options);
    CHECK(kv_count(e, "text_chunks") == 1, "not there");
}

const struct conformance_case store_cases[] = {
    CASE(store, namespaces_are_listed_in_order),
    CASE(store, what_is_empty_is_not_listed),
    CASE(store, counters_follow_every_change),
    CASE(store, generations_never_return),
    CASE(store, counters_equal_counting),
    CASE(store, describe_has_a_row_per_kind),
    CASE(store, tokens_grow_with_every_commit),
    CASE(store, flush),
    CASE(store, a_deadline_that_passed),
    CASE(store, a_cancel_flag_that_is_set),
    CASE(store, contexts_are_checked),
    CASE(store, a_read_only_handle_never_writes),
    CASE(store, a_limited_handle_stays_in_its_namespaces),
    CASE_NEEDS(store, another_handle_sees_commits_at_once, NEEDS_SHARING),
    CASE_NEEDS(store, what_was_put_is_there_after_opening_again, NEEDS_PERSISTENCE),
    CASES_END,
};
