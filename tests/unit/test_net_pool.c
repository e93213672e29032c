/* The pool of connections, over pipes: order, limits, time limits, age, health, fork. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/deadline.h"
#include "net/pool.h"
#include "store/dispatch.h"

static const rag_context none = RAG_CONTEXT_INIT;

/* A connection: what is written at one end of a pipe comes out at the other. */
struct pipe_connection {
    int ends[2];
};

/* The other side of all connections. */
struct peer {
    atomic_int open, most_open;
    int refuse; /* connecting fails */
};

static rag_status connect_pipe(void *user, const rag_context *ctx, void **connection,
                               rag_error *err)
{
    struct peer *peer = user;
    (void)ctx;
    if (peer->refuse)
        return (store_host.fail)(err, RAG_E_CONNECTION, "refused");
    struct pipe_connection *c = calloc(1, sizeof *c);
    assert_non_null(c);
    assert_int_equal(pipe2(c->ends, O_CLOEXEC), 0);
    const int open = atomic_fetch_add(&peer->open, 1) + 1;
    int most = atomic_load(&peer->most_open);
    while (open > most && !atomic_compare_exchange_weak(&peer->most_open, &most, open))
        continue;
    *connection = c;
    return RAG_OK;
}

static int pipe_is_alive(void *user, const rag_context *ctx, void *connection)
{
    (void)user;
    (void)ctx;
    const struct pipe_connection *c = connection;
    struct pollfd look = { .fd = c->ends[0], .events = POLLIN };
    return poll(&look, 1, 0) == 0; /* the other end is open */
}

static void close_pipe(void *user, void *connection)
{
    struct peer *peer = user;
    struct pipe_connection *c = connection;
    (void)close(c->ends[0]);
    if (c->ends[1] >= 0)
        (void)close(c->ends[1]);
    free(c);
    (void)atomic_fetch_sub(&peer->open, 1);
}

static int descriptor_of_pipe(void *user, void *connection)
{
    (void)user;
    return ((const struct pipe_connection *)connection)->ends[0];
}

static struct net_pool *new_pool(struct peer *peer, const struct net_pool_options *options)
{
    const struct net_driver driver = { connect_pipe,       pipe_is_alive, close_pipe,
                                       descriptor_of_pipe, peer,          "pipe" };
    struct net_pool *pool;
    rag_error err = RAG_ERROR_INIT;
    assert_int_equal(net_pool_new(&store_host, &driver, options, &pool, &err), RAG_OK);
    return pool;
}

static void *acquire(struct net_pool *pool)
{
    void *connection = NULL;
    rag_error err = RAG_ERROR_INIT;
    if (net_pool_acquire(pool, &none, &connection, &err) != RAG_OK)
        fail_msg("%s", err.message);
    return connection;
}

static struct net_pool_figures figures_of(struct net_pool *pool)
{
    struct net_pool_figures figures;
    net_pool_figures(pool, &figures);
    return figures;
}

static void pause_ms(int ms)
{
    (void)poll(NULL, 0, ms);
}

/* ---- reuse and limits ----------------------------------------------------------------------------- */

static void a_connection_is_used_again(void **state)
{
    (void)state;
    struct peer peer = { 0 };
    struct net_pool *pool = new_pool(&peer, &(struct net_pool_options){ .max = 2 });
    void *first = acquire(pool);
    net_pool_release(pool, first, 1);
    assert_ptr_equal(acquire(pool), first);
    net_pool_release(pool, first, 0); /* in an unknown state */
    assert_int_equal(peer.open, 0);
    void *second = acquire(pool);
    net_pool_release(pool, second, 1);
    const struct net_pool_figures f = figures_of(pool);
    assert_int_equal(f.connected, 2);
    assert_int_equal(f.closed, 1);
    assert_int_equal(f.acquired, 3);
    assert_int_equal(f.idle, 1);
    assert_int_equal(f.leased, 0);
    net_pool_free(pool);
    assert_int_equal(peer.open, 0);
}

static void a_worn_connection_is_replaced(void **state)
{
    (void)state;
    struct peer peer = { 0 };
    struct net_pool *pool = new_pool(&peer, &(struct net_pool_options){ .max = 1, .max_uses = 3 });
    for (int i = 0; i < 7; i++)
        net_pool_release(pool, acquire(pool), 1);
    assert_int_equal(figures_of(pool).connected, 3);
    net_pool_free(pool);
}

