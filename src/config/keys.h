/* Every key of the configuration, once: from here come the look-ups and `ragstore config`.
 * docs/configuration.md says the same in words.
 *
 * Options of backends that are not listed have their places by rule: environment
 * RAGSTORE_<BACKEND>_<OPTION>, and section [<backend>], option <option>, of config.ini. */
#ifndef CONFIG_KEYS_H
#define CONFIG_KEYS_H

#include <stddef.h>

#define KEY_MODULE_PATH_VARIABLE "RAGSTORE_MODULE_PATH"
#define KEY_STORES_VARIABLE "RAGSTORE_STORES"

struct config_key {
    const char *name;     /* also the option in a URL, where there can be one */
    const char *backend;  /* NULL: of no backend in particular */
    const char *variable; /* in the environment; NULL: none */
    const char *alias;    /* a second variable, weaker; NULL: none */
    const char *section;  /* in config.ini; NULL: none */
    const char *fallback; /* the default; NULL: none, or the backend's own */
    int secret;
};

static const struct config_key CONFIG_KEYS[] = {
    /* name, backend, variable, alias, section, default, secret */
    { "url", NULL, "RAGSTORE_URL", NULL, "ragstore", NULL, 0 },
    { "workspace", NULL, "RAGSTORE_WORKSPACE", "WORKSPACE", "ragstore", "", 0 },
    { "lock_timeout_ms", NULL, "RAGSTORE_LOCK_TIMEOUT_MS", NULL, "ragstore", "30000", 0 },
    { "working_dir", NULL, "WORKING_DIR", NULL, "ragstore", "./rag_storage", 0 },
    /* URLs of a mix */
    { "kv", NULL, NULL, NULL, "ragstore", NULL, 0 },
    { "vector", NULL, NULL, NULL, "ragstore", NULL, 0 },
    { "graph", NULL, NULL, NULL, "ragstore", NULL, 0 },
    { "doc_status", NULL, NULL, NULL, "ragstore", NULL, 0 },
    /* LightRAG's choice of storages, by class name, with its defaults */
    { "kv_storage", NULL, "LIGHTRAG_KV_STORAGE", NULL, "ragstore", "JsonKVStorage", 0 },
    { "vector_storage", NULL, "LIGHTRAG_VECTOR_STORAGE", NULL, "ragstore", "NanoVectorDBStorage",
      0 },
    { "graph_storage", NULL, "LIGHTRAG_GRAPH_STORAGE", NULL, "ragstore", "NetworkXStorage", 0 },
    { "doc_status_storage", NULL, "LIGHTRAG_DOC_STATUS_STORAGE", NULL, "ragstore",
      "JsonDocStatusStorage", 0 },
    /* PostgreSQL, with LightRAG's names; what it does not have follows the rule above */
    { "workspace", "postgres", "POSTGRES_WORKSPACE", NULL, "postgres", NULL, 0 },
    { "host", "postgres", "POSTGRES_HOST", NULL, "postgres", "localhost", 0 },
    { "port", "postgres", "POSTGRES_PORT", NULL, "postgres", "5432", 0 },
    { "user", "postgres", "POSTGRES_USER", NULL, "postgres", "postgres", 0 },
    { "password", "postgres", "POSTGRES_PASSWORD", NULL, "postgres", NULL, 1 },
    { "database", "postgres", "POSTGRES_DATABASE", NULL, "postgres", "postgres", 0 },
    { "max_connections", "postgres", "POSTGRES_MAX_CONNECTIONS", NULL, "postgres", "50", 0 },
    { "ssl_mode", "postgres", "POSTGRES_SSL_MODE", NULL, "postgres", NULL, 0 },
    { "ssl_cert", "postgres", "POSTGRES_SSL_CERT", NULL, "postgres", NULL, 0 },
    { "ssl_key", "postgres", "POSTGRES_SSL_KEY", NULL, "postgres", NULL, 0 },
    { "ssl_root_cert", "postgres", "POSTGRES_SSL_ROOT_CERT", NULL, "postgres", NULL, 0 },
    { "ssl_crl", "postgres", "POSTGRES_SSL_CRL", NULL, "postgres", NULL, 0 },
    { "server_options", "postgres", "POSTGRES_SERVER_SETTINGS", NULL, "postgres", NULL, 0 },
    { "connection_retries", "postgres", "POSTGRES_CONNECTION_RETRIES", NULL, "postgres", "3", 0 },
    { "connection_retry_backoff", "postgres", "POSTGRES_CONNECTION_RETRY_BACKOFF", NULL, "postgres",
      "1.0", 0 },
    { "connection_retry_backoff_max", "postgres", "POSTGRES_CONNECTION_RETRY_BACKOFF_MAX", NULL,
      "postgres", "30.0", 0 },
    { "vector_index_type", "postgres", "POSTGRES_VECTOR_INDEX_TYPE", NULL, "postgres", "HNSW", 0 },
    { "hnsw_m", "postgres", "POSTGRES_HNSW_M", NULL, "postgres", "16", 0 },
    { "hnsw_ef", "postgres", "POSTGRES_HNSW_EF", NULL, "postgres", "64", 0 },
    { "ivfflat_lists", "postgres", "POSTGRES_IVFFLAT_LISTS", NULL, "postgres", "100", 0 },
    { "stores", NULL, KEY_STORES_VARIABLE, NULL, NULL, "~/.config/ragstore/stores.ini", 0 },
    { "module_path", NULL, KEY_MODULE_PATH_VARIABLE, NULL, NULL, NULL, 0 },
};

enum { CONFIG_KEY_COUNT = sizeof CONFIG_KEYS / sizeof *CONFIG_KEYS };

#endif
