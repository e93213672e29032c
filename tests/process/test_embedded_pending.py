"""Pending vectors and processes: a kill loses none, the dead leave theirs to everybody, the living keep theirs."""

import random

import pytest
from probe import EXISTING, Probe
from store_check import connect


def lines_of_flush(probe):
    """How many batches were embedded, and the last line."""
    batches = 0
    while True:
        line = probe.line()
        if not line.startswith("embedding "):
            return batches, line
        batches += 1


def flush(probe, sleep_ms=0, concurrency=1):
    probe.send("embed", 0, sleep_ms, concurrency)
    return lines_of_flush(probe)


def tables(store):
    """Ids that are stored and ids that are pending; the kept count of these must be right."""
    with connect(store) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        stored = [row[0].decode() for row in db.execute("SELECT id FROM vector_row")]
        pending = [row[0].decode() for row in db.execute("SELECT id FROM vector_pending")]
        assert db.execute("SELECT pending FROM vector_space").fetchone() == (len(pending),)
        assert len(set(stored)) == len(stored)
        return set(stored), set(pending)


@pytest.mark.parametrize("number", range(8))
def test_killed_flush_loses_and_doubles_nothing(tmp_path, number):
    store = tmp_path / "store"
    batches = random.Random(number).randrange(1, 9)
    rows = {f"k{i:05d}" for i in range(50)}
    with Probe() as probe:
        probe.open(store)
        probe.ask("defer", 0, "k", 50)
        probe.send("embed", 0, 30, 1 + number % 2)
        for _ in range(batches):
            assert probe.line() == "embedding 5"
        probe.kill()
        batches += probe.rest().count("embedding 5")    # it may have gone on before the signal came
    stored, pending = tables(store)
    assert not stored & pending and stored | pending == rows
    assert len(pending) >= 50 - 5 * batches
    with Probe() as probe:
        probe.open(store, flags=EXISTING)
        assert probe.ask("pending", 0) == f"pending {len(pending)} stored {len(stored)}"
        assert flush(probe) == (len(pending) // 5, f"embedded {len(pending)} stored {len(pending)}")
        assert probe.ask("pending", 0) == "pending 0 stored 50"
        probe.finish()
    assert tables(store) == (rows, set())


def test_rows_of_a_living_process_are_its_own(tmp_path):
    store = tmp_path / "store"
    with Probe() as one, Probe() as two:
        one.open(store)
        two.open(store)
        one.ask("defer", 0, "one", 20)
        two.ask("defer", 0, "two", 7)
        assert one.ask("pending", 0) == "pending 20 stored 0"
        assert two.ask("pending", 0) == "pending 7 stored 0"
        assert two.ask("droppending", 0) == "dropped 7"
        assert flush(two) == (0, "embedded 0 stored 0")
        assert one.ask("pending", 0) == "pending 20 stored 0"
        one.kill()
        assert two.ask("droppending", 0) == "dropped 0"
        assert two.ask("pending", 0) == "pending 20 stored 0"
        assert flush(two, concurrency=3) == (4, "embedded 20 stored 20")
        assert two.ask("pending", 0) == "pending 0 stored 20"


def test_entries_of_ended_processes_do_not_pile_up(tmp_path):
    store = tmp_path / "store"
    for life in range(4):
        with Probe() as probe:
            probe.open(store)
            probe.ask("defer", 0, f"life{life}-", 3)
            probe.kill()
    with connect(store) as db:
        assert db.execute("SELECT count(*) FROM pending_owner").fetchone() == (1,)
        assert db.execute("SELECT count(*) FROM vector_pending").fetchone() == (12,)
    with Probe() as probe:
        probe.open(store)
        assert probe.ask("pending", 0) == "pending 12 stored 0"
        probe.ask("defer", 0, "last", 1)
        probe.finish()
    with connect(store) as db:
        assert db.execute("SELECT count(*) FROM pending_owner").fetchone() == (0,)
