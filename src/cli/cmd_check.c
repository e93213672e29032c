/* ragstore check: does the store agree with itself?
 *
 * The library looks, and mends when it is asked to; here its report is shown. Invariants that hold are
 * counted, those that do not are shown with examples, and whether they can be mended. A note (the
 * store is right, but there is something to know) does not make the check fail. */
#include "command.h"
#include "progress.h"

#include <stdio.h>

/* One row of the report, taken apart. */
typedef struct finding {
    rag_slice name;
    uint64_t violations, repaired;
    int derived, note, holds;
    text what;
} finding;

static void take(const rag_row *row, finding *f)
{
    *f = (finding){ .name = row->key, .violations = (uint64_t)row->number, .holds = row->found };
    f->repaired = (uint64_t)json_number_field(row->value, "repaired", 0);
    f->derived = json_is_true(row->value, "derived");
    f->note = json_is_true(row->value, "note");
    json_plain_field(&f->what, row->value, "what");
}

/* ---- JSON -------------------------------------------------------------------------------------- */

static void print_json(const invocation *in, const rag_result *report, size_t left)
{
    json_writer w = { 0 };
    json_open(&w, NULL, '{', 1);
    json_store(&w, word(in, 0));
    json_bool(&w, "healthy", left == 0);
    json_open(&w, "invariants", '[', 1);
    for (size_t i = 0; i < rag_result_count(report); i++) {
        static const char *const except[] = { "name", "holds", NULL };
        const rag_row *row = rag_result_row(report, i);
        json_open(&w, NULL, '{', 0);
        json_text(&w, "name", row->key);
        json_bool(&w, "holds", row->found);
        json_splice(&w, row->value, except);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_close(&w, '}');
    json_end(&w);
}

/* ---- for humans -------------------------------------------------------------------------------- */

static void print_examples(const rag_row *row, uint64_t violations)
{
    rag_slice examples;
    json_walk w;
    json_member m;
    uint64_t shown = 0;
    if (!json_field(row->value, "examples", &examples) || !json_walk_start(&w, examples)) {
        return;
    }
    for (; json_walk_next(&w, &m) == 1; shown++) {
        text line = { 0 };
        json_add_plain(&line, m.value);
        print_reading(4, text_slice(&line));
        text_free(&line);
    }
    if (shown && violations > shown) {
        text more = { 0 };
        text_add(&more, "... and ");
        text_add_count(&more, violations - shown);
        text_add(&more, " more");
        print_reading(4, text_slice(&more));
        text_free(&more);
    }
}

/* "violated", and what has been or can be done about it. */
static void add_verdict(text *line, const finding *f, int repairing)
{
    if (f->violations == 0) {
        text_add(line, "holds");
        return;
    }
    text_add_count(line, f->violations);
    text_add(line, f->note ? " to note" : f->violations == 1 ? " violation" : " violations");
    if (f->note) {
        return;
    }
    if (f->repaired) {
        text_add(line, ", ");
        text_add_count(line, f->repaired);
        text_add(line, " repaired");
    }
    if (!f->holds) {
        text_add(line, !f->derived ? ", cannot be repaired: this is not derived from other data"
                       : repairing ? ", could not be repaired"
                                   : ", --repair mends it");
    }
}

static void print_finding(const rag_row *row, int repairing)
{
    text line = { 0 };
    finding f;
    take(row, &f);
    text_add_shown(&line, f.name);
    text_add(&line, ": ");
    add_verdict(&line, &f, repairing);
    puts(line.data);
    text_free(&line);
    if (f.violations || f.note) {
        text what = { 0 };
        text_printf(&what, "(%s)", f.what.data ? f.what.data : "");
        print_reading(2, text_slice(&what));
        text_free(&what);
    }
    print_examples(row, f.violations);
    text_free(&f.what);
}

/* "36 invariants, 2 violated: graph.degree, doc.count", and what is left of them. */
static void print_summary(const rag_result *report, size_t left)
{
    text line = { 0 };
    size_t violated = 0;
    for (size_t i = 0; i < rag_result_count(report); i++) {
        finding f;
        take(rag_result_row(report, i), &f);
        if (f.violations && !f.note) {
            text_add(&line, violated++ ? ", " : ": ");
            text_add_shown(&line, f.name);
        }
        text_free(&f.what);
    }
    printf("%zu invariants, %zu violated%s\n", rag_result_count(report), violated,
           line.data ? line.data : "");
    if (violated && left < violated) {
        printf("%zu repaired, %zu left\n", violated - left, left);
    }
    text_free(&line);
}

static void print_report(const invocation *in, const rag_result *report, size_t left)
{
    const int all = args_given(&in->args, "verbose");
    const int repairing = args_given(&in->args, "repair");
    for (size_t i = 0; i < rag_result_count(report); i++) {
        const rag_row *row = rag_result_row(report, i);
        if (all || row->number) {
            print_finding(row, repairing);
        }
    }
    print_summary(report, left);
}

static size_t count_left(const rag_result *report)
{
    size_t left = 0;
    for (size_t i = 0; i < rag_result_count(report); i++) {
        left += !rag_result_row(report, i)->found;
    }
    return left;
}

static int check(invocation *in, rag_store *store)
{
    rag_error err = RAG_ERROR_INIT;
    rag_check_options options = RAG_CHECK_OPTIONS_INIT;
    rag_result *report = NULL;
    int status;
    if (args_given(&in->args, "repair")) {
        options.flags |= RAG_CHECK_REPAIR;
    }
    if (args_given(&in->args, "quick")) {
        options.flags |= RAG_CHECK_QUICK;
    }
    options.max_examples = (size_t)args_count(&in->args, "examples", options.max_examples);
    progress bar = { 0 };
    rag_context ctx = in->ctx;
    progress_start(&bar);
    if (bar.is_terminal) { /* a log would get a line for each invariant */
        ctx.progress = progress_report;
        ctx.user = &bar;
    }
    const rag_status made = rag_store_check(store, &ctx, &options, &report, &err);
    progress_end(&bar);
    if (made != RAG_OK) {
        status = failed(&err);
    } else {
        const size_t left = count_left(report);
        if (in->json) {
            print_json(in, report, left);
        } else {
            print_report(in, report, left);
        }
        status = left ? STATUS_PROBLEM : STATUS_OK;
    }
    rag_result_free(report);
    return status;
}

static int run_check(invocation *in)
{
    unsigned flags = RAG_OPEN_EXISTING;
    flags |= args_given(&in->args, "repair") ? 0u : (unsigned)RAG_OPEN_READ_ONLY;
    return with_store(in, flags, check);
}

static const option options[] = {
    { .name = "repair",
      .kind = OPTION_FLAG,
      .help =
          "mend what is derived from other data: counters, degrees, adjacency, names, indexes" },
    { .name = "quick", .kind = OPTION_FLAG, .help = "leave out what reads every value" },
    { .name = "examples",
      .kind = OPTION_COUNT,
      .value = "N",
      .help = "show at most N examples of a violation (10)",
      .least = 1,
      .most = 100000 },
    { .name = "verbose",
      .letter = 'v',
      .kind = OPTION_FLAG,
      .help = "show the invariants that hold, too" },
    { .name = NULL }
};

const command check_command = {
    .name = "check",
    .summary = "whether a store agrees with itself; mend what is derived",
    .usage = "  ragstore check STORE [--repair] [--quick] [--examples N] [-v]\n",
    .about = "Looks at every invariant of the store: that the file is sound, that counters,\n"
             "degrees and indexes say what the rows say, that vectors, graph, chunks and\n"
             "documents belong together. Others may read and write meanwhile. Nothing is\n"
             "changed without --repair, and with it only what can be computed from other\n"
             "data: no row is ever deleted or made up. The exit status is 0 when nothing is\n"
             "left to complain about, else 1.\n",
    .options = options,
    .words_least = 1,
    .words_most = 1,
    .examples = "  ragstore check ./my.store\n"
                "  ragstore check --repair ./my.store\n"
                "  ragstore check --json ./my.store | jq '.invariants[] | select(.holds | not)'\n",
    .opens_store = 1,
    .run = run_check,
};
