/* See work.h. Keys, ids and labels are few, so that steps meet what earlier ones left. */
#include "work.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/digest.h"
#include "core/os.h"

enum { MANY = 1100, SMALL_IDS = 60, TEXT_BYTES = 24000, ITEMS_MAX = 6 };

const char WORK_SPACE[] = "space";
static const char *const namespaces[] = { "notes", "facts" };

/* ---- steps ------------------------------------------------------------------------------------- */

struct kind {
    const char *name;
    unsigned weight; /* in the mixture */
    enum step_durable durable;
};

static const struct kind kinds[STEP_KINDS] = {
    [STEP_KV_PUT] = { "kv put", 20, DURABLE_NOT },
    [STEP_KV_DELETE] = { "kv delete", 6, DURABLE_NOT },
    [STEP_KV_DROP] = { "kv drop", 1, DURABLE_CHANGE },
    [STEP_VECTOR_DEFINE] = { "vector define", 0, DURABLE_NOT },
    [STEP_VECTOR_PUT] = { "vector put", 12, DURABLE_NOT },
    [STEP_VECTOR_MANY] = { "many vectors", 0, DURABLE_NOT },
    [STEP_VECTOR_DELETE] = { "vector delete", 5, DURABLE_NOT },
    [STEP_VECTOR_DROP] = { "vector drop", 1, DURABLE_CHANGE },
    [STEP_PENDING] = { "pending vectors", 4, DURABLE_NOT },
    [STEP_PENDING_DELETE] = { "deferred delete of vectors", 0, DURABLE_NOT },
    [STEP_PENDING_FLUSH] = { "flush of pending vectors", 3, DURABLE_CHANGE },
    [STEP_NODES_PUT] = { "nodes put", 8, DURABLE_NOT },
    [STEP_EDGES_PUT] = { "edges put", 8, DURABLE_NOT },
    [STEP_NODES_DELETE] = { "nodes delete", 3, DURABLE_NOT },
    [STEP_EDGES_DELETE] = { "edges delete", 3, DURABLE_NOT },
    [STEP_DOC_PUT] = { "document put", 4, DURABLE_ALWAYS },
    [STEP_DOC_UPDATE] = { "document update", 2, DURABLE_CHANGE },
    [STEP_DOC_DELETE] = { "document delete", 2, DURABLE_CHANGE },
    [STEP_UPSERT] = { "coordinated upsert", 8, DURABLE_ALWAYS },
    [STEP_TRANSACTION] = { "transaction", 8, DURABLE_NOT },
    [STEP_ABORT] = { "aborted transaction", 2, DURABLE_NOT },
    [STEP_FLUSH] = { "flush", 10, DURABLE_ALWAYS },
    [STEP_OPTIMIZE] = { "optimize", 3, DURABLE_NOT },
    [STEP_COMPACT] = { "compact", 2, DURABLE_NOT },
};

const char *step_name(enum step_kind kind)
{
    return kinds[kind].name;
}

enum step_durable step_durability(enum step_kind kind)
{
    return kinds[kind].durable;
}

int step_is_own(enum step_kind kind)
{
    return kind == STEP_PENDING || kind == STEP_PENDING_DELETE || kind == STEP_PENDING_FLUSH;
}

struct step step_random(struct rng *rng)
{
    unsigned sum = 0;
    for (int i = 0; i < STEP_KINDS; i++)
        sum += kinds[i].weight;
    unsigned at = rng_below(rng, sum);
    int kind = 0;
    while (at >= kinds[kind].weight)
        at -= kinds[kind++].weight;
    return (struct step){ (enum step_kind)kind, rng_next(rng) };
}

size_t steps_of_base(uint64_t seed, int many, struct step *out, size_t room)
{
    static const enum step_kind order[] = {
        STEP_VECTOR_DEFINE, STEP_KV_PUT,    STEP_KV_PUT,  STEP_VECTOR_PUT,
        STEP_NODES_PUT,     STEP_EDGES_PUT, STEP_DOC_PUT, STEP_VECTOR_MANY,
    };
    const size_t count = sizeof order / sizeof *order - (many ? 0 : 1);
    assert_true(count <= room);
    for (size_t i = 0; i < count; i++)
        out[i] = (struct step){ order[i], seed + i };
    return count;
}

/* ---- what a step writes ------------------------------------------------------------------------ */

