/* From what the caller says to what is to be opened.
 *
 * A URL wins over everything. What it does not say comes from the caller's options, then the
 * environment, then config.ini, then the defaults. Without a URL the same three places are asked
 * which stores to use: RAGSTORE_URL, LightRAG's LIGHTRAG_*_STORAGE, [ragstore] of config.ini.
 * Each value is noted with its source, so that `ragstore config` shows what is in force from the
 * very code that decided it. Two kinds that name the same place share one mount. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/buffer.h"
#include "core/limits.h"
#include "core/utf8.h"
#include "ini.h"
#include "settings.h"
#include "url.h"

/* What the steps of one resolution share. */
struct resolver {
    struct settings settings;
    const rag_open_options *options;
    config_lookup lookup;
    struct ini ini;
    int may_be_nothing; /* nothing that names a store is an answer, too */
};

const char *config_kind_name(enum config_kind kind)
{
    static const char *const names[CONFIG_KINDS] = { "kv", "vector", "graph", "doc_status" };
    return names[kind];
}

/* ---- the caller's options ------------------------------------------------------------------------- */

rag_status config_open_options(const rag_open_options *options, rag_open_options *out,
                               rag_error *err)
{
    const rag_open_options none = RAG_OPEN_OPTIONS_INIT;
    *out = none;
    if (!options)
        return RAG_OK;
    if (options->struct_size < sizeof none || options->struct_size > 4096)
        return rag_fail(err, RAG_E_INVALID,
                        "rag_open_options is not initialised (RAG_OPEN_OPTIONS_INIT)");
    memcpy(out, options, sizeof *out);
    out->struct_size = sizeof *out;
    if (out->lock_timeout_ms < 0)
        return rag_fail(err, RAG_E_INVALID, "lock_timeout_ms is negative: %lld",
                        (long long)out->lock_timeout_ms);
    return RAG_OK;
}

rag_status config_check_workspace(const char *workspace, rag_error *err)
{
    const size_t len = strnlen(workspace, LIMIT_NAME_BYTES + 1);
    if (len > LIMIT_NAME_BYTES)
        return rag_fail(err, RAG_E_INVALID, "workspace '%.60s...' is longer than %d bytes",
                        workspace, LIMIT_NAME_BYTES);
    if (strpbrk(workspace, "/\\"))
        return rag_fail(err, RAG_E_INVALID, "workspace '%s' has a '/' or '\\' in it", workspace);
    if (strcmp(workspace, ".") == 0 || strcmp(workspace, "..") == 0)
        return rag_fail(err, RAG_E_INVALID, "'%s' is not the name of a workspace", workspace);
    if (utf8_valid_prefix(workspace, len) != len)
        return rag_fail(err, RAG_E_INVALID, "the name of the workspace is not UTF-8");
    return RAG_OK;
}

/* ---- one mount ------------------------------------------------------------------------------------- */

static rag_status parse_timeout(const char *text, int64_t *out, rag_error *err)
{
    char *end;
    errno = 0;
    const long long value = strtoll(text, &end, 10);
    if (end == text || *end || errno || value < 0)
        return rag_fail(err, RAG_E_INVALID,
                        "lock_timeout_ms is '%.40s', not a number of "
                        "milliseconds",
                        text);
    *out = value ? value : LIMIT_LOCK_TIMEOUT_MS;
    return RAG_OK;
}

static int is_option_of(const rag_backend *backend, const char *name)
{
    const char *const *known = backend->options;
    for (; known && *known; known++)
        if (strcmp(*known, name) == 0)
            return 1;
    return 0;
}

static rag_status check_url_options(const struct url *url, const rag_backend *backend,
                                    rag_error *err)
{
    for (size_t i = 0; i < url->option_count; i++) {
        const char *name = url->options[i].name;
        if (is_option_of(backend, name) || strcmp(name, "workspace") == 0 ||
            strcmp(name, "lock_timeout_ms") == 0)
            continue;
        struct buffer known = BUFFER_INIT(RAG_ERROR_MESSAGE_MAX);
        const char *const *option = backend->options;
        for (; option && *option; option++)
            (void)buffer_printf(&known, NULL, ", %s", *option);
        const rag_status status = rag_fail(err, RAG_E_INVALID,
                                           "'%.80s' is no option of %s; known: workspace, "
                                           "lock_timeout_ms%s",
                                           name, backend->name, known.data ? known.data : "");
        buffer_free(&known);
        return status;
    }
    return RAG_OK;
}

