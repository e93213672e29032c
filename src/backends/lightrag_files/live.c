/* `lightrag:DIR`: opening a working directory, describing it, and the table of everything it serves.
 *
 * The unnamed workspace is the directory itself, any other one a directory in it, as LightRAG has it.
 * Nothing is read when it is opened: each file is, when its namespace is first asked for.
 *
 * What a handle writes reaches the files when it is flushed or closed (live_save.c). It may be used
 * from any thread; opening and closing, as everywhere, from one. */
#include <errno.h>
#include <string.h>

#include "backends/memory/memory.h"
#include "core/alloc.h"
#include "core/buffer.h"
#include "core/context.h"
#include "core/limits.h"
#include "core/os.h"
#include "core/result.h"
#include "lightrag_files.h"
#include "live.h"

/* ---- open and close ----------------------------------------------------------------------------------- */

static void free_live(struct live *l)
{
    while (l->files) {
        struct live_file *f = l->files;
        l->files = f->next;
        live_changes_clear(&f->changes);
        lightrag_file_free(&f->is);
        rag_free(f);
    }
    if (l->memory)
        memory_backend.close(l->memory);
    gate_free(l->gate);
    (void)pthread_mutex_destroy(&l->mutex);
    rag_free(l->directory);
    rag_free(l->graph_name);
    rag_free(l);
}

/* Make the directory, or see that there is something. A graph may have another name than LightRAG's own
 * when it is the only one. */
static rag_status look_into(struct live *l, rag_error *err)
{
    struct lightrag_files files = { 0 };
    const char *graph = LIGHTRAG_GRAPH_NAME;
    struct stat st;
    const int existing = (l->flags & (RAG_OPEN_EXISTING | RAG_OPEN_READ_ONLY)) != 0;
    if (!existing)
        RAG_TRY(os_make_directories(l->directory, err));
    else if (os_calls.stat(l->directory, &st) != 0)
        return rag_fail_errno(err, errno, "open %s", l->directory);
    rag_error why = RAG_ERROR_INIT;
    const rag_status status = lightrag_files_find(l->directory, &files, &why);
    if (status != RAG_OK && (existing || status != RAG_E_NOT_FOUND))
        return rag_pass(status, &why, err);
    for (size_t i = 0; i < files.count; i++)
        if (files.items[i].kind == LIGHTRAG_FILE_GRAPH)
            graph = files.items[i].name_space;
    l->graph_name = rag_strdup(graph);
    lightrag_files_free(&files);
    return l->graph_name ? RAG_OK : rag_fail_memory(err);
}

static rag_status prepare(struct live *l, const rag_host *host, const rag_backend_config *config,
                          const rag_context *ctx, rag_error *err)
{
    const char *workspace = config->workspace ? config->workspace : "";
    rag_backend_config inner = *config;
    inner.flags = 0;
    l->directory = *workspace ? os_join(config->location, workspace) : rag_strdup(config->location);
    l->gate = gate_new();
    if (!l->directory || !l->gate)
        return rag_fail_memory(err);
    RAG_TRY(look_into(l, err));
    return memory_backend.open(host, &inner, ctx, &l->memory, err);
}

static rag_status live_open(const rag_host *host, const rag_backend_config *config,
                            const rag_context *ctx, void **self, rag_error *err)
{
    if (!config->location || !*config->location)
        return rag_fail(err, RAG_E_INVALID, "lightrag: needs the directory of a LightRAG");
    struct live *l = rag_alloc_zeroed(1, sizeof *l);
    if (!l)
        return rag_fail_memory(err);
    (void)pthread_mutex_init(&l->mutex, NULL);
    l->host = host;
    l->flags = config->flags;
    l->lock_timeout_ms = config->lock_timeout_ms;
    const rag_status status = prepare(l, host, config, ctx, err);
    if (status == RAG_OK)
        *self = l;
    else
        free_live(l);
    return status;
}

/* Committed writes stay: what was not flushed is written now. Nobody can be told that it failed; who
 * wants to know flushes first. */
static void live_close(void *self)
{
    struct live *l = self;
    const rag_context ctx = RAG_CONTEXT_INIT;
    const rag_call call = { l, NULL, &ctx, l->host };
    if (!(l->flags & RAG_OPEN_READ_ONLY))
        (void)live_save_all(&call, NULL);
    free_live(l);
}

/* In a child after fork: everything is the parent's. */
static void live_abandon(void *self)
{
    (void)self;
}

/* ---- the store as a whole ------------------------------------------------------------------------------- */

static rag_status live_flush(const rag_call *call, rag_token upto, rag_error *err)
{
    struct live *l = call->self;
    if (upto && upto <= atomic_load(&l->durable))
        return RAG_OK;
    return live_save_all(call, err);
}

