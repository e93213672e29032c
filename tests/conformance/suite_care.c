/* Checking, compacting and copying. What a backend keeps twice is its own affair (its tests plant
 * faults there); here is what the public calls promise of any of them: the invariants between the
 * stores, what stays as it is, who may ask, and what is said where a backend has no such thing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "conformance.h"

static const float V[2] = { 1, 2 };

/* ---- a store in which everything belongs together ------------------------------------------------------- */

static void put_vector(struct env *e, const char *space, const char *id, const char *value)
{
    const rag_vector_item item = { T(id), V, 2, T(value), 1700000000 };
    OK(rag_vector_put_many(e->store, NULL, space, &item, 1, NULL, &e->err));
}

static void put_whole(struct env *e)
{
    static const char *const spaces[] = { "chunks", "entities", "relationships" };
    for (int i = 0; i < 3; i++)
        define_space(e, spaces[i], 2, RAG_METRIC_COSINE, RAG_ELEMENT_FLOAT32);
    kv_put(e, "full_docs", T("doc-1"), "{\"content\":\"one\"}");
    kv_put(e, "text_chunks", T("chunk-1"), "{\"content\":\"one\",\"full_doc_id\":\"doc-1\"}");
    kv_put(e, "llm_response_cache", T("answer"), "{\"return\":\"yes\"}");
    put_vector(e, "chunks", "chunk-1", "{\"content\":\"one\"}");
    doc_put(e, "doc-1", "{\"status\":\"processed\",\"chunks_list\":[\"chunk-1\"]}");
    doc_put(e, "dup-1", "{\"status\":\"failed\",\"metadata\":{\"is_duplicate\":true}}");
    node_put(e, "A", "{\"entity_id\":\"A\"}");
    edge_put(e, "A", "B", "{\"weight\":1.0}");
    put_vector(e, "entities", "ent-A", "{\"entity_name\":\"A\"}");
    put_vector(e, "entities", "ent-B", "{\"entity_name\":\"B\"}");
    put_vector(e, "relationships", "rel-1", "{\"src_id\":\"B\",\"tgt_id\":\"A\"}");
}

static int offers(const struct env *e, unsigned what)
{
    return (e->backend->quirks.offers & what) != 0;
}

/* What a store goes through: rows replaced and deleted, spaces dropped, bounds, pending vectors. */
static void use_it(struct env *e)
{
    const rag_pending_item item = { T("ent-A"), T("{\"entity_name\":\"A\",\"content\":\"a\"}"),
                                    T(""), 0 };
    const rag_slice pending = T("chunk-0"), gone = T("gone");
    rag_kv_limits limits = RAG_KV_LIMITS_INIT;
    for (int i = 0; i < 60; i++) {
        const char *id = format_text("%d", i);
        kv_put(e, "llm_response_cache", T(id), format_text("{\"return\":\"%d\"}", i * i));
        put_vector(e, "chunks", id, "{}");
        edge_put(e, "gone", id, "{}");
        doc_put(e, id, "{\"status\":\"pending\"}");
        const rag_slice key = T(id);
        OK(rag_vector_delete_many(e->store, NULL, "chunks", &key, 1, NULL, NULL, &e->err));
        OK(rag_graph_delete_nodes(e->store, NULL, &key, 1, NULL, NULL, &e->err));
        OK(rag_docstatus_delete_many(e->store, NULL, &key, 1, NULL, NULL, &e->err));
    }
    OK(rag_graph_delete_nodes(e->store, NULL, &gone, 1, NULL, NULL, &e->err));
    limits.max_bytes = 600;
    limits.ttl_s = 100000;
    if (offers(e, NEEDS_LIMITS))
        OK(rag_kv_set_limits(e->store, NULL, "llm_response_cache", &limits, &e->err));
    kv_put(e, "llm_response_cache", T("one more"), "{}");
    kv_put(e, "dropped_cache", T("k"), "{}");
    if (offers(e, NEEDS_LIMITS))
        OK(rag_kv_set_limits(e->store, NULL, "dropped_cache", &limits, &e->err));
    OK(rag_kv_drop(e->store, NULL, "dropped_cache", &e->err));
    OK(rag_vector_defer_many(e->store, NULL, "entities", &item, 1, NULL, &e->err));
    OK(rag_vector_defer_delete(e->store, NULL, "chunks", &pending, 1, NULL, &e->err));
    define_space(e, "dropped", 2, RAG_METRIC_COSINE, RAG_ELEMENT_FLOAT32);
    put_vector(e, "dropped", "v", "{}");
    OK(rag_vector_defer_many(e->store, NULL, "dropped", &item, 1, NULL, &e->err));
    OK(rag_vector_drop(e->store, NULL, "dropped", &e->err));
}

