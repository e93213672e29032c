/* Vectors on SQLite: spaces, rows and their elements.
 *
 * A row has a slot, which grows and is never used again: replacing a vector means a new slot. So an
 * index file made earlier stays right about every slot that it has: the row is as it was, or gone.
 * The elements are cut into `parts` rows of vector_data, because SQLite puts only whole cells on a
 * page: 2,048 bytes (1,024 float16) would take a page of 4,096 each, four pieces of 512 fit seven to
 * the page. How many parts is chosen when the space is defined and stored with it.
 *
 * A row may have names (entity_name, or src_id and tgt_id of its payload), found in vector_name, so
 * that the rows of an entity are deleted without a walk over all. Called through embedded_vector. */
#include "codec.h"
#include "core/alloc.h"
#include "core/context.h"
#include "core/json_members.h"
#include "core/limits.h"
#include "core/result.h"
#include "core/slice.h"
#include "dictionary.h"
#include "schema.h"
#include "stores.h"
#include "vector_pending.h"
#include "vector_rows.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

enum { CHECK_EVERY = 256 };

static const char SQL_SPACE[] =
    "SELECT s.id, s.model, s.dimension, s.metric, s.element, s.parts, s.next_slot, s.pending"
    " FROM namespace n JOIN vector_space s ON s.id = n.id WHERE n.kind = 2 AND n.name = ?1";
static const char SQL_ADD_SPACE[] =
    "INSERT INTO vector_space(id, model, dimension, metric, element, parts, next_slot)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1)";
static const char SQL_SAVE[] = "UPDATE vector_space SET next_slot = ?2, pending = ?3 WHERE id = ?1";
static const char SQL_FIND[] = "SELECT slot FROM vector_key WHERE space = ?1 AND id = ?2";
static const char SQL_SET_KEY[] = "INSERT INTO vector_key(space, id, slot) VALUES (?1, ?2, ?3)"
                                  " ON CONFLICT(space, id) DO UPDATE SET slot = ?3";
static const char SQL_DELETE_KEY[] = "DELETE FROM vector_key WHERE space = ?1 AND id = ?2";
static const char SQL_ADD_ROW[] = "INSERT INTO vector_row(slot, id, created_at, name, name2, value)"
                                  " VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
static const char SQL_GET_ROW[] = "SELECT id, created_at, value FROM vector_row WHERE slot = ?1";
static const char SQL_OLD_ROW[] =
    "SELECT id, name, name2, length(value) FROM vector_row WHERE slot = ?1";
static const char SQL_DELETE_ROW[] = "DELETE FROM vector_row WHERE slot = ?1";
static const char SQL_ADD_DATA[] = "INSERT INTO vector_data(part, elements) VALUES (?1, ?2)";
static const char SQL_GET_DATA[] =
    "SELECT elements FROM vector_data WHERE part >= ?1 AND part < ?2 ORDER BY part";
static const char SQL_GET_ONE[] = "SELECT elements FROM vector_data WHERE part = ?1";
static const char SQL_DELETE_DATA[] = "DELETE FROM vector_data WHERE part >= ?1 AND part < ?2";
static const char SQL_ADD_NAME[] =
    "INSERT OR IGNORE INTO vector_name(space, name, slot) VALUES (?1, ?2, ?3)";
static const char SQL_DELETE_NAME[] =
    "DELETE FROM vector_name WHERE space = ?1 AND name = ?2 AND slot = ?3";
static const char SQL_NAMED[] =
    "SELECT slot FROM vector_name WHERE space = ?1 AND name = ?2 LIMIT 1";
static const char SQL_SCAN[] = "SELECT slot, id, created_at, value FROM vector_row"
                               " WHERE slot > ?1 AND slot < ?2 ORDER BY slot LIMIT ?3";

/* ---- spaces ------------------------------------------------------------------------------------- */

sqlite3_int64 space_first_slot(const struct space *space)
{
    return space->id << SCHEMA_SLOT_BITS;
}

sqlite3_int64 space_end_slot(const struct space *space)
{
    return (space->id + 1) << SCHEMA_SLOT_BITS;
}

static size_t element_bytes(rag_element element)
{
    return element == RAG_ELEMENT_FLOAT16 ? 2 : 4;
}

size_t space_row_bytes(const struct space *space)
{
    return space->dimension * element_bytes(space->element);
}

