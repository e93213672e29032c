/* Layout of an index: docs/file-format-index.md is the byte table, this is its arithmetic. Private. */
#ifndef VINDEX_FORMAT_H
#define VINDEX_FORMAT_H

#include "code.h"

enum {
    FORMAT_FIXED_HEADER = 128,
    FORMAT_ALIGN = 64,
    FORMAT_BLOCK_ROWS_MAX = 4096,
    FORMAT_BLOCK_ROWS_MIN = 64,
    FORMAT_BLOCK_BYTES = 4 << 20 /* aim for a full block */
};
/* Rows are numbered with 32 bits inside a search. */
#define FORMAT_ROWS_MAX ((uint64_t)UINT32_MAX - 1)

/* Decoded fixed header. */
struct format_header {
    vindex_info info;
    uint64_t seed;
    uint32_t header_len;
    uint32_t words;
    uint32_t block_rows;
    uint64_t table_offset;
    uint64_t table_checksum;
    uint64_t mean_checksum;
};

/* A record of the fine array: middle_b, middle_e, three planes, fine_b, fine_e. The middle estimate
 * needs the front of it only. */
#define FORMAT_RECORD_PLANES (2 * sizeof(float))
#define FORMAT_RECORD_FINE(words) (FORMAT_RECORD_PLANES + FINE_PLANES * (words) * sizeof(uint64_t))
#define FORMAT_RECORD_SIZE(words) (FORMAT_RECORD_FINE(words) + 2 * sizeof(float))

/* Offsets inside a block of some number of rows. */
struct format_block {
    size_t slots, coarse, a, coarse_b, coarse_e, fine; /* fine: one record a row */
    size_t fine_stride;                                /* bytes of such a record */
    size_t size;
};

size_t format_align(size_t n);
uint32_t format_block_rows(size_t words);
struct format_block format_block_layout(size_t words, size_t rows);

/* Fill in what follows from dim and count: words, block_rows, header_len, table_offset, file_len. */
void format_plan(struct format_header *h);

/* `out` has FORMAT_FIXED_HEADER bytes. Sets info.checksum. */
void format_encode(struct format_header *h, uint8_t *out);

/* Decode and check everything that can be checked without the rest of the file. */
rag_status format_decode(const uint8_t *base, size_t len, struct format_header *out,
                         rag_error *err);

/* A block in memory, with typed pointers. */
struct block_view {
    size_t rows;
    const uint64_t *slots, *coarse;
    const float *a, *coarse_b, *coarse_e;
    const uint8_t *fine;
    size_t fine_stride;
};

struct vindex {
    const uint8_t *base;
    struct format_header header;
    const float *mean;
    float *signs;
    size_t block_count;
    struct format_block full; /* layout of a full block */
    /* One byte a block: 1 when its checksum was found right. NULL: blocks are trusted. Written by
     * several threads with the same value, so relaxed atomics do. */
    uint8_t *verified;
};

/* The rows of block `index`, after checking it if that is asked for and was not done before. */
rag_status vindex_block(const vindex *index, size_t block, struct block_view *out, rag_error *err);

#endif