/* Everything in the directory, so that its counters are known. */
static rag_status refresh_all(const rag_call *call, rag_error *err)
{
    struct live *l = call->self;
    struct lightrag_files files = { 0 };
    rag_error why = RAG_ERROR_INIT;
    rag_status status = lightrag_files_find(l->directory, &files, &why);
    if (status != RAG_OK && status != RAG_E_NOT_FOUND)
        return rag_pass(status, &why, err);
    status = RAG_OK;
    for (size_t i = 0; status == RAG_OK && i < files.count; i++) {
        struct live_file *known;
        if (files.items[i].kind != LIGHTRAG_FILE_SKIPPED)
            status = live_file_find(l, files.items[i].kind, files.items[i].name_space, &known, err);
    }
    lightrag_files_free(&files);
    (void)pthread_mutex_lock(&l->mutex);
    struct live_file *f = l->files;
    (void)pthread_mutex_unlock(&l->mutex);
    struct live_stage *stage;
    for (; status == RAG_OK && f; f = f->next)
        status =
            call->txn ? live_stage(call, call->txn, f, &stage, err) : live_refresh(call, f, err);
    return status;
}

static rag_status live_namespaces(const rag_call *call, rag_result *out, rag_error *err)
{
    RAG_TRY(refresh_all(call, err));
    const rag_call inner = live_inner_call(call, call->txn);
    return memory_backend.namespaces(&inner, out, err);
}

static rag_status live_describe(const rag_call *call, rag_result *out, rag_error *err)
{
    struct live *l = call->self;
    struct buffer text = BUFFER_INIT(65536);
    size_t loaded = 0;
    (void)pthread_mutex_lock(&l->mutex);
    for (const struct live_file *f = l->files; f; f = f->next)
        loaded += !f->in_memory_only && f->loaded && f->stamp.exists;
    (void)pthread_mutex_unlock(&l->mutex);
    rag_status status = buffer_append_text(&text, "{\"location\":", err);
    if (status == RAG_OK)
        status = buffer_append_json_string(&text, rag_text(l->directory), err);
    if (status == RAG_OK)
        status = buffer_printf(&text, err,
                               ",\"format\":1,\"committed_token\":%llu"
                               ",\"durable_token\":%llu,\"files_loaded\":%zu,\"debt\":{}}",
                               atomic_load(&l->committed), atomic_load(&l->durable), loaded);
    const rag_row row = { .value = buffer_slice(&text), .found = 1 };
    if (status == RAG_OK)
        status = call->host->row_append(out, &row, err);
    buffer_free(&text);
    return status;
}

/* ---- transactions --------------------------------------------------------------------------------------- */

static rag_status live_begin(const rag_call *call, void **txn, rag_error *err)
{
    struct live_txn *t = rag_alloc_zeroed(1, sizeof *t);
    if (!t)
        return rag_fail_memory(err);
    const rag_status status = live_txn_begin(call, t, err);
    if (status == RAG_OK)
        *txn = t;
    else
        rag_free(t);
    return status;
}

static rag_status live_commit(const rag_call *call, rag_token *token, rag_error *err)
{
    struct live_txn *t = call->txn;
    const rag_status status = live_txn_commit(call, t, token, err);
    rag_free(t);
    return status;
}

static void live_abort(const rag_call *call)
{
    struct live_txn *t = call->txn;
    live_txn_abort(call, t);
    rag_free(t);
}

static const char *const class_names[] = { "JsonKVStorage", "NanoVectorDBStorage",
                                           "NetworkXStorage", "JsonDocStatusStorage", NULL };
static const char *const no_options[] = { NULL };

const rag_backend lightrag_backend = {
    .struct_size = sizeof lightrag_backend,
    .abi = RAG_BACKEND_ABI,
    .name = "lightrag",
    .class_names = class_names,
    .options = no_options,
    .required = no_options,
    .features = RAG_FEATURE_TRANSACTIONS | RAG_FEATURE_PENDING,
    .guarantees = RAG_GUARANTEE_ATOMIC_BATCH | RAG_GUARANTEE_READ_YOUR_WRITES |
                  RAG_GUARANTEE_SHARED | RAG_GUARANTEE_DURABLE,
    .open = live_open,
    .close = live_close,
    .abandon = live_abandon,
    .flush = live_flush,
    .namespaces = live_namespaces,
    .describe = live_describe,
    .begin = live_begin,
    .commit = live_commit,
    .abort = live_abort,
    .kv = &live_kv,
    .vector = &live_vector,
    .graph = &live_graph,
    .docstatus = &live_docstatus,
};
