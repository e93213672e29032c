/* Values as they are stored: one byte that says how, then the bytes.
 *
 * zstd at a low level, in one frame with its content size and a checksum (SQLite's pages have
 * none), for texts that are long enough to gain; what does not shrink by a tenth stays as it is.
 * The output buffer for compression is only as large as would be worth it: zstd stops by itself
 * where a text does not shrink, and a value of 100 MB never needs a bound of more than that. The
 * content size of a frame is checked against the limit before memory is taken for it. Contexts and
 * buffers are reused from call to call; codec_trim() gives large ones back. */
#include "codec.h"

#include <string.h>
#include <zstd.h>

#include "core/alloc.h"
#include "core/limits.h"
#include "core/slice.h"

enum { HOW_PLAIN = 0, HOW_ZSTD = 1 };
enum { COMPRESS_FROM_BYTES = 200, COMPRESS_FROM_BYTES_WITH_DICTIONARY = 48, LEVEL = 3 };
enum { DICTIONARIES_KEPT = 64 };
enum { KEEP_BYTES = 256 * 1024 }; /* scratch memory that stays between calls */

struct scratch {
    char *data;
    size_t capacity;
};

/* A dictionary made ready, each side when first needed. */
struct ready {
    struct ready *next;
    uint32_t id;
    ZSTD_CDict *compress;
    ZSTD_DDict *decompress;
};

struct codec {
    ZSTD_CCtx *compress; /* made when first needed */
    ZSTD_DCtx *decompress;
    struct scratch encoded, decoded;
    struct ready *dictionaries;
    size_t dictionary_count;
    const ZSTD_CDict *dictionary; /* to encode with; NULL: none */
    codec_loader load;
    void *load_ctx;
};

struct codec *codec_new(void)
{
    return rag_alloc_zeroed(1, sizeof(struct codec));
}

static void release(struct scratch *s)
{
    rag_free(s->data);
    *s = (struct scratch){ NULL, 0 };
}

static void forget_dictionaries(struct codec *c)
{
    while (c->dictionaries) {
        struct ready *next = c->dictionaries->next;
        (void)ZSTD_freeCDict(c->dictionaries->compress);
        (void)ZSTD_freeDDict(c->dictionaries->decompress);
        rag_free(c->dictionaries);
        c->dictionaries = next;
    }
    c->dictionary_count = 0;
    c->dictionary = NULL;
}

void codec_free(struct codec *c)
{
    if (!c)
        return;
    forget_dictionaries(c);
    (void)ZSTD_freeCCtx(c->compress);
    (void)ZSTD_freeDCtx(c->decompress);
    release(&c->encoded);
    release(&c->decoded);
    rag_free(c);
}

void codec_trim(struct codec *c)
{
    if (c->encoded.capacity > KEEP_BYTES) {
        release(&c->encoded);
        (void)ZSTD_freeCCtx(c->compress); /* has grown with its largest input */
        c->compress = NULL;
    }
    if (c->decoded.capacity > KEEP_BYTES)
        release(&c->decoded);
    if (c->dictionary_count > DICTIONARIES_KEPT)
        forget_dictionaries(c);
    c->dictionary = NULL; /* whoever encodes next says with which */
}

/* Room for `size` bytes; what was in it is lost. */
static rag_status make_room(struct scratch *s, size_t size, rag_error *err)
{
    if (s->capacity >= size)
        return RAG_OK;
    const size_t capacity = size < KEEP_BYTES / 2 ? size * 2 : size;
    release(s);
    s->data = rag_alloc(capacity);
    if (!s->data)
        return rag_fail_memory(err);
    s->capacity = capacity;
    return RAG_OK;
}

/* ---- dictionaries ------------------------------------------------------------------------------ */

void codec_set_loader(struct codec *c, codec_loader load, void *ctx)
{
    c->load = load;
    c->load_ctx = ctx;
}

static rag_status find_dictionary(struct codec *c, uint32_t id, struct ready **out, rag_error *err)
{
    struct ready *r = c->dictionaries;
    while (r && r->id != id)
        r = r->next;
    if (!r) {
        r = rag_alloc_zeroed(1, sizeof *r);
        if (!r)
            return rag_fail_memory(err);
        *r = (struct ready){ .next = c->dictionaries, .id = id };
        c->dictionaries = r;
        c->dictionary_count++;
    }
    *out = r;
    return RAG_OK;
}

static rag_status load_dictionary(struct codec *c, uint32_t id, rag_slice *bytes, rag_error *err)
{
    if (!c->load)
        return rag_fail(err, RAG_E_CORRUPT, "compression dictionary %u is not there", id);
    return c->load(c->load_ctx, id, bytes, err);
}

rag_status codec_use_dictionary(struct codec *c, uint32_t id, rag_error *err)
{
    struct ready *r;
    rag_slice bytes;
    c->dictionary = NULL;
    if (!id)
        return RAG_OK;
    RAG_TRY(find_dictionary(c, id, &r, err));
    if (!r->compress) {
        RAG_TRY(load_dictionary(c, id, &bytes, err));
        r->compress = ZSTD_createCDict(bytes.data, bytes.len, LEVEL);
        if (!r->compress)
            return rag_fail_memory(err);
    }
    c->dictionary = r->compress;
    return RAG_OK;
}

