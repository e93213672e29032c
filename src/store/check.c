/* rag_store_check(): what each backend says of itself, then what the four stores say of each other.
 *
 * The invariants between the stores are those that LightRAG relies on: names in payloads are nodes
 * and edges, chunks have vectors, documents have texts. They hold for any backend, so they are asked
 * through the slots that every backend has: a scan of one side in pages, and for each page one
 * look-up on the other side. Where the other side cannot be asked by name (which vector row is that
 * of this node?), the names of one side are kept as 64-bit hashes, at most NAMES_MAX at a time, in
 * as many passes as that takes. So memory is bounded, whatever the size of the store.
 *
 * This is not a snapshot: LightRAG writes while we look. What seems to be missing is looked up once
 * more, with the row that asks for it, before it counts. Namespaces that the store does not have are
 * not asked about. Nothing here is derived: a missing text or vector is mended by whoever has the
 * source, which the text of the invariant names. */
#include "core/alloc.h"
#include "core/buffer.h"
#include "core/context.h"
#include "core/json.h"
#include "core/json_members.h"
#include "core/json_object.h"
#include "core/limits.h"
#include "core/page_rows.h"
#include "core/result.h"
#include "dispatch.h"

#include <stdlib.h>
#include <string.h>

enum { LOOKUP_MAX = 1024, NAMES_MAX = 1 << 20, EXAMPLES_DEFAULT = 10 };

/* A namespace on one side of an invariant. PLACE_PENDING: what is still to be embedded in a space; it
 * is only walked over. */
enum place { PLACE_KV, PLACE_VECTOR, PLACE_PENDING, PLACE_NODE, PLACE_EDGE, PLACE_DOC };

struct side {
    enum place place;
    const char *name; /* NULL for graph and documents */
};

struct finding {
    uint64_t checked, violations;
    struct buffer examples; /* JSON strings with commas between */
    size_t example_count;
};

struct check {
    struct store_call call;
    const rag_check_options *options;
    struct finding finding;
};

/* ---- the stores, behind one question ---------------------------------------------------------------- */

static enum store_kind kind_of(enum place place)
{
    switch (place) {
    case PLACE_KV: return STORE_KV;
    case PLACE_VECTOR:
    case PLACE_PENDING: return STORE_VECTOR;
    case PLACE_DOC: return STORE_DOC_STATUS;
    case PLACE_NODE:
    case PLACE_EDGE: break;
    }
    return STORE_GRAPH;
}

static int aim(struct check *check, const struct side *side)
{
    rag_store *store = check->call.store;
    const enum store_kind kind = kind_of(side->place);
    if (!store->by_kind[kind] || !driver_serves(store->by_kind[kind]->driver, kind) ||
        !store_allows(store, kind, side->name ? side->name : ""))
        return 0;
    store_aim(&check->call, store->by_kind[kind]);
    return 1;
}

static rag_status count_side(struct check *check, const struct side *side, uint64_t *count,
                             rag_error *err)
{
    const struct driver *driver;
    uint64_t other;
    *count = 0;
    if (!aim(check, side))
        return RAG_OK;
    driver = check->call.driver;
    switch (side->place) {
    case PLACE_KV: return driver->kv.count(&check->call.call, side->name, count, err);
    case PLACE_VECTOR: {
        rag_vector_space space = RAG_VECTOR_SPACE_INIT;
        rag_error why = RAG_ERROR_INIT;
        const rag_status status =
            driver->vector.describe(&check->call.call, side->name, &space, &why);
        if (status == RAG_E_NOT_FOUND)
            return RAG_OK;
        return driver->vector.count(&check->call.call, side->name, count, err);
    }
    case PLACE_NODE: return driver->graph.count(&check->call.call, count, &other, err);
    case PLACE_EDGE: return driver->graph.count(&check->call.call, &other, count, err);
    case PLACE_PENDING:
    case PLACE_DOC: break;
    }
    rag_result *counts = rag_result_new(err);
    if (!counts)
        return RAG_E_NO_MEMORY;
    const rag_status status = driver->docstatus.counts(&check->call.call, counts, err);
    for (size_t i = 0; i < counts->count; i++)
        *count += (uint64_t)counts->rows[i].number;
    rag_result_free(counts);
    return status;
}

