/* Invariants of the database file as a whole, of the namespaces with their counters, and of values.
 *
 * Counters are computed anew for one namespace after the other, by aggregates along an index or a
 * table, so that nothing has to be sorted. Values are walked table by table: whether their dictionary
 * is there shows in their first bytes, so that much is asked apart from whether they can be decoded.
 * Called through the tables of check.h only. */

#include "check.h"
#include "codec.h"
#include "core/context.h"
#include "core/json.h"
#include "core/slice.h"
#include "schema.h"

_Static_assert(SCHEMA_SLOT_BITS == 40, "shifts by 40 stand in the queries");

enum { CHECK_EVERY = 256 };

/* ---- SQLite -------------------------------------------------------------------------------------- */

static rag_status check_integrity(struct check_run *run, rag_error *err)
{
    sqlite3_stmt *stmt;
    int more;
    const int quick = (run->options->flags & RAG_CHECK_QUICK) != 0;
    RAG_TRY(
        db_prepare(run->conn, quick ? "PRAGMA quick_check" : "PRAGMA integrity_check", &stmt, err));
    for (;;) {
        RAG_TRY(db_step(run->conn, stmt, &more, err));
        if (!more)
            break;
        const rag_slice text = db_column_slice(stmt, 0);
        if (!slice_is(text, "ok"))
            RAG_TRY(check_violation(run, err, "%.*s", RAG_SHOWN(text)));
    }
    (void)sqlite3_reset(stmt);
    return RAG_OK;
}

/* Making indexes anew changes no row, and what changes no row is not committed: so touch one. */
static const char *const REINDEX[] = { "REINDEX", "UPDATE namespace SET rows = rows WHERE id = 0",
                                       NULL };

/* ---- values -------------------------------------------------------------------------------------- */

/* Where values are: rows of (name, value). */
static const struct value_table {
    const char *what, *all, *heads; /* `heads`: the beginning of each value is enough */
    int is_object; /* has to be one here; whether KV values are, is asked of every backend */
} VALUES[] = {
    { "value of key", "SELECT key, value FROM kv", "SELECT key, substr(value, 1, 32) FROM kv", 0 },
    { "node", "SELECT CAST(id AS TEXT), value FROM graph_node_value",
      "SELECT CAST(id AS TEXT), substr(value, 1, 32) FROM graph_node_value", 1 },
    { "edge from", "SELECT source, value FROM graph_edge",
      "SELECT source, substr(value, 1, 32) FROM graph_edge", 1 },
    { "document", "SELECT id, value FROM doc", "SELECT id, substr(value, 1, 32) FROM doc", 1 },
    { "vector", "SELECT id, value FROM vector_row",
      "SELECT id, substr(value, 1, 32) FROM vector_row", 1 },
    { "payload of pending vector", "SELECT id, value FROM vector_pending WHERE value IS NOT NULL",
      "SELECT id, substr(value, 1, 32) FROM vector_pending WHERE value IS NOT NULL", 1 },
    { "text of pending vector", "SELECT id, content FROM vector_pending WHERE content IS NOT NULL",
      "SELECT id, substr(content, 1, 32) FROM vector_pending WHERE content IS NOT NULL", 0 },
};

typedef rag_status (*value_fn)(struct check_run *run, const struct value_table *table,
                               rag_slice name, rag_slice stored, rag_error *err);

static rag_status walk_values(struct check_run *run, int heads, value_fn one, rag_error *err)
{
    for (size_t t = 0; t < sizeof VALUES / sizeof *VALUES; t++) {
        sqlite3_stmt *stmt;
        int more;
        RAG_TRY(db_prepare(run->conn, heads ? VALUES[t].heads : VALUES[t].all, &stmt, err));
        for (size_t i = 0;; i++) {
            if (i % CHECK_EVERY == 0)
                RAG_TRY(context_check(run->call->ctx, err));
            RAG_TRY(db_step(run->conn, stmt, &more, err));
            if (!more)
                break;
            run->finding->checked++;
            RAG_TRY(one(run, &VALUES[t], db_column_slice(stmt, 0), db_column_slice(stmt, 1), err));
        }
        (void)sqlite3_reset(stmt);
    }
    return RAG_OK;
}

