/* Results. Rows are copied in, so that no backend's memory ever reaches a caller. An append that
 * fails leaves the rows as they were; what it had copied stays in the arena until the end. */
#include "result.h"

#include "alloc.h"
#include "limits.h"
#include "slice.h"

rag_result *rag_result_new(rag_error *err)
{
    rag_result *r = rag_alloc_zeroed(1, sizeof *r);
    if (!r)
        (void)rag_fail_memory(err);
    return r;
}

static rag_status grow(rag_result *r, rag_error *err)
{
    if (r->count < r->capacity)
        return RAG_OK;
    const size_t capacity = r->capacity ? r->capacity * 2 : 16;
    if (capacity > LIMIT_RESULT_BYTES / sizeof(rag_row))
        return rag_fail(err, RAG_E_NO_MEMORY, "result of more than %zu rows", r->count);
    rag_row *rows = rag_realloc(r->rows, capacity * sizeof *rows);
    if (!rows)
        return rag_fail_memory(err);
    r->rows = rows;
    r->capacity = capacity;
    return RAG_OK;
}

static int copy_slice(struct arena *a, rag_slice *s)
{
    if (!s->len) {
        s->data = "";
        return 1;
    }
    s->data = arena_copy(a, s->data, s->len);
    return s->data != NULL;
}

/* `is_ours`: its key is in the arena already. */
static rag_status append(rag_result *r, rag_row row, int is_ours, rag_error *err)
{
    const size_t bytes = (is_ours ? 0 : row.key.len) + row.key2.len + row.value.len;
    RAG_TRY(grow(r, err));
    if (bytes > LIMIT_RESULT_BYTES || r->arena.used_bytes > LIMIT_RESULT_BYTES - bytes)
        return rag_fail(err, RAG_E_NO_MEMORY, "result of more than %zu bytes", LIMIT_RESULT_BYTES);
    if ((!is_ours && !copy_slice(&r->arena, &row.key)) || !copy_slice(&r->arena, &row.key2) ||
        !copy_slice(&r->arena, &row.value))
        return rag_fail_memory(err);
    if (row.vector) {
        row.vector = arena_copy(&r->arena, row.vector, row.dimension * sizeof(float));
        if (!row.vector)
            return rag_fail_memory(err);
    }
    r->rows[r->count++] = row;
    return RAG_OK;
}

rag_status rag_result_append(rag_result *r, const rag_row *row, rag_error *err)
{
    return append(r, *row, 0, err);
}

rag_status rag_result_append_same_key(rag_result *r, const rag_row *row, rag_error *err)
{
    rag_row with_key = *row;
    with_key.key = r->rows[r->count - 1].key;
    return append(r, with_key, 1, err);
}

rag_status rag_result_append_absent(rag_result *r, rag_slice key, rag_slice key2, rag_error *err)
{
    const rag_row row = { .key = key, .key2 = key2 };
    return rag_result_append(r, &row, err);
}

rag_status rag_result_set_next(rag_result *r, rag_slice position, rag_error *err)
{
    if (!copy_slice(&r->arena, &position))
        return rag_fail_memory(err);
    r->next = position;
    return RAG_OK;
}

void rag_result_add_flags(rag_result *r, unsigned flags)
{
    r->flags |= flags;
}

void rag_result_set_total(rag_result *r, uint64_t total)
{
    r->total = total;
    r->has_total = 1;
}

void rag_result_set_number(rag_result *r, size_t row, int64_t number)
{
    r->rows[row].number = number;
}

void rag_result_truncate(rag_result *r, size_t count)
{
    if (count < r->count)
        r->count = count;
}

size_t rag_result_count(const rag_result *r)
{
    return r ? r->count : 0;
}

const rag_row *rag_result_row(const rag_result *r, size_t index)
{
    return r && index < r->count ? &r->rows[index] : NULL;
}

unsigned rag_result_flags(const rag_result *r)
{
    return r ? r->flags : 0;
}

rag_slice rag_result_next(const rag_result *r)
{
    return r && r->next.len ? r->next : slice_of("", 0);
}

uint64_t rag_result_total(const rag_result *r)
{
    if (!r)
        return 0;
    return r->has_total ? r->total : r->count;
}

void rag_result_free(rag_result *r)
{
    if (!r)
        return;
    arena_free(&r->arena);
    rag_free(r->rows);
    rag_free(r);
}
