"""Functions of libc put in the way of the library: environments for programs under LD_PRELOAD."""

import os
import subprocess
import textwrap


def preload(tmp_path, name, source):
    """The environment for a program into which these functions of libc are put."""
    file, library = tmp_path / f"{name}.c", tmp_path / f"{name}.so"
    file.write_text(textwrap.dedent(source))
    subprocess.run(["cc", "-shared", "-fPIC", "-D_GNU_SOURCE", "-o", library, file], check=True)
    return {**os.environ, "LD_PRELOAD": str(library)}


DYING_CALLS = """
    #include <dlfcn.h>
    #include <signal.h>
    #include <stdlib.h>
    #include <sys/types.h>
    #include <unistd.h>
    static void count(void)
    {
        static long calls;
        if (++calls == atol(getenv("DIE_AT")))
            (void)kill(getpid(), SIGKILL);
    }
    int fdatasync(int fd)
    {
        count();
        return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd);
    }
    int fsync(int fd)
    {
        count();
        return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd);
    }
    ssize_t pwrite64(int fd, const void *data, size_t len, off_t offset)
    {
        count();
        return ((ssize_t (*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite64"))(fd, data, len, offset);
    }
    ssize_t pwrite(int fd, const void *data, size_t len, off_t offset)
    {
        return pwrite64(fd, data, len, offset);
    }
    int ftruncate64(int fd, off_t len)
    {
        count();
        return ((int (*)(int, off_t))dlsym(RTLD_NEXT, "ftruncate64"))(fd, len);
    }
    int ftruncate(int fd, off_t len)
    {
        return ftruncate64(fd, len);
    }
    int rename(const char *from, const char *to)
    {
        count();
        return ((int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename"))(from, to);
    }
    int unlink(const char *path)
    {
        count();
        return ((int (*)(const char *))dlsym(RTLD_NEXT, "unlink"))(path);
    }
    int mkdir(const char *path, mode_t mode)
    {
        count();
        return ((int (*)(const char *, mode_t))dlsym(RTLD_NEXT, "mkdir"))(path, mode);
    }
    int link(const char *from, const char *to)
    {
        count();
        return ((int (*)(const char *, const char *))dlsym(RTLD_NEXT, "link"))(from, to);
    }
    """


def dying_calls(tmp_path):
    """A program in this environment is killed before its n-th call that changes a disk, n being DIE_AT."""
    return preload(tmp_path, "dying", DYING_CALLS)
