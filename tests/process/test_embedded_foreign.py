"""Other copies of SQLite on the files of a store: Python's own, in another process and in ours.

docs/decisions/0016-page-checksums.md says what they may do: read, move the log, pack. Rows that they write are said to be
damage, and are taken with `checksums=ignore`.
"""

import os
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time

import pytest
from probe import EXISTING, ROOT, Failed, Probe
from store_check import check, connect


def ragstore(*arguments):
    command = os.environ.get("RAGSTORE") or str(ROOT / "build" / "ragstore")
    return subprocess.run([command, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False)


def assert_healthy(store):
    done = ragstore("check", store)
    assert done.returncode == 0, done.stdout + done.stderr


# ---- in another process ----------------------------------------------------------------------------------------

def open_and_close(store):
    with connect(store) as db:
        assert db.execute("SELECT count(*) FROM kv").fetchone()[0] >= 0


def test_other_process_opens_and_closes_the_file(tmp_path):
    with Probe() as probe:
        probe.open(tmp_path)
        for i in range(100):
            probe.ask("put", 0, f"k{i}", "x")
            open_and_close(tmp_path)
        probe.finish()
    assert len(check(tmp_path)) == 100


def test_foreign_transaction_makes_us_wait(tmp_path):
    """A SQLite that knows nothing of our gate holds its write lock: our write waits, then says so, then succeeds."""
    with Probe() as probe:
        probe.open(tmp_path)
        probe.ask("put", 0, "a", "x")
        with connect(tmp_path) as db:
            db.execute("BEGIN IMMEDIATE")
            with pytest.raises(Failed) as failure:
                probe.ask("put", 0, "b", "x", 100)
            assert (failure.value.kind, failure.value.outcome) == ("timeout", "not-applied")
            db.rollback()
        probe.ask("put", 0, "b", "x", 5000)
        probe.finish()
    assert check(tmp_path) == {"a", "b"}


def test_foreign_reader_does_not_stop_us(tmp_path):
    """A snapshot that is held for long: writes go on, the log is not reset under it."""
    with Probe() as probe, connect(tmp_path_with_store(tmp_path)) as db:
        probe.open(tmp_path)
        db.execute("BEGIN")
        assert db.execute("SELECT count(*) FROM kv").fetchone() == (1,)
        probe.send("loop", 0, "k", 0, 700, 100_000)
        assert len(probe.acknowledged()) == 700
        assert db.execute("SELECT count(*) FROM kv").fetchone() == (1,)
        db.rollback()
        assert db.execute("SELECT count(*) FROM kv").fetchone() == (701,)
        probe.finish()
    assert len(check(tmp_path)) == 701


def tmp_path_with_store(path):
    with Probe() as probe:
        probe.open(path)
        probe.ask("put", 0, "first", "x")
        probe.finish()
    return path


class Foreign(threading.Thread):
    """Another SQLite that does the same thing again and again, each time as a new connection."""

    def __init__(self, store, *statements):
        super().__init__()
        self.store, self.statements, self.stop = store, statements, threading.Event()
        self.done = self.refused = 0
        self.wrong = None

    def run(self):
        while not self.stop.is_set():
            try:
                with connect(self.store) as db:
                    db.isolation_level = None
                    db.execute("PRAGMA busy_timeout=200")
                    for statement in self.statements:
                        db.execute(statement).fetchall()
                self.done += 1
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    self.wrong = error
                    return
                self.refused += 1
            time.sleep(0.005)


WORK = {
    "reads": ("SELECT count(*), sum(length(value)) FROM kv",),
    "looks at every page": ("PRAGMA integrity_check",),
    "moves the log": ("PRAGMA wal_checkpoint(PASSIVE)", "PRAGMA wal_checkpoint(FULL)", "PRAGMA wal_checkpoint(RESTART)",
                      "PRAGMA wal_checkpoint(TRUNCATE)"),
    "switches the log off": ("PRAGMA journal_mode=DELETE",),
    "packs": ("VACUUM",),
    "locks": ("BEGIN EXCLUSIVE", "SELECT count(*) FROM kv", "ROLLBACK"),
}


@pytest.mark.parametrize("work", WORK)
def test_other_process_works_on_the_file(tmp_path, work):
    """While we write, read, compact and open again: nothing is lost, and every page is as it should be."""
    acknowledged = set()
    with Probe() as probe:
        probe.open(tmp_path)
        probe.ask("vectors", 0, "v", 0, 600)
        foreign = Foreign(tmp_path, *WORK[work])
        foreign.start()
        try:
            life = 0
            while life < 4 or (foreign.done + foreign.refused < 10 and life < 500):
                life += 1
                probe.send("loop", 0, f"k{life}-", 0, 60, 3000)
                acknowledged |= set(probe.acknowledged())
                probe.ask("flush", 0)
                probe.ask("optimize", 0)
                probe.ask("close", 0)
                probe.open(tmp_path, EXISTING)
                assert probe.ask("count", 0) == f"count {len(acknowledged)}"
        finally:
            foreign.stop.set()
            foreign.join()
        print(f"done {foreign.done} times, refused {foreign.refused}")
        assert not foreign.wrong, foreign.wrong
        assert foreign.done + foreign.refused >= 10
        assert probe.ask("search", 0, "v", 5).startswith("agree 50 of 50 ")
        probe.finish()
    assert_healthy(tmp_path)
    assert check(tmp_path) == acknowledged


def test_log_cannot_be_switched_off_under_us(tmp_path):
    with Probe() as probe, connect(tmp_path_with_store(tmp_path)) as db:
        probe.open(tmp_path)
        probe.ask("put", 0, "a", "x")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            db.execute("PRAGMA busy_timeout=0")
            db.execute("PRAGMA journal_mode=DELETE").fetchone()
        probe.ask("put", 0, "b", "x")
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        probe.finish()
    assert check(tmp_path) == {"first", "a", "b"}


def test_exclusive_lock_of_another(tmp_path):
    """One that locks everybody out: opening waits as long as it was told to, says so, and works afterwards."""
    tmp_path_with_store(tmp_path)
    with Probe() as probe, connect(tmp_path) as db:
        db.execute("PRAGMA locking_mode=EXCLUSIVE")
        db.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Failed) as failure:
            probe.ask("open", 0, tmp_path, EXISTING, 300)
        assert failure.value.kind == "timeout", failure.value
        db.rollback()
        db.close()
        probe.ask("open", 0, tmp_path, EXISTING, 10_000)
        assert probe.ask("count", 0) == "count 1"
        probe.ask("put", 0, "b", "x")
        probe.finish()
    assert check(tmp_path) == {"first", "b"}


