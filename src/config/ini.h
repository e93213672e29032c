/* config.ini: the subset of Python's configparser that LightRAG's files use. Sections, `key = value`
 * or `key: value`, keys without regard to case, lines starting with '#' or ';' are comments, a line
 * indented deeper than its key goes on with the value, [DEFAULT] stands behind every section. No
 * interpolation. */
#ifndef CONFIG_INI_H
#define CONFIG_INI_H

#include "core/arena.h"
#include "core/error.h"

struct ini_entry {
    const char *section, *key, *value;
    size_t line;
};

struct ini {
    struct arena arena;
    const char *path;
    struct ini_entry *entries;
    size_t count, capacity;
};

enum {
    INI_OPTIONAL = 1,   /* no such file is an empty one */
    INI_SECTIONLESS = 2 /* keys may come before the first section; they are in section "" */
};

/* Zero-initialise *ini; ini_free() always. Errors name file and line. */
rag_status ini_read(const char *path, unsigned flags, struct ini *ini, rag_error *err);
rag_status ini_parse(const char *text, size_t len, const char *path, unsigned flags,
                     struct ini *ini, rag_error *err);
void ini_free(struct ini *ini);

/* NULL when it is not there. */
const char *ini_get(const struct ini *ini, const char *section, const char *key);

#endif
