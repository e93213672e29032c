/* The graph: nodes by label, edges by their sorted pair of labels, and for each edge an entry in
 * "adjacent" under either end, so that the edges at a node are one range of keys.
 *
 * The key of a pair (a, b) is a with each byte 0 written as 0 255, then 0 1, then b: no two pairs
 * share a key, all pairs of one a stand together, and among them b is in byte order. Degrees are
 * counted, not kept: nothing that can be wrong. `popular` and `view` are left to the library. */
#include <string.h>

#include "state.h"

enum { PART_VALUE = 0, PART_SOURCE = 1, PART_TARGET = 2, PART_NEIGHBOUR = 1 };

static const rag_slice nothing = { "", 0 };

/* ---- keys of pairs --------------------------------------------------------------------------------- */

static size_t write_escaped(char *to, rag_slice label)
{
    const char *from = label.data;
    size_t len = 0;
    for (size_t i = 0; i < label.len; i++) {
        to[len++] = from[i];
        if (from[i] == 0)
            to[len++] = (char)255;
    }
    to[len++] = 0;
    to[len++] = 1;
    return len;
}

/* Into host memory, freed with key_free(). With an empty b: the prefix of all pairs of a. */
static rag_status key_of_pair(const rag_host *host, rag_slice a, rag_slice b, rag_slice *out,
                              rag_error *err)
{
    char *bytes = host->alloc(2 * a.len + 2 + b.len);
    if (!bytes)
        return memory_no_memory(host, err);
    const size_t len = write_escaped(bytes, a);
    if (b.len)
        memcpy(bytes + len, b.data, b.len);
    out->data = bytes;
    out->len = len + b.len;
    return RAG_OK;
}

/* The same for either order of the ends. */
static rag_status key_of_edge(const rag_host *host, rag_slice a, rag_slice b, rag_slice *out,
                              rag_error *err)
{
    const int is_sorted = memory_compare_keys(a, b) <= 0;
    return key_of_pair(host, is_sorted ? a : b, is_sorted ? b : a, out, err);
}

static void key_free(const rag_host *host, rag_slice key)
{
    host->free((void *)(uintptr_t)key.data);
}

/* The first entry above `after` that begins with `prefix`, or NULL. */
static struct row *entry_above(struct map adjacent, rag_slice prefix, rag_slice after)
{
    struct item *item = memory_map_above(adjacent, after);
    if (!item || item->key.len < prefix.len || memcmp(item->key.data, prefix.data, prefix.len))
        return NULL;
    return (struct row *)item;
}

/* ---- writing: the three namespaces together -------------------------------------------------------- */

struct change {
    struct write w;
    struct space *nodes, *edges, *adjacent;
};

static rag_status change_begin(const rag_call *call, struct change *c, rag_error *err)
{
    MEMORY_TRY(memory_write_begin(call, &c->w, err));
    rag_status status = memory_write_space(&c->w, KIND_NODES, GRAPH_NAME, &c->nodes, err);
    if (status == RAG_OK)
        status = memory_write_space(&c->w, KIND_EDGES, GRAPH_NAME, &c->edges, err);
    if (status == RAG_OK)
        status = memory_write_space(&c->w, KIND_ADJACENT, GRAPH_NAME, &c->adjacent, err);
    return status == RAG_OK ? RAG_OK : memory_write_end(&c->w, status, NULL, err);
}

/* What a row is to hold: the new attributes, over the old ones when merging. *merged is host memory
 * or NULL. */
static rag_status choose_value(const rag_host *host, const struct row *old, rag_slice given,
                               rag_put_mode mode, rag_slice *value, char **merged, rag_error *err)
{
    *merged = NULL;
    *value = given;
    if (!old || mode == RAG_PUT_REPLACE)
        return RAG_OK;
    MEMORY_TRY(host->json_merge(old->parts[PART_VALUE], given, merged, &value->len, err));
    value->data = *merged;
    return RAG_OK;
}

