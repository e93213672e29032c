/* A program for tests of what goes wrong: makes calls one by one as it is told, or many at once.
 *
 *     calls URL                     commands from its input, an answer to each
 *     calls URL load WORKERS SEED   writers until its input ends, a line for each call
 *
 * Commands: put KEY, doc KEY (document status), define (the space of vectors), defer KEY (a row that waits for its
 * vector), vector KEY, vectors KEY (that of KEY is read), near (what is nearest), node KEY, edge KEY (from that
 * node), nodes KEY (it is read), get KEY (value and status), value KEY, begin, commit, abort, flush (of the last
 * token), flush-all, describe. "@MS" before a command gives it a deadline. Answers: "ok" and what was found, or
 * "STATUS OUTCOME RETRYABLE SQLSTATE MESSAGE", all numbers as in status.h and "-" for no state.
 *
 * Lines of load: "SEQUENCE put|doc|flush WORKER NUMBER BEGAN ANSWER...": keys are "WORKER-NUMBER"; a flush is of all
 * up to NUMBER. BEGAN and SEQUENCE count calls: those of all workers that began or ended are ordered by them. At the
 * end each worker flushes until it is answered. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ragstore/ragstore.h>

enum { WORKERS_MAX = 16, DIMENSION = 4, LAST_FLUSHES = 100, PAUSE_US = 50000 };

static rag_status put_value(rag_store *store, const rag_context *ctx, const char *key,
                            rag_token *token, rag_error *err)
{
    const rag_kv_item item = { .key = rag_text(key), .value = rag_text("{\"v\":1}") };
    return rag_kv_put_many(store, ctx, "n", &item, 1, token, err);
}

static rag_status put_doc(rag_store *store, const rag_context *ctx, const char *key,
                          rag_token *token, rag_error *err)
{
    const rag_doc doc = { rag_text(key), rag_text("{\"status\":\"pending\"}") };
    return rag_docstatus_put_many(store, ctx, &doc, 1, token, err);
}

static void print_answer(rag_status status, const rag_error *err, const char *found)
{
    if (status == RAG_OK)
        (void)printf("ok%s%s\n", *found ? " " : "", found);
    else
        (void)printf("%d %d %d %s %s\n", (int)status, (int)err->outcome, err->retryable,
                     *err->native_state ? err->native_state : "-", err->message);
    (void)fflush(stdout);
}

/* ---- one by one ----------------------------------------------------------------------------------- */

struct shell {
    rag_store *store;
    rag_txn *txn;
    rag_token token;
    char found[4000];
};

static rag_status define(rag_store *store, const rag_context *ctx, rag_error *err)
{
    rag_vector_space space = RAG_VECTOR_SPACE_INIT;
    space.dimension = DIMENSION;
    return rag_vector_define(store, ctx, "entities", &space, err);
}

static rag_status defer(rag_store *store, const rag_context *ctx, const char *key, rag_error *err)
{
    const rag_pending_item item = { rag_text(key), rag_text("{}"), rag_text("text"), 0 };
    const rag_status status = define(store, ctx, err);
    if (status != RAG_OK)
        return status;
    return rag_vector_defer_many(store, ctx, "entities", &item, 1, NULL, err);
}

static const float VECTOR[DIMENSION] = { 1, 0, 0, 0 };

static rag_status put_vector(struct shell *s, const rag_context *ctx, const char *key,
                             rag_error *err)
{
    const rag_vector_item item = { rag_text(key), VECTOR, DIMENSION, rag_text("{}"), 0 };
    return rag_vector_put_many(s->store, ctx, "entities", &item, 1, &s->token, err);
}

static rag_status read_vector(struct shell *s, const rag_context *ctx, const char *key,
                              rag_error *err)
{
    const rag_slice ids[] = { rag_text(key) };
    const unsigned what = RAG_VECTOR_VALUES | RAG_VECTOR_VECTORS;
    rag_result *rows = NULL;
    const rag_status status =
        rag_vector_get_many(s->store, ctx, "entities", ids, 1, what, &rows, err);
    if (status == RAG_OK)
        (void)snprintf(s->found, sizeof s->found, "%s",
                       rag_result_row(rows, 0)->found ? "found" : "absent");
    rag_result_free(rows);
    return status;
}

static rag_status search(struct shell *s, const rag_context *ctx, rag_error *err)
{
    rag_vector_query query = RAG_VECTOR_QUERY_INIT;
    rag_result *rows = NULL;
    query.vector = VECTOR;
    query.dimension = DIMENSION;
    query.top_k = 10;
    const rag_status status = rag_vector_search(s->store, ctx, "entities", &query, &rows, err);
    if (status == RAG_OK)
        (void)snprintf(s->found, sizeof s->found, "%zu", rag_result_count(rows));
    rag_result_free(rows);
    return status;
}

