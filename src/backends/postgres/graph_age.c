/* The layout `age`: the graph in Apache AGE, as LightRAG's PGGraphStorage has it.
 *
 * A graph of AGE is a schema with a table for each label: "base" has the vertices, each with its
 * name in the property entity_id, "DIRECTED" the edges, from the end that was given first to the
 * other. LightRAG asks in Cypher; we go to these tables straight, for reading and for writing. AGE
 * 1.5 takes no map of properties as a parameter (SET: "expects a map"; CREATE: a syntax error), and
 * MERGE behind UNWIND of a parameter makes vertices without properties: Cypher would be one
 * statement for each row, with its values inlined. Here a batch is one prepared statement with
 * arrays, as everywhere else. Nothing needs LOAD or a search_path: what is AGE's is named with its
 * schema, and the session stays as it was.
 *
 * "base" has no unique index, and LightRAG's MERGE locks nothing: writes take the advisory lock
 * that LightRAG's writers of edges take, then both tables against other writers, until the
 * transaction ends. Twins that LightRAG made in spite of that are read as one and written together.
 *
 * Ids are labels, or "ragstore:" and a hash (graph_tables.c). What a map of AGE does not say of a
 * value (graph_value.c), and the label behind a hash, is in ragstore_extra, a table of ours in the
 * schema of the graph: a column of ours in AGE's tables crashes the server at AGE's next CREATE.
 * AGE fires no triggers, so a layout has the MD5 of the properties that it belongs to and does not
 * count for others, and rows are counted when somebody asks for their number. The generation is
 * that of our own changes. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "graph.h"

/* clang-format off */
static const struct pg_graph_word words[] = {
    { "eq", "OPERATOR(ag_catalog.=)" },
    { "base", "\"{graph}\".base" },
    { "edges", "\"{graph}\".\"DIRECTED\"" },
    { "extra", "\"{graph}\".ragstore_extra" },
    { "name", "ag_catalog.agtype_object_field_text(@1.properties, 'entity_id') COLLATE \"C\"" },
    { "text", "ag_catalog.agtype_out(@1.properties)::text" },
    { "value", "(SELECT y.extra::text FROM {extra} y WHERE y.id {eq} @1.id"
               " AND y.seen = md5({text @1})), {text @1}" },
    { "label", "coalesce((SELECT y.label FROM {extra} y WHERE y.id {eq} @1.id"
               " AND {name @1} LIKE 'ragstore:%'), convert_to({name @1}, 'UTF8'))" },
    /* OFFSET 0: row by row through the index, whatever the planner knows of the table */
    { "vertex", "(SELECT b.id, b.properties FROM {base} b WHERE {name b} = @1 OFFSET 0)" },
    { "between", "(SELECT e.id, e.properties FROM {edges} e WHERE e.start_id {eq} @1.id"
                 " AND e.end_id {eq} @2.id UNION ALL SELECT e.id, e.properties FROM {edges} e"
                 " WHERE e.start_id {eq} @2.id AND e.end_id {eq} @1.id)" },
    { "degree", "(SELECT count(*) FROM {edges} e WHERE e.start_id {eq} @1.id)"
                " + (SELECT count(*) FROM {edges} e WHERE e.end_id {eq} @1.id)" },
    { "node", "FROM {ids} CROSS JOIN LATERAL {vertex u.id} n" },
    { "ends", "FROM {pairs} u CROSS JOIN LATERAL {vertex u.s} s CROSS JOIN LATERAL {vertex u.d} d" },
    { "edge", "{ends} CROSS JOIN LATERAL {between s d} e ORDER BY u.place, e.id" },
    { "incident",
      "{node} CROSS JOIN LATERAL (SELECT e.id, e.properties, {label m} AS neighbour"
      " FROM {edges} e JOIN {base} m ON m.id {eq} e.end_id WHERE e.start_id {eq} n.id"
      " UNION ALL SELECT e.id, e.properties, {label m}"
      " FROM {edges} e JOIN {base} m ON m.id {eq} e.start_id WHERE e.end_id {eq} n.id"
      " AND e.start_id OPERATOR(ag_catalog.<>) n.id) f ORDER BY u.place, f.neighbour, f.id" },
    { "scan_nodes",
      "FROM ((SELECT convert_to({name n}, 'UTF8') AS key, n.id, n.properties FROM {base} n"
      " WHERE {name n} >= $3::text AND convert_to({name n}, 'UTF8') > $2::bytea"
      " AND ({name n} NOT LIKE 'ragstore:%' OR NOT EXISTS (SELECT FROM {extra} y"
      " WHERE y.id {eq} n.id AND y.label IS NOT NULL)) ORDER BY {name n} LIMIT {page})"
      " UNION ALL (SELECT y.label, n.id, n.properties FROM {extra} y JOIN {base} n"
      " ON n.id {eq} y.id WHERE y.label > $2::bytea AND $1::text IS NOT NULL"
      " ORDER BY y.label LIMIT {page})) s ORDER BY s.key LIMIT {page}" },
    { "scan_edges",
      "{label d}, ag_catalog.graphid_out(e.id)::text, ''::text FROM (SELECT * FROM {edges} e"
      " WHERE e.id OPERATOR(ag_catalog.>) coalesce(nullif($2::text, ''), '0')::ag_catalog.graphid"
      " AND $1::text IS NOT NULL AND $3::text IS NOT NULL ORDER BY e.id LIMIT {page}) e"
      " LEFT JOIN {base} s ON s.id {eq} e.start_id LEFT JOIN {base} d ON d.id {eq} e.end_id"
      " ORDER BY e.id" },
    { "labels", "(SELECT {name n} AS id, translate({name n}, $3::text, $4::text) AS t FROM {base} n"
                " WHERE $1::text IS NOT NULL AND ({name n} NOT LIKE 'ragstore:%' OR NOT EXISTS"
                " (SELECT FROM {extra} y WHERE y.id {eq} n.id AND y.label IS NOT NULL)))" },
    { "odd_labels", "SELECT y.label FROM {extra} y JOIN {base} n ON n.id {eq} y.id"
                    " WHERE y.label IS NOT NULL" },
    { "kept", "WITH k AS MATERIALIZED (SELECT n.id, u.place {node})" },
    { "both", "least(a.place, b.place), greatest(a.place, b.place)" },
    { "among", "FROM k a JOIN {edges} e ON e.start_id {eq} a.id JOIN k b ON b.id {eq} e.end_id"
               " ORDER BY {both}, e.id" },
    { "next_node", "ag_catalog._graphid(ag_catalog._label_id('{graph}', 'base')::integer,"
                   " nextval('\"{graph}\".base_id_seq'))" },
    { "next_edge", "ag_catalog._graphid(ag_catalog._label_id('{graph}', 'DIRECTED')::integer,"
                   " nextval('\"{graph}\".\"DIRECTED_id_seq\"'))" },
    { "named", "ag_catalog.agtype_build_map('entity_id', u.id)" },
    { "changed", "changed AS (INSERT INTO ragstore_change (workspace, kind, name, rows, bytes)"
                 " SELECT $1::text, '@1', 'graph', 0, 0 WHERE EXISTS (SELECT FROM @2))" },
    /* the end of every put: rows p of new properties, at their ids */
    { "remember",
      "gone AS (DELETE FROM {extra} y USING p WHERE y.id {eq} p.at AND p.extra IS NULL"
      " AND p.t IS NOT NULL), {changed @1 p}"
      " INSERT INTO {extra} AS y (id, label, extra, seen) SELECT p.at,"
      " CASE WHEN p.t IS NULL THEN p.label END, p.extra::json, md5({text p}) FROM p"
      " WHERE p.extra IS NOT NULL OR p.t IS NULL ON CONFLICT (id) DO UPDATE SET"
      " label = EXCLUDED.label, extra = EXCLUDED.extra, seen = EXCLUDED.seen" },
    { "forget", "forgotten AS (DELETE FROM {extra} y USING gone WHERE y.id {eq} gone.id)" },
    { NULL, NULL },
};

