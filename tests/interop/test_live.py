"""`lightrag:DIR` and LightRAG's own storages on the same files: what one writes the other has, ours without opening the
store again. On tests/data/alice."""
import json
import pathlib
import re
import shutil
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "process"))
from probe import Probe  # noqa: E402  (found by the line above)

KINDS = ("kv", "vector", "node", "edge", "doc")


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(ROOT / "tests" / "data" / "alice", tmp_path / "alice")


@pytest.fixture
def probe(folder):
    with Probe() as ours:
        ours.open(f"lightrag:{folder}")
        yield ours
        ours.finish()


@pytest.fixture
def lightrag(run_python, folder):
    def run(what, key=""):
        answer = run_python("tests/interop/live_with_lightrag.py", what, folder, key)
        return json.loads(answer) if what == "get" else None

    return run


def seen(probe, key):
    return json.loads(probe.ask("seen", 0, key))


def test_what_lightrag_writes_is_seen_at_once(probe, lightrag):
    assert all(seen(probe, "theirs")[kind] is None for kind in KINDS)    # the files are in memory now
    lightrag("put", "theirs")
    found = seen(probe, "theirs")
    assert found["kv"]["content"] == "theirs"
    assert found["vector"] == {"content": "text of theirs", "entity_name": "theirs", "source_id": "s", "file_path": "f"}
    assert found["first"] == lightrag("get", "theirs")["first"]
    assert found["node"] == {"entity_id": "theirs", "weight": 2.5, "created_at": 9}
    assert found["edge"] == {"weight": 3.0, "description": "a <b> & \"c\""}
    assert found["doc"]["status"] == "failed"
    lightrag("delete", "theirs")
    assert all(seen(probe, "theirs")[kind] is None for kind in KINDS)


def test_what_is_written_here_lightrag_loads(probe, lightrag):
    before = lightrag("get", "ours")
    probe.ask("all", 0, "ours")
    probe.ask("flush", 0)
    found = lightrag("get", "ours")
    assert found["kv"]["content"] == "ours" and found["kv"]["_id"] == "ours" and found["kv"]["create_time"] > 1.7e9
    assert found["vector"]["entity_name"] == "ours" and found["vector"]["created_at"] == 1234
    assert found["first"] == seen(probe, "ours")["first"]
    assert found["nearest"] == "ours"
    assert found["node"] == {"entity_id": "ours", "weight": 1.5, "created_at": 7}
    assert found["edge"] == {"weight": 2.0}
    assert found["doc"]["status"] == "processed" and found["doc"]["chunks_list"] == []
    assert found["counts"] == [n + more for n, more in zip(before["counts"], (1, 1, 2, 1))]    # "hub" is a node


def test_both_write(probe, lightrag):
    """Neither loses the other's rows as long as one writes at a time; for what both wrote the later one wins."""
    probe.ask("all", 0, "ours")
    lightrag("put", "theirs")    # while ours are in memory only, but for the document
    probe.ask("all", 0, "both")
    lightrag("put", "both")
    probe.ask("flush", 0)
    for key in ("ours", "theirs", "both"):
        here, there = seen(probe, key), lightrag("get", key)
        assert all(here[kind] is not None and there[kind] is not None for kind in KINDS), key
        assert here["first"] == there["first"]
        assert here["node"] == there["node"] and here["edge"] == there["edge"]
    assert lightrag("get", "both")["node"]["weight"] == 1.5    # ours were saved last
    assert lightrag("get", "both")["doc"]["status"] == "failed"    # theirs: ours had been saved at once


def test_a_drop_by_lightrag(probe, lightrag, folder):
    assert probe.ask("seen", 0, "x") and json.loads(probe.ask("seen", 0, "x"))["doc"] is None
    probe.ask("all", 0, "ours")
    probe.ask("flush", 0)
    lightrag("drop")
    assert all(seen(probe, "ours")[kind] is None for kind in KINDS)
    probe.ask("close", 0)
    assert json.loads((folder / "kv_store_full_docs.json").read_text()) == {}, "what was dropped came back"
    graph = folder / "graph_chunk_entity_relation.graphml"
    assert not graph.exists() or "<node" not in graph.read_text()


def test_files_that_are_saved_without_need_stay_what_they_were(probe, lightrag, folder):
    """A row put and deleted again: every row is as LightRAG wrote it, and as it would write it now."""
    before = {path.name: path.read_text() for path in folder.iterdir()}
    probe.ask("seen", 0, "x")
    probe.ask("flush", 0)
    assert {path.name: path.read_text() for path in folder.iterdir()} == before, "a file without changes was written"
    lightrag("put", "x")
    probe.ask("all", 0, "x")
    probe.ask("flush", 0)
    lightrag("delete", "x")
    after = {path.name: path.read_text() for path in folder.iterdir() if path.name in before}
    for name, text in before.items():
        if name.startswith("vdb_"):
            rows = [{row["__id__"]: {**row, "__write_seq__": 0} for row in json.loads(t)["data"]} for t in (text, after[name])]
            assert rows[0] == rows[1], name
        elif name.endswith(".json"):
            assert json.loads(text) == json.loads(after[name]), name
        else:
            assert nodes_and_edges(text) == nodes_and_edges(after[name].replace('<node id="hub" />', "")), name


def nodes_and_edges(text):
    """Attributes by name, so that the numbers of keys do not count."""
    names = dict(re.findall(r'<key id="(d\d+)" for="\w+" attr.name="(\w+)"', text))
    parts = re.findall(r"<(node|edge) ([^>]*[^/>])(?: /)?>(.*?)(?=<(?:node|edge) |</graph>)", text, re.S)
    return sorted((kind, sorted(re.findall(r'"([^"]*)"', head)),
                   sorted((names[key], value) for key, value in re.findall(r'<data key="(d\d+)"(?: />|>(.*?)</data>)', body, re.S)))
                  for kind, head, body in parts)
