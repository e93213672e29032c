/* store: the handle. Wrong arguments, limits, read-only, fork, transactions, coordinated upsert,
 * mixes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/slice.h"
#include "store/registry.h"
#include "store_support.h"

extern const rag_backend memory_backend;

/* ---- a backend that counts ------------------------------------------------------------------------ */

static int opened, closed, abandoned, aborted;
static int fail_docs; /* the document slot refuses: a write that fails half way */
static rag_backend counting;
static rag_docstatus_table counting_docs;

static rag_status counting_open(const rag_host *host, const rag_backend_config *config,
                                const rag_context *ctx, void **self, rag_error *err)
{
    rag_backend_config plain = *config;
    if (strcmp(config->location, "fail") == 0)
        return (host->fail)(err, RAG_E_IO, "told to fail"); /* cmocka has a macro fail() */
    plain.location = "";
    opened++;
    return memory_backend.open(host, &plain, ctx, self, err);
}

static void counting_close(void *self)
{
    closed++;
    memory_backend.close(self);
}

static void counting_abandon(void *self)
{
    abandoned++;
    memory_backend.abandon(self);
}

static void counting_abort(const rag_call *call)
{
    aborted++;
    memory_backend.abort(call);
}

static rag_status counting_put_docs(const rag_call *call, const rag_doc_fields *docs, size_t n,
                                    rag_token *token, rag_error *err)
{
    if (fail_docs)
        return (call->host->fail)(err, RAG_E_IO, "no documents today");
    return memory_backend.docstatus->put_many(call, docs, n, token, err);
}

static int add_counting(void **state)
{
    (void)state;
    counting = memory_backend;
    counting.name = "counting";
    counting.class_names = NULL;
    counting.open = counting_open;
    counting.close = counting_close;
    counting.abandon = counting_abandon;
    counting.abort = counting_abort;
    counting_docs = *memory_backend.docstatus;
    counting_docs.put_many = counting_put_docs;
    counting.docstatus = &counting_docs;
    return registry_add(&counting, "module", NULL) == RAG_OK ? 0 : -1;
}

static int reset_counters(void **state)
{
    (void)state;
    opened = closed = abandoned = aborted = fail_docs = 0;
    return 0;
}

/* ---- arguments -------------------------------------------------------------------------------------- */

