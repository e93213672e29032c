/* Connections: opening one on the right kind of file, its settings, and the pool of readers.
 *
 * The header of the file is looked at before any statement runs, through SQLite's own file (opening
 * and closing another descriptor would drop the POSIX locks of another SQLite in this process): a
 * file of another program is refused without leaving a trace in its folder.
 * A store may be replaced while it is opened (RAG_OPEN_REPLACE renames the new one over it). Once a
 * connection has read, it holds SHARED and nobody replaces the file any more; so it is looked at
 * then whether the path still means this file, and if not all starts again.
 * Waiting for foreign locks ends with the deadline of the call that the connection serves, and so
 * do long statements (progress handler). Between calls it serves nobody and waits for nothing. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/os.h"
#include "db_internal.h"
#include "dictionary.h"
#include "page_checksum.h"
#include "schema_old.h"
#include "sqlite_os.h"

enum {
    HEADER_BYTES = 100,
    HEADER_RESERVED_AT = 20,
    HEADER_VERSION_AT = 60,
    HEADER_APPLICATION_AT = 68
};
enum { OPEN_ATTEMPTS = 10 };

int64_t db_deadline(const struct db *db, const rag_context *ctx)
{
    if (ctx->deadline_ns)
        return ctx->deadline_ns;
    return rag_deadline_in_ms(db->lock_timeout_ms);
}

/* ---- handlers ---------------------------------------------------------------------------------- */

static int on_progress(void *argument)
{
    const struct connection *c = argument;
    return c->ctx && context_check(c->ctx, NULL) != RAG_OK;
}

/* Another SQLite (not of this library: we queue at the gate) or a recovery holds a lock. */
static int on_busy(void *argument, int count)
{
    struct connection *c = argument;
    const int64_t now = context_now_ns();
    if (count == 0)
        c->busy_since_ns = now;
    const int64_t until = c->busy_limit_ns ? c->busy_since_ns + c->busy_limit_ns : c->busy_until_ns;
    if (now >= until || (c->ctx && context_check(c->ctx, NULL) != RAG_OK))
        return 0;
    int64_t pause = (now - c->busy_since_ns) / 8;
    pause = pause < 50000 ? 50000 : pause > 2000000 ? 2000000 : pause;
    const struct timespec t = { .tv_nsec = (long)pause };
    (void)nanosleep(&t, NULL);
    return 1;
}

void connection_serve(struct connection *c, const rag_context *ctx)
{
    c->ctx = ctx;
    c->busy_until_ns = ctx ? db_deadline(c->base.db, ctx) : 0;
}

/* ---- statements that give nothing or one number -------------------------------------------------- */

