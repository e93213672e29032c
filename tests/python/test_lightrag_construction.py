"""LightRAG's contract, b01 to b08: how storages are registered, constructed, opened and closed; and on which stores."""
import asyncio
import json
import os
import threading

import lightrag.kg as kg
import pytest
from lightrag.base import DocStatusStorage
from lightrag.exceptions import StorageNotInitializedError
from lightrag.kg.factory import get_storage_class

import ragstore.lightrag as ours
from lightrag_support import EVERY, KINDS, OURS, count, fill, make, opened, run
from lightrag_whole import make_rag
from ragstore.lightrag import share


def test_b01_unknown_names_and_missing_environment():
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
    threads = set(threading.enumerate())  # some of which may end meanwhile
    files = set(os.listdir("/proc/self/fd"))
    storage = make(kind, OURS, tmp_path / "not there")
    assert not (tmp_path / "not there").exists() and set(threading.enumerate()) <= threads
    assert set(os.listdir("/proc/self/fd")) <= files
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


def test_trap_16_everything_is_overridden():
    probed = ("get_docs_by_statuses_page", "resolve_doc_source_strict", "count_docs_by_statuses", "list_source_conflicts_page",
              "repair_source_conflict", "update_doc_status_fields")
    storage = ours.RagstoreDocStatusStorage
    assert all(getattr(storage, name) is not getattr(DocStatusStorage, name) for name in probed)
    assert storage.supports_strict_point_reads and ours.RagstoreKVStorage.supports_strict_point_reads
    for batch in ("get_nodes_batch", "node_degrees_batch", "edge_degrees_batch", "get_edges_batch", "get_nodes_edges_batch",
                  "has_nodes_batch", "upsert_nodes_batch", "upsert_edges_batch"):
        assert batch in vars(ours.RagstoreGraphStorage), f"{batch} asks row by row"


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


def test_no_vectors_at_all(tmp_path):
    """NoopVectorDBStorage beside ours: to fill the graph now, and embed later."""
    async def work():
        rag = make_rag("ours", tmp_path, vector_storage="NoopVectorDBStorage")
        await rag.initialize_storages()
        await rag.ainsert("Alice met Bob. Bob met Carol in the garden.", file_paths="a.txt")
        assert (await rag.doc_status.get_all_status_counts())["processed"] == 1
        assert "Alice" in await rag.chunk_entity_relation_graph.get_all_labels()
        await rag.finalize_storages()

    run(work())
