/* Statements: prepared once for each connection, found by the address of their text.
 *
 * All SQL of this backend is in string literals, so the address identifies the text and no hashing
 * of text happens on the way to a key. The table is open addressing over a power of two; it only
 * grows, for the literals are few. Errors are turned into ours here. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "db_internal.h"
#include "error.h"
#include "page_checksum.h"
#include "sqlite_os.h"

struct cell {
    const char *sql; /* NULL: free */
    sqlite3_stmt *stmt;
};

struct db_statement_cache {
    struct cell *cells;
    size_t count, capacity;
};

enum { CAPACITY_FIRST = 64 };

struct db_statement_cache *statements_new(void)
{
    struct db_statement_cache *cache = rag_alloc_zeroed(1, sizeof *cache);
    if (!cache)
        return NULL;
    cache->cells = rag_alloc_zeroed(CAPACITY_FIRST, sizeof *cache->cells);
    cache->capacity = CAPACITY_FIRST;
    if (!cache->cells) {
        rag_free(cache);
        return NULL;
    }
    return cache;
}

void statements_free(struct db_statement_cache *cache)
{
    if (!cache)
        return;
    for (size_t i = 0; i < cache->capacity; i++)
        (void)sqlite3_finalize(cache->cells[i].stmt);
    rag_free(cache->cells);
    rag_free(cache);
}

void statements_reset(struct db_statement_cache *cache)
{
    for (size_t i = 0; i < cache->capacity; i++) {
        sqlite3_stmt *stmt = cache->cells[i].stmt;
        if (stmt && sqlite3_stmt_busy(stmt))
            (void)sqlite3_reset(stmt);
    }
}

/* The cell of `sql`, or the free one where it would go. */
static struct cell *find_cell(struct cell *cells, size_t capacity, const char *sql)
{
    const uint64_t mixed = (uint64_t)(uintptr_t)sql * UINT64_C(0x9E3779B97F4A7C15);
    size_t i = (size_t)(mixed >> 32) & (capacity - 1);
    while (cells[i].sql && cells[i].sql != sql)
        i = (i + 1) & (capacity - 1);
    return &cells[i];
}

static rag_status grow(struct db_statement_cache *cache, rag_error *err)
{
    if (cache->count >= STATEMENTS_MAX)
        return rag_fail(err, RAG_E_UNSUPPORTED, "more than %d statements on one connection",
                        STATEMENTS_MAX);
    const size_t capacity = cache->capacity * 2;
    struct cell *cells = rag_alloc_zeroed(capacity, sizeof *cells);
    if (!cells)
        return rag_fail_memory(err);
    for (size_t i = 0; i < cache->capacity; i++)
        if (cache->cells[i].sql)
            *find_cell(cells, capacity, cache->cells[i].sql) = cache->cells[i];
    rag_free(cache->cells);
    cache->cells = cells;
    cache->capacity = capacity;
    return RAG_OK;
}