const struct pg_graph_layout pg_graph_age = {
    .name = "age",
    .column = PG_COLUMN_AGTYPE,
    .words = words,
    .locks = { "SELECT pg_advisory_xact_lock(hashtextextended('{graph}', 0))",
               "LOCK TABLE {base}, {edges} IN SHARE ROW EXCLUSIVE MODE" },
    /* layouts of what LightRAG deleted */
    .tidy = "DELETE FROM {extra} y WHERE NOT EXISTS (SELECT FROM {base} n WHERE n.id {eq} y.id)"
            " AND NOT EXISTS (SELECT FROM {edges} e WHERE e.id {eq} y.id);"
            " ANALYZE {base}; ANALYZE {edges}; ANALYZE {extra}",
    .patterns = {
        [PG_HAS_NODES] = "SELECT u.place, 0::int8, {none} {node}",
        [PG_GET_NODES] = "SELECT u.place, 0::int8, {value n} {node}",
        [PG_NODE_DEGREES] = "SELECT u.place, {degree n}, {none} {node}",
        [PG_NODE_DEGREES_VALUES] = "SELECT u.place, {degree n}, {value n} {node}",
        [PG_HAS_EDGES] = "SELECT DISTINCT ON (u.place) u.place, 0::int8, {none} {edge}",
        [PG_GET_EDGES] = "SELECT DISTINCT ON (u.place) u.place, 0::int8, {value e} {edge}",
        [PG_INCIDENT] = "SELECT DISTINCT ON (u.place, f.neighbour) u.place, 0::int8, {none},"
                        " f.neighbour {incident}",
        [PG_INCIDENT_VALUES] = "SELECT DISTINCT ON (u.place, f.neighbour) u.place, 0::int8,"
                               " {value f}, f.neighbour {incident}",
        [PG_OLD_NODES] = "SELECT u.place, 0::int8, {value n} {node}",
        [PG_OLD_EDGES] = "SELECT DISTINCT ON (u.place) u.place, 0::int8, {value e} {edge}",
        [PG_PUT_NODES] =
            "WITH r AS MATERIALIZED (SELECT u.t, u.label, u.extra, n.id AS old,"
            " u.value::ag_catalog.agtype OPERATOR(ag_catalog.||) {named} AS properties"
            " FROM (SELECT {id x.t x.label} AS id, x.* FROM unnest($2::text[], $3::bytea[],"
            " $4::text[], $5::text[]) AS x(t, label, value, extra)) u"
            " LEFT JOIN LATERAL {vertex u.id} n ON true),"
            " p AS MATERIALIZED (SELECT r.*, coalesce(r.old, {next_node}) AS at FROM r),"
            " u AS (UPDATE {base} b SET properties = p.properties FROM p WHERE b.id {eq} p.old),"
            " i AS (INSERT INTO {base} (id, properties) SELECT p.at, p.properties FROM p"
            " WHERE p.old IS NULL), {remember graph_nodes}",
        [PG_PUT_ENDS] =
            "WITH r AS MATERIALIZED (SELECT DISTINCT ON (1) {id x.t x.label} AS id, x.t, x.label"
            " FROM {both_ends}),"
            " p AS MATERIALIZED (SELECT u.t, u.label, '{}'::text AS extra, {named} AS properties,"
            " {next_node} AS at FROM r u WHERE NOT EXISTS (SELECT FROM {vertex u.id} n)),"
            " i AS (INSERT INTO {base} (id, properties) SELECT p.at, p.properties FROM p),"
            " {remember graph_nodes}",
        [PG_PUT_EDGES] =
            "WITH r AS MATERIALIZED (SELECT DISTINCT ON (u.place) w.extra, s.id AS s, d.id AS d,"
            " e.id AS old, w.value::ag_catalog.agtype AS properties {ends}"
            " JOIN unnest($6::text[], $7::text[]) WITH ORDINALITY AS w(value, extra, place)"
            " ON w.place = u.place LEFT JOIN LATERAL {between s d} e ON true"
            " ORDER BY u.place, e.id),"
            " p AS MATERIALIZED (SELECT r.*, coalesce(r.old, {next_edge}) AS at, ''::text AS t,"
            " NULL::bytea AS label FROM r),"
            " u AS (UPDATE {edges} e SET properties = p.properties FROM p WHERE e.id {eq} p.old),"
            " i AS (INSERT INTO {edges} (id, start_id, end_id, properties)"
            " SELECT p.at, p.s, p.d, p.properties FROM p WHERE p.old IS NULL),"
            " {remember graph_edges}",
        [PG_DELETE_EDGES_OF] =
            "WITH gone AS MATERIALIZED (SELECT e.id {node} CROSS JOIN LATERAL"
            " (SELECT e.id FROM \"{graph}\"._ag_label_edge e WHERE e.start_id {eq} n.id"
            " UNION ALL SELECT e.id FROM \"{graph}\"._ag_label_edge e WHERE e.end_id {eq} n.id) e),"
            " {forget}, {changed graph_edges gone}"
            " DELETE FROM \"{graph}\"._ag_label_edge e USING gone WHERE e.id {eq} gone.id",
        [PG_DELETE_NODES] =
            "WITH gone AS MATERIALIZED (SELECT n.id {node}), {forget}, {changed graph_nodes gone}"
            " DELETE FROM {base} b USING gone WHERE b.id {eq} gone.id",
        [PG_DELETE_EDGES] =
            "WITH gone AS MATERIALIZED (SELECT e.id {ends} CROSS JOIN LATERAL {between s d} e),"
            " {forget}, {changed graph_edges gone}"
            " DELETE FROM {edges} e USING gone WHERE e.id {eq} gone.id",
        [PG_CLEAR_GRAPH] =
            "WITH e AS (DELETE FROM \"{graph}\"._ag_label_edge), x AS (DELETE FROM {extra}),"
            " changed AS (INSERT INTO ragstore_change (workspace, kind, name, rows, bytes)"
            " VALUES ($1::text, 'graph_nodes', 'graph', 0, 0),"
            " ($1::text, 'graph_edges', 'graph', 0, 0))"
            " DELETE FROM \"{graph}\"._ag_label_vertex",
        [PG_SCAN_NODES] = "SELECT s.key, 0::int8, {none} {scan_nodes}",
        [PG_SCAN_NODES_VALUES] = "SELECT s.key, 0::int8, {value s} {scan_nodes}",
        [PG_SCAN_DEGREES] = "SELECT s.key, {degree s}, {none} {scan_nodes}",
        [PG_SCAN_DEGREES_VALUES] = "SELECT s.key, {degree s}, {value s} {scan_nodes}",
        [PG_SCAN_EDGES] = "SELECT {label s}, 0::int8, {none}, {scan_edges}",
        [PG_SCAN_EDGES_VALUES] = "SELECT {label s}, 0::int8, {value e}, {scan_edges}",
        [PG_POPULAR] =
            "WITH d AS MATERIALIZED (SELECT x.id, count(*) AS degree FROM (SELECT e.start_id AS id"
            " FROM {edges} e UNION ALL SELECT e.end_id FROM {edges} e) x GROUP BY x.id), {cut}"
            " SELECT s.key, s.degree FROM (SELECT {label n} AS key, d.degree FROM d"
            " JOIN {base} n ON n.id {eq} d.id WHERE {enough}"
            " UNION ALL SELECT {label n}, 0::int8 FROM {base} n WHERE $1::text IS NOT NULL"
            " AND NOT EXISTS (SELECT FROM cut) AND NOT EXISTS (SELECT FROM d WHERE d.id {eq} n.id)) s"
            " ORDER BY s.degree DESC, s.key LIMIT $2::int8",
        [PG_LABELS] = "{candidates}",
        [PG_NEXT_LEVEL] =
            "WITH c AS MATERIALIZED (SELECT e.end_id AS id {node} JOIN {edges} e"
            " ON e.start_id {eq} n.id UNION SELECT e.start_id {node} JOIN {edges} e"
            " ON e.end_id {eq} n.id EXCEPT SELECT n.id FROM {seen} CROSS JOIN LATERAL {vertex u.id} n)"
            " SELECT {label n}, {degree n} FROM c JOIN {base} n ON n.id {eq} c.id"
            " ORDER BY 2 DESC, 1 LIMIT $6::int8",
        [PG_BEYOND] =
            "{kept} SELECT 1 FROM k JOIN {edges} e ON e.start_id {eq} k.id"
            " WHERE NOT EXISTS (SELECT FROM k o WHERE o.id {eq} e.end_id)"
            " UNION ALL SELECT 1 FROM k JOIN {edges} e ON e.end_id {eq} k.id"
            " WHERE NOT EXISTS (SELECT FROM k o WHERE o.id {eq} e.start_id) LIMIT 1",
        [PG_BETWEEN] = "{kept} SELECT DISTINCT ON ({both}) a.place, b.place, {none} {among}",
        [PG_BETWEEN_VALUES] = "{kept} SELECT DISTINCT ON ({both}) a.place, b.place, {value e} {among}",
        [PG_COUNT_GRAPH] =
            "SELECT (SELECT count(*) FROM {base}), (SELECT count(*) FROM {edges}),"
            " pg_table_size('{base}'), pg_table_size('{edges}'), g.nodes, g.edges"
            " FROM (SELECT coalesce(sum(generation) FILTER (WHERE kind = 'graph_nodes'), 0)::int8,"
            " coalesce(sum(generation) FILTER (WHERE kind = 'graph_edges'), 0)::int8"
            " FROM (SELECT kind, generation FROM ragstore_namespace WHERE workspace = $1::text"
            " UNION ALL SELECT kind, 1 FROM ragstore_change WHERE workspace = $1::text) c)"
            " g(nodes, edges)",
    },
};

