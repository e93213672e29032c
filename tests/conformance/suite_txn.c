/* Transactions over all four stores, and the coordinated upsert. "Others" are calls on the same
 * handle outside the transaction, and where a backend allows it a second handle. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance.h"

static const float V[2] = { 1, 2 };

static rag_context inside(rag_txn *txn)
{
    rag_context ctx = RAG_CONTEXT_INIT;
    ctx.txn = txn;
    return ctx;
}

static rag_txn *begin(struct env *e)
{
    rag_txn *txn = NULL;
    OK(rag_txn_begin(e->store, NULL, &txn, &e->err));
    CHECK(txn, "no transaction");
    return txn;
}

/* One row of each kind, named after `id`. */
static void put_all(struct env *e, const rag_context *ctx, const char *id)
{
    const rag_kv_item item = { .key = T(id), .value = T("{\"kind\":\"kv\"}") };
    const rag_vector_item vector = { T(id), V, 2, T("{\"kind\":\"vector\"}"), 1 };
    const rag_edge edge = { T(id), T("other"), T("{\"kind\":\"edge\"}") };
    const rag_doc doc = { T(id), T("{\"status\":\"pending\"}") };
    OK(rag_kv_put_many(e->store, ctx, "n", &item, 1, NULL, &e->err));
    OK(rag_vector_put_many(e->store, ctx, "v", &vector, 1, NULL, &e->err));
    OK(rag_graph_put_edges(e->store, ctx, &edge, 1, RAG_PUT_MERGE, NULL, &e->err));
    OK(rag_docstatus_put_many(e->store, ctx, &doc, 1, NULL, &e->err));
}

/* What a look at all four stores finds of `id`, by every way that leads to it. */
static void expect_all(struct env *e, rag_store *store, const rag_context *ctx, const char *id,
                       int there, const char *who)
{
    const rag_slice key = T(id);
    rag_vector_query query = RAG_VECTOR_QUERY_INIT;
    rag_result *rows[7] = { NULL };
    query.vector = V;
    query.dimension = 2;
    query.top_k = 1000;
    OK(rag_kv_get_many(store, ctx, "n", &key, 1, &rows[0], &e->err));
    OK(rag_vector_get_many(store, ctx, "v", &key, 1, 3, &rows[1], &e->err));
    OK(rag_graph_get_nodes(store, ctx, &key, 1, 1, &rows[2], &e->err));
    OK(rag_docstatus_get_many(store, ctx, &key, 1, &rows[3], &e->err));
    OK(rag_graph_incident(store, ctx, &key, 1, 0, &rows[4], &e->err));
    OK(rag_vector_search(store, ctx, "v", &query, &rows[5], &e->err));
    OK(rag_docstatus_page(store, ctx, NULL, &rows[6], &e->err));
    for (size_t i = 0; i < 5; i++)
        CHECK(row_of(rows[i], 0)->found == there, "%s: kind %zu of '%s' is %s", who, i, id,
              there ? "not there" : "there");
    for (size_t i = 5; i < 7; i++) {
        int found = 0;
        for (size_t j = 0; j < rag_result_count(rows[i]); j++)
            found |= same(row_of(rows[i], j)->key, key);
        CHECK(found == there, "%s: %s of '%s'", who, i == 5 ? "the search" : "the page", id);
    }
    CHECK(row_of(rows[4], 0)->number == there, "%s: the edge of '%s'", who, id);
    for (size_t i = 0; i < 7; i++)
        rag_result_free(rows[i]);
}

static void expect_counts(struct env *e, const rag_context *ctx, uint64_t rows, const char *who)
{
    uint64_t kv = 99, vectors = 99, nodes = 99, edges = 99;
    rag_result *docs = NULL;
    OK(rag_kv_count(e->store, ctx, "n", &kv, &e->err));
    OK(rag_vector_count(e->store, ctx, "v", &vectors, &e->err));
    OK(rag_graph_count(e->store, ctx, &nodes, &edges, &e->err));
    OK(rag_docstatus_counts(e->store, ctx, &docs, &e->err));
    CHECK(kv == rows && vectors == rows && edges == rows && rag_result_total(docs) == rows,
          "%s counts %llu, %llu, %llu, %llu, not %llu", who, (unsigned long long)kv,
          (unsigned long long)vectors, (unsigned long long)edges,
          (unsigned long long)rag_result_total(docs), (unsigned long long)rows);
    rag_result_free(docs);
}

