/* vdb_*.json: members in any order, the vectors of rows, the matrix as fallback, bad input, the
 * vector of LightRAG's own code, the real files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <zlib.h>

#include "backends/lightrag_files/base64.h"
#include "backends/lightrag_files/nano_reader.h"
#include "reading.h"

/* What LightRAG writes for [1, 2, 3, 4]. */
#define V1234 "eJxjsGFwYHBicAEAA/YBAw=="
#define M1234 "uvQ6Prr0uj6LNww/uvQ6Pw=="
#define HEAD "{\"embedding_dim\": 4, \"data\": ["
#define TAIL "], \"matrix\": \"" M1234 "\"}"

#define NANO(text, lines, warnings) \
    expect_rows(lightrag_read_vectors, "x", text, strlen(text), lines, warnings)
#define BAD(text, status, message) \
    expect_failure(lightrag_read_vectors, "x", text, strlen(text), status, message)

/* ---- base64 ---------------------------------------------------------------------------------------- */

static void encode_base64(const unsigned char *data, size_t len, struct buffer *out)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < len; i += 3) {
        const size_t n = len - i < 3 ? len - i : 3;
        uint32_t bits = (uint32_t)data[i] << 16;
        bits |= n > 1 ? (uint32_t)data[i + 1] << 8 : 0;
        bits |= n > 2 ? data[i + 2] : 0;
        for (size_t j = 0; j < 4; j++)
            (void)buffer_append_char(out, j <= n ? letters[bits >> (18 - 6 * j) & 63] : '=', NULL);
    }
}

static void test_base64(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int good;
        size_t place; /* length, or where it is bad */
    } cases[] = {
        { "", 1, 0 },     { "AA==", 1, 1 },  { "AAA=", 1, 2 },     { "AAAA", 1, 3 },
        { "A", 0, 1 },    { "AA", 0, 2 },    { "AAA", 0, 3 },      { "AAAAA", 0, 5 },
        { "A===", 0, 1 }, { "====", 0, 0 },  { "AB==", 0, 1 },     { "AAB=", 0, 2 },
        { "A A=", 0, 1 }, { "AA=A", 0, 2 },  { "AA==AAAA", 0, 2 }, { "AAAA*AAA", 0, 4 },
        { "AA-_", 0, 2 }, { "AAA\n", 0, 3 },
    };
    struct base64 b;
    unsigned char out[64];
    base64_init(&b);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t len = 99, bad = 99;
        const size_t n = strlen(cases[i].text);
        assert_int_equal(base64_decode(&b, cases[i].text, n, out, &len, &bad), cases[i].good);
        assert_int_equal(cases[i].good ? len : bad, cases[i].place);
    }
    unsigned char data[200], back[200];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)(i * 151 + i / 7);
    for (size_t n = 0; n <= sizeof data; n++) {
        struct buffer text = BUFFER_INIT(1000);
        size_t len = 0, bad = 0;
        encode_base64(data, n, &text);
        assert_int_equal(base64_decode(&b, text.data ? text.data : "", text.len, back, &len, &bad),
                         1);
        assert_int_equal(len, n);
        assert_memory_equal(back, data, n);
        buffer_free(&text);
    }
}

/* The "vector" field of `n` float16 given as bits. */
static void pack(const uint16_t *halves, size_t n, struct buffer *out)
{
    unsigned char packed[4096];
    unsigned long len = sizeof packed;
    assert_int_equal(compress(packed, &len, (const unsigned char *)halves, 2 * n), Z_OK);
    encode_base64(packed, len, out);
}

/* ---- rows ------------------------------------------------------------------------------------------ */

