/* ragstore import: read the working directory of a LightRAG into a new store.
 *
 * The store is built aside and published at the end, so there is no moment in which half of it can
 * be opened: ^C, a full disk, a broken file or kill -9 leave either nothing or what was there before.
 * That makes "start again" the whole recovery, and it is what the command says. */
#include "command.h"
#include "file_report.h"
#include "progress.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Bytes of the files in a directory, 0 when it is none. */
static uint64_t directory_bytes(const char *path)
{
    uint64_t bytes = 0;
    DIR *dir = opendir(path);
    for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir)) {
        struct stat st;
        if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode)) {
            bytes += (uint64_t)st.st_size;
        }
    }
    if (dir) {
        closedir(dir);
    }
    return bytes;
}

/* Where the store is, as it says itself; "" when it does not. */
static void store_location(rag_store *store, const rag_context *ctx, text *location,
                           text *workspace)
{
    rag_result *about = NULL;
    text_add(location, "");
    text_add(workspace, "");
    if (rag_store_describe(store, ctx, &about, NULL) == RAG_OK && rag_result_count(about) > 0) {
        json_plain_field(location, rag_result_row(about, 0)->value, "location");
        if (strstr(location->data, "://")) { /* a directory is that of its workspace */
            json_plain_field(workspace, rag_result_row(about, 0)->value, "workspace");
        }
    }
    rag_result_free(about);
}

/* ---- the report ------------------------------------------------------------------------------- */

typedef struct outcome {
    const rag_result *report;
    const char *store;     /* as named on the command line */
    const char *location;  /* where its files are */
    const char *workspace; /* on a server; "" */
    uint64_t store_bytes;
    double seconds;
} outcome;

static void print_table(const outcome *o)
{
    file_sums s = file_report_sums(o->report);
    text line = { 0 };
    file_report_table(o->report);
    text_add(&line, "\n");
    text_add_number_of(&line, s.rows, "row", "rows");
    text_add(&line, " in ");
    text_add_seconds(&line, o->seconds);
    text_add(&line, ".");
    if (o->store_bytes > 0 && s.bytes > 0) {
        text_add(&line, " The store takes ");
        text_add_size(&line, o->store_bytes);
        text_printf(&line, ", %.0f %% of the ", 100.0 * (double)o->store_bytes / (double)s.bytes);
        text_add_size(&line, s.bytes);
        text_add(&line, " read.");
    }
    text_add(&line, "\nIt is in ");
    text_add_shown(&line, rag_text(o->location[0] ? o->location : o->store));
    if (o->workspace[0]) {
        text_add(&line, ", workspace ");
        text_add_shown(&line, rag_text(o->workspace));
    }
    text_add(&line, "\n");
    fputs(line.data, stdout);
    text_free(&line);
}

static void print_json(const outcome *o)
{
    json_writer w = { 0 };
    file_sums s = file_report_sums(o->report);
    json_open(&w, NULL, '{', 1);
    json_store(&w, o->store);
    json_text(&w, "location", rag_text(o->location));
    json_count(&w, "rows", s.rows);
    json_count(&w, "source_bytes", s.bytes);
    json_count(&w, "store_bytes", o->store_bytes);
    json_double(&w, "seconds", o->seconds);
    file_report_json(&w, o->report);
    json_close(&w, '}');
    json_end(&w);
}

/* ---- salvage ---------------------------------------------------------------------------------- */

typedef struct losses {
    uint64_t lost, places, missing, ends;
    int at_least;
} losses;

static losses add_losses(const rag_result *report)
{
    losses l = { 0 };
    for (size_t i = 0; i < rag_result_count(report); i++) {
        const rag_row *row = rag_result_row(report, i);
        l.lost += (uint64_t)json_number_field(row->value, "lost", 0);
        l.places += (uint64_t)json_number_field(row->value, "damaged", 0);
        l.ends += (uint64_t)json_number_field(row->value, "ends_without_node", 0);
        l.at_least |= json_is_true(row->value, "at_least");
        l.missing += slice_is(row->key2, "missing");
    }
    return l;
}

