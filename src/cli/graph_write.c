/* A view of the graph in the forms that other programs read.
 *
 * JSON has the shape of LightRAG's get_knowledge_graph(). GraphML declares an attribute once, for
 * nodes and for edges apart, with a type that all its values fit: so the rows are gone through twice.
 * Labels may hold characters that XML does not have; they come out as U+FFFD there, because
 * there is no other way to write them.
 *
 * The other writer of GraphML, of LightRAG's files, shares nothing with this one on purpose: it writes
 * byte for byte what NetworkX does, a key for each type that an attribute has, through files that it
 * sets aside, and refuses a label that XML does not have. A command is a client of the public headers,
 * and a public function for the little that is common (five escapes) would cost more than it saves. */
#include "graph_write.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- JSON ------------------------------------------------------------------------------------- */

void graph_write_json(const graph_view *view)
{
    json_writer w = { 0 };
    json_open(&w, NULL, '{', 1);
    json_open(&w, "nodes", '[', 1);
    for (size_t i = 0; i < rag_result_count(view->nodes); i++) {
        const rag_row *row = rag_result_row(view->nodes, i);
        json_open(&w, NULL, '{', 0);
        json_text(&w, "id", row->key);
        json_open(&w, "labels", '[', 0);
        json_text(&w, NULL, row->key);
        json_close(&w, ']');
        json_raw(&w, "properties", row->value);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_open(&w, "edges", '[', 1);
    for (size_t i = 0; i < rag_result_count(view->edges); i++) {
        const rag_row *row = rag_result_row(view->edges, i);
        text id = { 0 };
        text_add_bytes(&id, row->key.data, row->key.len);
        text_add_char(&id, '-');
        text_add_bytes(&id, row->key2.data, row->key2.len);
        json_open(&w, NULL, '{', 0);
        json_text(&w, "id", text_slice(&id));
        json_text(&w, "type", rag_text("DIRECTED"));
        json_text(&w, "source", row->key);
        json_text(&w, "target", row->key2);
        json_raw(&w, "properties", row->value);
        json_close(&w, '}');
        text_free(&id);
    }
    json_close(&w, ']');
    json_bool(&w, "is_truncated", view->truncated);
    json_close(&w, '}');
    json_end(&w);
}

/* ---- GraphML ---------------------------------------------------------------------------------- */

typedef enum attribute_type { TYPE_BOOLEAN, TYPE_LONG, TYPE_DOUBLE, TYPE_STRING } attribute_type;

typedef struct attribute {
    rag_slice name; /* as it stands in the JSON text of some row */
    attribute_type type;
    const char *owner; /* "node" or "edge" */
} attribute;

typedef struct attributes {
    attribute *items;
    size_t count, size;
} attributes;

static attribute_type type_of(rag_slice value)
{
    const char *s = value.data;
    if (value.len == 0 || s[0] == '"') {
        return TYPE_STRING;
    }
    if (s[0] == 't' || s[0] == 'f') {
        return TYPE_BOOLEAN;
    }
    for (size_t i = 0; i < value.len; i++) {
        if (s[i] == '.' || s[i] == 'e' || s[i] == 'E') {
            return TYPE_DOUBLE;
        }
    }
    return s[0] == '-' || (s[0] >= '0' && s[0] <= '9') ? TYPE_LONG : TYPE_STRING;
}

/* The narrowest type that holds values of both. */
static attribute_type join_types(attribute_type a, attribute_type b)
{
    if (a == b) {
        return a;
    }
    int numbers = (a == TYPE_LONG || a == TYPE_DOUBLE) && (b == TYPE_LONG || b == TYPE_DOUBLE);
    return numbers ? TYPE_DOUBLE : TYPE_STRING;
}

static attribute *find_attribute(const attributes *all, const char *owner, rag_slice name)
{
    for (size_t i = 0; i < all->count; i++) {
        attribute *a = &all->items[i];
        if (a->owner == owner && slice_equal(a->name, name)) {
            return a;
        }
    }
    return NULL;
}

static void collect(attributes *all, const char *owner, const rag_result *rows)
{
    for (size_t i = 0; i < rag_result_count(rows); i++) {
        json_walk w;
        json_member m;
        if (!json_walk_start(&w, rag_result_row(rows, i)->value)) {
            continue;
        }
        while (json_walk_next(&w, &m) == 1) {
            attribute *a = find_attribute(all, owner, m.name);
            if (a) {
                a->type = join_types(a->type, type_of(m.value));
                continue;
            }
            if (all->count == all->size) {
                all->size = all->size ? 2 * all->size : 16;
                all->items = cli_realloc(all->items, all->size, sizeof *all->items);
            }
            all->items[all->count++] = (attribute){ m.name, type_of(m.value), owner };
        }
    }
}

static void add_xml(text *out, rag_slice bytes)
{
    const unsigned char *s = bytes.data;
    for (size_t i = 0, used = 0; i < bytes.len; i += used) {
        int32_t c = utf8_next(s + i, bytes.len - i, &used);
        if (c == '&') {
            text_add(out, "&amp;");
        } else if (c == '<') {
            text_add(out, "&lt;");
        } else if (c == '>') {
            text_add(out, "&gt;");
        } else if (c == '"') {
            text_add(out, "&quot;");
        } else if (c == '\t' || c == '\n' || c == '\r') {
            text_printf(out, "&#%d;", (int)c); /* would become a space in an attribute */
        } else if (c < 0x20 || c == 0xfffe || c == 0xffff) {
            text_add(out, "\xef\xbf\xbd");
        } else {
            text_add_bytes(out, s + i, used);
        }
    }
}

static void write_data(const attributes *all, const char *owner, rag_slice value, text *line)
{
    json_walk w;
    json_member m;
    if (!json_walk_start(&w, value)) {
        return;
    }
    while (json_walk_next(&w, &m) == 1) {
        const attribute *a = find_attribute(all, owner, m.name);
        text plain = { 0 };
        json_add_plain(&plain, m.value);
        text_printf(line, "      <data key=\"d%td\">", a - all->items);
        add_xml(line, text_slice(&plain));
        text_add(line, "</data>\n");
        text_free(&plain);
    }
}

static void write_keys(const attributes *all)
{
    static const char *const types[] = { "boolean", "long", "double", "string" };
    text line = { 0 };
    for (size_t i = 0; i < all->count; i++) {
        const attribute *a = &all->items[i];
        text name = { 0 };
        rag_slice quoted = { (const char *)a->name.data - 1, a->name.len + 2 };
        json_add_plain(&name, quoted);
        text_printf(&line, "  <key id=\"d%zu\" for=\"%s\" attr.name=\"", i, a->owner);
        add_xml(&line, text_slice(&name));
        text_printf(&line, "\" attr.type=\"%s\"/>\n", types[a->type]);
        text_free(&name);
    }
    fputs(line.data ? line.data : "", stdout);
    text_free(&line);
}

static void write_row(const attributes *all, const char *owner, const rag_row *row)
{
    text line = { 0 };
    int is_edge = row->key2.len > 0;
    text_printf(&line, "    <%s %s=\"", owner, is_edge ? "source" : "id");
    add_xml(&line, row->key);
    if (is_edge) {
        text_add(&line, "\" target=\"");
        add_xml(&line, row->key2);
    }
    text_add(&line, "\">\n");
    write_data(all, owner, row->value, &line);
    text_printf(&line, "    </%s>\n", owner);
    fwrite(line.data, 1, line.len, stdout);
    text_free(&line);
}

void graph_write_graphml(const graph_view *view)
{
    static const char node[] = "node";
    static const char edge[] = "edge";
    attributes all = { 0 };
    collect(&all, node, view->nodes);
    collect(&all, edge, view->edges);
    puts("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
         "<graphml xmlns=\"http://graphml.graphdrawing.org/xmlns\">");
    write_keys(&all);
    puts("  <graph edgedefault=\"undirected\">");
    for (size_t i = 0; i < rag_result_count(view->nodes); i++) {
        write_row(&all, node, rag_result_row(view->nodes, i));
    }
    for (size_t i = 0; i < rag_result_count(view->edges); i++) {
        write_row(&all, edge, rag_result_row(view->edges, i));
    }
    puts("  </graph>\n</graphml>");
    free(all.items);
}

/* ---- dot -------------------------------------------------------------------------------------- */

static void add_dot(text *out, rag_slice bytes)
{
    text shown = { 0 };
    text_add_shown(&shown, bytes); /* no control characters, valid UTF-8 */
    text_add_char(out, '"');
    for (size_t i = 0; i < shown.len; i++) {
        if (shown.data[i] == '"' || shown.data[i] == '\\') {
            text_add_char(out, '\\');
        }
        text_add_char(out, shown.data[i]);
    }
    text_add_char(out, '"');
    text_free(&shown);
}

static void add_dot_field(text *out, const char *name, rag_slice value, const char *field)
{
    text plain = { 0 };
    json_plain_field(&plain, value, field);
    if (plain.len > 0) {
        text_printf(out, " [%s=", name);
        add_dot(out, text_slice(&plain));
        text_add(out, "]");
    }
    text_free(&plain);
}

void graph_write_dot(const graph_view *view)
{
    puts("graph ragstore {\n  node [shape=box];");
    for (size_t i = 0; i < rag_result_count(view->nodes); i++) {
        const rag_row *row = rag_result_row(view->nodes, i);
        text line = { 0 };
        text_add(&line, "  ");
        add_dot(&line, row->key);
        add_dot_field(&line, "tooltip", row->value, "entity_type");
        printf("%s;\n", line.data);
        text_free(&line);
    }
    for (size_t i = 0; i < rag_result_count(view->edges); i++) {
        const rag_row *row = rag_result_row(view->edges, i);
        text line = { 0 };
        text_add(&line, "  ");
        add_dot(&line, row->key);
        text_add(&line, " -- ");
        add_dot(&line, row->key2);
        add_dot_field(&line, "label", row->value, "keywords");
        printf("%s;\n", line.data);
        text_free(&line);
    }
    puts("}");
}
