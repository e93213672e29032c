/* Vectors with a payload on pgvector: writing, reading, deleting, scanning.
 *
 * Where a row is follows from its id alone: LightRAG's table when the space has one and its column
 * takes the id, else ours (vector_tables.c). What LightRAG's columns do not hold of a payload is in
 * ragstore_extra, as with values by key (row.c). Vectors travel in binary both ways, batches as
 * arrays. Pending rows come first: get_many() looks at them before it looks at what is stored, so a
 * row that a flush moves meanwhile is seen in one of both places. */
#include "vector.h"

#include <string.h>
#include <time.h>

enum { BATCH_BYTES = 32 * 1024 * 1024, BATCH_ROWS = 20000 };

static const struct pg_table no_columns = { .name = "ragstore_vectors" };

static int fits(const struct pg_space *space, rag_slice id)
{
    return space->table && pg_id_fits(space->table, id);
}

/* ---- writing --------------------------------------------------------------------------------------- */

/* Rows on their way into one of the two tables. */
struct batch {
    const rag_call *call;
    struct pg_conn *conn;
    const struct pg_space *space;
    const char *name;
    int own, half;
    struct pg_rows rows; /* LightRAG's: ids, created, extra, columns */
    struct pg_array ids, created, values, vectors, names[PG_NAMES];
    struct pg_names found;
    struct pg_text bytes;
};

static void batch_begin(struct batch *b, int own)
{
    const rag_host *host = b->call->host;
    b->own = own;
    b->half = own ? b->space->place.own_half : b->space->place.lightrag_half;
    pg_rows_begin(&b->rows, host, own ? &no_columns : b->space->table);
    pg_array_begin(&b->ids, host, PG_OID_BYTEA);
    pg_array_begin(&b->created, host, PG_OID_INT8);
    pg_array_begin(&b->values, host, PG_OID_TEXT);
    pg_array_begin(&b->vectors, host, b->half ? b->space->halfvec_type : b->space->vector_type);
    for (size_t i = 0; i < PG_NAMES; i++)
        pg_array_begin(&b->names[i], host, PG_OID_BYTEA);
    b->bytes = (struct pg_text){ .host = host };
    memset(&b->found, 0, sizeof b->found);
}

static void batch_clear(struct batch *b)
{
    pg_rows_clear(&b->rows);
    pg_array_clear(&b->ids);
    pg_array_clear(&b->created);
    pg_array_clear(&b->values);
    pg_array_clear(&b->vectors);
    for (size_t i = 0; i < PG_NAMES; i++)
        pg_array_clear(&b->names[i]);
}

static void batch_free(struct batch *b)
{
    pg_rows_free(&b->rows);
    pg_array_free(&b->ids);
    pg_array_free(&b->created);
    pg_array_free(&b->values);
    pg_array_free(&b->vectors);
    for (size_t i = 0; i < PG_NAMES; i++)
        pg_array_free(&b->names[i]);
    pg_names_free(&b->found);
    pg_text_free(&b->bytes);
}

static rag_status batch_send(struct batch *b, rag_error *err)
{
    struct pg_params params;
    if (!b->vectors.count)
        return RAG_OK;
    pg_params_begin_named(&params, b->call, b->name);
    pg_add_array(&params, b->own ? &b->ids : &b->rows.ids);
    pg_add_array(&params, b->own ? &b->created : &b->rows.created);
    pg_add_array(&params, b->own ? &b->values : &b->rows.extra);
    pg_add_array(&params, &b->vectors);
    for (size_t i = 0; i < PG_NAMES; i++)
        pg_add_array(&params, &b->names[i]);
    for (size_t i = 0; !b->own && i < b->space->table->column_count; i++)
        pg_add_array(&params, &b->rows.columns[i]);
    const char *sql = b->own ? b->space->sql->put_own : b->space->sql->put_lightrag;
    const rag_status status =
        pg_run(b->conn, b->call->ctx, sql, &params, "writing vectors", NULL, err);
    batch_clear(b);
    return status;
}

