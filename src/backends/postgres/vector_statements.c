/* The statements over the tables of a space.
 *
 * They are made once for each place and kept until the backend is closed: statements are prepared by
 * the address of their text. All look at LightRAG's table, where the space has one, and at ours
 * beside it, which has the ids that a column of LightRAG's cannot have.
 *
 * Distances: `exact` adds 0 to the operator's answer, so that no index is used whatever the planner
 * thinks; `near` orders by the bare operator, with an index where there is one. Both order by single
 * precision inside pgvector, which overflows for very long vectors and knows no direction of very
 * short ones: rows whose length is not between 1e-12 and 1e12 are left out and come from `odd`, which
 * a partial index keeps at hand (it is empty as a rule). Halves are compared as floats, so that the
 * query is not rounded; only the order of an index is that of halves.
 *
 * Columns are turned into text behind the LIMIT, so for the rows that are answered alone. */
#include <pthread.h>
#include <string.h>

#include "vector.h"

struct building {
    struct pg_text *t;
    const struct pg_vector_place *place;
    const struct pg_table *table; /* NULL: the space has no table of LightRAG's */
    int payload;                  /* of pairs: the one with it */
};

static const char *column_of(int half)
{
    return half ? "@.content_vector::vector" : "@.content_vector";
}

static const char *norm_of(int half)
{
    return half ? "l2_norm" : "vector_norm";
}

void pg_vector_add_odd(struct pg_text *t, int half, const char *alias)
{
    pg_text_printf(t, "(%s(%scontent_vector) < 1e-12 OR %s(%scontent_vector) > 1e12)",
                   norm_of(half), alias, norm_of(half), alias);
}

/* The columns of an answer, from the alias s. */
static void add_columns(const struct building *b, int own, const char *vector_if,
                        const char *distance)
{
    struct pg_text *t = b->t;
    const int half = own ? b->place->own_half : b->place->lightrag_half;
    pg_text_add_text(t, own ? ", s.created" : ", extract(epoch FROM s.create_time)::int8");
    pg_text_add_text(t, ", 0::int8");
    if (!b->payload)
        pg_text_add_text(t, ", NULL::text, NULL::text");
    else
        pg_text_add_text(t, own ? ", s.value::text, NULL::text"
                                : ", NULL::text, s.ragstore_extra::text");
    if (b->table && b->payload && !own)
        pg_add_text_columns(t, b->table, "s");
    else if (b->table)
        pg_add_null_columns(t, b->table);
    pg_text_printf(t, ", CASE WHEN %s THEN %s(s.content_vector) END AS bytes, %s", vector_if,
                   half ? "halfvec_send" : "vector_send", distance);
}

static void add_get(const struct building *b)
{
    static const char vectors[] = "$5::int8 <> 0", distance[] = "0::float8";
    if (b->table) {
        pg_text_add_text(b->t, "SELECT u.place");
        add_columns(b, 0, vectors, distance);
        pg_text_printf(b->t,
                       " FROM unnest($3::text[]) WITH ORDINALITY AS u(id, place) JOIN %s s"
                       " ON s.workspace = $1::text AND s.id = u.id UNION ALL ",
                       b->place->lightrag);
    }
    pg_text_add_text(b->t, "SELECT u.place");
    add_columns(b, 1, vectors, distance);
    pg_text_printf(b->t,
                   " FROM unnest($4::bytea[]) WITH ORDINALITY AS u(key, place) JOIN %s s"
                   " ON s.workspace = $1::text AND s.name = $2::text"
                   " AND sha256(s.key) = sha256(u.key) AND s.key = u.key"
                   " WHERE $3::text[] IS NOT NULL",
                   b->place->own);
}

static void add_scan(const struct building *b)
{
    static const char vectors[] = "$6::int8 <> 0", distance[] = "0::float8";
    pg_text_add_text(b->t, "SELECT * FROM (");
    if (b->table) {
        pg_text_add_text(b->t, "(SELECT convert_to(s.id, 'UTF8') AS key");
        add_columns(b, 0, vectors, distance);
        pg_text_printf(
            b->t,
            " FROM (SELECT * FROM %s t WHERE t.workspace = $1::text"
            " AND t.id COLLATE \"C\" >= $5::text AND convert_to(t.id, 'UTF8') > $3::bytea"
            " ORDER BY t.id COLLATE \"C\" LIMIT $4::int8) s) UNION ALL ",
            b->place->lightrag);
    }
    pg_text_add_text(b->t, "(SELECT s.key");
    add_columns(b, 1, vectors, distance);
    pg_text_printf(b->t,
                   " FROM (SELECT * FROM %s o WHERE o.workspace = $1::text AND o.name = $2::text"
                   " AND (substr(o.key, 1, 512), o.key) > (substr($3::bytea, 1, 512), $3::bytea)"
                   " AND $5::text IS NOT NULL"
                   " ORDER BY substr(o.key, 1, 512), o.key LIMIT $4::int8) s)"
                   ") x(key) ORDER BY key LIMIT $4::int8",
                   b->place->own);
}

