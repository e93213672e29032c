/* The database under the embedded backend: opening and refusing, transactions, flush, builds, and
 * several handles in one process. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/buffer.h"
#include "core/limits.h"
#include "core/result.h"
#include "unit/embedded_fixture.h"

/* ---- helpers ------------------------------------------------------------------------------------ */

static void write_file(const char *path, const void *data, size_t len)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

static int exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

static rag_status open_status(const char *directory, unsigned flags, rag_error *err)
{
    void *self = NULL;
    const rag_status status = embedded_try_open(directory, flags, NULL, &self, err);
    if (status == RAG_OK)
        embedded_shut(self);
    else
        assert_null(self);
    return status;
}

static void describe(const rag_call *call, char *out, size_t size)
{
    rag_result *result = rag_result_new(NULL);
    MUST(embedded_backend.describe(call, result, &must));
    (void)snprintf(out, size, "%.*s", (int)rag_result_row(result, 0)->value.len,
                   (const char *)rag_result_row(result, 0)->value.data);
    rag_result_free(result);
}

static long long fact(const rag_call *call, const char *name)
{
    char json[4096], wanted[64];
    describe(call, json, sizeof json);
    (void)snprintf(wanted, sizeof wanted, "\"%s\":", name);
    const char *at = strstr(json, wanted);
    assert_non_null(at);
    return strtoll(at + strlen(wanted), NULL, 10);
}

/* ---- opening -------------------------------------------------------------------------------------- */

