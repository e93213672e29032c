/* Commands of store_probe that fork. The child looks at what it inherited, and says "wrong WHAT" when
 * something is; the parent says "child 0" when all was well.
 *
 *   fork H END        in whatever state the handle is. END is how the child ends an open transaction:
 *                     "commit", "abort", or nothing: the closing does it
 *   forkin H WHAT N   N times while another thread does WHAT again and again: one of the calls below, or
 *                     write, backup, open, index
 *   hold H            a child that only lives on; "child PID"
 *   holdin H WHAT N   N such children, forked while another thread does WHAT, which goes on: "children PID ..." */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "store_probe.h"

/* ---- what a child may not do with an inherited handle ---------------------------------------------------- */

struct refused {
    rag_store *store;
    const rag_context *ctx;
};

static rag_status call_get(const struct refused *r, rag_error *err)
{
    const rag_slice key = rag_text("k");
    rag_result *rows = NULL;
    const rag_status status = rag_kv_get_many(r->store, r->ctx, "n", &key, 1, &rows, err);
    rag_result_free(rows);
    return status;
}

static rag_status call_put(const struct refused *r, rag_error *err)
{
    const rag_kv_item item = { rag_text("refused"), rag_text("{}"), 0, 0 };
    return rag_kv_put_many(r->store, r->ctx, "n", &item, 1, NULL, err);
}

static rag_status call_scan(const struct refused *r, rag_error *err)
{
    rag_result *rows = NULL;
    const rag_status status = rag_kv_scan(r->store, r->ctx, "n", rag_text("k"), 5, &rows, err);
    rag_result_free(rows);
    return status;
}

static rag_status call_drop(const struct refused *r, rag_error *err)
{
    return rag_kv_drop(r->store, r->ctx, "n", err);
}

static rag_status call_node(const struct refused *r, rag_error *err)
{
    const rag_node node = { rag_text("refused"), rag_text("{}") };
    return rag_graph_put_nodes(r->store, r->ctx, &node, 1, RAG_PUT_MERGE, NULL, err);
}

static rag_status call_doc(const struct refused *r, rag_error *err)
{
    const rag_doc doc = { rag_text("refused"), rag_text("{\"status\":\"pending\"}") };
    return rag_docstatus_put_many(r->store, r->ctx, &doc, 1, NULL, err);
}

static rag_status call_search(const struct refused *r, rag_error *err)
{
    float vector[VECTOR_DIMENSION];
    rag_vector_query query = RAG_VECTOR_QUERY_INIT;
    rag_result *rows = NULL;
    make_vector(7, vector);
    query.vector = vector;
    query.dimension = VECTOR_DIMENSION;
    const rag_status status = rag_vector_search(r->store, r->ctx, "v", &query, &rows, err);
    rag_result_free(rows);
    return status;
}

static rag_status call_defer(const struct refused *r, rag_error *err)
{
    const rag_pending_item item = {
        rag_text("refused"), rag_text("{\"content\":\"t\"}"), { NULL, 0 }, 0
    };
    return rag_vector_defer_many(r->store, r->ctx, "v", &item, 1, NULL, err);
}

static rag_status call_pending(const struct refused *r, rag_error *err)
{
    rag_result *rows = NULL;
    const rag_status status =
        rag_vector_pending(r->store, r->ctx, "v", rag_text(""), 5, &rows, err);
    rag_result_free(rows);
    return status;
}

static rag_status call_flush(const struct refused *r, rag_error *err)
{
    return rag_flush(r->store, r->ctx, 0, err);
}

static rag_status call_begin(const struct refused *r, rag_error *err)
{
    rag_txn *txn = NULL;
    return rag_txn_begin(r->store, r->ctx, &txn, err);
}

static rag_status call_publish(const struct refused *r, rag_error *err)
{
    return rag_store_publish(r->store, r->ctx, err);
}

static rag_status call_optimize(const struct refused *r, rag_error *err)
{
    return rag_store_optimize(r->store, r->ctx, err);
}

static rag_status call_compact(const struct refused *r, rag_error *err)
{
    return rag_store_compact(r->store, r->ctx, NULL, err);
}

static rag_status call_check(const struct refused *r, rag_error *err)
{
    rag_result *rows = NULL;
    const rag_status status = rag_store_check(r->store, r->ctx, NULL, &rows, err);
    rag_result_free(rows);
    return status;
}

static rag_status call_backup(const struct refused *r, rag_error *err)
{
    return rag_store_backup(r->store, r->ctx, "/nonexistent/copy", err);
}

static rag_status call_join(const struct refused *r, rag_error *err)
{
    int initialise;
    return rag_shared_join(r->store, r->ctx, "s", &initialise, err);
}

static rag_status call_describe(const struct refused *r, rag_error *err)
{
    rag_result *rows = NULL;
    const rag_status status = rag_store_describe(r->store, r->ctx, &rows, err);
    rag_result_free(rows);
    return status;
}

