/* What a store holds, as names of files. Every namespace becomes the file that LightRAG's default
 * storage for it would have, and the names must lead back: a KV namespace called "doc_status" would be
 * read as document status, so it is refused, and so is a name that is too long for a file with room for
 * the ending of a temporary one. Internal namespaces (".name") are not exported. */
#include <string.h>

#include "core/alloc.h"
#include "core/json_object.h"
#include "core/os.h"
#include "export.h"

static const char temporary_ending[] = ".tmp.4194304.aside";

static const char *const beginnings[] = { "kv_store_", "vdb_", "graph_", "kv_store_" };
static const char *const endings[] = { ".json", ".json", ".graphml", ".json" };

/* 0: a kind that has no file. */
static int kind_of(rag_slice text, enum import_kind *kind)
{
    static const struct {
        const char *text;
        enum import_kind kind;
    } kinds[] = {
        { "kv", IMPORT_KV },
        { "vector", IMPORT_VECTOR },
        { "graph_nodes", IMPORT_GRAPH },
        { "graph_edges", IMPORT_GRAPH },
        { "doc_status", IMPORT_DOC_STATUS },
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

static rag_status name_file(struct import_file *f, const char *directory, rag_slice name_space,
                            rag_error *err)
{
    struct buffer name = BUFFER_INIT(LIMIT_NAME_BYTES - sizeof temporary_ending);
    if (f->kind == IMPORT_KV && slice_is(name_space, "doc_status"))
        return rag_fail(err, RAG_E_INVALID,
                        "KV namespace 'doc_status' would have the file of the document status");
    if (strlen(beginnings[f->kind]) + name_space.len + strlen(endings[f->kind]) > name.limit)
        return rag_fail(err, RAG_E_INVALID, "the name of namespace '%.*s' is too long for a file",
                        RAG_SHOWN(name_space));
    const rag_status status =
        buffer_printf(&name, err, "%s%.*s%s", beginnings[f->kind], (int)name_space.len,
                      (const char *)name_space.data, endings[f->kind]);
    if (status != RAG_OK) {
        buffer_free(&name);
        return status;
    }
    f->name = name.data;
    f->path = os_join(directory, f->name);
    f->name_space = rag_memdup_text(name_space.data, name_space.len);
    f->stage = import_stage(f->kind, name_space);
    return f->path && f->name_space ? RAG_OK : rag_fail_memory(err);
}

/* Take in one row of rag_store_namespaces(). */
static rag_status add(struct export_plan *plan, const char *directory, const rag_row *row,
                      rag_error *err)
{
    enum import_kind kind;
    rag_slice name = row->key2;
    if (!kind_of(row->key, &kind) || (name.len && *(const char *)name.data == '.'))
        return RAG_OK;
    plan->rows += (uint64_t)row->number;
    struct export_target *t = plan->count ? &plan->targets[plan->count - 1] : NULL;
    if (kind == IMPORT_GRAPH)
        name = rag_text("chunk_entity_relation");
    if (kind == IMPORT_DOC_STATUS)
        name = rag_text("doc_status");
    if (kind != IMPORT_GRAPH || !t || t->file.kind != IMPORT_GRAPH) {
        t = &plan->targets[plan->count++]; /* freed with the others, whatever becomes of it */
        *t = (struct export_target){ .file = { .kind = kind } };
        RAG_TRY(name_file(&t->file, directory, name, err));
    }
    t->rows += (uint64_t)row->number;
    return read_pending(row, &t->pending, err);
}

/* One kind at a time: the order of an import, whatever the order of the rows. */
static rag_status add_kind(struct export_plan *plan, const char *directory, const rag_result *rows,
                           enum import_kind wanted, rag_error *err)
{
    enum import_kind kind;
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
        if (t->file.kind == IMPORT_VECTOR)
            RAG_TRY(rag_vector_describe(store, ctx, t->file.name_space, &t->space, err));
    }
    return RAG_OK;
}

rag_status export_plan_make(rag_store *store, const rag_context *ctx, const char *directory,
                            struct export_plan *out, rag_error *err)
{
    static const enum import_kind order[] = { IMPORT_KV, IMPORT_VECTOR, IMPORT_GRAPH,
                                              IMPORT_DOC_STATUS };
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
    for (size_t i = 0; i < plan->count; i++) {
        rag_free(plan->targets[i].file.name);
        rag_free(plan->targets[i].file.path);
        rag_free(plan->targets[i].file.name_space);
    }
    rag_free(plan->targets);
    *plan = (struct export_plan){ 0 };
}
