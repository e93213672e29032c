/* Copying a store while it is used: the slot `backup`.
 *
 * A reading connection keeps one snapshot of all four stores while SQLite copies the pages of it,
 * so the copy is the state of one moment, however long it takes and whoever commits meanwhile. The
 * price: the write-ahead log of the original cannot start anew before the copy is made.
 * The index files that the snapshot names go along, as hard links where the file system allows it
 * (an index file is never written again); one that is gone is left out: it is derived, and its rows
 * are then searched one by one until the next optimize.
 *
 * All of it is made in a partial directory beside the target, synced, and renamed (partial.c): the
 * target is there whole or not at all. The database has another name until all its pages are
 * there, so that what a killed backup leaves cannot be opened as a store.
 *
 * The copy is a store of its own: nobody has it open, so the handles that are listed as owners of
 * pending vectors (they are those of the original) own nothing in it, and its next flush takes them. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/os.h"
#include "db_internal.h"
#include "error.h"
#include "page_checksum.h"
#include "partial.h"
#include "vector_cache.h"

enum { STEP_PAGES = 1024 };
enum { COPY_BYTES = 256 * 1024 };

/* The database while it is copied. */
#define PART_FILE DB_FILE ".part"

struct backup {
    struct db *db;
    const rag_call *call;
    struct partial partial;
};

/* ---- the database -------------------------------------------------------------------------------- */

static rag_status fail_copy(int code, int system_errno, const char *path, rag_error *err)
{
    const struct error_kind kind = map_error(code, system_errno);
    (void)rag_fail(err, kind.status, "make the copy %s: %s", path, sqlite3_errstr(code));
    rag_error_retryable(err, kind.retryable);
    return kind.status;
}

/* Copy step by step; the snapshot of the source stands still, so nothing is copied twice. */
static rag_status copy_steps(struct backup *b, sqlite3_backup *copy, const char *path,
                             rag_error *err)
{
    const rag_context *ctx = b->call->ctx;
    const uint64_t page = (uint64_t)b->db->page_size;
    context_progress(ctx, "copy", 0, 0, 0, 0); /* how much it is is known after a step only */
    for (;;) {
        RAG_TRY(context_check(ctx, err));
        const int code = sqlite3_backup_step(copy, STEP_PAGES);
        const uint64_t total = (uint64_t)sqlite3_backup_pagecount(copy);
        const uint64_t done = total - (uint64_t)sqlite3_backup_remaining(copy);
        context_progress(ctx, "copy", 0, 0, done * page, total * page);
        if (code == SQLITE_DONE)
            return RAG_OK;
        if (code != SQLITE_OK)
            return fail_copy(code, 0, path, err);
    }
}

