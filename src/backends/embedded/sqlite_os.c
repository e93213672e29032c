/* System calls for the private copy of SQLite, put under its unix VFS with xSetSystemCall(). Those
 * that touch files go through the table of core/os.c, so that tests see and fail SQLite's as they do
 * ours; its syncs, which that call does not offer, are renamed when it is compiled. Its memory is
 * that of core/alloc.c. The locks are more than passed on:
 *
 * Why. POSIX record locks belong to (process, inode), and closing ANY descriptor of the file drops
 * them all. When another copy of SQLite in the same process (Python's sqlite3) opens and closes our
 * file, our locks vanish, the other copy believes to be the last user, deletes the write-ahead log,
 * and what we commit from then on is lost. Open-file-description (OFD) locks belong to the open
 * file and only go with it.
 *
 * Why not simply F_OFD_SETLK in place of F_SETLK. SQLite counts the locks of a process by inode
 * (unixInodeInfo) and relies on them being shared by all descriptors: the first connection takes
 * SHARED through its own descriptor, the next ones only count, and the last one to unlock does so
 * through whatever descriptor is its own. With an OFD lock per descriptor that last unlock would
 * miss the descriptor that holds the lock, and a later EXCLUSIVE of the same process would collide
 * with its own forgotten SHARED (seen in rollback mode; in WAL mode SHARED is held from the first
 * read until close). So locks of one inode all go through ONE description that this file opens for
 * it, the "owner": the process-wide account that SQLite keeps is then exactly the state of the
 * kernel, whichever descriptor a call names, and closing any other descriptor changes nothing.
 *  - The owner is made at the first lock call on an inode and closed with the last descriptor of
 *    that inode that ever locked; closing it releases whatever is left. SQLite itself keeps the
 *    descriptors of closed connections open while the inode has locks ("pending closes") and may
 *    hand them to new connections: neither matters here, for no descriptor but the owner has locks.
 *  - It is a description of its own (reopened through /proc/self/fd, for reading and writing when
 *    the file allows it), not a dup: the first descriptor may be read-only, and F_WRLCK needs one
 *    that can write. Without /proc it is a dup.
 *  - The -shm file has one descriptor for each process and inode of the main file. It has an owner of
 *    its own for each descriptor: when the main file was replaced, two accounts may use one -shm
 *    file, and they must exclude each other. Not the descriptor itself, because it is mapped: a
 *    mapping keeps the description, and so its locks, alive in a child that inherits it.
 *  - F_GETLK answers about other owners only, as SQLite expects; another copy of SQLite in this
 *    process counts as another.
 *
 * Their locks. The same rule works the other way round: when the last handle of ours on a store is
 * closed, closing its descriptors would take away the POSIX locks that another copy of SQLite in this
 * process has on the file, in the middle of its transaction. So before a descriptor that may have had
 * locks is closed, the descriptors of the process are looked through for one of that inode that is not
 * ours. If there is one, ours stays open without locks ("kept"): the next open of the inode takes it,
 * and it is closed at the first open or close of ours after the other copy has gone.
 * Another copy may come between looking and closing. Every SQLite locks the pending byte of the
 * database for reading before it locks anything else, there or in the -shm file. So we hold that byte
 * (the "guard") from before looking until closing is done: whoever comes meanwhile finds it busy, as
 * it finds it when a database is checkpointed for the last time, and whoever came before is seen. The
 * guard goes with the description of the owner, which the kernel drops after the POSIX locks. Where
 * somebody else holds the byte, ours is kept. Files that we may not write cannot be guarded: there we
 * only look.
 *
 * Fork. A child shares open file descriptions, and with them OFD locks: a killed parent would leave
 * its locks held by its child. So every descriptor is registered with os_track_descriptor() and
 * closed in the child. A child may open stores of its own, but its copy of SQLite's account of
 * inodes speaks of the parent's locks and closed descriptors: stat() and fstat() give the device
 * number of a child with the fork generation mixed in, so that the inherited entries are never
 * found again. SQLite's static mutexes are held over the fork, so that the child finds them whole.
 *
 * Order of locks: SQLite's mutexes, then `table_mutex` here, then the one of core/os.c. Descriptors
 * are opened and closed under `table_mutex`: a fork sees each either tracked or not there. */
