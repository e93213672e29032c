"""RagstoreKVStorage: values by key."""
from dataclasses import dataclass
from typing import Any, ClassVar, final

from lightrag.base import BaseKVStorage

from .storage import Storage, by_key, copied, plain, with_text, without_impossible

STAMPS = {"_id", "create_time", "update_time"}  # the store's own: it puts them into each answer


class KeyedStorage(Storage):
    """By key, what KV and document status have in common. A subclass has _row, which copies (key, value), and _get,
    _put_rows, _delete, _missing, _count and _drop_all, each a call into the store."""

    supports_strict_point_reads: ClassVar[bool] = True

    async def get_by_id(self, id: str) -> dict[str, Any] | None:
        return (await self._read(1, lambda store: self._found(store, [id])))[0]

    async def get_by_id_strict(self, id: str) -> dict[str, Any] | None:
        return await self.get_by_id(id)  # None is a fact: what cannot be answered raises

    async def get_by_ids(self, ids: list[str]) -> list[dict[str, Any]]:
        ids = list(ids)
        return await self._read(len(ids), lambda store: self._found(store, ids))

    def _found(self, store, ids):
        return by_key(lambda some: self._get(store, some), ids)

    async def filter_keys(self, keys: set[str]) -> set[str]:
        keys = list(keys)
        return set(await self._read(len(keys), lambda store: self._absent(store, keys)))

    def _absent(self, store, keys):
        try:
            return self._missing(store, keys)
        except ValueError:
            return [key for key, row in zip(keys, self._found(store, keys)) if row is None]

    async def upsert(self, data: dict[str, dict[str, Any]]) -> None:
        if not data:
            return
        rows = dict(await copied(data.items(), self._row))
        await self._put(lambda store, part, txn: with_text(lambda clean: self._put_rows(store, clean, txn), part), rows,
                        durable=self.durable_puts)

    async def delete(self, ids: list[str]) -> None:
        ids = list(ids)
        if ids:
            await self._write(lambda store, txn: without_impossible(lambda some: self._delete(store, some, txn), ids))

    async def is_empty(self) -> bool:
        return await self._read(1, self._count) == 0

    async def drop(self) -> dict[str, str]:
        return await self._drop(lambda store, _: self._drop_all(store))


@final
@dataclass
class RagstoreKVStorage(KeyedStorage, BaseKVStorage):
    durable_puts: ClassVar[bool] = False

    @staticmethod
    def _row(item):
        return item[0], {name: plain(value) for name, value in item[1].items() if name not in STAMPS}

    def _get(self, store, ids):
        return store.kv_get(self.namespace, ids, stamped=True)

    def _put_rows(self, store, rows, txn):
        store.kv_put(self.namespace, rows, txn=txn)

    def _delete(self, store, ids, txn):
        store.kv_delete(self.namespace, ids, txn=txn)

    def _missing(self, store, keys):
        return store.kv_missing(self.namespace, keys)

    def _count(self, store):
        return store.kv_count(self.namespace)

    def _drop_all(self, store):
        store.kv_drop(self.namespace)
