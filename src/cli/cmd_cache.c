/* ragstore cache: the caches of a store, and how large and how old they may become.
 *
 * A cache is a namespace of values whose name ends in "_cache", as LightRAG names them; what is
 * dropped from it can be computed again. That is why setting a limit asks nothing, although rows go:
 * the report says how many went. A limit may be set before the cache is first written to, so a name
 * that is not there is a warning here. */
#include "command.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct cache {
    rag_slice name;
    uint64_t rows, bytes;
    rag_kv_limits limits;
} cache;

static int is_cache(rag_slice name)
{
    return slice_ends(name, "_cache");
}

/* ---- showing ---------------------------------------------------------------------------------- */

static void json_limit(json_writer *w, const char *name, uint64_t limit)
{
    if (limit > 0) {
        json_count(w, name, limit);
    } else {
        json_raw(w, name, rag_text("null"));
    }
}

static void json_cache(json_writer *w, const cache *c)
{
    json_open(w, NULL, '{', 0);
    json_text(w, "namespace", c->name);
    json_count(w, "rows", c->rows);
    json_count(w, "bytes", c->bytes);
    json_limit(w, "max_bytes", c->limits.max_bytes);
    json_limit(w, "ttl_seconds", (uint64_t)c->limits.ttl_s);
    json_close(w, '}');
}

static void cell_cache(table *t, const cache *c)
{
    text size = { 0 };
    text age = { 0 };
    table_cell_slice(t, c->name);
    table_cell_count(t, c->rows);
    table_cell_size(t, c->bytes);
    if (c->limits.max_bytes > 0) {
        text_add_size(&size, c->limits.max_bytes);
    }
    if (c->limits.ttl_s > 0) {
        text_add_duration(&age, (uint64_t)c->limits.ttl_s);
    }
    table_cell(t, size.len > 0 ? size.data : "none");
    table_cell(t, age.len > 0 ? age.data : "none");
    text_free(&size);
    text_free(&age);
}

/* What a kept row of rag_store_namespaces() does not say. A store without limits has none. */
static rag_status read_limits(const invocation *in, rag_store *store, cache *c, rag_error *err)
{
    text name = { 0 };
    c->limits = (rag_kv_limits)RAG_KV_LIMITS_INIT;
    text_add_bytes(&name, c->name.data, c->name.len);
    rag_status status = rag_kv_get_limits(store, &in->ctx, name.data, &c->limits, err);
    text_free(&name);
    return status == RAG_E_UNSUPPORTED ? RAG_OK : status;
}

/* The caches of a list of namespaces: all, or the one named `only`, which need not be among them: a
 * namespace without rows is not. The caller frees *out, whose names are those of the list. */
static rag_status read_caches(const invocation *in, rag_store *store, const rag_result *spaces,
                              const char *only, cache **out, size_t *count, rag_error *err)
{
    cache *found = cli_alloc(rag_result_count(spaces) + 1, sizeof *found);
    size_t n = 0;
    rag_status status = RAG_OK;
    for (size_t i = 0; i < rag_result_count(spaces); i++) {
        const rag_row *row = rag_result_row(spaces, i);
        if (slice_is(row->key, "kv") && is_cache(row->key2) &&
            (!only || slice_is(row->key2, only))) {
            found[n++] = (cache){ .name = row->key2,
                                  .rows = (uint64_t)row->number,
                                  .bytes = (uint64_t)json_number_field(row->value, "bytes", 0) };
        }
    }
    if (only && n == 0) {
        found[n++] = (cache){ .name = rag_text(only) };
    }
    for (size_t i = 0; i < n && status == RAG_OK; i++) {
        status = read_limits(in, store, &found[i], err);
    }
    *out = found;
    *count = n;
    return status;
}

static void print_json(const cache *caches, size_t count)
{
    json_writer w = { 0 };
    json_open(&w, NULL, '{', 1);
    json_open(&w, "caches", '[', 1);
    for (size_t i = 0; i < count; i++) {
        json_cache(&w, &caches[i]);
    }
    json_close(&w, ']');
    json_close(&w, '}');
    json_end(&w);
}

static void print_table(const cache *caches, size_t count)
{
    table t = { 0 };
    if (count == 0) {
        puts("the store has no cache: no namespace of values whose name ends in _cache");
        return;
    }
    table_column(&t, "cache", COLUMN_LEFT);
    table_column(&t, "rows", COLUMN_RIGHT);
    table_column(&t, "size", COLUMN_RIGHT);
    table_column(&t, "at most", COLUMN_RIGHT);
    table_column(&t, "for", COLUMN_LEFT);
    for (size_t i = 0; i < count; i++) {
        cell_cache(&t, &caches[i]);
    }
    table_print(&t, 0);
}

/* 1 when the store knows nothing of it. */
static int is_unknown(const cache *c)
{
    return c->rows == 0 && c->limits.max_bytes == 0 && c->limits.ttl_s == 0;
}

/* All caches, or the one named `only`. One that is not there is a complaint, unless its limits were
 * taken away just now (`is_set`). */