static void prepare(struct env *e)
{
    define_space(e, "v", 2, RAG_METRIC_COSINE, RAG_ELEMENT_FLOAT32);
    put_all(e, NULL, "before");
}

/* ---- commit and abort ------------------------------------------------------------------------------------- */

static void txn_a_commit_is_seen_in_all_stores(struct env *e)
{
    rag_token token = 0, later = 0;
    prepare(e);
    rag_txn *txn = begin(e);
    const rag_context ctx = inside(txn);
    put_all(e, &ctx, "new");
    expect_all(e, e->store, &ctx, "new", 1, "the transaction");
    expect_all(e, e->store, &ctx, "before", 1, "the transaction");
    expect_counts(e, &ctx, 2, "the transaction");
    expect_all(e, e->store, NULL, "new", 0, "another call before the commit");
    expect_counts(e, NULL, 1, "another call before the commit");
    OK(rag_txn_commit(txn, NULL, &token, &e->err));
    expect_all(e, e->store, NULL, "new", 1, "another call after the commit");
    expect_counts(e, NULL, 2, "another call after the commit");
    const rag_kv_item item = { .key = T("k"), .value = T("{}") };
    OK(rag_kv_put_many(e->store, NULL, "n", &item, 1, &later, &e->err));
    CHECK(token > 0 && later > token, "token %llu, then %llu", (unsigned long long)token,
          (unsigned long long)later);
    OK(rag_flush(e->store, NULL, token, &e->err));
}

static void txn_an_abort_undoes_everything(struct env *e)
{
    size_t len;
    prepare(e);
    char *before = dump_store(e, e->store, &len);
    rag_txn *txn = begin(e);
    const rag_context ctx = inside(txn);
    const rag_slice keys[] = { T("before"), T("other") };
    rag_vector_space space = RAG_VECTOR_SPACE_INIT;
    space.element = element_for(e, space.element);
    space.dimension = 7;
    put_all(e, &ctx, "new");
    put_all(e, &ctx, "before");
    OK(rag_kv_delete_many(e->store, &ctx, "n", keys, 1, NULL, NULL, &e->err));
    OK(rag_graph_delete_nodes(e->store, &ctx, keys, 2, NULL, NULL, &e->err));
    OK(rag_docstatus_drop(e->store, &ctx, &e->err));
    OK(rag_vector_drop(e->store, &ctx, "v", &e->err));
    OK(rag_vector_define(e->store, &ctx, "v", &space, &e->err));
    OK(rag_vector_define(e->store, &ctx, "another", &space, &e->err));
    rag_txn_abort(txn);
    expect_dump(e, before, len, "an aborted transaction");
    free(before);
    expect_all(e, e->store, NULL, "before", 1, "after the abort");
    put_all(e, NULL, "later"); /* the turn is free again */
    expect_counts(e, NULL, 2, "after the abort");
    rag_txn_abort(NULL);
}

