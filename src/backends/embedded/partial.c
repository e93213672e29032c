/* A directory that appears whole: the target of a backup.
 *
 * It is made as `target.partial-<pid>-<random>` beside the target, filled, synced and renamed: the
 * target is there whole or not at all, and the rename replaces nothing but an empty directory.
 * While its maker lives it holds a lock on byte 0 of `ragstore.lock` in it, which is the lock file
 * that the store will have (a store locks other bytes of it). Whoever makes the next one for the
 * same target removes those whose lock is free: a killed backup blocks nobody and its space comes
 * back. One without a lock file is younger than that, or empty: it is left alone.
 *
 * Only db_backup.c calls. No locks of threads: a struct partial belongs to one call. */
#include "partial.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/os.h"
#include "db_internal.h"

#define PARTIAL_INFIX ".partial-"

enum { ALIVE_BYTE = 0, SUFFIX_MAX = 64 };

/* ---- where it goes ---------------------------------------------------------------------------- */

static const char *name_of(const struct partial *p)
{
    const char *slash = strrchr(p->target, '/');
    return slash ? slash + 1 : p->target;
}

static rag_status split_target(struct partial *p, const char *target, rag_error *err)
{
    size_t len = strlen(target);
    while (len > 1 && target[len - 1] == '/')
        len--;
    p->target = rag_strdup(target);
    if (!p->target)
        return rag_fail_memory(err);
    p->target[len] = 0;
    const char *name = name_of(p);
    if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return rag_fail(err, RAG_E_INVALID, "'%s' cannot be the name of a new directory", target);
    p->parent = rag_strdup(name == p->target ? "." : p->target);
    if (!p->parent)
        return rag_fail_memory(err);
    if (name != p->target) /* "/" itself keeps its slash */
        p->parent[name - p->target > 1 ? name - p->target - 1 : 1] = 0;
    return RAG_OK;
}

/* Only an empty directory or nothing may be there. */
static rag_status check_vacant(const char *target, rag_error *err)
{
    struct stat st;
    if (os_calls.lstat(target, &st) != 0)
        return errno == ENOENT ? RAG_OK : rag_fail_errno(err, errno, "look at %s", target);
    DIR *dir = S_ISDIR(st.st_mode) ? os_open_directory(target) : NULL;
    if (!dir)
        return rag_fail(err, RAG_E_CONFLICT, "%s exists already and is no empty directory", target);
    int entries = 0;
    while (readdir(dir))
        entries++;
    os_close_directory(dir);
    if (entries > 2)
        return rag_fail(err, RAG_E_CONFLICT, "%s exists already and is not empty", target);
    return RAG_OK;
}

/* A copy in the directory of the store would look like a workspace of it. */
static rag_status check_outside(const struct partial *p, const char *source, rag_error *err)
{
    char store[PATH_MAX], parent[PATH_MAX];
    if (!realpath(source, store))
        return rag_fail_errno(err, errno, "find %s", source);
    if (!realpath(p->parent, parent))
        return rag_fail_errno(err, errno, "find %s", p->parent);
    const size_t len = strlen(store);
    if (strncmp(parent, store, len) == 0 && (parent[len] == 0 || parent[len] == '/'))
        return rag_fail(err, RAG_E_INVALID, "%s is inside the store %s: copy it elsewhere",
                        p->target, source);
    return RAG_OK;
}

/* ---- removing ---------------------------------------------------------------------------------- */

static void remove_file(const char *directory, const char *name)
{
    char *path = os_join(directory, name);
    if (path)
        (void)os_unlink(path, NULL);
    rag_free(path);
}

/* The lock file goes last: until then others can tell that nobody makes this. */
static void remove_directory(const char *path)
{
    DIR *dir = os_open_directory(path);
    if (!dir)
        return;
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
        if (entry->d_name[0] != '.' && strcmp(entry->d_name, LOCK_FILE) != 0)
            remove_file(path, entry->d_name);
    remove_file(path, LOCK_FILE);
    os_close_directory(dir);
    (void)os_calls.rmdir(path);
}

static void remove_if_dead(const char *path)
{
    char *lock = os_join(path, LOCK_FILE);
    int fd = -1;
    if (lock && os_open(lock, O_RDWR, &fd, NULL) == RAG_OK) {
        if (os_try_lock(fd, ALIVE_BYTE, 1))
            remove_directory(path);
        os_close(fd);
    }
    rag_free(lock);
}