static const struct {
    const char *name;
    rag_status (*call)(const struct refused *r, rag_error *err);
} calls[] = {
    { "get", call_get },           { "put", call_put },         { "scan", call_scan },
    { "drop", call_drop },         { "node", call_node },       { "doc", call_doc },
    { "search", call_search },     { "defer", call_defer },     { "pending", call_pending },
    { "flush", call_flush },       { "begin", call_begin },     { "publish", call_publish },
    { "optimize", call_optimize }, { "compact", call_compact }, { "check", call_check },
    { "backup", call_backup },     { "join", call_join },       { "describe", call_describe },
};

enum { CALLS = sizeof calls / sizeof *calls };

static int all_refused(const struct handle *h)
{
    rag_context ctx = RAG_CONTEXT_INIT;
    for (int in_txn = 0; in_txn <= (h->txn != NULL); in_txn++) {
        ctx.txn = in_txn ? h->txn : NULL;
        const struct refused r = { h->store, &ctx };
        for (int i = 0; i < CALLS; i++) {
            rag_error err = RAG_ERROR_INIT;
            const rag_status status = calls[i].call(&r, &err);
            if (status != RAG_E_FORKED) {
                say("wrong: %s answers %d in the child: %s", calls[i].name, (int)status,
                    err.message);
                return 0;
            }
        }
    }
    return 1;
}

/* ---- what a child may not have ----------------------------------------------------------------------------- */

/* Entries of a folder of /proc that do not count: "." and "..", and what this function has itself. */
static int count_entries(const char *folder)
{
    DIR *dir = opendir(folder);
    int count = 0;
    while (dir && readdir(dir))
        count++;
    if (dir)
        (void)closedir(dir);
    return count - 2;
}

/* Nothing is open but what every process has, and the folder that is being read. */
static int no_descriptors(void)
{
    static const char FOLDER[] = "/proc/self/fd";
    const int count = count_entries(FOLDER);
    if (count == 4)
        return 1;
    DIR *dir = opendir(FOLDER);
    for (const struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir)) {
        char link[300], target[600] = "";
        (void)snprintf(link, sizeof link, "%s/%s", FOLDER, e->d_name);
        if (readlink(link, target, sizeof target - 1) > 0 && strtol(e->d_name, NULL, 10) > 2 &&
            strstr(target, "/fd") == NULL) {
            say("wrong: the child has descriptor %s open: %s", e->d_name, target);
            return 0;
        }
    }
    say("wrong: the child has %d descriptors open", count);
    return 0;
}

static int no_threads(void)
{
    const int count = count_entries("/proc/self/task");
    if (count != 1)
        say("wrong: %d threads in the child", count);
    return count == 1;
}

/* ---- what a child may do with a store of its own ------------------------------------------------------------ */

static int failed(const char *what, const rag_error *err)
{
    say("wrong: %s in the child: %s", what, err->message);
    return 0;
}

/* Another store than the parent's, beside it. */
static int use_own(const struct handle *h)
{
    struct handle own = { 0 };
    char url[4200];
    rag_error err = RAG_ERROR_INIT;
    (void)snprintf(url, sizeof url, "%s-of-child", h->url);
    if (open_handle(&own, url, 0, &err) != RAG_OK)
        return failed("opening its own store", &err);
    if (put_text(&own, "child", "x", 1, 60000, NULL, &err) != RAG_OK)
        return failed("writing to its own store", &err);
    rag_store_close(own.store);
    return 1;
}

/* The parent's store, opened again. Who holds the turn in the parent holds it still: closing what was
 * inherited gave no lock away. */
static int use_same(const struct handle *h)
{
    struct handle own = { 0 };
    uint64_t rows;
    rag_error err = RAG_ERROR_INIT;
    const rag_status opened = open_handle(&own, h->url, RAG_OPEN_EXISTING, &err);
    if (h->flags & RAG_OPEN_BUILD && opened == RAG_E_NOT_FOUND)
        return 1; /* not published */
    if (opened != RAG_OK)
        return failed("opening the same store", &err);
    if (rag_kv_count(own.store, NULL, "n", &rows, &err) != RAG_OK)
        return failed("reading the same store", &err);
    const rag_status put = put_text(&own, "child", "x", 1, h->txn ? 100 : 60000, NULL, &err);
    if (put != (h->txn ? RAG_E_TIMEOUT : RAG_OK))
        return failed(h->txn ? "a write beside an open transaction" : "writing", &err);
    if (!h->txn && rag_flush(own.store, NULL, 0, &err) != RAG_OK)
        return failed("a flush", &err);
    rag_store_close(own.store);
    return 1;
}

static int end_transaction(struct handle *h, const char *end)
{
    rag_error err = RAG_ERROR_INIT;
    if (!h->txn || !end)
        return 1;
    if (strcmp(end, "commit") != 0)
        rag_txn_abort(h->txn);
    else if (rag_txn_commit(h->txn, NULL, NULL, &err) != RAG_E_FORKED)
        return failed("a commit that is not refused", &err);
    return 1;
}