rag_status space_find(struct db_conn *conn, const char *name, struct space *out, rag_error *err)
{
    sqlite3_stmt *stmt;
    int found;
    *out = (struct space){ 0 };
    RAG_TRY(db_prepare(conn, SQL_SPACE, &stmt, err));
    (void)sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
    RAG_TRY(db_step(conn, stmt, &found, err));
    if (found) {
        out->id = sqlite3_column_int64(stmt, 0);
        (void)snprintf(out->model, sizeof out->model, "%s",
                       (const char *)sqlite3_column_text(stmt, 1));
        out->dimension = (uint32_t)sqlite3_column_int64(stmt, 2);
        out->metric = (rag_metric)sqlite3_column_int(stmt, 3);
        out->element = (rag_element)sqlite3_column_int(stmt, 4);
        out->parts = sqlite3_column_int(stmt, 5);
        out->next_slot = sqlite3_column_int64(stmt, 6);
        out->pending = sqlite3_column_int64(stmt, 7);
    }
    (void)sqlite3_reset(stmt);
    const int sound = out->dimension >= 1 && out->dimension <= RAG_DIMENSION_MAX &&
                      out->parts >= 1 && out->parts <= SCHEMA_PARTS_MAX && out->pending >= 0 &&
                      (out->element == RAG_ELEMENT_FLOAT16 || out->element == RAG_ELEMENT_FLOAT32);
    if (found && !sound)
        return rag_fail(err, RAG_E_CORRUPT, "the record of vector space '%s' is damaged", name);
    return RAG_OK;
}

