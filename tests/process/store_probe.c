/* A program that does to stores what a test tells it, one command in a line of standard input, one
 * line of answer (loops: one for each acknowledged write). Tests run several of them, let them
 * compete and kill them: what was acknowledged on the pipe is what must be found again.
 *
 *   open H URL FLAGS [MS]    close H               flush H             describe H
 *   put H KEY TEXT [MS]      get H KEY             count H             doc H ID
 *   begin H [MS]             commit H              abort H             publish H             optimize H
 *   fill H KEY BYTES         a value of random, incompressible text
 *   batch H PREFIX N TEXT    N similar values in one call       erase H PREFIX N
 *   loop H PREFIX FROM N BYTES   N commits, "ack KEY" after each; ends with "done" or the error
 *   join H, ready H, leave H, incr H N   the shared namespace "s"; incr: key "n" by compare and swap
 *   mark N                   a system call that strace can find again (getpriority)
 *   defer H PREFIX N         embed H MS CONCURRENCY       pending H         droppending H
 *   storm, watch, walk, page   batches that are killed, and who looks at them: store_probe_storm.c
 *   all H KEY            seen H KEY            in all kinds of store: store_probe_rows.c
 *   threads H T N, flushes H T, mixed H WRITERS READERS MS [H2], orders URL: store_probe_work.c
 *   fork, forkin, hold, holdin   store_probe_fork.c     vectors, erasev, search: store_probe_search.c
 * H is a number; KEY, TEXT, ... have no blanks. All values are in namespace "n". */
#include "store_probe.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

struct handle handles[HANDLES];

void say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    flockfile(stdout); /* threads say things too */
    (void)vprintf(format, args);
    (void)putchar('\n');
    (void)fflush(stdout);
    funlockfile(stdout);
    va_end(args);
}

static const char *outcome_text(rag_outcome outcome)
{
    switch (outcome) {
    case RAG_OUTCOME_NOT_APPLIED: return "not-applied";
    case RAG_OUTCOME_APPLIED: return "applied";
    case RAG_OUTCOME_DURABLE: return "durable";
    case RAG_OUTCOME_UNKNOWN: return "unknown";
    }
    return "?";
}

void say_outcome(rag_status status, rag_token token, const rag_error *err)
{
    if (status == RAG_OK)
        say("ok %llu", (unsigned long long)token);
    else
        say("error %d %s %s", (int)status, outcome_text(err->outcome), err->message);
}

/* ---- values ---------------------------------------------------------------------------------------- */

rag_status put_text(struct handle *h, const char *key, const char *text, size_t len,
                    int64_t wait_ms, rag_token *token, rag_error *err)
{
    rag_context ctx = RAG_CONTEXT_INIT;
    ctx.txn = h->txn;
    ctx.deadline_ns = wait_ms ? rag_deadline_in_ms(wait_ms) : 0;
    char *value = malloc(len + 16);
    if (!value)
        return RAG_E_NO_MEMORY;
    const int n = snprintf(value, len + 16, "{\"v\":\"%.*s\"}", (int)len, text);
    const rag_kv_item item = { rag_text(key), { value, (size_t)n }, 0, 0 };
    const rag_status status = rag_kv_put_many(h->store, &ctx, "n", &item, 1, token, err);
    free(value);
    return status;
}

/* Text that zstd makes nothing of; the same for the same seed. */
static char *random_text(size_t len, unsigned seed)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    char *text = malloc(len + 1);
    unsigned long long state = seed * 2654435761U + 1;
    for (size_t i = 0; text && i < len; i++) {
        state = state * 6364136223846793005ULL + 1442695040888963407ULL;
        text[i] = letters[state >> 58];
    }
    if (text)
        text[len] = 0;
    return text;
}

static void do_put(struct handle *h, const char *key, const char *text, int64_t wait_ms)
{
    rag_error err = RAG_ERROR_INIT;
    rag_token token = 0;
    const rag_status status = put_text(h, key, text, strlen(text), wait_ms, &token, &err);
    say_outcome(status, token, &err);
}

static void do_fill(struct handle *h, const char *key, size_t len)
{
    char *text = len <= VALUE_MAX ? random_text(len, (unsigned)len) : NULL;
    if (text)
        do_put(h, key, text, 0);
    else
        say("no memory");
    free(text);
}

