/* Stores that appear whole: a new store, and one that is built aside (RAG_OPEN_BUILD).
 *
 * A store is made in a file of its own, ragstore.db.build-<pid>-<random>, without journal and
 * without syncs, in one transaction: with no journal a page that does not fit into the cache is
 * simply written. Nobody sees the file. At the end it is committed, marked as a WAL database,
 * synced, renamed to ragstore.db under the writer's turn, and the directory is synced: at any
 * moment there is either no store or a whole one. With no journal nothing can be undone, so an
 * error after a change spoils the build, which can then only be thrown away.
 *
 * While it lives, the builder holds an open-file-description lock on byte 0 of the file (SQLite's
 * own locks are elsewhere): whoever gets that lock knows that the builder is dead and removes the
 * file. RAG_OPEN_REPLACE first empties the old store's log into its file and removes it, for sure,
 * so that a crash on either side of the rename leaves a whole store; that the log could be removed
 * and all lock bytes of the old file taken shows that nobody has it open. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/os.h"
#include "core/slice.h"
#include "db_internal.h"
#include "page_checksum.h"

enum { ALIVE_BYTE = 0 };
/* SQLite's lock bytes: PENDING, RESERVED and the SHARED range behind them. */
enum { SQLITE_LOCKS_AT = 0x40000000, SQLITE_LOCKS_LEN = 512 };

static const char *const companions[] = { "-wal", "-shm", "-journal" };
enum { COMPANIONS = sizeof companions / sizeof *companions };

/* `path` followed by `suffix`, in new memory. */
static char *with_suffix(const char *path, const char *suffix)
{
    const size_t a = strlen(path), b = strlen(suffix);
    char *joined = rag_alloc(a + b + 1);
    if (!joined)
        return NULL;
    memcpy(joined, path, a);
    memcpy(joined + a, suffix, b + 1);
    return joined;
}

static rag_status remove_companions(const char *path, rag_error *err)
{
    for (int i = 0; i < COMPANIONS; i++) {
        char *name = with_suffix(path, companions[i]);
        if (!name)
            return rag_fail_memory(err);
        const rag_status status = os_unlink(name, err);
        rag_free(name);
        RAG_TRY(status);
    }
    return RAG_OK;
}

/* What cannot be looked at may be there. */
static int exists(const char *path)
{
    struct stat st;
    return os_calls.stat(path, &st) == 0 || errno != ENOENT;
}

/* Remove the log of a store that was here, for sure: after a power cut it must not be found beside
 * another store with its name, whose log it would be taken for. */
static rag_status remove_old_log(const struct db *db, rag_error *err)
{
    char *log = with_suffix(db->path, companions[0]);
    if (!log)
        return rag_fail_memory(err);
    const int there = exists(log);
    rag_free(log);
    RAG_TRY(remove_companions(db->path, err));
    return there ? os_sync_directory(db->directory, err) : RAG_OK;
}

/* ---- files of dead builders ------------------------------------------------------------------------ */

static int is_companion(const char *name)
{
    for (int i = 0; i < COMPANIONS; i++)
        if (slice_ends_with(rag_text(name), companions[i]))
            return 1;
    return 0;
}

static void remove_if_dead(const char *path)
{
    int fd = -1;
    if (os_open(path, O_RDWR, &fd, NULL) != RAG_OK)
        return;
    if (os_try_lock(fd, ALIVE_BYTE, 1) && remove_companions(path, NULL) == RAG_OK)
        (void)os_unlink(path, NULL);
    os_close(fd);
}

void build_remove_dead(const char *directory)
{
    DIR *dir = os_open_directory(directory);
    if (!dir)
        return;
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        if (strncmp(entry->d_name, BUILD_PREFIX, strlen(BUILD_PREFIX)) != 0 ||
            is_companion(entry->d_name))
            continue;
        char *path = os_join(directory, entry->d_name);
        if (path)
            remove_if_dead(path);
        rag_free(path);
    }
    os_close_directory(dir);
}

/* ---- making the file --------------------------------------------------------------------------------- */

static void free_build(struct build *build)
{
    if (!build)
        return;
    os_close(build->lock_fd);
    rag_free(build->path);
    rag_free(build);
}

