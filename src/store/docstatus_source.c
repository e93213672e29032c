/* Changing members of document rows, and sources: which document a file is, files that several
 * documents claim, and settling it.
 *
 * Changes read rows and write them again, so they run in a transaction: the caller's, or one of the
 * backend's own, with which other writers wait. Everything is written by one put, so nothing of a
 * change that fails stays in the caller's transaction either.
 *
 * A file's primaries are read through an index, without the rows themselves. With a backend that has
 * no transactions, what changes rows is refused (RAG_E_UNSUPPORTED); looking works. */
#include <stdlib.h>

#include "core/alloc.h"
#include "core/buffer.h"
#include "core/digest.h"
#include "core/json.h"
#include "core/json_object.h"
#include "core/limits.h"
#include "core/result.h"
#include "core/slice_index.h"
#include "dispatch.h"

/* ---- in a transaction ------------------------------------------------------------------------------ */

typedef rag_status (*work_fn)(const struct store_call *c, void *self, rag_error *err);

static rag_status in_transaction(struct store_call *c, work_fn work, void *self, rag_token *token,
                                 rag_error *err)
{
    const rag_backend *backend = &c->driver->backend;
    rag_token written = 0;
    if (c->call.txn) {
        RAG_TRY(work(c, self, err));
    } else {
        RAG_TRY(backend->begin(&c->call, &c->call.txn, err));
        const rag_status status = work(c, self, err);
        if (status != RAG_OK) {
            backend->abort(&c->call);
            return status;
        }
        RAG_TRY(backend->commit(&c->call, &written, err));
    }
    if (token)
        *token = written;
    return RAG_OK;
}

/* Write `n` rows that were read and changed. */
static rag_status put_rows(const struct store_call *c, const rag_doc *docs, size_t n,
                           rag_error *err)
{
    struct prepared ready = { 0 };
    rag_token ignored = 0; /* the commit has it */
    rag_status status = docs_prepare(docs, n, &ready, err);
    if (status == RAG_OK && ready.count)
        status = c->driver->docstatus.put_many(&c->call, ready.items, ready.count, &ignored, err);
    arena_free(&ready.arena);
    return status;
}

/* ---- changing members ------------------------------------------------------------------------------ */

struct update {
    const rag_doc *changes;
    size_t count;
    int missing_ok;
    rag_result *rows;         /* as stored, one for each id */
    rag_doc *docs;            /* as changed so far, one for each of `rows` */
    char **memory;            /* of the values in `docs` */
    struct slice_index index; /* from id to place in both */
};

static rag_status check_change(const rag_doc *change, rag_error *err)
{
    struct json_object object;
    struct json_member m;
    RAG_TRY(check_label(change->id, "document id", err));
    RAG_TRY(check_slice(change->value, "the change of a document", err));
    RAG_TRY(json_object_parse(change->value, "change of document", change->id, &object, err));
    struct json_cursor cursor = json_members(&object);
    rag_status status = RAG_OK;
    while (status == RAG_OK && json_next(&cursor, &m)) {
        if (slice_is(m.name, "created_at"))
            status = rag_fail(err, RAG_E_INVALID,
                              "document '%.*s': created_at cannot be changed, it orders sweeps",
                              RAG_SHOWN(change->id));
        else if (slice_is(m.name, "status") && !(m.type == JSON_STRING && m.text.len))
            status = rag_fail(err, RAG_E_INVALID,
                              "document '%.*s' would lose its status: the new one is not a text",
                              RAG_SHOWN(change->id));
    }
    json_object_free(&object);
    return status;
}

