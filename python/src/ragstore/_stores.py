"""The classes of the package: thin clothes over ragstore._native, which is one method for each function of the C library.

Every class here is a view: the native store and the options that go with each call (a transaction, a time limit, a flag to
cancel by). Nothing is cached and nothing is decided here.
"""
from __future__ import annotations

import os
from collections.abc import Callable, ItemsView, Iterable, Iterator, KeysView, Mapping, MutableMapping, Sequence, ValuesView
from typing import Any, Literal, NamedTuple, TypeVar

from ragstore import _native

Value = dict[str, Any]
By = Literal["track_id", "file_path", "content_hash"]
_T = TypeVar("_T")

__all__ = ["Docs", "FlushFigures", "Graph", "Hit", "KV", "Shared", "Store", "Transaction", "Value", "VectorRow", "Vectors", "View"]


class Hit(NamedTuple):
    """A row that a search found. `score` is the similarity: larger is nearer."""
    id: str
    value: Value
    created_at: int
    score: float


class VectorRow(NamedTuple):
    """A row of a vector space without its vector. `created_at` is in Unix seconds, 0 when it is not known."""
    id: str
    value: Value
    created_at: int


class FlushFigures(NamedTuple):
    """What a flush of pending vectors did: texts embedded, rows stored, deletes carried out, calls of the embedder."""
    embedded: int
    stored: int
    deleted: int
    batches: int
    retries: int


class View(NamedTuple):
    """A part of the graph: (label, degree, attributes), (source, target, attributes), and whether nodes were left out."""
    nodes: list[tuple[str, int, Value]]
    edges: list[tuple[str, str, Value]]
    truncated: bool


def _pages(page: Callable[[bytes], tuple[list[_T], bytes]]) -> Iterator[_T]:
    """The rows of all pages. page(after) gives one of them and where to go on; nothing is held open between two."""
    after = b""
    while True:
        rows, after = page(after)
        yield from rows
        if not after:
            return


class _Part:
    """What the parts of a store have in common."""

    def __init__(self, native: _native.Store, options: Mapping[str, Any]) -> None:
        self._native = native
        self._options = options


class _Rows(_Part, MutableMapping[str, Value]):
    """Rows by key as a mapping. Subclasses give get_many(), put(), delete() and pages."""

    def get_many(self, keys: Sequence[str]) -> list[Value | None]:
        raise NotImplementedError

    def put(self, items: Mapping[str, Mapping[str, Any]]) -> None:
        raise NotImplementedError

    def delete(self, keys: Iterable[str]) -> int:
        raise NotImplementedError

    def drop(self) -> None:
        raise NotImplementedError

    def _page(self, after: bytes) -> tuple[list[tuple[str, Value]], bytes]:
        raise NotImplementedError

    def __getitem__(self, key: str) -> Value:
        value = self.get_many([key])[0]
        if value is None:
            raise KeyError(key)
        return value

    def __setitem__(self, key: str, value: Mapping[str, Any]) -> None:
        self.put({key: value})

    def __delitem__(self, key: str) -> None:
        if not self.delete([key]):
            raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.get_many([key])[0] is not None

    def __iter__(self) -> Iterator[str]:
        return (key for key, _ in _pages(self._page))

    def items(self) -> ItemsView[str, Value]:
        """(key, value) of all rows, page by page, in order of keys."""
        return _Items(self)

    def values(self) -> ValuesView[Value]:
        """The values of all rows, page by page, in order of keys."""
        return _Values(self)

    def update(self, *items: Any, **more: Any) -> None:
        """put() with the arguments of dict.update(): all or none."""
        self.put(dict(*items, **more))

    def clear(self) -> None:
        """The same as drop()."""
        self.drop()


class _Items(ItemsView[str, Value]):
    _mapping: _Rows

    def __iter__(self) -> Iterator[tuple[str, Value]]:
        return _pages(self._mapping._page)


class _Values(ValuesView[Value]):
    _mapping: _Rows

    def __iter__(self) -> Iterator[Value]:
        return (value for _, value in _pages(self._mapping._page))


