/* For the tests of the readers of LightRAG's files: an input over memory that comes in pieces, and a
 * sink that writes down what it gets, one line for each row:
 *     kind key [key2] value created_at updated_at [elements]
 * Included once by each test program. */
#ifndef TESTS_READING_H
#define TESTS_READING_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/lightrag_files/batch.h"
#include "core/limits.h"

struct memory_file {
    const char *data;
    size_t len, piece;
};

static inline rag_status memory_read_at(void *ctx, uint64_t offset, void *data, size_t size,
                                        size_t *got, rag_error *err)
{
    const struct memory_file *f = ctx;
    (void)err;
    size_t n = offset < f->len ? f->len - (size_t)offset : 0;
    n = n < f->piece ? n : f->piece;
    n = n < size ? n : size;
    if (n)
        memcpy(data, f->data + offset, n);
    *got = n;
    return RAG_OK;
}

struct reading {
    struct lightrag_batch batch;
    struct lightrag_summary summary;
    struct buffer lines;
    size_t deliveries, most_rows, most_bytes, rows;
    int quiet; /* count only */
    rag_error err;
};

static inline void write_row(struct reading *r, const struct lightrag_batch *b, size_t i)
{
    static const char *const kinds[] = { "kv", "doc", "vector", "node", "edge" };
    const struct lightrag_row *row = &b->rows[i];
    const rag_slice key = lightrag_bytes(b, row->key), key2 = lightrag_bytes(b, row->key2);
    const rag_slice value = lightrag_bytes(b, row->value);
    struct buffer *out = &r->lines;
    (void)buffer_append_text(out, kinds[b->kind], NULL);
    (void)buffer_append_char(out, ' ', NULL);
    (void)buffer_append(out, key.data, key.len, NULL);
    if (b->kind == LIGHTRAG_EDGES) {
        (void)buffer_append_char(out, ' ', NULL);
        (void)buffer_append(out, key2.data, key2.len, NULL);
    }
    (void)buffer_append_char(out, ' ', NULL);
    (void)buffer_append(out, value.data, value.len, NULL);
    (void)buffer_printf(out, NULL, " %lld %lld", (long long)row->created_at,
                        (long long)row->updated_at);
    if (b->kind == LIGHTRAG_VECTORS)
        for (size_t j = 0; j < b->dimension; j++)
            (void)buffer_printf(out, NULL, " %g", (double)b->vectors[i * b->dimension + j]);
    (void)buffer_append_char(out, '\n', NULL);
}

static inline rag_status write_down(void *ctx, struct lightrag_batch **batch, rag_error *err)
{
    struct reading *r = ctx;
    const struct lightrag_batch *b = *batch;
    (void)err;
    r->deliveries++;
    r->rows += b->count;
    r->most_rows = b->count > r->most_rows ? b->count : r->most_rows;
    r->most_bytes = b->bytes.len > r->most_bytes ? b->bytes.len : r->most_bytes;
    for (size_t i = 0; !r->quiet && i < b->count; i++)
        write_row(r, b, i);
    lightrag_batch_clear(*batch);
    return RAG_OK;
}

typedef rag_status (*reader_fn)(struct lightrag_job *job, rag_error *err);

/* Read a file as file "f" of the namespace. End with reading_free(). */
static inline rag_status reading_file(struct reading *r, reader_fn read, const char *name_space,
                                      struct memory_file file, int quiet, int salvage)
{
    const struct lightrag_input input = { "f", &file, memory_read_at };
    const struct lightrag_sink sink = { r, write_down };
    const struct lightrag_summary none = LIGHTRAG_SUMMARY_INIT;
    memset(r, 0, sizeof *r);
    r->lines.limit = (size_t)1 << 30;
    r->summary = none;
    r->quiet = quiet;
    lightrag_batch_init(&r->batch);
    struct lightrag_job job = { &input, name_space, &sink, &r->batch, &r->summary, salvage };
    const rag_status status = read(&job, &r->err);
    (void)buffer_append_text(&r->lines, "", NULL);
    (void)buffer_append_text(&r->summary.warnings, "", NULL);
    return status;
}

/* The same for `len` bytes, `piece` at a time, strictly. */
static inline rag_status reading_run(struct reading *r, reader_fn read, const char *name_space,
                                     const char *data, size_t len, size_t piece, int quiet)
{
    const struct memory_file file = { data, len, piece };
    return reading_file(r, read, name_space, file, quiet, 0);
}

static inline void reading_free(struct reading *r)
{
    lightrag_batch_free(&r->batch);
    lightrag_summary_free(&r->summary);
    buffer_free(&r->lines);
}

static const size_t reading_pieces[] = { 1, 2, 3, 7, 1 << 20 };
enum { READING_PIECES = 5 };

/* These rows and these warnings, whatever the pieces. */
static inline void expect_rows(reader_fn read, const char *name_space, const char *data, size_t len,
                               const char *lines, const char *warnings)
{
    for (size_t i = 0; i < READING_PIECES; i++) {
        struct reading r;
        if (reading_run(&r, read, name_space, data, len, reading_pieces[i], 0) != RAG_OK)
            fail_msg("%.200s: %s", data, r.err.message);
        assert_string_equal(r.lines.data, lines);
        assert_string_equal(r.summary.warnings.data, warnings);
        reading_free(&r);
    }
}

/* This failure, whatever the pieces. */
static inline void expect_failure(reader_fn read, const char *name_space, const char *data,
                                  size_t len, rag_status status, const char *message)
{
    for (size_t i = 0; i < READING_PIECES; i++) {
        struct reading r;
        const rag_status got = reading_run(&r, read, name_space, data, len, reading_pieces[i], 0);
        if (got != status || strcmp(r.err.message, message) != 0)
            fail_msg("%.200s: got %d '%s', not %d '%s'", data, got, r.err.message, status, message);
        reading_free(&r);
    }
}

/* A whole file of the test data; free() it. */
static inline char *read_test_file(const char *name, size_t *len)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", RAG_TEST_DATA, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    const long size = ftell(file);
    rewind(file);
    char *data = malloc((size_t)size + 1);
    assert_non_null(data);
    *len = fread(data, 1, (size_t)size, file);
    data[*len] = 0;
    assert_int_equal(*len, size);
    fclose(file);
    return data;
}

#endif
