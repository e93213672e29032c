/* LightRAG's tables.
 *
 * The layout is LightRAG 1.5.7's, so that its classes and this backend work on one database. A row's
 * columns come as JSON texts ("a string", 12, [..]): the server quotes what it has, so putting a value
 * together here is joining texts (row.c).
 *
 * Statements work on batches: one array for each column, unnested in the server, so a batch of any
 * size is one statement, one plan and one round trip. They are built once, when the backend is
 * opened. In all of them $1 is the workspace and $2 the namespace's name in ragstore_rows. */
#include "tables.h"

#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define TEXT(name) { name, name, PG_TEXT, 0, "TEXT" }

static const struct pg_column doc_full[] = {
    TEXT("content"),
    { "doc_name", "file_path", PG_TEXT, 1024, "VARCHAR(1024)" },
    { "parse_format", "parse_format", PG_TEXT, 32, "VARCHAR(32) DEFAULT 'raw'" },
    TEXT("content_hash"),
    { "chunk_options", "chunk_options", PG_JSONB, 0, "JSONB DEFAULT '{}'::jsonb" },
    TEXT("process_options"),
    TEXT("parse_engine"),
    TEXT("sidecar_location"),
};

static const struct pg_column doc_chunks[] = {
    { "tokens", "tokens", PG_INT, 0, "INTEGER" },
    TEXT("content"),
    { "chunk_order_index", "chunk_order_index", PG_INT, 0, "INTEGER" },
    { "full_doc_id", "full_doc_id", PG_TEXT, 256, "VARCHAR(256)" },
    TEXT("file_path"),
    { "llm_cache_list", "llm_cache_list", PG_JSONB, 0, "JSONB DEFAULT '[]'::jsonb" },
    { "heading", "heading", PG_JSONB, 0, "JSONB DEFAULT '{}'::jsonb" },
    { "sidecar", "sidecar", PG_JSONB, 0, "JSONB DEFAULT '{}'::jsonb" },
};

static const struct pg_column llm_cache[] = {
    { "return_value", "return", PG_TEXT, 0, "TEXT" },
    { "cache_type", "cache_type", PG_TEXT, 32, "VARCHAR(32)" },
    { "chunk_id", "chunk_id", PG_TEXT, 255, "VARCHAR(255)" },
    TEXT("original_prompt"),
    { "queryparam", "queryparam", PG_JSONB, 0, "JSONB" },
};

static const struct pg_column full_entities[] = {
    { "entity_names", "entity_names", PG_JSONB, 0, "JSONB" },
    { "count", "count", PG_INT, 0, "INTEGER" },
};

static const struct pg_column full_relations[] = {
    { "relation_pairs", "relation_pairs", PG_JSONB, 0, "JSONB" },
    { "count", "count", PG_INT, 0, "INTEGER" },
};

static const struct pg_column chunks_of[] = {
    { "chunk_ids", "chunk_ids", PG_JSONB, 0, "JSONB" },
    { "count", "count", PG_INT, 0, "INTEGER" },
};

static const struct pg_column doc_status[] = {
    { "status", "status", PG_TEXT, 64, "VARCHAR(64)" },
    { "content_summary", "content_summary", PG_TEXT, 255, "VARCHAR(255)" },
    { "content_length", "content_length", PG_INT, 0, "INTEGER" },
    { "created_at", "created_at", PG_TIME, 0, "TIMESTAMP DEFAULT CURRENT_TIMESTAMP" },
    { "updated_at", "updated_at", PG_TIME, 0, "TIMESTAMP DEFAULT CURRENT_TIMESTAMP" },
    TEXT("file_path"),
    { "track_id", "track_id", PG_TEXT, 255, "VARCHAR(255)" },
    TEXT("content_hash"),
    { "metadata", "metadata", PG_JSONB, 0, "JSONB DEFAULT '{}'::jsonb" },
    { "chunks_count", "chunks_count", PG_INT, 0, "INTEGER" },
    { "chunks_list", "chunks_list", PG_JSONB, 0, "JSONB DEFAULT '[]'::jsonb" },
    TEXT("error_msg"),
};

#define KV(name, space, width, columns, time, other) \
    { name, "kv", space, width, columns, COUNT(columns), time, other }
#define SECONDS "TIMESTAMP(0) DEFAULT CURRENT_TIMESTAMP"

const struct pg_table pg_tables[PG_TABLES] = {
    KV("lightrag_doc_full", "full_docs", 255, doc_full, SECONDS, "meta JSONB"),
    KV("lightrag_doc_chunks", "text_chunks", 255, doc_chunks, SECONDS, NULL),
    KV("lightrag_llm_cache", "llm_response_cache", 255, llm_cache,
       "TIMESTAMP DEFAULT CURRENT_TIMESTAMP", NULL),
    KV("lightrag_full_entities", "full_entities", 255, full_entities, SECONDS, NULL),
    KV("lightrag_full_relations", "full_relations", 255, full_relations, SECONDS, NULL),
    KV("lightrag_entity_chunks", "entity_chunks", 512, chunks_of, SECONDS, NULL),
    KV("lightrag_relation_chunks", "relation_chunks", 512, chunks_of, SECONDS, NULL),
    { "lightrag_doc_status", "doc_status", "doc_status", 255, doc_status, COUNT(doc_status), NULL,
      NULL },
};

