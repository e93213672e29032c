/* A pool of connections to one server, whatever they are made of. */
#ifndef NET_POOL_H
#define NET_POOL_H

#include <ragstore/backend.h>

struct net_pool;

/* How a kind of connection is made, looked at and ended. No lock of the pool is held around any of
 * these. */
struct net_driver {
    /* A new connection into *connection, before the deadline of the context. */
    rag_status (*connect)(void *user, const rag_context *ctx, void **connection, rag_error *err);
    /* 1: it still works. For one that was not used for a while; NULL: never looked at. */
    int (*alive)(void *user, const rag_context *ctx, void *connection);
    void (*close)(void *user, void *connection);
    /* Its socket, which a child of fork() must not keep open; -1: there is none. May be NULL. */
    int (*descriptor)(void *user, void *connection);
    void *user;
    const char *name; /* "PostgreSQL", for messages */
};

/* A member that is 0 takes the default; a time that is negative means "no limit". */
struct net_pool_options {
    size_t min, max;         /* 1, 50: idle connections beyond `min` go when they are idle long */
    uint64_t max_uses;       /* 50000: then a connection is replaced */
    int64_t max_idle_ms;     /* 300 s */
    int64_t max_lifetime_ms; /* no limit */
    int64_t connect_timeout_ms; /* 60 s */
    int64_t acquire_timeout_ms; /* 60 s, connecting not included */
    int64_t check_idle_ms;      /* 30 s: one that was idle longer is looked at before use */
};

struct net_pool_figures {
    size_t open, idle, leased, waiting; /* now */
    uint64_t acquired, connected, closed;
    uint64_t connect_failures, acquire_timeouts, found_dead;
    uint64_t waits; /* acquisitions that had to wait */
    int64_t waited_ns, longest_wait_ns;
};

/* Nothing is connected yet. `host` and `driver` are kept. */
rag_status net_pool_new(const rag_host *host, const struct net_driver *driver,
                        const struct net_pool_options *options, struct net_pool **out,
                        rag_error *err);

/* A connection for the caller alone, until net_pool_release(). Waiters are served in the order in
 * which they came. RAG_E_TIMEOUT when none became free in time, which is not tried again here: it
 * would go to the end of the queue; what connect() answered; RAG_E_TIMEOUT, RAG_E_CANCELLED of the
 * context; RAG_E_FORKED in a child. */
rag_status net_pool_acquire(struct net_pool *pool, const rag_context *ctx, void **connection,
                            rag_error *err);

/* `usable` 0: it is in an unknown state, or lost, and is closed. */
void net_pool_release(struct net_pool *pool, void *connection, int usable);

/* Close what is idle now: after a loss of connection the others are probably lost, too. */
void net_pool_clear(struct net_pool *pool);

void net_pool_figures(struct net_pool *pool, struct net_pool_figures *out);

/* NULL is allowed. Everything has been released. In a child of fork() nothing is said to the server
 * and the memory is left. */
void net_pool_free(struct net_pool *pool);

#endif