/* A general value: URL, argument, then the other places. `url` may be NULL. */
static rag_status choose(struct resolver *r, const struct url *url, const char *name,
                         const char *argument, struct config_value *out, rag_error *err)
{
    const char *from_url = url ? url_option(url, name) : NULL;
    if (from_url)
        *out = (struct config_value){ name, from_url, "url", 0 };
    else if (argument)
        *out = (struct config_value){ name, argument, "argument", 0 };
    else
        return settings_get(&r->settings, NULL, name, out, err);
    return RAG_OK;
}

static rag_status choose_workspace(struct resolver *r, const struct url *url, const char *prefix,
                                   struct config_mount *mount, rag_error *err)
{
    struct config_value value;
    const char *copy = NULL;
    if (r->options->workspace) {
        copy = arena_copy(&r->settings.config->arena, r->options->workspace,
                          strlen(r->options->workspace));
        if (!copy)
            return rag_fail_memory(err);
    }
    /* a backend's own variable is stronger than the general ones: POSTGRES_WORKSPACE */
    const int said = copy || (url && url_option(url, "workspace"));
    value.value = NULL;
    if (mount->backend && !said)
        RAG_TRY(settings_find(&r->settings, mount->backend->name, "workspace", &value, err));
    if (!value.value)
        RAG_TRY(choose(r, url, "workspace", copy, &value, err));
    RAG_TRY(config_check_workspace(value.value, err));
    mount->workspace = value.value;
    return settings_note(&r->settings, prefix, &value, err);
}

static rag_status choose_timeout(struct resolver *r, const struct url *url, const char *prefix,
                                 struct config_mount *mount, rag_error *err)
{
    struct config_value value;
    char digits[24];
    (void)snprintf(digits, sizeof digits, "%lld", (long long)r->options->lock_timeout_ms);
    const char *copy = arena_copy(&r->settings.config->arena, digits, strlen(digits));
    if (!copy)
        return rag_fail_memory(err);
    RAG_TRY(
        choose(r, url, "lock_timeout_ms", r->options->lock_timeout_ms ? copy : NULL, &value, err));
    RAG_TRY(parse_timeout(value.value, &mount->lock_timeout_ms, err));
    return settings_note(&r->settings, prefix, &value, err);
}

static rag_status choose_options(struct resolver *r, const struct url *url, const char *prefix,
                                 struct config_mount *mount, rag_error *err)
{
    const rag_backend *backend = mount->backend;
    size_t known = 0;
    while (backend->options && backend->options[known])
        known++;
    mount->options = arena_alloc(&r->settings.config->arena, known * sizeof *mount->options);
    if (!mount->options)
        return rag_fail_memory(err);
    for (size_t i = 0; i < known; i++) {
        const char *name = backend->options[i];
        const char *from_url = url ? url_option(url, name) : NULL;
        struct config_value value = { name, from_url, "url", url_is_secret(name) };
        if (!from_url)
            RAG_TRY(settings_get(&r->settings, backend->name, name, &value, err));
        if (!value.value)
            continue;
        mount->options[mount->option_count++] = value;
        RAG_TRY(settings_note(&r->settings, prefix, &value, err));
    }
    for (const char *const *needed = backend->required; needed && *needed; needed++) {
        const char *variable;
        if (config_option(mount, *needed))
            continue;
        RAG_TRY(settings_variable(&r->settings, backend->name, *needed, &variable, err));
        return rag_fail(err, RAG_E_INVALID,
                        "backend '%s' needs '%s': in the URL, in %s, or in config.ini [%s] %s",
                        backend->name, *needed, variable ? variable : "-", backend->name, *needed);
    }
    return RAG_OK;
}

const char *config_option(const void *options, const char *name)
{
    const struct config_mount *mount = options;
    for (size_t i = 0; i < mount->option_count; i++)
        if (strcmp(mount->options[i].name, name) == 0)
            return mount->options[i].value;
    return NULL;
}

static int same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static int same_mount(const struct config_mount *a, const struct config_mount *b)
{
    if (a->backend != b->backend || !same_text(a->location, b->location) ||
        !same_text(a->workspace, b->workspace) || a->option_count != b->option_count)
        return 0;
    for (size_t i = 0; i < a->option_count; i++)
        if (!same_text(config_option(b, a->options[i].name), a->options[i].value))
            return 0;
    return 1;
}

static int serves(const rag_backend *backend, enum config_kind kind)
{
    const void *const tables[CONFIG_KINDS] = { backend->kv, backend->vector, backend->graph,
                                               backend->docstatus };
    return tables[kind] != NULL;
}

