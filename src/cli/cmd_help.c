/* ragstore help, ragstore version, and the list of all commands.
 *
 * The help text of a command stands in its own file, beside what it describes. */
#include "command.h"

#include <stdio.h>

static const char first_part[] =
    "ragstore - keep what a retrieval-augmented-generation system knows: values,\n"
    "vectors, a knowledge graph and the status of documents, in one store\n"
    "\n"
    "Usage:\n"
    "  ragstore COMMAND ...\n"
    "\n"
    "Commands:\n";

static const char last_part[] =
    "\n"
    "`ragstore help COMMAND` says more about each. Every command takes --json.\n"
    "\n"
    "A STORE is named by its directory (./my.store), or by a URL as the manual\n"
    "says. Start with what LightRAG has written already:\n"
    "\n"
    "  ragstore import ./rag_storage ./my.store\n"
    "  ragstore status ./my.store\n"
    "\n"
    "Exit status: 0 all is well, 1 a problem was found (not there, bad data),\n"
    "2 wrong use, 3 no store could be reached, 130 stopped by ^C.\n";

void describe_all(text *out)
{
    text_add(out, first_part);
    for (const command *const *c = all_commands; *c; c++) {
        text_printf(out, "  %-9s %s\n", (*c)->name, (*c)->summary);
    }
    text_add(out, last_part);
}

static int help_as_json(const command *only)
{
    json_writer w = { 0 };
    json_open(&w, NULL, '[', 1);
    for (const command *const *c = all_commands; *c; c++) {
        if (only && *c != only) {
            continue;
        }
        json_open(&w, NULL, '{', 0);
        json_text(&w, "command", rag_text((*c)->name));
        json_text(&w, "summary", rag_text((*c)->summary));
        json_open(&w, "options", '[', 0);
        args a = { 0 };
        declare_options(*c, &a);
        for (size_t i = 0; i < a.option_count; i++) {
            json_text(&w, NULL, rag_text(a.options[i]->name));
        }
        json_close(&w, ']');
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_end(&w);
    return STATUS_OK;
}

static int run_help(invocation *in)
{
    text shown = { 0 };
    const command *c = in->args.word_count > 0 ? find_command(word(in, 0)) : NULL;
    if (in->args.word_count > 0 && !c) {
        return unknown_command(word(in, 0));
    }
    if (in->json) {
        return help_as_json(c);
    }
    if (c) {
        describe_command(c, &shown);
    } else {
        describe_all(&shown);
    }
    fputs(shown.data, stdout);
    text_free(&shown);
    return STATUS_OK;
}

static int run_version(invocation *in)
{
    if (in->json) {
        json_writer w = { 0 };
        json_open(&w, NULL, '{', 0);
        json_text(&w, "version", rag_text(RAG_VERSION_TEXT));
        json_text(&w, "libraries", rag_text(rag_version_text()));
        json_close(&w, '}');
        json_end(&w);
        return STATUS_OK;
    }
    printf("%s\n", rag_version_text());
    return STATUS_OK;
}

const command help_command = {
    .name = "help",
    .summary = "how ragstore, or one of its commands, is used",
    .usage = "  ragstore help [COMMAND]\n",
    .about = "",
    .words_most = 1,
    .examples = "  ragstore help search\n",
    .run = run_help,
};

const command version_command = {
    .name = "version",
    .summary = "the version of ragstore and of the libraries inside",
    .usage = "  ragstore version\n",
    .about = "",
    .examples = "",
    .run = run_version,
};