static void remove_files(const struct build *build)
{
    (void)remove_companions(build->path, NULL);
    (void)os_unlink(build->path, NULL);
}

/* Create the file and take its lock. A cleaner that looked in between may have removed it: then
 * the path does not lead to our file, and we begin again. */
static rag_status create_locked(struct build *build, int *again, rag_error *err)
{
    RAG_TRY(os_open(build->path, O_RDWR | O_CREAT | O_EXCL, &build->lock_fd, err));
    struct stat ours, there;
    *again = !os_try_lock(build->lock_fd, ALIVE_BYTE, 1) ||
             os_calls.fstat(build->lock_fd, &ours) != 0 ||
             os_calls.stat(build->path, &there) != 0 || ours.st_ino != there.st_ino;
    return RAG_OK;
}

static rag_status new_build(const char *directory, struct build **out, rag_error *err)
{
    enum { ATTEMPTS = 10 };
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        struct build *build = rag_alloc_zeroed(1, sizeof *build);
        if (!build)
            return rag_fail_memory(err);
        build->lock_fd = -1;
        unsigned random;
        sqlite3_randomness(sizeof random, &random);
        char name[BUILD_NAME_MAX];
        (void)snprintf(name, sizeof name, BUILD_PREFIX "%ld-%08x", (long)getpid(), random);
        build->path = os_join(directory, name);
        int again = 0;
        const rag_status status =
            build->path ? create_locked(build, &again, err) : rag_fail_memory(err);
        if (status == RAG_OK && !again) {
            *out = build;
            return RAG_OK;
        }
        free_build(build);
        RAG_TRY(status);
    }
    return rag_fail(err, RAG_E_CONFLICT, "files are removed from %s while a store is built there",
                    directory);
}

static rag_status prepare_file(struct connection *c, int page_size, rag_error *err)
{
    char sql[512];
    page_checksum_choose(c->base.sqlite, 1);
    (void)snprintf(sql, sizeof sql,
                   "PRAGMA page_size=%d; PRAGMA auto_vacuum=INCREMENTAL;"
                   "PRAGMA journal_mode=OFF; PRAGMA locking_mode=EXCLUSIVE;"
                   "BEGIN IMMEDIATE; PRAGMA application_id=%d; PRAGMA user_version=%d;",
                   page_size, SCHEMA_APPLICATION_ID, SCHEMA_VERSION);
    RAG_TRY(connection_exec(c, sql, err));
    for (const char *const *part = schema_create; *part; part++)
        RAG_TRY(connection_exec(c, *part, err));
    return RAG_OK;
}

rag_status build_start(struct db *db, const rag_context *ctx, rag_error *err)
{
    struct build *build = NULL;
    struct connection *c = NULL;
    RAG_TRY(new_build(db->directory, &build, err));
    rag_status status = connection_open(db, build->path, CONNECTION_BUILD, ctx, &c, err);
    if (status == RAG_OK)
        status = prepare_file(c, db->page_size, err);
    if (status == RAG_OK && db->secure_delete == 1) {
        status = connection_exec(c, "INSERT INTO meta VALUES('secure_delete', 2)", err);
        c->secure_delete = 1;
    }
    if (status != RAG_OK) {
        connection_close(c);
        remove_files(build);
        free_build(build);
        return status;
    }
    db->writer = c;
    db->build = build;
    return RAG_OK;
}

void build_abandon(struct db *db)
{
    struct build *build = db->build;
    if (!build)
        return;
    connection_close(db->writer);
    db->writer = NULL;
    remove_files(build);
    db->build = NULL;
    free_build(build);
}

/* ---- finishing it ------------------------------------------------------------------------------------------ */

