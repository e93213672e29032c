/* The parts of an export. */
#ifndef MIGRATE_EXPORT_H
#define MIGRATE_EXPORT_H

#include "backends/lightrag_files/whole_file.h"
#include "import.h"

/* ---- export_plan.c: which files there will be ---------------------------------------------------- */

struct export_target {
    struct lightrag_file file; /* as it will be found there; `bytes` once it is written */
    uint64_t rows, pending;
    rag_vector_space space;
};

struct export_plan {
    struct export_target *targets;
    size_t count;
    uint64_t rows;
};

/* What the store holds as files of `directory`, in the order of an import. */
rag_status export_plan_make(rag_store *store, const rag_context *ctx, const char *directory,
                            struct export_plan *out, rag_error *err);
int export_plan_has(const struct export_plan *plan, const char *name);
void export_plan_free(struct export_plan *plan);

/* ---- export_rows.c: the rows of one target -------------------------------------------------------- */

/* Told about each page; a failure ends the export. */
typedef rag_status (*export_progress)(void *user, uint64_t rows, rag_error *err);

struct export_rows {
    rag_store *store;
    const rag_context *ctx;
    const struct export_target *target;
    const struct lightrag_output *out;
    struct lightrag_summary *summary;
    export_progress progress;
    void *user;
};

rag_status export_rows_write(struct export_rows *e, rag_error *err);

#endif
