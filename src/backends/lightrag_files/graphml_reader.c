/* GraphML by expat, in one pass and without a tree.
 *
 * The handlers run a small state machine: what element we are in (nothing else of the path is
 * needed), and `ignored`, the depth inside of an element that is not ours. A <node> or <edge>
 * collects its attributes as JSON values in `values`, one entry per attribute name (the last of
 * equal names wins, as in NetworkX), and becomes a row at its end tag.
 *
 * Nothing outside of the file is ever read and no entity is ever expanded: declaring one is an
 * error, so that the classic bombs end at their second line, and expat's own limits on amplification
 * stay on beneath that. Memory: expat holds one token, which for text is a piece, but for a tag or
 * a comment is all of it; more than TOKEN_MAX bytes of one are refused.
 *
 * The first failure is kept in the reader and stops expat; it is handed out when parsing returns. */
#include "graphml_reader.h"

#include <expat.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/limits.h"
#include "graphml_count.h"
#include "graphml_value.h"
#include "salvage.h"

#define GRAPHML_URI "http://graphml.graphdrawing.org/xmlns"
#define URI_END '\n' /* between namespace and name; no namespace has it */

enum { PIECE_BYTES = 128 * 1024, TOKEN_MAX = 8 * 1024 * 1024 };

enum place { AT_ROOT, IN_GRAPHML, IN_KEY, IN_GRAPH, IN_NODE, IN_EDGE, IN_DATA };

struct graph_key {
    char *id, *name;
    size_t name_index; /* of the first key of that name: attributes are told apart by it */
    enum graphml_type type;
};

struct graph_value {
    size_t name_index;
    struct lightrag_span json; /* in `values` */
};

struct graph_reader {
    struct lightrag_job *job;
    XML_Parser parser;
    rag_error *err;
    rag_status status;
    enum place place;
    enum place owner; /* of the <data> we are in */
    unsigned ignored;
    struct graph_key *keys;
    size_t key_count;
    struct lightrag_row *row;
    struct graph_value *attributes;
    size_t attribute_count;
    struct buffer values, text;
    size_t data_key;
    int data_has_children;
    uint64_t graphs, structured, edge_ids;
    uint64_t undeclared; /* keys; when salvaging */
    int64_t row_end;     /* place behind the last row, as expat counts */
};

/* ---- failing --------------------------------------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) static void stop(struct graph_reader *g, rag_status status,
                                                       const char *format, ...)
{
    char what[RAG_ERROR_MESSAGE_MAX];
    va_list args;
    if (g->status != RAG_OK)
        return;
    va_start(args, format);
    (void)vsnprintf(what, sizeof what, format, args);
    va_end(args);
    g->status = rag_fail(g->err, status, "%s line %llu byte %lld: %s", g->job->input->name,
                         (unsigned long long)XML_GetCurrentLineNumber(g->parser),
                         (long long)XML_GetCurrentByteIndex(g->parser), what);
    (void)XML_StopParser(g->parser, XML_FALSE);
}

/* `status` of a call that has filled g->err. 1: go on. */
static int went_well(struct graph_reader *g, rag_status status)
{
    if (status == RAG_OK)
        return 1;
    if (g->status == RAG_OK) {
        g->status = status;
        (void)XML_StopParser(g->parser, XML_FALSE);
    }
    return 0;
}

/* ---- keys ------------------------------------------------------------------------------------------ */

static const char *attribute(const char **attributes, const char *name)
{
    for (size_t i = 0; attributes[i]; i += 2)
        if (strcmp(attributes[i], name) == 0)
            return attributes[i + 1];
    return NULL;
}

static size_t find_key(const struct graph_reader *g, const char *id)
{
    for (size_t i = 0; i < g->key_count; i++)
        if (strcmp(g->keys[i].id, id) == 0)
            return i;
    return g->key_count;
}

