/* Salvage of kv_store_*.json, with one line for each member as LightRAG writes it and in one line. */
#include "unit/salvage_oracle.h"

#include "backends/lightrag_files/json_kv_reader.h"

/* As json.dump(..., indent=2, ensure_ascii=False) writes them. */
static const char *const rows[] = {
    "\"k1\": {\n    \"text\": \"plain\",\n    \"n\": 12345\n  }",
    "\"k2 \\\"q\\\" \\\\\": {\n    \"text\": \"\\\\ \\\"{[\\\": {}\\n \\u00e4 \xc3\xa4\xe6\xbc\xa2\xf0\x9f\x98\x80\",\n"
    "    \"inner\": {\n      \"a\": [\n        1,\n        {\n          \"b\": null\n        }\n"
    "      ],\n      \"c\": {}\n    },\n    \"t\": true\n  }",
    "\"\xe6\xbc\xa2\": {}",
    "\"k4\": {\n    \"c\": {\n      \"return\": \"x\"\n    },\n    \"d\": {\n      \"return\": \"y\"\n"
    "    }\n  }",
    "\"k5\": {\n    \"content\": \"a longer text, in which }, \\\"k9\\\": { is only text, and {\\\"x\\\": "
    "1}\",\n    \"create_time\": 1700000000,\n    \"update_time\": 1700000001,\n    \"_id\": \"k5\"\n"
    "  }",
    "\"\": {\n    \"empty\": \"\"\n  }",
    "\"k7\": {\n    \"list\": [\n      \"a\",\n      \"b\"\n    ],\n    \"x\": -1.5e3\n  }",
};
enum { ROWS = sizeof rows / sizeof *rows };

/* The same in one line, as json.dumps() writes it. */
static void in_one_line(const char *text, char *out)
{
    int in_string = 0;
    for (; *text; text++) {
        if (!in_string && (*text == '\n' || *text == ' '))
            continue;
        *out++ = *text;
        if (!in_string && (*text == ',' || *text == ':'))
            *out++ = ' ';
        if (in_string && *text == '\\')
            *out++ = *++text;
        else if (*text == '"')
            in_string = !in_string;
    }
    *out = 0;
}

static void make(struct intact *f)
{
    const int one_line = f->told_by_next;
    intact_text(f, one_line ? "{" : "{\n  ");
    for (size_t i = 0; i < ROWS; i++) {
        char line[1024];
        in_one_line(rows[i], line);
        if (i)
            intact_text(f, one_line ? ", " : ",\n  ");
        intact_row(f, one_line ? line : rows[i]);
    }
    intact_text(f, one_line ? "}" : "\n}");
    intact_end(f);
}

/* Bytes that mean something, and some that cannot be there. */
static const char bytes[] = { '"',  '\\', '{', '}',  '[',  ']',    ',',    ':',   ' ',
                              '\n', '0',  'x', '\0', '\t', '\xff', '\xc3', '\x80' };

/* Rows of 60 bytes to 20 kB over more than two windows of the readers. */
static void make_large(struct intact *f)
{
    const int one_line = f->told_by_next;
    static char text[20001], row[20200];
    uint64_t random = 7;
    intact_text(f, one_line ? "{" : "{\n  ");
    for (size_t i = 0; f->data.len < 600000; i++) {
        const size_t len = salvage_random(&random) % (i % 8 ? 300 : 20000);
        for (size_t j = 0; j < len; j++)
            text[j] = "ab c\xc3\xa4"[j % 6];
        text[len / 6 * 6] = 0;
        (void)snprintf(row, sizeof row,
                       one_line ? "\"key %zu\": {\"t\": \"%s\"}"
                                : "\"key %zu\": {\n    \"t\": \"%s\"\n  }",
                       i, text);
        if (i)
            intact_text(f, one_line ? ", " : ",\n  ");
        intact_row(f, row);
    }
    intact_text(f, one_line ? "}" : "\n}");
    intact_end(f);
}

/* A line for each row, or everything in one line: there the next row tells where one ends. */
static struct salvage_format lines = {
    .name = "lines",
    .read = lightrag_read_kv,
    .make = make,
    .make_large = make_large,
    .bytes = bytes,
    .byte_count = sizeof bytes,
};

static struct salvage_format one_line = {
    .name = "one line",
    .read = lightrag_read_kv,
    .told_by_next = 1,
    .make = make,
    .make_large = make_large,
    .bytes = bytes,
    .byte_count = sizeof bytes,
};

/* What looks like the beginning of a row, in a text. */
static void test_false_beginnings(void **state)
{
    static const char *const fakes[] = { "\n  \"f\": {", "},\n  \"fake\": {\n", "\n  \"" };
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

/* A line for each row, but not as LightRAG writes it: nothing is lost of it. */
static void test_other_layouts(void **state)
{
    static const char *const texts[] = {
        "{\n  \"a\": {\"x\": 1},\n  \"b\": {\"y\": {\"z\": 2}},\n  \"c\": {}\n}",
        "{\n  \"a\": {\"x\": 1}}",
        "{\n\t\"a\": {\n\t\t\"x\": 1\n\t},\n\t\"b\": {}\n}\n",
        "{ \"a\": {\"x\": {\"y\": {}}}, \"b\": {} }",
        "{\n    \"a\": {\n        \"x\": 1\n    },\n    \"b\": {\n        \"y\": {}\n    }\n}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct reading strict, saved;
        const struct memory_file file = { texts[i], strlen(texts[i]), SIZE_MAX };
        assert_int_equal(reading_file(&strict, lightrag_read_kv, "x", file, 0, 0), RAG_OK);
        assert_int_equal(reading_file(&saved, lightrag_read_kv, "x", file, 0, 1), RAG_OK);
        assert_string_equal(saved.lines.data, strict.lines.data);
        assert_int_equal(saved.summary.damage.places, 0);
        assert_false(saved.summary.damage.at_least);
        reading_free(&strict);
        reading_free(&saved);
    }
}

/* A row that is larger than any may be, and the file cut in the middle of it. */
static void test_cut_in_a_row_without_end(void **state)
{
    static const char head[] = "{\"a\": {}, \"b\": {\"t\": \"";
    struct reading r;
    const size_t len = LIMIT_VALUE_BYTES + LIMIT_KEY_BYTES * 4;
    char *data = malloc(len);
    (void)state;
    assert_non_null(data);
    memset(data, 'x', len);
    memcpy(data, head, sizeof head - 1);
    const struct memory_file file = { data, len, SIZE_MAX };
    assert_int_equal(reading_file(&r, lightrag_read_kv, "x", file, 0, 1), RAG_OK);
    assert_int_equal(r.rows, 1);
    assert_int_equal(r.summary.damage.lost, 1);
    assert_true(r.summary.damage.at_least);
    reading_free(&r);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SALVAGE_TESTS(&lines),
        SALVAGE_TESTS(&one_line),
        SALVAGE_TEST(test_false_beginnings, &lines),
        SALVAGE_TEST(test_false_beginnings, &one_line),
        cmocka_unit_test(test_other_layouts),
        cmocka_unit_test(test_cut_in_a_row_without_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
