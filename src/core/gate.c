/* The writer's turn.
 *
 * Inside the process a queue, first come first served: each waiter sleeps on a condition of its
 * own. Whoever is at its head then takes the kernel's lock on the lock file; open-file-description
 * locks, so that handles of one process exclude each other as well, and a killed holder frees at
 * once. The kernel offers no wait with a deadline for them, so the head of the queue polls.
 *
 * Two bytes are locked: TURN is the turn itself; NEXT is held while waiting for TURN. A process
 * that releases TURN and wants it back has to get NEXT first and so stands behind the one that
 * waits: without it a busy process would starve all others, whose polls hardly ever meet the
 * microsecond in which TURN is free. Pauses between polls grow with the time waited (an eighth of
 * it, 50 us .. 2 ms): the turn is taken at most that much later than it became free.
 *
 * The file holds the process id of the last holder, for messages only.
 * Locks: `mutex` guards the queue and is never held around a system call that can wait. */
#include "gate.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "alloc.h"
#include "os.h"

enum { BYTE_TURN = 100, BYTE_NEXT = 101 }; /* behind the record */
enum { RECORD_BYTES = 16 };

#define PAUSE_MIN_NS ((int64_t)50 * 1000)
#define PAUSE_MAX_NS ((int64_t)2 * 1000 * 1000)
#define CANCEL_POLL_NS ((int64_t)20 * 1000 * 1000)

struct waiter {
    pthread_cond_t turn;
    int has_turn;
    struct waiter *next;
};

struct gate {
    pthread_mutex_t mutex;
    struct waiter *first, *last; /* those who wait */
    int taken;
    int fd; /* of the lock file, -1: this process only */
    char *path;
};

struct gate *gate_new(void)
{
    struct gate *gate = rag_alloc_zeroed(1, sizeof *gate);
    if (!gate)
        return NULL;
    gate->fd = -1;
    (void)pthread_mutex_init(&gate->mutex, NULL);
    return gate;
}

rag_status gate_attach(struct gate *gate, const char *path, rag_error *err)
{
    char *copy = rag_strdup(path);
    if (!copy)
        return rag_fail_memory(err);
    int fd = -1;
    const rag_status status = os_open(path, O_RDWR | O_CREAT, &fd, err);
    if (status != RAG_OK) {
        rag_free(copy);
        return status;
    }
    gate->fd = fd;
    gate->path = copy;
    return RAG_OK;
}

void gate_free(struct gate *gate)
{
    if (!gate)
        return;
    os_close(gate->fd);
    (void)pthread_mutex_destroy(&gate->mutex);
    rag_free(gate->path);
    rag_free(gate);
}

/* ---- the queue of this process ----------------------------------------------------------------- */

static struct timespec timespec_of(int64_t ns)
{
    return (struct timespec){ .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
}

static rag_status check(const rag_context *ctx, int64_t deadline_ns, rag_error *err)
{
    const rag_context within = { .cancel = ctx->cancel, .deadline_ns = deadline_ns };
    return context_check(&within, err);
}

static void init_waiter(struct waiter *w)
{
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&w->turn, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    w->has_turn = 0;
    w->next = NULL;
}

static void unlink_waiter(struct gate *gate, struct waiter *w)
{
    struct waiter *before = NULL;
    for (struct waiter *p = gate->first; p != w; p = p->next)
        before = p;
    if (before)
        before->next = w->next;
    else
        gate->first = w->next;
    if (gate->last == w)
        gate->last = before;
}

size_t gate_waiting(struct gate *gate)
{
    size_t count = 0;
    (void)pthread_mutex_lock(&gate->mutex);
    for (const struct waiter *w = gate->first; w; w = w->next)
        count++;
    (void)pthread_mutex_unlock(&gate->mutex);
    return count;
}

/* Sleep until the turn is handed over. `gate->mutex` is held. */
static rag_status wait_in_queue(struct gate *gate, struct waiter *w, const rag_context *ctx,
                                int64_t deadline_ns, rag_error *err)
{
    while (!w->has_turn) {
        const rag_status status = check(ctx, deadline_ns, err);
        if (status != RAG_OK) {
            unlink_waiter(gate, w);
            return status;
        }
        int64_t until = deadline_ns;
        if (ctx->cancel && context_now_ns() + CANCEL_POLL_NS < until)
            until = context_now_ns() + CANCEL_POLL_NS; /* nobody signals a cancel flag */
        const struct timespec t = timespec_of(until);
        (void)pthread_cond_timedwait(&w->turn, &gate->mutex, &t);
    }
    return RAG_OK;
}

static rag_status enter_queue(struct gate *gate, const rag_context *ctx, int64_t deadline_ns,
                              rag_error *err)
{
    rag_status status = RAG_OK;
    (void)pthread_mutex_lock(&gate->mutex);
    if (!gate->taken) {
        gate->taken = 1;
    } else {
        struct waiter w;
        init_waiter(&w);
        if (gate->last)
            gate->last->next = &w;
        else
            gate->first = &w;
        gate->last = &w;
        status = wait_in_queue(gate, &w, ctx, deadline_ns, err);
        (void)pthread_cond_destroy(&w.turn);
    }
    (void)pthread_mutex_unlock(&gate->mutex);
    return status;
}

static void leave_queue(struct gate *gate)
{
    (void)pthread_mutex_lock(&gate->mutex);
    struct waiter *w = gate->first;
    if (w) { /* `taken` stays: the turn changes hands without becoming free */
        gate->first = w->next;
        if (!gate->first)
            gate->last = NULL;
        w->has_turn = 1;
        (void)pthread_cond_signal(&w->turn);
    } else {
        gate->taken = 0;
    }
    (void)pthread_mutex_unlock(&gate->mutex);
}

/* ---- the lock between processes ------------------------------------------------------------------ */

static int set_lock(const struct gate *gate, off_t byte, short type)
{
    struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };
    return os_calls.fcntl_lock(gate->fd, F_OFD_SETLK, &lock);
}

