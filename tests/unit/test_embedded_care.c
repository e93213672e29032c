/* Backup and compact that are cancelled or run into their deadline at each of their steps: the
 * source is unhurt, the target is not there, nothing is left behind, the next try succeeds. Rows
 * past their time go in steps. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "core/result.h"
#include "core/slice.h"
#include "unit/embedded_fixture.h"

enum { VALUES = 40, VALUE_BYTES = 400 * 1024 };

/* Values that do not shrink: two steps of a copy, and some hundred pages each to be moved. */
static void fill(const rag_call *call, int from, int n)
{
    char *value = malloc(VALUE_BYTES + 1);
    assert_non_null(value);
    unsigned state = (unsigned)from + 1;
    for (int i = from; i < from + n; i++) {
        char key[16];
        rag_token token;
        for (size_t j = 0; j < VALUE_BYTES; j++) {
            state = state * 1664525 + 1013904223;
            value[j] = (char)('0' + (state >> 24) % 75);
            if (value[j] == '\\')
                value[j] = 'x';
        }
        value[0] = value[VALUE_BYTES - 1] = '"';
        (void)snprintf(key, sizeof key, "k%02d", i);
        const rag_kv_item item = { .key = rag_text(key), .value = { value, VALUE_BYTES } };
        MUST(embedded_backend.kv->put_many(call, "n", &item, 1, &token, &must));
    }
    free(value);
}

static void forget(const rag_call *call, int from, int n)
{
    for (int i = from; i < from + n; i++) {
        char key[16];
        uint64_t deleted = 0;
        rag_token token;
        (void)snprintf(key, sizeof key, "k%02d", i);
        const rag_slice slice = rag_text(key);
        MUST(embedded_backend.kv->delete_many(call, "n", &slice, 1, &deleted, &token, &must));
        assert_int_equal(deleted, 1);
    }
}

/* Every value can be read and is of its size. */
static void assert_whole(const rag_call *call, uint64_t n)
{
    rag_result *rows = rag_result_new(NULL);
    MUST(embedded_backend.kv->scan(call, "n", rag_text(""), VALUES + 1, rows, &must));
    assert_int_equal(rag_result_count(rows), n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(rag_result_row(rows, i)->value.len, VALUE_BYTES);
    rag_result_free(rows);
}

/* Names in the folder that begin with `prefix`. */
static int entries(const char *folder, const char *prefix)
{
    int n = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir))
        n += strncmp(e->d_name, prefix, strlen(prefix)) == 0;
    if (dir)
        (void)closedir(dir);
    return n;
}

/* ---- stopping ------------------------------------------------------------------------------------ */

struct stop {
    rag_context ctx;
    int cancelled;
    int by_deadline, at, seen; /* stop at progress number `at` */
};

static void on_progress(void *user, const rag_progress *progress)
{
    struct stop *s = user;
    (void)progress;
    if (++s->seen != s->at)
        return;
    if (s->by_deadline)
        s->ctx.deadline_ns = 1;
    else
        rag_cancel(&s->cancelled);
}

static rag_call stoppable(void *self, struct stop *s, int at, int by_deadline)
{
    rag_call call = embedded_call(self, NULL);
    *s = (struct stop){ .at = at, .by_deadline = by_deadline };
    s->ctx = *call.ctx;
    s->ctx.user = s;
    s->ctx.cancel = &s->cancelled;
    s->ctx.progress = on_progress;
    call.ctx = &s->ctx;
    return call;
}

static void backup_stops_at_any_step(void **state)
{
    (void)state;
    void *self = embedded_must_open("source", 0);
    const rag_call call = embedded_call(self, NULL);
    int stopped[2] = { 0, 0 };
    fill(&call, 0, VALUES);
    for (int by_deadline = 0; by_deadline < 2; by_deadline++) {
        for (int at = 1;; at++) {
            struct stop s;
            rag_error err = RAG_ERROR_INIT;
            const rag_call stopping = stoppable(self, &s, at, by_deadline);
            const rag_status status = embedded_backend.backup(&stopping, "copies/copy", &err);
            if (s.seen < at) { /* there are no more steps */
                MUST(status);
                break;
            }
            if (status == RAG_OK) { /* the last step was the end of it */
                assert_int_equal(system("rm -r copies/copy"), 0);
                continue;
            }
            stopped[by_deadline]++;
            assert_int_equal(status, by_deadline ? RAG_E_TIMEOUT : RAG_E_CANCELLED);
            assert_int_equal(err.outcome, RAG_OUTCOME_NOT_APPLIED);
            assert_int_equal(entries("copies", "copy"), 0);
            assert_whole(&call, VALUES);
        }
        assert_int_equal(entries("copies", "copy"), 1);
        void *copy = embedded_must_open("copies/copy", RAG_OPEN_EXISTING);
        const rag_call copied = embedded_call(copy, NULL);
        assert_whole(&copied, VALUES);
        embedded_shut(copy);
        assert_int_equal(system("rm -r copies/copy"), 0);
    }
    assert_true(stopped[0] >= 2);
    assert_int_equal(stopped[0], stopped[1]);
    embedded_shut(self);
}

