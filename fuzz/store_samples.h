/* For fuzz_store: the stores that it damages, and the questions that it asks them. */
#ifndef FUZZ_STORE_SAMPLES_H
#define FUZZ_STORE_SAMPLES_H

#include <ragstore/ragstore.h>
#include <stddef.h>
#include <stdint.h>

#define require(condition) fuzz_require((condition), #condition, __FILE__, __LINE__)
void fuzz_require(int condition, const char *text, const char *file, int line);

enum { SAMPLE_GROWTH_MAX = 16384 };
enum { SAMPLE_FILES_MAX = 3, SAMPLE_STATES_MAX = 4, QUESTIONS = 39 };

enum sample_kind {
    SAMPLE_CHECKED, /* version 3, one file and an index file */
    SAMPLE_LOGGED,  /* the same, its newest commits in the write-ahead log only */
    SAMPLE_VERSION_2,
    SAMPLE_VERSION_1,
    SAMPLE_KINDS
};

/* Answers to questions: a digest each. `status` is RAG_OK for those that have one. */
struct answers {
    int is_asked[QUESTIONS];
    rag_status status[QUESTIONS];
    uint64_t digest[QUESTIONS];
};

struct sample {
    struct sample_file {
        char name[64];
        uint8_t *bytes;
        size_t len;
        uint8_t *copy;         /* room for them and SAMPLE_GROWTH_MAX more, to be damaged */
    } files[SAMPLE_FILES_MAX]; /* the first is the database */
    size_t file_count;
    int has_checksums;
    struct answers states[SAMPLE_STATES_MAX]; /* after each commit in the log, the oldest first */
    size_t state_count;
};

/* Made at the first call; their directory goes away when the process ends. */
const struct sample *sample_get(enum sample_kind kind);

/* Puts files in place of whatever is in the directory, and its path. */
void sample_put(const struct sample_file *files, size_t n);
rag_status sample_open(unsigned flags, rag_store **store, rag_error *err);

/* What questions are about. Reading all vectors, and hashing all, take more time than the rest. */
enum { ABOUT_REST = 1, ABOUT_VECTORS = 2, ABOUT_ALL = 4 };

/* Asks those that are about one of `subjects` (bits); the store may be damaged. */
void questions_ask(rag_store *store, unsigned subjects, struct answers *out);
/* 0: the answer changes when values are put into namespace "added". */
int question_is_stable(size_t question);
const char *question_name(size_t question);

#endif
