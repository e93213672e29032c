/* The graph in plain tables, as LightRAG's PGTableGraphStorage has it.
 *
 * A row of edges has its ends in the order of their ids; `ragstore_flipped` remembers that they were
 * given the other way round. Ids are labels, but for those that an index cannot have (long, with NUL,
 * not UTF-8, or beginning like this): their id is "ragstore:" and a hash, and the label stands in
 * ragstore_label, ragstore_src, ragstore_tgt. So every question works on ids, and only orders and
 * answers look at labels. The server makes these ids (IDS).
 *
 * Merging reads the old rows under the writer's turn, locked against LightRAG's writers as well, and
 * merges here, where the order of members and the spelling of numbers are known. `popular`, `view` and
 * `search_labels` are left to the library for now. Called through pg_graph only. */
#include <string.h>

#include "graph_value.h"
#include "row.h"
#include "server.h"

enum { ID_BYTES_MAX = 1000, BATCH_ROWS = 5000 };

#define NODES "lightrag_graph_nodes"
#define EDGES "lightrag_graph_edges"
#define SPACE "'chunk_entity_relation'"
#define OF(alias) alias ".workspace = $1::text AND " alias ".namespace = " SPACE
#define ID(text, label) "coalesce(" text ", 'ragstore:' || encode(sha256(" label "), 'hex'))"

/* $2 and $3: labels as text[] (NULL for those that are no ids) and bytea[] */
#define IDS                                   \
    "(SELECT " ID(                            \
        "x.t",                                \
        "x.label") " AS id, x.label, x.place" \
                   " FROM unnest($2::text[], $3::bytea[]) WITH ORDINALITY AS x(t, label, place)) u"
/* and $4, $5: the other ends; a and b are the ids in order */
#define PAIRS                                                                                    \
    "(SELECT least(p.s COLLATE \"C\", p.d COLLATE \"C\") AS a,"                                  \
    " greatest(p.s COLLATE \"C\", p.d COLLATE \"C\") AS b, p.* FROM (SELECT"                     \
    " " ID("x.st", "x.sl") " AS s, " ID(                                                         \
        "x.dt",                                                                                  \
        "x.dl") " AS d, x.*"                                                                     \
                " FROM unnest($2::text[], $3::bytea[], $4::text[], $5::bytea[]) WITH ORDINALITY" \
                " AS x(st, sl, dt, dl, place)) p) u"

#define DEGREE(id)                                                                               \
    "(SELECT count(*) FROM " EDGES " e WHERE " OF("e") " AND e.src_id = " id ")"                 \
                                                       " + (SELECT count(*) FROM " EDGES         \
                                                       " e WHERE " OF("e") " AND e.tgt_id = " id \
                                                                           ")"
#define VALUE(alias) alias ".ragstore_extra::text, " alias ".properties::text"
#define END(alias, odd, id) "coalesce(" alias "." odd ", convert_to(" alias "." id ", 'UTF8'))"

/* Answers: place or key, number, extra, properties, and what follows. */
enum { AT_KEY, AT_NUMBER, AT_EXTRA, AT_PROPERTIES, AT_KEY2, AT_ID };

static const char SQL_HAS_NODES[] = "SELECT u.place, 0::int8, NULL::text, NULL::text FROM " IDS
                                    " JOIN " NODES " n ON " OF("n") " AND n.id = u.id";
static const char SQL_GET_NODES[] =
    "SELECT u.place, 0::int8, " VALUE("n") " FROM " IDS " JOIN " NODES
                                           " n ON " OF("n") " AND n.id = u.id";
static const char SQL_LOCK_NODES[] =
    "SELECT u.place, 0::int8, " VALUE("n") " FROM " IDS " JOIN " NODES
                                           " n ON " OF("n") " AND n.id = u.id"
                                                            " FOR UPDATE OF n";
static const char SQL_DEGREES[] =
    "SELECT u.place, " DEGREE("u.id") ", " VALUE("n") " FROM " IDS " JOIN " NODES
                                                      " n ON " OF("n") " AND n.id = u.id";
static const char SQL_PUT_NODES[] =
    "INSERT INTO " NODES " AS n (workspace, namespace, id, properties, ragstore_extra,"
    " ragstore_label) SELECT $1::text, " SPACE ", u.id,"
    " u.value::jsonb || jsonb_build_object('entity_id', u.id), u.extra::json,"
    " CASE WHEN u.t IS NULL THEN u.label END"
    " FROM (SELECT " ID(
        "x.t",
        "x.label") " AS id, x.* FROM unnest($2::text[], $3::bytea[],"
                   " $4::text[], $5::text[]) AS x(t, label, value, extra)) u"
                   " ON CONFLICT (workspace, namespace, id) DO UPDATE SET properties = EXCLUDED.properties,"
                   " ragstore_extra = EXCLUDED.ragstore_extra, updated_at = now()";