static void test_rows(void **state)
{
    (void)state;
    NANO("{\"embedding_dim\": 4, \"data\": [], \"matrix\": \"\"}", "", "");
    NANO(HEAD "{\"__id__\": \"a\", \"__created_at__\": 5, \"__write_seq__\": 1795248670333853431, "
              "\"content\": \"c\\n\", \"n\": 1.0, \"vector\": \"" V1234 "\"}" TAIL,
         "vector a {\"content\":\"c\\n\",\"n\":1.0} 5 -1 1 2 3 4\n", "");
    /* any order inside of a row, unknown members kept, escaped slashes */
    NANO(HEAD "{\"vector\": \"eJxjsGFwYHBicAEAA\\/YBAw==\", \"x\": [1, {\"vector\": 2}], "
              "\"__id__\": \"a\"}" TAIL,
         "vector a {\"x\":[1,{\"vector\":2}]} -1 -1 1 2 3 4\n", "");
    /* a row of zeros is a row */
    struct buffer in = BUFFER_INIT(10000);
    (void)buffer_append_text(&in, HEAD "{\"__id__\": \"z\", \"vector\": \"", NULL);
    pack((const uint16_t[]){ 0, 0, 0x8000, 0 }, 4, &in);
    (void)buffer_append_text(&in, "\"}" TAIL, NULL);
    NANO(in.data, "vector z {} -1 -1 0 0 -0 0\n", "");
    buffer_free(&in);
}

static void test_members_of_the_file_in_any_order(void **state)
{
    (void)state;
    static const char row[] = "vector a {} -1 -1 1 2 3 4\n";
#define DATA "\"data\": [{\"__id__\": \"a\", \"vector\": \"" V1234 "\"}]"
#define MATRIX "\"matrix\": \"" M1234 "\""
    NANO("{" MATRIX ", " DATA ", \"embedding_dim\": 4}", row, "");
    NANO("{" DATA ", " MATRIX ", \"embedding_dim\": 4}", row, "");
    NANO("{\"additional_data\": {}, \"embedding_dim\": 4, " DATA ", " MATRIX "}", row, "");
    NANO("{" DATA "}", row, "");
    NANO("{\"additional_data\": {\"a\": 1}, " DATA ", \"extra\": {}}", row,
         "\"\\\"additional_data\\\" is not imported: LightRAG has no use for it\","
         "\"\\\"extra\\\" is not known and not imported\"");
    NANO("{" DATA ", \"matrix\": \"AAAA\", \"embedding_dim\": 4}", row,
         "\"the matrix has 4 characters where the rows need 24; it was not used\"");
    BAD("{" DATA ", " MATRIX ", \"embedding_dim\": 5}", RAG_E_MISMATCH,
        "f line 1 byte 121: \"embedding_dim\" is 5, but the rows have 4 elements");
}

#define FALLBACK(n) \
    "\"" n          \
    " rows have no \\\"vector\\\": taken from the matrix, which holds them scaled to length 1\""

#define FALLBACK_ONE \
    "\"1 row has no \\\"vector\\\": taken from the matrix, which holds it scaled to length 1\""

