"""ragstore import --salvage: files cut at random places and with random bytes damaged.

What must be saved is known from the intact files alone: the range of bytes of every row is noted while the file is
put together. What was saved is read back from an export of the store.
"""
import json
import os
import random
import re
import shutil
import subprocess

import pytest
from conftest import ALICE, clean_environment

CASES = 50
SEED = int(os.environ.get("RAGSTORE_TEST_SEED", "1"))
GRAPH = "graph_chunk_entity_relation.graphml"


class Intact:
    """The bytes of a file, and {key: (first byte, byte behind the last, value)}."""

    def __init__(self, before, between, after, rows):
        self.data, self.rows = before.encode(), {}
        for i, (key, text, value) in enumerate(rows):
            self.data += between.encode() if i else b""
            self.rows[key] = (len(self.data), len(self.data) + len(text.encode()), value)
            self.data += text.encode()
        self.first = len(before.encode())
        self.last = len(self.data)
        self.data += after.encode()


def values(rows):
    """As LightRAG writes them: json.dump(..., indent=2, ensure_ascii=False)."""
    def text(key, value):
        return json.dumps({key: value}, indent=2, ensure_ascii=False)[len("{\n  "):-len("\n}")]
    intact = Intact("{\n  ", ",\n  ", "\n}", [(key, text(key, value), value) for key, value in rows.items()])
    assert intact.data.decode() == json.dumps(rows, indent=2, ensure_ascii=False)
    return intact


def compact(rows):
    text = [(key, json.dumps({key: value})[1:-1], value) for key, value in rows.items()]
    return Intact("{", ", ", "}", text)


def alice_values():
    rows = json.loads((ALICE / "kv_store_entity_chunks.json").read_text(encoding="utf-8"))
    return dict(list(rows.items())[:80])


def made_values():
    rng = random.Random(SEED)
    letters = 'abc "\\{}[]:,\n\tüß漢😀'
    return {f"key {i}": {"text": "".join(rng.choice(letters) for _ in range(rng.randrange(80))),
                         "inner": {"a": [1, {"b": None}], "c": {}}, "n": rng.random(), "create_time": 1700000000 + i,
                         "update_time": 1700000001 + i, "_id": f"key {i}"} for i in range(60)}