static void add_places(table *t, const rag_row *row, const char *field)
{
    rag_slice damage;
    json_walk w;
    json_member m;
    if (!json_field(row->value, field, &damage) || !json_walk_start(&w, damage)) {
        return;
    }
    while (json_walk_next(&w, &m) == 1) {
        text place = { 0 };
        text why = { 0 };
        text_printf(&place, "%.0f", json_number_field(m.value, "at", 0));
        table_cell_slice(t, row->key);
        table_cell(t, place.data);
        table_cell_count(t, (uint64_t)json_number_field(m.value, "bytes", 0));
        json_plain_field(&why, m.value, "why");
        table_cell_slice(t, text_slice(&why));
        text_free(&place);
        text_free(&why);
    }
}

/* What was lost, and where: for reading. */
static void print_places(const rag_result *report)
{
    table t = { 0 };
    table_column(&t, "file", COLUMN_LEFT);
    table_column(&t, "from byte", COLUMN_RIGHT);
    table_column(&t, "bytes", COLUMN_RIGHT);
    table_column(&t, "what is wrong", COLUMN_READING);
    for (size_t i = 0; i < rag_result_count(report); i++) {
        add_places(&t, rag_result_row(report, i), "damage");
    }
    if (t.cell_count > 0) {
        puts("");
        table_print(&t, 0);
    }
}

static void print_losses(const rag_result *report)
{
    const losses l = add_losses(report);
    text line = { 0 };
    print_places(report);
    text_add(&line, "\n");
    if (l.places > 0) {
        if (l.at_least && l.lost == 0) {
            text_add(&line, "Rows are lost, how many cannot be told");
        } else {
            text_add(&line, l.at_least ? "At least " : "");
            text_add_number_of(&line, l.lost, "row is lost", "rows are lost");
        }
        text_add(&line, ", at ");
        text_add_number_of(&line, l.places, "damaged place.\n", "damaged places.\n");
    } else {
        text_add(&line, "Nothing was damaged.\n");
    }
    if (l.ends > 0) {
        text_add_number_of(&line, l.ends, "node is named by edges only; it has no attributes.\n",
                           "nodes are named by edges only; they have no attributes.\n");
    }
    if (l.missing > 0) {
        text_add_number_of(&line, l.missing, "of the files that LightRAG writes is not there.\n",
                           "of the files that LightRAG writes are not there.\n");
    }
    fputs(line.data, stdout);
    text_free(&line);
}

/* ---- the import ------------------------------------------------------------------------------- */

static void set_options(const invocation *in, rag_import_options *options)
{
    const char *element = args_text(&in->args, "element", "float16");
    options->salvage = args_given(&in->args, "salvage");
    options->threads = (unsigned)args_count(&in->args, "threads", 0);
    options->model = args_text(&in->args, "model", NULL);
    options->element = strcmp(element, "float32") == 0 ? RAG_ELEMENT_FLOAT32 : RAG_ELEMENT_FLOAT16;
}

/* Read, index, publish. */
static rag_status build(const invocation *in, rag_store *store, progress *bar, rag_result **report,
                        rag_error *err)
{
    rag_import_options options = RAG_IMPORT_OPTIONS_INIT;
    rag_context ctx = in->ctx;
    ctx.progress = progress_report;
    ctx.log = file_report_log;
    ctx.user = bar;
    set_options(in, &options);
    progress_start(bar);
    rag_status status = rag_import_lightrag(store, &ctx, word(in, 0), &options, report, err);
    if (status == RAG_OK) {
        progress_stage(bar, "indexing vectors");
        status = rag_store_optimize(store, &ctx, err);
    }
    if (status == RAG_OK) {
        progress_stage(bar, "making it durable");
        status = rag_store_publish(store, &ctx, err);
    }
    progress_end(bar);
    return status;
}

/* The command to start again, quoted as far as it is needed for reading. */
static void say_again(const invocation *in, text *hint)
{
    int replace = args_given(&in->args, "replace");
    text_printf(hint, "nothing was published%s; start again with: ragstore import %s%s",
                replace ? ", the old store is as it was" : "", word(in, 0),
                word(in, 1)[0] ? " " : "");
    text_add_store(hint, word(in, 1));
    text_add(hint, replace ? " --replace" : "");
}

