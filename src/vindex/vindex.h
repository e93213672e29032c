/* Vector index: distances, float16, quantised codes and an exhaustive search over them.
 *
 * Works on memory that it is given and knows nothing of files, transactions or SQLite: the caller
 * maps the index file, stores what the builder writes, and answers requests for exact scores.
 *
 * How a search keeps its promise. Each row of the index is two codes: one bit and four bits per
 * dimension, of the rotated, centred row, with factors that turn a code into an estimate of the
 * score and a bound of its error. The search looks at every one-bit code, refines with the four-bit
 * code whatever could still be among the k best, and asks the caller for exact scores in order of
 * estimate until no row that is left can beat the k-th. The bound is probabilistic: docs/decisions/
 * 0010-vector-codes.md has the measured recall.
 *
 * Scores: larger is nearer. Cosine: -1..1. Dot: the inner product. L2: minus the squared distance.
 * Order of results: score descending, equal scores by slot ascending.
 *
 * Threads: everything here is free of global state but the SIMD level; a vindex is read-only after
 * opening and may be searched from any number of threads at once. Who may call: backends. */
#ifndef RAGSTORE_VINDEX_H
#define RAGSTORE_VINDEX_H

#include <stddef.h>
#include <stdint.h>

#include <ragstore/status.h>

/* ---- limits and SIMD level --------------------------------------------------------------------- */

enum { VINDEX_DIM_MAX = 65536, VINDEX_UUID_SIZE = 16, VINDEX_FORMAT_VERSION = 1 };

/* The first two have the numbers of rag_metric. Append-only: they are stored in files. */
typedef enum vindex_metric { VINDEX_COSINE = 1, VINDEX_DOT = 2, VINDEX_L2 = 3 } vindex_metric;

typedef enum vindex_level {
    VINDEX_LEVEL_PORTABLE = 0, /* C only */
    VINDEX_LEVEL_POPCNT = 1,   /* + POPCNT instruction */
    VINDEX_LEVEL_AVX2 = 2,     /* AVX2, FMA, F16C, POPCNT */
    VINDEX_LEVEL_AVX512 = 3    /* AVX-512 F, BW, DQ, VL, VNNI, VPOPCNTDQ */
} vindex_level;

/* The level in use: the best that this processor and its system can run. */
vindex_level vindex_cpu_level(void);

/* "avx512", ...: for status and bench output. */
const char *vindex_level_name(vindex_level level);

/* For tests and benches: use `level` from now on, or the best one if it cannot run here. Returns
 * the level now in use. Not to be called while another thread is inside this library. */
vindex_level vindex_force_level(vindex_level level);

/* ---- float16 ----------------------------------------------------------------------------------- */

/* Convert n floats to IEEE binary16, little-endian, round to nearest even; dst need not be aligned.
 * Returns n, or the index of the first value that float16 cannot hold: NaN, infinity, or one that
 * would round to infinity (|x| >= 65520). Values too small become denormals or zero: they fit.
 * What was written before that index is complete; nothing is written from it on. */
size_t vindex_f16_from_f32(const float *src, size_t n, void *dst);

/* As above without writing: the index of the first value that does not fit, or n. */
size_t vindex_f16_fits(const float *src, size_t n);

/* Exact; src need not be aligned. */
void vindex_f16_to_f32(const void *src, size_t n, float *dst);

/* Index of the first NaN or infinity, or n. */
size_t vindex_f32_finite(const float *src, size_t n);

/* ---- distances ----------------------------------------------------------------------------------- */

/* `row` is n little-endian float32 or float16 elements and need not be aligned. Sums run in float
 * over 16 or more partial sums: levels differ in the last bits only. */
float vindex_dot_f32(const float *query, const void *row, size_t n);
float vindex_dot_f16(const float *query, const void *row, size_t n);
float vindex_l2sq_f32(const float *query, const void *row, size_t n);
float vindex_l2sq_f16(const float *query, const void *row, size_t n);
float vindex_norm_f32(const void *row, size_t n); /* Euclidean length */
float vindex_norm_f16(const void *row, size_t n);

/* A query with what scoring needs, prepared once. `vector` is borrowed as long as it is used. */
typedef struct vindex_query {
    const float *vector;
    uint32_t dim;
    vindex_metric metric;
    float norm;
} vindex_query;

