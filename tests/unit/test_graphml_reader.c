/* graph_*.graphml: what NetworkX writes, what it would read besides, what is refused, and that no
 * entity is ever expanded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backends/lightrag_files/graphml_reader.h"
#include "backends/lightrag_files/graphml_value.h"
#include "core/alloc.h"
#include "reading.h"

#define XML "<?xml version='1.0' encoding='utf-8'?>\n"
#define OPEN "<graphml xmlns=\"http://graphml.graphdrawing.org/xmlns\">"
#define KEYS                                                                  \
    "<key id=\"d7\" for=\"node\" attr.name=\"s\" attr.type=\"long\"/>"        \
    "<key id=\"d6\" for=\"edge\" attr.name=\"flag\" attr.type=\"boolean\"/>"  \
    "<key id=\"d5\" for=\"edge\" attr.name=\"weight\" attr.type=\"double\"/>" \
    "<key id=\"d1\" for=\"node\" attr.name=\"n\" attr.type=\"long\"/>"        \
    "<key id=\"d0\" for=\"node\" attr.name=\"s\" attr.type=\"string\"/>"
#define GRAPH "<graph edgedefault=\"undirected\">"
#define END "</graph></graphml>"
#define DOCUMENT(inner) XML OPEN KEYS GRAPH inner END

#define GOOD(text, lines, warnings) \
    expect_rows(lightrag_read_graph, "g", text, strlen(text), lines, warnings)
#define BAD(text, status, message) \
    expect_failure(lightrag_read_graph, "g", text, strlen(text), status, message)

/* ---- values ---------------------------------------------------------------------------------------- */

static void check_value(enum graphml_type type, const char *text, const char *json)
{
    struct buffer out = BUFFER_INIT(10000);
    const char *why = NULL;
    rag_error err = RAG_ERROR_INIT;
    const rag_status status = graphml_append_value(&out, type, rag_text(text), &why, &err);
    if (json) {
        if (status != RAG_OK || strcmp(out.data, json) != 0)
            fail_msg("'%s' became '%s', not '%s'", text, out.data ? out.data : "", json);
    } else {
        assert_int_equal(status, RAG_E_CORRUPT);
        assert_non_null(why);
        assert_int_equal(out.len, 0);
    }
    buffer_free(&out);
}

