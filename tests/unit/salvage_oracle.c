/* See salvage_oracle.h. Nothing here knows a format: rows are lines of text that are there or not. */
#include "unit/salvage_oracle.h"

/* ---- intact files ---------------------------------------------------------------------------------- */

void intact_text(struct intact *f, const char *text)
{
    assert_int_equal(buffer_append_text(&f->data, text, NULL), RAG_OK);
}

void intact_row(struct intact *f, const char *text)
{
    if (f->count == f->capacity) {
        f->capacity = f->capacity ? 2 * f->capacity : 64;
        struct intact_row *grown = realloc(f->rows, f->capacity * sizeof *grown);
        assert_non_null(grown);
        f->rows = grown;
    }
    f->rows[f->count].first = f->data.len;
    intact_text(f, text);
    f->rows[f->count++].behind = f->data.len;
}

void intact_end(struct intact *f)
{
    const struct memory_file file = { f->data.data, f->data.len, SIZE_MAX };
    if (reading_file(&f->strict, f->read, f->name_space, file, 0, 0) != RAG_OK)
        fail_msg("the intact file: %s", f->strict.err.message);
    const char *line = f->strict.lines.data;
    for (size_t i = 0; i < f->count; i++) {
        const char *end = strchr(line, '\n');
        assert_non_null(end);
        f->rows[i].line = line;
        f->rows[i].line_len = (size_t)(end + 1 - line);
        line = end + 1;
    }
    assert_string_equal(line, "");
}

void intact_free(struct intact *f)
{
    reading_free(&f->strict);
    buffer_free(&f->data);
    free(f->rows);
}

size_t intact_tail(const struct intact *f)
{
    return f->rows[f->count - 1].behind;
}

/* ---- judging --------------------------------------------------------------------------------------- */

struct judged {
    const struct intact *f;
    const char *data;
    size_t len;
    const struct harm *harms;
    size_t n;
};

static void keep(const struct judged *j)
{
    FILE *file = fopen("harmed", "wb");
    if (file) {
        (void)fwrite(j->data, 1, j->len, file);
        (void)fclose(file);
    }
}

static void condemn(const struct judged *j, const struct reading *r, const char *what, size_t row)
{
    const struct lightrag_damage *d = &r->summary.damage;
    keep(j);
    print_error("%s (row %zu)\nrows %zu lost %llu%s places %llu of %zu rows, %zu bytes\n", what,
                row, r->rows, (unsigned long long)d->lost, d->at_least ? " at least" : "",
                (unsigned long long)d->places, j->f->count, j->len);
    for (size_t i = 0; i < j->n && i < 8; i++)
        print_error("harm: %zu to %zu\n", j->harms[i].begin, j->harms[i].end);
    for (size_t i = 0; i < d->count && i < 8; i++)
        print_error("place: %llu, %llu bytes: %.*s\n", (unsigned long long)d->faults[i].at,
                    (unsigned long long)d->faults[i].length, (int)d->faults[i].why.len,
                    d->text.data + d->faults[i].why.at);
    fail_msg("%s; the copy is in \"harmed\"", what);
}

/* Whether any harm lies in these bytes. */
static int touches(const struct judged *j, size_t first, size_t behind)
{
    for (size_t i = 0; i < j->n; i++)
        if (first < j->harms[i].end && behind > j->harms[i].begin)
            return 1;
    return 0;
}

static int must_be_saved(const struct judged *j, size_t i)
{
    const struct intact_row *row = &j->f->rows[i];
    if (touches(j, row->first, row->behind))
        return 0;
    if (!j->f->told_by_next || row->behind <= j->harms[0].begin)
        return 1;
    for (size_t at = j->harms[0].begin; at < j->harms[0].end && at < j->len; at++)
        if (strchr("{}[]", j->data[at]) || strchr("{}[]", j->f->data.data[at]))
            return 0;
    return j->n == 1;
}

/* The place of the next whole line that is this row's; NULL when there is none. */
static const char *find_line(const struct reading *r, const char *at, const struct intact_row *row)
{
    const char *end = r->lines.data + r->lines.len;
    const char *line = memmem(at, (size_t)(end - at), row->line, row->line_len);
    while (line && line > r->lines.data && line[-1] != '\n')
        line = memmem(line + 1, (size_t)(end - line - 1), row->line, row->line_len);
    return line;
}

/* How many rows are there as they were. */
static size_t judge_rows(const struct judged *j, const struct reading *r)
{
    /* what is declared before the rows decides how all are read: only their number can be judged */
    const int all_vague = j->n && j->harms[0].begin < j->f->rows[0].first;
    const char *at = r->lines.data;
    size_t same = 0;
    for (size_t i = 0; i < j->f->count; i++) {
        const struct intact_row *row = &j->f->rows[i];
        const char *line = find_line(r, at, row);
        if (!line && !all_vague && must_be_saved(j, i))
            condemn(j, r, "a whole row is not saved", i);
        same += line != NULL;
        at = line ? line + row->line_len : at;
    }
    return all_vague ? 0 : same;
}

