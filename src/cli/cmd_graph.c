/* ragstore graph: a part of the knowledge graph, to be read or to be handed on.
 *
 * The library cuts the view; this file only shows it. For reading, the nodes are listed with how many
 * steps they are from the start, which is worked out from the edges of the view, and with the
 * relation that joins them to it. */
#include "command.h"
#include "graph_write.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const formats[] = { "text", "json", "graphml", "dot", NULL };

/* ---- for humans ------------------------------------------------------------------------------- */

/* A node of the view, sorted by label so that the ends of edges are found. */
typedef struct place {
    const rag_row *row;
    size_t index;        /* in the view */
    int steps;           /* from the start; -1: not reached */
    const rag_row *edge; /* that joins it to the start, or NULL */
} place;

static int compare_slices(rag_slice a, rag_slice b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len ? memcmp(a.data, b.data, len) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_places(const void *a, const void *b)
{
    const place *left = a;
    const place *right = b;
    return compare_slices(left->row->key, right->row->key);
}

static place *find_place(place *places, size_t count, rag_slice label)
{
    rag_row wanted = { .key = label };
    place key = { .row = &wanted };
    return bsearch(&key, places, count, sizeof *places, compare_places);
}

/* Breadth first: each round goes over all edges, and there are as many rounds as steps. */
static void count_steps(const graph_view *view, place *places, size_t count, rag_slice start)
{
    place *first = find_place(places, count, start);
    int changed = first != NULL;
    if (first) {
        first->steps = 0;
    }
    for (int step = 0; changed; step++) {
        changed = 0;
        for (size_t i = 0; i < rag_result_count(view->edges); i++) {
            const rag_row *edge = rag_result_row(view->edges, i);
            place *a = find_place(places, count, edge->key);
            place *b = find_place(places, count, edge->key2);
            if (!a || !b || (a->steps == step) == (b->steps == step)) {
                continue;
            }
            place *far_end = a->steps == step ? b : a;
            if (far_end->steps < 0) {
                far_end->steps = step + 1;
                far_end->edge = step == 0 ? edge : NULL;
                changed = 1;
            }
        }
    }
}

static int compare_indexes(const void *a, const void *b)
{
    const place *left = a;
    const place *right = b;
    return (left->index > right->index) - (left->index < right->index);
}

/* All nodes of the view in its order, with steps. The caller frees. */
static place *make_places(const graph_view *view, rag_slice start, size_t *count)
{
    size_t n = rag_result_count(view->nodes);
    place *places = cli_alloc(n ? n : 1, sizeof *places);
    for (size_t i = 0; i < n; i++) {
        places[i] = (place){ rag_result_row(view->nodes, i), i, -1, NULL };
    }
    qsort(places, n, sizeof *places, compare_places);
    count_steps(view, places, n, start);
    qsort(places, n, sizeof *places, compare_indexes);
    *count = n;
    return places;
}

static void cell_field(table *t, rag_slice value, const char *name)
{
    text plain = { 0 };
    json_plain_field(&plain, value, name);
    table_cell_slice(t, text_slice(&plain));
    text_free(&plain);
}

static void print_summary(const graph_view *view, size_t max_nodes)
{
    text line = { 0 };
    size_t nodes = rag_result_count(view->nodes);
    size_t edges = rag_result_count(view->edges);
    text_add_number_of(&line, nodes, "node, ", "nodes, ");
    text_add_number_of(&line, edges, "relation between them", "relations between them");
    if (view->truncated) {
        text_printf(&line, "; there are more, cut off at --max-nodes %zu", max_nodes);
    }
    puts(line.data);
    text_free(&line);
}

static void print_start(const rag_row *row)
{
    text line = { 0 };
    text type = { 0 };
    text about = { 0 };
    json_plain_field(&type, row->value, "entity_type");
    json_plain_field(&about, row->value, "description");
    text_add_shown(&line, row->key);
    text_add(&line, "  (");
    text_add_shown(&line, text_slice(&type));
    text_printf(&line, "%s%lld %s)", type.len ? ", " : "", (long long)row->number,
                row->number == 1 ? "relation" : "relations");
    puts(line.data);
    if (about.len > 0) {
        print_reading(2, text_slice(&about));
    }
    putchar('\n');
    text_free(&line);
    text_free(&type);
    text_free(&about);
}

/* What the last column says: how a neighbour is related, or what a farther node is. */
static void cell_reading(table *t, const place *p)
{
    text reading = { 0 };
    if (p->edge) {
        text about = { 0 };
        json_plain_field(&reading, p->edge->value, "keywords");
        json_plain_field(&about, p->edge->value, "description");
        text_add(&reading, reading.len > 0 && about.len > 0 ? ": " : "");
        text_add(&reading, about.data);
        text_free(&about);
    } else {
        json_plain_field(&reading, p->row->value, "description");
    }
    table_cell_slice(t, text_slice(&reading));
    text_free(&reading);
}

static void print_text(const graph_view *view, rag_slice start, const rag_graph_view_options *o)
{
    table t = { 0 };
    size_t count = 0;
    int is_whole = slice_is(start, "*");
    place *places = make_places(view, start, &count);
    text title = { 0 };
    text_add(&title, "relation to ");
    text_add_shown(&title, start);
    if (!is_whole && count > 0) {
        print_start(places[0].row);
    }
    print_summary(view, o->max_nodes);
    if (!is_whole && o->max_depth > 1) {
        table_column(&t, "steps", COLUMN_RIGHT);
    }
    table_column(&t, "node", COLUMN_LEFT);
    table_column(&t, "type", COLUMN_LEFT);
    table_column(&t, "degree", COLUMN_RIGHT);
    table_column(&t, is_whole || o->max_depth > 1 ? "about" : title.data, COLUMN_READING);
    for (size_t i = 0; i < count; i++) {
        const place *p = &places[i];
        if (!is_whole && p->steps == 0) {
            continue;
        }
        if (!is_whole && o->max_depth > 1) {
            table_cell_count(&t, (uint64_t)(p->steps > 0 ? p->steps : 0));
        }
        table_cell_slice(&t, p->row->key);
        cell_field(&t, p->row->value, "entity_type");
        table_cell_count(&t, (uint64_t)p->row->number);
        cell_reading(&t, p);
    }
    if (t.cell_count > 0) {
        putchar('\n');
        table_print(&t, 0);
    }
    text_free(&title);
    free(places);
}

/* ---- the command ------------------------------------------------------------------------------ */

static int show(const invocation *in, const graph_view *view, rag_slice start,
                const rag_graph_view_options *o)
{
    const char *format = in->json ? "json" : args_text(&in->args, "format", "text");
    int is_absent = rag_result_count(view->nodes) == 0 && strcmp(start.data, "*") != 0;
    if (strcmp(format, "json") == 0) {
        graph_write_json(view);
    } else if (strcmp(format, "graphml") == 0) {
        graph_write_graphml(view);
    } else if (strcmp(format, "dot") == 0) {
        graph_write_dot(view);
    } else if (!is_absent) {
        print_text(view, start, o);
    }
    if (is_absent) {
        text shown = { 0 };
        text_add_shown(&shown, start);
        complain(STATUS_PROBLEM,
                 "labels are compared exactly, capital letters too; '*' shows the best known",
                 "no node '%s' in the graph", shown.data);
        text_free(&shown);
        return STATUS_PROBLEM;
    }
    return STATUS_OK;
}

static int show_graph(invocation *in, rag_store *store)
{
    rag_error err = RAG_ERROR_INIT;
    rag_result *nodes = NULL;
    rag_result *edges = NULL;
    rag_graph_view_options o = RAG_GRAPH_VIEW_OPTIONS_INIT;
    rag_slice start = rag_text(word(in, 1));
    o.max_depth = (unsigned)args_count(&in->args, "depth", 1);
    o.max_nodes = (size_t)args_count(&in->args, "max-nodes", 1000);
    int status;
    if (rag_graph_view(store, &in->ctx, start, &o, &nodes, &edges, &err) != RAG_OK) {
        status = failed(&err);
    } else {
        graph_view view = { nodes, edges, (rag_result_flags(nodes) & RAG_RESULT_TRUNCATED) != 0 };
        status = show(in, &view, start, &o);
    }
    rag_result_free(nodes);
    rag_result_free(edges);
    return status;
}

static int run_graph(invocation *in)
{
    return with_store(in, RAG_OPEN_READ_ONLY | RAG_OPEN_EXISTING, show_graph);
}

static const option options[] = {
    { .name = "depth",
      .kind = OPTION_COUNT,
      .value = "N",
      .help = "how many steps to go out from LABEL; default 1",
      .least = 0,
      .most = 1000 },
    { .name = "max-nodes",
      .kind = OPTION_COUNT,
      .value = "N",
      .help = "at most this many nodes, nearest first and then by degree; default 1000",
      .least = 1,
      .most = 10000000 },
    { .name = "format",
      .kind = OPTION_CHOICE,
      .value = "FORMAT",
      .help = "text (the default), json, graphml or dot",
      .choices = formats },
    { .name = NULL }
};

const command graph_command = {
    .name = "graph",
    .summary = "the neighbourhood of a node, or the best-known nodes",
    .usage = "  ragstore graph STORE LABEL|'*' [--depth N] [--max-nodes N]\n"
             "                 [--format text|json|graphml|dot]\n",
    .about = "Goes out from LABEL step by step; '*' takes the nodes of highest degree. Edges\n"
             "are those between two nodes that are shown. --json is --format json: the\n"
             "shape of LightRAG's get_knowledge_graph.\n",
    .options = options,
    .words_least = 2,
    .words_most = 2,
    .examples = "  ragstore graph ./my.store Alice\n"
                "  ragstore graph ./my.store '*' --max-nodes 20\n"
                "  ragstore graph ./my.store Alice --depth 2 --format dot | dot -Tsvg >alice.svg\n",
    .opens_store = 1,
    .run = run_graph,
};
