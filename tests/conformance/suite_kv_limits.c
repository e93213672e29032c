/* Bounds of caches: a size and a time to live. Times are given with the rows and lie in the past,
 * so nothing here waits. */
#include <string.h>
#include <time.h>

#include "conformance.h"

#define CACHE "llm_response_cache"

static void set_limits(struct env *e, uint64_t max_bytes, int64_t ttl_s)
{
    rag_kv_limits limits = RAG_KV_LIMITS_INIT;
    limits.max_bytes = max_bytes;
    limits.ttl_s = ttl_s;
    OK(rag_kv_set_limits(e->store, NULL, CACHE, &limits, &e->err));
}

static void expect_limits(struct env *e, uint64_t max_bytes, int64_t ttl_s)
{
    rag_kv_limits limits = RAG_KV_LIMITS_INIT;
    OK(rag_kv_get_limits(e->store, NULL, CACHE, &limits, &e->err));
    CHECK(limits.max_bytes == max_bytes && limits.ttl_s == ttl_s, "%llu bytes, %lld s",
          (unsigned long long)limits.max_bytes, (long long)limits.ttl_s);
}

/* Written `ago` seconds before now, in a value of `len` different bytes. */
static void put_ago(struct env *e, const char *name_space, const char *key, int64_t ago, size_t len)
{
    char text[4096];
    struct random r = random_of(e);
    r.state += (uint64_t)key[strlen(key) - 1] * 7919;
    memcpy(text, "{\"v\":\"", 6);
    for (size_t i = 0; i < len; i++) { /* little for a compressor */
        text[6 + i] = (char)('!' + random_below(&r, 94));
        if (text[6 + i] == '"' || text[6 + i] == '\\')
            text[6 + i] = ' ';
    }
    memcpy(text + 6 + len, "\"}", 2);
    const int64_t at = (int64_t)time(NULL) - ago;
    const rag_kv_item item = { T(key), { text, len + 8 }, at, at };
    OK(rag_kv_put_many(e->store, NULL, name_space, &item, 1, NULL, &e->err));
}

static int has(struct env *e, const char *key)
{
    return row_of(kv_get(e, CACHE, T(key)), 0)->found;
}

/* Every read agrees on which of a, b, c, d are there. */
static void expect_there(struct env *e, const char *there)
{
    rag_slice keys[] = { T("a"), T("b"), T("c"), T("d") };
    const rag_row *rows[8];
    rag_result *missing = NULL;
    const size_t n = strlen(there);
    for (size_t i = 0; i < 4; i++) {
        const char *key = keys[i].data;
        CHECK(has(e, key) == (strchr(there, *key) != NULL), "'%s' is %s", key,
              has(e, key) ? "there" : "gone");
    }
    CHECK(kv_count(e, CACHE) == n, "counted %llu, not %zu", (unsigned long long)kv_count(e, CACHE),
          n);
    CHECK(scan_all(e, scan_kv, CACHE, 1, rows, 8) == n, "the scan has other rows");
    OK(rag_kv_filter_missing(e->store, NULL, CACHE, keys, 4, &missing, &e->err));
    count_is(keep(e, missing), 4 - n);
}

static void kv_limits_size_keeps_the_newest(struct env *e)
{
    put_ago(e, CACHE, "a", 10, 400);
    put_ago(e, CACHE, "b", 40, 400);
    put_ago(e, CACHE, "c", 20, 400);
    set_limits(e, 900, 0); /* room for two, compressed or not */
    CHECK(!has(e, "b") && has(e, "a"), "not the one written longest ago went");
    set_limits(e, 600, 0);
    expect_there(e, "a");
    put_ago(e, CACHE, "d", 1, 400);
    expect_there(e, "d");
    put_ago(e, CACHE, "a", 0, 3000); /* larger than the bound by itself */
    expect_there(e, "");
}

static void kv_limits_size_counts_a_batch(struct env *e)
{
    set_limits(e, 1500, 0);
    for (int round = 0; round < 20; round++)
        put_ago(e, CACHE, format_text("k%c", 'a' + round), 100 - round, 300);
    const uint64_t rows = kv_count(e, CACHE);
    CHECK(rows >= 4 && rows < 10, "%llu rows are kept", (unsigned long long)rows);
    CHECK(has(e, "kt") && !has(e, "ka"), "the newest is gone or the oldest is there");
}

static void kv_limits_time_to_live(struct env *e)
{
    put_ago(e, CACHE, "a", 10, 8);
    put_ago(e, CACHE, "b", 5000, 8);
    put_ago(e, CACHE, "c", 2000, 8);
    set_limits(e, 0, 3000);
    expect_there(e, "ac");
    put_ago(e, CACHE, "d", 4000, 8); /* it comes too late */
    expect_there(e, "ac");
    put_ago(e, CACHE, "b", 0, 8);
    expect_there(e, "abc");
    set_limits(e, 0, 1000);
    expect_there(e, "ab");
}