static void do_loop(struct handle *h, const char *prefix, long from, long n, size_t len)
{
    for (long i = from; i < from + n; i++) {
        char key[128];
        rag_error err = RAG_ERROR_INIT;
        (void)snprintf(key, sizeof key, "%s%ld", prefix, i);
        char *text = random_text(len, (unsigned)i);
        const rag_status status = put_text(h, key, text, len, 0, NULL, &err);
        free(text);
        if (status != RAG_OK) {
            say_outcome(status, 0, &err);
            return;
        }
        say("ack %s", key);
    }
    say("done");
}

enum { BATCH_MAX = 2000 };

/* In one call, so that a dictionary is learnt from them. */
static void do_batch(struct handle *h, const char *prefix, long n, const char *text)
{
    static char keys[BATCH_MAX][64], values[BATCH_MAX][512];
    static rag_kv_item items[BATCH_MAX];
    rag_error err = RAG_ERROR_INIT;
    rag_token token = 0;
    for (long i = 0; i < n && i < BATCH_MAX; i++) {
        (void)snprintf(keys[i], sizeof keys[i], "%.40s%ld", prefix, i);
        (void)snprintf(values[i], sizeof values[i], "{\"number\":%ld,\"text\":\"%.400s\"}",
                       i * 7919, text);
        items[i] = (rag_kv_item){ rag_text(keys[i]), rag_text(values[i]), 0, 0 };
    }
    const rag_status status = rag_kv_put_many(h->store, NULL, "n", items, (size_t)n, &token, &err);
    say_outcome(status, token, &err);
}

static void do_erase(struct handle *h, const char *prefix, long n)
{
    static char keys[BATCH_MAX][64];
    static rag_slice slices[BATCH_MAX];
    rag_error err = RAG_ERROR_INIT;
    uint64_t deleted = 0;
    for (long i = 0; i < n && i < BATCH_MAX; i++) {
        (void)snprintf(keys[i], sizeof keys[i], "%.40s%ld", prefix, i);
        slices[i] = rag_text(keys[i]);
    }
    const rag_status status =
        rag_kv_delete_many(h->store, NULL, "n", slices, (size_t)n, &deleted, NULL, &err);
    say_outcome(status, deleted, &err);
}

static void do_get(struct handle *h, const char *key)
{
    rag_context ctx = RAG_CONTEXT_INIT;
    ctx.txn = h->txn;
    rag_error err = RAG_ERROR_INIT;
    const rag_slice asked = rag_text(key);
    rag_result *result = NULL;
    const rag_status status = rag_kv_get_many(h->store, &ctx, "n", &asked, 1, &result, &err);
    if (status != RAG_OK) {
        say_outcome(status, 0, &err);
        return;
    }
    const rag_row *row = rag_result_row(result, 0);
    if (row->found)
        say("value %.*s", (int)row->value.len, (const char *)row->value.data);
    else
        say("absent");
    rag_result_free(result);
}

static void do_count(struct handle *h)
{
    rag_error err = RAG_ERROR_INIT;
    uint64_t count = 0;
    const rag_status status = rag_kv_count(h->store, NULL, "n", &count, &err);
    if (status == RAG_OK)
        say("count %llu", (unsigned long long)count);
    else
        say_outcome(status, 0, &err);
}

static void do_doc(struct handle *h, const char *id)
{
    rag_context ctx = RAG_CONTEXT_INIT;
    ctx.txn = h->txn;
    rag_error err = RAG_ERROR_INIT;
    rag_token token = 0;
    const rag_doc doc = { rag_text(id), rag_text("{\"status\":\"pending\"}") };
    const rag_status status = rag_docstatus_put_many(h->store, &ctx, &doc, 1, &token, &err);
    say_outcome(status, token, &err);
}

/* ---- stores and transactions ------------------------------------------------------------------------ */

rag_status open_handle(struct handle *h, const char *url, unsigned flags, rag_error *err)
{
    rag_open_options options = RAG_OPEN_OPTIONS_INIT;
    options.flags = flags;
    options.lock_timeout_ms = h->lock_timeout_ms;
    h->flags = flags;
    options.workspace = "";
    options.config_file = "";
    (void)snprintf(h->url, sizeof h->url, "%s", url);
    return rag_store_open(url, &options, NULL, &h->store, err);
}

static void do_open(struct handle *h, const char *url, unsigned flags, int64_t wait_ms)
{
    rag_error err = RAG_ERROR_INIT;
    h->lock_timeout_ms = wait_ms;
    const rag_status status = open_handle(h, url, flags, &err);
    say_outcome(status, 0, &err);
}

