"""Opens the twelve storages of LightRAG (PyPI: lightrag-hku) on a working directory, without the rest of it: its default
classes, or ours ("ragstore"), or its PostgreSQL classes (POSTGRES_* say where) with
the graph in plain tables ("postgres") or in Apache AGE ("postgres_age").

LightRAG makes its storages from a registry with the same keyword arguments; here they are made by hand, so that nothing
but the storages is measured or tested. Texts are embedded by random but repeatable vectors: no model is needed.
"""
import os
import pathlib
import shutil
import zlib

import numpy as np
from lightrag.kg import shared_storage
from lightrag.kg.json_doc_status_impl import JsonDocStatusStorage
from lightrag.kg.json_kv_impl import JsonKVStorage
from lightrag.kg.nano_vector_db_impl import NanoVectorDBStorage
from lightrag.kg.networkx_impl import NetworkXStorage
from lightrag.utils import EmbeddingFunc

KEY_VALUE = ("full_docs", "text_chunks", "llm_response_cache", "full_entities", "full_relations", "entity_chunks",
             "relation_chunks")
VECTOR = {
    "entities": {"entity_name", "source_id", "content", "file_path"},
    "relationships": {"src_id", "tgt_id", "source_id", "content", "file_path"},
    "chunks": {"full_doc_id", "content", "file_path"},
}
GRAPH = "chunk_entity_relation"


def dimension_of(folder):
    """embedding_dim, read from the first bytes of a vector file."""
    with open(pathlib.Path(folder) / "vdb_entities.json", encoding="utf-8") as file:
        head = file.read(200)
    return int(head.split('"embedding_dim":', 1)[1].split(",", 1)[0])


def embedder(dimension):
    async def embed(texts, **_):
        rows = [np.random.default_rng(zlib.crc32(t.encode())).standard_normal(dimension) for t in texts]
        return (np.array(rows) / np.sqrt(dimension)).astype(np.float32)

    return EmbeddingFunc(embedding_dim=dimension, max_token_size=8192, func=embed, model_name="repeatable-random")


def classes_of(storages):
    """The classes for values, document status, vectors and graph."""
    if storages == "ragstore":
        import ragstore.lightrag as ours
        return (ours.RagstoreKVStorage, ours.RagstoreDocStatusStorage, ours.RagstoreVectorStorage,
                ours.RagstoreGraphStorage)
    if storages.startswith("postgres"):
        from lightrag.kg.pgtable_impl import PGTableGraphStorage
        from lightrag.kg.postgres_impl import PGDocStatusStorage, PGGraphStorage, PGKVStorage, PGVectorStorage
        graph = PGGraphStorage if storages == "postgres_age" else PGTableGraphStorage
        return PGKVStorage, PGDocStatusStorage, PGVectorStorage, graph
    return JsonKVStorage, JsonDocStatusStorage, NanoVectorDBStorage, NetworkXStorage


async def open_stores(folder, storages="default", dimension=None):
    """{namespace: storage}, each initialised."""
    values, documents, vectors, graph = classes_of(storages)
    shared_storage.initialize_share_data(workers=1)
    config = {"working_dir": str(folder), "embedding_batch_num": 32, "vector_storage": vectors.__name__,
              "vector_db_storage_cls_kwargs": {"cosine_better_than_threshold": 0.0}}
    common = {"workspace": "", "global_config": config, "embedding_func": embedder(dimension or dimension_of(folder))}
    stores = {name: values(namespace=name, **common) for name in KEY_VALUE}
    stores["doc_status"] = documents(namespace="doc_status", **common)
    for name, fields in VECTOR.items():
        stores[name] = vectors(namespace=name, meta_fields=fields, **common)
    stores[GRAPH] = graph(namespace=GRAPH, **common)
    for store in stores.values():
        await store.initialize()
    return stores


def vector_store(namespace, folder, storages, dimension, embed, batch):
    """One vector storage of an embedding of one's own."""
    shared_storage.initialize_share_data(workers=1)
    vectors = classes_of(storages)[2]
    config = {"working_dir": str(folder), "embedding_batch_num": batch, "vector_storage": vectors.__name__,
              "vector_db_storage_cls_kwargs": {"cosine_better_than_threshold": 0.0}}
    return vectors(namespace=namespace, workspace="", global_config=config, meta_fields=VECTOR[namespace],
                   embedding_func=EmbeddingFunc(embedding_dim=dimension, max_token_size=8192, func=embed, model_name="bulk"))


def linked_copy(folder, target):
    """A second directory of the same files. LightRAG replaces files by rename, so hard links keep the first one whole."""
    os.makedirs(target)
    for path in pathlib.Path(folder).iterdir():
        try:
            os.link(path, pathlib.Path(target) / path.name)
        except OSError:
            shutil.copy(path, target)