static const char SQL_PUT_ENDS[] =
    "INSERT INTO " NODES " (workspace, namespace, id, properties, ragstore_extra, ragstore_label)"
    " SELECT DISTINCT ON (u.id) $1::text, " SPACE ", u.id,"
    " jsonb_build_object('entity_id', u.id), '{}'::json, CASE WHEN u.t IS NULL THEN u.label END"
    " FROM (SELECT " ID(
        "x.t",
        "x.label") " AS id, x.t, x.label"
                   " FROM unnest($2::text[] || $4::text[], $3::bytea[] || $5::bytea[]) AS x(t, label)) u"
                   " ON CONFLICT (workspace, namespace, id) DO NOTHING";
static const char SQL_LOCK_EDGES[] =
    "SELECT u.place, 0::int8, " VALUE("e") " FROM " PAIRS " JOIN " EDGES " e ON " OF(
        "e") " AND e.src_id = u.a AND e.tgt_id = u.b FOR UPDATE OF e";
static const char SQL_PUT_EDGES[] =
    "INSERT INTO " EDGES " AS e (workspace, namespace, src_id, tgt_id, properties, ragstore_extra,"
    " ragstore_src, ragstore_tgt, ragstore_flipped)"
    " SELECT $1::text, " SPACE ", u.a, u.b, w.value::jsonb, w.extra::json,"
    " CASE WHEN u.a = u.s THEN CASE WHEN u.st IS NULL THEN u.sl END"
    " WHEN u.dt IS NULL THEN u.dl END,"
    " CASE WHEN u.b = u.d THEN CASE WHEN u.dt IS NULL THEN u.dl END"
    " WHEN u.st IS NULL THEN u.sl END, u.a <> u.s"
    " FROM " PAIRS " JOIN unnest($6::text[], $7::text[]) WITH ORDINALITY AS w(value, extra, place)"
    " ON w.place = u.place"
    " ON CONFLICT (workspace, namespace, src_id, tgt_id) DO UPDATE SET"
    " properties = EXCLUDED.properties, ragstore_extra = EXCLUDED.ragstore_extra,"
    " updated_at = now()";
static const char SQL_GET_EDGES[] = "SELECT u.place, 0::int8, " VALUE(
    "e") " FROM " PAIRS " JOIN " EDGES " e ON " OF("e") " AND e.src_id = u.a AND e.tgt_id = u.b";
static const char SQL_PAIR_DEGREES[] =
    "SELECT u.place, " DEGREE("u.s") " + " DEGREE("u.d") " FROM " PAIRS;
static const char SQL_INCIDENT[] = "SELECT u.place, 0::int8, " VALUE(
    "f") ", f.neighbour FROM " IDS " CROSS JOIN LATERAL ("
         "SELECT e.ragstore_extra, e.properties, " END(
             "e", "ragstore_tgt",
             "tgt_id") " AS neighbour FROM " EDGES
                       " e WHERE " OF(
                           "e") " AND e.src_id = u.id UNION ALL"
                                " SELECT e.ragstore_extra, e.properties, " END(
                                    "e", "ragstore_src",
                                    "src_id") " FROM " EDGES
                                              " e WHERE " OF(
                                                  "e") " AND e.tgt_id = u.id AND e.src_id <> u.id) f"
                                                       " ORDER BY u.place, f.neighbour";
static const char SQL_DELETE_EDGES_OF[] =
    "DELETE FROM " EDGES " e USING " IDS
    " WHERE " OF("e") " AND (e.src_id = u.id OR e.tgt_id = u.id)";
static const char SQL_DELETE_NODES[] =
    "DELETE FROM " NODES " n USING " IDS " WHERE " OF("n") " AND n.id = u.id";
static const char SQL_DELETE_EDGES[] = "DELETE FROM " EDGES " e USING " PAIRS
                                       " WHERE " OF("e") " AND e.src_id = u.a AND e.tgt_id = u.b";
