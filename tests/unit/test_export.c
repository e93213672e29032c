/* rag_export_lightrag() and rag_store_content_hash() through the API: the memory backend and an embedded
 * store agree, a failing sync, rename or allocation leaves no temporary file, cancel, refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <ragstore/ragstore.h>
#include <sys/stat.h>

#include "core/alloc.h"
#include "core/floats.h"
#include "core/os.h"
#include "store_support.h"
#include "vindex/vindex.h"

#define MINI RAG_TEST_DATA "/mini"

static int clean(void **state)
{
    (void)state;
    return system("rm -rf d s"); /* in a folder of the test's own */
}

static rag_store *imported(const char *url)
{
    rag_error err = RAG_ERROR_INIT;
    rag_store *store = open_store(url);
    OK(rag_import_lightrag(store, NULL, MINI, NULL, NULL, &err));
    return store;
}

/* Files in d; those with ".tmp." in their name are counted apart. */
static size_t files_in_d(size_t *temporary)
{
    size_t count = 0;
    DIR *folder = opendir("d");
    *temporary = 0;
    for (struct dirent *e = folder ? readdir(folder) : NULL; e; e = readdir(folder)) {
        count += e->d_name[0] != '.';
        *temporary += strstr(e->d_name, ".tmp.") != NULL;
    }
    if (folder)
        (void)closedir(folder);
    return count;
}

static void backends_agree_on_the_content_hash(void **state)
{
    (void)state;
    rag_error err = RAG_ERROR_INIT;
    rag_store *memory = imported("memory:"), *embedded = imported("./s");
    rag_result *a = NULL, *b = NULL;
    OK(rag_store_content_hash(memory, NULL, &a, &err));
    OK(rag_store_content_hash(embedded, NULL, &b, &err));
    assert_int_equal(rag_result_count(a), rag_result_count(b));
    assert_true(rag_result_count(a) > 10);
    for (size_t i = 0; i < rag_result_count(a); i++) {
        assert_string_equal(key_of(a, i), key_of(b, i));
        assert_string_equal(value_of(a, i), value_of(b, i));
    }
    rag_result_free(a);
    rag_result_free(b);
    rag_store_close(memory);
    rag_store_close(embedded);
}

/* ---- failures ---------------------------------------------------------------------------------------- */

static int calls_left;

static int failing_fsync(int fd)
{
    (void)fd;
    errno = EIO;
    return --calls_left == 0 ? -1 : 0;
}

static int failing_rename(const char *from, const char *to)
{
    errno = EIO;
    return --calls_left == 0 ? -1 : rename(from, to);
}

static void a_failing_sync_or_rename_leaves_whole_files_only(void **state)
{
    (void)state;
    rag_error err = RAG_ERROR_INIT;
    rag_store *store = imported("memory:");
    const struct os_calls before = os_calls;
    for (int n = 1; n <= 12; n++) {
        for (int which = 0; which < 2; which++) {
            size_t temporary;
            assert_int_equal(clean(NULL), 0);
            assert_int_equal(mkdir("d", 0700), 0); /* a new one would be synced into its parent */
            calls_left = n;
            if (which)
                os_calls.rename = failing_rename;
            else
                os_calls.fsync = failing_fsync;
            FAILS(RAG_E_IO, "d/", rag_export_lightrag(store, NULL, "d", NULL, NULL, &err));
            os_calls = before;
            assert_int_equal(files_in_d(&temporary), n - 1);
            assert_int_equal(temporary, 0);
        }
    }
    rag_store_close(store);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    rag_error err = RAG_ERROR_INIT;
    rag_store *store = imported("memory:");
    int failed = 0;
    for (long n = 1;; n += n < 40 ? 1 : n / 3) {
        size_t temporary;
        rag_result *report = NULL;
        assert_int_equal(clean(NULL), 0);
        rag_alloc_fail_at(n, 0);
        const rag_status status = rag_export_lightrag(store, NULL, "d", NULL, &report, &err);
        const int reached = rag_alloc_fail_left() == 0;
        rag_alloc_fail_at(0, 0);
        (void)files_in_d(&temporary);
        assert_int_equal(temporary, 0);
        assert_true(status == RAG_OK || status == RAG_E_NO_MEMORY);
        assert_true(status == RAG_OK || !report);
        rag_result_free(report);
        failed += status != RAG_OK;
        if (!reached)
            break;
    }
    assert_true(failed > 40);
    rag_store_close(store);
}

