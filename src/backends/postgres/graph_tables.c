/* The layout `tables`: the graph in plain tables, as LightRAG's PGTableGraphStorage has it.
 *
 * A row of edges has its ends in the order of their ids; `ragstore_flipped` remembers that they were
 * given the other way round. Ids are labels, but for those that an index cannot have (long, with NUL,
 * not UTF-8, or beginning like this): their id is "ragstore:" and a hash, and the label stands in
 * ragstore_label, ragstore_src, ragstore_tgt. So every question works on ids, and only orders and
 * answers look at labels. The server makes these ids.
 *
 * Rows that are merged are locked against LightRAG's writers while they are read. The tables
 * themselves are made in schema.c; counters come from their triggers. */
#include "graph.h"

/* clang-format off */
static const struct pg_graph_word words[] = {
    { "nodes", "lightrag_graph_nodes" },
    { "edges", "lightrag_graph_edges" },
    { "space", "'chunk_entity_relation'" },
    { "of", "@1.workspace = $1::text AND @1.namespace = {space}" },
    /* pairs with their ids in order */
    { "ordered", "(SELECT least(p.s COLLATE \"C\", p.d COLLATE \"C\") AS a,"
                 " greatest(p.s COLLATE \"C\", p.d COLLATE \"C\") AS b, p.* FROM {pairs} p) u" },
    { "value", "@1.ragstore_extra::text, @1.properties::text" },
    { "degree", "(SELECT count(*) FROM {edges} e WHERE {of e} AND e.src_id = @1)"
                " + (SELECT count(*) FROM {edges} e WHERE {of e} AND e.tgt_id = @1)" },
    { "source", "coalesce(@1.ragstore_src, convert_to(@1.src_id, 'UTF8'))" },
    { "target", "coalesce(@1.ragstore_tgt, convert_to(@1.tgt_id, 'UTF8'))" },
    { "node", "FROM {ids} JOIN {nodes} n ON {of n} AND n.id = u.id" },
    { "edge", "FROM {ordered} JOIN {edges} e ON {of e} AND e.src_id = u.a AND e.tgt_id = u.b" },
    /* they are distinct already: grouped, the planner sees it, and looks them up or hashes them, and
     * not the table */
    { "edge_once", "FROM (SELECT u.a, u.b, min(u.place) AS place FROM {ordered} GROUP BY u.a, u.b) u"
                   " JOIN {edges} e ON {of e} AND e.src_id = u.a AND e.tgt_id = u.b" },
    { "incident",
      "FROM {ids} CROSS JOIN LATERAL (SELECT e.ragstore_extra, e.properties, {target e} AS neighbour"
      " FROM {edges} e WHERE {of e} AND e.src_id = u.id"
      " UNION ALL SELECT e.ragstore_extra, e.properties, {source e}"
      " FROM {edges} e WHERE {of e} AND e.tgt_id = u.id AND e.src_id <> u.id) f"
      " ORDER BY u.place, f.neighbour" },
    { "scan_nodes",
      "FROM ((SELECT convert_to(n.id, 'UTF8') AS key, n.id, n.ragstore_extra, n.properties"
      " FROM {nodes} n WHERE {of n} AND n.ragstore_label IS NULL"
      " AND n.id COLLATE \"C\" >= $3::text AND convert_to(n.id, 'UTF8') > $2::bytea"
      " ORDER BY n.id COLLATE \"C\" LIMIT {page}) UNION ALL"
      " (SELECT n.ragstore_label, n.id, n.ragstore_extra, n.properties FROM {nodes} n"
      " WHERE {of n} AND n.ragstore_label > $2::bytea"
      " ORDER BY n.ragstore_label LIMIT {page})) s ORDER BY key LIMIT {page}" },
    { "first", "CASE WHEN e.ragstore_flipped THEN {target e} ELSE {source e} END" },
    { "second", "CASE WHEN e.ragstore_flipped THEN {source e} ELSE {target e} END" },
    { "scan_edges",
      "{second}, e.src_id, e.tgt_id FROM {edges} e WHERE {of e}"
      " AND (e.src_id COLLATE \"C\", e.tgt_id COLLATE \"C\") > ($2::text, $3::text)"
      " ORDER BY e.src_id COLLATE \"C\", e.tgt_id COLLATE \"C\" LIMIT {page}" },
    { "label", "coalesce(@1.ragstore_label, convert_to(@1.id, 'UTF8'))" },
    { "labels", "(SELECT n.id COLLATE \"C\" AS id, translate(n.id, $3::text, $4::text) AS t"
                " FROM {nodes} n WHERE {of n} AND n.ragstore_label IS NULL)" },
    { "odd_labels", "SELECT n.ragstore_label FROM {nodes} n WHERE {of n}"
                    " AND n.ragstore_label IS NOT NULL" },
    { "kept", "WITH k AS MATERIALIZED (SELECT u.id, u.place FROM {ids})" },
    { "between", "FROM k a JOIN {edges} e ON {of e} AND e.src_id = a.id JOIN k b ON b.id = e.tgt_id" },
    { "counter", "coalesce(sum(c.@1) FILTER (WHERE c.kind = @2), 0)::int8" },
    { NULL, NULL },
};