#define SCAN_NODES                                                                              \
    " FROM ((SELECT convert_to(n.id, 'UTF8') AS key, n.id, n.ragstore_extra, n.properties"      \
    " FROM " NODES " n WHERE " OF(                                                              \
        "n") " AND n.ragstore_label IS NULL"                                                    \
             " AND n.id COLLATE \"C\" >= $3::text AND convert_to(n.id, 'UTF8') > $2::bytea"     \
             " ORDER BY n.id COLLATE \"C\" LIMIT $4::int8) UNION ALL"                           \
             " (SELECT n.ragstore_label, n.id, n.ragstore_extra, n.properties FROM " NODES " n" \
             " WHERE " OF(                                                                      \
                 "n") " AND n.ragstore_label > $2::bytea"                                       \
                      " ORDER BY n.ragstore_label LIMIT $4::int8)) s ORDER BY key LIMIT $4::int8"
static const char SQL_SCAN_NODES[] = "SELECT s.key, 0::int8, " VALUE("s") SCAN_NODES;
static const char SQL_SCAN_DEGREES[] = "SELECT s.key, " DEGREE("s.id") ", " VALUE("s") SCAN_NODES;
static const char SQL_SCAN_EDGES[] =
    "SELECT CASE WHEN e.ragstore_flipped THEN " END("e", "ragstore_tgt", "tgt_id") " ELSE " END(
        "e", "ragstore_src",
        "src_id") " END, 0::int8, " VALUE("e") ","
                                               " CASE WHEN e.ragstore_flipped THEN " END(
                                                   "e", "ragstore_src",
                                                   "src_id") " ELSE " END("e", "ragstore_tgt",
                                                                          "tgt_id") " END, e.src_id, e.tgt_id FROM " EDGES
                                                                                    " e WHERE " OF(
                                                                                        "e") " AND (e.src_id COLLATE \"C\", e.tgt_id COLLATE \"C\") > ($2::text, $3::text)"
                                                                                             " ORDER BY e.src_id COLLATE \"C\", e.tgt_id COLLATE \"C\" LIMIT $4::int8";
static const char SQL_CLEAR[] = "WITH gone AS (DELETE FROM " EDGES
                                " e WHERE " OF("e") ")"
                                                    " DELETE FROM " NODES " n WHERE " OF("n");

/* ---- labels ---------------------------------------------------------------------------------------- */

struct labels {
    struct pg_array texts, bytes;
};

static int is_id(rag_slice label)
{
    static const char reserved[] = "ragstore:";
    return label.len <= ID_BYTES_MAX && pg_text_fits(label, 0) &&
           !(label.len >= sizeof reserved - 1 &&
             memcmp(label.data, reserved, sizeof reserved - 1) == 0);
}

static void labels_begin(struct labels *l, const rag_host *host)
{
    pg_array_begin(&l->texts, host, PG_OID_TEXT);
    pg_array_begin(&l->bytes, host, PG_OID_BYTEA);
}

static void labels_add(struct labels *l, rag_slice label)
{
    const rag_slice null = { NULL, 0 };
    pg_array_add(&l->texts, is_id(label) ? label : null);
    pg_array_add(&l->bytes, label);
}

static void labels_free(struct labels *l)
{
    pg_array_free(&l->texts);
    pg_array_free(&l->bytes);
}

static void begin_params(struct pg_params *params, const rag_call *call)
{
    const struct pg_server *s = call->self;
    memset(params, 0, sizeof *params);
    pg_add_text(params, s->workspace);
}

static void add_labels(struct pg_params *params, const struct labels *l)
{
    pg_add_array(params, &l->texts);
    pg_add_array(params, &l->bytes);
}

/* What several slots ask about: nodes by label, or pairs of them. */
struct asked {
    const rag_slice *labels;
    const rag_pair *pairs;
    size_t n;
    unsigned what;
    rag_result *out;
    uint64_t deleted;
};

struct ends {
    struct labels sources, targets; /* of nodes: sources alone */
};

static void ends_of(const struct asked *q, const rag_host *host, struct ends *e)
{
    labels_begin(&e->sources, host);
    labels_begin(&e->targets, host);
    for (size_t i = 0; i < q->n; i++) {
        labels_add(&e->sources, q->labels ? q->labels[i] : q->pairs[i].source);
        if (!q->labels)
            labels_add(&e->targets, q->pairs[i].target);
    }
}

static void ends_free(struct ends *e)
{
    labels_free(&e->sources);
    labels_free(&e->targets);
}

