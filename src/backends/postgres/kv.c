/* Values by key on PostgreSQL.
 *
 * The namespaces that LightRAG has are in its tables (tables.c); all others, and in its namespaces
 * those keys that its columns cannot have (too long, not text), are in ragstore_rows. Where a row
 * belongs is decided by its namespace and key alone, so every question about keys goes to at most two
 * places, each a statement over arrays. Scans merge both in one statement, by the bytes of the key.
 * Batches are cut at BATCH_BYTES, inside one transaction. Called through pg_kv only. */
#include <string.h>
#include <time.h>

#include "row.h"
#include "server.h"

enum { BATCH_BYTES = 32 * 1024 * 1024, BATCH_ROWS = 20000 };

#define OTHER_ROWS "r.workspace = $1::text AND r.kind = 'kv' AND r.name = $2::text"
#define OTHER_KEYS "unnest($3::bytea[]) WITH ORDINALITY AS u(key, place)"
#define OTHER_JOIN \
    " JOIN ragstore_rows r ON " OTHER_ROWS " AND sha256(r.key) = sha256(u.key) AND r.key = u.key"

static const char SQL_GET[] = "SELECT u.place, r.created, r.updated, r.value::text, NULL::text"
                              " FROM " OTHER_KEYS OTHER_JOIN;
static const char SQL_ABSENT[] =
    "SELECT u.place FROM " OTHER_KEYS " LEFT" OTHER_JOIN " WHERE r.key IS NULL";
static const char SQL_PUT[] =
    "INSERT INTO ragstore_rows AS o (workspace, kind, name, key, value, created, updated)"
    " SELECT $1::text, 'kv', $2::text, u.key, u.value::json,"
    " CASE u.created WHEN 0 THEN coalesce(r.created, $7::int8) WHEN -1 THEN 0 ELSE u.created END,"
    " CASE u.updated WHEN 0 THEN $7::int8 WHEN -1 THEN 0 ELSE u.updated END"
    " FROM unnest($3::bytea[], $4::int8[], $5::int8[], $6::text[])"
    " AS u(key, created, updated, value) LEFT" OTHER_JOIN
    " ON CONFLICT (workspace, kind, name, sha256(key)) DO UPDATE SET value = EXCLUDED.value,"
    " created = EXCLUDED.created, updated = EXCLUDED.updated";
static const char SQL_DELETE[] =
    "DELETE FROM ragstore_rows r USING unnest($3::bytea[]) AS u(key)"
    " WHERE " OTHER_ROWS " AND sha256(r.key) = sha256(u.key) AND r.key = u.key";
static const char SQL_SCAN[] =
    "SELECT r.key, r.created, r.updated, r.value::text, NULL::text FROM ragstore_rows r"
    " WHERE " OTHER_ROWS
    " AND (substr(r.key, 1, 512), r.key) > (substr($3::bytea, 1, 512), $3::bytea)"
    " ORDER BY substr(r.key, 1, 512), r.key LIMIT $4::int8";
static const char SQL_CLEAR[] = "DELETE FROM ragstore_rows r WHERE " OTHER_ROWS;

/* Where the rows of a namespace are. */
struct place {
    const char *name;
    const struct pg_table *table;           /* NULL: ragstore_rows alone */
    const struct pg_statements *statements; /* of the table */
};

static struct place place_of(const rag_call *call, const char *name_space)
{
    const struct pg_server *s = call->self;
    struct place p = { name_space, pg_table_of(name_space), NULL };
    if (p.table)
        p.statements = &s->statements[p.table - pg_tables];
    return p;
}

/* ---- questions about keys -------------------------------------------------------------------------- */

/* Keys, parted by where their rows are. */
struct keys {
    struct pg_array fitting, others;
    size_t *fitting_at, *others_at; /* the place of each in the caller's list */
};

static void keys_free(const rag_host *host, struct keys *k)
{
    pg_array_free(&k->fitting);
    pg_array_free(&k->others);
    host->free(k->fitting_at);
    host->free(k->others_at);
}