/* One change over what stands in its row by now. */
static rag_status apply_change(struct update *u, const rag_doc *change, rag_error *err)
{
    const size_t at = slice_index_find(&u->index, change->id);
    rag_doc *doc = &u->docs[at];
    char *merged;
    size_t len;
    if (!u->rows->rows[at].found) {
        if (u->missing_ok)
            return RAG_OK;
        return rag_fail(err, RAG_E_NOT_FOUND, "there is no document '%.*s'", RAG_SHOWN(change->id));
    }
    RAG_TRY(json_merge(doc->value, change->value, &merged, &len, err));
    rag_free(u->memory[at]);
    u->memory[at] = merged;
    doc->value = slice_of(merged, len);
    return RAG_OK;
}

static rag_status update_rows(const struct store_call *c, void *self, rag_error *err)
{
    struct update *u = self;
    rag_status status;
    size_t n = 0, changed = 0; /* rows read, rows to be written */
    rag_slice *ids = rag_alloc(u->count * sizeof *ids);
    u->docs = rag_alloc_zeroed(u->count, sizeof *u->docs);
    u->memory = rag_alloc_zeroed(u->count, sizeof *u->memory);
    if (!ids || !u->docs || !u->memory) {
        status = rag_fail_memory(err);
        goto cleanup;
    }
    for (size_t i = 0; i < u->count; i++) {
        size_t at;
        RAG_TRY_CLEANUP(slice_index_place(&u->index, u->changes[i].id, &n, &at, err));
        ids[at] = u->changes[i].id;
    }
    RAG_TRY_CLEANUP(c->driver->docstatus.get_many(&c->call, ids, n, u->rows, err));
    for (size_t i = 0; i < n; i++)
        u->docs[i] = (rag_doc){ u->rows->rows[i].key, u->rows->rows[i].value };
    for (size_t i = 0; i < u->count; i++)
        RAG_TRY_CLEANUP(apply_change(u, &u->changes[i], err));
    for (size_t i = 0; i < n; i++)
        if (u->memory[i]) {
            char *memory = u->memory[i];
            u->memory[i] = NULL;
            u->memory[changed] = memory; /* at or before its own place */
            u->docs[changed++] = u->docs[i];
        }
    status = put_rows(c, u->docs, changed, err);
cleanup:
    for (size_t i = 0; u->memory && i < n; i++)
        rag_free(u->memory[i]);
    rag_free(u->memory);
    rag_free(u->docs);
    rag_free(ids);
    return status;
}

rag_status rag_docstatus_update_many(rag_store *store, const rag_context *ctx,
                                     const rag_doc *changes, size_t n, int missing_ok,
                                     rag_token *token, rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter_kind(store, ctx, STORE_DOC_STATUS, NULL, STORE_WRITE, &c, err));
    RAG_TRY(check_count(changes, n, "changes of documents", err));
    for (size_t i = 0; i < n; i++)
        RAG_TRY(check_change(&changes[i], err));
    if (!n) {
        if (token)
            *token = 0;
        return RAG_OK;
    }
    struct update u = { .changes = changes,
                        .count = n,
                        .missing_ok = missing_ok,
                        .rows = rag_result_new(err),
                        .index = SLICE_INDEX_INIT };
    if (!u.rows)
        return RAG_E_NO_MEMORY;
    const rag_status status = in_transaction(&c, update_rows, &u, token, err);
    slice_index_free(&u.index);
    rag_result_free(u.rows);
    return status;
}

/* ---- the primaries of a file ------------------------------------------------------------------------ */

/* Of one file, in order of id. */
struct primaries {
    rag_result *rows; /* key = id, value = record */
    char fingerprint[DIGEST_SHA256_HEX_BYTES];
};

static int by_id(const void *left, const void *right)
{
    return slice_compare(((const rag_row *)left)->key, ((const rag_row *)right)->key);
}

static rag_status fingerprint_of(const rag_result *rows, char out[DIGEST_SHA256_HEX_BYTES],
                                 rag_error *err)
{
    struct digest d = DIGEST_INIT;
    RAG_TRY(digest_begin(&d, err));
    rag_status status = RAG_OK;
    for (size_t i = 0; i < rows->count && status == RAG_OK; i++) {
        status = digest_add(&d, rows->rows[i].key.data, rows->rows[i].key.len, err);
        if (status == RAG_OK)
            status = digest_add(&d, "", 1, err);
    }
    if (status == RAG_OK)
        return digest_end_hex(&d, out, err);
    digest_free(&d);
    return status;
}

