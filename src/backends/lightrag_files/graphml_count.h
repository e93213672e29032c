/* Rows of a stretch of a GraphML file, for the salvage. */
#ifndef LIGHTRAG_FILES_GRAPHML_COUNT_H
#define LIGHTRAG_FILES_GRAPHML_COUNT_H

#include "salvage.h"

struct graphml_counter;

extern const struct salvage_spelling graphml_spelling;

rag_status graphml_counter_open(struct graphml_counter **out, rag_error *err);
void graphml_counter_close(struct graphml_counter *c); /* NULL is allowed */

/* As a salvage_count_fn, whose ctx is the counter. `to_the_end`: the graph must end in the stretch,
 * and so must the file. */
rag_status graphml_count(void *ctx, const struct lightrag_input *input, uint64_t from, uint64_t to,
                         int to_the_end, struct salvage_count *out, rag_error *err);

#endif
