/* vdb_*.json in one pass: each row goes to the file with its vector packed, and its normalised form to
 * what is set aside, as base64 already; at the end that becomes the matrix. Base64 takes three bytes at
 * a time and a row has any number of them, so up to two are carried over to the next row.
 *
 * The matrix, which LightRAG searches in, is made from the vectors as they are: like LightRAG, which makes
 * it from the model's float32 and rounds only what it keeps in the rows. A vector of length zero
 * becomes a row of zeros (scaling it would give NaN). */
#include "nano_writer.h"

#include <math.h>
#include <string.h>

#include "base64.h"
#include "core/alloc.h"
#include "core/arena.h"
#include "core/json_format.h"
#include "core/json_object.h"
#include "core/limits.h"
#include "vindex/vindex.h"

enum { COMPRESSION_LEVEL = 6 }; /* what zlib.compress() of Python takes, so that bytes agree */

/* Members that LightRAG writes itself. */
static const char *const reserved[] = { "__id__", "__created_at__", "__write_seq__", "vector" };

/* ---- memory ----------------------------------------------------------------------------------------- */

static void *zlib_alloc(void *ctx, unsigned count, unsigned size)
{
    (void)ctx;
    return rag_alloc_array(count, size);
}

static void zlib_free(void *ctx, void *memory)
{
    (void)ctx;
    rag_free(memory);
}

static size_t packed_size(const struct nano_writer *w)
{
    return compressBound(2 * (uLong)w->dimension) + 64;
}

/* NanoVectorDB has a place for what an application wants to remember, and keeps it. */
static rag_status add_head(struct buffer *text, uint32_t dimension, const char *model,
                           rag_error *err)
{
    RAG_TRY(buffer_printf(text, err, "{\"embedding_dim\": %u, ", dimension));
    if (*model) {
        RAG_TRY(buffer_append_text(text, "\"additional_data\": {\"ragstore\": {\"model\": ", err));
        RAG_TRY(json_format_string(text, rag_text(model), err));
        RAG_TRY(buffer_append_text(text, "}}, ", err));
    }
    return buffer_append_text(text, "\"data\": [", err);
}

rag_status nano_begin(struct nano_writer *w, const struct lightrag_output *out, uint32_t dimension,
                      const char *model, rag_error *err)
{
    *w = (struct nano_writer){ .out = out,
                               .dimension = dimension,
                               .text = BUFFER_INIT(LIMIT_EXPORT_ROW_BYTES),
                               .zlib = { .zalloc = zlib_alloc, .zfree = zlib_free } };
    const size_t floats = sizeof(float) * dimension + sizeof w->carry;
    const size_t most = floats > packed_size(w) ? floats : packed_size(w);
    w->halves = rag_alloc(2 * (size_t)dimension);
    w->packed = rag_alloc(packed_size(w));
    w->scaled = rag_alloc(floats);
    w->letters = rag_alloc(BASE64_LETTERS(most));
    w->opened = deflateInit(&w->zlib, COMPRESSION_LEVEL) == Z_OK;
    if (!w->halves || !w->packed || !w->scaled || !w->letters || !w->opened)
        return rag_fail_memory(err);
    RAG_TRY(add_head(&w->text, dimension, model, err));
    return out->write(out->ctx, w->text.data, w->text.len, err);
}

void nano_free(struct nano_writer *w)
{
    if (w->opened)
        (void)deflateEnd(&w->zlib);
    rag_free(w->halves);
    rag_free(w->packed);
    rag_free(w->scaled);
    rag_free(w->letters);
    buffer_free(&w->text);
    *w = (struct nano_writer){ 0 };
}

/* ---- a row ------------------------------------------------------------------------------------------ */

int nano_is_reserved(rag_slice name)
{
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
        if (slice_is(name, reserved[i]))
            return 1;
    return 0;
}

/* The payload without reserved members. */
static rag_status clean(struct nano_writer *w, rag_slice payload, struct arena *arena,
                        rag_slice *out, rag_error *err)
{
    struct json_object object;
    struct json_member member;
    size_t i = 0, count = 0;
    RAG_TRY(json_object_parse(payload, "payload", slice_of("", 0), &object, err));
    rag_status status = RAG_OK;
    unsigned char *drop = arena_alloc(arena, object.count + 1);
    if (!drop)
        status = rag_fail_memory(err);
    struct json_cursor cursor = json_members(&object);
    while (drop && json_next(&cursor, &member))
        count += drop[i++] = (unsigned char)nano_is_reserved(member.name);
    if (status == RAG_OK && count)
        status = json_object_without(&object, drop, arena, out, err);
    w->dropped_members += count;
    json_object_free(&object);
    return status;
}

/* Whether some member may be a reserved one; escapes are gone from laid out text. */
static int may_be_reserved(const char *text, size_t len)
{
    return memmem(text, len, "\"__", 3) || memmem(text, len, "\"vector\"", 8);
}

