/* Rows that wait for their vectors: ragstore_pending, beside the tables of vectors.
 *
 * A row belongs to the opened backend that deferred it last, by a number from a sequence. That number
 * lives as long as a session of its own holds an advisory lock over it, on a connection that is kept
 * for this alone, made when the first row is deferred: connections of the pool come and go. Closing
 * gives the lock back at once, the server does when the process dies; then the rows belong to
 * everybody's next flush. Should that connection be lost (a restart of the server), it is made again
 * at the next deferring; until then the rows may be taken by others, which loses none.
 *
 * The mark of a row comes from a sequence: the same id deferred again has another one, and what was
 * embedded for the older text is ignored. Vectors that are known before the flush are kept as
 * pgvector sends them. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "net/deadline.h"
#include "net/lock.h"
#include "vector.h"

enum { CLOSE_MS = 3000, BATCH_BYTES = 32 * 1024 * 1024 };

#define LOCK_CLASS "1919510390" /* the first half of the advisory lock; the owner is the second */
#define OF "q.workspace = $1::text AND q.name = $2::text"
#define KEY "sha256(q.key) = sha256(u.key) AND q.key = u.key"
#define ALIVE                                                                  \
    "ARRAY(SELECT l.objid::int8 FROM pg_locks l WHERE l.locktype = 'advisory'" \
    " AND l.classid = " LOCK_CLASS "::oid AND l.objsubid = 2 AND l.granted"    \
    " AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()))"

static const char SQL_NUMBER[] = "SELECT nextval('ragstore_owner') % 2147483647";
static const char SQL_LOCK[] = "SELECT pg_advisory_lock(" LOCK_CLASS ", $1::int8::int4)";
/* Our own session of before, which the server may take for alive long after we lost it. */
static const char SQL_END_OLD[] =
    "SELECT pg_terminate_backend(l.pid, 2000) FROM pg_locks l WHERE l.locktype = 'advisory'"
    " AND l.classid = " LOCK_CLASS "::oid AND l.objid = $1::int8::oid AND l.objsubid = 2"
    " AND l.granted AND l.database ="
    " (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())";
static const char SQL_DEFER[] =
    "INSERT INTO ragstore_pending (workspace, name, key, owner, mark, value, content, created,"
    " names) SELECT $1::text, $2::text, u.key, $3::int8, nextval('ragstore_mark'), u.value::json,"
    " u.content, u.created, array_remove(ARRAY[sha256(u.n1), sha256(u.n2), sha256(u.n3)], NULL)"
    " FROM unnest($4::bytea[], $5::text[], $6::bytea[], $7::int8[], $8::bytea[], $9::bytea[],"
    " $10::bytea[]) AS u(key, value, content, created, n1, n2, n3)"
    " ON CONFLICT (workspace, name, sha256(key)) DO UPDATE SET owner = EXCLUDED.owner,"
    " mark = EXCLUDED.mark, value = EXCLUDED.value, content = EXCLUDED.content,"
    " created = EXCLUDED.created, names = EXCLUDED.names, vector = NULL";
static const char SQL_FIND[] =
    "SELECT u.place, q.created, q.value::text, (q.value IS NULL)::int::int8, q.vector"
    " FROM unnest($3::bytea[]) WITH ORDINALITY AS u(key, place) JOIN ragstore_pending q"
    " ON " OF " AND " KEY;
static const char SQL_TAKE[] =
    "SELECT u.place, q.created, q.value::text, (q.value IS NULL)::int::int8"
    " FROM unnest($3::bytea[], $4::int8[]) WITH ORDINALITY AS u(key, mark, place)"
    " JOIN ragstore_pending q ON " OF " AND " KEY " AND q.mark = u.mark"
    " ORDER BY u.place FOR UPDATE OF q";
static const char SQL_KEEP[] =
    "UPDATE ragstore_pending q SET vector = u.vector"
    " FROM unnest($3::bytea[], $4::bytea[]) AS u(key, vector) WHERE " OF " AND " KEY;
static const char SQL_DISCARD[] =
    "DELETE FROM ragstore_pending q USING unnest($3::bytea[]) AS u(key) WHERE " OF " AND " KEY;
