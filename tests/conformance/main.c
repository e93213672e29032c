/* conformance BACKEND [SUITE [PART OF A NAME]]: run the cases; `conformance --list` prints them.
 *
 * Each suite is one cmocka group. A case gets a fresh store and gives it back; of a backend that
 * keeps its data, the store is closed and opened again after the case and must hold the same. Cases
 * that a backend cannot run (quirks, deviations) are not in its list, and are printed: nothing is
 * left out silently. */
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conformance.h"

static const struct conformance_suite suites[] = {
    { "kv", HAS_KV, kv_cases },
    { "kv", HAS_KV, kv_value_cases },
    { "kv", HAS_KV, kv_limit_cases },
    { "vector", HAS_VECTOR, vector_cases },
    { "vector", HAS_VECTOR, vector_search_cases },
    { "vector", HAS_VECTOR, vector_pending_cases },
    { "graph", HAS_GRAPH, graph_cases },
    { "graph", HAS_GRAPH, graph_view_cases },
    { "graph", HAS_GRAPH, graph_label_cases },
    { "docstatus", HAS_DOCSTATUS, docstatus_cases },
    { "docstatus", HAS_DOCSTATUS, docstatus_pipeline_cases },
    { "shared", HAS_KV, shared_cases },
    { "store", HAS_ALL, store_cases },
    { "txn", HAS_ALL, txn_cases },
    { "care", HAS_ALL, care_cases },
    { "care", HAS_ALL, content_hash_cases },
    { "threads", HAS_ALL, thread_cases },
    { "threads", HAS_VECTOR, thread_pending_cases },
};
enum { SUITES = sizeof suites / sizeof suites[0], CASES_MAX = 400 };

struct run {
    const struct conformance_backend *backend;
    const struct conformance_case *chosen;
};

static struct env env; /* of the case that runs */
static struct run runs[CASES_MAX];
static struct CMUnitTest tests[CASES_MAX];
static char names[CASES_MAX][128];
static size_t test_count;

/* ---- one case ------------------------------------------------------------------------------------- */

static unsigned choose_seed(void)
{
    const char *given = getenv("RAGSTORE_TEST_SEED");
    return given && *given ? (unsigned)strtoul(given, NULL, 10) : 20240607u;
}

static int set_up(void **state)
{
    static unsigned number;
    const struct run *run = *state;
    struct env *e = &env;
    memset(e, 0, sizeof *e);
    e->backend = run->backend;
    e->seed = choose_seed();
    char folder[160];
    if (!getcwd(folder, sizeof folder))
        return -1;
    (void)snprintf(e->place.path, sizeof e->place.path, "%s/place-%ld-%u", folder, (long)getpid(),
                   number++);
    if (mkdir(e->place.path, 0700) != 0)
        return -1;
    if (run->backend->prepare)
        run->backend->prepare(&e->place);
    if (run->backend->open(&e->place, NULL, &e->store, &e->err) == RAG_OK)
        return 0;
    print_error("opening a fresh store: %s\n", e->err.message);
    return -1;
}

static void run_case(void **state)
{
    const struct run *run = *state;
    run->chosen->run(&env);
    if (run->backend->quirks.offers & NEEDS_PERSISTENCE)
        expect_same_after_reopening(&env);
}

static int remove_one(const char *path, const struct stat *about, int type, struct FTW *where)
{
    (void)about;
    (void)type;
    (void)where;
    return remove(path);
}

static int tear_down(void **state)
{
    const struct run *run = *state;
    struct env *e = &env;
    for (size_t i = 0; i < e->result_count; i++)
        rag_result_free(e->results[i]);
    free_texts();
    rag_store_close(e->store);
    if (run->backend->destroy)
        run->backend->destroy(&e->place);
    return nftw(e->place.path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- the list ------------------------------------------------------------------------------------- */

static const char *why_not(const struct conformance_backend *backend, const char *name,
                           unsigned needs)
{
    for (const struct deviation *d = backend->deviations; d && d->name; d++)
        if (strcmp(strchr(name, '/') + 1, d->name) == 0)
            return d->reason;
    return needs & ~backend->quirks.offers ? "needs what the backend does not offer" : NULL;
}

static void add_case(const struct conformance_backend *backend, const char *kind,
                     const struct conformance_case *c, const char *part)
{
    if (test_count == CASES_MAX) {
        (void)fprintf(stderr, "more than %d cases: raise CASES_MAX\n", CASES_MAX);
        exit(2);
    }
    char *name = names[test_count];
    (void)snprintf(name, sizeof names[0], "%s/%s/%s", backend->name, kind, c->name);
    if (part && !strstr(name, part))
        return;
    const char *reason = why_not(backend, name, c->needs);
    if (reason) {
        (void)printf("not run: %s: %s\n", name, reason);
        return;
    }
    struct run *run = &runs[test_count];
    run->backend = backend;
    run->chosen = c;
    tests[test_count++] = (struct CMUnitTest){ name, run_case, set_up, tear_down, run };
}

static void add_suite(const struct conformance_backend *backend, const char *kind, const char *part)
{
    test_count = 0;
    for (size_t i = 0; i < SUITES; i++) {
        if (strcmp(suites[i].kind, kind) != 0)
            continue;
        if (suites[i].kinds & ~backend->quirks.kinds)
            (void)printf("not run: %s/%s: the backend does not serve it\n", backend->name, kind);
        else
            for (const struct conformance_case *c = suites[i].cases; c->name; c++)
                add_case(backend, kind, c, part);
    }
}

static const struct conformance_backend *find_backend(const char *name)
{
    for (size_t i = 0; conformance_backends[i]; i++)
        if (strcmp(conformance_backends[i]->name, name) == 0)
            return conformance_backends[i];
    return NULL;
}

static int is_first_of_kind(size_t suite)
{
    for (size_t i = 0; i < suite; i++)
        if (strcmp(suites[i].kind, suites[suite].kind) == 0)
            return 0;
    return 1;
}

static void list_cases(void)
{
    for (size_t b = 0; conformance_backends[b]; b++)
        for (size_t s = 0; s < SUITES; s++)
            for (const struct conformance_case *c = suites[s].cases; c->name; c++)
                (void)printf("%s/%s/%s\n", conformance_backends[b]->name, suites[s].kind, c->name);
}

static int run_suite(const struct conformance_backend *backend, const char *kind, const char *part)
{
    add_suite(backend, kind, part);
    if (test_count == 0)
        return 0;
    char group[64];
    (void)snprintf(group, sizeof group, "%s/%s", backend->name, kind);
    return _cmocka_run_group_tests(group, tests, test_count, NULL, NULL);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        list_cases();
        return 0;
    }
    const struct conformance_backend *backend = argc > 1 ? find_backend(argv[1]) : NULL;
    if (!backend || argc > 4) {
        (void)fprintf(stderr, "usage: conformance --list | BACKEND [SUITE [PART OF A NAME]]\n");
        return 2;
    }
    int failed = 0, ran = 0;
    for (size_t i = 0; i < SUITES; i++) {
        if (!is_first_of_kind(i) || (argc > 2 && strcmp(argv[2], suites[i].kind) != 0))
            continue;
        failed += run_suite(backend, suites[i].kind, argc > 3 ? argv[3] : NULL);
        ran += (int)test_count;
    }
    if (!ran)
        (void)fprintf(stderr, "no case was chosen\n");
    return failed || !ran ? 1 : 0;
}
