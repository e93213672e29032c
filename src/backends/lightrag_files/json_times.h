/* Times in LightRAG's JSON: seconds since 1970 as a number. */
#ifndef LIGHTRAG_FILES_JSON_TIMES_H
#define LIGHTRAG_FILES_JSON_TIMES_H

#include "core/json_reader.h"

/* Read the value that follows a name. RAG_TIME_UNKNOWN for null, for 0 and less, which is how "not
 * known" is written, and for everything that is not a time; the last is counted in *odd. */
rag_status lightrag_read_time(struct json_reader *r, int64_t *seconds, uint64_t *odd,
                              rag_error *err);

#endif
