"""Several processes, threads and handles on one store."""

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
        other.ask("put", 0, "other", "x", 60_000)
        # not even the locks of SQLite's own are left: an exclusive lock can be had at once
        other.finish()
        with connect(tmp_path) as db:
            db.execute("PRAGMA locking_mode=EXCLUSIVE")
            db.execute("PRAGMA busy_timeout=0")
            db.execute("BEGIN EXCLUSIVE")
            db.rollback()


# ---- two handles of one store -------------------------------------------------------------------------------------

def test_two_handles_of_one_process(tmp_path):
    """Threads on both write and read at once; each handle sees what the other wrote."""
    with Probe() as probe:
        probe.open(tmp_path)
        probe.open(tmp_path, handle=1)
        answer = probe.ask("mixed", 0, 4, 4, 2000, 1)
        print(answer)
        assert " failed 0 " in answer
        written = int(answer.split()[1])
        assert written > 10
        assert probe.ask("count", 0) == probe.ask("count", 1) == f"count {written}"
        probe.ask("close", 0)
        probe.ask("put", 1, "after", "x")
        probe.finish()
    assert len(check(tmp_path)) == written + 1


# ---- a transaction that is held ------------------------------------------------------------------------------------

@pytest.mark.parametrize("where", ["same process", "other process"])
def test_held_transaction_makes_others_wait(tmp_path, where):
    """Writers get their deadline's answer and have changed nothing; readers go on with what was there before."""
    with Probe() as holder, Probe() as other:
        holder.open(tmp_path)
        waiting, number = (holder, 1) if where == "same process" else (other, 0)
        waiting.open(tmp_path, handle=number)
        holder.ask("put", 0, "a", "old")
        holder.ask("begin", 0)
        holder.ask("put", 0, "a", "new")
        for words in (("put", number, "b", "x", 100), ("begin", number, 100)):
            with pytest.raises(Failed) as failure:
                waiting.ask(*words)
            assert (failure.value.kind, failure.value.outcome) == ("timeout", "not-applied")
        assert waiting.ask("get", number, "a") == 'value {"v":"old"}'
        assert waiting.ask("get", number, "b") == "absent"
        assert holder.ask("get", 0, "a") == 'value {"v":"new"}'
        holder.ask("commit", 0)
        waiting.ask("put", number, "b", "x", 10_000)
        assert waiting.ask("get", number, "a") == 'value {"v":"new"}'
    assert check(tmp_path) == {"a", "b"}


def test_lock_timeout_of_a_handle(tmp_path):
    """Without a deadline of the call a writer waits as long as its handle was opened to."""
    with Probe() as holder, Probe() as waiting:
        holder.open(tmp_path)
        waiting.ask("open", 0, tmp_path, 0, 200)
        holder.ask("begin", 0)
        with pytest.raises(Failed) as failure:
            waiting.ask("put", 0, "b", "x")
        assert (failure.value.kind, failure.value.outcome) == ("timeout", "not-applied")
        holder.ask("abort", 0)
        waiting.ask("put", 0, "b", "x", 10_000)


def test_large_transaction_does_not_leave_a_large_log(tmp_path):
    """All of it is in the log before it is committed; the log is cut again afterwards."""
    log = tmp_path / "ragstore.db-wal"
    with Probe() as probe:
        probe.open(tmp_path)
        probe.ask("begin", 0)
        for i in range(5):
            probe.ask("fill", 0, f"k{i}", 30_000_000 + i)
        probe.ask("commit", 0)
        largest = log.stat().st_size
        probe.send("loop", 0, "small", 0, 50, 1000)
        assert len(probe.acknowledged()) == 50
        print(f"log {largest / 1e6:.0f} MB, afterwards {log.stat().st_size / 1e6:.0f} MB")
        assert largest > 100_000_000 > log.stat().st_size
        probe.finish()
    assert len(check(tmp_path)) == 55


# ---- many writers and readers ------------------------------------------------------------------------------------

def test_log_stays_bounded(tmp_path):
    """4 writers and 8 readers in 3 processes: the log stays below 100 MB, nobody fails."""
    probes = [Probe() for _ in range(3)]
    for probe in probes:
        probe.open(tmp_path)
    log = tmp_path / "ragstore.db-wal"
    rounds = written = largest = 0
    while rounds < 3 or written <= 3000:    # about 24 kB of log for each: less would say nothing about it
        rounds += 1
        probes[0].send("mixed", 0, 2, 4, 2000)
        probes[1].send("mixed", 0, 2, 0, 2000)
        probes[2].send("mixed", 0, 0, 4, 2000)
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline:
            largest = max(largest, log.stat().st_size)
            time.sleep(0.05)
        answers = [probe.line() for probe in probes]
        print(answers, f"largest log {largest / 1e6:.1f} MB")
        assert all(" failed 0 " in answer for answer in answers)
        written += sum(int(answer.split()[1]) for answer in answers)
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
