/* Search in labels by packed blocks (docs/decisions/0013-label-search.md).
 *
 * Block b of graph_label has the labels of nodes 64 b to 64 b + 63, one behind the other in any
 * order: the byte 0xff, the byte 0x80 + (node mod 64), the label. Neither 0xff nor a lone 0x80..0xbf
 * begins a character, so a query that is valid UTF-8 is never found across two labels, and a search
 * is memmem() over whole blocks after folding them: 80,000 labels are 1.7 MB. A new node dirties the
 * page of one block; labels of one call that fall into one block are written together. A block whose
 * last node goes away goes away. Labels are kept as they are and folded while searching, so nothing
 * here depends on a version of Unicode.
 *
 * Invariant, proved by `ragstore check`: every row of graph_node has exactly one entry, and there
 * are no others. Only graph.c and the upgrade write here. */
#include "graph_labels.h"

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/context.h"
#include "core/fold.h"
#include "core/label_rank.h"
#include "core/slice.h"
#include "stores.h"

enum { BLOCK_NODES = 64, MARK = 0xff, NODE_BASE = 0x80, HEAD = 2, CHECK_EVERY = 64 };

static const char SQL_GET[] = "SELECT labels FROM graph_label WHERE block = ?1";
static const char SQL_PUT[] = "INSERT OR REPLACE INTO graph_label(block, labels) VALUES (?1, ?2)";
static const char SQL_DELETE[] = "DELETE FROM graph_label WHERE block = ?1";
static const char SQL_ALL[] = "SELECT block, labels FROM graph_label";
static const char SQL_NODES[] = "SELECT id, label FROM graph_node ORDER BY id";

/* ---- keeping it ---------------------------------------------------------------------------------- */

rag_status new_labels_add(struct new_labels *n, sqlite3_int64 node, rag_slice label, rag_error *err)
{
    if (n->count == n->capacity) {
        const size_t wanted = n->capacity ? n->capacity * 2 : 16;
        struct new_label *bigger = rag_realloc(n->items, wanted * sizeof *bigger);
        if (!bigger)
            return rag_fail_memory(err);
        n->items = bigger;
        n->capacity = wanted;
    }
    n->items[n->count++] = (struct new_label){ node, label };
    return RAG_OK;
}

void new_labels_free(struct new_labels *n)
{
    rag_free(n->items);
    *n = (struct new_labels){ 0 };
}