const struct pg_graph_layout pg_graph_tables = {
    .name = "tables",
    .column = PG_COLUMN_JSONB,
    .words = words,
    .patterns = {
        [PG_HAS_NODES] = "SELECT u.place, 0::int8, {none} {node}",
        [PG_GET_NODES] = "SELECT u.place, 0::int8, {value n} {node}",
        /* counted together: index by index for each, it takes twice the time */
        [PG_NODE_DEGREES] =
            "WITH k AS MATERIALIZED (SELECT u.id, u.place {node})"
            " SELECT x.place, count(*) - 1, {none} FROM (SELECT k.place FROM k"
            " UNION ALL SELECT k.place FROM k JOIN {edges} e ON {of e} AND e.src_id = k.id"
            " UNION ALL SELECT k.place FROM k JOIN {edges} e ON {of e} AND e.tgt_id = k.id) x"
            " GROUP BY x.place",
        [PG_NODE_DEGREES_VALUES] = "SELECT u.place, {degree u.id}, {value n} {node}",
        [PG_HAS_EDGES] = "SELECT u.place, 0::int8, {none} {edge_once}",
        [PG_GET_EDGES] = "SELECT u.place, 0::int8, {value e} {edge_once}",
        [PG_INCIDENT] = "SELECT u.place, 0::int8, {none}, f.neighbour {incident}",
        [PG_INCIDENT_VALUES] = "SELECT u.place, 0::int8, {value f}, f.neighbour {incident}",
        [PG_OLD_NODES] = "SELECT u.place, 0::int8, {value n} {node} FOR UPDATE OF n",
        [PG_OLD_EDGES] = "SELECT u.place, 0::int8, {value e} {edge} FOR UPDATE OF e",
        [PG_PUT_NODES] =
            "INSERT INTO {nodes} AS n (workspace, namespace, id, properties, ragstore_extra,"
            " ragstore_label) SELECT $1::text, {space}, u.id,"
            " u.value::jsonb || jsonb_build_object('entity_id', u.id), u.extra::json,"
            " CASE WHEN u.t IS NULL THEN u.label END"
            " FROM (SELECT {id x.t x.label} AS id, x.* FROM unnest($2::text[], $3::bytea[],"
            " $4::text[], $5::text[]) AS x(t, label, value, extra)) u"
            " ON CONFLICT (workspace, namespace, id) DO UPDATE SET"
            " properties = EXCLUDED.properties, ragstore_extra = EXCLUDED.ragstore_extra,"
            " updated_at = now()",
        [PG_PUT_ENDS] =
            "INSERT INTO {nodes} (workspace, namespace, id, properties, ragstore_extra,"
            " ragstore_label) SELECT DISTINCT ON (u.id) $1::text, {space}, u.id,"
            " jsonb_build_object('entity_id', u.id), '{}'::json,"
            " CASE WHEN u.t IS NULL THEN u.label END"
            " FROM (SELECT {id x.t x.label} AS id, x.t, x.label FROM {both_ends}) u"
            " ON CONFLICT (workspace, namespace, id) DO NOTHING",
        [PG_PUT_EDGES] =
            "INSERT INTO {edges} AS e (workspace, namespace, src_id, tgt_id, properties,"
            " ragstore_extra, ragstore_src, ragstore_tgt, ragstore_flipped)"
            " SELECT $1::text, {space}, u.a, u.b, w.value::jsonb, w.extra::json,"
            " CASE WHEN u.a = u.s THEN CASE WHEN u.st IS NULL THEN u.sl END"
            " WHEN u.dt IS NULL THEN u.dl END,"
            " CASE WHEN u.b = u.d THEN CASE WHEN u.dt IS NULL THEN u.dl END"
            " WHEN u.st IS NULL THEN u.sl END, u.a <> u.s"
            " FROM {ordered} JOIN unnest($6::text[], $7::text[]) WITH ORDINALITY"
            " AS w(value, extra, place) ON w.place = u.place"
            " ON CONFLICT (workspace, namespace, src_id, tgt_id) DO UPDATE SET"
            " properties = EXCLUDED.properties, ragstore_extra = EXCLUDED.ragstore_extra,"
            " updated_at = now()",
        [PG_DELETE_EDGES_OF] = "DELETE FROM {edges} e USING {ids}"
                               " WHERE {of e} AND (e.src_id = u.id OR e.tgt_id = u.id)",
        [PG_DELETE_NODES] = "DELETE FROM {nodes} n USING {ids} WHERE {of n} AND n.id = u.id",
        [PG_DELETE_EDGES] = "DELETE FROM {edges} e USING {ordered}"
                            " WHERE {of e} AND e.src_id = u.a AND e.tgt_id = u.b",
        [PG_CLEAR_GRAPH] = "WITH gone AS (DELETE FROM {edges} e WHERE {of e})"
                           " DELETE FROM {nodes} n WHERE {of n}",
        [PG_SCAN_NODES] = "SELECT s.key, 0::int8, {none} {scan_nodes}",
        [PG_SCAN_NODES_VALUES] = "SELECT s.key, 0::int8, {value s} {scan_nodes}",
        [PG_SCAN_DEGREES] = "SELECT s.key, {degree s.id}, {none} {scan_nodes}",
        [PG_SCAN_DEGREES_VALUES] = "SELECT s.key, {degree s.id}, {value s} {scan_nodes}",
        [PG_SCAN_EDGES] = "SELECT {first}, 0::int8, {none}, {scan_edges}",
        [PG_SCAN_EDGES_VALUES] = "SELECT {first}, 0::int8, {value e}, {scan_edges}",
        [PG_POPULAR] =
            "WITH d AS MATERIALIZED (SELECT x.id, count(*) AS degree FROM (SELECT e.src_id AS id"
            " FROM {edges} e WHERE {of e} UNION ALL SELECT e.tgt_id FROM {edges} e WHERE {of e}) x"
            " GROUP BY x.id), {cut} SELECT s.key, s.degree FROM (SELECT {label n} AS key, d.degree"
            " FROM d JOIN {nodes} n ON {of n} AND n.id = d.id WHERE {enough}"
            " UNION ALL SELECT {label n}, 0::int8 FROM {nodes} n WHERE {of n}"
            " AND NOT EXISTS (SELECT FROM cut) AND NOT EXISTS (SELECT FROM d WHERE d.id = n.id)) s"
            " ORDER BY s.degree DESC, s.key LIMIT $2::int8",
        [PG_LABELS] = "{candidates}",
        [PG_NEXT_LEVEL] =
            "WITH c AS MATERIALIZED (SELECT e.tgt_id AS id FROM {ids} JOIN {edges} e ON {of e}"
            " AND e.src_id = u.id UNION SELECT e.src_id FROM {ids} JOIN {edges} e ON {of e}"
            " AND e.tgt_id = u.id EXCEPT SELECT u.id FROM {seen})"
            " SELECT {label n}, {degree c.id} FROM c JOIN {nodes} n ON {of n} AND n.id = c.id"
            " ORDER BY 2 DESC, 1 LIMIT $6::int8",
        [PG_BEYOND] =
            "{kept} SELECT 1 FROM k JOIN {edges} e ON {of e} AND e.src_id = k.id"
            " WHERE NOT EXISTS (SELECT FROM k o WHERE o.id = e.tgt_id)"
            " UNION ALL SELECT 1 FROM k JOIN {edges} e ON {of e} AND e.tgt_id = k.id"
            " WHERE NOT EXISTS (SELECT FROM k o WHERE o.id = e.src_id) LIMIT 1",
        [PG_BETWEEN] = "{kept} SELECT a.place, b.place, {none} {between}",
        [PG_BETWEEN_VALUES] = "{kept} SELECT a.place, b.place, {value e} {between}",
        [PG_COUNT_GRAPH] =
            "SELECT {counter rows 'graph_nodes'}, {counter rows 'graph_edges'},"
            " {counter bytes 'graph_nodes'}, {counter bytes 'graph_edges'},"
            " {counter generation 'graph_nodes'}, {counter generation 'graph_edges'}"
            " FROM (SELECT kind, rows, bytes, generation FROM ragstore_namespace"
            " WHERE workspace = $1::text AND kind IN ('graph_nodes', 'graph_edges')"
            " UNION ALL SELECT kind, rows, bytes, 1 FROM ragstore_change"
            " WHERE workspace = $1::text AND kind IN ('graph_nodes', 'graph_edges')) c",
    },
};
/* clang-format on */
