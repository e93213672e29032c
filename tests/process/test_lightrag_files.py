"""`lightrag:DIR`: several processes on the same files, other writers, kill -9 while files are written."""

import json
import os
import random
import threading
import time

import pytest
from probe import EXISTING, READ_ONLY, Failed, Probe

SEED = int(os.environ.get("RAGSTORE_TEST_SEED", "20251"))
FILE = "kv_store_n.json"


def rows(directory):
    return json.loads((directory / FILE).read_text())


def url(directory):
    return f"lightrag:{directory}"


def test_four_writers_lose_nothing(tmp_path):
    """Each process puts 200 keys of its own and flushes after each; all 800 are in the file, and all see them."""
    each, answers = 200, {}

    def write(probe, number):
        try:
            for i in range(each):
                probe.ask("put", 0, f"{number}-{i}", f"v{number}-{i}")
                probe.ask("flush", 0)
            answers[number] = "done"
        except Failed as error:
            answers[number] = str(error)

    probes = [Probe() for _ in range(4)]
    for probe in probes:
        probe.open(url(tmp_path))
    threads = [threading.Thread(target=write, args=(probe, number)) for number, probe in enumerate(probes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: "done" for number in range(4)}
    assert {probe.ask("count", 0) for probe in probes} == {"count 800"}
    for probe in probes:
        probe.finish()
    found = rows(tmp_path)
    assert {key: row["v"] for key, row in found.items()} == {
        f"{number}-{i}": f"v{number}-{i}" for number in range(4) for i in range(each)}
    assert sorted(path.name for path in tmp_path.iterdir()) == [".ragstore.lock", FILE]


def test_closing_writes_what_was_not_flushed(tmp_path):
    with Probe() as probe:
        probe.open(url(tmp_path))
        probe.ask("put", 0, "k", "one")
        assert not (tmp_path / FILE).exists()
        probe.ask("close", 0)
        assert rows(tmp_path)["k"]["v"] == "one"
        probe.finish()


def replace(directory, change):
    """As LightRAG does it: another file in the place of the old one."""
    found = rows(directory)
    change(found)
    other = directory / "other"
    other.write_text(json.dumps(found, indent=2))
    other.rename(directory / FILE)


def test_a_file_that_others_changed_is_read_again(tmp_path):
    with Probe() as probe:
        probe.open(url(tmp_path))
        for key in "abc":
            probe.ask("put", 0, key, "ours")
        probe.ask("flush", 0)
        replace(tmp_path, lambda found: (found.pop("a"), found["b"].update(v="theirs"), found.update(d={"v": "theirs"})))
        assert probe.ask("count", 0) == "count 3"
        assert "theirs" in probe.ask("get", 0, "b")
        assert probe.ask("get", 0, "a") == "absent"
        (tmp_path / FILE).unlink()
        assert probe.ask("count", 0) == "count 0"
        probe.finish()
    assert not (tmp_path / FILE).exists(), "nothing was written, and a file came of it"


def test_rows_that_both_changed(tmp_path):
    """What this process wrote goes over what is in the file now; everything else is the other's."""
    with Probe() as probe:
        probe.open(url(tmp_path))
        for key in "abcd":
            probe.ask("put", 0, key, "old")
        probe.ask("flush", 0)
        probe.ask("put", 0, "a", "ours")
        probe.ask("put", 0, "e", "ours")
        replace(tmp_path, lambda found: (found["a"].update(v="theirs"), found["b"].update(v="theirs"), found.pop("c"),
                                         found.update(f={"v": "theirs"})))
        assert "ours" in probe.ask("get", 0, "a")
        assert "theirs" in probe.ask("get", 0, "b")
        probe.ask("flush", 0)
        probe.finish()
    assert {key: row["v"] for key, row in rows(tmp_path).items()} == {
        "a": "ours", "b": "theirs", "d": "old", "e": "ours", "f": "theirs"}


def test_a_transaction_that_others_wait_for(tmp_path):
    """What is not committed is in no file; an abort leaves nothing to be written."""
    with Probe() as probe:
        probe.open(url(tmp_path))
        probe.ask("put", 0, "a", "old")
        probe.ask("flush", 0)
        before = (tmp_path / FILE).stat()
        probe.ask("begin", 0)
        probe.ask("put", 0, "a", "new")
        probe.ask("abort", 0)
        probe.ask("flush", 0)
        assert (tmp_path / FILE).stat() == before, "a file without changes was written"
        probe.ask("begin", 0)
        probe.ask("put", 0, "a", "new")
        probe.ask("commit", 0)
        assert rows(tmp_path)["a"]["v"] == "old"
        probe.ask("flush", 0)
        assert rows(tmp_path)["a"]["v"] == "new"
        probe.finish()


def test_document_status_is_durable_at_once(tmp_path):
    with Probe() as probe:
        probe.open(url(tmp_path))
        probe.ask("doc", 0, "doc-1")
        probe.kill()
    assert json.loads((tmp_path / "kv_store_doc_status.json").read_text()).keys() == {"doc-1"}


@pytest.mark.parametrize("number", range(12))
def test_killed_while_saving_leaves_the_old_file_or_the_new_one(tmp_path, number):
    choice = random.Random(SEED + number)
    flushes = 0
    with Probe() as probe:
        probe.open(url(tmp_path))
        for i in range(40):
            probe.ask("fill", 0, f"k{i}", 20000)
        probe.ask("put", 0, "round", 0)
        probe.ask("flush", 0)

        def work():
            nonlocal flushes
            try:
                while True:
                    probe.ask("put", 0, "round", flushes + 1)
                    probe.ask("flush", 0)
                    flushes += 1
            except (EOFError, BrokenPipeError, ValueError, OSError):
                pass

        worker = threading.Thread(target=work)
        worker.start()
        while flushes < 3 and worker.is_alive():
            time.sleep(0.001)
        assert flushes >= 3, "the writer ended by itself"
        time.sleep(choice.random() * 0.05)
        probe.process.kill()
        worker.join()
    found = rows(tmp_path)
    assert len(found) == 41
    assert int(found["round"]["v"]) in (flushes, flushes + 1), f"seed {SEED + number}"
    with Probe() as probe:    # what the dead one left holds nobody up
        probe.open(url(tmp_path), EXISTING)
        probe.ask("put", 0, "later", "x")
        probe.ask("flush", 0)
        probe.finish()
    assert len(rows(tmp_path)) == 42


@pytest.mark.parametrize("damage", ["", '{"a": {"v"', '{"a": 5}', '{"a": {}} x'])
def test_a_damaged_file_is_never_written_over(tmp_path, damage):
    with Probe() as probe:
        probe.open(url(tmp_path))
        probe.ask("put", 0, "a", "old")
        probe.ask("flush", 0)
        probe.ask("put", 0, "b", "ours")
        (tmp_path / FILE).write_text(damage)
        if not damage:    # an empty file is no rows, as LightRAG takes it
            assert probe.ask("count", 0) == "count 1"
            probe.ask("flush", 0)
            assert rows(tmp_path).keys() == {"b"}
            return
        for words in (("get", 0, "a"), ("put", 0, "c", "x"), ("flush", 0), ("count", 0)):
            with pytest.raises(Failed) as error:
                probe.ask(*words)
            assert error.value.kind == "corrupt"
            assert FILE in error.value.message and "line 1" in error.value.message
            assert "--salvage" in error.value.message
        probe.ask("close", 0)
        assert (tmp_path / FILE).read_text() == damage
        probe.finish()
    with Probe() as probe:
        probe.open(url(tmp_path))
        with pytest.raises(Failed):
            probe.ask("get", 0, "a")
        probe.finish()
    assert (tmp_path / FILE).read_text() == damage


def test_a_read_only_handle_writes_nothing(tmp_path):
    with pytest.raises(Failed) as error, Probe() as probe:
        probe.open(url(tmp_path / "none"), READ_ONLY)
    assert error.value.kind == "not found"
    assert not (tmp_path / "none").exists()
    (tmp_path / FILE).write_text('{"a": {"v": "x"}}')
    with Probe() as probe:
        probe.open(url(tmp_path), READ_ONLY)
        assert "x" in probe.ask("get", 0, "a")
        with pytest.raises(Failed) as error:
            probe.ask("put", 0, "b", "x")
        assert error.value.kind == "denied"
        probe.ask("flush", 0)
        probe.finish()
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    assert (tmp_path / FILE).read_text() == '{"a": {"v": "x"}}'


def test_a_file_that_cannot_be_read_is_an_error(tmp_path):
    (tmp_path / FILE).mkdir()
    with Probe() as probe:
        probe.open(url(tmp_path))
        with pytest.raises(Failed):
            probe.ask("get", 0, "a")
        with pytest.raises(Failed):
            probe.ask("put", 0, "a", "x")
        probe.finish()
    assert (tmp_path / FILE).is_dir()


def test_threads_of_one_handle(tmp_path):
    with Probe() as probe:
        probe.open(url(tmp_path))
        assert probe.ask("threads", 0, 5, 100).split()[:4] == ["done", "500", "failed", "0"]
        probe.ask("flush", 0)
        assert len(rows(tmp_path)) == 500
        probe.finish()


def test_threads_beside_another_process(tmp_path):
    """The file is replaced again and again under four writing threads; neither side loses a row."""
    with Probe() as ours, Probe() as other:
        ours.open(url(tmp_path))
        other.open(url(tmp_path))
        for i in range(10):
            ours.send("threads", 0, 4, 30 * (i + 1))
            for j in range(5):
                other.ask("put", 0, f"other-{i}-{j}", "x")
                other.ask("flush", 0)
            assert ours.line().split()[:4] == ["done", str(120 * (i + 1)), "failed", "0"]
            if i % 3 == 0:
                ours.ask("flush", 0)
        ours.ask("flush", 0)
        assert ours.ask("count", 0) == other.ask("count", 0) == f"count {4 * 300 + 50}"
        ours.finish()
        other.finish()
    assert len(rows(tmp_path)) == 4 * 300 + 50
