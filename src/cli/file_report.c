/* The report of rag_import_lightrag() and rag_export_lightrag(), which have the same form: one row for
 * each file. Warnings are not errors and go to standard error, so that standard output holds the
 * result and nothing else. */
#include "file_report.h"

#include "command.h"
#include "progress.h"

file_sums file_report_sums(const rag_result *report)
{
    file_sums s = { 0, 0 };
    for (size_t i = 0; i < rag_result_count(report); i++) {
        const rag_row *row = rag_result_row(report, i);
        s.rows += (uint64_t)row->number;
        s.bytes += (uint64_t)json_number_field(row->value, "bytes", 0);
    }
    return s;
}

static void warn_of(const rag_row *row)
{
    rag_slice warnings;
    json_walk w;
    json_member m;
    text name = { 0 };
    text_add_shown(&name, row->key);
    if (json_field(row->value, "warnings", &warnings) && json_walk_start(&w, warnings)) {
        while (json_walk_next(&w, &m) == 1) {
            text plain = { 0 };
            json_add_plain(&plain, m.value);
            text_add(&plain, "");
            complain(0, NULL, "warning: %s: %s", name.data, plain.data);
            text_free(&plain);
        }
    }
    double more = json_number_field(row->value, "more_warnings", 0);
    if (more > 0) {
        complain(0, NULL, "warning: %s: %.0f more of such warnings", name.data, more);
    }
    text_free(&name);
}

void file_report_warnings(const rag_result *report)
{
    for (size_t i = 0; i < rag_result_count(report); i++) {
        warn_of(rag_result_row(report, i));
    }
}

void file_report_table(const rag_result *report)
{
    table t = { 0 };
    table_column(&t, "file", COLUMN_LEFT);
    table_column(&t, "kind", COLUMN_LEFT);
    table_column(&t, "rows", COLUMN_RIGHT);
    table_column(&t, "size", COLUMN_RIGHT);
    table_column(&t, "time", COLUMN_RIGHT);
    for (size_t i = 0; i < rag_result_count(report); i++) {
        const rag_row *row = rag_result_row(report, i);
        table_cell_slice(&t, row->key);
        table_cell_slice(&t, row->key2);
        table_cell_count(&t, (uint64_t)row->number);
        table_cell_size(&t, (uint64_t)json_number_field(row->value, "bytes", 0));
        table_cell_seconds(&t, json_number_field(row->value, "seconds", 0));
    }
    table_print(&t, 0);
}

void file_report_json(json_writer *w, const rag_result *report)
{
    static const char *const except[] = { "file", "kind", "rows", NULL };
    json_open(w, "files", '[', 1);
    for (size_t i = 0; i < rag_result_count(report); i++) {
        const rag_row *row = rag_result_row(report, i);
        json_open(w, NULL, '{', 0);
        json_text(w, "file", row->key);
        json_text(w, "kind", row->key2);
        json_count(w, "rows", (uint64_t)row->number);
        json_splice(w, row->value, except);
        json_close(w, '}');
    }
    json_close(w, ']');
}

void file_report_log(void *user, rag_log_level level, const char *message)
{
    if (level <= RAG_LOG_WARNING) {
        progress_end(user);
        complain(0, NULL, "%s%s", level == RAG_LOG_WARNING ? "warning: " : "", message);
    }
}
