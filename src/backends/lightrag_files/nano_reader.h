/* Reader of vdb_*.json: vectors with their payload. */
#ifndef LIGHTRAG_FILES_NANO_READER_H
#define LIGHTRAG_FILES_NANO_READER_H

#include "batch.h"

/* Rows of kind LIGHTRAG_VECTORS; job->summary->dimension is that of the file, also when it has no
 * rows. Wrong base64, zlib, NaN and infinities are RAG_E_CORRUPT, another dimension RAG_E_MISMATCH;
 * both name the file, the row and the byte. */
rag_status lightrag_read_vectors(struct lightrag_job *job, rag_error *err);

#endif