/* What LightRAG makes, with its names, and ours at the end. */
static const struct pg_graph_word no_words[] = { { NULL, NULL } };
static const char *const making[] = {
    "CREATE INDEX IF NOT EXISTS vertex_idx_node_id ON \"{graph}\"._ag_label_vertex"
    " (ag_catalog.agtype_access_operator(properties, '\"entity_id\"'::ag_catalog.agtype))",
    "CREATE INDEX IF NOT EXISTS edge_sid_idx ON \"{graph}\"._ag_label_edge (start_id)",
    "CREATE INDEX IF NOT EXISTS edge_eid_idx ON \"{graph}\"._ag_label_edge (end_id)",
    "CREATE INDEX IF NOT EXISTS edge_seid_idx ON \"{graph}\"._ag_label_edge (start_id, end_id)",
    "CREATE INDEX IF NOT EXISTS directed_p_idx ON \"{graph}\".\"DIRECTED\" (id)",
    "CREATE INDEX IF NOT EXISTS directed_eid_idx ON \"{graph}\".\"DIRECTED\" (end_id)",
    "CREATE INDEX IF NOT EXISTS directed_sid_idx ON \"{graph}\".\"DIRECTED\" (start_id)",
    "CREATE INDEX IF NOT EXISTS directed_seid_idx ON \"{graph}\".\"DIRECTED\" (start_id, end_id)",
    "CREATE INDEX IF NOT EXISTS entity_p_idx ON \"{graph}\".base (id)",
    "CREATE INDEX IF NOT EXISTS entity_idx_node_id ON \"{graph}\".base"
    " (ag_catalog.agtype_access_operator(properties, '\"entity_id\"'::ag_catalog.agtype))",
    "CREATE INDEX IF NOT EXISTS entity_node_id_gin_idx ON \"{graph}\".base USING gin (properties)",
    "ALTER TABLE \"{graph}\".\"DIRECTED\" CLUSTER ON directed_sid_idx",
    "CREATE INDEX IF NOT EXISTS ragstore_base_order ON \"{graph}\".base"
    " ((ag_catalog.agtype_object_field_text(properties, 'entity_id') COLLATE \"C\"))",
    "CREATE TABLE IF NOT EXISTS \"{graph}\".ragstore_extra (id ag_catalog.graphid PRIMARY KEY,"
    " label bytea, extra json, seen text NOT NULL)",
    "CREATE INDEX IF NOT EXISTS ragstore_extra_odd ON \"{graph}\".ragstore_extra (id)"
    " WHERE label IS NOT NULL",
};
/* clang-format on */

