/* ragstore backup: a copy of a store as it is at one moment.
 *
 * The copy is an ordinary store under another name. The library makes it aside and renames it, so
 * nothing needs to be cleaned up here, whatever stops it. */
#include "command.h"
#include "progress.h"

#include <stdio.h>

static int backup(invocation *in, rag_store *store)
{
    const char *target = word(in, 1);
    rag_error err = RAG_ERROR_INIT;
    progress bar = { 0 };
    rag_context ctx = in->ctx;
    text shown = { 0 };
    double started = seconds_now();
    ctx.progress = progress_report;
    ctx.user = &bar;
    progress_start(&bar);
    rag_status status = rag_store_backup(store, &ctx, target, &err);
    progress_end(&bar);
    if (status != RAG_OK) {
        return failed(&err);
    }
    if (in->json) {
        json_writer w = { 0 };
        json_open(&w, NULL, '{', 0);
        json_text(&w, "store", rag_text(target));
        json_double(&w, "seconds", seconds_now() - started);
        json_close(&w, '}');
        json_end(&w);
    } else {
        text_add_shown(&shown, rag_text(target));
        printf("The copy is in %s\n", shown.data);
    }
    text_free(&shown);
    return STATUS_OK;
}

static int run_backup(invocation *in)
{
    int status = check_directory(in, "TARGET", word(in, 1));
    return status == STATUS_OK ? with_store(in, RAG_OPEN_READ_ONLY | RAG_OPEN_EXISTING, backup)
                               : status;
}

const command backup_command = {
    .name = "backup",
    .summary = "copy a store to a new directory while it is used",
    .usage = "  ragstore backup STORE TARGET\n",
    .about = "TARGET is a new directory (or an empty one). It gets the store as it is at one\n"
             "moment, while others read and write, and appears when it is whole and on the\n"
             "disk.\n",
    .words_least = 2,
    .words_most = 2,
    .examples = "  ragstore backup ./my.store /backups/my.store-monday\n",
    .opens_store = 1,
    .run = run_backup,
};