static void do_close(struct handle *h)
{
    rag_store_close(h->store);
    h->store = NULL;
    h->txn = NULL;
    say("ok 0");
}

static void do_flush(struct handle *h)
{
    rag_error err = RAG_ERROR_INIT;
    const rag_status status = rag_flush(h->store, NULL, 0, &err);
    say_outcome(status, 0, &err);
}

static void do_optimize(struct handle *h)
{
    rag_error err = RAG_ERROR_INIT;
    const rag_status status = rag_store_optimize(h->store, NULL, &err);
    say_outcome(status, 0, &err);
}

static void do_publish(struct handle *h)
{
    rag_error err = RAG_ERROR_INIT;
    const rag_status status = rag_store_publish(h->store, NULL, &err);
    say_outcome(status, 0, &err);
}

static void do_begin(struct handle *h, int64_t wait_ms)
{
    rag_error err = RAG_ERROR_INIT;
    rag_context ctx = RAG_CONTEXT_INIT;
    ctx.deadline_ns = wait_ms ? rag_deadline_in_ms(wait_ms) : 0;
    const rag_status status = rag_txn_begin(h->store, &ctx, &h->txn, &err);
    say_outcome(status, 0, &err);
}

static void do_commit(struct handle *h)
{
    rag_error err = RAG_ERROR_INIT;
    rag_token token = 0;
    const rag_status status = rag_txn_commit(h->txn, NULL, &token, &err);
    h->txn = NULL;
    say_outcome(status, token, &err);
}

static void do_abort(struct handle *h)
{
    rag_txn_abort(h->txn);
    h->txn = NULL;
    say("ok 0");
}

static void do_describe(struct handle *h)
{
    rag_error err = RAG_ERROR_INIT;
    rag_result *result = NULL;
    const rag_status status = rag_store_describe(h->store, NULL, &result, &err);
    if (status != RAG_OK) {
        say_outcome(status, 0, &err);
        return;
    }
    const rag_row *row = rag_result_row(result, 0);
    say("%.*s", (int)row->value.len, (const char *)row->value.data);
    rag_result_free(result);
}

/* ---- the shared namespace ------------------------------------------------------------------------------- */

static void do_join(struct handle *h)
{
    rag_error err = RAG_ERROR_INIT;
    int initialise = 0;
    const rag_status status = rag_shared_join(h->store, NULL, "s", &initialise, &err);
    say_outcome(status, (rag_token)initialise, &err);
}

static void do_ready(struct handle *h)
{
    rag_error err = RAG_ERROR_INIT;
    const rag_status status = rag_shared_ready(h->store, NULL, "s", &err);
    say_outcome(status, 0, &err);
}

static void do_leave(struct handle *h)
{
    rag_error err = RAG_ERROR_INIT;
    const rag_status status = rag_shared_leave(h->store, NULL, "s", &err);
    say_outcome(status, 0, &err);
}

/* Read key "n", add one, put it when nobody else has meanwhile; *n is what is there then. */
static rag_status increment_once(struct handle *h, long *n, rag_error *err)
{
    const rag_slice key = rag_text("n");
    rag_result *rows = NULL;
    char text[64];
    const rag_status status = rag_shared_get(h->store, NULL, "s", &key, 1, &rows, err);
    if (status != RAG_OK)
        return status;
    const rag_row *row = rag_result_row(rows, 0);
    const char *at = row->found ? strchr(row->value.data, ':') : NULL;
    const long next = (at ? strtol(at + 1, NULL, 10) : 0) + 1;
    (void)snprintf(text, sizeof text, "{\"v\":%ld}", next);
    const rag_shared_change one = { key, rag_text(text), 0, row->number };
    rag_result_free(rows);
    *n = next;
    return rag_shared_update(h->store, NULL, "s", &one, 1, err);
}

static void do_increment(struct handle *h, long times)
{
    rag_error err = RAG_ERROR_INIT;
    long n = 0;
    for (long i = 0; i < times;) {
        const rag_status status = increment_once(h, &n, &err);
        if (status == RAG_OK) {
            i++;
        } else if (status != RAG_E_CONFLICT) {
            say_outcome(status, 0, &err);
            return;
        }
    }
    say("ok %ld", n);
}

/* ---- commands ------------------------------------------------------------------------------------------ */

enum { WORDS = 6 };

static long number(const char *text)
{
    return text ? strtol(text, NULL, 10) : 0;
}