#include "sqlite_os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/alloc.h"
#include "core/os.h"
#include "core/slice.h"
#include "page_checksum.h"
#include "sqlite_memory.h"

struct owner { /* of all locks of this process on one inode */
    dev_t device;
    ino_t inode;
    int fd;
    size_t users; /* rows of `opened` that point here */
    int is_shm;   /* serves one descriptor only */
    struct owner *next;
};

struct file_id {
    dev_t device;
    ino_t inode;
};

struct opened { /* a descriptor that SQLite has */
    int fd;
    const char *path; /* by address only */
    dev_t device;
    ino_t inode;
    struct owner *owner;     /* NULL until its first lock call */
    struct file_id database; /* of a -shm, the file beside it; else itself */
    int is_shm;
    int has_locks; /* a database, or its -shm: somebody may have locks on it */
};

static pthread_mutex_t table_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct opened *table;
static size_t table_count, table_capacity;
static struct owner *owners;
static int installed;

/* Closed by SQLite, open still: see "Their locks" above. */
struct kept {
    int fd, access;
    dev_t device;
    ino_t inode;
    struct file_id database;
};

static struct kept *kept;
static size_t kept_count, kept_capacity;

/* Held over a fork, in this order; see sqlite3.c for what each protects. */
static const int fork_mutexes[] = { SQLITE_MUTEX_STATIC_MAIN, SQLITE_MUTEX_STATIC_PRNG,
                                    SQLITE_MUTEX_STATIC_VFS1, SQLITE_MUTEX_STATIC_PMEM };
enum { FORK_MUTEXES = sizeof fork_mutexes / sizeof *fork_mutexes };

static struct opened *find(int fd)
{
    for (size_t i = 0; i < table_count; i++)
        if (table[i].fd == fd)
            return &table[i];
    return NULL;
}

static void close_tracked(int fd)
{
    os_untrack_descriptor(fd);
    (void)os_calls.close(fd);
}

/* ---- descriptors that are kept ------------------------------------------------------------------- */

static int is_ours(int fd)
{
    for (const struct owner *owner = owners; owner; owner = owner->next)
        if (owner->fd == fd)
            return 1;
    for (size_t i = 0; i < kept_count; i++)
        if (kept[i].fd == fd)
            return 1;
    return find(fd) != NULL;
}

static int is_file(const struct stat *st, struct file_id id)
{
    return st->st_dev == id.device && st->st_ino == id.inode;
}

/* Whether somebody else in this process has the file, or the database that it belongs to, open. */
static int is_open_elsewhere(struct file_id file, struct file_id database)
{
    DIR *dir = os_open_directory("/proc/self/fd");
    int there = 0;
    for (const struct dirent *e = dir ? readdir(dir) : NULL; e && !there; e = readdir(dir)) {
        struct stat st;
        const int fd = (int)strtol(e->d_name, NULL, 10); /* 0 for "." and ".." */
        there = os_calls.fstat(fd, &st) == 0 && (is_file(&st, file) || is_file(&st, database)) &&
                !is_ours(fd);
    }
    if (dir)
        os_close_directory(dir);
    return there;
}

/* ---- the guard ----------------------------------------------------------------------------------- */

/* In every SQLite's databases (PENDING_BYTE there). */
enum { PENDING_AT = 0x40000000, GUARD_ATTEMPTS = 50 };
enum guard { GUARD_HELD, GUARD_IMPOSSIBLE, GUARD_REFUSED };

/* A description of ours of this database that has, or could have, our locks; -1: none. */
static int find_description(struct file_id database)
{
    for (const struct owner *owner = owners; owner; owner = owner->next)
        if (!owner->is_shm && owner->device == database.device && owner->inode == database.inode)
            return owner->fd;
    for (size_t i = 0; i < kept_count; i++)
        if (kept[i].device == database.device && kept[i].inode == database.inode &&
            kept[i].access == O_RDWR)
            return kept[i].fd;
    return -1;
}

