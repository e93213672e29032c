/* Opening and closing a store.
 *
 * Opening an existing store takes no writer's turn: it must be quick while somebody writes. Making
 * a new one does, and the new store appears by a rename (db_build.c), so nobody ever opens half a
 * store. Network file systems are refused: their locks and shared memory do not do what SQLite's
 * write-ahead log needs; that is seen once the directory is there, before a file is made in it.
 *
 * After fork() a handle must not be used in the child, nor closed: its descriptors are closed there
 * already (core/os.c) and their numbers may mean other files. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/limits.h"
#include "core/os.h"
#include "db_internal.h"
#include "sqlite_os.h"
#include "vector_cache.h"

/* ---- the file system ------------------------------------------------------------------------------ */

struct remote_system {
    unsigned long magic; /* f_type of statfs() */
    const char *name;
};

static const struct remote_system remote_systems[] = {
    { 0x6969, "NFS" },      { 0x517B, "SMB" },        { 0xFF534D42, "CIFS" },
    { 0xFE534D42, "SMB2" }, { 0x01021997, "9P" },     { 0x5346414F, "AFS" },
    { 0x6B414653, "AFS" },  { 0x73757245, "Coda" },   { 0x00C36400, "Ceph" },
    { 0x564C, "NCP" },      { 0x0BD00BD0, "Lustre" }, { 0x7461636F, "OCFS2" },
    { 0x01161970, "GFS2" },
};

#define FUSE_MAGIC 0x65735546UL

/* FUSE says who it is only in the table of mounts: "fuse.sshfs" and the like. */
static const char *const remote_fuse[] = { "sshfs",     "s3fs",    "rclone",   "gcsfuse",
                                           "glusterfs", "cephfs",  "davfs",    "curlftpfs",
                                           "smbnetfs",  "nfs",     "goofys",   "mount-s3",
                                           "blobfuse",  "juicefs", "seaweedfs" };

static int is_remote_fuse(const char *type)
{
    for (size_t i = 0; i < sizeof remote_fuse / sizeof *remote_fuse; i++)
        if (strstr(type, remote_fuse[i]))
            return 1;
    return 0;
}

/* The type of the mount with device `device` in `table`, which is that of /proc/self/mountinfo. */
static int mount_is_remote(char *table, dev_t device)
{
    char wanted[40];
    (void)snprintf(wanted, sizeof wanted, " %u:%u ", (unsigned)(device >> 8 & 0xfff),
                   (unsigned)((device & 0xff) | (device >> 12 & 0xfff00)));
    char *rest = table;
    for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) {
        const char *type = strstr(line, " - ");
        if (type && strstr(line, wanted) && is_remote_fuse(type + 3))
            return 1;
    }
    return 0;
}

static int fuse_is_remote(const char *directory)
{
    enum { TABLE_BYTES = 256 * 1024 };
    struct stat st;
    int fd = -1;
    size_t got = 0;
    if (os_calls.stat(directory, &st) != 0 ||
        os_open("/proc/self/mountinfo", 0, &fd, NULL) != RAG_OK)
        return 0;
    char *table = rag_alloc(TABLE_BYTES);
    int remote = 0;
    if (table && os_read_full(fd, table, TABLE_BYTES - 1, &got, "mountinfo", NULL) == RAG_OK) {
        table[got] = 0;
        remote = mount_is_remote(table, st.st_dev);
    }
    rag_free(table);
    os_close(fd);
    return remote;
}

rag_status db_check_file_system(const char *directory, rag_error *err)
{
    struct statfs fs;
    if (statfs(directory, &fs) != 0)
        return rag_fail_errno(err, errno, "look at %s", directory);
    const unsigned long magic = (unsigned long)fs.f_type & 0xffffffffUL;
    const char *name = NULL;
    for (size_t i = 0; i < sizeof remote_systems / sizeof *remote_systems; i++)
        if (remote_systems[i].magic == magic)
            name = remote_systems[i].name;
    if (magic == FUSE_MAGIC && fuse_is_remote(directory))
        name = "FUSE";
    if (name)
        return rag_fail(err, RAG_E_UNSUPPORTED,
                        "%s is on a network file system (%s), on which a store cannot be shared "
                        "safely: use a local disk",
                        directory, name);
    return RAG_OK;
}

/* SQLite's unix layer has buffers of this size for absolute paths without symbolic links, the names
 * of the log and of the journal included, and answers to a longer one only that it cannot open it. */
enum { SQLITE_PATH_BYTES = 512, SQLITE_SUFFIX_BYTES = 8 };

