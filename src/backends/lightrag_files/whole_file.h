/* A file that appears whole, or not at all. */
#ifndef LIGHTRAG_FILES_WHOLE_FILE_H
#define LIGHTRAG_FILES_WHOLE_FILE_H

#include <stdint.h>
#include <sys/stat.h>

#include "output.h"

struct whole_file {
    char *path, *temporary;
    int fd, aside;
    struct buffer pending, aside_pending;
    uint64_t bytes; /* written so far */
    int synced;
};

/* Begin `path`, beside it; a mode that the old file has is kept. On success the caller ends with
 * whole_file_commit() or whole_file_abort(). */
rag_status whole_file_open(struct whole_file *f, const char *path, rag_error *err);
struct lightrag_output whole_file_output(struct whole_file *f);
/* Make it durable; what is left to do is to give it its name. May be left out. *st: what the file will
 * be under its name. */
rag_status whole_file_sync(struct whole_file *f, struct stat *st, rag_error *err);
/* Make it durable and give it its name. Ends in any case. */
rag_status whole_file_commit(struct whole_file *f, rag_error *err);
void whole_file_abort(struct whole_file *f);

#endif
