/* Shared namespaces: rag_shared_*.
 *
 * Written once over the KV slots and the transactions of a backend, so every backend has them; who
 * shares one is decided by what the backend shares: a store in memory by its one handle, a store on
 * disk by all processes that have it open. The record (shared_record.h) says who has joined.
 *
 * Waiting for the one that initialises is looking again, with pauses that grow, because between
 * processes nothing else is there on every backend; only a look that finds a change takes the
 * writer's turn.
 *
 * A value is kept as {"version":N,"value":{...}}. Versions of all keys come from one counter in the
 * record: a key that is deleted and put again does not get a version that it had before.
 *
 * What a handle has joined hangs in a list of the store, because closing leaves it. */
#include "core/context.h"
#include "core/json.h"
#include "core/process.h"
#include "core/result.h"
#include "core/slice_index.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include <ragstore/shared.h>

#include "core/alloc.h"
#include "shared_record.h"

static const char DATA_PREFIX[] = ".shared.";

#define PAUSE_MIN_NS INT64_C(1000000)
#define PAUSE_MAX_NS INT64_C(50000000)
/* How long closing a store waits for the writer's turn, for each namespace. */
enum { CLOSE_WAIT_MS = 5000 };

struct shared_join {
    struct shared_join *next;
    char name[];
};

/* ---- what a handle has joined --------------------------------------------------------------------- */

static struct shared_join **find_join(rag_store *store, const char *name)
{
    struct shared_join **at = &store->joins;
    while (*at && strcmp((*at)->name, name) != 0)
        at = &(*at)->next;
    return at;
}

static int has_joined(rag_store *store, const char *name)
{
    (void)pthread_mutex_lock(&store->txn_mutex);
    const int joined = *find_join(store, name) != NULL;
    (void)pthread_mutex_unlock(&store->txn_mutex);
    return joined;
}

static struct shared_join *new_join(const char *name, rag_error *err)
{
    const size_t size = strlen(name) + 1;
    struct shared_join *join = rag_alloc(sizeof *join + size);
    if (join)
        memcpy(join->name, name, size);
    else
        (void)rag_fail_memory(err);
    return join;
}

/* Takes `join` over. */
static void remember(rag_store *store, struct shared_join *join)
{
    (void)pthread_mutex_lock(&store->txn_mutex);
    if (!*find_join(store, join->name)) {
        join->next = store->joins;
        store->joins = join;
        join = NULL;
    }
    (void)pthread_mutex_unlock(&store->txn_mutex);
    rag_free(join);
}

static void forget(rag_store *store, const char *name)
{
    (void)pthread_mutex_lock(&store->txn_mutex);
    struct shared_join **at = find_join(store, name), *join = *at;
    if (join)
        *at = join->next;
    (void)pthread_mutex_unlock(&store->txn_mutex);
    rag_free(join);
}

/* The name under which this handle is a member. It stays: a child after fork() has other handles. */
static rag_status know_member(rag_store *store, rag_error *err)
{
    static atomic_ulong handles;
    (void)pthread_mutex_lock(&store->txn_mutex);
    rag_status status = RAG_OK;
    if (!*store->member) {
        char identity[PROCESS_IDENTITY_MAX];
        status = process_identity(identity, err);
        if (status == RAG_OK)
            (void)snprintf(store->member, sizeof store->member, "%s %lu", identity,
                           atomic_fetch_add(&handles, 1) + 1);
    }
    (void)pthread_mutex_unlock(&store->txn_mutex);
    return status;
}

/* ---- entering ------------------------------------------------------------------------------------- */

static rag_status enter(struct shared_call *s, rag_store *store, const rag_context *ctx,
                        const char *name, enum store_access access, rag_error *err)
{
    RAG_TRY(store_enter_kind(store, ctx, STORE_KV, name, access, &s->c, err));
    const size_t most = LIMIT_NAME_BYTES - (sizeof DATA_PREFIX - 1);
    s->name = rag_text(name);
    s->own = 0;
    if (s->name.len > most)
        return rag_fail(err, RAG_E_INVALID, "shared namespace '%.60s...' is longer than %zu bytes",
                        name, most);
    (void)snprintf(s->data, sizeof s->data, "%s%s", DATA_PREFIX, name);
    return RAG_OK;
}

