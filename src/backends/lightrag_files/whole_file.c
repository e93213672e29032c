/* Files are written beside their place as NAME.tmp.PID, synced and renamed, so under its name there is
 * the old file or the new one at any moment. LightRAG removes what a killed writer leaves: its own
 * temporary files have such names. What is set aside goes to a second file, which has no name any
 * more as soon as it is open. */
#include "whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/os.h"

enum { PIECE = 256 * 1024 };

static char *beside(const char *path, const char *end)
{
    struct buffer name = BUFFER_INIT(65536);
    if (buffer_printf(&name, NULL, "%s.tmp.%ld%s", path, (long)getpid(), end) == RAG_OK)
        return name.data;
    buffer_free(&name);
    return NULL;
}

static rag_status create(const char *path, int access, int *fd, rag_error *err)
{
    RAG_TRY(os_unlink(path, err)); /* of a process of this number that was killed */
    return os_open(path, access | O_CREAT | O_EXCL, fd, err);
}

rag_status whole_file_open(struct whole_file *f, const char *path, rag_error *err)
{
    struct stat old;
    *f = (struct whole_file){ .path = rag_strdup(path),
                              .temporary = beside(path, ""),
                              .fd = -1,
                              .aside = -1,
                              .pending = BUFFER_INIT(2 * (size_t)PIECE),
                              .aside_pending = BUFFER_INIT(2 * (size_t)PIECE) };
    rag_status status = f->path && f->temporary ? RAG_OK : rag_fail_memory(err);
    if (status == RAG_OK)
        status = create(f->temporary, O_WRONLY, &f->fd, err);
    if (status == RAG_OK && os_calls.stat(path, &old) == 0 &&
        os_calls.fchmod(f->fd, old.st_mode & 0777) != 0)
        status = rag_fail_errno(err, errno, "set the mode of %s", f->temporary);
    if (status != RAG_OK)
        whole_file_abort(f);
    return status;
}

static void end(struct whole_file *f)
{
    os_close(f->fd);
    os_close(f->aside);
    f->fd = f->aside = -1;
    buffer_free(&f->pending);
    buffer_free(&f->aside_pending);
    rag_free(f->path);
    rag_free(f->temporary);
    f->path = f->temporary = NULL;
}

void whole_file_abort(struct whole_file *f)
{
    if (f->fd >= 0)
        (void)os_unlink(f->temporary, NULL);
    end(f);
}

/* ---- writing ---------------------------------------------------------------------------------------- */

static rag_status flush(const struct whole_file *f, int fd, struct buffer *pending, rag_error *err)
{
    const size_t len = pending->len;
    pending->len = 0;
    return len ? os_write_all(fd, pending->data, len, f->temporary, err) : RAG_OK;
}

static rag_status put(const struct whole_file *f, int fd, struct buffer *pending, const void *data,
                      size_t len, rag_error *err)
{
    if (pending->len + len > PIECE)
        RAG_TRY(flush(f, fd, pending, err));
    if (len > PIECE)
        return os_write_all(fd, data, len, f->temporary, err);
    return buffer_append(pending, data, len, err);
}

static rag_status write_bytes(void *ctx, const void *data, size_t len, rag_error *err)
{
    struct whole_file *f = ctx;
    f->bytes += len;
    return put(f, f->fd, &f->pending, data, len, err);
}

static rag_status open_aside(struct whole_file *f, rag_error *err)
{
    char *path = beside(f->path, ".aside");
    if (!path)
        return rag_fail_memory(err);
    rag_status status = create(path, O_RDWR, &f->aside, err);
    if (status == RAG_OK)
        status = os_unlink(path, err);
    rag_free(path);
    return status;
}

static rag_status set_aside(void *ctx, const void *data, size_t len, rag_error *err)
{
    struct whole_file *f = ctx;
    if (f->aside < 0)
        RAG_TRY(open_aside(f, err));
    return put(f, f->aside, &f->aside_pending, data, len, err);
}

static rag_status take_back(void *ctx, rag_error *err)
{
    struct whole_file *f = ctx;
    if (f->aside < 0)
        return RAG_OK;
    RAG_TRY(flush(f, f->aside, &f->aside_pending, err));
    RAG_TRY(flush(f, f->fd, &f->pending, err));
    RAG_TRY(buffer_reserve(&f->pending, PIECE, err));
    for (off_t at = 0;;) {
        ssize_t n;
        do
            n = os_calls.pread(f->aside, f->pending.data, PIECE, at);
        while (n < 0 && errno == EINTR);
        if (n < 0)
            return rag_fail_errno(err, errno, "read what belongs to %s", f->temporary);
        if (n == 0)
            return RAG_OK;
        RAG_TRY(os_write_all(f->fd, f->pending.data, (size_t)n, f->temporary, err));
        f->bytes += (uint64_t)n;
        at += n;
    }
}

struct lightrag_output whole_file_output(struct whole_file *f)
{
    return (struct lightrag_output){ f, write_bytes, set_aside, take_back };
}

rag_status whole_file_sync(struct whole_file *f, struct stat *st, rag_error *err)
{
    RAG_TRY(flush(f, f->fd, &f->pending, err));
    RAG_TRY(os_fsync(f->fd, f->temporary, err));
    if (os_calls.fstat(f->fd, st) != 0)
        return rag_fail_errno(err, errno, "look at %s", f->temporary);
    f->synced = 1;
    return RAG_OK;
}

rag_status whole_file_commit(struct whole_file *f, rag_error *err)
{
    struct stat st;
    rag_status status = f->synced ? RAG_OK : whole_file_sync(f, &st, err);
    if (status == RAG_OK)
        status = os_rename(f->temporary, f->path, err);
    if (status != RAG_OK)
        whole_file_abort(f);
    else
        end(f);
    return status;
}