static int lock_pending(int fd, short type)
{
    struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = PENDING_AT, .l_len = 1 };
    return os_calls.fcntl_lock(fd, F_OFD_SETLK, &lock);
}

/* Others hold the byte for an instant each. A connection of ours that has it loses it: then it may have
 * to wait for readers a little longer, which is all that the byte is for. */
static enum guard take_guard(int fd)
{
    for (int i = 0; i < GUARD_ATTEMPTS; i++) {
        if (fd < 0 || lock_pending(fd, F_WRLCK) == 0)
            return fd < 0 ? GUARD_IMPOSSIBLE : GUARD_HELD;
        if (errno != EAGAIN && errno != EACCES && errno != EINTR)
            return GUARD_IMPOSSIBLE;
        (void)sched_yield();
    }
    return GUARD_REFUSED;
}

/* The guard is the caller's when the answer is 0 and *guard is GUARD_HELD. */
static int must_keep(struct file_id file, struct file_id database, int description,
                     enum guard *guard)
{
    *guard = take_guard(description);
    if (*guard != GUARD_REFUSED && !is_open_elsewhere(file, database))
        return 0;
    if (*guard == GUARD_HELD)
        (void)lock_pending(description, F_UNLCK);
    return 1;
}

/* 0 when there is no memory to write it down. */
static int keep(int fd, const struct opened *row)
{
    if (kept_count == kept_capacity) {
        const size_t capacity = kept_capacity ? kept_capacity * 2 : 8;
        struct kept *more = rag_realloc(kept, capacity * sizeof *more);
        if (!more)
            return 0;
        kept = more;
        kept_capacity = capacity;
    }
    const int access = fcntl(fd, F_GETFL) & O_ACCMODE;
    kept[kept_count++] = (struct kept){ .fd = fd,
                                        .access = access,
                                        .device = row->device,
                                        .inode = row->inode,
                                        .database = row->database };
    return 1;
}

static void forget_kept(size_t i)
{
    kept[i] = kept[--kept_count];
    if (!kept_count) {
        rag_free(kept);
        kept = NULL;
        kept_capacity = 0;
    }
}

/* One of this inode, no longer tracked; -1 when there is none. */
static int take_kept(dev_t device, ino_t inode, int access)
{
    for (size_t i = 0; i < kept_count; i++) {
        const struct kept one = kept[i];
        if (one.device != device || one.inode != inode || one.access != access)
            continue;
        forget_kept(i);
        os_untrack_descriptor(one.fd);
        return one.fd;
    }
    return -1;
}

/* Closes one that nobody is hurt by any more. */
static void close_if_harmless(size_t i)
{
    const struct kept one = kept[i];
    const struct file_id file = { one.device, one.inode };
    const int description = find_description(one.database);
    enum guard guard;
    if (must_keep(file, one.database, description, &guard))
        return;
    forget_kept(i);
    close_tracked(one.fd);
    if (guard == GUARD_HELD && description != one.fd)
        (void)lock_pending(description, F_UNLCK);
}

/* What belongs to a database first: it is guarded through that. */
static void close_kept(void)
{
    for (int databases = 0; databases < 2; databases++)
        for (size_t i = kept_count; i-- > 0;)
            if (databases == (kept[i].inode == kept[i].database.inode))
                close_if_harmless(i);
}

/* ---- open and close ---------------------------------------------------------------------------- */

static int is_shm(const char *path)
{
    return slice_ends_with(rag_text(path), "-shm");
}

/* Not logs, journals and directories. */
static int has_locks(const char *path, const struct stat *st)
{
    return S_ISREG(st->st_mode) && !slice_ends_with(rag_text(path), "-wal") &&
           !slice_ends_with(rag_text(path), "-journal");
}