static const char SQL_SCAN[] =
    "SELECT q.key, q.mark, q.value::text, q.content, q.created, q.vector FROM ragstore_pending q"
    " WHERE " OF " AND (q.owner = $3::int8 OR q.owner <> ALL(" ALIVE "))"
    " AND (substr(q.key, 1, 512), q.key) > (substr($4::bytea, 1, 512), $4::bytea)"
    " ORDER BY substr(q.key, 1, 512), q.key LIMIT $5::int8";
static const char SQL_DROP[] = "DELETE FROM ragstore_pending q WHERE " OF " AND q.owner = $3::int8";

/* ---- the owner ------------------------------------------------------------------------------------- */

struct pg_owner {
    struct net_lock lock;   /* of making the connection, which may take its time */
    _Atomic int64_t number; /* 0: nothing was deferred yet */
    struct pg_conn *conn;   /* holds the lock; NULL: none */
    int descriptor;
};

rag_status pg_owner_new(struct pg_server *s, rag_error *err)
{
    struct pg_owner *o = s->host->alloc(sizeof *o);
    if (!o)
        return pg_no_memory(s->host, err);
    memset(o, 0, sizeof *o);
    const rag_status status = net_lock_init(s->host, &o->lock, err);
    if (status == RAG_OK)
        s->owner = o;
    else
        s->host->free(o);
    return status;
}

static void hang_up(const struct pg_server *s, struct pg_owner *o)
{
    if (!o->conn)
        return;
    s->host->untrack_descriptor(o->descriptor);
    pg_disconnect(o->conn);
    o->conn = NULL;
}

void pg_owner_free(struct pg_server *s)
{
    struct pg_owner *o = s->owner;
    rag_context ctx = RAG_CONTEXT_INIT;
    if (!o)
        return;
    ctx.deadline_ns = net_now_ns() + (int64_t)CLOSE_MS * 1000000;
    /* at once: the server's end of a session may take a moment */
    if (o->conn && pg_is_alive(o->conn))
        (void)pg_command(o->conn, &ctx, "SELECT pg_advisory_unlock_all()", PG_RUNNING, "closing",
                         NULL);
    hang_up(s, o);
    net_lock_destroy(&o->lock);
    s->host->free(o);
    s->owner = NULL;
}

static rag_status lock_number(struct pg_owner *o, const rag_context *ctx, rag_error *err)
{
    const struct pg_params none = { 0 };
    struct pg_params params = { 0 };
    if (!o->number) {
        PGresult *result;
        PG_TRY(pg_run(o->conn, ctx, SQL_NUMBER, &none, "numbering the owner", &result, err));
        o->number = pg_int(result, 0, 0);
        PQclear(result);
    }
    pg_add_int(&params, o->number);
    PG_TRY(pg_run(o->conn, ctx, SQL_END_OLD, &params, "locking the owner", NULL, err));
    return pg_run(o->conn, ctx, SQL_LOCK, &params, "locking the owner", NULL, err);
}

static rag_status connect_owner(const struct pg_server *s, struct pg_owner *o,
                                const rag_context *ctx, rag_error *err)
{
    PG_TRY(pg_connect(s->host, &s->address, NULL, ctx, &o->conn, err));
    o->descriptor = PQsocket(o->conn->pg);
    rag_status status = s->host->track_descriptor(o->descriptor, err);
    if (status != RAG_OK) {
        pg_disconnect(o->conn);
        o->conn = NULL;
        return status;
    }
    status = lock_number(o, ctx, err);
    if (status != RAG_OK)
        hang_up(s, o);
    return status;
}

/* The number of this backend, alive for everybody who looks. */
static rag_status owner_number(const rag_call *call, int64_t *number, rag_error *err)
{
    const struct pg_server *s = call->self;
    struct pg_owner *o = s->owner;
    rag_status status = RAG_OK;
    PG_TRY(net_lock_take(call->host, call->ctx, &o->lock, err));
    if (o->conn && !pg_is_alive(o->conn))
        hang_up(s, o);
    if (!o->conn)
        status = connect_owner(s, o, call->ctx, err);
    if (status == RAG_OK)
        *number = o->number;
    net_lock_give(&o->lock);
    return status;
}

