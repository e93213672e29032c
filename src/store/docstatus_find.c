/* Questions of the scheduler: sweeps over statuses, records and whole rows by id, counts, and finding
 * rows by track id, file path or content hash.
 *
 * A sweep holds nothing open: its position is the key (created_at, id) of the last row consumed, as a
 * JSON array of two texts, which callers keep as it is. What a row is good for is judged here, by the
 * rules of docstatus_fields.c, so that backends only have to find rows. An unusable one counts as
 * consumed: a page may be empty and the sweep go on. */
#include "core/alloc.h"
#include "core/buffer.h"
#include "core/context.h"
#include "core/json_members.h"
#include "core/limits.h"
#include "core/result.h"
#include "dispatch.h"

/* ---- positions ------------------------------------------------------------------------------------ */

/* *memory: of the two texts; NULL from the start. */
static rag_status read_position(rag_slice after, rag_doc_range *range, char **memory,
                                rag_error *err)
{
    rag_slice key[2];
    *memory = NULL;
    RAG_TRY(check_after(after, err));
    range->from_start = after.len == 0;
    if (range->from_start)
        return RAG_OK;
    const rag_status status = json_string_array(after, 2, key, memory, NULL);
    if (status == RAG_E_NO_MEMORY)
        return rag_fail_memory(err);
    if (status != RAG_OK)
        return rag_fail(err, RAG_E_INVALID, "'%.*s' is not a position of a sweep",
                        RAG_SHOWN(after));
    range->after_created_at = key[0];
    range->after_id = key[1];
    return RAG_OK;
}

/* Where the next page goes on, unless these rows are the last. */
static rag_status write_position(const rag_result *rows, rag_result *out, rag_error *err)
{
    if (rows->flags & RAG_RESULT_EXHAUSTED || !rows->count) {
        rag_result_add_flags(out, RAG_RESULT_EXHAUSTED);
        return RAG_OK;
    }
    const rag_row *last = &rows->rows[rows->count - 1];
    struct buffer b = BUFFER_INIT(LIMIT_VALUE_BYTES);
    rag_status status;
    RAG_TRY_CLEANUP(buffer_append_char(&b, '[', err));
    RAG_TRY_CLEANUP(buffer_append_json_string(&b, last->key2, err));
    RAG_TRY_CLEANUP(buffer_append_char(&b, ',', err));
    RAG_TRY_CLEANUP(buffer_append_json_string(&b, last->key, err));
    RAG_TRY_CLEANUP(buffer_append_char(&b, ']', err));
    status = rag_result_set_next(out, buffer_slice(&b), err);
cleanup:
    buffer_free(&b);
    return status;
}

/* ---- what a row is good for ------------------------------------------------------------------------ */

rag_status docs_refuse_unusable(rag_slice id, const char *as, rag_error *err)
{
    return rag_fail(err, RAG_E_CORRUPT,
                    "document '%.*s' cannot be used %s: its status is not one of the known, or a "
                    "member is missing",
                    RAG_SHOWN(id), as);
}

static const char *use_of(unsigned what)
{
    return what == RAG_DOC_FULL ? "in full" : "as a record";
}

/* Without `strict`: leave it out, with a warning. */
static rag_status pass_over(const rag_context *ctx, rag_slice id, unsigned what, int strict,
                            rag_error *err)
{
    rag_error why = RAG_ERROR_INIT;
    const rag_status status = docs_refuse_unusable(id, use_of(what), strict ? err : &why);
    if (strict)
        return status;
    context_log(ctx, RAG_LOG_WARNING, "%s", why.message);
    return RAG_OK;
}

/* A row of a backend's range as an answer. */
static rag_status append_judged(const rag_context *ctx, const rag_row *row, unsigned what,
                                int strict, rag_result *out, rag_error *err)
{
    int usable = row->value.len > 0; /* a record is empty when there is none */
    if (what == RAG_DOC_FULL) {
        rag_doc_fields fields;
        void *memory;
        RAG_TRY(docs_fields(row->key, row->value, &fields, &memory, err));
        usable = fields.is_whole;
        rag_free(memory);
    }
    if (!usable)
        return pass_over(ctx, row->key, what, strict, err);
    return rag_result_append(out, row, err);
}

