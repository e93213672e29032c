/* A file on disk as an input of the readers. */
#ifndef LIGHTRAG_FILES_SOURCE_H
#define LIGHTRAG_FILES_SOURCE_H

#include <stdatomic.h>

#include "files.h"
#include "input.h"

struct lightrag_source {
    const struct lightrag_file *file;
    int fd;
    atomic_int *stop;     /* when set, reading ends with RAG_E_CANCELLED */
    atomic_ullong *place; /* how far the file was read */
};

rag_status lightrag_source_open(struct lightrag_source *s, const struct lightrag_file *file,
                                atomic_int *stop, atomic_ullong *place, rag_error *err);
void lightrag_source_close(struct lightrag_source *s);
struct lightrag_input lightrag_source_input(struct lightrag_source *s);

#endif
