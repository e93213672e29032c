/* Document status on PostgreSQL.
 *
 * A document is in LightRAG's table when it can be: its id and status fit the columns, its times are
 * as LightRAG writes them, JSONB takes all of it. The others ("odd" ones) are whole in ragstore_rows,
 * with what questions are asked by beside the value, as bytes. Which of both is decided by the row,
 * so a put removes an older row of the same id from the other place, and every question is about the
 * union of both. In the table times in order are texts in order, because they all have one form.
 *
 * A put outside a transaction is durable when it returns: the pipeline decides by these rows what to
 * do again. Statements are texts of their own for each question and order, so that each is prepared
 * once. Called through pg_docstatus only. */
#include <stdio.h>
#include <string.h>

#include "row.h"
#include "server.h"

#define TABLE (&pg_tables[PG_DOC_STATUS])

enum { BATCH_BYTES = 32 * 1024 * 1024, BATCH_ROWS = 20000 };

#define ODD_ROWS "r.workspace = $1::text AND r.kind = 'doc_status' AND r.name = 'doc_status'"

static const char SQL_ODD_GET[] =
    "SELECT u.place, 0::int8, 0::int8, r.value::text, NULL::text"
    " FROM unnest($2::bytea[]) WITH ORDINALITY AS u(key, place) JOIN ragstore_rows r ON " ODD_ROWS
    " AND sha256(r.key) = sha256(u.key) AND r.key = u.key";
static const char SQL_ODD_PUT[] =
    "INSERT INTO ragstore_rows (workspace, kind, name, key, value, created, updated, status,"
    " created_at, updated_at, file_path, file_path_order, track_id, content_hash, original_id,"
    " is_duplicate)"
    " SELECT $1::text, 'doc_status', 'doc_status', u.key, convert_from(u.value, 'UTF8')::json, 0, 0, u.status,"
    " u.created_at, u.updated_at, u.file_path, u.file_path_order, u.track_id, u.content_hash,"
    " u.original_id, u.is_duplicate <> 0"
    " FROM unnest($2::bytea[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[], $7::bytea[],"
    " $8::bytea[], $9::bytea[], $10::bytea[], $11::bytea[], $12::int8[]) AS u(key, value, status,"
    " created_at, updated_at, file_path, file_path_order, track_id, content_hash, original_id,"
    " is_duplicate)"
    " ON CONFLICT (workspace, kind, name, sha256(key)) DO UPDATE SET value = EXCLUDED.value,"
    " status = EXCLUDED.status, created_at = EXCLUDED.created_at,"
    " updated_at = EXCLUDED.updated_at, file_path = EXCLUDED.file_path,"
    " file_path_order = EXCLUDED.file_path_order, track_id = EXCLUDED.track_id,"
    " content_hash = EXCLUDED.content_hash, original_id = EXCLUDED.original_id,"
    " is_duplicate = EXCLUDED.is_duplicate";
static const char SQL_ODD_DELETE[] =
    "DELETE FROM ragstore_rows r USING unnest($2::bytea[]) AS u(key)"
    " WHERE " ODD_ROWS " AND sha256(r.key) = sha256(u.key) AND r.key = u.key";
static const char SQL_COUNTS[] =
    "SELECT status, count(*) FROM (SELECT convert_to(coalesce(status, ''), 'UTF8') AS status"
    " FROM lightrag_doc_status WHERE workspace = $1::text"
    " UNION ALL SELECT r.status FROM ragstore_rows r WHERE " ODD_ROWS ") s"
    " WHERE $2::bytea[] = '{}' OR status = ANY($2::bytea[]) GROUP BY status";
static const char SQL_CONFLICTS[] =
    "SELECT path, count(*) FROM (SELECT convert_to(t.file_path, 'UTF8') AS path"
    " FROM lightrag_doc_status t WHERE t.workspace = $1::text"
    " AND t.metadata->'is_duplicate' IS DISTINCT FROM 'true'::jsonb AND t.file_path <> ''"
    " UNION ALL SELECT r.file_path FROM ragstore_rows r WHERE " ODD_ROWS
    " AND NOT r.is_duplicate AND r.file_path <> '') s WHERE path > $2::bytea"
    " GROUP BY path HAVING count(*) > 1 ORDER BY path LIMIT $3::int8";

