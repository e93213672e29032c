/* Key-value stores: reading, writing, times, scans, namespaces. What values may be is in
 * suite_kv_values.c. Numbers are those of the list in README.md. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "conformance.h"

#define NS "full_docs"

static void expect_keys(const rag_row **rows, size_t count, const char *const *keys, size_t n)
{
    CHECK(count == n, "%zu rows, not %zu", count, n);
    for (size_t i = 0; i < n; i++)
        CHECK(same(rows[i]->key, T(keys[i])), "row %zu is '%.*s', not '%s'", i, SHOW(rows[i]->key),
              keys[i]);
}

/* ---- reading and writing --------------------------------------------------------------------------- */

static void kv_09_get_by_ids_keeps_order_and_duplicates(struct env *e)
{
    kv_put(e, NS, T("a"), "{\"n\":1}");
    kv_put(e, NS, T("b"), "{\"n\":2}");
    const rag_slice keys[] = { T("b"), T("a"), T("missing"), T("a") };
    rag_result *rows = NULL;
    OK(rag_kv_get_many(e->store, NULL, NS, keys, 4, &rows, &e->err));
    keep(e, rows);
    count_is(rows, 4);
    row_is(row_of(rows, 0), "{\"n\":2}");
    row_is(row_of(rows, 1), "{\"n\":1}");
    row_absent(row_of(rows, 2), T("missing"));
    row_is(row_of(rows, 3), "{\"n\":1}");
    for (size_t i = 0; i < 4; i++)
        CHECK(same(row_of(rows, i)->key, keys[i]), "row %zu answers another key", i);
    CHECK(rag_result_row(rows, 4) == NULL, "there is a row beyond the end");
}

static void kv_09_results_do_not_follow_the_store(struct env *e)
{
    kv_put(e, NS, T("a"), "{\"n\":1}");
    const rag_result *before = kv_get(e, NS, T("a"));
    kv_put(e, NS, T("a"), "{\"n\":2}");
    OK(rag_kv_drop(e->store, NULL, NS, &e->err));
    row_is(row_of(before, 0), "{\"n\":1}");
}

static void kv_10_put_replaces_the_whole_value(struct env *e)
{
    kv_put(e, NS, T("a"), "{\"old\":1,\"both\":1}");
    kv_put(e, NS, T("a"), "{\"both\":2}");
    row_is(row_of(kv_get(e, NS, T("a")), 0), "{\"both\":2}");
    CHECK(kv_count(e, NS) == 1, "replacing made another row");
}

static void kv_10_first_put_stamps_both_times_alike(struct env *e)
{
    const int64_t before = (int64_t)time(NULL);
    kv_put(e, NS, T("a"), "{}");
    const int64_t after = (int64_t)time(NULL);
    const rag_row *row = row_of(kv_get(e, NS, T("a")), 0);
    CHECK(row->created_at == row->updated_at, "created %lld, updated %lld",
          (long long)row->created_at, (long long)row->updated_at);
    /* Servers have clocks of their own; a day is more than any of them is wrong by. */
    CHECK(row->created_at >= before - 86400 && row->created_at <= after + 86400,
          "stamped %lld at %lld", (long long)row->created_at, (long long)before);
}

static void put_at(struct env *e, const char *value, int64_t created_at, int64_t updated_at)
{
    const rag_kv_item item = { T("a"), T(value), created_at, updated_at };
    OK(rag_kv_put_many(e->store, NULL, NS, &item, 1, NULL, &e->err));
}

static void expect_times(struct env *e, int64_t created_at, int64_t updated_at)
{
    const rag_row *row = row_of(kv_get(e, NS, T("a")), 0);
    CHECK(row->created_at == created_at, "created %lld, not %lld", (long long)row->created_at,
          (long long)created_at);
    CHECK(row->updated_at == updated_at, "updated %lld, not %lld", (long long)row->updated_at,
          (long long)updated_at);
}

