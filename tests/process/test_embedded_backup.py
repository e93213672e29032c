"""Backups and compacting that are killed at any moment; whose pending vectors those of a copy are."""

import os
import shutil
import subprocess
import sys

import pytest
from preload import dying_calls
from probe import EXISTING, READ_ONLY, ROOT, Failed, Probe
from store_check import check, connect
from test_embedded_pending import flush


def command():
    return os.environ.get("RAGSTORE") or str(ROOT / "build" / "ragstore")


def run(*arguments, **options):
    return subprocess.run([command(), *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False,
                          **options)


def succeed(*arguments):
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(store):
    with connect(store) as db:
        return list(db.iterdump())


@pytest.fixture
def store(tmp_path):
    """Values, half of them deleted again, and an index file that a copy has to take along."""
    place = tmp_path / "store"
    with Probe() as probe:
        probe.open(place)
        probe.ask("defer", 0, "v", 1100)
        probe.send("embed", 0, 0, 1)
        while not probe.line().startswith("embedded"):
            pass
        for size in 20_000, 10:
            probe.send("loop", 0, "k", 0, 20, size)
            assert len(probe.acknowledged()) == 20
        probe.ask("optimize", 0)
        probe.finish()
    assert len(list(place.glob("vectors-*.idx"))) == 1
    return place


def assert_dead_are_no_stores(folder):
    """What a killed backup leaves is no store yet, or is whole."""
    for partial in folder.glob("*.partial-*"):
        with Probe() as probe:
            for flags in READ_ONLY, EXISTING:
                try:
                    probe.open(partial, flags)
                except Failed as failure:
                    assert failure.kind == "not found"
                else:
                    probe.ask("close", 0)
                    assert len(check(partial)) == 20
            probe.finish()


def test_backup_killed_at_every_call(tmp_path, store):
    """Before its n-th write, sync, rename, ...: no target or a whole one, and the next try takes away what is left."""
    dying, before = dying_calls(tmp_path), rows(store)
    target, killed, published, left = tmp_path / "copies" / "copy", 0, 0, 0
    for n in range(1, 10_000):
        done = run("backup", store, target, env={**dying, "DIE_AT": str(n)})
        if done.returncode == 0:
            break
        assert done.returncode == -9, done.stderr
        killed += 1
        if target.exists():
            published += 1
            assert rows(target) == before
        else:
            assert_dead_are_no_stores(target.parent)
            left += len(list(target.parent.glob("*.partial-*/ragstore.lock")))
            succeed("backup", store, target)
            assert rows(target) == before
        for partial in target.parent.glob("*.partial-*"):
            partial.rmdir()    # killed before it had a lock file: nothing is in it
        shutil.rmtree(target)
    assert killed > 20 and published >= 1 and left > 10
    assert rows(target) == before == rows(store)
    succeed("check", target)


def test_compact_killed_at_every_call(tmp_path, store):
    dying, before = dying_calls(tmp_path), rows(store)
    killed = 0
    for n in range(1, 10_000):
        victim = tmp_path / "victim"
        shutil.copytree(store, victim)
        done = run("compact", victim, env={**dying, "DIE_AT": str(n)})
        assert done.returncode in (0, -9), done.stderr
        assert rows(victim) == before
        succeed("compact", victim)
        assert rows(victim) == before
        with connect(victim) as db:
            assert db.execute("PRAGMA freelist_count").fetchone() == (0,)
        shutil.rmtree(victim)
        if done.returncode == 0:
            break
        killed += 1
    assert killed > 5


def test_a_living_backup_is_left_alone(tmp_path, store):
    """Another backup to the same target does not take the partial directory of a living one for garbage."""
    living = tmp_path / "copy.partial-1-0123abcd"
    living.mkdir()
    (living / "ragstore.lock").touch()
    (tmp_path / "copy.partial-1-0123abcd.old").mkdir()
    lock = "import fcntl, os, struct, sys; fd = os.open(sys.argv[1], os.O_RDWR);" \
           "fcntl.fcntl(fd, 37, struct.pack('hhqqi', fcntl.F_WRLCK, 0, 0, 1, 0)); print('locked', flush=True); input()"
    with Probe(sys.executable, "-c", lock, living / "ragstore.lock") as holder:    # 37: F_OFD_SETLK
        assert holder.line() == "locked"
        succeed("backup", store, tmp_path / "copy")
        assert living.exists()
        holder.kill()
    shutil.rmtree(tmp_path / "copy")
    succeed("backup", store, tmp_path / "copy")
    assert not living.exists() and (tmp_path / "copy.partial-1-0123abcd.old").exists()


def test_pending_vectors_in_a_copy_are_nobodys(tmp_path):
    store, copy = tmp_path / "store", tmp_path / "copy"
    with Probe() as owner, Probe() as other:
        owner.open(store)
        owner.ask("defer", 0, "p", 12)
        succeed("backup", store, copy)
        with connect(copy) as db:
            assert db.execute("SELECT count(*) FROM pending_owner").fetchone() == (0,)
        assert not (copy / "ragstore.db-wal").exists()
        other.open(copy)
        assert other.ask("pending", 0) == "pending 12 stored 0"
        assert flush(other) == (3, "embedded 12 stored 12")
        other.ask("close", 0)
        other.open(store)    # in the original they are the owner's as before
        assert other.ask("pending", 0) == "pending 0 stored 0"
        assert owner.ask("pending", 0) == "pending 12 stored 0"
        owner.finish()
        assert other.ask("pending", 0) == "pending 12 stored 0"
