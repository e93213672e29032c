/* What the files db_*.c share; nobody else includes it. */
#ifndef EMBEDDED_DB_INTERNAL_H
#define EMBEDDED_DB_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "codec.h"
#include "core/context.h"
#include "core/gate.h"
#include "db.h"
#include "db_open.h"
#include "schema.h"

/* Bounds of the memory and files of one open store. */
enum {
    PAGE_SIZE_DEFAULT = 4096, /* of new stores: docs/decisions has the measurement */
    PAGE_SIZE_MIN = 4096,
    PAGE_SIZE_MAX = 65536,
    CACHE_WRITER_KB = 16 * 1024,
    CACHE_READER_KB = 16 * 1024,
    CACHE_BUILD_KB = 64 * 1024,
    READERS_KEPT = 8, /* idle connections that stay open */
    READERS_MAX = 64,
    STATEMENTS_MAX = 512, /* distinct SQL texts are static strings of this library */
    PROGRESS_STEPS = 10000
};

/* The write-ahead log: tried to be emptied at CHECKPOINT, again after each further STEP; readers
 * are waited for from RESTART on. The file is cut back to LIMIT. With 8 readers that never pause on
 * 2 busy cores the log then stays below 100 MB. */
#define WAL_CHECKPOINT_BYTES ((int64_t)48 * 1024 * 1024)
#define WAL_RESTART_BYTES ((int64_t)56 * 1024 * 1024)
#define WAL_STEP_BYTES ((int64_t)8 * 1024 * 1024)
#define WAL_LIMIT_BYTES ((int64_t)64 * 1024 * 1024)
#define WAL_RESTART_WAIT_NS ((int64_t)50 * 1000 * 1000) /* doubled with each STEP, up to: */
#define WAL_RESTART_WAIT_MAX_NS ((int64_t)400 * 1000 * 1000)
#define WAL_TRUNCATE_WAIT_NS ((int64_t)1000 * 1000 * 1000) /* when somebody asked for it */

#define DB_FILE "ragstore.db"
#define LOCK_FILE "ragstore.lock"
#define BUILD_PREFIX "ragstore.db.build-"
enum { BUILD_NAME_MAX = sizeof BUILD_PREFIX + 40 }; /* "<pid>-<8 hex digits>" follows */

struct connection {
    struct db_conn base;    /* first: the two are cast to each other */
    const rag_context *ctx; /* of the call that runs; NULL between calls */
    int64_t busy_until_ns;  /* how long to wait for foreign locks */
    int64_t busy_since_ns;
    int64_t busy_limit_ns;   /* not 0: counted from the first time that a lock is busy instead */
    const char *wal_path;    /* SQLite's own string: sqlite_os_is_in_place() */
    int in_read;             /* a read transaction was begun */
    int version;             /* of the format, when it was opened */
    int secure_delete;       /* of a writer: deleted rows are overwritten, in this transaction */
    struct connection *next; /* in the pool */
};

/* A store while it is built aside. */
struct build {
    char *path;
    int lock_fd; /* carries the lock that says "alive"; also what is synced */
    int spoiled; /* an error after a change: there is no journal to undo it with */
};

/* An explicit transaction. Holds the writer's turn. */
struct transaction {
    struct connection *conn;
    int durable; /* a durable write was part of it */
    sqlite3_int64 changes_at_begin;
};

struct db {
    char *directory;
    char *path; /* of ragstore.db */
    unsigned flags;
    int read_only;
    int64_t lock_timeout_ms;
    int page_size;
    int ignore_checksums;
    int secure_delete;             /* 1, 0: what the opener asked for; -1: nothing */
    _Atomic(struct gate *) gate;   /* changes once, when a build is published */
    struct gate *build_gate;       /* the one before */
    struct connection *writer;     /* belongs to whoever has the turn; NULL when read-only */
    _Atomic(struct build *) build; /* non-NULL until published */
    int64_t wal_bytes;             /* after the last commit; under the turn, as the next */
    int64_t next_checkpoint_at;

    dev_t device;          /* of the file; under `mutex`, as all below */
    ino_t inode;           /* 0: not open yet */
    pthread_mutex_t mutex; /* of all below; innermost, never held around SQLite */
    pthread_cond_t reader_back;
    struct connection *idle;
    size_t idle_count, reader_count, waiting_readers;
    atomic_int broken; /* a rag_status: takes no further writes; why: */
    char broken_reason[RAG_ERROR_MESSAGE_MAX];
    void *vector_cache;
    atomic_int_least64_t owner; /* 0: not asked for yet; db_owner() */
    atomic_int owner_is_used;
    void (*vector_cache_destroy)(void *cache);
};

