/* Vector files as NanoVectorDB and LightRAG write them together: one object with "embedding_dim",
 * "data" (one object for each row) and "matrix", in any order.
 *
 * The truth is in the rows: their "vector" is what the model gave, as float16. The matrix holds the
 * same vectors scaled to length 1, as float32; it is most of the file, is derived, and is passed
 * over at the speed of a memchr. Only a row without "vector" (files of old versions) is taken from
 * it, by a second pass (nano_matrix.c).
 *
 * A row's members may come in any order, so its payload is collected in the batch while its id
 * waits in a buffer of its own. __id__, __created_at__, __write_seq__ (LightRAG's own order of
 * writes) and vector are not part of the payload; whatever else there is stays. */
#include "nano_reader.h"

#include <math.h>
#include <string.h>

#include "core/floats.h"
#include "core/json_object.h"
#include "core/limits.h"
#include "json_times.h"
#include "nano_rows.h"

/* ---- facts of the file ----------------------------------------------------------------------------- */

static rag_status fail_row(const struct nano_reader *n, rag_error *err, rag_status status,
                           const char *why)
{
    if (n->has_id)
        return json_reader_fail(&n->json, err, status, "row '%.*s': %s",
                                RAG_SHOWN(buffer_slice(&n->id)), why);
    return json_reader_fail(&n->json, err, status, "row %llu: %s", (unsigned long long)n->index,
                            why);
}

rag_status nano_read_dimension(const struct json_reader *r, enum json_event event,
                               uint32_t *dimension, rag_error *err)
{
    int64_t value = 0;
    if (event != JSON_EVENT_NUMBER || !json_integer(json_reader_text(r), &value) || value < 1 ||
        value > RAG_DIMENSION_MAX)
        return json_reader_fail(r, err, RAG_E_CORRUPT,
                                "\"embedding_dim\" is not a whole number of 1 to %d",
                                RAG_DIMENSION_MAX);
    *dimension = (uint32_t)value;
    return RAG_OK;
}

static rag_status take_dimension(struct nano_reader *n, enum json_event event, rag_error *err)
{
    uint32_t dimension = 0;
    RAG_TRY(nano_read_dimension(&n->json, event, &dimension, err));
    if (n->dimension && n->dimension != dimension)
        return json_reader_fail(&n->json, err, RAG_E_MISMATCH,
                                "\"embedding_dim\" is %u, but the rows have %u elements", dimension,
                                n->dimension);
    n->dimension = dimension;
    return RAG_OK;
}

/* "embedding_dim" from further behind in the file. */
static rag_status look_for_dimension(struct nano_reader *n, rag_error *err)
{
    struct lightrag_stream stream = { n->job->input, 0 };
    struct json_reader r = { 0 };
    enum json_event event = JSON_EVENT_NULL;
    rag_status status = json_reader_open(&r, n->job->input->name, lightrag_fill, &stream, err);
    if (status == RAG_OK)
        status = nano_find_member(&r, "embedding_dim", &event, err);
    if (status == RAG_OK)
        status = nano_read_dimension(&r, event, &n->dimension, err);
    json_reader_close(&r);
    if (status == RAG_E_NOT_FOUND)
        return fail_row(n, err, RAG_E_CORRUPT, "no \"vector\", and the file no \"embedding_dim\"");
    return status;
}

/* ---- one row --------------------------------------------------------------------------------------- */

static rag_status read_vector(struct nano_reader *n, rag_error *err)
{
    char why[NANO_WHY_BYTES];
    enum json_event event;
    rag_slice field;
    float *out;
    RAG_TRY(json_reader_next(&n->json, &event, err));
    if (event == JSON_EVENT_NULL)
        return RAG_OK;
    if (event != JSON_EVENT_STRING)
        return fail_row(n, err, RAG_E_CORRUPT, "\"vector\" is not a text");
    RAG_TRY(json_reader_string(&n->json, NANO_FIELD_BYTES, &field, err));
    if (!nano_vector_unpack(&n->vector, field, why)) {
        char whole[NANO_WHY_BYTES + 16] = "\"vector\": ";
        memcpy(whole + strlen(whole), why, strlen(why) + 1);
        return fail_row(n, err, RAG_E_CORRUPT, whole);
    }
    const size_t len = n->vector.len;
    if (!n->dimension && len && len % 2 == 0)
        n->dimension = (uint32_t)(len / 2);
    if (len != 2 * (size_t)n->dimension)
        return json_reader_fail(&n->json, err, RAG_E_MISMATCH,
                                "row '%.*s': \"vector\" has %zu bytes, not %zu as %u elements have",
                                RAG_SHOWN(buffer_slice(&n->id)), len, 2 * (size_t)n->dimension,
                                n->dimension);
    size_t bad;
    RAG_TRY(lightrag_row_vector(n->job, n->dimension, &out, err));
    nano_vector_floats(&n->vector, out, &bad);
    if (bad != n->dimension)
        return json_reader_fail(
            &n->json, err, RAG_E_CORRUPT, "row '%.*s': element %zu of \"vector\" is %s",
            RAG_SHOWN(buffer_slice(&n->id)), bad, isnan(out[bad]) ? "not a number" : "infinite");
    n->has_vector = 1;
    return RAG_OK;
}

