/* Does the store agree with itself? The run over all invariants, and the mending.
 *
 * All invariants are looked at in one snapshot, so that writers are not kept waiting and what is
 * found is of one moment. Each is a query that gives a row for every violation, or a function; both
 * walk along indexes and hold nothing that grows with the store. Damage that makes an invariant
 * impossible to look at (RAG_E_CORRUPT) is itself a violation of it: the others are looked at all
 * the same.
 *
 * Mending takes the writer's turn, once for each invariant, and looks again inside the same
 * transaction before and after: what somebody else has put right meanwhile is not touched, and
 * "repaired" is what was seen to be gone. Only derived data is mended; it is recomputed from what it
 * is derived from. The order of the tables matters: adjacency before degrees, rows before counters.
 * Called through embedded_backend only. */
#include "check.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/context.h"
#include "core/limits.h"
#include "core/result.h"
#include "core/slice.h"
#include "stores.h"

enum { INVARIANTS_MAX = 96, EXAMPLE_BYTES = 400, CHECK_EVERY = 256 };

/* The counters come last: what is mended before may change them. */
static const struct check_invariant *const TABLES[] = {
    check_graph_invariants, check_doc_invariants, check_vector_invariants, check_index_invariants,
    check_store_invariants
};

struct outcome {
    const struct check_invariant *invariant;
    struct check_finding finding;
    uint64_t left;
    int made; /* it was looked at */
};

struct check {
    const rag_call *call;
    const rag_check_options *options;
    struct outcome outcomes[INVARIANTS_MAX];
    size_t count;
    int mended, remake_indexes;
};

/* ---- looking ------------------------------------------------------------------------------------ */

rag_status check_violation(struct check_run *run, rag_error *err, const char *format, ...)
{
    struct check_finding *f = run->finding;
    char text[EXAMPLE_BYTES];
    va_list args;
    f->violations++;
    if (f->example_count >= run->options->max_examples)
        return RAG_OK;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (f->example_count++)
        RAG_TRY(buffer_append_char(&f->examples, ',', err));
    return buffer_append_json_string(&f->examples, rag_text(text), err);
}

static rag_status query_count(struct db_conn *conn, const char *sql, uint64_t *out, rag_error *err)
{
    sqlite3_stmt *stmt;
    int found;
    RAG_TRY(db_prepare(conn, sql, &stmt, err));
    RAG_TRY(db_step(conn, stmt, &found, err));
    *out = found ? (uint64_t)sqlite3_column_int64(stmt, 0) : 0;
    (void)sqlite3_reset(stmt);
    return RAG_OK;
}

static rag_status find_by_query(struct check_run *run, const char *sql, rag_error *err)
{
    sqlite3_stmt *stmt;
    int more;
    RAG_TRY(db_prepare(run->conn, sql, &stmt, err));
    for (;;) {
        RAG_TRY(db_step(run->conn, stmt, &more, err));
        if (!more)
            break;
        const rag_slice where = db_column_slice(stmt, 0);
        RAG_TRY(check_violation(run, err, "%.*s", RAG_SHOWN(where)));
    }
    (void)sqlite3_reset(stmt);
    return RAG_OK;
}

/* Look at one invariant afresh. Damage in the way counts as a violation. */
static rag_status look(const struct check_invariant *invariant, struct check_run *run,
                       rag_error *err)
{
    struct check_finding *f = run->finding;
    rag_error why = RAG_ERROR_INIT;
    buffer_clear(&f->examples);
    f->checked = f->violations = 0;
    f->example_count = 0;
    rag_status status = RAG_OK;
    if (invariant->checked)
        status = query_count(run->conn, invariant->checked, &f->checked, &why);
    if (status == RAG_OK)
        status =
            invariant->sql ? find_by_query(run, invariant->sql, &why) : invariant->find(run, &why);
    if (status == RAG_E_CORRUPT)
        return check_violation(run, err, "%s", why.message);
    return rag_pass(status, &why, err);
}

rag_status check_each_row(struct check_run *run, const char *sql, check_row_fn one, rag_error *err)
{
    sqlite3_int64 row = INT64_MIN;
    sqlite3_stmt *stmt;
    int more, mended = 1;
    for (size_t i = 0;; i++) {
        if (mended) { /* a row was changed under the walk: go on behind it */
            RAG_TRY(db_prepare(run->conn, sql, &stmt, err));
            (void)sqlite3_bind_int64(stmt, 1, row);
            mended = 0;
        }
        if (i % CHECK_EVERY == 0)
            RAG_TRY(context_check(run->call->ctx, err));
        RAG_TRY(db_step(run->conn, stmt, &more, err));
        if (!more)
            break;
        const sqlite3_int64 next = sqlite3_column_int64(stmt, 0);
        if (next <= row && i > 0) { /* damaged: going on behind it would never end */
            (void)sqlite3_reset(stmt);
            return rag_fail(err, RAG_E_CORRUPT, "row %lld comes behind row %lld", (long long)next,
                            (long long)row);
        }
        row = next;
        run->finding->checked++;
        RAG_TRY(one(run, stmt, &mended, err));
    }
    (void)sqlite3_reset(stmt);
    return RAG_OK;
}

