/* Derived index files: which are valid, and making new ones.
 *
 * The database names the valid files (table vector_index). A file is written under a random name
 * that was never used, synced together with its directory entry, and only then named, in a durable
 * commit, which makes everything that it covers durable too: a power cut can lose rows, never leave a
 * valid file that knows rows the database has not. A file that no row names is garbage; its maker
 * holds a lock on it until it is named, so garbage is told from work by trying the lock.
 *
 * A space has a list of segments with ascending, disjoint ranges of slots. New rows make a segment
 * of their own, at a cost that depends on them alone; many or largely dead segments are made into
 * one. Nothing here is needed for right answers. */
#include "core/alloc.h"
#include "core/context.h"
#include "core/limits.h"
#include "core/os.h"
#include "core/slice.h"
#include "schema.h"
#include "stores.h"
#include "vector_cache.h"
#include "vector_rows.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum {
    TAIL_MIN_ROWS = 256,        /* a segment is not worth its file before */
    TAIL_MIN_ROWS_FLUSH = 8192, /* nor, in passing, before */
    SEGMENTS_WANTED = 8,
    MEAN_SAMPLES = 2048,
    BATCH_SLOTS = 1024
};

static const char SQL_ROWS[] = "SELECT uuid, first_slot, last_slot, rows, token, length, checksum"
                               " FROM vector_index WHERE space = ?1 ORDER BY first_slot";
static const char SQL_ADD[] =
    "INSERT INTO vector_index(uuid, space, first_slot, last_slot, rows, token, length, checksum)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
static const char SQL_DELETE[] = "DELETE FROM vector_index WHERE uuid = ?1";
static const char SQL_DELETE_SPACE[] = "DELETE FROM vector_index WHERE space = ?1";
static const char SQL_NAMED[] = "SELECT 1 FROM vector_index WHERE uuid = ?1";
static const char SQL_SPACE_NAMES[] = "SELECT name FROM namespace WHERE kind = 2 AND id > ?1"
                                      " ORDER BY id LIMIT 1";
static const char SQL_SPACE_ID[] = "SELECT id FROM namespace WHERE kind = 2 AND id > ?1"
                                   " ORDER BY id LIMIT 1";
static const char SQL_PARTS[] = "SELECT part, elements FROM vector_data"
                                " WHERE part >= ?1 AND part < ?2 ORDER BY part LIMIT ?3";
static const char SQL_NEXT_SLOT[] = "SELECT slot FROM vector_row WHERE slot >= ?1 AND slot < ?2"
                                    " ORDER BY slot LIMIT 1";
static const char SQL_TOKEN[] = "SELECT generation FROM namespace WHERE id = 0";

/* ---- the files that are valid --------------------------------------------------------------------- */