/* ---- statements that are put together -------------------------------------------------------------- */

/* The text of a time of the table, as bytes; '' where there is none. */
#define TIME_BYTES(column)                                                    \
    "coalesce(convert_to(to_char(" column ", 'YYYY-MM-DD\"T\"HH24:MI:SS') ||" \
    " CASE WHEN date_trunc('second', " column ") = " column " THEN ''"        \
    " ELSE to_char(" column ", '.US') END || '+00:00', 'UTF8'), '')"

static const struct {
    const char *of_table, *of_odd;
} page_keys[] = {
    [RAG_DOC_SORT_UPDATED_AT] = { TIME_BYTES("t.updated_at"), "r.updated_at" },
    [RAG_DOC_SORT_CREATED_AT] = { TIME_BYTES("t.created_at"), "r.created_at" },
    [RAG_DOC_SORT_ID] = { "convert_to(t.id, 'UTF8')", "r.key" },
    [RAG_DOC_SORT_FILE_PATH] = { "convert_to(translate(coalesce(t.file_path, ''), 'ABCDEFGHIJKLMNOPQRSTUVWXYZ',"
                                 " 'abcdefghijklmnopqrstuvwxyz'), 'UTF8')",
                                 "r.file_path_order" },
};

static const char *const range_columns[] = { [0] = "status",
                                             [RAG_DOC_BY_TRACK_ID] = "track_id",
                                             [RAG_DOC_BY_FILE_PATH] = "file_path",
                                             [RAG_DOC_BY_CONTENT_HASH] = "content_hash" };

/* Both places, with a key "k" to order by: conditions follow each. */
static void add_union(struct pg_text *t, const char *of_table, const char *of_odd,
                      const char *table_condition, const char *odd_condition)
{
    pg_text_add_text(t, "SELECT * FROM (SELECT convert_to(t.id, 'UTF8') AS key, ");
    pg_text_add_text(t, of_table);
    pg_text_add_text(t, " AS k, 0::int8, NULL::text, t.ragstore_extra::text");
    pg_add_text_columns(t, TABLE, "t");
    pg_text_add_text(t, " FROM lightrag_doc_status t WHERE t.workspace = $1::text AND ");
    pg_text_add_text(t, table_condition);
    pg_text_add_text(t, " UNION ALL SELECT r.key, ");
    pg_text_add_text(t, of_odd);
    pg_text_add_text(t, ", 0::int8, r.value::text, NULL::text");
    pg_add_null_columns(t, TABLE);
    pg_text_add_text(t, " FROM ragstore_rows r WHERE " ODD_ROWS " AND ");
    pg_text_add_text(t, odd_condition);
    pg_text_add_text(t, ") s");
}

/* $2 statuses as text[], $3 as bytea[], $4 limit, $5 offset */
static void add_page(struct pg_text *t, rag_doc_sort sort, int ascending)
{
    add_union(t, page_keys[sort].of_table, page_keys[sort].of_odd,
              "($3::bytea[] = '{}' OR t.status = ANY($2::text[]))",
              "($3::bytea[] = '{}' OR r.status = ANY($3::bytea[]))");
    pg_text_fill(t, " ORDER BY k @, key @ LIMIT $4::int8 OFFSET $5::int8",
                 ascending ? "ASC" : "DESC");
}

/* $2 values as text[], $3 as bytea[], $4 primaries only, $5 excluded id, $6 from the start, $7 and $8
 * the position, $9 limit */
static void add_range(struct pg_text *t, const char *column)
{
    char table[700], odd[400];
    (void)snprintf(table, sizeof table,
                   "t.%s = ANY($2::text[]) AND ($4::int8 = 0"
                   " OR t.metadata->'is_duplicate' IS DISTINCT FROM 'true'::jsonb)"
                   " AND ($5::bytea = '' OR (convert_to(t.id, 'UTF8') <> $5::bytea AND NOT"
                   " (t.metadata->'is_duplicate' IS NOT DISTINCT FROM 'true'::jsonb"
                   " AND jsonb_typeof(t.metadata->'original_doc_id') = 'string'"
                   " AND convert_to(t.metadata->>'original_doc_id', 'UTF8') = $5::bytea)))",
                   column);
    (void)snprintf(odd, sizeof odd,
                   "r.%s = ANY($3::bytea[]) AND ($4::int8 = 0 OR NOT r.is_duplicate)"
                   " AND ($5::bytea = '' OR (r.key <> $5::bytea"
                   " AND NOT (r.is_duplicate AND r.original_id = $5::bytea)))",
                   column);
    add_union(t, page_keys[RAG_DOC_SORT_CREATED_AT].of_table, "r.created_at", table, odd);
    pg_text_add_text(t, " WHERE $6::int8 <> 0 OR (k, key) > ($7::bytea, $8::bytea)"
                        " ORDER BY k, key LIMIT $9::int8");
}

