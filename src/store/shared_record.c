/* The record of a shared namespace.
 *
 * All records are values of the namespace ".shared", one key for each shared namespace; its keys are
 * in ".shared.NAME". Names that begin with a dot are refused everywhere else, so nobody meets them.
 * A record is read and written in one transaction of the backend: the writer's turn is what makes
 * those that join at once take one after the other, on every backend and between processes.
 *
 * A member is a handle: the identity of its process and a number. Members of processes that are gone
 * are taken out by whoever changes the record next; of a process in another container it cannot be
 * said that it is gone, so it stays. */
#include "shared_record.h"

#include <inttypes.h>
#include <string.h>

#include "core/json_object.h"
#include "core/process.h"
#include "core/result.h"

static const char RECORDS[] = ".shared";

enum { EMPTY_STEP = 1000 }; /* keys removed at a time */

/* ---- the record as text ---------------------------------------------------------------------------- */

static rag_status parse_member(const struct json_member *m, struct shared_record *out,
                               rag_error *err)
{
    if (slice_is(m->name, "version") && m->type == JSON_NUMBER)
        (void)json_integer(m->text, &out->version);
    else if (slice_is(m->name, "ready"))
        out->ready = m->type == JSON_BOOL && m->truth;
    else if (slice_is(m->name, "members") && m->type == JSON_STRING)
        return buffer_append(&out->members, m->text.data, m->text.len, err);
    else if (slice_is(m->name, "initialiser") && m->type == JSON_STRING &&
             m->text.len < sizeof out->initialiser) {
        memcpy(out->initialiser, m->text.data, m->text.len);
        out->initialiser[m->text.len] = '\0';
    }
    return RAG_OK;
}

static rag_status parse(rag_slice name, rag_slice text, struct shared_record *out, rag_error *err)
{
    struct json_object object;
    RAG_TRY(json_object_parse(text, "record of the shared namespace", name, &object, err));
    struct json_cursor cursor = json_members(&object);
    struct json_member m;
    rag_status status = RAG_OK;
    while (status == RAG_OK && json_next(&cursor, &m))
        status = parse_member(&m, out, err);
    json_object_free(&object);
    return status;
}

rag_status shared_record_read(struct shared_call *s, struct shared_record *out, rag_error *err)
{
    const struct shared_record fresh = SHARED_RECORD_INIT;
    rag_result *rows = rag_result_new(err);
    if (!rows)
        return RAG_E_NO_MEMORY;
    *out = fresh;
    rag_status status = s->c.driver->kv.get_many(&s->c.call, RECORDS, &s->name, 1, rows, err);
    const rag_row *row = status == RAG_OK ? rag_result_row(rows, 0) : NULL;
    if (row && row->found)
        status = parse(s->name, row->value, out, err);
    if (status == RAG_E_INVALID) /* of json_object_parse(): but nobody passed it in */
        status = rag_fail(err, RAG_E_CORRUPT, "the record of shared namespace '%.*s' is no JSON",
                          RAG_SHOWN(s->name));
    rag_result_free(rows);
    if (status != RAG_OK)
        shared_record_free(out);
    return status;
}

static rag_status print(struct buffer *text, const struct shared_record *r, rag_error *err)
{
    RAG_TRY(buffer_printf(text, err, "{\"version\":%" PRId64 ",\"ready\":%s,\"initialiser\":",
                          r->version, r->ready ? "true" : "false"));
    RAG_TRY(buffer_append_json_string(text, rag_text(r->initialiser), err));
    RAG_TRY(buffer_append_text(text, ",\"members\":", err));
    RAG_TRY(buffer_append_json_string(text, buffer_slice(&r->members), err));
    return buffer_append_char(text, '}', err);
}

rag_status shared_record_write(struct shared_call *s, const struct shared_record *record,
                               rag_error *err)
{
    rag_token token = 0;
    uint64_t deleted = 0;
    if (!record->members.len)
        return s->c.driver->kv.delete_many(&s->c.call, RECORDS, &s->name, 1, &deleted, &token, err);
    struct buffer text = BUFFER_INIT(LIMIT_SHARED_RECORD_BYTES + 4096);
    rag_status status = print(&text, record, err);
    if (status == RAG_OK) {
        const rag_kv_item item = { s->name, buffer_slice(&text), 0, 0 };
        status = s->c.driver->kv.put_many(&s->c.call, RECORDS, &item, 1, &token, err);
    }
    buffer_free(&text);
    return status;
}

