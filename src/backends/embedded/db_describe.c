/* What a store says about itself: its namespaces, and one JSON object of facts. All of it is kept
 * in rows or known to the file system; nothing is counted here. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/alloc.h"
#include "core/os.h"
#include "db_internal.h"
#include "stores.h"

_Static_assert(VECTOR_INDEX_MIN_ROWS == 1024, "the bound stands in a statement here");

static const char *kind_name(int kind)
{
    switch (kind) {
    case NAMESPACE_KV: return "kv";
    case NAMESPACE_VECTOR: return "vector";
    case NAMESPACE_NODES: return "graph_nodes";
    case NAMESPACE_EDGES: return "graph_edges";
    case NAMESPACE_DOCS: return "doc_status";
    default: return NULL;
    }
}

static rag_status append_namespace(const rag_call *call, sqlite3_stmt *stmt, rag_result *out,
                                   rag_error *err)
{
    const char *kind = kind_name(sqlite3_column_int(stmt, 0));
    if (!kind)
        return rag_fail(err, RAG_E_CORRUPT, "a namespace has the unknown kind %d",
                        sqlite3_column_int(stmt, 0));
    const sqlite3_int64 rows = sqlite3_column_int64(stmt, 2);
    char json[200], pending[40] = "";
    if (sqlite3_column_type(stmt, 5) != SQLITE_NULL)
        (void)snprintf(pending, sizeof pending, ",\"pending\":%lld",
                       (long long)sqlite3_column_int64(stmt, 5));
    const int len =
        snprintf(json, sizeof json, "{\"rows\":%lld,\"bytes\":%lld,\"generation\":%lld%s}",
                 (long long)rows, (long long)sqlite3_column_int64(stmt, 3),
                 (long long)sqlite3_column_int64(stmt, 4), pending);
    const rag_row row = { .key = rag_text(kind),
                          .key2 = slice_of(sqlite3_column_text(stmt, 1),
                                           (size_t)sqlite3_column_bytes(stmt, 1)),
                          .value = slice_of(json, (size_t)len),
                          .found = 1,
                          .number = rows };
    return call->host->row_append(out, &row, err);
}

static rag_status append_namespaces(const rag_call *call, struct db_conn *conn, rag_result *out,
                                    rag_error *err)
{
    sqlite3_stmt *stmt;
    RAG_TRY(db_prepare(
        conn,
        "SELECT n.kind, n.name, n.rows, n.bytes, n.generation, s.pending FROM namespace n"
        " LEFT JOIN vector_space s ON s.id = n.id"
        " WHERE n.kind > 0 AND (n.rows > 0 OR s.id IS NOT NULL)"
        " ORDER BY n.kind, n.name",
        &stmt, err));
    for (;;) {
        int has_row;
        RAG_TRY(db_step(conn, stmt, &has_row, err));
        if (!has_row)
            return RAG_OK;
        RAG_TRY(append_namespace(call, stmt, out, err));
    }
}

rag_status db_namespaces(const rag_call *call, rag_result *out, rag_error *err)
{
    struct db_conn *conn = NULL;
    RAG_TRY(db_read_begin(call, &conn, err));
    const rag_status status = append_namespaces(call, conn, out, err);
    db_read_end(call, conn);
    return status;
}

/* ---- facts ------------------------------------------------------------------------------------------ */

struct facts {
    sqlite3_int64 token, durable, version, page_size, free_pages;
    sqlite3_int64 vectors, indexed;
    sqlite3_int64 file_bytes, log_bytes;
};

static rag_status read_facts(struct db_conn *conn, struct facts *f, rag_error *err)
{
    struct connection *c = connection_of(conn);
    RAG_TRY(connection_int(c, "SELECT generation FROM namespace WHERE id = 0", &f->token, err));
    RAG_TRY(connection_int(c, "SELECT token FROM durable WHERE id = 0", &f->durable, err));
    RAG_TRY(connection_int(c, "PRAGMA user_version", &f->version, err));
    RAG_TRY(connection_int(c, "PRAGMA page_size", &f->page_size, err));
    RAG_TRY(connection_int(c, "PRAGMA freelist_count", &f->free_pages, err));
    /* smaller spaces have no index and want none: vector_index.c */
    RAG_TRY(connection_int(
        c, "SELECT coalesce(sum(rows), 0) FROM namespace WHERE kind = 2 AND rows >= 1024",
        &f->vectors, err));
    return connection_int(c, "SELECT coalesce(sum(rows), 0) FROM vector_index", &f->indexed, err);
}

static sqlite3_int64 size_of(const char *path)
{
    struct stat st;
    return path && os_calls.stat(path, &st) == 0 ? (sqlite3_int64)st.st_size : 0;
}

static void measure_files(const struct db *db, struct facts *f)
{
    const struct build *build = db->build;
    f->file_bytes = size_of(build ? build->path : db->path);
    char *log = os_join(db->directory, DB_FILE "-wal");
    f->log_bytes = size_of(log);
    rag_free(log);
}

static rag_status print_facts(struct buffer *json, const struct db *db, const struct facts *f,
                              rag_error *err)
{
    RAG_TRY(buffer_append_text(json, "{\"location\":", err));
    RAG_TRY(buffer_append_json_string(json, rag_text(db->directory), err));
    return buffer_printf(
        json, err,
        ",\"format_version\":%lld,\"sqlite\":\"%s\",\"page_size\":%lld,\"token\":%lld,"
        "\"durable_token\":%lld,\"file_bytes\":%lld,\"wal_bytes\":%lld,\"free_bytes\":%lld,"
        "\"building\":%s,\"read_only\":%s,"
        "\"debt\":{\"wal_bytes\":%lld,\"vectors_without_index\":%lld}}",
        (long long)f->version, sqlite3_libversion(), (long long)f->page_size, (long long)f->token,
        (long long)f->durable, (long long)f->file_bytes, (long long)f->log_bytes,
        (long long)(f->free_pages * f->page_size), db->build ? "true" : "false",
        db->read_only ? "true" : "false", (long long)f->log_bytes,
        (long long)(f->vectors > f->indexed ? f->vectors - f->indexed : 0));
}

rag_status db_describe(const rag_call *call, rag_result *out, rag_error *err)
{
    struct db *db = call->self;
    struct db_conn *conn = NULL;
    struct facts facts = { 0 };
    RAG_TRY(db_read_begin(call, &conn, err));
    rag_status status = read_facts(conn, &facts, err);
    db_read_end(call, conn);
    RAG_TRY(status);
    measure_files(db, &facts);
    struct buffer json = BUFFER_INIT(64 * 1024);
    status = print_facts(&json, db, &facts, err);
    if (status == RAG_OK) {
        const rag_row row = { .value = buffer_slice(&json), .found = 1 };
        status = call->host->row_append(out, &row, err);
    }
    buffer_free(&json);
    return status;
}