static rag_status ask(const rag_call *call, struct pg_conn *conn, const struct asked *q,
                      const struct ends *e, const char *sql, const char *what, PGresult **out,
                      rag_error *err)
{
    struct pg_params params;
    begin_params(&params, call);
    add_labels(&params, &e->sources);
    if (!q->labels)
        add_labels(&params, &e->targets);
    return pg_run(conn, call->ctx, sql, &params, what, out, err);
}

/* where[i]: the row of the answer for the i-th of n, plus 1; freed by the caller. */
static rag_status places(const rag_host *host, const PGresult *result, size_t n, int **where,
                         rag_error *err)
{
    *where = host->alloc(n * sizeof **where);
    if (!*where)
        return pg_no_memory(host, err);
    memset(*where, 0, n * sizeof **where);
    for (int row = 0; row < PQntuples(result); row++)
        (*where)[pg_int(result, row, AT_KEY) - 1] = row + 1;
    return RAG_OK;
}

/* ---- reading --------------------------------------------------------------------------------------- */

/* Add the value of a row of an answer to *row, when it is asked for. */
static rag_status with_value(const rag_call *call, enum pg_graph_kind kind, unsigned what,
                             const PGresult *result, int at, struct pg_text *value, rag_row *row,
                             rag_error *err)
{
    if (!(what & RAG_GRAPH_VALUES))
        return RAG_OK;
    PG_TRY(pg_attributes_value(call->host, kind, pg_slice(result, at, AT_EXTRA),
                               pg_slice(result, at, AT_PROPERTIES), value, err));
    row->value = (rag_slice){ value->data, value->len };
    return RAG_OK;
}

static rag_status append_nodes(const rag_call *call, const struct asked *q, const PGresult *result,
                               rag_error *err)
{
    struct pg_text value = { .host = call->host };
    int *where;
    PG_TRY(places(call->host, result, q->n, &where, err));
    rag_status status = RAG_OK;
    for (size_t i = 0; i < q->n && status == RAG_OK; i++) {
        rag_row row = { .key = q->labels[i], .found = where[i] != 0 };
        if (row.found) {
            row.number = pg_int(result, where[i] - 1, AT_NUMBER);
            status = with_value(call, PG_NODE, q->what, result, where[i] - 1, &value, &row, err);
        }
        if (status == RAG_OK)
            status = call->host->row_append(q->out, &row, err);
    }
    pg_text_free(&value);
    call->host->free(where);
    return status;
}

static rag_status get_nodes_work(const rag_call *call, struct pg_conn *conn, void *user,
                                 rag_error *err)
{
    const struct asked *q = user;
    const char *sql = q->what & RAG_GRAPH_DEGREES ? SQL_DEGREES
                      : q->what                   ? SQL_GET_NODES
                                                  : SQL_HAS_NODES;
    struct ends e;
    PGresult *result = NULL;
    ends_of(q, call->host, &e);
    rag_status status = ask(call, conn, q, &e, sql, "reading nodes", &result, err);
    if (status == RAG_OK)
        status = append_nodes(call, q, result, err);
    PQclear(result);
    ends_free(&e);
    return status;
}

static rag_status graph_get_nodes(const rag_call *call, const rag_slice *labels, size_t n,
                                  unsigned what, rag_result *out, rag_error *err)
{
    struct asked q = { labels, NULL, n, what, out, 0 };
    return pg_read(call, get_nodes_work, &q, err);
}

/* The degree of each of the n pairs that are asked for, in host memory: 0 where there is none. */
static rag_status degrees_of(const rag_call *call, size_t n, const PGresult *degrees,
                             int64_t **numbers, rag_error *err)
{
    int64_t *all = call->host->alloc(n * sizeof *all);
    if (!all)
        return pg_no_memory(call->host, err);
    memset(all, 0, n * sizeof *all);
    for (int row = 0; degrees && row < PQntuples(degrees); row++)
        all[pg_int(degrees, row, AT_KEY) - 1] = pg_int(degrees, row, AT_NUMBER);
    *numbers = all;
    return RAG_OK;
}

static rag_status append_edges(const rag_call *call, const struct asked *q, const PGresult *edges,
                               const PGresult *degrees, rag_error *err)
{
    struct pg_text value = { .host = call->host };
    int *where;
    int64_t *numbers = NULL;
    PG_TRY(places(call->host, edges, q->n, &where, err));
    rag_status status = degrees_of(call, q->n, degrees, &numbers, err);
    for (size_t i = 0; status == RAG_OK && i < q->n; i++) {
        rag_row row = { .key = q->pairs[i].source,
                        .key2 = q->pairs[i].target,
                        .found = where[i] != 0,
                        .number = numbers[i] };
        if (row.found)
            status = with_value(call, PG_EDGE, q->what, edges, where[i] - 1, &value, &row, err);
        if (status == RAG_OK)
            status = call->host->row_append(q->out, &row, err);
    }
    pg_text_free(&value);
    call->host->free(numbers);
    call->host->free(where);
    return status;
}

