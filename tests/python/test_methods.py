"""Every method of the extension takes every argument that its stub names, and nothing else: the format strings of the C code
have no compiler to check them."""
import ast
import inspect
import pathlib

import pytest

import ragstore
from ragstore import CancelFlag, _native

STUB = ast.parse(pathlib.Path(ragstore.__file__).with_name("_native.pyi").read_text(encoding="utf-8"))
STORE = next(node for node in STUB.body if isinstance(node, ast.ClassDef) and node.name == "Store")
METHODS = {node.name: node for node in STORE.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("__")}
WITHOUT_CONTEXT = {"close", "begin"}
ROW = {"status": "pending", "created_at": "2026-01-01", "updated_at": "2026-01-01", "file_path": "f", "content_summary": "s",
       "content_length": 1}
# an argument that every method with one of this name takes
VALUES = {
    "name": "a_cache", "keys": ["k"], "items": {"k": {}}, "ids": ["i"], "values": [{"content": "c"}], "vectors": [[1.0, 2.0]],
    "created_at": [7], "labels": ["A"], "pairs": [("A", "B")], "nodes": [("A", {})], "edges": [("A", "B", {})],
    "docs": {"d": ROW}, "changes": {"d": {"track_id": "t"}}, "statuses": ["pending"], "after": b"", "limit": 5, "upto": 0,
    "query": "a", "label": "*", "by": "track_id", "text": "t", "source": "f", "primary": "d", "expected_count": 0,
    "expected_fingerprint": None, "vector": [1.0, 0.5], "embed": lambda texts: [[1.0, 0.0]] * len(texts), "names": ["n"],
    "marks": [1], "contents": ["text"], "max_bytes": 1000, "ttl": 60, "dimension": 2, "target": "copy", "keep": True,
    "exclude": "x", "kv": {"a_cache": {"k": {}}}, "max_depth": 2, "max_nodes": 5, "model": "m", "metric": "cosine",
    "element": "float32", "top_k": 3, "min_score": 0.5, "exact": True, "sort": "id", "page": 1, "page_size": 10, "batch": 2,
    "concurrency": 2, "attempts": 2, "backoff": 0.01, "max_examples": 3,
}
SPECIAL = {
    "graph_scan_nodes": {"values": False}, "graph_scan_edges": {"values": False}, "vector_search": {"values": False},
    "vector_scan": {"vectors": True}, "coordinated_upsert": {"vectors": {"a_cache": (["i"], [[1.0, 2.0]], [{}])}},
    "shared_update": {"changes": [("k", {"x": 1}, True, -1)]},
}
SWITCHES = {"stamped", "replace", "exact", "repair", "quick", "full", "strict", "missing_ok", "primaries_only", "ascending",
            "dry_run", "apart"}


def arguments(name):
    """Every argument of the method, as its stub has them."""
    spec = METHODS[name].args
    names = [arg.arg for arg in spec.args[1:] + spec.kwonlyargs]
    given = {}
    for argument in names:
        given[argument] = SPECIAL.get(name, {}).get(argument, VALUES.get(argument, argument in SWITCHES))
    return given


@pytest.fixture
def filled(native, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    native.vector_define("a_cache", 2, model="m")
    native.kv_put("a_cache", {"k": {}})
    native.docs_put({"d": ROW, "e": ROW})
    native.graph_put_edges([("A", "B", {})])
    native.shared_join("a_cache")
    native.shared_ready("a_cache")
    return native


def call(store, name, **more):
    try:
        return getattr(store, name)(**arguments(name), **more)
    except ragstore.StoreError as error:
        assert name in {"publish", "shared_ready", "docs_repair", "compact", "backup"}, (name, error)
        return None


@pytest.mark.parametrize("name", METHODS)
def test_takes_what_the_stub_says(filled, name):
    if name in WITHOUT_CONTEXT:
        getattr(filled, name)()
    else:
        call(filled, name, txn=None, timeout=60.0, cancel=CancelFlag())
    with pytest.raises((TypeError, ragstore.InvalidError)):
        getattr(filled, name)(**{"no_such_argument": 1})


@pytest.mark.parametrize("name", sorted(set(METHODS) - WITHOUT_CONTEXT))
def test_context_is_looked_at(filled, name):
    """The common arguments reach the call: each is refused when it is of the wrong kind."""
    for argument in ("txn", "timeout", "cancel"):
        with pytest.raises(TypeError):
            getattr(filled, name)(**arguments(name), **{argument: "text"})


@pytest.mark.parametrize("name", sorted(set(METHODS) - WITHOUT_CONTEXT))
def test_after_close(name):
    store = _native.Store("memory:")
    store.close()
    with pytest.raises(ragstore.InvalidError, match="the store is closed"):
        getattr(store, name)(**arguments(name))


def test_nothing_that_the_stub_does_not_have():
    here = {name for name in dir(_native.Store) if not name.startswith("__")}
    assert here == set(METHODS) | {"closed"}
    classes = {node.name for node in STUB.body if isinstance(node, ast.ClassDef)}
    others = {node.target.id for node in STUB.body if isinstance(node, ast.AnnAssign)}
    assert {name for name in dir(_native) if not name.startswith("__")} == classes | {name for name in others if name[:2] != "__"}
    for name in here - {"closed"}:
        assert inspect.getdoc(getattr(_native.Store, name)), name