class KV(_Rows):
    """Values by key in one namespace: a mapping, with calls for many keys at once.

    >>> import ragstore
    >>> cache = ragstore.open("memory:").kv("llm_response_cache")
    >>> cache["question"] = {"return": "answer"}
    >>> cache["question"]
    {'return': 'answer'}
    >>> cache.get("another") is None
    True
    """

    def __init__(self, native: _native.Store, options: Mapping[str, Any], name: str) -> None:
        super().__init__(native, options)
        self.name = name

    def get_many(self, keys: Sequence[str], *, stamped: bool = False) -> list[Value | None]:
        """The values in the order asked, None where there is none. `stamped`: with the members "_id", "create_time" and
        "update_time"."""
        return self._native.kv_get(self.name, keys, stamped=stamped, **self._options)

    def put(self, items: Mapping[str, Mapping[str, Any]]) -> None:
        """Put values, all or none."""
        self._native.kv_put(self.name, items, **self._options)

    def delete(self, keys: Iterable[str]) -> int:
        """Delete rows, all or none; answers how many there were.

        >>> import ragstore
        >>> kv = ragstore.open("memory:").kv("full_docs")
        >>> kv.put({"a": {}, "b": {}})
        >>> kv.delete(["a", "no such key"])
        1
        """
        return self._native.kv_delete(self.name, keys, **self._options)

    def missing(self, keys: Iterable[str]) -> list[str]:
        """Those of the keys that are not there."""
        return self._native.kv_missing(self.name, keys, **self._options)

    def drop(self) -> None:
        """Delete everything in the namespace, durably."""
        self._native.kv_drop(self.name, **self._options)

    @property
    def limits(self) -> tuple[int, int]:
        """Bounds of a cache, a namespace whose name ends in "_cache": (bytes, seconds since a row was written); 0: none."""
        return self._native.kv_get_limits(self.name, **self._options)

    @limits.setter
    def limits(self, limits: tuple[int, int]) -> None:
        self._native.kv_set_limits(self.name, *limits, **self._options)

    def _page(self, after: bytes) -> tuple[list[tuple[str, Value]], bytes]:
        return self._native.kv_scan(self.name, after, **self._options)

    def __len__(self) -> int:
        return self._native.kv_count(self.name, **self._options)

    def __repr__(self) -> str:
        return f"<ragstore.KV {self.name!r}>"


