/* Attributes as a column has them.
 *
 * LightRAG keeps all attributes of a node or an edge in one column: JSONB, which forgets the order
 * of members and the spelling of numbers and escapes, or AGE's agtype, in the same order, whose
 * numbers are int8 and double (printed in the shortest way that reads back). As in row.c,
 * ragstore_extra is NULL when the column gives the value back as it was, and has its layout
 * otherwise: {"weight": [1.0e0], "description": 0}, or the whole text in an array when there is
 * white space in it.
 *
 * The order that comes from the column alone is that in which LightRAG writes its attributes,
 * others behind them in the column's own order (by length, then bytes): values of LightRAG's need
 * no layout. The column of a node always has "entity_id", which LightRAG reads; a layout that does
 * not name it says that the value has none. */
#include "graph_value.h"

#include <string.h>

enum { KNOWN = 7 };

#define NAME(text) { (text), sizeof(text) - 1 }
static const rag_slice known[2][KNOWN] = {
    [PG_NODE] = { NAME("entity_id"), NAME("entity_type"), NAME("description"), NAME("source_id"),
                  NAME("file_path"), NAME("created_at"), NAME("truncate") },
    [PG_EDGE] = { NAME("weight"), NAME("description"), NAME("keywords"), NAME("source_id"),
                  NAME("file_path"), NAME("created_at"), NAME("truncate") },
};

/* The column's order of names. */
static int compare_names(rag_slice a, rag_slice b)
{
    if (a.len != b.len)
        return a.len < b.len ? -1 : 1;
    return a.len ? memcmp(a.data, b.data, a.len) : 0;
}

/* Place among the known ones, or KNOWN. */
static int rank_of(enum pg_graph_kind kind, rag_slice name)
{
    int rank = 0;
    while (rank < KNOWN && compare_names(name, known[kind][rank]) != 0)
        rank++;
    return rank;
}

/* ---- writing --------------------------------------------------------------------------------------- */

struct looking {
    struct pg_attributes *to;
    rag_slice label;
    struct pg_text last;
    int last_rank, plain, has_id, has_tiny;
    size_t members, compact;
};

/* Where the digits of a number begin and end, and its decimal point, else its end. */
struct digits {
    const char *begin, *point, *end;
};

static struct digits digits_of(rag_slice number)
{
    struct digits d = { .begin = number.data };
    const char *end = d.begin + number.len;
    d.begin += *d.begin == '-';
    for (d.end = d.begin; d.end < end && *d.end != 'e' && *d.end != 'E'; d.end++)
        if (*d.end == '.')
            d.point = d.end;
    if (!d.point)
        d.point = d.end;
    return d;
}

/* A double prints a number with a fraction as it was spelled: up to 15 digits, no needless zeros, not
 * so small that it gets an exponent. */
static int double_prints(rag_slice number)
{
    enum { DIGITS_SURE = 15, ZEROS_SMALL = 3 };
    const struct digits d = digits_of(number);
    if (d.end - d.begin > DIGITS_SURE + 1 || d.end == d.point)
        return 0;
    if (d.end[-1] == '0' && d.end - d.point > 2)
        return 0; /* 1.0, but not 1.50 */
    int zeros = 0;
    while (d.point + 1 + zeros < d.end && d.point[1 + zeros] == '0')
        zeros++;
    return *d.begin != '0' || zeros <= ZEROS_SMALL;
}

/* Not 0, but too small for a double: AGE refuses it. */
static int is_tiny(rag_slice number)
{
    enum { EXPONENT_LEAST = -323, EXPONENT_MOST = 100000 };
    const struct digits d = digits_of(number);
    const char *end = (const char *)number.data + number.len, *p = d.begin;
    long exponent = 0, first;
    while (p < d.end && (*p == '0' || *p == '.'))
        p++;
    if (p == d.end)
        return 0;
    first = p < d.point ? (long)(d.point - p - 1) : (long)(d.point - p);
    if (d.end < end) {
        const int negative = d.end[1] == '-';
        for (p = d.end + 1 + (d.end[1] == '-' || d.end[1] == '+');
             p < end && exponent < EXPONENT_MOST; p++)
            exponent = exponent * 10 + (*p - '0');
        exponent = negative ? -exponent : exponent;
    }
    return first + exponent < EXPONENT_LEAST;
}

