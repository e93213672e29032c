/* Vectors out of a file that may be cut or damaged.
 *
 * The file is one line. Each record begins with {"__id__", and inside of a JSON text the quotes would
 * have backslashes: these bytes begin a record and nothing else. Each is read for itself, up to the
 * next; one whose JSON, base64, zlib (with its checksum) or length is wrong is lost alone.
 *
 * The dimension is what most of the first records have: one wrong digit in "embedding_dim" must not
 * lose them all. The matrix behind the records is only looked through for where the file ends: it
 * loses nothing, except for rows without "vector", which need it. */
#include <string.h>

#include "core/limits.h"
#include "nano_rows.h"
#include "salvage.h"

enum { SAMPLE = 100 };

static const struct salvage_marks records = { { "{\"__id__\"" }, { 9 }, 1 };

static const char *const words[] = { "\"data\": [", "\"embedding_dim\": ", "{\"__id__\": \"",
                                     NULL };

struct nano_salvage {
    struct nano_reader *n;
    struct salvage_scan scan;
    struct salvage_losses losses;
    struct json_reader counting; /* what is lost */
    uint64_t losses_index;       /* of the first row in the last stretch of them */
    int last;                    /* no record is behind this one */
    rag_error why;
    uint32_t sizes[SAMPLE]; /* dimensions of the first records */
    size_t sampled;
};

static struct lightrag_damage *damage(const struct nano_salvage *s)
{
    return &s->n->job->summary->damage;
}

/* A failure that is no fault of the file ends the salvage. */
static rag_status settle(const struct nano_salvage *s, rag_status status, rag_error *err)
{
    if (status == RAG_OK || salvage_is_fault(status))
        return RAG_OK;
    if (err)
        *err = s->why;
    return status;
}

/* ---- the dimension --------------------------------------------------------------------------------- */

static rag_status sample_record(struct nano_salvage *s, uint64_t from, uint64_t to, rag_error *err)
{
    struct salvage_region region = SALVAGE_REGION(s->n->job->input, from, to);
    struct json_reader r = { 0 };
    enum json_event event;
    char why[NANO_WHY_BYTES];
    RAG_TRY(json_reader_open_inside(&r, "", salvage_fill, &region, from, "{[", err));
    rag_status status = json_reader_next(&r, &event, &s->why);
    while (status == RAG_OK) {
        rag_slice field;
        status = json_reader_next(&r, &event, &s->why);
        if (status != RAG_OK || event != JSON_EVENT_KEY)
            break;
        const int vector = slice_is(json_reader_text(&r), "vector");
        status = json_reader_next(&r, &event, &s->why);
        if (status == RAG_OK && vector && event == JSON_EVENT_STRING) {
            status = json_reader_string(&r, NANO_FIELD_BYTES, &field, &s->why);
            if (status == RAG_OK && nano_vector_unpack(&s->n->vector, field, why) &&
                s->n->vector.len && s->n->vector.len % 2 == 0)
                s->sizes[s->sampled++] = (uint32_t)(s->n->vector.len / 2);
            break;
        }
        if (status == RAG_OK)
            status = json_reader_skip(&r, &s->why);
    }
    json_reader_close(&r);
    return settle(s, status, err);
}

/* What most of the sample have; 0 when there is none. */
static uint32_t most_common(const struct nano_salvage *s)
{
    uint32_t best = 0;
    size_t best_count = 0;
    for (size_t i = 0; i < s->sampled; i++) {
        size_t count = 0;
        for (size_t j = 0; j < s->sampled; j++)
            count += s->sizes[j] == s->sizes[i];
        if (count > best_count) {
            best = s->sizes[i];
            best_count = count;
        }
    }
    return best;
}

static rag_status find_dimension(struct nano_salvage *s, uint32_t *dimension, rag_error *err)
{
    uint64_t start, next;
    int found;
    salvage_scan_seek(&s->scan, 0);
    RAG_TRY(salvage_scan_find(&s->scan, &records, &start, &found, err));
    for (size_t i = 0; found && i < SAMPLE; i++) {
        RAG_TRY(salvage_scan_find(&s->scan, &records, &next, &found, err));
        RAG_TRY(sample_record(s, start, next, err));
        start = next;
    }
    *dimension = most_common(s);
    return RAG_OK;
}

/* ---- what is lost ---------------------------------------------------------------------------------- */

