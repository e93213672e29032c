"""What LightRAG asks of a storage, point by point: b01 to b60 are the conformance list of its contract (README.md of this
folder says what each is, and which tests cover the traps)."""
import asyncio
import json
import math
import os
import signal
import subprocess
import sys
import threading

import lightrag.kg as kg
import numpy as np
import pytest
from lightrag import LightRAG
from lightrag.base import (CURSOR_END, CURSOR_START, BaseVectorStorage, CursorAfter, DocProcessingStatus, DocStatus,
                           DocStatusStorage, SourceAbsent, SourceConflict, SourceUnique)
from lightrag.exceptions import (SourceConflictRepairCASError, StorageControlPlaneError, StorageNotInitializedError,
                                 StorageRecordNotFoundError)
from lightrag.kg.factory import get_storage_class
from lightrag.utils import compute_mdhash_id
from lightrag.types import KnowledgeGraph

import ragstore.lightrag as ours
from lightrag_support import DIMENSION, KINDS, OURS, Embedder, configuration, make, opened, run
from ragstore import _native
from ragstore.lightrag import share

NAMES = [storage.__name__ for storage in ours.KINDS.values()]
EVERY = list(KINDS)


def using(kind, **options):
    """A test that gets an open storage of ours: async function(storage, folder)."""
    def decorate(function):
        def test(tmp_path):
            async def work():
                async with opened(kind, OURS, tmp_path, **options) as storage:
                    await function(storage, tmp_path)

            run(work())

        test.__name__, test.__doc__ = function.__name__, function.__doc__
        return test

    return decorate


def native(folder, workspace=""):
    """Another handle on the store of a test."""
    return _native.Store(f"embedded:{folder}/ragstore", workspace=workspace)


def process(script, *arguments, **options):
    """A Python of its own that runs `script`, beside this folder."""
    return subprocess.Popen([sys.executable, "-c", script, *map(str, arguments)], stdout=subprocess.PIPE, text=True,
                            cwd=os.path.dirname(__file__), **options)


# ---- registration and construction -----------------------------------------------------------------------------------


def test_b01_unknown_names_and_missing_environment(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="RagstoreKVStorage"):
        kg.verify_storage_implementation("KV_STORAGE", "NoSuchStorage")
    for kind, storage in ours.KINDS.items():
        kg.verify_storage_implementation(kind, storage.__name__)
        assert kg.STORAGE_ENV_REQUIREMENTS[storage.__name__] == []


def test_b02_registered_and_found_by_the_factory():
    before = json.dumps([kg.STORAGE_IMPLEMENTATIONS, kg.STORAGES])
    ours.register()
    assert json.dumps([kg.STORAGE_IMPLEMENTATIONS, kg.STORAGES]) == before
    for kind, storage in ours.KINDS.items():
        assert kg.STORAGE_IMPLEMENTATIONS[kind]["implementations"].count(storage.__name__) == 1
        assert get_storage_class(storage.__name__) is storage


@pytest.mark.parametrize("kind", EVERY)
def test_b03_a_constructor_opens_nothing_and_starts_nothing(tmp_path, kind):
    threads = threading.active_count()
    files = set(os.listdir("/proc/self/fd"))
    storage = make(kind, OURS, tmp_path / "not there")
    assert not (tmp_path / "not there").exists() and threading.active_count() == threads
    assert set(os.listdir("/proc/self/fd")) == files
    assert storage.namespace and storage.global_config and storage.workspace == "" and storage.embedding_func


@pytest.mark.parametrize("kind", EVERY)
@pytest.mark.parametrize("workspace", ["", "a b", "ключ東京", "[v2]*?%"])
def test_b04_workspaces_are_apart(tmp_path, kind, workspace):
    async def work():
        async with opened(kind, OURS, tmp_path, workspace=workspace) as storage:
            await fill(kind, storage)
        async with opened(kind, OURS, tmp_path, workspace="another") as storage:
            assert await count(kind, storage) == 0
            await storage.drop()
        async with opened(kind, OURS, tmp_path, workspace=workspace) as storage:
            assert await count(kind, storage) == 1

    run(work())


@pytest.mark.parametrize("kind", EVERY)
@pytest.mark.parametrize("workspace", ["a/b", "..", ".", "a\\b"])
def test_b04_paths_are_no_workspaces(tmp_path, kind, workspace):
    with pytest.raises(ValueError):
        make(kind, OURS, tmp_path, workspace=workspace)


async def fill(kind, storage, key="a"):
    if kind == "graph":
        await storage.upsert_node(key, {"entity_id": key})
    else:
        await storage.upsert({key: {"content": "text", "entity_name": key, "status": "failed", "created_at": "2026"}})
        await storage.index_done_callback()


async def count(kind, storage):
    if kind == "graph":
        return len(await storage.get_all_labels())
    if kind == "vector":
        return len((await storage.client_storage)["data"])
    return 0 if await storage.is_empty() else 1


@pytest.mark.parametrize("kind", EVERY)
def test_b05_empty_storages_are_true(tmp_path, kind):
    assert make(kind, OURS, tmp_path) and not hasattr(KINDS[kind][OURS], "__len__")


def test_b06_no_threshold_is_refused(tmp_path):
    with pytest.raises(ValueError, match="cosine_better_than_threshold"):
        make("vector", OURS, tmp_path, threshold=None)


@pytest.mark.parametrize("kind", EVERY)
def test_b07_initialize_twice_finalize_without(tmp_path, kind):
    async def work():
        await make(kind, OURS, tmp_path).finalize()
        storage = make(kind, OURS, tmp_path)
        await storage.initialize()
        await storage.initialize()
        await fill(kind, storage)
        assert await storage.drop() == {"status": "success", "message": "data dropped"}
        await storage.initialize()
        assert await count(kind, storage) == 0
        await fill(kind, storage)
        await storage.finalize()
        await storage.finalize()
        assert not share._shares, "somebody still has the store open"

    run(work())


@pytest.mark.parametrize("kind", EVERY)
def test_b08_before_initialize_and_after_finalize_everything_raises(tmp_path, kind):
    async def work():
        storage = make(kind, OURS, tmp_path)
        for _ in range(2):
            with pytest.raises(StorageNotInitializedError):
                await fill(kind, storage)
            with pytest.raises(StorageNotInitializedError):
                await storage.index_done_callback()
            await storage.initialize()
            await storage.finalize()

    run(work())


# ---- values ----------------------------------------------------------------------------------------------------------


@using("kv")
async def test_b09_places_are_kept_and_results_are_copies(storage, folder):
    await storage.upsert({"a": {"list": [1], "deep": {"x": [{}]}}})
    rows = await storage.get_by_ids(["a", "missing", "a"])
    assert [row and row["_id"] for row in rows] == ["a", None, "a"] and rows[0] == rows[2]
    rows[0]["list"].append(2)
    rows[0]["deep"]["x"][0]["y"] = 1
    assert (await storage.get_by_id("a"))["list"] == [1] == rows[2]["list"]
    assert (await storage.get_by_id("a"))["deep"] == {"x": [{}]}


