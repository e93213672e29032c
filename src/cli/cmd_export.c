/* ragstore export: write a store as the working directory of a LightRAG.
 *
 * The way out: whoever tries ragstore can go back to LightRAG's own storages with everything that was
 * written meanwhile. Files appear one by one, each whole, so a directory may hold some of them when
 * the command is stopped; it says so, and starting again with --replace is the whole recovery. */
#include "command.h"
#include "file_report.h"
#include "progress.h"

#include <signal.h>
#include <stdio.h>

/* 1 when the directory is the one that the store keeps its files in. */
static int is_own_directory(rag_store *store, const rag_context *ctx, const char *directory)
{
    rag_result *about = NULL;
    int same = 0;
    if (rag_store_describe(store, ctx, &about, NULL) != RAG_OK) {
        return 0;
    }
    for (size_t i = 0; i < rag_result_count(about) && !same; i++) {
        text location = { 0 };
        json_plain_field(&location, rag_result_row(about, i)->value, "location");
        same = same_directory(location.data ? location.data : "", directory);
        text_free(&location);
    }
    rag_result_free(about);
    return same;
}

static void print_table(const invocation *in, const rag_result *report, double seconds)
{
    file_sums s = file_report_sums(report);
    text line = { 0 };
    file_report_table(report);
    text_add(&line, "\n");
    text_add_number_of(&line, s.rows, "row", "rows");
    text_add(&line, " in ");
    text_add_seconds(&line, seconds);
    text_add(&line, ", ");
    text_add_size(&line, s.bytes);
    text_add(&line, ".\nThey are in ");
    text_add_shown(&line, rag_text(word(in, 1)));
    text_add(&line, "\n");
    fputs(line.data, stdout);
    text_free(&line);
}

static void print_json(const invocation *in, const rag_result *report, double seconds)
{
    file_sums s = file_report_sums(report);
    json_writer w = { 0 };
    json_open(&w, NULL, '{', 1);
    json_store(&w, word(in, 0));
    json_text(&w, "directory", rag_text(word(in, 1)));
    json_count(&w, "rows", s.rows);
    json_count(&w, "bytes", s.bytes);
    json_double(&w, "seconds", seconds);
    file_report_json(&w, report);
    json_close(&w, '}');
    json_end(&w);
}

static int export_failed(const invocation *in, const rag_error *err)
{
    text hint = { 0 };
    int status = STATUS_PROBLEM;
    if (err->status == RAG_E_CANCELLED) {
        text_add(&hint, "files that were finished are there; start again with: ragstore export ");
        text_add_store(&hint, word(in, 0));
        text_printf(&hint, " %s --replace", word(in, 1));
        status = complain(STATUS_STOPPED, hint.data, "stopped");
    } else if (err->status == RAG_E_CONFLICT) {
        text_add(&hint, "choose an empty directory, or --replace what LightRAG has there");
        complain(status, hint.data, "%s", err->message);
    } else {
        status = failed(err);
    }
    text_free(&hint);
    return status;
}

static int write_files(invocation *in, rag_store *store)
{
    rag_error err = RAG_ERROR_INIT;
    rag_export_options options = RAG_EXPORT_OPTIONS_INIT;
    rag_result *report = NULL;
    rag_context ctx = in->ctx;
    progress bar;
    double started = seconds_now();
    if (is_own_directory(store, &in->ctx, word(in, 1))) {
        return complain(STATUS_PROBLEM, "choose another directory",
                        "%s is the directory of the store itself", word(in, 1));
    }
    options.replace = args_given(&in->args, "replace");
    ctx.progress = progress_report;
    ctx.log = file_report_log;
    ctx.user = &bar;
    progress_start(&bar);
    rag_status status = rag_export_lightrag(store, &ctx, word(in, 1), &options, &report, &err);
    progress_end(&bar);
    if (status != RAG_OK) {
        return export_failed(in, &err);
    }
    file_report_warnings(report);
    if (in->json) {
        print_json(in, report, seconds_now() - started);
    } else {
        print_table(in, report, seconds_now() - started);
    }
    rag_result_free(report);
    return STATUS_OK;
}

static int run_export(invocation *in)
{
    signal(SIGPIPE, SIG_IGN); /* a log that goes away must not end hours of work */
    int status = check_directory(in, "DIR", word(in, 1));
    return status == STATUS_OK ? with_store(in, RAG_OPEN_READ_ONLY | RAG_OPEN_EXISTING, write_files)
                               : status;
}

static const char *const formats[] = { "lightrag", NULL };

static const option options[] = {
    { .name = "format",
      .kind = OPTION_CHOICE,
      .value = "FORMAT",
      .help = "what to write: lightrag, the files of LightRAG's default storages; it is the only "
              "format so far",
      .choices = formats },
    { .name = "replace",
      .kind = OPTION_FLAG,
      .help =
          "replace LightRAG's files that are in DIR, one by one, and remove those for which the "
          "store has nothing; without it they are an error" },
    { .name = NULL }
};

const command export_command = {
    .name = "export",
    .summary = "write a store as a LightRAG working directory",
    .usage = "  ragstore export STORE DIR [--format lightrag] [--replace]\n",
    .about = "DIR is made when it is missing. Afterwards it holds kv_store_*.json, vdb_*.json\n"
             "and graph_chunk_entity_relation.graphml as LightRAG's default storages write\n"
             "them.\n"
             "Vectors are written as float16, which is what these files hold. The store is\n"
             "only read; let nobody write to it meanwhile if the files have to agree.\n",
    .options = options,
    .words_least = 2,
    .words_most = 2,
    .examples = "  ragstore export ./my.store ./rag_storage\n"
                "  ragstore export ./my.store ./rag_storage --replace --json\n",
    .opens_store = 1,
    .run = run_export,
};
