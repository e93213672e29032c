/* Unpacking vectors. One z_stream is used for all rows (inflateReset costs nothing, inflateInit
 * allocates 40 kB); what comes out is bounded by the largest vector there can be, so that a field
 * that unpacks to gigabytes is refused after 128 kB. The length against the dimension is the
 * caller's to check: only he knows it. */
#include "nano_vector.h"

#include <stdio.h>

#include "core/alloc.h"
#include "core/floats.h"
#include "vindex/vindex.h"

enum { HALVES_BYTES = 2 * RAG_DIMENSION_MAX + 1 };

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

rag_status nano_vector_open(struct nano_vector *v, rag_error *err)
{
    *v = (struct nano_vector){ .zlib = { .zalloc = zlib_alloc, .zfree = zlib_free } };
    base64_init(&v->alphabet);
    v->packed = rag_alloc(NANO_FIELD_BYTES);
    v->halves = rag_alloc(HALVES_BYTES);
    v->opened = inflateInit(&v->zlib) == Z_OK;
    if (v->packed && v->halves && v->opened)
        return RAG_OK;
    nano_vector_close(v);
    return rag_fail_memory(err);
}

void nano_vector_close(struct nano_vector *v)
{
    if (v->opened)
        (void)inflateEnd(&v->zlib);
    rag_free(v->packed);
    rag_free(v->halves);
    v->packed = v->halves = NULL;
    v->opened = 0;
}

int nano_vector_unpack(struct nano_vector *v, rag_slice field, char *why)
{
    size_t packed = 0, bad = 0;
    if (field.len > NANO_FIELD_BYTES) {
        (void)snprintf(why, NANO_WHY_BYTES, "it is longer than any vector");
        return 0;
    }
    if (!base64_decode(&v->alphabet, field.data, field.len, v->packed, &packed, &bad)) {
        (void)snprintf(why, NANO_WHY_BYTES, "its base64 is wrong at character %zu", bad);
        return 0;
    }
    (void)inflateReset(&v->zlib);
    v->zlib.next_in = v->packed;
    v->zlib.avail_in = (unsigned)packed;
    v->zlib.next_out = v->halves;
    v->zlib.avail_out = HALVES_BYTES;
    const int answer = inflate(&v->zlib, Z_FINISH);
    if (answer != Z_STREAM_END) {
        const char *what = v->zlib.msg ? v->zlib.msg : "it ends too early";
        (void)snprintf(why, NANO_WHY_BYTES, "its zlib data are wrong: %s",
                       v->zlib.avail_out ? what : "they unpack to more than any vector");
        return 0;
    }
    if (v->zlib.avail_in) {
        (void)snprintf(why, NANO_WHY_BYTES, "%u bytes follow its zlib data", v->zlib.avail_in);
        return 0;
    }
    v->len = HALVES_BYTES - v->zlib.avail_out;
    return 1;
}

void nano_vector_floats(const struct nano_vector *v, float *out, size_t *bad)
{
    vindex_f16_to_f32(v->halves, v->len / 2, out);
    *bad = floats_first_bad(out, v->len / 2);
}
