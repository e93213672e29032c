/* core: error, result, context, os (files, forks). */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/alloc.h"
#include "core/context.h"
#include "core/error.h"
#include "core/os.h"
#include "core/result.h"
#include "core/slice.h"

/* ---- error --------------------------------------------------------------------------------------- */

static void messages_are_one_line(void **state)
{
    (void)state;
    rag_error err;
    char name[1000];
    memset(name, 'n', sizeof name);
    name[3] = '\n';
    name[4] = 0x7f;
    name[999] = 0;
    assert_int_equal(rag_fail(&err, RAG_E_CONFLICT, "key '%s'", name), RAG_E_CONFLICT);
    assert_int_equal(err.status, RAG_E_CONFLICT);
    assert_int_equal(err.outcome, RAG_OUTCOME_NOT_APPLIED);
    assert_int_equal(strlen(err.message), RAG_ERROR_MESSAGE_MAX - 1);
    assert_memory_equal(err.message, "key 'nnn??n", 11);
    assert_int_equal(rag_fail(NULL, RAG_E_IO, "x"), RAG_E_IO);
    assert_int_equal(rag_fail_errno(NULL, ENOSPC, "x"), RAG_E_NO_SPACE);
    assert_int_equal(rag_fail_errno(&err, EACCES, "open %s", "f"), RAG_E_DENIED);
    assert_int_equal(err.vendor_code, EACCES);
    assert_string_equal(err.message, "open f: Permission denied");
    (void)rag_fail(&err, RAG_E_TIMEOUT, "late");
    assert_true(err.retryable);
    for (int s = 0; s >= -17; s--)
        assert_string_not_equal(rag_status_text((rag_status)s), "unknown status");
    assert_string_equal(rag_status_text((rag_status)-99), "unknown status");
}

/* ---- result -------------------------------------------------------------------------------------- */

static void rows_are_copies(void **state)
{
    (void)state;
    char key[] = "key", value[] = "{}";
    float vector[3] = { 1, 2, 3 };
    rag_result *r = rag_result_new(NULL);
    assert_non_null(r);
    for (int i = 0; i < 100; i++) {
        const rag_row row = { .key = rag_text(key),
                              .value = rag_text(value),
                              .found = 1,
                              .vector = vector,
                              .dimension = 3,
                              .number = i };
        assert_int_equal(rag_result_append(r, &row, NULL), RAG_OK);
    }
    assert_int_equal(rag_result_append_absent(r, rag_text("gone"), slice_of(NULL, 0), NULL),
                     RAG_OK);
    key[0] = value[0] = 'X';
    vector[0] = 9;
    assert_int_equal(rag_result_count(r), 101);
    const rag_row *row = rag_result_row(r, 99);
    assert_string_equal(row->key.data, "key");
    assert_string_equal(row->value.data, "{}");
    assert_true(row->vector[0] == 1 && row->number == 99);
    assert_int_equal((uintptr_t)row->vector % 8, 0);
    row = rag_result_row(r, 100);
    assert_false(row->found);
    assert_non_null(row->key2.data); /* empty, but never NULL */
    assert_null(rag_result_row(r, 101));
    assert_int_equal(rag_result_total(r), 101);
    rag_result_set_total(r, 7);
    assert_int_equal(rag_result_total(r), 7);
    assert_int_equal(rag_result_next(r).len, 0);
    assert_int_equal(rag_result_set_next(r, rag_text("after"), NULL), RAG_OK);
    assert_true(slice_is(rag_result_next(r), "after"));
    rag_result_free(r);
    rag_result_free(NULL);
    assert_int_equal(rag_result_count(NULL), 0);
    assert_null(rag_result_row(NULL, 0));
}

static void a_failed_append_changes_nothing(void **state)
{
    (void)state;
    rag_result *r = rag_result_new(NULL);
    const rag_row row = { .key = rag_text("k"), .value = rag_text("{\"a\":1}"), .found = 1 };
    rag_error err = RAG_ERROR_INIT;
    for (long n = 1; n <= 2; n++) {
        rag_alloc_fail_at(n, 0);
        assert_int_equal(rag_result_append(r, &row, &err), RAG_E_NO_MEMORY);
        assert_int_equal(rag_result_count(r), 0);
    }
    rag_alloc_fail_at(0, 0);
    assert_int_equal(rag_result_append(r, &row, &err), RAG_OK);
    assert_int_equal(rag_result_count(r), 1);
    rag_result_free(r);
}

/* ---- context ------------------------------------------------------------------------------------- */

static void contexts_are_copied_and_checked(void **state)
{
    (void)state;
    rag_context out, in = RAG_CONTEXT_INIT;
    rag_error err = RAG_ERROR_INIT;
    assert_int_equal(context_normalise(NULL, &out, &err), RAG_OK);
    assert_int_equal(context_check(&out, &err), RAG_OK);
    in.struct_size = 0;
    assert_int_equal(context_normalise(&in, &out, &err), RAG_E_INVALID);
    in.struct_size = offsetof(rag_context, cancel); /* an older one */
    in.deadline_ns = 1;
    int flag = 1;
    in.cancel = &flag; /* beyond its size: not looked at */
    assert_int_equal(context_normalise(&in, &out, &err), RAG_OK);
    assert_null(out.cancel);
    assert_int_equal(context_check(&out, &err), RAG_E_TIMEOUT);
    assert_true(err.retryable);
    out.cancel = &flag;
    assert_int_equal(context_check(&out, &err), RAG_E_CANCELLED);
    flag = 0;
    out.deadline_ns = rag_deadline_in_ms(60000);
    assert_int_equal(context_check(&out, &err), RAG_OK);
    rag_cancel(&flag);
    assert_int_equal(context_check(&out, &err), RAG_E_CANCELLED);
    assert_true(rag_deadline_in_ms(INT64_MAX) == INT64_MAX);
    assert_int_equal(rag_deadline_in_ms(INT64_MIN), 1);
    assert_int_equal(rag_deadline_in_ms(-1000000000000), 1);
}