static void add_key(struct graph_reader *g, const char *id, const char *name, const char *type)
{
    if (g->key_count == LIMIT_GRAPHML_KEYS) {
        stop(g, RAG_E_UNSUPPORTED, "more than %d kinds of attributes", LIMIT_GRAPHML_KEYS);
        return;
    }
    struct graph_key *key = &g->keys[g->key_count];
    if (!graphml_type_from_name(type, &key->type)) {
        stop(g, RAG_E_CORRUPT, "key '%.80s' has the unknown type '%.80s'", id, type);
        return;
    }
    key->name_index = 0;
    while (key->name_index < g->key_count && strcmp(g->keys[key->name_index].name, name) != 0)
        key->name_index++;
    key->id = rag_strdup(id);
    key->name = rag_strdup(name);
    g->key_count++; /* freed with the others, whatever became of the copies */
    if (!key->id || !key->name)
        (void)went_well(g, rag_fail_memory(g->err));
}

static void begin_key(struct graph_reader *g, const char **attributes)
{
    const char *id = attribute(attributes, "id");
    const char *name = attribute(attributes, "attr.name");
    const char *type = attribute(attributes, "attr.type");
    g->place = IN_KEY;
    if (attribute(attributes, "yfiles.type")) { /* drawings of yEd: texts, if anything */
        name = name ? name : "yfiles";
        type = NULL;
    }
    if (!id || !name)
        stop(g, RAG_E_CORRUPT, "a <key> without %s", id ? "attr.name" : "id");
    else if (find_key(g, id) != g->key_count)
        stop(g, RAG_E_CORRUPT, "key '%.80s' comes twice", id);
    else
        add_key(g, id, name, type);
}

/* ---- nodes and edges ------------------------------------------------------------------------------- */

static void append_label(struct graph_reader *g, struct lightrag_span *span, const char *label)
{
    struct buffer *out = &g->job->batch->bytes;
    *span = (struct lightrag_span){ out->len, strlen(label) };
    if (span->len > LIMIT_KEY_BYTES)
        stop(g, RAG_E_INVALID, "a label of %zu bytes, more than %zu", span->len, LIMIT_KEY_BYTES);
    else
        (void)went_well(g, buffer_append(out, label, span->len, g->err));
}

static void begin_row(struct graph_reader *g, enum place place, const char *key, const char *key2)
{
    const enum lightrag_kind kind = place == IN_NODE ? LIGHTRAG_NODES : LIGHTRAG_EDGES;
    g->place = place;
    g->attribute_count = 0;
    buffer_clear(&g->values);
    if (!went_well(g, lightrag_row_begin(g->job, kind, &g->row, g->err)))
        return;
    append_label(g, &g->row->key, key);
    if (key2 && g->status == RAG_OK)
        append_label(g, &g->row->key2, key2);
}

static void begin_node(struct graph_reader *g, const char **attributes)
{
    const char *id = attribute(attributes, "id");
    if (id)
        begin_row(g, IN_NODE, id, NULL);
    else
        stop(g, RAG_E_CORRUPT, "a <node> without id");
}

static void begin_edge(struct graph_reader *g, const char **attributes)
{
    const char *source = attribute(attributes, "source");
    const char *target = attribute(attributes, "target");
    const char *directed = attribute(attributes, "directed");
    g->edge_ids += attribute(attributes, "id") != NULL;
    if (!source || !target)
        stop(g, RAG_E_CORRUPT, "an <edge> without %s", source ? "target" : "source");
    else if (directed && strcmp(directed, "true") == 0)
        stop(g, RAG_E_UNSUPPORTED, "the edge from '%.80s' to '%.80s' is directed", source, target);
    else
        begin_row(g, IN_EDGE, source, target);
}

static void end_row(struct graph_reader *g)
{
    struct buffer *out = &g->job->batch->bytes;
    rag_error *err = g->err;
    rag_status status = RAG_OK;
    g->row->value.at = out->len;
    RAG_TRY_CLEANUP(buffer_append_char(out, '{', err));
    for (size_t i = 0; i < g->attribute_count; i++) {
        const struct graph_value *v = &g->attributes[i];
        if (i)
            RAG_TRY_CLEANUP(buffer_append_char(out, ',', err));
        const rag_slice name = rag_text(g->keys[v->name_index].name);
        RAG_TRY_CLEANUP(buffer_append_json_string(out, name, err));
        RAG_TRY_CLEANUP(buffer_append_char(out, ':', err));
        RAG_TRY_CLEANUP(buffer_append(out, g->values.data + v->json.at, v->json.len, err));
    }
    status = buffer_append_char(out, '}', err);
cleanup:
    if (!went_well(g, status))
        return;
    g->row->value.len = out->len - g->row->value.at;
    lightrag_row_end(g->job);
    if (g->place == IN_NODE)
        g->job->summary->nodes++;
    else
        g->job->summary->edges++;
    g->place = IN_GRAPH;
    g->row_end = XML_GetCurrentByteIndex(g->parser) + XML_GetCurrentByteCount(g->parser);
}