/* Of a -shm, the file that is named so without it; itself when there is none. */
static struct file_id database_of(const char *path, const struct stat *itself)
{
    struct stat st = *itself;
    char *name = is_shm(path) ? rag_strdup(path) : NULL;
    if (name) {
        name[strlen(name) - strlen("-shm")] = 0;
        if (os_calls.stat(name, &st) != 0)
            st = *itself;
        rag_free(name);
    }
    return (struct file_id){ st.st_dev, st.st_ino };
}

/* 0, or what went wrong as errno. */
static int add_row(int fd, const char *path)
{
    struct stat st;
    if (os_calls.fstat(fd, &st) != 0)
        return errno;
    if (table_count == table_capacity) {
        const size_t capacity = table_capacity ? table_capacity * 2 : 32;
        struct opened *more = rag_realloc(table, capacity * sizeof *more);
        if (!more)
            return ENOMEM;
        table = more;
        table_capacity = capacity;
    }
    if (os_track_descriptor(fd, NULL) != RAG_OK)
        return ENOMEM;
    table[table_count++] = (struct opened){ .fd = fd,
                                            .path = path,
                                            .device = st.st_dev,
                                            .inode = st.st_ino,
                                            .database = database_of(path, &st),
                                            .is_shm = is_shm(path),
                                            .has_locks = has_locks(path, &st) };
    return 0;
}

static int open_or_take(const char *path, int flags, int mode)
{
    struct stat st;
    close_kept();
    if (kept_count && !(flags & O_EXCL) && os_calls.stat(path, &st) == 0) {
        const int fd = take_kept(st.st_dev, st.st_ino, flags & O_ACCMODE);
        if (fd >= 0)
            return fd;
    }
    return os_calls.open(path, flags | O_CLOEXEC, (mode_t)mode);
}

static int open_and_track(const char *path, int flags, int mode)
{
    (void)pthread_mutex_lock(&table_mutex);
    int fd = open_or_take(path, flags, mode);
    int code = errno;
    if (fd >= 0) {
        code = add_row(fd, path);
        if (code) {
            (void)os_calls.close(fd);
            fd = -1;
        }
    }
    (void)pthread_mutex_unlock(&table_mutex);
    errno = code;
    return fd;
}

static int is_refusal(int code)
{
    return code == EACCES || code == EPERM || code == EROFS || code == EISDIR;
}

/* What SQLite cannot open for writing it opens for reading at once, whatever the reason, and later
 * says "read-only" or "not there". That is right when writing is refused; after any other error the
 * second try gets the answer of the first. A thread makes the two calls one after the other. */
static int hook_open(const char *path, int flags, int mode)
{
    static _Thread_local const char *failed_path;
    static _Thread_local int failed_code;
    const int is_second = failed_path == path && (flags & O_ACCMODE) == O_RDONLY;
    failed_path = NULL;
    if (is_second) {
        errno = failed_code;
        return -1;
    }
    const int fd = open_and_track(path, flags, mode);
    if (fd < 0 && (flags & O_ACCMODE) == O_RDWR && errno != ENOENT && errno != EINTR &&
        !is_refusal(errno)) {
        failed_path = path;
        failed_code = errno;
    }
    return fd;
}

/* `row` is the last that used it when its count of users gets to 0. */
static void leave_owner(struct owner *owner, const struct opened *row, int is_kept)
{
    struct flock none = { .l_type = F_UNLCK, .l_whence = SEEK_SET };
    if (--owner->users > 0)
        return;
    struct owner **link = &owners;
    while (*link != owner)
        link = &(*link)->next;
    *link = owner->next;
    if (!is_kept || os_calls.fcntl_lock(owner->fd, F_OFD_SETLK, &none) != 0 ||
        !keep(owner->fd, row))
        close_tracked(owner->fd);
    rag_free(owner);
}

/* Through which the database of `row` is guarded while it is closed; -1: none. */
static int guarding_description(const struct opened *row)
{
    const int fd = row->has_locks ? find_description(row->database) : -1;
    return fd < 0 && row->has_locks && !row->is_shm ? row->fd : fd;
}