static rag_status load_rows(struct db_conn *conn, sqlite3_int64 space,
                            struct vector_index_row *rows, size_t *count, rag_error *err)
{
    sqlite3_stmt *stmt;
    int more;
    size_t n = 0;
    RAG_TRY(db_prepare(conn, SQL_ROWS, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, space);
    for (;;) {
        RAG_TRY(db_step(conn, stmt, &more, err));
        if (!more)
            break;
        const rag_slice uuid = db_column_slice(stmt, 0);
        if (n == VECTOR_SEGMENTS_MAX || uuid.len != VINDEX_UUID_SIZE)
            break; /* what we do not take counts as tail */
        struct vector_index_row *row = &rows[n++];
        memcpy(row->uuid, uuid.data, uuid.len);
        row->space = space;
        row->first_slot = sqlite3_column_int64(stmt, 1);
        row->last_slot = sqlite3_column_int64(stmt, 2);
        row->rows = sqlite3_column_int64(stmt, 3);
        row->token = sqlite3_column_int64(stmt, 4);
        row->length = sqlite3_column_int64(stmt, 5);
        row->checksum = sqlite3_column_int64(stmt, 6);
    }
    (void)sqlite3_reset(stmt);
    *count = n;
    return RAG_OK;
}

rag_status vector_segments_open(struct db_conn *conn, const struct space *space,
                                const rag_context *ctx, struct vector_segments *out, rag_error *err)
{
    struct vector_index_row rows[VECTOR_SEGMENTS_MAX];
    struct vector_cache *cache = db_vector_cache(conn->db);
    size_t count;
    *out = (struct vector_segments){ .covered = space_first_slot(space) };
    RAG_TRY(load_rows(conn, space->id, rows, &count, err));
    for (size_t i = 0; i < count && cache; i++) {
        rag_error why = RAG_ERROR_INIT;
        struct vector_cache_entry *entry;
        if (rows[i].first_slot <= out->covered)
            (void)rag_fail(&why, RAG_E_CORRUPT, "its files overlap");
        else
            (void)vector_cache_acquire(cache, db_directory(conn->db), &rows[i], &entry, &why);
        if (why.status != RAG_OK) {
            context_log(ctx, RAG_LOG_WARNING, "vector index not used: %s", why.message);
            break;
        }
        out->list[out->count] = (struct vector_segment){ vector_cache_index(entry),
                                                         rows[i].first_slot, rows[i].last_slot };
        out->holds[out->count++] = entry;
        out->covered = rows[i].last_slot;
    }
    if (cache)
        vector_cache_keep_only(cache, space->id, rows, count);
    return RAG_OK;
}

void vector_segments_close(struct db *db, struct vector_segments *segments)
{
    for (size_t i = 0; i < segments->count; i++)
        vector_cache_release(db_vector_cache(db), segments->holds[i]);
    segments->count = 0;
}

rag_status vector_index_forget(struct db_write *w, sqlite3_int64 space_id, rag_error *err)
{
    return db_run_for(w->conn, SQL_DELETE_SPACE, space_id, err);
}

/* ---- what to do ------------------------------------------------------------------------------------ */

/* What is asked for. */
struct upkeep {
    uint64_t tail_min; /* rows that are worth a segment */
    int compact;       /* also when it only takes deleted rows out of the files */
};

struct plan {
    struct space space;
    char name[LIMIT_NAME_BYTES + 1];
    struct vector_index_row old[VECTOR_SEGMENTS_MAX]; /* all that are named now */
    size_t old_count;
    size_t replaced;           /* 0: the new file is added; else all old ones go */
    sqlite3_int64 first, last; /* slots of the new file */
    uint64_t rows;             /* about how many it will have */
    sqlite3_int64 token;       /* everything up to it is in what we read */
    int build, forget;
};

static rag_status read_token(struct db_conn *conn, sqlite3_int64 *token, rag_error *err)
{
    sqlite3_stmt *stmt;
    int found;
    RAG_TRY(db_prepare(conn, SQL_TOKEN, &stmt, err));
    RAG_TRY(db_step(conn, stmt, &found, err));
    *token = found ? sqlite3_column_int64(stmt, 0) : 0;
    (void)sqlite3_reset(stmt);
    return RAG_OK;
}

/* Whether every file that is named can serve. */
static int files_are_whole(struct db *db, const struct plan *plan)
{
    struct vector_cache *cache = db_vector_cache(db);
    for (size_t i = 0; i < plan->old_count && cache; i++) {
        struct vector_cache_entry *entry;
        if (vector_cache_acquire(cache, db_directory(db), &plan->old[i], &entry, NULL) != RAG_OK)
            return 0;
        vector_cache_release(cache, entry);
    }
    return 1;
}

/* `purge`: codes of deleted rows are not left in a file. */
static void decide(struct plan *plan, uint64_t rows, uint64_t tail_min, int whole, int purge)
{
    const sqlite3_int64 zero = space_first_slot(&plan->space);
    sqlite3_int64 covered = zero;
    uint64_t indexed = 0;
    for (size_t i = 0; i < plan->old_count; i++) {
        indexed += (uint64_t)plan->old[i].rows;
        covered = plan->old[i].last_slot;
    }
    plan->last = zero + plan->space.next_slot - 1;
    const uint64_t tail = plan->last > covered ? (uint64_t)(plan->last - covered) : 0;
    const uint64_t dead = indexed + tail > rows ? indexed + tail - rows : 0;
    if (rows < VECTOR_INDEX_MIN_ROWS) {
        plan->forget = plan->old_count > 0;
        return;
    }
    const int worn = dead * 4 > indexed || tail * 2 > indexed || plan->old_count >= SEGMENTS_WANTED;
    if (!plan->old_count || !whole || (purge && dead) ||
        (worn && (tail >= tail_min || dead * 4 > indexed))) {
        plan->replaced = plan->old_count;
        plan->first = zero + 1;
        plan->rows = rows;
        plan->build = tail > 0 || plan->old_count > 0;
    } else if (tail >= tail_min) {
        plan->first = covered + 1;
        plan->rows = tail;
        plan->build = 1;
    }
}

static rag_status make_plan(struct db_conn *conn, const char *name, struct upkeep upkeep,
                            struct plan *plan, rag_error *err)
{
    uint64_t rows;
    int purge = 0;
    RAG_TRY(space_load(conn, name, &plan->space, err));
    RAG_TRY(load_rows(conn, plan->space.id, plan->old, &plan->old_count, err));
    RAG_TRY(db_namespace_rows(conn, plan->space.id, &rows, err));
    RAG_TRY(read_token(conn, &plan->token, err));
    if (upkeep.compact)
        RAG_TRY(db_secure_delete(conn, &purge, err));
    decide(plan, rows, upkeep.tail_min, files_are_whole(conn->db, plan), purge);
    return RAG_OK;
}

/* ---- building --------------------------------------------------------------------------------------- */

struct output {
    int fd;
    char *path;
};

static rag_status write_at(void *ctx, uint64_t offset, const void *data, size_t len, rag_error *err)
{
    const struct output *out = ctx;
    return os_write_all_at(out->fd, data, len, (off_t)offset, out->path, err);
}

/* Elements of one slot as floats. */
static const float *as_floats(const struct space *space, const void *elements,
                              struct buffer *floats)
{
    if (space->element == RAG_ELEMENT_FLOAT16)
        vindex_f16_to_f32(elements, space->dimension, (float *)(void *)floats->data);
    else
        memcpy(floats->data, elements, space_row_bytes(space));
    return (const float *)(const void *)floats->data;
}

struct build {
    const rag_call *call;
    const struct plan *plan;
    vindex_builder *builder;
    struct buffer scratch, floats;
    uint64_t rows;
};

static rag_status add_slot(struct build *b, sqlite3_int64 slot, const void *elements,
                           rag_error *err)
{
    b->rows++;
    return vindex_builder_add(b->builder, (uint64_t)slot,
                              as_floats(&b->plan->space, elements, &b->floats), err);
}

static rag_status take_piece(struct build *b, sqlite3_int64 part, rag_slice piece, rag_error *err)
{
    const struct space *space = &b->plan->space;
    const size_t row_bytes = space_row_bytes(space);
    if (part % SCHEMA_PARTS_MAX == 0)
        buffer_clear(&b->scratch);
    RAG_TRY(buffer_append(&b->scratch, piece.data, piece.len, err));
    if (part % SCHEMA_PARTS_MAX != space->parts - 1)
        return RAG_OK;
    if (b->scratch.len != row_bytes)
        return rag_fail(err, RAG_E_CORRUPT, "the vector in slot %lld has %zu bytes, not %zu",
                        (long long)(part / SCHEMA_PARTS_MAX), b->scratch.len, row_bytes);
    return add_slot(b, part / SCHEMA_PARTS_MAX, b->scratch.data, err);
}

/* Some slots from *from on, in a snapshot of their own; *from moves behind them. */
static rag_status add_batch(struct build *b, struct db_conn *conn, sqlite3_int64 *from,
                            rag_error *err)
{
    const sqlite3_int64 end = (b->plan->last + 1) * SCHEMA_PARTS_MAX;
    const sqlite3_int64 limit = (sqlite3_int64)BATCH_SLOTS * b->plan->space.parts;
    sqlite3_int64 part = 0, count = 0;
    sqlite3_stmt *stmt;
    int more;
    RAG_TRY(db_prepare(conn, SQL_PARTS, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, *from * SCHEMA_PARTS_MAX);
    (void)sqlite3_bind_int64(stmt, 2, end);
    (void)sqlite3_bind_int64(stmt, 3, limit);
    for (;; count++) {
        RAG_TRY(db_step(conn, stmt, &more, err));
        if (!more)
            break;
        part = sqlite3_column_int64(stmt, 0);
        RAG_TRY(take_piece(b, part, db_column_slice(stmt, 1), err));
    }
    (void)sqlite3_reset(stmt);
    *from = count == limit ? part / SCHEMA_PARTS_MAX + 1 : b->plan->last + 1;
    return RAG_OK;
}

static rag_status add_rows(struct build *b, rag_error *err)
{
    sqlite3_int64 from = b->plan->first;
    while (from <= b->plan->last) {
        struct db_conn *conn;
        RAG_TRY(context_check(b->call->ctx, err));
        RAG_TRY(db_read_begin(b->call, &conn, err));
        const rag_status status = add_batch(b, conn, &from, err);
        db_read_end(b->call, conn);
        RAG_TRY(status);
        context_progress(b->call->ctx, "vector index", b->rows, b->plan->rows, 0, 0);
    }
    return RAG_OK;
}

/* The first row at or after `slot`, added to the mean. */
static rag_status sample(struct build *b, struct db_conn *conn, sqlite3_int64 slot,
                         vindex_mean *mean, rag_error *err)
{
    sqlite3_stmt *stmt;
    const void *elements;
    int found;
    RAG_TRY(db_prepare(conn, SQL_NEXT_SLOT, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, slot);
    (void)sqlite3_bind_int64(stmt, 2, b->plan->last + 1);
    RAG_TRY(db_step(conn, stmt, &found, err));
    if (!found)
        return RAG_OK;
    RAG_TRY(vector_read_elements(conn, &b->plan->space, sqlite3_column_int64(stmt, 0), &b->scratch,
                                 &elements, err));
    if (elements)
        vindex_mean_add(mean, as_floats(&b->plan->space, elements, &b->floats));
    (void)sqlite3_reset(stmt);
    return RAG_OK;
}

static rag_status sample_mean(struct build *b, vindex_mean *mean, rag_error *err)
{
    const sqlite3_int64 slots = b->plan->last - b->plan->first + 1;
    const sqlite3_int64 step = slots > MEAN_SAMPLES ? slots / MEAN_SAMPLES : 1;
    struct db_conn *conn;
    RAG_TRY(db_read_begin(b->call, &conn, err));
    rag_status status = RAG_OK;
    for (sqlite3_int64 slot = b->plan->first; slot <= b->plan->last && status == RAG_OK;
         slot += step)
        status = sample(b, conn, slot, mean, err);
    db_read_end(b->call, conn);
    return status;
}

static rag_status create_builder(struct build *b, const uint8_t *uuid, struct output *output,
                                 rag_error *err)
{
    const struct space *space = &b->plan->space;
    vindex_mean *mean = NULL;
    struct buffer average = BUFFER_INIT(LIMIT_VALUE_BYTES);
    rag_status status;
    RAG_TRY_CLEANUP(buffer_reserve(&b->floats, space->dimension * sizeof(float), err));
    RAG_TRY_CLEANUP(buffer_reserve(&average, space->dimension * sizeof(float), err));
    RAG_TRY_CLEANUP(vindex_mean_create((vindex_metric)space->metric, space->dimension, &mean, err));
    RAG_TRY_CLEANUP(sample_mean(b, mean, err));
    vindex_mean_get(mean, (float *)(void *)average.data);
    vindex_build_options options = {
        .metric = (vindex_metric)space->metric,
        .dim = space->dimension,
        .mean = (const float *)(const void *)average.data,
        .seed = 1,
        .covered = (uint64_t)b->plan->token,
    };
    memcpy(options.uuid, uuid, sizeof options.uuid);
    const vindex_sink sink = { output, write_at };
    status = vindex_builder_create(&options, &sink, &b->builder, err);
cleanup:
    vindex_mean_free(mean);
    buffer_free(&average);
    return status;
}

static rag_status build_file(const rag_call *call, const struct plan *plan, const uint8_t *uuid,
                             struct output *output, struct vector_index_row *row, rag_error *err)
{
    struct build b = { .call = call,
                       .plan = plan,
                       .scratch = BUFFER_INIT(LIMIT_VALUE_BYTES),
                       .floats = BUFFER_INIT(LIMIT_VALUE_BYTES) };
    uint64_t length, checksum;
    rag_status status;
    RAG_TRY_CLEANUP(create_builder(&b, uuid, output, err));
    RAG_TRY_CLEANUP(add_rows(&b, err));
    RAG_TRY_CLEANUP(vindex_builder_finish(b.builder, &length, &checksum, err));
    RAG_TRY_CLEANUP(os_fsync(output->fd, output->path, err));
    *row = (struct vector_index_row){ .space = plan->space.id,
                                      .first_slot = plan->first,
                                      .last_slot = plan->last,
                                      .rows = (int64_t)b.rows,
                                      .token = plan->token,
                                      .length = (int64_t)length,
                                      .checksum = (int64_t)checksum };
    memcpy(row->uuid, uuid, sizeof row->uuid);
cleanup:
    vindex_builder_free(b.builder);
    buffer_free(&b.scratch);
    buffer_free(&b.floats);
    return status;
}

/* ---- naming and removing ----------------------------------------------------------------------------- */

static rag_status is_named(struct db_conn *conn, const uint8_t *uuid, int *named, rag_error *err)
{
    sqlite3_stmt *stmt;
    RAG_TRY(db_prepare(conn, SQL_NAMED, &stmt, err));
    db_bind_slice(stmt, 1, slice_of(uuid, VINDEX_UUID_SIZE));
    RAG_TRY(db_step(conn, stmt, named, err));
    (void)sqlite3_reset(stmt);
    return RAG_OK;
}

/* Whether the valid files are still those that the plan was made from. */
static rag_status check_unchanged(struct db_conn *conn, const struct plan *plan, rag_error *err)
{
    struct vector_index_row rows[VECTOR_SEGMENTS_MAX];
    struct space now;
    size_t count;
    const rag_status status = space_load(conn, plan->name, &now, err);
    if (status != RAG_OK && status != RAG_E_NOT_FOUND)
        return status;
    RAG_TRY(load_rows(conn, plan->space.id, rows, &count, err));
    int same = status == RAG_OK && now.id == plan->space.id && count == plan->old_count;
    for (size_t i = 0; i < count && same; i++)
        same = memcmp(rows[i].uuid, plan->old[i].uuid, VINDEX_UUID_SIZE) == 0;
    return same
               ? RAG_OK
               : rag_fail(err, RAG_E_CONFLICT, "'%s' was indexed or dropped meanwhile", plan->name);
}

static rag_status name_in(struct db_write *w, const struct plan *plan,
                          const struct vector_index_row *row, rag_error *err)
{
    sqlite3_stmt *stmt;
    RAG_TRY(check_unchanged(w->conn, plan, err));
    for (size_t i = 0; i < plan->replaced; i++) {
        RAG_TRY(db_prepare(w->conn, SQL_DELETE, &stmt, err));
        db_bind_slice(stmt, 1, slice_of(plan->old[i].uuid, VINDEX_UUID_SIZE));
        RAG_TRY(db_run(w->conn, stmt, err));
    }
    RAG_TRY(db_prepare(w->conn, SQL_ADD, &stmt, err));
    db_bind_slice(stmt, 1, slice_of(row->uuid, VINDEX_UUID_SIZE));
    const int64_t values[] = { row->space, row->first_slot, row->last_slot, row->rows,
                               row->token, row->length,     row->checksum };
    for (int i = 0; i < (int)(sizeof values / sizeof *values); i++)
        (void)sqlite3_bind_int64(stmt, i + 2, values[i]);
    return db_run(w->conn, stmt, err);
}

static rag_status publish(const rag_call *call, const struct plan *plan,
                          const struct vector_index_row *row, rag_error *err)
{
    struct db_write w;
    RAG_TRY(db_write_begin_durable(call, &w, err));
    return db_write_end(&w, name_in(&w, plan, row, err), NULL, err);
}

static int parse_name(const char *name, uint8_t *uuid)
{
    char check[VECTOR_INDEX_NAME_MAX];
    if (strlen(name) != 8 + 2 * VINDEX_UUID_SIZE + 4)
        return 0;
    for (size_t i = 0; i < VINDEX_UUID_SIZE; i++) {
        unsigned byte = 0;
        for (size_t j = 0; j < 2; j++) {
            const char c = name[8 + 2 * i + j];
            byte = byte * 16 + (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
        }
        uuid[i] = (uint8_t)byte;
    }
    vector_index_file_name(uuid, check);
    return strcmp(check, name) == 0;
}

static void remove_if_garbage(struct db_conn *conn, const char *name)
{
    uint8_t uuid[VINDEX_UUID_SIZE];
    int named, fd;
    if (!parse_name(name, uuid) || is_named(conn, uuid, &named, NULL) != RAG_OK || named)
        return;
    char *path = os_join(db_directory(conn->db), name);
    if (path && os_open(path, O_RDWR, &fd, NULL) == RAG_OK) {
        if (os_try_lock(fd, 0, 0)) /* its maker is gone, or it was replaced */
            (void)os_unlink(path, NULL);
        os_close(fd);
    }
    rag_free(path);
}

/* Needs the writer's turn: between making a file and naming it nobody else may look. Failing to
 * remove garbage harms nothing; the next one tries again. */
void vector_index_remove_garbage(const rag_call *call)
{
    struct db_write w;
    if (db_write_begin(call, &w, NULL) != RAG_OK)
        return;
    DIR *directory = os_open_directory(db_directory(w.conn->db));
    for (const struct dirent *e = directory ? readdir(directory) : NULL; e; e = readdir(directory))
        remove_if_garbage(w.conn, e->d_name);
    if (directory)
        os_close_directory(directory);
    (void)db_write_end(&w, RAG_E_CANCELLED, NULL, NULL); /* nothing to commit */
}

static rag_status forget(const rag_call *call, const struct plan *plan, rag_error *err)
{
    struct db_write w; /* durable: the files go right after */
    RAG_TRY(db_write_begin_durable(call, &w, err));
    return db_write_end(&w, vector_index_forget(&w, plan->space.id, err), NULL, err);
}

/* Lock the new file, which says that it is being made. Somebody who collects garbage may have come
 * between making and locking it: then it is his. */
static rag_status claim_file(const struct output *output, const struct plan *plan, rag_error *err)
{
    struct stat ours, there;
    if (!os_try_lock(output->fd, 0, 0) || os_calls.fstat(output->fd, &ours) != 0 ||
        os_calls.stat(output->path, &there) != 0 || ours.st_ino != there.st_ino)
        return rag_fail(err, RAG_E_CONFLICT, "the new index file of '%s' was taken for garbage",
                        plan->name);
    return RAG_OK;
}

/* An index file of a store that is not published yet is named by no database that others can see:
 * its lock stays until then. */
static void let_go(struct db *db, struct output *output, rag_status status)
{
    struct vector_cache *cache = db_vector_cache(db);
    if (status == RAG_OK && db_is_bulk(db) && cache && vector_cache_keep_lock(cache, output->fd))
        return;
    os_close(output->fd);
}

static rag_status build(const rag_call *call, struct db *db, const struct plan *plan,
                        rag_error *err)
{
    uint8_t uuid[VINDEX_UUID_SIZE];
    char name[VECTOR_INDEX_NAME_MAX];
    struct output output = { -1, NULL };
    struct vector_index_row row;
    rag_status status;
    if (getrandom(uuid, sizeof uuid, 0) != (ssize_t)sizeof uuid)
        return rag_fail_errno(err, errno, "random bytes for a file name");
    vector_index_file_name(uuid, name);
    output.path = os_join(db_directory(db), name);
    if (!output.path)
        return rag_fail_memory(err);
    RAG_TRY_CLEANUP(os_open(output.path, O_RDWR | O_CREAT | O_EXCL, &output.fd, err));
    RAG_TRY_CLEANUP(claim_file(&output, plan, err));
    RAG_TRY_CLEANUP(build_file(call, plan, uuid, &output, &row, err));
    RAG_TRY_CLEANUP(os_sync_directory(db_directory(db), err));
    status = publish(call, plan, &row, err);
cleanup:
    /* When the outcome of naming it is not known it may be named: garbage collection decides. */
    if (status != RAG_OK && output.fd >= 0 && err && err->outcome != RAG_OUTCOME_UNKNOWN)
        (void)os_unlink(output.path, NULL);
    let_go(db, &output, status);
    rag_free(output.path);
    return status;
}

/* A space with vectors too long for the codes has no index and is searched row by row. */
static rag_status build_unless_extreme(const rag_call *call, struct db *db, const struct plan *plan,
                                       rag_error *err)
{
    rag_error why = RAG_ERROR_INIT;
    const rag_status status = build(call, db, plan, &why);
    if (status == RAG_E_INVALID) {
        context_log(call->ctx, RAG_LOG_WARNING, "no vector index of '%s': %s", plan->name,
                    why.message);
        return RAG_OK;
    }
    return rag_pass(status, &why, err);
}

/* ---- all spaces ---------------------------------------------------------------------------------------- */

/* The space with the smallest id above *id; *id 0 when there is none. */
static rag_status next_space(struct db_conn *conn, sqlite3_int64 *id, char *name, rag_error *err)
{
    sqlite3_stmt *stmt;
    int found;
    const sqlite3_int64 after = *id;
    RAG_TRY(db_prepare(conn, SQL_SPACE_ID, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, after);
    RAG_TRY(db_step(conn, stmt, &found, err));
    *id = found ? sqlite3_column_int64(stmt, 0) : 0;
    (void)sqlite3_reset(stmt);
    if (*id <= after) /* out of order only where it is damaged, and we would go in circles */
        *id = 0;
    if (!*id)
        return RAG_OK;
    RAG_TRY(db_prepare(conn, SQL_SPACE_NAMES, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, after);
    RAG_TRY(db_step(conn, stmt, &found, err));
    const rag_slice text = db_column_slice(stmt, 0);
    if (text.len > LIMIT_NAME_BYTES)
        return rag_fail(err, RAG_E_CORRUPT, "a vector space has a name of %zu bytes", text.len);
    memcpy(name, text.data, text.len);
    name[text.len] = 0;
    (void)sqlite3_reset(stmt);
    return RAG_OK;
}

static rag_status plan_next(const rag_call *call, sqlite3_int64 *id, struct upkeep upkeep,
                            struct plan *plan, struct db **db, rag_error *err)
{
    struct db_conn *conn;
    *plan = (struct plan){ 0 };
    RAG_TRY(db_read_begin(call, &conn, err));
    *db = conn->db;
    rag_status status = next_space(conn, id, plan->name, err);
    if (status == RAG_OK && *id) {
        status = make_plan(conn, plan->name, upkeep, plan, err);
        if (status == RAG_E_NOT_FOUND) /* dropped: its counters stay */
            status = RAG_OK;
    }
    db_read_end(call, conn);
    return status;
}

static rag_status maintain(const rag_call *call, struct upkeep upkeep, rag_error *err)
{
    struct plan *plan = rag_alloc(sizeof *plan);
    struct db *db = NULL;
    sqlite3_int64 id = 0;
    int changed = 0;
    rag_error why = RAG_ERROR_INIT;
    if (!plan)
        return rag_fail_memory(err);
    rag_status status;
    do {
        status = plan_next(call, &id, upkeep, plan, &db, &why);
        if (status == RAG_OK && plan->build)
            status = build_unless_extreme(call, db, plan, &why);
        else if (status == RAG_OK && plan->forget)
            status = forget(call, plan, &why);
        changed |= plan->build || plan->forget;
        if (status == RAG_E_CONFLICT) /* somebody else did it */
            status = RAG_OK;
    } while (status == RAG_OK && id);
    if (changed && !db_is_bulk(db))
        vector_index_remove_garbage(call);
    rag_free(plan);
    return rag_pass(status, &why, err);
}

rag_status vector_index_optimize(const rag_call *call, rag_error *err)
{
    return maintain(call, (struct upkeep){ .tail_min = TAIL_MIN_ROWS }, err);
}

rag_status vector_index_compact(const rag_call *call, rag_error *err)
{
    return maintain(call, (struct upkeep){ .tail_min = TAIL_MIN_ROWS, .compact = 1 }, err);
}

rag_status vector_index_after_flush(const rag_call *call, rag_error *err)
{
    return maintain(call, (struct upkeep){ .tail_min = TAIL_MIN_ROWS_FLUSH }, err);
}
