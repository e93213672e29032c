/* What a salvage must give, known from the intact file alone: where each row is in it, and what the
 * strict reader makes of it. A test puts a file together row by row, harms a copy at known places,
 * and has the salvage of the copy judged:
 *
 *   - every row that no harm has touched is saved, as it was, in the order of the file; in a file
 *     where rows are told by what follows them, those behind the harm only when there is one, and it
 *     is no bracket before or after (all others may seem to be in that row then);
 *   - rows and losses add up to the rows of the intact file, or the report says "at least", and then
 *     no more are lost than are not there as they were (a row may have been saved under a key that
 *     the harm made shorter: it counts as saved, and its key is lost);
 *   - every place that is reported lies in the file and touches a harm;
 *   - the pieces in which the file is read make no difference. */
#ifndef TESTS_SALVAGE_ORACLE_H
#define TESTS_SALVAGE_ORACLE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/reading.h"

struct intact_row {
    size_t first, behind; /* its bytes in the file */
    const char *line;     /* as reading.h writes it down, with the line end */
    size_t line_len;
};

struct intact {
    reader_fn read;
    const char *name_space;
    int told_by_next;
    struct buffer data;
    struct intact_row *rows;
    size_t count, capacity;
    struct reading strict;
};

void intact_text(struct intact *f, const char *text);
void intact_row(struct intact *f, const char *text);
/* The file is whole: have it read strictly. No row may have a line end in its key. */
void intact_end(struct intact *f);
void intact_free(struct intact *f);
/* Bytes behind the last row begin here. */
size_t intact_tail(const struct intact *f);

struct harm {
    size_t begin, end; /* these bytes of the intact file are not as they were */
};

struct outcome {
    uint64_t rows, lost, places;
    int at_least;
};

/* Salvage `len` bytes, a copy with `n` harms; `piece` bytes at a time (0: in several ways). Fails
 * the test when something above does not hold, and leaves the copy as "harmed" in the folder where
 * the test runs. */
struct outcome intact_judge(const struct intact *f, const char *data, size_t len,
                            const struct harm *harms, size_t n, size_t piece);

/* One byte of a copy is `byte`. */
struct outcome intact_change(const struct intact *f, size_t at, char byte);
/* Cut at `len`. Must say "at least" unless all rows are there. */
struct outcome intact_cut(const struct intact *f, size_t len);
/* `text` over what is there. */
struct outcome intact_overwrite(const struct intact *f, size_t at, const void *text, size_t len);

uint64_t salvage_random(uint64_t *state);

/* ---- what every format must bear ------------------------------------------------------------------ */

struct salvage_format {
    const char *name;
    reader_fn read;
    int told_by_next;                     /* as in struct intact */
    void (*make)(struct intact *f);       /* a file of a few kilobytes */
    void (*make_large)(struct intact *f); /* of more than two windows of the readers */
    const char *bytes; /* that mean something in it, and some that cannot be there */
    size_t byte_count;
};

/* A file of it, small or large; intact_free(). */
struct intact salvage_small(const struct salvage_format *format);
struct intact salvage_large(const struct salvage_format *format);

/* Tests of cmocka whose state is a struct salvage_format. */
void salvage_every_byte(void **state);
void salvage_every_cut(void **state);
void salvage_wide_harm(void **state);
void salvage_several_bytes(void **state);
void salvage_at_boundaries(void **state); /* harm and cuts exactly where one input buffer ends */

#define SALVAGE_TEST(test, format) { #test, test, NULL, NULL, (format) }
/* All of them, as entries of an array of struct CMUnitTest. */
#define SALVAGE_TESTS(format)                                                                 \
    SALVAGE_TEST(salvage_every_byte, format), SALVAGE_TEST(salvage_every_cut, format),        \
        SALVAGE_TEST(salvage_wide_harm, format), SALVAGE_TEST(salvage_several_bytes, format), \
        SALVAGE_TEST(salvage_at_boundaries, format)

#endif
