/* Invariants of the graph.
 *
 * The edges themselves (graph_edge) and the nodes are what counts; graph_adjacent and degrees are
 * derived from them. A degree is compared with the adjacency, which is one range of an index and
 * needs no sorting of all edges: where the adjacency is wrong, degrees are wrong as well, and both
 * say so. Adjacency is mended first. Called through the tables of check.h only. */
#include <string.h>

#include "check.h"
#include "core/alloc.h"
#include "core/context.h"
#include "core/slice.h"
#include "schema.h"
#include "stores.h"

#define LABEL(column) "CAST(" column " AS TEXT)"

/* The edge x is the one between the ends of e, whichever way round. */
#define SAME_ENDS                                                                            \
    "((x.source = e.source AND x.target = e.target) OR (x.source = e.target AND x.target = " \
    "e.source))"

/* Rows of graph_adjacent that no edge accounts for. */
#define ORPHAN_ADJACENT                                                                            \
    " FROM graph_adjacent a LEFT JOIN graph_edge e ON e.id = a.edge"                               \
    " WHERE e.id IS NULL OR NOT ("                                                                 \
    "(a.neighbour = e.target AND a.node IS (SELECT id FROM graph_node WHERE label = e.source)) OR" \
    " (a.neighbour = e.source AND a.node IS (SELECT id FROM graph_node WHERE label = e.target)))"

static const char *const DROP_ORPHANS[] = {
    "DELETE FROM graph_adjacent WHERE (node, neighbour) IN (SELECT a.node, a.neighbour" ORPHAN_ADJACENT
    ")",
    NULL
};

static const char *const ADD_ADJACENT[] = {
    "INSERT OR IGNORE INTO graph_adjacent(node, neighbour, edge)"
    " SELECT s.id, e.target, e.id FROM graph_edge e JOIN graph_node s ON s.label = e.source"
    " JOIN graph_node t ON t.label = e.target",
    "INSERT OR IGNORE INTO graph_adjacent(node, neighbour, edge)"
    " SELECT t.id, e.source, e.id FROM graph_edge e JOIN graph_node t ON t.label = e.target"
    " JOIN graph_node s ON s.label = e.source",
    NULL
};

/* A self loop has one row and counts twice. */
#define DEGREE                                                               \
    "((SELECT count(*) FROM graph_adjacent a WHERE a.node = graph_node.id)"  \
    " + (SELECT count(*) FROM graph_adjacent a WHERE a.node = graph_node.id" \
    " AND a.neighbour = graph_node.label))"

static const char *const SET_DEGREE[] = { "UPDATE graph_node SET degree = " DEGREE
                                          " WHERE degree <> " DEGREE,
                                          NULL };

static const char ALL_NODES[] = "SELECT count(*) FROM graph_node";
static const char ALL_EDGES[] = "SELECT count(*) FROM graph_edge";
static const char ALL_ADJACENT[] = "SELECT count(*) FROM graph_adjacent";

/* ---- labels packed for searching: graph_labels.c has the layout ----------------------------------- */

enum { BLOCK_NODES = 64, MARK = 0xff, NODE_BASE = 0x80, HEAD = 2 };

static const char SQL_BLOCKS[] = "SELECT block, labels FROM graph_label ORDER BY block";
static const char SQL_NODE[] = "SELECT id FROM graph_node WHERE label = ?1";
static const char SQL_CLEAR_LABELS[] = "DELETE FROM graph_label";

