/* The operating system, through one replaceable table: tests make the n-th write, sync or rename
 * fail, record what would be lost in a power cut, and kill themselves at the n-th call. The private
 * SQLite goes through it as well. Also: which descriptors must not survive a fork. */
#ifndef CORE_OS_H
#define CORE_OS_H

#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "error.h"

struct os_calls {
    int (*open)(const char *path, int flags, mode_t mode);
    int (*close)(int fd);
    ssize_t (*read)(int fd, void *data, size_t len);
    ssize_t (*pread)(int fd, void *data, size_t len, off_t offset);
    ssize_t (*write)(int fd, const void *data, size_t len);
    ssize_t (*pwrite)(int fd, const void *data, size_t len, off_t offset);
    int (*ftruncate)(int fd, off_t len);
    int (*fsync)(int fd);
    int (*fdatasync)(int fd);
    int (*rename)(const char *from, const char *to);
    int (*link)(const char *from, const char *to);
    int (*unlink)(const char *path);
    int (*mkdir)(const char *path, mode_t mode);
    int (*rmdir)(const char *path);
    int (*fchmod)(int fd, mode_t mode);
    int (*stat)(const char *path, struct stat *st);
    int (*lstat)(const char *path, struct stat *st);
    int (*fstat)(int fd, struct stat *st);
    int (*access)(const char *path, int mode);
    void *(*mmap)(void *at, size_t len, int protection, int flags, int fd, off_t offset);
    int (*fcntl_lock)(int fd, int command, void *flock);
};

/* Set before the first store is opened, by tests only. */
extern struct os_calls os_calls;

/* Open with O_CLOEXEC; new files get mode 0600. Close with os_close(). */
rag_status os_open(const char *path, int flags, int *fd, rag_error *err);
void os_close(int fd); /* -1 is allowed */

/* All of `len`, or an error; interrupted and short calls are gone on with. `path` for messages. */
rag_status os_write_all(int fd, const void *data, size_t len, const char *path, rag_error *err);
/* Up to `len` bytes; *got is short only at the end of the file. */
rag_status os_read_full(int fd, void *data, size_t len, size_t *got, const char *path,
                        rag_error *err);
/* The same at `offset`; the position of the descriptor stays. */
rag_status os_write_all_at(int fd, const void *data, size_t len, off_t offset, const char *path,
                           rag_error *err);
rag_status os_fsync(int fd, const char *path, rag_error *err);

/* opendir(); NULL with errno. Read with readdir(). */
DIR *os_open_directory(const char *path);
void os_close_directory(DIR *directory);
/* What SQLite is compiled to call in place of fdatasync(), which it lets nobody replace. */
int os_fdatasync(int fd);

/* fsync of the directory itself, so that a new or renamed entry survives a power cut. */
rag_status os_sync_directory(const char *path, rag_error *err);
rag_status os_rename(const char *from, const char *to, rag_error *err);
/* RAG_OK also when there is no such file. */
rag_status os_unlink(const char *path, rag_error *err);
/* The directory and its missing parents, mode 0700; new ones are synced. */
rag_status os_make_directories(const char *path, rag_error *err);
/* `directory`/`name` in new memory (rag_free), NULL when out of memory. */
char *os_join(const char *directory, const char *name);

/* 1 when these bytes are now locked for the open file alone (an open-file-description lock, until it
 * is closed); 0 when somebody else has one of them, or locks do not work there. */
int os_try_lock(int fd, off_t start, off_t len);

/* Descriptors of others than os_open() and os_open_directory(), to be closed in the child right after
 * fork() as theirs are. Opening and tracking must not be divided by a fork. */
rag_status os_track_descriptor(int fd, rag_error *err);
void os_untrack_descriptor(int fd);

/* Begin to notice forks; a store does so when it is opened. Tracking a descriptor implies it. */
rag_status os_watch_forks(rag_error *err);

/* Grows by one in every child of fork() that is watched; a handle remembers the value of its
 * birth. */
unsigned os_fork_generation(void);

#endif