/* Everything that the items of one step point to. */
struct scratch {
    struct rng rng;
    char names[ITEMS_MAX][2][24];
    char texts[ITEMS_MAX][64];
    char *large; /* of TEXT_BYTES */
    float vectors[ITEMS_MAX][WORK_DIMENSION];
};

static int64_t some_time(struct scratch *s)
{
    return 1000000 + (int64_t)rng_below(&s->rng, 1000000);
}

static size_t some_count(struct scratch *s)
{
    return 1 + rng_below(&s->rng, ITEMS_MAX);
}

static rag_slice some_name(struct scratch *s, size_t i, int end, char prefix, unsigned of)
{
    char *name = s->names[i][end];
    (void)snprintf(name, sizeof s->names[i][end], "%c%u", prefix, rng_below(&s->rng, of));
    return rag_text(name);
}

static rag_slice some_object(struct scratch *s, size_t i)
{
    (void)snprintf(s->texts[i], sizeof s->texts[i], "{\"v\":\"%llx\"}",
                   (unsigned long long)rng_next(&s->rng));
    return rag_text(s->texts[i]);
}

/* Letters that do not compress, up to TEXT_BYTES. */
static rag_slice large_object(struct scratch *s)
{
    const size_t len = 1000 + rng_below(&s->rng, TEXT_BYTES - 1010);
    size_t at = 0;
    at += (size_t)snprintf(s->large, TEXT_BYTES, "{\"text\":\"");
    while (at < len)
        s->large[at++] = (char)('a' + rng_below(&s->rng, 26));
    (void)snprintf(s->large + at, TEXT_BYTES - at, "\"}");
    return rag_text(s->large);
}

void work_vector(struct rng *rng, float *out)
{
    for (int i = 0; i < WORK_DIMENSION; i++)
        out[i] = (float)rng_unit(rng) - 0.5F;
}

static const char *some_namespace(struct scratch *s)
{
    return namespaces[rng_below(&s->rng, 2)];
}

static size_t kv_items(struct scratch *s, rag_kv_item *items)
{
    const size_t n = some_count(s);
    const unsigned large = rng_below(&s->rng, 3 * ITEMS_MAX);
    for (size_t i = 0; i < n; i++)
        items[i] = (rag_kv_item){ some_name(s, i, 0, 'k', 40),
                                  i == large ? large_object(s) : some_object(s, i), some_time(s),
                                  some_time(s) };
    return n;
}

static size_t vector_items(struct scratch *s, rag_vector_item *items)
{
    const size_t n = some_count(s);
    for (size_t i = 0; i < n; i++) {
        work_vector(&s->rng, s->vectors[i]);
        items[i] = (rag_vector_item){ some_name(s, i, 0, 'v', SMALL_IDS), s->vectors[i],
                                      WORK_DIMENSION, some_object(s, i), some_time(s) };
    }
    return n;
}

static size_t node_items(struct scratch *s, rag_node *nodes)
{
    const size_t n = some_count(s);
    for (size_t i = 0; i < n; i++)
        nodes[i] = (rag_node){ some_name(s, i, 0, 'n', 30), some_object(s, i) };
    return n;
}

static size_t edge_items(struct scratch *s, rag_edge *edges)
{
    const size_t n = some_count(s);
    for (size_t i = 0; i < n; i++) {
        const rag_slice source = some_name(s, i, 0, 'n', 30);
        edges[i] = (rag_edge){ source, some_name(s, i, 1, 'n', 30), some_object(s, i) };
    }
    return n;
}

static rag_slice some_document(struct scratch *s, size_t i)
{
    (void)snprintf(s->texts[i], sizeof s->texts[i], "{\"status\":\"%s\",\"file_path\":\"f%u\"}",
                   rng_below(&s->rng, 2) ? "processed" : "failed", rng_below(&s->rng, 9));
    return rag_text(s->texts[i]);
}

static size_t doc_items(struct scratch *s, rag_doc *docs, char prefix)
{
    const size_t n = some_count(s);
    for (size_t i = 0; i < n; i++)
        docs[i] = (rag_doc){ some_name(s, i, 0, prefix, 20), some_document(s, i) };
    return n;
}

static size_t some_names(struct scratch *s, rag_slice *names, char prefix, unsigned of)
{
    const size_t n = some_count(s);
    for (size_t i = 0; i < n; i++)
        names[i] = some_name(s, i, 0, prefix, of);
    return n;
}