static const char SQL_GRAPH[] =
    "SELECT true, to_regclass(quote_ident($1::text) || '.ragstore_extra') IS NOT NULL"
    " FROM ag_catalog.ag_graph WHERE name = $1::text"
    " AND has_schema_privilege(namespace::oid, 'USAGE')";
static const char SQL_LABELS[] =
    "SELECT to_regclass(quote_ident($1::text) || '.base') IS NOT NULL,"
    " to_regclass(quote_ident($1::text) || '.\"DIRECTED\"') IS NOT NULL";
static const char SQL_CATALOG[] =
    "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'age')"
    " AND EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = 'ag_catalog' AND c.relname = 'ag_graph'"
    " AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'))";
/* Not 1.8: LightRAG refuses it, because it breaks its queries. */
static const char SQL_OFFERED[] =
    "SELECT string_to_array(coalesce(e.extversion, a.default_version), '.')::int8[]"
    " < ARRAY[1, 8]::int8[] FROM pg_available_extensions a LEFT JOIN pg_extension e"
    " ON e.extname = a.name WHERE a.name = 'age'"
    " AND coalesce(e.extversion, a.default_version) ~ '^[0-9]+([.][0-9]+)*$'";
static const char SQL_CREATE_GRAPH[] = "SELECT ag_catalog.create_graph($1::text::name)";
static const char SQL_CREATE_BASE[] = "SELECT ag_catalog.create_vlabel($1::text::name, 'base')";
static const char SQL_CREATE_DIRECTED[] =
    "SELECT ag_catalog.create_elabel($1::text::name, 'DIRECTED')";

