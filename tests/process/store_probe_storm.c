/* Commands of store_probe for tests that kill: batches over two stores that are seen whole or not at
 * all, somebody who looks whether they are, and somebody who goes through the rows page by page.
 *
 *   storm H ID FROM SEED   batches FROM, FROM + 1, ... of writer ID, without end: lines "try N", "turn N"
 *                          (it is its turn to write now; not for each) and "ack N NANOSECONDS"
 *   watch H WRITERS SEED   look at batches of writers 1 to WRITERS, without end: lines "saw N"
 *   walk H PREFIX ROWS PAGE MS   through the namespace again and again: in each pass the ROWS rows whose
 *                          keys begin with PREFIX are seen once each; "walked PASSES" at the end
 *   page H LIMIT           the next page of the namespace: "rows N"
 *
 * Whatever is wrong is a line "torn WHAT" or "error ..." and the end of the command. A batch N of writer I
 * writes "fI-0", "fI-1", ... with N in them, in values and nodes, and adds "sI-N-0", ... to both. N has
 * nine digits, so that the order of keys is that of the batches. Nanoseconds are of CLOCK_MONOTONIC. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "store_probe.h"

enum { FIXED = 6, ADDED = 3, PAD_MAX = 3000, WRITERS_MAX = 16, WAIT_MS = 60000 };

static unsigned next_random(unsigned *state)
{
    *state = *state * 1664525U + 1013904223U;
    return *state >> 8;
}

static long long now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- batches ------------------------------------------------------------------------------------------ */

struct batch {
    char keys[FIXED + ADDED][40];
    char values[FIXED + ADDED][PAD_MAX + 64];
    rag_kv_item items[FIXED + ADDED];
    rag_node nodes[FIXED + ADDED];
};

static void name_fixed(char key[40], long id, int i)
{
    (void)snprintf(key, 40, "f%ld-%d", id, i);
}

static void name_added(char key[40], long id, long n, int i)
{
    (void)snprintf(key, 40, "s%ld-%09ld-%d", id, n, i);
}

static void make_batch(struct batch *b, long id, long n, unsigned *seed)
{
    char pad[PAD_MAX + 1];
    for (int i = 0; i < FIXED + ADDED; i++) {
        const size_t len = next_random(seed) % (i < FIXED ? PAD_MAX : 200);
        for (size_t j = 0; j < len; j++)
            pad[j] = (char)('a' + next_random(seed) % 26);
        pad[len] = 0;
        if (i < FIXED)
            name_fixed(b->keys[i], id, i);
        else
            name_added(b->keys[i], id, n, i - FIXED);
        (void)snprintf(b->values[i], sizeof b->values[i], "{\"v\":%ld,\"pad\":\"%s\"}", n, pad);
        b->items[i] = (rag_kv_item){ rag_text(b->keys[i]), rag_text(b->values[i]), 0, 0 };
        b->nodes[i] = (rag_node){ rag_text(b->keys[i]), rag_text(b->values[i]) };
    }
}

/* In a transaction that is held for up to five milliseconds. */
static rag_status write_in_transaction(rag_store *store, const struct batch *b, long n,
                                       unsigned *seed, rag_error *err)
{
    rag_context ctx = RAG_CONTEXT_INIT;
    ctx.deadline_ns = rag_deadline_in_ms(WAIT_MS);
    rag_status status = rag_txn_begin(store, &ctx, &ctx.txn, err);
    if (status != RAG_OK)
        return status;
    say("turn %ld", n);
    status = rag_kv_put_many(store, &ctx, "n", b->items, FIXED + ADDED, NULL, err);
    (void)usleep(next_random(seed) % 5000);
    if (status == RAG_OK)
        status =
            rag_graph_put_nodes(store, &ctx, b->nodes, FIXED + ADDED, RAG_PUT_REPLACE, NULL, err);
    if (status != RAG_OK) {
        rag_txn_abort(ctx.txn);
        return status;
    }
    rag_txn *txn = ctx.txn;
    ctx.txn = NULL;
    return rag_txn_commit(txn, &ctx, NULL, err);
}

