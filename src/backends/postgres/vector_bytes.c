/* Vectors as bytes, and the names in payloads.
 *
 * pgvector sends a vector as its dimension (int16), two bytes of nothing, and its elements, floats or
 * halves, most significant byte first. Which of both it is follows from the length, so what somebody
 * else made of a column (LightRAG changes its type between vector and halfvec) is read all the same.
 * Elements that PostgreSQL refuses never come here: the library has looked for NaN and infinities. */
#include <math.h>
#include <string.h>

#include "vector.h"

enum { HEADER = 4, HALF_BYTES = 2, FLOAT_BYTES = 4 };

__extension__ typedef _Float16 half; /* rounds to nearest, ties to even */

static const float HALF_LIMIT = 65520.0f; /* from here on it would round to infinity */

static void add_float(struct pg_text *out, float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    const unsigned char bytes[FLOAT_BYTES] = { (unsigned char)(bits >> 24),
                                               (unsigned char)(bits >> 16),
                                               (unsigned char)(bits >> 8), (unsigned char)bits };
    pg_text_add(out, bytes, sizeof bytes);
}

static void add_half(struct pg_text *out, half x)
{
    uint16_t bits;
    memcpy(&bits, &x, sizeof bits);
    const unsigned char bytes[HALF_BYTES] = { (unsigned char)(bits >> 8), (unsigned char)bits };
    pg_text_add(out, bytes, sizeof bytes);
}

rag_status pg_vector_encode(const rag_host *host, const rag_vector_space *space, int is_half,
                            rag_slice id, const float *v, size_t n, struct pg_text *out,
                            rag_error *err)
{
    const unsigned char header[HEADER] = { (unsigned char)(n >> 8), (unsigned char)n, 0, 0 };
    pg_text_add(out, header, sizeof header);
    for (size_t i = 0; i < n; i++) {
        if (space->element != RAG_ELEMENT_FLOAT16) {
            add_float(out, v[i]);
            continue;
        }
        if (!(fabsf(v[i]) < HALF_LIMIT))
            return host->fail(
                err, RAG_E_INVALID, "element %zu of vector '%.*s' is %g, too large for float16", i,
                (int)(id.len < 120 ? id.len : 120), (const char *)id.data, (double)v[i]);
        if (is_half)
            add_half(out, (half)v[i]);
        else
            add_float(out, (float)(half)v[i]);
    }
    return pg_text_check(out, err);
}

static float float_at(const unsigned char *p)
{
    const uint32_t bits =
        (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | (uint32_t)p[3];
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static float half_at(const unsigned char *p)
{
    const uint16_t bits = (uint16_t)(p[0] << 8 | p[1]);
    half x;
    memcpy(&x, &bits, sizeof x);
    return (float)x;
}

rag_status pg_vector_decode(const rag_host *host, rag_slice bytes, struct pg_text *buffer,
                            const float **v, size_t *n, rag_error *err)
{
    const unsigned char *p = bytes.data;
    const size_t count = bytes.len >= HEADER ? (size_t)p[0] << 8 | p[1] : 0;
    const int halves = bytes.len == HEADER + count * HALF_BYTES;
    if (!count || (!halves && bytes.len != HEADER + count * FLOAT_BYTES))
        return host->fail(err, RAG_E_CORRUPT, "PostgreSQL: %zu bytes are no vector", bytes.len);
    p += HEADER;
    pg_text_clear(buffer);
    for (size_t i = 0; i < count; i++) {
        const float x = halves ? half_at(p + i * HALF_BYTES) : float_at(p + i * FLOAT_BYTES);
        pg_text_add(buffer, &x, sizeof x);
    }
    PG_TRY(pg_text_check(buffer, err));
    *v = (const float *)(const void *)buffer->data;
    *n = count;
    return RAG_OK;
}

/* ---- names ----------------------------------------------------------------------------------------- */

struct naming {
    const struct pg_table *table;
    struct pg_names *out;
};

static int is_held(const struct pg_table *table, rag_slice name, rag_slice string)
{
    for (size_t i = 0; table && i < table->column_count; i++)
        if (pg_is_text(name, table->columns[i].member))
            return pg_text_fits(string, table->columns[i].width);
    return 0;
}

static rag_status note_name(void *user, rag_slice name, rag_slice text, rag_slice string,
                            rag_error *err)
{
    static const char *const members[PG_NAMES] = { "entity_name", "src_id", "tgt_id" };
    const struct naming *n = user;
    (void)text;
    for (size_t i = 0; i < PG_NAMES; i++) {
        struct pg_text *to = &n->out->text[i];
        if (!string.data || !pg_is_text(name, members[i]) || is_held(n->table, name, string))
            continue;
        pg_text_clear(to);
        pg_text_add(to, string.data, string.len);
        n->out->there[i] = 1;
        return pg_text_check(to, err);
    }
    return RAG_OK;
}

rag_status pg_names_of(const rag_host *host, const struct pg_table *table, rag_slice payload,
                       struct pg_names *out, rag_error *err)
{
    struct naming n = { table, out };
    for (size_t i = 0; i < PG_NAMES; i++) {
        out->text[i].host = host;
        out->there[i] = 0;
    }
    return host->json_members(payload, note_name, &n, err);
}

void pg_names_add(const struct pg_names *names, struct pg_array columns[PG_NAMES])
{
    for (size_t i = 0; i < PG_NAMES; i++)
        pg_array_add(&columns[i], (rag_slice){ names->there[i] ? names->text[i].data : NULL,
                                               names->text[i].len });
}

void pg_names_free(struct pg_names *names)
{
    for (size_t i = 0; i < PG_NAMES; i++)
        pg_text_free(&names->text[i]);
}
