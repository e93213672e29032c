/* Backends by name: the built-in ones in one array, modules as they are asked for.
 *
 * A backend is checked once, when it is registered, and copied into a struct driver whose tables are
 * complete: a missing optional slot is replaced by a generic fallback, one of a feature that is not
 * claimed by a refusal (unclaimed.c), so that nobody else tests for NULL. A table of an older version
 * of the library is shorter: what it does not have is zero, which is a missing optional slot.
 * Drivers are never freed: handles point to them, and a module cannot be unloaded safely.
 *
 * One mutex guards the list; it is not held while a backend or a module is called. */
#include "registry.h"

#include <pthread.h>
#include <string.h>
#include <strings.h>

#include "core/alloc.h"
#include "core/buffer.h"

extern const rag_backend memory_backend;
extern const rag_backend embedded_backend;
extern const rag_backend lightrag_backend;

static const rag_backend *const built_in[] = {
    &memory_backend,
    &embedded_backend,
    &lightrag_backend,
};

enum { BUILT_IN_COUNT = sizeof built_in / sizeof *built_in, STRUCT_SIZE_MAX = 65536 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct driver built_in_drivers[BUILT_IN_COUNT];
static int built_in_ready;
static struct driver *drivers; /* all, the newest first */

/* ---- checks -------------------------------------------------------------------------------------- */

static const unsigned KNOWN_FEATURES =
    RAG_FEATURE_TRANSACTIONS | RAG_FEATURE_BUILD | RAG_FEATURE_OPTIMIZE | RAG_FEATURE_CACHE_LIMITS |
    RAG_FEATURE_PENDING | RAG_FEATURE_CHECK | RAG_FEATURE_COMPACT | RAG_FEATURE_BACKUP;

/* The bytes of `table` that we know of over zeros; NULL stays absent. */
static rag_status copy_table(const void *table, size_t least, void *out, size_t size,
                             const char *backend, const char *what, rag_error *err)
{
    size_t given;
    memcpy(&given, table, sizeof given);
    if (given < least || given > STRUCT_SIZE_MAX)
        return rag_fail(err, RAG_E_INVALID,
                        "backend '%s': its %s has struct_size %zu, at least %zu"
                        " is needed",
                        backend, what, given, least);
    memset(out, 0, size);
    memcpy(out, table, given < size ? given : size);
    memcpy(out, &size, sizeof size);
    return RAG_OK;
}

/* A pointer-sized slot is missing when its bytes are zero. */
static int slot_is_set(const void *table, size_t offset)
{
    void (*slot)(void);
    memcpy(&slot, (const char *)table + offset, sizeof slot);
    return slot != NULL;
}

struct slot {
    size_t offset;
    const char *name;
};

#define SLOT(type, member) { offsetof(type, member), #member }

static rag_status require(const void *table, const struct slot *slots, size_t n,
                          const char *backend, const char *what, rag_error *err)
{
    for (size_t i = 0; i < n; i++)
        if (!slot_is_set(table, slots[i].offset))
            return rag_fail(err, RAG_E_INVALID, "backend '%s': its %s lacks the slot '%s'", backend,
                            what, slots[i].name);
    return RAG_OK;
}

#define REQUIRE(table, slots, backend, what, err) \
    require((table), (slots), sizeof(slots) / sizeof *(slots), (backend), (what), (err))

static rag_status complete_kv(const rag_backend *b, struct driver *d, rag_error *err)
{
    static const struct slot required[] = {
        SLOT(rag_kv_table, get_many), SLOT(rag_kv_table, put_many), SLOT(rag_kv_table, delete_many),
        SLOT(rag_kv_table, scan),     SLOT(rag_kv_table, count),    SLOT(rag_kv_table, drop),
    };
    RAG_TRY(copy_table(b->kv, offsetof(rag_kv_table, filter_missing), &d->kv, sizeof d->kv, b->name,
                       "KV table", err));
    RAG_TRY(REQUIRE(&d->kv, required, b->name, "KV table", err));
    if (!d->kv.filter_missing)
        d->kv.filter_missing = fallback_kv_filter_missing;
    d->backend.kv = &d->kv;
    return RAG_OK;
}

static rag_status complete_vector(const rag_backend *b, struct driver *d, rag_error *err)
{
    static const struct slot required[] = {
        SLOT(rag_vector_table, define),      SLOT(rag_vector_table, describe),
        SLOT(rag_vector_table, put_many),    SLOT(rag_vector_table, get_many),
        SLOT(rag_vector_table, delete_many), SLOT(rag_vector_table, search),
        SLOT(rag_vector_table, scan),        SLOT(rag_vector_table, count),
        SLOT(rag_vector_table, drop),        SLOT(rag_vector_table, delete_named),
    };
    RAG_TRY(copy_table(b->vector, offsetof(rag_vector_table, pending_put), &d->vector,
                       sizeof d->vector, b->name, "vector table", err));
    RAG_TRY(REQUIRE(&d->vector, required, b->name, "vector table", err));
    if (!d->vector.recall)
        d->vector.recall = d->vector.describe;
    d->backend.vector = &d->vector;
    return RAG_OK;
}

static rag_status complete_graph(const rag_backend *b, struct driver *d, rag_error *err)
{
    static const struct slot required[] = {
        SLOT(rag_graph_table, put_nodes),    SLOT(rag_graph_table, put_edges),
        SLOT(rag_graph_table, get_nodes),    SLOT(rag_graph_table, get_edges),
        SLOT(rag_graph_table, incident),     SLOT(rag_graph_table, delete_nodes),
        SLOT(rag_graph_table, delete_edges), SLOT(rag_graph_table, scan_nodes),
        SLOT(rag_graph_table, scan_edges),   SLOT(rag_graph_table, count),
        SLOT(rag_graph_table, drop),
    };
    RAG_TRY(copy_table(b->graph, offsetof(rag_graph_table, popular), &d->graph, sizeof d->graph,
                       b->name, "graph table", err));
    RAG_TRY(REQUIRE(&d->graph, required, b->name, "graph table", err));
    if (!d->graph.popular)
        d->graph.popular = fallback_graph_popular;
    if (!d->graph.view)
        d->graph.view = fallback_graph_view;
    if (!d->graph.search_labels)
        d->graph.search_labels = fallback_graph_search_labels;
    d->backend.graph = &d->graph;
    return RAG_OK;
}

static rag_status complete_docstatus(const rag_backend *b, struct driver *d, rag_error *err)
{
    static const struct slot required[] = {
        SLOT(rag_docstatus_table, put_many),    SLOT(rag_docstatus_table, get_many),
        SLOT(rag_docstatus_table, delete_many), SLOT(rag_docstatus_table, counts),
        SLOT(rag_docstatus_table, page),        SLOT(rag_docstatus_table, scan),
        SLOT(rag_docstatus_table, drop),
    };
    RAG_TRY(copy_table(b->docstatus, offsetof(rag_docstatus_table, range), &d->docstatus,
                       sizeof d->docstatus, b->name, "document status table", err));
    RAG_TRY(REQUIRE(&d->docstatus, required, b->name, "document status table", err));
    if (!d->docstatus.range)
        d->docstatus.range = fallback_docstatus_range;
    if (!d->docstatus.range_records)
        d->docstatus.range_records = fallback_docstatus_range_records;
    if (!d->docstatus.conflicts)
        d->docstatus.conflicts = fallback_docstatus_conflicts;
    d->backend.docstatus = &d->docstatus;
    return RAG_OK;
}

/* A feature bit and its slots: all there or none. */
static rag_status check_feature(const rag_backend *b, unsigned bit, int slots, int all,
                                const char *name, rag_error *err)
{
    if (b->features & bit && slots != all)
        return rag_fail(err, RAG_E_INVALID, "backend '%s' claims %s but lacks %d of its slots",
                        b->name, name, all - slots);
    if (!(b->features & bit) && slots)
        return rag_fail(err, RAG_E_INVALID, "backend '%s' has a slot of %s but does not claim it",
                        b->name, name);
    return RAG_OK;
}

static rag_status check_features(rag_backend *b, rag_error *err)
{
    if (b->features & ~KNOWN_FEATURES)
        return rag_fail(err, RAG_E_INVALID, "backend '%s' claims unknown features: 0x%x", b->name,
                        b->features & ~KNOWN_FEATURES);
    RAG_TRY(check_feature(b, RAG_FEATURE_TRANSACTIONS, !!b->begin + !!b->commit + !!b->abort, 3,
                          "transactions", err));
    RAG_TRY(check_feature(b, RAG_FEATURE_BUILD, !!b->publish, 1, "building aside", err));
    RAG_TRY(check_feature(b, RAG_FEATURE_OPTIMIZE, !!b->optimize, 1, "optimizing", err));
    RAG_TRY(check_feature(b, RAG_FEATURE_CHECK, !!b->check, 1, "checks", err));
    RAG_TRY(check_feature(b, RAG_FEATURE_COMPACT, !!b->compact, 1, "compacting", err));
    RAG_TRY(check_feature(b, RAG_FEATURE_BACKUP, !!b->backup, 1, "backups", err));
    if (!b->begin) {
        b->begin = unclaimed_begin;
        b->commit = unclaimed_commit;
        b->abort = unclaimed_abort;
    }
    if (!b->publish)
        b->publish = unclaimed_publish;
    if (!b->optimize)
        b->optimize = unclaimed_optimize;
    if (!b->check)
        b->check = unclaimed_check;
    if (!b->compact)
        b->compact = unclaimed_compact;
    if (!b->backup)
        b->backup = unclaimed_backup;
    return RAG_OK;
}

/* Features whose slots are in the tables, which are complete by now. */
static rag_status check_table_features(struct driver *d, rag_error *err)
{
    const rag_backend *b = &d->backend;
    rag_kv_table *kv = &d->kv;
    rag_vector_table *v = &d->vector;
    RAG_TRY(check_feature(b, RAG_FEATURE_CACHE_LIMITS, !!kv->set_limits + !!kv->get_limits, 2,
                          "limits of caches", err));
    RAG_TRY(check_feature(b, RAG_FEATURE_PENDING,
                          !!v->pending_put + !!v->pending_delete + !!v->pending_scan +
                              !!v->pending_resolve + !!v->pending_drop,
                          5, "pending vectors", err));
    if (!kv->set_limits) {
        kv->set_limits = unclaimed_set_limits;
        kv->get_limits = unclaimed_get_limits;
    }
    if (!v->pending_put) {
        v->pending_put = unclaimed_pending_put;
        v->pending_delete = unclaimed_pending_delete;
        v->pending_scan = unclaimed_pending_scan;
        v->pending_resolve = unclaimed_pending_resolve;
        v->pending_drop = unclaimed_pending_drop;
    }
    return RAG_OK;
}

/* A name is a URL scheme: letters, digits, '+', '-', '_' after a letter. */
static int good_name(const char *name)
{
    if (!name || !((*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z')))
        return 0;
    const size_t len = strlen(name);
    return len < 64 && strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                    "0123456789+-_") == len;
}

rag_status registry_complete(const rag_backend *backend, struct driver *out, rag_error *err)
{
    static const struct slot required[] = {
        SLOT(rag_backend, open),  SLOT(rag_backend, close),      SLOT(rag_backend, abandon),
        SLOT(rag_backend, flush), SLOT(rag_backend, namespaces), SLOT(rag_backend, describe),
    };
    if (!backend)
        return rag_fail(err, RAG_E_INVALID, "the backend is NULL");
    memset(out, 0, sizeof *out);
    RAG_TRY(copy_table(backend, offsetof(rag_backend, check), &out->backend, sizeof out->backend,
                       "?", "description", err));
    const rag_backend *b = &out->backend;
    if (b->abi != RAG_BACKEND_ABI)
        return rag_fail(err, RAG_E_VERSION,
                        "backend '%s' is made for version %u of the interface, "
                        "this library has %d",
                        b->name ? b->name : "?", b->abi, RAG_BACKEND_ABI);
    if (!good_name(b->name))
        return rag_fail(err, RAG_E_INVALID, "a backend's name must be a URL scheme, not '%s'",
                        b->name ? b->name : "NULL");
    RAG_TRY(REQUIRE(b, required, b->name, "description", err));
    RAG_TRY(check_features(&out->backend, err));
    if (!b->kv && !b->vector && !b->graph && !b->docstatus)
        return rag_fail(err, RAG_E_INVALID, "backend '%s' serves no store", b->name);
    if (b->kv)
        RAG_TRY(complete_kv(backend, out, err));
    if (b->vector)
        RAG_TRY(complete_vector(backend, out, err));
    if (b->graph)
        RAG_TRY(complete_graph(backend, out, err));
    if (b->docstatus)
        RAG_TRY(complete_docstatus(backend, out, err));
    return check_table_features(out, err);
}

/* ---- the list ------------------------------------------------------------------------------------- */

static int answers_to(const struct driver *d, const char *name)
{
    if (strcasecmp(d->backend.name, name) == 0)
        return 1;
    const char *const *names = d->backend.class_names;
    for (; names && *names; names++)
        if (strcmp(*names, name) == 0)
            return 1;
    return 0;
}

/* With the mutex held. */
static struct driver *find_loaded(const char *name)
{
    for (struct driver *d = drivers; d; d = d->next)
        if (answers_to(d, name))
            return d;
    return NULL;
}

/* With the mutex held. */
static rag_status insert(struct driver *d, rag_error *err)
{
    const struct driver *other = find_loaded(d->backend.name);
    const char *taken = other ? d->backend.name : NULL;
    const char *const *names = d->backend.class_names;
    for (; names && *names && !taken; names++) {
        other = find_loaded(*names);
        taken = other ? *names : NULL;
    }
    if (taken)
        return rag_fail(err, RAG_E_CONFLICT, "backend '%s': the name '%s' belongs to '%s' already",
                        d->backend.name, taken, other->backend.name);
    d->next = drivers;
    drivers = d;
    return RAG_OK;
}

/* With the mutex held. Fails only when a built-in backend is wrong, which a test would have seen. */
static rag_status need_built_in(rag_error *err)
{
    for (size_t i = (size_t)built_in_ready; i < BUILT_IN_COUNT; i++) {
        RAG_TRY(registry_complete(built_in[i], &built_in_drivers[i], err));
        built_in_drivers[i].origin = "built in";
        RAG_TRY(insert(&built_in_drivers[i], err));
        built_in_ready++;
    }
    return RAG_OK;
}

rag_status registry_add(const rag_backend *backend, const char *origin, rag_error *err)
{
    struct driver *d = rag_alloc(sizeof *d);
    if (!d)
        return rag_fail_memory(err);
    rag_status status = registry_complete(backend, d, err);
    d->origin = origin;
    if (status == RAG_OK) {
        (void)pthread_mutex_lock(&mutex);
        status = need_built_in(err);
        if (status == RAG_OK)
            status = insert(d, err);
        (void)pthread_mutex_unlock(&mutex);
    }
    if (status != RAG_OK)
        rag_free(d);
    return status;
}

const struct driver *registry_loaded(const char *name)
{
    (void)pthread_mutex_lock(&mutex);
    const struct driver *d = need_built_in(NULL) == RAG_OK ? find_loaded(name) : NULL;
    (void)pthread_mutex_unlock(&mutex);
    return d;
}

void registry_visit(void (*visit)(const struct driver *driver, void *user), void *user)
{
    (void)pthread_mutex_lock(&mutex);
    (void)need_built_in(NULL);
    const struct driver *first = drivers;
    (void)pthread_mutex_unlock(&mutex);
    for (const struct driver *d = first; d; d = d->next) /* the list only grows at its front */
        visit(d, user);
}

static void list_name(const struct driver *driver, void *user)
{
    struct buffer *text = user;
    (void)buffer_printf(text, NULL, "%s%s", text->len ? ", " : "", driver->backend.name);
}

static rag_status fail_unknown(const char *name, rag_error *err)
{
    struct buffer known = BUFFER_INIT(400);
    registry_visit(list_name, &known);
    const rag_status status =
        rag_fail(err, RAG_E_INVALID, "no backend is called '%.80s'; known: %s", name,
                 known.len ? known.data : "none");
    buffer_free(&known);
    return status;
}

rag_status registry_find(const char *name, const struct driver **out, rag_error *err)
{
    (void)pthread_mutex_lock(&mutex);
    rag_status status = need_built_in(err);
    const struct driver *d = status == RAG_OK ? find_loaded(name) : NULL;
    (void)pthread_mutex_unlock(&mutex);
    RAG_TRY(status);
    if (!d && good_name(name)) {
        status = module_load(module_of(name), err);
        d = registry_loaded(name); /* another thread may have been faster */
        if (!d && status != RAG_OK && status != RAG_E_NOT_FOUND)
            return status;
    }
    if (!d)
        return fail_unknown(name, err);
    *out = d;
    return RAG_OK;
}

rag_status registry_lookup(const char *name, const rag_backend **out, rag_error *err)
{
    const struct driver *d;
    RAG_TRY(registry_find(name, &d, err));
    *out = &d->backend;
    return RAG_OK;
}

const struct driver *registry_driver_of(const rag_backend *backend)
{
    return (const struct driver *)(const void *)backend; /* its first member */
}