static void kv_10_replacing_keeps_the_time_of_creation(struct env *e)
{
    put_at(e, "{}", 1000, 2000);
    expect_times(e, 1000, 2000);
    put_at(e, "{\"n\":1}", 0, 3000);
    expect_times(e, 1000, 3000);
    put_at(e, "{\"n\":2}", 4000, 5000); /* a time that is given wins */
    expect_times(e, 4000, 5000);
    put_at(e, "{\"n\":3}", 0, 0);
    const rag_row *row = row_of(kv_get(e, NS, T("a")), 0);
    CHECK(row->created_at == 4000 && row->updated_at > 1000000000, "created %lld, updated %lld",
          (long long)row->created_at, (long long)row->updated_at);
}

static void kv_10_unknown_times_stay_unknown(struct env *e)
{
    put_at(e, "{}", RAG_TIME_UNKNOWN, RAG_TIME_UNKNOWN);
    expect_times(e, 0, 0);
    put_at(e, "{\"n\":1}", 0, 7);
    expect_times(e, 0, 7);
    put_at(e, "{\"n\":1}", 5, 7);
    put_at(e, "{\"n\":1}", RAG_TIME_UNKNOWN, 7);
    expect_times(e, 0, 7);
}

static void kv_10_times_beyond_32_bits_are_kept(struct env *e)
{
    put_at(e, "{}", INT64_C(253402300799), INT64_C(4294967297));
    expect_times(e, INT64_C(253402300799), INT64_C(4294967297));
}

static void kv_10_id_and_times_are_taken_out_of_the_value(struct env *e)
{
    kv_put(e, NS, T("a"),
           "{\"_id\":\"other\",\"x\":1.50,\"create_time\":1111,\"y\":[{\"_id\":1}],"
           "\"update_time\":2222}");
    row_is(row_of(kv_get(e, NS, T("a")), 0), "{\"x\":1.50,\"y\":[{\"_id\":1}]}");
    expect_times(e, 1111, 2222);
    put_at(e, "{\"create_time\":3333,\"update_time\":4444,\"z\":true}", 5, 6);
    row_is(row_of(kv_get(e, NS, T("a")), 0), "{\"z\":true}");
    expect_times(e, 5, 6);
    kv_put(e, NS, T("b"), "{\"_id\":\"b\"}");
    row_is(row_of(kv_get(e, NS, T("b")), 0), "{}");
}

static void kv_10_stamped_puts_id_and_times_back(struct env *e)
{
    put_at(e, "{\"x\":1}", 1111, RAG_TIME_UNKNOWN);
    const rag_row *row = row_of(kv_get(e, NS, T("a")), 0);
    const char *whole = "{\"x\":1,\"_id\":\"a\",\"create_time\":1111,\"update_time\":0}";
    char text[200], little[5];
    CHECK(rag_kv_stamped(row, NULL, 0) == strlen(whole), "the length is not %zu", strlen(whole));
    CHECK(rag_kv_stamped(row, text, sizeof text) == strlen(whole), "the length changed");
    CHECK(strcmp(text, whole) == 0, "'%s', not '%s'", text, whole);
    CHECK(rag_kv_stamped(row, little, sizeof little) == strlen(whole) &&
              memcmp(little, "{\"x\"", 5) == 0,
          "a small buffer was not filled as snprintf would: '%.5s'", little);
    kv_put(e, NS, B("q\"\n\\"), "{}");
    row = row_of(kv_get(e, NS, B("q\"\n\\")), 0);
    (void)rag_kv_stamped(row, text, sizeof text);
    const char *start = "{\"_id\":\"q\\\"\\u000a\\\\\",\"create_time\":";
    CHECK(strncmp(text, start, strlen(start)) == 0, "'%s'", text);
}

