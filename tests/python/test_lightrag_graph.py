"""LightRAG's contract, b33 to b45: the graph; and a sync that fails, for every kind."""
import asyncio
import math

import pytest
from lightrag.exceptions import StorageNotInitializedError
from lightrag.types import KnowledgeGraph

from lightrag_support import EVERY, OURS, fill, opened, run, using
from ragstore import _native
from ragstore.lightrag import share


@using("graph")
async def test_b33_edges_have_no_direction(graph, folder):
    await graph.upsert_edge("b", "a", {"weight": 1.0})
    assert await graph.get_edge("a", "b") == await graph.get_edge("b", "a") == {"weight": 1.0}
    assert await graph.has_edge("a", "b") and await graph.has_edge("b", "a")
    both = await graph.get_edges_batch([{"src": "a", "tgt": "b"}, {"src": "b", "tgt": "a"}])
    assert both == {("a", "b"): {"weight": 1.0}, ("b", "a"): {"weight": 1.0}} and both["a", "b"] is not both["b", "a"]


@using("graph")
async def test_b34_attributes_are_merged(graph, folder):
    await graph.upsert_node("a", node_data={"x": 1, "y": 1})
    await graph.upsert_node("a", {"y": 2, "z": 3})
    assert await graph.get_node("a") == {"x": 1, "y": 2, "z": 3}
    await graph.upsert_edge("a", "b", edge_data={"x": 1, "y": 1})
    await graph.upsert_edge("b", "a", {"y": 2})
    assert await graph.get_edge("a", "b") == {"x": 1, "y": 2} and len(await graph.get_all_edges()) == 1


@using("graph")
async def test_b35_no_edges_no_node_no_answer(graph, folder):
    await graph.upsert_node("a", {})
    await graph.upsert_edge("b", "c", {})
    assert await graph.get_node_edges("a") == [] and await graph.get_node_edges("x") is None
    assert await graph.get_node_edges("b") == [("b", "c")] and await graph.get_node_edges("c") == [("c", "b")]
    held, graph._share = graph._share, None
    with pytest.raises(StorageNotInitializedError):
        await graph.get_node_edges("a")
    graph._share = held


@using("graph")
async def test_b36_deleting(graph, folder):
    await graph.upsert_edges_batch([("a", "b", {}), ("b", "c", {}), ("c", "d", {})])
    await graph.delete_node("b")
    await graph.delete_node("nobody")
    assert await graph.get_all_labels() == ["a", "c", "d"] and not await graph.has_edge("a", "b")
    await graph.remove_edges([("d", "c"), ("x", "y")])
    assert await graph.get_all_edges() == []
    await graph.remove_nodes(["a", "nobody"])
    assert await graph.get_all_labels() == ["c", "d"]


@using("graph")
async def test_b37_degrees(graph, folder):
    await graph.upsert_edges_batch([("a", "b", {}), ("b", "a", {}), ("a", "c", {}), ("s", "s", {})])
    assert [await graph.node_degree(name) for name in "abcsx"] == [2, 1, 1, 2, 0]
    assert await graph.edge_degree("a", "x") == 2 and await graph.edge_degree("a", "b") == 3


@using("graph")
async def test_b38_batches_equal_singles(graph, folder):
    await graph.upsert_nodes_batch([("a", {"x": 1}), ("a", {"x": 2}), ("lonely", {})])
    await graph.upsert_edges_batch([("a", f"n{i}", {"i": i}) for i in range(50)])
    names = ["a", "lonely", "absent", *(f"n{i}" for i in range(50)), "a"]
    pairs = [("a", name) for name in names]
    assert await graph.get_nodes_batch(names) == {n: node for n in names if (node := await graph.get_node(n)) is not None}
    assert await graph.node_degrees_batch(names) == {n: await graph.node_degree(n) for n in names}
    assert await graph.has_nodes_batch(names) == {n for n in names if await graph.has_node(n)}
    assert await graph.edge_degrees_batch(pairs) == {p: await graph.edge_degree(*p) for p in pairs}
    assert await graph.get_edges_batch([{"src": a, "tgt": b} for a, b in pairs]) == {
        p: edge for p in pairs if (edge := await graph.get_edge(*p)) is not None}
    assert await graph.get_nodes_edges_batch(names) == {n: await graph.get_node_edges(n) or [] for n in names}
    assert await graph.get_nodes_batch([]) == {} and await graph.get_edges_batch([]) == {}


@using("graph")
async def test_only_the_edges_of_hubs_are_read_in_a_thread(graph, folder):
    await graph.upsert_edges_batch([(f"a{i}", f"b{i}", {}) for i in range(40)])
    await graph.upsert_edges_batch([("hub", f"n{i}", {}) for i in range(5000)])
    away, read = [], graph._shared.read
    graph._shared.read = lambda call: away.append(call) or read(call)
    usual = [f"a{i}" for i in range(40)]
    assert await graph.get_nodes_edges_batch([*usual, "absent"]) == {f"a{i}": [(f"a{i}", f"b{i}")] for i in range(40)} | {"absent": []}
    assert not away
    assert len((await graph.get_nodes_edges_batch(["a0", "hub"]))["hub"]) == 5000 and len(away) == 1
    assert len(await graph.get_nodes_edges_batch([f"n{i}" for i in range(65)])) == 65 and len(away) == 2
    graph._shared.is_near = False    # a server is never waited for in the event loop
    await graph.get_node("a0")
    assert await graph.get_nodes_edges_batch(["a0"]) == {"a0": [("a0", "b0")]} and len(away) == 4
    graph._shared.is_near = True
    del graph._shared.read


