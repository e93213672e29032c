/* Searching a vector space: the index files that the database names, then exactly what no file
 * covers (the tail), all reranked with the stored rows. Without any file it is a walk over all
 * rows: slower, never wrong.
 *
 * Each part hands its best on to the next, which then fetches only what can beat them. All of it runs
 * in one snapshot: the rows, the names of the files and the counters are of the same moment. A file
 * that is damaged or missing is left out with a warning. Called through embedded_vector. */
#include "core/alloc.h"
#include "core/context.h"
#include "core/limits.h"
#include "core/result.h"
#include "core/slice.h"
#include "schema.h"
#include "stores.h"
#include "vector_cache.h"
#include "vector_rows.h"

#include <math.h>
#include <stdlib.h>

static const char SQL_PARTS[] =
    "SELECT part, elements FROM vector_data WHERE part >= ?1 AND part < ?2 ORDER BY part";

struct search {
    struct db_conn *conn;
    const rag_context *ctx;
    const struct space *space;
    const vindex_query *query;
    struct buffer scratch; /* one vector, put together */
};

/* ---- exact scores -------------------------------------------------------------------------------- */

static int is_zero(const struct space *space, const unsigned char *elements)
{
    const size_t width = space->element == RAG_ELEMENT_FLOAT16 ? 2 : 4;
    for (size_t i = 0; i < space_row_bytes(space); i++) /* the top bit of an element is its sign */
        if (i % width == width - 1 ? elements[i] & 0x7f : elements[i])
            return 0;
    return 1;
}

/* NaN for a vector of length zero, which no search finds: it has no direction, and an inner product
 * of 0 would set it before every row that points away. */
static float score_of(const struct search *s, const void *elements)
{
    const float score = s->space->element == RAG_ELEMENT_FLOAT16
                            ? vindex_score_f16(s->query, elements)
                            : vindex_score_f32(s->query, elements);
    return score == 0 && is_zero(s->space, elements) ? (float)NAN : score;
}

/* A piece of a vector in order; scores the vector when it is whole. *slot is the one that the pieces
 * in `scratch` belong to. */
static rag_status take_piece(struct search *s, sqlite3_int64 part, rag_slice piece,
                             sqlite3_int64 first_slot, float *scores, uint8_t *alive,
                             rag_error *err)
{
    const sqlite3_int64 slot = part / SCHEMA_PARTS_MAX;
    const size_t row_bytes = space_row_bytes(s->space), i = (size_t)(slot - first_slot);
    if (piece.len == row_bytes) {
        scores[i] = score_of(s, piece.data);
        alive[i] = 1;
        return RAG_OK;
    }
    if (part % SCHEMA_PARTS_MAX == 0)
        buffer_clear(&s->scratch);
    RAG_TRY(buffer_append(&s->scratch, piece.data, piece.len, err));
    if (part % SCHEMA_PARTS_MAX != s->space->parts - 1)
        return RAG_OK;
    if (s->scratch.len != row_bytes)
        return rag_fail(err, RAG_E_CORRUPT, "the vector in slot %lld has %zu bytes, not %zu",
                        (long long)slot, s->scratch.len, row_bytes);
    scores[i] = score_of(s, s->scratch.data);
    alive[i] = 1;
    return RAG_OK;
}