rag_status connection_exec(struct connection *c, const char *sql, rag_error *err)
{
    const int code = sqlite3_exec(c->base.sqlite, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? RAG_OK : db_fail(&c->base, code, "prepare", err);
}

rag_status connection_int(struct connection *c, const char *sql, sqlite3_int64 *out, rag_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(c->base.sqlite, sql, -1, &stmt, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(stmt);
    rag_status status = RAG_OK;
    if (code == SQLITE_ROW)
        *out = sqlite3_column_int64(stmt, 0);
    else
        status = db_fail(&c->base, code == SQLITE_DONE ? SQLITE_CORRUPT : code, "read", err);
    (void)sqlite3_finalize(stmt);
    return status;
}

/* ---- is it a store? -------------------------------------------------------------------------------- */

static uint32_t big_endian(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static rag_status check_version(const char *path, uint32_t version, rag_error *err)
{
    if (version > SCHEMA_VERSION)
        return rag_fail(err, RAG_E_VERSION,
                        "%s has format version %u; this library reads up to version %d", path,
                        version, SCHEMA_VERSION);
    if (version < 1)
        return rag_fail(err, RAG_E_CORRUPT, "%s has no format version", path);
    return RAG_OK;
}

static rag_status check_header(struct connection *c, const char *path, rag_error *err)
{
    sqlite3_file *file = NULL;
    unsigned char header[HEADER_BYTES] = { 0 };
    if (sqlite3_file_control(c->base.sqlite, "main", SQLITE_FCNTL_FILE_POINTER, &file) ||
        !file->pMethods)
        return db_fail(&c->base, SQLITE_CANTOPEN, "open", err);
    const int code = file->pMethods->xRead(file, header, sizeof header, 0);
    if (code != SQLITE_OK && code != SQLITE_IOERR_SHORT_READ)
        return db_fail(&c->base, code, "read the header of", err);
    if (code != SQLITE_OK || memcmp(header, "SQLite format 3", 16) != 0)
        return rag_fail(err, RAG_E_CORRUPT,
                        "%s is not a ragstore store: its header is not that of a database", path);
    const uint32_t application = big_endian(header + HEADER_APPLICATION_AT);
    if (application != SCHEMA_APPLICATION_ID)
        return rag_fail(err, RAG_E_INVALID,
                        "%s is a database of another program (application id 0x%08x), not a "
                        "ragstore store",
                        path, application);
    const uint32_t version = big_endian(header + HEADER_VERSION_AT);
    RAG_TRY(check_version(path, version, err));
    const int reserved = version == SCHEMA_VERSION ? PAGE_CHECKSUM_BYTES : 0;
    if (header[HEADER_RESERVED_AT] != reserved) /* or checksums would be switched off unnoticed */
        return rag_fail(err, RAG_E_CORRUPT,
                        "%s has format version %u, but the end of each page has %d bytes of "
                        "checksum instead of %d",
                        path, version, header[HEADER_RESERVED_AT], reserved);
    return RAG_OK;
}

/* ---- opening ------------------------------------------------------------------------------------------ */

static rag_status configure(struct connection *c, enum connection_kind kind, rag_error *err)
{
    sqlite3 *sqlite = c->base.sqlite;
    int ok = 1;
    ok &= sqlite3_db_config(sqlite, SQLITE_DBCONFIG_DQS_DML, 0, NULL) == SQLITE_OK;
    ok &= sqlite3_db_config(sqlite, SQLITE_DBCONFIG_DQS_DDL, 0, NULL) == SQLITE_OK;
    ok &= sqlite3_db_config(sqlite, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL) == SQLITE_OK;
    if (kind != CONNECTION_BUILD && kind != CONNECTION_LAST)
        ok &= sqlite3_db_config(sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL) == SQLITE_OK;
    if (kind != CONNECTION_BUILD) /* it would forbid journal_mode=OFF */
        ok &= sqlite3_db_config(sqlite, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL) == SQLITE_OK;
    if (!ok)
        return rag_fail(err, RAG_E_UNSUPPORTED, "SQLite %s does not take our settings",
                        sqlite3_libversion());
    (void)sqlite3_wal_autocheckpoint(sqlite, 0);
    (void)sqlite3_busy_handler(sqlite, on_busy, c);
    sqlite3_progress_handler(sqlite, PROGRESS_STEPS, on_progress, c);

    const int cache_kb = kind == CONNECTION_READER  ? CACHE_READER_KB
                         : kind == CONNECTION_BUILD ? CACHE_BUILD_KB
                                                    : CACHE_WRITER_KB;
    char sql[256];
    (void)snprintf(sql, sizeof sql,
                   "PRAGMA mmap_size=0; PRAGMA cache_size=-%d; PRAGMA temp_store=MEMORY;"
                   "PRAGMA cell_size_check=ON; PRAGMA synchronous=%s;"
                   "PRAGMA journal_size_limit=%lld;",
                   cache_kb, kind == CONNECTION_BUILD ? "OFF" : "NORMAL",
                   (long long)WAL_LIMIT_BYTES);
    return connection_exec(c, sql, err);
}

/* All connections of a handle are on one file: one that was put in its place since is another store. */
static rag_status check_same_file(struct db *db, const char *path, rag_error *err)
{
    struct stat st;
    if (os_calls.stat(path, &st) != 0)
        return rag_fail_errno(err, errno, "look at %s", path);
    (void)pthread_mutex_lock(&db->mutex);
    const int first = !db->inode;
    if (first) {
        db->device = st.st_dev;
        db->inode = st.st_ino;
    }
    const int same = db->device == st.st_dev && db->inode == st.st_ino;
    (void)pthread_mutex_unlock(&db->mutex);
    if (!same)
        return rag_fail(err, RAG_E_CORRUPT, "%s was replaced while it was open: open it again",
                        path);
    return RAG_OK;
}

/* The first read: takes SHARED, opens the log and recovers it when its last user died. */
static rag_status first_read(struct connection *c, const char *path, enum connection_kind kind,
                             int *moved, rag_error *err)
{
    sqlite3 *sqlite = c->base.sqlite;
    if (kind != CONNECTION_READER && sqlite3_db_readonly(sqlite, "main") == 1)
        return rag_fail(err, RAG_E_DENIED, "%s cannot be written", path);
    sqlite3_int64 version, page_size;
    RAG_TRY(connection_int(c, "PRAGMA user_version", &version, err));
    RAG_TRY(connection_int(c, "PRAGMA page_size", &page_size, err));
    *moved = 0;
    (void)sqlite3_file_control(sqlite, "main", SQLITE_FCNTL_HAS_MOVED, moved);
    if (*moved)
        return RAG_OK;
    if (kind != CONNECTION_LAST)
        RAG_TRY(check_same_file(c->base.db, path, err));
    if (kind == CONNECTION_WRITER) { /* somebody may have switched it off with a shell */
        RAG_TRY(connection_exec(c, "PRAGMA journal_mode=WAL", err));
        /* Read once more: a log that was just switched on is opened by the next read, and before
         * each write it is checked that the open one is in its place. */
        RAG_TRY(connection_int(c, "PRAGMA user_version", &version, err));
        c->base.db->page_size = (int)page_size;
    }
    c->wal_path = sqlite3_filename_wal(sqlite3_db_filename(sqlite, "main"));
    RAG_TRY(check_version(path, (uint32_t)version, err));
    c->version = (int)version;
    return kind == CONNECTION_READER ? schema_old_views(&c->base, (int)version, err) : RAG_OK;
}

/* A medium that is mounted read-only and has no -shm file: SQLite cannot make one there. Nobody
 * writes there, so no locks are needed, and each reader keeps the index of the log in its memory. */
static int is_still(const struct db *db, const char *path)
{
    struct stat st;
    char shm[PATH_MAX];
    const int len = snprintf(shm, sizeof shm, "%s-shm", path);
    return db->read_only && len > 0 && (size_t)len < sizeof shm && os_calls.stat(shm, &st) != 0 &&
           os_calls.access(db->directory, W_OK) != 0 && errno == EROFS;
}

/* The path as a URI, as what never changes: there is no log. 0: not so. An absolute path gets an
 * empty authority before it, or one that begins with two slashes would be taken for a host. */
static int still_uri(const char *path, char *out, size_t size)
{
    static const char hex[] = "0123456789ABCDEF";
    struct stat st;
    size_t n = (size_t)snprintf(out, size, "%s-wal", path);
    if (n >= size || os_calls.stat(out, &st) == 0)
        return 0;
    n = (size_t)snprintf(out, size, *path == '/' ? "file://" : "file:");
    for (const char *p = path; *p; p++) {
        if (n + 16 > size)
            return 0;
        const unsigned char byte = (unsigned char)*p;
        if (byte == '%' || byte == '?' || byte == '#') {
            out[n++] = '%';
            out[n++] = hex[byte >> 4];
            out[n++] = hex[byte & 15];
        } else {
            out[n++] = (char)byte;
        }
    }
    (void)snprintf(out + n, size - n, "?immutable=1");
    return 1;
}

static rag_status open_once(struct connection *c, const char *path, enum connection_kind kind,
                            int *moved, rag_error *err)
{
    const int still = kind == CONNECTION_READER && is_still(c->base.db, path);
    const int flags = kind == CONNECTION_READER ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
    char uri[PATH_MAX * 3];
    const int frozen = still && still_uri(path, uri, sizeof uri);
    const int code = sqlite3_open_v2(frozen ? uri : path, &c->base.sqlite,
                                     flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                                         (frozen ? SQLITE_OPEN_URI : 0),
                                     still ? PAGE_CHECKSUM_VFS_NO_LOCKS : PAGE_CHECKSUM_VFS);
    if (!c->base.sqlite)
        return rag_fail_memory(err);
    if (code != SQLITE_OK)
        return db_fail(&c->base, code, "open", err);
    if (c->base.db->ignore_checksums)
        page_checksum_ignore(c->base.sqlite);
    if (kind != CONNECTION_BUILD)
        RAG_TRY(check_header(c, path, err));
    if (still) /* before anything looks into the log */
        RAG_TRY(connection_exec(c, "PRAGMA locking_mode=EXCLUSIVE", err));
    RAG_TRY(configure(c, kind, err));
    *moved = 0;
    return kind == CONNECTION_BUILD ? RAG_OK : first_read(c, path, kind, moved, err);
}

rag_status connection_open(struct db *db, const char *path, enum connection_kind kind,
                           const rag_context *ctx, struct connection **out, rag_error *err)
{
    struct connection *c = rag_alloc_zeroed(1, sizeof *c);
    if (!c)
        return rag_fail_memory(err);
    c->base.db = db;
    c->base.statements = statements_new();
    c->base.codec = codec_new();
    rag_status status = RAG_OK;
    if (!c->base.statements || !c->base.codec)
        status = rag_fail_memory(err);
    else
        codec_set_loader(c->base.codec, dictionary_load, &c->base);
    connection_serve(c, ctx);
    int moved = status == RAG_OK;
    for (int attempt = 0; moved && status == RAG_OK; attempt++) {
        (void)sqlite3_close(c->base.sqlite);
        c->base.sqlite = NULL;
        status = open_once(c, path, kind, &moved, err);
        if (status == RAG_OK && moved && attempt == OPEN_ATTEMPTS)
            status = rag_fail(err, RAG_E_CONFLICT, "%s is replaced again and again", path);
    }
    if (status == RAG_OK)
        status = transaction_prepare(c, err);
    if (status != RAG_OK) {
        connection_close(c);
        return status;
    }
    connection_serve(c, NULL);
    *out = c;
    return RAG_OK;
}

void connection_close(struct connection *c)
{
    if (!c)
        return;
    statements_free(c->base.statements);
    (void)sqlite3_close(c->base.sqlite);
    codec_free(c->base.codec);
    rag_free(c);
}

/* ---- the pool of readers ---------------------------------------------------------------------------------- */

/* Wait until a reader comes back. `db->mutex` is held. */
static rag_status wait_for_reader(struct db *db, const rag_context *ctx, int64_t deadline_ns,
                                  rag_error *err)
{
    const rag_context within = { .cancel = ctx->cancel, .deadline_ns = deadline_ns };
    const rag_status status = context_check(&within, err);
    if (status == RAG_E_TIMEOUT)
        return rag_fail(err, RAG_E_TIMEOUT, "all %d readers of %s are in use", READERS_MAX,
                        db->path);
    if (status != RAG_OK)
        return status;
    int64_t until = deadline_ns;
    if (ctx->cancel && context_now_ns() + 20000000 < until)
        until = context_now_ns() + 20000000;
    const struct timespec t = { .tv_sec = until / 1000000000, .tv_nsec = until % 1000000000 };
    db->waiting_readers++;
    (void)pthread_cond_timedwait(&db->reader_back, &db->mutex, &t);
    db->waiting_readers--;
    return RAG_OK;
}

static void forget_reader(struct db *db)
{
    (void)pthread_mutex_lock(&db->mutex);
    db->reader_count--;
    if (db->waiting_readers)
        (void)pthread_cond_signal(&db->reader_back);
    (void)pthread_mutex_unlock(&db->mutex);
}

rag_status pool_take(struct db *db, const rag_context *ctx, struct connection **out, rag_error *err)
{
    const int64_t deadline = db_deadline(db, ctx);
    rag_status status = RAG_OK;
    struct connection *c = NULL;
    (void)pthread_mutex_lock(&db->mutex);
    while (status == RAG_OK && !db->idle && db->reader_count >= READERS_MAX)
        status = wait_for_reader(db, ctx, deadline, err);
    if (status == RAG_OK && db->idle) {
        c = db->idle;
        db->idle = c->next;
        db->idle_count--;
    } else if (status == RAG_OK) {
        db->reader_count++;
    }
    (void)pthread_mutex_unlock(&db->mutex);
    if (status == RAG_OK && !c) {
        status = connection_open(db, db->path, CONNECTION_READER, ctx, &c, err);
        if (status != RAG_OK)
            forget_reader(db);
    }
    if (status != RAG_OK)
        return status;
    connection_serve(c, ctx);
    *out = c;
    return RAG_OK;
}

void pool_discard(struct db *db, struct connection *c)
{
    connection_close(c);
    forget_reader(db);
}

void pool_give_back(struct db *db, struct connection *c)
{
    connection_serve(c, NULL);
    int kept = 0;
    (void)pthread_mutex_lock(&db->mutex);
    if (db->idle_count < READERS_KEPT || db->waiting_readers) {
        c->next = db->idle;
        db->idle = c;
        db->idle_count++;
        kept = 1;
        if (db->waiting_readers)
            (void)pthread_cond_signal(&db->reader_back);
    }
    (void)pthread_mutex_unlock(&db->mutex);
    if (!kept)
        pool_discard(db, c);
}

void pool_close(struct db *db)
{
    while (db->idle) {
        struct connection *c = db->idle;
        db->idle = c->next;
        connection_close(c);
    }
    db->idle_count = db->reader_count = 0;
}
