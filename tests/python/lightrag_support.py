"""LightRAG's storages and ours, side by side, without the rest of LightRAG: made with the keyword arguments that LightRAG
makes them with, with an embedder that needs no model (the same text always gives the same vector). And what the tests of
LightRAG's contract share: tests that get an open storage of ours, rows, other handles and processes."""
import asyncio
import contextlib
import hashlib
import logging
import os
import pathlib
import subprocess
import sys

import numpy as np
from lightrag.kg import shared_storage
from lightrag.kg.json_doc_status_impl import JsonDocStatusStorage
from lightrag.kg.json_kv_impl import JsonKVStorage
from lightrag.kg.nano_vector_db_impl import NanoVectorDBStorage
from lightrag.kg.networkx_impl import NetworkXStorage
from lightrag.utils import EmbeddingFunc

import ragstore.lightrag as ours
from ragstore import _native

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench" / "peers"))
import lightrag_stores  # noqa: E402  (found by the line above)

DIMENSION = 16
KINDS = {"kv": (JsonKVStorage, ours.RagstoreKVStorage), "vector": (NanoVectorDBStorage, ours.RagstoreVectorStorage),
         "graph": (NetworkXStorage, ours.RagstoreGraphStorage),
         "doc_status": (JsonDocStatusStorage, ours.RagstoreDocStatusStorage)}
EVERY = list(KINDS)
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


# ---- LightRAG's contract ---------------------------------------------------------------------------------------------


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


def another_handle(folder, workspace=""):
    """Another handle on the store of a test."""
    return _native.Store(f"embedded:{folder}/ragstore", workspace=workspace)


def process(script, *arguments, **options):
    """A Python of its own that runs `script`, beside this folder."""
    return subprocess.Popen([sys.executable, "-c", script, *map(str, arguments)], stdout=subprocess.PIPE, text=True,
                            cwd=os.path.dirname(__file__), **options)


async def fill(kind, storage, key="a"):
    """A row that every kind takes, flushed."""
    if kind == "graph":
        await storage.upsert_node(key, {"entity_id": key})
    else:
        await storage.upsert({key: {"content": "text", "entity_name": key, "status": "failed", "created_at": "2026"}})
        await storage.index_done_callback()


async def count(kind, storage):
    """The rows; of values and documents only 1 when there are any."""
    if kind == "graph":
        return len(await storage.get_all_labels())
    if kind == "vector":
        return len((await storage.client_storage)["data"])
    return 0 if await storage.is_empty() else 1


def rows_of(n):
    """Rows of entities."""
    return {f"id-{i:03}": {"content": f"text {i}", "entity_name": f"e{i}"} for i in range(n)}


def document(status="pending", created="2026-01-01", path="f.txt", **more):
    """A row of document status."""
    return {"status": status, "content_summary": "s", "content_length": 1, "created_at": created, "updated_at": created,
            "file_path": path, **more}
