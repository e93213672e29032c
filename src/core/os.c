/* System calls, in one place.
 *
 * Fork: pthread_atfork is registered when the first file is opened. Its child handler closes
 * all descriptors that were opened here (close() is async-signal-safe) and bumps the generation by
 * which handles notice that they are in a child. Closing matters because open-file-description locks
 * belong to the description, which a child shares: a killed parent would leave its locks held by the
 * child. So a file is opened and written into the table under the mutex that a fork takes: there is no
 * moment at which a child inherits what it does not know of.
 * The table of descriptors is the only process-wide state here; no store can feel another's. */
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "alloc.h"

static int plain_open(const char *path, int flags, mode_t mode)
{
    return open(path, flags, mode);
}

static int plain_fcntl_lock(int fd, int command, void *flock)
{
    return fcntl(fd, command, flock);
}

struct os_calls os_calls = {
    .open = plain_open,
    .close = close,
    .read = read,
    .pread = pread,
    .write = write,
    .pwrite = pwrite,
    .ftruncate = ftruncate,
    .fsync = fsync,
    .fdatasync = fdatasync,
    .rename = rename,
    .link = link,
    .unlink = unlink,
    .mkdir = mkdir,
    .rmdir = rmdir,
    .fchmod = fchmod,
    .stat = stat,
    .lstat = lstat,
    .fstat = fstat,
    .access = access,
    .mmap = mmap,
    .fcntl_lock = plain_fcntl_lock,
};

rag_status os_write_all(int fd, const void *data, size_t len, const char *path, rag_error *err)
{
    const char *p = data;
    while (len) {
        const ssize_t n = os_calls.write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return rag_fail_errno(err, errno, "write %s", path);
        p += n;
        len -= (size_t)n;
    }
    return RAG_OK;
}

rag_status os_write_all_at(int fd, const void *data, size_t len, off_t offset, const char *path,
                           rag_error *err)
{
    const char *p = data;
    while (len) {
        const ssize_t n = os_calls.pwrite(fd, p, len, offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return rag_fail_errno(err, errno, "write %s", path);
        p += n;
        len -= (size_t)n;
        offset += n;
    }
    return RAG_OK;
}

rag_status os_read_full(int fd, void *data, size_t len, size_t *got, const char *path,
                        rag_error *err)
{
    size_t have = 0;
    while (have < len) {
        const ssize_t n = os_calls.read(fd, (char *)data + have, len - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return rag_fail_errno(err, errno, "read %s", path);
        if (n == 0)
            break;
        have += (size_t)n;
    }
    *got = have;
    return RAG_OK;
}

int os_try_lock(int fd, off_t start, off_t len)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = len };
    int answer;
    do
        answer = os_calls.fcntl_lock(fd, F_OFD_SETLK, &lock);
    while (answer != 0 && errno == EINTR);
    return answer == 0;
}

rag_status os_fsync(int fd, const char *path, rag_error *err)
{
    if (os_calls.fsync(fd) != 0)
        return rag_fail_errno(err, errno, "fsync %s", path);
    return RAG_OK;
}

int os_fdatasync(int fd)
{
    return os_calls.fdatasync(fd);
}

rag_status os_sync_directory(const char *path, rag_error *err)
{
    int fd;
    RAG_TRY(os_open(path, O_RDONLY | O_DIRECTORY, &fd, err));
    const rag_status status = os_fsync(fd, path, err);
    os_close(fd);
    return status;
}

rag_status os_rename(const char *from, const char *to, rag_error *err)
{
    if (os_calls.rename(from, to) != 0)
        return rag_fail_errno(err, errno, "rename %s to %s", from, to);
    return RAG_OK;
}

rag_status os_unlink(const char *path, rag_error *err)
{
    if (os_calls.unlink(path) != 0 && errno != ENOENT)
        return rag_fail_errno(err, errno, "remove %s", path);
    return RAG_OK;
}

/* Make sure that the new directory `path` is still there after a power cut. A parent that lets
 * nobody list it cannot be opened, and so not be synced. */
static rag_status sync_parent(const char *path, rag_error *err)
{
    char *parent = rag_strdup(path);
    if (!parent)
        return rag_fail_memory(err);
    char *slash = strrchr(parent, '/');
    if (slash)
        slash[slash == parent] = 0;
    rag_error own = RAG_ERROR_INIT;
    rag_status status = os_sync_directory(slash ? parent : ".", &own);
    rag_free(parent);
    if (status == RAG_E_DENIED)
        return RAG_OK;
    return rag_pass(status, &own, err);
}

rag_status os_make_directories(const char *path, rag_error *err)
{
    char *copy = rag_strdup(path);
    if (!copy)
        return rag_fail_memory(err);
    rag_status status = RAG_OK;
    for (char *p = copy + 1; status == RAG_OK; p++) {
        if (*p != '/' && *p != 0)
            continue;
        const char end = *p;
        *p = 0;
        struct stat st;
        if (os_calls.mkdir(copy, 0700) == 0)
            status = sync_parent(copy, err);
        else if (errno != EEXIST || os_calls.stat(copy, &st) != 0 || !S_ISDIR(st.st_mode))
            status =
                rag_fail_errno(err, errno == EEXIST ? ENOTDIR : errno, "create directory %s", copy);
        if (!end)
            break;
        *p = '/';
    }
    rag_free(copy);
    return status;
}