static int is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

/* Commands of a handle alone. 1: done. */
static int simple_command(const char *name, struct handle *h)
{
    static const struct {
        const char *name;
        void (*run)(struct handle *h);
    } commands[] = { { "close", do_close },
                     { "flush", do_flush },
                     { "publish", do_publish },
                     { "commit", do_commit },
                     { "abort", do_abort },
                     { "count", do_count },
                     { "hold", do_fork_hold },
                     { "describe", do_describe },
                     { "join", do_join },
                     { "ready", do_ready },
                     { "leave", do_leave },
                     { "pending", do_pending },
                     { "droppending", do_drop_pending },
                     { "optimize", do_optimize } };
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (is(name, commands[i].name)) {
            commands[i].run(h);
            return 1;
        }
    }
    return 0;
}

static void command(char *words[WORDS])
{
    const char *name = words[0];
    struct handle *h = &handles[(unsigned long)number(words[1]) % HANDLES];
    if (simple_command(name, h))
        return;
    if (is(name, "open"))
        do_open(h, words[2], (unsigned)number(words[3]), number(words[4]));
    else if (is(name, "begin"))
        do_begin(h, number(words[2]));
    else if (is(name, "put"))
        do_put(h, words[2], words[3], number(words[4]));
    else if (is(name, "get"))
        do_get(h, words[2]);
    else if (is(name, "doc"))
        do_doc(h, words[2]);
    else if (is(name, "incr"))
        do_increment(h, number(words[2]));
    else if (is(name, "fill"))
        do_fill(h, words[2], (size_t)number(words[3]));
    else if (is(name, "batch"))
        do_batch(h, words[2], number(words[3]), words[4]);
    else if (is(name, "erase"))
        do_erase(h, words[2], number(words[3]));
    else if (is(name, "loop"))
        do_loop(h, words[2], number(words[3]), number(words[4]), (size_t)number(words[5]));
    else if (is(name, "threads"))
        do_threads(h, (int)number(words[2]), (int)number(words[3]));
    else if (is(name, "flushes"))
        do_threads_flush(h, (int)number(words[2]));
    else if (is(name, "mixed"))
        do_mixed(h, (int)number(words[2]), (int)number(words[3]), (int)number(words[4]),
                 words[5] ? &handles[(unsigned long)number(words[5]) % HANDLES] : h);
    else if (is(name, "defer"))
        do_defer(h, words[2], (int)number(words[3]));
    else if (is(name, "embed"))
        do_embed(h, (unsigned)number(words[2]), (unsigned)number(words[3]));
    else if (is(name, "all"))
        do_all(h, words[2]);
    else if (is(name, "seen"))
        do_seen(h, words[2]);
    else if (is(name, "storm"))
        do_storm(h, number(words[2]), number(words[3]), (unsigned)number(words[4]));
    else if (is(name, "watch"))
        do_watch(h, number(words[2]), (unsigned)number(words[3]));
    else if (is(name, "walk"))
        do_walk(h, words[2], number(words[3]), (size_t)number(words[4]), number(words[5]));
    else if (is(name, "orders"))
        do_orders(words[1]);
    else if (is(name, "fork"))
        do_fork(h, words[2]);
    else if (is(name, "forkin"))
        do_fork_in(h, words[2], (int)number(words[3]));
    else if (is(name, "holdin"))
        do_hold_in(h, words[2], (int)number(words[3]));
    else if (is(name, "page"))
        do_page(h, (size_t)number(words[2]));
    else if (is(name, "vectors"))
        do_vectors(h, words[2], number(words[3]), number(words[4]));
    else if (is(name, "erasev"))
        do_erase_vectors(h, words[2], number(words[3]), number(words[4]));
    else if (is(name, "search"))
        do_search(h, words[2], number(words[3]));
    else if (is(name, "mark"))
        say("marked %d", getpriority(PRIO_PROCESS, 0));
    else
        say("what is %s?", name);
}

int main(void)
{
    char line[8192];
    while (fgets(line, sizeof line, stdin)) {
        char *words[WORDS] = { NULL };
        char *rest = line;
        int n = 0;
        for (char *word = strsep(&rest, " \n"); word && n < WORDS; word = strsep(&rest, " \n"))
            if (*word)
                words[n++] = word;
        if (n)
            command(words);
    }
    for (int i = 0; i < HANDLES; i++)
        rag_store_close(handles[i].store);
    return 0;
}
