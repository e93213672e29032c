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

static void make(struct intact *f)
{
    intact_text(f, "{\"embedding_dim\": 4, \"data\": [");
    for (size_t i = 0; i < ROWS; i++) {
        if (i)
            intact_text(f, ", ");
        intact_row(f, rows[i]);
    }
    intact_text(f, "], \"matrix\": \"");
    for (size_t i = 0; i < ROWS * 16 / 3; i++)
        intact_text(f, "AAAA");
    intact_text(f, "AAA=\"}");
    intact_end(f);
}

static const char bytes[] = { '"', '\\', '{', '}', '[',  ']',  ',',    ':',    ' ',
                              '0', 'x',  'A', '=', '\0', '\n', '\xff', '\xc3', '\x80' };

static void test_every_byte(void **state)
{
    struct intact f = INTACT(lightrag_read_vectors, "x");
    size_t changes, vague;
    (void)state;
    make(&f);
    salvage_every_byte(&f, bytes, sizeof bytes, &changes, &vague);
    print_message("%zu changes, %zu with \"at least\"\n", changes, vague);
    intact_free(&f);
}

static void test_every_cut(void **state)
{
    struct intact f = INTACT(lightrag_read_vectors, "x");
    (void)state;
    make(&f);
    salvage_every_cut(&f);
    intact_free(&f);
}

static void test_wide_harm(void **state)
{
    struct intact f = INTACT(lightrag_read_vectors, "x");
    (void)state;
    make(&f);
    salvage_random_harms(&f, 1000, 20, 1);
    salvage_random_harms(&f, 1000, f.data.len, 2);
    intact_free(&f);
}

static void test_several_bytes(void **state)
{
    struct intact f = INTACT(lightrag_read_vectors, "x");
    (void)state;
    make(&f);
    salvage_several_bytes(&f, 1000, 3);
    intact_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_wide_harm),
        cmocka_unit_test(test_several_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
