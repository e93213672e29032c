/* LightRAG's tables of key-value and document status rows: which there are, their columns, and the
 * statements over them. */
#ifndef POSTGRES_TABLES_H
#define POSTGRES_TABLES_H

#include "text.h"

enum pg_column_type {
    PG_TEXT,
    PG_INT,
    PG_JSONB,
    PG_TIME,
    PG_LIST /* texts of `width` characters, an array; in the value joined by <SEP> */
};

struct pg_column {
    const char *name;   /* of the column */
    const char *member; /* of the value */
    enum pg_column_type type;
    size_t width;    /* of PG_TEXT in characters; 0: no limit */
    const char *sql; /* type and default */
};

enum { PG_COLUMNS_MAX = 12 };

struct pg_table {
    const char *name;       /* lower case */
    const char *kind;       /* "kv", "doc_status", "vdb" */
    const char *name_space; /* of kind "kv" */
    size_t id_width;
    const struct pg_column *columns; /* in the order in which LightRAG writes the members */
    size_t column_count;
    const char *time_type;     /* of create_time and update_time; NULL: the table has none */
    const char *other_columns; /* that hold nothing of a value */
};

enum { PG_TABLES = 8, PG_DOC_STATUS = 7 };

extern const struct pg_table pg_tables[PG_TABLES];

/* The table of a KV namespace, or NULL. */
const struct pg_table *pg_table_of(const char *name_space);

/* Every answer with rows has these columns first, then those of the table. */
enum { PG_AT_KEY, PG_AT_CREATED, PG_AT_UPDATED, PG_AT_WHOLE, PG_AT_EXTRA, PG_AT_COLUMNS };

/* Statements over a table and over the rows of its namespace that do not fit it, which are in
 * ragstore_rows. $1 is the workspace, $2 the name of the namespace there. */
struct pg_statements {
    const char *get; /* $3 text[]: PG_AT_KEY is the place in it */
    const char
        *put; /* $3 text[] ids, $4 int8[] created, $5 int8[] updated, $6 text[] extra, $7... text[]
                           columns, and last int8: now */
    const char *erase;  /* $3 text[] */
    const char *absent; /* $3 text[]: the places of those that are not there */
    const char
        *scan; /* $3 bytea, $4 int8 limit, $5 text: the part of $3 that can be in the table */
    const char *clear;
};

/* Fill statements[PG_TABLES]; their text is in *strings, which outlives them. */
rag_status pg_make_statements(const rag_host *host, struct pg_statements *statements,
                              struct pg_text *strings, rag_error *err);

/* The columns of an answer that has no table: NULLs. */
void pg_add_null_columns(struct pg_text *t, const struct pg_table *table);
/* The columns as text that row.c makes JSON of, from an alias. */
void pg_add_text_columns(struct pg_text *t, const struct pg_table *table, const char *alias);

#endif
