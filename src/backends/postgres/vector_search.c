/* Searching.
 *
 * A space with few rows, and every `exact` query, is compared row by row: that is the whole answer,
 * with ties in the order of ids. Otherwise the index gives the nearest rows, with iterative scans
 * where pgvector has them (0.8), so that rows of other workspaces in the same table do not crowd ours
 * out; if it gives fewer than asked for, the rows are compared after all. So fewer than top_k hits
 * always mean that there are no more.
 *
 * One row more than top_k is asked for: whether the answer is exhausted is seen, not guessed. The
 * threshold is applied here, behind the server's LIMIT, because a condition on the distance would
 * make an index scan run on after the last row that satisfies it.
 *
 * Scores come from the rows as they are stored, not from the index. Rows too long or too short for
 * pgvector's single precision are scored here, in double. Rows of length zero are found by none. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vector.h"

enum {
    EXACT_ROWS = 1000, /* up to here the index gains nothing */
    SHARED_EXACT_ROWS = 20000,
    SHARED_TIMES = 8, /* rows for each one asked for, from an index that is mostly others' */
    SHARED_MORE = 200,
    NEAR_TOP_MAX = 1000,
    EF_LEAST = 120,
    EF_MOST = 1000,     /* pgvector's */
    PROBES_ALL = 32768, /* pgvector's most: more than any index has lists */
    HALF_SPARE = 16     /* an index over halves orders roundly: some more rows, ordered again */
};

struct hit {
    double score;
    rag_slice key;
    const PGresult *result;
    int row;
};

struct searching {
    const char *name;
    const rag_vector_query *query;
    rag_result *out;
};

struct answers {
    PGresult *main, *odd;
    size_t asked; /* rows that the main statement was limited to */
};

static int compare_hits(const void *a, const void *b)
{
    const struct hit *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return pg_compare(x->key, y->key);
}

/* ---- the query ------------------------------------------------------------------------------------- */