@using("kv")
async def test_b10_a_value_is_replaced_and_stamped(storage, folder):
    row = {"old": 1}
    await storage.upsert({"a": row})
    assert row == {"old": 1}, "the caller's dict was changed"
    first = await storage.get_by_id("a")
    assert first["_id"] == "a" and isinstance(first["create_time"], int) and first["create_time"] == first["update_time"]
    await storage.upsert({"a": {"new": 2, "_id": "wrong", "update_time": 5, "create_time": 5}})
    second = await storage.get_by_id("a")
    assert "old" not in second and second["_id"] == "a"
    assert second["create_time"] == first["create_time"] and second["update_time"] >= first["update_time"]
    await storage.upsert({})


@using("kv", namespace="text_chunks")
async def test_b11_chunks_have_a_list_of_cache_keys(storage, folder):
    await storage.upsert({"a": {"content": "x"}, "b": {"llm_cache_list": ["k"]}})
    assert [row["llm_cache_list"] for row in await storage.get_by_ids(["a", "b"])] == [[], ["k"]]


@using("kv")
async def test_b12_filter_keys(storage, folder):
    await storage.upsert({"a": {"x": 1}})
    for kind in (set, list, tuple, iter):
        assert await storage.filter_keys(kind(["a", "b"])) == {"b"}
    assert await storage.filter_keys(set()) == set()
    assert await storage.filter_keys({f"k{i}" for i in range(1000)} | {"a"}) == {f"k{i}" for i in range(1000)}


@using("kv")
async def test_b13_delete_and_is_empty(storage, folder):
    await storage.upsert({"a": {"x": 1}, "b": {"x": 1}})
    await storage.delete({"a", "absent"})
    await storage.delete([])
    assert await storage.get_by_ids(["a", "b"]) != [None, None] and not await storage.is_empty()
    await storage.drop()
    assert await storage.is_empty()


def test_b14_drop_is_durable_and_touches_nothing_else(tmp_path):
    async def work():
        async with opened("kv", OURS, tmp_path) as storage, \
                opened("kv", OURS, tmp_path, namespace="text_chunks") as other, \
                opened("kv", OURS, tmp_path, workspace="w") as elsewhere:
            for one in (storage, other, elsewhere):
                await one.upsert({"a": {"x": 1}})
            for _ in range(2):
                assert await storage.drop() == {"status": "success", "message": "data dropped"}
            about = native(tmp_path).describe()[0]
            assert about["durable_token"] == about["token"], "what was dropped is not safe from a power cut"
            assert await storage.is_empty() and not await other.is_empty() and not await elsewhere.is_empty()

    run(work())


@using("kv")
async def test_b15_values_come_back_as_they_were(storage, folder):
    value = {"list": [1, [2, {"x": None}], []], "dict": {"a": {"b": {}}}, "null": None, "yes": True, "no": False, "i": 1,
             "f": 1.0, "small": 5e-324, "large": 1.7976931348623157e308, "max": 2**63 - 1, "min": -2**63, "huge": 10**30,
             "text": "\x00\x01\u2028\ufeff\U0010ffff é \"'\\/", "ключ": "東京"}
    await storage.upsert({"a": value})
    row = await storage.get_by_id("a")
    got = {name: row[name] for name in value}
    assert got == value and json.dumps(got) == json.dumps(value), "a number changed its type"
    await storage.upsert({"b": {"half": "a\ud800b", "list": ["\udfff"]}})
    row = await storage.get_by_id("b")
    assert row["half"] == "ab" and row["list"] == [""], "half a surrogate pair is stripped, as by LightRAG's flush"


@using("kv")
async def test_b16_strict_reads_answer_or_raise(storage, folder):
    assert storage.supports_strict_point_reads and await storage.get_by_id_strict("a") is None
    await storage.upsert({"a": {"x": 1}})
    assert (await storage.get_by_id_strict("a"))["x"] == 1
    held, storage._share = storage._share, None
    with pytest.raises(StorageNotInitializedError):
        await storage.get_by_id_strict("a")
    storage._share = held


@using("kv")
async def test_b17_any_text_is_a_key(storage, folder):
    keys = ["default:extract:0" * 8, "a<SEP>b", "a b", "../../x", "x" * 600, "👩‍👩‍👧", "é", "e\u0301", "%00", "\x00", "\n"]
    await storage.upsert({key: {"number": i} for i, key in enumerate(keys)})
    assert [row["number"] for row in await storage.get_by_ids(keys)] == list(range(len(keys)))


def test_b18_old_nested_caches_are_flat_after_the_import(tmp_path, ragstore_command):
    entry = {"return": "x", "cache_type": "extract", "chunk_id": None, "original_prompt": "p", "queryparam": None}
    files = tmp_path / "rag_storage"
    files.mkdir()
    (files / "kv_store_llm_response_cache.json").write_text(json.dumps({"default": {"0123": entry, "4567": entry}}))
    subprocess.run([ragstore_command, "import", files], check=True, capture_output=True)

    async def work():
        async with opened("kv", OURS, files, namespace="llm_response_cache") as storage:
            row = await storage.get_by_id("default:extract:0123")
            assert row["return"] == "x" and await storage.get_by_id("default") is None

    run(work())


@using("kv")
async def test_b19_hundreds_of_tasks(storage, folder):
    async def write(i):
        await storage.upsert({f"{i}-{part}": {"round": 0} for part in range(10)})
        await storage.upsert({f"{i}-{part}": {"round": 1} for part in range(10)})

    async def read(i):
        rows = await storage.get_by_ids([f"{i}-{part}" for part in range(10)])
        assert len({row and row["round"] for row in rows}) == 1, "half a batch was seen"

    await asyncio.gather(*(task for i in range(200) for task in (write(i), read(i), read(i))))
    rows = await storage.get_by_ids([f"{i}-{part}" for i in range(200) for part in range(10)])
    assert all(row["round"] == 1 for row in rows)


# ---- vectors ---------------------------------------------------------------------------------------------------------


def vector_test(function):
    """A test that gets an open vector storage of ours, and its embedder: async function(storage, embedder)."""
    def test(tmp_path):
        async def work():
            embedder = Embedder()
            async with opened("vector", OURS, tmp_path, embedder=embedder) as storage:
                await function(storage, embedder)

        run(work())

    test.__name__, test.__doc__ = function.__name__, function.__doc__
    return test


def rows_of(n, text="text"):
    return {f"id-{i:03}": {"content": f"{text} {i}", "entity_name": f"e{i}"} for i in range(n)}


@vector_test
async def test_b20_embedded_once_and_late(storage, embedder):
    await storage.upsert(rows_of(25))
    await storage.upsert({"id-000": {"content": "newer", "entity_name": "e0"}})
    assert embedder.calls == 0
    await storage.index_done_callback()
    assert embedder.calls == math.ceil(25 / 10) and len(embedder.texts) == 25
    assert "newer" in embedder.texts and "text 0" not in embedder.texts
    assert all(context == "document" for context, _ in embedder.contexts)
    await storage.index_done_callback()
    assert embedder.calls == 3