/* As close(). A description that is closed takes the guard along. */
static int close_or_keep(struct opened *row)
{
    const struct opened gone = *row;
    const struct file_id file = { gone.device, gone.inode };
    const int description = guarding_description(&gone);
    const int owner_goes = gone.owner && gone.owner->users == 1;
    enum guard guard = GUARD_IMPOSSIBLE;
    const int is_kept = gone.has_locks && must_keep(file, gone.database, description, &guard);
    int result = 0;
    *row = table[--table_count];
    if (!is_kept || !keep(gone.fd, &gone)) {
        os_untrack_descriptor(gone.fd);
        result = os_calls.close(gone.fd);
    }
    const int code = errno;
    const int guard_goes = description == gone.fd || (owner_goes && gone.owner->fd == description);
    if (gone.owner)
        leave_owner(gone.owner, &gone, is_kept);
    if (guard == GUARD_HELD && !is_kept && !guard_goes)
        (void)lock_pending(description, F_UNLCK);
    errno = code;
    return result;
}

static int hook_close(int fd)
{
    (void)pthread_mutex_lock(&table_mutex);
    struct opened *row = find(fd);
    const int result = row ? close_or_keep(row) : os_calls.close(fd);
    const int code = errno;
    close_kept();
    if (!table_count) { /* nothing stays behind when the last store is closed */
        rag_free(table);
        table = NULL;
        table_capacity = 0;
    }
    (void)pthread_mutex_unlock(&table_mutex);
    errno = code;
    return result;
}

/* ---- locks --------------------------------------------------------------------------------------- */

static int open_description(const struct opened *row)
{
    char link[64];
    const int again = take_kept(row->device, row->inode, O_RDWR);
    if (again >= 0)
        return again;
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", row->fd);
    int own = os_calls.open(link, O_RDWR | O_CLOEXEC, 0);
    if (own < 0)
        own = os_calls.open(link, O_RDONLY | O_CLOEXEC, 0);
    if (own < 0)
        own = fcntl(row->fd, F_DUPFD_CLOEXEC, 3);
    return own;
}

static struct owner *new_owner(const struct opened *row)
{
    struct owner *owner = rag_alloc_zeroed(1, sizeof *owner);
    if (!owner) {
        errno = ENOMEM;
        return NULL;
    }
    owner->fd = open_description(row);
    int code = owner->fd < 0 ? errno : 0;
    if (!code && os_track_descriptor(owner->fd, NULL) != RAG_OK) {
        (void)os_calls.close(owner->fd);
        code = ENOMEM;
    }
    if (code) {
        rag_free(owner);
        errno = code; /* not ENOLCK, which SQLite takes for a lock of somebody else */
        return NULL;
    }
    owner->device = row->device;
    owner->inode = row->inode;
    owner->is_shm = row->is_shm;
    owner->next = owners;
    owners = owner;
    return owner;
}

/* The descriptor through which this process locks the inode of `fd`; -1 with errno. */
static int lock_descriptor(int fd)
{
    struct opened *row = find(fd);
    if (!row)
        return fd;
    if (!row->owner) {
        struct owner *owner = row->is_shm ? NULL : owners;
        while (owner &&
               (owner->is_shm || owner->device != row->device || owner->inode != row->inode))
            owner = owner->next;
        if (!owner)
            owner = new_owner(row);
        if (!owner)
            return -1;
        owner->users++;
        row->owner = owner;
    }
    return row->owner->fd;
}

static int lock_call(int fd, int command, struct flock *lock)
{
    struct flock own = *lock;
    own.l_pid = 0; /* the kernel insists on it */
    (void)pthread_mutex_lock(&table_mutex);
    const int through = lock_descriptor(fd);
    const int result = through < 0 ? -1 : os_calls.fcntl_lock(through, command, &own);
    const int code = errno;
    (void)pthread_mutex_unlock(&table_mutex);
    if (result == 0 && command == F_OFD_GETLK)
        *lock = own;
    errno = code;
    return result;
}