static void test_values(void **state)
{
    (void)state;
    static const struct {
        enum graphml_type type;
        const char *text, *json; /* NULL: refused */
    } cases[] = {
        { GRAPHML_STRING, "", "\"\"" },
        { GRAPHML_STRING, " a\"\xc3\xa9\n ", "\" a\\\"\xc3\xa9\\n \"" },
        { GRAPHML_INTEGER, "", "\"\"" },
        { GRAPHML_INTEGER, "1795248670", "1795248670" },
        { GRAPHML_INTEGER, " +007\n", "7" },
        { GRAPHML_INTEGER, "-0", "0" },
        { GRAPHML_INTEGER, "-12", "-12" },
        { GRAPHML_INTEGER, "9223372036854775807", "9223372036854775807" },
        { GRAPHML_INTEGER, "-9223372036854775808", "-9223372036854775808" },
        { GRAPHML_INTEGER, "9223372036854775808", NULL },
        { GRAPHML_INTEGER, "99999999999999999999999999", NULL },
        { GRAPHML_INTEGER, "1.0", NULL },
        { GRAPHML_INTEGER, "1e3", NULL },
        { GRAPHML_INTEGER, "x", NULL },
        { GRAPHML_INTEGER, "-", NULL },
        { GRAPHML_INTEGER, " ", NULL },
        { GRAPHML_DOUBLE, "1.0", "1.0" },
        { GRAPHML_DOUBLE, "1e-05", "1e-05" },
        { GRAPHML_DOUBLE, "1.7976931348623157e+308", "1.7976931348623157e+308" },
        { GRAPHML_DOUBLE, "0.30000000000000004", "0.30000000000000004" },
        { GRAPHML_DOUBLE, "-0.0", "-0.0" },
        { GRAPHML_DOUBLE, "4", "4.0" },
        { GRAPHML_DOUBLE, "1.", "1.0" },
        { GRAPHML_DOUBLE, ".5", "0.5" },
        { GRAPHML_DOUBLE, "+2.50", "2.50" },
        { GRAPHML_DOUBLE, "1.E5", "1e5" },
        { GRAPHML_DOUBLE, "nan", NULL },
        { GRAPHML_DOUBLE, "inf", NULL },
        { GRAPHML_DOUBLE, "-Infinity", NULL },
        { GRAPHML_DOUBLE, "1e999", NULL },
        { GRAPHML_DOUBLE, ".", NULL },
        { GRAPHML_DOUBLE, "1e", NULL },
        { GRAPHML_DOUBLE, "1_0.0", NULL },
        { GRAPHML_DOUBLE, "1,5", NULL },
        { GRAPHML_BOOLEAN, "True", "true" },
        { GRAPHML_BOOLEAN, "true", "true" },
        { GRAPHML_BOOLEAN, "FALSE", "false" },
        { GRAPHML_BOOLEAN, "1", "true" },
        { GRAPHML_BOOLEAN, "0", "false" },
        { GRAPHML_BOOLEAN, "yes", NULL },
        { GRAPHML_BOOLEAN, "2", NULL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_value(cases[i].type, cases[i].text, cases[i].json);
}

/* ---- graphs ---------------------------------------------------------------------------------------- */

static void test_nodes_and_edges(void **state)
{
    (void)state;
    GOOD(DOCUMENT(""), "", "");
    GOOD(DOCUMENT("<node id=\"a\"/>"), "node a {} -1 -1\n", "");
    GOOD(DOCUMENT("<node id=\"A &amp; &#233;\"><data key=\"d0\">x &lt;SEP&gt; y</data>"
                  "<data key=\"d1\">17</data></node>\n<node id=\"b\"><data key=\"d0\" />"
                  "<data key=\"d1\"></data></node>\n"
                  "<edge source=\"b\" target=\"a\"><data key=\"d5\">1.0</data>"
                  "<data key=\"d6\">True</data></edge>"),
         "node A & \xc3\xa9 {\"s\":\"x <SEP> y\",\"n\":17} -1 -1\n"
         "node b {\"s\":\"\",\"n\":\"\"} -1 -1\n"
         "edge b a {\"weight\":1.0,\"flag\":true} -1 -1\n",
         "");
    /* two keys of one name: the last wins, as in NetworkX */
    GOOD(DOCUMENT("<node id=\"a\"><data key=\"d0\">x</data><data key=\"d1\">2</data>"
                  "<data key=\"d7\">5</data></node>"),
         "node a {\"s\":5,\"n\":2} -1 -1\n", "");
    /* line ends as XML reads them, CDATA, references */
    GOOD(DOCUMENT("<node id=\"a\"><data key=\"d0\"> a\r\nb\rc&#13;<![CDATA[<&]]> </data></node>"),
         "node a {\"s\":\" a\\nb\\nc\\r<& \"} -1 -1\n", "");
    /* parallel edges and other orders come as they are: the store merges */
    GOOD(DOCUMENT("<edge source=\"a\" target=\"b\"/><edge source=\"b\" target=\"a\" id=\"e\"/>"
                  "<node id=\"a\"/><edge source=\"a\" target=\"a\" directed=\"false\"/>"),
         "edge a b {} -1 -1\nedge b a {} -1 -1\nnode a {} -1 -1\nedge a a {} -1 -1\n",
         "\"1 edge has an id of its own, which is not imported\"");
    GOOD(DOCUMENT("<node id=\"\"/>"), "node  {} -1 -1\n", ""); /* the store has the last word */
}

static void test_what_else_networkx_reads(void **state)
{
    (void)state;
    /* no namespace, no declaration, no type, defaults that are not applied, unknown elements */
    GOOD("<graphml><desc>x<y/></desc><key id=\"a\" for=\"all\" attr.name=\"n\"><desc/>"
         "<default>1</default></key><graph id=\"G\"><desc>d</desc><data key=\"zz\">1</data>"
         "<node id=\"1\"><port name=\"p\"><data key=\"zz\"/></port><data key=\"a\">1</data></node>"
         "</graph></graphml>",
         "node 1 {\"n\":\"1\"} -1 -1\n", "");
    /* elements of a foreign namespace with names like ours */
    GOOD(DOCUMENT("<y:node xmlns:y=\"urn:y\" id=\"z\"><y:data/></y:node><node id=\"a\"/>"),
         "node a {} -1 -1\n", "");
    GOOD("<g:graphml xmlns:g=\"http://graphml.graphdrawing.org/xmlns\"><g:graph><g:node id=\"a\"/>"
         "</g:graph></g:graphml>",
         "node a {} -1 -1\n", "");
    GOOD(DOCUMENT(
             "<node id=\"a\"><data key=\"d0\">x<b>y</b></data><data key=\"d1\">1</data></node>"),
         "node a {\"n\":1} -1 -1\n",
         "\"1 attribute holds elements, not text, and is not imported\"");
    GOOD(XML OPEN KEYS GRAPH "<node id=\"a\"/></graph>" GRAPH "<node id=\"b\"/>" END,
         "node a {} -1 -1\n", "\"only the first of 2 graphs is imported\"");
    /* UTF-16, as the declaration says */
    static const char wide[] =
        "\xff\xfe<\0g\0r\0a\0p\0h\0m\0l\0>\0<\0g\0r\0a\0p\0h\0/\0>\0<\0/\0g\0r"
        "\0a\0p\0h\0m\0l\0>\0";
    expect_rows(lightrag_read_graph, "g", wide, sizeof wide - 1, "", "");
}

static void test_refused(void **state)
{
    (void)state;
#define AT "f line 2 byte "
    BAD("", RAG_E_CORRUPT, "f line 1 byte 0: the file is empty");
    BAD("<graphml>", RAG_E_CORRUPT, "f line 1 byte 9: the file ends before its last element does");
    BAD("<html/>", RAG_E_CORRUPT, "f line 1 byte 0: the file is XML, but not GraphML");
    BAD("<graphml/>", RAG_E_CORRUPT, "f: there is no <graph> in it");
    BAD(XML "<graphml><graph edgedefault=\"directed\"/></graphml>", RAG_E_UNSUPPORTED,
        AT "48: the graph is directed; LightRAG's graphs are not");
    BAD(XML "<graphml><graph><edge source=\"a\" target=\"b\" directed=\"true\"/></graph></graphml>",
        RAG_E_UNSUPPORTED, AT "55: the edge from 'a' to 'b' is directed");
    BAD(XML "<graphml><graph><hyperedge/></graph></graphml>", RAG_E_UNSUPPORTED,
        AT "55: hyperedges are not supported");
    BAD(XML "<graphml><graph><node id=\"a\"><graph/></node></graph></graphml>", RAG_E_UNSUPPORTED,
        AT "68: graphs inside of nodes or edges are not supported");
    BAD(XML "<graphml><graph><node/></graph></graphml>", RAG_E_CORRUPT,
        AT "55: a <node> without id");
    BAD(XML "<graphml><graph><edge source=\"a\"/></graph></graphml>", RAG_E_CORRUPT,
        AT "55: an <edge> without target");
    BAD(XML "<graphml><key attr.name=\"x\"/></graphml>", RAG_E_CORRUPT,
        AT "48: a <key> without id");
    BAD(XML "<graphml><key id=\"x\"/></graphml>", RAG_E_CORRUPT,
        AT "48: a <key> without attr.name");
    BAD(XML "<graphml><key id=\"x\" attr.name=\"n\" attr.type=\"date\"/></graphml>", RAG_E_CORRUPT,
        AT "48: key 'x' has the unknown type 'date'");
    BAD(XML "<graphml><key id=\"x\" attr.name=\"n\"/><key id=\"x\" attr.name=\"m\"/></graphml>",
        RAG_E_CORRUPT, AT "75: key 'x' comes twice");
    BAD(XML "<graphml><graph><node id=\"a\"><data key=\"q\">1</data></node></graph></graphml>",
        RAG_E_CORRUPT, AT "68: a <data> with the key 'q', which is not declared");
    BAD(XML "<graphml><graph><node id=\"a\"><data>1</data></node></graph></graphml>", RAG_E_CORRUPT,
        AT "68: a <data> with the key '', which is not declared");
    BAD(XML "<graphml><key id=\"k\" attr.name=\"n\" attr.type=\"long\"/><graph><node id=\"a\">"
            "<data key=\"k\">1.5</data></node></graph></graphml>",
        RAG_E_CORRUPT, AT "129: attribute 'n' of 'a': '1.5' is not a whole number");
    BAD(XML "<graphml>\n<graph>\n<node id=\"a\"></edge></graph></graphml>", RAG_E_CORRUPT,
        "f line 4 byte 72: this end tag has no beginning");
    BAD(XML "<graphml>\xff</graphml>", RAG_E_CORRUPT,
        AT "48: these bytes cannot stand in XML here");
    BAD(XML "<graphml>&x;</graphml>", RAG_E_CORRUPT,
        AT "48: an entity is used that is not declared");
}

/* ---- entities -------------------------------------------------------------------------------------- */

static void test_entities(void **state)
{
    (void)state;
    /* a billion laughs: ends at the first declaration */
    BAD("<!DOCTYPE g [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]>"
        "<graphml><graph><node id=\"&b;\"/></graph></graphml>",
        RAG_E_CORRUPT, "f line 1 byte 24: declares the entity 'a': entities are refused");
    /* a file of this machine */
    BAD("<!DOCTYPE g [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><graphml>&x;</graphml>",
        RAG_E_CORRUPT, "f line 1 byte 51: declares the entity 'x': entities are refused");
    BAD("<!DOCTYPE g [<!ENTITY % p SYSTEM \"http://localhost/x\"> %p;]><graphml/>", RAG_E_CORRUPT,
        "f line 1 byte 53: declares the entity 'p': entities are refused");
    /* declared in a file that is not read */
    BAD("<!DOCTYPE graphml SYSTEM \"x.dtd\"><graphml><graph><node id=\"a\"/>&x;</graph></graphml>",
        RAG_E_CORRUPT, "f line 1 byte 63: uses the entity 'x', which is not declared");
    GOOD("<!DOCTYPE graphml SYSTEM \"x.dtd\"><graphml><graph><node id=\"a\"/></graph></graphml>",
         "node a {} -1 -1\n", "");
}

/* ---- sizes ----------------------------------------------------------------------------------------- */

static void append_many(struct buffer *b, char c, size_t n)
{
    assert_int_equal(buffer_reserve(b, n, NULL), RAG_OK);
    memset(b->data + b->len, c, n);
    b->len += n;
    b->data[b->len] = 0;
}

static void test_large_values(void **state)
{
    (void)state;
    enum { LARGE = 100 * 1000 * 1000 };
    struct buffer in = BUFFER_INIT((size_t)1 << 28);
    struct reading r;
    (void)buffer_append_text(&in, XML OPEN KEYS GRAPH "<node id=\"a\"><data key=\"d0\">", NULL);
    append_many(&in, 'x', LARGE);
    (void)buffer_append_text(&in, "</data></node><node id=\"b\"/>" END, NULL);
    assert_int_equal(reading_run(&r, lightrag_read_graph, "g", in.data, in.len, in.len, 1), RAG_OK);
    assert_int_equal(r.summary.nodes, 2);
    assert_int_equal(r.most_bytes, 1 + LARGE + 8);
    reading_free(&r);
    buffer_free(&in);
}

/* A tag, or a comment, that does not end: refused before it is in memory. */
static void test_endless_tokens(void **state)
{
    (void)state;
    static const char *const starts[] = { "<node id=\"", "<!--", "<?x " };
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        struct buffer in = BUFFER_INIT((size_t)1 << 28);
        struct reading r;
        (void)buffer_append_text(&in, XML OPEN KEYS GRAPH, NULL);
        (void)buffer_append_text(&in, starts[i], NULL);
        append_many(&in, 'x', 32 << 20);
        assert_int_equal(reading_run(&r, lightrag_read_graph, "g", in.data, in.len, in.len, 1),
                         RAG_E_INVALID);
        assert_non_null(strstr(r.err.message, "a tag or comment of more than 8388608 bytes"));
        reading_free(&r);
        buffer_free(&in);
    }
}

static void test_labels(void **state)
{
    (void)state;
    static const size_t lengths[] = { 65536, LIMIT_KEY_BYTES, LIMIT_KEY_BYTES + 1 };
    for (size_t i = 0; i < 3; i++) {
        struct buffer in = BUFFER_INIT((size_t)1 << 24);
        struct reading r;
        (void)buffer_append_text(&in, XML OPEN GRAPH "<node id=\"", NULL);
        append_many(&in, 'x', lengths[i]);
        (void)buffer_append_text(&in, "\"/>" END, NULL);
        assert_int_equal(reading_run(&r, lightrag_read_graph, "g", in.data, in.len, in.len, 1),
                         lengths[i] > LIMIT_KEY_BYTES ? RAG_E_INVALID : RAG_OK);
        reading_free(&r);
        buffer_free(&in);
    }
}

static void test_too_many_keys(void **state)
{
    (void)state;
    struct buffer in = BUFFER_INIT((size_t)1 << 24);
    (void)buffer_append_text(&in, "<graphml>", NULL);
    for (unsigned i = 0; i <= LIMIT_GRAPHML_KEYS; i++)
        (void)buffer_printf(&in, NULL, "<key id=\"%u\" attr.name=\"n%u\"/>", i, i);
    (void)buffer_append_text(&in, "<graph/></graphml>", NULL);
    struct reading r;
    assert_int_equal(reading_run(&r, lightrag_read_graph, "g", in.data, in.len, in.len, 1),
                     RAG_E_UNSUPPORTED);
    reading_free(&r);
    buffer_free(&in);
}

static void test_cut_everywhere(void **state)
{
    (void)state;
    static const char text[] =
        DOCUMENT("<node id=\"a\"><data key=\"d0\">x &lt;\xc3\xa9</data></node>"
                 "<edge source=\"a\" target=\"b\"><data key=\"d5\">1.5</data></edge>");
    for (size_t cut = 0; cut < sizeof text - 1; cut++) {
        for (size_t i = 0; i < READING_PIECES; i++) {
            struct reading r;
            assert_int_equal(
                reading_run(&r, lightrag_read_graph, "g", text, cut, reading_pieces[i], 0),
                RAG_E_CORRUPT);
            assert_memory_equal(r.err.message, "f line ", 7);
            reading_free(&r);
        }
    }
}

/* Whichever allocation fails: it is said to be that, not a damaged file. */
static void test_every_allocation_fails(void **state)
{
    (void)state;
    static const char text[] =
        "<graphml xmlns=\"http://graphml.graphdrawing.org/xmlns\" xmlns:x=\"urn:x\""
        " x:schema=\"y\">" KEYS GRAPH "<node id=\"a\"><data key=\"d0\">x</data></node>" END;
    int happened = 1;
    long n = 0;
    while (happened) {
        struct reading r;
        rag_alloc_fail_at(++n, 0);
        const rag_status status =
            reading_run(&r, lightrag_read_graph, "g", text, sizeof text - 1, sizeof text, 1);
        happened = rag_alloc_fail_left() == 0;
        rag_alloc_fail_at(0, 0);
        if (status != RAG_OK && (!happened || status != RAG_E_NO_MEMORY))
            fail_msg("allocation %ld: %s", n, r.err.message);
        reading_free(&r);
    }
    assert_true(n > 20);
}

static void test_real_file(void **state)
{
    (void)state;
    size_t len;
    struct reading r, again;
    char *data = read_test_file("alice/graph_chunk_entity_relation.graphml", &len);
    assert_int_equal(reading_run(&r, lightrag_read_graph, "g", data, len, len, 0), RAG_OK);
    assert_int_equal(r.summary.nodes, 291);
    assert_int_equal(r.summary.edges, 614);
    assert_int_equal(r.summary.rows, 905);
    assert_string_equal(r.summary.warnings.data, "");
    assert_int_equal(reading_run(&again, lightrag_read_graph, "g", data, len, 11, 0), RAG_OK);
    assert_string_equal(r.lines.data, again.lines.data);
    assert_non_null(strstr(r.lines.data, "\"created_at\":1795248670,\"truncate\":\"\"}"));
    assert_non_null(strstr(r.lines.data, "{\"weight\":1.0,"));
    reading_free(&again);
    reading_free(&r);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_nodes_and_edges),
        cmocka_unit_test(test_what_else_networkx_reads),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_entities),
        cmocka_unit_test(test_large_values),
        cmocka_unit_test(test_endless_tokens),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_too_many_keys),
        cmocka_unit_test(test_cut_everywhere),
        cmocka_unit_test(test_every_allocation_fails),
        cmocka_unit_test(test_real_file),
    };
    return cmocka_run_group_tests_name("graphml_reader", tests, NULL, NULL);
}
