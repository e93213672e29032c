/* ragstore status: what a store holds, and what it is.
 *
 * Two cheap questions to the library: kept counters per namespace, and a description per kind of
 * store. Members of the descriptions are shown under their own names, so that a backend can say
 * something new without a change here. */
#include "command.h"

#include <stdio.h>
#include <stdlib.h>

/* Facts of a vector space. 0 when the row is none, or they cannot be had. */
static int space_facts(rag_store *store, const rag_context *ctx, const rag_row *row,
                       rag_vector_space *facts)
{
    text name = { 0 };
    if (!slice_is(row->key, "vector")) {
        return 0;
    }
    *facts = (rag_vector_space)RAG_VECTOR_SPACE_INIT;
    text_add_bytes(&name, row->key2.data, row->key2.len);
    int known = rag_vector_describe(store, ctx, name.data, facts, NULL) == RAG_OK;
    text_free(&name);
    return known;
}

static const char *metric_name(rag_metric metric)
{
    return metric == RAG_METRIC_DOT ? "dot" : "cosine";
}

static const char *element_name(rag_element element)
{
    return element == RAG_ELEMENT_FLOAT16 ? "float16" : "float32";
}

static void json_space(json_writer *w, const invocation *in, rag_store *store, const rag_row *row)
{
    static const char *const except[] = { "kind",  "name",   "rows",    "dimension",
                                          "model", "metric", "element", NULL };
    rag_vector_space facts;
    json_open(w, NULL, '{', 0);
    json_text(w, "kind", row->key);
    json_text(w, "name", row->key2);
    json_count(w, "rows", (uint64_t)row->number);
    json_splice(w, row->value, except);
    if (space_facts(store, &in->ctx, row, &facts)) {
        json_count(w, "dimension", facts.dimension);
        json_text(w, "metric", rag_text(metric_name(facts.metric)));
        json_text(w, "element", rag_text(element_name(facts.element)));
        json_text(w, "model", rag_text(facts.model));
    }
    json_close(w, '}');
}

static void print_json(const invocation *in, rag_store *store, const rag_result *about,
                       const rag_result *spaces)
{
    const char *url = word(in, 0);
    json_writer w = { 0 };
    json_open(&w, NULL, '{', 1);
    json_store(&w, url);
    json_open(&w, "stores", '{', 1);
    for (size_t i = 0; i < rag_result_count(about); i++) {
        static const char *const except[] = { "backend", NULL };
        const rag_row *row = rag_result_row(about, i);
        text name = { 0 };
        text_add_bytes(&name, row->key.data, row->key.len);
        json_open(&w, name.data, '{', 0);
        json_text(&w, "backend", row->key2);
        json_splice(&w, row->value, except);
        json_close(&w, '}');
        text_free(&name);
    }
    json_close(&w, '}');
    json_open(&w, "namespaces", '[', 1);
    for (size_t i = 0; i < rag_result_count(spaces); i++) {
        json_space(&w, in, store, rag_result_row(spaces, i));
    }
    json_close(&w, ']');
    json_close(&w, '}');
    json_end(&w);
}

/* ---- for humans ------------------------------------------------------------------------------- */

/* What is the same of all four kinds is said once. */
static int described_before(const rag_result *about, size_t index, const json_member *m)
{
    text name = { 0 };
    int found = 0;
    text_add_bytes(&name, m->name.data, m->name.len);
    for (size_t i = 0; i < index && !found; i++) {
        rag_slice value;
        found = json_field(rag_result_row(about, i)->value, name.data, &value) &&
                slice_equal(value, m->value);
    }
    text_free(&name);
    return found;
}

/* How this command opened the store says nothing about the store. */
static int is_about_us(const json_member *m)
{
    return slice_is(m->name, "read_only") || slice_is(m->name, "pool");
}

/* "durable_token" -> "durable token" */
static void add_name(text *shown, rag_slice name)
{
    size_t from = shown->len;
    text_add_shown(shown, name);
    for (size_t i = from; i < shown->len; i++) {
        shown->data[i] = shown->data[i] == '_' ? ' ' : shown->data[i];
    }
}

