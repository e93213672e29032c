/* A file on disk as an input of the readers: pread(), so that a second pass of a reader shares the
 * descriptor, and so the very file, with the first, whatever happens to the name meanwhile. Also the
 * one place where reading notices that it is no longer wanted. */
#include "source.h"

#include <errno.h>
#include <fcntl.h>

#include "core/os.h"

rag_status lightrag_source_open(struct lightrag_source *s, const struct lightrag_file *file,
                                atomic_int *stop, atomic_ullong *place, rag_error *err)
{
    struct stat st;
    int fd;
    /* O_NONBLOCK: a pipe of that name must not hang the reader */
    RAG_TRY(os_open(file->path, O_RDONLY | O_NONBLOCK, &fd, err));
    rag_status status = RAG_OK;
    if (os_calls.fstat(fd, &st) != 0)
        status = rag_fail_errno(err, errno, "look at %s", file->path);
    else if (!S_ISREG(st.st_mode))
        status = rag_fail(err, RAG_E_INVALID, "%s is not a file", file->path);
    if (status != RAG_OK) {
        os_close(fd);
        return status;
    }
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    *s = (struct lightrag_source){ file, fd, stop, place };
    atomic_store_explicit(place, 0, memory_order_relaxed);
    return RAG_OK;
}

void lightrag_source_close(struct lightrag_source *s)
{
    os_close(s->fd);
    s->fd = -1;
}

static rag_status read_at(void *ctx, uint64_t offset, void *data, size_t size, size_t *got,
                          rag_error *err)
{
    struct lightrag_source *s = ctx;
    if (atomic_load_explicit(s->stop, memory_order_relaxed))
        return rag_fail(err, RAG_E_CANCELLED, "reading %s was stopped", s->file->path);
    ssize_t n;
    do
        n = os_calls.pread(s->fd, data, size, (off_t)offset);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return rag_fail_errno(err, errno, "read %s", s->file->path);
    *got = (size_t)n;
    if (offset + *got > atomic_load_explicit(s->place, memory_order_relaxed))
        atomic_store_explicit(s->place, offset + *got, memory_order_relaxed);
    return RAG_OK;
}

struct lightrag_input lightrag_source_input(struct lightrag_source *s)
{
    return (struct lightrag_input){ s->file->name, s, read_at };
}