static void test_matrix_as_fallback(void **state)
{
    (void)state;
    static const char row[] = "vector a {} -1 -1 0.182574 0.365148 0.547723 0.730297\n";
#define BARE "\"data\": [{\"__id__\": \"a\"}]"
    NANO("{\"embedding_dim\": 4, " BARE ", " MATRIX "}", row, FALLBACK_ONE);
    NANO("{" MATRIX ", \"embedding_dim\": 4, " BARE "}", row, FALLBACK_ONE);
    NANO("{" BARE ", " MATRIX ", \"embedding_dim\": 4}", row, FALLBACK_ONE);
    BAD("{\"embedding_dim\": 4, " BARE "}", RAG_E_CORRUPT,
        "f line 1 byte 44: row 'a': no \"vector\", and the file no \"matrix\"");
    BAD("{" BARE "}", RAG_E_CORRUPT,
        "f line 1 byte 24: row 'a': no \"vector\", and the file no \"embedding_dim\"");
    BAD("{\"embedding_dim\": 5, " BARE ", " MATRIX "}", RAG_E_CORRUPT,
        "f line 1 byte 58: the matrix has only 0 rows of 5 elements");
    BAD("{\"embedding_dim\": 4, " BARE ", \"matrix\": \"uvQ6*rr0uj6LNww/uvQ6Pw==\"}", RAG_E_CORRUPT,
        "f line 1 byte 58: the base64 of the matrix is wrong");
    BAD("{\"embedding_dim\": 4, " BARE ", \"matrix\": \"uvQ6Prr0uj6LNww/uvQ6P\"}", RAG_E_CORRUPT,
        "f line 1 byte 58: the base64 of the matrix ends inside a group");
    /* too long a matrix; which of its faults is met first depends on the pieces */
    static const char longer[] =
        "{\"embedding_dim\": 4, " BARE ", \"matrix\": \"uvQ6Prr0uj6LNww/uvQ6Pw==AAAA\"}";
    for (size_t i = 0; i < READING_PIECES; i++) {
        struct reading r;
        assert_int_equal(reading_run(&r, lightrag_read_vectors, "x", longer, sizeof longer - 1,
                                     reading_pieces[i], 0),
                         RAG_E_CORRUPT);
        reading_free(&r);
    }
    BAD("{\"embedding_dim\": 4, " BARE ", \"matrix\": []}", RAG_E_CORRUPT,
        "f line 1 byte 58: \"matrix\" is not a text");
}

/* A long matrix against rows of which some have their own vector; dimension not divisible by 3. */
static void test_matrix_of_many_rows(void **state)
{
    (void)state;
    enum { ROWS = 3000, DIM = 7 };
    struct buffer in = BUFFER_INIT((size_t)1 << 24), want = BUFFER_INIT((size_t)1 << 24);
    float *matrix = malloc(ROWS * DIM * sizeof *matrix);
    assert_non_null(matrix);
    (void)buffer_append_text(&in, "{\"data\": [", NULL);
    for (unsigned i = 0; i < ROWS; i++) {
        for (unsigned j = 0; j < DIM; j++)
            matrix[i * DIM + j] = i == 5 ? NAN : (float)(i * 10 + j);
        (void)buffer_printf(&in, NULL, "%s{\"__id__\": \"r%u\"", i ? ", " : "", i);
        (void)buffer_printf(&want, NULL, "vector r%u {} -1 -1", i);
        if (i % 100 == 99) {
            const uint16_t halves[DIM] = { 0x3c00, 0, 0, 0, 0, 0, (uint16_t)(i / 100) };
            (void)buffer_append_text(&in, ", \"vector\": \"", NULL);
            pack(halves, DIM, &in);
            (void)buffer_append_text(&in, "\"", NULL);
            (void)buffer_printf(&want, NULL, " 1 0 0 0 0 0 %g", ldexp(i / 100, -24));
        }
        for (unsigned j = 0; i % 100 != 99 && j < DIM; j++)
            (void)buffer_printf(&want, NULL, " %g",
                                i == 5 ? 0 : (double)(float)matrix[i * DIM + j]);
        (void)buffer_append_text(&in, "}", NULL);
        (void)buffer_append_text(&want, "\n", NULL);
    }
    (void)buffer_append_text(&in, "], \"matrix\": \"", NULL);
    encode_base64((const unsigned char *)matrix, ROWS * DIM * sizeof *matrix, &in);
    (void)buffer_append_text(&in, "\", \"embedding_dim\": 7}", NULL);
    NANO(in.data, want.data,
         FALLBACK("2970") ",\"1 row of the matrix is NaN throughout: taken as a vector of length "
                          "zero\"");
    buffer_free(&in);
    buffer_free(&want);
    free(matrix);
}

static void test_empty_files(void **state)
{
    (void)state;
    NANO("", "", "\"the file is empty: taken as no rows\"");
    NANO(" \n", "", "\"the file is empty: taken as no rows\"");
}

/* ---- bad input --------------------------------------------------------------------------------------- */