/* ---- steps of one store --------------------------------------------------------------------------- */

/* Steps with vectors begin with it: a space without rows is no difference to the content hash, so
 * it may be lost by itself. */
static rag_status define(rag_store *store, const rag_context *ctx, rag_error *err)
{
    rag_vector_space space = RAG_VECTOR_SPACE_INIT;
    space.dimension = WORK_DIMENSION;
    return rag_vector_define(store, ctx, WORK_SPACE, &space, err);
}

static rag_status put_kv(rag_store *store, const rag_context *ctx, struct scratch *s,
                         rag_error *err)
{
    rag_kv_item items[ITEMS_MAX];
    const char *name = some_namespace(s);
    return rag_kv_put_many(store, ctx, name, items, kv_items(s, items), NULL, err);
}

static rag_status delete_kv(rag_store *store, struct scratch *s, rag_error *err)
{
    rag_slice keys[ITEMS_MAX];
    const char *name = some_namespace(s);
    return rag_kv_delete_many(store, NULL, name, keys, some_names(s, keys, 'k', 40), NULL, NULL,
                              err);
}

static rag_status put_vectors(rag_store *store, const rag_context *ctx, struct scratch *s,
                              rag_error *err)
{
    rag_vector_item items[ITEMS_MAX];
    const rag_status status = define(store, ctx, err);
    if (status != RAG_OK)
        return status;
    return rag_vector_put_many(store, ctx, WORK_SPACE, items, vector_items(s, items), NULL, err);
}

static rag_status put_many_vectors(rag_store *store, struct scratch *s, rag_error *err)
{
    rag_status status = define(store, NULL, err);
    if (status != RAG_OK)
        return status;
    rag_vector_item *items = calloc(MANY, sizeof *items);
    float(*vectors)[WORK_DIMENSION] = calloc(MANY, sizeof *vectors);
    char(*ids)[16] = calloc(MANY, sizeof *ids);
    assert_non_null(items);
    assert_non_null(vectors);
    assert_non_null(ids);
    for (unsigned i = 0; i < MANY; i++) {
        work_vector(&s->rng, vectors[i]);
        (void)snprintf(ids[i], sizeof ids[i], "v%u", i);
        items[i] = (rag_vector_item){ rag_text(ids[i]), vectors[i], WORK_DIMENSION, rag_text("{}"),
                                      some_time(s) };
    }
    status = rag_vector_put_many(store, NULL, WORK_SPACE, items, MANY, NULL, err);
    free(ids);
    free(vectors);
    free(items);
    return status;
}

static rag_status delete_vectors(rag_store *store, struct scratch *s, rag_error *err)
{
    rag_slice ids[ITEMS_MAX];
    return rag_vector_delete_many(store, NULL, WORK_SPACE, ids, some_names(s, ids, 'v', SMALL_IDS),
                                  NULL, NULL, err);
}

static rag_status defer(rag_store *store, struct scratch *s, rag_error *err)
{
    rag_pending_item items[ITEMS_MAX];
    const rag_status status = define(store, NULL, err);
    if (status != RAG_OK)
        return status;
    const size_t n = some_count(s);
    for (size_t i = 0; i < n; i++) {
        const rag_slice id = some_name(s, i, 0, 'v', SMALL_IDS);
        items[i] = (rag_pending_item){ id, some_object(s, i), id, some_time(s) };
    }
    return rag_vector_defer_many(store, NULL, WORK_SPACE, items, n, NULL, err);
}

static rag_status defer_delete(rag_store *store, struct scratch *s, rag_error *err)
{
    rag_slice ids[ITEMS_MAX];
    return rag_vector_defer_delete(store, NULL, WORK_SPACE, ids, some_names(s, ids, 'v', SMALL_IDS),
                                   NULL, err);
}

static rag_status embed(void *user, const rag_slice *texts, size_t n, size_t dimension,
                        float *vectors, rag_error *err)
{
    (void)user, (void)err;
    for (size_t i = 0; i < n; i++) {
        struct rng rng = { 1 };
        for (size_t j = 0; j < texts[i].len; j++)
            rng.state = rng.state * 31 + ((const unsigned char *)texts[i].data)[j];
        work_vector(&rng, vectors + i * dimension);
    }
    return RAG_OK;
}