class Vectors(_Part):
    """Vectors with a payload in one named space.

    >>> import ragstore
    >>> chunks = ragstore.open("memory:").vectors("chunks")
    >>> chunks.define(2)
    >>> chunks.put(["a", "b"], [[1, 0], [0, 1]], [{"content": "east"}, {"content": "north"}])
    >>> [(hit.id, hit.value["content"]) for hit in chunks.search([0.1, 0.9], top_k=1)]
    [('b', 'north')]
    """

    def __init__(self, native: _native.Store, options: Mapping[str, Any], name: str) -> None:
        super().__init__(native, options)
        self.name = name

    def define(self, dimension: int, *, metric: str = "cosine", element: str = "float32", model: str = "") -> None:
        """Create the space, or check that it has these facts (MismatchError names both). metric: "cosine" or "dot"; element:
        "float32" or "float16"; model: the name of the embedding model, "" agrees with every one."""
        self._native.vector_define(self.name, dimension, metric=metric, element=element, model=model, **self._options)

    @property
    def facts(self) -> Value:
        """"dimension", "metric", "element" and "model" of the space."""
        return self._native.vector_describe(self.name, **self._options)

    def put(self, ids: Sequence[str], vectors: Any, values: Sequence[Mapping[str, Any]] | None = None,
            created_at: Sequence[int] | None = None) -> None:
        """Put vectors (an array of float32 with one row for each id is not copied), all or none."""
        payloads = [{} for _ in ids] if values is None else values
        self._native.vector_put(self.name, ids, vectors, payloads, created_at, **self._options)

    def get_many(self, ids: Sequence[str]) -> list[VectorRow | None]:
        """The rows in the order asked, None where there is none; those that wait for their vector as well."""
        rows = self._native.vector_get(self.name, ids, apart=True, **self._options)
        return [None if row is None else VectorRow(*row) for row in rows]

    def get(self, id: str) -> VectorRow | None:
        """One row, or None."""
        return self.get_many([id])[0]

    def get_vectors(self, ids: Sequence[str]) -> tuple[list[bool], _native.Matrix]:
        """Which of the vectors are known, and all of them in one Matrix: rows of zeros where there is none."""
        return self._native.vector_get_vectors(self.name, ids, **self._options)

    def delete(self, ids: Iterable[str]) -> int:
        """Delete rows; answers how many there were."""
        return self._native.vector_delete(self.name, ids, **self._options)

    def delete_named(self, names: Iterable[str]) -> int:
        """Delete the rows whose payload has one of these names as "entity_name", "src_id" or "tgt_id"."""
        return self._native.vector_delete_named(self.name, names, **self._options)

    def search(self, vector: Any, top_k: int = 10, *, min_score: float = -2.0, exact: bool = False) -> list[Hit]:
        """The nearest rows, best first. `exact` compares with every row; without it an index may miss a row now and then."""
        rows = self._native.vector_search(self.name, vector, top_k, min_score=min_score, exact=exact, apart=True,
                                          **self._options)
        return [Hit(*row) for row in rows]

    def rows(self) -> Iterator[VectorRow]:
        """All rows, page by page, in the store's own order."""
        def page(after: bytes) -> tuple[list[Any], bytes]:
            rows, _, following = self._native.vector_scan(self.name, after, apart=True, **self._options)
            return rows, following
        return (VectorRow(*row) for row in _pages(page))

    def pages(self, size: int = 1000) -> Iterator[tuple[list[VectorRow], _native.Matrix]]:
        """All rows with their vectors, `size` at a time."""
        after = b""
        while True:
            rows, matrix, after = self._native.vector_scan(self.name, after, size, vectors=True, apart=True, **self._options)
            if rows and matrix is not None:
                yield [VectorRow(*row) for row in rows], matrix
            if not after:
                return

    def defer(self, ids: Sequence[str], values: Sequence[Mapping[str, Any]], contents: Sequence[str] | None = None,
              created_at: Sequence[int] | None = None) -> None:
        """Leave rows to be embedded by flush(). The text is that of `contents`, or the member "content" of the payload."""
        self._native.vector_defer(self.name, ids, values, contents, created_at, **self._options)

    def defer_delete(self, ids: Iterable[str]) -> None:
        """Leave deletes to flush()."""
        self._native.vector_defer_delete(self.name, ids, **self._options)

    def flush(self, embed: Callable[[list[str]], Any], *, batch: int = 10, concurrency: int = 1, attempts: int = 3,
              backoff: float = 1.0) -> FlushFigures:
        """Embed what is pending and store it, durably. `embed` gets up to `batch` texts and gives an array with one vector for
        each; `concurrency` calls run at the same time, in threads. What it raises ends the flush and is raised; after a
        ConnectionError or TimeoutError it is called again first, `attempts` times in all. What was stored stays stored."""
        figures = self._native.vector_flush(self.name, embed, batch=batch, concurrency=concurrency, attempts=attempts,
                                            backoff=backoff, **self._options)
        return FlushFigures(**figures)

    def pending(self) -> Iterator[str]:
        """The ids of what waits for flush(), deletes included."""
        return (row[0] for row in _pages(lambda after: self._native.vector_pending(self.name, after, **self._options)))

    def drop_pending(self) -> int:
        """Discard what this handle left for flush(); answers how many rows that were."""
        return self._native.vector_drop_pending(self.name, **self._options)

    def drop(self) -> None:
        """Delete the space with all its rows, durably."""
        self._native.vector_drop(self.name, **self._options)

    def __len__(self) -> int:
        return self._native.vector_count(self.name, **self._options)

    def __bool__(self) -> bool:
        return True    # a space, also when it has no rows

    def __repr__(self) -> str:
        return f"<ragstore.Vectors {self.name!r}>"


