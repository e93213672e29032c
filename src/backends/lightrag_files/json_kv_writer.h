/* Writer of kv_store_*.json: begin, a row at a time, end. */
#ifndef LIGHTRAG_FILES_JSON_KV_WRITER_H
#define LIGHTRAG_FILES_JSON_KV_WRITER_H

#include "output.h"

struct json_kv_writer {
    const struct lightrag_output *out;
    int stamped; /* values get create_time, update_time and _id, as in all files but doc_status */
    uint64_t rows;
    struct buffer text, value;
};

void json_kv_begin(struct json_kv_writer *w, const struct lightrag_output *out, int stamped);
rag_status json_kv_row(struct json_kv_writer *w, const rag_row *row, rag_error *err);
rag_status json_kv_end(struct json_kv_writer *w, rag_error *err);
void json_kv_free(struct json_kv_writer *w);

#endif