static rag_status flush_pending(rag_store *store, rag_error *err)
{
    const rag_status status = define(store, NULL, err);
    if (status != RAG_OK)
        return status;
    rag_embedder embedder = RAG_EMBEDDER_INIT;
    embedder.embed = embed;
    embedder.batch = 64;
    return rag_vector_flush(store, NULL, WORK_SPACE, &embedder, NULL, err);
}

static rag_status put_nodes(rag_store *store, const rag_context *ctx, struct scratch *s,
                            rag_error *err)
{
    rag_node nodes[ITEMS_MAX];
    const rag_put_mode mode = rng_below(&s->rng, 2) ? RAG_PUT_MERGE : RAG_PUT_REPLACE;
    return rag_graph_put_nodes(store, ctx, nodes, node_items(s, nodes), mode, NULL, err);
}

static rag_status put_edges(rag_store *store, const rag_context *ctx, struct scratch *s,
                            rag_error *err)
{
    rag_edge edges[ITEMS_MAX];
    return rag_graph_put_edges(store, ctx, edges, edge_items(s, edges), RAG_PUT_MERGE, NULL, err);
}

static rag_status delete_nodes(rag_store *store, struct scratch *s, rag_error *err)
{
    rag_slice labels[ITEMS_MAX];
    return rag_graph_delete_nodes(store, NULL, labels, some_names(s, labels, 'n', 30), NULL, NULL,
                                  err);
}

static rag_status delete_edges(rag_store *store, struct scratch *s, rag_error *err)
{
    rag_edge edges[ITEMS_MAX];
    rag_pair pairs[ITEMS_MAX];
    const size_t n = edge_items(s, edges);
    for (size_t i = 0; i < n; i++)
        pairs[i] = (rag_pair){ edges[i].source, edges[i].target };
    return rag_graph_delete_edges(store, NULL, pairs, n, NULL, NULL, err);
}

static rag_status put_documents(rag_store *store, const rag_context *ctx, struct scratch *s,
                                rag_error *err)
{
    rag_doc docs[ITEMS_MAX];
    return rag_docstatus_put_many(store, ctx, docs, doc_items(s, docs, 'd'), NULL, err);
}

static rag_status update_documents(rag_store *store, struct scratch *s, rag_error *err)
{
    rag_doc docs[ITEMS_MAX];
    return rag_docstatus_update_many(store, NULL, docs, doc_items(s, docs, 'd'), 1, NULL, err);
}

static rag_status delete_documents(rag_store *store, struct scratch *s, rag_error *err)
{
    rag_slice ids[ITEMS_MAX];
    return rag_docstatus_delete_many(store, NULL, ids, some_names(s, ids, 'd', 20), NULL, NULL,
                                     err);
}

/* ---- steps of all four --------------------------------------------------------------------------- */

static rag_status upsert(rag_store *store, struct scratch *all, rag_error *err)
{
    struct scratch s[5]; /* names and texts of its own for each part */
    rag_kv_item items[ITEMS_MAX];
    rag_vector_item vectors[ITEMS_MAX];
    rag_node nodes[ITEMS_MAX];
    rag_edge edges[ITEMS_MAX];
    rag_doc docs[ITEMS_MAX];
    const rag_status status = define(store, NULL, err);
    if (status != RAG_OK)
        return status;
    for (int i = 0; i < 5; i++)
        s[i] = (struct scratch){ .rng = { rng_next(&all->rng) }, .large = all->large };
    const rag_kv_batch kv = { "notes", items, kv_items(&s[0], items) };
    const rag_vector_batch vector = { WORK_SPACE, vectors, vector_items(&s[1], vectors) };
    rag_upsert u = RAG_UPSERT_INIT;
    u.kv = &kv;
    u.kv_count = 1;
    u.vectors = &vector;
    u.vector_count = 1;
    u.nodes = nodes;
    u.node_count = node_items(&s[2], nodes);
    u.edges = edges;
    u.edge_count = edge_items(&s[3], edges);
    u.docs = docs;
    u.doc_count = doc_items(&s[4], docs, 'u');
    return rag_coordinated_upsert(store, NULL, &u, NULL, err);
}