struct pg_doc_statements {
    const char *pages[4][2]; /* by sort, ascending */
    const char *ranges[4];   /* by enum rag_doc_by */
    struct pg_text text;
};

rag_status pg_doc_make_statements(const rag_host *host, struct pg_doc_statements **out,
                                  rag_error *err)
{
    size_t pages[4][2], ranges[4];
    struct pg_doc_statements *s = host->alloc(sizeof *s);
    if (!s)
        return pg_no_memory(host, err);
    memset(s, 0, sizeof *s);
    s->text.host = host;
    for (unsigned i = 0; i < 8; i++) {
        pages[i / 2][i % 2] = s->text.len;
        add_page(&s->text, (rag_doc_sort)(i / 2), (int)(i % 2));
        pg_text_add(&s->text, "", 1);
    }
    for (size_t i = 0; i < 4; i++) {
        ranges[i] = s->text.len;
        add_range(&s->text, range_columns[i]);
        pg_text_add(&s->text, "", 1);
    }
    if (s->text.failed) {
        pg_doc_free_statements(host, s);
        return pg_no_memory(host, err);
    }
    for (size_t i = 0; i < 4; i++) {
        s->pages[i][0] = s->text.data + pages[i][0];
        s->pages[i][1] = s->text.data + pages[i][1];
        s->ranges[i] = s->text.data + ranges[i];
    }
    *out = s;
    return RAG_OK;
}

void pg_doc_free_statements(const rag_host *host, struct pg_doc_statements *statements)
{
    if (statements)
        pg_text_free(&statements->text);
    host->free(statements);
}

static const struct pg_server *server_of(const rag_call *call)
{
    return call->self;
}

/* For the statements of tables.c, which want the name of a namespace, too. */
static void begin_table_params(struct pg_params *params, const rag_call *call)
{
    pg_params_begin_named(params, call, TABLE->name_space);
}

static const struct pg_statements *table_statements(const rag_call *call)
{
    return &server_of(call)->statements[PG_DOC_STATUS];
}

/* ---- writing --------------------------------------------------------------------------------------- */

static int fits_table(const rag_doc_fields *d)
{
    return pg_id_fits(TABLE, d->id) && pg_text_fits(d->status, 64) &&
           (!d->created_at.len || pg_time_fits(d->created_at)) &&
           (!d->updated_at.len || pg_time_fits(d->updated_at)) && pg_text_fits(d->track_id, 255) &&
           pg_jsonb_fits(d->value);
}

enum { ODD_COLUMNS = 10 };

/* Rows on their way: those of the table, the odd ones, and all ids of each kind, to be removed from
 * the other place. */
struct batch {
    struct pg_rows rows;
    struct pg_array odd[ODD_COLUMNS], duplicate;
    struct pg_array odd_texts; /* ids of odd ones that the table could have */
    struct pg_array row_ids;   /* ids of the others, as bytes */
    struct pg_text path;
};

static void batch_begin(struct batch *b, const rag_host *host)
{
    pg_rows_begin(&b->rows, host, TABLE);
    for (size_t i = 0; i < ODD_COLUMNS; i++)
        pg_array_begin(&b->odd[i], host, PG_OID_BYTEA);
    pg_array_begin(&b->duplicate, host, PG_OID_INT8);
    pg_array_begin(&b->odd_texts, host, PG_OID_TEXT);
    pg_array_begin(&b->row_ids, host, PG_OID_BYTEA);
    b->path = (struct pg_text){ .host = host };
}