static void add_put_lightrag(const struct building *b)
{
    struct pg_text *t = b->t;
    if (!b->table)
        return;
    pg_text_printf(t,
                   "INSERT INTO %s (workspace, id, ragstore_extra, ragstore_names,"
                   " content_vector, create_time, update_time",
                   b->place->lightrag);
    for (size_t i = 0; i < b->table->column_count; i++)
        pg_text_printf(t, ", %s", b->table->columns[i].name);
    pg_text_add_text(t, ") SELECT $1::text, u.id, u.extra::json,"
                        " nullif(array_remove(ARRAY[sha256(u.n1), sha256(u.n2), sha256(u.n3)],"
                        " NULL), '{}'), u.vector, CASE WHEN u.created > 0"
                        " THEN to_timestamp(u.created) AT TIME ZONE 'UTC' END,"
                        " now() AT TIME ZONE 'UTC'");
    for (size_t i = 0; i < b->table->column_count; i++)
        switch (b->table->columns[i].type) {
        case PG_INT: pg_text_printf(t, ", u.c%zu::int4", i); break;
        case PG_LIST:
            pg_text_printf(t, ", string_to_array(u.c%zu, '<SEP>')::varchar(%zu)[]", i,
                           b->table->columns[i].width);
            break;
        case PG_TEXT:
        case PG_JSONB:
        case PG_TIME: pg_text_printf(t, ", u.c%zu", i); break;
        }
    pg_text_printf(t,
                   " FROM unnest($3::text[], $4::int8[], $5::text[], $6::%s[], $7::bytea[],"
                   " $8::bytea[], $9::bytea[]",
                   b->place->lightrag_half ? "halfvec" : "vector");
    for (size_t i = 0; i < b->table->column_count; i++)
        pg_text_printf(t, ", $%zu::text[]", 10 + i);
    pg_text_add_text(t, ") AS u(id, created, extra, vector, n1, n2, n3");
    for (size_t i = 0; i < b->table->column_count; i++)
        pg_text_printf(t, ", c%zu", i);
    pg_text_add_text(t, ") WHERE $2::text IS NOT NULL ON CONFLICT (workspace, id) DO UPDATE SET"
                        " ragstore_extra = EXCLUDED.ragstore_extra,"
                        " ragstore_names = EXCLUDED.ragstore_names,"
                        " content_vector = EXCLUDED.content_vector,"
                        " create_time = EXCLUDED.create_time, update_time = EXCLUDED.update_time");
    for (size_t i = 0; i < b->table->column_count; i++)
        pg_text_fill(t, ", @ = EXCLUDED.@", b->table->columns[i].name);
}

static void add_put_own(const struct building *b)
{
    pg_text_printf(b->t,
                   "INSERT INTO %s (workspace, name, key, value, created, names, content_vector)"
                   " SELECT $1::text, $2::text, u.key, u.value::json, u.created,"
                   " array_remove(ARRAY[sha256(u.n1), sha256(u.n2), sha256(u.n3)], NULL), u.vector"
                   " FROM unnest($3::bytea[], $4::int8[], $5::text[], $6::%s[], $7::bytea[],"
                   " $8::bytea[], $9::bytea[]) AS u(key, created, value, vector, n1, n2, n3)"
                   " ON CONFLICT (workspace, name, sha256(key)) DO UPDATE SET"
                   " value = EXCLUDED.value, created = EXCLUDED.created, names = EXCLUDED.names,"
                   " content_vector = EXCLUDED.content_vector",
                   b->place->own, b->place->own_half ? "halfvec" : "vector");
}

/* One DELETE of each table as a, b; then what was pending as p; and how many rows were there. */
static void add_erase(const struct building *b)
{
    pg_text_add_text(b->t, "WITH ");
    if (b->table)
        pg_text_printf(b->t,
                       "a AS (DELETE FROM %s WHERE workspace = $1::text AND id = ANY($3::text[])"
                       " RETURNING 1), ",
                       b->place->lightrag);
    pg_text_printf(b->t,
                   "b AS (DELETE FROM %s o USING unnest($4::bytea[]) AS u(key)"
                   " WHERE o.workspace = $1::text AND o.name = $2::text"
                   " AND sha256(o.key) = sha256(u.key) AND o.key = u.key RETURNING 1),"
                   " p AS (DELETE FROM ragstore_pending q USING unnest($5::bytea[]) AS u(key)"
                   " WHERE q.workspace = $1::text AND q.name = $2::text"
                   " AND sha256(q.key) = sha256(u.key) AND q.key = u.key)"
                   " SELECT (SELECT count(*) FROM b)%s WHERE $3::text[] IS NOT NULL",
                   b->place->own, b->table ? " + (SELECT count(*) FROM a)" : "");
}