/* 0 when it has deferred nothing: no row has this owner. */
static int64_t known_number(const rag_call *call)
{
    return ((const struct pg_server *)call->self)->owner->number;
}

/* ---- deferring ------------------------------------------------------------------------------------- */

struct deferring {
    const char *name;
    const rag_pending_item *items; /* NULL: deletes of `ids` */
    const rag_slice *ids;
    size_t n;
    int64_t owner;
};

enum { KEYS, VALUES, CONTENTS, CREATED, NAMES, COLUMNS = NAMES + PG_NAMES };

static size_t bytes_of(const struct pg_array columns[COLUMNS])
{
    size_t bytes = 0;
    for (size_t i = 0; i < COLUMNS; i++)
        bytes += columns[i].bytes.len;
    return bytes;
}

static rag_status send_rows(const rag_call *call, struct pg_conn *conn, const struct deferring *d,
                            struct pg_array columns[COLUMNS], rag_error *err)
{
    struct pg_params params;
    if (!columns[KEYS].count)
        return RAG_OK;
    pg_params_begin_named(&params, call, d->name);
    pg_add_int(&params, d->owner);
    for (size_t i = 0; i < COLUMNS; i++)
        pg_add_array(&params, &columns[i]);
    const rag_status status =
        pg_run(conn, call->ctx, SQL_DEFER, &params, "deferring rows", NULL, err);
    for (size_t i = 0; i < COLUMNS; i++)
        pg_array_clear(&columns[i]);
    return status;
}

static rag_status put_rows(const rag_call *call, struct pg_conn *conn, const struct deferring *d,
                           struct pg_array columns[COLUMNS], rag_error *err)
{
    const rag_slice null = { NULL, 0 };
    const int64_t now = (int64_t)time(NULL);
    struct pg_names names;
    memset(&names, 0, sizeof names);
    rag_status status = RAG_OK;
    for (size_t i = 0; i < d->n && status == RAG_OK; i++) {
        const rag_pending_item *item = d->items ? &d->items[i] : NULL;
        const int64_t created = item && item->created_at ? item->created_at : now;
        if (item)
            status = pg_names_of(call->host, NULL, item->value, &names, err);
        pg_array_add(&columns[KEYS], item ? item->id : d->ids[i]);
        pg_array_add(&columns[VALUES], item ? item->value : null);
        pg_array_add(&columns[CONTENTS], item ? item->content : null);
        pg_array_add_int(&columns[CREATED], created == RAG_TIME_UNKNOWN ? 0 : created);
        pg_names_add(&names, &columns[NAMES]);
        if (status == RAG_OK && bytes_of(columns) > BATCH_BYTES)
            status = send_rows(call, conn, d, columns, err);
    }
    pg_names_free(&names);
    return status == RAG_OK ? send_rows(call, conn, d, columns, err) : status;
}

static rag_status defer_work(const rag_call *call, struct pg_conn *conn, void *user, rag_error *err)
{
    static const uint32_t types[COLUMNS] = { PG_OID_BYTEA, PG_OID_TEXT,  PG_OID_BYTEA, PG_OID_INT8,
                                             PG_OID_BYTEA, PG_OID_BYTEA, PG_OID_BYTEA };
    const struct deferring *d = user;
    struct pg_use use;
    struct pg_array columns[COLUMNS];
    PG_TRY(pg_use_begin(call, conn, d->name, &use, err));
    if (!use.found)
        return d->items ? pg_space_missing(call, d->name, err) : RAG_OK;
    for (size_t i = 0; i < COLUMNS; i++)
        pg_array_begin(&columns[i], call->host, types[i]);
    const rag_status status =
        pg_use_end(call, conn, &use, put_rows(call, conn, d, columns, err), err);
    for (size_t i = 0; i < COLUMNS; i++)
        pg_array_free(&columns[i]);
    return status;
}

