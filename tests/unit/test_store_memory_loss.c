/* store: the n-th allocation fails, for every n, over a sequence of calls that touches all four
 * stores. Each time the calls end with "out of memory" or succeed; nothing crashes or leaks (the
 * address sanitizer looks), and a failed write changed nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/alloc.h"
#include "store_support.h"

/* Whatever happened, it is one of the two. */
static int survived(rag_status status, const rag_error *err)
{
    if (status != RAG_OK && (status != RAG_E_NO_MEMORY || !err->message[0]))
        fail_msg("%s: %s", rag_status_text(status), err->message);
    return status == RAG_OK;
}

static int write_all(rag_store *s, rag_error *err)
{
    const rag_kv_item items[] = {
        { rag_text("a"), rag_text("{\"_id\":1,\"x\":[1,2]}"), 0, 0 },
        { rag_text("b"), rag_text("{}"), 0, 0 },
        { rag_text("a"), rag_text("{\"create_time\":5}"), 0, 0 },
    };
    const rag_node nodes[] = { { rag_text("A"), rag_text("{\"n\":1}") },
                               { rag_text("A"), rag_text("{\"m\":2}") } };
    const rag_edge edges[] = { { rag_text("A"), rag_text("B"), rag_text("{\"w\":1}") },
                               { rag_text("B"), rag_text("A"), rag_text("{\"v\":1}") },
                               { rag_text("C"), rag_text("A"), rag_text("{}") } };
    const float v[] = { 1, 2, 3 };
    const rag_vector_item vectors[] = { { rag_text("i"), v, 3, rag_text("{}"), 0 },
                                        { rag_text("j"), v, 3, rag_text("{}"), 0 } };
    const rag_doc docs[] = { { rag_text("d"), rag_text("{\"status\":\"failed\"}") },
                             { rag_text("e"), rag_text("{\"status\":\"other\"}") } };
    rag_vector_space space = RAG_VECTOR_SPACE_INIT;
    space.dimension = 3;
    if (!survived(rag_vector_define(s, NULL, "v", &space, err), err))
        return 0;
    const rag_kv_batch kv = { "text_chunks", items, 3 };
    const rag_vector_batch vector = { "v", vectors, 2 };
    rag_upsert u = RAG_UPSERT_INIT;
    u.nodes = nodes;
    u.node_count = 2;
    u.edges = edges;
    u.edge_count = 3;
    u.kv = &kv;
    u.kv_count = 1;
    u.vectors = &vector;
    u.vector_count = 1;
    u.docs = docs;
    u.doc_count = 2;
    return survived(rag_coordinated_upsert(s, NULL, &u, NULL, err), err);
}

/* Read everything; every answer is freed. Returns 0 when one failed. */
static int read_all(rag_store *s, rag_error *err)
{
    const rag_slice keys[] = { rag_text("a"), rag_text("zz") };
    rag_result *r[12] = { NULL };
    size_t n = 0;
    rag_graph_view_options view = RAG_GRAPH_VIEW_OPTIONS_INIT;
    int fine =
        survived(rag_kv_get_many(s, NULL, "text_chunks", keys, 2, &r[n++], err), err) &&
        survived(rag_kv_filter_missing(s, NULL, "text_chunks", keys, 2, &r[n++], err), err) &&
        survived(rag_kv_scan(s, NULL, "text_chunks", rag_text(""), 1, &r[n++], err), err) &&
        survived(rag_graph_view(s, NULL, rag_text("A"), &view, &r[n], &r[n + 1], err), err) &&
        survived(rag_graph_view(s, NULL, rag_text("*"), &view, &r[n + 2], &r[n + 3], err), err) &&
        survived(rag_docstatus_counts(s, NULL, &r[n + 4], err), err) &&
        survived(rag_store_namespaces(s, NULL, &r[n + 5], err), err) &&
        survived(rag_store_describe(s, NULL, &r[n + 6], err), err) &&
        survived(rag_backends(&r[n + 7], err), err);
    for (size_t i = 0; i < 12; i++)
        rag_result_free(r[i]);
    return fine;
}

static void counts_are_all_or_nothing(rag_store *s)
{
    rag_error err;
    uint64_t kv = 0, nodes = 0, edges = 0;
    OK(rag_kv_count(s, NULL, "text_chunks", &kv, &err));
    OK(rag_graph_count(s, NULL, &nodes, &edges, &err));
    if (!((kv == 0 && nodes == 0 && edges == 0) || (kv == 2 && nodes == 3 && edges == 2)))
        fail_msg("half applied: %d %d %d", (int)kv, (int)nodes, (int)edges);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    long failures = 0;
    for (long n = 1;; n++) {
        rag_error err = RAG_ERROR_INIT;
        rag_store *s = NULL;
        rag_open_options options = RAG_OPEN_OPTIONS_INIT;
        options.config_file = "";
        options.workspace = "w";
        rag_alloc_fail_at(n, 0);
        int fine = survived(rag_store_open("memory:", &options, NULL, &s, &err), &err);
        const int opened = fine;
        fine = fine && write_all(s, &err) && read_all(s, &err);
        const int happened = rag_alloc_fail_left() == 0;
        rag_alloc_fail_at(0, 0);
        if (opened)
            counts_are_all_or_nothing(s);
        rag_store_close(s);
        if (!happened)
            break;
        failures += !fine; /* a few are made up for: a URL that cannot be shown is "***" */
    }
    print_message("%ld failed allocations ended a call\n", failures);
    assert_true(failures > 100); /* it did walk them */
}

/* From the n-th on: nothing may depend on a retry that succeeds. */
static void all_later_allocations_may_fail(void **state)
{
    (void)state;
    for (long n = 1; n < 400; n += 3) {
        rag_error err = RAG_ERROR_INIT;
        rag_store *s = open_store("memory:");
        rag_alloc_fail_at(n, 1);
        if (write_all(s, &err))
            (void)read_all(s, &err);
        rag_alloc_fail_at(0, 0);
        counts_are_all_or_nothing(s);
        rag_store_close(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(all_later_allocations_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
