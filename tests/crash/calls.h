/* What a process did to the files, as it is written down: one call, and a log of them that several
 * processes share. The log's lock is held over the call itself, so that the order in it is the order
 * in which the kernel saw the calls. */
#ifndef CRASH_CALLS_H
#define CRASH_CALLS_H

#include <stddef.h>

enum call_kind {
    CALL_OPEN,
    CALL_CLOSE,
    CALL_WRITE,
    CALL_TRUNCATE, /* `at`: the new length */
    CALL_SYNC,
    CALL_RENAME, /* `path` to `other` */
    CALL_LINK,
    CALL_REMOVE,
    CALL_MKDIR,
    CALL_MARK /* no call: a place that the process wants to find again */
};

struct call {
    enum call_kind kind;
    int process; /* 0, 1, ... */
    int fd;
    int flags; /* of an open */
    size_t at, len;
    const void *data;
    const char *path, *other; /* NULL: none */
};

/* In memory that children of fork() share; the same for all of them. */
struct call_log;

struct call_log *call_log_new(void);
void call_log_free(struct call_log *log);
/* Empty again. */
void call_log_clear(struct call_log *log);
void call_log_lock(struct call_log *log);
void call_log_unlock(struct call_log *log);
/* While it is locked. */
void call_log_add(struct call_log *log, const struct call *call);
/* The call at *place (0: the first), which goes to the next one; 0: there is none. */
int call_log_next(const struct call_log *log, size_t *place, struct call *out);

#endif