rag_status pg_pending_put(const rag_call *call, const char *name_space,
                          const rag_pending_item *items, size_t n, rag_token *token, rag_error *err)
{
    struct deferring d = { .name = name_space, .items = items, .n = n };
    PG_TRY(owner_number(call, &d.owner, err));
    return pg_write(call, defer_work, &d, 0, token, err);
}

static int compare_ids(const void *a, const void *b)
{
    return pg_compare(*(const rag_slice *)a, *(const rag_slice *)b);
}

/* Every id once: a statement cannot put a row twice. */
static rag_status unique_ids(const rag_call *call, const rag_slice *ids, size_t n, rag_slice **out,
                             size_t *count, rag_error *err)
{
    rag_slice *all = call->host->alloc(n * sizeof *all);
    if (!all)
        return pg_no_memory(call->host, err);
    memcpy(all, ids, n * sizeof *all);
    qsort(all, n, sizeof *all, compare_ids);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (!kept || pg_compare(all[kept - 1], all[i]) != 0)
            all[kept++] = all[i];
    *out = all;
    *count = kept;
    return RAG_OK;
}

rag_status pg_pending_delete(const rag_call *call, const char *name_space, const rag_slice *ids,
                             size_t n, rag_token *token, rag_error *err)
{
    struct deferring d = { .name = name_space };
    rag_slice *unique;
    PG_TRY(owner_number(call, &d.owner, err));
    PG_TRY(unique_ids(call, ids, n, &unique, &d.n, err));
    d.ids = unique;
    const rag_status status = pg_write(call, defer_work, &d, 0, token, err);
    call->host->free(unique);
    return status;
}

/* ---- looking and discarding ------------------------------------------------------------------------ */

rag_status pg_pending_queue(const rag_call *call, struct pg_conn *conn, const char *name,
                            const struct pg_array *ids, struct pg_params *params, PGresult **out,
                            rag_error *err)
{
    pg_params_begin_named(params, call, name);
    pg_add_array(params, ids);
    return pg_queue(conn, SQL_FIND, params, "reading pending rows", out, err);
}

rag_status pg_pending_discard(const rag_call *call, struct pg_conn *conn, const char *name,
                              const rag_slice *ids, size_t stride, size_t n, struct pg_discard *d,
                              rag_error *err)
{
    pg_array_begin(&d->keys, call->host, PG_OID_BYTEA);
    for (size_t i = 0; i < n; i++) {
        rag_slice id;
        memcpy(&id, (const char *)ids + i * stride, sizeof id);
        pg_array_add(&d->keys, id);
    }
    pg_params_begin_named(&d->params, call, name);
    pg_add_array(&d->params, &d->keys);
    return pg_queue(conn, SQL_DISCARD, &d->params, "discarding pending rows", NULL, err);
}

void pg_discard_free(struct pg_discard *d)
{
    pg_array_free(&d->keys);
}

struct scanning {
    const char *name;
    rag_slice after;
    size_t limit;
    rag_result *out;
};

static rag_status append_page(const rag_call *call, const struct scanning *s,
                              const PGresult *result, rag_error *err)
{
    const int rows = PQntuples(result);
    const int more = (size_t)rows > s->limit, shown = more ? (int)s->limit : rows;
    struct pg_text floats = { .host = call->host };
    rag_status status = RAG_OK;
    for (int row = 0; row < shown && status == RAG_OK; row++) {
        const rag_slice vector = pg_slice(result, row, 5);
        rag_row answer = { .key = pg_slice(result, row, 0),
                           .number = pg_int(result, row, 1),
                           .value = pg_slice(result, row, 2),
                           .key2 = pg_slice(result, row, 3),
                           .found = !PQgetisnull(result, row, 2),
                           .created_at = pg_int(result, row, 4) };
        if (vector.data)
            status = pg_vector_decode(call->host, vector, &floats, &answer.vector,
                                      &answer.dimension, err);
        if (status == RAG_OK)
            status = call->host->row_append(s->out, &answer, err);
    }
    if (status == RAG_OK && more)
        status = call->host->result_next(s->out, pg_slice(result, shown - 1, 0), err);
    pg_text_free(&floats);
    return status;
}