@pytest.mark.parametrize("in_use", [True, False], ids=["in-use", "at-rest"])
@pytest.mark.parametrize("in_log", [True, False], ids=["pages-in-the-log", "pages-in-the-file"])
def test_rows_written_by_another(tmp_path, in_use, in_log):
    """What it wrote, or an error: nothing else. A page that had a checksum is called damaged, one from the log has none yet."""
    store, copy = tmp_path / "store", tmp_path / "copy"
    with Probe() as probe:
        probe.open(store)
        probe.send("loop", 0, "k", 0, 100, 500)
        keys = set(probe.acknowledged())
        if not in_use:
            probe.ask("close", 0)
        if not in_log:
            assert ragstore("compact", store).returncode == 0
        with connect(store) as db:
            db.execute("DELETE FROM kv WHERE key = CAST('k7' AS BLOB)")
            db.execute("UPDATE kv SET created_at = 1")
            db.commit()
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        if not in_use:
            probe.open(store, EXISTING)
        if in_log:
            answers = {key: probe.ask("get", 0, key).split()[0] for key in keys}
            assert answers == {key: "absent" if key == "k7" else "value" for key in keys}
            return
        with pytest.raises(Failed, match="written by another program") as failure:
            for key in keys:
                assert probe.ask("get", 0, key).startswith("absent" if key == "k7" else "value ")
        assert failure.value.kind == "corrupt"
        probe.finish()
    assert ragstore("check", store).returncode != 0
    with Probe() as probe:
        probe.open(f"{store}?checksums=ignore", EXISTING)
        for key in keys:
            assert probe.ask("get", 0, key).startswith("absent" if key == "k7" else "value ")
        probe.finish()
    # its own account of the rows is wrong, which check says and mends, and a copy has checksums again
    assert ragstore("backup", f"{store}?checksums=ignore", copy).returncode == 0
    assert ragstore("check", "--repair", copy).returncode == 0
    assert_healthy(copy)
    assert check(copy) == keys - {"k7"}


# ---- in our process ------------------------------------------------------------------------------------------------

LIBRARY = """
    import ctypes, os, sqlite3, sys, threading, time
    library, store, *statements = sys.argv[1:]
    rag = ctypes.CDLL(library)
    class Options(ctypes.Structure):
        _fields_ = [("struct_size", ctypes.c_size_t), ("flags", ctypes.c_uint), ("workspace", ctypes.c_char_p),
                    ("namespaces", ctypes.c_void_p), ("count", ctypes.c_size_t), ("config", ctypes.c_char_p),
                    ("timeout", ctypes.c_int64)]
    class Slice(ctypes.Structure):
        _fields_ = [("data", ctypes.c_char_p), ("len", ctypes.c_size_t)]
    class Item(ctypes.Structure):
        _fields_ = [("key", Slice), ("value", Slice), ("created", ctypes.c_int64), ("updated", ctypes.c_int64)]
    handle = ctypes.c_void_p()
    rag.rag_store_close.argtypes, rag.rag_store_close.restype = [ctypes.c_void_p], None
    def open_store(timeout=0):
        options = Options(ctypes.sizeof(Options), 0, b"", None, 0, b"", timeout)
        status = rag.rag_store_open(store.encode(), ctypes.byref(options), None, ctypes.byref(handle), None)
        assert status == 0, status
    def try_put(key):
        value = b'{"v":"' + key * 300 + b'"}'
        item = Item(Slice(key, len(key)), Slice(value, len(value)), 0, 0)
        return rag.rag_kv_put_many(handle, None, b"n", ctypes.byref(item), ctypes.c_size_t(1), None, None)
    def put(key):
        status = try_put(key)
        assert status == 0, (key, status)
"""

