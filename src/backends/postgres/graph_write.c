/* The slots of the graph that write, over the statements of its layout.
 *
 * Each call is a transaction under the writer's turn, which begins with the layout's own locks against
 * LightRAG's writers. Merging reads the old rows there and merges here, where the order of members and
 * the spelling of numbers are known; then a batch of rows is one statement, and one before it for the
 * ends of edges that are not there yet. */
#include <string.h>

#include "graph_ask.h"

enum { BATCH_ROWS = 5000 };

struct putting {
    const rag_node *nodes;
    const rag_edge *edges;
    size_t n;
    rag_put_mode mode;
};

/* One statement's worth of it. */
struct batch {
    struct pg_asked q;
    struct pg_ends ends;
    struct pg_array values, extras;
    struct pg_attributes attributes;
    struct pg_text old;
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
        PG_TRY(pg_attributes_value(call->host, b->attributes.kind,
                                   pg_slice(old, row, PG_GRAPH_EXTRA),
                                   pg_slice(old, row, PG_GRAPH_PROPERTIES), &b->old, err));
        PG_TRY(call->host->json_merge((rag_slice){ b->old.data, b->old.len }, news, &merged, &len,
                                      err));
        value = (rag_slice){ merged, len };
    }
    struct pg_attributes *a = &b->attributes;
    const rag_status status =
        pg_attributes_write(a, pg_is_id(label) ? label : (rag_slice){ "", 0 }, value, err);
    if (status == RAG_OK) {
        pg_array_add(&b->values, a->taken.len ? (rag_slice){ a->taken.data, a->taken.len } : value);
        pg_array_add(&b->extras, a->extra.len ? (rag_slice){ a->extra.data, a->extra.len } : null);
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
        status = pg_places(call->host, old, b->q.n, &where, err);
    for (size_t i = 0; i < b->q.n && status == RAG_OK; i++)
        status = add_value(call, b, p->nodes ? p->nodes[first + i].label : none,
                           value_of(p, first + i), old, where ? where[i] - 1 : -1, err);
    call->host->free(where);
    return status;
}

static rag_status send_batch(const rag_call *call, struct pg_conn *conn, const struct batch *b,
                             rag_error *err)
{
    const struct pg_server *s = call->self;
    struct pg_params params, ends;
    pg_params_begin(&params, call);
    pg_add_labels(&params, &b->ends.sources);
    if (b->attributes.kind == PG_EDGE) {
        pg_add_labels(&params, &b->ends.targets);
        ends = params;
        PG_TRY(
            pg_queue(conn, s->graph->sql[PG_PUT_ENDS], &ends, "writing ends of edges", NULL, err));
    }
    pg_add_array(&params, &b->values);
    pg_add_array(&params, &b->extras);
    return pg_graph_run(call, conn, b->attributes.kind == PG_EDGE ? PG_PUT_EDGES : PG_PUT_NODES,
                        &params, b->attributes.kind == PG_EDGE ? "writing edges" : "writing nodes",
                        NULL, err);
}

static rag_status put_batch(const rag_call *call, struct pg_conn *conn, const struct putting *p,
                            size_t first, size_t n, rag_error *err)
{
    const struct pg_server *s = call->self;
    struct batch b = { .attributes = { .kind = p->nodes ? PG_NODE : PG_EDGE,
                                       .column = s->graph->layout->column,
                                       .extra = { .host = call->host },
                                       .taken = { .host = call->host } },
                       .old = { .host = call->host } };
    PGresult *old = NULL;
    rag_status status = RAG_OK;
    b.q.n = n;
    b.q.labels = p->nodes ? &p->nodes->label : NULL; /* says that these are nodes */
    pg_labels_begin(&b.ends.sources, call->host);
    pg_labels_begin(&b.ends.targets, call->host);
    pg_array_begin(&b.values, call->host, PG_OID_TEXT);
    pg_array_begin(&b.extras, call->host, PG_OID_TEXT);
    for (size_t i = first; i < first + n; i++) {
        pg_labels_add(&b.ends.sources, p->nodes ? p->nodes[i].label : p->edges[i].source);
        if (!p->nodes)
            pg_labels_add(&b.ends.targets, p->edges[i].target);
    }
    if (p->mode == RAG_PUT_MERGE)
        status = pg_ask(call, conn, &b.q, &b.ends, p->nodes ? PG_OLD_NODES : PG_OLD_EDGES,
                        "reading what is merged", &old, err);
    if (status == RAG_OK)
        status = add_values(call, &b, p, first, old, err);
    if (status == RAG_OK)
        status = send_batch(call, conn, &b, err);
    PQclear(old);
    pg_ends_free(&b.ends);
    pg_array_free(&b.values);
    pg_array_free(&b.extras);
    pg_text_free(&b.attributes.extra);
    pg_text_free(&b.attributes.taken);
    pg_text_free(&b.old);
    return status;
}

