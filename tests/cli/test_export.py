"""ragstore export writes LightRAG's files as LightRAG does, and what comes back from them has the same content hash.

The content hash is worked out here a second time, from docs/content-hash.md and the files, with Python's own library.
"""
import base64
import hashlib
import json
import os
import re
import signal
import struct
import subprocess
import time
import xml.etree.ElementTree as ET
import zlib

import pytest
from conftest import ALICE, GRAPHML, ROOT, clean_environment

MINI = ROOT / "tests" / "data" / "mini"
GRAPH = "graph_chunk_entity_relation.graphml"


def content_hash(ragstore, store):
    return ragstore("status", store, "--content-hash", "--json").json


def round_trip(ragstore, source, folder):
    """Import, export, import: both hashes, and the directory in between."""
    ragstore("import", source, folder / "a.store")
    ragstore("export", folder / "a.store", folder / "out")
    ragstore("import", folder / "out", folder / "b.store")
    hashes = [content_hash(ragstore, folder / name) for name in ("a.store", "b.store")]
    for answer in hashes:
        del answer["store"]
    return (*hashes, folder / "out")


# ---- the definition of the hash, once more ---------------------------------------------------------------------------


def text(value):
    data = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<Q", len(data)) + data


def canonical(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def namespace_form(kind, name, rows):
    total = sum(int.from_bytes(hashlib.sha256(row).digest(), "little") for row in rows) % 2 ** 256
    return text(kind) + text(name) + struct.pack("<Q", len(rows)) + total.to_bytes(32, "little")


def kv_rows(path):
    for key, row in json.loads(path.read_text(encoding="utf-8")).items():
        times = struct.pack("<qq", row.pop("create_time", 0), row.pop("update_time", 0))
        row.pop("_id", None)
        yield text(key) + text(canonical(row)) + times


def vector_rows(path):
    for row in json.loads(path.read_text(encoding="utf-8"))["data"]:
        halves = zlib.decompress(base64.b64decode(row.pop("vector")))
        key, created = row.pop("__id__"), row.pop("__created_at__")
        row.pop("__write_seq__", None)
        yield text(key) + text(canonical(row)) + struct.pack("<qQ", created, len(halves) // 2) + halves


def graph_rows(path):
    root = ET.parse(path).getroot()
    keys = {k.get("id"): (k.get("attr.name"), k.get("attr.type")) for k in root.iter(GRAPHML + "key")}
    kinds = {"string": lambda t: t or "", "long": int, "double": float}
    nodes, edges = [], []
    for element in root.find(GRAPHML + "graph"):
        row = {}
        for data in element:
            name, kind = keys[data.get("key")]
            row[name] = kinds[kind](data.text)
        if element.tag == GRAPHML + "node":
            nodes.append(text(element.get("id")) + text(canonical(row)))
        else:
            ends = sorted(element.get(end).encode() for end in ("source", "target"))
            edges.append(text(ends[0]) + text(ends[1]) + text(canonical(row)))
    return nodes, edges


def expected_hashes(folder):
    forms = []
    for path in folder.glob("kv_store_*.json"):
        name = path.stem.removeprefix("kv_store_")
        if name != "doc_status":
            forms.append(("kv", name, list(kv_rows(path))))
    for path in folder.glob("vdb_*.json"):
        forms.append(("vector", path.stem.removeprefix("vdb_"), list(vector_rows(path))))
    docs = json.loads((folder / "kv_store_doc_status.json").read_text(encoding="utf-8"))
    forms.append(("doc_status", None, [text(key) + text(canonical(row)) for key, row in docs.items()]))
    nodes, edges = graph_rows(folder / GRAPH)
    return [*forms, ("graph_nodes", None, nodes), ("graph_edges", None, edges)]


def test_content_hash_is_what_its_definition_says(ragstore, store):
    answer = content_hash(ragstore, store)
    shown = {(n["kind"], n["name"]): n for n in answer["namespaces"]}
    names = {kind: name for kind, name in shown}
    forms = {(kind, name or names[kind]): namespace_form(kind, name or names[kind], rows)
             for kind, name, rows in expected_hashes(ALICE)}
    assert {key: n["content_hash"] for key, n in shown.items()} == \
        {key: hashlib.sha256(form).hexdigest() for key, form in forms.items()}
    whole = b"".join(forms[n["kind"], n["name"]] for n in answer["namespaces"])
    assert answer["content_hash"] == hashlib.sha256(whole).hexdigest()
    assert answer["rows"] == sum(n["rows"] for n in answer["namespaces"]) == 3289


def test_one_changed_value_changes_the_hash(ragstore, store, alice_copy, tmp_path):
    path = alice_copy / "kv_store_full_docs.json"
    path.write_bytes(path.read_bytes().replace(b"Rabbit-Hole", b"Rabbit-Hold", 1))
    ragstore("import", alice_copy, tmp_path / "b.store")
    before, after = content_hash(ragstore, store), content_hash(ragstore, tmp_path / "b.store")
    assert before["content_hash"] != after["content_hash"]
    different = [n["name"] for n, m in zip(before["namespaces"], after["namespaces"]) if n != m]
    assert different == ["full_docs"]


# ---- the files -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", [ALICE, MINI], ids=["alice", "mini"])
def test_a_round_trip_keeps_the_content_hash(ragstore, source, tmp_path):
    before, after, out = round_trip(ragstore, source, tmp_path)
    assert before == after and before["rows"] > 100
    assert sorted(os.listdir(out)) == sorted(os.listdir(source))


def test_files_have_the_bytes_of_lightrag(ragstore, store, tmp_path):
    ragstore("export", store, tmp_path / "out")
    for path in sorted(ALICE.iterdir()):
        ours, theirs = ((folder / path.name).read_text(encoding="utf-8") for folder in (tmp_path / "out", ALICE))
        if path.suffix == ".graphml":
            assert ours[:ours.index("<node")] == theirs[:theirs.index("<node")]
            parts = [re.findall("    <(?:node|edge) .*?(?:</node>|</edge>|/>)\n", t, re.S) for t in (ours, theirs)]
            assert sorted(parts[0]) == sorted(parts[1]) and len(parts[0]) == 905 and len(ours) == len(theirs)
            continue
        rows, data = json.loads(theirs), json.loads(ours)
        if path.name.startswith("vdb_"):  # rows keep their order; __write_seq__ is not kept
            rows = {"embedding_dim": 384, "data": [{k: v for k, v in r.items() if k != "__write_seq__"}
                                                   for r in rows["data"]], "matrix": data["matrix"]}
            assert ours == json.dumps(rows, ensure_ascii=False), path.name
        else:
            rows = {key: rows[key] for key in data}
            assert ours == json.dumps(rows, indent=2, ensure_ascii=False), path.name
            assert len(ours) == len(theirs)


def test_the_matrix_is_the_rows_scaled(ragstore, store, tmp_path, vector_files):
    ragstore("export", store, tmp_path / "out")
    for name, rows in vector_files.items():
        data = json.loads((tmp_path / "out" / f"vdb_{name}.json").read_text(encoding="utf-8"))
        matrix = base64.b64decode(data["matrix"], validate=True)
        assert len(matrix) == len(rows) * 384 * 4
        for i, row in enumerate(data["data"]):
            vector = rows[row["__id__"]][1]
            length = sum(x * x for x in vector) ** 0.5
            scaled = struct.unpack_from("<384f", matrix, i * 384 * 4)
            assert max(abs(a - b / length) for a, b in zip(scaled, vector)) < 1e-7


HOSTILE = 'tab\t nul-free \x01\x1f\x7f cr\r lf\n quote" back\\ </SEP> <SEP>&amp; \u2028 \U0001f407 \U0010fffd \ufffe'
MARKUP = 'a<b>&"c\'d" e\tf\ng\rh \U0001f407<SEP>i '


def hostile_directory(folder):
    """Everything that is hard to write, in files that an import takes."""
    folder.mkdir()
    numbers = ('{"big": 1e400, "minus": -0, "zero": -0.0, "long": 123456789012345678901234567890, "up": 1E5, "small": 1e-7, '
               '"exact": 1.10}')
    rows = {HOSTILE.replace("\x01", ""): {"text": HOSTILE, HOSTILE: [[], {}, [[]], None, True, False, {"": ""}]},
            "empty": {}, "update only": {"a": 1, "update_time": 7, "_id": "x"}}
    body = json.dumps(rows)[:-1] + ', "numbers": ' + numbers + "}"
    (folder / "kv_store_odd.json").write_text(body, encoding="utf-8")
    (folder / "kv_store_none.json").write_text("{}", encoding="utf-8")
    (folder / "kv_store_doc_status.json").write_text(json.dumps({"d": {"status": "odd\r", "x": [{"y": None}]}}))
    pack = lambda *v: base64.b64encode(zlib.compress(struct.pack(f"<{len(v)}e", *v))).decode()
    data = [{"__id__": f"\u00e9{i}", "vector": pack(*v), **payload} for i, (v, payload) in enumerate([
        ((1, 2, 3, 4, 5), {"content": HOSTILE, "__created_at__": 5}), ((0, 0, 0, 0, 0), {}),
        ((65504, -65504, 6e-8, 0, -0.0), {"deep": {"vector": 1, "list": [1.0]}}), ((1, 0, 0, 0, 0), {"a": ""})])]
    (folder / "vdb_five.json").write_text(json.dumps({"embedding_dim": 5, "data": data, "matrix": ""}))
    (folder / "vdb_empty.json").write_text('{"embedding_dim": 3, "data": [], "matrix": ""}')
    root = ET.Element("graphml", {"xmlns": GRAPHML[1:-1]})
    kinds = {"s": "string", "l": "long", "d": "double", "b": "boolean", "s2": "long"}
    for key, kind in kinds.items():
        ET.SubElement(root, "key", {"id": key, "for": "node", "attr.name": MARKUP if key.startswith("s") else key,
                                    "attr.type": kind})
    graph = ET.SubElement(root, "graph", {"edgedefault": "undirected"})
    for label, attributes in ((MARKUP, {"s": MARKUP, "l": "-9223372036854775808", "d": "1e-05", "b": "True"}),
                              ("plain", {}), ("same name", {"s2": "7", "d": "1.0", "b": "false"}), ("\u6771\u4eac", {"s": ""})):
        node = ET.SubElement(graph, "node", {"id": label})
        for key, value in attributes.items():
            ET.SubElement(node, "data", {"key": key}).text = value
    ET.SubElement(graph, "edge", {"source": "plain", "target": MARKUP})
    loop = ET.SubElement(graph, "edge", {"source": "plain", "target": "plain"})
    ET.SubElement(loop, "data", {"key": "s"}).text = "\u0301 x "
    (folder / GRAPH).write_text(ET.tostring(root, encoding="unicode").replace("\r", "&#13;"), encoding="utf-8")


def test_hostile_values_come_back(ragstore, tmp_path):
    hostile_directory(tmp_path / "in")
    before, after, out = round_trip(ragstore, tmp_path / "in", tmp_path)
    assert before == after and before["rows"] == 4 + 1 + 4 + 4 + 2
    again = json.loads((out / "kv_store_odd.json").read_text(encoding="utf-8"))
    assert again["empty"]["_id"] == "empty" and "create_time" not in again["update only"]
    assert next(v for k, v in again.items() if k.startswith("tab"))["text"] == HOSTILE
    spelled = (out / "kv_store_odd.json").read_text(encoding="utf-8")
    assert '"big": 1e400,' in spelled and '"exact": 1.10,' in spelled and '"up": 1E5,' in spelled
    root = ET.parse(out / GRAPH).getroot()
    node = next(n for n in root.iter(GRAPHML + "node") if n.get("id") == MARKUP)
    assert [d.text for d in node] == [MARKUP, "-9223372036854775808", "1e-05", "True"]
    types = {(k.get("attr.name"), k.get("attr.type")) for k in root.iter(GRAPHML + "key")}
    assert (MARKUP, "string") in types and (MARKUP, "long") in types
    assert json.loads((out / "vdb_empty.json").read_text()) == {"embedding_dim": 3, "data": [], "matrix": ""}


def test_a_matrix_whose_rows_are_no_whole_groups_of_base64(ragstore, tmp_path):
    hostile_directory(tmp_path / "in")
    ragstore("import", tmp_path / "in", tmp_path / "a.store")
    ragstore("export", tmp_path / "a.store", tmp_path / "out")
    data = json.loads((tmp_path / "out" / "vdb_five.json").read_text(encoding="utf-8"))
    numbers = struct.unpack("<20f", base64.b64decode(data["matrix"], validate=True))
    rows = {row["__id__"]: numbers[5 * i:5 * i + 5] for i, row in enumerate(data["data"])}
    assert rows["\u00e90"] == pytest.approx([x / 55 ** 0.5 for x in (1, 2, 3, 4, 5)], abs=1e-7)
    assert rows["\u00e91"] == (0,) * 5 and rows["\u00e93"] == (1, 0, 0, 0, 0)


def test_zero_vectors_are_warned_about(ragstore, tmp_path):
    hostile_directory(tmp_path / "in")
    ragstore("import", tmp_path / "in", tmp_path / "a.store")
    done = ragstore("export", tmp_path / "a.store", tmp_path / "out")
    assert "warning: vdb_five.json: 1 vector has length zero" in done.err


# ---- the command -----------------------------------------------------------------------------------------------------


def test_report(ragstore, store, tmp_path):
    answer = ragstore("export", store, tmp_path / "out", "--json").json
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "out").iterdir()}
    assert {f["file"]: f["bytes"] for f in answer["files"]} == sizes
    assert answer["bytes"] == sum(sizes.values()) and answer["rows"] == 3289
    assert next(f for f in answer["files"] if f["kind"] == "graph")["nodes"] == 291
    shown = ragstore("export", store, tmp_path / "again", "--format", "lightrag").out
    assert "3,289 rows in " in shown and shown.endswith(f"They are in {tmp_path / 'again'}\n")


