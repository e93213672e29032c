/* Every slot is the memory backend's, between the two halves of a visit (live_state.c): the file is
 * looked at before, and what was written is noted after. What is particular to files stands in front:
 * keys, labels, payloads and spaces that they cannot hold are refused before anything changes.
 *
 * The macros are there because the slots differ in nothing but their arguments. What is noted are the
 * names of rows that a slot may have changed, some too many do no harm (live_load.c). */
#include <string.h>

#include "backends/memory/memory.h"
#include "core/alloc.h"
#include "core/json_object.h"
#include "core/utf8.h"
#include "graphml_writer.h"
#include "live.h"
#include "nano_writer.h"

#define KV LIGHTRAG_FILE_KV, name_space
#define VECTOR LIGHTRAG_FILE_VECTOR, name_space
#define GRAPH LIGHTRAG_FILE_GRAPH, ""
#define DOCS LIGHTRAG_FILE_DOC_STATUS, ""

/* A slot that reads: `slot` of the table `kind` with the arguments `given`. */
#define READ_SLOT(kind, slot, namespace, parameters, given)                    \
    static rag_status kind##_##slot parameters                                 \
    {                                                                          \
        struct live_visit v;                                                   \
        RAG_TRY(live_visit_begin(call, namespace, LIVE_READ, &v, err));        \
        return live_visit_end(&v, memory_backend.kind->slot given, NULL, err); \
    }

/* A slot that writes: `check` comes before it, `note` after it. Answers its own token. */
#define WRITE_SLOT(kind, slot, namespace, access, parameters, check, given, note, token) \
    static rag_status kind##_##slot parameters                                           \
    {                                                                                    \
        struct live_visit v;                                                             \
        RAG_TRY(check);                                                                  \
        RAG_TRY(live_visit_begin(call, namespace, access, &v, err));                     \
        rag_status status = memory_backend.kind->slot given;                             \
        if (status == RAG_OK)                                                            \
            status = note;                                                               \
        return live_visit_end(&v, status, token, err);                                   \
    }

/* ---- notes ------------------------------------------------------------------------------------------ */

/* n slices, `stride` bytes from one to the next. */
static rag_slice slice_at(const void *first, size_t stride, size_t i)
{
    rag_slice s;
    memcpy(&s, (const char *)first + i * stride, sizeof s);
    return s;
}

static rag_status note(struct live_visit *v, enum live_change what, const void *first,
                       size_t stride, size_t n, rag_error *err)
{
    for (size_t i = 0; i < n && !v->file->in_memory_only; i++)
        RAG_TRY(live_changes_add(&v->stage->changes, what, slice_at(first, stride, i),
                                 slice_of("", 0), err));
    return RAG_OK;
}

static rag_status note_cleared(struct live_visit *v, const rag_slice *labels, size_t n,
                               rag_error *err)
{
    RAG_TRY(note(v, LIVE_CLEARED, labels, sizeof *labels, n, err));
    return note(v, LIVE_ROW, labels, sizeof *labels, n, err);
}

/* Both ends are the first two members of edges and of pairs. */
static rag_status note_edges(struct live_visit *v, const void *first, size_t stride, size_t n,
                             rag_error *err)
{
    for (size_t i = 0; i < n; i++) {
        const rag_slice source = slice_at(first, stride, i);
        const rag_slice target =
            slice_at((const char *)first + offsetof(rag_pair, target), stride, i);
        RAG_TRY(live_changes_add(&v->stage->changes, LIVE_EDGE, source, target, err));
    }
    return RAG_OK;
}

static rag_status note_drop(struct live_visit *v)
{
    live_changes_drop(&v->stage->changes);
    return RAG_OK;
}

/* Something other than rows. */
static rag_status note_only(struct live_visit *v)
{
    v->stage->changes.dirty = 1;
    return RAG_OK;
}

_Static_assert(offsetof(rag_edge, source) == offsetof(rag_pair, source) &&
                   offsetof(rag_edge, target) == offsetof(rag_pair, target),
               "note_edges() takes both");