static rag_status write_at_once(rag_store *store, const struct batch *b, rag_error *err)
{
    rag_context ctx = RAG_CONTEXT_INIT;
    ctx.deadline_ns = rag_deadline_in_ms(WAIT_MS);
    rag_upsert upsert = RAG_UPSERT_INIT;
    const rag_kv_batch values = { "n", b->items, FIXED + ADDED };
    upsert.kv = &values;
    upsert.kv_count = 1;
    upsert.nodes = b->nodes;
    upsert.node_count = FIXED + ADDED;
    return rag_coordinated_upsert(store, &ctx, &upsert, NULL, err);
}

void do_storm(struct handle *h, long id, long from, unsigned seed)
{
    static struct batch batch;
    for (long n = from;; n++) {
        rag_error err = RAG_ERROR_INIT;
        say("try %ld", n);
        make_batch(&batch, id, n, &seed);
        rag_status status = next_random(&seed) % 3
                                ? write_in_transaction(h->store, &batch, n, &seed, &err)
                                : write_at_once(h->store, &batch, &err);
        if (status == RAG_OK && next_random(&seed) % 40 == 0)
            status = rag_flush(h->store, NULL, 0, &err);
        if (status != RAG_OK) {
            say_outcome(status, 0, &err);
            return;
        }
        say("ack %ld %lld", n, now_ns());
    }
}

/* ---- looking -------------------------------------------------------------------------------------------- */

/* The batch that all rows speak of; 0 when none of them is there, -1 when they do not agree. */
static long version_of(const rag_result *rows)
{
    long version = -1;
    for (size_t i = 0; i < rag_result_count(rows); i++) {
        const rag_row *row = rag_result_row(rows, i);
        const char *at = row->found ? strstr(row->value.data, "\"v\":") : NULL;
        const long here = at ? strtol(at + 4, NULL, 10) : 0;
        if (i && here != version)
            return -1;
        version = here;
    }
    return version;
}

/* The rows called by `names` in both kinds of store, one call each: what version each has. */
static rag_status look(rag_store *store, char names[][40], size_t n, int nodes, long *version,
                       rag_error *err)
{
    rag_slice keys[FIXED + ADDED];
    rag_result *rows = NULL;
    for (size_t i = 0; i < n; i++)
        keys[i] = rag_text(names[i]);
    const rag_status status =
        nodes ? rag_graph_get_nodes(store, NULL, keys, n, RAG_GRAPH_VALUES, &rows, err)
              : rag_kv_get_many(store, NULL, "n", keys, n, &rows, err);
    if (status == RAG_OK)
        *version = version_of(rows);
    rag_result_free(rows);
    return status;
}

/* Values, nodes, values again, of writer `id`: three moments, each of one whole batch, in order.
 * *last is what was seen before. NULL when all is well. */
static const char *look_at_fixed(rag_store *store, long id, long *last, rag_error *err)
{
    char names[FIXED][40];
    long seen[3] = { 0 };
    for (int i = 0; i < FIXED; i++)
        name_fixed(names[i], id, i);
    for (int i = 0; i < 3; i++) {
        if (look(store, names, FIXED, i == 1, &seen[i], err) != RAG_OK)
            return err->message;
        if (seen[i] < 0)
            return i == 1 ? "nodes of two batches at one moment"
                          : "values of two batches at one moment";
        if (seen[i] < *last)
            return "an older batch after a newer one";
        *last = seen[i];
    }
    return NULL;
}

/* The rows that batch `n` added are all there. */
static const char *look_at_added(rag_store *store, long id, long n, rag_error *err)
{
    char names[ADDED][40];
    for (int i = 0; i < ADDED; i++)
        name_added(names[i], id, n, i);
    for (int nodes = 0; nodes < 2; nodes++) {
        long seen = 0;
        if (look(store, names, ADDED, nodes, &seen, err) != RAG_OK)
            return err->message;
        if (seen != n)
            return nodes ? "nodes of a batch are missing" : "values of a batch are missing";
    }
    return NULL;
}

