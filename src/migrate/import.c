/* rag_import_lightrag(): a working directory of LightRAG into a store.
 *
 * File by file. With two threads, one that the import starts reads, decodes and fills batches, and
 * the calling thread writes them through the public API; the queue between them is short, so memory
 * is bounded and the slower side sets the pace. With one thread the reader's sink writes at once.
 * All callbacks of the context run on the calling thread.
 *
 * When either side fails the other is stopped, and the error that came first in the work is the one
 * handed out: the writer's when writing failed, else the reader's. Whatever was written by then is in
 * the store; that nothing half done is ever seen is the part of RAG_OPEN_BUILD, not of this file. */
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "backends/lightrag_files/source.h"
#include "core/alloc.h"
#include "core/context.h"
#include "core/json.h"
#include "core/os.h"
#include "core/result.h"
#include "import.h"

enum { PROGRESS_MS = 100 };

struct import {
    rag_store *store;
    rag_context ctx;      /* the caller's */
    rag_context call_ctx; /* for the store's calls: without progress */
    rag_import_options options;
    struct lightrag_files files;
    const struct lightrag_file *file; /* the one being imported */
    struct import_writer writer;
    struct import_queue *queue;  /* NULL: one thread */
    struct lightrag_batch batch; /* of one thread */
    atomic_int stop;
    atomic_ullong place;
    uint64_t rows_written, bytes_before; /* of the files that are done */
    int64_t last_progress_ns;
};

/* One file on its way. */
struct file_job {
    struct import *import;
    struct lightrag_source source;
    struct lightrag_input input;
    struct lightrag_sink sink;
    struct lightrag_job job;
    struct lightrag_summary summary;
    struct lightrag_damage refused; /* rows, by the store: of the writing thread */
    rag_status status;              /* of the reading thread */
    rag_error err;
};

/* ---- progress, cancel ------------------------------------------------------------------------------ */

static rag_status look_around(struct import *im, int now, rag_error *err)
{
    RAG_TRY(context_check(&im->ctx, err));
    const int64_t time = context_now_ns();
    if (!now && time - im->last_progress_ns < (int64_t)PROGRESS_MS * 1000000)
        return RAG_OK;
    im->last_progress_ns = time;
    const uint64_t place = atomic_load_explicit(&im->place, memory_order_relaxed);
    context_progress(&im->ctx, im->file->stage, im->rows_written, 0, im->bytes_before + place,
                     im->files.bytes);
    return RAG_OK;
}

static rag_status write_batch(struct import *im, const struct lightrag_batch *batch, rag_error *err)
{
    RAG_TRY(look_around(im, 0, err));
    RAG_TRY(import_write_batch(&im->writer, batch, err));
    im->rows_written += batch->count;
    return RAG_OK;
}

/* ---- one thread ------------------------------------------------------------------------------------ */

static rag_status write_at_once(void *ctx, struct lightrag_batch **batch, rag_error *err)
{
    struct import *im = ctx;
    const rag_status status = write_batch(im, *batch, err);
    lightrag_batch_clear(*batch);
    return status;
}

static rag_status run_alone(struct file_job *f, rag_error *err)
{
    f->sink = (struct lightrag_sink){ f->import, write_at_once };
    lightrag_batch_clear(&f->import->batch);
    f->job.batch = &f->import->batch;
    return lightrag_read_file(f->source.file->kind, &f->job, err);
}

/* ---- two threads ----------------------------------------------------------------------------------- */

static void *reading_thread(void *user)
{
    struct file_job *f = user;
    f->status = lightrag_read_file(f->source.file->kind, &f->job, &f->err);
    import_queue_done(f->import->queue);
    return NULL;
}

/* Signals are the program's and go to its own threads. */
static int start_thread(pthread_t *thread, struct file_job *f)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, &before);
    const int code = pthread_create(thread, NULL, reading_thread, f);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

