/* What the writers share. A key is any bytes in a store but text in a file: one that is not UTF-8 is
 * refused, because a replacement character might make two keys one. */
#include "output.h"

#include "core/json_format.h"
#include "core/limits.h"
#include "core/utf8.h"

rag_status lightrag_append_key(struct buffer *text, rag_slice key, rag_error *err)
{
    if (utf8_valid_prefix(key.data, key.len) != key.len)
        return rag_fail(err, RAG_E_INVALID,
                        "the key '%.*s' is not UTF-8: a file of JSON cannot hold it",
                        RAG_SHOWN(key));
    return json_format_string(text, key, err);
}

void lightrag_next_row(struct buffer *text)
{
    if (text->capacity > 2 * LIMIT_PAGE_BYTES)
        buffer_free(text);
    buffer_clear(text);
}
