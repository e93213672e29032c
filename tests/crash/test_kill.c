/* kill -9 at the n-th system call: a child does the work and kills itself before a call whose number
 * was drawn; what is found in the store then is all that it had been told, and a state of the model.
 *
 * How many calls the work makes is counted first. RAGSTORE_CRASH_KILLS kills for each kind of work,
 * drawn by RAGSTORE_TEST_SEED. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/os.h"
#include "faults.h"
#include "look.h"
#include "work.h"

enum { STEPS_MAX = 32, WHAT_BYTES = 200 };

/* What the child tells, also when it is dead. */
struct told {
    size_t begun, ended; /* steps */
    long calls;
    int imported;
    char failure[RAG_ERROR_MESSAGE_MAX + 64];
};

struct work {
    const char *name;
    int many;                    /* vectors enough for an index */
    enum step_kind before, kind; /* `kind` is what is killed; STEP_KINDS: a mixture */
    size_t times;
    int is_import;
};

static const struct work works[] = {
    { "import", 0, STEP_KV_PUT, STEP_KINDS, 0, 1 },
    { "upsert", 0, STEP_KV_PUT, STEP_UPSERT, 3, 0 },
    { "flush", 0, STEP_KV_PUT, STEP_FLUSH, 2, 0 },
    { "checkpoint", 0, STEP_UPSERT, STEP_OPTIMIZE, 2, 0 },
    { "compact", 1, STEP_VECTOR_DELETE, STEP_COMPACT, 2, 0 },
    { "publishing an index", 1, STEP_VECTOR_PUT, STEP_OPTIMIZE, 1, 0 },
    { "a mixture", 0, STEP_KINDS, STEP_KINDS, 12, 0 },
};
enum { WORKS = sizeof works / sizeof *works };

static char store_path[4096];
static struct told *told; /* shared with the child */

/* ---- in the child ---------------------------------------------------------------------------------- */

static void give_up(const char *what, const rag_error *err)
{
    (void)snprintf(told->failure, sizeof told->failure, "%.60s: %s", what, err->message);
    _exit(1);
}

static void import(void)
{
    rag_error err = RAG_ERROR_INIT;
    rag_store *store = NULL;
    const rag_import_options options = RAG_IMPORT_OPTIONS_INIT;
    if (try_open(store_path, RAG_OPEN_BUILD | RAG_OPEN_REPLACE, &store, &err) != RAG_OK ||
        rag_import_lightrag(store, NULL, RAG_TEST_DATA "/mini", &options, NULL, &err) != RAG_OK ||
        rag_store_publish(store, NULL, &err) != RAG_OK)
        give_up("import", &err);
    told->imported = 1;
    rag_store_close(store);
}

static void do_steps(const struct step *steps, size_t count)
{
    rag_error err = RAG_ERROR_INIT;
    rag_store *store = NULL;
    if (try_open(store_path, 0, &store, &err) != RAG_OK)
        give_up("open", &err);
    for (size_t i = 0; i < count; i++) {
        told->begun = i + 1;
        if (step_do(store, steps[i], &err) != RAG_OK)
            give_up(step_name(steps[i].kind), &err);
        told->ended = i + 1;
    }
    rag_store_close(store);
}

/* ---- in the parent ---------------------------------------------------------------------------------- */

