/* Values of GraphML attributes as JSON. */
#ifndef LIGHTRAG_FILES_GRAPHML_VALUE_H
#define LIGHTRAG_FILES_GRAPHML_VALUE_H

#include "core/buffer.h"

enum graphml_type { GRAPHML_STRING, GRAPHML_INTEGER, GRAPHML_DOUBLE, GRAPHML_BOOLEAN };

/* "attr.type"; NULL is taken as string. 0: not known. */
int graphml_type_from_name(const char *name, enum graphml_type *type);

/* Append the text of a <data> element as a JSON value: "" for an empty one whatever its type,
 * integers and doubles in the spelling of JSON, booleans from true, false, 1 and 0. RAG_E_CORRUPT,
 * with the reason in *why, for what is no value of the type. */
rag_status graphml_append_value(struct buffer *out, enum graphml_type type, rag_slice text,
                                const char **why, rag_error *err);

#endif
