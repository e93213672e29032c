/* Reading several string members of a JSON object in one pass. */
#ifndef CORE_JSON_MEMBERS_H
#define CORE_JSON_MEMBERS_H

#include <ragstore/types.h>

#include "error.h"

/* out[i] is the member names[i] of `json` when it is a string (decoded; points into *memory), else
 * empty. The caller frees *memory with rag_free(); it is NULL when nothing was found. */
rag_status json_string_members(rag_slice json, const char *const *names, size_t n, rag_slice *out,
                               char **memory, rag_error *err);

/* `json` is an array of exactly n strings: into out[n], decoded, as above. Otherwise RAG_E_INVALID. */
rag_status json_string_array(rag_slice json, size_t n, rag_slice *out, char **memory,
                             rag_error *err);

#endif
