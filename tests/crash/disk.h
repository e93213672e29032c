/* A disk that can lose power: records what the library does to the files below one directory, and
 * makes the directory as it may be after a power cut at any point of that.
 *
 * The disk keeps what was synced and nothing else for sure. Of what was written to a file and not
 * synced since, each sector of 512 bytes is there or not, in any order, or torn in its middle; a cut
 * of a file (truncate) happened or not; the length may have grown without the bytes. Entries of a
 * directory (new, renamed, removed) are sure after an fsync of the directory only; until then each
 * of them happened or not, a rename as a whole. This is less than any file system in use promises.
 *
 * One disk at a time; one thread, or processes of one each. While it records nothing is really synced. */
#ifndef CRASH_DISK_H
#define CRASH_DISK_H

#include <stddef.h>
#include <stdint.h>

#include "rng.h"

struct disk;
enum { DISK_PROCESSES = 2 };

/* Begin to record below `root`, an absolute path; what is there now counts as synced. */
struct disk *disk_record(const char *root);
/* The same of what up to DISK_PROCESSES children of fork() do, in the order in which they did it; it is
 * known when they have ended and disk_stop() was called. Each child says once which one it is. */
struct disk *disk_record_processes(const char *root);
void disk_be_process(struct disk *d, int process);
/* A place that this process wants to be found again. */
void disk_mark(struct disk *d);
size_t disk_marks(const struct disk *d, int process);
/* Before which thing the i-th mark was set. */
size_t disk_mark_place(const struct disk *d, int process, size_t i);
/* Stop recording. The log stays until disk_free(). */
void disk_stop(struct disk *d);
void disk_free(struct disk *d);

/* How many things happened so far. A cut "at n" is before the n-th (from 0) of them. */
size_t disk_length(const struct disk *d);
/* Whether the n-th is a sync of a file or directory. */
int disk_is_sync(const struct disk *d, size_t n);
/* Whether the n-th ends a commit: the head of a frame of a write-ahead log that says so; by whom. */
int disk_is_commit(const struct disk *d, size_t n, int *process);
/* "pwrite ragstore.db-wal 24 at 32" and so on. */
void disk_describe(const struct disk *d, size_t n, char *out, size_t size);

/* What is on the disk for sure, and what may be, when the power goes before `at`. */
struct disk_cut;
struct disk_cut *disk_cut_at(const struct disk *d, size_t at);
void disk_cut_free(struct disk_cut *cut);

/* What is not sure, in the order in which it was done. As groups, a frame of a write-ahead log (its
 * head and its page) is one. */
size_t disk_cut_pending(const struct disk_cut *cut, int groups);

/* What happens to each pending thing. */
enum disk_fate {
    DISK_LOST,
    DISK_KEPT,
    DISK_SECTORS /* of a write each sector is kept, lost or torn; of others: kept or lost */
};

struct disk_choice {
    int groups;                 /* as in disk_cut_pending() */
    const unsigned char *fates; /* one for each pending thing */
    struct rng *rng;            /* for DISK_SECTORS; NULL when there is none */
    double keep;                /* chance of each sector to be kept */
};

/* What is pending and its fate, one line each, to the standard error stream. */
void disk_cut_print(const struct disk_cut *cut, const struct disk_choice *choice);

/* Make the directory `target`, which must not exist, as the disk has it. */
void disk_cut_write(const struct disk_cut *cut, const struct disk_choice *choice,
                    const char *target);

#endif
