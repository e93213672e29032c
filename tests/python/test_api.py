"""The typed API: what its guide and its docstrings say, and that it behaves as Python's own classes of that kind do."""
import doctest
import inspect
import pathlib

import numpy as np
import pytest

import ragstore
from ragstore import _stores

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("page", ["docs/python.md", "python/README.md"])
def test_guide(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    failed, tried = doctest.testfile(str(ROOT / page), module_relative=False)
    assert failed == 0 and tried > 0


@pytest.mark.parametrize("module", [ragstore, _stores])
def test_docstrings(module, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    failed, tried = doctest.testmod(module)
    assert failed == 0 and tried > 0


def test_everything_public_is_documented():
    for name in ragstore.__all__:
        thing = getattr(ragstore, name)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            assert inspect.getdoc(thing), name
        if inspect.isclass(thing) and thing.__module__ == _stores.__name__:
            for member, function in vars(thing).items():
                if not member.startswith("_") and inspect.isfunction(function):
                    assert inspect.getdoc(function), f"{name}.{member}"


@pytest.fixture(params=["kv", "docs"])
def rows(request, store):
    return store.kv("full_docs") if request.param == "kv" else store.docs


def row(text="x"):
    return {"status": "pending", "text": text, "chunks_list": []}


def test_rows_are_a_mapping(rows):
    rows["b"] = row("1")
    rows.update({"a": row("2"), "c": row("3")})
    rows.update(d=row("4"))
    assert rows["a"]["text"] == "2" and len(rows) == 4 and list(rows) == list("abcd") and list(rows.keys()) == list("abcd")
    assert [value["text"] for value in rows.values()] == ["2", "1", "3", "4"]
    assert dict(rows) == dict(rows.items()) and ("a", row("2")) in rows.items() and len(rows.items()) == 4
    assert "a" in rows and "z" not in rows and 5 not in rows
    assert rows.get("z") is None and rows.get("z", 1) == 1 and rows.get("a") == row("2")
    del rows["a"]
    for missing in (lambda: rows["a"], lambda: rows.__delitem__("a"), lambda: rows.pop("a")):
        with pytest.raises(KeyError, match="a"):
            missing()
    assert rows.pop("b") == row("1") and rows.setdefault("c", row("9")) == row("3")
    assert rows.get_many(["c", "x", "c"]) == [row("3"), None, row("3")] and rows.delete(["c", "x"]) == 1
    rows.clear()
    assert len(rows) == 0 and not rows and list(rows) == []


def test_more_rows_than_a_page_has(store):
    everything = {f"{i:05}": {"n": i} for i in range(2500)}
    store.kv("full_docs").put(everything)
    assert dict(store.kv("full_docs").items()) == everything
    iterator = iter(store.kv("full_docs"))
    assert next(iterator) == "00000"
    store.kv("full_docs").delete([f"{i:05}" for i in range(1, 2499)])    # nothing is held open
    assert list(iterator)[-1] == "02499"


def test_kv(store):
    kv = store.kv("x_cache")
    kv["a"] = {"n": 1}
    assert kv.missing(["a", "b"]) == ["b"] and kv.get_many(["a"], stamped=True)[0]["_id"] == "a"
    assert kv.limits == (0, 0)
    kv.limits = 1_000_000, 3600
    assert kv.limits == (1_000_000, 3600) and repr(kv) == "<ragstore.KV 'x_cache'>"


def test_vectors(store):
    space = store.vectors("chunks")
    with pytest.raises(ragstore.NotFoundError):
        space.facts
    space.define(2, element="float16", model="m")
    with pytest.raises(ragstore.MismatchError, match="3"):
        space.define(3)
    assert space.facts == {"dimension": 2, "metric": "cosine", "element": "float16", "model": "m"}
    space.put(["a", "b"], np.eye(2, dtype=np.float32), created_at=[5, 6])
    space.put(["c"], [[1, 1]], [{"entity_name": "C"}])
    hit = space.search([1, 0], top_k=1)[0]
    assert hit == ("a", {}, 5, 1.0) and (hit.id, hit.value, hit.created_at, hit.score) == hit
    assert space.get("b") == ragstore.VectorRow("b", {}, 6) and space.get("x") is None and space.get_many(["x", "a"])[1].id == "a"
    assert {row.id for row in space.rows()} == {"a", "b", "c"} and len(space) == 3
    (rows, matrix), = space.pages()
    assert [np.asarray(matrix)[i].tolist() for i, row in enumerate(rows) if row.id == "b"] == [[0.0, 1.0]]
    assert [len(page) for page, _ in space.pages(size=2)] == [2, 1]
    assert space.delete_named(["C"]) == 1 and space.delete(["a", "zz"]) == 1 and len(space) == 1
    space.defer(["d"], [{"content": "text"}])
    space.defer_delete(["b"])
    assert sorted(space.pending()) == ["b", "d"]
    assert space.flush(lambda texts: [[1, 2]] * len(texts)) == (1, 1, 1, 1, 0)
    space.defer(["e"], [{}], ["text"])
    assert space.drop_pending() == 1
    space.drop()
    assert len(space) == 0 and space


def test_graph(store):
    graph = store.graph
    graph.put_nodes([("A", {"x": 1}), ("B", {"x": 2})])
    graph.put_node("A", {"y": 2})
    graph.put_edges([("A", "B", {"w": 1.5}), ("B", "C", {})])
    graph.put_edge("B", "C", {"w": 2}, replace=True)
    assert graph.nodes(["A", "Z"]) == [{"x": 1, "y": 2}, None] and graph.node("C") == {} and graph.edge("C", "B") == {"w": 2}
    assert graph.edges([("B", "A"), ("A", "C")]) == [{"w": 1.5}, None]
    assert graph.degrees(["B", "Z"]) == [2, None] and graph.degree("A") == 1 and graph.neighbours("B") == ["A", "C"]
    assert graph.neighbours_of(["Z", "A"]) == [None, ["B"]] and graph.count() == (3, 2) and graph.popular(1) == [("B", 2)]
    assert list(graph.all_nodes())[0] == ("A", 1, {"x": 1, "y": 2}) and len(list(graph.all_edges())) == 2
    assert graph.search_labels("b") == [("B", 1000)]
    view = graph.view("A", max_depth=1)
    assert [node[0] for node in view.nodes] == ["A", "B"] and view.edges == [("A", "B", {"w": 1.5})] and not view.truncated
    assert graph.view(max_nodes=1).truncated
    assert graph.delete_edges([("B", "A")]) == 1 and graph.delete_nodes(["C", "Z"]) == 1
    graph.put_node("A", {}, replace=True)
    assert graph.node("A") == {}
    graph.drop()
    assert graph.count() == (0, 0)
    with pytest.raises(ragstore.InvalidError):
        graph.put_node("A", {"a.b": 1})


def test_docs(store):
    docs = store.docs
    base = {"content_summary": "", "content_length": 1, "updated_at": "2026", "file_path": "f", "track_id": "t"}
    docs.put({f"d{i}": {**base, "status": "pending" if i % 2 else "failed", "created_at": f"{i}"} for i in range(5)})
    assert docs.counts()["failed"] == 3 and len(docs) == 5
    assert [id for id, _ in docs.in_status("failed", "pending")] == ["d0", "d1", "d2", "d3", "d4"]
    assert [id for id, _ in docs.in_status("pending")] == ["d1", "d3"]
    page, total = docs.page(1, 10, statuses=["failed"], sort="id", ascending=True)
    assert [id for id, _ in page] == ["d0", "d2", "d4"] and total == 3
    docs.change({"d0": {"status": "processed"}})
    with pytest.raises(ragstore.NotFoundError):
        docs.change({"x": {"status": "processed"}})
    docs.change({"x": {"status": "processed"}}, missing_ok=True)
    assert [id for id, _ in docs.find("track_id", "t", exclude="d0")] == ["d1", "d2", "d3", "d4"]
    assert [(path, count) for path, count, _ in docs.conflicts()] == [("f", 5)]
    with pytest.raises(ValueError):
        list(docs.find("colour", "t"))
    with pytest.raises(ValueError):
        docs.page(sort="colour")


def test_transaction(store):
    kv = store.kv("full_docs")
    with store.transaction() as txn:
        txn.kv("full_docs")["a"] = {}
        txn.graph.put_node("A", {})
        txn.docs["d"] = {"status": "pending"}
        txn.vectors("v").define(1)
        txn.vectors("v").put(["x"], [[1]])
        txn.upsert(kv={"full_docs": {"b": {}}})
        assert len(kv) == 0 and len(txn.kv("full_docs")) == 2 and txn.active
        with pytest.raises(TimeoutError):
            store.limited(timeout=0.01).kv("full_docs")["c"] = {}
    assert len(kv) == 2 and len(store.docs) == 1 and len(store.vectors("v")) == 1 and not txn.active
    with pytest.raises(ZeroDivisionError), store.transaction() as txn:
        txn.kv("full_docs")["c"] = {}
        1 / 0
    assert "c" not in kv
    with pytest.raises(ragstore.TransactionError):
        txn.kv("full_docs")["c"] = {}
    with store.limited(timeout=5).transaction() as txn:
        txn.kv("full_docs")["d"] = {}
        txn.commit()
    assert "d" in kv


def test_upsert_is_all_or_none(store):
    with pytest.raises(ragstore.StoreError):
        store.upsert(nodes=[("A", {})], kv={"full_docs": {"a": {}}}, vectors={"undefined": (["x"], [[1.0]], [{}])})
    assert store.graph.count() == (0, 0) and len(store.kv("full_docs")) == 0
    for wrong in ({"nodes": [("A",)]}, {"edges": [("A", "B")]}, {"kv": {"x": {"a": 1}}}, {"vectors": {"x": ([], [])}},
                  {"docs": [1]}, {"kv": {"x": {"good": {}}, "y": {"bad": None}}}):
        with pytest.raises((TypeError, ValueError, AttributeError)):
            store.upsert(**wrong)


def test_shared(store, tmp_path):
    with store.shared("p") as mine:
        assert mine.first
        mine.put({"a": {"x": 1}, "b": {}})
        mine.ready()
        with ragstore.open(tmp_path / "s") as other, other.shared("p") as theirs:
            assert not theirs.first and theirs.get("a") == ({"x": 1}, 1)
            theirs.put({"a": {"y": 2}}, merge=True)
            with pytest.raises(ragstore.ConflictError):
                theirs.put({"a": {}}, expected=1)
            theirs.put({"b": None})
        (name, (value, version)), = mine.all().items()
        assert (name, value) == ("a", {"x": 1, "y": 2}) and version > 1 and mine.get("b") is None


def test_care(store, tmp_path):
    store.kv("full_docs")["a"] = {}
    store.flush()
    store.optimize()
    assert store.namespaces()[0]["name"] == "full_docs" and store.describe()[0]["kind"] == "kv"
    assert all({"name", "ok", "violations", "examples"} <= set(invariant) for invariant in store.check(quick=True))
    assert store.compact() >= 0
    store.backup(tmp_path / "copy")
    with ragstore.open(tmp_path / "copy", create=False) as copy:
        assert copy.content_hash() == store.content_hash()
    assert "closed" in repr(copy) and copy.closed


def test_open(tmp_path):
    with pytest.raises(ragstore.NotFoundError):
        ragstore.open(tmp_path / "none", create=False)
    with ragstore.open(tmp_path / "new", build=True) as new:
        new.kv("full_docs")["a"] = {}
        new.publish()
    with ragstore.open(str(tmp_path / "new"), read_only=True) as reading:
        assert "a" in reading.kv("full_docs")