static rag_status keys_part(const rag_host *host, const struct place *p, const rag_slice *keys,
                            size_t n, struct keys *k, rag_error *err)
{
    pg_array_begin(&k->fitting, host, PG_OID_TEXT);
    pg_array_begin(&k->others, host, PG_OID_BYTEA);
    k->fitting_at = host->alloc(n * sizeof *k->fitting_at);
    k->others_at = host->alloc(n * sizeof *k->others_at);
    for (size_t i = 0; k->fitting_at && k->others_at && i < n; i++) {
        const int fits = p->table && pg_id_fits(p->table, keys[i]);
        struct pg_array *array = fits ? &k->fitting : &k->others;
        (fits ? k->fitting_at : k->others_at)[array->count] = i;
        pg_array_add(array, keys[i]);
    }
    if (!k->fitting_at || !k->others_at || k->fitting.bytes.failed || k->others.bytes.failed) {
        keys_free(host, k);
        return pg_no_memory(host, err);
    }
    return RAG_OK;
}

/* The two answers to a question about keys; either may be NULL. */
struct answers {
    PGresult *fitting, *others;
};

static void answers_clear(struct answers *a)
{
    PQclear(a->fitting);
    PQclear(a->others);
    *a = (struct answers){ NULL, NULL };
}

static rag_status ask(const rag_call *call, struct pg_conn *conn, const struct place *p,
                      const struct keys *k, const char *of_table, const char *of_others,
                      const char *what, struct answers *out, rag_error *err)
{
    struct pg_params fitting, others;
    rag_status status = RAG_OK;
    if (k->fitting.count) {
        pg_params_begin_named(&fitting, call, p->name);
        pg_add_array(&fitting, &k->fitting);
        status = pg_queue(conn, of_table, &fitting, what, &out->fitting, err);
    }
    if (status == RAG_OK && k->others.count) {
        pg_params_begin_named(&others, call, p->name);
        pg_add_array(&others, &k->others);
        status = pg_queue(conn, of_others, &others, what, &out->others, err);
    }
    if (status == RAG_OK)
        status = pg_send_queue(conn, call->ctx, err);
    if (status != RAG_OK)
        answers_clear(out);
    return status;
}

struct reading {
    struct place place;
    const rag_slice *keys;
    size_t n;
    rag_result *out;
};

/* Where the answer for the caller's i-th key is: +row + 1 in `fitting`, -(row + 1) in `others`. */
static void note_places(const PGresult *result, const size_t *at, int sign, int *where)
{
    const int rows = result ? PQntuples(result) : 0;
    for (int row = 0; row < rows; row++)
        where[at[pg_int(result, row, PG_AT_KEY) - 1]] = sign * (row + 1);
}

static rag_status append_value(const rag_call *call, const struct reading *r, rag_slice key,
                               const PGresult *result, int row, struct pg_text *value,
                               rag_error *err)
{
    PG_TRY(pg_row_value(call->host, result, row, r->place.table, value, err));
    const rag_row answer = { .key = key,
                             .value = { value->data, value->len },
                             .found = 1,
                             .created_at = pg_int(result, row, PG_AT_CREATED),
                             .updated_at = pg_int(result, row, PG_AT_UPDATED) };
    return call->host->row_append(r->out, &answer, err);
}

static rag_status append_answers(const rag_call *call, const struct reading *r,
                                 const struct keys *k, const struct answers *a, rag_error *err)
{
    struct pg_text value = { .host = call->host };
    int *where = call->host->alloc(r->n * sizeof *where);
    if (!where)
        return pg_no_memory(call->host, err);
    memset(where, 0, r->n * sizeof *where);
    note_places(a->fitting, k->fitting_at, 1, where);
    note_places(a->others, k->others_at, -1, where);
    rag_status status = RAG_OK;
    for (size_t i = 0; i < r->n && status == RAG_OK; i++) {
        const rag_row absent = { .key = r->keys[i] };
        if (!where[i])
            status = call->host->row_append(r->out, &absent, err);
        else if (where[i] > 0)
            status = append_value(call, r, r->keys[i], a->fitting, where[i] - 1, &value, err);
        else
            status = append_value(call, r, r->keys[i], a->others, -where[i] - 1, &value, err);
    }
    pg_text_free(&value);
    call->host->free(where);
    return status;
}

