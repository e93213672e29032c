/* kv_store_*.json, byte for byte as json.dump(data, indent=2, ensure_ascii=False) writes it, but for
 * the digits of numbers, which stay as they are spelled. create_time, update_time and _id are the
 * last members, where LightRAG puts them; a time that is not known is left out, as LightRAG does when
 * it updates a row. Rows are laid out one at a time, so memory holds one. */
#include "json_kv_writer.h"

#include <string.h>

#include "core/json_format.h"
#include "core/limits.h"

void json_kv_begin(struct json_kv_writer *w, const struct lightrag_output *out, int stamped)
{
    *w = (struct json_kv_writer){ .out = out,
                                  .stamped = stamped,
                                  .text = BUFFER_INIT(LIMIT_EXPORT_ROW_BYTES),
                                  .value = BUFFER_INIT(LIMIT_EXPORT_ROW_BYTES) };
}

static rag_status add_member(struct buffer *value, const char *name, rag_error *err)
{
    const char *comma = value->data[value->len - 1] == '{' ? "" : ",";
    return buffer_printf(value, err, "%s\"%s\":", comma, name);
}

static rag_status add_time(struct buffer *value, const char *name, int64_t time, rag_error *err)
{
    if (time <= 0)
        return RAG_OK;
    RAG_TRY(add_member(value, name, err));
    return buffer_printf(value, err, "%lld", (long long)time);
}

static int is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The value with the members of the row behind its own. */
static rag_status stamp(struct json_kv_writer *w, const rag_row *row, rag_error *err)
{
    struct buffer *v = &w->value;
    lightrag_next_row(v);
    size_t end = row->value.len;
    const char *text = row->value.data;
    while (end && text[end - 1] != '}')
        end--;
    for (end -= end != 0; end && is_space(text[end - 1]);)
        end--;
    if (!end)
        return rag_fail(err, RAG_E_CORRUPT, "the value of key '%.*s' is not a JSON object",
                        RAG_SHOWN(row->key));
    RAG_TRY(buffer_append(v, text, end, err));
    RAG_TRY(add_time(v, "create_time", row->created_at, err));
    RAG_TRY(add_time(v, "update_time", row->updated_at, err));
    RAG_TRY(add_member(v, "_id", err));
    RAG_TRY(lightrag_append_key(v, row->key, err));
    return buffer_append_char(v, '}', err);
}

rag_status json_kv_row(struct json_kv_writer *w, const rag_row *row, rag_error *err)
{
    rag_slice value = row->value;
    lightrag_next_row(&w->text);
    if (w->stamped) {
        RAG_TRY(stamp(w, row, err));
        value = buffer_slice(&w->value);
    }
    RAG_TRY(buffer_append_text(&w->text, w->rows ? ",\n  " : "{\n  ", err));
    RAG_TRY(lightrag_append_key(&w->text, row->key, err));
    RAG_TRY(buffer_append_text(&w->text, ": ", err));
    RAG_TRY(json_format(&w->text, value, JSON_INDENT, 1, err));
    w->rows++;
    return w->out->write(w->out->ctx, w->text.data, w->text.len, err);
}

rag_status json_kv_end(struct json_kv_writer *w, rag_error *err)
{
    return output_text(w->out, w->rows ? "\n}" : "{}", err);
}

void json_kv_free(struct json_kv_writer *w)
{
    buffer_free(&w->text);
    buffer_free(&w->value);
}