static void batch_clear(struct batch *b)
{
    pg_rows_clear(&b->rows);
    for (size_t i = 0; i < ODD_COLUMNS; i++)
        pg_array_clear(&b->odd[i]);
    pg_array_clear(&b->duplicate);
    pg_array_clear(&b->odd_texts);
    pg_array_clear(&b->row_ids);
}

static void batch_free(struct batch *b)
{
    pg_rows_free(&b->rows);
    for (size_t i = 0; i < ODD_COLUMNS; i++)
        pg_array_free(&b->odd[i]);
    pg_array_free(&b->duplicate);
    pg_array_free(&b->odd_texts);
    pg_array_free(&b->row_ids);
    pg_text_free(&b->path);
}

/* An absent member is '' here, which no question tells from an empty one. */
static rag_slice present(rag_slice s)
{
    return s.data ? s : (rag_slice){ "", 0 };
}

static void add_odd(struct batch *b, const rag_doc_fields *d)
{
    pg_text_clear(&b->path);
    pg_text_add(&b->path, d->file_path.len ? d->file_path.data : "", d->file_path.len);
    for (size_t i = 0; i < b->path.len; i++)
        if (b->path.data[i] >= 'A' && b->path.data[i] <= 'Z')
            b->path.data[i] = (char)(b->path.data[i] - 'A' + 'a');
    const rag_slice order = { b->path.data ? b->path.data : "", b->path.len };
    const rag_slice parts[ODD_COLUMNS] = {
        d->id,        d->value, d->status,   d->created_at,   d->updated_at,
        d->file_path, order,    d->track_id, d->content_hash, d->original_id,
    };
    for (size_t i = 0; i < ODD_COLUMNS; i++)
        pg_array_add(&b->odd[i], present(parts[i]));
    pg_array_add_int(&b->duplicate, d->is_duplicate);
    if (pg_id_fits(TABLE, d->id))
        pg_array_add(&b->odd_texts, d->id);
}

static const char WRITING[] = "writing documents";

static rag_status send_odd(const rag_call *call, struct pg_conn *conn, const struct batch *b,
                           rag_error *err)
{
    struct pg_params other, params;
    if (b->odd_texts.count) {
        begin_table_params(&other, call);
        pg_add_array(&other, &b->odd_texts);
        PG_TRY(pg_queue(conn, table_statements(call)->erase, &other, WRITING, NULL, err));
    }
    pg_params_begin(&params, call);
    for (size_t i = 0; i < ODD_COLUMNS; i++)
        pg_add_array(&params, &b->odd[i]);
    pg_add_array(&params, &b->duplicate);
    return pg_run(conn, call->ctx, SQL_ODD_PUT, &params, WRITING, NULL, err);
}

static rag_status send_rows(const rag_call *call, struct pg_conn *conn, const struct batch *b,
                            rag_error *err)
{
    struct pg_params other, params;
    pg_params_begin(&other, call);
    pg_add_array(&other, &b->row_ids);
    PG_TRY(pg_queue(conn, SQL_ODD_DELETE, &other, WRITING, NULL, err));
    begin_table_params(&params, call);
    pg_add_array(&params, &b->rows.ids);
    pg_add_array(&params, &b->rows.created);
    pg_add_array(&params, &b->rows.updated);
    pg_add_array(&params, &b->rows.extra);
    for (size_t i = 0; i < TABLE->column_count; i++)
        pg_add_array(&params, &b->rows.columns[i]);
    pg_add_int(&params, 0);
    return pg_run(conn, call->ctx, table_statements(call)->put, &params, WRITING, NULL, err);
}

static rag_status batch_send(const rag_call *call, struct pg_conn *conn, struct batch *b,
                             rag_error *err)
{
    if (b->rows.count)
        PG_TRY(send_rows(call, conn, b, err));
    if (b->odd[0].count)
        PG_TRY(send_odd(call, conn, b, err));
    batch_clear(b);
    return RAG_OK;
}

struct putting {
    const rag_doc_fields *docs;
    size_t n;
};

