/* Power cuts: work is recorded (disk.h), the disk is made as it may be after a cut at some point, and
 * the store found there must be a state of the model, not before the last durable one (work.h).
 *
 * Exhaustive: one to three commits after a flush, and a checkpoint, each sync boundary, every subset
 * of what is not synced there; up to RAGSTORE_CRASH_SUBSETS things, which are single writes where that is
 * few enough and else whole frames of the log.
 * Random: RAGSTORE_CRASH_RUNS runs (each with up to CUTS cuts and LIVES lives, which go on with what
 * was found), from RAGSTORE_TEST_SEED on. A run is repeated by its seed and RAGSTORE_CRASH_RUNS=1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/os.h"
#include "disk.h"
#include "look.h"
#include "work.h"

enum { STEPS_MAX = 64, CUTS = 6, LIVES = 3, BASE_MAX = 16, WHAT_BYTES = 400 };

/* ---- a recorded life of a store ----------------------------------------------------------------- */

struct life {
    struct disk *disk;
    struct model *model;
    size_t base; /* steps of the model before this life; what they left is on the disk for sure */
    size_t count;
    size_t begun[STEPS_MAX], ended[STEPS_MAX]; /* places in the log of the disk */
    size_t durable[STEPS_MAX]; /* as many steps of the model are durable after this one */
    int process[STEPS_MAX]; /* whose step it is; of two `begun` is where its first commit ended */
    rag_store *store;
    rag_store *other; /* a second handle, opened before the first one; NULL: none */
    /* A life that ends with a store that is published whole: what was there and what there is then;
     * NULL: the steps are what counts. */
    const char *old_hash, *new_hash;
    size_t published; /* place in the log where publishing had returned */
};

static char store_path[4096];

/* The store is in `root`/store. */
static void begin_life(struct life *life, struct model *model, const char *root, int handles)
{
    *life = (struct life){ .model = model, .base = model_count(model) };
    (void)snprintf(store_path, sizeof store_path, "%s/store", root);
    reboot();
    life->disk = disk_record(root);
    if (handles > 1)
        life->other = must_open(store_path, 0);
    life->store = must_open(store_path, 0);
}

static void end_life(struct life *life)
{
    rag_store_close(life->store);
    rag_store_close(life->other);
    life->store = life->other = NULL;
    disk_stop(life->disk);
}

static void reopen(struct life *life)
{
    rag_store_close(life->store);
    life->store = must_open(store_path, 0);
}

static void live(struct life *life, struct step step)
{
    rag_error err = RAG_ERROR_INIT;
    const size_t i = life->count++;
    assert_true(i < STEPS_MAX);
    life->begun[i] = disk_length(life->disk);
    rag_store *store =
        life->other && step.seed % 2 && !step_is_own(step.kind) ? life->other : life->store;
    if (step_do(store, step, &err) != RAG_OK)
        fail_msg("%s: %s", step_name(step.kind), err.message);
    life->ended[i] = disk_length(life->disk);
    model_add(life->model, step);
    life->durable[i] = model_durable(life->model, i ? life->durable[i - 1] : life->base);
}

/* Which states of the model a cut before the `at`-th thing may leave. */
static void allowed(const struct life *life, size_t at, size_t *first, size_t *last)
{
    *first = *last = life->base;
    for (size_t i = 0; i < life->count; i++) {
        if (life->ended[i] <= at && life->durable[i] > *first)
            *first = life->durable[i];
        if (life->begun[i] < at || life->ended[i] <= at)
            *last = life->base + i + 1;
    }
}

/* ---- one cut ------------------------------------------------------------------------------------------ */

static unsigned long cases;

/* Syncs are not waited for: what is looked at after a cut is thrown away. */
static int no_sync(int fd)
{
    (void)fd;
    return 0;
}

/* The cut that is looked at: shown when the test fails on it. */
static const struct life *looked_life;
static const struct disk_cut *looked_at;
static const struct disk_choice *looked_choice;

