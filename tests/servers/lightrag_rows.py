"""LightRAG's own PostgreSQL classes as a program, for test_postgres_lightrag.py; run by the Python that has LightRAG.

lightrag_rows.py WORKSPACE: reads {"put": {NAMESPACE: {KEY: VALUE}}, "get": {NAMESPACE: [KEY]}} from standard input, does
the first and then prints what the second answers; "graph": {"nodes": {}, "edges": [], "keys": []} writes and reads the
graph ("age": true: in AGE, by PGGraphStorage); "vectors": {NAMESPACE: {"put": {ID: ROW}, "get": [ID], "find": TEXT}} writes,
reads and searches vectors, whose texts are their content ("model": null: as older versions, in tables without a model in
their name). Where the server is, POSTGRES_* say.
"""
import asyncio
import json
import sys

import numpy
from lightrag.kg.pgtable_impl import PGTableGraphStorage
from lightrag.kg.postgres_impl import PGDocStatusStorage, PGGraphStorage, PGKVStorage, PGVectorStorage
from lightrag.kg.shared_storage import initialize_share_data
from lightrag.utils import EmbeddingFunc


META = {"entities": {"entity_name", "source_id", "content", "file_path"},
        "relationships": {"src_id", "tgt_id", "source_id", "content", "file_path"},
        "chunks": {"full_doc_id", "content", "file_path"}}


def vector_of(text):
    """As in rows.c."""
    data = text.encode()
    return [1, len(data), data[0], data[-1]]


async def embed(texts, **_):
    return numpy.array([vector_of(text) for text in texts], dtype=numpy.float32)


def vector_storage(namespace, workspace, model):
    config = {"embedding_batch_num": 10, "vector_storage": "PGVectorStorage", "working_dir": ".",
              "vector_db_storage_cls_kwargs": {"cosine_better_than_threshold": 0.2}}
    return PGVectorStorage(namespace=namespace, workspace=workspace, meta_fields=META[namespace], global_config=config,
                           embedding_func=EmbeddingFunc(4, embed, model_name=model))


async def run_vectors(workspace, wanted, model):
    answers = {}
    for namespace, work in wanted.items():
        store = vector_storage(namespace, workspace, model)
        await store.initialize()
        await store.upsert(work.get("put", {}))
        await store.index_done_callback()
        answers[namespace] = {"get": {key: await store.get_by_id(key) for key in work.get("get", [])}}
        if "find" in work:
            answers[namespace]["find"] = await store.query(work["find"], 10, query_embedding=vector_of(work["find"]))
        await store.finalize()
    return answers


def storage(namespace, workspace, kind=None):
    kind = kind or (PGDocStatusStorage if namespace == "doc_status" else PGKVStorage)
    return kind(namespace=namespace, workspace=workspace, embedding_func=EmbeddingFunc(4, embed),
                global_config={"embedding_batch_num": 10, "vector_storage": "NanoVectorDBStorage", "working_dir": "."})


async def run_graph(graph, keys, nodes=(), edges=(), gone=()):
    for label, properties in dict(nodes).items():
        await graph.upsert_node(label, properties)
    for source, target, properties in edges:
        await graph.upsert_edge(source, target, properties)
    for label in gone:
        await graph.delete_node(label)
    return {"labels": await graph.get_all_labels(), "degrees": await graph.node_degrees_batch(keys),
            "nodes": {key: await graph.get_node(key) for key in keys},
            "edges": {key: sorted(await graph.get_node_edges(key) or []) for key in keys},
            "values": {key: [await graph.get_edge(*edge) for edge in sorted(await graph.get_node_edges(key) or [])]
                       for key in keys}}


async def run(workspace, wanted):
    initialize_share_data(1)
    stores, answers = {}, {}
    for namespace in {**wanted.get("put", {}), **wanted.get("get", {})}:
        stores[namespace] = storage(namespace, workspace)
        await stores[namespace].initialize()
    for namespace, rows in wanted.get("put", {}).items():
        await stores[namespace].upsert(rows)
    for namespace, keys in wanted.get("get", {}).items():
        answers[namespace] = {key: await stores[namespace].get_by_id(key) for key in keys}
    if "vectors" in wanted:
        answers["vectors"] = await run_vectors(workspace, wanted["vectors"], wanted.get("model", "test-model"))
    if "graph" in wanted:
        kind = PGGraphStorage if wanted["graph"].pop("age", False) else PGTableGraphStorage
        stores["graph"] = storage("chunk_entity_relation", workspace, kind)
        await stores["graph"].initialize()
        answers["graph"] = await run_graph(stores["graph"], **wanted["graph"])
    for store in stores.values():
        await store.finalize()
    return answers


print(json.dumps(asyncio.run(run(sys.argv[1], json.load(sys.stdin))), default=str))