/* Commit, mark as a WAL database, close, sync. The writer is gone afterwards. */
static rag_status finish(struct db *db, rag_error *err)
{
    struct build *build = db->build;
    struct connection *c = db->writer;
    statements_reset(c->base.statements);
    connection_serve(c, NULL);
    rag_status status = connection_exec(
        c,
        "UPDATE durable SET token = (SELECT generation FROM namespace WHERE id = 0);"
        "COMMIT; PRAGMA locking_mode=NORMAL; PRAGMA journal_mode=WAL;",
        err);
    sqlite3_int64 is_wal = 0;
    if (status == RAG_OK) /* the pragma answers with the mode that is in force, not with an error */
        status =
            connection_int(c, "SELECT journal_mode = 'wal' FROM pragma_journal_mode", &is_wal, err);
    if (status == RAG_OK && !is_wal)
        status = rag_fail(err, RAG_E_DATABASE, "%s cannot be made a WAL database", build->path);
    connection_close(c); /* as the last one: empties the log into the file and removes it */
    db->writer = NULL;
    if (status == RAG_OK)
        status = remove_companions(build->path, err);
    if (status == RAG_OK)
        status = os_fsync(build->lock_fd, build->path, err);
    if (status != RAG_OK)
        build->spoiled = 1;
    return status;
}

/* The finished file becomes the store; its builder's lock ends here. */
static rag_status move_into_place(struct db *db, rag_error *err)
{
    struct build *build = db->build;
    RAG_TRY(os_rename(build->path, db->path, err));
    db->build = NULL;
    free_build(build);
    return os_sync_directory(db->directory, err);
}

rag_status build_create_empty(struct db *db, const rag_context *ctx, rag_error *err)
{
    RAG_TRY(build_start(db, ctx, err));
    rag_status status = finish(db, err);
    if (status == RAG_OK)
        status = remove_old_log(db, err); /* a log without its store */
    if (status == RAG_OK)
        status = move_into_place(db, err);
    if (status != RAG_OK)
        build_abandon(db);
    return status;
}

/* ---- publishing --------------------------------------------------------------------------------------------- */

static rag_status check_counter(struct connection *c, const char *what, const char *sql,
                                rag_error *err)
{
    sqlite3_int64 wrong = 0;
    RAG_TRY(connection_int(c, sql, &wrong, err));
    if (wrong)
        return rag_fail(err, RAG_E_CORRUPT, "the kept number of %s is not the real one in %s", what,
                        c->base.db->path);
    return RAG_OK;
}

static rag_status check_counters(struct connection *c, rag_error *err)
{
    RAG_TRY(check_counter(c, "values",
                          "SELECT count(*) FROM namespace n WHERE kind = 1 AND"
                          " rows <> (SELECT count(*) FROM kv WHERE namespace = n.id)",
                          err));
    RAG_TRY(check_counter(c, "vectors",
                          "SELECT count(*) FROM namespace n WHERE kind = 2 AND"
                          " rows <> (SELECT count(*) FROM vector_key WHERE space = n.id)",
                          err));
    RAG_TRY(check_counter(c, "nodes",
                          "SELECT rows <> (SELECT count(*) FROM graph_node) FROM namespace"
                          " WHERE kind = 3",
                          err));
    RAG_TRY(check_counter(c, "edges",
                          "SELECT rows <> (SELECT count(*) FROM graph_edge) FROM namespace"
                          " WHERE kind = 4",
                          err));
    return check_counter(c, "documents",
                         "SELECT rows <> (SELECT count(*) FROM doc) FROM namespace WHERE kind = 5",
                         err);
}

static rag_status in_use(const struct db *db, rag_error *err)
{
    return rag_fail(err, RAG_E_CONFLICT, "%s is open elsewhere and cannot be replaced", db->path);
}

/* Closing may have failed to remove the log, which SQLite does not tell: the caller removes it. One that
 * holds something is of somebody who wrote after the checkpoint. */
static rag_status check_log_is_empty(const struct db *db, rag_error *err)
{
    struct stat st;
    char *log = with_suffix(db->path, "-wal");
    if (!log)
        return rag_fail_memory(err);
    rag_status status = RAG_OK;
    if (os_calls.stat(log, &st) != 0)
        status = errno == ENOENT ? RAG_OK : rag_fail_errno(err, errno, "look at %s", log);
    else if (st.st_size > 0)
        status = in_use(db, err);
    rag_free(log);
    return status;
}