static void null_arguments_are_refused(void **state)
{
    (void)state;
    rag_error err;
    rag_store *s = open_store("memory:");
    rag_result *r = NULL, *r2 = NULL;
    uint64_t n = 0;
    const rag_slice key = rag_text("k");
    const rag_slice empty = rag_text(""), broken = slice(NULL, 3);
    const rag_pair pair = { empty, key };
    FAILS(RAG_E_INVALID, "NULL", rag_kv_count(NULL, NULL, "n", &n, &err));
    FAILS(RAG_E_INVALID, "NULL", rag_kv_count(s, NULL, "n", NULL, &err));
    FAILS(RAG_E_INVALID, "NULL", rag_kv_get_many(s, NULL, "n", NULL, 1, &r, &err));
    FAILS(RAG_E_INVALID, "NULL", rag_kv_get_many(s, NULL, "n", &key, 1, NULL, &err));
    FAILS(RAG_E_INVALID, "empty", rag_kv_get_many(s, NULL, "n", &empty, 1, &r, &err));
    FAILS(RAG_E_INVALID, "no data", rag_kv_get_many(s, NULL, "n", &broken, 1, &r, &err));
    FAILS(RAG_E_INVALID, "no data", rag_kv_scan(s, NULL, "n", broken, 0, &r, &err));
    FAILS(RAG_E_INVALID, "NULL", rag_kv_put_many(s, NULL, "n", NULL, 1, NULL, &err));
    FAILS(RAG_E_INVALID, "in one call", rag_kv_get_many(s, NULL, "n", &key, SIZE_MAX, &r, &err));
    FAILS(RAG_E_INVALID, "name", rag_kv_get_many(s, NULL, NULL, &key, 1, &r, &err));
    FAILS(RAG_E_INVALID, "name", rag_kv_get_many(s, NULL, "", &key, 1, &r, &err));
    FAILS(RAG_E_INVALID, "a/b", rag_kv_get_many(s, NULL, "a/b", &key, 1, &r, &err));
    FAILS(RAG_E_INVALID, "control", rag_kv_get_many(s, NULL, "a\tb", &key, 1, &r, &err));
    FAILS(RAG_E_INVALID, "UTF-8", rag_kv_get_many(s, NULL, "a\xff", &key, 1, &r, &err));
    char longest[300];
    memset(longest, 'n', sizeof longest);
    longest[256] = 0;
    FAILS(RAG_E_INVALID, "255", rag_kv_get_many(s, NULL, longest, &key, 1, &r, &err));
    longest[255] = 0;
    OK(rag_kv_count(s, NULL, longest, &n, &err));
    FAILS(RAG_E_INVALID, "empty", rag_graph_get_edges(s, NULL, &pair, 1, 0, &r, &err));
    FAILS(RAG_E_INVALID, "0x4", rag_graph_get_nodes(s, NULL, &key, 1, 4, &r, &err));
    FAILS(RAG_E_INVALID, "NULL", rag_graph_view(s, NULL, key, NULL, &r, NULL, &err));
    FAILS(RAG_E_INVALID, "NULL", rag_graph_view(s, NULL, key, NULL, NULL, &r2, &err));
    FAILS(RAG_E_INVALID, "NULL", rag_txn_begin(s, NULL, NULL, &err));
    FAILS(RAG_E_INVALID, "NULL", rag_txn_commit(NULL, NULL, NULL, &err));
    FAILS(RAG_E_INVALID, "NULL", rag_coordinated_upsert(s, NULL, NULL, NULL, &err));
    FAILS(RAG_E_INVALID, "NULL", rag_store_open("memory:", NULL, NULL, NULL, &err));
    rag_context zero = { 0 };
    FAILS(RAG_E_INVALID, "rag_context", rag_kv_count(s, &zero, "n", &n, &err));
    assert_int_equal(rag_kv_count(NULL, NULL, "n", &n, NULL), RAG_E_INVALID); /* err may be NULL */
    rag_txn_abort(NULL);
    rag_store_close(NULL);
    assert_null(r);
    assert_null(r2);
    rag_store_close(s);
}

static void too_long_keys_are_refused(void **state)
{
    (void)state;
    rag_error err;
    rag_store *s = open_store("memory:");
    const size_t limit = 1024 * 1024;
    char *key = malloc(limit + 1);
    memset(key, 'k', limit + 1);
    rag_kv_item item = { slice(key, limit), rag_text("{}"), 0, 0 };
    OK(rag_kv_put_many(s, NULL, "n", &item, 1, NULL, &err));
    item.key.len++;
    FAILS(RAG_E_INVALID, "1048577", rag_kv_put_many(s, NULL, "n", &item, 1, NULL, &err));
    free(key);
    item.key = slice("\0\xff", 2); /* bytes of any kind */
    OK(rag_kv_put_many(s, NULL, "n", &item, 1, NULL, &err));
    const rag_node node = { slice("a\xff", 2), rag_text("{}") };
    FAILS(RAG_E_INVALID, "not UTF-8 at byte 1",
          rag_graph_put_nodes(s, NULL, &node, 1, RAG_PUT_MERGE, NULL, &err));
    rag_store_close(s);
}

