/* The n-th call fails: for each public operation that reads or writes, each class of system calls,
 * each error, and each allocation. Each time
 *  - the call answers RAG_OK or an error of the right kind, with a message;
 *  - what it says of the outcome is true of the store when it is opened again, after the death of
 *    the process and after a power cut that loses all that was not synced;
 *  - the store agrees with itself; the same handle goes on, or says that it does not.
 *
 * How many calls an operation makes is counted first. RAGSTORE_CRASH_SHARE says which part of the
 * cases is tried, drawn by RAGSTORE_TEST_SEED: one of so many; 1 is all of them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "core/alloc.h"
#include "core/os.h"
#include "disk.h"
#include "faults.h"
#include "look.h"
#include "work.h"

enum { WHAT_BYTES = 600, BASE_MAX = 16 };
enum { BOOT_OF_BASE, BOOT_OF_CASE, BOOT_AFTER_CUT };

/* ---- operations ------------------------------------------------------------------------------------ */

enum operation {
    OP_STEP, /* one of work.h, on an open store */
    OP_OPEN,
    OP_CREATE,
    OP_READ,
    OP_CHECK,
    OP_REPAIR,
    OP_BACKUP,
    OP_PUBLISH,
    OP_IMPORT
};

struct subject {
    const char *name;
    enum operation operation;
    enum step_kind kind;
    int after_put; /* a put that is not flushed comes before */
};

static const struct subject subjects[] = {
    { "open", OP_OPEN, STEP_KINDS, 1 },        { "create", OP_CREATE, STEP_KINDS, 0 },
    { "read", OP_READ, STEP_KINDS, 0 },        { "check", OP_CHECK, STEP_KINDS, 0 },
    { "repair", OP_REPAIR, STEP_KINDS, 0 },    { "backup", OP_BACKUP, STEP_KINDS, 0 },
    { "publish", OP_PUBLISH, STEP_KINDS, 0 },  { "import", OP_IMPORT, STEP_KINDS, 0 },
    { NULL, OP_STEP, STEP_KV_PUT, 0 },         { NULL, OP_STEP, STEP_KV_DELETE, 0 },
    { NULL, OP_STEP, STEP_KV_DROP, 1 },        { NULL, OP_STEP, STEP_VECTOR_PUT, 0 },
    { NULL, OP_STEP, STEP_VECTOR_DELETE, 0 },  { NULL, OP_STEP, STEP_PENDING, 0 },
    { NULL, OP_STEP, STEP_PENDING_DELETE, 0 }, { NULL, OP_STEP, STEP_PENDING_FLUSH, 1 },
    { NULL, OP_STEP, STEP_NODES_PUT, 0 },      { NULL, OP_STEP, STEP_EDGES_PUT, 0 },
    { NULL, OP_STEP, STEP_NODES_DELETE, 0 },   { NULL, OP_STEP, STEP_EDGES_DELETE, 0 },
    { NULL, OP_STEP, STEP_DOC_PUT, 1 },        { NULL, OP_STEP, STEP_DOC_UPDATE, 1 },
    { NULL, OP_STEP, STEP_DOC_DELETE, 1 },     { NULL, OP_STEP, STEP_UPSERT, 1 },
    { NULL, OP_STEP, STEP_TRANSACTION, 1 },    { NULL, OP_STEP, STEP_FLUSH, 1 },
    { NULL, OP_STEP, STEP_OPTIMIZE, 1 },       { NULL, OP_STEP, STEP_COMPACT, 1 },
};
enum { SUBJECTS = sizeof subjects / sizeof *subjects };

static const char *subject_name(const struct subject *s)
{
    return s->name ? s->name : step_name(s->kind);
}

static struct step step_of(const struct subject *s)
{
    return (struct step){ s->kind, 5 };
}

static const struct step put_before = { STEP_KV_PUT, 77 };

/* What the store holds: for sure at the beginning, with what came before, with the operation. */
struct states {
    char sure[HASH_BYTES], before[HASH_BYTES], after[HASH_BYTES];
    int durable; /* RAG_OK says so */
};

static char store_path[4096], copy_path[4096], base_path[4096];