static rag_status put_work(const rag_call *call, struct pg_conn *conn, void *user, rag_error *err)
{
    const struct putting *p = user;
    struct batch b;
    rag_status status = RAG_OK;
    batch_begin(&b, call->host);
    for (size_t i = 0; i < p->n && status == RAG_OK; i++) {
        const rag_doc_fields *d = &p->docs[i];
        if (fits_table(d)) {
            status = pg_rows_add(&b.rows, d->id, d->value, 0, 0, err);
            pg_array_add(&b.row_ids, d->id);
        } else {
            add_odd(&b, d);
        }
        if (status == RAG_OK && (b.rows.count + b.odd[0].count >= BATCH_ROWS ||
                                 pg_rows_bytes(&b.rows) + b.odd[1].bytes.len > BATCH_BYTES))
            status = batch_send(call, conn, &b, err);
    }
    if (status == RAG_OK)
        status = batch_send(call, conn, &b, err);
    batch_free(&b);
    return status;
}

static rag_status docs_put_many(const rag_call *call, const rag_doc_fields *docs, size_t n,
                                rag_token *token, rag_error *err)
{
    struct putting p = { docs, n };
    return pg_write(call, put_work, &p, 1, token, err);
}

/* ---- by id ----------------------------------------------------------------------------------------- */

struct by_id {
    const rag_slice *ids;
    size_t n;
    rag_result *out;
    uint64_t deleted;
};

/* Ids as both places want them. Places in the arrays are the caller's: what a column cannot have is
 * NULL in the first. */
static void add_ids(const struct by_id *q, const rag_host *host, struct pg_array *texts,
                    struct pg_array *bytes)
{
    const rag_slice null = { NULL, 0 };
    pg_array_begin(texts, host, PG_OID_TEXT);
    pg_array_begin(bytes, host, PG_OID_BYTEA);
    for (size_t i = 0; i < q->n; i++) {
        pg_array_add(texts, pg_id_fits(TABLE, q->ids[i]) ? q->ids[i] : null);
        pg_array_add(bytes, present(q->ids[i]));
    }
}

static rag_status ask_both(const rag_call *call, struct pg_conn *conn, const struct by_id *q,
                           const char *of_table, const char *of_odd, const char *what,
                           PGresult *out[2], rag_error *err)
{
    struct pg_array texts, bytes;
    struct pg_params table, odd;
    out[0] = out[1] = NULL;
    add_ids(q, call->host, &texts, &bytes);
    begin_table_params(&table, call);
    pg_add_array(&table, &texts);
    pg_params_begin(&odd, call);
    pg_add_array(&odd, &bytes);
    rag_status status = pg_queue(conn, of_table, &table, what, &out[0], err);
    if (status == RAG_OK)
        status = pg_run(conn, call->ctx, of_odd, &odd, what, &out[1], err);
    pg_array_free(&texts);
    pg_array_free(&bytes);
    return status;
}

static rag_status append_doc(const rag_call *call, rag_slice id, rag_slice created,
                             const PGresult *result, int row, struct pg_text *value,
                             rag_result *out, rag_error *err)
{
    PG_TRY(pg_row_value(call->host, result, row, TABLE, value, err));
    const rag_row answer = {
        .key = id, .key2 = created, .value = { value->data, value->len }, .found = 1
    };
    return call->host->row_append(out, &answer, err);
}

static rag_status append_found(const rag_call *call, const struct by_id *q, PGresult *results[2],
                               rag_error *err)
{
    const rag_slice none = { NULL, 0 };
    struct pg_text value = { .host = call->host };
    int *where = call->host->alloc(q->n * sizeof *where);
    if (!where)
        return pg_no_memory(call->host, err);
    memset(where, 0, q->n * sizeof *where);
    for (int place = 0; place < 2; place++)
        for (int row = 0; row < PQntuples(results[place]); row++)
            where[pg_int(results[place], row, PG_AT_KEY) - 1] = place ? -(row + 1) : row + 1;
    rag_status status = RAG_OK;
    for (size_t i = 0; i < q->n && status == RAG_OK; i++) {
        const rag_row absent = { .key = q->ids[i] };
        if (!where[i])
            status = call->host->row_append(q->out, &absent, err);
        else
            status = append_doc(call, q->ids[i], none, results[where[i] < 0],
                                (where[i] < 0 ? -where[i] : where[i]) - 1, &value, q->out, err);
    }
    pg_text_free(&value);
    call->host->free(where);
    return status;
}