static int in_touched_row(const struct judged *j, size_t first, size_t behind)
{
    for (size_t i = 0; i < j->f->count; i++) {
        const struct intact_row *row = &j->f->rows[i];
        if (first >= row->first && behind <= row->behind + 4)
            return touches(j, row->first, row->behind);
    }
    return 0;
}

static void judge_numbers(const struct judged *j, const struct reading *r, size_t same)
{
    const struct lightrag_damage *d = &r->summary.damage;
    if (r->rows != r->summary.rows)
        condemn(j, r, "the rows are counted wrong", 0);
    /* where rows are told by what follows them, a part of a damaged one can be taken for a row */
    const uint64_t most = j->f->told_by_next ? d->lost : j->f->count - same;
    if (d->at_least ? d->lost > most : r->rows + d->lost != j->f->count)
        condemn(j, r, "rows and losses do not add up", 0);
    if (d->places == 0 && (d->lost || d->at_least))
        condemn(j, r, "something is lost, but at no place", 0);
    for (size_t i = 0; i < d->count; i++) {
        const size_t at = (size_t)d->faults[i].at, behind = at + (size_t)d->faults[i].length;
        if (behind > j->len)
            condemn(j, r, "a place is not in the file", i);
        /* the end of a place may be where harm begins, and the other way around */
        if (!touches(j, at ? at - 1 : 0, behind + 1) && !in_touched_row(j, at, behind) &&
            !(j->f->told_by_next && behind == j->len))
            condemn(j, r, "a place where nothing was harmed", i);
    }
}

static struct outcome judge_once(const struct judged *j, size_t piece)
{
    struct reading r;
    const struct memory_file file = { j->data, j->len, piece };
    const rag_status status = reading_file(&r, j->f->read, j->f->name_space, file, 0, 1);
    if (status != RAG_OK)
        condemn(j, &r, r.err.message, 0);
    judge_numbers(j, &r, judge_rows(j, &r));
    const struct outcome result = { r.rows, r.summary.damage.lost, r.summary.damage.places,
                                    r.summary.damage.at_least };
    reading_free(&r);
    return result;
}

static int same_outcome(const struct outcome *a, const struct outcome *b)
{
    return a->rows == b->rows && a->lost == b->lost && a->places == b->places &&
           a->at_least == b->at_least;
}

struct outcome intact_judge(const struct intact *f, const char *data, size_t len,
                            const struct harm *harms, size_t n, size_t piece)
{
    static const size_t pieces[] = { 7, 4096, SIZE_MAX };
    const struct judged j = { f, data, len, harms, n };
    if (piece)
        return judge_once(&j, piece);
    const struct outcome first = judge_once(&j, pieces[0]);
    for (size_t i = 1; i < sizeof pieces / sizeof *pieces; i++) {
        const struct outcome next = judge_once(&j, pieces[i]);
        if (!same_outcome(&next, &first)) {
            keep(&j);
            fail_msg("pieces of %zu make a difference", pieces[i]);
        }
    }
    return first;
}

static char *copy_of(const struct intact *f)
{
    char *copy = malloc(f->data.len);
    assert_non_null(copy);
    memcpy(copy, f->data.data, f->data.len);
    return copy;
}

struct outcome intact_change(const struct intact *f, size_t at, char byte)
{
    const struct harm harm = { at, at + 1 };
    char *copy = copy_of(f);
    copy[at] = byte;
    const struct outcome result = intact_judge(f, copy, f->data.len, &harm, 1, SIZE_MAX);
    free(copy);
    return result;
}

struct outcome intact_cut(const struct intact *f, size_t len)
{
    const struct harm harm = { len, f->data.len };
    const struct outcome result = intact_judge(f, f->data.data, len, &harm, 1, SIZE_MAX);
    if (len < intact_tail(f))
        assert_true(result.at_least);
    if (len + 1 < f->data.len) /* a line end behind the last brace is no loss */
        assert_true(result.places > 0);
    return result;
}

struct outcome intact_overwrite(const struct intact *f, size_t at, const void *text, size_t len)
{
    const struct harm harm = { at, at + len };
    char *copy = copy_of(f);
    assert_true(at + len <= f->data.len);
    memcpy(copy + at, text, len);
    const struct outcome result = intact_judge(f, copy, f->data.len, &harm, 1, 0);
    free(copy);
    return result;
}

/* ---- harm ------------------------------------------------------------------------------------------ */

uint64_t salvage_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* ---- what every format must bear ------------------------------------------------------------------- */