static void test_bad_files(void **state)
{
    (void)state;
    BAD("[]", RAG_E_CORRUPT, "f line 1 byte 0: the file is not an object");
    BAD("{}", RAG_E_CORRUPT, "f line 1 byte 1: the file has no \"data\"");
    BAD("{\"data\": {}}", RAG_E_CORRUPT, "f line 1 byte 9: \"data\" is not an array");
    BAD("{\"data\": [], \"data\": []}", RAG_E_CORRUPT, "f line 1 byte 13: \"data\" comes twice");
    BAD("{\"data\": [1]}", RAG_E_CORRUPT, "f line 1 byte 10: row 0: it is not an object");
    BAD("{\"data\": [{}]}", RAG_E_CORRUPT, "f line 1 byte 11: row 0: it has no \"__id__\"");
    BAD("{\"data\": [{\"__id__\": 1}]}", RAG_E_CORRUPT,
        "f line 1 byte 21: row 0: \"__id__\" is not a text");
    static const char *const dims[] = { "0", "-1", "65537", "1.5", "\"4\"", "null", "1e99" };
    for (size_t i = 0; i < sizeof dims / sizeof dims[0]; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "{\"embedding_dim\": %s, \"data\": []}", dims[i]);
        BAD(text, RAG_E_CORRUPT,
            "f line 1 byte 18: \"embedding_dim\" is not a whole number of 1 to 65536");
    }
    BAD("{\"matrix\": 1, \"data\": []}", RAG_E_CORRUPT,
        "f line 1 byte 11: \"matrix\" is not a text");
}

static void test_bad_vectors(void **state)
{
    (void)state;
#define ROW(vector) \
    "{\"data\": [{\"__id__\": \"r\", \"vector\": " vector "}], \"embedding_dim\": 4}"
    BAD(ROW("1"), RAG_E_CORRUPT, "f line 1 byte 36: row 'r': \"vector\" is not a text");
    BAD(ROW("\"eJx*sGFwYHBicAEAA/YBAw==\""), RAG_E_CORRUPT,
        "f line 1 byte 36: row 'r': \"vector\": its base64 is wrong at character 3");
    BAD(ROW("\"eJxjsGFwYHBicAEAA/YBAw=\""), RAG_E_CORRUPT,
        "f line 1 byte 36: row 'r': \"vector\": its base64 is wrong at character 22");
    BAD(ROW("\"AAAA\""), RAG_E_CORRUPT,
        "f line 1 byte 36: row 'r': \"vector\": its zlib data are wrong: unknown compression method");
    BAD(ROW("\"eJxjsGFwYHBicAEAA/YBBA==\""), RAG_E_CORRUPT,
        "f line 1 byte 36: row 'r': \"vector\": its zlib data are wrong: incorrect data check");
    BAD(ROW("\"eJxjsGFwYHBicAEA\""), RAG_E_CORRUPT,
        "f line 1 byte 36: row 'r': \"vector\": its zlib data are wrong: it ends too early");
    BAD(ROW("\"eJxjsGFwYHBicAEAA/YBAwAA\""), RAG_E_CORRUPT,
        "f line 1 byte 36: row 'r': \"vector\": 2 bytes follow its zlib data");
    BAD(ROW("\"\""), RAG_E_CORRUPT,
        "f line 1 byte 36: row 'r': \"vector\": its zlib data are wrong: it ends too early");
    BAD("{\"embedding_dim\": 5, \"data\": [{\"__id__\": \"r\", \"vector\": \"" V1234 "\"}]}",
        RAG_E_MISMATCH,
        "f line 1 byte 56: row 'r': \"vector\" has 8 bytes, not 10 as 5 elements have");
    /* the second row has another length than the first */
    struct buffer in = BUFFER_INIT(10000);
    (void)buffer_append_text(&in,
                             "{\"data\": [{\"__id__\": \"r\", \"vector\": \"" V1234
                             "\"}, {\"__id__\": \"s\", \"vector\": \"",
                             NULL);
    pack((const uint16_t[]){ 0x3c00, 0, 0 }, 3, &in);
    (void)buffer_append_text(&in, "\"}]}", NULL);
    BAD(in.data, RAG_E_MISMATCH,
        "f line 1 byte 91: row 's': \"vector\" has 6 bytes, not 8 as 4 elements have");
    buffer_free(&in);
}