/* Everything about a mount but for backend and location, which are set. */
static rag_status finish_mount(struct resolver *r, const struct url *url, const char *prefix,
                               const char *source, struct config_mount *mount, rag_error *err)
{
    const struct config_value backend = { "backend", mount->backend->name, source, 0 };
    const struct config_value location = { "location", mount->location, source, 0 };
    RAG_TRY(settings_note(&r->settings, prefix, &backend, err));
    RAG_TRY(settings_note(&r->settings, prefix, &location, err));
    RAG_TRY(choose_workspace(r, url, prefix, mount, err));
    RAG_TRY(choose_timeout(r, url, prefix, mount, err));
    return choose_options(r, url, prefix, mount, err);
}

static void place_mount(struct config *c, enum config_kind kind, const struct config_mount *mount)
{
    size_t i = 0;
    while (i < c->mount_count && !same_mount(&c->mounts[i], mount))
        i++;
    if (i == c->mount_count)
        c->mounts[c->mount_count++] = *mount;
    c->mount_of[kind] = i;
}

/* ---- names in the registry ---------------------------------------------------------------------------- */

static rag_status stores_path(struct resolver *r, const char **path, rag_error *err)
{
    struct config_value value;
    RAG_TRY(settings_get(&r->settings, NULL, "stores", &value, err));
    *path = value.value;
    if (strncmp(value.value, "~/", 2) != 0)
        return RAG_OK;
    const char *base = getenv("XDG_CONFIG_HOME"), *rest = value.value + 2;
    if (base && *base == '/' && strncmp(rest, ".config/", 8) == 0)
        rest += 8;
    else
        base = getenv("HOME");
    struct buffer text = BUFFER_INIT(LIMIT_URL_BYTES);
    rag_status status = buffer_printf(&text, err, "%s/%s", base ? base : "", rest);
    if (status == RAG_OK) {
        *path = arena_copy(&r->settings.config->arena, text.data, text.len);
        if (!*path)
            status = rag_fail_memory(err);
    }
    buffer_free(&text);
    return status;
}

/* Replace @name by what the registry says; options given with the name win over the entry's. */
static rag_status expand_name(struct resolver *r, struct url *url, rag_error *err)
{
    if (strcmp(url->scheme, "@") != 0)
        return RAG_OK;
    struct arena *arena = &r->settings.config->arena;
    const char *path;
    RAG_TRY(stores_path(r, &path, err));
    struct ini ini = { 0 };
    struct url named = { 0 };
    rag_status status = ini_read(path, INI_OPTIONAL | INI_SECTIONLESS, &ini, err);
    if (status == RAG_OK) {
        const char *text = ini_get(&ini, "stores", url->location);
        if (!text)
            text = ini_get(&ini, "", url->location);
        if (text && *text && *text != '@')
            status = url_parse(text, arena, &named, err);
        else if (text && *text)
            status = rag_fail(err, RAG_E_INVALID, "the named store '%.80s' leads to another name",
                              url->location);
        else
            status = rag_fail(err, RAG_E_NOT_FOUND, "no store is named '%.80s' in %s",
                              url->location, path);
    }
    ini_free(&ini);
    RAG_TRY(status);
    for (size_t i = 0; i < named.option_count; i++) {
        if (url_option(url, named.options[i].name))
            continue;
        if (url->option_count == LIMIT_URL_OPTIONS)
            return rag_fail(err, RAG_E_INVALID, "too many options");
        url->options[url->option_count++] = named.options[i];
    }
    url->scheme = named.scheme;
    url->location = named.location;
    return RAG_OK;
}

/* ---- which stores ---------------------------------------------------------------------------------------- */

static rag_status mount_url(struct resolver *r, const struct url *url, const char *prefix,
                            const char *source, struct config_mount *mount, rag_error *err)
{
    memset(mount, 0, sizeof *mount);
    RAG_TRY(r->lookup(url->scheme, &mount->backend, err));
    RAG_TRY(check_url_options(url, mount->backend, err));
    mount->location = url->location;
    return finish_mount(r, url, prefix, source, mount, err);
}

static rag_status resolve_single(struct resolver *r, const struct url *url, const char *source,
                                 rag_error *err)
{
    struct config *c = r->settings.config;
    struct config_mount mount;
    RAG_TRY(mount_url(r, url, "", source, &mount, err));
    for (size_t kind = 0; kind < CONFIG_KINDS; kind++)
        place_mount(c, (enum config_kind)kind, &mount);
    return RAG_OK;
}

static rag_status fail_kind(const rag_backend *backend, enum config_kind kind, rag_error *err)
{
    return rag_fail(err, RAG_E_UNSUPPORTED, "backend '%s' has no %s store", backend->name,
                    config_kind_name(kind));
}