static void explain_step(const struct life *life, size_t i)
{
    const struct step step = model_step(life->model, life->base + i);
    print_error("step %zu: %s (seed %llu) by %d, until %zu, durable %zu, then %.8s\n",
                life->base + i, step_name(step.kind), (unsigned long long)step.seed,
                life->process[i], life->ended[i], life->durable[i],
                model_hash(life->model, life->base + i + 1));
}

/* The store of the first one stays, in the folder "failed". */
static void explain(void)
{
    struct stat st;
    char path[4096];
    if (!looked_at)
        return;
    (void)snprintf(path, sizeof path, "%s/store", here("cut"));
    if (stat(here("failed"), &st) != 0 && stat(path, &st) == 0)
        copy_directory(path, here("failed"));
    const int all = setting("RAGSTORE_CRASH_LOG", 0) != 0;
    for (size_t i = 0; all && i < disk_length(looked_life->disk); i++) {
        char text[WHAT_BYTES];
        for (size_t j = 0; j < looked_life->count; j++)
            if (looked_life->begun[j] == i)
                explain_step(looked_life, j);
        int process;
        disk_describe(looked_life->disk, i, text, sizeof text);
        print_error("%6zu %s%s\n", i, text,
                    disk_is_commit(looked_life->disk, i, &process) ? ", a commit" : "");
    }
    disk_cut_print(looked_at, looked_choice);
}

/* After how many steps of the model it was; SIZE_MAX: something was found. */
static size_t look(const struct life *life, const struct disk_cut *cut, size_t at,
                   const struct disk_choice *choice, const char *title)
{
    char what[WHAT_BYTES], path[4096];
    size_t first, last;
    const char *root = here("cut");
    remove_tree(root);
    disk_cut_write(cut, choice, root);
    allowed(life, at, &first, &last);
    (void)snprintf(path, sizeof path, "%s/store", root);
    (void)snprintf(what, sizeof what, "%s, cut at %zu of %zu", title, at, disk_length(life->disk));
    cases++;
    reboot();
    looked_life = life;
    looked_at = cut;
    looked_choice = choice;
    size_t found = 0;
    if (life->new_hash)
        must_hold_any_of(
            path, (const char *[]){ life->new_hash, at < life->published ? life->old_hash : NULL },
            2, life->old_hash, what);
    else
        found = model_must_hold(life->model, path, first, last, what);
    looked_at = NULL;
    return found;
}

/* ---- every subset ---------------------------------------------------------------------------------------- */

static unsigned long exhaustive_max; /* as many pending things have all their subsets tried */
static unsigned long wide_cuts;      /* that had too many pending things for all subsets */

/* All fates lost or kept, by the bits of a number. */
static void every_subset(const struct life *life, const struct disk_cut *cut, size_t at,
                         const char *title)
{
    unsigned char fates[1024];
    struct disk_choice choice = { .fates = fates };
    size_t n = disk_cut_pending(cut, 0);
    if (n > exhaustive_max) {
        choice.groups = 1;
        n = disk_cut_pending(cut, 1);
    }
    assert_true(n < sizeof fates);
    const int all = n <= exhaustive_max && n < 24;
    wide_cuts += !all;
    if (!all) /* one lost, one kept, and the first so many */
        for (size_t i = 0; i < n; i++) {
            for (int way = 0; way < 3; way++) {
                for (size_t j = 0; j < n; j++)
                    fates[j] = (way == 0   ? j != i
                                : way == 1 ? j == i
                                           : j < i)
                                   ? DISK_KEPT
                                   : DISK_LOST;
                (void)look(life, cut, at, &choice, title);
            }
        }
    for (unsigned bits = 0; all && bits >> n == 0; bits++) {
        for (size_t j = 0; j < n; j++)
            fates[j] = bits >> j & 1 ? DISK_KEPT : DISK_LOST;
        (void)look(life, cut, at, &choice, title);
    }
}

