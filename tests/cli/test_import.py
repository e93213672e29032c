"""ragstore import: what it reports, what it refuses, and that nothing of a failed import stays behind."""
import json
import os
import pathlib
import random
import shutil
import signal
import struct
import subprocess
import time

import pytest
from conftest import ALICE, clean_environment

FILES = sorted(path.name for path in ALICE.iterdir())


def litter(folder, *known):
    """Everything below a folder that is not known, as sorted relative paths."""
    paths = {str(path.relative_to(folder)) for path in pathlib.Path(folder).rglob("*")}
    return sorted(path for path in paths if not path.startswith(known))


def replace_once(path, old, new):
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))


def test_report_as_json(ragstore, tmp_path, kv_files, vector_files):
    target = tmp_path / "a.store"
    report = ragstore("import", ALICE, target, "--json").json
    assert sorted(row["file"] for row in report["files"]) == FILES
    rows = {row["file"]: row["rows"] for row in report["files"]}
    for space, values in kv_files.items():
        assert rows[f"kv_store_{space}.json"] == len(values)
    for space, values in vector_files.items():
        assert rows[f"vdb_{space}.json"] == len(values)
    assert report["rows"] == sum(rows.values())
    assert report["source_bytes"] == sum(path.stat().st_size for path in ALICE.iterdir())
    assert report["store_bytes"] == sum(path.stat().st_size for path in target.iterdir())
    assert all(row["seconds"] >= 0 and row["warnings"] == [] for row in report["files"])


def test_report_for_reading(ragstore, tmp_path):
    target = tmp_path / "a.store"
    done = ragstore("import", ALICE, target)
    for name in FILES:
        assert sum(line.startswith(name + " ") for line in done.lines) == 1
    assert done.lines[-1] == f"It is in {target}"
    assert "% of the 9.2 MB read" in done.lines[-2]
    stages = [line.split(":")[0] for line in done.err.splitlines()]
    for name in ("text_chunks", "chunks", "relationships", "making it durable"):
        assert stages.count(name) == 1, done.err
    assert "\x1b" not in done.err and "\r" not in done.err, "plain lines where there is no terminal"


@pytest.mark.parametrize("name", ["rag_storage", "what? 50%"])
def test_without_a_store_it_is_made_where_lightrag_on_ragstore_looks(ragstore, alice_copy, tmp_path, name):
    source = alice_copy.rename(tmp_path / name)
    done = ragstore("import", f"{source}/")
    assert done.lines[-1] == f"It is in {source}/ragstore"
    assert (source / "ragstore" / "ragstore.db").is_file()
    assert ragstore("import", source, status=1).err.startswith("ragstore: ")
    assert sorted(path.name for path in source.iterdir()) == sorted([*FILES, "ragstore"])


def test_an_existing_store_is_not_touched(ragstore, tmp_path):
    target = tmp_path / "a.store"
    ragstore("import", ALICE, target)
    before = (target / "ragstore.db").read_bytes()
    done = ragstore("import", ALICE, target, status=1)
    first, second = done.err.splitlines()
    assert str(target) in first and "--replace" in second
    assert (target / "ragstore.db").read_bytes() == before


def test_replace(ragstore, alice_copy, tmp_path):
    target = tmp_path / "a.store"
    ragstore("import", ALICE, target)
    (alice_copy / "vdb_chunks.json").unlink()
    ragstore("import", alice_copy, target, "--replace")
    spaces = [s["name"] for s in ragstore("status", target, "--json").json["namespaces"] if s["kind"] == "vector"]
    assert spaces == ["entities", "relationships"]
    assert litter(target, "ragstore.", "vectors-") == []


def test_one_and_two_threads_agree(ragstore, tmp_path):
    for threads in ("1", "2"):
        ragstore("import", ALICE, tmp_path / threads, "--threads", threads)
    one, two = (ragstore("status", tmp_path / threads, "--json").json["namespaces"] for threads in ("1", "2"))
    assert [(s["kind"], s["name"], s["rows"], s["bytes"]) for s in one] == \
        [(s["kind"], s["name"], s["rows"], s["bytes"]) for s in two]


