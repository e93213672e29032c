/* The life of derived index files, seen through the public interface: damaged, missing, made by two at
 * once, made for a space that is dropped meanwhile, and made for a store that is built aside. */
#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <ragstore/ragstore.h>

enum { ROWS = 1500, DIMENSION = 16, TOP = 10 };

static char directory[64];

#define MUST(call_)                                    \
    do {                                               \
        rag_error must_ = RAG_ERROR_INIT;              \
        rag_error *const err = &must_;                 \
        if ((call_) != RAG_OK)                         \
            fail_msg("%s: %s", #call_, must_.message); \
    } while (0)

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(directory, sizeof directory, "/tmp/ragstore-index-XXXXXX");
    return mkdtemp(directory) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", directory);
    return system(
        command); /* NOLINT(cert-env33-c,concurrency-mt-unsafe): a path of our own making */
}

static rag_store *open_url(const char *url, unsigned flags)
{
    rag_store *store = NULL;
    rag_open_options options = RAG_OPEN_OPTIONS_INIT;
    options.flags = flags;
    options.config_file = "";
    MUST(rag_store_open(url, &options, NULL, &store, err));
    return store;
}

static rag_store *open_store(unsigned flags)
{
    return open_url(directory, flags);
}

/* A point on a spiral: neighbours in number are neighbours in angle. */
static void fill_vector(size_t i, float *out, size_t dimension)
{
    for (size_t d = 0; d < dimension; d++)
        out[d] = cosf((float)i * 0.002F * (float)(d + 1)) + 0.01F * (float)((i * 7 + d) % 13);
}

static void fill_space(rag_store *store, size_t dimension)
{
    rag_vector_space space = RAG_VECTOR_SPACE_INIT;
    space.dimension = (uint32_t)dimension;
    MUST(rag_vector_define(store, NULL, "chunks", &space, err));
    float *vectors = calloc(ROWS * dimension, sizeof *vectors);
    rag_vector_item *items = calloc(ROWS, sizeof *items);
    char(*ids)[16] = calloc(ROWS, sizeof *ids);
    assert_true(vectors && items && ids);
    for (size_t i = 0; i < ROWS; i++) {
        fill_vector(i, vectors + i * dimension, dimension);
        (void)snprintf(ids[i], sizeof ids[i], "id-%zu", i);
        items[i] = (rag_vector_item){ rag_text(ids[i]), vectors + i * dimension, dimension,
                                      rag_text("{}"), RAG_TIME_UNKNOWN };
    }
    MUST(rag_vector_put_many(store, NULL, "chunks", items, ROWS, NULL, err));
    free(ids);
    free(items);
    free(vectors);
}

/* The nearest of row 700 are found, and are the same with and without the index. */
static void check_search(rag_store *store, size_t dimension)
{
    float wanted[64];
    rag_result *by_codes = NULL, *exact = NULL;
    rag_vector_query query = RAG_VECTOR_QUERY_INIT;
    fill_vector(700, wanted, dimension);
    query.vector = wanted;
    query.dimension = dimension;
    query.top_k = TOP;
    MUST(rag_vector_search(store, NULL, "chunks", &query, &by_codes, err));
    query.exact = 1;
    MUST(rag_vector_search(store, NULL, "chunks", &query, &exact, err));
    assert_int_equal(rag_result_count(by_codes), TOP);
    for (size_t i = 0; i < TOP; i++) {
        const rag_row *a = rag_result_row(by_codes, i), *b = rag_result_row(exact, i);
        assert_int_equal(a->key.len, b->key.len);
        assert_memory_equal(a->key.data, b->key.data, a->key.len);
    }
    rag_result_free(by_codes);
    rag_result_free(exact);
}

/* How many index files there are; the path of one of them in `path` when there is any. */
static int index_files(char *path, size_t size)
{
    DIR *dir = opendir(directory);
    int count = 0;
    assert_non_null(dir);
    for (const struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        const size_t len = strlen(entry->d_name);
        if (len < 4 || strcmp(entry->d_name + len - 4, ".idx") != 0)
            continue;
        count++;
        if (path)
            (void)snprintf(path, size, "%s/%s", directory, entry->d_name);
    }
    (void)closedir(dir);
    return count;
}

static void missing_and_damaged_files_are_made_again(void **state)
{
    (void)state;
    char path[512], again[512];
    for (int damage = 0; damage < 3; damage++) {
        rag_store *store = open_store(0);
        if (damage == 0)
            fill_space(store, DIMENSION);
        MUST(rag_store_optimize(store, NULL, err));
        rag_store_close(store);
        assert_int_equal(index_files(path, sizeof path), 1);
        struct stat st;
        assert_int_equal(stat(path, &st), 0);
        if (damage == 0)
            assert_int_equal(unlink(path), 0);
        else if (damage == 1)
            assert_int_equal(truncate(path, st.st_size / 2), 0);
        else {
            FILE *file = fopen(path, "r+b");
            assert_non_null(file);
            assert_int_equal(fseek(file, st.st_size / 2, SEEK_SET), 0);
            assert_int_equal(fwrite("\xa5\x5a\xa5\x5a", 1, 4, file), 4);
            assert_int_equal(fclose(file), 0);
        }
        store = open_store(0);
        check_search(store, DIMENSION); /* right without it */
        MUST(rag_store_optimize(store, NULL, err));
        check_search(store, DIMENSION);
        rag_store_close(store);
        assert_int_equal(index_files(again, sizeof again), 1);
        assert_string_not_equal(path, again); /* a new file: names are never used again */
    }
}

