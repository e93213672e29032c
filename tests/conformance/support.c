/* What the cases share: checks with messages that say what was found, short forms of calls, random
 * numbers, and a dump of everything in a store. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance.h"

/* ---- checks -------------------------------------------------------------------------------------- */

void fail_at(const char *file, int line, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    print_error("%s\n", text);
    _fail(file, line);
    abort(); /* not reached: _fail() leaves the case */
}

void remember_error(struct env *e)
{
    e->before = e->err;
}

void expect_status(const struct env *e, rag_status got, rag_status wanted, const char *call,
                   const char *file, int line)
{
    if (got != wanted)
        fail_at(file, line, "%.100s: %s, not %s: %s", call, rag_status_text(got),
                rag_status_text(wanted), got == RAG_OK ? "" : e->err.message);
    if (wanted == RAG_OK) {
        if (memcmp(&e->err, &e->before, sizeof e->err) != 0)
            fail_at(file, line, "%.100s: a success that fills the error: %s", call, e->err.message);
        return;
    }
    if (e->err.status != wanted)
        fail_at(file, line, "%.100s: the error says %s", call, rag_status_text(e->err.status));
    if (!e->err.message[0] || strchr(e->err.message, '\n'))
        fail_at(file, line, "%.100s: the message is not one line: '%s'", call, e->err.message);
}

void expect_message(const struct env *e, const char *part)
{
    CHECK(strstr(e->err.message, part), "the message does not name '%s': %s", part, e->err.message);
}

rag_result *keep(struct env *e, rag_result *result)
{
    CHECK(e->result_count < ENV_RESULTS_MAX, "more than %d results in a case", ENV_RESULTS_MAX);
    e->results[e->result_count++] = result;
    return result;
}

const rag_row *row_of(const rag_result *result, size_t index)
{
    const rag_row *row = rag_result_row(result, index);
    CHECK(row, "row %zu of a result of %zu", index, rag_result_count(result));
    return row;
}

void count_is(const rag_result *result, size_t rows)
{
    CHECK(rag_result_count(result) == rows, "%zu rows, not %zu", rag_result_count(result), rows);
}

void keys_are(const rag_result *result, const char *const *keys, size_t n)
{
    count_is(result, n);
    for (size_t i = 0; i < n; i++)
        CHECK(same(row_of(result, i)->key, T(keys[i])), "place %zu: '%.*s', not '%s'", i,
              SHOW(row_of(result, i)->key), keys[i]);
}

void row_absent(const rag_row *row, rag_slice key)
{
    CHECK(!row->found, "'%.*s' is there", SHOW(key));
    CHECK(same(row->key, key), "the absent row has the key '%.*s', not '%.*s'", SHOW(row->key),
          SHOW(key));
    CHECK(row->value.len == 0 && !row->vector && row->created_at == 0 && row->updated_at == 0,
          "the absent row of '%.*s' has something in it", SHOW(key));
}

void row_is(const rag_row *row, const char *value)
{
    CHECK(row->found, "'%.*s' is not there", SHOW(row->key));
    CHECK(same(row->value, T(value)), "'%.*s' is '%.*s', not '%.100s'", SHOW(row->key),
          SHOW(row->value), value);
    CHECK(((const char *)row->value.data)[row->value.len] == 0, "the value does not end in NUL");
}

/* ---- bytes and numbers ----------------------------------------------------------------------------- */

