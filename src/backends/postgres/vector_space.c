/* The record of a space: model, dimension, metric, element type, and in which tables its rows are.
 *
 * It is in ragstore_space and never changes until the space is dropped; every slot reads it before
 * anything else, on the connection and in the transaction that it works in, so a space that somebody
 * dropped is never written. Writers hold the turn of the workspace, so for them it stays as it is
 * until they commit.
 *
 * Reading it makes no trip to the server of its own: what was last seen is kept in the handle, the
 * slot makes its statements of that, and its first trip begins with the question for the record. An
 * answer that differs makes the slot run again (transaction.c). What does not change the statements
 * (how many rows, whether some are pending) is taken from the answer. */
#include <pthread.h>
#include <string.h>

#include "schema.h"
#include "vector.h"

static const char SQL_FIND[] =
    "SELECT s.model, s.dimension, s.metric, s.element, s.lightrag, s.own,"
    " coalesce(to_regtype('vector')::oid::int8, 0),"
    " coalesce(to_regtype('halfvec')::oid::int8, 0),"
    " coalesce((SELECT a.atttypid::int8 FROM pg_attribute a WHERE a.attname = 'content_vector'"
    " AND a.attrelid = to_regclass(nullif(s.lightrag, ''))::oid), 0),"
    " coalesce((SELECT a.atttypid::int8 FROM pg_attribute a WHERE a.attname = 'content_vector'"
    " AND a.attrelid = to_regclass(s.own)::oid), 0),"
    " EXISTS (SELECT 1 FROM ragstore_pending p WHERE p.workspace = $1::text"
    " AND p.name = $2::text)::int::int8,"
    " coalesce((SELECT (string_to_array(e.extversion, '.')::int[] >= ARRAY[0, 8])::int::int8"
    " FROM pg_extension e WHERE e.extname = 'vector'), 0),"
    " coalesce((SELECT greatest(c.reltuples, 0)::int8 FROM pg_class c WHERE c.oid ="
    " to_regclass(coalesce(nullif(s.lightrag, ''), s.own))::oid), 0),"
    " EXISTS (SELECT 1 FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid"
    " AND a.attnum = i.indkey[0] WHERE a.attname = 'content_vector' AND i.indisvalid"
    " AND i.indrelid = to_regclass(coalesce(nullif(s.lightrag, ''), s.own))::oid)::int::int8"
    " FROM ragstore_space s WHERE s.workspace = $1::text AND s.name = $2::text";
static const char SQL_RECORD[] =
    "INSERT INTO ragstore_space (workspace, name, model, dimension, metric, element, lightrag, own)"
    " VALUES ($1::text, $2::text, $3::text, $4::int8, $5::int8, $6::int8, $7::text, $8::text)";
const char pg_sql_space_rows[] =
    "SELECT coalesce(sum(c.rows), 0)::int8 FROM ragstore_space s JOIN"
    " (SELECT kind, name, rows FROM ragstore_namespace WHERE workspace = $1::text"
    " AND kind IN ('vector', 'vdb') UNION ALL"
    " SELECT kind, name, rows FROM ragstore_change WHERE workspace = $1::text"
    " AND kind IN ('vector', 'vdb')) c"
    " ON (c.kind = 'vector' AND c.name = s.name) OR (c.kind = 'vdb' AND c.name = s.lightrag)"
    " WHERE s.workspace = $1::text AND s.name = $2::text";

static void read_text(const PGresult *result, int column, char *out, size_t size)
{
    const size_t len = strnlen(PQgetvalue(result, 0, column), size - 1);
    memcpy(out, PQgetvalue(result, 0, column), len);
    out[len] = 0;
}