/* For the calls that change who has joined. */
static rag_status enter_member(struct shared_call *s, rag_store *store, const rag_context *ctx,
                               const char *name, const char *what, rag_error *err)
{
    RAG_TRY(enter(s, store, ctx, name, STORE_WRITE, err));
    if (s->c.ctx.txn)
        return rag_fail(err, RAG_E_INVALID, "%s a shared namespace is no part of a transaction",
                        what);
    return know_member(store, err);
}

static rag_status fail_not_joined(const char *name, rag_error *err)
{
    return rag_fail(err, RAG_E_NOT_FOUND, "this handle has not joined the shared namespace '%s'",
                    name);
}

static rag_status enter_joined(struct shared_call *s, rag_store *store, const rag_context *ctx,
                               const char *name, enum store_access access, rag_error *err)
{
    RAG_TRY(enter(s, store, ctx, name, access, err));
    return has_joined(store, name) ? RAG_OK : fail_not_joined(name, err);
}

/* ---- join, ready, leave ------------------------------------------------------------------------------ */

/* What a look at the record says of one that joins. */
enum look { LOOK_WAIT, LOOK_JOINED, LOOK_CHANGE };

static enum look look_at(const struct shared_record *r, const char *me)
{
    if (shared_record_is_begun(r))
        return LOOK_WAIT;
    return r->ready && shared_record_has(r, me) ? LOOK_JOINED : LOOK_CHANGE;
}

/* With the writer's turn: become a member, and the initialiser when there is none. */
static rag_status change_joining(struct shared_call *s, const char *me, struct shared_record *r,
                                 int *told, rag_error *err)
{
    shared_record_keep_alive(r, NULL);
    if (!r->members.len)
        r->ready = 0; /* whatever is there was left behind by processes that died */
    if (!r->ready) {
        RAG_TRY(shared_empty(s, err));
        (void)snprintf(r->initialiser, sizeof r->initialiser, "%s", me);
        *told = 1;
    }
    RAG_TRY(shared_record_add(r, me, err));
    return shared_record_write(s, r, err);
}

/* One attempt: *look says how it ended (never LOOK_CHANGE), *told whether to initialise. */
static rag_status try_to_join(struct shared_call *s, const char *me, enum look *look, int *told,
                              rag_error *err)
{
    struct shared_record r;
    RAG_TRY(shared_record_read(s, &r, err));
    *look = look_at(&r, me);
    shared_record_free(&r);
    if (*look != LOOK_CHANGE)
        return RAG_OK;
    RAG_TRY(shared_begin(s, err));
    rag_status status = shared_record_read(s, &r, err);
    if (status == RAG_OK) {
        *look = look_at(&r, me); /* others may have been faster */
        if (*look == LOOK_CHANGE) {
            *look = LOOK_JOINED;
            status = change_joining(s, me, &r, told, err);
        }
        shared_record_free(&r);
    }
    return shared_end(s, status, err);
}

static rag_status pause_between(const struct shared_call *s, int64_t *pause_ns, rag_error *err)
{
    int64_t ns = *pause_ns;
    const int64_t deadline = s->c.ctx.deadline_ns;
    if (deadline) {
        const int64_t left = deadline - context_now_ns();
        if (left < ns)
            ns = left > 0 ? left : 0;
    }
    const struct timespec t = { 0, (long)ns };
    (void)nanosleep(&t, NULL);
    *pause_ns = *pause_ns * 2 < PAUSE_MAX_NS ? *pause_ns * 2 : PAUSE_MAX_NS;
    return context_check(&s->c.ctx, err);
}

/* The deadline may pass in a pause or in the middle of a look, which takes its time on a server. */
static rag_status fail_not_initialised(const struct shared_call *s, rag_error *err)
{
    (void)rag_fail(err, RAG_E_TIMEOUT, "shared namespace '%.*s' was not initialised in time",
                   RAG_SHOWN(s->name));
    rag_error_retryable(err, 1);
    return RAG_E_TIMEOUT;
}