static void add_erase_named(const struct building *b)
{
    static const char hashes[] = "ARRAY(SELECT sha256(n) FROM unnest($4::bytea[]) AS n)";
    pg_text_add_text(b->t, "WITH ");
    if (b->table) {
        pg_text_printf(b->t,
                       "a AS (DELETE FROM %s t WHERE t.workspace = $1::text AND"
                       " ((t.ragstore_names IS NOT NULL AND t.ragstore_names && %s)",
                       b->place->lightrag, hashes);
        for (size_t i = 0; i < b->table->column_count; i++)
            if (b->table->columns[i].width == 512) /* the columns that name entities */
                pg_text_printf(b->t, " OR t.%s = ANY($3::text[])", b->table->columns[i].name);
        pg_text_add_text(b->t, ") RETURNING convert_to(t.id, 'UTF8') AS key), ");
    }
    pg_text_printf(b->t,
                   "b AS (DELETE FROM %s o WHERE o.workspace = $1::text AND o.name = $2::text"
                   " AND o.names && %s RETURNING o.key), gone AS (SELECT key FROM b%s),"
                   " p AS (DELETE FROM ragstore_pending q WHERE q.workspace = $1::text"
                   " AND q.name = $2::text AND (q.names && %s OR q.key IN (SELECT key FROM gone)))"
                   " SELECT count(*) FROM gone WHERE $3::text[] IS NOT NULL",
                   b->place->own, hashes, b->table ? " UNION ALL SELECT key FROM a" : "", hashes);
}

static void add_clear(const struct building *b)
{
    pg_text_add_text(b->t, "WITH ");
    if (b->table)
        pg_text_printf(b->t, "a AS (DELETE FROM %s WHERE workspace = $1::text), ",
                       b->place->lightrag);
    pg_text_printf(b->t,
                   "b AS (DELETE FROM %s WHERE workspace = $1::text AND name = $2::text),"
                   " p AS (DELETE FROM ragstore_pending"
                   " WHERE workspace = $1::text AND name = $2::text)"
                   " DELETE FROM ragstore_space WHERE workspace = $1::text AND name = $2::text",
                   b->place->own);
}

enum search { EXACT, NEAR };

/* The best rows of one table, with the distance of each as d. */
static void add_best(const struct building *b, int own, enum search how)
{
    struct pg_text *t = b->t;
    const char *operator= b->place->metric == RAG_METRIC_DOT ? "<#>" : "<=>";
    const int half = own ? b->place->own_half : b->place->lightrag_half;
    pg_text_add_text(t, " FROM (SELECT t.*, (");
    pg_text_fill(t, column_of(half), "t");
    pg_text_printf(
        t, " %s $3::vector) + 0::float8 AS d FROM %s t WHERE t.workspace = $1::text", operator,
        own ? b->place->own : b->place->lightrag);
    pg_text_add_text(t, own ? " AND t.name = $2::text AND t.key" : " AND t.id");
    pg_text_printf(t, " <> ALL(ARRAY(SELECT z.%s FROM %s z WHERE z.workspace = $1::text",
                   own ? "key" : "id", own ? b->place->own : b->place->lightrag);
    pg_text_add_text(t, own ? " AND z.name = $2::text AND " : " AND ");
    pg_vector_add_odd(t, half, "z.");
    pg_text_add_text(t, "))");
    if (how == EXACT)
        pg_text_add_text(t, own ? " ORDER BY d, t.key" : " ORDER BY d, t.id COLLATE \"C\"");
    else
        pg_text_printf(t, " ORDER BY t.content_vector %s $3::vector%s", operator,
                       half ? "::halfvec" : "");
    pg_text_add_text(t, " LIMIT $4::int8) s");
}

static void add_search(const struct building *b, enum search how)
{
    static const char vectors[] = "$5::int8 <> 0";
    pg_text_add_text(b->t, how == NEAR ? "SELECT x.*, count(*) OVER () FROM (" : "SELECT * FROM (");
    if (b->table) {
        pg_text_add_text(b->t, "(SELECT convert_to(s.id, 'UTF8') AS key");
        add_columns(b, 0, vectors, "s.d AS d");
        add_best(b, 0, how);
        pg_text_add_text(b->t, ") UNION ALL ");
    }
    pg_text_add_text(b->t, "(SELECT s.key AS key");
    add_columns(b, 1, vectors, "s.d AS d");
    add_best(b, 1, how);
    pg_text_printf(b->t, ")) x ORDER BY x.d, x.key LIMIT %s",
                   how == NEAR ? "$6::int8" : "$4::int8");
}