static rag_status scan_side(struct check *check, const struct side *side, rag_slice after,
                            size_t rows, int values, rag_result *out, rag_error *err)
{
    const rag_call *call = &check->call.call;
    (void)aim(check, side);
    const struct driver *driver = check->call.driver;
    switch (side->place) {
    case PLACE_KV: return driver->kv.scan(call, side->name, after, rows, out, err);
    case PLACE_VECTOR:
        return driver->vector.scan(call, side->name, after, rows, values ? RAG_VECTOR_VALUES : 0,
                                   out, err);
    case PLACE_PENDING:
        if (!(driver->backend.features & RAG_FEATURE_PENDING))
            return RAG_OK; /* it has none */
        return driver->vector.pending_scan(call, side->name, after, rows, out, err);
    case PLACE_NODE: return driver->graph.scan_nodes(call, after, rows, 0, out, err);
    case PLACE_EDGE: return driver->graph.scan_edges(call, after, rows, 0, out, err);
    case PLACE_DOC: break;
    }
    return driver->docstatus.scan(call, after, rows, out, err);
}

/* Rows for n keys, in their order; for KV only those that are missing. */
static rag_status look_up(struct check *check, const struct side *side, const rag_pair *keys,
                          size_t n, rag_result *out, rag_error *err)
{
    rag_slice flat[LOOKUP_MAX];
    const rag_call *call = &check->call.call;
    (void)aim(check, side);
    const struct driver *driver = check->call.driver;
    for (size_t i = 0; i < n; i++)
        flat[i] = keys[i].source;
    switch (side->place) {
    case PLACE_KV: return driver->kv.filter_missing(call, side->name, flat, n, out, err);
    case PLACE_VECTOR: return driver->vector.get_many(call, side->name, flat, n, 0, out, err);
    case PLACE_NODE: return driver->graph.get_nodes(call, flat, n, 0, out, err);
    case PLACE_EDGE: return driver->graph.get_edges(call, keys, n, 0, out, err);
    case PLACE_PENDING:
    case PLACE_DOC: break;
    }
    return driver->docstatus.get_many(call, flat, n, out, err);
}

static rag_status is_there(struct check *check, const struct side *side, const rag_pair *key,
                           int *there, rag_error *err)
{
    rag_result *rows = rag_result_new(err);
    if (!rows)
        return RAG_E_NO_MEMORY;
    const rag_status status = look_up(check, side, key, 1, rows, err);
    *there = side->place == PLACE_KV ? rows->count == 0 : rows->count == 1 && rows->rows[0].found;
    rag_result_free(rows);
    return status;
}

/* ---- violations --------------------------------------------------------------------------------------- */

static rag_status add_example(struct finding *f, size_t most, const char *text, rag_error *err)
{
    if (f->example_count >= most)
        return RAG_OK;
    if (f->example_count++)
        RAG_TRY(buffer_append_char(&f->examples, ',', err));
    return buffer_append_json_string(&f->examples, rag_text(text), err);
}

static rag_status violation(struct check *check, const rag_pair *from, const rag_pair *to,
                            rag_error *err)
{
    struct buffer text = BUFFER_INIT(LIMIT_VALUE_BYTES);
    rag_status status = buffer_printf(&text, err, "%.*s%s%.*s", RAG_SHOWN(from->source),
                                      from->target.len ? " - " : "", RAG_SHOWN(from->target));
    if (status == RAG_OK && to)
        status = buffer_printf(&text, err, ": %.*s%s%.*s", RAG_SHOWN(to->source),
                               to->target.len ? " - " : "", RAG_SHOWN(to->target));
    if (status == RAG_OK)
        status = add_example(&check->finding, check->options->max_examples, text.data, err);
    check->finding.violations++;
    buffer_free(&text);
    return status;
}

/* ---- every row of one side names rows of the other ------------------------------------------------------- */

/* A row and what it names; all of it points into the page or the arena. */
struct reference {
    rag_pair from, to;
};

struct references {
    struct arena arena;
    struct reference *list;
    size_t count, capacity;
};

typedef rag_status (*references_fn)(const rag_row *row, struct references *out, rag_error *err);