static void idle_ones_go_but_for_the_least(void **state)
{
    (void)state;
    struct peer peer = { 0 };
    struct net_pool *pool =
        new_pool(&peer, &(struct net_pool_options){ .min = 2, .max = 5, .max_idle_ms = 1 });
    void *connections[5];
    for (int i = 0; i < 5; i++)
        connections[i] = acquire(pool);
    for (int i = 0; i < 4; i++)
        net_pool_release(pool, connections[i], 1);
    pause_ms(20);
    net_pool_release(pool, connections[4], 1);
    assert_int_equal(peer.open, 2);
    assert_int_equal(figures_of(pool).idle, 2);
    net_pool_free(pool);
}

static void clearing_closes_what_is_idle(void **state)
{
    (void)state;
    struct peer peer = { 0 };
    struct net_pool *pool = new_pool(&peer, &(struct net_pool_options){ .max = 3 });
    void *a = acquire(pool), *b = acquire(pool);
    net_pool_release(pool, a, 1);
    net_pool_clear(pool);
    assert_int_equal(peer.open, 1);
    net_pool_release(pool, b, 1);
    assert_int_equal(figures_of(pool).open, 1);
    net_pool_free(pool);
}

/* ---- health --------------------------------------------------------------------------------------- */

static void a_dead_connection_is_replaced(void **state)
{
    (void)state;
    struct peer peer = { 0 };
    struct net_pool *pool =
        new_pool(&peer, &(struct net_pool_options){ .max = 1, .check_idle_ms = 1 });
    struct pipe_connection *first = acquire(pool);
    net_pool_release(pool, first, 1);
    pause_ms(20);
    assert_ptr_equal(acquire(pool), first); /* looked at, and well */
    (void)close(first->ends[1]);
    first->ends[1] = -1;
    net_pool_release(pool, first, 1);
    pause_ms(20);
    struct pipe_connection *second = acquire(pool);
    assert_true(second->ends[1] >= 0);
    net_pool_release(pool, second, 1);
    assert_int_equal(figures_of(pool).found_dead, 1);
    assert_int_equal(peer.open, 1);
    net_pool_free(pool);
}

static void a_failed_connect_gives_its_place_back(void **state)
{
    (void)state;
    struct peer peer = { .refuse = 1 };
    struct net_pool *pool = new_pool(&peer, &(struct net_pool_options){ .max = 1 });
    for (int i = 0; i < 3; i++) {
        void *connection;
        rag_error err = RAG_ERROR_INIT;
        assert_int_equal(net_pool_acquire(pool, &none, &connection, &err), RAG_E_CONNECTION);
        assert_string_equal(err.message, "refused");
    }
    peer.refuse = 0;
    net_pool_release(pool, acquire(pool), 1);
    assert_int_equal(figures_of(pool).connect_failures, 3);
    assert_int_equal(figures_of(pool).open, 1);
    net_pool_free(pool);
}

/* ---- waiting -------------------------------------------------------------------------------------- */

struct waiting {
    struct net_pool *pool;
    atomic_int *next; /* counts who was served */
    int served;
};

static void *wait_and_note(void *argument)
{
    struct waiting *w = argument;
    void *connection = acquire(w->pool);
    w->served = atomic_fetch_add(w->next, 1);
    net_pool_release(w->pool, connection, 1);
    return NULL;
}

static void wait_for_queue(struct net_pool *pool, size_t length)
{
    while (figures_of(pool).waiting != length)
        pause_ms(1);
}

static void waiters_are_served_in_order(void **state)
{
    (void)state;
    enum { WAITERS = 6 };
    struct peer peer = { 0 };
    struct net_pool *pool = new_pool(&peer, &(struct net_pool_options){ .max = 1 });
    void *held = acquire(pool);
    atomic_int next = 0;
    struct waiting waiting[WAITERS];
    pthread_t threads[WAITERS];
    for (size_t i = 0; i < WAITERS; i++) {
        waiting[i] = (struct waiting){ pool, &next, -1 };
        assert_int_equal(pthread_create(&threads[i], NULL, wait_and_note, &waiting[i]), 0);
        wait_for_queue(pool, i + 1);
    }
    net_pool_release(pool, held, 0); /* the first of them makes its own, the others get that one */
    for (int i = 0; i < WAITERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(waiting[i].served, i);
    }
    const struct net_pool_figures f = figures_of(pool);
    assert_int_equal(f.waits, WAITERS);
    assert_int_equal(f.connected, 2);
    assert_true(f.longest_wait_ns > 0 && f.waited_ns >= f.longest_wait_ns);
    net_pool_free(pool);
}

