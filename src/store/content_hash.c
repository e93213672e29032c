/* rag_store_content_hash(): the same rows give the same fingerprint, whatever keeps them.
 *
 * Each row is brought into one form (docs/content-hash.md) and hashed by itself; the hashes of a
 * namespace are added as numbers modulo 2^256. A sum does not depend on the order of rows, which
 * backends choose for themselves, needs no sorting, and unlike an exclusive or it is not undone by a
 * row that comes twice. It is a fingerprint for comparing and no seal: someone who wants two different
 * stores to have the same one may find such a pair.
 *
 * Built from the public scans, page by page, so it is the same code for every backend, and what it sees
 * is what every caller sees. Consistent as long as nobody writes meanwhile. */
#include <string.h>

#include "core/buffer.h"
#include "core/context.h"
#include "core/digest.h"
#include "core/floats.h"
#include "core/json_format.h"
#include "core/page_rows.h"
#include "core/result.h"
#include "dispatch.h"

enum { SUM_BYTES = DIGEST_SHA256_BYTES };

struct hasher {
    rag_store *store;
    const rag_context *ctx;
    rag_result *out;
    struct buffer row; /* the form of one row, and of a namespace */
    struct buffer all; /* the form of all namespaces */
    unsigned char sum[SUM_BYTES];
    uint64_t rows, rows_done, rows_total;
};

/* The members of a namespace: which scan, and what a row's form holds beside its value. */
enum hash_kind { HASH_KV, HASH_VECTORS, HASH_NODES, HASH_EDGES, HASH_DOCS, HASH_KINDS };

static const char *const kind_names[HASH_KINDS] = { "kv", "vector", "graph_nodes", "graph_edges",
                                                    "doc_status" };

/* ---- the form of a row ----------------------------------------------------------------------------- */

static rag_status add_number(struct buffer *b, uint64_t number, rag_error *err)
{
    unsigned char bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(number >> (8 * i));
    return buffer_append(b, bytes, sizeof bytes, err);
}

static rag_status add_bytes(struct buffer *b, rag_slice bytes, rag_error *err)
{
    RAG_TRY(add_number(b, bytes.len, err));
    return buffer_append(b, bytes.data, bytes.len, err);
}

static rag_status add_vector(struct buffer *b, const rag_row *row, rag_error *err)
{
    const size_t bytes = row->vector ? 2 * row->dimension : 0;
    RAG_TRY(add_number(b, row->dimension, err));
    RAG_TRY(buffer_reserve(b, bytes, err));
    if (bytes)
        floats_to_half(row->vector, row->dimension, (unsigned char *)b->data + b->len);
    b->len += bytes;
    return RAG_OK;
}

static rag_status add_row(struct buffer *b, enum hash_kind kind, const rag_row *row, rag_error *err)
{
    rag_slice first = row->key, second = row->key2;
    if (kind == HASH_EDGES && slice_compare(first, second) > 0) {
        first = row->key2;
        second = row->key;
    }
    buffer_clear(b);
    RAG_TRY(add_bytes(b, first, err));
    if (kind == HASH_EDGES)
        RAG_TRY(add_bytes(b, second, err));
    const size_t at = b->len;
    RAG_TRY(add_number(b, 0, err)); /* the length, known when the text is there */
    RAG_TRY(json_format(b, row->value, JSON_CANONICAL, 0, err));
    const uint64_t len = b->len - at - 8;
    for (int i = 0; i < 8; i++)
        b->data[at + (size_t)i] = (char)(len >> (8 * i));
    if (kind == HASH_KV || kind == HASH_VECTORS)
        RAG_TRY(add_number(b, (uint64_t)row->created_at, err));
    if (kind == HASH_KV)
        RAG_TRY(add_number(b, (uint64_t)row->updated_at, err));
    return kind == HASH_VECTORS ? add_vector(b, row, err) : RAG_OK;
}

/* sum += number, both with the least byte first */
static void add_to_sum(unsigned char *sum, const unsigned char *number)
{
    unsigned carry = 0;
    for (size_t i = 0; i < SUM_BYTES; i++) {
        carry += (unsigned)sum[i] + number[i];
        sum[i] = (unsigned char)carry;
        carry >>= 8;
    }
}

static rag_status take_row(struct hasher *h, enum hash_kind kind, const rag_row *row,
                           rag_error *err)
{
    unsigned char digest[DIGEST_SHA256_BYTES];
    RAG_TRY(add_row(&h->row, kind, row, err));
    RAG_TRY(digest_sha256(buffer_slice(&h->row), digest, err));
    add_to_sum(h->sum, digest);
    h->rows++;
    return RAG_OK;
}

/* ---- namespaces ------------------------------------------------------------------------------------- */

static rag_status next_page(const struct hasher *h, enum hash_kind kind, const char *name,
                            rag_slice after, size_t rows, rag_result **page, rag_error *err)
{
    switch (kind) {
    case HASH_KV: return rag_kv_scan(h->store, h->ctx, name, after, rows, page, err);
    case HASH_VECTORS:
        return rag_vector_scan(h->store, h->ctx, name, after, rows,
                               RAG_VECTOR_VALUES | RAG_VECTOR_VECTORS, page, err);
    case HASH_NODES:
        return rag_graph_scan_nodes(h->store, h->ctx, after, rows, RAG_GRAPH_VALUES, page, err);
    case HASH_EDGES:
        return rag_graph_scan_edges(h->store, h->ctx, after, rows, RAG_GRAPH_VALUES, page, err);
    case HASH_DOCS:
    case HASH_KINDS: break;
    }
    return rag_docstatus_scan(h->store, h->ctx, after, rows, page, err);
}