static void txn_deletes_and_drops_wait_for_the_commit(struct env *e)
{
    const rag_slice keys[] = { T("before"), T("other") };
    prepare(e);
    put_all(e, NULL, "second");
    rag_txn *txn = begin(e);
    const rag_context ctx = inside(txn);
    uint64_t deleted = 0;
    OK(rag_kv_drop(e->store, &ctx, "n", &e->err));
    OK(rag_vector_delete_many(e->store, &ctx, "v", keys, 1, &deleted, NULL, &e->err));
    CHECK(deleted == 1, "%llu deleted", (unsigned long long)deleted);
    OK(rag_graph_delete_nodes(e->store, &ctx, keys, 2, &deleted, NULL, &e->err));
    CHECK(deleted == 2, "%llu deleted", (unsigned long long)deleted);
    OK(rag_docstatus_delete_many(e->store, &ctx, keys, 1, &deleted, NULL, &e->err));
    expect_all(e, e->store, &ctx, "before", 0, "the transaction");
    expect_all(e, e->store, NULL, "before", 1, "another call before the commit");
    expect_counts(e, NULL, 2, "another call before the commit");
    OK(rag_txn_commit(txn, NULL, NULL, &e->err));
    expect_all(e, e->store, NULL, "before", 0, "another call after the commit");
    CHECK(kv_count(e, "n") == 0 && vector_count(e, "v") == 1, "after the commit");
    graph_counts(e, 1, 0);
}

static void txn_own_writes_are_visible_in_order(struct env *e)
{
    prepare(e);
    rag_txn *txn = begin(e);
    const rag_context ctx = inside(txn);
    const rag_slice key = T("k");
    for (int i = 0; i < 20; i++) {
        const rag_kv_item item = { .key = key, .value = T(format_text("{\"i\":%d}", i)) };
        rag_result *rows = NULL;
        OK(rag_kv_put_many(e->store, &ctx, "n", &item, 1, NULL, &e->err));
        OK(rag_kv_get_many(e->store, &ctx, "n", &key, 1, &rows, &e->err));
        row_is(row_of(keep(e, rows), 0), format_text("{\"i\":%d}", i));
        if (i % 3 == 2) {
            OK(rag_kv_delete_many(e->store, &ctx, "n", &key, 1, NULL, NULL, &e->err));
            rows = NULL;
            OK(rag_kv_get_many(e->store, &ctx, "n", &key, 1, &rows, &e->err));
            row_absent(row_of(keep(e, rows), 0), key);
        }
    }
    const rag_vector_space space = { sizeof space, 3, RAG_METRIC_COSINE,
                                     element_for(e, RAG_ELEMENT_FLOAT32), "m" };
    const float w[3] = { 1, 2, 3 };
    const rag_vector_item vector = { T("x"), w, 3, T("{}"), 0 };
    OK(rag_vector_define(e->store, &ctx, "fresh", &space, &e->err));
    OK(rag_vector_put_many(e->store, &ctx, "fresh", &vector, 1, NULL, &e->err));
    OK(rag_txn_commit(txn, NULL, NULL, &e->err));
    row_is(row_of(kv_get(e, "n", key), 0), "{\"i\":19}");
    CHECK(vector_count(e, "fresh") == 1, "the new space has no row");
}

static void txn_a_refused_call_leaves_the_transaction_usable(struct env *e)
{
    prepare(e);
    rag_txn *txn = begin(e);
    const rag_context ctx = inside(txn);
    put_all(e, &ctx, "one");
    const rag_kv_item bad[] = { { .key = T("x"), .value = T("{}") },
                                { .key = T("y"), .value = T("[]") } };
    const float three[3] = { 1, 2, 3 };
    const rag_vector_item vector = { T("x"), three, 3, T("{}"), 0 };
    REFUSED(RAG_E_INVALID, rag_kv_put_many(e->store, &ctx, "n", bad, 2, NULL, &e->err));
    REFUSED(RAG_E_MISMATCH, rag_vector_put_many(e->store, &ctx, "v", &vector, 1, NULL, &e->err));
    expect_counts(e, &ctx, 2, "the transaction");
    put_all(e, &ctx, "two");
    OK(rag_txn_commit(txn, NULL, NULL, &e->err));
    expect_counts(e, NULL, 3, "after the commit");
}