static int hook_fcntl(int fd, int command, ...)
{
    va_list args;
    va_start(args, command);
    int result;
    switch (command) {
    case F_SETLK: result = lock_call(fd, F_OFD_SETLK, va_arg(args, struct flock *)); break;
    /* Never waits in the kernel: it would do so under table_mutex. SQLite asks again itself. */
    case F_SETLKW: result = lock_call(fd, F_OFD_SETLK, va_arg(args, struct flock *)); break;
    case F_GETLK: result = lock_call(fd, F_OFD_GETLK, va_arg(args, struct flock *)); break;
    default: result = fcntl(fd, command, va_arg(args, int)); break;
    }
    va_end(args);
    return result;
}

/* ---- identity of files ----------------------------------------------------------------------------- */

static void mix_generation(struct stat *st)
{
    st->st_dev ^= (dev_t)os_fork_generation() << 32;
}

static int hook_stat(const char *path, struct stat *st)
{
    const int result = os_calls.stat(path, st);
    if (result == 0)
        mix_generation(st);
    return result;
}

static int hook_fstat(int fd, struct stat *st)
{
    const int result = os_calls.fstat(fd, st);
    if (result == 0)
        mix_generation(st);
    return result;
}

static int hook_lstat(const char *path, struct stat *st)
{
    return os_calls.lstat(path, st);
}

int sqlite_os_is_in_place(const char *path)
{
    struct opened row = { .fd = -1 };
    (void)pthread_mutex_lock(&table_mutex);
    for (size_t i = 0; i < table_count; i++)
        if (table[i].path == path)
            row = table[i];
    (void)pthread_mutex_unlock(&table_mutex);
    struct stat st;
    if (row.fd < 0)
        return 0;
    if (os_calls.stat(path, &st) != 0)
        return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
    return st.st_dev == row.device && st.st_ino == row.inode;
}

/* ---- passed on ---------------------------------------------------------------------------------------- */

static int hook_access(const char *path, int mode)
{
    return os_calls.access(path, mode);
}

/* SQLite takes EIO for a damaged file system and says that the database is damaged: not what it is
 * for us, where damage is what was read and contradicts itself. */
static ssize_t read_result(ssize_t n)
{
    if (n < 0 && errno == EIO)
        errno = SQLITE_OS_READ_EIO;
    return n;
}

static ssize_t hook_read(int fd, void *data, size_t len)
{
    return read_result(os_calls.read(fd, data, len));
}

static ssize_t hook_pread(int fd, void *data, size_t len, off_t offset)
{
    return read_result(os_calls.pread(fd, data, len, offset));
}

static ssize_t hook_write(int fd, const void *data, size_t len)
{
    return os_calls.write(fd, data, len);
}

static ssize_t hook_pwrite(int fd, const void *data, size_t len, off_t offset)
{
    return os_calls.pwrite(fd, data, len, offset);
}

static int hook_ftruncate(int fd, off_t len)
{
    return os_calls.ftruncate(fd, len);
}

static int hook_fchmod(int fd, mode_t mode)
{
    return os_calls.fchmod(fd, mode);
}

static int hook_unlink(const char *path)
{
    return os_calls.unlink(path);
}

static int hook_mkdir(const char *path, mode_t mode)
{
    return os_calls.mkdir(path, mode);
}

static int hook_rmdir(const char *path)
{
    return os_calls.rmdir(path);
}

static void *hook_mmap(void *at, size_t len, int protection, int flags, int fd, off_t offset)
{
    return os_calls.mmap(at, len, protection, flags, fd, offset);
}

/* ---- fork -------------------------------------------------------------------------------------------- */

static void before_fork(void)
{
    for (int i = 0; i < FORK_MUTEXES; i++)
        sqlite3_mutex_enter(sqlite3_mutex_alloc(fork_mutexes[i]));
    (void)pthread_mutex_lock(&table_mutex);
}

static void after_fork(void)
{
    (void)pthread_mutex_unlock(&table_mutex);
    for (int i = FORK_MUTEXES; i-- > 0;)
        sqlite3_mutex_leave(sqlite3_mutex_alloc(fork_mutexes[i]));
}