rag_status check_each_space(struct check_run *run, check_space_fn one, rag_error *err)
{
    static const char SQL_NEXT[] = "SELECT n.id, n.name FROM namespace n"
                                   " JOIN vector_space s ON s.id = n.id"
                                   " WHERE n.kind = 2 AND n.id > ?1 ORDER BY n.id LIMIT 1";
    char name[LIMIT_NAME_BYTES + 1];
    sqlite3_int64 id = 0;
    for (;;) {
        struct space space;
        sqlite3_stmt *stmt;
        int found;
        RAG_TRY(db_prepare(run->conn, SQL_NEXT, &stmt, err));
        (void)sqlite3_bind_int64(stmt, 1, id);
        RAG_TRY(db_step(run->conn, stmt, &found, err));
        if (found && sqlite3_column_int64(stmt, 0) <= id)
            found = 0; /* damaged: it would go in circles */
        if (found) {
            id = sqlite3_column_int64(stmt, 0);
            const rag_slice text = db_column_slice(stmt, 1);
            (void)snprintf(name, sizeof name, "%.*s", (int)text.len, (const char *)text.data);
        }
        (void)sqlite3_reset(stmt);
        if (!found)
            return RAG_OK;
        rag_error why = RAG_ERROR_INIT;
        const rag_status status = space_load(run->conn, name, &space, &why);
        if (status == RAG_E_CORRUPT) /* "vector.space" tells */
            continue;
        if (status != RAG_OK)
            return rag_pass(status, &why, err);
        RAG_TRY(one(run, &space, err));
    }
}

/* ---- mending ------------------------------------------------------------------------------------- */

static int is_derived(const struct check_invariant *i)
{
    return i->repair || i->find_mends || i->repair_outside;
}

static rag_status mend_now(const struct check_invariant *invariant, struct check_run *run,
                           struct db_write *w, rag_error *err)
{
    if (invariant->find_mends) {
        run->mend = w;
        const rag_status status = look(invariant, run, err);
        run->mend = NULL;
        return status;
    }
    for (const char *const *sql = invariant->repair; *sql; sql++) {
        sqlite3_stmt *stmt;
        RAG_TRY(db_prepare(w->conn, *sql, &stmt, err));
        RAG_TRY(db_run(w->conn, stmt, err));
    }
    return RAG_OK;
}

/* Inside the writer's turn: look, mend, look again. `seen`: what the first look found. */
static rag_status mend_inside(const struct check_invariant *invariant, struct check_run *run,
                              struct db_write *w, uint64_t *seen, rag_error *err)
{
    RAG_TRY(look(invariant, run, err));
    *seen = run->finding->violations;
    if (!*seen)
        return RAG_OK;
    RAG_TRY(mend_now(invariant, run, w, err));
    return look(invariant, run, err);
}

static rag_status mend_in_transaction(struct check *check, struct outcome *o,
                                      struct check_finding *scratch, rag_error *err)
{
    struct check_run run = { .call = check->call, .options = check->options, .finding = scratch };
    rag_error why = RAG_ERROR_INIT;
    struct db_write w;
    uint64_t seen = 0;
    RAG_TRY(db_write_begin_durable(check->call, &w, err));
    run.conn = w.conn;
    const rag_status mended = mend_inside(o->invariant, &run, &w, &seen, &why);
    const rag_status status = db_write_end(&w, mended, NULL, &why);
    if (status == RAG_E_CORRUPT || (status == RAG_OK && !seen && !o->finding.violations))
        return RAG_OK; /* too damaged to be mended: it stays as found; or nothing to do */
    if (status != RAG_OK)
        return rag_pass(status, &why, err);
    if (seen > o->finding.violations) /* laid open by what was mended before */
        o->finding.violations = seen;
    o->left = scratch->violations;
    check->mended |= seen > 0;
    check->remake_indexes |= seen > 0 && o->invariant->is_index;
    return RAG_OK;
}

static rag_status mend_outside(struct check *check, struct outcome *o,
                               struct check_finding *scratch, rag_error *err)
{
    struct check_run run = { .call = check->call, .options = check->options, .finding = scratch };
    if (!o->finding.violations)
        return RAG_OK;
    o->invariant->repair_outside(check->call);
    RAG_TRY(look(o->invariant, &run, err));
    o->left = scratch->violations;
    return RAG_OK;
}

