"""Index files that are damaged, cut, stale, exchanged or restored without their store: never a wrong answer.

Searches must give what comparing all rows gives (the command "search" of store_probe does both), `check` must name what is
wrong, and `check --repair`, compacting or optimizing must mend it.
"""

import json
import os
import random
import shutil
import subprocess

import pytest
from probe import EXISTING, ROOT, Probe
from store_check import connect

SEED = int(os.environ.get("RAGSTORE_TEST_SEED", "20262"))
SEARCHES = 10
ROWS = 1500


def ragstore(*arguments):
    command = os.environ.get("RAGSTORE") or str(ROOT / "build" / "ragstore")
    return subprocess.run([command, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False)


def found_by_check(store, *options):
    """The invariants that do not hold."""
    done = ragstore("check", "--json", *options, store)
    report = json.loads(done.stdout)
    assert (done.returncode == 0) == report["healthy"], done.stderr
    return {row["name"] for row in report["invariants"] if row["violations"]}


def search(probe, store, spaces=("v", "w")):
    """The exact answers of each space, which must be those by the codes too."""
    answers = {}
    probe.open(store, EXISTING)
    for space in spaces:
        words = probe.ask("search", 0, space, SEARCHES).split()
        assert words[:4] == ["agree", str(SEARCHES * 10), "of", str(SEARCHES * 10)], (space, words)
        answers[space] = words[5]
    probe.ask("close", 0)
    return answers


def index_files(store):
    return sorted(store.glob("vectors-*.idx"))


def named(store):
    """Index files that the store names, by space and place in it."""
    with connect(store) as db:
        rows = db.execute("SELECT name, lower(hex(uuid)) FROM vector_index JOIN namespace ON id = space"
                          " ORDER BY name, first_slot").fetchall()
    files = {}
    for name, uuid in rows:
        files.setdefault(name, []).append(store / f"vectors-{uuid}.idx")
    return files


def make(store, base):
    """Two spaces of other rows, one index file each, as long as each other."""
    with Probe() as probe:
        probe.open(store)
        for space, from_ in (("v", base), ("w", base + 10 * ROWS)):
            probe.ask("vectors", 0, space, from_, ROWS)
        probe.ask("optimize", 0)
        probe.finish()
    assert {space: len(files) for space, files in named(store).items()} == {"v": 1, "w": 1}
    return store


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Two stores; nobody changes them, each test takes copies."""
    folder = tmp_path_factory.mktemp("indexes")
    return make(folder / "one", 0), make(folder / "two", 100_000)


@pytest.fixture
def store(tmp_path, whole):
    return shutil.copytree(whole[0], tmp_path / "store")


@pytest.fixture
def probe():
    with Probe() as program:
        yield program


def assert_mended(probe, store, answers, *command):
    done = ragstore(*command, store)
    assert done.returncode in (0, 1), done.stderr
    assert found_by_check(store) == set()
    assert search(probe, store) == answers
    assert sorted(sum(named(store).values(), [])) == index_files(store)


MENDING = [("check", "--repair"), ("compact",)]


def test_damaged_anywhere(probe, store):
    """Each byte of the header, and bytes all over the file: the answers stay, and check names the file."""
    choice, answers = random.Random(SEED), search(probe, store)
    file = named(store)["v"][0]
    data = file.read_bytes()
    places = [*range(0, 256, 3), *(choice.randrange(len(data)) for _ in range(60)), len(data) - 1]
    print(f"RAGSTORE_TEST_SEED={SEED}, {len(places)} places of {len(data)} bytes")
    for number, place in enumerate(places):
        damaged = bytearray(data)
        damaged[place] ^= 1 << choice.randrange(8)
        file.write_bytes(damaged)
        assert search(probe, store) == answers, place
        if number % 8 == 0 or number == len(places) - 1:
            assert found_by_check(store) == {"vector.index_file"}, place
    assert_mended(probe, store, answers, "check", "--repair")


def test_cut_and_too_long(probe, store):
    answers = search(probe, store)
    file = named(store)["v"][0]
    data = file.read_bytes()
    for length in (0, 1, 63, 64, 100, 4095, 4096, len(data) // 3, len(data) - 8, len(data) - 1):
        file.write_bytes(data[:length])
        assert search(probe, store) == answers, length
        assert found_by_check(store) == {"vector.index_file"}, length
    file.write_bytes(data[:len(data) // 2] + bytes(len(data) - len(data) // 2))
    assert search(probe, store) == answers
    assert found_by_check(store) == {"vector.index_file"}
    file.write_bytes(data + b"x")
    assert search(probe, store) == answers
    assert found_by_check(store) == {"vector.index_file"}
    assert_mended(probe, store, answers, "check", "--repair")


def test_changed_while_it_is_mapped(probe, store):
    """By a handle that stays open, which has read all of it: cut, overwritten in place, put right again."""
    answers = search(probe, store)
    file = named(store)["v"][0]
    data = file.read_bytes()
    probe.open(store, EXISTING)

    def ask():
        words = probe.ask("search", 0, "v", SEARCHES).split()
        assert words[:4] == ["agree", str(SEARCHES * 10), "of", str(SEARCHES * 10)], words
        return words[5]

    assert ask() == answers["v"]
    for length in (len(data) - 1, len(data) // 2, 4096, 1, 0):
        os.truncate(file, length)
        assert ask() == answers["v"], length
        assert found_by_check(store) == {"vector.index_file"}, length
    file.write_bytes(data)    # the same file, as cp does it
    assert ask() == answers["v"]
    assert found_by_check(store) == set()
    file.write_bytes(data[:4096] + bytes(len(data) - 4096))
    assert ask() == answers["v"]
    file.write_bytes(data)
    assert ask() == answers["v"]
    probe.finish()


def exchange(one, other):
    aside = one.with_suffix(".aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)


def test_exchanged_between_two_spaces(probe, store):
    answers, files = search(probe, store), named(store)
    assert files["v"][0].stat().st_size == files["w"][0].stat().st_size
    exchange(files["v"][0], files["w"][0])
    assert search(probe, store) == answers
    assert found_by_check(store) == {"vector.index_file"}
    assert_mended(probe, store, answers, "check", "--repair")


def test_exchanged_between_two_stores(probe, store, whole):
    answers = search(probe, store)
    for space, files in named(store).items():
        shutil.copy(named(whole[1])[space][0], files[0])
    assert search(probe, store) == answers
    assert found_by_check(store) == {"vector.index_file"}
    assert_mended(probe, store, answers, "check", "--repair")


def grow(probe, store):
    """Rows replaced, deleted and added, and other index files for them."""
    before = index_files(store)
    probe.open(store)
    probe.ask("vectors", 0, "v", 5000, 3 * ROWS)
    probe.ask("erasev", 0, "v", 0, 200)
    probe.ask("erasev", 0, "w", 10 * ROWS, ROWS - 400)
    probe.ask("optimize", 0)
    probe.ask("close", 0)
    assert ragstore("compact", store).returncode == 0
    assert not set(before) & set(index_files(store)), "every file was to be made anew"


@pytest.mark.parametrize("mending", MENDING)
def test_stale_under_the_name_of_the_new(probe, store, mending):
    """An older state of the index under the name of the one that is wanted."""
    old = {space: files[0].read_bytes() for space, files in named(store).items()}
    grow(probe, store)
    answers = search(probe, store)
    for space, files in named(store).items():
        for file in files:
            file.write_bytes(old[space])
    assert search(probe, store) == answers
    assert found_by_check(store) == {"vector.index_file"}
    assert_mended(probe, store, answers, *mending)


@pytest.mark.parametrize("newer", ["database", "files"])
@pytest.mark.parametrize("stay", [False, True], ids=["alone", "beside-the-others"])
@pytest.mark.parametrize("mending", MENDING)
def test_restored_apart(probe, store, tmp_path, newer, stay, mending):
    """The database of one moment with the index files of another, from a backup."""
    copy = tmp_path / "copy"
    assert ragstore("backup", store, copy).returncode == 0
    answers = {"files": search(probe, copy)}
    grow(probe, store)
    answers["database"] = search(probe, store)
    assert answers["files"] != answers["database"]
    database, other = (store, copy) if newer == "database" else (copy, store)
    if not stay:
        for file in index_files(database):
            file.unlink()
    for file in index_files(other):
        shutil.copy(file, database)
    assert search(probe, database) == answers[newer]
    assert found_by_check(database) == {"vector.index_stray"} | (set() if stay else {"vector.index_file"})
    probe.open(database, EXISTING)    # goes on from there
    probe.ask("vectors", 0, "v", 50_000, 100)
    probe.ask("erasev", 0, "v", 50_000, 100)
    probe.ask("close", 0)
    assert search(probe, database) == answers[newer]
    assert_mended(probe, database, answers[newer], *mending)


def test_taken_away_while_in_use(probe, store):
    """Unlinked and renamed under a handle that has them mapped, and under one that has not looked yet."""
    with Probe() as reader:
        reader.open(store, EXISTING)
        before = reader.ask("search", 0, "v", SEARCHES)
        files = named(store)
        exchange(files["v"][0], files["w"][0])
        assert reader.ask("search", 0, "v", SEARCHES) == before
        for file in index_files(store):
            file.unlink()
        assert reader.ask("search", 0, "v", SEARCHES) == before
        assert reader.ask("search", 0, "w", SEARCHES).startswith(f"agree {SEARCHES * 10} ")
        answers = search(probe, store)
        assert_mended(probe, store, answers, "check", "--repair")
        assert reader.ask("search", 0, "v", SEARCHES) == before
