/* Settings that no URL and no argument gave: the environment first, then config.ini, then the
 * default. Where each key lives says keys.h; options of backends that are not listed there have
 * their places by rule. Values are copied, because the environment may change. */
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/buffer.h"
#include "keys.h"
#include "settings.h"
#include "url.h"

static const struct config_key *find_key(const char *backend, const char *name)
{
    for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
        const struct config_key *key = &CONFIG_KEYS[i];
        if (strcmp(key->name, name) != 0 || !key->backend != !backend)
            continue;
        if (!backend || strcmp(key->backend, backend) == 0)
            return key;
    }
    return NULL;
}

static rag_status text_of(const struct settings *s, const char **out, rag_error *err, const char *a,
                          const char *b, const char *c, const char *d)
{
    struct buffer text = BUFFER_INIT(LIMIT_URL_BYTES);
    rag_status status = buffer_printf(&text, err, "%s%s%s%s", a, b, c, d);
    if (status == RAG_OK) {
        *out = arena_copy(&s->config->arena, text.data, text.len);
        if (!*out)
            status = rag_fail_memory(err);
    }
    buffer_free(&text);
    return status;
}

rag_status settings_variable(const struct settings *s, const char *backend, const char *name,
                             const char **out, rag_error *err)
{
    const struct config_key *key = find_key(backend, name);
    if (key || !backend) {
        *out = key ? key->variable : NULL;
        return RAG_OK;
    }
    const char *text;
    RAG_TRY(text_of(s, &text, err, "RAGSTORE_", backend, "_", name));
    char *upper = arena_copy(&s->config->arena, text, strlen(text));
    if (!upper)
        return rag_fail_memory(err);
    for (char *p = upper; *p; p++) {
        if (*p >= 'a' && *p <= 'z')
            *p = (char)(*p - 'a' + 'A');
        else if (*p == '-' || *p == '+')
            *p = '_';
    }
    *out = upper;
    return RAG_OK;
}

/* From one variable; *out is untouched when it is not set. */
static rag_status from_variable(const struct settings *s, const char *variable,
                                struct config_value *out, rag_error *err)
{
    const char *value = variable ? getenv(variable) : NULL;
    if (!value || !*value)
        return RAG_OK;
    RAG_TRY(text_of(s, &out->source, err, "environment ", variable, "", ""));
    out->value = arena_copy(&s->config->arena, value, strlen(value));
    return out->value ? RAG_OK : rag_fail_memory(err);
}

static rag_status from_ini(const struct settings *s, const char *section, const char *name,
                           struct config_value *out, rag_error *err)
{
    const char *value = section && s->ini ? ini_get(s->ini, section, name) : NULL;
    if (!value || !*value)
        return RAG_OK;
    const char *place;
    RAG_TRY(text_of(s, &place, err, "config.ini [", section, "] ", name));
    out->value = arena_copy(&s->config->arena, value, strlen(value));
    out->source = place;
    return out->value ? RAG_OK : rag_fail_memory(err);
}

rag_status settings_find(const struct settings *s, const char *backend, const char *name,
                         struct config_value *out, rag_error *err)
{
    const struct config_key *key = find_key(backend, name);
    const char *variable;
    struct config_value found = { name, NULL, NULL, 0 };
    found.secret = key ? key->secret : url_is_secret(name);
    RAG_TRY(settings_variable(s, backend, name, &variable, err));
    RAG_TRY(from_variable(s, variable, &found, err));
    if (!found.value && key && key->alias)
        RAG_TRY(from_variable(s, key->alias, &found, err));
    if (!found.value)
        RAG_TRY(from_ini(s, key ? key->section : backend, name, &found, err));
    *out = found;
    return RAG_OK;
}

rag_status settings_get(const struct settings *s, const char *backend, const char *name,
                        struct config_value *out, rag_error *err)
{
    RAG_TRY(settings_find(s, backend, name, out, err));
    const struct config_key *key = find_key(backend, name);
    if (!out->value && key && key->fallback) {
        out->value = key->fallback;
        out->source = "default";
    }
    return RAG_OK;
}

rag_status settings_note(const struct settings *s, const char *prefix,
                         const struct config_value *value, rag_error *err)
{
    struct config *c = s->config;
    if (c->value_count == c->value_capacity) {
        const size_t capacity = c->value_capacity ? c->value_capacity * 2 : 16;
        struct config_value *values = rag_realloc(c->values, capacity * sizeof *values);
        if (!values)
            return rag_fail_memory(err);
        c->values = values;
        c->value_capacity = capacity;
    }
    struct config_value note = *value;
    RAG_TRY(text_of(s, &note.name, err, prefix, value->name, "", ""));
    c->values[c->value_count++] = note;
    return RAG_OK;
}