static void cell_name(table *t, rag_slice name)
{
    text shown = { 0 };
    add_name(&shown, name);
    table_cell(t, shown.data ? shown.data : "");
    text_free(&shown);
}

/* A value as it reads best; numbers of bytes are known by their name. */
static void add_value(text *shown, rag_slice name, rag_slice json)
{
    if (slice_ends(name, "bytes") && !json_is_string(json)) {
        text_add_size(shown, strtoull(json.data, NULL, 10));
    } else if (slice_is(json, "true")) {
        text_add(shown, "yes");
    } else if (slice_is(json, "false")) {
        text_add(shown, "no");
    } else {
        json_add_plain(shown, json);
    }
}

/* {"wal_bytes": 4096, "rows": 2} -> "wal bytes 4.1 kB, rows 2" */
static void add_nested(text *shown, rag_slice name, rag_slice json)
{
    json_walk w;
    json_member m;
    if (!json_walk_start(&w, json)) {
        add_value(shown, name, json);
        return;
    }
    for (int first = 1; json_walk_next(&w, &m) == 1; first = 0) {
        text_add(shown, first ? "" : ", ");
        add_name(shown, m.name);
        text_add(shown, m.name.len ? " " : "");
        add_value(shown, m.name, m.value);
    }
}

static void cell_value(table *t, const json_member *m)
{
    text plain = { 0 };
    add_nested(&plain, m->name, m->value);
    table_cell_slice(t, text_slice(&plain));
    text_free(&plain);
}

static void print_about(const rag_result *about)
{
    table t = { 0 };
    table_column(&t, "", COLUMN_LEFT);
    table_column(&t, "", COLUMN_READING);
    for (size_t i = 0; i < rag_result_count(about); i++) {
        const rag_row *row = rag_result_row(about, i);
        json_walk w;
        json_member m;
        if (i == 0 || !slice_equal(row->key2, rag_result_row(about, i - 1)->key2)) {
            table_cell(&t, "backend");
            table_cell_slice(&t, row->key2);
        }
        if (!json_walk_start(&w, row->value)) {
            continue;
        }
        while (json_walk_next(&w, &m) == 1) {
            if (!described_before(about, i, &m) && !is_about_us(&m)) {
                cell_name(&t, m.name);
                cell_value(&t, &m);
            }
        }
    }
    table_print(&t, 0);
}

static void cell_facts(table *t, const rag_vector_space *facts)
{
    text shown = { 0 };
    text_printf(&shown, "%u dimensions, %s, %s", facts->dimension, metric_name(facts->metric),
                element_name(facts->element));
    text_add(&shown, facts->model[0] ? ", " : "");
    text_add_shown(&shown, rag_text(facts->model));
    table_cell(t, shown.data);
    text_free(&shown);
}

static void print_spaces(const invocation *in, rag_store *store, const rag_result *spaces)
{
    table t = { 0 };
    table_column(&t, "kind", COLUMN_LEFT);
    table_column(&t, "namespace", COLUMN_LEFT);
    table_column(&t, "rows", COLUMN_RIGHT);
    table_column(&t, "size", COLUMN_RIGHT);
    table_column(&t, "", COLUMN_LEFT);
    for (size_t i = 0; i < rag_result_count(spaces); i++) {
        const rag_row *row = rag_result_row(spaces, i);
        rag_vector_space facts;
        table_cell_slice(&t, row->key);
        table_cell_slice(&t, row->key2);
        table_cell_count(&t, (uint64_t)row->number);
        table_cell_size(&t, (uint64_t)json_number_field(row->value, "bytes", 0));
        if (space_facts(store, &in->ctx, row, &facts)) {
            cell_facts(&t, &facts);
        } else {
            table_cell(&t, "");
        }
    }
    table_print(&t, 0);
    if (rag_result_count(spaces) == 0) {
        puts("(the store is empty)");
    }
}