/* A few deleted rows are no reason to make an index anew, but where they have to be unreadable their
 * codes must not stay in its file. */
static void codes_of_deleted_rows_go_with_secure_delete(void **state)
{
    (void)state;
    char url[128], path[512], again[512];
    const rag_slice gone[] = { rag_text("id-3"), rag_text("id-700") };
    uint64_t deleted = 0;
    rag_store *store = open_store(0);
    fill_space(store, DIMENSION);
    MUST(rag_store_optimize(store, NULL, err));
    assert_int_equal(index_files(path, sizeof path), 1);
    MUST(rag_vector_delete_many(store, NULL, "chunks", gone, 2, &deleted, NULL, err));
    assert_int_equal(deleted, 2);
    MUST(rag_store_compact(store, NULL, NULL, err));
    assert_int_equal(index_files(again, sizeof again), 1);
    assert_string_equal(path, again);
    rag_store_close(store);
    (void)snprintf(url, sizeof url, "%s?secure_delete=on", directory);
    store = open_url(url, 0);
    MUST(rag_store_optimize(store, NULL, err));
    assert_int_equal(index_files(again, sizeof again), 1);
    assert_string_equal(path, again);
    MUST(rag_store_compact(store, NULL, NULL, err));
    assert_int_equal(index_files(again, sizeof again), 1);
    assert_string_not_equal(path, again);
    MUST(rag_store_compact(store, NULL, NULL, err)); /* and only once */
    assert_int_equal(index_files(path, sizeof path), 1);
    assert_string_equal(path, again);
    check_search(store, DIMENSION);
    rag_store_close(store);
}

struct meddler {
    rag_store *other;
    int done;
};

static void drop_and_define(void *user, const rag_progress *progress)
{
    struct meddler *m = user;
    if (m->done || strcmp(progress->stage, "vector index") != 0)
        return;
    m->done = 1;
    MUST(rag_vector_drop(m->other, NULL, "chunks", err));
    fill_space(m->other, DIMENSION / 2);
}

static void space_is_dropped_and_defined_while_it_is_indexed(void **state)
{
    (void)state;
    rag_store *store = open_store(0);
    struct meddler m = { open_store(0), 0 };
    rag_context ctx = RAG_CONTEXT_INIT;
    ctx.progress = drop_and_define;
    ctx.user = &m;
    fill_space(store, DIMENSION);
    MUST(rag_store_optimize(store, &ctx, err));
    assert_int_equal(m.done, 1);
    check_search(store, DIMENSION / 2);
    check_search(m.other, DIMENSION / 2);
    MUST(rag_store_optimize(m.other, NULL, err));
    check_search(store, DIMENSION / 2);
    rag_store_close(m.other);
    rag_store_close(store);
    assert_int_equal(index_files(NULL, 0), 1);
}

static void index_too(void *user, const rag_progress *progress)
{
    struct meddler *m = user;
    if (m->done || strcmp(progress->stage, "vector index") != 0)
        return;
    m->done = 1;
    MUST(rag_store_optimize(m->other, NULL, err));
}

static void two_build_the_same_index(void **state)
{
    (void)state;
    rag_store *store = open_store(0);
    struct meddler m = { open_store(0), 0 };
    rag_context ctx = RAG_CONTEXT_INIT;
    ctx.progress = index_too;
    ctx.user = &m;
    fill_space(store, DIMENSION);
    MUST(rag_store_optimize(store, &ctx, err));
    assert_int_equal(m.done, 1);
    check_search(store, DIMENSION);
    check_search(m.other, DIMENSION);
    rag_store_close(m.other);
    rag_store_close(store);
    assert_int_equal(index_files(NULL, 0), 1); /* that of whoever was first */
}

static void files_of_a_store_built_aside_are_not_garbage(void **state)
{
    (void)state;
    rag_store *old = open_store(0);
    fill_space(old, DIMENSION);
    rag_store *built = open_store(RAG_OPEN_BUILD | RAG_OPEN_REPLACE);
    fill_space(built, DIMENSION / 2);
    MUST(rag_store_optimize(built, NULL, err));
    assert_int_equal(index_files(NULL, 0), 1);
    MUST(rag_store_optimize(old, NULL, err)); /* collects garbage, and knows nothing of that file */
    assert_int_equal(index_files(NULL, 0), 2);
    rag_store_close(old);
    MUST(rag_store_publish(built, NULL, err));
    check_search(built, DIMENSION / 2);
    rag_store_close(built);
    assert_int_equal(index_files(NULL, 0), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(missing_and_damaged_files_are_made_again, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(space_is_dropped_and_defined_while_it_is_indexed, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(codes_of_deleted_rows_go_with_secure_delete, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(two_build_the_same_index, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_of_a_store_built_aside_are_not_garbage, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