static void expect_bad_half(uint16_t half, const char *message)
{
    struct buffer in = BUFFER_INIT(10000);
    (void)buffer_append_text(&in, "{\"data\": [{\"__id__\": \"r\", \"vector\": \"", NULL);
    pack((const uint16_t[]){ 0x3c00, 0, half, 0 }, 4, &in);
    (void)buffer_append_text(&in, "\"}]}", NULL);
    BAD(in.data, RAG_E_CORRUPT, message);
    buffer_free(&in);
}

static void test_nan_and_infinity(void **state)
{
    (void)state;
    expect_bad_half(0x7e00, "f line 1 byte 36: row 'r': element 2 of \"vector\" is not a number");
    expect_bad_half(0x7c00, "f line 1 byte 36: row 'r': element 2 of \"vector\" is infinite");
    expect_bad_half(0xfc00, "f line 1 byte 36: row 'r': element 2 of \"vector\" is infinite");
    struct buffer in = BUFFER_INIT(10000);
    const float row[4] = { 1, NAN, 0, 0 };
    (void)buffer_append_text(&in, "{\"embedding_dim\": 4, " BARE ", \"matrix\": \"", NULL);
    encode_base64((const unsigned char *)row, sizeof row, &in);
    (void)buffer_append_text(&in, "\"}", NULL);
    BAD(in.data, RAG_E_CORRUPT,
        "f line 1 byte 44: row 'a': element 1 of its row of the matrix is not a number");
    buffer_free(&in);
}

/* A field of a few kilobytes that unpacks to 64 MB. */
static void test_zlib_bomb(void **state)
{
    (void)state;
    enum { SIZE = 64 << 20 };
    unsigned char *zeros = calloc(SIZE, 1), *packed = malloc(1 << 20);
    unsigned long len = 1 << 20;
    assert_true(zeros && packed);
    assert_int_equal(compress(packed, &len, zeros, SIZE), Z_OK);
    struct buffer in = BUFFER_INIT(1 << 20);
    (void)buffer_append_text(&in, "{\"data\": [{\"__id__\": \"r\", \"vector\": \"", NULL);
    encode_base64(packed, len, &in);
    (void)buffer_append_text(&in, "\"}]}", NULL);
    struct reading r;
    assert_int_equal(reading_run(&r, lightrag_read_vectors, "x", in.data, in.len, in.len, 0),
                     RAG_E_CORRUPT);
    assert_string_equal(r.err.message, "f line 1 byte 36: row 'r': \"vector\": its zlib data are "
                                       "wrong: they unpack to more than any vector");
    reading_free(&r);
    buffer_free(&in);
    free(zeros);
    free(packed);
}

static void test_cut_everywhere(void **state)
{
    (void)state;
    static const char text[] = HEAD "{\"__id__\": \"a\", \"x\": 1, \"vector\": \"" V1234
                                    "\"}, {\"__id__\": \"b\"}], \"matrix\": \"" M1234 "\"}";
    for (size_t cut = 1; cut < sizeof text - 1; cut++) {
        for (size_t i = 0; i < READING_PIECES; i++) {
            struct reading r;
            assert_int_equal(
                reading_run(&r, lightrag_read_vectors, "x", text, cut, reading_pieces[i], 0),
                RAG_E_CORRUPT);
            assert_memory_equal(r.err.message, "f line 1 byte ", 14);
            reading_free(&r);
        }
    }
}

/* ---- the real files ------------------------------------------------------------------------------------ */

