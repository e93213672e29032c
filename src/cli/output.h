/* What a command prints: tables for humans, JSON for programs. */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include "json_text.h"

/* ---- tables ----------------------------------------------------------------------------------- */

enum { TABLE_COLUMNS_MAX = 10 };

typedef enum column_kind {
    COLUMN_LEFT,
    COLUMN_RIGHT,
    COLUMN_READING /* left; cut to the width of the screen; the last one */
} column_kind;

/* Rows are collected, then printed aligned. Zero-initialise; table_print() frees. */
typedef struct table {
    const char *titles[TABLE_COLUMNS_MAX];
    column_kind kinds[TABLE_COLUMNS_MAX];
    size_t columns;
    char **cells; /* row by row */
    size_t cell_count, cell_size;
} table;

void table_column(table *t, const char *title, column_kind kind);
void table_cell(table *t, const char *shown);     /* as it is */
void table_cell_slice(table *t, rag_slice bytes); /* made fit for the screen */
void table_cell_count(table *t, uint64_t count);
void table_cell_size(table *t, uint64_t bytes);
void table_cell_seconds(table *t, double seconds);
void table_print(table *t, unsigned indent);
void table_free(table *t); /* of a table that is not printed */

/* One line of reading, cut to the width of the screen. */
void print_reading(unsigned indent, rag_slice bytes);

/* Columns of the terminal; 100 when there is none. */
size_t screen_width(void);

/* ---- JSON ------------------------------------------------------------------------------------- */

/* Writes to standard output: objects and arrays, one element of the outermost array to a line. */
typedef struct json_writer {
    text line;
    unsigned depth;
    unsigned char filled[16]; /* something stands at this depth already */
    unsigned char broken[16]; /* elements at this depth have a line each */
} json_writer;

void json_open(json_writer *w, const char *name, char bracket, int lines); /* '{' or '[' */
void json_close(json_writer *w, char bracket);
void json_text(json_writer *w, const char *name, rag_slice bytes);
void json_raw(json_writer *w, const char *name, rag_slice json);
void json_count(json_writer *w, const char *name, uint64_t count);
void json_double(json_writer *w, const char *name, double number);
void json_bool(json_writer *w, const char *name, int flag);
void json_floats(json_writer *w, const char *name, const float *vector, size_t n);
/* The members of an object text, but for those named `except` (ends with NULL). */
void json_splice(json_writer *w, rag_slice object, const char *const *except);
/* After a list that is the first member of an object: how many there were, and the end. */
void json_end_of_list(json_writer *w, uint64_t total);
void json_end(json_writer *w); /* after the last bracket: new line, frees */

#endif