/* Each write by itself is torn at each of its sectors, the others are kept. */
static void every_tear(const struct life *life, const struct disk_cut *cut, size_t at,
                       const char *title)
{
    unsigned char fates[1024];
    struct rng rng = { 1 };
    struct disk_choice choice = { .fates = fates, .rng = &rng, .keep = 0.5 };
    const size_t n = disk_cut_pending(cut, 0);
    assert_true(n < sizeof fates);
    memset(fates, DISK_KEPT, sizeof fates);
    for (size_t i = 0; i < n; i++) {
        fates[i] = DISK_SECTORS;
        for (int times = 0; times < 2; times++)
            (void)look(life, cut, at, &choice, title);
        fates[i] = DISK_KEPT;
    }
}

/* Before each sync everything since the one before is unsure; and at the end. */
static void every_boundary(const struct life *life, const char *title)
{
    for (size_t at = 0; at <= disk_length(life->disk); at++) {
        if (at < disk_length(life->disk) && !disk_is_sync(life->disk, at))
            continue;
        struct disk_cut *cut = disk_cut_at(life->disk, at);
        every_subset(life, cut, at, title);
        every_tear(life, cut, at, title);
        disk_cut_free(cut);
    }
}

static void fresh_folders(void)
{
    remove_tree(here("disk"));
    remove_tree(here("cut"));
    assert_int_equal(os_calls.mkdir(here("disk"), 0700), 0);
}

static void commits_exhaustively(size_t commits, int checkpoint)
{
    static const enum step_kind kinds[] = { STEP_KV_PUT, STEP_VECTOR_PUT, STEP_NODES_PUT };
    char title[WHAT_BYTES];
    struct step base[BASE_MAX];
    struct life life;
    fresh_folders();
    struct model *model = model_new();
    const size_t n = steps_of_base(1, 0, base, BASE_MAX);
    begin_life(&life, model, here("disk"), 1);
    for (size_t i = 0; i < n; i++)
        live(&life, base[i]);
    live(&life, (struct step){ STEP_OPTIMIZE, 1 });
    live(&life, (struct step){ STEP_FLUSH, 1 });
    end_life(&life);
    disk_free(life.disk);

    begin_life(&life, model, here("disk"), 1);
    for (size_t i = 0; i < commits; i++)
        live(&life, (struct step){ kinds[i], 100 + i });
    if (checkpoint)
        live(&life, (struct step){ STEP_OPTIMIZE, 1 });
    live(&life, (struct step){ STEP_FLUSH, 1 });
    end_life(&life);
    (void)snprintf(title, sizeof title, "%zu commits%s", commits, checkpoint ? ", checkpoint" : "");
    every_boundary(&life, title);
    disk_free(life.disk);
    model_free(model);
}

static void finish(const char *name)
{
    print_message("%lu cuts with more than %lu things pending\n", wide_cuts, exhaustive_max);
    tally_print(name, cases);
    tally_must_be_clean();
}

static void up_to_three_commits_exhaustively(void **state)
{
    (void)state;
    const size_t commits = setting("RAGSTORE_CRASH_COMMITS", 2);
    tally_begin();
    cases = wide_cuts = 0;
    for (size_t n = 1; n <= commits; n++)
        commits_exhaustively(n, 0);
    commits_exhaustively(1, 1);
    finish("commits");
}

static void creation_exhaustively(void **state)
{
    (void)state;
    struct life life;
    tally_begin();
    cases = wide_cuts = 0;
    fresh_folders();
    struct model *model = model_new();
    begin_life(&life, model, here("disk"), 1);
    live(&life, (struct step){ STEP_KV_PUT, 7 });
    live(&life, (struct step){ STEP_FLUSH, 1 });
    end_life(&life);
    every_boundary(&life, "creation");
    disk_free(life.disk);
    model_free(model);
    finish("creation");
}