/* ---- reports -------------------------------------------------------------------------------------------- */

static const rag_result *report_of(struct env *e, rag_store *store, unsigned flags, size_t examples)
{
    rag_check_options options = RAG_CHECK_OPTIONS_INIT;
    rag_result *report = NULL;
    options.flags = flags;
    options.max_examples = examples;
    OK(rag_store_check(store, NULL, &options, &report, &e->err));
    return keep(e, report);
}

static const rag_row *finding(const rag_result *report, const char *name)
{
    for (size_t i = 0; i < rag_result_count(report); i++)
        if (same(row_of(report, i)->key, T(name)))
            return row_of(report, i);
    return NULL;
}

static int is_listed(const rag_result *report, const char *name)
{
    return finding(report, name) != NULL;
}

/* Every row has the form that the header gives it. */
static void expect_form(const rag_result *report)
{
    static const char *const members[] = { "what",     "checked", "violations",
                                           "repaired", "derived", "examples" };
    for (size_t i = 0; i < rag_result_count(report); i++) {
        const rag_row *row = row_of(report, i);
        for (size_t j = 0; j < i; j++)
            CHECK(!same(row->key, row_of(report, j)->key), "%.*s is there twice", SHOW(row->key));
        for (size_t j = 0; j < sizeof members / sizeof members[0]; j++)
            CHECK(contains(row->value, format_text("\"%s\":", members[j])), "%.*s has no \"%s\"",
                  SHOW(row->key), members[j]);
        CHECK(contains(row->value, format_text("\"violations\":%lld,", (long long)row->number)),
              "%.*s: %lld is not in its value", SHOW(row->key), (long long)row->number);
    }
}

static void expect_clean(const rag_result *report)
{
    expect_form(report);
    for (size_t i = 0; i < rag_result_count(report); i++) {
        const rag_row *row = row_of(report, i);
        CHECK(row->found && row->number == 0 && contains(row->value, "\"examples\":[]"),
              "%.*s: %.*s", SHOW(row->key), (int)row->value.len, (const char *)row->value.data);
    }
}

/* The invariants between the stores, and what break_all() makes of each. */
static const struct between {
    const char *name, *example;
    int is_note, is_slow;
} BETWEEN[] = {
    { "vectors.entity_without_node", "ghost", 0, 1 },
    { "vectors.node_without_entity", "lonely", 0, 1 },
    { "vectors.relation_without_edge", "A - lonely", 0, 1 },
    { "vectors.edge_without_relation", "lonely", 0, 1 },
    { "chunks.without_vector", "chunk-2", 0, 0 },
    { "chunks.vector_without_text", "chunk-3", 0, 0 },
    { "chunks.unknown_document", "nowhere", 1, 0 },
    { "documents.chunk_missing", "chunk-9", 0, 0 },
    { "documents.without_text", "doc-3", 0, 0 },
    { "documents.without_status", "doc-4", 0, 0 },
};
enum { BETWEEN_COUNT = sizeof BETWEEN / sizeof BETWEEN[0] };

static void break_all(struct env *e)
{
    put_vector(e, "entities", "ent-ghost", "{\"entity_name\":\"ghost\"}");
    put_vector(e, "relationships", "rel-2", "{\"src_id\":\"A\",\"tgt_id\":\"lonely\"}");
    edge_put(e, "lonely", "B", "{}");
    kv_put(e, "text_chunks", T("chunk-2"), "{\"full_doc_id\":\"nowhere\"}");
    put_vector(e, "chunks", "chunk-3", "{}");
    doc_put(e, "doc-3", "{\"status\":\"processed\",\"chunks_list\":[\"chunk-1\",\"chunk-9\"]}");
    kv_put(e, "full_docs", T("doc-4"), "{}");
}