/* A number as the column prints it, a word, or a text without needless escapes. */
static int comes_back(enum pg_graph_column column, rag_slice text)
{
    const char *p = text.data;
    if (*p == '"') {
        for (size_t i = 1; i + 1 < text.len; i++)
            if (p[i] == '\\') {
                if (!strchr("\"\\bfnrt", p[i + 1]))
                    return 0;
                i++;
            }
        return 1;
    }
    if (*p == '-' && p[1] == '0')
        return 0; /* JSONB has no negative zero */
    if (*p == 't' || *p == 'f')
        return 1;
    if (memchr(p, 'e', text.len) || memchr(p, 'E', text.len))
        return 0;
    return column == PG_COLUMN_JSONB || !memchr(p, '.', text.len) || double_prints(text);
}

static int is_number(rag_slice text)
{
    const char first = *(const char *)text.data;
    return first == '-' || (first >= '0' && first <= '9');
}

static rag_status look_at_member(void *user, rag_slice name, rag_slice text, rag_slice string,
                                 rag_error *err)
{
    struct looking *l = user;
    struct pg_text *layout = &l->to->extra;
    const int rank = rank_of(l->to->kind, name);
    int held = comes_back(l->to->column, text);
    (void)err;
    if (l->to->kind == PG_NODE && rank == 0) {
        l->has_id = 1;
        held = held && string.data && l->label.len && compare_names(string, l->label) == 0;
    }
    l->has_tiny |= l->to->column == PG_COLUMN_AGTYPE && is_number(text) && is_tiny(text);
    const rag_slice last = { l->last.data, l->last.len };
    const int in_order = rank > l->last_rank ||
                         (rank == KNOWN && l->last_rank == KNOWN && compare_names(last, name) < 0);
    l->plain = l->plain && held && in_order;
    l->last_rank = rank;
    pg_text_clear(&l->last);
    pg_text_add(&l->last, name.data, name.len);
    const size_t before = layout->len;
    pg_text_add(layout, l->members++ ? "," : "{", 1);
    pg_text_add_json_string(layout, name);
    l->compact += layout->len - before + 1 + text.len;
    if (held) {
        pg_text_add_text(layout, ":0");
    } else {
        pg_text_add_text(layout, ":[");
        pg_text_add(layout, text.data, text.len);
        pg_text_add_text(layout, "]");
    }
    return RAG_OK;
}

static void join(struct pg_text *out, rag_slice name, rag_slice text)
{
    if (out->len > 1)
        pg_text_add(out, ",", 1);
    pg_text_add_json_string(out, name);
    pg_text_add(out, ":", 1);
    pg_text_add(out, text.data, text.len);
}

static rag_status join_without_tiny(void *user, rag_slice name, rag_slice text, rag_slice string,
                                    rag_error *err)
{
    (void)string;
    (void)err;
    join(user, name, is_number(text) && is_tiny(text) ? (rag_slice){ "0.0", 3 } : text);
    return RAG_OK;
}

rag_status pg_attributes_write(struct pg_attributes *a, rag_slice label, rag_slice value,
                               rag_error *err)
{
    const rag_host *host = a->extra.host;
    struct looking l = { .to = a, .label = label, .last = { .host = host } };
    struct pg_text *extra = &a->extra;
    l.last_rank = -1;
    l.plain = 1;
    pg_text_clear(extra);
    pg_text_clear(&a->taken);
    rag_status status = host->json_members(value, look_at_member, &l, err);
    pg_text_add_text(extra, l.members ? "}" : "{}");
    const size_t compact = l.compact + (l.members ? 1 : 2); /* each member counts its ',' or '{' */
    if (compact != value.len) {
        l.plain = 0;
        pg_text_clear(extra);
        pg_text_add_text(extra, "[");
        pg_text_add(extra, value.data, value.len);
        pg_text_add_text(extra, "]");
    }
    if (l.plain && (a->kind == PG_EDGE || l.has_id))
        pg_text_clear(extra);
    if (status == RAG_OK && l.has_tiny) {
        pg_text_add_text(&a->taken, "{");
        status = host->json_members(value, join_without_tiny, &a->taken, err);
        pg_text_add_text(&a->taken, "}");
    }
    if (status == RAG_OK)
        status = pg_text_check(&l.last, err);
    if (status == RAG_OK)
        status = pg_text_check(extra, err);
    if (status == RAG_OK)
        status = pg_text_check(&a->taken, err);
    pg_text_free(&l.last);
    return status;
}

