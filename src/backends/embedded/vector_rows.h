/* Between vector.c (rows), vector_search.c and vector_index.c (derived index files). */
#ifndef EMBEDDED_VECTOR_ROWS_H
#define EMBEDDED_VECTOR_ROWS_H

#include "core/buffer.h"
#include "db.h"
#include "vindex/vindex.h"

/* A vector space as stored. */
struct space {
    sqlite3_int64 id; /* 0: there is none */
    char model[RAG_MODEL_NAME_MAX];
    uint32_t dimension;
    rag_metric metric;
    rag_element element;
    int parts;               /* rows of vector_data that one vector takes */
    sqlite3_int64 next_slot; /* the n of the next slot; see schema.h */
    sqlite3_int64 pending;   /* rows in vector_pending */
};

/* Slots of a space are in [first, end). */
sqlite3_int64 space_first_slot(const struct space *space);
sqlite3_int64 space_end_slot(const struct space *space);
size_t space_row_bytes(const struct space *space); /* of the elements of one vector */

/* out->id is 0 when there is none. */
rag_status space_find(struct db_conn *conn, const char *name, struct space *out, rag_error *err);
/* RAG_E_NOT_FOUND when there is none. */
rag_status space_load(struct db_conn *conn, const char *name, struct space *out, rag_error *err);

/* Write down next_slot and pending. */
rag_status space_save(struct db_write *w, const struct space *space, rag_error *err);

/* Put a row, or delete one (++*deleted when it was there) with what is pending of it. The space is
 * saved by the caller. */
rag_status vector_put_item(struct db_write *w, struct space *space, const rag_vector_item *item,
                           struct buffer *scratch, int64_t now, rag_error *err);
rag_status vector_delete_id(struct db_write *w, struct space *space, rag_slice id,
                            uint64_t *deleted, rag_error *err);

/* The vector of an item as its space stores it: *out is the item's own memory or `scratch`. */
rag_status vector_encode(const struct space *space, const rag_vector_item *item,
                         struct buffer *scratch, const void **out, rag_error *err);
/* And back: `row->vector`, pointing into *floats. */
rag_status vector_set_floats(const struct space *space, const void *elements, struct buffer *floats,
                             rag_row *row, rag_error *err);

/* The names by which the row of a payload is found. Zero-initialise; always freed. */
struct vector_names {
    rag_slice first, second;
    char *memory;
};
rag_status vector_names_of(rag_slice value, struct vector_names *out, rag_error *err);
void vector_names_free(struct vector_names *names);

/* The elements of the vector in `slot`, as stored: *elements (space_row_bytes() of them) points
 * into `scratch` or into SQLite's page and is valid until the next call with the same connection;
 * NULL when there is no such slot. */
rag_status vector_read_elements(struct db_conn *conn, const struct space *space, sqlite3_int64 slot,
                                struct buffer *scratch, const void **elements, rag_error *err);

/* ---- derived indexes ------------------------------------------------------------------------------ */

/* One valid index file, mapped. Held by a reference: vector_segment_release(). */
struct vector_segment {
    const vindex *index;
    sqlite3_int64 first_slot, last_slot;
};

enum { VECTOR_SEGMENTS_MAX = 32 };

struct vector_segments {
    struct vector_segment list[VECTOR_SEGMENTS_MAX]; /* by first_slot, ascending, disjoint */
    void *holds[VECTOR_SEGMENTS_MAX];
    size_t count;
    sqlite3_int64 covered; /* every slot up to this one is in a segment; then comes the tail */
};

/* The index files that the database names for this space, as this connection's snapshot sees it. A
 * file that is missing, damaged or newer is left out from there on: its rows count as tail. */
rag_status vector_segments_open(struct db_conn *conn, const struct space *space,
                                const rag_context *ctx, struct vector_segments *out,
                                rag_error *err);
void vector_segments_close(struct db *db, struct vector_segments *segments);

/* vector_search.c */
rag_status vector_search(const rag_call *call, const char *name_space,
                         const rag_vector_query *query, rag_result *out, rag_error *err);

/* vector.c: append the row in `slot` as the answer carries it; *found 0 when it is gone. */
rag_status vector_append_slot(struct db_conn *conn, const struct space *space, sqlite3_int64 slot,
                              unsigned what, double score, struct buffer *scratch, rag_result *out,
                              int *found, rag_error *err);

/* Forget the index files of a space that is being dropped (inside the write). */
rag_status vector_index_forget(struct db_write *w, sqlite3_int64 space_id, rag_error *err);

#endif