static rag_status get_edges_work(const rag_call *call, struct pg_conn *conn, void *user,
                                 rag_error *err)
{
    const struct asked *q = user;
    struct ends e;
    PGresult *edges = NULL, *degrees = NULL;
    ends_of(q, call->host, &e);
    rag_status status = ask(call, conn, q, &e, SQL_GET_EDGES, "reading edges", &edges, err);
    if (status == RAG_OK && q->what & RAG_GRAPH_DEGREES)
        status = ask(call, conn, q, &e, SQL_PAIR_DEGREES, "counting edges", &degrees, err);
    if (status == RAG_OK)
        status = append_edges(call, q, edges, degrees, err);
    PQclear(edges);
    PQclear(degrees);
    ends_free(&e);
    return status;
}

static rag_status graph_get_edges(const rag_call *call, const rag_pair *pairs, size_t n,
                                  unsigned what, rag_result *out, rag_error *err)
{
    struct asked q = { NULL, pairs, n, what, out, 0 };
    return pg_read(call, get_edges_work, &q, err);
}

/* The edges at one label: the rows from `row` on that have its place; returns the first behind. */
static rag_status append_incident(const rag_call *call, const struct asked *q, size_t i, int found,
                                  const PGresult *result, int *row, struct pg_text *value,
                                  rag_error *err)
{
    int end = *row;
    while (end < PQntuples(result) && pg_int(result, end, AT_KEY) == (int64_t)i + 1)
        end++;
    const rag_row header = { .key = q->labels[i], .found = found, .number = end - *row };
    rag_status status = call->host->row_append(q->out, &header, err);
    for (; *row < end && status == RAG_OK; ++*row) {
        rag_row edge = { .key = q->labels[i], .key2 = pg_slice(result, *row, AT_KEY2), .found = 1 };
        status = with_value(call, PG_EDGE, q->what, result, *row, value, &edge, err);
        if (status == RAG_OK)
            status = call->host->row_append(q->out, &edge, err);
    }
    return status;
}

static rag_status incident_work(const rag_call *call, struct pg_conn *conn, void *user,
                                rag_error *err)
{
    const struct asked *q = user;
    struct pg_text value = { .host = call->host };
    PGresult *nodes = NULL, *edges = NULL;
    struct ends e;
    int *where = NULL, row = 0;
    ends_of(q, call->host, &e);
    rag_status status = ask(call, conn, q, &e, SQL_HAS_NODES, "reading nodes", &nodes, err);
    if (status == RAG_OK)
        status = ask(call, conn, q, &e, SQL_INCIDENT, "reading edges", &edges, err);
    if (status == RAG_OK)
        status = places(call->host, nodes, q->n, &where, err);
    for (size_t i = 0; i < q->n && status == RAG_OK; i++)
        status = append_incident(call, q, i, where[i] != 0, edges, &row, &value, err);
    pg_text_free(&value);
    call->host->free(where);
    PQclear(nodes);
    PQclear(edges);
    ends_free(&e);
    return status;
}

static rag_status graph_incident(const rag_call *call, const rag_slice *labels, size_t n,
                                 unsigned what, rag_result *out, rag_error *err)
{
    struct asked q = { labels, NULL, n, what, out, 0 };
    return pg_read(call, incident_work, &q, err);
}

/* ---- scans ----------------------------------------------------------------------------------------- */

struct scanning {
    rag_slice after;
    size_t limit;
    unsigned what;
    rag_result *out;
};

static rag_status append_node_page(const rag_call *call, const struct scanning *s,
                                   const PGresult *result, rag_error *err)
{
    struct pg_text value = { .host = call->host };
    const int rows = PQntuples(result);
    rag_status status = RAG_OK;
    for (int row = 0; row < rows && status == RAG_OK; row++) {
        rag_row node = { .key = pg_slice(result, row, AT_KEY),
                         .found = 1,
                         .number = pg_int(result, row, AT_NUMBER) };
        status = with_value(call, PG_NODE, s->what, result, row, &value, &node, err);
        if (status == RAG_OK)
            status = call->host->row_append(s->out, &node, err);
    }
    pg_text_free(&value);
    if (status == RAG_OK && (size_t)rows == s->limit)
        status = call->host->result_next(s->out, pg_slice(result, rows - 1, AT_KEY), err);
    return status;
}