static int show_caches(const invocation *in, rag_store *store, const char *only, int is_set)
{
    rag_error err = RAG_ERROR_INIT;
    rag_result *spaces = NULL;
    cache *caches = NULL;
    size_t count = 0;
    int status = STATUS_OK;
    if (rag_store_namespaces(store, &in->ctx, &spaces, &err) != RAG_OK ||
        read_caches(in, store, spaces, only, &caches, &count, &err) != RAG_OK) {
        status = failed(&err);
    } else if (only && is_unknown(&caches[0]) && !is_set) {
        status = no_namespace(in, store, "kv", only);
    } else if (in->json) {
        print_json(caches, count);
    } else {
        print_table(caches, count);
    }
    free(caches);
    rag_result_free(spaces);
    return status;
}

/* ---- setting ---------------------------------------------------------------------------------- */

/* Limits that are not named stay as they were. */
static rag_status set_limits(const invocation *in, rag_store *store, const char *name,
                             const cache *before, uint64_t *removed, rag_error *err)
{
    rag_kv_limits limits = before->limits;
    uint64_t left = 0;
    limits.max_bytes = args_count(&in->args, "max-size", limits.max_bytes);
    limits.ttl_s = (int64_t)args_count(&in->args, "ttl", (uint64_t)limits.ttl_s);
    rag_status status = rag_kv_set_limits(store, &in->ctx, name, &limits, err);
    if (status == RAG_OK) {
        status = rag_kv_count(store, &in->ctx, name, &left, err);
    }
    *removed = before->rows > left ? before->rows - left : 0;
    return status;
}

static int change_limits(const invocation *in, rag_store *store, const char *name)
{
    rag_error err = RAG_ERROR_INIT;
    cache before = { .name = rag_text(name) };
    uint64_t removed = 0;
    if (read_limits(in, store, &before, &err) != RAG_OK ||
        rag_kv_count(store, &in->ctx, name, &before.rows, &err) != RAG_OK ||
        set_limits(in, store, name, &before, &removed, &err) != RAG_OK) {
        if (err.status == RAG_E_UNSUPPORTED) {
            return complain(STATUS_PROBLEM, "import it into a store that keeps limits", "%s",
                            err.message);
        }
        return failed(&err);
    }
    if (is_unknown(&before)) {
        complain(STATUS_OK, "the limits hold for what is written to it from now on",
                 "warning: there was no cache '%s'", name);
    }
    if (removed > 0) {
        text line = { 0 };
        text_add_count(&line, removed);
        text_printf(&line, " row%s beyond the new limits went", removed == 1 ? "" : "s");
        fprintf(stderr, "%s\n", line.data);
        text_free(&line);
    }
    return show_caches(in, store, name, 1);
}

/* ---- the command ------------------------------------------------------------------------------ */

static int sets_limits(const invocation *in)
{
    return args_given(&in->args, "max-size") || args_given(&in->args, "ttl");
}

static int answer(invocation *in, rag_store *store)
{
    const char *name = in->args.word_count > 1 ? word(in, 1) : NULL;
    return sets_limits(in) ? change_limits(in, store, name) : show_caches(in, store, name, 0);
}

static int run_cache(invocation *in)
{
    const char *name = in->args.word_count > 1 ? word(in, 1) : NULL;
    int sets = sets_limits(in);
    if (sets && !name) {
        return misused(in, "which cache? NAMESPACE is missing");
    }
    if (name && !is_cache(rag_text(name))) {
        return misused(in, "'%s' is no cache: limits are for namespaces whose names end in _cache",
                       name);
    }
    unsigned flags = RAG_OPEN_EXISTING | (sets ? 0u : (unsigned)RAG_OPEN_READ_ONLY);
    return with_store(in, flags, answer);
}

static const option options[] = {
    { .name = "max-size",
      .kind = OPTION_SIZE,
      .value = "SIZE",
      .help = "the most that keys and values may take, such as 500MB or 2GiB; beyond it the rows "
              "that were written longest ago go; none or 0 takes the limit away" },
    { .name = "ttl",
      .kind = OPTION_DURATION,
      .value = "TIME",
      .help = "how long a row stays after it was last written, such as 90s, 12h, 30d or 2w; none "
              "or 0 takes the limit away" },
    { .name = NULL }
};

const command cache_command = {
    .name = "cache",
    .summary = "show or set how large and how old caches may become",
    .usage = "  ragstore cache STORE [NAMESPACE]\n"
             "  ragstore cache STORE NAMESPACE [--max-size SIZE] [--ttl TIME]\n",
    .about = "A cache is a namespace of values whose name ends in _cache. Its limits are\n"
             "kept in the store and hold for everybody who writes to it; a limit that is not\n"
             "named stays as it is. Rows beyond a new limit are gone when the command\n"
             "returns. A cache that holds nothing is shown when it is named. LightRAG's\n"
             "files (lightrag:) have no place for limits: setting one there is refused.\n"
             "\n"
             "With --json: \"caches\": \"namespace\", \"rows\", \"bytes\", \"max_bytes\" and\n"
             "\"ttl_seconds\" of each, null where there is no limit.\n",
    .options = options,
    .words_least = 1,
    .words_most = 2,
    .examples = "  ragstore cache ./my.store\n"
                "  ragstore cache ./my.store llm_response_cache --max-size 500MB --ttl 30d\n"
                "  ragstore cache ./my.store llm_response_cache --max-size none\n",
    .opens_store = 1,
    .run = run_cache,
};
