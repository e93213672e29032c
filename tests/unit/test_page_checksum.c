/* Pages with checksums: what is damaged is never handed out as if it were whole, and what other
 * programs may do with the file does not look like damage. */
#include <fcntl.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "store_support.h"

enum { PAGE = 4096, VALUES = 60, VECTORS = 80, DIMENSION = 48, FLIPS = 600, SEED = 20 };

static char directory[64], file[96], healthy[128];

/* ---- a store with everything, at rest in one file ------------------------------------------------- */

/* Text that compression makes little smaller, so that values need several pages. */
static void fill_text(char *text, size_t len, unsigned *seed)
{
    for (size_t i = 0; i < len; i++) {
        *seed = *seed * 1103515245U + 12345U;
        text[i] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ."[*seed >> 26];
    }
    text[len] = 0;
}

static void fill_values(rag_store *store)
{
    rag_error err = RAG_ERROR_INIT;
    unsigned seed = SEED;
    static char text[12000], json[12100];
    for (int i = 0; i < VALUES; i++) {
        char key[24];
        (void)snprintf(key, sizeof key, "key-%d", i);
        fill_text(text, i % 4 ? (size_t)(40 + i * 7) : (size_t)(6000 + i * 90), &seed);
        (void)snprintf(json, sizeof json, "{\"content\":\"%s\"}", text);
        const rag_kv_item item = { rag_text(key), rag_text(json), 0, 0 };
        OK(rag_kv_put_many(store, NULL, "texts", &item, 1, NULL, &err));
        const rag_node node = { rag_text(key), rag_text(json) };
        OK(rag_graph_put_nodes(store, NULL, &node, 1, RAG_PUT_MERGE, NULL, &err));
        const rag_edge edge = { rag_text("key-0"), rag_text(key), rag_text("{\"weight\":1.5}") };
        if (i)
            OK(rag_graph_put_edges(store, NULL, &edge, 1, RAG_PUT_MERGE, NULL, &err));
    }
}

static void fill_vectors(rag_store *store)
{
    rag_error err = RAG_ERROR_INIT;
    rag_vector_space space = RAG_VECTOR_SPACE_INIT;
    (void)snprintf(space.model, sizeof space.model, "m");
    space.dimension = DIMENSION;
    OK(rag_vector_define(store, NULL, "entities", &space, &err));
    for (int i = 0; i < VECTORS; i++) {
        char id[24];
        float vector[DIMENSION];
        (void)snprintf(id, sizeof id, "ent-%d", i);
        for (int d = 0; d < DIMENSION; d++)
            vector[d] = (float)((i * 31 + d * 17) % 97) - 48.0F;
        const rag_vector_item item = { .id = rag_text(id),
                                       .value = rag_text("{\"entity_name\":\"n\"}"),
                                       .vector = vector,
                                       .dimension = DIMENSION };
        OK(rag_vector_put_many(store, NULL, "entities", &item, 1, NULL, &err));
    }
}

static rag_status open_with(const char *options_text, unsigned flags, rag_store **store,
                            rag_error *err)
{
    char url[160];
    rag_open_options options = RAG_OPEN_OPTIONS_INIT;
    options.config_file = "";
    options.flags = flags;
    (void)snprintf(url, sizeof url, "embedded:%s%s", directory, options_text);
    return rag_store_open(url, &options, NULL, store, err);
}

/* What the whole store holds, as its content hash; `out` is left alone on failure. */
static rag_status read_all(const char *options_text, char *out, rag_error *err)
{
    rag_store *store = NULL;
    rag_result *r = NULL;
    rag_status status = open_with(options_text, RAG_OPEN_READ_ONLY, &store, err);
    if (status == RAG_OK)
        status = rag_store_content_hash(store, NULL, &r, err);
    if (status == RAG_OK)
        (void)snprintf(out, sizeof healthy, "%s", value_of(r, rag_result_count(r) - 1));
    rag_result_free(r);
    rag_store_close(store);
    return status;
}

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(directory, sizeof directory, "/tmp/ragstore-page-XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    (void)snprintf(file, sizeof file, "%s/ragstore.db", directory);
    rag_error err = RAG_ERROR_INIT;
    rag_store *store = NULL;
    OK(open_with("", 0, &store, &err));
    fill_values(store);
    fill_vectors(store);
    OK(rag_store_compact(store, NULL, NULL, &err)); /* empties the log into the file */
    rag_store_close(store);
    OK(read_all("", healthy, &err));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", directory);
    return system(command); /* NOLINT(cert-env33-c,concurrency-mt-unsafe): a path of our own */
}