_Static_assert(offsetof(rag_kv_item, key) == 0 && offsetof(rag_vector_item, id) == 0 &&
                   offsetof(rag_node, label) == 0 && offsetof(rag_doc_fields, id) == 0 &&
                   offsetof(rag_pending_item, id) == 0 && offsetof(rag_pending_vector, id) == 0,
               "note() takes the first member");

/* ---- what files cannot hold --------------------------------------------------------------------------- */

static rag_status check_keys(const void *first, size_t stride, size_t n, rag_error *err)
{
    for (size_t i = 0; i < n; i++) {
        const rag_slice key = slice_at(first, stride, i);
        if (utf8_valid_prefix(key.data, key.len) != key.len)
            return rag_fail(err, RAG_E_INVALID,
                            "the key '%.*s' is not UTF-8: LightRAG's files cannot hold it",
                            RAG_SHOWN(key));
    }
    return RAG_OK;
}

static rag_status check_label(rag_slice label, rag_error *err)
{
    if (graphml_holds(label))
        return RAG_OK;
    return rag_fail(err, RAG_E_INVALID,
                    "node '%.*s' has a character in its label that XML does not have: GraphML "
                    "cannot hold it",
                    RAG_SHOWN(label));
}

static rag_status check_labels(const void *first, size_t stride, size_t n, rag_error *err)
{
    RAG_TRY(check_keys(first, stride, n, err));
    for (size_t i = 0; i < n; i++)
        RAG_TRY(check_label(slice_at(first, stride, i), err));
    return RAG_OK;
}

static rag_status check_ends(const rag_edge *edges, size_t n, rag_error *err)
{
    RAG_TRY(check_labels(&edges->source, sizeof *edges, n, err));
    return check_labels(&edges->target, sizeof *edges, n, err);
}

static rag_status check_payload(rag_slice id, rag_slice payload, rag_error *err)
{
    struct json_object object;
    struct json_member m;
    RAG_TRY(json_object_parse(payload, "payload of", id, &object, err));
    struct json_cursor cursor = json_members(&object);
    rag_status status = RAG_OK;
    while (status == RAG_OK && json_next(&cursor, &m))
        if (nano_is_reserved(m.name))
            status = rag_fail(err, RAG_E_INVALID,
                              "vector '%.*s': the payload has a member '%.*s', which in LightRAG's "
                              "files means something else",
                              RAG_SHOWN(id), RAG_SHOWN(m.name));
    json_object_free(&object);
    return status;
}

static rag_status check_vectors(const rag_vector_item *items, size_t n, rag_error *err)
{
    RAG_TRY(check_keys(items, sizeof *items, n, err));
    for (size_t i = 0; i < n; i++)
        RAG_TRY(check_payload(items[i].id, items[i].value, err));
    return RAG_OK;
}

static rag_status check_pending(const rag_pending_item *items, size_t n, rag_error *err)
{
    RAG_TRY(check_keys(items, sizeof *items, n, err));
    for (size_t i = 0; i < n; i++)
        RAG_TRY(check_payload(items[i].id, items[i].value, err));
    return RAG_OK;
}

/* After the memory backend has seen that it is a new one. */
static rag_status check_space(struct live_visit *v, const rag_vector_space *space, rag_error *err)
{
    if (space->metric != RAG_METRIC_COSINE)
        return rag_fail(err, RAG_E_UNSUPPORTED,
                        "%s: NanoVectorDB compares by cosine, by nothing else", v->file->is.name);
    if (space->element != RAG_ELEMENT_FLOAT16)
        return rag_fail(err, RAG_E_UNSUPPORTED,
                        "%s: LightRAG keeps vectors as float16: define the space with this element "
                        "type",
                        v->file->is.name);
    return note_only(v);
}

/* ---- values by key ------------------------------------------------------------------------------------ */

READ_SLOT(kv, get_many, KV,
          (const rag_call *call, const char *name_space, const rag_slice *keys, size_t n,
           rag_result *out, rag_error *err),
          (&v.call, name_space, keys, n, out, err))
