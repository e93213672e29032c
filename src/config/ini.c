/* Reading of ini files.
 *
 * One pass over the text, line by line; everything is copied into an arena.
 * Mistakes are errors with the line's number, as configparser has it, so that a file that LightRAG
 * would refuse is not half understood here: a line without a separator, a key or a section that
 * comes twice. The file has a limit of size, so that a device or a wrong file cannot eat memory. */
#include "ini.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "core/alloc.h"
#include "core/limits.h"
#include "core/os.h"
#include "core/utf8.h"

struct parser {
    struct ini *ini;
    unsigned flags;
    size_t line;
    const char *section; /* NULL before the first */
    int in_key;          /* the last entry may go on */
    size_t indent;       /* of its key */
};

static rag_status fail_line(const struct parser *p, rag_error *err, const char *what)
{
    return rag_fail(err, RAG_E_INVALID, "%s line %zu: %s", p->ini->path, p->line, what);
}

static int is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

static char *copy_trimmed(struct arena *a, const char *from, const char *to)
{
    while (from < to && is_blank(*from))
        from++;
    while (to > from && is_blank(to[-1]))
        to--;
    return arena_copy(a, from, (size_t)(to - from));
}

static void lower(char *text)
{
    for (; *text; text++)
        if (*text >= 'A' && *text <= 'Z')
            *text = (char)(*text - 'A' + 'a');
}

static rag_status start_section(struct parser *p, const char *from, const char *to, rag_error *err)
{
    const char *end = memchr(from, ']', (size_t)(to - from));
    if (!end || end == from + 1)
        return fail_line(p, err, "a section is written [name]");
    const char *name = arena_copy(&p->ini->arena, from + 1, (size_t)(end - from) - 1);
    if (!name)
        return rag_fail_memory(err);
    for (size_t i = 0; i < p->ini->count; i++)
        if (strcmp(p->ini->entries[i].section, name) == 0 && strcmp(name, "DEFAULT") != 0)
            return fail_line(p, err, "the section is there twice");
    p->section = name;
    p->in_key = 0;
    return RAG_OK;
}

static rag_status add_entry(struct parser *p, const char *key, const char *value, rag_error *err)
{
    struct ini *ini = p->ini;
    for (size_t i = 0; i < ini->count; i++)
        if (strcmp(ini->entries[i].section, p->section) == 0 &&
            strcmp(ini->entries[i].key, key) == 0)
            return fail_line(p, err, "the key is there twice");
    if (ini->count == LIMIT_INI_ENTRIES)
        return fail_line(p, err, "too many entries");
    if (ini->count == ini->capacity) {
        const size_t capacity = ini->capacity ? ini->capacity * 2 : 16;
        struct ini_entry *entries = rag_realloc(ini->entries, capacity * sizeof *entries);
        if (!entries)
            return rag_fail_memory(err);
        ini->entries = entries;
        ini->capacity = capacity;
    }
    ini->entries[ini->count++] = (struct ini_entry){ p->section, key, value, p->line };
    p->in_key = 1;
    return RAG_OK;
}

static rag_status start_key(struct parser *p, const char *from, const char *to, rag_error *err)
{
    if (!p->section && !(p->flags & INI_SECTIONLESS))
        return fail_line(p, err, "a key before the first [section]");
    if (!p->section)
        p->section = "";
    const char *at = from;
    while (at < to && *at != '=' && *at != ':')
        at++;
    if (at == to)
        return fail_line(p, err, "neither '=' nor ':' in it");
    char *key = copy_trimmed(&p->ini->arena, from, at);
    const char *value = copy_trimmed(&p->ini->arena, at + 1, to);
    if (!key || !value)
        return rag_fail_memory(err);
    if (!*key)
        return fail_line(p, err, "a value without a key");
    lower(key);
    return add_entry(p, key, value, err);
}

