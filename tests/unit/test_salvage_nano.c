/* Salvage of vdb_*.json. */
#include "unit/salvage_oracle.h"

#include "backends/lightrag_files/nano_reader.h"

/* What LightRAG writes for [1, 2, 3, 4]. */
#define V1234 "eJxjsGFwYHBicAEAA/YBAw=="
#define M1234 "uvQ6Prr0uj6LNww/uvQ6Pw=="

static const char *const rows[] = {
    "{\"__id__\": \"e1\", \"__created_at__\": 1700000000, \"__write_seq__\": 12, \"content\": "
    "\"say \\\"hi\\\" \\\\ {\\\"__id__\\\": 1}, \\u00e4 \xc3\xa4\xe6\xbc\xa2\xf0\x9f\x98\x80\", "
    "\"vector\": \"" V1234 "\"}",
    "{\"__id__\": \"e2\", \"content\": \"\", \"vector\": \"" V1234 "\", \"__write_seq__\": 5}",
    "{\"__id__\": \"\xe6\xbc\xa2\", \"vector\": \"" V1234 "\", \"x\": [1, {\"vector\": null}], "
    "\"y\": {\"a\": {}}}",
    "{\"__id__\": \"e4\", \"__created_at__\": 1700000001, \"entity_name\": \"N\", \"content\": "
    "\"a longer text about something, with commas and {braces}\", \"vector\": \"" V1234 "\"}",
    "{\"__id__\": \"e5\", \"vector\": \"" V1234 "\"}",
};
enum { ROWS = sizeof rows / sizeof *rows };

static void add_row(struct intact *f, const char *row)
{
    if (f->count)
        intact_text(f, ", ");
    intact_row(f, row);
}

/* The matrix of a file with 3 n + 2 rows of four elements. */
static void end_rows(struct intact *f)
{
    assert_int_equal(f->count % 3, 2);
    intact_text(f, "], \"matrix\": \"");
    for (size_t i = 0; i < f->count * 16 / 3; i++)
        intact_text(f, "AAAA");
    intact_text(f, "AAA=\"}");
    intact_end(f);
    assert_int_equal(f->strict.summary.warning_count, 0);
}

static void make(struct intact *f)
{
    intact_text(f, "{\"embedding_dim\": 4, \"data\": [");
    for (size_t i = 0; i < ROWS; i++)
        add_row(f, rows[i]);
    end_rows(f);
}

/* Over more than two windows of the readers, then the matrix. */
static void make_large(struct intact *f)
{
    static char text[20001], row[20400];
    uint64_t random = 7;
    intact_text(f, "{\"embedding_dim\": 4, \"data\": [");
    for (size_t i = 0; f->data.len < 600000 || f->count % 3 != 2; i++) {
        const size_t len = salvage_random(&random) % (i % 8 ? 300 : 20000);
        for (size_t j = 0; j < len; j++)
            text[j] = "ab c\xc3\xa4"[j % 6];
        text[len / 6 * 6] = 0;
        (void)snprintf(row, sizeof row,
                       "{\"__id__\": \"e%zu\", \"content\": \"%s\", \"vector\": \"" V1234 "\"}", i,
                       text);
        add_row(f, row);
    }
    end_rows(f);
}

static const char bytes[] = { '"', '\\', '{', '}', '[',  ']',  ',',    ':',    ' ',
                              '0', 'x',  'A', '=', '\0', '\n', '\xff', '\xc3', '\x80' };

static struct salvage_format format = {
    .name = "vectors",
    .read = lightrag_read_vectors,
    .make = make,
    .make_large = make_large,
    .bytes = bytes,
    .byte_count = sizeof bytes,
};

/* All rows are before the matrix: nothing is lost with it. */
static void test_cut_in_the_matrix(void **state)
{
    struct intact f = salvage_large(*state);
    for (size_t len = f.data.len - 1; len > intact_tail(&f) + 20; len -= 131) {
        const struct outcome found = intact_cut(&f, len);
        assert_int_equal(found.rows, f.count);
        assert_int_equal(found.lost, 0);
        assert_int_equal(found.at_least, 0);
    }
    intact_free(&f);
}

/* What looks like the beginning of a row, in a text. */
static void test_false_beginnings(void **state)
{
    static const char *const fakes[] = { "{\"__id__\"", "{\"__id__\": 5, ", "\"{\"__id__\": [" };
    struct intact f = salvage_small(*state);
    const char *text = strstr(f.data.data, "a longer text");
    assert_non_null(text);
    for (size_t i = 0; i < sizeof fakes / sizeof *fakes; i++) {
        const struct outcome found =
            intact_overwrite(&f, (size_t)(text - f.data.data) + 2, fakes[i], strlen(fakes[i]));
        assert_int_equal(found.rows, ROWS - 1);
        assert_int_equal(found.lost, 1);
    }
    intact_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SALVAGE_TESTS(&format),
        SALVAGE_TEST(test_cut_in_the_matrix, &format),
        SALVAGE_TEST(test_false_beginnings, &format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