static rag_status get_work(const rag_call *call, struct pg_conn *conn, void *user, rag_error *err)
{
    const struct by_id *q = user;
    PGresult *results[2];
    PG_TRY(ask_both(call, conn, q, table_statements(call)->get, SQL_ODD_GET, "reading documents",
                    results, err));
    const rag_status status = append_found(call, q, results, err);
    PQclear(results[0]);
    PQclear(results[1]);
    return status;
}

static rag_status docs_get_many(const rag_call *call, const rag_slice *ids, size_t n,
                                rag_result *out, rag_error *err)
{
    struct by_id q = { ids, n, out, 0 };
    return pg_read(call, get_work, &q, err);
}

static rag_status delete_work(const rag_call *call, struct pg_conn *conn, void *user,
                              rag_error *err)
{
    struct by_id *q = user;
    PGresult *results[2];
    PG_TRY(ask_both(call, conn, q, table_statements(call)->erase, SQL_ODD_DELETE,
                    "deleting documents", results, err));
    q->deleted = pg_affected(results[0]) + pg_affected(results[1]);
    PQclear(results[0]);
    PQclear(results[1]);
    return RAG_OK;
}

static rag_status docs_delete_many(const rag_call *call, const rag_slice *ids, size_t n,
                                   uint64_t *deleted, rag_token *token, rag_error *err)
{
    struct by_id q = { ids, n, NULL, 0 };
    PG_TRY(pg_write(call, delete_work, &q, 1, token, err));
    *deleted = q.deleted;
    return RAG_OK;
}

static rag_status drop_work(const rag_call *call, struct pg_conn *conn, void *user, rag_error *err)
{
    struct pg_params params;
    (void)user;
    begin_table_params(&params, call);
    return pg_run(conn, call->ctx, table_statements(call)->clear, &params, "deleting all documents",
                  NULL, err);
}

static rag_status docs_drop(const rag_call *call, rag_error *err)
{
    return pg_write(call, drop_work, NULL, 1, NULL, err);
}

/* ---- lists ----------------------------------------------------------------------------------------- */

/* Texts as both places want them. What is no text of a column's cannot be equal to one. */
static void add_values(const rag_host *host, const rag_slice *values, size_t n,
                       struct pg_array *texts, struct pg_array *bytes)
{
    pg_array_begin(texts, host, PG_OID_TEXT);
    pg_array_begin(bytes, host, PG_OID_BYTEA);
    for (size_t i = 0; i < n; i++) {
        if (pg_text_fits(values[i], 0))
            pg_array_add(texts, present(values[i]));
        pg_array_add(bytes, present(values[i]));
    }
}

struct counting {
    const struct pg_array *statuses;
    rag_result *out; /* NULL: the sum only */
    uint64_t total;
};

static rag_status count_statuses(const rag_call *call, struct pg_conn *conn, struct counting *c,
                                 rag_error *err)
{
    struct pg_params params;
    PGresult *result;
    pg_params_begin(&params, call);
    pg_add_array(&params, c->statuses);
    PG_TRY(pg_run(conn, call->ctx, SQL_COUNTS, &params, "counting documents", &result, err));
    rag_status status = RAG_OK;
    c->total = 0;
    for (int row = 0; row < PQntuples(result) && status == RAG_OK; row++) {
        const rag_row answer = { .key = pg_slice(result, row, 0),
                                 .found = 1,
                                 .number = pg_int(result, row, 1) };
        c->total += (uint64_t)answer.number;
        if (c->out)
            status = call->host->row_append(c->out, &answer, err);
    }
    PQclear(result);
    return status;
}

static rag_status counts_work(const rag_call *call, struct pg_conn *conn, void *user,
                              rag_error *err)
{
    struct pg_array all;
    pg_array_begin(&all, call->host, PG_OID_BYTEA);
    struct counting c = { &all, user, 0 };
    const rag_status status = count_statuses(call, conn, &c, err);
    pg_array_free(&all);
    return status;
}

static rag_status docs_counts(const rag_call *call, rag_result *out, rag_error *err)
{
    return pg_read(call, counts_work, out, err);
}