/* One entry: it has to be the label of that node, and the first one for it in its block. */
static rag_status check_entry(struct check_run *run, sqlite3_int64 block,
                              const unsigned char *entry, size_t len, uint64_t *seen,
                              uint64_t *right, rag_error *err)
{
    const rag_slice label = slice_of(entry + HEAD, len > HEAD ? len - HEAD : 0);
    const unsigned place = len >= HEAD ? (unsigned)entry[1] - NODE_BASE : BLOCK_NODES;
    sqlite3_stmt *stmt;
    int found;
    RAG_TRY(db_prepare(run->conn, SQL_NODE, &stmt, err));
    db_bind_slice(stmt, 1, label);
    RAG_TRY(db_step(run->conn, stmt, &found, err));
    const int holds = found && place < BLOCK_NODES && !(*seen >> place & 1) &&
                      sqlite3_column_int64(stmt, 0) == block * BLOCK_NODES + place;
    (void)sqlite3_reset(stmt);
    if (!holds)
        return check_violation(run, err, "'%.*s' in block %lld", RAG_SHOWN(label),
                               (long long)block);
    *seen |= UINT64_C(1) << place;
    ++*right;
    return RAG_OK;
}

static rag_status check_block(struct check_run *run, sqlite3_int64 block, rag_slice labels,
                              uint64_t *right, rag_error *err)
{
    const unsigned char *p = labels.data, *end = p + labels.len;
    uint64_t seen = 0;
    if (labels.len == 0 || *p != MARK)
        return check_violation(run, err, "block %lld", (long long)block);
    while (p < end) {
        const unsigned char *next = p + 1 < end ? memchr(p + 1, MARK, (size_t)(end - p) - 1) : NULL;
        next = next ? next : end;
        RAG_TRY(check_entry(run, block, p, (size_t)(next - p), &seen, right, err));
        p = next;
    }
    return RAG_OK;
}

/* Made anew as a whole, as the upgrade makes it. */
static rag_status mend_labels(struct db_conn *conn, rag_error *err)
{
    sqlite3_stmt *stmt;
    uint64_t rows = 0;
    RAG_TRY(db_prepare(conn, SQL_CLEAR_LABELS, &stmt, err));
    RAG_TRY(db_run(conn, stmt, err));
    return graph_upgrade(conn, &rows, err);
}

static rag_status check_labels(struct check_run *run, rag_error *err)
{
    sqlite3_stmt *stmt;
    uint64_t right = 0;
    int more;
    if (run->mend)
        return mend_labels(run->conn, err);
    RAG_TRY(db_prepare(run->conn, SQL_BLOCKS, &stmt, err));
    for (;;) {
        RAG_TRY(context_check(run->call->ctx, err));
        RAG_TRY(db_step(run->conn, stmt, &more, err));
        if (!more)
            break;
        RAG_TRY(
            check_block(run, sqlite3_column_int64(stmt, 0), db_column_slice(stmt, 1), &right, err));
    }
    (void)sqlite3_reset(stmt);
    /* right entries are of different nodes: what is missing is the difference */
    if (right < run->finding->checked)
        return check_violation(run, err, "%llu nodes are in no block",
                               (unsigned long long)(run->finding->checked - right));
    return RAG_OK;
}

/* ---- ids of nodes ----------------------------------------------------------------------------------- */

/* No index leads from an id to its node, so the ids of a window are kept as bits, and all nodes are
 * gone through for each window. Ids are given densely from 1 on: one window has millions of nodes. */
enum { WINDOW_IDS = 1 << 23, WORD_BITS = 64, CHECK_EVERY = 4096 };

struct window {
    sqlite3_int64 first; /* of WINDOW_IDS ids */
    sqlite3_int64 next;  /* the smallest id of a node behind them; 0: there is none */
    uint64_t bits[WINDOW_IDS / WORD_BITS];
};

static const char SQL_NODE_IDS[] = "SELECT id FROM graph_node";
static const char SQL_VALUE_IDS[] = "SELECT id FROM graph_node_value WHERE id >= ?1 ORDER BY id";

/* 0 when `id`, which is not before the window, is behind it. */
static int place_of(const struct window *w, sqlite3_int64 id, uint64_t *place)
{
    *place = (uint64_t)id - (uint64_t)w->first;
    return *place < WINDOW_IDS;
}