/* RAG_E_INVALID: NaN or infinity in the query, or, under cosine, a query of length zero. */
RAG_WARN_UNUSED rag_status vindex_query_init(vindex_query *query, vindex_metric metric,
                                             const float *vector, uint32_t dim, rag_error *err);

/* The exact score of a row, which is `query->dim` elements. Under cosine a row of length zero has
 * no score: the answer is NaN, which a search takes as "not alive" (see vindex_fetch_fn). */
float vindex_score_f32(const vindex_query *query, const void *row);
float vindex_score_f16(const vindex_query *query, const void *row);

/* ---- building ------------------------------------------------------------------------------------ */

/* Running mean of a sample of the rows. The codes are of rows minus this mean, which is what keeps
 * them useful on embeddings that all point the same way. Any 1,000 or more rows spread over the
 * space do; all rows are fine too. Without a mean (NULL) the codes are right but may be weak. */
typedef struct vindex_mean vindex_mean;

RAG_WARN_UNUSED rag_status vindex_mean_create(vindex_metric metric, uint32_t dim, vindex_mean **out,
                                              rag_error *err);
void vindex_mean_add(vindex_mean *mean, const float *row);
/* `out`: dim floats. All zero when nothing was added. */
void vindex_mean_get(const vindex_mean *mean, float *out);
void vindex_mean_free(vindex_mean *mean);

/* Where the bytes of an index go. `write_at` is called with ascending, gapless offsets, except for
 * the header, which is written last, at offset 0 (until then those bytes are zero, so that a file
 * cut short is never valid). An error it returns ends the build and is passed up unchanged. */
typedef struct vindex_sink {
    void *ctx;
    rag_status (*write_at)(void *ctx, uint64_t offset, const void *data, size_t len,
                           rag_error *err);
} vindex_sink;

typedef struct vindex_build_options {
    vindex_metric metric;
    uint32_t dim;
    const float *mean;              /* dim floats, copied; NULL: zero */
    uint64_t seed;                  /* of the rotation; any number, stored in the header */
    uint8_t uuid[VINDEX_UUID_SIZE]; /* the caller's name of the file, stored as given */
    uint64_t covered;               /* the caller's token that the index covers, stored as given */
} vindex_build_options;

typedef struct vindex_builder vindex_builder;

/* `sink` is copied. Memory: about 2 to 4 MB (one block of rows), whatever the number of rows. */
RAG_WARN_UNUSED rag_status vindex_builder_create(const vindex_build_options *options,
                                                 const vindex_sink *sink, vindex_builder **out,
                                                 rag_error *err);

/* Append a row. Slots must ascend strictly. Give the row as it is stored (rounded to float16 when
 * the rows are float16). RAG_E_INVALID: slot not larger than the one before, NaN, infinity. After
 * any failure the builder only takes vindex_builder_free(). */
RAG_WARN_UNUSED rag_status vindex_builder_add(vindex_builder *builder, uint64_t slot,
                                              const float *row, rag_error *err);

/* Write what is left and the header. `file_len` gets the length of the whole file, `checksum` (may
 * be NULL) the checksum of its header, which covers the checksums of all blocks and so the file. */
RAG_WARN_UNUSED rag_status vindex_builder_finish(vindex_builder *builder, uint64_t *file_len,
                                                 uint64_t *checksum, rag_error *err);
void vindex_builder_free(vindex_builder *builder);

/* Bytes of an index of `count` rows: exact. For a progress bar or a free-space check. */
uint64_t vindex_file_size(uint32_t dim, uint64_t count);

/* A sink into memory: cap bytes at base. Writing beyond them is RAG_E_NO_SPACE. */
typedef struct vindex_memory_sink {
    uint8_t *base;
    size_t cap;
} vindex_memory_sink;
vindex_sink vindex_sink_to_memory(vindex_memory_sink *memory);

/* ---- opening ------------------------------------------------------------------------------------- */

typedef struct vindex vindex;

typedef struct vindex_info {
    vindex_metric metric;
    uint32_t dim;
    uint64_t count;                 /* rows, dead ones included */
    uint64_t first_slot, last_slot; /* 0 and 0 when empty */
    uint64_t covered;
    uint8_t uuid[VINDEX_UUID_SIZE];
    uint64_t file_len;
    uint64_t checksum; /* as vindex_builder_finish() gave it */
} vindex_info;