/* ---- reading --------------------------------------------------------------------------------------- */

/* One member that is wanted of the column. */
struct joining {
    const rag_host *host;
    rag_slice properties, wanted;
    struct pg_text *out;
};

static rag_status join_wanted(void *user, rag_slice name, rag_slice text, rag_slice string,
                              rag_error *err)
{
    const struct joining *j = user;
    (void)string;
    (void)err;
    if (compare_names(name, j->wanted) == 0)
        join(j->out, name, text);
    return RAG_OK;
}

static rag_status join_by_layout(void *user, rag_slice name, rag_slice text, rag_slice string,
                                 rag_error *err)
{
    struct joining *j = user;
    const char *p = text.data;
    (void)string;
    if (*p == '[') {
        join(j->out, name, (rag_slice){ p + 1, text.len - 2 });
        return RAG_OK;
    }
    j->wanted = name;
    return j->host->json_members(j->properties, join_wanted, j, err);
}

/* ---- cutting ---------------------------------------------------------------------------------------- */

/* Nearly all attributes are a few texts and numbers, as the server prints them. Those are cut where
 * they stand, in a third of the time that parsing takes; whatever is not plainly so is parsed. */
enum { CUT_MAX = 16 };

struct cut {
    rag_slice names[CUT_MAX], texts[CUT_MAX]; /* names without their quotes */
    size_t count;
};

/* Behind the string that begins at `p`, or NULL. */
static const char *string_end(const char *p, const char *end)
{
    for (const char *quote = p + 1;; quote++) {
        quote = memchr(quote, '"', (size_t)(end - quote));
        if (!quote)
            return NULL;
        size_t escapes = 0;
        while (quote[-1 - (ptrdiff_t)escapes] == '\\')
            escapes++;
        if (escapes % 2 == 0)
            return quote + 1;
    }
}

static const char *digits_end(const char *p, const char *end)
{
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p;
}

/* Behind the number without an exponent that begins at `p`, or NULL. */
static const char *number_end(const char *p, const char *end)
{
    p += *p == '-';
    const char *behind = digits_end(p, end);
    if (behind == p || (*p == '0' && behind > p + 1))
        return NULL;
    if (behind == end || *behind != '.')
        return behind;
    p = behind + 1;
    behind = digits_end(p, end);
    return behind > p ? behind : NULL;
}

static const char *skip_blanks(const char *p, const char *end)
{
    while (p < end && *p == ' ')
        p++;
    return p;
}

/* Behind the member that begins at `p`, or NULL when it is none of the plain ones. */
static const char *cut_member(struct cut *c, const char *p, const char *end)
{
    if (p == end || *p != '"' || c->count == CUT_MAX)
        return NULL;
    const char *name = p + 1;
    p = string_end(p, end);
    if (!p || p == end || *p != ':' || memchr(name, '\\', (size_t)(p - name)))
        return NULL;
    c->names[c->count] = (rag_slice){ name, (size_t)(p - name) - 1 };
    const char *text = skip_blanks(p + 1, end);
    if (text == end)
        return NULL;
    p = *text == '"' ? string_end(text, end) : number_end(text, end);
    if (p)
        c->texts[c->count++] = (rag_slice){ text, (size_t)(p - text) };
    return p;
}

/* A byte below 0x20, which JSON does not have inside strings; eight at a time. */
static int has_control(const char *p, size_t len)
{
    const uint64_t low = 0x0101010101010101u * 0x20, high = 0x0101010101010101u * 0x80;
    uint64_t found = 0, eight;
    for (; len >= sizeof eight; p += sizeof eight, len -= sizeof eight) {
        memcpy(&eight, p, sizeof eight);
        found |= (eight - low) & ~eight & high;
    }
    for (; len; p++, len--)
        found |= (unsigned char)*p < 0x20;
    return found != 0;
}