static int is_marked(const struct window *w, uint64_t place)
{
    return (int)(w->bits[place / WORD_BITS] >> place % WORD_BITS & 1);
}

/* The id of a node. `strict`: what is there twice, or is none, is a violation. */
static rag_status take_id(struct check_run *run, struct window *w, sqlite3_int64 id, int strict,
                          rag_error *err)
{
    uint64_t place;
    if (strict && id < 1 && w->first == 1)
        return check_violation(run, err, "id %lld", (long long)id);
    if (id < w->first)
        return RAG_OK;
    if (!place_of(w, id, &place)) {
        w->next = !w->next || id < w->next ? id : w->next;
        return RAG_OK;
    }
    if (strict && is_marked(w, place))
        return check_violation(run, err, "id %lld", (long long)id);
    w->bits[place / WORD_BITS] |= UINT64_C(1) << place % WORD_BITS;
    return RAG_OK;
}

static rag_status fill_window(struct check_run *run, struct window *w, sqlite3_int64 first,
                              int strict, rag_error *err)
{
    sqlite3_stmt *stmt;
    int more;
    memset(w, 0, sizeof *w);
    w->first = first;
    RAG_TRY(db_prepare(run->conn, SQL_NODE_IDS, &stmt, err));
    for (size_t i = 0;; i++) {
        if (i % CHECK_EVERY == 0)
            RAG_TRY(context_check(run->call->ctx, err));
        RAG_TRY(db_step(run->conn, stmt, &more, err));
        if (!more)
            break;
        RAG_TRY(take_id(run, w, sqlite3_column_int64(stmt, 0), strict, err));
    }
    (void)sqlite3_reset(stmt);
    return RAG_OK;
}

static rag_status find_shared_ids(struct check_run *run, struct window *w, rag_error *err)
{
    sqlite3_int64 first = 1;
    do {
        RAG_TRY(fill_window(run, w, first, 1, err));
        first = w->next;
    } while (first);
    return RAG_OK;
}

/* Attributes from `first` on, as far as the window of the first of them reaches. *next: the first
 * behind it; *more: there is one. */