/* A page is one moment: of the batches between its first and its last row none is there in part. */
static const char *look_at_page(rag_store *store, long id, long from, rag_error *err)
{
    char after[40];
    const char *wrong = NULL;
    rag_result *rows = NULL;
    name_added(after, id, from, ADDED);
    if (rag_kv_scan(store, NULL, "n", rag_text(after), (size_t)ADDED * 20, &rows, err) != RAG_OK)
        return err->message;
    for (size_t i = 0; i < rag_result_count(rows) && !wrong; i++) {
        char wanted[40];
        const rag_slice key = rag_result_row(rows, i)->key;
        if (*(const char *)key.data != 's')
            break;
        const char *dash = memchr(key.data, '-', key.len);
        name_added(wanted, strtol((const char *)key.data + 1, NULL, 10),
                   dash ? strtol(dash + 1, NULL, 10) : 0, (int)(i % ADDED));
        if (key.len != strlen(wanted) || memcmp(key.data, wanted, key.len) != 0)
            wrong = "a page with a part of a batch";
    }
    rag_result_free(rows);
    return wrong;
}

void do_watch(struct handle *h, long writers, unsigned seed)
{
    long last[WRITERS_MAX + 1] = { 0 };
    const char *wrong = NULL;
    rag_error err = RAG_ERROR_INIT;
    for (long n = 1; !wrong; n++) {
        const long id = 1 + (long)next_random(&seed) % (writers < WRITERS_MAX ? writers : 1);
        wrong = look_at_fixed(h->store, id, &last[id], &err);
        if (!wrong && last[id])
            wrong = look_at_added(h->store, id, last[id], &err);
        if (!wrong && last[id])
            wrong = look_at_page(h->store, id, (long)next_random(&seed) % last[id], &err);
        if (!wrong && n % 20 == 0)
            say("saw %ld", n);
    }
    say("%s %s", err.status == RAG_OK ? "torn" : "error", wrong);
}

/* ---- page by page ----------------------------------------------------------------------------------------- */

void do_page(struct handle *h, size_t limit)
{
    rag_error err = RAG_ERROR_INIT;
    rag_result *rows = NULL;
    const rag_status status =
        rag_kv_scan(h->store, NULL, "n", rag_text(h->page), limit, &rows, &err);
    if (status == RAG_OK) {
        const rag_slice next = rag_result_next(rows);
        (void)snprintf(h->page, sizeof h->page, "%.*s", (int)next.len, (const char *)next.data);
        say("rows %zu", rag_result_count(rows));
    } else {
        say_outcome(status, 0, &err);
    }
    rag_result_free(rows);
}

/* One pass; how many keys begin with `prefix` in *seen. */
static rag_status walk_once(rag_store *store, const char *prefix, size_t page, long *seen,
                            rag_error *err)
{
    const size_t len = strlen(prefix);
    char after[128];
    size_t after_len = 0;
    *seen = 0;
    for (;;) {
        rag_result *rows = NULL;
        const rag_status status =
            rag_kv_scan(store, NULL, "n", (rag_slice){ after, after_len }, page, &rows, err);
        if (status != RAG_OK)
            return status;
        for (size_t i = 0; i < rag_result_count(rows); i++) {
            const rag_slice key = rag_result_row(rows, i)->key;
            *seen += key.len >= len && memcmp(key.data, prefix, len) == 0;
        }
        const rag_slice next = rag_result_next(rows);
        after_len = next.len < sizeof after ? next.len : 0;
        memcpy(after, next.data ? next.data : "", after_len);
        rag_result_free(rows);
        if (!after_len)
            return RAG_OK;
    }
}

void do_walk(struct handle *h, const char *prefix, long rows, size_t page, long milliseconds)
{
    const int64_t until = rag_deadline_in_ms(milliseconds);
    long passes = 0;
    do {
        rag_error err = RAG_ERROR_INIT;
        long seen = 0;
        const rag_status status = walk_once(h->store, prefix, page, &seen, &err);
        if (status != RAG_OK) {
            say_outcome(status, 0, &err);
            return;
        }
        if (seen != rows) {
            say("torn pass %ld: %ld rows of %ld", passes, seen, rows);
            return;
        }
        passes++;
    } while (rag_deadline_in_ms(0) < until);
    say("walked %ld", passes);
}
