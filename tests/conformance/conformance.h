/* The conformance suite: one set of cases per store kind, compiled once, run for every backend.
 *
 * A case is a function over a fresh store. It speaks the public API only and knows no backend: what
 * backends may do differently is in `struct quirks`, and a case that needs what a backend does not
 * have says so with NEEDS_*. When a backend keeps its data, every case ends with closing and opening
 * the store again and comparing everything in it.
 *
 * To add a backend: one file like backend_memory.c and one line in backends.c. */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ragstore/ragstore.h>

/* ---- backends ------------------------------------------------------------------------------------ */

/* Where the store of one case lives. */
struct place {
    char path[256];  /* a folder that the backend may create and use; removed after the case */
    const void *own; /* for backends that need more */
};

enum { HAS_KV = 1, HAS_VECTOR = 2, HAS_GRAPH = 4, HAS_DOCSTATUS = 8, HAS_ALL = 15 };

enum {
    NEEDS_TRANSACTIONS = 1, /* begin, commit, abort over all kinds */
    NEEDS_PERSISTENCE = 2,  /* closing and opening again finds everything */
    NEEDS_SHARING = 4,      /* several handles on one store at once, in any process */
    NEEDS_FLOAT16 = 8,      /* spaces of element type float16 */
    NEEDS_NUL = 16,         /* NUL bytes in keys, ids and labels */
    NEEDS_ATOMIC = 32,      /* a batch that fails half way leaves nothing behind */
    NEEDS_COMPACT = 64,     /* rag_store_compact(), which others refuse */
    NEEDS_BACKUP = 128,     /* rag_store_backup(), which others refuse */
    NEEDS_FLOAT32 = 256, /* spaces of element type float32; cases that do not care about the element
                               type, and say FLOAT32, run with FLOAT16 where there is nothing else */
    NEEDS_DOT = 512,     /* spaces that compare by inner product */
    NEEDS_EXTRAS =
        1024, /* what files of LightRAG have no place for outlasts the handle: generations
                               of namespaces, rows that wait to be embedded, white space and the
                               spelling of escapes in values */
    NEEDS_CONTROL = 2048, /* labels with characters that XML does not have */
    NEEDS_LIMITS = 4096   /* limits of caches, which others refuse */
};

struct quirks {
    unsigned kinds;         /* HAS_* */
    unsigned offers;        /* NEEDS_* that are met */
    size_t name_bytes_max;  /* longest name of a namespace that must work */
    size_t key_bytes_max;   /* longest key that must work, 65536 unless the server cannot */
    uint32_t dimension_max; /* largest dimension of a space, 0: RAG_DIMENSION_MAX */
    double score_tolerance; /* how far scores may lie from those computed in double */
    double recall;          /* share of the best rows that searches without `exact` find */
};

/* A case that is known to fail, or that does not apply: not run, but always printed. */
struct deviation {
    const char *name; /* "kind/case" */
    const char *reason;
};

struct conformance_backend {
    const char *name;
    const char *driver; /* its name in the library; NULL: `name` */
    /* Make an empty store possible at `place` (a folder, a schema, a key prefix). May be NULL. */
    void (*prepare)(struct place *place);
    /* Open the store at `place`; the first call creates it. */
    rag_status (*open)(const struct place *place, const rag_open_options *options, rag_store **out,
                       rag_error *err);
    /* Remove what prepare() and open() left. May be NULL; the folder is removed in any case. */
    void (*destroy)(struct place *place);
    struct quirks quirks;
    const struct deviation *deviations; /* NULL-name-ended, or NULL */
};

extern const struct conformance_backend *const conformance_backends[]; /* NULL-ended */

/* ---- cases --------------------------------------------------------------------------------------- */

enum { ENV_RESULTS_MAX = 4096 };

/* What a case works with. */
struct env {
    const struct conformance_backend *backend;
    struct place place;
    rag_store *store;
    rag_error err, before;                /* of the last call that failed; err before this call */
    unsigned seed;                        /* of random tests; RAGSTORE_TEST_SEED sets it */
    rag_result *results[ENV_RESULTS_MAX]; /* freed after the case */
    size_t result_count;
};

/* The backend's name in URLs and messages. */
static inline const char *driver_name(const struct env *e)
{
    return e->backend->driver ? e->backend->driver : e->backend->name;
}

struct conformance_case {
    const char *name;
    void (*run)(struct env *e);
    unsigned needs;
};

struct conformance_suite {
    const char *kind;                     /* name of the suite */
    unsigned kinds;                       /* HAS_* that all its cases need */
    const struct conformance_case *cases; /* NULL-name-ended */
};

extern const struct conformance_case kv_cases[], kv_value_cases[], kv_limit_cases[], vector_cases[],
    vector_search_cases[], vector_pending_cases[], thread_pending_cases[], graph_cases[],
    graph_view_cases[], graph_label_cases[], docstatus_cases[], docstatus_pipeline_cases[],
    shared_cases[], store_cases[], txn_cases[], care_cases[], content_hash_cases[], thread_cases[];

#define CASE(kind, name) { #name, kind##_##name, 0 }
#define CASE_NEEDS(kind, name, needs) { #name, kind##_##name, needs }
#define CASES_END { NULL, NULL, 0 }

/* ---- checks -------------------------------------------------------------------------------------- */

/* Say why and fail the case. Only on the thread that runs it. */
void fail_at(const char *file, int line, const char *format, ...)
    __attribute__((noreturn, format(printf, 3, 4)));