static void expect_broken(const rag_result *report)
{
    expect_form(report);
    for (size_t i = 0; i < BETWEEN_COUNT; i++) {
        const rag_row *row = finding(report, BETWEEN[i].name);
        CHECK(row, "%s is not looked at", BETWEEN[i].name);
        CHECK(row->number == 1 && row->found == BETWEEN[i].is_note &&
                  contains(row->value, "\"note\":true") == BETWEEN[i].is_note &&
                  contains(row->value, BETWEEN[i].example) &&
                  contains(row->value, "\"repaired\":0,\"derived\":false"),
              "%s: %lld, %.*s", BETWEEN[i].name, (long long)row->number, (int)row->value.len,
              (const char *)row->value.data);
    }
    for (size_t i = 0; i < rag_result_count(report); i++) { /* and nothing else */
        const rag_row *row = row_of(report, i);
        size_t known = 0;
        while (known < BETWEEN_COUNT && !same(row->key, T(BETWEEN[known].name)))
            known++;
        CHECK(known < BETWEEN_COUNT || !row->number, "%.*s: %.*s", SHOW(row->key),
              SHOW(row->value));
    }
}

/* ---- checking ------------------------------------------------------------------------------------------- */

static void care_check_finds_nothing_in_a_whole_store(struct env *e)
{
    expect_clean(report_of(e, e->store, 0, 10)); /* an empty one */
    put_whole(e);
    rag_result *report = NULL;
    OK(rag_store_check(e->store, NULL, NULL, &report, &e->err));
    expect_clean(keep(e, report));
    for (size_t i = 0; i < BETWEEN_COUNT; i++)
        CHECK(contains(finding(report, BETWEEN[i].name)->value, "\"checked\":") &&
                  !contains(finding(report, BETWEEN[i].name)->value, "\"checked\":0"),
              "%s looked at nothing", BETWEEN[i].name);
    use_it(e);
    expect_clean(report_of(e, e->store, 0, 10));
}

static void care_check_finds_what_does_not_belong_together(struct env *e)
{
    size_t len;
    put_whole(e);
    break_all(e);
    expect_broken(report_of(e, e->store, 0, 10));
    char *before = dump_store(e, e->store, &len);
    expect_broken(report_of(e, e->store, RAG_CHECK_REPAIR, 10)); /* none of it is derived */
    expect_dump(e, before, len, "a repair of what is not derived");
    free(before);
}

static void care_check_counts_pending_vectors_as_there(struct env *e)
{
    const rag_pending_item entity = { T("ent-C"), T("{\"entity_name\":\"C\",\"content\":\"c\"}"),
                                      T(""), 0 };
    const rag_pending_item relation = { T("rel-2"),
                                        T("{\"src_id\":\"C\",\"tgt_id\":\"A\",\"content\":\"r\"}"),
                                        T(""), 0 };
    const rag_slice unknown = T("ent-D");
    const rag_pending_item chunk = { T("chunk-2"), T("{\"content\":\"two\"}"), T(""), 0 };
    put_whole(e);
    edge_put(e, "A", "C", "{}");
    kv_put(e, "text_chunks", T("chunk-2"), "{\"full_doc_id\":\"doc-1\"}");
    const rag_result *report = report_of(e, e->store, 0, 10);
    CHECK(finding(report, "vectors.node_without_entity")->number == 1 &&
              finding(report, "vectors.edge_without_relation")->number == 1 &&
              finding(report, "chunks.without_vector")->number == 1,
          "what has no vector is not found");
    OK(rag_vector_defer_many(e->store, NULL, "entities", &entity, 1, NULL, &e->err));
    OK(rag_vector_defer_delete(e->store, NULL, "entities", &unknown, 1, NULL, &e->err));
    OK(rag_vector_defer_many(e->store, NULL, "relationships", &relation, 1, NULL, &e->err));
    OK(rag_vector_defer_many(e->store, NULL, "chunks", &chunk, 1, NULL, &e->err));
    expect_clean(report_of(e, e->store, 0, 10));
}