def test_files_that_are_there_are_not_touched(ragstore, store, tmp_path):
    (tmp_path / "vdb_mine.json").write_text("mine")
    done = ragstore("export", store, tmp_path, status=1)
    assert "vdb_mine.json is there already" in done.err and "--replace" in done.err
    assert sorted(os.listdir(tmp_path)) == ["vdb_mine.json"]


def test_replace(ragstore, store, tmp_path):
    (tmp_path / "vdb_mine.json").write_text("mine")
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "kv_store_full_docs.json").write_text("{}")
    os.chmod(tmp_path / "kv_store_full_docs.json", 0o644)
    done = ragstore("export", store, tmp_path, "--replace")
    assert "warning: vdb_mine.json: removed: the store has nothing that belongs there" in done.err
    assert sorted(os.listdir(tmp_path)) == sorted([*os.listdir(ALICE), "notes.txt"])
    modes = {name: (tmp_path / name).stat().st_mode & 0o777 for name in os.listdir(tmp_path)}
    assert modes["kv_store_full_docs.json"] == 0o644 and modes["kv_store_text_chunks.json"] == 0o600


def test_progress_says_what_each_file_got(ragstore, store, tmp_path):
    """A line for each file on standard error, with the rows and bytes that the report has for it."""
    done = ragstore("export", store, tmp_path / "out")
    report = [re.split(r"  +", line) for line in done.lines[1:] if line.startswith(("kv_", "vdb_", "graph_"))]
    said = [line.rsplit(", ", 1)[0] for line in done.err.splitlines()]
    assert len(report) > 10
    assert said == [f"{stage_of(name)}: {rows} {'row' if rows == '1' else 'rows'}, {size}"
                    for name, _, rows, size, _ in report]


