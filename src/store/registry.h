/* Backends by name. */
#ifndef STORE_REGISTRY_H
#define STORE_REGISTRY_H

#include "dispatch.h"

/* Check `backend` and fill *out with its completed copy. No side effects. */
rag_status registry_complete(const rag_backend *backend, struct driver *out, rag_error *err);

/* Add a backend; it must stay valid for ever. RAG_E_CONFLICT when one of its names is taken. */
rag_status registry_add(const rag_backend *backend, const char *origin, rag_error *err);

/* By scheme or LightRAG class name, loading a module when need be. The error lists what is known. */
rag_status registry_find(const char *name, const struct driver **out, rag_error *err);

/* Among those that are there already, or NULL. */
const struct driver *registry_loaded(const char *name);

/* For config_resolve(): the same with the backend as it is in the driver. */
rag_status registry_lookup(const char *name, const rag_backend **out, rag_error *err);
/* The driver that such a backend belongs to. */
const struct driver *registry_driver_of(const rag_backend *backend);

/* Call `visit` for every backend that is loaded. */
void registry_visit(void (*visit)(const struct driver *driver, void *user), void *user);

/* ---- module.c ---- */

/* The module that a name belongs to ("PGKVStorage" to "postgres"); most to one of their own. */
const char *module_of(const char *name);
/* Load ragstore-NAME.so and add its backend. RAG_E_NOT_FOUND when there is no such file. */
rag_status module_load(const char *name, rag_error *err);
/* Call `visit` with the path of every module file in the folders searched. */
rag_status module_visit(rag_status (*visit)(const char *name, const char *path, void *user,
                                            rag_error *err),
                        void *user, rag_error *err);

#endif
