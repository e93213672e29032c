/* rag_export_lightrag(): a store as the working directory of a LightRAG.
 *
 * File by file, in the order of an import, each written beside and renamed when it is whole and durable
 * (whole_file.c). A failure or a cancel leaves the files that were finished, and of the one under way
 * nothing; the directory is made if need be and stays.
 *
 * With `replace` the directory afterwards holds what the store holds: files of LightRAG for which the
 * store has nothing would be rows of some other collection among this one's, and LightRAG could not
 * tell; they are removed when all others are written, and the report names them. Files that an import
 * would pass over (Faiss, a second graph) are left alone.
 *
 * Everything goes through the public API, on the calling thread. */
#include <stdio.h>
#include <string.h>

#include "core/context.h"
#include "core/os.h"
#include "core/result.h"
#include "export.h"

struct export
{
    rag_store *store;
    rag_context ctx;      /* the caller's */
    rag_context call_ctx; /* for the store's calls: without progress */
    const char *directory;
    int replace;
    struct export_plan plan;
    struct lightrag_files there; /* LightRAG's files that are there already */
    const struct export_target *target;
    struct whole_file file;
    uint64_t rows_before, bytes_before; /* of the files that are done */
};

static rag_status look_around(void *user, uint64_t rows, rag_error *err)
{
    const struct export *ex = user;
    context_progress(&ex->ctx, ex->target->file.stage, ex->rows_before + rows, ex->plan.rows,
                     ex->bytes_before + ex->file.bytes, 0);
    return context_check(&ex->ctx, err);
}

/* ---- the directory ---------------------------------------------------------------------------------- */

static rag_status find_files(struct export *ex, rag_error *err)
{
    rag_error why = RAG_ERROR_INIT;
    const rag_status status = lightrag_files_find(ex->directory, &ex->there, &why);
    if (status != RAG_OK && status != RAG_E_NOT_FOUND)
        return rag_pass(status, &why, err);
    for (size_t i = 0; i < ex->there.count && !ex->replace; i++)
        if (ex->there.items[i].kind != LIGHTRAG_FILE_SKIPPED)
            return rag_fail(err, RAG_E_CONFLICT, "%s is there already", ex->there.items[i].path);
    return RAG_OK;
}

/* What would be mixed with the rows of this store. */
static rag_status remove_others(struct export *ex, rag_result *report, rag_error *err)
{
    for (size_t i = 0; i < ex->there.count; i++) {
        struct lightrag_file *f = &ex->there.items[i];
        struct lightrag_summary summary = LIGHTRAG_SUMMARY_INIT;
        if (f->kind == LIGHTRAG_FILE_SKIPPED || export_plan_has(&ex->plan, f->name))
            continue;
        RAG_TRY(os_unlink(f->path, err));
        f->bytes = 0;
        lightrag_warn(&summary, "removed: the store has nothing that belongs there");
        const rag_status status = report ? import_report_file(report, f, &summary, 0, err) : RAG_OK;
        buffer_free(&summary.warnings);
        RAG_TRY(status);
    }
    return RAG_OK;
}

/* ---- files ------------------------------------------------------------------------------------------ */

static rag_status write_file(struct export *ex, struct lightrag_summary *summary, rag_error *err)
{
    RAG_TRY(whole_file_open(&ex->file, ex->target->file.path, err));
    const struct lightrag_output out = whole_file_output(&ex->file);
    struct export_rows rows = {
        ex->store, &ex->call_ctx, ex->target, &out, summary, look_around, ex
    };
    rag_status status = look_around(ex, 0, err); /* where the file begins, */
    if (status == RAG_OK)
        status = export_rows_write(&rows, err);
    if (status == RAG_OK)
        status = look_around(ex, summary->rows, err); /* and where it ends */
    if (status == RAG_OK)
        return whole_file_commit(&ex->file, err);
    whole_file_abort(&ex->file);
    import_name_file(err, ex->target->file.name);
    return status;
}

static rag_status write_one(struct export *ex, struct export_target *t, rag_result *report,
                            rag_error *err)
{
    const int64_t started = context_now_ns();
    struct lightrag_summary summary = LIGHTRAG_SUMMARY_INIT;
    ex->target = t;
    rag_status status = write_file(ex, &summary, err);
    if (status == RAG_OK) {
        t->file.bytes = ex->file.bytes;
        ex->bytes_before += ex->file.bytes;
        ex->rows_before += t->rows;
        ex->file.bytes = 0;
    }
    if (status == RAG_OK && report)
        status = import_report_file(report, &t->file, &summary,
                                    (double)(context_now_ns() - started) / 1e9, err);
    buffer_free(&summary.warnings);
    return status;
}

static rag_status write_all(struct export *ex, rag_result *report, rag_error *err)
{
    RAG_TRY(export_plan_make(ex->store, &ex->call_ctx, ex->directory, &ex->plan, err));
    RAG_TRY(find_files(ex, err));
    RAG_TRY(os_make_directories(ex->directory, err));
    for (size_t i = 0; i < ex->plan.count; i++)
        RAG_TRY(write_one(ex, &ex->plan.targets[i], report, err));
    RAG_TRY(remove_others(ex, report, err));
    return os_sync_directory(ex->directory, err);
}

/* ---- the call --------------------------------------------------------------------------------------- */

static rag_status check_arguments(const rag_store *store, const char *directory,
                                  const rag_export_options *options, rag_export_options *out,
                                  rag_error *err)
{
    *out = (rag_export_options)RAG_EXPORT_OPTIONS_INIT;
    if (!store)
        return rag_fail(err, RAG_E_INVALID, "the store is NULL");
    if (!directory || !*directory)
        return rag_fail(err, RAG_E_INVALID, "the directory to write to has no name");
    if (!options)
        return RAG_OK;
    if (options->struct_size < sizeof options->struct_size || options->struct_size > 4096)
        return rag_fail(err, RAG_E_INVALID, "rag_export_options.struct_size is %zu",
                        options->struct_size);
    const size_t size = options->struct_size < sizeof *out ? options->struct_size : sizeof *out;
    memcpy(out, options, size);
    return RAG_OK;
}

rag_status rag_export_lightrag(rag_store *store, const rag_context *ctx, const char *directory,
                               const rag_export_options *options, rag_result **report,
                               rag_error *err)
{
    rag_export_options chosen;
    struct export ex = { .store = store, .directory = directory };
    RAG_TRY(check_arguments(store, directory, options, &chosen, err));
    RAG_TRY(context_normalise(ctx, &ex.ctx, err));
    ex.call_ctx = ex.ctx;
    ex.call_ctx.progress = NULL;
    ex.replace = chosen.replace;
    rag_result *rows = NULL;
    if (report && !(rows = rag_result_new(err)))
        return RAG_E_NO_MEMORY;
    const rag_status status = write_all(&ex, rows, err);
    export_plan_free(&ex.plan);
    lightrag_files_free(&ex.there);
    if (status == RAG_OK && report)
        *report = rows;
    else
        rag_result_free(rows);
    return status;
}
