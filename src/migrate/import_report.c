/* What an import says about each file, and errors of the store with the name of the file that they
 * came from. */
#include <stdio.h>
#include <string.h>

#include "core/result.h"
#include "import.h"

static rag_status append_facts(struct buffer *out, const struct import_file *file,
                               const struct lightrag_summary *s, double seconds, rag_error *err)
{
    RAG_TRY(buffer_append_text(out, "{\"namespace\":", err));
    RAG_TRY(buffer_append_json_string(out, rag_text(file->name_space), err));
    RAG_TRY(buffer_printf(out, err, ",\"rows\":%llu,\"bytes\":%llu,\"seconds\":%.3f",
                          (unsigned long long)s->rows, (unsigned long long)file->bytes, seconds));
    if (file->kind == IMPORT_GRAPH)
        RAG_TRY(buffer_printf(out, err, ",\"nodes\":%llu,\"edges\":%llu",
                              (unsigned long long)s->nodes, (unsigned long long)s->edges));
    if (file->kind == IMPORT_VECTOR)
        RAG_TRY(buffer_printf(out, err, ",\"dimension\":%u", s->dimension));
    if (s->warning_count > LIMIT_IMPORT_WARNINGS)
        RAG_TRY(buffer_printf(out, err, ",\"more_warnings\":%zu",
                              s->warning_count - LIMIT_IMPORT_WARNINGS));
    RAG_TRY(buffer_append_text(out, ",\"warnings\":[", err));
    RAG_TRY(buffer_append(out, s->warnings.data, s->warnings.len, err));
    return buffer_append_text(out, "]}", err);
}

rag_status import_report_file(rag_result *report, const struct import_file *file,
                              const struct lightrag_summary *summary, double seconds,
                              rag_error *err)
{
    struct buffer value = BUFFER_INIT(summary->warnings.len + 10000);
    rag_status status = append_facts(&value, file, summary, seconds, err);
    if (status == RAG_OK) {
        const rag_row row = { .key = rag_text(file->name),
                              .key2 = rag_text(import_kind_text(file->kind)),
                              .value = buffer_slice(&value),
                              .found = 1,
                              .number = (int64_t)summary->rows };
        status = rag_result_append(report, &row, err);
    }
    buffer_free(&value);
    return status;
}

void import_name_file(rag_error *err, const char *name)
{
    char message[RAG_ERROR_MESSAGE_MAX + 256];
    if (!err || err->status == RAG_E_CANCELLED || err->status == RAG_E_TIMEOUT)
        return;
    (void)snprintf(message, sizeof message, "%.200s: %s", name, err->message);
    memcpy(err->message, message, sizeof err->message);
    err->message[sizeof err->message - 1] = 0;
}
