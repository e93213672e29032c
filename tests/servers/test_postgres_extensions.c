/* What needs pgvector and AGE: whose the rows that wait for vectors are, searches by index, and the graph in AGE beside
 * LightRAG's writers. On a real server that has both. */
#include "postgres_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- vectors ---------------------------------------------------------------------------------------- */

enum { DIMENSION = 32, ROWS = 3000, TOP = 20 };

static void define(rag_store *store, unsigned dimension)
{
    rag_error err = RAG_ERROR_INIT;
    rag_vector_space space = RAG_VECTOR_SPACE_INIT;
    space.dimension = dimension;
    ok(rag_vector_define(store, NULL, "entities", &space, &err), &err);
}

static void defer(rag_store *store, const char *id)
{
    rag_error err = RAG_ERROR_INIT;
    const rag_pending_item item = { rag_text(id), rag_text("{}"), rag_text("text"), 0 };
    ok(rag_vector_defer_many(store, NULL, "entities", &item, 1, NULL, &err), &err);
}

static size_t waiting(rag_store *store)
{
    rag_error err = RAG_ERROR_INIT;
    rag_result *rows = NULL;
    ok(rag_vector_pending(store, NULL, "entities", rag_text(""), 0, &rows, &err), &err);
    const size_t count = rag_result_count(rows);
    rag_result_free(rows);
    return count;
}

static void pending_rows_follow_the_session_of_their_owner(void **state)
{
    (void)state;
    PGconn *other = session();
    rag_store *stores[2] = { open_with("&workspace=pending"), open_with("&workspace=pending") };
    define(stores[0], DIMENSION);
    defer(stores[0], "a");
    assert_int_equal(waiting(stores[0]), 1);
    assert_int_equal(waiting(stores[1]), 0);
    end_sessions(other); /* as when the process dies */
    assert_int_equal(waiting(stores[1]), 1);
    assert_int_equal(waiting(stores[0]), 1);
    defer(stores[0], "b"); /* alive after all */
    assert_int_equal(waiting(stores[1]), 0);
    assert_int_equal(waiting(stores[0]), 2);
    rag_store_close(stores[0]);
    assert_int_equal(waiting(stores[1]), 2);
    PQfinish(other);
    rag_store_close(stores[1]);
}

/* Rows around a direction: the first element of each is `side`. */
static void fill(rag_store *store, unsigned dimension, size_t count, float side, unsigned seed)
{
    static float vectors[ROWS][DIMENSION];
    static char ids[ROWS][24];
    static rag_vector_item items[ROWS];
    rag_error err = RAG_ERROR_INIT;
    define(store, dimension);
    for (size_t i = 0; i < count; i++) {
        const size_t at = i % ROWS;
        (void)snprintf(ids[at], sizeof ids[at], "%zu", i);
        for (size_t j = 0; j < dimension; j++)
            vectors[at][j] = (float)(rand_r(&seed) % 1000) / 1000.0f - 0.5f;
        vectors[at][0] = side;
        items[at] =
            (rag_vector_item){ rag_text(ids[at]), vectors[at], dimension, rag_text("{}"), 0 };
        if (at == ROWS - 1 || i == count - 1)
            ok(rag_vector_put_many(store, NULL, "entities", items, at + 1, NULL, &err), &err);
    }
}

static const char IVFFLAT_USED[] =
    "SELECT sum(s.idx_scan) FROM pg_stat_user_indexes s JOIN pg_class c ON c.oid = s.indexrelid"
    " JOIN pg_am a ON a.oid = c.relam WHERE a.amname = 'ivfflat'";

static size_t in_common(const rag_result *a, const rag_result *b)
{
    size_t count = 0;
    for (size_t i = 0; i < rag_result_count(a); i++)
        for (size_t j = 0; j < rag_result_count(b); j++) {
            const rag_slice x = rag_result_row(a, i)->key, y = rag_result_row(b, j)->key;
            count += x.len == y.len && memcmp(x.data, y.data, x.len) == 0;
        }
    return count;
}

/* Searches by index find what comparing with all rows finds. Both workspaces are in one table and one
 * index; the rows of `near` are nearer to the query. */
static void search_beside(rag_store *near, rag_store *far, unsigned dimension)
{
    static const float query[DIMENSION] = { 1 };
    rag_error err = RAG_ERROR_INIT;
    rag_result *found = NULL, *best = NULL;
    rag_vector_query q = RAG_VECTOR_QUERY_INIT;
    ok(rag_store_optimize(far, NULL, &err), &err);
    q.vector = query;
    q.dimension = dimension;
    q.top_k = TOP;
    ok(rag_vector_search(far, NULL, "entities", &q, &found, &err), &err);
    q.exact = 1;
    ok(rag_vector_search(far, NULL, "entities", &q, &best, &err), &err);
    assert_int_equal(rag_result_count(found), TOP);
    assert_int_equal(rag_result_flags(found) & RAG_RESULT_EXHAUSTED, 0);
    assert_in_range(in_common(found, best), TOP - 1, TOP);
    rag_result_free(found);
    rag_result_free(best);
    rag_store_close(near);
    rag_store_close(far);
}

