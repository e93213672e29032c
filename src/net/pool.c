/* The pool.
 *
 * At most `max` connections are open or being made: that is the number of permits. Who wants one
 * takes an idle connection or a free permit, or waits in a queue; what is given back goes to the
 * first of the queue directly, as a connection or as a bare permit, so nobody who comes later can
 * overtake. Idle connections are a stack: the one used last is used next, and those at the bottom
 * grow old and go.
 *
 * There is no thread that cleans up (the library starts none): what was idle or lived too long is
 * closed when somebody acquires or releases.
 *
 * Invariants, under the mutex: open = idle + leased + permits on their way (being connected or handed
 * over); open <= max; the queue is empty whenever a connection is idle or a permit is free.
 *
 * The mutex is innermost: nothing of the driver or the host is called with it held. A child of fork()
 * gets RAG_E_FORKED; the sockets are closed there by the host, which tracks them. */
#include "pool.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "deadline.h"

enum {
    DEFAULT_MIN = 1,
    DEFAULT_MAX = 50,
    DEFAULT_USES = 50000,
    DEFAULT_IDLE_MS = 300000,
    DEFAULT_CONNECT_MS = 60000,
    DEFAULT_ACQUIRE_MS = 60000,
    DEFAULT_CHECK_MS = 30000,
    NS_PER_MS = 1000000
};

struct link {
    struct link *next;
    void *connection;
    uint64_t uses;
    int64_t born_ns, idle_since_ns;
    int fd;
};

struct waiter {
    struct waiter *next;
    pthread_cond_t wake;
    struct link *link; /* NULL with `granted`: a permit to make one */
    int granted;
};

struct net_pool {
    const rag_host *host;
    struct net_driver driver;
    struct net_pool_options options;
    pid_t owner;
    pthread_mutex_t mutex;
    struct link *idle;   /* the one used last first */
    struct link *leased; /* to find the link of a connection */
    struct waiter *first, *last;
    struct net_pool_figures figures;
};

/* ---- making and freeing --------------------------------------------------------------------------- */

static void default_time(int64_t *ms, int64_t fallback)
{
    if (*ms == 0)
        *ms = fallback;
}

static void complete_options(struct net_pool_options *o)
{
    o->max = o->max ? o->max : DEFAULT_MAX;
    o->min = o->min ? o->min : DEFAULT_MIN;
    o->min = o->min < o->max ? o->min : o->max;
    o->max_uses = o->max_uses ? o->max_uses : DEFAULT_USES;
    default_time(&o->max_idle_ms, DEFAULT_IDLE_MS);
    default_time(&o->max_lifetime_ms, -1);
    default_time(&o->connect_timeout_ms, DEFAULT_CONNECT_MS);
    default_time(&o->acquire_timeout_ms, DEFAULT_ACQUIRE_MS);
    default_time(&o->check_idle_ms, DEFAULT_CHECK_MS);
}

rag_status net_pool_new(const rag_host *host, const struct net_driver *driver,
                        const struct net_pool_options *options, struct net_pool **out,
                        rag_error *err)
{
    struct net_pool *pool = host->alloc(sizeof *pool);
    if (!pool)
        return host->fail(err, RAG_E_NO_MEMORY, "out of memory");
    memset(pool, 0, sizeof *pool);
    pool->host = host;
    pool->driver = *driver;
    pool->options = *options;
    complete_options(&pool->options);
    pool->owner = getpid();
    if (pthread_mutex_init(&pool->mutex, NULL) != 0) {
        host->free(pool);
        return host->fail(err, RAG_E_NO_MEMORY, "out of memory");
    }
    *out = pool;
    return RAG_OK;
}

static void close_links(struct net_pool *pool, struct link *links)
{
    while (links) {
        struct link *link = links;
        links = link->next;
        if (link->fd >= 0)
            pool->host->untrack_descriptor(link->fd);
        pool->driver.close(pool->driver.user, link->connection);
        pool->host->free(link);
    }
}

void net_pool_free(struct net_pool *pool)
{
    if (!pool || pool->owner != getpid())
        return;
    close_links(pool, pool->idle);
    (void)pthread_mutex_destroy(&pool->mutex);
    pool->host->free(pool);
}

/* ---- with the mutex held -------------------------------------------------------------------------- */

static void leave_queue(struct net_pool *pool, struct waiter *waiter)
{
    struct waiter **at = &pool->first, *before = NULL;
    while (*at != waiter) {
        before = *at;
        at = &before->next;
    }
    *at = waiter->next;
    if (pool->last == waiter)
        pool->last = before;
    pool->figures.waiting--;
}

/* Hand a connection, or a permit (NULL), to the first of the queue; 0: nobody waits. */
static int hand_over(struct net_pool *pool, struct link *link)
{
    struct waiter *waiter = pool->first;
    if (!waiter)
        return 0;
    leave_queue(pool, waiter);
    waiter->link = link;
    waiter->granted = 1;
    (void)pthread_cond_signal(&waiter->wake);
    return 1;
}