static void care_check_does_not_miss_what_is_empty(struct env *e)
{
    put_whole(e);
    OK(rag_kv_drop(e->store, NULL, "text_chunks", &e->err));
    const rag_result *report = report_of(e, e->store, 0, 10);
    CHECK(finding(report, "chunks.vector_without_text")->number == 1, "all texts are lost");
    CHECK(finding(report, "documents.chunk_missing")->number == 1, "all texts are lost");
    OK(rag_kv_drop(e->store, NULL, "full_docs", &e->err)); /* a store of vectors alone is none */
    expect_clean(report_of(e, e->store, 0, 10));
}

static size_t examples_of(const rag_row *row)
{
    const char *at = strstr(row->value.data, "\"examples\":[");
    size_t quotes = 0;
    CHECK(at, "no examples in %.*s", SHOW(row->value));
    for (at += strlen("\"examples\":["); *at != ']'; at++)
        quotes += *at == '"';
    return quotes / 2;
}

static void care_check_gives_as_many_examples_as_asked_for(struct env *e)
{
    put_whole(e);
    for (int i = 0; i < 15; i++)
        put_vector(e, "entities", format_text("ent-%d", i), "{\"entity_name\":\"ghost\"}");
    static const size_t asked[] = { 0, 1, 3, 100 }, given[] = { 10, 1, 3, 15 };
    for (size_t i = 0; i < 4; i++) {
        const rag_row *row =
            finding(report_of(e, e->store, 0, asked[i]), "vectors.entity_without_node");
        CHECK(row->number == 15 && examples_of(row) == given[i], "asked for %zu, got %zu of %lld",
              asked[i], examples_of(row), (long long)row->number);
    }
}

static void care_check_quick_leaves_out_what_reads_every_value(struct env *e)
{
    put_whole(e);
    break_all(e);
    const rag_result *full = report_of(e, e->store, 0, 10);
    const rag_result *quick = report_of(e, e->store, RAG_CHECK_QUICK, 10);
    CHECK(rag_result_count(quick) < rag_result_count(full), "nothing is left out");
    for (size_t i = 0; i < rag_result_count(quick); i++) {
        const rag_row *row = row_of(quick, i);
        const rag_row *there = finding(full, format_text("%.*s", SHOW(row->key)));
        CHECK(there && there->number == row->number, "%.*s", SHOW(row->key));
    }
    for (size_t i = 0; i < BETWEEN_COUNT; i++)
        CHECK(is_listed(quick, BETWEEN[i].name) == !BETWEEN[i].is_slow, "%s", BETWEEN[i].name);
}

static void care_check_is_refused(struct env *e)
{
    rag_check_options options = RAG_CHECK_OPTIONS_INIT;
    rag_context ctx = RAG_CONTEXT_INIT;
    rag_result *report = NULL;
    int flag = 0;
    put_whole(e);
    REFUSED(RAG_E_INVALID, rag_store_check(NULL, NULL, NULL, &report, &e->err));
    REFUSED(RAG_E_INVALID, rag_store_check(e->store, NULL, NULL, NULL, &e->err));
    options.flags = 64;
    REFUSED(RAG_E_INVALID, rag_store_check(e->store, NULL, &options, &report, &e->err));
    options.flags = 0;
    options.struct_size = 3;
    REFUSED(RAG_E_INVALID, rag_store_check(e->store, NULL, &options, &report, &e->err));
    ctx.cancel = &flag;
    rag_cancel(&flag);
    REFUSED(RAG_E_CANCELLED, rag_store_check(e->store, &ctx, NULL, &report, &e->err));
    CHECK(!report, "the report was touched");
}

/* ---- compacting ------------------------------------------------------------------------------------------ */

