/* Which files of a directory are LightRAG's, by their names: the namespaces are in them, and any
 * namespace is taken, because users and LightRAG's own versions add some. Order: values, vectors,
 * graph, document status, each by name, so that two imports of one directory do the same, and what
 * says that documents are done comes last.
 *
 * Temporary siblings (name.json.tmp.*) do not match. Files of other storages that users may expect
 * to come along are listed as skipped, with the reason. */
#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/limits.h"
#include "core/os.h"
#include "core/slice.h"
#include "graphml_reader.h"
#include "json_kv_reader.h"
#include "nano_reader.h"

static const char temporary_ending[] = ".tmp.4194304.aside";

static const char *const beginnings[] = { "kv_store_", "vdb_", "graph_", "kv_store_",
                                          "faiss_index_" };
static const char *const endings[] = { ".json", ".json", ".graphml", ".json", ".index" };

const char *lightrag_file_kind_text(enum lightrag_file_kind kind)
{
    switch (kind) {
    case LIGHTRAG_FILE_KV: return "kv";
    case LIGHTRAG_FILE_VECTOR: return "vector";
    case LIGHTRAG_FILE_GRAPH: return "graph";
    case LIGHTRAG_FILE_DOC_STATUS: return "doc_status";
    case LIGHTRAG_FILE_SKIPPED: break;
    }
    return "skipped";
}

/* Progress reports static text: a program may keep it. */
const char *lightrag_file_stage(enum lightrag_file_kind kind, rag_slice name_space)
{
    static const char *const known[] = {
        "full_docs",     "text_chunks",     "llm_response_cache", "full_entities", "full_relations",
        "entity_chunks", "relation_chunks", "entities",           "relationships", "chunks",
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (slice_is(name_space, known[i]))
            return known[i];
    switch (kind) {
    case LIGHTRAG_FILE_KV: return "values";
    case LIGHTRAG_FILE_VECTOR: return "vectors";
    case LIGHTRAG_FILE_GRAPH: return "graph";
    case LIGHTRAG_FILE_DOC_STATUS: return "doc_status";
    case LIGHTRAG_FILE_SKIPPED: break;
    }
    return "files";
}

/* 1 when `name` begins and ends like a file of this kind; *middle is what is between. */
static int between(const char *name, enum lightrag_file_kind kind, rag_slice *middle)
{
    const char *prefix = beginnings[kind], *suffix = endings[kind];
    const size_t n = strlen(name), a = strlen(prefix), b = strlen(suffix);
    if (n <= a + b || memcmp(name, prefix, a) != 0 || memcmp(name + (n - b), suffix, b) != 0)
        return 0;
    *middle = slice_of(name + a, n - a - b);
    return 1;
}

static int recognise(const char *name, enum lightrag_file_kind *kind, rag_slice *name_space)
{
    if (between(name, LIGHTRAG_FILE_KV, name_space))
        *kind =
            slice_is(*name_space, LIGHTRAG_DOCS_NAME) ? LIGHTRAG_FILE_DOC_STATUS : LIGHTRAG_FILE_KV;
    else if (between(name, LIGHTRAG_FILE_VECTOR, name_space))
        *kind = LIGHTRAG_FILE_VECTOR;
    else if (between(name, LIGHTRAG_FILE_GRAPH, name_space))
        *kind = LIGHTRAG_FILE_GRAPH;
    else if (between(name, LIGHTRAG_FILE_SKIPPED, name_space))
        *kind = LIGHTRAG_FILE_SKIPPED;
    else
        return 0;
    return 1;
}

static rag_status add(struct lightrag_files *files, const char *directory, const char *name,
                      enum lightrag_file_kind kind, rag_slice name_space, rag_error *err)
{
    if (files->count == files->capacity) {
        const size_t capacity = files->capacity ? files->capacity * 2 : 16;
        struct lightrag_file *more = rag_realloc(files->items, capacity * sizeof *more);
        if (!more)
            return rag_fail_memory(err);
        files->items = more;
        files->capacity = capacity;
    }
    struct lightrag_file *f = &files->items[files->count];
    *f = (struct lightrag_file){
        .name = rag_strdup(name),
        .path = os_join(directory, name),
        .name_space = rag_memdup_text(name_space.data, name_space.len),
        .stage = lightrag_file_stage(kind, name_space),
        .kind = kind,
    };
    files->count++; /* freed with the others, whatever became of the copies */
    if (!f->name || !f->path || !f->name_space)
        return rag_fail_memory(err);
    if (kind == LIGHTRAG_FILE_SKIPPED)
        f->why = "the vectors of a Faiss storage are not imported";
    return RAG_OK;
}

static rag_status list(const char *directory, struct lightrag_files *files, rag_error *err)
{
    DIR *folder = os_open_directory(directory);
    if (!folder)
        return rag_fail_errno(err, errno, "open directory %s", directory);
    rag_status status = RAG_OK;
    for (;;) {
        enum lightrag_file_kind kind;
        rag_slice name_space;
        errno = 0;
        const struct dirent *entry = readdir(folder);
        if (!entry)
            break;
        if (recognise(entry->d_name, &kind, &name_space))
            RAG_TRY_CLEANUP(add(files, directory, entry->d_name, kind, name_space, err));
    }
    if (errno)
        status = rag_fail_errno(err, errno, "read directory %s", directory);
cleanup:
    os_close_directory(folder);
    return status;
}

/* A store has one graph: LightRAG's own when it is there, else the only one there is. */
static rag_status choose_graph(struct lightrag_files *files, const char *directory, rag_error *err)
{
    struct lightrag_file *chosen = NULL;
    size_t count = 0;
    for (size_t i = 0; i < files->count; i++) {
        struct lightrag_file *f = &files->items[i];
        if (f->kind != LIGHTRAG_FILE_GRAPH)
            continue;
        count++;
        if (!chosen || strcmp(f->name_space, LIGHTRAG_GRAPH_NAME) == 0)
            chosen = f;
    }
    if (count > 1 && strcmp(chosen->name_space, LIGHTRAG_GRAPH_NAME) != 0)
        return rag_fail(err, RAG_E_INVALID,
                        "%s holds %zu graphs and none is graph_" LIGHTRAG_GRAPH_NAME
                        ".graphml: a store has one graph",
                        directory, count);
    for (size_t i = 0; count > 1 && i < files->count; i++) {
        struct lightrag_file *f = &files->items[i];
        if (f->kind != LIGHTRAG_FILE_GRAPH || f == chosen)
            continue;
        f->kind = LIGHTRAG_FILE_SKIPPED;
        f->why = "a store has one graph, and graph_" LIGHTRAG_GRAPH_NAME ".graphml is it";
    }
    return RAG_OK;
}

static int in_order(const void *left, const void *right)
{
    const struct lightrag_file *a = left, *b = right;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    return strcmp(a->name, b->name);
}

/* Sizes, for progress; also: is it a file at all. Opening will say what is wrong in detail. */
static void measure(struct lightrag_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        struct lightrag_file *f = &files->items[i];
        struct stat st;
        if (f->kind == LIGHTRAG_FILE_SKIPPED || os_calls.stat(f->path, &st) != 0 || st.st_size < 0)
            continue;
        f->bytes = (uint64_t)st.st_size;
        files->bytes += f->bytes;
    }
}