rag_status db_check_length(const char *directory, size_t name_bytes, rag_error *err)
{
    char path[PATH_MAX];
    if (!realpath(directory, path))
        return rag_fail_errno(err, errno, "find %s", directory);
    const size_t bytes = strlen(path) + 1 + name_bytes + SQLITE_SUFFIX_BYTES;
    if (bytes > SQLITE_PATH_BYTES)
        return rag_fail(err, RAG_E_INVALID,
                        "the absolute path of the store is %zu bytes too long: %s",
                        bytes - SQLITE_PATH_BYTES, directory);
    return RAG_OK;
}

/* ---- parts ------------------------------------------------------------------------------------------ */

static rag_status check_page_size(int page_size, rag_error *err)
{
    if (page_size == 0)
        return RAG_OK;
    if (page_size < PAGE_SIZE_MIN || page_size > PAGE_SIZE_MAX || (page_size & (page_size - 1)))
        return rag_fail(err, RAG_E_INVALID, "page_size %d is not a power of 2 from %d to %d",
                        page_size, PAGE_SIZE_MIN, PAGE_SIZE_MAX);
    return RAG_OK;
}

static rag_status new_db(const struct db_options *options, struct db **out, rag_error *err)
{
    struct db *db = rag_alloc_zeroed(1, sizeof *db);
    if (!db)
        return rag_fail_memory(err);
    (void)pthread_mutex_init(&db->mutex, NULL);
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&db->reader_back, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    db->flags = options->flags;
    db->read_only = (options->flags & RAG_OPEN_READ_ONLY) != 0;
    db->lock_timeout_ms =
        options->lock_timeout_ms > 0 ? options->lock_timeout_ms : LIMIT_LOCK_TIMEOUT_MS;
    db->ignore_checksums = options->ignore_checksums;
    db->page_size = options->page_size ? options->page_size : PAGE_SIZE_DEFAULT;
    db->secure_delete = options->secure_delete ? strcmp(options->secure_delete, "on") == 0 : -1;
    db->next_checkpoint_at = WAL_CHECKPOINT_BYTES;
    db->directory = rag_strdup(options->directory);
    db->path = os_join(options->directory, DB_FILE);
    db_set_vector_cache(db, vector_cache_new(), vector_cache_free);
    *out = db;
    return db->directory && db->path && db->vector_cache ? RAG_OK : rag_fail_memory(err);
}

/* 1: there is a store or something that claims to be one; 0: there is none. */
static rag_status look(const struct db *db, int *found, rag_error *err)
{
    struct stat st;
    if (os_calls.stat(db->path, &st) != 0) {
        if (errno != ENOENT && errno != ENOTDIR)
            return rag_fail_errno(err, errno, "look at %s", db->path);
        *found = 0;
        return RAG_OK;
    }
    if (!S_ISREG(st.st_mode))
        return rag_fail(err, RAG_E_INVALID, "%s is not a file", db->path);
    *found = st.st_size > 0; /* an empty file is a store that somebody touched */
    return RAG_OK;
}

static rag_status no_store(const struct db *db, rag_error *err)
{
    struct stat st;
    const int is_there = os_calls.stat(db->path, &st) == 0;
    return rag_fail(err, RAG_E_NOT_FOUND, "there is no store in %s (%s)", db->directory,
                    is_there ? DB_FILE " is empty" : "no " DB_FILE);
}

static rag_status open_gate(struct db *db, rag_error *err)
{
    struct gate *gate = gate_new();
    if (!gate)
        return rag_fail_memory(err);
    db->gate = gate;
    if (db->flags & RAG_OPEN_BUILD)
        return RAG_OK; /* of this process only: nobody else sees the file */
    char *path = os_join(db->directory, LOCK_FILE);
    const rag_status status = path ? gate_attach(gate, path, err) : rag_fail_memory(err);
    rag_free(path);
    return status;
}

static rag_status create(struct db *db, const rag_context *ctx, rag_error *err)
{
    RAG_TRY(gate_acquire(db->gate, ctx, db_deadline(db, ctx), err));
    int found = 0;
    rag_status status = look(db, &found, err);
    if (status == RAG_OK && !found) /* nobody was quicker */
        status = build_create_empty(db, ctx, err);
    gate_release(db->gate);
    return status;
}

rag_status db_connect(struct db *db, const rag_context *ctx, rag_error *err)
{
    struct connection *writer = NULL;
    RAG_TRY(connection_open(db, db->path, CONNECTION_WRITER, ctx, &writer, err));
    checkpoint_watch(writer);
    db->writer = writer;
    return RAG_OK;
}

/* What the opener asked for goes into the store, where every write from now on finds it. */
static rag_status keep_secure_delete(struct db *db, const rag_context *ctx, rag_error *err)
{
    if (db->secure_delete < 0)
        return RAG_OK;
    RAG_TRY(turn_take(db, ctx, err));
    rag_status status = writer_begin(db, 1, err);
    if (status == RAG_OK) {
        status = connection_exec(db->writer,
                                 db->secure_delete
                                     ? "INSERT OR IGNORE INTO meta VALUES('secure_delete', 1)"
                                     : "DELETE FROM meta WHERE key = 'secure_delete'",
                                 err);
        if (status == RAG_OK)
            status = writer_commit(db, 1, err);
        else
            writer_rollback(db->writer);
        (void)connection_exec(db->writer, "PRAGMA synchronous=NORMAL", NULL);
    }
    turn_leave(db);
    return status;
}