/* ---- the content hash ------------------------------------------------------------------------- */

static void print_hashes_json(const invocation *in, const rag_result *hashes)
{
    size_t last = rag_result_count(hashes) - 1;
    json_writer w = { 0 };
    json_open(&w, NULL, '{', 1);
    json_store(&w, word(in, 0));
    json_raw(&w, "content_hash", rag_result_row(hashes, last)->value);
    json_count(&w, "rows", (uint64_t)rag_result_row(hashes, last)->number);
    json_open(&w, "namespaces", '[', 1);
    for (size_t i = 0; i < last; i++) {
        const rag_row *row = rag_result_row(hashes, i);
        json_open(&w, NULL, '{', 0);
        json_text(&w, "kind", row->key);
        json_text(&w, "name", row->key2);
        json_count(&w, "rows", (uint64_t)row->number);
        json_raw(&w, "content_hash", row->value);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_close(&w, '}');
    json_end(&w);
}

static void print_hashes(const rag_result *hashes)
{
    table t = { 0 };
    table_column(&t, "kind", COLUMN_LEFT);
    table_column(&t, "namespace", COLUMN_LEFT);
    table_column(&t, "rows", COLUMN_RIGHT);
    table_column(&t, "content hash", COLUMN_LEFT);
    for (size_t i = 0; i < rag_result_count(hashes); i++) {
        const rag_row *row = rag_result_row(hashes, i);
        text plain = { 0 };
        json_add_plain(&plain, row->value);
        table_cell_slice(&t, row->key);
        table_cell_slice(&t, row->key2);
        table_cell_count(&t, (uint64_t)row->number);
        table_cell_slice(&t, text_slice(&plain));
        text_free(&plain);
    }
    table_print(&t, 0);
}

static int show_hashes(const invocation *in, rag_store *store)
{
    rag_error err = RAG_ERROR_INIT;
    rag_result *hashes = NULL;
    if (rag_store_content_hash(store, &in->ctx, &hashes, &err) != RAG_OK) {
        return failed(&err);
    }
    if (in->json) {
        print_hashes_json(in, hashes);
    } else {
        print_hashes(hashes);
    }
    rag_result_free(hashes);
    return STATUS_OK;
}

static int show_store(invocation *in, rag_store *store)
{
    rag_error err = RAG_ERROR_INIT;
    rag_result *about = NULL;
    rag_result *spaces = NULL;
    int status = STATUS_OK;
    if (args_given(&in->args, "content-hash")) {
        return show_hashes(in, store);
    }
    if (rag_store_describe(store, &in->ctx, &about, &err) != RAG_OK ||
        rag_store_namespaces(store, &in->ctx, &spaces, &err) != RAG_OK) {
        status = failed(&err);
    } else if (in->json) {
        print_json(in, store, about, spaces);
    } else {
        print_about(about);
        putchar('\n');
        print_spaces(in, store, spaces);
    }
    rag_result_free(about);
    rag_result_free(spaces);
    return status;
}

static int run_status(invocation *in)
{
    return with_store(in, RAG_OPEN_READ_ONLY | RAG_OPEN_EXISTING, show_store);
}

static const option options[] = {
    { .name = "content-hash",
      .kind = OPTION_FLAG,
      .help = "read everything and show a fingerprint of each namespace and of all: two stores "
              "with the same rows have the same one" },
    { .name = NULL }
};

const command status_command = {
    .name = "status",
    .summary = "what a store is and holds: rows and bytes by namespace",
    .usage = "  ragstore status STORE [--content-hash]\n",
    .about = "Reads counters that the store keeps; it is quick however much is in there.\n"
             "With --content-hash it reads every row instead; that takes its time.\n",
    .options = options,
    .words_least = 1,
    .words_most = 1,
    .examples = "  ragstore status ./my.store\n"
                "  ragstore status --content-hash ./my.store\n"
                "  ragstore status --json ./my.store | jq '.namespaces[] | .name, .rows'\n",
    .opens_store = 1,
    .run = run_status,
};
