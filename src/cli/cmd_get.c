/* ragstore get: rows by their names.
 *
 * One shape for all kinds: fetch them in one call, print each that is there, say on standard error
 * which are not, and answer 1 when any was not. JSON carries a place-holder for an absent row, in
 * its place, so that answers line up with questions. */
#include "command.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef enum row_kind { ROW_KV, ROW_NODE, ROW_EDGE, ROW_DOC, ROW_VECTOR } row_kind;

/* One question. */
typedef struct request {
    row_kind kind;
    const char *name_space; /* kv, vector */
    const rag_slice *keys;  /* two of them for an edge */
    size_t count;
} request;

static rag_status fetch(const invocation *in, rag_store *store, const request *r, rag_result **out,
                        rag_error *err)
{
    const rag_context *ctx = &in->ctx;
    switch (r->kind) {
    case ROW_KV: return rag_kv_get_many(store, ctx, r->name_space, r->keys, r->count, out, err);
    case ROW_NODE:
        return rag_graph_get_nodes(store, ctx, r->keys, r->count,
                                   RAG_GRAPH_VALUES | RAG_GRAPH_DEGREES, out, err);
    case ROW_EDGE: {
        rag_pair pair = { r->keys[0], r->keys[1] };
        return rag_graph_get_edges(store, ctx, &pair, 1, RAG_GRAPH_VALUES | RAG_GRAPH_DEGREES, out,
                                   err);
    }
    case ROW_DOC: return rag_docstatus_get_many(store, ctx, r->keys, r->count, out, err);
    case ROW_VECTOR: break;
    }
    return rag_vector_get_many(store, ctx, r->name_space, r->keys, r->count,
                               RAG_VECTOR_VALUES | RAG_VECTOR_VECTORS, out, err);
}

/* ---- printing --------------------------------------------------------------------------------- */

static void print_json_row(json_writer *w, const request *r, const rag_row *row)
{
    json_open(w, NULL, '{', 0);
    if (r->kind == ROW_EDGE) {
        json_text(w, "source", row->key);
        json_text(w, "target", row->key2);
    } else {
        static const char *const names[] = { "key", "label", "", "id", "id" };
        json_text(w, names[r->kind], row->key);
    }
    json_bool(w, "found", row->found);
    if (row->found) {
        if (r->kind == ROW_NODE || r->kind == ROW_EDGE) {
            json_count(w, "degree", (uint64_t)row->number);
        }
        if (r->kind == ROW_KV || r->kind == ROW_VECTOR) {
            json_count(w, "created_at", (uint64_t)row->created_at);
        }
        if (r->kind == ROW_KV) {
            json_count(w, "updated_at", (uint64_t)row->updated_at);
        }
        json_raw(w, "value", row->value);
        if (row->vector) {
            json_floats(w, "vector", row->vector, row->dimension);
        }
    }
    json_close(w, '}');
}

/* "0.0213 -0.1184 0.0021 ... (384 dimensions, length 1.0000)" */
static void add_vector(text *out, const rag_row *row)
{
    enum { SHOWN = 5 };
    double sum = 0;
    for (size_t i = 0; i < row->dimension; i++) {
        sum += (double)row->vector[i] * (double)row->vector[i];
    }
    text_add(out, "  vector");
    for (size_t i = 0; i < row->dimension && i < SHOWN; i++) {
        text_printf(out, " %.4f", (double)row->vector[i]);
    }
    text_printf(out, "%s  (%zu dimensions, length %.4f)\n", row->dimension > SHOWN ? " ..." : "",
                row->dimension, sqrt(sum));
}

static void add_heading(text *out, const request *r, const rag_row *row)
{
    text_add_shown(out, row->key);
    if (r->kind == ROW_EDGE) {
        text_add(out, " -- ");
        text_add_shown(out, row->key2);
    }
    if (r->kind == ROW_NODE) {
        text_printf(out, "  (degree %lld)", (long long)row->number);
    } else if (r->kind == ROW_EDGE) {
        text_printf(out, "  (degrees together %lld)", (long long)row->number);
    } else if (row->created_at > 0) {
        text_add(out, "  (created ");
        text_add_time(out, row->created_at);
        if (row->updated_at > 0 && row->updated_at != row->created_at) {
            text_add(out, ", updated ");
            text_add_time(out, row->updated_at);
        }
        text_add(out, " UTC)");
    }
    text_add_char(out, '\n');
}

static void print_row(const request *r, const rag_row *row)
{
    text out = { 0 };
    add_heading(&out, r, row);
    if (row->vector) {
        add_vector(&out, row);
    }
    text_add(&out, "  ");
    json_add_pretty(&out, row->value, 2);
    text_add_char(&out, '\n');
    fwrite(out.data, 1, out.len, stdout);
    text_free(&out);
}

static void say_absent(const request *r, const rag_row *row)
{
    static const char *const kinds[] = { "key", "node", "edge", "document", "vector" };
    text line = { 0 };
    text_printf(&line, "no %s '", kinds[r->kind]);
    text_add_shown(&line, row->key);
    text_add(&line, "'");
    if (r->kind == ROW_EDGE) {
        text_add(&line, " -- '");
        text_add_shown(&line, row->key2);
        text_add(&line, "'");
    }
    if (r->name_space) {
        text_printf(&line, " in %s", r->name_space);
    }
    complain(STATUS_PROBLEM, NULL, "%s", line.data);
    text_free(&line);
}