static void empty_calls_succeed(void **state)
{
    (void)state;
    rag_error err;
    rag_store *s = open_store("memory:");
    rag_result *r = NULL;
    uint64_t deleted = 9;
    rag_token token = 9;
    OK(rag_kv_put_many(s, NULL, "n", NULL, 0, &token, &err));
    assert_int_equal(token, 0);
    OK(rag_kv_delete_many(s, NULL, "n", NULL, 0, &deleted, &token, &err));
    assert_int_equal(deleted, 0);
    OK(rag_kv_get_many(s, NULL, "n", NULL, 0, &r, &err));
    assert_int_equal(rag_result_count(r), 0);
    rag_result_free(r);
    OK(rag_kv_filter_missing(s, NULL, "n", NULL, 0, &r, &err));
    rag_result_free(r);
    OK(rag_graph_put_nodes(s, NULL, NULL, 0, RAG_PUT_MERGE, &token, &err));
    OK(rag_graph_put_edges(s, NULL, NULL, 0, RAG_PUT_REPLACE, &token, &err));
    OK(rag_graph_get_nodes(s, NULL, NULL, 0, 0, &r, &err));
    rag_result_free(r);
    OK(rag_graph_get_edges(s, NULL, NULL, 0, 0, &r, &err));
    rag_result_free(r);
    OK(rag_graph_incident(s, NULL, NULL, 0, 0, &r, &err));
    rag_result_free(r);
    OK(rag_graph_delete_nodes(s, NULL, NULL, 0, NULL, NULL, &err));
    OK(rag_graph_delete_edges(s, NULL, NULL, 0, NULL, NULL, &err));
    OK(rag_docstatus_put_many(s, NULL, NULL, 0, &token, &err));
    OK(rag_docstatus_get_many(s, NULL, NULL, 0, &r, &err));
    rag_result_free(r);
    OK(rag_docstatus_delete_many(s, NULL, NULL, 0, &deleted, NULL, &err));
    rag_upsert nothing = RAG_UPSERT_INIT;
    OK(rag_coordinated_upsert(s, NULL, &nothing, &token, &err));
    rag_store_close(s);
}

static void missing_keys_come_once_and_in_order(void **state)
{
    (void)state;
    rag_error err;
    rag_store *s = open_store("memory:");
    rag_result *r = NULL;
    const rag_kv_item item = { rag_text("there"), rag_text("{}"), 0, 0 };
    OK(rag_kv_put_many(s, NULL, "n", &item, 1, NULL, &err));
    const rag_slice keys[] = { rag_text("z"), rag_text("there"), rag_text("a"), rag_text("z") };
    OK(rag_kv_filter_missing(s, NULL, "n", keys, 4, &r, &err));
    assert_int_equal(rag_result_count(r), 2);
    assert_string_equal(key_of(r, 0), "z");
    assert_string_equal(key_of(r, 1), "a");
    rag_result_free(r);
    rag_store_close(s);
}

/* ---- limits of the handle -------------------------------------------------------------------------- */

static void limited_handles_stay_inside(void **state)
{
    (void)state;
    rag_error err;
    rag_store *s = NULL;
    rag_result *r = NULL;
    uint64_t n;
    const char *const allowed[] = { "chunks", "graph" };
    rag_open_options options = RAG_OPEN_OPTIONS_INIT;
    options.config_file = "";
    options.namespaces = allowed;
    options.namespace_count = 2;
    OK(rag_store_open("memory:", &options, NULL, &s, &err));
    OK(rag_kv_count(s, NULL, "chunks", &n, &err));
    OK(rag_graph_count(s, NULL, &n, NULL, &err));
    FAILS(RAG_E_DENIED, "'full_docs'", rag_kv_count(s, NULL, "full_docs", &n, &err));
    FAILS(RAG_E_DENIED, "'entities'", rag_vector_count(s, NULL, "entities", &n, &err));
    FAILS(RAG_E_DENIED, "doc_status", rag_docstatus_counts(s, NULL, &r, &err));
    const rag_doc doc = { rag_text("d"), rag_text("{\"status\":\"failed\"}") };
    const rag_kv_item item = { rag_text("k"), rag_text("{}"), 0, 0 };
    const rag_kv_batch batch = { "chunks", &item, 1 };
    rag_upsert upsert = RAG_UPSERT_INIT;
    upsert.kv = &batch;
    upsert.kv_count = 1;
    upsert.docs = &doc;
    upsert.doc_count = 1;
    FAILS(RAG_E_DENIED, "doc_status", rag_coordinated_upsert(s, NULL, &upsert, NULL, &err));
    OK(rag_kv_count(s, NULL, "chunks", &n, &err));
    assert_int_equal(n, 0);
    rag_store_close(s);
    options.namespace_count = 1;
    options.namespaces = NULL;
    FAILS(RAG_E_INVALID, "NULL", rag_store_open("memory:", &options, NULL, &s, &err));
}