@vector_test
async def test_b21_what_is_seen_before_the_flush(storage, embedder):
    query = Embedder().vector("text 0")
    await storage.upsert(rows_of(1))
    assert (await storage.get_by_id("id-000"))["entity_name"] == "e0"
    assert (await storage.get_by_ids(["x", "id-000"]))[1]["id"] == "id-000"
    assert await storage.query("", 5, query_embedding=query) == []
    await storage.index_done_callback()
    assert len(await storage.query("", 5, query_embedding=query)) == 1
    await storage.delete(["id-000"])
    assert await storage.get_by_id("id-000") is None and await storage.get_vectors_by_ids(["id-000"]) == {}
    assert len(await storage.query("", 5, query_embedding=query)) == 1
    await storage.index_done_callback()
    assert await storage.query("", 5, query_embedding=query) == []


@vector_test
async def test_b22_vectors_of_pending_rows_are_embedded_once_and_kept(storage, embedder):
    await storage.upsert(rows_of(25))
    found = await storage.get_vectors_by_ids(["id-003", "id-004", "absent"])
    assert found.keys() == {"id-003", "id-004"} and embedder.texts == ["text 3", "text 4"]
    assert np.allclose(found["id-003"], embedder.vector("text 3"), atol=1e-2)
    assert await storage.get_vectors_by_ids(["id-003"]) == {"id-003": found["id-003"]} and len(embedder.texts) == 2
    await storage.index_done_callback()
    assert sorted(embedder.texts) == sorted(f"text {i}" for i in range(25))


@vector_test
async def test_b23_delete_and_upsert_in_either_order(storage, embedder):
    await storage.upsert(rows_of(2))
    await storage.index_done_callback()
    await storage.delete(["id-000"])
    await storage.upsert({"id-000": {"content": "new", "entity_name": "new"}})
    await storage.upsert({"id-001": {"content": "new", "entity_name": "new"}})
    await storage.delete(["id-001"])
    await storage.index_done_callback()
    assert [row["entity_name"] for row in (await storage.client_storage)["data"]] == ["new"]
    assert (await storage.get_by_id("id-000"))["entity_name"] == "new" and await storage.get_by_id("id-001") is None


@vector_test
async def test_b24_a_failing_embedder_loses_nothing(storage, embedder):
    await storage.upsert(rows_of(3))
    embedder.fail = RuntimeError("the model is away")
    with pytest.raises(Exception, match="the model is away"):
        await storage.index_done_callback()
    embedder.fail, embedder.drop = None, 1
    with pytest.raises(Exception, match="2 vectors"):
        await storage.index_done_callback()
    embedder.drop = 0
    await storage.index_done_callback()
    assert len((await storage.client_storage)["data"]) == 3


@vector_test
async def test_b25_queries(storage, embedder):
    assert await storage.query("text 1", 5) == []
    assert embedder.contexts == [("query", {"_priority": 5})]
    await storage.upsert(rows_of(30))
    await storage.index_done_callback()
    hits = await storage.query("text 7", 1000)
    scores = [hit["distance"] for hit in hits]
    assert hits[0]["id"] == "id-007" and scores == sorted(scores, reverse=True)
    assert all(hit["distance"] >= storage.cosine_better_than_threshold for hit in hits)
    vector = embedder.vector("text 7")
    for query in (vector, vector.tolist(), vector.astype(np.float64), vector * 1e3):
        assert [hit["id"] for hit in await storage.query("", 1000, query_embedding=query)] == [hit["id"] for hit in hits]
    assert len(await storage.query("text 7", 2)) == min(2, len(hits))
    storage.cosine_better_than_threshold = hits[1]["distance"]
    assert len(await storage.query("text 7", 1000)) == 2, "the threshold itself is near enough"


@vector_test
async def test_b26_only_meta_fields_survive(storage, embedder):
    await storage.upsert({"a": {"content": "c", "entity_name": "n", "source_id": "s", "file_path": "f", "description": "d",
                                "entity_type": "t", "weight": 1.0}})
    await storage.index_done_callback()
    fields = {"content", "entity_name", "source_id", "file_path", "id", "created_at"}
    hit, = await storage.query("c", 1)
    for row, more in ((await storage.get_by_id("a"), set()), (hit, {"distance"})):
        assert row.keys() == fields | more and isinstance(row["created_at"], int) and row["id"] == "a"


@vector_test
async def test_b27_a_zero_vector_poisons_nothing(storage, embedder):
    await storage.upsert({"z": {"content": "zero"}, "a": {"content": "text"}})
    await storage.index_done_callback()
    assert [hit["id"] for hit in await storage.query("text", 5)] == ["a"]
    assert await storage.get_by_id("z") and not any((await storage.get_vectors_by_ids(["z"]))["z"])


@vector_test
async def test_b28_dropping_what_is_pending(storage, embedder):
    await storage.upsert(rows_of(2))
    await storage.index_done_callback()
    await storage.upsert({"id-000": {"content": "x", "entity_name": "changed"}, "new": {"content": "y"}})
    await storage.delete(["id-001"])
    await storage.drop_pending_index_ops()
    rows = await storage.get_by_ids(["id-000", "id-001", "new"])
    assert [row and row.get("entity_name") for row in rows] == ["e0", "e1", None]
    await storage.index_done_callback()
    assert embedder.calls == 1


def test_b29_deleting_by_name_reaches_what_is_pending(tmp_path):
    async def work():
        async with opened("vector", OURS, tmp_path) as entities, \
                opened("vector", OURS, tmp_path, namespace="relationships") as relations:
            ids = [compute_mdhash_id(name, prefix="ent-") for name in ("A", "B")]
            for flushed in (True, False):
                await entities.upsert({ids[0]: {"content": "A", "entity_name": "A"}, ids[1]: {"content": "B", "entity_name": "B"}})
                await relations.upsert({"r1": {"content": "1", "src_id": "A", "tgt_id": "B"},
                                        "r2": {"content": "2", "src_id": "C", "tgt_id": "A"},
                                        "r3": {"content": "3", "src_id": "B", "tgt_id": "C"}})
                if flushed:
                    await entities.index_done_callback()
                    await relations.index_done_callback()
                await entities.delete_entity("A")
                await entities.delete_entity("nobody")
                await relations.delete_entity_relation("A")
                assert [row is None for row in await entities.get_by_ids(ids)] == [True, False]
                assert [row is None for row in await relations.get_by_ids(["r1", "r2", "r3"])] == [True, True, False]
                await entities.index_done_callback()
                assert [row is None for row in await entities.get_by_ids(ids)] == [True, False]
            held, entities._share = entities._share, None
            with pytest.raises(StorageNotInitializedError):
                await entities.delete_entity("A")
            entities._share = held

    run(work())


