/* Removing dictionaries, in the order that dictionary.c gives.
 *
 * All tables with values are walked by row id. A step is a write transaction that looks at so many
 * rows at most, and writes so many anew: the writer's turn is given back in between, and the log
 * stays within its bounds. Nobody can write a value behind the walk that names one of these
 * dictionaries, because they belong to no namespace any more. */
#include "codec.h"
#include "core/buffer.h"
#include "core/context.h"
#include "db.h"
#include "dictionary.h"
#include "schema.h"

enum { STEP_ROWS = 1024, STEP_LOOKS = 65536, CHECK_EVERY = 256, IDS_BYTES_MAX = 1024 * 1024 };
enum { STEP_BYTES = 8 * 1024 * 1024 };

static const char SQL_RETIRE[] = "UPDATE dictionary SET namespace = 0 WHERE namespace <> 0";
static const char SQL_RETIRED[] = "SELECT id FROM dictionary WHERE namespace = 0";
static const char SQL_REMOVE[] = "DELETE FROM dictionary WHERE id = ?1";

/* `heads`: the row id, the namespace that counts the bytes (0: none), the beginning of the value. */
static const struct value_table {
    const char *what, *heads, *get, *set;
} TABLES[] = {
    { "value of key",
      "SELECT id, namespace, substr(value, 1, 32) FROM kv WHERE id > ?1 ORDER BY id",
      "SELECT value FROM kv WHERE id = ?1", "UPDATE kv SET value = ?2 WHERE id = ?1" },
    { "node", "SELECT id, 1, substr(value, 1, 32) FROM graph_node_value WHERE id > ?1 ORDER BY id",
      "SELECT value FROM graph_node_value WHERE id = ?1",
      "UPDATE graph_node_value SET value = ?2 WHERE id = ?1" },
    { "edge", "SELECT id, 2, substr(value, 1, 32) FROM graph_edge WHERE id > ?1 ORDER BY id",
      "SELECT value FROM graph_edge WHERE id = ?1",
      "UPDATE graph_edge SET value = ?2 WHERE id = ?1" },
    { "document", "SELECT rowid, 3, substr(value, 1, 32) FROM doc WHERE rowid > ?1 ORDER BY rowid",
      "SELECT value FROM doc WHERE rowid = ?1", "UPDATE doc SET value = ?2 WHERE rowid = ?1" },
    { "payload of vector",
      "SELECT slot, slot >> 40, substr(value, 1, 32) FROM vector_row WHERE slot > ?1 ORDER BY slot",
      "SELECT value FROM vector_row WHERE slot = ?1",
      "UPDATE vector_row SET value = ?2 WHERE slot = ?1" },
    { "payload of pending vector",
      "SELECT mark, 0, substr(value, 1, 32) FROM vector_pending WHERE mark > ?1 ORDER BY mark",
      "SELECT value FROM vector_pending WHERE mark = ?1",
      "UPDATE vector_pending SET value = ?2 WHERE mark = ?1" },
    { "text of pending vector",
      "SELECT mark, 0, substr(content, 1, 32) FROM vector_pending WHERE mark > ?1 ORDER BY mark",
      "SELECT content FROM vector_pending WHERE mark = ?1",
      "UPDATE vector_pending SET content = ?2 WHERE mark = ?1" },
};
enum { TABLE_COUNT = sizeof TABLES / sizeof *TABLES };

_Static_assert(NAMESPACE_ID_NODES == 1 && NAMESPACE_ID_EDGES == 2 && NAMESPACE_ID_DOCS == 3 &&
                   SCHEMA_SLOT_BITS == 40,
               "these numbers stand in the statements");

struct walk {
    const rag_call *call;
    struct buffer ids;      /* of the dictionaries that go, as uint32_t */
    size_t table;           /* where the walk is: TABLE_COUNT at its end */
    sqlite3_int64 position; /* the last row looked at */
    uint64_t rewritten;
};

static int goes(const struct walk *walk, uint32_t id)
{
    for (size_t at = 0; id && at < walk->ids.len; at += sizeof id)
        if (memcmp(walk->ids.data + at, &id, sizeof id) == 0)
            return 1;
    return 0;
}

static rag_status retire(struct db_write *w, struct walk *walk, rag_error *err)
{
    sqlite3_stmt *stmt;
    RAG_TRY(db_prepare(w->conn, SQL_RETIRE, &stmt, err));
    RAG_TRY(db_run(w->conn, stmt, err));
    RAG_TRY(db_prepare(w->conn, SQL_RETIRED, &stmt, err));
    for (;;) {
        int found;
        RAG_TRY(db_step(w->conn, stmt, &found, err));
        if (!found)
            return RAG_OK;
        const uint32_t id = (uint32_t)sqlite3_column_int64(stmt, 0);
        RAG_TRY(buffer_append(&walk->ids, &id, sizeof id, err));
    }
}

/* ---- one row ------------------------------------------------------------------------------------- */

struct row {
    sqlite3_int64 id, namespace_id;
};

