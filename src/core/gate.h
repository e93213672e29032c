/* The writer's turn: one writer at a time over all threads and processes of a store. */
#ifndef CORE_GATE_H
#define CORE_GATE_H

#include <stddef.h>

#include "context.h"
#include "error.h"

struct gate;

/* A gate for the threads of this process only, until gate_attach(). NULL: out of memory. */
struct gate *gate_new(void);

/* Share it with other processes through a lock file (made when missing, never deleted). Not while
 * anybody holds or waits for the turn. */
rag_status gate_attach(struct gate *gate, const char *path, rag_error *err);

/* Wait for the turn until `deadline_ns` (CLOCK_MONOTONIC) or until ctx->cancel: RAG_E_TIMEOUT,
 * RAG_E_CANCELLED. Threads of one handle get it in the order in which they came. */
rag_status gate_acquire(struct gate *gate, const rag_context *ctx, int64_t deadline_ns,
                        rag_error *err);
void gate_release(struct gate *gate);
/* How many threads wait in the queue of this handle just now; for tests. */
size_t gate_waiting(struct gate *gate);

void gate_free(struct gate *gate); /* NULL is allowed; nobody may hold it */

#endif
