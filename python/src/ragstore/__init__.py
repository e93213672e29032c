"""Values by key, vectors, a knowledge graph and the status of documents in one store.

>>> import ragstore
>>> with ragstore.open("memory:") as store:
...     store.kv("full_docs")["doc-1"] = {"content": "Alice"}
...     store.kv("full_docs")["doc-1"]
{'content': 'Alice'}

docs/python.md of the project is the guide; `import ragstore.lightrag` lets LightRAG run on it.
"""
from __future__ import annotations

import os
from collections.abc import Iterable

from ragstore import _native
from ragstore._native import (
    CancelFlag, CancelledError, ConflictError, ConnectionError, CorruptError, DatabaseError, DeniedError, ForkedError,
    InputOutputError, InvalidError, Matrix, MismatchError, NoSpaceError, NotFoundError, StoreError, TimeoutError,
    TransactionError, UnsupportedError, VersionError, __version__)
from ragstore._stores import Docs, FlushFigures, Graph, Hit, KV, Shared, Store, Transaction, Value, VectorRow, Vectors, View

__all__ = [
    "CancelFlag", "CancelledError", "ConflictError", "ConnectionError", "CorruptError", "DatabaseError", "DeniedError",
    "Docs", "FlushFigures", "ForkedError", "Graph", "Hit", "InputOutputError", "InvalidError", "KV", "Matrix",
    "MismatchError", "NoSpaceError", "NotFoundError", "Shared", "Store", "StoreError", "TimeoutError", "Transaction",
    "TransactionError", "UnsupportedError", "Value", "VectorRow", "Vectors", "VersionError", "View", "__version__", "open"]


def open(url: str | os.PathLike[str] | None = None, *, read_only: bool = False, create: bool = True, build: bool = False,
         replace: bool = False, workspace: str | None = None, namespaces: Iterable[str] | None = None,
         config_file: str | None = None, lock_timeout: float | None = None) -> Store:
    """Open the store that `url` names: a directory, "memory:", "lightrag:DIR", or what the environment says when it is None.

    create=False: NotFoundError when there is none. build=True makes a new store aside that appears with publish(); `replace`
    lets it take the place of one that is there. `workspace` and `config_file` override what the environment says;
    `namespaces` limits the handle to these; a writer waits for its turn for `lock_timeout` seconds (30 unless given).
    """
    native = _native.Store(None if url is None else os.fspath(url), read_only=read_only, existing=not create, build=build,
                           replace=replace, workspace=workspace, namespaces=namespaces, config_file=config_file,
                           lock_timeout=lock_timeout)
    return Store(native, {})