/* The next row of the table whose dictionary goes; *found 0: the table, or the step, is at its end. */
static rag_status find_next(struct walk *walk, struct db_conn *conn, size_t *looks, struct row *out,
                            int *found, rag_error *err)
{
    sqlite3_stmt *stmt;
    RAG_TRY(db_prepare(conn, TABLES[walk->table].heads, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, walk->position);
    while (*looks < STEP_LOOKS) {
        if (++*looks % CHECK_EVERY == 0)
            RAG_TRY(context_check(walk->call->ctx, err));
        RAG_TRY(db_step(conn, stmt, found, err));
        if (!*found) {
            walk->table++;
            walk->position = INT64_MIN;
            return RAG_OK;
        }
        if (sqlite3_column_int64(stmt, 0) <= walk->position) { /* it would go in circles */
            (void)sqlite3_reset(stmt);
            return rag_fail(err, RAG_E_CORRUPT, "row %lld is out of order",
                            (long long)sqlite3_column_int64(stmt, 0));
        }
        walk->position = sqlite3_column_int64(stmt, 0);
        *out = (struct row){ walk->position, sqlite3_column_int64(stmt, 1) };
        if (goes(walk, codec_dictionary_of(db_column_slice(stmt, 2)))) {
            (void)sqlite3_reset(stmt);
            return RAG_OK;
        }
    }
    *found = 0;
    (void)sqlite3_reset(stmt);
    return RAG_OK;
}

static rag_status rewrite_row(struct walk *walk, struct db_write *w, const struct row *row,
                              size_t *bytes, rag_error *err)
{
    const struct value_table *table = &TABLES[walk->table];
    struct codec *codec = w->conn->codec;
    sqlite3_stmt *stmt;
    rag_slice value, stored;
    int found;
    RAG_TRY(db_prepare(w->conn, table->get, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, row->id);
    RAG_TRY(db_step(w->conn, stmt, &found, err));
    const rag_slice old = found ? db_column_slice(stmt, 0) : rag_text("");
    RAG_TRY(codec_decode(codec, old, table->what, rag_text("of a row"), &value, err));
    RAG_TRY(codec_encode(codec, value, &stored, err));
    const sqlite3_int64 more = (sqlite3_int64)stored.len - (sqlite3_int64)old.len;
    (void)sqlite3_reset(stmt);
    RAG_TRY(db_prepare(w->conn, table->set, &stmt, err));
    (void)sqlite3_bind_int64(stmt, 1, row->id);
    db_bind_slice(stmt, 2, stored);
    RAG_TRY(db_run(w->conn, stmt, err));
    *bytes += stored.len;
    walk->rewritten++;
    return row->namespace_id ? db_write_count(w, row->namespace_id, 0, more, err) : RAG_OK;
}

/* ---- steps --------------------------------------------------------------------------------------- */

static rag_status rewrite_some(struct walk *walk, struct db_write *w, rag_error *err)
{
    size_t looks = 0, bytes = 0;
    RAG_TRY(codec_use_dictionary(w->conn->codec, 0, err));
    for (size_t rows = 0; rows < STEP_ROWS && bytes < STEP_BYTES && looks < STEP_LOOKS; rows++) {
        struct row row = { 0 };
        int found = 0;
        if (walk->table == TABLE_COUNT)
            return RAG_OK;
        RAG_TRY(find_next(walk, w->conn, &looks, &row, &found, err));
        if (found)
            RAG_TRY(rewrite_row(walk, w, &row, &bytes, err));
    }
    return RAG_OK;
}

static rag_status remove_rows(struct db_write *w, const struct walk *walk, rag_error *err)
{
    for (size_t at = 0; at < walk->ids.len; at += sizeof(uint32_t)) {
        uint32_t id;
        memcpy(&id, walk->ids.data + at, sizeof id);
        RAG_TRY(db_run_for(w->conn, SQL_REMOVE, id, err));
    }
    return RAG_OK;
}

static rag_status remove_all(struct walk *walk, rag_error *err)
{
    struct db_write w;
    RAG_TRY(db_write_begin(walk->call, &w, err));
    RAG_TRY(db_write_end(&w, retire(&w, walk, err), NULL, err));
    if (!walk->ids.len)
        return RAG_OK;
    while (walk->table < TABLE_COUNT) {
        context_progress(walk->call->ctx, "dictionaries", walk->rewritten, 0, 0, 0);
        RAG_TRY(context_check(walk->call->ctx, err));
        RAG_TRY(db_write_begin(walk->call, &w, err));
        RAG_TRY(db_write_end(&w, rewrite_some(walk, &w, err), NULL, err));
    }
    RAG_TRY(db_write_begin(walk->call, &w, err));
    return db_write_end(&w, remove_rows(&w, walk, err), NULL, err);
}

rag_status dictionary_remove_all(const rag_call *call, rag_error *err)
{
    struct walk walk = { .call = call, .ids = BUFFER_INIT(IDS_BYTES_MAX), .position = INT64_MIN };
    const rag_status status = remove_all(&walk, err);
    buffer_free(&walk.ids);
    return status;
}