/* ", " and the members of the payload. */
static rag_status add_payload(struct nano_writer *w, rag_slice payload, rag_error *err)
{
    struct buffer *text = &w->text;
    struct arena arena = { 0 };
    const size_t start = text->len;
    rag_status status = json_format(text, payload, JSON_LINE, 0, err);
    if (status == RAG_OK && may_be_reserved(text->data + start, text->len - start)) {
        text->len = start;
        status = clean(w, payload, &arena, &payload, err);
        if (status == RAG_OK)
            status = json_format(text, payload, JSON_LINE, 0, err);
    }
    arena_free(&arena);
    RAG_TRY(status);
    if (text->data[start] != '{')
        return rag_fail(err, RAG_E_CORRUPT, "a payload is not a JSON object");
    if (text->len - start == 2) {
        text->len = start;
        return RAG_OK;
    }
    text->len--; /* the '}' */
    RAG_TRY(buffer_append_char(text, ' ', err));
    memmove(text->data + start + 2, text->data + start + 1, text->len - start - 2);
    memcpy(text->data + start, ", ", 2);
    return RAG_OK;
}

static rag_status add_vector(struct nano_writer *w, const rag_row *row, rag_error *err)
{
    const size_t n = row->dimension;
    const size_t fits = vindex_f16_from_f32(row->vector, n, w->halves);
    if (fits != n)
        return rag_fail(err, RAG_E_INVALID,
                        "element %zu of vector '%.*s' is %g: float16, which LightRAG's files hold, "
                        "ends at 65504",
                        fits, RAG_SHOWN(row->key), (double)row->vector[fits]);
    (void)deflateReset(&w->zlib);
    w->zlib.next_in = w->halves;
    w->zlib.avail_in = (unsigned)(2 * n);
    w->zlib.next_out = w->packed;
    w->zlib.avail_out = (unsigned)packed_size(w);
    if (deflate(&w->zlib, Z_FINISH) != Z_STREAM_END)
        return rag_fail_memory(err); /* there is room for all that zlib can make of it */
    const size_t letters = base64_encode(w->packed, packed_size(w) - w->zlib.avail_out, w->letters);
    RAG_TRY(buffer_append_text(&w->text, ", \"vector\": \"", err));
    RAG_TRY(buffer_append(&w->text, w->letters, letters, err));
    return buffer_append_text(&w->text, "\"}", err);
}

/* The vector's row of the matrix. */
static rag_status set_scaled_aside(struct nano_writer *w, const float *vector, rag_error *err)
{
    unsigned char *bytes = (unsigned char *)w->scaled;
    const size_t n = w->dimension, whole = w->carried + n * sizeof(float);
    double squares = 0;
    for (size_t i = 0; i < n; i++)
        squares += (double)vector[i] * (double)vector[i];
    w->zero_rows += squares == 0;
    const double scale = squares > 0 ? 1 / sqrt(squares) : 0;
    for (size_t i = 0; i < n; i++)
        w->scaled[i] = (float)((double)vector[i] * scale);
    memmove(bytes + w->carried, bytes, n * sizeof(float));
    memcpy(bytes, w->carry, w->carried);
    const size_t letters = base64_encode(bytes, whole - whole % 3, w->letters);
    w->carried = whole % 3;
    memcpy(w->carry, bytes + whole - w->carried, w->carried);
    return w->out->set_aside(w->out->ctx, w->letters, letters, err);
}

rag_status nano_row(struct nano_writer *w, const rag_row *row, rag_error *err)
{
    if (row->dimension != w->dimension || !row->vector)
        return rag_fail(err, RAG_E_CORRUPT, "vector '%.*s' has %zu elements, its space has %u",
                        RAG_SHOWN(row->key), row->dimension, w->dimension);
    lightrag_next_row(&w->text);
    RAG_TRY(buffer_append_text(&w->text, w->rows ? ", {\"__id__\": " : "{\"__id__\": ", err));
    RAG_TRY(lightrag_append_key(&w->text, row->key, err));
    if (row->created_at > 0)
        RAG_TRY(
            buffer_printf(&w->text, err, ", \"__created_at__\": %lld", (long long)row->created_at));
    RAG_TRY(add_payload(w, row->value, err));
    RAG_TRY(add_vector(w, row, err));
    RAG_TRY(w->out->write(w->out->ctx, w->text.data, w->text.len, err));
    w->rows++;
    return set_scaled_aside(w, row->vector, err);
}

rag_status nano_end(struct nano_writer *w, rag_error *err)
{
    const size_t letters = base64_encode(w->carry, w->carried, w->letters);
    RAG_TRY(output_text(w->out, "], \"matrix\": \"", err));
    RAG_TRY(w->out->take_back(w->out->ctx, err));
    RAG_TRY(w->out->write(w->out->ctx, w->letters, letters, err));
    return output_text(w->out, "\"}", err);
}