/* Two stores: what was there, and what is built aside and published. */
static void publish_exhaustively(int replace)
{
    struct step base[BASE_MAX];
    struct life life;
    char old_hash[HASH_BYTES];
    rag_error err = RAG_ERROR_INIT;
    fresh_folders();
    struct model *before = model_new(), *model = model_new();
    (void)snprintf(store_path, sizeof store_path, "%s/store", here("disk"));
    if (replace) {
        rag_store *old = must_open(store_path, 0);
        const struct step step = { STEP_KV_PUT, 5 };
        assert_int_equal(step_do(old, step, &err), RAG_OK);
        model_add(before, step);
        rag_store_close(old);
    }
    memcpy(old_hash, model_hash(before, model_count(before)), sizeof old_hash);
    life = (struct life){ .model = model };
    life.disk = disk_record(here("disk"));
    life.store = must_open(store_path, RAG_OPEN_BUILD | RAG_OPEN_REPLACE);
    const size_t n = steps_of_base(3, 1, base, BASE_MAX);
    for (size_t i = 0; i < n; i++)
        live(&life, base[i]);
    if (rag_store_publish(life.store, NULL, &err) != RAG_OK)
        fail_msg("publish: %s", err.message);
    life.published = disk_length(life.disk);
    end_life(&life);
    life.old_hash = old_hash;
    life.new_hash = model_hash(model, model_count(model));
    every_boundary(&life, replace ? "replaced" : "published");
    disk_free(life.disk);
    model_free(before);
    model_free(model);
}

static void publishing_exhaustively(void **state)
{
    (void)state;
    tally_begin();
    cases = wide_cuts = 0;
    publish_exhaustively(0);
    publish_exhaustively(1);
    finish("publishing");
}

/* ---- random ----------------------------------------------------------------------------------------------- */

/* Of one store in two another page size than the default. */
static void draw_page_size(struct rng *rng)
{
    static const unsigned sizes[] = { 0, 0, 8192, 65536 };
    set_page_size(sizes[rng_below(rng, sizeof sizes / sizeof *sizes)]);
}

/* How the fates of a cut are drawn: mostly lost, mostly kept, by sectors, the first so many. */
static void draw(struct rng *rng, size_t n, unsigned char *fates, double *keep)
{
    static const double chances[] = { 0, 0.1, 0.5, 0.9, 0.98, 1 };
    const double chance = chances[rng_below(rng, 6)];
    const int by_sectors = (int)rng_below(rng, 3);
    const size_t upto = rng_below(rng, 4) ? n : rng_below(rng, (unsigned)n + 1);
    *keep = chances[1 + rng_below(rng, 4)];
    for (size_t i = 0; i < n; i++) {
        fates[i] = rng_unit(rng) < chance && i < upto ? DISK_KEPT : DISK_LOST;
        if (by_sectors && (int)rng_below(rng, 3) < by_sectors)
            fates[i] = DISK_SECTORS;
    }
}

static size_t random_cut(const struct life *life, struct rng *rng, const char *title)
{
    const size_t length = disk_length(life->disk);
    const size_t at = rng_below(rng, (unsigned)length + 1);
    struct disk_cut *cut = disk_cut_at(life->disk, at);
    const size_t n = disk_cut_pending(cut, 0);
    unsigned char *fates = calloc(n + 1, 1);
    assert_non_null(fates);
    struct disk_choice choice = { .fates = fates, .rng = rng };
    draw(rng, n, fates, &choice.keep);
    const size_t found = look(life, cut, at, &choice, title);
    free(fates);
    disk_cut_free(cut);
    return found;
}

static void random_steps(struct life *life, struct rng *rng)
{
    for (unsigned left = 2 + rng_below(rng, 20); left; left--) {
        live(life, step_random(rng));
        if (rng_below(rng, 12) == 0)
            reopen(life);
    }
}