static rag_status read_space(const rag_call *call, const PGresult *r, const char *name,
                             struct pg_space *out, rag_error *err)
{
    memset(out, 0, sizeof *out);
    out->facts = (rag_vector_space)RAG_VECTOR_SPACE_INIT;
    read_text(r, 0, out->facts.model, sizeof out->facts.model);
    out->facts.dimension = (uint32_t)pg_int(r, 0, 1);
    out->facts.metric = (rag_metric)pg_int(r, 0, 2);
    out->facts.element = (rag_element)pg_int(r, 0, 3);
    read_text(r, 4, out->place.lightrag, sizeof out->place.lightrag);
    read_text(r, 5, out->place.own, sizeof out->place.own);
    out->vector_type = (uint32_t)pg_int(r, 0, 6);
    out->halfvec_type = (uint32_t)pg_int(r, 0, 7);
    const int64_t lightrag = pg_int(r, 0, 8), own = pg_int(r, 0, 9);
    if (!out->vector_type || !own || (out->place.lightrag[0] && !lightrag))
        return call->host->fail(err, RAG_E_CORRUPT,
                                "vector space '%s': its tables %s %s or the extension pgvector "
                                "were removed",
                                name, out->place.own, out->place.lightrag);
    out->place.metric = out->facts.metric;
    out->place.lightrag_half = out->place.lightrag[0] && lightrag == (int64_t)out->halfvec_type;
    out->place.own_half = own == (int64_t)out->halfvec_type;
    out->table = out->place.lightrag[0] ? pg_vector_layout(name) : NULL;
    out->waiting = pg_int(r, 0, 10) != 0;
    out->iterates = pg_int(r, 0, 11) != 0;
    out->table_rows = (uint64_t)pg_int(r, 0, 12);
    out->indexed = pg_int(r, 0, 13) != 0;
    return pg_vector_statements_of(call->self, &out->place, out->table, &out->sql, err);
}

/* ---- what was last seen ---------------------------------------------------------------------------- */

struct pg_known {
    struct pg_known *next;
    struct pg_space space;
    int counted;
    uint64_t rows;
    char name[];
};

static struct pg_known **known_at(struct pg_server *s, const char *name)
{
    struct pg_known **at = &s->known;
    while (*at && strcmp((*at)->name, name) != 0)
        at = &(*at)->next;
    return at;
}

/* For want of memory nothing is kept, which costs a trip. */
static void remember(const rag_call *call, const struct pg_use *use, const struct pg_space *space)
{
    struct pg_server *s = call->self;
    const size_t len = strlen(use->name) + 1;
    (void)pthread_mutex_lock(&s->knowing);
    struct pg_known **at = known_at(s, use->name);
    if (!*at && use->found) {
        *at = call->host->alloc(sizeof **at + len);
        if (*at) {
            memset(*at, 0, sizeof **at);
            memcpy((*at)->name, use->name, len);
        }
    }
    if (*at && use->found) {
        (*at)->space = *space;
        if (use->counted) {
            (*at)->counted = 1;
            (*at)->rows = use->rows;
        }
    } else if (*at) {
        struct pg_known *gone = *at;
        *at = gone->next;
        call->host->free(gone);
    }
    (void)pthread_mutex_unlock(&s->knowing);
}

static int recall(const rag_call *call, struct pg_use *use)
{
    struct pg_server *s = call->self;
    (void)pthread_mutex_lock(&s->knowing);
    const struct pg_known *known = *known_at(s, use->name);
    if (known) {
        use->space = known->space;
        use->counted = known->counted;
        use->rows = known->rows;
    }
    (void)pthread_mutex_unlock(&s->knowing);
    return known != NULL;
}

void pg_spaces_free(struct pg_server *s)
{
    while (s->known) {
        struct pg_known *next = s->known->next;
        s->host->free(s->known);
        s->known = next;
    }
}

/* ---- using a space --------------------------------------------------------------------------------- */

/* What statements and their parameters are made of. */
static int same_space(const struct pg_space *a, const struct pg_space *b)
{
    return a->sql == b->sql && a->table == b->table && a->vector_type == b->vector_type &&
           a->halfvec_type == b->halfvec_type && a->facts.dimension == b->facts.dimension &&
           a->facts.metric == b->facts.metric && a->facts.element == b->facts.element;
}

static rag_status read_record(const rag_call *call, struct pg_use *use, struct pg_space *out,
                              rag_error *err)
{
    rag_status status = RAG_OK;
    use->found = PQntuples(use->record) == 1;
    if (use->found)
        status = read_space(call, use->record, use->name, out, err);
    PQclear(use->record);
    use->record = NULL;
    return status;
}

static const char LOOKING[] = "looking for a vector space";