static rag_status put_node(struct shell *s, const rag_context *ctx, const char *key, int edge,
                           rag_error *err)
{
    const rag_node node = { rag_text(key), rag_text("{\"entity_type\":\"x\"}") };
    const rag_edge to = { rag_text(key), rag_text("other"), rag_text("{\"weight\":1.0}") };
    return edge ? rag_graph_put_edges(s->store, ctx, &to, 1, RAG_PUT_REPLACE, &s->token, err)
                : rag_graph_put_nodes(s->store, ctx, &node, 1, RAG_PUT_REPLACE, &s->token, err);
}

static rag_status read_node(struct shell *s, const rag_context *ctx, const char *key,
                            rag_error *err)
{
    const rag_slice labels[] = { rag_text(key) };
    rag_result *rows = NULL;
    const rag_status status =
        rag_graph_get_nodes(s->store, ctx, labels, 1, RAG_GRAPH_VALUES, &rows, err);
    if (status == RAG_OK)
        (void)snprintf(s->found, sizeof s->found, "%s",
                       rag_result_row(rows, 0)->found ? "found" : "absent");
    rag_result_free(rows);
    return status;
}

static rag_status get_value(struct shell *s, const rag_context *ctx, const char *key,
                            rag_error *err)
{
    const rag_slice keys[] = { rag_text(key) };
    rag_result *rows = NULL;
    const rag_status status = rag_kv_get_many(s->store, ctx, "n", keys, 1, &rows, err);
    rag_result_free(rows);
    return status;
}

static rag_status get(struct shell *s, const rag_context *ctx, const char *key, rag_error *err)
{
    const rag_slice keys[] = { rag_text(key) };
    rag_result *rows = NULL, *docs = NULL;
    rag_status status = rag_kv_get_many(s->store, ctx, "n", keys, 1, &rows, err);
    if (status == RAG_OK)
        status = rag_docstatus_get_many(s->store, ctx, keys, 1, &docs, err);
    if (status == RAG_OK)
        (void)snprintf(s->found, sizeof s->found, "%s",
                       rag_result_row(rows, 0)->found || rag_result_row(docs, 0)->found ? "found"
                                                                                        : "absent");
    rag_result_free(rows);
    rag_result_free(docs);
    return status;
}

static rag_status describe(struct shell *s, const rag_context *ctx, rag_error *err)
{
    rag_result *row = NULL;
    const rag_status status = rag_store_describe(s->store, ctx, &row, err);
    if (status == RAG_OK)
        (void)snprintf(s->found, sizeof s->found, "%s",
                       (const char *)rag_result_row(row, 0)->value.data);
    rag_result_free(row);
    return status;
}

static rag_status end_transaction(struct shell *s, const rag_context *ctx, int commit,
                                  rag_error *err)
{
    rag_status status = RAG_OK;
    rag_context own = *ctx;
    own.txn = NULL;
    if (commit)
        status = rag_txn_commit(s->txn, &own, &s->token, err);
    else
        rag_txn_abort(s->txn);
    s->txn = NULL;
    return status;
}

static rag_status obey(struct shell *s, const char *word, const char *key, const rag_context *ctx,
                       rag_error *err)
{
    if (strcmp(word, "put") == 0)
        return put_value(s->store, ctx, key, &s->token, err);
    if (strcmp(word, "doc") == 0)
        return put_doc(s->store, ctx, key, &s->token, err);
    if (strcmp(word, "defer") == 0)
        return defer(s->store, ctx, key, err);
    if (strcmp(word, "define") == 0)
        return define(s->store, ctx, err);
    if (strcmp(word, "vector") == 0)
        return put_vector(s, ctx, key, err);
    if (strcmp(word, "vectors") == 0)
        return read_vector(s, ctx, key, err);
    if (strcmp(word, "near") == 0)
        return search(s, ctx, err);
    if (strcmp(word, "node") == 0 || strcmp(word, "edge") == 0)
        return put_node(s, ctx, key, *word == 'e', err);
    if (strcmp(word, "nodes") == 0)
        return read_node(s, ctx, key, err);
    if (strcmp(word, "value") == 0)
        return get_value(s, ctx, key, err);
    if (strcmp(word, "get") == 0)
        return get(s, ctx, key, err);
    if (strcmp(word, "describe") == 0)
        return describe(s, ctx, err);
    if (strcmp(word, "begin") == 0)
        return rag_txn_begin(s->store, ctx, &s->txn, err);
    if (strcmp(word, "commit") == 0 || strcmp(word, "abort") == 0)
        return end_transaction(s, ctx, *word == 'c', err);
    if (strcmp(word, "flush") == 0)
        return rag_flush(s->store, ctx, s->token, err);
    if (strcmp(word, "flush-all") == 0)
        return rag_flush(s->store, ctx, 0, err);
    (void)fprintf(stderr, "calls: no command '%s'\n", word);
    exit(2);
}

