/* Which files of a directory are LightRAG's, by their names: the namespaces are in them, and any
 * namespace is taken, because users and LightRAG's own versions add some. Order: values, vectors,
 * graph, document status, each by name, so that two imports of one directory do the same, and what
 * says that documents are done comes last.
 *
 * Temporary siblings (name.json.tmp.*) do not match. Files of other storages that users may expect
 * to come along are listed as skipped, with the reason. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/os.h"
#include "core/slice.h"
#include "import.h"

#define DEFAULT_GRAPH "chunk_entity_relation"

const char *import_kind_text(enum import_kind kind)
{
    switch (kind) {
    case IMPORT_KV: return "kv";
    case IMPORT_VECTOR: return "vector";
    case IMPORT_GRAPH: return "graph";
    case IMPORT_DOC_STATUS: return "doc_status";
    case IMPORT_SKIPPED: break;
    }
    return "skipped";
}

/* Progress reports static text: a program may keep it. */
const char *import_stage(enum import_kind kind, rag_slice name_space)
{
    static const char *const known[] = {
        "full_docs",     "text_chunks",     "llm_response_cache", "full_entities", "full_relations",
        "entity_chunks", "relation_chunks", "entities",           "relationships", "chunks",
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (slice_is(name_space, known[i]))
            return known[i];
    switch (kind) {
    case IMPORT_KV: return "values";
    case IMPORT_VECTOR: return "vectors";
    case IMPORT_GRAPH: return "graph";
    case IMPORT_DOC_STATUS: return "doc_status";
    case IMPORT_SKIPPED: break;
    }
    return "files";
}

/* 1 when `name` is `prefix`, something, `suffix`; *middle is the something. */
static int between(const char *name, const char *prefix, const char *suffix, rag_slice *middle)
{
    const size_t n = strlen(name), a = strlen(prefix), b = strlen(suffix);
    if (n <= a + b || memcmp(name, prefix, a) != 0 || memcmp(name + (n - b), suffix, b) != 0)
        return 0;
    *middle = slice_of(name + a, n - a - b);
    return 1;
}

static int recognise(const char *name, enum import_kind *kind, rag_slice *name_space)
{
    if (between(name, "kv_store_", ".json", name_space))
        *kind = slice_is(*name_space, "doc_status") ? IMPORT_DOC_STATUS : IMPORT_KV;
    else if (between(name, "vdb_", ".json", name_space))
        *kind = IMPORT_VECTOR;
    else if (between(name, "graph_", ".graphml", name_space))
        *kind = IMPORT_GRAPH;
    else if (between(name, "faiss_index_", ".index", name_space))
        *kind = IMPORT_SKIPPED;
    else
        return 0;
    return 1;
}

static rag_status add(struct import_files *files, const char *directory, const char *name,
                      enum import_kind kind, rag_slice name_space, rag_error *err)
{
    if (files->count == files->capacity) {
        const size_t capacity = files->capacity ? files->capacity * 2 : 16;
        struct import_file *more = rag_realloc(files->items, capacity * sizeof *more);
        if (!more)
            return rag_fail_memory(err);
        files->items = more;
        files->capacity = capacity;
    }
    struct import_file *f = &files->items[files->count];
    *f = (struct import_file){
        .name = rag_strdup(name),
        .path = os_join(directory, name),
        .name_space = rag_memdup_text(name_space.data, name_space.len),
        .stage = import_stage(kind, name_space),
        .kind = kind,
    };
    files->count++; /* freed with the others, whatever became of the copies */
    if (!f->name || !f->path || !f->name_space)
        return rag_fail_memory(err);
    if (kind == IMPORT_SKIPPED)
        f->why = "the vectors of a Faiss storage are not imported";
    return RAG_OK;
}

static rag_status list(const char *directory, struct import_files *files, rag_error *err)
{
    DIR *folder = os_open_directory(directory);
    if (!folder)
        return rag_fail_errno(err, errno, "open directory %s", directory);
    rag_status status = RAG_OK;
    for (;;) {
        enum import_kind kind;
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
    (void)closedir(folder);
    return status;
}

/* A store has one graph: LightRAG's own when it is there, else the only one there is. */
static rag_status choose_graph(struct import_files *files, const char *directory, rag_error *err)
{
    struct import_file *chosen = NULL;
    size_t count = 0;
    for (size_t i = 0; i < files->count; i++) {
        struct import_file *f = &files->items[i];
        if (f->kind != IMPORT_GRAPH)
            continue;
        count++;
        if (!chosen || strcmp(f->name_space, DEFAULT_GRAPH) == 0)
            chosen = f;
    }
    if (count > 1 && strcmp(chosen->name_space, DEFAULT_GRAPH) != 0)
        return rag_fail(err, RAG_E_INVALID,
                        "%s holds %zu graphs and none is graph_" DEFAULT_GRAPH
                        ".graphml: a store has one graph",
                        directory, count);
    for (size_t i = 0; count > 1 && i < files->count; i++) {
        struct import_file *f = &files->items[i];
        if (f->kind != IMPORT_GRAPH || f == chosen)
            continue;
        f->kind = IMPORT_SKIPPED;
        f->why = "a store has one graph, and graph_" DEFAULT_GRAPH ".graphml is it";
    }
    return RAG_OK;
}

static int in_order(const void *left, const void *right)
{
    const struct import_file *a = left, *b = right;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    return strcmp(a->name, b->name);
}

/* Sizes, for progress; also: is it a file at all. Opening will say what is wrong in detail. */
static void measure(struct import_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        struct import_file *f = &files->items[i];
        struct stat st;
        if (f->kind == IMPORT_SKIPPED || os_calls.stat(f->path, &st) != 0 || st.st_size < 0)
            continue;
        f->bytes = (uint64_t)st.st_size;
        files->bytes += f->bytes;
    }
}

rag_status import_files_find(const char *directory, struct import_files *out, rag_error *err)
{
    struct import_files files = { 0 };
    rag_status status = list(directory, &files, err);
    if (status == RAG_OK)
        status = choose_graph(&files, directory, err);
    size_t wanted = 0;
    for (size_t i = 0; status == RAG_OK && i < files.count; i++)
        wanted += files.items[i].kind != IMPORT_SKIPPED;
    if (status == RAG_OK && !wanted)
        status = rag_fail(err, RAG_E_NOT_FOUND,
                          "%s holds no file of LightRAG (kv_store_*.json, vdb_*.json, "
                          "graph_*.graphml); the files of a workspace are in the directory of its "
                          "name",
                          directory);
    if (status != RAG_OK) {
        import_files_free(&files);
        return status;
    }
    qsort(files.items, files.count, sizeof *files.items, in_order);
    measure(&files);
    *out = files;
    return RAG_OK;
}

void import_files_free(struct import_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        rag_free(files->items[i].name);
        rag_free(files->items[i].path);
        rag_free(files->items[i].name_space);
    }
    rag_free(files->items);
    *files = (struct import_files){ 0 };
}