static rag_status ask_record(const rag_call *call, struct pg_conn *conn, struct pg_use *use,
                             rag_error *err)
{
    PG_TRY(pg_run(conn, call->ctx, SQL_FIND, &use->params, LOOKING, &use->record, err));
    PG_TRY(read_record(call, use, &use->space, err));
    remember(call, use, &use->space);
    return RAG_OK;
}

rag_status pg_use_begin(const rag_call *call, struct pg_conn *conn, const char *name,
                        struct pg_use *use, rag_error *err)
{
    memset(use, 0, sizeof *use);
    use->name = name;
    pg_params_begin_named(&use->params, call, name);
    if (!conn->certain && recall(call, use)) {
        use->found = use->believed = 1;
        return pg_queue(conn, SQL_FIND, &use->params, LOOKING, &use->record, err);
    }
    return ask_record(call, conn, use, err);
}

rag_status pg_use_doubt(const rag_call *call, struct pg_conn *conn, const struct pg_use *use,
                        rag_error *err)
{
    conn->doubtful = 1;
    return call->host->fail(err, RAG_E_TRANSACTION, "vector space '%s' changed meanwhile",
                            use->name);
}

/* What would fail in the same way with any record. */
static int fails_anyway(rag_status status)
{
    return status == RAG_E_TIMEOUT || status == RAG_E_CANCELLED || status == RAG_E_CONNECTION ||
           status == RAG_E_TRANSACTION || status == RAG_E_NO_MEMORY || status == RAG_E_NO_SPACE ||
           status == RAG_E_DENIED || status == RAG_E_IO;
}

rag_status pg_use_end(const rag_call *call, struct pg_conn *conn, struct pg_use *use,
                      rag_status status, rag_error *err)
{
    struct pg_space now;
    if (status == RAG_OK)
        status = pg_send_queue(conn, call->ctx, err);
    if (!use->believed) {
        if (status == RAG_OK)
            remember(call, use, &use->space);
        return status;
    }
    if (status == RAG_OK) {
        status = read_record(call, use, &now, err);
        if (status == RAG_OK)
            remember(call, use, &now);
    }
    PQclear(use->record);
    use->record = NULL;
    use->believed = 0;
    if (status == RAG_OK && !(use->found && same_space(&now, &use->space)))
        return pg_use_doubt(call, conn, use, err);
    if (status == RAG_OK)
        use->space = now;
    conn->doubtful |= status != RAG_OK && !fails_anyway(status);
    return status;
}

rag_status pg_space_find(const rag_call *call, struct pg_conn *conn, const char *name,
                         struct pg_space *out, int *found, rag_error *err)
{
    struct pg_use use;
    memset(&use, 0, sizeof use);
    use.name = name;
    pg_params_begin_named(&use.params, call, name);
    PG_TRY(ask_record(call, conn, &use, err));
    *out = use.space;
    *found = use.found;
    return RAG_OK;
}

rag_status pg_space_record(const rag_call *call, struct pg_conn *conn, const char *name,
                           const rag_vector_space *space, const struct pg_vector_place *place,
                           rag_error *err)
{
    struct pg_params params;
    pg_params_begin_named(&params, call, name);
    pg_add_text(&params, space->model);
    pg_add_int(&params, space->dimension);
    pg_add_int(&params, space->metric);
    pg_add_int(&params, space->element);
    pg_add_text(&params, place->lightrag);
    pg_add_text(&params, place->own);
    return pg_run(conn, call->ctx, SQL_RECORD, &params, "defining a vector space", NULL, err);
}

rag_status pg_space_missing(const rag_call *call, const char *name, rag_error *err)
{
    return call->host->fail(err, RAG_E_NOT_FOUND, "vector space '%s' is not defined", name);
}

rag_status pg_space_rows(const rag_call *call, struct pg_conn *conn, const char *name,
                         uint64_t *rows, rag_error *err)
{
    struct pg_params params;
    PGresult *result;
    pg_params_begin_named(&params, call, name);
    PG_TRY(pg_run(conn, call->ctx, pg_sql_space_rows, &params, "counting vectors", &result, err));
    *rows = (uint64_t)pg_int(result, 0, 0);
    PQclear(result);
    return RAG_OK;
}

/* ---- slots ----------------------------------------------------------------------------------------- */

struct asking {
    const char *name;
    const rag_vector_space *wanted;
    struct pg_space space;
    uint64_t count;
    int found;
};