/* ---- attributes ------------------------------------------------------------------------------------ */

static void begin_data(struct graph_reader *g, const char **attributes)
{
    const char *key = attribute(attributes, "key");
    g->data_key = key ? find_key(g, key) : g->key_count;
    g->data_has_children = 0;
    g->owner = g->place;
    g->place = IN_DATA;
    buffer_clear(&g->text);
    if (g->data_key == g->key_count && g->job->salvage && key) {
        add_key(g, key, key, NULL); /* better under the name of its key than not at all */
        g->undeclared++;
    } else if (g->data_key == g->key_count)
        stop(g, RAG_E_CORRUPT, "a <data> with the key '%.80s', which is not declared",
             key ? key : "");
}

static void end_data(struct graph_reader *g)
{
    const struct graph_key *key = &g->keys[g->data_key];
    g->place = g->owner;
    if (g->data_has_children) { /* drawings of yEd */
        g->structured++;
        return;
    }
    size_t at = 0;
    while (at < g->attribute_count && g->attributes[at].name_index != key->name_index)
        at++;
    if (at == g->attribute_count)
        g->attribute_count++; /* room for every key was made at the start */
    const char *why = NULL;
    const size_t start = g->values.len;
    const rag_status status =
        graphml_append_value(&g->values, key->type, buffer_slice(&g->text), &why, g->err);
    if (status == RAG_E_CORRUPT) {
        stop(g, status, "attribute '%.80s' of '%.*s': '%.*s' %s", key->name,
             RAG_SHOWN(lightrag_bytes(g->job->batch, g->row->key)),
             RAG_SHOWN(buffer_slice(&g->text)), why);
        return;
    }
    if (went_well(g, status))
        g->attributes[at] =
            (struct graph_value){ key->name_index, { start, g->values.len - start } };
}

static void XMLCALL on_text(void *user, const char *text, int len)
{
    struct graph_reader *g = user;
    if (g->status != RAG_OK || g->place != IN_DATA || g->ignored)
        return;
    if ((size_t)len > LIMIT_VALUE_BYTES - g->text.len)
        stop(g, RAG_E_INVALID, "an attribute of more than %zu bytes", LIMIT_VALUE_BYTES);
    else
        (void)went_well(g, buffer_append(&g->text, text, (size_t)len, g->err));
}

/* ---- elements -------------------------------------------------------------------------------------- */

/* The name without its namespace; "" when it is of a foreign one. */
static const char *local_name(const char *name)
{
    const char *end = strchr(name, URI_END);
    if (!end)
        return name;
    const size_t len = (size_t)(end - name);
    return len == strlen(GRAPHML_URI) && memcmp(name, GRAPHML_URI, len) == 0 ? end + 1 : "";
}

static void begin_graph(struct graph_reader *g, const char **attributes)
{
    const char *direction = attribute(attributes, "edgedefault");
    if (g->graphs++) { /* NetworkX takes the first */
        g->ignored = 1;
        return;
    }
    g->place = IN_GRAPH;
    if (direction && strcmp(direction, "directed") == 0)
        stop(g, RAG_E_UNSUPPORTED, "the graph is directed; LightRAG's graphs are not");
}

static void begin_in_graphml(struct graph_reader *g, const char *name, const char **attributes)
{
    if (strcmp(name, "key") == 0)
        begin_key(g, attributes);
    else if (strcmp(name, "graph") == 0)
        begin_graph(g, attributes);
    else
        g->ignored = 1;
}

static void begin_in_graph(struct graph_reader *g, const char *name, const char **attributes)
{
    if (strcmp(name, "node") == 0)
        begin_node(g, attributes);
    else if (strcmp(name, "edge") == 0)
        begin_edge(g, attributes);
    else if (strcmp(name, "hyperedge") == 0)
        stop(g, RAG_E_UNSUPPORTED, "hyperedges are not supported");
    else
        g->ignored = 1;
}