static rag_status batch_add(struct batch *b, const rag_vector_item *item, int64_t now,
                            rag_error *err)
{
    const rag_host *host = b->call->host;
    int64_t created = item->created_at ? item->created_at : now;
    if (item->created_at == RAG_TIME_UNKNOWN)
        created = 0;
    if (item->dimension != b->space->facts.dimension)
        return host->fail(err, RAG_E_MISMATCH, "vector space '%s' has dimension %u, not %zu",
                          b->name, b->space->facts.dimension, item->dimension);
    pg_text_clear(&b->bytes);
    PG_TRY(pg_vector_encode(host, &b->space->facts, b->half, item->id, item->vector,
                            item->dimension, &b->bytes, err));
    PG_TRY(pg_names_of(host, b->own ? NULL : b->space->table, item->value, &b->found, err));
    if (b->own) {
        pg_array_add(&b->ids, item->id);
        pg_array_add_int(&b->created, created);
        pg_array_add(&b->values, item->value);
    } else {
        PG_TRY(pg_rows_add(&b->rows, item->id, item->value, created, created, err));
    }
    pg_array_add(&b->vectors, (rag_slice){ b->bytes.data, b->bytes.len });
    pg_names_add(&b->found, b->names);
    const size_t size =
        b->vectors.bytes.len + b->values.bytes.len + (b->own ? 0 : pg_rows_bytes(&b->rows));
    return b->vectors.count == BATCH_ROWS || size > BATCH_BYTES ? batch_send(b, err) : RAG_OK;
}

rag_status pg_vector_write(const rag_call *call, struct pg_conn *conn, const struct pg_space *space,
                           const char *name, const rag_vector_item *items, size_t n, rag_error *err)
{
    const int64_t now = (int64_t)time(NULL);
    rag_status status = RAG_OK;
    for (int own = !space->table; own < 2 && status == RAG_OK; own++) {
        struct batch b = { .call = call, .conn = conn, .space = space, .name = name };
        batch_begin(&b, own);
        for (size_t i = 0; i < n && status == RAG_OK; i++)
            if (fits(space, items[i].id) != own)
                status = batch_add(&b, &items[i], now, err);
        if (status == RAG_OK)
            status = batch_send(&b, err);
        batch_free(&b);
    }
    return status;
}

struct writing {
    const char *name;
    const rag_vector_item *items;
    size_t n;
    struct pg_space space;
};

/* What waits of these ids is thrown away, in the same trip when there was something at the last look. */
static rag_status put_work(const rag_call *call, struct pg_conn *conn, void *user, rag_error *err)
{
    struct writing *w = user;
    struct pg_use use;
    struct pg_discard discard = { 0 };
    rag_status status = RAG_OK;
    PG_TRY(pg_use_begin(call, conn, w->name, &use, err));
    if (!use.found)
        return pg_space_missing(call, w->name, err);
    int discards = use.space.waiting;
    if (discards)
        status = pg_pending_discard(call, conn, w->name, &w->items->id, sizeof *w->items, w->n,
                                    &discard, err);
    if (status == RAG_OK)
        status = pg_vector_write(call, conn, &use.space, w->name, w->items, w->n, err);
    status = pg_use_end(call, conn, &use, status, err);
    if (status == RAG_OK && use.space.waiting && !discards) {
        status = pg_pending_discard(call, conn, w->name, &w->items->id, sizeof *w->items, w->n,
                                    &discard, err);
        if (status == RAG_OK)
            status = pg_send_queue(conn, call->ctx, err);
    }
    pg_discard_free(&discard);
    w->space = use.space;
    return status;
}

static rag_status vector_put_many(const rag_call *call, const char *name_space,
                                  const rag_vector_item *items, size_t n, rag_token *token,
                                  rag_error *err)
{
    struct writing w = { .name = name_space, .items = items, .n = n };
    PG_TRY(pg_write(call, put_work, &w, 0, token, err));
    pg_vector_index_grown(call, name_space, &w.space);
    return RAG_OK;
}

/* ---- deleting -------------------------------------------------------------------------------------- */

/* Ids as the statements take them: each in one of two arrays, which both have a place for it. */
struct ids {
    struct pg_array texts, bytes, all;
};

static void ids_of(const rag_call *call, const struct pg_space *space, const rag_slice *ids,
                   size_t n, struct ids *out)
{
    const rag_slice null = { NULL, 0 };
    pg_array_begin(&out->texts, call->host, PG_OID_TEXT);
    pg_array_begin(&out->bytes, call->host, PG_OID_BYTEA);
    pg_array_begin(&out->all, call->host, PG_OID_BYTEA);
    for (size_t i = 0; i < n; i++) {
        const int fitting = fits(space, ids[i]);
        pg_array_add(&out->texts, fitting ? ids[i] : null);
        pg_array_add(&out->bytes, fitting ? null : ids[i]);
        pg_array_add(&out->all, ids[i]);
    }
}