/* A permit that nobody uses any more. */
static void return_permit(struct net_pool *pool)
{
    if (!hand_over(pool, NULL))
        pool->figures.open--;
}

static int past(int64_t since_ns, int64_t limit_ms, int64_t now_ns)
{
    return limit_ms >= 0 && now_ns - since_ns > limit_ms * NS_PER_MS;
}

static int is_worn(const struct net_pool *pool, const struct link *link, int64_t now_ns)
{
    return link->uses >= pool->options.max_uses ||
           past(link->born_ns, pool->options.max_lifetime_ms, now_ns);
}

/* Take those idle links off the stack that are too old: the caller retires them. */
static struct link *take_expired(struct net_pool *pool, int64_t now_ns)
{
    struct link *expired = NULL, **at = &pool->idle;
    size_t taken = 0;
    while (*at) {
        struct link *link = *at;
        const int too_long = past(link->idle_since_ns, pool->options.max_idle_ms, now_ns) &&
                             pool->figures.open - taken > pool->options.min;
        if (!too_long && !is_worn(pool, link, now_ns)) {
            at = &link->next;
            continue;
        }
        *at = link->next;
        link->next = expired;
        expired = link;
        taken++;
        pool->figures.idle--;
        pool->figures.closed++;
    }
    return expired;
}

/* Without the mutex: close, and only then give the permits back. So the server never sees more than
 * `max`. */
static void retire(struct net_pool *pool, struct link *links)
{
    size_t permits = 0;
    for (const struct link *link = links; link; link = link->next)
        permits++;
    if (!permits)
        return;
    close_links(pool, links);
    (void)pthread_mutex_lock(&pool->mutex);
    while (permits--)
        return_permit(pool);
    (void)pthread_mutex_unlock(&pool->mutex);
}

/* ---- acquiring ------------------------------------------------------------------------------------ */

static rag_status wait_in_queue(struct net_pool *pool, const rag_context *ctx, struct waiter *self,
                                int64_t deadline_ns)
{
    while (!self->granted) {
        if (ctx->cancel && *(const volatile int *)ctx->cancel)
            return RAG_E_CANCELLED;
        if (deadline_ns && net_now_ns() >= deadline_ns)
            return RAG_E_TIMEOUT;
        net_condition_wait(ctx, &self->wake, &pool->mutex, deadline_ns);
    }
    return RAG_OK;
}

static rag_status fail_waiting(struct net_pool *pool, const rag_context *ctx, rag_status why,
                               rag_error *err)
{
    rag_status status = why == RAG_E_NO_MEMORY ? RAG_OK : pool->host->check(ctx, err);
    if (status != RAG_OK) /* the caller's own end */
        return status;
    if (why == RAG_E_NO_MEMORY)
        return pool->host->fail(err, RAG_E_NO_MEMORY, "out of memory");
    return pool->host->fail(
        err, RAG_E_TIMEOUT, "no %s connection became free in %lld ms: all %zu are in use",
        pool->driver.name, (long long)pool->options.acquire_timeout_ms, pool->options.max);
}

/* With the mutex held: RAG_OK with an idle link or with a permit (*link NULL). */
static rag_status take_turn(struct net_pool *pool, const rag_context *ctx, struct link **link)
{
    *link = pool->idle;
    if (pool->idle) {
        pool->idle = pool->idle->next;
        pool->figures.idle--;
        return RAG_OK;
    }
    if (pool->figures.open < pool->options.max) {
        pool->figures.open++;
        return RAG_OK;
    }
    struct waiter self = { 0 };
    if (!net_condition_init(&self.wake))
        return RAG_E_NO_MEMORY;
    if (pool->last)
        pool->last->next = &self;
    else
        pool->first = &self;
    pool->last = &self;
    pool->figures.waiting++;
    pool->figures.waits++;
    const int64_t began = net_now_ns();
    const rag_status status =
        wait_in_queue(pool, ctx, &self, net_deadline(ctx, pool->options.acquire_timeout_ms));
    const int64_t waited = net_now_ns() - began;
    pool->figures.waited_ns += waited;
    if (waited > pool->figures.longest_wait_ns)
        pool->figures.longest_wait_ns = waited;
    if (!self.granted) {
        leave_queue(pool, &self);
        pool->figures.acquire_timeouts += status == RAG_E_TIMEOUT;
    }
    (void)pthread_cond_destroy(&self.wake);
    *link = self.link;
    return status;
}