static rag_status add_reference(struct references *r, const rag_row *row, rag_slice source,
                                rag_slice target, rag_error *err)
{
    if (r->count == r->capacity) {
        const size_t capacity = r->capacity ? r->capacity * 2 : 256;
        struct reference *list = rag_realloc(r->list, capacity * sizeof *list);
        if (!list)
            return rag_fail_memory(err);
        r->list = list;
        r->capacity = capacity;
    }
    r->list[r->count++] = (struct reference){ { row->key, slice_of("", 0) }, { source, target } };
    return RAG_OK;
}

/* It still names it, and it is still not there. */
static rag_status confirm(struct check *check, const struct side *from, const struct side *to,
                          const struct reference *ref, int *missing, rag_error *err)
{
    int there;
    RAG_TRY(is_there(check, to, &ref->to, &there, err));
    if (!there) {
        int asks;
        RAG_TRY(is_there(check, from, &ref->from, &asks, err));
        there = !asks;
    }
    *missing = !there;
    return RAG_OK;
}

static int among_missing(const rag_result *rows, rag_slice key)
{
    for (size_t i = 0; i < rows->count; i++)
        if (slice_equal(rows->rows[i].key, key))
            return 1;
    return 0;
}

static rag_status compare_batch(struct check *check, const struct side *from, const struct side *to,
                                const struct reference *list, size_t n, rag_error *err)
{
    rag_pair keys[LOOKUP_MAX];
    rag_result *rows = rag_result_new(err);
    if (!rows)
        return RAG_E_NO_MEMORY;
    for (size_t i = 0; i < n; i++)
        keys[i] = list[i].to;
    rag_status status = look_up(check, to, keys, n, rows, err);
    for (size_t i = 0; i < n && status == RAG_OK; i++) {
        int missing = to->place == PLACE_KV ? among_missing(rows, keys[i].source)
                                            : i < rows->count && !rows->rows[i].found;
        if (missing)
            status = confirm(check, from, to, &list[i], &missing, err);
        if (missing && status == RAG_OK)
            status = violation(
                check, &list[i].from,
                slice_equal(list[i].from.source, list[i].to.source) ? NULL : &list[i].to, err);
    }
    rag_result_free(rows);
    return status;
}

static rag_status compare_page(struct check *check, const struct side *from, const struct side *to,
                               references_fn refer, const rag_result *page, rag_error *err)
{
    struct references refs = { 0 };
    rag_status status = RAG_OK;
    for (size_t i = 0; i < page->count && status == RAG_OK; i++)
        status = refer(&page->rows[i], &refs, err);
    for (size_t i = 0; i < refs.count && status == RAG_OK; i += LOOKUP_MAX) {
        const size_t n = refs.count - i < LOOKUP_MAX ? refs.count - i : LOOKUP_MAX;
        status = compare_batch(check, from, to, refs.list + i, n, err);
    }
    check->finding.checked += page->count;
    rag_free(refs.list);
    arena_free(&refs.arena);
    return status;
}

/* ---- walking over one side ----------------------------------------------------------------------------- */

typedef rag_status (*page_fn)(struct check *check, const rag_result *page, void *user,
                              rag_error *err);

/* In pages that are small where rows are large: the memory that this takes is bounded. */
static rag_status walk(struct check *check, const struct side *side, int values, page_fn one,
                       void *user, rag_error *err)
{
    rag_result *page = NULL;
    size_t rows = PAGE_ROWS_FIRST;
    rag_status status;
    do {
        rag_result *next = rag_result_new(err);
        const rag_slice after = page ? rag_result_next(page) : slice_of("", 0);
        status = next ? scan_side(check, side, after, rows, values, next, err) : RAG_E_NO_MEMORY;
        rag_result_free(page); /* `after` points into it */
        page = next;
        if (status == RAG_OK)
            status = one(check, page, user, err);
        if (status == RAG_OK)
            status = context_check(&check->call.ctx, err);
        rows = page ? page_rows_next(page, rows) : 0;
    } while (status == RAG_OK && rag_result_next(page).len);
    rag_result_free(page);
    return status;
}

struct comparison {
    const struct side *from, *to;
    references_fn refer;
};

static rag_status compare_walked(struct check *check, const rag_result *page, void *user,
                                 rag_error *err)
{
    const struct comparison *c = user;
    return compare_page(check, c->from, c->to, c->refer, page, err);
}

/* ---- what rows name -------------------------------------------------------------------------------------- */

static rag_status refer_same(const rag_row *row, struct references *out, rag_error *err)
{
    return add_reference(out, row, row->key, slice_of("", 0), err);
}

