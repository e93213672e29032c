"""Several processes, threads, forks and copies of SQLite on one store."""

import os
import subprocess
import sys
import textwrap
import time

import pytest
from probe import READ_ONLY, Failed, Probe
from store_check import check, connect


def test_five_threads_times_hundred(tmp_path):
    with Probe() as probe:
        probe.open(tmp_path)
        assert probe.ask("threads", 0, 5, 100).split()[:4] == ["done", "500", "failed", "0"]
        assert probe.ask("count", 0) == "count 500"
        probe.finish()
    assert len(check(tmp_path)) == 500


def test_five_processes_times_hundred(tmp_path):
    probes = [Probe() for _ in range(5)]
    for probe in probes:
        probe.open(tmp_path)
    for probe in probes:
        probe.send("threads", 0, 1, 100)
    assert [probe.line().split()[:4] for probe in probes] == [["done", "100", "failed", "0"]] * 5
    assert {probe.ask("count", 0) for probe in probes} == {"count 500"}
    for probe in probes:
        probe.finish()
    assert len(check(tmp_path)) == 500


def test_five_processes_create_at_once(tmp_path):
    """All five find no store, one makes it, and nobody's rows are lost."""
    store = tmp_path / "new"
    probes = [Probe() for _ in range(5)]
    for probe in probes:
        probe.send("open", 0, store, 0)
        probe.send("put", 0, f"from{probe.process.pid}", "x")
    for probe in probes:
        assert probe.line().startswith("ok ")
        assert probe.line().startswith("ok ")
        probe.finish()
    assert len(check(store)) == 5


def test_handles_closed_in_all_orders_leave_no_lock(tmp_path):
    """Four handles of one process, all 24 orders of closing; a second process writes after each run."""
    with Probe() as probe, Probe() as other:
        assert probe.ask("orders", tmp_path) == "done 24"
        other.open(tmp_path)
        other.ask("put", 0, "other", "x", 1000)
        # not even the locks of SQLite's own are left: an exclusive lock can be had at once
        other.finish()
        with connect(tmp_path) as db:
            db.execute("PRAGMA locking_mode=EXCLUSIVE")
            db.execute("PRAGMA busy_timeout=0")
            db.execute("BEGIN EXCLUSIVE")
            db.rollback()


# ---- two copies of SQLite ----------------------------------------------------------------------------------------

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


TWO_COPIES = """
    import ctypes, sqlite3, sys
    library, store = sys.argv[1:3]
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
    options = Options(ctypes.sizeof(Options), 0, b"", None, 0, b"", 0)
    assert rag.rag_store_open(store.encode(), ctypes.byref(options), None, ctypes.byref(handle), None) == 0
    def put(key):
        item = Item(Slice(key, len(key)), Slice(b"{}", 2), 0, 0)
        return rag.rag_kv_put_many(handle, None, b"n", ctypes.byref(item), ctypes.c_size_t(1), None, None)
    assert put(b"first") == 0
    for i in range(100):
        other = sqlite3.connect(store + "/ragstore.db")
        other.execute("SELECT count(*) FROM kv").fetchone()
        other.close()
        assert put(b"k%d" % i) == 0
    rag.rag_store_close.restype = None
    rag.rag_store_close(handle)
    print("written 101")
"""


def test_two_copies_in_one_process(tmp_path):
    """Python's own sqlite3 opens and closes the file 100 times in the process that writes through the library."""
    library = os.path.join(os.environ.get("RAGSTORE_BUILD", "build"), "libragstore.so")
    program = subprocess.run([sys.executable, "-c", textwrap.dedent(TWO_COPIES), library, str(tmp_path)],
                             capture_output=True, text=True, timeout=120)
    assert program.stdout == "written 101\n", program.stderr
    assert len(check(tmp_path)) == 101


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


# ---- many writers and readers ------------------------------------------------------------------------------------

def test_log_stays_bounded(tmp_path):
    """4 writers and 8 readers in 3 processes: the log stays below 100 MB, nobody fails."""
    probes = [Probe() for _ in range(3)]
    for probe in probes:
        probe.open(tmp_path)
    probes[0].send("mixed", 0, 2, 4, 6000)
    probes[1].send("mixed", 0, 2, 0, 6000)
    probes[2].send("mixed", 0, 0, 4, 6000)
    largest = 0
    log = tmp_path / "ragstore.db-wal"
    deadline = time.monotonic() + 6.5
    while time.monotonic() < deadline:
        largest = max(largest, log.stat().st_size)
        time.sleep(0.05)
    answers = [probe.line() for probe in probes]
    print(answers, f"largest log {largest / 1e6:.1f} MB")
    assert all(" failed 0 " in answer for answer in answers)
    written = sum(int(answer.split()[1]) for answer in answers)
    assert written > 3000, "about 24 kB of log for each: too little was written to say anything about it"
    assert 48e6 < largest < 100e6
    for probe in probes:
        probe.finish()
    assert len(check(tmp_path)) == written


def test_read_only_handle_follows_a_writer(tmp_path):
    with Probe() as writer, Probe() as reader:
        writer.open(tmp_path)
        writer.ask("put", 0, "a", "1")
        reader.open(tmp_path, READ_ONLY)
        for i in range(20):
            writer.ask("put", 0, "a", i)
            assert reader.ask("get", 0, "a") == f'value {{"v":"{i}"}}'
        with pytest.raises(Failed) as failure:
            reader.ask("put", 0, "b", "1")
        assert failure.value.kind == "denied"
        writer.kill()
        assert reader.ask("get", 0, "a") == 'value {"v":"19"}'


def test_store_whose_log_was_switched_off(tmp_path):
    """VACUUM INTO and a shell leave a database without WAL: it opens, and takes writes at once."""
    with Probe() as probe:
        probe.open(tmp_path)
        assert probe.ask("threads", 0, 1, 10).split()[:2] == ["done", "10"]
        probe.finish()
    with connect(tmp_path) as db:
        assert db.execute("PRAGMA journal_mode=DELETE").fetchone() == ("delete",)
    with Probe() as probe:
        probe.open(tmp_path)
        assert probe.ask("threads", 0, 1, 10).split()[:4] == ["done", "10", "failed", "0"]
        probe.finish()
    assert len(check(tmp_path)) == 20