/* Outside a transaction, more than LIMIT_SCAN_MAX primaries are not of one moment. */
static rag_status list_primaries(const struct store_call *c, rag_slice path, rag_result *out,
                                 rag_error *err)
{
    rag_doc_range range = { .struct_size = sizeof range,
                            .by = RAG_DOC_BY_FILE_PATH,
                            .values = &path,
                            .value_count = 1,
                            .primaries_only = 1,
                            .from_start = 1,
                            .limit = LIMIT_SCAN_MAX };
    for (;;) {
        const size_t before = out->count;
        RAG_TRY(c->driver->docstatus.range_records(&c->call, &range, out, err));
        if (out->flags & RAG_RESULT_EXHAUSTED || out->count == before)
            return RAG_OK;
        range.from_start = 0;
        range.after_created_at = out->rows[out->count - 1].key2;
        range.after_id = out->rows[out->count - 1].key;
    }
}

/* On success the caller frees out->rows. */
static rag_status read_primaries(const struct store_call *c, rag_slice path, struct primaries *out,
                                 rag_error *err)
{
    rag_result *rows = rag_result_new(err);
    if (!rows)
        return RAG_E_NO_MEMORY;
    rag_status status = RAG_OK;
    if (path.len)
        status = list_primaries(c, path, rows, err);
    if (status == RAG_OK && rows->count)
        qsort(rows->rows, rows->count, sizeof *rows->rows, by_id);
    if (status == RAG_OK)
        status = fingerprint_of(rows, out->fingerprint, err);
    if (status == RAG_OK)
        out->rows = rows;
    else
        rag_result_free(rows);
    return status;
}

/* Names that stand for "no file". */
static int names_no_source(rag_slice path)
{
    return !path.len || slice_is(path, "unknown_source");
}

static int never_in_conflict(rag_slice path)
{
    return names_no_source(path) || slice_is(path, "no-file-path");
}

rag_status rag_docstatus_resolve(rag_store *store, const rag_context *ctx, rag_slice source,
                                 rag_result **out, rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter_kind(store, ctx, STORE_DOC_STATUS, NULL, STORE_READ, &c, err));
    RAG_TRY(check_out(out, err));
    RAG_TRY(check_slice(source, "the source", err));
    struct primaries found = { 0 };
    RAG_TRY(read_primaries(&c, names_no_source(source) ? slice_of("", 0) : source, &found, err));
    rag_result *rows = rag_result_new(err);
    rag_status status = rows ? RAG_OK : RAG_E_NO_MEMORY;
    for (size_t i = 0; status == RAG_OK && i < found.rows->count; i++) {
        const rag_row *row = &found.rows->rows[i];
        if (!row->value.len)
            status = docs_refuse_unusable(row->key, "as a record", err);
        else if (i < RAG_DOC_SAMPLE_MAX)
            status = rag_result_append(
                rows, &(rag_row){ .key = row->key, .value = row->value, .found = 1 }, err);
    }
    if (status == RAG_OK)
        rag_result_set_total(rows, found.rows->count);
    rag_result_free(found.rows);
    return store_hand_over(status, rows, out);
}

/* ---- conflicts -------------------------------------------------------------------------------------- */