static const char NAMESPACE[] = "chunk_entity_relation";

static int is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

void pg_age_graph_name(const char *workspace, char out[PG_GRAPH_NAME_MAX + 1])
{
    size_t len = 0, end;
    while (is_blank(*workspace))
        workspace++;
    end = strlen(workspace);
    while (end && is_blank(workspace[end - 1]))
        end--;
    if (end && !(end == 7 && strncasecmp(workspace, "default", end) == 0)) {
        for (size_t i = 0; i < end && len < PG_GRAPH_NAME_MAX; i++) {
            const unsigned char c = (unsigned char)workspace[i];
            if ((c & 0xc0) == 0x80)
                continue; /* the rest of a character */
            out[len++] = c < 0x80 && isalnum(c) ? (char)c : '_';
        }
        if (len < PG_GRAPH_NAME_MAX)
            out[len++] = '_';
    }
    for (const char *p = NAMESPACE; *p && len < PG_GRAPH_NAME_MAX; p++)
        out[len++] = *p;
    out[len] = 0;
}

/* The first row's truths; a row that is not there has none. */
static rag_status ask_two(const struct pg_making *m, const char *sql, const char *graph,
                          int answers[2])
{
    struct pg_params params = { 0 };
    PGresult *r;
    if (graph)
        pg_add_text(&params, graph);
    PG_TRY(pg_run(m->conn, m->ctx, sql, &params, "looking for the graph in AGE", &r, m->err));
    for (int i = 0; i < 2; i++)
        answers[i] = PQntuples(r) > 0 && i < PQnfields(r) && !PQgetisnull(r, 0, i) &&
                     PQgetvalue(r, 0, i)[PQgetlength(r, 0, i) - 1] == 1;
    PQclear(r);
    return RAG_OK;
}

