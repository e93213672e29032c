"""RagstoreVectorStorage: vectors with a payload.

An upsert leaves its text in the store, to be embedded once by the next index_done_callback() of this storage, however often
the row is written before; a delete is left likewise. Both survive a kill, and until then reads by id see them while queries
do not: what LightRAG asks of every vector storage.
"""
import asyncio
import concurrent.futures
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from lightrag.base import BaseVectorStorage
from lightrag.constants import DEFAULT_QUERY_PRIORITY
from lightrag.utils import compute_mdhash_id

from .. import _native
from .graph import pages
from .storage import Storage, by_key, copied, plain, with_text, without_impossible

ELEMENT = "float32"  # of a new space; docs/decisions/0018-vector-element.md
BATCH = 10           # texts in one call of the embedder, where LightRAG does not say
CONCURRENCY = 8      # calls at the same time; LightRAG's embedder keeps its own, global limit
PAGE = 500
LOOK = 1.0           # seconds after which a thread that waits for the embedder looks whether its event loop is closed


def as_rows(vectors, expected):
    """What an embedder gave, as float32, one row a text."""
    if len(vectors) != expected:
        raise RuntimeError(f"the embedder gave {len(vectors)} vectors for {expected} texts")
    return np.ascontiguousarray(vectors, dtype=np.float32)


