/* See faults.h. Counters only: which call fails is decided by its number within its class, so a test
 * goes through all of them one after the other. */
#include "faults.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/os.h"

static struct os_calls below;
static struct fault armed;
static int is_armed, happened, half_done;
static atomic_long counts[FAULT_CLASSES], total;
static long kill_at;

const char *fault_name(enum fault_class kind)
{
    static const char *const names[] = { "open", "read", "write", "truncate",
                                         "sync", "name", "stat",  "map" };
    return names[kind];
}

/* Counts one call; whether it is the one that fails. */
static int fails(enum fault_class kind)
{
    const long n = atomic_fetch_add(&counts[kind], 1) + 1;
    const long all = atomic_fetch_add(&total, 1) + 1;
    if (kill_at && all == kill_at) {
        (void)kill(getpid(), SIGKILL);
        (void)pause();
    }
    if (!is_armed || armed.kind != kind || n != armed.at)
        return 0;
    happened = 1;
    errno = armed.code;
    return 1;
}

static int on_open(const char *path, int flags, mode_t mode)
{
    return fails(FAULT_OPEN) ? -1 : below.open(path, flags, mode);
}

static ssize_t on_read(int fd, void *data, size_t len)
{
    return fails(FAULT_READ) ? -1 : below.read(fd, data, len);
}

static ssize_t on_pread(int fd, void *data, size_t len, off_t offset)
{
    return fails(FAULT_READ) ? -1 : below.pread(fd, data, len, offset);
}

/* The rest of a write that was short. */
static int fails_after_half(void)
{
    if (!half_done)
        return 0;
    half_done = 0;
    errno = armed.code;
    return 1;
}

static ssize_t on_write(int fd, const void *data, size_t len)
{
    if (fails_after_half())
        return -1;
    if (!fails(FAULT_WRITE))
        return below.write(fd, data, len);
    half_done = armed.is_short && len > 1;
    return half_done ? below.write(fd, data, len / 2) : -1;
}

static ssize_t on_pwrite(int fd, const void *data, size_t len, off_t offset)
{
    if (fails_after_half())
        return -1;
    if (!fails(FAULT_WRITE))
        return below.pwrite(fd, data, len, offset);
    half_done = armed.is_short && len > 1;
    return half_done ? below.pwrite(fd, data, len / 2, offset) : -1;
}

static int on_ftruncate(int fd, off_t len)
{
    return fails(FAULT_TRUNCATE) ? -1 : below.ftruncate(fd, len);
}

static int on_fsync(int fd)
{
    return fails(FAULT_SYNC) ? -1 : below.fsync(fd);
}

static int on_fdatasync(int fd)
{
    return fails(FAULT_SYNC) ? -1 : below.fdatasync(fd);
}

static int on_rename(const char *from, const char *to)
{
    return fails(FAULT_NAMES) ? -1 : below.rename(from, to);
}

static int on_link(const char *from, const char *to)
{
    return fails(FAULT_NAMES) ? -1 : below.link(from, to);
}

static int on_unlink(const char *path)
{
    return fails(FAULT_NAMES) ? -1 : below.unlink(path);
}

static int on_mkdir(const char *path, mode_t mode)
{
    return fails(FAULT_NAMES) ? -1 : below.mkdir(path, mode);
}

static int on_rmdir(const char *path)
{
    return fails(FAULT_NAMES) ? -1 : below.rmdir(path);
}

static int on_stat(const char *path, struct stat *st)
{
    return fails(FAULT_STAT) ? -1 : below.stat(path, st);
}

static int on_lstat(const char *path, struct stat *st)
{
    return fails(FAULT_STAT) ? -1 : below.lstat(path, st);
}

static int on_fstat(int fd, struct stat *st)
{
    return fails(FAULT_STAT) ? -1 : below.fstat(fd, st);
}

static int on_access(const char *path, int mode)
{
    return fails(FAULT_STAT) ? -1 : below.access(path, mode);
}

static void *on_mmap(void *at, size_t len, int protection, int flags, int fd, off_t offset)
{
    return fails(FAULT_MAP) ? MAP_FAILED : below.mmap(at, len, protection, flags, fd, offset);
}

void faults_install(void)
{
    below = os_calls;
    os_calls.open = on_open;
    os_calls.read = on_read;
    os_calls.pread = on_pread;
    os_calls.write = on_write;
    os_calls.pwrite = on_pwrite;
    os_calls.ftruncate = on_ftruncate;
    os_calls.fsync = on_fsync;
    os_calls.fdatasync = on_fdatasync;
    os_calls.rename = on_rename;
    os_calls.link = on_link;
    os_calls.unlink = on_unlink;
    os_calls.mkdir = on_mkdir;
    os_calls.rmdir = on_rmdir;
    os_calls.stat = on_stat;
    os_calls.lstat = on_lstat;
    os_calls.fstat = on_fstat;
    os_calls.access = on_access;
    os_calls.mmap = on_mmap;
}

void faults_remove(void)
{
    os_calls = below;
}

void faults_arm(const struct fault *fault)
{
    for (int i = 0; i < FAULT_CLASSES; i++)
        atomic_store(&counts[i], 0);
    atomic_store(&total, 0);
    happened = half_done = 0;
    is_armed = fault != NULL;
    if (fault)
        armed = *fault;
}

int faults_disarm(void)
{
    is_armed = half_done = 0;
    return happened;
}

long faults_count(enum fault_class kind)
{
    return atomic_load(&counts[kind]);
}

long faults_total(void)
{
    return atomic_load(&total);
}

void faults_kill_at(long n)
{
    kill_at = n;
}
