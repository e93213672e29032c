/* Growing text, and bytes made fit for a human's screen. */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include <ragstore/types.h>

/* Always ends in NUL once something was added. Zero-initialise; text_free() when done. */
typedef struct text {
    char *data;
    size_t len, size;
} text;

/* Memory or the end of the program: a command that shows things has nothing better to do. */
void *cli_alloc(size_t count, size_t size);
void *cli_realloc(void *block, size_t count, size_t size);
char *cli_strdup(const char *s);

void text_free(text *t);
void text_clear(text *t);
void text_add(text *t, const char *s);
void text_add_bytes(text *t, const void *data, size_t len);
void text_add_char(text *t, char c);
void text_printf(text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
rag_slice text_slice(const text *t);

/* Add bytes as they may be shown: control characters, marks that turn the direction of writing and
 * what is not UTF-8 come out as \n, \x1b, \u202e, \xff. */
void text_add_shown(text *t, rag_slice bytes);

/* The same in one line for reading: runs of white space become one space. */
void text_add_snippet(text *t, rag_slice bytes);

/* Columns that valid UTF-8 takes on a terminal, and the most bytes that fit into `columns`. */
size_t text_width(const char *s, size_t len);
size_t text_fit(const char *s, size_t len, size_t columns);

/* "1.5 MB", "12,345", "3.2 s", "30 days", "2026-11-21 08:11:10" (UTC; "-" for 0). */
void text_add_size(text *t, uint64_t bytes);
void text_add_count(text *t, uint64_t count);
/* "1 row" or "12,345 rows". */
void text_add_number_of(text *t, uint64_t count, const char *one, const char *many);
void text_add_seconds(text *t, double seconds);
void text_add_duration(text *t, uint64_t seconds); /* exactly, in the largest unit that can */
void text_add_time(text *t, int64_t unix_seconds);

/* Bytes against a text, and against bytes. */
int slice_is(rag_slice slice, const char *s);
int slice_ends(rag_slice slice, const char *end);
int slice_equal(rag_slice a, rag_slice b);

/* The next code point of at most `len` bytes; *used its length. -1 when it is not UTF-8 (used 1). */
int32_t utf8_next(const unsigned char *s, size_t len, size_t *used);

/* Of `count` names the nearest to `name` when it is near enough to be a slip, else NULL. */
const char *nearest_name(const char *name, const char *const *names, size_t count);

#endif