static void read_only_handles_write_nothing(void **state)
{
    (void)state;
    rag_error err;
    rag_store *s = NULL;
    rag_txn *txn = NULL;
    rag_open_options options = RAG_OPEN_OPTIONS_INIT;
    options.config_file = "";
    options.flags = RAG_OPEN_READ_ONLY;
    OK(rag_store_open("counting:", &options, NULL, &s, &err));
    const rag_slice key = rag_text("k");
    const rag_kv_item item = { key, rag_text("{}"), 0, 0 };
    rag_vector_space space = RAG_VECTOR_SPACE_INIT;
    space.dimension = 3;
    uint64_t n;
    FAILS(RAG_E_DENIED, "read-only", rag_kv_put_many(s, NULL, "n", &item, 1, NULL, &err));
    FAILS(RAG_E_DENIED, "read-only", rag_kv_delete_many(s, NULL, "n", &key, 1, NULL, NULL, &err));
    FAILS(RAG_E_DENIED, "read-only", rag_kv_drop(s, NULL, "n", &err));
    FAILS(RAG_E_DENIED, "read-only", rag_vector_define(s, NULL, "v", &space, &err));
    FAILS(RAG_E_DENIED, "read-only", rag_vector_drop(s, NULL, "v", &err));
    FAILS(RAG_E_DENIED, "read-only", rag_graph_drop(s, NULL, &err));
    FAILS(RAG_E_DENIED, "read-only", rag_docstatus_drop(s, NULL, &err));
    FAILS(RAG_E_DENIED, "read-only", rag_txn_begin(s, NULL, &txn, &err));
    FAILS(RAG_E_DENIED, "read-only", rag_store_optimize(s, NULL, &err));
    OK(rag_kv_count(s, NULL, "n", &n, &err));
    OK(rag_flush(s, NULL, 0, &err));
    rag_store_close(s);
    options.flags = 1u << 9;
    FAILS(RAG_E_INVALID, "0x200", rag_store_open("memory:", &options, NULL, &s, &err));
    options.flags = RAG_OPEN_BUILD | RAG_OPEN_READ_ONLY;
    FAILS(RAG_E_INVALID, "BUILD", rag_store_open("memory:", &options, NULL, &s, &err));
    options.flags = RAG_OPEN_REPLACE;
    FAILS(RAG_E_INVALID, "REPLACE", rag_store_open("memory:", &options, NULL, &s, &err));
    options.flags = RAG_OPEN_BUILD;
    FAILS(RAG_E_UNSUPPORTED, "aside", rag_store_open("memory:", &options, NULL, &s, &err));
}

/* ---- fork -------------------------------------------------------------------------------------------- */