static void txn_a_slot_that_fails_undoes_itself_only(struct env *e)
{
    /* Too large for float16 is found by the backend, after it may have stored the first row. */
    const float good[2] = { 1, 1 }, bad[2] = { 1, 70000 };
    const rag_vector_item items[] = { { T("x"), good, 2, T("{}"), 0 },
                                      { T("y"), bad, 2, T("{}"), 0 } };
    uint64_t n = 9;
    prepare(e);
    define_space(e, "h", 2, RAG_METRIC_COSINE, RAG_ELEMENT_FLOAT16);
    rag_txn *txn = begin(e);
    const rag_context ctx = inside(txn);
    put_all(e, &ctx, "one");
    REFUSED(RAG_E_INVALID, rag_vector_put_many(e->store, &ctx, "h", items, 2, NULL, &e->err));
    OK(rag_vector_count(e->store, &ctx, "h", &n, &e->err));
    CHECK(n == 0, "a half of the batch is there");
    OK(rag_vector_put_many(e->store, &ctx, "h", items, 1, NULL, &e->err));
    OK(rag_txn_commit(txn, NULL, NULL, &e->err));
    expect_all(e, e->store, NULL, "one", 1, "after the commit");
    CHECK(vector_count(e, "h") == 1, "not 1 row");
}

static void txn_an_empty_transaction(struct env *e)
{
    size_t len;
    prepare(e);
    char *before = dump_store(e, e->store, &len);
    for (int i = 0; i < 5; i++) {
        rag_txn *txn = begin(e);
        if (i % 2)
            rag_txn_abort(txn);
        else
            OK(rag_txn_commit(txn, NULL, NULL, &e->err));
    }
    expect_dump(e, before, len, "an empty transaction");
    free(before);
}

static void txn_closing_aborts_what_is_open(struct env *e)
{
    prepare(e);
    rag_txn *txn = begin(e);
    const rag_context ctx = inside(txn);
    put_all(e, &ctx, "new");
    rag_store_close(e->store);
    e->store = NULL;
    e->store = open_again(e, NULL);
    CHECK(kv_count(e, "n") == (e->backend->quirks.offers & NEEDS_PERSISTENCE ? 1 : 0),
          "closing committed a transaction");
}

/* ---- the writer's turn -------------------------------------------------------------------------------------- */

static void txn_other_writers_wait_for_their_turn(struct env *e)
{
    prepare(e);
    rag_txn *txn = begin(e), *second = NULL;
    rag_context late = RAG_CONTEXT_INIT;
    const rag_kv_item item = { .key = T("k"), .value = T("{}") };
    late.deadline_ns = rag_deadline_in_ms(30);
    REFUSED(RAG_E_TIMEOUT, rag_txn_begin(e->store, &late, &second, &e->err));
    CHECK(!second, "the transaction was touched");
    late.deadline_ns = rag_deadline_in_ms(30);
    REFUSED(RAG_E_TIMEOUT, rag_kv_put_many(e->store, &late, "n", &item, 1, NULL, &e->err));
    CHECK(e->err.outcome == RAG_OUTCOME_NOT_APPLIED, "the outcome is not 'not applied'");
    late.deadline_ns = rag_deadline_in_ms(30);
    REFUSED(RAG_E_TIMEOUT, rag_docstatus_drop(e->store, &late, &e->err));
    expect_counts(e, NULL, 1, "a reader while others wait"); /* readers do not wait */
    OK(rag_txn_commit(txn, NULL, NULL, &e->err));
    OK(rag_kv_put_many(e->store, NULL, "n", &item, 1, NULL, &e->err));
    CHECK(kv_count(e, "n") == 2, "what timed out was applied");
}

static void txn_a_turn_that_does_not_come_times_out(struct env *e)
{
    /* Without a deadline the handle's own limit holds. */
    rag_open_options options = RAG_OPEN_OPTIONS_INIT;
    const rag_kv_item item = { .key = T("k"), .value = T("{}") };
    options.lock_timeout_ms = 40;
    rag_store_close(e->store);
    e->store = NULL;
    e->store = open_again(e, &options);
    rag_txn *txn = begin(e);
    REFUSED(RAG_E_TIMEOUT, rag_kv_put_many(e->store, NULL, "n", &item, 1, NULL, &e->err));
    CHECK(e->err.retryable, "a busy store is worth another try");
    rag_txn_abort(txn);
    OK(rag_kv_put_many(e->store, NULL, "n", &item, 1, NULL, &e->err));
}

