"""secure_delete: what was deleted is in no byte of any file after the next compact."""

import json
import os
import shutil
import subprocess

import pytest
from preload import dying_calls
from probe import ROOT, Probe
from store_check import connect

SECRET = "The-patient-of-room-17-is-Wilhelmina-Oesterreicher"
WORDS = SECRET + "-and-nobody-else-may-ever-read-that-she-was-here-in-the-year-of-the-flood-or-in-another-one"
OTHER = "Other-words-that-stay-where-they-are-and-that-are-long-enough-to-be-worth-a-dictionary-of-their-own-here"
ON = "?secure_delete=on"


def run(*arguments, **options):
    command = os.environ.get("RAGSTORE") or str(ROOT / "build" / "ragstore")
    return subprocess.run([command, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False,
                          **options)


def succeed(*arguments):
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    assert "could not be emptied" not in done.stderr


def remains(store, secret=SECRET):
    return [file.name for file in store.iterdir() if secret.encode() in file.read_bytes()]


def dictionaries(store):
    with connect(store) as db:
        return db.execute("SELECT count(*) FROM dictionary").fetchone()[0]


def switch_on(store):
    with Probe() as probe:
        probe.open(f"{store}{ON}")
        probe.finish()


def fill(url):
    with Probe() as probe:
        probe.open(url)
        probe.ask("batch", 0, "gone", 600, WORDS)
        probe.ask("batch", 0, "kept", 600, OTHER)
        probe.finish()


def erase(store):
    with Probe() as probe:
        probe.open(store)
        assert probe.ask("erase", 0, "gone", 600) == "ok 600"
        probe.finish()


def assert_kept(store):
    succeed("check", store)
    with Probe() as probe:
        probe.open(store)
        assert probe.ask("count", 0) == "count 600"
        for i in range(0, 600, 37):
            assert probe.ask("get", 0, f"kept{i}") == f'value {{"number":{i * 7919},"text":"{OTHER}"}}'
        probe.finish()


def test_no_dictionary_is_learnt(tmp_path):
    store = tmp_path / "store"
    fill(f"{store}{ON}")
    assert dictionaries(store) == 0
    erase(store)
    succeed("compact", store)
    assert not remains(store)
    assert_kept(store)


def test_dictionaries_go_when_it_is_switched_on(tmp_path):
    """Without it they keep what they were learnt from, whatever is deleted."""
    store = tmp_path / "store"
    fill(store)
    erase(store)
    succeed("compact", store)
    assert dictionaries(store) == 1 and remains(store) == ["ragstore.db"]
    switch_on(store)
    succeed("compact", store)
    assert dictionaries(store) == 0 and not remains(store)
    assert_kept(store)


def test_what_was_deleted_before_goes_too(tmp_path):
    """From the parts of pages that are free, and that no page count knows."""
    store = tmp_path / "store"
    with Probe() as probe:
        probe.open(store)
        for key, text in ("a", "before"), ("k", SECRET), ("z", "behind"):
            probe.ask("put", 0, key, text)
        probe.ask("fill", 0, "k", 300)    # longer: it does not go where the old one was
        probe.finish()
    succeed("compact", store)
    assert remains(store)
    switch_on(store)
    assert remains(store)
    succeed("compact", store)
    assert not remains(store)
    with connect(store) as db:
        assert db.execute("SELECT value FROM meta WHERE key = 'secure_delete'").fetchone() == (2,)


def test_handles_that_are_open_heed_it(tmp_path):
    store = tmp_path / "store"
    with Probe() as probe:
        probe.open(store)
        for key, text in ("a", "before"), ("k", SECRET), ("z", "behind"):
            probe.ask("put", 0, key, text)
        switch_on(store)
        succeed("compact", store)
        assert remains(store)
        probe.ask("fill", 0, "k", 300)
        probe.ask("batch", 0, "more", 600, OTHER)
        assert dictionaries(store) == 0
        succeed("compact", store)
        assert not remains(store)
        probe.finish()


def test_a_reader_that_keeps_the_log_is_told_of(tmp_path):
    store = tmp_path / "store"
    with Probe() as probe:
        probe.open(f"{store}{ON}")
        probe.ask("put", 0, "k", SECRET)
        with connect(store) as db:
            db.execute("BEGIN")
            db.execute("SELECT count(*) FROM kv").fetchone()
            probe.ask("put", 0, "k", "x")
            done = run("compact", store)
            assert done.returncode == 0 and "could not be emptied" in done.stderr
        succeed("compact", store)
        probe.finish()
    assert not remains(store)


@pytest.fixture(scope="module")
def encoded(tmp_path_factory):
    """With dictionaries, erased, switched on, not compacted."""
    store = tmp_path_factory.mktemp("secure") / "encoded"
    fill(store)
    erase(store)
    switch_on(store)
    return store


def test_killed_at_any_call_it_loses_no_value(tmp_path, encoded):
    dying, kills = dying_calls(tmp_path), 0
    for n in range(1, 10_000, 5):
        store = tmp_path / "store"
        shutil.copytree(encoded, store)
        done = run("compact", store, env={**dying, "DIE_AT": str(n)})
        assert done.returncode in (0, -9), done.stderr
        kills += done.returncode != 0
        succeed("check", store)
        succeed("compact", store)
        assert dictionaries(store) == 0 and not remains(store)
        assert_kept(store)
        shutil.rmtree(store)
        if done.returncode == 0:
            break
    assert kills > 5


def test_every_kind_of_value_is_written_anew(tmp_path):
    """Of an imported store: values, nodes, edges, payloads, documents."""
    store, files = tmp_path / "store", tmp_path / "files"
    shutil.copytree(ROOT / "tests" / "data" / "alice", files)
    documents = json.loads((files / "kv_store_doc_status.json").read_text())
    one = next(iter(documents.values()))
    documents |= {f"doc-{i:032x}": {**one, "content_length": i * 7919, "chunks_list": []} for i in range(400)}
    (files / "kv_store_doc_status.json").write_text(json.dumps(documents))
    succeed("import", files, store)
    with connect(store) as db:
        learnt = {row[0] for row in db.execute("SELECT n.kind FROM dictionary d JOIN namespace n ON n.id = d.namespace")}
    assert learnt == {1, 2, 3, 4, 5}
    succeed("export", store, tmp_path / "before")
    found = run("check", store).stdout    # documents without texts
    switch_on(store)
    succeed("compact", store)
    assert dictionaries(store) == 0
    assert run("check", store).stdout == found
    succeed("export", store, tmp_path / "after")
    names = sorted(file.name for file in (tmp_path / "before").iterdir())
    assert len(names) > 8
    for name in names:
        assert (tmp_path / "after" / name).read_bytes() == (tmp_path / "before" / name).read_bytes(), name