char *os_join(const char *directory, const char *name)
{
    const size_t a = strlen(directory), b = strlen(name);
    char *path = rag_alloc(a + b + 2);
    if (!path)
        return NULL;
    memcpy(path, directory, a);
    size_t len = a;
    if (len && path[len - 1] != '/')
        path[len++] = '/';
    memcpy(path + len, name, b + 1);
    return path;
}

/* ---- descriptors and fork --------------------------------------------------------------------- */

static pthread_mutex_t tracked_mutex = PTHREAD_MUTEX_INITIALIZER;
static int *tracked;
static size_t tracked_count, tracked_capacity;
static atomic_uint fork_generation;
static int handlers_registered;

static void before_fork(void)
{
    (void)pthread_mutex_lock(&tracked_mutex);
}

static void after_fork_in_parent(void)
{
    (void)pthread_mutex_unlock(&tracked_mutex);
}

static void after_fork_in_child(void)
{
    atomic_fetch_add(&fork_generation, 1);
    for (size_t i = 0; i < tracked_count; i++)
        (void)close(tracked[i]);
    tracked_count = 0;
    (void)pthread_mutex_unlock(&tracked_mutex);
}

/* With the mutex held. */
static rag_status register_handlers(rag_error *err)
{
    if (!handlers_registered &&
        pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child) == 0)
        handlers_registered = 1;
    return handlers_registered ? RAG_OK : rag_fail_memory(err);
}

rag_status os_watch_forks(rag_error *err)
{
    (void)pthread_mutex_lock(&tracked_mutex);
    const rag_status status = register_handlers(err);
    (void)pthread_mutex_unlock(&tracked_mutex);
    return status;
}

/* With the mutex held. */
static rag_status track(int fd, rag_error *err)
{
    RAG_TRY(register_handlers(err));
    if (tracked_count == tracked_capacity) {
        const size_t capacity = tracked_capacity ? tracked_capacity * 2 : 16;
        int *more = rag_realloc(tracked, capacity * sizeof *more);
        if (!more)
            return rag_fail_memory(err);
        tracked = more;
        tracked_capacity = capacity;
    }
    tracked[tracked_count++] = fd;
    return RAG_OK;
}

/* With the mutex held. What was opened last is looked for first. */
static void untrack(int fd)
{
    for (size_t i = tracked_count; i-- > 0;) {
        if (tracked[i] == fd) {
            tracked[i] = tracked[--tracked_count];
            break;
        }
    }
    if (!tracked_count) { /* nothing stays behind when the last store is closed */
        rag_free(tracked);
        tracked = NULL;
        tracked_capacity = 0;
    }
}

rag_status os_track_descriptor(int fd, rag_error *err)
{
    (void)pthread_mutex_lock(&tracked_mutex);
    const rag_status status = track(fd, err);
    (void)pthread_mutex_unlock(&tracked_mutex);
    return status;
}

void os_untrack_descriptor(int fd)
{
    (void)pthread_mutex_lock(&tracked_mutex);
    untrack(fd);
    (void)pthread_mutex_unlock(&tracked_mutex);
}

/* Opened and tracked between two forks. */
static rag_status open_tracked(const char *path, int flags, int *fd, rag_error *err)
{
    int opened;
    do
        opened = os_calls.open(path, flags | O_CLOEXEC, 0600);
    while (opened < 0 && errno == EINTR);
    if (opened < 0)
        return rag_fail_errno(err, errno, "open %s", path);
    const rag_status status = track(opened, err);
    if (status == RAG_OK) {
        *fd = opened;
    } else {
        (void)os_calls.close(opened);
        errno = ENOMEM; /* for callers that have no rag_error */
    }
    return status;
}

rag_status os_open(const char *path, int flags, int *fd, rag_error *err)
{
    (void)pthread_mutex_lock(&tracked_mutex);
    const rag_status status = open_tracked(path, flags, fd, err);
    (void)pthread_mutex_unlock(&tracked_mutex);
    return status;
}

void os_close(int fd)
{
    if (fd < 0)
        return;
    (void)pthread_mutex_lock(&tracked_mutex);
    untrack(fd);
    (void)os_calls.close(fd); /* on Linux the descriptor is gone whatever it answers */
    (void)pthread_mutex_unlock(&tracked_mutex);
}

DIR *os_open_directory(const char *path)
{
    int fd;
    if (os_open(path, O_RDONLY | O_DIRECTORY, &fd, NULL) != RAG_OK)
        return NULL;
    DIR *directory = fdopendir(fd);
    const int code = errno;
    if (!directory)
        os_close(fd);
    errno = code;
    return directory;
}

void os_close_directory(DIR *directory)
{
    (void)pthread_mutex_lock(&tracked_mutex);
    untrack(dirfd(directory));
    (void)closedir(directory);
    (void)pthread_mutex_unlock(&tracked_mutex);
}

unsigned os_fork_generation(void)
{
    return atomic_load_explicit(&fork_generation, memory_order_relaxed);
}
