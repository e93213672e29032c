/* Inner loops in plain C: what runs where nothing better is known, and the reference of the tests.
 *
 * Without a POPCNT instruction the scan adds one table look-up per byte of code: the table holds the
 * sum of the coarse query over the bits of each byte value, so the answer is the same integer that
 * the bit-plane kernels count. The fine kernel spreads bits to bytes through a 2 kB table, eight
 * dimensions at a time. Rows may be unaligned: every read goes through memcpy. */
#include <string.h>

#include "kernels.h"
#include "row_loops.h"

enum { LANES = 16 }; /* partial sums: shortens rounding chains and lets the compiler vectorise */

static void scan(const struct query_bits *q, const uint64_t *codes, size_t rows, int32_t *sums)
{
    const size_t bytes = q->words * 8;
    const uint8_t *code = (const uint8_t *)codes;
    for (size_t row = 0; row < rows; row++, code += bytes) {
        const int8_t *table = q->table;
        int32_t sum = 0;
        for (size_t i = 0; i < bytes; i += 4, table += (ptrdiff_t)4 * TABLE_ENTRIES)
            sum += table[code[i]] + table[TABLE_ENTRIES + code[i + 1]] +
                   table[2 * TABLE_ENTRIES + code[i + 2]] + table[3 * TABLE_ENTRIES + code[i + 3]];
        sums[row] = sum;
    }
}

/* Byte i of the answer is bit i of `bits`. */
static uint64_t spread(uint8_t bits)
{
    const uint64_t copies = bits * 0x0101010101010101u & 0x8040201008040201u;
    return (copies + 0x7f7f7f7f7f7f7f7fu) >> 7 & 0x0101010101010101u;
}

int32_t portable_fine(const struct query_bits *q, const uint64_t *sign, const uint64_t *planes)
{
    const size_t bytes = q->words * 8;
    const uint8_t *b3 = (const uint8_t *)sign, *b2 = (const uint8_t *)planes, *b1 = b2 + bytes,
                  *b0 = b1 + bytes;
    int32_t sum = 0;
    for (size_t i = 0; i < bytes; i++) {
        const uint64_t values =
            spread(b3[i]) << 3 | spread(b2[i]) << 2 | spread(b1[i]) << 1 | spread(b0[i]);
        uint8_t value[8];
        memcpy(value, &values, sizeof value);
        for (size_t j = 0; j < 8; j++)
            sum += value[j] * q->fine[i * 8 + j];
    }
    return sum;
}

static float total(const float *lanes)
{
    float sum[4] = { 0, 0, 0, 0 };
    for (size_t i = 0; i < LANES; i++)
        sum[i % 4] += lanes[i];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* LANES elements of a row, as floats. */
static inline void load_f32(const char *row, float *out)
{
    memcpy(out, row, LANES * sizeof(float));
}

/* As half_to_float(), without a branch: the exponent is corrected by a multiplication, which also
 * makes denormals right. */
static inline void load_f16(const char *row, float *out)
{
    uint16_t halves[LANES];
    uint32_t bits[LANES], extra[LANES];
    memcpy(halves, row, sizeof halves);
    for (size_t i = 0; i < LANES; i++) {
        const int32_t half = halves[i], magnitude = (half & 0x7fff) << 13;
        bits[i] = (uint32_t)magnitude;
        extra[i] = (uint32_t)(half & 0x8000) << 16 | (magnitude >= 0x0f800000 ? 0x7f800000u : 0);
    }
    memcpy(out, bits, sizeof bits);
    for (size_t i = 0; i < LANES; i++)
        out[i] *= 0x1p112f;
    memcpy(bits, out, sizeof bits);
    for (size_t i = 0; i < LANES; i++)
        bits[i] |= extra[i]; /* sign; infinity and NaN */
    memcpy(out, bits, sizeof bits);
}

enum shape { DOT, DOT_NORM, L2SQ };

struct sums {
    float main[LANES], norm2[LANES];
};

static inline __attribute__((always_inline)) void turn(struct sums *s, const float *q,
                                                       const char *row, int is_half,
                                                       enum shape shape)
{
    float r[LANES];
    if (is_half)
        load_f16(row, r);
    else
        load_f32(row, r);
    for (size_t i = 0; i < LANES; i++) {
        const float left = shape == L2SQ ? q[i] - r[i] : q[i];
        const float right = shape == L2SQ ? left : r[i];
        s->main[i] += left * right;
        if (shape == DOT_NORM)
            s->norm2[i] += r[i] * r[i];
    }
}

static inline __attribute__((always_inline)) float exact(const float *query, const void *row,
                                                         size_t n, float *norm2, int is_half,
                                                         enum shape shape)
{
    const size_t width = is_half ? 2 : 4, whole = n - n % LANES;
    const char *r = row;
    struct sums s = { { 0 }, { 0 } };
    for (size_t i = 0; i < whole; i += LANES)
        turn(&s, query + i, r + i * width, is_half, shape);
    if (whole < n) {
        float q_tail[LANES] = { 0 };
        char r_tail[LANES * 4] = { 0 };
        memcpy(q_tail, query + whole, (n - whole) * sizeof(float));
        memcpy(r_tail, r + whole * width, (n - whole) * width);
        turn(&s, q_tail, r_tail, is_half, shape);
    }
    if (shape == DOT_NORM)
        *norm2 = total(s.norm2);
    return total(s.main);
}

float portable_dot_f32(const float *query, const void *row, size_t n)
{
    return exact(query, row, n, NULL, 0, DOT);
}

float portable_dot_f16(const float *query, const void *row, size_t n)
{
    return exact(query, row, n, NULL, 1, DOT);
}

float portable_dot_norm_f32(const float *query, const void *row, size_t n, float *norm2)
{
    return exact(query, row, n, norm2, 0, DOT_NORM);
}

float portable_dot_norm_f16(const float *query, const void *row, size_t n, float *norm2)
{
    return exact(query, row, n, norm2, 1, DOT_NORM);
}

float portable_l2sq_f32(const float *query, const void *row, size_t n)
{
    return exact(query, row, n, NULL, 0, L2SQ);
}

float portable_l2sq_f16(const float *query, const void *row, size_t n)
{
    return exact(query, row, n, NULL, 1, L2SQ);
}

void portable_f16_to_f32(const void *src, size_t n, float *dst)
{
    for (size_t i = 0; i < n; i++) {
        uint16_t half;
        memcpy(&half, (const char *)src + i * 2, sizeof half);
        dst[i] = half_to_float(half);
    }
}

void portable_f16_from_f32(const float *src, size_t n, void *dst)
{
    for (size_t i = 0; i < n; i++) {
        const uint16_t half = half_from_float(src[i]);
        memcpy((char *)dst + i * 2, &half, sizeof half);
    }
}

ROW_LOOPS

const struct kernels kernels_portable = {
    ROW_LOOPS_ENTRIES,
    .scan = scan,
    .fine = portable_fine,
    .dot_f32 = portable_dot_f32,
    .dot_f16 = portable_dot_f16,
    .l2sq_f32 = portable_l2sq_f32,
    .l2sq_f16 = portable_l2sq_f16,
    .dot_norm_f32 = portable_dot_norm_f32,
    .dot_norm_f16 = portable_dot_norm_f16,
    .f16_to_f32 = portable_f16_to_f32,
    .f16_from_f32 = portable_f16_from_f32,
    .needs_table = 1,
};
