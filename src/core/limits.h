/* Every limit of the library in one place. Public ones (RAG_*) are part of the contract. */
#ifndef CORE_LIMITS_H
#define CORE_LIMITS_H

#include <stddef.h>

/* Largest value, payload or document row, in bytes of JSON text. 100 MB values are a stated case. */
#define LIMIT_VALUE_BYTES ((size_t)512 * 1024 * 1024)
/* Largest key, id or label, in bytes. Names of 64 kB are a stated case. */
#define LIMIT_KEY_BYTES ((size_t)1024 * 1024)
/* Longest name of a namespace or workspace, in bytes (a file name). */
#define LIMIT_NAME_BYTES 255
/* Most items in one call. */
#define LIMIT_BATCH_ITEMS ((size_t)16 * 1024 * 1024)
/* Most bytes of one result. */
#define LIMIT_RESULT_BYTES ((size_t)4 * 1024 * 1024 * 1024)
/* Rows of a scan when the caller says 0, and at most. */
#define LIMIT_SCAN_DEFAULT 1000
#define LIMIT_SCAN_MAX ((size_t)100000)
/* What a page should hold when the library goes through all of a store by itself. */
#define LIMIT_PAGE_BYTES ((size_t)4 * 1024 * 1024)

/* Deepest nesting of JSON that is read or written. */
#define LIMIT_JSON_DEPTH 512
/* The same of a whole file of LightRAG, whose values are that deep in themselves. */
#define LIMIT_JSON_FILE_DEPTH (LIMIT_JSON_DEPTH + 2)
/* Longest number and, where one has to be held whole, longest name in JSON that is read. */
#define LIMIT_JSON_NUMBER_BYTES 4096
#define LIMIT_JSON_NAME_BYTES LIMIT_KEY_BYTES
/* How much of a file a streaming reader holds at a time. */
#define LIMIT_READ_WINDOW_BYTES ((size_t)256 * 1024)
/* What an import hands over at a time: rows, and bytes of keys, values and vectors. One row may be
 * larger than that. */
#define LIMIT_IMPORT_BATCH_ROWS 4096
#define LIMIT_IMPORT_BATCH_BYTES ((size_t)4 * 1024 * 1024)
/* One row of a file that is exported: the largest value, every byte of it an escape. */
#define LIMIT_EXPORT_ROW_BYTES (8 * LIMIT_VALUE_BYTES)
/* Batches between the reading and the writing thread. */
#define LIMIT_IMPORT_QUEUE 3
/* Warnings about one file that are kept; more are counted. */
#define LIMIT_IMPORT_WARNINGS 20
/* Faults of one file whose places a salvaging import keeps; more are counted. */
#define LIMIT_SALVAGE_FAULTS 1000
/* How far behind damage a name of a row may reach for a salvaging import to find it again in a file
 * that is not one line for each member. */
#define LIMIT_SALVAGE_NAME_BYTES ((size_t)64 * 1024)
/* How far into a damaged stretch a salvaging import tries to prove how many rows were in it. */
#define LIMIT_SALVAGE_MEND_BYTES ((size_t)256 * 1024)
/* Kinds of attributes of a GraphML file. */
#define LIMIT_GRAPHML_KEYS 1024
/* Nodes of a view when the caller says 0, and at most. */
#define LIMIT_VIEW_NODES_DEFAULT 1000
#define LIMIT_VIEW_NODES_MAX ((size_t)1000000)
#define LIMIT_VIEW_DEPTH_MAX 1000
/* Hits of a search in labels when the caller says 0; at most LIMIT_SCAN_MAX. */
#define LIMIT_LABELS_DEFAULT 50
#define LIMIT_TOP_K_MAX ((size_t)1000000)
/* The record of a shared namespace: some 100 bytes for each handle that has joined it. */
#define LIMIT_SHARED_RECORD_BYTES ((size_t)1024 * 1024)
/* A flush of pending vectors: rows on a page, texts in one call of the embedder, threads, and the
 * longest pause between two attempts. */
#define LIMIT_FLUSH_PAGE_ROWS ((size_t)1000)
#define LIMIT_FLUSH_BATCH ((size_t)4096)
#define LIMIT_FLUSH_THREADS 64
#define LIMIT_FLUSH_BACKOFF_MS 60000
/* How long a writer waits for its turn without a deadline. */
#define LIMIT_LOCK_TIMEOUT_MS 30000
/* Documents on a page. */
#define LIMIT_PAGE_SIZE_MIN 10
#define LIMIT_PAGE_SIZE_MAX 200
#define LIMIT_PAGE_SIZE_DEFAULT 50
/* A config.ini or stores.ini: bytes of the file, entries, bytes of one value; a URL. */
#define LIMIT_INI_BYTES ((size_t)1024 * 1024)
#define LIMIT_INI_ENTRIES 4096
#define LIMIT_INI_VALUE_BYTES ((size_t)65536)
#define LIMIT_URL_BYTES ((size_t)8192)
/* Options in one URL. */
#define LIMIT_URL_OPTIONS 64

#endif