static void ids_free(struct ids *ids)
{
    pg_array_free(&ids->texts);
    pg_array_free(&ids->bytes);
    pg_array_free(&ids->all);
}

/* A statement that answers with a number. */
static rag_status run_count(const rag_call *call, struct pg_conn *conn, const char *sql,
                            const struct pg_params *params, uint64_t *count, rag_error *err)
{
    PGresult *result;
    PG_TRY(pg_run(conn, call->ctx, sql, params, "deleting vectors", &result, err));
    *count = (uint64_t)pg_int(result, 0, 0);
    PQclear(result);
    return RAG_OK;
}

rag_status pg_vector_erase(const rag_call *call, struct pg_conn *conn, const struct pg_space *space,
                           const char *name, const rag_slice *ids, size_t n, uint64_t *erased,
                           rag_error *err)
{
    struct pg_params params;
    struct ids all;
    ids_of(call, space, ids, n, &all);
    pg_params_begin_named(&params, call, name);
    pg_add_array(&params, &all.texts);
    pg_add_array(&params, &all.bytes);
    pg_add_array(&params, &all.all);
    const rag_status status = run_count(call, conn, space->sql->erase, &params, erased, err);
    ids_free(&all);
    return status;
}

struct deleting {
    const char *name;
    const rag_slice *slices; /* ids or names */
    size_t n;
    int by_name;
    uint64_t deleted;
};

static rag_status erase_named(const rag_call *call, struct pg_conn *conn,
                              const struct pg_space *space, struct deleting *d, rag_error *err)
{
    const rag_slice null = { NULL, 0 };
    struct pg_params params;
    struct pg_array texts, bytes;
    pg_array_begin(&texts, call->host, PG_OID_TEXT);
    pg_array_begin(&bytes, call->host, PG_OID_BYTEA);
    for (size_t i = 0; i < d->n; i++) {
        pg_array_add(&texts, pg_text_fits(d->slices[i], 0) ? d->slices[i] : null);
        pg_array_add(&bytes, d->slices[i]);
    }
    pg_params_begin_named(&params, call, d->name);
    pg_add_array(&params, &texts);
    pg_add_array(&params, &bytes);
    const rag_status status =
        run_count(call, conn, space->sql->erase_named, &params, &d->deleted, err);
    pg_array_free(&texts);
    pg_array_free(&bytes);
    return status;
}

static rag_status delete_work(const rag_call *call, struct pg_conn *conn, void *user,
                              rag_error *err)
{
    struct deleting *d = user;
    struct pg_use use;
    d->deleted = 0;
    PG_TRY(pg_use_begin(call, conn, d->name, &use, err));
    if (!use.found)
        return RAG_OK;
    const rag_status status = d->by_name ? erase_named(call, conn, &use.space, d, err)
                                         : pg_vector_erase(call, conn, &use.space, d->name,
                                                           d->slices, d->n, &d->deleted, err);
    return pg_use_end(call, conn, &use, status, err);
}

static rag_status vector_delete_many(const rag_call *call, const char *name_space,
                                     const rag_slice *ids, size_t n, uint64_t *deleted,
                                     rag_token *token, rag_error *err)
{
    struct deleting d = { name_space, ids, n, 0, 0 };
    PG_TRY(pg_write(call, delete_work, &d, 0, token, err));
    *deleted = d.deleted;
    return RAG_OK;
}

static rag_status vector_delete_named(const rag_call *call, const char *name_space,
                                      const rag_slice *names, size_t n, uint64_t *deleted,
                                      rag_token *token, rag_error *err)
{
    struct deleting d = { name_space, names, n, 1, 0 };
    PG_TRY(pg_write(call, delete_work, &d, 0, token, err));
    *deleted = d.deleted;
    return RAG_OK;
}

/* ---- reading --------------------------------------------------------------------------------------- */