/* {"fingerprint":..., "<name>":[the first ids but `except`]} */
static rag_status describe_primaries(const struct primaries *p, const char *name, rag_slice except,
                                     struct buffer *b, rag_error *err)
{
    size_t shown = 0;
    RAG_TRY(buffer_printf(b, err, "{\"fingerprint\":\"%s\",\"%s\":[", p->fingerprint, name));
    for (size_t i = 0; i < p->rows->count && shown < RAG_DOC_SAMPLE_MAX; i++) {
        if (slice_equal(p->rows->rows[i].key, except))
            continue;
        if (shown++)
            RAG_TRY(buffer_append_char(b, ',', err));
        RAG_TRY(buffer_append_json_string(b, p->rows->rows[i].key, err));
    }
    return buffer_append_text(b, "]}", err);
}

static rag_status append_conflict(const struct store_call *c, rag_slice path, rag_result *out,
                                  rag_error *err)
{
    struct primaries found = { 0 };
    struct buffer b = BUFFER_INIT(LIMIT_VALUE_BYTES);
    RAG_TRY(read_primaries(c, path, &found, err));
    rag_status status = RAG_OK;
    if (found.rows->count > 1) { /* or somebody settled it just now */
        status = describe_primaries(&found, "sample", slice_of("", 0), &b, err);
        const rag_row row = {
            .key = path, .number = (int64_t)found.rows->count, .value = buffer_slice(&b), .found = 1
        };
        if (status == RAG_OK)
            status = rag_result_append(out, &row, err);
    }
    buffer_free(&b);
    rag_result_free(found.rows);
    return status;
}

rag_status rag_docstatus_conflicts(rag_store *store, const rag_context *ctx, rag_slice after,
                                   size_t limit, rag_result **out, rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter_kind(store, ctx, STORE_DOC_STATUS, NULL, STORE_READ, &c, err));
    rag_result *rows;
    RAG_TRY(store_begin_page(after, out, &rows, err));
    const size_t wanted = clamp_scan(limit);
    rag_result *paths = rag_result_new(err);
    rag_status status = paths ? RAG_OK : RAG_E_NO_MEMORY;
    if (status == RAG_OK)
        status = c.driver->docstatus.conflicts(&c.call, after, wanted, paths, err);
    for (size_t i = 0; status == RAG_OK && i < paths->count; i++)
        if (!never_in_conflict(paths->rows[i].key))
            status = append_conflict(&c, paths->rows[i].key, rows, err);
    if (status == RAG_OK && paths->count == wanted)
        status = rag_result_set_next(rows, paths->rows[wanted - 1].key, err);
    rag_result_free(paths);
    return store_hand_over_page(status, rows, out);
}

/* ---- repair ----------------------------------------------------------------------------------------- */

struct repair {
    const rag_doc_repair *asked;
    rag_result *out;
};

static rag_status check_repair(const rag_doc_repair *r, const struct primaries *found,
                               rag_error *err)
{
    int is_one = 0;
    for (size_t i = 0; i < found->rows->count && !is_one; i++)
        is_one = slice_equal(found->rows->rows[i].key, r->primary_id);
    if (!is_one)
        return rag_fail(err, RAG_E_INVALID,
                        "document '%.*s' is not one of the %zu primaries of '%.*s'",
                        RAG_SHOWN(r->primary_id), found->rows->count, RAG_SHOWN(r->source));
    if (r->dry_run)
        return RAG_OK;
    if (r->expected_count != found->rows->count ||
        strcmp(r->expected_fingerprint, found->fingerprint) != 0)
        return rag_fail(err, RAG_E_CONFLICT,
                        "'%.*s' has %zu primaries now, others than the %llu that were seen: look "
                        "again",
                        RAG_SHOWN(r->source), found->rows->count,
                        (unsigned long long)r->expected_count);
    return RAG_OK;
}