/* Bring the old store to rest: all of it in its file, no log. *fd then holds all its locks. */
static rag_status retire_old(struct db *db, const rag_context *ctx, int *fd, rag_error *err)
{
    struct connection *c = NULL;
    RAG_TRY(connection_open(db, db->path, CONNECTION_LAST, ctx, &c, err));
    const int code =
        sqlite3_wal_checkpoint_v2(c->base.sqlite, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    rag_status status = RAG_OK;
    if ((code & 0xff) == SQLITE_BUSY)
        status = in_use(db, err);
    else if (code != SQLITE_OK)
        status = db_fail(&c->base, code, "checkpoint", err);
    connection_close(c);
    RAG_TRY(status);
    RAG_TRY(os_open(db->path, O_RDWR, fd, err));
    if (!os_try_lock(*fd, SQLITE_LOCKS_AT, SQLITE_LOCKS_LEN))
        return in_use(db, err);
    RAG_TRY(check_log_is_empty(db, err));
    return os_sync_directory(db->directory, err); /* as in remove_old_log() */
}

static int holds_something(const char *path)
{
    struct stat st;
    return os_calls.stat(path, &st) == 0 && st.st_size > 0;
}

static rag_status check_vacant(const struct db *db, rag_error *err)
{
    if (!(db->flags & RAG_OPEN_REPLACE) && holds_something(db->path))
        return rag_fail(err, RAG_E_CONFLICT, "%s exists already", db->path);
    return RAG_OK;
}

/* Under the turn of all processes: put the finished file where the store belongs. */
static rag_status replace(struct db *db, const rag_context *ctx, rag_error *err)
{
    int old_fd = -1;
    rag_status status = check_vacant(db, err);
    if (status == RAG_OK && holds_something(db->path))
        status = retire_old(db, ctx, &old_fd, err);
    if (status == RAG_OK)
        status = remove_old_log(db, err);
    if (status == RAG_OK)
        status = move_into_place(db, err);
    os_close(old_fd);
    return status;
}

/* From here on the turn is that of all processes; it is held when this returns RAG_OK. */
static rag_status share_gate(struct db *db, const rag_context *ctx, struct gate **out,
                             rag_error *err)
{
    struct gate *gate = gate_new();
    char *path = os_join(db->directory, LOCK_FILE);
    rag_status status = gate && path ? gate_attach(gate, path, err) : rag_fail_memory(err);
    rag_free(path);
    if (status == RAG_OK)
        status = gate_acquire(gate, ctx, db_deadline(db, ctx), err);
    if (status != RAG_OK) {
        gate_free(gate);
        return status;
    }
    *out = gate;
    return RAG_OK;
}

static rag_status publish_under_turn(struct db *db, const rag_context *ctx, rag_error *err)
{
    struct gate *own = db->gate, *shared = NULL;
    RAG_TRY(check_vacant(db, err));
    RAG_TRY(check_counters(db->writer, err));
    RAG_TRY(finish(db, err));
    rag_status status = share_gate(db, ctx, &shared, err);
    if (status == RAG_OK)
        status = replace(db, ctx, err);
    if (status != RAG_OK && db->build) { /* the name is not taken: as if never published */
        ((struct build *)db->build)->spoiled = 1;
        if (shared)
            gate_release(shared);
        gate_free(shared);
        return status;
    }
    if (status == RAG_OK)
        status = db_connect(db, ctx, err);
    if (status != RAG_OK) { /* it is there, but this handle cannot use it */
        db_break(db, status, "it could not be opened after it was published");
        rag_error_outcome(err, RAG_OUTCOME_APPLIED);
    }
    db->build_gate = own; /* threads may still be waiting at it: freed at close */
    db->gate = shared;
    gate_release(own);
    return status;
}

rag_status db_publish(const rag_call *call, rag_error *err)
{
    struct db *db = call->self;
    if (!db->build)
        return rag_fail(err, RAG_E_INVALID, "%s was not opened to be built", db->path);
    if (call->txn)
        return rag_fail(err, RAG_E_INVALID, "publish of %s inside a transaction", db->path);
    RAG_TRY(turn_take(db, call->ctx, err));
    const rag_status status = publish_under_turn(db, call->ctx, err);
    turn_leave(db);
    return status;
}