static rag_status import_mini(rag_store *store, rag_error *err)
{
    const rag_import_options options = RAG_IMPORT_OPTIONS_INIT;
    return rag_import_lightrag(store, NULL, RAG_TEST_DATA "/mini", &options, NULL, err);
}

static rag_status read_all(rag_store *store, rag_error *err)
{
    rag_result *rows = NULL;
    const rag_slice key = rag_text("k1");
    rag_status status = rag_kv_get_many(store, NULL, "notes", &key, 1, &rows, err);
    rag_result_free(rows);
    rows = NULL;
    if (status == RAG_OK)
        status = rag_store_content_hash(store, NULL, &rows, err);
    rag_result_free(rows);
    rows = NULL;
    if (status == RAG_OK)
        status = rag_graph_popular(store, NULL, 10, &rows, err);
    rag_result_free(rows);
    return status;
}

static rag_status check(rag_store *store, unsigned flags, rag_error *err)
{
    rag_check_options options = RAG_CHECK_OPTIONS_INIT;
    rag_result *report = NULL;
    options.flags = flags;
    const rag_status status = rag_store_check(store, NULL, &options, &report, err);
    rag_result_free(report);
    return status;
}

/* The operation itself; *store as in the preparation below. */
static rag_status operate(const struct subject *s, rag_store **store, rag_error *err)
{
    rag_status status;
    switch (s->operation) {
    case OP_STEP: return step_do(*store, step_of(s), err);
    case OP_OPEN:
    case OP_CREATE: return try_open(store_path, 0, store, err);
    case OP_READ: return read_all(*store, err);
    case OP_CHECK: return check(*store, 0, err);
    case OP_REPAIR: return check(*store, RAG_CHECK_REPAIR, err);
    case OP_BACKUP: return rag_store_backup(*store, NULL, copy_path, err);
    case OP_PUBLISH: return rag_store_publish(*store, NULL, err);
    case OP_IMPORT:
        status = try_open(store_path, RAG_OPEN_BUILD | RAG_OPEN_REPLACE, store, err);
        if (status == RAG_OK)
            status = import_mini(*store, err);
        return status == RAG_OK ? rag_store_publish(*store, NULL, err) : status;
    }
    return RAG_E_INVALID;
}

static void must_do(rag_store *store, struct step step)
{
    rag_error err = RAG_ERROR_INIT;
    if (step_do(store, step, &err) != RAG_OK)
        fail_msg("%s: %s", step_name(step.kind), err.message);
}

/* The store on the disk, and open as the operation wants it: NULL where it opens it itself. */
static rag_store *prepare(const struct subject *s)
{
    rag_store *store = NULL;
    if (s->operation == OP_CREATE)
        return NULL;
    if (s->operation == OP_PUBLISH) {
        store = must_open(store_path, RAG_OPEN_BUILD | RAG_OPEN_REPLACE);
        must_do(store, put_before);
        return store;
    }
    if (s->operation == OP_IMPORT)
        return NULL;
    store = must_open(store_path, 0);
    if (s->after_put)
        must_do(store, put_before);
    if (s->operation == OP_OPEN) {
        rag_store_close(store);
        store = NULL;
    }
    return store;
}

/* ---- the states ---------------------------------------------------------------------------------------- */

/* Where all cases begin: closed, and all of it for sure. */
static void make_base(void)
{
    struct step steps[BASE_MAX];
    remove_tree(base_path);
    rag_store *store = must_open(base_path, 0);
    const size_t n = steps_of_base(9, 1, steps, BASE_MAX);
    for (size_t i = 0; i < n; i++)
        must_do(store, steps[i]);
    must_do(store, (struct step){ STEP_PENDING, 3 });
    must_do(store, (struct step){ STEP_FLUSH, 1 });
    rag_store_close(store);
}

static void fresh_disk(const struct subject *s)
{
    remove_tree(here("disk"));
    assert_int_equal(mkdir(here("disk"), 0700), 0);
    if (s->operation != OP_CREATE)
        copy_directory(base_path, store_path);
}