static void txn_deadline_and_cancel_inside(struct env *e)
{
    prepare(e);
    rag_txn *txn = begin(e);
    rag_context ctx = inside(txn);
    int flag = 1;
    const rag_kv_item item = { .key = T("k"), .value = T("{}") };
    ctx.cancel = &flag;
    REFUSED(RAG_E_CANCELLED, rag_kv_put_many(e->store, &ctx, "n", &item, 1, NULL, &e->err));
    ctx.cancel = NULL;
    ctx.deadline_ns = rag_deadline_in_ms(-1);
    REFUSED(RAG_E_TIMEOUT, rag_kv_put_many(e->store, &ctx, "n", &item, 1, NULL, &e->err));
    ctx.deadline_ns = 0;
    put_all(e, &ctx, "new");
    OK(rag_txn_commit(txn, NULL, NULL, &e->err));
    expect_counts(e, NULL, 2, "after the commit");
}

static void txn_a_commit_that_is_cancelled_applies_nothing(struct env *e)
{
    prepare(e);
    rag_txn *txn = begin(e);
    rag_context ctx = inside(txn), late = RAG_CONTEXT_INIT;
    put_all(e, &ctx, "new");
    late.deadline_ns = rag_deadline_in_ms(-1);
    REFUSED(RAG_E_TIMEOUT, rag_txn_commit(txn, &late, NULL, &e->err)); /* gone either way */
    expect_all(e, e->store, NULL, "new", 0, "after the failed commit");
    put_all(e, NULL, "later");
    expect_counts(e, NULL, 2, "after the failed commit");
}

static void txn_wrong_use_is_refused(struct env *e)
{
    rag_txn *txn = begin(e), *nested = NULL;
    const rag_context ctx = inside(txn);
    rag_store *other = NULL;
    uint64_t n = 0;
    REFUSED(RAG_E_INVALID, rag_txn_begin(e->store, &ctx, &nested, &e->err));
    OK(rag_store_open("memory:", NULL, NULL, &other, &e->err));
    REFUSED(RAG_E_INVALID, rag_kv_count(other, &ctx, "n", &n, &e->err));
    rag_store_close(other);
    REFUSED(RAG_E_INVALID, rag_txn_begin(e->store, NULL, NULL, &e->err));
    REFUSED(RAG_E_INVALID, rag_txn_commit(NULL, NULL, NULL, &e->err));
    rag_txn_abort(txn);
}

static void txn_another_handle_sees_nothing_before_the_commit(struct env *e)
{
    prepare(e);
    rag_store *other = open_again(e, NULL);
    rag_txn *txn = begin(e), *second = NULL;
    const rag_context ctx = inside(txn);
    rag_context late = RAG_CONTEXT_INIT;
    put_all(e, &ctx, "new");
    expect_all(e, other, NULL, "new", 0, "another handle before the commit");
    late.deadline_ns = rag_deadline_in_ms(30);
    REFUSED(RAG_E_TIMEOUT, rag_txn_begin(other, &late, &second, &e->err));
    OK(rag_txn_commit(txn, NULL, NULL, &e->err));
    expect_all(e, other, NULL, "new", 1, "another handle after the commit");
    OK(rag_txn_begin(other, NULL, &second, &e->err));
    rag_txn_abort(second);
    rag_store_close(other);
}

/* ---- coordinated upsert ------------------------------------------------------------------------------------ */

struct step {
    rag_node nodes[2];
    rag_edge edge;
    rag_kv_item items[2];
    rag_kv_batch kv[2];
    rag_vector_item vector;
    rag_vector_batch vectors;
    rag_doc doc;
    rag_upsert upsert;
};