/* Whether it was killed; `at` 0: it is not. */
static int run_child(const struct work *w, const struct step *steps, size_t count, long at)
{
    int status = 0;
    memset(told, 0, sizeof *told);
    const pid_t pid = fork();
    if (pid == 0) {
        faults_install();
        faults_arm(NULL);
        faults_kill_at(at);
        if (w->is_import)
            import();
        else
            do_steps(steps, count);
        told->calls = faults_total();
        _exit(0);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (told->failure[0])
        fail_msg("%s: %s", w->name, told->failure);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        return 1;
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return 0;
}

/* The steps of a work: what is killed, with what makes it worth while before each. */
static size_t steps_of(const struct work *w, struct rng *rng, struct step *out)
{
    size_t count = 0;
    for (size_t i = 0; i < w->times; i++) {
        assert_true(count + 2 <= STEPS_MAX);
        if (w->before != STEP_KINDS)
            out[count++] = (struct step){ w->before, rng_next(rng) };
        out[count++] =
            w->kind == STEP_KINDS ? step_random(rng) : (struct step){ w->kind, rng_next(rng) };
    }
    return count;
}

static void make_base(const struct work *w, struct model *model)
{
    struct step steps[STEPS_MAX];
    rag_error err = RAG_ERROR_INIT;
    const size_t count = steps_of_base(11, w->many, steps, STEPS_MAX);
    remove_tree(here("base"));
    rag_store *store = must_open(here("base"), 0);
    for (size_t i = 0; i < count; i++) {
        if (step_do(store, steps[i], &err) != RAG_OK)
            fail_msg("%s", err.message);
        model_add(model, steps[i]);
    }
    rag_store_close(store);
}

static void look(const struct work *w, const struct model *model, size_t base, const char *imported,
                 const char *what)
{
    if (w->is_import)
        must_hold_any_of(
            store_path,
            (const char *[]){ imported, told->imported ? NULL : model_hash(model, base) }, 2,
            model_hash(model, base), what);
    else
        (void)model_must_hold(model, store_path, base + told->ended, base + told->begun, what);
}

static void hash_of_import(char out[HASH_BYTES])
{
    const rag_import_options options = RAG_IMPORT_OPTIONS_INIT;
    rag_error err = RAG_ERROR_INIT;
    rag_store *store = must_open("memory:", 0);
    if (rag_import_lightrag(store, NULL, RAG_TEST_DATA "/mini", &options, NULL, &err) != RAG_OK)
        fail_msg("import: %s", err.message);
    content_hash(store, out);
    rag_store_close(store);
}

static void fresh_store(void)
{
    remove_tree(store_path);
    copy_directory(here("base"), store_path);
}

static unsigned long kills_of(const struct work *w, struct rng *rng, unsigned long wanted)
{
    struct step steps[STEPS_MAX];
    char imported[HASH_BYTES], what[WHAT_BYTES];
    unsigned long killed = 0;
    struct model *model = model_new();
    make_base(w, model);
    hash_of_import(imported);
    const size_t base = model_count(model), count = steps_of(w, rng, steps);
    for (size_t i = 0; i < count; i++)
        model_add(model, steps[i]);
    fresh_store();
    assert_int_equal(run_child(w, steps, count, 0), 0);
    look(w, model, base, imported, w->name);
    const long calls = told->calls;
    for (unsigned long i = 0; i < wanted; i++) {
        const long at = 1 + (long)rng_below(rng, (unsigned)calls);
        fresh_store();
        killed += (unsigned long)run_child(w, steps, count, at);
        (void)snprintf(what, sizeof what, "%s, killed at call %ld of %ld", w->name, at, calls);
        look(w, model, base, imported, what);
    }
    model_free(model);
    return killed;
}

static void killed_at_any_call(void **state)
{
    (void)state;
    const unsigned long wanted = setting("RAGSTORE_CRASH_KILLS", 30);
    const unsigned long seed = setting("RAGSTORE_TEST_SEED", 20251);
    struct rng rng = { seed };
    print_message("seed %lu\n", seed);
    tally_begin();
    unsigned long all = 0;
    for (int i = 0; i < WORKS; i++) {
        const unsigned long killed = kills_of(&works[i], &rng, wanted);
        all += killed;
        print_message("%s: %lu kills\n", works[i].name, killed);
        if (killed * 10 < wanted * 9) /* threads and timing move the number of calls a little */
            fail_msg("%s: only %lu of %lu were killed", works[i].name, killed, wanted);
    }
    tally_print("kills", all);
    tally_must_be_clean();
}

/* A process that is killed loses nothing that it wrote: syncs are not waited for. */
static int no_sync(int fd)
{
    (void)fd;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(killed_at_any_call) };
    os_calls.fsync = os_calls.fdatasync = no_sync;
    (void)snprintf(store_path, sizeof store_path, "%s", here("store"));
    told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (told == MAP_FAILED)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