static int child(struct handle *h, const char *end)
{
    if (!no_descriptors() || !no_threads() || !all_refused(h) || !end_transaction(h, end))
        return 1;
    rag_store_close(h->store);
    return !no_descriptors() || !use_same(h) || !use_own(h) || !no_descriptors();
}

static int fork_child(struct handle *h, const char *end)
{
    const pid_t pid = fork();
    if (pid == 0) {
        (void)alarm(120); /* a child that is stuck dies of it, and is seen to */
        _exit(child(h, end));
    }
    int status = 0;
    (void)waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

void do_fork(struct handle *h, const char *end)
{
    say("child %d", fork_child(h, end));
}

/* A child that does nothing but live, with whatever it inherited; it lives already: what fork() does in
 * the child has been done. */
static pid_t fork_holder(void)
{
    int ends[2];
    char alive = 0;
    if (pipe2(ends, O_CLOEXEC) != 0)
        abort();
    const pid_t pid = fork();
    if (pid == 0) {
        if (write(ends[1], &alive, 1) != 1)
            abort();
        for (;;)
            (void)pause();
    }
    if (read(ends[0], &alive, 1) != 1)
        abort();
    (void)close(ends[0]);
    (void)close(ends[1]);
    return pid;
}

void do_fork_hold(struct handle *h)
{
    (void)h;
    say("child %ld", (long)fork_holder());
}

/* ---- while another thread is inside a call ------------------------------------------------------------------- */

struct busy {
    struct handle *h;
    const char *what;
    atomic_int stop;
    long calls;
    rag_error err; /* of the first call that failed, and the last */
};

static rag_status backup_once(const struct handle *h, long n, rag_error *err)
{
    char target[4300];
    (void)snprintf(target, sizeof target, "%s-copy-%ld", h->url, n);
    return rag_store_backup(h->store, NULL, target, err);
}

static rag_status open_once(const struct handle *h, rag_error *err)
{
    struct handle own = { 0 };
    const rag_status status = open_handle(&own, h->url, 0, err);
    if (status == RAG_OK)
        rag_store_close(own.store);
    return status;
}

/* New rows, and with them an index file. */
static rag_status index_once(const struct handle *h, long n, rag_error *err)
{
    const rag_status status = put_vectors(h->store, "v", n * 2000, 2000, err);
    return status == RAG_OK ? rag_store_optimize(h->store, NULL, err) : status;
}

static rag_status do_what(const struct busy *b, rag_error *err)
{
    static char text[8000];
    const struct refused r = { b->h->store, NULL };
    memset(text, 'x', sizeof text);
    if (strcmp(b->what, "write") == 0)
        return put_text(b->h, "busy", text, sizeof text, 0, NULL, err);
    if (strcmp(b->what, "backup") == 0)
        return backup_once(b->h, b->calls, err);
    if (strcmp(b->what, "open") == 0)
        return open_once(b->h, err);
    if (strcmp(b->what, "index") == 0)
        return index_once(b->h, b->calls, err);
    for (int i = 0; i < CALLS; i++)
        if (strcmp(calls[i].name, b->what) == 0)
            return calls[i].call(&r, err);
    return RAG_E_INVALID;
}

static void *stay_busy(void *argument)
{
    struct busy *b = argument;
    while (!atomic_load(&b->stop) && b->err.status == RAG_OK) {
        (void)do_what(b, &b->err);
        b->calls++;
    }
    return NULL;
}

/* Of different length, so that the forks meet different places. */
static void wait_a_moment(int i)
{
    const struct timespec a_moment = { .tv_nsec = 1000000L * (i * 7 % 20) };
    (void)nanosleep(&a_moment, NULL);
}

/* The thread never ends: the program is killed. */
void do_hold_in(struct handle *h, const char *what, int times)
{
    static struct busy busy;
    char pids[1024] = "";
    pthread_t thread;
    busy = (struct busy){ .h = h, .what = what, .err = RAG_ERROR_INIT };
    if (pthread_create(&thread, NULL, stay_busy, &busy) != 0)
        abort();
    for (int i = 0; i < times; i++) {
        const size_t len = strlen(pids);
        wait_a_moment(i);
        (void)snprintf(pids + len, sizeof pids - len, " %ld", (long)fork_holder());
    }
    say("children%s", pids);
}

void do_fork_in(struct handle *h, const char *what, int times)
{
    struct busy busy = { .h = h, .what = what, .err = RAG_ERROR_INIT };
    pthread_t thread;
    int result = 0;
    if (pthread_create(&thread, NULL, stay_busy, &busy) != 0)
        abort();
    for (int i = 0; i < times && result == 0; i++) {
        wait_a_moment(i);
        result = fork_child(h, NULL);
    }
    atomic_store(&busy.stop, 1);
    (void)pthread_join(thread, NULL);
    if (busy.err.status != RAG_OK)
        say("wrong: %s of the parent: %s", what, busy.err.message);
    else
        say("child %d calls %ld", result, busy.calls);
}