/* By doing it to the model: a store in memory. */
static void find_states(const struct subject *s, struct states *out)
{
    struct model *model = model_new();
    struct step steps[BASE_MAX];
    rag_error err = RAG_ERROR_INIT;
    const size_t n = s->operation == OP_CREATE ? 0 : steps_of_base(9, 1, steps, BASE_MAX);
    for (size_t i = 0; i < n; i++)
        model_add(model, steps[i]);
    if (n)
        model_add(model, (struct step){ STEP_PENDING, 3 });
    memcpy(out->sure, model_hash(model, model_count(model)), HASH_BYTES);
    if (s->after_put)
        model_add(model, put_before);
    memcpy(out->before, model_hash(model, model_count(model)), HASH_BYTES);
    if (s->operation == OP_STEP)
        model_add(model, step_of(s));
    out->durable = s->operation == OP_PUBLISH || s->operation == OP_IMPORT ||
                   (s->operation == OP_STEP && model_durable(model, 0));
    memcpy(out->after, model_hash(model, model_count(model)), HASH_BYTES);
    model_free(model);
    if (s->operation == OP_PUBLISH || s->operation == OP_IMPORT) {
        rag_store *store = must_open("memory:", 0);
        if (s->operation == OP_PUBLISH)
            must_do(store, put_before);
        else if (import_mini(store, &err) != RAG_OK)
            fail_msg("import: %s", err.message);
        content_hash(store, out->after);
        rag_store_close(store);
    }
}

/* ---- one case -------------------------------------------------------------------------------------------- */

/* What fails: a system call, or an allocation. */
struct failure {
    struct fault fault;
    long allocation;
    int sticky; /* all allocations from then on */
};

static unsigned long cases, kinds_seen[32];

static void arm(const struct failure *f)
{
    faults_arm(f->allocation ? NULL : &f->fault);
    if (f->allocation)
        rag_alloc_fail_at(f->allocation, f->sticky);
}

static int disarm(const struct failure *f)
{
    if (!f->allocation)
        return faults_disarm();
    const int happened = f->sticky || rag_alloc_fail_left() == 0;
    rag_alloc_fail_at(0, 0);
    return happened;
}

static void describe(const struct subject *s, const struct failure *f, char *out, size_t size)
{
    if (f->allocation)
        (void)snprintf(out, size, "%s, allocation %ld%s", subject_name(s), f->allocation,
                       f->sticky ? " and all after it" : "");
    else
        (void)snprintf(out, size, "%s, %s %ld %s%s", subject_name(s), fault_name(f->fault.kind),
                       f->fault.at, f->fault.code == EIO ? "EIO" : "ENOSPC",
                       f->fault.is_short ? " after half of it" : "");
}

/* The kinds of error that tell the truth about the cause. */
static int is_honest(const struct subject *s, const struct failure *f, rag_status status)
{
    /* SQLite does not say why it could not remove the log of the store that is replaced: it remains
     * there, as it does when somebody has it open. */
    if (f->fault.kind == FAULT_NAMES && status == RAG_E_CONFLICT &&
        (s->operation == OP_PUBLISH || s->operation == OP_IMPORT))
        return 1;
    if (f->allocation || f->fault.kind == FAULT_MAP)
        return status == RAG_E_NO_MEMORY;
    return f->fault.code == ENOSPC ? status == RAG_E_NO_SPACE : status == RAG_E_IO;
}

/* What the answer allows to be there. `lost`: after a power cut that lost what was not synced. */
struct allowed {
    int sure, before, after;
};

static struct allowed allowed_by(rag_status status, const rag_error *err, int durable, int lost)
{
    if (status == RAG_OK)
        return lost && !durable ? (struct allowed){ 1, 1, 1 } : (struct allowed){ 0, 0, 1 };
    switch (err->outcome) {
    case RAG_OUTCOME_NOT_APPLIED: return (struct allowed){ lost, 1, 0 };
    case RAG_OUTCOME_APPLIED: return (struct allowed){ lost, lost, 1 };
    case RAG_OUTCOME_DURABLE: return (struct allowed){ 0, 0, 1 };
    case RAG_OUTCOME_UNKNOWN: break;
    }
    return (struct allowed){ lost, 1, 1 };
}

static void must_be(const char *path, const struct states *states, struct allowed allowed,
                    const char *what)
{
    const char *list[] = { allowed.after ? states->after : NULL,
                           allowed.before ? states->before : NULL,
                           allowed.sure ? states->sure : NULL };
    must_hold_any_of(path, list, 3, states->sure, what);
}