static void test_real_files(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        size_t rows;
    } files[] = { { "alice/vdb_chunks.json", 135 },
                  { "alice/vdb_entities.json", 291 },
                  { "alice/vdb_relationships.json", 614 } };
    for (size_t i = 0; i < 3; i++) {
        size_t len;
        struct reading r, again;
        char *data = read_test_file(files[i].file, &len);
        assert_int_equal(reading_run(&r, lightrag_read_vectors, "x", data, len, len, 0), RAG_OK);
        assert_int_equal(r.rows, files[i].rows);
        assert_int_equal(r.summary.dimension, 384);
        assert_string_equal(r.summary.warnings.data, "");
        assert_int_equal(reading_run(&again, lightrag_read_vectors, "x", data, len, 101, 0),
                         RAG_OK);
        assert_string_equal(r.lines.data, again.lines.data);
        reading_free(&again);
        reading_free(&r);
        free(data);
    }
}

struct vectors {
    float *data;
    size_t count;
};

static rag_status keep_vectors(void *ctx, struct lightrag_batch **batch, rag_error *err)
{
    struct vectors *v = ctx;
    const struct lightrag_batch *b = *batch;
    (void)err;
    v->data = realloc(v->data, (v->count + b->count) * b->dimension * sizeof *v->data);
    assert_non_null(v->data);
    memcpy(v->data + v->count * b->dimension, b->vectors,
           b->count * b->dimension * sizeof *v->data);
    v->count += b->count;
    lightrag_batch_clear(*batch);
    return RAG_OK;
}

static void read_vectors(const char *data, size_t len, struct vectors *out)
{
    struct memory_file file = { data, len, len };
    const struct lightrag_input input = { "f", &file, memory_read_at };
    const struct lightrag_sink sink = { out, keep_vectors };
    struct lightrag_batch batch;
    struct lightrag_summary summary = LIGHTRAG_SUMMARY_INIT;
    rag_error err = RAG_ERROR_INIT;
    lightrag_batch_init(&batch);
    struct lightrag_job job = { &input, "x", &sink, &batch, &summary, 0 };
    if (lightrag_read_vectors(&job, &err) != RAG_OK)
        fail_msg("%s", err.message);
    lightrag_batch_free(&batch);
    lightrag_summary_free(&summary);
}

/* The rows of a real file and its own matrix are the same vectors, but for scale and float16: so
 * both ways of reading are right, or wrong in the same way, which two encodings rule out. */
static void test_rows_agree_with_the_matrix(void **state)
{
    (void)state;
    size_t len;
    char *data = read_test_file("alice/vdb_entities.json", &len);
    struct vectors rows = { 0 }, matrix = { 0 };
    read_vectors(data, len, &rows);
    for (char *p = data; (p = strstr(p, "\"vector\"")) != NULL; p++)
        p[1] = 'V'; /* no longer known: the matrix has to do */
    read_vectors(data, len, &matrix);
    assert_int_equal(rows.count, 291);
    assert_int_equal(matrix.count, 291);
    for (size_t i = 0; i < 291; i++) {
        double dot = 0, length = 0;
        for (size_t j = 0; j < 384; j++) {
            dot += (double)rows.data[i * 384 + j] * (double)matrix.data[i * 384 + j];
            length += (double)rows.data[i * 384 + j] * (double)rows.data[i * 384 + j];
        }
        assert_true(dot / sqrt(length) > 0.99999 && dot / sqrt(length) < 1.00001);
    }
    free(rows.data);
    free(matrix.data);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_members_of_the_file_in_any_order),
        cmocka_unit_test(test_matrix_as_fallback),
        cmocka_unit_test(test_matrix_of_many_rows),
        cmocka_unit_test(test_empty_files),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_bad_vectors),
        cmocka_unit_test(test_nan_and_infinity),
        cmocka_unit_test(test_zlib_bomb),
        cmocka_unit_test(test_cut_everywhere),
        cmocka_unit_test(test_real_files),
        cmocka_unit_test(test_rows_agree_with_the_matrix),
    };
    return cmocka_run_group_tests_name("nano_reader", tests, NULL, NULL);
}
