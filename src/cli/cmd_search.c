/* ragstore search: the nearest rows of a vector space, or the nodes whose labels contain a text.
 *
 * Text cannot be searched for in a vector space, because the command has no embedding model; it searches with a
 * vector from a file, or with that of a row that is there. A row is named by its id; for entities
 * the name of the entity will do, found by reading the payloads, which takes a moment in a large
 * space but needs to know nothing about how LightRAG makes ids. */
#include "command.h"
#include "progress.h"
#include "vector_file.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct search {
    const char *space_name;
    rag_vector_space space;
    float *vector;
    size_t dimension;
    text like; /* id of the row that --like means; empty without */
    size_t asked;
    double seconds;
} search;

/* ---- the question ----------------------------------------------------------------------------- */

static int take_row(const rag_row *row, search *s)
{
    if (!row || !row->found || !row->vector) {
        return 0;
    }
    text_clear(&s->like);
    text_add_bytes(&s->like, row->key.data, row->key.len);
    s->dimension = row->dimension;
    s->vector = cli_alloc(row->dimension, sizeof *s->vector);
    memcpy(s->vector, row->vector, row->dimension * sizeof *s->vector);
    return 1;
}

/* The row of id `id`: 1 found, 0 not there, -1 failed. */
static int like_id(const invocation *in, rag_store *store, search *s, rag_slice id, rag_error *err)
{
    rag_result *rows = NULL;
    if (rag_vector_get_many(store, &in->ctx, s->space_name, &id, 1, RAG_VECTOR_VECTORS, &rows,
                            err) != RAG_OK) {
        return -1;
    }
    int found = take_row(rag_result_row(rows, 0), s);
    rag_result_free(rows);
    return found;
}

/* The id of the row whose payload has this entity name: 1 found, 0 not there, -1 failed. */
static int find_entity(const invocation *in, rag_store *store, const search *s, const char *name,
                       text *id, rag_error *err)
{
    enum { PAGE = 1000 };
    text after = { 0 };
    text entity = { 0 };
    int found = 0;
    for (int more = 1; more && !found;) {
        rag_result *rows = NULL;
        if (rag_vector_scan(store, &in->ctx, s->space_name, text_slice(&after), PAGE,
                            RAG_VECTOR_VALUES, &rows, err) != RAG_OK) {
            found = -1;
            break;
        }
        for (size_t i = 0; i < rag_result_count(rows) && !found; i++) {
            const rag_row *row = rag_result_row(rows, i);
            text_clear(&entity);
            json_plain_field(&entity, row->value, "entity_name");
            if (strcmp(entity.data, name) == 0) {
                text_add_bytes(id, row->key.data, row->key.len);
                found = 1;
            }
        }
        more = next_page(&after, rows);
    }
    text_free(&after);
    text_free(&entity);
    return found;
}

static int query_like(const invocation *in, rag_store *store, search *s)
{
    const char *name = args_text(&in->args, "like", "");
    rag_error err = RAG_ERROR_INIT;
    text id = { 0 };
    text shown = { 0 };
    int found = like_id(in, store, s, rag_text(name), &err);
    if (found == 0 && strcmp(s->space_name, "entities") == 0) {
        found = find_entity(in, store, s, name, &id, &err);
        found = found == 1 ? like_id(in, store, s, text_slice(&id), &err) : found;
    }
    text_free(&id);
    if (found == 1) {
        return STATUS_OK;
    }
    if (found < 0) {
        return failed(&err);
    }
    text_add_shown(&shown, rag_text(name));
    int status = complain(STATUS_PROBLEM, "ids are shown by a search, or by: ragstore get",
                          "no row '%s' in %s", shown.data, s->space_name);
    text_free(&shown);
    return status;
}

static int query_file(const invocation *in, search *s)
{
    text complaint = { 0 };
    const char *path = args_text(&in->args, "vector", "");
    int status = STATUS_OK;
    if (!vector_file_read(path, args_given(&in->args, "raw"), &s->vector, &s->dimension,
                          &complaint)) {
        status = complain(STATUS_PROBLEM, NULL, "%s", complaint.data);
    } else if (s->dimension != s->space.dimension) {
        status =
            complain(STATUS_PROBLEM, "use the embedding model that the store was filled with",
                     "%s: %zu dimensions, but %s has %u%s%s",
                     strcmp(path, "-") == 0 ? "standard input" : path, s->dimension, s->space_name,
                     s->space.dimension, s->space.model[0] ? " of " : "", s->space.model);
    }
    text_free(&complaint);
    return status;
}

/* ---- the answer ------------------------------------------------------------------------------- */