static rag_status copy_pages(struct backup *b, struct db_conn *from, sqlite3 *to, const char *path,
                             rag_error *err)
{
    sqlite3_backup *copy = sqlite3_backup_init(to, "main", from->sqlite, "main");
    if (!copy)
        return fail_copy(sqlite3_extended_errcode(to), sqlite3_system_errno(to), path, err);
    page_checksum_choose(to, page_checksum_is_on(from->sqlite));
    rag_status status = copy_steps(b, copy, path, err);
    const int code = sqlite3_backup_finish(copy);
    if (status == RAG_OK && code != SQLITE_OK)
        status = fail_copy(code, sqlite3_system_errno(to), path, err);
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

static rag_status open_copy(const char *path, sqlite3 **to, rag_error *err)
{
    int fd = -1;
    RAG_TRY(os_open(path, O_RDWR | O_CREAT | O_EXCL, &fd, err)); /* with our mode */
    os_close(fd);
    int code = sqlite3_open_v2(path, to,
                               SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                               PAGE_CHECKSUM_VFS);
    if (code == SQLITE_OK)
        code =
            sqlite3_exec(*to, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF", NULL, NULL, NULL);
    if (code != SQLITE_OK)
        return fail_copy(code, *to ? sqlite3_system_errno(*to) : 0, path, err);
    return RAG_OK;
}

/* Forget the handles that have the original open. A store of version 1 has no list of them. */
static rag_status disown(struct backup *b, const char *path, rag_error *err)
{
    struct connection *c = NULL;
    sqlite3_int64 listed = 0;
    RAG_TRY(connection_open(b->db, path, CONNECTION_LAST, b->call->ctx, &c, err));
    rag_status status = connection_int(
        c, "SELECT count(*) FROM sqlite_master WHERE name = 'pending_owner'", &listed, err);
    if (status == RAG_OK && listed)
        status = connection_int(c, "SELECT count(*) FROM pending_owner", &listed, err);
    if (status == RAG_OK && listed)
        status = connection_exec(c, "DELETE FROM pending_owner", err);
    connection_close(c); /* as the last one: empties the log into the file and removes it */
    return status;
}

static rag_status copy_database(struct backup *b, struct db_conn *from, rag_error *err)
{
    char *part = os_join(b->partial.path, PART_FILE);
    char *path = os_join(b->partial.path, DB_FILE);
    sqlite3 *to = NULL;
    rag_status status = part && path ? RAG_OK : rag_fail_memory(err);
    if (status == RAG_OK)
        status = open_copy(part, &to, err);
    if (status == RAG_OK)
        status = copy_pages(b, from, to, part, err);
    (void)sqlite3_close(to);
    if (status == RAG_OK)
        status = disown(b, part, err);
    if (status == RAG_OK)
        status = sync_file(part, err);
    if (status == RAG_OK)
        status = os_rename(part, path, err);
    rag_free(part);
    rag_free(path);
    return status;
}

/* ---- index files ----------------------------------------------------------------------------------- */

static rag_status copy_bytes(const rag_context *ctx, int from, int to, const char *source,
                             const char *path, rag_error *err)
{
    char *block = rag_alloc(COPY_BYTES);
    if (!block)
        return rag_fail_memory(err);
    rag_status status = RAG_OK;
    size_t got = COPY_BYTES;
    while (status == RAG_OK && got == COPY_BYTES) {
        status = context_check(ctx, err);
        if (status == RAG_OK)
            status = os_read_full(from, block, COPY_BYTES, &got, source, err);
        if (status == RAG_OK)
            status = os_write_all(to, block, got, path, err);
    }
    rag_free(block);
    return status;
}

static rag_status copy_file(const rag_context *ctx, const char *source, const char *path,
                            rag_error *err)
{
    int from = -1, to = -1;
    rag_error why = RAG_ERROR_INIT;
    rag_status status = os_open(source, O_RDONLY, &from, &why);
    if (status == RAG_E_NOT_FOUND)
        return RAG_OK; /* replaced by another one since */
    if (status == RAG_OK)
        status = os_open(path, O_WRONLY | O_CREAT | O_EXCL, &to, &why);
    if (status == RAG_OK)
        status = copy_bytes(ctx, from, to, source, path, &why);
    if (status == RAG_OK)
        status = os_fsync(to, path, &why);
    os_close(from);
    os_close(to);
    return rag_pass(status, &why, err);
}

static rag_status take_index(struct backup *b, const uint8_t *uuid, rag_error *err)
{
    char name[VECTOR_INDEX_NAME_MAX];
    vector_index_file_name(uuid, name);
    char *source = os_join(b->db->directory, name);
    char *path = os_join(b->partial.path, name);
    rag_status status = source && path ? RAG_OK : rag_fail_memory(err);
    if (status == RAG_OK && os_calls.link(source, path) != 0 && errno != ENOENT)
        status = copy_file(b->call->ctx, source, path, err);
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

rag_status db_backup(const rag_call *call, const char *target, rag_error *err)
{
    struct backup b = { .db = call->self, .call = call };
    if (b.db->build)
        return rag_fail(err, RAG_E_INVALID, "the store that is built for %s is not there yet",
                        b.db->path);
    rag_status status = partial_make(&b.partial, b.db->directory, target, err);
    if (status == RAG_OK)
        status = copy_all(&b, err);
    if (status == RAG_OK)
        status = partial_publish(&b.partial, err);
    partial_end(&b.partial);
    return status;
}
