/* Salvage of graph_*.graphml. */
#include "unit/salvage_oracle.h"

#include "backends/lightrag_files/graphml_reader.h"

static const char *const rows[] = {
    "<node id=\"Alice\">\n      <data key=\"d0\">Alice</data>\n      <data key=\"d1\">a &lt;girl&gt; "
    "&amp; \xc3\xa4\xe6\xbc\xa2\xf0\x9f\x98\x80</data>\n      <data key=\"d2\">5</data>\n    </node>",
    "<node id=\"\xe6\xbc\xa2\">\n      <data key=\"d0\">x</data>\n      <data key=\"d1\" />\n    "
    "</node>",
    "<node id=\"bare\" />",
    "<node id=\"long\">\n      <data key=\"d1\">a longer text, in which node id and edge source are "
    "only words, &lt;node id=\"x\"&gt; too</data>\n    </node>",
    "<edge source=\"Alice\" target=\"\xe6\xbc\xa2\">\n      <data key=\"d3\">1.5</data>\n    </edge>",
    "<edge source=\"bare\" target=\"long\">\n      <data key=\"d3\">2.0</data>\n      <data "
    "key=\"d4\">knows</data>\n    </edge>",
};
enum { ROWS = sizeof rows / sizeof *rows };

static void make_head(struct intact *f)
{
    intact_text(f, "<?xml version='1.0' encoding='utf-8'?>\n"
                   "<graphml xmlns=\"http://graphml.graphdrawing.org/xmlns\">\n"
                   "  <key id=\"d4\" for=\"edge\" attr.name=\"keywords\" attr.type=\"string\" />\n"
                   "  <key id=\"d3\" for=\"edge\" attr.name=\"weight\" attr.type=\"double\" />\n"
                   "  <key id=\"d2\" for=\"node\" attr.name=\"n\" attr.type=\"long\" />\n"
                   "  <key id=\"d1\" for=\"node\" attr.name=\"text\" attr.type=\"string\" />\n"
                   "  <key id=\"d0\" for=\"node\" attr.name=\"name\" attr.type=\"string\" />\n"
                   "  <graph edgedefault=\"undirected\">\n    ");
}

static void make(struct intact *f)
{
    make_head(f);
    for (size_t i = 0; i < ROWS; i++) {
        if (i)
            intact_text(f, "\n    ");
        intact_row(f, rows[i]);
    }
    intact_text(f, "\n  </graph>\n</graphml>");
    intact_end(f);
}

static const char bytes[] = { '"', '<', '>', '/', '&', ' ', 'x', '\0', '\n', '\xff', '\xc3' };

static void test_every_byte(void **state)
{
    struct intact f = INTACT(lightrag_read_graph, "x");
    size_t changes, vague;
    (void)state;
    make(&f);
    salvage_every_byte(&f, bytes, sizeof bytes, &changes, &vague);
    print_message("%zu changes, %zu with \"at least\"\n", changes, vague);
    intact_free(&f);
}

static void test_every_cut(void **state)
{
    struct intact f = INTACT(lightrag_read_graph, "x");
    (void)state;
    make(&f);
    salvage_every_cut(&f);
    intact_free(&f);
}

static void test_wide_harm(void **state)
{
    struct intact f = INTACT(lightrag_read_graph, "x");
    (void)state;
    make(&f);
    salvage_random_harms(&f, 300, 20, 1);
    salvage_random_harms(&f, 300, f.data.len, 2);
    intact_free(&f);
}

static void test_several_bytes(void **state)
{
    struct intact f = INTACT(lightrag_read_graph, "x");
    (void)state;
    make(&f);
    salvage_several_bytes(&f, 500, 3);
    intact_free(&f);
}

/* Over more than two windows of the readers. */
static void make_large(struct intact *f)
{
    static char text[20001], row[20200];
    uint64_t random = 7;
    make_head(f);
    for (size_t i = 0; f->data.len < 600000; i++) {
        const size_t len = salvage_random(&random) % (i % 8 ? 300 : 20000);
        for (size_t j = 0; j < len; j++)
            text[j] = "ab c\xc3\xa4"[j % 6];
        text[len / 6 * 6] = 0;
        (void)snprintf(row, sizeof row,
                       "<node id=\"n%zu\">\n      <data key=\"d1\">%s</data>\n    </node>", i,
                       text);
        if (i)
            intact_text(f, "\n    ");
        intact_row(f, row);
    }
    intact_text(f, "\n  </graph>\n</graphml>");
    intact_end(f);
}

static void test_boundaries(void **state)
{
    struct intact f = INTACT(lightrag_read_graph, "x");
    (void)state;
    make_large(&f);
    salvage_at_boundaries(&f, 11);
    salvage_random_harms(&f, 100, 100 * 1024, 5);
    intact_free(&f);
}

/* What looks like the beginning of a row, in a text. */
static void test_false_beginnings(void **state)
{
    static const char *const fakes[] = { "<node ", "<node id=\"fake\">", "</data></node><edge " };
    struct intact f = INTACT(lightrag_read_graph, "x");
    (void)state;
    make(&f);
    const char *text = strstr(f.data.data, "a longer text");
    assert_non_null(text);
    for (size_t i = 0; i < sizeof fakes / sizeof *fakes; i++) {
        const struct outcome found =
            intact_overwrite(&f, (size_t)(text - f.data.data) + 2, fakes[i], strlen(fakes[i]));
        assert_true(found.lost == 1 || (found.lost == 0 && found.rows == ROWS));
    }
    intact_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_byte), cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_wide_harm),  cmocka_unit_test(test_several_bytes),
        cmocka_unit_test(test_boundaries), cmocka_unit_test(test_false_beginnings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