static void add_exact(const struct building *b)
{
    add_search(b, EXACT);
}

static void add_near(const struct building *b)
{
    add_search(b, NEAR);
}

static void add_odd_rows(const struct building *b)
{
    if (b->table) {
        pg_text_add_text(b->t, "SELECT convert_to(s.id, 'UTF8') AS key");
        add_columns(b, 0, "true", "0::float8");
        pg_text_printf(b->t, " FROM %s s WHERE s.workspace = $1::text AND ", b->place->lightrag);
        pg_vector_add_odd(b->t, b->place->lightrag_half, "s.");
        pg_text_printf(b->t, " AND %s(s.content_vector) > 0 UNION ALL ",
                       norm_of(b->place->lightrag_half));
    }
    pg_text_add_text(b->t, "SELECT s.key AS key");
    add_columns(b, 1, "true", "0::float8");
    pg_text_printf(b->t, " FROM %s s WHERE s.workspace = $1::text AND s.name = $2::text AND ",
                   b->place->own);
    pg_vector_add_odd(b->t, b->place->own_half, "s.");
    pg_text_printf(b->t, " AND %s(s.content_vector) > 0", norm_of(b->place->own_half));
}

/* A statement, in the next of the texts. */
static const char *make_statement(struct building *b, void (*add)(const struct building *b))
{
    add(b);
    pg_text_add(b->t, "", 1);
    return b->t++->data;
}

static void make_all(struct building *b, struct pg_vector_statements *made)
{
    for (int payload = 0; payload < 2; payload++) {
        b->payload = payload;
        made->get[payload] = make_statement(b, add_get);
        made->scan[payload] = make_statement(b, add_scan);
        made->exact[payload] = make_statement(b, add_exact);
        made->near[payload] = make_statement(b, add_near);
        made->odd[payload] = make_statement(b, add_odd_rows);
    }
    made->put_own = make_statement(b, add_put_own);
    made->put_lightrag = make_statement(b, add_put_lightrag);
    made->erase = make_statement(b, add_erase);
    made->erase_named = make_statement(b, add_erase_named);
    made->clear = make_statement(b, add_clear);
}

static void free_statements(const rag_host *host, struct pg_vector_statements *made)
{
    for (size_t i = 0; i < PG_VECTOR_STATEMENTS; i++)
        pg_text_free(&made->texts[i]);
    host->free(made);
}

static rag_status make(struct pg_server *s, const struct pg_vector_place *place,
                       const struct pg_table *table, struct pg_vector_statements **out,
                       rag_error *err)
{
    struct pg_vector_statements *made = s->host->alloc(sizeof *made);
    if (!made)
        return pg_no_memory(s->host, err);
    memset(made, 0, sizeof *made);
    made->place = *place;
    for (size_t i = 0; i < PG_VECTOR_STATEMENTS; i++)
        made->texts[i].host = s->host;
    struct building b = { .t = made->texts, .place = place, .table = table };
    make_all(&b, made);
    rag_status status = RAG_OK;
    for (size_t i = 0; i < PG_VECTOR_STATEMENTS && status == RAG_OK; i++)
        status = pg_text_check(&made->texts[i], err);
    if (status != RAG_OK)
        free_statements(s->host, made);
    else
        *out = made;
    return status;
}

static int same_place(const struct pg_vector_place *a, const struct pg_vector_place *b)
{
    return strcmp(a->lightrag, b->lightrag) == 0 && strcmp(a->own, b->own) == 0 &&
           a->lightrag_half == b->lightrag_half && a->own_half == b->own_half &&
           a->metric == b->metric;
}

rag_status pg_vector_statements_of(struct pg_server *s, const struct pg_vector_place *place,
                                   const struct pg_table *table,
                                   const struct pg_vector_statements **out, rag_error *err)
{
    rag_status status = RAG_OK;
    (void)pthread_mutex_lock(&s->making_vectors);
    struct pg_vector_statements *found = s->vectors;
    while (found && !same_place(&found->place, place))
        found = found->next;
    if (!found) {
        status = make(s, place, table, &found, err);
        if (status == RAG_OK) {
            found->next = s->vectors;
            s->vectors = found;
        }
    }
    (void)pthread_mutex_unlock(&s->making_vectors);
    if (status == RAG_OK)
        *out = found;
    return status;
}

void pg_vector_statements_free(struct pg_server *s)
{
    while (s->vectors) {
        struct pg_vector_statements *next = s->vectors->next;
        free_statements(s->host, s->vectors);
        s->vectors = next;
    }
}