def test_b30_finalize_flushes_and_says_what_waits(tmp_path):
    async def work():
        embedder = Embedder()
        storage = make("vector", OURS, tmp_path, embedder=embedder)
        await storage.initialize()
        await storage.upsert(rows_of(2))
        embedder.fail = RuntimeError("the model is away")
        with pytest.raises(RuntimeError, match="2 rows .*the model is away"):
            await storage.finalize()
        assert not share._shares, "the store is still open"
        embedder.fail = None
        await storage.initialize()
        await storage.finalize()  # takes what the other one left
        await storage.initialize()
        assert len((await storage.client_storage)["data"]) == 2
        await storage.finalize()

    run(work())


def test_b31_another_dimension_or_model_is_refused(tmp_path):
    async def work():
        async with opened("vector", OURS, tmp_path) as storage:
            await fill("vector", storage)
        for embedder, message in ((Embedder(dimension=8), "8"), (Embedder(model="another"), "another")):
            with pytest.raises(_native.MismatchError, match=message):
                await make("vector", OURS, tmp_path, embedder=embedder).initialize()
        assert not share._shares

    run(work())


@vector_test
async def test_b32_order_and_gaps(storage, embedder):
    await storage.upsert(rows_of(3))
    rows = await storage.get_by_ids(["id-002", "x", "id-000", "id-002"])
    assert [row and row["id"] for row in rows] == ["id-002", None, "id-000", "id-002"] and rows[0] is not rows[3]
    assert await storage.get_by_ids([]) == [] and await storage.get_vectors_by_ids([]) == {}


# ---- graph -----------------------------------------------------------------------------------------------------------


@using("graph")
async def test_b33_edges_have_no_direction(graph, folder):
    await graph.upsert_edge("b", "a", {"weight": 1.0})
    assert await graph.get_edge("a", "b") == await graph.get_edge("b", "a") == {"weight": 1.0}
    assert await graph.has_edge("a", "b") and await graph.has_edge("b", "a")
    both = await graph.get_edges_batch([{"src": "a", "tgt": "b"}, {"src": "b", "tgt": "a"}])
    assert both == {("a", "b"): {"weight": 1.0}, ("b", "a"): {"weight": 1.0}} and both["a", "b"] is not both["b", "a"]


@using("graph")
async def test_b34_attributes_are_merged(graph, folder):
    await graph.upsert_node("a", node_data={"x": 1, "y": 1})
    await graph.upsert_node("a", {"y": 2, "z": 3})
    assert await graph.get_node("a") == {"x": 1, "y": 2, "z": 3}
    await graph.upsert_edge("a", "b", edge_data={"x": 1, "y": 1})
    await graph.upsert_edge("b", "a", {"y": 2})
    assert await graph.get_edge("a", "b") == {"x": 1, "y": 2} and len(await graph.get_all_edges()) == 1


@using("graph")
async def test_b35_no_edges_no_node_no_answer(graph, folder):
    await graph.upsert_node("a", {})
    await graph.upsert_edge("b", "c", {})
    assert await graph.get_node_edges("a") == [] and await graph.get_node_edges("x") is None
    assert await graph.get_node_edges("b") == [("b", "c")] and await graph.get_node_edges("c") == [("c", "b")]
    held, graph._share = graph._share, None
    with pytest.raises(StorageNotInitializedError):
        await graph.get_node_edges("a")
    graph._share = held


@using("graph")
async def test_b36_deleting(graph, folder):
    await graph.upsert_edges_batch([("a", "b", {}), ("b", "c", {}), ("c", "d", {})])
    await graph.delete_node("b")
    await graph.delete_node("nobody")
    assert await graph.get_all_labels() == ["a", "c", "d"] and not await graph.has_edge("a", "b")
    await graph.remove_edges([("d", "c"), ("x", "y")])
    assert await graph.get_all_edges() == []
    await graph.remove_nodes(["a", "nobody"])
    assert await graph.get_all_labels() == ["c", "d"]


@using("graph")
async def test_b37_degrees(graph, folder):
    await graph.upsert_edges_batch([("a", "b", {}), ("b", "a", {}), ("a", "c", {}), ("s", "s", {})])
    assert [await graph.node_degree(name) for name in "abcsx"] == [2, 1, 1, 2, 0]
    assert await graph.edge_degree("a", "x") == 2 and await graph.edge_degree("a", "b") == 3


@using("graph")
async def test_b38_batches_equal_singles(graph, folder):
    await graph.upsert_nodes_batch([("a", {"x": 1}), ("a", {"x": 2}), ("lonely", {})])
    await graph.upsert_edges_batch([("a", f"n{i}", {"i": i}) for i in range(50)])
    names = ["a", "lonely", "absent", *(f"n{i}" for i in range(50)), "a"]
    pairs = [("a", name) for name in names]
    assert await graph.get_nodes_batch(names) == {n: node for n in names if (node := await graph.get_node(n)) is not None}
    assert await graph.node_degrees_batch(names) == {n: await graph.node_degree(n) for n in names}
    assert await graph.has_nodes_batch(names) == {n for n in names if await graph.has_node(n)}
    assert await graph.edge_degrees_batch(pairs) == {p: await graph.edge_degree(*p) for p in pairs}
    assert await graph.get_edges_batch([{"src": a, "tgt": b} for a, b in pairs]) == {
        p: edge for p in pairs if (edge := await graph.get_edge(*p)) is not None}
    assert await graph.get_nodes_edges_batch(names) == {n: await graph.get_node_edges(n) or [] for n in names}
    assert await graph.get_nodes_batch([]) == {} and await graph.get_edges_batch([]) == {}


@using("graph")
async def test_b39_views(graph, folder):
    await graph.upsert_edges_batch([("R", "Z", {}), ("R", "A", {}), ("R", "H", {}), ("Z", "far", {})])
    wide = await graph.get_knowledge_graph("R", max_depth=1, max_nodes=10)
    assert isinstance(wide, KnowledgeGraph) and {n.id for n in wide.nodes} == {"R", "Z", "A", "H"} and not wide.is_truncated
    narrow = await graph.get_knowledge_graph("R", 1, 3)
    assert {n.id for n in narrow.nodes} == {"R", "Z", "A"} and narrow.is_truncated, "Z has two edges, A comes before H"
    assert {(e.id, e.type, e.source, e.target) for e in narrow.edges} == {
        ("R-Z", "DIRECTED", "R", "Z"), ("A-R", "DIRECTED", "A", "R")}
    top = await graph.get_knowledge_graph("*", max_nodes=2)
    assert [n.id for n in top.nodes] == ["R", "Z"] and top.is_truncated and len(top.edges) == 1
    assert (await graph.get_knowledge_graph("absent")).nodes == []
    graph.global_config["max_graph_nodes"] = 2
    for cap in (None, 100):
        assert len((await graph.get_knowledge_graph("R", 3, cap)).nodes) == 2


