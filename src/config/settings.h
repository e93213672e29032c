/* One setting from environment, config.ini or default. Inside this folder only. */
#ifndef CONFIG_SETTINGS_H
#define CONFIG_SETTINGS_H

#include "config.h"
#include "ini.h"

/* Who is asking: what all look-ups of one resolution share. */
struct settings {
    struct config *config; /* its arena takes copies; its values take notes */
    const struct ini *ini;
};

/* *value: NULL when nobody sets it and it has no default. An empty variable counts as not set.
 * `backend`: NULL for the general keys. */
rag_status settings_get(const struct settings *s, const char *backend, const char *name,
                        struct config_value *out, rag_error *err);

/* The same without the default. */
rag_status settings_find(const struct settings *s, const char *backend, const char *name,
                         struct config_value *out, rag_error *err);

/* Note a value for `ragstore config`; `prefix` ("kv.") may be "". */
rag_status settings_note(const struct settings *s, const char *prefix,
                         const struct config_value *value, rag_error *err);

/* The name of the environment variable of an option of a backend, in the arena. */
rag_status settings_variable(const struct settings *s, const char *backend, const char *name,
                             const char **out, rag_error *err);

#endif