static const char *const kind_prefix[CONFIG_KINDS] = { "kv.", "vector.", "graph.", "doc_status." };

/* [ragstore] kv = URL, vector = URL, ... *found: 0 when there is none of them. */
static rag_status resolve_mix(struct resolver *r, int *found, rag_error *err)
{
    struct config_value urls[CONFIG_KINDS];
    size_t given = 0, missing = 0;
    for (size_t kind = 0; kind < CONFIG_KINDS; kind++) {
        RAG_TRY(settings_find(&r->settings, NULL, config_kind_name((enum config_kind)kind),
                              &urls[kind], err));
        given += urls[kind].value != NULL;
        if (!urls[kind].value)
            missing = kind;
    }
    *found = given != 0;
    if (!given)
        return RAG_OK;
    if (given != CONFIG_KINDS)
        return rag_fail(err, RAG_E_INVALID,
                        "%s [ragstore] has no '%s': a mix names all four "
                        "(kv, vector, graph, doc_status)",
                        r->ini.path, config_kind_name((enum config_kind)missing));
    for (size_t kind = 0; kind < CONFIG_KINDS; kind++) {
        struct url url;
        struct config_mount mount;
        RAG_TRY(url_parse(urls[kind].value, &r->settings.config->arena, &url, err));
        RAG_TRY(expand_name(r, &url, err));
        if (strcmp(url.scheme, "config") == 0)
            return rag_fail(err, RAG_E_INVALID, "a mix does not contain another 'config:'");
        RAG_TRY(mount_url(r, &url, kind_prefix[kind], urls[kind].source, &mount, err));
        if (!serves(mount.backend, (enum config_kind)kind))
            return fail_kind(mount.backend, (enum config_kind)kind, err);
        place_mount(r->settings.config, (enum config_kind)kind, &mount);
    }
    return RAG_OK;
}

/* LIGHTRAG_KV_STORAGE=PGKVStorage and its sisters; *found: 0 when none of them is set. With
 * `environment_only` those of config.ini do not count as set. */
static rag_status resolve_classes(struct resolver *r, int environment_only, int *found,
                                  rag_error *err)
{
    static const char *const keys[CONFIG_KINDS] = { "kv_storage", "vector_storage", "graph_storage",
                                                    "doc_status_storage" };
    *found = 0;
    for (size_t kind = 0; kind < CONFIG_KINDS; kind++) {
        struct config_value value;
        RAG_TRY(settings_find(&r->settings, NULL, keys[kind], &value, err));
        if (value.value && (!environment_only || strncmp(value.source, "environment", 11) == 0))
            *found = 1;
    }
    if (!*found)
        return RAG_OK;
    struct config_value directory;
    RAG_TRY(settings_get(&r->settings, NULL, "working_dir", &directory, err));
    for (size_t kind = 0; kind < CONFIG_KINDS; kind++) {
        struct config_value name;
        struct config_mount mount = { 0 };
        RAG_TRY(settings_get(&r->settings, NULL, keys[kind], &name, err));
        RAG_TRY(r->lookup(name.value, &mount.backend, err));
        if (!serves(mount.backend, (enum config_kind)kind))
            return fail_kind(mount.backend, (enum config_kind)kind, err);
        mount.location = directory.value;
        RAG_TRY(finish_mount(r, NULL, kind_prefix[kind], name.source, &mount, err));
        place_mount(r->settings.config, (enum config_kind)kind, &mount);
    }
    return RAG_OK;
}

static rag_status fail_nothing_named(rag_error *err)
{
    return rag_fail(err, RAG_E_INVALID,
                    "no store is named: give a URL (such as ./my_store), or set RAGSTORE_URL, or "
                    "set LIGHTRAG_KV_STORAGE, LIGHTRAG_VECTOR_STORAGE, LIGHTRAG_GRAPH_STORAGE and "
                    "LIGHTRAG_DOC_STATUS_STORAGE");
}

/* What holds for any store. */
static rag_status note_defaults(struct resolver *r, rag_error *err)
{
    static const char *const names[] = { "working_dir", "stores" };
    const struct config_value url = { "url", "", "not set", 0 };
    struct config_mount any = { 0 };
    RAG_TRY(settings_note(&r->settings, "", &url, err));
    RAG_TRY(choose_workspace(r, NULL, "", &any, err));
    RAG_TRY(choose_timeout(r, NULL, "", &any, err));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct config_value value;
        RAG_TRY(settings_get(&r->settings, NULL, names[i], &value, err));
        RAG_TRY(settings_note(&r->settings, "", &value, err));
    }
    return RAG_OK;
}