static rag_status poll_lock(const struct gate *gate, off_t byte, const rag_context *ctx,
                            int64_t deadline_ns, rag_error *err)
{
    const int64_t start = context_now_ns();
    while (set_lock(gate, byte, F_WRLCK) != 0) {
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN && errno != EACCES)
            return rag_fail_errno(err, errno, "lock %s", gate->path);
        RAG_TRY(check(ctx, deadline_ns, err));
        int64_t pause = (context_now_ns() - start) / 8;
        pause = pause < PAUSE_MIN_NS ? PAUSE_MIN_NS : pause > PAUSE_MAX_NS ? PAUSE_MAX_NS : pause;
        const struct timespec t = timespec_of(pause);
        (void)nanosleep(&t, NULL);
    }
    return RAG_OK;
}

static long read_record(const struct gate *gate)
{
    char text[RECORD_BYTES + 1] = { 0 };
    if (gate->fd < 0 || os_calls.pread(gate->fd, text, RECORD_BYTES, 0) <= 0)
        return 0;
    return strtol(text, NULL, 10);
}

static void write_record(const struct gate *gate)
{
    const long pid = (long)getpid();
    if (read_record(gate) == pid)
        return;
    char text[RECORD_BYTES + 1];
    (void)snprintf(text, sizeof text, "%-*ld\n", RECORD_BYTES - 1, pid);
    if (lseek(gate->fd, 0, SEEK_SET) == 0)
        (void)os_write_all(gate->fd, text, RECORD_BYTES, gate->path, NULL); /* only informs */
}

static rag_status lock_file(struct gate *gate, const rag_context *ctx, int64_t deadline_ns,
                            rag_error *err)
{
    RAG_TRY(poll_lock(gate, BYTE_NEXT, ctx, deadline_ns, err));
    const rag_status status = poll_lock(gate, BYTE_TURN, ctx, deadline_ns, err);
    (void)set_lock(gate, BYTE_NEXT, F_UNLCK);
    if (status == RAG_OK)
        write_record(gate);
    return status;
}

/* ---- both ------------------------------------------------------------------------------------------ */

static rag_status timed_out(const struct gate *gate, int64_t since, rag_error *err)
{
    const long long waited = (long long)((context_now_ns() - since) / 1000000);
    const long pid = read_record(gate);
    if (pid > 0 && pid != (long)getpid())
        return rag_fail(err, RAG_E_TIMEOUT,
                        "waited %lld ms for the writer's turn on %s: another writer (process %ld) "
                        "holds it",
                        waited, gate->path, pid);
    return rag_fail(err, RAG_E_TIMEOUT,
                    "waited %lld ms for the writer's turn on %s: another writer of this process "
                    "holds it",
                    waited, gate->path ? gate->path : "the store being built");
}

rag_status gate_acquire(struct gate *gate, const rag_context *ctx, int64_t deadline_ns,
                        rag_error *err)
{
    const int64_t start = context_now_ns();
    rag_status status = enter_queue(gate, ctx, deadline_ns, err);
    if (status == RAG_OK && gate->fd >= 0) {
        status = lock_file(gate, ctx, deadline_ns, err);
        if (status != RAG_OK)
            leave_queue(gate);
    }
    if (status == RAG_E_TIMEOUT)
        return timed_out(gate, start, err);
    return status;
}

void gate_release(struct gate *gate)
{
    if (gate->fd >= 0)
        (void)set_lock(gate, BYTE_TURN, F_UNLCK);
    leave_queue(gate);
}
