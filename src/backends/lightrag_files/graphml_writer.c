/* graph_*.graphml, byte for byte as NetworkX writes it over Python's ElementTree: a key for each
 * attribute name, kind of owner and type, numbered in the order of first use and declared with the
 * highest number first; an empty text as an element that ends in itself; "True" and "False".
 *
 * Declarations stand in front of what they are found in, so nodes and edges are set aside while they
 * are laid out, and one scan of the graph is enough: what is declared is what is there, whoever
 * writes to the store meanwhile.
 *
 * Two deviations, both so that what is read back is what was written: a carriage return in a text is
 * written as &#13; (raw, as ElementTree writes it, every reader makes a line feed of it), and numbers
 * keep their digits. A label with a character that XML does not have is refused: with a replacement
 * in it two nodes might become one. */
#include "graphml_writer.h"

#include <string.h>

#include "core/alloc.h"
#include "core/json_object.h"
#include "core/limits.h"

static const char head[] = "<?xml version='1.0' encoding='utf-8'?>\n"
                           "<graphml xmlns=\"http://graphml.graphdrawing.org/xmlns\" "
                           "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "
                           "xsi:schemaLocation=\"http://graphml.graphdrawing.org/xmlns "
                           "http://graphml.graphdrawing.org/xmlns/1.0/graphml.xsd\">\n";

void graphml_begin(struct graphml_writer *w, const struct lightrag_output *out)
{
    *w = (struct graphml_writer){ .out = out, .text = BUFFER_INIT(LIMIT_EXPORT_ROW_BYTES) };
}

void graphml_free(struct graphml_writer *w)
{
    for (size_t i = 0; i < w->key_count; i++)
        rag_free(w->keys[i].name);
    rag_free(w->keys);
    buffer_free(&w->text);
    *w = (struct graphml_writer){ 0 };
}

/* ---- text ------------------------------------------------------------------------------------------- */

enum xml_place { IN_TEXT, IN_ATTRIBUTE };

/* What a character is written as, NULL: as itself. */
static const char *escape_of(unsigned char c, enum xml_place place)
{
    switch (c) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '\r': return "&#13;";
    case '"': return place == IN_ATTRIBUTE ? "&quot;" : NULL;
    case '\n': return place == IN_ATTRIBUTE ? "&#10;" : NULL;
    case '\t': return place == IN_ATTRIBUTE ? "&#09;" : NULL;
    default: return NULL;
    }
}

static rag_status add_xml(struct buffer *text, rag_slice bytes, enum xml_place place,
                          rag_error *err)
{
    const unsigned char *p = bytes.data, *end = p + bytes.len, *run = p;
    for (; p < end; p++) {
        const char *escape = escape_of(*p, place);
        if (!escape)
            continue;
        RAG_TRY(buffer_append(text, run, (size_t)(p - run), err));
        RAG_TRY(buffer_append_text(text, escape, err));
        run = p + 1;
    }
    return buffer_append(text, run, (size_t)(end - run), err);
}

int graphml_holds(rag_slice bytes)
{
    const unsigned char *p = bytes.data;
    for (size_t i = 0; i < bytes.len; i++) {
        if (p[i] < 0x20 && p[i] != '\t' && p[i] != '\n' && p[i] != '\r')
            return 0;
        /* U+FFFE and U+FFFF */
        if (p[i] == 0xef && bytes.len - i >= 3 && p[i + 1] == 0xbf && p[i + 2] >= 0xbe)
            return 0;
    }
    return 1;
}

static rag_status add_label(struct buffer *text, const char *name, rag_slice label, rag_error *err)
{
    if (!graphml_holds(label))
        return rag_fail(err, RAG_E_INVALID,
                        "node '%.*s' has a character in its label that XML does not have: GraphML "
                        "cannot hold it; delete the node, or give it another label",
                        RAG_SHOWN(label));
    RAG_TRY(buffer_printf(text, err, " %s=\"", name));
    RAG_TRY(add_xml(text, label, IN_ATTRIBUTE, err));
    return buffer_append_char(text, '"', err);
}

/* ---- attributes ------------------------------------------------------------------------------------- */

static const char *type_of(const struct json_member *m)
{
    if (m->type == JSON_STRING)
        return "string";
    if (m->type == JSON_BOOL)
        return "boolean";
    const char *p = m->text.data;
    for (size_t i = 0; i < m->text.len; i++)
        if (p[i] == '.' || p[i] == 'e' || p[i] == 'E')
            return "double";
    return "long";
}