static rag_status put_node(struct change *c, const rag_node *node, rag_put_mode mode,
                           rag_error *err)
{
    const rag_host *host = c->w.call->host;
    const struct row *old = (const struct row *)memory_map_find(c->nodes->rows, node->label);
    rag_slice value;
    char *merged;
    MEMORY_TRY(choose_value(host, old, node->value, mode, &value, &merged, err));
    struct row *row = memory_row_new(host, node->label, &value, 1, 0);
    host->free(merged);
    return memory_rows_put(&c->w, c->nodes, row, err);
}

static rag_status graph_put_nodes(const rag_call *call, const rag_node *nodes, size_t n,
                                  rag_put_mode mode, rag_token *token, rag_error *err)
{
    struct change c;
    MEMORY_TRY(change_begin(call, &c, err));
    rag_status status = RAG_OK;
    for (size_t i = 0; i < n && status == RAG_OK; i++) {
        status = memory_check(call, i, err);
        if (status == RAG_OK)
            status = put_node(&c, &nodes[i], mode, err);
    }
    return memory_write_end(&c.w, status, token, err);
}

static rag_status put_end(struct change *c, rag_slice label, rag_error *err)
{
    const rag_node without_attributes = { label, { "{}", 2 } };
    if (memory_map_find(c->nodes->rows, label))
        return RAG_OK;
    return put_node(c, &without_attributes, RAG_PUT_REPLACE, err);
}

static rag_status put_adjacent(struct change *c, rag_slice from, rag_slice to, rag_error *err)
{
    const rag_host *host = c->w.call->host;
    const rag_slice parts[] = { nothing, to };
    rag_slice key;
    MEMORY_TRY(key_of_pair(host, from, to, &key, err));
    struct row *row = memory_row_new(host, key, parts, 2, 0);
    key_free(host, key);
    return memory_rows_put(&c->w, c->adjacent, row, err);
}

/* `old` is the edge's row or NULL; the order of its ends stays. */
static rag_status put_edge_row(struct change *c, rag_slice key, const struct row *old,
                               const rag_edge *edge, rag_put_mode mode, rag_error *err)
{
    const rag_host *host = c->w.call->host;
    rag_slice value;
    char *merged;
    MEMORY_TRY(choose_value(host, old, edge->value, mode, &value, &merged, err));
    const rag_slice parts[] = { value, old ? old->parts[PART_SOURCE] : edge->source,
                                old ? old->parts[PART_TARGET] : edge->target };
    struct row *row = memory_row_new(host, key, parts, 3, 0);
    host->free(merged);
    if (row)
        row->item.bytes = value.len + edge->source.len + edge->target.len;
    return memory_rows_put(&c->w, c->edges, row, err);
}

static rag_status put_edge(struct change *c, const rag_edge *edge, rag_put_mode mode,
                           rag_error *err)
{
    const rag_host *host = c->w.call->host;
    rag_slice key;
    MEMORY_TRY(put_end(c, edge->source, err));
    MEMORY_TRY(put_end(c, edge->target, err));
    MEMORY_TRY(key_of_edge(host, edge->source, edge->target, &key, err));
    const struct row *old = (const struct row *)memory_map_find(c->edges->rows, key);
    const int is_new = !old;
    const rag_status status = put_edge_row(c, key, old, edge, mode, err);
    key_free(host, key);
    MEMORY_TRY(status);
    if (!is_new)
        return RAG_OK;
    MEMORY_TRY(put_adjacent(c, edge->source, edge->target, err));
    return put_adjacent(c, edge->target, edge->source, err); /* a self loop: the same entry */
}

static rag_status graph_put_edges(const rag_call *call, const rag_edge *edges, size_t n,
                                  rag_put_mode mode, rag_token *token, rag_error *err)
{
    struct change c;
    MEMORY_TRY(change_begin(call, &c, err));
    rag_status status = RAG_OK;
    for (size_t i = 0; i < n && status == RAG_OK; i++) {
        status = memory_check(call, i, err);
        if (status == RAG_OK)
            status = put_edge(&c, &edges[i], mode, err);
    }
    return memory_write_end(&c.w, status, token, err);
}

