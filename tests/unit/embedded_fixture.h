/* Stores of the embedded backend for its own tests: through its tables, below the dispatch. */
#ifndef UNIT_EMBEDDED_FIXTURE_H
#define UNIT_EMBEDDED_FIXTURE_H

#include <ragstore/backend.h>

#include "backends/embedded/embedded.h"

/* Open `directory`; options from `page_size` (NULL: none). */
rag_status embedded_try_open(const char *directory, unsigned flags, const char *page_size,
                             void **self, rag_error *err);
/* The same, and the test fails with the message when it cannot be opened. */
void *embedded_must_open(const char *directory, unsigned flags);
void embedded_shut(void *self);

/* A call without deadline on `self`, in `txn` (NULL: none). */
rag_call embedded_call(void *self, void *txn);

/* One value {"v":"TEXT"} under `key` in namespace "n". */
rag_status embedded_put(const rag_call *call, const char *key, const char *text, rag_token *token,
                        rag_error *err);
void embedded_must_put(const rag_call *call, const char *key, const char *text);
/* 1 when the value of `key` in namespace "n" is {"v":"TEXT"}, 0 when absent, -1 when it differs. */
int embedded_has(const rag_call *call, const char *key, const char *text);
uint64_t embedded_count(const rag_call *call);

/* For calls that must answer RAG_OK; `&must` is their rag_error. */
#define MUST(call_)                                   \
    do {                                              \
        rag_error must = RAG_ERROR_INIT;              \
        if ((call_) != RAG_OK)                        \
            fail_msg("%s: %s", #call_, must.message); \
    } while (0)

#endif