IN_ONE_PROCESS = LIBRARY + """
    open_store()
    put(b"first")
    stop, counts, wrong = threading.Event(), [0, 0], []
    def once():
        try:
            other = sqlite3.connect(store + "/ragstore.db", timeout=0.2, isolation_level=None)
            try:
                for statement in statements:
                    other.execute(statement).fetchall()
            finally:
                other.close()
            counts[0] += 1
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                wrong.append(str(error))
            counts[1] += 1
    def work():
        while not stop.is_set():
            once()
            time.sleep(0.001)
    thread = threading.Thread(target=work)
    thread.start()
    try:
        i, end = 0, time.monotonic() + 60
        while i < 300 or (sum(counts) < 40 and time.monotonic() < end):
            put(b"k%d" % i)
            i += 1
            if i > 300:             # the other one is slow to get its turn: let it
                time.sleep(0.005)
            if i % 30 == 0:
                assert rag.rag_flush(handle, None, ctypes.c_uint64(0), None) == 0
    finally:
        stop.set()
        thread.join()
    for j in range(20):
        once()                  # and in turns
        put(b"l%d" % j)
    rag.rag_store_close(handle)
    assert not wrong, wrong
    print("written", i + 21, "done", *counts)
"""


@pytest.mark.parametrize("work", WORK)
def test_two_copies_in_one_process(tmp_path, work):
    """Python's own sqlite3 at work in a thread of the process that writes through the library."""
    library = os.path.join(os.environ.get("RAGSTORE_BUILD", "build"), "libragstore.so")
    program = subprocess.run([sys.executable, "-c", textwrap.dedent(IN_ONE_PROCESS), library, str(tmp_path),
                              *WORK[work]], capture_output=True, text=True, timeout=120, check=False)
    assert program.returncode == 0, (program.returncode, program.stderr)
    print(program.stdout)
    _, written, _, done, refused = program.stdout.split()
    assert int(done) + int(refused) >= 60
    assert_healthy(tmp_path)
    assert len(check(tmp_path)) == int(written)


HELD = LIBRARY + """
    open_store()
    put(b"first")
    other = sqlite3.connect(store + "/ragstore.db", timeout=0, isolation_level=None)
    def ours():
        targets = []
        for name in os.listdir("/proc/self/fd"):
            try:
                targets.append(os.readlink("/proc/self/fd/" + name))
            except FileNotFoundError:
                pass
        return sum(target.startswith(store) for target in targets)
    most = 0
    for turn in range(8):
        other.execute("BEGIN" if turn % 2 else "BEGIN IMMEDIATE")
        before = other.execute("SELECT count(*) FROM kv").fetchone()
        rag.rag_store_close(handle)
        open_store(300)
        if turn % 2:
            for i in range(50):
                put(b"r%d-%d" % (turn, i))
            assert rag.rag_store_compact(handle, None, None, None) == 0
            assert other.execute("SELECT count(*) FROM kv").fetchone() == before
        else:
            assert try_put(b"refused") == -6      # its write lock is there still
        other.execute("ROLLBACK")
        put(b"t%d" % turn)
        assert other.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        if turn < 2:
            most = ours()
    assert ours() <= most, (ours(), most)
    other.close()
    rag.rag_store_close(handle)
    assert ours() == 0, ours()
    open_store()
    rag.rag_store_close(handle)
    assert ours() == 0, ours()
    print("well")
"""


def test_another_copy_keeps_its_locks(tmp_path):
    """A connection of Python's in a transaction, while our only handle is closed and opened again."""
    library = os.path.join(os.environ.get("RAGSTORE_BUILD", "build"), "libragstore.so")
    program = subprocess.run([sys.executable, "-c", textwrap.dedent(HELD), library, str(tmp_path)],
                             capture_output=True, text=True, timeout=120, check=False)
    assert program.stdout == "well\n", (program.returncode, program.stderr)
    assert_healthy(tmp_path)
    assert len(check(tmp_path)) == 1 + 8 + 4 * 50