/* What a configuration file says, and LightRAG's variables: after `config:FILE`, or without URL. */
static rag_status resolve_without_url(struct resolver *r, int file_first, rag_error *err)
{
    int found = 0;
    struct config_value url_value;
    if (!file_first) {
        RAG_TRY(resolve_classes(r, 1, &found, err));
        if (found)
            return RAG_OK;
    }
    const char *url_text = ini_get(&r->ini, "ragstore", "url");
    if (url_text && *url_text) {
        struct url url;
        url_value = (struct config_value){ "url", url_masked(url_text, &r->settings.config->arena),
                                           "config.ini [ragstore] url", 0 };
        RAG_TRY(settings_note(&r->settings, "", &url_value, err));
        RAG_TRY(url_parse(url_text, &r->settings.config->arena, &url, err));
        RAG_TRY(expand_name(r, &url, err));
        if (strcmp(url.scheme, "config") == 0)
            return rag_fail(err, RAG_E_INVALID, "%s [ragstore] url leads to another 'config:'",
                            r->ini.path);
        return resolve_single(r, &url, url_value.source, err);
    }
    RAG_TRY(resolve_mix(r, &found, err));
    if (!found)
        RAG_TRY(resolve_classes(r, 0, &found, err));
    if (found)
        return RAG_OK;
    if (file_first)
        return rag_fail(err, RAG_E_INVALID,
                        "%s names no store: [ragstore] url, or kv, vector, graph and doc_status, "
                        "or LightRAG's LIGHTRAG_*_STORAGE in the environment",
                        r->ini.path);
    return r->may_be_nothing ? note_defaults(r, err) : fail_nothing_named(err);
}

static rag_status read_ini(struct resolver *r, const char *file, rag_error *err)
{
    ini_free(&r->ini);
    if (file && !*file)
        return ini_parse("", 0, "(no config.ini)", 0, &r->ini, err);
    return ini_read(file ? file : "./config.ini", file ? 0 : INI_OPTIONAL, &r->ini, err);
}

static rag_status resolve(struct resolver *r, const char *text, rag_error *err)
{
    struct config *c = r->settings.config;
    const char *source = "url";
    struct config_value value;
    struct url url;
    RAG_TRY(settings_get(&r->settings, NULL, "module_path", &value, err));
    if (value.value)
        RAG_TRY(settings_note(&r->settings, "", &value, err));
    RAG_TRY(read_ini(r, r->options->config_file, err));
    if (!text || !*text) {
        struct settings environment = { c, NULL };
        RAG_TRY(settings_find(&environment, NULL, "url", &value, err));
        if (!value.value)
            return resolve_without_url(r, 0, err);
        text = value.value;
        source = value.source;
    }
    value = (struct config_value){ "url", url_masked(text, &c->arena), source, 0 };
    RAG_TRY(settings_note(&r->settings, "", &value, err));
    RAG_TRY(url_parse(text, &c->arena, &url, err));
    RAG_TRY(expand_name(r, &url, err));
    if (strcmp(url.scheme, "config") != 0)
        return resolve_single(r, &url, source, err);
    if (url.option_count)
        return rag_fail(err, RAG_E_INVALID, "'config:' takes no options");
    if (!*url.location)
        return rag_fail(err, RAG_E_INVALID, "'config:' is followed by the name of a file");
    RAG_TRY(read_ini(r, url.location, err));
    return resolve_without_url(r, 1, err);
}

static rag_status resolve_all(const char *url, const rag_open_options *options,
                              config_lookup lookup, int may_be_nothing, struct config *out,
                              rag_error *err)
{
    struct config config = { 0 };
    rag_open_options full;
    RAG_TRY(config_open_options(options, &full, err));
    struct resolver r = { .options = &full, .lookup = lookup, .may_be_nothing = may_be_nothing };
    r.settings.config = &config;
    r.settings.ini = &r.ini;
    const rag_status status = resolve(&r, url, err);
    ini_free(&r.ini);
    if (status == RAG_OK)
        *out = config;
    else
        config_free(&config);
    return status;
}

rag_status config_resolve(const char *url, const rag_open_options *options, config_lookup lookup,
                          struct config *out, rag_error *err)
{
    return resolve_all(url, options, lookup, 0, out, err);
}

rag_status config_resolve_or_defaults(const char *url, const rag_open_options *options,
                                      config_lookup lookup, struct config *out, rag_error *err)
{
    return resolve_all(url, options, lookup, 1, out, err);
}

void config_free(struct config *c)
{
    arena_free(&c->arena);
    rag_free(c->values);
    memset(c, 0, sizeof *c);
}