static rag_status remove_adjacent(struct change *c, rag_slice from, rag_slice to, rag_error *err)
{
    const rag_host *host = c->w.call->host;
    uint64_t removed = 0;
    rag_slice key;
    MEMORY_TRY(key_of_pair(host, from, to, &key, err));
    const rag_status status = memory_rows_remove(&c->w, c->adjacent, key, &removed, err);
    key_free(host, key);
    return status;
}

static rag_status remove_edge(struct change *c, rag_slice a, rag_slice b, uint64_t *removed,
                              rag_error *err)
{
    const rag_host *host = c->w.call->host;
    rag_slice key;
    MEMORY_TRY(key_of_edge(host, a, b, &key, err));
    const rag_status status = memory_rows_remove(&c->w, c->edges, key, removed, err);
    key_free(host, key);
    MEMORY_TRY(status);
    MEMORY_TRY(remove_adjacent(c, a, b, err));
    return remove_adjacent(c, b, a, err);
}

static rag_status remove_edges_at(struct change *c, rag_slice label, rag_error *err)
{
    const rag_host *host = c->w.call->host;
    uint64_t removed = 0;
    rag_slice prefix;
    MEMORY_TRY(key_of_pair(host, label, nothing, &prefix, err));
    rag_status status = RAG_OK;
    struct row *entry;
    while (status == RAG_OK && (entry = entry_above(c->adjacent->rows, prefix, prefix))) {
        memory_item_retain(&entry->item); /* its neighbour's label is needed while it goes */
        status = remove_edge(c, label, entry->parts[PART_NEIGHBOUR], &removed, err);
        memory_item_release(host, &entry->item);
    }
    key_free(host, prefix);
    return status;
}

static rag_status graph_delete_nodes(const rag_call *call, const rag_slice *labels, size_t n,
                                     uint64_t *deleted, rag_token *token, rag_error *err)
{
    struct change c;
    uint64_t removed = 0;
    MEMORY_TRY(change_begin(call, &c, err));
    rag_status status = RAG_OK;
    for (size_t i = 0; i < n && status == RAG_OK; i++) {
        status = memory_check(call, i, err);
        if (status == RAG_OK)
            status = remove_edges_at(&c, labels[i], err);
        if (status == RAG_OK)
            status = memory_rows_remove(&c.w, c.nodes, labels[i], &removed, err);
    }
    MEMORY_TRY(memory_write_end(&c.w, status, token, err));
    *deleted = removed;
    return RAG_OK;
}

static rag_status graph_delete_edges(const rag_call *call, const rag_pair *pairs, size_t n,
                                     uint64_t *deleted, rag_token *token, rag_error *err)
{
    struct change c;
    uint64_t removed = 0;
    MEMORY_TRY(change_begin(call, &c, err));
    rag_status status = RAG_OK;
    for (size_t i = 0; i < n && status == RAG_OK; i++) {
        status = memory_check(call, i, err);
        if (status == RAG_OK)
            status = remove_edge(&c, pairs[i].source, pairs[i].target, &removed, err);
    }
    MEMORY_TRY(memory_write_end(&c.w, status, token, err));
    *deleted = removed;
    return RAG_OK;
}

static rag_status graph_drop(const rag_call *call, rag_error *err)
{
    static const enum kind kinds[] = { KIND_NODES, KIND_EDGES, KIND_ADJACENT };
    return memory_rows_drop(call, kinds, 3, GRAPH_NAME, err);
}

/* ---- reading: one version of the three namespaces -------------------------------------------------- */

struct look {
    const rag_call *call;
    struct version *version;
    struct map nodes, edges, adjacent;
};

