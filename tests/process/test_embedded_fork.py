"""fork() in every state of a handle: the child is refused, has nothing of the parent's, and may open stores of its own.

What the child looks at is in store_probe_fork.c; its answer is "child 0" when all was well.
"""

import os
import signal

import pytest
from probe import BUILD, EXISTING, Probe
from store_check import check, connect


def exclusive_lock(store):
    """Can be had at once: nobody has even a lock of SQLite's own."""
    with connect(store) as db:
        db.execute("PRAGMA locking_mode=EXCLUSIVE")
        db.execute("PRAGMA busy_timeout=0")
        db.execute("BEGIN EXCLUSIVE")
        db.rollback()


def test_idle_handle(tmp_path):
    store = tmp_path / "store"
    with Probe() as probe:
        probe.open(store)
        probe.ask("put", 0, "parent", "x")
        assert probe.ask("fork", 0) == "child 0"
        probe.ask("put", 0, "parent2", "x")
        assert probe.ask("fork", 0) == "child 0"
        assert probe.ask("count", 0) == "count 3"
        probe.finish()
    assert check(store) == {"parent", "parent2", "child"}
    exclusive_lock(store)


@pytest.mark.parametrize("end", ["", "commit", "abort"])
def test_open_transaction(tmp_path, end):
    """The child's commit, abort or closing ends nothing, and frees no turn; the parent's commit counts."""
    store = tmp_path / "store"
    with Probe() as probe:
        probe.open(store)
        probe.ask("begin", 0)
        probe.ask("put", 0, "inside", "x")
        assert probe.ask("fork", 0, end) == "child 0"
        probe.ask("put", 0, "inside2", "x")
        assert probe.ask("get", 0, "inside") == 'value {"v":"x"}'
        probe.ask("commit", 0)
        probe.finish()
    assert check(store) == {"inside", "inside2"}


def test_between_the_pages_of_a_scan(tmp_path):
    """A scan holds nothing: the place where it is goes on in the parent, and the child's next page is refused."""
    store = tmp_path / "store"
    with Probe() as probe:
        probe.open(store)
        probe.ask("batch", 0, "w", 200, "text")
        assert probe.ask("page", 0, 100).split()[:2] == ["rows", "100"]
        assert probe.ask("fork", 0) == "child 0"    # its own write, "child", is before what was read
        assert probe.ask("page", 0, 1000).split()[:2] == ["rows", "100"]
        probe.finish()


def test_pending_vectors(tmp_path):
    """They stay the parent's: neither the child's closing nor its death gives them away."""
    store = tmp_path / "store"
    with Probe() as probe, Probe() as other:
        probe.open(store)
        other.open(store)
        probe.ask("defer", 0, "k", 20)
        assert probe.ask("fork", 0) == "child 0"
        assert other.ask("pending", 0) == "pending 0 stored 0"
        assert probe.ask("pending", 0) == "pending 20 stored 0"
        probe.send("embed", 0, 0, 1)
        while (line := probe.line()).startswith("embedding "):
            pass
        assert line == "embedded 20 stored 20"
        probe.finish()


def test_while_building(tmp_path):
    """The child finds no store, takes none away, and the parent publishes a whole one."""
    store = tmp_path / "store"
    with Probe() as probe:
        probe.open(store, BUILD)
        probe.ask("put", 0, "built", "x")
        probe.ask("vectors", 0, "v", 0, 1500)
        probe.ask("optimize", 0)
        assert probe.ask("fork", 0) == "child 0"
        probe.ask("put", 0, "built2", "x")
        probe.ask("publish", 0)
        assert probe.ask("search", 0, "v", 20).startswith("agree 200 of 200 ")
        assert probe.ask("fork", 0) == "child 0"
        probe.finish()
    assert check(store) == {"built", "built2", "child"}
    assert not list(store.glob("ragstore.db.build-*"))
    assert len(list(store.glob("*.idx"))) == 1


def test_mapped_index_files(tmp_path):
    store = tmp_path / "store"
    with Probe() as probe:
        probe.open(store)
        probe.ask("vectors", 0, "v", 0, 1500)
        probe.ask("optimize", 0)
        before = probe.ask("search", 0, "v", 20)
        assert before.startswith("agree 200 of 200 ")
        assert probe.ask("fork", 0) == "child 0"
        assert probe.ask("search", 0, "v", 20) == before
        probe.finish()


@pytest.mark.parametrize("what", ["write", "get", "scan", "search", "node", "doc", "flush", "index", "optimize", "check",
                                  "backup", "compact", "open", "describe"])
def test_while_another_thread_is_inside(tmp_path, what):
    store = tmp_path / "store"
    with Probe() as probe:
        probe.open(store)
        probe.ask("batch", 0, "w", 1000, "text")
        probe.ask("vectors", 0, "v", 0, 1500)
        probe.ask("optimize", 0)
        answer = probe.ask("forkin", 0, what, 6)
        assert answer.startswith("child 0 "), answer
        assert int(answer.split()[-1]) > 0
        probe.finish()
    check(store)
    exclusive_lock(store)


@pytest.mark.parametrize("flags", [EXISTING, BUILD])
def test_killed_parent_leaves_no_lock_with_a_living_child(tmp_path, flags):
    """In a transaction, with an index file made: another process goes on at once, and takes the dead builder's files."""
    store = tmp_path / "store"
    with Probe() as probe, Probe() as other:
        if flags == EXISTING:
            other.open(store)
        probe.open(store, flags)
        probe.ask("vectors", 0, "v", 0, 1500)
        probe.ask("optimize", 0)
        probe.ask("begin", 0)
        probe.ask("put", 0, "lost", "x")
        child = int(probe.ask("hold", 0).split()[1])
        try:
            probe.kill()
            if flags == BUILD:
                other.open(store)
            other.ask("put", 0, "kept", "x", 60_000)
            other.ask("vectors", 0, "w", 0, 1500)
            other.ask("optimize", 0)    # collects what nobody names
            other.finish()
            assert not list(store.glob("ragstore.db.build-*"))
            assert len(list(store.glob("*.idx"))) == (1 if flags == BUILD else 2)
            exclusive_lock(store)    # the child holds none of SQLite's own locks either
        finally:
            os.kill(child, signal.SIGKILL)
    assert check(store) == {"kept"}


def test_parent_killed_while_it_makes_an_index(tmp_path):
    """A child that was forked in the middle holds no lock on the file that nobody will finish."""
    store = tmp_path / "store"
    with Probe() as probe, Probe() as other:
        probe.open(store)
        children = [int(pid) for pid in probe.ask("holdin", 0, "index", 8).split()[1:]]
        try:
            probe.kill()
            other.open(store, EXISTING)
            other.ask("vectors", 0, "w", 0, 1500)
            other.ask("optimize", 0)
            other.finish()
            with connect(store) as db:
                named = db.execute("SELECT count(*) FROM vector_index").fetchone()[0]
            assert len(list(store.glob("*.idx"))) == named
        finally:
            for child in children:
                os.kill(child, signal.SIGKILL)