static rag_status scan_work(const rag_call *call, struct pg_conn *conn, void *user, rag_error *err)
{
    const struct scanning *s = user;
    struct pg_params params;
    PGresult *result;
    pg_params_begin_named(&params, call, s->name);
    pg_add_int(&params, known_number(call));
    pg_add_slice(&params, s->after);
    pg_add_int(&params, (int64_t)s->limit + 1);
    PG_TRY(pg_run(conn, call->ctx, SQL_SCAN, &params, "reading pending rows", &result, err));
    const rag_status status = append_page(call, s, result, err);
    PQclear(result);
    return status;
}

rag_status pg_pending_scan(const rag_call *call, const char *name_space, rag_slice after,
                           size_t limit, rag_result *out, rag_error *err)
{
    struct scanning s = { name_space, after, limit, out };
    return pg_read(call, scan_work, &s, err);
}

/* ---- settling -------------------------------------------------------------------------------------- */

struct settling {
    const char *name;
    const rag_pending_vector *vectors;
    size_t n;
    int keep;
    uint64_t applied;
    /* of one attempt */
    struct pg_space space;
    rag_vector_item *items;
    rag_slice *deletes;
    size_t item_count, delete_count;
};

static rag_status wrong_use(const rag_call *call, rag_slice id, int is_delete, rag_error *err)
{
    return call->host->fail(err, RAG_E_INVALID,
                            is_delete ? "'%.*s' is a deferred delete and takes no vector"
                                      : "'%.*s' waits for a vector and is no deferred delete",
                            (int)(id.len < 120 ? id.len : 120), (const char *)id.data);
}

/* Those of the vectors that are for a row as it is now, in `items` and `deletes`. */
static rag_status sort_out(const rag_call *call, struct settling *s, const PGresult *taken,
                           rag_error *err)
{
    s->item_count = s->delete_count = 0;
    for (int row = 0; row < PQntuples(taken); row++) {
        const rag_pending_vector *v = &s->vectors[pg_int(taken, row, PG_PENDING_PLACE) - 1];
        const int is_delete = pg_int(taken, row, PG_PENDING_DELETE) != 0;
        const int64_t created = pg_int(taken, row, PG_PENDING_CREATED);
        if (is_delete == (v->vector != NULL))
            return wrong_use(call, v->id, is_delete, err);
        if (is_delete)
            s->deletes[s->delete_count++] = v->id;
        else
            s->items[s->item_count++] = (rag_vector_item){ v->id, v->vector, v->dimension,
                                                           pg_slice(taken, row, PG_PENDING_VALUE),
                                                           created ? created : RAG_TIME_UNKNOWN };
    }
    return RAG_OK;
}

/* Remember the vectors with their rows. */
static rag_status remember(const rag_call *call, struct pg_conn *conn, const struct settling *s,
                           rag_error *err)
{
    struct pg_params params;
    struct pg_array keys, vectors;
    struct pg_text bytes = { .host = call->host };
    rag_status status = RAG_OK;
    pg_array_begin(&keys, call->host, PG_OID_BYTEA);
    pg_array_begin(&vectors, call->host, PG_OID_BYTEA);
    for (size_t i = 0; i < s->item_count && status == RAG_OK; i++) {
        const rag_vector_item *item = &s->items[i];
        pg_text_clear(&bytes);
        status = pg_vector_encode(call->host, &s->space.facts, 0, item->id, item->vector,
                                  item->dimension, &bytes, err);
        pg_array_add(&keys, item->id);
        pg_array_add(&vectors, (rag_slice){ bytes.data, bytes.len });
    }
    pg_params_begin_named(&params, call, s->name);
    pg_add_array(&params, &keys);
    pg_add_array(&params, &vectors);
    if (status == RAG_OK)
        status = pg_run(conn, call->ctx, SQL_KEEP, &params, "remembering vectors", NULL, err);
    pg_array_free(&keys);
    pg_array_free(&vectors);
    pg_text_free(&bytes);
    return status;
}