static int import_failed(const invocation *in, const rag_error *err)
{
    text hint = { 0 };
    int status = STATUS_STOPPED;
    if (err->status == RAG_E_CANCELLED) {
        say_again(in, &hint);
        complain(status, hint.data, "stopped");
    } else if (err->status == RAG_E_CORRUPT || err->status == RAG_E_NO_SPACE ||
               err->status == RAG_E_MISMATCH || err->status == RAG_E_INVALID) {
        const int file = err->status == RAG_E_CORRUPT || err->status == RAG_E_MISMATCH;
        text_add(&hint, "nothing was published; mend that and import again");
        if (file && !args_given(&in->args, "salvage"))
            text_add(&hint, ", or save every row that is whole with --salvage");
        status = complain(STATUS_PROBLEM, hint.data, "%s", err->message);
    } else {
        status = failed(err);
    }
    text_free(&hint);
    return status;
}

/* Refuse early what cannot be read, before a store is begun. */
static int check_source(const invocation *in, const char *directory)
{
    struct stat st;
    int status = check_directory(in, "LIGHTRAG_DIR", directory);
    if (status != STATUS_OK) {
        return status;
    }
    if (stat(directory, &st) != 0) {
        return complain(STATUS_PROBLEM, NULL, "cannot read %s: %s", directory, strerror(errno));
    }
    if (!S_ISDIR(st.st_mode)) {
        return complain(STATUS_PROBLEM, "the directory is wanted that holds kv_store_*.json",
                        "%s is not a directory", directory);
    }
    return STATUS_OK;
}

/* ---- nothing is left of an import that failed --------------------------------------------------- */

/* How many directories at the end of `path` are not there yet. */
static size_t missing_levels(const char *path)
{
    struct stat st;
    size_t levels = 0;
    char *part = cli_strdup(path);
    while (part[0] && stat(part, &st) != 0) {
        char *slash = strrchr(part, '/');
        levels++;
        part[slash ? (size_t)(slash - part) : 0] = '\0';
    }
    free(part);
    return levels;
}

/* Remove so many directories at the end of `path`, as long as they are empty. */
static void remove_levels(const char *path, size_t levels)
{
    char *part = cli_strdup(path);
    while (levels-- > 0 && part[0] && rmdir(part) == 0) {
        char *slash = strrchr(part, '/');
        part[slash ? (size_t)(slash - part) : 0] = '\0';
    }
    free(part);
}

/* ---- the command ------------------------------------------------------------------------------ */

/* Where the store goes: STORE, or where LightRAG on ragstore looks for it by itself. */
static void add_target(const invocation *in, text *target)
{
    const char *source = word(in, 0);
    if (in->args.word_count > 1) {
        text_add(target, word(in, 1));
        return;
    }
    const int escaped = strchr(source, '?') != NULL; /* in a plain path options begin there */
    text_add(target, escaped ? "embedded:" : "");
    for (const char *c = source; *c; c++) {
        if (escaped && (*c == '?' || *c == '%')) {
            text_add(target, *c == '?' ? "%3F" : "%25");
        } else {
            text_add_char(target, *c);
        }
    }
    text_add(target, source[strlen(source) - 1] == '/' ? "ragstore" : "/ragstore");
}

static int report_import(const invocation *in, const char *target, rag_store *store,
                         const rag_result *report, double seconds)
{
    const int salvage = args_given(&in->args, "salvage");
    text location = { 0 };
    text workspace = { 0 };
    store_location(store, &in->ctx, &location, &workspace);
    rag_store_close(store); /* before its files are measured */
    outcome o = { report, target, location.data, workspace.data, 0, seconds };
    o.store_bytes = directory_bytes(location.data);
    file_report_warnings(report);
    if (in->json) {
        print_json(&o);
    } else {
        print_table(&o);
        if (salvage) {
            print_losses(report);
        }
    }
    text_free(&location);
    text_free(&workspace);
    return salvage && add_losses(report).places > 0 ? STATUS_PROBLEM : STATUS_OK;
}

