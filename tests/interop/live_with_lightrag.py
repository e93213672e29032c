"""What LightRAG's own storages do to a working directory that another program has open.

  live_with_lightrag.py put FOLDER KEY       a value, a vector, a node with an edge to "hub", a document, each called KEY
  live_with_lightrag.py delete FOLDER KEY    the same taken away
  live_with_lightrag.py drop FOLDER          drop() of the four storages that the others use
  live_with_lightrag.py get FOLDER KEY       what is there of it, as one JSON object

Each run loads the files, as a start of LightRAG does, and writes them as its index_done_callback() does. Runs inside the
environment that conftest.py makes.
"""
import asyncio
import json
import logging
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench" / "peers"))
import lightrag_stores  # noqa: E402  (found by the line above)


async def put(values, vectors, graph, documents, key):
    await values.upsert({key: {"content": key, "file_path": "f"}})
    await vectors.upsert({key: {"content": f"text of {key}", "entity_name": key, "source_id": "s", "file_path": "f"}})
    await graph.upsert_node(key, {"entity_id": key, "weight": 2.5, "created_at": 9})
    await graph.upsert_edge(key, "hub", {"weight": 3.0, "description": "a <b> & \"c\""})
    await documents.upsert({key: {"status": "failed", "content_summary": key, "content_length": 1, "file_path": "f",
                                  "created_at": "2026-01-01", "updated_at": "2026-01-01", "chunks_list": []}})


async def delete(values, vectors, graph, documents, key):
    await values.delete([key])
    await vectors.delete([key])
    await graph.delete_node(key)
    await documents.delete([key])


async def get(values, vectors, graph, documents, key):
    row = await vectors.get_by_id(key)
    stored = (await vectors.get_vectors_by_ids([key])).get(key)
    nearest = await vectors.query("", 1, query_embedding=stored) if stored else []
    return {"kv": await values.get_by_id(key), "vector": row, "first": stored[0] if stored else None,
            "nearest": nearest[0]["id"] if nearest else None, "node": await graph.get_node(key),
            "edge": await graph.get_edge(key, "hub"), "doc": await documents.get_by_id(key),
            "counts": [len(values._data), len(vectors._client._NanoVectorDB__storage["data"]),
                       len(await graph.get_all_labels()), len(documents._data)]}


async def main():
    what, folder, key = (*sys.argv[1:], "")[:3]
    every = await lightrag_stores.open_stores(folder)
    stores = [every[name] for name in ("full_docs", "entities", lightrag_stores.GRAPH, "doc_status")]
    if what == "get":
        print(json.dumps(await get(*stores, key), default=str))
    elif what == "drop":
        for store in stores:
            await store.drop()
    else:
        await {"put": put, "delete": delete}[what](*stores, key)
        for store in stores:
            await store.index_done_callback()


logging.disable(logging.WARNING)
asyncio.run(main())
