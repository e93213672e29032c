/* Values by key out of a file that may be cut or damaged.
 *
 * LightRAG writes one line for each member, indented by two, and inside of JSON texts line ends are
 * escaped: a line end, the indentation of the first row and a quote begin a row and nothing else.
 * Such a file is cut at these marks into regions, and each is read for itself. A file without such
 * lines is one region.
 *
 * In a region rows are read until the first fault. Behind it the next row is looked for: a name,
 * a colon and an opening brace from which members that are all objects follow each other up to the
 * end of the region. What is nested inside of a damaged row does not do that: its members are no
 * objects, or it ends with one brace too many. In a file that is one region a chain of members may
 * also end at the next fault, else one fault would hide all that is between it and the second.
 *
 * A fault can make a row end too early (a comma becomes a brace). Where lines are indented this is
 * seen by the place of the brace, and the row is taken back. */
#include <string.h>

#include "core/limits.h"
#include "json_kv_rows.h"
#include "salvage.h"

enum { INDENT_MOST = 8 };

struct kv_salvage {
    struct kv_reader *k;
    struct salvage_scan scan; /* for names behind a fault */
    rag_error why;
    int nested_layout;          /* of an old cache */
    size_t indent;              /* 0: the file has no lines of its own for rows */
    char mark[INDENT_MOST + 3]; /* what begins a row */
    uint64_t row, row_end;      /* place of the last row begun; of the last that was whole */
    uint64_t end;               /* of the region */
    int last;                   /* the region ends with the file */
    int last_saved;             /* the row before the fault was whole */
    int truncated;
    uint64_t fault; /* where reading ended: a row must lead past it */
};

static struct lightrag_damage *damage(const struct kv_salvage *s)
{
    return &s->k->job->summary->damage;
}

/* ---- the layout of the file ------------------------------------------------------------------------ */

static rag_status find_layout(struct kv_salvage *s, rag_error *err)
{
    const unsigned char *p;
    size_t n, indent = 2;
    uint64_t at;
    int found = 0;
    RAG_TRY(salvage_scan_look(&s->scan, 64, &p, &n, err));
    const size_t start = n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    size_t i = start + 1;
    if (n > start && p[start] == '{' && i < n && p[i] == '\r')
        i++;
    if (n > start && p[start] == '{' && i < n && p[i] == '\n') {
        const size_t line = ++i;
        while (i < n && p[i] == ' ')
            i++;
        if (i + 1 < n && p[i] == '"' && p[i + 1] != '"' && i > line && i - line <= INDENT_MOST)
            indent = i - line;
    }
    s->mark[0] = '\n';
    memset(s->mark + 1, ' ', indent);
    memcpy(s->mark + 1 + indent, "\"", 2);
    const struct salvage_marks marks = { { s->mark }, { indent + 2 }, 1 };
    RAG_TRY(salvage_scan_find(&s->scan, &marks, &at, &found, err));
    s->indent = found ? indent : 0;
    return RAG_OK;
}

/* Whether the brace before `end` is where the brace of a row is. */
static rag_status row_ends_at(const struct kv_salvage *s, uint64_t end, int *ends, rag_error *err)
{
    char bytes[INDENT_MOST + 2];
    const size_t want = s->indent + 2;
    const struct lightrag_input *input = s->k->job->input;
    size_t have = 0;
    *ends = !s->indent;
    if (*ends || end < want)
        return RAG_OK;
    while (have < want) {
        size_t n = 0;
        RAG_TRY(input->read_at(input->ctx, end - want + have, bytes + have, want - have, &n, err));
        if (!n)
            return RAG_OK;
        have += n;
    }
    *ends = memcmp(bytes + want - 2, "{}", 2) == 0 ||
            (memcmp(bytes, s->mark, want - 1) == 0 && bytes[want - 1] == '}');
    return RAG_OK;
}

/* ---- rows one after the other ---------------------------------------------------------------------- */

/* Whether the value of the member at `at` is a mode of an old cache; what cannot be read to its end
 * is taken for what it looks like up to there. */