/* ---- the file ---------------------------------------------------------------------------------------- */

static size_t file_size(void)
{
    struct stat st;
    assert_int_equal(stat(file, &st), 0);
    return (size_t)st.st_size;
}

static void read_file(void *to, size_t n, size_t at)
{
    const int fd = open(file, O_RDONLY);
    assert_int_equal(pread(fd, to, n, (off_t)at), (ssize_t)n);
    (void)close(fd);
}

static void write_file(const void *from, size_t n, size_t at)
{
    const int fd = open(file, O_WRONLY);
    assert_int_equal(pwrite(fd, from, n, (off_t)at), (ssize_t)n);
    (void)close(fd);
}

/* Whole or refused; 1 when it was refused. */
static int is_refused(const char *how, size_t at)
{
    char found[sizeof healthy] = "";
    rag_error err = RAG_ERROR_INIT;
    const rag_status status = read_all("", found, &err);
    if (status == RAG_OK && strcmp(found, healthy) != 0)
        fail_msg("%s at %zu: another content is handed out", how, at);
    if (status != RAG_OK && status != RAG_E_CORRUPT && at >= 100)
        fail_msg("%s at %zu: %s (%s)", how, at, rag_status_text(status), err.message);
    return status != RAG_OK;
}

/* ---- damage ------------------------------------------------------------------------------------------ */

static void every_page_has_a_checksum(void **state)
{
    (void)state;
    uint8_t header[100], end[8];
    static const uint8_t none[8] = { 0 };
    read_file(header, sizeof header, 0);
    assert_int_equal(header[20], 8);
    for (size_t at = PAGE; at <= file_size(); at += PAGE) {
        read_file(end, 8, at - 8);
        assert_memory_not_equal(end, none, 8);
    }
}

static void flipped_bits_are_noticed(void **state)
{
    (void)state;
    unsigned seed = SEED;
    int refused = 0;
    for (int i = 0; i < FLIPS; i++) {
        seed = seed * 1103515245U + 12345U;
        /* the headers of SQLite and of the first page at the beginning: more often than their share */
        const size_t at = (seed >> 3) % (i % 4 ? file_size() : 512);
        uint8_t byte;
        read_file(&byte, 1, at);
        const uint8_t damaged = byte ^ (uint8_t)(1U << (seed >> 29));
        write_file(&damaged, 1, at);
        refused += is_refused("a flipped bit", at);
        write_file(&byte, 1, at);
    }
    assert_true(refused > FLIPS / 2);
    assert_false(is_refused("nothing", 100));
}

static void lost_and_misplaced_pages_are_noticed(void **state)
{
    (void)state;
    static uint8_t page[PAGE], other[PAGE];
    const size_t pages = file_size() / PAGE;
    int zeros = 0, misplaced = 0;
    for (size_t i = 1; i < pages; i++) {
        read_file(page, PAGE, i * PAGE);
        memset(other, 0, PAGE);
        write_file(other, PAGE, i * PAGE);
        zeros += is_refused("a page of zeros", i * PAGE);
        read_file(other, PAGE, (i == 1 ? 2 : i - 1) * PAGE);
        write_file(other, PAGE, i * PAGE);
        misplaced += is_refused("the page before", i * PAGE);
        write_file(page, PAGE, i * PAGE);
    }
    assert_true(zeros > (int)pages / 2);
    assert_true(misplaced > (int)pages / 2);
}

