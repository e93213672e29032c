/* The graph on SQLite: nodes and edges, their attributes and the adjacency index.
 *
 * A node is found by its label in graph_node, which also gives its degree; an edge is found by
 * (id of one end, label of the other) in graph_adjacent, which also lists the edges at a node with
 * the neighbours' labels. Invariants, proved by `ragstore check`: an edge has two rows in
 * graph_adjacent (one if it is a loop); degree = rows of the node there, a loop counted twice;
 * graph_node.id = graph_node_value.id; graph_labels.c has each label once more. Rows by name are
 * read in graph_rows.c, many edges in graph_edges.c. Called through embedded_graph by src/store only. */
#include "codec.h"
#include "core/alloc.h"
#include "core/arena.h"
#include "core/context.h"
#include "core/json.h"
#include "core/result.h"
#include "core/slice.h"
#include "db.h"
#include "dictionary.h"
#include "graph_edges.h"
#include "graph_labels.h"
#include "graph_rows.h"
#include "graph_view.h"
#include "schema.h"
#include "stores.h"

enum { CHECK_EVERY = 256 };

static const char EMPTY_OBJECT[] = "{}";

static const char SQL_ADD_NODE[] = "INSERT INTO graph_node(label, id, degree) VALUES (?1, ?2, 0)";
static const char SQL_ADD_DEGREE[] = "UPDATE graph_node SET degree = degree + ?2 WHERE label = ?1";
static const char SQL_DELETE_NODE[] = "DELETE FROM graph_node WHERE label = ?1";
static const char SQL_ADD_NODE_VALUE[] = "INSERT INTO graph_node_value(value) VALUES (?1)";
static const char SQL_SET_NODE_VALUE[] = "UPDATE graph_node_value SET value = ?2 WHERE id = ?1";
static const char SQL_DELETE_NODE_VALUE[] = "DELETE FROM graph_node_value WHERE id = ?1";
static const char SQL_NEIGHBOURS[] =
    "SELECT neighbour FROM graph_adjacent WHERE node = ?1 ORDER BY neighbour";
static const char SQL_INCIDENT[] =
    "SELECT neighbour, edge FROM graph_adjacent WHERE node = ?1 ORDER BY neighbour";
static const char SQL_ADD_ADJACENT[] =
    "INSERT INTO graph_adjacent(node, neighbour, edge) VALUES (?1, ?2, ?3)";
static const char SQL_DELETE_ADJACENT[] =
    "DELETE FROM graph_adjacent WHERE node = ?1 AND neighbour = ?2";
static const char SQL_DELETE_INCIDENT[] = "DELETE FROM graph_adjacent WHERE node = ?1";
static const char SQL_ADD_EDGE[] =
    "INSERT INTO graph_edge(source, target, value) VALUES (?1, ?2, ?3)";
static const char SQL_SET_EDGE_VALUE[] = "UPDATE graph_edge SET value = ?2 WHERE id = ?1";
static const char SQL_DELETE_EDGE[] = "DELETE FROM graph_edge WHERE id = ?1";
static const char SQL_SCAN_NODES[] =
    "SELECT label, degree, id FROM graph_node WHERE label > ?1 ORDER BY label LIMIT ?2";
static const char SQL_SCAN_EDGES[] =
    "SELECT id, source, target, value FROM graph_edge WHERE id > ?1 ORDER BY id LIMIT ?2";
static const char SQL_POPULAR[] =
    "SELECT label, degree FROM graph_node WHERE degree >= 8 ORDER BY degree DESC, label LIMIT ?1";
static const char SQL_UNPOPULAR[] =
    "SELECT label, degree FROM graph_node WHERE degree < 8 ORDER BY degree DESC, label LIMIT ?1";

_Static_assert(SCHEMA_POPULAR_DEGREE == 8, "the bound stands in SQL_POPULAR and in the schema");

/* ---- nodes ------------------------------------------------------------------------------------- */