static void random_run(uint64_t seed)
{
    char title[WHAT_BYTES];
    struct rng rng = { seed };
    struct model *model = model_new();
    const unsigned lives = 1 + rng_below(&rng, LIVES);
    const int many = rng_below(&rng, 4) == 0;
    draw_page_size(&rng);
    fresh_folders();
    size_t found = 0;
    for (unsigned number = 0; number < lives && found != SIZE_MAX; number++) {
        struct life life;
        struct step base[BASE_MAX];
        const size_t n = number ? 0 : steps_of_base(rng_next(&rng), many, base, BASE_MAX);
        (void)snprintf(title, sizeof title, "seed %llu, life %u", (unsigned long long)seed, number);
        begin_life(&life, model, here("disk"), rng_below(&rng, 3) ? 1 : 2);
        for (size_t i = 0; i < n; i++)
            live(&life, base[i]);
        random_steps(&life, &rng);
        end_life(&life);
        for (unsigned i = 0; i < CUTS && found != SIZE_MAX; i++)
            found = random_cut(&life, &rng, title);
        disk_free(life.disk);
        if (found == SIZE_MAX)
            break;
        model_cut(model, found); /* the last cut is where the next life begins */
        remove_tree(here("disk"));
        assert_int_equal(rename(here("cut"), here("disk")), 0);
    }
    model_free(model);
}

static void random_cuts(void **state)
{
    (void)state;
    const unsigned long seed = setting("RAGSTORE_TEST_SEED", 20251);
    const unsigned long runs = setting("RAGSTORE_CRASH_RUNS", 25);
    print_message("seeds %lu to %lu\n", seed, seed + runs - 1);
    tally_begin();
    cases = 0;
    for (unsigned long i = 0; i < runs; i++)
        random_run(seed + i);
    set_page_size(0);
    print_message("%lu runs\n", runs);
    tally_print("random cuts", cases);
    tally_must_be_clean();
}

/* ---- two processes ---------------------------------------------------------------------------------------- */

/* A step of a process. Between its marks in the log; where its first commit ended is its place in the
 * order of all: a second one only notes that it is durable. */
struct turn {
    struct step step;
    size_t begun, ended, place;
    int process;
};

static unsigned long changes_of_turn; /* a commit after one of the other process */

static void child(struct disk *disk, int process, const struct step *steps, size_t count, int ready,
                  int go)
{
    rag_error err = RAG_ERROR_INIT;
    rag_store *store = NULL;
    char byte = 0;
    disk_be_process(disk, process);
    rag_status status = try_open(store_path, 0, &store, &err);
    if (write(ready, &byte, 1) != 1 || read(go, &byte, 1) != 0)
        _exit(2);
    for (size_t i = 0; i < count && status == RAG_OK; i++) {
        disk_mark(disk);
        status = step_do(store, steps[i], &err);
        disk_mark(disk);
    }
    if (status != RAG_OK)
        print_error("process %d: %s\n", process, err.message);
    rag_store_close(store);
    _exit(status != RAG_OK);
}

/* Both do their steps at once. */
static void run_both(struct disk *disk, struct step steps[DISK_PROCESSES][STEPS_MAX], size_t count)
{
    int ready[2], go[2];
    char bytes[DISK_PROCESSES];
    pid_t pids[DISK_PROCESSES];
    assert_true(pipe(ready) == 0 && pipe(go) == 0);
    for (int p = 0; p < DISK_PROCESSES; p++) {
        pids[p] = fork();
        if (pids[p] == 0) {
            (void)close(go[1]);
            child(disk, p, steps[p], count, ready[1], go[0]);
        }
        assert_true(pids[p] > 0);
    }
    (void)close(ready[1]);
    (void)close(go[0]);
    for (int p = 0; p < DISK_PROCESSES; p++)
        assert_int_equal(read(ready[0], &bytes[p], 1), 1);
    (void)close(go[1]);
    (void)close(ready[0]);
    for (int p = 0; p < DISK_PROCESSES; p++) {
        int status = 0;
        assert_int_equal(waitpid(pids[p], &status, 0), pids[p]);
        assert_int_equal(status, 0);
    }
}

