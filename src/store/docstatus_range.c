/* Ranges of document rows for backends without indexes for them: a scan over all rows.
 *
 * Memory is bounded by what is asked for, not by what is stored: of the rows that match, the smallest
 * `keep` stay. They are gathered in an array of up to twice that many; when it is full it is sorted
 * and its second half freed, and from then on whatever is larger than the last of the first half is
 * passed over. What was passed over once can never come in again, since that last one only gets
 * smaller; so counts of equal ones, which conflicts need, are exact too. */
#include <stdlib.h>

#include "core/alloc.h"
#include "core/context.h"
#include "core/limits.h"
#include "core/result.h"
#include "dispatch.h"

struct kept {
    rag_slice first, second; /* what it is ordered by */
    rag_slice value;
    char *memory; /* of the three */
    uint64_t times;
};

struct smallest {
    struct kept *items;
    size_t count, capacity, keep;
    int cut; /* items[keep - 1] is the largest that is wanted */
};

static int compare_kept(const void *left, const void *right)
{
    const struct kept *a = left, *b = right;
    const int order = slice_compare(a->first, b->first);
    return order ? order : slice_compare(a->second, b->second);
}

/* Sorted, equal ones as one, and no more than wanted. */
static void settle(struct smallest *s)
{
    size_t count = 0;
    if (s->count)
        qsort(s->items, s->count, sizeof *s->items, compare_kept);
    for (size_t i = 0; i < s->count; i++) {
        struct kept *item = &s->items[i];
        if (count && compare_kept(&s->items[count - 1], item) == 0) {
            s->items[count - 1].times += item->times;
            rag_free(item->memory);
        } else if (count == s->keep) {
            rag_free(item->memory);
            s->cut = 1;
        } else {
            s->items[count++] = *item;
        }
    }
    s->count = count;
}

static rag_status make_room(struct smallest *s, rag_error *err)
{
    if (s->count < s->capacity)
        return RAG_OK;
    if (s->capacity >= 2 * s->keep) {
        settle(s);
        return RAG_OK;
    }
    size_t capacity = s->capacity ? 2 * s->capacity : 64;
    if (capacity > 2 * s->keep)
        capacity = 2 * s->keep;
    struct kept *items = rag_realloc(s->items, capacity * sizeof *items);
    if (!items)
        return rag_fail_memory(err);
    s->items = items;
    s->capacity = capacity;
    return RAG_OK;
}

static int is_wanted(const struct smallest *s, rag_slice first, rag_slice second)
{
    const struct kept key = { .first = first, .second = second };
    return !s->cut || compare_kept(&key, &s->items[s->keep - 1]) <= 0;
}

static rag_slice move_in(char **at, rag_slice from)
{
    const rag_slice copy = slice_of(*at, from.len);
    if (from.len)
        memcpy(*at, from.data, from.len);
    *at += from.len;
    return copy;
}

static rag_status keep(struct smallest *s, rag_slice first, rag_slice second, rag_slice value,
                       rag_error *err)
{
    RAG_TRY(make_room(s, err));
    char *memory = rag_alloc(first.len + second.len + value.len), *at = memory;
    if (!memory)
        return rag_fail_memory(err);
    struct kept *item = &s->items[s->count++];
    item->memory = memory;
    item->first = move_in(&at, first);
    item->second = move_in(&at, second);
    item->value = move_in(&at, value);
    item->times = 1;
    return RAG_OK;
}

static void free_smallest(struct smallest *s)
{
    for (size_t i = 0; i < s->count; i++)
        rag_free(s->items[i].memory);
    rag_free(s->items);
}

/* ---- all rows ------------------------------------------------------------------------------------ */

typedef rag_status (*visit_fn)(void *self, const rag_doc_fields *fields, rag_error *err);

static rag_status visit_page(const rag_result *page, visit_fn visit, void *self, rag_error *err)
{
    for (size_t i = 0; i < page->count; i++) {
        rag_doc_fields fields;
        void *memory;
        RAG_TRY(docs_fields(page->rows[i].key, page->rows[i].value, &fields, &memory, err));
        const rag_status status = visit(self, &fields, err);
        rag_free(memory);
        RAG_TRY(status);
    }
    return RAG_OK;
}

static rag_status visit_all(const rag_call *call, visit_fn visit, void *self, rag_error *err)
{
    const struct driver *driver = store_call_of(call)->driver;
    rag_result *page = NULL, *before = NULL;
    rag_status status = RAG_OK;
    do {
        rag_result_free(before);
        before = page; /* the position lives in it */
        page = rag_result_new(err);
        if (!page) {
            status = RAG_E_NO_MEMORY;
            break;
        }
        const rag_slice after = before ? before->next : slice_of("", 0);
        status = context_check(call->ctx, err);
        if (status == RAG_OK)
            status = driver->docstatus.scan(call, after, LIMIT_SCAN_DEFAULT, page, err);
        if (status == RAG_OK)
            status = visit_page(page, visit, self, err);
    } while (status == RAG_OK && page->next.len);
    rag_result_free(before);
    rag_result_free(page);
    return status;
}

/* ---- ranges ------------------------------------------------------------------------------------- */

struct range_visit {
    const rag_doc_range *range;
    struct smallest smallest;
    int records;
};

