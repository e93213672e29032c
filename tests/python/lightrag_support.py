"""LightRAG's storages and ours, side by side, without the rest of LightRAG: made with the keyword arguments that LightRAG
makes them with, with an embedder that needs no model (the same text always gives the same vector)."""
import asyncio
import contextlib
import hashlib
import logging
import pathlib
import sys

import numpy as np
from lightrag.kg import shared_storage
from lightrag.kg.json_doc_status_impl import JsonDocStatusStorage
from lightrag.kg.json_kv_impl import JsonKVStorage
from lightrag.kg.nano_vector_db_impl import NanoVectorDBStorage
from lightrag.kg.networkx_impl import NetworkXStorage
from lightrag.utils import EmbeddingFunc

import ragstore.lightrag as ours

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench" / "peers"))
import lightrag_stores  # noqa: E402  (found by the line above)

DIMENSION = 16
KINDS = {"kv": (JsonKVStorage, ours.RagstoreKVStorage), "vector": (NanoVectorDBStorage, ours.RagstoreVectorStorage),
         "graph": (NetworkXStorage, ours.RagstoreGraphStorage),
         "doc_status": (JsonDocStatusStorage, ours.RagstoreDocStatusStorage)}
DEFAULT, OURS = 0, 1
NAMESPACES = {"kv": "full_docs", "vector": "entities", "graph": "chunk_entity_relation", "doc_status": "doc_status"}

logging.disable(logging.WARNING)


class Embedder:
    """Counts what it is asked. `fail` and `drop` make it fail, or answer with so many vectors less."""

    def __init__(self, dimension=DIMENSION, model="hashed"):
        self.calls, self.texts, self.contexts, self.fail, self.drop = 0, [], [], None, 0
        self.dimension = dimension
        self.function = EmbeddingFunc(embedding_dim=dimension, max_token_size=8192, func=self, model_name=model,
                                      supports_asymmetric=True)

    def vector(self, text):
        if text == "zero":
            return np.zeros(self.dimension, np.float32)
        seed = int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big")
        return np.random.default_rng(seed).standard_normal(self.dimension).astype(np.float32)

    async def __call__(self, texts, context=None, **options):
        await asyncio.sleep(0)
        self.calls += 1
        self.texts += texts
        self.contexts.append((context, options))
        if self.fail:
            raise self.fail
        return np.array([self.vector(text) for text in texts[:len(texts) - self.drop]]).reshape(-1, self.dimension)


def configuration(folder, threshold=0.2, batch=10):
    return {"working_dir": str(folder), "embedding_batch_num": batch, "max_graph_nodes": 1000,
            "vector_db_storage_cls_kwargs": {"cosine_better_than_threshold": threshold}}


def make(kind, whose, folder, *, namespace=None, workspace="", embedder=None, meta_fields=None, **config):
    """A storage as LightRAG constructs it, not initialised."""
    shared_storage.initialize_share_data()
    namespace = namespace or NAMESPACES[kind]
    arguments = {"namespace": namespace, "workspace": workspace, "global_config": configuration(folder, **config),
                 "embedding_func": (embedder or Embedder()).function}
    if kind == "vector":
        arguments["meta_fields"] = meta_fields or lightrag_stores.VECTOR[namespace]
    return KINDS[kind][whose](**arguments)


@contextlib.asynccontextmanager
async def opened(kind, whose, folder, **options):
    storage = make(kind, whose, folder, **options)
    await storage.initialize()
    try:
        yield storage
    finally:
        await storage.finalize()


@contextlib.asynccontextmanager
async def both(kind, folder, **options):
    """The default storage and ours, each in a directory of its own."""
    shared_storage.finalize_share_data()  # the JSON storages would share their memory with those of the test before
    async with opened(kind, DEFAULT, folder / "default", **options) as default:
        async with opened(kind, OURS, folder / "ours", **options) as mine:
            yield default, mine


def run(coroutine):
    return asyncio.run(coroutine)
