#!/usr/bin/env python3
"""LightRAG's storages on a working directory, doing what the benches of ragstore do: the default ones, which are the peer of
bench/run, or with --storages ragstore ours, for bench/lightrag_classes.py (then the directory has the store `ragstore` in it), or
with --storages postgres its PostgreSQL classes, for bench/postgres.py (POSTGRES_* say where the rows of the directory are).

  open       start of the process to the first answer, with all twelve storages open, as LightRAG opens them
  search     the nearest 60 in each vector storage, with payload
  expansion  40 nodes with attributes, degrees and edges: the best-known (`popular`), and the best-known that have 2,500 edges
             together (`usual`)
  update     100 nodes, 100 edges, their vectors and 20 values, made durable by index_done_callback of all storages;
             in a copy beside DIR (hard links where LightRAG replaces files), which itself stays as it was

and only when they are named:

  index      documents through the whole LightRAG, with a rule in place of the language model; in such a copy as well
  reads      values by key, one at a time and by the hundred (for bench/postgres.py)
  bulk       vectors with text, 200 a call (for the same)

Prints JSON lines {"what", "value", "unit"}. Needs lightrag-hku==1.5.7, nano-vectordb, networkx and numpy.
"""
import argparse
import asyncio
import json
import logging
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time

import measure
from lightrag.utils import compute_mdhash_id

BENCHES = ("open", "search", "expansion", "update")
MORE_BENCHES = ("index", "reads", "bulk")
READ_SPACES = ("text_chunks", "entity_chunks", "llm_response_cache")
BULK_BATCH, BULK_WORDS = 200, 180
SPACES = ("chunks", "entities", "relationships")
TOP_K, POPULAR, NODES, VALUES = 60, 40, 100, 20
USUAL_EDGES = 2500  # of 40 entities that a query finds, none of them a hub
DOCUMENT = 4000  # characters of a document of `index`
ROOT = pathlib.Path(__file__).resolve().parents[2]


def need(found, problem):
    """No figure of work that was not done."""
    if not found:
        sys.exit(f"lightrag_peer.py: {problem}")