static void waiting_has_an_end(void **state)
{
    (void)state;
    struct peer peer = { 0 };
    struct net_pool *pool =
        new_pool(&peer, &(struct net_pool_options){ .max = 1, .acquire_timeout_ms = 20 });
    void *held = acquire(pool), *other = NULL;
    rag_error err = RAG_ERROR_INIT;
    assert_int_equal(net_pool_acquire(pool, &none, &other, &err), RAG_E_TIMEOUT);
    assert_non_null(strstr(err.message, "no pipe connection became free in 20 ms"));
    assert_int_equal(err.retryable, 1);
    rag_context ctx = none;
    ctx.deadline_ns = rag_deadline_in_ms(1);
    assert_int_equal(net_pool_acquire(pool, &ctx, &other, &err), RAG_E_TIMEOUT);
    int cancel = 1;
    ctx = none;
    ctx.cancel = &cancel;
    assert_int_equal(net_pool_acquire(pool, &ctx, &other, &err), RAG_E_CANCELLED);
    assert_int_equal(figures_of(pool).waiting, 0);
    assert_null(other);
    net_pool_release(pool, held, 1);
    net_pool_release(pool, acquire(pool), 1); /* nothing was lost in the queue */
    net_pool_free(pool);
}

/* ---- threads -------------------------------------------------------------------------------------- */

struct hammering {
    struct net_pool *pool;
    unsigned seed;
};

static void *hammer(void *argument)
{
    struct hammering *h = argument;
    for (int i = 0; i < 400; i++) {
        struct pipe_connection *c = acquire(h->pool);
        h->seed = h->seed * 1103515245 + 12345;
        const char sent = (char)(h->seed >> 16);
        char got = 0;
        /* nobody else reads what we write */
        assert_int_equal(write(c->ends[1], &sent, 1), 1);
        assert_int_equal(read(c->ends[0], &got, 1), 1);
        assert_int_equal(got, sent);
        net_pool_release(h->pool, c, h->seed % 64 != 0);
    }
    return NULL;
}

static void many_threads_share_a_few(void **state)
{
    (void)state;
    enum { THREADS = 8, MAX = 3 };
    struct peer peer = { 0 };
    struct net_pool *pool =
        new_pool(&peer, &(struct net_pool_options){ .max = MAX, .max_uses = 100 });
    struct hammering h[THREADS];
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        h[i] = (struct hammering){ pool, i };
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, &h[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    const struct net_pool_figures f = figures_of(pool);
    assert_int_equal(f.acquired, THREADS * 400);
    assert_int_equal(f.leased, 0);
    assert_int_equal(f.open, f.idle);
    assert_int_equal(f.connected - f.closed, f.open);
    assert_true(peer.most_open <= MAX);
    net_pool_free(pool);
    assert_int_equal(peer.open, 0);
}

/* ---- fork ----------------------------------------------------------------------------------------- */

/* In the child; its exit status. */
static int look_in_child(struct net_pool *pool, int leased, int idle)
{
    void *connection;
    rag_error err = RAG_ERROR_INIT;
    if (net_pool_acquire(pool, &none, &connection, &err) != RAG_E_FORKED)
        return 1;
    if (fcntl(leased, F_GETFD) != -1 || fcntl(idle, F_GETFD) != -1)
        return 2;
    net_pool_free(pool); /* says nothing, touches nothing */
    return 0;
}

static void a_child_of_fork_has_nothing_of_it(void **state)
{
    (void)state;
    struct peer peer = { 0 };
    struct net_pool *pool = new_pool(&peer, &(struct net_pool_options){ .max = 2 });
    struct pipe_connection *a = acquire(pool), *b = acquire(pool);
    net_pool_release(pool, b, 1);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(look_in_child(pool, a->ends[0], b->ends[0]));
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    net_pool_release(pool, a, 1);
    assert_int_equal(peer.open, 2);
    net_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_is_used_again),
        cmocka_unit_test(a_worn_connection_is_replaced),
        cmocka_unit_test(idle_ones_go_but_for_the_least),
        cmocka_unit_test(clearing_closes_what_is_idle),
        cmocka_unit_test(a_dead_connection_is_replaced),
        cmocka_unit_test(a_failed_connect_gives_its_place_back),
        cmocka_unit_test(waiters_are_served_in_order),
        cmocka_unit_test(waiting_has_an_end),
        cmocka_unit_test(many_threads_share_a_few),
        cmocka_unit_test(a_child_of_fork_has_nothing_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