rag_status rag_shared_join(rag_store *store, const rag_context *ctx, const char *name,
                           int *initialise, rag_error *err)
{
    struct shared_call s;
    RAG_TRY(enter_member(&s, store, ctx, name, "joining", err));
    RAG_TRY(check_out(initialise, err));
    struct shared_join *join = new_join(name, err);
    if (!join)
        return RAG_E_NO_MEMORY;
    int64_t pause_ns = PAUSE_MIN_NS;
    enum look look = LOOK_WAIT;
    int told = 0;
    rag_status status = try_to_join(&s, store->member, &look, &told, err);
    while (status == RAG_OK && look == LOOK_WAIT) {
        status = pause_between(&s, &pause_ns, err);
        if (status == RAG_OK)
            status = try_to_join(&s, store->member, &look, &told, err);
        if (status == RAG_E_TIMEOUT)
            status = fail_not_initialised(&s, err);
    }
    if (status != RAG_OK) {
        rag_free(join);
        return status;
    }
    remember(store, join);
    *initialise = told;
    return RAG_OK;
}

static rag_status set_ready(struct shared_call *s, const char *me, rag_error *err)
{
    struct shared_record r;
    RAG_TRY(shared_record_read(s, &r, err));
    rag_status status = RAG_OK;
    if (strcmp(r.initialiser, me) != 0) {
        status = rag_fail(err, RAG_E_CONFLICT,
                          "this handle was not told to initialise the shared namespace '%.*s'",
                          RAG_SHOWN(s->name));
    } else if (!r.ready) {
        r.ready = 1;
        status = shared_record_write(s, &r, err);
    }
    shared_record_free(&r);
    return status;
}

rag_status rag_shared_ready(rag_store *store, const rag_context *ctx, const char *name,
                            rag_error *err)
{
    struct shared_call s;
    RAG_TRY(enter_member(&s, store, ctx, name, "saying that one has initialised", err));
    RAG_TRY(shared_begin(&s, err));
    return shared_end(&s, set_ready(&s, store->member, err), err);
}

/* The initialiser that leaves before it is done is no member any more: the next one is told. */
static rag_status take_out(struct shared_call *s, const char *me, rag_error *err)
{
    struct shared_record r;
    RAG_TRY(shared_record_read(s, &r, err));
    rag_status status = RAG_OK;
    if (shared_record_has(&r, me)) {
        shared_record_keep_alive(&r, me);
        if (!r.members.len)
            status = shared_empty(s, err);
        if (status == RAG_OK)
            status = shared_record_write(s, &r, err);
    }
    shared_record_free(&r);
    return status;
}

rag_status rag_shared_leave(rag_store *store, const rag_context *ctx, const char *name,
                            rag_error *err)
{
    struct shared_call s;
    RAG_TRY(enter_member(&s, store, ctx, name, "leaving", err));
    if (!has_joined(store, name))
        return RAG_OK;
    RAG_TRY(shared_begin(&s, err));
    RAG_TRY(shared_end(&s, take_out(&s, store->member, err), err));
    forget(store, name);
    return RAG_OK;
}

/* Nobody is told when it does not work: the members of a process that has ended do not count. */
void shared_leave_all(rag_store *store, int in_child)
{
    while (store->joins) {
        struct shared_join *join = store->joins;
        if (!in_child) {
            rag_context ctx = RAG_CONTEXT_INIT;
            struct shared_call s;
            ctx.deadline_ns = rag_deadline_in_ms(CLOSE_WAIT_MS);
            rag_status status = enter(&s, store, &ctx, join->name, STORE_WRITE, NULL);
            if (status == RAG_OK)
                status = shared_begin(&s, NULL);
            if (status == RAG_OK)
                (void)shared_end(&s, take_out(&s, store->member, NULL), NULL);
        }
        store->joins = join->next;
        rag_free(join);
    }
}

/* ---- values ------------------------------------------------------------------------------------------- */