static rag_status write_all(struct import *im, rag_error *err)
{
    for (;;) {
        struct lightrag_batch *batch;
        const int answer = import_queue_take(im->queue, PROGRESS_MS, &batch);
        if (answer < 0)
            return RAG_OK;
        if (answer == 0) {
            RAG_TRY(look_around(im, 0, err));
            continue;
        }
        const rag_status status = write_batch(im, batch, err);
        import_queue_give_back(im->queue, batch);
        RAG_TRY(status);
    }
}

static rag_status run_together(struct file_job *f, rag_error *err)
{
    struct import *im = f->import;
    pthread_t thread;
    import_queue_reset(im->queue);
    f->sink = (struct lightrag_sink){ im->queue, import_queue_deliver };
    f->job.batch = import_queue_first(im->queue);
    const int code = start_thread(&thread, f);
    if (code != 0)
        return rag_fail_errno(err, code, "start a thread");
    const rag_status status = write_all(im, err);
    if (status != RAG_OK) {
        atomic_store(&im->stop, 1);
        import_queue_stop(im->queue);
    }
    (void)pthread_join(thread, NULL);
    if (status == RAG_OK && f->status != RAG_OK && err)
        *err = f->err;
    return status != RAG_OK ? status : f->status;
}

/* ---- files ----------------------------------------------------------------------------------------- */

static rag_status report(rag_result *out, struct file_job *f, int64_t started, rag_error *err)
{
    if (!out)
        return RAG_OK;
    return import_report_written(out, f->import->file, &f->summary, &f->import->writer,
                                 (double)(context_now_ns() - started) / 1e9, err);
}

static rag_status import_one(struct file_job *f, rag_result *out, rag_error *err)
{
    struct import *im = f->import;
    const int64_t started = context_now_ns();
    if (im->file->kind == LIGHTRAG_FILE_SKIPPED) {
        lightrag_warn(&f->summary, "%s", im->file->why);
        return report(out, f, started, err);
    }
    RAG_TRY(lightrag_source_open(&f->source, im->file, &im->stop, &im->place, err));
    f->input = lightrag_source_input(&f->source);
    f->job = (struct lightrag_job){ &f->input, im->file->name_space, &f->sink,
                                    NULL,      &f->summary,          im->options.salvage };
    im->writer.file = im->file;
    im->writer.dimension = 0;
    im->writer.file_model = f->summary.model; /* which the reader fills before it hands out rows */
    im->writer.damage = im->options.salvage ? &f->refused : NULL;
    im->writer.refused = im->writer.ends_without_node = 0;
    rag_status status = look_around(im, 1, err);
    if (status == RAG_OK)
        status = im->queue ? run_together(f, err) : run_alone(f, err);
    if (status == RAG_OK)
        status = import_write_end(&im->writer, &f->summary, err);
    lightrag_source_close(&f->source);
    if (status == RAG_OK)
        status = report(out, f, started, err);
    im->bytes_before += im->file->bytes;
    atomic_store(&im->place, 0);
    return status;
}

static rag_status import_all(struct import *im, rag_result *out, rag_error *err)
{
    const struct lightrag_summary none = LIGHTRAG_SUMMARY_INIT;
    const struct lightrag_damage sound = LIGHTRAG_DAMAGE_INIT;
    for (size_t i = 0; i < im->files.count; i++) {
        im->file = &im->files.items[i];
        struct file_job f = { .import = im, .summary = none, .refused = sound };
        const rag_status status = import_one(&f, out, err);
        lightrag_summary_free(&f.summary);
        lightrag_damage_free(&f.refused);
        RAG_TRY(status);
    }
    if (out && im->options.salvage)
        RAG_TRY(import_report_missing(out, &im->files, err));
    return look_around(im, 1, err);
}

/* The store must not be in the directory that it reads: what belongs to whom could not be told apart
 * any more. A directory of its own inside or around it is no harm: only files are read. */
