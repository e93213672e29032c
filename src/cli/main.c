/* ragstore: the command.
 *
 * A client of the public headers and nothing else: whatever it can do, a program can do. This file
 * holds the table of commands, finds the one that is meant, parses its options and looks at the end
 * whether everything printed has arrived; cmd_*.c hold one command each, with its help text.
 *
 * The only state that is not passed along is the flag that a signal sets. The first ^C sets it, and
 * the call under way ends with RAG_E_CANCELLED and cleans up after itself; the second one ends the
 * process at once, which loses nothing that was acknowledged either. */
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int stop_flag;

const command *const all_commands[] = {
    &import_command, &export_command, &status_command,  &get_command,
    &search_command, &graph_command,  &docs_command,    &cache_command,
    &config_command, &bench_command,  &check_command,   &compact_command,
    &backup_command, &help_command,   &version_command, NULL
};

static void on_signal(int number)
{
    (void)number;
    rag_cancel(&stop_flag);
}

static void catch_signals(void)
{
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* A standard descriptor that is closed would become that of the next file that is opened, and what
 * is printed would go into a store. /dev/null takes its place, the wrong way round: reading from and
 * writing to it fail as they should. */
static void hold_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF) {
            (void)open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
        }
    }
}

static void on_log(void *user, rag_log_level level, const char *message)
{
    (void)user;
    if (level <= RAG_LOG_WARNING) {
        complain(0, NULL, "%s%s", level == RAG_LOG_WARNING ? "warning: " : "", message);
    }
}

const command *find_command(const char *name)
{
    for (const command *const *c = all_commands; *c; c++) {
        if (strcmp((*c)->name, name) == 0) {
            return *c;
        }
    }
    return NULL;
}

int unknown_command(const char *name)
{
    const char *names[32];
    size_t count = 0;
    text hint = { 0 };
    while (count < 32 && all_commands[count]) {
        names[count] = all_commands[count]->name;
        count++;
    }
    const char *near_name = nearest_name(name, names, count);
    if (near_name) {
        text_printf(&hint, "did you mean: ragstore %s", near_name);
    } else {
        text_add(&hint, "the commands are listed by: ragstore help");
    }
    int status = complain(STATUS_USAGE, hint.data, "there is no command '%s'", name);
    text_free(&hint);
    return status;
}

static int print_help(const command *c)
{
    text shown = { 0 };
    describe_command(c, &shown);
    fputs(shown.data, stdout);
    text_free(&shown);
    return STATUS_OK;
}

/* What the usage calls argument `index`: a word behind "  ragstore NAME ". */
static rag_slice name_of_word(const command *c, size_t index)
{
    const char *at = c->usage;
    size_t len = 0;
    for (size_t i = 0; i < index + 3; i++) {
        at += len;
        at += strspn(at, " ");
        len = strcspn(at, " \n");
    }
    return (rag_slice){ at, len };
}

static int check_words(const invocation *in)
{
    const command *c = in->command;
    if (in->args.word_count < c->words_least) {
        rag_slice name = name_of_word(c, in->args.word_count);
        return misused(in, "%s needs %s: %.*s", c->name,
                       in->args.word_count == 0 ? "more arguments" : "another argument",
                       (int)name.len, (const char *)name.data);
    }
    if (in->args.word_count > c->words_most) {
        return misused(in, "'%s' is one argument too many", in->args.words[c->words_most]);
    }
    return STATUS_OK;
}

static const option common_options[] = {
    { .name = "json", .kind = OPTION_FLAG, .help = "print JSON, for programs" },
    { .name = "help", .letter = 'h', .kind = OPTION_FLAG, .help = "print this text" },
    { .name = NULL }
};

static const option store_options[] = { { .name = "workspace",
                                          .kind = OPTION_TEXT,
                                          .value = "NAME",
                                          .help =
                                              "the workspace of the store, where it has several" },
                                        { .name = NULL } };

void declare_options(const command *c, args *a)
{
    args_declare(a, c->options);
    if (c->opens_store) {
        args_declare(a, store_options);
    }
    args_declare(a, common_options);
}

void describe_command(const command *c, text *out)
{
    args a = { 0 };
    text_printf(out, "ragstore %s - %s\n\nUsage:\n%s\n", c->name, c->summary, c->usage);
    if (c->about[0]) {
        text_printf(out, "%s\n", c->about);
    }
    declare_options(c, &a);
    text_add(out, "Options:\n");
    args_describe(&a, out);
    if (c->examples[0]) {
        text_printf(out, "\nExamples:\n%s", c->examples);
    }
}

static int run_command(const command *c, int argc, char **argv)
{
    invocation in = { .command = c, .ctx = RAG_CONTEXT_INIT };
    text complaint = { 0 };
    int status;
    in.ctx.cancel = &stop_flag;
    in.ctx.log = on_log;
    declare_options(c, &in.args);
    int parsed = args_parse(&in.args, argc, argv, &complaint);
    in.json = args_given(&in.args, "json");
    if (args_given(&in.args, "help")) {
        status = print_help(c);
    } else if (!parsed) {
        status = misused(&in, "%s", complaint.data);
    } else {
        status = check_words(&in);
        status = status == STATUS_OK ? c->run(&in) : status;
    }
    text_free(&complaint);
    args_free(&in.args);
    return status;
}

/* A full disk is an error; a reader that has seen enough is not, and needs no message. stdio does
 * not keep the reason of a write that failed before: one more byte brings it up again. */
static int finish_output(int status)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout)) {
        return status;
    }
    if (errno == 0) {
        clearerr(stdout);
        (void)putchar('\n');
        (void)fflush(stdout);
    }
    int reason = errno;
    if (reason == EPIPE) {
        return status;
    }
    return complain(STATUS_PROBLEM, NULL, "could not write the output%s%s", reason ? ": " : "",
                    reason ? strerror(reason) : "");
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    hold_standard_descriptors();
    catch_signals();
    if (name[0] == '\0') {
        text shown = { 0 };
        describe_all(&shown);
        fputs(shown.data, stderr);
        text_free(&shown);
        return STATUS_USAGE;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        name = "help";
    } else if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
        name = "version";
    }
    const command *c = find_command(name);
    if (!c) {
        return unknown_command(name);
    }
    return finish_output(run_command(c, argc - 2, argv + 2));
}