const struct pg_table *pg_table_of(const char *name_space)
{
    for (size_t i = 0; i < PG_TABLES; i++)
        if (strcmp(pg_tables[i].kind, "kv") == 0 &&
            strcmp(pg_tables[i].name_space, name_space) == 0)
            return &pg_tables[i];
    return NULL;
}

/* ---- columns of answers ---------------------------------------------------------------------------- */

/* ISO 8601 as Python's isoformat() has it: microseconds only where there are any. */
static void add_time(struct pg_text *t, const char *alias, const char *name)
{
    char column[80];
    (void)snprintf(column, sizeof column, "%s.%s", alias, name);
    pg_text_fill(t,
                 ", '\"' || to_char(@, 'YYYY-MM-DD\"T\"HH24:MI:SS') ||"
                 " CASE WHEN date_trunc('second', @) = @ THEN ''"
                 " ELSE to_char(@, '.US') END || '+00:00\"'",
                 column);
}

void pg_add_text_columns(struct pg_text *t, const struct pg_table *table, const char *alias)
{
    for (size_t i = 0; i < table->column_count; i++) {
        const struct pg_column *c = &table->columns[i];
        switch (c->type) {
        case PG_TEXT: pg_text_printf(t, ", %s.%s::text", alias, c->name); break;
        case PG_INT:
        case PG_JSONB: pg_text_printf(t, ", %s.%s::text", alias, c->name); break;
        case PG_TIME: add_time(t, alias, c->name); break;
        case PG_LIST: pg_text_printf(t, ", array_to_string(%s.%s, '<SEP>')", alias, c->name); break;
        }
    }
}

void pg_add_null_columns(struct pg_text *t, const struct pg_table *table)
{
    for (size_t i = 0; i < table->column_count; i++)
        pg_text_add_text(t, ", NULL::text");
}

/* created and updated, as int8 */
static void add_times(struct pg_text *t, const struct pg_table *table, const char *alias)
{
    if (table->time_type)
        pg_text_fill(t,
                     ", extract(epoch FROM @.create_time)::int8,"
                     " extract(epoch FROM @.update_time)::int8",
                     alias);
    else
        pg_text_add_text(t, ", 0::int8, 0::int8");
}

/* ---- statements ------------------------------------------------------------------------------------ */

static void add_get(struct pg_text *t, const struct pg_table *table)
{
    pg_text_add_text(t, "SELECT u.place");
    add_times(t, table, "t");
    pg_text_add_text(t, ", NULL::text, t.ragstore_extra::text");
    pg_add_text_columns(t, table, "t");
    pg_text_printf(t,
                   " FROM unnest($3::text[]) WITH ORDINALITY AS u(id, place) JOIN %s t"
                   " ON t.workspace = $1::text AND t.id = u.id WHERE $2::text IS NOT NULL",
                   table->name);
}

/* A time that was given as 0 is the old row's, else now; -1 is not known. */
static void add_put_times(struct pg_text *t, size_t now)
{
    char parameter[24];
    (void)snprintf(parameter, sizeof parameter, "$%zu::int8", now);
    pg_text_fill(t,
                 ", CASE u.created WHEN 0 THEN CASE WHEN old.id IS NULL"
                 " THEN to_timestamp(@) AT TIME ZONE 'UTC' ELSE old.create_time END"
                 " WHEN -1 THEN NULL ELSE to_timestamp(u.created) AT TIME ZONE 'UTC' END,"
                 " CASE u.updated WHEN 0 THEN to_timestamp(@) AT TIME ZONE 'UTC'"
                 " WHEN -1 THEN NULL ELSE to_timestamp(u.updated) AT TIME ZONE 'UTC' END",
                 parameter);
}

static void add_put_source(struct pg_text *t, const struct pg_table *table)
{
    static const char *const casts[] = { [PG_TEXT] = "",
                                         [PG_INT] = "::int4",
                                         [PG_JSONB] = "::jsonb",
                                         [PG_TIME] = "::timestamp",
                                         [PG_LIST] = "" };
    const size_t now = 7 + table->column_count;
    pg_text_add_text(t, " SELECT $1::text, u.id, u.extra::json");
    for (size_t i = 0; i < table->column_count; i++)
        pg_text_printf(t, ", u.c%zu%s", i, casts[table->columns[i].type]);
    if (table->time_type)
        add_put_times(t, now);
    pg_text_add_text(t, " FROM unnest($3::text[], $4::int8[], $5::int8[], $6::text[]");
    for (size_t i = 0; i < table->column_count; i++)
        pg_text_printf(t, ", $%zu::text[]", 7 + i);
    pg_text_add_text(t, ") AS u(id, created, updated, extra");
    for (size_t i = 0; i < table->column_count; i++)
        pg_text_printf(t, ", c%zu", i);
    pg_text_printf(t,
                   ") LEFT JOIN %s old ON old.workspace = $1::text AND old.id = u.id"
                   " WHERE $2::text IS NOT NULL AND $%zu::int8 IS NOT NULL",
                   table->name, now);
}