/* From the beginning of the file into the array of the rows. */
static rag_status enter_data(struct json_reader *r, enum json_event *event, rag_error *why)
{
    RAG_TRY(json_reader_next(r, event, why));
    if (*event != JSON_EVENT_OBJECT)
        return rag_fail(why, RAG_E_CORRUPT, "the file is not an object");
    for (;;) {
        RAG_TRY(json_reader_next(r, event, why));
        if (*event != JSON_EVENT_KEY)
            return rag_fail(why, RAG_E_CORRUPT, "the file has no \"data\"");
        const int is_data = slice_is(json_reader_text(r), "data");
        RAG_TRY(json_reader_next(r, event, why));
        if (is_data && *event == JSON_EVENT_ARRAY)
            return RAG_OK;
        RAG_TRY(json_reader_skip(r, why));
    }
}

/* Elements that are objects, up to the end of the array and what must follow it. */
static rag_status count_elements(struct json_reader *r, struct salvage_count *out, rag_error *why)
{
    enum json_event event;
    for (;;) {
        RAG_TRY(json_reader_next(r, &event, why));
        if (event != JSON_EVENT_OBJECT)
            break;
        RAG_TRY(json_reader_skip(r, why));
        out->rows++;
    }
    if (event != JSON_EVENT_ARRAY_END)
        return rag_fail(why, RAG_E_CORRUPT, "a row is not an object");
    RAG_TRY(json_reader_next(r, &event, why));
    if (event == JSON_EVENT_OBJECT_END)
        RAG_TRY(json_reader_next(r, &event, why));
    out->whole = 1;
    return RAG_OK;
}

/* A salvage_count_fn. Behind the last record the array must end, wherever `to` is. */
static rag_status count_rows(void *ctx, const struct lightrag_input *input, uint64_t from,
                             uint64_t to, int behind_row, struct salvage_count *out, rag_error *err)
{
    struct nano_salvage *s = ctx;
    struct salvage_region region = SALVAGE_REGION(input, from, s->last ? SALVAGE_TO_THE_END : to);
    struct json_reader *r = &s->counting;
    const char *inside = from ? behind_row ? "{[," : "{[" : "";
    rag_error why = RAG_ERROR_INIT;
    enum json_event event;
    rag_status status = RAG_OK;
    int between = 0, entered;
    *out = (struct salvage_count){ 0 };
    RAG_TRY(json_reader_restart(r, "", salvage_fill, &region, from, inside, err));
    if (!from)
        status = enter_data(r, &event, &why);
    entered = status == RAG_OK;
    if (status == RAG_OK)
        status = count_elements(r, out, &why);
    if (salvage_is_fault(status)) {
        out->cut = json_reader_ran_out(r, &between);
        out->whole = !s->last && entered && between && json_reader_depth(r) == 2;
    } else if (status == RAG_OK) {
        out->whole = s->last;
    }
    out->fault = json_reader_offset(r);
    if (status == RAG_OK || salvage_is_fault(status))
        return RAG_OK;
    return rag_pass(status, &why, err);
}

/* Put a stretch down, and count its rows in: the rows behind it have their places in the matrix. */
static rag_status lose(struct nano_salvage *s, const struct salvage_stretch *stretch,
                       rag_error *err)
{
    struct nano_reader *n = s->n;
    int taken_back = 0;
    const int goes_on = s->losses.open && !s->losses.exact && s->losses.to == stretch->from;
    RAG_TRY(salvage_lose(&s->losses, stretch, salvage_why_at(&s->why), &taken_back, err));
    if (taken_back)
        lightrag_row_take_back(n->job);
    if (!goes_on || s->losses.exact)
        s->losses_index = n->index - (uint64_t)taken_back;
    n->index = s->losses_index + s->losses.rows;
    n->index_unknown |= !s->losses.exact;
    return RAG_OK;
}

/* ---- before and behind the records ----------------------------------------------------------------- */