static rag_status go_on(struct parser *p, const char *from, const char *to, rag_error *err)
{
    struct ini_entry *entry = &p->ini->entries[p->ini->count - 1];
    const char *more = copy_trimmed(&p->ini->arena, from, to);
    const size_t have = strlen(entry->value), added = more ? strlen(more) : 0;
    char *value = more ? arena_alloc(&p->ini->arena, have + added + 2) : NULL;
    if (!value)
        return rag_fail_memory(err);
    if (have + added > LIMIT_INI_VALUE_BYTES)
        return fail_line(p, err, "the value is too long");
    memcpy(value, entry->value, have);
    value[have] = '\n';
    memcpy(value + have + 1, more, added + 1);
    entry->value = value;
    return RAG_OK;
}

static rag_status parse_line(struct parser *p, const char *from, const char *to, rag_error *err)
{
    const char *start = from;
    while (start < to && is_blank(*start))
        start++;
    if (start == to || *start == '#' || *start == ';')
        return RAG_OK;
    const size_t indent = (size_t)(start - from);
    if (p->in_key && indent > p->indent)
        return go_on(p, start, to, err);
    p->indent = indent;
    if (*start == '[')
        return start_section(p, start, to, err);
    return start_key(p, start, to, err);
}

rag_status ini_parse(const char *text, size_t len, const char *path, unsigned flags,
                     struct ini *ini, rag_error *err)
{
    struct parser p = { .ini = ini, .flags = flags };
    ini->path = arena_copy(&ini->arena, path, strlen(path));
    if (!ini->path)
        return rag_fail_memory(err);
    const size_t valid = utf8_valid_prefix(text, len);
    if (valid != len)
        return rag_fail(err, RAG_E_INVALID, "%s is not UTF-8 at byte %zu", path, valid);
    if (memchr(text, 0, len))
        return rag_fail(err, RAG_E_INVALID, "%s has a NUL byte in it", path);
    const char *at = text, *end = text + len;
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        at += 3;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *to = newline ? newline : end;
        p.line++;
        RAG_TRY(parse_line(&p, at, to, err));
        at = to + (newline != NULL);
    }
    return RAG_OK;
}

static rag_status read_text(int fd, const char *path, char **text, size_t *len, rag_error *err)
{
    char *data = rag_alloc(LIMIT_INI_BYTES + 1);
    if (!data)
        return rag_fail_memory(err);
    rag_status status = os_read_full(fd, data, LIMIT_INI_BYTES + 1, len, path, err);
    if (status == RAG_OK && *len > LIMIT_INI_BYTES)
        status = rag_fail(err, RAG_E_INVALID, "%s is larger than %zu bytes", path, LIMIT_INI_BYTES);
    if (status == RAG_OK)
        *text = data;
    else
        rag_free(data);
    return status;
}

rag_status ini_read(const char *path, unsigned flags, struct ini *ini, rag_error *err)
{
    int fd;
    rag_error why = RAG_ERROR_INIT;
    rag_status status = os_open(path, O_RDONLY | O_NONBLOCK, &fd, &why);
    if (status == RAG_E_NOT_FOUND && flags & INI_OPTIONAL)
        return ini_parse("", 0, path, flags, ini, err);
    if (status != RAG_OK)
        return rag_pass(status, &why, err);
    char *text = NULL;
    size_t len = 0;
    status = read_text(fd, path, &text, &len, err);
    os_close(fd);
    if (status == RAG_OK)
        status = ini_parse(text, len, path, flags, ini, err);
    rag_free(text);
    return status;
}

void ini_free(struct ini *ini)
{
    arena_free(&ini->arena);
    rag_free(ini->entries);
    ini->entries = NULL;
    ini->count = ini->capacity = 0;
}

static const char *find(const struct ini *ini, const char *section, const char *key)
{
    for (size_t i = 0; i < ini->count; i++)
        if (strcmp(ini->entries[i].section, section) == 0 &&
            strcasecmp(ini->entries[i].key, key) == 0)
            return ini->entries[i].value;
    return NULL;
}

const char *ini_get(const struct ini *ini, const char *section, const char *key)
{
    const char *value = find(ini, section, key);
    if (!value && *section)
        value = find(ini, "DEFAULT", key);
    return value;
}