/* A new connection on a permit that the caller has. */
static rag_status connect_link(struct net_pool *pool, const rag_context *ctx, struct link **out,
                               rag_error *err)
{
    const rag_host *host = pool->host;
    struct link *link = host->alloc(sizeof *link);
    if (!link) {
        (void)host->fail(err, RAG_E_NO_MEMORY, "out of memory");
        return RAG_E_NO_MEMORY;
    }
    memset(link, 0, sizeof *link);
    const rag_context limited =
        net_context_until(ctx, net_deadline(ctx, pool->options.connect_timeout_ms));
    rag_status status = net_connect_result(
        host, ctx, pool->options.connect_timeout_ms, pool->driver.name,
        pool->driver.connect(pool->driver.user, &limited, &link->connection, err), err);
    link->fd = -1;
    if (status == RAG_OK && pool->driver.descriptor)
        link->fd = pool->driver.descriptor(pool->driver.user, link->connection);
    if (status == RAG_OK && link->fd >= 0) {
        status = host->track_descriptor(link->fd, err);
        if (status != RAG_OK)
            pool->driver.close(pool->driver.user, link->connection);
    }
    if (status != RAG_OK) {
        host->free(link);
        return status;
    }
    link->born_ns = link->idle_since_ns = net_now_ns();
    *out = link;
    return RAG_OK;
}

/* 1 when an idle link can be used; otherwise it is closed and its permit is the caller's. */
static int still_good(struct net_pool *pool, const rag_context *ctx, struct link *link)
{
    if (!pool->driver.alive ||
        !past(link->idle_since_ns, pool->options.check_idle_ms, net_now_ns()))
        return 1;
    if (pool->driver.alive(pool->driver.user, ctx, link->connection))
        return 1;
    link->next = NULL;
    close_links(pool, link);
    (void)pthread_mutex_lock(&pool->mutex);
    pool->figures.found_dead++;
    pool->figures.closed++;
    (void)pthread_mutex_unlock(&pool->mutex);
    return 0;
}

rag_status net_pool_acquire(struct net_pool *pool, const rag_context *ctx, void **connection,
                            rag_error *err)
{
    if (pool->owner != getpid())
        return pool->host->fail(err, RAG_E_FORKED,
                                "the connections belong to the process before fork()");
    struct link *link = NULL;
    (void)pthread_mutex_lock(&pool->mutex);
    struct link *expired = take_expired(pool, net_now_ns());
    (void)pthread_mutex_unlock(&pool->mutex);
    retire(pool, expired); /* before waiting: what is waited for may be their permits */
    (void)pthread_mutex_lock(&pool->mutex);
    rag_status status = take_turn(pool, ctx, &link);
    (void)pthread_mutex_unlock(&pool->mutex);
    if (status != RAG_OK)
        return fail_waiting(pool, ctx, status, err);
    int made = 0;
    if (!link || !still_good(pool, ctx, link)) {
        status = connect_link(pool, ctx, &link, err);
        made = 1;
    }
    (void)pthread_mutex_lock(&pool->mutex);
    pool->figures.connected += made && status == RAG_OK;
    if (status == RAG_OK) {
        link->uses++;
        link->next = pool->leased;
        pool->leased = link;
        pool->figures.leased++;
        pool->figures.acquired++;
        *connection = link->connection;
    } else {
        pool->figures.connect_failures++;
        return_permit(pool);
    }
    (void)pthread_mutex_unlock(&pool->mutex);
    return status;
}

/* ---- releasing ------------------------------------------------------------------------------------ */

static struct link *take_leased(struct net_pool *pool, const void *connection)
{
    struct link **at = &pool->leased;
    while (*at && (*at)->connection != connection)
        at = &(*at)->next;
    struct link *link = *at;
    if (link) {
        *at = link->next;
        link->next = NULL;
        pool->figures.leased--;
    }
    return link;
}

void net_pool_release(struct net_pool *pool, void *connection, int usable)
{
    if (pool->owner != getpid())
        return;
    const int64_t now = net_now_ns();
    (void)pthread_mutex_lock(&pool->mutex);
    struct link *link = take_leased(pool, connection), *gone = NULL;
    if (link && usable && !is_worn(pool, link, now)) {
        link->idle_since_ns = now;
        if (!hand_over(pool, link)) {
            link->next = pool->idle;
            pool->idle = link;
            pool->figures.idle++;
        }
    } else if (link) {
        gone = link;
        pool->figures.closed++;
    }
    struct link *expired = take_expired(pool, now);
    (void)pthread_mutex_unlock(&pool->mutex);
    retire(pool, expired);
    retire(pool, gone);
}

void net_pool_clear(struct net_pool *pool)
{
    (void)pthread_mutex_lock(&pool->mutex);
    struct link *links = pool->idle;
    pool->idle = NULL;
    for (const struct link *link = links; link; link = link->next)
        pool->figures.closed++;
    pool->figures.idle = 0;
    (void)pthread_mutex_unlock(&pool->mutex);
    retire(pool, links);
}

void net_pool_figures(struct net_pool *pool, struct net_pool_figures *out)
{
    (void)pthread_mutex_lock(&pool->mutex);
    *out = pool->figures;
    (void)pthread_mutex_unlock(&pool->mutex);
}
