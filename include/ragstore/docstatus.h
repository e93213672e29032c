/* The status of each document on its way through the pipeline.
 *
 * A row is a JSON object. The members status, created_at, updated_at (ISO 8601 text), file_path,
 * track_id, content_hash and metadata are looked at; any others are kept. A put replaces the row
 * and is durable when it returns, together with everything committed before it; a row without
 * "chunks_list" gets an empty one. */
#ifndef RAGSTORE_DOCSTATUS_H
#define RAGSTORE_DOCSTATUS_H

#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rag_doc {
    rag_slice id;
    rag_slice value; /* JSON object with at least "status" */
} rag_doc;

/* Put n rows, all or none. Inside a transaction they are durable with its commit. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_docstatus_put_many(rag_store *store,
                                                             const rag_context *ctx,
                                                             const rag_doc *docs, size_t n,
                                                             rag_token *token, rag_error *err);

/* n rows in the order asked, absent ones with found = 0: key = id, value. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_docstatus_get_many(rag_store *store,
                                                             const rag_context *ctx,
                                                             const rag_slice *ids, size_t n,
                                                             rag_result **out, rag_error *err);

RAG_EXPORT RAG_WARN_UNUSED rag_status rag_docstatus_delete_many(rag_store *store,
                                                                const rag_context *ctx,
                                                                const rag_slice *ids, size_t n,
                                                                uint64_t *deleted, rag_token *token,
                                                                rag_error *err);

/* One row per status: key = status, number = documents. The seven statuses of LightRAG (pending,
 * parsing, analyzing, processing, preprocessed, processed, failed) always come first and in this
 * order, others that occur after them by name. rag_result_total() is the number of documents. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_docstatus_counts(rag_store *store, const rag_context *ctx,
                                                           rag_result **out, rag_error *err);

typedef enum rag_doc_sort {
    RAG_DOC_SORT_UPDATED_AT = 0,
    RAG_DOC_SORT_CREATED_AT = 1,
    RAG_DOC_SORT_ID = 2,
    RAG_DOC_SORT_FILE_PATH = 3 /* ASCII letters compared without case */
} rag_doc_sort;

typedef struct rag_doc_page {
    size_t struct_size;
    const char *const *statuses; /* only documents in one of these */
    size_t status_count;         /* 0: all */
    size_t page;                 /* from 1; 0 is taken as 1 */
    size_t page_size;            /* clamped to 10 .. 200; 0 is taken as 50 */
    rag_doc_sort sort;
    int ascending; /* 0: newest or largest first. Equal ones by id, same direction; when ascending,
                      rows without the member come first */
} rag_doc_page;

#define RAG_DOC_PAGE_INIT { sizeof(rag_doc_page), NULL, 0, 1, 50, RAG_DOC_SORT_UPDATED_AT, 0 }

/* A page of documents: key = id, value. rag_result_total() is the number over all pages; a page
 * beyond the last one is empty. A status named twice counts once. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_docstatus_page(rag_store *store, const rag_context *ctx,
                                                         const rag_doc_page *page, rag_result **out,
                                                         rag_error *err);

/* As rag_kv_scan(), in order of id. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_docstatus_scan(rag_store *store, const rag_context *ctx,
                                                         rag_slice after, size_t limit,
                                                         rag_result **out, rag_error *err);

RAG_EXPORT RAG_WARN_UNUSED rag_status rag_docstatus_drop(rag_store *store, const rag_context *ctx,
                                                         rag_error *err);

#ifdef __cplusplus
}
#endif
#endif