int same(rag_slice a, rag_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

int compare(rag_slice a, rag_slice b)
{
    const size_t shared = a.len < b.len ? a.len : b.len;
    const int order = shared ? memcmp(a.data, b.data, shared) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

int contains(rag_slice text, const char *part)
{
    return text.len && memmem(text.data, text.len, part, strlen(part)) != NULL;
}

static char *texts[1 << 17];
static size_t text_count;

const char *format_text(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = NULL;
    const int len = vasprintf(&text, format, args);
    va_end(args);
    if (len < 0 || text_count == sizeof texts / sizeof texts[0])
        abort();
    texts[text_count++] = text;
    return text;
}

void free_texts(void)
{
    while (text_count)
        free(texts[--text_count]);
}

struct random random_of(const struct env *e)
{
    print_message("seed %u (RAGSTORE_TEST_SEED)\n", e->seed);
    return (struct random){ e->seed * 0x9e3779b97f4a7c15 + 1 };
}

uint64_t random_next(struct random *r)
{
    r->state += 0x9e3779b97f4a7c15;
    uint64_t z = r->state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

uint64_t random_below(struct random *r, uint64_t bound)
{
    return random_next(r) % bound;
}

double random_unit(struct random *r)
{
    return (double)(random_next(r) >> 11) * 0x1p-53;
}

/* ---- short forms ----------------------------------------------------------------------------------- */

void kv_put(struct env *e, const char *name_space, rag_slice key, const char *value)
{
    const rag_kv_item item = { .key = key, .value = T(value) };
    OK(rag_kv_put_many(e->store, NULL, name_space, &item, 1, NULL, &e->err));
}

rag_result *kv_get(struct env *e, const char *name_space, rag_slice key)
{
    rag_result *rows = NULL;
    OK(rag_kv_get_many(e->store, NULL, name_space, &key, 1, &rows, &e->err));
    count_is(rows, 1);
    return keep(e, rows);
}

uint64_t kv_count(struct env *e, const char *name_space)
{
    uint64_t count = 0;
    OK(rag_kv_count(e->store, NULL, name_space, &count, &e->err));
    return count;
}

rag_element element_for(const struct env *e, rag_element wanted)
{
    return e->backend->quirks.offers & NEEDS_FLOAT32 ? wanted : RAG_ELEMENT_FLOAT16;
}

float kept_as(const struct env *e, float element)
{
    return e->backend->quirks.offers & NEEDS_FLOAT32 ? element : (float)(half)element;
}

void define_space(struct env *e, const char *name_space, uint32_t dimension, rag_metric metric,
                  rag_element element)
{
    rag_vector_space space = RAG_VECTOR_SPACE_INIT;
    space.dimension = dimension;
    space.metric = metric;
    space.element = element_for(e, element);
    (void)snprintf(space.model, sizeof space.model, "test-model");
    OK(rag_vector_define(e->store, NULL, name_space, &space, &e->err));
}

void vector_put(struct env *e, const char *name_space, rag_slice id, const float *vector,
                size_t dimension, const char *value)
{
    const rag_vector_item item = { id, vector, dimension, T(value), 0 };
    OK(rag_vector_put_many(e->store, NULL, name_space, &item, 1, NULL, &e->err));
}

uint64_t vector_count(struct env *e, const char *name_space)
{
    uint64_t count = 0;
    OK(rag_vector_count(e->store, NULL, name_space, &count, &e->err));
    return count;
}

void node_put(struct env *e, const char *label, const char *value)
{
    const rag_node node = { T(label), T(value) };
    OK(rag_graph_put_nodes(e->store, NULL, &node, 1, RAG_PUT_MERGE, NULL, &e->err));
}

void edge_put(struct env *e, const char *source, const char *target, const char *value)
{
    const rag_edge edge = { T(source), T(target), T(value) };
    OK(rag_graph_put_edges(e->store, NULL, &edge, 1, RAG_PUT_MERGE, NULL, &e->err));
}

void graph_counts(struct env *e, uint64_t nodes, uint64_t edges)
{
    uint64_t n = 0, m = 0;
    OK(rag_graph_count(e->store, NULL, &n, &m, &e->err));
    CHECK(n == nodes && m == edges, "%llu nodes and %llu edges, not %llu and %llu",
          (unsigned long long)n, (unsigned long long)m, (unsigned long long)nodes,
          (unsigned long long)edges);
}

int64_t degree_of(struct env *e, const char *label)
{
    const rag_slice asked = T(label);
    rag_result *rows = NULL;
    OK(rag_graph_get_nodes(e->store, NULL, &asked, 1, RAG_GRAPH_DEGREES, &rows, &e->err));
    count_is(rows, 1);
    return row_of(keep(e, rows), 0)->number;
}

void doc_put(struct env *e, const char *id, const char *value)
{
    const rag_doc doc = { T(id), T(value) };
    OK(rag_docstatus_put_many(e->store, NULL, &doc, 1, NULL, &e->err));
}

rag_store *open_again(struct env *e, const rag_open_options *options)
{
    rag_store *store = NULL;
    OK(e->backend->open(&e->place, options, &store, &e->err));
    return store;
}

/* ---- the store as a whole --------------------------------------------------------------------------- */

rag_result *namespaces(struct env *e)
{
    rag_result *rows = NULL;
    OK(rag_store_namespaces(e->store, NULL, &rows, &e->err));
    return keep(e, rows);
}

const rag_row *namespace_row(struct env *e, const char *kind, const char *name)
{
    const rag_result *rows = namespaces(e);
    for (size_t i = 0; i < rag_result_count(rows); i++)
        if (same(row_of(rows, i)->key, T(kind)) && (!name || same(row_of(rows, i)->key2, T(name))))
            return row_of(rows, i);
    return NULL;
}

long long number_in(const rag_row *row, const char *member)
{
    const char *at = strstr(row->value.data, format_text("\"%s\":", member));
    CHECK(at, "no \"%s\" in %.*s", member, SHOW(row->value));
    return strtoll(at + strlen(member) + 3, NULL, 10);
}

rag_slice content_hash(struct env *e, rag_store *store)
{
    rag_result *rows = NULL;
    OK(rag_store_content_hash(store, NULL, &rows, &e->err));
    const size_t n = rag_result_count(rows);
    CHECK(n && same(row_of(rows, n - 1)->key, T("all")), "the last row is not \"all\"");
    return row_of(keep(e, rows), n - 1)->value;
}

/* ---- scans ---------------------------------------------------------------------------------------- */

rag_status scan_kv(rag_store *store, const char *name_space, rag_slice after, size_t limit,
                   rag_result **out, rag_error *err)
{
    return rag_kv_scan(store, NULL, name_space, after, limit, out, err);
}

rag_status scan_vectors(rag_store *store, const char *name_space, rag_slice after, size_t limit,
                        rag_result **out, rag_error *err)
{
    return rag_vector_scan(store, NULL, name_space, after, limit,
                           RAG_VECTOR_VALUES | RAG_VECTOR_VECTORS, out, err);
}

rag_status scan_nodes(rag_store *store, const char *name_space, rag_slice after, size_t limit,
                      rag_result **out, rag_error *err)
{
    (void)name_space;
    return rag_graph_scan_nodes(store, NULL, after, limit, RAG_GRAPH_VALUES | RAG_GRAPH_DEGREES,
                                out, err);
}

rag_status scan_edges(rag_store *store, const char *name_space, rag_slice after, size_t limit,
                      rag_result **out, rag_error *err)
{
    (void)name_space;
    return rag_graph_scan_edges(store, NULL, after, limit, RAG_GRAPH_VALUES, out, err);
}

rag_status scan_docs(rag_store *store, const char *name_space, rag_slice after, size_t limit,
                     rag_result **out, rag_error *err)
{
    (void)name_space;
    return rag_docstatus_scan(store, NULL, after, limit, out, err);
}

size_t scan_all(struct env *e, scan_call scan, const char *name_space, size_t limit,
                const rag_row **rows, size_t max)
{
    size_t count = 0;
    rag_slice after = T("");
    do {
        rag_result *page = NULL;
        OK(scan(e->store, name_space, after, limit, &page, &e->err));
        keep(e, page);
        const size_t n = rag_result_count(page);
        after = rag_result_next(page);
        CHECK(n <= limit, "a page of %zu rows, asked for %zu", n, limit);
        CHECK(n || !after.len, "an empty page that is not the last");
        CHECK(!(rag_result_flags(page) & RAG_RESULT_EXHAUSTED) == (after.len > 0),
              "RAG_RESULT_EXHAUSTED and a position to go on from contradict each other");
        for (size_t i = 0; i < n; i++) {
            CHECK(count < max, "the scan gives more than %zu rows", max);
            rows[count++] = row_of(page, i);
        }
    } while (after.len);
    return count;
}

/* ---- everything in a store ------------------------------------------------------------------------- */

struct dump {
    struct env *e;
    rag_store *store;
    FILE *out;
};

static void dump_slice(const struct dump *d, rag_slice s)
{
    (void)fprintf(d->out, " %zu:", s.len);
    (void)fwrite(s.len ? s.data : "", 1, s.len, d->out);
}

static void dump_rows(const struct dump *d, const char *what, const rag_result *rows)
{
    for (size_t i = 0; i < rag_result_count(rows); i++) {
        const rag_row *row = rag_result_row(rows, i);
        (void)fprintf(d->out, "%s", what);
        dump_slice(d, row->key);
        dump_slice(d, row->key2);
        if (d->e->backend->quirks.offers & NEEDS_EXTRAS)
            dump_slice(d, row->value); /* else the content hash has what is to be the same of it */
        (void)fprintf(d->out, " %lld %lld %lld", (long long)row->number, (long long)row->created_at,
                      (long long)row->updated_at);
        dump_slice(d, (rag_slice){ row->vector, row->dimension * sizeof(float) });
        (void)fputc('\n', d->out);
    }
}

static scan_call scan_of(const char *kind)
{
    if (strcmp(kind, "kv") == 0)
        return scan_kv;
    if (strcmp(kind, "vector") == 0)
        return scan_vectors;
    if (strcmp(kind, "graph_nodes") == 0)
        return scan_nodes;
    return strcmp(kind, "graph_edges") == 0 ? scan_edges : scan_docs;
}

static void dump_namespace(const struct dump *d, const char *kind, const char *name)
{
    struct env *e = d->e;
    rag_result *page = NULL;
    rag_slice after = T("");
    do {
        rag_result *before = page;
        page = NULL;
        OK(scan_of(kind)(d->store, name, after, 0, &page, &e->err));
        rag_result_free(before);
        dump_rows(d, kind, page);
        after = rag_result_next(page);
    } while (after.len);
    rag_result_free(page);
}

char *dump_store(struct env *e, rag_store *store, size_t *len)
{
    char *text = NULL;
    struct dump d = { e, store, open_memstream(&text, len) };
    CHECK(d.out, "no memory for a dump");
    rag_result *names = NULL;
    OK(rag_store_namespaces(store, NULL, &names, &e->err));
    dump_rows(&d, "namespace", names);
    for (size_t i = 0; i < rag_result_count(names); i++) {
        const rag_row *row = rag_result_row(names, i);
        char kind[32], name[300];
        (void)snprintf(kind, sizeof kind, "%.*s", SHOW(row->key));
        (void)snprintf(name, sizeof name, "%.*s", (int)row->key2.len, (const char *)row->key2.data);
        dump_namespace(&d, kind, name);
    }
    rag_result_free(names);
    rag_result *hashes = NULL;
    OK(rag_store_content_hash(store, NULL, &hashes, &e->err));
    for (size_t i = 0; i < rag_result_count(hashes); i++)
        dump_slice(&d, rag_result_row(hashes, i)->value);
    rag_result_free(hashes);
    (void)fclose(d.out);
    return text;
}

void expect_dump(struct env *e, const char *dump, size_t len, const char *after_what)
{
    size_t now_len;
    char *now = dump_store(e, e->store, &now_len);
    const int equal = len == now_len && memcmp(dump, now, len) == 0;
    if (!equal)
        print_error("before:\n%.3000s\nafter:\n%.3000s\n", dump, now);
    free(now);
    CHECK(equal, "%s changed what is in the store", after_what);
}

void expect_same_after_reopening(struct env *e)
{
    size_t len;
    char *before = dump_store(e, e->store, &len);
    rag_store_close(e->store);
    e->store = NULL;
    OK(e->backend->open(&e->place, NULL, &e->store, &e->err));
    expect_dump(e, before, len, "closing and opening again");
    free(before);
}
