"""Opens two working directories with LightRAG's own storages and prints how their answers differ, as one JSON object.

The first is what LightRAG wrote, the second what it should be equal to: every value, document, node and edge, and the
nearest ten rows of each vector space for queries. With --write the second is then changed as LightRAG changes it, and
saved; what was written is printed, so that it can be looked for elsewhere.
"""
import argparse
import asyncio
import json
import logging
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench" / "peers"))
import lightrag_stores  # noqa: E402  (found by the line above)
from lightrag.kg import shared_storage  # noqa: E402

TOP_K = 10


def without_seq(row):
    return {key: value for key, value in row.items() if key != "__write_seq__"}


async def nearest(storage, vectors):
    return [[row["id"] for row in await storage.query("", TOP_K, query_embedding=v)] for v in vectors]


def queries_for(storage, count):
    """Half of them near rows, half anywhere: always the same."""
    rng = np.random.default_rng(4)
    matrix = storage._client._NanoVectorDB__storage["matrix"]
    picked = matrix[rng.integers(0, len(matrix), count)]
    noise = rng.standard_normal(picked.shape).astype(np.float32) / np.sqrt(picked.shape[1])
    picked[:count // 2] += 0.3 * noise[:count // 2]
    picked[count // 2:] = noise[count // 2:]
    return picked


async def read(folder, queries, vectors):
    stores = await lightrag_stores.open_stores(folder)
    answer = {}
    for name in (*lightrag_stores.KEY_VALUE, "doc_status"):
        keys = sorted(stores[name]._data)
        answer[name] = dict(zip(keys, await stores[name].get_by_ids(keys)))
    for row in answer["doc_status"].values():
        row.setdefault("chunks_list", [])  # ragstore adds it where it is missing, as LightRAG does when it writes a row
    answer["statuses"] = await stores["doc_status"].get_status_counts()
    for name in lightrag_stores.VECTOR:
        inner = stores[name]._client._NanoVectorDB__storage
        answer[name] = {row["__id__"]: without_seq(row) for row in inner["data"]}
        vectors.setdefault(name, queries_for(stores[name], queries))
        answer[name + " nearest"] = await nearest(stores[name], vectors[name])
    graph = stores[lightrag_stores.GRAPH]
    answer["nodes"] = {row["id"]: row for row in await graph.get_all_nodes()}
    answer["edges"] = {str(sorted((e["source"], e["target"]))): {k: v for k, v in e.items() if k not in ("source", "target")}
                       for e in await graph.get_all_edges()}
    answer["degrees"] = await graph.node_degrees_batch(sorted(answer["nodes"]))
    return stores, answer


def overlap(ours, theirs):
    return sum(len(set(a) & set(b)) for a, b in zip(ours, theirs)) / sum(map(len, theirs))


async def write(stores):
    """A few rows into each storage, through LightRAG's own calls, and its files again."""
    done = {}
    await stores["text_chunks"].upsert({"chunk-new": {"content": "new \u6771\u4eac", "tokens": 2}})
    await stores["doc_status"].upsert({"doc-new": {"status": "pending", "content_summary": "s", "content_length": 1,
                                                   "created_at": "2026-01-01T00:00:00+00:00", "file_path": "new.txt",
                                                   "updated_at": "2026-01-01T00:00:00+00:00", "chunks_list": []}})
    victim = next(iter(stores["entities"]._client._NanoVectorDB__storage["data"]))["__id__"]
    await stores["entities"].delete([victim])
    await stores["entities"].upsert({"ent-new": {"content": "new entity", "entity_name": "New", "source_id": "chunk-new",
                                                 "file_path": "new.txt"}})
    graph = stores[lightrag_stores.GRAPH]
    gone = sorted(await graph.get_all_labels())[0]
    await graph.delete_node(gone)
    await graph.upsert_node("New", {"entity_id": "New", "description": "", "created_at": 5, "entity_type": "x<y"})
    await graph.upsert_edge("New", sorted(await graph.get_all_labels())[3], {"weight": 2.5, "keywords": "k"})
    for store in stores.values():
        await store.index_done_callback()
    vector = (await stores["entities"].get_vectors_by_ids(["ent-new"]))["ent-new"]
    done.update(deleted_vector=victim, deleted_node=gone, vector=[float(x) for x in vector])
    return done


async def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("original")
    parser.add_argument("other")
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    vectors = {}
    _, theirs = await read(options.original, options.queries, vectors)
    shared_storage.finalize_share_data()
    stores, ours = await read(options.other, options.queries, vectors)
    summary = {"counts": {k: len(v) for k, v in theirs.items()}, "different": [], "overlap": {}, "same_order": {}}
    for name, answer in theirs.items():
        if name.endswith(" nearest"):
            space = name.split()[0]
            summary["overlap"][space] = overlap(ours[name], answer)
            summary["same_order"][space] = sum(a == b for a, b in zip(ours[name], answer)) / len(answer)
        elif answer != ours[name]:
            summary["different"].append(name)
    if options.write:
        summary["written"] = await write(stores)
    print(json.dumps(summary, ensure_ascii=False))


logging.disable(logging.WARNING)
asyncio.run(main())
