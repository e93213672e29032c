/* store: what registration refuses and completes, and the look-up by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "store/registry.h"
#include "store_support.h"

extern const rag_backend memory_backend;

/* A copy that a case may break. */
struct broken {
    rag_backend backend;
    rag_kv_table kv;
    rag_vector_table vector;
    rag_graph_table graph;
    rag_docstatus_table docstatus;
};

static void copy_memory(struct broken *b)
{
    b->backend = memory_backend;
    b->kv = *memory_backend.kv;
    b->vector = *memory_backend.vector;
    b->graph = *memory_backend.graph;
    b->docstatus = *memory_backend.docstatus;
    b->backend.kv = &b->kv;
    b->backend.vector = &b->vector;
    b->backend.graph = &b->graph;
    b->backend.docstatus = &b->docstatus;
    b->backend.name = "broken";
    b->backend.class_names = NULL;
}

/* Each sets one thing wrong; `part` must be in the message. */
#define REFUSED(status, part, change)                                 \
    do {                                                              \
        struct broken b;                                              \
        copy_memory(&b);                                              \
        change;                                                       \
        FAILS(status, part, registry_complete(&b.backend, &d, &err)); \
    } while (0)

static void descriptions_are_checked(void **state)
{
    (void)state;
    struct driver d;
    rag_error err;
    FAILS(RAG_E_INVALID, "NULL", registry_complete(NULL, &d, &err));
    REFUSED(RAG_E_INVALID, "struct_size", b.backend.struct_size = 0);
    REFUSED(RAG_E_INVALID, "struct_size", b.backend.struct_size = offsetof(rag_backend, check) - 8);
    REFUSED(RAG_E_INVALID, "struct_size", b.backend.struct_size = 1 << 20);
    REFUSED(RAG_E_VERSION, "interface", b.backend.abi = 2);
    REFUSED(RAG_E_INVALID, "name", b.backend.name = NULL);
    REFUSED(RAG_E_INVALID, "name", b.backend.name = "");
    REFUSED(RAG_E_INVALID, "../x", b.backend.name = "../x");
    REFUSED(RAG_E_INVALID, "'open'", b.backend.open = NULL);
    REFUSED(RAG_E_INVALID, "'close'", b.backend.close = NULL);
    REFUSED(RAG_E_INVALID, "'abandon'", b.backend.abandon = NULL);
    REFUSED(RAG_E_INVALID, "'flush'", b.backend.flush = NULL);
    REFUSED(RAG_E_INVALID, "'namespaces'", b.backend.namespaces = NULL);
    REFUSED(RAG_E_INVALID, "'describe'", b.backend.describe = NULL);
    REFUSED(RAG_E_INVALID, "no store", b.backend.kv = NULL; b.backend.vector = NULL;
            b.backend.graph = NULL; b.backend.docstatus = NULL);
}

static void features_and_slots_go_together(void **state)
{
    (void)state;
    struct driver d;
    rag_error err;
    REFUSED(RAG_E_INVALID, "unknown features", b.backend.features |= 1u << 20);
    REFUSED(RAG_E_INVALID, "transactions", b.backend.begin = NULL);
    REFUSED(RAG_E_INVALID, "transactions", b.backend.commit = NULL);
    REFUSED(RAG_E_INVALID, "transactions", b.backend.abort = NULL);
    REFUSED(RAG_E_INVALID, "does not claim",
            b.backend.features &= ~(unsigned)RAG_FEATURE_TRANSACTIONS);
    REFUSED(RAG_E_INVALID, "building", b.backend.features |= RAG_FEATURE_BUILD);
    REFUSED(RAG_E_INVALID, "optimizing", b.backend.features |= RAG_FEATURE_OPTIMIZE);
    REFUSED(RAG_E_INVALID, "optimizing", b.backend.optimize = unclaimed_optimize);
}

/* Every slot of every table but the optional ones; those of a feature when it is claimed. */
static void required_slots_are_required(void **state)
{
    (void)state;
    static const struct {
        size_t table, end, optional, feature_from, feature_to;
        unsigned feature; /* to which the slots between these belong */
    } tables[] = {
        { offsetof(struct broken, kv), sizeof(rag_kv_table), offsetof(rag_kv_table, filter_missing),
          offsetof(rag_kv_table, set_limits), sizeof(rag_kv_table), RAG_FEATURE_CACHE_LIMITS },
        { offsetof(struct broken, vector), sizeof(rag_vector_table),
          offsetof(rag_vector_table, pending_put), offsetof(rag_vector_table, pending_put),
          offsetof(rag_vector_table, recall), RAG_FEATURE_PENDING },
        { offsetof(struct broken, graph), sizeof(rag_graph_table),
          offsetof(rag_graph_table, popular), 0, 0, 0 },
        { offsetof(struct broken, docstatus), sizeof(rag_docstatus_table),
          offsetof(rag_docstatus_table, range), 0, 0, 0 },
    };
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++) {
        for (size_t at = sizeof(size_t); at < tables[t].end; at += sizeof(void (*)(void))) {
            struct broken b;
            struct driver d;
            rag_error err = RAG_ERROR_INIT;
            copy_memory(&b);
            memset((char *)&b + tables[t].table + at, 0, sizeof(void (*)(void)));
            const int of_feature = at >= tables[t].feature_from && at < tables[t].feature_to &&
                                   memory_backend.features & tables[t].feature;
            const rag_status wanted =
                at < tables[t].optional || of_feature ? RAG_E_INVALID : RAG_OK;
            if (registry_complete(&b.backend, &d, &err) != wanted)
                fail_msg("table %zu, slot at %zu: %s", t, at, err.message);
            if (wanted != RAG_OK)
                assert_non_null(strstr(err.message, "lacks"));
        }
    }
}