static rag_status read_id(struct nano_reader *n, rag_error *err)
{
    enum json_event event;
    rag_slice id;
    RAG_TRY(json_reader_next(&n->json, &event, err));
    if (event != JSON_EVENT_STRING)
        return fail_row(n, err, RAG_E_CORRUPT, "\"__id__\" is not a text");
    RAG_TRY(json_reader_string(&n->json, LIMIT_KEY_BYTES, &id, err));
    buffer_clear(&n->id);
    RAG_TRY(buffer_append(&n->id, id.data, id.len, err));
    n->has_id = 1;
    return RAG_OK;
}

/* A row of nothing but NaN is what scaling makes of a vector of length zero. */
static int is_all_nan(const float *v, uint32_t dimension)
{
    for (uint32_t i = 0; i < dimension; i++)
        if (!isnan(v[i]))
            return 0;
    return 1;
}

static rag_status vector_from_matrix(struct nano_reader *n, rag_error *err)
{
    float *out;
    if (!n->dimension)
        RAG_TRY(look_for_dimension(n, err));
    if (!n->matrix.opened) {
        const rag_status status =
            nano_matrix_open(&n->matrix, n->job->input, &n->vector.alphabet, err);
        if (status == RAG_E_NOT_FOUND)
            return fail_row(n, err, RAG_E_CORRUPT, "no \"vector\", and the file no \"matrix\"");
        RAG_TRY(status);
    }
    if (n->index_unknown)
        return fail_row(n, err, RAG_E_CORRUPT,
                        "no \"vector\", and which row of the matrix is its own is not known");
    RAG_TRY(lightrag_row_vector(n->job, n->dimension, &out, err));
    RAG_TRY(nano_matrix_row(&n->matrix, n->index, n->dimension, out, err));
    n->from_matrix++;
    if (is_all_nan(out, n->dimension)) {
        memset(out, 0, n->dimension * sizeof *out);
        n->nan_rows++;
    }
    const size_t bad = floats_first_bad(out, n->dimension);
    if (bad != n->dimension)
        return json_reader_fail(
            &n->json, err, RAG_E_CORRUPT, "row '%.*s': element %zu of its row of the matrix is %s",
            RAG_SHOWN(buffer_slice(&n->id)), bad, isnan(out[bad]) ? "not a number" : "infinite");
    return RAG_OK;
}

/* The member whose name was the last event, into its place. */
static rag_status read_member(struct nano_reader *n, struct lightrag_row *row, rag_error *err)
{
    struct buffer *out = &n->job->batch->bytes;
    const rag_slice name = json_reader_text(&n->json);
    enum json_event event;
    int64_t ignored;
    if (slice_is(name, "__id__"))
        return read_id(n, err);
    if (slice_is(name, "__created_at__"))
        return lightrag_read_time(&n->json, &row->created_at, &n->odd_times, err);
    if (slice_is(name, "vector"))
        return read_vector(n, err);
    if (slice_is(name, "__write_seq__"))
        return lightrag_read_time(&n->json, &ignored, &n->odd_times, err);
    if (out->len > row->value.at + 1)
        RAG_TRY(buffer_append_char(out, ',', err));
    RAG_TRY(buffer_append_json_string(out, name, err));
    RAG_TRY(buffer_append_char(out, ':', err));
    RAG_TRY(json_reader_next(&n->json, &event, err));
    return json_reader_capture(&n->json, out, err);
}

