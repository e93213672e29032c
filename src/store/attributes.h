/* Attribute rules of the graph: see graph.h. */
#ifndef STORE_ATTRIBUTES_H
#define STORE_ATTRIBUTES_H

#include <ragstore/types.h>

#include "core/error.h"

/* `what` and `owner` name the node or edge in the message. */
rag_status attributes_check(rag_slice value, const char *what, rag_slice owner, rag_error *err);

#endif