static void begin_in_row(struct graph_reader *g, const char *name, const char **attributes)
{
    if (strcmp(name, "data") == 0)
        begin_data(g, attributes);
    else if (strcmp(name, "graph") == 0)
        stop(g, RAG_E_UNSUPPORTED, "graphs inside of nodes or edges are not supported");
    else
        g->ignored = 1;
}

static void XMLCALL on_begin(void *user, const char *whole_name, const char **attributes)
{
    struct graph_reader *g = user;
    const char *name = local_name(whole_name);
    if (g->status != RAG_OK)
        return;
    if (g->ignored) {
        g->ignored++;
        return;
    }
    switch (g->place) {
    case AT_ROOT:
        g->place = IN_GRAPHML;
        if (strcmp(name, "graphml") != 0)
            stop(g, RAG_E_CORRUPT, "the file is XML, but not GraphML");
        return;
    case IN_GRAPHML: begin_in_graphml(g, name, attributes); return;
    case IN_GRAPH: begin_in_graph(g, name, attributes); return;
    case IN_NODE:
    case IN_EDGE: begin_in_row(g, name, attributes); return;
    case IN_DATA: g->data_has_children = 1; break;
    case IN_KEY: break;
    }
    g->ignored = 1;
}

static void XMLCALL on_end(void *user, const char *name)
{
    struct graph_reader *g = user;
    (void)name;
    if (g->status != RAG_OK)
        return;
    if (g->ignored) {
        g->ignored--;
        return;
    }
    switch (g->place) {
    case IN_DATA: end_data(g); return;
    case IN_NODE:
    case IN_EDGE: end_row(g); return;
    case IN_KEY:
    case IN_GRAPH: g->place = IN_GRAPHML; return;
    case IN_GRAPHML:
    case AT_ROOT: g->place = AT_ROOT; return;
    }
}

/* ---- what XML can do and GraphML never needs --------------------------------------------------------- */

static void XMLCALL on_entity(void *user, const char *name, int is_parameter, const char *value,
                              int value_len, const char *base, const char *system,
                              const char *public, const char *notation)
{
    (void)is_parameter;
    (void)value;
    (void)value_len;
    (void)base;
    (void)system;
    (void)public;
    (void)notation;
    stop(user, RAG_E_CORRUPT, "declares the entity '%.80s': entities are refused", name);
}

static void XMLCALL on_skipped_entity(void *user, const char *name, int is_parameter)
{
    (void)is_parameter;
    stop(user, RAG_E_CORRUPT, "uses the entity '%.80s', which is not declared", name);
}

static int XMLCALL on_external_entity(XML_Parser parser, const char *context, const char *base,
                                      const char *system, const char *public)
{
    (void)parser;
    (void)context;
    (void)base;
    (void)system;
    (void)public;
    return XML_STATUS_ERROR;
}

/* ---- memory ---------------------------------------------------------------------------------------- */

/* Where expat finds no memory for the prefix of a name it takes it for one that is not declared: what
 * it says while memory ran out is not believed. Its allocators get no user data, hence the counter is
 * of the process; at worst another thread's want of memory is told instead of a damaged file. */
static atomic_ulong refusals;

static void *counted(void *memory)
{
    if (!memory)
        atomic_fetch_add(&refusals, 1);
    return memory;
}

static void *parser_alloc(size_t size)
{
    return counted(rag_alloc(size));
}

static void *parser_realloc(void *memory, size_t size)
{
    return counted(rag_realloc(memory, size));
}

/* ---- the file -------------------------------------------------------------------------------------- */

static void set_handlers(struct graph_reader *g)
{
    XML_SetUserData(g->parser, g);
    XML_SetElementHandler(g->parser, on_begin, on_end);
    XML_SetCharacterDataHandler(g->parser, on_text);
    XML_SetEntityDeclHandler(g->parser, on_entity);
    XML_SetSkippedEntityHandler(g->parser, on_skipped_entity);
    XML_SetExternalEntityRefHandler(g->parser, on_external_entity);
    (void)XML_SetParamEntityParsing(g->parser, XML_PARAM_ENTITY_PARSING_NEVER);
}

