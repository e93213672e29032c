/* Files that several documents claim, and settling that.
 *
 * Which document stays is a decision of a person, who looks first and decides later, so others may
 * write in between. What keeps the decision honest is the fingerprint over the ids: the library
 * settles only what it covers. --fingerprint carries it from one run of the command to the next;
 * without it, what is there when the command starts is what counts as seen. */
#include "docs_conflicts.h"

#include <stdio.h>

/* ---- what there is ---------------------------------------------------------------------------- */

static void json_conflicts(json_writer *w, const rag_result *rows)
{
    for (size_t i = 0; i < rag_result_count(rows); i++) {
        const rag_row *row = rag_result_row(rows, i);
        json_open(w, NULL, '{', 0);
        json_text(w, "file", row->key);
        json_count(w, "documents", (uint64_t)row->number);
        json_splice(w, row->value, NULL);
        json_close(w, '}');
    }
}

/* "doc-1, doc-2, and 3 more": the ids in a list of the library, of `total`. */
static void add_ids(text *out, rag_slice object, const char *name, uint64_t total)
{
    rag_slice ids;
    json_walk walk;
    json_member id;
    uint64_t shown = 0;
    if (json_field(object, name, &ids) && json_walk_start(&walk, ids)) {
        for (; json_walk_next(&walk, &id) == 1; shown++) {
            text plain = { 0 };
            json_add_plain(&plain, id.value);
            text_add(out, shown ? ", " : "");
            text_add_shown(out, text_slice(&plain));
            text_free(&plain);
        }
    }
    if (shown < total) {
        text_add(out, ", and ");
        text_add_count(out, total - shown);
        text_add(out, " more");
    }
}

static void table_conflicts(table *t, const rag_result *rows)
{
    for (size_t i = 0; i < rag_result_count(rows); i++) {
        const rag_row *row = rag_result_row(rows, i);
        text cell = { 0 };
        table_cell_slice(t, row->key);
        table_cell_count(t, (uint64_t)row->number);
        add_ids(&cell, row->value, "sample", (uint64_t)row->number);
        table_cell(t, cell.data);
        text_free(&cell);
    }
}

static void print_conflicts(table *t, size_t count)
{
    text line = { 0 };
    if (count == 0) {
        puts("no file has several documents that are not marked as duplicates");
        return;
    }
    text_add_count(&line, count);
    printf("%s %s several documents that are not marked as duplicates\n\n", line.data,
           count == 1 ? "file has" : "files have");
    text_free(&line);
    table_print(t, 0);
    puts("\nto settle one: ragstore docs STORE --resolve-conflict FILE --primary ID");
}

int show_conflicts(const invocation *in, rag_store *store)
{
    rag_error err = RAG_ERROR_INIT;
    rag_result *rows;
    json_writer w = { 0 };
    table t = { 0 };
    text after = { 0 };
    size_t count = 0;
    rag_status status;
    table_column(&t, "file", COLUMN_LEFT);
    table_column(&t, "documents", COLUMN_RIGHT);
    table_column(&t, "ids", COLUMN_LEFT);
    json_open(&w, NULL, '{', 1);
    json_open(&w, "conflicts", '[', 1);
    do {
        rows = NULL;
        status = rag_docstatus_conflicts(store, &in->ctx, text_slice(&after), 0, &rows, &err);
        if (in->json) {
            json_conflicts(&w, rows);
        } else {
            table_conflicts(&t, rows);
        }
        count += rag_result_count(rows);
    } while (next_page(&after, rows));
    text_free(&after);
    if (status == RAG_OK && in->json) {
        json_end_of_list(&w, count);
    } else if (status == RAG_OK) {
        print_conflicts(&t, count);
    }
    text_free(&w.line);
    table_free(&t);
    return status == RAG_OK ? STATUS_OK : failed(&err);
}

/* ---- settling --------------------------------------------------------------------------------- */

static void print_json(const rag_row *row)
{
    json_writer w = { 0 };
    json_open(&w, NULL, '{', 0);
    json_text(&w, "file", row->key);
    json_text(&w, "primary", row->key2);
    json_count(&w, "documents", (uint64_t)row->number);
    json_bool(&w, "done", row->found && row->number > 1);
    json_splice(&w, row->value, NULL);
    json_close(&w, '}');
    json_end(&w);
}

