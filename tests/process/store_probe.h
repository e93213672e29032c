/* The parts of store_probe: commands on handles, and work that takes threads or a fork. */
#ifndef PROCESS_STORE_PROBE_H
#define PROCESS_STORE_PROBE_H

#include <ragstore/ragstore.h>

enum { HANDLES = 64, VALUE_MAX = 64 * 1024 * 1024 };

struct handle {
    rag_store *store;
    rag_txn *txn;
    unsigned flags;
    int64_t lock_timeout_ms; /* 0: the library's */
    char page[64];           /* where the command "page" goes on */
    char url[4096];
};

extern struct handle handles[HANDLES];

/* One line of answer, at once. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* "ok" and `token`, or "error KIND OUTCOME MESSAGE". */
void say_outcome(rag_status status, rag_token token, const rag_error *err);

rag_status put_text(struct handle *h, const char *key, const char *text, size_t len,
                    int64_t wait_ms, rag_token *token, rag_error *err);
rag_status open_handle(struct handle *h, const char *url, unsigned flags, rag_error *err);

/* store_probe_work.c */
void do_threads(struct handle *h, int threads, int each);
void do_threads_flush(struct handle *h, int threads);
/* Every second thread by `other`. */
void do_mixed(struct handle *h, int writers, int readers, int milliseconds, struct handle *other);
void do_orders(const char *url);

/* store_probe_fork.c */
void do_fork(struct handle *h, const char *end);
void do_fork_in(struct handle *h, const char *what, int times);
void do_fork_hold(struct handle *h);
void do_hold_in(struct handle *h, const char *what, int times);

/* store_probe_search.c */
enum { VECTOR_DIMENSION = 24 };
void make_vector(long i, float out[VECTOR_DIMENSION]);
rag_status put_vectors(rag_store *store, const char *space_name, long from, long n, rag_error *err);
void do_vectors(struct handle *h, const char *space, long from, long n);
void do_erase_vectors(struct handle *h, const char *space, long from, long n);
void do_search(struct handle *h, const char *space, long searches);

/* store_probe_rows.c */
void do_all(struct handle *h, const char *key);
void do_seen(struct handle *h, const char *key);

/* store_probe_storm.c */
void do_storm(struct handle *h, long id, long from, unsigned seed);
void do_watch(struct handle *h, long writers, unsigned seed);
void do_page(struct handle *h, size_t limit);
void do_walk(struct handle *h, const char *prefix, long rows, size_t page, long milliseconds);

/* store_probe_pending.c */
void do_defer(struct handle *h, const char *prefix, int count);
void do_embed(struct handle *h, unsigned sleep_ms, unsigned concurrency);
void do_pending(struct handle *h);
void do_drop_pending(struct handle *h);

#endif