static void after_fork_in_child(void)
{
    table_count = 0; /* core/os.c closes the descriptors */
    owners = NULL;
    kept_count = 0;
    after_fork();
}

/* ---- installing ---------------------------------------------------------------------------------------- */

#ifdef EMBEDDED_PRIVATE_SQLITE
struct replaced {
    const char *name; /* in SQLite's table of system calls */
    sqlite3_syscall_ptr call;
};

static const struct replaced replaced[] = {
    { "open", (sqlite3_syscall_ptr)hook_open },
    { "close", (sqlite3_syscall_ptr)hook_close },
    { "stat", (sqlite3_syscall_ptr)hook_stat },
    { "fstat", (sqlite3_syscall_ptr)hook_fstat },
    { "fcntl", (sqlite3_syscall_ptr)hook_fcntl },
    { "access", (sqlite3_syscall_ptr)hook_access },
    { "read", (sqlite3_syscall_ptr)hook_read },
    { "pread", (sqlite3_syscall_ptr)hook_pread },
    { "write", (sqlite3_syscall_ptr)hook_write },
    { "pwrite", (sqlite3_syscall_ptr)hook_pwrite },
    { "ftruncate", (sqlite3_syscall_ptr)hook_ftruncate },
    { "fchmod", (sqlite3_syscall_ptr)hook_fchmod },
    { "unlink", (sqlite3_syscall_ptr)hook_unlink },
    { "mkdir", (sqlite3_syscall_ptr)hook_mkdir },
    { "rmdir", (sqlite3_syscall_ptr)hook_rmdir },
    { "mmap", (sqlite3_syscall_ptr)hook_mmap },
    { "lstat", (sqlite3_syscall_ptr)hook_lstat },
};

/* SQLite has nothing open yet: this comes before the first store is. */
static int replace_calls(sqlite3_vfs *vfs)
{
    for (size_t i = 0; i < sizeof replaced / sizeof *replaced; i++)
        if (vfs->xSetSystemCall(vfs, replaced[i].name, replaced[i].call) != SQLITE_OK)
            return 0;
    return 1;
}

static rag_status install(rag_error *err)
{
    /* Handlers run before a fork in reverse order of registration: ours must come after the one of
     * core/os.c, whose mutex is taken inside of ours. */
    RAG_TRY(os_watch_forks(err));
    sqlite_memory_install();
    if (sqlite3_initialize() != SQLITE_OK)
        return rag_fail_memory(err);
    sqlite3_vfs *vfs = sqlite3_vfs_find("unix");
    if (!vfs || !replace_calls(vfs))
        return rag_fail(err, RAG_E_UNSUPPORTED, "SQLite %s does not take our system calls",
                        sqlite3_libversion());
    if (pthread_atfork(before_fork, after_fork, after_fork_in_child) != 0)
        return rag_fail_memory(err);
    return RAG_OK;
}
#else
/* The system's SQLite belongs to the whole process: its calls are not ours to change. */
static rag_status install(rag_error *err)
{
    (void)hook_open, (void)hook_close, (void)hook_stat, (void)hook_fstat, (void)hook_fcntl;
    (void)hook_access, (void)hook_read, (void)hook_pread, (void)hook_write, (void)hook_pwrite;
    (void)hook_ftruncate, (void)hook_fchmod, (void)hook_unlink, (void)hook_mkdir, (void)hook_rmdir;
    (void)hook_mmap, (void)hook_lstat;
    (void)before_fork, (void)after_fork, (void)after_fork_in_child;
    if (sqlite3_initialize() != SQLITE_OK)
        return rag_fail_memory(err);
    return RAG_OK;
}
#endif

rag_status sqlite_os_install(rag_error *err)
{
    static pthread_mutex_t install_mutex = PTHREAD_MUTEX_INITIALIZER;
    (void)pthread_mutex_lock(&install_mutex);
    rag_status status = RAG_OK;
    if (!installed) {
        status = install(err);
        if (status == RAG_OK)
            status = page_checksum_install(err);
        installed = status == RAG_OK;
    }
    (void)pthread_mutex_unlock(&install_mutex);
    return status;
}