/* A copy is there whole or not at all. */
static void look_at_copy(const struct states *states, rag_status status, const char *what)
{
    struct stat st;
    if (stat(copy_path, &st) == 0)
        must_hold_any_of(copy_path, (const char *[]){ states->sure }, 1, NULL, what);
    else if (status == RAG_OK)
        complain(what, "there is no copy");
}

static void one_case(const struct subject *s, const struct states *states, const struct failure *f,
                     int again)
{
    char what[3 * WHAT_BYTES], tried[WHAT_BYTES];
    rag_error err = RAG_ERROR_INIT, err2 = RAG_ERROR_INIT;
    int durable = states->durable;
    cases++;
    boot(BOOT_OF_CASE);
    describe(s, f, tried, sizeof tried);
    fresh_disk(s);
    struct disk *disk = disk_record(here("disk"));
    rag_store *store = prepare(s);
    faults_install();
    arm(f);
    rag_status status = operate(s, &store, &err);
    const int happened = disarm(f);
    faults_remove();
    (void)snprintf(what, sizeof what, "%s: %s %s (outcome %d)%s", tried,
                   status == RAG_OK ? "ok" : rag_status_text(status), err.message,
                   status == RAG_OK ? 0 : (int)err.outcome, again ? ", tried again" : "");
    if (status != RAG_OK) {
        kinds_seen[-status]++;
        if (err.status != status || !err.message[0])
            complain(what, "the error is not filled in");
        if (!is_honest(s, f, status))
            complain(what, "the wrong kind of error");
        if (!happened)
            complain(what, "nothing had failed");
    }
    if (status != RAG_OK && again && s->operation == OP_STEP) {
        const rag_status second = step_do(store, step_of(s), &err2);
        if (second == RAG_OK) {
            status = RAG_OK;
            /* what was applied the first time, and finds nothing to do now, writes nothing */
            durable = step_durability(s->kind) == DURABLE_ALWAYS ||
                      (durable && err.outcome == RAG_OUTCOME_NOT_APPLIED);
        } else if (second != RAG_E_IO || err2.outcome != RAG_OUTCOME_NOT_APPLIED)
            complain(what, err2.message);
    }
    rag_store_close(store);
    disk_stop(disk);
    if (s->operation == OP_BACKUP)
        look_at_copy(states, status, what);
    must_be(store_path, states, allowed_by(status, &err, durable, 0), what);

    const size_t at = disk_length(disk);
    struct disk_cut *cut = disk_cut_at(disk, at);
    unsigned char *fates = calloc(disk_cut_pending(cut, 0) + 1, 1); /* all lost */
    assert_non_null(fates);
    const struct disk_choice choice = { .fates = fates };
    const char *root = here("cut");
    char path[4096];
    remove_tree(root);
    disk_cut_write(cut, &choice, root);
    (void)snprintf(path, sizeof path, "%s/store", root);
    (void)snprintf(what + strlen(what), sizeof what - strlen(what), ", power cut");
    boot(BOOT_AFTER_CUT);
    must_be(path, states, allowed_by(status, &err, durable, 1), what);
    free(fates);
    disk_cut_free(cut);
    disk_free(disk);
}

/* ---- all of them ------------------------------------------------------------------------------------------ */

struct plan {
    struct rng rng;
    unsigned share;
    const char *only; /* name of the only operation; NULL: all */
};

static int is_drawn(struct plan *plan)
{
    return rng_below(&plan->rng, plan->share) == 0;
}

/* How many calls of each class, and allocations, the operation makes. */
static void count_calls(const struct subject *s, long counts[FAULT_CLASSES], long *allocations)
{
    rag_error err = RAG_ERROR_INIT;
    fresh_disk(s);
    struct disk *disk = disk_record(here("disk"));
    rag_store *store = prepare(s);
    enum { FAR = 1000000000 };
    faults_install();
    faults_arm(NULL);
    rag_alloc_fail_at(FAR, 0);
    if (operate(s, &store, &err) != RAG_OK)
        fail_msg("%s: %s", subject_name(s), err.message);
    *allocations = FAR - rag_alloc_fail_left();
    rag_alloc_fail_at(0, 0);
    for (int i = 0; i < FAULT_CLASSES; i++)
        counts[i] = faults_count((enum fault_class)i);
    faults_remove();
    rag_store_close(store);
    disk_free(disk);
}