static rag_status check_place(struct import *im, const char *directory, rag_error *err)
{
    rag_result *about = NULL;
    struct stat store, source;
    RAG_TRY(rag_store_describe(im->store, &im->call_ctx, &about, err));
    rag_status status = RAG_OK;
    for (size_t i = 0; i < rag_result_count(about); i++) {
        char *location = NULL;
        size_t len = 0;
        if (json_string(rag_result_row(about, i)->value, "location", &location, &len, NULL) !=
                RAG_OK ||
            !location)
            continue;
        if (os_calls.stat(location, &store) == 0 && os_calls.stat(directory, &source) == 0 &&
            store.st_dev == source.st_dev && store.st_ino == source.st_ino)
            status = rag_fail(err, RAG_E_INVALID,
                              "%s is the directory of LightRAG itself: name another for the store, "
                              "for example %s/ragstore",
                              directory, directory);
        rag_free(location);
    }
    rag_result_free(about);
    return status;
}

/* ---- the call -------------------------------------------------------------------------------------- */

static rag_status check_options(const rag_import_options *options, rag_import_options *out,
                                rag_error *err)
{
    const rag_import_options none = RAG_IMPORT_OPTIONS_INIT;
    *out = none;
    if (options) {
        if (options->struct_size < sizeof options->struct_size || options->struct_size > 4096)
            return rag_fail(err, RAG_E_INVALID,
                            "rag_import_options is not initialised (RAG_IMPORT_OPTIONS_INIT)");
        memcpy(out, options,
               options->struct_size < sizeof *out ? options->struct_size : sizeof *out);
    }
    if (out->threads > 2)
        return rag_fail(err, RAG_E_INVALID, "an import takes 1 or 2 threads, not %u", out->threads);
    if (!out->element)
        out->element = RAG_ELEMENT_FLOAT16;
    if (out->element != RAG_ELEMENT_FLOAT16 && out->element != RAG_ELEMENT_FLOAT32)
        return rag_fail(err, RAG_E_INVALID, "unknown element type %d", (int)out->element);
    if (out->model && strlen(out->model) >= RAG_MODEL_NAME_MAX)
        return rag_fail(err, RAG_E_INVALID, "the model's name has %zu bytes, at most %d",
                        strlen(out->model), RAG_MODEL_NAME_MAX - 1);
    return RAG_OK;
}

static int processors(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

static rag_status run(struct import *im, const char *directory, rag_result *out, rag_error *err)
{
    struct import_queue queue;
    const unsigned threads = im->options.threads ? im->options.threads : processors() > 1 ? 2 : 1;
    RAG_TRY(check_place(im, directory, err));
    RAG_TRY(lightrag_files_find(directory, &im->files, err));
    rag_status status = RAG_OK;
    lightrag_batch_init(&im->batch);
    if (threads == 2) {
        status = import_queue_init(&queue, err);
        im->queue = status == RAG_OK ? &queue : NULL;
    }
    if (status == RAG_OK)
        status = import_all(im, out, err);
    if (im->queue)
        import_queue_free(im->queue);
    lightrag_batch_free(&im->batch);
    import_writer_free(&im->writer);
    lightrag_files_free(&im->files);
    return status;
}

rag_status rag_import_lightrag(rag_store *store, const rag_context *ctx, const char *directory,
                               const rag_import_options *options, rag_result **report_out,
                               rag_error *err)
{
    struct import im = { .store = store };
    if (!store || !directory || !*directory)
        return rag_fail(err, RAG_E_INVALID, "%s is not given",
                        store ? "the directory" : "the store");
    RAG_TRY(context_normalise(ctx, &im.ctx, err));
    RAG_TRY(check_options(options, &im.options, err));
    im.call_ctx = im.ctx;
    im.call_ctx.progress = NULL;
    im.writer = (struct import_writer){ .store = store,
                                        .ctx = &im.call_ctx,
                                        .model = im.options.model,
                                        .element = im.options.element };
    rag_result *rows = report_out ? rag_result_new(err) : NULL;
    if (report_out && !rows)
        return RAG_E_NO_MEMORY;
    const rag_status status = run(&im, directory, rows, err);
    if (status != RAG_OK) {
        rag_result_free(rows);
        return status;
    }
    if (report_out)
        *report_out = rows;
    return RAG_OK;
}