rag_status space_save(struct db_write *w, const struct space *space, rag_error *err)
{
    sqlite3_stmt *stmt;
    RAG_TRY(db_prepare(w->conn, SQL_SAVE, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, space->id);
    (void)sqlite3_bind_int64(stmt, 2, space->next_slot);
    (void)sqlite3_bind_int64(stmt, 3, space->pending);
    return db_run(w->conn, stmt, err);
}

rag_status space_load(struct db_conn *conn, const char *name, struct space *out, rag_error *err)
{
    RAG_TRY(space_find(conn, name, out, err));
    if (!out->id)
        return rag_fail(err, RAG_E_NOT_FOUND, "vector space '%s' is not defined", name);
    return RAG_OK;
}

static void describe(const struct space *space, rag_vector_space *out)
{
    out->struct_size = sizeof *out;
    out->dimension = space->dimension;
    out->metric = space->metric;
    out->element = space->element;
    (void)snprintf(out->model, sizeof out->model, "%s", space->model);
}

static size_t overflow_pages(size_t piece, size_t page_size)
{
    return piece / (page_size - 4) + 2;
}

/* The number of pieces that wastes least of a page of `page_size`, within a tenth of the best. */
static int choose_parts(size_t row_bytes, size_t page_size)
{
    enum { PAGE_HEADER = 12, CELL_OVERHEAD = 15 };
    const size_t usable = page_size - PAGE_HEADER;
    double used[SCHEMA_PARTS_MAX + 1], best = HUGE_VAL;
    for (size_t parts = 1; parts <= SCHEMA_PARTS_MAX; parts++) {
        const size_t piece = (row_bytes + parts - 1) / parts, cell = piece + CELL_OVERHEAD;
        const size_t cells = usable / cell;
        if (cells)
            used[parts] = (double)parts * (double)page_size / (double)cells;
        else /* overflows: whole pages of its own, and part of one here */
            used[parts] = (double)(parts * overflow_pages(piece, page_size) * page_size);
        if (used[parts] < best)
            best = used[parts];
    }
    int parts = 1;
    while (used[parts] > best * 1.1)
        parts++;
    return parts;
}

static rag_status page_size_of(struct db_conn *conn, size_t *out, rag_error *err)
{
    sqlite3_stmt *stmt;
    int found;
    RAG_TRY(db_prepare(conn, "PRAGMA page_size", &stmt, err));
    RAG_TRY(db_step(conn, stmt, &found, err));
    *out = found ? (size_t)sqlite3_column_int64(stmt, 0) : 4096;
    (void)sqlite3_reset(stmt);
    return RAG_OK;
}

static rag_status add_space(struct db_write *w, const char *name, const rag_vector_space *space,
                            rag_error *err)
{
    sqlite3_stmt *stmt;
    sqlite3_int64 id;
    size_t page_size;
    RAG_TRY(page_size_of(w->conn, &page_size, err));
    RAG_TRY(db_namespace_make(w, NAMESPACE_VECTOR, name, &id, err));
    if (id >= SCHEMA_SPACE_ID_MAX)
        return rag_fail(err, RAG_E_UNSUPPORTED, "more than %d namespaces in a store",
                        SCHEMA_SPACE_ID_MAX);
    const size_t row_bytes = space->dimension * element_bytes(space->element);
    RAG_TRY(db_prepare(w->conn, SQL_ADD_SPACE, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, id);
    (void)sqlite3_bind_text(stmt, 2, space->model, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(stmt, 3, space->dimension);
    (void)sqlite3_bind_int(stmt, 4, (int)space->metric);
    (void)sqlite3_bind_int(stmt, 5, (int)space->element);
    (void)sqlite3_bind_int(stmt, 6, choose_parts(row_bytes, page_size));
    return db_run(w->conn, stmt, err);
}

static rag_status vector_define(const rag_call *call, const char *name,
                                const rag_vector_space *space, rag_vector_space *existing,
                                rag_error *err)
{
    struct db_write w;
    struct space old;
    RAG_TRY(db_write_begin(call, &w, err));
    rag_status status = space_find(w.conn, name, &old, err);
    if (status == RAG_OK && old.id) {
        describe(&old, existing);
        status = rag_fail(err, RAG_E_CONFLICT, "vector space '%s' exists", name);
    } else if (status == RAG_OK) {
        status = add_space(&w, name, space, err);
    }
    return db_write_end(&w, status, NULL, err);
}

static rag_status vector_describe(const rag_call *call, const char *name, rag_vector_space *out,
                                  rag_error *err)
{
    struct db_conn *conn;
    struct space space;
    RAG_TRY(db_read_begin(call, &conn, err));
    const rag_status status = space_load(conn, name, &space, err);
    db_read_end(call, conn);
    if (status == RAG_OK)
        describe(&space, out);
    return status;
}

/* ---- elements ------------------------------------------------------------------------------------ */

static sqlite3_int64 first_part(sqlite3_int64 slot)
{
    return slot * SCHEMA_PARTS_MAX;
}

static size_t piece_bytes(const struct space *space)
{
    const size_t parts = (size_t)space->parts;
    return (space_row_bytes(space) + parts - 1) / parts;
}

static rag_status wrong_length(sqlite3_int64 slot, size_t have, size_t want, rag_error *err)
{
    return rag_fail(err, RAG_E_CORRUPT, "the vector in slot %lld has %zu bytes, not %zu",
                    (long long)slot, have, want);
}

static rag_status read_single(struct db_conn *conn, const struct space *space, sqlite3_int64 slot,
                              const void **elements, rag_error *err)
{
    sqlite3_stmt *stmt;
    int found;
    RAG_TRY(db_prepare(conn, SQL_GET_ONE, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, first_part(slot));
    RAG_TRY(db_step(conn, stmt, &found, err));
    const rag_slice bytes = found ? db_column_slice(stmt, 0) : slice_of(NULL, 0);
    if (found && bytes.len != space_row_bytes(space))
        return wrong_length(slot, bytes.len, space_row_bytes(space), err);
    *elements = found ? bytes.data : NULL;
    return RAG_OK;
}

rag_status vector_read_elements(struct db_conn *conn, const struct space *space, sqlite3_int64 slot,
                                struct buffer *scratch, const void **elements, rag_error *err)
{
    sqlite3_stmt *stmt;
    int more;
    if (space->parts == 1)
        return read_single(conn, space, slot, elements, err);
    buffer_clear(scratch);
    RAG_TRY(db_prepare(conn, SQL_GET_DATA, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, first_part(slot));
    (void)sqlite3_bind_int64(stmt, 2, first_part(slot) + space->parts);
    for (;;) {
        RAG_TRY(db_step(conn, stmt, &more, err));
        if (!more)
            break;
        const rag_slice piece = db_column_slice(stmt, 0);
        RAG_TRY(buffer_append(scratch, piece.data, piece.len, err));
    }
    (void)sqlite3_reset(stmt);
    if (scratch->len && scratch->len != space_row_bytes(space))
        return wrong_length(slot, scratch->len, space_row_bytes(space), err);
    *elements = scratch->len ? scratch->data : NULL;
    return RAG_OK;
}

static rag_status write_elements(struct db_conn *conn, const struct space *space,
                                 sqlite3_int64 slot, const void *elements, rag_error *err)
{
    const size_t piece = piece_bytes(space);
    size_t left = space_row_bytes(space);
    const char *p = elements;
    for (int part = 0; part < space->parts && left; part++) {
        sqlite3_stmt *stmt;
        const size_t len = left < piece ? left : piece;
        RAG_TRY(db_prepare(conn, SQL_ADD_DATA, &stmt, err));
        (void)sqlite3_bind_int64(stmt, 1, first_part(slot) + part);
        db_bind_slice(stmt, 2, slice_of(p, len));
        RAG_TRY(db_run(conn, stmt, err));
        p += len;
        left -= len;
    }
    return RAG_OK;
}

rag_status vector_encode(const struct space *space, const rag_vector_item *item,
                         struct buffer *scratch, const void **out, rag_error *err)
{
    if (item->dimension != space->dimension)
        return rag_fail(err, RAG_E_MISMATCH, "vector '%.*s' has dimension %zu, its space %u",
                        RAG_SHOWN(item->id), item->dimension, space->dimension);
    if (space->element == RAG_ELEMENT_FLOAT32) {
        *out = item->vector;
        return RAG_OK;
    }
    buffer_clear(scratch);
    RAG_TRY(buffer_reserve(scratch, space_row_bytes(space), err));
    const size_t done = vindex_f16_from_f32(item->vector, item->dimension, scratch->data);
    if (done < item->dimension)
        return rag_fail(err, RAG_E_INVALID, "vector '%.*s': element %zu (%g) does not fit float16",
                        RAG_SHOWN(item->id), done, (double)item->vector[done]);
    *out = scratch->data;
    return RAG_OK;
}

/* ---- names --------------------------------------------------------------------------------------- */

rag_status vector_names_of(rag_slice value, struct vector_names *out, rag_error *err)
{
    static const char *const MEMBERS[] = { "entity_name", "src_id", "tgt_id" };
    rag_slice found[3];
    RAG_TRY(json_string_members(value, MEMBERS, 3, found, &out->memory, err));
    out->first = found[0].len ? found[0] : found[1];
    out->second = slice_equal(found[2], out->first) ? slice_of("", 0) : found[2];
    return RAG_OK;
}

void vector_names_free(struct vector_names *names)
{
    rag_free(names->memory);
}

static rag_status change_name(struct db_conn *conn, const char *sql, sqlite3_int64 space,
                              rag_slice name, sqlite3_int64 slot, rag_error *err)
{
    sqlite3_stmt *stmt;
    if (!name.len)
        return RAG_OK;
    RAG_TRY(db_prepare(conn, sql, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, space);
    db_bind_slice(stmt, 2, name);
    (void)sqlite3_bind_int64(stmt, 3, slot);
    return db_run(conn, stmt, err);
}

/* ---- rows ---------------------------------------------------------------------------------------- */

static rag_status find_slot(struct db_conn *conn, sqlite3_int64 space, rag_slice id,
                            sqlite3_int64 *slot, rag_error *err)
{
    sqlite3_stmt *stmt;
    int found;
    RAG_TRY(db_prepare(conn, SQL_FIND, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, space);
    db_bind_slice(stmt, 2, id);
    RAG_TRY(db_step(conn, stmt, &found, err));
    *slot = found ? sqlite3_column_int64(stmt, 0) : 0;
    (void)sqlite3_reset(stmt);
    return RAG_OK;
}

/* Everything of the row in `slot` but its key. */
static rag_status delete_slot(struct db_write *w, const struct space *space, sqlite3_int64 slot,
                              rag_error *err)
{
    struct db_conn *conn = w->conn;
    sqlite3_stmt *old, *stmt;
    int found;
    RAG_TRY(db_prepare(conn, SQL_OLD_ROW, &old, err));
    (void)sqlite3_bind_int64(old, 1, slot);
    RAG_TRY(db_step(conn, old, &found, err));
    if (!found)
        return rag_fail(err, RAG_E_CORRUPT, "a vector id leads to slot %lld, which is empty",
                        (long long)slot);
    RAG_TRY(change_name(conn, SQL_DELETE_NAME, space->id, db_column_slice(old, 1), slot, err));
    RAG_TRY(change_name(conn, SQL_DELETE_NAME, space->id, db_column_slice(old, 2), slot, err));
    const sqlite3_int64 bytes = (sqlite3_int64)db_column_slice(old, 0).len +
                                sqlite3_column_int64(old, 3) +
                                (sqlite3_int64)space_row_bytes(space);
    (void)sqlite3_reset(old);
    RAG_TRY(db_run_for(conn, SQL_DELETE_ROW, slot, err));
    RAG_TRY(db_prepare(conn, SQL_DELETE_DATA, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, first_part(slot));
    (void)sqlite3_bind_int64(stmt, 2, first_part(slot) + space->parts);
    RAG_TRY(db_run(conn, stmt, err));
    return db_write_count(w, space->id, -1, -bytes, err);
}

static rag_status add_row(struct db_write *w, const struct space *space, sqlite3_int64 slot,
                          const rag_vector_item *item, const void *elements, int64_t now,
                          rag_error *err)
{
    struct db_conn *conn = w->conn;
    struct vector_names names = { 0 };
    sqlite3_stmt *stmt;
    rag_slice stored;
    rag_status status;
    RAG_TRY_CLEANUP(vector_names_of(item->value, &names, err));
    RAG_TRY_CLEANUP(codec_encode(conn->codec, item->value, &stored, err));
    RAG_TRY_CLEANUP(db_prepare(conn, SQL_ADD_ROW, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, slot);
    db_bind_slice(stmt, 2, item->id);
    const int64_t created = item->created_at ? item->created_at : now;
    (void)sqlite3_bind_int64(stmt, 3, created == RAG_TIME_UNKNOWN ? 0 : created);
    db_bind_slice_or_null(stmt, 4, names.first);
    db_bind_slice_or_null(stmt, 5, names.second);
    db_bind_slice(stmt, 6, stored);
    RAG_TRY_CLEANUP(db_run(conn, stmt, err));
    const sqlite3_int64 bytes = (sqlite3_int64)(item->id.len + stored.len + space_row_bytes(space));
    RAG_TRY_CLEANUP(change_name(conn, SQL_ADD_NAME, space->id, names.first, slot, err));
    RAG_TRY_CLEANUP(change_name(conn, SQL_ADD_NAME, space->id, names.second, slot, err));
    RAG_TRY_CLEANUP(write_elements(conn, space, slot, elements, err));
    status = db_write_count(w, space->id, 1, bytes, err);
cleanup:
    vector_names_free(&names);
    return status;
}

rag_status vector_put_item(struct db_write *w, struct space *space, const rag_vector_item *item,
                           struct buffer *scratch, int64_t now, rag_error *err)
{
    const void *elements = NULL;
    sqlite3_int64 old;
    sqlite3_stmt *stmt;
    RAG_TRY(vector_encode(space, item, scratch, &elements, err));
    RAG_TRY(find_slot(w->conn, space->id, item->id, &old, err));
    if (old)
        RAG_TRY(delete_slot(w, space, old, err));
    const sqlite3_int64 slot = space_first_slot(space) + space->next_slot++;
    RAG_TRY(add_row(w, space, slot, item, elements, now, err));
    RAG_TRY(db_prepare(w->conn, SQL_SET_KEY, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, space->id);
    db_bind_slice(stmt, 2, item->id);
    (void)sqlite3_bind_int64(stmt, 3, slot);
    return db_run(w->conn, stmt, err);
}

static rag_status put_items(struct db_write *w, const char *name, const rag_vector_item *items,
                            size_t n, rag_error *err)
{
    struct buffer scratch = BUFFER_INIT(LIMIT_VALUE_BYTES);
    const int64_t now = (int64_t)time(NULL);
    struct space space;
    rag_status status;
    RAG_TRY_CLEANUP(space_load(w->conn, name, &space, err));
    RAG_TRY_CLEANUP(dictionary_prepare(w, space.id, &items->value, sizeof *items, n, err));
    for (size_t i = 0; i < n; i++) {
        if (i % CHECK_EVERY == 0)
            RAG_TRY_CLEANUP(context_check(w->call->ctx, err));
        RAG_TRY_CLEANUP(vector_pending_discard(w, &space, items[i].id, err));
        RAG_TRY_CLEANUP(vector_put_item(w, &space, &items[i], &scratch, now, err));
    }
    status = space_save(w, &space, err);
cleanup:
    buffer_free(&scratch);
    return status;
}

static rag_status vector_put_many(const rag_call *call, const char *name,
                                  const rag_vector_item *items, size_t n, rag_token *token,
                                  rag_error *err)
{
    struct db_write w;
    RAG_TRY(db_write_begin(call, &w, err));
    return db_write_end(&w, put_items(&w, name, items, n, err), token, err);
}

/* ---- deleting ------------------------------------------------------------------------------------ */

rag_status vector_delete_id(struct db_write *w, struct space *space, rag_slice id,
                            uint64_t *deleted, rag_error *err)
{
    sqlite3_int64 slot;
    sqlite3_stmt *stmt;
    RAG_TRY(vector_pending_discard(w, space, id, err));
    RAG_TRY(find_slot(w->conn, space->id, id, &slot, err));
    if (!slot)
        return RAG_OK;
    RAG_TRY(delete_slot(w, space, slot, err));
    RAG_TRY(db_prepare(w->conn, SQL_DELETE_KEY, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, space->id);
    db_bind_slice(stmt, 2, id);
    RAG_TRY(db_run(w->conn, stmt, err));
    ++*deleted;
    return RAG_OK;
}

/* The rows that carry `name`, one after the other until there is none. */
static rag_status delete_name(struct db_write *w, struct space *space, rag_slice name,
                              uint64_t *deleted, rag_error *err)
{
    for (;;) {
        sqlite3_stmt *stmt;
        int found;
        RAG_TRY(context_check(w->call->ctx, err));
        RAG_TRY(db_prepare(w->conn, SQL_NAMED, &stmt, err));
        (void)sqlite3_bind_int64(stmt, 1, space->id);
        db_bind_slice(stmt, 2, name);
        RAG_TRY(db_step(w->conn, stmt, &found, err));
        const sqlite3_int64 slot = found ? sqlite3_column_int64(stmt, 0) : 0;
        (void)sqlite3_reset(stmt);
        if (!found)
            return vector_pending_discard_named(w, space, name, err);
        RAG_TRY(db_prepare(w->conn, SQL_GET_ROW, &stmt, err));
        (void)sqlite3_bind_int64(stmt, 1, slot);
        RAG_TRY(db_step(w->conn, stmt, &found, err));
        const rag_slice stored = found ? db_column_slice(stmt, 0) : slice_of("", 0);
        char *id = rag_memdup_text(stored.data, stored.len);
        (void)sqlite3_reset(stmt);
        if (!id)
            return rag_fail_memory(err);
        const uint64_t before = *deleted;
        rag_status status =
            found ? vector_delete_id(w, space, slice_of(id, stored.len), deleted, err) : RAG_OK;
        rag_free(id);
        if (status == RAG_OK && *deleted == before)
            status = rag_fail(err, RAG_E_CORRUPT, "name '%.*s' leads to slot %lld, which is empty",
                              RAG_SHOWN(name), (long long)slot);
        RAG_TRY(status);
    }
}

typedef rag_status (*delete_one)(struct db_write *w, struct space *space, rag_slice what,
                                 uint64_t *deleted, rag_error *err);

static rag_status delete_all(const rag_call *call, const char *name, const rag_slice *list,
                             size_t n, delete_one one, uint64_t *deleted, rag_token *token,
                             rag_error *err)
{
    struct db_write w;
    struct space space;
    uint64_t gone = 0;
    RAG_TRY(db_write_begin(call, &w, err));
    /* No such space: nothing to delete. */
    rag_status status = space_find(w.conn, name, &space, err);
    const sqlite3_int64 pending = space.pending;
    for (size_t i = 0; i < n && status == RAG_OK && space.id; i++)
        status = one(&w, &space, list[i], &gone, err);
    if (status == RAG_OK && space.pending != pending)
        status = space_save(&w, &space, err);
    RAG_TRY(db_write_end(&w, status, token, err));
    *deleted = gone;
    return RAG_OK;
}

static rag_status vector_delete_many(const rag_call *call, const char *name, const rag_slice *ids,
                                     size_t n, uint64_t *deleted, rag_token *token, rag_error *err)
{
    return delete_all(call, name, ids, n, vector_delete_id, deleted, token, err);
}

static rag_status vector_delete_named(const rag_call *call, const char *name,
                                      const rag_slice *names, size_t n, uint64_t *deleted,
                                      rag_token *token, rag_error *err)
{
    return delete_all(call, name, names, n, delete_name, deleted, token, err);
}

static rag_status delete_range(struct db_conn *conn, const char *sql, sqlite3_int64 from,
                               sqlite3_int64 end, rag_error *err)
{
    sqlite3_stmt *stmt;
    RAG_TRY(db_prepare(conn, sql, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, from);
    (void)sqlite3_bind_int64(stmt, 2, end);
    return db_run(conn, stmt, err);
}

static rag_status drop_space(struct db_write *w, const struct space *space, rag_error *err)
{
    static const char DELETE_ROWS[] = "DELETE FROM vector_row WHERE slot >= ?1 AND slot < ?2";
    static const char DELETE_KEYS[] = "DELETE FROM vector_key WHERE space >= ?1 AND space < ?2";
    static const char DELETE_NAMES[] = "DELETE FROM vector_name WHERE space >= ?1 AND space < ?2";
    static const char DELETE_PENDING[] =
        "DELETE FROM vector_pending WHERE space >= ?1 AND space < ?2";
    static const char DELETE_NAMESPACE[] = "DELETE FROM namespace WHERE id >= ?1 AND id < ?2";
    static const char DELETE_SPACE[] = "DELETE FROM vector_space WHERE id >= ?1 AND id < ?2";
    const sqlite3_int64 first = space_first_slot(space), end = space_end_slot(space);
    RAG_TRY(delete_range(w->conn, DELETE_ROWS, first, end, err));
    RAG_TRY(delete_range(w->conn, SQL_DELETE_DATA, first_part(first), first_part(end), err));
    RAG_TRY(delete_range(w->conn, DELETE_KEYS, space->id, space->id + 1, err));
    RAG_TRY(delete_range(w->conn, DELETE_NAMES, space->id, space->id + 1, err));
    RAG_TRY(delete_range(w->conn, DELETE_PENDING, space->id, space->id + 1, err));
    RAG_TRY(delete_range(w->conn, DELETE_SPACE, space->id, space->id + 1, err));
    RAG_TRY(vector_index_forget(w, space->id, err));
    /* A space of this name that comes later gets another id, so that slots are never given twice:
     * whoever is making an index of this one finds that it is gone. */
    RAG_TRY(delete_range(w->conn, DELETE_NAMESPACE, space->id, space->id + 1, err));
    return db_write_count(w, space->id, 0, 0, err);
}

static rag_status vector_drop(const rag_call *call, const char *name, rag_error *err)
{
    struct db_write w;
    struct space space;
    RAG_TRY(db_write_begin_durable(call, &w, err));
    rag_status status = space_find(w.conn, name, &space, err);
    if (status == RAG_OK && space.id)
        status = drop_space(&w, &space, err);
    return db_write_end(&w, status, NULL, err);
}

/* ---- reading ------------------------------------------------------------------------------------- */

/* `row->vector` from the elements in `slot`; points into *floats. */
static rag_status read_floats(struct db_conn *conn, const struct space *space, sqlite3_int64 slot,
                              struct buffer *scratch, struct buffer *floats, rag_row *row,
                              rag_error *err)
{
    const void *elements = NULL;
    RAG_TRY(vector_read_elements(conn, space, slot, scratch, &elements, err));
    if (!elements)
        return rag_fail(err, RAG_E_CORRUPT, "the vector in slot %lld has no elements",
                        (long long)slot);
    return vector_set_floats(space, elements, floats, row, err);
}

rag_status vector_set_floats(const struct space *space, const void *elements, struct buffer *floats,
                             rag_row *row, rag_error *err)
{
    buffer_clear(floats);
    RAG_TRY(buffer_reserve(floats, space->dimension * sizeof(float), err));
    if (space->element == RAG_ELEMENT_FLOAT16)
        vindex_f16_to_f32(elements, space->dimension, (float *)(void *)floats->data);
    else
        memcpy(floats->data, elements, space_row_bytes(space));
    row->vector = (const float *)(const void *)floats->data;
    row->dimension = space->dimension;
    return RAG_OK;
}

rag_status vector_append_slot(struct db_conn *conn, const struct space *space, sqlite3_int64 slot,
                              unsigned what, double score, struct buffer *scratch, rag_result *out,
                              int *found, rag_error *err)
{
    struct buffer floats = BUFFER_INIT(LIMIT_VALUE_BYTES);
    sqlite3_stmt *stmt;
    RAG_TRY(db_prepare(conn, SQL_GET_ROW, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, slot);
    RAG_TRY(db_step(conn, stmt, found, err));
    if (!*found)
        return RAG_OK;
    rag_row row = { .key = db_column_slice(stmt, 0),
                    .found = 1,
                    .score = score,
                    .created_at = sqlite3_column_int64(stmt, 1) };
    rag_status status = RAG_OK;
    if (what & RAG_VECTOR_VALUES)
        status = codec_decode(conn->codec, db_column_slice(stmt, 2), "payload of vector", row.key,
                              &row.value, err);
    if (status == RAG_OK && (what & RAG_VECTOR_VECTORS))
        status = read_floats(conn, space, slot, scratch, &floats, &row, err);
    if (status == RAG_OK)
        status = rag_result_append(out, &row, err);
    buffer_free(&floats);
    return status;
}

static rag_status get_ids(struct db_conn *conn, const char *name, const rag_slice *ids, size_t n,
                          unsigned what, rag_result *out, rag_error *err)
{
    struct buffer scratch = BUFFER_INIT(LIMIT_VALUE_BYTES);
    struct space space;
    rag_status status = space_find(conn, name, &space, err);
    for (size_t i = 0; i < n && status == RAG_OK; i++) {
        sqlite3_int64 slot = 0;
        int found = 0;
        if (space.pending)
            status = vector_pending_append(conn, &space, ids[i], what, &scratch, out, &found, err);
        if (status != RAG_OK || found)
            continue;
        if (space.id)
            status = find_slot(conn, space.id, ids[i], &slot, err);
        if (status == RAG_OK && slot)
            status = vector_append_slot(conn, &space, slot, what, 0, &scratch, out, &found, err);
        if (status == RAG_OK && slot && !found)
            status = rag_fail(err, RAG_E_CORRUPT, "vector '%.*s' has no row", RAG_SHOWN(ids[i]));
        if (status == RAG_OK && !slot)
            status = rag_result_append_absent(out, ids[i], slice_of("", 0), err);
    }
    buffer_free(&scratch);
    return status;
}

static rag_status vector_get_many(const rag_call *call, const char *name, const rag_slice *ids,
                                  size_t n, unsigned what, rag_result *out, rag_error *err)
{
    struct db_conn *conn;
    RAG_TRY(db_read_begin(call, &conn, err));
    const rag_status status = get_ids(conn, name, ids, n, what, out, err);
    db_read_end(call, conn);
    return status;
}

static rag_status append_scanned(struct db_conn *conn, const struct space *space,
                                 sqlite3_stmt *stmt, unsigned what, struct buffer *scratch,
                                 struct buffer *floats, rag_result *out, rag_error *err)
{
    rag_row row = { .key = db_column_slice(stmt, 1),
                    .found = 1,
                    .created_at = sqlite3_column_int64(stmt, 2) };
    if (what & RAG_VECTOR_VALUES)
        RAG_TRY(codec_decode(conn->codec, db_column_slice(stmt, 3), "payload of vector", row.key,
                             &row.value, err));
    if (what & RAG_VECTOR_VECTORS)
        RAG_TRY(
            read_floats(conn, space, sqlite3_column_int64(stmt, 0), scratch, floats, &row, err));
    return rag_result_append(out, &row, err);
}

static rag_status scan_slots(struct db_conn *conn, const char *name, sqlite3_int64 after,
                             size_t limit, unsigned what, rag_result *out, rag_error *err)
{
    struct buffer scratch = BUFFER_INIT(LIMIT_VALUE_BYTES), floats = scratch;
    struct space space;
    sqlite3_stmt *stmt;
    int more = 1;
    rag_status status;
    RAG_TRY_CLEANUP(space_find(conn, name, &space, err));
    if (!space.id)
        goto cleanup;
    RAG_TRY_CLEANUP(db_prepare(conn, SQL_SCAN, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, space_first_slot(&space) + after);
    (void)sqlite3_bind_int64(stmt, 2, space_end_slot(&space));
    (void)sqlite3_bind_int64(stmt, 3, (sqlite3_int64)limit);
    for (size_t count = 0;;) {
        RAG_TRY_CLEANUP(db_step(conn, stmt, &more, err));
        if (!more)
            break;
        RAG_TRY_CLEANUP(append_scanned(conn, &space, stmt, what, &scratch, &floats, out, err));
        if (++count == limit)
            RAG_TRY_CLEANUP(db_set_next_number(
                out, after, sqlite3_column_int64(stmt, 0) - space_first_slot(&space), err));
    }
cleanup:
    buffer_free(&scratch);
    buffer_free(&floats);
    return status;
}

static rag_status vector_scan(const rag_call *call, const char *name, rag_slice after, size_t limit,
                              unsigned what, rag_result *out, rag_error *err)
{
    struct db_conn *conn;
    sqlite3_int64 position;
    RAG_TRY(db_parse_number(after, &position, err));
    if (position >= SCHEMA_SLOTS_MAX)
        return rag_fail(err, RAG_E_INVALID, "'%.*s' is no position of this scan", RAG_SHOWN(after));
    RAG_TRY(db_read_begin(call, &conn, err));
    const rag_status status = scan_slots(conn, name, position, limit, what, out, err);
    db_read_end(call, conn);
    return status;
}

static rag_status vector_count(const rag_call *call, const char *name, uint64_t *count,
                               rag_error *err)
{
    struct db_conn *conn;
    struct space space;
    uint64_t rows = 0;
    RAG_TRY(db_read_begin(call, &conn, err));
    rag_status status = space_find(conn, name, &space, err);
    if (status == RAG_OK && space.id)
        status = db_namespace_rows(conn, space.id, &rows, err);
    db_read_end(call, conn);
    if (status == RAG_OK)
        *count = rows;
    return status;
}

const rag_vector_table embedded_vector = {
    .struct_size = sizeof(rag_vector_table),
    .define = vector_define,
    .describe = vector_describe,
    .put_many = vector_put_many,
    .get_many = vector_get_many,
    .delete_many = vector_delete_many,
    .search = vector_search,
    .scan = vector_scan,
    .count = vector_count,
    .drop = vector_drop,
    .delete_named = vector_delete_named,
    .pending_put = vector_pending_put,
    .pending_delete = vector_pending_delete,
    .pending_scan = vector_pending_scan,
    .pending_resolve = vector_pending_resolve,
    .pending_drop = vector_pending_drop,
};