static void kv_11_text_chunks_have_a_cache_list(struct env *e)
{
    kv_put(e, "text_chunks", T("a"), "{\"content\":\"x\"}");
    row_is(row_of(kv_get(e, "text_chunks", T("a")), 0),
           "{\"content\":\"x\",\"llm_cache_list\":[]}");
    kv_put(e, "text_chunks", T("a"), "{\"llm_cache_list\":[\"k\"],\"content\":\"x\"}");
    row_is(row_of(kv_get(e, "text_chunks", T("a")), 0),
           "{\"llm_cache_list\":[\"k\"],\"content\":\"x\"}");
    kv_put(e, "my_text_chunks", T("a"), "{}");
    row_is(row_of(kv_get(e, "my_text_chunks", T("a")), 0), "{\"llm_cache_list\":[]}");
    kv_put(e, "text_chunks_2", T("a"), "{\"n\":{\"llm_cache_list\":1}}");
    row_is(row_of(kv_get(e, "text_chunks_2", T("a")), 0), "{\"n\":{\"llm_cache_list\":1}}");
    kv_put(e, "text_chunks", T("b"),
           "{\"n\":{\"llm_cache_list\":1}}"); /* a nested one is another */
    row_is(row_of(kv_get(e, "text_chunks", T("b")), 0),
           "{\"n\":{\"llm_cache_list\":1},\"llm_cache_list\":[]}");
}

static void kv_12_filter_missing_keeps_order_and_drops_duplicates(struct env *e)
{
    kv_put(e, NS, T("here"), "{}");
    const rag_slice keys[] = { T("z"), T("here"), T("a"), T("z"), T("m"), T("here") };
    const char *const absent[] = { "z", "a", "m" };
    rag_result *rows = NULL;
    OK(rag_kv_filter_missing(e->store, NULL, NS, keys, 6, &rows, &e->err));
    keep(e, rows);
    count_is(rows, 3);
    for (size_t i = 0; i < 3; i++)
        CHECK(same(row_of(rows, i)->key, T(absent[i])), "row %zu is '%.*s'", i,
              SHOW(row_of(rows, i)->key));
    rows = NULL;
    OK(rag_kv_filter_missing(e->store, NULL, NS, NULL, 0, &rows, &e->err));
    count_is(keep(e, rows), 0);
    rows = NULL;
    OK(rag_kv_filter_missing(e->store, NULL, "nothing_here", keys, 1, &rows, &e->err));
    count_is(keep(e, rows), 1);
}

static void kv_13_delete_ignores_absent_keys(struct env *e)
{
    kv_put(e, NS, T("a"), "{}");
    kv_put(e, NS, T("b"), "{}");
    const rag_slice keys[] = { T("a"), T("missing"), T("a") };
    uint64_t deleted = 77;
    OK(rag_kv_delete_many(e->store, NULL, NS, keys, 3, &deleted, NULL, &e->err));
    CHECK(deleted == 1, "%llu deleted, not 1", (unsigned long long)deleted);
    OK(rag_kv_delete_many(e->store, NULL, NS, keys, 3, &deleted, NULL, &e->err));
    CHECK(deleted == 0, "%llu deleted, not 0", (unsigned long long)deleted);
    OK(rag_kv_delete_many(e->store, NULL, "nothing_here", keys, 3, NULL, NULL, &e->err));
    row_absent(row_of(kv_get(e, NS, T("a")), 0), T("a"));
    CHECK(kv_count(e, NS) == 1, "the other row is gone");
}

static void kv_13_count_follows_every_change(struct env *e)
{
    CHECK(kv_count(e, NS) == 0, "an empty namespace has rows");
    kv_put(e, NS, T("a"), "{}");
    kv_put(e, NS, T("b"), "{}");
    kv_put(e, NS, T("a"), "{\"again\":1}");
    CHECK(kv_count(e, NS) == 2, "not 2 rows");
    const rag_slice a = T("a");
    OK(rag_kv_delete_many(e->store, NULL, NS, &a, 1, NULL, NULL, &e->err));
    CHECK(kv_count(e, NS) == 1, "not 1 row");
    OK(rag_kv_drop(e->store, NULL, NS, &e->err));
    CHECK(kv_count(e, NS) == 0, "rows after the drop");
}

