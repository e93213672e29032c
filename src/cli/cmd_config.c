/* ragstore config: what configuration is in force, and where each value came from.
 *
 * Nothing is opened, so this also answers when a store cannot be reached. The library masks secrets
 * before it hands the values out. */
#include "command.h"

#include <stdio.h>

static void print_json(const rag_result *values, const rag_result *backends)
{
    json_writer w = { 0 };
    json_open(&w, NULL, '{', 1);
    json_open(&w, "values", '[', 1);
    for (size_t i = 0; i < rag_result_count(values); i++) {
        const rag_row *row = rag_result_row(values, i);
        json_open(&w, NULL, '{', 0);
        json_text(&w, "name", row->key);
        json_raw(&w, "value", row->value);
        json_text(&w, "source", row->key2);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_open(&w, "backends", '[', 1);
    for (size_t i = 0; i < rag_result_count(backends); i++) {
        static const char *const except[] = { "name", "state", NULL };
        const rag_row *row = rag_result_row(backends, i);
        json_open(&w, NULL, '{', 0);
        json_text(&w, "name", row->key);
        json_text(&w, "state", row->key2);
        json_splice(&w, row->value, except);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_close(&w, '}');
    json_end(&w);
}

/* The elements of an array of strings, with commas. */
static void add_list(text *out, rag_slice object, const char *field)
{
    rag_slice array;
    json_walk w;
    json_member m;
    text_add(out, "");
    if (!json_field(object, field, &array) || !json_walk_start(&w, array)) {
        json_plain_field(out, object, field);
        return;
    }
    for (int first = 1; json_walk_next(&w, &m) == 1; first = 0) {
        text_add(out, first ? "" : ", ");
        json_add_plain(out, m.value);
    }
}

static void cell_list(table *t, rag_slice object, const char *field)
{
    text list = { 0 };
    add_list(&list, object, field);
    table_cell_slice(t, text_slice(&list));
    text_free(&list);
}

static void print_tables(const rag_result *values, const rag_result *backends)
{
    table t = { 0 };
    table_column(&t, "setting", COLUMN_LEFT);
    table_column(&t, "value", COLUMN_LEFT);
    table_column(&t, "from", COLUMN_LEFT);
    for (size_t i = 0; i < rag_result_count(values); i++) {
        const rag_row *row = rag_result_row(values, i);
        text plain = { 0 };
        json_add_plain(&plain, row->value);
        table_cell_slice(&t, row->key);
        table_cell_slice(&t, text_slice(&plain));
        table_cell_slice(&t, row->key2);
        text_free(&plain);
    }
    table_print(&t, 0);
    putchar('\n');
    table_column(&t, "backend", COLUMN_LEFT);
    table_column(&t, "", COLUMN_LEFT);
    table_column(&t, "keeps", COLUMN_LEFT);
    table_column(&t, "names in LightRAG's configuration", COLUMN_READING);
    for (size_t i = 0; i < rag_result_count(backends); i++) {
        const rag_row *row = rag_result_row(backends, i);
        table_cell_slice(&t, row->key);
        table_cell_slice(&t, row->key2);
        cell_list(&t, row->value, "kinds");
        cell_list(&t, row->value, "names");
    }
    table_print(&t, 0);
}

/* Nothing names a store: what is listed holds for any, and what is missing is said. */
static void say_when_nothing_is_named(const rag_result *values)
{
    for (size_t i = 0; i < rag_result_count(values); i++) {
        const rag_row *row = rag_result_row(values, i);
        if (slice_is(row->key, "url") && slice_is(row->value, "\"\"")) {
            puts("\nNothing names a store. Give STORE, or set RAGSTORE_URL, [ragstore] url in\n"
                 "config.ini, or LightRAG's LIGHTRAG_KV_STORAGE and its sisters.");
        }
    }
}

static int run_config(invocation *in)
{
    rag_error err = RAG_ERROR_INIT;
    rag_open_options options = RAG_OPEN_OPTIONS_INIT;
    rag_result *values = NULL;
    rag_result *backends = NULL;
    int status = STATUS_OK;
    options.workspace = args_text(&in->args, "workspace", NULL);
    options.config_file = args_text(&in->args, "config-file", NULL);
    if (rag_config_explain(word(in, 0), &options, &values, &err) != RAG_OK ||
        rag_backends(&backends, &err) != RAG_OK) {
        status = failed(&err);
        status = err.status == RAG_E_INVALID ? STATUS_USAGE : status;
    } else if (in->json) {
        print_json(values, backends);
    } else {
        print_tables(values, backends);
        say_when_nothing_is_named(values);
    }
    rag_result_free(values);
    rag_result_free(backends);
    return status;
}

static const option options_table[] = { { .name = "workspace",
                                          .kind = OPTION_TEXT,
                                          .value = "NAME",
                                          .help = "as if this workspace had been asked for" },
                                        { .name = "config-file",
                                          .kind = OPTION_TEXT,
                                          .value = "FILE",
                                          .help = "read this in the place of ./config.ini" },
                                        { .name = NULL } };

const command config_command = {
    .name = "config",
    .summary = "the configuration in force, and where it came from",
    .usage = "  ragstore config [STORE] [--workspace NAME] [--config-file FILE]\n",
    .about = "Resolves STORE, or without one what environment and config.ini say, as opening\n"
             "it would, but opens nothing; where nothing names a store, what holds for any.\n"
             "Secrets are shown as ***. Lists the backends, too.\n",
    .options = options_table,
    .words_most = 1,
    .examples = "  ragstore config\n"
                "  ragstore config ./my.store\n",
    .run = run_config,
};