class Graph(_Part):
    """The knowledge graph: nodes named by their labels, at most one edge without direction between two, attributes that are
    str, numbers or bool.

    >>> import ragstore
    >>> graph = ragstore.open("memory:").graph
    >>> graph.put_edge("Alice", "Rabbit", {"weight": 1.0})     # missing nodes are made
    >>> graph.degree("Rabbit"), graph.count()
    (1, (2, 1))
    """

    def put_nodes(self, nodes: Iterable[tuple[str, Mapping[str, Any]]], *, replace: bool = False) -> None:
        """Create or change nodes, all or none. New attributes win and the others stay, unless `replace`."""
        self._native.graph_put_nodes(nodes, replace=replace, **self._options)

    def put_node(self, label: str, attributes: Mapping[str, Any], *, replace: bool = False) -> None:
        """put_nodes() with one."""
        self.put_nodes([(label, attributes)], replace=replace)

    def put_edges(self, edges: Iterable[tuple[str, str, Mapping[str, Any]]], *, replace: bool = False) -> None:
        """Create or change edges, all or none."""
        self._native.graph_put_edges(edges, replace=replace, **self._options)

    def put_edge(self, source: str, target: str, attributes: Mapping[str, Any], *, replace: bool = False) -> None:
        """put_edges() with one."""
        self.put_edges([(source, target, attributes)], replace=replace)

    def nodes(self, labels: Sequence[str]) -> list[Value | None]:
        """Attributes of nodes in the order asked, None where there is none."""
        return self._native.graph_get_nodes(labels, **self._options)

    def node(self, label: str) -> Value | None:
        """Attributes of one node, or None."""
        return self.nodes([label])[0]

    def edges(self, pairs: Sequence[tuple[str, str]]) -> list[Value | None]:
        """Attributes of edges in the order asked, None where there is none."""
        return self._native.graph_get_edges(pairs, **self._options)

    def edge(self, source: str, target: str) -> Value | None:
        """Attributes of one edge, or None."""
        return self.edges([(source, target)])[0]

    def degrees(self, labels: Sequence[str]) -> list[int | None]:
        """Numbers of edges, None where there is no such node. An edge of a node to itself counts twice."""
        return self._native.graph_degrees(labels, **self._options)

    def degree(self, label: str) -> int | None:
        """The number of edges at one node, or None."""
        return self.degrees([label])[0]

    def neighbours_of(self, labels: Sequence[str]) -> list[list[str] | None]:
        """The neighbours of each node, None where there is no such node."""
        return self._native.graph_neighbours(labels, **self._options)

    def neighbours(self, label: str) -> list[str] | None:
        """The neighbours of one node, or None."""
        return self.neighbours_of([label])[0]

    def delete_nodes(self, labels: Iterable[str]) -> int:
        """Delete nodes with all their edges; answers how many nodes there were."""
        return self._native.graph_delete_nodes(labels, **self._options)

    def delete_edges(self, pairs: Iterable[tuple[str, str]]) -> int:
        """Delete edges; answers how many there were."""
        return self._native.graph_delete_edges(pairs, **self._options)

    def all_nodes(self) -> Iterator[tuple[str, int, Value]]:
        """(label, degree, attributes) of all nodes, page by page, in order of labels."""
        def page(after: bytes) -> Any:    # with values, so that none of them is None
            return self._native.graph_scan_nodes(after, **self._options)
        return _pages(page)

    def all_edges(self) -> Iterator[tuple[str, str, Value]]:
        """(source, target, attributes) of all edges, page by page."""
        def page(after: bytes) -> Any:
            return self._native.graph_scan_edges(after, **self._options)
        return _pages(page)

    def count(self) -> tuple[int, int]:
        """(nodes, edges)"""
        return self._native.graph_count(**self._options)

    def popular(self, limit: int = 300) -> list[tuple[str, int]]:
        """(label, degree) of the nodes of highest degree."""
        return self._native.graph_popular(limit, **self._options)

    def search_labels(self, query: str, limit: int = 50) -> list[tuple[str, int]]:
        """(label, score) of labels that contain the query, the best first; letters are compared without case."""
        return self._native.graph_search_labels(query, limit, **self._options)

    def view(self, label: str = "*", max_depth: int = 3, max_nodes: int = 1000) -> View:
        """The surroundings of a node, or with "*" the nodes of highest degree, with the edges between them."""
        return View(*self._native.graph_view(label, max_depth, max_nodes, **self._options))

    def drop(self) -> None:
        """Delete the whole graph, durably."""
        self._native.graph_drop(**self._options)

    def __repr__(self) -> str:
        return "<ragstore.Graph>"