void shared_record_free(struct shared_record *record)
{
    buffer_free(&record->members);
}

/* ---- members ---------------------------------------------------------------------------------------- */

/* The next member at *at, which moves behind it; 0 at the end. */
static int next_member(const struct shared_record *record, size_t *at, rag_slice *out)
{
    if (*at >= record->members.len)
        return 0;
    const char *from = record->members.data + *at;
    const char *end = memchr(from, ';', record->members.len - *at);
    const size_t len = end ? (size_t)(end - from) : record->members.len - *at;
    *out = slice_of(from, len);
    *at += len + (end != NULL);
    return 1;
}

/* The process, without the number of the handle. */
static int may_be_alive(rag_slice member)
{
    size_t len = member.len;
    while (len && ((const char *)member.data)[len - 1] != ' ')
        len--;
    return len && process_state_of(slice_of(member.data, len - 1)) != PROCESS_GONE;
}

int shared_record_has(const struct shared_record *record, const char *member)
{
    size_t at = 0;
    rag_slice m;
    while (next_member(record, &at, &m))
        if (slice_is(m, member))
            return 1;
    return 0;
}

rag_status shared_record_add(struct shared_record *record, const char *member, rag_error *err)
{
    if (shared_record_has(record, member))
        return RAG_OK;
    RAG_TRY(buffer_append_text(&record->members, member, err));
    return buffer_append_char(&record->members, ';', err);
}

void shared_record_keep_alive(struct shared_record *record, const char *without)
{
    size_t at = 0, kept = 0;
    rag_slice m;
    while (next_member(record, &at, &m)) {
        if ((without && slice_is(m, without)) || !may_be_alive(m))
            continue;
        memmove(record->members.data + kept, m.data, m.len);
        record->members.data[kept + m.len] = ';';
        kept += m.len + 1;
    }
    record->members.len = kept;
}

int shared_record_is_begun(const struct shared_record *record)
{
    return !record->ready && *record->initialiser &&
           shared_record_has(record, record->initialiser) &&
           may_be_alive(rag_text(record->initialiser));
}

/* ---- data and transactions ------------------------------------------------------------------------------ */

static rag_status delete_page(struct shared_call *s, rag_result *page, rag_error *err)
{
    rag_slice keys[EMPTY_STEP];
    const size_t n = rag_result_count(page);
    rag_token token = 0;
    uint64_t deleted = 0;
    for (size_t i = 0; i < n; i++)
        keys[i] = rag_result_row(page, i)->key;
    return s->c.driver->kv.delete_many(&s->c.call, s->data, keys, n, &deleted, &token, err);
}

/* Not with drop(), which waits for the disk: what is shared does not outlive its processes. */
rag_status shared_empty(struct shared_call *s, rag_error *err)
{
    const rag_slice from_start = slice_of("", 0);
    for (;;) {
        rag_result *page = rag_result_new(err);
        if (!page)
            return RAG_E_NO_MEMORY;
        rag_status status =
            s->c.driver->kv.scan(&s->c.call, s->data, from_start, EMPTY_STEP, page, err);
        const size_t n = rag_result_count(page);
        if (status == RAG_OK && n)
            status = delete_page(s, page, err);
        rag_result_free(page);
        if (status != RAG_OK || !n)
            return status;
    }
}

rag_status shared_begin(struct shared_call *s, rag_error *err)
{
    if (s->c.call.txn)
        return RAG_OK;
    void *txn = NULL;
    RAG_TRY(s->c.driver->backend.begin(&s->c.call, &txn, err));
    s->c.call.txn = txn;
    s->own = 1;
    return RAG_OK;
}

rag_status shared_end(struct shared_call *s, rag_status status, rag_error *err)
{
    if (!s->own)
        return status;
    rag_token token = 0;
    if (status == RAG_OK)
        status = s->c.driver->backend.commit(&s->c.call, &token, err);
    else
        s->c.driver->backend.abort(&s->c.call);
    s->c.call.txn = NULL;
    s->own = 0;
    return status;
}