rag_status pg_age_graph_there(const struct pg_making *m, const char *graph, int *there,
                              int *complete)
{
    int answers[2];
    *there = *complete = 0;
    PG_TRY(ask_two(m, SQL_CATALOG, NULL, answers));
    if (!answers[0])
        return RAG_OK;
    PG_TRY(ask_two(m, SQL_GRAPH, graph, answers));
    *there = answers[0];
    *complete = answers[1];
    return RAG_OK;
}

rag_status pg_age_offered(const struct pg_making *m, int *offered)
{
    int answers[2];
    PG_TRY(ask_two(m, SQL_OFFERED, NULL, answers));
    *offered = answers[0];
    return RAG_OK;
}

static rag_status call_age(const struct pg_making *m, const char *sql, const char *graph)
{
    struct pg_params params = { 0 };
    pg_add_text(&params, graph);
    return pg_run(m->conn, m->ctx, sql, &params, "making the graph in AGE", NULL, m->err);
}

static rag_status make_labels(const struct pg_making *m, const char *graph)
{
    int there, complete, labels[2];
    PG_TRY(pg_age_graph_there(m, graph, &there, &complete));
    if (!there)
        PG_TRY(call_age(m, SQL_CREATE_GRAPH, graph));
    PG_TRY(ask_two(m, SQL_LABELS, graph, labels));
    if (!labels[0])
        PG_TRY(call_age(m, SQL_CREATE_BASE, graph));
    return labels[1] ? RAG_OK : call_age(m, SQL_CREATE_DIRECTED, graph);
}

rag_status pg_age_has_rows(const struct pg_making *m, const char *graph, int *rows)
{
    static const struct pg_graph_layout layout = { .words = no_words };
    struct pg_text sql = { .host = m->host };
    PGresult *r = NULL;
    int labels[2];
    *rows = 0;
    PG_TRY(ask_two(m, SQL_LABELS, graph, labels));
    if (!labels[0])
        return RAG_OK;
    pg_graph_write_pattern(&layout, graph, "SELECT 1 FROM \"{graph}\".base LIMIT 1", &sql);
    rag_status status = pg_text_check(&sql, m->err);
    if (status == RAG_OK)
        status = pg_ask_once(m->conn, m->ctx, sql.data, "looking for the graph in AGE", &r, m->err);
    if (status == RAG_OK)
        *rows = PQntuples(r) > 0;
    PQclear(r);
    pg_text_free(&sql);
    return status;
}

rag_status pg_age_make(const struct pg_making *m, const char *graph)
{
    PG_TRY(pg_schema_run(m, "CREATE EXTENSION IF NOT EXISTS age CASCADE"));
    PG_TRY(make_labels(m, graph));
    struct pg_text sql = { .host = m->host };
    static const struct pg_graph_layout layout = { .words = no_words };
    rag_status status = RAG_OK;
    for (size_t i = 0; i < sizeof making / sizeof *making && status == RAG_OK; i++) {
        pg_graph_write_pattern(&layout, graph, making[i], &sql);
        status = pg_schema_run_text(m, &sql);
    }
    pg_text_free(&sql);
    return status;
}