static size_t print_rows(const invocation *in, const request *r, const rag_result *rows)
{
    json_writer w = { 0 };
    size_t absent = 0;
    if (in->json) {
        json_open(&w, NULL, '[', 1);
    }
    for (size_t i = 0; i < rag_result_count(rows); i++) {
        const rag_row *row = rag_result_row(rows, i);
        if (in->json) {
            print_json_row(&w, r, row);
        } else if (row->found) {
            print_row(r, row);
        }
        absent += !row->found;
    }
    if (in->json) {
        json_close(&w, ']');
        json_end(&w);
    }
    return absent;
}

/* Say what is not there; when the whole namespace is not, say only that. */
static int report_absent(const invocation *in, rag_store *store, const request *r,
                         const rag_result *rows)
{
    const char *kind = r->kind == ROW_KV ? "kv" : "vector";
    if (r->name_space && !has_namespace(in, store, kind, r->name_space)) {
        return no_namespace(in, store, kind, r->name_space);
    }
    for (size_t i = 0; i < rag_result_count(rows); i++) {
        if (!rag_result_row(rows, i)->found) {
            say_absent(r, rag_result_row(rows, i));
        }
    }
    return STATUS_PROBLEM;
}

/* ---- the command ------------------------------------------------------------------------------ */

/* What is asked for, from the words behind STORE. 0 when they make no sense, having said so. */
static int read_request(const invocation *in, request *r, size_t *first_key)
{
    static const char *const kinds[] = { "kv", "node", "edge", "doc", "vector" };
    const char *kind = word(in, 1);
    size_t k = 0;
    while (k < 5 && strcmp(kinds[k], kind) != 0) {
        k++;
    }
    if (k == 5) {
        misused(in, "'%s' is not one of kv, node, edge, doc, vector", kind);
        return 0;
    }
    r->kind = (row_kind)k;
    *first_key = r->kind == ROW_KV || r->kind == ROW_VECTOR ? 3 : 2;
    r->name_space = *first_key == 3 ? word(in, 2) : NULL;
    r->count = in->args.word_count > *first_key ? in->args.word_count - *first_key : 0;
    if (r->kind == ROW_EDGE ? r->count != 2 : r->count == 0) {
        misused(in, "get %s needs %s", kind,
                r->kind == ROW_EDGE  ? "two labels: SRC TGT"
                : *first_key == 3    ? "a NAMESPACE and at least one key"
                : r->kind == ROW_DOC ? "at least one ID"
                                     : "at least one LABEL");
        return 0;
    }
    return 1;
}

static int answer(const invocation *in, rag_store *store, const request *r)
{
    rag_error err = RAG_ERROR_INIT;
    rag_result *rows = NULL;
    int status = STATUS_OK;
    if (fetch(in, store, r, &rows, &err) != RAG_OK) {
        if (err.status == RAG_E_NOT_FOUND && r->kind == ROW_VECTOR) {
            return no_namespace(in, store, "vector", r->name_space);
        }
        return failed(&err);
    }
    if (print_rows(in, r, rows) > 0) {
        status = report_absent(in, store, r, rows);
    }
    rag_result_free(rows);
    return status;
}

static int run_get(invocation *in)
{
    request r = { 0 };
    size_t first = 0;
    rag_store *store = NULL;
    if (!read_request(in, &r, &first)) {
        return STATUS_USAGE;
    }
    int status = open_store(in, word(in, 0), RAG_OPEN_READ_ONLY | RAG_OPEN_EXISTING, &store);
    if (status != STATUS_OK) {
        return status;
    }
    rag_slice *keys = cli_alloc(r.count, sizeof *keys);
    for (size_t i = 0; i < r.count; i++) {
        keys[i] = rag_text(word(in, first + i));
    }
    r.keys = keys;
    status = answer(in, store, &r);
    free(keys);
    rag_store_close(store);
    return status;
}

const command get_command = {
    .name = "get",
    .summary = "rows by key, label or id",
    .usage = "  ragstore get STORE kv NAMESPACE KEY...\n"
             "  ragstore get STORE node LABEL...\n"
             "  ragstore get STORE edge SRC TGT\n"
             "  ragstore get STORE doc ID...\n"
             "  ragstore get STORE vector NAMESPACE ID...\n",
    .about = "Prints what is there, and says which rows are not (exit status 1). The\n"
             "namespaces are listed by `ragstore status STORE`. An edge has no direction.\n"
             "With --json: an array with a row for each key, in the order asked, absent\n"
             "ones with \"found\": false.\n",
    .words_least = 3,
    .words_most = 100000,
    .examples = "  ragstore get ./my.store node Alice\n"
                "  ragstore get ./my.store edge Alice \"White Rabbit\"\n"
                "  ragstore get ./my.store kv text_chunks doc-1-chunk-000 --json\n"
                "  ragstore get ./my.store kv full_entities -- -key-with-a-dash\n",
    .opens_store = 1,
    .run = run_get,
};
