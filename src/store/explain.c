/* rag_config_explain() and rag_backends(): what is in force, and what could be named. Listing loads
 * the modules that are found, because only they know what they serve; it opens no store. */
#include <ragstore/config.h>
#include <string.h>

#include "core/buffer.h"
#include "core/limits.h"
#include "core/result.h"
#include "registry.h"

/* ---- configuration --------------------------------------------------------------------------------- */

static rag_status explain_value(const struct config_value *value, rag_result *out, rag_error *err)
{
    struct buffer text = BUFFER_INIT(LIMIT_URL_BYTES * 8);
    const char *shown = value->secret ? "***" : value->value;
    rag_status status = buffer_append_json_string(&text, rag_text(shown ? shown : ""), err);
    if (status == RAG_OK) {
        const rag_row row = { .key = rag_text(value->name),
                              .key2 = rag_text(value->source),
                              .value = buffer_slice(&text),
                              .found = 1 };
        status = rag_result_append(out, &row, err);
    }
    buffer_free(&text);
    return status;
}

rag_status rag_config_explain(const char *url, const rag_open_options *options, rag_result **out,
                              rag_error *err)
{
    RAG_TRY(check_out(out, err));
    rag_result *rows = rag_result_new(err);
    if (!rows)
        return RAG_E_NO_MEMORY;
    struct config config = { 0 };
    rag_status status = config_resolve_or_defaults(url, options, registry_lookup, &config, err);
    for (size_t i = 0; status == RAG_OK && i < config.value_count; i++)
        status = explain_value(&config.values[i], rows, err);
    config_free(&config);
    return store_hand_over(status, rows, out);
}

/* ---- backends --------------------------------------------------------------------------------------- */

static rag_status append_list(struct buffer *b, const char *name, const char *const *items,
                              rag_error *err)
{
    RAG_TRY(buffer_printf(b, err, "\"%s\":[", name));
    for (size_t i = 0; items && items[i]; i++) {
        if (i)
            RAG_TRY(buffer_append_char(b, ',', err));
        RAG_TRY(buffer_append_json_string(b, rag_text(items[i]), err));
    }
    return buffer_append_char(b, ']', err);
}

static rag_status append_backend(struct buffer *b, const rag_backend *backend, rag_error *err)
{
    const char *kinds[STORE_KINDS + 1];
    size_t n = 0;
    if (backend->kv)
        kinds[n++] = config_kind_name(CONFIG_KV);
    if (backend->vector)
        kinds[n++] = config_kind_name(CONFIG_VECTOR);
    if (backend->graph)
        kinds[n++] = config_kind_name(CONFIG_GRAPH);
    if (backend->docstatus)
        kinds[n++] = config_kind_name(CONFIG_DOC_STATUS);
    kinds[n] = NULL;
    RAG_TRY(buffer_append_char(b, '{', err));
    RAG_TRY(append_list(b, "kinds", kinds, err));
    RAG_TRY(buffer_append_char(b, ',', err));
    RAG_TRY(append_list(b, "names", backend->class_names, err));
    RAG_TRY(buffer_append_char(b, ',', err));
    RAG_TRY(append_list(b, "options", backend->options, err));
    RAG_TRY(buffer_append_char(b, ',', err));
    RAG_TRY(append_list(b, "needs", backend->required, err));
    return buffer_append_char(b, '}', err);
}

struct listing {
    rag_result *rows;
    rag_error *err;
    rag_status status;
};

static void list_driver(const struct driver *driver, void *user)
{
    struct listing *l = user;
    struct buffer text = BUFFER_INIT(LIMIT_URL_BYTES * 8);
    if (l->status == RAG_OK)
        l->status = append_backend(&text, &driver->backend, l->err);
    if (l->status == RAG_OK) {
        const rag_row row = { .key = rag_text(driver->backend.name),
                              .key2 = rag_text(driver->origin),
                              .value = buffer_slice(&text),
                              .found = 1 };
        l->status = rag_result_append(l->rows, &row, l->err);
    }
    buffer_free(&text);
}

/* Load it, so that it is listed with the others; a row of its own when that fails. */
static rag_status try_module(const char *name, const char *path, void *user, rag_error *err)
{
    struct listing *l = user;
    rag_error why = RAG_ERROR_INIT;
    (void)path;
    if (registry_loaded(name) || module_load(name, &why) == RAG_OK)
        return RAG_OK;
    struct buffer text = BUFFER_INIT(LIMIT_URL_BYTES);
    rag_status status = buffer_append_text(&text, "{\"kinds\":[],\"names\":[],\"needs\":", err);
    if (status == RAG_OK)
        status = buffer_append_json_string(&text, rag_text(why.message), err);
    if (status == RAG_OK)
        status = buffer_append_char(&text, '}', err);
    if (status == RAG_OK) {
        const rag_row row = { .key = rag_text(name),
                              .key2 = rag_text("missing"),
                              .value = buffer_slice(&text) };
        status = rag_result_append(l->rows, &row, err);
    }
    buffer_free(&text);
    return status;
}

rag_status rag_backends(rag_result **out, rag_error *err)
{
    RAG_TRY(check_out(out, err));
    rag_result *rows = rag_result_new(err);
    if (!rows)
        return RAG_E_NO_MEMORY;
    struct listing l = { rows, err, RAG_OK };
    l.status = module_visit(try_module, &l, err);
    if (l.status == RAG_OK)
        registry_visit(list_driver, &l);
    return store_hand_over(l.status, rows, out);
}