/* Open an index in memory: `base` (8-byte aligned, as mmap gives it) is borrowed until
 * vindex_close() and must not change. Checked here: magic, version, header checksum (it covers the
 * mean and the table of block checksums), every count and length against `len`. Costs a few
 * microseconds per MB: not the codes themselves, whose checksums vindex_verify() or
 * RAG_E_CORRUPT from a search tell. A block is verified the first time that a search uses it when
 * `verify_blocks` is 1; with 0 it is trusted until vindex_verify() is called.
 * RAG_E_CORRUPT: damaged or not an index; RAG_E_VERSION: of a newer format. Both mean: rebuild. */
RAG_WARN_UNUSED rag_status vindex_open_mem(const void *base, size_t len, int verify_blocks,
                                           vindex **out, rag_error *err);
void vindex_close(vindex *index); /* NULL is allowed */
void vindex_get_info(const vindex *index, vindex_info *out);

/* Read the whole file and compare every checksum: about 0.1 s per GB and more from disk. */
RAG_WARN_UNUSED rag_status vindex_verify(const vindex *index, rag_error *err);

/* Whether the index has a row of this slot (binary search). */
int vindex_has_slot(const vindex *index, uint64_t slot);

/* ---- searching ----------------------------------------------------------------------------------- */

/* Exact scores of n rows. Slots ascend within one call. For each: scores[i] as vindex_score_*()
 * gives it, alive[i] = 1; or alive[i] = 0 for a slot that is gone, was replaced, or is filtered out
 * by the caller: such a row does not count. A NaN score counts as not alive. Returns RAG_OK or the
 * status that the search shall end with. */
typedef rag_status (*vindex_fetch_fn)(void *ctx, const uint64_t *slots, size_t n, float *scores,
                                      uint8_t *alive, rag_error *err);

typedef struct vindex_hit {
    uint64_t slot;
    float score;
} vindex_hit;

typedef struct vindex_stats {
    uint64_t scanned;  /* one-bit codes looked at (a second pass counts again) */
    uint64_t filtered; /* two-bit codes looked at */
    uint64_t refined;  /* four-bit codes looked at */
    uint64_t fetched;  /* exact scores asked for, `extra` included */
    uint64_t dead;     /* of those, not alive */
    uint32_t batches;  /* calls of fetch */
    uint32_t passes;   /* scans of the codes: 1, or more when many rows are dead */
} vindex_stats;

typedef struct vindex_search_options {
    size_t k;
    float min_score;       /* hits below are dropped; -INFINITY: keep all */
    vindex_fetch_fn fetch; /* required */
    void *fetch_ctx;
    /* Rows not covered by the index (written since): slots ascending, disjoint from the index or
     * not (a slot in both counts once). They are fetched, all of them. */
    const uint64_t *extra;
    size_t extra_count;
    /* Optional: 0 refuses a slot before it is fetched. Called for the rows whose four-bit code is
     * good enough, not for all rows. */
    int (*accept)(void *ctx, uint64_t slot);
    void *accept_ctx;
    /* Optional: asked every few thousand codes and before every fetch; anything but RAG_OK ends the
     * search with it (deadline, cancel). */
    rag_status (*check)(void *ctx, rag_error *err);
    void *check_ctx;
    uint64_t dead_hint; /* about how many rows of the index are dead; 0 if not known */
    /* Factor on the margins of the codes. 0 or 1: as measured, recall above 0.99 on every set. 2: a
     * miss is practically impossible, and two to five times as many rows are looked at closely. */
    float caution;
    int exact; /* 1: fetch every row of the index, without the codes */
} vindex_search_options;

/* The k best rows of index and extra rows. `index` may be NULL (only the extra rows). `hits` has
 * room for k; `count` gets how many there are: fewer than k only when there are no more alive rows
 * at or above min_score. `stats` may be NULL. Outputs are untouched on failure.
 * RAG_E_INVALID: metric or dimension of query and index differ; RAG_E_CORRUPT: a damaged block. */
RAG_WARN_UNUSED rag_status vindex_search(const vindex *index, const vindex_query *query,
                                         const vindex_search_options *options, vindex_hit *hits,
                                         size_t *count, vindex_stats *stats, rag_error *err);

/* ---- checksum ------------------------------------------------------------------------------------ */

/* XXH64 of the bytes, seed 0. */
uint64_t vindex_checksum(const void *data, size_t len);

#endif
