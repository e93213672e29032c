/* What configuration is in force, and where each value came from. */
#ifndef RAGSTORE_CONFIG_H
#define RAGSTORE_CONFIG_H

#include "store.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Resolve `url` and `options` as rag_store_open() would, without opening anything. One row per key:
 * key = name, value = a JSON string (secrets as "***"), key2 = its source: "url", "argument",
 * "environment NAME", "config.ini [section] name", "default". Where nothing names a store, which
 * rag_store_open() refuses, "url" is empty, its source is "not set", and the rest is what holds for
 * any store. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_config_explain(const char *url,
                                                         const rag_open_options *options,
                                                         rag_result **out, rag_error *err);

/* The backends that can be named, one row each: key = name, key2 = "built in", "module" or
 * "missing", value = JSON {"kinds":[...],"names":[LightRAG class names...],"needs":...}. */
RAG_EXPORT RAG_WARN_UNUSED rag_status rag_backends(rag_result **out, rag_error *err);

#ifdef __cplusplus
}
#endif
#endif
