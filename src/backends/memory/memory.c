/* The backend itself: opening, closing, describing, and the table of everything it serves.
 *
 * Written against include/ragstore/backend.h alone, so that the same files make a loadable module:
 *
 *     cc -shared -fPIC -D_GNU_SOURCE -DRAGSTORE_MODULE -Iinclude -o ragstore-example.so \
 *        src/backends/memory/[a-z]*.c -lm
 *
 * A store belongs to the handle that opened it and goes with it; its location (the working directory,
 * when the backend was named by a class name of LightRAG) is of no use to it. Whoever copies this folder to make
 * a backend of his own starts at the end of this file. */
#include "memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "state.h"

/* Names belong to one backend in a process, so the module cannot have those of the built-in one. */
#ifdef RAGSTORE_MODULE
#define NAME "example"
#define CLASS_NAMES NULL
#else
#define NAME "memory"
#define CLASS_NAMES \
    "MemoryKVStorage", "MemoryVectorStorage", "MemoryGraphStorage", "MemoryDocStatusStorage", NULL
#endif

static rag_status memory_open(const rag_host *host, const rag_backend_config *config,
                              const rag_context *ctx, void **self, rag_error *err)
{
    (void)ctx; /* nothing here waits */
    if (config->flags & RAG_OPEN_EXISTING)
        return host->fail(err, RAG_E_NOT_FOUND, "a store in memory never exists beforehand");
    struct memory *m = host->alloc(sizeof *m);
    if (!m)
        return memory_no_memory(host, err);
    memset(m, 0, sizeof *m);
    m->host = host;
    m->lock_timeout_ms = config->lock_timeout_ms;
    const rag_status status = memory_state_init(m, err);
    if (status != RAG_OK) {
        host->free(m);
        return status;
    }
    *self = m;
    return RAG_OK;
}

static void memory_close(void *self)
{
    struct memory *m = self;
    const rag_host *host = m->host;
    memory_state_destroy(m);
    host->free(m);
}

/* Another thread of the parent may have held the mutex at the moment of the fork: nothing can be
 * taken apart safely, so it is left where it is. */
static void memory_abandon(void *self)
{
    (void)self;
}

/* Nothing outlives the process, so there is nothing to make durable. */
static rag_status memory_flush(const rag_call *call, rag_token upto, rag_error *err)
{
    (void)upto;
    return call->host->check(call->ctx, err);
}

static rag_status append_space(const rag_call *call, const struct version *v, const char *kind,
                               const struct space *space, rag_result *out, rag_error *err)
{
    char text[160], pending[40] = "";
    const uint64_t rows = memory_map_count(space->rows);
    if (space->kind == KIND_VECTOR)
        (void)snprintf(pending, sizeof pending, ",\"pending\":%" PRIu64,
                       memory_map_count(memory_version_rows(v, KIND_PENDING, space->name)));
    const int len =
        snprintf(text, sizeof text,
                 "{\"rows\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"generation\":%" PRIu64 "%s}", rows,
                 memory_map_bytes(space->rows), space->generation, pending);
    const rag_row answer = {
        .key = rag_text(kind),
        .key2 = space->item.key,
        .value = { text, (size_t)len },
        .found = 1,
        .number = (int64_t)rows,
    };
    return call->host->row_append(out, &answer, err);
}

static rag_status append_kind(const rag_call *call, const struct version *v, enum kind kind,
                              const char *kind_name, rag_result *out, rag_error *err)
{
    const rag_slice from_start = { NULL, 0 };
    for (const struct item *item = memory_map_above(v->spaces[kind], from_start); item;
         item = memory_map_above(v->spaces[kind], item->key)) {
        const struct space *space = (const struct space *)item;
        /* A vector space without rows still holds its record. */
        if (memory_map_count(space->rows) || kind == KIND_VECTOR)
            MEMORY_TRY(append_space(call, v, kind_name, space, out, err));
    }
    return RAG_OK;
}

static rag_status memory_namespaces(const rag_call *call, rag_result *out, rag_error *err)
{
    static const struct {
        enum kind kind;
        const char *name;
    } kinds[] = {
        { KIND_KV, "kv" },
        { KIND_VECTOR, "vector" },
        { KIND_NODES, "graph_nodes" },
        { KIND_EDGES, "graph_edges" },
        { KIND_DOCS, "doc_status" },
    };
    struct version *v = memory_version_read(call);
    rag_status status = RAG_OK;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] && status == RAG_OK; i++)
        status = append_kind(call, v, kinds[i].kind, kinds[i].name, out, err);
    memory_version_release(call->host, v);
    return status;
}

static rag_status memory_describe(const rag_call *call, rag_result *out, rag_error *err)
{
    char text[160];
    struct version *v = memory_version_read(call);
    const int len = snprintf(text, sizeof text,
                             "{\"location\":\"" NAME ":\",\"format\":1,\"committed_token\":%" PRIu64
                             ",\"durable_token\":0,\"debt\":{}}",
                             v->token);
    memory_version_release(call->host, v);
    const rag_row answer = { .value = { text, (size_t)len }, .found = 1 };
    return call->host->row_append(out, &answer, err);
}

static const char *const class_names[] = { CLASS_NAMES };
static const char *const no_options[] = { NULL };

const rag_backend memory_backend = {
    .struct_size = sizeof memory_backend,
    .abi = RAG_BACKEND_ABI,
    .name = NAME,
    .class_names = class_names,
    .options = no_options,
    .required = no_options,
    .features = RAG_FEATURE_TRANSACTIONS | RAG_FEATURE_CACHE_LIMITS | RAG_FEATURE_PENDING,
    .guarantees = RAG_GUARANTEE_ATOMIC_BATCH | RAG_GUARANTEE_READ_YOUR_WRITES,
    .open = memory_open,
    .close = memory_close,
    .abandon = memory_abandon,
    .flush = memory_flush,
    .namespaces = memory_namespaces,
    .describe = memory_describe,
    .begin = memory_begin,
    .commit = memory_commit,
    .abort = memory_abort,
    .kv = &memory_kv,
    .vector = &memory_vector,
    .graph = &memory_graph,
    .docstatus = &memory_docstatus,
};

#ifdef RAGSTORE_MODULE
extern RAG_EXPORT const rag_backend *rag_backend_init_1(const rag_host *host, uint32_t abi);

const rag_backend *rag_backend_init_1(const rag_host *host, uint32_t abi)
{
    return host && abi >= RAG_BACKEND_ABI ? &memory_backend : NULL;
}
#endif
