/* Values and columns.
 *
 * A value is any JSON object and has to come back equal; a table of LightRAG's has columns for some
 * members. A member goes into its column when the column's type takes it, so that LightRAG sees it.
 * Columns alone are the whole truth when every member came back from them as it was, in the order of
 * the table: then ragstore_extra is NULL, as it is in rows that LightRAG wrote. Otherwise it has the
 * layout of the value:
 *
 *     {"content": 0, "x": [1.50], "tokens": ["many"]}
 *
 * all members in their order; 0 stands for "as the column has it", an array holds the text of the
 * value itself. A value with white space between its members, or with escapes in their names that need not be there, is
 * in ragstore_extra as a whole, in an array. When LightRAG updates a row, a trigger empties ragstore_extra (schema.c), and the
 * columns are the truth again.
 *
 * JSONB forgets the order of members, the spelling of numbers and escapes, and white space; arrays of
 * texts without needless escapes and white space, also nested ones, live in the column alone. */
#include "row.h"

#include <string.h>

#include "connection.h"

/* ---- what columns hold ----------------------------------------------------------------------------- */

/* Bytes of the character at `p`; 0: it is none, or NUL, which a column does not take. */
static size_t character_at(const unsigned char *p, const unsigned char *end)
{
    static const struct {
        unsigned char first, last, second_least, second_most;
        size_t len;
    } forms[] = {
        { 0x01, 0x7F, 0, 0, 1 },       { 0xC2, 0xDF, 0x80, 0xBF, 2 }, { 0xE0, 0xE0, 0xA0, 0xBF, 3 },
        { 0xE1, 0xEC, 0x80, 0xBF, 3 }, { 0xED, 0xED, 0x80, 0x9F, 3 }, { 0xEE, 0xEF, 0x80, 0xBF, 3 },
        { 0xF0, 0xF0, 0x90, 0xBF, 4 }, { 0xF1, 0xF3, 0x80, 0xBF, 4 }, { 0xF4, 0xF4, 0x80, 0x8F, 4 },
    };
    size_t i = 0;
    while (i < sizeof forms / sizeof *forms && (*p < forms[i].first || *p > forms[i].last))
        i++;
    if (i == sizeof forms / sizeof *forms || (size_t)(end - p) < forms[i].len)
        return 0;
    if (forms[i].len > 1 && (p[1] < forms[i].second_least || p[1] > forms[i].second_most))
        return 0;
    for (size_t n = 2; n < forms[i].len; n++)
        if ((p[n] & 0xC0) != 0x80)
            return 0;
    return forms[i].len;
}

/* Characters of a text in UTF-8 without NUL, or SIZE_MAX when it is none. */
static size_t count_characters(rag_slice s)
{
    const unsigned char *p = s.data, *end = p + s.len;
    size_t count = 0;
    for (; p < end; count++) {
        const size_t len = character_at(p, end);
        if (!len)
            return SIZE_MAX;
        p += len;
    }
    return count;
}

int pg_text_fits(rag_slice s, size_t width)
{
    const size_t count = count_characters(s);
    return count != SIZE_MAX && (!width || count <= width);
}

/* Texts joined by <SEP>, none longer than `width` characters. */
static int list_fits(rag_slice s, size_t width)
{
    static const char separator[] = "<SEP>";
    const char *p = s.data, *end = p + s.len;
    for (;;) {
        const char *next = memmem(p, (size_t)(end - p), separator, sizeof separator - 1);
        if (!pg_text_fits((rag_slice){ p, (size_t)((next ? next : end) - p) }, width))
            return 0;
        if (!next)
            return 1;
        p = next + sizeof separator - 1;
    }
}

int pg_id_fits(const struct pg_table *table, rag_slice id)
{
    return id.len && pg_text_fits(id, table->id_width);
}

rag_slice pg_text_part(rag_slice after)
{
    while (after.len && !pg_text_fits(after, 0))
        after.len--;
    return after;
}

/* A number as int4 prints it. */
static int int_fits(rag_slice text)
{
    const char *p = text.data;
    size_t n = text.len, i = n && *p == '-';
    int64_t value = 0;
    if (n == i || n > 11 || (p[i] == '0' && n > 1))
        return 0;
    for (; i < n; i++) {
        if (p[i] < '0' || p[i] > '9')
            return 0;
        value = value * 10 + (p[i] - '0');
    }
    return value <= (*p == '-' ? INT64_C(2147483648) : INT64_C(2147483647));
}