READ_SLOT(kv, scan, KV,
          (const rag_call *call, const char *name_space, rag_slice after, size_t limit,
           rag_result *out, rag_error *err),
          (&v.call, name_space, after, limit, out, err))
READ_SLOT(kv, count, KV,
          (const rag_call *call, const char *name_space, uint64_t *count, rag_error *err),
          (&v.call, name_space, count, err))
WRITE_SLOT(kv, put_many, KV, LIVE_WRITE,
           (const rag_call *call, const char *name_space, const rag_kv_item *items, size_t n,
            rag_token *token, rag_error *err),
           check_keys(items, sizeof *items, n, err), (&v.call, name_space, items, n, token, err),
           note(&v, LIVE_ROW, items, sizeof *items, n, err), token)
WRITE_SLOT(kv, delete_many, KV, LIVE_WRITE,
           (const rag_call *call, const char *name_space, const rag_slice *keys, size_t n,
            uint64_t *deleted, rag_token *token, rag_error *err),
           RAG_OK, (&v.call, name_space, keys, n, deleted, token, err),
           note(&v, LIVE_ROW, keys, sizeof *keys, n, err), token)
WRITE_SLOT(kv, drop, KV, LIVE_WRITE, (const rag_call *call, const char *name_space, rag_error *err),
           RAG_OK, (&v.call, name_space, err), note_drop(&v), NULL)

/* No limits of caches: files have no place for them. Rows would go for a limit that is forgotten with
 * the handle. */
const rag_kv_table live_kv = {
    .struct_size = sizeof live_kv,
    .get_many = kv_get_many,
    .put_many = kv_put_many,
    .delete_many = kv_delete_many,
    .scan = kv_scan,
    .count = kv_count,
    .drop = kv_drop,
};

/* ---- vectors ------------------------------------------------------------------------------------------ */

READ_SLOT(vector, describe, VECTOR,
          (const rag_call *call, const char *name_space, rag_vector_space *out, rag_error *err),
          (&v.call, name_space, out, err))
READ_SLOT(vector, get_many, VECTOR,
          (const rag_call *call, const char *name_space, const rag_slice *ids, size_t n,
           unsigned what, rag_result *out, rag_error *err),
          (&v.call, name_space, ids, n, what, out, err))
READ_SLOT(vector, search, VECTOR,
          (const rag_call *call, const char *name_space, const rag_vector_query *query,
           rag_result *out, rag_error *err),
          (&v.call, name_space, query, out, err))
READ_SLOT(vector, scan, VECTOR,
          (const rag_call *call, const char *name_space, rag_slice after, size_t limit,
           unsigned what, rag_result *out, rag_error *err),
          (&v.call, name_space, after, limit, what, out, err))
READ_SLOT(vector, count, VECTOR,
          (const rag_call *call, const char *name_space, uint64_t *count, rag_error *err),
          (&v.call, name_space, count, err))
READ_SLOT(vector, pending_scan, VECTOR,
          (const rag_call *call, const char *name_space, rag_slice after, size_t limit,
           rag_result *out, rag_error *err),
          (&v.call, name_space, after, limit, out, err))
WRITE_SLOT(vector, define, VECTOR, LIVE_WRITE,
           (const rag_call *call, const char *name_space, const rag_vector_space *space,
            rag_vector_space *existing, rag_error *err),
           RAG_OK, (&v.call, name_space, space, existing, err), check_space(&v, space, err), NULL)
WRITE_SLOT(vector, put_many, VECTOR, LIVE_WRITE,
           (const rag_call *call, const char *name_space, const rag_vector_item *items, size_t n,
            rag_token *token, rag_error *err),
           check_vectors(items, n, err), (&v.call, name_space, items, n, token, err),
           note(&v, LIVE_ROW, items, sizeof *items, n, err), token)
WRITE_SLOT(vector, delete_many, VECTOR, LIVE_WRITE,
           (const rag_call *call, const char *name_space, const rag_slice *ids, size_t n,
            uint64_t *deleted, rag_token *token, rag_error *err),
           RAG_OK, (&v.call, name_space, ids, n, deleted, token, err),
           note(&v, LIVE_ROW, ids, sizeof *ids, n, err), token)