struct intact salvage_small(const struct salvage_format *format)
{
    struct intact f = {
        .read = format->read,
        .name_space = "x",
        .told_by_next = format->told_by_next,
        .data = BUFFER_INIT((size_t)1 << 30),
    };
    format->make(&f);
    return f;
}

struct intact salvage_large(const struct salvage_format *format)
{
    struct salvage_format large = *format;
    large.make = format->make_large;
    return salvage_small(&large);
}

/* Of the changes of every byte into each of those given, one in so many is made. */
enum { SPARSE = 3 };

void salvage_every_byte(void **state)
{
    const struct salvage_format *format = *state;
    struct intact f = salvage_small(format);
    size_t changes = 0, vague = 0;
    for (size_t at = 0; at < f.data.len; at++)
        for (size_t i = 0; i < format->byte_count; i++) {
            if (f.data.data[at] == format->bytes[i] || (at + i) % SPARSE)
                continue;
            const struct outcome result = intact_change(&f, at, format->bytes[i]);
            changes++;
            vague += result.at_least != 0;
        }
    print_message("%s: %zu changes, %zu with \"at least\"\n", format->name, changes, vague);
    intact_free(&f);
}

void salvage_every_cut(void **state)
{
    struct intact f = salvage_small(*state);
    for (size_t len = 0; len < f.data.len; len++)
        (void)intact_cut(&f, len);
    intact_free(&f);
}

enum filling { RANDOM, ZEROS, ONES, LETTERS, FILLINGS };

static void fill(char *to, size_t len, enum filling filling, uint64_t *state)
{
    static const char letters[] = "abcdefgh ijklm nopqr 0123456789.";
    for (size_t i = 0; i < len; i++) {
        const uint64_t r = salvage_random(state);
        to[i] = filling == ZEROS    ? 0
                : filling == ONES   ? (char)0xff
                : filling == RANDOM ? (char)r
                                    : letters[r % (sizeof letters - 1)];
    }
}

/* Pieces of 10 to `most` bytes are something else. */
static void random_harms(const struct intact *f, size_t cases, size_t most, uint64_t seed)
{
    uint64_t state = seed;
    for (size_t i = 0; i < cases; i++) {
        char *copy = copy_of(f);
        size_t len = 10 + salvage_random(&state) % (most - 9);
        const size_t at = salvage_random(&state) % f->data.len;
        len = len < f->data.len - at ? len : f->data.len - at;
        const enum filling filling = (enum filling)(salvage_random(&state) % LETTERS);
        const struct harm harm = { at, at + len };
        fill(copy + at, len, filling, &state);
        (void)intact_judge(f, copy, f->data.len, &harm, 1, SIZE_MAX);
        free(copy);
    }
}

void salvage_wide_harm(void **state)
{
    struct intact f = salvage_small(*state);
    random_harms(&f, 300, 20, 1);
    random_harms(&f, 300, f.data.len, 2);
    intact_free(&f);
}

static int by_begin(const void *left, const void *right)
{
    const struct harm *a = left, *b = right;
    return a->begin < b->begin ? -1 : a->begin > b->begin;
}

void salvage_several_bytes(void **state)
{
    enum { CASES = 500 };
    struct intact f = salvage_small(*state);
    uint64_t random = 3;
    for (size_t i = 0; i < CASES; i++) {
        char *copy = copy_of(&f);
        struct harm harms[4];
        const size_t n = 2 + salvage_random(&random) % 3;
        for (size_t j = 0; j < n; j++) {
            const size_t at = salvage_random(&random) % f.data.len;
            harms[j] = (struct harm){ at, at + 1 };
            copy[at] = (char)salvage_random(&random);
        }
        qsort(harms, n, sizeof *harms, by_begin);
        (void)intact_judge(&f, copy, f.data.len, harms, n, SIZE_MAX);
        free(copy);
    }
    intact_free(&f);
}

void salvage_at_boundaries(void **state)
{
    /* the windows of the readers, and the pieces with which a region begins */
    static const size_t boundaries[] = { 4096, 8192, 65536, 131072, 262144, 524288, 262144 + 4096 };
    struct intact f = salvage_large(*state);
    uint64_t random = 11;
    for (size_t i = 0; i < sizeof boundaries / sizeof *boundaries; i++)
        for (size_t at = boundaries[i] - 2; at <= boundaries[i] + 2 && at < f.data.len; at++) {
            char bytes[24];
            fill(bytes, sizeof bytes, RANDOM, &random);
            (void)intact_change(&f, at, bytes[0]);
            (void)intact_overwrite(&f, at - 12, bytes, sizeof bytes);
            (void)intact_cut(&f, at);
        }
    random_harms(&f, 100, 100 * 1024, 5);
    intact_free(&f);
}