static rag_status scan_nodes_work(const rag_call *call, struct pg_conn *conn, void *user,
                                  rag_error *err)
{
    const struct scanning *s = user;
    struct pg_params params;
    PGresult *result;
    const rag_slice text = pg_text_part(s->after);
    begin_params(&params, call);
    pg_add_slice(&params, s->after);
    pg_add_slice(&params, text);
    pg_add_int(&params, (int64_t)s->limit);
    const char *sql = s->what & RAG_GRAPH_DEGREES ? SQL_SCAN_DEGREES : SQL_SCAN_NODES;
    PG_TRY(pg_run(conn, call->ctx, sql, &params, "reading nodes", &result, err));
    const rag_status status = append_node_page(call, s, result, err);
    PQclear(result);
    return status;
}

static rag_status graph_scan_nodes(const rag_call *call, rag_slice after, size_t limit,
                                   unsigned what, rag_result *out, rag_error *err)
{
    struct scanning s = { after, limit, what, out };
    return pg_read(call, scan_nodes_work, &s, err);
}

/* The position of an edge: its two ids with a NUL between, which no id has. */
static rag_status set_edge_position(const rag_call *call, const struct scanning *s,
                                    const PGresult *result, int row, rag_error *err)
{
    struct pg_text position = { .host = call->host };
    const rag_slice a = pg_slice(result, row, AT_ID), b = pg_slice(result, row, AT_ID + 1);
    pg_text_add(&position, a.data, a.len);
    pg_text_add(&position, "", 1);
    pg_text_add(&position, b.data, b.len);
    rag_status status = pg_text_check(&position, err);
    if (status == RAG_OK)
        status = call->host->result_next(s->out, (rag_slice){ position.data, position.len }, err);
    pg_text_free(&position);
    return status;
}

static rag_status append_edge_page(const rag_call *call, const struct scanning *s,
                                   const PGresult *result, rag_error *err)
{
    struct pg_text value = { .host = call->host };
    const int rows = PQntuples(result);
    rag_status status = RAG_OK;
    for (int row = 0; row < rows && status == RAG_OK; row++) {
        rag_row edge = { .key = pg_slice(result, row, AT_KEY),
                         .key2 = pg_slice(result, row, AT_KEY2),
                         .found = 1 };
        status = with_value(call, PG_EDGE, s->what, result, row, &value, &edge, err);
        if (status == RAG_OK)
            status = call->host->row_append(s->out, &edge, err);
    }
    pg_text_free(&value);
    if (status == RAG_OK && (size_t)rows == s->limit)
        status = set_edge_position(call, s, result, rows - 1, err);
    return status;
}

static rag_status scan_edges_work(const rag_call *call, struct pg_conn *conn, void *user,
                                  rag_error *err)
{
    const struct scanning *s = user;
    struct pg_params params;
    PGresult *result;
    const char *start = s->after.data ? s->after.data : "";
    const char *cut = s->after.len ? memchr(start, 0, s->after.len) : NULL;
    const size_t first = cut ? (size_t)(cut - start) : s->after.len;
    const rag_slice a = { start, first };
    const rag_slice b = { cut ? cut + 1 : "", cut ? s->after.len - first - 1 : 0 };
    if (!pg_text_fits(a, 0) || !pg_text_fits(b, 0))
        return call->host->fail(err, RAG_E_INVALID, "the position of the scan is none of edges");
    begin_params(&params, call);
    pg_add_slice(&params, a);
    pg_add_slice(&params, b);
    pg_add_int(&params, (int64_t)s->limit);
    PG_TRY(pg_run(conn, call->ctx, SQL_SCAN_EDGES, &params, "reading edges", &result, err));
    const rag_status status = append_edge_page(call, s, result, err);
    PQclear(result);
    return status;
}

static rag_status graph_scan_edges(const rag_call *call, rag_slice after, size_t limit,
                                   unsigned what, rag_result *out, rag_error *err)
{
    struct scanning s = { after, limit, what, out };
    return pg_read(call, scan_edges_work, &s, err);
}

struct counting {
    uint64_t nodes, edges;
};

