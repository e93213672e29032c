"""Full disks, directories that cannot be written, files that are no store, and what is synced when."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from preload import preload
from probe import BUILD, EXISTING, PROGRAM, READ_ONLY, Failed, Probe
from store_check import check


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 8 MB: needs root for the mount."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root; test_full_disk_by_limit is the equivalent")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", disk], check=True)
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def fill_until_full(probe, acknowledged, prefix):
    probe.send("loop", 0, prefix, 0, 1_000_000, 50_000)
    with pytest.raises(Failed) as failure:
        while True:
            line = probe.line()
            if line.startswith("error "):
                raise Failed(line)
            acknowledged.add(line.removeprefix("ack "))
    return failure.value


def test_full_disk(small_disk):
    """A clear error, nothing acknowledged lost, and the same handle goes on when there is room again."""
    store = small_disk / "store"
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 3_000_000)
    acknowledged = set()
    with Probe() as probe:
        probe.open(store)
        failure = fill_until_full(probe, acknowledged, "a")
        assert (failure.kind, failure.outcome) == ("no space", "not-applied")
        assert "store/ragstore.db" in failure.message
        assert len(acknowledged) > 20
        assert probe.ask("get", 0, "a0").startswith("value")
        ballast.unlink()
        probe.ask("put", 0, "after", "x")
        acknowledged.add("after")
        probe.ask("flush", 0)
        fill_until_full(probe, acknowledged, "b")
        probe.kill()
    with Probe() as probe:    # full, and the log has to be recovered: reading works
        probe.open(store, READ_ONLY)
        assert probe.ask("count", 0) == f"count {len(acknowledged)}"
        probe.finish()
    copy = small_disk.parent / "copy"
    shutil.copytree(store, copy)
    assert check(copy) == acknowledged


def test_full_disk_while_building(small_disk):
    store = small_disk / "store"
    with Probe() as probe:
        probe.open(store, BUILD)
        failure = fill_until_full(probe, set(), "a")
        assert failure.kind == "no space"
        with pytest.raises(Failed) as spoiled:
            probe.ask("publish", 0)
        assert spoiled.value.kind == "transaction"
        probe.ask("close", 0)
        assert not list(store.glob("ragstore.db*"))
        probe.open(store)
        probe.ask("put", 0, "a", "x")
        probe.finish()
    assert check(store) == {"a"}


LIMITED = "import os, resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);" \
          "resource.setrlimit(resource.RLIMIT_FSIZE, (4_000_000,) * 2); os.execv(sys.argv[1], sys.argv[1:])"


def test_full_disk_by_limit(tmp_path):
    """The same through RLIMIT_FSIZE, which needs no privilege: no file grows beyond 4 MB."""
    acknowledged = set()
    with Probe(sys.executable, "-c", LIMITED) as probe:
        probe.open(tmp_path)
        failure = fill_until_full(probe, acknowledged, "a")
        assert (failure.kind, failure.outcome) == ("no space", "not-applied")
        probe.finish()
    assert len(acknowledged) > 20
    assert check(tmp_path) == acknowledged


# ---- refusals ----------------------------------------------------------------------------------------------------

def as_nobody():
    """For preexec_fn: permissions mean nothing to root."""
    if os.geteuid() == 0:
        os.setgid(65534)
        os.setuid(65534)


@pytest.fixture
def open_path(tmp_path):
    """A directory that another user can reach."""
    path = tmp_path
    while path != path.parent and path.stat().st_mode & 0o001 == 0 and path.stat().st_uid == os.geteuid():
        path.chmod(path.stat().st_mode | 0o055)
        path = path.parent
    return tmp_path


@pytest.fixture
def open_program(open_path):
    """The program where another user can start it: the build may be below a home that is closed."""
    program = Path(shutil.copy(PROGRAM, open_path))
    program.chmod(0o755)    # whatever the umask of the build was
    return program


def test_directory_that_cannot_be_written(open_path, open_program):
    store = open_path / "store"
    store.mkdir()
    store.chmod(0o755 if os.geteuid() == 0 else 0o555)
    with Probe(program=open_program, preexec_fn=as_nobody) as probe:
        with pytest.raises(Failed) as failure:
            probe.open(store)
        assert failure.value.kind == "denied"
        assert str(store) in failure.value.message
        with pytest.raises(Failed) as failure:
            probe.open(open_path / "store" / "deeper")
        assert failure.value.kind == "denied"
    assert list(store.iterdir()) == []


def test_store_that_cannot_be_written(open_path, open_program):
    store = open_path / "store"
    with Probe() as probe:
        probe.open(store)
        probe.ask("put", 0, "a", "x")
        probe.finish()
    store.chmod(0o755 if os.geteuid() == 0 else 0o555)
    for file in store.iterdir():
        file.chmod(0o444)
    with Probe(program=open_program, preexec_fn=as_nobody) as probe:
        with pytest.raises(Failed) as failure:
            probe.open(store)
        assert failure.value.kind == "denied"
        assert str(store) in failure.value.message
        probe.open(store, READ_ONLY)
        assert probe.ask("get", 0, "a") == 'value {"v":"x"}'
        with pytest.raises(Failed) as failure:
            probe.ask("put", 0, "a", "y")
        assert failure.value.kind == "denied"


def test_things_that_are_no_store(tmp_path):
    (tmp_path / "garbage").mkdir()
    (tmp_path / "garbage" / "ragstore.db").write_bytes(os.urandom(50_000))
    (tmp_path / "short").mkdir()
    (tmp_path / "short" / "ragstore.db").write_bytes(b"SQLite")
    with Probe() as probe:
        for name in "garbage", "short":
            with pytest.raises(Failed) as failure:
                probe.open(tmp_path / name)
            assert failure.value.kind == "corrupt"
            assert f"{name}/ragstore.db" in failure.value.message
        with pytest.raises(Failed) as failure:
            probe.open(tmp_path / "nowhere", EXISTING)
        assert failure.value.kind == "not found"
    assert (tmp_path / "short" / "ragstore.db").read_bytes() == b"SQLite"


def test_network_file_systems_are_refused(tmp_path):
    """statfs() answers as NFS would, through a preloaded library made here."""
    environment = preload(tmp_path, "nfs", """
        #include <string.h>
        #include <sys/vfs.h>
        int statfs(const char *path, struct statfs *out)
        {
            (void)path;
            memset(out, 0, sizeof *out);
            out->f_type = 0x6969;
            return 0;
        }
        """)
    with Probe(env=environment) as probe:
        with pytest.raises(Failed) as failure:
            probe.open(tmp_path / "store")
        assert "NFS" in failure.value.message
    assert not list((tmp_path / "store").iterdir())


# ---- failed syncs and writes -------------------------------------------------------------------------------------

FAILING_CALLS = """
    #include <dlfcn.h>
    #include <errno.h>
    #include <stdlib.h>
    #include <unistd.h>
    static int switched_on(const char *name)
    {
        char path[4096] = { 0 };
        const char *folder = getenv("FAIL_FOLDER");
        for (size_t i = 0; folder[i]; i++)
            path[i] = folder[i];
        size_t n = 0;
        while (path[n])
            n++;
        path[n++] = '/';
        while (*name)
            path[n++] = *name++;
        return access(path, F_OK) == 0;
    }
    int fdatasync(int fd)
    {
        int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
        if (switched_on("sync")) {
            errno = EIO;
            return -1;
        }
        return real(fd);
    }
    int fsync(int fd)
    {
        return fdatasync(fd);
    }
    ssize_t pwrite64(int fd, const void *data, size_t len, off_t offset)
    {
        ssize_t (*real)(int, const void *, size_t, off_t) =
            (ssize_t (*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite64");
        if (switched_on("write")) {
            errno = EIO;
            return -1;
        }
        return real(fd, data, len, offset);
    }
    ssize_t pwrite(int fd, const void *data, size_t len, off_t offset)
    {
        return pwrite64(fd, data, len, offset);
    }
    """


@pytest.mark.parametrize("call, command", [("sync", ("flush", 0)), ("sync", ("doc", 0, "d")),
                                           ("write", ("put", 0, "lost", "x"))])
def test_input_output_errors_stop_the_writes(tmp_path, call, command):
    """EIO: the outcome is unknown, the handle only reads from then on, and after reopening all is well."""
    environment = {**preload(tmp_path, "failing", FAILING_CALLS), "FAIL_FOLDER": str(tmp_path)}
    store = tmp_path / "store"
    with Probe(env=environment) as probe:
        probe.open(store)
        probe.ask("put", 0, "a", "x")
        probe.ask("flush", 0)
        probe.ask("put", 0, "b", "x")
        (tmp_path / call).touch()
        with pytest.raises(Failed) as failure:
            probe.ask(*command)
        assert (failure.value.kind, failure.value.outcome) == ("io", "unknown")
        (tmp_path / call).unlink()
        for again in (("put", 0, "c", "x"), ("doc", 0, "d"), ("begin", 0), ("flush", 0)):
            with pytest.raises(Failed) as failure:
                probe.ask(*again)
            assert failure.value.kind == "io"
            assert "until it is opened again" in failure.value.message
        assert probe.ask("get", 0, "a") == 'value {"v":"x"}'
        probe.ask("close", 0)
        probe.open(store)
        probe.ask("put", 0, "c", "x")
        probe.ask("flush", 0)
        probe.finish()
    assert {"a", "b", "c"} <= check(store)


# ---- syncs -------------------------------------------------------------------------------------------------------

def count_syncs(tmp_path, *commands):
    """The number of syncs that each command makes, from strace."""
    trace = tmp_path / "trace"
    strace = shutil.which("strace")
    assert strace, "strace is not installed (scripts/bootstrap test)"
    with Probe(strace, "-f", "-qq", "-o", trace, "-e", "trace=fsync,fdatasync,sync_file_range,getpriority") as probe:
        probe.open(tmp_path / "store")
        for command in commands:
            probe.ask("mark", 0)
            probe.ask(*command)
        probe.ask("mark", 0)
        probe.finish()
    counts = []
    for line in trace.read_text().splitlines():
        if "getpriority(" in line:
            counts.append(0)
        elif counts and ("sync(" in line or "sync_file_range(" in line) and "resumed" not in line:
            counts[-1] += 1
    assert len(counts) == len(commands) + 1
    return counts[:-1]


def test_syncs_are_counted(tmp_path):
    put, flush = ("put", 0, "k", "x"), ("flush", 0)
    counts = count_syncs(tmp_path,
                         put,                    # begins the log: its header and its directory entry
                         flush,
                         put, flush, flush,      # a put costs none, a flush one, a clean flush none
                         ("doc", 0, "d"),        # durable by itself
                         flush,                  # and so nothing is left to do
                         put, ("doc", 0, "d2"), flush,
                         ("loop", 0, "l", 0, 1, 100))
    assert counts == [2, 1, 0, 1, 0, 1, 0, 0, 1, 0, 0]


def test_twelve_flushes_cost_one_sync(tmp_path):
    counts = count_syncs(tmp_path, ("put", 0, "k", "x"), ("flush", 0), ("put", 0, "k", "y"), ("flushes", 0, 12),
                         ("flushes", 0, 12))
    assert counts == [2, 1, 0, 1, 0]


@pytest.mark.parametrize("name", ["store", "a#b%20\u00fc", "/slashes"])
@pytest.mark.parametrize("lose", [["-shm"], ["-shm", "-wal"], []])
def test_read_only_medium(small_disk, lose, name):
    """Mounted read-only after the writer was killed: with a log and its index, without the index, without both."""
    folder = f"/{small_disk}{name}" if name.startswith("/") else f"{small_disk}/{name}"
    store = Path(folder)
    with Probe() as probe:
        probe.open(folder)
        probe.ask("put", 0, "a", "x")
        probe.kill()
    if "-wal" in lose:
        assert check(store) == {"a"}    # SQLite empties the log when it closes as the last
    for suffix in lose:
        (store / f"ragstore.db{suffix}").unlink(missing_ok=True)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with Probe() as probe:
        probe.open(folder, READ_ONLY)
        assert probe.ask("get", 0, "a") == 'value {"v":"x"}'
        with pytest.raises(Failed) as failure:
            probe.ask("put", 0, "a", "y")
        assert failure.value.kind == "denied"
        probe.finish()
