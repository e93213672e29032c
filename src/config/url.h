/* Store URLs:
 *
 *     ./dir  /abs/dir  dir             a path, taken as it is up to a '?'; scheme "embedded"
 *     scheme:path?option=value&...     percent-encoded
 *     scheme://user:password@host:port/path?...
 *     config:FILE  @name               resolved by config.c
 */
#ifndef CONFIG_URL_H
#define CONFIG_URL_H

#include "core/arena.h"
#include "core/error.h"
#include "core/limits.h"

struct url_option {
    const char *name, *value; /* decoded */
};

struct url {
    const char *scheme;   /* "embedded" for a path; "@" for a name in the registry */
    const char *location; /* path, decoded; or scheme://host:port/path without user and password */
    struct url_option options[LIMIT_URL_OPTIONS]; /* query, and user, password, host, ... */
    size_t option_count;
};

/* Strings live in `arena`. Messages never show more than scheme, path and names of options. */
rag_status url_parse(const char *text, struct arena *arena, struct url *out, rag_error *err);

const char *url_option(const struct url *url, const char *name); /* NULL: not there */

/* 1 when an option of this name must not be shown. */
int url_is_secret(const char *name);

/* `text` with passwords and secret options as "***", in the arena. */
const char *url_masked(const char *text, struct arena *arena);

#endif