/* 0 when everything is as it should be. */
static int in_child(rag_store *s, rag_txn *open_txn, rag_txn *other)
{
    rag_error err = RAG_ERROR_INIT;
    uint64_t n;
    rag_result *r = NULL;
    rag_txn *fresh = NULL;
    rag_context ctx = RAG_CONTEXT_INIT;
    ctx.txn = open_txn;
    if (rag_kv_count(s, NULL, "n", &n, &err) != RAG_E_FORKED || !strstr(err.message, "fork"))
        return 1;
    if (rag_kv_count(s, &ctx, "n", &n, &err) != RAG_E_FORKED)
        return 2;
    if (rag_store_namespaces(s, NULL, &r, &err) != RAG_E_FORKED)
        return 3;
    if (rag_txn_begin(s, NULL, &fresh, &err) != RAG_E_FORKED)
        return 4;
    if (rag_txn_commit(open_txn, NULL, NULL, &err) != RAG_E_FORKED)
        return 5;
    (void)other; /* left open: closing takes care of it */
    if (rag_flush(s, NULL, 0, &err) != RAG_E_FORKED)
        return 6;
    rag_store_close(s);
    if (closed || aborted || abandoned != 1)
        return 7;
    rag_store *mine = NULL;
    if (rag_store_open("counting:", NULL, NULL, &mine, &err) != RAG_OK)
        return 8;
    if (rag_kv_count(mine, NULL, "n", &n, &err) != RAG_OK)
        return 9;
    rag_store_close(mine);
    return closed == 1 ? 0 : 10;
}

