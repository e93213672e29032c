/* Every question about documents is answered by an index: the plans of SQLite for the statements of
 * docstatus_range.c, on the tables of a fresh store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "backends/embedded/docstatus_range.h"
#include "backends/embedded/schema.h"

static sqlite3 *tables(void)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    for (const char *const *sql = schema_create; *sql; sql++)
        if (sqlite3_exec(db, *sql, NULL, NULL, NULL) != SQLITE_OK)
            fail_msg("%s", sqlite3_errmsg(db));
    return db;
}

/* The lines of a plan; each look at the documents must be a search, and name `index` or a row id. */
static void check_plan(sqlite3 *db, const char *sql, const char *index)
{
    char explain[4096];
    sqlite3_stmt *stmt = NULL;
    int by_index = 0;
    (void)snprintf(explain, sizeof explain, "EXPLAIN QUERY PLAN %s", sql);
    if (sqlite3_prepare_v2(db, explain, -1, &stmt, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        const char *line = (const char *)sqlite3_column_text(stmt, 3);
        if (strncmp(line, "SCAN doc", 8) == 0 || strncmp(line, "SCAN d", 6) == 0)
            fail_msg("%s\nwalks over the documents: %s", sql, line);
        by_index |= strncmp(line, "SEARCH doc", 10) == 0 && strstr(line, index) != NULL;
    }
    (void)sqlite3_finalize(stmt);
    if (!by_index)
        fail_msg("%s\ndoes not go by %s", sql, index);
}

static void ranges_go_by_index(void **state)
{
    (void)state;
    static const char *const indexes[] = { "doc_status_created", "doc_track", "doc_file_path",
                                           "doc_hash" };
    sqlite3 *db = tables();
    const rag_slice values[] = { rag_text("pending"), rag_text("failed"), rag_text("parsing") };
    for (int by = 0; by <= RAG_DOC_BY_CONTENT_HASH; by++) {
        for (unsigned how = 0; how < 16; how++) {
            rag_doc_range range = { .struct_size = sizeof range, .by = (rag_doc_by)by };
            rag_error err = RAG_ERROR_INIT;
            struct buffer sql = BUFFER_INIT(8192);
            range.values = values;
            range.value_count = by ? 1 : 3;
            range.from_start = (how & 1) == 0;
            range.primaries_only = (how & 2) != 0;
            range.exclude_id = how & 4 ? rag_text("doc-1") : rag_text("");
            range.limit = 50;
            if (docstatus_range_sql(&range, (how & 8) != 0, &sql, &err) != RAG_OK)
                fail_msg("%s", err.message);
            check_plan(db, sql.data, indexes[by]);
            buffer_free(&sql);
        }
    }
    (void)sqlite3_close(db);
}

static void conflicts_go_by_index(void **state)
{
    (void)state;
    sqlite3 *db = tables();
    check_plan(db, docstatus_conflicts_sql, "doc_file_path");
    (void)sqlite3_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_go_by_index),
        cmocka_unit_test(conflicts_go_by_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