static rag_status find_key(struct graphml_writer *w, const struct json_member *m, int of_edge,
                           size_t *number, rag_error *err)
{
    const char *type = type_of(m);
    for (size_t i = 0; i < w->key_count; i++) {
        const struct graphml_key *k = &w->keys[i];
        if (k->of_edge == of_edge && strcmp(k->type, type) == 0 &&
            slice_equal(slice_of(k->name, k->name_len), m->name)) {
            *number = i;
            return RAG_OK;
        }
    }
    if (w->key_count == LIMIT_GRAPHML_KEYS)
        return rag_fail(err, RAG_E_UNSUPPORTED,
                        "the graph has more than %d kinds of attributes: no reader takes them",
                        LIMIT_GRAPHML_KEYS);
    if (!w->keys)
        w->keys = rag_alloc_zeroed(LIMIT_GRAPHML_KEYS, sizeof *w->keys);
    char *name = w->keys ? rag_memdup_text(m->name.data, m->name.len) : NULL;
    if (!name)
        return rag_fail_memory(err);
    w->keys[w->key_count] = (struct graphml_key){ name, m->name.len, of_edge, type };
    *number = w->key_count++;
    return RAG_OK;
}

static rag_status add_attribute(struct graphml_writer *w, const struct json_member *m, int of_edge,
                                rag_slice owner, rag_error *err)
{
    size_t number = 0;
    rag_slice value = m->text;
    if (m->type != JSON_STRING && m->type != JSON_NUMBER && m->type != JSON_BOOL)
        return rag_fail(err, RAG_E_CORRUPT,
                        "attribute '%.*s' of '%.*s' is neither text, number nor truth",
                        RAG_SHOWN(m->name), RAG_SHOWN(owner));
    if (m->type == JSON_BOOL)
        value = rag_text(m->truth ? "True" : "False");
    RAG_TRY(find_key(w, m, of_edge, &number, err));
    RAG_TRY(buffer_printf(&w->text, err, "      <data key=\"d%zu\"", number));
    if (!value.len)
        return buffer_append_text(&w->text, " />\n", err);
    RAG_TRY(buffer_append_char(&w->text, '>', err));
    RAG_TRY(add_xml(&w->text, value, IN_TEXT, err));
    return buffer_append_text(&w->text, "</data>\n", err);
}

/* The rest of an element whose opening tag lacks its end. */
static rag_status add_attributes(struct graphml_writer *w, const rag_row *row, int of_edge,
                                 rag_error *err)
{
    struct json_object object;
    struct json_member member;
    RAG_TRY(json_object_parse(row->value, "attributes of", row->key, &object, err));
    struct json_cursor cursor = json_members(&object);
    rag_status status = buffer_append_text(&w->text, object.count ? ">\n" : " />\n", err);
    while (status == RAG_OK && json_next(&cursor, &member))
        status = add_attribute(w, &member, of_edge, row->key, err);
    if (status == RAG_OK && object.count)
        status = buffer_append_text(&w->text, of_edge ? "    </edge>\n" : "    </node>\n", err);
    json_object_free(&object);
    return status;
}

rag_status graphml_node(struct graphml_writer *w, const rag_row *row, rag_error *err)
{
    lightrag_next_row(&w->text);
    RAG_TRY(buffer_append_text(&w->text, "    <node", err));
    RAG_TRY(add_label(&w->text, "id", row->key, err));
    RAG_TRY(add_attributes(w, row, 0, err));
    w->nodes++;
    return w->out->set_aside(w->out->ctx, w->text.data, w->text.len, err);
}

rag_status graphml_edge(struct graphml_writer *w, const rag_row *row, rag_error *err)
{
    lightrag_next_row(&w->text);
    RAG_TRY(buffer_append_text(&w->text, "    <edge", err));
    RAG_TRY(add_label(&w->text, "source", row->key, err));
    RAG_TRY(add_label(&w->text, "target", row->key2, err));
    RAG_TRY(add_attributes(w, row, 1, err));
    w->edges++;
    return w->out->set_aside(w->out->ctx, w->text.data, w->text.len, err);
}

/* ---- the file ---------------------------------------------------------------------------------------- */

static rag_status add_keys(struct graphml_writer *w, rag_error *err)
{
    for (size_t i = w->key_count; i-- > 0;) {
        const struct graphml_key *k = &w->keys[i];
        RAG_TRY(buffer_printf(&w->text, err, "  <key id=\"d%zu\" for=\"%s\" attr.name=\"", i,
                              k->of_edge ? "edge" : "node"));
        RAG_TRY(add_xml(&w->text, slice_of(k->name, k->name_len), IN_ATTRIBUTE, err));
        RAG_TRY(buffer_printf(&w->text, err, "\" attr.type=\"%s\" />\n", k->type));
    }
    return RAG_OK;
}

rag_status graphml_end(struct graphml_writer *w, rag_error *err)
{
    const int empty = !w->nodes && !w->edges;
    lightrag_next_row(&w->text);
    RAG_TRY(buffer_append_text(&w->text, head, err));
    RAG_TRY(add_keys(w, err));
    RAG_TRY(buffer_append_text(&w->text, "  <graph edgedefault=\"undirected\"", err));
    RAG_TRY(buffer_append_text(&w->text, empty ? " />\n" : ">\n", err));
    RAG_TRY(w->out->write(w->out->ctx, w->text.data, w->text.len, err));
    RAG_TRY(w->out->take_back(w->out->ctx, err));
    return output_text(w->out, empty ? "</graphml>\n" : "  </graph>\n</graphml>\n", err);
}