@final
@dataclass
class RagstoreVectorStorage(Storage, BaseVectorStorage):
    def __post_init__(self):
        self._validate_embedding_func()
        threshold = self.global_config.get("vector_db_storage_cls_kwargs", {}).get("cosine_better_than_threshold")
        if threshold is None:
            raise ValueError("cosine_better_than_threshold must be specified in vector_db_storage_cls_kwargs")
        self.cosine_better_than_threshold = threshold
        self._batch = self.global_config.get("embedding_batch_num") or BATCH
        super().__post_init__()

    # ---- the space ---------------------------------------------------------------------------------------------------

    def _define(self, store, txn=None):
        """Make the space, or check that the one that is there has vectors of this model."""
        model = getattr(self.embedding_func, "model_name", None) or ""

        def define(element):
            store.vector_define(self.namespace, self.embedding_func.embedding_dim, element=element, model=model, txn=txn)

        try:
            define(store.vector_describe(self.namespace, txn=txn)["element"])
        except _native.NotFoundError:
            try:
                define(ELEMENT)
            except _native.UnsupportedError:
                define("float16")  # LightRAG's own files hold nothing else

    async def _prepare(self):
        await self._write(self._define)

    def _defined(self, call):
        """As a write: call(store, txn), once more when another process has dropped the space."""
        def run(store, txn):
            try:
                return call(store, txn)
            except _native.NotFoundError:
                self._define(store, txn)
                return call(store, txn)

        return run

    # ---- writes ------------------------------------------------------------------------------------------------------

    async def upsert(self, data: dict[str, dict[str, Any]]) -> None:
        if not data:
            return
        rows = dict(await copied(data.items(), self._row))

        def defer(store, part, txn):
            def put(clean):
                store.vector_defer(self.namespace, list(clean), [row[0] for row in clean.values()],
                                   [row[1] for row in clean.values()], txn=txn)

            self._defined(lambda *_: with_text(put, part))(store, txn)

        await self._put(defer, rows)

    def _row(self, item):
        key, value = item
        return key, [{name: plain(value[name]) for name in value if name in self.meta_fields}, value["content"]]

    async def delete(self, ids: list[str]):
        ids = list(ids)
        if ids:
            await self._write(self._defined(lambda store, txn: without_impossible(
                lambda some: store.vector_defer_delete(self.namespace, some, txn=txn), ids)))

    async def delete_entity(self, entity_name: str) -> None:
        ids = [compute_mdhash_id(entity_name, prefix="ent-")]
        await self._write(lambda store, txn: store.vector_delete(self.namespace, ids, txn=txn))

    async def delete_entity_relation(self, entity_name: str) -> None:
        await self._write(lambda store, txn: store.vector_delete_named(self.namespace, [entity_name], txn=txn))

    async def drop_pending_index_ops(self) -> None:
        await self._write(lambda store, txn: store.vector_drop_pending(self.namespace, txn=txn))

    async def drop(self) -> dict[str, str]:
        def drop(store, _):
            store.vector_drop(self.namespace)
            self._define(store)

        return await self._drop(drop)

    # ---- embedding ---------------------------------------------------------------------------------------------------

    def _embedder(self, loop):
        """The embedder as threads can call it: it runs in the event loop, they wait."""
        def embed(texts):
            running = asyncio.run_coroutine_threadsafe(self.embedding_func(texts, context="document"), loop)
            while True:
                try:
                    return as_rows(running.result(LOOK), len(texts))
                except concurrent.futures.TimeoutError:
                    if running.done():
                        raise  # the embedder's own
                    if loop.is_closed():
                        raise RuntimeError("the event loop is closed, nothing can be embedded") from None

        return embed

    async def index_done_callback(self) -> bool:
        """Embeds what is pending in this storage, and makes all of it safe from a power cut."""
        shared, stop = self._shared, _native.CancelFlag()
        embed = self._embedder(asyncio.get_running_loop())

        def flush(store):
            before = shared.committed
            try:
                figures = store.vector_flush(self.namespace, embed, batch=self._batch, concurrency=CONCURRENCY, attempts=1,
                                             cancel=stop)
            except _native.NotFoundError:
                return  # dropped meanwhile, with all that was pending
            if figures["stored"] or figures["deleted"]:
                shared.note_durable(before)

        try:
            await shared.embed(flush)
        except asyncio.CancelledError:
            stop.set()  # what is stored stays stored, the rest stays pending
            raise
        await shared.sync(self.written)
        return True

    async def finalize(self):
        if self._share is None:
            return
        try:
            await self.index_done_callback()
        except Exception as error:
            waiting = await self._shared.read(lambda store: sum(1 for _ in self._pending(store)))
            raise RuntimeError(f"[{self.workspace}] {self.namespace}: {waiting} rows wait for their vectors or to be deleted "
                               f"({error}); they stay in the store, and the next flush takes them") from error
        finally:
            await self._release()

    def _pending(self, store):
        return pages(lambda after: store.vector_pending(self.namespace, after, PAGE))

    # ---- reads -------------------------------------------------------------------------------------------------------

    async def query(self, query: str, top_k: int, query_embedding: list[float] = None) -> list[dict[str, Any]]:
        if query_embedding is None:
            query_embedding = (await self.embedding_func([query], context="query", _priority=DEFAULT_QUERY_PRIORITY))[0]
        vector = np.ascontiguousarray(query_embedding, dtype=np.float32)
        if top_k <= 0 or not np.isfinite(vector).all() or not vector.any():
            return []  # no direction, nothing is near
        try:
            return await self._shared.read(lambda store: store.vector_search(
                self.namespace, vector, top_k, min_score=self.cosine_better_than_threshold))
        except _native.NotFoundError:
            return []  # dropped by another process

    async def get_by_id(self, id: str) -> dict[str, Any] | None:
        return (await self._read(1, lambda store: self._rows(store, [id])))[0]

    async def get_by_ids(self, ids: list[str]) -> list[dict[str, Any]]:
        ids = list(ids)
        return await self._read(len(ids), lambda store: self._rows(store, ids))

    def _rows(self, store, ids):
        return by_key(lambda some: store.vector_get(self.namespace, some), ids)

    async def get_vectors_by_ids(self, ids: list[str]) -> dict[str, list[float]]:
        ids = list(dict.fromkeys(ids))
        if not ids:
            return {}

        def vectors(store):
            known, matrix = store.vector_get_vectors(self.namespace, ids)
            rows = np.asarray(matrix)
            return {id: rows[i].tolist() for i, id in enumerate(ids) if known[i]}

        found = await self._read(len(ids), vectors)
        if len(found) < len(ids):
            found |= await self._embed_pending(set(ids) - found.keys())
        return found

    async def _embed_pending(self, ids):
        """Vectors of rows that wait for them, embedded now and kept for the flush."""
        def waiting(store):
            return [(id, text, mark) for id, payload, text, mark, embedded in self._pending(store)
                    if id in ids and payload is not None and not embedded]

        rows = await self._shared.read(waiting)
        if not rows:
            return {}
        batches = [[text for _, text, _ in rows[i:i + self._batch]] for i in range(0, len(rows), self._batch)]
        answers = await asyncio.gather(*(self.embedding_func(batch, context="document") for batch in batches))
        vectors = np.concatenate([as_rows(answer, len(batch)) for answer, batch in zip(answers, batches)])
        await self._write(lambda store, txn: store.vector_resolve(
            self.namespace, [row[0] for row in rows], [row[2] for row in rows], vectors, keep=True, txn=txn))
        return {row[0]: vector.tolist() for row, vector in zip(rows, vectors)}

    @property
    async def client_storage(self) -> dict[str, list[dict[str, Any]]]:
        """All rows, which LightRAG's export adds to its file."""
        def rows(store):
            def scan(after):
                found, _, following = store.vector_scan(self.namespace, after, PAGE)
                return found, following

            return list(pages(scan))

        return {"data": await self._shared.read(rows)}