class Docs(_Rows):
    """The status of documents: a mapping of rows, which have at least the member "status". A put is durable when it returns.

    >>> import ragstore
    >>> docs = ragstore.open("memory:").docs
    >>> docs["doc-1"] = {"status": "pending", "created_at": "2026-01-01T00:00:00"}
    >>> docs.change({"doc-1": {"status": "processed"}})
    >>> docs["doc-1"]["status"]
    'processed'
    """

    def get_many(self, keys: Sequence[str]) -> list[Value | None]:
        """The rows in the order asked, None where there is none."""
        return self._native.docs_get(keys, **self._options)

    def put(self, items: Mapping[str, Mapping[str, Any]]) -> None:
        """Put rows, all or none, durably."""
        self._native.docs_put(items, **self._options)

    def change(self, changes: Mapping[str, Mapping[str, Any]], *, missing_ok: bool = False) -> None:
        """Change members of rows, all or none; the other members stay. "created_at" cannot be changed."""
        self._native.docs_update(changes, missing_ok=missing_ok, **self._options)

    def delete(self, keys: Iterable[str]) -> int:
        """Delete rows; answers how many there were."""
        return self._native.docs_delete(keys, **self._options)

    def counts(self) -> dict[str, int]:
        """Documents by status; the seven statuses of LightRAG are always there."""
        return self._native.docs_counts(**self._options)[0]

    def page(self, number: int = 1, size: int = 50, *, statuses: Sequence[str] = (), sort: str = "updated_at",
             ascending: bool = False) -> tuple[list[tuple[str, Value]], int]:
        """A page of (id, row), and how many documents there are on all pages. sort: "updated_at", "created_at", "id" or
        "file_path"."""
        return self._native.docs_page(statuses, number, size, sort, ascending, **self._options)

    def in_status(self, *statuses: str) -> Iterator[tuple[str, Value]]:
        """(id, row) of the documents in these statuses, the oldest first, page by page. Rows without what LightRAG needs are
        left out."""
        return _pages(lambda after: self._native.docs_sweep(statuses, after, full=True, **self._options))

    def find(self, by: By, text: str, *, primaries_only: bool = False,
             exclude: str = "") -> Iterator[tuple[str, Value]]:
        """(id, row) of the documents whose "track_id", "file_path" or "content_hash" is `text`, the oldest first."""
        return _pages(lambda after: self._native.docs_find(by, text, primaries_only=primaries_only, exclude=exclude,
                                                           after=after, **self._options))

    def conflicts(self) -> Iterator[tuple[str, int, Value]]:
        """(file path, documents, {"fingerprint", "sample"}) of the files that several documents claim."""
        return _pages(lambda after: self._native.docs_conflicts(after, **self._options))

    def drop(self) -> None:
        """Delete all rows, durably."""
        self._native.docs_drop(**self._options)

    def _page(self, after: bytes) -> tuple[list[tuple[str, Value]], bytes]:
        return self._native.docs_scan(after, **self._options)

    def __len__(self) -> int:
        return self._native.docs_counts(**self._options)[1]

    def __repr__(self) -> str:
        return "<ragstore.Docs>"


class Shared(_Part):
    """A small dictionary that the processes of a store share while they run. As a context manager it joins and leaves.

    >>> import ragstore
    >>> with ragstore.open("memory:").shared("pipeline_status") as status:
    ...     if status.first:                       # exactly one of all that join
    ...         status.put({"state": {"busy": False}})
    ...         status.ready()                     # the others have waited for this
    ...     status.all()
    {'state': ({'busy': False}, 1)}
    """

    def __init__(self, native: _native.Store, options: Mapping[str, Any], name: str) -> None:
        super().__init__(native, options)
        self.name = name
        self.first = False

    def join(self) -> bool:
        """Join. True for exactly one of those that join: it fills the dictionary and calls ready(), the others wait."""
        self.first = self._native.shared_join(self.name, **self._options)
        return self.first

    def ready(self) -> None:
        """It is filled."""
        self._native.shared_ready(self.name, **self._options)

    def leave(self) -> None:
        """Leave; the last to leave empties it."""
        self._native.shared_leave(self.name, **self._options)

    def get(self, key: str) -> tuple[Value, int] | None:
        """A value and its version, which grows with each change; or None."""
        return self._native.shared_get(self.name, [key], **self._options)[0]

    def all(self) -> dict[str, tuple[Value, int]]:
        """Everything: (value, version) by key."""
        return self._native.shared_all(self.name, **self._options)

    def put(self, items: Mapping[str, Mapping[str, Any] | None], *, merge: bool = False, expected: int = -1) -> None:
        """Change values, all or none; None deletes. `merge` changes only the members given. With `expected` each must have that
        version (0: absent), else ConflictError."""
        changes = [(key, value, merge, expected) for key, value in items.items()]
        self._native.shared_update(self.name, changes, **self._options)

    def __enter__(self) -> Shared:
        self.join()
        return self

    def __exit__(self, *error: object) -> None:
        self.leave()