static rag_status is_mode(struct kv_salvage *s, uint64_t at, int *mode, rag_error *err)
{
    struct salvage_region region = SALVAGE_REGION(s->k->job->input, at, s->end);
    struct json_reader r = { 0 };
    enum json_event event;
    *mode = 0;
    if (!s->nested_layout)
        return RAG_OK;
    RAG_TRY(json_reader_open_inside(&r, "", salvage_fill, &region, at, "{", err));
    rag_status status = json_reader_next(&r, &event, &s->why);
    if (status == RAG_OK)
        status = json_reader_next(&r, &event, &s->why);
    if (status == RAG_OK && event == JSON_EVENT_OBJECT)
        status = kv_all_have_return(&r, mode, &s->why);
    json_reader_close(&r);
    if (salvage_is_fault(status)) {
        *mode = 0;
        status = RAG_OK;
    }
    if (status != RAG_OK && err)
        *err = s->why;
    return status;
}

static void place_row(struct kv_salvage *s)
{
    struct lightrag_batch *b = s->k->job->batch;
    s->row_end = json_reader_offset(&s->k->json);
    if (b->count) {
        b->rows[b->count - 1].at = s->row;
        b->rows[b->count - 1].length = s->row_end - s->row;
    }
}

/* Read rows from s->row_end on. *clean: all that is in the region was read, else s->why says why
 * not, and `s->row` is the row that is broken, or not above s->row_end when it is between rows. */
static rag_status read_chain(struct kv_salvage *s, int *clean, rag_error *err)
{
    struct kv_reader *k = s->k;
    enum json_event event;
    int comma = 0, mode = 0;
    rag_status status = RAG_OK;
    *clean = 0;
    for (;;) {
        status = json_reader_next(&k->json, &event, &s->why);
        if (status != RAG_OK || event == JSON_EVENT_OBJECT_END)
            break;
        s->row = json_reader_token(&k->json);
        status = is_mode(s, s->row, &mode, &s->why);
        if (status == RAG_OK)
            status = mode ? kv_read_mode(k, &s->why) : kv_read_row(k, &s->why);
        if (status != RAG_OK)
            break;
        place_row(s);
        s->last_saved = !mode;
    }
    if (status == RAG_OK)
        status = json_reader_next(&k->json, &event, &s->why);
    if (status == RAG_OK) {
        (void)rag_fail(&s->why, RAG_E_CORRUPT, "the object ends, but the file does not");
        *clean = s->last;
    }
    if (salvage_is_fault(status)) {
        const int out = json_reader_ran_out(&k->json, &comma);
        s->fault = json_reader_offset(&k->json);
        *clean = !s->last && comma;
        s->truncated |= s->last && out;
        lightrag_row_abandon(k->job);
        return RAG_OK;
    }
    if (status != RAG_OK && err)
        *err = s->why;
    return status;
}

static rag_status chain_from(struct kv_salvage *s, uint64_t at, int *clean, rag_error *err)
{
    struct kv_reader *k = s->k;
    struct salvage_region region = SALVAGE_REGION(k->job->input, at, s->end);
    k->replaced += json_reader_replaced(&k->json);
    json_reader_close(&k->json);
    k->json = (struct json_reader){ 0 };
    RAG_TRY(json_reader_open_inside(&k->json, k->job->input->name, salvage_fill, &region, at, "{",
                                    err));
    s->row = s->row_end = at;
    s->last_saved = 0;
    return read_chain(s, clean, err);
}

/* ---- behind a fault -------------------------------------------------------------------------------- */

/* Whether a name, a colon and a brace are at p. */
static int is_beginning(const unsigned char *p, size_t n)
{
    size_t i = 1;
    while (i < n && p[i] != '"' && p[i] >= 0x20)
        i += p[i] == '\\' ? 2 : 1;
    if (i >= n || p[i] != '"')
        return 0;
    for (i++; i < n && (p[i] == ' ' || p[i] == '\n' || p[i] == '\r' || p[i] == '\t'); i++)
        ;
    if (i >= n || p[i] != ':')
        return 0;
    for (i++; i < n && (p[i] == ' ' || p[i] == '\n' || p[i] == '\r' || p[i] == '\t'); i++)
        ;
    return i < n && p[i] == '{';
}