rag_status lightrag_files_find(const char *directory, struct lightrag_files *out, rag_error *err)
{
    struct lightrag_files files = { 0 };
    rag_status status = list(directory, &files, err);
    if (status == RAG_OK)
        status = choose_graph(&files, directory, err);
    size_t wanted = 0;
    for (size_t i = 0; status == RAG_OK && i < files.count; i++)
        wanted += files.items[i].kind != LIGHTRAG_FILE_SKIPPED;
    if (status == RAG_OK && !wanted)
        status = rag_fail(err, RAG_E_NOT_FOUND,
                          "%s holds no file of LightRAG (kv_store_*.json, vdb_*.json, "
                          "graph_*.graphml); the files of a workspace are in the directory of its "
                          "name",
                          directory);
    if (status != RAG_OK) {
        lightrag_files_free(&files);
        return status;
    }
    qsort(files.items, files.count, sizeof *files.items, in_order);
    measure(&files);
    *out = files;
    return RAG_OK;
}

void lightrag_file_free(struct lightrag_file *file)
{
    rag_free(file->name);
    rag_free(file->path);
    rag_free(file->name_space);
}

void lightrag_files_free(struct lightrag_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        lightrag_file_free(&files->items[i]);
    rag_free(files->items);
    *files = (struct lightrag_files){ 0 };
}

rag_status lightrag_file_of(const char *directory, enum lightrag_file_kind kind,
                            rag_slice name_space, struct lightrag_file *out, rag_error *err)
{
    struct buffer name = BUFFER_INIT(LIMIT_NAME_BYTES - sizeof temporary_ending);
    *out = (struct lightrag_file){ .kind = kind };
    if (kind == LIGHTRAG_FILE_KV && slice_is(name_space, LIGHTRAG_DOCS_NAME))
        return rag_fail(err, RAG_E_INVALID,
                        "KV namespace 'doc_status' would have the file of the document status");
    if (strlen(beginnings[kind]) + name_space.len + strlen(endings[kind]) > name.limit)
        return rag_fail(err, RAG_E_INVALID, "the name of namespace '%.*s' is too long for a file",
                        RAG_SHOWN(name_space));
    const rag_status status =
        buffer_printf(&name, err, "%s%.*s%s", beginnings[kind], (int)name_space.len,
                      (const char *)name_space.data, endings[kind]);
    if (status != RAG_OK) {
        buffer_free(&name);
        return status;
    }
    out->name = name.data;
    out->path = os_join(directory, out->name);
    out->name_space = rag_memdup_text(name_space.data, name_space.len);
    out->stage = lightrag_file_stage(kind, name_space);
    return out->path && out->name_space ? RAG_OK : rag_fail_memory(err);
}

rag_status lightrag_read_file(enum lightrag_file_kind kind, struct lightrag_job *job,
                              rag_error *err)
{
    switch (kind) {
    case LIGHTRAG_FILE_KV: return lightrag_read_kv(job, err);
    case LIGHTRAG_FILE_DOC_STATUS: return lightrag_read_docs(job, err);
    case LIGHTRAG_FILE_VECTOR: return lightrag_read_vectors(job, err);
    case LIGHTRAG_FILE_GRAPH: return lightrag_read_graph(job, err);
    case LIGHTRAG_FILE_SKIPPED: break;
    }
    return RAG_OK;
}