static rag_status write_in(rag_store *store, const rag_context *ctx, struct scratch *s,
                           rag_error *err)
{
    rag_status status = RAG_OK;
    for (unsigned n = 1 + rng_below(&s->rng, 5); n && status == RAG_OK; n--) {
        switch (rng_below(&s->rng, 5)) {
        case 0: status = put_vectors(store, ctx, s, err); break;
        case 1: status = put_nodes(store, ctx, s, err); break;
        case 2: status = put_edges(store, ctx, s, err); break;
        default: status = put_kv(store, ctx, s, err); break;
        }
    }
    return status;
}

static rag_status transaction(rag_store *store, struct scratch *s, int commit, rag_error *err)
{
    rag_txn *txn = NULL;
    rag_context ctx = RAG_CONTEXT_INIT;
    rag_status status = rag_txn_begin(store, NULL, &txn, err);
    if (status != RAG_OK)
        return status;
    ctx.txn = txn;
    status = write_in(store, &ctx, s, err);
    if (status == RAG_OK && commit)
        return rag_txn_commit(txn, NULL, NULL, err);
    rag_txn_abort(txn);
    return status;
}

static rag_status do_with(rag_store *store, enum step_kind kind, struct scratch *s, rag_error *err)
{
    switch (kind) {
    case STEP_KV_PUT: return put_kv(store, NULL, s, err);
    case STEP_KV_DELETE: return delete_kv(store, s, err);
    case STEP_KV_DROP: return rag_kv_drop(store, NULL, some_namespace(s), err);
    case STEP_VECTOR_DEFINE: return define(store, NULL, err);
    case STEP_VECTOR_PUT: return put_vectors(store, NULL, s, err);
    case STEP_VECTOR_MANY: return put_many_vectors(store, s, err);
    case STEP_VECTOR_DELETE: return delete_vectors(store, s, err);
    case STEP_VECTOR_DROP: return rag_vector_drop(store, NULL, "other", err);
    case STEP_PENDING: return defer(store, s, err);
    case STEP_PENDING_DELETE: return defer_delete(store, s, err);
    case STEP_PENDING_FLUSH: return flush_pending(store, err);
    case STEP_NODES_PUT: return put_nodes(store, NULL, s, err);
    case STEP_EDGES_PUT: return put_edges(store, NULL, s, err);
    case STEP_NODES_DELETE: return delete_nodes(store, s, err);
    case STEP_EDGES_DELETE: return delete_edges(store, s, err);
    case STEP_DOC_PUT: return put_documents(store, NULL, s, err);
    case STEP_DOC_UPDATE: return update_documents(store, s, err);
    case STEP_DOC_DELETE: return delete_documents(store, s, err);
    case STEP_UPSERT: return upsert(store, s, err);
    case STEP_TRANSACTION: return transaction(store, s, 1, err);
    case STEP_ABORT: return transaction(store, s, 0, err);
    case STEP_FLUSH: return rag_flush(store, NULL, 0, err);
    case STEP_OPTIMIZE: return rag_store_optimize(store, NULL, err);
    case STEP_COMPACT: return rag_store_compact(store, NULL, NULL, err);
    case STEP_KINDS: break;
    }
    fail_msg("no such step");
    return RAG_E_INVALID;
}

rag_status step_do(rag_store *store, struct step step, rag_error *err)
{
    struct scratch *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->rng.state = step.seed;
    s->large = malloc(TEXT_BYTES);
    assert_non_null(s->large);
    const rag_status status = do_with(store, step.kind, s, err);
    free(s->large);
    free(s);
    return status;
}

/* ---- opening ------------------------------------------------------------------------------------------ */

static unsigned new_page_size;

void set_page_size(unsigned bytes)
{
    new_page_size = bytes;
}

rag_status try_open(const char *path, unsigned flags, rag_store **out, rag_error *err)
{
    char url[4096 + 64];
    rag_open_options options = RAG_OPEN_OPTIONS_INIT;
    options.flags = flags;
    options.config_file = "";
    if (new_page_size && strcmp(path, "memory:") != 0)
        (void)snprintf(url, sizeof url, "%s?page_size=%u", path, new_page_size);
    else
        (void)snprintf(url, sizeof url, "%s", path);
    return rag_store_open(url, &options, NULL, out, err);
}

rag_store *must_open(const char *path, unsigned flags)
{
    rag_error err = RAG_ERROR_INIT;
    rag_store *store = NULL;
    if (try_open(path, flags, &store, &err) != RAG_OK)
        fail_msg("open %s: %s", path, err.message);
    return store;
}