/* The object whose beginning was the last event. */
rag_status nano_read_row(struct nano_reader *n, rag_error *err)
{
    struct lightrag_row *row;
    n->has_id = n->has_vector = 0;
    buffer_clear(&n->id);
    RAG_TRY(lightrag_row_begin(n->job, LIGHTRAG_VECTORS, &row, err));
    struct buffer *out = &n->job->batch->bytes;
    row->value.at = out->len;
    RAG_TRY(buffer_append_char(out, '{', err));
    for (;;) {
        enum json_event event;
        RAG_TRY(json_reader_next(&n->json, &event, err));
        if (event == JSON_EVENT_OBJECT_END)
            break;
        RAG_TRY(read_member(n, row, err));
    }
    RAG_TRY(buffer_append_char(out, '}', err));
    row->value.len = out->len - row->value.at;
    if (!n->has_id)
        return fail_row(n, err, RAG_E_CORRUPT, "it has no \"__id__\"");
    if (!n->has_vector)
        RAG_TRY(vector_from_matrix(n, err));
    row->key = (struct lightrag_span){ out->len, n->id.len };
    RAG_TRY(buffer_append(out, n->id.data, n->id.len, err));
    lightrag_row_end(n->job);
    return RAG_OK;
}

/* ---- the file -------------------------------------------------------------------------------------- */

static rag_status read_rows(struct nano_reader *n, enum json_event event, rag_error *err)
{
    if (event != JSON_EVENT_ARRAY)
        return json_reader_fail(&n->json, err, RAG_E_CORRUPT, "\"data\" is not an array");
    for (n->index = 0;; n->index++) {
        RAG_TRY(json_reader_next(&n->json, &event, err));
        if (event == JSON_EVENT_ARRAY_END)
            return RAG_OK;
        if (event != JSON_EVENT_OBJECT)
            return fail_row(n, err, RAG_E_CORRUPT, "it is not an object");
        RAG_TRY(nano_read_row(n, err));
    }
}

static rag_status pass_matrix(struct nano_reader *n, enum json_event event, rag_error *err)
{
    if (event != JSON_EVENT_STRING)
        return json_reader_fail(&n->json, err, RAG_E_CORRUPT, "\"matrix\" is not a text");
    const uint64_t start = json_reader_offset(&n->json);
    RAG_TRY(json_reader_skip(&n->json, err));
    n->has_matrix = 1;
    n->matrix_letters = json_reader_offset(&n->json) - start - 1;
    return RAG_OK;
}

/* {"ragstore": {"model": "..."}}: what a live store keeps in NanoVectorDB's place for such things. */
static rag_status read_own(struct nano_reader *n, rag_error *err)
{
    struct lightrag_summary *s = n->job->summary;
    for (;;) {
        enum json_event event;
        RAG_TRY(json_reader_next(&n->json, &event, err));
        if (event == JSON_EVENT_OBJECT_END)
            return RAG_OK;
        const int is_model = slice_is(json_reader_text(&n->json), "model");
        RAG_TRY(json_reader_next(&n->json, &event, err));
        if (!is_model || event != JSON_EVENT_STRING) {
            RAG_TRY(json_reader_skip(&n->json, err));
            continue;
        }
        rag_slice text;
        RAG_TRY(json_reader_string(&n->json, LIMIT_JSON_NAME_BYTES, &text, err));
        if (text.len && text.len < sizeof s->model && !memchr(text.data, 0, text.len)) {
            memcpy(s->model, text.data, text.len);
            s->model[text.len] = 0;
        }
    }
}

static rag_status read_additional(struct nano_reader *n, enum json_event event, rag_error *err)
{
    int others = 0;
    if (event != JSON_EVENT_OBJECT)
        return json_reader_skip(&n->json, err);
    for (;;) {
        RAG_TRY(json_reader_next(&n->json, &event, err));
        if (event == JSON_EVENT_OBJECT_END)
            break;
        const int own = slice_is(json_reader_text(&n->json), "ragstore");
        RAG_TRY(json_reader_next(&n->json, &event, err));
        others |= !own;
        RAG_TRY(own && event == JSON_EVENT_OBJECT ? read_own(n, err)
                                                  : json_reader_skip(&n->json, err));
    }
    if (others)
        lightrag_warn(n->job->summary, "\"additional_data\" is not imported: LightRAG has no use "
                                       "for it");
    return RAG_OK;
}