static rag_status check_what(unsigned what, rag_error *err)
{
    if (what != RAG_DOC_RECORD && what != RAG_DOC_FULL)
        return rag_fail(err, RAG_E_INVALID, "%u is neither RAG_DOC_RECORD nor RAG_DOC_FULL", what);
    return RAG_OK;
}

/* ---- sweeps ---------------------------------------------------------------------------------------- */

/* Statuses without repetition, in *out (rag_free). */
static rag_status unique_statuses(const char *const *statuses, size_t n, rag_slice **out,
                                  size_t *count, rag_error *err)
{
    size_t kept = 0;
    RAG_TRY(check_count(statuses, n, "statuses", err));
    for (size_t i = 0; i < n; i++)
        if (!statuses[i])
            return rag_fail(err, RAG_E_INVALID, "status %zu is NULL", i);
    rag_slice *unique = rag_alloc(n * sizeof *unique);
    if (!unique)
        return rag_fail_memory(err);
    for (size_t i = 0; i < n; i++) {
        const rag_slice name = rag_text(statuses[i]);
        size_t j = 0;
        while (j < kept && !slice_equal(unique[j], name))
            j++;
        if (j == kept)
            unique[kept++] = name;
    }
    *out = unique;
    *count = kept;
    return RAG_OK;
}

static rag_status run_sweep(const struct store_call *c, const rag_doc_sweep *sweep,
                            const rag_doc_range *range, rag_result *found, rag_result *out,
                            rag_error *err)
{
    const rag_docstatus_table *docs = &c->driver->docstatus;
    if (!range->value_count) {
        rag_result_add_flags(out, RAG_RESULT_EXHAUSTED);
        return RAG_OK;
    }
    if (sweep->what == RAG_DOC_FULL)
        RAG_TRY(docs->range(&c->call, range, found, err));
    else
        RAG_TRY(docs->range_records(&c->call, range, found, err));
    for (size_t i = 0; i < found->count; i++)
        RAG_TRY(append_judged(&c->ctx, &found->rows[i], sweep->what, sweep->strict != 0, out, err));
    return write_position(found, out, err);
}

rag_status rag_docstatus_sweep(rag_store *store, const rag_context *ctx, const rag_doc_sweep *sweep,
                               rag_result **out, rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter_kind(store, ctx, STORE_DOC_STATUS, NULL, STORE_READ, &c, err));
    RAG_TRY(check_out(out, err));
    rag_doc_sweep full = RAG_DOC_SWEEP_INIT;
    RAG_TRY(copy_options(sweep, sizeof full, &full, sizeof full, "rag_doc_sweep", err));
    RAG_TRY(check_what(full.what, err));
    if (!full.limit)
        return rag_fail(err, RAG_E_INVALID, "a sweep of 0 rows at a time");
    rag_doc_range range = { .struct_size = sizeof range, .limit = clamp_scan(full.limit) };
    rag_slice *statuses = NULL;
    char *memory = NULL;
    rag_result *found = NULL, *rows = NULL;
    rag_status status;
    RAG_TRY_CLEANUP(
        unique_statuses(full.statuses, full.status_count, &statuses, &range.value_count, err));
    range.values = statuses;
    RAG_TRY_CLEANUP(read_position(full.after, &range, &memory, err));
    found = rag_result_new(err);
    rows = found ? rag_result_new(err) : NULL;
    status = rows ? run_sweep(&c, &full, &range, found, rows, err) : RAG_E_NO_MEMORY;
    status = store_hand_over(status, rows, out);
cleanup:
    rag_result_free(found);
    rag_free(memory);
    rag_free(statuses);
    return status;
}

/* ---- by id, counts --------------------------------------------------------------------------------- */

/* A row by id as a record or in full; absent ones stay absent. */
static rag_status append_read(const rag_context *ctx, const rag_row *row, unsigned what, int strict,
                              rag_result *out, rag_error *err)
{
    rag_doc_fields fields;
    void *memory;
    char *record = NULL;
    size_t len = 0;
    rag_row answer = { .key = row->key, .number = 1 };
    if (!row->found)
        return rag_result_append_absent(out, row->key, slice_of("", 0), err);
    RAG_TRY(docs_fields(row->key, row->value, &fields, &memory, err));
    rag_status status = RAG_OK;
    if (what == RAG_DOC_FULL && fields.is_whole) {
        answer = (rag_row){ .key = row->key, .value = row->value, .found = 1 };
    } else if (what == RAG_DOC_RECORD && docs_usable(&fields)) {
        status = docs_record(&fields, &record, &len, err);
        answer = (rag_row){ .key = row->key, .value = slice_of(record, len), .found = 1 };
    } else {
        status = pass_over(ctx, row->key, what, strict, err);
    }
    if (status == RAG_OK)
        status = rag_result_append(out, &answer, err);
    rag_free(record);
    rag_free(memory);
    return status;
}

