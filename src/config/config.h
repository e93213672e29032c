/* Configuration: what to open, from a URL, the caller's options, the environment and config.ini, in
 * this order of strength. Reads files and the environment; opens no store.
 *
 * This folder knows no backend. Whoever resolves a configuration hands in how to look one up. */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <ragstore/backend.h>

#include "core/arena.h"
#include "core/error.h"

enum config_kind { CONFIG_KV, CONFIG_VECTOR, CONFIG_GRAPH, CONFIG_DOC_STATUS, CONFIG_KINDS };

/* "kv", "vector", "graph", "doc_status" */
const char *config_kind_name(enum config_kind kind);

/* The backend with this scheme or LightRAG class name; an error that lists the known ones. */
typedef rag_status (*config_lookup)(const char *name, const rag_backend **out, rag_error *err);

/* One value and where it came from. */
struct config_value {
    const char *name;   /* "workspace", "page_size", or "kv.page_size" in a mix */
    const char *value;  /* NULL: not set */
    const char *source; /* "url", "argument", "environment NAME", "config.ini [s] n", "default" */
    int secret;
};

/* One backend to open. */
struct config_mount {
    const rag_backend *backend;
    const char *location;  /* directory, or URL without secrets */
    const char *workspace; /* validated */
    struct config_value *options;
    size_t option_count;
    int64_t lock_timeout_ms;
};

struct config {
    struct arena arena; /* owns every string */
    struct config_mount mounts[CONFIG_KINDS];
    size_t mount_count;
    size_t mount_of[CONFIG_KINDS]; /* index into mounts */
    struct config_value *values;   /* everything, for `ragstore config` */
    size_t value_count, value_capacity;
};

/* Fill *out; on success the caller ends with config_free(). `options` may be NULL. */
rag_status config_resolve(const char *url, const rag_open_options *options, config_lookup lookup,
                          struct config *out, rag_error *err);

/* The same for looking only: where nothing names a store this is no failure. *out then has no mounts,
 * an empty "url", and the values that hold whatever the store is. */
rag_status config_resolve_or_defaults(const char *url, const rag_open_options *options,
                                      config_lookup lookup, struct config *out, rag_error *err);
void config_free(struct config *c);

/* For rag_backend_config: `options` is a struct config_mount. */
const char *config_option(const void *options, const char *name);

/* Copy and check the caller's options; NULL gives the defaults. */
rag_status config_open_options(const rag_open_options *options, rag_open_options *out,
                               rag_error *err);

/* RAG_E_INVALID when `workspace` could leave its directory. */
rag_status config_check_workspace(const char *workspace, rag_error *err);

#endif