static void print_settled(const rag_row *row)
{
    const uint64_t others = (uint64_t)row->number - 1;
    text line = { 0 };
    text fingerprint = { 0 };
    text_add_shown(&line, row->key2);
    if (others == 0) {
        text_add(&line, " is the only document of ");
        text_add_shown(&line, row->key);
        text_add(&line, " that is not a duplicate: there is nothing to settle.\n");
    } else {
        text_add(&line, row->found ? " stays the document of " : " would stay the document of ");
        text_add_shown(&line, row->key);
        text_add(&line, row->found ? "; marked as its duplicates: " : "; its duplicates: ");
        add_ids(&line, row->value, "demoted", others);
        text_add_char(&line, '\n');
    }
    if (others > 0 && !row->found) {
        json_plain_field(&fingerprint, row->value, "fingerprint");
        text_printf(&line,
                    "\nNothing was changed. To do it: the same with --yes, and with\n"
                    "--fingerprint %s\n"
                    "so that nothing else is done when somebody changes them meanwhile.\n",
                    fingerprint.data);
    }
    fputs(line.data, stdout);
    text_free(&line);
    text_free(&fingerprint);
}

/* The document that should stay is none of them: say which there are. */
static int not_one_of_them(const invocation *in, rag_store *store, const rag_doc_repair *repair)
{
    rag_result *primaries = NULL;
    text hint = { 0 };
    text shown = { 0 };
    text_add_shown(&shown, repair->source);
    if (rag_docstatus_resolve(store, &in->ctx, repair->source, &primaries, NULL) == RAG_OK) {
        for (size_t i = 0; i < rag_result_count(primaries); i++) {
            text_add(&hint, i ? ", " : "there is: ");
            text_add_shown(&hint, rag_result_row(primaries, i)->key);
        }
    }
    if (hint.len == 0) {
        text_add(&hint, "the files that have a conflict are listed by: ragstore docs STORE "
                        "--conflicts");
    }
    int status =
        rag_result_count(primaries) > 0
            ? complain(STATUS_PROBLEM, hint.data,
                       "'%s' is not one of the documents of %s that are no duplicates",
                       args_text(&in->args, "primary", ""), shown.data)
            : complain(STATUS_PROBLEM, hint.data, "no document has the file %s", shown.data);
    rag_result_free(primaries);
    text_free(&hint);
    text_free(&shown);
    return status;
}

static int settle_failed(const invocation *in, rag_store *store, const rag_doc_repair *repair,
                         const rag_error *err)
{
    if (err->status == RAG_E_INVALID) {
        return not_one_of_them(in, store, repair);
    }
    if (err->status == RAG_E_CONFLICT) {
        return complain(STATUS_PROBLEM, "nothing was changed; look again without --yes", "%s",
                        err->message);
    }
    return failed(err);
}

int resolve_conflict(const invocation *in, rag_store *store, const char *file)
{
    rag_error err = RAG_ERROR_INIT;
    rag_doc_repair repair = RAG_DOC_REPAIR_INIT;
    rag_result *out = NULL;
    text seen = { 0 };
    repair.source = rag_text(file);
    repair.primary_id = rag_text(args_text(&in->args, "primary", ""));
    rag_status status = rag_docstatus_repair(store, &in->ctx, &repair, &out, &err);
    if (status == RAG_OK && args_given(&in->args, "yes")) {
        const rag_row *row = rag_result_row(out, 0);
        json_plain_field(&seen, row->value, "fingerprint");
        repair.expected_count = (uint64_t)row->number;
        repair.expected_fingerprint = args_text(&in->args, "fingerprint", seen.data);
        repair.dry_run = 0;
        rag_result_free(out);
        out = NULL;
        status = rag_docstatus_repair(store, &in->ctx, &repair, &out, &err);
        if (status == RAG_OK) {
            status = rag_flush(store, &in->ctx, 0, &err); /* closing could not say that it failed */
        }
    }
    int answer = STATUS_OK;
    if (status != RAG_OK) {
        answer = settle_failed(in, store, &repair, &err);
    } else if (in->json) {
        print_json(rag_result_row(out, 0));
    } else {
        print_settled(rag_result_row(out, 0));
    }
    rag_result_free(out);
    text_free(&seen);
    return answer;
}
