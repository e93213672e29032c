/* The statements of the graph, made from the patterns of a layout when a store is opened.
 *
 * A pattern is SQL with abbreviations in braces, of the layout or of all: {vertex u.s} becomes the
 * text of the word `vertex` with u.s for @1, and abbreviations in that text are written out in turn.
 * {graph} is the name of the graph in AGE, which is made of letters, digits and '_' alone. Braces
 * without a name between them, as in '{}'::json, stay. No value ever gets in: values are parameters.
 *
 * Statements are prepared by the address of their text: it stays where it is until the store is
 * closed. Used by one thread, at opening. */
#include <string.h>

#include "graph.h"

enum { WORD_MAX = 40, DEPTH_MAX = 8, ARGUMENTS = 2 };

/* A label's id: itself, or a hash for one that an index cannot have. */
static const struct pg_graph_word common_words[] = {
    { "id", "coalesce(@1, 'ragstore:' || encode(sha256(@2), 'hex'))" },
    { "ids", "(SELECT {id x.t x.label} AS id, x.t, x.label, x.place"
             " FROM unnest($2::text[], $3::bytea[]) WITH ORDINALITY AS x(t, label, place)"
             " WHERE $1::text IS NOT NULL) u" },
    { "pairs", "(SELECT {id x.st x.sl} AS s, {id x.dt x.dl} AS d, x.*"
               " FROM unnest($2::text[], $3::bytea[], $4::text[], $5::bytea[]) WITH ORDINALITY"
               " AS x(st, sl, dt, dl, place) WHERE $1::text IS NOT NULL)" },
    { "both_ends", "(SELECT * FROM unnest($2::text[], $3::bytea[])"
                   " UNION ALL SELECT * FROM unnest($4::text[], $5::bytea[])) AS x(t, label)" },
    { "none", "NULL::text, NULL::text" },
    /* the planner is not to know: it would sort the whole table for each page */
    { "page", "(SELECT $4::int8)" },
    /* of d(id, degree): the least degree among the $2 highest; none when there are fewer */
    { "cut", "cut AS (SELECT d.degree FROM d ORDER BY d.degree DESC OFFSET $2::int8 - 1 LIMIT 1)" },
    { "enough", "d.degree >= coalesce((SELECT cut.degree FROM cut), 0)" },
    /* of the layout's labels f(id, t), t as $3 and $4 translate it: the best $5 that contain $2, by
     * the rule of core/label_rank.c */
    { "best",
      "(SELECT DISTINCT f.id, CASE WHEN f.t = $2::text THEN 1000 WHEN starts_with(f.t, $2::text)"
      " THEN 500 ELSE 100 - char_length(f.t) + CASE WHEN strpos(f.t, ' ' || $2::text) > 0"
      " OR strpos(f.t, '_' || $2::text) > 0 THEN 50 ELSE 0 END END AS score FROM {labels} f"
      " WHERE strpos(f.t, $2::text) > 0 ORDER BY score DESC, f.id LIMIT $5::int8)" },
    { "candidates", "SELECT convert_to(s.id, 'UTF8') FROM {best} s UNION ALL {odd_labels}" },
    { "seen",
      "(SELECT {id x.t x.label} AS id FROM unnest($4::text[], $5::bytea[]) AS x(t, label)) u" },
    { NULL, NULL },
};

struct writing {
    struct pg_text *out;
    const struct pg_graph_layout *layout;
    const char *graph;
};

/* The name and the arguments between two braces. */
struct word {
    char name[WORD_MAX];
    char arguments[ARGUMENTS][WORD_MAX];
};

static int read_word(const char *from, size_t len, struct word *w)
{
    char *parts[ARGUMENTS + 1] = { w->name, w->arguments[0], w->arguments[1] };
    memset(w, 0, sizeof *w);
    for (size_t part = 0; part <= ARGUMENTS && len; part++) {
        const char *blank = memchr(from, ' ', len);
        const size_t size = blank ? (size_t)(blank - from) : len;
        if (size >= WORD_MAX)
            return 0;
        memcpy(parts[part], from, size);
        from += size + (blank != NULL);
        len -= size + (blank != NULL);
    }
    return len == 0;
}