rag_status pg_vector_append(const rag_call *call, const struct pg_space *space,
                            const PGresult *result, int row, rag_slice key, double score,
                            unsigned what, rag_result *out, rag_error *err)
{
    const struct pg_table *table = space->table ? space->table : &no_columns;
    const int at = PG_AT_COLUMNS + (int)table->column_count;
    struct pg_text value = { .host = call->host }, floats = { .host = call->host };
    rag_row answer = {
        .key = key, .found = 1, .score = score, .created_at = pg_int(result, row, PG_AT_CREATED)
    };
    rag_status status = RAG_OK;
    if (what & RAG_VECTOR_VALUES) {
        status = pg_row_value(call->host, result, row, table, &value, err);
        answer.value = (rag_slice){ value.data, value.len };
    }
    const rag_slice bytes = pg_slice(result, row, at + PG_VECTOR_BYTES);
    if (status == RAG_OK && what & RAG_VECTOR_VECTORS && bytes.data)
        status =
            pg_vector_decode(call->host, bytes, &floats, &answer.vector, &answer.dimension, err);
    if (status == RAG_OK)
        status = call->host->row_append(out, &answer, err);
    pg_text_free(&value);
    pg_text_free(&floats);
    return status;
}

struct reading {
    const char *name;
    const rag_slice *ids;
    size_t n;
    rag_slice after;
    size_t limit;
    unsigned what;
    rag_result *out;
};

static rag_status append_pending(const rag_call *call, const struct reading *r,
                                 const PGresult *result, int row, rag_slice id, rag_error *err)
{
    struct pg_text floats = { .host = call->host };
    rag_row answer = { .key = id };
    const rag_slice vector = pg_slice(result, row, PG_PENDING_VECTOR);
    rag_status status = RAG_OK;
    if (!pg_int(result, row, PG_PENDING_DELETE)) {
        answer.found = 1;
        answer.created_at = pg_int(result, row, PG_PENDING_CREATED);
        if (r->what & RAG_VECTOR_VALUES)
            answer.value = pg_slice(result, row, PG_PENDING_VALUE);
        if (r->what & RAG_VECTOR_VECTORS && vector.data)
            status = pg_vector_decode(call->host, vector, &floats, &answer.vector,
                                      &answer.dimension, err);
    }
    if (status == RAG_OK)
        status = call->host->row_append(r->out, &answer, err);
    pg_text_free(&floats);
    return status;
}

/* where[i]: the row of `waiting` + 1, or minus that of `stored`, for the i-th id; 0: in neither. */
static rag_status append_all(const rag_call *call, const struct reading *r,
                             const struct pg_space *space, const PGresult *waiting,
                             const PGresult *stored, rag_error *err)
{
    int *where = call->host->alloc(r->n * sizeof *where);
    if (!where)
        return pg_no_memory(call->host, err);
    memset(where, 0, r->n * sizeof *where);
    for (int row = 0; stored && row < PQntuples(stored); row++)
        where[pg_int(stored, row, PG_AT_KEY) - 1] = -(row + 1);
    for (int row = 0; waiting && row < PQntuples(waiting); row++)
        where[pg_int(waiting, row, PG_PENDING_PLACE) - 1] = row + 1;
    rag_status status = RAG_OK;
    for (size_t i = 0; i < r->n && status == RAG_OK; i++) {
        const rag_row absent = { .key = r->ids[i] };
        if (!where[i])
            status = call->host->row_append(r->out, &absent, err);
        else if (where[i] > 0)
            status = append_pending(call, r, waiting, where[i] - 1, r->ids[i], err);
        else
            status = pg_vector_append(call, space, stored, -where[i] - 1, r->ids[i], 0, r->what,
                                      r->out, err);
    }
    call->host->free(where);
    return status;
}

/* Of the ids: those that wait, when there are any in the space, and those that are stored. */
static rag_status ask_both(const rag_call *call, struct pg_conn *conn, const struct reading *r,
                           struct pg_use *use, PGresult **waiting, PGresult **stored,
                           rag_error *err)
{
    struct pg_params of_waiting, of_stored;
    struct ids ids;
    const int look = use->space.waiting;
    rag_status status = RAG_OK;
    ids_of(call, &use->space, r->ids, r->n, &ids);
    if (look)
        status = pg_pending_queue(call, conn, r->name, &ids.all, &of_waiting, waiting, err);
    pg_params_begin_named(&of_stored, call, r->name);
    pg_add_array(&of_stored, &ids.texts);
    pg_add_array(&of_stored, &ids.bytes);
    pg_add_int(&of_stored, r->what & RAG_VECTOR_VECTORS);
    const char *sql = use->space.sql->get[(r->what & RAG_VECTOR_VALUES) != 0];
    if (status == RAG_OK)
        status = pg_run(conn, call->ctx, sql, &of_stored, "reading vectors", stored, err);
    status = pg_use_end(call, conn, use, status, err);
    if (status == RAG_OK && use->space.waiting && !look)
        status = pg_use_doubt(call, conn, use, err);
    ids_free(&ids);
    return status;
}

