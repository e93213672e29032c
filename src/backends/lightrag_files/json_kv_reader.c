/* Values by key, as LightRAG's JSON storages write them: one object {key: value} per file.
 *
 * The text of a value goes into the batch as it stands, without the indentation: no tree is built
 * and no number is read. Three members that LightRAG's KV storage stamps into each value become
 * columns of the row; document status has no stamps.
 *
 * Old caches are nested, {mode: {hash: answer}}. LightRAG makes them flat when it loads them, by
 * this rule, which is kept to the letter: only in namespaces that end in "_cache"; not when the
 * first key of the file has three parts between colons; then each value that is an object of
 * objects that all have "return" is taken apart, its members become "mode:cache_type:hash" (extract
 * when there is no cache_type), and everything else stays as it is. "All" cannot be known before
 * the last member was seen, so such a file is read twice: first for the rule, one byte of memory
 * for each key, then for the rows. A file that is flat already is read once. */
#include "json_kv_reader.h"

#include <string.h>

#include "core/limits.h"
#include "json_kv_rows.h"
#include "json_times.h"

static rag_status expect_object(struct kv_reader *k, const char *what, rag_error *err)
{
    enum json_event event;
    RAG_TRY(json_reader_next(&k->json, &event, err));
    if (event != JSON_EVENT_OBJECT)
        return json_reader_fail(&k->json, err, RAG_E_CORRUPT, "%s is not an object", what);
    return RAG_OK;
}

/* ---- one value ----------------------------------------------------------------------------------- */

/* A member that is not part of the value. *taken: it was one, and was read. */
static rag_status take_stamp(struct kv_reader *k, rag_slice name, rag_slice key,
                             struct lightrag_row *row, int *taken, rag_error *err)
{
    *taken = 1;
    if (slice_is(name, "create_time"))
        return lightrag_read_time(&k->json, &row->created_at, &k->odd_times, err);
    if (slice_is(name, "update_time"))
        return lightrag_read_time(&k->json, &row->updated_at, &k->odd_times, err);
    *taken = slice_is(name, "_id");
    if (!*taken)
        return RAG_OK;
    enum json_event event;
    rag_slice id = slice_of("", 0);
    RAG_TRY(json_reader_next(&k->json, &event, err));
    if (event != JSON_EVENT_STRING)
        return json_reader_skip(&k->json, err);
    RAG_TRY(json_reader_string(&k->json, LIMIT_KEY_BYTES, &id, err));
    k->other_ids += key.data && !slice_equal(id, key);
    return RAG_OK;
}

/* How Python prints the value of a "cache_type" that is not a text. */
static rag_status odd_cache_type(struct kv_reader *k, enum json_event event, rag_error *err)
{
    buffer_clear(&k->answer);
    switch (event) {
    case JSON_EVENT_NULL: return buffer_append_text(&k->answer, "None", err);
    case JSON_EVENT_TRUE: return buffer_append_text(&k->answer, "True", err);
    case JSON_EVENT_FALSE: return buffer_append_text(&k->answer, "False", err);
    case JSON_EVENT_NUMBER: {
        const rag_slice text = json_reader_text(&k->json);
        return buffer_append(&k->answer, text.data, text.len, err);
    }
    case JSON_EVENT_OBJECT:
    case JSON_EVENT_OBJECT_END:
    case JSON_EVENT_ARRAY:
    case JSON_EVENT_ARRAY_END:
    case JSON_EVENT_KEY:
    case JSON_EVENT_STRING:
    case JSON_EVENT_END: break;
    }
    return json_reader_fail(&k->json, err, RAG_E_CORRUPT, "cache_type is not a text");
}

/* The value of "cache_type" in an answer of an old cache: into the row and, decoded, k->answer. */
static rag_status read_cache_type(struct kv_reader *k, struct buffer *out, rag_error *err)
{
    enum json_event event;
    rag_slice text;
    RAG_TRY(json_reader_next(&k->json, &event, err));
    if (event != JSON_EVENT_STRING) {
        RAG_TRY(odd_cache_type(k, event, err));
        return json_reader_capture(&k->json, out, err);
    }
    RAG_TRY(json_reader_string(&k->json, LIMIT_KEY_BYTES, &text, err));
    buffer_clear(&k->answer);
    RAG_TRY(buffer_append(&k->answer, text.data, text.len, err));
    return buffer_append_json_string(out, text, err);
}

