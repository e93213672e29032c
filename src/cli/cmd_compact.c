/* ragstore compact: give the space of deleted rows back.
 *
 * The library works in steps and each step stays made, so ^C is an ordinary end here: what was
 * given back is given back, and the next run goes on from there. */
#include "command.h"
#include "progress.h"

#include <stdio.h>

static void print_freed(const invocation *in, uint64_t freed, double seconds)
{
    text size = { 0 };
    if (in->json) {
        json_writer w = { 0 };
        json_open(&w, NULL, '{', 0);
        json_count(&w, "freed_bytes", freed);
        json_double(&w, "seconds", seconds);
        json_close(&w, '}');
        json_end(&w);
        return;
    }
    text_add_size(&size, freed);
    if (freed > 0) {
        printf("%s given back.\n", size.data);
    } else {
        puts("Nothing to give back: the store is compact.");
    }
    text_free(&size);
}

static int compact(invocation *in, rag_store *store)
{
    rag_error err = RAG_ERROR_INIT;
    progress bar = { 0 };
    rag_context ctx = in->ctx;
    uint64_t freed = 0;
    double started = seconds_now();
    ctx.progress = progress_report;
    ctx.user = &bar;
    progress_start(&bar);
    rag_status status = rag_store_compact(store, &ctx, &freed, &err);
    progress_end(&bar);
    if (status == RAG_E_CANCELLED) {
        return complain(STATUS_STOPPED, "what was done stays; start again to go on", "stopped");
    }
    if (status != RAG_OK) {
        return failed(&err);
    }
    print_freed(in, freed, seconds_now() - started);
    return STATUS_OK;
}

static int run_compact(invocation *in)
{
    return with_store(in, RAG_OPEN_EXISTING, compact);
}

const command compact_command = {
    .name = "compact",
    .summary = "give the space of deleted rows back to the disk",
    .usage = "  ragstore compact STORE\n",
    .about = "Works in small steps while others read and write; ^C stops it, and what was\n"
             "done stays done. A store that an older ragstore made is written anew once\n"
             "instead, which needs its size twice on the disk for that time, and then happens\n"
             "whole or not at all. Vector indexes are brought up to date as well.\n",
    .words_least = 1,
    .words_most = 1,
    .examples = "  ragstore compact ./my.store\n",
    .opens_store = 1,
    .run = run_compact,
};