/* Slots first .. first + n - 1: one range of the table. */
static rag_status score_run(struct search *s, sqlite3_int64 first, size_t n, float *scores,
                            uint8_t *alive, rag_error *err)
{
    sqlite3_stmt *stmt;
    int more;
    memset(alive, 0, n);
    RAG_TRY(db_prepare(s->conn, SQL_PARTS, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, first * SCHEMA_PARTS_MAX);
    (void)sqlite3_bind_int64(stmt, 2, (first + (sqlite3_int64)n) * SCHEMA_PARTS_MAX);
    for (;;) {
        RAG_TRY(db_step(s->conn, stmt, &more, err));
        if (!more)
            break;
        RAG_TRY(take_piece(s, sqlite3_column_int64(stmt, 0), db_column_slice(stmt, 1), first,
                           scores, alive, err));
    }
    (void)sqlite3_reset(stmt);
    return RAG_OK;
}

static rag_status fetch(void *ctx, const uint64_t *slots, size_t n, float *scores, uint8_t *alive,
                        rag_error *err)
{
    for (size_t i = 0, run; i < n; i += run) {
        run = 1;
        while (i + run < n && slots[i + run] == slots[i] + run)
            run++;
        RAG_TRY(score_run(ctx, (sqlite3_int64)slots[i], run, scores + i, alive + i, err));
    }
    return RAG_OK;
}

static rag_status check(void *ctx, rag_error *err)
{
    const struct search *s = ctx;
    return context_check(s->ctx, err);
}

/* ---- segments and tail --------------------------------------------------------------------------- */

struct hits {
    vindex_hit *list; /* room for twice k: what was found, and what one more part finds */
    size_t count, k;
};

static int by_score(const void *a, const void *b)
{
    const vindex_hit *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return (x->slot > y->slot) - (x->slot < y->slot);
}

/* Search one index (or none) and these further slots; keep the k best of all so far. */
static rag_status search_part(struct search *s, const vindex *index, const uint64_t *extra,
                              size_t extra_count, float min_score, uint64_t dead, struct hits *hits,
                              rag_error *err)
{
    size_t found = 0;
    const vindex_search_options options = {
        .k = hits->k,
        /* what cannot beat the k-th so far need not be fetched */
        .min_score = hits->count == hits->k && hits->list[hits->k - 1].score > min_score
                         ? hits->list[hits->k - 1].score
                         : min_score,
        .fetch = fetch,
        .fetch_ctx = s,
        .extra = extra,
        .extra_count = extra_count,
        .check = check,
        .check_ctx = s,
        .dead_hint = dead,
    };
    RAG_TRY(vindex_search(index, s->query, &options, hits->list + hits->count, &found, NULL, err));
    hits->count += found;
    qsort(hits->list, hits->count, sizeof *hits->list, by_score);
    if (hits->count > hits->k)
        hits->count = hits->k;
    return RAG_OK;
}

/* The slots after the last one covered, dead ones among them: fetch() tells. */
static rag_status tail_slots(const struct space *space, sqlite3_int64 covered, uint64_t **out,
                             size_t *count, rag_error *err)
{
    const sqlite3_int64 first = covered + 1, end = space_first_slot(space) + space->next_slot;
    *count = end > first ? (size_t)(end - first) : 0;
    *out = rag_alloc_array(*count, sizeof **out);
    if (!*out)
        return rag_fail_memory(err);
    for (size_t i = 0; i < *count; i++)
        (*out)[i] = (uint64_t)first + i;
    return RAG_OK;
}

static uint64_t count_dead(const struct vector_segments *segments, uint64_t rows, size_t tail)
{
    uint64_t indexed = 0;
    for (size_t i = 0; i < segments->count; i++) {
        vindex_info info;
        vindex_get_info(segments->list[i].index, &info);
        indexed += info.count;
    }
    return indexed + tail > rows ? indexed + tail - rows : 0;
}

static rag_status search_all(struct search *s, struct vector_segments *segments, float min_score,
                             struct hits *hits, rag_error *err)
{
    uint64_t *tail = NULL, rows;
    size_t tail_count;
    rag_status status;
    RAG_TRY_CLEANUP(db_namespace_rows(s->conn, s->space->id, &rows, err));
    RAG_TRY_CLEANUP(tail_slots(s->space, segments->covered, &tail, &tail_count, err));
    const uint64_t dead = count_dead(segments, rows, tail_count);
    RAG_TRY_CLEANUP(search_part(s, NULL, tail, tail_count, min_score, 0, hits, err));
    for (size_t i = 0; i < segments->count; i++) {
        status = search_part(s, segments->list[i].index, NULL, 0, min_score, dead, hits, err);
        if (status == RAG_E_CORRUPT)
            vector_cache_spoil(db_vector_cache(s->conn->db), segments->holds[i]);
        if (status != RAG_OK)
            goto cleanup;
    }
cleanup:
    rag_free(tail);
    return status;
}

/* ---- answer --------------------------------------------------------------------------------------- */

static int by_score_and_id(const void *a, const void *b)
{
    const rag_row *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return slice_compare(x->key, y->key);
}

static rag_status append_hits(struct search *s, const struct hits *hits, unsigned what,
                              rag_result *out, rag_error *err)
{
    for (size_t i = 0; i < hits->count; i++) {
        int found;
        RAG_TRY(vector_append_slot(s->conn, s->space, (sqlite3_int64)hits->list[i].slot, what,
                                   (double)hits->list[i].score, &s->scratch, out, &found, err));
        if (!found)
            return rag_fail(err, RAG_E_CORRUPT, "slot %llu has elements but no row",
                            (unsigned long long)hits->list[i].slot);
    }
    if (out->count)
        if (out->count > 0)
            qsort(out->rows, out->count, sizeof *out->rows, by_score_and_id);
    return RAG_OK;
}

/* The smallest float that is not below `score`: rounding down would let a worse hit in. */
static float least_float(double score)
{
    const float rounded = (float)score;
    return (double)rounded < score ? nextafterf(rounded, INFINITY) : rounded;
}

/* One attempt at the hits->k best. */
static rag_status find_k(struct search *s, const rag_vector_query *query, struct hits *hits,
                         rag_error *err)
{
    struct vector_segments segments = { .covered = space_first_slot(s->space) };
    rag_error first_error = RAG_ERROR_INIT;
    const float least = least_float(query->min_score);
    hits->count = 0;
    if (!query->exact)
        RAG_TRY(vector_segments_open(s->conn, s->space, s->ctx, &segments, err));
    rag_status status = search_all(s, &segments, least, hits, &first_error);
    const int damaged = status == RAG_E_CORRUPT && segments.count;
    vector_segments_close(s->conn->db, &segments);
    if (damaged) { /* the file is derived: go on without any, and say so */
        context_log(s->ctx, RAG_LOG_WARNING, "vector index not used: %s", first_error.message);
        segments = (struct vector_segments){ .covered = space_first_slot(s->space) };
        hits->count = 0;
        return search_all(s, &segments, least, hits, err);
    }
    return rag_pass(status, &first_error, err);
}

/* One more than asked, so that rows of equal score at the cut are noticed; then as many as it takes
 * to have them all, because the id decides among them. */
static rag_status find_hits(struct search *s, const rag_vector_query *query, struct hits *hits,
                            rag_error *err)
{
    for (hits->k = query->top_k + 1;; hits->k *= 2) {
        rag_free(hits->list);
        hits->list = rag_alloc_array(hits->k * 2, sizeof *hits->list);
        if (!hits->list)
            return rag_fail_memory(err);
        RAG_TRY(find_k(s, query, hits, err));
        if (hits->count < hits->k ||
            hits->list[hits->k - 1].score < hits->list[query->top_k - 1].score)
            return RAG_OK;
    }
}

static rag_status search_space(const rag_call *call, struct db_conn *conn, const char *name,
                               const rag_vector_query *query, rag_result *out, rag_error *err)
{
    struct space space;
    vindex_query prepared;
    RAG_TRY(space_load(conn, name, &space, err));
    if (query->dimension != space.dimension)
        return rag_fail(err, RAG_E_MISMATCH, "query of dimension %zu, vector space '%s' has %u",
                        query->dimension, name, space.dimension);
    RAG_TRY(vindex_query_init(&prepared, (vindex_metric)space.metric, query->vector,
                              space.dimension, err));
    struct search s = { conn, call->ctx, &space, &prepared, BUFFER_INIT(LIMIT_VALUE_BYTES) };
    struct hits hits = { 0 };
    rag_status status = find_hits(&s, query, &hits, err);
    /* The one too many is read only where its id decides. */
    if (status == RAG_OK && hits.count == query->top_k + 1 &&
        hits.list[query->top_k].score < hits.list[query->top_k - 1].score)
        hits.count--;
    if (status == RAG_OK)
        status = append_hits(&s, &hits, query->what, out, err);
    if (status == RAG_OK)
        rag_result_truncate(out, query->top_k);
    if (status == RAG_OK && hits.count < query->top_k)
        rag_result_add_flags(out, RAG_RESULT_EXHAUSTED);
    rag_free(hits.list);
    buffer_free(&s.scratch);
    return status;
}

rag_status vector_search(const rag_call *call, const char *name_space,
                         const rag_vector_query *query, rag_result *out, rag_error *err)
{
    struct db_conn *conn;
    RAG_TRY(db_read_begin(call, &conn, err));
    const rag_status status = search_space(call, conn, name_space, query, out, err);
    db_read_end(call, conn);
    return status;
}
