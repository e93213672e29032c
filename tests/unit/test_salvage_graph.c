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

static struct salvage_format format = {
    .name = "graph",
    .read = lightrag_read_graph,
    .make = make,
    .make_large = make_large,
    .bytes = bytes,
    .byte_count = sizeof bytes,
};

/* What looks like the beginning of a row, in a text. */
static void test_false_beginnings(void **state)
{
    static const char *const fakes[] = { "<node ", "<node id=\"fake\">", "</data></node><edge " };
    struct intact f = salvage_small(*state);
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
        SALVAGE_TESTS(&format),
        SALVAGE_TEST(test_false_beginnings, &format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
