/* What the salvaging readers share: finding places in a file that may be damaged, and reading from
 * there. */
#ifndef LIGHTRAG_FILES_SALVAGE_H
#define LIGHTRAG_FILES_SALVAGE_H

#include "batch.h"

/* A stretch of a file as the input of a tokenizer. It begins with small pieces: much is tried that
 * ends after a few bytes. */
struct salvage_region {
    const struct lightrag_input *input;
    uint64_t offset, end; /* `end` may lie behind the end of the file */
    size_t piece;
};

#define SALVAGE_REGION(input, from, to) { (input), (from), (to), 4096 }
#define SALVAGE_TO_THE_END UINT64_MAX

/* A json_fill_fn; ctx is a struct salvage_region. Pieces are full ones however little a read gives:
 * where expat says that a fault is depends on where pieces end. */
rag_status salvage_fill(void *ctx, void *data, size_t size, size_t *got, rag_error *err);

/* A window that moves over a file. */
struct salvage_scan {
    const struct lightrag_input *input;
    unsigned char *window;
    uint64_t base; /* place of window[0] */
    size_t pos, len;
    int at_end;
};

rag_status salvage_scan_open(struct salvage_scan *s, const struct lightrag_input *input,
                             rag_error *err);
void salvage_scan_close(struct salvage_scan *s); /* a zeroed one is allowed */
/* Go to `offset`, which may be anywhere. */
void salvage_scan_seek(struct salvage_scan *s, uint64_t offset);
static inline uint64_t salvage_scan_offset(const struct salvage_scan *s)
{
    return s->base + s->pos;
}

/* Make the next `n` bytes (LIMIT_READ_WINDOW_BYTES at most) contiguous, or all that are left: *got
 * of them at *data. */
rag_status salvage_scan_look(struct salvage_scan *s, size_t n, const unsigned char **data,
                             size_t *got, rag_error *err);

/* Marks that all begin with the same byte. */
struct salvage_marks {
    const char *text[2];
    size_t len[2], count;
};

/* Place of the next mark from here on, the scan stands behind its first byte then; *at is the end
 * of the file, and *found 0, when there is none. */
rag_status salvage_scan_find(struct salvage_scan *s, const struct salvage_marks *marks,
                             uint64_t *at, int *found, rag_error *err);

/* Whether between two places there is nothing but white space and, once, `separator` (0: none). */
rag_status salvage_is_gap(const struct lightrag_input *input, uint64_t from, uint64_t to,
                          char separator, int *gap, rag_error *err);

/* Whether a failure is about the content of the file. The others end a salvage. */
int salvage_is_fault(rag_status status);
/* The message of such a failure without the name of the file, its line and the byte. */
const char *salvage_why(const rag_error *err);
/* The same with the byte. */
const char *salvage_why_at(const rag_error *err);

/* ---- what is lost ---------------------------------------------------------------------------------- */

/* A stretch of a file, as far as it can be read strictly. */
struct salvage_count {
    uint64_t rows; /* up to the fault, or all of them */
    uint64_t odd;  /* of them that are no rows of this kind of file */
    uint64_t fault;
    int cut;   /* the fault is that the stretch ends */
    int whole; /* rows one after the other, and what separates them, and nothing else */
};

/* Count the rows between two places. The stretch begins where a row may, or, with `behind_row`,
 * behind one; it ends where a row begins, or where the rows of the file end. A fault of the content
 * is no failure. */
typedef rag_status (*salvage_count_fn)(void *ctx, const struct lightrag_input *input, uint64_t from,
                                       uint64_t to, int behind_row, struct salvage_count *out,
                                       rag_error *err);

/* How a byte is looked for that makes a stretch whole. */
struct salvage_spelling {
    const char *bytes; /* each is tried near a fault */
    size_t byte_count;
    const char *const *words; /* each is tried where all but one of its bytes are; NULL ends them */
    uint64_t before, behind;  /* what is near */
};

extern const struct salvage_spelling salvage_json;

/* Stretches from which no row was saved, told in the order of the file. */
struct salvage_losses {
    struct lightrag_damage *damage;
    const struct lightrag_input *input;
    const struct salvage_spelling *spelling;
    salvage_count_fn count; /* NULL: rows cannot be counted */
    void *ctx;
    /* the last stretch, which the next may go on with */
    uint64_t from, to, rows;
    int open, exact, behind_row;
    int cut; /* it ends in the middle of something */
    char why[RAG_ERROR_MESSAGE_MAX];
};

struct salvage_stretch {
    uint64_t from, to;
    int behind_row; /* what is before `from` is a row that was saved */
    uint64_t row;   /* where that row begins, if it may have been cut short by the damage */
    int may_be_short;
    int may_be_more; /* nobody can say how much was there: the file is cut */
    int may_be_none; /* not even that one row was there */
};

/* Put down a stretch. *taken_back: the row before it was cut short, and is lost as well. */
rag_status salvage_lose(struct salvage_losses *l, const struct salvage_stretch *stretch,
                        const char *why, int *taken_back, rag_error *err);
/* Put down the last of them. */
void salvage_losses_end(struct salvage_losses *l);

/* Fewer bytes than this cannot have been a row. */
enum { SALVAGE_ROW_LEAST = 9 };

#endif