static void kv_14_drop_is_immediate_and_idempotent(struct env *e)
{
    OK(rag_kv_drop(e->store, NULL, NS, &e->err));
    kv_put(e, NS, T("a"), "{}");
    OK(rag_kv_drop(e->store, NULL, NS, &e->err));
    OK(rag_kv_drop(e->store, NULL, NS, &e->err));
    row_absent(row_of(kv_get(e, NS, T("a")), 0), T("a"));
    const rag_row *rows[1];
    CHECK(scan_all(e, scan_kv, NS, 10, rows, 1) == 0, "rows after the drop");
    put_at(e, "{\"n\":1}", 0, 0); /* usable afterwards, and nothing of before is left */
    CHECK(row_of(kv_get(e, NS, T("a")), 0)->created_at > 0, "no time of creation");
    CHECK(kv_count(e, NS) == 1, "not 1 row");
}

static void kv_14_namespaces_are_apart(struct env *e)
{
    static const char *const names[] = { "a",    "a_b",      "ab",  "A",
                                         "a b",  "a%",       "a'b", "a\"b",
                                         "a\\",  "\xc3\xa9", "a.b", "[v2]*?",
                                         "a$b`", "a:b",      "a-b", "\xf0\x9f\x90\xa2" };
    enum { N = sizeof names / sizeof names[0] };
    for (size_t i = 0; i < N; i++) {
        kv_put(e, names[i], T("k"), format_text("{\"n\":%zu}", i));
        kv_put(e, names[i], T("_b"), "{}");
    }
    OK(rag_kv_drop(e->store, NULL, "a", &e->err));
    const rag_slice key = T("_b");
    OK(rag_kv_delete_many(e->store, NULL, "a%", &key, 1, NULL, NULL, &e->err));
    for (size_t i = 1; i < N; i++) {
        row_is(row_of(kv_get(e, names[i], T("k")), 0), format_text("{\"n\":%zu}", i));
        const uint64_t wanted = strcmp(names[i], "a%") == 0 ? 1 : 2;
        CHECK(kv_count(e, names[i]) == wanted, "namespace '%s' lost a row", names[i]);
    }
    CHECK(kv_count(e, "a") == 0, "'a' was dropped");
}

static void kv_14_names_of_namespaces_are_checked(struct env *e)
{
    char longest[257];
    const size_t most = e->backend->quirks.name_bytes_max;
    memset(longest, 'n', sizeof longest);
    longest[most] = 0;
    kv_put(e, longest, T("k"), "{}");
    CHECK(kv_count(e, longest) == 1, "a name of %zu bytes does not work", most);
    longest[most] = 'n';
    longest[most + 1] = 0;
    const char *const bad[] = { "", "a/b", "a\nb", "\x7f", "\xff", longest, NULL };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const rag_kv_item item = { .key = T("k"), .value = T("{}") };
        REFUSED(RAG_E_INVALID, rag_kv_put_many(e->store, NULL, bad[i], &item, 1, NULL, &e->err));
    }
}

static void kv_16_absent_and_empty_are_different(struct env *e)
{
    kv_put(e, NS, T("empty"), "{}");
    const rag_result *rows = kv_get(e, NS, T("empty"));
    row_is(row_of(rows, 0), "{}");
    row_absent(row_of(kv_get(e, NS, T("absent")), 0), T("absent"));
    row_absent(row_of(kv_get(e, "nothing_here", T("absent")), 0), T("absent"));
}

/* ---- batches ---------------------------------------------------------------------------------------- */

static void kv_empty_batches_do_nothing(struct env *e)
{
    rag_result *rows = NULL;
    uint64_t deleted = 9;
    OK(rag_kv_get_many(e->store, NULL, NS, NULL, 0, &rows, &e->err));
    count_is(keep(e, rows), 0);
    OK(rag_kv_put_many(e->store, NULL, NS, NULL, 0, NULL, &e->err));
    OK(rag_kv_delete_many(e->store, NULL, NS, NULL, 0, &deleted, NULL, &e->err));
    CHECK(deleted == 0, "deleted %llu", (unsigned long long)deleted);
    CHECK(kv_count(e, NS) == 0, "not empty");
}

