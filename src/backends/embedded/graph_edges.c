/* Many edges by their ends.
 *
 * Whoever asks for many edges has mostly got them from the adjacency of some node: they come in runs that
 * share an end and whose other ends ascend. Such a run is one scan of that node's adjacency with the
 * values and degrees joined to it, in which SQLite keeps its places in the trees; looking each edge up
 * takes twice as long. A scan reads the edges in between as well, so a run must cover a good part of
 * them. All else is looked up pair by pair. Called through the slot only. */
#include "graph_edges.h"

#include "codec.h"
#include "core/context.h"
#include "core/error.h"
#include "core/result.h"
#include "core/slice.h"
#include "graph_rows.h"

enum {
    RUN_LEAST = 8,  /* pairs for which a scan is worth it */
    RUN_SPREAD = 4, /* at most so many edges of the node for each pair of the run */
    CHECK_EVERY = 256
};

/* By `what`. Left joins: an edge whose value or neighbour is missing is damage, and not an absent edge. */
static const char *const SQL_RUN[] = {
    [0] = "SELECT a.neighbour FROM graph_adjacent a "
          "WHERE a.node = ?1 AND a.neighbour BETWEEN ?2 AND ?3 ORDER BY a.neighbour",
    [RAG_GRAPH_VALUES] = "SELECT a.neighbour, 0, e.value FROM graph_adjacent a "
                         "LEFT JOIN graph_edge e ON e.id = a.edge "
                         "WHERE a.node = ?1 AND a.neighbour BETWEEN ?2 AND ?3 ORDER BY a.neighbour",
    [RAG_GRAPH_DEGREES] =
        "SELECT a.neighbour, n.degree FROM graph_adjacent a "
        "LEFT JOIN graph_node n ON n.label = a.neighbour "
        "WHERE a.node = ?1 AND a.neighbour BETWEEN ?2 AND ?3 ORDER BY a.neighbour",
    [RAG_GRAPH_VALUES | RAG_GRAPH_DEGREES] =
        "SELECT a.neighbour, n.degree, e.value FROM graph_adjacent a "
        "LEFT JOIN graph_node n ON n.label = a.neighbour LEFT JOIN graph_edge e ON e.id = a.edge "
        "WHERE a.node = ?1 AND a.neighbour BETWEEN ?2 AND ?3 ORDER BY a.neighbour",
};

struct edges {
    struct db_conn *conn;
    const rag_pair *pairs;
    size_t count;
    unsigned what;
    rag_result *out;
    rag_slice label; /* of the node that was looked up last, and the node */
    struct graph_node node;
};

/* ---- one by one --------------------------------------------------------------------------------- */

static rag_status find_end(struct edges *e, rag_slice label, struct graph_node *out, rag_error *err)
{
    if (!e->label.data || !slice_equal(e->label, label)) {
        RAG_TRY(graph_find_node(e->conn, label, &e->node, err));
        e->label = label;
    }
    *out = e->node;
    return RAG_OK;
}

static rag_status append_single(struct edges *e, const rag_pair *pair, rag_error *err)
{
    struct graph_node source, target = { 0, 0 };
    sqlite3_int64 edge = 0;
    RAG_TRY(find_end(e, pair->source, &source, err));
    if (e->what & RAG_GRAPH_DEGREES)
        RAG_TRY(graph_find_node(e->conn, pair->target, &target, err));
    if (source.id)
        RAG_TRY(graph_find_edge(e->conn, source.id, pair->target, &edge, err));
    rag_row row = { .key = pair->source, .key2 = pair->target, .found = edge != 0 };
    if (e->what & RAG_GRAPH_DEGREES)
        row.number = source.degree + target.degree;
    if (edge && (e->what & RAG_GRAPH_VALUES))
        RAG_TRY(graph_read_value(e->conn, GRAPH_SQL_EDGE_VALUE, edge, "edge from", pair->source,
                                 &row.value, NULL, err));
    return rag_result_append(e->out, &row, err);
}

/* ---- runs --------------------------------------------------------------------------------------- */

static rag_slice other_end(const rag_pair *pair, rag_slice end)
{
    return slice_equal(pair->source, end) ? pair->target : pair->source;
}

/* How many pairs from the first on share `end` of the first, the other ends ascending. */
static size_t run_from(const rag_pair *pairs, size_t n, rag_slice end)
{
    size_t count = 1;
    rag_slice last = other_end(pairs, end);
    for (; count < n; count++) {
        if (!slice_equal(pairs[count].source, end) && !slice_equal(pairs[count].target, end))
            break;
        const rag_slice next = other_end(&pairs[count], end);
        if (slice_compare(last, next) >= 0)
            break;
        last = next;
    }
    return count;
}

