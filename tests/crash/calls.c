/* See calls.h. Calls lie behind each other in one mapping: a head, the bytes, the two paths with their
 * NUL. The mapping is larger than any test writes, and only what is touched takes memory. */
#include "calls.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ALIGN = 16 };
static const size_t LOG_BYTES = (size_t)1 << 30;

struct call_log {
    pthread_mutex_t lock;
    size_t used; /* of `bytes` */
    _Alignas(ALIGN) unsigned char bytes[];
};

struct head {
    struct call call;           /* its pointers mean nothing */
    size_t path_len, other_len; /* with the NUL; 0: none */
    size_t whole;
};

static void die(const char *what)
{
    (void)fprintf(stderr, "calls: %s\n", what);
    abort();
}

struct call_log *call_log_new(void)
{
    struct call_log *log = mmap(NULL, LOG_BYTES, PROT_READ | PROT_WRITE,
                                MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    pthread_mutexattr_t shared;
    if (log == MAP_FAILED || pthread_mutexattr_init(&shared) != 0 ||
        pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED) != 0 ||
        pthread_mutex_init(&log->lock, &shared) != 0)
        die("no memory to share");
    (void)pthread_mutexattr_destroy(&shared);
    return log;
}

void call_log_free(struct call_log *log)
{
    if (log)
        (void)munmap(log, LOG_BYTES);
}

void call_log_clear(struct call_log *log)
{
    log->used = 0;
}

void call_log_lock(struct call_log *log)
{
    if (pthread_mutex_lock(&log->lock) != 0)
        die("lock");
}

void call_log_unlock(struct call_log *log)
{
    if (pthread_mutex_unlock(&log->lock) != 0)
        die("unlock");
}

static size_t text_len(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

static unsigned char *put(unsigned char *at, const void *data, size_t len)
{
    if (len)
        memcpy(at, data, len);
    return at + len;
}

void call_log_add(struct call_log *log, const struct call *call)
{
    struct head head = { .call = *call,
                         .path_len = text_len(call->path),
                         .other_len = text_len(call->other) };
    const size_t data_len = call->data ? call->len : 0;
    head.whole =
        (sizeof head + data_len + head.path_len + head.other_len + ALIGN - 1) / ALIGN * ALIGN;
    if (sizeof *log + log->used + head.whole > LOG_BYTES)
        die("the log is full");
    unsigned char *at = put(log->bytes + log->used, &head, sizeof head);
    at = put(at, call->data, data_len);
    at = put(at, call->path, head.path_len);
    (void)put(at, call->other, head.other_len);
    log->used += head.whole;
}

int call_log_next(const struct call_log *log, size_t *place, struct call *out)
{
    struct head head;
    if (*place >= log->used)
        return 0;
    const unsigned char *at = log->bytes + *place;
    memcpy(&head, at, sizeof head);
    at += sizeof head;
    *out = head.call;
    if (out->data) {
        out->data = at;
        at += out->len;
    }
    out->path = head.path_len ? (const char *)at : NULL;
    out->other = head.other_len ? (const char *)at + head.path_len : NULL;
    *place += head.whole;
    return 1;
}