static void fill_step(struct step *s)
{
    *s = (struct step){
        .nodes = { { T("new"), T("{\"a\":1}") }, { T("other"), T("{\"b\":1}") } },
        .edge = { T("new"), T("other"), T("{\"kind\":\"edge\"}") },
        .items = { { .key = T("new"), .value = T("{}") }, { .key = T("x"), .value = T("{}") } },
        .vector = { T("new"), V, 2, T("{}"), 0 },
        .doc = { T("new"), T("{\"status\":\"processed\"}") },
        .upsert = RAG_UPSERT_INIT,
    };
    s->kv[0] = (rag_kv_batch){ "n", s->items, 1 };
    s->kv[1] = (rag_kv_batch){ "x_text_chunks", s->items + 1, 1 };
    s->vectors = (rag_vector_batch){ "v", &s->vector, 1 };
    s->upsert.nodes = s->nodes;
    s->upsert.node_count = 2;
    s->upsert.edges = &s->edge;
    s->upsert.edge_count = 1;
    s->upsert.kv = s->kv;
    s->upsert.kv_count = 2;
    s->upsert.vectors = &s->vectors;
    s->upsert.vector_count = 1;
    s->upsert.docs = &s->doc;
    s->upsert.doc_count = 1;
}

static void txn_upsert_writes_all_stores_as_one(struct env *e)
{
    struct step s;
    rag_token first = 0, second = 0;
    prepare(e);
    fill_step(&s);
    node_put(e, "new", "{\"kept\":true}");
    OK(rag_coordinated_upsert(e->store, NULL, &s.upsert, &first, &e->err));
    expect_all(e, e->store, NULL, "new", 1, "after the upsert");
    expect_counts(e, NULL, 2, "after the upsert");
    const rag_slice label = T("new");
    rag_result *rows = NULL;
    OK(rag_graph_get_nodes(e->store, NULL, &label, 1, 1, &rows, &e->err));
    row_is(row_of(keep(e, rows), 0), "{\"kept\":true,\"a\":1}"); /* merged */
    row_is(row_of(kv_get(e, "x_text_chunks", T("x")), 0), "{\"llm_cache_list\":[]}");
    OK(rag_coordinated_upsert(e->store, NULL, &s.upsert, &second, &e->err));
    CHECK(first > 0 && second > first, "token %llu, then %llu", (unsigned long long)first,
          (unsigned long long)second);
    const rag_upsert nothing = RAG_UPSERT_INIT;
    OK(rag_coordinated_upsert(e->store, NULL, &nothing, NULL, &e->err));
    expect_counts(e, NULL, 2, "after all upserts");
}

static void txn_upsert_refuses_the_whole_for_one_bad_part(struct env *e)
{
    const float three[3] = { 1, 2, 3 };
    size_t len;
    prepare(e);
    char *before = dump_store(e, e->store, &len);
    for (int bad = 0; bad < 6; bad++) {
        struct step s;
        rag_status status = RAG_E_INVALID;
        fill_step(&s);
        switch (bad) {
        case 0: s.nodes[1].value = T("{\"a\":null}"); break;
        case 1: s.edge.value = T("{\"a.b\":1}"); break;
        case 2: s.items[1].value = T("[]"); break;
        case 3: s.doc.value = T("{}"); break;
        case 4:
            s.vector.vector = three;
            s.vector.dimension = 3;
            status = RAG_E_MISMATCH;
            break;
        default:
            s.vectors.name_space = "not_defined";
            status = RAG_E_NOT_FOUND;
            break;
        }
        rag_token token = 8;
        REFUSED(status, rag_coordinated_upsert(e->store, NULL, &s.upsert, &token, &e->err));
        CHECK(token == 8, "the token was touched");
        expect_dump(e, before, len, format_text("a refused upsert (%d)", bad));
    }
    free(before);
}

