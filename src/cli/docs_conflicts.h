/* Files that several documents claim: `ragstore docs --conflicts` and `--resolve-conflict`. */
#ifndef CLI_DOCS_CONFLICTS_H
#define CLI_DOCS_CONFLICTS_H

#include "command.h"

/* Both answer the exit status. */
int show_conflicts(const invocation *in, rag_store *store);

/* Settle the conflict of `file` in favour of --primary; without --yes only say what that would do. */
int resolve_conflict(const invocation *in, rag_store *store, const char *file);

#endif
