"""What the four kinds of storage share: where their store is, and its opening and closing.

Rows become JSON, and JSON becomes rows, while nothing else of Python runs. So many rows go in pieces, in between which the event
loop has its turn: writes still all or none, in a transaction; reads by key each piece as of one moment.
"""
import asyncio
import itertools
import os
import re

from lightrag.exceptions import StorageNotInitializedError
from lightrag.utils import logger, validate_workspace

from .. import _native
from . import share

INLINE = 64  # rows that are read at once in the event loop; more of them in a thread. A query asks for 40
PIECE = 250  # rows that are written together
READ_PIECE = 1000

NOT_TEXT = re.compile("[\ud800-\udfff\ufffe\uffff]")  # what LightRAG's JSON storages strip when a text is no UTF-8


def plain(value):
    """A copy of JSON values. Storages must not keep what a caller hands over: LightRAG gives one dict to two of them."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def cleaned(value):
    """The same without what is no text."""
    if isinstance(value, str):
        return NOT_TEXT.sub("", value)
    if isinstance(value, dict):
        return {cleaned(key): cleaned(item) for key, item in value.items()}
    if isinstance(value, list):
        return [cleaned(item) for item in value]
    return value


def with_text(call, rows):
    """call(rows). Half a surrogate pair, for which there is no UTF-8, is stripped as LightRAG's JSON storages do it: a
    language model may answer with one, and the document should not fail for it."""
    try:
        return call(rows)
    except ValueError:
        clean = cleaned(rows)
        if clean == rows:
            raise
        return call(clean)


async def copied(rows, copy):
    """[copy(row) for row in rows], without keeping the event loop from others for long."""
    copies = []
    for row in rows:
        copies.append(copy(row))
        if len(copies) % PIECE == 0:
            await asyncio.sleep(0)
    return copies


def pieces(rows):
    """A list or dict in parts of its own kind."""
    if isinstance(rows, dict):
        items = iter(rows.items())
        while part := dict(itertools.islice(items, PIECE)):
            yield part
    else:
        for at in range(0, len(rows), PIECE):
            yield rows[at:at + PIECE]


def by_key(call, keys, absent=None):
    """call(keys), which answers a list. A key that no store can have (empty, too long, no text) is absent."""
    if len(keys) > READ_PIECE:
        return [row for at in range(0, len(keys), READ_PIECE) for row in by_key(call, keys[at:at + READ_PIECE], absent)]
    try:
        return call(keys)
    except ValueError:
        if len(keys) == 1:
            return [absent]
        return [by_key(call, [key], absent)[0] for key in keys]


def without_impossible(call, keys):
    """call(keys), which deletes: what cannot be there need not be."""
    try:
        call(keys)
    except ValueError:
        if len(keys) > 1:
            for key in keys:
                without_impossible(call, [key])


class Storage:
    """Mixed into each storage class before LightRAG's base class, whose fields it uses."""

    def __post_init__(self):
        """Opens nothing: a server constructs its storages before it forks."""
        validate_workspace(self.workspace or "")
        self.workspace = self.workspace or ""
        self.final_namespace = f"{self.workspace}_{self.namespace}" if self.workspace else self.namespace
        self.written = 0  # the number of this storage's newest commit
        self._share = None

    def _where(self):
        """URL, and the directory to make."""
        url = os.environ.get("RAGSTORE_URL")
        if url:
            return url, None
        folder = os.path.abspath(self.global_config["working_dir"])
        path = os.path.join(folder, "ragstore").replace("%", "%25").replace("?", "%3F")
        return f"embedded:{path}", folder

    @property
    def _shared(self):
        if self._share is None:
            raise StorageNotInitializedError(type(self).__name__)
        return self._share

    @property
    def _store(self):
        return self._shared.store

    def _read(self, count, call):
        """call(store): at once for a few rows that no server is asked for, which may answer late or not at all."""
        if count <= INLINE and self._shared.is_near:
            return _done(call, self._store)
        return self._shared.read(call)

    def _write(self, call, **options):
        return self._shared.write(self, call, **options)

    def _put(self, put, rows, **options):
        """put(store, rows, txn) as a write, to be awaited."""
        if len(rows) <= PIECE:
            return self._write(lambda store, txn: put(store, rows, txn), **options)

        def put_all(store, _):
            try:
                txn = store.begin()
            except _native.UnsupportedError:  # a mix of stores has no transactions
                put(store, rows, None)
                return
            with txn:
                for part in pieces(rows):
                    put(store, part, txn)

        return self._write(put_all, alone=True, **options)

    async def initialize(self):
        if self._share is not None:
            return
        url, folder = self._where()
        self._share = await share.acquire(url, self.workspace, folder)
        try:
            await self._prepare()
        except BaseException:
            await self._release()
            raise

    async def _prepare(self):
        """After opening, before the first use."""

    async def finalize(self):
        if self._share is None:
            return
        try:
            await self.index_done_callback()
        finally:
            await self._release()

    async def _release(self):
        left, self._share = self._share, None
        if left is not None:
            await share.release(left)

    async def index_done_callback(self):
        await self._shared.sync(self.written)

    async def _drop(self, call):
        """LightRAG wants the answer as a dict, also that it failed."""
        try:
            await self._write(call, alone=True, durable=True)
            logger.info(f"[{self.workspace}] dropped {self.namespace}")
            return {"status": "success", "message": "data dropped"}
        except Exception as error:
            logger.error(f"[{self.workspace}] dropping {self.namespace}: {error}")
            return {"status": "error", "message": str(error)}


async def _done(call, store):
    return call(store)