static void txn_upsert_undoes_itself_when_a_store_refuses_late(struct env *e)
{
    /* Too large for float16: found by the backend when graph and KV are written already. */
    const float large[2] = { 1, 1e6f };
    struct step s;
    size_t len;
    prepare(e);
    define_space(e, "h", 2, RAG_METRIC_COSINE, RAG_ELEMENT_FLOAT16);
    char *before = dump_store(e, e->store, &len);
    fill_step(&s);
    s.vector.vector = large;
    s.vectors.name_space = "h";
    REFUSED(RAG_E_INVALID, rag_coordinated_upsert(e->store, NULL, &s.upsert, NULL, &e->err));
    expect_dump(e, before, len, "an upsert that failed half way");
    /* In a transaction the whole transaction is lost: it cannot be committed any more. */
    rag_txn *txn = begin(e);
    const rag_context ctx = inside(txn);
    put_all(e, &ctx, "one");
    REFUSED(RAG_E_INVALID, rag_coordinated_upsert(e->store, &ctx, &s.upsert, NULL, &e->err));
    REFUSED(RAG_E_TRANSACTION, rag_txn_commit(txn, NULL, NULL, &e->err));
    expect_dump(e, before, len, "a transaction with a half upsert");
    free(before);
}

static void txn_upsert_inside_a_transaction(struct env *e)
{
    struct step s;
    prepare(e);
    fill_step(&s);
    rag_txn *txn = begin(e);
    rag_context ctx = inside(txn);
    OK(rag_coordinated_upsert(e->store, &ctx, &s.upsert, NULL, &e->err));
    expect_all(e, e->store, &ctx, "new", 1, "the transaction");
    expect_all(e, e->store, NULL, "new", 0, "another call before the commit");
    rag_txn_abort(txn);
    expect_counts(e, NULL, 1, "after the abort");
    txn = begin(e);
    ctx = inside(txn);
    OK(rag_coordinated_upsert(e->store, &ctx, &s.upsert, NULL, &e->err));
    OK(rag_txn_commit(txn, NULL, NULL, &e->err));
    expect_all(e, e->store, NULL, "new", 1, "after the commit");
}

const struct conformance_case txn_cases[] = {
    CASE_NEEDS(txn, a_commit_is_seen_in_all_stores, NEEDS_TRANSACTIONS),
    CASE_NEEDS(txn, an_abort_undoes_everything, NEEDS_TRANSACTIONS),
    CASE_NEEDS(txn, deletes_and_drops_wait_for_the_commit, NEEDS_TRANSACTIONS),
    CASE_NEEDS(txn, own_writes_are_visible_in_order, NEEDS_TRANSACTIONS),
    CASE_NEEDS(txn, a_refused_call_leaves_the_transaction_usable, NEEDS_TRANSACTIONS),
    CASE_NEEDS(txn, a_slot_that_fails_undoes_itself_only, NEEDS_TRANSACTIONS | NEEDS_FLOAT16),
    CASE_NEEDS(txn, an_empty_transaction, NEEDS_TRANSACTIONS),
    CASE_NEEDS(txn, closing_aborts_what_is_open, NEEDS_TRANSACTIONS),
    CASE_NEEDS(txn, other_writers_wait_for_their_turn, NEEDS_TRANSACTIONS),
    CASE_NEEDS(txn, a_turn_that_does_not_come_times_out, NEEDS_TRANSACTIONS),
    CASE_NEEDS(txn, deadline_and_cancel_inside, NEEDS_TRANSACTIONS),
    CASE_NEEDS(txn, a_commit_that_is_cancelled_applies_nothing, NEEDS_TRANSACTIONS),
    CASE_NEEDS(txn, wrong_use_is_refused, NEEDS_TRANSACTIONS),
    CASE_NEEDS(txn, another_handle_sees_nothing_before_the_commit,
               NEEDS_TRANSACTIONS | NEEDS_SHARING),
    CASE_NEEDS(txn, upsert_writes_all_stores_as_one, NEEDS_TRANSACTIONS),
    CASE_NEEDS(txn, upsert_refuses_the_whole_for_one_bad_part, NEEDS_TRANSACTIONS),
    CASE_NEEDS(txn, upsert_undoes_itself_when_a_store_refuses_late,
               NEEDS_TRANSACTIONS | NEEDS_FLOAT16),
    CASE_NEEDS(txn, upsert_inside_a_transaction, NEEDS_TRANSACTIONS),
    CASES_END,
};