static void stop(void *user, const rag_progress *progress)
{
    if (progress->items_done > 100)
        rag_cancel(user);
}

static void cancel_leaves_no_temporary_file(void **state)
{
    (void)state;
    int flag = 0;
    size_t temporary;
    rag_error err = RAG_ERROR_INIT;
    rag_context ctx = RAG_CONTEXT_INIT;
    rag_store *store = imported("memory:");
    ctx.cancel = &flag;
    ctx.progress = stop;
    ctx.user = &flag;
    assert_int_equal(rag_export_lightrag(store, &ctx, "d", NULL, NULL, &err), RAG_E_CANCELLED);
    assert_in_range(files_in_d(&temporary), 1, 11);
    assert_int_equal(temporary, 0);
    rag_store_close(store);
}

/* ---- refusals ---------------------------------------------------------------------------------------- */

static void what_has_no_place_in_the_files_is_refused(void **state)
{
    (void)state;
    rag_error err = RAG_ERROR_INIT;
    rag_store *store = open_store("memory:");
    const rag_node node = { slice("a\x01z", 3), rag_text("{}") };
    OK(rag_graph_put_nodes(store, NULL, &node, 1, RAG_PUT_MERGE, NULL, &err));
    FAILS(RAG_E_INVALID, "character in its label that XML does not have",
          rag_export_lightrag(store, NULL, "d", NULL, NULL, &err));
    OK(rag_graph_drop(store, NULL, &err));
    rag_kv_item item = { slice("\xff", 1), rag_text("{}"), 0, 0 };
    OK(rag_kv_put_many(store, NULL, "odd", &item, 1, NULL, &err));
    FAILS(RAG_E_INVALID, "is not UTF-8", rag_export_lightrag(store, NULL, "d", NULL, NULL, &err));
    OK(rag_kv_drop(store, NULL, "odd", &err));
    item.key = rag_text("k");
    char name[241];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    OK(rag_kv_put_many(store, NULL, name, &item, 1, NULL, &err));
    FAILS(RAG_E_INVALID, "too long for a file",
          rag_export_lightrag(store, NULL, "d", NULL, NULL, &err));
    OK(rag_kv_drop(store, NULL, name, &err));
    OK(rag_kv_put_many(store, NULL, "doc_status", &item, 1, NULL, &err));
    FAILS(RAG_E_INVALID, "file of the document status",
          rag_export_lightrag(store, NULL, "d", NULL, NULL, &err));
    rag_store_close(store);
}

/* ---- float16 ------------------------------------------------------------------------------------------ */

static void both_conversions_to_float16_agree(void **state)
{
    (void)state;
    for (uint64_t bits = 0; bits < (uint64_t)1 << 32; bits += 977) {
        const uint32_t word = (uint32_t)bits;
        float value;
        unsigned char ours[2], theirs[2];
        memcpy(&value, &word, sizeof value);
        if (vindex_f16_from_f32(&value, 1, theirs) != 1)
            continue;
        floats_to_half(&value, 1, ours);
        if (memcmp(ours, theirs, 2) != 0)
            fail_msg("%a: %02x%02x and %02x%02x", (double)value, ours[1], ours[0], theirs[1],
                     theirs[0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(backends_agree_on_the_content_hash, clean),
        cmocka_unit_test_setup(a_failing_sync_or_rename_leaves_whole_files_only, clean),
        cmocka_unit_test_setup(every_allocation_may_fail, clean),
        cmocka_unit_test_setup(cancel_leaves_no_temporary_file, clean),
        cmocka_unit_test_setup(what_has_no_place_in_the_files_is_refused, clean),
        cmocka_unit_test(both_conversions_to_float16_agree),
    };
    return cmocka_run_group_tests_name("export", tests, NULL, NULL);
}