/* `text` against a form in which '0' stands for any digit. */
static int has_form(const char *text, const char *form)
{
    for (; *form; text++, form++)
        if (*form == '0' ? *text < '0' || *text > '9' : *text != *form)
            return 0;
    return 1;
}

static int number_at(const char *p, int n)
{
    int value = 0;
    for (int i = 0; i < n; i++)
        value = value * 10 + (p[i] - '0');
    return value;
}

static int is_date(int year, int month, int day)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    const int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return year >= 1 && month >= 1 && month <= 12 && day >= 1 &&
           day <= days[month - 1] + (month == 2 && leap);
}

int pg_time_fits(rag_slice text)
{
    const char *p = text.data;
    const int whole = text.len == 25 && has_form(p, "0000-00-00T00:00:00+00:00");
    const int parts = text.len == 32 && has_form(p, "0000-00-00T00:00:00.000000+00:00");
    if (!whole && !(parts && number_at(p + 20, 6))) /* Python leaves out microseconds that are 0 */
        return 0;
    return is_date(number_at(p, 4), number_at(p + 5, 2), number_at(p + 8, 2)) &&
           number_at(p + 11, 2) < 24 && number_at(p + 14, 2) < 60 && number_at(p + 17, 2) < 60;
}

/* What JSONB makes of the text of a value: refuses it, changes it, or keeps it. */
enum jsonb { JSONB_NOT, JSONB_CHANGES, JSONB_KEEPS };

/* An escape as the server writes it, behind its backslash: the shortest there is. */
static int is_plain_escape(const char *p, const char *end)
{
    if (*p != 'u')
        return *p != '/';
    return end - p > 4 && memcmp(p, "u00", 3) == 0 && (p[3] == '0' || p[3] == '1') &&
           !(p[3] == '0' && strchr("89acdABCDEF", p[4])) && !(p[4] >= 'A' && p[4] <= 'F');
}

static const char *skip_string(const char *p, const char *end, enum jsonb *kept)
{
    for (p++; p < end && *p != '"'; p++) {
        if (*p != '\\')
            continue;
        p++;
        if (end - p > 4 && memcmp(p, "u0000", 5) == 0)
            *kept = JSONB_NOT;
        else if (*kept == JSONB_KEEPS && !is_plain_escape(p, end))
            *kept = JSONB_CHANGES;
    }
    return p;
}

/* The end of a number; 0 into *fits when it is beyond JSONB's. */
static const char *skip_number(const char *p, const char *end, int *fits)
{
    enum { NUMBER_BYTES = 300, EXPONENT_DIGITS = 4 };
    const char *number = p, *exponent = NULL;
    for (; p + 1 < end && p[1] && strchr("0123456789+-.eE", p[1]); p++)
        if (p[1] == 'e' || p[1] == 'E')
            exponent = p + 1;
    *fits = p - number <= NUMBER_BYTES && !(exponent && p - exponent > EXPONENT_DIGITS);
    return p;
}

static enum jsonb jsonb_of(rag_slice text)
{
    const char *p = text.data, *end = p + text.len;
    enum jsonb kept = JSONB_KEEPS;
    for (; p < end && kept != JSONB_NOT; p++) {
        if (*p == '"') {
            p = skip_string(p, end, &kept);
        } else if ((*p >= '0' && *p <= '9') || *p == '-') {
            int fits;
            p = skip_number(p, end, &fits);
            kept = fits ? JSONB_CHANGES : JSONB_NOT;
        } else if (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r' ||
                   (*p == '{' && !(p + 1 < end && p[1] == '}'))) {
            kept = JSONB_CHANGES;
        }
    }
    return kept;
}

int pg_jsonb_fits(rag_slice value)
{
    return jsonb_of(value) != JSONB_NOT;
}

/* ---- taking apart ---------------------------------------------------------------------------------- */

struct taking {
    struct pg_rows *rows;
    size_t start[PG_COLUMNS_MAX], len[PG_COLUMNS_MAX];
    unsigned set; /* columns, by bit */
    int last;     /* the column of the member before */
    int plain;    /* columns alone are the whole truth so far */
    size_t members;
    size_t compact; /* bytes of the value without white space between its tokens */
};

static int column_of(const struct pg_table *table, rag_slice name)
{
    for (size_t i = 0; i < table->column_count; i++)
        if (strlen(table->columns[i].member) == name.len &&
            memcmp(table->columns[i].member, name.data, name.len) == 0)
            return (int)i;
    return -1;
}