static rag_status describe_work(const rag_call *call, struct pg_conn *conn, void *user,
                                rag_error *err)
{
    struct asking *a = user;
    return pg_space_find(call, conn, a->name, &a->space, &a->found, err);
}

rag_status pg_vector_describe(const rag_call *call, const char *name_space, rag_vector_space *out,
                              rag_error *err)
{
    struct asking a = { .name = name_space };
    PG_TRY(pg_read(call, describe_work, &a, err));
    if (!a.found)
        return pg_space_missing(call, name_space, err);
    *out = a.space.facts;
    return RAG_OK;
}

rag_status pg_vector_recall(const rag_call *call, const char *name_space, rag_vector_space *out,
                            rag_error *err)
{
    struct pg_use use;
    memset(&use, 0, sizeof use);
    use.name = name_space;
    if (!recall(call, &use))
        return pg_vector_describe(call, name_space, out, err);
    *out = use.space.facts;
    return RAG_OK;
}

static rag_status define_work(const rag_call *call, struct pg_conn *conn, void *user,
                              rag_error *err)
{
    struct asking *a = user;
    struct pg_vector_place place;
    PG_TRY(describe_work(call, conn, a, err)); /* somebody else may have been first */
    if (a->found)
        return RAG_OK;
    memset(&place, 0, sizeof place);
    PG_TRY(pg_vector_tables(call, conn, a->name, a->wanted, &place, err));
    return pg_space_record(call, conn, a->name, a->wanted, &place, err);
}

/* While the store is being built its tables are made at once, for all. */
static rag_status record_work(const rag_call *call, struct pg_conn *conn, void *user,
                              rag_error *err)
{
    const struct asking *a = user;
    return pg_space_record(call, conn, a->name, a->wanted, &a->space.place, err);
}

static rag_status define_new(const rag_call *call, struct asking *a, rag_error *err)
{
    if (!pg_build_is_on(call))
        return pg_write(call, define_work, a, 1, NULL, err);
    memset(&a->space, 0, sizeof a->space);
    PG_TRY(pg_vector_tables_apart(call, a->name, a->wanted, &a->space.place, err));
    return pg_write(call, record_work, a, 1, NULL, err);
}

rag_status pg_vector_define(const rag_call *call, const char *name_space,
                            const rag_vector_space *space, rag_vector_space *existing,
                            rag_error *err)
{
    struct asking a = { .name = name_space, .wanted = space };
    PG_TRY(pg_read(call, describe_work, &a, err));
    if (!a.found)
        PG_TRY(define_new(call, &a, err));
    if (!a.found)
        return RAG_OK;
    PG_TRY(pg_vector_settle_model(call, name_space, a.space.place.lightrag, space, &a.space.facts,
                                  err));
    pg_vector_index_defined(call, name_space, &a.space);
    *existing = a.space.facts;
    return call->host->fail(err, RAG_E_CONFLICT, "vector space '%s' exists", name_space);
}

static rag_status count_work(const rag_call *call, struct pg_conn *conn, void *user, rag_error *err)
{
    struct asking *a = user;
    return pg_space_rows(call, conn, a->name, &a->count, err);
}

rag_status pg_vector_count(const rag_call *call, const char *name_space, uint64_t *count,
                           rag_error *err)
{
    struct asking a = { .name = name_space };
    PG_TRY(pg_read(call, count_work, &a, err));
    *count = a.count;
    return RAG_OK;
}

static rag_status drop_work(const rag_call *call, struct pg_conn *conn, void *user, rag_error *err)
{
    const struct asking *a = user;
    struct pg_space space;
    struct pg_params params;
    int found;
    PG_TRY(pg_space_find(call, conn, a->name, &space, &found, err));
    if (!found)
        return RAG_OK;
    PG_TRY(pg_vector_clear_old(call, conn, a->name, err));
    pg_params_begin_named(&params, call, a->name);
    return pg_run(conn, call->ctx, space.sql->clear, &params, "dropping a vector space", NULL, err);
}

rag_status pg_vector_drop(const rag_call *call, const char *name_space, rag_error *err)
{
    struct asking a = { .name = name_space };
    return pg_write(call, drop_work, &a, 1, NULL, err);
}
