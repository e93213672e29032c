/* Options and arguments of a command, declared as a table.
 *
 * Why not getopt_long(): it keeps global state, prints by itself, and neither checks values nor
 * writes help. Here one table says name, kind, limits and meaning; parser, help text, nearest-name
 * hint and the tests of the help all read it, so they cannot drift apart.
 *
 * Forms understood: --name, --name VALUE, --name=VALUE, -x, -x VALUE, -xVALUE, -xy for two flags,
 * "--" ends the options, "-" alone is an argument. The last of equal options wins. */
#include "args.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum { HELP_WIDTH = 79, HELP_COLUMN = 24 };

void args_declare(args *a, const option *table)
{
    for (const option *o = table; o && o->name && a->option_count < ARGS_OPTIONS_MAX; o++) {
        a->options[a->option_count++] = o;
    }
}

void args_free(args *a)
{
    free(a->words);
    *a = (args){ 0 };
}

static const option_value *find_value(const args *a, const char *name)
{
    static const option_value absent;
    for (size_t i = 0; i < a->option_count; i++) {
        if (strcmp(a->options[i]->name, name) == 0) {
            return &a->values[i];
        }
    }
    return &absent;
}

int args_given(const args *a, const char *name)
{
    return find_value(a, name)->given;
}

const char *args_text(const args *a, const char *name, const char *otherwise)
{
    const option_value *v = find_value(a, name);
    return v->given ? v->text : otherwise;
}

uint64_t args_count(const args *a, const char *name, uint64_t otherwise)
{
    const option_value *v = find_value(a, name);
    return v->given ? v->count : otherwise;
}

double args_number(const args *a, const char *name, double otherwise)
{
    const option_value *v = find_value(a, name);
    return v->given ? v->number : otherwise;
}

/* ---- values ----------------------------------------------------------------------------------- */

static int set_count(const option *o, option_value *v, const char *given, text *complaint)
{
    char *end = NULL;
    errno = 0;
    unsigned long long count = strtoull(given, &end, 10);
    if (given[0] < '0' || given[0] > '9' || *end != '\0' || errno != 0 || count < o->least ||
        count > o->most) {
        text_printf(complaint, "--%s wants a whole number from %llu to %llu, not '", o->name,
                    (unsigned long long)o->least, (unsigned long long)o->most);
        text_add_shown(complaint, rag_text(given));
        text_add(complaint, "'");
        return 0;
    }
    v->count = count;
    return 1;
}

static int set_number(const option *o, option_value *v, const char *given, text *complaint)
{
    char *end = NULL;
    v->number = strtod(given, &end);
    if (end == given || *end != '\0' || !isfinite(v->number)) {
        text_printf(complaint, "--%s wants a number, not '", o->name);
        text_add_shown(complaint, rag_text(given));
        text_add(complaint, "'");
        return 0;
    }
    return 1;
}

typedef struct unit {
    const char *name; /* compared without case */
    uint64_t factor;
} unit;

static const unit size_units[] = {
    { "", 1 },
    { "B", 1 },
    { "k", 1000 },
    { "kB", 1000 },
    { "M", 1000000 },
    { "MB", 1000000 },
    { "G", 1000000000 },
    { "GB", 1000000000 },
    { "T", 1000000000000 },
    { "TB", 1000000000000 },
    { "KiB", (uint64_t)1 << 10 },
    { "MiB", (uint64_t)1 << 20 },
    { "GiB", (uint64_t)1 << 30 },
    { "TiB", (uint64_t)1 << 40 },
    { NULL, 0 },
};

static const unit duration_units[] = {
    { "", 1 },     { "s", 1 },     { "m", 60 },     { "min", 60 },
    { "h", 3600 }, { "d", 86400 }, { "w", 604800 }, { NULL, 0 },
};

/* A number that is not negative and a unit, as a whole number of the smallest unit; at most
 * INT64_MAX, which is what a store can keep. */
static int parse_amount(const char *given, const unit *units, uint64_t *amount)
{
    char *end = NULL;
    if (strcasecmp(given, "none") == 0) {
        *amount = 0;
        return 1;
    }
    if (given[0] < '0' || given[0] > '9' || given[1] == 'x' || given[1] == 'X') {
        return 0;
    }
    double number = strtod(given, &end);
    end += *end == ' ';
    for (const unit *u = units; u->name; u++) {
        if (strcasecmp(u->name, end) == 0) {
            double value = number * (double)u->factor;
            *amount = value < 9e18 ? (uint64_t)value : 0;
            return value < 9e18 && (value == 0 || *amount > 0);
        }
    }
    return 0;
}

static int set_amount(const option *o, option_value *v, const char *given, text *complaint)
{
    int is_size = o->kind == OPTION_SIZE;
    if (parse_amount(given, is_size ? size_units : duration_units, &v->count)) {
        return 1;
    }
    text_printf(complaint, "--%s wants %s, or none, not '", o->name,
                is_size ? "a size such as 500MB or 2GiB" : "a time such as 90s, 12h or 30d");
    text_add_shown(complaint, rag_text(given));
    text_add(complaint, "'");
    return 0;
}

static int set_choice(const option *o, const char *given, text *complaint)
{
    for (const char *const *choice = o->choices; *choice; choice++) {
        if (strcmp(*choice, given) == 0) {
            return 1;
        }
    }
    text_printf(complaint, "--%s wants one of ", o->name);
    for (const char *const *choice = o->choices; *choice; choice++) {
        text_printf(complaint, "%s%s", choice == o->choices ? "" : ", ", *choice);
    }
    text_add(complaint, ", not '");
    text_add_shown(complaint, rag_text(given));
    text_add(complaint, "'");
    return 0;
}