static void the_page_is_named(void **state)
{
    (void)state;
    rag_error err = RAG_ERROR_INIT;
    char found[sizeof healthy];
    uint8_t byte;
    read_file(&byte, 1, PAGE - 100); /* the schema, which everybody reads */
    byte ^= 4;
    write_file(&byte, 1, PAGE - 100);
    FAILS(RAG_E_CORRUPT, "the checksum of page 1 of ", read_all("", found, &err));
    assert_non_null(strstr(err.message, file));
    byte ^= 4;
    write_file(&byte, 1, PAGE - 100);
}

static void checksums_cannot_be_switched_off_by_damage(void **state)
{
    (void)state;
    rag_error err = RAG_ERROR_INIT;
    char found[sizeof healthy];
    uint8_t reserved = 0;
    write_file(&reserved, 1, 20);
    FAILS(RAG_E_CORRUPT, "0 bytes of checksum instead of 8", read_all("", found, &err));
    reserved = 8;
    write_file(&reserved, 1, 20);
}

/* ---- other programs ------------------------------------------------------------------------------------ */

/* SQLite without our layer, as in a shell. */
static void run_foreign(const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open_v2(file, &db, SQLITE_OPEN_READWRITE, "unix"), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    assert_int_equal(sqlite3_close(db),
                     SQLITE_OK); /* as the last one: the log goes into the file */
}

static void write_some(void)
{
    rag_error err = RAG_ERROR_INIT;
    rag_store *store = NULL;
    OK(open_with("", 0, &store, &err));
    const rag_kv_item item = { rag_text("key-3"), rag_text("{\"content\":\"changed\"}"), 0, 0 };
    OK(rag_kv_put_many(store, NULL, "texts", &item, 1, NULL, &err));
    rag_store_close(store);
}

static void a_foreign_reader_does_no_harm(void **state)
{
    (void)state;
    rag_error err = RAG_ERROR_INIT;
    char before[sizeof healthy], after[sizeof healthy];
    write_some();
    OK(read_all("", before, &err));
    run_foreign("SELECT count(*) FROM kv");
    OK(read_all("", after, &err));
    assert_string_equal(before, after);
    write_some();
    run_foreign("PRAGMA journal_mode=DELETE");
    OK(read_all("", after, &err));
    write_some();
    run_foreign("VACUUM");
    OK(read_all("", after, &err));
}

/* Its pages keep the checksums of what they were. The copy has new ones. */
static void a_foreign_writer_is_noticed_and_can_be_accepted(void **state)
{
    (void)state;
    rag_error err = RAG_ERROR_INIT;
    char changed[sizeof healthy], found[sizeof healthy];
    run_foreign("UPDATE kv SET updated_at = 77 WHERE key = CAST('key-5' AS BLOB)");
    FAILS(RAG_E_CORRUPT, "or written by another program", read_all("", found, &err));
    OK(read_all("?checksums=ignore", changed, &err));
    assert_string_not_equal(changed, healthy);

    char copy[sizeof directory], original[sizeof directory];
    (void)snprintf(copy, sizeof copy, "%.40s-copy", directory);
    rag_store *store = NULL;
    OK(open_with("?checksums=ignore", RAG_OPEN_READ_ONLY, &store, &err));
    OK(rag_store_backup(store, NULL, copy, &err));
    rag_store_close(store);
    memcpy(original, directory, sizeof original);
    memcpy(directory, copy, sizeof copy);
    const rag_status status = read_all("", found, &err);
    assert_int_equal(tear_down(NULL), 0);
    memcpy(directory, original, sizeof original);
    assert_int_equal(status, RAG_OK);
    assert_string_equal(changed, found);
    run_foreign("VACUUM"); /* all pages anew: as if nobody knew their checksums */
    OK(read_all("", found, &err));
    FAILS(RAG_E_INVALID, "'maybe' is not check or ignore",
          read_all("?checksums=maybe", found, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_page_has_a_checksum),
        cmocka_unit_test(flipped_bits_are_noticed),
        cmocka_unit_test(lost_and_misplaced_pages_are_noticed),
        cmocka_unit_test(the_page_is_named),
        cmocka_unit_test(checksums_cannot_be_switched_off_by_damage),
        cmocka_unit_test(a_foreign_writer_is_noticed_and_can_be_accepted),
        cmocka_unit_test(a_foreign_reader_does_no_harm),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
