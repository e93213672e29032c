/* A document row taken apart into the members that questions are asked by, and its record.
 *
 * The rules of what is usable stand here and nowhere else: what is written passes through
 * docs_take_fields() on its way to a backend's columns, what is read passes through it again when a
 * backend keeps no columns, and both write records with docs_record(). A member of another type than
 * expected is as good as absent; of a name that comes twice the last one counts, as everywhere. */
#include "core/alloc.h"
#include "core/buffer.h"
#include "core/json_object.h"
#include "core/limits.h"
#include "dispatch.h"

const char *const docs_statuses[] = { "pending",      "parsing",   "analyzing", "processing",
                                      "preprocessed", "processed", "failed",    NULL };

int docs_known_status(rag_slice name)
{
    for (size_t i = 0; docs_statuses[i]; i++)
        if (slice_is(name, docs_statuses[i]))
            return 1;
    return 0;
}

int docs_usable(const rag_doc_fields *fields)
{
    return fields->created_at.len && docs_known_status(fields->status);
}

/* ---- taking apart --------------------------------------------------------------------------------- */

enum { TEXTS = 7 };

/* The texts that are copied, in one order. */
static void texts_of(rag_doc_fields *f, rag_slice *texts[TEXTS])
{
    texts[0] = &f->status;
    texts[1] = &f->created_at;
    texts[2] = &f->updated_at;
    texts[3] = &f->file_path;
    texts[4] = &f->track_id;
    texts[5] = &f->content_hash;
    texts[6] = &f->original_id;
}

/* Where the member `name` goes, or NULL. */
static rag_slice *field_of(rag_doc_fields *fields, rag_slice name)
{
    static const char *const names[] = { "status",    "created_at", "updated_at",
                                         "file_path", "track_id",   "content_hash" };
    rag_slice *texts[TEXTS];
    texts_of(fields, texts);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (slice_is(name, names[i]))
            return texts[i];
    return NULL;
}

static void take_metadata(const struct json_member *metadata, rag_doc_fields *fields)
{
    struct json_member inner;
    fields->is_duplicate = json_nested_truth(metadata, "is_duplicate");
    fields->original_id = slice_of("", 0);
    if (json_nested(metadata, "original_doc_id", &inner) && inner.type == JSON_STRING)
        fields->original_id = inner.text;
    fields->has_journal =
        json_nested(metadata, "custom_chunk_patch", &inner) && inner.type == JSON_OBJECT;
}

void docs_take_fields(const struct json_object *object, rag_doc_fields *fields,
                      int *has_chunks_list)
{
    static const char *const needed[] = { "updated_at", "content_summary", "content_length" };
    enum { NEEDED = sizeof needed / sizeof *needed };
    int has[NEEDED] = { 0 };
    struct json_cursor cursor = json_members(object);
    struct json_member m;
    rag_slice *texts[TEXTS];
    const rag_slice id = fields->id;
    *fields = (rag_doc_fields){ .id = id, .value = object->text };
    texts_of(fields, texts);
    for (size_t i = 0; i < TEXTS; i++)
        *texts[i] = slice_of("", 0);
    *has_chunks_list = 0;
    while (json_next(&cursor, &m)) {
        rag_slice *field = field_of(fields, m.name);
        if (field)
            *field = m.type == JSON_STRING && m.text.len ? m.text : slice_of("", 0);
        else if (slice_is(m.name, "metadata"))
            take_metadata(&m, fields);
        else if (slice_is(m.name, "chunks_list"))
            *has_chunks_list = 1;
        for (size_t i = 0; i < NEEDED; i++)
            if (slice_is(m.name, needed[i]))
                has[i] = m.type != JSON_NULL;
    }
    fields->is_whole = docs_usable(fields) && has[0] && has[1] && has[2];
}

size_t docs_fields_bytes(const rag_doc_fields *fields)
{
    rag_doc_fields copy = *fields;
    rag_slice *texts[TEXTS];
    size_t bytes = 0;
    texts_of(&copy, texts);
    for (size_t i = 0; i < TEXTS; i++)
        bytes += texts[i]->len;
    return bytes;
}

void docs_move_fields(rag_doc_fields *fields, char *memory)
{
    rag_slice *texts[TEXTS];
    texts_of(fields, texts);
    for (size_t i = 0; i < TEXTS; i++) {
        if (!texts[i]->len)
            continue;
        memcpy(memory, texts[i]->data, texts[i]->len);
        texts[i]->data = memory;
        memory += texts[i]->len;
    }
}

/* ---- for backends --------------------------------------------------------------------------------- */

rag_status docs_fields(rag_slice id, rag_slice row, rag_doc_fields *out, void **memory,
                       rag_error *err)
{
    struct json_object object;
    rag_doc_fields fields = { .id = id };
    int has_chunks_list;
    const rag_status status = json_object_parse(row, "row of document", id, &object, err);
    if (status == RAG_E_INVALID) { /* it was checked when it was written */
        if (err)
            err->status = RAG_E_CORRUPT;
        return RAG_E_CORRUPT;
    }
    RAG_TRY(status);
    docs_take_fields(&object, &fields, &has_chunks_list);
    char *copy = rag_alloc(docs_fields_bytes(&fields));
    if (copy)
        docs_move_fields(&fields, copy);
    json_object_free(&object);
    if (!copy)
        return rag_fail_memory(err);
    *out = fields;
    *memory = copy;
    return RAG_OK;
}

static rag_status add_text(struct buffer *b, const char *before, rag_slice text, rag_error *err)
{
    RAG_TRY(buffer_append_text(b, before, err));
    return buffer_append_json_string(b, text, err);
}

static rag_status write_record(struct buffer *b, const rag_doc_fields *f, rag_error *err)
{
    RAG_TRY(add_text(b, "{\"status\":", f->status, err));
    RAG_TRY(add_text(b, ",\"created_at\":", f->created_at, err));
    RAG_TRY(
        add_text(b, ",\"updated_at\":", f->updated_at.len ? f->updated_at : f->created_at, err));
    RAG_TRY(add_text(
        b, ",\"file_path\":", f->file_path.len ? f->file_path : rag_text("no-file-path"), err));
    if (f->track_id.len)
        RAG_TRY(add_text(b, ",\"track_id\":", f->track_id, err));
    else
        RAG_TRY(buffer_append_text(b, ",\"track_id\":null", err));
    return buffer_printf(b, err, ",\"has_custom_chunk_journal\":%s}",
                         f->has_journal ? "true" : "false");
}

rag_status docs_record(const rag_doc_fields *fields, char **out, size_t *out_len, rag_error *err)
{
    struct buffer b = BUFFER_INIT(LIMIT_VALUE_BYTES);
    if (docs_usable(fields)) {
        const rag_status status = write_record(&b, fields, err);
        if (status != RAG_OK) {
            buffer_free(&b);
            return status;
        }
    }
    *out = b.data; /* NULL when there is none */
    *out_len = b.len;
    return RAG_OK;
}