/* Copies of the string members `names` (two at most; the second may be NULL). */
static rag_status refer_members(const rag_row *row, const char *first, const char *second,
                                struct references *out, rag_error *err)
{
    const char *const names[] = { first, second ? second : "" };
    rag_slice found[2] = { { "", 0 }, { "", 0 } };
    char *memory = NULL;
    RAG_TRY(json_string_members(row->value, names, second ? 2 : 1, found, &memory, err));
    rag_slice kept[2] = { { "", 0 }, { "", 0 } };
    rag_status status = RAG_OK;
    for (int i = 0; i < 2; i++) {
        char *copy = found[i].len ? arena_copy(&out->arena, found[i].data, found[i].len) : NULL;
        if (found[i].len && !copy)
            status = rag_fail_memory(err);
        kept[i] = slice_of(copy ? copy : "", copy ? found[i].len : 0);
    }
    rag_free(memory);
    if (status == RAG_OK && kept[0].len && (!second || kept[1].len))
        status = add_reference(out, row, kept[0], kept[1], err);
    return status;
}

static rag_status refer_entity(const rag_row *row, struct references *out, rag_error *err)
{
    return refer_members(row, "entity_name", NULL, out, err);
}

static rag_status refer_relation(const rag_row *row, struct references *out, rag_error *err)
{
    return refer_members(row, "src_id", "tgt_id", out, err);
}

static rag_status refer_document(const rag_row *row, struct references *out, rag_error *err)
{
    return refer_members(row, "full_doc_id", NULL, out, err);
}

static rag_status refer_chunks_of(const rag_row *row, const struct json_object *object,
                                  struct references *out, rag_error *err)
{
    struct json_cursor members = json_members(object);
    struct json_member m, e;
    while (json_next(&members, &m)) {
        if (!slice_is(m.name, "chunks_list"))
            continue;
        struct json_cursor elements = json_elements(&m);
        while (json_next_element(&elements, &e)) {
            if (e.type != JSON_STRING || !e.text.len)
                continue;
            const char *copy = arena_copy(&out->arena, e.text.data, e.text.len);
            if (!copy)
                return rag_fail_memory(err);
            RAG_TRY(add_reference(out, row, slice_of(copy, e.text.len), slice_of("", 0), err));
        }
    }
    return RAG_OK;
}

static rag_status refer_chunks(const rag_row *row, struct references *out, rag_error *err)
{
    struct json_object object;
    RAG_TRY(json_object_parse(row->value, "document", row->key, &object, err));
    const rag_status status = refer_chunks_of(row, &object, out, err);
    json_object_free(&object);
    return status;
}

/* LightRAG keeps rows for what it refused, too: duplicates and errors, which have no text. */
static int has_text(const rag_doc_fields *fields)
{
    const rag_slice id = fields->id;
    return !fields->is_duplicate && !(id.len >= 4 && memcmp(id.data, "dup-", 4) == 0) &&
           !(id.len >= 6 && memcmp(id.data, "error-", 6) == 0);
}

static rag_status refer_text(const rag_row *row, struct references *out, rag_error *err)
{
    rag_doc_fields fields;
    void *memory = NULL;
    RAG_TRY(store_host.doc_fields(row->key, row->value, &fields, &memory, err));
    const int wanted = has_text(&fields);
    rag_free(memory);
    return wanted ? refer_same(row, out, err) : RAG_OK;
}

/* ---- names as hashes: is there a vector of this node? ------------------------------------------------------ */

struct names {
    uint64_t *list; /* sorted before it is asked */
    size_t count, capacity;
    uint64_t pass, passes;
    references_fn refer;
};

static uint64_t hash_of(rag_slice s)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    const unsigned char *p = s.data;
    for (size_t i = 0; i < s.len; i++)
        h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    h ^= h >> 32;
    return h * UINT64_C(0x9E3779B97F4A7C15);
}

/* The same for both directions of an edge. */
static uint64_t hash_of_pair(const rag_pair *pair)
{
    if (!pair->target.len)
        return hash_of(pair->source);
    const uint64_t a = hash_of(pair->source), b = hash_of(pair->target);
    const uint64_t low = a < b ? a : b, high = a < b ? b : a;
    return (low ^ (high >> 7)) * UINT64_C(0xff51afd7ed558ccd) + high;
}

