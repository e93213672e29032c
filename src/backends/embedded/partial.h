/* A directory that appears whole: made beside its name, then renamed. For db_backup.c. */
#ifndef EMBEDDED_PARTIAL_H
#define EMBEDDED_PARTIAL_H

#include "core/error.h"

struct partial {
    char *target; /* without slashes at its end */
    char *parent;
    char *path;  /* where things are put; NULL until it was made, and once it has its name */
    int lock_fd; /* says that its maker lives; -1: none */
};

/* Make the directory for `target`, a copy of the store in `source`. RAG_E_CONFLICT: something is
 * there. In every case partial_end() follows. */
rag_status partial_make(struct partial *p, const char *source, const char *target, rag_error *err);
/* Give it its name, durably. */
rag_status partial_publish(struct partial *p, rag_error *err);
/* Remove what was not published. */
void partial_end(struct partial *p);

#endif