static void an_index_gives_the_rows_of_the_workspace(void **state)
{
    (void)state;
    rag_store *near = open_with("&workspace=near"), *far = open_with("&workspace=far");
    fill(near, DIMENSION, ROWS, 5.0f, 1);
    fill(far, DIMENSION, ROWS, -5.0f, 2);
    search_beside(near, far, DIMENSION);
}

/* A workspace that is too large to be compared row by row, and not most of its table: the index is
 * asked for more rows than are wanted. Here it is IVFFLAT; that it was used is what the server says. */
static void a_large_part_of_a_table_is_searched_by_index(void **state)
{
    (void)state;
    enum { SMALL = 8, LARGE_PART = 20500, OTHER_PART = 3500 };
    static const char OPTIONS[] = "&vector_index_type=IVFFLAT&workspace=";
    char options[80];
    (void)snprintf(options, sizeof options, "%sother", OPTIONS);
    rag_store *near = open_with(options);
    (void)snprintf(options, sizeof options, "%slarge", OPTIONS);
    rag_store *far = open_with(options);
    fill(near, SMALL, OTHER_PART, 5.0f, 3);
    fill(far, SMALL, LARGE_PART, -5.0f, 4);
    search_beside(near, far, SMALL);
    PGconn *pg = session();
    /* sessions say what they used when they end */
    for (int i = 0; i < 500 && !run_sql(pg, IVFFLAT_USED); i++)
        (void)usleep(20000);
    assert_true(run_sql(pg, IVFFLAT_USED) > 0);
    PQfinish(pg);
}

/* ---- the graph in AGE ------------------------------------------------------------------------------- */

#define GRAPH(workspace) workspace "_chunk_entity_relation"

static rag_status put_node(rag_store *store, const char *label, const char *value, rag_error *err)
{
    const rag_node node = { rag_text(label), rag_text(value) };
    return rag_graph_put_nodes(store, NULL, &node, 1, RAG_PUT_MERGE, NULL, err);
}

/* What LightRAG's writers hold: its advisory lock of the graph, or a row of the table. */
static void writers_of_lightrag_are_waited_for(void **state)
{
    (void)state;
    static const char *const held[] = {
        "BEGIN; SELECT pg_advisory_xact_lock_shared(hashtextextended('" GRAPH("locks") "', 0))",
        "BEGIN; UPDATE " GRAPH("locks") ".base SET properties = properties",
    };
    static const char *const news[] = { "b", "c" }; /* which no row of theirs is */
    rag_error err = RAG_ERROR_INIT;
    rag_store *store =
        open_with("&workspace=locks&graph=age&lock_timeout_ms=100&connection_retries=1");
    PGconn *other = session();
    const rag_slice keys[] = { rag_text("a") };
    ok(put_node(store, "a", "{}", &err), &err);
    for (size_t i = 0; i < sizeof held / sizeof *held; i++) {
        rag_result *rows = NULL;
        (void)run_sql(other, held[i]);
        assert_int_equal(put_node(store, news[i], "{}", &err), RAG_E_TIMEOUT);
        ok(rag_graph_get_nodes(store, NULL, keys, 1, 0, &rows, &err), &err); /* readers go on */
        assert_int_equal(rag_result_row(rows, 0)->found, 1);
        rag_result_free(rows);
        (void)run_sql(other, "COMMIT");
        ok(put_node(store, news[i], "{}", &err), &err);
    }
    PQfinish(other);
    rag_store_close(store);
}

static void layouts_of_what_others_deleted_go(void **state)
{
    (void)state;
    static const char count[] = "SELECT count(*) FROM " GRAPH("tidy") ".ragstore_extra";
    rag_error err = RAG_ERROR_INIT;
    rag_store *store = open_with("&workspace=tidy&graph=age");
    PGconn *other = session();
    ok(put_node(store, "stays", "{\"n\": 1.50}", &err), &err);
    ok(put_node(store, "goes", "{\"n\": 1.50}", &err), &err);
    (void)run_sql(
        other, "DELETE FROM " GRAPH(
                   "tidy") ".base WHERE "
                           "ag_catalog.agtype_object_field_text(properties, 'entity_id') = 'goes'");
    assert_int_equal(run_sql(other, count), 2);
    ok(rag_store_optimize(store, NULL, &err), &err);
    assert_int_equal(run_sql(other, count), 1);
    PQfinish(other);
    rag_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pending_rows_follow_the_session_of_their_owner),
        cmocka_unit_test(an_index_gives_the_rows_of_the_workspace),
        cmocka_unit_test(a_large_part_of_a_table_is_searched_by_index),
        cmocka_unit_test(writers_of_lightrag_are_waited_for),
        cmocka_unit_test(layouts_of_what_others_deleted_go),
    };
    return cmocka_run_group_tests(tests, use_new_database, NULL);
}