/* 0: it changed nothing. A flush changes nothing, but what came before it is durable after it. */
static int find_turn(const struct disk *disk, struct step step, int process, size_t i,
                     struct turn *out)
{
    int who;
    *out = (struct turn){ .step = step, .process = process };
    out->begun = out->place = disk_mark_place(disk, process, 2 * i);
    out->ended = disk_mark_place(disk, process, 2 * i + 1);
    if (step.kind == STEP_FLUSH)
        return 1;
    while (out->place < out->ended && !(disk_is_commit(disk, out->place, &who) && who == process))
        out->place++;
    return out->place < out->ended;
}

static size_t find_turns(const struct disk *disk, struct step steps[DISK_PROCESSES][STEPS_MAX],
                         size_t count, struct turn *out)
{
    size_t found = 0;
    for (int p = 0; p < DISK_PROCESSES; p++) {
        assert_int_equal(disk_marks(disk, p), 2 * count);
        for (size_t i = 0; i < count; i++)
            found += (size_t)find_turn(disk, steps[p][i], p, i, &out[found]);
    }
    return found;
}

/* A flush at the place of a commit began before it. */
static int by_place(const void *a, const void *b)
{
    const struct turn *x = a, *y = b;
    if (x->place != y->place)
        return x->place > y->place ? 1 : -1;
    return (x->step.kind != STEP_FLUSH) - (y->step.kind != STEP_FLUSH);
}

/* Nothing tells which of two processes was first when neither did anything to the disk in between. */
static int had_ended(const struct turn *turn, const struct turn *when)
{
    return turn->ended < when->begun ||
           (turn->ended == when->begun && turn->process == when->process);
}

/* How many steps of the model are durable after the i-th turn. After a flush: those that had ended when
 * it began; one that was about to commit then is none of its business. */
static size_t durable_after(const struct model *model, const struct turn *turns, size_t i,
                            size_t base)
{
    if (turns[i].step.kind != STEP_FLUSH)
        return model_durable(model, 0);
    size_t ended = i;
    while (ended && !had_ended(&turns[ended - 1], &turns[i]))
        ended--;
    return base + ended;
}

/* The model does what both did in the order of their commits, and ends where they did. */
static void life_of_two(struct life *life, struct model *model, struct step steps[][STEPS_MAX],
                        size_t count, const char *title)
{
    struct turn turns[DISK_PROCESSES * STEPS_MAX];
    *life = (struct life){ .model = model, .base = model_count(model) };
    (void)snprintf(store_path, sizeof store_path, "%s/store", here("disk"));
    reboot();
    life->disk = disk_record_processes(here("disk"));
    run_both(life->disk, steps, count);
    disk_stop(life->disk);
    life->count = find_turns(life->disk, steps, count, turns);
    assert_true(life->count <= STEPS_MAX);
    qsort(turns, life->count, sizeof *turns, by_place);
    for (size_t i = 0; i < life->count; i++) {
        life->begun[i] = turns[i].place;
        life->ended[i] = turns[i].ended;
        life->process[i] = turns[i].process;
        model_add(model, turns[i].step);
        life->durable[i] = durable_after(model, turns, i, life->base);
        changes_of_turn += i && turns[i].process != turns[i - 1].process;
    }
    (void)model_must_hold(model, store_path, model_count(model), model_count(model), title);
}

/* Nothing of it is recorded: it is on the disk for sure. */
static void base_of_two(struct model *model, uint64_t seed, int many)
{
    struct step base[BASE_MAX];
    rag_error err = RAG_ERROR_INIT;
    fresh_folders();
    (void)snprintf(store_path, sizeof store_path, "%s/store", here("disk"));
    const size_t n = steps_of_base(seed, many, base, BASE_MAX);
    rag_store *store = must_open(store_path, 0);
    for (size_t i = 0; i < n; i++) {
        if (step_do(store, base[i], &err) != RAG_OK)
            fail_msg("%s: %s", step_name(base[i].kind), err.message);
        model_add(model, base[i]);
    }
    rag_store_close(store);
}