static void kv_last_of_equal_keys_wins(struct env *e)
{
    const rag_kv_item items[] = {
        { .key = T("a"), .value = T("{\"n\":1}"), .created_at = 10, .updated_at = 11 },
        { .key = T("b"), .value = T("{\"n\":2}") },
        { .key = T("a"), .value = T("{\"n\":3}"), .updated_at = 33 },
        { .key = T("a"), .value = T("{\"n\":4}"), .updated_at = 44 },
    };
    OK(rag_kv_put_many(e->store, NULL, NS, items, 4, NULL, &e->err));
    row_is(row_of(kv_get(e, NS, T("a")), 0), "{\"n\":4}");
    expect_times(e, 10, 44); /* as if they had been put one after the other */
    CHECK(kv_count(e, NS) == 2, "not 2 rows");
}

static void expect_refused_whole(struct env *e, rag_kv_item bad)
{
    const rag_kv_item items[] = { { .key = T("new"), .value = T("{}") },
                                  { .key = T("old"), .value = T("{\"n\":2}") },
                                  bad,
                                  { .key = T("newer"), .value = T("{}") } };
    rag_token token = 12345;
    REFUSED(RAG_E_INVALID, rag_kv_put_many(e->store, NULL, NS, items, 4, &token, &e->err));
    CHECK(e->err.outcome == RAG_OUTCOME_NOT_APPLIED, "the outcome is not 'not applied'");
    CHECK(token == 12345, "the token was touched");
    CHECK(kv_count(e, NS) == 1, "a part of the batch was applied");
    row_is(row_of(kv_get(e, NS, T("old")), 0), "{\"n\":1}");
}