/* Rows of a list: columns key, k, ... ; created: k goes out as key2. */
static rag_status append_list(const rag_call *call, const PGresult *result, int created,
                              rag_result *out, rag_error *err)
{
    const rag_slice none = { NULL, 0 };
    struct pg_text value = { .host = call->host };
    rag_status status = RAG_OK;
    for (int row = 0; row < PQntuples(result) && status == RAG_OK; row++)
        status = append_doc(call, pg_slice(result, row, PG_AT_KEY),
                            created ? pg_slice(result, row, PG_AT_CREATED) : none, result, row,
                            &value, out, err);
    pg_text_free(&value);
    return status;
}

struct paging {
    const rag_doc_page *page;
    rag_result *out;
};

static rag_status run_page(const rag_call *call, struct pg_conn *conn, const struct paging *p,
                           const struct pg_array *texts, const struct pg_array *bytes,
                           rag_error *err)
{
    struct pg_params params;
    PGresult *result;
    struct counting c = { bytes, NULL, 0 };
    PG_TRY(count_statuses(call, conn, &c, err));
    call->host->result_total(p->out, c.total);
    /* Beyond the last page there is nothing; the division keeps a huge number from wrapping. */
    if (p->page->page - 1 > c.total / p->page->page_size)
        return RAG_OK;
    pg_params_begin(&params, call);
    pg_add_array(&params, texts);
    pg_add_array(&params, bytes);
    pg_add_int(&params, (int64_t)p->page->page_size);
    pg_add_int(&params, (int64_t)((p->page->page - 1) * p->page->page_size));
    const char *sql = server_of(call)->docs->pages[p->page->sort][p->page->ascending != 0];
    PG_TRY(pg_run(conn, call->ctx, sql, &params, "reading a page of documents", &result, err));
    const rag_status status = append_list(call, result, 0, p->out, err);
    PQclear(result);
    return status;
}

static rag_status page_work(const rag_call *call, struct pg_conn *conn, void *user, rag_error *err)
{
    const struct paging *p = user;
    struct pg_array texts, bytes;
    pg_array_begin(&texts, call->host, PG_OID_TEXT);
    pg_array_begin(&bytes, call->host, PG_OID_BYTEA);
    for (size_t i = 0; i < p->page->status_count; i++) {
        pg_array_add(&texts, rag_text(p->page->statuses[i]));
        pg_array_add(&bytes, rag_text(p->page->statuses[i]));
    }
    const rag_status status = run_page(call, conn, p, &texts, &bytes, err);
    pg_array_free(&texts);
    pg_array_free(&bytes);
    return status;
}

static rag_status docs_page(const rag_call *call, const rag_doc_page *page, rag_result *out,
                            rag_error *err)
{
    struct paging p = { page, out };
    return pg_read(call, page_work, &p, err);
}

struct scanning {
    rag_slice after;
    size_t limit;
    rag_result *out;
};

static rag_status scan_work(const rag_call *call, struct pg_conn *conn, void *user, rag_error *err)
{
    const struct scanning *s = user;
    struct pg_params params;
    PGresult *result;
    const rag_slice text = pg_text_part(s->after);
    begin_table_params(&params, call);
    pg_add_slice(&params, s->after);
    pg_add_int(&params, (int64_t)s->limit);
    pg_add_slice(&params, text);
    PG_TRY(pg_run(conn, call->ctx, table_statements(call)->scan, &params, "reading documents",
                  &result, err));
    rag_status status = append_list(call, result, 0, s->out, err);
    const int rows = PQntuples(result);
    if (status == RAG_OK && (size_t)rows == s->limit)
        status = call->host->result_next(s->out, pg_slice(result, rows - 1, PG_AT_KEY), err);
    PQclear(result);
    return status;
}

static rag_status docs_scan(const rag_call *call, rag_slice after, size_t limit, rag_result *out,
                            rag_error *err)
{
    struct scanning s = { after, limit, out };
    return pg_read(call, scan_work, &s, err);
}

/* ---- ranges ---------------------------------------------------------------------------------------- */

struct ranging {
    const rag_doc_range *range;
    int records;
    rag_result *out;
};

/* The row at hand as its record. */
static rag_status append_record(const rag_call *call, rag_slice id, rag_slice created,
                                rag_slice row, rag_result *out, rag_error *err)
{
    rag_doc_fields fields;
    void *memory;
    char *record;
    size_t len;
    PG_TRY(call->host->doc_fields(id, row, &fields, &memory, err));
    rag_status status = call->host->doc_record(&fields, &record, &len, err);
    if (status == RAG_OK) {
        const rag_row answer = {
            .key = id, .key2 = created, .value = { record ? record : "", len }, .found = 1
        };
        status = call->host->row_append(out, &answer, err);
        call->host->free(record);
    }
    call->host->free(memory);
    return status;
}