static void older_and_newer_tables_are_taken(void **state)
{
    (void)state;
    rag_error err;
    struct broken b;
    struct driver d;
    copy_memory(&b);
    b.backend.features &= ~(unsigned)(RAG_FEATURE_CACHE_LIMITS | RAG_FEATURE_PENDING);
    b.kv.struct_size = offsetof(rag_kv_table, filter_missing);
    b.backend.features &= ~(unsigned)RAG_FEATURE_CACHE_LIMITS; /* younger than that */
    b.graph.struct_size = offsetof(rag_graph_table, popular);
    b.vector.struct_size = offsetof(rag_vector_table, pending_put);
    OK(registry_complete(&b.backend, &d, &err));
    assert_true(d.kv.filter_missing == fallback_kv_filter_missing);
    assert_true(d.vector.pending_put == unclaimed_pending_put);
    assert_true(d.vector.recall && d.vector.recall == b.vector.describe);
    assert_true(d.graph.popular == fallback_graph_popular);
    assert_true(d.graph.view == fallback_graph_view);
    assert_true(d.backend.optimize == unclaimed_optimize && d.backend.publish == unclaimed_publish);
    assert_int_equal(d.kv.struct_size, sizeof d.kv);
    assert_true(d.backend.kv == &d.kv && d.backend.graph == &d.graph);
    copy_memory(&b);
    b.kv.struct_size += 64; /* slots that we do not know */
    OK(registry_complete(&b.backend, &d, &err));
    copy_memory(&b);
    b.vector.struct_size = offsetof(rag_vector_table, pending_put) - sizeof(void (*)(void));
    FAILS(RAG_E_INVALID, "struct_size", registry_complete(&b.backend, &d, &err));
}

static void names_are_unique(void **state)
{
    (void)state;
    static struct broken first, second;
    static const char *const mine[] = { "SampleKVStorage", NULL };
    static const char *const taken[] = { "OtherStorage", "SampleKVStorage", NULL };
    rag_error err;
    copy_memory(&first);
    first.backend.name = "first";
    first.backend.class_names = mine;
    OK(registry_add(&first.backend, "module", &err));
    FAILS(RAG_E_CONFLICT, "first", registry_add(&first.backend, "module", &err));
    copy_memory(&second);
    second.backend.name = "memory";
    FAILS(RAG_E_CONFLICT, "memory", registry_add(&second.backend, "module", &err));
    second.backend.name = "second";
    second.backend.class_names = taken;
    FAILS(RAG_E_CONFLICT, "SampleKVStorage", registry_add(&second.backend, "module", &err));
    assert_null(registry_loaded("second"));
    assert_non_null(registry_loaded("first"));
    assert_true(registry_loaded("SampleKVStorage") == registry_loaded("first"));
}

static void unknown_names_are_refused_with_a_list(void **state)
{
    (void)state;
    const struct driver *d = NULL;
    rag_error err;
    FAILS(RAG_E_INVALID, "memory", registry_find("postgress", &d, &err));
    assert_non_null(strstr(err.message, "postgress"));
    FAILS(RAG_E_INVALID, "known", registry_find("../evil", &d, &err));
    FAILS(RAG_E_INVALID, "known", registry_find("", &d, &err));
    assert_null(d);
    OK(registry_find("memory", &d, &err));
    assert_string_equal(d->backend.name, "memory");
    assert_string_equal(d->origin, "built in");
    OK(registry_find("MemoryKVStorage", &d, &err));
    assert_string_equal(d->backend.name, "memory");
}

static void backends_are_listed(void **state)
{
    (void)state;
    rag_error err;
    rag_result *rows = NULL;
    OK(rag_backends(&rows, &err));
    int seen = 0;
    for (size_t i = 0; i < rag_result_count(rows); i++) {
        const rag_row *row = rag_result_row(rows, i);
        if (strcmp(row->key.data, "memory") != 0)
            continue;
        seen++;
        assert_string_equal(row->key2.data, "built in");
        assert_non_null(strstr(row->value.data, "\"kinds\":[\"kv\",\"vector\",\"graph\","
                                                "\"doc_status\"]"));
        assert_non_null(strstr(row->value.data, "MemoryKVStorage"));
    }
    assert_int_equal(seen, 1);
    rag_result_free(rows);
    FAILS(RAG_E_INVALID, "NULL", rag_backends(NULL, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(descriptions_are_checked),
        cmocka_unit_test(features_and_slots_go_together),
        cmocka_unit_test(required_slots_are_required),
        cmocka_unit_test(older_and_newer_tables_are_taken),
        cmocka_unit_test(names_are_unique),
        cmocka_unit_test(unknown_names_are_refused_with_a_list),
        cmocka_unit_test(backends_are_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