def vectors():
    whole = json.loads((ALICE / "vdb_entities.json").read_text(encoding="utf-8"))
    rows = whole["data"][:40]
    intact = Intact('{"embedding_dim": 384, "data": [', ", ", '], "matrix": "' + whole["matrix"][:40 * 384 * 4 // 3 * 4]
                    + '"}', [(row["__id__"], json.dumps(row, ensure_ascii=False), row) for row in rows])
    json.loads(intact.data)
    return intact


def elements(text):
    """{label or pair: (first, behind, {name: text})} of the nodes and edges of a GraphML text."""
    names = dict(re.findall(r'<key id="(\w+)".*?attr.name="(\w+)"', text))
    found = {}
    for m in re.finditer(r'<(node|edge) ([^>]*?)(/>|>(.*?)</\1>)', text, re.S):
        values = dict(re.findall(r'<data key="(\w+)">(.*?)</data>', m[4] or "", re.S))
        ends = re.findall(r'(?:id|source|target)="(.*?)"', m[2])
        found[(m[1], *sorted(ends))] = (m.start(), m.end(), {names[key]: value for key, value in values.items()})
    return found


def graph():
    text = (ALICE / GRAPH).read_text(encoding="utf-8")
    nodes, edges = re.findall(r"<node .*?</node>", text, re.S), re.findall(r"<edge .*?</edge>", text, re.S)
    head = text[:text.index("<node ")]
    text = head + "\n    ".join(nodes[:60] + edges[:60]) + "\n  </graph>\n</graphml>"
    assert text.isascii()
    intact = Intact(text, "", "", [])
    intact.rows = elements(text)
    assert len(intact.rows) == 120
    intact.first, intact.last = len(head), text.index("\n  </graph>")
    return intact


def cut(intact, rng):
    place = rng.randrange(1, len(intact.data))
    return intact.data[:place], place, len(intact.data)


def damaged(intact, rng):
    place = rng.randrange(len(intact.data))
    byte = rng.choice([b for b in range(256) if b != intact.data[place]])
    return intact.data[:place] + bytes([byte]) + intact.data[place + 1:], place, place + 1


def check(intact, report, found, size, begin, end, exact_header=True):
    """What is saved, against what must be; the report against both."""
    where = f"bytes {begin} to {end}: {report}"
    for key, (first, behind, value) in intact.rows.items():
        if behind <= begin or first >= end:
            assert key in found, f"{key} is not there, {where}"
            assert found[key] == value or not exact_header, f"{key} is not the same, {where}"
    if not report["at_least"]:
        assert report["rows"] + report["lost"] == len(intact.rows), where
    assert report["damaged"] == len(report["damage"])
    assert all(d["at"] + d["bytes"] <= size for d in report["damage"]), where
    if size == begin < intact.last:
        assert report["at_least"], where
        assert report["damage"][-1]["at"] + report["damage"][-1]["bytes"] == size, where
    if report["damaged"] == 0:
        assert report["lost"] == 0 and not report["at_least"]


def salvage(ragstore, folder, tmp_path, lost):
    """({file: report}, folder of the export)"""
    shutil.rmtree(tmp_path / "store", ignore_errors=True)
    shutil.rmtree(tmp_path / "out", ignore_errors=True)
    done = ragstore("import", folder, tmp_path / "store", "--salvage", "--json", status=1 if lost else 0)
    ragstore("export", tmp_path / "store", tmp_path / "out")
    return {row["file"]: row for row in done.json["files"]}, tmp_path / "out"


def read_values(path):
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def read_vectors(path):
    return {row["__id__"]: row for row in read_values(path).get("data", [])}


def plain(rows):
    return {key: {name: value for name, value in row.items() if name != "__write_seq__"} for key, row in rows.items()}


MADE = {"values": lambda: values(alice_values()), "made": lambda: values(made_values()),
        "compact": lambda: compact(made_values()), "vectors": vectors}


@pytest.mark.parametrize("kind", MADE)
@pytest.mark.parametrize("harm", [cut, damaged])
def test_random_harm_to_json(ragstore, tmp_path, harm, kind):
    intact, rng = MADE[kind](), random.Random(f"{SEED} {harm.__name__} {kind}")
    print("seed", SEED)
    folder, cases = tmp_path / "in", {}
    folder.mkdir()
    prefix = "vdb_" if kind == "vectors" else "kv_store_"
    for i in range(CASES):
        data, begin, end = harm(intact, rng)
        name = f"{prefix}case{i:02}.json"
        (folder / name).write_bytes(data)
        cases[name] = (len(data), begin, end)
    reports, out = salvage(ragstore, folder, tmp_path, True)
    if kind == "vectors":
        intact.rows = {key: (first, behind, {n: v for n, v in value.items() if n != "__write_seq__"})
                       for key, (first, behind, value) in intact.rows.items()}
    for name, place in cases.items():
        found = plain(read_vectors(out / name)) if kind == "vectors" else read_values(out / name)
        check(intact, reports[name], found, *place)


@pytest.mark.parametrize("harm", [cut, damaged])
def test_random_harm_to_the_graph(ragstore, tmp_path, harm):
    intact, rng = graph(), random.Random(f"{SEED} {harm.__name__} graph")
    print("seed", SEED)
    folder = tmp_path / "in"
    folder.mkdir()
    for _ in range(CASES):
        data, begin, end = harm(intact, rng)
        (folder / GRAPH).write_bytes(data)
        shutil.rmtree(tmp_path / "store", ignore_errors=True)
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        done = subprocess.run([ragstore.path, "import", folder, tmp_path / "store", "--salvage", "--json"],
                              capture_output=True, env=clean_environment(), check=False)
        report = next(row for row in json.loads(done.stdout)["files"] if row["file"] == GRAPH)
        assert done.returncode == (1 if report["damaged"] else 0)
        ragstore("export", tmp_path / "store", tmp_path / "out")
        path = tmp_path / "out" / GRAPH
        found = elements(path.read_text(encoding="utf-8")) if path.exists() else {}
        check(intact, report, {key: value for key, (_, _, value) in found.items()}, len(data), begin, end,
              exact_header=begin >= intact.first)


def test_rows_that_a_store_refuses(ragstore, alice_copy, tmp_path):
    path = alice_copy / "kv_store_doc_status.json"
    docs = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({"bad": {"x": 1}, **docs, "old": {"status": "failed", "error": "why"}}, indent=2),
                    encoding="utf-8")
    done = ragstore("import", alice_copy, tmp_path / "s", status=1)
    assert "bad" in done.err and "kv_store_doc_status.json" in done.err
    done = ragstore("import", alice_copy, tmp_path / "s", "--salvage", "--json", status=1)
    report = next(row for row in done.json["files"] if row["file"] == path.name)
    assert (report["rows"], report["lost"], report["at_least"], report["completed"]) == (2, 1, False, 2)
    assert "row 'bad'" in report["damage"][0]["why"] and report["damage"][0]["at"] == 4
    old = ragstore("get", tmp_path / "s", "doc", "old", "--json").json[0]["value"]
    assert old["error_msg"] == "why" and old["metadata"] == {} and "error" not in old


def test_one_row_is_one_row(ragstore, tmp_path):
    (tmp_path / "in").mkdir()
    data = json.dumps({"a": {"x": "text"}, "b": {"x": "text"}}, indent=2)
    (tmp_path / "in/kv_store_full_docs.json").write_text(data.replace("text", "te\x01t", 1), encoding="utf-8")
    shown = ragstore("import", tmp_path / "in", tmp_path / "s", "--salvage", status=1).out
    assert "1 row in " in shown and "1 row is lost, at 1 damaged place." in shown


def test_nothing_is_lost_of_sound_files(ragstore, tmp_path):
    done = ragstore("import", ALICE, tmp_path / "s", "--salvage", "--json")
    assert done.json["rows"] == ragstore("import", ALICE, tmp_path / "t", "--json").json["rows"]
    assert all(row["lost"] == row["damaged"] == 0 and not row["at_least"] for row in done.json["files"])


def test_empty_and_missing_files(ragstore, alice_copy, tmp_path):
    (alice_copy / "vdb_chunks.json").write_bytes(b"")
    (alice_copy / "kv_store_full_docs.json").unlink()
    done = ragstore("import", alice_copy, tmp_path / "s", "--salvage", "--json", status=1)
    files = {row["file"]: row for row in done.json["files"]}
    assert files["vdb_chunks.json"]["damage"] == [{"at": 0, "bytes": 0, "why": "the file is empty"}]
    assert files["kv_store_full_docs.json"]["kind"] == "missing"


def test_a_store_is_not_made_in_the_directory_itself(ragstore, alice_copy):
    before = sorted(path.name for path in alice_copy.iterdir())
    assert "is the directory of LightRAG itself" in ragstore("import", alice_copy, alice_copy, status=1).err
    assert sorted(path.name for path in alice_copy.iterdir()) == before
    ragstore("import", alice_copy, alice_copy / "store")
