/* ragstore: the storage layer of retrieval-augmented generation.
 *
 * Values by key, vectors, a knowledge graph and the status of documents behind one handle. Read
 * these caveats first:
 *
 *  - fork(): a handle opened before a fork is void in the child; calls on it answer RAG_E_FORKED.
 *    Open in the child. Nothing is opened, started or locked before rag_store_open().
 *  - Threads: a rag_store may be used by any number of threads; a rag_txn by one at a time.
 *  - Durability: a write that returned is visible to all processes and survives the death of any
 *    of them. Against a power cut it is protected once rag_flush() covers its token; what a power
 *    cut takes is always the end of the commit order, over all four stores alike.
 *  - One writer at a time per store; others wait for their turn (a deadline limits it). Readers
 *    never wait for writers.
 *  - Network file systems are refused for the embedded store.
 *  - Values are JSON text, ids are bytes, vectors are `const float *`. Inputs are borrowed for the
 *    call; results are owned by the caller and freed with rag_result_free().
 *  - Absent, empty and unreadable are three different answers.
 */
#ifndef RAGSTORE_H
#define RAGSTORE_H

#include "config.h"
#include "docstatus.h"
#include "graph.h"
#include "kv.h"
#include "migrate.h"
#include "shared.h"
#include "status.h"
#include "store.h"
#include "txn.h"
#include "types.h"
#include "vector.h"
#include "version.h"

#endif