static rag_status get_work(const rag_call *call, struct pg_conn *conn, void *user, rag_error *err)
{
    const struct reading *r = user;
    struct answers answers = { NULL, NULL };
    struct keys keys;
    PG_TRY(keys_part(call->host, &r->place, r->keys, r->n, &keys, err));
    rag_status status =
        ask(call, conn, &r->place, &keys, r->place.statements ? r->place.statements->get : NULL,
            SQL_GET, "reading values", &answers, err);
    if (status == RAG_OK)
        status = append_answers(call, r, &keys, &answers, err);
    answers_clear(&answers);
    keys_free(call->host, &keys);
    return status;
}

static rag_status kv_get_many(const rag_call *call, const char *name_space, const rag_slice *keys,
                              size_t n, rag_result *out, rag_error *err)
{
    struct reading r = { place_of(call, name_space), keys, n, out };
    return pg_read(call, get_work, &r, err);
}

static rag_status absent_work(const rag_call *call, struct pg_conn *conn, void *user,
                              rag_error *err)
{
    const struct reading *r = user;
    struct answers answers = { NULL, NULL };
    struct keys keys;
    PG_TRY(keys_part(call->host, &r->place, r->keys, r->n, &keys, err));
    rag_status status =
        ask(call, conn, &r->place, &keys, r->place.statements ? r->place.statements->absent : NULL,
            SQL_ABSENT, "looking for keys", &answers, err);
    int *where = call->host->alloc(r->n * sizeof *where);
    if (status == RAG_OK && !where)
        status = pg_no_memory(call->host, err);
    if (status == RAG_OK) {
        memset(where, 0, r->n * sizeof *where);
        note_places(answers.fitting, keys.fitting_at, 1, where);
        note_places(answers.others, keys.others_at, 1, where);
    }
    for (size_t i = 0; status == RAG_OK && i < r->n; i++) {
        const rag_row absent = { .key = r->keys[i] };
        if (where[i])
            status = call->host->row_append(r->out, &absent, err);
    }
    call->host->free(where);
    answers_clear(&answers);
    keys_free(call->host, &keys);
    return status;
}

static rag_status kv_filter_missing(const rag_call *call, const char *name_space,
                                    const rag_slice *keys, size_t n, rag_result *out,
                                    rag_error *err)
{
    struct reading r = { place_of(call, name_space), keys, n, out };
    return pg_read(call, absent_work, &r, err);
}

/* ---- scans and counts ------------------------------------------------------------------------------ */

struct scanning {
    struct place place;
    rag_slice after;
    size_t limit;
    rag_result *out;
};

static rag_status append_page(const rag_call *call, const struct scanning *s,
                              const PGresult *result, rag_error *err)
{
    const struct reading r = { .place = s->place, .out = s->out };
    struct pg_text value = { .host = call->host };
    const int rows = PQntuples(result);
    const int more = (size_t)rows > s->limit, shown = more ? (int)s->limit : rows;
    rag_status status = RAG_OK;
    for (int row = 0; row < shown && status == RAG_OK; row++)
        status = append_value(call, &r, pg_slice(result, row, PG_AT_KEY), result, row, &value, err);
    if (status == RAG_OK && more)
        status = call->host->result_next(s->out, pg_slice(result, shown - 1, PG_AT_KEY), err);
    pg_text_free(&value);
    return status;
}

