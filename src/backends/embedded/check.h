/* What the files check*.c share: a table of invariants for each part of the store, and the run that
 * works through them. Only embedded.c calls from outside: embedded_check(). */
#ifndef EMBEDDED_CHECK_H
#define EMBEDDED_CHECK_H

#include <ragstore/backend.h>

#include "core/buffer.h"
#include "db.h"
#include "vector_rows.h"

/* What was found about one invariant. */
struct check_finding {
    uint64_t checked, violations;
    struct buffer examples; /* JSON strings with commas between */
    size_t example_count;
};

/* One look at one invariant. */
struct check_run {
    const rag_call *call;
    struct db_conn *conn;
    const rag_check_options *options;
    struct check_finding *finding;
    struct db_write *mend; /* non-NULL: mend what is found (functions that do both) */
};

struct check_invariant {
    const char *name, *what; /* `name` NULL ends a table */
    /* Either a query with a row for each violation, whose first column tells where; or a function
     * that calls check_violation(). */
    const char *sql;
    rag_status (*find)(struct check_run *run, rag_error *err);
    const char *checked; /* a query for the number of things looked at, or NULL */
    /* How it is mended: statements, or `find` once more with run->mend. Neither: it is not derived. */
    const char *const *repair;
    int find_mends;
    int slow;     /* reads every value: left out by RAG_CHECK_QUICK */
    int is_index; /* mending it leaves index files to be made anew */
    /* Not in a snapshot and mended outside a transaction; `find` opens its own. */
    void (*repair_outside)(const rag_call *call);
};

extern const struct check_invariant check_store_invariants[], check_graph_invariants[],
    check_doc_invariants[], check_vector_invariants[], check_index_invariants[];

/* Count a violation and keep the text about it as an example while there is room. */
rag_status check_violation(struct check_run *run, rag_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Every row of a query whose first column is a row id, in order of it, and which takes those behind
 * ?1. `one` may mend the row when run->mend is there: it then resets `stmt` and sets *mended. */
typedef rag_status (*check_row_fn)(struct check_run *run, sqlite3_stmt *stmt, int *mended,
                                   rag_error *err);
rag_status check_each_row(struct check_run *run, const char *sql, check_row_fn one, rag_error *err);

/* Call `one` for every vector space whose record is sound, in order of id. */
typedef rag_status (*check_space_fn)(struct check_run *run, const struct space *space,
                                     rag_error *err);
rag_status check_each_space(struct check_run *run, check_space_fn one, rag_error *err);

/* The slot `check` of the backend. */
rag_status embedded_check(const rag_call *call, const rag_check_options *options, rag_result *out,
                          rag_error *err);

#endif