rag_status db_prepare(struct db_conn *conn, const char *sql, sqlite3_stmt **out, rag_error *err)
{
    struct db_statement_cache *cache = conn->statements;
    struct cell *cell = find_cell(cache->cells, cache->capacity, sql);
    if (cell->sql) {
        (void)sqlite3_reset(cell->stmt); /* its error was told when it happened */
        (void)sqlite3_clear_bindings(cell->stmt);
        *out = cell->stmt;
        return RAG_OK;
    }
    if ((cache->count + 1) * 2 > cache->capacity) {
        RAG_TRY(grow(cache, err));
        cell = find_cell(cache->cells, cache->capacity, sql);
    }
    sqlite3_stmt *stmt = NULL;
    const int code =
        sqlite3_prepare_v3(conn->sqlite, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
    if (code != SQLITE_OK)
        return db_fail(conn, code, "prepare a statement on", err);
    *cell = (struct cell){ .sql = sql, .stmt = stmt };
    cache->count++;
    *out = stmt;
    return RAG_OK;
}

/* A build has no journal: a change that failed half-way stays half-way. */
static void note_failed_change(struct db_conn *conn, sqlite3_stmt *stmt)
{
    struct build *build = conn->db->build;
    if (build && !sqlite3_stmt_readonly(stmt))
        build->spoiled = 1;
}

/* An error while reading a page, even of a statement that only reads, has SQLite undo the transaction
 * that it is in. Whoever takes damage for an answer and goes on (a check that mends) would change
 * things one by one then, each committed by itself. */
static int has_lost_transaction(const struct db_conn *conn, sqlite3_stmt *stmt)
{
    return conn->in_write && sqlite3_get_autocommit(conn->sqlite) && !sqlite3_stmt_readonly(stmt);
}

rag_status db_step(struct db_conn *conn, sqlite3_stmt *stmt, int *has_row, rag_error *err)
{
    if (has_lost_transaction(conn, stmt))
        return rag_fail(err, RAG_E_CORRUPT, "an earlier error undid what was to be written to %s",
                        conn->db->path);
    const int code = sqlite3_step(stmt);
    if (code == SQLITE_ROW || code == SQLITE_DONE) {
        *has_row = code == SQLITE_ROW;
        return RAG_OK;
    }
    const int changes = !sqlite3_stmt_readonly(stmt);
    const rag_status status = db_fail(conn, code, changes ? "write" : "read", err);
    note_failed_change(conn, stmt);
    (void)sqlite3_reset(stmt);
    return status;
}

rag_status db_run(struct db_conn *conn, sqlite3_stmt *stmt, rag_error *err)
{
    int has_row;
    RAG_TRY(db_step(conn, stmt, &has_row, err));
    (void)sqlite3_reset(stmt);
    return RAG_OK;
}

rag_status db_run_for(struct db_conn *conn, const char *sql, sqlite3_int64 number, rag_error *err)
{
    sqlite3_stmt *stmt;
    RAG_TRY(db_prepare(conn, sql, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, number);
    return db_run(conn, stmt, err);
}

void db_bind_slice(sqlite3_stmt *stmt, int index, rag_slice bytes)
{
    (void)sqlite3_bind_blob64(stmt, index, bytes.len ? bytes.data : "", bytes.len, SQLITE_STATIC);
}

void db_bind_slice_or_null(sqlite3_stmt *stmt, int index, rag_slice bytes)
{
    if (bytes.len)
        db_bind_slice(stmt, index, bytes);
    else
        (void)sqlite3_bind_null(stmt, index);
}

rag_slice db_column_slice(sqlite3_stmt *stmt, int column)
{
    const void *data = sqlite3_column_blob(stmt, column);
    const int len = sqlite3_column_bytes(stmt, column);
    return slice_of(data, data ? (size_t)len : 0);
}

/* How long the database file is, and how long its header says it is; 0 when that cannot be told.
 * Read through SQLite's own descriptor: closing another one would take its locks away. */
static void file_lengths(sqlite3 *sqlite, sqlite3_int64 *is, sqlite3_int64 *said)
{
    enum { HEADER = 32, PAGE_SIZE_AT = 16, PAGE_COUNT_AT = 28 };
    unsigned char h[HEADER];
    sqlite3_file *file = NULL;
    *is = *said = 0;
    if (sqlite3_file_control(sqlite, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK ||
        !file || !file->pMethods || file->pMethods->xFileSize(file, is) != SQLITE_OK ||
        file->pMethods->xRead(file, h, HEADER, 0) != SQLITE_OK)
        return;
    const int page = h[PAGE_SIZE_AT] << 8 | h[PAGE_SIZE_AT + 1];
    const sqlite3_int64 pages = (sqlite3_int64)h[PAGE_COUNT_AT] << 24 | h[PAGE_COUNT_AT + 1] << 16 |
                                h[PAGE_COUNT_AT + 2] << 8 | h[PAGE_COUNT_AT + 3];
    *said = pages * (page == 1 ? 65536 : page);
}

/* Damage, for readers who do not know SQLite. */
static rag_status fail_damaged(struct db_conn *conn, const char *path, int code, const char *what,
                               rag_error *err)
{
    if (code == SQLITE_IOERR_DATA)
        return rag_fail(err, RAG_E_CORRUPT,
                        "the checksum of page %" PRIu32 " of %s is wrong: damaged, or written by "
                        "another program",
                        page_checksum_failed(conn->sqlite), path);
    sqlite3_int64 is, said;
    file_lengths(conn->sqlite, &is, &said);
    if ((code & 0xff) == SQLITE_NOTADB)
        return rag_fail(err, RAG_E_CORRUPT, "%s is damaged at its beginning, or no database (%s)",
                        path, what);
    if (is < said)
        return rag_fail(err, RAG_E_CORRUPT,
                        "the database %s is cut off: it has %lld bytes where its header says %lld",
                        path, (long long)is, (long long)said);
    return rag_fail(err, RAG_E_CORRUPT, "the database %s is damaged (%s)", path, what);
}

rag_status db_fail(struct db_conn *conn, int code, const char *doing, rag_error *err)
{
    const struct connection *c = connection_of(conn);
    const int given = sqlite3_system_errno(conn->sqlite);
    const int system_errno = given == SQLITE_OS_READ_EIO ? EIO : given;
    const struct error_kind kind = map_error(code, system_errno);
    if ((code & 0xff) == SQLITE_INTERRUPT && c->ctx) {
        const rag_status why = context_check(c->ctx, err);
        if (why != RAG_OK)
            return why;
    }
    const int is_last = sqlite3_extended_errcode(conn->sqlite) == code;
    const char *what = is_last ? sqlite3_errmsg(conn->sqlite) : sqlite3_errstr(code);
    char detail[128] = "";
    const int low = code & 0xff;
    if (system_errno && (low == SQLITE_IOERR || low == SQLITE_CANTOPEN || low == SQLITE_FULL)) {
        char text[96];
        (void)snprintf(detail, sizeof detail, ": %s", strerror_r(system_errno, text, sizeof text));
    }
    const char *path = sqlite3_db_filename(conn->sqlite, "main");
    path = path && *path ? path : conn->db->path;
    if (low == SQLITE_CORRUPT || low == SQLITE_NOTADB || code == SQLITE_IOERR_DATA)
        (void)fail_damaged(conn, path, code, what, err);
    else
        (void)rag_fail(err, kind.status, "%s %s: %s%s", doing, path, what, detail);
    if (err)
        err->vendor_code = code;
    rag_error_retryable(err, kind.retryable);
    return kind.status;
}