class _Stores(_Part):
    """The four parts, of a store or of a transaction."""

    def kv(self, name: str) -> KV:
        """Values by key in a namespace, which is made by the first put."""
        return KV(self._native, self._options, name)

    def vectors(self, name: str) -> Vectors:
        """The vector space of this name; define() makes it."""
        return Vectors(self._native, self._options, name)

    @property
    def graph(self) -> Graph:
        """The knowledge graph."""
        return Graph(self._native, self._options)

    @property
    def docs(self) -> Docs:
        """The status of documents."""
        return Docs(self._native, self._options)

    def shared(self, name: str) -> Shared:
        """A small dictionary that processes share while they run."""
        return Shared(self._native, self._options, name)

    def upsert(self, *, nodes: Iterable[tuple[str, Mapping[str, Any]]] = (),
               edges: Iterable[tuple[str, str, Mapping[str, Any]]] = (),
               kv: Mapping[str, Mapping[str, Mapping[str, Any]]] | None = None,
               vectors: Mapping[str, tuple[Sequence[str], Any, Sequence[Mapping[str, Any]]]] | None = None,
               docs: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        """Write rows of all kinds, all or none: nodes and edges as in Graph, values by namespace and key, for each vector space
        (ids, vectors, payloads), documents by id."""
        self._native.coordinated_upsert(nodes=nodes, edges=edges, kv=kv, vectors=vectors, docs=docs, **self._options)


class Transaction(_Stores):
    """Several calls as one, from Store.transaction(). Its kv(), vectors(), graph and docs are those of the store inside it."""

    def __init__(self, native: _native.Store, options: Mapping[str, Any], txn: _native.Transaction) -> None:
        super().__init__(native, {**options, "txn": txn})
        self._txn = txn

    @property
    def active(self) -> bool:
        """Neither committed nor aborted yet."""
        return self._txn.active

    def commit(self) -> None:
        """Make all of it visible at once."""
        self._txn.commit()

    def abort(self) -> None:
        """Undo all of it. Harmless when it has ended."""
        self._txn.abort()

    def __enter__(self) -> Transaction:
        return self

    def __exit__(self, *error: Any) -> None:
        self._txn.__exit__(*error)


class Store(_Stores):
    """A store, from ragstore.open(). As a context manager it closes itself."""

    def limited(self, *, timeout: float | None = None, cancel: _native.CancelFlag | None = None) -> Store:
        """The same store with limits on every call: seconds after which it raises TimeoutError, and a flag that ends it."""
        return Store(self._native, {"timeout": timeout, "cancel": cancel})

    def transaction(self) -> Transaction:
        """Begin a transaction, as soon as nobody else writes. As a context manager it commits, or aborts when the block raises.

        >>> import ragstore
        >>> store = ragstore.open("memory:")
        >>> with store.transaction() as txn:
        ...     txn.kv("full_docs")["a"] = {}
        ...     txn.abort()
        >>> "a" in store.kv("full_docs")
        False
        """
        limits = {name: self._options[name] for name in ("timeout", "cancel") if name in self._options}
        return Transaction(self._native, limits, self._native.begin(**limits))

    @property
    def closed(self) -> bool:
        """Whether close() was called."""
        return self._native.closed

    def close(self) -> None:
        """Close it, any number of times. Waits for calls of other threads; open transactions are aborted."""
        self._native.close()

    def flush(self) -> None:
        """Make everything committed so far safe from a power cut."""
        self._native.flush(**self._options)

    def publish(self) -> None:
        """Make a store that was opened with build=True appear, whole and durable."""
        self._native.publish(**self._options)

    def namespaces(self) -> list[Value]:
        """What the store holds: a dict with "kind", "name", "rows" and "bytes" for each namespace."""
        return self._native.namespaces(**self._options)

    def describe(self) -> list[Value]:
        """Location, versions and sizes, a dict for each of the four parts."""
        return self._native.describe(**self._options)

    def optimize(self) -> None:
        """Bring indexes up to date now: for programs that have written much."""
        self._native.optimize(**self._options)

    def check(self, *, repair: bool = False, quick: bool = False, max_examples: int = 10) -> list[Value]:
        """Does the store agree with itself? A dict with "name", "ok", "violations", "examples" and more for each invariant, also
        those that hold. `repair` mends what is derived from other data; `quick` leaves out what reads every value."""
        return self._native.check(repair=repair, quick=quick, max_examples=max_examples, **self._options)

    def compact(self) -> int:
        """Give the space of deleted rows back to the file system; answers how many bytes."""
        return self._native.compact(**self._options)

    def backup(self, target: str | os.PathLike[str]) -> None:
        """Copy the store as it is at one moment to a new directory, while others read and write."""
        self._native.backup(os.fspath(target), **self._options)

    def content_hash(self) -> str:
        """A fingerprint of everything in the store: the same for the same rows, whatever keeps them."""
        return str(self._native.content_hash(**self._options)[-1]["sha256"])

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<ragstore.Store{' (closed)' if self.closed else ''}>"