static void kv_one_bad_item_refuses_the_batch(struct env *e)
{
    static char long_key[1024 * 1024 + 1];
    memset(long_key, 'k', sizeof long_key);
    kv_put(e, NS, T("old"), "{\"n\":1}");
    const rag_kv_item bad[] = {
        { .key = T("x"), .value = T("[1]") },
        { .key = T("x"), .value = T("") },
        { .key = T(""), .value = T("{}") },
        { .key = { long_key, sizeof long_key }, .value = T("{}") },
        { .key = { NULL, 3 }, .value = T("{}") },
        { .key = T("x"), .value = { NULL, 3 } },
        { .key = T("x"), .value = T("{}"), .created_at = -2 },
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect_refused_whole(e, bad[i]);
    REFUSED(RAG_E_INVALID, rag_kv_put_many(e->store, NULL, NS, NULL, 1, NULL, &e->err));
}

static void kv_a_batch_of_10000_is_one(struct env *e)
{
    enum { N = 10000 };
    rag_kv_item *items = calloc(N, sizeof *items);
    char(*keys)[16] = calloc(N, sizeof *keys);
    for (size_t i = 0; i < N; i++) {
        const int len = snprintf(keys[i], sizeof keys[i], "k%05zu", i * 7919 % N);
        items[i] = (rag_kv_item){ .key = { keys[i], (size_t)len }, .value = T("{\"a\":1}") };
    }
    OK(rag_kv_put_many(e->store, NULL, NS, items, N, NULL, &e->err));
    CHECK(kv_count(e, NS) == N, "not %d rows", N);
    const rag_row **rows = calloc(N, sizeof(rag_row *));
    CHECK(scan_all(e, scan_kv, NS, 1000, rows, N) == N, "a scan does not see %d rows", N);
    for (size_t i = 1; i < N; i++)
        CHECK(compare(rows[i - 1]->key, rows[i]->key) < 0, "row %zu is out of order", i);
    free(rows);
    free(items);
    free(keys);
}

/* Found by a review: what a store learns of the values of one namespace must not meet what it learns
 * of the same values in another. */
static void kv_the_same_batch_in_two_namespaces(struct env *e)
{
    enum { N = 400, SIZE = 512 };
    static const char *const names[] = { "first", "second" };
    rag_kv_item *items = calloc(N, sizeof *items);
    char(*keys)[16] = calloc(N, sizeof *keys), (*values)[SIZE] = calloc(N, sizeof *values);
    for (size_t i = 0; i < N; i++) {
        (void)snprintf(keys[i], sizeof keys[i], "k%05zu", i);
        int len = snprintf(values[i], SIZE, "{\"content\":\"row %zu of many:", i);
        for (size_t j = 0; j < 40; j++)
            len += snprintf(values[i] + len, SIZE - (size_t)len, " word%zu", (i * 31 + j * 7) % 97);
        (void)snprintf(values[i] + len, SIZE - (size_t)len, "\"}");
        items[i] = (rag_kv_item){ .key = T(keys[i]), .value = T(values[i]) };
    }
    for (size_t n = 0; n < 2; n++)
        OK(rag_kv_put_many(e->store, NULL, names[n], items, N, NULL, &e->err));
    for (size_t n = 0; n < 2; n++) {
        rag_result *rows = NULL;
        OK(rag_kv_get_many(e->store, NULL, names[n], &items[N - 1].key, 1, &rows, &e->err));
        row_is(row_of(keep(e, rows), 0), values[N - 1]);
    }
    free(items);
    free(keys);
    free(values);
}

static void kv_failures_leave_outputs_alone(struct env *e)
{
    rag_result *const sentinel = (rag_result *)(uintptr_t)16;
    rag_result *rows = sentinel;
    uint64_t number = 4711;
    const rag_slice bad = T("");
    REFUSED(RAG_E_INVALID, rag_kv_get_many(e->store, NULL, NS, &bad, 1, &rows, &e->err));
    REFUSED(RAG_E_INVALID, rag_kv_filter_missing(e->store, NULL, NS, &bad, 1, &rows, &e->err));
    REFUSED(RAG_E_INVALID, rag_kv_scan(e->store, NULL, "", T(""), 1, &rows, &e->err));
    CHECK(rows == sentinel, "the result was touched");
    REFUSED(RAG_E_INVALID, rag_kv_delete_many(e->store, NULL, NS, &bad, 1, &number, NULL, &e->err));
    REFUSED(RAG_E_INVALID, rag_kv_count(e->store, NULL, "", &number, &e->err));
    CHECK(number == 4711, "the number was touched");
    CHECK(rag_kv_count(e->store, NULL, "", &number, NULL) == RAG_E_INVALID, "needs an error");
}

/* ---- scans ------------------------------------------------------------------------------------------ */

static const char *const ordered[] = { "!",
                                       "%",
                                       "A",
                                       "B",
                                       "_",
                                       "a",
                                       "a\x01",
                                       "aa",
                                       "b",
                                       "\x7f",
                                       "\xc3\xa9",
                                       "\xe6\x9d\xb1",
                                       "\xef\xbf\xbd",
                                       "\xf0\x9f\x90\xa2" };
enum { ORDERED = sizeof ordered / sizeof ordered[0] };

static void put_ordered(struct env *e)
{
    for (size_t i = 0; i < ORDERED; i++)
        kv_put(e, NS, T(ordered[i * 5 % ORDERED]), "{}");
}

static void kv_scan_gives_every_row_once_in_byte_order(struct env *e)
{
    static const size_t limits[] = { 1, 2, 7, ORDERED, ORDERED + 1, 1000 };
    const rag_row *rows[ORDERED + 1];
    put_ordered(e);
    kv_put(e, NS "_2", T("c"), "{}");
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        const size_t n = scan_all(e, scan_kv, NS, limits[i], rows, ORDERED + 1);
        expect_keys(rows, n, ordered, ORDERED);
    }
    row_is(rows[0], "{}");
    CHECK(rows[0]->created_at > 0, "a scanned row has no time");
    rag_result *page = NULL;
    OK(rag_kv_scan(e->store, NULL, NS, T(""), 0, &page, &e->err)); /* 0: a sensible default */
    count_is(keep(e, page), ORDERED);
}