@using("graph")
async def test_b40_popular_labels_and_search(graph, folder):
    await graph.upsert_nodes_batch([(name, {}) for name in ("lonely", "Alice", "Sally Ali", "x_ali")])
    await graph.upsert_edges_batch([("hub", f"n{i}", {}) for i in range(3)])
    assert await graph.get_popular_labels() == ["hub", "n0", "n1", "n2", "Alice", "Sally Ali", "lonely", "x_ali"]
    assert await graph.get_popular_labels(2) == ["hub", "n0"]
    assert await graph.search_labels("ali") == ["Alice", "x_ali", "Sally Ali"]
    assert await graph.search_labels("ALI", 1) == ["Alice"] and await graph.search_labels(" \t") == []


def test_b41_attributes_keep_their_types(tmp_path):
    value = {"int": 1, "float": 1.0, "bool": True, "empty": "", "max": 2**63 - 1, "text": "a<SEP>b & <c>\n"}

    async def work():
        async with opened("graph", OURS, tmp_path) as graph:
            await graph.upsert_node("a", value)
        async with opened("graph", OURS, tmp_path) as graph:
            got = await graph.get_node("a")
            assert got == value and {k: type(v) for k, v in got.items()} == {k: type(v) for k, v in value.items()}

    run(work())


@pytest.mark.parametrize("bad", [None, [1], {"a": 1}, math.nan, 2**64, "a\x00b", "\ud800"])
def test_b42_refused_before_anything_is_changed(tmp_path, bad):
    async def work():
        async with opened("graph", OURS, tmp_path) as graph:
            for call in (graph.upsert_node("a", {"x": bad}), graph.upsert_edge("a", "b", {"x": bad}),
                         graph.upsert_nodes_batch([("ok", {}), ("a", {"x": bad})]),
                         graph.upsert_edges_batch([("ok", "ok2", {}), ("a", "b", {"x": bad})])):
                with pytest.raises(ValueError):
                    await call
            await asyncio.gather(*(graph.upsert_node(f"n{i}", {"x": bad if i == 3 else 1}) for i in range(6)),
                                 return_exceptions=True)
            assert await graph.get_all_labels() == ["n0", "n1", "n2", "n4", "n5"], "writes that came together fail alone"

    run(work())


@using("graph")
async def test_b43_lists_of_everything(graph, folder):
    await graph.upsert_node("a", {"x": 1})
    await graph.upsert_edge("b", "a", {"w": 2.0})
    assert await graph.get_all_nodes() == [{"x": 1, "id": "a"}, {"id": "b"}]
    assert await graph.get_all_edges() == [{"w": 2.0, "source": "b", "target": "a"}]


@pytest.mark.parametrize("kind", EVERY)
def test_b44_a_sync_that_fails_raises(tmp_path, kind, monkeypatch):
    async def work():
        async with opened(kind, OURS, tmp_path) as storage:
            def fail(*_):
                raise _native.InputOutputError("the disk is gone")

            await fill(kind, storage)
            await (storage.drop_pending_index_ops() if kind == "vector" else storage.delete(["a"]) if kind != "graph" else
                   storage.upsert_node("b", {}))
            with monkeypatch.context() as patch:
                patch.setattr(share.Share, "_flush", fail)
                with pytest.raises(OSError, match="the disk is gone"):
                    await storage.index_done_callback()
            await storage.index_done_callback()

    run(work())


@using("graph")
async def test_b45_reads_during_writes_are_whole(graph, folder):
    async def write(i):
        await graph.upsert_edges_batch([("hub", f"{i}-{part}", {}) for part in range(10)])
        await graph.index_done_callback()

    async def read():
        assert await graph.node_degree("hub") % 10 == 0 and len(await graph.get_node_edges("hub") or []) % 10 == 0
        assert len((await graph.get_knowledge_graph("hub", 1, 1000)).edges) % 10 == 0

    await asyncio.gather(*(task for i in range(50) for task in (write(i), read())))
    assert await graph.node_degree("hub") == 500


# ---- document status -------------------------------------------------------------------------------------------------


def document(status="pending", created="2026-01-01", path="f.txt", **more):
    return {"status": status, "content_summary": "s", "content_length": 1, "created_at": created, "updated_at": created,
            "file_path": path, **more}


@using("doc_status")
async def test_b46_counts(docs, folder):
    await docs.upsert({"a": document("pending"), "b": document(DocStatus.PROCESSED), "c": document("processed")})
    counts = await docs.get_status_counts()
    assert counts == {**{status.value: 0 for status in DocStatus}, "pending": 1, "processed": 2}
    assert await docs.get_all_status_counts() == {**counts, "all": 3}


@using("doc_status")
async def test_b47_pages(docs, folder):
    await docs.upsert({f"d{i:02}": document("pending" if i % 2 else "failed", f"2026-01-{i + 1:02}") for i in range(25)})
    rows, total = await docs.get_docs_paginated(page=0, page_size=1)
    assert total == 25 and [doc_id for doc_id, _ in rows] == [f"d{i:02}" for i in range(24, 14, -1)], "page 1 of 10, newest first"
    assert all(isinstance(row, DocProcessingStatus) and row.chunks_list == [] for _, row in rows)
    rows, total = await docs.get_docs_paginated(status_filter=DocStatus.FAILED, status_filters=[DocStatus.PENDING], page=2,
                                                page_size=10, sort_field="id", sort_direction="asc")
    assert total == 12 and [doc_id for doc_id, _ in rows] == ["d21", "d23"]
    assert (await docs.get_docs_paginated(status_filters=[], page_size=999))[1] == 25
    assert await docs.get_docs_paginated(page=9) == ([], 25)

    async def change(i):
        await docs.update_doc_status_fields(f"d{i:02}", {"updated_at": f"2026-02-{i + 1:02}"})

    async def read():
        rows, total = await docs.get_docs_paginated(page_size=200)
        assert total == len(rows) == len({doc_id for doc_id, _ in rows}) == 25

    await asyncio.gather(*(task for i in range(25) for task in (change(i), read())))


async def sweep(docs, statuses, limit):
    position, found = CURSOR_START, []
    while position is not CURSOR_END:
        page = await docs.get_docs_by_statuses_page(statuses, limit=limit, position=position, strict=True)
        found.append(list(page.docs))
        position = page.next_position
    return found


@using("doc_status")
async def test_b48_sweeps(docs, folder):
    both = [DocStatus.PENDING, DocStatus.FAILED]
    await docs.upsert({"b": document("pending", "2026-01-01"), "a": document("failed", "2026-01-02"),
                       "c": document("pending", "2026-01-02"), "e": document("pending", "2026-01-04"), "x": document("processed")})
    assert [one for page in await sweep(docs, both, 2) for one in page] == ["b", "a", "c", "e"]
    assert [one for page in await sweep(docs, both, 1) for one in page] == ["b", "a", "c", "e"]
    first = await docs.get_docs_by_statuses_page(both, limit=2)
    assert list(first.docs) == ["b", "a"] and isinstance(first.next_position, CursorAfter)
    await docs.upsert({"0": document("pending", "2025-01-01"), "d": document("failed", "2026-01-03")})
    rest = await docs.get_docs_by_statuses_page(both, limit=100, position=first.next_position)
    assert list(rest.docs) == ["c", "d", "e"] and rest.next_position is CURSOR_END, "what is behind the cursor is not seen again"
    assert (await docs.get_docs_by_statuses_page([], limit=1)).next_position is CURSOR_END
    assert (await docs.get_docs_by_statuses_page(both, limit=1, position=CURSOR_END)).docs == {}
    with pytest.raises(ValueError):
        await docs.get_docs_by_statuses_page(both, limit=0)
    for cursor in ("nonsense", "", "AAAA", "é"):
        with pytest.raises(StorageControlPlaneError):
            await docs.get_docs_by_statuses_page(both, limit=1, position=CursorAfter(cursor))
    await docs.upsert({"undated": {"status": "pending", "file_path": "f"}})
    page = await docs.get_docs_by_statuses_page(both, limit=1)
    assert page.docs == {} and page.next_position is not CURSOR_END, "a row without created_at is consumed, first of all"


