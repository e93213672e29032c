/* A pull tokenizer for JSON of any size in bounded memory: RFC 8259, strictly, over a source of
 * bytes. For values that are in memory already: json.h.
 *
 *     struct json_reader r;
 *     json_reader_open(&r, "kv.json", fill, ctx, err);
 *     json_reader_next(&r, &event, err)        one event after the other, up to JSON_EVENT_END
 *     json_reader_close(&r);
 *
 * json_reader_next() stops in front of the body of a string. What is done with it is the caller's
 * choice: json_reader_string() gives it whole, json_reader_chunk() piece by piece, and going on
 * with json_reader_next() skips it. In the same way json_reader_capture() and json_reader_skip()
 * deal with the rest of an object or array whose beginning was the last event.
 *
 * All that is passed over is checked, whichever way: grammar, UTF-8, escapes, depth. Faults are
 * RAG_E_CORRUPT and begin with "NAME line L byte B: "; lines count from 1, bytes from 0. A byte
 * order mark at the start is passed over. Escapes of lone surrogates become U+FFFD and are counted.
 *
 * Slices that are handed out live until the next call. One reader belongs to one thread. */
#ifndef CORE_JSON_READER_H
#define CORE_JSON_READER_H

#include <stdint.h>

#include "buffer.h"
#include "error.h"
#include "limits.h"
#include "slice.h"

/* Puts up to `size` bytes at `data`; *got is 0 at the end of the input only. */
typedef rag_status (*json_fill_fn)(void *ctx, void *data, size_t size, size_t *got, rag_error *err);

enum json_event {
    JSON_EVENT_OBJECT,
    JSON_EVENT_OBJECT_END,
    JSON_EVENT_ARRAY,
    JSON_EVENT_ARRAY_END,
    JSON_EVENT_KEY,    /* its text is in json_reader_text() */
    JSON_EVENT_STRING, /* its body has not been read yet */
    JSON_EVENT_NUMBER, /* its digits as they stand are in json_reader_text() */
    JSON_EVENT_TRUE,
    JSON_EVENT_FALSE,
    JSON_EVENT_NULL,
    JSON_EVENT_END /* of the input, after exactly one value */
};

enum json_state {
    JSON_STATE_VALUE,       /* a value must follow */
    JSON_STATE_FIRST_VALUE, /* a value or ] */
    JSON_STATE_NAME,        /* a name must follow */
    JSON_STATE_FIRST_NAME,  /* a name or } */
    JSON_STATE_COLON,
    JSON_STATE_AFTER_VALUE
};

/* The members are the reader's own. */
struct json_reader {
    const char *name;
    json_fill_fn fill;
    void *ctx;
    unsigned char *window;
    size_t pos, end;
    uint64_t base;  /* place of window[0] in the input */
    uint64_t token; /* place of the last event */
    uint64_t line;
    uint64_t replaced; /* lone surrogates */
    int at_end, started, in_string, comma;
    enum json_state state;
    enum json_event last;
    unsigned depth;
    unsigned char is_object[LIMIT_JSON_FILE_DEPTH / 8 + 1];
    struct buffer scratch;
    rag_slice text;
    char piece[4];
};

/* `name` is borrowed for the life of the reader. */
rag_status json_reader_open(struct json_reader *r, const char *name, json_fill_fn fill, void *ctx,
                            rag_error *err);
/* Begin at byte `offset` of an input, inside of the containers `inside` ("{[": an object, in it an
 * array), where a first member or element may stand, or, with a comma at the end ("{,"), behind one.
 * `fill` gives what is there from `offset` on. */
rag_status json_reader_open_inside(struct json_reader *r, const char *name, json_fill_fn fill,
                                   void *ctx, uint64_t offset, const char *inside, rag_error *err);
/* The same with a reader that is open, or zeroed: its memory is used again. With nothing in `inside`
 * and `offset` 0: from the beginning of the input. */
rag_status json_reader_restart(struct json_reader *r, const char *name, json_fill_fn fill,
                               void *ctx, uint64_t offset, const char *inside, rag_error *err);
void json_reader_close(struct json_reader *r); /* a zeroed one is allowed */

/* After a failure: whether it is only that the input ended, and whether it did so where a member or
 * element may begin. */
int json_reader_ran_out(const struct json_reader *r, int *between);
/* In how many containers the reader is, those of json_reader_open_inside() included. */
unsigned json_reader_depth(const struct json_reader *r);

/* Before the first event: whether the input holds nothing but white space. */
rag_status json_reader_is_blank(struct json_reader *r, int *blank, rag_error *err);

rag_status json_reader_next(struct json_reader *r, enum json_event *event, rag_error *err);
rag_slice json_reader_text(const struct json_reader *r);

/* After JSON_EVENT_STRING: its text, decoded. More than `limit` bytes are RAG_E_INVALID. */
rag_status json_reader_string(struct json_reader *r, size_t limit, rag_slice *text, rag_error *err);
/* The same in pieces of the input's own making; an empty one is the end. */
rag_status json_reader_chunk(struct json_reader *r, rag_slice *chunk, rag_error *err);

/* After the first event of a value (any of them): append its text to `out`, without the white space
 * between tokens, otherwise as it stands. Beyond the limit of `out`: RAG_E_INVALID. */
rag_status json_reader_capture(struct json_reader *r, struct buffer *out, rag_error *err);
/* The same without keeping anything. */
rag_status json_reader_skip(struct json_reader *r, rag_error *err);

/* Place of the next byte to be read, and of the first byte of the last event. */
uint64_t json_reader_offset(const struct json_reader *r);
uint64_t json_reader_token(const struct json_reader *r);

/* Number of escapes of lone surrogates that became U+FFFD so far. */
uint64_t json_reader_replaced(const struct json_reader *r);

/* Fail about the last event: "NAME line L byte B: " and the message. */
rag_status json_reader_fail(const struct json_reader *r, rag_error *err, rag_status status,
                            const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