/* What expat says, for readers who do not know it. */
static const char *sentence(enum XML_Error code)
{
    switch ((int)code) {
    case XML_ERROR_NO_ELEMENTS: return "the file ends before its last element does";
    case XML_ERROR_UNCLOSED_TOKEN: return "the file ends inside of a tag";
    case XML_ERROR_PARTIAL_CHAR: return "the file ends inside of a character";
    case XML_ERROR_TAG_MISMATCH: return "this end tag has no beginning";
    case XML_ERROR_INVALID_TOKEN: return "these bytes cannot stand in XML here";
    case XML_ERROR_SYNTAX: return "this is not XML";
    case XML_ERROR_DUPLICATE_ATTRIBUTE: return "a tag has an attribute twice";
    case XML_ERROR_JUNK_AFTER_DOC_ELEMENT: return "something follows the end of the graph";
    case XML_ERROR_UNDEFINED_ENTITY: return "an entity is used that is not declared";
    case XML_ERROR_BAD_CHAR_REF: return "a character is named by a number that is none";
    case XML_ERROR_UNKNOWN_ENCODING: return "the encoding is not known";
    case XML_ERROR_INCORRECT_ENCODING: return "the encoding is not the one that is declared";
    case XML_ERROR_UNBOUND_PREFIX: return "a prefix of a name is not declared";
    default: return XML_ErrorString(code);
    }
}

static rag_status parse_piece(struct graph_reader *g, size_t got, uint64_t fed)
{
    const int last = got == 0;
    const unsigned long before = atomic_load(&refusals);
    if (XML_ParseBuffer(g->parser, (int)got, last) != XML_STATUS_OK && g->status == RAG_OK) {
        const enum XML_Error code = XML_GetErrorCode(g->parser);
        if (code == XML_ERROR_NO_MEMORY || atomic_load(&refusals) != before)
            g->status = rag_fail_memory(g->err);
        else
            stop(g, RAG_E_CORRUPT, "%s", last && !fed ? "the file is empty" : sentence(code));
    }
    const int64_t at = XML_GetCurrentByteIndex(g->parser);
    if (g->status == RAG_OK && !last && at >= 0 && fed - (uint64_t)at > TOKEN_MAX)
        stop(g, RAG_E_INVALID, "a tag or comment of more than %d bytes", TOKEN_MAX);
    return g->status;
}

static rag_status parse(struct graph_reader *g)
{
    struct lightrag_stream stream = { g->job->input, 0 };
    size_t got = 1;
    while (got) {
        void *piece = XML_GetBuffer(g->parser, PIECE_BYTES);
        if (!piece)
            return rag_fail_memory(g->err);
        RAG_TRY(lightrag_fill(&stream, piece, PIECE_BYTES, &got, g->err));
        RAG_TRY(parse_piece(g, got, stream.offset));
    }
    if (!g->graphs)
        return rag_fail(g->err, RAG_E_CORRUPT, "%s: there is no <graph> in it",
                        g->job->input->name);
    return lightrag_flush(g->job, g->err);
}

static void add_warnings(const struct graph_reader *g)
{
    if (g->graphs > 1)
        lightrag_warn(g->job->summary, "only the first of %llu graphs is imported",
                      (unsigned long long)g->graphs);
    lightrag_warn_count(g->job->summary, g->edge_ids,
                        "edge has an id of its own, which is not imported",
                        "edges have an id of their own, which is not imported");
    lightrag_warn_count(g->job->summary, g->structured,
                        "attribute holds elements, not text, and is not imported",
                        "attributes hold elements, not text, and are not imported");
}

static void free_keys(struct graph_reader *g)
{
    for (size_t i = 0; i < g->key_count; i++) {
        rag_free(g->keys[i].id);
        rag_free(g->keys[i].name);
    }
    g->key_count = 0;
}

/* ---- salvage --------------------------------------------------------------------------------------- */

/* In XML a '<' stands for nothing but the beginning of a tag: <node and <edge begin a row wherever
 * they are found. Each is parsed for itself, in a graph that is made around it. What does not end
 * where the next begins is damaged, and so is what stands between two of them. */
static const struct salvage_marks row_marks = { { "<node ", "<edge " }, { 6, 6 }, 2 };
static const char row_prefix[] = "<graphml><graph>";