static rag_status has_dictionary(struct db_conn *conn, uint32_t id, int *found, rag_error *err)
{
    sqlite3_stmt *stmt;
    RAG_TRY(db_prepare(conn, "SELECT 1 FROM dictionary WHERE id = ?1", &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, id);
    RAG_TRY(db_step(conn, stmt, found, err));
    (void)sqlite3_reset(stmt);
    return RAG_OK;
}

static rag_status check_dictionary(struct check_run *run, const struct value_table *table,
                                   rag_slice name, rag_slice stored, rag_error *err)
{
    const uint32_t id = codec_dictionary_of(stored);
    int found = 1;
    if (id)
        RAG_TRY(has_dictionary(run->conn, id, &found, err));
    if (found)
        return RAG_OK;
    return check_violation(run, err, "%s '%.*s': dictionary %u", table->what, RAG_SHOWN(name), id);
}

static rag_status check_dictionaries(struct check_run *run, rag_error *err)
{
    return walk_values(run, 1, check_dictionary, err);
}

static rag_status check_value(struct check_run *run, const struct value_table *table,
                              rag_slice name, rag_slice stored, rag_error *err)
{
    rag_error why = RAG_ERROR_INIT;
    rag_slice value;
    rag_status status = codec_decode(run->conn->codec, stored, table->what, name, &value, &why);
    if (status == RAG_OK && table->is_object)
        status = json_check_object(value, table->what, name, &why);
    if (status == RAG_E_CORRUPT || status == RAG_E_INVALID)
        return check_violation(run, err, "%s", why.message);
    return rag_pass(status, &why, err);
}

static rag_status check_values(struct check_run *run, rag_error *err)
{
    return walk_values(run, 0, check_value, err);
}

/* ---- counters ------------------------------------------------------------------------------------ */

#define SLOTS_OF_N "slot >= (n.id << 40) AND slot < ((n.id + 1) << 40)"

#define ROWS                                                                    \
    "(CASE n.kind WHEN 1 THEN (SELECT count(*) FROM kv WHERE namespace = n.id)" \
    " WHEN 2 THEN (SELECT count(*) FROM vector_row WHERE " SLOTS_OF_N ")"       \
    " WHEN 3 THEN (SELECT count(*) FROM graph_node)"                            \
    " WHEN 4 THEN (SELECT count(*) FROM graph_edge)"                            \
    " WHEN 5 THEN (SELECT count(*) FROM doc) END)"

#define BYTES                                                                                    \
    "coalesce(CASE n.kind"                                                                       \
    " WHEN 1 THEN (SELECT sum(length(key) + length(value)) FROM kv NOT INDEXED"                  \
    " WHERE namespace = n.id)"                                                                   \
    " WHEN 2 THEN (SELECT sum(length(r.id) + length(value) +"                                    \
    " s.dimension * CASE s.element WHEN 2 THEN 2 ELSE 4 END) FROM vector_space s"                \
    " JOIN vector_row r ON " SLOTS_OF_N " WHERE s.id = n.id)"                                    \
    " WHEN 3 THEN (SELECT sum(length(label) + coalesce(length(value), 0)) FROM graph_node"       \
    " LEFT JOIN graph_node_value v ON v.id = graph_node.id)"                                     \
    " WHEN 4 THEN (SELECT sum(length(source) + length(target) + length(value)) FROM graph_edge)" \
    " WHEN 5 THEN (SELECT sum(length(id) + length(value)) FROM doc) END, 0)"

static const char *const SET_ROWS[] = { "UPDATE namespace AS n SET rows = " ROWS
                                        " WHERE kind BETWEEN 1 AND 5",
                                        NULL };
static const char *const SET_BYTES[] = { "UPDATE namespace AS n SET bytes = " BYTES
                                         " WHERE kind BETWEEN 1 AND 5",
                                         NULL };
static const char *const ADD_FIXED[] = { "INSERT OR IGNORE INTO namespace(id, kind, name) VALUES"
                                         " (1, 3, 'graph'), (2, 4, 'graph'), (3, 5, 'doc_status')",
                                         NULL };
static const char *const SET_GENERATION[] = {
    "UPDATE namespace SET generation = (SELECT max(generation) FROM namespace) WHERE id = 0", NULL
};
/* Nothing is known to be durable, until the next flush. */
static const char *const SET_DURABLE[] = {
    "INSERT OR REPLACE INTO durable(id, token) VALUES (0, 0)", NULL
};

/* Rows of caches with bounds, in the order of their writing. */
static const char *const MEND_WRITTEN[] = {
    "DELETE FROM kv_written",
    "INSERT INTO kv_written(namespace, updated_at, row) SELECT namespace, updated_at, id FROM kv"
    " WHERE namespace IN (SELECT namespace FROM kv_limit)",
    NULL
};

/* Bounds of nothing: as ids are never given twice, they bind nobody. */
#define LOST_LIMIT                                                                    \
    " FROM kv_limit WHERE namespace NOT IN (SELECT id FROM namespace WHERE kind = 1)" \
    " AND NOT EXISTS (SELECT 1 FROM kv WHERE kv.namespace = kv_limit.namespace)"

static const char *const DROP_LIMITS[] = { "DELETE" LOST_LIMIT, NULL };

static const char ALL_NAMESPACES[] = "SELECT count(*) FROM namespace";

const struct check_invariant check_store_invariants[] = {
    { .name = "value.dictionary",
      .what = "the dictionary of every compressed value is there",
      .find = check_dictionaries,
      .slow = 1 },
    { .name = "value.readable",
      .what = "every value can be decoded, and is a JSON object",
      .find = check_values,
      .slow = 1 },
    { .name = "kv.limit",
      .what = "bounds are those of a namespace that is there",
      .sql = "SELECT 'namespace ' || namespace" LOST_LIMIT,
      .checked = "SELECT count(*) FROM kv_limit",
      .repair = DROP_LIMITS },
    { .name = "kv.written",
      .what = "the rows of caches with bounds, and no others, are listed by the time of writing",
      .sql = "SELECT 'key ' || CAST(k.key AS TEXT) FROM kv_limit l JOIN kv k"
             " ON k.namespace = l.namespace WHERE NOT EXISTS (SELECT 1 FROM kv_written w"
             " WHERE w.namespace = k.namespace AND w.updated_at = k.updated_at AND w.row = k.id)"
             " UNION ALL SELECT 'row ' || w.row FROM kv_written w LEFT JOIN kv k ON k.id = w.row"
             " AND k.namespace = w.namespace AND k.updated_at = w.updated_at"
             " WHERE k.id IS NULL OR w.namespace NOT IN (SELECT namespace FROM kv_limit)",
      .checked = "SELECT count(*) FROM kv_written",
      .repair = MEND_WRITTEN },
    { .name = "namespace.fixed",
      .what = "nodes, edges and documents have their namespaces",
      .sql = "WITH fixed(id, kind) AS (VALUES (1, 3), (2, 4), (3, 5))"
             " SELECT 'namespace ' || f.id FROM fixed f"
             " LEFT JOIN namespace n ON n.id = f.id AND n.kind = f.kind WHERE n.id IS NULL",
      .checked = ALL_NAMESPACES,
      .repair = ADD_FIXED },
    { .name = "namespace.known",
      .what = "every row belongs to a namespace",
      .sql = "SELECT 'key ' || CAST(key AS TEXT) || ' of namespace ' || namespace FROM kv"
             " WHERE namespace NOT IN (SELECT id FROM namespace WHERE kind = 1) UNION ALL "
             "SELECT 'vector space ' || id FROM vector_space"
             " WHERE id NOT IN (SELECT id FROM namespace WHERE kind = 2) UNION ALL "
             "SELECT 'vector in slot ' || slot FROM vector_row"
             " WHERE slot >> 40 NOT IN (SELECT id FROM vector_space)",
      .checked = "SELECT (SELECT count(*) FROM kv) + (SELECT count(*) FROM vector_row)" },
    { .name = "namespace.rows",
      .what = "the rows of every namespace are counted",
      .sql = "SELECT name || ': ' || rows || ' instead of ' || " ROWS " FROM namespace n"
             " WHERE kind BETWEEN 1 AND 5 AND rows <> " ROWS,
      .checked = ALL_NAMESPACES,
      .repair = SET_ROWS },
    { .name = "namespace.bytes",
      .what = "the bytes of every namespace are counted",
      .sql = "SELECT name || ': ' || bytes || ' instead of ' || counted FROM"
             " (SELECT name, bytes, " BYTES " AS counted FROM namespace n"
             " WHERE kind BETWEEN 1 AND 5) WHERE bytes <> counted",
      .checked = ALL_NAMESPACES,
      .repair = SET_BYTES,
      .slow = 1 },
    { .name = "namespace.generation",
      .what = "no namespace was changed after the newest commit",
      .sql = "SELECT name || ': ' || generation FROM namespace"
             " WHERE generation > (SELECT generation FROM namespace WHERE id = 0)",
      .checked = ALL_NAMESPACES,
      .repair = SET_GENERATION },
    { .name = "durable.token",
      .what = "no commit is said to be durable that was not made",
      .sql = "SELECT 'durable ' || coalesce(d.token, 'unknown') || ', committed ' || n.generation"
             " FROM namespace n LEFT JOIN durable d ON d.id = 0"
             " WHERE n.id = 0 AND (d.token IS NULL OR d.token > n.generation)",
      .repair = SET_DURABLE },
    { .name = "sqlite.integrity",
      .what = "the database file is sound and its indexes are complete",
      .find = check_integrity,
      .repair = REINDEX },
    { .name = NULL }
};