@using("doc_status")
async def test_b49_strict_and_relaxed(docs, folder):
    await docs.upsert({"good": document(), "bad": {"status": "pending", "created_at": "2026", "file_path": "bad"},
                       "worse": {"status": "pending", "file_path": "worse"}})
    pending = [DocStatus.PENDING]
    assert list(await docs.get_docs_by_statuses(pending)) == ["good"]
    assert list(await docs.get_full_docs_by_ids(["good", "bad", "absent"])) == ["good"]
    assert list(await docs.get_docs_by_ids(["worse", "bad", "good"])) == ["bad", "good"]
    for refused in (docs.get_docs_by_statuses(pending, strict=True), docs.get_full_docs_by_ids(["bad"], strict=True),
                    docs.get_docs_by_statuses_page(pending, limit=9, strict=True), docs.get_docs_by_ids(["worse"], strict=True)):
        with pytest.raises(StorageControlPlaneError):
            await refused
    assert await docs.count_docs_by_statuses(pending) == 3


@using("doc_status")
async def test_b50_changing_fields(docs, folder):
    await docs.upsert({"a": document("pending", extra={"x": [1]}, track_id="t1")})
    await docs.update_doc_status_fields("a", {"status": DocStatus.FAILED, "metadata": {"k": None}, "track_id": "t2"})
    row = await docs.get_by_id("a")
    assert row["status"] == "failed" == DocStatus.FAILED and row["extra"] == {"x": [1]} and row["metadata"] == {"k": None}
    assert await sweep(docs, [DocStatus.PENDING], 5) == [[]] and await sweep(docs, [DocStatus.FAILED], 5) == [["a"]]
    assert list(await docs.get_docs_by_track_id("t2")) == ["a"] and not await docs.get_docs_by_track_id("t1")
    with pytest.raises(ValueError):
        await docs.update_doc_status_fields("a", {"created_at": "2027"})
    with pytest.raises(StorageRecordNotFoundError):
        await docs.update_doc_status_fields("absent", {"status": "failed"})
    await docs.update_doc_status_fields("absent", {"status": "failed"}, missing_ok=True)
    assert await docs.get_by_id("absent") is None


@using("doc_status")
async def test_b51_content_hashes(docs, folder):
    of = {"is_duplicate": True, "original_doc_id": "a"}
    await docs.upsert({"c": document(created="2026-01-03", content_hash="h"), "a": document(created="2026-01-01", content_hash="h"),
                       "b": document(created="2026-01-02", content_hash="h", metadata=of)})
    assert (await docs.get_doc_by_content_hash("h"))[0] == "a"
    assert (await docs.get_doc_by_content_hash("h", exclude_doc_id="c"))[0] == "a"
    doc_id, row = await docs.get_doc_by_content_hash("h", exclude_doc_id="a")
    assert doc_id == "c" and row["content_hash"] == "h", "neither a nor its duplicate, and the search went on"
    assert await docs.get_doc_by_content_hash("other") is None and await docs.get_doc_by_content_hash("") is None
    held, docs._share = docs._share, None
    with pytest.raises(StorageNotInitializedError):
        await docs.get_doc_by_content_hash("h")
    docs._share = held


@using("doc_status")
async def test_b52_sources(docs, folder):
    assert await docs.resolve_doc_source_strict("f.txt") == SourceAbsent()
    await docs.upsert({"a": document(), "dup": document(metadata={"is_duplicate": True}), "u": document(path="unknown_source")})
    one = await docs.resolve_doc_source_strict("f.txt")
    assert isinstance(one, SourceUnique) and one.doc_id == "a" and one.doc.status is DocStatus.PENDING
    assert (await docs.get_doc_by_file_basename("f.txt"))[0] == "a"
    await docs.upsert({"b": document()})
    many = await docs.resolve_doc_source_strict("f.txt")
    assert isinstance(many, SourceConflict) and many.sample_doc_ids == ("a", "b") and many.candidate_count == 2
    for nothing in ("", "unknown_source", "other"):
        assert await docs.resolve_doc_source_strict(nothing) == SourceAbsent()
        assert await docs.get_doc_by_file_basename(nothing) is None
    assert (await docs.get_doc_by_file_path("f.txt"))["file_path"] == "f.txt" and await docs.get_doc_by_file_path("x") is None


@using("doc_status")
async def test_b53_repairing_a_conflict(docs, folder):
    await docs.upsert({"d2": document(), "d1": document(), "o": document(path="other")})
    page = await docs.list_source_conflicts_page(limit=1)
    assert [(c.canonical_source_key, c.candidate_count, c.sample_doc_ids) for c in page.conflicts] == [("f.txt", 2, ("d1", "d2"))]
    ask = {"primary_doc_id": "d1", "expected_candidate_count": 2, "expected_candidate_fingerprint": "?"}
    dry = await docs.repair_source_conflict("f.txt", **ask)
    assert not dry.committed and dry.demoted_sample_doc_ids == ("d2",) and dry.candidate_count == 2
    assert dry.fingerprint == "884869a76bb61fe5b93b404823c521f760f3163e0389f19720b6d361b9311080"
    assert isinstance(await docs.resolve_doc_source_strict("f.txt"), SourceConflict)
    with pytest.raises(SourceConflictRepairCASError):
        await docs.repair_source_conflict("f.txt", **ask, dry_run=False)
    with pytest.raises(ValueError):
        await docs.repair_source_conflict("f.txt", **{**ask, "primary_doc_id": "o"})
    done = await docs.repair_source_conflict("f.txt", **{**ask, "expected_candidate_fingerprint": dry.fingerprint}, dry_run=False)
    assert done.committed and (await docs.resolve_doc_source_strict("f.txt")).doc_id == "d1"
    assert (await docs.get_by_id("d2"))["metadata"] == {"is_duplicate": True, "original_doc_id": "d1"}


@using("doc_status")
async def test_b54_unknown_fields(docs, folder):
    await docs.upsert({"a": document(scheme_name="x", multimodal_content=[{"y": None}])})
    await docs.update_doc_status_fields("a", {"status": "processed"})
    row = await docs.get_by_id("a")
    assert row["scheme_name"] == "x" and row["multimodal_content"] == [{"y": None}] and row["chunks_list"] == []
    assert (await docs.get_full_docs_by_ids(["a"], strict=True))["a"].status == DocStatus.PROCESSED
    assert "_id" not in row and "create_time" not in row


