/* Labels as parameters, and the rows of an answer by their places.
 *
 * A label goes over as a text when it is its own id, else as bytes, of which the server makes the id.
 * The second array ends behind the last such label, so it is empty nearly always. Answers have the
 * place of what was asked for, from 1, and no row for what is not there. Called by the slots of the
 * graph. */
#include "graph_ask.h"

#include <string.h>

#include "row.h"

enum { ID_BYTES_MAX = 1000 };

int pg_is_id(rag_slice label)
{
    static const char reserved[] = "ragstore:";
    return label.len <= ID_BYTES_MAX && pg_text_fits(label, 0) &&
           !(label.len >= sizeof reserved - 1 &&
             memcmp(label.data, reserved, sizeof reserved - 1) == 0);
}

void pg_labels_begin(struct pg_labels *l, const rag_host *host)
{
    pg_array_begin(&l->texts, host, PG_OID_TEXT);
    pg_array_begin(&l->bytes, host, PG_OID_BYTEA);
}

void pg_labels_add(struct pg_labels *l, rag_slice label)
{
    const rag_slice null = { NULL, 0 };
    const int is_id = pg_is_id(label);
    pg_array_add(&l->texts, is_id ? label : null);
    if (is_id)
        return;
    while (l->bytes.count + 1 < l->texts.count)
        pg_array_add(&l->bytes, null);
    pg_array_add(&l->bytes, label);
}

void pg_labels_free(struct pg_labels *l)
{
    pg_array_free(&l->texts);
    pg_array_free(&l->bytes);
}

void pg_ends_of(const struct pg_asked *q, const rag_host *host, struct pg_ends *e)
{
    pg_labels_begin(&e->sources, host);
    pg_labels_begin(&e->targets, host);
    for (size_t i = 0; i < q->n; i++) {
        pg_labels_add(&e->sources, q->labels ? q->labels[i] : q->pairs[i].source);
        if (!q->labels)
            pg_labels_add(&e->targets, q->pairs[i].target);
    }
}

void pg_ends_free(struct pg_ends *e)
{
    pg_labels_free(&e->sources);
    pg_labels_free(&e->targets);
}

void pg_add_labels(struct pg_params *params, const struct pg_labels *l)
{
    pg_add_array(params, &l->texts);
    pg_add_array(params, &l->bytes);
}

rag_status pg_graph_run(const rag_call *call, struct pg_conn *conn, enum pg_graph_statement which,
                        const struct pg_params *params, const char *what, PGresult **out,
                        rag_error *err)
{
    const struct pg_server *s = call->self;
    return pg_run(conn, call->ctx, s->graph->sql[which], params, what, out, err);
}

rag_status pg_ask(const rag_call *call, struct pg_conn *conn, const struct pg_asked *q,
                  const struct pg_ends *e, enum pg_graph_statement which, const char *what,
                  PGresult **out, rag_error *err)
{
    struct pg_params params;
    pg_params_begin(&params, call);
    pg_add_labels(&params, &e->sources);
    if (!q->labels)
        pg_add_labels(&params, &e->targets);
    return pg_graph_run(call, conn, which, &params, what, out, err);
}

/* ---- each once -------------------------------------------------------------------------------------- */

static rag_pair in_order(rag_pair pair)
{
    return pg_compare(pair.source, pair.target) > 0 ? (rag_pair){ pair.target, pair.source } : pair;
}

/* FNV-1a, of both ends and of where the first one stops. */
static uint64_t hash_of(const rag_pair *pair)
{
    uint64_t hash = 14695981039346656037u ^ pair->source.len;
    const rag_slice ends[] = { pair->source, pair->target };
    for (size_t end = 0; end < 2; end++)
        for (size_t i = 0; i < ends[end].len; i++)
            hash = (hash ^ ((const unsigned char *)ends[end].data)[i]) * 1099511628211u;
    return hash ^ hash >> 32;
}

/* Where the pair is in the table of places + 1, or would be; there is room. */
static size_t *slot_of(size_t *slots, size_t mask, const rag_pair *all, const rag_pair *pair)
{
    size_t at = hash_of(pair) & mask;
    while (slots[at] && (pg_compare(all[slots[at] - 1].source, pair->source) != 0 ||
                         pg_compare(all[slots[at] - 1].target, pair->target) != 0))
        at = (at + 1) & mask;
    return &slots[at];
}

rag_status pg_distinct_pairs(const rag_host *host, const rag_pair *pairs, size_t n,
                             struct pg_distinct *out, rag_error *err)
{
    size_t size = 16;
    while (size < 2 * n)
        size *= 2;
    size_t *slots = host->alloc(size * sizeof *slots);
    out->count = 0;
    out->pairs = host->alloc((n + 1) * sizeof *out->pairs);
    out->which = host->alloc((n + 1) * sizeof *out->which);
    if (!slots || !out->pairs || !out->which) {
        host->free(slots);
        pg_distinct_free(host, out);
        return pg_no_memory(host, err);
    }
    memset(slots, 0, size * sizeof *slots);
    for (size_t i = 0; i < n; i++) {
        const rag_pair pair = in_order(pairs[i]);
        size_t *slot = slot_of(slots, size - 1, out->pairs, &pair);
        if (!*slot) {
            out->pairs[out->count] = pair;
            *slot = ++out->count;
        }
        out->which[i] = *slot - 1;
    }
    host->free(slots);
    return RAG_OK;
}

rag_status pg_distinct_ends(const rag_host *host, const rag_pair *pairs, size_t n,
                            struct pg_distinct *out, rag_error *err)
{
    rag_pair *ends = host->alloc((2 * n + 1) * sizeof *ends);
    if (!ends)
        return pg_no_memory(host, err);
    for (size_t i = 0; i < n; i++) {
        ends[2 * i] = (rag_pair){ pairs[i].source, pairs[i].source };
        ends[2 * i + 1] = (rag_pair){ pairs[i].target, pairs[i].target };
    }
    const rag_status status = pg_distinct_pairs(host, ends, 2 * n, out, err);
    host->free(ends);
    return status;
}

void pg_distinct_free(const rag_host *host, struct pg_distinct *d)
{
    host->free(d->pairs);
    host->free(d->which);
    memset(d, 0, sizeof *d);
}

/* ---- answers ---------------------------------------------------------------------------------------- */

rag_status pg_places(const rag_host *host, const PGresult *result, size_t n, int **where,
                     rag_error *err)
{
    *where = host->alloc(n * sizeof **where);
    if (!*where)
        return pg_no_memory(host, err);
    memset(*where, 0, n * sizeof **where);
    for (int row = 0; row < PQntuples(result); row++)
        (*where)[pg_int(result, row, PG_GRAPH_KEY) - 1] = row + 1;
    return RAG_OK;
}

rag_status pg_with_value(const rag_call *call, enum pg_graph_kind kind, unsigned what,
                         const PGresult *result, int at, struct pg_text *value, rag_row *row,
                         rag_error *err)
{
    if (!(what & RAG_GRAPH_VALUES))
        return RAG_OK;
    PG_TRY(pg_attributes_value(call->host, kind, pg_slice(result, at, PG_GRAPH_EXTRA),
                               pg_slice(result, at, PG_GRAPH_PROPERTIES), value, err));
    row->value = (rag_slice){ value->data, value->len };
    return RAG_OK;
}