/* *exact: the column gives it back as it is. 0: the column does not take it. */
static int takes(const struct pg_column *c, rag_slice text, rag_slice string, int *exact)
{
    const enum jsonb kept = jsonb_of(text);
    *exact = kept == JSONB_KEEPS || c->type == PG_INT;
    switch (c->type) {
    case PG_TEXT: return string.data && pg_text_fits(string, c->width);
    case PG_INT: return int_fits(text);
    case PG_TIME: return string.data && pg_time_fits(string);
    case PG_LIST: return string.data && list_fits(string, c->width);
    case PG_JSONB:
        /* null would come back as a row that LightRAG wrote without it */
        return kept != JSONB_NOT && !(text.len == 4 && memcmp(text.data, "null", 4) == 0);
    }
    return 0;
}

static rag_status take_member(void *user, rag_slice name, rag_slice text, rag_slice string,
                              rag_error *err)
{
    struct taking *t = user;
    struct pg_text *scratch = &t->rows->scratch, *layout = &t->rows->layout;
    const int at = column_of(t->rows->table, name);
    int exact = 0, held = 0;
    if (at >= 0 && !(t->set & 1U << at)) {
        const struct pg_column *column = &t->rows->table->columns[at];
        if (takes(column, text, string, &exact)) {
            const int decoded = column->type != PG_INT && column->type != PG_JSONB;
            const rag_slice bytes = decoded ? string : text;
            t->set |= 1U << at;
            t->start[at] = scratch->len;
            t->len[at] = bytes.len;
            pg_text_add(scratch, bytes.data, bytes.len);
            held = exact;
        }
    }
    t->plain = t->plain && held && at > t->last;
    t->last = held ? at : t->last;
    pg_text_add(layout, t->members++ ? "," : "{", 1);
    const size_t before = layout->len;
    pg_text_add_json_string(layout, name);
    t->compact += layout->len - before + 1 + text.len;
    if (held) {
        pg_text_add_text(layout, ":0");
    } else {
        pg_text_add_text(layout, ":[");
        pg_text_add(layout, text.data, text.len);
        pg_text_add_text(layout, "]");
    }
    (void)err;
    return RAG_OK;
}

rag_status pg_rows_add(struct pg_rows *r, rag_slice id, rag_slice value, int64_t created,
                       int64_t updated, rag_error *err)
{
    const rag_slice null = { NULL, 0 };
    struct taking t = { .rows = r, .last = -1, .plain = 1 };
    pg_text_clear(&r->scratch);
    pg_text_clear(&r->layout);
    PG_TRY(r->host->json_members(value, take_member, &t, err));
    pg_text_add_text(&r->layout, t.members ? "}" : "{}");
    t.compact += 2 + (t.members ? t.members - 1 : 0);
    if (t.compact != value.len) { /* white space, or names in another spelling: the text as it is */
        t.plain = 0;
        pg_text_clear(&r->layout);
        pg_text_add_text(&r->layout, "[");
        pg_text_add(&r->layout, value.data, value.len);
        pg_text_add_text(&r->layout, "]");
    }
    PG_TRY(pg_text_check(&r->scratch, err));
    PG_TRY(pg_text_check(&r->layout, err));
    for (size_t i = 0; i < r->table->column_count; i++) {
        const rag_slice bytes = { r->scratch.data ? r->scratch.data + t.start[i] : "", t.len[i] };
        pg_array_add(&r->columns[i], t.set & 1U << i ? bytes : null);
    }
    pg_array_add(&r->ids, id);
    pg_array_add_int(&r->created, created);
    pg_array_add_int(&r->updated, updated);
    pg_array_add(&r->extra, t.plain ? null : (rag_slice){ r->layout.data, r->layout.len });
    r->count++;
    return RAG_OK;
}

void pg_rows_begin(struct pg_rows *r, const rag_host *host, const struct pg_table *table)
{
    memset(r, 0, sizeof *r);
    r->host = r->scratch.host = r->layout.host = host;
    r->table = table;
    pg_array_begin(&r->ids, host, PG_OID_TEXT);
    pg_array_begin(&r->created, host, PG_OID_INT8);
    pg_array_begin(&r->updated, host, PG_OID_INT8);
    pg_array_begin(&r->extra, host, PG_OID_TEXT);
    for (size_t i = 0; i < table->column_count; i++)
        pg_array_begin(&r->columns[i], host, PG_OID_TEXT);
}

