/* Copying a store while it is used.
 *
 * A reading connection keeps one snapshot of all four stores while SQLite copies the pages of it,
 * so the copy is the state of one moment, however long it takes and whoever commits meanwhile. The
 * price: the write-ahead log of the original cannot start anew before the copy is made.
 * The index files that the snapshot names go along, as hard links where the file system allows it
 * (an index file is never written again); one that is gone is left out: it is derived, and its rows
 * are then searched one by one until the next optimize.
 *
 * All of it is made in `target.partial-<pid>-<random>` beside the target, synced, and renamed: the
 * target is there whole or not at all. A killed backup leaves its partial directory; it may be
 * removed. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/limits.h"
#include "core/os.h"
#include "db_internal.h"
#include "vector_cache.h"

enum { STEP_PAGES = 1024 };
enum { COPY_BYTES = 256 * 1024 };

struct backup {
    struct db *db;
    const rag_call *call;
    char *target; /* without slashes at its end */
    char *parent;
    char *partial; /* NULL until it was made */
};

/* ---- where it goes ---------------------------------------------------------------------------- */

static rag_status split_target(struct backup *b, const char *target, rag_error *err)
{
    size_t len = strlen(target);
    while (len > 1 && target[len - 1] == '/')
        len--;
    b->target = rag_strdup(target);
    if (!b->target)
        return rag_fail_memory(err);
    b->target[len] = 0;
    const char *slash = strrchr(b->target, '/');
    const char *name = slash ? slash + 1 : b->target;
    if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return rag_fail(err, RAG_E_INVALID, "'%s' cannot be the name of a new directory", target);
    b->parent = rag_strdup(slash ? b->target : ".");
    if (!b->parent)
        return rag_fail_memory(err);
    if (slash)
        b->parent[slash == b->target ? 1 : slash - b->target] = 0;
    return RAG_OK;
}

/* Only an empty directory or nothing may be there. */
static rag_status check_vacant(const char *target, rag_error *err)
{
    struct stat st;
    if (lstat(target, &st) != 0)
        return errno == ENOENT ? RAG_OK : rag_fail_errno(err, errno, "look at %s", target);
    DIR *dir = S_ISDIR(st.st_mode) ? opendir(target) : NULL;
    if (!dir)
        return rag_fail(err, RAG_E_CONFLICT, "%s exists already and is no empty directory", target);
    int entries = 0;
    while (readdir(dir))
        entries++;
    (void)closedir(dir);
    if (entries > 2)
        return rag_fail(err, RAG_E_CONFLICT, "%s exists already and is not empty", target);
    return RAG_OK;
}

/* A copy in the directory of the store would look like a workspace of it. */
static rag_status check_outside(const struct backup *b, rag_error *err)
{
    char store[PATH_MAX], parent[PATH_MAX];
    if (!realpath(b->db->directory, store))
        return rag_fail_errno(err, errno, "find %s", b->db->directory);
    if (!realpath(b->parent, parent))
        return rag_fail_errno(err, errno, "find %s", b->parent);
    const size_t len = strlen(store);
    if (strncmp(parent, store, len) == 0 && (parent[len] == 0 || parent[len] == '/'))
        return rag_fail(err, RAG_E_INVALID, "%s is inside the store %s: copy it elsewhere",
                        b->target, b->db->directory);
    return RAG_OK;
}

static rag_status make_partial(struct backup *b, rag_error *err)
{
    char suffix[64];
    unsigned random;
    sqlite3_randomness(sizeof random, &random);
    const size_t size = strlen(b->target) + sizeof suffix;
    (void)snprintf(suffix, sizeof suffix, ".partial-%ld-%08x", (long)getpid(), random);
    char *path = rag_alloc(size);
    if (!path)
        return rag_fail_memory(err);
    (void)snprintf(path, size, "%s%s", b->target, suffix);
    if (os_calls.mkdir(path, 0700) != 0) {
        const rag_status status = rag_fail_errno(err, errno, "make %s", path);
        rag_free(path);
        return status;
    }
    b->partial = path;
    return RAG_OK;
}