static void care_what_a_backend_has_not_is_said(struct env *e)
{
    uint64_t freed = 77;
    size_t len;
    put_whole(e);
    char *before = dump_store(e, e->store, &len);
    const char *target = format_text("%s/copies/a", e->place.path);
    if (!offers(e, NEEDS_COMPACT)) {
        REFUSED(RAG_E_UNSUPPORTED, rag_store_compact(e->store, NULL, &freed, &e->err));
        expect_message(e, driver_name(e));
        CHECK(freed == 77, "an output was touched");
    }
    if (!offers(e, NEEDS_BACKUP)) {
        REFUSED(RAG_E_UNSUPPORTED, rag_store_backup(e->store, NULL, target, &e->err));
        expect_message(e, driver_name(e));
    }
    if (!offers(e, NEEDS_LIMITS)) {
        rag_kv_limits limits = RAG_KV_LIMITS_INIT;
        limits.max_bytes = 1;
        kv_put(e, "a_cache", T("k"), "{}");
        free(before);
        before = dump_store(e, e->store, &len);
        REFUSED(RAG_E_UNSUPPORTED, rag_kv_set_limits(e->store, NULL, "a_cache", &limits, &e->err));
        expect_message(e, driver_name(e));
        REFUSED(RAG_E_UNSUPPORTED, rag_kv_get_limits(e->store, NULL, "a_cache", &limits, &e->err));
        CHECK(limits.max_bytes == 1, "an output was touched");
    }
    expect_dump(e, before, len, "a call that was refused");
    free(before);
}

static void care_compact_changes_no_row(struct env *e)
{
    uint64_t freed = 0;
    size_t len;
    put_whole(e);
    use_it(e);
    char *before = dump_store(e, e->store, &len);
    const rag_slice hash = content_hash(e, e->store);
    OK(rag_store_compact(e->store, NULL, NULL, &e->err));
    OK(rag_store_compact(e->store, NULL, &freed, &e->err));
    CHECK(same(content_hash(e, e->store), hash), "the content hash is another");
    expect_dump(e, before, len, "compacting");
    expect_clean(report_of(e, e->store, 0, 10));
    free(before);
}

static void care_compact_gives_space_back(struct env *e)
{
    enum { N = 64, LEN = 20000 };
    static char text[LEN + 16];
    uint64_t freed = 0, again = 0;
    struct random r = random_of(e);
    put_whole(e);
    const rag_slice hash = content_hash(e, e->store);
    for (int i = 0; i < N; i++) {
        memcpy(text, "{\"v\":\"", 6);
        for (size_t j = 0; j < LEN; j++)
            text[6 + j] =
                "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"[random_below(
                    &r, 64)];
        memcpy(text + 6 + LEN, "\"}", 3);
        kv_put(e, "large", T(format_text("%d", i)), text);
    }
    OK(rag_kv_drop(e->store, NULL, "large", &e->err));
    OK(rag_store_compact(e->store, NULL, &freed, &e->err));
    OK(rag_store_compact(e->store, NULL, &again, &e->err));
    CHECK(freed > (uint64_t)N * LEN / 2 && again < freed / 10, "%llu bytes, then %llu",
          (unsigned long long)freed, (unsigned long long)again);
    CHECK(same(content_hash(e, e->store), hash), "the content hash is another");
}

static void care_compact_drops_what_is_expired(struct env *e)
{
    enum { N = 200 };
    const int64_t now = (int64_t)time(NULL);
    rag_kv_limits limits = RAG_KV_LIMITS_INIT;
    rag_kv_item rows[N + 1];
    put_whole(e);
    limits.ttl_s = 1000000;
    OK(rag_kv_set_limits(e->store, NULL, "a_cache", &limits, &e->err));
    for (size_t i = 0; i < N; i++)
        rows[i] = (rag_kv_item){ T(format_text("old-%03zu", i)), T("{}"), 1, 1 };
    rows[N] = (rag_kv_item){ T("young"), T("{}"), now, now };
    OK(rag_kv_put_many(e->store, NULL, "a_cache", rows, N + 1, NULL, &e->err));
    const rag_slice hash = content_hash(e, e->store);
    OK(rag_store_compact(e->store, NULL, NULL, &e->err));
    const long long left = number_in(namespace_row(e, "kv", "a_cache"), "bytes");
    CHECK(left < 20, "%lld bytes are left", left); /* expired ones are in it until they are gone */
    CHECK(kv_count(e, "a_cache") == 1 && same(content_hash(e, e->store), hash),
          "a row that had not expired went");
}