static const char VERSION_HEAD[] = "{\"version\":";
static const char VALUE_HEAD[] = ",\"value\":";

static rag_status wrap(struct arena *arena, int64_t version, rag_slice value, rag_slice *out,
                       rag_error *err)
{
    enum { HEAD_BYTES = 64 };
    char *text = arena_alloc(arena, HEAD_BYTES + value.len);
    if (!text)
        return rag_fail_memory(err);
    const int head =
        snprintf(text, HEAD_BYTES, "%s%" PRId64 "%s", VERSION_HEAD, version, VALUE_HEAD);
    memcpy(text + head, value.data, value.len);
    text[(size_t)head + value.len] = '}';
    *out = slice_of(text, (size_t)head + value.len + 1);
    return RAG_OK;
}

/* The number that `text` begins with and the length of its digits. */
static int64_t read_number(rag_slice text, size_t *digits)
{
    const char *p = text.data;
    int64_t n = 0;
    *digits = 0;
    while (*digits < text.len && *digits < 18 && p[*digits] >= '0' && p[*digits] <= '9')
        n = n * 10 + (p[(*digits)++] - '0');
    return n;
}

static int begins_with(rag_slice text, const char *head, size_t len)
{
    return text.len >= len && memcmp(text.data, head, len) == 0;
}

/* The stored text of `row` back into value and version. */
static rag_status unwrap(rag_row *row, rag_error *err)
{
    const size_t first = sizeof VERSION_HEAD - 1, second = sizeof VALUE_HEAD - 1;
    rag_slice rest = row->value;
    if (!row->found)
        return RAG_OK;
    if (begins_with(rest, VERSION_HEAD, first)) {
        size_t digits;
        rest = slice_of((const char *)rest.data + first, rest.len - first);
        row->number = read_number(rest, &digits);
        rest = slice_of((const char *)rest.data + digits, rest.len - digits);
        if (digits && begins_with(rest, VALUE_HEAD, second) && rest.len > second + 1) {
            row->value = slice_of((const char *)rest.data + second, rest.len - second - 1);
            return RAG_OK;
        }
    }
    return rag_fail(err, RAG_E_CORRUPT, "the shared value of key '%.*s' has no version",
                    RAG_SHOWN(row->key));
}

static rag_status append_unwrapped(const rag_result *stored, rag_result *out, rag_error *err)
{
    for (size_t i = 0; i < rag_result_count(stored); i++) {
        rag_row row = *rag_result_row(stored, i);
        RAG_TRY(unwrap(&row, err));
        RAG_TRY(rag_result_append(out, &row, err));
    }
    return RAG_OK;
}

static rag_status get(struct shared_call *s, const rag_slice *keys, size_t n, rag_result *out,
                      rag_error *err)
{
    rag_result *stored = rag_result_new(err);
    if (!stored)
        return RAG_E_NO_MEMORY;
    rag_status status = RAG_OK;
    if (n)
        status = s->c.driver->kv.get_many(&s->c.call, s->data, keys, n, stored, err);
    if (status == RAG_OK)
        status = append_unwrapped(stored, out, err);
    rag_result_free(stored);
    return status;
}

rag_status rag_shared_get(rag_store *store, const rag_context *ctx, const char *name,
                          const rag_slice *keys, size_t n, rag_result **out, rag_error *err)
{
    struct shared_call s;
    RAG_TRY(enter_joined(&s, store, ctx, name, STORE_READ, err));
    RAG_TRY(check_out(out, err));
    RAG_TRY(check_keys(keys, n, "key", err));
    rag_result *rows = rag_result_new(err);
    if (!rows)
        return RAG_E_NO_MEMORY;
    return store_hand_over(get(&s, keys, n, rows, err), rows, out);
}

static rag_status get_page(struct shared_call *s, rag_slice after, rag_result *page,
                           rag_result *out, rag_error *err)
{
    RAG_TRY(s->c.driver->kv.scan(&s->c.call, s->data, after, LIMIT_SCAN_MAX, page, err));
    return append_unwrapped(page, out, err);
}