static struct look look_begin(const rag_call *call)
{
    struct look l = { .call = call, .version = memory_version_read(call) };
    l.nodes = memory_version_rows(l.version, KIND_NODES, GRAPH_NAME);
    l.edges = memory_version_rows(l.version, KIND_EDGES, GRAPH_NAME);
    l.adjacent = memory_version_rows(l.version, KIND_ADJACENT, GRAPH_NAME);
    return l;
}

static rag_status look_end(struct look *l, rag_status status)
{
    memory_version_release(l->call->host, l->version);
    return status;
}

/* A self loop is one of *edges and counts 2 in *degree. */
static rag_status count_edges(const struct look *l, rag_slice label, int64_t *edges,
                              int64_t *degree, rag_error *err)
{
    rag_slice prefix;
    *edges = 0;
    *degree = 0;
    MEMORY_TRY(key_of_pair(l->call->host, label, nothing, &prefix, err));
    const struct row *entry = entry_above(l->adjacent, prefix, prefix);
    for (; entry; entry = entry_above(l->adjacent, prefix, entry->item.key)) {
        *edges += 1;
        *degree += memory_compare_keys(entry->parts[PART_NEIGHBOUR], label) == 0 ? 2 : 1;
    }
    key_free(l->call->host, prefix);
    return RAG_OK;
}

static rag_status append_node(const struct look *l, rag_slice label, const struct row *node,
                              unsigned what, rag_result *out, rag_error *err)
{
    rag_row answer = { .key = label, .found = node != NULL };
    int64_t edges;
    if (node && (what & RAG_GRAPH_DEGREES))
        MEMORY_TRY(count_edges(l, label, &edges, &answer.number, err));
    if (node && (what & RAG_GRAPH_VALUES))
        answer.value = node->parts[PART_VALUE];
    return l->call->host->row_append(out, &answer, err);
}

static rag_status graph_get_nodes(const rag_call *call, const rag_slice *labels, size_t n,
                                  unsigned what, rag_result *out, rag_error *err)
{
    struct look l = look_begin(call);
    rag_status status = RAG_OK;
    for (size_t i = 0; i < n && status == RAG_OK; i++) {
        status = memory_check(call, i, err);
        if (status == RAG_OK)
            status =
                append_node(&l, labels[i], (const struct row *)memory_map_find(l.nodes, labels[i]),
                            what, out, err);
    }
    return look_end(&l, status);
}

static rag_status find_edge(const struct look *l, rag_slice a, rag_slice b, const struct row **edge,
                            rag_error *err)
{
    rag_slice key;
    MEMORY_TRY(key_of_edge(l->call->host, a, b, &key, err));
    *edge = (const struct row *)memory_map_find(l->edges, key);
    key_free(l->call->host, key);
    return RAG_OK;
}

static rag_status append_edge(const struct look *l, const rag_pair *pair, unsigned what,
                              rag_result *out, rag_error *err)
{
    const struct row *edge;
    int64_t edges, degree;
    MEMORY_TRY(find_edge(l, pair->source, pair->target, &edge, err));
    rag_row answer = { .key = pair->source, .key2 = pair->target, .found = edge != NULL };
    if (what & RAG_GRAPH_DEGREES) {
        MEMORY_TRY(count_edges(l, pair->source, &edges, &answer.number, err));
        MEMORY_TRY(count_edges(l, pair->target, &edges, &degree, err));
        answer.number += degree;
    }
    if (edge && (what & RAG_GRAPH_VALUES))
        answer.value = edge->parts[PART_VALUE];
    return l->call->host->row_append(out, &answer, err);
}

static rag_status graph_get_edges(const rag_call *call, const rag_pair *pairs, size_t n,
                                  unsigned what, rag_result *out, rag_error *err)
{
    struct look l = look_begin(call);
    rag_status status = RAG_OK;
    for (size_t i = 0; i < n && status == RAG_OK; i++) {
        status = memory_check(call, i, err);
        if (status == RAG_OK)
            status = append_edge(&l, &pairs[i], what, out, err);
    }
    return look_end(&l, status);
}