static rag_status scan_work(const rag_call *call, struct pg_conn *conn, void *user, rag_error *err)
{
    const struct scanning *s = user;
    struct pg_params params;
    PGresult *result;
    pg_params_begin_named(&params, call, s->place.name);
    pg_add_slice(&params, s->after);
    pg_add_int(&params, (int64_t)s->limit + 1);
    if (s->place.table)
        pg_add_slice(&params, pg_text_part(s->after));
    const char *sql = s->place.table ? s->place.statements->scan : SQL_SCAN;
    PG_TRY(pg_run(conn, call->ctx, sql, &params, "reading a page of values", &result, err));
    const rag_status status = append_page(call, s, result, err);
    PQclear(result);
    return status;
}

static rag_status kv_scan(const rag_call *call, const char *name_space, rag_slice after,
                          size_t limit, rag_result *out, rag_error *err)
{
    struct scanning s = { place_of(call, name_space), after, limit, out };
    return pg_read(call, scan_work, &s, err);
}

struct counting {
    const char *name;
    uint64_t count;
};

static rag_status count_work(const rag_call *call, struct pg_conn *conn, void *user, rag_error *err)
{
    struct counting *c = user;
    return pg_count_rows(call, conn, "kv", c->name, &c->count, err);
}

static rag_status kv_count(const rag_call *call, const char *name_space, uint64_t *count,
                           rag_error *err)
{
    struct counting c = { name_space, 0 };
    PG_TRY(pg_read(call, count_work, &c, err));
    *count = c.count;
    return RAG_OK;
}

/* ---- writing --------------------------------------------------------------------------------------- */

struct writing {
    struct place place;
    const rag_kv_item *items;
    size_t n;
    int64_t now;
};

static rag_status send_rows(const rag_call *call, struct pg_conn *conn, const struct writing *w,
                            struct pg_rows *rows, rag_error *err)
{
    struct pg_params params;
    if (!rows->count)
        return RAG_OK;
    pg_params_begin_named(&params, call, w->place.name);
    pg_add_array(&params, &rows->ids);
    pg_add_array(&params, &rows->created);
    pg_add_array(&params, &rows->updated);
    pg_add_array(&params, &rows->extra);
    for (size_t i = 0; i < w->place.table->column_count; i++)
        pg_add_array(&params, &rows->columns[i]);
    pg_add_int(&params, w->now);
    const rag_status status =
        pg_run(conn, call->ctx, w->place.statements->put, &params, "writing values", NULL, err);
    pg_rows_clear(rows);
    return status;
}

/* Those items that the table can have. */
static rag_status put_fitting(const rag_call *call, struct pg_conn *conn, const struct writing *w,
                              rag_error *err)
{
    struct pg_rows rows;
    rag_status status = RAG_OK;
    pg_rows_begin(&rows, call->host, w->place.table);
    for (size_t i = 0; i < w->n && status == RAG_OK; i++) {
        const rag_kv_item *item = &w->items[i];
        if (!pg_id_fits(w->place.table, item->key))
            continue;
        status =
            pg_rows_add(&rows, item->key, item->value, item->created_at, item->updated_at, err);
        if (status == RAG_OK && (rows.count == BATCH_ROWS || pg_rows_bytes(&rows) > BATCH_BYTES))
            status = send_rows(call, conn, w, &rows, err);
    }
    if (status == RAG_OK)
        status = send_rows(call, conn, w, &rows, err);
    pg_rows_free(&rows);
    return status;
}

/* keys, created, updated, values */
struct others {
    struct pg_array columns[4];
};

static rag_status send_others(const rag_call *call, struct pg_conn *conn, const struct writing *w,
                              struct others *o, rag_error *err)
{
    struct pg_params params;
    if (!o->columns[0].count)
        return RAG_OK;
    pg_params_begin_named(&params, call, w->place.name);
    for (size_t i = 0; i < 4; i++)
        pg_add_array(&params, &o->columns[i]);
    pg_add_int(&params, w->now);
    const rag_status status =
        pg_run(conn, call->ctx, SQL_PUT, &params, "writing values", NULL, err);
    for (size_t i = 0; i < 4; i++)
        pg_array_clear(&o->columns[i]);
    return status;
}