def test_workspaces(ragstore, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    ragstore("import", empty, tmp_path / "a" / "b", "--workspace", "w", status=1)
    assert litter(tmp_path, "empty") == []
    ragstore("import", ALICE, tmp_path / "a", "--workspace", "w")
    assert ragstore("graph", tmp_path / "a", "Alice", "--workspace", "w", "--json").json["nodes"]
    done = ragstore("status", tmp_path / "a", status=3)
    assert done.err.splitlines()[1] == "  stores in it, to be named with --workspace or by path: w"
    ragstore("status", tmp_path / "a", "--workspace", "x", status=3)


def test_float32(ragstore, tmp_path, vector_files):
    ragstore("import", ALICE, tmp_path / "a", "--element", "float32")
    space = next(s for s in ragstore("status", tmp_path / "a", "--json").json["namespaces"] if s["name"] == "chunks")
    assert (space["element"], space["model"]) == ("float32", "")
    key, (_, vector) = next(iter(vector_files["chunks"].items()))
    found = ragstore("get", tmp_path / "a", "vector", "chunks", key, "--json").json[0]["vector"]
    assert list(struct.unpack("<384f", struct.pack("<384f", *found))) == vector


# ---- what cannot be imported ---------------------------------------------------------------------------------------


def cut(name, keep):
    def damage(folder):
        path = folder / name
        data = path.read_bytes()
        path.write_bytes(data[:int(len(data) * keep)])
    return damage


def wrong_base64(folder):
    replace_once(folder / "vdb_entities.json", b'"vector": "eJw', b'"vector": "e*w')


def not_zlib(folder):
    replace_once(folder / "vdb_entities.json", b'"vector": "eJw', b'"vector": "AAw')


def broken_utf8(folder):
    replace_once(folder / "kv_store_full_docs.json", b"LITTLE", b"LIT\xffLE") \
        if b"LITTLE" in (folder / "kv_store_full_docs.json").read_bytes() else \
        replace_once(folder / "kv_store_full_docs.json", b"Rabbit", b"Ra\xff\xfeit")


def wrong_dimension(folder):
    replace_once(folder / "vdb_chunks.json", b'"embedding_dim": 384', b'"embedding_dim": 383')


def not_an_object(folder):
    (folder / "kv_store_text_chunks.json").write_text("[1, 2, 3]")


def entity_bomb(folder):
    path = folder / "graph_chunk_entity_relation.graphml"
    bomb = b'<!DOCTYPE g [<!ENTITY a "aaaaaaaaaa">' + b"".join(
        b'<!ENTITY %c "%s">' % (98 + i, b"&%c;" % (97 + i) * 10) for i in range(12)) + b"]>"
    data = path.read_bytes().replace(b"?>", b"?>" + bomb, 1)
    path.write_bytes(data.replace(b'<data key="d1">concept', b'<data key="d1">&m;', 1))


def open_xml(folder):
    replace_once(folder / "graph_chunk_entity_relation.graphml", b"</node>", b"</nude>")


@pytest.mark.parametrize("damage, name", [
    (cut("vdb_relationships.json", 0.5), "vdb_relationships.json"),
    (cut("kv_store_llm_response_cache.json", 0.9), "kv_store_llm_response_cache.json"),
    (cut("kv_store_doc_status.json", 0.3), "kv_store_doc_status.json"),
    (cut("graph_chunk_entity_relation.graphml", 0.7), "graph_chunk_entity_relation.graphml"),
    (wrong_base64, "vdb_entities.json"),
    (not_zlib, "vdb_entities.json"),
    (broken_utf8, "kv_store_full_docs.json"),
    (wrong_dimension, "vdb_chunks.json"),
    (not_an_object, "kv_store_text_chunks.json"),
    (entity_bomb, "graph_chunk_entity_relation.graphml"),
    (open_xml, "graph_chunk_entity_relation.graphml"),
], ids=["cut-vectors", "cut-cache", "cut-status", "cut-graph", "base64", "zlib", "utf8", "dimension", "array", "bomb",
        "xml"])
def test_damaged_files(ragstore, alice_copy, tmp_path, damage, name):
    damage(alice_copy)
    target = tmp_path / "a.store"
    done = ragstore("import", alice_copy, target, status=1)
    complaints = [line for line in done.err.splitlines() if line.startswith("ragstore: ")]
    assert len(complaints) == 1 and name in complaints[0], done.err
    assert any(word in complaints[0] for word in ("byte", "line", "row", "id ")), "the place is not named"
    assert done.out == ""
    assert litter(tmp_path, "alice") == [], "something was left behind"


def test_a_failed_replace_keeps_the_old_store(ragstore, alice_copy, tmp_path):
    target = tmp_path / "a.store"
    ragstore("import", ALICE, target)
    before = {path.name: path.read_bytes() for path in target.iterdir()}
    wrong_base64(alice_copy)
    ragstore("import", alice_copy, target, "--replace", status=1)
    after = {path.name: path.read_bytes() for path in target.iterdir()}
    assert after["ragstore.db"] == before["ragstore.db"]
    assert litter(target, "ragstore.db", "ragstore.lock", "vectors-") == []
    assert not [name for name in after if "build" in name]
    assert ragstore("search", target, "entities", "--like", "Alice", "-k", "1", "--json").json[0]["id"]


def test_sources_that_are_none(ragstore, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    target = tmp_path / "a.store"
    assert str(empty) in ragstore("import", empty, target, status=1).err
    missing = tmp_path / "missing"
    assert ragstore("import", missing, target, status=1).err == \
        f"ragstore: cannot read {missing}: No such file or directory\n"
    a_file = ALICE / "vdb_chunks.json"
    assert f"{a_file} is not a directory" in ragstore("import", a_file, target, status=1).err
    assert litter(tmp_path, "empty") == []


@pytest.mark.skipif(os.geteuid() != 0 or not pathlib.Path("/usr/bin/setpriv").exists(),
                    reason="runs the command as another user, which takes root and setpriv")
def test_read_only_directory(ragstore, tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    for folder in [tmp_path, *tmp_path.parents]:
        if folder.stat().st_uid == os.getuid() and folder != pathlib.Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
        if folder == pathlib.Path("/tmp"):
            break
    locked.chmod(0o555)
    binary = tmp_path / "ragstore"
    binary.write_bytes(pathlib.Path(ragstore.path).read_bytes())
    binary.chmod(0o755)
    source = tmp_path / "alice"
    subprocess.run(["cp", "-r", str(ALICE), str(source)], check=True)
    subprocess.run(["chmod", "-R", "a+rX", str(source)], check=True)
    done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", str(binary), "import",
                           str(source), str(locked / "a.store")], capture_output=True, env=clean_environment(),
                          check=False)
    assert done.returncode == 3, done.stderr
    assert b"Permission denied" in done.stderr and str(locked).encode() in done.stderr
    assert list(locked.iterdir()) == []


# ---- stopping ------------------------------------------------------------------------------------------------------


def large_copy(folder):
    """The directory with its cache many times over, so that there is time to stop it."""
    path = folder / "kv_store_llm_response_cache.json"
    cache = json.loads(path.read_text(encoding="utf-8"))
    with open(path, "w", encoding="utf-8") as out:
        out.write("{\n")
        for i in range(40):
            for key, value in cache.items():
                out.write(f'{json.dumps(f"{key}:{i}")}: {json.dumps(value)},\n')
        out.write('"last": {"return": "x"}\n}\n')


def start_large_import(ragstore, folder, target):
    """(child, what it has said): an import that has come to the cache, which keeps it busy."""
    large_copy(folder)
    child = subprocess.Popen([ragstore.path, "import", str(folder), str(target)], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, env=clean_environment())
    said = b""
    for line in child.stderr:
        said += line
        if line.startswith(b"full_relations:"):
            break
    assert [path for path in target.iterdir() if "build" in path.name], "it is not built aside"
    return child, said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopping_an_import(ragstore, alice_copy, tmp_path, number):
    target = tmp_path / "a.store"
    child, said = start_large_import(ragstore, alice_copy, target)
    child.send_signal(number)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 130, said + err
    assert out == b""
    lines = err.decode().splitlines()
    assert "ragstore: stopped" in lines
    assert lines[-1] == ("  nothing was published; start again with: ragstore import "
                         f"{alice_copy} {target}")
    assert litter(tmp_path, "alice") == []


def test_killing_an_import_leaves_a_name_to_import_to(ragstore, alice_copy, tmp_path):
    target = tmp_path / "a.store"
    child, _ = start_large_import(ragstore, alice_copy, target)
    child.kill()
    child.communicate()
    assert child.returncode == -signal.SIGKILL
    ragstore("status", target, status=3)
    ragstore("import", ALICE, target)
    assert litter(target, "ragstore.db", "ragstore.lock", "vectors-") == []
    assert not [path for path in target.iterdir() if "build" in path.name]


@pytest.fixture(scope="session")
def import_seconds(ragstore, tmp_path_factory):
    """About how long an import of the real directory takes here, with everything in the page cache."""
    target = tmp_path_factory.mktemp("timed") / "a.store"
    begin = time.monotonic()
    ragstore("import", ALICE, target)
    return time.monotonic() - begin


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("number", range(10))
def test_killed_at_random_moments(ragstore, import_seconds, tmp_path, number, replace):
    """kill -9 anywhere: there is the store of before or the whole new one, and a name to import to."""
    seed = int(os.environ.get("RAGSTORE_TEST_SEED", "1")) * 100 + number
    print("seed", seed)
    target = tmp_path / "a.store"
    rows = {"chunks": 135, "entities": 291, "relationships": 614}
    if replace:
        old = tmp_path / "old"
        old.mkdir()
        shutil.copy(ALICE / "kv_store_full_docs.json", old)
        ragstore("import", old, target)
    command = [ragstore.path, "import", str(ALICE), str(target)] + ["--replace"] * replace
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=clean_environment())
    time.sleep(random.Random(seed).uniform(0, 1.1) * import_seconds)
    child.kill()
    finished = child.wait() == 0
    if (target / "ragstore.db").exists():
        found = {row["name"]: row["rows"] for row in ragstore("status", "--json", target).json["namespaces"]}
        whole = rows.items() <= found.items()
        assert whole or (replace and found == {"full_docs": 1}), found
        assert whole or not finished
    else:
        assert not replace and not finished
    ragstore("import", ALICE, target, "--replace")
    assert not [path for path in target.iterdir() if "build" in path.name]
    ragstore("search", target, "entities", "--like", "Alice")


@pytest.mark.parametrize("name", ["kv_store_text_chunks.json", "kv_store_doc_status.json", "vdb_chunks.json"])
def test_an_empty_file_is_said_to_be_empty(ragstore, alice_copy, tmp_path, name):
    (alice_copy / name).write_bytes(b"")
    done = ragstore("import", alice_copy, tmp_path / "store")
    assert f"ragstore: warning: {name}: the file is empty: taken as no rows" in done.err


def test_an_empty_graph_is_an_error(ragstore, alice_copy, tmp_path):
    """LightRAG does not start with one either: XML has at least an element."""
    (alice_copy / "graph_chunk_entity_relation.graphml").write_bytes(b"")
    done = ragstore("import", alice_copy, tmp_path / "store", status=1)
    assert "ragstore: graph_chunk_entity_relation.graphml line 1 byte 0: the file is empty\n" in done.err
    done = ragstore("import", alice_copy, tmp_path / "store", "--salvage", status=1)
    assert done.lines[-1] == "Rows are lost, how many cannot be told, at 1 damaged place."