static rag_status append_neighbour(const struct look *l, rag_slice label, rag_slice neighbour,
                                   unsigned what, rag_result *out, rag_error *err)
{
    rag_row answer = { .key = label, .key2 = neighbour, .found = 1 };
    const struct row *edge;
    if (what & RAG_GRAPH_VALUES) {
        MEMORY_TRY(find_edge(l, label, neighbour, &edge, err));
        answer.value = edge->parts[PART_VALUE];
    }
    return l->call->host->row_append(out, &answer, err);
}

static rag_status append_incident(const struct look *l, rag_slice label, unsigned what,
                                  rag_result *out, rag_error *err)
{
    rag_row header = { .key = label, .found = memory_map_find(l->nodes, label) != NULL };
    int64_t degree;
    MEMORY_TRY(count_edges(l, label, &header.number, &degree, err));
    MEMORY_TRY(l->call->host->row_append(out, &header, err));
    rag_slice prefix;
    MEMORY_TRY(key_of_pair(l->call->host, label, nothing, &prefix, err));
    rag_status status = RAG_OK;
    const struct row *entry = entry_above(l->adjacent, prefix, prefix);
    for (size_t i = 0; entry && status == RAG_OK; i++) {
        status = memory_check(l->call, i, err);
        if (status == RAG_OK)
            status = append_neighbour(l, label, entry->parts[PART_NEIGHBOUR], what, out, err);
        entry = entry_above(l->adjacent, prefix, entry->item.key);
    }
    key_free(l->call->host, prefix);
    return status;
}

static rag_status graph_incident(const rag_call *call, const rag_slice *labels, size_t n,
                                 unsigned what, rag_result *out, rag_error *err)
{
    struct look l = look_begin(call);
    rag_status status = RAG_OK;
    for (size_t i = 0; i < n && status == RAG_OK; i++)
        status = append_incident(&l, labels[i], what, out, err);
    return look_end(&l, status);
}

static rag_status graph_scan_nodes(const rag_call *call, rag_slice after, size_t limit,
                                   unsigned what, rag_result *out, rag_error *err)
{
    struct look l = look_begin(call);
    rag_status status = RAG_OK;
    const struct item *item = memory_map_above(l.nodes, after);
    for (size_t i = 0; item && i < limit && status == RAG_OK; i++) {
        after = item->key;
        status = memory_check(call, i, err);
        if (status == RAG_OK)
            status = append_node(&l, after, (const struct row *)item, what, out, err);
        item = memory_map_above(l.nodes, after);
    }
    if (status == RAG_OK && item)
        status = call->host->result_next(out, after, err);
    return look_end(&l, status);
}

static rag_status graph_scan_edges(const rag_call *call, rag_slice after, size_t limit,
                                   unsigned what, rag_result *out, rag_error *err)
{
    struct look l = look_begin(call);
    rag_status status = RAG_OK;
    const struct item *item = memory_map_above(l.edges, after);
    for (size_t i = 0; item && i < limit && status == RAG_OK; i++) {
        const struct row *edge = (const struct row *)item;
        rag_row answer = { .key = edge->parts[PART_SOURCE], .found = 1 };
        answer.key2 = edge->parts[PART_TARGET];
        if (what & RAG_GRAPH_VALUES)
            answer.value = edge->parts[PART_VALUE];
        after = item->key;
        status = memory_check(call, i, err);
        if (status == RAG_OK)
            status = call->host->row_append(out, &answer, err);
        item = memory_map_above(l.edges, after);
    }
    if (status == RAG_OK && item)
        status = call->host->result_next(out, after, err);
    return look_end(&l, status);
}

static rag_status graph_count(const rag_call *call, uint64_t *nodes, uint64_t *edges,
                              rag_error *err)
{
    (void)err;
    struct look l = look_begin(call);
    *nodes = memory_map_count(l.nodes);
    *edges = memory_map_count(l.edges);
    return look_end(&l, RAG_OK);
}

const rag_graph_table memory_graph = {
    .struct_size = sizeof memory_graph,
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