/* Connected for writing: all that may have to be changed in a store that was there before. */
static rag_status bring_up(struct db *db, const rag_context *ctx, rag_error *err)
{
    RAG_TRY(db_upgrade(db, ctx, err));
    return keep_secure_delete(db, ctx, err);
}

/* A first reader at once: what is wrong with the file is said by open, not by the first read. */
static rag_status connect_reader(struct db *db, const rag_context *ctx, rag_error *err)
{
    struct connection *c = NULL;
    RAG_TRY(pool_take(db, ctx, &c, err));
    sqlite3_int64 page_size = 0;
    const rag_status status = connection_int(c, "PRAGMA page_size", &page_size, err);
    pool_give_back(db, c);
    db->page_size = (int)page_size;
    return status;
}

static rag_status open_existing_only(struct db *db, const rag_context *ctx, rag_error *err)
{
    int found = 0;
    RAG_TRY(look(db, &found, err));
    if (!found)
        return no_store(db, err);
    RAG_TRY(db_check_file_system(db->directory, err));
    RAG_TRY(db_check_length(db->directory, strlen(DB_FILE), err));
    if (db->read_only)
        return connect_reader(db, ctx, err);
    RAG_TRY(open_gate(db, err));
    build_remove_dead(db->directory);
    RAG_TRY(db_connect(db, ctx, err));
    return bring_up(db, ctx, err);
}

static rag_status open_or_create(struct db *db, const rag_context *ctx, rag_error *err)
{
    int found = 0;
    RAG_TRY(os_make_directories(db->directory, err));
    RAG_TRY(db_check_file_system(db->directory, err));
    RAG_TRY(look(db, &found, err));
    const int is_made = !found || db->flags & RAG_OPEN_BUILD;
    RAG_TRY(db_check_length(db->directory, is_made ? BUILD_NAME_MAX : strlen(DB_FILE), err));
    RAG_TRY(open_gate(db, err));
    build_remove_dead(db->directory);
    if (db->flags & RAG_OPEN_BUILD) {
        if (found && !(db->flags & RAG_OPEN_REPLACE))
            return rag_fail(err, RAG_E_CONFLICT, "%s exists already", db->path);
        return build_start(db, ctx, err);
    }
    if (!found)
        RAG_TRY(create(db, ctx, err));
    RAG_TRY(db_connect(db, ctx, err));
    return bring_up(db, ctx, err);
}

/* ---- open and close ------------------------------------------------------------------------------------- */

rag_status db_open(const struct db_options *options, const rag_context *ctx, struct db **out,
                   rag_error *err)
{
    RAG_TRY(check_page_size(options->page_size, err));
    RAG_TRY(sqlite_os_install(err));
    struct db *db = NULL;
    rag_status status = new_db(options, &db, err);
    if (status == RAG_OK) {
        if (db->read_only || (db->flags & RAG_OPEN_EXISTING && !(db->flags & RAG_OPEN_BUILD)))
            status = open_existing_only(db, ctx, err);
        else
            status = open_or_create(db, ctx, err);
    }
    if (status != RAG_OK) {
        db_close(db);
        return status;
    }
    *out = db;
    return RAG_OK;
}

void db_close(struct db *db)
{
    if (!db)
        return;
    if (db->vector_cache && db->vector_cache_destroy)
        db->vector_cache_destroy(db->vector_cache);
    pool_close(db);
    build_abandon(db);
    connection_close(db->writer);
    gate_free(db->gate);
    gate_free(db->build_gate);
    (void)pthread_cond_destroy(&db->reader_back);
    (void)pthread_mutex_destroy(&db->mutex);
    rag_free(db->directory);
    rag_free(db->path);
    rag_free(db);
}

/* ---- small questions --------------------------------------------------------------------------------------- */

const char *db_directory(const struct db *db)
{
    return db->directory;
}

int db_is_bulk(const struct db *db)
{
    return db->build != NULL;
}

void *db_vector_cache(struct db *db)
{
    (void)pthread_mutex_lock(&db->mutex);
    void *cache = db->vector_cache;
    (void)pthread_mutex_unlock(&db->mutex);
    return cache;
}

void db_set_vector_cache(struct db *db, void *cache, void (*destroy)(void *cache))
{
    (void)pthread_mutex_lock(&db->mutex);
    db->vector_cache = cache;
    db->vector_cache_destroy = destroy;
    (void)pthread_mutex_unlock(&db->mutex);
}