static int set_value(args *a, size_t index, const char *given, text *complaint)
{
    const option *o = a->options[index];
    option_value *v = &a->values[index];
    v->given = 1;
    v->text = given;
    switch (o->kind) {
    case OPTION_COUNT: return set_count(o, v, given, complaint);
    case OPTION_NUMBER: return set_number(o, v, given, complaint);
    case OPTION_SIZE:
    case OPTION_DURATION: return set_amount(o, v, given, complaint);
    case OPTION_CHOICE: return set_choice(o, given, complaint);
    case OPTION_FLAG:
    case OPTION_TEXT: break;
    }
    return 1;
}

/* ---- parsing ---------------------------------------------------------------------------------- */

/* argv as it is read. */
typedef struct reader {
    char **argv;
    int argc, at;
} reader;

static int unknown_option(const args *a, const char *name, size_t len, text *complaint)
{
    const char *names[ARGS_OPTIONS_MAX];
    for (size_t i = 0; i < a->option_count; i++) {
        names[i] = a->options[i]->name;
    }
    rag_slice shown = { name, len };
    text_add(complaint, "unknown option --");
    text_add_shown(complaint, shown);
    char *copy = cli_alloc(len + 1, 1);
    memcpy(copy, name, len);
    const char *near_name = nearest_name(copy, names, a->option_count);
    free(copy);
    if (near_name) {
        text_printf(complaint, "; did you mean --%s?", near_name);
    }
    return 0;
}

static int parse_long(args *a, reader *r, const char *word, text *complaint)
{
    const char *equals = strchr(word, '=');
    size_t len = equals ? (size_t)(equals - word) : strlen(word);
    size_t i = 0;
    while (i < a->option_count && !slice_is((rag_slice){ word, len }, a->options[i]->name)) {
        i++;
    }
    if (i == a->option_count) {
        return unknown_option(a, word, len, complaint);
    }
    if (a->options[i]->kind == OPTION_FLAG) {
        if (equals) {
            text_printf(complaint, "--%s takes no value", a->options[i]->name);
            return 0;
        }
        return set_value(a, i, "", complaint);
    }
    if (!equals && r->at >= r->argc) {
        text_printf(complaint, "--%s wants a value: %s", a->options[i]->name, a->options[i]->value);
        return 0;
    }
    return set_value(a, i, equals ? equals + 1 : r->argv[r->at++], complaint);
}

static int parse_short(args *a, reader *r, const char *letters, text *complaint)
{
    for (const char *c = letters; *c; c++) {
        size_t i = 0;
        while (i < a->option_count && a->options[i]->letter != *c) {
            i++;
        }
        if (i == a->option_count) {
            rag_slice shown = { c, 1 };
            text_add(complaint, "unknown option -");
            text_add_shown(complaint, shown);
            return 0;
        }
        if (a->options[i]->kind == OPTION_FLAG) {
            if (!set_value(a, i, "", complaint)) {
                return 0;
            }
            continue;
        }
        if (c[1] == '\0' && r->at >= r->argc) {
            text_printf(complaint, "-%c wants a value: %s", *c, a->options[i]->value);
            return 0;
        }
        return set_value(a, i, c[1] ? c + 1 : r->argv[r->at++], complaint);
    }
    return 1;
}

int args_parse(args *a, int argc, char **argv, text *complaint)
{
    reader r = { argv, argc, 0 };
    int only_words = 0;
    a->words = cli_alloc((size_t)argc + 1, sizeof *a->words);
    while (r.at < r.argc) {
        const char *word = r.argv[r.at++];
        int ok = 1;
        if (only_words || word[0] != '-' || word[1] == '\0') {
            a->words[a->word_count++] = word;
        } else if (strcmp(word, "--") == 0) {
            only_words = 1;
        } else if (word[1] == '-') {
            ok = parse_long(a, &r, word + 2, complaint);
        } else {
            ok = parse_short(a, &r, word + 1, complaint);
        }
        if (!ok) {
            return 0;
        }
    }
    return 1;
}

/* ---- help ------------------------------------------------------------------------------------- */

/* Add `words` with line breaks, indented by `column`; the cursor stands there already. */
static void add_wrapped(text *out, const char *words, size_t column)
{
    size_t at = column;
    while (*words) {
        size_t len = strcspn(words, " ");
        if (at > column && at + 1 + len > HELP_WIDTH) {
            text_printf(out, "\n%*s", (int)column, "");
            at = column;
        } else if (at > column) {
            text_add_char(out, ' ');
            at++;
        }
        text_add_bytes(out, words, len);
        at += len;
        words += len;
        words += strspn(words, " ");
    }
    text_add_char(out, '\n');
}

void args_describe(const args *a, text *out)
{
    for (size_t i = 0; i < a->option_count; i++) {
        const option *o = a->options[i];
        text left = { 0 };
        if (o->letter) {
            text_printf(&left, "  -%c, --%s", o->letter, o->name);
        } else {
            text_printf(&left, "      --%s", o->name);
        }
        if (o->value) {
            text_printf(&left, " %s", o->value);
        }
        text_add(out, left.data);
        if (left.len + 2 > HELP_COLUMN) {
            text_printf(out, "\n%*s", HELP_COLUMN, "");
        } else {
            text_printf(out, "%*s", (int)(HELP_COLUMN - left.len), "");
        }
        add_wrapped(out, o->help, HELP_COLUMN);
        text_free(&left);
    }
}