static void care_compact_may_be_cancelled(struct env *e)
{
    rag_context ctx = RAG_CONTEXT_INIT;
    int flag = 0;
    uint64_t freed = 77;
    size_t len;
    put_whole(e);
    char *before = dump_store(e, e->store, &len);
    ctx.cancel = &flag;
    rag_cancel(&flag);
    REFUSED(RAG_E_CANCELLED, rag_store_compact(e->store, &ctx, &freed, &e->err));
    CHECK(freed == 77, "an output was touched");
    expect_dump(e, before, len, "compacting that was cancelled");
    free(before);
}

/* ---- copies ----------------------------------------------------------------------------------------------- */

/* The copy in a directory, opened by its URL. */
static rag_store *open_copy(struct env *e, const char *target)
{
    rag_open_options options = RAG_OPEN_OPTIONS_INIT;
    rag_store *copy = NULL;
    options.flags = RAG_OPEN_EXISTING;
    OK(rag_store_open(format_text("%s:%s", driver_name(e), target), &options, NULL, &copy,
                      &e->err));
    return copy;
}

static void care_backup_holds_the_same(struct env *e)
{
    const char *target = format_text("%s/copies/a", e->place.path);
    rag_kv_limits limits = RAG_KV_LIMITS_INIT;
    size_t len;
    put_whole(e);
    use_it(e);
    const rag_slice hash = content_hash(e, e->store);
    char *before = dump_store(e, e->store, &len);
    OK(rag_store_backup(e->store, NULL, target, &e->err));
    expect_dump(e, before, len, "a backup");
    kv_put(e, "full_docs", T("later"), "{}"); /* is not in the copy */
    rag_store *copy = open_copy(e, target);
    CHECK(same(content_hash(e, copy), hash), "the content hash of the copy is another");
    expect_clean(report_of(e, copy, 0, 10));
    OK(rag_kv_get_limits(copy, NULL, "llm_response_cache", &limits, &e->err));
    CHECK(limits.max_bytes == 600 && limits.ttl_s == 100000, "the bounds were not copied");
    rag_store *original = e->store;
    e->store = copy;
    expect_dump(e, before, len, "copying");
    kv_put(e, "full_docs", T("in the copy"), "{}"); /* it is a store of its own */
    e->store = original;
    CHECK(!row_of(kv_get(e, "full_docs", T("in the copy")), 0)->found, "they share a row");
    rag_store_close(copy);
    free(before);
}

static void care_backup_overwrites_nothing(struct env *e)
{
    const char *target = format_text("%s/copies/a", e->place.path);
    put_whole(e);
    OK(rag_store_backup(e->store, NULL, target, &e->err));
    const rag_slice hash = content_hash(e, e->store);
    kv_put(e, "full_docs", T("later"), "{}");
    REFUSED(RAG_E_CONFLICT, rag_store_backup(e->store, NULL, target, &e->err));
    rag_store *copy = open_copy(e, target);
    CHECK(same(content_hash(e, copy), hash), "the first copy was changed");
    rag_store_close(copy);
}

static void care_backup_needs_a_target(struct env *e)
{
    rag_context ctx = RAG_CONTEXT_INIT;
    int flag = 0;
    put_whole(e);
    REFUSED(RAG_E_INVALID, rag_store_backup(e->store, NULL, NULL, &e->err));
    REFUSED(RAG_E_INVALID, rag_store_backup(e->store, NULL, "", &e->err));
    REFUSED(RAG_E_INVALID, rag_store_backup(NULL, NULL, "copy", &e->err));
    ctx.cancel = &flag;
    rag_cancel(&flag);
    REFUSED(RAG_E_CANCELLED, rag_store_backup(e->store, &ctx, "copy", &e->err));
}

/* ---- who may ask -------------------------------------------------------------------------------------------- */

static void care_not_inside_a_transaction(struct env *e)
{
    rag_context ctx = RAG_CONTEXT_INIT;
    rag_check_options options = RAG_CHECK_OPTIONS_INIT;
    rag_result *report = NULL;
    uint64_t freed = 77;
    const char *target = format_text("%s/copies/a", e->place.path);
    put_whole(e);
    OK(rag_txn_begin(e->store, NULL, &ctx.txn, &e->err));
    REFUSED(RAG_E_INVALID, rag_store_check(e->store, &ctx, &options, &report, &e->err));
    options.flags = RAG_CHECK_REPAIR;
    REFUSED(RAG_E_INVALID, rag_store_check(e->store, &ctx, &options, &report, &e->err));
    REFUSED(RAG_E_INVALID, rag_store_compact(e->store, &ctx, &freed, &e->err));
    REFUSED(RAG_E_INVALID, rag_store_backup(e->store, &ctx, target, &e->err));
    rag_txn_abort(ctx.txn);
    CHECK(!report && freed == 77, "an output was touched");
}