static int in_this_pass(const struct names *names, uint64_t hash)
{
    return (hash >> 33) % names->passes == names->pass;
}

static rag_status keep_name(struct names *names, uint64_t hash, rag_error *err)
{
    if (!in_this_pass(names, hash))
        return RAG_OK;
    if (names->count == names->capacity) {
        const size_t capacity = names->capacity ? names->capacity * 2 : 4096;
        uint64_t *list = rag_realloc(names->list, capacity * sizeof *list);
        if (!list)
            return rag_fail_memory(err);
        names->list = list;
        names->capacity = capacity;
    }
    names->list[names->count++] = hash;
    return RAG_OK;
}

static rag_status collect_names(struct check *check, const rag_result *page, void *user,
                                rag_error *err)
{
    (void)check;
    struct names *names = user;
    struct references refs = { 0 };
    rag_status status = RAG_OK;
    for (size_t i = 0; i < page->count && status == RAG_OK; i++)
        status = names->refer(&page->rows[i], &refs, err); /* a deferred delete names nothing */
    for (size_t i = 0; i < refs.count && status == RAG_OK; i++)
        status = keep_name(names, hash_of_pair(&refs.list[i].to), err);
    rag_free(refs.list);
    arena_free(&refs.arena);
    return status;
}

static int by_value(const void *left, const void *right)
{
    const uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

/* Nodes or edges of a page that are not among the names. */
static rag_status compare_names(struct check *check, const rag_result *page, void *user,
                                rag_error *err)
{
    const struct names *names = user;
    for (size_t i = 0; i < page->count; i++) {
        const rag_pair pair = { page->rows[i].key, page->rows[i].key2 };
        const uint64_t hash = hash_of_pair(&pair);
        if (!in_this_pass(names, hash))
            continue;
        check->finding.checked++;
        if (!names->count || !bsearch(&hash, names->list, names->count, sizeof hash, by_value))
            RAG_TRY(violation(check, &pair, NULL, err));
    }
    return RAG_OK;
}

static rag_status count_rows(struct check *check, const rag_result *page, void *user,
                             rag_error *err)
{
    (void)check;
    (void)err;
    *(uint64_t *)user += page->count;
    return RAG_OK;
}

/* Every row of `from` (nodes or edges) is named by a row of `to` (vectors). Rows are written first
 * in the graph and then among the vectors, so the graph is walked last: what it has newer than the
 * names is what LightRAG has not put yet. What is still to be embedded counts as there; it is walked
 * first, as it becomes a vector. (Those rows of another living process are not shown to us.) */
static rag_status compare_by_names(struct check *check, const struct side *from,
                                   const struct side *to, references_fn refer, uint64_t rows,
                                   rag_error *err)
{
    struct names names = { .refer = refer };
    const struct side pending = { PLACE_PENDING, to->name };
    RAG_TRY(walk(check, &pending, 0, count_rows, &rows, err));
    names.passes = rows / NAMES_MAX + 1;
    rag_status status = RAG_OK;
    for (; names.pass < names.passes && status == RAG_OK; names.pass++) {
        names.count = 0;
        status = walk(check, &pending, 1, collect_names, &names, err);
        if (status == RAG_OK)
            status = walk(check, to, 1, collect_names, &names, err);
        if (status == RAG_OK && names.count)
            qsort(names.list, names.count, sizeof *names.list, by_value);
        if (status == RAG_OK)
            status = walk(check, from, 0, compare_names, &names, err);
    }
    rag_free(names.list);
    return status;
}

/* ---- the invariants ---------------------------------------------------------------------------------------- */

struct invariant {
    const char *name, *what;
    struct side from, to;
    references_fn refer;
    int by_names; /* `refer` is of the rows of `to` */
    int slow;     /* reads every value */
    int note;     /* LightRAG may do so itself: told, but no fault */
};

static const struct invariant INVARIANTS[] = {
    { "vectors.entity_without_node",
      "the entity of every vector is a node; delete it, or put the node",
      { PLACE_VECTOR, "entities" },
      { PLACE_NODE, NULL },
      refer_entity,
      0,
      1,
      0 },
    { "vectors.node_without_entity",
      "every node has an entity vector; embed it again",
      { PLACE_NODE, NULL },
      { PLACE_VECTOR, "entities" },
      refer_entity,
      1,
      1,
      0 },
    { "vectors.relation_without_edge",
      "the relation of every vector is an edge; delete it, or put the edge",
      { PLACE_VECTOR, "relationships" },
      { PLACE_EDGE, NULL },
      refer_relation,
      0,
      1,
      0 },
    { "vectors.edge_without_relation",
      "every edge has a relation vector; embed it again",
      { PLACE_EDGE, NULL },
      { PLACE_VECTOR, "relationships" },
      refer_relation,
      1,
      1,
      0 },
    { "chunks.without_vector",
      "every chunk has its vector; embed it again",
      { PLACE_KV, "text_chunks" },
      { PLACE_VECTOR, "chunks" },
      refer_same,
      0,
      0,
      0 },
    { "chunks.vector_without_text",
      "the vector of every chunk has its text; insert the document again",
      { PLACE_VECTOR, "chunks" },
      { PLACE_KV, "text_chunks" },
      refer_same,
      0,
      0,
      0 },
    { "chunks.unknown_document",
      "chunks belong to a document (those of a custom graph need not)",
      { PLACE_KV, "text_chunks" },
      { PLACE_KV, "full_docs" },
      refer_document,
      0,
      0,
      1 },
    { "documents.chunk_missing",
      "the chunks that a document lists are there; insert it again",
      { PLACE_DOC, NULL },
      { PLACE_KV, "text_chunks" },
      refer_chunks,
      0,
      0,
      0 },
    { "documents.without_text",
      "every document has its text; delete it, or insert it again",
      { PLACE_DOC, NULL },
      { PLACE_KV, "full_docs" },
      refer_text,
      0,
      0,
      0 },
    { "documents.without_status",
      "the document of every text has a status; insert it again",
      { PLACE_KV, "full_docs" },
      { PLACE_DOC, NULL },
      refer_same,
      0,
      0,
      0 },
};

/* An empty side: is it that everything was lost, or does the store not have such things? A program
 * may keep documents or vectors alone; texts and chunks go together. */
static rag_status is_in_use(struct check *check, const struct side *side, uint64_t *used,
                            rag_error *err)
{
    static const struct side TEXTS[] = { { PLACE_KV, "full_docs" }, { PLACE_KV, "text_chunks" } };
    for (size_t i = 0; i < 2 && side->place == PLACE_KV && !*used; i++)
        RAG_TRY(count_side(check, &TEXTS[i], used, err));
    return RAG_OK;
}

static rag_status look(struct check *check, const struct invariant *i, rag_error *err)
{
    uint64_t from, to;
    RAG_TRY(count_side(check, &i->from, &from, err));
    RAG_TRY(count_side(check, &i->to, &to, err));
    if (!to)
        RAG_TRY(is_in_use(check, &i->to, &to, err));
    if (!from || !to) /* nothing to ask, or nobody */
        return RAG_OK;
    if (i->by_names)
        return compare_by_names(check, &i->from, &i->to, i->refer, to, err);
    struct comparison comparison = { &i->from, &i->to, i->refer };
    return walk(check, &i->from, 1, compare_walked, &comparison, err);
}

/* ---- values ------------------------------------------------------------------------------------------------ */

static rag_status check_objects(struct check *check, const rag_result *page, void *user,
                                rag_error *err)
{
    (void)user;
    for (size_t i = 0; i < page->count; i++) {
        const rag_row *row = &page->rows[i];
        rag_error why = RAG_ERROR_INIT;
        const rag_pair key = { row->key, slice_of("", 0) };
        const rag_status status = json_check_object(row->value, "value of key", row->key, &why);
        check->finding.checked++;
        if (status == RAG_E_NO_MEMORY)
            return rag_fail_memory(err);
        if (status != RAG_OK)
            RAG_TRY(violation(check, &key, NULL, err));
    }
    return RAG_OK;
}

static rag_status look_at_values(struct check *check, rag_error *err)
{
    rag_result *spaces = NULL;
    RAG_TRY(rag_store_namespaces(check->call.store, &check->call.ctx, &spaces, err));
    rag_status status = RAG_OK;
    for (size_t i = 0; i < spaces->count && status == RAG_OK; i++) {
        const struct side side = { PLACE_KV, spaces->rows[i].key2.data };
        if (slice_is(spaces->rows[i].key, "kv") && aim(check, &side))
            status = walk(check, &side, 1, check_objects, NULL, err);
    }
    rag_result_free(spaces);
    return status;
}

/* ---- the report -------------------------------------------------------------------------------------------- */

static rag_status append(const struct finding *f, const char *name, const char *what, int note,
                         rag_result *out, rag_error *err)
{
    struct buffer json = BUFFER_INIT(LIMIT_VALUE_BYTES);
    rag_status status;
    RAG_TRY_CLEANUP(buffer_append_text(&json, "{\"what\":", err));
    RAG_TRY_CLEANUP(buffer_append_json_string(&json, rag_text(what), err));
    RAG_TRY_CLEANUP(buffer_printf(&json, err,
                                  ",\"checked\":%llu,\"violations\":%llu,\"repaired\":0,"
                                  "\"derived\":false,%s\"examples\":[%.*s]}",
                                  (unsigned long long)f->checked, (unsigned long long)f->violations,
                                  note ? "\"note\":true," : "", (int)f->examples.len,
                                  f->examples.len ? f->examples.data : ""));
    const rag_row row = { .key = rag_text(name),
                          .value = buffer_slice(&json),
                          .found = note || f->violations == 0,
                          .number = (int64_t)f->violations };
    status = rag_result_append(out, &row, err);
cleanup:
    buffer_free(&json);
    return status;
}

/* NULL: the values of all KV namespaces. Damage in the way is a violation, not the end. */
static rag_status look_at(struct check *check, const struct invariant *i, rag_result *out,
                          rag_error *err)
{
    struct finding *f = &check->finding;
    const char *name = i ? i->name : "kv.not_json";
    rag_error why = RAG_ERROR_INIT;
    *f = (struct finding){ .examples = BUFFER_INIT(LIMIT_VALUE_BYTES) };
    context_progress(&check->call.ctx, name, 0, 0, 0, 0);
    rag_status status = i ? look(check, i, &why) : look_at_values(check, &why);
    if (status == RAG_E_CORRUPT) {
        f->violations++;
        status = add_example(f, check->options->max_examples, why.message, &why);
    }
    if (status == RAG_OK)
        status = append(f, name, i ? i->what : "every value is a JSON object; put it again",
                        i && i->note, out, &why);
    buffer_free(&f->examples);
    return rag_pass(status, &why, err);
}

static rag_status look_at_all(struct check *check, rag_result *out, rag_error *err)
{
    const int quick = (check->options->flags & RAG_CHECK_QUICK) != 0;
    for (size_t i = 0; i < sizeof INVARIANTS / sizeof *INVARIANTS; i++)
        if (!quick || !INVARIANTS[i].slow)
            RAG_TRY(look_at(check, &INVARIANTS[i], out, err));
    return quick ? RAG_OK : look_at(check, NULL, out, err);
}

rag_status rag_store_check(rag_store *store, const rag_context *ctx,
                           const rag_check_options *options, rag_result **report, rag_error *err)
{
    struct check check = { 0 };
    rag_check_options full = RAG_CHECK_OPTIONS_INIT;
    if (options)
        RAG_TRY(copy_options(options, sizeof full, &full, sizeof full, "rag_check_options", err));
    RAG_TRY(check_bits(full.flags, RAG_CHECK_REPAIR | RAG_CHECK_QUICK,
                       "the flags of rag_check_options", err));
    if (!full.max_examples)
        full.max_examples = EXAMPLES_DEFAULT;
    RAG_TRY(store_enter(store, ctx, full.flags & RAG_CHECK_REPAIR ? STORE_WRITE : STORE_READ,
                        &check.call, err));
    RAG_TRY(store_refuse_txn(&check.call, "checking", err));
    RAG_TRY(check_out(report, err));
    check.options = &full;
    rag_result *out = rag_result_new(err);
    if (!out)
        return RAG_E_NO_MEMORY;
    rag_status status = RAG_OK;
    for (size_t i = 0; status == RAG_OK && i < store->mount_count; i++) {
        store_aim(&check.call, &store->mounts[i]);
        status = check.call.driver->backend.check(&check.call.call, &full, out, err);
    }
    if (status == RAG_OK)
        status = look_at_all(&check, out, err);
    return store_hand_over(status, out, report);
}
