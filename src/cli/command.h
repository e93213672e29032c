/* What the commands share: their table, how they open a store, how they complain. */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <ragstore/ragstore.h>

#include "args.h"
#include "output.h"

/* Exit status, part of the contract (docs/man/ragstore.1). */
enum {
    STATUS_OK = 0,
    STATUS_PROBLEM = 1,     /* not found, bad data */
    STATUS_USAGE = 2,       /* wrong use */
    STATUS_UNREACHABLE = 3, /* could not reach a store */
    STATUS_STOPPED = 130    /* stopped by ^C or SIGTERM */
};

struct command;

/* One run of one command. */
typedef struct invocation {
    const struct command *command;
    args args;
    rag_context ctx; /* carries the cancel flag and the log */
    int json;        /* --json was given */
} invocation;

typedef struct command {
    const char *name;
    const char *summary;            /* one line of at most 60 columns, for the list */
    const char *usage;              /* lines, each "  ragstore NAME ..." */
    const char *about;              /* paragraphs, at most 79 columns */
    const option *options;          /* its own; NULL: none */
    int opens_store;                /* takes the options of all commands that open a store */
    size_t words_least, words_most; /* how many arguments */
    const char *examples;           /* lines */
    int (*run)(invocation *in);     /* answers the exit status */
} command;

extern const command *const all_commands[]; /* ends with NULL */
const command *find_command(const char *name);

/* One in each cmd_*.c. */
extern const command backup_command, cache_command, compact_command, check_command, import_command,
    export_command, status_command, get_command, search_command, graph_command, docs_command,
    config_command, bench_command, help_command, version_command;

/* Argument `index`, "" when it was not given. */
const char *word(const invocation *in, size_t index);

/* "ragstore: ..." and, when `hint` is not NULL, a second line with the way out. Answers `status`. */
int complain(int status, const char *hint, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for wrong use, with a pointer to the help of the command. */
int misused(const invocation *in, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Complain about a call that failed; answers the exit status. */
int failed(const rag_error *err);

/* Open the store that `url` names, as the common options say. STATUS_OK, or it has complained. */
int open_store(const invocation *in, const char *url, unsigned flags, rag_store **out);

/* Open the store of the first argument, do the work, close it. Answers the exit status. */
int with_store(invocation *in, unsigned flags, int (*work)(invocation *in, rag_store *store));

/* The directory that a store of this name is in, with its workspace; "" when it is in none. */
void store_directory(const invocation *in, const char *url, text *directory);

/* The name of a store for output: as it was given, but for passwords. */
void text_add_store(text *t, const char *url);
void json_store(json_writer *w, const char *url); /* as "store" */

/* 1 when two paths lead to one directory that is there. */
int same_directory(const char *a, const char *b);

/* Complain when an argument that is a directory looks like a URL: it would become the name of one. */
int check_directory(const invocation *in, const char *name, const char *path);

/* After a page of a scan: keep in *after where the next one begins, and free the page. 0 when that
 * was the last one, or `page` is NULL. */
int next_page(text *after, rag_result *page);

/* Complain that there is no namespace of this name and kind, and say which there are. */
int no_namespace(const invocation *in, rag_store *store, const char *kind, const char *name);

/* 1 when the store holds such a namespace (or it cannot be told). */
int has_namespace(const invocation *in, rag_store *store, const char *kind, const char *name);

/* Declare the options of a command: its own, and those that it shares. */
void declare_options(const command *c, args *a);

/* Complain about a command that there is not, and name the nearest. */
int unknown_command(const char *name);

/* The help text of a command, and that of `ragstore help`. */
void describe_command(const command *c, text *out);
void describe_all(text *out);

#endif