static int is_excluded(const rag_doc_range *range, const rag_doc_fields *fields)
{
    if (range->primaries_only && fields->is_duplicate)
        return 1;
    if (!range->exclude_id.len)
        return 0;
    return slice_equal(fields->id, range->exclude_id) ||
           (fields->is_duplicate && slice_equal(fields->original_id, range->exclude_id));
}

static int is_in_range(const rag_doc_range *range, const rag_doc_fields *fields)
{
    const rag_slice texts[] = { [0] = fields->status,
                                [RAG_DOC_BY_TRACK_ID] = fields->track_id,
                                [RAG_DOC_BY_FILE_PATH] = fields->file_path,
                                [RAG_DOC_BY_CONTENT_HASH] = fields->content_hash };
    int found = 0;
    for (size_t i = 0; i < range->value_count && !found; i++)
        found = slice_equal(texts[range->by], range->values[i]);
    if (!found || is_excluded(range, fields))
        return 0;
    if (range->from_start)
        return 1;
    const int order = slice_compare(fields->created_at, range->after_created_at);
    return order ? order > 0 : slice_compare(fields->id, range->after_id) > 0;
}

static rag_status visit_in_range(void *self, const rag_doc_fields *fields, rag_error *err)
{
    struct range_visit *v = self;
    if (!is_in_range(v->range, fields) || !is_wanted(&v->smallest, fields->created_at, fields->id))
        return RAG_OK;
    if (!v->records)
        return keep(&v->smallest, fields->created_at, fields->id, fields->value, err);
    char *record;
    size_t len;
    RAG_TRY(docs_record(fields, &record, &len, err));
    const rag_status status =
        keep(&v->smallest, fields->created_at, fields->id, slice_of(record, len), err);
    rag_free(record);
    return status;
}

static rag_status append_kept(struct smallest *s, rag_result *out, rag_error *err)
{
    settle(s);
    for (size_t i = 0; i < s->count; i++) {
        const struct kept *item = &s->items[i];
        const rag_row row = {
            .key = item->second, .key2 = item->first, .value = item->value, .found = 1
        };
        RAG_TRY(rag_result_append(out, &row, err));
    }
    if (s->count < s->keep || !s->cut)
        rag_result_add_flags(out, RAG_RESULT_EXHAUSTED);
    return RAG_OK;
}

static rag_status scan_range(const rag_call *call, const rag_doc_range *range, int records,
                             rag_result *out, rag_error *err)
{
    struct range_visit v = { .range = range, .smallest.keep = range->limit, .records = records };
    rag_status status = visit_all(call, visit_in_range, &v, err);
    if (status == RAG_OK)
        status = append_kept(&v.smallest, out, err);
    free_smallest(&v.smallest);
    return status;
}

rag_status fallback_docstatus_range(const rag_call *call, const rag_doc_range *range,
                                    rag_result *out, rag_error *err)
{
    return scan_range(call, range, 0, out, err);
}

rag_status fallback_docstatus_range_records(const rag_call *call, const rag_doc_range *range,
                                            rag_result *out, rag_error *err)
{
    return scan_range(call, range, 1, out, err);
}

/* ---- conflicts ---------------------------------------------------------------------------------- */

struct path_visit {
    rag_slice after;
    struct smallest smallest;
};

static rag_status visit_path(void *self, const rag_doc_fields *fields, rag_error *err)
{
    struct path_visit *v = self;
    const rag_slice none = slice_of("", 0);
    if (fields->is_duplicate || slice_compare(fields->file_path, v->after) <= 0 ||
        !is_wanted(&v->smallest, fields->file_path, none))
        return RAG_OK;
    return keep(&v->smallest, fields->file_path, none, none, err);
}

/* The conflicts among the paths gathered, as far as `out` has room. */
static rag_status append_conflicts(const struct smallest *s, size_t limit, rag_result *out,
                                   rag_error *err)
{
    for (size_t i = 0; i < s->count && out->count < limit; i++) {
        const struct kept *item = &s->items[i];
        const rag_row row = { .key = item->first, .number = (int64_t)item->times, .found = 1 };
        if (item->times > 1)
            RAG_TRY(rag_result_append(out, &row, err));
    }
    return RAG_OK;
}

/* So many paths at a time: with more than these, the rows are scanned several times. */
rag_status fallback_docstatus_conflicts(const rag_call *call, rag_slice after, size_t limit,
                                        rag_result *out, rag_error *err)
{
    struct path_visit v = { .after = after, .smallest.keep = LIMIT_SCAN_MAX };
    char *position = NULL;
    for (;;) {
        rag_status status = visit_all(call, visit_path, &v, err);
        if (status == RAG_OK) {
            settle(&v.smallest);
            status = append_conflicts(&v.smallest, limit, out, err);
        }
        const int go_on = status == RAG_OK && v.smallest.cut && out->count < limit;
        char *last = NULL;
        if (go_on) { /* the last path outlives its list */
            last = v.smallest.items[v.smallest.count - 1].memory;
            v.after = v.smallest.items[--v.smallest.count].first;
        }
        free_smallest(&v.smallest);
        rag_free(position);
        position = last;
        if (!go_on)
            return status;
        v.smallest = (struct smallest){ .keep = LIMIT_SCAN_MAX };
    }
}