DIE_AFTER_UPSERT = """
import asyncio, os, signal, sys
from lightrag_support import OURS, make
async def work():
    docs = make("doc_status", OURS, sys.argv[1])
    await docs.initialize()
    await docs.upsert({"a": {"status": "pending", "created_at": "2026"}})
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(work())
"""


def test_b55_a_kill_right_after_upsert_loses_nothing(tmp_path):
    child = process(DIE_AFTER_UPSERT, tmp_path)
    child.wait()
    assert child.returncode == -signal.SIGKILL

    async def work():
        async with opened("doc_status", OURS, tmp_path) as docs:
            assert (await docs.get_by_id("a"))["status"] == "pending"

    run(work())
    about = native(tmp_path).describe()[0]
    assert about["durable_token"] == about["token"], "not safe from a power cut"


# ---- processes, threads, cancelling ----------------------------------------------------------------------------------

ECHO = """
import asyncio, sys
from lightrag_support import OURS, make
async def work():
    values = make("kv", OURS, sys.argv[1])
    await values.initialize()
    for line in sys.stdin:
        asked, answer = line.split()
        await values.upsert({answer: {"seen": await values.get_by_id(asked) is not None}})
        print(answer, flush=True)
    await values.finalize()
asyncio.run(work())
"""


@using("kv")
async def test_b56_two_workers_see_each_other_at_once(storage, folder):
    worker = process(ECHO, folder, stdin=subprocess.PIPE)
    for i in range(5):
        await storage.upsert({f"mine-{i}": {"x": 1}})  # and no index_done_callback
        worker.stdin.write(f"mine-{i} theirs-{i}\n")
        worker.stdin.flush()
        await asyncio.to_thread(worker.stdout.readline)
        assert (await storage.get_by_id(f"theirs-{i}"))["seen"]
    worker.stdin.close()
    assert worker.wait() == 0


HOLD = """
import sys
from ragstore import _native
store = _native.Store(f"embedded:{sys.argv[1]}/ragstore", workspace="")
txn = store.begin()
store.kv_put("full_docs", {"half": {"x": 1}}, txn=txn)
print("held", flush=True)
sys.stdin.read()
txn.abort()
"""


@using("kv")
async def test_b57_a_live_holder_keeps_the_turn_a_dead_one_does_not(storage, folder):
    holder = process(HOLD, folder, stdin=subprocess.PIPE)
    assert (await asyncio.to_thread(holder.stdout.readline)).strip() == "held"
    write = asyncio.ensure_future(storage.upsert({"a": {"x": 1}}))
    for _ in range(20):
        await asyncio.sleep(0.01)
        assert not write.done() and await storage.get_by_id("a") is None
    holder.kill()
    await write
    assert await storage.get_by_id("half") is None and (await storage.get_by_id("a"))["x"] == 1
    holder.wait()


@vector_test
async def test_b58_cancelling_inside_the_flush(storage, embedder):
    entered, go_on = asyncio.Event(), asyncio.Event()
    fast = embedder.function.func

    async def slow(texts, **options):
        entered.set()
        await go_on.wait()
        return await fast(texts, **options)

    await storage.upsert(rows_of(30))
    embedder.function.func = slow
    flush = asyncio.ensure_future(storage.index_done_callback())
    await entered.wait()
    flush.cancel()
    with pytest.raises(asyncio.CancelledError):
        await flush
    await storage.upsert({"more": {"content": "more"}})
    go_on.set()
    await storage.index_done_callback()
    assert len((await storage.client_storage)["data"]) == 31


@using("kv")
async def test_b58_cancelling_a_write(storage, folder):
    other = native(folder)
    with other.begin() as txn:
        waiting = [asyncio.ensure_future(storage.upsert({f"k{i}": {"x": 1}})) for i in range(5)]
        await asyncio.sleep(0.05)  # the first has begun and waits for the turn, the others are behind it
        for task in waiting[:4]:
            task.cancel()
        results = await asyncio.gather(*waiting[:4], return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results)
        other.kv_put("full_docs", {"theirs": {"x": 1}}, txn=txn)
    await waiting[4]
    await storage.upsert({"after": {"x": 1}})
    rows = await storage.get_by_ids(["k0", "k1", "k2", "k3", "k4", "theirs", "after"])
    assert [row is not None for row in rows[1:]] == [False, False, False, True, True, True], \
        "what had not begun is left out, nothing else"
    assert rows[0], "what had begun is finished"
    other.close()


def test_b59_all_at_once_ends(tmp_path):
    async def work():
        values = make("kv", OURS, tmp_path)
        vectors, graph, docs = (make(kind, OURS, tmp_path) for kind in ("vector", "graph", "doc_status"))
        storages = [values, vectors, graph, docs]
        for storage in storages:
            await storage.initialize()

        async def one(i):
            await asyncio.gather(values.upsert({f"k{i}": {"x": 1}}), vectors.upsert({f"k{i}": {"content": f"text {i}"}}),
                                 graph.upsert_edge("hub", f"n{i}", {}), docs.upsert({f"d{i}": document()}))
            await asyncio.gather(*(storage.index_done_callback() for storage in storages))
            if i % 10 == 5:
                await asyncio.gather(*(storage.drop() for storage in storages))

        await asyncio.wait_for(asyncio.gather(*(one(i) for i in range(40))), 300)
        for storage in storages:
            await storage.finalize()

    run(work())


@pytest.mark.parametrize("kind", EVERY)
def test_b60_the_event_loop_goes_on_while_a_write_waits(tmp_path, kind):
    async def work():
        async with opened(kind, OURS, tmp_path) as storage:
            await fill(kind, storage)
            other = native(tmp_path)
            txn = other.begin()
            writes = [asyncio.ensure_future(fill(kind, storage, f"k{i}")) for i in range(20)]
            writes.append(asyncio.ensure_future(storage.drop()))
            for _ in range(50):
                await asyncio.sleep(0.001)
                assert not any(write.done() for write in writes)
                assert await count(kind, storage) == 1, "reads wait for nobody"
            txn.abort()
            assert (await asyncio.gather(*writes))[-1]["status"] == "success"
            other.close()

    run(work())


# ---- what else is easily done wrong ----------------------------------------------------------------------------------


def test_trap_16_everything_is_overridden():
    probed = ("get_docs_by_statuses_page", "resolve_doc_source_strict", "count_docs_by_statuses", "list_source_conflicts_page",
              "repair_source_conflict", "update_doc_status_fields")
    storage = ours.RagstoreDocStatusStorage
    assert all(getattr(storage, name) is not getattr(DocStatusStorage, name) for name in probed)
    assert storage.supports_strict_point_reads and ours.RagstoreKVStorage.supports_strict_point_reads
    for batch in ("get_nodes_batch", "node_degrees_batch", "edge_degrees_batch", "get_edges_batch", "get_nodes_edges_batch",
                  "has_nodes_batch", "upsert_nodes_batch", "upsert_edges_batch"):
        assert batch in vars(ours.RagstoreGraphStorage), f"{batch} asks row by row"


