"""LightRAG's contract, b20 to b32: vectors, what waits to be embedded, and queries."""
import math

import numpy as np
import pytest
from lightrag.exceptions import StorageNotInitializedError
from lightrag.utils import compute_mdhash_id

from lightrag_support import OURS, Embedder, fill, make, another_handle, opened, rows_of, run, vector_test
from ragstore import _native
from ragstore.lightrag import share


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


def test_another_process_drops_the_space(tmp_path):
    async def work():
        async with opened("vector", OURS, tmp_path) as storage:
            await fill("vector", storage)
            other = another_handle(tmp_path)
            other.vector_drop("entities")
            assert await storage.query("text", 5) == [] and await storage.get_by_id("a") is None
            await fill("vector", storage)
            assert len((await storage.client_storage)["data"]) == 1
            other.close()

    run(work())
