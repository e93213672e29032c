/* Invariants of the vectors: rows, their ids, names and elements.
 *
 * vector_row is what counts, and vector_data with it. vector_key (from id to slot) and vector_name
 * are derived from vector_row, whose own names are derived from its payload. Elements that are gone
 * or damaged cannot be mended here: the text has to be embedded again.
 *
 * Of pending vectors the texts and payloads count; their number is kept in the space, and a vector
 * that is remembered with a text can be made from it again. A pending row whose owner is not listed,
 * or a listed owner without rows or of a process that has ended, is no fault: that is what a handle
 * leaves behind (vector_pending.c). An owner that no process can be would be taken for such a one; it
 * is told, and goes. Called through the tables of check.h only. */
#include "check.h"
#include "codec.h"
#include "core/context.h"
#include "core/limits.h"
#include "core/slice.h"
#include "schema.h"

_Static_assert(SCHEMA_SLOT_BITS == 40 && SCHEMA_PARTS_MAX == 64, "both stand in the queries");

enum { CHECK_EVERY = 256 };

/* ---- names ---------------------------------------------------------------------------------------- */

static const char SQL_ROWS[] =
    "SELECT slot, id, value, name, name2 FROM vector_row WHERE slot > ?1 ORDER BY slot";
static const char SQL_SET_NAMES[] = "UPDATE vector_row SET name = ?2, name2 = ?3 WHERE slot = ?1";
static const char SQL_PENDING[] = "SELECT mark, id, value, name, name2 FROM vector_pending"
                                  " WHERE mark > ?1 AND value IS NOT NULL ORDER BY mark";
static const char SQL_SET_PENDING_NAMES[] =
    "UPDATE vector_pending SET name = ?2, name2 = ?3 WHERE mark = ?1";