static rag_status read_block(struct db_conn *conn, sqlite3_int64 block, struct buffer *out,
                             rag_error *err)
{
    sqlite3_stmt *stmt;
    int found;
    buffer_clear(out);
    RAG_TRY(db_prepare(conn, SQL_GET, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, block);
    RAG_TRY(db_step(conn, stmt, &found, err));
    if (found) {
        const rag_slice stored = db_column_slice(stmt, 0);
        RAG_TRY(buffer_append(out, stored.data, stored.len, err));
    }
    (void)sqlite3_reset(stmt);
    return RAG_OK;
}

/* An empty block is deleted. */
static rag_status write_block(struct db_conn *conn, sqlite3_int64 block, rag_slice labels,
                              rag_error *err)
{
    sqlite3_stmt *stmt;
    RAG_TRY(db_prepare(conn, labels.len ? SQL_PUT : SQL_DELETE, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, block);
    if (labels.len)
        db_bind_slice(stmt, 2, labels);
    return db_run(conn, stmt, err);
}

static rag_status append_label(struct buffer *b, sqlite3_int64 node, rag_slice label,
                               rag_error *err)
{
    const unsigned char head[HEAD] = { MARK, (unsigned char)(NODE_BASE + node % BLOCK_NODES) };
    RAG_TRY(buffer_append(b, head, sizeof head, err));
    return buffer_append(b, label.data, label.len, err);
}

static int by_node(const void *left, const void *right)
{
    const struct new_label *a = left, *b = right;
    return (a->node > b->node) - (a->node < b->node);
}

rag_status new_labels_write(struct new_labels *n, struct db_conn *conn, rag_error *err)
{
    struct buffer labels = BUFFER_INIT(SIZE_MAX);
    rag_status status = RAG_OK;
    if (n->count > 1)
        qsort(n->items, n->count, sizeof *n->items, by_node);
    for (size_t i = 0; i < n->count;) {
        const sqlite3_int64 block = n->items[i].node / BLOCK_NODES;
        RAG_TRY_CLEANUP(read_block(conn, block, &labels, err));
        for (; i < n->count && n->items[i].node / BLOCK_NODES == block; i++)
            RAG_TRY_CLEANUP(append_label(&labels, n->items[i].node, n->items[i].label, err));
        RAG_TRY_CLEANUP(write_block(conn, block, buffer_slice(&labels), err));
    }
    n->count = 0;
cleanup:
    buffer_free(&labels);
    return status;
}

/* The entry of `node` in a block, its head included; {NULL, 0} when there is none. */
static rag_slice find_entry(rag_slice block, unsigned char node)
{
    const unsigned char head[HEAD] = { MARK, node };
    const char *end = (const char *)block.data + block.len;
    const char *entry = memmem(block.data, block.len, head, sizeof head);
    if (!entry)
        return slice_of(NULL, 0);
    const char *next = memchr(entry + HEAD, MARK, (size_t)(end - entry) - HEAD);
    return slice_of(entry, (size_t)((next ? next : end) - entry));
}

rag_status labels_remove(struct db_conn *conn, sqlite3_int64 node, rag_slice label, rag_error *err)
{
    struct buffer labels = BUFFER_INIT(SIZE_MAX);
    rag_status status = read_block(conn, node / BLOCK_NODES, &labels, err);
    if (status == RAG_OK) {
        const rag_slice entry =
            find_entry(buffer_slice(&labels), (unsigned char)(NODE_BASE + node % BLOCK_NODES));
        if (!entry.len || entry.len != label.len + HEAD) {
            status = rag_fail(err, RAG_E_CORRUPT, "node '%.*s' is not in the index of labels",
                              RAG_SHOWN(label));
        } else {
            char *at = labels.data + ((const char *)entry.data - labels.data);
            const size_t behind = labels.len - (size_t)(at - labels.data) - entry.len;
            memmove(at, at + entry.len, behind);
            labels.len -= entry.len;
            status = write_block(conn, node / BLOCK_NODES, buffer_slice(&labels), err);
        }
    }
    buffer_free(&labels);
    return status;
}

/* ---- stores from before ---------------------------------------------------------------------------- */

static rag_status upgrade_nodes(struct db_conn *conn, struct buffer *labels, uint64_t *rows,
                                rag_error *err)
{
    sqlite3_stmt *stmt;
    sqlite3_int64 block = 0;
    int more;
    RAG_TRY(db_prepare(conn, SQL_NODES, &stmt, err));
    for (;;) {
        RAG_TRY(db_step(conn, stmt, &more, err));
        const sqlite3_int64 node = more ? sqlite3_column_int64(stmt, 0) : 0;
        if (labels->len && (!more || node / BLOCK_NODES != block)) {
            RAG_TRY(write_block(conn, block, buffer_slice(labels), err));
            buffer_clear(labels);
        }
        if (!more)
            return RAG_OK;
        block = node / BLOCK_NODES;
        RAG_TRY(append_label(labels, node, db_column_slice(stmt, 1), err));
        ++*rows;
    }
}

rag_status graph_upgrade(struct db_conn *conn, uint64_t *rows, rag_error *err)
{
    struct buffer labels = BUFFER_INIT(SIZE_MAX);
    const rag_status status = upgrade_nodes(conn, &labels, rows, err);
    buffer_free(&labels);
    return status;
}

/* A block, out of the ids and labels of its nodes. */
static void add_to_block(sqlite3_context *context, int count, sqlite3_value **arguments)
{
    (void)count;
    struct buffer *labels = sqlite3_aggregate_context(context, sizeof *labels);
    const rag_slice label =
        slice_of(sqlite3_value_blob(arguments[1]), (size_t)sqlite3_value_bytes(arguments[1]));
    if (labels && !labels->limit)
        *labels = (struct buffer)BUFFER_INIT(SIZE_MAX);
    if (!labels || append_label(labels, sqlite3_value_int64(arguments[0]), label, NULL) != RAG_OK)
        sqlite3_result_error_nomem(context);
}

static void give_block(sqlite3_context *context)
{
    struct buffer *labels = sqlite3_aggregate_context(context, 0);
    if (!labels)
        return;
    sqlite3_result_blob64(context, labels->data, labels->len, SQLITE_TRANSIENT);
    buffer_free(labels);
}

rag_status graph_old_functions(struct db_conn *conn, rag_error *err)
{
    const int code = sqlite3_create_function_v2(
        conn->sqlite, "old_label_block", 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS,
        NULL, NULL, add_to_block, give_block, NULL);
    return code == SQLITE_OK ? RAG_OK : db_fail(conn, code, "prepare", err);
}

/* ---- searching ------------------------------------------------------------------------------------- */

struct search {
    struct db_conn *conn;
    rag_slice query; /* folded */
    struct label_best best;
    int64_t inside_most; /* the best score of a label that does not begin with the query */
    char *folded;        /* scratch */
    size_t capacity;
};

static rag_status fail_block(sqlite3_int64 block, rag_error *err)
{
    return rag_fail(err, RAG_E_CORRUPT, "block %lld of the index of labels is damaged",
                    (long long)block);
}

/* Room for the folded form of `len` bytes. */
static rag_status reserve(struct search *s, size_t len, rag_error *err)
{
    const size_t wanted = fold_bound(len);
    if (wanted <= s->capacity)
        return RAG_OK;
    char *bigger = rag_realloc(s->folded, wanted * 2);
    if (!bigger)
        return rag_fail_memory(err);
    s->folded = bigger;
    s->capacity = wanted * 2;
    return RAG_OK;
}

/* An entry of the folded block that has the query at `hit`. `block`: as it is stored. */
static rag_status consider(struct search *s, rag_slice block, rag_slice entry, const char *hit,
                           int same_widths, rag_error *err)
{
    const char *start = (const char *)entry.data + HEAD;
    const int64_t floor = label_best_floor(&s->best);
    if (hit != start && s->inside_most < floor)
        return RAG_OK;
    const rag_slice folded = slice_of(start, entry.len - HEAD);
    const int64_t score = label_score(folded, s->query, hit);
    if (score < floor)
        return RAG_OK;
    rag_slice own =
        slice_of((const char *)block.data + ((const char *)entry.data - s->folded), entry.len);
    if (!same_widths)
        own = find_entry(block, (unsigned char)start[-1]);
    return label_best_offer(&s->best, score,
                            slice_of((const char *)own.data + HEAD, own.len - HEAD), err);
}

static rag_status search_block(struct search *s, sqlite3_int64 number, rag_slice block,
                               rag_error *err)
{
    int same_widths;
    RAG_TRY(reserve(s, block.len, err));
    const char *const start = s->folded;
    const char *const end = start + fold_text(block.data, block.len, s->folded, &same_widths);
    const char *at = start;
    for (;;) {
        const char *hit = memmem(at, (size_t)(end - at), s->query.data, s->query.len);
        if (!hit)
            return RAG_OK;
        const char *entry = memrchr(start, MARK, (size_t)(hit - start));
        if (!entry || hit - entry < HEAD || ((unsigned char)entry[1] & 0xc0) != NODE_BASE)
            return fail_block(number, err);
        at = memchr(hit, MARK, (size_t)(end - hit));
        at = at ? at : end;
        RAG_TRY(consider(s, block, slice_of(entry, (size_t)(at - entry)), hit, same_widths, err));
    }
}

static rag_status search_all(struct search *s, const rag_context *ctx, rag_error *err)
{
    sqlite3_stmt *stmt;
    int more;
    RAG_TRY(db_prepare(s->conn, SQL_ALL, &stmt, err));
    for (size_t i = 0;; i++) {
        if (i % CHECK_EVERY == 0)
            RAG_TRY(context_check(ctx, err));
        RAG_TRY(db_step(s->conn, stmt, &more, err));
        if (!more)
            break;
        RAG_TRY(search_block(s, sqlite3_column_int64(stmt, 0), db_column_slice(stmt, 1), err));
    }
    (void)sqlite3_reset(stmt);
    return RAG_OK;
}

rag_status graph_search_labels(const rag_call *call, rag_slice query, size_t limit, rag_result *out,
                               rag_error *err)
{
    struct search s = { .best = { .limit = limit } };
    int same_widths;
    char *folded = rag_alloc(fold_bound(query.len));
    if (!folded)
        return rag_fail_memory(err);
    s.query = slice_of(folded, fold_text(query.data, query.len, folded, &same_widths));
    s.inside_most = label_score_inside_most(fold_length(s.query));
    rag_status status = db_read_begin(call, &s.conn, err);
    if (status == RAG_OK) {
        status = search_all(&s, call->ctx, err);
        db_read_end(call, s.conn);
    }
    if (status == RAG_OK)
        status = label_best_give(&s.best, out, err);
    label_best_free(&s.best);
    rag_free(s.folded);
    rag_free(folded);
    return status;
}