static rag_status store(const rag_call *call, struct pg_conn *conn, const struct settling *s,
                        rag_error *err)
{
    uint64_t erased;
    if (s->delete_count) /* takes what is pending of them along */
        PG_TRY(pg_vector_erase(call, conn, &s->space, s->name, s->deletes, s->delete_count, &erased,
                               err));
    if (!s->item_count)
        return RAG_OK;
    struct pg_discard discard;
    rag_status status = pg_pending_discard(call, conn, s->name, &s->items->id, sizeof *s->items,
                                           s->item_count, &discard, err);
    if (status == RAG_OK) /* takes the other along */
        status = pg_vector_write(call, conn, &s->space, s->name, s->items, s->item_count, err);
    pg_discard_free(&discard);
    return status;
}

static rag_status take(const rag_call *call, struct pg_conn *conn, const struct settling *s,
                       PGresult **out, rag_error *err)
{
    struct pg_params params;
    struct pg_array keys, marks;
    pg_array_begin(&keys, call->host, PG_OID_BYTEA);
    pg_array_begin(&marks, call->host, PG_OID_INT8);
    for (size_t i = 0; i < s->n; i++) {
        pg_array_add(&keys, s->vectors[i].id);
        pg_array_add_int(&marks, s->vectors[i].mark);
    }
    pg_params_begin_named(&params, call, s->name);
    pg_add_array(&params, &keys);
    pg_add_array(&params, &marks);
    const rag_status status =
        pg_run(conn, call->ctx, SQL_TAKE, &params, "settling pending rows", out, err);
    pg_array_free(&keys);
    pg_array_free(&marks);
    return status;
}

static rag_status settle_work(const rag_call *call, struct pg_conn *conn, void *user,
                              rag_error *err)
{
    struct settling *s = user;
    PGresult *taken = NULL;
    struct pg_use use;
    s->applied = 0;
    PG_TRY(pg_use_begin(call, conn, s->name, &use, err));
    if (!use.found)
        return RAG_OK;
    rag_status status = pg_use_end(call, conn, &use, take(call, conn, s, &taken, err), err);
    s->space = use.space;
    if (status == RAG_OK)
        status = sort_out(call, s, taken, err);
    if (status == RAG_OK)
        status = s->keep ? remember(call, conn, s, err) : store(call, conn, s, err);
    if (status == RAG_OK)
        s->applied = s->item_count + s->delete_count;
    PQclear(taken);
    return status;
}

rag_status pg_pending_resolve(const rag_call *call, const char *name_space,
                              const rag_pending_vector *vectors, size_t n, int keep,
                              uint64_t *applied, rag_token *token, rag_error *err)
{
    struct settling s = { .name = name_space, .vectors = vectors, .n = n, .keep = keep };
    rag_status status = RAG_OK;
    s.items = call->host->alloc(n * sizeof *s.items);
    s.deletes = call->host->alloc(n * sizeof *s.deletes);
    if (!s.items || !s.deletes)
        status = pg_no_memory(call->host, err);
    if (status == RAG_OK)
        status = pg_write(call, settle_work, &s, 0, token, err);
    if (status == RAG_OK) {
        *applied = s.applied;
        if (s.applied)
            pg_vector_index_grown(call, name_space, &s.space);
    }
    call->host->free(s.items);
    call->host->free(s.deletes);
    return status;
}

struct dropping {
    const char *name;
    uint64_t dropped;
};

static rag_status drop_work(const rag_call *call, struct pg_conn *conn, void *user, rag_error *err)
{
    struct dropping *d = user;
    struct pg_params params;
    PGresult *result;
    pg_params_begin_named(&params, call, d->name);
    pg_add_int(&params, known_number(call));
    PG_TRY(pg_run(conn, call->ctx, SQL_DROP, &params, "dropping pending rows", &result, err));
    d->dropped = pg_affected(result);
    PQclear(result);
    return RAG_OK;
}

rag_status pg_pending_drop(const rag_call *call, const char *name_space, uint64_t *dropped,
                           rag_error *err)
{
    struct dropping d = { name_space, 0 };
    PG_TRY(pg_write(call, drop_work, &d, 0, NULL, err));
    *dropped = d.dropped;
    return RAG_OK;
}