/* Parse a stretch of the file between two texts. */
static rag_status parse_stretch(struct graph_reader *g, const char *prefix, uint64_t from,
                                uint64_t to, const char *suffix)
{
    struct salvage_region region = SALVAGE_REGION(g->job->input, from, to);
    uint64_t fed = strlen(prefix);
    size_t got = 1;
    (void)XML_ParserReset(g->parser, NULL);
    set_handlers(g);
    g->status = RAG_OK;
    g->place = AT_ROOT;
    g->ignored = 0;
    g->graphs = 0;
    g->row_end = 0;
    if (fed && XML_Parse(g->parser, prefix, (int)fed, 0) != XML_STATUS_OK)
        return rag_fail_memory(g->err);
    while (got) {
        void *piece = XML_GetBuffer(g->parser, PIECE_BYTES);
        if (!piece)
            return rag_fail_memory(g->err);
        RAG_TRY(salvage_fill(&region, piece, PIECE_BYTES, &got, g->err));
        fed += got;
        if (!got && *suffix) {
            const size_t len = strlen(suffix);
            memcpy(piece, suffix, len);
            RAG_TRY(parse_piece(g, len, fed + len));
        }
        RAG_TRY(parse_piece(g, got, fed));
    }
    return RAG_OK;
}

/* The declarations, one by one, from a head that is damaged. */
static rag_status salvage_keys(struct graph_reader *g, struct salvage_scan *scan, uint64_t end)
{
    static const struct salvage_marks keys = { { "<key " }, { 5 }, 1 };
    static const struct salvage_marks tags = { { "<" }, { 1 }, 1 };
    uint64_t at, next;
    int found;
    free_keys(g);
    salvage_scan_seek(scan, 0);
    for (;;) {
        RAG_TRY(salvage_scan_find(scan, &keys, &at, &found, g->err));
        if (!found || at >= end)
            return RAG_OK;
        RAG_TRY(salvage_scan_find(scan, &tags, &next, &found, g->err));
        const size_t before = g->key_count;
        const rag_status status =
            parse_stretch(g, "<graphml>", at, next < end ? next : end, "</graphml>");
        if (status != RAG_OK && !salvage_is_fault(status))
            return status;
        if (status != RAG_OK && g->key_count > before + 1)
            g->key_count = before + 1;
        salvage_scan_seek(scan, next);
    }
}

struct graph_salvage {
    struct graph_reader *g;
    struct salvage_scan scan;
    struct salvage_losses losses;
    struct graphml_counter *counter;
    uint64_t size; /* of the file, when the last row was begun; 0 before */
};

/* A salvage_count_fn. */
static rag_status count_rows(void *ctx, const struct lightrag_input *input, uint64_t from,
                             uint64_t to, int behind_row, struct salvage_count *out, rag_error *err)
{
    const struct graph_salvage *s = ctx;
    (void)behind_row;
    return graphml_count(s->counter, input, from, to, to == s->size, out, err);
}

static rag_status salvage_head(struct graph_salvage *s, uint64_t end)
{
    struct graph_reader *g = s->g;
    const struct salvage_stretch head = { .to = end, .may_be_none = 1 };
    char why[RAG_ERROR_MESSAGE_MAX + 32];
    int ignored;
    const rag_status status = parse_stretch(g, "", 0, end, "</graph></graphml>");
    if (status == RAG_OK || !salvage_is_fault(status) || status == RAG_E_UNSUPPORTED)
        return status;
    (void)snprintf(why, sizeof why, "before the rows: %s", salvage_why(g->err));
    RAG_TRY(salvage_lose(&s->losses, &head, why, &ignored, g->err));
    return salvage_keys(g, &s->scan, end);
}

/* The row at `from`; the next one, or the end of the file, is at `to`. */
static rag_status salvage_row(struct graph_salvage *s, uint64_t from, uint64_t to, int last)
{
    struct graph_reader *g = s->g;
    struct salvage_stretch stretch = { .from = from, .to = to };
    const uint64_t before = g->job->summary->rows;
    const rag_status status =
        parse_stretch(g, row_prefix, from, to, last ? "" : "</graph></graphml>");
    int gap = 1, ignored;
    if (status != RAG_OK && !salvage_is_fault(status))
        return status;
    s->size = last ? to : 0;
    if (g->job->summary->rows > before) {
        struct lightrag_batch *b = g->job->batch;
        const uint64_t end = from + (uint64_t)g->row_end - strlen(row_prefix);
        b->rows[b->count - 1].at = from;
        b->rows[b->count - 1].length = end - from;
        if (!last)
            RAG_TRY(salvage_is_gap(g->job->input, end, to, 0, &gap, g->err));
        if (gap && (status == RAG_OK || !last))
            return RAG_OK;
        stretch.from = end;
        stretch.behind_row = 1;
        stretch.may_be_none = last;
    } else {
        lightrag_row_abandon(g->job);
    }
    const enum XML_Error code = XML_GetErrorCode(g->parser);
    stretch.may_be_more =
        last && (code == XML_ERROR_NO_ELEMENTS || code == XML_ERROR_UNCLOSED_TOKEN ||
                 code == XML_ERROR_PARTIAL_CHAR);
    return salvage_lose(&s->losses, &stretch,
                        status == RAG_OK ? "what is between two rows is damaged"
                                         : salvage_why(g->err),
                        &ignored, g->err);
}