static const char *text_of(const struct pg_graph_word *words, const char *name)
{
    while (words->name && strcmp(words->name, name) != 0)
        words++;
    return words->text;
}

static void write_pattern(const struct writing *w, const char *pattern, const struct word *in,
                          int depth);

static void write_word(const struct writing *w, const char *from, size_t len, int depth)
{
    struct word word;
    const char *text = NULL;
    if (depth < DEPTH_MAX && read_word(from, len, &word)) {
        text = text_of(w->layout->words, word.name);
        if (!text)
            text = text_of(common_words, word.name);
        if (!text && strcmp(word.name, "graph") == 0)
            text = w->graph;
    }
    if (text)
        write_pattern(w, text, &word, depth + 1);
    else
        w->out->failed = 1; /* a pattern of ours is wrong: no store opens */
}

/* The arguments of `in` into `out`: a word inside braces has them, too. */
static void with_arguments(struct pg_text *out, const char *from, size_t len, const struct word *in)
{
    for (const char *end = from + len; from < end; from++) {
        if (in && *from == '@' && from + 1 < end && (from[1] == '1' || from[1] == '2'))
            pg_text_add_text(out, in->arguments[*++from - '1']);
        else
            pg_text_add(out, from, 1);
    }
}

static void write_pattern(const struct writing *w, const char *pattern, const struct word *in,
                          int depth)
{
    struct pg_text inner = { .host = w->out->host };
    for (;;) {
        const size_t plain = strcspn(pattern, "{");
        with_arguments(w->out, pattern, plain, in);
        pattern += plain;
        if (!*pattern)
            break;
        const size_t len = strcspn(pattern, "}");
        if (len == 1) {
            pg_text_add_text(w->out, "{}");
        } else {
            pg_text_clear(&inner);
            with_arguments(&inner, pattern + 1, len - 1, in);
            if (inner.failed)
                w->out->failed = 1;
            else
                write_word(w, inner.data, inner.len, depth);
        }
        pattern += len + (pattern[len] != 0);
    }
    pg_text_free(&inner);
}

void pg_graph_write_pattern(const struct pg_graph_layout *layout, const char *graph,
                            const char *pattern, struct pg_text *out)
{
    const struct writing w = { out, layout, graph };
    write_pattern(&w, pattern, NULL, 0);
}

void pg_graph_place_free(const rag_host *host, struct pg_graph_place *place)
{
    if (place)
        pg_text_free(&place->strings);
    host->free(place);
}

rag_status pg_graph_place_new(const rag_host *host, const struct pg_graph_layout *layout,
                              const char *graph, struct pg_graph_place **out, rag_error *err)
{
    enum { LOCKS = PG_GRAPH_STATEMENTS, TIDY = LOCKS + PG_GRAPH_LOCKS, NAME, TEXTS };
    struct pg_graph_place *place = host->alloc(sizeof *place);
    size_t starts[TEXTS];
    if (!place)
        return pg_no_memory(host, err);
    memset(place, 0, sizeof *place);
    place->layout = layout;
    place->strings.host = host;
    for (size_t i = 0; i < TEXTS; i++) {
        const char *pattern = i < LOCKS   ? layout->patterns[i]
                              : i < TIDY  ? layout->locks[i - LOCKS]
                              : i == TIDY ? layout->tidy
                                          : graph;
        starts[i] = place->strings.len;
        pg_graph_write_pattern(layout, graph, pattern ? pattern : "", &place->strings);
        pg_text_add(&place->strings, "", 1);
    }
    const rag_status status = pg_text_check(&place->strings, err);
    if (status != RAG_OK) {
        pg_graph_place_free(host, place);
        return status;
    }
    const char *text = place->strings.data; /* it does not move any more */
    for (size_t i = 0; i < PG_GRAPH_STATEMENTS; i++)
        place->sql[i] = text + starts[i];
    for (size_t i = 0; i < PG_GRAPH_LOCKS; i++)
        place->locks[i] = layout->locks[i] ? text + starts[LOCKS + i] : NULL;
    place->tidy = layout->tidy ? text + starts[TIDY] : NULL;
    place->graph = text + starts[NAME];
    *out = place;
    return RAG_OK;
}