@using("kv")
async def test_trap_34_what_is_handed_over_may_be_changed_at_once(storage, folder):
    other = native(folder)
    row = {"list": [1], "deep": {"x": [1]}}
    with other.begin():
        first = asyncio.ensure_future(storage.upsert({"first": {"x": 1}}))  # waits for the turn, so the other stays in the queue
        await asyncio.sleep(0.05)
        write = asyncio.ensure_future(storage.upsert({"a": row}))
        await asyncio.sleep(0)
        row["list"].append(2)
        row["deep"]["x"].append(2)
        row["more"] = 1
    await asyncio.gather(first, write)
    got = await storage.get_by_id("a")
    assert got["list"] == [1] and got["deep"] == {"x": [1]} and "more" not in got
    other.close()


def test_trap_37_twelve_flushes_cost_one_sync(tmp_path, monkeypatch):
    async def work():
        syncs = []
        flush = share.Share._flush

        def counted(self, store, number):
            syncs.append(number)
            return flush(self, store, number)

        monkeypatch.setattr(share.Share, "_flush", counted)
        storages = [make("kv", OURS, tmp_path, namespace=f"n{i}") for i in range(7)]
        storages += [make("vector", OURS, tmp_path, namespace=name) for name in ("entities", "relationships", "chunks")]
        storages += [make("graph", OURS, tmp_path), make("doc_status", OURS, tmp_path)]
        for storage in storages:
            await storage.initialize()
        for storage in storages[:7]:
            await storage.upsert({"a": {"x": 1}})
        await storages[10].upsert_node("a", {})
        await asyncio.gather(*(storage.index_done_callback() for storage in storages))
        assert len(syncs) == 1
        await asyncio.gather(*(storage.index_done_callback() for storage in storages))
        assert len(syncs) == 1, "nothing was left to do"
        await storages[0].upsert({"b": {"x": 1}})
        await storages[11].upsert({"d": document()})
        await asyncio.gather(*(storage.index_done_callback() for storage in storages))
        assert len(syncs) == 1, "the sync of the document status carried the value with it"
        for storage in storages:
            await storage.finalize()

    run(work())


FORKED = """
import asyncio, os, sys
from support import OURS, make
async def use(values, key):
    await values.upsert({key: {"x": 1}})
    await values.index_done_callback()
    return await values.get_by_ids(["parent", "child", "after"])
async def begin(values):
    await values.initialize()
    assert (await use(values, "parent"))[0]
values = make("kv", OURS, sys.argv[1])
asyncio.run(begin(values))
pid = os.fork()
if pid == 0:
    rows = asyncio.run(use(values, "child"))
    os._exit(0 if rows[0] and rows[1] else 1)
assert os.waitpid(pid, 0)[1] == 0, "the child"
assert all(asyncio.run(use(values, "after")))
asyncio.run(values.finalize())
""".replace("from support", "from lightrag_support")


def test_trap_31_a_child_of_a_process_that_has_begun_opens_anew(tmp_path):
    assert process(FORKED, tmp_path).wait() == 0


def test_several_loops_one_after_the_other(tmp_path):
    storage = make("vector", OURS, tmp_path)
    run(storage.initialize())
    for i in range(3):
        run(storage.upsert({f"a{i}": {"content": "x"}}))
        run(storage.index_done_callback())
    assert len(run(count_vectors(storage))) == 3
    run(storage.finalize())


async def count_vectors(storage):
    return (await storage.client_storage)["data"]


def test_another_process_drops_the_space(tmp_path):
    async def work():
        async with opened("vector", OURS, tmp_path) as storage:
            await fill("vector", storage)
            other = native(tmp_path)
            other.vector_drop("entities")
            assert await storage.query("text", 5) == [] and await storage.get_by_id("a") is None
            await fill("vector", storage)
            assert len((await storage.client_storage)["data"]) == 1
            other.close()

    run(work())


def test_no_vectors_at_all(tmp_path):
    """NoopVectorDBStorage beside ours: to fill the graph now, and embed later."""
    from lightrag_whole import make_rag

    async def work():
        rag = make_rag("ours", tmp_path, vector_storage="NoopVectorDBStorage")
        await rag.initialize_storages()
        await rag.ainsert("Alice met Bob. Bob met Carol in the garden.", file_paths="a.txt")
        assert (await rag.doc_status.get_all_status_counts())["processed"] == 1
        assert "Alice" in await rag.chunk_entity_relation_graph.get_all_labels()
        await rag.finalize_storages()

    run(work())


@pytest.mark.parametrize("kind", ["kv", "graph", "doc_status", "vector"])
def test_many_rows_are_all_or_none(tmp_path, kind):
    """They go in pieces, in one transaction."""
    async def work():
        async with opened(kind, OURS, tmp_path) as storage:
            bad = {"status": "failed", "content": "x", "nan": math.nan, "file_path": math.nan}
            rows = {f"k{i:04}": document(content="x") for i in range(1500)}
            if kind == "graph":
                put, fits, refused = storage.upsert_nodes_batch, [(key, {"x": 1}) for key in rows], [("bad", {"x": math.nan})]
            else:
                put, fits, refused = storage.upsert, rows, {"bad": bad}
            with pytest.raises(ValueError):
                await put(fits + refused if kind == "graph" else {**fits, **refused})
            read = storage.get_nodes_batch if kind == "graph" else storage.get_by_ids
            assert not any(await read(list(rows)))
            await put(fits)
            found = await read([*rows, "absent"])
            assert len(found) == (1500 if kind == "graph" else 1501)
            assert [row and "status" in row for row in found][-2:] == [True, None] if kind in ("kv", "doc_status") else found

    run(work())


@pytest.mark.parametrize("url", ["memory:", "lightrag:{}", "{}?workspace=w"])
def test_other_stores(tmp_path, monkeypatch, url):
    """RAGSTORE_URL says where."""
    files = tmp_path / "elsewhere"
    files.mkdir()
    monkeypatch.setenv("RAGSTORE_URL", url.format(files))

    async def work():
        storages = {kind: make(kind, OURS, tmp_path / "working_dir") for kind in EVERY}
        for storage in storages.values():
            await storage.initialize()
        for kind, storage in storages.items():
            await asyncio.gather(fill(kind, storage), fill(kind, storage, "b"))
            assert await count(kind, storage) == (1 if kind in ("kv", "doc_status") else 2)
        await asyncio.gather(*(storage.index_done_callback() for storage in storages.values()))
        for storage in storages.values():
            await storage.finalize()
        assert not (tmp_path / "working_dir").exists()

    run(work())
    names = sorted(path.name for path in files.iterdir() if not path.name.startswith("."))
    assert names == {"m": [], "{": ["w"], "l": ["graph_chunk_entity_relation.graphml", "kv_store_doc_status.json",
                                               "kv_store_full_docs.json", "vdb_entities.json"]}[url[0]]
