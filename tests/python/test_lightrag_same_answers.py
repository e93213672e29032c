"""LightRAG's default storages and ours give the same answers, method by method, to random operations with hostile names and
values. RAGSTORE_SEED makes one run again; the seed of a run is in the name of its test and in what a failure prints.

What differs on purpose is in DEVIATIONS, and each entry has a test below that asserts it.
"""
import copy
import math
import os
import random
import string
import time

import numpy as np
import pytest
from lightrag.base import (CURSOR_END, CURSOR_START, DocProcessingStatus, DocStatus, SourceAbsent, SourceConflict,
                           SourceUnique)
from lightrag.types import KnowledgeGraph

from lightrag_support import DIMENSION, Embedder, both, run

DEVIATIONS = {
    "creation": "the time of creation of a value is kept when it is replaced; JsonKVStorage forgets it and answers 0",
    "bookkeeping": "rows of vectors come without NanoVectorDB's own members (__id__, __created_at__, __metrics__)",
    "no direction": "a vector of length zero is found by no query; NanoVectorDB answers it first, with a score of NaN",
    "equals": "among equals (scores, times, file names but for case) the smaller id comes first; LightRAG's come as they were "
              "inserted, Chinese file names by pinyin",
    "unholdable": "what some backend or file could not hold is refused at once, by ValueError: empty keys, NaN and infinities, "
                  "attributes of the graph beyond 64 bits or whose names have '.' or begin with '$'",
}
assert len(DEVIATIONS) <= 5

SEEDS = [int(os.environ["RAGSTORE_SEED"])] if "RAGSTORE_SEED" in os.environ else [1, 2, 3]
STEPS = 400
NAMES = ["a", "A", "b", "Alice", "alice", "a b", " a", "a ", "O'Brien", 'say "hi"', "back\\slash", "a:b:c",
         "a<SEP>b", "x/y/../z", "50%", "under_score", "*", "?", "#", "é", "e\u0301", "Ω", "東京", "шляпа", "👩‍👩‍👧",
         "\U0001f600", "שלום", "null",
         "true", "0", "-1", "1e5", "a" * 300, "ü" * 255, "$set", "a.b", "{}", "[]", "<node>&amp;", "--",
         "; DROP TABLE kv", "İstanbul", "ß", "SS"]
CONTROL = ["a\nb", "tab\there", "nul\x00inside", "\x7f", "\u2028", "\ufeffbom"]  # where LightRAG's file could hold them
TEXTS = [*NAMES, *CONTROL, "", "x" * 5000, "line\nline", "'\"\\", "</data>"]
RECENT = 120


def same_time(value):
    return "now" if isinstance(value, int) and abs(value - time.time()) < RECENT else value


def shown(answer):
    """An answer as plain values that can be compared; times of today are alike."""
    if isinstance(answer, DocProcessingStatus):
        return ("DocProcessingStatus", shown(vars(answer)))
    if isinstance(answer, KnowledgeGraph):
        return {"nodes": sorted((n.id, n.labels, sorted(n.properties.items(), key=repr)) for n in answer.nodes),
                "edges": sorted((e.id, e.type, e.source, e.target, sorted(e.properties.items(), key=repr))
                                for e in answer.edges), "is_truncated": answer.is_truncated}
    if isinstance(answer, DocStatus):
        return answer.value
    if isinstance(answer, dict):
        return {key: same_time(value) if key in ("create_time", "update_time", "created_at") else shown(value)
                for key, value in answer.items()}
    if isinstance(answer, (list, tuple)):
        return [shown(item) for item in answer]
    if isinstance(answer, float) and not math.isnan(answer):
        return ("float", answer)  # 1 and 1.0 are not the same
    if isinstance(answer, bool):
        return ("bool", answer)
    return answer


async def answer(storage, method, *arguments, **options):
    """What a method answers, or the kind of its error."""
    try:
        return shown(await getattr(storage, method)(*copy.deepcopy(arguments), **copy.deepcopy(options)))
    except ValueError:
        return "ValueError"


