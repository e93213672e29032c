/* A value, taken apart into the columns of a table and put together again. */
#ifndef POSTGRES_ROW_H
#define POSTGRES_ROW_H

#include <libpq-fe.h>

#include "tables.h"

/* Rows on their way into a table: one array for each column, and one for what columns do not hold. */
struct pg_rows {
    const rag_host *host;
    const struct pg_table *table;
    struct pg_array ids, created, updated, extra, columns[PG_COLUMNS_MAX];
    struct pg_text scratch, layout;
    size_t count;
};

void pg_rows_begin(struct pg_rows *r, const rag_host *host, const struct pg_table *table);
void pg_rows_clear(struct pg_rows *r);
void pg_rows_free(struct pg_rows *r);
size_t pg_rows_bytes(const struct pg_rows *r);

rag_status pg_rows_add(struct pg_rows *r, rag_slice id, rag_slice value, int64_t created,
                       int64_t updated, rag_error *err);

/* 1 when the table's column can have this id; otherwise its row is in ragstore_rows. */
int pg_id_fits(const struct pg_table *table, rag_slice id);

/* 1 when JSONB can have all of it: no NUL in a text, no number beyond its range. */
int pg_jsonb_fits(rag_slice value);

/* 1 when it is text that a column of `width` characters (0: any number) can have. */
int pg_text_fits(rag_slice s, size_t width);

/* How much of `after` is text that a column can be compared with: a whole id sorts above it exactly
 * when its bytes do, which a statement has to look at as well. */
rag_slice pg_text_part(rag_slice after);

/* 1 when it is a time as the table gives it back: 2026-11-21T08:11:10[.023127]+00:00 */
int pg_time_fits(rag_slice text);

/* The value of a row of an answer (PG_AT_*), into *out, which is cleared. */
rag_status pg_row_value(const rag_host *host, const PGresult *result, int row,
                        const struct pg_table *table, struct pg_text *out, rag_error *err);

#endif