/* ---- os ------------------------------------------------------------------------------------------ */

static int short_writes;
static ssize_t three_bytes_a_write(int fd, const void *data, size_t len)
{
    if (++short_writes % 2) {
        errno = EINTR;
        return -1;
    }
    return write(fd, data, len < 3 ? len : 3);
}

static void short_and_interrupted_writes_go_on(void **state)
{
    (void)state;
    int fd;
    rag_error err = RAG_ERROR_INIT;
    char back[32];
    size_t got = 0;
    assert_int_equal(os_open("written", O_CREAT | O_RDWR | O_TRUNC, &fd, &err), RAG_OK);
    const struct os_calls kept = os_calls;
    os_calls.write = three_bytes_a_write;
    const rag_status status = os_write_all(fd, "0123456789", 10, "written", &err);
    os_calls = kept;
    assert_int_equal(status, RAG_OK);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(os_read_full(fd, back, sizeof back, &got, "written", &err), RAG_OK);
    assert_int_equal(got, 10);
    assert_memory_equal(back, "0123456789", 10);
    os_close(fd);
    os_close(-1);
    assert_int_equal(os_unlink("written", &err), RAG_OK);
    assert_int_equal(os_unlink("written", &err), RAG_OK);
    assert_int_equal(os_open("written", O_RDONLY, &fd, &err), RAG_E_NOT_FOUND);
}

static void directories_are_made_with_their_parents(void **state)
{
    (void)state;
    rag_error err = RAG_ERROR_INIT;
    int fd;
    assert_int_equal(os_make_directories("made/of//several/parts/", &err), RAG_OK);
    assert_int_equal(os_make_directories("made/of/several/parts", &err), RAG_OK);
    assert_int_equal(access("made/of/several/parts", X_OK), 0);
    assert_int_equal(os_open("made/file", O_CREAT | O_WRONLY, &fd, &err), RAG_OK);
    os_close(fd);
    assert_int_equal(os_make_directories("made/file/below", &err), RAG_E_INVALID);
    assert_non_null(strstr(err.message, "made/file"));
    char *path = os_join("a/", "b");
    assert_string_equal(path, "a/b");
    rag_free(path);
    path = os_join("", "b");
    assert_string_equal(path, "b");
    rag_free(path);
}

static void children_know_that_they_are_children(void **state)
{
    (void)state;
    rag_error err = RAG_ERROR_INIT;
    int fd;
    assert_int_equal(os_watch_forks(&err), RAG_OK);
    assert_int_equal(os_open("/dev/null", O_RDONLY, &fd, &err), RAG_OK);
    assert_int_equal(os_track_descriptor(fd, &err), RAG_OK);
    const unsigned before = os_fork_generation();
    const pid_t child = fork();
    if (child == 0)
        _exit(os_fork_generation() == before ? 1 : fcntl(fd, F_GETFD) != -1 ? 2 : 0);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(os_fork_generation(), before);
    assert_int_not_equal(fcntl(fd, F_GETFD), -1); /* still open here */
    os_untrack_descriptor(fd);
    os_close(fd);
}

/* The n-th allocation fails, once or from then on. */
static void allocations_fail_when_told(void **state)
{
    (void)state;
    void *p[5];
    rag_alloc_fail_at(3, 0);
    for (int i = 0; i < 5; i++) {
        p[i] = rag_alloc(8);
        assert_int_equal(p[i] == NULL, i == 2);
    }
    for (int i = 0; i < 5; i++)
        rag_free(p[i]);
    rag_alloc_fail_at(2, 1);
    p[0] = rag_alloc(8);
    assert_non_null(p[0]);
    assert_null(rag_alloc_zeroed(1, 8));
    assert_null(rag_alloc_array(1, 8));
    assert_null(rag_realloc(p[0], 100));
    assert_null(rag_strdup("x"));
    rag_alloc_fail_at(0, 0);
    rag_free(p[0]);
    assert_null(rag_alloc_array(SIZE_MAX / 2, 3));
    assert_null(rag_alloc_zeroed(SIZE_MAX / 2, 3));
    p[0] = rag_alloc(0);
    assert_non_null(p[0]);
    rag_free(p[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_one_line),
        cmocka_unit_test(rows_are_copies),
        cmocka_unit_test(a_failed_append_changes_nothing),
        cmocka_unit_test(contexts_are_copied_and_checked),
        cmocka_unit_test(short_and_interrupted_writes_go_on),
        cmocka_unit_test(directories_are_made_with_their_parents),
        cmocka_unit_test(children_know_that_they_are_children),
        cmocka_unit_test(allocations_fail_when_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