WRITE_SLOT(vector, drop, VECTOR, LIVE_WRITE,
           (const rag_call *call, const char *name_space, rag_error *err), RAG_OK,
           (&v.call, name_space, err), note_drop(&v), NULL)
WRITE_SLOT(vector, delete_named, VECTOR, LIVE_WRITE,
           (const rag_call *call, const char *name_space, const rag_slice *names, size_t n,
            uint64_t *deleted, rag_token *token, rag_error *err),
           RAG_OK, (&v.call, name_space, names, n, deleted, token, err),
           note(&v, LIVE_NAMED, names, sizeof *names, n, err), token)
WRITE_SLOT(vector, pending_put, VECTOR, LIVE_WRITE,
           (const rag_call *call, const char *name_space, const rag_pending_item *items, size_t n,
            rag_token *token, rag_error *err),
           check_pending(items, n, err), (&v.call, name_space, items, n, token, err), RAG_OK, token)
WRITE_SLOT(vector, pending_delete, VECTOR, LIVE_WRITE,
           (const rag_call *call, const char *name_space, const rag_slice *ids, size_t n,
            rag_token *token, rag_error *err),
           RAG_OK, (&v.call, name_space, ids, n, token, err), RAG_OK, token)
WRITE_SLOT(vector, pending_resolve, VECTOR, LIVE_WRITE,
           (const rag_call *call, const char *name_space, const rag_pending_vector *vectors,
            size_t n, int keep, uint64_t *applied, rag_token *token, rag_error *err),
           RAG_OK, (&v.call, name_space, vectors, n, keep, applied, token, err),
           keep ? RAG_OK : note(&v, LIVE_ROW, vectors, sizeof *vectors, n, err), token)
WRITE_SLOT(vector, pending_drop, VECTOR, LIVE_WRITE,
           (const rag_call *call, const char *name_space, uint64_t *dropped, rag_error *err),
           RAG_OK, (&v.call, name_space, dropped, err), RAG_OK, NULL)

const rag_vector_table live_vector = {
    .struct_size = sizeof live_vector,
    .define = vector_define,
    .describe = vector_describe,
    .put_many = vector_put_many,
    .get_many = vector_get_many,
    .delete_many = vector_delete_many,
    .search = vector_search,
    .scan = vector_scan,
    .count = vector_count,
    .drop = vector_drop,
    .delete_named = vector_delete_named,
    .pending_put = vector_pending_put,
    .pending_delete = vector_pending_delete,
    .pending_scan = vector_pending_scan,
    .pending_resolve = vector_pending_resolve,
    .pending_drop = vector_pending_drop,
};

/* ---- the graph ---------------------------------------------------------------------------------------- */

READ_SLOT(graph, get_nodes, GRAPH,
          (const rag_call *call, const rag_slice *labels, size_t n, unsigned what, rag_result *out,
           rag_error *err),
          (&v.call, labels, n, what, out, err))
READ_SLOT(graph, get_edges, GRAPH,
          (const rag_call *call, const rag_pair *pairs, size_t n, unsigned what, rag_result *out,
           rag_error *err),
          (&v.call, pairs, n, what, out, err))
READ_SLOT(graph, incident, GRAPH,
          (const rag_call *call, const rag_slice *labels, size_t n, unsigned what, rag_result *out,
           rag_error *err),
          (&v.call, labels, n, what, out, err))
READ_SLOT(graph, scan_nodes, GRAPH,
          (const rag_call *call, rag_slice after, size_t limit, unsigned what, rag_result *out,
           rag_error *err),
          (&v.call, after, limit, what, out, err))
READ_SLOT(graph, scan_edges, GRAPH,
          (const rag_call *call, rag_slice after, size_t limit, unsigned what, rag_result *out,
           rag_error *err),
          (&v.call, after, limit, what, out, err))
