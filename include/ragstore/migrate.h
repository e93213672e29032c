/* Movement of data between a store and other places. */
#ifndef RAGSTORE_MIGRATE_H
#define RAGSTORE_MIGRATE_H

#include "store.h"
#include "vector.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rag_import_options {
    size_t struct_size;
    unsigned threads;    /* 1 or 2; 0: as many as help (at most 2) */
    const char *model;   /* name of the embedding model for the vector spaces; NULL: unknown */
    rag_element element; /* element type of the spaces; 0: FLOAT16, which is what the files hold */
    int salvage;         /* 1: files may be truncated or damaged: save every row that is whole */
} rag_import_options;

#define RAG_IMPORT_OPTIONS_INIT { sizeof(rag_import_options), 0, NULL, (rag_element)0, 0 }

/* Read the working directory that LightRAG's default storages wrote (kv_store_*.json, vdb_*.json,
 * graph_*.graphml; any of them may be missing) into `store`, which should be freshly opened with
 * RAG_OPEN_BUILD; the caller publishes it. Memory stays bounded whatever the size of the files.
 * *report: one row per file: key = file name, key2 = kind, number = rows read, value = JSON
 * {"rows","bytes","seconds","warnings":[...]}; may be NULL. With `salvage` damage is no error and the
 * JSON also has "lost" (rows that are known to be lost), "damage":[{"at","bytes","why"},...] (where
 * in the file, in bytes; the first 1,000 of them) and "damaged" (how many places there are). The caller frees it. Reports progress
 * by bytes through the context. Expected: RAG_E_NOT_FOUND (no such directory, or no file of
 * LightRAG in it), RAG_E_CORRUPT (names file, line and byte), RAG_E_MISMATCH. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_import_lightrag(rag_store *store, const rag_context *ctx,
                                                          const char *directory,
                                                          const rag_import_options *options,
                                                          rag_result **report, rag_error *err);

typedef struct rag_export_options {
    size_t struct_size;
    int replace; /* 1: files of LightRAG that are there are replaced, one by one */
} rag_export_options;

#define RAG_EXPORT_OPTIONS_INIT { sizeof(rag_export_options), 0 }

/* Write the store as LightRAG's default storages would have written it into `directory`, which is
 * made when it is missing: kv_store_*.json, vdb_*.json and graph_chunk_entity_relation.graphml, each
 * written beside, synced and renamed. Vectors are written as float16 with a float32 matrix of the
 * normalised rows. Pending rows have no place in these files: they are counted in "warnings". Memory
 * stays bounded. The files are consistent with each other as long as nobody writes to the store
 * meanwhile. *report as for the import. Expected: RAG_E_CONFLICT (files are there, and not
 * `replace`), RAG_E_INVALID (a name of a namespace that cannot be a file name). */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_export_lightrag(rag_store *store, const rag_context *ctx,
                                                          const char *directory,
                                                          const rag_export_options *options,
                                                          rag_result **report, rag_error *err);

#ifdef __cplusplus
}
#endif
#endif
