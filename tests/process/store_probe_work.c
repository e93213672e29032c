/* Work of store_probe with threads. Each prints one line at its end. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "store_probe.h"

enum { THREADS_MAX = 64 };

struct job {
    struct handle *h;
    int number, each;
    int64_t until_ns;
    long done, failed;
    double worst_ms;
    rag_error first;
};

static double now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void count(struct job *job, rag_status status, const rag_error *err)
{
    if (status == RAG_OK)
        job->done++;
    else if (job->failed++ == 0)
        job->first = *err;
}

static void run_jobs(struct job *jobs, int n, void *(*work)(void *))
{
    pthread_t threads[THREADS_MAX];
    for (int i = 0; i < n; i++)
        if (pthread_create(&threads[i], NULL, work, &jobs[i]) != 0)
            abort();
    for (int i = 0; i < n; i++)
        (void)pthread_join(threads[i], NULL);
}

static void say_jobs(const struct job *jobs, int n)
{
    long done = 0, failed = 0;
    const char *message = "";
    for (int i = 0; i < n; i++) {
        done += jobs[i].done;
        failed += jobs[i].failed;
        if (jobs[i].failed)
            message = jobs[i].first.message;
    }
    say("done %ld failed %ld %s", done, failed, message);
}

/* ---- writers, flushers, readers -------------------------------------------------------------------- */

static void *write_values(void *argument)
{
    struct job *job = argument;
    for (int i = 0; i < job->each; i++) {
        char key[64];
        rag_error err = RAG_ERROR_INIT;
        (void)snprintf(key, sizeof key, "p%ld-t%d-%d", (long)getpid(), job->number, i);
        count(job, put_text(job->h, key, "x", 1, 0, NULL, &err), &err);
    }
    return NULL;
}

void do_threads(struct handle *h, int threads, int each)
{
    struct job jobs[THREADS_MAX] = { { 0 } };
    for (int i = 0; i < threads; i++)
        jobs[i] = (struct job){ .h = h, .number = i, .each = each };
    run_jobs(jobs, threads, write_values);
    say_jobs(jobs, threads);
}

static pthread_barrier_t together;

static void *flush_once(void *argument)
{
    struct job *job = argument;
    rag_error err = RAG_ERROR_INIT;
    (void)pthread_barrier_wait(&together);
    count(job, rag_flush(job->h->store, NULL, 0, &err), &err);
    return NULL;
}

void do_threads_flush(struct handle *h, int threads)
{
    struct job jobs[THREADS_MAX] = { { 0 } };
    for (int i = 0; i < threads; i++)
        jobs[i] = (struct job){ .h = h };
    (void)pthread_barrier_init(&together, NULL, (unsigned)threads);
    run_jobs(jobs, threads, flush_once);
    (void)pthread_barrier_destroy(&together);
    say_jobs(jobs, threads);
}

static void *write_until(void *argument)
{
    struct job *job = argument;
    char text[8001];
    memset(text, 'a', 8000);
    text[8000] = 0;
    unsigned state = (unsigned)getpid() * 31 + (unsigned)job->number;
    for (int i = 0; rag_deadline_in_ms(0) < job->until_ns; i++) {
        char key[64];
        rag_error err = RAG_ERROR_INIT;
        for (int j = 0; j < 8000; j++) {
            state = state * 1664525 + 1013904223;
            text[j] = (char)('A' + (state >> 24) % 58);
            if (text[j] == '\\')
                text[j] = 'x';
        }
        (void)snprintf(key, sizeof key, "p%ld-t%d-%d", (long)getpid(), job->number, i);
        const double start = now_ms();
        count(job, put_text(job->h, key, text, 8000, 0, NULL, &err), &err);
        const double took = now_ms() - start;
        job->worst_ms = took > job->worst_ms ? took : job->worst_ms;
    }
    return NULL;
}

static void *read_until(void *argument)
{
    struct job *job = argument;
    while (rag_deadline_in_ms(0) < job->until_ns) {
        rag_error err = RAG_ERROR_INIT;
        rag_result *result = NULL;
        count(job, rag_kv_scan(job->h->store, NULL, "n", rag_text("p"), 20, &result, &err), &err);
        rag_result_free(result);
    }
    return NULL;
}

static void *read_or_write_until(void *argument)
{
    struct job *job = argument;
    return job->each ? write_until(job) : read_until(job);
}

void do_mixed(struct handle *h, int writers, int readers, int milliseconds, struct handle *other)
{
    static int before; /* rows of each time have names of their own */
    struct job jobs[THREADS_MAX] = { { 0 } };
    long written = 0, read = 0, failed = 0;
    double worst = 0;
    for (int i = 0; i < writers + readers; i++)
        jobs[i] = (struct job){ .h = i % 2 ? other : h,
                                .number = before + i,
                                .each = i < writers,
                                .until_ns = rag_deadline_in_ms(milliseconds) };
    before += writers;
    run_jobs(jobs, writers + readers, read_or_write_until);
    for (int i = 0; i < writers + readers; i++) {
        *(i < writers ? &written : &read) += jobs[i].done;
        failed += jobs[i].failed;
        worst = jobs[i].worst_ms > worst ? jobs[i].worst_ms : worst;
    }
    say("written %ld read %ld failed %ld worst_ms %.1f", written, read, failed, worst);
}

/* ---- handles in all orders --------------------------------------------------------------------------- */

enum { ORDER_HANDLES = 4, ORDERS = 24 };

/* The permutation of 0 .. ORDER_HANDLES-1 with number n. */
static void permutation(int n, int *out)
{
    int rest[ORDER_HANDLES];
    for (int i = 0; i < ORDER_HANDLES; i++)
        rest[i] = i;
    for (int i = 0, left = ORDER_HANDLES; i < ORDER_HANDLES; i++, left--) {
        const int at = n % left;
        n /= left;
        out[i] = rest[at];
        memmove(&rest[at], &rest[at + 1], (size_t)(left - at - 1) * sizeof *rest);
    }
}

/* Open handles (the odd ones read-only), use each, close them in the order `n`; use what remains. */
static int one_order(const char *url, int n, rag_error *err)
{
    struct handle h[ORDER_HANDLES] = { 0 };
    int order[ORDER_HANDLES], ok = 1;
    uint64_t rows;
    permutation(n, order);
    for (int i = 0; i < ORDER_HANDLES && ok; i++)
        ok = open_handle(&h[i], url, i % 2 ? RAG_OPEN_READ_ONLY : 0, err) == RAG_OK;
    for (int i = 0; i < ORDER_HANDLES && ok; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "order%d-%d", n, i);
        for (int j = i; j < ORDER_HANDLES && ok; j++) {
            struct handle *still = &h[order[j]];
            ok = rag_kv_count(still->store, NULL, "n", &rows, err) == RAG_OK;
            if (ok && order[j] % 2 == 0)
                ok = put_text(still, key, "x", 1, 60000, NULL, err) == RAG_OK;
        }
        rag_store_close(h[order[i]].store);
        h[order[i]].store = NULL;
    }
    for (int i = 0; i < ORDER_HANDLES; i++)
        rag_store_close(h[i].store);
    return ok;
}

void do_orders(const char *url)
{
    rag_error err = RAG_ERROR_INIT;
    for (int n = 0; n < ORDERS; n++) {
        if (!one_order(url, n, &err)) {
            say("order %d: %s", n, err.message);
            return;
        }
    }
    say("done %d", ORDERS);
}