async def known_ids(stores, graph_name, space, most):
    """Ids of vectors, found in the same way whatever the storages are: by way of the best-known nodes."""
    labels = await stores[graph_name].get_popular_labels(most)
    if space == "entities":
        return [compute_mdhash_id(label, prefix="ent-") for label in labels]
    if space == "chunks":
        rows = await stores["entity_chunks"].get_by_ids(labels)
        return list(dict.fromkeys(chunk for row in rows if row for chunk in row["chunk_ids"]))[:most]
    edges = await stores[graph_name].get_nodes_edges_batch(labels[:most // 10])
    pairs = sorted({tuple(sorted(pair)) for some in edges.values() for pair in some})[:most]
    return [compute_mdhash_id(a + b, prefix="rel-") for a, b in pairs]


async def queries(stores, graph_name, space, runs, rng, np):
    """Stored vectors with noise that leaves a cosine of about 0.9."""
    ids = await known_ids(stores, graph_name, space, 1000)
    found = await stores[space].get_vectors_by_ids([ids[i] for i in rng.integers(0, len(ids), runs)])
    rows = np.array(list(found.values()), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows + rng.standard_normal(rows.shape) * 0.48 / np.sqrt(rows.shape[1])


async def bench_open(stores, imported, dimension, np):
    query = np.random.default_rng(1).standard_normal(dimension)
    await stores["relationships"].query("", TOP_K, query_embedding=query)
    measure.report("open.first_answer", measure.seconds_since_start() * 1000, "ms")
    measure.report("open.first_answer_after_import", (time.perf_counter() - imported[0]) * 1000, "ms")
    measure.report("open.resident_memory", measure.resident_mb(), "MB")
    measure.report("open.memory_above_import", measure.resident_mb() - imported[1], "MB")
    measure.report("open.peak_memory", measure.peak_memory_mb(), "MB")


async def bench_search(stores, graph_name, np, runs, seed):
    for space in SPACES:
        times = []
        for query in await queries(stores, graph_name, space, runs, np.random.default_rng(seed), np):
            with measure.Stopwatch() as watch:
                rows = await stores[space].query("", TOP_K, query_embedding=query)
            need(rows, f"a search of {space} found nothing")
            times.append(watch.seconds * 1000)
        measure.report(f"search.{space}.with_payload.median", measure.median(times), "ms")
        measure.report(f"search.{space}.with_payload.p95", measure.part(times, 0.95), "ms")
    measure.report("search.peak_memory", measure.peak_memory_mb(), "MB")


async def by_edges(graph, wanted):
    """The best-known nodes that follow each other in the order of degrees and have at most `wanted` edges in all."""
    labels = await graph.get_popular_labels(20 * POPULAR)
    degrees = await graph.node_degrees_batch(labels)
    start = 0
    while start + POPULAR < len(labels) and sum(degrees[label] for label in labels[start:start + POPULAR]) > wanted:
        start += 1
    return labels[start:start + POPULAR]


async def expand(graph, labels):
    """The five batches with which LightRAG's query expands its entities, and its own work between them. Seconds of the first
    three of them, which know the neighbourhood without the attributes of its edges; and the number of edges."""
    with measure.Stopwatch() as first:
        await graph.get_nodes_batch(labels)
        await graph.node_degrees_batch(labels)
        found = await graph.get_nodes_edges_batch(labels)
    edges = sorted({tuple(sorted(pair)) for pairs in found.values() for pair in pairs})
    await graph.get_edges_batch([{"src": a, "tgt": b} for a, b in edges])
    await graph.edge_degrees_batch(edges)
    return first.seconds, len(edges)


async def bench_expansion(stores, graph_name, runs):
    graph = stores[graph_name]
    for which, wanted in (("popular", sys.maxsize), ("usual", USUAL_EDGES)):
        labels = await by_edges(graph, wanted)
        need(labels, "the graph is empty")
        near, times, edges = [], [], 0
        for _ in range(runs):
            with measure.Stopwatch() as watch:
                first, edges = await expand(graph, labels)
            near.append(first * 1000)
            times.append(watch.seconds * 1000)
        measure.report(f"expansion.{which}.nodes", len(labels), "nodes")
        measure.report(f"expansion.{which}.edges", edges, "edges")
        measure.report(f"expansion.{which}.near.median", measure.median(near), "ms")
        measure.report(f"expansion.{which}.all.median", measure.median(times), "ms")
        measure.report(f"expansion.{which}.all.p95", measure.part(times, 0.95), "ms")
    measure.report("expansion.peak_memory", measure.peak_memory_mb(), "MB")


def prose(rng, words):
    letters = "abcdefghijklmnopqrstuvwxyz"
    return " ".join("".join(letters[i] for i in rng.integers(0, 26, rng.integers(2, 10))) for _ in range(words))


async def write_batch(stores, graph_name, run, existing, rng):
    graph = stores[graph_name]
    nodes, edges, entities, relations = [], [], {}, {}
    now = int(time.time())
    for i in range(NODES):
        name, other, text = f"bench entity {run} {i}", existing[int(rng.integers(len(existing)))], prose(rng, 40)
        common = {"source_id": "bench-chunk-000", "file_path": "bench.txt"}
        nodes.append((name, {"entity_id": name, "entity_type": "bench", "description": text, **common,
                             "created_at": now, "truncate": ""}))
        entities[f"bench-ent-{run}-{i}"] = {"entity_name": name, "content": f"{name}\n{text}", **common}
        edges.append((name, other, {"weight": 1.0, "description": text, "keywords": "bench", **common,
                                    "created_at": now, "truncate": ""}))
        relations[f"bench-rel-{run}-{i}"] = {"src_id": name, "tgt_id": other, **common,
                                             "content": f"bench\t{name}\n{other}\n{text}"}
    values = {f"default:extract:bench{run}-{i}": {
        "return": prose(rng, 600), "cache_type": "extract", "chunk_id": None, "original_prompt": "bench",
        "queryparam": None} for i in range(VALUES)}
    return graph, nodes, edges, entities, relations, values


def count_syncs():
    """A list that grows with each os.fsync and os.fdatasync from here on: all that Python code can call."""
    calls = []
    for name in ("fsync", "fdatasync"):
        def counted(handle, call=getattr(os, name)):
            calls.append(handle)
            return call(handle)
        setattr(os, name, counted)
    return calls


async def bench_update(stores, graph_name, runs, seed, np, in_python):
    rng = np.random.default_rng(seed)
    existing = (await stores[graph_name].get_all_labels())[:1000]
    wall, cpu, handed, sent, syncs = [], [], [], [], count_syncs()
    for run in range(runs):
        graph, nodes, edges, entities, relations, values = await write_batch(stores, graph_name, run, existing, rng)
        before = measure.bytes_written()
        with measure.Stopwatch() as watch:
            for name, data in nodes:
                await graph.upsert_node(name, node_data=data)
            for source, target, data in edges:
                await graph.upsert_edge(source, target, edge_data=data)
            await stores["entities"].upsert(entities)
            await stores["relationships"].upsert(relations)
            await stores["llm_response_cache"].upsert(values)
            await asyncio.gather(*(store.index_done_callback() for store in stores.values()))
        after = measure.bytes_written()
        wall.append(watch.seconds * 1000)
        cpu.append(watch.cpu * 1000)
        if before and after:
            handed.append(after[0] - before[0])
            sent.append(after[1] - before[1])
    measure.report("update.wall.median", measure.median(wall), "ms")
    measure.report("update.cpu.median", measure.median(cpu), "ms")
    if handed:
        measure.report("update.wchar.median", measure.median(handed), "bytes")
        measure.report("update.write_bytes.median", measure.median(sent), "bytes")
    if in_python:  # a library's own are not seen by count_syncs(): tests/process counts ours with strace
        measure.report("update.fsyncs", len(syncs) / runs, "count")
    measure.report("update.peak_memory", measure.peak_memory_mb(), "MB")


async def bench_index(folder, storages, dimension, documents):
    sys.path.insert(0, str(ROOT / "tests" / "interop"))
    import lightrag_offline
    import lightrag_stores
    names = {}
    if storages == "ragstore":
        kinds = ("kv_storage", "doc_status_storage", "vector_storage", "graph_storage")
        names = dict(zip(kinds, (each.__name__ for each in lightrag_stores.classes_of(storages))))
    book = (ROOT / "tests" / "data" / "alice29.txt").read_text(encoding="utf-8", errors="replace")
    texts = [book[i * DOCUMENT:(i + 1) * DOCUMENT] for i in range(documents)]
    rag = lightrag_offline.make_rag(folder, embedding_func=lightrag_stores.embedder(dimension), **names)
    await rag.initialize_storages()
    before = await rag.doc_status.get_all_status_counts()
    with measure.Stopwatch() as watch:
        await rag.ainsert(texts, file_paths=[f"bench-{i}.txt" for i in range(documents)])
    after = await rag.doc_status.get_all_status_counts()
    processed = after.get("processed", 0) - before.get("processed", 0)
    # the scheduler takes those that were pending in the data, too
    need(processed >= documents, f"{processed} of {documents} documents were processed")
    await rag.finalize_storages()
    measure.report("index.documents", processed, "documents")
    measure.report("index.throughput", processed / watch.seconds, "documents/s")
    measure.report("index.cpu", watch.cpu / processed * 1000, "ms/document")


async def bench_reads(stores, folder, runs, seed, np):
    rng = np.random.default_rng(seed)
    for space in READ_SPACES:
        keys = list(json.loads((pathlib.Path(folder) / f"kv_store_{space}.json").read_text(encoding="utf-8")))
        one, hundred = [], []
        for _ in range(runs):
            with measure.Stopwatch() as watch:
                row = await stores[space].get_by_id(keys[rng.integers(len(keys))])
            need(row, f"a key of {space} is not there")
            one.append(watch.seconds * 1000)
        for _ in range(max(1, runs // 20)):
            some = [keys[i] for i in rng.choice(len(keys), 100, replace=False)]
            with measure.Stopwatch() as watch:
                rows = await stores[space].get_by_ids(some)
            need(all(rows), f"a key of {space} is not there")
            hundred.append(watch.seconds * 1000)
        measure.report(f"reads.{space}.one.median", measure.median(one), "ms")
        measure.report(f"reads.{space}.hundred.median", measure.median(hundred), "ms")


async def bench_bulk(folder, storages, rows, dimension, seed, np):
    """Embedding is a look into a list, so what is measured is LightRAG's storage."""
    import lightrag_stores
    rng = np.random.default_rng(seed)
    vectors = (rng.standard_normal((rows, dimension), dtype=np.float32) / np.sqrt(dimension)).astype(np.float32)

    async def embed(texts, **_):
        return vectors[[int(text[:8]) for text in texts]]

    store = lightrag_stores.vector_store("chunks", folder, storages, dimension, embed, BULK_BATCH)
    await store.initialize()
    words = [f"{w:04x}" for w in rng.integers(0, 65536, BULK_WORDS)]
    spent = 0
    need(not await store.get_by_id("chunk-00000000"), "the table of `bulk` is not new")
    for start in range(0, rows, BULK_BATCH):
        batch = {f"chunk-{i:08x}": {"content": f"{i:08d} " + " ".join(words[1:]), "full_doc_id": f"doc-{i // 20}",
                                    "file_path": f"file-{i // 20}.txt", "tokens": 300, "chunk_order_index": i % 20}
                 for i in range(start, min(start + BULK_BATCH, rows))}
        with measure.Stopwatch() as watch:
            await store.upsert(batch)
            await store.index_done_callback()
        spent += watch.seconds
    last = f"chunk-{rows - 1:08x}"
    need(await store.get_by_id(last), f"{last} is not there")
    measure.report("bulk.rows", rows, "rows")
    measure.report("bulk.put", spent, "s")
    measure.report("bulk.put_rate", rows / spent, "rows/s")
    await store.finalize()


async def run(options, folder):
    import numpy as np

    import lightrag_stores
    lightrag_stores.classes_of(options.storages)
    measure.report("open.imported", measure.seconds_since_start() * 1000, "ms")
    imported = time.perf_counter(), measure.resident_mb()
    dimension = options.dimension or lightrag_stores.dimension_of(folder)
    if "index" in options.benches:
        await bench_index(folder, options.storages, dimension, options.documents)
        return
    if "bulk" in options.benches:
        await bench_bulk(folder, options.storages, options.rows, dimension, options.seed, np)
        return
    stores = await lightrag_stores.open_stores(folder, options.storages, dimension)
    measure.report("open.opened", measure.seconds_since_start() * 1000, "ms")
    if "open" in options.benches:
        await bench_open(stores, imported, dimension, np)
    if "search" in options.benches:
        await bench_search(stores, lightrag_stores.GRAPH, np, options.runs, options.seed)
    if "expansion" in options.benches:
        await bench_expansion(stores, lightrag_stores.GRAPH, options.runs)
    if "reads" in options.benches:
        await bench_reads(stores, folder, options.runs, options.seed, np)
    if "update" in options.benches:
        await bench_update(stores, lightrag_stores.GRAPH, options.update_runs, options.seed, np,
                           options.storages != "ragstore")
    for store in stores.values():
        await store.finalize()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="DIR", help="a LightRAG working directory")
    parser.add_argument("--benches", default=",".join(BENCHES), help="which, separated by commas (default: all)")
    parser.add_argument("--runs", type=int, default=20, help="repetitions of search and expansion (default 20)")
    parser.add_argument("--update-runs", type=int, default=1, help="repetitions of update (default 1)")
    parser.add_argument("--seed", type=int, default=1, help="which questions are asked (default 1)")
    parser.add_argument("--storages", choices=("default", "ragstore", "postgres", "postgres_age"),
                        default="default", help="whose (default: LightRAG's)")
    parser.add_argument("--dimension", type=int, help="of the vectors (default: as DIR/vdb_entities.json says)")
    parser.add_argument("--documents", type=int, default=3, help="how many `index` takes (default 3)")
    parser.add_argument("--rows", type=int, default=20000, help="how many vectors `bulk` writes (default 20000)")
    options = parser.parse_args()
    options.benches = options.benches.split(",")
    unknown = set(options.benches) - {*BENCHES, *MORE_BENCHES}
    if unknown:
        parser.error(f"{', '.join(sorted(unknown))}: not one of {', '.join(BENCHES + MORE_BENCHES)}")
    logging.disable(logging.WARNING)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # and the copy is deleted
    if not {"update", "index"} & set(options.benches):
        asyncio.run(run(options, options.folder))
        return
    import lightrag_stores
    beside = pathlib.Path(os.path.abspath(options.folder)).parent
    with tempfile.TemporaryDirectory(prefix="peer-update-", dir=beside) as scratch:
        copy = os.path.join(scratch, "data")
        if options.storages == "ragstore":
            shutil.copytree(options.folder, copy)
        else:
            lightrag_stores.linked_copy(options.folder, copy)
        asyncio.run(run(options, copy))
        shutil.rmtree(copy)


if __name__ == "__main__":
    main()