READ_SLOT(graph, count, GRAPH,
          (const rag_call *call, uint64_t *nodes, uint64_t *edges, rag_error *err),
          (&v.call, nodes, edges, err))
WRITE_SLOT(graph, put_nodes, GRAPH, LIVE_WRITE,
           (const rag_call *call, const rag_node *nodes, size_t n, rag_put_mode mode,
            rag_token *token, rag_error *err),
           check_labels(nodes, sizeof *nodes, n, err), (&v.call, nodes, n, mode, token, err),
           note(&v, LIVE_ROW, nodes, sizeof *nodes, n, err), token)
WRITE_SLOT(graph, put_edges, GRAPH, LIVE_WRITE,
           (const rag_call *call, const rag_edge *edges, size_t n, rag_put_mode mode,
            rag_token *token, rag_error *err),
           check_ends(edges, n, err), (&v.call, edges, n, mode, token, err),
           note_edges(&v, edges, sizeof *edges, n, err), token)
WRITE_SLOT(graph, delete_nodes, GRAPH, LIVE_WRITE,
           (const rag_call *call, const rag_slice *labels, size_t n, uint64_t *deleted,
            rag_token *token, rag_error *err),
           RAG_OK, (&v.call, labels, n, deleted, token, err), note_cleared(&v, labels, n, err),
           token)
WRITE_SLOT(graph, delete_edges, GRAPH, LIVE_WRITE,
           (const rag_call *call, const rag_pair *pairs, size_t n, uint64_t *deleted,
            rag_token *token, rag_error *err),
           RAG_OK, (&v.call, pairs, n, deleted, token, err),
           note_edges(&v, pairs, sizeof *pairs, n, err), token)
WRITE_SLOT(graph, drop, GRAPH, LIVE_WRITE, (const rag_call *call, rag_error *err), RAG_OK,
           (&v.call, err), note_drop(&v), NULL)

const rag_graph_table live_graph = {
    .struct_size = sizeof live_graph,
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

/* ---- document status ----------------------------------------------------------------------------------- */

READ_SLOT(docstatus, get_many, DOCS,
          (const rag_call *call, const rag_slice *ids, size_t n, rag_result *out, rag_error *err),
          (&v.call, ids, n, out, err))
READ_SLOT(docstatus, counts, DOCS, (const rag_call *call, rag_result *out, rag_error *err),
          (&v.call, out, err))
READ_SLOT(docstatus, page, DOCS,
          (const rag_call *call, const rag_doc_page *page, rag_result *out, rag_error *err),
          (&v.call, page, out, err))
READ_SLOT(docstatus, scan, DOCS,
          (const rag_call *call, rag_slice after, size_t limit, rag_result *out, rag_error *err),
          (&v.call, after, limit, out, err))
WRITE_SLOT(docstatus, put_many, DOCS, LIVE_WRITE_DURABLE,
           (const rag_call *call, const rag_doc_fields *docs, size_t n, rag_token *token,
            rag_error *err),
           check_keys(docs, sizeof *docs, n, err), (&v.call, docs, n, token, err),
           note(&v, LIVE_ROW, docs, sizeof *docs, n, err), token)
WRITE_SLOT(docstatus, delete_many, DOCS, LIVE_WRITE,
           (const rag_call *call, const rag_slice *ids, size_t n, uint64_t *deleted,
            rag_token *token, rag_error *err),
           RAG_OK, (&v.call, ids, n, deleted, token, err),
           note(&v, LIVE_ROW, ids, sizeof *ids, n, err), token)
WRITE_SLOT(docstatus, drop, DOCS, LIVE_WRITE, (const rag_call *call, rag_error *err), RAG_OK,
           (&v.call, err), note_drop(&v), NULL)

const rag_docstatus_table live_docstatus = {
    .struct_size = sizeof live_docstatus,
    .put_many = docstatus_put_many,
    .get_many = docstatus_get_many,
    .delete_many = docstatus_delete_many,
    .counts = docstatus_counts,
    .page = docstatus_page,
    .scan = docstatus_scan,
    .drop = docstatus_drop,
};