static void care_of_a_read_only_handle(struct env *e)
{
    rag_open_options options = RAG_OPEN_OPTIONS_INIT;
    rag_check_options repair = RAG_CHECK_OPTIONS_INIT;
    rag_result *report = NULL;
    const char *target = format_text("%s/copies/a", e->place.path);
    options.flags = RAG_OPEN_READ_ONLY;
    repair.flags = RAG_CHECK_REPAIR;
    put_whole(e);
    break_all(e);
    rag_store *reader = open_again(e, &options);
    expect_broken(report_of(e, reader, 0, 10));
    REFUSED(RAG_E_DENIED, rag_store_check(reader, NULL, &repair, &report, &e->err));
    REFUSED(RAG_E_DENIED, rag_store_compact(reader, NULL, NULL, &e->err));
    if (offers(e, NEEDS_BACKUP)) {
        OK(rag_store_backup(reader, NULL, target, &e->err));
        rag_store *copy = open_copy(e, target);
        CHECK(same(content_hash(e, copy), content_hash(e, e->store)), "the copy is another");
        rag_store_close(copy);
    }
    rag_store_close(reader);
    CHECK(!report, "an output was touched");
}

/* A handle of some namespaces asks about these, and takes no copy of the others. */
static void care_of_a_limited_handle(struct env *e)
{
    static const char *const names[] = { "full_docs", "text_chunks", "doc_status" };
    rag_open_options options = RAG_OPEN_OPTIONS_INIT;
    options.namespaces = names;
    options.namespace_count = 3;
    put_whole(e);
    break_all(e);
    rag_store *limited = open_again(e, &options);
    const rag_result *report = report_of(e, limited, 0, 10);
    for (size_t i = 0; i < BETWEEN_COUNT; i++) {
        const int asks = strncmp(BETWEEN[i].name, "documents.", 10) == 0 || BETWEEN[i].is_note;
        CHECK(finding(report, BETWEEN[i].name)->number == asks, "%s", BETWEEN[i].name);
    }
    REFUSED(RAG_E_DENIED,
            rag_store_backup(limited, NULL, format_text("%s/copies/a", e->place.path), &e->err));
    if (offers(e, NEEDS_COMPACT))
        OK(rag_store_compact(limited, NULL, NULL, &e->err));
    rag_store_close(limited);
}

const struct conformance_case care_cases[] = {
    CASE(care, check_finds_nothing_in_a_whole_store),
    CASE(care, check_finds_what_does_not_belong_together),
    CASE(care, check_counts_pending_vectors_as_there),
    CASE(care, check_does_not_miss_what_is_empty),
    CASE(care, check_gives_as_many_examples_as_asked_for),
    CASE(care, check_quick_leaves_out_what_reads_every_value),
    CASE(care, check_is_refused),
    CASE(care, what_a_backend_has_not_is_said),
    CASE_NEEDS(care, compact_changes_no_row, NEEDS_COMPACT),
    CASE_NEEDS(care, compact_gives_space_back, NEEDS_COMPACT),
    CASE_NEEDS(care, compact_drops_what_is_expired, NEEDS_COMPACT | NEEDS_LIMITS),
    CASE(care, compact_may_be_cancelled),
    CASE_NEEDS(care, backup_holds_the_same, NEEDS_BACKUP | NEEDS_LIMITS),
    CASE_NEEDS(care, backup_overwrites_nothing, NEEDS_BACKUP),
    CASE(care, backup_needs_a_target),
    CASE_NEEDS(care, not_inside_a_transaction, NEEDS_TRANSACTIONS),
    CASE_NEEDS(care, of_a_read_only_handle, NEEDS_SHARING),
    CASE_NEEDS(care, of_a_limited_handle, NEEDS_SHARING),
    CASES_END,
};
