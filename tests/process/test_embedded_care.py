"""Compacting and copying stores that are in use."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess

import pytest
from probe import EXISTING, ROOT, Probe
from store_check import check, connect


def command():
    return os.environ.get("RAGSTORE") or str(ROOT / "build" / "ragstore")


def run(*arguments, status=0):
    done = subprocess.run([command(), *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == status, done.stderr
    return done


def ask(store, sql):
    with connect(store) as db:
        return db.execute(sql).fetchone()[0]


@pytest.fixture
def sparse(tmp_path):
    """A store of 400 small values that once were large: nearly all of it is free pages."""
    store = tmp_path / "sparse"
    with Probe() as probe:
        probe.open(store)
        for size in 50_000, 10:
            probe.send("loop", 0, "k", 0, 400, size)
            assert len(probe.acknowledged()) == 400
        probe.finish()
    assert ask(store, "PRAGMA freelist_count") > 3000
    return store


def test_compact_gives_space_back_while_others_write(sparse):
    keys = check(sparse)
    with Probe() as probe:
        probe.open(sparse, EXISTING)
        probe.send("loop", 0, "w", 0, 300, 100)
        freed = json.loads(run("compact", "--json", sparse).stdout)["freed_bytes"]
        keys |= set(probe.acknowledged())
        probe.finish()
    assert freed > 10_000_000
    run("compact", sparse)
    assert (sparse / "ragstore.db").stat().st_size < 2_000_000
    assert (sparse / "ragstore.db-wal").stat().st_size == 0
    assert ask(sparse, "PRAGMA freelist_count") == 0
    assert check(sparse) == keys and len(keys) == 700


def test_compact_of_an_upgraded_store_writes_it_anew_once(tmp_path):
    store = tmp_path / "old"
    store.mkdir()
    shutil.copy(ROOT / "tests" / "data" / "store-v1" / "ragstore.db", store)
    run("compact", store)
    assert ask(store, "PRAGMA auto_vacuum") == 2
    assert ask(store, "PRAGMA integrity_check") == "ok"


def test_killed_compact_leaves_a_whole_store(sparse):
    keys = check(sparse)
    for _ in range(5):
        process = subprocess.Popen([command(), "compact", str(sparse)], stderr=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            process.wait(0.02)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        process.communicate()
        assert check(sparse) == keys
    run("compact", sparse)
    assert check(sparse) == keys


def test_backup_under_load_is_one_moment(tmp_path):
    """While a writer commits, each copy holds a prefix of its commits, without a gap."""
    store = tmp_path / "store"
    with Probe() as probe:
        probe.open(store)
        probe.send("loop", 0, "k", 0, 1500, 20_000)
        sizes = []
        for number in range(3):
            run("backup", store, tmp_path / f"copy{number}")
            keys = check(tmp_path / f"copy{number}")
            assert keys == {f"k{i}" for i in range(len(keys))}
            sizes.append(len(keys))
        assert len(probe.acknowledged()) == 1500
        probe.finish()
    assert sizes == sorted(sizes)
    assert not list(tmp_path.glob("*.partial-*"))
    with Probe() as probe:    # an ordinary store
        probe.open(tmp_path / "copy0", EXISTING)
        probe.ask("put", 0, "more", "x")
        probe.finish()
    assert len(check(tmp_path / "copy0")) == sizes[0] + 1


def test_backup_refuses_what_is_there_and_what_is_inside(sparse, tmp_path):
    target = tmp_path / "copy"
    target.mkdir()
    run("backup", sparse, target)    # an empty directory will do
    before = (target / "ragstore.db").read_bytes()
    assert "not empty" in run("backup", sparse, target, status=1).stderr
    assert (target / "ragstore.db").read_bytes() == before
    assert "inside the store" in run("backup", sparse, sparse / "copy", status=1).stderr
    (tmp_path / "file").write_text("x")
    assert "exists already" in run("backup", sparse, tmp_path / "file", status=1).stderr
    assert not list(tmp_path.glob("**/*.partial-*"))


def test_backup_has_the_same_rows(sparse, tmp_path):
    run("backup", sparse, tmp_path / "copy")
    databases = [sqlite3.connect(place / "ragstore.db") for place in (sparse, tmp_path / "copy")]
    dumps = [list(db.iterdump()) for db in databases]
    for db in databases:
        db.close()
    assert dumps[0] == dumps[1] and len(dumps[0]) > 400


@pytest.mark.parametrize("option, remains", [("", True), ("?secure_delete=on", False)])
def test_what_was_deleted_is_in_no_file(tmp_path, option, remains):
    """The value is too short to be compressed, so that its text would be found."""
    store, token = tmp_path / "store", "Xq7Zt9Lw3Bv5"
    with Probe() as probe:
        probe.open(f"{store}{option}")
        for key, text in ("a", "before"), ("k", token), ("z", "behind"):
            probe.ask("put", 0, key, text)
        probe.ask("close", 0)
        probe.open(store)    # another opener, who does not ask for it
        probe.ask("fill", 0, "k", 300)    # longer: it does not go where the old one was
        probe.finish()
    run("compact", store)
    assert any(token.encode() in file.read_bytes() for file in store.iterdir()) == remains


def test_check_finds_nothing_in_what_a_killed_process_left(tmp_path):
    """Pending rows of a process that is gone, of one that lives and of a handle that closed."""
    store = tmp_path / "store"
    with Probe() as probe:
        probe.open(store)
        probe.ask("defer", 0, "closed", 3)
        probe.finish()
    with Probe() as probe:
        probe.open(store, EXISTING)
        probe.ask("defer", 0, "killed", 3)
        probe.kill()
    with Probe() as probe:
        probe.open(store, EXISTING)
        probe.ask("defer", 0, "living", 3)
        report = json.loads(run("check", "--json", store).stdout)
        probe.finish()
    assert report["healthy"]
    pending = {row["name"]: row["checked"] for row in report["invariants"] if row["name"].startswith("vector.pending")}
    assert pending["vector.pending_row"] == 9 and pending["vector.pending_owner"] == 1    # the dead are forgotten