/* Members of the file up to the first record, or from behind the last. *whole: nothing is wrong. */
static rag_status read_members(struct nano_salvage *s, struct json_reader *r, uint64_t end,
                               int behind, uint32_t *dimension, int *whole, rag_error *err)
{
    enum json_event event = JSON_EVENT_NULL;
    rag_status status = RAG_OK;
    *whole = 0;
    if (!behind) {
        status = json_reader_next(r, &event, &s->why);
        if (status == RAG_OK && event != JSON_EVENT_OBJECT)
            status = rag_fail(&s->why, RAG_E_CORRUPT, "the file is not an object");
    }
    while (status == RAG_OK) {
        status = json_reader_next(r, &event, &s->why);
        if (status != RAG_OK || event != JSON_EVENT_KEY)
            break;
        const int is_data = slice_is(json_reader_text(r), "data");
        const int is_size = slice_is(json_reader_text(r), "embedding_dim");
        status = json_reader_next(r, &event, &s->why);
        if (status == RAG_OK && is_size)
            status = nano_read_dimension(r, event, dimension, &s->why);
        if (status == RAG_OK && is_data && event == JSON_EVENT_ARRAY && !behind &&
            end != SALVAGE_TO_THE_END) {
            int gap = 0;
            RAG_TRY(salvage_is_gap(s->n->job->input, json_reader_offset(r), end, 0, &gap, err));
            *whole = gap;
            return RAG_OK;
        }
        const uint64_t start = json_reader_offset(r);
        if (status == RAG_OK)
            status = json_reader_skip(r, &s->why);
        if (status == RAG_OK && is_data && json_reader_offset(r) - start > 1)
            status = rag_fail(&s->why, RAG_E_CORRUPT,
                              "no row begins with \"__id__\": not even one can be told apart");
    }
    if (status == RAG_OK)
        status = json_reader_next(r, &event, &s->why);
    *whole = status == RAG_OK;
    return settle(s, status, err);
}

/* What is before the first record, which begins at `end`. Without records: the whole file. */
static rag_status read_head(struct nano_salvage *s, uint64_t end, int found, rag_error *err)
{
    const uint64_t to = found ? end : SALVAGE_TO_THE_END;
    const struct salvage_stretch head = { .to = end, .may_be_none = 1 };
    struct salvage_region region = SALVAGE_REGION(s->n->job->input, 0, to);
    struct json_reader r = { 0 };
    uint32_t said = 0, sampled = 0;
    int whole = 0;
    (void)rag_fail(&s->why, RAG_E_CORRUPT, "not what is before the rows of such a file");
    RAG_TRY(find_dimension(s, &sampled, err));
    RAG_TRY(json_reader_open(&r, "", salvage_fill, &region, err));
    const rag_status status = read_members(s, &r, to, 0, &said, &whole, err);
    json_reader_close(&r);
    RAG_TRY(status);
    s->n->dimension = sampled ? sampled : said;
    if (!whole && found)
        return lose(s, &head, err);
    if (!whole) {
        lightrag_damage_add(damage(s), 0, end, 0, "%s", salvage_why_at(&s->why));
        damage(s)->at_least = 1;
    } else if (said && sampled && said != sampled) {
        lightrag_damage_add(damage(s), 0, end, 0,
                            "\"embedding_dim\" is %u, but the rows have %u elements", said,
                            sampled);
    }
    return RAG_OK;
}

/* Whether the reader of the last record stands before the end of the rows, and more members or the
 * end of the file behind it. *end: it is the end of the file. */
static rag_status rows_end(struct nano_salvage *s, int *end)
{
    struct json_reader *r = &s->n->json;
    enum json_event event;
    RAG_TRY(json_reader_next(r, &event, &s->why));
    if (event != JSON_EVENT_ARRAY_END)
        return rag_fail(&s->why, RAG_E_CORRUPT, "not the end of the rows");
    RAG_TRY(json_reader_next(r, &event, &s->why));
    *end = event == JSON_EVENT_OBJECT_END;
    if (*end)
        return json_reader_next(r, &event, &s->why);
    RAG_TRY(json_reader_next(r, &event, &s->why));
    return json_reader_skip(r, &s->why);
}

/* The end of the file, from behind the last record, which begins at `row`. */
static rag_status read_tail(struct nano_salvage *s, uint64_t row, uint64_t from, uint64_t size,
                            rag_error *err)
{
    const struct salvage_stretch tail = {
        .from = from, .to = size, .behind_row = 1, .row = row, .may_be_short = 1, .may_be_none = 1
    };
    struct salvage_count rows;
    uint32_t ignored = 0;
    int whole = 0, end = 0;
    rag_status status = rows_end(s, &end);
    if (status == RAG_OK && !end)
        RAG_TRY(read_members(s, &s->n->json, SALVAGE_TO_THE_END, 1, &ignored, &whole, err));
    RAG_TRY(settle(s, status, err));
    if (whole || (status == RAG_OK && end))
        return RAG_OK;
    /* are the rows at their end there, and the damage is behind it? */
    RAG_TRY(count_rows(s, s->n->job->input, from, size, 1, &rows, err));
    if (!rows.whole || rows.rows)
        return lose(s, &tail, err);
    lightrag_damage_add(damage(s), from, size - from, 0, "behind the rows: %s",
                        salvage_why_at(&s->why));
    return RAG_OK;
}