static int run_import(invocation *in)
{
    rag_error err = RAG_ERROR_INIT;
    rag_store *store = NULL;
    rag_result *report = NULL;
    text directory = { 0 };
    text target = { 0 };
    progress bar;
    double started = seconds_now();
    unsigned flags = RAG_OPEN_BUILD;
    flags |= args_given(&in->args, "replace") ? (unsigned)RAG_OPEN_REPLACE : 0;
    signal(SIGPIPE, SIG_IGN); /* a log that goes away must not end hours of work */

    int status = check_source(in, word(in, 0));
    if (status != STATUS_OK) {
        return status;
    }
    add_target(in, &target);
    store_directory(in, target.data, &directory);
    /* a store in the directory that it is made from would be mixed up with LightRAG's files */
    if (same_directory(word(in, 0), directory.data)) {
        status = complain(STATUS_PROBLEM,
                          "name another directory for the store; one inside of it will do",
                          "%s is the directory of LightRAG itself", word(in, 0));
        text_free(&target);
        text_free(&directory);
        return status;
    }
    size_t levels = missing_levels(directory.data);
    status = open_store(in, target.data, flags, &store);
    if (status == STATUS_OK && build(in, store, &bar, &report, &err) == RAG_OK) {
        status = report_import(in, target.data, store, report, seconds_now() - started);
    } else {
        rag_store_close(store); /* takes away what was built */
        remove_levels(directory.data, levels);
        status = status == STATUS_OK ? import_failed(in, &err) : status;
    }
    text_free(&target);
    text_free(&directory);
    rag_result_free(report);
    return status;
}

static const char *const elements[] = { "float16", "float32", NULL };

static const option options[] = {
    { .name = "replace",
      .kind = OPTION_FLAG,
      .help = "put the new store in the place of one that is there already; until it is complete "
              "the old one stays as it is" },
    { .name = "salvage",
      .kind = OPTION_FLAG,
      .help = "the files may be cut or damaged: save every row that is whole and say what was lost "
              "and where; the exit status is 1 when something was lost" },
    { .name = "threads",
      .kind = OPTION_COUNT,
      .value = "N",
      .help = "how many threads may work, 1 or 2; default: as many as help",
      .least = 1,
      .most = 2 },
    { .name = "model",
      .kind = OPTION_TEXT,
      .value = "NAME",
      .help = "the embedding model that the vectors came from; it is kept with them, and vectors "
              "of another model are refused later" },
    { .name = "element",
      .kind = OPTION_CHOICE,
      .value = "TYPE",
      .help = "how vectors are kept: float16 (the default; it is what LightRAG's files hold) or "
              "float32",
      .choices = elements },
    { .name = NULL }
};

const command import_command = {
    .name = "import",
    .summary = "read a LightRAG working directory into a new store",
    .usage = "  ragstore import LIGHTRAG_DIR [STORE] [--replace] [--salvage] [--threads N]\n"
             "                  [--model NAME] [--element TYPE]\n",
    .about = "LIGHTRAG_DIR is what LightRAG calls its working directory: kv_store_*.json,\n"
             "vdb_*.json and graph_chunk_entity_relation.graphml. It is only read. Files that\n"
             "are missing are left out. Memory stays small however large the files are.\n"
             "\n"
             "Without STORE it is made in LIGHTRAG_DIR/ragstore, where LightRAG on ragstore\n"
             "(import ragstore.lightrag) looks for it.\n"
             "\n"
             "The store appears under its name when it is complete, and not before. When\n"
             "the import is stopped or fails, there is nothing to clean up. That holds for a\n"
             "directory and for a server (postgres://...), where it is one transaction.\n",
    .options = options,
    .words_least = 1,
    .words_most = 2,
    .examples = "  ragstore import ./rag_storage\n"
                "  ragstore import ./rag_storage ./my.store\n"
                "  ragstore import ./rag_storage ./my.store --model bge-m3 --replace\n",
    .opens_store = 1,
    .run = run_import,
};