#define FAIL(...) fail_at(__FILE__, __LINE__, __VA_ARGS__)
#define CHECK(condition, ...)  \
    do {                       \
        if (!(condition))      \
            FAIL(__VA_ARGS__); \
    } while (0)

/* The call must succeed, and leave the error alone; it is given &e->err. */
#define OK(call) (remember_error(e), expect_status(e, (call), RAG_OK, #call, __FILE__, __LINE__))
/* The call must fail like this, and fill the error: status, a message of one line. */
#define REFUSED(status, call) expect_status(e, (call), status, #call, __FILE__, __LINE__)

void remember_error(struct env *e);
void expect_status(const struct env *e, rag_status got, rag_status wanted, const char *call,
                   const char *file, int line);

/* The error message of the last refused call names this. */
void expect_message(const struct env *e, const char *part);

/* ---- helpers -------------------------------------------------------------------------------------- */

/* Text literals and bytes with NUL inside as slices. */
#define T(text) rag_text(text)
#define B(literal) ((rag_slice){ "" literal, sizeof(literal) - 1 })

int same(rag_slice a, rag_slice b);
int compare(rag_slice a, rag_slice b); /* byte order */
int contains(rag_slice text, const char *part);

/* For messages: "%.*s" with SHOW(slice). */
#define SHOW(s) (int)((s).len < 100 ? (s).len : 100), (const char *)((s).len ? (s).data : "")

/* Free `result` after the case. */
rag_result *keep(struct env *e, rag_result *result);
/* The row, which must exist. */
const rag_row *row_of(const rag_result *result, size_t index);

void row_absent(const rag_row *row, rag_slice key);
void row_is(const rag_row *row, const char *value); /* found, with exactly this value */
void count_is(const rag_result *result, size_t rows);
void keys_are(const rag_result *result, const char *const *keys, size_t n); /* in this order */

/* Text that lives until the case ends. */
const char *format_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
void free_texts(void); /* for main.c */

/* Random numbers of a case: the same for the same seed on every machine. */
struct random {
    uint64_t state;
};
struct random random_of(const struct env *e);
uint64_t random_next(struct random *r);
uint64_t random_below(struct random *r, uint64_t bound);
double random_unit(struct random *r); /* 0 <= x < 1 */

/* Key-value */
void kv_put(struct env *e, const char *name_space, rag_slice key, const char *value);
rag_result *kv_get(struct env *e, const char *name_space, rag_slice key);
uint64_t kv_count(struct env *e, const char *name_space);

/* Vectors */
__extension__ typedef _Float16 half; /* the compiler's own rounding: to nearest, ties to even */
rag_element element_for(const struct env *e,
                        rag_element wanted);       /* FLOAT16 for a FLOAT32 that is not
                                                                     offered */
float kept_as(const struct env *e, float element); /* in a space that asked for FLOAT32 */
void define_space(struct env *e, const char *name_space, uint32_t dimension, rag_metric metric,
                  rag_element element);
void vector_put(struct env *e, const char *name_space, rag_slice id, const float *vector,
                size_t dimension, const char *value);
uint64_t vector_count(struct env *e, const char *name_space);

/* Graph */
void node_put(struct env *e, const char *label, const char *value);
void edge_put(struct env *e, const char *source, const char *target, const char *value);
void graph_counts(struct env *e, uint64_t nodes, uint64_t edges); /* must be these */
int64_t degree_of(struct env *e, const char *label);

/* Documents */
void doc_put(struct env *e, const char *id, const char *value);

/* The store as a whole */
rag_result *namespaces(struct env *e);
/* The row of a namespace, or NULL; `name` may be NULL. */
const rag_row *namespace_row(struct env *e, const char *kind, const char *name);
long long number_in(const rag_row *row, const char *member); /* of its JSON object */
rag_slice content_hash(struct env *e, rag_store *store);     /* of all, with its quotes */

/* The scans of all kinds in one form; vectors, nodes and edges with all they have. */
typedef rag_status (*scan_call)(rag_store *store, const char *name_space, rag_slice after,
                                size_t limit, rag_result **out, rag_error *err);
rag_status scan_kv(rag_store *store, const char *name_space, rag_slice after, size_t limit,
                   rag_result **out, rag_error *err);
rag_status scan_vectors(rag_store *store, const char *name_space, rag_slice after, size_t limit,
                        rag_result **out, rag_error *err);
rag_status scan_nodes(rag_store *store, const char *name_space, rag_slice after, size_t limit,
                      rag_result **out, rag_error *err);
rag_status scan_edges(rag_store *store, const char *name_space, rag_slice after, size_t limit,
                      rag_result **out, rag_error *err);
rag_status scan_docs(rag_store *store, const char *name_space, rag_slice after, size_t limit,
                     rag_result **out, rag_error *err);
/* Scan from the start to the end, `limit` rows at a time, into rows[max]; how many there were. Each
 * page must keep to the limit, and the last one must say that it is the last. */
size_t scan_all(struct env *e, scan_call scan, const char *name_space, size_t limit,
                const rag_row **rows, size_t max);

/* Another handle on the same store; closed by the case. */
rag_store *open_again(struct env *e, const rag_open_options *options);

/* ---- everything in a store, for comparing --------------------------------------------------------- */

/* Everything that the store holds, in an order of its own; freed with free(). */
char *dump_store(struct env *e, rag_store *store, size_t *len);
/* The store must hold what it held when the dump was made. */
void expect_dump(struct env *e, const char *dump, size_t len, const char *after_what);
/* Close the store, open it again, and compare everything. */
void expect_same_after_reopening(struct env *e);

#endif