static rag_status count_work(const rag_call *call, struct pg_conn *conn, void *user, rag_error *err)
{
    struct counting *c = user;
    PG_TRY(pg_count_rows(call, conn, "graph_nodes", "graph", &c->nodes, err));
    return pg_count_rows(call, conn, "graph_edges", "graph", &c->edges, err);
}

static rag_status graph_count(const rag_call *call, uint64_t *nodes, uint64_t *edges,
                              rag_error *err)
{
    struct counting c = { 0, 0 };
    PG_TRY(pg_read(call, count_work, &c, err));
    *nodes = c.nodes;
    *edges = c.edges;
    return RAG_OK;
}

/* ---- writing --------------------------------------------------------------------------------------- */

struct putting {
    const rag_node *nodes;
    const rag_edge *edges;
    size_t n;
    rag_put_mode mode;
};

/* One statement's worth of it. */
struct batch {
    enum pg_graph_kind kind;
    struct asked q;
    struct ends ends;
    struct pg_array values, extras;
    struct pg_text extra, old;
};

static rag_slice value_of(const struct putting *p, size_t i)
{
    return p->nodes ? p->nodes[i].value : p->edges[i].value;
}

/* Attributes of one row as they are to be: the old ones of the answer under the new ones. */
static rag_status add_value(const rag_call *call, struct batch *b, rag_slice label, rag_slice news,
                            const PGresult *old, int row, rag_error *err)
{
    const rag_slice null = { NULL, 0 };
    char *merged = NULL;
    size_t len = 0;
    rag_slice value = news;
    if (row >= 0) {
        PG_TRY(pg_attributes_value(call->host, b->kind, pg_slice(old, row, AT_EXTRA),
                                   pg_slice(old, row, AT_PROPERTIES), &b->old, err));
        PG_TRY(call->host->json_merge((rag_slice){ b->old.data, b->old.len }, news, &merged, &len,
                                      err));
        value = (rag_slice){ merged, len };
    }
    const rag_status status = pg_attributes_extra(
        call->host, b->kind, is_id(label) ? label : (rag_slice){ "", 0 }, value, &b->extra, err);
    if (status == RAG_OK) {
        pg_array_add(&b->values, value);
        pg_array_add(&b->extras, b->extra.len ? (rag_slice){ b->extra.data, b->extra.len } : null);
    }
    call->host->free(merged);
    return status;
}

static rag_status add_values(const rag_call *call, struct batch *b, const struct putting *p,
                             size_t first, const PGresult *old, rag_error *err)
{
    const rag_slice none = { "", 0 };
    int *where = NULL;
    rag_status status = RAG_OK;
    if (old)
        status = places(call->host, old, b->q.n, &where, err);
    for (size_t i = 0; i < b->q.n && status == RAG_OK; i++)
        status = add_value(call, b, p->nodes ? p->nodes[first + i].label : none,
                           value_of(p, first + i), old, where ? where[i] - 1 : -1, err);
    call->host->free(where);
    return status;
}

static rag_status send_batch(const rag_call *call, struct pg_conn *conn, const struct batch *b,
                             rag_error *err)
{
    struct pg_params params;
    begin_params(&params, call);
    add_labels(&params, &b->ends.sources);
    if (b->kind == PG_EDGE) {
        add_labels(&params, &b->ends.targets);
        struct pg_params ends = params;
        PG_TRY(pg_run(conn, call->ctx, SQL_PUT_ENDS, &ends, "writing ends of edges", NULL, err));
    }
    pg_add_array(&params, &b->values);
    pg_add_array(&params, &b->extras);
    return pg_run(conn, call->ctx, b->kind == PG_EDGE ? SQL_PUT_EDGES : SQL_PUT_NODES, &params,
                  b->kind == PG_EDGE ? "writing edges" : "writing nodes", NULL, err);
}