static rag_status salvage_rows(struct graph_salvage *s)
{
    struct graph_reader *g = s->g;
    struct lightrag_damage *d = &g->job->summary->damage;
    uint64_t at, next;
    int found;
    RAG_TRY(salvage_scan_find(&s->scan, &row_marks, &at, &found, g->err));
    if (!found) { /* no row, or none that can be told by its mark */
        const rag_status status = parse(g);
        if (!salvage_is_fault(status))
            return status;
        lightrag_damage_add(d, 0, at, 0, "%s", at ? salvage_why(g->err) : "the file is empty");
        d->at_least = 1;
        return lightrag_flush(g->job, g->err);
    }
    RAG_TRY(salvage_head(s, at));
    while (found) {
        salvage_scan_seek(&s->scan, at + 1);
        RAG_TRY(salvage_scan_find(&s->scan, &row_marks, &next, &found, g->err));
        RAG_TRY(salvage_row(s, at, next, !found));
        at = next;
    }
    salvage_losses_end(&s->losses);
    lightrag_warn_count(g->job->summary, g->undeclared,
                        "key of attributes is not declared: its id became the name",
                        "keys of attributes are not declared: their ids became the names");
    return lightrag_flush(g->job, g->err);
}

static rag_status salvage(struct graph_reader *g)
{
    struct graph_salvage s = { .g = g,
                               .losses = { .damage = &g->job->summary->damage,
                                           .input = g->job->input,
                                           .spelling = &graphml_spelling,
                                           .count = count_rows,
                                           .ctx = &s } };
    rag_status status = salvage_scan_open(&s.scan, g->job->input, g->err);
    if (status == RAG_OK)
        status = graphml_counter_open(&s.counter, g->err);
    if (status == RAG_OK)
        status = salvage_rows(&s);
    graphml_counter_close(s.counter);
    salvage_scan_close(&s.scan);
    return status;
}

static void close_reader(struct graph_reader *g)
{
    if (g->parser)
        XML_ParserFree(g->parser);
    free_keys(g);
    rag_free(g->keys);
    rag_free(g->attributes);
    buffer_free(&g->values);
    buffer_free(&g->text);
}

rag_status lightrag_read_graph(struct lightrag_job *job, rag_error *err)
{
    rag_error why = RAG_ERROR_INIT;
    static const XML_Memory_Handling_Suite memory = { parser_alloc, parser_realloc, rag_free };
    static const char separator[] = { URI_END, 0 };
    struct graph_reader g = {
        .job = job,
        .err = err,
        .values = BUFFER_INIT(LIMIT_VALUE_BYTES),
        .text = BUFFER_INIT(LIMIT_VALUE_BYTES),
        .keys = rag_alloc_array(LIMIT_GRAPHML_KEYS, sizeof *g.keys),
        .attributes = rag_alloc_array(LIMIT_GRAPHML_KEYS, sizeof *g.attributes),
        .parser = XML_ParserCreate_MM(NULL, &memory, separator),
    };
    rag_status status;
    if (g.keys && g.attributes && g.parser && job->salvage) {
        g.err = &why;
        set_handlers(&g);
        status = salvage(&g);
        status = rag_pass(status, &why, err);
    } else if (g.keys && g.attributes && g.parser) {
        set_handlers(&g);
        status = parse(&g);
    } else {
        status = rag_fail_memory(err);
    }
    if (status == RAG_OK)
        add_warnings(&g);
    close_reader(&g);
    return status;
}
