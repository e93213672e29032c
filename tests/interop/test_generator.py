"""The generator's directories are what LightRAG writes: LightRAG reads them, and saves them again as the same bytes."""
import hashlib
import json
import pathlib
import re
import shutil

import pytest

KEY_VALUE = ("full_docs", "text_chunks", "llm_response_cache", "full_entities", "full_relations", "entity_chunks",
             "relation_chunks", "doc_status")
ROWS = {"documents": 20, "chunks": 280, "entities": 800, "relations": 1450, "answers": 1500}


@pytest.fixture(scope="session")
def collection(run_python, tmp_path_factory):
    folder = tmp_path_factory.mktemp("generated") / "s001"
    run_python("bench/generate.py", folder, "--scale", "0.01", "--dim", "128")
    return folder


def generated(run_python, folder, *options):
    run_python("bench/generate.py", folder, "--scale", "0.001", "--dim", "32", *options)
    return folder


def digest(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def load(folder, namespace):
    return json.loads((folder / f"kv_store_{namespace}.json").read_text(encoding="utf-8"))


def test_lightrag_counts_what_was_asked_for(collection, read_with_lightrag):
    seen = read_with_lightrag(collection)
    assert seen["counts"]["full_docs"] == seen["counts"]["doc_status"] == ROWS["documents"]
    assert seen["counts"]["text_chunks"] == seen["chunks"]["count"] == ROWS["chunks"]
    assert seen["counts"]["entity_chunks"] == seen["entities"]["count"] == ROWS["entities"]
    assert seen["counts"]["relation_chunks"] == seen["relationships"]["count"] == ROWS["relations"]
    assert seen["counts"]["llm_response_cache"] == ROWS["answers"]
    assert (seen["graph"]["nodes"], seen["graph"]["edges"]) == (ROWS["entities"], ROWS["relations"])
    assert sum(seen["statuses"].values()) == ROWS["documents"]


def test_lightrag_reads_the_rows(collection, read_with_lightrag):
    seen = read_with_lightrag(collection)
    for namespace in KEY_VALUE:
        first = seen["first"][namespace]
        assert first["row"] == {**first["row"], **load(collection, namespace)[first["id"]]}
    entity = seen["entities"]["first"]
    assert entity["id"] == "ent-" + hashlib.md5(entity["entity_name"].encode()).hexdigest()
    relation = seen["relationships"]["last"]
    assert relation["src_id"] <= relation["tgt_id"]
    assert relation["id"] == "rel-" + hashlib.md5((relation["src_id"] + relation["tgt_id"]).encode()).hexdigest()
    node = seen["graph"]["node"]
    assert node["entity_id"] == seen["graph"]["popular"][0]
    assert set(node["source_id"].split("<SEP>")) <= set(load(collection, "text_chunks"))


def test_vectors_and_matrix_agree(collection, read_with_lightrag):
    seen = read_with_lightrag(collection)
    for space in ("chunks", "entities", "relationships"):
        assert seen[space]["worst_difference"] < 1e-3  # what float16 rounds off
        low, high = seen[space]["norms"]
        assert 0.8 < low < 1 < high < 1.2
        assert seen[space]["nearest"] == seen[space]["ids"]


def test_lightrag_saves_the_same_bytes(collection, read_with_lightrag, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(collection, copy)
    before = {path.name: path.stat().st_ino for path in copy.iterdir()}
    read_with_lightrag(copy, "--save")
    assert sorted(before) == sorted(path.name for path in copy.iterdir())
    for path in sorted(copy.iterdir()):
        assert path.stat().st_ino != before[path.name], f"{path.name} was not written again"
        ours, theirs = (collection / path.name).read_bytes(), path.read_bytes()
        if path.name.startswith("vdb_"):  # the matrix is normalised again by a load, which moves last bits
            ours, theirs = (data[:data.rindex(b'"matrix": "')] for data in (ours, theirs))
            assert len(ours) > 1000
        assert ours == theirs, path.name


def references(collection):
    """(what, the ids that are named, the ids that exist)"""
    chunks, cache = load(collection, "text_chunks"), load(collection, "llm_response_cache")
    entities, relations = load(collection, "entity_chunks"), load(collection, "relation_chunks")
    documents = load(collection, "full_docs")
    yield "llm_cache_list", {key for row in chunks.values() for key in row["llm_cache_list"]}, cache
    yield "full_doc_id", {row["full_doc_id"] for row in chunks.values()}, documents
    yield "chunk_id", {row["chunk_id"] for row in cache.values()} - {None}, chunks
    yield "chunk_ids", {c for rows in (entities, relations) for row in rows.values() for c in row["chunk_ids"]}, chunks
    status = load(collection, "doc_status").values()
    yield "chunks_list", {c for row in status for c in row.get("chunks_list", [])}, chunks
    yield "entity_names", {n for r in load(collection, "full_entities").values() for n in r["entity_names"]}, entities
    pairs = [p for r in load(collection, "full_relations").values() for p in r["relation_pairs"]]
    yield "relation_pairs", {"<SEP>".join(pair) for pair in pairs}, relations


def test_everything_named_exists(collection):
    for what, named, existing in references(collection):
        assert named, f"{what} names nothing"
        assert not named - set(existing), what
    for row in load(collection, "text_chunks").values():
        assert row["content"] in load_document(collection, row["full_doc_id"])


_documents = {}


def load_document(collection, doc_id):
    if collection not in _documents:
        _documents[collection] = {key: row["content"] for key, row in load(collection, "full_docs").items()}
    return _documents[collection][doc_id]


def test_same_seed_same_bytes(run_python, tmp_path):
    first = digest(generated(run_python, tmp_path / "a", "--seed", "5"))
    assert first == digest(generated(run_python, tmp_path / "b", "--seed", "5", "--jobs", "1"))
    other = digest(generated(run_python, tmp_path / "c", "--seed", "6"))
    assert not set(first.values()) & set(other.values())


def test_variants_for_importers(run_python, read_with_lightrag, tmp_path):
    plain = generated(run_python, tmp_path / "plain")
    old = generated(run_python, tmp_path / "old", "--matrix-first", "--legacy-cache", "--no-write-seq")
    assert (old / "vdb_chunks.json").read_bytes().startswith(b'{"embedding_dim": 32, "matrix": "')
    for space in ("chunks", "entities", "relationships"):
        ours, theirs = (json.loads((folder / f"vdb_{space}.json").read_text()) for folder in (plain, old))
        assert ours["matrix"] == theirs["matrix"]
        assert theirs["data"] == [{k: v for k, v in r.items() if k != "__write_seq__"} for r in ours["data"]]
    modes = {key.split(":")[0] for key in load(plain, "llm_response_cache")}
    assert set(load(old, "llm_response_cache")) == modes and len(modes) > 1
    assert all(re.fullmatch("[0-9a-f]{32}", key) for key in load(old, "llm_response_cache")["default"])
    copy = tmp_path / "copy"
    shutil.copytree(old, copy)
    migrated = read_with_lightrag(copy)
    assert migrated["counts"] == read_with_lightrag(plain)["counts"]
    assert load(copy, "llm_response_cache").keys() == load(plain, "llm_response_cache").keys()


def test_latin_keeps_within_one_byte(run_python, tmp_path):
    highest = [max(path.read_text(encoding="utf-8")) for path in generated(run_python, tmp_path, "--latin").iterdir()]
    assert len(highest) == 12 and max(highest) <= "\u00ff"


def test_the_committed_sample_is_the_generator_s(run_python, tmp_path):
    sample = pathlib.Path(__file__).resolve().parents[1] / "data" / "mini"
    run_python("bench/generate.py", tmp_path / "mini", "--scale", "0.0002", "--dim", "32")
    assert digest(sample) == digest(tmp_path / "mini")
