"""Stores of older formats: brought up to date when opened for writing, once, whole or not at all."""

import json
import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest
from preload import dying_calls
from probe import EXISTING, READ_ONLY, ROOT, Failed, Probe

NEWEST, VERSION = 3, 2    # of new stores; what older ones are brought up to: version 3 without checksums
OLD = ROOT / "tests" / "data" / "store-v1" / "ragstore.db"    # from tests/data/mini, by the last build of version 1
OLD_2 = ROOT / "tests" / "data" / "store-v2" / "ragstore.db"    # the same, by the last build of version 2
FIXTURES = sorted((ROOT / "tests" / "data").glob("store-v*"))    # one of each version, all from tests/data/mini
MINI = ROOT / "tests" / "data" / "mini"


def command():
    return os.environ.get("RAGSTORE") or str(ROOT / "build" / "ragstore")


@pytest.fixture
def old(tmp_path):
    store = tmp_path / "old"
    store.mkdir()
    shutil.copy(OLD, store)
    return store


@pytest.fixture(scope="session")
def fresh(tmp_path_factory):
    store = tmp_path_factory.mktemp("formats") / "fresh"
    subprocess.run([command(), "import", MINI, store], check=True, capture_output=True)
    return store


def dump(store):
    """Every table: its columns by name, its rows as sorted lists of (column, value); its indexes."""
    tables, indexes = {}, {}
    db = sqlite3.connect(Path(store) / "ragstore.db")
    try:
        names = db.execute("SELECT name, type FROM sqlite_master WHERE type IN ('table', 'index') ORDER BY 1").fetchall()
        for name, kind in names:
            if kind == "index":
                unique_partial = db.execute("SELECT sql LIKE 'CREATE UNIQUE%', sql LIKE '% WHERE %' FROM sqlite_master"
                                            " WHERE name = ?", (name,)).fetchone()
                indexes[name] = (unique_partial, [(column, descending, collation) for _, _, column, descending, collation,
                                                  key in db.execute(f"PRAGMA index_xinfo({name})") if key])
                continue
            columns = [row[1] for row in db.execute(f"PRAGMA table_xinfo({name})")]
            order = sorted(range(len(columns)), key=columns.__getitem__)
            rows = sorted(repr([(columns[i], row[i]) for i in order])
                          for row in db.execute(f"SELECT {', '.join(columns)} FROM {name}"))
            tables[name] = (sorted(columns), rows)
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    finally:
        db.close()
    return tables, indexes


def version(store):
    db = sqlite3.connect(Path(store) / "ragstore.db")
    try:
        return db.execute("PRAGMA user_version").fetchone()[0]
    finally:
        db.close()


def assert_same(store, fresh):
    tables, indexes = dump(store)
    fresh_tables, fresh_indexes = dump(fresh)
    assert sorted(tables) == sorted(fresh_tables)
    for name, (columns, rows) in fresh_tables.items():
        assert tables[name][0] == columns, name
        assert tables[name][1] == rows, name
    assert indexes == fresh_indexes


def test_version_1_becomes_what_an_import_makes_today(old, fresh):
    assert version(old) == 1
    with Probe() as probe:
        probe.open(old, EXISTING)
        probe.finish()
    assert version(old) == VERSION
    assert_same(old, fresh)
    assert len(dump(old)[0]["kv"][1]) > 50


def test_version_2_is_read_and_written_as_it_is(tmp_path, fresh):
    store = tmp_path / "two"
    store.mkdir()
    shutil.copy(OLD_2, store)
    before = (store / "ragstore.db").read_bytes()
    with Probe() as probe:
        probe.open(store, READ_ONLY)
        probe.finish()
    assert (store / "ragstore.db").read_bytes() == before
    with Probe() as probe:
        probe.open(store, EXISTING)
        probe.ask("put", 0, "k", "text")
        probe.finish()
    with Probe() as probe:
        probe.open(store, EXISTING)
        assert probe.ask("count", 0) == "count 1"
        probe.finish()
    assert version(store) == VERSION and before[20] == 0
    subprocess.run([command(), "check", store], check=True, capture_output=True)
    shutil.rmtree(store)
    store.mkdir()
    shutil.copy(OLD_2, store)
    assert version(fresh) == NEWEST
    assert_same(store, fresh)