/* "<name of the target>.partial-<pid>-<8 hex digits>" and nothing else. */
static int is_partial_of(const char *name, const char *target_name)
{
    const size_t len = strlen(target_name);
    if (strncmp(name, target_name, len) != 0 ||
        strncmp(name + len, PARTIAL_INFIX, strlen(PARTIAL_INFIX)) != 0)
        return 0;
    const char *rest = name + len + strlen(PARTIAL_INFIX);
    const size_t digits = strspn(rest, "0123456789");
    return digits && rest[digits] == '-' && strlen(rest + digits + 1) == 8 &&
           strspn(rest + digits + 1, "0123456789abcdef") == 8;
}

/* Failing to remove one harms nothing; the next one tries again. */
static void remove_dead(const struct partial *p)
{
    DIR *dir = os_open_directory(p->parent);
    if (!dir)
        return;
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        if (!is_partial_of(entry->d_name, name_of(p)))
            continue;
        char *path = os_join(p->parent, entry->d_name);
        if (path)
            remove_if_dead(path);
        rag_free(path);
    }
    os_close_directory(dir);
}

/* ---- making ------------------------------------------------------------------------------------- */

static rag_status make_directory(struct partial *p, rag_error *err)
{
    char suffix[SUFFIX_MAX];
    unsigned random;
    sqlite3_randomness(sizeof random, &random);
    const size_t size = strlen(p->target) + sizeof suffix;
    (void)snprintf(suffix, sizeof suffix, PARTIAL_INFIX "%ld-%08x", (long)getpid(), random);
    char *path = rag_alloc(size);
    if (!path)
        return rag_fail_memory(err);
    (void)snprintf(path, size, "%s%s", p->target, suffix);
    if (os_calls.mkdir(path, 0700) != 0) {
        const rag_status status = rag_fail_errno(err, errno, "make %s", path);
        rag_free(path);
        return status;
    }
    p->path = path;
    return RAG_OK;
}

/* Somebody who removes dead ones may look between making the file and locking it. */
static rag_status check_mine(const struct partial *p, const char *path, int fd, rag_error *err)
{
    struct stat ours, there = { 0 };
    const int is_locked = os_try_lock(fd, ALIVE_BYTE, 1);
    if (os_calls.fstat(fd, &ours) != 0 || (os_calls.stat(path, &there) != 0 && errno != ENOENT))
        return rag_fail_errno(err, errno, "look at %s", path);
    if (!is_locked || ours.st_ino != there.st_ino)
        return rag_fail(err, RAG_E_CONFLICT, "%s was taken for that of a dead process", p->path);
    return RAG_OK;
}

static rag_status say_alive(struct partial *p, rag_error *err)
{
    char *path = os_join(p->path, LOCK_FILE);
    int fd = -1;
    if (!path)
        return rag_fail_memory(err);
    rag_status status = os_open(path, O_RDWR | O_CREAT | O_EXCL, &fd, err);
    if (status == RAG_OK)
        status = check_mine(p, path, fd, err);
    if (status == RAG_OK)
        p->lock_fd = fd;
    else
        os_close(fd);
    rag_free(path);
    return status;
}

rag_status partial_make(struct partial *p, const char *source, const char *target, rag_error *err)
{
    *p = (struct partial){ .lock_fd = -1 };
    RAG_TRY(split_target(p, target, err));
    RAG_TRY(check_vacant(p->target, err));
    RAG_TRY(os_make_directories(p->parent, err));
    RAG_TRY(check_outside(p, source, err));
    RAG_TRY(db_check_file_system(p->parent, err));
    RAG_TRY(db_check_length(p->parent, strlen(name_of(p)) + SUFFIX_MAX + strlen(DB_FILE), err));
    remove_dead(p);
    RAG_TRY(make_directory(p, err));
    return say_alive(p, err);
}

rag_status partial_publish(struct partial *p, rag_error *err)
{
    RAG_TRY(os_sync_directory(p->path, err));
    if (os_calls.rename(p->path, p->target) != 0) {
        if (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR)
            return rag_fail(err, RAG_E_CONFLICT, "somebody else made %s meanwhile", p->target);
        return rag_fail_errno(err, errno, "rename %s to %s", p->path, p->target);
    }
    rag_free(p->path);
    p->path = NULL;
    const rag_status status = os_sync_directory(p->parent, err);
    if (status != RAG_OK) /* it is there, and may be gone after a power cut */
        rag_error_outcome(err, RAG_OUTCOME_APPLIED);
    return status;
}

void partial_end(struct partial *p)
{
    if (p->path)
        remove_directory(p->path);
    os_close(p->lock_fd);
    rag_free(p->path);
    rag_free(p->parent);
    rag_free(p->target);
}
