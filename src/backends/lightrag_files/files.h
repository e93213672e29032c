/* Which files there are: names, kinds, order. */
#ifndef LIGHTRAG_FILES_FILES_H
#define LIGHTRAG_FILES_FILES_H

#include <stddef.h>
#include <stdint.h>

#include "batch.h"
#include "core/error.h"

enum lightrag_file_kind {
    LIGHTRAG_FILE_KV,
    LIGHTRAG_FILE_VECTOR,
    LIGHTRAG_FILE_GRAPH,
    LIGHTRAG_FILE_DOC_STATUS,
    LIGHTRAG_FILE_SKIPPED
};

/* What the graph and the document status are called in names of files. */
#define LIGHTRAG_GRAPH_NAME "chunk_entity_relation"
#define LIGHTRAG_DOCS_NAME "doc_status"

struct lightrag_file {
    char *name;        /* in the directory */
    char *path;        /* memory of its own */
    char *name_space;  /* memory of its own; of a graph what its file is called after */
    const char *stage; /* static text */
    const char *why;   /* LIGHTRAG_FILE_SKIPPED: static text */
    enum lightrag_file_kind kind;
    uint64_t bytes;
};

struct lightrag_files {
    struct lightrag_file *items;
    size_t count, capacity;
    uint64_t bytes; /* of all that are read */
};

/* What LightRAG's default storages wrote into `directory`, in the order in which it is read.
 * RAG_E_NOT_FOUND when there is nothing. */
rag_status lightrag_files_find(const char *directory, struct lightrag_files *out, rag_error *err);
void lightrag_files_free(struct lightrag_files *files);

/* The file of a namespace in `directory`, whether it is there or not. RAG_E_INVALID: its name would
 * not lead back to the namespace, or is too long. On failure *out is to be freed as well. */
rag_status lightrag_file_of(const char *directory, enum lightrag_file_kind kind,
                            rag_slice name_space, struct lightrag_file *out, rag_error *err);
void lightrag_file_free(struct lightrag_file *file);

const char *lightrag_file_kind_text(enum lightrag_file_kind kind); /* "kv", ... */
/* What progress is reported as: static text. */
const char *lightrag_file_stage(enum lightrag_file_kind kind, rag_slice name_space);

/* The reader of a file of this kind. */
rag_status lightrag_read_file(enum lightrag_file_kind kind, struct lightrag_job *job,
                              rag_error *err);

#endif
