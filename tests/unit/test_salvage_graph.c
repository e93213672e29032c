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

static void make(struct intact *f)
{
    intact_text(f, "<?xml version='1.0' encoding='utf-8'?>\n"
                   "<graphml xmlns=\"http://graphml.graphdrawing.org/xmlns\">\n"
                   "  <key id=\"d4\" for=\"edge\" attr.name=\"keywords\" attr.type=\"string\" />\n"
                   "  <key id=\"d3\" for=\"edge\" attr.name=\"weight\" attr.type=\"double\" />\n"
                   "  <key id=\"d2\" for=\"node\" attr.name=\"n\" attr.type=\"long\" />\n"
                   "  <key id=\"d1\" for=\"node\" attr.name=\"text\" attr.type=\"string\" />\n"
                   "  <key id=\"d0\" for=\"node\" attr.name=\"name\" attr.type=\"string\" />\n"
                   "  <graph edgedefault=\"undirected\">\n    ");
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
    salvage_random_harms(&f, 1000, 20, 1);
    salvage_random_harms(&f, 1000, f.data.len, 2);
    intact_free(&f);
}

static void test_several_bytes(void **state)
{
    struct intact f = INTACT(lightrag_read_graph, "x");
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