/* Make duplicates of `primary` of all the others: rows read, changed and written by one put. */
static rag_status demote(const struct store_call *c, const rag_result *all, rag_slice primary,
                         rag_error *err)
{
    struct buffer change = BUFFER_INIT(LIMIT_VALUE_BYTES);
    rag_status status;
    size_t n = 0, done = 0;
    rag_slice *ids = rag_alloc(all->count * sizeof *ids);
    rag_doc *docs = rag_alloc(all->count * sizeof *docs);
    rag_result *rows = rag_result_new(err);
    if (!ids || !docs || !rows) {
        status = rag_fail_memory(err);
        goto cleanup;
    }
    for (size_t i = 0; i < all->count; i++)
        if (!slice_equal(all->rows[i].key, primary))
            ids[n++] = all->rows[i].key;
    status = RAG_OK;
    if (!n)
        goto cleanup;
    RAG_TRY_CLEANUP(
        buffer_append_text(&change, "{\"is_duplicate\":true,\"original_doc_id\":", err));
    RAG_TRY_CLEANUP(buffer_append_json_string(&change, primary, err));
    RAG_TRY_CLEANUP(buffer_append_char(&change, '}', err));
    RAG_TRY_CLEANUP(c->driver->docstatus.get_many(&c->call, ids, n, rows, err));
    for (; done < n; done++) {
        char *merged;
        size_t len;
        RAG_TRY_CLEANUP(json_merge_member(rows->rows[done].value, "metadata", buffer_slice(&change),
                                          &merged, &len, err));
        docs[done] = (rag_doc){ ids[done], slice_of(merged, len) };
    }
    status = put_rows(c, docs, n, err);
cleanup:
    for (size_t i = 0; i < done; i++)
        rag_free((void *)(uintptr_t)docs[i].value.data);
    rag_result_free(rows);
    rag_free(docs);
    rag_free(ids);
    buffer_free(&change);
    return status;
}

static rag_status repair_source(const struct store_call *c, void *self, rag_error *err)
{
    const struct repair *r = self;
    const rag_doc_repair *asked = r->asked;
    const rag_slice path = never_in_conflict(asked->source) ? slice_of("", 0) : asked->source;
    struct primaries found = { 0 };
    struct buffer b = BUFFER_INIT(LIMIT_VALUE_BYTES);
    rag_status status;
    RAG_TRY(read_primaries(c, path, &found, err));
    RAG_TRY_CLEANUP(check_repair(asked, &found, err));
    if (!asked->dry_run)
        RAG_TRY_CLEANUP(demote(c, found.rows, asked->primary_id, err));
    RAG_TRY_CLEANUP(describe_primaries(&found, "demoted", asked->primary_id, &b, err));
    const rag_row row = { .key = asked->source,
                          .key2 = asked->primary_id,
                          .number = (int64_t)found.rows->count,
                          .value = buffer_slice(&b),
                          .found = !asked->dry_run };
    status = rag_result_append(r->out, &row, err);
cleanup:
    buffer_free(&b);
    rag_result_free(found.rows);
    return status;
}

rag_status rag_docstatus_repair(rag_store *store, const rag_context *ctx,
                                const rag_doc_repair *repair, rag_result **out, rag_error *err)
{
    struct store_call c;
    rag_doc_repair full = RAG_DOC_REPAIR_INIT;
    RAG_TRY(copy_options(repair, sizeof full, &full, sizeof full, "rag_doc_repair", err));
    RAG_TRY(store_enter_kind(store, ctx, STORE_DOC_STATUS, NULL,
                             full.dry_run ? STORE_READ : STORE_WRITE, &c, err));
    RAG_TRY(check_slice(full.source, "the source", err));
    RAG_TRY(check_label(full.primary_id, "document id", err));
    if (!full.dry_run && !full.expected_fingerprint)
        return rag_fail(err, RAG_E_INVALID, "a repair needs the fingerprint that was seen");
    struct repair r = { &full, rag_result_new(err) };
    if (!r.out)
        return RAG_E_NO_MEMORY;
    const rag_status status = full.dry_run ? repair_source(&c, &r, err)
                                           : in_transaction(&c, repair_source, &r, NULL, err);
    if (status == RAG_OK && out)
        *out = r.out;
    else
        rag_result_free(r.out);
    return status;
}