/* ---- records --------------------------------------------------------------------------------------- */

/* Behind a last record that is broken there may be the matrix: the record ends before it. */
static rag_status end_of_broken(struct nano_salvage *s, uint64_t from, uint64_t *end,
                                rag_error *err)
{
    static const struct salvage_marks ends = { { "}], \"matrix\"", "}],\"matrix\"" },
                                               { 12, 11 },
                                               2 };
    int found = 0;
    salvage_scan_seek(&s->scan, from);
    RAG_TRY(salvage_scan_find(&s->scan, &ends, end, &found, err));
    *end += (uint64_t)found;
    return RAG_OK;
}

static rag_status salvage_record(struct nano_salvage *s, uint64_t from, uint64_t to, int last,
                                 rag_error *err)
{
    struct nano_reader *n = s->n;
    struct salvage_region region =
        SALVAGE_REGION(n->job->input, from, last ? SALVAGE_TO_THE_END : to);
    struct salvage_stretch stretch = { .from = from, .to = to };
    enum json_event event;
    int gap = 0;
    s->last = last;
    n->replaced += json_reader_replaced(&n->json);
    json_reader_close(&n->json);
    n->json = (struct json_reader){ 0 };
    RAG_TRY(json_reader_open_inside(&n->json, n->job->input->name, salvage_fill, &region, from,
                                    "{[", err));
    rag_status status = json_reader_next(&n->json, &event, &s->why);
    if (status == RAG_OK)
        status = nano_read_row(n, &s->why);
    RAG_TRY(settle(s, status, err));
    if (status == RAG_OK) {
        struct lightrag_batch *b = n->job->batch;
        const uint64_t end = json_reader_offset(&n->json);
        n->index++;
        b->rows[b->count - 1].at = from;
        b->rows[b->count - 1].length = end - from;
        if (last)
            return read_tail(s, from, end, to, err);
        RAG_TRY(salvage_is_gap(n->job->input, end, to, ',', &gap, err));
        if (gap)
            return RAG_OK;
        (void)rag_fail(&s->why, RAG_E_CORRUPT, "not what is between two rows");
        stretch = (struct salvage_stretch){
            .from = end, .to = to, .behind_row = 1, .row = from, .may_be_short = 1
        };
    } else {
        lightrag_row_abandon(n->job);
        if (last)
            RAG_TRY(end_of_broken(s, from, &stretch.to, err));
    }
    return lose(s, &stretch, err);
}

static rag_status salvage_file(struct nano_salvage *s, rag_error *err)
{
    const unsigned char *p;
    size_t n;
    uint64_t start, next;
    int found = 0;
    RAG_TRY(salvage_scan_look(&s->scan, 1, &p, &n, err));
    if (!n) {
        lightrag_damage_add(damage(s), 0, 0, 0, "the file is empty");
        damage(s)->at_least = 1;
        return RAG_OK;
    }
    RAG_TRY(salvage_scan_find(&s->scan, &records, &start, &found, err));
    RAG_TRY(read_head(s, start, found, err));
    /* looking at the head has moved the scan */
    while (found) {
        salvage_scan_seek(&s->scan, start + 1);
        RAG_TRY(salvage_scan_find(&s->scan, &records, &next, &found, err));
        RAG_TRY(salvage_record(s, start, next, !found, err));
        start = next;
    }
    salvage_losses_end(&s->losses);
    return RAG_OK;
}

rag_status nano_salvage(struct nano_reader *n, rag_error *err)
{
    const rag_error none = RAG_ERROR_INIT;
    struct salvage_spelling spelling = salvage_json;
    spelling.words = words;
    struct nano_salvage s = { .n = n,
                              .why = none,
                              .losses = { .damage = &n->job->summary->damage,
                                          .input = n->job->input,
                                          .spelling = &spelling,
                                          .count = count_rows,
                                          .ctx = &s } };
    rag_status status = salvage_scan_open(&s.scan, n->job->input, err);
    if (status == RAG_OK)
        status = salvage_file(&s, err);
    json_reader_close(&s.counting);
    salvage_scan_close(&s.scan);
    return status;
}