def stage_of(name):
    name = name.rsplit(".", 1)[0]
    return "graph" if name.startswith("graph_") else name.removeprefix("kv_store_").removeprefix("vdb_")


def test_refusals(ragstore, store, tmp_path):
    assert "is the directory of the store itself" in ragstore("export", store, store, status=1).err
    ragstore("export", tmp_path / "none.store", tmp_path / "out", status=3)
    ragstore("export", store, tmp_path / "out", "--format", "csv", status=2)
    assert os.listdir(tmp_path) == []


def test_a_full_disk_leaves_no_temporary_file(ragstore, store, tmp_path):
    limit = f"ulimit -f 200; exec {ragstore.path} export {store} {tmp_path / 'out'}"  # 200 blocks of 1 kB
    done = subprocess.run(["bash", "-c", f"trap '' XFSZ; {limit}"], capture_output=True, env=clean_environment(), check=False)
    assert done.returncode == 1, done.stderr
    assert all(".tmp." not in name for name in os.listdir(tmp_path / "out"))
    assert "kv_store_llm_response_cache.json" not in os.listdir(tmp_path / "out")


def test_stopping_leaves_whole_files_only(ragstore, store, tmp_path):
    """Stopped at whatever moment: what is there is the same as in a whole export."""
    ragstore("export", store, tmp_path / "whole")
    for milliseconds in (1, 5, 15, 30, 60):
        out = tmp_path / f"out{milliseconds}"
        run = subprocess.Popen([ragstore.path, "export", str(store), str(out)], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=clean_environment())
        time.sleep(milliseconds / 1000)
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=60)
        assert run.returncode in (0, 130, -signal.SIGINT)
        for name in os.listdir(out) if out.exists() else []:
            assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