/* What an old row of document status lacks. */
struct legacy {
    int has_metadata, has_message, has_error;
    size_t error_at; /* of the name "error" with its quotes, from the beginning of the value */
};

static void note_legacy(struct legacy *l, rag_slice name, size_t at)
{
    l->has_metadata |= slice_is(name, "metadata");
    l->has_message |= slice_is(name, "error_msg");
    if (slice_is(name, "error")) {
        l->has_error = 1;
        l->error_at = at;
    }
}

/* Rows that old versions wrote: "error" is "error_msg" today, and "metadata" is always there. The
 * value has no closing brace yet. */
static rag_status complete(struct kv_reader *k, const struct legacy *l, size_t start,
                           rag_error *err)
{
    static const char suffix[] = "_msg";
    struct buffer *out = &k->job->batch->bytes;
    const int rename = l->has_error && !l->has_message;
    if (rename) {
        const size_t at = start + l->error_at + strlen("\"error"), behind = out->len - at;
        RAG_TRY(buffer_append_text(out, suffix, err));
        memmove(out->data + at + strlen(suffix), out->data + at, behind);
        memcpy(out->data + at, suffix, strlen(suffix));
    }
    const int add = !l->has_metadata && !k->job->as_it_is;
    if (add && out->len > start + 1)
        RAG_TRY(buffer_append_char(out, ',', err));
    if (add)
        RAG_TRY(buffer_append_text(out, "\"metadata\":{}", err));
    k->completed += rename || add;
    return RAG_OK;
}

/* The members of an object whose beginning was the last event, without the stamps. `key` is what
 * _id is compared with (NULL: with nothing); `old_cache`: look out for cache_type. */
static rag_status read_value(struct kv_reader *k, struct lightrag_row *row, rag_slice key,
                             int old_cache, rag_error *err)
{
    struct buffer *out = &k->job->batch->bytes;
    struct legacy legacy = { 0 };
    row->value.at = out->len;
    RAG_TRY(buffer_append_char(out, '{', err));
    for (;;) {
        enum json_event event;
        int taken = 0;
        RAG_TRY(json_reader_next(&k->json, &event, err));
        if (event == JSON_EVENT_OBJECT_END)
            break;
        const rag_slice name = json_reader_text(&k->json);
        const int type = old_cache && slice_is(name, "cache_type");
        if (k->kind == LIGHTRAG_KV)
            RAG_TRY(take_stamp(k, name, key, row, &taken, err));
        if (taken)
            continue;
        if (out->len > row->value.at + 1)
            RAG_TRY(buffer_append_char(out, ',', err));
        note_legacy(&legacy, name, out->len - row->value.at);
        RAG_TRY(buffer_append_json_string(out, name, err));
        RAG_TRY(buffer_append_char(out, ':', err));
        if (type) {
            RAG_TRY(read_cache_type(k, out, err));
            continue;
        }
        RAG_TRY(json_reader_next(&k->json, &event, err));
        RAG_TRY(json_reader_capture(&k->json, out, err));
    }
    if (k->kind == LIGHTRAG_DOCS)
        RAG_TRY(complete(k, &legacy, row->value.at, err));
    RAG_TRY(buffer_append_char(out, '}', err));
    row->value.len = out->len - row->value.at;
    return RAG_OK;
}

/* The value of the key that was the last event. */
rag_status kv_read_row(struct kv_reader *k, rag_error *err)
{
    struct lightrag_row *row;
    RAG_TRY(lightrag_row_begin(k->job, k->kind, &row, err));
    const rag_slice name = json_reader_text(&k->json);
    row->key = (struct lightrag_span){ k->job->batch->bytes.len, name.len };
    RAG_TRY(buffer_append(&k->job->batch->bytes, name.data, name.len, err));
    enum json_event event;
    RAG_TRY(json_reader_next(&k->json, &event, err));
    const rag_slice key = lightrag_bytes(k->job->batch, row->key);
    if (event != JSON_EVENT_OBJECT)
        return json_reader_fail(&k->json, err, RAG_E_CORRUPT,
                                "the value of '%.*s' is not an object", RAG_SHOWN(key));
    buffer_clear(&k->mode); /* the buffer of the batch moves: _id is compared with a copy */
    RAG_TRY(buffer_append(&k->mode, key.data, key.len, err));
    RAG_TRY(read_value(k, row, buffer_slice(&k->mode), 0, err));
    lightrag_row_end(k->job);
    return RAG_OK;
}

