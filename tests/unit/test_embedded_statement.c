/* Prepared statements are found by the address of their text, and their number is bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backends/embedded/db.h"
#include "unit/embedded_fixture.h"

enum { TEXTS = 600, TEXT_BYTES = 32 };
static char texts[TEXTS][TEXT_BYTES];

static void same_text_same_statement(void **state)
{
    (void)state;
    void *self = embedded_must_open("statements", 0);
    rag_call call = embedded_call(self, NULL);
    struct db_conn *conn = NULL;
    static sqlite3_stmt *first[TEXTS];
    MUST(db_read_begin(&call, &conn, &must));
    int prepared = 0;
    rag_error err = RAG_ERROR_INIT;
    for (; prepared < TEXTS; prepared++) {
        (void)snprintf(texts[prepared], TEXT_BYTES, "SELECT %d, ?1", prepared);
        if (db_prepare(conn, texts[prepared], &first[prepared], &err) != RAG_OK)
            break;
    }
    assert_true(prepared > 200 && prepared < TEXTS);
    assert_int_equal(err.status, RAG_E_UNSUPPORTED);
    for (int i = 0; i < prepared; i++) {
        sqlite3_stmt *again = NULL;
        int has_row = 0;
        MUST(db_prepare(conn, texts[i], &again, &must));
        assert_ptr_equal(again, first[i]);
        db_bind_slice(again, 1, rag_text("bound"));
        MUST(db_step(conn, again, &has_row, &must));
        assert_int_equal(has_row, 1);
        assert_int_equal(sqlite3_column_int(again, 0), i);
        assert_int_equal(db_column_slice(again, 1).len, 5);
    }
    sqlite3_stmt *reset = NULL;
    int has_row = 0;
    MUST(
        db_prepare(conn, texts[7], &reset, &must)); /* in the middle: comes back without bindings */
    MUST(db_step(conn, reset, &has_row, &must));
    assert_int_equal(sqlite3_column_type(reset, 1), SQLITE_NULL);
    db_read_end(&call, conn);
    embedded_shut(self);
}

static void failed_statements_say_why(void **state)
{
    (void)state;
    void *self = embedded_must_open("failing", 0);
    rag_call call = embedded_call(self, NULL);
    struct db_conn *conn = NULL;
    sqlite3_stmt *stmt = NULL;
    rag_error err = RAG_ERROR_INIT;
    MUST(db_read_begin(&call, &conn, &must));
    assert_int_equal(db_prepare(conn, "SELECT * FROM nothing", &stmt, &err), RAG_E_DATABASE);
    assert_null(stmt);
    assert_non_null(strstr(err.message, "failing/ragstore.db"));
    assert_non_null(strstr(err.message, "nothing"));
    MUST(db_prepare(conn, "DELETE FROM kv", &stmt, &must));
    assert_int_equal(db_run(conn, stmt, &err), RAG_E_DENIED); /* readers cannot write */
    db_read_end(&call, conn);
    embedded_shut(self);
}

static void empty_slices_are_bound(void **state)
{
    (void)state;
    void *self = embedded_must_open("binding", 0);
    rag_call call = embedded_call(self, NULL);
    struct db_conn *conn = NULL;
    sqlite3_stmt *stmt = NULL;
    int has_row = 0;
    MUST(db_read_begin(&call, &conn, &must));
    MUST(db_prepare(conn, "SELECT ?1 IS NULL, length(?1), ?2 IS NULL, ?3", &stmt, &must));
    db_bind_slice(stmt, 1, (rag_slice){ NULL, 0 });
    db_bind_slice_or_null(stmt, 2, (rag_slice){ NULL, 0 });
    db_bind_slice(stmt, 3, (rag_slice){ "a\0b", 3 });
    MUST(db_step(conn, stmt, &has_row, &must));
    assert_int_equal(sqlite3_column_int(stmt, 0), 0);
    assert_int_equal(sqlite3_column_int(stmt, 1), 0);
    assert_int_equal(sqlite3_column_int(stmt, 2), 1);
    assert_int_equal(db_column_slice(stmt, 3).len, 3);
    assert_memory_equal(db_column_slice(stmt, 3).data, "a\0b", 3);
    db_read_end(&call, conn);
    embedded_shut(self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_text_same_statement),
        cmocka_unit_test(failed_statements_say_why),
        cmocka_unit_test(empty_slices_are_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
