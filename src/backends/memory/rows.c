/* Rows, and what key-value, vector and document stores do alike: fetch in the order asked, scan by
 * key, delete, drop.
 *
 * A row never changes once it is in a map. Reading slots work on one version from beginning to end,
 * so that an answer never mixes two states of the store. Who may call: this folder. */
#include <string.h>

#include "state.h"

/* ---- rows ---------------------------------------------------------------------------------------- */

static void row_dispose(const rag_host *host, struct item *item)
{
    host->free(item);
}

static rag_slice copy_to(char **to, rag_slice bytes)
{
    const rag_slice copy = { *to, bytes.len };
    if (bytes.len)
        memcpy(*to, bytes.data, bytes.len);
    *to += bytes.len;
    return copy;
}

struct row *memory_row_new(const rag_host *host, rag_slice key, const rag_slice *parts,
                           size_t part_count, size_t dimension)
{
    size_t bytes = key.len + dimension * sizeof(float);
    for (size_t i = 0; i < part_count; i++)
        bytes += parts[i].len;
    struct row *row = host->alloc(sizeof *row + bytes);
    if (!row)
        return NULL;
    memset(row, 0, sizeof *row);
    atomic_init(&row->item.references, 1);
    row->item.bytes = bytes;
    row->item.dispose = row_dispose;
    row->dimension = dimension;
    row->vector = dimension ? (float *)(row + 1) : NULL;
    char *to = (char *)(row + 1) + dimension * sizeof(float);
    row->item.key = copy_to(&to, key);
    for (size_t i = 0; i < part_count; i++)
        row->parts[i] = copy_to(&to, parts[i]);
    return row;
}

rag_status memory_row_append(const rag_call *call, const struct row *row, unsigned what,
                             rag_result *out, rag_error *err)
{
    rag_row answer = { .key = row->item.key, .found = 1 };
    answer.created_at = row->created_at;
    answer.updated_at = row->updated_at;
    if (what & ROW_VALUE)
        answer.value = row->parts[0];
    if (what & ROW_VECTOR) {
        answer.vector = row->vector;
        answer.dimension = row->dimension;
    }
    return call->host->row_append(out, &answer, err);
}

/* ---- reading ------------------------------------------------------------------------------------- */

static rag_status get(const rag_call *call, struct map rows, const rag_slice *keys, size_t n,
                      unsigned what, rag_result *out, rag_error *err)
{
    for (size_t i = 0; i < n; i++) {
        MEMORY_TRY(memory_check(call, i, err));
        const struct row *row = (const struct row *)memory_map_find(rows, keys[i]);
        const rag_row absent = { .key = keys[i] };
        MEMORY_TRY(row ? memory_row_append(call, row, what, out, err)
                       : call->host->row_append(out, &absent, err));
    }
    return RAG_OK;
}

rag_status memory_rows_get(const rag_call *call, enum kind kind, const char *name,
                           const rag_slice *keys, size_t n, unsigned what, rag_result *out,
                           rag_error *err)
{
    struct version *v = memory_version_read(call);
    const rag_status status =
        get(call, memory_version_rows(v, kind, name), keys, n, what, out, err);
    memory_version_release(call->host, v);
    return status;
}

static rag_status scan(const rag_call *call, struct map rows, rag_slice after, size_t limit,
                       unsigned what, rag_result *out, rag_error *err)
{
    const struct item *item = memory_map_above(rows, after);
    rag_slice last = after;
    for (size_t i = 0; item && i < limit; i++) {
        MEMORY_TRY(memory_check(call, i, err));
        MEMORY_TRY(memory_row_append(call, (const struct row *)item, what, out, err));
        last = item->key;
        item = memory_map_above(rows, last);
    }
    return item ? call->host->result_next(out, last, err) : RAG_OK;
}

rag_status memory_rows_scan(const rag_call *call, enum kind kind, const char *name, rag_slice after,
                            size_t limit, unsigned what, rag_result *out, rag_error *err)
{
    struct version *v = memory_version_read(call);
    const rag_status status =
        scan(call, memory_version_rows(v, kind, name), after, limit, what, out, err);
    memory_version_release(call->host, v);
    return status;
}

/* ---- writing ------------------------------------------------------------------------------------- */

rag_status memory_rows_put(struct write *w, struct space *space, struct row *row, rag_error *err)
{
    const rag_host *host = w->call->host;
    if (!row)
        return memory_no_memory(host, err);
    const int done = memory_map_put(host, &space->rows, &row->item);
    memory_item_release(host, &row->item);
    return done ? RAG_OK : memory_no_memory(host, err);
}

rag_status memory_rows_remove(struct write *w, struct space *space, rag_slice key,
                              uint64_t *removed, rag_error *err)
{
    const uint64_t before = memory_map_count(space->rows);
    if (!memory_map_remove(w->call->host, &space->rows, key))
        return memory_no_memory(w->call->host, err);
    *removed += before - memory_map_count(space->rows);
    return RAG_OK;
}

rag_status memory_rows_remove_all(struct write *w, enum kind kind, const char *name,
                                  const rag_slice *keys, size_t n, uint64_t *removed,
                                  rag_error *err)
{
    if (!memory_version_space(w->work, kind, name))
        return RAG_OK;
    struct space *space;
    MEMORY_TRY(memory_write_space(w, kind, name, &space, err));
    for (size_t i = 0; i < n; i++) {
        MEMORY_TRY(memory_check(w->call, i, err));
        MEMORY_TRY(memory_rows_remove(w, space, keys[i], removed, err));
    }
    return RAG_OK;
}

rag_status memory_rows_delete(const rag_call *call, enum kind kind, const char *name,
                              const rag_slice *keys, size_t n, uint64_t *deleted, rag_token *token,
                              rag_error *err)
{
    struct write w;
    uint64_t removed = 0;
    MEMORY_TRY(memory_write_begin(call, &w, err));
    const rag_status status = memory_rows_remove_all(&w, kind, name, keys, n, &removed, err);
    MEMORY_TRY(memory_write_end(&w, status, token, err));
    *deleted = removed;
    return RAG_OK;
}

rag_status memory_rows_drop(const rag_call *call, const enum kind *kinds, size_t kind_count,
                            const char *name, rag_error *err)
{
    struct write w;
    MEMORY_TRY(memory_write_begin(call, &w, err));
    /* Removed from copies first: forgetting one kind and not the other would be half a drop. */
    struct map next[KIND_COUNT];
    int complete = 1;
    for (size_t i = 0; i < kind_count; i++) {
        next[i] = memory_map_retain(w.work->spaces[kinds[i]]);
        complete = complete && memory_map_remove(call->host, &next[i], rag_text(name));
    }
    for (size_t i = 0; i < kind_count; i++) {
        const struct map unused = complete ? w.work->spaces[kinds[i]] : next[i];
        if (complete)
            w.work->spaces[kinds[i]] = next[i];
        memory_map_release(call->host, unused);
    }
    return memory_write_end(&w, complete ? RAG_OK : memory_no_memory(call->host, err), NULL, err);
}