/* Whether rows begin at `at`; if not, *behind is where nothing can be found before. */
static rag_status probe(struct kv_salvage *s, uint64_t at, int *good, uint64_t *behind,
                        rag_error *err)
{
    struct salvage_region region = SALVAGE_REGION(s->k->job->input, at, s->end);
    struct json_reader r = { 0 };
    rag_error why = RAG_ERROR_INIT;
    enum json_event event = JSON_EVENT_KEY;
    int comma = 0;
    uint64_t members = 0;
    *behind = at + 1;
    *good = 0;
    RAG_TRY(json_reader_open_inside(&r, "", salvage_fill, &region, at, "{", err));
    rag_status status;
    for (;;) {
        status = json_reader_next(&r, &event, &why);
        if (status != RAG_OK || event != JSON_EVENT_KEY)
            break;
        status = json_reader_next(&r, &event, &why);
        if (status == RAG_OK && event == JSON_EVENT_OBJECT)
            status = json_reader_skip(&r, &why);
        else if (status == RAG_OK)
            break;
        if (status != RAG_OK)
            break;
        members++;
        *behind = json_reader_offset(&r);
    }
    if (status == RAG_OK && event == JSON_EVENT_OBJECT_END) {
        status = json_reader_next(&r, &event, &why);
        *good = status == RAG_OK && s->last;
    } else if (salvage_is_fault(status)) {
        (void)json_reader_ran_out(&r, &comma);
        *good = (!s->last && comma) ||
                (!s->indent && members && !s->truncated && json_reader_offset(&r) != s->fault);
    }
    json_reader_close(&r);
    if (status == RAG_OK || salvage_is_fault(status))
        return RAG_OK;
    if (err)
        *err = why;
    return status;
}

/* The next row behind `from`: *found 0 and *at the end of the region when there is none. */
static rag_status next_row(struct kv_salvage *s, uint64_t from, uint64_t *at, int *found,
                           rag_error *err)
{
    static const struct salvage_marks quote = { { "\"" }, { 1 }, 1 };
    salvage_scan_seek(&s->scan, from);
    for (;;) {
        const unsigned char *p;
        size_t n;
        RAG_TRY(salvage_scan_find(&s->scan, &quote, at, found, err));
        if (!*found || *at >= s->end) {
            *found = 0;
            *at = *at < s->end ? *at : s->end;
            return RAG_OK;
        }
        salvage_scan_seek(&s->scan, *at);
        RAG_TRY(salvage_scan_look(&s->scan, LIMIT_SALVAGE_NAME_BYTES, &p, &n, err));
        uint64_t behind = *at + 1;
        *found = 0;
        if (is_beginning(p, n))
            RAG_TRY(probe(s, *at, found, &behind, err));
        if (*found)
            return RAG_OK;
        salvage_scan_seek(&s->scan, behind);
    }
}

/* In a file without lines: so much follows the end of the row at once that it is not only what
 * separates two rows. */
static int was_cut_short(const struct kv_salvage *s, uint64_t next)
{
    return !s->indent && s->last_saved && s->fault == s->row_end && !s->truncated &&
           next - s->row_end >= SALVAGE_ROW_LEAST;
}

/* Put down what is between the last whole row and `next`. */
static rag_status note(struct kv_salvage *s, uint64_t next, int found, rag_error *err)
{
    const int in_row = s->row > s->row_end || (s->row == s->row_end && !s->last_saved);
    uint64_t from = in_row ? s->row : s->row_end, lost = 1;
    int ends = 1, hole = 0;
    if (s->last_saved && s->row_end > from)
        from = s->row_end;
    if (s->last_saved)
        RAG_TRY(row_ends_at(s, s->row_end, &ends, err));
    if (!in_row && was_cut_short(s, next))
        ends = 0;
    if (!ends &&
        s->k->job->batch
            ->count) { /* its end is not the end of a row: it was cut short by the damage */
        struct lightrag_batch *b = s->k->job->batch;
        from = b->rows[b->count - 1].at;
        lightrag_row_take_back(s->k->job);
    } else if (!in_row && next - from < SALVAGE_ROW_LEAST + s->indent + 1) {
        lost = 0;
    }
    if (!in_row && ends && s->last && !found && s->truncated)
        lost = 0;
    RAG_TRY(salvage_has_hole(s->k->job->input, from, next, &hole, err));
    damage(s)->at_least |= hole;
    lightrag_damage_add(damage(s), from, next - from, lost, "%s", salvage_why_at(&s->why));
    return RAG_OK;
}

/* ---- regions --------------------------------------------------------------------------------------- */

static rag_status salvage_region(struct kv_salvage *s, uint64_t start, uint64_t end, int last,
                                 rag_error *err)
{
    uint64_t at = start;
    int found = 1, clean;
    s->end = end;
    s->last = last;
    while (found) {
        s->truncated = 0;
        RAG_TRY(chain_from(s, at, &clean, err));
        if (clean)
            return RAG_OK;
        const uint64_t from = s->row > s->row_end ? s->row : s->row_end;
        RAG_TRY(next_row(s, from == at ? at + 1 : from, &at, &found, err));
        RAG_TRY(note(s, at, found, err));
    }
    damage(s)->at_least |= last && s->truncated;
    return RAG_OK;
}