/* 1: done; 0: it has to be parsed. */
static int cut_members(struct cut *c, rag_slice object)
{
    const char *p = object.data, *end = p + object.len;
    c->count = 0;
    if (object.len < 2 || *p != '{' || has_control(p, object.len))
        return 0;
    do {
        p = cut_member(c, skip_blanks(p + 1, end), end);
        p = p ? skip_blanks(p, end) : end;
    } while (p < end && *p == ',');
    return p + 1 == end && *p == '}';
}

static void add_cut(const struct cut *c, enum pg_graph_kind kind, struct pg_text *out)
{
    int ranks[CUT_MAX];
    for (size_t i = 0; i < c->count; i++)
        ranks[i] = rank_of(kind, c->names[i]);
    for (int rank = 0; rank <= KNOWN; rank++)
        for (size_t i = 0; i < c->count; i++)
            if (ranks[i] == rank) {
                pg_text_add(out, ",", out->len > 1);
                pg_text_add(out, (const char *)c->names[i].data - 1, c->names[i].len + 2);
                pg_text_add(out, ":", 1);
                pg_text_add(out, c->texts[i].data, c->texts[i].len);
            }
}

/* ---- parsing ---------------------------------------------------------------------------------------- */

/* All members of the column: the known ones apart, to be put in their order afterwards. */
struct sorting {
    enum pg_graph_kind kind;
    struct pg_text members[KNOWN], others;
};

static rag_status sort_member(void *user, rag_slice name, rag_slice text, rag_slice string,
                              rag_error *err)
{
    struct sorting *s = user;
    const int rank = rank_of(s->kind, name);
    struct pg_text *to = rank < KNOWN ? &s->members[rank] : &s->others;
    (void)string;
    (void)err;
    pg_text_add(to, ",", 1);
    pg_text_add_json_string(to, name);
    pg_text_add(to, ":", 1);
    pg_text_add(to, text.data, text.len);
    return RAG_OK;
}

static rag_status add_sorted(const rag_host *host, enum pg_graph_kind kind, rag_slice properties,
                             struct pg_text *out)
{
    struct cut cut;
    if (cut_members(&cut, properties)) {
        add_cut(&cut, kind, out);
        return RAG_OK;
    }
    struct sorting s = { .kind = kind, .others = { .host = host } };
    const struct pg_text *parts[KNOWN + 1];
    for (size_t i = 0; i < KNOWN; i++) {
        s.members[i].host = host;
        parts[i] = &s.members[i];
    }
    parts[KNOWN] = &s.others;
    const rag_status status = host->json_members(properties, sort_member, &s, NULL);
    for (size_t i = 0; i <= KNOWN; i++) {
        const size_t comma = out->len == 1 && parts[i]->len; /* not behind the '{' */
        pg_text_add(out, parts[i]->len ? parts[i]->data + comma : "", parts[i]->len - comma);
        out->failed |= parts[i]->failed;
    }
    for (size_t i = 0; i < KNOWN; i++)
        pg_text_free(&s.members[i]);
    pg_text_free(&s.others);
    return status;
}

rag_status pg_attributes_value(const rag_host *host, enum pg_graph_kind kind, rag_slice extra,
                               rag_slice properties, struct pg_text *out, rag_error *err)
{
    struct joining j = { host, properties, { NULL, 0 }, out };
    rag_status status;
    pg_text_clear(out);
    if (extra.data && *(const char *)extra.data == '[') {
        pg_text_add(out, (const char *)extra.data + 1, extra.len - 2);
        return pg_text_check(out, err);
    }
    pg_text_add(out, "{", 1);
    if (extra.data)
        status = host->json_members(extra, join_by_layout, &j, NULL);
    else
        status = add_sorted(host, kind, properties, out);
    if (status != RAG_OK)
        return host->fail(err, RAG_E_CORRUPT, "attributes of a node or edge are no JSON object");
    pg_text_add(out, "}", 1);
    return pg_text_check(out, err);
}