/* ---- old caches ------------------------------------------------------------------------------------ */

int kv_is_flat_key(rag_slice key)
{
    size_t colons = 0;
    for (size_t i = 0; i < key.len; i++)
        colons += ((const char *)key.data)[i] == ':';
    return colons == 2;
}

/* Whether the object whose beginning was the last event has a member "return". Reads all of it. */
static rag_status has_return(struct json_reader *r, int *found, rag_error *err)
{
    enum json_event event;
    *found = 0;
    for (;;) {
        RAG_TRY(json_reader_next(r, &event, err));
        if (event == JSON_EVENT_OBJECT_END)
            return RAG_OK;
        if (slice_is(json_reader_text(r), "return"))
            *found = 1;
        RAG_TRY(json_reader_next(r, &event, err));
        RAG_TRY(json_reader_skip(r, err));
    }
}

/* Whether all members of that object are objects with "return". */
rag_status kv_all_have_return(struct json_reader *r, int *all, rag_error *err)
{
    enum json_event event;
    *all = 1;
    for (;;) {
        int found = 0;
        RAG_TRY(json_reader_next(r, &event, err));
        if (event == JSON_EVENT_OBJECT_END)
            return RAG_OK;
        RAG_TRY(json_reader_next(r, &event, err));
        if (event == JSON_EVENT_OBJECT)
            RAG_TRY(has_return(r, &found, err));
        else
            RAG_TRY(json_reader_skip(r, err));
        *all &= found;
    }
}

/* The rule, for every key of the file: fills k->nested. */
static rag_status find_nested(struct kv_reader *k, rag_error *err)
{
    struct lightrag_stream stream = { k->job->input, 0 };
    struct json_reader r = { 0 };
    enum json_event event;
    rag_status status = json_reader_open(&r, k->job->input->name, lightrag_fill, &stream, err);
    if (status == RAG_OK)
        status = json_reader_next(&r, &event, err);
    while (status == RAG_OK) {
        int all = 0;
        RAG_TRY_CLEANUP(json_reader_next(&r, &event, err));
        if (event == JSON_EVENT_OBJECT_END)
            break;
        RAG_TRY_CLEANUP(json_reader_next(&r, &event, err));
        if (event == JSON_EVENT_OBJECT)
            RAG_TRY_CLEANUP(kv_all_have_return(&r, &all, err));
        else
            RAG_TRY_CLEANUP(json_reader_skip(&r, err));
        status = buffer_append_char(&k->nested, all ? '1' : '0', err);
    }
cleanup:
    json_reader_close(&r);
    return status;
}

/* One answer of an old cache; the last event was its hash. */
static rag_status read_answer(struct kv_reader *k, rag_error *err)
{
    struct lightrag_row *row;
    RAG_TRY(lightrag_row_begin(k->job, k->kind, &row, err));
    const rag_slice hash = json_reader_text(&k->json);
    buffer_clear(&k->hash);
    RAG_TRY(buffer_append(&k->hash, hash.data, hash.len, err));
    buffer_clear(&k->answer);
    RAG_TRY(buffer_append_text(&k->answer, "extract", err));
    RAG_TRY(expect_object(k, "an answer of the cache", err));
    RAG_TRY(read_value(k, row, slice_of(NULL, 0), 1, err));
    struct buffer *out = &k->job->batch->bytes;
    row->key.at = out->len;
    RAG_TRY(buffer_append(out, k->mode.data, k->mode.len, err));
    RAG_TRY(buffer_append_char(out, ':', err));
    RAG_TRY(buffer_append(out, k->answer.data, k->answer.len, err));
    RAG_TRY(buffer_append_char(out, ':', err));
    RAG_TRY(buffer_append(out, k->hash.data, k->hash.len, err));
    row->key.len = out->len - row->key.at;
    lightrag_row_end(k->job);
    k->flattened++;
    return RAG_OK;
}

