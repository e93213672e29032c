"""LightRAG's contract, b09 to b19: values."""
import asyncio
import json
import subprocess

import pytest
from lightrag.exceptions import StorageNotInitializedError

from lightrag_support import OURS, another_handle, opened, run, using


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
            about = another_handle(tmp_path).describe()[0]
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