static rag_status mend_all(struct check *check, rag_error *err)
{
    struct check_finding scratch = { .examples = BUFFER_INIT(LIMIT_VALUE_BYTES) };
    rag_status status = RAG_OK;
    for (size_t i = 0; i < check->count && status == RAG_OK; i++) {
        struct outcome *o = &check->outcomes[i];
        if (!o->made || !is_derived(o->invariant))
            continue;
        if (o->invariant->repair_outside)
            status = mend_outside(check, o, &scratch, err);
        else if (o->finding.violations || check->mended)
            status = mend_in_transaction(check, o, &scratch, err);
    }
    buffer_free(&scratch.examples);
    if (status == RAG_OK && check->remake_indexes)
        status = vector_index_optimize(check->call, err);
    return status;
}

/* ---- the report ---------------------------------------------------------------------------------- */

static rag_status append_outcome(const struct outcome *o, rag_result *out, rag_error *err)
{
    struct buffer json = BUFFER_INIT(LIMIT_VALUE_BYTES);
    const struct check_finding *f = &o->finding;
    rag_status status;
    RAG_TRY_CLEANUP(buffer_append_text(&json, "{\"what\":", err));
    RAG_TRY_CLEANUP(buffer_append_json_string(&json, rag_text(o->invariant->what), err));
    RAG_TRY_CLEANUP(buffer_printf(&json, err,
                                  ",\"checked\":%llu,\"violations\":%llu,\"repaired\":%llu,"
                                  "\"derived\":%s,\"examples\":[%.*s]}",
                                  (unsigned long long)f->checked, (unsigned long long)f->violations,
                                  (unsigned long long)(f->violations - o->left),
                                  is_derived(o->invariant) ? "true" : "false", (int)f->examples.len,
                                  f->examples.len ? f->examples.data : ""));
    const rag_row row = { .key = rag_text(o->invariant->name),
                          .value = buffer_slice(&json),
                          .found = o->left == 0,
                          .number = (int64_t)f->violations };
    status = rag_result_append(out, &row, err);
cleanup:
    buffer_free(&json);
    return status;
}

static rag_status collect(struct check *check, rag_error *err)
{
    for (size_t t = 0; t < sizeof TABLES / sizeof *TABLES; t++)
        for (const struct check_invariant *i = TABLES[t]; i->name; i++) {
            if (i->slow && check->options->flags & RAG_CHECK_QUICK)
                continue;
            if (check->count == INVARIANTS_MAX)
                return rag_fail(err, RAG_E_UNSUPPORTED, "more than %d invariants", INVARIANTS_MAX);
            check->outcomes[check->count++] =
                (struct outcome){ .invariant = i,
                                  .finding = { .examples = BUFFER_INIT(LIMIT_VALUE_BYTES) } };
        }
    return RAG_OK;
}

/* What is looked at in the snapshot of `conn`, or (NULL) what opens its own. */
static rag_status look_at_all(struct check *check, struct db_conn *conn, rag_error *err)
{
    for (size_t i = 0; i < check->count; i++) {
        struct outcome *o = &check->outcomes[i];
        if (!conn != !!o->invariant->repair_outside)
            continue;
        struct check_run run = { check->call, conn, check->options, &o->finding, NULL };
        RAG_TRY(context_check(check->call->ctx, err));
        context_progress(check->call->ctx, o->invariant->name, 0, 0, 0, 0);
        RAG_TRY(look(o->invariant, &run, err));
        o->left = o->finding.violations;
        o->made = 1;
    }
    return RAG_OK;
}

static rag_status check_all(struct check *check, rag_result *out, rag_error *err)
{
    struct db_conn *conn;
    RAG_TRY(collect(check, err));
    RAG_TRY(db_read_begin(check->call, &conn, err));
    const rag_status status = look_at_all(check, conn, err);
    db_read_end(check->call, conn);
    RAG_TRY(status);
    RAG_TRY(look_at_all(check, NULL, err));
    if (check->options->flags & RAG_CHECK_REPAIR)
        RAG_TRY(mend_all(check, err));
    for (size_t i = 0; i < check->count; i++)
        RAG_TRY(append_outcome(&check->outcomes[i], out, err));
    return RAG_OK;
}

rag_status embedded_check(const rag_call *call, const rag_check_options *options, rag_result *out,
                          rag_error *err)
{
    struct check check = { .call = call, .options = options };
    const rag_status status = check_all(&check, out, err);
    for (size_t i = 0; i < check.count; i++)
        buffer_free(&check.outcomes[i].finding.examples);
    return status;
}