static void children_cannot_use_the_handle(void **state)
{
    (void)state;
    rag_error err;
    rag_store *s = open_store("counting:"), *second = open_store("counting:");
    rag_txn *txn = NULL, *other = NULL;
    OK(rag_txn_begin(s, NULL, &txn, &err));
    OK(rag_txn_begin(second, NULL, &other, &err));
    const pid_t child = fork();
    if (child == 0) {
        const int found = in_child(s, txn, other);
        if (!found) {
            rag_txn_abort(other);
            rag_store_close(second);
        }
        _exit(found ? found : aborted || abandoned != 2 ? 11 : 0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    OK(rag_txn_commit(txn, NULL, NULL, &err)); /* the parent goes on */
    rag_txn_abort(other);
    rag_store_close(s);
    rag_store_close(second);
    assert_int_equal(closed, 2);
    assert_int_equal(abandoned, 0);
}

/* ---- transactions -------------------------------------------------------------------------------------- */

static uint64_t count_kv(rag_store *s, rag_txn *txn)
{
    rag_error err;
    uint64_t n = 99;
    rag_context ctx = RAG_CONTEXT_INIT;
    ctx.txn = txn;
    OK(rag_kv_count(s, &ctx, "n", &n, &err));
    return n;
}

static void transactions_belong_to_their_store(void **state)
{
    (void)state;
    rag_error err;
    rag_store *a = open_store("counting:"), *b = open_store("counting:");
    rag_txn *txn = NULL, *nested = NULL;
    rag_token token = 0;
    const rag_kv_item item = { rag_text("k"), rag_text("{}"), 0, 0 };
    OK(rag_txn_begin(a, NULL, &txn, &err));
    rag_context ctx = RAG_CONTEXT_INIT;
    ctx.txn = txn;
    FAILS(RAG_E_INVALID, "another store", rag_kv_put_many(b, &ctx, "n", &item, 1, NULL, &err));
    FAILS(RAG_E_INVALID, "nest", rag_txn_begin(a, &ctx, &nested, &err));
    FAILS(RAG_E_INVALID, "inside", rag_flush(a, &ctx, 0, &err));
    OK(rag_kv_put_many(a, &ctx, "n", &item, 1, &token, &err));
    assert_int_equal(token, 0);
    assert_int_equal(count_kv(a, txn), 1);
    assert_int_equal(count_kv(a, NULL), 0);
    OK(rag_txn_commit(txn, NULL, &token, &err));
    assert_int_not_equal(token, 0);
    assert_int_equal(count_kv(a, NULL), 1);
    /* a context whose deadline passed: gone all the same */
    OK(rag_txn_begin(a, NULL, &txn, &err));
    ctx = (rag_context)RAG_CONTEXT_INIT;
    ctx.deadline_ns = 1;
    FAILS(RAG_E_TIMEOUT, "deadline", rag_txn_commit(txn, &ctx, NULL, &err));
    assert_int_equal(aborted, 1);
    OK(rag_txn_begin(a, NULL, &txn, &err)); /* open when the store is closed */
    rag_store_close(a);
    assert_int_equal(aborted, 2);
    rag_store_close(b);
    assert_int_equal(opened, closed);
}

static void upserts_are_all_or_nothing(void **state)
{
    (void)state;
    rag_error err;
    rag_store *s = open_store("counting:");
    const rag_node node = { rag_text("N"), rag_text("{\"a\":1}") };
    const rag_edge edge = { rag_text("N"), rag_text("M"), rag_text("{}") };
    const rag_kv_item item = { rag_text("k"), rag_text("{}"), 0, 0 };
    const float v[] = { 1, 2 };
    const rag_vector_item vector = { rag_text("id"), v, 2, rag_text("{}"), 0 };
    rag_doc doc = { rag_text("d"), rag_text("{}") };
    const rag_kv_batch kv = { "n", &item, 1 };
    const rag_vector_batch vectors = { "v", &vector, 1 };
    rag_upsert u = RAG_UPSERT_INIT;
    u.nodes = &node;
    u.edges = &edge;
    u.kv = &kv;
    u.vectors = &vectors;
    u.docs = &doc;
    u.node_count = u.edge_count = u.kv_count = u.vector_count = u.doc_count = 1;
    rag_token token = 0;
    uint64_t nodes = 9, edges = 9;
    FAILS(RAG_E_INVALID, "status", rag_coordinated_upsert(s, NULL, &u, &token, &err));
    doc.value = rag_text("{\"status\":\"failed\"}");
    FAILS(RAG_E_NOT_FOUND, "v", rag_coordinated_upsert(s, NULL, &u, &token, &err));
    rag_vector_space space = RAG_VECTOR_SPACE_INIT;
    space.dimension = 2;
    OK(rag_vector_define(s, NULL, "v", &space, &err));
    fail_docs = 1; /* the last part */
    FAILS(RAG_E_IO, "today", rag_coordinated_upsert(s, NULL, &u, &token, &err));
    assert_int_equal(token, 0);
    OK(rag_graph_count(s, NULL, &nodes, &edges, &err));
    assert_true(nodes == 0 && edges == 0 && count_kv(s, NULL) == 0);
    /* inside a transaction of the caller: it can only be aborted then */
    rag_txn *txn = NULL;
    rag_context ctx = RAG_CONTEXT_INIT;
    OK(rag_txn_begin(s, NULL, &txn, &err));
    ctx.txn = txn;
    FAILS(RAG_E_IO, "today", rag_coordinated_upsert(s, &ctx, &u, NULL, &err));
    FAILS(RAG_E_TRANSACTION, "half way", rag_kv_put_many(s, &ctx, "n", &item, 1, NULL, &err));
    FAILS(RAG_E_TRANSACTION, "rolled back", rag_txn_commit(txn, NULL, NULL, &err));
    OK(rag_graph_count(s, NULL, &nodes, &edges, &err));
    assert_true(nodes == 0 && edges == 0 && count_kv(s, NULL) == 0);
    fail_docs = 0;
    OK(rag_coordinated_upsert(s, NULL, &u, &token, &err));
    assert_int_not_equal(token, 0);
    OK(rag_graph_count(s, NULL, &nodes, &edges, &err));
    assert_true(nodes == 2 && edges == 1 && count_kv(s, NULL) == 1);
    OK(rag_txn_begin(s, NULL, &txn, &err));
    ctx.txn = txn;
    OK(rag_coordinated_upsert(s, &ctx, &u, &token, &err));
    assert_int_equal(token, 0);
    OK(rag_txn_commit(txn, NULL, &token, &err));
    rag_store_close(s);
}

/* ---- the whole store ------------------------------------------------------------------------------------- */

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

static void mixes_share_what_is_the_same(void **state)
{
    (void)state;
    rag_error err;
    rag_store *s = NULL;
    rag_txn *txn = NULL;
    rag_result *r = NULL;
    write_file("mix.ini", "[ragstore]\nkv = counting:\nvector = memory:\ngraph = memory:\n"
                          "doc_status = counting:\n");
    OK(rag_store_open("config:mix.ini", NULL, NULL, &s, &err));
    assert_int_equal(opened, 1);
    FAILS(RAG_E_UNSUPPORTED, "2 databases", rag_txn_begin(s, NULL, &txn, &err));
    rag_upsert u = RAG_UPSERT_INIT;
    FAILS(RAG_E_UNSUPPORTED, "2 databases", rag_coordinated_upsert(s, NULL, &u, NULL, &err));
    const rag_kv_item item = { rag_text("k"), rag_text("{}"), 0, 0 };
    const rag_edge edge = { rag_text("a"), rag_text("b"), rag_text("{}") };
    const rag_doc doc = { rag_text("d"), rag_text("{\"status\":\"failed\"}") };
    OK(rag_kv_put_many(s, NULL, "b", &item, 1, NULL, &err));
    OK(rag_kv_put_many(s, NULL, "a", &item, 1, NULL, &err));
    OK(rag_graph_put_edges(s, NULL, &edge, 1, RAG_PUT_MERGE, NULL, &err));
    OK(rag_docstatus_put_many(s, NULL, &doc, 1, NULL, &err));
    OK(rag_flush(s, NULL, 5, &err));
    OK(rag_store_optimize(s, NULL, &err));
    static const char *const kinds[] = { "kv", "kv", "graph_nodes", "graph_edges", "doc_status" };
    OK(rag_store_namespaces(s, NULL, &r, &err));
    assert_int_equal(rag_result_count(r), 5);
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(key_of(r, i), kinds[i]);
    assert_string_equal(rag_result_row(r, 0)->key2.data, "a");
    assert_string_equal(rag_result_row(r, 1)->key2.data, "b");
    rag_result_free(r);
    static const char *const rows[][2] = { { "kv", "counting" },
                                           { "vector", "memory" },
                                           { "graph", "memory" },
                                           { "doc_status", "counting" } };
    OK(rag_store_describe(s, NULL, &r, &err));
    assert_int_equal(rag_result_count(r), 4);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(key_of(r, i), rows[i][0]);
        assert_string_equal(rag_result_row(r, i)->key2.data, rows[i][1]);
        assert_memory_equal(value_of(r, i), "{", 1);
    }
    rag_result_free(r);
    FAILS(RAG_E_INVALID, "BUILD", rag_store_publish(s, NULL, &err));
    rag_store_close(s);
    assert_int_equal(closed, 1);
}

static void what_was_opened_is_closed_when_the_next_fails(void **state)
{
    (void)state;
    rag_error err;
    rag_store *s = NULL;
    write_file("half.ini", "[ragstore]\nkv = counting:\nvector = counting:\ngraph = counting:fail\n"
                           "doc_status = memory:\n");
    FAILS(RAG_E_IO, "told to fail", rag_store_open("config:half.ini", NULL, NULL, &s, &err));
    assert_null(s);
    assert_int_equal(opened, 1);
    assert_int_equal(closed, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(null_arguments_are_refused),
        cmocka_unit_test(too_long_keys_are_refused),
        cmocka_unit_test(empty_calls_succeed),
        cmocka_unit_test(missing_keys_come_once_and_in_order),
        cmocka_unit_test(limited_handles_stay_inside),
        cmocka_unit_test(read_only_handles_write_nothing),
        cmocka_unit_test_setup(children_cannot_use_the_handle, reset_counters),
        cmocka_unit_test_setup(transactions_belong_to_their_store, reset_counters),
        cmocka_unit_test_setup(upserts_are_all_or_nothing, reset_counters),
        cmocka_unit_test_setup(mixes_share_what_is_the_same, reset_counters),
        cmocka_unit_test_setup(what_was_opened_is_closed_when_the_next_fails, reset_counters),
    };
    return cmocka_run_group_tests(tests, add_counting, NULL);
}