/* What the layout locks before it writes, queued: other writers may hold it. */
static rag_status lock(const rag_call *call, struct pg_conn *conn, rag_error *err)
{
    const struct pg_server *s = call->self;
    for (size_t i = 0; i < PG_GRAPH_LOCKS && s->graph->locks[i]; i++) {
        PG_TRY(pg_queue(conn, s->graph->locks[i], NULL, "locking the graph", NULL, err));
        pg_queue_waits(conn);
    }
    return RAG_OK;
}

static rag_status put_work(const rag_call *call, struct pg_conn *conn, void *user, rag_error *err)
{
    const struct putting *p = user;
    PG_TRY(lock(call, conn, err));
    if (!p->nodes)
        PG_TRY(pg_build_count_edges(call, conn, err));
    for (size_t first = 0; first < p->n; first += BATCH_ROWS)
        PG_TRY(put_batch(call, conn, p, first,
                         p->n - first < BATCH_ROWS ? p->n - first : BATCH_ROWS, err));
    return RAG_OK;
}

rag_status pg_graph_put_nodes(const rag_call *call, const rag_node *nodes, size_t n,
                              rag_put_mode mode, rag_token *token, rag_error *err)
{
    struct putting p = { nodes, NULL, n, mode };
    return pg_write(call, put_work, &p, 0, token, err);
}

rag_status pg_graph_put_edges(const rag_call *call, const rag_edge *edges, size_t n,
                              rag_put_mode mode, rag_token *token, rag_error *err)
{
    struct putting p = { NULL, edges, n, mode };
    return pg_write(call, put_work, &p, 0, token, err);
}

static rag_status delete_work(const rag_call *call, struct pg_conn *conn, void *user,
                              rag_error *err)
{
    struct pg_asked *q = user;
    struct pg_ends e;
    PGresult *result = NULL;
    PG_TRY(lock(call, conn, err));
    rag_status status = RAG_OK;
    pg_ends_of(q, call->host, &e);
    if (q->labels)
        status = pg_ask(call, conn, q, &e, PG_DELETE_EDGES_OF, "deleting edges", NULL, err);
    if (status == RAG_OK)
        status = pg_ask(call, conn, q, &e, q->labels ? PG_DELETE_NODES : PG_DELETE_EDGES,
                        q->labels ? "deleting nodes" : "deleting edges", &result, err);
    if (status == RAG_OK)
        q->deleted = pg_affected(result);
    PQclear(result);
    pg_ends_free(&e);
    return status;
}

rag_status pg_graph_delete_nodes(const rag_call *call, const rag_slice *labels, size_t n,
                                 uint64_t *deleted, rag_token *token, rag_error *err)
{
    struct pg_asked q = { labels, NULL, n, 0, NULL, 0 };
    PG_TRY(pg_write(call, delete_work, &q, 0, token, err));
    *deleted = q.deleted;
    return RAG_OK;
}

rag_status pg_graph_delete_edges(const rag_call *call, const rag_pair *pairs, size_t n,
                                 uint64_t *deleted, rag_token *token, rag_error *err)
{
    struct pg_asked q = { NULL, pairs, n, 0, NULL, 0 };
    PG_TRY(pg_write(call, delete_work, &q, 0, token, err));
    *deleted = q.deleted;
    return RAG_OK;
}

static rag_status drop_work(const rag_call *call, struct pg_conn *conn, void *user, rag_error *err)
{
    struct pg_params params;
    (void)user;
    PG_TRY(lock(call, conn, err));
    pg_params_begin(&params, call);
    return pg_graph_run(call, conn, PG_CLEAR_GRAPH, &params, "deleting the graph", NULL, err);
}

rag_status pg_graph_drop(const rag_call *call, rag_error *err)
{
    return pg_write(call, drop_work, NULL, 1, NULL, err);
}

static rag_status tidy_work(const rag_call *call, struct pg_conn *conn, void *user, rag_error *err)
{
    const struct pg_server *s = call->self;
    (void)user;
    return s->graph->tidy
               ? pg_command(conn, call->ctx, s->graph->tidy, PG_RUNNING, "tidying the graph", err)
               : RAG_OK;
}

rag_status pg_graph_optimize(const rag_call *call, rag_error *err)
{
    return pg_read(call, tidy_work, NULL, err);
}