static rag_status read_members(struct nano_reader *n, rag_error *err)
{
    enum json_event event;
    int has_data = 0;
    RAG_TRY(json_reader_next(&n->json, &event, err));
    if (event != JSON_EVENT_OBJECT)
        return json_reader_fail(&n->json, err, RAG_E_CORRUPT, "the file is not an object");
    for (;;) {
        RAG_TRY(json_reader_next(&n->json, &event, err));
        if (event == JSON_EVENT_OBJECT_END)
            break;
        const rag_slice name = json_reader_text(&n->json);
        const int dimension = slice_is(name, "embedding_dim"), data = slice_is(name, "data"),
                  matrix = slice_is(name, "matrix"), more = slice_is(name, "additional_data");
        if (!dimension && !data && !matrix && !more)
            lightrag_warn(n->job->summary, "\"%.*s\" is not known and not imported",
                          RAG_SHOWN(name));
        if (data && has_data)
            return json_reader_fail(&n->json, err, RAG_E_CORRUPT, "\"data\" comes twice");
        has_data |= data;
        RAG_TRY(json_reader_next(&n->json, &event, err));
        if (dimension)
            RAG_TRY(take_dimension(n, event, err));
        else if (data)
            RAG_TRY(read_rows(n, event, err));
        else if (matrix)
            RAG_TRY(pass_matrix(n, event, err));
        else
            RAG_TRY(more ? read_additional(n, event, err) : json_reader_skip(&n->json, err));
    }
    if (!has_data)
        return json_reader_fail(&n->json, err, RAG_E_CORRUPT, "the file has no \"data\"");
    return json_reader_next(&n->json, &event, err);
}

/* The matrix against the rows: of no consequence when it was not used, but worth saying. */
static rag_status check_matrix(struct nano_reader *n, rag_error *err)
{
    const uint64_t bytes = n->index * n->dimension * sizeof(float);
    const uint64_t letters = (bytes + 2) / 3 * 4;
    if (!n->has_matrix || letters == n->matrix_letters)
        return RAG_OK;
    if (n->from_matrix)
        return json_reader_fail(&n->json, err, RAG_E_CORRUPT,
                                "the matrix has %llu characters, the rows need %llu",
                                (unsigned long long)n->matrix_letters, (unsigned long long)letters);
    lightrag_warn(n->job->summary,
                  "the matrix has %llu characters where the rows need %llu; it was not used",
                  (unsigned long long)n->matrix_letters, (unsigned long long)letters);
    return RAG_OK;
}

static void add_warnings(const struct nano_reader *n)
{
    struct lightrag_summary *s = n->job->summary;
    const uint64_t replaced = n->replaced + json_reader_replaced(&n->json);
    s->dimension = n->dimension;
    lightrag_warn_count(s, replaced, "lone surrogate became U+FFFD",
                        "lone surrogates became U+FFFD");
    lightrag_warn_count(s, n->odd_times, "time was not a number of seconds: not known",
                        "times were not numbers of seconds: not known");
    lightrag_warn_count(s, n->from_matrix,
                        "row has no \"vector\": taken from the matrix, which holds it scaled to "
                        "length 1",
                        "rows have no \"vector\": taken from the matrix, which holds them scaled "
                        "to length 1");
    lightrag_warn_count(s, n->nan_rows,
                        "row of the matrix is NaN throughout: taken as a vector of length zero",
                        "rows of the matrix are NaN throughout: taken as vectors of length zero");
}

static rag_status read_file(struct nano_reader *n, rag_error *err)
{
    int blank = 0;
    RAG_TRY(json_reader_is_blank(&n->json, &blank, err));
    if (blank && !n->job->salvage) {
        lightrag_warn(n->job->summary, "the file is empty: taken as no rows");
        return RAG_OK;
    }
    if (n->job->salvage) {
        RAG_TRY(nano_salvage(n, err));
    } else {
        RAG_TRY(read_members(n, err));
        RAG_TRY(check_matrix(n, err));
    }
    add_warnings(n);
    return lightrag_flush(n->job, err);
}

rag_status lightrag_read_vectors(struct lightrag_job *job, rag_error *err)
{
    struct lightrag_stream stream = { job->input, 0 };
    struct nano_reader n = { .job = job, .id = BUFFER_INIT(LIMIT_KEY_BYTES) };
    RAG_TRY(nano_vector_open(&n.vector, err));
    rag_status status = json_reader_open(&n.json, job->input->name, lightrag_fill, &stream, err);
    if (status == RAG_OK) {
        status = read_file(&n, err);
    }
    json_reader_close(&n.json);
    nano_matrix_close(&n.matrix);
    nano_vector_close(&n.vector);
    buffer_free(&n.id);
    return status;
}