static rag_status append_records(const rag_call *call, const PGresult *result, rag_result *out,
                                 rag_error *err)
{
    struct pg_text value = { .host = call->host };
    rag_status status = RAG_OK;
    for (int row = 0; row < PQntuples(result) && status == RAG_OK; row++) {
        status = pg_row_value(call->host, result, row, TABLE, &value, err);
        if (status == RAG_OK)
            status = append_record(call, pg_slice(result, row, PG_AT_KEY),
                                   pg_slice(result, row, PG_AT_CREATED),
                                   (rag_slice){ value.data, value.len }, out, err);
    }
    pg_text_free(&value);
    return status;
}

static rag_status range_work(const rag_call *call, struct pg_conn *conn, void *user, rag_error *err)
{
    const struct ranging *r = user;
    const rag_doc_range *range = r->range;
    struct pg_array texts, bytes;
    struct pg_params params;
    PGresult *result = NULL;
    add_values(call->host, range->values, range->value_count, &texts, &bytes);
    pg_params_begin(&params, call);
    pg_add_array(&params, &texts);
    pg_add_array(&params, &bytes);
    pg_add_int(&params, range->primaries_only != 0);
    pg_add_slice(&params, range->exclude_id);
    pg_add_int(&params, range->from_start != 0);
    pg_add_slice(&params, range->after_created_at);
    pg_add_slice(&params, range->after_id);
    pg_add_int(&params, (int64_t)range->limit);
    rag_status status = pg_run(conn, call->ctx, server_of(call)->docs->ranges[range->by], &params,
                               "looking for documents", &result, err);
    if (status == RAG_OK)
        status = r->records ? append_records(call, result, r->out, err)
                            : append_list(call, result, 1, r->out, err);
    if (status == RAG_OK && (size_t)PQntuples(result) < range->limit)
        call->host->result_flags(r->out, RAG_RESULT_EXHAUSTED);
    PQclear(result);
    pg_array_free(&texts);
    pg_array_free(&bytes);
    return status;
}

static rag_status docs_range(const rag_call *call, const rag_doc_range *range, rag_result *out,
                             rag_error *err)
{
    struct ranging r = { range, 0, out };
    return pg_read(call, range_work, &r, err);
}

static rag_status docs_range_records(const rag_call *call, const rag_doc_range *range,
                                     rag_result *out, rag_error *err)
{
    struct ranging r = { range, 1, out };
    return pg_read(call, range_work, &r, err);
}

static rag_status conflicts_work(const rag_call *call, struct pg_conn *conn, void *user,
                                 rag_error *err)
{
    const struct scanning *s = user;
    struct pg_params params;
    PGresult *result;
    pg_params_begin(&params, call);
    pg_add_slice(&params, s->after);
    pg_add_int(&params, (int64_t)s->limit);
    PG_TRY(pg_run(conn, call->ctx, SQL_CONFLICTS, &params, "looking for conflicts", &result, err));
    rag_status status = RAG_OK;
    for (int row = 0; row < PQntuples(result) && status == RAG_OK; row++) {
        const rag_row answer = { .key = pg_slice(result, row, 0),
                                 .found = 1,
                                 .number = pg_int(result, row, 1) };
        status = call->host->row_append(s->out, &answer, err);
    }
    PQclear(result);
    return status;
}

static rag_status docs_conflicts(const rag_call *call, rag_slice after, size_t limit,
                                 rag_result *out, rag_error *err)
{
    struct scanning s = { after, limit, out };
    return pg_read(call, conflicts_work, &s, err);
}

const rag_docstatus_table pg_docstatus = {
    .struct_size = sizeof pg_docstatus,
    .put_many = docs_put_many,
    .get_many = docs_get_many,
    .delete_many = docs_delete_many,
    .counts = docs_counts,
    .page = docs_page,
    .scan = docs_scan,
    .drop = docs_drop,
    .range = docs_range,
    .range_records = docs_range_records,
    .conflicts = docs_conflicts,
};
