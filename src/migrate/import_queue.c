/* The queue between the thread that reads and the one that writes.
 *
 * LIMIT_IMPORT_QUEUE + 2 batches go round: one is being filled, one is being written, the rest are
 * on their way. So there is always an empty one for the reader who has put his full one into the
 * queue, and memory is bounded by their number. One mutex, one condition; nobody holds it while
 * reading or writing. */
#include <errno.h>
#include <time.h>

#include "import.h"

enum { BATCHES = LIMIT_IMPORT_QUEUE + 2 };

void import_queue_reset(struct import_queue *q)
{
    q->full_count = q->empty_count = 0;
    q->done = q->stopped = 0;
    for (size_t i = 0; i < BATCHES; i++) {
        lightrag_batch_clear(&q->batches[i]);
        q->empty[q->empty_count++] = &q->batches[i];
    }
}

rag_status import_queue_init(struct import_queue *q, rag_error *err)
{
    pthread_condattr_t attributes;
    if (pthread_mutex_init(&q->mutex, NULL) != 0)
        return rag_fail_memory(err);
    int code = pthread_condattr_init(&attributes);
    if (code == 0) {
        (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        code = pthread_cond_init(&q->changed, &attributes);
        (void)pthread_condattr_destroy(&attributes);
    }
    if (code != 0) {
        (void)pthread_mutex_destroy(&q->mutex);
        return rag_fail_memory(err);
    }
    for (size_t i = 0; i < BATCHES; i++)
        lightrag_batch_init(&q->batches[i]);
    import_queue_reset(q);
    return RAG_OK;
}

void import_queue_free(struct import_queue *q)
{
    for (size_t i = 0; i < BATCHES; i++)
        lightrag_batch_free(&q->batches[i]);
    (void)pthread_cond_destroy(&q->changed);
    (void)pthread_mutex_destroy(&q->mutex);
}

/* ---- the reading side ------------------------------------------------------------------------------ */

struct lightrag_batch *import_queue_first(struct import_queue *q)
{
    return q->empty[--q->empty_count]; /* before the other thread is there */
}

rag_status import_queue_deliver(void *queue, struct lightrag_batch **batch, rag_error *err)
{
    struct import_queue *q = queue;
    (void)pthread_mutex_lock(&q->mutex);
    while (q->full_count == LIMIT_IMPORT_QUEUE && !q->stopped)
        (void)pthread_cond_wait(&q->changed, &q->mutex);
    const int stopped = q->stopped;
    if (!stopped) {
        q->full[q->full_count++] = *batch;
        *batch = q->empty[--q->empty_count];
        (void)pthread_cond_broadcast(&q->changed);
    }
    (void)pthread_mutex_unlock(&q->mutex);
    return stopped ? rag_fail(err, RAG_E_CANCELLED, "writing ended") : RAG_OK;
}

void import_queue_done(struct import_queue *q)
{
    (void)pthread_mutex_lock(&q->mutex);
    q->done = 1;
    (void)pthread_cond_broadcast(&q->changed);
    (void)pthread_mutex_unlock(&q->mutex);
}

/* ---- the writing side ------------------------------------------------------------------------------ */

static struct timespec in_milliseconds(int milliseconds)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += (long)milliseconds * 1000000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

int import_queue_take(struct import_queue *q, int milliseconds, struct lightrag_batch **batch)
{
    const struct timespec until = in_milliseconds(milliseconds);
    int waited = 0, answer;
    (void)pthread_mutex_lock(&q->mutex);
    while (!q->full_count && !q->done && waited != ETIMEDOUT)
        waited = pthread_cond_timedwait(&q->changed, &q->mutex, &until);
    if (q->full_count) {
        *batch = q->full[0];
        q->full_count--;
        for (size_t i = 0; i < q->full_count; i++)
            q->full[i] = q->full[i + 1];
        (void)pthread_cond_broadcast(&q->changed);
        answer = 1;
    } else {
        answer = q->done ? -1 : 0;
    }
    (void)pthread_mutex_unlock(&q->mutex);
    return answer;
}

void import_queue_give_back(struct import_queue *q, struct lightrag_batch *batch)
{
    lightrag_batch_clear(batch);
    (void)pthread_mutex_lock(&q->mutex);
    q->empty[q->empty_count++] = batch;
    (void)pthread_mutex_unlock(&q->mutex);
}

void import_queue_stop(struct import_queue *q)
{
    (void)pthread_mutex_lock(&q->mutex);
    q->stopped = 1;
    (void)pthread_cond_broadcast(&q->changed);
    (void)pthread_mutex_unlock(&q->mutex);
}