static void calls_of(struct plan *plan, const struct subject *s, const struct states *states,
                     const long counts[FAULT_CLASSES])
{
    static const struct fault ways[] = {
        { FAULT_OPEN, 0, EIO, 0 },     { FAULT_READ, 0, EIO, 0 },     { FAULT_WRITE, 0, EIO, 0 },
        { FAULT_WRITE, 0, ENOSPC, 0 }, { FAULT_WRITE, 0, ENOSPC, 1 }, { FAULT_TRUNCATE, 0, EIO, 0 },
        { FAULT_SYNC, 0, EIO, 0 },     { FAULT_NAMES, 0, EIO, 0 },    { FAULT_NAMES, 0, ENOSPC, 0 },
        { FAULT_STAT, 0, EIO, 0 },     { FAULT_MAP, 0, ENOMEM, 0 },
    };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct failure f = { .fault = ways[i] };
        for (f.fault.at = 1; f.fault.at <= counts[f.fault.kind]; f.fault.at++)
            if (is_drawn(plan))
                one_case(s, states, &f, (int)rng_below(&plan->rng, 2));
    }
}

/* Each alone, and with all after it. */
static void allocations_of(struct plan *plan, const struct subject *s, const struct states *states,
                           long allocations)
{
    enum { RARER = 10 }; /* there are ten times as many as system calls */
    const unsigned rarer = plan->share > 1 ? RARER : 1;
    for (long n = 1; n <= allocations; n++)
        for (int sticky = 0; sticky < 2; sticky++) {
            const struct failure f = { .allocation = n, .sticky = sticky };
            if (is_drawn(plan) && rng_below(&plan->rng, rarer) == 0)
                one_case(s, states, &f, (int)rng_below(&plan->rng, 2));
        }
}

/* All operations; whether their system calls fail, or their allocations. */
static void every_operation(struct plan *plan, int allocating)
{
    memset(kinds_seen, 0, sizeof kinds_seen);
    cases = 0;
    tally_begin();
    for (int i = 0; i < SUBJECTS; i++) {
        long counts[FAULT_CLASSES], allocations;
        struct states states;
        if (plan->only && strcmp(plan->only, subject_name(&subjects[i])) != 0)
            continue;
        find_states(&subjects[i], &states);
        count_calls(&subjects[i], counts, &allocations);
        if (allocating)
            allocations_of(plan, &subjects[i], &states, allocations);
        else
            calls_of(plan, &subjects[i], &states, counts);
    }
    print_message("errors: input/output %lu, no space %lu, no memory %lu\n", kinds_seen[-RAG_E_IO],
                  kinds_seen[-RAG_E_NO_SPACE], kinds_seen[-RAG_E_NO_MEMORY]);
    tally_print(allocating ? "allocations" : "system calls", cases);
    tally_must_be_clean();
}

static void every_call_fails(void **state)
{
    every_operation(*state, 0);
}

static void every_allocation_fails(void **state)
{
    every_operation(*state, 1);
}

static int no_sync(int fd)
{
    (void)fd;
    return 0;
}

int main(void)
{
    struct plan plan = { .rng = { setting("RAGSTORE_TEST_SEED", 20251) },
                         .share = (unsigned)setting("RAGSTORE_CRASH_SHARE", 12),
                         .only =
                             getenv("RAGSTORE_CRASH_ONLY") }; /* NOLINT(concurrency-mt-unsafe) */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(every_call_fails, &plan),
        cmocka_unit_test_prestate(every_allocation_fails, &plan),
    };
    os_calls.fsync = os_calls.fdatasync = no_sync;
    (void)snprintf(store_path, sizeof store_path, "%s/store", here("disk"));
    (void)snprintf(copy_path, sizeof copy_path, "%s/copy", here("disk"));
    (void)snprintf(base_path, sizeof base_path, "%s", here("base"));
    boot(BOOT_OF_BASE);
    make_base();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