static void kv_scan_starts_above_any_key(struct env *e)
{
    rag_result *page = NULL;
    put_ordered(e);
    OK(rag_kv_scan(e->store, NULL, NS, T("a"), 2, &page, &e->err));
    keep(e, page);
    CHECK(same(row_of(page, 0)->key, T("a\x01")), "not the row after 'a'");
    page = NULL;
    OK(rag_kv_scan(e->store, NULL, NS, T("a\x02"), 1, &page, &e->err)); /* no such key */
    CHECK(same(row_of(keep(e, page), 0)->key, T("aa")), "not the row after 'a\\2'");
    page = NULL;
    OK(rag_kv_scan(e->store, NULL, NS, T("\xff"), 1, &page, &e->err));
    count_is(keep(e, page), 0);
    CHECK(rag_result_next(page).len == 0, "the end has a next position");
    page = NULL;
    OK(rag_kv_scan(e->store, NULL, "nothing_here", T(""), 1, &page, &e->err));
    count_is(keep(e, page), 0);
}

static void kv_scan_sees_what_stays_whatever_else_changes(struct env *e)
{
    static const char *const seen[] = { "b", "d", "f", "g", "h" };
    const rag_row *rows[8];
    size_t count = 0;
    rag_slice after = T("");
    kv_put(e, NS, T("b"), "{}");
    kv_put(e, NS, T("d"), "{}");
    kv_put(e, NS, T("e"), "{}");
    kv_put(e, NS, T("f"), "{}");
    kv_put(e, NS, T("h"), "{}");
    for (int step = 0; step == 0 || after.len; step++) {
        rag_result *page = NULL;
        OK(rag_kv_scan(e->store, NULL, NS, after, 1, &page, &e->err));
        keep(e, page);
        CHECK(rag_result_count(page) <= 1 && count < 8, "too many rows");
        if (rag_result_count(page))
            rows[count++] = row_of(page, 0);
        after = rag_result_next(page);
        if (step == 1) { /* 'd' was given: behind, ahead, deleted ahead, deleted where we stand */
            const rag_slice gone[] = { T("d"), T("e") };
            kv_put(e, NS, T("a"), "{}");
            kv_put(e, NS, T("c"), "{}");
            kv_put(e, NS, T("g"), "{}");
            OK(rag_kv_delete_many(e->store, NULL, NS, gone, 2, NULL, NULL, &e->err));
        }
    }
    expect_keys(rows, count, seen, 5);
}

/* ---- a model ---------------------------------------------------------------------------------------- */

enum { MODEL_KEYS = 40, MODEL_STEPS = 1500 };

struct kv_model {
    int present[2][MODEL_KEYS];
    unsigned value[2][MODEL_KEYS];
};

static const char *const model_names[2] = { "m", "m_2" };

static rag_slice model_key(size_t i)
{
    static char keys[MODEL_KEYS][8];
    (void)snprintf(keys[i], sizeof keys[i], "k%02zu", i);
    return T(keys[i]);
}

static void model_compare(struct env *e, const struct kv_model *m, size_t ns)
{
    rag_slice keys[MODEL_KEYS];
    uint64_t count = 0;
    rag_result *rows = NULL;
    for (size_t i = 0; i < MODEL_KEYS; i++)
        keys[i] = model_key(i);
    OK(rag_kv_get_many(e->store, NULL, model_names[ns], keys, MODEL_KEYS, &rows, &e->err));
    for (size_t i = 0; i < MODEL_KEYS; i++) {
        if (m->present[ns][i])
            row_is(row_of(rows, i), format_text("{\"n\":%u}", m->value[ns][i]));
        else
            row_absent(row_of(rows, i), keys[i]);
        count += (uint64_t)m->present[ns][i];
    }
    rag_result_free(rows);
    CHECK(kv_count(e, model_names[ns]) == count, "the counter says %llu, there are %llu",
          (unsigned long long)kv_count(e, model_names[ns]), (unsigned long long)count);
}