def answer(*arguments):
    done = subprocess.run([command(), *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def content(store):
    return json.loads(answer("status", "--content-hash", "--json", store))


def test_there_is_a_store_of_each_version(fresh):
    assert [fixture.name for fixture in FIXTURES] == [f"store-v{n}" for n in range(1, NEWEST + 1)]
    assert version(fresh) == NEWEST


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda fixture: fixture.name)
def test_every_version_holds_the_same(fixture, fresh, tmp_path):
    """Read as it is, then opened for writing: each time what an import of the same files holds today."""
    store = shutil.copytree(fixture, tmp_path / "store")
    before = (store / "ragstore.db").read_bytes()
    number = int(fixture.name.removeprefix("store-v"))
    assert version(store) == number and before[20] == (8 if number >= 3 else 0)
    assert content(store)["content_hash"] == content(fresh)["content_hash"]
    assert answer("check", store) == answer("check", fresh)
    assert (store / "ragstore.db").read_bytes() == before
    with Probe() as probe:
        probe.open(store, EXISTING)
        probe.ask("put", 0, "k", "text")
        assert probe.ask("count", 0) == "count 1"
        probe.finish()
    assert version(store) == max(number, VERSION)
    written, rows = content(store), content(fresh)
    assert len(rows["namespaces"]) > 10
    assert [row for row in written["namespaces"] if row in rows["namespaces"]] == rows["namespaces"]
    assert answer("check", store)


def test_reading_only_leaves_it_alone(old, fresh, tmp_path):
    """Every command that reads answers as it does on a store of today; nothing in the file changes."""
    before = (old / "ragstore.db").read_bytes()
    for name, *words in (["docs"], ["graph", "*"], ["search", "labels", "--text", "r"], ["cache"], ["check"]):
        assert answer(name, old, *words) == answer(name, fresh, *words)
    answer("export", old, tmp_path / "files")
    assert answer("status", old)
    assert (old / "ragstore.db").read_bytes() == before and version(old) == 1
    with Probe() as probe:
        probe.open(old, READ_ONLY)
        probe.open(old, EXISTING, 1)    # while the other one has it open
        assert probe.ask("count", 0) == "count 0"
        probe.ask("put", 1, "key", "x")
        assert probe.ask("count", 0) == "count 1"
        probe.finish()
    assert version(old) == VERSION


def test_backup_of_an_old_store_is_an_old_store(old, tmp_path):
    answer("backup", old, tmp_path / "copy")
    assert version(tmp_path / "copy") == 1
    assert dump(tmp_path / "copy") == dump(old)


def test_newer_is_refused(old):
    db = sqlite3.connect(old / "ragstore.db")
    db.execute(f"PRAGMA user_version = {NEWEST + 1}")
    db.close()
    with Probe() as probe:
        for flags in READ_ONLY, EXISTING:
            with pytest.raises(Failed) as failure:
                probe.open(old, flags)
            assert failure.value.kind == "version"
            assert str(NEWEST + 1) in failure.value.message
            left = {file.name for file in old.iterdir()}
            assert left == {"ragstore.db"} | ({"ragstore.lock"} if flags == EXISTING else set())
    assert version(old) == NEWEST + 1


def test_killed_at_every_write_it_is_old_or_new(tmp_path, fresh):
    """Killed before its n-th write or sync, for every n that there is."""
    dying = dying_calls(tmp_path)
    (tmp_path / "whole").mkdir()
    shutil.copy(OLD, tmp_path / "whole")
    whole = dump(tmp_path / "whole")
    found = []
    for n in range(1, 10_000):
        store = tmp_path / f"store{n}"
        store.mkdir()
        shutil.copy(OLD, store)
        with Probe(env={**dying, "DIE_AT": str(n)}) as probe:
            try:
                probe.open(store, EXISTING)
                survived = True
            except EOFError:
                survived = False
            probe.kill()
        found.append(version(store))
        if found[-1] == 1:
            assert dump(store) == whole
        with Probe() as probe:
            probe.open(store, EXISTING)
            probe.finish()
        assert_same(store, fresh)
        shutil.rmtree(store)
        if survived:
            break
    assert len(found) > 3 and found[0] == 1 and found[-1] == VERSION
    assert found == sorted(found)


def test_several_at_once_upgrade_once(old, fresh):
    probes = [Probe() for _ in range(4)]
    for probe in probes:
        probe.send("open", 0, old, EXISTING)
    for probe in probes:
        assert probe.line().startswith("ok")
    for number, probe in enumerate(probes):
        probe.ask("put", 0, f"key{number}", "x")
    for probe in probes:
        assert probe.ask("count", 0) == f"count {len(probes)}"
        probe.finish()
    assert version(old) == VERSION
