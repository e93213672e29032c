/* Readers of kv_store_*.json: values by key, and document status. */
#ifndef LIGHTRAG_FILES_JSON_KV_READER_H
#define LIGHTRAG_FILES_JSON_KV_READER_H

#include "batch.h"

/* {key: value}: rows of kind LIGHTRAG_KV. create_time, update_time and _id are taken out of the
 * values; the nested layout of old caches is made flat. */
rag_status lightrag_read_kv(struct lightrag_job *job, rag_error *err);

/* The same for kv_store_doc_status.json: rows of kind LIGHTRAG_DOCS, values as they are. */
rag_status lightrag_read_docs(struct lightrag_job *job, rag_error *err);

#endif
