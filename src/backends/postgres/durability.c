/* Tokens, and lives of the server.
 *
 * Commits are asynchronous: for some hundred milliseconds they are in the memory of the server alone.
 * When one of its processes is killed the server throws that memory away, recovers and goes on, and
 * such commits are gone; so after a power cut, and after a failover to a standby. The time between
 * two such losses is a life of the server here. A session is of one life: every loss ends all
 * sessions. So each connection notes its life when it is made, by the time at which the server began
 * its statistics anew, which every loss of memory does and an orderly restart does not. (A reset of
 * those of the background writer by hand looks like a loss: a flush says once what is not true.)
 *
 * A flush that finds a new life fails when commits of this handle were not known to be on disk: who
 * flushes is told that they may be lost, instead of that all is well.
 *
 * A token is a position in the write-ahead log plus a bias, which is 0 until the first loss: then
 * the log goes on from where it was on disk, and the bias keeps new tokens above all old ones.
 * Tokens of the old life that were not known to be on disk stay told apart: lost_from < t <= lost_to.
 *
 * One mutex, innermost. */
#include "durability.h"

#include <pthread.h>
#include <string.h>

struct pg_durability {
    const rag_host *host;
    pthread_mutex_t mutex;
    int64_t life;     /* 0: not known yet */
    int64_t since_ns; /* when the first connection of this life was made */
    uint64_t bias;
    rag_token given, durable;     /* the last one; up to here known to be on disk */
    rag_token lost_from, lost_to; /* equal: none */
    int untold;                   /* nobody was told of the last loss */
};

rag_status pg_durability_new(const rag_host *host, struct pg_durability **out, rag_error *err)
{
    struct pg_durability *d = host->alloc(sizeof *d);
    if (!d)
        return pg_no_memory(host, err);
    memset(d, 0, sizeof *d);
    d->host = host;
    (void)pthread_mutex_init(&d->mutex, NULL);
    *out = d;
    return RAG_OK;
}

void pg_durability_free(const rag_host *host, struct pg_durability *d)
{
    if (!d)
        return;
    (void)pthread_mutex_destroy(&d->mutex);
    host->free(d);
}

/* ---- with the mutex held -------------------------------------------------------------------------- */

static void add_lost(struct pg_durability *d, rag_token from, rag_token to)
{
    if (d->lost_from == d->lost_to || from < d->lost_from)
        d->lost_from = from;
    d->lost_to = to;
    d->untold = 1;
}

/* 1: the connection is of the life that is known as the last one, which it may have begun. */
static int enter_life(struct pg_durability *d, const struct pg_conn *conn)
{
    if (d->life == conn->life)
        return 1;
    if (d->life && conn->born_ns < d->since_ns)
        return 0;
    if (d->life && d->given > d->durable)
        add_lost(d, d->durable, d->given);
    d->life = conn->life;
    d->since_ns = conn->born_ns;
    d->bias = d->given;
    d->durable = d->given;
    return 1;
}

/* ---- calls ----------------------------------------------------------------------------------------- */

rag_token pg_durability_commit(struct pg_durability *d, const struct pg_conn *conn,
                               int64_t position, int durable)
{
    (void)pthread_mutex_lock(&d->mutex);
    const int now = enter_life(d, conn);
    rag_token token = (rag_token)position;
    if (!now) { /* committed in a life that others know to be over */
        token = d->given + 1;
        if (!durable)
            add_lost(d, d->given, token);
        d->bias++;
    } else if (position != INT64_MAX) {
        token += d->bias;
    }
    /* its place is not known: "after everything", which is nobody's last token */
    const rag_token last = now && position == INT64_MAX ? d->given + 1 : token;
    if (last > d->given)
        d->given = last;
    if (now && durable && position != INT64_MAX && last > d->durable)
        d->durable = last;
    (void)pthread_mutex_unlock(&d->mutex);
    return token;
}

rag_status pg_durability_check(struct pg_durability *d, const struct pg_conn *conn, rag_token upto,
                               int64_t flushed, int *covered, rag_error *err)
{
    if (upto == INT64_MAX) /* "after everything": pg_durability_commit() */
        upto = 0;
    (void)pthread_mutex_lock(&d->mutex);
    (void)enter_life(d, conn);
    const int itself = upto > d->lost_from && upto <= d->lost_to;
    const int lost = itself || (d->untold && (!upto || upto > d->lost_to));
    if (lost)
        d->untold = 0;
    *covered = upto && (upto <= d->durable || upto <= (rag_token)flushed + d->bias);
    (void)pthread_mutex_unlock(&d->mutex);
    if (!lost)
        return RAG_OK;
    (void)d->host->fail(err, RAG_E_IO,
                        "PostgreSQL lost its memory (a crash, a power cut or a failover): commits "
                        "since the last flush may be lost");
    if (err)
        err->outcome = RAG_OUTCOME_UNKNOWN;
    return RAG_E_IO;
}

rag_token pg_durability_given(struct pg_durability *d)
{
    (void)pthread_mutex_lock(&d->mutex);
    const rag_token given = d->given;
    (void)pthread_mutex_unlock(&d->mutex);
    return given;
}

void pg_durability_synced(struct pg_durability *d, const struct pg_conn *conn, rag_token given)
{
    (void)pthread_mutex_lock(&d->mutex);
    if (enter_life(d, conn) && given > d->durable)
        d->durable = given;
    (void)pthread_mutex_unlock(&d->mutex);
}