static rag_status find_alone_from(struct check_run *run, struct window *w, sqlite3_int64 first,
                                  sqlite3_int64 *next, int *more, rag_error *err)
{
    sqlite3_stmt *stmt;
    int filled = 0;
    RAG_TRY(db_prepare(run->conn, SQL_VALUE_IDS, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, first);
    for (;;) {
        uint64_t place;
        RAG_TRY(db_step(run->conn, stmt, more, err));
        if (!*more)
            break;
        *next = sqlite3_column_int64(stmt, 0);
        if (*next < (filled ? w->first : first)) { /* damaged: it would go in circles */
            (void)sqlite3_reset(stmt);
            return rag_fail(err, RAG_E_CORRUPT, "attributes %lld are out of order",
                            (long long)*next);
        }
        if (!filled)
            RAG_TRY(fill_window(run, w, *next, 0, err));
        filled = 1;
        if (!place_of(w, *next, &place))
            break;
        if (!is_marked(w, place))
            RAG_TRY(check_violation(run, err, "attributes %lld", (long long)*next));
    }
    (void)sqlite3_reset(stmt);
    return RAG_OK;
}

static rag_status find_alone(struct check_run *run, struct window *w, rag_error *err)
{
    sqlite3_int64 first = INT64_MIN;
    int more = 1;
    while (more)
        RAG_TRY(find_alone_from(run, w, first, &first, &more, err));
    return RAG_OK;
}

static rag_status with_window(struct check_run *run,
                              rag_status (*find)(struct check_run *, struct window *, rag_error *),
                              rag_error *err)
{
    struct window *w = rag_alloc(sizeof *w);
    const rag_status status = w ? find(run, w, err) : rag_fail_memory(err);
    rag_free(w);
    return status;
}

static rag_status check_ids(struct check_run *run, rag_error *err)
{
    return with_window(run, find_shared_ids, err);
}

static rag_status check_alone(struct check_run *run, rag_error *err)
{
    return with_window(run, find_alone, err);
}

const struct check_invariant check_graph_invariants[] = {
    { .name = "graph.node_id",
      .what = "no two nodes share an id",
      .find = check_ids,
      .checked = ALL_NODES },
    { .name = "graph.node_value",
      .what = "every node has its attributes",
      .sql = "SELECT " LABEL(
          "n.label") " FROM graph_node n"
                     " LEFT JOIN graph_node_value v ON v.id = n.id WHERE v.id IS NULL",
      .checked = ALL_NODES },
    { .name = "graph.value_without_node",
      .what = "all attributes belong to a node",
      .find = check_alone,
      .checked = "SELECT count(*) FROM graph_node_value" },
    { .name = "graph.edge_ends",
      .what = "both ends of every edge are nodes",
      .sql = "SELECT " LABEL("e.source") " || ' - ' || " LABEL(
          "e.target") " FROM graph_edge e"
                      " WHERE NOT EXISTS (SELECT 1 FROM graph_node WHERE label = e.source)"
                      " OR NOT EXISTS (SELECT 1 FROM graph_node WHERE label = e.target)",
      .checked = ALL_EDGES },
    { .name = "graph.edge_twice",
      .what = "there is at most one edge between two nodes",
      .sql = "SELECT " LABEL("e.source") " || ' - ' || " LABEL(
          "e.target") " FROM graph_edge e"
                      " JOIN graph_node s ON s.label = e.source"
                      " JOIN graph_adjacent a ON a.node = s.id AND a.neighbour = e.target"
                      " JOIN graph_edge x ON x.id = a.edge AND x.id <> e.id AND " SAME_ENDS,
      .checked = ALL_EDGES },
    { .name = "graph.adjacency_orphan",
      .what = "every row of the adjacency index leads to the edge that it names",
      .sql = "SELECT 'node ' || a.node || ' to ' || " LABEL("a.neighbour") ORPHAN_ADJACENT,
      .checked = ALL_ADJACENT,
      .repair = DROP_ORPHANS },
    { .name = "graph.adjacency",
      .what = "every edge is in the adjacency index from both its ends",
      .sql = "SELECT " LABEL("e.source") " || ' - ' || " LABEL(
          "e.target") " FROM graph_edge e"
                      " JOIN graph_node s ON s.label = e.source JOIN graph_node t ON t.label = e.target"
                      " LEFT JOIN graph_adjacent a ON a.node = s.id AND a.neighbour = e.target"
                      " LEFT JOIN graph_edge x ON x.id = a.edge AND " SAME_ENDS
                      " WHERE x.id IS NULL UNION ALL "
                      "SELECT " LABEL("e.target") " || ' - ' || " LABEL(
                          "e.source") " FROM graph_edge e"
                                      " JOIN graph_node s ON s.label = e.source JOIN graph_node t ON t.label = e.target"
                                      " LEFT JOIN graph_adjacent a ON a.node = t.id AND a.neighbour = e.source"
                                      " LEFT JOIN graph_edge x ON x.id = a.edge AND " SAME_ENDS
                                      " WHERE x.id IS NULL AND e.source <> e.target",
      .checked = ALL_EDGES,
      .repair = ADD_ADJACENT },
    { .name = "graph.degree",
      .what = "the degree of a node is the number of its edges",
      .sql = "SELECT " LABEL("label") " || ': ' || degree || ' instead of ' || " DEGREE
                                      " FROM graph_node WHERE degree <> " DEGREE,
      .checked = ALL_NODES,
      .repair = SET_DEGREE },
    { .name = "graph.labels",
      .what = "labels are packed for searching, each once",
      .find = check_labels,
      .checked = ALL_NODES,
      .find_mends = 1 },
    { .name = NULL }
};