static int run_shell(rag_store *store)
{
    struct shell s = { .store = store };
    char line[300];
    while (fgets(line, sizeof line, stdin)) {
        rag_error err = RAG_ERROR_INIT;
        rag_context ctx = RAG_CONTEXT_INIT;
        char *start = line;
        if (*line == '@') {
            ctx.deadline_ns = rag_deadline_in_ms(strtol(line + 1, &start, 10));
            start += strspn(start, " ");
        }
        start[strcspn(start, "\n")] = 0;
        char *key = start + strcspn(start, " "); /* after the word */
        if (*key)
            *key++ = 0;
        ctx.txn = s.txn;
        *s.found = 0;
        const rag_status status = obey(&s, start, key, &ctx, &err);
        print_answer(status, &err, s.found);
    }
    return 0;
}

/* ---- many at once --------------------------------------------------------------------------------- */

static atomic_int stopping;
static atomic_ulong sequence;
static pthread_mutex_t output = PTHREAD_MUTEX_INITIALIZER;

struct worker {
    rag_store *store;
    int number;
    unsigned seed;
    rag_token token;
};

static void say(const struct worker *w, const char *what, int number, unsigned long began,
                rag_status status, const rag_error *err)
{
    (void)pthread_mutex_lock(&output);
    (void)printf("%lu %s %d %d %lu ", atomic_fetch_add(&sequence, 1), what, w->number, number,
                 began);
    print_answer(status, err, "");
    (void)pthread_mutex_unlock(&output);
}

static rag_status flush(struct worker *w, int number)
{
    rag_error err = RAG_ERROR_INIT;
    const unsigned long began = atomic_fetch_add(&sequence, 1);
    const rag_status status = rag_flush(w->store, NULL, w->token, &err);
    say(w, "flush", number, began, status, &err);
    return status;
}

static void *work(void *argument)
{
    struct worker *w = argument;
    int number = 0;
    while (!atomic_load(&stopping)) {
        rag_error err = RAG_ERROR_INIT;
        char key[40];
        const int is_doc = rand_r(&w->seed) % 8 == 0;
        const unsigned long began = atomic_fetch_add(&sequence, 1);
        (void)snprintf(key, sizeof key, "%d-%d", w->number, ++number);
        const rag_status status = is_doc ? put_doc(w->store, NULL, key, &w->token, &err)
                                         : put_value(w->store, NULL, key, &w->token, &err);
        say(w, is_doc ? "doc" : "put", number, began, status, &err);
        if (rand_r(&w->seed) % 8 == 0)
            (void)flush(w, number);
    }
    for (int i = 0; i < LAST_FLUSHES && flush(w, number) != RAG_OK; i++)
        (void)usleep(PAUSE_US);
    return NULL;
}

static int run_load(rag_store *store, int count, unsigned seed)
{
    struct worker workers[WORKERS_MAX];
    pthread_t threads[WORKERS_MAX];
    char ignored[100];
    for (int i = 0; i < count; i++) {
        workers[i] = (struct worker){ store, i, seed + (unsigned)i, 0 };
        if (pthread_create(&threads[i], NULL, work, &workers[i]) != 0)
            return 1;
    }
    while (fgets(ignored, sizeof ignored, stdin))
        ;
    atomic_store(&stopping, 1);
    for (int i = 0; i < count; i++)
        (void)pthread_join(threads[i], NULL);
    return 0;
}

int main(int count, char **words)
{
    rag_error err = RAG_ERROR_INIT;
    rag_store *store = NULL;
    const int load = count == 5 && strcmp(words[2], "load") == 0;
    const long workers = load ? strtol(words[3], NULL, 10) : 1;
    if ((count != 2 && !load) || workers < 1 || workers > WORKERS_MAX) {
        (void)fprintf(stderr, "usage: calls URL | calls URL load WORKERS SEED\n");
        return 2;
    }
    const rag_status status = rag_store_open(words[1], NULL, NULL, &store, &err);
    print_answer(status, &err, "");
    if (status != RAG_OK)
        return 1;
    const int failed = load ? run_load(store, (int)workers, (unsigned)strtoul(words[4], NULL, 10))
                            : run_shell(store);
    rag_store_close(store);
    return failed;
}