static void two_processes_exhaustively(void **state)
{
    (void)state;
    struct step steps[DISK_PROCESSES][STEPS_MAX] = {
        { { STEP_KV_PUT, 100 }, { STEP_FLUSH, 1 } },
        { { STEP_NODES_PUT, 101 }, { STEP_FLUSH, 1 } },
    };
    tally_begin();
    cases = wide_cuts = 0;
    for (uint64_t i = 0; i < setting("RAGSTORE_CRASH_COMMITS", 2); i++) {
        struct life life;
        struct model *model = model_new();
        base_of_two(model, i, 0);
        life_of_two(&life, model, steps, 2, "two processes");
        every_boundary(&life, "two processes");
        disk_free(life.disk);
        model_free(model);
    }
    finish("two processes");
}

static void random_run_of_two(uint64_t seed)
{
    char title[WHAT_BYTES];
    struct rng rng = { seed };
    struct model *model = model_new();
    const unsigned lives = 1 + rng_below(&rng, LIVES);
    draw_page_size(&rng);
    base_of_two(model, rng_next(&rng), rng_below(&rng, 4) == 0);
    size_t found = 0;
    for (unsigned number = 0; number < lives && found != SIZE_MAX; number++) {
        struct life life;
        struct step steps[DISK_PROCESSES][STEPS_MAX];
        const size_t count = 2 + rng_below(&rng, 12);
        for (size_t i = 0; i < DISK_PROCESSES * count; i++) {
            struct step *step = &steps[i % DISK_PROCESSES][i / DISK_PROCESSES];
            do
                *step = step_random(&rng);
            while (step_is_own(step->kind));
        }
        (void)snprintf(title, sizeof title, "two processes, seed %llu, life %u",
                       (unsigned long long)seed, number);
        life_of_two(&life, model, steps, count, title);
        for (unsigned i = 0; i < CUTS && found != SIZE_MAX; i++)
            found = random_cut(&life, &rng, title);
        disk_free(life.disk);
        if (found == SIZE_MAX)
            break;
        model_cut(model, found);
        remove_tree(here("disk"));
        assert_int_equal(rename(here("cut"), here("disk")), 0);
    }
    model_free(model);
}

static void random_cuts_of_two_processes(void **state)
{
    (void)state;
    const unsigned long seed = setting("RAGSTORE_TEST_SEED", 20251);
    const unsigned long runs = setting("RAGSTORE_CRASH_RUNS", 25);
    tally_begin();
    cases = changes_of_turn = 0;
    for (unsigned long i = 0; i < runs; i++)
        random_run_of_two(seed + i);
    set_page_size(0);
    print_message("%lu runs; %lu commits followed one of the other process\n", runs,
                  changes_of_turn);
    tally_print("random cuts of two processes", cases);
    tally_must_be_clean();
    assert_true(changes_of_turn > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(creation_exhaustively),
        cmocka_unit_test(up_to_three_commits_exhaustively),
        cmocka_unit_test(publishing_exhaustively),
        cmocka_unit_test(two_processes_exhaustively),
        cmocka_unit_test(random_cuts),
        cmocka_unit_test(random_cuts_of_two_processes),
    };
    const char *only = getenv("RAGSTORE_CRASH_ONLY"); /* NOLINT(concurrency-mt-unsafe) */
    if (only && *only)
        cmocka_set_test_filter(only);
    os_calls.fsync = os_calls.fdatasync = no_sync;
    explain_failure = explain;
    exhaustive_max = setting("RAGSTORE_CRASH_SUBSETS", 9);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