class Pair:
    """Asks both the same, and compares."""

    def __init__(self, storages, seed):
        self.default, self.ours = storages
        self.seed, self.log = seed, []

    async def ask(self, method, *arguments, change=lambda answer: answer, **options):
        self.log.append((method, arguments, options))
        expected = change(await answer(self.default, method, *arguments, **options))
        got = change(await answer(self.ours, method, *arguments, **options))
        assert got == expected, f"seed {self.seed}, step {len(self.log)}: {method}{arguments}{options}"
        return got


class Random(random.Random):
    def name(self):
        return self.choice(NAMES) if self.random() < 0.9 else "".join(
            self.choices(string.printable[:95], k=self.randint(1, 40)))

    def names(self, most=6):
        return [self.name() for _ in range(self.randint(0, most))]

    def number(self):
        return self.choice([0, 1, -1, 2**31, 2**53 + 1, 2**63 - 1, -2**63, 0.0, 0.1, -0.5, 1e300, 5e-324, 1 / 3,
                            self.randint(-10**9, 10**9), self.random()])

    def value(self, depth=3):
        kind = self.randint(0, 7 if depth else 4)
        if kind <= 2:
            return self.choice(TEXTS)
        if kind == 3:
            return self.number()
        if kind == 4:
            return self.choice([True, False, None])
        if kind == 5:
            return [self.value(depth - 1) for _ in range(self.randint(0, 3))]
        return {self.choice(TEXTS): self.value(depth - 1) for _ in range(self.randint(0, 3))}


# ---- values ----------------------------------------------------------------------------------------------------------


def without_creation(row):
    if isinstance(row, dict):
        return {key: without_creation(value) for key, value in row.items() if key != "create_time"}
    return [without_creation(item) for item in row] if isinstance(row, list) else row


async def kv_step(pair, rng):
    what = rng.randint(0, 12)
    if what <= 4:
        rows = {name: {"content": rng.value(), **({"v": rng.value()} if rng.random() < 0.5 else {})} for name in rng.names()}
        await pair.ask("upsert", rows)
    elif what == 5:
        row = without_creation(await pair.ours.get_by_id(name := rng.name()))
        if row:
            row["again"] = rng.value()
            await pair.ask("upsert", {name: row})
    elif what == 6:
        await pair.ask("delete", rng.choice([list, set])(rng.names()))
    elif what == 7:
        await pair.ask("index_done_callback", change=lambda _: None)
    elif what == 8:
        await pair.ask("filter_keys", set(rng.names()))
    elif what == 9 and rng.random() < 0.1:
        await pair.ask("drop")
        await pair.ask("is_empty")
    elif what <= 10:
        await pair.ask(rng.choice(["get_by_id", "get_by_id_strict"]), rng.name(), change=without_creation)
    else:
        names = rng.names(60)
        await pair.ask("get_by_ids", names + names[:2], change=without_creation)