static rag_status get_work(const rag_call *call, struct pg_conn *conn, void *user, rag_error *err)
{
    const struct reading *r = user;
    struct pg_use use;
    PGresult *waiting = NULL, *stored = NULL;
    rag_status status = pg_use_begin(call, conn, r->name, &use, err);
    if (status == RAG_OK && use.found)
        status = ask_both(call, conn, r, &use, &waiting, &stored, err);
    if (status == RAG_OK)
        status = append_all(call, r, &use.space, waiting, stored, err);
    PQclear(waiting);
    PQclear(stored);
    return status;
}

static rag_status vector_get_many(const rag_call *call, const char *name_space,
                                  const rag_slice *ids, size_t n, unsigned what, rag_result *out,
                                  rag_error *err)
{
    struct reading r = { .name = name_space, .ids = ids, .n = n, .what = what, .out = out };
    return pg_read(call, get_work, &r, err);
}

static rag_status append_page(const rag_call *call, const struct reading *r,
                              const struct pg_space *space, const PGresult *result, rag_error *err)
{
    const int rows = PQntuples(result);
    const int more = (size_t)rows > r->limit, shown = more ? (int)r->limit : rows;
    rag_status status = RAG_OK;
    for (int row = 0; row < shown && status == RAG_OK; row++)
        status = pg_vector_append(call, space, result, row, pg_slice(result, row, PG_AT_KEY), 0,
                                  r->what, r->out, err);
    if (status == RAG_OK && more)
        status = call->host->result_next(r->out, pg_slice(result, shown - 1, PG_AT_KEY), err);
    return status;
}

static rag_status scan_work(const rag_call *call, struct pg_conn *conn, void *user, rag_error *err)
{
    const struct reading *r = user;
    struct pg_use use;
    struct pg_params params;
    PGresult *result = NULL;
    PG_TRY(pg_use_begin(call, conn, r->name, &use, err));
    if (!use.found)
        return RAG_OK;
    pg_params_begin_named(&params, call, r->name);
    pg_add_slice(&params, r->after);
    pg_add_int(&params, (int64_t)r->limit + 1);
    pg_add_slice(&params, pg_text_part(r->after));
    pg_add_int(&params, r->what & RAG_VECTOR_VECTORS);
    const char *sql = use.space.sql->scan[(r->what & RAG_VECTOR_VALUES) != 0];
    rag_status status =
        pg_run(conn, call->ctx, sql, &params, "reading a page of vectors", &result, err);
    status = pg_use_end(call, conn, &use, status, err);
    if (status == RAG_OK)
        status = append_page(call, r, &use.space, result, err);
    PQclear(result);
    return status;
}

static rag_status vector_scan(const rag_call *call, const char *name_space, rag_slice after,
                              size_t limit, unsigned what, rag_result *out, rag_error *err)
{
    struct reading r = {
        .name = name_space, .after = after, .limit = limit, .what = what, .out = out
    };
    return pg_read(call, scan_work, &r, err);
}

const rag_vector_table pg_vector = {
    .struct_size = sizeof pg_vector,
    .define = pg_vector_define,
    .describe = pg_vector_describe,
    .put_many = vector_put_many,
    .get_many = vector_get_many,
    .delete_many = vector_delete_many,
    .search = pg_vector_search,
    .scan = vector_scan,
    .count = pg_vector_count,
    .drop = pg_vector_drop,
    .delete_named = vector_delete_named,
    .pending_put = pg_pending_put,
    .pending_delete = pg_pending_delete,
    .pending_scan = pg_pending_scan,
    .pending_resolve = pg_pending_resolve,
    .pending_drop = pg_pending_drop,
    .recall = pg_vector_recall,
};