static rag_status prepare(struct backup *b, const char *target, rag_error *err)
{
    RAG_TRY(split_target(b, target, err));
    RAG_TRY(check_vacant(b->target, err));
    RAG_TRY(os_make_directories(b->parent, err));
    RAG_TRY(check_outside(b, err));
    RAG_TRY(db_check_file_system(b->parent, err));
    return make_partial(b, err);
}

static void remove_partial(const struct backup *b)
{
    DIR *dir = opendir(b->partial);
    if (!dir)
        return;
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
        if (entry->d_name[0] != '.')
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
    (void)closedir(dir);
    (void)rmdir(b->partial);
}

/* ---- the database -------------------------------------------------------------------------------- */

/* Copy step by step; the snapshot of the source stands still, so nothing is copied twice. */
static rag_status copy_steps(struct backup *b, sqlite3_backup *copy, const char *path,
                             rag_error *err)
{
    const rag_context *ctx = b->call->ctx;
    const uint64_t page = (uint64_t)b->db->page_size;
    for (;;) {
        RAG_TRY(context_check(ctx, err));
        const int code = sqlite3_backup_step(copy, STEP_PAGES);
        const uint64_t total = (uint64_t)sqlite3_backup_pagecount(copy);
        const uint64_t done = total - (uint64_t)sqlite3_backup_remaining(copy);
        context_progress(ctx, "copy", done, total, done * page, total * page);
        if (code == SQLITE_DONE)
            return RAG_OK;
        if ((code & 0xff) == SQLITE_FULL)
            return rag_fail(err, RAG_E_NO_SPACE, "no space for the copy %s", path);
        if (code != SQLITE_OK)
            return rag_fail(err, RAG_E_IO, "copy %s to %s: %s", b->db->path, path,
                            sqlite3_errstr(code));
    }
}

static rag_status copy_pages(struct backup *b, struct db_conn *from, sqlite3 *to, const char *path,
                             rag_error *err)
{
    sqlite3_backup *copy = sqlite3_backup_init(to, "main", from->sqlite, "main");
    if (!copy)
        return rag_fail(err, RAG_E_IO, "begin to copy %s to %s: %s", b->db->path, path,
                        sqlite3_errmsg(to));
    rag_status status = copy_steps(b, copy, path, err);
    const int code = sqlite3_backup_finish(copy);
    if (status == RAG_OK && code != SQLITE_OK)
        status = rag_fail(err, RAG_E_IO, "finish the copy %s: %s", path, sqlite3_errstr(code));
    return status;
}

static rag_status sync_file(const char *path, rag_error *err)
{
    int fd = -1;
    RAG_TRY(os_open(path, O_RDONLY, &fd, err));
    const rag_status status = os_fsync(fd, path, err);
    os_close(fd);
    return status;
}

static rag_status copy_database(struct backup *b, struct db_conn *from, rag_error *err)
{
    char *path = os_join(b->partial, DB_FILE);
    if (!path)
        return rag_fail_memory(err);
    int fd = -1;
    sqlite3 *to = NULL;
    rag_status status = os_open(path, O_RDWR | O_CREAT | O_EXCL, &fd, err); /* with our mode */
    os_close(fd);
    if (status == RAG_OK && (sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                                             "unix") != SQLITE_OK ||
                             sqlite3_exec(to, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF",
                                          NULL, NULL, NULL) != SQLITE_OK))
        status =
            rag_fail(err, RAG_E_IO, "make %s: %s", path, to ? sqlite3_errmsg(to) : "out of memory");
    if (status == RAG_OK)
        status = copy_pages(b, from, to, path, err);
    (void)sqlite3_close(to);
    if (status == RAG_OK)
        status = sync_file(path, err);
    rag_free(path);
    return status;
}

/* ---- index files ----------------------------------------------------------------------------------- */