static rag_status put_batch(const rag_call *call, struct pg_conn *conn, const struct putting *p,
                            size_t first, size_t n, rag_error *err)
{
    struct batch b = { .kind = p->nodes ? PG_NODE : PG_EDGE,
                       .extra = { .host = call->host },
                       .old = { .host = call->host } };
    PGresult *old = NULL;
    rag_status status = RAG_OK;
    b.q.n = n;
    b.q.labels = p->nodes ? &p->nodes->label : NULL; /* says that these are nodes */
    labels_begin(&b.ends.sources, call->host);
    labels_begin(&b.ends.targets, call->host);
    pg_array_begin(&b.values, call->host, PG_OID_TEXT);
    pg_array_begin(&b.extras, call->host, PG_OID_TEXT);
    for (size_t i = first; i < first + n; i++) {
        labels_add(&b.ends.sources, p->nodes ? p->nodes[i].label : p->edges[i].source);
        if (!p->nodes)
            labels_add(&b.ends.targets, p->edges[i].target);
    }
    if (p->mode == RAG_PUT_MERGE)
        status = ask(call, conn, &b.q, &b.ends, p->nodes ? SQL_LOCK_NODES : SQL_LOCK_EDGES,
                     "reading what is merged", &old, err);
    if (status == RAG_OK)
        status = add_values(call, &b, p, first, old, err);
    if (status == RAG_OK)
        status = send_batch(call, conn, &b, err);
    PQclear(old);
    ends_free(&b.ends);
    pg_array_free(&b.values);
    pg_array_free(&b.extras);
    pg_text_free(&b.extra);
    pg_text_free(&b.old);
    return status;
}

static rag_status put_work(const rag_call *call, struct pg_conn *conn, void *user, rag_error *err)
{
    const struct putting *p = user;
    for (size_t first = 0; first < p->n; first += BATCH_ROWS)
        PG_TRY(put_batch(call, conn, p, first,
                         p->n - first < BATCH_ROWS ? p->n - first : BATCH_ROWS, err));
    return RAG_OK;
}

static rag_status graph_put_nodes(const rag_call *call, const rag_node *nodes, size_t n,
                                  rag_put_mode mode, rag_token *token, rag_error *err)
{
    struct putting p = { nodes, NULL, n, mode };
    return pg_write(call, put_work, &p, 0, token, err);
}

static rag_status graph_put_edges(const rag_call *call, const rag_edge *edges, size_t n,
                                  rag_put_mode mode, rag_token *token, rag_error *err)
{
    struct putting p = { NULL, edges, n, mode };
    return pg_write(call, put_work, &p, 0, token, err);
}

static rag_status delete_work(const rag_call *call, struct pg_conn *conn, void *user,
                              rag_error *err)
{
    struct asked *q = user;
    struct ends e;
    PGresult *result = NULL;
    rag_status status = RAG_OK;
    ends_of(q, call->host, &e);
    if (q->labels)
        status = ask(call, conn, q, &e, SQL_DELETE_EDGES_OF, "deleting edges", NULL, err);
    if (status == RAG_OK)
        status = ask(call, conn, q, &e, q->labels ? SQL_DELETE_NODES : SQL_DELETE_EDGES,
                     q->labels ? "deleting nodes" : "deleting edges", &result, err);
    if (status == RAG_OK)
        q->deleted = pg_affected(result);
    PQclear(result);
    ends_free(&e);
    return status;
}

static rag_status graph_delete_nodes(const rag_call *call, const rag_slice *labels, size_t n,
                                     uint64_t *deleted, rag_token *token, rag_error *err)
{
    struct asked q = { labels, NULL, n, 0, NULL, 0 };
    PG_TRY(pg_write(call, delete_work, &q, 0, token, err));
    *deleted = q.deleted;
    return RAG_OK;
}

static rag_status graph_delete_edges(const rag_call *call, const rag_pair *pairs, size_t n,
                                     uint64_t *deleted, rag_token *token, rag_error *err)
{
    struct asked q = { NULL, pairs, n, 0, NULL, 0 };
    PG_TRY(pg_write(call, delete_work, &q, 0, token, err));
    *deleted = q.deleted;
    return RAG_OK;
}

static rag_status drop_work(const rag_call *call, struct pg_conn *conn, void *user, rag_error *err)
{
    struct pg_params params;
    (void)user;
    begin_params(&params, call);
    return pg_run(conn, call->ctx, SQL_CLEAR, &params, "deleting the graph", NULL, err);
}

static rag_status graph_drop(const rag_call *call, rag_error *err)
{
    return pg_write(call, drop_work, NULL, 1, NULL, err);
}

const rag_graph_table pg_graph = {
    .struct_size = sizeof pg_graph,
    .put_nodes = graph_put_nodes,
    .put_edges = graph_put_edges,
    .get_nodes = graph_get_nodes,
    .get_edges = graph_get_edges,
    .incident = graph_incident,
    .delete_nodes = graph_delete_nodes,
    .delete_edges = graph_delete_edges,
    .scan_nodes = graph_scan_nodes,
    .scan_edges = graph_scan_edges,
    .count = graph_count,
    .drop = graph_drop,
};