static void creates_and_opens_again(void **state)
{
    (void)state;
    void *self = embedded_must_open("new/deep", 0);
    rag_call call = embedded_call(self, NULL);
    embedded_must_put(&call, "a", "1");
    embedded_shut(self);
    struct stat st;
    assert_int_equal(stat("new/deep/ragstore.db", &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat("new/deep/ragstore.lock", &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat("new/deep/ragstore.db-wal", &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat("new/deep", &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    self = embedded_must_open("new/deep", RAG_OPEN_EXISTING);
    call = embedded_call(self, NULL);
    assert_int_equal(embedded_has(&call, "a", "1"), 1);
    assert_int_equal(embedded_count(&call), 1);
    embedded_shut(self);
}

static void missing_is_not_found(void **state)
{
    (void)state;
    rag_error err = RAG_ERROR_INIT;
    assert_int_equal(open_status("nowhere", RAG_OPEN_EXISTING, &err), RAG_E_NOT_FOUND);
    assert_non_null(strstr(err.message, "nowhere"));
    assert_int_equal(open_status("nowhere", RAG_OPEN_READ_ONLY, &err), RAG_E_NOT_FOUND);
    assert_false(exists("nowhere"));
}

static void empty_file_becomes_a_store(void **state)
{
    (void)state;
    assert_int_equal(mkdir("touched", 0700), 0);
    write_file("touched/ragstore.db", "", 0);
    rag_error err = RAG_ERROR_INIT;
    assert_int_equal(open_status("touched", RAG_OPEN_EXISTING, &err), RAG_E_NOT_FOUND);
    assert_int_equal(open_status("touched", 0, &err), RAG_OK);
}

static void garbage_is_corrupt(void **state)
{
    (void)state;
    char bytes[5000];
    memset(bytes, 'x', sizeof bytes);
    rag_error err = RAG_ERROR_INIT;
    assert_int_equal(mkdir("garbage", 0700), 0);
    write_file("garbage/ragstore.db", bytes, sizeof bytes);
    assert_int_equal(open_status("garbage", 0, &err), RAG_E_CORRUPT);
    assert_non_null(strstr(err.message, "garbage/ragstore.db"));
    write_file("garbage/ragstore.db", "SQLite format 3", 16);
    assert_int_equal(open_status("garbage", 0, &err), RAG_E_CORRUPT);
    assert_false(exists("garbage/ragstore.db-wal"));
}

/* Change 4 bytes of the header of a store that has been closed and copied. */
static void patch_header(const char *path, long at, const char bytes[4])
{
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, at, SEEK_SET), 0);
    assert_int_equal(fwrite(bytes, 1, 4, f), 4);
    assert_int_equal(fclose(f), 0);
}

static void foreign_and_newer_are_refused(void **state)
{
    (void)state;
    rag_error err = RAG_ERROR_INIT;
    embedded_shut(embedded_must_open("newer", 0));
    patch_header("newer/ragstore.db", 60, "\0\0\0\7");
    assert_int_equal(open_status("newer", 0, &err), RAG_E_VERSION);
    assert_non_null(strstr(err.message, "format version 7"));
    assert_non_null(strstr(err.message, "up to version 3"));
    assert_int_equal(open_status("newer", RAG_OPEN_READ_ONLY, &err), RAG_E_VERSION);
    embedded_shut(embedded_must_open("foreign", 0));
    patch_header("foreign/ragstore.db", 68, "\0\0\0\0");
    assert_int_equal(open_status("foreign", 0, &err), RAG_E_INVALID);
    assert_non_null(strstr(err.message, "another program"));
}

static void odd_paths_are_refused(void **state)
{
    (void)state;
    rag_error err = RAG_ERROR_INIT;
    write_file("plain", "x", 1);
    assert_int_equal(open_status("plain", 0, &err), RAG_E_INVALID);
    assert_int_equal(open_status("plain", RAG_OPEN_EXISTING, &err), RAG_E_NOT_FOUND);
    assert_int_equal(mkdir("odd", 0700), 0);
    assert_int_equal(mkdir("odd/ragstore.db", 0700), 0);
    assert_int_equal(open_status("odd", 0, &err), RAG_E_INVALID);
}

static void page_size_is_an_option(void **state)
{
    (void)state;
    void *self = NULL;
    rag_error err = RAG_ERROR_INIT;
    MUST(embedded_try_open("pages", 0, "16384", &self, &must));
    rag_call call = embedded_call(self, NULL);
    assert_int_equal(fact(&call, "page_size"), 16384);
    embedded_must_put(&call, "a", "1");
    embedded_shut(self);
    assert_int_equal(embedded_try_open("wrong", 0, "5000", &self, &err), RAG_E_INVALID);
    assert_int_equal(embedded_try_open("wrong", 0, "1024", &self, &err), RAG_E_INVALID);
    assert_int_equal(embedded_try_open("wrong", 0, "4096x", &self, &err), RAG_E_INVALID);
    assert_false(exists("wrong"));
}

static void read_only_reads(void **state)
{
    (void)state;
    void *writer = embedded_must_open("ro", 0);
    rag_call write = embedded_call(writer, NULL);
    embedded_must_put(&write, "a", "1");
    void *reader = embedded_must_open("ro", RAG_OPEN_READ_ONLY);
    rag_call read = embedded_call(reader, NULL);
    assert_int_equal(embedded_has(&read, "a", "1"), 1);
    rag_error err = RAG_ERROR_INIT;
    assert_int_equal(embedded_put(&read, "b", "1", NULL, &err), RAG_E_DENIED);
    embedded_must_put(&write, "b", "2");
    assert_int_equal(embedded_has(&read, "b", "2"), 1);
    embedded_shut(writer);
    assert_int_equal(embedded_has(&read, "b", "2"), 1);
    embedded_shut(reader);
}

/* ---- values and counters -------------------------------------------------------------------------- */

static void tokens_and_counters(void **state)
{
    (void)state;
    void *self = embedded_must_open("counters", 0);
    rag_call call = embedded_call(self, NULL);
    rag_token first = 0, second = 0, third = 0;
    MUST(embedded_put(&call, "key", "1", &first, &must));
    MUST(embedded_put(&call, "key", "22", &second, &must));
    assert_true(first > 0 && second == first + 1);
    rag_result *result = rag_result_new(NULL);
    MUST(embedded_backend.namespaces(&call, result, &must));
    assert_int_equal(rag_result_count(result), 1);
    char expected[128];
    (void)snprintf(expected, sizeof expected, "{\"rows\":1,\"bytes\":%d,\"generation\":%d}",
                   (int)(3 + 1 + strlen("{\"v\":\"22\"}")), (int)second);
    assert_string_equal((const char *)rag_result_row(result, 0)->value.data, expected);
    rag_result_free(result);

    const rag_slice keys[] = { rag_text("absent"), rag_text("key"), rag_text("key") };
    uint64_t deleted = 9;
    MUST(embedded_backend.kv->delete_many(&call, "n", keys, 1, &deleted, &third, &must));
    assert_int_equal(deleted, 0);
    assert_int_equal(third, second); /* nothing changed: nothing was committed */
    MUST(embedded_backend.kv->delete_many(&call, "n", keys, 3, &deleted, &third, &must));
    assert_int_equal(deleted, 1);
    assert_int_equal(third, second + 1);
    assert_int_equal(embedded_count(&call), 0);
    embedded_shut(self);
}

static rag_row get_row(const rag_call *call, const char *key)
{
    const rag_slice asked = rag_text(key);
    rag_result *result = rag_result_new(NULL);
    MUST(embedded_backend.kv->get_many(call, "n", &asked, 1, result, &must));
    const rag_row row = *rag_result_row(result, 0);
    rag_result_free(result);
    return row; /* its numbers only */
}

static void put_with_times(const rag_call *call, int64_t created_at, int64_t updated_at)
{
    rag_token token;
    const rag_kv_item item = { rag_text("t"), rag_text("{}"), created_at, updated_at };
    MUST(embedded_backend.kv->put_many(call, "n", &item, 1, &token, &must));
}

static void times_are_kept(void **state)
{
    (void)state;
    void *self = embedded_must_open("times", 0);
    rag_call call = embedded_call(self, NULL);
    put_with_times(&call, 100, 200);
    assert_int_equal(get_row(&call, "t").created_at, 100);
    assert_int_equal(get_row(&call, "t").updated_at, 200);
    put_with_times(&call, 0, 0);
    assert_int_equal(get_row(&call, "t").created_at, 100);
    assert_true(get_row(&call, "t").updated_at > 1000000000);
    put_with_times(&call, RAG_TIME_UNKNOWN, RAG_TIME_UNKNOWN);
    assert_int_equal(get_row(&call, "t").created_at, 0);
    assert_int_equal(get_row(&call, "t").updated_at, 0);
    embedded_shut(self);
}

static void scan_and_missing(void **state)
{
    (void)state;
    void *self = embedded_must_open("scan", 0);
    rag_call call = embedded_call(self, NULL);
    char key[16];
    for (int i = 0; i < 25; i++) {
        (void)snprintf(key, sizeof key, "k%02d", i);
        embedded_must_put(&call, key, key);
    }
    size_t seen = 0;
    char after[16] = "";
    for (;;) {
        rag_result *page = rag_result_new(NULL);
        MUST(embedded_backend.kv->scan(&call, "n", rag_text(after), 10, page, &must));
        for (size_t i = 0; i < rag_result_count(page); i++, seen++) {
            (void)snprintf(key, sizeof key, "k%02d", (int)seen);
            assert_memory_equal(rag_result_row(page, i)->key.data, key, 3);
        }
        const rag_slice next = rag_result_next(page);
        (void)snprintf(after, sizeof after, "%.*s", (int)next.len,
                       next.len ? (const char *)next.data : "");
        rag_result_free(page);
        if (!*after)
            break;
    }
    assert_int_equal(seen, 25);
    const rag_slice keys[] = { rag_text("x"), rag_text("k03"), rag_text("a"), rag_text("x") };
    rag_result *missing = rag_result_new(NULL);
    MUST(embedded_backend.kv->filter_missing(&call, "n", keys, 4, missing, &must));
    assert_int_equal(rag_result_count(missing), 2);
    assert_memory_equal(rag_result_row(missing, 0)->key.data, "x", 1);
    assert_memory_equal(rag_result_row(missing, 1)->key.data, "a", 1);
    rag_result_free(missing);
    MUST(embedded_backend.kv->drop(&call, "n", &must));
    assert_int_equal(embedded_count(&call), 0);
    assert_int_equal(fact(&call, "token"), fact(&call, "durable_token"));
    embedded_shut(self);
}

/* ---- transactions ------------------------------------------------------------------------------------ */

static void transaction_is_all_or_nothing(void **state)
{
    (void)state;
    void *self = embedded_must_open("txn", 0);
    rag_call outside = embedded_call(self, NULL);
    void *txn = NULL;
    MUST(embedded_backend.begin(&outside, &txn, &must));
    rag_call inside = embedded_call(self, txn);
    embedded_must_put(&inside, "a", "1");
    assert_int_equal(embedded_has(&inside, "a", "1"), 1);
    assert_int_equal(embedded_count(&inside), 1);
    assert_int_equal(embedded_has(&outside, "a", "1"), 0);
    rag_token token = 0;
    MUST(embedded_backend.commit(&inside, &token, &must));
    assert_true(token > 0);
    assert_int_equal(embedded_has(&outside, "a", "1"), 1);

    MUST(embedded_backend.begin(&outside, &txn, &must));
    inside = embedded_call(self, txn);
    embedded_must_put(&inside, "b", "1");
    embedded_backend.abort(&inside);
    assert_int_equal(embedded_has(&outside, "b", "1"), 0);
    assert_int_equal(embedded_count(&outside), 1);
    embedded_must_put(&outside, "c", "1"); /* the turn was given back */
    embedded_shut(self);
}

static void failed_slot_undoes_itself_only(void **state)
{
    (void)state;
    void *self = embedded_must_open("slot", 0);
    rag_call outside = embedded_call(self, NULL);
    void *txn = NULL;
    MUST(embedded_backend.begin(&outside, &txn, &must));
    rag_call inside = embedded_call(self, txn);
    embedded_must_put(&inside, "a", "1");
    const int cancel = 1;
    rag_context cancelled = RAG_CONTEXT_INIT;
    cancelled.cancel = &cancel;
    rag_call doomed = inside;
    doomed.ctx = &cancelled;
    rag_error err = RAG_ERROR_INIT;
    assert_int_equal(embedded_put(&doomed, "b", "1", NULL, &err), RAG_E_CANCELLED);
    embedded_must_put(&inside, "c", "1");
    rag_token token;
    MUST(embedded_backend.commit(&inside, &token, &must));
    assert_int_equal(embedded_has(&outside, "a", "1"), 1);
    assert_int_equal(embedded_has(&outside, "b", "1"), 0);
    assert_int_equal(embedded_has(&outside, "c", "1"), 1);
    assert_int_equal(embedded_count(&outside), 2);
    embedded_shut(self);
}

static void waiting_ends_with_the_deadline(void **state)
{
    (void)state;
    void *self = embedded_must_open("deadline", 0), *other = embedded_must_open("deadline", 0);
    rag_call outside = embedded_call(self, NULL), second = embedded_call(other, NULL);
    void *txn = NULL;
    MUST(embedded_backend.begin(&outside, &txn, &must));
    rag_context soon = RAG_CONTEXT_INIT;
    soon.deadline_ns = rag_deadline_in_ms(30);
    outside.ctx = second.ctx = &soon;
    rag_error err = RAG_ERROR_INIT;
    assert_int_equal(embedded_put(&outside, "a", "1", NULL, &err), RAG_E_TIMEOUT);
    assert_non_null(strstr(err.message, "another writer of this process"));
    assert_int_equal(err.retryable, 1);
    assert_int_equal(embedded_put(&second, "a", "1", NULL, &err), RAG_E_TIMEOUT);
    rag_call inside = embedded_call(self, txn);
    embedded_backend.abort(&inside);
    rag_call after = embedded_call(other, NULL);
    embedded_must_put(&after, "a", "1");
    embedded_shut(other);
    embedded_shut(self);
}

static void long_statements_end_with_the_deadline(void **state)
{
    (void)state;
    void *self = embedded_must_open("interrupt", 0);
    rag_call call = embedded_call(self, NULL);
    void *txn = NULL;
    MUST(embedded_backend.begin(&call, &txn, &must));
    rag_call inside = embedded_call(self, txn);
    char key[16];
    for (int i = 0; i < 20000; i++) {
        (void)snprintf(key, sizeof key, "%d", i);
        embedded_must_put(&inside, key, "x");
    }
    rag_token token;
    MUST(embedded_backend.commit(&inside, &token, &must));
    rag_context past = RAG_CONTEXT_INIT;
    past.deadline_ns = 1;
    call.ctx = &past;
    rag_error err = RAG_ERROR_INIT;
    assert_int_equal(embedded_backend.kv->drop(&call, "n", &err), RAG_E_TIMEOUT);
    assert_int_equal(err.outcome, RAG_OUTCOME_NOT_APPLIED);
    call = embedded_call(self, NULL);
    assert_int_equal(embedded_count(&call), 20000);
    embedded_must_put(&call, "still", "works");
    embedded_shut(self);
}

/* ---- flush ----------------------------------------------------------------------------------------------- */

static void flush_covers_tokens(void **state)
{
    (void)state;
    void *self = embedded_must_open("flush", 0);
    rag_call call = embedded_call(self, NULL);
    embedded_must_put(&call, "a", "1");
    const long long token = fact(&call, "token");
    assert_true(fact(&call, "durable_token") < token);
    MUST(embedded_backend.flush(&call, 0, &must));
    assert_int_equal(fact(&call, "durable_token"), token);
    embedded_must_put(&call, "b", "1");
    MUST(embedded_backend.flush(&call, (rag_token)token, &must)); /* covered already */
    assert_int_equal(fact(&call, "durable_token"), token);
    MUST(embedded_backend.flush(&call, (rag_token)token + 1, &must));
    assert_int_equal(fact(&call, "durable_token"), token + 1);
    assert_int_equal(fact(&call, "token"), token + 1);
    embedded_shut(self);
}

static void durable_writes_are_durable(void **state)
{
    (void)state;
    void *self = embedded_must_open("docs", 0);
    rag_call call = embedded_call(self, NULL);
    const rag_doc_fields doc = { .id = rag_text("d"),
                                 .value = rag_text("{\"status\":\"pending\"}"),
                                 .status = rag_text("pending") };
    rag_token token = 0;
    embedded_must_put(&call, "a", "1");
    MUST(embedded_backend.docstatus->put_many(&call, &doc, 1, &token, &must));
    assert_int_equal(fact(&call, "durable_token"), token);
    void *txn = NULL;
    MUST(embedded_backend.begin(&call, &txn, &must));
    rag_call inside = embedded_call(self, txn);
    MUST(embedded_backend.docstatus->put_many(&inside, &doc, 1, &token, &must));
    embedded_must_put(&inside, "b", "1");
    MUST(embedded_backend.commit(&inside, &token, &must));
    assert_int_equal(fact(&call, "durable_token"), token);
    embedded_shut(self);
}

/* ---- builds ------------------------------------------------------------------------------------------------- */

static void build_appears_at_publish(void **state)
{
    (void)state;
    void *self = embedded_must_open("built", RAG_OPEN_BUILD);
    rag_call call = embedded_call(self, NULL);
    embedded_must_put(&call, "a", "1");
    assert_int_equal(embedded_has(&call, "a", "1"), 1);
    assert_false(exists("built/ragstore.db"));
    MUST(embedded_backend.publish(&call, &must));
    assert_true(exists("built/ragstore.db"));
    assert_int_equal(embedded_has(&call, "a", "1"), 1);
    embedded_must_put(&call, "b", "2");
    void *other = embedded_must_open("built", RAG_OPEN_EXISTING);
    rag_call second = embedded_call(other, NULL);
    assert_int_equal(embedded_has(&second, "b", "2"), 1);
    embedded_must_put(&second, "c", "3");
    assert_int_equal(embedded_has(&call, "c", "3"), 1);
    embedded_shut(other);
    embedded_shut(self);
    assert_int_equal(system("test $(ls built | grep -c build-) = 0"), 0);
}

static void build_is_gone_without_publish(void **state)
{
    (void)state;
    void *self = embedded_must_open("unbuilt", RAG_OPEN_BUILD);
    rag_call call = embedded_call(self, NULL);
    embedded_must_put(&call, "a", "1");
    embedded_shut(self);
    assert_int_equal(system("test -z \"$(ls unbuilt)\""), 0);
}

static void build_refuses_and_replaces(void **state)
{
    (void)state;
    rag_error err = RAG_ERROR_INIT;
    void *old = embedded_must_open("replaced", 0);
    rag_call call = embedded_call(old, NULL);
    embedded_must_put(&call, "old", "1");
    assert_int_equal(open_status("replaced", RAG_OPEN_BUILD, &err), RAG_E_CONFLICT);
    void *self = embedded_must_open("replaced", RAG_OPEN_BUILD | RAG_OPEN_REPLACE);
    rag_call build = embedded_call(self, NULL);
    embedded_must_put(&build, "new", "1");
    assert_int_equal(embedded_backend.publish(&build, &err), RAG_E_CONFLICT); /* `old` is open */
    assert_non_null(strstr(err.message, "open elsewhere"));
    embedded_shut(self);
    assert_int_equal(embedded_has(&call, "old", "1"), 1);
    embedded_must_put(&call, "old2", "1");
    embedded_shut(old);

    self = embedded_must_open("replaced", RAG_OPEN_BUILD | RAG_OPEN_REPLACE);
    build = embedded_call(self, NULL);
    embedded_must_put(&build, "new", "1");
    MUST(embedded_backend.publish(&build, &must));
    assert_int_equal(embedded_has(&build, "new", "1"), 1);
    assert_int_equal(embedded_has(&build, "old", "1"), 0);
    embedded_shut(self);
    self = embedded_must_open("replaced", 0);
    call = embedded_call(self, NULL);
    assert_int_equal(embedded_has(&call, "new", "1"), 1);
    assert_int_equal(embedded_has(&call, "old2", "1"), 0);
    embedded_shut(self);
}

/* Somebody made a store there while ours was built. */
static void build_loses_a_race(void **state)
{
    (void)state;
    rag_error err = RAG_ERROR_INIT;
    void *self = embedded_must_open("race", RAG_OPEN_BUILD);
    rag_call build = embedded_call(self, NULL);
    embedded_must_put(&build, "mine", "1");
    void *other = embedded_must_open("race", 0);
    rag_call call = embedded_call(other, NULL);
    embedded_must_put(&call, "theirs", "1");
    assert_int_equal(embedded_backend.publish(&build, &err), RAG_E_CONFLICT);
    embedded_shut(self);
    assert_int_equal(embedded_has(&call, "theirs", "1"), 1);
    assert_int_equal(embedded_has(&call, "mine", "1"), 0);
    embedded_shut(other);
}

static void failed_change_spoils_a_build(void **state)
{
    (void)state;
    void *self = embedded_must_open("spoiled", RAG_OPEN_BUILD);
    rag_call call = embedded_call(self, NULL);
    embedded_must_put(&call, "a", "1");
    enum { N = 600 };
    static char names[N][16];
    rag_kv_item items[N];
    for (int i = 0; i < N; i++) {
        (void)snprintf(names[i], sizeof names[i], "%d", i);
        items[i] = (rag_kv_item){ rag_text(names[i]), rag_text("{}"), 0, 0 };
    }
    const size_t len = LIMIT_VALUE_BYTES + 1; /* refused for its length; never touched */
    void *large = mmap(NULL, len, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(large != MAP_FAILED);
    items[300].value = (rag_slice){ large, len };
    rag_error err = RAG_ERROR_INIT;
    rag_token token;
    assert_int_equal(embedded_backend.kv->put_many(&call, "n", items, N, &token, &err),
                     RAG_E_INVALID);
    assert_int_equal(munmap(large, len), 0);
    assert_int_equal(embedded_put(&call, "b", "1", NULL, &err), RAG_E_TRANSACTION);
    assert_non_null(strstr(err.message, "spoiled"));
    assert_int_equal(embedded_backend.publish(&call, &err), RAG_E_TRANSACTION);
    embedded_shut(self);
    assert_false(exists("spoiled/ragstore.db"));
}

/* ---- the files change under us ------------------------------------------------------------------------------- */

static void removed_log_is_noticed(void **state)
{
    (void)state;
    void *self = embedded_must_open("nolog", 0);
    rag_call call = embedded_call(self, NULL);
    embedded_must_put(&call, "a", "1");
    assert_int_equal(rename("nolog/ragstore.db-wal", "nolog/away"), 0);
    rag_error err = RAG_ERROR_INIT;
    assert_int_equal(embedded_put(&call, "b", "1", NULL, &err), RAG_E_CORRUPT);
    assert_non_null(strstr(err.message, "write-ahead log was removed or replaced"));
    assert_int_equal(rename("nolog/away", "nolog/ragstore.db-wal"), 0);
    assert_int_equal(embedded_put(&call, "b", "1", NULL, &err), RAG_E_CORRUPT); /* until reopened */
    embedded_shut(self);
    self = embedded_must_open("nolog", 0);
    call = embedded_call(self, NULL);
    assert_int_equal(embedded_has(&call, "a", "1"), 1);
    assert_int_equal(embedded_has(&call, "b", "1"), 0);
    embedded_must_put(&call, "b", "1");
    embedded_shut(self);
}

static void replaced_file_is_noticed(void **state)
{
    (void)state;
    void *self = embedded_must_open("moved", 0);
    rag_call call = embedded_call(self, NULL);
    embedded_must_put(&call, "a", "1");
    assert_int_equal(system("cp moved/ragstore.db moved/copy && mv moved/copy moved/ragstore.db"),
                     0);
    rag_error err = RAG_ERROR_INIT;
    assert_int_equal(embedded_put(&call, "b", "1", NULL, &err), RAG_E_CORRUPT);
    assert_non_null(strstr(err.message, "removed or replaced"));
    embedded_shut(self);
}

/* Reads that need another connection do not answer from the file that took the place of ours. */
static void new_readers_notice_it_too(void **state)
{
    (void)state;
    void *self = embedded_must_open("moved2", RAG_OPEN_BUILD);
    rag_call call = embedded_call(self, NULL);
    embedded_must_put(&call, "a", "1");
    MUST(embedded_backend.publish(&call, &must)); /* no reader is open yet */
    assert_int_equal(
        system("cp moved2/ragstore.db moved2/copy && mv moved2/copy moved2/ragstore.db"), 0);
    rag_error err = RAG_ERROR_INIT;
    uint64_t count = 0;
    assert_int_equal(embedded_backend.kv->count(&call, "n", &count, &err), RAG_E_CORRUPT);
    assert_non_null(strstr(err.message, "replaced while it was open"));
    embedded_shut(self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(creates_and_opens_again),
        cmocka_unit_test(missing_is_not_found),
        cmocka_unit_test(empty_file_becomes_a_store),
        cmocka_unit_test(garbage_is_corrupt),
        cmocka_unit_test(foreign_and_newer_are_refused),
        cmocka_unit_test(odd_paths_are_refused),
        cmocka_unit_test(page_size_is_an_option),
        cmocka_unit_test(read_only_reads),
        cmocka_unit_test(tokens_and_counters),
        cmocka_unit_test(times_are_kept),
        cmocka_unit_test(scan_and_missing),
        cmocka_unit_test(transaction_is_all_or_nothing),
        cmocka_unit_test(failed_slot_undoes_itself_only),
        cmocka_unit_test(waiting_ends_with_the_deadline),
        cmocka_unit_test(long_statements_end_with_the_deadline),
        cmocka_unit_test(flush_covers_tokens),
        cmocka_unit_test(durable_writes_are_durable),
        cmocka_unit_test(build_appears_at_publish),
        cmocka_unit_test(build_is_gone_without_publish),
        cmocka_unit_test(build_refuses_and_replaces),
        cmocka_unit_test(build_loses_a_race),
        cmocka_unit_test(failed_change_spoils_a_build),
        cmocka_unit_test(removed_log_is_noticed),
        cmocka_unit_test(replaced_file_is_noticed),
        cmocka_unit_test(new_readers_notice_it_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