@pytest.mark.parametrize("namespace", ["full_docs", "text_chunks", "llm_response_cache"])
@pytest.mark.parametrize("seed", SEEDS)
def test_values(tmp_path, seed, namespace):
    async def work():
        rng = Random(seed)
        for _ in range(2):  # the second time on what the first one left
            async with both("kv", tmp_path, namespace=namespace) as storages:
                pair = Pair(storages, seed)
                for _ in range(STEPS // 2):
                    await kv_step(pair, rng)
                await pair.ask("index_done_callback", change=lambda _: None)
        return pair

    run(work())


# ---- vectors ---------------------------------------------------------------------------------------------------------

BOOKKEEPING = {"__id__", "__created_at__", "__metrics__"}


def without_bookkeeping(rows):
    if isinstance(rows, dict):
        return {key: value for key, value in rows.items() if key not in BOOKKEEPING}
    return [without_bookkeeping(row) for row in rows] if isinstance(rows, list) else rows


def hits(rows):
    """Scores to 4 digits, equal ones by id."""
    rows = [{**without_bookkeeping(row), "distance": round(row["distance"], 4)} for row in rows]
    return sorted(rows, key=lambda row: (-row["distance"], row["id"]))


async def compare_hits(pair, query, top_k):
    """The nearest in both. At the end of the list equal scores may be cut differently."""
    vector = Embedder().vector(query)
    expected = hits(await pair.default.query(query, top_k, query_embedding=vector))
    got = hits(await pair.ours.query(query, top_k, query_embedding=vector.tolist()))
    assert [row["distance"] for row in got] == pytest.approx([row["distance"] for row in expected], abs=2e-4)
    last = min((row["distance"] for row in expected), default=0) + 1e-3
    assert {row["id"]: {**row, "distance": 0, "created_at": 0} for row in got if row["distance"] > last} == \
        {row["id"]: {**row, "distance": 0, "created_at": 0} for row in expected if row["distance"] > last}


def about(vectors):
    """Vectors as LightRAG has them in its file, which is float16."""
    return {key: np.float32(np.float16(np.array([x[1] for x in vector]))).tolist() for key, vector in vectors.items()}


async def vector_step(pair, rng):
    what = rng.randint(0, 14)
    if what <= 5:
        rows = {f"ent-{name}": {"entity_name": name, "content": rng.choice(TEXTS) or "x", "source_id": rng.choice(TEXTS),
                                "file_path": "f", "not kept": 1} for name in rng.names()}
        await pair.ask("upsert", rows)
    elif what == 6:
        await pair.ask("delete", [f"ent-{name}" for name in rng.names()], change=lambda _: None)
    elif what == 7:
        await pair.ask("index_done_callback")
    elif what == 8:
        await pair.ask(rng.choice(["drop_pending_index_ops", "index_done_callback"]))
    elif what == 9:
        name = rng.name()
        await pair.ask("delete_entity", name)
    elif what == 10 and rng.random() < 0.1:
        await pair.ask("drop")
    elif what == 11:
        await pair.ask("get_vectors_by_ids", [f"ent-{name}" for name in rng.names()], change=about)
    elif what == 12:
        await pair.ask("get_by_id", f"ent-{rng.name()}", change=without_bookkeeping)
    elif what == 13:
        await pair.ask("get_by_ids", [f"ent-{name}" for name in rng.names(40)], change=without_bookkeeping)
    else:
        await compare_hits(pair, rng.choice(TEXTS), rng.choice([1, 5, 1000]))


@pytest.mark.parametrize("seed", SEEDS)
def test_vectors(tmp_path, seed):
    async def work():
        rng = Random(seed)
        for _ in range(2):
            async with both("vector", tmp_path) as storages:
                pair = Pair(storages, seed)
                for _ in range(STEPS // 2):
                    await vector_step(pair, rng)
                await pair.ask("index_done_callback")

    run(work())


@pytest.mark.parametrize("seed", SEEDS)
def test_relations_of_an_entity_are_deleted_alike(tmp_path, seed):
    async def work():
        rng = Random(seed)
        async with both("vector", tmp_path, namespace="relationships") as storages:
            pair = Pair(storages, seed)
            for _ in range(STEPS // 4):
                a, b = rng.name(), rng.name()
                await pair.ask("upsert", {f"rel-{a}{b}": {"src_id": a, "tgt_id": b, "content": a + b, "source_id": "c"}})
                if rng.random() < 0.2:
                    await pair.ask("index_done_callback")
                if rng.random() < 0.2:
                    await pair.ask("delete_entity_relation", rng.name())
                await pair.ask("get_by_ids", [f"rel-{a}{b}", f"rel-{b}{a}"], change=without_bookkeeping)
            await pair.ask("index_done_callback")
            await compare_hits(pair, "Alice", 1000)

    run(work())


# ---- graph -----------------------------------------------------------------------------------------------------------

ATTRIBUTES = ["entity_id", "description", "weight", "created_at", "flag", "has space", "ключ"]
GRAPH_TEXTS = [text for text in TEXTS if not set(text) & set("\x00\r\x7f")]


def attributes(rng):
    return {name: rng.choice([rng.choice(GRAPH_TEXTS), rng.number(), True, False])
            for name in rng.sample(ATTRIBUTES, rng.randint(0, 5))}


def pairs_of(rng):
    return [(rng.name(), rng.name()) for _ in range(rng.randint(0, 6))]


def unordered(edges):
    return None if edges is None else sorted(map(tuple, edges))


async def graph_write(pair, rng):
    what = rng.randint(0, 9)
    if what <= 2:
        await pair.ask("upsert_node", rng.name(), node_data=attributes(rng))
    elif what <= 5:
        await pair.ask("upsert_edge", rng.name(), rng.name(), edge_data=attributes(rng))
    elif what == 6:
        await pair.ask("upsert_nodes_batch", [(rng.name(), attributes(rng)) for _ in range(rng.randint(0, 5))])
    elif what == 7:
        await pair.ask("upsert_edges_batch", [(a, b, attributes(rng)) for a, b in pairs_of(rng)])
    elif what == 8:
        await pair.ask(*rng.choice([("delete_node", rng.name()), ("remove_nodes", rng.names(2))]), change=lambda _: None)
    else:
        await pair.ask("remove_edges", pairs_of(rng))


async def graph_read(pair, rng):
    name, names, asked = rng.name(), rng.names(), pairs_of(rng)
    await pair.ask("has_node", name)
    await pair.ask("has_edge", name, rng.name())
    await pair.ask("node_degree", name)
    await pair.ask("edge_degree", name, rng.name())
    await pair.ask("get_node", name)
    await pair.ask("get_edge", name, rng.name())
    await pair.ask("get_node_edges", name, change=unordered)
    await pair.ask("get_nodes_batch", names)
    await pair.ask("node_degrees_batch", names)
    await pair.ask("edge_degrees_batch", asked)
    await pair.ask("get_edges_batch", [{"src": a, "tgt": b} for a, b in asked] + [{"src": b, "tgt": a} for a, b in asked])
    await pair.ask("get_nodes_edges_batch", names, change=lambda found: {k: unordered(v) for k, v in found.items()})
    assert await pair.default.has_nodes_batch(names) == await pair.ours.has_nodes_batch(names)


async def graph_list(pair, rng):
    limit = rng.choice([1, 3, 300])
    await pair.ask("get_all_labels")
    await pair.ask("get_popular_labels", limit)
    await pair.ask("search_labels", rng.choice(["a", "A", " ", "ali", "é", "東", "_", "%", "ß", rng.name()]), limit)
    await pair.ask("get_knowledge_graph", rng.choice(["*", rng.name(), "not there"]), max_depth=rng.randint(0, 3),
                   max_nodes=rng.choice([None, 0, 1, 2, 5, 2000]))
    for method in ("get_all_nodes", "get_all_edges"):
        await pair.ask(method, change=lambda rows: sorted(rows, key=lambda row: repr(
            [row.get("id"), *sorted(map(str, (row.get("source"), row.get("target"))))])) if method == "get_all_nodes" else
            sorted(({**row, "source": min(row["source"], row["target"]), "target": max(row["source"], row["target"])}
                    for row in rows), key=lambda row: (row["source"], row["target"])))


@pytest.mark.parametrize("seed", SEEDS)
def test_graph(tmp_path, seed):
    async def work():
        rng = Random(seed)
        for _ in range(2):
            async with both("graph", tmp_path) as storages:
                pair = Pair(storages, seed)
                for step in range(STEPS // 2):
                    await graph_write(pair, rng)
                    if step % 3 == 0:
                        await graph_read(pair, rng)
                    if step % 20 == 0:
                        await graph_list(pair, rng)
                await pair.ask("index_done_callback")

    run(work())


# ---- document status -------------------------------------------------------------------------------------------------

STATUSES = list(DocStatus)


def document(rng, number):
    second = f"{number // 60 % 60:02}:{number % 60:02}.{number:06}+00:00"
    row = {"status": rng.choice([*STATUSES, *(s.value for s in STATUSES)]), "content_summary": rng.choice(TEXTS),
           "content_length": rng.randint(0, 999), "created_at": f"2026-01-{rng.randint(1, 28):02}T00:{second}",
           "updated_at": f"2026-02-01T00:{second}", "track_id": rng.choice(["t1", "t2", None]),
           "file_path": rng.choice(["f.txt", "g.txt", "unknown_source", "", *NAMES[:6]]),
           "content_hash": rng.choice(["h1", "h2", ""]), "an unknown field": rng.value(),
           "metadata": rng.choice([{}, {"is_duplicate": True, "original_doc_id": rng.name()},
                                   {"custom_chunk_patch": {"phase": 1}}, {"x": rng.value()}])}
    for name in ("track_id", "content_hash", "metadata"):
        if rng.random() < 0.1:
            del row[name]
    return row


def by_id(rows):
    return dict(sorted(rows.items())) if isinstance(rows, dict) else rows


async def sweep(storage, statuses, limit):
    position, found = CURSOR_START, []
    while position is not CURSOR_END:
        page = await storage.get_docs_by_statuses_page(statuses, limit=limit, position=position, strict=True)
        found += [(doc_id, record) for doc_id, record in page.docs.items()]
        position = page.next_position
    return found


async def conflicts(storage):
    position, found = CURSOR_START, []
    while position is not CURSOR_END:
        page = await storage.list_source_conflicts_page(limit=2, position=position)
        found += page.conflicts
        position = page.next_position
    return found


async def doc_step(pair, rng, number):
    what = rng.randint(0, 12)
    if what <= 4:
        await pair.ask("upsert", {rng.name(): document(rng, number)})
    elif what == 5:
        await pair.ask("delete", rng.names(3))
    elif what == 6:
        doc_id = rng.name()
        if await pair.default.get_by_id(doc_id) is not None:
            await pair.ask("update_doc_status_fields", doc_id, {"status": rng.choice(STATUSES), "error_msg": rng.choice(TEXTS)})
        else:
            await pair.ask("update_doc_status_fields", doc_id, {"status": "failed"}, missing_ok=True)
    elif what == 7:
        statuses = rng.sample(STATUSES, rng.randint(0, 4))
        limit = rng.choice([1, 2, 100])
        assert await sweep(pair.default, statuses, limit) == await sweep(pair.ours, statuses, limit), pair.seed
        await pair.ask("count_docs_by_statuses", statuses)
        await pair.ask("get_docs_by_statuses", statuses, strict=True, change=by_id)
    elif what == 8:
        await pair.ask("get_docs_paginated", status_filters=rng.choice([None, [], rng.sample(STATUSES, 2)]),
                       page=rng.choice([-1, 1, 2, 50]), page_size=rng.choice([1, 10, 999]),
                       sort_field=rng.choice(["updated_at", "id", "nonsense"]),
                       sort_direction=rng.choice(["asc", "desc", "x"]))
        await pair.ask("get_status_counts")
        await pair.ask("get_all_status_counts")
    elif what == 9:
        await compare_sources(pair, rng)
    elif what == 10:
        await pair.ask("get_doc_by_content_hash", rng.choice(["h1", "h2", "", "none"]), exclude_doc_id=rng.choice([None, rng.name()]))
        await pair.ask("get_docs_by_track_id", rng.choice(["t1", "t3"]), change=by_id)
    elif what == 11:
        names = rng.names(40)
        await pair.ask("get_by_ids", names)
        await pair.ask("get_full_docs_by_ids", names, strict=True, change=by_id)
        assert await pair.default.get_docs_by_ids(names) == await pair.ours.get_docs_by_ids(names)
        await pair.ask("filter_keys", set(names))
    else:
        await pair.ask(rng.choice(["get_by_id", "get_by_id_strict"]), rng.name())


async def compare_sources(pair, rng):
    source = rng.choice(["f.txt", "g.txt", "unknown_source", "", "a"])
    theirs, mine = await pair.default.resolve_doc_source_strict(source), await pair.ours.resolve_doc_source_strict(source)
    assert type(theirs) is type(mine)
    if isinstance(mine, SourceUnique):
        assert mine.doc_id == theirs.doc_id and mine.doc.status == theirs.doc.status
    elif isinstance(mine, SourceConflict):
        assert set(theirs.sample_doc_ids) <= set(mine.sample_doc_ids)
    else:
        assert mine == SourceAbsent()
    assert await conflicts(pair.default) == await conflicts(pair.ours)
    if isinstance(mine, SourceConflict):
        options = {"primary_doc_id": mine.sample_doc_ids[0], "expected_candidate_count": mine.candidate_count,
                   "expected_candidate_fingerprint": "0"}
        dry = [await storage.repair_source_conflict(source, **options) for storage in (pair.default, pair.ours)]
        assert dry[0] == dry[1] and not dry[1].committed
        options["expected_candidate_fingerprint"] = dry[1].fingerprint
        done = [await storage.repair_source_conflict(source, **options, dry_run=False)
                for storage in (pair.default, pair.ours)]
        assert done[0] == done[1] and done[1].committed
    else:
        found = [await storage.get_doc_by_file_basename(source) for storage in (pair.default, pair.ours)]
        assert shown(found[0]) == shown(found[1])


@pytest.mark.parametrize("seed", SEEDS)
def test_document_status(tmp_path, seed):
    async def work():
        rng = Random(seed)
        number = 0
        for _ in range(2):
            async with both("doc_status", tmp_path) as storages:
                pair = Pair(storages, seed)
                for _ in range(STEPS // 2):
                    number += 1
                    await doc_step(pair, rng, number)
                await pair.ask("index_done_callback", change=lambda _: None)

    run(work())


# ---- the deviations --------------------------------------------------------------------------------------------------


def test_deviation_creation(tmp_path):
    async def work():
        async with both("kv", tmp_path) as (default, mine):
            for storage in (default, mine):
                await storage.upsert({"a": {"content": "1"}})
                await storage.upsert({"a": {"content": "2"}})
            assert (await default.get_by_id("a"))["create_time"] == 0
            assert same_time((await mine.get_by_id("a"))["create_time"]) == "now"

    run(work())


def test_deviation_bookkeeping(tmp_path):
    async def work():
        async with both("vector", tmp_path) as (default, mine):
            for storage in (default, mine):
                await storage.upsert({"a": {"content": "text", "entity_name": "A"}})
                await storage.index_done_callback()
            vector = Embedder().vector("text")
            theirs, = await default.query("", 1, query_embedding=vector)
            ours, = await mine.query("", 1, query_embedding=vector)
            assert theirs.keys() - ours.keys() == BOOKKEEPING and not ours.keys() - theirs.keys()

    run(work())


def test_deviation_no_direction(tmp_path):
    async def work():
        async with both("vector", tmp_path) as (default, mine):
            with np.errstate(all="ignore"):
                for storage in (default, mine):
                    await storage.upsert({"a": {"content": "text"}, "z": {"content": "zero"}})
                    await storage.index_done_callback()
                theirs = await default.query("", 5, query_embedding=Embedder().vector("text"))
            ours = await mine.query("", 5, query_embedding=Embedder().vector("text"))
            assert theirs[0]["id"] == "z" and math.isnan(theirs[0]["distance"])
            assert [row["id"] for row in ours] == ["a"]
            assert await mine.get_vectors_by_ids(["z"]) == {"z": [0.0] * DIMENSION}
            assert await mine.query("", 5, query_embedding=np.zeros(DIMENSION)) == []

    run(work())


def test_deviation_equals(tmp_path):
    async def work():
        async with both("vector", tmp_path / "v") as (default, mine):
            for storage in (default, mine):
                for name in ("b", "a", "c"):
                    await storage.upsert({name: {"content": "the same"}})
                await storage.index_done_callback()
            vector = Embedder().vector("the same")
            assert [row["id"] for row in await default.query("", 5, query_embedding=vector)] != ["a", "b", "c"]
            assert [row["id"] for row in await mine.query("", 5, query_embedding=vector)] == ["a", "b", "c"]
        async with both("doc_status", tmp_path / "d") as (default, mine):
            row = {"status": "failed", "content_summary": "", "content_length": 0, "created_at": "2026", "updated_at": "2026"}
            for storage in (default, mine):
                for name, path in (("b", "北.txt"), ("a", "安.txt"), ("c", "北.txt")):
                    await storage.upsert({name: {**row, "file_path": path}})
            order = [[doc_id for doc_id, _ in (await storage.get_docs_paginated(sort_field=field, sort_direction="asc"))[0]]
                     for storage in (default, mine) for field in ("updated_at", "file_path")]
            assert order == [["b", "a", "c"], ["a", "b", "c"], ["a", "b", "c"], ["b", "c", "a"]]

    run(work())


@pytest.mark.parametrize("name, value", [("x", math.nan), ("x", math.inf), ("x", 2**63), ("a.b", 1), ("$set", 1)])
def test_deviation_unholdable_attributes(tmp_path, name, value):
    async def work():
        async with both("graph", tmp_path) as (default, mine):
            await default.upsert_node("a", {name: value})
            for refused in (mine.upsert_node("a", {name: value}), mine.upsert_edge("a", "b", {name: value}),
                            mine.upsert_nodes_batch([("ok", {}), ("a", {name: value})])):
                with pytest.raises(ValueError):
                    await refused
            assert await mine.get_all_labels() == []

    run(work())


def test_deviation_unholdable_keys_and_values(tmp_path):
    async def work():
        for number, (kind, rows) in enumerate([("kv", {"": {"content": "x"}}), ("kv", {"a": {"content": math.nan}}),
                                               ("vector", {"": {"content": "x"}})]):
            async with both(kind, tmp_path / str(number)) as (default, mine):
                await default.upsert(copy.deepcopy(rows))
                with pytest.raises(ValueError):
                    await mine.upsert(rows)
                assert await mine.get_by_id("") is None and await mine.get_by_id("a") is None

    run(work())


IMPOSSIBLE = ["", "\ud800", "k" * 10**6]


def test_a_key_that_cannot_be_there_is_absent(tmp_path):
    async def work():
        for kind in ("kv", "doc_status", "vector"):
            async with both(kind, tmp_path / kind) as storages:
                pair = Pair(storages, 0)
                row = {"content": "x", "status": "failed", "created_at": "2026"}
                await pair.ask("upsert", {"here": row})
                shape = (lambda rows: [row is not None for row in rows])
                await pair.ask("get_by_ids", [*IMPOSSIBLE, "here"], change=shape)
                await pair.ask("delete", [*IMPOSSIBLE, "here"])
                await pair.ask("get_by_id", "here")
                for key in IMPOSSIBLE:
                    await pair.ask("get_by_id", key)
                if kind != "vector":
                    await pair.ask("filter_keys", {*IMPOSSIBLE}, change=sorted)
        async with both("graph", tmp_path / "graph") as storages:
            pair = Pair(storages, 0)
            await pair.ask("upsert_node", "here", {})
            for key in IMPOSSIBLE:
                for method in ("has_node", "node_degree", "get_node", "get_node_edges", "get_knowledge_graph"):
                    await pair.ask(method, key)
                for method in ("has_edge", "get_edge"):
                    await pair.ask(method, key, "here")
            await pair.ask("get_nodes_batch", [*IMPOSSIBLE, "here"])
            await pair.ask("remove_nodes", [*IMPOSSIBLE, "here"])
            await pair.ask("remove_edges", [(key, "here") for key in IMPOSSIBLE])
            await pair.ask("get_all_labels")

    run(work())