/* The answers of one mode; the last event was the mode. */
rag_status kv_read_mode(struct kv_reader *k, rag_error *err)
{
    const rag_slice mode = json_reader_text(&k->json);
    buffer_clear(&k->mode);
    RAG_TRY(buffer_append(&k->mode, mode.data, mode.len, err));
    RAG_TRY(expect_object(k, "a mode of the cache", err));
    for (;;) {
        enum json_event event;
        RAG_TRY(json_reader_next(&k->json, &event, err));
        if (event == JSON_EVENT_OBJECT_END)
            return RAG_OK;
        RAG_TRY(read_answer(k, err));
    }
}

/* ---- the file -------------------------------------------------------------------------------------- */

static rag_status read_rows(struct kv_reader *k, rag_error *err)
{
    const int cache = slice_ends_with(rag_text(k->job->name_space), "_cache");
    size_t count = 0;
    RAG_TRY(expect_object(k, "the file", err));
    for (;; count++) {
        enum json_event event;
        RAG_TRY(json_reader_next(&k->json, &event, err));
        if (event == JSON_EVENT_OBJECT_END)
            break;
        if (count == 0 && cache && k->kind == LIGHTRAG_KV &&
            !kv_is_flat_key(json_reader_text(&k->json)))
            RAG_TRY(find_nested(k, err));
        if (count < k->nested.len && k->nested.data[count] == '1')
            RAG_TRY(kv_read_mode(k, err));
        else
            RAG_TRY(kv_read_row(k, err));
    }
    enum json_event end;
    RAG_TRY(json_reader_next(&k->json, &end, err));
    return lightrag_flush(k->job, err);
}

static void add_warnings(const struct kv_reader *k)
{
    struct lightrag_summary *s = k->job->summary;
    const uint64_t replaced = k->replaced + json_reader_replaced(&k->json);
    s->completed = k->completed + k->flattened;
    lightrag_warn_count(s, k->completed,
                        "row of an old version was completed (metadata, error_msg)",
                        "rows of old versions were completed (metadata, error_msg)");
    lightrag_warn_count(s, replaced, "lone surrogate became U+FFFD",
                        "lone surrogates became U+FFFD");
    lightrag_warn_count(s, k->odd_times, "time was not a number of seconds: not known",
                        "times were not numbers of seconds: not known");
    lightrag_warn_count(s, k->other_ids, "value had another _id than its key: the key is kept",
                        "values had another _id than their key: the key is kept");
    if (k->flattened || (k->nested.len && memchr(k->nested.data, '1', k->nested.len)))
        lightrag_warn(s, "the cache had the nested layout of old versions and was made flat");
}

static rag_status read_file(struct lightrag_job *job, enum lightrag_kind kind, rag_error *err)
{
    struct lightrag_stream stream = { job->input, 0 };
    struct kv_reader k = {
        .job = job,
        .kind = kind,
        .nested = BUFFER_INIT(LIMIT_VALUE_BYTES),
        .mode = BUFFER_INIT(LIMIT_KEY_BYTES),
        .hash = BUFFER_INIT(LIMIT_KEY_BYTES),
        .answer = BUFFER_INIT(LIMIT_KEY_BYTES),
    };
    int blank = 0;
    rag_status status = json_reader_open(&k.json, job->input->name, lightrag_fill, &stream, err);
    if (status == RAG_OK)
        status = json_reader_is_blank(&k.json, &blank, err);
    if (status == RAG_OK && job->salvage)
        status = kv_salvage(&k, err);
    else if (status == RAG_OK && blank)
        lightrag_warn(job->summary, "the file is empty: taken as no rows, as LightRAG does");
    else if (status == RAG_OK)
        status = read_rows(&k, err);
    if (status == RAG_OK)
        add_warnings(&k);
    json_reader_close(&k.json);
    buffer_free(&k.nested);
    buffer_free(&k.mode);
    buffer_free(&k.hash);
    buffer_free(&k.answer);
    return status;
}

rag_status lightrag_read_kv(struct lightrag_job *job, rag_error *err)
{
    return read_file(job, LIGHTRAG_KV, err);
}

rag_status lightrag_read_docs(struct lightrag_job *job, rag_error *err)
{
    return read_file(job, LIGHTRAG_DOCS, err);
}
