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

/* ---- scheduling ------------------------------------------------------------------------------- */

/* What `value` of a row holds. */
enum {
    RAG_DOC_RECORD = 0, /* what a scheduler needs, as JSON: {"status","created_at","updated_at",
                           "file_path","track_id","has_custom_chunk_journal"}. A missing file_path
                           is "no-file-path", a missing updated_at is created_at */
    RAG_DOC_FULL = 1    /* the row */
};

/* A row is usable as a record when its status is one of the seven and created_at is a text that is
 * not empty; in full when it also has updated_at, content_summary and content_length, none of them
 * null. With `strict` an answer that
 * would need an unusable row is RAG_E_CORRUPT, naming its id; otherwise the row is left out and
 * logged as a warning. */

/* Documents in one of several statuses, the oldest first: in order of (created_at, id), rows without
 * created_at before all others. Holds nothing open between calls; a row that stays in these statuses
 * is seen exactly once, one that is put behind the position is not seen again. */
typedef struct rag_doc_sweep {
    size_t struct_size;
    const char *const *statuses; /* none: the sweep is at its end */
    size_t status_count;
    rag_slice after; /* rag_result_next() of the page before; empty: from the start */
    size_t limit;  /* rows consumed, unusable ones included: a page may be empty and not the last */
    unsigned what; /* RAG_DOC_RECORD or RAG_DOC_FULL */
    int strict;
} rag_doc_sweep;

#define RAG_DOC_SWEEP_INIT { sizeof(rag_doc_sweep), NULL, 0, { NULL, 0 }, 1000, RAG_DOC_RECORD, 0 }

/* A page of a sweep: key = id, key2 = created_at, value. The sweep is at its end when
 * rag_result_next() is empty, not before. Expected: RAG_E_INVALID (limit 0, a position that is not
 * one), RAG_E_CORRUPT (strict). */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_docstatus_sweep(rag_store *store, const rag_context *ctx,
                                                          const rag_doc_sweep *sweep,
                                                          rag_result **out, rag_error *err);

/* n rows as records or in full, in the order asked: absent ones with found = 0. An unusable row is
 * RAG_E_CORRUPT when `strict`, otherwise a row with found = 0 and number = 1. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_docstatus_read_many(rag_store *store,
                                                              const rag_context *ctx,
                                                              const rag_slice *ids, size_t n,
                                                              unsigned what, int strict,
                                                              rag_result **out, rag_error *err);

/* How many documents are in one of n statuses; a status named twice counts once. Kept, not
 * counted. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_docstatus_count(rag_store *store, const rag_context *ctx,
                                                          const char *const *statuses, size_t n,
                                                          uint64_t *count, rag_error *err);

/* ---- finding by other members ------------------------------------------------------------------ */

typedef enum rag_doc_by {
    RAG_DOC_BY_TRACK_ID = 1,
    RAG_DOC_BY_FILE_PATH = 2,
    RAG_DOC_BY_CONTENT_HASH = 3
} rag_doc_by;

typedef struct rag_doc_query {
    size_t struct_size;
    rag_doc_by by;
    rag_slice text;       /* equal as bytes; empty: nothing is found */
    int primaries_only;   /* leave out rows whose metadata.is_duplicate is true */
    rag_slice exclude_id; /* leave out this row and every duplicate whose
                             metadata.original_doc_id is this; empty: none */
    rag_slice after;      /* as in a sweep */
    size_t limit;         /* 0: 1000 */
} rag_doc_query;

#define RAG_DOC_QUERY_INIT \
    { sizeof(rag_doc_query), RAG_DOC_BY_TRACK_ID, { NULL, 0 }, 0, { NULL, 0 }, { NULL, 0 }, 0 }

/* The rows whose track id, file path or content hash is `text`, in order of (created_at, id): key =
 * id, value = the row. With limit 1 it is the earliest, which is the original of its content. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_docstatus_find(rag_store *store, const rag_context *ctx,
                                                         const rag_doc_query *query,
                                                         rag_result **out, rag_error *err);

/* ---- changing members --------------------------------------------------------------------------- */

/* Change members of n rows, all or none: each `value` is a JSON object whose members replace those
 * of the row; the others stay. Durable when it returns. With `missing_ok` absent rows are ignored.
 * Expected: RAG_E_NOT_FOUND naming the id; RAG_E_INVALID: "created_at" is among the members (it
 * orders sweeps), or the row would lose its status. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_docstatus_update_many(rag_store *store,
                                                                const rag_context *ctx,
                                                                const rag_doc *changes, size_t n,
                                                                int missing_ok, rag_token *token,
                                                                rag_error *err);

/* ---- sources: which document a file is ---------------------------------------------------------- */

/* Of the documents of one file at most one should be primary, that is without
 * metadata.is_duplicate. Samples of ids are that long at most. */
enum { RAG_DOC_SAMPLE_MAX = 32 };

/* The primary documents of a file: rag_result_total() says how many, rows are the first
 * RAG_DOC_SAMPLE_MAX of them by id: key = id, value = record. None for an empty source and for
 * "unknown_source". Unusable rows are RAG_E_CORRUPT: an answer here is a decision. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_docstatus_resolve(rag_store *store,
                                                            const rag_context *ctx,
                                                            rag_slice source, rag_result **out,
                                                            rag_error *err);

/* Files with two or more primary documents, by name, without "", "unknown_source" and
 * "no-file-path": key = file path, number = how many, value = JSON {"fingerprint", "sample":[ids,
 * the first RAG_DOC_SAMPLE_MAX in order]}. The fingerprint is the SHA-256 in hex over all ids in
 * order, each followed by a zero byte. Go on with rag_result_next(). */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_docstatus_conflicts(rag_store *store,
                                                              const rag_context *ctx,
                                                              rag_slice after, size_t limit,
                                                              rag_result **out, rag_error *err);

typedef struct rag_doc_repair {
    size_t struct_size;
    rag_slice source;                 /* file path, as in rag_docstatus_conflicts() */
    rag_slice primary_id;             /* stays primary; the others become its duplicates */
    uint64_t expected_count;          /* what the caller saw, */
    const char *expected_fingerprint; /* in hex: looked at when dry_run is 0 */
    int dry_run;                      /* 1: change nothing */
} rag_doc_repair;

#define RAG_DOC_REPAIR_INIT { sizeof(rag_doc_repair), { NULL, 0 }, { NULL, 0 }, 0, NULL, 1 }

/* Settle a conflict in one transaction: sets metadata.is_duplicate and metadata.original_doc_id of
 * all primaries but one. *out (may be NULL): one row: key = file path, key2 = primary id, number =
 * primaries there were, found = 1 when it was done (0: dry run), value = JSON {"fingerprint",
 * "demoted":[ids, at most RAG_DOC_SAMPLE_MAX]}. Expected: RAG_E_INVALID (primary_id is not one of
 * them), RAG_E_CONFLICT (others than the caller saw). */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_docstatus_repair(rag_store *store, const rag_context *ctx,
                                                           const rag_doc_repair *repair,
                                                           rag_result **out, rag_error *err);

RAG_EXPORT RAG_WARN_UNUSED rag_status rag_docstatus_drop(rag_store *store, const rag_context *ctx,
                                                         rag_error *err);

#ifdef __cplusplus
}
#endif
#endif
