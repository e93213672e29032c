/* JSON text in one of several layouts: spaces between tokens and escapes are made uniform, all else
 * (order of members, repeated names, digits of numbers) stays. Escapes become what Python's json
 * writes with ensure_ascii=False: only '"', '\' and control characters are escaped. */
#ifndef CORE_JSON_FORMAT_H
#define CORE_JSON_FORMAT_H

#include "buffer.h"

enum json_style {
    JSON_CANONICAL, /* no spaces; exponents with 'e', a whole number -0 as 0: for fingerprints */
    JSON_LINE,      /* json.dumps(): one line, a space behind ',' and ':' */
    JSON_INDENT     /* json.dumps(indent=2) */
};

/* Append `json`, which is one valid value, to `out`. With JSON_INDENT its lines are those of a value
 * that stands at `depth`. Text that is no JSON is RAG_E_CORRUPT as far as it is noticed. */
rag_status json_format(struct buffer *out, rag_slice json, enum json_style style, unsigned depth,
                       rag_error *err);

/* Append `text`, which is UTF-8, as a string with the same escapes. */
rag_status json_format_string(struct buffer *out, rag_slice text, rag_error *err);

#endif