static double dot(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

/* For cosine, a query of extreme length is brought near 1 by a power of two, which changes no bit of
 * its direction. */
static int scale_of(const struct pg_space *space, const rag_vector_query *q)
{
    int exponent;
    const double length = sqrt(dot(q->vector, q->vector, q->dimension));
    if (space->facts.metric != RAG_METRIC_COSINE || (length > 1e-6 && length < 1e6))
        return 0;
    (void)frexp(length, &exponent);
    return -exponent;
}

static rag_status encode_query(const rag_call *call, const struct pg_space *space,
                               const rag_vector_query *q, struct pg_text *out, rag_error *err)
{
    const rag_slice none = { "", 0 };
    const int scale = scale_of(space, q);
    rag_vector_space plain = space->facts;
    plain.element = RAG_ELEMENT_FLOAT32; /* the query is never rounded */
    float *scaled = call->host->alloc(q->dimension * sizeof *scaled);
    if (!scaled)
        return pg_no_memory(call->host, err);
    for (size_t i = 0; i < q->dimension; i++)
        scaled[i] = scale ? ldexpf(q->vector[i], scale) : q->vector[i];
    const rag_status status =
        pg_vector_encode(call->host, &plain, 0, none, scaled, q->dimension, out, err);
    call->host->free(scaled);
    return status;
}

/* ---- asking the server ----------------------------------------------------------------------------- */

/* Settings of index scans, for the session. A transaction that is rolled back takes them back. Where
 * most rows are others', IVFFLAT looks into all lists: those nearest to the query may have none of the
 * best of ours. */
static rag_status set_effort(const rag_call *call, struct pg_conn *conn,
                             const struct pg_space *space, size_t rows, int shared, rag_error *err)
{
    const struct pg_server *s = call->self;
    char sql[256];
    const size_t twice = rows * 2 < EF_LEAST ? EF_LEAST : rows * 2;
    const int ef = twice > EF_MOST ? EF_MOST : (int)twice;
    const int effort = shared ? -ef : ef;
    /* half of them otherwise: made over an empty table the lists are poor */
    const int64_t probes = shared ? PROBES_ALL : s->vector_options.lists / 2 + 1;
    if (conn->vector_effort == effort && !call->txn)
        return RAG_OK;
    (void)snprintf(sql, sizeof sql, "SET hnsw.ef_search = %d; SET ivfflat.probes = %lld%s", ef,
                   (long long)probes,
                   space->iterates ? "; SET hnsw.iterative_scan = relaxed_order;"
                                     " SET ivfflat.iterative_scan = relaxed_order"
                                   : "");
    PG_TRY(pg_command(conn, call->ctx, sql, PG_RUNNING, "preparing a search", err));
    conn->vector_effort = call->txn ? 0 : effort;
    return RAG_OK;
}

static rag_status ask(const rag_call *call, struct pg_conn *conn, const struct searching *w,
                      const struct pg_text *query, const char *sql, size_t limit, PGresult **out,
                      rag_error *err)
{
    struct pg_params params;
    pg_params_begin_named(&params, call, w->name);
    if (limit) {
        pg_add_slice(&params, (rag_slice){ query->data, query->len });
        pg_add_int(&params, (int64_t)limit);
        pg_add_int(&params, w->query->what & RAG_VECTOR_VECTORS);
    }
    return pg_run(conn, call->ctx, sql, &params, "searching", out, err);
}

static int is_shared(const struct pg_space *space, uint64_t rows)
{
    return space->table_rows / 10 * 9 > rows;
}

/* How many rows the index is asked for; 0: it is not to be used. An index over the rows of several
 * workspaces comes to ours by way of theirs and gives the first ones it meets, not the best, when
 * theirs are nearer: a smaller part of a table is compared row by row, or, when it is large, more rows
 * are asked for and ordered again. */
static size_t rows_by_index(const struct pg_space *space, const rag_vector_query *q, uint64_t rows)
{
    const size_t most = q->top_k + 1;
    const int half = space->place.own_half || space->place.lightrag_half;
    if (q->exact || rows <= EXACT_ROWS || most > NEAR_TOP_MAX || most * 4 >= rows)
        return 0;
    if (is_shared(space, rows))
        return rows <= SHARED_EXACT_ROWS ? 0 : most * SHARED_TIMES + SHARED_MORE;
    return most + (half ? most / 4 + HALF_SPARE : 0);
}

static rag_status ask_main(const rag_call *call, struct pg_conn *conn, const struct searching *w,
                           const struct pg_space *space, struct answers *a, rag_error *err)
{
    const int payload = (w->query->what & RAG_VECTOR_VALUES) != 0;
    const size_t most = w->query->top_k + 1;
    struct pg_text query = { .host = call->host };
    uint64_t rows = 0;
    rag_status status = encode_query(call, space, w->query, &query, err);
    if (status == RAG_OK)
        status = pg_space_rows(call, conn, w->name, &rows, err);
    a->asked = status == RAG_OK ? rows_by_index(space, w->query, rows) : 0;
    int near = a->asked > 0;
    if (status == RAG_OK && near) {
        status = set_effort(call, conn, space, a->asked, is_shared(space, rows), err);
        if (status == RAG_OK)
            status = ask(call, conn, w, &query, space->sql->near[payload], a->asked, &a->main, err);
        near = status == RAG_OK && (size_t)PQntuples(a->main) == a->asked;
    }
    if (status == RAG_OK && !near) {
        PQclear(a->main);
        a->main = NULL;
        a->asked = most;
        status = ask(call, conn, w, &query, space->sql->exact[payload], most, &a->main, err);
    }
    if (status == RAG_OK)
        status = ask(call, conn, w, &query, space->sql->odd[payload], 0, &a->odd, err);
    pg_text_free(&query);
    return status;
}

/* ---- hits ------------------------------------------------------------------------------------------ */

static double double_at(const PGresult *result, int row, int column)
{
    const unsigned char *p = (const unsigned char *)PQgetvalue(result, row, column);
    uint64_t bits = 0;
    double x;
    if (PQgetisnull(result, row, column) || PQgetlength(result, row, column) != sizeof x)
        return NAN;
    for (size_t i = 0; i < sizeof x; i++)
        bits = bits << 8 | p[i];
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* The score of a row that came with its vector. */
static rag_status score_odd(const rag_call *call, const struct pg_space *space,
                            const rag_vector_query *q, rag_slice bytes, double *score,
                            rag_error *err)
{
    struct pg_text floats = { .host = call->host };
    const float *v;
    size_t n;
    rag_status status = pg_vector_decode(call->host, bytes, &floats, &v, &n, err);
    if (status == RAG_OK && n == q->dimension) {
        *score = dot(v, q->vector, n);
        if (space->facts.metric == RAG_METRIC_COSINE)
            *score /= sqrt(dot(v, v, n)) * sqrt(dot(q->vector, q->vector, n));
    } else if (status == RAG_OK) {
        status = call->host->fail(err, RAG_E_MISMATCH,
                                  "the vector space has dimension %zu, not %zu", n, q->dimension);
    }
    pg_text_free(&floats);
    return status;
}

/* hits[]: room for the rows of both answers. */
static rag_status collect(const rag_call *call, const struct searching *w,
                          const struct pg_space *space, const struct answers *a, struct hit *hits,
                          size_t *count, rag_error *err)
{
    const int at = PG_AT_COLUMNS + (int)(space->table ? space->table->column_count : 0);
    for (int row = 0; row < PQntuples(a->main); row++) {
        const double d = double_at(a->main, row, at + PG_VECTOR_DISTANCE);
        const double score = space->facts.metric == RAG_METRIC_DOT ? -d : 1 - d;
        if (score >= w->query->min_score)
            hits[(*count)++] =
                (struct hit){ score, pg_slice(a->main, row, PG_AT_KEY), a->main, row };
    }
    for (int row = 0; row < PQntuples(a->odd); row++) {
        double score = 0;
        PG_TRY(score_odd(call, space, w->query, pg_slice(a->odd, row, at + PG_VECTOR_BYTES), &score,
                         err));
        if (score >= w->query->min_score)
            hits[(*count)++] = (struct hit){ score, pg_slice(a->odd, row, PG_AT_KEY), a->odd, row };
    }
    return RAG_OK;
}

static rag_status append_hits(const rag_call *call, const struct searching *w,
                              const struct pg_space *space, const struct answers *a, rag_error *err)
{
    const size_t room = (size_t)PQntuples(a->main) + (size_t)PQntuples(a->odd);
    size_t count = 0;
    struct hit *hits = call->host->alloc((room ? room : 1) * sizeof *hits);
    if (!hits)
        return pg_no_memory(call->host, err);
    rag_status status = collect(call, w, space, a, hits, &count, err);
    if (status == RAG_OK && count)
        qsort(hits, count, sizeof *hits, compare_hits);
    for (size_t i = 0; status == RAG_OK && i < count && i < w->query->top_k; i++)
        status = pg_vector_append(call, space, hits[i].result, hits[i].row, hits[i].key,
                                  hits[i].score, w->query->what, w->out, err);
    if (status == RAG_OK && count <= w->query->top_k)
        call->host->result_flags(w->out, RAG_RESULT_EXHAUSTED);
    call->host->free(hits);
    return status;
}

static rag_status search_work(const rag_call *call, struct pg_conn *conn, void *user,
                              rag_error *err)
{
    const struct searching *w = user;
    struct pg_space space;
    struct answers answers = { 0 };
    int found;
    PG_TRY(pg_space_find(call, conn, w->name, &space, &found, err));
    if (!found)
        return pg_space_missing(call, w->name, err);
    if (w->query->dimension != space.facts.dimension)
        return call->host->fail(err, RAG_E_MISMATCH, "vector space '%s' has dimension %u, not %zu",
                                w->name, space.facts.dimension, w->query->dimension);
    rag_status status = ask_main(call, conn, w, &space, &answers, err);
    if (status == RAG_OK)
        status = append_hits(call, w, &space, &answers, err);
    PQclear(answers.main);
    PQclear(answers.odd);
    return status;
}

rag_status pg_vector_search(const rag_call *call, const char *name_space,
                            const rag_vector_query *query, rag_result *out, rag_error *err)
{
    struct searching w = { name_space, query, out };
    return pg_read(call, search_work, &w, err);
}
