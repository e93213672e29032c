/* One open database of the embedded backend: connections, the writer's turn, transactions.
 *
 * The files of the stores (kv.c, graph.c, ...) use only this header: a slot starts with
 * db_read_begin() or db_write_begin(), runs statements, and ends with db_read_end() or
 * db_write_end(). Inside an explicit transaction (call->txn) both work on its connection; a failed
 * write then undoes only its own slot (a savepoint).
 *
 * Threads: a struct db is shared by all; a struct db_conn belongs to one thread at a time. Order of
 * locks: gate queue (process) -> gate file lock (kernel) -> SQLite's own; the pool's mutex is
 * innermost and never held around a call into SQLite. */
#ifndef EMBEDDED_DB_H
#define EMBEDDED_DB_H

#include <ragstore/backend.h>
#include <sqlite3.h>

#include "core/buffer.h"
#include "core/error.h"

struct db;

/* A connection with its prepared statements. */
struct db_conn {
    sqlite3 *sqlite;
    struct db *db;
    struct db_statement_cache *statements;
    struct codec *codec; /* zstd contexts and scratch memory: codec.h */
    int in_write;        /* of the writer: a transaction was begun, and not ended by us */
};

/* ---- reading ----------------------------------------------------------------------------------- */

/* A connection inside a read transaction (one snapshot over all four stores). */
rag_status db_read_begin(const rag_call *call, struct db_conn **conn, rag_error *err);
/* `conn` of db_read_begin(); safe after errors. Resets its statements. */
void db_read_end(const rag_call *call, struct db_conn *conn);

/* ---- writing ------------------------------------------------------------------------------------ */

/* What one writing slot changed; counters are applied in the same transaction at its end. */
struct db_write {
    struct db_conn *conn;
    const rag_call *call;
    int own;     /* not inside an explicit transaction: this write commits */
    int durable; /* commit with an fsync (doc status); set before db_write_end() */
    struct {
        sqlite3_int64 id, rows, bytes;
    } changes[8];
    size_t change_count;
    int full;                     /* the commit itself syncs: db_write_begin_durable() */
    sqlite3_int64 changes_before; /* sqlite3_total_changes64() at the begin */
};

/* Take the writer's turn (waiting until the deadline) and begin; or a savepoint in call->txn. */
rag_status db_write_begin(const rag_call *call, struct db_write *w, rag_error *err);

/* The same for a write that is known to be durable: one commit with one fsync. A write that sets
 * w->durable later (or runs inside call->txn) costs a second small commit. */
rag_status db_write_begin_durable(const rag_call *call, struct db_write *w, rag_error *err);

/* Add to the counters of a namespace. */
rag_status db_write_count(struct db_write *w, sqlite3_int64 namespace_id, sqlite3_int64 rows,
                          sqlite3_int64 bytes, rag_error *err);

/* End what db_write_begin() began: with `status` RAG_OK commit (new token into *token, which may be
 * NULL), otherwise undo and return `status` with *err untouched. */
rag_status db_write_end(struct db_write *w, rag_status status, rag_token *token, rag_error *err);

/* ---- statements ---------------------------------------------------------------------------------- */

/* The prepared statement for `sql`, a string with static lifetime (found by its address), reset and
 * without bindings. Owned by the connection: never finalize it. */
rag_status db_prepare(struct db_conn *conn, const char *sql, sqlite3_stmt **out, rag_error *err);

/* One step: *has_row is 1 for a row, 0 at the end. Errors are mapped. */
rag_status db_step(struct db_conn *conn, sqlite3_stmt *stmt, int *has_row, rag_error *err);
/* A step of a statement that gives no rows; resets it. */
rag_status db_run(struct db_conn *conn, sqlite3_stmt *stmt, rag_error *err);

/* db_run() of a statement whose only parameter is a number. */
rag_status db_run_for(struct db_conn *conn, const char *sql, sqlite3_int64 number, rag_error *err);

/* Bind without copying: the bytes must live until the statement is reset. Binding cannot fail but
 * for too large a value, which the limits exclude. Index from 1. */
void db_bind_slice(sqlite3_stmt *stmt, int index, rag_slice bytes); /* BLOB; empty: zero length */
void db_bind_slice_or_null(sqlite3_stmt *stmt, int index, rag_slice bytes); /* empty: NULL */
rag_slice db_column_slice(sqlite3_stmt *stmt, int column); /* valid until the next step or reset */

/* SQLite's (extended) result on `conn` as an error. `doing` names the action and the thing. */
rag_status db_fail(struct db_conn *conn, int code, const char *doing, rag_error *err);

/* ---- namespaces ------------------------------------------------------------------------------------ */

/* The id of a namespace; 0 in *id when there is none (ids start at 1). */
rag_status db_namespace_find(struct db_conn *conn, int kind, const char *name, sqlite3_int64 *id,
                             rag_error *err);
/* The same, created when missing. Only while writing. */
rag_status db_namespace_make(struct db_write *w, int kind, const char *name, sqlite3_int64 *id,
                             rag_error *err);
/* Its kept number of rows. */
rag_status db_namespace_rows(struct db_conn *conn, sqlite3_int64 id, uint64_t *rows,
                             rag_error *err);

/* Set the counters of a namespace to nothing, after its rows were deleted. In drop.c. */
rag_status db_namespace_clear(struct db_write *w, sqlite3_int64 id, rag_error *err);

/* The position behind a page that began behind `after`. Of scans that go by a number: as decimal text
 * in the result, and back (empty: 0, which is before every row id). RAG_E_CORRUPT: it is not behind
 * it. In scan_position.c. */
rag_status db_set_next(rag_result *out, rag_slice after, rag_slice next, rag_error *err);
rag_status db_set_next_number(rag_result *out, sqlite3_int64 after, sqlite3_int64 number,
                              rag_error *err);
rag_status db_parse_number(rag_slice position, sqlite3_int64 *number, rag_error *err);

/* ---- about the store -------------------------------------------------------------------------------- */

const char *db_directory(const struct db *db); /* where index files go */
int db_is_bulk(const struct db *db);           /* being built aside, nobody else sees it */
/* Make everything up to `upto` (0: all) durable. */
rag_status db_flush(const rag_call *call, rag_token upto, rag_error *err);

/* Whether what is deleted has to be unreadable afterwards: asked of the store, and (at no cost) of a
 * connection inside a write. */
rag_status db_secure_delete(struct db_conn *conn, int *on, rag_error *err);
int db_is_secure_delete(const struct db_conn *conn);

/* The number in whose name this handle leaves what belongs to nobody else: db_owner.c. */
sqlite3_int64 db_owner(struct db *db);
void db_owner_used(struct db *db); /* it stands in the store */
int db_owner_is_used(struct db *db);

/* State that the vector store keeps with the handle (mapped index files): made on first use under
 * the pool's mutex, freed at close. */
void *db_vector_cache(struct db *db);
void db_set_vector_cache(struct db *db, void *cache, void (*destroy)(void *cache));

#endif
