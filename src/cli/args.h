/* Options and arguments of a command, declared as a table. */
#ifndef CLI_ARGS_H
#define CLI_ARGS_H

#include "text.h"

typedef enum option_kind {
    OPTION_FLAG,
    OPTION_TEXT,
    OPTION_COUNT, /* a whole number from `least` to `most` */
    OPTION_NUMBER,
    OPTION_SIZE,     /* bytes: 500MB, 2GiB, 4096; none is 0 */
    OPTION_DURATION, /* seconds: 90, 15m, 12h, 30d; none is 0 */
    OPTION_CHOICE    /* one of `choices` */
} option_kind;

typedef struct option {
    const char *name; /* without the dashes; NULL ends a table */
    char letter;      /* of the short form, 0: none */
    option_kind kind;
    const char *value; /* what the help calls the value */
    const char *help;
    const char *const *choices; /* ends with NULL */
    uint64_t least, most;
} option;

typedef struct option_value {
    int given;
    const char *text;
    uint64_t count;
    double number;
} option_value;

enum { ARGS_OPTIONS_MAX = 24 };

/* What was given. Values stand beside the options; everything points into argv. */
typedef struct args {
    const option *options[ARGS_OPTIONS_MAX];
    option_value values[ARGS_OPTIONS_MAX];
    size_t option_count;
    const char **words; /* the arguments that are not options, in order */
    size_t word_count;
} args;

/* Declare a table; tables add up. */
void args_declare(args *a, const option *table);

/* Parse. Options may stand anywhere; after "--" everything is an argument. On a mistake one line
 * about it goes to `complaint` and the answer is 0. */
int args_parse(args *a, int argc, char **argv, text *complaint);
void args_free(args *a);

int args_given(const args *a, const char *name);
const char *args_text(const args *a, const char *name, const char *otherwise);
/* Of an OPTION_COUNT, OPTION_SIZE or OPTION_DURATION. */
uint64_t args_count(const args *a, const char *name, uint64_t otherwise);
double args_number(const args *a, const char *name, double otherwise);

/* The "Options:" part of a help text, at most 79 columns wide. */
void args_describe(const args *a, text *out);

#endif