/* One page is one state of the store; a namespace of more than LIMIT_SCAN_MAX keys takes several. */
static rag_status get_all(struct shared_call *s, rag_result *out, rag_error *err)
{
    rag_slice after = slice_of("", 0);
    rag_result *page = NULL;
    rag_status status = RAG_OK;
    do {
        rag_result *next = rag_result_new(err);
        status = next ? get_page(s, after, next, out, err) : RAG_E_NO_MEMORY;
        rag_result_free(page); /* `after` lived in it */
        page = next;
        after = status == RAG_OK ? rag_result_next(page) : slice_of("", 0);
    } while (after.len);
    rag_result_free(page);
    return status;
}

rag_status rag_shared_all(rag_store *store, const rag_context *ctx, const char *name,
                          rag_result **out, rag_error *err)
{
    struct shared_call s;
    RAG_TRY(enter_joined(&s, store, ctx, name, STORE_READ, err));
    RAG_TRY(check_out(out, err));
    rag_result *rows = rag_result_new(err);
    if (!rows)
        return RAG_E_NO_MEMORY;
    return store_hand_over(get_all(&s, rows, err), rows, out);
}

/* ---- changes -------------------------------------------------------------------------------------------- */

/* A key on its way through an update: what is there, then what will be. */
struct cell {
    rag_slice key, value; /* empty: absent */
    int64_t version;      /* 0: absent */
    int was_there, changed;
};

struct update {
    struct arena arena;
    struct slice_index index; /* key -> cell */
    struct cell *cells;
    size_t count;
    int64_t version; /* the newest one given */
};

static rag_status check_changes(const rag_shared_change *changes, size_t n, rag_error *err)
{
    RAG_TRY(check_count(changes, n, "changes", err));
    for (size_t i = 0; i < n; i++) {
        const rag_shared_change *c = &changes[i];
        RAG_TRY(check_key(c->key, "key", err));
        RAG_TRY(check_slice(c->value, "a value", err));
        if (c->value.len)
            RAG_TRY(json_check_object(c->value, "value of key", c->key, err));
        if (c->expected < -1)
            return rag_fail(err, RAG_E_INVALID, "key '%.*s': no version is %" PRId64,
                            RAG_SHOWN(c->key), c->expected);
        if (c->merge != 0 && c->merge != 1)
            return rag_fail(err, RAG_E_INVALID, "key '%.*s': merge is %d, not 0 or 1",
                            RAG_SHOWN(c->key), c->merge);
    }
    return RAG_OK;
}

/* The cells of all keys, as they are now. */
static rag_status load_cells(struct shared_call *s, const rag_shared_change *changes, size_t n,
                             struct update *u, rag_result *rows, rag_error *err)
{
    rag_slice *keys = arena_alloc(&u->arena, n * sizeof *keys);
    u->cells = arena_alloc(&u->arena, n * sizeof *u->cells);
    if (!keys || !u->cells)
        return rag_fail_memory(err);
    for (size_t i = 0; i < n; i++) {
        if (slice_index_find(&u->index, changes[i].key) != SLICE_INDEX_NONE)
            continue;
        RAG_TRY(slice_index_put(&u->index, changes[i].key, u->count, NULL, err));
        keys[u->count++] = changes[i].key;
    }
    RAG_TRY(get(s, keys, u->count, rows, err));
    for (size_t i = 0; i < u->count; i++) {
        const rag_row *row = rag_result_row(rows, i);
        u->cells[i] = (struct cell){ .key = keys[i] };
        if (row->found)
            u->cells[i] = (struct cell){ keys[i], row->value, row->number, 1, 0 };
    }
    return RAG_OK;
}

static rag_status merge_into(struct update *u, struct cell *cell, rag_slice value, rag_error *err)
{
    char *text;
    size_t len;
    RAG_TRY(json_merge(cell->value, value, &text, &len, err));
    const char *copy = arena_copy(&u->arena, text, len);
    rag_free(text);
    if (!copy)
        return rag_fail_memory(err);
    cell->value = slice_of(copy, len);
    return RAG_OK;
}

