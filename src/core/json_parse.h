/* The one place where yyjson is called to read: shared by json.c and json_object.c only. */
#ifndef CORE_JSON_PARSE_H
#define CORE_JSON_PARSE_H

#include <yyjson.h>

#include "error.h"
#include "slice.h"

extern const yyjson_alc json_allocator; /* rag_alloc and friends */

/* The document when `text` is one JSON object not deeper than LIMIT_JSON_DEPTH, else NULL and why.
 * Numbers are raw. */
yyjson_doc *json_parse(rag_slice text, yyjson_read_err *why);

/* Why json_parse() failed, as an error about `what` 'name'. */
rag_status json_fail(rag_error *err, const yyjson_read_err *why, rag_slice text, const char *what,
                     rag_slice name);

#endif