static void hash_content(struct digest *digest, rag_store *store)
{
    rag_error err = RAG_ERROR_INIT;
    rag_result *rows = NULL;
    if (rag_store_content_hash(store, NULL, &rows, &err) != RAG_OK)
        fail_msg("content hash: %s", err.message);
    const rag_row *all = rag_result_row(rows, rag_result_count(rows) - 1);
    assert_int_equal(digest_add(digest, all->value.data, all->value.len, &err), RAG_OK);
    rag_result_free(rows);
}

static void hash_pending(struct digest *digest, rag_store *store)
{
    rag_error err = RAG_ERROR_INIT;
    rag_result *rows = NULL;
    const rag_status status =
        rag_vector_pending(store, NULL, WORK_SPACE, rag_text(""), 0, &rows, &err);
    if (status == RAG_E_NOT_FOUND)
        return;
    if (status != RAG_OK)
        fail_msg("pending rows: %s", err.message);
    for (size_t i = 0; i < rag_result_count(rows); i++) {
        const rag_row *row = rag_result_row(rows, i);
        assert_int_equal(digest_add(digest, row->key.data, row->key.len, &err), RAG_OK);
        assert_int_equal(digest_add(digest, row->value.data, row->value.len, &err), RAG_OK);
        assert_int_equal(digest_add(digest, row->found ? "+" : "-", 1, &err), RAG_OK);
    }
    rag_result_free(rows);
}

void content_hash(rag_store *store, char out[HASH_BYTES])
{
    rag_error err = RAG_ERROR_INIT;
    struct digest digest = DIGEST_INIT;
    assert_int_equal(digest_begin(&digest, &err), RAG_OK);
    hash_content(&digest, store);
    hash_pending(&digest, store);
    assert_int_equal(digest_end_hex(&digest, out, &err), RAG_OK);
}

/* ---- the boot -------------------------------------------------------------------------------------- */

static int (*open_before)(const char *path, int flags, mode_t mode);
static char boot_path[4096], boot_id[40];

static int open_boot(const char *path, int flags, mode_t mode)
{
    const int is_boot = strcmp(path, "/proc/sys/kernel/random/boot_id") == 0;
    return open_before(is_boot ? boot_path : path, flags, mode);
}