def test_where_reads_wait_for_no_server():
    urls = "embedded:/s", "./s", "memory:x", "postgres://h/d", "postgresql://h/d", "config:c.ini", "lightrag:/s", "@name"
    assert [share.Share(url, "").is_near for url in urls] == [True] * 3 + [False] * 5


@using("graph")
async def test_b39_views(graph, folder):
    await graph.upsert_edges_batch([("R", "Z", {}), ("R", "A", {}), ("R", "H", {}), ("Z", "far", {})])
    wide = await graph.get_knowledge_graph("R", max_depth=1, max_nodes=10)
    assert isinstance(wide, KnowledgeGraph) and {n.id for n in wide.nodes} == {"R", "Z", "A", "H"} and not wide.is_truncated
    narrow = await graph.get_knowledge_graph("R", 1, 3)
    assert {n.id for n in narrow.nodes} == {"R", "Z", "A"} and narrow.is_truncated, "Z has two edges, A comes before H"
    assert {(e.id, e.type, e.source, e.target) for e in narrow.edges} == {
        ("R-Z", "DIRECTED", "R", "Z"), ("A-R", "DIRECTED", "A", "R")}
    top = await graph.get_knowledge_graph("*", max_nodes=2)
    assert [n.id for n in top.nodes] == ["R", "Z"] and top.is_truncated and len(top.edges) == 1
    assert (await graph.get_knowledge_graph("absent")).nodes == []
    graph.global_config["max_graph_nodes"] = 2
    for cap in (None, 100):
        assert len((await graph.get_knowledge_graph("R", 3, cap)).nodes) == 2


@using("graph")
async def test_b40_popular_labels_and_search(graph, folder):
    await graph.upsert_nodes_batch([(name, {}) for name in ("lonely", "Alice", "Sally Ali", "x_ali")])
    await graph.upsert_edges_batch([("hub", f"n{i}", {}) for i in range(3)])
    assert await graph.get_popular_labels() == ["hub", "n0", "n1", "n2", "Alice", "Sally Ali", "lonely", "x_ali"]
    assert await graph.get_popular_labels(2) == ["hub", "n0"]
    assert await graph.search_labels("ali") == ["Alice", "x_ali", "Sally Ali"]
    assert await graph.search_labels("ALI", 1) == ["Alice"] and await graph.search_labels(" \t") == []


def test_b41_attributes_keep_their_types(tmp_path):
    value = {"int": 1, "float": 1.0, "bool": True, "empty": "", "max": 2**63 - 1, "text": "a<SEP>b & <c>\n"}

    async def work():
        async with opened("graph", OURS, tmp_path) as graph:
            await graph.upsert_node("a", value)
        async with opened("graph", OURS, tmp_path) as graph:
            got = await graph.get_node("a")
            assert got == value and {k: type(v) for k, v in got.items()} == {k: type(v) for k, v in value.items()}

    run(work())


@pytest.mark.parametrize("bad", [None, [1], {"a": 1}, math.nan, 2**64, "a\x00b", "\ud800"])
def test_b42_refused_before_anything_is_changed(tmp_path, bad):
    async def work():
        async with opened("graph", OURS, tmp_path) as graph:
            for call in (graph.upsert_node("a", {"x": bad}), graph.upsert_edge("a", "b", {"x": bad}),
                         graph.upsert_nodes_batch([("ok", {}), ("a", {"x": bad})]),
                         graph.upsert_edges_batch([("ok", "ok2", {}), ("a", "b", {"x": bad})])):
                with pytest.raises(ValueError):
                    await call
            await asyncio.gather(*(graph.upsert_node(f"n{i}", {"x": bad if i == 3 else 1}) for i in range(6)),
                                 return_exceptions=True)
            assert await graph.get_all_labels() == ["n0", "n1", "n2", "n4", "n5"], "writes that came together fail alone"

    run(work())


@using("graph")
async def test_b43_lists_of_everything(graph, folder):
    await graph.upsert_node("a", {"x": 1})
    await graph.upsert_edge("b", "a", {"w": 2.0})
    assert await graph.get_all_nodes() == [{"x": 1, "id": "a"}, {"id": "b"}]
    assert await graph.get_all_edges() == [{"w": 2.0, "source": "b", "target": "a"}]


@pytest.mark.parametrize("kind", EVERY)
def test_b44_a_sync_that_fails_raises(tmp_path, kind, monkeypatch):
    async def work():
        async with opened(kind, OURS, tmp_path) as storage:
            def fail(*_):
                raise _native.InputOutputError("the disk is gone")

            await fill(kind, storage)
            await (storage.drop_pending_index_ops() if kind == "vector" else storage.delete(["a"]) if kind != "graph" else
                   storage.upsert_node("b", {}))
            with monkeypatch.context() as patch:
                patch.setattr(share.Share, "_flush", fail)
                with pytest.raises(OSError, match="the disk is gone"):
                    await storage.index_done_callback()
            await storage.index_done_callback()

    run(work())


@using("graph")
async def test_b45_reads_during_writes_are_whole(graph, folder):
    async def write(i):
        await graph.upsert_edges_batch([("hub", f"{i}-{part}", {}) for part in range(10)])
        await graph.index_done_callback()

    async def read():
        assert await graph.node_degree("hub") % 10 == 0 and len(await graph.get_node_edges("hub") or []) % 10 == 0
        assert len((await graph.get_knowledge_graph("hub", 1, 1000)).edges) % 10 == 0

    await asyncio.gather(*(task for i in range(50) for task in (write(i), read())))
    assert await graph.node_degree("hub") == 500