static void print_json(const rag_result *hits)
{
    static const char *const except[] = { "id", "distance", NULL };
    json_writer w = { 0 };
    json_open(&w, NULL, '[', 1);
    for (size_t i = 0; i < rag_result_count(hits); i++) {
        const rag_row *row = rag_result_row(hits, i);
        rag_slice created;
        json_open(&w, NULL, '{', 0);
        json_text(&w, "id", row->key);
        json_double(&w, "distance", row->score);
        if (row->created_at > 0 && !json_field(row->value, "created_at", &created)) {
            json_count(&w, "created_at", (uint64_t)row->created_at);
        }
        json_splice(&w, row->value, except);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_end(&w);
}

static const char *metric_name(rag_metric metric)
{
    return metric == RAG_METRIC_DOT ? "dot product" : "cosine";
}

/* The name that a human knows a row by, and where its text begins. */
static void describe_hit(const rag_row *row, text *name, text *reading)
{
    text other = { 0 };
    text content = { 0 };
    json_plain_field(name, row->value, "entity_name");
    json_plain_field(&other, row->value, "tgt_id");
    json_plain_field(&content, row->value, "content");
    const char *at = content.data;
    if (name->len > 0) { /* content is "NAME\ndescription" */
        if (content.len > name->len && memcmp(at, name->data, name->len) == 0) {
            at += name->len;
        }
    } else if (other.len > 0) { /* content is "keywords\tSRC\nTGT\ndescription" */
        json_plain_field(name, row->value, "src_id");
        text_add(name, " -- ");
        text_add_bytes(name, other.data, other.len);
        const char *line = strchr(at, '\n');
        line = line ? strchr(line + 1, '\n') : NULL;
        at = line ? line : at;
    }
    text_add(reading, at);
    text_free(&other);
    text_free(&content);
}

static void print_hit(const search *s, size_t rank, const rag_row *row)
{
    text line = { 0 };
    text name = { 0 };
    text reading = { 0 };
    int is_like = s->like.len > 0 && slice_equal(text_slice(&s->like), row->key);
    describe_hit(row, &name, &reading);
    text_printf(&line, "%4zu  %6.4f  ", rank, row->score);
    if (name.len > 0) {
        text_add_shown(&line, text_slice(&name));
        text_add(&line, "  ");
    }
    text_add_shown(&line, row->key);
    text_add(&line, is_like ? "  (the row itself)" : "");
    puts(line.data);
    if (reading.len > 0) {
        print_reading(14, text_slice(&reading));
    }
    text_free(&line);
    text_free(&name);
    text_free(&reading);
}

static void print_hits(const search *s, const rag_result *hits)
{
    size_t count = rag_result_count(hits);
    text line = { 0 };
    if (count == 0) {
        puts("nothing found");
        return;
    }
    text_printf(&line, "the nearest %zu in %s (%s, %u dimensions%s%s; ", count, s->space_name,
                metric_name(s->space.metric), s->space.dimension, s->space.model[0] ? ", " : "",
                s->space.model);
    text_add_seconds(&line, s->seconds);
    text_add(&line, ")\n");
    puts(line.data);
    text_free(&line);
    for (size_t i = 0; i < count; i++) {
        print_hit(s, i + 1, rag_result_row(hits, i));
    }
    if (count < s->asked && (rag_result_flags(hits) & RAG_RESULT_EXHAUSTED)) {
        puts("\nthere are no more");
    }
}

static int answer(const invocation *in, rag_store *store, search *s)
{
    rag_error err = RAG_ERROR_INIT;
    rag_result *hits = NULL;
    rag_vector_query query = RAG_VECTOR_QUERY_INIT;
    s->asked = (size_t)args_count(&in->args, "top", 10);
    query.vector = s->vector;
    query.dimension = s->dimension;
    query.top_k = s->asked;
    query.min_score = args_number(&in->args, "min-score", query.min_score);
    query.exact = args_given(&in->args, "exact");
    double started = seconds_now();
    if (rag_vector_search(store, &in->ctx, s->space_name, &query, &hits, &err) != RAG_OK) {
        return failed(&err);
    }
    s->seconds = seconds_now() - started;
    if (in->json) {
        print_json(hits);
    } else {
        print_hits(s, hits);
    }
    rag_result_free(hits);
    return STATUS_OK;
}

static int search_store(const invocation *in, rag_store *store, search *s)
{
    rag_error err = RAG_ERROR_INIT;
    s->space = (rag_vector_space)RAG_VECTOR_SPACE_INIT;
    if (rag_vector_describe(store, &in->ctx, s->space_name, &s->space, &err) != RAG_OK) {
        return err.status == RAG_E_NOT_FOUND ? no_namespace(in, store, "vector", s->space_name)
                                             : failed(&err);
    }
    int status = args_given(&in->args, "like") ? query_like(in, store, s) : query_file(in, s);
    return status == STATUS_OK ? answer(in, store, s) : status;
}

/* ---- labels ----------------------------------------------------------------------------------- */

static void print_labels_json(const rag_result *rows)
{
    json_writer w = { 0 };
    json_open(&w, NULL, '[', 1);
    for (size_t i = 0; i < rag_result_count(rows); i++) {
        const rag_row *row = rag_result_row(rows, i);
        json_open(&w, NULL, '{', 0);
        json_text(&w, "label", row->key);
        json_double(&w, "score", (double)row->number);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_end(&w);
}

static void print_labels(const rag_result *rows)
{
    text line = { 0 };
    if (rag_result_count(rows) == 0) {
        puts("nothing found");
    }
    for (size_t i = 0; i < rag_result_count(rows); i++) {
        const rag_row *row = rag_result_row(rows, i);
        text_clear(&line);
        text_printf(&line, "%6lld  ", (long long)row->number);
        text_add_shown(&line, row->key);
        puts(line.data);
    }
    text_free(&line);
}

static int show_labels(invocation *in, rag_store *store)
{
    rag_error err = RAG_ERROR_INIT;
    rag_result *rows = NULL;
    int status = STATUS_OK;
    if (rag_graph_search_labels(store, &in->ctx, rag_text(args_text(&in->args, "text", "")),
                                (size_t)args_count(&in->args, "top", 10), &rows, &err) != RAG_OK) {
        status = failed(&err);
    } else if (in->json) {
        print_labels_json(rows);
    } else {
        print_labels(rows);
    }
    rag_result_free(rows);
    return status;
}

static int search_labels(invocation *in)
{
    if (args_text(&in->args, "text", "")[0] == '\0') {
        return misused(in, "labels are searched for a text: --text TEXT");
    }
    if (args_given(&in->args, "like") || args_given(&in->args, "vector")) {
        return misused(in, "labels have no vectors: --text only");
    }
    return with_store(in, RAG_OPEN_READ_ONLY | RAG_OPEN_EXISTING, show_labels);
}

/* ---- the command ------------------------------------------------------------------------------ */

static int run_search(invocation *in)
{
    if (strcmp(word(in, 1), "labels") == 0) {
        return search_labels(in);
    }
    search s = { .space_name = word(in, 1) };
    rag_store *store = NULL;
    int like = args_given(&in->args, "like");
    int file = args_given(&in->args, "vector");
    if (args_given(&in->args, "text")) {
        return complain(STATUS_USAGE,
                        "embed the text with the model of the store, and give its vector: "
                        "--vector FILE (a JSON array; - reads standard input)",
                        "--text needs an embedding model, and this command has none");
    }
    if (like + file != 1) {
        return misused(in, like ? "--like and --vector exclude each other"
                                : "what to search for? --like ID or --vector FILE");
    }
    int status = open_store(in, word(in, 0), RAG_OPEN_READ_ONLY | RAG_OPEN_EXISTING, &store);
    if (status == STATUS_OK) {
        status = search_store(in, store, &s);
    }
    free(s.vector);
    text_free(&s.like);
    rag_store_close(store);
    return status;
}

static const option options[] = {
    { .name = "like",
      .kind = OPTION_TEXT,
      .value = "ID",
      .help = "search with the vector of this row; for entities the name of the entity will do" },
    { .name = "vector",
      .kind = OPTION_TEXT,
      .value = "FILE",
      .help = "search with the vector in this file, a JSON array of numbers; - reads standard "
              "input" },
    { .name = "raw", .kind = OPTION_FLAG, .help = "FILE holds little-endian float32, not JSON" },
    { .name = "top",
      .letter = 'k',
      .kind = OPTION_COUNT,
      .value = "N",
      .help = "how many rows; default 10",
      .least = 1,
      .most = 100000 },
    { .name = "min-score",
      .kind = OPTION_NUMBER,
      .value = "X",
      .help = "leave out rows that are less similar than this" },
    { .name = "exact",
      .kind = OPTION_FLAG,
      .help = "compare with every row, without the index; slower" },
    { .name = "text",
      .kind = OPTION_TEXT,
      .value = "TEXT",
      .help = "the text that labels are to contain, whatever its case; for labels only" },
    { .name = NULL }
};

const command search_command = {
    .name = "search",
    .summary = "the nearest rows of vectors, or labels with a text",
    .usage = "  ragstore search STORE chunks|entities|relationships\n"
             "                  (--like ID | --vector FILE [--raw]) [-k N]\n"
             "                  [--min-score X] [--exact]\n"
             "  ragstore search STORE labels --text TEXT [-k N]\n",
    .about = "The score is what LightRAG calls distance: the cosine of the angle, so larger\n"
             "is nearer and 1 is the same direction. With --json: an array of\n"
             "{\"id\", \"distance\", ...} with the members of the payload.\n"
             "\n"
             "labels finds the nodes whose labels contain a text, the best first: 1000 for\n"
             "the whole label, 500 for its beginning, else 100 less its length, and 50 more\n"
             "for the beginning of a word. With --json: an array of {\"label\", \"score\"}.\n",
    .options = options,
    .words_least = 2,
    .words_most = 2,
    .examples =
        "  ragstore search ./my.store entities --like Alice\n"
        "  ragstore search ./my.store chunks --like doc-1-chunk-000 -k 3 --json\n"
        "  ragstore search ./my.store labels --text rabbit\n"
        "  my-embedder \"a mad tea party\" | ragstore search ./my.store chunks --vector -\n",
    .opens_store = 1,
    .run = run_search,
};
