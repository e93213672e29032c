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
};

static const char SEARCHING[] = "searching";

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

/* Settings of a search by index, until its transaction ends. Without sorting the planner has only the
 * index: it takes comparing all for cheap, as it does not count the fetching of vectors from where they are
 * stored aside. Its cost for what is switched off would bring compiling (jit) along. */
#define EFFORT                                                                   \
    "SELECT set_config('hnsw.ef_search', $1::int8::text, true),"                 \
    " set_config('ivfflat.probes', $2::int8::text, true),"                       \
    " set_config('ragstore.enable_sort', current_setting('enable_sort'), true)," \
    " set_config('ragstore.jit', current_setting('jit'), true),"                 \
    " set_config('enable_sort', 'off', true), set_config('jit', 'off', true)"
static const char SQL_EFFORT[] = EFFORT;
static const char SQL_EFFORT_ITERATES[] =
    EFFORT ", set_config('hnsw.iterative_scan', 'relaxed_order', true),"
           " set_config('ivfflat.iterative_scan', 'relaxed_order', true)";
static const char SQL_EFFORT_OVER[] =
    "SELECT set_config('enable_sort', current_setting('ragstore.enable_sort'), true),"
    " set_config('jit', current_setting('ragstore.jit'), true)";

/* How the rows are looked for: by index or all of them, and how many are asked for. */
struct plan {
    int near, shared;
    size_t asked;
};

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

static struct plan make_plan(const struct pg_use *use, const rag_vector_query *q)
{
    const size_t asked = rows_by_index(&use->space, q, use->rows);
    if (!asked)
        return (struct plan){ 0, 0, q->top_k + 1 };
    return (struct plan){ 1, is_shared(&use->space, use->rows), asked };
}

/* Parameters of the statements of one trip. */
struct asking {
    struct pg_text query;
    struct pg_params effort, main, odd;
};

/* Where most rows are others', IVFFLAT looks into all lists: those nearest to the query may have none of
 * the best of ours; else half of them: made over an empty table the lists are poor. */
static rag_status queue_effort(const rag_call *call, struct pg_conn *conn,
                               const struct pg_space *space, const struct plan *p,
                               struct pg_params *params, rag_error *err)
{
    const struct pg_server *s = call->self;
    const size_t twice = p->asked * 2 < EF_LEAST ? EF_LEAST : p->asked * 2;
    memset(params, 0, sizeof *params);
    pg_add_int(params, twice > EF_MOST ? EF_MOST : (int64_t)twice);
    pg_add_int(params, p->shared ? PROBES_ALL : s->vector_options.lists / 2 + 1);
    return pg_queue(conn, space->iterates ? SQL_EFFORT_ITERATES : SQL_EFFORT, params,
                    "preparing a search", NULL, err);
}

/* The main statement, queued. In a transaction that goes on its settings are taken back. */
static rag_status queue_main(const rag_call *call, struct pg_conn *conn, const struct searching *w,
                             const struct pg_space *space, const struct plan *p,
                             struct asking *asking, PGresult **out, rag_error *err)
{
    const int payload = (w->query->what & RAG_VECTOR_VALUES) != 0;
    const char *sql = p->near ? space->sql->near[payload] : space->sql->exact[payload];
    if (p->near)
        PG_TRY(queue_effort(call, conn, space, p, &asking->effort, err));
    pg_params_begin_named(&asking->main, call, w->name);
    pg_add_slice(&asking->main, (rag_slice){ asking->query.data, asking->query.len });
    pg_add_int(&asking->main, (int64_t)p->asked);
    pg_add_int(&asking->main, w->query->what & RAG_VECTOR_VECTORS);
    if (p->near)
        pg_add_int(&asking->main, (int64_t)w->query->top_k + 1);
    PG_TRY(pg_queue(conn, sql, &asking->main, SEARCHING, out, err));
    return p->near && PQtransactionStatus(conn->pg) != PQTRANS_IDLE
               ? pg_queue(conn, SQL_EFFORT_OVER, NULL, SEARCHING, NULL, err)
               : RAG_OK;
}

/* All that is to be known, in one trip, or in two when nobody has counted the rows yet. */
static rag_status ask_all(const rag_call *call, struct pg_conn *conn, const struct searching *w,
                          struct pg_use *use, struct plan *p, struct asking *asking,
                          struct answers *a, rag_error *err)
{
    const int payload = (w->query->what & RAG_VECTOR_VALUES) != 0;
    PGresult *rows = NULL;
    if (w->query->dimension != use->space.facts.dimension)
        return call->host->fail(err, RAG_E_MISMATCH, "vector space '%s' has dimension %u, not %zu",
                                w->name, use->space.facts.dimension, w->query->dimension);
    PG_TRY(encode_query(call, &use->space, w->query, &asking->query, err));
    pg_params_begin_named(&asking->odd, call, w->name);
    if (use->counted)
        PG_TRY(pg_queue(conn, pg_sql_space_rows, &asking->odd, SEARCHING, &rows, err));
    else
        PG_TRY(pg_space_rows(call, conn, w->name, &use->rows, err));
    *p = make_plan(use, w->query);
    PG_TRY(queue_main(call, conn, w, &use->space, p, asking, &a->main, err));
    PG_TRY(pg_run(conn, call->ctx, use->space.sql->odd[payload], &asking->odd, SEARCHING, &a->odd,
                  err));
    if (rows)
        use->rows = (uint64_t)pg_int(rows, 0, 0);
    use->counted = 1;
    PQclear(rows);
    return RAG_OK;
}

/* How many rows the index gave, of which those that come are the best. */
static size_t rows_given(const struct pg_space *space, const PGresult *main)
{
    const int at = PG_AT_COLUMNS + (int)(space->table ? space->table->column_count : 0);
    return PQntuples(main) ? (size_t)pg_int(main, 0, at + PG_VECTOR_GIVEN) : 0;
}

/* The main statement once more: the index was asked for by what is not so any more, or gave fewer
 * rows than asked for, which are not all then. */
static rag_status ask_again(const rag_call *call, struct pg_conn *conn, const struct searching *w,
                            const struct pg_use *use, struct plan p, struct asking *asking,
                            struct answers *a, rag_error *err)
{
    struct plan next = make_plan(use, w->query);
    while (p.near) {
        const int same = next.near && next.shared == p.shared && next.asked == p.asked;
        if (same && rows_given(&use->space, a->main) >= p.asked)
            break;
        if (same)
            next = (struct plan){ 0, 0, w->query->top_k + 1 };
        p = next;
        PQclear(a->main);
        a->main = NULL;
        PG_TRY(queue_main(call, conn, w, &use->space, &p, asking, &a->main, err));
        PG_TRY(pg_send_queue(conn, call->ctx, err));
    }
    return RAG_OK;
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
    struct pg_use use;
    struct plan plan = { 0 };
    struct answers answers = { 0 };
    PG_TRY(pg_use_begin(call, conn, w->name, &use, err));
    if (!use.found)
        return pg_space_missing(call, w->name, err);
    struct asking asking = { .query = { .host = call->host } };
    rag_status status = ask_all(call, conn, w, &use, &plan, &asking, &answers, err);
    status = pg_use_end(call, conn, &use, status, err);
    if (status == RAG_OK)
        status = ask_again(call, conn, w, &use, plan, &asking, &answers, err);
    if (status == RAG_OK)
        status = append_hits(call, w, &use.space, &answers, err);
    pg_text_free(&asking.query);
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
