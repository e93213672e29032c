/* What an import says about each file, and errors of the store with the name of the file that they
 * came from. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/result.h"
#include "import.h"

static int by_place(const void *left, const void *right)
{
    const struct lightrag_fault *a = left, *b = right;
    return a->at < b->at ? -1 : a->at > b->at;
}

static rag_status append_faults(struct buffer *out, const struct lightrag_damage *d, size_t room,
                                int *any, rag_error *err)
{
    if (d->count)
        qsort(d->faults, d->count, sizeof *d->faults, by_place);
    for (size_t i = 0; i < d->count && i < room; i++) {
        const struct lightrag_fault *f = &d->faults[i];
        RAG_TRY(buffer_printf(out, err, "%s{\"at\":%llu,\"bytes\":%llu,\"why\":", *any ? "," : "",
                              (unsigned long long)f->at, (unsigned long long)f->length));
        RAG_TRY(
            buffer_append_json_string(out, slice_of(d->text.data + f->why.at, f->why.len), err));
        RAG_TRY(buffer_append_char(out, '}', err));
        *any = 1;
    }
    return RAG_OK;
}

/* What a salvage found: by the reader, and by the store. */
static rag_status append_damage(struct buffer *out, const struct lightrag_damage *read,
                                const struct import_writer *writer, rag_error *err)
{
    const struct lightrag_damage *refused = writer->damage;
    const size_t left = LIMIT_SALVAGE_FAULTS - read->count;
    int any = 0;
    if (!refused)
        return RAG_OK;
    RAG_TRY(buffer_printf(out, err, ",\"lost\":%llu,\"at_least\":%s,\"damaged\":%llu",
                          (unsigned long long)(read->lost + refused->lost),
                          read->at_least ? "true" : "false",
                          (unsigned long long)(read->places + refused->places)));
    if (writer->ends_without_node)
        RAG_TRY(buffer_printf(out, err, ",\"ends_without_node\":%llu",
                              (unsigned long long)writer->ends_without_node));
    RAG_TRY(buffer_append_text(out, ",\"damage\":[", err));
    RAG_TRY(append_faults(out, read, LIMIT_SALVAGE_FAULTS, &any, err));
    RAG_TRY(append_faults(out, refused, left, &any, err));
    return buffer_append_char(out, ']', err);
}

static rag_status append_facts(struct buffer *out, const struct lightrag_file *file,
                               const struct lightrag_summary *s, const struct import_writer *writer,
                               double seconds, rag_error *err)
{
    RAG_TRY(buffer_append_text(out, "{\"namespace\":", err));
    RAG_TRY(buffer_append_json_string(out, rag_text(file->name_space), err));
    RAG_TRY(buffer_printf(out, err, ",\"rows\":%llu,\"bytes\":%llu,\"seconds\":%.3f",
                          (unsigned long long)(s->rows - writer->refused),
                          (unsigned long long)file->bytes, seconds));
    if (file->kind == LIGHTRAG_FILE_GRAPH)
        RAG_TRY(buffer_printf(out, err, ",\"nodes\":%llu,\"edges\":%llu",
                              (unsigned long long)s->nodes, (unsigned long long)s->edges));
    if (file->kind == LIGHTRAG_FILE_VECTOR)
        RAG_TRY(buffer_printf(out, err, ",\"dimension\":%u", s->dimension));
    if (s->completed)
        RAG_TRY(buffer_printf(out, err, ",\"completed\":%llu", (unsigned long long)s->completed));
    RAG_TRY(append_damage(out, &s->damage, writer, err));
    if (s->warning_count > LIMIT_IMPORT_WARNINGS)
        RAG_TRY(buffer_printf(out, err, ",\"more_warnings\":%zu",
                              s->warning_count - LIMIT_IMPORT_WARNINGS));
    RAG_TRY(buffer_append_text(out, ",\"warnings\":[", err));
    RAG_TRY(buffer_append(out, s->warnings.data, s->warnings.len, err));
    return buffer_append_text(out, "]}", err);
}

rag_status import_report_file(rag_result *report, const struct lightrag_file *file,
                              const struct lightrag_summary *summary, double seconds,
                              rag_error *err)
{
    static const struct import_writer none;
    return import_report_written(report, file, summary, &none, seconds, err);
}

rag_status import_report_written(rag_result *report, const struct lightrag_file *file,
                                 const struct lightrag_summary *summary,
                                 const struct import_writer *writer, double seconds, rag_error *err)
{
    struct buffer value = BUFFER_INIT((size_t)16 << 20);
    rag_status status = append_facts(&value, file, summary, writer, seconds, err);
    if (status == RAG_OK) {
        const rag_row row = { .key = rag_text(file->name),
                              .key2 = rag_text(lightrag_file_kind_text(file->kind)),
                              .value = buffer_slice(&value),
                              .found = 1,
                              .number = (int64_t)(summary->rows - writer->refused) };
        status = rag_result_append(report, &row, err);
    }
    buffer_free(&value);
    return status;
}

rag_status import_report_missing(rag_result *report, const struct lightrag_files *files,
                                 rag_error *err)
{
    static const char *const usual[] = {
        "kv_store_full_docs.json",
        "kv_store_text_chunks.json",
        "kv_store_llm_response_cache.json",
        "kv_store_full_entities.json",
        "kv_store_full_relations.json",
        "kv_store_entity_chunks.json",
        "kv_store_relation_chunks.json",
        "kv_store_doc_status.json",
        "vdb_entities.json",
        "vdb_relationships.json",
        "vdb_chunks.json",
        "graph_chunk_entity_relation.graphml",
    };
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++) {
        size_t j = 0;
        while (j < files->count && strcmp(files->items[j].name, usual[i]) != 0)
            j++;
        if (j < files->count)
            continue;
        const rag_row row = {
            .key = rag_text(usual[i]),
            .key2 = rag_text("missing"),
            .value = rag_text("{\"rows\":0,\"bytes\":0,\"seconds\":0,\"warnings\":[]}"),
            .found = 1,
        };
        RAG_TRY(rag_result_append(report, &row, err));
    }
    return RAG_OK;
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
