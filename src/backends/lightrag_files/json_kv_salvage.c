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
 * objects, or it ends with one brace too many. A chain may also end at the next fault, else one
 * fault would hide all that is between it and the second: in a file with lines when its first brace
 * is where the brace of a row is, in others when it leads past the fault before.
 *
 * A fault can make a row end too early (a comma becomes a brace). Where lines are indented this is
 * seen by the place of the brace; elsewhere when that one byte explains all that follows. Such a row
 * is taken back. How many rows were between two that were saved: salvage_losses.c. */
#include <string.h>

#include "core/limits.h"
#include "json_kv_rows.h"
#include "salvage.h"

enum { INDENT_MOST = 8 };

struct kv_salvage {
    struct kv_reader *k;
    struct salvage_scan scan; /* for names behind a fault */
    struct salvage_losses losses;
    struct json_reader counting; /* what is lost */
    rag_error why;
    int nested_layout;          /* of an old cache */
    size_t indent;              /* 0: the file has no lines of its own for rows */
    int braces;                 /* they have, and so have the braces at their ends */
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

/* Whether the brace before `end` is where the brace of a row is: on a line of its own, or, of a row
 * without members, behind the other brace. */
enum row_end { TOO_EARLY, EMPTY_ROW, ROW_END };

static rag_status row_ends_at(const struct kv_salvage *s, const struct lightrag_input *input,
                              uint64_t end, enum row_end *ends, rag_error *err)
{
    char bytes[INDENT_MOST + 2];
    const size_t want = s->indent + 2;
    size_t have = 0;
    *ends = s->braces ? TOO_EARLY : ROW_END;
    if (!s->braces || end < want)
        return RAG_OK;
    while (have < want) {
        size_t n = 0;
        RAG_TRY(input->read_at(input->ctx, end - want + have, bytes + have, want - have, &n, err));
        if (!n)
            return RAG_OK;
        have += n;
    }
    if (memcmp(bytes, s->mark, want - 1) == 0 && bytes[want - 1] == '}')
        *ends = ROW_END;
    else if (memcmp(bytes + want - 2, "{}", 2) == 0)
        *ends = EMPTY_ROW;
    return RAG_OK;
}

/* Whether the braces of rows stand on lines of their own, as LightRAG writes them: most of the first
 * do. The scan stands behind the mark of the first row. */
static rag_status find_braces(struct kv_salvage *s, const struct salvage_marks *marks,
                              rag_error *err)
{
    enum { SAMPLE = 32 };
    uint64_t at;
    int found, own_line = 0, other = 0;
    s->braces = 1;
    for (int i = 0; i < SAMPLE; i++) {
        enum row_end ends = TOO_EARLY;
        RAG_TRY(salvage_scan_find(&s->scan, marks, &at, &found, err));
        if (!found)
            break;
        RAG_TRY(row_ends_at(s, s->k->job->input, at - 1, &ends, err)); /* before the comma */
        own_line += ends == ROW_END;
        other += ends == TOO_EARLY;
    }
    s->braces = own_line > other;
    return RAG_OK;
}

/* How far the first row is indented; 0 when the file is in one line, and what looks like the line of
 * a row further behind is damage. What cannot be told is taken for what LightRAG writes. */
static size_t first_indent(const unsigned char *p, size_t n)
{
    size_t i = n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0 ? 4 : 1;
    if (i >= n || p[i - 1] != '{')
        return 2;
    if (p[i] == '"')
        return 0;
    i += p[i] == '\r';
    if (i >= n || p[i] != '\n')
        return 2;
    const size_t line = ++i;
    while (i < n && p[i] == ' ')
        i++;
    const int name = i + 1 < n && p[i] == '"' && p[i + 1] != '"';
    return name && i > line && i - line <= INDENT_MOST ? i - line : 2;
}

/* *size: of the file, when it has no lines for rows: it was looked through for one then. */
static rag_status find_layout(struct kv_salvage *s, uint64_t *size, rag_error *err)
{
    const unsigned char *p;
    size_t n;
    int found = 0;
    RAG_TRY(salvage_scan_look(&s->scan, 64, &p, &n, err));
    const size_t first = first_indent(p, n), indent = first ? first : 2;
    s->mark[0] = '\n';
    memset(s->mark + 1, ' ', indent);
    memcpy(s->mark + 1 + indent, "\"", 2);
    const struct salvage_marks marks = { { s->mark }, { indent + 2 }, 1 };
    do
        RAG_TRY(salvage_scan_find(&s->scan, &marks, size, &found, err));
    while (found && !first);
    s->indent = found ? indent : 0;
    return found ? find_braces(s, &marks, err) : RAG_OK;
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

/* The row that was read: into its place, or back when the damage has made it end too early. */
static rag_status place_row(struct kv_salvage *s, int is_row, rag_error *err)
{
    struct lightrag_batch *b = s->k->job->batch;
    const uint64_t end = json_reader_offset(&s->k->json);
    enum row_end ends = ROW_END;
    if (is_row)
        RAG_TRY(row_ends_at(s, s->k->job->input, end, &ends, err));
    if (ends == TOO_EARLY) {
        lightrag_row_take_back(s->k->job);
        return rag_fail(err, RAG_E_CORRUPT, "byte %llu: the row ends too early",
                        (unsigned long long)end - 1);
    }
    s->row_end = end;
    s->last_saved = is_row;
    if (is_row) {
        b->rows[b->count - 1].at = s->row;
        b->rows[b->count - 1].length = s->row_end - s->row;
    }
    return RAG_OK;
}

/* Read rows from s->row_end on. *clean: all that is in the region was read, else s->why says why
 * not, and `s->row` is the row that is broken, or not above s->row_end when it is between rows. */
static rag_status read_chain(struct kv_salvage *s, int *clean, rag_error *err)
{
    struct kv_reader *k = s->k;
    enum json_event event;
    int between = 0, mode = 0;
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
        if (status == RAG_OK)
            status = place_row(s, !mode, &s->why);
        if (status != RAG_OK)
            break;
    }
    if (status == RAG_OK)
        status = json_reader_next(&k->json, &event, &s->why);
    if (status == RAG_OK) {
        (void)rag_fail(&s->why, RAG_E_CORRUPT, "the object ends, but the file does not");
        *clean = s->last;
    }
    if (salvage_is_fault(status)) {
        const int out = json_reader_ran_out(&k->json, &between);
        s->fault = json_reader_offset(&k->json);
        *clean = !s->last && between && json_reader_depth(&k->json) == 1;
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

/* Whether the name at `at` stands further in than the name of a row, on a line of its own. */
static rag_status is_further_in(const struct kv_salvage *s, uint64_t at, int *further,
                                rag_error *err)
{
    char bytes[64];
    const size_t want = at < sizeof bytes ? (size_t)at : sizeof bytes;
    const struct lightrag_input *input = s->k->job->input;
    size_t have = 0, got = 1, spaces = 0;
    *further = 0;
    while (s->indent && have < want && got) {
        RAG_TRY(input->read_at(input->ctx, at - want + have, bytes + have, want - have, &got, err));
        have += got;
    }
    while (spaces < have && bytes[have - 1 - spaces] == ' ')
        spaces++;
    *further = s->indent && spaces >= 2 * s->indent &&
               (spaces == have || bytes[have - 1 - spaces] == '\n');
    return RAG_OK;
}

/* What members follow each other from some place on. */
struct chain {
    uint64_t members, behind; /* objects; the place behind the last of them */
    enum row_end ends;        /* of the first */
    int closed;               /* the object that they are in ends behind them */
};

/* Members that are objects, up to one that is none, or a fault. */
static rag_status follow(struct kv_salvage *s, struct json_reader *r, struct chain *c,
                         rag_error *why)
{
    enum json_event event;
    for (;;) {
        RAG_TRY(json_reader_next(r, &event, why));
        c->closed = event == JSON_EVENT_OBJECT_END;
        if (c->closed)
            return json_reader_next(r, &event, why);
        RAG_TRY(json_reader_next(r, &event, why));
        if (event != JSON_EVENT_OBJECT)
            return RAG_OK;
        RAG_TRY(json_reader_skip(r, why));
        c->behind = json_reader_offset(r);
        if (!c->members++)
            RAG_TRY(row_ends_at(s, s->k->job->input, c->behind, &c->ends, why));
        if (c->ends == TOO_EARLY)
            return RAG_OK; /* nested in something */
    }
}

/* Whether rows begin at `at`; if not, *behind is where nothing can be found before. */
static rag_status probe(struct kv_salvage *s, uint64_t at, int *good, uint64_t *behind,
                        rag_error *err)
{
    struct salvage_region region = SALVAGE_REGION(s->k->job->input, at, s->end);
    struct chain c = { .behind = at + 1, .ends = TOO_EARLY };
    struct json_reader r = { 0 };
    rag_error why = RAG_ERROR_INIT;
    int between = 0;
    RAG_TRY(json_reader_open_inside(&r, "", salvage_fill, &region, at, "{", err));
    const rag_status status = follow(s, &r, &c, &why);
    *behind = c.behind;
    *good = 0;
    if (c.closed) {
        *good = status == RAG_OK && s->last && c.ends != TOO_EARLY;
    } else if (salvage_is_fault(status)) {
        (void)json_reader_ran_out(&r, &between);
        const int to_the_next = !s->last && between && json_reader_depth(&r) == 1;
        const int past_the_fault =
            s->braces || (!s->truncated && json_reader_offset(&r) != s->fault);
        *good = (to_the_next && c.ends != TOO_EARLY) || (c.ends == ROW_END && past_the_fault);
    }
    json_reader_close(&r);
    if (status == RAG_OK || salvage_is_fault(status))
        return RAG_OK;
    return rag_pass(status, &why, err);
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
        if (is_beginning(p, n)) {
            int further;
            RAG_TRY(is_further_in(s, *at, &further, err));
            if (!further)
                RAG_TRY(probe(s, *at, found, &behind, err));
        }
        if (*found)
            return RAG_OK;
        salvage_scan_seek(&s->scan, behind);
    }
}

/* ---- what is lost ---------------------------------------------------------------------------------- */

/* A salvage_count_fn; the place behind the last region is the end of the file. */
static rag_status count_rows(void *ctx, const struct lightrag_input *input, uint64_t from,
                             uint64_t to, int behind_row, struct salvage_count *out, rag_error *err)
{
    struct kv_salvage *s = ctx;
    const int to_the_end = s->last && to == s->end;
    struct salvage_region region = SALVAGE_REGION(input, from, to);
    struct json_reader *r = &s->counting;
    rag_error why = RAG_ERROR_INIT;
    enum json_event event;
    enum row_end ends = ROW_END;
    int between = 0;
    *out = (struct salvage_count){ 0 };
    RAG_TRY(json_reader_restart(r, "", salvage_fill, &region, from, behind_row ? "{," : "{", err));
    rag_status status = json_reader_next(r, &event, &why);
    while (status == RAG_OK && event == JSON_EVENT_KEY) {
        status = json_reader_next(r, &event, &why);
        out->odd += status == RAG_OK && event != JSON_EVENT_OBJECT;
        if (status == RAG_OK)
            status = json_reader_skip(r, &why);
        if (status == RAG_OK && event == JSON_EVENT_OBJECT)
            status = row_ends_at(s, input, json_reader_offset(r), &ends, &why);
        if (status == RAG_OK && ends == TOO_EARLY)
            status = rag_fail(&why, RAG_E_CORRUPT, "the row ends too early");
        out->rows += status == RAG_OK;
        if (status == RAG_OK)
            status = json_reader_next(r, &event, &why);
    }
    if (status == RAG_OK && to_the_end) /* the object has ended: and the file? */
        status = json_reader_next(r, &event, &why);
    if (salvage_is_fault(status))
        out->cut = json_reader_ran_out(r, &between);
    out->whole = to_the_end ? status == RAG_OK : between && json_reader_depth(r) == 1;
    out->fault = json_reader_offset(r);
    if (status == RAG_OK || salvage_is_fault(status))
        return RAG_OK;
    return rag_pass(status, &why, err);
}

/* Put down what is between the last whole row and `next`. */
static rag_status note(struct kv_salvage *s, uint64_t next, int found, rag_error *err)
{
    const struct lightrag_batch *b = s->k->job->batch;
    const int in_row = s->row > s->row_end || (s->row == s->row_end && !s->last_saved);
    const struct salvage_stretch stretch = {
        .from = in_row ? s->row : s->row_end,
        .to = next,
        .behind_row = !in_row,
        .row = b->count ? b->rows[b->count - 1].at : 0,
        .may_be_short = !in_row && s->last_saved && b->count,
        .may_be_more = s->last && !found && s->truncated,
        .may_be_none = !in_row && !json_reader_depth(&s->k->json),
    };
    int taken_back = 0;
    RAG_TRY(salvage_lose(&s->losses, &stretch, salvage_why_at(&s->why), &taken_back, err));
    if (taken_back)
        lightrag_row_take_back(s->k->job);
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
    return RAG_OK;
}

/* The first region begins with the brace of the file. */
static rag_status salvage_first(struct kv_salvage *s, uint64_t end, int last, rag_error *err)
{
    const unsigned char *p;
    size_t n, i = 0;
    int ignored;
    salvage_scan_seek(&s->scan, 0);
    RAG_TRY(salvage_scan_look(&s->scan, 4096, &p, &n, err));
    if (n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
        i = 3;
    while (i + 1 < n && (p[i] == ' ' || p[i] == '\n' || p[i] == '\r' || p[i] == '\t'))
        i++;
    if (p[i] != '{') {
        const struct salvage_stretch brace = { .to = i + 1, .may_be_none = 1 };
        RAG_TRY(salvage_lose(&s->losses, &brace, "the file does not begin with an object", &ignored,
                             err));
    }
    return salvage_region(s, i + 1, end, last, err);
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
            status = salvage_first(s, end, !found, err);
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
    if (s->nested_layout)
        s->losses.count = NULL; /* a mode is any number of rows */
    json_reader_close(&r);
    if (status != RAG_OK && !salvage_is_fault(status) && err)
        *err = s->why;
    return salvage_is_fault(status) ? RAG_OK : status;
}

static rag_status salvage_file(struct kv_salvage *s, rag_error *err)
{
    const unsigned char *p;
    uint64_t size;
    size_t n;
    RAG_TRY(salvage_scan_look(&s->scan, 1, &p, &n, err));
    if (!n) {
        lightrag_damage_add(damage(s), 0, 0, 0, "the file is empty");
        damage(s)->at_least = 1;
        return RAG_OK;
    }
    RAG_TRY(find_nested_layout(s, err));
    RAG_TRY(find_layout(s, &size, err));
    if (s->indent)
        RAG_TRY(salvage_regions(s, err));
    else
        RAG_TRY(salvage_first(s, size, 1, err));
    salvage_losses_end(&s->losses);
    return lightrag_flush(s->k->job, err);
}

rag_status kv_salvage(struct kv_reader *k, rag_error *err)
{
    const rag_error none = RAG_ERROR_INIT;
    struct kv_salvage s = { .k = k,
                            .why = none,
                            .losses = { .damage = &k->job->summary->damage,
                                        .input = k->job->input,
                                        .spelling = &salvage_json,
                                        .count = count_rows,
                                        .ctx = &s } };
    rag_status status = salvage_scan_open(&s.scan, k->job->input, err);
    if (status == RAG_OK)
        status = salvage_file(&s, err);
    json_reader_close(&s.counting);
    salvage_scan_close(&s.scan);
    return status;
}
