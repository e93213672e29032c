/* What a store holds, as names of files. Every namespace becomes the file that LightRAG's default
 * storage for it would have, and the names must lead back: a KV namespace called "doc_status" would be
 * read as document status, so it is refused, and so is a name that is too long for a file with room for
 * the ending of a temporary one. Internal namespaces (".name") are not exported. */
#include <string.h>

#include "core/alloc.h"
#include "core/json_object.h"
#include "core/os.h"
#include "export.h"

/* 0: a kind that has no file. */
static int kind_of(rag_slice text, enum lightrag_file_kind *kind)
{
    static const struct {
        const char *text;
        enum lightrag_file_kind kind;
    } kinds[] = {
        { "kv", LIGHTRAG_FILE_KV },
        { "vector", LIGHTRAG_FILE_VECTOR },
        { "graph_nodes", LIGHTRAG_FILE_GRAPH },
        { "graph_edges", LIGHTRAG_FILE_GRAPH },
        { "doc_status", LIGHTRAG_FILE_DOC_STATUS },
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (slice_is(text, kinds[i].text)) {
            *kind = kinds[i].kind;
            return 1;
        }
    }
    return 0;
}

/* "pending" of what a namespace says of itself. */
static rag_status read_pending(const rag_row *row, uint64_t *pending, rag_error *err)
{
    struct json_object object;
    struct json_member m;
    int64_t number;
    RAG_TRY(json_object_parse(row->value, "description of", row->key2, &object, err));
    struct json_cursor cursor = json_members(&object);
    while (json_next(&cursor, &m))
        if (slice_is(m.name, "pending") && m.type == JSON_NUMBER && json_integer(m.text, &number) &&
            number > 0)
            *pending += (uint64_t)number;
    json_object_free(&object);
    return RAG_OK;
}

/* Take in one row of rag_store_namespaces(). */
static rag_status add(struct export_plan *plan, const char *directory, const rag_row *row,
                      rag_error *err)
{
    enum lightrag_file_kind kind;
    rag_slice name = row->key2;
    if (!kind_of(row->key, &kind) || (name.len && *(const char *)name.data == '.'))
        return RAG_OK;
    plan->rows += (uint64_t)row->number;
    struct export_target *t = plan->count ? &plan->targets[plan->count - 1] : NULL;
    if (kind == LIGHTRAG_FILE_GRAPH)
        name = rag_text(LIGHTRAG_GRAPH_NAME);
    if (kind == LIGHTRAG_FILE_DOC_STATUS)
        name = rag_text(LIGHTRAG_DOCS_NAME);
    if (kind != LIGHTRAG_FILE_GRAPH || !t || t->file.kind != LIGHTRAG_FILE_GRAPH) {
        t = &plan->targets[plan->count++]; /* freed with the others, whatever becomes of it */
        *t = (struct export_target){ .rows = 0 };
        RAG_TRY(lightrag_file_of(directory, kind, name, &t->file, err));
    }
    t->rows += (uint64_t)row->number;
    return read_pending(row, &t->pending, err);
}

/* One kind at a time: the order of an import, whatever the order of the rows. */
static rag_status add_kind(struct export_plan *plan, const char *directory, const rag_result *rows,
                           enum lightrag_file_kind wanted, rag_error *err)
{
    enum lightrag_file_kind kind;
    for (size_t i = 0; i < rag_result_count(rows); i++) {
        const rag_row *row = rag_result_row(rows, i);
        if (kind_of(row->key, &kind) && kind == wanted)
            RAG_TRY(add(plan, directory, row, err));
    }
    return RAG_OK;
}

static rag_status describe_spaces(rag_store *store, const rag_context *ctx,
                                  struct export_plan *plan, rag_error *err)
{
    for (size_t i = 0; i < plan->count; i++) {
        struct export_target *t = &plan->targets[i];
        t->space = (rag_vector_space)RAG_VECTOR_SPACE_INIT;
        if (t->file.kind == LIGHTRAG_FILE_VECTOR)
            RAG_TRY(rag_vector_describe(store, ctx, t->file.name_space, &t->space, err));
    }
    return RAG_OK;
}

rag_status export_plan_make(rag_store *store, const rag_context *ctx, const char *directory,
                            struct export_plan *out, rag_error *err)
{
    static const enum lightrag_file_kind order[] = { LIGHTRAG_FILE_KV, LIGHTRAG_FILE_VECTOR,
                                                     LIGHTRAG_FILE_GRAPH,
                                                     LIGHTRAG_FILE_DOC_STATUS };
    struct export_plan plan = { 0 };
    rag_result *rows = NULL;
    RAG_TRY(rag_store_namespaces(store, ctx, &rows, err));
    plan.targets = rag_alloc_zeroed(rag_result_count(rows) + 1, sizeof *plan.targets);
    rag_status status = plan.targets ? RAG_OK : rag_fail_memory(err);
    for (size_t i = 0; status == RAG_OK && i < sizeof order / sizeof order[0]; i++)
        status = add_kind(&plan, directory, rows, order[i], err);
    if (status == RAG_OK)
        status = describe_spaces(store, ctx, &plan, err);
    rag_result_free(rows);
    if (status == RAG_OK)
        *out = plan;
    else
        export_plan_free(&plan);
    return status;
}

int export_plan_has(const struct export_plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->count; i++)
        if (strcmp(plan->targets[i].file.name, name) == 0)
            return 1;
    return 0;
}

void export_plan_free(struct export_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++)
        lightrag_file_free(&plan->targets[i].file);
    rag_free(plan->targets);
    *plan = (struct export_plan){ 0 };
}