static rag_status put_others(const rag_call *call, struct pg_conn *conn, const struct writing *w,
                             rag_error *err)
{
    static const uint32_t types[] = { PG_OID_BYTEA, PG_OID_INT8, PG_OID_INT8, PG_OID_TEXT };
    struct others o;
    rag_status status = RAG_OK;
    for (size_t i = 0; i < 4; i++)
        pg_array_begin(&o.columns[i], call->host, types[i]);
    for (size_t i = 0; i < w->n && status == RAG_OK; i++) {
        const rag_kv_item *item = &w->items[i];
        if (w->place.table && pg_id_fits(w->place.table, item->key))
            continue;
        pg_array_add(&o.columns[0], item->key);
        pg_array_add_int(&o.columns[1], item->created_at);
        pg_array_add_int(&o.columns[2], item->updated_at);
        pg_array_add(&o.columns[3], item->value);
        if (o.columns[0].count == BATCH_ROWS || o.columns[3].bytes.len > BATCH_BYTES)
            status = send_others(call, conn, w, &o, err);
    }
    if (status == RAG_OK)
        status = send_others(call, conn, w, &o, err);
    for (size_t i = 0; i < 4; i++)
        pg_array_free(&o.columns[i]);
    return status;
}

static rag_status put_work(const rag_call *call, struct pg_conn *conn, void *user, rag_error *err)
{
    const struct writing *w = user;
    if (w->place.table)
        PG_TRY(put_fitting(call, conn, w, err));
    return put_others(call, conn, w, err);
}

static rag_status kv_put_many(const rag_call *call, const char *name_space,
                              const rag_kv_item *items, size_t n, rag_token *token, rag_error *err)
{
    struct writing w = { place_of(call, name_space), items, n, (int64_t)time(NULL) };
    return pg_write(call, put_work, &w, 0, token, err);
}

struct deleting {
    struct place place;
    const rag_slice *keys;
    size_t n;
    uint64_t deleted;
};

static rag_status delete_work(const rag_call *call, struct pg_conn *conn, void *user,
                              rag_error *err)
{
    struct deleting *d = user;
    struct answers answers = { NULL, NULL };
    struct keys keys;
    PG_TRY(keys_part(call->host, &d->place, d->keys, d->n, &keys, err));
    const rag_status status =
        ask(call, conn, &d->place, &keys, d->place.statements ? d->place.statements->erase : NULL,
            SQL_DELETE, "deleting values", &answers, err);
    if (status == RAG_OK)
        d->deleted = pg_affected(answers.fitting) + pg_affected(answers.others);
    answers_clear(&answers);
    keys_free(call->host, &keys);
    return status;
}

static rag_status kv_delete_many(const rag_call *call, const char *name_space,
                                 const rag_slice *keys, size_t n, uint64_t *deleted,
                                 rag_token *token, rag_error *err)
{
    struct deleting d = { place_of(call, name_space), keys, n, 0 };
    PG_TRY(pg_write(call, delete_work, &d, 0, token, err));
    *deleted = d.deleted;
    return RAG_OK;
}

static rag_status drop_work(const rag_call *call, struct pg_conn *conn, void *user, rag_error *err)
{
    const struct place *p = user;
    struct pg_params params;
    pg_params_begin_named(&params, call, p->name);
    const char *sql = p->table ? p->statements->clear : SQL_CLEAR;
    return pg_run(conn, call->ctx, sql, &params, "emptying a namespace", NULL, err);
}

static rag_status kv_drop(const rag_call *call, const char *name_space, rag_error *err)
{
    struct place p = place_of(call, name_space);
    return pg_write(call, drop_work, &p, 1, NULL, err);
}

const rag_kv_table pg_kv = {
    .struct_size = sizeof pg_kv,
    .get_many = kv_get_many,
    .put_many = kv_put_many,
    .delete_many = kv_delete_many,
    .scan = kv_scan,
    .count = kv_count,
    .drop = kv_drop,
    .filter_missing = kv_filter_missing,
};