void pg_rows_clear(struct pg_rows *r)
{
    pg_array_clear(&r->ids);
    pg_array_clear(&r->created);
    pg_array_clear(&r->updated);
    pg_array_clear(&r->extra);
    for (size_t i = 0; i < r->table->column_count; i++)
        pg_array_clear(&r->columns[i]);
    r->count = 0;
}

void pg_rows_free(struct pg_rows *r)
{
    pg_array_free(&r->ids);
    pg_array_free(&r->created);
    pg_array_free(&r->updated);
    pg_array_free(&r->extra);
    for (size_t i = 0; i < r->table->column_count; i++)
        pg_array_free(&r->columns[i]);
    pg_text_free(&r->scratch);
    pg_text_free(&r->layout);
}

size_t pg_rows_bytes(const struct pg_rows *r)
{
    size_t bytes = r->ids.bytes.len + r->extra.bytes.len;
    for (size_t i = 0; i < r->table->column_count; i++)
        bytes += r->columns[i].bytes.len;
    return bytes;
}

/* ---- putting together ------------------------------------------------------------------------------ */

struct joining {
    const PGresult *result;
    int row;
    const struct pg_table *table;
    struct pg_text *out;
};

static void join_name(struct pg_text *out, rag_slice name)
{
    pg_text_add(out, out->len > 1 ? "," : "", out->len > 1);
    pg_text_add_json_string(out, name);
    pg_text_add(out, ":", 1);
}

static void join_member(struct pg_text *out, rag_slice name, rag_slice text)
{
    join_name(out, name);
    pg_text_add(out, text.data, text.len);
}

/* Without the white space that JSONB puts between tokens. */
static void add_compact(struct pg_text *out, rag_slice text)
{
    const char *p = text.data, *end = p + text.len;
    enum jsonb ignored = JSONB_CHANGES;
    while (p < end) {
        const char *from = p;
        while (p < end && *p != ' ')
            p = *p == '"' ? skip_string(p, end, &ignored) + 1 : p + 1;
        pg_text_add(out, from, (size_t)(p - from));
        p += p < end;
    }
}

/* Texts become JSON here, not on the server, which would take several times as long. */
static void join_column(struct pg_text *out, const struct pg_column *column, rag_slice text)
{
    if (!text.data)
        return;
    join_name(out, rag_text(column->member));
    switch (column->type) {
    case PG_TEXT:
    case PG_LIST: pg_text_add_json_string(out, text); break;
    case PG_JSONB: add_compact(out, text); break;
    case PG_INT:
    case PG_TIME: pg_text_add(out, text.data, text.len); break;
    }
}

static rag_status join_by_layout(void *user, rag_slice name, rag_slice text, rag_slice string,
                                 rag_error *err)
{
    struct joining *j = user;
    (void)string;
    (void)err;
    const char *p = text.data;
    if (*p == '[') {
        join_member(j->out, name, (rag_slice){ p + 1, text.len - 2 });
        return RAG_OK;
    }
    const int at = column_of(j->table, name);
    if (at >= 0)
        join_column(j->out, &j->table->columns[at],
                    pg_slice(j->result, j->row, PG_AT_COLUMNS + at));
    return RAG_OK;
}

rag_status pg_row_value(const rag_host *host, const PGresult *result, int row,
                        const struct pg_table *table, struct pg_text *out, rag_error *err)
{
    const rag_slice whole = pg_slice(result, row, PG_AT_WHOLE);
    const rag_slice extra = pg_slice(result, row, PG_AT_EXTRA);
    pg_text_clear(out);
    if (whole.data) {
        pg_text_add(out, whole.data, whole.len);
        return pg_text_check(out, err);
    }
    if (extra.data && *(const char *)extra.data == '[') {
        pg_text_add(out, (const char *)extra.data + 1, extra.len - 2);
        return pg_text_check(out, err);
    }
    pg_text_add(out, "{", 1);
    if (extra.data) {
        struct joining j = { result, row, table, out };
        if (host->json_members(extra, join_by_layout, &j, NULL) != RAG_OK)
            return host->fail(err, RAG_E_CORRUPT, "%s: ragstore_extra of a row is not a layout",
                              table->name);
    } else {
        for (size_t i = 0; i < table->column_count; i++)
            join_column(out, &table->columns[i], pg_slice(result, row, PG_AT_COLUMNS + (int)i));
    }
    pg_text_add(out, "}", 1);
    return pg_text_check(out, err);
}