static rag_status change_cell(struct update *u, const rag_shared_change *change, rag_error *err)
{
    struct cell *cell = &u->cells[slice_index_find(&u->index, change->key)];
    if (change->expected >= 0 && change->expected != cell->version)
        return rag_fail(err, RAG_E_CONFLICT,
                        "key '%.*s' has version %" PRId64 ", %" PRId64 " was expected",
                        RAG_SHOWN(change->key), cell->version, change->expected);
    cell->changed = 1;
    if (!change->value.len) {
        cell->value = change->value;
        cell->version = 0;
        return RAG_OK;
    }
    if (change->merge && cell->version)
        RAG_TRY(merge_into(u, cell, change->value, err));
    else
        cell->value = change->value;
    cell->version = ++u->version;
    return RAG_OK;
}

/* Everything is checked: what remains is to write it. */
static rag_status write_cells(struct shared_call *s, struct update *u, rag_error *err)
{
    rag_kv_item *items = arena_alloc(&u->arena, u->count * sizeof *items);
    rag_slice *gone = arena_alloc(&u->arena, u->count * sizeof *gone);
    size_t item_count = 0, gone_count = 0;
    rag_token token = 0;
    uint64_t deleted = 0;
    if (!items || !gone)
        return rag_fail_memory(err);
    for (size_t i = 0; i < u->count; i++) {
        const struct cell *cell = &u->cells[i];
        if (!cell->version && cell->was_there) {
            gone[gone_count++] = cell->key;
        } else if (cell->version && cell->changed) {
            rag_kv_item *item = &items[item_count++];
            *item = (rag_kv_item){ .key = cell->key };
            RAG_TRY(wrap(&u->arena, cell->version, cell->value, &item->value, err));
        }
    }
    if (gone_count)
        RAG_TRY(s->c.driver->kv.delete_many(&s->c.call, s->data, gone, gone_count, &deleted, &token,
                                            err));
    if (item_count)
        RAG_TRY(s->c.driver->kv.put_many(&s->c.call, s->data, items, item_count, &token, err));
    return RAG_OK;
}

/* Inside the transaction: read, compare, write, and the counter of versions with it. */
static rag_status update_with(struct shared_call *s, const rag_shared_change *changes, size_t n,
                              struct shared_record *r, struct update *u, int *writing,
                              rag_error *err)
{
    rag_result *rows = rag_result_new(err);
    if (!rows)
        return RAG_E_NO_MEMORY;
    u->version = r->version;
    rag_status status = load_cells(s, changes, n, u, rows, err);
    for (size_t i = 0; status == RAG_OK && i < n; i++)
        status = change_cell(u, &changes[i], err);
    *writing = status == RAG_OK;
    if (status == RAG_OK)
        status = write_cells(s, u, err);
    if (status == RAG_OK && u->version != r->version) {
        r->version = u->version;
        status = shared_record_write(s, r, err);
    }
    rag_result_free(rows);
    return status;
}

rag_status rag_shared_update(rag_store *store, const rag_context *ctx, const char *name,
                             const rag_shared_change *changes, size_t n, rag_error *err)
{
    struct shared_call s;
    RAG_TRY(enter_joined(&s, store, ctx, name, STORE_WRITE, err));
    RAG_TRY(check_changes(changes, n, err));
    if (!n)
        return RAG_OK;
    struct update u = { .index = SLICE_INDEX_INIT };
    struct shared_record r = SHARED_RECORD_INIT;
    int writing = 0;
    RAG_TRY(shared_begin(&s, err));
    rag_status status = shared_record_read(&s, &r, err);
    if (status == RAG_OK && !shared_record_has(&r, store->member))
        status = fail_not_joined(name, err);
    if (status == RAG_OK)
        status = update_with(&s, changes, n, &r, &u, &writing, err);
    if (status != RAG_OK && writing && s.c.ctx.txn)
        s.c.ctx.txn->broken = 1; /* a part of it may have been written already */
    status = shared_end(&s, status, err);
    shared_record_free(&r);
    slice_index_free(&u.index);
    arena_free(&u.arena);
    return status;
}