static rag_status dictionary_of_frame(struct codec *c, rag_slice frame, const ZSTD_DDict **out,
                                      rag_error *err)
{
    const uint32_t id = ZSTD_getDictID_fromFrame(frame.data, frame.len);
    struct ready *r;
    rag_slice bytes;
    *out = NULL;
    if (!id)
        return RAG_OK;
    RAG_TRY(find_dictionary(c, id, &r, err));
    if (!r->decompress) {
        RAG_TRY(load_dictionary(c, id, &bytes, err));
        r->decompress = ZSTD_createDDict(bytes.data, bytes.len);
        if (!r->decompress)
            return rag_fail_memory(err);
    }
    *out = r->decompress;
    return RAG_OK;
}

uint32_t codec_dictionary_of(rag_slice stored)
{
    const char *bytes = stored.data;
    if (stored.len < 2 || bytes[0] != HOW_ZSTD)
        return 0;
    return ZSTD_getDictID_fromFrame(bytes + 1, stored.len - 1);
}

/* ---- encoding ---------------------------------------------------------------------------------- */

static rag_status make_compressor(struct codec *c, rag_error *err)
{
    if (c->compress)
        return RAG_OK;
    c->compress = ZSTD_createCCtx();
    if (!c->compress ||
        ZSTD_isError(ZSTD_CCtx_setParameter(c->compress, ZSTD_c_compressionLevel, LEVEL)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(c->compress, ZSTD_c_checksumFlag, 1)))
        return rag_fail_memory(err);
    return RAG_OK;
}

/* *out is empty when it does not pay. */
static rag_status compress(struct codec *c, rag_slice text, rag_slice *out, rag_error *err)
{
    const size_t room = text.len - text.len / 10;
    RAG_TRY(make_compressor(c, err));
    RAG_TRY(make_room(&c->encoded, room + 1, err));
    c->encoded.data[0] = HOW_ZSTD;
    (void)ZSTD_CCtx_refCDict(c->compress, c->dictionary);
    const size_t n = ZSTD_compress2(c->compress, c->encoded.data + 1, room, text.data, text.len);
    *out = ZSTD_isError(n) ? slice_of(NULL, 0) : slice_of(c->encoded.data, n + 1);
    return RAG_OK;
}

rag_status codec_encode(struct codec *c, rag_slice text, rag_slice *out, rag_error *err)
{
    if (text.len > LIMIT_VALUE_BYTES)
        return rag_fail(err, RAG_E_INVALID, "a value of %zu bytes is larger than %zu", text.len,
                        LIMIT_VALUE_BYTES);
    rag_slice packed = { NULL, 0 };
    if (text.len >= (c->dictionary ? COMPRESS_FROM_BYTES_WITH_DICTIONARY : COMPRESS_FROM_BYTES))
        RAG_TRY(compress(c, text, &packed, err));
    if (!packed.len) {
        RAG_TRY(make_room(&c->encoded, text.len + 1, err));
        c->encoded.data[0] = HOW_PLAIN;
        if (text.len)
            memcpy(c->encoded.data + 1, text.data, text.len);
        packed = slice_of(c->encoded.data, text.len + 1);
    }
    *out = packed;
    return RAG_OK;
}

/* ---- decoding ------------------------------------------------------------------------------------ */

static rag_status corrupt(const char *what, rag_slice name, const char *why, rag_error *err)
{
    return rag_fail(err, RAG_E_CORRUPT, "%s '%.*s' cannot be read: %s", what, RAG_SHOWN(name), why);
}

static rag_status decompress(struct codec *c, rag_slice frame, const char *what, rag_slice name,
                             rag_slice *out, rag_error *err)
{
    const unsigned long long size = ZSTD_getFrameContentSize(frame.data, frame.len);
    if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN)
        return corrupt(what, name, "its compressed form has no valid header", err);
    if (size > LIMIT_VALUE_BYTES)
        return corrupt(what, name, "it says to be larger than any value may be", err);
    if (ZSTD_findFrameCompressedSize(frame.data, frame.len) != frame.len)
        return corrupt(what, name, "its compressed form has the wrong length", err);
    if (!c->decompress && !(c->decompress = ZSTD_createDCtx()))
        return rag_fail_memory(err);
    const ZSTD_DDict *dictionary;
    RAG_TRY(dictionary_of_frame(c, frame, &dictionary, err));
    RAG_TRY(make_room(&c->decoded, (size_t)size, err));
    const size_t n = ZSTD_decompress_usingDDict(c->decompress, c->decoded.data, (size_t)size,
                                                frame.data, frame.len, dictionary);
    if (ZSTD_isError(n))
        return corrupt(what, name, ZSTD_getErrorName(n), err);
    if (n != size)
        return corrupt(what, name, "it has another size than it says", err);
    *out = slice_of(c->decoded.data, n);
    return RAG_OK;
}

rag_status codec_decode(struct codec *c, rag_slice stored, const char *what, rag_slice name,
                        rag_slice *out, rag_error *err)
{
    if (!stored.len)
        return corrupt(what, name, "it is empty", err);
    const unsigned char *bytes = stored.data;
    const rag_slice rest = slice_of(bytes + 1, stored.len - 1);
    switch (bytes[0]) {
    case HOW_PLAIN: *out = rest; return RAG_OK;
    case HOW_ZSTD: return decompress(c, rest, what, name, out, err);
    default: return corrupt(what, name, "it is stored in an unknown way", err);
    }
}