static rag_status take_page(struct hasher *h, enum hash_kind kind, const rag_result *page,
                            rag_error *err)
{
    for (size_t i = 0; i < rag_result_count(page); i++)
        RAG_TRY(take_row(h, kind, rag_result_row(page, i), err));
    context_progress(h->ctx, "content hash", h->rows_done + h->rows, h->rows_total, 0, 0);
    return RAG_OK;
}

static rag_status take_rows(struct hasher *h, enum hash_kind kind, const char *name, rag_error *err)
{
    rag_result *page = NULL;
    size_t rows = PAGE_ROWS_FIRST;
    rag_status status = RAG_OK;
    do {
        rag_result *next = NULL;
        const rag_slice after = page ? rag_result_next(page) : slice_of(NULL, 0);
        status = next_page(h, kind, name, after, rows, &next, err);
        rag_result_free(page);
        page = next;
        if (status == RAG_OK)
            status = take_page(h, kind, page, err);
        if (status == RAG_OK)
            rows = page_rows_next(page, rows);
    } while (status == RAG_OK && rag_result_next(page).len);
    rag_result_free(page);
    return status;
}

static rag_status report(struct hasher *h, rag_slice kind, rag_slice name, uint64_t rows,
                         rag_slice form, rag_error *err)
{
    char text[1 + DIGEST_SHA256_HEX_BYTES];
    RAG_TRY(digest_sha256_hex(form, text + 1, err));
    text[0] = '"';
    text[sizeof text - 1] = '"'; /* in place of the NUL */
    const rag_row row = { .key = kind,
                          .key2 = name,
                          .value = slice_of(text, sizeof text),
                          .found = 1,
                          .number = (int64_t)rows };
    return rag_result_append(h->out, &row, err);
}

static rag_status take_namespace(struct hasher *h, enum hash_kind kind, const rag_row *row,
                                 rag_error *err)
{
    char name[LIMIT_NAME_BYTES + 1];
    if (row->key2.len >= sizeof name)
        return rag_fail(err, RAG_E_CORRUPT, "namespace '%.*s' has too long a name",
                        RAG_SHOWN(row->key2));
    memcpy(name, row->key2.data, row->key2.len);
    name[row->key2.len] = 0;
    memset(h->sum, 0, sizeof h->sum);
    h->rows = 0;
    RAG_TRY(take_rows(h, kind, name, err));
    h->rows_done += h->rows;
    if (!h->rows)
        return RAG_OK;
    buffer_clear(&h->row);
    RAG_TRY(add_bytes(&h->row, row->key, err));
    RAG_TRY(add_bytes(&h->row, row->key2, err));
    RAG_TRY(add_number(&h->row, h->rows, err));
    RAG_TRY(buffer_append(&h->row, h->sum, sizeof h->sum, err));
    RAG_TRY(buffer_append(&h->all, h->row.data, h->row.len, err));
    return report(h, row->key, row->key2, h->rows, buffer_slice(&h->row), err);
}

/* ---- the call --------------------------------------------------------------------------------------- */

static int is_hashed(const rag_row *row, enum hash_kind *kind)
{
    for (*kind = HASH_KV; *kind < HASH_KINDS; (*kind)++)
        if (slice_is(row->key, kind_names[*kind]))
            return 1;
    return 0;
}

static rag_status take_all(struct hasher *h, const rag_result *spaces, rag_error *err)
{
    enum hash_kind kind;
    for (size_t i = 0; i < rag_result_count(spaces); i++)
        if (is_hashed(rag_result_row(spaces, i), &kind))
            h->rows_total += (uint64_t)rag_result_row(spaces, i)->number;
    for (size_t i = 0; i < rag_result_count(spaces); i++)
        if (is_hashed(rag_result_row(spaces, i), &kind))
            RAG_TRY(take_namespace(h, kind, rag_result_row(spaces, i), err));
    return report(h, rag_text("all"), slice_of("", 0), h->rows_done, buffer_slice(&h->all), err);
}

rag_status rag_store_content_hash(rag_store *store, const rag_context *ctx, rag_result **out,
                                  rag_error *err)
{
    rag_context normal;
    rag_result *spaces = NULL;
    struct hasher h = { .store = store,
                        .row = BUFFER_INIT(2 * LIMIT_VALUE_BYTES),
                        .all = BUFFER_INIT(LIMIT_VALUE_BYTES) };
    RAG_TRY(check_out(out, err));
    RAG_TRY(context_normalise(ctx, &normal, err));
    h.ctx = &normal;
    RAG_TRY(rag_store_namespaces(store, ctx, &spaces, err));
    h.out = rag_result_new(err);
    const rag_status status = h.out ? take_all(&h, spaces, err) : RAG_E_NO_MEMORY;
    rag_result_free(spaces);
    buffer_free(&h.row);
    buffer_free(&h.all);
    return h.out ? store_hand_over(status, h.out, out) : status;
}