rag_status rag_docstatus_read_many(rag_store *store, const rag_context *ctx, const rag_slice *ids,
                                   size_t n, unsigned what, int strict, rag_result **out,
                                   rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter_kind(store, ctx, STORE_DOC_STATUS, NULL, STORE_READ, &c, err));
    RAG_TRY(check_out(out, err));
    RAG_TRY(check_labels(ids, n, "document id", err));
    RAG_TRY(check_what(what, err));
    rag_result *found = rag_result_new(err), *rows = found ? rag_result_new(err) : NULL;
    rag_status status = rows ? RAG_OK : RAG_E_NO_MEMORY;
    if (status == RAG_OK && n)
        status = c.driver->docstatus.get_many(&c.call, ids, n, found, err);
    for (size_t i = 0; status == RAG_OK && i < found->count; i++)
        status = append_read(&c.ctx, &found->rows[i], what, strict, rows, err);
    rag_result_free(found);
    return store_hand_over(status, rows, out);
}

rag_status rag_docstatus_count(rag_store *store, const rag_context *ctx,
                               const char *const *statuses, size_t n, uint64_t *count,
                               rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter_kind(store, ctx, STORE_DOC_STATUS, NULL, STORE_READ, &c, err));
    RAG_TRY(check_out(count, err));
    rag_slice *unique;
    size_t unique_count;
    uint64_t sum = 0;
    RAG_TRY(unique_statuses(statuses, n, &unique, &unique_count, err));
    rag_result *found = rag_result_new(err);
    const rag_status status =
        found ? c.driver->docstatus.counts(&c.call, found, err) : RAG_E_NO_MEMORY;
    for (size_t i = 0; status == RAG_OK && i < found->count; i++)
        for (size_t j = 0; j < unique_count; j++)
            if (slice_equal(found->rows[i].key, unique[j]))
                sum += (uint64_t)found->rows[i].number;
    rag_result_free(found);
    rag_free(unique);
    if (status == RAG_OK)
        *count = sum;
    return status;
}

/* ---- by other members ------------------------------------------------------------------------------ */

static rag_status run_find(const struct store_call *c, const rag_doc_query *query, rag_result *out,
                           rag_error *err)
{
    rag_doc_range range = { .struct_size = sizeof range,
                            .by = query->by,
                            .values = &query->text,
                            .value_count = 1,
                            .primaries_only = query->primaries_only != 0,
                            .exclude_id = query->exclude_id,
                            .limit = clamp_scan(query->limit) };
    char *memory;
    RAG_TRY(read_position(query->after, &range, &memory, err));
    rag_status status = RAG_OK;
    if (query->text.len)
        status = c->driver->docstatus.range(&c->call, &range, out, err);
    if (status == RAG_OK)
        status = write_position(out, out, err);
    rag_free(memory);
    return status;
}

rag_status rag_docstatus_find(rag_store *store, const rag_context *ctx, const rag_doc_query *query,
                              rag_result **out, rag_error *err)
{
    struct store_call c;
    RAG_TRY(store_enter_kind(store, ctx, STORE_DOC_STATUS, NULL, STORE_READ, &c, err));
    RAG_TRY(check_out(out, err));
    rag_doc_query full = RAG_DOC_QUERY_INIT;
    RAG_TRY(copy_options(query, sizeof full, &full, sizeof full, "rag_doc_query", err));
    if (full.by < RAG_DOC_BY_TRACK_ID || full.by > RAG_DOC_BY_CONTENT_HASH)
        return rag_fail(err, RAG_E_INVALID, "documents cannot be found by member %d", (int)full.by);
    RAG_TRY(check_slice(full.text, "what is looked for", err));
    RAG_TRY(check_slice(full.exclude_id, "the id to leave out", err));
    rag_result *rows = rag_result_new(err);
    if (!rows)
        return RAG_E_NO_MEMORY;
    return store_hand_over(run_find(&c, &full, rows, err), rows, out);
}