static rag_status set_names(struct db_conn *conn, const char *sql, sqlite3_int64 row,
                            const struct vector_names *names, rag_error *err)
{
    sqlite3_stmt *stmt;
    RAG_TRY(db_prepare(conn, sql, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, row);
    db_bind_slice_or_null(stmt, 2, names->first);
    db_bind_slice_or_null(stmt, 3, names->second);
    return db_run(conn, stmt, err);
}

/* The names in a payload, as a row that is put gets them; `damaged`: "value.readable" tells. */
static rag_status names_in(struct check_run *run, rag_slice stored, rag_slice id,
                           struct vector_names *out, int *damaged, rag_error *err)
{
    rag_error why = RAG_ERROR_INIT;
    rag_slice value;
    rag_status status = codec_decode(run->conn->codec, stored, "vector", id, &value, &why);
    if (status == RAG_OK)
        status = vector_names_of(value, out, &why);
    *damaged = status == RAG_E_CORRUPT || status == RAG_E_INVALID;
    if (status != RAG_OK && !*damaged && err)
        *err = why;
    return *damaged ? RAG_OK : status;
}

/* One row of SQL_ROWS or SQL_PENDING. */
static rag_status check_names_of(struct check_run *run, sqlite3_stmt *stmt, const char *set_sql,
                                 int *mended, rag_error *err)
{
    const sqlite3_int64 row = sqlite3_column_int64(stmt, 0);
    const rag_slice id = db_column_slice(stmt, 1);
    struct vector_names names = { 0 };
    int damaged;
    rag_status status = names_in(run, db_column_slice(stmt, 2), id, &names, &damaged, err);
    const int right = damaged || (slice_equal(db_column_slice(stmt, 3), names.first) &&
                                  slice_equal(db_column_slice(stmt, 4), names.second));
    if (status == RAG_OK && !right)
        status = check_violation(run, err, "vector '%.*s'", RAG_SHOWN(id));
    if (status == RAG_OK && !right && run->mend) {
        (void)sqlite3_reset(stmt); /* the names are copies */
        status = set_names(run->conn, set_sql, row, &names, err);
        *mended = 1;
    }
    vector_names_free(&names);
    return status;
}

static rag_status check_row_names(struct check_run *run, sqlite3_stmt *stmt, int *mended,
                                  rag_error *err)
{
    return check_names_of(run, stmt, SQL_SET_NAMES, mended, err);
}

static rag_status check_pending_names(struct check_run *run, sqlite3_stmt *stmt, int *mended,
                                      rag_error *err)
{
    return check_names_of(run, stmt, SQL_SET_PENDING_NAMES, mended, err);
}

static rag_status check_names(struct check_run *run, rag_error *err)
{
    RAG_TRY(check_each_row(run, SQL_ROWS, check_row_names, err));
    return check_each_row(run, SQL_PENDING, check_pending_names, err);
}

/* ---- elements ------------------------------------------------------------------------------------- */

static const char SQL_SLOTS[] =
    "SELECT slot, id FROM vector_row WHERE slot >= ?1 AND slot < ?2 ORDER BY slot";

struct elements {
    struct buffer scratch, floats;
};

/* 1 when all are finite. */
static int is_finite(const struct space *space, const void *elements, float *floats)
{
    if (space->element == RAG_ELEMENT_FLOAT16)
        vindex_f16_to_f32(elements, space->dimension, floats);
    else
        memcpy(floats, elements, space_row_bytes(space));
    return vindex_f32_finite(floats, space->dimension) == space->dimension;
}

static rag_status check_elements_of(struct check_run *run, const struct space *space,
                                    sqlite3_stmt *stmt, struct elements *memory, rag_error *err)
{
    const rag_slice id = db_column_slice(stmt, 1);
    const void *elements = NULL;
    rag_error why = RAG_ERROR_INIT;
    const rag_status status = vector_read_elements(run->conn, space, sqlite3_column_int64(stmt, 0),
                                                   &memory->scratch, &elements, &why);
    if (status == RAG_E_CORRUPT || (status == RAG_OK && !elements))
        return RAG_OK; /* "vector.data" tells */
    if (status != RAG_OK)
        return rag_pass(status, &why, err);
    if (is_finite(space, elements, (float *)(void *)memory->floats.data))
        return RAG_OK;
    return check_violation(run, err, "vector '%.*s'", RAG_SHOWN(id));
}

static rag_status walk_elements(struct check_run *run, const struct space *space,
                                struct elements *memory, rag_error *err)
{
    sqlite3_stmt *stmt;
    int more;
    RAG_TRY(buffer_reserve(&memory->floats, space->dimension * sizeof(float), err));
    RAG_TRY(db_prepare(run->conn, SQL_SLOTS, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, space_first_slot(space));
    (void)sqlite3_bind_int64(stmt, 2, space_end_slot(space));
    for (size_t i = 0;; i++) {
        if (i % CHECK_EVERY == 0)
            RAG_TRY(context_check(run->call->ctx, err));
        RAG_TRY(db_step(run->conn, stmt, &more, err));
        if (!more)
            break;
        run->finding->checked++;
        RAG_TRY(check_elements_of(run, space, stmt, memory, err));
    }
    (void)sqlite3_reset(stmt);
    return RAG_OK;
}

static rag_status check_space_elements(struct check_run *run, const struct space *space,
                                       rag_error *err)
{
    struct elements memory = { BUFFER_INIT(LIMIT_VALUE_BYTES), BUFFER_INIT(LIMIT_VALUE_BYTES) };
    const rag_status status = walk_elements(run, space, &memory, err);
    buffer_free(&memory.floats);
    buffer_free(&memory.scratch);
    return status;
}

static rag_status check_elements(struct check_run *run, rag_error *err)
{
    return check_each_space(run, check_space_elements, err);
}

/* ---- queries --------------------------------------------------------------------------------------- */

#define TEXT(column) "CAST(" column " AS TEXT)"

/* A space, and the bytes of one of its vectors. */
#define SPACES \
    "(SELECT *, dimension * CASE element WHEN 2 THEN 2 ELSE 4 END AS row_bytes FROM vector_space)"

/* Pieces of row_bytes: as many as it takes, all but the last of one size. */
#define PIECE "((s.row_bytes + s.parts - 1) / s.parts)"
#define DATA_OF_R " FROM vector_data WHERE part >= r.slot * 64 AND part < (r.slot + 1) * 64"

#define ORPHAN_KEY                                                                 \
    " FROM vector_key k LEFT JOIN vector_row r ON r.slot = k.slot AND r.id = k.id" \
    " WHERE r.slot IS NULL OR k.slot >> 40 <> k.space"

#define WRONG_NAME                                                  \
    " FROM vector_name v LEFT JOIN vector_row r ON r.slot = v.slot" \
    " WHERE r.slot IS NULL OR v.space <> v.slot >> 40"              \
    " OR (v.name IS NOT r.name AND v.name IS NOT r.name2)"

#define IN_VECTOR_NAME(column)                                                                \
    "EXISTS (SELECT 1 FROM vector_name v WHERE v.space = r.slot >> 40 AND v.name = r." column \
    " AND v.slot = r.slot)"

static const char *const DROP_KEYS[] = {
    "DELETE FROM vector_key WHERE (space, id) IN (SELECT k.space, k.id" ORPHAN_KEY ")", NULL
};
/* Orphans are gone by then; an id that leads to another row of the same id stays. */
static const char *const ADD_KEYS[] = {
    "INSERT OR IGNORE INTO vector_key(space, id, slot) SELECT slot >> 40, id, slot FROM vector_row",
    NULL
};
static const char *const MEND_NAMES[] = {
    "DELETE FROM vector_name WHERE (space, name, slot) IN (SELECT v.space, v.name, v.slot" WRONG_NAME
    ")",
    "INSERT OR IGNORE INTO vector_name(space, name, slot)"
    " SELECT slot >> 40, name, slot FROM vector_row WHERE name IS NOT NULL",
    "INSERT OR IGNORE INTO vector_name(space, name, slot)"
    " SELECT slot >> 40, name2, slot FROM vector_row WHERE name2 IS NOT NULL",
    NULL
};

/* The largest n of a slot that a space uses, or used in an index. */
#define LARGEST                                                                               \
    "max(coalesce((SELECT max(slot) FROM vector_row WHERE slot < (s.id + 1) << 40"            \
    " AND slot >= s.id << 40), s.id << 40), coalesce((SELECT max(part) / 64 FROM vector_data" \
    " WHERE part < ((s.id + 1) << 40) * 64 AND part >= (s.id << 40) * 64), s.id << 40),"      \
    " coalesce((SELECT max(last_slot) FROM vector_index WHERE space = s.id), s.id << 40))"    \
    " - (s.id << 40)"

static const char *const SET_NEXT[] = { "UPDATE vector_space AS s SET next_slot = " LARGEST
                                        " + 1 WHERE next_slot <= " LARGEST,
                                        NULL };

#define PENDING_OF_S "(SELECT count(*) FROM vector_pending WHERE space = s.id)"

static const char *const SET_PENDING[] = { "UPDATE vector_space AS s SET pending = " PENDING_OF_S
                                           " WHERE pending <> " PENDING_OF_S,
                                           NULL };

#define WRONG_PENDING_VECTOR                                     \
    " FROM vector_pending p JOIN " SPACES " s ON s.id = p.space" \
    " WHERE length(p.vector) <> s.row_bytes"

static const char *const FORGET_PENDING_VECTORS[] = {
    "UPDATE vector_pending SET vector = NULL WHERE mark IN (SELECT p.mark" WRONG_PENDING_VECTOR ")",
    NULL
};

/* What process_identity() gives: the id of a boot, a pid, a start and a namespace. */
#define NO_PROCESS                                                               \
    " FROM pending_owner WHERE id < 1 OR NOT (process GLOB '* [1-9]* [0-9]* ?*'" \
    " AND instr(process, ' ') = 37 AND length(process) - length(replace(process, ' ', '')) = 3)"

static const char *const FORGET_OWNERS[] = {
    "DELETE FROM pending_owner WHERE id IN (SELECT id" NO_PROCESS ")", NULL
};

static const char ALL_PENDING[] = "SELECT count(*) FROM vector_pending";
static const char ALL_ROWS[] = "SELECT count(*) FROM vector_row";
static const char ALL_SPACES[] = "SELECT count(*) FROM vector_space";

const struct check_invariant check_vector_invariants[] = {
    { .name = "vector.space",
      .what = "the record of every vector space makes sense",
      .sql = "SELECT 'space ' || id FROM vector_space WHERE dimension NOT BETWEEN 1 AND 65536"
             " OR parts NOT BETWEEN 1 AND 64 OR element NOT IN (1, 2) OR metric NOT IN (1, 2)"
             " OR next_slot < 1",
      .checked = ALL_SPACES },
    { .name = "vector.next_slot",
      .what = "no slot will be given a second time",
      .sql = "SELECT 'space ' || id || ': ' || next_slot || ', used ' || (" LARGEST
             ") FROM vector_space s WHERE next_slot <= " LARGEST,
      .checked = ALL_SPACES,
      .repair = SET_NEXT },
    { .name = "vector.key_orphan",
      .what = "every vector id leads to a row of that id",
      .sql = "SELECT " TEXT("k.id") ORPHAN_KEY,
      .checked = "SELECT count(*) FROM vector_key",
      .repair = DROP_KEYS },
    { .name = "vector.key",
      .what = "every vector row is found by its id",
      .sql = "SELECT " TEXT(
          "r.id") " FROM vector_row r LEFT JOIN vector_key k"
                  " ON k.space = r.slot >> 40 AND k.id = r.id WHERE k.slot IS NOT r.slot",
      .checked = ALL_ROWS,
      .repair = ADD_KEYS },
    { .name = "vector.data",
      .what = "every vector row has its elements, whole",
      .sql = "SELECT " TEXT(
          "r.id") " FROM " SPACES " s JOIN vector_row r"
                  " ON r.slot >= s.id << 40 AND r.slot < (s.id + 1) << 40"
                  " WHERE s.parts BETWEEN 1 AND 64 AND"
                  " ((SELECT sum(length(elements))" DATA_OF_R ") IS NOT s.row_bytes OR"
                  " (SELECT count(*)" DATA_OF_R ") <> (s.row_bytes + " PIECE " - 1) / " PIECE ")",
      .checked = ALL_ROWS,
      .slow = 1 },
    { .name = "vector.data_without_row",
      .what = "all elements belong to a vector row",
      .sql = "SELECT 'slot ' || d.part / 64 || ', piece ' || d.part % 64 FROM vector_data d"
             " LEFT JOIN vector_row r ON r.slot = d.part / 64 WHERE r.slot IS NULL",
      .checked = "SELECT count(*) FROM vector_data",
      .slow = 1 },
    { .name = "vector.finite",
      .what = "the elements of every vector are finite",
      .find = check_elements,
      .slow = 1 },
    { .name = "vector.payload_name",
      .what = "the names of a vector row, also of a pending one, are those in its payload",
      .find = check_names,
      .find_mends = 1,
      .slow = 1 },
    { .name = "vector.name",
      .what = "vector rows are found by their names, and by no others",
      .sql = "SELECT " TEXT(
          "v.name") " || ' in slot ' || v.slot" WRONG_NAME " UNION ALL "
                    "SELECT " TEXT("r.id") " || ' by ' || " TEXT(
                        "r.name") " FROM vector_row r"
                                  " WHERE r.name IS NOT NULL AND NOT " IN_VECTOR_NAME(
                                      "name") " UNION ALL "
                                              "SELECT " TEXT("r.id") " || ' by ' || " TEXT(
                                                  "r.name2") " FROM vector_row r"
                                                             " WHERE r.name2 IS NOT NULL AND NOT " IN_VECTOR_NAME(
                                                                 "name2"),
      .checked = "SELECT count(*) FROM vector_name",
      .repair = MEND_NAMES },
    { .name = "vector.pending",
      .what = "every pending vector is of a space that is there",
      .sql = "SELECT " TEXT("id") " || ' of space ' || space FROM vector_pending"
                                  " WHERE space NOT IN (SELECT id FROM vector_space)",
      .checked = ALL_PENDING },
    { .name = "vector.pending_count",
      .what = "the pending vectors of every space are counted",
      .sql = "SELECT 'space ' || id || ': ' || pending || ' instead of ' || " PENDING_OF_S
             " FROM vector_space s WHERE pending <> " PENDING_OF_S,
      .checked = ALL_SPACES,
      .repair = SET_PENDING },
    { .name = "vector.pending_row",
      .what = "a pending vector has its text and payload, a deferred delete has neither",
      .sql = "SELECT " TEXT("id") " FROM vector_pending WHERE (value IS NULL) <> (content IS NULL)"
                                  " OR (content IS NULL AND vector IS NOT NULL)",
      .checked = ALL_PENDING },
    { .name = "vector.pending_vector",
      .what = "the vectors that pending rows remember are whole",
      .sql = "SELECT " TEXT("p.id") WRONG_PENDING_VECTOR,
      .checked = "SELECT count(*) FROM vector_pending WHERE vector IS NOT NULL",
      .repair = FORGET_PENDING_VECTORS },
    { .name = "vector.pending_owner",
      .what = "the owners of pending vectors are processes",
      .sql = "SELECT 'owner ' || id || ': ' || process" NO_PROCESS,
      .checked = "SELECT count(*) FROM pending_owner",
      .repair = FORGET_OWNERS },
    { .name = NULL }
};