static inline struct connection *connection_of(struct db_conn *conn)
{
    return (struct connection *)conn;
}

/* ---- db_connection.c ---- */
enum connection_kind {
    CONNECTION_READER,
    CONNECTION_WRITER,
    CONNECTION_BUILD, /* of a file that nobody else sees */
    CONNECTION_LAST   /* a writer whose close empties the log and removes it */
};
rag_status connection_open(struct db *db, const char *path, enum connection_kind kind,
                           const rag_context *ctx, struct connection **out, rag_error *err);
void connection_close(struct connection *c);
/* A reader from the pool, waiting for one until the deadline; and back. */
rag_status pool_take(struct db *db, const rag_context *ctx, struct connection **out,
                     rag_error *err);
void pool_give_back(struct db *db, struct connection *c);
void pool_discard(struct db *db, struct connection *c); /* instead: it is not used again */
void pool_close(struct db *db);
/* Under whose deadline the connection works from now on; NULL: nobody's. */
void connection_serve(struct connection *c, const rag_context *ctx);
rag_status connection_exec(struct connection *c, const char *sql, rag_error *err);
/* The single integer that `sql` selects. */
rag_status connection_int(struct connection *c, const char *sql, sqlite3_int64 *out,
                          rag_error *err);
int64_t db_deadline(const struct db *db, const rag_context *ctx);

/* ---- db_statement.c ---- */
struct db_statement_cache *statements_new(void);
void statements_free(struct db_statement_cache *cache); /* finalizes them */
void statements_reset(struct db_statement_cache *cache);

/* ---- db_transaction.c ---- */
/* Get the turn and check that the store can be written. */
rag_status turn_take(struct db *db, const rag_context *ctx, rag_error *err);
void turn_leave(struct db *db);
/* Once for each connection, when it is opened: so that nothing can keep it from ending. */
rag_status transaction_prepare(struct connection *c, rag_error *err);
/* Begin and end on the writer; the turn is held. `full`: the commit syncs. */
rag_status writer_begin(struct db *db, int full, rag_error *err);
rag_status writer_commit(struct db *db, int full, rag_error *err);
void writer_rollback(struct connection *c);
/* `value` of the row secure_delete in meta. */
enum secure_delete {
    SECURE_DELETE_OFF = 0,  /* there is no such row */
    SECURE_DELETE_ON = 1,   /* rows deleted before may be left in places that nobody uses */
    SECURE_DELETE_CLEAN = 2 /* on since the store was made or written anew */
};
rag_status secure_delete_read(struct db_conn *conn, enum secure_delete *out, rag_error *err);
/* No further writes until reopened. The first reason stays. */
void db_break(struct db *db, rag_status status, const char *reason);
rag_status db_check_build(struct db *db, rag_error *err); /* RAG_OK when not spoiled */

/* ---- db_open.c ---- */
/* RAG_E_UNSUPPORTED for a network file system. */
rag_status db_check_file_system(const char *directory, rag_error *err);
/* RAG_E_INVALID when SQLite cannot open a file whose name in `directory` has `name_bytes` bytes. */
rag_status db_check_length(const char *directory, size_t name_bytes, rag_error *err);

/* ---- db_upgrade.c ---- */
/* Bring a store of an older format up to SCHEMA_VERSION; the writer is connected, no turn held. */
rag_status db_upgrade(struct db *db, const rag_context *ctx, rag_error *err);

/* ---- db_flush.c ---- */
/* Write the durable token and sync; the turn is held, no transaction is open. */
rag_status flush_under_turn(struct db *db, rag_error *err);

/* ---- db_checkpoint.c ---- */
void checkpoint_watch(struct connection *writer); /* learn the size of the log at each commit */
void checkpoint_if_due(struct db *db, const rag_context *ctx);

/* ---- db_build.c ---- */
rag_status build_start(struct db *db, const rag_context *ctx, rag_error *err);
/* Remove the files of dead builds; errors are ignored, the next one tries again. */
void build_remove_dead(const char *directory);
/* Make an empty store appear under db->path. The turn is held by the kernel's lock too. */
rag_status build_create_empty(struct db *db, const rag_context *ctx, rag_error *err);
void build_abandon(struct db *db); /* close and remove the aside file */
rag_status db_connect(struct db *db, const rag_context *ctx, rag_error *err);

#endif