static void model_put(struct env *e, struct kv_model *m, struct random *r, size_t ns)
{
    rag_kv_item items[6];
    const size_t n = 1 + random_below(r, 6);
    for (size_t i = 0; i < n; i++) {
        const size_t k = random_below(r, MODEL_KEYS);
        const unsigned value = (unsigned)random_below(r, 1000);
        items[i] =
            (rag_kv_item){ .key = model_key(k), .value = T(format_text("{\"n\":%u}", value)) };
        m->present[ns][k] = 1;
        m->value[ns][k] = value;
    }
    OK(rag_kv_put_many(e->store, NULL, model_names[ns], items, n, NULL, &e->err));
}

static void model_delete(struct env *e, struct kv_model *m, struct random *r, size_t ns)
{
    rag_slice keys[6];
    uint64_t wanted = 0, deleted = 0;
    const size_t n = 1 + random_below(r, 6);
    for (size_t i = 0; i < n; i++) {
        const size_t k = random_below(r, MODEL_KEYS);
        keys[i] = model_key(k);
        wanted += (uint64_t)m->present[ns][k];
        m->present[ns][k] = 0;
    }
    OK(rag_kv_delete_many(e->store, NULL, model_names[ns], keys, n, &deleted, NULL, &e->err));
    CHECK(deleted == wanted, "%llu deleted, not %llu", (unsigned long long)deleted,
          (unsigned long long)wanted);
}

static void kv_random_operations_agree_with_a_model(struct env *e)
{
    struct random r = random_of(e);
    struct kv_model m = { 0 };
    for (int step = 0; step < MODEL_STEPS; step++) {
        const size_t ns = random_below(&r, 2);
        const uint64_t what = random_below(&r, 100);
        if (what < 60) {
            model_put(e, &m, &r, ns);
        } else if (what < 98) {
            model_delete(e, &m, &r, ns);
        } else {
            OK(rag_kv_drop(e->store, NULL, model_names[ns], &e->err));
            memset(m.present[ns], 0, sizeof m.present[ns]);
        }
        if (step % 10 == 0)
            model_compare(e, &m, ns);
    }
    model_compare(e, &m, 0);
    model_compare(e, &m, 1);
}

const struct conformance_case kv_cases[] = {
    CASE(kv, 09_get_by_ids_keeps_order_and_duplicates),
    CASE(kv, 09_results_do_not_follow_the_store),
    CASE(kv, 10_put_replaces_the_whole_value),
    CASE(kv, 10_first_put_stamps_both_times_alike),
    CASE(kv, 10_replacing_keeps_the_time_of_creation),
    CASE(kv, 10_unknown_times_stay_unknown),
    CASE(kv, 10_times_beyond_32_bits_are_kept),
    CASE(kv, 10_id_and_times_are_taken_out_of_the_value),
    CASE(kv, 10_stamped_puts_id_and_times_back),
    CASE(kv, 11_text_chunks_have_a_cache_list),
    CASE(kv, 12_filter_missing_keeps_order_and_drops_duplicates),
    CASE(kv, 13_delete_ignores_absent_keys),
    CASE(kv, 13_count_follows_every_change),
    CASE(kv, 14_drop_is_immediate_and_idempotent),
    CASE(kv, 14_namespaces_are_apart),
    CASE(kv, 14_names_of_namespaces_are_checked),
    CASE(kv, 16_absent_and_empty_are_different),
    CASE(kv, empty_batches_do_nothing),
    CASE(kv, last_of_equal_keys_wins),
    CASE(kv, one_bad_item_refuses_the_batch),
    CASE(kv, a_batch_of_10000_is_one),
    CASE(kv, the_same_batch_in_two_namespaces),
    CASE(kv, failures_leave_outputs_alone),
    CASE(kv, scan_gives_every_row_once_in_byte_order),
    CASE(kv, scan_starts_above_any_key),
    CASE(kv, scan_sees_what_stays_whatever_else_changes),
    CASE(kv, random_operations_agree_with_a_model),
    CASES_END,
};