static void compact_stops_at_any_step(void **state)
{
    (void)state;
    int stopped[2] = { 0, 0 };
    for (int by_deadline = 0; by_deadline < 2; by_deadline++) {
        void *self = embedded_must_open("sparse", 0);
        const rag_call call = embedded_call(self, NULL);
        fill(&call, 0, VALUES);
        forget(&call, 0, VALUES / 2);
        for (int at = 1;; at = 2) { /* one step further each time */
            struct stop s;
            rag_error err = RAG_ERROR_INIT;
            uint64_t freed = 77;
            const rag_call stopping = stoppable(self, &s, at, by_deadline);
            const rag_status status = embedded_backend.compact(&stopping, &freed, &err);
            assert_whole(&call, VALUES / 2);
            if (status == RAG_OK)
                break;
            stopped[by_deadline]++;
            assert_int_equal(freed, 77);
            assert_int_equal(status, by_deadline ? RAG_E_TIMEOUT : RAG_E_CANCELLED);
            /* what was done stays done, and the handle is as good as before */
            embedded_must_put(&call, "more", "x");
            const rag_slice more = rag_text("more");
            uint64_t deleted = 0;
            rag_token token;
            MUST(embedded_backend.kv->delete_many(&call, "n", &more, 1, &deleted, &token, &must));
        }
        struct stat st;
        assert_int_equal(stat("sparse/ragstore.db", &st), 0);
        assert_true(st.st_size < (VALUES / 2 + 1) * VALUE_BYTES);
        embedded_shut(self);
        assert_int_equal(system("rm -r sparse"), 0);
    }
    assert_true(stopped[0] >= 3);
    assert_int_equal(stopped[0], stopped[1]);
}

/* ---- rows past their time ------------------------------------------------------------------------ */

enum { EXPIRED = 5000, STEP_ROWS_MOST = 1024 };

static long long stored_rows(const rag_call *call, const char *name)
{
    rag_result *spaces = rag_result_new(NULL);
    long long rows = 0;
    MUST(embedded_backend.namespaces(call, spaces, &must));
    for (size_t i = 0; i < rag_result_count(spaces); i++)
        if (slice_equal(rag_result_row(spaces, i)->key2, rag_text(name)))
            rows = rag_result_row(spaces, i)->number;
    rag_result_free(spaces);
    return rows;
}

static void put_expired(const rag_call *call, const char *name)
{
    static char keys[EXPIRED][16];
    static rag_kv_item items[EXPIRED];
    rag_token token;
    for (int i = 0; i < EXPIRED; i++) {
        (void)snprintf(keys[i], sizeof keys[i], "old%d", i);
        items[i] = (rag_kv_item){ rag_text(keys[i]), rag_text("{}"), 1000, 1000 + i };
    }
    MUST(embedded_backend.kv->put_many(call, name, items, EXPIRED, &token, &must));
    const rag_kv_limits limits = { .struct_size = sizeof limits, .ttl_s = 3600 };
    MUST(embedded_backend.kv->set_limits(call, name, &limits, &must));
}

/* Each step is a commit of its own: what was removed before a stop stays removed. */
static void expired_rows_go_in_steps(void **state)
{
    (void)state;
    void *self = embedded_must_open("expired", 0);
    const rag_call call = embedded_call(self, NULL);
    put_expired(&call, "a_cache");
    put_expired(&call, "b_cache");
    const long long before = stored_rows(&call, "a_cache") + stored_rows(&call, "b_cache");
    assert_true(before >= (long long)2 * (EXPIRED - STEP_ROWS_MOST));
    long long left = before;
    for (int i = 0; i < 4; i++) {
        struct stop s;
        rag_error err = RAG_ERROR_INIT;
        const rag_call stopping = stoppable(self, &s, 1, i % 2);
        assert_int_equal(embedded_backend.compact(&stopping, NULL, &err),
                         i % 2 ? RAG_E_TIMEOUT : RAG_E_CANCELLED);
        const long long now = stored_rows(&call, "a_cache") + stored_rows(&call, "b_cache");
        assert_true(now < left && left - now <= STEP_ROWS_MOST);
        left = now;
    }
    assert_true(left > 2 * STEP_ROWS_MOST);
    MUST(embedded_backend.compact(&call, NULL, &must));
    assert_int_equal(stored_rows(&call, "a_cache") + stored_rows(&call, "b_cache"), 0);
    uint64_t count = 77;
    MUST(embedded_backend.kv->count(&call, "a_cache", &count, &must));
    assert_int_equal(count, 0);
    embedded_shut(self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(backup_stops_at_any_step),
        cmocka_unit_test(compact_stops_at_any_step),
        cmocka_unit_test(expired_rows_go_in_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
