"""Nothing is left behind: blocks of Python's allocator and memory of the process stay where they are, also when calls fail."""
import gc
import resource
import statistics
import sys

import numpy as np
import pytest

import ragstore
from ragstore import CancelFlag, _native

ROW = {"status": "pending", "created_at": "2026", "updated_at": "2026", "file_path": "f", "content_summary": "s", "content_length": 1}
VALUE = {"text": "ü" * 50, "number": 10**30, "nested": {"list": [1, 2.5, None, True, {"a": "b"}]}}


def write(store):
    store.kv_put("c_cache", {f"k{i}": VALUE for i in range(5)})
    store.vector_put("v", ["a", "b"], np.eye(2, dtype=np.float32), [VALUE, {}])
    store.vector_put("v", ["a", "b"], [[1, 2], [3, 4]], [VALUE, {}], [1, 2])
    store.graph_put_nodes([("A", {"x": "y"}), ("B", {})])
    store.graph_put_edges([("A", "B", {"w": 1.0})])
    store.docs_put({"d": ROW})
    store.docs_update({"d": {"track_id": "t"}})
    store.coordinated_upsert(nodes=[("A", {})], edges=[("A", "B", {})], kv={"c_cache": {"k": VALUE}}, docs={"d": ROW},
                             vectors={"v": (["c"], [[1.0, 2.0]], [{}])})
    store.vector_defer("v", ["p"], [{"content": "text"}])
    store.vector_flush("v", lambda texts: np.ones((len(texts), 2), np.float32), concurrency=2)
    with store.begin() as txn:
        store.kv_delete("c_cache", ["k0"], txn=txn)
    store.begin()


def read(store):
    store.kv_get("c_cache", ["k1", "k2", "none"], stamped=True)
    store.kv_scan("c_cache", stamped=True)
    store.vector_search("v", [1.0, 0.5], apart=True)
    store.vector_search("v", np.ones(2, np.float32), timeout=10.0, cancel=CancelFlag())
    np.asarray(store.vector_get_vectors("v", ["a", "none"])[1])
    store.vector_scan("v", vectors=True)
    store.graph_get_nodes(["A", "Z"])
    store.graph_node_edges(["A", "Z"])
    store.graph_edge_degrees([("A", "B")])
    store.graph_view("*")
    store.graph_search_labels("a")
    store.docs_page(["pending"])
    store.docs_find("file_path", "f")
    store.docs_counts()
    store.namespaces()
    store.describe()
    store.content_hash()


def fail(store):
    def embed(texts):
        raise KeyError("x")
    store.vector_defer("v", ["q"], [{"content": "text"}])
    for wrong in (
            lambda: store.kv_put("c_cache", {"a": VALUE, "b": {"x": object()}}), lambda: store.kv_put("c_cache", {"a": VALUE, 1: {}}),
            lambda: store.kv_get("c_cache", ["a", 1]), lambda: store.vector_put("v", ["a"], [[1, 2], [3, 4]], [{}]),
            lambda: store.vector_put("v", ["a"], [[1, "x"]], [{}]), lambda: store.vector_search("none", [1.0]),
            lambda: store.graph_put_edges([("A", "B", {}), ("A", "B")]), lambda: store.graph_put_nodes([("A", {"a.b": 1})]),
            lambda: store.vector_flush("v", embed), lambda: store.kv_count("c_cache", timeout="x"),
            lambda: store.kv_count("c_cache", txn=1), lambda: store.docs_page(["a", "b\0"]), lambda: _native.Store("no://such"),
            lambda: _native.Store("memory:", namespaces=["a", 1]), lambda: store.shared_update("p", [("a", {}, 1)]),
            lambda: store.coordinated_upsert(kv={"c_cache": {"a": {}}, "d": {"b": 1}}, vectors={"v": (["a"], [[1.0]], [{}])})):
        with pytest.raises((TypeError, ValueError, KeyError, ragstore.StoreError)):
            wrong()
    store.vector_drop_pending("v")


def resident():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def growth(call, calls, rounds=7):
    """Blocks and bytes that so many calls leave behind, as the median over rounds: what leaks does so in each of them, and what
    fills or empties once (a cache of the interpreter's, an arena) in one."""
    left = []
    for _ in range(rounds):
        gc.collect()
        blocks, memory = sys.getallocatedblocks(), resident()
        for _ in range(calls):
            call()
        gc.collect()
        left.append((sys.getallocatedblocks() - blocks, resident() - memory))
    print(left)
    return [statistics.median(column) for column in zip(*left)]


@pytest.mark.parametrize("work", [write, read, fail])
def test_no_leak(work):
    store = _native.Store("memory:")
    store.vector_define("v", 2)
    write(store)
    for _ in range(100):    # what is allocated once
        work(store)
    blocks, memory = growth(lambda: work(store), 100)
    assert blocks < 30    # one for each call would be 100 and more
    assert memory < 1_000_000


def test_opening_leaves_nothing(tmp_path):
    def use():
        with _native.Store(str(tmp_path / "s")) as store:
            store.kv_put("full_docs", {"a": {}})
    for _ in range(10):
        use()
    blocks, memory = growth(use, 30)
    assert blocks < 10
    assert memory < 1_000_000


def test_large_answers_are_given_back():
    store = _native.Store("memory:")
    store.kv_put("full_docs", {"a": {"text": "x" * 20_000_000}})
    store.kv_get("full_docs", ["a"])
    before = resident()
    for _ in range(20):
        store.kv_get("full_docs", ["a", "a"])
        store.kv_put("full_docs", {"a": {"text": "y" * 20_000_000}})
    assert resident() - before < 100_000_000