static rag_status copy_bytes(int from, int to, const char *source, const char *path, rag_error *err)
{
    char *block = rag_alloc(COPY_BYTES);
    if (!block)
        return rag_fail_memory(err);
    rag_status status = RAG_OK;
    size_t got = COPY_BYTES;
    while (status == RAG_OK && got == COPY_BYTES) {
        status = os_read_full(from, block, COPY_BYTES, &got, source, err);
        if (status == RAG_OK)
            status = os_write_all(to, block, got, path, err);
    }
    rag_free(block);
    return status;
}

static rag_status copy_file(const char *source, const char *path, rag_error *err)
{
    int from = -1, to = -1;
    rag_status status = os_open(source, O_RDONLY, &from, err);
    if (status == RAG_E_NOT_FOUND)
        return RAG_OK; /* replaced by another one since */
    if (status == RAG_OK)
        status = os_open(path, O_WRONLY | O_CREAT | O_EXCL, &to, err);
    if (status == RAG_OK)
        status = copy_bytes(from, to, source, path, err);
    if (status == RAG_OK)
        status = os_fsync(to, path, err);
    os_close(from);
    os_close(to);
    return status;
}

static rag_status take_index(struct backup *b, const uint8_t *uuid, rag_error *err)
{
    char name[VECTOR_INDEX_NAME_MAX];
    vector_index_file_name(uuid, name);
    char *source = os_join(b->db->directory, name);
    char *path = os_join(b->partial, name);
    rag_status status = source && path ? RAG_OK : rag_fail_memory(err);
    if (status == RAG_OK && link(source, path) != 0 && errno != ENOENT)
        status = copy_file(source, path, err);
    rag_free(source);
    rag_free(path);
    return status;
}

static rag_status take_indexes(struct backup *b, struct db_conn *conn, rag_error *err)
{
    sqlite3_stmt *stmt;
    RAG_TRY(db_prepare(conn, "SELECT uuid FROM vector_index", &stmt, err));
    for (;;) {
        int has_row;
        RAG_TRY(context_check(b->call->ctx, err));
        RAG_TRY(db_step(conn, stmt, &has_row, err));
        if (!has_row)
            return RAG_OK;
        const rag_slice uuid = db_column_slice(stmt, 0);
        if (uuid.len != VINDEX_UUID_SIZE)
            return rag_fail(err, RAG_E_CORRUPT, "an index in %s has a name of %zu bytes",
                            b->db->path, uuid.len);
        RAG_TRY(take_index(b, (const uint8_t *)uuid.data, err));
    }
}

/* ---- all of it ------------------------------------------------------------------------------------- */

static rag_status copy_all(struct backup *b, rag_error *err)
{
    struct db_conn *conn = NULL;
    RAG_TRY(db_read_begin(b->call, &conn, err));
    /* the first read is what fixes the moment; index files are taken before somebody replaces them */
    rag_status status = take_indexes(b, conn, err);
    if (status == RAG_OK)
        status = copy_database(b, conn, err);
    db_read_end(b->call, conn);
    return status;
}

static rag_status publish(struct backup *b, rag_error *err)
{
    RAG_TRY(os_sync_directory(b->partial, err));
    if (os_calls.rename(b->partial, b->target) != 0) {
        if (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR)
            return rag_fail(err, RAG_E_CONFLICT, "somebody else made %s meanwhile", b->target);
        return rag_fail_errno(err, errno, "rename %s to %s", b->partial, b->target);
    }
    rag_free(b->partial);
    b->partial = NULL;
    return os_sync_directory(b->parent, err);
}

rag_status db_backup(const rag_call *call, const char *target, rag_error *err)
{
    struct backup b = { .db = call->self, .call = call };
    if (call->txn)
        return rag_fail(err, RAG_E_INVALID, "%s is not copied inside a transaction", b.db->path);
    if (b.db->build)
        return rag_fail(err, RAG_E_INVALID, "the store that is built for %s is not there yet",
                        b.db->path);
    rag_status status = prepare(&b, target, err);
    if (status == RAG_OK)
        status = copy_all(&b, err);
    if (status == RAG_OK)
        status = publish(&b, err);
    if (b.partial)
        remove_partial(&b);
    rag_free(b.partial);
    rag_free(b.parent);
    rag_free(b.target);
    return status;
}