static rag_status write_value(struct db_conn *conn, const char *sql, sqlite3_int64 id,
                              rag_slice value, size_t *stored_len, rag_error *err)
{
    sqlite3_stmt *stmt;
    rag_slice stored;
    RAG_TRY(codec_encode(conn->codec, value, &stored, err));
    RAG_TRY(db_prepare(conn, sql, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, id);
    db_bind_slice(stmt, 2, stored);
    *stored_len = stored.len;
    return db_run(conn, stmt, err);
}

/* The index of labels is written at the end of the slot, from *added. */
static rag_status add_node(struct db_write *w, rag_slice label, rag_slice value,
                           struct new_labels *added, struct graph_node *out, rag_error *err)
{
    struct db_conn *conn = w->conn;
    sqlite3_stmt *stmt;
    rag_slice stored;
    RAG_TRY(codec_encode(conn->codec, value, &stored, err));
    RAG_TRY(db_prepare(conn, SQL_ADD_NODE_VALUE, &stmt, err));
    db_bind_slice(stmt, 1, stored);
    RAG_TRY(db_run(conn, stmt, err));
    const struct graph_node node = { sqlite3_last_insert_rowid(conn->sqlite), 0 };
    RAG_TRY(db_prepare(conn, SQL_ADD_NODE, &stmt, err));
    db_bind_slice(stmt, 1, label);
    (void)sqlite3_bind_int64(stmt, 2, node.id);
    RAG_TRY(db_run(conn, stmt, err));
    RAG_TRY(db_write_count(w, NAMESPACE_ID_NODES, 1, (sqlite3_int64)(label.len + stored.len), err));
    RAG_TRY(new_labels_add(added, node.id, label, err));
    *out = node;
    return RAG_OK;
}

struct update_sql {
    const char *get, *set, *what;
    sqlite3_int64 counter;
};

static const struct update_sql UPDATE_NODE = { GRAPH_SQL_NODE_VALUE, SQL_SET_NODE_VALUE, "node",
                                               NAMESPACE_ID_NODES };
static const struct update_sql UPDATE_EDGE = { GRAPH_SQL_EDGE_VALUE, SQL_SET_EDGE_VALUE,
                                               "edge from", NAMESPACE_ID_EDGES };

/* Give the existing row `id` new attributes, merged or not. */
static rag_status update_value(struct db_write *w, const struct update_sql *sql, sqlite3_int64 id,
                               rag_slice name, rag_slice value, rag_put_mode mode, rag_error *err)
{
    rag_slice old;
    size_t old_len, new_len, merged_len;
    char *merged = NULL;
    RAG_TRY(graph_read_value(w->conn, sql->get, id, sql->what, name, &old, &old_len, err));
    if (mode == RAG_PUT_MERGE) {
        RAG_TRY(json_merge(old, value, &merged, &merged_len, err));
        value = slice_of(merged, merged_len);
    }
    rag_status status = write_value(w->conn, sql->set, id, value, &new_len, err);
    if (status == RAG_OK)
        status = db_write_count(w, sql->counter, 0, (sqlite3_int64)new_len - (sqlite3_int64)old_len,
                                err);
    rag_free(merged);
    return status;
}

static rag_status put_node(struct db_write *w, const rag_node *item, rag_put_mode mode,
                           struct new_labels *added, rag_error *err)
{
    struct graph_node node;
    RAG_TRY(graph_find_node(w->conn, item->label, &node, err));
    if (!node.id)
        return add_node(w, item->label, item->value, added, &node, err);
    return update_value(w, &UPDATE_NODE, node.id, item->label, item->value, mode, err);
}

static rag_status graph_put_nodes(const rag_call *call, const rag_node *nodes, size_t n,
                                  rag_put_mode mode, rag_token *token, rag_error *err)
{
    struct db_write w;
    struct new_labels added = { 0 };
    RAG_TRY(db_write_begin(call, &w, err));
    rag_status status =
        dictionary_prepare(&w, NAMESPACE_ID_NODES, &nodes->value, sizeof *nodes, n, err);
    for (size_t i = 0; i < n && status == RAG_OK; i++) {
        if (i % CHECK_EVERY == 0)
            status = context_check(call->ctx, err);
        if (status == RAG_OK)
            status = put_node(&w, &nodes[i], mode, &added, err);
    }
    if (status == RAG_OK)
        status = new_labels_write(&added, w.conn, err);
    new_labels_free(&added);
    return db_write_end(&w, status, token, err);
}

/* ---- edges ------------------------------------------------------------------------------------- */

static rag_status add_adjacent(struct db_conn *conn, sqlite3_int64 node, rag_slice neighbour,
                               sqlite3_int64 edge, rag_error *err)
{
    sqlite3_stmt *stmt;
    RAG_TRY(db_prepare(conn, SQL_ADD_ADJACENT, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, node);
    db_bind_slice(stmt, 2, neighbour);
    (void)sqlite3_bind_int64(stmt, 3, edge);
    return db_run(conn, stmt, err);
}

static rag_status add_degree(struct db_conn *conn, rag_slice label, int by, rag_error *err)
{
    sqlite3_stmt *stmt;
    RAG_TRY(db_prepare(conn, SQL_ADD_DEGREE, &stmt, err));
    db_bind_slice(stmt, 1, label);
    (void)sqlite3_bind_int(stmt, 2, by);
    return db_run(conn, stmt, err);
}

static rag_status add_edge(struct db_write *w, const rag_edge *item, sqlite3_int64 source,
                           sqlite3_int64 target, rag_error *err)
{
    struct db_conn *conn = w->conn;
    sqlite3_stmt *stmt;
    rag_slice stored;
    RAG_TRY(codec_encode(conn->codec, item->value, &stored, err));
    RAG_TRY(db_prepare(conn, SQL_ADD_EDGE, &stmt, err));
    db_bind_slice(stmt, 1, item->source);
    db_bind_slice(stmt, 2, item->target);
    db_bind_slice(stmt, 3, stored);
    RAG_TRY(db_run(conn, stmt, err));
    const sqlite3_int64 edge = sqlite3_last_insert_rowid(conn->sqlite);
    RAG_TRY(add_adjacent(conn, source, item->target, edge, err));
    if (source == target) {
        RAG_TRY(add_degree(conn, item->source, 2, err));
    } else {
        RAG_TRY(add_adjacent(conn, target, item->source, edge, err));
        RAG_TRY(add_degree(conn, item->source, 1, err));
        RAG_TRY(add_degree(conn, item->target, 1, err));
    }
    const size_t bytes = item->source.len + item->target.len + stored.len;
    return db_write_count(w, NAMESPACE_ID_EDGES, 1, (sqlite3_int64)bytes, err);
}

static rag_status find_or_add_node(struct db_write *w, rag_slice label, struct new_labels *added,
                                   struct graph_node *node, rag_error *err)
{
    RAG_TRY(graph_find_node(w->conn, label, node, err));
    return node->id ? RAG_OK : add_node(w, label, rag_text(EMPTY_OBJECT), added, node, err);
}

static rag_status put_edge(struct db_write *w, const rag_edge *item, rag_put_mode mode,
                           struct new_labels *added, rag_error *err)
{
    struct graph_node source, target;
    sqlite3_int64 edge;
    RAG_TRY(find_or_add_node(w, item->source, added, &source, err));
    RAG_TRY(find_or_add_node(w, item->target, added, &target, err));
    RAG_TRY(graph_find_edge(w->conn, source.id, item->target, &edge, err));
    if (!edge)
        return add_edge(w, item, source.id, target.id, err);
    return update_value(w, &UPDATE_EDGE, edge, item->source, item->value, mode, err);
}

static rag_status graph_put_edges(const rag_call *call, const rag_edge *edges, size_t n,
                                  rag_put_mode mode, rag_token *token, rag_error *err)
{
    struct db_write w;
    struct new_labels added = { 0 };
    RAG_TRY(db_write_begin(call, &w, err));
    rag_status status =
        dictionary_prepare(&w, NAMESPACE_ID_EDGES, &edges->value, sizeof *edges, n, err);
    for (size_t i = 0; i < n && status == RAG_OK; i++) {
        if (i % CHECK_EVERY == 0)
            status = context_check(call->ctx, err);
        if (status == RAG_OK)
            status = put_edge(&w, &edges[i], mode, &added, err);
    }
    if (status == RAG_OK)
        status = new_labels_write(&added, w.conn, err);
    new_labels_free(&added);
    return db_write_end(&w, status, token, err);
}

/* ---- reading ----------------------------------------------------------------------------------- */

static rag_status append_node(struct db_conn *conn, rag_slice label, unsigned what, rag_result *out,
                              rag_error *err)
{
    struct graph_node node;
    RAG_TRY(graph_find_node(conn, label, &node, err));
    rag_row row = { .key = label, .found = node.id != 0 };
    if (what & RAG_GRAPH_DEGREES)
        row.number = node.degree;
    if (node.id && (what & RAG_GRAPH_VALUES))
        RAG_TRY(graph_read_value(conn, GRAPH_SQL_NODE_VALUE, node.id, "node", label, &row.value,
                                 NULL, err));
    return rag_result_append(out, &row, err);
}

static rag_status graph_get_nodes(const rag_call *call, const rag_slice *labels, size_t n,
                                  unsigned what, rag_result *out, rag_error *err)
{
    struct db_conn *conn;
    RAG_TRY(db_read_begin(call, &conn, err));
    rag_status status = RAG_OK;
    for (size_t i = 0; i < n && status == RAG_OK; i++)
        status = append_node(conn, labels[i], what, out, err);
    db_read_end(call, conn);
    return status;
}

static rag_status append_incident(struct db_conn *conn, rag_slice label, unsigned what,
                                  rag_result *out, rag_error *err)
{
    const int values = (what & RAG_GRAPH_VALUES) != 0;
    const size_t header = out->count;
    struct graph_node node;
    sqlite3_stmt *stmt;
    RAG_TRY(graph_find_node(conn, label, &node, err));
    rag_row row = { .key = label, .found = node.id != 0 };
    RAG_TRY(rag_result_append(out, &row, err));
    if (!node.id)
        return RAG_OK;
    RAG_TRY(db_prepare(conn, values ? SQL_INCIDENT : SQL_NEIGHBOURS, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, node.id);
    for (int more;;) {
        RAG_TRY(db_step(conn, stmt, &more, err));
        if (!more)
            break;
        row.key2 = db_column_slice(stmt, 0);
        if (values)
            RAG_TRY(graph_read_value(conn, GRAPH_SQL_EDGE_VALUE, sqlite3_column_int64(stmt, 1),
                                     "edge from", label, &row.value, NULL, err));
        RAG_TRY(rag_result_append_same_key(out, &row, err));
    }
    (void)sqlite3_reset(stmt);
    rag_result_set_number(out, header, (int64_t)(out->count - header - 1));
    return RAG_OK;
}

static rag_status graph_incident(const rag_call *call, const rag_slice *labels, size_t n,
                                 unsigned what, rag_result *out, rag_error *err)
{
    struct db_conn *conn;
    RAG_TRY(db_read_begin(call, &conn, err));
    rag_status status = RAG_OK;
    for (size_t i = 0; i < n && status == RAG_OK; i++) {
        status = context_check(call->ctx, err);
        if (status == RAG_OK)
            status = append_incident(conn, labels[i], what, out, err);
    }
    db_read_end(call, conn);
    return status;
}

/* ---- deleting ---------------------------------------------------------------------------------- */

static rag_status delete_adjacent(struct db_conn *conn, sqlite3_int64 node, rag_slice neighbour,
                                  rag_error *err)
{
    sqlite3_stmt *stmt;
    RAG_TRY(db_prepare(conn, SQL_DELETE_ADJACENT, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, node);
    db_bind_slice(stmt, 2, neighbour);
    return db_run(conn, stmt, err);
}

/* The edge row itself and its counters; adjacency and degrees are the caller's. */
static rag_status delete_edge_row(struct db_write *w, sqlite3_int64 edge, size_t label_bytes,
                                  rag_slice name, rag_error *err)
{
    rag_slice value;
    size_t stored_len;
    RAG_TRY(graph_read_value(w->conn, GRAPH_SQL_EDGE_VALUE, edge, "edge from", name, &value,
                             &stored_len, err));
    RAG_TRY(db_run_for(w->conn, SQL_DELETE_EDGE, edge, err));
    return db_write_count(w, NAMESPACE_ID_EDGES, -1, -(sqlite3_int64)(label_bytes + stored_len),
                          err);
}

static rag_status delete_edge(struct db_write *w, const rag_pair *pair, uint64_t *deleted,
                              rag_error *err)
{
    struct db_conn *conn = w->conn;
    struct graph_node source, target;
    sqlite3_int64 edge = 0;
    RAG_TRY(graph_find_node(conn, pair->source, &source, err));
    RAG_TRY(graph_find_node(conn, pair->target, &target, err));
    if (source.id && target.id)
        RAG_TRY(graph_find_edge(conn, source.id, pair->target, &edge, err));
    if (!edge)
        return RAG_OK;
    RAG_TRY(delete_edge_row(w, edge, pair->source.len + pair->target.len, pair->source, err));
    RAG_TRY(delete_adjacent(conn, source.id, pair->target, err));
    if (source.id == target.id) {
        RAG_TRY(add_degree(conn, pair->source, -2, err));
    } else {
        RAG_TRY(delete_adjacent(conn, target.id, pair->source, err));
        RAG_TRY(add_degree(conn, pair->source, -1, err));
        RAG_TRY(add_degree(conn, pair->target, -1, err));
    }
    ++*deleted;
    return RAG_OK;
}

static rag_status graph_delete_edges(const rag_call *call, const rag_pair *pairs, size_t n,
                                     uint64_t *deleted, rag_token *token, rag_error *err)
{
    struct db_write w;
    uint64_t gone = 0;
    RAG_TRY(db_write_begin(call, &w, err));
    rag_status status = RAG_OK;
    for (size_t i = 0; i < n && status == RAG_OK; i++)
        status = delete_edge(&w, &pairs[i], &gone, err);
    RAG_TRY(db_write_end(&w, status, token, err));
    *deleted = gone;
    return RAG_OK;
}

struct neighbour {
    struct neighbour *next;
    rag_slice label;
    sqlite3_int64 edge;
};

/* The neighbours in memory: rows of a tree that is being changed must not be read meanwhile. */
static rag_status list_neighbours(struct db_conn *conn, sqlite3_int64 node, struct arena *arena,
                                  struct neighbour **out, rag_error *err)
{
    sqlite3_stmt *stmt;
    int more;
    *out = NULL;
    RAG_TRY(db_prepare(conn, SQL_INCIDENT, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, node);
    for (;;) {
        RAG_TRY(db_step(conn, stmt, &more, err));
        if (!more)
            break;
        const rag_slice label = db_column_slice(stmt, 0);
        struct neighbour *item = arena_alloc(arena, sizeof *item);
        const void *copy = item ? arena_copy(arena, label.data, label.len) : NULL;
        if (!copy)
            return rag_fail_memory(err);
        *item =
            (struct neighbour){ *out, slice_of(copy, label.len), sqlite3_column_int64(stmt, 1) };
        *out = item;
    }
    (void)sqlite3_reset(stmt);
    return RAG_OK;
}

static rag_status detach_neighbour(struct db_write *w, rag_slice label, struct graph_node node,
                                   const struct neighbour *neighbour, rag_error *err)
{
    struct graph_node other;
    RAG_TRY(delete_edge_row(w, neighbour->edge, label.len + neighbour->label.len, label, err));
    RAG_TRY(graph_find_node(w->conn, neighbour->label, &other, err));
    if (!other.id)
        return rag_fail(err, RAG_E_CORRUPT, "edge from '%.*s' to a node that is not there",
                        RAG_SHOWN(label));
    if (other.id == node.id)
        return RAG_OK;
    RAG_TRY(delete_adjacent(w->conn, other.id, label, err));
    return add_degree(w->conn, neighbour->label, -1, err);
}

static rag_status delete_node_rows(struct db_write *w, rag_slice label, struct graph_node node,
                                   rag_error *err)
{
    struct db_conn *conn = w->conn;
    sqlite3_stmt *stmt;
    rag_slice value;
    size_t stored_len;
    RAG_TRY(db_run_for(conn, SQL_DELETE_INCIDENT, node.id, err));
    RAG_TRY(graph_read_value(conn, GRAPH_SQL_NODE_VALUE, node.id, "node", label, &value,
                             &stored_len, err));
    RAG_TRY(db_run_for(conn, SQL_DELETE_NODE_VALUE, node.id, err));
    RAG_TRY(labels_remove(conn, node.id, label, err));
    RAG_TRY(db_prepare(conn, SQL_DELETE_NODE, &stmt, err));
    db_bind_slice(stmt, 1, label);
    RAG_TRY(db_run(conn, stmt, err));
    return db_write_count(w, NAMESPACE_ID_NODES, -1, -(sqlite3_int64)(label.len + stored_len), err);
}

static rag_status delete_node(struct db_write *w, rag_slice label, uint64_t *deleted,
                              rag_error *err)
{
    struct graph_node node;
    struct arena arena = { 0 };
    struct neighbour *neighbours;
    RAG_TRY(graph_find_node(w->conn, label, &node, err));
    if (!node.id)
        return RAG_OK;
    rag_status status = list_neighbours(w->conn, node.id, &arena, &neighbours, err);
    for (; status == RAG_OK && neighbours; neighbours = neighbours->next)
        status = detach_neighbour(w, label, node, neighbours, err);
    arena_free(&arena);
    if (status == RAG_OK)
        status = delete_node_rows(w, label, node, err);
    if (status == RAG_OK)
        ++*deleted;
    return status;
}

static rag_status graph_delete_nodes(const rag_call *call, const rag_slice *labels, size_t n,
                                     uint64_t *deleted, rag_token *token, rag_error *err)
{
    struct db_write w;
    uint64_t gone = 0;
    RAG_TRY(db_write_begin(call, &w, err));
    rag_status status = RAG_OK;
    for (size_t i = 0; i < n && status == RAG_OK; i++) {
        status = context_check(call->ctx, err);
        if (status == RAG_OK)
            status = delete_node(&w, labels[i], &gone, err);
    }
    RAG_TRY(db_write_end(&w, status, token, err));
    *deleted = gone;
    return RAG_OK;
}

/* ---- scans and counts -------------------------------------------------------------------------- */

static rag_status scan_nodes(struct db_conn *conn, rag_slice after, size_t limit, unsigned what,
                             rag_result *out, rag_error *err)
{
    sqlite3_stmt *stmt;
    int more;
    size_t count = 0;
    RAG_TRY(db_prepare(conn, SQL_SCAN_NODES, &stmt, err));
    db_bind_slice(stmt, 1, after);
    (void)sqlite3_bind_int64(stmt, 2, (sqlite3_int64)limit);
    for (;;) {
        RAG_TRY(db_step(conn, stmt, &more, err));
        if (!more)
            break;
        rag_row row = { .key = db_column_slice(stmt, 0), .found = 1 };
        if (what & RAG_GRAPH_DEGREES)
            row.number = sqlite3_column_int64(stmt, 1);
        if (what & RAG_GRAPH_VALUES)
            RAG_TRY(graph_read_value(conn, GRAPH_SQL_NODE_VALUE, sqlite3_column_int64(stmt, 2),
                                     "node", row.key, &row.value, NULL, err));
        RAG_TRY(rag_result_append(out, &row, err));
        if (++count == limit)
            RAG_TRY(db_set_next(out, after, row.key, err));
    }
    (void)sqlite3_reset(stmt);
    return RAG_OK;
}

static rag_status graph_scan_nodes(const rag_call *call, rag_slice after, size_t limit,
                                   unsigned what, rag_result *out, rag_error *err)
{
    struct db_conn *conn;
    RAG_TRY(db_read_begin(call, &conn, err));
    const rag_status status = scan_nodes(conn, after, limit, what, out, err);
    db_read_end(call, conn);
    return status;
}

static rag_status scan_edges(struct db_conn *conn, sqlite3_int64 after, size_t limit, unsigned what,
                             rag_result *out, rag_error *err)
{
    sqlite3_stmt *stmt;
    int more;
    size_t count = 0;
    sqlite3_int64 id = after;
    RAG_TRY(db_prepare(conn, SQL_SCAN_EDGES, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, after);
    (void)sqlite3_bind_int64(stmt, 2, (sqlite3_int64)limit);
    for (;;) {
        RAG_TRY(db_step(conn, stmt, &more, err));
        if (!more)
            break;
        id = sqlite3_column_int64(stmt, 0);
        rag_row row = { .key = db_column_slice(stmt, 1),
                        .key2 = db_column_slice(stmt, 2),
                        .found = 1 };
        if (what & RAG_GRAPH_VALUES)
            RAG_TRY(codec_decode(conn->codec, db_column_slice(stmt, 3), "edge from", row.key,
                                 &row.value, err));
        RAG_TRY(rag_result_append(out, &row, err));
        count++;
    }
    (void)sqlite3_reset(stmt);
    return count == limit ? db_set_next_number(out, after, id, err) : RAG_OK;
}

static rag_status graph_scan_edges(const rag_call *call, rag_slice after, size_t limit,
                                   unsigned what, rag_result *out, rag_error *err)
{
    struct db_conn *conn;
    sqlite3_int64 position;
    RAG_TRY(db_parse_number(after, &position, err));
    RAG_TRY(db_read_begin(call, &conn, err));
    const rag_status status = scan_edges(conn, position, limit, what, out, err);
    db_read_end(call, conn);
    return status;
}

static rag_status graph_count(const rag_call *call, uint64_t *nodes, uint64_t *edges,
                              rag_error *err)
{
    struct db_conn *conn;
    uint64_t node_rows = 0, edge_rows = 0;
    RAG_TRY(db_read_begin(call, &conn, err));
    rag_status status = db_namespace_rows(conn, NAMESPACE_ID_NODES, &node_rows, err);
    if (status == RAG_OK)
        status = db_namespace_rows(conn, NAMESPACE_ID_EDGES, &edge_rows, err);
    db_read_end(call, conn);
    if (status == RAG_OK) {
        *nodes = node_rows;
        *edges = edge_rows;
    }
    return status;
}

static rag_status append_ranked(struct db_conn *conn, const char *sql, size_t limit,
                                rag_result *out, rag_error *err)
{
    sqlite3_stmt *stmt;
    int more;
    RAG_TRY(db_prepare(conn, sql, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, (sqlite3_int64)limit);
    for (;;) {
        RAG_TRY(db_step(conn, stmt, &more, err));
        if (!more)
            break;
        const rag_row row = { .key = db_column_slice(stmt, 0),
                              .found = 1,
                              .number = sqlite3_column_int64(stmt, 1) };
        RAG_TRY(rag_result_append(out, &row, err));
    }
    (void)sqlite3_reset(stmt);
    return RAG_OK;
}

static rag_status graph_popular(const rag_call *call, size_t limit, rag_result *out, rag_error *err)
{
    struct db_conn *conn;
    RAG_TRY(db_read_begin(call, &conn, err));
    rag_status status = append_ranked(conn, SQL_POPULAR, limit, out, err);
    const size_t have = rag_result_count(out);
    /* Few popular nodes: the rest comes from a walk over all, which is what such a graph costs. */
    if (status == RAG_OK && have < limit)
        status = append_ranked(conn, SQL_UNPOPULAR, limit - have, out, err);
    db_read_end(call, conn);
    return status;
}

static rag_status graph_drop(const rag_call *call, rag_error *err)
{
    static const char *const DELETE_ALL[] = {
        "DELETE FROM graph_node",     "DELETE FROM graph_node_value", "DELETE FROM graph_edge",
        "DELETE FROM graph_adjacent", "DELETE FROM graph_label",
    };
    struct db_write w;
    sqlite3_stmt *stmt;
    RAG_TRY(db_write_begin_durable(call, &w, err));
    rag_status status = RAG_OK;
    for (size_t i = 0; i < sizeof DELETE_ALL / sizeof *DELETE_ALL && status == RAG_OK; i++) {
        status = db_prepare(w.conn, DELETE_ALL[i], &stmt, err);
        if (status == RAG_OK)
            status = db_run(w.conn, stmt, err);
    }
    if (status == RAG_OK)
        status = db_namespace_clear(&w, NAMESPACE_ID_NODES, err);
    if (status == RAG_OK)
        status = db_namespace_clear(&w, NAMESPACE_ID_EDGES, err);
    return db_write_end(&w, status, NULL, err);
}

const rag_graph_table embedded_graph = {
    .struct_size = sizeof(rag_graph_table),
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
    .popular = graph_popular,
    .view = graph_view,
    .search_labels = graph_search_labels,
};
