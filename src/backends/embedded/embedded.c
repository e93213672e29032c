/* The backend table: from a configuration to an open store, and the slots that concern all four
 * kinds. The unnamed workspace is the directory itself, any other one a directory in it; they share
 * nothing. Each handle has its own connections; bounding them over thousands of open workspaces is
 * not done here yet. */
#include "embedded.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "core/alloc.h"
#include "core/os.h"
#include "db.h"
#include "db_open.h"
#include "stores.h"
#include "vector_cache.h"
#include "vector_pending.h"

static rag_status read_page_size(const rag_backend_config *config, int *out, rag_error *err)
{
    const char *text = config->option ? config->option(config->options, "page_size") : NULL;
    *out = 0;
    if (!text || !*text)
        return RAG_OK;
    char *end;
    errno = 0;
    const long value = strtol(text, &end, 10);
    if (*end || errno || value < 1 || value > 65536)
        return rag_fail(err, RAG_E_INVALID, "option page_size '%.40s' is not a number of bytes",
                        text);
    *out = (int)value;
    return RAG_OK;
}

static rag_status read_secure_delete(const rag_backend_config *config, const char **out,
                                     rag_error *err)
{
    const char *text = config->option ? config->option(config->options, "secure_delete") : NULL;
    *out = text && *text ? text : NULL;
    if (*out && strcmp(text, "on") != 0 && strcmp(text, "off") != 0)
        return rag_fail(err, RAG_E_INVALID, "option secure_delete '%.40s' is not on or off", text);
    return RAG_OK;
}

static rag_status read_checksums(const rag_backend_config *config, int *ignore, rag_error *err)
{
    const char *text = config->option ? config->option(config->options, "checksums") : NULL;
    *ignore = text && strcmp(text, "ignore") == 0;
    if (text && *text && !*ignore && strcmp(text, "check") != 0)
        return rag_fail(err, RAG_E_INVALID, "option checksums '%.40s' is not check or ignore",
                        text);
    return RAG_OK;
}

static rag_status embedded_open(const rag_host *host, const rag_backend_config *config,
                                const rag_context *ctx, void **self, rag_error *err)
{
    (void)host; /* this backend is built in and uses src/core */
    struct db_options options = { .flags = config->flags,
                                  .lock_timeout_ms = config->lock_timeout_ms };
    RAG_TRY(read_page_size(config, &options.page_size, err));
    RAG_TRY(read_secure_delete(config, &options.secure_delete, err));
    RAG_TRY(read_checksums(config, &options.ignore_checksums, err));
    const char *workspace = config->workspace ? config->workspace : "";
    char *directory =
        *workspace ? os_join(config->location, workspace) : rag_strdup(config->location);
    if (!directory)
        return rag_fail_memory(err);
    options.directory = directory;
    struct db *db = NULL;
    const rag_status status = db_open(&options, ctx, &db, err);
    rag_free(directory);
    if (status == RAG_OK)
        *self = db;
    return status;
}

static void embedded_close(void *self)
{
    vector_pending_hand_over(self);
    db_close(self);
}

/* In a child after fork: the descriptors are closed already, everything else is the parent's. */
static void embedded_abandon(void *self)
{
    (void)self;
}

static rag_status embedded_flush(const rag_call *call, rag_token upto, rag_error *err)
{
    RAG_TRY(db_flush(call, upto, err));
    /* What was asked for is done; an index that could not be made costs time, not answers. */
    rag_error why = RAG_ERROR_INIT;
    if (vector_index_after_flush(call, &why) != RAG_OK)
        call->host->log(call->ctx, RAG_LOG_WARNING, why.message);
    return RAG_OK;
}

static rag_status embedded_publish(const rag_call *call, rag_error *err)
{
    RAG_TRY(vector_index_optimize(call, err)); /* into the directory, before the store is seen */
    RAG_TRY(db_publish(call, err));
    if (db_vector_cache(call->self))
        vector_cache_release_locks(db_vector_cache(call->self));
    vector_index_remove_garbage(call); /* files of a store that this one replaced */
    return RAG_OK;
}

static rag_status embedded_optimize(const rag_call *call, rag_error *err)
{
    RAG_TRY(vector_index_optimize(call, err));
    return db_checkpoint(call, err);
}

static rag_status embedded_compact(const rag_call *call, uint64_t *freed_bytes, rag_error *err)
{
    RAG_TRY(db_compact(call, freed_bytes, err));
    RAG_TRY(vector_index_compact(call, err));
    vector_index_remove_garbage(call);
    return RAG_OK;
}

static const char *const class_names[] = { "EmbeddedKVStorage", "EmbeddedVectorStorage",
                                           "EmbeddedGraphStorage", "EmbeddedDocStatusStorage",
                                           NULL };
static const char *const options[] = { "page_size", "secure_delete", "checksums", NULL };
static const char *const required[] = { NULL };

const rag_backend embedded_backend = {
    .struct_size = sizeof embedded_backend,
    .abi = RAG_BACKEND_ABI,
    .name = "embedded",
    .class_names = class_names,
    .options = options,
    .required = required,
    .features = RAG_FEATURE_TRANSACTIONS | RAG_FEATURE_CACHE_LIMITS | RAG_FEATURE_BUILD |
                RAG_FEATURE_OPTIMIZE | RAG_FEATURE_CHECK | RAG_FEATURE_COMPACT |
                RAG_FEATURE_BACKUP | RAG_FEATURE_PENDING,
    .guarantees = RAG_GUARANTEE_ATOMIC_BATCH | RAG_GUARANTEE_READ_YOUR_WRITES |
                  RAG_GUARANTEE_SHARED | RAG_GUARANTEE_DURABLE,
    .open = embedded_open,
    .close = embedded_close,
    .abandon = embedded_abandon,
    .flush = embedded_flush,
    .namespaces = db_namespaces,
    .describe = db_describe,
    .begin = db_begin,
    .commit = db_commit,
    .abort = db_abort,
    .publish = embedded_publish,
    .optimize = embedded_optimize,
    .compact = embedded_compact,
    .backup = db_backup,
    .kv = &embedded_kv,
    .vector = &embedded_vector,
    .graph = &embedded_graph,
    .docstatus = &embedded_docstatus,
    .check = embedded_check,
};
