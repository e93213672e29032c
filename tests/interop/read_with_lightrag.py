"""Opens a working directory with LightRAG's own storages and prints what they hold, as one JSON object.

With --save every storage then writes its file again, as LightRAG does after a change: a file that comes out with the
same bytes was written exactly as LightRAG writes it. Runs inside the environment that conftest.py makes.
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


async def vector_summary(storage, space):
    """Count, a few rows as LightRAG returns them, and how far stored vectors and matrix are apart."""
    inner = storage._client._NanoVectorDB__storage
    matrix, rows = inner["matrix"], inner["data"]
    ids = [row["__id__"] for row in rows]
    vectors = await storage.get_vectors_by_ids(ids[:50])
    halves = np.array([vectors[i] for i in ids[:50]], dtype=np.float32)
    norms = np.linalg.norm(halves, axis=1, keepdims=True)
    nearest = [(await storage.query("", 1, query_embedding=matrix[i]))[0]["id"] for i in range(min(20, len(ids)))]
    return {"count": len(rows), "first": await storage.get_by_id(ids[0]), "last": await storage.get_by_id(ids[-1]),
            "space": space, "worst_difference": float(np.abs(halves / norms - matrix[:50]).max()),
            "norms": [float(norms.min()), float(norms.max())], "ids": ids[:20], "nearest": nearest}


async def graph_summary(graph):
    labels = await graph.get_all_labels()
    popular = (await graph.get_popular_labels(5))[:5]
    edges = await graph.get_all_edges()
    return {"nodes": len(labels), "edges": len(edges), "popular": popular,
            "degrees": await graph.node_degrees_batch(popular), "node": await graph.get_node(popular[0]),
            "edge": {k: str(v) for k, v in edges[0].items()}}


async def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args()
    stores = await lightrag_stores.open_stores(options.folder)
    summary = {"counts": {}, "first": {}}
    for name in (*lightrag_stores.KEY_VALUE, "doc_status"):
        data = stores[name]._data
        key = next(iter(data))
        summary["counts"][name] = len(data)
        summary["first"][name] = {"id": key, "row": await stores[name].get_by_id(key)}
    summary["statuses"] = await stores["doc_status"].get_status_counts()
    for name in lightrag_stores.VECTOR:
        summary[name] = await vector_summary(stores[name], name)
    summary["graph"] = await graph_summary(stores[lightrag_stores.GRAPH])
    if options.save:
        for store in stores.values():
            store.storage_updated.value = not hasattr(store, "_client") and hasattr(store, "_data")
            await store.index_done_callback()
    print(json.dumps(summary, ensure_ascii=False, default=str))


logging.disable(logging.WARNING)
asyncio.run(main())