static void kv_limits_an_expired_row_is_new_when_put(struct env *e)
{
    uint64_t deleted = 7;
    const rag_slice keys[] = { T("a") };
    set_limits(e, 0, 1000);
    put_ago(e, CACHE, "a", 5000, 8);
    kv_put(e, CACHE, T("a"), "{}");
    const rag_row *row = row_of(kv_get(e, CACHE, T("a")), 0);
    CHECK(row->found && row->created_at == row->updated_at, "created %lld, updated %lld",
          (long long)row->created_at, (long long)row->updated_at);
    put_ago(e, CACHE, "a", 5000, 8);
    OK(rag_kv_delete_many(e->store, NULL, CACHE, keys, 1, &deleted, NULL, &e->err));
    CHECK(deleted == 0, "%llu deleted that were gone", (unsigned long long)deleted);
}

static void kv_limits_zero_takes_them_away(struct env *e)
{
    expect_limits(e, 0, 0);
    set_limits(e, 600, 1000);
    expect_limits(e, 600, 1000);
    set_limits(e, 0, 0);
    expect_limits(e, 0, 0);
    put_ago(e, CACHE, "a", 5000, 400);
    put_ago(e, CACHE, "b", 5000, 400);
    put_ago(e, CACHE, "c", 5000, 400);
    expect_there(e, "abc");
}

static void kv_limits_other_namespaces_are_untouched(struct env *e)
{
    put_ago(e, "full_docs", "a", 5000, 400);
    put_ago(e, "other_cache", "a", 5000, 400);
    set_limits(e, 100, 10);
    put_ago(e, CACHE, "a", 5000, 400);
    put_ago(e, "full_docs", "b", 5000, 400);
    put_ago(e, "other_cache", "b", 5000, 400);
    CHECK(kv_count(e, "full_docs") == 2 && kv_count(e, "other_cache") == 2 &&
              kv_count(e, CACHE) == 0,
          "%llu, %llu and %llu rows", (unsigned long long)kv_count(e, "full_docs"),
          (unsigned long long)kv_count(e, "other_cache"), (unsigned long long)kv_count(e, CACHE));
}

static void kv_limits_outlast_a_drop(struct env *e)
{
    set_limits(e, 600, 1000);
    put_ago(e, CACHE, "a", 0, 8);
    OK(rag_kv_drop(e->store, NULL, CACHE, &e->err));
    expect_there(e, "");
    expect_limits(e, 600, 1000);
    put_ago(e, CACHE, "b", 5000, 8);
    put_ago(e, CACHE, "c", 0, 8);
    expect_there(e, "c");
}

static void kv_limits_are_kept(struct env *e)
{
    set_limits(e, 600, 1000);
    put_ago(e, CACHE, "a", 0, 8);
    rag_store_close(e->store);
    e->store = open_again(e, NULL);
    expect_limits(e, 600, 1000);
    put_ago(e, CACHE, "b", 5000, 8);
    expect_there(e, "a");
}

static void kv_limits_are_for_caches(struct env *e)
{
    rag_kv_limits limits = RAG_KV_LIMITS_INIT;
    REFUSED(RAG_E_INVALID, rag_kv_set_limits(e->store, NULL, "full_docs", &limits, &e->err));
    expect_message(e, "full_docs");
    REFUSED(RAG_E_INVALID, rag_kv_get_limits(e->store, NULL, "full_docs", &limits, &e->err));
    limits.ttl_s = -1;
    REFUSED(RAG_E_INVALID, rag_kv_set_limits(e->store, NULL, CACHE, &limits, &e->err));
    REFUSED(RAG_E_INVALID, rag_kv_set_limits(e->store, NULL, CACHE, NULL, &e->err));
}

const struct conformance_case kv_limit_cases[] = {
    CASE_NEEDS(kv, limits_size_keeps_the_newest, NEEDS_LIMITS),
    CASE_NEEDS(kv, limits_size_counts_a_batch, NEEDS_LIMITS),
    CASE_NEEDS(kv, limits_time_to_live, NEEDS_LIMITS),
    CASE_NEEDS(kv, limits_an_expired_row_is_new_when_put, NEEDS_LIMITS),
    CASE_NEEDS(kv, limits_zero_takes_them_away, NEEDS_LIMITS),
    CASE_NEEDS(kv, limits_other_namespaces_are_untouched, NEEDS_LIMITS),
    CASE_NEEDS(kv, limits_outlast_a_drop, NEEDS_LIMITS),
    CASE_NEEDS(kv, limits_are_kept, NEEDS_PERSISTENCE | NEEDS_LIMITS),
    CASE(kv, limits_are_for_caches),
    CASES_END,
};
