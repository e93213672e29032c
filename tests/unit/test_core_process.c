/* core: the identity of a process, and whether it is still there. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/process.h"
#include "core/slice.h"

static void this_process_is_alive(void **state)
{
    (void)state;
    char one[PROCESS_IDENTITY_MAX], two[PROCESS_IDENTITY_MAX];
    assert_int_equal(process_identity(one, NULL), RAG_OK);
    assert_int_equal(process_identity(two, NULL), RAG_OK);
    assert_string_equal(one, two);
    assert_int_equal(process_state_of(rag_text(one)), PROCESS_ALIVE);
    assert_true(process_is_alive(rag_text(one)));
}

/* A child that tells its identity and sleeps until it is killed. */
static pid_t start_child(char identity[PROCESS_IDENTITY_MAX])
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char own[PROCESS_IDENTITY_MAX] = { 0 };
        const int told = process_identity(own, NULL) == RAG_OK &&
                         write(ends[1], own, sizeof own) == (ssize_t)sizeof own;
        while (told)
            (void)pause();
        _exit(1);
    }
    (void)close(ends[1]);
    assert_int_equal(read(ends[0], identity, PROCESS_IDENTITY_MAX), PROCESS_IDENTITY_MAX);
    (void)close(ends[0]);
    return child;
}

static void a_killed_child_is_gone(void **state)
{
    (void)state;
    char own[PROCESS_IDENTITY_MAX], theirs[PROCESS_IDENTITY_MAX];
    int ended = 0;
    assert_int_equal(process_identity(own, NULL), RAG_OK);
    const pid_t child = start_child(theirs);
    assert_string_not_equal(own, theirs);
    assert_int_equal(process_state_of(rag_text(theirs)), PROCESS_ALIVE);
    assert_int_equal(kill(child, SIGKILL), 0);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(process_state_of(rag_text(theirs)), PROCESS_GONE); /* a zombie */
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_int_equal(process_state_of(rag_text(theirs)), PROCESS_GONE);
    assert_false(process_is_alive(rag_text(theirs)));
}

/* The identity of this process with one of its four parts replaced. */
static enum process_state state_with(int part, const char *text)
{
    char own[PROCESS_IDENTITY_MAX], changed[2 * PROCESS_IDENTITY_MAX];
    assert_int_equal(process_identity(own, NULL), RAG_OK);
    const char *from = own;
    for (int i = 0; i < part; i++)
        from = strchr(from, ' ') + 1;
    (void)snprintf(changed, sizeof changed, "%.*s%s%s", (int)(from - own), own, text,
                   from + strcspn(from, " "));
    return process_state_of(rag_text(changed));
}

static void other_processes_of_this_number_are_others(void **state)
{
    (void)state;
    char pid[32];
    (void)snprintf(pid, sizeof pid, "%ld", (long)getpid());
    assert_int_equal(state_with(1, pid), PROCESS_ALIVE);
    assert_int_equal(state_with(0, "00000000-0000-0000-0000-000000000000"), PROCESS_GONE);
    assert_int_equal(state_with(2, "1"), PROCESS_GONE);
    assert_int_equal(state_with(3, "pid:[1]"), PROCESS_UNSEEN);
    assert_false(process_is_alive(rag_text("")));
}

static void what_is_no_identity_is_gone(void **state)
{
    (void)state;
    char own[PROCESS_IDENTITY_MAX], longer[PROCESS_IDENTITY_MAX + 2];
    assert_int_equal(process_identity(own, NULL), RAG_OK);
    (void)snprintf(longer, sizeof longer, "%s x", own);
    assert_int_equal(process_state_of(rag_text(longer)), PROCESS_GONE);
    assert_int_equal(process_state_of(slice_of(own, strlen(own) / 2)), PROCESS_GONE);
    assert_int_equal(process_state_of(slice_of(NULL, 0)), PROCESS_GONE);
    assert_int_equal(process_state_of(rag_text("1 2 3 4")), PROCESS_GONE);
    assert_int_equal(state_with(1, "-1"), PROCESS_GONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(this_process_is_alive),
        cmocka_unit_test(a_killed_child_is_gone),
        cmocka_unit_test(other_processes_of_this_number_are_others),
        cmocka_unit_test(what_is_no_identity_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
