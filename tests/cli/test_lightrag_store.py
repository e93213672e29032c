"""`lightrag:DIR` on the command line: what is answered on LightRAG's files is what is answered on a store that they were
imported into, and nothing is written by looking."""
import json

import pytest


@pytest.fixture
def live(alice_copy):
    return f"lightrag:{alice_copy}"


def test_everything_is_there(ragstore, store, live, alice_copy):
    before = {path.name: path.stat().st_mtime_ns for path in alice_copy.iterdir()}
    hashes = [ragstore("status", name, "--content-hash", "--json").json["content_hash"] for name in (store, live)]
    assert hashes[0] == hashes[1]
    assert ragstore("check", live).status == 0
    assert {path.name: path.stat().st_mtime_ns for path in alice_copy.iterdir()} == before


@pytest.mark.parametrize("words", [
    ("docs",), ("docs", "--status", "processed"), ("get", "node", "Alice"), ("get", "kv", "entity_chunks", "Alice"),
    ("graph", "Alice"), ("graph", "*", "--max-nodes", "7")])
def test_commands_answer_the_same(ragstore, store, live, words):
    answers = [ragstore(words[0], name, *words[1:], "--json").out.replace(str(name), "STORE") for name in (store, live)]
    assert answers[0] == answers[1] and len(answers[0]) > 50


def test_search_finds_the_same(ragstore, store, live):
    found = [[(hit["id"], round(hit["distance"], 4)) for hit in
              ragstore("search", name, "entities", "--like", "Alice", "--json").json] for name in (store, live)]
    assert found[0] == found[1] and len(found[0]) == 10


def test_export_writes_the_same_rows(ragstore, live, alice_copy, tmp_path):
    ragstore("export", live, tmp_path / "out")
    for path in alice_copy.glob("kv_store_*.json"):
        assert json.loads(path.read_text()) == json.loads((tmp_path / "out" / path.name).read_text()), path.name


def test_what_a_command_changes_is_in_the_file(ragstore, alice_copy, live):
    """Two documents claim one file; settling that is written at once."""
    path = alice_copy / "kv_store_doc_status.json"
    rows = json.loads(path.read_text())
    key, row = next(iter(rows.items()))
    rows["doc-second"] = {**row, "created_at": "2030-01-01T00:00:00+00:00"}
    path.write_text(json.dumps(rows))
    ragstore("docs", live, "--resolve-conflict", row["file_path"], "--primary", key, "--yes")
    after = json.loads(path.read_text())
    assert after[key]["status"] == row["status"]
    assert after["doc-second"]["metadata"]["is_duplicate"] is True
    assert after["doc-second"]["metadata"]["original_doc_id"] == key
