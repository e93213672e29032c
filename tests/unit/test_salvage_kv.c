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

static void make(struct intact *f, int one_line)
{
    f->told_by_next = one_line;
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

static void test_every_byte(void **state)
{
    (void)state;
    for (int one_line = 0; one_line < 2; one_line++) {
        struct intact f = INTACT(lightrag_read_kv, "x");
        size_t changes, vague;
        make(&f, one_line);
        salvage_every_byte(&f, bytes, sizeof bytes, &changes, &vague);
        print_message("one line: %d, %zu changes, %zu with \"at least\"\n", one_line, changes,
                      vague);
        intact_free(&f);
    }
}

static void test_every_cut(void **state)
{
    (void)state;
    for (int one_line = 0; one_line < 2; one_line++) {
        struct intact f = INTACT(lightrag_read_kv, "x");
        make(&f, one_line);
        salvage_every_cut(&f);
        intact_free(&f);
    }
}

static void test_wide_harm(void **state)
{
    (void)state;
    for (int one_line = 0; one_line < 2; one_line++) {
        struct intact f = INTACT(lightrag_read_kv, "x");
        make(&f, one_line);
        salvage_random_harms(&f, 1000, 20, 1);
        salvage_random_harms(&f, 1000, f.data.len, 2);
        intact_free(&f);
    }
}

static void test_several_bytes(void **state)
{
    (void)state;
    for (int one_line = 0; one_line < 2; one_line++) {
        struct intact f = INTACT(lightrag_read_kv, "x");
        make(&f, one_line);
        salvage_several_bytes(&f, 1000, 3);
        intact_free(&f);
    }
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
