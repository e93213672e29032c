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

#define INTACT(reader, space) \
    { .read = (reader), .name_space = (space), .data = BUFFER_INIT((size_t)1 << 30) }

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

/* What every format must bear, on a file of a few kilobytes. */
void salvage_every_byte(const struct intact *f, const char *bytes, size_t count, size_t *changes,
                        size_t *vague);
void salvage_every_cut(const struct intact *f);
void salvage_random_harms(const struct intact *f, size_t cases, size_t most, uint64_t seed);
void salvage_several_bytes(const struct intact *f, size_t cases, uint64_t seed);
/* On a file of several windows: harm and cuts exactly where one input buffer ends. */
void salvage_at_boundaries(const struct intact *f, uint64_t seed);

#endif