/* What is before the first row. */
static rag_status salvage_head(struct kv_salvage *s, uint64_t end, int last, rag_error *err)
{
    const unsigned char *p;
    size_t n;
    uint64_t at = 0, lost = 0;
    int found = 0, gap = 0;
    salvage_scan_seek(&s->scan, 0);
    RAG_TRY(salvage_scan_look(&s->scan, 3, &p, &n, err));
    const uint64_t start = n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    s->end = end;
    s->last = last;
    s->last_saved = 0;
    if (!last) {
        RAG_TRY(salvage_is_gap(s->k->job->input, start, end, '{', &gap, err));
        if (gap)
            return RAG_OK;
    } else if (n > start && p[start] == '{') {
        return salvage_region(s, start + 1, end, 1, err);
    }
    RAG_TRY(next_row(s, 0, &at, &found, err));
    lost = at >= SALVAGE_ROW_LEAST + s->indent + 2;
    damage(s)->at_least |= last && !found;
    lightrag_damage_add(damage(s), 0, at, lost, "the file does not begin with an object");
    return found ? salvage_region(s, at, end, last, err) : RAG_OK;
}

static rag_status salvage_regions(struct kv_salvage *s, rag_error *err)
{
    struct salvage_scan marks_scan = { 0 };
    const struct salvage_marks marks = { { s->mark }, { s->indent + 2 }, 1 };
    uint64_t start = 0, next = 0;
    int found = 0, first = 1;
    rag_status status = salvage_scan_open(&marks_scan, s->k->job->input, err);
    if (status == RAG_OK)
        status = salvage_scan_find(&marks_scan, &marks, &next, &found, err);
    while (status == RAG_OK) {
        const uint64_t end = found ? next + 1 + s->indent : next;
        if (first)
            status = salvage_head(s, end, !found, err);
        else
            status = salvage_region(s, start, end, !found, err);
        first = 0;
        start = end;
        if (status != RAG_OK || !found)
            break;
        status = salvage_scan_find(&marks_scan, &marks, &next, &found, err);
    }
    salvage_scan_close(&marks_scan);
    return status;
}

/* Whether this is a cache in the layout of old versions: as LightRAG, by its first key. */
static rag_status find_nested_layout(struct kv_salvage *s, rag_error *err)
{
    struct salvage_region region = SALVAGE_REGION(s->k->job->input, 0, SALVAGE_TO_THE_END);
    struct json_reader r = { 0 };
    enum json_event event;
    if (s->k->kind != LIGHTRAG_KV || !slice_ends_with(rag_text(s->k->job->name_space), "_cache"))
        return RAG_OK;
    RAG_TRY(json_reader_open(&r, "", salvage_fill, &region, err));
    rag_status status = json_reader_next(&r, &event, &s->why);
    if (status == RAG_OK && event == JSON_EVENT_OBJECT)
        status = json_reader_next(&r, &event, &s->why);
    s->nested_layout =
        status == RAG_OK && event == JSON_EVENT_KEY && !kv_is_flat_key(json_reader_text(&r));
    json_reader_close(&r);
    if (status != RAG_OK && !salvage_is_fault(status) && err)
        *err = s->why;
    return salvage_is_fault(status) ? RAG_OK : status;
}

static rag_status salvage_file(struct kv_salvage *s, rag_error *err)
{
    const unsigned char *p;
    size_t n;
    RAG_TRY(salvage_scan_look(&s->scan, 1, &p, &n, err));
    if (!n) {
        lightrag_damage_add(damage(s), 0, 0, 0, "the file is empty");
        damage(s)->at_least = 1;
        return RAG_OK;
    }
    RAG_TRY(find_nested_layout(s, err));
    RAG_TRY(find_layout(s, err));
    if (s->indent)
        RAG_TRY(salvage_regions(s, err));
    else
        RAG_TRY(salvage_head(s, SALVAGE_TO_THE_END, 1, err));
    return lightrag_flush(s->k->job, err);
}

rag_status kv_salvage(struct kv_reader *k, rag_error *err)
{
    const rag_error none = RAG_ERROR_INIT;
    struct kv_salvage s = { .k = k, .why = none };
    rag_status status = salvage_scan_open(&s.scan, k->job->input, err);
    if (status == RAG_OK)
        status = salvage_file(&s, err);
    salvage_scan_close(&s.scan);
    return status;
}