static void add_put(struct pg_text *t, const struct pg_table *table)
{
    pg_text_printf(t, "INSERT INTO %s (workspace, id, ragstore_extra", table->name);
    for (size_t i = 0; i < table->column_count; i++)
        pg_text_printf(t, ", %s", table->columns[i].name);
    pg_text_add_text(t, table->time_type ? ", create_time, update_time)" : ")");
    add_put_source(t, table);
    pg_text_add_text(t, " ON CONFLICT (workspace, id) DO UPDATE SET"
                        " ragstore_extra = EXCLUDED.ragstore_extra");
    for (size_t i = 0; i < table->column_count; i++)
        pg_text_fill(t, ", @ = EXCLUDED.@", table->columns[i].name);
    if (table->time_type)
        pg_text_add_text(t, ", create_time = EXCLUDED.create_time,"
                            " update_time = EXCLUDED.update_time");
}

static void add_scan(struct pg_text *t, const struct pg_table *table)
{
    pg_text_add_text(t, "SELECT * FROM ((SELECT convert_to(t.id, 'UTF8') AS key");
    add_times(t, table, "t");
    pg_text_add_text(t, ", NULL::text, t.ragstore_extra::text");
    pg_add_text_columns(t, table, "t");
    pg_text_printf(t,
                   " FROM %s t WHERE t.workspace = $1::text AND t.id COLLATE \"C\" >= $5::text"
                   " AND convert_to(t.id, 'UTF8') > $3::bytea"
                   " ORDER BY t.id COLLATE \"C\" LIMIT $4::int8)"
                   " UNION ALL (SELECT r.key, r.created, r.updated, r.value::text, NULL::text",
                   table->name);
    pg_add_null_columns(t, table);
    pg_text_printf(t,
                   " FROM ragstore_rows r WHERE r.workspace = $1::text AND r.kind = '%s'"
                   " AND r.name = $2::text"
                   " AND (substr(r.key, 1, 512), r.key) > (substr($3::bytea, 1, 512), $3::bytea)"
                   " ORDER BY substr(r.key, 1, 512), r.key LIMIT $4::int8)) s"
                   " ORDER BY key LIMIT $4::int8",
                   table->kind);
}

static void add_others(struct pg_text *t, const struct pg_table *table, size_t at[3])
{
    at[0] = t->len;
    pg_text_printf(t,
                   "DELETE FROM %s WHERE workspace = $1::text AND id = ANY($3::text[])"
                   " AND $2::text IS NOT NULL",
                   table->name);
    pg_text_add(t, "", 1);
    at[1] = t->len;
    pg_text_printf(t,
                   "SELECT u.place FROM unnest($3::text[]) WITH ORDINALITY AS u(id, place)"
                   " LEFT JOIN %s t ON t.workspace = $1::text AND t.id = u.id"
                   " WHERE t.id IS NULL AND $2::text IS NOT NULL",
                   table->name);
    pg_text_add(t, "", 1);
    at[2] = t->len;
    pg_text_printf(t,
                   "WITH a AS (DELETE FROM %s WHERE workspace = $1::text)"
                   " DELETE FROM ragstore_rows WHERE workspace = $1::text AND kind = '%s'"
                   " AND name = $2::text",
                   table->name, table->kind);
    pg_text_add(t, "", 1);
}

rag_status pg_make_statements(const rag_host *host, struct pg_statements *statements,
                              struct pg_text *strings, rag_error *err)
{
    size_t at[PG_TABLES][6];
    strings->host = host;
    for (size_t i = 0; i < PG_TABLES; i++) {
        at[i][0] = strings->len;
        add_get(strings, &pg_tables[i]);
        pg_text_add(strings, "", 1);
        at[i][1] = strings->len;
        add_put(strings, &pg_tables[i]);
        pg_text_add(strings, "", 1);
        at[i][2] = strings->len;
        add_scan(strings, &pg_tables[i]);
        pg_text_add(strings, "", 1);
        add_others(strings, &pg_tables[i], &at[i][3]);
    }
    PG_TRY(pg_text_check(strings, err));
    for (size_t i = 0; i < PG_TABLES; i++)
        statements[i] = (struct pg_statements){
            .get = strings->data + at[i][0],
            .put = strings->data + at[i][1],
            .scan = strings->data + at[i][2],
            .erase = strings->data + at[i][3],
            .absent = strings->data + at[i][4],
            .clear = strings->data + at[i][5],
        };
    return RAG_OK;
}