void boot(unsigned number)
{
    if (!open_before) {
        (void)snprintf(boot_path, sizeof boot_path, "%s", here("boot"));
        open_before = os_calls.open;
        os_calls.open = open_boot;
    }
    (void)snprintf(boot_id, sizeof boot_id, "00000000-0000-0000-0000-%012u", number);
    FILE *file = fopen(boot_path, "w");
    assert_non_null(file);
    assert_true(fputs(boot_id, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

void reboot(void)
{
    static unsigned boots;
    boot(boots++);
}

const char *boot_now(void)
{
    return boot_id;
}

/* ---- the model ------------------------------------------------------------------------------------------ */

struct model {
    rag_store *store; /* the state after all steps */
    struct step *steps;
    char (*hashes)[HASH_BYTES]; /* [k]: after k steps */
    size_t count, capacity;
};

static void start_over(struct model *m)
{
    rag_store_close(m->store);
    m->store = must_open("memory:", 0);
    content_hash(m->store, m->hashes[0]);
}

struct model *model_new(void)
{
    struct model *m = calloc(1, sizeof *m);
    assert_non_null(m);
    m->capacity = 64;
    m->steps = calloc(m->capacity, sizeof *m->steps);
    m->hashes = calloc(m->capacity + 1, sizeof *m->hashes);
    assert_true(m->steps && m->hashes);
    start_over(m);
    return m;
}

void model_free(struct model *m)
{
    if (!m)
        return;
    rag_store_close(m->store);
    free(m->steps);
    free(m->hashes);
    free(m);
}

static void must_do(rag_store *store, struct step step)
{
    rag_error err = RAG_ERROR_INIT;
    if (step_do(store, step, &err) != RAG_OK)
        fail_msg("model: %s: %s", step_name(step.kind), err.message);
}

/* What is only done to files means nothing to the model. */
static int changes_rows(enum step_kind kind)
{
    return kind != STEP_FLUSH && kind != STEP_OPTIMIZE && kind != STEP_COMPACT &&
           kind != STEP_ABORT;
}

void model_add(struct model *m, struct step step)
{
    if (m->count == m->capacity) {
        m->capacity *= 2;
        struct step *steps = realloc(m->steps, m->capacity * sizeof *m->steps);
        assert_non_null(steps);
        m->steps = steps;
        char(*hashes)[HASH_BYTES] = realloc(m->hashes, (m->capacity + 1) * sizeof *m->hashes);
        assert_non_null(hashes);
        m->hashes = hashes;
    }
    m->steps[m->count++] = step;
    if (changes_rows(step.kind)) {
        must_do(m->store, step);
        content_hash(m->store, m->hashes[m->count]);
    } else {
        memcpy(m->hashes[m->count], m->hashes[m->count - 1], HASH_BYTES);
    }
}

void model_cut(struct model *m, size_t count)
{
    if (count == m->count)
        return;
    start_over(m);
    m->count = count;
    for (size_t i = 0; i < count; i++)
        if (changes_rows(m->steps[i].kind))
            must_do(m->store, m->steps[i]);
}

size_t model_count(const struct model *m)
{
    return m->count;
}

size_t model_durable(const struct model *m, size_t before)
{
    const enum step_durable durable = step_durability(m->steps[m->count - 1].kind);
    const int changed = strcmp(m->hashes[m->count], m->hashes[m->count - 1]) != 0;
    return durable == DURABLE_ALWAYS || (durable == DURABLE_CHANGE && changed) ? m->count : before;
}

struct step model_step(const struct model *m, size_t i)
{
    return m->steps[i];
}

const char *model_hash(const struct model *m, size_t count)
{
    return m->hashes[count];
}

/* ---- files ------------------------------------------------------------------------------------------------ */

static int remove_one(const char *path, const struct stat *st, int what, struct FTW *walk)
{
    (void)st, (void)what, (void)walk;
    return remove(path);
}

void remove_tree(const char *path)
{
    enum { DESCRIPTORS = 16 };
    struct stat st;
    if (lstat(path, &st) == 0 && nftw(path, remove_one, DESCRIPTORS, FTW_DEPTH | FTW_PHYS) != 0)
        fail_msg("remove %s", path);
}

static void copy_file(const char *from, const char *to)
{
    static char block[1 << 16];
    const int in = open(from, O_RDONLY | O_CLOEXEC);
    const int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ssize_t n = 0;
    assert_true(in >= 0 && out >= 0);
    while ((n = read(in, block, sizeof block)) > 0)
        assert_int_equal(write(out, block, (size_t)n), n);
    assert_int_equal(n, 0);
    (void)close(in);
    (void)close(out);
}

void copy_directory(const char *from, const char *to)
{
    DIR *directory = opendir(from);
    assert_non_null(directory);
    assert_int_equal(mkdir(to, 0700), 0);
    for (const struct dirent *e = readdir(directory); e; e = readdir(directory)) {
        char a[4096], b[4096];
        if (e->d_name[0] == '.')
            continue;
        (void)snprintf(a, sizeof a, "%s/%s", from, e->d_name);
        (void)snprintf(b, sizeof b, "%s/%s", to, e->d_name);
        copy_file(a, b);
    }
    (void)closedir(directory);
}

char *read_file(const char *path, size_t *len)
{
    struct stat st;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    *len = (size_t)st.st_size;
    char *bytes = malloc(*len + 1);
    assert_non_null(bytes);
    assert_int_equal(read(fd, bytes, *len), *len);
    (void)close(fd);
    return bytes;
}

const char *here(const char *name)
{
    enum { KEPT = 8 };
    static char paths[KEPT][4096];
    static int used;
    for (int i = 0; i < used; i++)
        if (strcmp(strrchr(paths[i], '/') + 1, name) == 0)
            return paths[i];
    assert_true(used < KEPT);
    assert_non_null(getcwd(paths[used], sizeof paths[used] - 64));
    const size_t len = strlen(paths[used]);
    (void)snprintf(paths[used] + len, sizeof paths[used] - len, "/%s", name);
    return paths[used++];
}

unsigned long setting(const char *name, unsigned long otherwise)
{
    const char *text = getenv(name); /* NOLINT(concurrency-mt-unsafe) */
    return text && *text ? strtoul(text, NULL, 0) : otherwise;
}
