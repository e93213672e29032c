/* JSON values in memory (yyjson inside). For streams of unbounded size: json_reader.h. */
#ifndef CORE_JSON_H
#define CORE_JSON_H

#include <ragstore/types.h>

#include "error.h"

/* Check that `value` is one JSON object in valid UTF-8 without lone surrogate escapes, not deeper
 * than LIMIT_JSON_DEPTH. `what` names it in the message ("value of key ..."). */
rag_status json_check_object(rag_slice value, const char *what, rag_slice name, rag_error *err);

/* As host->json_merge and host->json_string of backend.h. */
rag_status json_merge(rag_slice old, rag_slice news, char **out, size_t *out_len, rag_error *err);
/* The same one level down: members of `news` over those of the member `name` of `object`, which
 * becomes an object when it is none. */
rag_status json_merge_member(rag_slice object, const char *name, rag_slice news, char **out,
                             size_t *out_len, rag_error *err);
rag_status json_string(rag_slice json, const char *name, char **out, size_t *out_len,
                       rag_error *err);

#endif