static rag_status append_absent(struct edges *e, const rag_pair *pair, struct graph_node end,
                                rag_slice other, rag_error *err)
{
    rag_row row = { .key = pair->source, .key2 = pair->target };
    if (e->what & RAG_GRAPH_DEGREES) {
        struct graph_node node;
        RAG_TRY(graph_find_node(e->conn, other, &node, err));
        row.number = end.degree + node.degree;
    }
    return rag_result_append(e->out, &row, err);
}

static rag_status append_found(struct edges *e, const rag_pair *pair, struct graph_node end,
                               sqlite3_stmt *stmt, rag_error *err)
{
    rag_row row = { .key = pair->source, .key2 = pair->target, .found = 1 };
    if (e->what & RAG_GRAPH_DEGREES) {
        if (sqlite3_column_type(stmt, 1) == SQLITE_NULL)
            return rag_fail(err, RAG_E_CORRUPT, "an end of edge from '%.*s' is no node",
                            RAG_SHOWN(pair->source));
        row.number = end.degree + sqlite3_column_int64(stmt, 1);
    }
    if (e->what & RAG_GRAPH_VALUES) {
        if (sqlite3_column_type(stmt, 2) == SQLITE_NULL)
            return graph_fail_no_value("edge from", pair->source, err);
        RAG_TRY(codec_decode(e->conn->codec, db_column_slice(stmt, 2), "edge from", pair->source,
                             &row.value, err));
    }
    return rag_result_append(e->out, &row, err);
}

/* The pairs [first, first + count), which are a run at the node `end`. */
static rag_status append_run(struct edges *e, size_t first, size_t count, rag_slice label,
                             struct graph_node end, rag_error *err)
{
    const rag_pair *pairs = e->pairs + first;
    sqlite3_stmt *stmt;
    size_t i = 0;
    int more;
    RAG_TRY(db_prepare(e->conn, SQL_RUN[e->what], &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, end.id);
    db_bind_slice(stmt, 2, other_end(&pairs[0], label));
    db_bind_slice(stmt, 3, other_end(&pairs[count - 1], label));
    for (;;) {
        RAG_TRY(db_step(e->conn, stmt, &more, err));
        if (!more)
            break;
        const rag_slice neighbour = db_column_slice(stmt, 0);
        int order = -1;
        while (i < count && (order = slice_compare(other_end(&pairs[i], label), neighbour)) < 0) {
            RAG_TRY(append_absent(e, &pairs[i], end, other_end(&pairs[i], label), err));
            i++;
        }
        if (order == 0)
            RAG_TRY(append_found(e, &pairs[i++], end, stmt, err));
    }
    (void)sqlite3_reset(stmt);
    for (; i < count; i++)
        RAG_TRY(append_absent(e, &pairs[i], end, other_end(&pairs[i], label), err));
    return RAG_OK;
}

/* What begins at pair `at`; *next is the pair behind it. */
static rag_status append_some(struct edges *e, size_t at, size_t *next, rag_error *err)
{
    const rag_pair *pair = &e->pairs[at];
    const size_t left = e->count - at;
    const size_t from_source = run_from(pair, left, pair->source);
    const size_t from_target = run_from(pair, left, pair->target);
    const rag_slice label = from_source >= from_target ? pair->source : pair->target;
    const size_t run = from_source >= from_target ? from_source : from_target;
    *next = at + run;
    if (run >= RUN_LEAST) {
        struct graph_node end;
        RAG_TRY(find_end(e, label, &end, err));
        if (end.id && (size_t)end.degree / RUN_SPREAD <= run)
            return append_run(e, at, run, label, end, err);
    }
    for (; at < *next; at++)
        RAG_TRY(append_single(e, &e->pairs[at], err));
    return RAG_OK;
}

rag_status graph_get_edges(const rag_call *call, const rag_pair *pairs, size_t n, unsigned what,
                           rag_result *out, rag_error *err)
{
    struct edges e = { .pairs = pairs, .count = n, .what = what, .out = out };
    RAG_TRY(db_read_begin(call, &e.conn, err));
    rag_status status = RAG_OK;
    size_t checked = 0;
    for (size_t at = 0; at < n && status == RAG_OK;) {
        status = append_some(&e, at, &at, err);
        if (status == RAG_OK && at - checked >= CHECK_EVERY) {
            status = context_check(call->ctx, err);
            checked = at;
        }
    }
    db_read_end(call, e.conn);
    return status;
}
